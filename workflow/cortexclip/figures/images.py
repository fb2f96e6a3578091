"""Figures made of images: what was seen beside what was reconstructed, and what was retrieved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from cortexclip.evaluation.metrics import METRICS
from cortexclip.figures.style import (
    INK,
    MUTED,
    NORMAL,
    SMALL,
    Look,
    Page,
    Subject,
    dots,
    draw_tile,
    line_height,
    panels_abreast,
    styled,
    text_width,
    tile_size,
    wrap,
)

LABEL_MM = 35
LARGEST_TILE = dots(15)


@dataclass(frozen=True)
class Reconstruction:
    """Reconstructed images (n_images, y, x) of one run and readout, and the MSE (n_images,) of each, NaN for none."""

    look: Look
    images: np.ndarray
    mse: np.ndarray


@dataclass(frozen=True)
class Retrieval:
    """What the predicted embeddings of some trials retrieved.

    Attributes
    ----------
    look : how the run is called and drawn
    order : int array of shape (n_images, n_retrieved): gallery positions, the most similar first; -1 for none
    rank : array of shape (n_images,): rank of the right stimulus in the gallery from 1, NaN for none
    """

    look: Look
    order: np.ndarray
    rank: np.ndarray


def first_trials(stimulus: np.ndarray, limit: int) -> np.ndarray:
    """Positions (at most ``limit``) of the first trial of each distinct stimulus, in the order of the trials."""
    return np.sort(np.unique(stimulus, return_index=True)[1])[:limit]


@styled
def draw_reconstructions(
    stimuli: np.ndarray,
    reconstructions: Sequence[Reconstruction],
    n_stimuli: int,
    about: Subject,
    samples: Sequence[int] | None = None,
) -> Figure:
    """Seen images on top and, below each, its reconstruction by every run.

    Parameters
    ----------
    stimuli : array of shape (n_images, y, x), in 0..1
    reconstructions : one row each
    n_stimuli : distinct stimuli that were scored, of which ``stimuli`` are the first
    samples : position in the dataset of each image, for the figure's data
    """
    page = Page()
    page.header("Reconstructions", about)
    page.drawn(
        {**row.look.columns(), "image": number + 1, "sample": sample, "mse": value}
        for row in reconstructions
        for number, (sample, value) in enumerate(zip(_samples(samples, len(stimuli)), row.mse, strict=True))
    )
    labels = [label_lines(row.look) for row in reconstructions]
    seen = [("Seen image", NORMAL, INK)]
    left = page.margin + label_width([seen, *labels]) + dots(5.5)
    gap = dots(0.75)
    size = tile_size(stimuli.shape[1:], page.width - page.margin - left, len(stimuli), gap, LARGEST_TILE)
    places = [left + column * (size[1] + gap) for column in range(len(stimuli))]

    def row(images: np.ndarray) -> None:
        axes = page.canvas(0, page.y, page.width, size[0])
        for x, image in zip(places, images, strict=True):
            draw_tile(axes, image, x, 0, size)

    page.block(page.margin + dots(4), page.y + (size[0] - line_height(NORMAL)) // 2, seen)
    row(stimuli)
    page.y += size[0] + dots(2.5)
    fitting = [n for n in range(METRICS["mse"].decimals, 1, -1) if text_width(f"{0:.{n}f}", SMALL) <= size[1]]
    written = bool(fitting)
    for reconstruction, lines in zip(reconstructions, labels, strict=True):
        block = len(lines) * line_height(NORMAL)
        below = line_height(SMALL) if written and np.isfinite(reconstruction.mse).any() else 0
        height = max(block, size[0] + below)
        page.block(page.margin + dots(4), page.y + max(0, (size[0] - block) // 2), lines)
        mark(page, reconstruction.look, page.y + max(size[0], block) / 2)
        row(reconstruction.images)
        if written:
            for x, value in zip(places, reconstruction.mse, strict=True):
                if np.isnan(value):
                    continue
                page.text(
                    x + size[1] / 2,
                    page.y + size[0] + dots(0.4),
                    f"{value:.{fitting[0]}f}",
                    ha="center",
                    color=MUTED,
                    va="top",
                )
        page.y += height + dots(1.6)
    shown = f"The first {len(stimuli)} of {n_stimuli} scored stimuli in the order of the trials"
    if n_stimuli == len(stimuli):
        shown = f"All {n_stimuli} scored stimuli"
    page.caption(
        f"{shown}, the first trial of each; the first seed of each method. Grey values from 0 (black) to 1 (white).",
        "Below each scored reconstruction its MSE." if written else "",
        *about.notes,
    )
    return page.finish()


@styled
def draw_retrieved(
    stimuli: np.ndarray,
    gallery: np.ndarray,
    true: np.ndarray,
    retrievals: Sequence[Retrieval],
    about: Subject,
    samples: Sequence[int] | None = None,
) -> Figure:
    """Seen images and the stimuli that each run's predicted embeddings retrieve, with the right one framed.

    Parameters
    ----------
    stimuli : array of shape (n_images, y, x), in 0..1
    gallery : array of shape (n_gallery, y, x), in 0..1
    true : int array of shape (n_images,): position of each seen image in the gallery
    samples : position in the dataset of each seen image, for the figure's data
    """
    page = Page()
    page.header("Retrieved stimuli", about)
    page.drawn(
        {
            **{**retrieval.look.columns(), "image": row + 1, "sample": sample, "place": place + 1},
            **{"stimulus": item if item >= 0 else None, "right": bool(item == true[row]), "rank": retrieval.rank[row]},
        }
        for retrieval in retrievals
        for row, sample in enumerate(_samples(samples, len(stimuli)))
        for place, item in enumerate(retrieval.order[row])
    )
    retrieved = retrievals[0].order.shape[1]
    gap, between, rank_room = dots(1.3), dots(7), dots(7)
    abreast = panels_abreast(len(retrievals))
    room = page.inner - abreast * (retrieved * gap + rank_room) - (abreast - 1) * between - dots(4)
    size = tile_size(stimuli.shape[1:], room, 1 + abreast * retrieved, 0, dots(11))
    step = size[1] + gap
    first = page.margin + size[1] + dots(4)
    block = retrieved * step + rank_room + between
    for start in range(0, len(retrievals), abreast):
        band = retrievals[start : start + abreast]
        labels = [label_lines(retrieval.look, block - between / 2) for retrieval in band]
        height = max(map(len, labels)) * line_height(NORMAL)
        for number, (retrieval, lines) in enumerate(zip(band, labels, strict=True)):
            x = first + number * block
            page.block(x + dots(3), page.y, lines)
            page.line([x + dots(1)], [page.y + line_height(NORMAL) / 2], **mark_style(retrieval.look))
        page.y += height + dots(0.5)
        page.text(page.margin, page.y, "Seen", color=MUTED)
        for number in range(len(band)):
            x = first + number * block
            for place in range(retrieved):
                page.text(x + place * step + size[1] / 2, page.y, str(place + 1), ha="center", color=MUTED)
            page.text(x + retrieved * step + rank_room, page.y, "rank", ha="right", color=MUTED)
        page.y += line_height(SMALL) + dots(0.7)
        height = len(stimuli) * (size[0] + gap)
        axes = page.canvas(0, page.y, page.width, height)
        for row, stimulus in enumerate(stimuli):
            y = row * (size[0] + gap)
            draw_tile(axes, stimulus, page.margin, y, size)
            for number, retrieval in enumerate(band):
                x = first + number * block
                for place, item in enumerate(retrieval.order[row]):
                    image = gallery[item] if item >= 0 else None
                    draw_tile(axes, image, x + place * step, y, size, framed=item == true[row])
                rank = retrieval.rank[row]
                page.text(
                    x + retrieved * step + rank_room,
                    page.y + y + size[0] / 2,
                    f"{rank:g}" if np.isfinite(rank) else "none",
                    ha="right",
                    va="center_baseline",
                )
        page.y += height + dots(3)
    page.skip(-2)
    chance = min(1.0, retrieved / len(gallery))
    page.caption(
        f"Gallery: the {len(gallery)} distinct stimuli of the dataset, ordered by cosine similarity to the predicted "
        f"embedding. The right one is framed; it is among {retrieved} drawn by chance with probability {chance:.2g}. "
        "Rank: the place of the right one. First trials of the scored stimuli in order; the first seed of each method.",
        *about.notes,
    )
    return page.finish()


def _samples(samples: Sequence[int] | None, n: int) -> Sequence[int | None]:
    return [None] * n if samples is None else samples


def label_lines(look: Look, width: float = dots(LABEL_MM)) -> list[tuple[str, float, str]]:
    """The lines (text, size, colour) that name a run: its title and, smaller, what tells it apart."""
    lines = [(line, NORMAL, INK) for line in wrap(look.title, NORMAL, width) if line]
    if look.detail:
        lines += [(line, SMALL, MUTED) for line in wrap(look.detail, SMALL, width)]
    return lines


def label_width(labels: Sequence[Sequence[tuple[str, float, str]]]) -> int:
    """Width in dots of the widest of several labels."""
    return int(np.ceil(max((text_width(text, size) for lines in labels for text, size, _ in lines), default=0)))


def mark_style(look: Look) -> dict:
    """Line style of the mark that stands beside the name of a run."""
    return {"color": look.colour, "marker": look.marker, "markersize": 4.5, "linestyle": "none", "markeredgewidth": 0}


def mark(page: Page, look: Look, y: float) -> None:
    """Put the mark of a run at the left margin."""
    page.line([page.margin + dots(1.2)], [y], **mark_style(look))
