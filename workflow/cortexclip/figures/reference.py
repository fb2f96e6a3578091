"""The reference page: every scored stimulus of a dataset in a row, with what each method made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from cortexclip.figures.style import (
    INK,
    MUTED,
    SMALL,
    Look,
    Page,
    Subject,
    dots,
    line_height,
    styled,
    text_width,
    tile_size,
    wrap,
)

MOST_IMAGES = 20_000
MANY_ROWS = 40  # above so many of a block its images are small
LEAST_ROWS = 12  # of a block, where blocks of rows stand side by side
LABELLED = 5  # every fifth row has its number
GAP, BETWEEN, NUMBER, LARGEST, SMALLER = dots(0.7), dots(6), dots(7), dots(12), dots(6)
FRAME = 0.69
HEADING = dots(42)
"""Longest line of a heading, which stands upright."""


@styled
def draw_reference(
    stimuli: np.ndarray,
    columns: Sequence[tuple[Look, np.ndarray]],
    about: Subject,
    most: int = MOST_IMAGES,
    samples: Sequence[int] | None = None,
) -> Figure:
    """Stimuli in rows, methods in columns.

    Where few methods leave room, parts of the rows stand beside each other; where methods are many, parts of the
    columns stand below each other, the seen images with each.

    Parameters
    ----------
    stimuli : array of shape (n_stimuli, y, x), in 0..1
    columns : of each method its look and images of shape (n_stimuli, y, x)
    most : images that are drawn at most, in the first rows
    samples : position in the dataset of each stimulus, for the figure's data
    """
    page = Page()
    page.header("All reconstructions", about)
    shown = min(len(stimuli), max(1, most // (1 + len(columns))))
    page.drawn(
        {
            **{**look.columns(), "image": row + 1, "sample": None if samples is None else samples[row]},
            "mse": np.mean((reconstructed[row].astype(float) - stimuli[row]) ** 2),
        }
        for look, reconstructed in columns
        for row in range(shown)
    )
    methods = [Strip(_heading(look), reconstructed[:shown]) for look, reconstructed in columns]
    seen = Strip([("Seen image", INK)], stimuli[:shown])
    narrowest = max(stimuli.shape[2], *(strip.heading_width for strip in [seen, *methods])) + GAP
    fitting = max(1, (page.inner - NUMBER) // narrowest - 1)
    bands = -(-len(methods) // fitting)
    for part in np.array_split(np.arange(len(methods)), bands):
        _draw_band(page, [seen, *(methods[number] for number in part)], narrowest)
        page.skip(3)
    page.skip(-3)
    said = f"All {shown}" if shown == len(stimuli) else f"The first {shown} of {len(stimuli)}"
    page.caption(
        f"{said} scored stimuli in the order of the trials, the first trial of each; the first seed of each method. "
        "Grey values from 0 (black) to 1 (white).",
        *about.notes,
    )
    return page.finish()


@dataclass(frozen=True)
class Strip:
    """A column: the lines (text, colour) of its heading, which stand upright side by side, and its images."""

    heading: Sequence[tuple[str, str]]
    images: np.ndarray

    @property
    def heading_width(self) -> int:
        return len(self.heading) * line_height(SMALL)

    @property
    def heading_height(self) -> float:
        return max(text_width(text, SMALL) for text, _ in self.heading)


def _draw_band(page: Page, strips: Sequence[Strip], narrowest: int) -> None:
    """Add columns with their headings, the rows numbered, in as many blocks side by side as there is room for."""
    n_rows, image = len(strips[0].images), strips[0].images.shape[1:]
    blocks = (page.inner + BETWEEN) // (NUMBER + len(strips) * narrowest + BETWEEN)
    blocks = max(1, min(blocks, -(-n_rows // LEAST_ROWS)))
    room = (page.inner - (blocks - 1) * BETWEEN) // blocks - NUMBER
    rows = -(-n_rows // blocks)
    size = tile_size(image, room, len(strips), GAP, LARGEST if rows <= MANY_ROWS else SMALLER)
    step = max(size[1] + GAP, narrowest)
    top = int(max(strip.heading_height for strip in strips))
    height = rows * (size[0] + GAP)
    axes = page.canvas(0, page.y + top + dots(1), page.width, height)
    for start in range(0, n_rows, rows):
        left = page.margin + (start // rows) * (NUMBER + len(strips) * step + BETWEEN)
        block = np.stack([strip.images[start : start + rows] for strip in strips], axis=1)
        pixels = mosaic(block, size, (size[0] + GAP, step))
        # One artist for all: thousands of them would take minutes to write.
        artist = AxesImage(
            axes,
            cmap="gray",
            interpolation="nearest",
            extent=(left + NUMBER - 1, left + NUMBER - 1 + pixels.shape[1], pixels.shape[0], 0),
            origin="upper",
        )
        artist.set_data(pixels)
        artist.set_clim(0, 1)
        axes.add_image(artist)
        for row in range(-(-start // LABELLED) * LABELLED, min(start + rows, n_rows), LABELLED):
            middle = page.y + top + dots(1) + (row - start) * (size[0] + GAP) + size[0] / 2
            page.text(left, middle, str(row + 1), va="center_baseline", color=MUTED)
        for column, strip in enumerate(strips):
            x = left + NUMBER + column * step + (size[1] - strip.heading_width) / 2
            for line, (text, colour) in enumerate(strip.heading):
                middle = x + (line + 0.5) * line_height(SMALL)
                page.text(middle, page.y + top, text, ha="center", va="bottom", rotation=90, color=colour)
    page.y += top + dots(1) + height


def mosaic(images: np.ndarray, size: tuple[int, int], step: tuple[int, int]) -> np.ndarray:
    """Images on one white ground, each with a thin grey frame.

    Parameters
    ----------
    images : array of shape (n_rows, n_columns, y, x), in 0..1
    size : height and width of each in dots
    step : from the upper left corner of one to that of the next, in dots; larger than ``size`` by 2 at least

    Returns
    -------
    array of shape (n_rows * step[0], n_columns * step[1]); the first image begins at (1, 1)
    """
    n_rows, n_columns, *shape = images.shape
    ground = np.ones((n_rows, step[0], n_columns, step[1]), np.float32)
    ground[:, : size[0] + 2, :, : size[1] + 2] = FRAME
    rows, columns = (np.arange(n) * length // n for n, length in zip(size, shape, strict=True))
    large = np.clip(images, 0, 1)[:, :, rows][:, :, :, columns]
    ground[:, 1 : size[0] + 1, :, 1 : size[1] + 1] = large.transpose(0, 2, 1, 3)
    return ground.reshape(n_rows * step[0], n_columns * step[1])


def _heading(look: Look) -> list[tuple[str, str]]:
    """Lines (text, colour) of a column's heading."""
    lines = [(line, INK) for line in wrap(look.title, SMALL, HEADING)]
    return lines + [(line, MUTED) for line in wrap(look.detail, SMALL, HEADING) if line]
