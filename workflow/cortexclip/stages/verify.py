"""Stage: check results against their manifest, and say what is missing, altered or stale."""

from __future__ import annotations

import argparse
from pathlib import Path

from cortexclip import manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", default="results", help="the results folder (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    results = Path(arguments.results)
    known = manifest.read(results)
    lines = manifest.differences(results, known)
    if lines:
        print("\n".join(lines))
        print(f"\n{len(lines)} differences from {results / manifest.NAME}; snakemake makes again what is out of date.")
        return 1
    print(f"{len(known['files'])} files are as {results / manifest.NAME} says, and their code has not changed since.")
    return 0
