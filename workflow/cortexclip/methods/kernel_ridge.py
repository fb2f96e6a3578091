"""Baseline: kernel ridge from voxels to pixels with a Gaussian kernel; width and penalty by leave-one-out."""

from __future__ import annotations

from typing import Any

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Method, PenaltyGrid, Prediction, Progress, Saved
from cortexclip.numerics.kernels import centre, median_distance, squared_distance
from cortexclip.numerics.ridge import fit_dual
from cortexclip.numerics.standardise import fit_scaler
from cortexclip.runtime.settings import Positive, Several


class KernelRidge(Method):
    """Kernel exp(-d^2 / (2 w^2)), centred in feature space (Schoelkopf, Smola and Mueller 1998)."""

    class Settings(PenaltyGrid):
        """``widths``: kernel widths to try, as multiples of the median distance between training samples."""

        widths: Several[Positive]

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        scaler = fit_scaler(data.final.brain, self.settings.standardise)
        train, pixels = scaler(data.final.brain), data.final.pixels
        distance = squared_distance(train, train)
        median = median_distance(distance)
        best: Any = None
        for width in sorted(self.settings.widths, reverse=True):
            kernel = np.exp(-distance / (2.0 * (width * median) ** 2))
            found = fit_dual(centre(kernel, kernel), pixels, self.settings.penalties)
            if best is None or found.loo_error.min() < best[0].loo_error.min():
                best = found, width
        dual, width = best
        arrays = {"training_voxels": train, "dual": dual.dual, "mean": pixels.mean(axis=0), **scaler.arrays}
        return self.restore(Saved(arrays, {"penalty": dual.penalty, "width": float(width)}, data.shape))

    def restore(self, saved: Saved) -> LinearDecoder:
        arrays, scaler = saved.named("training_voxels", "dual", "mean"), saved.scaler
        distance = squared_distance(arrays["training_voxels"], arrays["training_voxels"])
        width = saved.fact("width") * median_distance(distance)
        kernel = np.exp(-distance / (2.0 * width**2))

        def predict(brain: np.ndarray) -> Prediction:
            cross = np.exp(-squared_distance(scaler(brain), arrays["training_voxels"]) / (2.0 * width**2))
            predicted = centre(cross, kernel) @ arrays["dual"] + arrays["mean"]
            return Prediction(np.clip(predicted, 0.0, 1.0).reshape(-1, *saved.shape))

        return LinearDecoder(predict, arrays, saved.chosen, scaler.arrays)
