"""Panels that share their rows: a column of names on the left and, beside it, axes in which each row is a method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from cortexclip.figures.images import label_lines, label_width
from cortexclip.figures.style import MUTED, NORMAL, SMALL, Look, Page, dots, line_height, plain, wrap

NAMES_MM = 46


@dataclass(frozen=True)
class Rows:
    """Rows of one figure: the lines that name each, and the height of each in dots."""

    labels: Sequence[Sequence[tuple[str, float, str]]]
    heights: Sequence[int]

    @classmethod
    def of(cls, looks: Sequence[Look], least: int) -> Rows:
        """Rows named by looks, each at least so many dots high."""
        labels = [label_lines(look, dots(NAMES_MM)) for look in looks]
        return cls(labels, [max(least, _height(lines) + dots(1)) for lines in labels])

    def at_least(self, height: int) -> Rows:
        """These rows, higher if together they are less than so many dots high."""
        more = -(-max(0, height - self.height) // len(self.heights))
        return Rows(self.labels, [own + more for own in self.heights])

    @property
    def width(self) -> int:
        """Width in dots of the names, with the blank that follows them."""
        return label_width(self.labels) + dots(3)

    @property
    def height(self) -> int:
        return sum(self.heights)

    @property
    def middles(self) -> np.ndarray:
        """Where each row has its middle, in dots from the top of the first."""
        return np.cumsum(self.heights) - np.array(self.heights) / 2

    def write(self, page: Page, top: float) -> None:
        """Put the names at the left margin, the first row at ``top``."""
        for lines, middle in zip(self.labels, self.middles, strict=True):
            page.block(page.margin, top + middle - _height(lines) / 2 + dots(0.35), lines)

    def axes(self, page: Page, left: float, top: float, width: float) -> Axes:
        """Axes beside the names whose vertical unit is a dot from the top, every other row shaded."""
        axes = page.axes(left, top, width, self.height)
        edges = np.concatenate([[0], np.cumsum(self.heights)])
        for upper, lower in zip(edges[:-1:2], edges[1::2], strict=False):
            axes.axhspan(upper, lower, color="#f3f3f3", linewidth=0, zorder=0)
        axes.set(ylim=(self.height, 0), yticks=[])
        axes.spines[["top", "right", "left"]].set_visible(False)
        return axes


def _height(lines: Sequence[tuple[str, float, str]]) -> int:
    return sum(line_height(size) for _, size, _ in lines)


def scale(axes: Axes, values: Sequence[float], around: Sequence[float] = ()) -> None:
    """Give the horizontal axis the range of all finite values and of ``around``, and a few plain ticks."""
    drawn = np.array([*values, *around], dtype=float)
    drawn = drawn[np.isfinite(drawn)]
    low, high = (drawn.min(), drawn.max()) if len(drawn) else (0.0, 1.0)
    margin = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.tick_params(axis="x", colors=MUTED)


def signed_root(axes: Axes, values: Sequence[float]) -> None:
    """Give the horizontal axis the range of all finite values and 0, on a scale of the square root both ways from 0.

    Methods far from 0 would else leave no room to see on which side of it, and how surely, the near ones are.
    """
    drawn = np.array([*values, 0.0], dtype=float)
    drawn = drawn[np.isfinite(drawn)]

    def forward(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.sqrt(np.abs(value))

    def inverse(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.square(value)

    low, high = forward(drawn.min()), forward(drawn.max())
    margin = 0.06 * (high - low) or 1.0
    low, high = float(inverse(low - margin)), float(inverse(high + margin))
    axes.set_xscale("function", functions=(forward, inverse))
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(signed_root_ticks(low, high)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.tick_params(axis="x", colors=MUTED)


def signed_root_ticks(low: float, high: float, apart: float = 0.2) -> list[float]:
    """Zero and round numbers from ``low`` to ``high`` that stand apart by this share of a `signed_root` scale."""

    def place(value: float) -> float:
        return float(np.sign(value) * np.sqrt(abs(value)))

    decade = int(np.floor(np.log10(max(abs(low), abs(high)))))
    numbers = [digit * 10.0**power for power in range(decade, decade - 3, -1) for digit in (5, 2, 1)]
    ticks = [0.0]
    for number in (sign * number for number in numbers for sign in (-1, 1)):
        near = min(abs(place(number) - place(tick)) for tick in ticks)
        if low <= number <= high and near >= apart * (place(high) - place(low)):
            ticks.append(number)
    return sorted(ticks)


def say(page: Page, left: float, top: float, width: float, height: float, reason: str) -> None:
    """Say in the middle of an area why nothing is drawn there."""
    lines = _said(reason, width)
    y = top + (height - len(lines) * line_height(SMALL)) / 2
    for line in lines:
        page.text(left + width / 2, y, line, SMALL, ha="center", color=MUTED)
        y += line_height(SMALL)


def room_to_say(reasons: Sequence[str], width: float) -> int:
    """Height in dots that `say` needs for the longest of several reasons."""
    return max((len(_said(reason, width)) * line_height(SMALL) + dots(2) for reason in reasons), default=0)


def _said(reason: str, width: float) -> list[str]:
    return wrap(reason, SMALL, width - dots(4))


def room_below() -> int:
    """Height in dots of tick labels and the label of an axis below a panel."""
    return dots(4.2) + line_height(NORMAL)
