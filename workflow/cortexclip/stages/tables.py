"""Stage: scores, records and what sources trained -> all tables, as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from functools import partial
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
from cortexclip.results.tables import TABLES, read_table, write_csv
from cortexclip.runtime.log import Progress, logger
from cortexclip.runtime.seeds import derive_seed
from cortexclip.tables.ablation import ABLATED, NO_PARTS, ablated, ablation_tables
from cortexclip.tables.audit import audit_rows, audit_tables
from cortexclip.tables.ceiling import ceiling_tables
from cortexclip.tables.claims import Evidence, claims, claims_csv, claims_tables
from cortexclip.tables.collapse import collapse_tables
from cortexclip.tables.comparison import comparison, comparison_tables, ordered, retrieval, retrieval_tables
from cortexclip.tables.learning_curve import NO_CURVE, learning_curve_rows, learning_curve_tables
from cortexclip.tables.left_out import NOTHING_LEFT_OUT, left_out_rows, left_out_tables
from cortexclip.tables.paper import NO_NUMBERS, paper_csv, paper_tables
from cortexclip.tables.power import NO_PAIR, power_rows, power_tables
from cortexclip.tables.read import lay_out
from cortexclip.tables.records import NO_GRID, cost_rows, cost_tables, grid_rows, grid_tables
from cortexclip.tables.remeasured import configurations, remeasured, source_datasets
from cortexclip.tables.statistics import COMPARED, compare, leaders, ranks, statistics_tables
from cortexclip.tables.write import write_table


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
            split = results.frame("split", protocol=protocol, dataset=dataset)
            counts[dataset, protocol] = int((split.role == "score").sum())
        if plan.judge is not None:
            tables.append(results.frame("identification", judge=plan.judge, dataset=dataset))
    scores = combine_scores(tables)
    if wrong := problems(scores, plan, counts):
        raise InputError("the comparison is not whole, so no table is written. " + " ".join(wrong[:5]))
    return weigh(scores, plan)


def write_comparison(results: Results, scores: pd.DataFrame, output: Path, **options: int) -> None:
    """The tables audit, comparison, left_out, learning_curve, collapse, ceiling and retrieval."""
    plan, audits = results.plan, results.audits
    summary = summarise(scores, **options)
    compared, retrieved = comparison(summary, plan), retrieval(summary, plan)
    cells = [{"dataset": d, "protocol": p} for d in plan.datasets for p in plan.protocols_of(d)]
    splits = {(cell["dataset"], cell["protocol"]): results.frame("split", **cell) for cell in cells}
    left_out = left_out_rows(compared, plan)
    curves = learning_curve_rows(compared, splits, plan)
    ceilings = pd.concat([results.frame("ceiling", **cell) for cell in cells], ignore_index=True)
    ceilings = ordered(ceilings, plan)[TABLES["ceiling"]]
    collapsed = pd.concat([results.frame("collapse", **cell) for cell in cells], ignore_index=True)
    collapsed = collapsed[TABLES["collapse"]]
    write, of_curves = partial(write_table, output, plan), learning_curve_tables(curves, plan)
    write("audit", "Audit", audit_rows(audits), audit_tables(audits, plan))
    write("comparison", "Comparison", compared, comparison_tables(summary, plan, audits))
    tables = left_out_tables(left_out, plan)
    write("left_out", "What remains where more is left out", left_out, tables, NOTHING_LEFT_OUT)
    write("learning_curve", "Scores by the number of training samples", curves, of_curves, NO_CURVE)
    write("ceiling", "Noise ceilings", ceilings, ceiling_tables(ceilings, plan))
    write("collapse", "More than a choice among training images", collapsed, collapse_tables(collapsed, plan))
    write("retrieval", "Retrieval", retrieved, retrieval_tables(retrieved, plan, audits))
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
    write_csv(output / "leaders.csv", leading.replace({True: "true", False: "false"}))
    write_csv(output / "ranks.csv", ranked)
    write, powers = partial(write_table, output, plan), _joined(powers, "power")
    tables = statistics_tables(pairs, leading, ranked, plan, audits, references)
    write("statistics", "Which methods differ", pairs, tables)
    write("power", "How many images it takes", powers, power_tables(powers, plan), NO_PAIR)
    write("ablation", "What each part contributes", parts, ablation_tables(parts, plan, audits), NO_PARTS)
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
    write, table = partial(write_table, output, plan), paper_csv(rows, evidence)
    tables = paper_tables(table, evidence)
    write("claims", "Claims", claims_csv(rows), claims_tables(rows, evidence, results.audits))
    write("paper", "The published table", table, tables, NO_NUMBERS)
    save_pdf(draw_tables("The published table, measured again", tables), output / "paper.pdf")
    counts = Counter(row.outcome for row in rows)
    logger.info("claims: %s", ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))


def write_records(results: Results, output: Path) -> None:
    """What training cost, and every grid point that was tried."""
    plan = results.plan
    records = {(d, p, run): results.record(p, d, run) for p, d, run in plan.trainings()}
    cost, grid = cost_rows(records, plan), grid_rows(records, plan)
    write = partial(write_table, output, plan)
    write("cost", "Cost of training", cost, cost_tables(cost, plan))
    write("grid", "Grid points", grid, grid_tables(grid, plan), NO_GRID)
    logger.info("records: %d training jobs, %d grid points", len(cost), len(grid))
