"""Which image of the prior corpus is most like a stimulus.

For the stimuli of public datasets and of simulations this was found once and ships with the project, so that an audit
of these draws no corpus (docs/priors.md says how the file is made). For any other stimulus the corpus is drawn.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.priors import corpus as prior_corpus
from cortexclip.runtime.arrays import read_parquet
from cortexclip.runtime.project import root

SHIPPED = root() / "resources" / "priors" / "glyphs" / "nearest.parquet"
BLOCK = 4096
"""Corpus images compared at a time."""


def compared(corpus: xr.Dataset, stimulus: np.ndarray, images: np.ndarray) -> pd.DataFrame:
    """The most alike image of the corpus for each of some stimuli, identities (n,) and images (n, 28, 28) in 0..1.

    A row has the identity (``stimulus``), greatest ``correlation``, least ``mse``, and the ``name`` of the most
    correlated image. ``attrs["images"]`` is the number of images in the corpus.
    """
    correlation, mse, position = nearest_images(corpus.image.values, images)
    name = corpus.name.values[position].astype(np.str_)
    table = pd.DataFrame({"stimulus": stimulus, "correlation": correlation, "mse": mse, "name": name})
    table.attrs["images"] = int(corpus.sizes["image"])
    return table


def looked_up(stimulus: np.ndarray, images: np.ndarray, known: pd.DataFrame | None = None) -> pd.DataFrame:
    """What `compared` gives with the project's own corpus, which is drawn only for stimuli that are not known.

    ``known`` is the table of those that are, by default the shipped one.
    """
    known = read_parquet(SHIPPED) if known is None else known
    if not np.isin(stimulus, known["stimulus"]).all():
        return compared(prior_corpus.draw(), stimulus, images)
    table = known.set_index("stimulus").loc[stimulus].reset_index()
    table.attrs = dict(known.attrs)
    return table


def nearest_images(corpus: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each image (n, y, x) the greatest correlation with the corpus, the least squared error, the most alike one.

    Correlation (n,) ignores how bright an image is; it is -1 where the image is blank. The mean squared error of pixels
    (n,) is that of the corpus in 0..1 if it is uint8. The most alike one is the position in the corpus (n,) of the most
    correlated image.
    """
    pixels = np.asarray(images, np.float32).reshape(len(images), -1)
    standard, squares = _standard(pixels), np.square(pixels).sum(axis=1)
    scale = np.float32(255 if corpus.dtype == np.uint8 else 1)
    best = np.full(len(images), -1.0, np.float32)
    least, where = np.full(len(images), np.inf, np.float32), np.zeros(len(images), int)
    for start in range(0, len(corpus), BLOCK):
        block = corpus[start : start + BLOCK].reshape(-1, pixels.shape[1]).astype(np.float32) / scale
        distance = np.square(block).sum(axis=1) - 2 * pixels @ block.T + squares[:, None]
        least = np.minimum(least, distance.min(axis=1))
        correlation = standard @ _standard(block).T
        position = correlation.argmax(axis=1)
        value = correlation[np.arange(len(images)), position]
        better = value > best
        best[better], where[better] = value[better], position[better] + start
    blank = ~standard.any(axis=1)
    return np.where(blank, -1, best), np.maximum(least, 0) / pixels.shape[1], where


def _standard(pixels: np.ndarray) -> np.ndarray:
    """Rows centred and of length 1; rows that are constant become 0."""
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.where(norm > 1e-4, centred / np.maximum(norm, 1e-4), 0)
