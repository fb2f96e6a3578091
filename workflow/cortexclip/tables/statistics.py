"""Which methods differ: every pair on the same trials, the methods within reach of the best, ranks over datasets.

What the tests of a pair allow to say is data, one of `VERDICTS`; `conclusion` makes a sentence of it last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.evaluation.metrics import METRICS
from cortexclip.evaluation.score import NEAREST
from cortexclip.evaluation.statistics import (
    average_ranks,
    cohens_dz,
    corrected_resampled_t_test,
    friedman_test,
    holm,
    indistinguishable_from_best,
    nemenyi_critical_difference,
    paired_permutation_test,
)
from cortexclip.results.tables import PAIR, TABLES
from cortexclip.runtime.seeds import derive_seed
from cortexclip.tables.audit import notes_for
from cortexclip.tables.comparison import number
from cortexclip.tables.read import SeededScores, mean_over_seeds
from cortexclip.tables.render import NOT_MEASURED, Table

COMPARED = ["mse", "pixcorr", "ssim", "pairwise_identification"]
STATISTICS, LEADERS, RANKS = TABLES["statistics"], TABLES["leaders"], TABLES["ranks"]
ALPHA = 0.05
MIN_FOLDS = 3
MIN_DATASETS = 3
BETTER, WORSE, NOT_OVER_FOLDS = "better", "worse", "not over folds"
NOT_SHOWN, UNDECIDABLE, NOT_COMPARABLE = "not shown", "too few stimuli", "not comparable"
VERDICTS = (BETTER, WORSE, NOT_OVER_FOLDS, NOT_SHOWN, UNDECIDABLE, NOT_COMPARABLE)
DIFFERENT = (BETTER, WORSE)
"""The verdicts that a difference was shown."""


def compare(
    scores: SeededScores,
    metric: str,
    *,
    reference: str | None = "ridge",
    **options: Any,
) -> pd.DataFrame:
    """All pairs of methods on one metric of one dataset and protocol.

    Every figure of a pair is of the trials on which both have a value (``n_samples``; ``n_missing`` are the others),
    means over seeds. The pairs with ``reference`` were chosen beforehand and are a family of tests of their own for
    Holm's correction; each other pair is corrected for all pairs. ``n_comparisons`` is the size of the family.

    Parameters
    ----------
    reference : str
        Name of a run; pairs with it have it as their reference, others the method that comes first.
    options : passed on to `tested_pairs`

    Returns
    -------
    DataFrame with the columns `STATISTICS` but dataset and protocol
        Pairs with the reference first. ``difference`` is positive where the method is better than the reference.
        ``p`` is of the permutation test, ``p_corrected_t`` of Nadeau and Bengio's test over folds (NaN below
        `MIN_FOLDS` folds), ``smallest_p`` what the permutation test could reach at all.
    """
    names = [run_name(*method) for method in scores.methods]
    first, second = np.triu_indices(len(names), 1)
    # The method of a pair comes later than its reference, except where the reference is the one that was asked for.
    asked = names.index(reference) if reference in names else -1
    method, other = np.where(second == asked, first, second), np.where(second == asked, second, first)
    order = np.lexsort((method, other, other != asked))
    method, other = method[order], other[order]
    if not len(method):
        return pd.DataFrame(columns=PAIR)
    chosen = other == asked
    return tested_pairs(scores, metric, method, other, [chosen, np.ones_like(chosen)], **options)


def tested_pairs(
    scores: SeededScores,
    metric: str,
    method: np.ndarray,
    other: np.ndarray,
    families: Sequence[np.ndarray],
    *,
    optimistic: bool = False,
    base_seed: int = 0,
    n_resamples: int = 2000,
    n_permutations: int = 10_000,
) -> pd.DataFrame:
    """Differences, intervals and tests of given pairs of methods on one metric: a table as of `compare`, a row a pair.

    Parameters
    ----------
    method, other : int arrays of shape (n_pairs,): positions in ``scores.methods``; ``other`` is the reference.
    families : bool arrays of shape (n_pairs,): Holm corrects a pair together with all of the first family that holds
        it; each pair is in one at least.
    optimistic : whether the protocol chose anything on the scored samples; the conclusion then says so.
    base_seed, n_resamples, n_permutations : of the bootstrap, and of the sign flips where not all are enumerated.
    """
    names = [run_name(*each) for each in scores.methods]
    sign = 1 if METRICS[metric].higher_is_better else -1
    means = scores.means()
    differences = means[method] - means[other] if sign > 0 else means[other] - means[method]
    test = paired_permutation_test(
        differences,
        scores.stimuli,
        n_resamples=enough_permutations(n_permutations, len(method)),
        rng=derive_seed(base_seed, "permutation", metric),
    )
    seed = derive_seed(base_seed, "bootstrap", metric)
    low, high = bootstrap_differences(scores.values, scores.stimuli, method, other, n_resamples=n_resamples, rng=seed)
    if sign < 0:
        low, high = 0.0 - high, 0.0 - low  # so that no bound is written as -0
    p_holm, n_comparisons = _corrected(test.p_value, families)
    p_folds = fold_test(differences, scores.folds, len(np.unique(scores.samples)))
    verdicts = [
        verdict(*row) for row in zip(test.mean_difference, p_holm, p_folds, test.smallest_p, n_comparisons, strict=True)
    ]
    return pd.DataFrame(
        {
            "metric": metric,
            "method": [scores.methods[m][0] for m in method],
            "encoder": [scores.methods[m][1] for m in method],
            "reference": [names[o] for o in other],
            "difference": test.mean_difference,
            "ci_low": low,
            "ci_high": high,
            "effect_size": cohens_dz(differences, scores.stimuli),
            "p": test.p_value,
            "p_holm": p_holm,
            "p_corrected_t": p_folds,
            "n_samples": test.n_pairs,
            "n_stimuli": test.n_clusters,
            "n_missing": differences.shape[1] - test.n_pairs,
            "smallest_p": test.smallest_p,
            "n_comparisons": n_comparisons,
            "verdict": verdicts,
            "conclusion": [conclusion(v, names[o], optimistic) for v, o in zip(verdicts, other, strict=True)],
        },
        columns=PAIR,
    )


def _corrected(p_values: np.ndarray, families: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """P values corrected by Holm within the first family of each pair, and how many comparisons that family has."""
    adjusted, counts = np.full(len(p_values), np.nan), np.zeros(len(p_values), int)
    for family in reversed(families):
        adjusted = np.where(family, holm(np.where(family, p_values, np.nan)), adjusted)
        counts = np.where(family, (family & np.isfinite(p_values)).sum(), counts)
    return adjusted, counts


def verdict(
    difference: float, p_holm: float, p_corrected_t: float, smallest_p: float, n_comparisons: int, alpha: float = ALPHA
) -> str:
    """What the tests of a pair allow to say, one of `VERDICTS`.

    - better or worse: Holm's corrected p is below ``alpha`` and, where there are folds enough for it, the test over
      folds says so too (it knows that training parts overlap; the permutation test does not);
    - not over folds: only the first is;
    - too few stimuli: no difference could be shown, however large (`decidable`);
    - not shown: otherwise, which is not "equal";
    - not comparable: no trial in common.
    """
    if not np.isfinite(p_holm):
        return NOT_COMPARABLE
    if p_holm < alpha:
        if p_corrected_t >= alpha:  # NaN, where there are no folds, is not
            return NOT_OVER_FOLDS
        return BETTER if difference > 0 else WORSE
    return NOT_SHOWN if decidable(smallest_p, n_comparisons, alpha) else UNDECIDABLE


def decidable(smallest_p: float, n_comparisons: int, alpha: float = ALPHA) -> bool:
    """Whether a difference could be shown: the smallest p that so few stimuli can give, corrected for comparisons."""
    return bool(smallest_p * n_comparisons < alpha)


def conclusion(verdict: str, reference: str, optimistic: bool = False, brief: bool = False) -> str:
    """A verdict as a sentence; brief where the heading names the reference, which "" leaves out altogether."""
    than, and_with = (f" than {reference}", f" with {reference}") if reference else ("", "")
    away = f" from {reference}" if reference and not brief else ""
    caution = " (optimistic protocol)" if optimistic else ""
    return {
        BETTER: f"better{than}{caution}",
        WORSE: f"worse{than}{caution}",
        NOT_OVER_FOLDS: f"no difference{away} shown, not over folds",
        NOT_SHOWN: f"no difference{away} shown",
        UNDECIDABLE: f"no difference{away} can be shown: too few stimuli",
        NOT_COMPARABLE: f"not comparable{and_with}: no score in common",
    }[verdict]


def bootstrap_differences(
    values: Sequence[np.ndarray],
    clusters: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    rng: np.random.Generator | int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of paired differences of means, resampled over stimuli and each method's own seeds.

    Each resample draws stimuli, the same for all methods, and seeds, for each method by itself: seed 3 of one method
    has nothing in common with seed 3 of another. A pair counts on the trials on which both have a value. Where only
    some seeds of a method have a value, the others are given its mean, so that they move no estimate.

    Intervals are those of `cortexclip.evaluation.statistics.bootstrap_interval` (see there for what is known of their
    coverage), for many pairs at the price of many methods: every method's resampled means are computed once, and a
    pair's are their difference.

    Parameters
    ----------
    values : list of arrays of shape (n_seeds of the method, n_trials)
    clusters : array of shape (n_trials,)
        Stimulus of each trial.
    first, second : int arrays of shape (n_pairs,)
        Numbers of the two methods of each pair; the difference is first minus second.

    Returns
    -------
    low, high : arrays of shape (n_pairs,)
        NaN with fewer than two stimuli.
    """
    rng = np.random.default_rng(rng)
    _, cluster = np.unique(clusters, return_inverse=True)
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    averages = [mean_over_seeds(array) for array in values]
    filled = [np.where(np.isnan(a), mean, a)[:, order] for a, mean in zip(values, averages, strict=True)]
    known = ~np.isnan(averages)[:, order]
    drawn = rng.multinomial(len(starts), np.full(len(starts), 1 / len(starts)), size=n_resamples).astype(float)
    seeds = [rng.multinomial(len(a), np.full(len(a), 1 / len(a)), size=n_resamples) / len(a) for a in values]
    low, high = np.full(len(first), np.nan), np.full(len(first), np.nan)
    tails = [(1 - level) / 2, (1 + level) / 2]
    # Pairs with the same trials in common share the resampled means of their methods.
    common, group = np.unique(known[first] & known[second], axis=0, return_inverse=True)
    for number_, mask in enumerate(common):
        pairs = np.flatnonzero(group.ravel() == number_)
        counts = np.add.reduceat(mask.astype(float), starts)
        if (counts > 0).sum() < 2:
            continue
        weight = drawn @ counts
        means = {}
        for m in np.unique([first[pairs], second[pairs]]):
            sums = np.add.reduceat(np.where(mask, filled[m], 0.0), starts, axis=1)
            with np.errstate(invalid="ignore"):
                means[m] = np.einsum("bs,bs->b", drawn @ sums.T, seeds[m]) / weight
        usable = weight > 0  # a resample may have drawn no stimulus that both were scored on
        estimates = np.stack([means[first[p]][usable] - means[second[p]][usable] for p in pairs])
        low[pairs], high[pairs] = np.quantile(estimates, tails, axis=1)
    return low, high


