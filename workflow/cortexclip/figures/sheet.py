"""Pictures of the stimuli of a dataset: a contact sheet as a figure, and a few of them as characters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.data.dataset import NO_PARTS
from cortexclip.figures.images import GREY, show_mosaic, tile_width
from cortexclip.figures.style import LINE_MM, MUTED, SMALL, WIDTH_MM, PaperFigure, save_png, styled, wrap
from cortexclip.numerics.resize import resized

save_sheet = save_png
COLUMNS = 12
MOST = 120  # images on a sheet
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


def first_of_each(dataset: xr.Dataset, most: int) -> np.ndarray:
    """Positions of the first sample of distinct stimuli, at most so many, spread over the dataset."""
    first = np.sort(np.unique(dataset["stimulus"].values, return_index=True)[1])
    return first[np.unique(np.linspace(0, len(first) - 1, min(most, len(first))).astype(int))]


def draw_stimuli(dataset: xr.Dataset, title: str, remarks: Sequence[str]) -> PaperFigure:
    """Distinct stimuli of a dataset, at most `MOST`, with the part and the label of each."""
    chosen = first_of_each(dataset, MOST)
    labels, part = dataset["label"].values[chosen], dataset["part"].values[chosen]
    captions = [
        " ".join(filter(None, [p if p != NO_PARTS else "", str(label) if label >= 0 else ""]))
        for label, p in zip(labels.tolist(), part.tolist(), strict=True)
    ]
    total = len(np.unique(dataset["stimulus"].values))
    shown = f"All {total} distinct stimuli" if total == len(chosen) else f"{len(chosen)} of {total} distinct stimuli"
    notes = [f"{shown} with the part and the label of the first sample of each.", *remarks]
    return draw_sheet(dataset["stimuli"].values[chosen], captions, title, notes)


def draw_decoded(
    images: np.ndarray, title: str, truth: np.ndarray | None = None, errors: pd.Series | None = None
) -> PaperFigure:
    """The first images (n, y, x) that were decoded, beside what was seen and with their errors where that is known."""
    shown = np.arange(len(images))[: MOST if truth is None or errors is None else MOST // 2]
    many = f"All {len(shown)}" if len(shown) == len(images) else f"The first {len(shown)} of {len(images)}"
    if truth is None or errors is None:
        return draw_sheet(images[shown], [f"{i}" for i in shown], title, [f"{many} samples, by their numbers."])
    pairs = np.stack([truth[shown], images[shown]], axis=1).reshape(-1, *images.shape[1:])
    captions = [text for i in shown for text in (f"{i}", f"{errors[i]:.4f}")]
    note = f"{many} samples: what was seen, by its number, and what was decoded, with its mean squared error."
    return draw_sheet(pairs, captions, title, [note])


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
