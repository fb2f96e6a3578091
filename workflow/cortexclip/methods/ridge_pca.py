"""Baseline: ridge from voxels to the principal components of the training images, each with a penalty of its own."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from cortexclip.methods.interface import FitData, LinearDecoder, PenaltyGrid, Progress
from cortexclip.methods.ridge import Ridge, linear_decoder
from cortexclip.numerics.ridge import Linear, fit_each, ridge_path
from cortexclip.numerics.standardise import fit_scaler
from cortexclip.runtime.settings import Count


class RidgePCA(Ridge):
    """The penalty of each component and the number of components have the lowest squared error over inner folds.

    Each inner fold has the components of its own images.
    """

    class Settings(PenaltyGrid):
        """``components``: the largest number to try (all smaller numbers are tried too); ``folds``: inner folds.

        Penalties are tried on a logarithmic grid from ``penalty_low`` to ``penalty_high``.
        """

        components: Count
        folds: Annotated[int, Field(ge=2)]

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples, settings, images = data.final, self.settings, data.final.pixels
        folds = data.inner_folds(settings.folds)
        most = min(settings.components, min(len(training) for training, _ in folds) - 1)
        errors, without = np.zeros((settings.penalty_count, most)), np.zeros(most)
        for training, held_out in folds:
            scaler = fit_scaler(samples.brain[training], settings.standardise)
            mean, axes = _components(images[training], most)
            scores, true = (images[training] - mean) @ axes.T, (images[held_out] - mean) @ axes.T
            brain, seen = scaler(samples.brain[training]), scaler(samples.brain[held_out])
            path = ridge_path(brain, scores, seen, settings.penalties)
            errors[:, : len(axes)] += np.square(path - true).sum(axis=1)
            without[: len(axes)] += np.square(true).sum(axis=0)
        mean, axes = _components(images, most)
        number = min(int(np.argmin(np.cumsum(errors.min(axis=0) - without))) + 1, len(axes))
        penalties = settings.penalties[errors.argmin(axis=0)[:number]]
        scaler = fit_scaler(samples.brain, settings.standardise)
        linear = fit_each(scaler(samples.brain), (images - mean) @ axes[:number].T, penalties)
        coefficients = linear.coefficients @ axes[:number]
        return linear_decoder(
            Linear(scaler, coefficients, mean - linear.scaler.mean @ coefficients),
            data.shape,
            {"components": number, "penalty": float(np.median(penalties)), "inner_folds_by": data.inner_folds_by},
        )


def _components(images: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (n_pixels,) of images (n_images, n_pixels) and their first axes (n_axes, n_pixels), of those that vary."""
    mean = images.mean(axis=0)
    _, spread, axes = np.linalg.svd(images - mean, full_matrices=False)
    return mean, axes[: max(1, min(most, int(np.count_nonzero(spread > 1e-9 * max(spread[0], 1e-300)))))]
