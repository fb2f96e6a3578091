"""What the workflow prints on the terminal before and after a run."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cortexclip.configuration.config import Configuration
from cortexclip.configuration.plan import Plan, run_name
from cortexclip.data import title_of
from cortexclip.results.paths import FILES, PATHS
from cortexclip.runtime.files import read_json

TABLE = Path(FILES.table.format(table="comparison", suffix="csv"))
NONE = "–"


def opening(configuration: Configuration) -> str:
    """What will be compared, and what is not available, in plain words."""
    lines = [
        "cortexclip",
        f"  datasets   {', '.join(configuration.datasets)}",
        f"  protocols  {', '.join(configuration.protocols)}",
        f"  methods    {', '.join(configuration.runs)}",
        f"  seeds      {configuration.settings['seeds']}",
        *_measured_again(configuration),
    ]
    return "\n".join([*lines, *_missing(configuration.unavailable)])


def closing(configuration: Configuration) -> str:
    """Where everything is, and what was left out."""
    if not Path(FILES.report).is_file():  # targets of the user's own
        return "\n".join(_missing(configuration.unavailable))
    lines = [
        f"Everything in one page: {FILES.report}. Tables in results/tables/, figures in results/figures/. "
        "A short table: python -m cortexclip show"
    ]
    return "\n".join([*lines, *_missing(configuration.unavailable)])


def paper_table(path: Path) -> str:
    """The paper's table as aligned text, from paper.csv beside comparison.csv (``path``); a sentence if not measured.

    Three rows say what was published, measured again (mean over seeds) and reached honestly, three are beside them.
    """
    rows = _rows(path.with_name("paper.csv"))
    if not any(row["remeasured"] for row in rows):
        return "The published table is left out: this configuration measures none of its numbers."
    plan = Plan.read(path.parents[1] / PATHS["plan"])
    of_row = {(row["method"], row["dataset"]): row for row in rows}
    about = _rows(path.with_name("source_datasets.csv"))
    stand_ins = {row["dataset"] for row in about if row["stands_for"] != row["dataset"]}
    methods = list(dict.fromkeys(row["method"] for row in rows))
    datasets = [name for name in dict.fromkeys(row["dataset"] for row in rows) if name not in stand_ins]
    reference = {
        row["dataset"]: row["mean"]
        for row in _rows(path)
        if (row["method"], row["protocol"], row["metric"]) == (plan.reference, plan.honest("split"), "mse")
    }
    first = [of_row[methods[0], name] for name in datasets]
    lines = [["published > again > honest", *datasets]]
    for method in methods:
        found = [of_row[method, name] for name in datasets]
        lines.append(
            [
                method,
                *(
                    f"{float(row['published']):.6f} > {_number(row['remeasured'])} > {_number(row['honest'])}"
                    for row in found
                ),
            ]
        )
    if plan.reference:
        lines.append([plan.reference, *(_number(reference.get(name, "")) for name in datasets)])
    controls = [f"{_number(row['control_value'])} {row['control']}".rstrip() for row in first]
    lines.append(["best control", *controls])
    lines += [[f"{method} (ours)", *(_number(row["ours"]) for row in first)] for method in plan.role("ours")[:1]]
    note = "Mean squared error. Ranges over seeds, verdicts and sources: results/tables/paper.md"
    return f"{_underlined(lines)}\n{note}"


def short_table(path: Path, metric: str) -> str:
    """Mean [95 % interval] of one metric as aligned text: a block per dataset, rows methods, columns protocols."""
    rows = [row for row in _rows(path) if row["metric"] == metric]
    blocks = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        inside = [row for row in rows if row["dataset"] == dataset]
        protocols = list(dict.fromkeys(row["protocol"] for row in inside))
        lines = [[f"{dataset}, {metric}", *protocols]]
        cells = {(row["method"], row["encoder"], row["protocol"]): _cell(row) for row in inside}
        for method in dict.fromkeys(key[:2] for key in cells):
            lines.append([run_name(*method), *(cells.get((*method, p), "not run") for p in protocols)])
        blocks.append(_underlined(lines))
    return "\n\n".join(blocks)


def outcome(results: Path, dataset: str, answers: Sequence[Mapping[str, str]], width: int) -> str:
    """The outcome of a run on a dataset: its serious findings, the leading method, the tests, and a short table.

    ``answers`` are the sentences that the explorer opens with (`cortexclip.report.content.answers`).
    """
    audit = read_json(results / PATHS["audit"].format(dataset=dataset))["findings"]
    parts = []
    for text in dict.fromkeys(f"{f['message']} {f['meaning']}" for f in audit if f["severity"] == "serious"):
        parts.append(_wrapped(f"Serious: {text}", width))
    parts += [_wrapped(finding["message"], width) for finding in audit if finding["check"] == "signal"]
    parts += [
        _wrapped(f"{answer['protocol']}: {answer['text']} {answer['lead']}".rstrip(), width)
        for answer in answers
        if (answer["dataset"], answer["metric"]) == (dataset, "mse")
    ]
    return "\n" + "\n\n".join([*parts, short_table(results / "tables/comparison.csv", "mse")])


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table; none where it is not there."""
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows of words as lines, in columns."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _underlined(rows: Sequence[Sequence[str]]) -> str:
    """Aligned rows, the first one underlined."""
    first, *others = aligned(rows)
    return "\n".join([first, "-" * len(first), *others])


def _number(text: str) -> str:
    return f"{float(text):.4f}" if text else NONE


def _cell(row: dict[str, str]) -> str:
    mean, low, high = (float(row[key]) if row[key] else None for key in ("mean", "ci_low", "ci_high"))
    if mean is None:
        return "not defined"
    return f"{mean:.4f}" if low is None else f"{mean:.4f} [{low:.4f}, {high:.4f}]"


def _measured_again(configuration: Configuration) -> list[str]:
    """The sources whose numbers are measured again, and what stands for their data."""
    sources = configuration.sources
    lines = [f"  sources    {', '.join(sources.names)}"] if sources.cells else []
    named = [title_of({**entry, "title": name}) for name, entry in sources.datasets.items()]
    return [*lines, *([f"  stand-ins  {', '.join(named)}"] if named else [])]


def _missing(unavailable: dict[str, str]) -> list[str]:
    return [f"Not available: {name}. {reason}" for name, reason in unavailable.items()]
