"""Images of another size, by averaging or interpolation along each axis."""

from __future__ import annotations

import numpy as np


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Images (n, y, x) as images (n, size, size): area averaging to smaller ones, bilinear to larger ones.

    Area averaging gives each new pixel the mean of what it covers, pixels that it covers in part counting by that part.
    Bilinear interpolation is between pixel centres; outside the outermost ones it keeps their values. Neither leaves
    the range of the image.
    """
    down, across = (line_weights(length, size) for length in images.shape[1:])
    return np.einsum("iy,nyx,jx->nij", down, images, across, optimize=True)


def line_weights(before: int, after: int) -> np.ndarray:
    """How much each old pixel of a line counts for each new one by the rule of :func:`resized`: (after, before)."""
    if after <= before:
        edges = np.arange(after + 1) * before / after
        pixel = np.arange(before)
        low = np.maximum(edges[:-1, None], pixel)
        high = np.minimum(edges[1:, None], pixel + 1)
        return np.clip(high - low, 0.0, None) * after / before
    centre = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    return np.clip(1.0 - np.abs(centre[:, None] - np.arange(before)), 0.0, None)
