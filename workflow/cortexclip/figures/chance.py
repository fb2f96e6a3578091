"""Figures of chance: what decoders trained on shuffled pairs reach, and identification among more and more images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from cortexclip.figures.rows import room_below, room_to_say, say, scale
from cortexclip.figures.style import (
    FAINT,
    INK,
    MUTED,
    NORMAL,
    SMALL,
    Look,
    Page,
    Subject,
    dots,
    line_height,
    panels_abreast,
    plain,
    styled,
    wrap,
)

LINES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
FILLS = ("full", "none", "left", "bottom")
SHUFFLED = {"facecolor": "#d9d9d9", "edgecolor": MUTED}
CHANCE = {"color": INK, "linestyle": (0, (2.5, 1.5)), "linewidth": 0.8}
LOG_FROM = 20
"""Images to choose among from which the scale of their number is logarithmic."""


def variants(looks: Mapping[str, Look]) -> dict[str, tuple[dict, dict]]:
    """Styles of lines and of markers by run: runs of one method share its colour, and differ in line and filling."""
    seen: dict[tuple[str, str], int] = {}
    found = {}
    for run, look in looks.items():
        number = seen[look.colour, look.marker] = seen.get((look.colour, look.marker), -1) + 1
        marker = {
            "color": look.colour,
            "marker": look.marker,
            "markersize": 4.5,
            "fillstyle": FILLS[number % len(FILLS)],
            "markerfacecoloralt": "white",
            "markeredgecolor": look.colour,
            "markeredgewidth": 0.8,
        }
        found[run] = {"color": look.colour, "linestyle": LINES[number % len(LINES)], "linewidth": 1.0}, marker
    return found


@dataclass(frozen=True)
class Null:
    """One metric under one protocol: means of decoders trained on shuffled pairs and of the others.

    Attributes
    ----------
    means : array of shape (n_permutations,)
    observed : mean by run
    text : lines that give the p value of the reference
    undefined : why there is nothing to draw; empty if there is
    """

    means: np.ndarray = field(default_factory=lambda: np.empty(0))
    observed: Mapping[str, float] = field(default_factory=dict)
    text: Sequence[str] = ()
    undefined: str = ""


@styled
def draw_permutation_null(
    nulls: Mapping[str, Mapping[str, Null]],
    protocols: Mapping[str, str],
    metrics: Mapping[str, tuple[str, str]],
    looks: Mapping[str, Look],
    shuffled: str,
    reference: str,
    about: Subject,
    *,
    remarks: Sequence[str] = (),
) -> Figure:
    """Histograms of means under shuffled pairs, protocols in rows, metrics in columns; below each the decoders.

    Parameters
    ----------
    nulls : protocol -> metric -> Null
    protocols : titles by name, in the order of the rows
    metrics : label and the way that is better by name, in the order of the columns
    looks : of the runs that are marked
    shuffled : title of the method that learns from shuffled pairs
    reference : the run whose p value is given, drawn as a line
    """
    page = Page()
    page.header("What shuffled pairs reach by chance", about)
    styles = variants(looks)
    page.drawn(_null_data(nulls, protocols, metrics, looks, shuffled))
    page.legend(
        [(shuffled, {"marker": "s", "markersize": 5, **_legend(SHUFFLED)})]
        + [
            (
                looks[run].label,
                marker | ({"linestyle": "-", "linewidth": 1.2} if run == reference else {"linestyle": "none"}),
            )
            for run, (_, marker) in styles.items()
        ]
    )
    page.skip(1)
    names = {name: wrap(title, NORMAL, dots(28)) for name, title in protocols.items()}
    left, between, tests = page.margin + dots(30), dots(3), dots(22)
    width = (page.width - page.margin - left - (len(metrics) - 1) * between) // len(metrics) - tests
    reasons = [cell.undefined for row in nulls.values() for cell in row.values() if cell.undefined]
    longest = max(map(len, names.values())) * line_height(NORMAL) + dots(1)
    height = max(dots(17), longest, room_to_say(reasons, width))
    for number, (metric, (label, better)) in enumerate(metrics.items()):
        x, y = left + number * (width + tests + between), page.y
        cells = [nulls[protocol][metric] for protocol in protocols]
        drawn = [value for cell in cells for value in (*cell.means, *cell.observed.values()) if not cell.undefined]
        for row, (protocol, cell) in enumerate(zip(protocols, cells, strict=True)):
            if number == 0:
                lines = [(line, NORMAL, INK) for line in names[protocol]]
                page.block(page.margin, y + (height - len(lines) * line_height(NORMAL)) / 2, lines)
            last = row == len(cells) - 1
            if drawn and (last or not cell.undefined):  # the last one carries the ticks of its column
                axes = page.axes(x, y, width, height)
                scale(axes, drawn)
                axes.spines[["top", "right", "left"]].set_visible(False)
                axes.set(yticks=[], ylim=(-0.62, 1.08))
                axes.tick_params(axis="x", bottom=last, labelbottom=last)
            if cell.undefined:
                say(page, x, y, width, height, cell.undefined)
            else:
                _null(axes, cell, styles, reference)
                page.block(
                    x + width + dots(2),
                    y + (height - len(cell.text) * line_height(SMALL)) / 2,
                    [(line, SMALL, INK) for line in cell.text],
                )
            y += height + dots(2)
        if drawn:
            page.text(x + width / 2, y - dots(2) + dots(4.2), f"{label}, {better}", NORMAL, ha="center")
    page.y += len(protocols) * (height + dots(2)) - dots(2) + room_below()
    page.caption(*remarks, *about.notes)
    return page.finish()


def _null_data(
    nulls: Mapping[str, Mapping[str, Null]],
    protocols: Mapping[str, str],
    metrics: Mapping[str, tuple[str, str]],
    looks: Mapping[str, Look],
    shuffled: str,
) -> Iterator[dict]:
    """A row for each shuffle, numbered, and for each of the other methods."""
    for protocol, title in protocols.items():
        for metric, (label, _) in metrics.items():
            cell, where = nulls[protocol][metric], {"protocol": title, "metric": label}
            for number, mean in enumerate(cell.means):
                yield {"method": shuffled, "detail": "", **where, "shuffle": number + 1, "mean": mean}
            for run, value in cell.observed.items():
                yield {**looks[run].columns(), **where, "shuffle": None, "mean": value}


def _legend(style: Mapping) -> dict:
    return {"markerfacecolor": style["facecolor"], "markeredgecolor": style["edgecolor"]}


def _null(axes: Axes, cell: Null, styles: Mapping[str, tuple[dict, dict]], reference: str) -> None:
    low, high = axes.get_xlim()
    counts, edges = np.histogram(cell.means, np.linspace(low, high, 81))
    axes.stairs(counts / max(counts.max(), 1), edges, fill=True, linewidth=0.5, **SHUFFLED, zorder=2)
    axes.axhline(0, color=FAINT, linewidth=0.5, zorder=1)
    places = np.resize([-0.14, -0.31, -0.48], len(cell.observed))
    for (run, value), y in zip(cell.observed.items(), places, strict=True):
        if run == reference:
            axes.plot([value, value], [y, 1], color=styles[run][1]["color"], linewidth=1.2, zorder=3)
        axes.plot([value], [y], **styles[run][1], linestyle="none", zorder=4, clip_on=False)


@dataclass(frozen=True)
class Curves:
    """Identification of the right image among n under one protocol.

    Attributes
    ----------
    ways : int array of shape (n_ways,): numbers of images to choose among, from 2
    shares : array of shape (n_ways,) by run: how often the right one is chosen
    band : low and high arrays of shape (n_ways,): what 95 % of decoders trained on shuffled pairs reach; None for none
    scored : how many trials of how many stimuli were scored, in words
    undefined : why there is nothing to draw; empty if there is
    """

    ways: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    shares: Mapping[str, np.ndarray] = field(default_factory=dict)
    band: tuple[np.ndarray, np.ndarray] | None = None
    scored: str = ""
    undefined: str = ""


@styled
def draw_identification_curves(
    curves: Mapping[str, Curves],
    protocols: Mapping[str, str],
    looks: Mapping[str, Look],
    about: Subject,
    *,
    remarks: Sequence[str] = (),
) -> Figure:
    """A panel for each protocol: share of trials whose image is the most similar to its reconstruction among n.

    Parameters
    ----------
    curves : by protocol
    protocols : titles by name, in the order of the panels
    looks : of the runs, in the order of the legend
    """
    page = Page()
    page.header("Identification among n images", about)
    styles = variants(looks)
    page.drawn(_curve_data(curves, protocols, looks))
    entries = [(looks[run].label, line | marker) for run, (line, marker) in styles.items()]
    entries.append(("Chance: 1 / n", CHANCE))
    if any(cell.band for cell in curves.values()):
        entries.append(("95 % of shuffles", {"marker": "s", "markersize": 5, **_legend(SHUFFLED), "linestyle": "none"}))
    page.legend(entries)
    page.skip(1)
    abreast = max(2, panels_abreast(len(protocols)))
    room, right, between = dots(10), dots(1.5), dots(3)
    width = (page.inner - (abreast - 1) * between) // abreast
    height = max(dots(46), room_to_say([cell.undefined for cell in curves.values()], width - room - right))
    names = list(protocols)
    for start in range(0, len(names), abreast):
        band = names[start : start + abreast]
        titles = [
            [(line, NORMAL, INK) for line in wrap(protocols[name], NORMAL, width - room)]
            + [(line, SMALL, MUTED) for line in wrap(curves[name].scored, SMALL, width - room)]
            for name in band
        ]
        title = max(len(lines) for lines in titles) * line_height(NORMAL)
        top = page.y + title + dots(1)
        for number, (name, lines) in enumerate(zip(band, titles, strict=True)):
            x = page.margin + number * (width + between) + room
            page.block(x, page.y, lines)
            if curves[name].undefined:
                say(page, x, top, width - room - right, height, curves[name].undefined)
                continue
            axes = page.axes(x, top, width - room - right, height)
            axes.spines[["top", "right"]].set_visible(False)
            _curves(axes, curves[name], styles)
            page.text(
                x - room + dots(0.5), top + height / 2, "share identified", NORMAL, rotation=90, va="center", ha="left"
            )
            page.text(
                x + (width - room - right) / 2, top + height + dots(4.2), "images to choose among", NORMAL, ha="center"
            )
        page.y = top + height + room_below() + dots(3)
    page.skip(-3)
    page.caption(*remarks, *about.notes)
    return page.finish()


def _curve_data(
    curves: Mapping[str, Curves], protocols: Mapping[str, str], looks: Mapping[str, Look]
) -> Iterator[dict]:
    """A row for each method and number of images, with what 95 % of the shuffles reach among so many."""
    for protocol, title in protocols.items():
        cell = curves[protocol]
        low, high = cell.band or (np.full(len(cell.ways), np.nan),) * 2
        for run, shares in cell.shares.items():
            for at, images in enumerate(cell.ways):
                bounds = {"shuffles_low": low[at], "shuffles_high": high[at]}
                yield {
                    **{**looks[run].columns(), "protocol": title, "images": images},
                    **{"identified": shares[at], "chance": 1 / images, **bounds},
                }


def _curves(axes: Axes, cell: Curves, styles: Mapping[str, tuple[dict, dict]]) -> None:
    if cell.band is not None:
        axes.fill_between(cell.ways, *cell.band, color=SHUFFLED["facecolor"], linewidth=0, zorder=1)
    logarithmic = cell.ways[-1] >= LOG_FROM
    axes.plot(cell.ways, 1 / cell.ways, **CHANCE, zorder=4)
    marked = np.unique(np.geomspace(2, cell.ways[-1], 6).round().astype(int)) if logarithmic else cell.ways
    for run, (line, marker) in styles.items():
        if run in cell.shares:
            every = np.flatnonzero(np.isin(cell.ways, marked)).tolist()
            axes.plot(cell.ways, cell.shares[run], **line | marker | {"markersize": 3.5}, markevery=every, zorder=3)
    if logarithmic:
        axes.set_xscale("log")
    ticks = [tick for tick in (2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= cell.ways[-1]]
    if not logarithmic:
        ticks = list(range(2, cell.ways[-1] + 1, -(-len(cell.ways) // 9)))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    spread = cell.ways[-1] - 2
    axes.set(ylim=(0, 1.03))
    axes.set_xlim(
        *(
            (1.9, cell.ways[-1] * 1.06)
            if logarithmic
            else (2 - 0.04 * spread - 0.1, cell.ways[-1] + 0.04 * spread + 0.1)
        )
    )
