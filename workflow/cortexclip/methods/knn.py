"""Control: average the images of the training trials whose brain responses are most similar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Prediction, Saved, scaling
from cortexclip.models.standardise import VoxelScaler, fit_scaler

STOCHASTIC = False


@dataclass(frozen=True)
class Settings:
    """``neighbours``: numbers of neighbours to choose from by leave-one-out on the training samples."""

    standardise: bool
    neighbours: tuple[int, ...]


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """k nearest neighbours by Pearson correlation of z-scored voxel patterns.

    k has the least leave-one-out squared error on the training samples; ties go to the smaller k.
    """
    scaler = fit_scaler(data.final.brain, settings.standardise)
    patterns, pixels = _unit_rows(scaler(data.final.brain)), data.final.pixels
    similarity = patterns @ patterns.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")
    usable = sorted({min(k, len(pixels) - 1) for k in settings.neighbours})
    errors = [np.mean((pixels[order[:, :k]].mean(axis=1) - pixels) ** 2) for k in usable]
    k = usable[int(np.argmin(errors))]
    return _decoder(scaler, patterns, pixels, k, data.final.images.shape[1:])


def restore(saved: Saved, settings: Settings) -> LinearDecoder:
    """The decoder of a finished run."""
    return _decoder(saved.scaler, saved["patterns"], saved["pixels"], saved.fact("neighbours"), saved.shape)


def _decoder(
    scaler: VoxelScaler, patterns: np.ndarray, pixels: np.ndarray, k: int, shape: tuple[int, int]
) -> LinearDecoder:
    def predict(brain: np.ndarray) -> Prediction:
        nearest = np.argsort(-(_unit_rows(scaler(brain)) @ patterns.T), axis=1, kind="stable")[:, :k]
        return Prediction(pixels[nearest].mean(axis=1).reshape(-1, *shape))

    return LinearDecoder(predict, {"patterns": patterns, "pixels": pixels}, {"neighbours": k}, scaling(scaler))


def _unit_rows(patterns: np.ndarray) -> np.ndarray:
    """Centre each row and scale it to unit length, so that inner products are correlations."""
    centred = patterns - patterns.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
