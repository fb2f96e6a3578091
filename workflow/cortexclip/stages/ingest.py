"""Stage ``ingest``: one raw file in, one labelled dataset out."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from cortexclip.configuration.loading import load_reader
from cortexclip.data import dataset
from cortexclip.data.entries import parse_dataset_entry
from cortexclip.data.images import SMALLEST_SIDE
from cortexclip.data.reading import not_used_of
from cortexclip.errors import InputError
from cortexclip.runtime.files import sha256
from cortexclip.runtime.log import logger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, metavar="NAME", help="name of the dataset")
    parser.add_argument("--entry", required=True, metavar="JSON", help="its entry in datasets.yaml, as JSON text")
    parser.add_argument("--input", required=True, metavar="FILE", help="the raw file, or folder")
    parser.add_argument(
        "--companion", action="append", default=[], metavar="ROLE=PATH", help="where a companion of the entry is"
    )
    parser.add_argument("--output", required=True, metavar="FILE.nc", help="the labelled dataset to write")


def run(arguments: argparse.Namespace) -> int:
    """Check the raw file against its sha256, hand it to the reader that its entry names, write the dataset."""
    name = arguments.dataset
    entry = parse_dataset_entry(arguments.entry, name)
    if "companions" in entry:
        entry = entry | {"companions": _companions(arguments.companion, entry["companions"], name)}
    reader = load_reader(name, entry.get("reader"))
    path = Path(arguments.input)
    if path.is_file():  # a missing file or a folder is the reader's to report
        try:
            found = sha256(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
        expected = entry.get("sha256") or found
        if found != expected:
            raise InputError(
                f"{path}: has the sha256 {found}, expected {expected} (dataset '{name}'). It is another version of the "
                "file, or damaged: fetch it again, or change sha256 in the entry."
            )
        entry = entry | {"sha256": found}
    ingested = reader(path, name, entry)
    if dataset.has_parts(ingested) != (entry.get("parts") != "none"):
        found, remedy = ("a", "leave out") if dataset.has_parts(ingested) else ("no", "set")
        raise InputError(f"{path}: has {found} train/test split; {remedy} parts: none in the entry of '{name}'.")
    if (side := ingested.sizes["y"]) < SMALLEST_SIDE:
        raise InputError(
            f"{path}: has images of {side} x {side} pixels, expected {SMALLEST_SIDE} x {SMALLEST_SIDE} or more, which "
            "structural similarity needs. Set image_size: 28 in the entry to enlarge them."
        )
    dataset.write(ingested, arguments.output)
    logger.info("%s: %s", name, dataset.summary(ingested))
    for sentence in not_used_of(ingested):
        logger.warning("%s", sentence)
    return 0


def _companions(options: list[str], wanted: Mapping[str, str], name: str) -> dict[str, str]:
    """Where each companion of an entry is, from ROLE=PATH."""
    found = dict(option.split("=", 1) for option in options if "=" in option)
    for role, file in wanted.items():
        if role not in found or not Path(found[role]).exists():
            raise InputError(
                f"dataset '{name}': its companion '{role}' ({file}) is not there: found "
                f"{found.get(role, 'no --companion for it')}, expected --companion {role}=PATH."
            )
    return {role: found[role] for role in wanted}
