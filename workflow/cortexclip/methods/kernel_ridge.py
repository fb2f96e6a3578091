"""Baseline: kernel ridge from voxels to pixels with a Gaussian kernel; width and penalty by leave-one-out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Prediction
from cortexclip.models.kernels import centre, median_distance, squared_distance
from cortexclip.models.ridge import fit_dual, penalty_grid
from cortexclip.models.standardise import fit_scaler

STOCHASTIC = False


@dataclass(frozen=True)
class Settings:
    """``widths``: kernel widths to try, as multiples of the median distance between training samples."""

    standardise: bool
    widths: tuple[float, ...]
    penalty_low: float
    penalty_high: float
    penalty_count: int


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """Kernel exp(-d^2 / (2 w^2)), centred in feature space (Schoelkopf, Smola and Mueller 1998)."""
    scaler = fit_scaler(data.final.brain, settings.standardise)
    train, pixels = scaler(data.final.brain), data.final.pixels
    grid = penalty_grid(settings.penalty_low, settings.penalty_high, settings.penalty_count)
    distance = squared_distance(train, train)
    median = median_distance(distance)
    best = None
    for width in sorted(settings.widths, reverse=True):
        kernel = np.exp(-distance / (2.0 * (width * median) ** 2))
        found = fit_dual(centre(kernel, kernel), pixels, grid)
        if best is None or found.loo_error.min() < best[0].loo_error.min():
            best = found, width, kernel
    dual, width, kernel = best
    mean, shape = pixels.mean(axis=0), data.final.images.shape[1:]

    def predict(brain: np.ndarray) -> Prediction:
        cross = np.exp(-squared_distance(scaler(brain), train) / (2.0 * (width * median) ** 2))
        predicted = centre(cross, kernel) @ dual.dual + mean
        return Prediction(np.clip(predicted, 0.0, 1.0).reshape(-1, *shape))

    arrays = {"training_voxels": train, "dual": dual.dual, "mean": mean}
    return LinearDecoder(predict, arrays, {"penalty": dual.penalty, "width": float(width)})
