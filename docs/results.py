"""Writes tables of results into the documentation.

    python docs/results.py            # README.md's table and figure, from a run of the default configuration
    python docs/results.py --honest   # the table of docs/cortexclip.md, from a run of config/honest.yaml

Both read ``results/`` below the current folder.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- results -->\n).*?(<!-- end of results -->)", re.DOTALL)
METRICS = {"mse": "MSE", "pixcorr": "PixCorr", "ssim": "SSIM", "pairwise_identification": "2-way"}
COLUMNS = [
    ("vangerven", "published"),
    ("vangerven", "holdout"),
    ("miyawaki", "published"),
    ("miyawaki", "holdout"),
    ("simulated", "holdout"),
]


def result_table(rows: list[dict[str, str]]) -> str:
    """Mean squared error with its interval, methods by datasets and protocols, as Markdown."""
    cells = {(r["method"], r["encoder"], r["dataset"], r["protocol"]): r for r in rows if r["metric"] == "mse"}
    lines = ["| MSE [95 % interval] | " + " | ".join(f"{d}, {p}" for d, p in COLUMNS) + " |"]
    lines.append("|:--|" + "--:|" * len(COLUMNS))
    for method, encoder in dict.fromkeys((key[0], key[1]) for key in cells):
        name = f"`{method}`" + ("" if encoder == "none" else f" ({encoder})")
        found = [cells.get((method, encoder, *column)) for column in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(_cell(row) for row in found) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, str] | None) -> str:
    if row is None:
        return "–"
    mean, low, high = (float(row[key]) for key in ("mean", "ci_low", "ci_high"))
    return f"{mean:.4f} [{low:.4f}, {high:.4f}]"


def honest_table(rows: list[dict[str, str]], leaders: list[dict[str, str]]) -> str:
    """Means of four metrics, methods below each dataset and protocol; bold where tests tell all others from it."""
    tied = {
        (r["dataset"], r["protocol"], r["metric"]) for r in leaders if r["tied"] == "true" and r["leader"] == "false"
    }
    leading = {
        (r["dataset"], r["protocol"], r["metric"], r["method"], r["encoder"]) for r in leaders if r["leader"] == "true"
    }
    means = {
        (r["dataset"], r["protocol"], r["metric"], r["method"], r["encoder"]): float(r["mean"])
        for r in rows
        if r["metric"] in METRICS
    }
    lines = ["| dataset | protocol | method | " + " | ".join(METRICS.values()) + " |", "|---|---|---|" + "--:|" * 4]
    for dataset, protocol, method, encoder in dict.fromkeys((k[0], k[1], k[3], k[4]) for k in means):
        cells = []
        for metric in METRICS:
            key = (dataset, protocol, metric, method, encoder)
            text = f"{means[key]:.4f}" if metric == "mse" else f"{means[key]:.3f}"
            cells.append(f"**{text}**" if key in leading and key[:3] not in tied else text)
        lines.append(f"| {dataset} | `{protocol}` | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--honest", action="store_true", help="write the table of docs/cortexclip.md")
    honest = parser.parse_args().honest
    tables = Path("results/tables")
    if honest:
        table = honest_table(_read(tables / "comparison.csv"), _read(tables / "leaders.csv"))
    else:
        table = result_table(_read(tables / "comparison.csv"))
        shutil.copy("results/figures/mse_by_method.png", ROOT / "docs/images/mse_by_method.png")
    page = ROOT / ("docs/cortexclip.md" if honest else "README.md")
    text = page.read_text(encoding="utf-8")
    page.write_text(BLOCK.sub(lambda found: found[1] + table + found[2], text), encoding="utf-8")


def _read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    main()
