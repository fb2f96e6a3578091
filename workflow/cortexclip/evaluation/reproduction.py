"""Whether a published value is what its source's procedure gives: values over seeds, and an interval for one more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Repeated:
    """A procedure run again from several seeds.

    Attributes
    ----------
    values : the published quantity for each seed.
    image_variance : variance that the choice of scored images adds to such a value, where the source scored other
        images than we did; 0 where the scored samples are the same.
    reading : how far a value that was read off a figure may be from the one that is drawn; 0 for printed values.
    """

    values: tuple[float, ...]
    image_variance: float = 0.0
    reading: float = 0.0

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    def interval(self) -> tuple[float, float]:
        """Where one more run would lie with probability 0.95.

        The t-based prediction interval for one more seed, mean +- t s sqrt(1 + 1/n) with n - 1 degrees of freedom.
        Where the source scored other images, the variance of two draws of images is added to its half-width squared, by
        the normal distribution. `reading` is added to the half-width. A single value, of a method without randomness,
        can only be compared with one that was read off a figure: otherwise NaN, for nothing says how far two
        computations of it may be apart.
        """
        n = len(self.values)
        if n < 2 and not self.reading:
            return math.nan, math.nan
        spread = float(np.std(self.values, ddof=1)) * math.sqrt(1 + 1 / n) if n > 1 else 0.0
        half = self.reading + math.hypot(
            stats.t.ppf((1 + LEVEL) / 2, n - 1) * spread if n > 1 else 0.0,
            stats.norm.ppf((1 + LEVEL) / 2) * math.sqrt(2 * self.image_variance),
        )
        return self.mean - half, self.mean + half

    def gives(self, value: float) -> bool:
        """Whether a published value lies in :meth:`interval`, its ends included."""
        low, high = self.interval()
        return low <= value <= high


def constant_error(images: np.ndarray) -> np.ndarray:
    """Squared error of always answering the mean image, for each of the distinct images (n, y, x): (n,)."""
    images = np.asarray(images, dtype=np.float64)
    return ((images - images.mean(axis=0)) ** 2).mean(axis=(1, 2))


def improvements(own: Sequence[float], rivals: Sequence[Sequence[float]]) -> list[float]:
    """By how many percent each value is below the least rival's, seed by seed."""
    return [100 * (min(r) - value) / min(r) for value, *r in zip(own, *rivals, strict=True)]
