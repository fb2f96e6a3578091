"""Which methods differ: every pair on the same trials, the leader against declared references, ranks over datasets.

What the tests of a pair allow to say is data, one of `VERDICTS`; `conclusion` makes a sentence of it last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cortexclip.audit.finding import counted
from cortexclip.configuration.plan import Plan, run_name
from cortexclip.evaluation import MIN_DATASETS, own_name
from cortexclip.evaluation.metrics import METRICS
from cortexclip.evaluation.power import ALPHA, POWER
from cortexclip.evaluation.statistics import (
    VERY_LARGE,
    average_ranks,
    cohens_dz,
    corrected,
    corrected_resampled_t_test,
    decidable,
    friedman_test,
    least_stimuli,
    nemenyi_critical_difference,
    paired_permutation_test,
    skewed_bounds,
    variance_of_mean,
)
from cortexclip.results.tables import PAIR, TABLES
from cortexclip.runtime.seeds import derive_seed
from cortexclip.tables.audit import notes_for
from cortexclip.tables.comparison import number
from cortexclip.tables.read import SeededScores, mean_over_seeds
from cortexclip.tables.render import Table, formatted, with_interval

COMPARED = ["mse", "pixcorr", "ssim", "pairwise_identification"]
STATISTICS, LEADERS, RANKS = TABLES["statistics"], TABLES["leaders"], TABLES["ranks"]
MIN_FOLDS = 3
BETTER, WORSE, NOT_OVER_FOLDS = "better", "worse", "not over folds"
NOT_SHOWN, UNDECIDABLE, NOT_COMPARABLE = "not shown", "too few stimuli", "not comparable"
UNDECLARED = "not declared"
VERDICTS = (BETTER, WORSE, NOT_OVER_FOLDS, NOT_SHOWN, UNDECIDABLE, UNDECLARED, NOT_COMPARABLE)
DIFFERENT = (BETTER, WORSE)
"""The verdicts that a difference was shown."""


def compare(scores: SeededScores, metric: str, *, references: Sequence[str], **options: Any) -> pd.DataFrame:
    """All pairs of methods on one metric of one dataset and protocol.

    All values of a pair are over the trials on which both have a value (``n_samples``; ``n_missing`` are the others),
    means over seeds. Only pairs with one of ``references``, names of runs that were declared beforehand, get a verdict:
    they have the first such as their reference, others the method that comes first. ``options`` are passed on to
    `tested_pairs`.

    Returns
    -------
    DataFrame with the columns `STATISTICS` but dataset and protocol
        Pairs with a reference first, in their order. ``difference`` is positive where the method is better than the
        reference. ``p`` is of the permutation test, ``p_family`` for the declared family, ``p_corrected_t`` of
        Nadeau and Bengio's test over folds (NaN below `MIN_FOLDS` folds), ``smallest_p`` what the permutation test
        could reach at all.
    """
    names = [run_name(*method) for method in scores.methods]
    first, second = np.triu_indices(len(names), 1)
    if not len(first):
        return pd.DataFrame(columns=PAIR)
    rank = np.array([references.index(name) if name in references else len(references) for name in names])
    # The method of a pair comes later than its reference, except where a reference is one of those declared.
    swap = rank[second] < rank[first]
    method, other = np.where(swap, first, second), np.where(swap, second, first)
    order = np.lexsort((method, other, rank[other]))
    method, other = method[order], other[order]
    return tested_pairs(scores, metric, method, other, rank[other] < len(references), **options)


def tested_pairs(
    scores: SeededScores,
    metric: str,
    method: np.ndarray,
    other: np.ndarray,
    declared: np.ndarray,
    *,
    comparisons: int,
    optimistic: bool = False,
    base_seed: int = 0,
    n_permutations: int = 10_000,
) -> pd.DataFrame:
    """Differences, intervals and tests of given pairs of methods on one metric: a table as of `compare`, a row a pair.

    Parameters
    ----------
    method, other : int arrays of shape (n_pairs,): positions in ``scores.methods``; ``other`` is the reference.
    declared : bool array of shape (n_pairs,): which pairs were declared beforehand; the others get no verdict.
    comparisons : the size of the declared family, whatever the number of pairs (`corrected`).
    optimistic : whether the protocol chose anything on the scored samples; the conclusion then says so.
    base_seed, n_permutations : of the sign flips where not all are enumerated.
    """
    names = [run_name(*each) for each in scores.methods]
    sign = 1 if METRICS[metric].higher_is_better else -1
    means = scores.means()
    differences = means[method] - means[other] if sign > 0 else means[other] - means[method]
    test = paired_permutation_test(
        differences,
        scores.stimuli,
        n_resamples=enough_permutations(n_permutations, comparisons),
        rng=derive_seed(base_seed, "permutation", metric),
    )
    low, high = difference_intervals(scores.values, scores.stimuli, method, other)
    if sign < 0:
        low, high = 0.0 - high, 0.0 - low  # so that no bound is written as -0
    p_family = corrected(test.p_value, comparisons)
    p_folds = fold_test(differences, scores.folds, len(np.unique(scores.samples)))
    sizes = np.full(len(p_family), comparisons)
    found = zip(declared, test.mean_difference, p_family, p_folds, test.n_clusters, test.smallest_p, sizes, strict=True)
    verdicts = [verdict(*row) for row in found]
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
            "p_family": p_family,
            "p_corrected_t": p_folds,
            "n_samples": test.n_pairs,
            "n_stimuli": test.n_clusters,
            "n_missing": differences.shape[1] - test.n_pairs,
            "smallest_p": test.smallest_p,
            "n_comparisons": comparisons,
            "least_stimuli": least_stimuli(comparisons),
            "verdict": verdicts,
            "conclusion": [conclusion(v, names[o], optimistic) for v, o in zip(verdicts, other, strict=True)],
        },
        columns=PAIR,
    )


def verdict(
    declared: bool,
    difference: float,
    p_family: float,
    p_corrected_t: float,
    n_stimuli: float,
    smallest_p: float,
    comparisons: int,
) -> str:
    """What the tests of a pair allow to say, one of `VERDICTS`.

    - not comparable: no trial in common;
    - not declared: the pair was not declared beforehand, so that its p is a description;
    - too few stimuli: fewer than a verdict needs (`decidable`), however large the difference;
    - better or worse: the corrected p is below `ALPHA` and, where there are folds enough for it, the test over folds
      says so too (it knows that training parts overlap; the permutation test does not);
    - not over folds: only the first is;
    - not shown: otherwise, which is not "equal".
    """
    if not np.isfinite(p_family):
        return NOT_COMPARABLE
    if not declared:
        return UNDECLARED
    if not decidable(n_stimuli, smallest_p, comparisons):
        return UNDECIDABLE
    if p_family >= ALPHA:
        return NOT_SHOWN
    if p_corrected_t >= ALPHA:  # NaN, where there are no folds, is not
        return NOT_OVER_FOLDS
    return BETTER if difference > 0 else WORSE


def conclusion(verdict: str, reference: str, optimistic: bool = False, brief: bool = False) -> str:
    """A verdict as a sentence; brief where the heading names the reference, which "" leaves out altogether."""
    than, and_with = (f" than {reference}", f" with {reference}") if reference else ("", "")
    away, on = (f" from {reference}", f" against {reference}") if reference and not brief else ("", "")
    caution = " (optimistic protocol)" if optimistic else ""
    return {
        BETTER: f"better{than}{caution}",
        WORSE: f"worse{than}{caution}",
        NOT_OVER_FOLDS: f"no difference{away} shown, not over folds",
        NOT_SHOWN: f"no difference{away} shown",
        UNDECIDABLE: f"no verdict{on}: too few stimuli",
        UNDECLARED: f"no verdict{on}: not declared beforehand",
        NOT_COMPARABLE: f"not comparable{and_with}: no score in common",
    }[verdict]


def difference_intervals(
    values: Sequence[np.ndarray], clusters: np.ndarray, first: np.ndarray, second: np.ndarray, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of paired differences of means over stimuli and each method's own seeds: low and high, (n_pairs,).

    They are those of `cortexclip.evaluation.statistics.mean_interval`: stimuli are the same for both methods, but seed
    3 of one has nothing in common with seed 3 of the other. A pair counts on the trials on which both have a value.
    Where only some seeds of a method have a value, the others are given its mean, so that they move no estimate.
    NaN with fewer than two stimuli.

    Parameters
    ----------
    values : list of arrays of shape (n_seeds of the method, n_trials)
    clusters : array of shape (n_trials,): stimulus of each trial
    first, second : int arrays of shape (n_pairs,): numbers of the two methods; the difference is first minus second
    """
    means = np.stack([mean_over_seeds(array) for array in values])
    filled = [np.where(np.isnan(array), mean, array) for array, mean in zip(values, means, strict=True)]
    degrees = np.array([max(len(array) - 1, 1) for array in values])
    low, high = np.full(len(first), np.nan), np.full(len(first), np.nan)
    # Pairs with the same trials in common share the variances of their methods over seeds.
    known = ~np.isnan(means)
    common, group = np.unique(known[first] & known[second], axis=0, return_inverse=True)
    for number_, mask in enumerate(common):
        pairs, (names, cluster) = (
            np.flatnonzero(group.ravel() == number_),
            np.unique(clusters[mask], return_inverse=True),
        )
        if len(names) < 2:
            continue
        differences = (means[first[pairs]] - means[second[pairs]])[:, mask]
        estimate = differences.mean(axis=1)
        member = (cluster[:, None] == np.arange(len(names))).astype(float)
        shares = (differences - estimate[:, None]) @ member * (len(names) / mask.sum())
        of_seeds = np.array([a[:, mask].mean(axis=1).var(ddof=1) / len(a) if len(a) > 1 else 0.0 for a in filled])
        both = np.stack([of_seeds[first[pairs]], of_seeds[second[pairs]]])
        total, parts = both.sum(axis=0), (both**2 / degrees[[first[pairs], second[pairs]]]).sum(axis=0)
        dof = np.where(total > 0, total**2 / np.where(total > 0, parts, 1), 1)
        bounds = skewed_bounds(estimate, *variance_of_mean(shares), len(names) - 1, total, dof, level)
        low[pairs], high[pairs] = bounds
    return low, high


