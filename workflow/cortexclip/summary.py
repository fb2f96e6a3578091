"""What the workflow says on the terminal before and after a run."""

from __future__ import annotations

import csv
from pathlib import Path

from cortexclip.config import Configuration

TABLE = Path("results/tables/comparison.csv")


def opening(configuration: Configuration) -> str:
    """What will be compared, and what is not available, in plain words."""
    lines = [
        "cortexclip",
        f"  datasets   {', '.join(configuration.datasets)}",
        f"  protocols  {', '.join(configuration.protocols)}",
        f"  methods    {', '.join(configuration.runs)}",
        f"  seeds      {configuration.settings['seeds']}",
    ]
    return "\n".join([*lines, *_missing(configuration.unavailable)])


def closing(configuration: Configuration) -> str:
    """Where everything is, and what was left out."""
    lines = [
        "Everything in one page: results/report/index.html. Tables in results/tables/, figures in results/figures/. "
        "In short: python -m cortexclip show"
    ]
    return "\n".join([*lines, *_missing(configuration.unavailable)])


def short_table(path: Path, metric: str) -> str:
    """Mean [95 % interval] of one metric as aligned text: a block per dataset, rows methods, columns protocols."""
    with open(path, encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == metric]
    blocks = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        inside = [row for row in rows if row["dataset"] == dataset]
        protocols = list(dict.fromkeys(row["protocol"] for row in inside))
        lines = [[f"{dataset}, {metric}", *protocols]]
        for method, encoder in dict.fromkeys((row["method"], row["encoder"]) for row in inside):
            cells = {
                row["protocol"]: _cell(row) for row in inside if (row["method"], row["encoder"]) == (method, encoder)
            }
            name = method if encoder == "none" else f"{method} ({encoder})"
            lines.append([name, *(cells.get(protocol, "not run") for protocol in protocols)])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        blocks.append("\n".join([padded[0], "-" * len(padded[0]), *padded[1:]]))
    return "\n\n".join(blocks)


def _cell(row: dict[str, str]) -> str:
    mean, low, high = (float(row[key]) if row[key] else None for key in ("mean", "ci_low", "ci_high"))
    if mean is None:
        return "not defined"
    return f"{mean:.4f}" if low is None else f"{mean:.4f} [{low:.4f}, {high:.4f}]"


def _missing(unavailable: dict[str, str]) -> list[str]:
    return [f"Not available: {name}. {reason}" for name, reason in unavailable.items()]
