"""Control: ridge to pixels, then the training image nearest to it. Strong wherever test images occur in training."""

from __future__ import annotations

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Prediction, Progress, Saved
from cortexclip.methods.ridge import Ridge


class RidgeSnap(Ridge):
    """The distinct training image with the lowest squared distance to the ridge prediction (of ties the first)."""

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        base = super().fit(data, seed, progress)
        return _decoder(base, data.final.images[data.final.distinct()].astype(np.float64))

    def restore(self, saved: Saved) -> LinearDecoder:
        return _decoder(super().restore(saved), saved["gallery"])


def _decoder(base: LinearDecoder, gallery: np.ndarray) -> LinearDecoder:
    flat = gallery.reshape(len(gallery), -1)

    def predict(brain: np.ndarray) -> Prediction:
        pixels = base.predict(brain).images.reshape(len(brain), -1)
        distance = np.sum(flat**2, axis=1) - 2.0 * pixels @ flat.T
        return Prediction(gallery[np.argmin(distance, axis=1)])

    return LinearDecoder(predict, {**base.weights(), "gallery": gallery}, base.chosen)
