"""Baseline: ridge regression from voxels to the embedding of the stimulus; the linear control of every CLIP decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Prediction, Saved, scaling
from cortexclip.models.readout import nearest_images
from cortexclip.models.ridge import Linear, Ridge, fit_ridge, penalty_grid, unscaled

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
    arrays = {
        **scaling(encoder.scaler),
        "encoder.coefficients": encoder.coefficients,
        "encoder.intercept": encoder.mean,
        "readout.coefficients": readout.coefficients,
        "readout.intercept": readout.intercept,
    }
    gallery = samples.distinct()
    kept = {"gallery.embedding": samples.embedding[gallery], "gallery.images": samples.images[gallery]}
    chosen = {"penalty": encoder.penalty, "readout_penalty": readout.penalty}
    return _decoder(encoder, readout, arrays, chosen, kept)


def restore(saved: Saved, settings: Settings) -> LinearDecoder:
    """The decoder of a finished run."""
    kept = {name: saved[name] for name in ("gallery.embedding", "gallery.images")}
    arrays = {name: saved[name] for name in saved.arrays if name not in kept}
    encoder = Linear(saved.scaler, saved["encoder.coefficients"], saved["encoder.intercept"])
    readout = unscaled(saved["readout.coefficients"], saved["readout.intercept"])
    return _decoder(encoder, readout, arrays, saved.chosen, kept)


def _decoder(encoder: Ridge | Linear, readout: Ridge | Linear, arrays: dict, chosen: dict, kept: dict) -> LinearDecoder:
    gallery_embedding, gallery_images = kept["gallery.embedding"], kept["gallery.images"]
    shape = gallery_images.shape[1:]

    def predict(brain: np.ndarray) -> Prediction:
        embedding = encoder.predict(brain)
        images = np.clip(readout.predict(embedding), 0.0, 1.0).reshape(-1, *shape)
        return Prediction(images, embedding, nearest_images(embedding, gallery_embedding, gallery_images))

    return LinearDecoder(predict, arrays, chosen, kept)
