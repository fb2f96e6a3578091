"""Stage: the predictions of all runs of a dataset and protocol, and the stimuli -> their scores and similarities."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.audit.splits import folds_of
from cortexclip.data import dataset as datasets
from cortexclip.evaluation import DRAW, NEAREST
from cortexclip.evaluation.ceiling import decoding_ceilings
from cortexclip.evaluation.retrieval import similarity_matrix
from cortexclip.evaluation.score import combine_scores, names_of, score_predictions
from cortexclip.evaluation.spurious import collapse, scored_clusters
from cortexclip.results.runs import readouts
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
    split, judge = read_parquet(arguments.split), next(map(read_netcdf, arguments.judge), None)
    tables, similarities, collapsed, ceilings = [], {}, [], []
    for path in arguments.predictions:
        predictions = read_netcdf(path)
        protocol, method, encoder = (predictions.attrs[key] for key in ("protocol", "method", "encoder"))
        name = method + (f".{encoder}" if encoder else "")
        tables.append(scored(dataset, predictions, features.get(encoder)))
        collapsed.append(collapse_of(dataset, predictions, split, judge))
        ceilings += ceilings_of(dataset, predictions, features.get(encoder))
        if "embedding" in predictions:
            similarities[name] = similarity_of(dataset, predictions, features[encoder])
        error = tables[-1].loc[(tables[-1].metric == "mse") & (tables[-1].method == method), "value"].mean()
        logger.info("evaluate %s/%s/%s: MSE %.5f over samples", protocol, dataset.attrs["name"], name, error)
    write_parquet(arguments.scores, combine_scores(tables))
    write_groups(arguments.similarity, similarities)
    write_parquet(arguments.collapse, pd.DataFrame(collapsed))
    write_parquet(arguments.ceiling, pd.DataFrame(ceilings))


def collapse_of(dataset: xr.Dataset, predictions: xr.Dataset, split: pd.DataFrame, judge: xr.Dataset | None) -> dict:
    """The row of one run in the table collapse; stimuli are clustered by the judge's embeddings, or by their pixels."""
    rows, fold = predictions.sample.values, predictions.fold.values
    stimuli, shown = dataset.stimuli.values, dataset.stimulus.values[rows]
    space = stimuli[rows].reshape(len(rows), -1) if judge is None else judge.embedding.sel(stimulus=shown).values
    cluster = scored_clusters(space, shown)
    folds = [
        (np.flatnonzero(fold == number), stimuli[trained.trained])
        for number, trained in zip(np.unique(split.fold), folds_of(split), strict=True)
    ]
    return {
        **names_of(dataset, predictions),
        **collapse(predictions.image.values, stimuli[rows], shown, cluster, folds),
        "clusters": int(cluster.max()) + 1,
        "space": "pixels" if judge is None else judge.attrs["encoder"],
    }


def ceilings_of(dataset: xr.Dataset, predictions: xr.Dataset, features: xr.Dataset | None) -> list[dict]:
    """The rows of one run in the table ceiling, of its readouts and of its embedding."""
    rows = predictions.sample.values
    stimuli, shown = dataset.stimuli.values[rows], dataset.stimulus.values[rows]
    given = [(suffix, images, stimuli, False) for suffix, images in readouts(predictions).items()]
    if features is not None and "embedding" in predictions:
        given.append(("", predictions.embedding.values, features.embedding.sel(stimulus=shown).values, True))
    about = names_of(dataset, predictions)
    return [
        {**about, "method": about["method"] + suffix, "metric": metric, **values}
        for suffix, predicted, true, embedded in given
        for metric, values in decoding_ceilings(predicted, true, shown, embedded).items()
    ]


def scored(dataset: xr.Dataset, predictions: xr.Dataset, features: xr.Dataset | None) -> pd.DataFrame:
    rows = predictions.sample.values
    images = readouts(predictions)
    return score_predictions(
        **names_of(dataset, predictions),
        folds=predictions.fold.values,
        samples=rows,
        stimuli=dataset.stimuli.values[rows],
        stimulus_ids=dataset.stimulus.values[rows],
        images=images[""],
        nearest_images=images.get(NEAREST),
        drawn_images=images.get(DRAW),
        embeddings=predictions.embedding.values if "embedding" in predictions else None,
        gallery_embeddings=None if features is None else features.embedding.values,
        gallery_ids=None if features is None else features.stimulus.values,
    )


def similarity_of(dataset: xr.Dataset, predictions: xr.Dataset, features: xr.Dataset) -> xr.Dataset:
    """Cosine similarity of every predicted embedding of a run to every distinct stimulus of the dataset.

    The variable ``similarity`` has dims (seed, sample, gallery); ``scored`` (gallery) says whether a stimulus is among
    the scored ones.
    """
    shown = dataset.stimulus.values[predictions.sample.values]
    similarity = similarity_matrix(predictions.embedding.values, features.embedding.values)
    return xr.Dataset(
        {
            "similarity": (("seed", "sample", "gallery"), similarity.astype(np.float32)),
            "scored": (("gallery",), np.isin(features.stimulus.values, shown).astype(np.int8)),
        },
        coords={
            "sample": predictions.sample.values,
            "shown": ("sample", shown),
            "fold": ("sample", predictions.fold.values),
            "gallery": features.stimulus.values,
        },
    )
