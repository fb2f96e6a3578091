"""Stage: scores, predictions and tests of all runs of a dataset -> what sets its methods and protocols apart."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from cortexclip.data import dataset as datasets
from cortexclip.evaluation.metrics import METRICS, n_way_identification
from cortexclip.evaluation.score import NEAREST, combine_scores, mean_over_trials, weigh
from cortexclip.evaluation.statistics import summarise
from cortexclip.figures.ablation import Group, draw_ablation
from cortexclip.figures.chance import Curves, Null, draw_identification_curves, draw_permutation_null
from cortexclip.figures.differences import Column, Difference, draw_differences
from cortexclip.figures.pairs import Pair, Side, draw_pairs
from cortexclip.figures.style import (
    Look,
    Subject,
    draw_words,
    look_of,
    looks,
    protocol_markers,
    save,
    seeds_of,
    subject,
)
from cortexclip.files import read_json
from cortexclip.log import logger
from cortexclip.plan import Plan
from cortexclip.results.folder import Results
from cortexclip.results.tables import read_table
from cortexclip.runs import read_netcdf, read_parquet
from cortexclip.tables.ablation import ABLATION
from cortexclip.tables.audit import notes_for
from cortexclip.tables.statistics import ALPHA, STATISTICS, p_text

SHOWN = ["mse", "pairwise_identification"]
SHUFFLED = "permuted"
UNSEEN = "unseen"
OPTIMISM = [("chosen_on_test", "holdout"), ("chosen_on_fold", "cv10")]
"""Protocols in which the scored samples choose, each with the one of the same kind in which they do not."""
REPEATED = [("holdout", "chosen_on_test"), ("cv10", "chosen_on_fold")]
"""Protocols under which a scored image may have been trained on: of each kind the first that was run."""
SEEDS_AT_ONCE = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--audit", required=True, type=read_json, help="the dataset's audit (.json)")
    parser.add_argument("--statistics", required=True, help="the table of tested differences (statistics.csv)")
    parser.add_argument("--ablation", required=True, help="the table of what each part is worth (ablation.csv)")
    parser.add_argument("--reference", default="ridge", help="run that the others are compared with (%(default)s)")
    parser.add_argument("--results", required=True, help="folder with splits/, runs/ and scores/")
    parser.add_argument("--resamples", type=int, default=2000, help="resamples of the bootstrap")
    parser.add_argument("--base-seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="folder of the figures")


def run(arguments: argparse.Namespace) -> None:
    material = Material(
        dataset=datasets.read(arguments.dataset),
        plan=arguments.plan,
        audit=arguments.audit,
        statistics=read_table(arguments.statistics, STATISTICS),
        ablation=read_table(arguments.ablation, ABLATION),
        results=Path(arguments.results),
        reference=arguments.reference,
        resamples=arguments.resamples,
        base_seed=arguments.base_seed,
    )
    output = Path(arguments.output)
    for protocol in material.plan.protocols:
        save(differences(material, protocol), output / f"differences.{protocol}.{material.name}")
        if any(arguments.plan.ablations.values()):
            save(ablation(material, protocol), output / f"ablation.{protocol}.{material.name}")
    for name, make in FIGURES.items():
        save(make(material), output / f"{name}.{material.name}")
        logger.info("evaluation_figures: %s of %s", name, material.name)


@dataclass(frozen=True)
class Material:
    """The files of one dataset under all protocols, each read when it is first asked for."""

    dataset: xr.Dataset
    plan: Plan
    audit: dict
    statistics: pd.DataFrame
    ablation: pd.DataFrame
    results: Path
    reference: str = "ridge"
    resamples: int = 2000
    base_seed: int = 0

    @property
    def name(self) -> str:
        return self.dataset.attrs["name"]

    @property
    def protocols(self) -> dict[str, str]:
        """Titles of the protocols that apply by name, those marked that are optimistic."""
        kinds = {name: self.plan.protocols[name] for name in self.plan.protocols_of(self.name)}
        return {name: kind.heading for name, kind in kinds.items()}

    @functools.cached_property
    def looks(self) -> dict[str, Look]:
        """Looks of the runs that apply to this dataset."""
        every = looks(self.plan)
        return {run: every[run] for run in self.plan.cells[self.name]}

    @functools.cached_property
    def scores(self) -> dict[str, dict[str, pd.DataFrame]]:
        """Score tables by protocol and run, of the metrics that are shown; a row for each trial."""
        results = Results(self.results, self.plan)
        return {protocol: results.scores_by_run(protocol, self.name, SHOWN) for protocol in self.protocols}

    @functools.cached_property
    def splits(self) -> dict[str, pd.DataFrame]:
        folder = self.results / "splits"
        return {protocol: read_parquet(folder / protocol / f"{self.name}.parquet") for protocol in self.protocols}

    def by_stimulus(self, *protocols: str) -> bool:
        """Whether one of these protocols weighs stimuli equally, not trials."""
        return any(self.plan.protocols[name].get("average") == "stimulus" for name in protocols)

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
            found.append(scored[np.isin(self.stimulus(scored), self.stimulus(used))])
        return np.unique(np.concatenate(found))

    def stimulus(self, samples: np.ndarray) -> np.ndarray:
        return self.dataset.stimulus.values[samples]

    def undefined(self, metric: str, protocol: str) -> str:
        """Why a metric has no value under a protocol."""
        split = self.splits[protocol]
        scored = split[split.role == "score"]
        most = max(len(np.unique(self.stimulus(rows.to_numpy()))) for _, rows in scored.groupby("fold")["sample"])
        why = ": each fold scores a single image, which cannot be confused with another" if most == 1 else ""
        return f"{METRICS[metric].label} is not defined here{why}."

    def about(self, protocols: Sequence[str]) -> Subject:
        """Titles and notes of a figure that spans protocols: of each the weightiest."""
        kinds = {name: self.plan.protocols[name] for name in protocols}
        entry = self.plan.datasets[self.name]
        notes = [f"{_capital(kind.title)}: {kind.note}" for kind in kinds.values() if kind.optimistic]
        notes += [
            f"{_capital(kind.title)}: means weigh each image once."
            for name, kind in kinds.items()
            if self.by_stimulus(name)
        ]
        said: dict[str, tuple[str, dict[str, None]]] = {}
        for name, kind in kinds.items():
            for caveat in notes_for(self.audit, name)[:1]:
                check = next(f["check"] for f in self.audit["findings"] if caveat.startswith(f["message"]))
                first, others = said.setdefault(check, (caveat, {}))
                if caveat != first:
                    others[kind.title] = None
        for caveat, others in said.values():
            notes += [caveat, *([f"Likewise under {', '.join(others)}."] if others else [])]
        return Subject(entry["title"], notes=(seeds_of(self.plan), *notes, *entry["notes"][:1]))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def differences(material: Material, protocol: str) -> Figure:
    about = subject(material.plan, material.name, protocol, notes_for(material.audit, protocol))
    if protocol not in material.protocols:
        return draw_words("Differences from a reference", about, material.plan.without_split(material.name))
    if material.reference not in material.looks:
        reason = (
            f"The method {material.reference}, with which the others are compared here, was not run on this dataset."
        )
        return draw_words("Differences from a reference", about, reason)
    name = material.looks[material.reference].label
    table = material.statistics
    table = table[
        (table.dataset == material.name) & (table.protocol == protocol) & (table.reference == material.reference)
    ]
    methods = [
        method
        for method in _readouts(material.plan)
        if ((table.method == method[0]) & (table.encoder == method[1])).any()
    ]
    if not methods:
        return draw_words(f"Differences from {name}", about, f"Nothing but {name} was run, so nothing is compared.")
    columns, remarks = [], []
    for metric in SHOWN:
        rows = table[table.metric == metric]
        cells = {(row.method, row.encoder): _difference(row) for row in rows.itertuples(index=False)}
        label = METRICS[metric].label
        order = ("method", name) if METRICS[metric].higher_is_better else (name, "method")
        axis = " \N{MINUS SIGN} ".join(order)
        columns.append(
            Column(label, axis, [cells.get(method) for method in methods], material.undefined(metric, protocol))
        )
        tested = rows[np.isfinite(rows.p_holm)]
        if len(tested):
            remarks.append(_power(label, tested, material.by_stimulus(protocol)))
    return draw_differences([look_of(material.plan, *method) for method in methods], columns, name, about, remarks)


def ablation(material: Material, protocol: str) -> Figure:
    about = subject(material.plan, material.name, protocol, notes_for(material.audit, protocol))
    if protocol not in material.protocols:
        return draw_words("What each part is worth", about, material.plan.without_split(material.name))
    if not material.plan.ablations[material.name]:
        return draw_words("What each part is worth", about, "No two methods that run on this dataset differ in a part.")
    table = material.ablation
    table = table[(table.dataset == material.name) & (table.protocol == protocol)]
    cells = {(row.method, row.encoder, row.reference, row.metric): row for row in table.itertuples(index=False)}
    variants: dict[str, list[str]] = {}
    for pair in material.plan.ablations[material.name]:
        variants.setdefault(pair["reference"], []).append(pair["run"])

    def difference(run: str, reference: str, metric: str) -> Difference | None:
        about_run = material.plan.runs[run]
        row = cells.get((about_run.method, about_run.encoder, reference, metric))
        return None if row is None else _difference(row)

    groups = [
        Group(
            material.looks[reference].label,
            [material.looks[run] for run in runs],
            [[difference(run, reference, metric) for run in runs] for metric in SHOWN],
        )
        for reference, runs in variants.items()
    ]
    metrics, remarks = [], []
    for metric in SHOWN:
        order = ("variant", "plain") if METRICS[metric].higher_is_better else ("plain", "variant")
        axis = " \N{MINUS SIGN} ".join(order)
        metrics.append((METRICS[metric].label, axis, material.undefined(metric, protocol)))
        tested = table[(table.metric == metric) & np.isfinite(table.p_holm)]
        if len(tested):
            remarks.append(_power(METRICS[metric].label, tested, material.by_stimulus(protocol)))
    return draw_ablation(groups, metrics, about, remarks)


def _readouts(plan: Plan) -> list[tuple[str, str]]:
    """Every method of score tables with its embedding space, in the order of the plan, second readouts after firsts."""
    return [(method, run.encoder) for run in plan.runs.values() for method in (run.method, run.method + NEAREST)]


def _difference(row) -> Difference:
    said = str(row.conclusion).startswith(("better", "worse"))
    verdict = "shown" if said else "not over folds" if row.p_holm < ALPHA else "not shown"
    return Difference(row.difference, row.ci_low, row.ci_high, verdict, p_text(row.p_holm))


def _power(label: str, tested: pd.DataFrame, by_stimulus: bool) -> str:
    """How much was tested on how much, and whether anything could have been found."""
    stimuli, comparisons = int(tested.n_stimuli.max()), int(tested.n_comparisons.max())
    amount = f"{stimuli} stimuli, each weighed once"
    if not by_stimulus:
        amount = f"{int(tested.n_samples.max())} trials of {stimuli} stimuli"
    text = f"{label}: {amount}, {comparisons} comparisons"
    if (tested.smallest_p * tested.n_comparisons).min() >= ALPHA:
        return f"{text}: too few stimuli for any corrected p below 0.05."
    missing = int(tested.n_missing.max())
    return f"{text}." + (f" Up to {missing} of them have no value and are left out." if missing else "")


def optimism(material: Material) -> Figure:
    title = "What choosing on the scored samples is worth"
    found = [pair for pair in OPTIMISM if set(pair) <= set(material.protocols)]
    if not found:
        listed = ", nor ".join(f"both {first} and {second}" for first, second in OPTIMISM)
        reason = (
            "This needs a protocol in which the scored samples choose, and its honest counterpart; the configuration "
            f"has neither {listed}."
        )
        return draw_words(title, material.about(list(material.protocols)[:1]), reason)
    pairs = []
    for first, second in found:
        samples = np.intersect1d(material.scored(first), material.scored(second))
        trials = (
            f"Means of the {_amount(material, samples)} that both protocols score{_weights(material, first, second)}."
        )
        pairs.append(_pair(material, (first, second), samples, trials))
    remarks = [
        "A method that chooses nothing on the scored samples, such as ridge, gains nothing from choosing there; the "
        "protocols of a pair may differ in their training samples too."
    ]
    about = material.about([name for pair in found for name in pair])
    return draw_pairs(title, pairs, _metrics(), about, remarks)


def seen_unseen(material: Material) -> Figure:
    title = "Images that were trained on and images that were not"
    run = [next((name for name in names if name in material.protocols), None) for names in REPEATED]
    run = [name for name in run if name]
    about = material.about([*run, UNSEEN] if UNSEEN in material.protocols else run or list(material.protocols)[:1])
    if UNSEEN not in material.protocols or not run:
        listed = " or ".join(name for names in REPEATED for name in names)
        reason = f"This needs the protocol {UNSEEN} and one of {listed}; the configuration does not have both."
        return draw_words(title, about, reason)
    pairs = []
    for protocol in run:
        seen = material.trained_on(protocol)
        if len(seen):
            samples = np.intersect1d(seen, material.scored(UNSEEN))
            trials = (
                f"Means of the {_amount(material, samples)} whose image is trained on under "
                f"{material.protocols[protocol]} ({len(seen)} of the {len(material.scored(protocol))} trials that it "
                f"scores), and of the same trials when it is not{_weights(material, protocol, UNSEEN)}."
            )
            pairs.append(_pair(material, (protocol, UNSEEN), samples, trials))
    if not pairs:
        titles = " and ".join(material.protocols[name] for name in run)
        reason = (
            f"Under {titles} no scored image of this dataset was trained on: all scored images are new to the decoder, "
            f"as they are under {material.protocols[UNSEEN]}. There is nothing to set against each other."
        )
        return draw_words(title, about, reason)
    remarks = [
        "Where a fold scores other images under the two protocols, identification is among other images too, and "
        "the number of training samples differs."
    ]
    return draw_pairs(title, pairs, _metrics(), about, remarks)


def _metrics() -> dict[str, tuple[str, str]]:
    """Label and the way that is better of the metrics that are shown."""
    return {
        name: (METRICS[name].label, f"{'higher' if METRICS[name].higher_is_better else 'lower'} is better")
        for name in SHOWN
    }


def _amount(material: Material, samples: np.ndarray) -> str:
    return f"{len(samples)} trials of {len(np.unique(material.stimulus(samples)))} images"


def _amounts(material: Material) -> str:
    """How many trials of how many images are scored, by protocol where they differ."""
    by_amount: dict[str, list[str]] = {}
    for protocol, title in material.protocols.items():
        by_amount.setdefault(_amount(material, material.scored(protocol)), []).append(title)
    if len(by_amount) == 1:
        return next(iter(by_amount))
    return "; ".join(f"{', '.join(titles)}: {amount}" for amount, titles in by_amount.items())


def _weights(material: Material, *protocols: str) -> str:
    return "; each image is weighed once" if material.by_stimulus(*protocols) else ""


def _pair(material: Material, protocols: tuple[str, str], samples: np.ndarray, trials: str) -> Pair:
    """Means of all methods on some samples under two protocols, of trials or, if one of them asks for it, of images.

    They are those of the comparison table where these are all the samples of a protocol, weighed as there.
    """
    markers = protocol_markers(list(material.protocols))
    values: list[dict] = []
    for protocol in protocols:
        tables = [table[table["sample"].isin(samples)] for table in material.scores[protocol].values()]
        scores = combine_scores(tables)
        if material.by_stimulus(*protocols):  # an image may be scored in several folds
            scores = mean_over_trials(scores.assign(fold=0))
        summary = summarise(scores, base_seed=material.base_seed, n_resamples=material.resamples)
        values.append(
            {
                (row.metric, row.method, row.encoder): (row.mean, row.ci_low, row.ci_high)
                for row in summary.itertuples(index=False)
            }
        )
    methods = [method for method in _readouts(material.plan) if all((SHOWN[0], *method) in side for side in values)]
    nothing = (np.nan,) * 3
    cells = {
        metric: [tuple(side.get((metric, *method), nothing) for side in values) for method in methods]
        for metric in SHOWN
    }
    undefined = {}
    for metric in SHOWN:
        for which, protocol in enumerate(protocols):
            if not any(np.isfinite(cell[which][0]) for cell in cells[metric]):
                reason = material.undefined(metric, protocol).replace("here", f"under {material.protocols[protocol]}")
                undefined.setdefault(metric, reason)
    return Pair(
        sides=tuple(Side(material.protocols[name], markers[name]) for name in protocols),
        trials=trials,
        looks=[look_of(material.plan, *method) for method in methods],
        cells=cells,
        undefined=undefined,
    )


def permutation_null(material: Material) -> Figure:
    title, about = "What shuffled pairs reach by chance", material.about(list(material.protocols))
    if SHUFFLED not in material.looks:
        reason = (
            f"The method {SHUFFLED}, which learns from shuffled pairs of response and image, was not run, so there is "
            "no distribution under chance to show."
        )
        return draw_words(title, about, reason)
    shown = {run: look for run, look in material.looks.items() if run != SHUFFLED}
    nulls = {
        protocol: {metric: _null(material, protocol, metric, list(shown)) for metric in SHOWN}
        for protocol in material.protocols
    }
    drawn = [len(null.means) for row in nulls.values() for null in row.values() if not null.undefined]
    remarks = [
        f"Histogram: mean over all that is scored ({_amounts(material)}), for each shuffle. Marks below it: the other "
        "methods, unshuffled."
    ]
    if drawn and material.reference in shown:
        name, n = shown[material.reference].label, max(drawn)
        remarks.append(
            f"p of {name}: (1 + shuffles at least as good) / (1 + shuffles), with {n} shuffles at least "
            f"{1 / (1 + n):.2g}; not corrected for the number of panels. Shuffles of {name} say nothing of the chance "
            "level of another method, so no other has a p value."
        )
    return draw_permutation_null(
        nulls,
        material.protocols,
        _metrics(),
        shown,
        material.looks[SHUFFLED].label,
        material.reference,
        about,
        remarks=remarks,
    )


def _null(material: Material, protocol: str, metric: str, runs: Sequence[str]) -> Null:
    tables = material.scores[protocol]

    def values(run: str) -> pd.DataFrame:
        method = material.plan.runs[run].method
        table = weigh(tables[run][(tables[run].metric == metric) & (tables[run].method == method)], material.plan)
        return table[np.isfinite(table.value)]

    means = values(SHUFFLED).groupby("seed").value.mean().to_numpy()
    observed = {run: float(values(run).value.mean()) for run in runs if len(values(run))}
    if not len(means):
        return Null(undefined=material.undefined(metric, protocol))
    text = []
    if material.reference in observed:
        as_good = as_good_as(means, observed[material.reference], bool(METRICS[metric].higher_is_better))
        p_value = p_text((1 + as_good) / (1 + len(means)))
        text = [
            f"p {p_value if p_value.startswith('<') else f'= {p_value}'}",
            f"{as_good} of {len(means)} as good",
        ]
    return Null(means, observed, text)


def as_good_as(means: np.ndarray, observed: float, higher_is_better: bool) -> int:
    """How many of ``means`` are at least as good as the observed one."""
    return int((means >= observed).sum() if higher_is_better else (means <= observed).sum())


def identification_curves(material: Material) -> Figure:
    about = material.about(list(material.protocols))
    curves = {protocol: _curves(material, protocol) for protocol in material.protocols}
    if all(cell.undefined for cell in curves.values()):
        reason = (
            "Under no protocol does a fold score more than one image, so there is nothing to identify an image among."
        )
        return draw_words("Identification among n images", about, reason)
    remarks = [
        "Share of trials whose image correlates more with its reconstruction than n \N{MINUS SIGN} 1 other images, "
        "drawn from those of the same fold; n up to the number that every fold has. Mean over trials and seeds, of "
        "reconstructed images; a reconstruction without contrast identifies nothing and is left out. At n = 2 this is "
        f"{METRICS['pairwise_identification'].label}, whose intervals are in the table."
    ]
    if any(cell.band for cell in curves.values()):
        remarks.append("Grey: what 95 % of the shuffles of the control on shuffled pairs reach.")
    return draw_identification_curves(curves, material.protocols, material.looks, about, remarks=remarks)


def _curves(material: Material, protocol: str) -> Curves:
    folder = material.results / "runs" / protocol / material.name
    shares, band, ways = {}, None, None
    for run in material.looks:
        predicted = read_netcdf(folder / run / "predictions.nc")
        ways, by_seed = identified(
            predicted.image.values,
            material.dataset.stimuli.values[predicted.sample.values],
            material.stimulus(predicted.sample.values),
            predicted.fold.values,
            by_stimulus=material.by_stimulus(protocol),
        )
        if not len(ways):
            return Curves(undefined="Each fold scores a single image, which cannot be confused with another.")
        if np.isfinite(by_seed).any():
            shares[run] = np.nanmean(by_seed, axis=0)
            if run == SHUFFLED and len(by_seed) > 1:
                band = tuple(np.nanquantile(by_seed, [0.025, 0.975], axis=0))
    samples, folds = predicted.sample.values, len(np.unique(predicted.fold.values))
    scored = _amount(material, samples) + (f", {folds} folds" if folds > 1 else "")
    return Curves(ways, shares, band, scored)


def identified(
    images: np.ndarray,
    stimuli: np.ndarray,
    stimulus_ids: np.ndarray,
    folds: np.ndarray,
    *,
    by_stimulus: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Curves of n-way identification within folds, up to the number of images that every fold has.

    Parameters
    ----------
    images : array of shape (n_seeds, n_samples, y, x)
    stimuli : array of shape (n_samples, y, x)
    stimulus_ids, folds : arrays of shape (n_samples,)
    by_stimulus : whether means weigh the stimuli of a fold equally, not its samples

    Returns
    -------
    ways : int array of shape (n_ways,), 2, 3, ...; empty where a fold has a single image
    shares : array of shape (n_seeds, n_ways): means over samples; NaN for a seed that has no defined one
    """
    parts = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
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


FIGURES: dict[str, Callable[[Material], Figure]] = {
    "optimism": optimism,
    "permutation_null": permutation_null,
    "identification_curves": identification_curves,
    "seen_unseen": seen_unseen,
}
