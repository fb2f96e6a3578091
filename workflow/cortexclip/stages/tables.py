"""Stage: scores, records and what sources trained -> all tables, as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.configuration.schema import check, read_yaml
from cortexclip.errors import InputError, nearest
from cortexclip.evaluation.quality import problems
from cortexclip.evaluation.score import combine_scores, weigh
from cortexclip.evaluation.statistics import summarise
from cortexclip.figures.style import save_pdf
from cortexclip.figures.tables import draw_tables
from cortexclip.results.folder import Results
from cortexclip.results.tables import TABLES, read_table
from cortexclip.runtime.log import Progress, logger
from cortexclip.runtime.seeds import derive_seed
from cortexclip.tables.ablation import ABLATED, NO_PARTS, ablated, ablation_tables
from cortexclip.tables.audit import audit_rows, audit_tables
from cortexclip.tables.ceiling import ceiling_rows, ceiling_tables
from cortexclip.tables.claims import Evidence, claims, claims_csv, claims_tables
from cortexclip.tables.collapse import collapse_rows, collapse_tables
from cortexclip.tables.comparison import comparison, comparison_tables, retrieval, retrieval_tables
from cortexclip.tables.learning_curve import NOTHING as NO_CURVE
from cortexclip.tables.learning_curve import learning_curve_rows, learning_curve_tables
from cortexclip.tables.left_out import NOTHING as NOTHING_LEFT_OUT
from cortexclip.tables.left_out import left_out_rows, left_out_tables
from cortexclip.tables.paper import NO_NUMBERS, paper_csv, paper_tables
from cortexclip.tables.power import NOTHING as NO_PAIR
from cortexclip.tables.power import power_rows, power_tables
from cortexclip.tables.read import lay_out
from cortexclip.tables.records import NO_GRID, cost_rows, cost_tables, grid_rows, grid_tables
from cortexclip.tables.remeasured import configurations, remeasured, source_datasets
from cortexclip.tables.statistics import COMPARED, compare, leaders, ranks, statistics_tables
from cortexclip.tables.write import write_csv, write_readable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--results", required=True, help="the results folder")
    parser.add_argument("--published", required=True, help="published.yaml")
    parser.add_argument("--reference", help="run that the others are compared with (that with the role)")
    parser.add_argument("--resamples", type=int, default=2000, help="resamples of the bootstrap of medians")
    parser.add_argument("--permutations", type=int, default=10_000, help="sign flips where not all are enumerated")
    parser.add_argument("--base-seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    results, output = Results(arguments.results, arguments.plan), Path(arguments.output)
    published = read_yaml(arguments.published)
    check(published, "published", arguments.published)
    drawn = {"base_seed": arguments.base_seed, "n_resamples": arguments.resamples}
    scores = whole_scores(results)
    write_comparison(results, scores, output, **drawn)
    write_statistics(
        results,
        scores,
        output,
        reference=arguments.reference,
        n_permutations=arguments.permutations,
        base_seed=arguments.base_seed,
    )
    write_claims(results, published, output)
    write_records(results, output)


def whole_scores(results: Results) -> pd.DataFrame:
    """All scores that the plan implies, weighed as its protocols say; InputError if any is missing or impossible."""
    plan, tables, counts = results.plan, [], {}
    for dataset in plan.datasets:
        for protocol in plan.protocols_of(dataset):
            tables.append(results.scores(protocol, dataset))
            counts[dataset, protocol] = int((results.split(protocol, dataset).role == "score").sum())
        if plan.judge is not None:
            tables.append(results.identification(plan.judge, dataset))
    scores = combine_scores(tables)
    if wrong := problems(scores, plan, counts):
        raise InputError("the comparison is not whole, so no table is written. " + " ".join(wrong[:5]))
    return weigh(scores, plan)


def write_comparison(results: Results, scores: pd.DataFrame, output: Path, **options: int) -> None:
    """The tables audit, comparison, left_out, learning_curve, collapse, ceiling and retrieval."""
    plan, audits = results.plan, results.audits
    summary = summarise(scores, **options)
    write_readable(output, "audit", "Audit", audit_tables(audits, plan), plan)
    write_csv(output / "audit.csv", audit_rows(audits))
    compared = comparison(summary, plan)
    write_csv(output / "comparison.csv", compared)
    write_readable(output, "comparison", "Comparison", comparison_tables(summary, plan, audits), plan)
    left_out = left_out_rows(compared, plan)
    write_csv(output / "left_out.csv", left_out)
    tables = left_out_tables(left_out, plan)
    write_readable(output, "left_out", "What remains where more is left out", tables, plan, NOTHING_LEFT_OUT)
    cells = [(d, p) for d in plan.datasets for p in plan.protocols_of(d)]
    curves = learning_curve_rows(compared, {(d, p): results.split(p, d) for d, p in cells}, plan)
    write_csv(output / "learning_curve.csv", curves)
    tables = learning_curve_tables(curves, plan)
    write_readable(output, "learning_curve", "Scores by the number of training samples", tables, plan, NO_CURVE)
    ceilings = ceiling_rows([results.ceiling(p, d) for d, p in cells], plan)
    write_csv(output / "ceiling.csv", ceilings)
    write_readable(output, "ceiling", "Noise ceilings", ceiling_tables(ceilings, plan), plan)
    collapsed = collapse_rows([results.collapse(p, d) for d, p in cells])
    write_csv(output / "collapse.csv", collapsed)
    write_readable(
        output, "collapse", "More than a choice among training images", collapse_tables(collapsed, plan), plan
    )
    retrieved = retrieval(summary, plan)
    write_csv(output / "retrieval.csv", retrieved)
    write_readable(output, "retrieval", "Retrieval", retrieval_tables(retrieved, plan, audits), plan)
    logger.info("tables: %d cells from %d scores", len(summary), len(scores))


def write_statistics(
    results: Results, scores: pd.DataFrame, output: Path, *, reference: str | None, base_seed: int, **options: int
) -> None:
    """The tables statistics, leaders, ranks, power and ablation."""
    plan, audits = results.plan, results.audits
    references = list(dict.fromkeys(filter(None, [reference or plan.reference, *plan.rivals])))
    declared: dict[str, Any] = {"references": references, "comparisons": plan.comparisons}
    held_against = list(dict.fromkeys([*references[:1], *(n for n, run in plan.runs.items() if run.role == "ours")]))
    pairs, leading, parts, powers = [], [], [], []
    progress = Progress("statistics", sum(len(plan.protocols_of(dataset)) for dataset in plan.datasets))
    for dataset in plan.datasets:
        for protocol in plan.protocols_of(dataset):
            cell = scores[((scores.dataset == dataset) & (scores.protocol == protocol)).to_numpy()]
            where = {"dataset": dataset, "protocol": protocol}
            seed = derive_seed(base_seed, dataset, protocol)
            shared: dict[str, Any] = {"optimistic": plan.protocols[protocol].optimistic, "base_seed": seed, **options}
            for metric in ABLATED:
                if not (cell.metric == metric).any():
                    continue  # no method predicts an embedding
                laid = lay_out(cell, metric)
                part = ablated(laid, metric, plan.ablations[dataset], comparisons=plan.comparisons, **shared)
                parts.append(part.assign(**where))
                if metric not in COMPARED:
                    continue
                tested = compare(laid, metric, **declared, **shared)
                first = leaders(laid, metric, tested, oracles=plan.role("oracle"), **declared)
                pairs.append(tested.assign(**where))
                powers.append(power_rows(laid, metric, held_against, seed).assign(**where))
                leading.append(first.assign(**where))
            progress.step(f"{dataset}, {protocol}")
    pairs, parts = _joined(pairs, "statistics"), _joined(parts, "ablation")
    leading = pd.concat(leading, ignore_index=True)[TABLES["leaders"]]
    ranked = ranks(leading)
    names = {run_name(m, e) for m, e in zip(leading.method, leading.encoder, strict=True)}
    if reference is not None and reference not in names:
        logger.warning("--reference %s was not run. %s", reference, nearest(reference, names))
    write_csv(output / "statistics.csv", pairs)
    write_csv(output / "leaders.csv", leading.replace({True: "true", False: "false"}))
    write_csv(output / "ranks.csv", ranked)
    tables = statistics_tables(pairs, leading, ranked, plan, audits, references)
    write_readable(output, "statistics", "Which methods differ", tables, plan)
    powers = _joined(powers, "power")
    write_csv(output / "power.csv", powers)
    write_readable(output, "power", "How many images it takes", power_tables(powers, plan), plan, NO_PAIR)
    write_csv(output / "ablation.csv", parts)
    tables = ablation_tables(parts, plan, audits)
    write_readable(output, "ablation", "What each part contributes", tables, plan, NO_PARTS)
    logger.info("statistics: %d pairs of methods, %d of them a part and its absence", len(pairs), len(parts))


def _joined(tables: list[pd.DataFrame], name: str) -> pd.DataFrame:
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)[TABLES[name]]


def write_claims(results: Results, published: Mapping, output: Path) -> None:
    """What sources trained measured again, what became of each published number, and the paper's table."""
    plan, sources = results.plan, results.plan.sources
    records = [results.record(*cell) for cell in sources.cells]
    write_csv(output / "remeasured.csv", remeasured(results, sources.cells))
    write_csv(output / "configurations.csv", configurations(records))
    write_csv(output / "source_datasets.csv", source_datasets(results, sources.datasets))
    read = ("remeasured", "configurations", "source_datasets", "comparison")  # with the digits that are written
    evidence = Evidence(published, plan, *(read_table(output / f"{name}.csv", TABLES[name]) for name in read))
    rows = claims(evidence)
    write_csv(output / "claims.csv", claims_csv(rows))
    write_readable(output, "claims", "Claims", claims_tables(rows, evidence, results.audits), plan)
    write_csv(output / "paper.csv", paper_csv(rows, evidence))
    tables = paper_tables(rows, evidence)
    write_readable(output, "paper", "The published table", tables, plan, NO_NUMBERS)
    save_pdf(draw_tables("The published table, measured again", tables), output / "paper.pdf")
    counts = Counter(row.outcome for row in rows)
    logger.info("claims: %s", ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))


def write_records(results: Results, output: Path) -> None:
    """What training cost, and every grid point that was tried."""
    plan = results.plan
    records = {(d, p, run): results.record(p, d, run) for p, d, run in plan.trainings()}
    cost, grid = cost_rows(records, plan), grid_rows(records, plan)
    write_csv(output / "cost.csv", cost)
    write_readable(output, "cost", "Cost of training", cost_tables(cost, plan), plan)
    write_csv(output / "grid.csv", grid)
    write_readable(output, "grid", "Grid points", grid_tables(grid, plan), plan, NO_GRID)
    logger.info("records: %d training jobs, %d grid points", len(cost), len(grid))
