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
    """The comparison table in short, where everything is, and what was left out."""
    lines = []
    if TABLE.is_file():
        titles = {run.name: configuration.methods[run.method]["title"] for run in configuration.runs.values()}
        lines.append(short_table(TABLE, titles))
    lines += [
        "",
        "Tables   results/tables/comparison.md (also .csv, .tex), results/tables/retrieval.md",
        "Figures  results/figures/*.png and *.pdf",
    ]
    return "\n".join([*lines, *_missing(configuration.unavailable)])


def short_table(path: Path, titles: dict[str, str], metric: str = "mse") -> str:
    """Mean of one metric by method (rows) and dataset and protocol (columns) as aligned text."""
    with open(path, encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == metric]
    columns = list(dict.fromkeys((row["dataset"], row["protocol"]) for row in rows))
    names = list(dict.fromkeys((row["method"], row["encoder"]) for row in rows))
    cells = {(row["method"], row["encoder"], row["dataset"], row["protocol"]): row for row in rows}

    def value(row: dict | None) -> str:
        if row is None or not row["mean"]:
            return "not run"
        return f"{float(row['mean']):.4f} [{float(row['ci_low']):.4f}, {float(row['ci_high']):.4f}]"

    header = [["", *(dataset for dataset, _ in columns)], ["mse [95 % interval]", *(p for _, p in columns)]]
    body = [
        [
            method + (f" ({encoder})" if encoder != "none" else ""),
            *(value(cells.get((method, encoder, *c))) for c in columns),
        ]
        for method, encoder in names
    ]
    widths = [max(len(line[i]) for line in header + body) for i in range(len(columns) + 1)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in header + body
    )


def _missing(unavailable: dict[str, str]) -> list[str]:
    return [f"Not available: {name}. {reason}" for name, reason in unavailable.items()]
