"""Stage: re-measured sources, comparison and published numbers -> the claims table and the paper's table."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from cortexclip.figures.overview import draw_tables
from cortexclip.figures.style import save_pdf
from cortexclip.files import read_json
from cortexclip.log import logger
from cortexclip.schema import check, read_yaml
from cortexclip.tables.claims import Evidence, claims, claims_csv, claims_tables
from cortexclip.tables.comparison import COMPARISON
from cortexclip.tables.paper import paper_csv, paper_tables
from cortexclip.tables.read import CONFIGURATIONS, DATASETS, SCORES, read_table
from cortexclip.tables.write import write_csv, write_readable

NOTHING = "This configuration measures none of the table's numbers."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=read_json, help="what is compared (plan.json)")
    parser.add_argument("--comparison", required=True, help="comparison.csv")
    parser.add_argument("--remeasured", required=True, help="remeasured.csv")
    parser.add_argument("--configurations", required=True, help="configurations.csv")
    parser.add_argument("--datasets", required=True, help="source_datasets.csv")
    parser.add_argument("--audits", required=True, help="folder of the audits")
    parser.add_argument("--published", required=True, help="published.yaml")
    parser.add_argument("--output", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan, Path(arguments.output)
    published = read_yaml(arguments.published)
    check(published, "published", arguments.published)
    evidence = Evidence(
        published,
        plan,
        read_table(arguments.remeasured, SCORES),
        read_table(arguments.configurations, CONFIGURATIONS),
        read_table(arguments.datasets, DATASETS),
        read_table(arguments.comparison, COMPARISON),
    )
    audits = {name: read_json(Path(arguments.audits) / f"{name}.json") for name in plan["datasets"]}
    rows = claims(evidence)
    write_csv(output / "claims.csv", claims_csv(rows))
    write_readable(output, "claims", "Claims", claims_tables(rows, evidence, audits), plan)
    write_csv(output / "paper.csv", paper_csv(rows, evidence))
    tables = paper_tables(rows, evidence)
    write_readable(output, "paper", "The published table", tables, plan, NOTHING)
    save_pdf(draw_tables("The published table, measured again", tables), output / "paper.pdf")
    counts = Counter(row.outcome for row in rows)
    logger.info("claims: %s", ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
