"""Stage ``encode``: a dataset in, one embedding of each distinct stimulus out, for each of several encoders."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

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
    parser.add_argument(
        "--encoders",
        required=True,
        metavar="JSON",
        help="the encoders by name: module and settings of each, as JSON text",
    )
    parser.add_argument(
        "--output", required=True, metavar="FOLDER", help="where NAME.nc is written, the embeddings of each encoder"
    )


def run(arguments: argparse.Namespace) -> int:
    """Encode every distinct stimulus once by every encoder, in the order of first appearance, and write the embeddings.

    Encoders that share a model follow one another, and it is loaded once.
    """
    entries = _entries(arguments.encoders)
    stimulus, images = distinct_stimuli(dataset.read(arguments.dataset))
    progress = Progress("encode", total=len(images) * len(entries))
    clock = time.monotonic()
    for name, encoder in _loaded(entries):
        if "torch" in sys.modules:
            configure(arguments.threads)
        embedding = encoder.encode(images, progress=partial(_report, progress, f"{name}, stimuli", progress.done))
        if embedding.shape[0] != len(images) or not np.isfinite(embedding).all():
            raise InputError(
                f"encoder '{name}': gave {embedding.shape} with NaN or infinite values or another number of rows for "
                f"{len(images)} stimuli, expected one finite embedding each. Check the encoder's weights and settings."
            )
        write(Path(arguments.output) / f"{name}.nc", embedding, stimulus, name, encoder.provenance())
        seconds, clock = time.monotonic() - clock, time.monotonic()
        logger.info("%s: encoded %d distinct stimuli as %d features in %.1f s", name, *embedding.shape, seconds)
    return 0


def distinct_stimuli(data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Identities (n_stimuli,) and images float32 (n_stimuli, y, x) of a dataset, each once, by first appearance."""
    identity = data["stimulus"].values
    first = np.sort(np.unique(identity, return_index=True)[1])
    return identity[first], data["stimuli"].values[first]


def write(path: str | Path, embedding: np.ndarray, stimulus: np.ndarray, name: str, provenance: dict) -> None:
    """Write embeddings (stimulus, feature) as netCDF-4, whole or not at all."""
    content = xr.Dataset(
        {"embedding": (("stimulus", "feature"), np.asarray(embedding, np.float32), {"long_name": "image embedding"})},
        coords={"stimulus": np.asarray(stimulus, np.str_)},
        attrs={"encoder": name, "provenance": json.dumps(provenance, sort_keys=True)},
    )
    with atomic_path(path) as temporary:
        content.to_netcdf(temporary, engine="h5netcdf", encoding={"embedding": {"fletcher32": True}})


def _report(progress: Progress, what: str, before: int, done: int, _total: int) -> None:
    """Report ``done`` stimuli of an encoder; ``before`` were those of the encoders before it."""
    progress.step(what, before + done - progress.done)


def _loaded(entries: Mapping[str, Mapping]) -> Iterator[tuple[str, object]]:
    """Each encoder by its name, one after the other; those of one model, which they share, in a row."""
    order = sorted(entries, key=lambda name: (str(entries[name].get("weights")), str(entries[name].get("model"))))
    encoder = None  # stays until the next one is loaded
    for name in order:
        encoder = load_encoder(name, entries[name])
        yield name, encoder


def _entries(text: str) -> dict[str, dict]:
    """The encoders' settings by name; raises InputError for text that is not usable."""
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise InputError(f"--encoders: not valid JSON ({error}). Pass an object with the settings by name.") from error
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"--encoders: found {text}, expected a JSON object with the settings of each encoder by name.")
    for name, settings in entries.items():
        if not isinstance(settings, dict):
            raise InputError(f"encoder '{name}', --encoders: found {type(settings).__name__}, expected a JSON object.")
    return entries
