"""Baseline: partial least squares from voxels to pixels; number of components by cross-validation inside training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from cortexclip.methods.interface import FitData, LinearDecoder, Method, Prediction, Progress, Saved
from cortexclip.numerics.standardise import fit_scaler
from cortexclip.runtime.settings import Checked, Count


class PLS(Method):
    """PLS2 (scikit-learn's PLSRegression); the number of components has the lowest squared error over inner folds."""

    class Settings(Checked):
        """``components``: the largest number to try (all smaller numbers are tried too); ``folds``: of the inner
        cross-validation over training samples, cut without shuffling.
        """

        standardise: bool
        components: Count
        folds: Annotated[int, Field(ge=2)]

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        from sklearn.model_selection import KFold

        samples = data.final
        most = min(self.settings.components, len(samples) - 2)
        errors = np.zeros(most)
        for train, held_out in KFold(min(self.settings.folds, len(samples))).split(samples.brain):
            scaler = fit_scaler(samples.brain[train], self.settings.standardise)
            path = _path(scaler(samples.brain[train]), samples.pixels[train], min(most, len(train) - 1))
            target = samples.pixels[held_out]
            for k in range(most):
                predicted = path(scaler(samples.brain[held_out]), min(k + 1, len(train) - 1))
                errors[k] += np.sum((np.clip(predicted, 0.0, 1.0) - target) ** 2)
        k = int(np.argmin(errors)) + 1
        scaler = fit_scaler(samples.brain, self.settings.standardise)
        path = _path(scaler(samples.brain), samples.pixels, k)
        return self.restore(Saved({**scaler.arrays, **vars(path)}, {"components": k}, data.shape))

    def restore(self, saved: Saved) -> LinearDecoder:
        scaler, path = saved.scaler, _Path(**saved.named(*(each.name for each in dataclasses.fields(_Path))))
        k = path.rotations.shape[1]

        def predict(brain: np.ndarray) -> Prediction:
            return Prediction(np.clip(path(scaler(brain), k), 0.0, 1.0).reshape(-1, *saved.shape))

        return LinearDecoder(predict, {**scaler.arrays, **vars(path)}, saved.chosen)


@dataclass(frozen=True)
class _Path:
    """PLS with the most components, (n_voxels, most) and (n_pixels, most), which predicts with any number of them."""

    rotations: np.ndarray
    loadings: np.ndarray
    mean: np.ndarray
    pixel_mean: np.ndarray

    def __call__(self, voxels: np.ndarray, k: int) -> np.ndarray:
        return (voxels - self.mean) @ self.rotations[:, :k] @ self.loadings[:, :k].T + self.pixel_mean


def _path(voxels: np.ndarray, pixels: np.ndarray, most: int) -> _Path:
    from sklearn.cross_decomposition import PLSRegression

    model = PLSRegression(n_components=most, scale=False, max_iter=1000).fit(voxels, pixels)
    return _Path(model.x_rotations_, model.y_loadings_, voxels.mean(axis=0), pixels.mean(axis=0))
