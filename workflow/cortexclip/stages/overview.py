"""Stage: comparison and leaders -> the main table and figure, and a LaTeX document of all tables."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cortexclip.figures.forest import OVERVIEW, draw_main_page, draw_mse_by_method
from cortexclip.figures.style import (
    Look,
    protocol_looks,
    readouts,
    save,
    save_pdf,
    seeds_of,
    weightiest,
)
from cortexclip.files import read_json, write_text
from cortexclip.log import logger
from cortexclip.plan import Plan
from cortexclip.results import tables as results
from cortexclip.tables.audit import notes_for
from cortexclip.tables.main import LEADERS_READ, latex_document, main_tables
from cortexclip.tables.render import latex_text
from cortexclip.tables.write import write_readable

COLUMNS = ["dataset", "protocol", "method", "encoder", "metric", "mean", "ci_low", "ci_high", "n_samples"]


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
    data, looks = rows_of(table, plan)
    styles = protocol_looks(plan)
    shown = {
        "data": data,
        "looks": looks,
        "datasets": {name: entry.title for name, entry in plan.datasets.items()},
        "protocols": {name: (kind.heading, styles[name]) for name, kind in plan.protocols.items()},
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


def rows_of(table: pd.DataFrame, plan: Plan) -> tuple[pd.DataFrame, list[Look]]:
    """Means by method and readout in the order of the plan, NaN where there is none, and the looks of the rows."""
    values = {
        (row.method, row.encoder, row.dataset, row.protocol): (row.mean, row.ci_low, row.ci_high)
        for row in table.itertuples(index=False)
    }
    scored = set(zip(table.method, table.encoder, strict=True))
    looks = {method: look for method, look in readouts(plan).items() if method in scored}
    nothing, control = (math.nan,) * 3, next(iter(plan.role("mean")), None)
    rows = [
        (
            *look.columns().values(),
            *(dataset, protocol),
            *values.get((*method, dataset, protocol), nothing),
            values.get((control, "none", dataset, protocol), nothing)[0],
            row,
        )
        for row, (method, look) in enumerate(looks.items())
        for dataset in plan.datasets
        for protocol in plan.protocols
    ]
    return pd.DataFrame(rows, columns=[*OVERVIEW, "row"]), list(looks.values())


def scored_of(table: pd.DataFrame, plan: Plan) -> str:
    """How many samples are scored, by dataset, and by protocol where it matters."""
    amounts = []
    for name, entry in plan.datasets.items():
        rows = table[table.dataset == name].drop_duplicates("protocol")
        numbers = {plan.protocols[row.protocol].title: row.n_samples for row in rows.itertuples(index=False)}
        if len(set(numbers.values())) == 1:
            amounts.append(f"{entry.title} {next(iter(numbers.values()))}")
        elif numbers:
            amounts.append(f"{entry.title} " + ", ".join(f"{n} ({title})" for title, n in numbers.items()))
    return f"Scored: {'; '.join(amounts)}." if amounts else ""


def notes_of(plan: Plan, audits: Mapping[str, Mapping]) -> list[str]:
    """What must stand below the figure: caveats of protocols and datasets, and what is not there."""
    notes = [
        f"{kind.title[:1].upper()}{kind.title[1:]}: {kind.note}" for kind in plan.protocols.values() if kind.optimistic
    ]
    for name, entry in plan.datasets.items():
        known = weightiest(notes_for(audits[name], next(iter(plan.protocols))), entry.notes)
        known += [words] if (words := plan.without_split(name)) else []
        notes += [f"{entry.title}: {' '.join(known)}"] if known else []
    if precision := plan.reduced_precision():
        notes.append(precision)
    if plan.unavailable:
        notes.append(f"Not available here and left out: {', '.join(plan.unavailable)}.")
    return notes
