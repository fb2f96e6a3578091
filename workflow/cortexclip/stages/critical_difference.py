"""Stage: the average ranks of methods over datasets -> a critical-difference diagram for each protocol."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from cortexclip.evaluation.metrics import METRICS
from cortexclip.figures.ranks import Ranking, draw_critical_difference
from cortexclip.figures.style import Subject, draw_words, readouts, save, seeds_of, weightiest
from cortexclip.files import read_json
from cortexclip.log import logger
from cortexclip.plan import Plan
from cortexclip.results.tables import read_table
from cortexclip.tables.audit import notes_for
from cortexclip.tables.statistics import ALPHA, COMPARED, MIN_DATASETS, RANKS, p_text


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


def critical_difference(table: pd.DataFrame, protocol: str, plan: Plan, audits: Mapping[str, Mapping]) -> Figure:
    """The diagram of the ranks under one protocol, or words where there are none."""
    kind, datasets = plan.protocols[protocol], plan.datasets
    titles = [about.title for about in datasets.values()]
    notes = [f"Optimistic protocol: {kind.note}"] if kind.optimistic else []
    notes.append(seeds_of(plan))
    for name, about in datasets.items():
        known = weightiest(notes_for(audits[name], protocol), about.notes)
        notes += [f"{about.title}: {' '.join(known)}"] if known else []
    about = Subject("; ".join(titles), kind.title, kind.optimistic, tuple(notes))
    if table.empty:
        reason = "Fewer than three methods have a mean on each of the datasets, so there is nothing to rank."
        if len(datasets) < MIN_DATASETS:
            reason = (
                f"Average ranks say something from {MIN_DATASETS} datasets on; here {_counted(len(datasets))}. Compare "
                "the methods within each dataset instead: table statistics, figure differences."
            )
        return draw_words("Average ranks over datasets", about, reason)
    rankings, every = [], readouts(plan)
    for metric, rows in table.groupby("metric", sort=False):
        first = rows.iloc[0]
        shown = first.friedman_p < ALPHA
        verdict = "some methods differ" if shown else "no difference shown between any methods, whatever the bars say"
        p_value = p_text(first.friedman_p)
        looks = [every[row.method, row.encoder] for row in rows.itertuples(index=False)]
        rankings.append(
            Ranking(
                METRICS[metric].label,
                looks,
                rows.average_rank.to_numpy(dtype=float),
                float(first.critical_difference),
                f"Friedman's test: {verdict} (p {p_value if p_value[0] == '<' else f'= {p_value}'}); "
                f"{len(rows)} methods, {first.n_datasets} datasets.",
            )
        )
    remarks = [
        "Only methods with a mean on every dataset are ranked. With few datasets the critical difference is large."
    ]
    unranked = [METRICS[metric].label for metric in COMPARED if metric not in set(table.metric)]
    if unranked:
        remarks.append(f"Not defined for enough methods on {MIN_DATASETS} datasets: {', '.join(unranked)}.")
    return draw_critical_difference(rankings, about, remarks)


def _counted(datasets: int) -> str:
    return "is one" if datasets == 1 else f"are {datasets}"
