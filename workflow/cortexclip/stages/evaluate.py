"""Stage: predictions and the stimuli -> the tidy scores of a run, and its similarity matrix."""

from __future__ import annotations

import argparse

import numpy as np
import xarray as xr

from cortexclip.data import dataset as datasets
from cortexclip.evaluation.retrieval import similarity_matrix
from cortexclip.evaluation.score import score_predictions
from cortexclip.files import atomic_path
from cortexclip.log import logger
from cortexclip.runs import read_netcdf, write_parquet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--predictions", required=True, help="predictions of a run (.nc)")
    parser.add_argument("--features", help="embeddings of the stimuli (.nc), for methods that predict one")
    parser.add_argument("--scores", required=True, help="output: tidy scores (.parquet)")
    parser.add_argument("--similarity", required=True, help="output: predicted against true embeddings (.nc)")


def run(arguments: argparse.Namespace) -> None:
    dataset = datasets.read(arguments.dataset)
    predictions = read_netcdf(arguments.predictions)
    features = read_netcdf(arguments.features) if arguments.features else None
    name = dataset.attrs["name"]
    protocol, method, encoder = (predictions.attrs[key] for key in ("protocol", "method", "encoder"))
    rows = predictions.sample.values
    stimulus = dataset.stimulus.values[rows]
    arrays = {name: predictions[name].values for name in ("nearest", "embedding") if name in predictions}
    scores = score_predictions(
        dataset=name,
        protocol=protocol,
        method=method,
        encoder=encoder or "none",
        folds=predictions.fold.values,
        samples=rows,
        stimuli=dataset.stimuli.values[rows],
        stimulus_ids=stimulus,
        images=predictions.image.values,
        nearest_images=arrays.get("nearest"),
        embeddings=arrays.get("embedding"),
        gallery_embeddings=None if features is None else features.embedding.values,
        gallery_ids=None if features is None else features.stimulus.values,
    )
    write_parquet(arguments.scores, scores)
    write_similarity(arguments.similarity, arrays.get("embedding"), rows, stimulus, predictions.fold.values, features)
    error = scores.loc[(scores.metric == "mse") & (scores.method == method), "value"].mean()
    logger.info("evaluate %s/%s/%s: MSE %.5f", protocol, name, method + (f".{encoder}" if encoder else ""), error)


def write_similarity(
    path: str,
    embedding: np.ndarray | None,
    sample: np.ndarray,
    stimulus: np.ndarray,
    fold: np.ndarray,
    features: xr.Dataset | None,
) -> None:
    """Save the cosine similarity of every predicted embedding to every distinct stimulus of the dataset.

    The variable ``similarity`` has dims (seed, sample, gallery); ``scored`` (gallery) says whether a stimulus is among
    the scored ones. For a method that predicts no embedding the file holds neither.
    """
    variables, coords = {}, {"sample": sample, "shown": ("sample", stimulus), "fold": ("sample", fold)}
    if embedding is not None:
        similarity = similarity_matrix(embedding, features.embedding.values)
        variables["similarity"] = (("seed", "sample", "gallery"), similarity.astype(np.float32))
        variables["scored"] = (("gallery",), np.isin(features.stimulus.values, stimulus).astype(np.int8))
        coords["gallery"] = features.stimulus.values
    checked = {name: {"fletcher32": True} for name in variables}
    with atomic_path(path) as temporary:
        xr.Dataset(variables, coords=coords).to_netcdf(temporary, engine="h5netcdf", encoding=checked)
