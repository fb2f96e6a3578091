"""Stage ``corpus``: draws the images that glyphclip and the priors learn from, for the audit and the training."""

from __future__ import annotations

import argparse
import json

from cortexclip.errors import InputError
from cortexclip.log import logger
from cortexclip.priors import corpus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the stage."""
    parser.add_argument("--settings", default="{}", metavar="JSON", help="counts other than the default, as JSON text")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the drawing (default: 0)")
    parser.add_argument("--images", metavar="FOLDER", help="a folder of your own pictures to add")
    parser.add_argument("--output", required=True, metavar="FILE.nc", help="the corpus to write")


def run(arguments: argparse.Namespace) -> int:
    """Draw the corpus and write it."""
    try:
        settings = json.loads(arguments.settings)
    except ValueError as error:
        raise InputError(f"corpus, --settings: not valid JSON ({error}). Pass an object.") from error
    drawn = corpus.draw(settings, arguments.seed, arguments.images)
    corpus.write(drawn, arguments.output)
    logger.info("corpus: %d images, sha256 %s", drawn.sizes["image"], corpus.digest(drawn))
    return 0
