"""Control: ridge to pixels, then the training image closest to it. Strong wherever test images were seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cortexclip.methods import ridge
from cortexclip.methods.interface import FitData, LinearDecoder, Prediction, Saved

STOCHASTIC = False
Settings = ridge.Settings


def fit(data: FitData, settings: ridge.Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """The distinct training image of least squared distance to the ridge prediction (the first of equals)."""
    base = ridge.fit(data, settings, seed, progress)
    return _decoder(base, data.final.images[data.final.distinct()].astype(np.float64))


def restore(saved: Saved, settings: ridge.Settings) -> LinearDecoder:
    """The decoder of a finished run."""
    return _decoder(ridge.restore(saved, settings), saved["gallery"])


def _decoder(base: ridge.RidgeDecoder, gallery: np.ndarray) -> LinearDecoder:
    flat = gallery.reshape(len(gallery), -1)

    def predict(brain: np.ndarray) -> Prediction:
        pixels = base.predict(brain).images.reshape(len(brain), -1)
        distance = np.sum(flat**2, axis=1) - 2.0 * pixels @ flat.T
        return Prediction(gallery[np.argmin(distance, axis=1)])

    return LinearDecoder(predict, {**base.weights(), "gallery": gallery}, base.chosen)
