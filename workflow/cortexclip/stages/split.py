"""Stage: dataset and protocol -> which samples train, choose and are scored."""

from __future__ import annotations

import argparse
import json

import numpy as np
import xarray as xr

from cortexclip.data import dataset as datasets
from cortexclip.evaluation.splits import make_split
from cortexclip.evaluation.spurious import image_clusters
from cortexclip.runtime.arrays import read_netcdf, write_parquet
from cortexclip.runtime.log import logger
from cortexclip.runtime.seeds import derive_seed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--protocol", required=True, help="name of the protocol")
    parser.add_argument("--entry", required=True, type=json.loads, help="its entry in protocols.yaml, as JSON")
    parser.add_argument("--base-seed", required=True, type=int)
    parser.add_argument("--features", nargs="*", default=[], help="embeddings by which stimuli are clustered (.nc)")
    parser.add_argument("--output", required=True, help="table of fold, role and sample (.parquet)")


def run(arguments: argparse.Namespace) -> None:
    dataset = datasets.read(arguments.dataset, samples_only=True)
    name = dataset.attrs["name"]
    seed = derive_seed(arguments.base_seed, name, arguments.protocol, "split")
    groups = datasets.groupings(dataset)
    for features in map(read_netcdf, arguments.features):
        groups["cluster"] = clusters_of(dataset.stimulus.values, features, arguments.entry["clusters"])
    curve = arguments.entry.get("compared_with", arguments.protocol)
    share_seed = derive_seed(arguments.base_seed, name, curve, "train_share")
    split = make_split(arguments.entry, dataset.part.values, dataset.stimulus.values, seed, groups, share_seed)
    write_parquet(arguments.output, split)
    counts = split.groupby("role").size()
    logger.info(
        "split %s/%s: %d folds; %d rows to train, %d to choose, %d to score",
        arguments.protocol,
        name,
        split.fold.nunique(),
        *(counts.get(role, 0) for role in ("train", "select", "score")),
    )


def clusters_of(stimulus: np.ndarray, features: xr.Dataset, most: int) -> np.ndarray:
    """Cluster of each sample's image (n_samples,) by the embeddings of the distinct stimuli."""
    cluster = dict(zip(features.stimulus.values, image_clusters(features.embedding.values, most), strict=True))
    return np.array([cluster[name] for name in stimulus])
