"""Figures made of images: what was seen beside what was reconstructed, and what was retrieved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cortexclip.evaluation.metrics import METRICS
from cortexclip.figures.style import (
    DPI,
    FRAME,
    LINE_MM,
    MUTED,
    SMALL,
    TITLES,
    WIDTH_MM,
    Look,
    PaperFigure,
    Subject,
    abreast,
    panel_grid,
    styled,
    text_height,
)

NAMES_MM = 46
LARGEST_MM = 15
GREY = "Grey values from 0 (black) to 1 (white)."
MOST_IMAGES = 20_000
MOST_ABREAST = 48  # methods of the reference page


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


def mosaic(images: np.ndarray, repeat: int = 1, gap: tuple[int, int] = (2, 2)) -> np.ndarray:
    """Images on one white ground, each with a thin grey frame.

    Parameters
    ----------
    images : array of shape (n_rows, n_columns, y, x), in 0..1; without a frame and white where all is NaN
    repeat : how often each pixel is repeated along both axes, so that it stays sharp when the whole is scaled
    gap : height and width, in repeated pixels, of what follows each image, its frame included; 2 at least

    Returns
    -------
    array of shape (n_rows * (y * repeat + gap[0]), n_columns * (x * repeat + gap[1])); the first image begins at (1, 1)
    """
    n_rows, n_columns, *shape = images.shape
    height, width = (length * repeat for length in shape)
    ground = np.ones((n_rows, height + gap[0], n_columns, width + gap[1]), np.float32)
    framed = ~np.isnan(images).all(axis=(2, 3))
    ground[:, : height + 2, :, : width + 2] = np.where(framed, 0.69, 1.0)[:, None, :, None]
    large = np.nan_to_num(np.clip(images, 0, 1), nan=1.0).repeat(repeat, axis=2).repeat(repeat, axis=3)
    ground[:, 1 : height + 1, :, 1 : width + 1] = large.transpose(0, 2, 1, 3)
    return ground.reshape(n_rows * (height + gap[0]), n_columns * (width + gap[1]))


def show_mosaic(axes: Axes, images: np.ndarray, tile_mm: float, below_mm: float = 0.5) -> float:
    """Fill a panel with images (n_rows, n_columns, y, x), each of which is 1 wide and 1 high in its units.

    The first image has its middle at (0, 0); ``below_mm`` is left free below each. Returns the height of all in
    millimetres, if an image is ``tile_mm`` wide.
    """
    n_rows, n_columns, height, width = images.shape
    repeat = max(1, round(tile_mm / 25.4 * DPI / width))
    per_mm = width * repeat / tile_mm
    gap = (max(3, round(below_mm * per_mm)), max(3, round(0.5 * per_mm)))
    step = height * repeat + gap[0], width * repeat + gap[1]
    axes.imshow(
        mosaic(images, repeat, gap),
        vmin=0,
        vmax=1,
        extent=(-0.5, n_columns - 0.5, n_rows - 0.5, -0.5),
        aspect=step[0] / step[1],
        interpolation="antialiased",
    )
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[], anchor="NW")
    axes.tick_params(length=0)
    return n_rows * step[0] / per_mm


def tile_width(columns: int, room: float = WIDTH_MM - NAMES_MM - 4, largest: float = LARGEST_MM) -> float:
    """Width in millimetres of each of so many images side by side."""
    return min(largest, room / columns - 0.5)


@styled
def draw_reconstructions(
    stimuli: np.ndarray,
    reconstructions: Sequence[Reconstruction],
    n_stimuli: int,
    about: Subject,
    samples: Sequence[int] | None = None,
) -> PaperFigure:
    """Seen images on top and, below each, its reconstruction by every run.

    Parameters
    ----------
    stimuli : array of shape (n_images, y, x), in 0..1
    reconstructions : one row each
    n_stimuli : distinct stimuli that were scored, of which ``stimuli`` are the first
    samples : position in the dataset of each image, for the figure's data
    """
    n_images, (height, width) = len(stimuli), stimuli.shape[1:]
    tile = tile_width(n_images)
    names = ["Seen image", *(row.look.lines(36) for row in reconstructions)]
    below = max(LINE_MM + 0.8, text_height(names) - tile * height / width)
    figure = PaperFigure(1)
    axes = figure.body.subplots()
    images = np.stack([stimuli, *(row.images for row in reconstructions)])
    figure.heighten(show_mosaic(axes, images, tile, below) + 2)
    share = 0.5 * below / (tile * height / width + below)
    axes.set_yticks(np.arange(len(names)) - share, names)
    decimals = min(METRICS["mse"].decimals, int(tile / 1.7) - 2)
    if decimals > 1:
        for number, row in enumerate(reconstructions, start=1):
            for column, value in enumerate(row.mse):
                if np.isfinite(value):
                    position = (column, number + 0.53 - 2 * share)
                    axes.text(
                        *position, f"{value:.{decimals}f}", ha="center", va="top", color=MUTED, size=SMALL, clip_on=True
                    )
    shown = f"The first {n_images} of {n_stimuli} scored stimuli in the order of the trials"
    return figure.finish(
        "Reconstructions",
        about,
        _errors(reconstructions, _samples(samples, n_images)),
        f"{f'All {n_stimuli} scored stimuli' if n_stimuli == n_images else shown}, the first trial of each; the first "
        f"seed of each method. {GREY}",
        "Below each scored reconstruction its MSE." if decimals > 1 else "",
    )


@styled
def draw_strip(
    stimuli: np.ndarray, rows: Sequence[Reconstruction], about: Subject, samples: Sequence[int] | None = None
) -> PaperFigure:
    """Seen images on top and their reconstructions by a few methods: parameters as of `draw_reconstructions`."""
    names = ["Seen image", *(row.look.lines(36) for row in rows)]
    figure = PaperFigure(1)
    axes = figure.body.subplots()
    images = np.stack([stimuli, *(row.images for row in rows)])
    figure.heighten(show_mosaic(axes, images, tile_width(len(stimuli))) + 2)
    axes.set_yticks(range(len(names)), names)
    return figure.finish(
        "Seen images and the leading methods",
        about,
        _errors(rows, _samples(samples, len(stimuli))),
        f"The {len(rows)} methods with the lowest mean squared error on all scored samples, the best first. Oracles, "
        "which are given something of the scored image, are left out. The images are the first scored stimuli in the "
        f"order of the trials, not chosen by how well they are reconstructed; the first seed of each method. {GREY}",
    )


@styled
def draw_retrieved(
    stimuli: np.ndarray,
    gallery: np.ndarray,
    true: np.ndarray,
    retrievals: Sequence[Retrieval],
    about: Subject,
    samples: Sequence[int] | None = None,
) -> PaperFigure:
    """Seen images and the stimuli that each run's predicted embeddings retrieve, with the seen one framed.

    Parameters
    ----------
    stimuli : array of shape (n_images, y, x), in 0..1
    gallery : array of shape (n_gallery, y, x), in 0..1
    true : int array of shape (n_images,): position of each seen image in the gallery
    samples : position in the dataset of each seen image, for the figure's data
    """
    retrieved, n_images = retrievals[0].order.shape[1], len(stimuli)
    columns = abreast(len(retrievals))
    titles = [retrieval.look.lines(TITLES // max(columns, 2)) for retrieval in retrievals]
    tile = tile_width(columns * (retrieved + 1.6), WIDTH_MM - 6, 11)
    figure = PaperFigure(1)
    panels = panel_grid(figure.body, len(retrievals), columns)
    blank = np.full((1, *stimuli.shape[1:]), np.nan)
    for axes, retrieval, title in zip(panels, retrievals, titles, strict=True):
        found = np.concatenate([gallery, blank])[retrieval.order]
        height = show_mosaic(axes, np.concatenate([stimuli[:, None], found], axis=1), tile, 0.9)
        for row, column in zip(*np.nonzero(retrieval.order == true[:, None]), strict=True):
            axes.add_patch(Rectangle((column + 0.5, row - 0.5), 1, 1, fill=False, edgecolor=FRAME, linewidth=1.6))
        axes.set_title(title)
        axes.set_xticks(range(retrieved + 1), ["seen", *range(1, retrieved + 1)])
        axes.tick_params(top=True, labeltop=True, labelbottom=False)
        ranks = axes.secondary_yaxis("right")
        ranks.set_yticks(range(n_images), [f"{rank:g}" if np.isfinite(rank) else "none" for rank in retrieval.rank])
        ranks.set_ylabel("rank of the seen one", size=SMALL)
        ranks.spines["right"].set_visible(False)
        ranks.tick_params(length=0)
    figure.heighten(-(-len(retrievals) // columns) * (height + 6 + 1.15 * text_height(titles)))
    data = [
        {
            **{**retrieval.look.columns(), "image": row + 1, "sample": sample, "place": position + 1},
            **{"stimulus": item if item >= 0 else None, "right": bool(item == true[row]), "rank": retrieval.rank[row]},
        }
        for retrieval in retrievals
        for row, sample in enumerate(_samples(samples, n_images))
        for position, item in enumerate(retrieval.order[row])
    ]
    chance = min(1.0, retrieved / len(gallery))
    return figure.finish(
        "Retrieved stimuli",
        about,
        pd.DataFrame(data),
        f"Gallery: the {len(gallery)} distinct stimuli of the dataset, ordered by cosine similarity to the predicted "
        f"embedding. The seen one is framed; it is among {retrieved} drawn at random with probability {chance:.2g}. "
        "Rank: position of the seen one. First trials of the scored stimuli in order; the first seed of each method.",
    )


@styled
def draw_reference(
    stimuli: np.ndarray,
    columns: Sequence[tuple[Look, np.ndarray]],
    about: Subject,
    most: int = MOST_IMAGES,
    samples: Sequence[int] | None = None,
) -> PaperFigure:
    """Every scored stimulus in a row, with what each method made of it in columns.

    Parts of the rows stand beside each other where few methods leave room.

    Parameters
    ----------
    stimuli : array of shape (n_stimuli, y, x), in 0..1
    columns : of each method its look and images of shape (n_stimuli, y, x)
    most : images that are drawn at most, in the first rows
    samples : position in the dataset of each stimulus, for the figure's data
    """
    shown = min(len(stimuli), max(1, most // (1 + len(columns))))
    many = len(columns) * 2 * LINE_MM > WIDTH_MM - 20
    names = ["Seen image", *(look.label if many else look.lines(50) for look, _ in columns)]
    images = np.stack([stimuli[:shown], *(reconstructed[:shown] for _, reconstructed in columns)], axis=1)
    parts = [np.r_[0, part + 1] for part in np.array_split(np.arange(len(columns)), -(-len(columns) // MOST_ABREAST))]
    narrowest = LINE_MM * max(name.count("\n") + 1 for name in names)
    blocks = max(1, min(int(WIDTH_MM / (len(names) * (narrowest + 0.5) + 9)), -(-shown // 12)))
    rows = -(-shown // blocks)
    room = WIDTH_MM - 9 * blocks
    tile = max(narrowest, tile_width(blocks * len(parts[0]), room, 12 if rows <= 40 else 6))
    figure = PaperFigure(1)
    for number, axes in enumerate(panel_grid(figure.body, blocks * len(parts), blocks)):
        part, first = parts[number // blocks], number % blocks * rows
        block = images[first : first + rows, part]
        missing = [(0, rows - len(block)), *[(0, 0)] * 3]
        height = show_mosaic(axes, np.pad(block.astype(float), missing, constant_values=np.nan), tile)
        axes.set_xticks(range(len(part)), [names[at] for at in part], rotation=90, multialignment="left")
        axes.tick_params(labeltop=True, labelbottom=False)
        numbers = range(0, len(block), 5)
        axes.set_yticks(numbers, [str(first + number + 1) for number in numbers])
    longest = max(len(line) for name in names for line in name.splitlines())
    figure.heighten(len(parts) * (height + 1.3 * longest + 4))
    data = pd.DataFrame(
        {
            **{**look.columns(), "image": row + 1, "sample": None if samples is None else samples[row]},
            "mse": np.mean((reconstructed[row].astype(float) - stimuli[row]) ** 2),
        }
        for look, reconstructed in columns
        for row in range(shown)
    )
    all_of_them = f"All {shown}" if shown == len(stimuli) else f"The first {shown} of {len(stimuli)}"
    return figure.finish(
        "All reconstructions",
        about,
        data,
        f"{all_of_them} scored stimuli in the order of the trials, the first trial of each; the first seed of each "
        f"method. {GREY}",
    )


def _errors(rows: Sequence[Reconstruction], samples: Sequence[int | None]) -> pd.DataFrame:
    """The error of every image of some rows."""
    return pd.DataFrame(
        {**row.look.columns(), "image": number + 1, "sample": sample, "mse": value}
        for row in rows
        for number, (sample, value) in enumerate(zip(samples, row.mse, strict=True))
    )


def _samples(samples: Sequence[int] | None, n: int) -> Sequence[int | None]:
    return [None] * n if samples is None else samples
