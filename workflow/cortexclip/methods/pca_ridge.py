"""Baseline: principal components of the voxels, then ridge to pixels; number and penalty by leave-one-out."""

from __future__ import annotations

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Method, PenaltyGrid, Prediction, Progress, Saved
from cortexclip.numerics.ridge import Ridge, fit_ridge, unscaled
from cortexclip.numerics.standardise import fit_scaler
from cortexclip.runtime.settings import Count, Several


class PCARidge(Method):
    """Components are those of all training samples; leave-one-out takes them as given and refits the ridge alone."""

    class Settings(PenaltyGrid):
        """``components``: numbers of components to try (those above the number of samples - 1 count as that)."""

        components: Several[Count]

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        scaler = fit_scaler(data.final.brain, self.settings.standardise)
        voxels = scaler(data.final.brain)
        mean = voxels.mean(axis=0)
        _, _, axes = np.linalg.svd(voxels - mean, full_matrices=False)
        numbers = sorted({min(k, len(voxels) - 1, len(axes)) for k in self.settings.components})
        grid = self.settings.penalties
        fitted = {k: fit_ridge((voxels - mean) @ axes[:k].T, data.final.pixels, grid) for k in numbers}
        k = min(numbers, key=lambda number: fitted[number].loo_error.min())
        ridge = fitted[k]
        arrays = {"axes": axes[:k], "coefficients": ridge.coefficients, "intercept": ridge.intercept}
        arrays |= {**scaler.arrays, "component_mean": mean}
        return self.restore(Saved(arrays, {"components": k, "penalty": ridge.penalty}, data.shape), ridge)

    def restore(self, saved: Saved, fitted: Ridge | None = None) -> LinearDecoder:
        arrays, kept = saved.named("axes", "coefficients", "intercept"), saved.named("component_mean")
        ridge = fitted or unscaled(arrays["coefficients"], arrays["intercept"])
        scaler = saved.scaler

        def predict(brain: np.ndarray) -> Prediction:
            predicted = ridge.predict((scaler(brain) - kept["component_mean"]) @ arrays["axes"].T)
            return Prediction(np.clip(predicted, 0.0, 1.0).reshape(-1, *saved.shape))

        return LinearDecoder(predict, arrays, saved.chosen, {**scaler.arrays, **kept})
