"""Where the time of a finished run went, and what the full configuration would take, from Snakemake's own measurements.

Reads ``results/benchmarks/**/*.tsv`` (one file a job) and the records of the training jobs. A job's time outside
numerical work is its start: the interpreter and its imports, measured here for every stage. The estimate for
config/full.yaml takes the measured cost of a training job and multiplies it with folds, seeds and grid points; a run or
protocol that was not measured is estimated from the same method's other jobs, and named in a note.

    PYTHONPATH=workflow python benchmarks/workflow.py [--write]
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from report import RESULTS, ROOT, Report, TextTable, Timing, arguments, finish
from training import NETWORKS

from cortexclip.__main__ import STAGES
from cortexclip.configuration.config import Configuration, load, merge
from cortexclip.configuration.schema import read_yaml
from cortexclip.methods.catalogue import grid_points
from cortexclip.runtime.arrays import read_parquet
from cortexclip.runtime.files import read_json
from cortexclip.training import stack

FOLDER = ROOT / "results/benchmarks"


COLUMNS = {"seconds": "s", "cpu": "cpu_time", "peak": "max_rss"}


def measured(folder: Path) -> dict[str, list[dict]]:
    """Jobs by stage: seconds, CPU seconds and peak MB (NaN where Snakemake could not measure it)."""
    jobs = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        parts = path.relative_to(folder).with_suffix("").parts
        with open(path, encoding="utf-8", newline="") as stream:
            for line in csv.DictReader(stream, delimiter="\t"):
                jobs[parts[0]].append(
                    {key: _number(line.get(column)) for key, column in COLUMNS.items()} | {"name": "/".join(parts[1:])}
                )
    return dict(jobs)


def _number(text: str | None) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def start_of(stage: str, repeats: int) -> Timing:
    """Seconds until a stage knows its options: what a job takes before it does anything."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "cortexclip", stage, "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return Timing.of(seconds)


def stage_rows(jobs: dict[str, list[dict]], repeats: int) -> tuple[list[list[str]], float, float]:
    """A row for each stage, most expensive first; seconds of all jobs; those of them that are starts."""
    rows, starts = [], 0.0
    for stage, found in jobs.items():
        total = sum(job["seconds"] for job in found)
        start = min(start_of(stage, repeats).median * len(found), total) if stage in STAGES else 0.0
        starts += start
        peak = np.nanmax([job["peak"] for job in found]) if any(job["peak"] > 0 for job in found) else float("nan")
        rows.append((total, [stage, str(len(found)), f"{total:.1f}", f"{start / total:.0%}", f"{peak:.0f}"]))
    rows.sort(key=lambda pair: -pair[0])
    return [row for _, row in rows], sum(total for total, _ in rows), starts


