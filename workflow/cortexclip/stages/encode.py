"""Stage ``encode``: a dataset in, one embedding of each distinct stimulus out."""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import xarray as xr

from cortexclip.data import dataset
from cortexclip.errors import InputError
from cortexclip.files import atomic_path
from cortexclip.loading import load_encoder
from cortexclip.log import Progress, logger
from cortexclip.precision import configure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the stage."""
    parser.add_argument("--dataset", required=True, metavar="FILE.nc", help="the labelled dataset")
    parser.add_argument("--encoder", required=True, metavar="NAME", help="name of the encoder")
    parser.add_argument(
        "--settings", required=True, metavar="JSON", help="module of the encoder and its settings, as JSON text"
    )
    parser.add_argument("--output", required=True, metavar="FILE.nc", help="the embeddings to write")


def run(arguments: argparse.Namespace) -> int:
    """Encode every distinct stimulus once, in the order of first appearance, and write the embeddings."""
    started = time.monotonic()
    name = arguments.encoder
    encoder = _encoder(name, arguments.settings)
    if "torch" in sys.modules:
        configure(arguments.threads)
    stimulus, images = distinct_stimuli(dataset.read(arguments.dataset))
    progress = Progress(f"encode {name}", total=len(images))
    embedding = encoder.encode(images, progress=lambda done, total: progress.step("stimuli", done - progress.done))
    if embedding.shape[0] != len(images) or not np.isfinite(embedding).all():
        raise InputError(
            f"encoder '{name}': gave {embedding.shape} with NaN or infinite values or another number of rows for "
            f"{len(images)} stimuli, expected one finite embedding each. Check the encoder's weights and settings."
        )
    write(arguments.output, embedding, stimulus, name, encoder.provenance())
    logger.info(
        "%s: encoded %d distinct stimuli as %d features in %.1f s", name, *embedding.shape, time.monotonic() - started
    )
    return 0


def distinct_stimuli(data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Identities (n_stimuli,) and images float32 (n_stimuli, y, x) of a dataset, each once, by first appearance."""
    identity = data["stimulus"].values
    first = np.sort(np.unique(identity, return_index=True)[1])
    return identity[first], data["stimuli"].values[first]


def write(path: str, embedding: np.ndarray, stimulus: np.ndarray, name: str, provenance: dict) -> None:
    """Write embeddings (stimulus, feature) as netCDF-4, whole or not at all."""
    content = xr.Dataset(
        {"embedding": (("stimulus", "feature"), np.asarray(embedding, np.float32), {"long_name": "image embedding"})},
        coords={"stimulus": np.asarray(stimulus, np.str_)},
        attrs={"encoder": name, "provenance": json.dumps(provenance, sort_keys=True)},
    )
    with atomic_path(path) as temporary:
        content.to_netcdf(temporary, engine="h5netcdf", encoding={"embedding": {"fletcher32": True}})


def _encoder(name: str, text: str):
    """The encoder that the settings describe; raises InputError for text that is not usable."""
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise InputError(
            f"encoder '{name}', --settings: not valid JSON ({error}). Pass an object with a module."
        ) from error
    if not isinstance(settings, dict):
        raise InputError(f"encoder '{name}', --settings: found {type(settings).__name__}, expected a JSON object.")
    return load_encoder(name, settings)
