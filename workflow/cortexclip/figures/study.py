"""One dataset under all protocols that apply to it, and the figures of what sets its methods and protocols apart."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.configuration.plan import Plan
from cortexclip.evaluation import readout_of
from cortexclip.evaluation.metrics import METRICS, n_way_identification
from cortexclip.evaluation.score import SMALLEST_GALLERY, combine_scores, mean_over_trials, weigh
from cortexclip.evaluation.statistics import summarise
from cortexclip.figures.chance import CURVES, NULL, draw_identification_curves, draw_permutation_null
from cortexclip.figures.forest import HOW_TO_READ, PAIRED, TESTED, draw_differences, draw_pairs
from cortexclip.figures.paired import draw_paired
from cortexclip.figures.style import (
    Look,
    PaperFigure,
    Subject,
    looks,
    protocol_looks,
    readouts,
    seeds_of,
    subject,
)
from cortexclip.results.folder import Results
from cortexclip.tables.audit import findings_for, notes_for, sentence
from cortexclip.tables.statistics import DIFFERENT, NOT_OVER_FOLDS, UNDECIDABLE, p_text

SHOWN = ["mse", "pairwise_identification"]
SEEDS_AT_ONCE = 32


@dataclass(frozen=True)
class Study:
    """What the figures of a dataset are made of.

    Attributes
    ----------
    plan, audit : see :func:`cortexclip.configuration.plan.make_plan`, and what the stage ``audit`` wrote
    name : of the dataset
    stimulus : array of shape (n_samples,): the stimulus of each sample of the dataset
    splits : split table by protocol
    scores : score table by protocol and run, of the metrics in ``SHOWN``; a row for each trial
    """

    plan: Plan
    audit: Mapping
    name: str
    stimulus: np.ndarray
    splits: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, pd.DataFrame]] = field(default_factory=dict)

    @classmethod
    def read(cls, dataset: xr.Dataset, plan: Plan, audit: Mapping, results: Results) -> Study:
        """Splits and scores of a dataset; InputError if one is missing or damaged."""
        name = dataset.attrs["name"]
        protocols = plan.protocols_of(name)
        return cls(
            plan,
            audit,
            name,
            dataset.stimulus.values,
            splits={protocol: results.frame("split", protocol=protocol, dataset=name) for protocol in protocols},
            scores={protocol: results.scores_by_run(protocol, name, SHOWN) for protocol in protocols},
        )

    @functools.cached_property
    def protocols(self) -> dict[str, str]:
        """Titles of the protocols that apply by name, those marked that are optimistic."""
        return {name: self.plan.protocols[name].heading for name in self.plan.protocols_of(self.name)}

    @functools.cached_property
    def looks(self) -> dict[str, Look]:
        """Looks of the runs that apply to this dataset."""
        every = looks(self.plan)
        return {run: every[run] for run in self.plan.cells[self.name]}

    @property
    def shuffled(self) -> str:
        """The run that learns from shuffled pairs of response and image; "" if none applies."""
        return next((run for run in self.looks if self.plan.runs[run].role == "shuffled"), "")

    def by_stimulus(self, *protocols: str) -> bool:
        """Whether one of these protocols weighs stimuli equally, not trials."""
        return any(self.plan.protocols[name].average == "stimulus" for name in protocols)

    def scored(self, protocol: str) -> np.ndarray:
        """Samples that a protocol scores."""
        split = self.splits[protocol]
        return np.unique(split.loc[split.role == "score", "sample"])

    def trained_on(self, protocol: str) -> np.ndarray:
        """Samples that a protocol scores and whose image it also trained on, in another trial."""
        found = []
        for _, fold in self.splits[protocol].groupby("fold"):
            scored = fold.loc[fold.role == "score", "sample"].to_numpy()
            used = np.setdiff1d(fold.loc[fold.role != "score", "sample"], scored)
            found.append(scored[np.isin(self.stimulus[scored], self.stimulus[used])])
        return np.unique(np.concatenate(found))

    def amount(self, samples: np.ndarray) -> str:
        """How many trials of how many images some samples are."""
        return f"{len(samples)} trials of {len(np.unique(self.stimulus[samples]))} images"

    def by_stimulus_of(self, protocol: str, metric: str) -> pd.DataFrame:
        """Means of a metric over trials and seeds: stimuli in rows, methods (method, encoder) in columns."""
        scores = combine_scores(list(self.scores[protocol].values()))
        keys = ["method", "encoder", "stimulus"]
        means = scores[scores.metric == metric].groupby(keys, observed=True, sort=False).value.mean()
        return means.unstack(["method", "encoder"])

    def undefined(self, metric: str, protocol: str, where: str = "here") -> str:
        """Why a metric has no value under a protocol."""
        split = self.splits[protocol]
        scored = split[split.role == "score"]
        most = max(len(np.unique(self.stimulus[rows.to_numpy()])) for _, rows in scored.groupby("fold")["sample"])
        why = ": each fold scores a single image, so there is none to confuse it with" if most == 1 else ""
        return f"{METRICS[metric].label} is not defined {where}{why}."

    def about(self, protocols: Sequence[str]) -> Subject:
        """Titles and notes of a figure that spans protocols: of each the weightiest."""
        entry, kinds = self.plan.datasets[self.name], {name: self.plan.protocols[name] for name in protocols}
        starts = {name: kind.title[:1].upper() + kind.title[1:] for name, kind in kinds.items()}
        notes = [f"{starts[name]}: {kind.note}" for name, kind in kinds.items() if kind.optimistic]
        notes += [f"{starts[name]}: each image has the same weight." for name in protocols if self.by_stimulus(name)]
        caveats: dict[str, tuple[str, list[str]]] = {}
        for name in protocols:
            for finding in findings_for(self.audit, name)[:1]:
                first, others = caveats.setdefault(finding["check"], (sentence(finding), []))
                if sentence(finding) != first:
                    others.append(kinds[name].title)
        for first, others in caveats.values():
            notes += [first, *([f"Likewise under {', '.join(others)}."] if others else [])]
        gravest = next((first for first, _ in caveats.values()), "")
        return Subject(entry.heading, notes=(seeds_of(self.plan), *notes, *entry.notes[:1]), caveat=gravest)


def way_of(metric: str) -> str:
    """Which way is better of a metric."""
    return f"{'higher' if METRICS[metric].higher_is_better else 'lower'} is better"


def differences(study: Study, protocol: str, statistics: pd.DataFrame, reference: str) -> PaperFigure:
    """Every method against one run, from the table of tested differences."""
    about = subject(study.plan, study.name, protocol, notes_for(study.audit, protocol))
    label = study.looks[reference].label
    title = f"Differences from {label}"
    table = statistics[
        (statistics.dataset == study.name) & (statistics.protocol == protocol) & (statistics.reference == reference)
    ]
    compared = set(zip(table.method, table.encoder, strict=True))
    rows = [("", *method, look) for method, look in readouts(study.plan).items() if method in compared]
    text = (
        f"Mean difference from {label} on the same trials, with its 95 % interval over stimuli and seeds. {HOW_TO_READ}"
    )
    return _tested(study, protocol, title, table.assign(group=""), rows, (label, "method"), about, text)


def ablation(study: Study, protocol: str, table: pd.DataFrame) -> PaperFigure:
    """What each part of a method contributes, from the table of variants against their plain methods."""
    about = subject(study.plan, study.name, protocol, notes_for(study.audit, protocol))
    title = "What each part contributes"
    pairs = study.plan.ablations[study.name]
    references = dict.fromkeys(pair["reference"] for pair in pairs)
    rows = [
        (study.looks[reference].label, run.method, run.encoder, study.looks[pair["run"]])
        for reference in references
        for pair in pairs
        if pair["reference"] == reference and (run := study.plan.runs[pair["run"]])
    ]
    table = table[(table.dataset == study.name) & (table.protocol == protocol)]
    table = table.assign(group=table.reference.map({name: study.looks[name].label for name in references}))
    text = (
        "Mean difference of each variant from the plain method named above it, on the same trials, with its 95 % "
        f"interval over stimuli and seeds; both have the same number of seeds. {HOW_TO_READ}"
    )
    return _tested(study, protocol, title, table, rows, ("plain", "variant"), about, text)


def paired_stimuli(study: Study, protocol: str, reference: str) -> PaperFigure:
    """The error of each method on every stimulus against that of one run."""
    about = subject(study.plan, study.name, protocol, notes_for(study.audit, protocol))
    means, run = study.by_stimulus_of(protocol, "mse"), study.plan.runs[reference]
    others = {
        method: look
        for method, look in readouts(study.plan).items()
        if method in means and not readout_of(method[0]) and method != (run.method, run.encoder)
    }
    pairs = pd.concat(
        pd.DataFrame(
            {
                **{**look.columns(), "stimulus": means.index, "run": look.label},
                **{"reference": means[run.method, run.encoder].to_numpy(), "error": means[method].to_numpy()},
            }
        )
        for method, look in others.items()
    )
    return draw_paired(pairs, {look.label: look for look in others.values()}, study.looks[reference].label, about)


def _tested(
    study: Study,
    protocol: str,
    title: str,
    table: pd.DataFrame,
    rows: Sequence[tuple[str, str, str, Look]],
    names: tuple[str, str],
    about: Subject,
    text: str,
) -> PaperFigure:
    """The figure of some rows (group, method, encoder, look) of a table of tested differences.

    ``names`` are what reference and method are called where it says what is subtracted from what.
    """
    groups: dict[str, list[Look]] = {}
    metrics, data, remarks = {}, [], []
    for metric in SHOWN:
        of_metric = table[table.metric == metric]
        found = {(row.group, row.method, row.encoder): row for row in of_metric.itertuples(index=False)}
        label = METRICS[metric].label
        direction = " \N{MINUS SIGN} ".join(names[::-1] if METRICS[metric].higher_is_better else names)
        metrics[label] = direction, study.undefined(metric, protocol)
        groups = {group: [] for group, *_ in rows}
        for group, method, encoder, look in rows:
            row = found.get((group, method, encoder))
            if row is not None:
                values = row.difference, row.ci_low, row.ci_high, p_text(row.p_family), _verdict(row), direction
                data.append((*look.columns().values(), label, *values, group, len(groups[group])))
            groups[group].append(look)
        tested = of_metric[np.isfinite(of_metric.p_family)]
        if len(tested):
            remarks.append(_power(label, tested, study.by_stimulus(protocol)))
    frame = pd.DataFrame(data, columns=[*TESTED, "group", "row"])
    return draw_differences(title, frame, groups, metrics, about, [text, *remarks])


def _verdict(row) -> str:
    """The key in `VERDICTS` of a tested difference."""
    return "shown" if row.verdict in DIFFERENT else "not over folds" if row.verdict == NOT_OVER_FOLDS else "not shown"


def _power(label: str, tested: pd.DataFrame, by_stimulus: bool) -> str:
    """Which metric was tested on how many samples, and whether there were enough for a verdict."""
    stimuli, comparisons = int(tested.n_stimuli.max()), int(tested.n_comparisons.max())
    amount = f"{stimuli} stimuli with equal weights"
    if not by_stimulus:
        amount = f"{int(tested.n_samples.max())} trials of {stimuli} stimuli"
    text = f"{label}: {amount}, corrected for {comparisons} declared comparisons"
    if (tested.verdict == UNDECIDABLE).all():
        return f"{text}: {UNDECIDABLE} for a verdict, which needs {int(tested.least_stimuli.max())}."
    missing = int(tested.n_missing.max())
    return f"{text}." + (f" Up to {missing} of them have no value and are left out." if missing else "")


Pair = tuple[str, str, np.ndarray, str]
"""Two protocols, the samples on which they are compared, and which these are, in words."""


def optimism(study: Study) -> PaperFigure:
    """Each protocol in which the scored samples choose beside its honest counterpart."""
    title, pairs = "What choosing on the scored samples gains", []
    for first in study.protocols:
        other = study.plan.protocols[first].counterpart
        if other in study.protocols:
            samples = np.intersect1d(study.scored(first), study.scored(other))
            trials = f"Means of the {study.amount(samples)} that both protocols score{_weights(study, first, other)}."
            pairs.append((first, other, samples, trials))
    reference = study.plan.reference
    example = f", such as {reference}," if reference and not study.plan.runs[reference].trained else ""
    remark = (
        f"A method that chooses nothing on the scored samples{example} gains nothing from it; the protocols of a pair "
        "may also differ in their training samples."
    )
    return _paired(study, title, pairs, remark)


def seen_unseen(study: Study) -> PaperFigure:
    """Each protocol under which images may repeat, or its honest counterpart, beside the one under which none does."""
    title = "Images in training and new images"
    kinds = study.plan.protocols
    unseen = next(name for name in study.protocols if not kinds[name].repeats)
    others = [n for n in study.protocols if kinds[n].repeats and kinds[n].counterpart not in study.protocols]
    pairs = []
    for protocol in others:
        seen = study.trained_on(protocol)
        samples = np.intersect1d(seen if len(seen) else study.scored(protocol), study.scored(unseen))
        trials = (
            f"Means of the {study.amount(samples)} whose image is trained on under {study.protocols[protocol]} "
            f"({len(seen)} of the {len(study.scored(protocol))} trials that it scores), and of the same trials "
            f"when their image is not trained on{_weights(study, protocol, unseen)}."
        )
        if not len(seen):
            trials = (
                f"Under {study.protocols[protocol]} no scored image was trained on. Means of the "
                f"{study.amount(samples)} that both protocols score{_weights(study, protocol, unseen)}."
            )
        pairs.append((protocol, unseen, samples, trials))
    remark = (
        "Folds of the two protocols may score different sets of images; then identification is among different images, "
        "and the number of training samples differs."
    )
    return _paired(study, title, pairs, remark)


def _weights(study: Study, *protocols: str) -> str:
    return "; each image has the same weight" if study.by_stimulus(*protocols) else ""


def _paired(study: Study, title: str, pairs: Sequence[Pair], remark: str) -> PaperFigure:
    """The figure of pairs of protocols; a metric that has no value in any is not drawn, and a sentence says so."""
    frames, shown = [], []
    undefined: dict[tuple[int, str], str] = {}
    for number, pair in enumerate(pairs):
        data, own, missing = paired(study, pair)
        frames.append(data.assign(pair=number))
        shown.append((pair[3], own))
        undefined |= {(number, METRICS[metric].label): reason for metric, reason in missing.items()}
    data = pd.concat(frames)
    metrics = {METRICS[m].label: way_of(m) for m in SHOWN if np.isfinite(data[data.key == m]["mean"]).any()}
    nowhere = dict.fromkeys(reason for (number, m), reason in undefined.items() if m not in metrics and number == 0)
    both = list(dict.fromkeys(name for first, second, *_ in pairs for name in (first, second)))
    styles = {study.protocols[name]: protocol_looks(study.plan)[name] for name in both}
    text = (
        "Mean over trials and seeds with its 95 % interval over stimuli and seeds. Both means of a row are of the "
        "same trials, so overlapping intervals do not show that they are equal. Scales differ between panels."
    )
    about = study.about(both)
    return draw_pairs(title, data, shown, styles, metrics, undefined, about, [text, remark, *nowhere])


def paired(study: Study, pair: Pair) -> tuple[pd.DataFrame, list[Look], dict[str, str]]:
    """Means of all methods on some samples under two protocols, of trials or, if one of them asks for it, of images.

    They are those of the comparison table where these are all the samples of a protocol, weighed as there.

    Returns
    -------
    DataFrame with the columns `PAIRED`, key (the metric by name) and row; the looks of the rows; and why a metric is
    not defined under one of the protocols, by metric
    """
    first, second, samples, trials = pair
    means = {}
    for protocol in (first, second):
        tables = [table[table["sample"].isin(samples)] for table in study.scores[protocol].values()]
        scores = combine_scores(tables)
        if study.by_stimulus(first, second):  # an image may be scored in several folds
            scores = mean_over_trials(scores.assign(fold=0))
        summary = summarise(scores)
        for row in summary.itertuples(index=False):
            means[protocol, row.metric, row.method, row.encoder] = row.mean, row.ci_low, row.ci_high
    rows = {
        method: look
        for method, look in readouts(study.plan).items()
        if all((protocol, SHOWN[0], *method) in means for protocol in (first, second))
    }
    data: list[tuple] = []
    undefined: dict[str, str] = {}
    for metric in SHOWN:
        cells = [
            (look, row, protocol, means.get((protocol, metric, *method), (np.nan,) * 3))
            for row, (method, look) in enumerate(rows.items())
            for protocol in (first, second)
        ]
        for protocol in (first, second):
            if not any(np.isfinite(values[0]) for _, _, own, values in cells if own == protocol):
                where = f"under {study.protocols[protocol]}"
                undefined.setdefault(metric, study.undefined(metric, protocol, where))
        data += [
            (*look.columns().values(), METRICS[metric].label, study.protocols[name], *values, trials, metric, row)
            for look, row, name, values in cells
        ]
    return pd.DataFrame(data, columns=[*PAIRED, "key", "row"]), list(rows.values()), undefined


def permutation_null(study: Study, reference: str | None) -> PaperFigure:
    """What decoders reach that learned from shuffled pairs, beside the others."""
    about = study.about(list(study.protocols))
    shown = {run: look for run, look in study.looks.items() if run != study.shuffled}
    data: list[tuple] = []
    words, most = {}, 0
    for protocol, protocol_title in study.protocols.items():
        for metric in SHOWN:
            cell, label = (protocol_title, METRICS[metric].label), study.looks[study.shuffled].label
            shuffles, others = null_of(study, protocol, metric)
            data += [(label, "", *cell, number, mean, None) for number, mean in enumerate(shuffles, start=1)]
            if not len(shuffles):
                words[cell] = study.undefined(metric, protocol)
                continue
            data += [(*shown[run].columns().values(), *cell, None, mean, run) for run, mean in others.items()]
            words[cell], most = "", max(most, len(shuffles))
            if reference in others:
                good = as_good_as(shuffles, others[reference], bool(METRICS[metric].higher_is_better))
                p_value = p_text((1 + good) / (1 + len(shuffles)), "= ")
                words[cell] = f"p {p_value}, {good} of {len(shuffles)} as good"
    remarks = [
        f"Histogram: mean over everything scored ({_amounts(study)}), for each shuffle. Marks below it: the other "
        "methods, unshuffled."
    ]
    if most and reference in shown:
        name = shown[reference].label
        remarks.append(
            f"p of {name}: (1 + shuffles at least as good) / (1 + shuffles), with {most} shuffles at least "
            f"{1 / (1 + most):.2g}; not corrected for the number of panels. Shuffles of {name} do not give the chance "
            "level of another method, so no other method has a p value."
        )
    frame = pd.DataFrame(data, columns=[*NULL, "run"])
    metrics = {METRICS[metric].label: way_of(metric) for metric in SHOWN}
    shuffled = study.looks[study.shuffled].label
    return draw_permutation_null(frame, study.protocols, metrics, shown, shuffled, reference, words, about, remarks)


def _amounts(study: Study) -> str:
    """How many trials of how many images are scored, by protocol where they differ."""
    by_amount: dict[str, list[str]] = {}
    for protocol, title in study.protocols.items():
        by_amount.setdefault(study.amount(study.scored(protocol)), []).append(title)
    if len(by_amount) == 1:
        return next(iter(by_amount))
    return "; ".join(f"{', '.join(titles)}: {amount}" for amount, titles in by_amount.items())


def null_of(study: Study, protocol: str, metric: str) -> tuple[np.ndarray, dict[str, float]]:
    """Means of a metric of each shuffle (n_shuffles,), and of the other runs that have any, by name."""
    values = {}
    for run, table in study.scores[protocol].items():
        method = study.plan.runs[run].method
        table = weigh(table[(table.metric == metric) & (table.method == method)], study.plan)
        values[run] = table[np.isfinite(table["value"])]
    shuffles = values.pop(study.shuffled).groupby("seed").value.mean().to_numpy()
    return shuffles, {run: float(table["value"].mean()) for run, table in values.items() if len(table)}


def as_good_as(means: np.ndarray, observed: float, higher_is_better: bool) -> int:
    """How many of ``means`` are at least as good as the observed one."""
    return int((means >= observed).sum() if higher_is_better else (means <= observed).sum())


@dataclass(frozen=True)
class Identified:
    """Shares of trials identified under one protocol.

    Attributes
    ----------
    ways : int array of shape (n_ways,): numbers of images to choose among, from 2; empty if a fold scores a single one
    shares : by run, array of shape (n_seeds, n_ways); NaN for a seed that has none
    folds : number of folds
    """

    ways: np.ndarray
    shares: Mapping[str, np.ndarray]
    folds: int


def identification(study: Study, dataset: xr.Dataset, results: Results) -> dict[str, Identified]:
    """By protocol, how often the image of each run is identified; predictions are read one after the other."""
    found = {}
    for protocol in study.protocols:
        shares = {}
        for run in study.looks:
            predicted = results.predictions(protocol, study.name, run)
            samples, folds = predicted.sample.values, predicted.fold.values
            ways, shares[run] = identified(
                predicted.image.values,
                dataset.stimuli.values[samples],
                study.stimulus[samples],
                folds,
                by_stimulus=study.by_stimulus(protocol),
            )
            if not len(ways):
                break
        found[protocol] = Identified(ways, shares, len(np.unique(folds)))
    return found


def identification_curves(study: Study, found: Mapping[str, Identified]) -> PaperFigure:
    """Identification among more and more images under each protocol, by protocol."""
    about = study.about(list(study.protocols))
    frames, protocols = [pd.DataFrame(columns=[*CURVES, "run"])], {}
    for name, cell in found.items():
        words = "A single image is scored, so there is none to confuse it with."
        if len(cell.ways):
            words = study.amount(study.scored(name)) + (f", {cell.folds} folds" if cell.folds > 1 else "")
            frames += _curves(study, name, cell)
        protocols[name] = study.protocols[name], words
    data = pd.concat(frames[1:] or frames)
    remarks = [
        "Share of trials whose image correlates more with its reconstruction than n \N{MINUS SIGN} 1 other images. "
        "These are from the same fold, or from all folds if one scores a single image; n goes up to the number that "
        "every fold has. Mean over trials and seeds, for reconstructed images; a reconstruction without contrast "
        "identifies nothing and is left out. At n = 2 this is "
        f"{METRICS['pairwise_identification'].label}, whose intervals are in the table."
    ]
    if data.shuffles_low.notna().any():
        remarks.append("Grey: the range of 95 % of the shuffles of the control on shuffled pairs.")
    return draw_identification_curves(data, protocols, study.looks, about, remarks)


def _curves(study: Study, protocol: str, cell: Identified) -> Iterator[pd.DataFrame]:
    """Of each run that has any, its mean curve with what 95 % of the shuffles reach."""
    low = high = np.nan
    shuffles = cell.shares.get(study.shuffled, np.empty((0, 0)))
    if len(shuffles) > 1 and np.isfinite(shuffles).any():
        low, high = np.nanquantile(shuffles, [0.025, 0.975], axis=0)
    for run, shares in cell.shares.items():
        if np.isfinite(shares).any():
            values = {"images": cell.ways, "identified": np.nanmean(shares, axis=0), "chance": 1 / cell.ways}
            about = {**study.looks[run].columns(), "protocol": study.protocols[protocol]}
            yield pd.DataFrame({**about, **values, "shuffles_low": low, "shuffles_high": high, "run": run})


def identified(
    images: np.ndarray,
    stimuli: np.ndarray,
    stimulus_ids: np.ndarray,
    folds: np.ndarray,
    *,
    by_stimulus: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Curves of n-way identification within folds, up to the number of images that every fold has.

    Where a fold scores a single stimulus, those of all folds count as one, as in `score_predictions`.

    Parameters
    ----------
    images : array of shape (n_seeds, n_samples, y, x)
    stimuli : array of shape (n_samples, y, x)
    stimulus_ids, folds : arrays of shape (n_samples,)
    by_stimulus : whether means weigh the stimuli of a fold equally, not its samples

    Returns
    -------
    ways : int array of shape (n_ways,), 2, 3, ...; empty where a single image is scored
    shares : array of shape (n_seeds, n_ways): means over samples; NaN for a seed that has no defined one
    """
    parts = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    if min(len(np.unique(stimulus_ids[part])) for part in parts) < SMALLEST_GALLERY:
        parts = [np.arange(len(folds))]
    found = []
    for part in parts:
        chunks = [
            n_way_identification(images[start : start + SEEDS_AT_ONCE, part], stimuli[part], stimulus_ids[part])
            for start in range(0, len(images), SEEDS_AT_ONCE)
        ]
        shares = np.concatenate([shares for _, shares in chunks])
        if by_stimulus:
            names = stimulus_ids[part]
            shares = np.stack([shares[:, names == name].mean(axis=1) for name in np.unique(names)], axis=1)
        found.append((chunks[0][0], shares))
    ways = min((ways for ways, _ in found), key=len)
    shares = np.concatenate([shares[..., : len(ways)] for _, shares in found], axis=1)
    known = np.isfinite(shares)
    counts = known.sum(axis=1)
    means = np.where(known, shares, 0.0).sum(axis=1) / np.maximum(counts, 1)
    return ways, np.where(counts > 0, means, np.nan)
