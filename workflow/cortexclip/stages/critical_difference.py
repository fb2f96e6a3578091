"""Stage: the average ranks of methods over datasets -> a critical-difference diagram for each protocol."""

from __future__ import annotations

import argparse
from pathlib import Path

from cortexclip.configuration.plan import Plan
from cortexclip.figures.overview import critical_difference
from cortexclip.figures.style import save
from cortexclip.results.tables import read_table
from cortexclip.runtime.files import read_json
from cortexclip.runtime.log import logger
from cortexclip.tables.statistics import RANKS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--ranks", required=True, help="average ranks (ranks.csv)")
    parser.add_argument("--audits", required=True, help="folder of the audits")
    parser.add_argument("--output", required=True, help="folder of the figures")


def run(arguments: argparse.Namespace) -> None:
    plan = arguments.plan
    audits = {name: read_json(Path(arguments.audits) / f"{name}.json") for name in plan.datasets}
    table = read_table(arguments.ranks, RANKS)
    for protocol in plan.protocols:
        figure = critical_difference(table[table.protocol == protocol], protocol, plan, audits)
        save(figure, Path(arguments.output) / f"critical_difference.{protocol}")
    logger.info("critical_difference: %d protocols", len(plan.protocols))
