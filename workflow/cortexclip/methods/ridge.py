"""Baseline: ridge regression from voxels to pixels, one penalty chosen by leave-one-out on the training samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Prediction
from cortexclip.models.ridge import fit_ridge, penalty_grid
from cortexclip.models.standardise import fit_scaler

STOCHASTIC = False


@dataclass(frozen=True)
class Settings:
    """Penalties are tried on a logarithmic grid from ``penalty_low`` to ``penalty_high``."""

    standardise: bool
    penalty_low: float
    penalty_high: float
    penalty_count: int


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """Linear map from z-scored voxels to pixels; predictions are clipped to the range of an image, 0 to 1."""
    scaler = fit_scaler(data.final.brain, settings.standardise)
    grid = penalty_grid(settings.penalty_low, settings.penalty_high, settings.penalty_count)
    ridge = fit_ridge(scaler(data.final.brain), data.final.pixels, grid)
    shape = data.final.images.shape[1:]

    def predict(brain: np.ndarray) -> Prediction:
        return Prediction(np.clip(ridge.predict(scaler(brain)), 0.0, 1.0).reshape(-1, *shape))

    arrays = {
        "voxel_mean": scaler.mean,
        "voxel_scale": scaler.scale,
        "coefficients": ridge.coefficients,
        "intercept": ridge.intercept,
    }
    return LinearDecoder(predict, arrays, {"penalty": ridge.penalty, "loo_mse": float(ridge.loo_error.min())})
