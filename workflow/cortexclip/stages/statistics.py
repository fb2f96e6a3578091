"""Stage: all scores -> which methods differ, which lead, how they rank over datasets, what each part is worth."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from cortexclip.errors import nearest
from cortexclip.evaluation.score import weigh
from cortexclip.files import read_json
from cortexclip.log import Progress, logger
from cortexclip.plan import protocols_of
from cortexclip.seeds import derive_seed
from cortexclip.tables.ablation import ABLATED, ABLATION, NOTHING, ablated, ablation_tables
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
    pairs, leading, parts, powerless = [], [], [], set()
    progress = Progress("statistics", sum(len(protocols_of(plan, dataset)) for dataset in plan["datasets"]))
    for dataset in plan["datasets"]:
        for protocol in protocols_of(plan, dataset):
            kind = plan["protocols"][protocol]
            folder = Path(arguments.scores) / protocol / dataset
            tables = [weigh(read_scores(folder / f"{name}.parquet", ABLATED), plan) for name in plan["cells"][dataset]]
            seed = derive_seed(arguments.base_seed, dataset, protocol)
            where = {"dataset": dataset, "protocol": protocol}
            options = {
                "optimistic": kind["optimistic"],
                "base_seed": seed,
                "n_resamples": arguments.resamples,
                "n_permutations": arguments.permutations,
            }
            for metric in ABLATED:
                if not any((table.metric == metric).any() for table in tables):
                    continue  # no method predicts an embedding
                scores = lay_out(tables, metric)
                parts.append(ablated(scores, metric, plan["ablations"][dataset], **options).assign(**where))
                if metric not in COMPARED:
                    continue
                pairs.append(compare(scores, metric, reference=arguments.reference, **options).assign(**where))
                first, decidable = leaders(scores, metric, base_seed=seed, n_permutations=arguments.permutations)
                leading.append(first.assign(**where))
                if not decidable:
                    powerless.add((dataset, protocol, metric))
            progress.step(f"{dataset}, {protocol}")
    pairs = pd.concat([table for table in pairs if len(table)] or pairs[:1], ignore_index=True)[STATISTICS]
    parts = pd.concat([table for table in parts if len(table)] or parts[:1], ignore_index=True)[ABLATION]
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
    write_csv(output / "ablation.csv", parts)
    tables = ablation_tables(parts, plan, audits)
    write_readable(output, "ablation", "What each part is worth", tables, plan, NOTHING)
    logger.info("statistics: %d pairs of methods, %d of them a part and its absence", len(pairs), len(parts))
