"""Baseline: ridge regression from voxels to pixels, one penalty chosen by leave-one-out on the training samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.methods.interface import FitData, Method, PenaltyGrid, Prediction, Progress, Saved, scaling
from cortexclip.numerics.ridge import Linear, fit_ridge
from cortexclip.numerics.standardise import VoxelScaler


@dataclass(frozen=True)
class RidgeDecoder:
    """A fitted ridge regression to pixels, whose coefficients are made only if its weights are asked for.

    ``pixels`` predicts rows of pixels from brain samples, ``coefficients`` gives an array (n_voxels, n_pixels) for
    voxels scaled by ``scaler``.
    """

    pixels: Callable[[np.ndarray], np.ndarray]
    coefficients: Callable[[], np.ndarray]
    intercept: np.ndarray
    scaler: VoxelScaler
    shape: tuple[int, int]
    chosen: dict[str, float | int | str]

    def predict(self, brain: np.ndarray) -> Prediction:
        """Images clipped to 0..1."""
        return Prediction(np.clip(self.pixels(brain), 0.0, 1.0).reshape(-1, *self.shape))

    def weights(self) -> dict[str, np.ndarray]:
        return {**scaling(self.scaler), "coefficients": self.coefficients(), "intercept": self.intercept}

    def facts(self) -> dict[str, float | int | str]:
        n_voxels, n_pixels = len(self.scaler.mean), len(self.intercept)
        return {**self.chosen, "parameters": 2 * n_voxels + (n_voxels + 1) * n_pixels}

    def history(self) -> list[dict]:
        return []


class Ridge(Method):
    """Linear map from (z-scored) voxels to pixels; predictions are clipped to the range of an image, 0 to 1."""

    class Settings(PenaltyGrid):
        """Penalties are tried on a logarithmic grid from ``penalty_low`` to ``penalty_high``."""

    def fit(self, data: FitData, seed: int, progress: Progress) -> RidgeDecoder:
        samples = data.final
        ridge = fit_ridge(samples.brain, samples.pixels, self.settings.penalties, standardise=self.settings.standardise)
        return RidgeDecoder(
            ridge.predict,
            lambda: ridge.coefficients,
            ridge.mean,
            ridge.scaler,
            samples.images.shape[1:],
            {"penalty": ridge.penalty, "loo_mse": float(ridge.loo_error.min())},
        )

    def restore(self, saved: Saved) -> RidgeDecoder:
        scaler, coefficients, intercept = saved.scaler, saved["coefficients"], saved["intercept"]
        predict = Linear(scaler, coefficients, intercept).predict
        return RidgeDecoder(predict, lambda: coefficients, intercept, scaler, saved.shape, saved.chosen)
