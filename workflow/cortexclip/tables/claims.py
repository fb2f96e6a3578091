"""The claims table: every published number and claim in words, measured again by its source's procedure.

A verdict is data (`Claim`: an outcome, the reason where nothing could be tested, marks of the source); sentences are
made from it last, by `sentence`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.evaluation import own_name
from cortexclip.evaluation.metrics import METRICS
from cortexclip.evaluation.reproduction import Repeated, improvements
from cortexclip.methods.catalogue import size_class
from cortexclip.results.tables import TABLES
from cortexclip.tables.audit import notes_for
from cortexclip.tables.comparison import number
from cortexclip.tables.render import NOT_MEASURED, Interval, Table, formatted

REPRODUCED, IN_SAMPLE = "reproduced", "reproduced, in-sample"
NO_BRAIN_DATA, OTHER_FILE = "reproduced without brain data", "reproduced on another version of the file"
NOT_REPRODUCED, UNTESTED = "not reproduced", "cannot be tested here"
OUTCOMES = (REPRODUCED, IN_SAMPLE, NO_BRAIN_DATA, OTHER_FILE, NOT_REPRODUCED, UNTESTED)


AGAIN = "Measured again [range over seeds]; interval for one more"
VAGUE = "though our seeds differ so much that this says little"
REASONS = {
    "method": "its network or model is not among the methods here",
    "procedure": "no protocol here repeats its procedure",
    "run": "not measured in this configuration; config/paper.yaml or config/literature.yaml measures it",
    "spread": "it is a spread over folds, and what was measured has no folds",
    "data": "the data are not available here",
    "encoder": "the claim is about CLIP, and no run here used CLIP's weights",
}
STATUS = {
    "withdrawn": "withdrawn",
    "corrected": "corrected later",
    "in_sample": "in-sample",
    "expectation": "expectation only",
    "third_party": "third-party re-run",
    "chosen_on_test": "chosen on test data",
    "brain_not_used": "scored brain data not used",
}
CONSTANT = "constant answer"


@dataclass(frozen=True)
class Control:
    """The control with the best mean in a protocol."""

    name: str
    value: float


@dataclass(frozen=True)
class Claim:
    """A published number, or a claim in words, with everything that its row shows.

    Attributes
    ----------
    entry : the entry of published.yaml, ``text`` among its keys for a claim in words.
    source : the entry's source.
    run : our method that stands for the source's, or None.
    measured_on : the dataset that the verdict is from.
    repeated : what the source's procedure gives; None where it was not run.
    honest_protocol, honest : our value of the same method where nothing is chosen on scored samples.
    control : the best control there, or the constant answer where there are no brain data.
    outcome : one of `OUTCOMES`; ``reason`` is a key of `REASONS` where it is `UNTESTED`.
    found : for a dataset-size class, the class by the numbers of samples.
    """

    entry: Mapping
    source: Mapping
    outcome: str
    reason: str = ""
    run: str | None = None
    measured_on: str | None = None
    repeated: Repeated | None = None
    honest_protocol: str | None = None
    honest: float | None = None
    control: Control | None = None
    found: str = ""

    @property
    def metric(self) -> str:
        return self.entry.get("metric", "")

    @property
    def is_vague(self) -> bool:
        """Whether our seeds differ so much that the interval excludes little."""
        kind, part = self.entry.get("kind", "number"), self.entry.get("part", "")
        return self.repeated is not None and excludes_little(kind, self.metric, part, *self.repeated.interval())

    @property
    def marks(self) -> list[str]:
        """Kinds of the source's status, each once."""
        return list(dict.fromkeys(entry["kind"] for entry in self.source["status"]))


