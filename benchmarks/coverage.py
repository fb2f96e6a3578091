"""How often 95 % intervals of a mean hold it, with few images, on the score distributions of finished runs.

The mean scores of the distinct images of a run, of one method and metric or of the difference of a method from ridge,
are taken as a population. Samples of 10 to 50 images are drawn from it with replacement, and each kind of interval
either holds the population's mean or not. Populations most of whose values are equal (a method that is right on
nearly all images) are left out and counted: a sample of them often has no variance at all, so that no interval can be
right.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/coverage.py [--results FOLDER ...] [--fast] [--write]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from report import ROOT, Report, TextTable, finish
from scipy import stats

from cortexclip.evaluation.statistics import skewed_bounds, variance_of_mean

SIZES = (10, 12, 15, 20, 50)
METRICS = ("mse", "pixcorr", "ssim", "pairwise_identification")
KINDS = ("this project's", "Student's t", "percentile bootstrap", "BCa bootstrap", "bootstrap-t")
MOST_EQUAL = 0.5
TAILS = np.array([0.025, 0.975])


def populations(folders: list[Path]) -> tuple[dict[tuple, np.ndarray], list[str]]:
    """Scores of distinct images by dataset, protocol, metric, method and kind; and which tables they are from."""
    found, tables = {}, []
    for path in sorted(p for folder in folders for p in folder.glob("scores/*/*.parquet") if p.name.count(".") == 1):
        scores = pd.read_parquet(path)
        names = ["metric", "method", "encoder", "stimulus"]
        means = scores.astype({name: str for name in names}).groupby(names)["value"].mean().unstack("stimulus")
        tables.append(f"{path.stem}, {path.parent.name} ({means.shape[1]} images)")
        for metric in METRICS:
            for (method, encoder), row in means.loc[metric].iterrows():
                key = path.stem, path.parent.name, metric, method, encoder
                found[*key, "mean"] = row.to_numpy()
                if (metric, "ridge", "none") in means.index and method != "ridge":
                    found[*key, "difference"] = (row - means.loc[metric, "ridge", "none"]).to_numpy()
    return {key: values[np.isfinite(values)] for key, values in found.items()}, tables


def intervals(
    samples: np.ndarray, resamples: int, rng: np.random.Generator
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Bounds of each kind of interval for samples (n_simulations, n)."""
    count, n = samples.shape
    mean, error = samples.mean(axis=1), stats.sem(samples, axis=1)
    reach = stats.t.ppf(TAILS[1], n - 1) * error
    rows, drawn = np.arange(count)[:, None, None], rng.integers(0, n, (count, resamples, n))
    copies = samples[rows, drawn]
    means, errors = copies.mean(axis=2), stats.sem(copies, axis=2)
    deviations = samples - mean[:, None]
    with np.errstate(all="ignore"):
        skew = np.nan_to_num((deviations**3).sum(axis=1) / (6 * (deviations**2).sum(axis=1) ** 1.5))
        shift = stats.norm.ppf(((means < mean[:, None]).mean(axis=1) + (means <= mean[:, None]).mean(axis=1)) / 2)
        moved = shift[:, None] + stats.norm.ppf(TAILS)
        levels = stats.norm.cdf(shift[:, None] + moved / (1 - skew[:, None] * moved))
        ratios = np.where(errors > 1e-9 * error[:, None], (means - mean[:, None]) / errors, np.nan)
    ordered = np.sort(means, axis=1)
    at = np.clip((np.nan_to_num(levels, nan=0.5) * (resamples - 1)).astype(int), 0, resamples - 1)
    student = np.nan_to_num(np.nanquantile(ratios, TAILS, axis=1))
    bounds = (
        skewed_bounds(mean, *variance_of_mean(deviations), n - 1),
        (mean - reach, mean + reach),
        np.quantile(means, TAILS, axis=1),
        np.take_along_axis(ordered, at, axis=1).T,
        (mean - student[1] * error, mean - student[0] * error),
    )
    return dict(zip(KINDS, bounds, strict=True))


def measured(
    kept: Mapping[tuple, np.ndarray], n: int, simulations: int, resamples: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coverage of each population (rows) by each kind (columns), and the width of intervals over that of t."""
    shares, widths = [], []
    for values in kept.values():
        found = intervals(rng.choice(values, (simulations, n)), resamples, rng)
        truth, slack = values.mean(), 1e-12
        shares.append(
            {kind: np.mean((low <= truth + slack) & (high >= truth - slack)) for kind, (low, high) in found.items()}
        )
        of_t = np.subtract(*found["Student's t"][::-1])
        with np.errstate(all="ignore"):
            widths.append({k: np.nanmedian(np.where(of_t > 0, (b[1] - b[0]) / of_t, np.nan)) for k, b in found.items()})
    return pd.DataFrame(shares), pd.DataFrame(widths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", nargs="+", type=Path, default=[ROOT / "docs/results/default"])
    parser.add_argument("--fast", action="store_true", help="few simulations")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/coverage.json")
    options = parser.parse_args()
    simulations, resamples = (40, 100) if options.fast else (100, 300)
    every, tables = populations(options.results)
    varied = {k: v for k, v in every.items() if len(v) >= 10 and v.std() > 1e-9}
    kept = {
        k: v for k, v in varied.items() if np.unique(v.round(9), return_counts=True)[1].max() <= MOST_EQUAL * len(v)
    }
    rng, rows = np.random.default_rng(0), []
    for n in SIZES:
        shares, widths = measured(kept, n, simulations, resamples, rng)
        for kind in KINDS:
            share = shares[kind]
            numbers = (share.mean(), share.median(), share.quantile(0.1), widths[kind].median())
            rows.append([str(n), kind, *(f"{number:.{3 - (at == 3)}f}" for at, number in enumerate(numbers))])
    columns = ["images", "interval", "mean coverage", "median", "lowest tenth below", "width over that of t"]
    differences = sum(key[-1] == "difference" for key in kept)
    notes = [
        f"{len(kept)} populations ({differences} of differences from ridge) from {'; '.join(tables)}. "
        f"{len(varied) - len(kept)} populations most of whose values are equal, and {len(every) - len(varied)} without "
        f"variance, are left out. {simulations} samples of each; a mean of these shares has a standard error below "
        "0.005.",
    ]
    table = TextTable("All populations", columns, rows, notes)
    finish(Report("coverage", "Coverage of 95 % intervals with few images", tables=[table]), options)


if __name__ == "__main__":
    main()
