"""Stage: all scores and the published numbers -> the comparison tables as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cortexclip.errors import InputError
from cortexclip.evaluation.quality import problems
from cortexclip.evaluation.score import combine_scores, weigh
from cortexclip.evaluation.statistics import summarise
from cortexclip.files import read_json
from cortexclip.log import logger
from cortexclip.plan import protocols_of
from cortexclip.runs import read_parquet
from cortexclip.tables.audit import audit_rows, audit_tables
from cortexclip.tables.comparison import comparison, comparison_tables, retrieval, retrieval_tables
from cortexclip.tables.write import write_csv, write_readable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=read_json, help="what is compared (plan.json)")
    parser.add_argument("--scores", required=True, help="folder of the score tables")
    parser.add_argument("--splits", required=True, help="folder of the splits")
    parser.add_argument("--audits", required=True, help="folder of the audits")
    parser.add_argument("--identification", required=True, help="folder of the identification scores")
    parser.add_argument("--resamples", type=int, default=2000, help="resamples of the bootstrap")
    parser.add_argument("--base-seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan, Path(arguments.output)
    scores = read_scores(Path(arguments.scores), Path(arguments.identification), plan)
    counts = {}
    for dataset in plan["datasets"]:
        for protocol in protocols_of(plan, dataset):
            split = read_parquet(Path(arguments.splits) / protocol / f"{dataset}.parquet")
            counts[dataset, protocol] = int((split.role == "score").sum())
    if wrong := problems(scores, plan, counts):
        raise InputError("the comparison is not whole, so no table is written. " + " ".join(wrong[:5]))
    scores = weigh(scores, plan)
    summary = summarise(scores, base_seed=arguments.base_seed, n_resamples=arguments.resamples)

    audits = {name: read_json(Path(arguments.audits) / f"{name}.json") for name in plan["datasets"]}
    write_readable(output, "audit", "Audit", audit_tables(audits, plan), plan)
    write_csv(output / "audit.csv", audit_rows(audits))
    write_csv(output / "comparison.csv", comparison(summary, plan))
    write_readable(output, "comparison", "Comparison", comparison_tables(summary, plan, audits), plan)
    retrieved = retrieval(summary, plan)
    write_csv(output / "retrieval.csv", retrieved)
    write_readable(output, "retrieval", "Retrieval", retrieval_tables(retrieved, plan, audits), plan)
    logger.info("tables: %d cells from %d scores", len(summary), len(scores))


def read_scores(folder: Path, identification: Path, plan: Mapping) -> pd.DataFrame:
    """All scores that the plan implies, as one table."""
    tables = []
    for dataset in plan["datasets"]:
        for protocol in protocols_of(plan, dataset):
            runs = plan["cells"][dataset]
            tables += [read_parquet(folder / protocol / dataset / f"{run}.parquet") for run in runs]
        if plan["judge"] is not None:
            tables.append(read_parquet(identification / plan["judge"] / f"{dataset}.parquet"))
    return combine_scores(tables)