def fold_test(differences: np.ndarray, folds: np.ndarray, n_samples: int) -> np.ndarray:
    """P values of Nadeau and Bengio's test over the folds of a split that trains on whatever it does not score.

    Parameters
    ----------
    differences : array of shape (n_pairs, n_trials)
    folds : array of shape (n_trials,)
    n_samples : int
        Samples that are split; those not scored in a fold are trained on.

    Returns
    -------
    array of shape (n_pairs,)
        NaN with fewer than `MIN_FOLDS` folds, or where a pair has no value in one of them.
    """
    names, fold = np.unique(folds, return_inverse=True)
    n_test = len(folds) / len(names)
    if len(names) < MIN_FOLDS or n_samples <= n_test:
        return np.full(len(differences), np.nan)
    member = (fold[:, None] == np.arange(len(names))).astype(float)
    known = ~np.isnan(differences)
    counts = known @ member
    with np.errstate(invalid="ignore"):
        means = np.where(known, differences, 0.0) @ member / counts
    return np.atleast_1d(corrected_resampled_t_test(means, n_samples - n_test, n_test).p_value)


def enough_permutations(n_permutations: int, n_comparisons: int) -> int:
    """Sign flips to draw so that the smallest p, corrected for all comparisons, is at most a quarter of `ALPHA`.

    With 10,000 flips and the pairs of 33 methods no corrected p could fall below 0.05, however clear the difference.
    """
    return max(n_permutations, int(np.ceil(4 * n_comparisons / ALPHA)))


