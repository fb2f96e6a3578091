"""What the voxels of an encoding model see: maps of single voxels, where all look, and where each has its centre."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cortexclip.figures.images import mosaic
from cortexclip.figures.style import SMALL, Look, PaperFigure, Subject, plain, styled

SHOWN = 12
COLOURS = "viridis"


@styled
def draw_fields(fields: np.ndarray, explained: np.ndarray, look: Look, about: Subject) -> PaperFigure:
    """Receptive fields of the best voxels, the mean of all, and the centres of all.

    Parameters
    ----------
    fields : array of shape (n_voxels, y, x): weights of each pixel in a voxel's response
    explained : array of shape (n_voxels,): share of the variance of a voxel's training responses, up to 1
    """
    n_voxels, height, width = fields.shape
    order = np.argsort(-explained, kind="stable")
    best, share = order[:SHOWN], np.clip(explained, 0.0, None)
    top = np.clip(fields, 0.0, None).reshape(n_voxels, -1)
    rows, columns = np.indices((height, width)).reshape(2, -1)
    total = top.sum(axis=1)
    total[total == 0] = np.nan  # a voxel that no pixel drives has no centre
    x, y = top @ columns / total, top @ rows / total
    figure = PaperFigure(58)
    voxels, everywhere, centres = figure.body.subplots(1, 3, width_ratios=(1.35, 1, 1))
    own = top[best].reshape(-1, height, width)
    own = own / np.maximum(own.max(axis=(1, 2), keepdims=True), 1e-12)
    tiles = np.full((4 * -(-SHOWN // 4), height, width), np.nan)
    tiles[: len(own)] = own
    voxels.imshow(mosaic(tiles.reshape(-1, 4, height, width), 4), vmin=0, vmax=1)
    voxels.set(xticks=[], yticks=[])
    voxels.spines[:].set_visible(False)
    voxels.set_title(f"The {len(best)} best voxels")
    weight = share / max(share.sum(), 1e-12)
    drawn = everywhere.imshow(np.tensordot(weight, fields, 1), cmap=COLOURS)
    _bar(figure, drawn, everywhere, "mean weight")
    everywhere.set_title(f"Mean of {n_voxels:,} voxels")
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    marks = centres.scatter(x[order[::-1]], y[order[::-1]], 3, share[order[::-1]], cmap=COLOURS, linewidths=0)
    centres.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    _bar(figure, marks, centres, "share of variance explained")
    centres.set_title("Centres")
    for axes in (everywhere, centres):
        axes.set(xlabel="pixel", ylabel="pixel")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(3, integer=True))
    data = pd.DataFrame({**look.columns(), "voxel": order, "explained": explained[order], "x": x[order], "y": y[order]})
    return figure.finish(
        f"Receptive fields of the encoding model of {look.label}",
        about,
        data,
        "Weight of each pixel in the response of a voxel, fitted on the training samples of the first fold. Left: "
        "the voxels whose training responses are explained best, each from 0 (black) to its own maximum (white). "
        "Middle: mean over all voxels, weighted by the share explained. Right: centre of mass of the positive "
        "weights of every voxel, those explained best drawn last. The share refers to the responses that the model was "
        "fitted to, not to new ones; pixels that are the same in all training images have no weight.",
    )


def _bar(figure: PaperFigure, drawn, axes: Axes, label: str) -> None:
    """A linear colour bar below a panel."""
    bar = figure.body.colorbar(drawn, ax=axes, location="bottom", aspect=25, pad=0.02)
    bar.set_label(label, size=SMALL)
    bar.locator = MaxNLocator(3)
    bar.formatter = FuncFormatter(plain)
    bar.update_ticks()
