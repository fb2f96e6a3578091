"""Stage ``simulate``: settings and a seed in, one labelled and simulated dataset out."""

from __future__ import annotations

import argparse

from cortexclip.data import dataset, simulated
from cortexclip.data.entries import attributes, parse_dataset_entry
from cortexclip.runtime.log import logger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, metavar="NAME", help="name of the dataset")
    parser.add_argument("--entry", required=True, metavar="JSON", help="its entry in datasets.yaml, as JSON text")
    parser.add_argument("--seed", required=True, type=int, metavar="N", help="base seed of the simulation")
    parser.add_argument("--output", required=True, metavar="FILE.nc", help="the labelled dataset to write")


def run(arguments: argparse.Namespace) -> int:
    entry = parse_dataset_entry(arguments.entry, arguments.dataset)
    stated = {key: value for key, value in attributes(arguments.dataset, entry).items() if value}
    made = simulated.simulate(entry.get("settings") or {}, arguments.seed, stated)
    dataset.write(made, arguments.output)
    logger.info("%s: %s", arguments.dataset, dataset.summary(made))
    return 0
