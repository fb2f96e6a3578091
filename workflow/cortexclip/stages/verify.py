"""Stage: check results against their manifest, and say what is missing, altered or stale."""

from __future__ import annotations

import argparse
from pathlib import Path

from cortexclip.configuration.config import data_folder, locate, read_catalogue
from cortexclip.results import manifest
from cortexclip.runtime import project
from cortexclip.runtime.files import sha256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", default="results", help="the results folder (%(default)s)")
    parser.add_argument("--remove", action="store_true", help="delete altered files, so that the next run makes them")


def run(arguments: argparse.Namespace) -> int:
    results = Path(arguments.results)
    known = manifest.read(results)
    found = [*manifest.differences(results, known), *replaced(known, results.resolve().parent)]
    if found:
        print("\n".join(map(str, found)))
        if arguments.remove:
            for difference in found:
                if difference.kind == "altered":
                    (results / difference.file).unlink()
        todo = (
            "Altered files were removed; run" if arguments.remove else "With --remove, altered files are removed. Run"
        )
        print(f"\n{len(found)} differences from {results / manifest.NAME}. {todo} snakemake to make them again.")
        return 1
    print(f"{len(known['files'])} files match {results / manifest.NAME}, and the code has not changed since.")
    return 0


def replaced(known: dict, folder: Path) -> list[manifest.Difference]:
    """Data files that are not those that the results were made from."""
    changes = known["configuration"].get("overrides", {}).get("datasets", {})
    entries, data_dir = read_catalogue(project.root() / "config", "datasets", changes), data_folder({})
    found = []
    for dataset, digest in known["data"].items():
        file = entries.get(dataset, {}).get("file")
        path = file and locate(file, "data", data_dir, folder)
        if digest and path and path.is_file() and sha256(path) != digest:
            reason = "the results are from another version of this file"
            found.append(manifest.Difference("replaced", str(path), reason))
    return found
