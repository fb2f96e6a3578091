"""Pictures of the stimuli of a dataset: a contact sheet as a figure, and a few of them as characters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cortexclip.figures.images import GREY, show_mosaic, tile_width
from cortexclip.figures.style import LINE_MM, MUTED, SMALL, WIDTH_MM, PaperFigure, save_png, styled, wrap
from cortexclip.numerics.resize import resized

save_sheet = save_png
COLUMNS = 12
SHADES, PLAIN_SHADES = " ░▒▓█", " .:-=+*#%@"
WIDEST = 28  # characters for one image


@styled
def draw_sheet(images: np.ndarray, captions: Sequence[str], title: str, notes: Sequence[str]) -> PaperFigure:
    """A contact sheet of images (n, y, x) in 0..1, ``COLUMNS`` side by side, each with a caption below it."""
    n_columns = min(COLUMNS, len(images))
    n_rows = -(-len(images) // n_columns)
    tiles = np.full((n_rows * n_columns, *images.shape[1:]), np.nan)
    tiles[: len(images)] = images
    figure = PaperFigure(1)
    axes = figure.body.subplots()
    tile = tile_width(COLUMNS, WIDTH_MM - 4)
    height = show_mosaic(axes, tiles.reshape(n_rows, n_columns, *images.shape[1:]), tile, LINE_MM + 1)
    figure.heighten(height + 2)
    below = (LINE_MM + 0.6) * n_rows / height
    for number, caption in enumerate(captions):
        row, column = divmod(number, n_columns)
        axes.text(column - 0.48, row + 0.5 - below, wrap(caption, 14), va="top", color=MUTED, size=SMALL, clip_on=True)
    return figure.finish(title, None, pd.DataFrame({"caption": captions}), GREY, *notes)


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
