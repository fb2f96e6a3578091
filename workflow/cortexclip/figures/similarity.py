"""Figures of embeddings: similarity of predicted embeddings to those of the stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cortexclip.figures.images import label_lines, label_width, mark
from cortexclip.figures.style import (
    FAINT,
    FRAME,
    INK,
    MUTED,
    NORMAL,
    SMALL,
    Look,
    Page,
    Subject,
    dots,
    line_height,
    minus,
    panels_abreast,
    plain,
    styled,
)

COLOURS = "viridis"
LEVELS = 101
OUTLINED = 40  # stimuli up to which matching pairs are outlined one by one


@dataclass(frozen=True)
class Similarity:
    """Cosine similarity of predicted embeddings to the embeddings of the scored stimuli.

    Attributes
    ----------
    look : how the run is called and drawn
    values : array of shape (n_seeds, n_trials, n_stimuli), in -1..1, NaN where an embedding has no direction
    true : int array of shape (n_trials,): the stimulus that each trial showed
    """

    look: Look
    values: np.ndarray
    true: np.ndarray


@styled
def draw_similarity(similarities: Sequence[Similarity], about: Subject, order: str = "first appearance") -> Figure:
    """One matrix of trials by stimuli for each run (first seed), with one colour scale for all.

    Parameters
    ----------
    similarities : stimuli in the order in which they are to be drawn; trials are sorted by their stimulus here
    order : by what the stimuli are ordered, for the caption
    """
    page = Page()
    page.header("Similarity of predicted and true embeddings", about)
    page.drawn(
        {
            **{**similarity.look.columns(), "trial": trial + 1, "true_stimulus": similarity.true[row] + 1},
            **{f"stimulus_{number + 1}": value for number, value in enumerate(similarity.values[0][row])},
        }
        for similarity in similarities
        for trial, row in enumerate(np.argsort(similarity.true, kind="stable"))
    )
    n_trials, n_stimuli = similarities[0].values.shape[1:]
    abreast = panels_abreast(len(similarities))
    left, between = dots(9), dots(4)
    width = min((page.inner - (abreast - 1) * between) // abreast - left, dots(60))
    height = round(width * min(1.25, max(0.6, n_trials / n_stimuli)))
    drawn = np.concatenate([similarity.values[0].ravel() for similarity in similarities])
    levels = np.quantile(drawn[np.isfinite(drawn)], np.linspace(0, 1, LEVELS)) if np.isfinite(drawn).any() else None
    for start in range(0, len(similarities), abreast):
        band = similarities[start : start + abreast]
        labels = [label_lines(similarity.look, width) for similarity in band]
        title = max(map(len, labels)) * line_height(NORMAL)
        top = page.y + title + dots(1)
        for number, (similarity, lines) in enumerate(zip(band, labels, strict=True)):
            x = page.margin + number * (left + width + between) + left
            page.block(x, page.y + title - len(lines) * line_height(NORMAL), lines)
            _matrix(page.axes(x, top, width, height), similarity, levels)
            page.text(x - left, top + height / 2, "scored trial", NORMAL, rotation=90, va="center", ha="left")
            page.text(x + width / 2, top + height + dots(3.8), "scored stimulus", NORMAL, ha="center")
        page.y = top + height + dots(4) + line_height(NORMAL) + dots(3)
    if levels is not None:
        _colour_bar(page, levels)
    page.caption(
        f"Cosine similarity of the embedding predicted for each of {n_trials} scored trials (rows) to the true "
        f"embeddings of the {n_stimuli} distinct scored stimuli (columns); both ordered by {order} of the stimulus, so "
        "that pairs that match lie on the outlined diagonal. First seed of each method. One colour scale for all "
        "panels, on which equal steps of colour hold equal numbers of pairs.",
        *about.notes,
    )
    return page.finish()


def _matrix(axes: Axes, similarity: Similarity, levels: np.ndarray | None) -> None:
    rows = np.argsort(similarity.true, kind="stable")
    true, values = similarity.true[rows], similarity.values[0][rows]
    if levels is not None:
        shade = np.where(np.isfinite(values), np.interp(values, levels, np.linspace(0, 1, len(levels))), np.nan)
        axes.imshow(shade, cmap=COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    stimuli, first, count = np.unique(true, return_index=True, return_counts=True)
    for stimulus, top, trials in zip(stimuli, first, count, strict=True):
        place, width = (stimulus - 0.5, top - 0.5), 0.8 if len(stimuli) <= OUTLINED else 0.3
        axes.add_patch(Rectangle(place, 1, trials, fill=False, edgecolor=FRAME, linewidth=width, clip_on=False))
    n_trials, n_stimuli = values.shape
    for axis, items in ((axes.xaxis, n_stimuli), (axes.yaxis, n_trials)):
        axis.set_ticks(_counted(items), [str(position + 1) for position in _counted(items)])
    axes.set(xlim=(-0.5, n_stimuli - 0.5), ylim=(n_trials - 0.5, -0.5))


def _counted(items: int) -> list[int]:
    """Positions, from 0, of about five of so many items: the first and every round number after it."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if items / step <= 6)
    return sorted({0, *range(step - 1, items, step)} - ({0} if step <= 2 else set())) or [0]


