"""Stage ``encode``: a dataset in, one embedding of each distinct stimulus out, for each of several encoders."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from cortexclip.configuration.loading import load_encoder
from cortexclip.data import dataset
from cortexclip.errors import InputError
from cortexclip.features import embeddings
from cortexclip.runtime.files import json_object
from cortexclip.runtime.log import Progress, logger
from cortexclip.runtime.precision import configure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, metavar="FILE.nc", help="the labelled dataset")
    parser.add_argument(
        "--encoders", required=True, metavar="JSON", help="the encoders by name: module and settings of each, as JSON"
    )
    parser.add_argument(
        "--output", required=True, metavar="FOLDER", help="where NAME.nc is written, the embeddings of each encoder"
    )


def run(arguments: argparse.Namespace) -> int:
    """Encode every distinct stimulus once by every encoder, in the order of first appearance, and write the embeddings.

    Encoders that share a model follow one another, and it is loaded once.
    """
    entries = json_object(arguments.encoders, "--encoders")
    if not entries:
        raise InputError("--encoders: names no encoder, expected the settings of each by name.")
    for name, settings in entries.items():
        if not isinstance(settings, dict):
            raise InputError(f"encoder '{name}', --encoders: found {type(settings).__name__}, expected a JSON object.")
    stimulus, images = embeddings.distinct_stimuli(dataset.read(arguments.dataset))
    progress = Progress("encode", total=len(images) * len(entries))
    clock = time.monotonic()
    for name in sorted(entries, key=lambda name: (str(entries[name].get("weights")), str(entries[name].get("model")))):
        encoder = load_encoder(name, entries[name])  # the one before is held until now, so that its model can be shared
        if "torch" in sys.modules:
            configure(arguments.threads)
        embedding = embeddings.embed(encoder, name, images, partial(_report, progress, name, progress.done))
        path = Path(arguments.output) / f"{name}.nc"
        embeddings.write(path, embedding, stimulus, name, encoder.provenance())
        seconds, clock = time.monotonic() - clock, time.monotonic()
        logger.info("%s: encoded %d distinct stimuli as %d features in %.1f s", name, *embedding.shape, seconds)
    return 0


def _report(progress: Progress, encoder: str, before: int, done: int, _total: int) -> None:
    """Report ``done`` stimuli of an encoder; ``before`` were those of the encoders before it."""
    progress.step(f"{encoder}, stimuli", before + done - progress.done)