def leaders(
    scores: SeededScores,
    metric: str,
    *,
    oracles: Collection[str] = (),
    base_seed: int = 0,
    n_permutations: int = 10_000,
) -> pd.DataFrame:
    """The method with the leading mean and those that the corrected tests cannot tell from it.

    A method is best only if it leads and no other is tied with it. All pairs are corrected together, since the data
    chose the leader (`cortexclip.evaluation.statistics.indistinguishable_from_best`); where there are folds enough,
    a method stays tied unless the test over folds tells it from the leader too. ``oracles`` are left out.

    Returns
    -------
    DataFrame with the columns `LEADERS` but dataset and protocol, in the order of the methods
        ``decidable``: whether the test could have told any two of them apart.
    """
    candidates = [at for at, (method, _) in enumerate(scores.methods) if method.removesuffix(NEAREST) not in oracles]
    means = scores.means()[candidates]
    pairs = len(means) * (len(means) - 1) // 2
    flips = enough_permutations(n_permutations, pairs)
    higher = bool(METRICS[metric].higher_is_better)
    if not len(means):
        return pd.DataFrame(columns=[column for column in LEADERS if column not in ("dataset", "protocol")])
    found = indistinguishable_from_best(
        means,
        scores.stimuli,
        higher,
        alpha=ALPHA,
        n_resamples=flips,
        rng=derive_seed(base_seed, "leaders", metric),
    )
    tied = found.tied
    if found.leader is not None:
        p_folds = fold_test(means - means[found.leader], scores.folds, len(np.unique(scores.samples)))
        tied = tied | (~np.isnan(means).all(axis=1) & (p_folds >= ALPHA))
    smallest = max(2.0 ** (1 - len(np.unique(scores.stimuli))), 1 / (flips + 1))
    return pd.DataFrame(
        {
            "metric": metric,
            "method": [scores.methods[at][0] for at in candidates],
            "encoder": [scores.methods[at][1] for at in candidates],
            "mean": [row[~np.isnan(row)].mean() if (~np.isnan(row)).any() else np.nan for row in means],
            "leader": np.arange(len(means)) == (-1 if found.leader is None else found.leader),
            "tied": tied,
            "decidable": decidable(smallest, pairs),
        }
    )


