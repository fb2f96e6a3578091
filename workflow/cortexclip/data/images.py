"""What is done to images of a source that are not grey or not of the wanted size, each by one stated rule."""

from __future__ import annotations

import numpy as np

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601), applied to the pixels as they are stored."""
SMALLEST_SIDE = 11
"""Pixels on a side that images need at least: structural similarity has a window of 11 x 11."""


def grey(images: np.ndarray) -> np.ndarray:
    """Grey images (n, y, x) from colour ones (n, y, x, 3) in the same range: ``LUMA``."""
    return images @ np.array(LUMA)


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Images (n, y, x) as images (n, size, size): area averaging to smaller ones, bilinear to larger ones.

    Area averaging gives each new pixel the mean of what it covers, pixels that it covers in part counting by that part.
    Bilinear interpolation is between pixel centres; outside the outermost ones it keeps their values. Neither leaves
    the range of the image.
    """
    down, across = (line_weights(length, size) for length in images.shape[1:])
    return np.einsum("iy,nyx,jx->nij", down, images, across, optimize=True)


def bounding_box(shown: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns between the outermost values (y, x) that are not 0, of which there is one at least."""
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def centred(drawing: np.ndarray, size: int, extent: float) -> np.ndarray:
    """Resize with the aspect kept so that the longer side takes ``extent`` of the image; centre it."""
    from PIL import Image

    scale = extent * size / max(drawing.shape)
    height, width = (max(1, round(side * scale)) for side in drawing.shape)
    small = Image.fromarray((drawing * 255).round().astype(np.uint8)).resize((width, height), Image.Resampling.BOX)
    image = np.zeros((size, size), np.float32)
    top, left = (size - height) // 2, (size - width) // 2
    image[top : top + height, left : left + width] = np.asarray(small, np.float32) / 255
    return image


def rule(before: int, after: int) -> str:
    """What :func:`resized` does, in words; "" where nothing is."""
    if before == after:
        return ""
    how = "area averaging" if after < before else "bilinear interpolation"
    return f"resized from {before}x{before} to {after}x{after} by {how}"


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
