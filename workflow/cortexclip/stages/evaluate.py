"""Stage: the predictions of all runs of a dataset and protocol, and the stimuli -> their scores and similarities."""

from __future__ import annotations

import argparse

import pandas as pd

from cortexclip.audit.splits import folds_of
from cortexclip.data import dataset as datasets
from cortexclip.evaluation.ceiling import ceilings_of
from cortexclip.evaluation.score import combine_scores, scores_of, similarity_of
from cortexclip.evaluation.spurious import collapse_of
from cortexclip.results.runs import read_predictions
from cortexclip.runtime.arrays import read_netcdf, read_parquet, write_groups, write_parquet
from cortexclip.runtime.log import logger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--predictions", required=True, nargs="+", help="predictions of all runs (.nc)")
    parser.add_argument("--features", nargs="*", default=[], help="embeddings of the stimuli (.nc), one per encoder")
    parser.add_argument("--split", required=True, help="table of fold, role and sample (.parquet)")
    parser.add_argument("--judge", nargs="*", default=[], help="embeddings that stimuli are clustered by (.nc)")
    parser.add_argument("--collapse", required=True, help="output: whether predictions are a choice (.parquet)")
    parser.add_argument("--ceiling", required=True, help="output: scores beside their noise ceilings (.parquet)")
    parser.add_argument("--scores", required=True, help="output: tidy scores of all runs (.parquet)")
    parser.add_argument("--similarity", required=True, help="output: predicted against true embeddings, by run (.nc)")


def run(arguments: argparse.Namespace) -> None:
    dataset = datasets.read(arguments.dataset)
    features = {file.attrs["encoder"]: file for file in map(read_netcdf, arguments.features)}
    trained = [fold.trained for fold in folds_of(read_parquet(arguments.split))]
    judge = next(map(read_netcdf, arguments.judge), None)
    tables, similarities, collapsed, ceilings = [], {}, [], []
    for path in arguments.predictions:
        predictions = read_predictions(path)
        protocol, method, encoder = (predictions.attrs[key] for key in ("protocol", "method", "encoder"))
        name = method + (f".{encoder}" if encoder else "")
        tables.append(scores_of(dataset, predictions, features.get(encoder)))
        collapsed.append(collapse_of(dataset, predictions, trained, judge))
        ceilings += ceilings_of(dataset, predictions, features.get(encoder))
        if "embedding" in predictions:
            similarities[name] = similarity_of(dataset, predictions, features[encoder])
        error = tables[-1].loc[(tables[-1].metric == "mse") & (tables[-1].method == method), "value"].mean()
        logger.info("evaluate %s/%s/%s: MSE %.5f over samples", protocol, dataset.attrs["name"], name, error)
    write_parquet(arguments.scores, combine_scores(tables))
    write_groups(arguments.similarity, similarities)
    write_parquet(arguments.collapse, pd.DataFrame(collapsed))
    write_parquet(arguments.ceiling, pd.DataFrame(ceilings))
