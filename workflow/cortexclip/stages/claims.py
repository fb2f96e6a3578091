"""Stage: scores, published numbers and stimuli -> the claims table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from cortexclip.errors import InputError
from cortexclip.log import logger
from cortexclip.schema import check, read_yaml
from cortexclip.tables.claims import claims, claims_csv, claims_tables, constant_answer, measure
from cortexclip.tables.write import write_csv, write_readable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=json.loads, help="what is compared, as JSON")
    parser.add_argument("--scores", required=True, help="folder of the score tables")
    parser.add_argument("--published", required=True, help="published.yaml")
    parser.add_argument(
        "--stimuli",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="stimuli of a dataset whose brain data are not public; may be repeated",
    )
    parser.add_argument("--resamples", type=int, default=2000, help="resamples of the bootstrap")
    parser.add_argument("--base-seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan, Path(arguments.output)
    published = read_yaml(arguments.published)
    check(published, "published", arguments.published)
    constants = {}
    for option in arguments.stimuli:
        name, equals, folder = option.partition("=")
        if not (name and equals and folder):
            raise InputError(f"--stimuli: found '{option}', expected NAME=FOLDER.")
        constants[name] = constant_answer(folder)
        if constants[name] is None:
            logger.warning("claims: no images in %s, so no constant answer is computed for %s", folder, name)
    measured = measure(
        Path(arguments.scores),
        plan,
        published,
        left_out=constants,
        base_seed=arguments.base_seed,
        n_resamples=arguments.resamples,
    )
    rows = claims(published, measured, constants)
    write_csv(output / "claims.csv", claims_csv(rows))
    write_readable(output, "claims", "Claims", claims_tables(rows, measured, published, constants), plan)
    counts = Counter(row.outcome for row in rows)
    logger.info("claims: %s", ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
