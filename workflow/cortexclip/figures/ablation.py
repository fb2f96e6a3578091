"""Figure of what each part of a method is worth: variants below the plain method that each is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from cortexclip.figures.differences import HOW_TO_READ, Column, Difference, draw_columns, write_keys
from cortexclip.figures.images import label_lines
from cortexclip.figures.rows import NAMES_MM, Rows
from cortexclip.figures.style import INK, NORMAL, SMALL, Look, Page, Subject, dots, line_height, styled, wrap


@dataclass(frozen=True)
class Group:
    """Variants of one plain method: its name, the looks of the variants, and for each metric a difference of each."""

    reference: str
    looks: Sequence[Look]
    cells: Sequence[Sequence[Difference | None]]


@styled
def draw_ablation(
    groups: Sequence[Group],
    metrics: Sequence[tuple[str, str, str]],
    about: Subject,
    remarks: Sequence[str] = (),
) -> Figure:
    """Forest plot: variants in rows, in groups by the plain method, which is at zero; metrics in columns.

    Parameters
    ----------
    groups : each with cells of shape (n_metrics, n_looks)
    metrics : label, the way of the axis, and what is written where no difference is defined
    remarks : sentences of the caption on these tests
    """
    page = Page()
    page.header("What each part is worth", about)
    labels: list = []
    heights: list[int] = []
    looks: list[Look | None] = []
    cells: list[list[Difference | None]] = [[] for _ in metrics]
    for group in groups:
        heading = [(line, NORMAL, INK) for line in wrap(f"Against {group.reference}:", NORMAL, dots(NAMES_MM))]
        names = [
            [(text, SMALL, colour) for text, _, colour in label_lines(look, dots(NAMES_MM))] for look in group.looks
        ]
        labels += [heading, *names]
        heights += [
            max(dots(4.4), sum(line_height(size) for _, size, _ in lines) + dots(1)) for lines in [heading, *names]
        ]
        looks += [None, *group.looks]
        for column, values in zip(cells, group.cells, strict=True):
            column += [None, *values]
    columns = [Column(*about_it[:2], values, about_it[2]) for about_it, values in zip(metrics, cells, strict=True)]
    write_keys(page, columns, "the plain method")
    draw_columns(page, Rows(labels, heights), looks, columns)
    page.caption(
        "Mean difference of each variant from the plain method named above it, on the same trials, with its 95 % "
        f"bootstrap interval over stimuli and seeds; both have as many seeds. {HOW_TO_READ}",
        *remarks,
        *about.notes,
    )
    return page.finish()
