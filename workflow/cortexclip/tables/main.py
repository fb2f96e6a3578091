"""The main table: the error of every method on every dataset and protocol, and the LaTeX document of all tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.tables.comparison import interval
from cortexclip.tables.render import LATEX_PACKAGES, NOT_MEASURED, Table

METRIC = "mse"
LEADERS_READ = ["dataset", "protocol", "metric", "method", "encoder", "leader", "rival", "tied"]
"""The columns of leaders.csv that are used here."""
MOST_COLUMNS = 6
"""Columns of numbers up to which all datasets share one table; else each has its own."""
LATEX_TABLES = ("main", "paper", "comparison", "retrieval", "statistics", "ablation", "claims", "audit", "cost", "grid")


def main_tables(comparison: pd.DataFrame, leaders: pd.DataFrame, plan: Plan, notes: Sequence[str]) -> list[Table]:
    """Mean squared error with its interval: methods in rows, datasets and protocols in columns.

    ``comparison`` are the rows of comparison.csv that hold MSE, ``leaders`` is leaders.csv; ``notes`` stand below.
    """
    found = {(row.dataset, row.protocol) for row in comparison.itertuples(index=False)}
    columns = [(d, p) for d in plan.datasets for p in plan.protocols if (d, p) in found]
    groups = [columns]
    if len(columns) > MOST_COLUMNS:
        groups = [[column for column in columns if column[0] == dataset] for dataset in plan.datasets]
    return [_table(comparison, leaders, plan, notes, group, len(groups) > 1) for group in groups if group]


def _table(
    comparison: pd.DataFrame,
    leaders: pd.DataFrame,
    plan: Plan,
    notes: Sequence[str],
    columns: Sequence[tuple[str, str]],
    of_one_dataset: bool,
) -> Table:
    cells = {(r.method, r.encoder, r.dataset, r.protocol): r for r in comparison.itertuples(index=False)}
    honest = leaders[~leaders.protocol.map(lambda name: plan.protocols[name].optimistic).astype(bool)]
    best = leading(honest)
    methods = dict.fromkeys(zip(comparison.method, comparison.encoder, strict=True))
    here = [method for method in methods if any((*method, *column) in cells for column in columns)]
    leads = [(here.index(first), j) for j, c in enumerate(columns, 1) if (first := best.get((*c, METRIC))) in here]
    words = (
        "Bold: leads and is better than the declared references by the corrected test, under a protocol that is not "
        "optimistic."
        if leads
        else "No value is bold: the corrected test does not show the leading method to be better than the declared "
        "references under any protocol that is not optimistic."
    )
    title = "Mean squared error by method"
    if of_one_dataset:
        title = f"{title}: {plan.datasets[columns[0][0]].heading}"
    return Table(
        title=title,
        label="main" if not of_one_dataset else f"main-{columns[0][0]}",
        columns=["Method", *(_heading(plan, column, of_one_dataset) for column in columns)],
        rows=[[run_name(*each), *(interval(METRIC, cells.get((*each, *c))) for c in columns)] for each in here],
        notes=["Mean [95 % interval over stimuli and seeds]; lower is better.", words, *notes],
        strong=frozenset(leads),
    )


def leading(leaders: pd.DataFrame) -> dict[tuple[str, str, str], tuple[str, str]]:
    """The method and encoder that lead a dataset, protocol and metric, where they are better than all their rivals."""
    found = {}
    for key, rows in leaders.groupby(["dataset", "protocol", "metric"], sort=False):
        first = rows[rows.leader]
        if len(first) == 1 and rows.rival.any() and not (rows.tied & rows.rival).any():
            found[key] = (first.iloc[0].method, first.iloc[0].encoder)
    return found


def _heading(plan: Plan, column: tuple[str, str], of_one_dataset: bool) -> str:
    dataset, protocol = column
    title = plan.protocols[protocol].heading
    return title if of_one_dataset else f"{dataset}, {title}"


def latex_document(figure: str = "../figures/mse_by_method", caption: str = NOT_MEASURED) -> str:
    """A LaTeX document beside the tables that shows the main table, a figure and then every table that is there.

    ``figure`` is the path of a PDF without its suffix, ``caption`` that of the figure, as LaTeX.
    """
    return "\n".join(
        [
            "% Made by cortexclip. Run: pdflatex document.tex, in this folder.",
            r"\documentclass[a4paper]{article}",
            r"\usepackage[margin=2cm]{geometry}",
            rf"\usepackage{{{','.join(LATEX_PACKAGES)}}}",
            r"\extrafloats{400}",
            r"\begin{document}",
            r"\input{main}",
            r"\begin{figure}[p]",
            r"\centering",
            rf"\includegraphics[width=\linewidth,height=0.7\textheight,keepaspectratio]{{{figure}.pdf}}",
            rf"\caption{{\footnotesize {caption}}}",
            r"\end{figure}",
            *(rf"\clearpage\IfFileExists{{{name}.tex}}{{\input{{{name}}}}}{{}}" for name in LATEX_TABLES[1:]),
            r"\end{document}",
            "",
        ]
    )