@dataclass(frozen=True)
class Evidence:
    """What claims are judged by.

    Attributes
    ----------
    published : content of published.yaml.
    plan : what was compared and trained.
    remeasured, configurations, about : what the stage ``tables`` measured again.
    comparison : comparison.csv.
    """

    published: Mapping
    plan: Plan
    remeasured: pd.DataFrame
    configurations: pd.DataFrame
    about: pd.DataFrame
    comparison: pd.DataFrame
    cells: dict = field(default_factory=dict)

    def __post_init__(self):
        keys = ["dataset", "protocol", "method", "metric"]
        self.cells.update({key: rows for key, rows in self.remeasured.groupby(keys, sort=False)})

    def repeated(self, dataset: str, protocol: str, method: str | None, metric: str = "mse") -> Repeated | None:
        """What a source's procedure gives on a dataset; None where it was not run."""
        rows = self.cells.get((dataset, protocol, method, metric))
        if rows is None:
            return None
        values = rows.groupby("seed")["mean"].mean()  # the mean over folds, as sources do
        return Repeated(tuple(values), 0.0 if self.brain_data(dataset) else self._image_variance(rows))

    def spread(self, dataset: str, protocol: str, method: str, metric: str, ddof: int) -> Repeated | None:
        """Standard deviation over folds for each seed, divided as the source does; None for a single fold."""
        rows = self.cells.get((dataset, protocol, method, metric))
        if rows is None or rows.fold.nunique() < 2:
            return None
        return Repeated(tuple(rows.groupby("seed")["mean"].std(ddof=ddof)))

    def configured(self, dataset: str, protocol: str, method: str, entry: Mapping) -> Repeated | None:
        """The selection loss or the error of one configuration."""
        table = self.configurations
        rows = table[(table.dataset == dataset) & (table.protocol == protocol) & (table.method == method)]
        rows = rows[rows.configuration == entry["configuration"]]
        if rows.empty:
            return None
        column = "select_loss" if entry.get("part") == "select" else "scored_mse"
        scores = self.cells[dataset, protocol, method, "mse"]
        variance = 0.0 if self.brain_data(dataset) else self._image_variance(scores)
        return Repeated(tuple(rows.groupby("seed")[column].mean()), variance)

    def stand_ins(self, dataset: str) -> list[str]:
        """The datasets that stand for one of published.yaml and can judge it, all but white noise.

        First itself, then other files, then those without brain data, the ones with most trials first.
        """
        found = self.plan.sources.datasets
        trials = dict(zip(self.about.dataset, self.about.n_train, strict=True))
        names = [n for n, entry in found.items() if entry.stands_for == dataset and entry.judges]
        return sorted(names, key=lambda name: (name != dataset, not found[name].brain_data, -trials.get(name, 0)))

    def protocol_on(self, dataset: str, protocol: str, method: str | None) -> str:
        """The protocol by which a method was measured on a dataset: its own, or the one of a stand-in."""
        ran = [p for p, name, run in self.plan.sources.cells if (name, run) == (dataset, method)]
        return ran[0] if ran and protocol not in ran and not self.brain_data(dataset) else protocol

    def brain_data(self, dataset: str) -> bool:
        return self.plan.sources.datasets[dataset].brain_data

    def constant(self, dataset: str) -> Control | None:
        """Error of always answering the mean image of a dataset without brain data, its images shown equally often.

        For a published dataset, that of the first dataset which stands for it.
        """
        rows = self.about[~self.about.brain_data.astype(bool)]
        rows = rows[(rows.dataset == dataset) | (rows.stands_for == dataset)]
        return None if rows.empty else Control(CONSTANT, float(rows.iloc[0].constant_mse))

    def samples(self, dataset: str) -> int | None:
        """Number of trials of the dataset of a published number, or of what was made with as many."""
        found = self.plan.sources.datasets
        names = [n for n in self.stand_ins(dataset) if n == dataset or found[n].published_trials]
        rows = self.about[self.about.dataset.isin(names)]
        return None if rows.empty else int(rows.iloc[0].n_train + rows.iloc[0].n_test)

    def honest(self, dataset: str, protocol: str | None, method: str | None, metric: str) -> float | None:
        """Mean of a method in the comparison; None where there is no such protocol or method."""
        table = self.comparison
        found = table[(table.dataset == dataset) & (table.protocol == protocol) & (table.method == method)]
        found = found[found.metric == metric]
        value = float(found.iloc[0]["mean"]) if len(found) else math.nan
        return value if math.isfinite(value) else None

    def best_control(self, dataset: str, protocol: str | None, metric: str) -> Control | None:
        """The control with the best mean, further readouts included and oracles not; the first of equals."""
        controls = {run.method for run in self.plan.runs.values() if run.control and run.role != "oracle"}
        table = self.comparison
        rows = table[(table.dataset == dataset) & (table.protocol == protocol) & (table.metric == metric)]
        rows = rows[rows.method.map(own_name).isin(controls) & rows["mean"].notna()]
        if rows.empty:
            return None
        best = rows["mean"].idxmax() if METRICS[metric].higher_is_better else rows["mean"].idxmin()
        row = rows.loc[best]
        return Control(run_name(row.method, row.encoder), float(row["mean"]))

    @staticmethod
    def _image_variance(rows: pd.DataFrame) -> float:
        """Variance of a mean over the scored images, from the variances within seeds and folds."""
        of_one = (rows.variance * rows.n_samples).sum() / rows.n_samples.sum()
        return float(of_one / (rows.n_samples.sum() / rows.seed.nunique()))