def ranks(leading: pd.DataFrame) -> pd.DataFrame:
    """Average ranks over datasets with Friedman's test and Nemenyi's critical difference at 0.05.

    Of each protocol and metric, the methods that have a mean on every dataset (of those that have any); nothing with
    fewer than `MIN_DATASETS` datasets, fewer than three methods, or where no method has a mean everywhere.

    Parameters
    ----------
    leading : DataFrame with the columns `LEADERS`

    Returns
    -------
    DataFrame with the columns `RANKS`, by rank
        ``friedman_p``: chi-squared approximation, corrected for ties. It is the same in all rows of a protocol and
        metric, as is ``critical_difference``: average ranks that are less than it apart tell nothing.
    """
    found = []
    for (protocol, metric), rows in leading.groupby(["protocol", "metric"], sort=False):
        table = rows.pivot(index="dataset", columns=["method", "encoder"], values="mean")
        table = table.dropna(axis=0, how="all").dropna(axis=1)
        if table.shape[0] < MIN_DATASETS or table.shape[1] < 3:
            continue
        values = table.to_numpy()
        position = average_ranks(values, bool(METRICS[metric].higher_is_better))
        p_value = friedman_test(values)
        distance = nemenyi_critical_difference(table.shape[1], table.shape[0], ALPHA)
        for at in np.argsort(position, kind="stable"):
            method, encoder = table.columns[at]
            found.append((protocol, metric, method, encoder, position[at], table.shape[0], p_value, distance))
    return pd.DataFrame(found, columns=RANKS)


