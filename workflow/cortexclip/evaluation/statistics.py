"""What the scores allow to say: intervals of means, paired comparisons of methods, ranks over datasets.

The unit that is drawn, flipped or counted is the stimulus, never the trial: trials of one stimulus share its
difficulty, and treating them as independent would make intervals too narrow and differences too easy to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import gammaln

from cortexclip.errors import InputError
from cortexclip.evaluation.metrics import METRICS
from cortexclip.evaluation.power import ALPHA, POWER, images_needed
from cortexclip.runtime.seeds import derive_seed

CELL = ["dataset", "protocol", "method", "encoder", "metric"]
SUMMARY_COLUMNS = [*CELL, "mean", "ci_low", "ci_high", "n_samples", "n_seeds", "n_missing"]

CHUNK = 1 << 21
"""Numbers held at a time for resamples: 16 MiB each. Results of a seed depend on it, so it is fixed."""


@dataclass(frozen=True)
class Interval:
    """Estimate with its interval; NaN for bounds that the data cannot give.

    ``n_clusters`` and ``n_seeds`` are those with at least one value, ``n_missing`` the values that are not finite.
    """

    estimate: float
    low: float
    high: float
    n_clusters: int
    n_seeds: int
    n_missing: int


def mean_interval(
    values: np.ndarray, clusters: np.ndarray, seeds: np.ndarray | None = None, *, level: float = 0.95
) -> Interval:
    """Interval of a mean over values grouped by stimulus and crossed with seeds (`skewed_bounds`).

    The variance of the mean is that of the stimuli's shares in it over their number, and as much for the seeds; what is
    particular to a value (neither to its stimulus nor to its seed) is in both, so that it is counted twice. With one
    seed the interval says nothing about other seeds. Values that are not finite are left out. Bounds are NaN with fewer
    than two stimuli, which say nothing about other stimuli.

    Parameters
    ----------
    values, clusters, seeds : arrays of shape (n_values,): scores, the stimulus of each, and its seed (all one if None)
    level : between 0 and 1
    """
    values, cluster, seed, shape, n_missing = _grouped(values, clusters, seeds, level)
    if not len(values):
        return Interval(np.nan, np.nan, np.nan, 0, 0, n_missing)
    estimate = float(values.mean())
    bounds = (np.nan, np.nan)
    if shape[0] > 1:
        deviations = [np.bincount(group, values - estimate) for group in (cluster, seed)]
        parts = [variance_of_mean(each * (size / len(values))) for each, size in zip(deviations, shape, strict=True)]
        low, high = skewed_bounds(estimate, *parts[0], shape[0] - 1, parts[1][0], shape[1] - 1, level)
        bounds = (float(low), float(high))
    return Interval(estimate, *bounds, *shape, n_missing)


def variance_of_mean(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of a mean of shares (..., n), of mean 0, and their skewness; 0 for one of them, or without variance."""
    n = shares.shape[-1]
    square = np.square(shares).mean(axis=-1)
    spread = square > 0
    skewness = np.where(spread, (shares**3).mean(axis=-1) / np.where(spread, square, 1) ** 1.5, 0.0)
    return square / max(n - 1, 1), skewness