def claims(evidence: Evidence) -> list[Claim]:
    """One claim for each number, each spread over folds and each claim in words of published.yaml, in its order."""
    sources = evidence.published["sources"]
    entries = []
    for entry in evidence.published["numbers"]:
        entries.append(entry)
        if "spread" in entry:
            entries.append({**entry, "value": entry["spread"], "part": "spread"})
    numbers = [_number(entry, sources[entry["source"]], evidence) for entry in entries]
    return numbers + [
        _statement(entry, sources[entry["source"]], evidence) for entry in evidence.published["statements"]
    ]


def _number(entry: Mapping, source: Mapping, evidence: Evidence) -> Claim:
    plan, dataset, metric = evidence.plan, entry["dataset"], entry["metric"]
    method, protocol = source["methods"].get(entry["name"]), source["protocol"]
    honest_protocol = plan.honest(*(["folds", "split"] if "folds" in entry else ["split"]))
    ours = honest_method(entry["name"], method, plan)
    shared = {
        "run": method,
        "honest_protocol": honest_protocol,
        "honest": evidence.honest(dataset, honest_protocol, ours, metric),
        "control": evidence.best_control(dataset, honest_protocol, metric),
    }
    if dataset not in plan.datasets and metric == "mse":
        shared["control"] = evidence.constant(dataset)
    if entry.get("part") == "spread":
        shared |= {"honest": None, "control": None}
    if "upper" in entry:
        return Claim(entry, source, UNTESTED, "encoder", **shared)
    if method is None or protocol is None:
        return Claim(entry, source, UNTESTED, "method" if method is None else "procedure", **shared)
    protocols = {name: evidence.protocol_on(name, protocol, method) for name in evidence.stand_ins(dataset)}
    candidates = []
    for name, ran in protocols.items():
        repeated = _measured(name, ran, method, entry, evidence, source.get("spread_ddof", 0))
        if repeated is not None:
            candidates.append((name, replace(repeated, reading=source.get("reading", 0.0))))
    if not candidates:
        reason = "data" if dataset in plan.unavailable else "run"
        measured = any(evidence.repeated(name, ran, method, metric) for name, ran in protocols.items())
        if measured and entry.get("part") == "spread":  # it was measured, without folds
            reason = "spread"
        return Claim(entry, source, UNTESTED, reason, **shared)
    fitting = next((each for each in candidates if each[1].gives(entry["value"])), None)
    name, repeated = fitting or candidates[0]
    outcome = NOT_REPRODUCED
    if fitting:
        followed = plan.sources.protocols.get(protocols[name])
        outcome = IN_SAMPLE if followed and followed.over == "in_sample" else REPRODUCED
        if not evidence.brain_data(name):
            outcome = NO_BRAIN_DATA
        elif name != dataset:
            outcome = OTHER_FILE
    return Claim(entry, source, outcome, measured_on=name, repeated=repeated, **shared)


def _measured(
    dataset: str, protocol: str, method: str, entry: Mapping, evidence: Evidence, ddof: int
) -> Repeated | None:
    if entry.get("part") == "spread":
        return evidence.spread(dataset, protocol, method, entry["metric"], ddof)
    if "configuration" in entry:
        return evidence.configured(dataset, protocol, method, entry)
    return evidence.repeated(dataset, protocol, method, entry["metric"])


def honest_method(name: str, method: str | None, plan: Plan) -> str | None:
    """Our method of the comparison for a name of a source: the one that stands for it, or one of the same name."""
    runs = plan.runs.values()
    if any(run.method == method for run in runs):
        return method
    return next((run.method for run in runs if run.published == name), None)


