"""Stage: the predictions of all methods and one image encoder -> identification in that encoder's space.

One job for a dataset, so that the encoder is loaded once.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from cortexclip.configuration.loading import load_encoder
from cortexclip.data import dataset as datasets
from cortexclip.evaluation.score import combine_scores, names_of, readouts, score_predictions
from cortexclip.results.runs import read_predictions
from cortexclip.runtime.arrays import read_netcdf, write_parquet
from cortexclip.runtime.log import Progress, logger
from cortexclip.runtime.precision import configure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--features", required=True, help="embeddings of the stimuli in the judging space (.nc)")
    parser.add_argument("--settings", required=True, type=json.loads, help="the judging encoder's module and settings")
    parser.add_argument("--predictions", required=True, nargs="+", help="predictions of all runs (.nc)")
    parser.add_argument("--output", required=True, help="tidy scores (.parquet)")


def run(arguments: argparse.Namespace) -> None:
    dataset, features = datasets.read(arguments.dataset), read_netcdf(arguments.features)
    name = dataset.attrs["name"]
    encoder = load_encoder(features.attrs["encoder"], arguments.settings)
    if "torch" in sys.modules:
        configure(arguments.threads)
    progress = Progress(f"identify {name}", len(arguments.predictions))
    tables = []
    for path in arguments.predictions:
        predictions = read_predictions(path)
        rows, names = predictions.sample.values, names_of(dataset, predictions)
        for suffix, images in readouts(predictions).items():
            embedding = encode_stack(encoder, images)
            tables.append(
                score_predictions(
                    **names | {"method": names["method"] + suffix},
                    folds=predictions.fold.values,
                    samples=rows,
                    stimuli=dataset.stimuli.values[rows],
                    stimulus_ids=dataset.stimulus.values[rows],
                    image_embeddings=embedding,
                    gallery_embeddings=features.embedding.values,
                    gallery_ids=features.stimulus.values,
                )
            )
        progress.step(path)
    write_parquet(arguments.output, combine_scores(tables))
    logger.info("identify %s: %d predictions in the space of %s", name, len(tables), features.attrs["encoder"])


def encode_stack(encoder, images: np.ndarray) -> np.ndarray:
    """Embeddings (n_seeds, n_samples, n_features) of images (n_seeds, n_samples, y, x); equal ones are encoded once."""
    flat = images.reshape(-1, *images.shape[2:]).astype(np.float32)
    _, first, inverse = np.unique(flat.reshape(len(flat), -1), axis=0, return_index=True, return_inverse=True)
    return encoder.encode(flat[first])[inverse.ravel()].reshape(*images.shape[:2], -1)
