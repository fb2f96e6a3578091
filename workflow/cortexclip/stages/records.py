"""Stage: the records of all training jobs -> what training cost, and every grid point that was tried."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

from cortexclip.errors import InputError
from cortexclip.files import read_json
from cortexclip.log import logger
from cortexclip.plan import protocols_of
from cortexclip.tables.records import NO_GRID, cost_rows, cost_tables, grid_rows, grid_tables
from cortexclip.tables.write import write_csv, write_readable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=read_json, help="what is compared (plan.json)")
    parser.add_argument("--runs", required=True, help="folder of the runs")
    parser.add_argument("--benchmarks", help="folder of Snakemake's benchmarks of training jobs, if there is one")
    parser.add_argument("--output", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan, Path(arguments.output)
    records = read_records(Path(arguments.runs), plan)
    peaks = read_peaks(Path(arguments.benchmarks), records) if arguments.benchmarks else {}
    cost, grid = cost_rows(records, peaks, plan), grid_rows(records, plan)
    write_csv(output / "cost.csv", cost)
    write_readable(output, "cost", "Cost of training", cost_tables(cost, plan), plan)
    write_csv(output / "grid.csv", grid)
    write_readable(output, "grid", "Grid points", grid_tables(grid, plan), plan, NO_GRID)
    logger.info("records: %d training jobs, %d grid points", len(cost), len(grid))


def read_records(folder: Path, plan: Mapping) -> dict[tuple[str, str, str], dict]:
    """run.json of every (dataset, protocol, run) of the plan, in its order."""
    records = {}
    for dataset in plan["datasets"]:
        for protocol in protocols_of(plan, dataset):
            for run in plan["cells"][dataset]:
                path = folder / protocol / dataset / run / "run.json"
                record = read_json(path)
                if missing := [key for key in ("fits", "seconds", "machine") if key not in record]:
                    raise InputError(f"{path}: no key '{missing[0]}'. Delete it and run the workflow again.")
                records[dataset, protocol, run] = record
    return records


def read_peaks(folder: Path, records: Mapping[tuple[str, str, str], object]) -> dict[tuple[str, str, str], float]:
    """Peak resident memory in MB of the training jobs that Snakemake measured (it writes "-" or NA for others)."""
    peaks = {}
    for dataset, protocol, run in records:
        try:
            with open(folder / protocol / dataset / f"{run}.tsv", encoding="utf-8", newline="") as stream:
                peaks[dataset, protocol, run] = max(
                    float(row["max_rss"]) for row in csv.DictReader(stream, delimiter="\t")
                )
        except (OSError, KeyError, ValueError):
            continue
    return peaks
