"""Writes the result table and figure of README.md from results/: ``python docs/results.py``."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- results -->\n).*?(<!-- end of results -->)", re.DOTALL)
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


def main() -> None:
    with open(ROOT / "results/tables/comparison.csv", encoding="utf-8", newline="") as stream:
        table = result_table(list(csv.DictReader(stream)))
    shutil.copy(ROOT / "results/figures/mse_by_method.png", ROOT / "docs/images/mse_by_method.png")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(BLOCK.sub(lambda found: found[1] + table + found[2], text), encoding="utf-8")


if __name__ == "__main__":
    main()
