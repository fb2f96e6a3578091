"""The claims table: every published number beside our figure, an honest protocol's figure and the controls.

Every verdict is computed, by the rules of `reproduction` and `remarks`, from the figures in its row.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cortexclip.errors import InputError
from cortexclip.evaluation.metrics import METRICS, chance_level, mse
from cortexclip.evaluation.score import NEAREST, combine_scores, weigh
from cortexclip.evaluation.statistics import summarise
from cortexclip.plan import protocols_of
from cortexclip.tables.audit import notes_for
from cortexclip.tables.comparison import interval, number
from cortexclip.tables.read import read_scores
from cortexclip.tables.render import NOT_MEASURED, Table
from cortexclip.tables.statistics import ORACLE, full_title, run_name

CLAIMS = [
    *("method", "dataset", "metric", "published", "source", "protocol", "remeasured", "ci_low", "ci_high"),
    *("honest", "best_control", "best_control_value", "verdict"),
]
CONTROLS = ("mean_image", "knn", "ridge", "ridge_clip")
"""Controls of a plan that does not mark them."""

HONEST_SPLIT, HONEST_FOLDS = ("holdout",), ("cv10", "holdout")
"""Honest protocols of a claim about one split, and of one about folds: the first that the plan has."""

SAME_LEVEL = 0.05
"""A published value is at the level of a constant answer if it differs from it by at most this share of it."""

CONSTANT = "constant (mean image)"
MANY_DEFINITIONS = ("ssim",)
"""Metrics that published tables compute in different ways without saying which (see `metrics.ssim_uniform7`)."""

REPRODUCED, NOT_REPRODUCED, UNTESTED = "reproduced", "not reproduced", "cannot be tested here"


@dataclass(frozen=True)
class Figure:
    """A cell of the summary: mean and bounds of the 95 % interval, NaN where not defined, and what it is a mean of."""

    mean: float
    ci_low: float
    ci_high: float
    n_samples: int = 0
    n_seeds: int = 0


@dataclass(frozen=True)
class Control:
    """The control with the leading mean: its name for scripts, its title for readers, that mean, and of how many."""

    name: str
    title: str
    value: float
    candidates: int = 1


@dataclass(frozen=True)
class Constant:
    """Mean squared error of always answering the mean of some images: on average, and on the easiest and hardest."""

    error: float
    lowest: float
    highest: float
    n_images: int


@dataclass(frozen=True)
class Claim:
    """One published number with everything that its row shows.

    Attributes
    ----------
    entry : the entry of published.yaml
    method : its method, with the embedding space of our run in brackets
    protocol : the protocol that repeats what the source did
    remeasured, honest : our figures in that protocol and in ``honest_protocol``; None where not run
    control : the best control in ``honest_protocol``, or the constant answer
    outcome : `REPRODUCED`, `NOT_REPRODUCED` or `UNTESTED`
    detail : the direction of the difference, or the reason
    remarks : what else the figures say: (in full, in short) each
    """

    entry: Mapping
    method: str
    protocol: str
    remeasured: Figure | None = None
    honest: Figure | None = None
    honest_protocol: str | None = None
    control: Control | None = None
    outcome: str = UNTESTED
    detail: str = ""
    remarks: tuple[tuple[str, str], ...] = field(default_factory=tuple)

    @property
    def verdict(self) -> str:
        parts = [f"{self.outcome}: {self.detail}" if self.detail else self.outcome]
        if "upper" in self.entry:
            parts.append(f"published as a range, {self.entry['value']:g} to {self.entry['upper']:g}")
        return "; ".join([*parts, *(full for full, _ in self.remarks)])


@dataclass(frozen=True)
class Measured:
    """Our figures: cells by (dataset, protocol, method, encoder, metric), and folds by (dataset, protocol)."""

    cells: dict[tuple[str, str, str, str, str], Figure]
    folds: dict[tuple[str, str], int]
    plan: Mapping

    def cell(self, dataset: str, protocol: str, run: Mapping, metric: str) -> Figure | None:
        return self.cells.get((dataset, protocol, run["method"], run["encoder"], metric))

    def means(self, dataset: str, protocol: str, run: Mapping) -> dict[str, float]:
        """Means of all metrics of a run, which chance levels are computed from."""
        wanted = (dataset, protocol, run["method"], run["encoder"])
        return {key[-1]: figure.mean for key, figure in self.cells.items() if key[:-1] == wanted}


def is_control(run: Mapping) -> bool:
    """Whether a run of the plan is a control that a decoder has to beat; an oracle is none, since it is told more."""
    marked = run["control"] if "control" in run else run["method"] in CONTROLS
    return bool(marked) and not run["method"].endswith(ORACLE)


def measure(
    folder: Path,
    plan: Mapping,
    published: Mapping,
    *,
    left_out: Iterable[str] = (),
    base_seed: int = 0,
    n_resamples: int = 2000,
) -> Measured:
    """Summarise the scores that the published numbers are compared with: their methods' and the controls'.

    The intervals are those of the comparison table, if seed and resamples are.

    Parameters
    ----------
    folder : score tables, ``protocol/dataset/run.parquet``
    left_out : datasets whose published brain data are not ours
    """
    names = {entry["name"] for entry in published["numbers"]}
    protocols = {source["protocol"] for source in published["sources"].values()} | {*HONEST_SPLIT, *HONEST_FOLDS}
    cells, folds = {}, {}
    for dataset in plan["datasets"]:
        metrics = _metrics_of(dataset, published)
        if not metrics or dataset in left_out:
            continue
        runs = [
            n for n in plan["cells"][dataset] if is_control(plan["runs"][n]) or plan["runs"][n]["published"] in names
        ]
        for protocol in protocols_of(plan, dataset):
            if protocol not in protocols or not runs:
                continue
            tables = [read_scores(folder / protocol / dataset / f"{name}.parquet", metrics) for name in runs]
            scores = weigh(combine_scores(tables), plan)
            folds[dataset, protocol] = scores["fold"].nunique()
            for row in summarise(scores, base_seed=base_seed, n_resamples=n_resamples).itertuples(index=False):
                key = (row.dataset, row.protocol, row.method, row.encoder, row.metric)
                cells[key] = Figure(row.mean, row.ci_low, row.ci_high, row.n_samples, row.n_seeds)
    return Measured(cells, folds, plan)


def constant_answer(folder: str | os.PathLike) -> Constant | None:
    """Mean squared error of always answering the mean image, for the images of a folder shown equally often.

    The images (png, jpg, jpeg) are read as 8-bit greyscale and divided by 255.

    Returns
    -------
    Constant, or None if the folder is not there or holds no image

    Raises
    ------
    InputError
        If an image cannot be read or the images are not of one size.
    """
    from PIL import Image, UnidentifiedImageError

    images = []
    for path in sorted(Path(folder).glob("*")):
        if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            continue
        try:
            with Image.open(path) as image:
                images.append(np.asarray(image.convert("L"), dtype=float) / 255)
        except (OSError, UnidentifiedImageError) as error:
            raise InputError(f"{path}: not a readable image ({error}). Get the stimuli again.") from error
        if images[-1].shape != images[0].shape:
            raise InputError(f"{path}: found {images[-1].shape} pixels, expected {images[0].shape} as in the others.")
    if not images:
        return None
    stack = np.stack(images)
    errors = mse(stack.mean(axis=0), stack)
    return Constant(float(errors.mean()), float(errors.min()), float(errors.max()), len(stack))


def claims(published: Mapping, measured: Measured, constants: Mapping[str, Constant | None]) -> list[Claim]:
    """One claim for each published number and run of ours that stands for its method.

    Parameters
    ----------
    published : content of published.yaml
    constants : dataset whose brain data are not public -> the constant answer, None if the stimuli are not there
    """
    rows = []
    for entry in published["numbers"]:
        if entry["metric"] not in METRICS:
            raise InputError(f"published.yaml: {entry['name']}: unknown metric '{entry['metric']}'.")
        if entry["source"] not in published["sources"]:
            raise InputError(f"published.yaml: {entry['name']}: unknown source '{entry['source']}'.")
        protocol = published["sources"][entry["source"]]["protocol"]
        if entry["dataset"] in constants:
            rows.append(_without_brain_data(entry, protocol, constants[entry["dataset"]]))
            continue
        plan = measured.plan
        mine = [
            plan["runs"][name]
            for name in plan["cells"].get(entry["dataset"], plan["runs"])
            if plan["runs"][name]["published"] == entry["name"]
        ]
        rows += [_claim(entry, protocol, run, measured) for run in mine or [None]]
    return rows


def claims_csv(rows: Iterable[Claim]) -> pd.DataFrame:
    """The table of results/tables/claims.csv; for a published range ``published`` is its lower end."""
    missing = Figure(math.nan, math.nan, math.nan)
    found = []
    for row in rows:
        ours = row.remeasured or missing
        found.append(
            {
                "method": row.method,
                "dataset": row.entry["dataset"],
                "metric": row.entry["metric"],
                "published": float(row.entry["value"]),
                "source": row.entry["source"],
                "protocol": row.protocol,
                "remeasured": ours.mean,
                "ci_low": ours.ci_low,
                "ci_high": ours.ci_high,
                "honest": (row.honest or missing).mean,
                "best_control": row.control.name if row.control else "",
                "best_control_value": row.control.value if row.control else math.nan,
                "verdict": row.verdict,
            }
        )
    return pd.DataFrame(found, columns=CLAIMS)


def reproduction(entry: Mapping, figure: Figure) -> tuple[str, str]:
    """Outcome and detail for a published value (or range) and our figure in the protocol of its source.

    A value is reproduced if it lies inside our 95 % interval (over stimuli and seeds), its ends included. A range is
    reproduced if our mean lies inside it. Otherwise it is not, and the detail says on which side our mean is and
    whether that is the better one.

    The rule for values is lenient: a source that scored the same few test stimuli should agree better than an
    interval over stimuli asks for. "Reproduced" means that our figure does not contradict the published one.
    """
    metric = METRICS[entry["metric"]]
    if not math.isfinite(figure.mean):
        return UNTESTED, f"{metric.label} is not defined for any of our predictions"
    value, upper = entry["value"], entry.get("upper")
    if upper is not None:
        if value <= figure.mean <= upper:
            return REPRODUCED, ""
        text = f"we get {_side(figure.mean, value, metric)}"
        if figure.ci_low <= upper and figure.ci_high >= value:
            text += ", though our interval reaches the published range"
        return NOT_REPRODUCED, text
    if not math.isfinite(figure.ci_low):
        return UNTESTED, "one stimulus gives no interval"
    if figure.ci_low <= value <= figure.ci_high:
        return REPRODUCED, ""
    return NOT_REPRODUCED, f"we get {_side(figure.mean, value, metric)}"


def constant_level(value: float, constant: float) -> tuple[str, str]:
    """How a published error compares with that of a constant answer, in full and in short.

    At its level if the two differ by at most `SAME_LEVEL` of the constant's; else lower or higher.
    """
    share = (value - constant) / constant
    away = f"{abs(share):.1%} {'above' if share > 0 else 'below'} it".replace("%", " %")
    if abs(share) <= SAME_LEVEL:
        return f"the published value is at the level of a constant answer ({constant:.6f}; {away})", "constant's level"
    word = "higher" if share > 0 else "lower"
    return f"the published value is {word} than a constant answer's ({constant:.6f}; {away})", f"{word} than constant"


def _without_brain_data(entry: Mapping, protocol: str, constant: Constant | None) -> Claim:
    reason, remarks, control = "brain data not public", [], None
    if constant is None:
        reason += f", and the stimuli are not there (images below stimuli/{entry['dataset']} in the data folder)"
    elif entry["metric"] != "mse":
        reason += f", and no constant answer's {METRICS[entry['metric']].label} is computed"
    else:
        control = Control(CONSTANT, CONSTANT, constant.error)
        remarks.append(constant_level(entry["value"], constant.error))
    return Claim(entry, entry["name"], protocol, control=control, detail=reason, remarks=tuple(remarks))


def _claim(entry: Mapping, protocol: str, run: Mapping | None, measured: Measured) -> Claim:
    plan, dataset, metric = measured.plan, entry["dataset"], entry["metric"]
    wanted = HONEST_FOLDS if "folds" in entry else HONEST_SPLIT
    honest_protocol = next(
        (name for name in wanted if name in plan["protocols"] and not plan["protocols"][name]["optimistic"]), None
    )
    control = _best_control(dataset, honest_protocol, metric, measured) if honest_protocol else None
    ours = measured.cell(dataset, protocol, run, metric) if run else None
    honest = measured.cell(dataset, honest_protocol, run, metric) if run and honest_protocol else None
    if honest is not None and not math.isfinite(honest.mean):
        honest = None
    if dataset in plan["unavailable"]:
        outcome, detail = UNTESTED, "its data are not available"
    elif dataset not in plan["datasets"]:
        outcome, detail = UNTESTED, "dataset not in this configuration"
    elif run is None:
        outcome, detail = UNTESTED, "method not run in this configuration"
    elif protocol not in plan["protocols"]:
        outcome, detail = UNTESTED, f"protocol {protocol} not in this configuration"
    elif ours is None:
        outcome, detail = UNTESTED, f"our runs have no {METRICS[metric].label}"
    elif _decided(dataset, protocol, run, metric, measured):
        size = _gallery(dataset, protocol, run, metric, measured)
        outcome, detail = UNTESTED, f"with {size:g} stimuli in our gallery every answer scores 1"
    else:
        outcome, detail = reproduction(entry, ours)
    method = entry["name"] if run is None or run["encoder"] == "none" else f"{entry['name']} ({run['encoder']})"
    return Claim(
        entry,
        method,
        protocol,
        ours,
        honest,
        honest_protocol,
        control,
        outcome,
        detail,
        tuple(_remarks(entry, protocol, run, ours, honest, honest_protocol, control, outcome, measured)),
    )


def _remarks(
    entry, protocol, run, ours, honest, honest_protocol, control, outcome, measured
) -> Iterable[tuple[str, str]]:
    """What the figures say besides the outcome, (in full, in short) each.

    - a method is "no better than" the best control if the control's mean in the same honest protocol is at least as
      good; no test is made of it (statistics.csv has one);
    - for a method that is not run here the published value itself is compared with that control, but only where both
      are about the canonical split and the metric has one definition;
    - an honest figure of another kind of split, folds that differ from the source's, definitions that may differ, and
      published ranges that are not above the chance level of our gallery are said.
    """
    metric, dataset = METRICS[entry["metric"]], entry["dataset"]
    if ours is not None and outcome != UNTESTED:
        folds = measured.folds.get((dataset, protocol))
        if entry.get("folds") and folds != entry["folds"]:
            yield f"{folds} folds here, {entry['folds']} in the source", f"{folds} folds"
        if metric.name in MANY_DEFINITIONS:
            yield f"the source's {metric.label} may be defined differently", "definition not known"
    if ours is not None and metric.gallery:
        chance = chance_level(metric.name, measured.means(dataset, protocol, run))
        best_case = entry.get("upper", entry["value"])
        if outcome != UNTESTED and chance is not None and best_case <= chance + 1e-9:
            size = _gallery(dataset, protocol, run, metric.name, measured)
            yield (
                f"the published figure is not above chance in our gallery ({size:g} stimuli, chance {chance:.3f})",
                "published not above chance",
            )
    if control is None or (run and _decided(dataset, honest_protocol, run, metric.name, measured)):
        return
    title = measured.plan["protocols"][honest_protocol]["title"]
    if honest is not None:
        if "folds" in entry and measured.folds.get((dataset, honest_protocol)) == 1:
            yield "the honest figure is of the canonical split, not of folds", "honest: one split"
        if _at_least_as_good(control.value, honest.mean, metric):
            figures = f"{number(metric.name, honest.mean)} against {number(metric.name, control.value)}"
            yield (
                f"no better than {control.title} under an honest protocol ({title}: {figures})",
                "no better than control",
            )
    elif "folds" not in entry and "upper" not in entry and metric.name not in MANY_DEFINITIONS:
        if _at_least_as_good(control.value, entry["value"], metric):
            yield (
                f"the published value is no better than {control.title} under an honest protocol "
                f"({title}: {number(metric.name, control.value)})",
                "published no better than control",
            )


def _best_control(dataset: str, protocol: str, metric: str, measured: Measured) -> Control | None:
    """The control, or second readout of one, with the leading mean; the first of equals."""
    sign = 1 if METRICS[metric].higher_is_better else -1
    found: list[Control] = []
    for name in measured.plan["cells"].get(dataset, []):
        run = measured.plan["runs"][name]
        if not is_control(run):
            continue
        for method in (run["method"], run["method"] + NEAREST):
            figure = measured.cells.get((dataset, protocol, method, run["encoder"], metric))
            if figure is not None and math.isfinite(figure.mean):
                title = full_title(method, run["encoder"], measured.plan)
                found.append(Control(run_name(method, run["encoder"]), title, figure.mean))
    if not found:
        return None
    return replace(max(found, key=lambda control: sign * control.value), candidates=len(found))


def _at_least_as_good(control: float, other: float, metric) -> bool:
    return control >= other if metric.higher_is_better else control <= other


def _side(mean: float, value: float, metric) -> str:
    higher = mean > value
    return f"{'higher' if higher else 'lower'} ({'better' if higher == metric.higher_is_better else 'worse'})"


def _gallery(dataset: str, protocol: str, run: Mapping, metric: str, measured: Measured) -> float:
    return measured.means(dataset, protocol, run).get(METRICS[metric].chance_from[0], math.nan)


def _decided(dataset: str, protocol: str, run: Mapping, metric: str, measured: Measured) -> bool:
    """Whether chance already has the highest possible value, as top-10 among 10 stimuli."""
    chance = chance_level(metric, measured.means(dataset, protocol, run))
    return METRICS[metric].gallery != "" and chance is not None and chance >= METRICS[metric].high


def _metrics_of(dataset: str, published: Mapping) -> set[str]:
    """Metrics with published numbers of a dataset, and those that their medians and chance levels come from."""
    metrics = {entry["metric"] for entry in published["numbers"] if entry["dataset"] == dataset}
    for name in list(metrics & set(METRICS)):
        if METRICS[name].median_of:
            metrics.add(METRICS[name].median_of)
        if METRICS[name].chance_from:
            metrics.add(METRICS[name].chance_from[0])
    return metrics


def claims_tables(
    rows: list[Claim],
    measured: Measured,
    published: Mapping,
    constants: Mapping[str, Constant | None],
    audits: Mapping[str, Mapping],
) -> list[Table]:
    """Tables to read: a summary with the rules, then one table for each dataset and metric (retrieval in one).

    ``audits`` maps a dataset to its audit, whose findings stand below its tables.
    """
    groups: dict[tuple[str, str], list[Claim]] = {}
    for row in rows:
        kind = "retrieval" if METRICS[row.entry["metric"]].gallery else row.entry["metric"]
        groups.setdefault((row.entry["dataset"], kind), []).append(row)
    datasets = list(dict.fromkeys(dataset for dataset, _ in groups))
    ordered = sorted(groups, key=lambda key: datasets.index(key[0]))
    tables = [_table(*key, groups[key], measured, published, constants, audits) for key in ordered]
    return [_overview(rows, measured.plan), *tables]


def _overview(rows: list[Claim], plan: Mapping) -> Table:
    body = []
    for dataset in dict.fromkeys(row.entry["dataset"] for row in rows):
        mine = [row for row in rows if row.entry["dataset"] == dataset]
        counts = [sum(row.outcome == outcome for row in mine) for outcome in (REPRODUCED, NOT_REPRODUCED, UNTESTED)]
        no_better = sum(any("no better than" in full for full, _ in row.remarks) for row in mine)
        level = sum(any("level of a constant" in full for full, _ in row.remarks) for row in mine)
        body.append([_dataset_title(dataset, plan), *map(str, [len(mine), *counts, no_better, level])])
    return Table(
        title="Published numbers and what became of them",
        label="claims-overview",
        columns=[
            *("Dataset", "Numbers", "Reproduced", "Not reproduced", "Cannot be tested here"),
            *("No better than a control", "At a constant's level"),
        ],
        rows=body,
        notes=[
            "Reproduced: the published value lies inside our 95 % interval (bootstrap over stimuli and seeds), in the "
            "protocol that repeats what the source's code did. The interval is wide with few stimuli, so the word says "
            "that our figure does not contradict the published one. A published range is reproduced if our mean lies "
            "inside it.",
            "Honest: for a claim about one split the protocol holdout; for one about folds cv10 if it is run, else "
            "holdout. Best control: the control with the leading mean in that same protocol, second readouts of "
            "controls included, oracles not.",
            "No better than a control: that control's mean is at least as good as our figure in the honest protocol; "
            "for a method that is not run here, as the published value, where both are about a single split (which "
            "need not be the same) and the metric has one definition. It compares means and is no test (statistics.csv "
            "has tests), and the best of many controls, taken on the scored samples, is itself flattered: one close "
            "call is no verdict on a method.",
            f"A constant's level: within {SAME_LEVEL:.0%}".replace("%", " %")
            + " of the error of always answering the mean image of the stimuli, each shown equally often. Such an "
            "answer uses no brain data at all.",
        ],
    )


def _table(
    dataset: str,
    kind: str,
    rows: list[Claim],
    measured: Measured,
    published: Mapping,
    constants: Mapping[str, Constant | None],
    audits: Mapping[str, Mapping],
) -> Table:
    plan = measured.plan
    sources = list(dict.fromkeys(row.entry["source"] for row in rows))
    reasons = list(dict.fromkeys(row.detail for row in rows if row.outcome == UNTESTED))
    controls = list(dict.fromkeys(_control_note(row, plan) for row in rows if row.control))
    body = []
    for row in rows:
        metric = row.entry["metric"]
        method = f"{row.method}, {METRICS[metric].label}" if kind == "retrieval" else row.method
        control = NOT_MEASURED
        if row.control:
            control = f"{row.control.value:.6f}" if row.control.name == CONSTANT else number(metric, row.control.value)
            if len(controls) > 1:
                control += f" {_letter(controls.index(_control_note(row, plan)))}"
        verdict = row.outcome
        if row.outcome == UNTESTED:
            verdict = f"not testable ({reasons.index(row.detail) + 1})"
        elif row.detail:
            verdict = f"{row.outcome}: {row.detail.removeprefix('we get ').partition(', though')[0]}"
        body.append(
            [
                method,
                f"[{sources.index(row.entry['source']) + 1}]",
                _published(row.entry),
                interval(metric, row.remeasured),
                number(metric, row.honest.mean) if row.honest else NOT_MEASURED,
                control,
                "; ".join([verdict, *(short for _, short in row.remarks)]),
            ]
        )
    notes = []
    for place, name in enumerate(sources, start=1):
        about = published["sources"][name]
        protocol = about["protocol"]
        title = plan["protocols"][protocol]["title"] if protocol in plan["protocols"] else "not run here"
        notes.append(
            f"[{place}] {about['title']}. Claimed: {about['claimed']}. Observed: {about['observed']}. Repeated here by "
            f"the protocol {protocol} ({title})."
        )
    notes += [f"{f'{_letter(i)}: ' if len(controls) > 1 else ''}{note}" for i, note in enumerate(controls)]
    notes += [f"Not testable ({place}): {reason}." for place, reason in enumerate(reasons, start=1)]
    if constant := constants.get(dataset):
        notes.append(
            f"The constant's error on single images is {constant.lowest:.4f} to {constant.highest:.4f} "
            f"({constant.n_images} images), so a test part that does not show them equally often moves it a little."
        )
    counted = {
        f"{row.method}: {row.remeasured.n_samples} samples, {_plural(row.remeasured.n_seeds, 'seed')}"
        for row in rows
        if row.remeasured
    }
    if counted:
        notes.append(f"Here. {'; '.join(sorted(counted))}.")
    if kind == "retrieval":
        notes += _galleries(dataset, rows, measured)
    if dataset in plan["datasets"]:
        used = dict.fromkeys(name for row in rows for name in (row.protocol, row.honest_protocol))
        found = [note for name in used if name in plan["protocols"] for note in notes_for(audits[dataset], name)]
        notes += dict.fromkeys([*found, *plan["datasets"][dataset]["notes"]])
    label = "Retrieval" if kind == "retrieval" else METRICS[kind].label
    better = "higher" if kind == "retrieval" or METRICS[kind].higher_is_better else "lower"
    return Table(
        title=f"{_dataset_title(dataset, plan)}: {label}, {better} is better",
        label=f"claims-{dataset}-{kind}",
        columns=["Method", "Source", "Published", "Here [95 % interval]", "Honest", "Best control", "Verdict"],
        rows=body,
        notes=notes,
    )


def _galleries(dataset: str, rows: list[Claim], measured: Measured) -> list[str]:
    """A sentence on the size and chance level of our galleries, which the source does not state."""
    found = {}
    for where, protocol, method, encoder, name in measured.cells:
        if where == dataset and (protocol, name) in {(row.protocol, row.entry["metric"]) for row in rows}:
            means = measured.means(dataset, protocol, {"method": method, "encoder": encoder})
            size, chance = means.get(METRICS[name].chance_from[0], math.nan), chance_level(name, means)
            found[name] = f"{METRICS[name].label}: {size:g} distinct stimuli, chance {chance:.3f}"
    return [f"Our gallery. {'; '.join(found.values())}."] if found else []


def _control_note(row: Claim, plan: Mapping) -> str:
    if row.control.name == CONSTANT:
        return f"Best control: {row.control.title}, computed from the stimuli alone."
    protocol = plan["protocols"][row.honest_protocol]["title"]
    return f"Best control: {row.control.title} in {protocol}, of {row.control.candidates} controls."


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _published(entry: Mapping) -> str:
    text = f"{entry['value']:g}"
    if "upper" in entry:
        text += f" to {entry['upper']:g}"
    if "spread" in entry:
        text += f" ± {entry['spread']:g}"
    counted = [f"{entry[key]} {key}" for key in ("folds", "seeds") if key in entry]
    return f"{text} ({', '.join(counted)})" if counted else text


def _letter(place: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[place % 26]


def _dataset_title(dataset: str, plan: Mapping) -> str:
    return plan["datasets"][dataset]["title"] if dataset in plan["datasets"] else dataset
