"""Stage: all scores and the published numbers -> the comparison tables as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cortexclip.errors import InputError
from cortexclip.evaluation.quality import problems
from cortexclip.evaluation.score import combine_scores
from cortexclip.evaluation.statistics import summarise
from cortexclip.files import atomic_path, write_text
from cortexclip.log import logger
from cortexclip.runs import read_parquet
from cortexclip.schema import check, read_yaml
from cortexclip.tables.comparison import comparison, comparison_tables, retrieval, retrieval_tables
from cortexclip.tables.render import Table, latex, markdown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=json.loads, help="what is compared, as JSON")
    parser.add_argument("--scores", required=True, help="folder of the score tables")
    parser.add_argument("--published", required=True, help="published.yaml")
    parser.add_argument("--resamples", type=int, default=2000, help="resamples of the bootstrap")
    parser.add_argument("--base-seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan, Path(arguments.output)
    published = read_yaml(arguments.published)
    check(published, "published", arguments.published)
    scores = read_scores(Path(arguments.scores), plan)
    if wrong := problems(scores, plan):
        raise InputError("the comparison is not whole, so no table is written. " + " ".join(wrong[:5]))
    summary = summarise(scores, base_seed=arguments.base_seed, n_resamples=arguments.resamples)

    write_csv(output / "comparison.csv", comparison(summary, plan))
    write_readable(output, "comparison", "Comparison", comparison_tables(summary, plan, published), plan)
    retrieved = retrieval(summary, plan)
    write_csv(output / "retrieval.csv", retrieved)
    write_readable(output, "retrieval", "Retrieval", retrieval_tables(retrieved, plan), plan)
    logger.info("tables: %d cells from %d scores", len(summary), len(scores))


def read_scores(folder: Path, plan: Mapping) -> pd.DataFrame:
    """All score tables that the plan implies, as one."""
    return combine_scores(
        [
            read_parquet(folder / protocol / dataset / f"{run}.parquet")
            for protocol in plan["protocols"]
            for dataset in plan["datasets"]
            for run in plan["cells"][dataset]
        ]
    )


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table with six significant digits, so that equal results are equal bytes."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def write_readable(folder: Path, name: str, title: str, tables: Sequence[Table], plan: Mapping) -> None:
    """Write tables for reading as Markdown and LaTeX, with what was not available said at the top."""
    absent = [f"{key}: {reason}" for key, reason in plan["unavailable"].items()]
    text = [f"# {title}", ""]
    if absent:
        text += ["Not available, hence not in these tables:", "", *(f"- {line}" for line in absent), ""]
    if not tables:
        text.append("No method of this configuration has anything to show here.")
    write_text(folder / f"{name}.md", "\n".join(text) + "\n" + "\n".join(markdown(table) for table in tables))
    remarks = [f"% Not available: {' '.join(line.split())}" for line in absent]
    head = ["% Made by cortexclip. Needs the packages booktabs and graphicx.", *remarks, ""]
    write_text(folder / f"{name}.tex", "\n".join(head) + "\n" + "\n".join(latex(table) for table in tables))
