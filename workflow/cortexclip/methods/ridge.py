"""Baseline: ridge regression from voxels to pixels, one penalty chosen by leave-one-out on the training samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from cortexclip.methods.interface import (
    FitData,
    LinearDecoder,
    Method,
    PenaltyGrid,
    Prediction,
    Progress,
    Samples,
    Saved,
)
from cortexclip.numerics.ridge import Linear, fit_ridge
from cortexclip.numerics.standardise import VoxelScaler


class Ridge(Method):
    """Linear map from (z-scored) voxels to pixels; predictions are clipped to the range of an image, 0 to 1."""

    class Settings(PenaltyGrid):
        """Penalties are tried on a logarithmic grid from ``penalty_low`` to ``penalty_high``."""

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples, settings = data.final, self.settings
        ridge = fit_ridge(samples.brain, samples.pixels, settings.penalties, standardise=settings.standardise)
        chosen = {"penalty": ridge.penalty, "loo_mse": float(ridge.loo_error.min())}
        return ridge_decoder(ridge.predict, lambda: ridge.coefficients, ridge.mean, ridge.scaler, data.shape, chosen)

    def restore(self, saved: Saved) -> LinearDecoder:
        return linear_decoder(
            Linear(saved.scaler, saved["coefficients"], saved["intercept"]), saved.shape, saved.chosen
        )


def ridge_decoder(
    pixels: Callable[[np.ndarray], np.ndarray],
    coefficients: Callable[[], np.ndarray],
    intercept: np.ndarray,
    scaler: VoxelScaler,
    shape: tuple[int, int],
    chosen: Mapping[str, float | int | str],
) -> LinearDecoder:
    """The decoder of a ridge regression to pixels, whose coefficients are made only if its weights are saved.

    ``pixels`` predicts rows of pixels from brain samples, ``coefficients`` gives an array (n_voxels, n_pixels) for
    voxels scaled by ``scaler``.
    """
    n_voxels, n_pixels = len(scaler.mean), len(intercept)
    return LinearDecoder(
        lambda brain: Prediction(np.clip(pixels(brain), 0.0, 1.0).reshape(-1, *shape)),
        lambda: {**scaler.arrays, "coefficients": coefficients(), "intercept": intercept},
        chosen,
        n_parameters=2 * n_voxels + (n_voxels + 1) * n_pixels,
    )


def linear_decoder(linear: Linear, shape: tuple[int, int], chosen: Mapping[str, float | int | str]) -> LinearDecoder:
    """The decoder of a linear map of scaled voxels to pixels."""
    return ridge_decoder(linear.predict, lambda: linear.coefficients, linear.intercept, linear.scaler, shape, chosen)


def weighted_decoder(
    samples: Samples, scaler: VoxelScaler, weights: np.ndarray, penalty: float, chosen: Mapping[str, float | int | str]
) -> LinearDecoder:
    """The decoder of a ridge regression to pixels on scaled voxels times ``weights`` (n_voxels,), with this penalty."""
    ridge = fit_ridge(scaler(samples.brain) * weights, samples.pixels, np.array([penalty]))
    linear = Linear(scaler, weights[:, None] * ridge.coefficients, ridge.intercept)
    return linear_decoder(linear, samples.images.shape[1:], {"penalty": ridge.penalty, **chosen})
