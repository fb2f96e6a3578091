"""Critical-difference diagram: average ranks of methods over datasets, and which of them cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from cortexclip.evaluation.statistics import groups_not_different
from cortexclip.figures.style import INK, MUTED, NORMAL, SMALL, Look, Page, Subject, dots, line_height, styled, wrap

NAMES_MM = 58
STEP = dots(1.5)
"""Distance of two bars that join methods."""


@dataclass(frozen=True)
class Ranking:
    """Average ranks on one metric, 1 for the leading method.

    Attributes
    ----------
    label : of the metric
    looks : of the methods
    ranks : array of shape (n_methods,)
    critical_difference : float
        Methods differ if their ranks are at least this far apart (Nemenyi, 0.05).
    friedman : what Friedman's test says, in words
    """

    label: str
    looks: Sequence[Look]
    ranks: np.ndarray
    critical_difference: float
    friedman: str


@styled
def draw_critical_difference(rankings: Sequence[Ranking], about: Subject, remarks: Sequence[str] = ()) -> Figure:
    """One diagram after Demsar (2006) for each metric, below each other."""
    page = Page()
    page.header("Average ranks over datasets", about)
    for number, ranking in enumerate(rankings):
        page.skip(3 if number else 0)
        _diagram(page, ranking)
    page.caption(
        "Rank 1 leads. A thick bar joins methods whose average ranks are less than the critical difference (CD) apart: "
        "these are not told apart (Nemenyi's test, level 0.05; Demsar 2006).",
        *remarks,
        *about.notes,
    )
    return page.finish()


def _diagram(page: Page, ranking: Ranking) -> None:
    page.paragraph(ranking.label, NORMAL)
    page.paragraph(ranking.friedman, SMALL, MUTED)
    page.drawn(
        {
            **look.columns(),
            **{"metric": ranking.label, "average_rank": rank},
            **{"critical_difference": ranking.critical_difference, "friedman": ranking.friedman},
        }
        for look, rank in zip(ranking.looks, ranking.ranks, strict=True)
    )
    page.skip(1)
    order = np.argsort(ranking.ranks, kind="stable")
    names = {m: wrap(f"{ranking.looks[m].label} {ranking.ranks[m]:.2f}", SMALL, dots(NAMES_MM)) for m in order}
    half = (len(order) + 1) // 2
    sides = [order[:half], order[: half - 1 : -1]]  # from the top down, so that no two lines cross
    left, right = page.margin + dots(NAMES_MM) + dots(6), page.width - page.margin - dots(NAMES_MM) - dots(6)
    n = len(order)

    def place(rank: float) -> float:
        return left + (right - left) * (rank - 1) / (n - 1)

    top = page.y
    axis = top + line_height(SMALL) + dots(3) + line_height(SMALL) + dots(2)
    groups = groups_not_different(ranking.ranks, ranking.critical_difference)
    below = axis + dots(2) + len(groups) * STEP + dots(0.5)
    heights = [[max(len(names[m]) * line_height(SMALL), dots(2.4)) + dots(1) for m in side] for side in sides]
    height = below + max(map(sum, heights)) - top
    axes = page.canvas(0, top, page.width, height)

    def line(x: Sequence[float], y: Sequence[float], **style) -> None:
        axes.plot(x, np.asarray(y) - top, **{"color": INK, "linewidth": 0.7, "clip_on": False, **style})

    cd, end = top + line_height(SMALL) + dots(1), place(1 + ranking.critical_difference)
    page.text((left + end) / 2, top, f"CD = {ranking.critical_difference:.2f}", ha="center")
    line([left, end], [cd, cd])
    for x in (left, end):
        line([x, x], [cd - dots(0.7), cd + dots(0.7)])
    line([place(1), place(n)], [axis, axis], solid_capstyle="projecting")
    step = 1 if n <= 13 else 2 if n <= 26 else 5
    for rank in range(1, n + 1):
        line([place(rank)] * 2, [axis - dots(1 if (rank - 1) % step == 0 else 0.5), axis])
        if (rank - 1) % step == 0:
            page.text(place(rank), axis - dots(1.2), str(rank), ha="center", va="bottom", color=MUTED)
    for number, group in enumerate(groups):
        y = axis + dots(2) + number * STEP
        ends = [place(ranking.ranks[group[0]]) - dots(0.7), place(ranking.ranks[group[-1]]) + dots(0.7)]
        line(ends, [y, y], linewidth=2.4, solid_capstyle="butt", color=MUTED)
    for which, (side, steps) in enumerate(zip(sides, heights, strict=True)):
        edge, sign, ha = (left - dots(4), -1, "right") if which == 0 else (right + dots(4), 1, "left")
        y = below
        for method, tall in zip(side, steps, strict=True):
            look, x, middle = ranking.looks[method], place(ranking.ranks[method]), y + tall / 2
            line([x, x, edge], [axis, middle, middle], color=look.colour, solid_joinstyle="miter")
            line([edge], [middle], color=look.colour, marker=look.marker, markersize=4.5, markeredgewidth=0)
            start = middle - len(names[method]) * line_height(SMALL) / 2
            for number, text in enumerate(names[method]):
                page.text(edge + sign * dots(1.6), start + number * line_height(SMALL), text, ha=ha)
            y += tall
    page.y = top + height
