"""Stage: scores, published numbers and stimuli -> the claims table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from cortexclip.errors import InputError
from cortexclip.files import read_json
from cortexclip.log import logger
from cortexclip.schema import check, read_yaml
from cortexclip.tables.claims import claims, claims_csv, claims_tables, constant_answer, measure
from cortexclip.tables.write import write_csv, write_readable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=read_json, help="what is compared (plan.json)")
    parser.add_argument("--scores", required=True, help="folder of the score tables")
    parser.add_argument("--audits", required=True, help="folder of the audits")
    parser.add_argument("--published", required=True, help="published.yaml")
    parser.add_argument(
        "--stimuli",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="stimuli of a dataset whose brain data are not public; of several folders the first with images counts",
    )
    parser.add_argument("--resamples", type=int, default=2000, help="resamples of the bootstrap")
    parser.add_argument("--base-seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan, Path(arguments.output)
    published = read_yaml(arguments.published)
    check(published, "published", arguments.published)
    audits = {name: read_json(Path(arguments.audits) / f"{name}.json") for name in plan["datasets"]}
    constants = {}
    for option in arguments.stimuli:
        name, equals, folder = option.partition("=")
        if not (name and equals and folder):
            raise InputError(f"--stimuli: found '{option}', expected NAME=FOLDER.")
        constants[name] = constants.get(name) or constant_answer(folder)
    for name in [name for name, constant in constants.items() if constant is None]:
        logger.warning("claims: the stimuli of %s are not there, so no constant answer is computed for it", name)
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
    write_readable(output, "claims", "Claims", claims_tables(rows, measured, published, constants, audits), plan)
    counts = Counter(row.outcome for row in rows)
    logger.info("claims: %s", ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