def statistics_tables(
    pairs: pd.DataFrame,
    leading: pd.DataFrame,
    ranked: pd.DataFrame,
    plan: Plan,
    audits: Mapping[str, Mapping],
    reference: str,
) -> list[Table]:
    """Tables to read: who leads, each method against the reference, and the ranks over datasets.

    Parameters
    ----------
    pairs, leading, ranked : the tables of `compare`, `leaders` (with dataset and protocol) and `ranks`
    audits : dataset -> its audit, whose findings stand below its tables
    """
    tables = [_leaders_table(leading, plan, reference)]
    against = pairs[pairs.reference == reference]
    for (dataset, protocol), rows in against.groupby(["dataset", "protocol"], sort=False):
        caveats = [*notes_for(audits[dataset], protocol), *plan.datasets[dataset].notes]
        for metric, cells in rows.groupby("metric", sort=False):
            tables.append(_reference_table(cells, dataset, protocol, metric, plan, reference, caveats))
    for protocol, rows in ranked.groupby("protocol", sort=False):
        tables.append(_ranks_table(rows, leading, protocol, plan))
    return tables


def _leaders_table(leading: pd.DataFrame, plan: Plan, reference: str) -> Table:
    body = []
    for (dataset, protocol, metric), rows in leading.groupby(["dataset", "protocol", "metric"], sort=False):
        first = rows[rows.leader]
        if first.empty:
            continue
        first = first.iloc[0]
        ties = int(rows.tied.sum()) - 1
        if not ties and len(rows) > 1:
            words = "best: every other method is worse"
        elif not first.decidable:
            words = "undecided: too few stimuli for any verdict"
        else:
            words = f"undecided: not told from {ties} of the {len(rows) - 1} others"
        body.append(
            [
                dataset,
                plan.protocols[protocol].heading,
                METRICS[metric].label,
                run_name(first.method, first.encoder),
                number(metric, first["mean"]),
                words,
            ]
        )
    notes = [
        "Leading: the method with the leading mean. It is called best only if a paired permutation test tells every "
        "other method from it (all pairs of methods corrected together by Holm, level 0.05) and, where there are folds "
        "enough, the test over folds does too; undecided does not mean equal. Ties are listed in leaders.csv. Oracles "
        "are no candidates.",
        *(
            [f"The tables below compare each method with {reference}; all pairs are in statistics.csv."]
            if reference
            else []
        ),
        "Tests flip the sign of all differences of a stimulus together, since its trials are not independent. They and "
        "the intervals are about other stimuli like these; only the test over folds is about other training samples. "
        "With one seed nothing is said about other seeds.",
        "Corrections are within a table (one dataset, protocol and metric): with many tables some will show a "
        "difference by chance.",
    ]
    if leading.dataset.nunique() < MIN_DATASETS:
        notes.append(f"Ranks over datasets need {MIN_DATASETS} datasets; this configuration has fewer.")
    if reference not in {run_name(m, e) for m, e in zip(leading.method, leading.encoder, strict=True)}:
        which = f"The reference {reference}" if reference else "A method with the role of the reference"
        notes.append(
            f"{which} was not run in this configuration, so no method is compared with it here; all pairs are in "
            "statistics.csv."
        )
    return Table(
        title="Which method leads, and whether it can be told from the others",
        label="statistics-leaders",
        columns=["Dataset", "Protocol", "Metric", "Leading", "Mean", "By the test"],
        rows=body,
        notes=notes,
    )


