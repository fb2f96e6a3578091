"""Figures of chance: what decoders trained on shuffled pairs reach, and identification among more and more images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from cortexclip.figures.style import (
    INK,
    MUTED,
    SMALL,
    TITLES,
    Look,
    PaperFigure,
    Subject,
    abreast,
    explain_empty,
    few_ticks,
    panel_grid,
    plain,
    styled,
    text_height,
    wrap,
)

DASHES = ((1, 0), (5, 1.5), (1, 1.2), (5, 1.2, 1, 1.2))
SHUFFLED: dict[str, Any] = {"facecolor": "#d9d9d9", "edgecolor": MUTED}
CHANCE: dict[str, Any] = {"color": INK, "linestyle": (0, (2.5, 1.5)), "linewidth": 0.8}
DASH = 4.0
MARK_MM = 2.2  # height of a row of marks
LOG_FROM = 20
"""Images to choose among from which the scale of their number is logarithmic."""
NULL = ["method", "detail", "protocol", "metric", "shuffle", "mean"]
CURVES = ["method", "detail", "protocol", "images", "identified", "chance", "shuffles_low", "shuffles_high"]


def variants(looks: Mapping[str, Look]) -> dict[str, dict]:
    """The style of a line with markers by run: runs of one method share its colour, and differ in their dashes."""
    seen: dict[tuple[str, str], int] = {}
    found = {}
    for run, look in looks.items():
        number = seen[look.colour, look.marker] = seen.get((look.colour, look.marker), -1) + 1
        found[run] = {
            "color": look.colour,
            "marker": look.marker,
            "dashes": DASHES[number % len(DASHES)],
            "fillstyle": ("full", "none", "left", "bottom")[number % 4],
        }
    return found


def draw_lines(
    axes: Axes, data: pd.DataFrame, looks: Mapping[str, Look], x: str, y: str, **options: object
) -> dict[str, dict]:
    """A line with markers for each run in ``data`` (columns run, ``x`` and ``y``); returns the styles of these runs."""
    import seaborn as sns

    styles = {run: style for run, style in variants(looks).items() if (data.run == run).any()}
    sns.lineplot(
        data,
        x=x,
        y=y,
        hue="run",
        hue_order=list(styles),
        palette={run: style["color"] for run, style in styles.items()},
        style="run",
        style_order=list(styles),
        dashes={run: style["dashes"] for run, style in styles.items()},
        markers={run: style["marker"] for run, style in styles.items()},
        markersize=3.5,
        markeredgewidth=0,
        estimator=None,
        legend=False,
        ax=axes,
        **options,
    )
    interleave(axes.lines[-len(styles) :])
    return styles


def interleave(lines: Sequence[Line2D]) -> None:
    """Draw curves that lie on each other in dashes that take turns, and their markers at different points."""
    curves = [np.asarray(line.get_ydata(), float) for line in lines]
    near = 0.006 * max((np.nanmax(curve) - np.nanmin(curve) for curve in curves if len(curve)), default=0.0)
    groups: list[list[int]] = []
    for number, curve in enumerate(curves):
        for group in groups:
            first = curves[group[0]]
            if len(first) == len(curve) and np.allclose(first, curve, rtol=0, atol=near, equal_nan=True):
                group.append(number)
                break
        else:
            groups.append([number])
    for group in groups:
        for position, number in enumerate(group if len(group) > 1 else ()):
            lines[number].set_linestyle((DASH * position, (DASH, DASH * (len(group) - 1))))
            lines[number].set_markevery((position, len(group)))


def levels_of(values: Sequence[float], apart: float) -> list[int]:
    """A level for each mark on a line, the lowest on which it is so far apart from all others."""
    found: list[int] = []
    for number, value in enumerate(values):
        near = {found[other] for other in range(number) if abs(values[other] - value) < apart}
        found.append(next(level for level in range(len(values)) if level not in near))
    return found


def handles(looks: Mapping[str, Look], lines: bool = True) -> dict[str, Artist]:
    """Legend entries of runs by their labels."""
    entries: dict[str, Artist] = {}
    for run, style in variants(looks).items():
        dashes = style.pop("dashes")
        entries[looks[run].label] = Line2D([], [], **style, linestyle=(0, dashes) if lines else "none", markersize=4)
    return entries


@styled
def draw_permutation_null(
    data: pd.DataFrame,
    protocols: Mapping[str, str],
    metrics: Mapping[str, str],
    looks: Mapping[str, Look],
    shuffled: str,
    reference: str | None,
    words: Mapping[tuple[str, str], str],
    about: Subject,
    sentences: Sequence[str] = (),
) -> PaperFigure:
    """Histograms of means under shuffled pairs, protocols in rows, metrics in columns; below each the decoders.

    Parameters
    ----------
    data : columns `NULL` with a row for each shuffle and each other method (protocols and metrics by their titles),
        and run, the name of the other method
    protocols : titles by name, in the order of the rows
    metrics : the way that is better by label, in the order of the columns
    looks : of the runs that are marked
    shuffled : title of the method that learns from shuffled pairs
    reference : the run whose p value is given, drawn as a line
    words : by title of the protocol and label of the metric, the p value or why there is nothing to draw
    """
    import seaborn as sns

    styles = variants(looks)
    titles = {name: wrap(title, 16) for name, title in protocols.items()}
    known = data[data.run.notna()]
    ranges = data.groupby("metric")["mean"].agg(lambda values: max(values.max() - values.min(), 1e-12))
    levels = {
        cell: levels_of(list(rows["mean"]), 0.028 * ranges[cell[1]])
        for cell, rows in known.groupby(["protocol", "metric"], sort=False)
    }
    marks = MARK_MM * (1.5 + max((max(own) for own in levels.values()), default=0))
    figure = PaperFigure(len(protocols) * text_height(titles.values(), 13 + marks) + 8)
    entries = {shuffled: Rectangle((0, 0), 1, 1, **SHUFFLED), **handles(looks, lines=False)}
    figure.key(entries.values(), entries)
    grid = figure.body.subplots(len(protocols), len(metrics), squeeze=False, sharex="col")
    for line, title in zip(grid, protocols.values(), strict=True):
        for axes, (metric, better) in zip(line, metrics.items(), strict=True):
            rows = data[(data.protocol == title) & (data.metric == metric)]
            shuffles, others = rows[rows.run.isna()], rows[rows.run.notna()]
            if len(shuffles):
                sns.histplot(shuffles, x="mean", bins=20, stat="proportion", ax=axes, **SHUFFLED)
                axes.set_ylim(-marks / 11 * axes.get_ylim()[1], axes.get_ylim()[1])
                axes.set_title(words[title, metric], size=SMALL, loc="right")
                few_ticks(axes)
            else:
                explain_empty(axes, words[title, metric])
            own = levels.get((title, metric), [])
            for level, run, value in zip(own, others.run, others["mean"], strict=True):
                style = {key: value for key, value in styles[run].items() if key != "dashes"}
                height = -(level + 0.8) * MARK_MM / 11 * axes.get_ylim()[1]
                if run == reference:
                    axes.axvline(value, color=style["color"], linewidth=1.2)
                axes.plot(value, height, linestyle="none", **style, markersize=4)
            axes.set(yticks=[], xlabel=f"{metric}, {better}", ylabel="")
            axes.spines["left"].set_visible(False)
            axes.label_outer()
    for axes, title in zip(grid[:, 0], titles.values(), strict=True):
        axes.set_ylabel(title, rotation=0, ha="right", va="center", size=SMALL)
    return figure.finish("Scores with shuffled pairs", about, data[NULL], *sentences)


@styled
def draw_identification_curves(
    data: pd.DataFrame,
    protocols: Mapping[str, tuple[str, str]],
    looks: Mapping[str, Look],
    about: Subject,
    sentences: Sequence[str] = (),
) -> PaperFigure:
    """A panel for each protocol: share of trials whose image is the most similar to its reconstruction among n.

    Parameters
    ----------
    data : columns `CURVES` (protocols by their titles), and run, the name of the method
    protocols : title, and how many trials of how many stimuli were scored or why there is nothing to draw, by name
    looks : of the runs, in the order of the legend
    """
    columns = abreast(len(protocols))
    titles = {
        name: "\n".join([wrap(title, TITLES // columns), wrap(words, TITLES // columns)])
        for name, (title, words) in protocols.items()
    }
    figure = PaperFigure(-(-len(protocols) // columns) * (52 + 1.15 * text_height(titles.values())))
    entries = {**handles(looks), "Chance: 1 / n": Line2D([], [], **CHANCE)}
    if data.shuffles_low.notna().any():
        entries["95 % of shuffles"] = Rectangle((0, 0), 1, 1, **SHUFFLED)
    figure.key(entries.values(), entries)
    panels = panel_grid(figure.body, len(protocols), columns, sharey=True)
    for axes, (name, (title, words)) in zip(panels, protocols.items(), strict=True):
        rows = data[data.protocol == title]
        if len(rows):
            _curves(axes, rows, looks)
            axes.set_title(titles[name])
        else:
            explain_empty(axes, words)
            axes.set_title(wrap(title, TITLES // columns))
    return figure.finish("Identification among n images", about, data[CURVES], *sentences)


def _curves(axes: Axes, data: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    """Fill the panel of one protocol."""
    most = int(data.images.max())
    draw_lines(axes, data, looks, "images", "identified", markevery=0.15)
    first = data[data.run == data.run.iloc[0]]
    axes.fill_between(first.images, first.shuffles_low, first.shuffles_high, color=SHUFFLED["facecolor"], linewidth=0)
    axes.plot(first.images, first.chance, **CHANCE, zorder=4)
    axes.set(xlabel="images to choose among", ylabel="share identified", ylim=(0, 1.03))
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if most >= LOG_FROM:
        axes.set_xscale("log")
        axes.set_xlabel("images to choose among, logarithmic")
        axes.xaxis.set_major_locator(FixedLocator([2, 5, 10, 20, 50, 100, 200, 500, 1000]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(1.9, most * 1.06)
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
