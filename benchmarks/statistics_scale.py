"""Time and peak memory of the statistics stage on many score tables, which are simulated here (random numbers).

By default 5 datasets, 30 methods, 10 folds, 10 seeds and 100 samples in each fold, every sample a stimulus of its own:
1.5 million rows for each of the 4 metrics. The stage runs in a process of its own. One thread:

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/statistics_scale.py [--fast] [--write]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from report import Report, Row, Timing, arguments, finish

from cortexclip.configuration.plan import Plan
from cortexclip.evaluation.score import combine_scores
from cortexclip.results.folder import Results
from cortexclip.runtime.arrays import write_parquet
from cortexclip.runtime.files import write_json, write_text
from cortexclip.stages.tables import write_statistics
from cortexclip.tables.statistics import COMPARED


def simulated_plan(datasets: int, methods: int) -> Plan:
    names = ["ridge", *(f"method{number}" for number in range(1, methods))]
    runs = {name: {"method": name, "encoder": "none", "title": f"Simulated {name}"} for name in names}
    sets = [f"simulated{number}" for number in range(datasets)]
    return Plan.of(
        {
            "datasets": {
                name: {"title": name.title(), "notes": ["Random numbers."], "simulated": True} for name in sets
            },
            "protocols": {"cv10": {"title": "10-fold", "optimistic": False, "note": "Random numbers."}},
            "encoders": {},
            "runs": runs,
            "cells": {name: names for name in sets},
            "ablations": {name: [] for name in sets},
            "unavailable": {},
        }
    )


def write_simulated_scores(folder: Path, plan: Plan, folds: int, seeds: int, samples: int) -> int:
    """Score tables as the evaluate stage writes them: random difficulty of stimuli, random methods; returns rows."""
    rng, rows = np.random.default_rng(0), 0
    trials = folds * samples
    size = len(COMPARED) * seeds * trials
    layout = {
        "fold": np.tile(np.repeat(np.arange(folds, dtype=np.int32), samples), len(COMPARED) * seeds),
        "seed": np.tile(np.repeat(np.arange(seeds, dtype=np.int32), trials), len(COMPARED)),
        "sample": np.tile(np.arange(trials, dtype=np.int32), len(COMPARED) * seeds),
        "stimulus": pd.Categorical.from_codes(
            np.tile(np.arange(trials), len(COMPARED) * seeds), [f"s-{number:010x}" for number in range(trials)]
        ),
        "metric": pd.Categorical.from_codes(np.repeat(np.arange(len(COMPARED)), seeds * trials), COMPARED),
    }
    for dataset in plan.datasets:
        difficulty, tables = rng.normal(0, 0.1, trials), []
        for index, method in enumerate(plan.cells[dataset]):
            values = 0.5 + 0.005 * index + difficulty + rng.normal(0, 0.1, (len(COMPARED) * seeds, trials))
            names = {"dataset": dataset, "protocol": "cv10", "method": method, "encoder": "none"}
            constants = {key: pd.Categorical.from_codes(np.zeros(size, np.int8), [name]) for key, name in names.items()}
            table = pd.DataFrame({**constants, **layout, "value": values.ravel()})
            tables.append(table)
            rows += len(table)
        write_parquet(folder / f"scores/cv10/{dataset}.parquet", combine_scores(tables))
    return rows


def main() -> None:
    if "--stage" in sys.argv:  # the process that is measured
        folder = Path(sys.argv[-1])
        results = Results(folder, Plan.read(folder / "plan.json"))
        scores = combine_scores([results.scores("cv10", dataset) for dataset in results.plan.datasets])
        options = {"reference": "ridge", "base_seed": 0, "n_resamples": 2000, "n_permutations": 10_000}
        write_statistics(results, scores, folder / "tables", **options)
        return
    options = arguments(__doc__.splitlines()[0], repeats=1)
    datasets, methods, folds, seeds, samples = (2, 6, 10, 3, 100) if options.fast else (5, 30, 10, 10, 100)
    plan, seconds = simulated_plan(datasets, methods), []
    with tempfile.TemporaryDirectory(prefix="simulated-scores-") as folder:
        rows = write_simulated_scores(Path(folder), plan, folds, seeds, samples)
        write_text(Path(folder, "plan.json"), plan.as_json())
        for name in plan.datasets:
            write_json(Path(folder, f"audit/{name}.json"), {"findings": []})
        for _ in range(options.repeats):
            start = time.perf_counter()
            subprocess.run([sys.executable, __file__, "--stage", folder], check=True)
            seconds.append(time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        pairs = len(Path(folder, "tables/statistics.csv").read_text(encoding="utf-8").splitlines()) - 1
    what = (
        f"{datasets} datasets x {methods} methods x {folds} folds x {seeds} seeds x {samples} samples x "
        f"{len(COMPARED)} metrics: {rows:,} scores, {pairs:,} pairs of methods"
    )
    title, notes = "The statistics stage on many scores", [f"Peak resident memory: {peak:.0f} MiB."]
    finish(Report(name="statistics_scale", title=title, rows=[Row(what, Timing.of(seconds))], notes=notes), options)


if __name__ == "__main__":
    main()
