"""Pictures of the stimuli of a dataset: a contact sheet as a figure, and a few of them as characters."""

from __future__ import annotations

import os
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from cortexclip.data.images import resized
from cortexclip.figures.style import DPI, MUTED, SMALL, STYLE, Page, dots, draw_tile, line_height, styled, tile_size
from cortexclip.files import atomic_path

COLUMNS = 12
SHADES, PLAIN_SHADES = " ░▒▓█", " .:-=+*#%@"
WIDEST = 28  # characters for one image


@styled
def draw_sheet(images: np.ndarray, captions: Sequence[str], title: str, notes: Sequence[str]) -> Figure:
    """A contact sheet of images (n, y, x) in 0..1, ``COLUMNS`` side by side, each with a caption below it."""
    page = Page()
    page.header(title)
    gap = dots(1)
    size = tile_size(images.shape[1:], page.inner, COLUMNS, gap, dots(15))
    for start in range(0, len(images), COLUMNS):
        axes = page.canvas(0, page.y, page.width, size[0])
        for column, image in enumerate(images[start : start + COLUMNS]):
            x = page.margin + column * (size[1] + gap)
            draw_tile(axes, image, x, 0, size)
            page.text(x, page.y + size[0] + dots(0.4), captions[start + column], SMALL, color=MUTED)
        page.y += size[0] + line_height(SMALL) + dots(1.2)
    page.caption("Grey values from 0 (black) to 1 (white).", *notes)
    return page.finish()


def as_text(images: np.ndarray, columns: int, plain: bool = False) -> str:
    """Images (n, y, x) in 0..1 as lines of text, side by side in at most ``columns`` characters.

    A character is one pixel wide and two high; wider images are averaged down to ``WIDEST`` pixels. ``plain`` keeps to
    ASCII.
    """
    shades = PLAIN_SHADES if plain else SHADES
    if images.shape[1] > WIDEST:
        images = resized(images, WIDEST)
    if images.shape[1] % 2:
        images = np.pad(images, ((0, 0), (0, 1), (0, 0)), mode="edge")
    halves = (images[:, ::2] + images[:, 1::2]) / 2
    level = np.clip(np.rint(halves * (len(shades) - 1)), 0, len(shades) - 1).astype(int)
    abreast = max(1, (columns + 2) // (images.shape[2] + 2))
    lines = []
    for start in range(0, len(level), abreast):
        band = level[start : start + abreast]
        lines += ["  ".join("".join(shades[value] for value in row) for row in rows) for rows in band.swapaxes(0, 1)]
        lines.append("")
    return "\n".join(line.rstrip() for line in lines[:-1])


def save_sheet(figure: Figure, path: str | os.PathLike) -> None:
    """Write a contact sheet as PNG; equal figures give equal bytes."""
    with matplotlib.rc_context(STYLE), atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
