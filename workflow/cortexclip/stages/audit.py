"""Stage: a dataset and its splits -> what one has to know of them before believing a score."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import asdict

import pandas as pd

from cortexclip.audit.findings import are_confounded, audit_corpus, audit_dataset, audit_protocol, nearness, summary
from cortexclip.data import dataset as datasets
from cortexclip.errors import InputError, nearest
from cortexclip.priors.nearest import SHIPPED
from cortexclip.results.tables import NEARNESS, write_csv
from cortexclip.runtime.arrays import read_netcdf, read_parquet
from cortexclip.runtime.files import write_json
from cortexclip.runtime.log import logger


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
    parser.add_argument(
        "--corpus",
        nargs="?",
        default=str(SHIPPED),
        metavar="FILE",
        help="a corpus to compare (.nc), or what is known of the project's own (.parquet); "
        "without a file none is compared (default: the project's own)",
    )
    parser.add_argument("--seed", required=True, type=int, help="base seed of the permutations")
    parser.add_argument("--features", nargs="*", default=[], help="embeddings of the stimuli by the judge (.nc)")
    parser.add_argument("--nearness", help="output: similarity of scored images to the nearest trained on (.csv)")
    parser.add_argument("--output", required=True, help="the findings (.json)")


def run(arguments: argparse.Namespace) -> None:
    dataset = datasets.read(arguments.dataset)
    name = dataset.attrs["name"]
    of_dataset = audit_dataset(dataset, arguments.seed)
    findings, confounded = [("dataset", finding) for finding in of_dataset], are_confounded(of_dataset)
    features, tables = next(map(read_netcdf, arguments.features), None), []
    if arguments.corpus:
        read = read_parquet if arguments.corpus.endswith(".parquet") else read_netcdf
        findings.append(("dataset", audit_corpus(dataset, read(arguments.corpus))))
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
        near = nearness(dataset, split, features)
        tables += [table.assign(protocol=protocol, space=space) for space, table in near.items()]
        found = audit_protocol(dataset, arguments.protocols[protocol], split, confounded, near)
        findings += [(protocol, finding) for finding in found]
    write_json(
        arguments.output,
        {"dataset": name, "findings": [{"scope": scope, **asdict(finding)} for scope, finding in findings]},
    )
    if arguments.nearness:
        write_csv(arguments.nearness, pd.concat([pd.DataFrame(columns=NEARNESS), *tables])[NEARNESS])
    for severity, line in summary(name, findings):
        logger.log(logging.WARNING if severity == "serious" else logging.INFO, "%s", line)


def _named_file(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise InputError(
            f"--split {text}: expected NAME=FILE.parquet, such as holdout=results/splits/holdout/x.parquet."
        )
    return name, path
