"""The check that a comparison is whole: no cell missing, no score out of range, counts as planned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cortexclip.evaluation.metrics import METRICS

REQUIRED = ("mse", "pixcorr", "ssim", "ssim_uniform7", "psnr", "pairwise_identification")
REQUIRED_OF_EMBEDDINGS = ("top1_test", "top5_test", "top10_test", "top1_all", "gallery_test", "gallery_all")
ROUNDING = 1e-9


def problems(scores: pd.DataFrame, plan, scored: Mapping[tuple[str, str], int]) -> list[str]:
    """Everything that is wrong with a table of scores, a sentence each; an empty list if nothing is.

    Parameters
    ----------
    scores : tidy scores of all cells, with the columns dataset, protocol, method, encoder, fold, seed, sample, metric
        and value.
    plan : what was to be compared (`cortexclip.configuration.plan.Plan`).
    scored : number of samples that the split of a dataset and protocol scores.
    """
    found = _out_of_range(scores)
    keys = ["dataset", "protocol", "method", "encoder", "metric"]
    counts = scores.groupby(keys, observed=True, sort=False).agg(
        rows=("value", "size"), seeds=("seed", "nunique"), defined=("value", "count")
    )
    by_cell = {key: row for key, row in zip(counts.index, counts.itertuples(index=False), strict=True)}
    judged = ("clip_identification",) if plan.judge is not None else ()
    for protocol, dataset, name in plan.trainings():
        run = plan.runs[name]
        for metric in REQUIRED + judged + (REQUIRED_OF_EMBEDDINGS if run.encoder != "none" else ()):
            cell = by_cell.get((dataset, protocol, run.method, run.encoder, metric))
            where = f"{metric} of {name} on {dataset}, {protocol}"
            if cell is None:
                found.append(f"{where}: no scores.")
                continue
            if cell.seeds != run.fits:
                found.append(f"{where}: {cell.seeds} seeds, the configuration implies {run.fits}.")
            if cell.defined == 0 and metric == "mse":
                found.append(f"{where}: not a single value is defined.")
            if cell.rows != cell.seeds * scored[dataset, protocol]:
                each, expected = cell.rows / cell.seeds, scored[dataset, protocol]
                found.append(f"{where}: {each:g} samples a seed, the split scores {expected}.")
    return found


def _out_of_range(scores: pd.DataFrame) -> list[str]:
    """Metrics with values outside what their definition allows (rounding aside)."""
    found = []
    for name, group in scores.groupby("metric", observed=True, sort=False):
        if name not in METRICS:
            found.append(f"{name}: not a metric of this project.")
            continue
        values = group["value"].to_numpy()
        low, high = METRICS[name].low, METRICS[name].high
        wrong = (values < low - ROUNDING) | (values > high + ROUNDING) | np.isinf(values)
        if wrong.any():
            example = values[wrong][0]
            found.append(f"{name}: {int(wrong.sum())} values outside {low:g} to {high:g}, such as {example:g}.")
    return found