def records(folder: Path) -> dict[tuple[str, str, str], float]:
    """Seconds of a fit by method, dataset and protocol, from run.json."""
    found = {}
    for path in folder.rglob("run.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        found[record["method"], record["dataset"], record["protocol"]] = record["seconds"] / len(record["fits"])
    return found


def other_stages(jobs: dict[str, list[dict]], full: Configuration) -> list[list[str]]:
    """A row for each stage of config/full.yaml but the training: jobs, and minutes if each costs what it costs here."""
    datasets, cells = len(full.cells), sum(map(len, full.protocols_of.values()))
    many = {"evaluate": cells, "split": cells, "figures": cells}
    many |= dict.fromkeys(("ingest", "audit", "encode", "identify", "evaluation_figures"), datasets)
    rows = []
    for stage, found in jobs.items():
        if stage != "train":
            mean = float(np.mean([job["seconds"] for job in found]))
            rows.append((many.get(stage, 1) * mean / 60, stage, many.get(stage, 1), mean))
    rows.sort(reverse=True)
    return [[stage, f"{n:,}", f"{mean:.1f}", f"{minutes:.1f}"] for minutes, stage, n, mean in rows]


def estimate(costs: dict[tuple[str, str, str], float]) -> tuple[list[list[str]], list[str], list[str], float]:
    """What config/full.yaml takes for training: hours of one core by method; which methods were taken to cost what
    their plain method costs; which have no measurement at all; the hours of all together.
    """
    full = full_configuration()
    hours: dict[str, float] = defaultdict(float)
    alike, unknown = {}, {}
    for dataset, runs in full.cells.items():
        folds = sum(_folds(full.protocols[protocol]) for protocol in full.protocols_of[dataset])
        for run in (full.runs[name] for name in runs):
            entry = full.methods[run.method]
            cost = _cost(costs, run.method, dataset)
            if cost is None and (cost := _cost(costs, entry.get("ablates", ""), dataset)) is not None:
                cost *= len(grid_points(entry))
                alike[run.method] = None
            if cost is None:
                unknown[run.method] = None
            else:
                hours[run.method] += folds * run.fits * cost / 3600
    rows = [[method, f"{value:.2f}"] for method, value in sorted(hours.items(), key=lambda pair: -pair[1])]
    return rows, list(alike), list(unknown), sum(hours.values())


def full_configuration() -> Configuration:
    """config/full.yaml, with what is available here."""
    return load(merge(read_yaml(ROOT / "config/config.yaml"), read_yaml(ROOT / "config/full.yaml")), ROOT)


def _folds(protocol: dict) -> int:
    return 1 if protocol["over"] == "canonical" else protocol["folds"]


def _cost(costs: dict[tuple[str, str, str], float], method: str, dataset: str) -> float | None:
    """Mean seconds of a fit of a method on a dataset, or on any other if it was not run there; None for nothing."""
    known = {key: cost for key, cost in costs.items() if key[0] == method}
    here = [cost for key, cost in known.items() if key[1] == dataset]
    return float(np.mean(here or list(known.values()))) if known else None


def beside_benchmarks() -> list[list[str]]:
    """The networks of the finished run beside what `training.py` measured: a row for each method.

    Expected are the optimiser steps of all trainings, by the histories, at the benchmark's speed, which is that of a
    network of the benchmark's size; a step is taken to cost what its parameters cost. What a training has beside its
    steps (selection losses, best weights, prediction) has to fit into the difference.
    """
    reports = {row.what.split(",")[0]: row for row in Report.read(RESULTS / "training.json").rows}
    rows = []
    for method, (_, make, _) in NETWORKS.items():
        size, rate = stack.parameter_count(make()), reports[f"training {method}"].ours.median
        measured, expected, steps = 0.0, 0.0, 0
        for path in sorted((ROOT / "results/runs").glob("*/*/*/run.json")):
            record = read_json(path)
            if record["method"] != method:
                continue
            taken = _steps(path.parent, record)
            steps += taken
            measured += record["seconds"]
            expected += taken * record["fits"][0]["parameters"] / size / rate
        if steps:
            rows.append([method, f"{steps:,}", f"{expected:.0f}", f"{measured:.0f}", f"{measured / expected:.2f}"])
    return rows


def _steps(folder: Path, record: dict) -> int:
    """Optimiser steps of all fits of a run."""
    protocol, dataset, _ = folder.parts[-3:]
    split = read_parquet(ROOT / f"results/splits/{protocol}/{dataset}.parquet")
    sizes = split.groupby(["fold", "role"]).size().unstack(fill_value=0)
    history = read_parquet(folder / "history.parquet")
    epochs = history[history.quantity == "train_loss"].groupby(["fold", "seed", "stage"], observed=True).size()
    total = 0
    for (fold, _, stage), count in epochs.items():
        n_samples = sizes["train"][fold] + (sizes["select"][fold] if stage == "refit" else 0)
        total += count * len(stack.batch_sizes(int(n_samples), record["settings"]["batch_size"]))
    return total


def wall_time(folder: Path) -> tuple[float, int] | None:
    """Seconds and number of steps of the last run that made everything, from Snakemake's log; None without one."""
    for path in sorted(folder.glob("*.snakemake.log"), reverse=True):
        text = path.read_text(encoding="utf-8", errors="replace")
        steps = re.search(r"^(\d+) of \1 steps \(100%\) done", text, flags=re.MULTILINE)
        clock = re.search(r"^Elapsed time: (\d+):(\d+):([\d.]+)", text, flags=re.MULTILINE)
        if steps and clock and int(steps[1]) > 100:
            hours, minutes, seconds = clock.groups()
            return 3600 * int(hours) + 60 * int(minutes) + float(seconds), int(steps[1])
    return None


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=3)
    jobs = measured(FOLDER)
    if not jobs:
        raise SystemExit(f"{FOLDER}: nothing measured there. Run the workflow first: make results.")
    rows, total, starts = stage_rows(jobs, options.repeats)
    by_method, alike, unknown, hours = estimate(records(ROOT / "results/runs"))
    stages = TextTable(
        "A finished run, by stage",
        ["stage", "jobs", "seconds of all jobs", "of it start", "peak memory (MiB)"],
        rows,
        [
            f"{sum(map(len, jobs.values()))} jobs, {total:.0f} s together; {starts / total:.0%} of it is the start of "
            "jobs (interpreter and imports), outside numerical work. Snakemake's own time between jobs is not in it."
        ],
    )
    if (wall := wall_time(ROOT / ".snakemake/log")) is not None:
        seconds, steps = wall
        stages.notes.append(
            f"Wall time of that run, by Snakemake's log: {seconds:.0f} s for {steps} steps; on two cores no less than "
            f"{total / 2:.0f} s, had the jobs filled them all the time."
        )
    beside = TextTable(
        "Networks of that run beside the benchmark of the training",
        ["method", "steps", "expected, s", "measured, s", "ratio"],
        beside_benchmarks(),
        [
            "Expected: the steps of all its trainings at the speed of eight networks at once, alone on the machine. "
            "Wanted: at most 1.5. In the run two jobs share the memory, stacks have three networks, and every epoch "
            "(a few steps of these small datasets) has a selection loss."
        ],
    )
    notes = [
        f"Estimate: {hours:.1f} hours of one core for all training; on two cores half of it. From the measured "
        "seconds of a fit of the same method, on the same dataset where that was run, times folds, seeds, shuffles and "
        "grid points of the full configuration; a protocol with a larger training part than those takes longer.",
        *([f"Taken to cost what their plain method costs, not measured: {', '.join(alike)}."] if alike else []),
        *([f"Not measured, so not in it: {', '.join(unknown)}."] if unknown else []),
    ]
    full = TextTable("Training in config/full.yaml, estimated", ["method", "hours of one core"], by_method, notes)
    others = TextTable(
        "The other stages of config/full.yaml, estimated",
        ["stage", "jobs", "seconds of a job here", "minutes of one core"],
        other_stages(jobs, full_configuration()),
        ["At what a job costs in the finished run; with ten seeds, more protocols and more methods it costs more."],
    )
    finish(Report(name="workflow", title="The whole workflow", tables=[stages, beside, full, others]), options)


if __name__ == "__main__":
    main()
