"""Stage: files of any researcher -> what is in them, what they would be ingested as, and whether they can be used.

Exit status: 0 usable, 2 not usable, of several files the gravest; with --strict 1 where findings are serious.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cortexclip.audit.inspection import READER, SERIOUS, USABLE, Inspection, inspect, name_of
from cortexclip.configuration.loading import load_reader
from cortexclip.configuration.schema import entry_option
from cortexclip.errors import InputError
from cortexclip.report.inspection import entry_text, report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a MATLAB, HDF5, NetCDF-4 or .npz file")
    parser.add_argument("--yaml", action="store_true", help="print the entry for datasets.yaml, and nothing else")
    parser.add_argument("--sheet", metavar="FILE.png", help="draw the stimuli on a contact sheet (one file only)")
    parser.add_argument(
        "--entry",
        default="{}",
        metavar="YAML",
        help="keys of the entry that are known, which take precedence, or a file",
    )
    parser.add_argument("--no-pictures", action="store_true", help="print no pictures in characters")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where there are serious findings")
    parser.add_argument("--seed", type=int, default=0, help="base seed of the permutations (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Inspect each file; what is wrong with one does not keep the others from being inspected."""
    if arguments.sheet and len(arguments.files) > 1:
        raise InputError("--sheet: is for one file; inspect the others by themselves.")
    given = entry_option(arguments.entry)
    worst = USABLE
    for number, file in enumerate(arguments.files):
        path, reader = Path(file), given.get("reader", READER)
        try:
            read = None if reader == READER else load_reader(name_of(path), reader)
            found = inspect(path, given, arguments.seed, read)
        except InputError as error:
            found = Inspection(path, unusable=str(error))
        if arguments.yaml:
            print(entry_text(found), end="")
        else:
            print("\n" * (number > 0) + report(found, not arguments.no_pictures))
        if arguments.sheet and found.dataset is not None:
            from cortexclip.figures.sheet import draw_stimuli, save_sheet

            save_sheet(draw_stimuli(found.dataset, f"Stimuli of {path.name}", found.guessed), arguments.sheet)
        worst = max(worst, found.status)
    return USABLE if worst == SERIOUS and not arguments.strict else worst
