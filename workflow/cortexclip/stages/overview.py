"""Stage: comparison and leaders -> the main table and figure, and a LaTeX document of all tables."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cortexclip.evaluation.score import NEAREST
from cortexclip.figures.overview import Row, draw_main_page, draw_mse_by_method
from cortexclip.figures.style import look_of, save, save_pdf, seeds_of, weightiest
from cortexclip.files import read_json, write_text
from cortexclip.log import logger
from cortexclip.plan import Plan
from cortexclip.results import tables as results
from cortexclip.tables.audit import notes_for
from cortexclip.tables.main import LEADERS_READ, latex_document, main_tables
from cortexclip.tables.render import latex_text
from cortexclip.tables.write import write_readable

COLUMNS = ["dataset", "protocol", "method", "encoder", "metric", "mean", "ci_low", "ci_high", "n_samples"]
CONTROL = "mean_image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--table", required=True, help="the comparison table (.csv)")
    parser.add_argument("--leaders", required=True, help="which methods lead (leaders.csv)")
    parser.add_argument("--audits", required=True, help="folder of the audits")
    parser.add_argument("--output", required=True, help="folder of the figures")
    parser.add_argument("--tables", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan = arguments.plan
    audits = {name: read_json(Path(arguments.audits) / f"{name}.json") for name in plan.datasets}
    table = read_table(arguments.table)
    shown = {
        "rows": rows_of(table, plan),
        "datasets": {name: entry["title"] for name, entry in plan.datasets.items()},
        "protocols": {
            name: entry["title"] + (" (optimistic)" if entry["optimistic"] else "")
            for name, entry in plan.protocols.items()
        },
        "reference": {(row.dataset, row.protocol): row.mean for row in table[table.method == CONTROL].itertuples()},
    }
    notes = [scored_of(table, plan), seeds_of(plan), *notes_of(plan, audits)]
    figure = draw_mse_by_method(**shown, notes=notes)
    save(figure, Path(arguments.output) / "mse_by_method")
    folder = Path(arguments.tables)
    tables = main_tables(table, results.read_table(arguments.leaders, LEADERS_READ), plan, notes)
    write_readable(folder, "main", "Main table", tables, plan)
    save_pdf(draw_main_page(tables, **shown), folder / "main.pdf")
    caption = latex_text(f"{figure.title}. {figure.caption}")
    write_text(
        folder / "document.tex", latex_document(os.path.relpath(arguments.output, folder) + "/mse_by_method", caption)
    )
    logger.info("overview: mse_by_method of %d cells", len(table))


def read_table(path: str) -> pd.DataFrame:
    """The rows of comparison.csv that hold MSE; InputError if it is missing or another table."""
    table = results.read_table(path, COLUMNS)
    return table[table.metric == "mse"]


def rows_of(table: pd.DataFrame, plan: Plan) -> list[Row]:
    """A row for each method and readout in the order of the plan."""
    rows = []
    for run in plan.runs.values():
        for method in (run.method, run.method + NEAREST):
            cells = table[(table.method == method) & (table.encoder == run.encoder)]
            if len(cells):
                values = {(c.dataset, c.protocol): (c.mean, c.ci_low, c.ci_high) for c in cells.itertuples(index=False)}
                rows.append(Row(look_of(plan, method, run.encoder), values))
    return rows


def scored_of(table: pd.DataFrame, plan: Plan) -> str:
    """How many samples are scored, by dataset, and by protocol where it matters."""
    said = []
    for name, entry in plan.datasets.items():
        rows = table[table.dataset == name].drop_duplicates("protocol")
        numbers = {plan.protocols[row.protocol].title: row.n_samples for row in rows.itertuples(index=False)}
        if len(set(numbers.values())) == 1:
            said.append(f"{entry['title']} {next(iter(numbers.values()))}")
        elif numbers:
            said.append(f"{entry['title']} " + ", ".join(f"{n} ({title})" for title, n in numbers.items()))
    return f"Scored: {'; '.join(said)}." if said else ""


def notes_of(plan: Plan, audits: Mapping[str, Mapping]) -> list[str]:
    """What must stand below the figure: caveats of protocols and datasets, and what is not there."""
    notes = [
        f"{entry['title'][:1].upper()}{entry['title'][1:]}: {entry['note']}"
        for entry in plan.protocols.values()
        if entry["optimistic"]
    ]
    for name, entry in plan.datasets.items():
        known = weightiest(notes_for(audits[name], next(iter(plan.protocols))), entry["notes"])
        known += [words] if (words := plan.without_split(name)) else []
        notes += [f"{entry['title']}: {' '.join(known)}"] if known else []
    if precision := plan.reduced_precision():
        notes.append(precision)
    if plan.unavailable:
        notes.append(f"Not available here and left out: {', '.join(plan.unavailable)}.")
    return notes
