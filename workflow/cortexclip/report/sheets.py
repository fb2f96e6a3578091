"""Images for the explorer, packed: many small images of one size in one picture, each distinct one once."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

LEVELS = 64
"""Grey levels that are kept: three quarters of the bytes of 256, and no difference to the eye."""


def grey(images: np.ndarray) -> np.ndarray:
    """Images (..., y, x) in 0..1 as 8-bit greys of `LEVELS` levels, clipped; what is not finite is 0."""
    steps = np.rint(np.clip(np.nan_to_num(images, nan=0.0, posinf=1.0, neginf=0.0), 0, 1) * (LEVELS - 1))
    return np.rint(steps * (255 / (LEVELS - 1))).astype(np.uint8)


@dataclass
class Pool:
    """Distinct images of one size, numbered in the order in which they were first added."""

    images: list[np.ndarray] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def add(self, images: np.ndarray) -> list[int]:
        """Numbers of images (n, y, x) in 0..1, those that are new added; -1 for one with a value that is not finite."""
        numbers = []
        for image, finite in zip(grey(images), np.isfinite(images).all(axis=(-1, -2)), strict=True):
            if not finite:
                numbers.append(-1)
                continue
            key = image.tobytes()
            if key not in self._numbers:
                self._numbers[key] = len(self.images)
                self.images.append(image)
            numbers.append(self._numbers[key])
        return numbers

    def sheet(self) -> dict:
        """All images as one picture: ``data`` (PNG, base64), ``columns``, ``height`` and ``width`` of one."""
        if not self.images:
            return {"data": "", "columns": 1, "height": 1, "width": 1}
        stack = np.stack(self.images)
        count, height, width = stack.shape
        columns = math.ceil(math.sqrt(count))
        rows = -(-count // columns)
        full = np.zeros((rows * columns, height, width), np.uint8)
        full[:count] = stack
        picture = full.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG", optimize=True)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        return {"data": data, "columns": columns, "height": height, "width": width}