def fold_test(differences: np.ndarray, folds: np.ndarray, n_samples: int) -> np.ndarray:
    """P values (n_pairs,) of Nadeau and Bengio's test over folds of a split that trains on whatever it does not score.

    ``differences`` have shape (n_pairs, n_trials), ``folds`` (n_trials,); those of the ``n_samples`` samples that are
    not scored in a fold are trained on. NaN with fewer than `MIN_FOLDS` folds, or where a pair has no value in one of
    them.
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
    """Sign flips to draw so that the smallest p, corrected for all comparisons, is at most a quarter of `ALPHA`."""
    return max(n_permutations, int(np.ceil(4 * n_comparisons / ALPHA)))


def leaders(
    scores: SeededScores,
    metric: str,
    pairs: pd.DataFrame,
    *,
    references: Sequence[str],
    comparisons: int,
    oracles: Collection[str] = (),
) -> pd.DataFrame:
    """The method with the leading mean, and which of the declared references it is shown to be better than.

    The leader is compared with its rivals, the references but itself, by the verdicts of ``pairs`` (`compare`). All
    methods' comparisons with the references are one family, so that it does not matter that the data chose the leader.
    Comparisons with other methods were not declared and get no verdict. ``oracles`` are left out.

    Returns a DataFrame with the columns `LEADERS` but dataset and protocol, in the order of the methods. ``rival``:
    whether the leader is compared with it; ``tied``: it is the leader, or a rival that the leader is not shown to be
    better than; ``decidable``: whether there are enough stimuli for any verdict.
    """
    candidates = [at for at, (method, _) in enumerate(scores.methods) if own_name(method) not in oracles]
    if not candidates:
        return pd.DataFrame(columns=[column for column in LEADERS if column not in ("dataset", "protocol")])
    names = np.array([run_name(*scores.methods[at]) for at in candidates])
    means = np.array([np.nan if np.isnan(row).all() else np.nanmean(row) for row in scores.means()[candidates]])
    ordered = np.nan_to_num(means if METRICS[metric].higher_is_better else -means, nan=-np.inf)
    leader = (np.arange(len(names)) == ordered.argmax()) & np.isfinite(means)
    first = names[ordered.argmax()]
    found = {(run_name(r.method, r.encoder), r.reference): r.verdict for r in pairs.itertuples(index=False)}
    ahead = [found.get((first, name)) == BETTER or found.get((name, first)) == WORSE for name in names]
    rival = np.isin(names, references) & ~leader & leader.any()
    stimuli = len(np.unique(scores.stimuli))
    return pd.DataFrame(
        {
            "metric": metric,
            "method": [scores.methods[at][0] for at in candidates],
            "encoder": [scores.methods[at][1] for at in candidates],
            "mean": means,
            "leader": leader,
            "rival": rival,
            "tied": leader | (rival & ~np.array(ahead)),
            "decidable": decidable(stimuli, 2.0 ** (1 - stimuli), comparisons),
            "n_stimuli": stimuli,
            "least_stimuli": least_stimuli(comparisons),
        }
    )


def ranks(leading: pd.DataFrame) -> pd.DataFrame:
    """Average ranks over datasets with Friedman's test and Nemenyi's critical difference at 0.05.

    Of each protocol and metric of ``leading`` (columns `LEADERS`), the methods that have a mean on every dataset (of
    those that have any); nothing with fewer than `MIN_DATASETS` datasets, fewer than three methods, or where no method
    has a mean everywhere.

    Returns a DataFrame with the columns `RANKS`, by rank. ``friedman_p``: chi-squared approximation, corrected for
    ties. It is the same in all rows of a protocol and metric, as is ``critical_difference``: a smaller difference of
    average ranks shows nothing.
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
    references: Sequence[str],
) -> Iterator[Table]:
    """Tables to read: which method leads, each method against each declared reference, the ranks over datasets.

    ``pairs``, ``leading`` and ``ranked`` are the tables of `compare`, `leaders` (with dataset and protocol) and
    `ranks`; findings of the audit of a dataset stand below its tables; ``references`` are names of runs, as was
    declared.
    """
    yield _leaders_table(leading, plan, references)
    against = pairs[pairs.reference.isin(references)]
    for (dataset, protocol), rows in against.groupby(["dataset", "protocol"], sort=False):
        caveats = [*notes_for(audits[dataset], protocol), *plan.datasets[dataset].notes]
        for (metric, reference), cells in rows.groupby(["metric", "reference"], sort=False):
            yield _reference_table(cells, dataset, protocol, metric, plan, reference, caveats)
    for protocol, rows in ranked.groupby("protocol", sort=False):
        yield _ranks_table(rows, leading, protocol, plan)


