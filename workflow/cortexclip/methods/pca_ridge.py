"""Baseline: principal components of the voxels, then ridge to pixels; number and penalty by leave-one-out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Prediction, Saved, scaling
from cortexclip.models.ridge import Linear, Ridge, fit_ridge, penalty_grid, unscaled
from cortexclip.models.standardise import VoxelScaler, fit_scaler

STOCHASTIC = False


@dataclass(frozen=True)
class Settings:
    """``components``: numbers of components to try (those above the number of samples - 1 count as that)."""

    standardise: bool
    components: tuple[int, ...]
    penalty_low: float
    penalty_high: float
    penalty_count: int


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """Components are those of all training samples; leave-one-out takes them as given and refits the ridge alone."""
    scaler = fit_scaler(data.final.brain, settings.standardise)
    voxels = scaler(data.final.brain)
    mean = voxels.mean(axis=0)
    _, _, axes = np.linalg.svd(voxels - mean, full_matrices=False)
    grid = penalty_grid(settings.penalty_low, settings.penalty_high, settings.penalty_count)
    numbers = sorted({min(k, len(voxels) - 1, len(axes)) for k in settings.components})
    fitted = {k: fit_ridge((voxels - mean) @ axes[:k].T, data.final.pixels, grid) for k in numbers}
    k = min(numbers, key=lambda number: fitted[number].loo_error.min())
    ridge = fitted[k]
    arrays = {"axes": axes[:k], "coefficients": ridge.coefficients, "intercept": ridge.intercept}
    chosen = {"components": k, "penalty": ridge.penalty}
    return _decoder(scaler, mean, ridge, arrays, chosen, data.final.images.shape[1:])


def restore(saved: Saved, settings: Settings) -> LinearDecoder:
    """The decoder of a finished run."""
    arrays = {name: saved[name] for name in ("axes", "coefficients", "intercept")}
    ridge = unscaled(arrays["coefficients"], arrays["intercept"])
    return _decoder(saved.scaler, saved["component_mean"], ridge, arrays, saved.chosen, saved.shape)


def _decoder(
    scaler: VoxelScaler, mean: np.ndarray, ridge: Ridge | Linear, arrays: dict, chosen: dict, shape: tuple[int, int]
) -> LinearDecoder:
    def predict(brain: np.ndarray) -> Prediction:
        predicted = ridge.predict((scaler(brain) - mean) @ arrays["axes"].T)
        return Prediction(np.clip(predicted, 0.0, 1.0).reshape(-1, *shape))

    return LinearDecoder(predict, arrays, chosen, {**scaling(scaler), "component_mean": mean})
