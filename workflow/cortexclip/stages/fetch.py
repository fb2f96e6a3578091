"""Stage ``fetch``: a catalogue in, the files of its entries in place, and a report of what could be had."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict

from cortexclip.data.entries import nearest, read_catalogue
from cortexclip.data.fetch import CONNECT_SECONDS, Entry, fetch_all
from cortexclip.errors import InputError
from cortexclip.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the stage."""
    parser.add_argument(
        "--datasets-file", default="config/datasets.yaml", metavar="FILE", help="catalogue: names and their entries"
    )
    parser.add_argument("--names", default="", metavar="A,B", help="only these entries (default: all with a file)")
    parser.add_argument("--destination", default="resources/data", metavar="DIR", help="where the files go")
    parser.add_argument(
        "--data-dir",
        default=os.environ.get("CORTEXCLIP_DATA") or None,
        metavar="DIR",
        help="folder that may hold the files already (default: the variable CORTEXCLIP_DATA)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=CONNECT_SECONDS,
        metavar="SECONDS",
        help="to connect (default: %(default)g)",
    )
    parser.add_argument("--strict", action="store_true", help="fail when a file is not available")
    parser.add_argument("--report", metavar="FILE.json", help="write the outcome of each entry here")


def run(arguments: argparse.Namespace) -> int:
    """Fetch the entries, print a line about each, write the report.

    Entries without a ``file`` (simulated data) need none and are left out. In the report, a name maps to status,
    reason, how, path, available, file, sha256, licence and citation.
    """
    catalogue = read_catalogue(arguments.datasets_file)
    names = [name.strip() for name in arguments.names.split(",") if name.strip()] or list(catalogue)
    for name in names:
        if name not in catalogue:
            raise InputError(
                f"--names: '{name}' is not in {arguments.datasets_file}.{nearest(name, catalogue)} "
                f"It has: {', '.join(catalogue)}."
            )
    if not arguments.timeout > 0:
        raise InputError(f"--timeout: is {arguments.timeout:g}, expected more than 0 seconds.")
    entries = {name: Entry.parse(name, catalogue[name]) for name in names if catalogue[name].get("file") is not None}
    outcomes = fetch_all(entries, arguments.destination, arguments.data_dir, arguments.timeout)
    for name, outcome in outcomes.items():
        line = f"{name}: {outcome.status}" + (f" ({outcome.reason})" if outcome.reason else f" ({outcome.path})")
        print(line + (f" {outcome.how}" if not outcome.available else ""))
    if arguments.report:
        write_json(
            arguments.report,
            {
                name: {
                    **asdict(outcome),
                    "available": outcome.available,
                    "file": entries[name].file,
                    "sha256": entries[name].sha256,
                    "licence": entries[name].licence,
                    "citation": entries[name].citation,
                }
                for name, outcome in outcomes.items()
            },
        )
    missing = [name for name, outcome in outcomes.items() if not outcome.available]
    if missing and arguments.strict:
        raise InputError(f"--strict: not available: {', '.join(missing)}. The lines above say why and how to get them.")
    return 0
