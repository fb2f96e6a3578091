"""Stage: all scores -> which methods differ, which lead, and how they rank over datasets."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from cortexclip.errors import nearest
from cortexclip.evaluation.score import weigh
from cortexclip.files import read_json
from cortexclip.log import Progress, logger
from cortexclip.seeds import derive_seed
from cortexclip.tables.read import lay_out, read_scores
from cortexclip.tables.statistics import (
    COMPARED,
    LEADERS,
    STATISTICS,
    compare,
    leaders,
    ranks,
    run_name,
    statistics_tables,
)
from cortexclip.tables.write import write_csv, write_readable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=read_json, help="what is compared (plan.json)")
    parser.add_argument("--scores", required=True, help="folder of the score tables")
    parser.add_argument("--audits", required=True, help="folder of the audits")
    parser.add_argument("--reference", default="ridge", help="run that the others are compared with (%(default)s)")
    parser.add_argument("--resamples", type=int, default=2000, help="resamples of the bootstrap")
    parser.add_argument("--permutations", type=int, default=10_000, help="sign flips where not all are enumerated")
    parser.add_argument("--base-seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan, Path(arguments.output)
    audits = {name: read_json(Path(arguments.audits) / f"{name}.json") for name in plan["datasets"]}
    pairs, leading, powerless = [], [], set()
    progress = Progress("statistics", len(plan["datasets"]) * len(plan["protocols"]))
    for dataset in plan["datasets"]:
        for protocol, kind in plan["protocols"].items():
            folder = Path(arguments.scores) / protocol / dataset
            tables = [weigh(read_scores(folder / f"{name}.parquet", COMPARED), plan) for name in plan["cells"][dataset]]
            seed = derive_seed(arguments.base_seed, dataset, protocol)
            for metric in COMPARED:
                scores = lay_out(tables, metric)
                where = {"dataset": dataset, "protocol": protocol}
                found = compare(
                    scores,
                    metric,
                    reference=arguments.reference,
                    optimistic=kind["optimistic"],
                    base_seed=seed,
                    n_resamples=arguments.resamples,
                    n_permutations=arguments.permutations,
                )
                pairs.append(found.assign(**where))
                first, decidable = leaders(scores, metric, base_seed=seed, n_permutations=arguments.permutations)
                leading.append(first.assign(**where))
                if not decidable:
                    powerless.add((dataset, protocol, metric))
            progress.step(f"{dataset}, {protocol}")
    pairs = pd.concat([table for table in pairs if len(table)] or pairs[:1], ignore_index=True)[STATISTICS]
    leading = pd.concat(leading, ignore_index=True)[LEADERS]
    ranked = ranks(leading)
    names = {run_name(m, e) for m, e in zip(leading.method, leading.encoder, strict=True)}
    if arguments.reference not in names:
        logger.warning("--reference %s was not run. %s", arguments.reference, nearest(arguments.reference, names))

    write_csv(output / "statistics.csv", pairs)
    write_csv(output / "leaders.csv", leading.replace({True: "true", False: "false"}))
    write_csv(output / "ranks.csv", ranked)
    tables = statistics_tables(pairs, leading, ranked, powerless, plan, audits, arguments.reference)
    write_readable(output, "statistics", "Which methods differ", tables, plan)
    logger.info("statistics: %d pairs of methods", len(pairs))
