"""Stage: comparison, leaders and ranks -> the main table, figures over all datasets, a LaTeX document of all tables."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pandas as pd

from cortexclip.configuration.plan import Plan
from cortexclip.figures.forest import draw_main_page, draw_mse_by_method
from cortexclip.figures.overview import caveat_of, critical_difference, notes_of, rows_of, scored_of
from cortexclip.figures.style import protocol_looks, save, save_pdf, seeds_of, write_captions
from cortexclip.results import drawn
from cortexclip.results import tables as results
from cortexclip.runtime.files import read_json, write_text
from cortexclip.runtime.log import logger
from cortexclip.tables.main import LEADERS_READ, latex_document, main_tables
from cortexclip.tables.render import latex_text
from cortexclip.tables.statistics import RANKS
from cortexclip.tables.write import write_readable

COLUMNS = ["dataset", "protocol", "method", "encoder", "metric", "mean", "ci_low", "ci_high", "n_samples"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--table", required=True, help="the comparison table (.csv)")
    parser.add_argument("--leaders", required=True, help="which methods lead (leaders.csv)")
    parser.add_argument("--ranks", required=True, help="average ranks (ranks.csv)")
    parser.add_argument("--audits", required=True, help="folder of the audits")
    parser.add_argument("--output", required=True, help="folder of the figures")
    parser.add_argument("--tables", required=True, help="folder of the tables")


def run(arguments: argparse.Namespace) -> None:
    plan = arguments.plan
    audits = {name: read_json(Path(arguments.audits) / f"{name}.json") for name in plan.datasets}
    table, ranks = read_table(arguments.table), results.read_table(arguments.ranks, RANKS)
    data, looks = rows_of(table, plan)
    styles = protocol_looks(plan)
    shown = {
        "data": data,
        "looks": looks,
        "datasets": {name: entry.heading for name, entry in plan.datasets.items()},
        "protocols": {name: (kind.heading, styles[name]) for name, kind in plan.protocols.items()},
    }
    notes = [scored_of(table, plan), seeds_of(plan), *notes_of(plan, audits)]
    figure = draw_mse_by_method(**shown, notes=notes, caveat=caveat_of(plan, audits))
    save(figure, Path(arguments.output) / "mse_by_method")
    folder = Path(arguments.tables)
    tables = main_tables(table, results.read_table(arguments.leaders, LEADERS_READ), plan, notes)
    write_readable(folder, "main", "Main table", tables, plan)
    save_pdf(draw_main_page(tables, **shown), folder / "main.pdf")
    caption = latex_text(f"{figure.title}. {figure.caption}")
    write_text(
        folder / "document.tex", latex_document(os.path.relpath(arguments.output, folder) + "/mse_by_method", caption)
    )
    figures, known = {"mse_by_method": figure}, drawn.of_datasets(plan)
    for protocol in plan.protocols:
        name = f"critical_difference.{protocol}"
        if not known[name]:
            figures[name] = critical_difference(ranks[ranks.protocol == protocol], protocol, plan, audits)
            save(figures[name], Path(arguments.output) / name)
    write_captions(Path(arguments.output) / f"{drawn.CAPTIONS}.md", figures, known)
    logger.info("overview: mse_by_method of %d cells", len(table))


def read_table(path: str) -> pd.DataFrame:
    """The rows of comparison.csv that hold MSE; InputError if it is missing or another table."""
    table = results.read_table(path, COLUMNS)
    return table[table.metric == "mse"]
