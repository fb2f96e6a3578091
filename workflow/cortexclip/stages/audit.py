"""Stage: a dataset and its splits -> what one has to know of them before believing a score."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.audit.brain import (
    check_brain_range,
    check_constant_voxels,
    check_duplicated_rows,
    check_duplicated_voxels,
    check_finite,
    check_noise_ceiling,
    check_scaling,
)
from cortexclip.audit.corpus import check_corpus
from cortexclip.audit.finding import Finding
from cortexclip.audit.labels import check_classes, check_labels
from cortexclip.audit.reading import check_reading
from cortexclip.audit.signal import check_signal, check_signal_nearest
from cortexclip.audit.splits import check_folds, check_grouping, check_parts, check_selection, folds_of, held_out
from cortexclip.audit.stimuli import (
    Fold,
    check_blank_images,
    check_near,
    check_pixel_range,
    check_repeats,
    check_sample_size,
    check_seen,
)
from cortexclip.data import dataset as datasets
from cortexclip.errors import InputError, nearest
from cortexclip.files import write_json
from cortexclip.log import logger
from cortexclip.runs import read_netcdf, read_parquet
from cortexclip.seeds import derive_seed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument(
        "--split",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=FILE.parquet",
        help="a protocol's name and its split of this dataset",
    )
    parser.add_argument("--protocols", type=json.loads, default={}, help="entries of these protocols by name, as JSON")
    parser.add_argument("--corpus", metavar="FILE.nc", help="the images that priors and glyphclip learned from")
    parser.add_argument("--seed", required=True, type=int, help="base seed of the permutations")
    parser.add_argument("--output", required=True, help="the findings (.json)")


def run(arguments: argparse.Namespace) -> None:
    dataset = datasets.read(arguments.dataset)
    name = dataset.attrs["name"]
    findings = [("dataset", finding) for finding in audit_dataset(dataset, arguments.seed)]
    if arguments.corpus:
        corpus = read_netcdf(arguments.corpus)
        found = check_corpus(corpus.image.values, corpus.name.values, dataset.stimuli.values, dataset.stimulus.values)
        findings.append(("dataset", found))
    for protocol, path in map(_named_file, arguments.split):
        if protocol not in arguments.protocols:
            raise InputError(
                f"--split {protocol}={path}: no entry for this protocol in --protocols. "
                f"{nearest(protocol, arguments.protocols)}"
            )
        split = read_parquet(path)
        if int(split["sample"].max()) >= dataset.sizes["sample"]:
            raise InputError(
                f"{path}: names sample {int(split['sample'].max())}, but {arguments.dataset} has only "
                f"{dataset.sizes['sample']} samples. Delete the split and run the workflow again."
            )
        found = audit_protocol(dataset, arguments.protocols[protocol], split)
        findings += [(protocol, finding) for finding in found]
    write_json(
        arguments.output,
        {"dataset": name, "findings": [{"scope": scope, **asdict(finding)} for scope, finding in findings]},
    )
    grave: dict[str, list[str]] = {}
    for scope, finding in findings:
        if finding.severity != "info":
            grave.setdefault(f"{finding.severity}: {finding.message} {finding.meaning}", []).append(scope)
    for text, scopes in grave.items():  # one line for what holds of several scopes
        logger.info("audit %s (%s): %s", name, ", ".join(scopes), text)
    counts = pd.Series([finding.severity for _, finding in findings]).value_counts()
    logger.info(
        "audit %s: %d findings, %d serious, %d notable",
        name,
        len(findings),
        counts.get("serious", 0),
        counts.get("notable", 0),
    )


def audit_dataset(dataset: xr.Dataset, seed: int) -> list[Finding]:
    """All findings on a labelled dataset by itself; ``seed`` is the base seed of the permutations."""
    brain, images = dataset.brain.values, dataset.stimuli.values
    stimulus, label, test = dataset.stimulus.values, dataset.label.values, dataset.part.values == "test"
    name = dataset.attrs["name"]
    held = test if datasets.has_parts(dataset) else held_out(stimulus, derive_seed(seed, name, "audit", "parts"))
    finite = check_finite(brain, images)
    if finite.severity != "info":
        return [finite]  # no other check is defined on such values
    signal_seed = derive_seed(seed, name, "audit", "signal")
    if datasets.has_parts(dataset):
        canonical = [Fold(np.flatnonzero(~test), np.flatnonzero(test))]
        of_parts = [
            check_seen(canonical, stimulus, "test"),
            check_near(canonical, stimulus, images, "test"),
            check_sample_size(canonical, stimulus, "test"),
        ]
    else:
        of_parts = [check_parts(stimulus, held)]
    return [
        check_signal(brain, images, stimulus, held, signal_seed, what="test" if held is test else "held-out"),
        check_signal_nearest(brain, images, stimulus, held, signal_seed),
        *of_parts,
        *check_duplicated_rows(brain, test, stimulus),
        check_scaling(brain, held),
        check_labels(label, stimulus, images, test, derive_seed(seed, name, "audit", "labels")),
        *check_repeats(stimulus, test),
        check_classes(label, test),
        check_constant_voxels(brain[~test]),
        check_duplicated_voxels(brain),
        check_brain_range(brain),
        check_noise_ceiling(brain, stimulus),
        check_pixel_range(images),
        check_blank_images(images, stimulus),
        *check_reading(dataset.attrs.get("reading")),
        finite,
    ]


def audit_protocol(dataset: xr.Dataset, protocol: Mapping, split: pd.DataFrame) -> list[Finding]:
    """All findings on a split (columns fold, role, sample) of a dataset by a protocol, given by its entry."""
    stimulus, images = dataset.stimulus.values, dataset.stimuli.values
    folds = folds_of(split)
    what = "test" if protocol["over"] == "canonical" else "scored"
    promised = protocol.get("group_by") == "stimulus" and protocol["over"] != "canonical"
    return [
        check_selection(split, stimulus),
        check_seen(folds, stimulus, what, promised),
        check_near(folds, stimulus, images, what),
        check_grouping(protocol, stimulus, split),
        check_sample_size(folds, stimulus, what),
        check_folds(split, stimulus),
    ]


def _named_file(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise InputError(
            f"--split {text}: expected NAME=FILE.parquet, such as holdout=results/splits/holdout/x.parquet."
        )
    return name, path