class Claim(NamedTuple):
    """What the tests show of a leader, and the same in words."""

    outcome: str  # "better", "tied", "undecided" (too few images) or "none" (no rival)
    text: str


def claim(rows: pd.DataFrame) -> Claim:
    """What the tests show of the leader, from the rows of `leaders` of one dataset, protocol and metric."""
    first, rivals = rows.iloc[0], rows[rows.rival]
    if not first.decidable:
        stimuli = counted(first.n_stimuli, "distinct scored image")
        return Claim("undecided", f"no verdict: {stimuli}, but {first.least_stimuli} are needed")
    if rivals.empty:
        return Claim("none", "no claim: no other declared reference was run")
    tied = rivals[rivals.tied] if rivals.tied.any() else rivals
    named = " and ".join(run_name(row.method, row.encoder) for row in tied.itertuples(index=False))
    if rivals.tied.any():
        return Claim("tied", f"not shown to be better than {named}")
    return Claim("better", f"better than {named}")


def _leaders_table(leading: pd.DataFrame, plan: Plan, references: Sequence[str]) -> Table:
    body = []
    for (dataset, protocol, metric), rows in leading.groupby(["dataset", "protocol", "metric"], sort=False):
        for first in rows[rows.leader].itertuples(index=False):
            cell = [dataset, plan.protocols[protocol].heading, METRICS[metric].label]
            name = run_name(first.method, first.encoder)
            body.append([*cell, name, number(metric, first.mean), claim(rows).text])
    here = {run_name(m, e) for m, e in zip(leading.method, leading.encoder, strict=True)}
    notes = [
        f"Leading: the method with the best mean. It is compared with {' and '.join(references) or 'no reference'}, "
        "declared beforehand (role reference in methods.yaml, rivals in config.yaml). It is better if the paired "
        f"permutation test shows it at the level {ALPHA:g}, corrected for {plan.comparisons} comparisons whatever the "
        "number of methods, and, where there are enough folds, the test over folds shows it too. Other pairs get no "
        "verdict. Oracles cannot lead.",
        f"No verdict is given below {least_stimuli(plan.comparisons)} distinct scored images: with fewer the test "
        f"would find even a very large effect (d = {VERY_LARGE:g}) with a probability below {POWER:g}.",
        "Tests flip the sign of all differences of a stimulus together, since its trials are not independent. They and "
        "the intervals are about other stimuli like these; only the test over folds is about other training samples. "
        "With one seed they show nothing about other seeds.",
        "Corrections are within a table (one dataset, protocol and metric): with many tables some of them may show a "
        "difference by chance.",
    ]
    if leading.dataset.nunique() < MIN_DATASETS:
        notes.append(f"Ranks over datasets need {MIN_DATASETS} datasets; this configuration has fewer.")
    if absent := [name for name in references if name not in here]:
        notes.append(f"Not run in this configuration, so that no method is compared with it: {', '.join(absent)}.")
    return Table(
        title="Which method leads, and whether it is better than the declared references",
        label="statistics-leaders",
        columns=["Dataset", "Protocol", "Metric", "Leading", "Mean", "By the test"],
        rows=body,
        notes=notes,
    )


