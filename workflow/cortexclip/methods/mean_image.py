"""Control: always predict the mean of the training images. A method that is no better has decoded nothing."""

from __future__ import annotations

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Method, Prediction, Progress, Saved


class MeanImage(Method):
    """Mean over the training trials (a repeated stimulus counts each time)."""

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        return _decoder(data.final.images.astype(np.float64).mean(axis=0))

    def restore(self, saved: Saved) -> LinearDecoder:
        return _decoder(saved["mean"])


def _decoder(mean: np.ndarray) -> LinearDecoder:
    return LinearDecoder(lambda brain: Prediction(np.repeat(mean[None], len(brain), axis=0)), {"mean": mean})
