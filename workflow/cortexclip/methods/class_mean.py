"""Control: the mean training image of a class, decoded from the brain or given away (oracle).

The oracle is no decoder: it is told the class of the scored image and shows how much of a score the class alone buys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import FitData, LinearDecoder, Prediction, Saved, scaling
from cortexclip.models.ridge import Linear, Ridge, fit_ridge, penalty_grid

STOCHASTIC = False
TOLD_THE_CLASS = True  # predict is given the class of each scored image; used by the oracle alone


@dataclass(frozen=True)
class Settings:
    """``oracle``: the class is given instead of decoded. The penalties are those of the decoder of the class."""

    oracle: bool
    standardise: bool
    penalty_low: float
    penalty_high: float
    penalty_count: int


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """Class by ridge on one column per class (the largest wins), image by the class's mean training image."""
    samples = data.final
    if (samples.label < 0).any():
        raise InputError("class_mean: this dataset has no classes. Leave the method out or set labels: class.")
    classes, index = np.unique(samples.label, return_inverse=True)
    means = np.stack([samples.images[index == i].astype(np.float64).mean(axis=0) for i in range(len(classes))])
    grid = penalty_grid(settings.penalty_low, settings.penalty_high, settings.penalty_count)
    ridge = fit_ridge(samples.brain, np.eye(len(classes))[index], grid, standardise=settings.standardise)
    arrays = {"means": means, "coefficients": ridge.coefficients, "intercept": ridge.intercept}
    overall = samples.images.astype(np.float64).mean(axis=0)
    kept = {"classes": classes, "overall": overall, **scaling(ridge.scaler), "class_share": ridge.mean}
    return _decoder(settings, ridge, arrays, {"classes": len(classes), "penalty": ridge.penalty}, kept)


def restore(saved: Saved, settings: Settings) -> LinearDecoder:
    """The decoder of a finished run."""
    arrays = {name: saved[name] for name in ("means", "coefficients", "intercept")}
    kept = {name: saved[name] for name in ("classes", "overall", "voxel_mean", "voxel_scale", "class_share")}
    ridge = Linear(saved.scaler, arrays["coefficients"], kept["class_share"])
    return _decoder(settings, ridge, arrays, saved.chosen, kept)


def _decoder(settings: Settings, ridge: Ridge | Linear, arrays: dict, chosen: dict, kept: dict) -> LinearDecoder:
    means, classes, overall = arrays["means"], kept["classes"], kept["overall"]

    def predict(brain: np.ndarray, label: np.ndarray) -> Prediction:
        if not settings.oracle:
            return Prediction(means[np.argmax(ridge.predict(brain), axis=1)])
        known = np.isin(label, classes)
        position = np.searchsorted(classes, np.where(known, label, classes[0]))
        return Prediction(np.where(known[:, None, None], means[position], overall))

    return LinearDecoder(predict, arrays, chosen, kept)
