"""Critical-difference diagram: average ranks of methods over datasets, and which of them are not shown to differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cortexclip.evaluation.statistics import groups_not_different
from cortexclip.figures.style import INK, LINE_MM, MUTED, SMALL, Look, PaperFigure, Subject, styled, wrap

NAME = 44  # characters of a line of a name
SIDE = 0.9  # length of the side of names, in lengths of the axis


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

    def data(self) -> pd.DataFrame:
        """What is drawn, a row for each method."""
        return pd.DataFrame([look.columns() for look in self.looks]).assign(
            metric=self.label,
            average_rank=self.ranks,
            critical_difference=self.critical_difference,
            friedman=self.friedman,
        )


@styled
def draw_critical_difference(rankings: Sequence[Ranking], about: Subject, sentences: Sequence[str] = ()) -> PaperFigure:
    """One diagram after Demsar (2006) for each metric, below each other."""
    heights = [_height(ranking) for ranking in rankings]
    figure = PaperFigure(LINE_MM * sum(heights) + 12 * len(rankings))
    panels = figure.body.subplots(len(rankings), 1, squeeze=False, height_ratios=heights).ravel()
    for axes, ranking, height in zip(panels, rankings, heights, strict=True):
        _diagram(axes, ranking)
        axes.set_ylim(height, 0)
        axes.set_title("\n".join([ranking.label, wrap(ranking.friedman, 110)]))
    return figure.finish(
        "Average ranks over datasets",
        about,
        pd.concat([ranking.data() for ranking in rankings]),
        "Rank 1 leads. A thick bar joins methods whose average ranks differ by less than the critical difference (CD): "
        "they are not shown to differ (Nemenyi's test, level 0.05; Demsar 2006).",
        *sentences,
    )


def _names(ranking: Ranking) -> list[str]:
    return [wrap(f"{look.label} {rank:.2f}", NAME) for look, rank in zip(ranking.looks, ranking.ranks, strict=True)]


def _groups(ranking: Ranking) -> list:
    return groups_not_different(ranking.ranks, ranking.critical_difference)


def _height(ranking: Ranking) -> float:
    """Height of a diagram in lines of text."""
    lines = max(name.count("\n") + 1 for name in _names(ranking)) + 0.3
    return 3 + 0.5 * len(_groups(ranking)) + 1 + lines * ((len(ranking.ranks) + 1) // 2)


def _diagram(axes: Axes, ranking: Ranking) -> None:
    """Draw ranks along an axis, and from each a line to the name at its side; heights are lines of text."""
    n, names, groups = len(ranking.ranks), _names(ranking), _groups(ranking)
    order = np.argsort(ranking.ranks, kind="stable")
    half = (n + 1) // 2
    style: dict[str, Any] = {"color": INK, "linewidth": 0.7, "clip_on": False}
    axes.set_axis_off()
    left, right = 1 - SIDE * (n - 1), n + SIDE * (n - 1)
    axes.set_xlim(left, right)
    end = 1 + ranking.critical_difference
    axes.plot([1, 1, 1, end, end, end], [0.8, 1.2, 1, 1, 0.8, 1.2], **style)
    axes.text((1 + end) / 2, 0.7, f"CD = {ranking.critical_difference:.2f}", ha="center", size=SMALL)
    axes.plot([1, n], [3, 3], solid_capstyle="projecting", **style)
    for rank in range(1, n + 1, 1 if n <= 13 else 2 if n <= 26 else 5):
        axes.plot([rank, rank], [2.7, 3], **style)
        axes.text(rank, 2.6, str(rank), ha="center", color=MUTED, size=SMALL)
    for number, group in enumerate(groups):
        ends = ranking.ranks[group[0]] - 0.01 * n, ranking.ranks[group[-1]] + 0.01 * n
        axes.plot(ends, [3.5 + 0.5 * number] * 2, color=MUTED, linewidth=2.4, solid_capstyle="butt")
    lines = max(name.count("\n") + 1 for name in names) + 0.3
    for edge, ha, side in ((1 - 0.1 * n, "right", order[:half]), (n + 0.1 * n, "left", order[: half - 1 : -1])):
        for position, method in enumerate(side):  # from the top down, so that no two lines cross
            look, rank = ranking.looks[method], ranking.ranks[method]
            y = 3.5 + 0.5 * len(groups) + (position + 0.5) * lines
            axes.plot([rank, rank, edge], [3, y, y], **{**style, "color": look.colour})
            axes.plot(edge, y, look.marker, color=look.colour, markersize=4, clip_on=False)
            nudge = -0.03 * n if ha == "right" else 0.03 * n
            axes.text(edge + nudge, y, names[method], ha=ha, va="center", size=SMALL)
