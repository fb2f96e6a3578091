"""The image bases that a model of latent variables learned: one picture for each latent."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cortexclip.figures.style import FAINT, SMALL, Look, PaperFigure, Subject, panel_grid, styled

SHOWN, COLUMNS, TILE_MM, TALLEST = 24, 8, 20, 1.5
LEAST = 0.0005
"""Share of the explained variance below which a latent is not shown: it would be written as 0.0%."""


@styled
def draw_bases(bases: np.ndarray, look: Look, about: Subject) -> PaperFigure:
    """The bases of the latents that explain most of the images' variance, in order, each with its share.

    ``bases`` (n_latents, y, x) are what latents of 1 add to the image.
    """
    n_latents, height, width = bases.shape
    variance = (bases**2).sum(axis=(1, 2))
    share = variance / max(variance.sum(), 1e-12)
    order = np.argsort(-share, kind="stable")[: max(1, min(SHOWN, (share >= LEAST).sum()))]
    figure = PaperFigure(-(-len(order) // COLUMNS) * (TILE_MM * min(height / width, TALLEST) + 5))
    for axes, latent in zip(panel_grid(figure.body, len(order), COLUMNS), order, strict=True):
        largest = max(abs(bases[latent]).max(), 1e-12)
        axes.imshow(bases[latent], cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color=FAINT)
        axes.set_xlabel(f"{share[latent]:.1%}", size=SMALL)
    return figure.finish(
        f"Image bases of {look.label}",
        about,
        pd.DataFrame({**look.columns(), "latent": order, "share": share[order]}),
        f"What each latent variable adds to the image (red) and takes from it (blue), and its share of the variance "
        f"that all {n_latents} explain, the largest first (shown: {len(order)}). Colours reach to the largest absolute "
        "weight of each picture, white is 0. Learned from the training samples of the first fold. The model gives "
        "each latent a variance of 1, so a share is that of the squared weights. The sign of a latent is arbitrary.",
    )
