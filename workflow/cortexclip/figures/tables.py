"""Tables on a page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.transforms import Bbox

from cortexclip.figures.style import LINE_MM, MUTED, SMALL, PaperFigure, styled, wrap
from cortexclip.tables.render import Interval, Parts, Table

NAMES = 24  # characters of the first column
NUMBERS = 92  # of all others together


@styled
def draw_tables(title: str, tables: Sequence[Table]) -> PaperFigure:
    """Tables below each other on one page, with their notes."""
    figure = PaperFigure(height_of_tables(tables))
    write_tables(figure.body, tables)
    return figure.finish(title, None, pd.DataFrame(), *notes_of(tables))


def height_of_tables(tables: Sequence[Table]) -> float:
    """Height in millimetres of tables below each other."""
    return sum(sum(_lines(table)) * LINE_MM * 1.3 + 4 for table in tables)


def write_tables(part: SubFigure, tables: Sequence[Table]) -> None:
    """Fill part of a figure with tables below each other."""
    heights = [sum(_lines(table)) for table in tables]
    panels = part.subplots(len(tables), 1, squeeze=False, height_ratios=heights)
    for axes, table in zip(panels.ravel(), tables, strict=True):
        _write(axes, table)


def notes_of(tables: Sequence[Table]) -> list[str]:
    """The notes of several tables, each once."""
    return list(dict.fromkeys(note for table in tables for note in table.notes))


def _texts(table: Table) -> list[list[str]]:
    """Headings and cells in lines: an interval below its mean, as it is, and other parts below each other."""
    width = NUMBERS // max(len(table.columns) - 1, 1)

    def cell(text: str) -> str:
        parts = text.parts if isinstance(text, Parts) else (text,)
        return "\n".join(parts if isinstance(text, Interval) else [wrap(part, width) for part in parts])

    heads = [wrap(table.columns[0], NAMES), *(wrap(column, width - 1) for column in table.columns[1:])]
    return [heads, *([wrap(row[0], NAMES), *map(cell, row[1:])] for row in table.rows)]


def _lines(table: Table) -> list[int]:
    return [max(cell.count("\n") + 1 for cell in row) for row in _texts(table)]


def _write(axes: Axes, table: Table) -> None:
    """Fill a panel with a table whose first column holds names and the others values."""
    texts, n_numbers = _texts(table), max(len(table.columns) - 1, 1)
    share = NAMES / (NAMES + NUMBERS)
    axes.set_axis_off()
    drawn = axes.table(
        texts,
        colWidths=[share, *[(1 - share) / n_numbers] * n_numbers],
        bbox=Bbox([[0, 0], [1, 1]]),
        edges="horizontal",
        cellLoc="right",
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(SMALL)
    for (row, column), cell in drawn.get_celld().items():
        cell.set(height=_lines(table)[row], edgecolor=MUTED, linewidth=0.4)
        cell.PAD = 0.01
        if column == 0:
            cell.set_text_props(ha="left")
        if (row - 1, column) in table.strong:
            cell.set_text_props(weight="bold")