def _reference_table(
    cells: pd.DataFrame, dataset: str, protocol: str, metric: str, plan: Plan, reference: str, caveats: Sequence[str]
) -> Table:
    kind = plan.protocols[protocol]
    has_folds = bool(np.isfinite(cells.p_corrected_t).any())
    body = [
        [
            run_name(row.method, row.encoder),
            difference_text(metric, row),
            formatted(row.effect_size, "+.2f"),
            p_text(row.p),
            p_text(row.p_family),
            *([p_text(row.p_corrected_t)] if has_folds else []),
            conclusion(row.verdict, reference, kind.optimistic, brief=True),
        ]
        for row in cells.itertuples(index=False)
    ]
    stimuli, samples = cells.n_stimuli.max(), cells.n_samples.max()
    better = "lower" if METRICS[metric].higher_is_better is False else "higher"
    notes = [
        f"Positive: better than {reference} ({better} {METRICS[metric].label}) [95 % interval over stimuli "
        f"and seeds], on {samples} samples of {stimuli} stimuli. "
        "d: Cohen's d over stimuli with equal weights, corrected for small samples (Hedges).",
        f"p: paired permutation test, smallest possible {p_text(cells.smallest_p.min())}; corrected for the declared "
        f"{int(cells.n_comparisons.max())} comparisons, for which a verdict needs {int(cells.least_stimuli.max())} "
        "stimuli"
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
        label=f"statistics-{dataset}-{protocol}-{metric}-{reference}",
        columns=["Method", "Difference", "d", "p", "p (corrected)", *["p (folds)"] * has_folds, "Conclusion"],
        rows=body,
        notes=notes,
        strong=frozenset((i, 5 + has_folds) for i, found in enumerate(cells.verdict) if found in DIFFERENT),
    )


