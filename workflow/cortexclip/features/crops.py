"""Embeddings of a picture and of its four corners, side by side: one feature space at two scales of an open_clip model.

The corners show the model each part of the picture larger than the whole does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydantic import Field

from cortexclip.features import check_images, checked_settings, openclip
from cortexclip.runtime.settings import Checked


class Settings(Checked):
    """What `load` takes beside the settings of `cortexclip.features.openclip`."""

    side: float = Field(gt=0, lt=1)
    """Length of a corner as a share of the picture's; all other settings are those of cortexclip.features.openclip"""


def load(settings: dict) -> Encoder:
    """The views of an open_clip model; raises InputError for no usable ``side``, and what openclip refuses."""
    own = checked_settings(Settings, {"side": settings.get("side")})
    return Encoder(openclip.load({key: value for key, value in settings.items() if key != "side"}), own.side)


class Encoder:
    """The views of an encoder, of unit length each."""

    def __init__(self, encoder, side: float):
        self.encoder, self.side = encoder, side

    def encode(self, images: np.ndarray, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Embeddings float32 (n, 5 * d) of images (n, side, side) in 0..1: whole, then the corners row by row."""
        images = check_images(images)
        done, parts = 0, []

        def report(n: int, total: int) -> None:
            if progress:
                progress((done + n) // 5, total)

        for number, view in enumerate(views(images, self.side)):
            encode = self.encoder.encode if number else self.encoder.encode_again  # others may encode the whole, too
            parts.append(encode(view, report))
            done += len(images)
        return np.concatenate([part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts], axis=1)

    def provenance(self) -> dict:
        """That of the model, and how long the corners are."""
        return {**self.encoder.provenance(), "encoder": "crops", "side": self.side}


def views(images: np.ndarray, side: float) -> list[np.ndarray]:
    """The images (n, height, width) and their corners, each of ``side`` times the size: upper left, upper right,
    lower left, lower right.
    """
    height, width = (max(1, round(side * length)) for length in images.shape[1:])
    rows, columns = (slice(height), slice(-height, None)), (slice(width), slice(-width, None))
    return [images, *(images[:, row, column] for row in rows for column in columns)]
