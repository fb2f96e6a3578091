"""Baseline: ridge regression from voxels to the embedding of the stimulus; the linear control of every CLIP decoder."""

from __future__ import annotations

import numpy as np

from cortexclip.methods.interface import (
    GALLERY,
    FitData,
    LinearDecoder,
    Method,
    PenaltyGrid,
    Prediction,
    Progress,
    Saved,
)
from cortexclip.numerics.readout import nearest_images
from cortexclip.numerics.ridge import Linear, Ridge, fit_ridge, penalty_grid, unscaled
from cortexclip.runtime.settings import Positive


class RidgeClip(Method):
    """Voxels to unit-length embeddings, then embeddings to pixels, both by ridge with leave-one-out penalties.

    The second regression learns from the leave-one-out predictions of the first, so that it meets at training the
    noise that it will meet at test; it sees training samples only.
    """

    class Settings(PenaltyGrid):
        """Both regressions try the same logarithmic grid of penalties, scaled for embeddings by ``readout_*``."""

        readout_penalty_low: Positive
        readout_penalty_high: Positive

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples, settings = data.final, self.settings
        encoder = fit_ridge(samples.brain, samples.embedding, settings.penalties, standardise=settings.standardise)
        grid = penalty_grid(settings.readout_penalty_low, settings.readout_penalty_high, settings.penalty_count)
        readout = fit_ridge(encoder.loo_prediction, samples.pixels, grid)
        arrays = {
            **encoder.scaler.arrays,
            "encoder.coefficients": encoder.coefficients,
            "encoder.intercept": encoder.mean,
            "readout.coefficients": readout.coefficients,
            "readout.intercept": readout.intercept,
        }
        chosen = {"penalty": encoder.penalty, "readout_penalty": readout.penalty}
        return _decoder(encoder, readout, arrays, chosen, samples.gallery())

    def restore(self, saved: Saved) -> LinearDecoder:
        kept = saved.named(*GALLERY)
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
