"""Control: average the images of the training trials whose brain responses are most similar."""

from __future__ import annotations

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Method, Prediction, Progress, Saved
from cortexclip.numerics.readout import unit_length
from cortexclip.numerics.standardise import fit_scaler
from cortexclip.runtime.settings import Checked, Count, Several


class KNN(Method):
    """k nearest neighbours by Pearson correlation of z-scored voxel patterns.

    k has the least leave-one-out squared error on the training samples; ties go to the smaller k.
    """

    class Settings(Checked):
        """``neighbours``: numbers of neighbours to choose from by leave-one-out on the training samples."""

        standardise: bool
        neighbours: Several[Count]

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        scaler = fit_scaler(data.final.brain, self.settings.standardise)
        patterns, pixels = _unit_rows(scaler(data.final.brain)), data.final.pixels
        similarity = patterns @ patterns.T
        np.fill_diagonal(similarity, -np.inf)
        order = np.argsort(-similarity, axis=1, kind="stable")
        usable = sorted({min(k, len(pixels) - 1) for k in self.settings.neighbours})
        errors = [np.mean((pixels[order[:, :k]].mean(axis=1) - pixels) ** 2) for k in usable]
        arrays = {"patterns": patterns, "pixels": pixels, **scaler.arrays}
        return self.restore(Saved(arrays, {"neighbours": usable[int(np.argmin(errors))]}, data.shape))

    def restore(self, saved: Saved) -> LinearDecoder:
        arrays, scaler, k = saved.named("patterns", "pixels"), saved.scaler, saved.fact("neighbours")

        def predict(brain: np.ndarray) -> Prediction:
            nearest = np.argsort(-(_unit_rows(scaler(brain)) @ arrays["patterns"].T), axis=1, kind="stable")[:, :k]
            return Prediction(arrays["pixels"][nearest].mean(axis=1).reshape(-1, *saved.shape))

        return LinearDecoder(predict, arrays, saved.chosen, scaler.arrays)


def _unit_rows(patterns: np.ndarray) -> np.ndarray:
    """Centre each row and scale it to unit length, so that inner products are correlations."""
    return unit_length(patterns - patterns.mean(axis=1, keepdims=True))
