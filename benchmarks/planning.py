"""How long Snakemake plans, and what it needs, for configurations of up to 10,000 training jobs.

Each is a dry run of the whole workflow in a process of its own, on simulated entries: 50 datasets, up to 40 methods
(ridge under other names) and 5 protocols. And what a job costs beside its work: the wall time of jobs that do next to
nothing.

    python benchmarks/planning.py [--fast] [--write]
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from report import ROOT, Report, Row, TextTable, Timing, arguments, finish, versions

PROTOCOLS = ["chosen_on_test", "holdout", "cv10", "chosen_on_fold", "unseen"]
DATASETS = 50
WANTED_SECONDS, WANTED_MEGABYTES, WANTED_OVERHEAD = 45, 2000, 2.5
PARTS = ["Snakefile", "config", "envs", "profiles", "workflow", "resources/glyphclip"]


def copy_project(target: Path) -> None:
    """A checkout without results, so that everything has to be planned."""
    for part in PARTS:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, target / part)


def write_configuration(path: Path, methods: int) -> int:
    """A configuration of so many methods on all datasets and protocols; returns its number of training jobs."""
    catalogue = {name: yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("datasets", "methods")}
    datasets = {f"simulated{number}": catalogue["datasets"]["simulated"] for number in range(DATASETS)}
    names = [f"ridge{number}" for number in range(methods)]
    content = {
        "datasets": list(datasets),
        "methods": names,
        "encoders": [],
        "protocols": PROTOCOLS,
        "overrides": {
            "datasets": datasets,
            "methods": {name: {**catalogue["methods"]["ridge"], "title": name} for name in names},
        },
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return DATASETS * methods * len(PROTOCOLS)


def measured(command: list[str], folder: Path) -> tuple[float, float, float, str]:
    """Wall and processor time in seconds and peak memory in MB of a command, and what it printed."""
    variables = {key: value for key, value in os.environ.items() if key not in ("CORTEXCLIP_DATA", "PYTHONPATH")}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{text[-3000:]}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, text


def planning(folder: Path, methods: int) -> list[str]:
    """Training jobs, all jobs, and time and memory of the plan: wall, processor, the same with every job listed, MB."""
    cells = write_configuration(folder / "many.yaml", methods)
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "2", "--dry-run", "--configfile", "many.yaml", "--quiet"]
    wall, processor, memory, _ = measured([*snakemake, "rules", "progress"], folder)
    _, listed, _, text = measured([*snakemake, "rules"], folder)
    jobs = int(re.search(r"^total +(\d+)", text, flags=re.MULTILINE).group(1))
    each = 1e3 * processor / jobs
    return [
        f"{cells:,}",
        f"{jobs:,}",
        *(f"{value:.1f}" for value in (wall, processor, listed)),
        f"{each:.2f}",
        f"{memory:.0f}",
    ]


def overhead(folder: Path, repeats: int) -> Timing:
    """Wall time of a job beside its work: one after another, splits of a dataset that take it no time to make.

    What is subtracted as work is nothing, not even the start of Python and the imports of the stage.
    """
    write_configuration(folder / "many.yaml", 1)
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "many.yaml", "--"]
    data = "results/data/simulated0.nc"
    splits = [f"results/splits/{protocol}/simulated0.parquet" for protocol in PROTOCOLS]
    measured([*snakemake, data], folder)
    seconds = []
    for _ in range(repeats):
        shutil.rmtree(folder / "results/splits", ignore_errors=True)
        one = measured([*snakemake, splits[0]], folder)[0]
        shutil.rmtree(folder / "results/splits")
        five = measured([*snakemake, *splits], folder)[0]
        seconds.append((five - one) / (len(splits) - 1))
    return Timing.of(seconds)


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=1)
    sizes = [1, 2] if options.fast else [4, 10, 20, 40]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        job = overhead(folder, max(3, options.repeats))
        print(job, flush=True)
        for methods in sizes:
            rows.append(planning(folder, methods))
            print(*rows[-1], sep="  ", flush=True)
    largest, peak = float(rows[-1][2]), float(rows[-1][-1])
    reached = "reached" if largest <= WANTED_SECONDS and peak <= WANTED_MEGABYTES else "not reached"
    finish(
        Report(
            name="planning",
            title="Planning many jobs, and what a job costs",
            rows=[Row("a local job beside its work, Python's start and the imports of a small stage included", job)],
            tables=[
                TextTable(
                    "Dry run of the whole workflow",
                    [
                        *("training jobs", "all jobs", "wall, s", "processor, s", "processor with every job listed, s"),
                        *("processor, ms for each job", "MB"),
                    ],
                    rows,
                    [f"Wanted for the last row: {WANTED_SECONDS} s and {WANTED_MEGABYTES} MB: {reached}."],
                )
            ],
            notes=[f"Wanted of a job: at most {WANTED_OVERHEAD} s beside its work."],
            versions=versions(["snakemake"]),
        ),
        options,
    )


if __name__ == "__main__":
    main()
