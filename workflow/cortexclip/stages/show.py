"""Stage: print the paper's table and the comparison table in short, and where tables and figures are."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from cortexclip.errors import InputError, nearest
from cortexclip.report.summary import TABLE, paper_table, short_table
from cortexclip.results.paths import FILES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", default=str(TABLE), help="comparison.csv of a run (%(default)s)")
    parser.add_argument("--metric", default="mse", help="which metric to print (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    if not Path(arguments.table).is_file():
        raise InputError(f"{arguments.table}: not there. Run snakemake --cores all first.")
    table = short_table(Path(arguments.table), arguments.metric)
    if not table:
        with open(arguments.table, encoding="utf-8", newline="") as stream:
            known = dict.fromkeys(row["metric"] for row in csv.DictReader(stream))
        raise InputError(f"--metric: unknown name '{arguments.metric}'. {nearest(arguments.metric, known)}")
    print(f"{paper_table(Path(arguments.table))}\n")
    print(table)
    print(f"\nPage     {FILES.report}\nTables   results/tables/\nFigures  results/figures/")