def paper_numbers(published: Mapping) -> list[tuple[Mapping, Mapping]]:
    """The numbers of the paper's main table with their sources."""
    sources, names = published["sources"], published["paper"]["sources"]
    return [(entry, sources[entry["source"]]) for entry in published["numbers"] if entry["source"] in names]


def _statement(entry: Mapping, source: Mapping, evidence: Evidence) -> Claim:
    if entry["kind"] == "size_class":
        count = evidence.samples(entry["dataset"])
        if count is None:
            return Claim(entry, source, UNTESTED, "run")
        found = size_class(count)
        outcome = REPRODUCED if found == entry["value"] else NOT_REPRODUCED
        return Claim(entry, source, outcome, found=found, measured_on=entry["dataset"])
    datasets = [entry["dataset"]] if "dataset" in entry else evidence.published["paper"]["datasets"]
    by_dataset = {name: _paper_values(name, entry["name"], evidence) for name in datasets}
    if any(not values for values in by_dataset.values()):
        return Claim(entry, source, UNTESTED, "run")
    if entry["kind"] == "leads":
        wins = [[own < min(rivals) for own, *rivals in zip(v[0], *v[1:], strict=True)] for v in by_dataset.values()]
        values = [float(sum(won)) for won in zip(*wins, strict=True)]
        inside = min(values) <= entry["value"] <= max(values)
        return Claim(entry, source, REPRODUCED if inside else NOT_REPRODUCED, repeated=Repeated(tuple(values)))
    percents = [improvements(values[0], values[1:]) for values in by_dataset.values()]
    repeated = Repeated(tuple(float(np.mean(values)) for values in zip(*percents, strict=True)))
    fits = REPRODUCED if all(name in evidence.plan.datasets for name in datasets) else NO_BRAIN_DATA
    fits = REPRODUCED if len(datasets) > 1 else fits
    return Claim(entry, source, fits if repeated.gives(entry["value"]) else NOT_REPRODUCED, repeated=repeated)


def _paper_values(dataset: str, name: str, evidence: Evidence) -> list[tuple[float, ...]]:
    """Values by seed of a method and of its rivals in the paper's table; on constant rows without brain data."""
    found = []
    for entry, source in sorted(paper_numbers(evidence.published), key=lambda each: each[0]["name"] != name):
        if entry["dataset"] != dataset:
            continue
        method = source["methods"].get(entry["name"])
        values = [
            evidence.repeated(d, evidence.protocol_on(d, source["protocol"], method), method)
            for d in evidence.stand_ins(dataset)
        ]
        first = next((repeated for repeated in values if repeated is not None), None)
        if first is None:
            return []
        found.append(first.values)
    return found


def claims_csv(rows: Sequence[Claim]) -> pd.DataFrame:
    """The table of results/tables/claims.csv; for a published range ``published`` is its lower end."""
    return pd.DataFrame([_row(row) for row in rows], columns=TABLES["claims"])


def _row(row: Claim) -> dict:
    entry, nothing = row.entry, math.nan
    low, high = row.repeated.interval() if row.repeated else (nothing, nothing)
    keys = ("metric", "folds", "seeds", "configuration", "upper", "spread")
    value = entry["value"]
    return {
        "kind": entry.get("kind", "number"),
        "method": entry["name"],
        "dataset": entry.get("dataset", ""),
        "published": value if isinstance(value, int | float) else nothing,
        **{key: entry.get(key, nothing) for key in keys},
        "part": entry.get("part", ""),
        "text": entry.get("text", ""),
        "source": entry["source"],
        "status": "; ".join(row.marks),
        "protocol": row.source["protocol"] or "",
        "run": row.run or "",
        "measured_on": row.measured_on or "",
        "remeasured": row.repeated.mean if row.repeated else nothing,
        "low": low,
        "high": high,
        "smallest": min(row.repeated.values) if row.repeated else nothing,
        "largest": max(row.repeated.values) if row.repeated else nothing,
        "n_seeds": len(row.repeated.values) if row.repeated else 0,
        "honest_protocol": row.honest_protocol or "",
        "honest": nothing if row.honest is None else row.honest,
        "control": row.control.name if row.control else "",
        "control_value": row.control.value if row.control else nothing,
        "outcome": row.outcome,
        "reason": row.reason,
        "verdict": sentence(row),
    }