def skewed_bounds(
    mean: np.ndarray | float,
    variance: np.ndarray,
    skewness: np.ndarray,
    dof: np.ndarray | int,
    other_variance: np.ndarray | float = 0.0,
    other_dof: np.ndarray | int = 0,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Student's t interval of a mean whose bound on the side of the long tail is moved outwards for the skewness.

    Hall's monotone transformation of t removes the skewness of a mean to the order 1/n; it is inverted at the quantiles
    of t. The bound that it would move inwards stays that of t. With 10 to 20 stimuli this covers the mean of real score
    distributions as often as the bootstrap-t, which is wider and random, and more often than t and percentile intervals
    (benchmarks/coverage.py; docs/evaluation.md has the table). Source: Hall (1992), On the removal of skewness by
    transformation, Journal of the Royal Statistical Society B 54.

    Parameters
    ----------
    mean, variance, skewness, dof : arrays of one shape, or numbers: estimate, the variance of the mean over stimuli,
        the skewness of the stimuli's values, and their number less 1
    other_variance, other_dof : what seeds add to the variance; degrees of freedom follow Satterthwaite (1946)
    """
    whole = variance + other_variance
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = variance**2 / dof + np.where(other_variance > 0, other_variance**2 / np.maximum(other_dof, 1), 0.0)
        share = np.where(whole > 0, variance / whole, 0.0)
        degrees = np.where(whole > 0, whole**2 / parts, dof)
    reach = stats.t.ppf((1 + level) / 2, degrees)
    skew = skewness * share**1.5 / np.sqrt(np.asarray(dof) + 1)  # of the mean
    slope = np.where(np.abs(skew) > 1e-6, skew, 1e-6)

    def inverse(y: np.ndarray) -> np.ndarray:
        return 3 / slope * (np.cbrt(1 + slope * (y - slope / 6)) - 1)

    error = np.sqrt(whole)
    return mean - np.maximum(reach, inverse(reach)) * error, mean + np.maximum(reach, -inverse(-reach)) * error


def median_interval(
    values: np.ndarray,
    clusters: np.ndarray,
    seeds: np.ndarray | None = None,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    rng: np.random.Generator | int = 0,
) -> Interval:
    """Percentile bootstrap of a median, as `mean_interval` otherwise.

    Each resample draws stimuli with replacement and, independently, seeds with replacement; a value counts as often as
    its stimulus was drawn times as often as its seed was drawn. With 2000 resamples the bounds of a 95 % interval vary
    by about 3 % of its half width from seed to seed. Sources: Owen (2007), The pigeonhole bootstrap, Annals of Applied
    Statistics 1; Efron & Tibshirani (1993), chapter 13. Raises InputError for fewer than one resample.
    """
    values, cluster, seed, shape, n_missing = _grouped(values, clusters, seeds, level)
    if n_resamples < 1:
        raise InputError(f"bootstrap: found n_resamples {n_resamples}; expected at least 1.")
    if not len(values):
        return Interval(np.nan, np.nan, np.nan, 0, 0, n_missing)
    low = high = np.nan
    if shape[0] > 1:
        estimates = _resampled_medians(values, cluster, seed, shape, n_resamples, np.random.default_rng(rng))
        tail = (1 - level) / 2
        # A resample may have drawn only stimuli and seeds that have no value together.
        low, high = np.quantile(estimates[~np.isnan(estimates)], [tail, 1 - tail])
    return Interval(float(np.median(values)), float(low), float(high), *shape, n_missing)


def _grouped(
    values: np.ndarray, clusters: np.ndarray, seeds: np.ndarray | None, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int], int]:
    """Finite values, the number of the stimulus and of the seed of each, how many of these, and the values left out."""
    values, clusters = np.asarray(values, dtype=float), np.asarray(clusters)
    seeds = np.zeros(len(values), dtype=int) if seeds is None else np.asarray(seeds)
    if not values.shape == clusters.shape == seeds.shape or values.ndim != 1 or not 0 < level < 1:
        raise InputError(
            f"interval: found values {values.shape}, clusters {clusters.shape}, seeds {seeds.shape} and level {level}; "
            "expected three arrays of shape (n_values,) and a number between 0 and 1."
        )
    finite = np.isfinite(values)
    cluster_names, cluster = np.unique(clusters[finite], return_inverse=True)
    seed_names, seed = np.unique(seeds[finite], return_inverse=True)
    return values[finite], cluster, seed, (len(cluster_names), len(seed_names)), int((~finite).sum())


def _resampled_medians(
    values: np.ndarray,
    cluster: np.ndarray,
    seed: np.ndarray,
    shape: tuple[int, int],
    n_resamples: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Medians of resamples: where the running weight of the sorted values passes half of the whole."""
    order = np.argsort(values, kind="stable")
    values, cluster, seed = values[order], cluster[order], seed[order]
    medians = np.empty(n_resamples)
    for chunk in _chunks(n_resamples, max(len(values), shape[0])):
        drawn = chunk.stop - chunk.start
        weights = _weights(rng, drawn, shape[0]).astype(np.int32)[:, cluster]
        weights *= _weights(rng, drawn, shape[1]).astype(np.int32)[:, seed]
        running = np.cumsum(weights, axis=1, out=weights)
        half = running[:, -1:] / 2
        middle = (values[(running >= half).argmax(axis=1)] + values[(running > half).argmax(axis=1)]) / 2
        medians[chunk] = np.where(half[:, 0] > 0, middle, np.nan)
    return medians


def _weights(rng: np.random.Generator, n_resamples: int, n_items: int) -> np.ndarray:
    """How often each item was drawn: (n_resamples, n_items) multinomial counts.

    Counting drawn items is several times faster than drawing each count from its binomial distribution.
    """
    items = rng.integers(0, n_items, size=(n_resamples, n_items))
    items += np.arange(n_resamples)[:, None] * n_items
    return np.bincount(items.ravel(), minlength=items.size).reshape(items.shape)


def _chunks(total: int, width: int) -> list[slice]:
    step = max(1, CHUNK // max(width, 1))
    return [slice(start, min(start + step, total)) for start in range(0, total, step)]


def summarise(
    scores: pd.DataFrame, *, base_seed: int = 0, n_resamples: int = 2000, level: float = 0.95
) -> pd.DataFrame:
    """Mean and interval of every cell (dataset, protocol, method, encoder, metric) of a score table.

    Metrics that `METRICS` declares as the median of another (the median rank) get a row of their own, whose ``mean``
    is that median. Its generator is seeded by its names, so that a cell's interval depends on nothing else. Intervals
    end where the metric's range does. Names of ``scores`` are plain strings or categories.

    Returns
    -------
    DataFrame with the columns `SUMMARY_COLUMNS`
        Sorted by names, metrics in the order of `METRICS`. ``n_samples`` are scored trials (pairs of fold and
        sample), ``n_seeds`` seeds, ``n_missing`` values that are not finite; mean and interval are of the others, NaN
        where there is none.
    """
    needed = [*CELL, "fold", "seed", "sample", "stimulus", "value"]
    if missing := [column for column in needed if column not in scores]:
        raise InputError(f"scores: the columns {', '.join(missing)} are missing. Give a table of scores.")
    for column in (*CELL, "stimulus"):
        if scores[column].isna().any():
            raise InputError(f"scores: the column {column} has rows without a name. Fill them.")
    folds, all_seeds, samples, values = (scores[c].to_numpy() for c in ("fold", "seed", "sample", "value"))
    stimuli = scores["stimulus"].astype("category").cat.codes.to_numpy()
    medians = {metric.median_of: name for name, metric in METRICS.items() if metric.median_of}
    rows = []
    for key, at in scores.groupby(CELL, observed=True, sort=False).indices.items():
        labels = dict(zip(CELL, key, strict=True))
        fold, sample = folds[at].astype(np.int64), samples[at].astype(np.int64)
        trials = len(np.unique(fold * (sample.max() + 1) + sample))
        seeds = all_seeds[at]
        grouped = values[at], stimuli[at], seeds
        found = {labels["metric"]: mean_interval(*grouped, level=level)}
        if median := medians.get(labels["metric"]):
            rng = derive_seed(base_seed, *{**labels, "metric": median}.values())
            found[median] = median_interval(*grouped, n_resamples=n_resamples, level=level, rng=rng)
        for metric, interval in found.items():
            limits = (METRICS[metric].low, METRICS[metric].high) if metric in METRICS else (-np.inf, np.inf)
            bounds = np.clip([interval.low, interval.high], *limits)  # no mean lies beyond
            counts = trials, len(np.unique(seeds)), interval.n_missing
            rows.append((*{**labels, "metric": metric}.values(), interval.estimate, *bounds, *counts))
    summary = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    position = {name: number for number, name in enumerate(METRICS)}
    by_metric = summary["metric"].map(lambda name: position.get(name, len(position)))
    return (
        summary.assign(position=by_metric)
        .sort_values([*CELL[:-1], "position", "metric"], kind="stable", ignore_index=True)
        .drop(columns="position")
    )


@dataclass(frozen=True)
class PairedTest:
    """Result of `paired_permutation_test`, arrays of shape (...) (scalars for one comparison).

    ``smallest_p`` is the smallest p value that so many stimuli could give: below it nothing can be found.
    """

    p_value: np.ndarray
    mean_difference: np.ndarray
    n_pairs: np.ndarray
    n_clusters: np.ndarray
    smallest_p: np.ndarray
    exact: bool


def paired_permutation_test(
    differences: np.ndarray,
    clusters: np.ndarray,
    *,
    n_resamples: int = 10_000,
    max_exact: int = 2**14,
    rng: np.random.Generator | int = 0,
) -> PairedTest:
    """Two-sided paired permutation test of a mean difference, signs flipped for whole stimuli.

    If two methods do not differ, a stimulus's differences are as likely with the opposite sign. The statistic is the
    mean over trials. All sign patterns are enumerated if there are at most ``max_exact`` (14 stimuli); else
    ``n_resamples`` random ones are drawn and the observed one is counted among them: (b + 1) / (n + 1). NaN for a
    comparison without a value. Sources: Phipson & Smyth (2010), Permutation p-values should never be zero, Statistical
    Applications in Genetics and Molecular Biology 9; Winkler et al. (2015), Multi-level block permutation, NeuroImage
    123.

    Parameters
    ----------
    differences : array of shape (..., n_trials): score of one method minus that of the other on each trial (mean over
        seeds), comparisons along the leading axes, which share the flips; NaN is left out
    clusters : array of shape (n_trials,): stimulus of each trial
    rng : numpy Generator or seed
    """
    sums, counts = _cluster_sums(differences, clusters)
    leading, n_clusters = sums.shape[:-1], sums.shape[-1]
    sums, counts = sums.reshape(-1, n_clusters), counts.reshape(-1, n_clusters)
    observed = np.abs(sums.sum(axis=1))
    # Patterns that give the observed statistic again must count, whatever order their terms were added in.
    reached = observed - 1e-12 * np.abs(sums).sum(axis=1)
    exact = 2.0**n_clusters <= max_exact
    if exact:
        # Opposite patterns have opposite sums: the first sign is held.
        totals = sums[:, :1]
        for cluster in range(1, n_clusters):
            term = sums[:, cluster : cluster + 1]
            totals = np.concatenate([totals + term, totals - term], axis=1)
        p_value = (np.abs(totals) >= reached[:, None]).mean(axis=1)
    else:
        rng = np.random.default_rng(rng)
        hits = np.zeros(len(sums))
        for chunk in _chunks(n_resamples, max(n_clusters, len(sums))):
            signs = 2.0 * rng.integers(0, 2, size=(chunk.stop - chunk.start, n_clusters), dtype=np.int8) - 1
            hits += (np.abs(signs @ sums.T) >= reached).sum(axis=0)
        p_value = (hits + 1) / (n_resamples + 1)
    n_pairs, used = counts.sum(axis=1), (counts > 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        mean = sums.sum(axis=1) / n_pairs
    smallest = np.minimum(2.0 ** (1 - used), 1.0) if exact else np.maximum(2.0 ** (1 - used), 1 / (n_resamples + 1))
    p_value, smallest = (np.where(used > 0, values, np.nan) for values in (p_value, smallest))
    p_value, mean, n_pairs, used, smallest = (a.reshape(leading)[()] for a in (p_value, mean, n_pairs, used, smallest))
    return PairedTest(p_value, mean, n_pairs, used, smallest, exact)


def _cluster_sums(differences: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums and numbers of the finite differences of each cluster: (..., n_clusters)."""
    differences, clusters = np.asarray(differences, dtype=float), np.asarray(clusters)
    if differences.ndim < 1 or clusters.shape != differences.shape[-1:] or not clusters.size:
        raise InputError(
            f"comparison: found differences {differences.shape} and clusters {clusters.shape}; expected "
            "(..., n_trials) and (n_trials,) with at least one trial."
        )
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], clusters[order][1:] != clusters[order][:-1]]))
    differences = differences[..., order]
    finite = np.isfinite(differences)
    sums = np.add.reduceat(np.where(finite, differences, 0.0), starts, axis=-1)
    return sums, np.add.reduceat(finite.astype(int), starts, axis=-1)


VERY_LARGE = 1.2
"""The effect (Cohen's d_z; Sawilowsky 2009 calls it very large) that has to be found with a probability of `POWER`."""


def corrected(p_values: np.ndarray, n_comparisons: int) -> np.ndarray:
    """P values times the size of the declared family (Bonferroni), at most 1; NaN stays.

    The size does not depend on what was compared: a p value says the same, whatever else a configuration runs. A
    correction by steps, such as Holm's, would let other methods' results move it.
    """
    return np.minimum(np.asarray(p_values, dtype=float) * n_comparisons, 1)


@lru_cache
def least_stimuli(n_comparisons: int, alpha: float = ALPHA) -> int:
    """The least number of distinct stimuli on which a verdict is given, for a family of so many comparisons.

    So many that (1) the smallest p of a sign-flip test, ``2**(1 - n)``, stays below ``alpha`` after the correction, and
    (2) a very large effect is found with probability `POWER` at the corrected level. With less power, most differences
    that are found are exaggerated, and many are none (Button et al. 2013, Power failure, Nature Reviews Neuroscience
    14; Gelman & Carlin 2014, Beyond power calculations, Perspectives on Psychological Science 9). The power is that of
    Student's t-test of normal differences, which a sign-flip test comes close to. The very large effect: Sawilowsky
    (2009), New effect size rules of thumb, Journal of Modern Applied Statistical Methods 8.
    """
    level = alpha / n_comparisons
    by_flips = int(np.floor(1 - np.log2(level))) + 1
    return max(by_flips, int(images_needed(VERY_LARGE, POWER, level)))


def decidable(n_stimuli: float, smallest_p: float, n_comparisons: int, alpha: float = ALPHA) -> bool:
    """Whether a verdict is given at all: the one rule that tables, figures and pages follow.

    There are at least `least_stimuli`, and the smallest p that the test could give here stays below ``alpha`` after the
    correction.
    """
    return bool(n_stimuli >= least_stimuli(n_comparisons, alpha) and smallest_p * n_comparisons < alpha)


@dataclass(frozen=True)
class CorrectedTTest:
    """Result of `corrected_resampled_t_test`, arrays of shape (...)."""

    statistic: np.ndarray
    p_value: np.ndarray
    mean_difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    dof: int


def corrected_resampled_t_test(
    fold_differences: np.ndarray, n_train: float, n_test: float, *, level: float = 0.95
) -> CorrectedTTest:
    """Nadeau and Bengio's corrected resampled t-test of the differences of two methods on the folds of one split.

    Training parts overlap, so that folds are not independent; the variance of the mean over J folds is taken as
    ``(1 / J + n_test / n_train)`` times the variance over folds, with J - 1 degrees of freedom. NaN with fewer than two
    folds or a fold that is NaN. Without any variance p is 1 for no difference, else 0. Source: Nadeau & Bengio (2003),
    Inference for the generalization error, Machine Learning 52, section 4.

    Parameters
    ----------
    fold_differences : array of shape (..., n_folds): difference of the mean scores in each fold
    n_train, n_test : samples trained on and scored in a fold (means where folds differ), above 0
    level : of the interval ``low`` to ``high`` of the mean difference
    """
    differences = np.asarray(fold_differences, dtype=float)
    if not (n_train > 0 and n_test > 0):
        raise InputError(f"t-test: found n_train {n_train} and n_test {n_test}; expected numbers above 0.")
    folds = differences.shape[-1]
    mean = differences.mean(axis=-1)
    if folds < 2:
        nan = np.full(mean.shape, np.nan)[()]
        return CorrectedTTest(nan, nan, mean, nan, nan, 0)
    # Equal differences have no variance, though their rounded mean may differ from them.
    same = (differences == differences[..., :1]).all(axis=-1)
    variance = np.where(same, 0.0, differences.var(axis=-1, ddof=1))
    error = np.sqrt((1 / folds + n_test / n_train) * variance)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = np.where((mean == 0) & (error == 0), 0.0, mean / error)
    p_value = 2 * stats.t.sf(np.abs(statistic), folds - 1)
    reach = stats.t.ppf((1 + level) / 2, folds - 1) * error
    return CorrectedTTest(statistic[()], p_value[()], mean, (mean - reach)[()], (mean + reach)[()], folds - 1)


def cohens_dz(differences: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Standardised mean of paired differences (Cohen's d_z), corrected for few stimuli (Hedges): array of shape (...).

    The unit is the stimulus: the mean difference over a stimulus's trials counts once. d_z is the mean of these over
    their standard deviation (ddof 1), times Hedges' exact factor ``gamma(m / 2) / (sqrt(m / 2) gamma((m - 1) / 2))``
    for m = n_stimuli - 1. NaN with fewer than three stimuli (the factor needs two degrees of freedom) or without any
    variance. Sources: Cohen (1988), Statistical power analysis, section 2.3.5; Hedges (1981), Distribution theory for
    Glass's estimator of effect size and related estimators, Journal of Educational Statistics 6, equation 6.

    Parameters
    ----------
    differences : array of shape (..., n_trials), of which NaN is left out
    clusters : array of shape (n_trials,): stimulus of each trial
    """
    sums, counts = _cluster_sums(differences, clusters)
    used = counts > 0
    means = np.where(used, sums / np.maximum(counts, 1), 0.0)
    n = used.sum(axis=-1)
    degrees = np.maximum(n - 1, 2)
    mean = means.sum(axis=-1) / np.maximum(n, 1)
    squares = np.where(used, np.square(means - mean[..., None]), 0.0).sum(axis=-1)
    deviation = np.sqrt(squares / degrees)
    factor = np.exp(gammaln(degrees / 2) - gammaln((degrees - 1) / 2)) / np.sqrt(degrees / 2)
    defined = (n >= 3) & (deviation > 1e-12 * np.abs(means).max(axis=-1))
    return np.where(defined, factor * mean / np.where(defined, deviation, 1), np.nan)[()]


def average_ranks(scores: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """Mean ranks of methods over datasets (n_methods,), 1 for the leading score, equal scores sharing their mean rank.

    ``scores`` has shape (n_datasets, n_methods). Raises InputError if one is missing: ranks need every method on every
    dataset.
    """
    return _ranks(scores, higher_is_better).mean(axis=0)


def _ranks(scores: np.ndarray, higher_is_better: bool) -> np.ndarray:
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 2 or not scores.size or np.isnan(scores).any():
        raise InputError(
            f"ranks: found scores of shape {scores.shape} with {int(np.isnan(scores).sum())} missing; expected "
            "(dataset, method) with a score of every method on every dataset. Leave out what is not complete."
        )
    return stats.rankdata(-scores if higher_is_better else scores, axis=1)


def friedman_test(scores: np.ndarray) -> float:
    """P value of Friedman's chi-squared test, corrected for ties: whether methods differ over datasets.

    ``scores`` has shape (n_datasets, n_methods), at least 2 datasets and 3 methods (for two methods compare them
    directly); raises InputError if one is missing or there are too few. Source: Demsar (2006), Statistical comparisons
    of classifiers over multiple data sets, JMLR 7, section 3.2.2.
    """
    ranks = _ranks(scores, higher_is_better=False)
    if len(ranks) < 2 or ranks.shape[1] < 3:
        raise InputError(f"Friedman's test: found {ranks.shape} datasets and methods; expected at least 2 and 3.")
    if (ranks == ranks[:, :1]).all():  # all tied in every dataset: nothing to tell apart
        return 1.0
    return float(stats.friedmanchisquare(*ranks.T).pvalue)


def nemenyi_critical_difference(n_methods: int, n_datasets: int, alpha: float = 0.05) -> float:
    """Difference of average ranks that two methods need to differ: ``q sqrt(k (k + 1) / (6 n))``.

    q is the upper ``alpha`` point of the studentized range of k values with infinite degrees of freedom, over sqrt 2.
    Source: Demsar (2006), JMLR 7, section 3.2.2 and table 5(a).
    """
    if n_methods < 2 or n_datasets < 1 or not 0 < alpha < 1:
        raise InputError(
            f"Nemenyi: found {n_methods} methods, {n_datasets} datasets and alpha {alpha}; expected at least 2, at "
            "least 1, and a number between 0 and 1."
        )
    q = stats.studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_datasets)))


def groups_not_different(ranks: np.ndarray, critical_difference: float) -> list[tuple[int, ...]]:
    """Groups of methods that a bar joins in a critical-difference diagram: method numbers in order of rank.

    Every largest group of two or more whose average ``ranks`` (n_methods,) lie less than the critical difference apart.
    """
    ranks = np.asarray(ranks, dtype=float)
    order = np.argsort(ranks, kind="stable")
    ordered = ranks[order]
    stops = np.searchsorted(ordered, ordered + critical_difference, side="left")
    groups, covered = [], 0
    for start, stop in enumerate(stops):
        if stop > covered and stop - start > 1:
            groups.append(tuple(int(method) for method in order[start:stop]))
        covered = max(covered, stop)
    return groups
