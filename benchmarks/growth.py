"""How the cost of the stages' functions grows with each dimension of a comparison, on simulated data.

Each function is timed at increasing sizes, others held; the exponent is the slope of log time over log size between
the last two. Ridge goes up to 100,000 voxels and, with few voxels, to 10,000 samples. Three minutes in all on one core.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/growth.py [--fast] [--write]
"""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from report import Report, TextTable, Timing, amount, arguments, finish
from statistics_scale import simulated_plan, write_simulated_scores

from cortexclip.evaluation.metrics import pairwise_identification, ssim
from cortexclip.evaluation.splits import make_split
from cortexclip.evaluation.statistics import mean_interval
from cortexclip.numerics.ridge import ShuffledRidge, fit_ridge, penalty_grid
from cortexclip.results.folder import Results
from cortexclip.tables.read import lay_out
from cortexclip.tables.statistics import compare, leaders

PENALTIES = penalty_grid(1e0, 1e6, 25)


def ridge(n_samples: int, n_voxels: int, n_pixels: int = 784) -> Callable[[], object]:
    """Fit one fold with the penalty search and predict a tenth as many samples."""
    rng = np.random.default_rng(0)
    brain = rng.standard_normal((n_samples, n_voxels), dtype=np.float32)
    pixels = rng.standard_normal((n_samples, n_pixels), dtype=np.float32)
    test = brain[: max(1, n_samples // 10)]
    return lambda: fit_ridge(brain, pixels, PENALTIES, standardise=True).predict(test)


def shuffles(count: int) -> Callable[[], object]:
    """The shuffled pairs of one fold: 90 samples, 3092 voxels, 784 pixels."""
    rng = np.random.default_rng(0)
    brain, pixels = rng.normal(size=(90, 3092)), rng.normal(size=(90, 784))
    orders = [rng.permutation(90) for _ in range(count)]

    def run() -> None:
        shuffled = ShuffledRidge(brain, pixels, PENALTIES, standardise=True)
        for order in orders:
            shuffled.predict(brain[:10], order, shuffled.choose(order)[0])

    return run


def split(n_samples: int) -> Callable[[], object]:
    """Ten folds over samples whose images repeat twice."""
    entry = {"over": "all", "folds": 10, "group_by": "stimulus", "shuffle_seed": 0, "select": "inner"}
    entry |= {"inner_fraction": 0.15, "inner_by": "stimulus"}
    stimulus = np.array([f"s-{n // 2}" for n in range(n_samples)])
    part = np.where(np.arange(n_samples) < 0.9 * n_samples, "train", "test")
    return lambda: make_split(entry, part, stimulus, 0)


def similarity(n_images: int) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    predicted, stimuli = rng.random((2, n_images, 28, 28))
    return lambda: ssim(predicted, stimuli)


def identification(n_images: int) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    predicted, stimuli = rng.random((2, n_images, 28, 28))
    return lambda: pairwise_identification(predicted, stimuli, np.arange(n_images))


def interval(n_seeds: int) -> Callable[[], object]:
    """The interval of one cell: 100 stimuli, one trial each, 2000 resamples."""
    values = np.random.default_rng(0).normal(size=(100, n_seeds))
    stimulus, seed = (axis.ravel() for axis in np.indices(values.shape))
    return lambda: mean_interval(values.ravel(), stimulus, seed)


def comparisons(folder: str, methods: int, folds: int, datasets: int) -> Callable[[], object]:
    """All pairs of methods on one metric of every dataset, from tables on the disk; 10 samples a fold, 3 seeds."""
    path = Path(folder) / f"{methods}-{folds}-{datasets}"
    plan = simulated_plan(datasets, methods)
    write_simulated_scores(path, plan, folds, seeds=3, samples=10)

    def run() -> None:
        for dataset in plan.cells:
            scores = lay_out(Results(path, plan).scores("cv10", dataset, ["mse"]), "mse")
            compare(scores, "mse")
            leaders(scores, "mse")

    return run


def timed(function: Callable[[], object], repeats: int) -> Timing:
    """Some repeats; one alone where a call takes more than three seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
        if seconds[0] > 3:
            break
    return Timing.of(seconds)


def row(what: str, sizes: Sequence[int], make: Callable[[int], Callable[[], object]], repeats: int) -> list[str]:
    """Times at increasing sizes, and the exponent between the last two."""
    found = [timed(make(size), repeats) for size in sizes]
    exponent = math.log(found[-1].median / found[-2].median) / math.log(sizes[-1] / sizes[-2])
    cells = "; ".join(f"{size:,}: {amount(time_, 's')}" for size, time_ in zip(sizes, found, strict=True))
    return [what, cells, f"{exponent:.2f}"]


def peak_of(n_samples: int, n_voxels: int) -> tuple[float, float]:
    """Peak resident memory in GB of a process that fits ridge once, and the size of its brain data in GB."""
    code = f"import growth; growth.ridge({n_samples}, {n_voxels})()"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if after <= before:
        raise SystemExit("an earlier child used more memory, so this one's peak is unknown")
    return after / 2**20, 4 * n_samples * n_voxels / 2**30


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=3)
    torch.set_num_threads(1)
    less = 10 if options.fast else 1
    samples, voxels = 1200 // less, 100_000 // less

    def sized(*sizes: int) -> list[int]:
        return [max(2, size // less) for size in sizes]

    peak, size = peak_of(samples, voxels)
    with tempfile.TemporaryDirectory(prefix="simulated-scores-") as folder:
        cases = [
            ("ridge, one fold: voxels (100 samples)", sized(1000, 10_000, 100_000), lambda n: ridge(100, n)),
            (f"ridge, one fold: voxels ({samples} samples)", sized(25_000, 100_000), lambda n: ridge(samples, n)),
            (
                "ridge, one fold: samples (1000 voxels, 100 pixels)",
                sized(1000, 2500, 5000),
                lambda n: ridge(n, 1000, 100),
            ),
            ("shuffled ridge: shuffles", sized(100, 1000), shuffles),
            ("split: samples", sized(100, 1000, 10_000), split),
            ("SSIM: image pairs", sized(100, 1000, 10_000), similarity),
            ("pairwise identification: images", sized(100, 1000, 3000), identification),
            ("bootstrap interval: seeds", sized(10, 100, 1000), interval),
            ("comparison of methods: methods (10 folds)", [5, 10, 20], lambda n: comparisons(folder, n, 10, 1)),
            ("comparison of methods: folds (10 methods)", [5, 10, 20], lambda n: comparisons(folder, 10, n, 1)),
            ("comparison of methods: datasets (10 methods)", [1, 2, 4], lambda n: comparisons(folder, 10, 10, n)),
        ]
        rows = [row(what, sizes, make, options.repeats) for what, sizes, make in cases]
    table = TextTable("Time by size", ["what grows", "size: time", "exponent"], rows)
    notes = [
        f"Peak resident memory of a process that fits ridge once on {samples:,} samples of {voxels:,} voxels "
        f"({size:.2f} GB of float32): {peak:.2f} GB."
    ]
    title = "How the cost grows"
    finish(Report(name="growth", title=title, tables=[table], notes=notes), options)


if __name__ == "__main__":
    main()
