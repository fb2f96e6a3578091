"""Figure over all datasets: the error of every method with its interval, beside the control."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from cortexclip.figures.images import label_lines, label_width
from cortexclip.figures.style import (
    INK,
    MUTED,
    NORMAL,
    SMALL,
    Look,
    Page,
    PageFigure,
    dots,
    line_height,
    panels_abreast,
    plain,
    protocol_markers,
    styled,
    wrap,
)
from cortexclip.tables.render import INTERVAL, Table

Cell = tuple[str, str]
"""A dataset and a protocol, by name."""

ABREAST = 4
ROOT_FROM = 5
"""Ratio of the largest to the least mean of a panel from which its scale is the square root, that intervals be seen.

A logarithm would do for the means, but the intervals of methods that retrieve the very image reach zero.
"""
HOW_TO_READ = (
    "Mean over scored samples and seeds with its 95 % bootstrap interval over stimuli and seeds; lower is better. "
    "Scales differ between panels, and those that are not of the square root need not start at 0."
)
REFERENCE = {"color": INK, "linestyle": (0, (2.5, 1.5)), "linewidth": 0.8}


@dataclass(frozen=True)
class Row:
    """A method: its mean and interval (mean, low, high; NaN for none) in each cell."""

    look: Look
    cells: Mapping[Cell, tuple[float, float, float]] = field(default_factory=dict)


@styled
def draw_mse_by_method(
    rows: Sequence[Row],
    datasets: Mapping[str, str],
    protocols: Mapping[str, str],
    reference: Mapping[Cell, float],
    *,
    notes: Sequence[str] = (),
) -> PageFigure:
    """Mean squared error by method (rows) and dataset (panels), a marker and an interval for each protocol.

    Parameters
    ----------
    rows : from top to bottom
    datasets, protocols : titles by name, in the order of panels and of markers within a row
    reference : error of the mean image by cell, drawn as a line through the places of its protocol
    notes : sentences below the figure
    """
    page = Page()
    page.header("Mean squared error by method")
    _forest(page, rows, datasets, protocols, reference)
    page.caption(HOW_TO_READ, *notes)
    return page.finish()


@styled
def draw_main_page(
    tables: Sequence[Table],
    rows: Sequence[Row],
    datasets: Mapping[str, str],
    protocols: Mapping[str, str],
    reference: Mapping[Cell, float],
    *,
    notes: Sequence[str] = (),
) -> PageFigure:
    """The main tables and, below them, the figure of `draw_mse_by_method` on one page; parameters as there."""
    page = Page()
    page.header("Mean squared error by method")
    for table in tables:
        _write_table(page, table)
        page.skip(3)
    _forest(page, rows, datasets, protocols, reference)
    page.caption(*dict.fromkeys(note for table in tables for note in table.notes), HOW_TO_READ, *notes)
    return page.finish()


@styled
def draw_tables(title: str, tables: Sequence[Table]) -> PageFigure:
    """Tables below each other on one page, with their notes."""
    page = Page()
    page.header(title)
    for table in tables:
        _write_table(page, table)
        page.caption(*table.notes)
        page.skip(3)
    return page.finish()


def _write_table(page: Page, table: Table) -> None:
    """Add a table whose first column holds names and the others values.

    The parts of a cell, which " · " separates, or a mean and its interval, stand below each other.
    """
    names = dots(45)
    width = (page.inner - names) // (len(table.columns) - 1)
    edges = [page.margin + names + number * width for number in range(1, len(table.columns))]
    heads = [wrap(column, SMALL, width - dots(2)) for column in table.columns[1:]]

    def rule(thickness: float) -> None:
        page.line([page.margin, page.margin + page.inner], [page.y] * 2, color=INK, linewidth=thickness)
        page.skip(0.8)

    rule(0.8)
    for edge, lines in zip(edges, heads, strict=True):
        page.block(edge, page.y, [(line, SMALL, INK) for line in lines], ha="right")
    page.y += max(map(len, heads)) * line_height(SMALL) + dots(0.5)
    rule(0.5)
    for i, row in enumerate(table.rows):
        name = wrap(row[0], SMALL, names - dots(2))
        page.block(page.margin, page.y, [(line, SMALL, INK) for line in name])
        for j, (edge, cell) in enumerate(zip(edges, row[1:], strict=True), start=1):
            found = INTERVAL.fullmatch(cell)
            weight = "bold" if (i, j) in table.strong else "normal"
            for line, text in enumerate(found.groups() if found else cell.split(" · ")):
                colour = MUTED if found and line else INK
                place = page.y + line * line_height(SMALL)
                page.text(edge, place, text, SMALL, ha="right", color=colour, weight=weight if line == 0 else "normal")
        lines = max(2, len(name), *(cell.count(" · ") + 1 for cell in row))
        page.y += lines * line_height(SMALL) + dots(0.4)
    rule(0.8)


def _forest(
    page: Page,
    rows: Sequence[Row],
    datasets: Mapping[str, str],
    protocols: Mapping[str, str],
    reference: Mapping[Cell, float],
) -> None:
    """Add keys and panels."""
    page.drawn(
        {
            **row.look.columns(),
            **{"dataset": dataset, "protocol": protocol},
            **dict(
                zip(("mean", "ci_low", "ci_high"), row.cells.get((dataset, protocol), (math.nan,) * 3), strict=True)
            ),
            "mean_image": reference.get((dataset, protocol), math.nan),
        }
        for row in rows
        for dataset in datasets
        for protocol in protocols
    )
    markers = protocol_markers(list(protocols))
    legend = [
        (title, {"color": INK, "marker": markers[name], "markersize": 4, "linestyle": "-", "linewidth": 0.9})
        for name, title in protocols.items()
    ]
    if reference:
        legend.append(("Mean image (control)", REFERENCE))
    page.legend(legend)
    page.skip(1)

    labels = [label_lines(row.look, dots(46)) for row in rows]
    lane = dots(2.3)
    heights = [max(len(protocols) * lane + dots(1), len(lines) * line_height(SMALL) + dots(1.5)) for lines in labels]
    left = page.margin + label_width(labels) + dots(3)
    names, between = list(datasets), dots(4)
    abreast = panels_abreast(len(names), ABREAST)
    width = (page.width - page.margin - dots(2) - left - (abreast - 1) * between) // abreast
    for start in range(0, len(names), abreast):
        band = names[start : start + abreast]
        titles = [wrap(datasets[name], NORMAL, width) for name in band]
        top = page.y + max(map(len, titles)) * line_height(NORMAL) + dots(1)
        y = top
        for lines, height in zip(labels, heights, strict=True):
            page.block(page.margin, y + (height - len(lines) * line_height(SMALL)) // 2 - dots(0.2), lines)
            y += height
        for number, (name, lines) in enumerate(zip(band, titles, strict=True)):
            x = left + number * (width + between)
            page.block(x, top - dots(1) - len(lines) * line_height(NORMAL), [(line, NORMAL, INK) for line in lines])
            label = _panel(page.axes(x, top, width, y - top), name, rows, heights, list(protocols), reference)
            page.text(x + width / 2, y + dots(4.2), label, NORMAL, ha="center")
        page.y = y + dots(4.2) + line_height(NORMAL) + dots(2)
    page.skip(-2)


def _panel(
    axes: Axes,
    dataset: str,
    rows: Sequence[Row],
    heights: Sequence[int],
    protocols: Sequence[str],
    reference: Mapping[Cell, float],
) -> str:
    """Draw one dataset; returns the label of the axis of errors."""
    markers = protocol_markers(protocols)
    drawn, means, top = [], [], 0
    for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        if number % 2 == 0:
            axes.axhspan(top, top + height, color="#f3f3f3", linewidth=0, zorder=0)
        step = height / len(protocols)
        for place, protocol in enumerate(protocols):
            y = top + (place + 0.5) * step
            control = reference.get((dataset, protocol), math.nan)
            axes.plot([control] * 2, [y - step / 2, y + step / 2], **REFERENCE, zorder=1)
            mean, low, high = row.cells.get((dataset, protocol), (math.nan,) * 3)
            axes.plot([low, high], [y, y], color=row.look.colour, linewidth=1.1, solid_capstyle="butt", zorder=2)
            axes.plot(
                *([mean], [y]),
                marker=markers[protocol],
                markersize=4,
                color=row.look.colour,
                markeredgecolor="white",
                markeredgewidth=0.4,
                zorder=3,
            )
            drawn += [low, high]
            means += [mean, control]
        top += height
    means = [value for value in means if math.isfinite(value)]
    drawn = [value for value in [*drawn, *means] if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(drawn), max(drawn)
    margin = 0.05 * (high - low or high or 1)
    axes.set(ylim=(top, 0), yticks=[])
    root = len(means) > 0 and max(means) > ROOT_FROM * min(means)
    if root:
        axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
        axes.set_xlim(0, high + margin)
        axes.xaxis.set_major_locator(FixedLocator(root_ticks(high + margin)))
    else:
        axes.set_xlim(max(0, low - margin), high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.tick_params(axis="x", colors=MUTED)
    if not any((dataset, protocol) in row.cells for row in rows for protocol in protocols):
        axes.text(0.5, 0.5, "no scores", transform=axes.transAxes, ha="center", va="center", color=MUTED)
    axes.spines[["top", "right"]].set_visible(False)
    return "MSE, square-root scale" if root else "MSE"


def root_ticks(high: float) -> list[float]:
    """Zero and round numbers up to ``high`` that stand well apart on a square-root scale."""
    decade = math.floor(math.log10(high))
    numbers = [digit * 10.0**power for power in range(decade - 2, decade + 1) for digit in (1, 2, 5)]
    ticks: list[float] = []
    for number in reversed([0.0, *(number for number in numbers if number <= high)]):
        if not ticks or math.sqrt(ticks[-1] / high) - math.sqrt(number / high) >= 0.17:
            ticks.append(number)
    return [0.0, *(tick for tick in reversed(ticks) if math.sqrt(tick / high) >= 0.17)]