def _ranks_table(rows: pd.DataFrame, leading: pd.DataFrame, protocol: str, plan: Plan) -> Table:
    metrics = list(dict.fromkeys(rows.metric))
    cells = {(r.method, r.encoder, r.metric): r.average_rank for r in rows.itertuples(index=False)}
    methods = list(dict.fromkeys(zip(rows.method, rows.encoder, strict=True)))
    body = [[run_name(*method), *(formatted(cells.get((*method, m)), ".2f") for m in metrics)] for method in methods]
    per_metric = rows.drop_duplicates("metric").set_index("metric")
    body.append(["Friedman's p", *(p_text(per_metric.friedman_p[m]) for m in metrics)])
    body.append(["Critical difference", *(f"{per_metric.critical_difference[m]:.2f}" for m in metrics)])
    datasets = dict.fromkeys(leading.dataset[leading.protocol == protocol])
    named = [plan.datasets[d].title for d in datasets]
    simulated = sum(plan.datasets[d].simulated for d in datasets)
    kind = plan.protocols[protocol]
    notes = [
        f"Average rank over {len(named)} datasets, 1 leads: {'; '.join(named)}."
        + (
            f" {simulated} of them simulated, which shows nothing about brains." if simulated else " None is simulated."
        ),
        "Ranks that differ by less than the critical difference (Nemenyi, 0.05) are not shown to differ. With few "
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


def p_text(value: float, equal: str = "") -> str:
    """A p value with three digits, never as zero; ``equal`` stands before one that is not below the least shown."""
    return "<0.001" if value < 0.001 else equal + formatted(value, ".3f")


def difference_text(metric: str, row) -> str:
    """A difference with its sign and interval, in the metric's digits; a dash where there is none."""
    return with_interval(row.difference, row.ci_low, row.ci_high, f"+.{METRICS[metric].decimals}f")
