"""What the scores allow to say: intervals of means, paired comparisons of methods, ranks over datasets.

The unit that is drawn, flipped or counted is the stimulus, never the trial: trials of one stimulus share its
difficulty, and treating them as independent would make intervals too narrow and differences too easy to find.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import gammaln

from cortexclip.errors import InputError
from cortexclip.evaluation.metrics import METRICS
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


def bootstrap_interval(
    values: np.ndarray,
    clusters: np.ndarray,
    seeds: np.ndarray | None = None,
    *,
    statistic: str = "mean",
    n_resamples: int = 2000,
    level: float = 0.95,
    rng: np.random.Generator | int = 0,
) -> Interval:
    """Percentile interval of a mean (or median) over values grouped by stimulus and crossed with seeds.

    Each resample draws stimuli with replacement and, independently, seeds with replacement; a value counts as often
    as its stimulus was drawn times as often as its seed was drawn. Values that are not finite are left out.

    Known of its coverage: with many stimuli it is near its level. With few it is too narrow, as every percentile
    bootstrap: it takes the variance without the factor n / (n - 1) and the normal's tails for Student's. For normal
    data and one seed an interval of 95 % holds the mean in about 90 % of cases with 10 stimuli, 93 % with 20, 94 %
    with 50. Few seeds have the same effect where seeds differ much. Drawing crossed stimuli and seeds is conservative
    where what is particular to a value (neither to its stimulus nor to its seed) is large: its variance is counted
    up to three times (Owen 2007). With one seed the interval says nothing about other seeds.

    Parameters
    ----------
    values, clusters, seeds : arrays of shape (n_values,)
        Scores, the stimulus of each, and the training seed of each (all one if None).
    statistic : "mean" or "median"
    n_resamples : int
        From 1. With 2000 the bounds of a 95 % interval vary by about 3 % of its half width from seed to seed.
    level : float
        Between 0 and 1.
    rng : numpy Generator or seed

    Returns
    -------
    Interval
        Its bounds are NaN with fewer than two stimuli, which say nothing about other stimuli.

    References
    ----------
    Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1; Efron & Tibshirani (1993), chapter 13.
    """
    values, clusters = np.asarray(values, dtype=float), np.asarray(clusters)
    seeds = np.zeros(len(values), dtype=int) if seeds is None else np.asarray(seeds)
    _check_resampling(values, clusters, seeds, statistic, n_resamples, level)
    finite = np.isfinite(values)
    values = values[finite]
    n_missing = int((~finite).sum())
    if not len(values):
        return Interval(np.nan, np.nan, np.nan, 0, 0, n_missing)
    cluster_names, cluster = np.unique(clusters[finite], return_inverse=True)
    seed_names, seed = np.unique(seeds[finite], return_inverse=True)
    shape = len(cluster_names), len(seed_names)
    estimate = float(values.mean() if statistic == "mean" else np.median(values))
    low = high = np.nan
    if shape[0] > 1:
        resampled = _resampled_means if statistic == "mean" else _resampled_medians
        estimates = resampled(values, cluster, seed, shape, n_resamples, np.random.default_rng(rng))
        tail = (1 - level) / 2
        # A resample may have drawn only stimuli and seeds that have no value together.
        low, high = np.quantile(estimates[~np.isnan(estimates)], [tail, 1 - tail])
    return Interval(estimate, float(low), float(high), *shape, n_missing)


def _check_resampling(
    values: np.ndarray, clusters: np.ndarray, seeds: np.ndarray, statistic: str, n_resamples: int, level: float
) -> None:
    if not values.shape == clusters.shape == seeds.shape or values.ndim != 1:
        raise InputError(
            f"bootstrap: found values {values.shape}, clusters {clusters.shape} and seeds {seeds.shape}; expected "
            "three arrays of shape (n_values,)."
        )
    if statistic not in ("mean", "median") or n_resamples < 1 or not 0 < level < 1:
        raise InputError(
            f"bootstrap: found statistic {statistic!r}, n_resamples {n_resamples} and level {level}; expected mean or "
            "median, at least 1, and a number between 0 and 1."
        )


def _resampled_means(
    values: np.ndarray,
    cluster: np.ndarray,
    seed: np.ndarray,
    shape: tuple[int, int],
    n_resamples: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Means of resamples, through the sums and counts of each stimulus and seed: no resample touches a value."""
    n_clusters, n_seeds = shape
    cell = cluster * n_seeds + seed
    size = n_clusters * n_seeds
    sums, counts = np.bincount(cell, values, size), np.bincount(cell, minlength=size)
    sums_and_counts = np.hstack([sums.reshape(shape), counts.reshape(shape)])
    means = np.empty(n_resamples)
    for chunk in _chunks(n_resamples, n_clusters):
        drawn = chunk.stop - chunk.start
        cluster_weights = _weights(rng, drawn, n_clusters).astype(float)
        seed_weights = _weights(rng, drawn, n_seeds)
        by_seed = (cluster_weights @ sums_and_counts).reshape(drawn, 2, n_seeds)
        total, weight = np.einsum("bqs,bs->qb", by_seed, seed_weights)
        with np.errstate(invalid="ignore"):
            means[chunk] = total / weight
    return means


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
    is that median. The generator of a cell is seeded by its names, so that a cell's interval depends on nothing else.

    Parameters
    ----------
    scores : DataFrame with the columns of score tables
        Plain strings or categories for names.
    base_seed : int
    n_resamples, level : as in `bootstrap_interval`

    Returns
    -------
    DataFrame with the columns `SUMMARY_COLUMNS`
        Sorted by names, metrics in the order of `METRICS`. ``n_samples`` are scored trials (pairs of fold and
        sample), ``n_seeds`` seeds, ``n_missing`` values that are not finite; mean and interval are of the others, NaN
        where there is none.
    """
    names, codes, cell = _numbered(scores)
    order = np.argsort(cell, kind="stable")
    bounds = np.flatnonzero(np.diff(cell[order], prepend=-1))
    columns = {column: scores[column].to_numpy() for column in ("fold", "seed", "sample", "value")}
    medians = {metric.median_of: name for name, metric in METRICS.items() if metric.median_of}
    rows = []
    for at in np.split(order, bounds[1:]) if len(order) else []:
        labels = {column: names[column][codes[column][at[0]]] for column in CELL}
        fold, sample = columns["fold"][at].astype(np.int64), columns["sample"][at].astype(np.int64)
        trials = len(np.unique(fold * (sample.max() + 1) + sample))
        seeds = columns["seed"][at]
        statistics = [(labels["metric"], "mean")]
        if labels["metric"] in medians:
            statistics.append((medians[labels["metric"]], "median"))
        for metric, statistic in statistics:
            labels = {**labels, "metric": metric}
            found = bootstrap_interval(
                columns["value"][at],
                codes["stimulus"][at],
                seeds,
                statistic=statistic,
                n_resamples=n_resamples,
                level=level,
                rng=derive_seed(base_seed, *labels.values()),
            )
            counts = trials, len(np.unique(seeds)), found.n_missing
            rows.append((*labels.values(), found.estimate, found.low, found.high, *counts))
    summary = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    place = {name: number for number, name in enumerate(METRICS)}
    by_metric = summary["metric"].map(lambda name: place.get(name, len(place)))
    return (
        summary.assign(place=by_metric)
        .sort_values([*CELL[:-1], "place", "metric"], kind="stable", ignore_index=True)
        .drop(columns="place")
    )


def _numbered(scores: pd.DataFrame) -> tuple[dict[str, list[str]], dict[str, np.ndarray], np.ndarray]:
    """Names of each column of names, the number of each row's name, and one number for its cell."""
    needed = [*CELL, "fold", "seed", "sample", "stimulus", "value"]
    if missing := [column for column in needed if column not in scores]:
        raise InputError(f"scores: the columns {', '.join(missing)} are missing. Give a table of scores.")
    names, codes = {}, {}
    for column in [*CELL, "stimulus"]:
        categories = scores[column].astype("category")
        codes[column], names[column] = categories.cat.codes.to_numpy(), list(categories.cat.categories)
        if (codes[column] < 0).any():
            raise InputError(f"scores: the column {column} has rows without a name. Fill them.")
    cell = np.zeros(len(scores), dtype=np.int64)
    for column in CELL:
        cell = cell * max(len(names[column]), 1) + codes[column]
    return names, codes, cell


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
    ``n_resamples`` random ones are drawn and the observed one is counted among them: (b + 1) / (n + 1).

    Parameters
    ----------
    differences : array of shape (..., n_trials)
        Score of one method minus that of the other on each trial (mean over seeds), comparisons along the leading
        axes, which share the flips. NaN is left out.
    clusters : array of shape (n_trials,)
        Stimulus of each trial.
    rng : numpy Generator or seed

    Returns
    -------
    PairedTest, NaN for a comparison without a value.

    References
    ----------
    Phipson & Smyth (2010), Permutation p-values should never be zero, Statistical Applications in Genetics and
    Molecular Biology 9; Winkler et al. (2015), Multi-level block permutation, NeuroImage 123.
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


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjusted p values of a family of tests (step-down Bonferroni), in 0..1.

    Parameters
    ----------
    p_values : array of shape (n_tests,)
        NaN is a comparison that could not be made: it stays NaN and does not count.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
    """
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full(p_values.shape, np.nan)
    made = np.flatnonzero(~np.isnan(p_values))
    order = made[np.argsort(p_values[made], kind="stable")]
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted


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
    ``(1 / J + n_test / n_train)`` times the variance over folds, with J - 1 degrees of freedom.

    Parameters
    ----------
    fold_differences : array of shape (..., n_folds)
        Difference of the mean scores in each fold.
    n_train, n_test : float
        Samples trained on and scored in a fold (means where folds differ).
    level : float
        Of the interval ``low`` to ``high`` of the mean difference.

    Returns
    -------
    CorrectedTTest
        NaN with fewer than two folds or a fold that is NaN. Without any variance p is 1 for no difference, else 0.

    References
    ----------
    Nadeau & Bengio (2003), Inference for the generalization error, Machine Learning 52, section 4.
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
    """Standardised mean of paired differences (Cohen's d_z), corrected for few stimuli (Hedges).

    The unit is the stimulus: the mean difference over a stimulus's trials counts once. d_z is the mean of these over
    their standard deviation (ddof 1), times Hedges' exact factor
    ``gamma(m / 2) / (sqrt(m / 2) gamma((m - 1) / 2))`` for m = n_stimuli - 1.

    Parameters
    ----------
    differences : array of shape (..., n_trials)
        NaN is left out.
    clusters : array of shape (n_trials,)

    Returns
    -------
    array of shape (...)
        NaN with fewer than three stimuli (the factor needs two degrees of freedom) or without any variance.

    References
    ----------
    Cohen (1988), Statistical power analysis, section 2.3.5; Hedges (1981), Distribution theory for Glass's estimator
    of effect size and related estimators, Journal of Educational Statistics 6, equation 6.
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


@dataclass(frozen=True)
class Leaders:
    """Which methods cannot be told from the one with the leading mean.

    Attributes
    ----------
    leader : int or None
        Method with the leading mean (the first of equals); None if no method has a value.
    tied : bool array of shape (n_methods,)
        The leader and every method that is within reach of the corrected test.
    best : int or None
        The leader, if no other method is tied with it.
    p_values : array of shape (n_methods,)
        Holm-corrected p values against the leader; NaN for itself and for methods without common trials.
    """

    leader: int | None
    tied: np.ndarray
    best: int | None
    p_values: np.ndarray


def indistinguishable_from_best(
    values: np.ndarray,
    clusters: np.ndarray,
    higher_is_better: bool,
    *,
    alpha: float = 0.05,
    n_resamples: int = 10_000,
    rng: np.random.Generator | int = 0,
) -> Leaders:
    """Methods whose difference from the leading one is not significant; a method is best only if there is none.

    All pairs of methods are compared by `paired_permutation_test` and corrected together by Holm. Correcting only
    the comparisons with the leader would ignore that the data chose it. With K methods and C stimuli no difference can
    be found if ``2**(1 - C) * K * (K - 1) / 2`` exceeds ``alpha``.

    A method with no value on a trial (NaN) is compared on the trials that both have. One with no trial in common with
    the leader can neither be told from it nor be shown to equal it: it stays tied, so that the leader is not best.

    Parameters
    ----------
    values : array of shape (n_methods, n_trials)
        Scores, means over seeds.
    clusters : array of shape (n_trials,)
        Stimulus of each trial.
    higher_is_better : bool
    alpha : float
        Probability of calling a method best, or another one worse, where none differ.
    """
    values = np.asarray(values, dtype=float)
    values = np.where(np.isfinite(values), values, np.nan)
    methods = len(values)
    scored = ~np.isnan(values).all(axis=1)
    p_values, tied = np.full(methods, np.nan), scored.copy()
    if not scored.any():
        return Leaders(None, tied, None, p_values)
    means = np.array([np.nanmean(row) if any_value else np.nan for row, any_value in zip(values, scored, strict=True)])
    leader = int(np.nanargmax(means) if higher_is_better else np.nanargmin(means))
    first, second = np.triu_indices(methods, 1)
    if len(first):
        test = paired_permutation_test(values[first] - values[second], clusters, n_resamples=n_resamples, rng=rng)
        adjusted = holm(test.p_value)
        mine = (first == leader) | (second == leader)
        other = np.where(first == leader, second, first)[mine]
        p_values[other] = adjusted[mine]
        # On the common trials the other method may lead: such a difference does not make it worse.
        sign = np.where(first == leader, 1, -1)[mine] * (1 if higher_is_better else -1)
        worse = (adjusted[mine] < alpha) & (sign * test.mean_difference[mine] > 0)
        tied[other[worse]] = False
    best = leader if tied.sum() == 1 else None
    return Leaders(leader, tied, best, p_values)


def average_ranks(scores: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """Mean over datasets of the methods' ranks, 1 for the leading score, equal scores sharing their mean rank.

    Parameters
    ----------
    scores : array of shape (n_datasets, n_methods)

    Returns
    -------
    array of shape (n_methods,)

    Raises
    ------
    InputError
        If a score is missing: ranks need every method on every dataset.
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

    Parameters
    ----------
    scores : array of shape (n_datasets, n_methods)
        At least 2 datasets and 3 methods (for two methods compare them directly).

    Raises
    ------
    InputError
        If a score is missing or there are too few.

    References
    ----------
    Demsar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7, section 3.2.2.
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

    References
    ----------
    Demsar (2006), JMLR 7, section 3.2.2 and table 5(a).
    """
    if n_methods < 2 or n_datasets < 1 or not 0 < alpha < 1:
        raise InputError(
            f"Nemenyi: found {n_methods} methods, {n_datasets} datasets and alpha {alpha}; expected at least 2, at "
            "least 1, and a number between 0 and 1."
        )
    q = stats.studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_datasets)))


def groups_not_different(ranks: np.ndarray, critical_difference: float) -> list[tuple[int, ...]]:
    """Groups of methods that a bar joins in a critical-difference diagram.

    Parameters
    ----------
    ranks : array of shape (n_methods,)
        Average ranks.
    critical_difference : float
        Methods differ if their ranks are at least this far apart.

    Returns
    -------
    list of tuples of method numbers in order of rank
        Every largest group of two or more whose ranks lie less than the critical difference apart.
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