def sentence(row: Claim) -> str:
    """The verdict in words."""
    text = outcome_text(row.outcome, row.reason, row.measured_on, row.is_vague)
    if row.found:
        text += f": {row.found} by its number of samples"
    marks = [STATUS[kind] for kind in row.marks]
    return f"{text}; the source: {', '.join(marks)}" if marks else text


def outcome_text(outcome: str, reason: str, measured_on: str | None, vague: bool = False) -> str:
    """What became of a number, with the reason, or the dataset where it is another one."""
    if outcome == UNTESTED:
        return f"{outcome}: {REASONS[reason]}"
    text = f"{outcome} ({measured_on})" if outcome in (NO_BRAIN_DATA, OTHER_FILE) and measured_on else outcome
    return f"{text}, {VAGUE}" if vague else text


def excludes_little(kind: str, metric: str, part: str, low: float, high: float) -> bool:
    """Whether an interval for one more run has values that the metric cannot have, or no improvement among its values.

    ``kind`` is "number" or that of a claim in words, ``part`` is "spread" for a standard deviation over folds.
    """
    if kind == "number":
        return low < (0.0 if part == "spread" else METRICS[metric].low) or high > METRICS[metric].high
    return "improvement" in kind and low <= 0 <= high


def claims_tables(rows: Sequence[Claim], evidence: Evidence, audits: Mapping[str, Mapping]) -> list[Table]:
    """Tables to read: a summary with the rules, then one table for each dataset, and one for claims in words."""
    numbers = [row for row in rows if "metric" in row.entry]
    names = list(dict.fromkeys(row.entry["dataset"] for row in numbers))
    tables = [_table(name, [r for r in numbers if r.entry["dataset"] == name], evidence, audits) for name in names]
    in_words = [row for row in rows if "metric" not in row.entry]
    return [_overview(rows, evidence.plan), *tables, _words(in_words, evidence)]


def _overview(rows: Sequence[Claim], plan: Plan) -> Table:
    constant, splits = in_brackets(plan.named.get("constant")), ", ".join(plan.named.get("without_brain_data", ()))
    with_split = f", always with the split {splits}" if splits else ""
    groups: dict[str, list[Claim]] = {}
    for row in rows:
        groups.setdefault(row.entry["dataset"] if "metric" in row.entry else "claims in words", []).append(row)
    body = [
        [name, str(len(mine)), *(str(sum(row.outcome == outcome for row in mine)) for outcome in OUTCOMES)]
        for name, mine in {**groups, "all": list(rows)}.items()
    ]
    return Table(
        title="Published numbers and their outcomes",
        label="claims-overview",
        columns=["Dataset", "Numbers", *(outcome.capitalize() for outcome in OUTCOMES)],
        rows=body,
        notes=[
            "Reproduced: the published value is in the range in which one more run of the source's procedure would be "
            "with probability 0.95 (t-based prediction interval over our seeds), on the same scored samples.",
            f"Without brain data: that interval is from rows that are all equal{constant} or, where these were not "
            f"run, from two small public files of the kind{with_split}. The scored images of the publication are not "
            "known, so their sampling error is added.",
            "In-sample: the procedure scores samples that it trained on. Another version of the file: the interval "
            "on a second public file of the same trials contains the value, the one on the first does not.",
            "Honest: our value of the same method where nothing is chosen on scored samples"
            f"{in_brackets([plan.honest_protocols])}. Best control: the control with the best mean in that protocol; "
            "without brain data the error of always predicting the mean image. It compares means and is not a test.",
        ],
    )


