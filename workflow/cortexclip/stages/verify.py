"""Stage: check results against their manifest, and say what is missing, altered or stale."""

from __future__ import annotations

import argparse
from pathlib import Path

from cortexclip.results import manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", default="results", help="the results folder (%(default)s)")
    parser.add_argument("--remove", action="store_true", help="delete altered files, so that the next run makes them")


def run(arguments: argparse.Namespace) -> int:
    results = Path(arguments.results)
    known = manifest.read(results)
    lines = manifest.differences(results, known)
    if lines:
        print("\n".join(lines))
        altered = [line.split()[1] for line in lines if line.startswith("altered")]
        if arguments.remove:
            for name in altered:
                (results / name).unlink()
        todo = (
            "Altered files were removed; run" if arguments.remove else "With --remove, altered files are removed. Run"
        )
        print(f"\n{len(lines)} differences from {results / manifest.NAME}. {todo} snakemake to make them again.")
        return 1
    print(f"{len(known['files'])} files are as {results / manifest.NAME} says, and their code has not changed since.")
    return 0