def _colour_bar(page: Page, levels: np.ndarray) -> None:
    label = "cosine similarity"
    x = page.margin + dots(9)
    page.text(x, page.y, label, NORMAL)
    axes = page.axes(x + label_width([[(label, NORMAL, INK)]]) + dots(4), page.y + dots(0.4), dots(70), dots(2.6))
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=COLOURS, aspect="auto", extent=(0, 1, 0, 1))
    places = np.linspace(0, 1, 6)
    axes.set_xticks(places, [minus(f"{value:.2f}") for value in np.interp(places, np.linspace(0, 1, LEVELS), levels)])
    axes.set_yticks([])
    page.y += dots(3) + dots(1.5) + line_height(SMALL) + dots(0.5)


@styled
def draw_similarity_distribution(similarities: Sequence[Similarity], about: Subject) -> Figure:
    """Distributions of similarity for pairs that match (above) and that do not (below), one row for each run.

    All seeds are pooled. Each distribution is scaled to its own highest bin.
    """
    page = Page()
    page.header("Similarity of pairs that match and that do not", about)
    page.legend(
        [
            (
                "Matching, in the colour of the method: with its own stimulus",
                {"color": INK, "marker": "s", "markersize": 5},
            ),
            (
                "Not matching: with another scored stimulus",
                {"marker": "s", "markersize": 5, "markerfacecolor": FAINT, "markeredgecolor": MUTED},
            ),
            ("Median", {"color": INK, "marker": "|", "markersize": 7, "markeredgewidth": 1.6}),
        ]
    )
    page.skip(1)
    pairs = [_pairs(similarity) for similarity in similarities]
    labels = [label_lines(similarity.look) for similarity in similarities]
    left = page.margin + label_width(labels) + dots(6)
    numbers = dots(33)
    width = page.width - page.margin - left - numbers
    everything = np.concatenate([values for both in pairs for values in both])
    low, high = (everything.min(), everything.max()) if len(everything) else (-1.0, 1.0)
    spread = max(high - low, 1e-3)
    low, high = low - 0.03 * spread, high + 0.03 * spread
    bins = np.linspace(low, high, 61)
    height = dots(13)
    page.text(left + width + dots(3), page.y, "median (number of pairs)", color=MUTED)
    page.y += line_height(SMALL) + dots(0.5)
    for number, (similarity, (matching, other), lines) in enumerate(zip(similarities, pairs, labels, strict=True)):
        height = max(height, len(lines) * line_height(NORMAL))
        page.block(page.margin + dots(4), page.y + (height - len(lines) * line_height(NORMAL)) // 2, lines)
        mark(page, similarity.look, page.y + height / 2)
        axes = page.axes(left, page.y, width, height)
        page.drawn(
            {**similarity.look.columns(), "pairs": kind, "bin_low": low, "bin_high": high, "count": count}
            for kind, values in (("matching", matching), ("not matching", other))
            for low, high, count in zip(bins[:-1], bins[1:], np.histogram(values, bins)[0], strict=True)
        )
        for values, sign, style in (
            (matching, 1, {"facecolor": similarity.look.colour, "edgecolor": INK}),
            (other, -1, {"facecolor": "#d9d9d9", "edgecolor": MUTED}),
        ):
            _half(axes, values, bins, sign, style)
        for values, place in ((matching, 0.25), (other, 0.75)):
            text = f"{minus(f'{np.median(values):.2f}')} ({len(values)})" if len(values) else "none"
            page.text(left + width + dots(3), page.y + height * place, text, va="center_baseline")
        axes.axhline(0, color=INK, linewidth=0.6)
        axes.set(xlim=(low, high), ylim=(-1.15, 1.15), yticks=[])
        last = number == len(similarities) - 1
        axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
        axes.tick_params(axis="x", bottom=last, labelbottom=last)
        axes.grid(axis="x", color="#e4e4e4", linewidth=0.5)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_visible(last)
        page.y += height + dots(1.5)
    page.y += dots(2.5)
    page.text(left + width / 2, page.y, "cosine similarity", NORMAL, ha="center")
    page.y += line_height(NORMAL)
    n_seeds = max(len(similarity.values) for similarity in similarities)
    page.caption(
        "Shares of pairs in equal bins, each distribution scaled to its own highest bin: matching pairs upwards, the "
        "others downwards.",
        f"All seeds together (up to {n_seeds}). " if n_seeds > 1 else "",
        *about.notes,
    )
    return page.finish()


def _pairs(similarity: Similarity) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of all pairs that match, and of all that do not, over trials and seeds."""
    trials, stimuli = similarity.values.shape[1:]
    match = np.broadcast_to(np.arange(stimuli) == similarity.true[:, None], (len(similarity.values), trials, stimuli))
    finite = np.isfinite(similarity.values)
    return similarity.values[match & finite], similarity.values[~match & finite]


def _half(axes: Axes, values: np.ndarray, bins: np.ndarray, sign: int, style: dict) -> None:
    """A histogram upwards or downwards from the middle, with a tick at its median."""
    if not len(values):
        return
    counts = np.histogram(values, bins)[0]
    axes.stairs(sign * counts / counts.max(), bins, fill=True, linewidth=0.5, **style)
    axes.plot([np.median(values)] * 2, [0, sign * 1.12], color=INK, linewidth=1.6, solid_capstyle="butt")
