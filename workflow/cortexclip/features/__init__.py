"""Image encoders: from pictures to the feature spaces that decoders aim at.

Each encoder kind is a module with ``load(settings) -> Encoder``; an encoder has ``encode(images, progress=None)`` and
``provenance()``. Modules that need torch import it themselves: this one and the controls (`pixels`, `gabor`) do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from pydantic import BaseModel

from cortexclip.errors import InputError
from cortexclip.runtime.settings import check

M = TypeVar("M", bound=BaseModel)


def check_images(images: np.ndarray) -> np.ndarray:
    """The images as float32 (n, side, side) in 0..1; raises InputError for another shape, range, or NaN."""
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise InputError(f"images: found shape {images.shape}, expected (n, side, side). Pass square greyscale images.")
    if images.size and not (images.min() >= -1e-6 and images.max() <= 1 + 1e-6):
        raise InputError(
            f"images: found values from {images.min():.4g} to {images.max():.4g}, expected 0 to 1. "
            "Scale the stimuli first."
        )
    return images


def checked_settings(model: type[M], settings: Mapping) -> M:
    """An encoder's settings, but for the module that they name; raises InputError for a wrong one."""
    own = {key: value for key, value in settings.items() if key != "module"}
    return check(model, own, f"encoder {model.__module__.rpartition('.')[2]}", "setting")