def _reference_table(
    cells: pd.DataFrame,
    dataset: str,
    protocol: str,
    metric: str,
    plan: Plan,
    reference: str,
    caveats: Sequence[str],
) -> Table:
    kind = plan.protocols[protocol]
    has_folds = bool(np.isfinite(cells.p_corrected_t).any())
    body: list[list[str]] = []
    strong: set[tuple[int, int]] = set()
    for row in cells.itertuples(index=False):
        if row.verdict in DIFFERENT:
            strong.add((len(body), 5 + has_folds))
        body.append(
            [
                run_name(row.method, row.encoder),
                difference_text(metric, row),
                NOT_MEASURED if not np.isfinite(row.effect_size) else f"{row.effect_size:+.2f}",
                p_text(row.p),
                p_text(row.p_holm),
                *([p_text(row.p_corrected_t)] if has_folds else []),
                conclusion(row.verdict, reference, kind.optimistic, brief=True),
            ]
        )
    stimuli, samples = cells.n_stimuli.max(), cells.n_samples.max()
    better = "lower" if METRICS[metric].higher_is_better is False else "higher"
    notes = [
        f"Positive: better than {reference} ({better} {METRICS[metric].label}) [95 % bootstrap interval over stimuli "
        f"and seeds], on {samples} samples of {stimuli} stimuli. "
        "d: Cohen's d over stimuli, each weighed once, corrected for few (Hedges).",
        f"p: paired permutation test, smallest possible {p_text(cells.smallest_p.min())}; Holm over "
        f"{int(cells.n_comparisons.max())} comparisons"
        + ("; folds: Nadeau and Bengio's t-test over folds, not corrected for comparisons." if has_folds else "."),
    ]
    if kind.optimistic:
        notes.append(kind.note)
    notes += [
        f"{run_name(row.method, row.encoder)}: {row.n_missing} of {row.n_missing + row.n_samples} samples left "
        f"out, since {METRICS[metric].label} is not defined for it or for {reference} there."
        for row in cells.itertuples(index=False)
        if row.n_missing
    ]
    notes += caveats
    return Table(
        title=f"{METRICS[metric].label} against {reference}: {plan.datasets[dataset].heading}, {kind.heading}",
        label=f"statistics-{dataset}-{protocol}-{metric}",
        columns=["Method", "Difference", "d", "p", "p (Holm)", *(["p (folds)"] if has_folds else []), "Conclusion"],
        rows=body,
        notes=notes,
        strong=frozenset(strong),
    )


def _ranks_table(rows: pd.DataFrame, leading: pd.DataFrame, protocol: str, plan: Plan) -> Table:
    metrics = list(dict.fromkeys(rows.metric))
    cells = {(r.method, r.encoder, r.metric): r.average_rank for r in rows.itertuples(index=False)}
    methods = list(dict.fromkeys(zip(rows.method, rows.encoder, strict=True)))
    body = [
        [
            run_name(*method),
            *(f"{cells[*method, m]:.2f}" if (*method, m) in cells else NOT_MEASURED for m in metrics),
        ]
        for method in methods
    ]
    per_metric = rows.drop_duplicates("metric").set_index("metric")
    body.append(["Friedman's p", *(p_text(per_metric.friedman_p[m]) for m in metrics)])
    body.append(["Critical difference", *(f"{per_metric.critical_difference[m]:.2f}" for m in metrics)])
    datasets = dict.fromkeys(leading.dataset[leading.protocol == protocol])
    named = [plan.datasets[d].title for d in datasets]
    simulated = sum(plan.datasets[d].simulated for d in datasets)
    kind = plan.protocols[protocol]
    notes = [
        f"Average rank over {len(named)} datasets, 1 leads: {'; '.join(named)}."
        + (f" {simulated} of them simulated, which says nothing about brains." if simulated else " None is simulated."),
        "Methods whose ranks are less than the critical difference (Nemenyi, 0.05) apart are not told apart. With few "
        "datasets it is large. Only methods with a mean on every dataset are ranked.",
    ]
    if kind.optimistic:
        notes.append(kind.note)
    return Table(
        title=f"Average ranks over datasets, {kind.heading}",
        label=f"statistics-ranks-{protocol}",
        columns=["Method", *(METRICS[m].label for m in metrics)],
        rows=body,
        notes=notes,
    )


def p_text(value: float) -> str:
    """A p value with three digits, never as zero."""
    if not np.isfinite(value):
        return NOT_MEASURED
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def difference_text(metric: str, row) -> str:
    """A difference with its sign and interval, in the metric's digits; a dash where there is none."""
    if not np.isfinite(row.difference):
        return NOT_MEASURED
    digits = METRICS[metric].decimals
    text = f"{row.difference:+.{digits}f}"
    if np.isfinite(row.ci_low):
        text += f" [{row.ci_low:+.{digits}f}, {row.ci_high:+.{digits}f}]"
    return text
