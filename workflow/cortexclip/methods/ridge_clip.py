"""Baseline: ridge regression from voxels to the embedding of the stimulus; the linear control of every CLIP decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Prediction
from cortexclip.models.readout import nearest_images
from cortexclip.models.ridge import fit_ridge, penalty_grid

STOCHASTIC = False


@dataclass(frozen=True)
class Settings:
    """Both regressions try the same logarithmic grid of penalties, scaled for embeddings by ``readout_*``."""

    standardise: bool
    penalty_low: float
    penalty_high: float
    penalty_count: int
    readout_penalty_low: float
    readout_penalty_high: float


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """Voxels to unit-length embeddings, then embeddings to pixels, both by ridge with leave-one-out penalties.

    The second regression learns from the leave-one-out predictions of the first, so that it meets at training the
    noise that it will meet at test; it sees training samples only.
    """
    samples = data.final
    count = settings.penalty_count
    encoder = fit_ridge(
        samples.brain,
        samples.embedding,
        penalty_grid(settings.penalty_low, settings.penalty_high, count),
        standardise=settings.standardise,
    )
    readout = fit_ridge(
        encoder.loo_prediction,
        samples.pixels,
        penalty_grid(settings.readout_penalty_low, settings.readout_penalty_high, count),
    )
    shape = samples.images.shape[1:]
    gallery = samples.distinct()
    gallery_embedding, gallery_images = samples.embedding[gallery], samples.images[gallery]

    def predict(brain: np.ndarray) -> Prediction:
        embedding = encoder.predict(brain)
        images = np.clip(readout.predict(embedding), 0.0, 1.0).reshape(-1, *shape)
        return Prediction(images, embedding, nearest_images(embedding, gallery_embedding, gallery_images))

    arrays = {
        "voxel_mean": encoder.scaler.mean,
        "voxel_scale": encoder.scaler.scale,
        "encoder.coefficients": encoder.coefficients,
        "encoder.intercept": encoder.mean,
        "readout.coefficients": readout.coefficients,
        "readout.intercept": readout.intercept,
    }
    return LinearDecoder(predict, arrays, {"penalty": encoder.penalty, "readout_penalty": readout.penalty})
