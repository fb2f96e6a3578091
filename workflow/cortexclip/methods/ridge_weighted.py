"""Baseline: ridge from voxels to pixels, with larger weights for voxels that the stimulus predicts better."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from cortexclip.methods.interface import FitData, LinearDecoder, PenaltyGrid, Progress
from cortexclip.methods.ridge import Ridge, weighted_decoder
from cortexclip.numerics.ridge import explained_variance, few_targets, penalty_grid, ridge_path
from cortexclip.numerics.standardise import fit_scaler, voxel_weights
from cortexclip.runtime.settings import Count, NonNegative, Positive, Several


class RidgeWeighted(Ridge):
    """A voxel's weight is the share of its variance that ridge from pixels explains in held-out training samples.

    A weight multiplies the voxel's variance, so that ridge has a smaller penalty for it. The power of the weights and
    the penalty are those of least squared error over inner folds, each of which finds its own weights.
    """

    class Settings(PenaltyGrid):
        """``voxel_powers``: exponents of the weights to try, of which 0 is plain ridge; ``folds``: inner folds.

        ``encoding_penalty_low`` to ``encoding_penalty_high``: a logarithmic grid for the ridge from pixels to voxels.
        """

        voxel_powers: Several[NonNegative]
        folds: Annotated[int, Field(ge=2)]
        encoding_penalty_low: Positive
        encoding_penalty_high: Positive
        encoding_penalty_count: Count

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples, settings, group = data.final, self.settings, data.inner_groups
        pixels, images = samples.pixels, few_targets(samples.pixels)
        errors = np.zeros((len(settings.voxel_powers), settings.penalty_count))
        for training, held_out in data.inner_folds(settings.folds):
            scaler = fit_scaler(samples.brain[training], settings.standardise)
            brain, seen = scaler(samples.brain[training]), scaler(samples.brain[held_out])
            explained = self._explained(brain, images[training], group[training])
            for row, power in enumerate(settings.voxel_powers):
                weights = voxel_weights(explained, power)
                path = ridge_path(brain * weights, pixels[training], seen * weights, settings.penalties)
                errors[row] += np.square(np.clip(path, 0.0, 1.0) - pixels[held_out]).sum(axis=(1, 2))
        best, column = np.unravel_index(np.argmin(errors), errors.shape)
        power = float(settings.voxel_powers[best])
        scaler = fit_scaler(samples.brain, settings.standardise)
        weights = voxel_weights(self._explained(scaler(samples.brain), images, group), power)
        chosen: dict[str, float | int | str] = {
            "voxel_power": power,
            "inner_folds_by": data.inner_folds_by,
            "inner_mse": float(errors.min() / pixels.size),
            "voxels_used": int(np.count_nonzero(weights)),
        }
        return weighted_decoder(samples, scaler, weights, float(settings.penalties[column]), chosen)

    def _explained(self, brain: np.ndarray, images: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Explained share of the variance of each voxel of scaled samples, (n_voxels,)."""
        settings = self.settings
        low, high = settings.encoding_penalty_low, settings.encoding_penalty_high
        return explained_variance(images, brain, penalty_grid(low, high, settings.encoding_penalty_count), group)
