"""Writing result tables: CSV for scripts, Markdown and LaTeX for people, each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from cortexclip.configuration.plan import Plan
from cortexclip.results.tables import write_csv
from cortexclip.runtime.files import write_text
from cortexclip.tables.render import LATEX_PACKAGES, Table, latex, markdown

NOTHING = "No method of this configuration has anything to show here."


def write_table(
    folder: Path, plan: Plan, name: str, title: str, rows: pd.DataFrame, tables: Iterable[Table], nothing: str = NOTHING
) -> None:
    """Write a table for scripts, and the tables for reading that are made of it."""
    write_csv(folder / f"{name}.csv", rows)
    write_readable(folder, name, title, tables, plan, nothing)


def write_readable(
    folder: Path, name: str, title: str, tables: Iterable[Table], plan: Plan, nothing: str = NOTHING
) -> None:
    """Write tables for reading as Markdown and LaTeX, with what was not available named at the top.

    Without any table ``nothing`` is written, a sentence that says why there is none.
    """
    tables = list(tables)
    absent = [f"{key}: {reason}" for key, reason in plan.unavailable.items()]
    text = [f"# {title}", ""]
    if absent:
        text += ["Not available, hence not in these tables:", "", *(f"- {line}" for line in absent), ""]
    if precision := plan.reduced_precision():
        text += [precision, ""]
    if not tables:
        text.append(nothing)
    write_text(folder / f"{name}.md", "\n".join(text) + "\n" + "\n".join(markdown(table) for table in tables))
    remarks = [f"% Not available: {' '.join(line.split())}" for line in absent]
    remarks += [f"% {precision}"] if precision else []
    head = [
        f"% Made by cortexclip. Needs the packages {', '.join(LATEX_PACKAGES)}.",
        *remarks,
        *([] if tables else [f"% {nothing}"]),
        "",
    ]
    write_text(folder / f"{name}.tex", "\n".join(head) + "\n" + "\n".join(latex(table) for table in tables))
