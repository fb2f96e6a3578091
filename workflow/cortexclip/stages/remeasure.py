"""Stage: what was trained by the procedures of sources -> its errors by seed and fold, and the configurations tried."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.data import dataset as datasets
from cortexclip.evaluation.metrics import METRICS, mse, pixcorr, ssim
from cortexclip.evaluation.reproduction import constant_error
from cortexclip.files import read_json
from cortexclip.log import logger
from cortexclip.runs import read_netcdf
from cortexclip.tables.read import CONFIGURATIONS, DATASETS, SCORES
from cortexclip.tables.write import write_csv

MEASURED = {"mse": mse, "pixcorr": pixcorr, "ssim": ssim}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=read_json, help="what is compared (plan.json)")
    parser.add_argument("--data", required=True, help="folder of the datasets")
    parser.add_argument("--runs", required=True, help="folder of the runs")
    parser.add_argument("--output", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan["sources"], Path(arguments.output)
    data = {name: datasets.read(Path(arguments.data) / f"{name}.nc") for name in plan["datasets"]}
    scores, configurations = [], []
    for protocol, name, method in plan["cells"]:
        folder = Path(arguments.runs) / protocol / name / method
        scores += _scores(read_netcdf(folder / "predictions.nc"), data[name], (name, protocol, method))
        configurations += _configurations(read_json(folder / "run.json"))
    write_csv(output / "remeasured.csv", pd.DataFrame(scores, columns=SCORES))
    write_csv(output / "configurations.csv", pd.DataFrame(configurations, columns=CONFIGURATIONS))
    about = [_about(name, data[name], entry) for name, entry in plan["datasets"].items()]
    write_csv(output / "source_datasets.csv", pd.DataFrame(about, columns=DATASETS))
    logger.info("remeasure: %d trainings by the procedures of sources", len(plan["cells"]))


def _scores(predictions: xr.Dataset, dataset: xr.Dataset, names: tuple[str, str, str]) -> list[dict]:
    """Mean and variance over the samples of each seed, fold and metric."""
    rows = predictions["sample"].values
    seen, folds = dataset.stimuli.values[rows], predictions.fold.values
    found = []
    for metric, function in MEASURED.items():
        for seed, images in enumerate(predictions.image.values):
            values = function(images, seen)
            for fold in np.unique(folds):
                inside = values[folds == fold]
                known = inside[np.isfinite(inside)]
                mean, variance = (known.mean(), known.var()) if len(known) else (np.nan, np.nan)
                values_of = (*names, metric, seed, fold, len(known), mean, variance)
                found.append(dict(zip(SCORES, values_of, strict=True)))
    return found


def _configurations(record: dict) -> list[dict]:
    """What each configuration of a run reached, numbered from 1 in the order of the source."""
    rows = []
    for row in record.get("grid", []) if "procedures" in record else ():
        settings = "; ".join(f"{key} {value}" for key, value in row["point"].items())
        values = (record["dataset"], record["protocol"], record["method"], row["configuration"], settings)
        values += (row["seed_index"], row["fold"], row["value"], row.get("scored_mse", np.nan), row["chosen"])
        rows.append(dict(zip(CONFIGURATIONS, values, strict=True)))
    return rows


def _about(name: str, dataset: xr.Dataset, entry: dict) -> dict:
    part = dataset.part.values
    distinct = np.unique(dataset.stimulus.values, return_index=True)[1]
    errors = constant_error(dataset.stimuli.values[distinct])
    counts = (int((part == "train").sum()), int((part == "test").sum()), len(distinct))
    return dict(zip(DATASETS, (name, entry["stands_for"], entry["brain_data"], *counts, errors.mean()), strict=True))


assert set(MEASURED) <= set(METRICS)
