"""Stage ``corpus``: draws the images that the priors learn from, and finds which are most like known stimuli."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from cortexclip.data import dataset, simulated
from cortexclip.data.dataset import stimulus_identity
from cortexclip.features.embeddings import distinct_stimuli
from cortexclip.priors import corpus, nearest
from cortexclip.runtime.arrays import write_parquet
from cortexclip.runtime.files import json_object
from cortexclip.runtime.log import logger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", default="{}", metavar="JSON", help="counts other than the default, as JSON text")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the drawing (default: 0)")
    parser.add_argument("--images", nargs="?", metavar="FOLDER", help="a folder of your own pictures to add")
    parser.add_argument("--output", required=True, metavar="FILE.nc", help="the corpus to write")
    parser.add_argument("--nearest", metavar="FILE.parquet", help="write which image is most like each stimulus")
    parser.add_argument(
        "--stimuli", nargs="*", default=[], metavar="FILE.nc", help="datasets to compare, besides simulated digits"
    )


def run(arguments: argparse.Namespace) -> int:
    drawn = corpus.draw(json_object(arguments.settings, "corpus, --settings"), arguments.seed, arguments.images)
    corpus.write(drawn, arguments.output)
    logger.info("corpus: %d images, sha256 %s", drawn.sizes["image"], corpus.digest(drawn))
    if arguments.nearest:
        digits = simulated.enlarged(simulated.handwritten_digits()[0], corpus.SIZE).astype("float32")
        sets = [(np.array([stimulus_identity(image) for image in digits]), digits)]
        sets += [distinct_stimuli(dataset.read(path)) for path in arguments.stimuli]
        table = pd.concat([nearest.compared(drawn, *stimuli) for stimuli in sets]).drop_duplicates("stimulus")
        table.attrs = {"images": drawn.sizes["image"], "sha256": corpus.digest(drawn)}
        write_parquet(arguments.nearest, table)
        logger.info("corpus: compared with %d stimuli", len(table))
    return 0
