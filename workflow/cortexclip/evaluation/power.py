"""How many images it takes to tell two methods apart, from the differences of their scores on the images there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

ALPHA, POWER = 0.05, 0.8
LEAST = 6
"""Fewest images on which signs can be flipped to a two-sided p below `ALPHA`: 2 ** (1 - 6) is 0.031."""
MOST = 1_000_000
"""More images than this count as infinitely many."""
MOST_SIMULATED = 500
MIN_IMAGES = 3


@dataclass(frozen=True)
class Power:
    """What the differences of two methods on some images say of larger and smaller numbers of images.

    Attributes
    ----------
    effect, sd : mean and standard deviation (ddof 1) of the differences over images.
    n_images : distinct images there are.
    power : probability of telling the methods apart on so many images, were effect and sd the true ones.
    needed : least number of images with a power of `POWER`; infinite above `MOST`.
    needed_low, needed_high : the same at the ends of the 95 % interval of effect / sd; the upper is infinite where the
        interval holds 0.
    simulated : power with ``needed`` images by simulation (`simulated_power`); NaN above `MOST_SIMULATED`.
    """

    effect: float
    sd: float
    n_images: int
    power: float
    needed: float
    needed_low: float
    needed_high: float
    simulated: float


def power_of(differences: np.ndarray, rng: np.random.Generator | int = 0) -> Power:
    """Power from the differences of two methods, (n_images,): of each image its mean over trials and seeds.

    NaN where there are fewer than `MIN_IMAGES`, or where all differences are equal. It is of one comparison at
    `ALPHA`; a correction for several needs more images. The power on the images there are says no more than their p
    value does (Hoenig & Heisey 2001, The American Statistician 55:19); what it takes is in the other numbers, which
    are as uncertain as their interval says.
    """
    differences = np.asarray(differences, float)
    differences = differences[np.isfinite(differences)]
    n = len(differences)
    effect = float(differences.mean()) if n else np.nan
    sd = float(differences.std(ddof=1)) if n > 1 else np.nan
    if n < MIN_IMAGES or not sd > 1e-12 * np.abs(differences).max():
        return Power(effect, sd, n, *[np.nan] * 5)
    low, high = standardised_interval(effect / sd, n)
    nearest, farthest = (0.0 if low < 0 < high else min(abs(low), abs(high))), max(abs(low), abs(high))
    needed = images_needed(effect / sd)
    simulated = simulated_power(differences, int(needed), rng=rng) if needed <= MOST_SIMULATED else np.nan
    ends = images_needed(farthest), images_needed(nearest)
    return Power(effect, sd, n, float(paired_power(effect / sd, n)), needed, *ends, simulated)


def paired_power(effect: float, n: int | np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """Power of the two-sided paired t-test for a mean of ``effect`` standard deviations on ``n`` images.

    The test statistic has a noncentral t distribution with n - 1 degrees of freedom and noncentrality
    ``effect sqrt(n)`` (Cohen 1988, section 2.3.5). 0 below `LEAST` images, where the permutation test of the tables
    finds nothing, however large the effect.
    """
    n = np.asarray(n)
    dof, shift = np.maximum(n - 1, 1), abs(effect) * np.sqrt(n)
    reach = stats.t.ppf(1 - alpha / 2, dof)
    found = stats.nct.sf(reach, dof, shift) + stats.nct.cdf(-reach, dof, shift)
    found = np.where(np.isfinite(found), found, shift > reach)  # far in a tail it is not computed
    return np.where(n < LEAST, 0.0, found)[()]


def images_needed(effect: float, power: float = POWER, alpha: float = ALPHA) -> float:
    """Least number of images with at least ``power`` for a mean of ``effect`` standard deviations, or inf."""
    if not paired_power(effect, MOST, alpha) >= power:
        return float("inf")
    low, high = LEAST - 1, LEAST
    while not paired_power(effect, high, alpha) >= power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if paired_power(effect, middle, alpha) >= power else (middle, high)
    return float(high)


def standardised_interval(effect: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of the true mean over the true standard deviation, of which ``effect`` was found on ``n`` images.

    The noncentralities under which the t statistic found lies at the ends of its distribution, over sqrt(n)
    (Steiger & Fouladi 1997, in What if there were no significance tests?, chapter 9). For normal differences.
    """
    t, tail = effect * np.sqrt(n), (1 - level) / 2
    span = abs(t) + 10 * np.sqrt(1 + t**2 / (2 * (n - 1)))

    def below(shift: float) -> float:
        found = stats.nct.cdf(t, n - 1, shift)
        return found if np.isfinite(found) else float(shift < t)  # far in a tail it is not computed

    ends = [brentq(lambda shift, p=p: below(shift) - p, -span, span) for p in (1 - tail, tail)]
    return ends[0] / np.sqrt(n), ends[1] / np.sqrt(n)


def simulated_power(
    differences: np.ndarray, n: int, *, n_simulations: int = 1000, rng: np.random.Generator | int = 0
) -> float:
    """Share of samples of ``n`` images on which the paired t-test tells two methods apart, images drawn with
    replacement from ``differences`` (n_images,), spread so that their variance is the unbiased one.

    Where the differences are far from normal it is not what `paired_power` says.
    """
    mean = differences.mean()
    population = mean + (differences - mean) * np.sqrt(len(differences) / (len(differences) - 1))
    drawn = np.random.default_rng(rng).choice(population, size=(n_simulations, n))
    error = drawn.std(axis=1, ddof=1) / np.sqrt(n)
    return float((np.abs(drawn.mean(axis=1)) > stats.t.ppf(1 - ALPHA / 2, n - 1) * error).mean())
