"""Figure of differences: every method against the reference on the same trials, with interval and corrected test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cortexclip.figures.rows import Rows, room_below, room_to_say, say, scale, signed_root
from cortexclip.figures.style import INK, MUTED, NORMAL, Look, Page, Subject, dots, line_height, styled, wrap

FILLS = {"shown": "full", "not over folds": "left", "not shown": "none"}

HIDDEN = 0.05
"""Share of a panel's range below which an interval would hide behind its marker; then the scale is the root's."""


HOW_TO_READ = (
    "Filled or open says what the permutation test, corrected for all comparisons of the column, tells apart; an "
    "interval is not corrected. That no difference is shown does not mean that there is none."
)


@dataclass(frozen=True)
class Difference:
    """What the tests say of one method and the reference.

    Attributes
    ----------
    estimate, low, high : float
        Difference and its interval, positive where the method is better; NaN for none.
    verdict : str
        A key of `FILLS`: "shown" if the corrected test tells the two apart, "not over folds" if only the test over
        trials does and not the one over folds, else "not shown".
    p : str
        The corrected p value as it is written.
    """

    estimate: float
    low: float
    high: float
    verdict: str
    p: str


@dataclass(frozen=True)
class Column:
    """One metric: its label, what is subtracted from what, a difference for each row (or None), and remarks."""

    label: str
    axis: str
    cells: Sequence[Difference | None]
    undefined: str = ""


@styled
def draw_differences(
    looks: Sequence[Look], columns: Sequence[Column], reference: str, about: Subject, remarks: Sequence[str] = ()
) -> Figure:
    """Forest plot: methods in rows, metrics in columns, the reference at zero.

    Parameters
    ----------
    looks : of the rows, from top to bottom
    columns : each with a cell for every row; without any, what it says in ``undefined`` is written in their place
    reference : title of the method that the others are compared with
    remarks : sentences of the caption on these tests
    """
    page = Page()
    page.header(f"Differences from {reference}", about)
    write_keys(page, columns, reference)
    draw_columns(page, Rows.of(looks, dots(4.4)), looks, columns)
    page.caption(
        f"Mean difference from {reference} on the same trials, with its 95 % bootstrap interval over stimuli and "
        f"seeds. {HOW_TO_READ}",
        *remarks,
        *about.notes,
    )
    return page.finish()


def write_keys(page: Page, columns: Sequence[Column], reference: str) -> None:
    """Add the legend of what filled and open markers say, and of the line at zero."""
    verdicts = {cell.verdict for column in columns for cell in column.cells if cell is not None}
    keys = {
        "shown": "Told from it: Holm's corrected p below 0.05",
        "not over folds": "Corrected p below 0.05, but not shown by the test over folds",
        "not shown": "No difference shown",
    }
    page.legend(
        [
            (text, {**_style(INK, "o", verdict), "markersize": 5})
            for verdict, text in keys.items()
            if verdict != "not over folds" or verdict in verdicts
        ]
        + [(f"Zero: equal to {reference}", {"color": INK, "marker": "|", "markersize": 8, "linestyle": "none"})]
    )
    page.skip(1)


def draw_columns(page: Page, rows: Rows, looks: Sequence[Look | None], columns: Sequence[Column]) -> None:
    """Add a forest plot for each column beside the names of the rows; a row without a look holds no difference."""
    left, between, tests = page.margin + rows.width, dots(5), dots(12)
    width = (page.width - page.margin - left - (len(columns) - 1) * between) // len(columns) - tests
    defined = [any(cell is not None and math.isfinite(cell.estimate) for cell in column.cells) for column in columns]
    absent = [column.undefined for column, known in zip(columns, defined, strict=True) if not known]
    page.drawn(
        {
            **look.columns(),
            **{"metric": column.label, "difference": cell.estimate, "ci_low": cell.low, "ci_high": cell.high},
            **{"p_holm": cell.p, "verdict": cell.verdict, "of": column.axis},
        }
        for column in columns
        for look, cell in zip(looks, column.cells, strict=True)
        if look is not None and cell is not None
    )
    rows = rows.at_least(room_to_say(absent, width + tests))
    top = page.y + 2 * line_height(NORMAL) + dots(1)
    rows.write(page, top)
    more = 0
    for number, column in enumerate(columns):
        x = left + number * (width + tests + between)
        page.text(x, page.y, column.label, NORMAL)
        heading = page.y + line_height(NORMAL) + dots(0.3)
        if defined[number]:
            scaled = _forest(rows.axes(page, x, top, width), rows, looks, column.cells)
            page.text(x, heading, "\N{LEFTWARDS ARROW} worse", color=MUTED)
            page.text(x + width, heading, "better \N{RIGHTWARDS ARROW}", color=MUTED, ha="right")
            page.text(x + width + tests, heading, "p (Holm)", color=MUTED, ha="right")
            for cell, middle in zip(column.cells, rows.middles, strict=True):
                if cell is not None:
                    page.text(x + width + tests, top + middle, cell.p, ha="right", va="center_baseline")
            lines = wrap(column.axis + scaled, NORMAL, width + tests)
            for line, text in enumerate(lines):
                y = top + rows.height + dots(4.2) + line * line_height(NORMAL)
                page.text(x + width / 2, y, text, NORMAL, ha="center")
            more = max(more, len(lines) - 1)
        else:
            say(page, x, top, width + tests, rows.height, column.undefined)
    page.y = top + rows.height + room_below() + more * line_height(NORMAL)


def _style(colour: str, marker: str, verdict: str) -> dict:
    return {
        "color": colour,
        "marker": marker,
        "linestyle": "none",
        "fillstyle": FILLS[verdict],
        "markerfacecoloralt": "white",
        "markeredgecolor": colour,
        "markeredgewidth": 0.9,
    }


def _forest(axes: Axes, rows: Rows, looks: Sequence[Look | None], cells: Sequence[Difference | None]) -> str:
    """Draw one column; returns what its axis has to say of its scale."""
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    drawn, widths = [], []
    for look, cell, y in zip(looks, cells, rows.middles, strict=True):
        if cell is None or not math.isfinite(cell.estimate):
            continue
        axes.plot([cell.low, cell.high], [y, y], color=look.colour, linewidth=1.1, solid_capstyle="butt", zorder=2)
        # An open marker hides the interval behind it, so that it reads as open.
        axes.plot([cell.estimate], [y], marker=look.marker, markersize=5, color="white", linestyle="none", zorder=3)
        axes.plot([cell.estimate], [y], **_style(look.colour, look.marker, cell.verdict), markersize=5, zorder=4)
        drawn += [cell.estimate, cell.low, cell.high]
        widths.append(cell.high - cell.low)
    known = np.array([0.0, *drawn])
    if min((width for width in widths if width > 0), default=np.inf) < HIDDEN * (np.nanmax(known) - np.nanmin(known)):
        signed_root(axes, drawn)
        return ", square-root scale"
    scale(axes, drawn, [0.0])
    return ""