def _table(dataset: str, rows: Sequence[Claim], evidence: Evidence, audits: Mapping[str, Mapping]) -> Table:
    plan, sources = evidence.plan, list(dict.fromkeys(row.entry["source"] for row in rows))
    reasons = list(dict.fromkeys(row.reason for row in rows if row.reason))
    verdicts = [
        f"cannot be tested ({reasons.index(row.reason) + 1})"
        if row.reason
        else outcome_text(row.outcome, "", None, row.is_vague)
        for row in rows
    ]
    body = [
        [
            row.entry["name"],
            _what(row.entry),
            f"[{sources.index(row.entry['source']) + 1}]",
            _published(row.entry),
            _again(row),
            row.measured_on or NOT_MEASURED,
            formatted(row.honest, ".4f"),
            control_text(row.control),
            "; ".join([verdict, *(STATUS[kind] for kind in row.marks)]),
        ]
        for row, verdict in zip(rows, verdicts, strict=True)
    ]
    notes = [note for index, name in enumerate(sources, 1) for note in _source_notes(index, name, evidence.published)]
    notes += [f"Cannot be tested ({index}): {REASONS[reason]}." for index, reason in enumerate(reasons, 1)]
    stand_ins = [name for name in evidence.stand_ins(dataset) if name != dataset]
    notes += [note for name in stand_ins for note in plan.sources.datasets[name].notes]
    if dataset in plan.datasets:
        protocols = dict.fromkeys(row.honest_protocol for row in rows if row.honest_protocol)
        notes += dict.fromkeys(note for name in protocols for note in notes_for(audits[dataset], name))
        notes += plan.datasets[dataset].notes
    title = plan.datasets[dataset].title if dataset in plan.datasets else f"{dataset} (brain data not public)"
    columns = ["Method", "What", "Source", "Published", AGAIN, "On", "Honest"]
    return Table(f"Published numbers: {title}", [*columns, "Best control", "Verdict"], body, notes, f"claims-{dataset}")


def _words(rows: Sequence[Claim], evidence: Evidence) -> Table:
    sources = list(dict.fromkeys(row.entry["source"] for row in rows))
    body = [
        [
            row.entry["text"],
            f"[{sources.index(row.entry['source']) + 1}]",
            _published(row.entry),
            row.found or _again(row),
        ]
        + [sentence(row)]
        for row in rows
    ]
    notes = [note for index, name in enumerate(sources, 1) for note in _source_notes(index, name, evidence.published)]
    absent = " and ".join(evidence.plan.named.get("not_public", []))
    notes.append(
        "Measured again: for each seed the number of datasets on which the error is below that of both rivals, or how "
        "many percent it is below the better rival's, each with its source's procedure"
        f"{f'; for {absent} without brain data' if absent else ''}."
    )
    columns = ["Claim", "Source", "Published", AGAIN, "Verdict"]
    return Table("Verbal claims", columns, body, notes, "claims-words")


def _source_notes(index: int, name: str, published: Mapping) -> Iterator[str]:
    source = published["sources"][name]
    yield (
        f"[{index}] {name}: {source['title']}, {source['link']}. It states: {source['claimed']} Its code: "
        f"{source['procedure']} Not repeated here: {source['differs']}"
    )
    for entry in source["status"]:
        yield f"[{index}] {STATUS[entry['kind']]}: {entry['note']} {entry['link']}"


def _what(entry: Mapping) -> str:
    parts = [METRICS[entry["metric"]].label]
    parts += [f"configuration {entry['configuration']}"] if "configuration" in entry else []
    named = {"select": "selection loss", "spread": "standard deviation over folds"}
    parts += [named[entry["part"]]] if "part" in entry else []
    parts += [f"{entry[key]} {key}" for key in ("folds", "seeds") if key in entry]
    return ", ".join(parts)


def _published(entry: Mapping) -> str:
    text = f"{entry['value']:g}" if isinstance(entry["value"], int | float) else entry["value"]
    text += f" to {entry['upper']:g}" if "upper" in entry else ""
    return text


def _again(row: Claim) -> str:
    if row.repeated is None:
        return NOT_MEASURED
    digits = partial(number, row.metric) if row.metric else "{:.3g}".format
    interval = row.repeated.interval()
    low, high, *ends = map(digits, (min(row.repeated.values), max(row.repeated.values), *interval))
    one_more = "" if math.isnan(interval[0]) else f"; {' to '.join(ends)}"
    return Interval(digits(row.repeated.mean), f"[{low}, {high}]{one_more}")


def in_brackets(names: Sequence[str] | None) -> str:
    """Names after what they belong to, "" for none."""
    text = ", ".join(filter(None, names or ()))
    return f" ({text})" if text else ""


def control_text(control: Control | None) -> str:
    return NOT_MEASURED if control is None else f"{control.value:.4f} ({control.name})"
