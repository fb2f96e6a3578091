"""What was trained by the procedures of sources: errors by seed and fold, configurations tried, and the datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cortexclip.configuration.plan import SourceDataset
from cortexclip.evaluation.metrics import mse, pixcorr, ssim, ssim_uniform7
from cortexclip.evaluation.reproduction import constant_error
from cortexclip.evaluation.splits import shuffled_folds
from cortexclip.results.folder import Results
from cortexclip.results.tables import TABLES

MEASURED = {"mse": mse, "pixcorr": pixcorr, "ssim": ssim, "ssim_uniform7": ssim_uniform7}


def remeasured(results: Results, cells: Sequence[Sequence[str]]) -> pd.DataFrame:
    """The table remeasured.csv: mean and variance over the samples of each seed, fold and metric.

    ``cells`` are (protocol, dataset, method). Where a protocol scores in cuts, these are the folds.
    """
    rows = []
    for protocol, name, method in cells:
        predictions, dataset = results.predictions(protocol, name, method), results.dataset(name)
        seen, folds = dataset.stimuli.values[predictions["sample"].values], predictions.fold.values.copy()
        kind = results.plan.sources.protocols[protocol]
        if kind.cuts:
            for cut, (_, inside) in enumerate(shuffled_folds(len(folds), kind.cuts, kind.shuffle_seed)):
                folds[inside] = cut
        for metric, function in MEASURED.items():
            for seed, images in enumerate(predictions.image.values):
                values = function(images, seen)
                for fold in np.unique(folds):
                    inside = values[folds == fold]
                    known = inside[np.isfinite(inside)]
                    mean, variance = (known.mean(), known.var()) if len(known) else (np.nan, np.nan)
                    rows.append((name, protocol, method, metric, seed, fold, len(known), mean, variance))
    return pd.DataFrame(rows, columns=TABLES["remeasured"])


def configurations(records: Sequence[Mapping]) -> pd.DataFrame:
    """The table configurations.csv: what each configuration of a source reached, numbered from 1 in its order."""
    rows = []
    for record in records:
        for row in record.get("grid", []) if "procedures" in record else ():
            settings = "; ".join(f"{key} {value}" for key, value in row["point"].items())
            names = (record["dataset"], record["protocol"], record["method"], row["configuration"], settings)
            reached = (row["value"], row.get("scored_mse", np.nan), row["chosen"])
            rows.append((*names, row["seed_index"], row["fold"], *reached))
    return pd.DataFrame(rows, columns=TABLES["configurations"])


def source_datasets(results: Results, entries: Mapping[str, SourceDataset]) -> pd.DataFrame:
    """The table source_datasets.csv: amounts, and the error of always answering the mean of the distinct images."""
    rows = []
    for name, entry in entries.items():
        dataset = results.dataset(name)
        part = dataset.part.values
        distinct = np.unique(dataset.stimulus.values, return_index=True)[1]
        error = constant_error(dataset.stimuli.values[distinct]).mean()
        counts = (int((part == "train").sum()), int((part == "test").sum()), len(distinct))
        rows.append((name, entry.stands_for, entry.brain_data, *counts, error))
    return pd.DataFrame(rows, columns=TABLES["source_datasets"])
