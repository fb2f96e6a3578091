"""Control: the mean training image of a class, which is decoded from the brain responses or given (oracle).

The oracle is not a decoder: it is given the class of the scored image and shows what the class alone gains.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import FitData, LinearDecoder, Method, PenaltyGrid, Prediction, Progress, Saved
from cortexclip.numerics.ridge import Linear, Ridge, fit_ridge


class ClassMean(Method):
    """Class by ridge on one column per class (the largest wins), image by the class's mean training image."""

    class Settings(PenaltyGrid):
        """``oracle``: the class is given instead of decoded. The penalties are those of the decoder of the class."""

        oracle: bool

    @property
    def oracle_of(self) -> Literal["label"] | None:
        return "label" if self.settings.oracle else None

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples = data.final
        if (samples.label < 0).any():
            raise InputError("class_mean: this dataset has no classes. Leave the method out or set labels: class.")
        classes, index = np.unique(samples.label, return_inverse=True)
        means = np.stack([samples.images[index == i].astype(np.float64).mean(axis=0) for i in range(len(classes))])
        columns, settings = np.eye(len(classes))[index], self.settings
        ridge = fit_ridge(samples.brain, columns, settings.penalties, standardise=settings.standardise)
        arrays = {"means": means, "coefficients": ridge.coefficients, "intercept": ridge.intercept}
        overall = samples.images.astype(np.float64).mean(axis=0)
        arrays |= {"classes": classes, "overall": overall, **ridge.scaler.arrays, "class_share": ridge.mean}
        chosen = {"classes": len(classes), "penalty": ridge.penalty}
        return self.restore(Saved(arrays, chosen, data.shape), ridge)

    def restore(self, saved: Saved, fitted: Ridge | None = None) -> LinearDecoder:
        arrays = saved.named("means", "coefficients", "intercept")
        kept = saved.named("classes", "overall", "voxel_mean", "voxel_scale", "class_share")
        means, classes = arrays["means"], kept["classes"]
        ridge = fitted or Linear(saved.scaler, arrays["coefficients"], kept["class_share"])

        def predict(brain: np.ndarray, label: np.ndarray | None = None) -> Prediction:
            if label is None:
                return Prediction(means[np.argmax(ridge.predict(brain), axis=1)])
            known = np.isin(label, classes)
            position = np.searchsorted(classes, np.where(known, label, classes[0]))
            return Prediction(np.where(known[:, None, None], means[position], kept["overall"]))

        return LinearDecoder(predict, arrays, saved.chosen, kept)
