"""The image itself as a feature space: flattened pixels, the control that any learned encoder has to beat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cortexclip.errors import check_keys
from cortexclip.features import check_images


def load(settings: dict) -> Encoder:
    """The encoder; it has no settings. Raises InputError for unknown keys."""
    check_keys(settings, (), "pixels settings")
    return Encoder()


class Encoder:
    """Flattens images row by row."""

    def encode(self, images: np.ndarray, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Embeddings float32 (n, height * width) of images (n, height, width), 0 black to 1 white."""
        images = check_images(images)
        if progress:
            progress(len(images), len(images))
        return images.reshape(len(images), -1).copy()

    def provenance(self) -> dict:
        """What made the embeddings: the feature space's name."""
        return {"encoder": "pixels"}
