"""Control: always predict the mean of the training images. A method that is no better has decoded nothing."""

from __future__ import annotations

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Method, Prediction, Progress, Saved


class MeanImage(Method):
    """Mean over the training trials (a repeated stimulus counts each time)."""

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        return self.restore(Saved({"mean": data.final.images.astype(np.float64).mean(axis=0)}, {}, data.shape))

    def restore(self, saved: Saved) -> LinearDecoder:
        mean = saved["mean"]

        return LinearDecoder(lambda brain: Prediction(np.repeat(mean[None], len(brain), axis=0)), {"mean": mean})
