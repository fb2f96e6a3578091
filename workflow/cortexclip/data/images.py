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


def bounding_box(shown: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns between the outermost values (y, x) that are not 0, of which there is one at least."""
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def drawn(font, text: str) -> np.ndarray:
    """What a font of Pillow draws, white on black, cropped to its bounding box, float32 (y, x) in 0..1."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = font.getbbox(text)
    canvas = Image.new("L", (int(right - left) + 8, int(bottom - top) + 8))
    ImageDraw.Draw(canvas).text((4 - left, 4 - top), text, font=font, fill=255)
    return np.asarray(canvas.crop(canvas.getbbox()), np.float32) / 255


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
