"""Bayesian canonical correlation analysis: latent values that images and voxels share, with image bases learned.

Source: Fujiwara, Miyawaki and Kamitani 2013, Modular encoding and decoding models derived from Bayesian canonical
correlation analysis, Neural Computation 25, 979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Method, Prediction, Progress, Saved
from cortexclip.numerics.standardise import VoxelScaler, fit_scaler
from cortexclip.runtime.settings import Checked, Count, Positive

SMALLEST = 1e-5
"""Share of a view's variance below which a latent counts as switched off there."""


@dataclass
class View:
    """One view x = W z + noise: W has a normal prior with a precision for each element, noise is isotropic."""

    data: np.ndarray  # (n_samples, n_features), centred
    weights: np.ndarray  # (n_features, n_latents), mean of the posterior of W
    variance: np.ndarray  # of the posterior of W, of the same shape
    prior: np.ndarray  # precisions of the elements of W, of the same shape
    precision: float  # of the noise

    @property
    def moment(self) -> np.ndarray:
        """E[W^T W], shape (n_latents, n_latents)."""
        return self.weights.T @ self.weights + np.diag(self.variance.sum(axis=0))

    def update(self, latents: np.ndarray, moment: np.ndarray) -> None:
        """Posterior of W, latent by latent, then of its precisions and of the noise's.

        ``latents`` are the means (n_samples, n_latents) of z, ``moment`` its E[Z^T Z].
        """
        products = self.data.T @ latents
        for m in range(latents.shape[1]):
            self.variance[:, m] = 1 / (self.precision * moment[m, m] + self.prior[:, m])
            rest = products[:, m] - self.weights @ moment[:, m] + self.weights[:, m] * moment[m, m]
            self.weights[:, m] = self.precision * self.variance[:, m] * rest
        self.prior = 1 / (self.weights**2 + self.variance)
        self.precision = self.data.size / self.error(products, moment)

    def error(self, products: np.ndarray, moment: np.ndarray) -> float:
        """Expected squared error summed over all elements of the view."""
        return float((self.data**2).sum() - 2 * (products * self.weights).sum() + (self.moment * moment).sum())

    def bound(self) -> float:
        """Its part of the variational bound after :meth:`update`, but for constants."""
        of_weights = np.log(self.variance).sum() + np.log(self.prior).sum()
        return 0.5 * (self.data.size * np.log(self.precision) + of_weights)

    def keep(self, kept: np.ndarray) -> None:
        """Only these latents."""
        self.weights, self.variance, self.prior = (a[:, kept] for a in (self.weights, self.variance, self.prior))


def posterior(views: Sequence[View], data: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Means (n_samples, n_latents) and covariance (n_latents, n_latents) of z given some views."""
    precision = np.eye(views[0].weights.shape[1]) + sum(view.precision * view.moment for view in views)
    covariance = np.linalg.inv(precision)
    return sum(v.precision * x @ v.weights for v, x in zip(views, data, strict=True)) @ covariance, covariance


def fit_views(
    data: Sequence[np.ndarray], n_latents: int, iterations: int, tolerance: float
) -> tuple[list[View], list[float]]:
    """Variational Bayes for centred views (n_samples, n_features); returns these and the bound of each iteration.

    Starts from the principal components of both views together, each view scaled to the same total variance, and ends
    after ``iterations``, or when the bound rises by less than ``tolerance`` of its range so far. Latents that are
    switched off in all views are removed.
    """
    n = len(data[0])
    scaled = [x / max(np.sqrt((x**2).mean() * x.shape[1]), 1e-12) for x in data]
    left, values, _ = np.linalg.svd(np.concatenate(scaled, axis=1), full_matrices=False)
    n_latents = min(n_latents, int((values > 1e-9 * values[0]).sum()))
    latents = left[:, :n_latents] * np.sqrt(n)
    views = []
    for x in data:
        shape = (x.shape[1], n_latents)
        views.append(View(x, x.T @ latents / n, np.zeros(shape), np.ones(shape), 2 / max(float((x**2).mean()), 1e-12)))
    covariance = np.zeros((n_latents, n_latents))
    bounds: list[float] = []
    for _ in range(iterations):
        moment = latents.T @ latents + n * covariance
        for view in views:
            view.update(latents, moment)
        # the terms of z are of the posterior that W was updated by
        log_det = np.linalg.slogdet(covariance)[1] if bounds else 0.0
        bounds.append(sum(view.bound() for view in views) + 0.5 * (n * log_det - np.trace(moment)))
        share = np.stack([(v.weights**2).sum(axis=0) * n / max((v.data**2).sum(), 1e-12) for v in views])
        kept = np.asarray((share > SMALLEST).any(axis=0))
        if kept.any() and not kept.all():
            for view in views:
                view.keep(kept)
        latents, covariance = posterior(views, data)
        if len(bounds) > 2 and bounds[-1] - bounds[-2] < tolerance * (bounds[-1] - bounds[1]):
            break
    return views, bounds


class BayesianCCA(Method):
    """The image is the mean of its view given the latent values that the voxels imply; nothing is squashed."""

    class Settings(Checked):
        """``latents``: largest number of latent variables; relevance determination switches off the others.

        ``iterations``: largest number of variational updates, which end when the bound rises by less than ``tolerance``
        of its range.
        """

        standardise: bool
        latents: Count
        iterations: Count
        tolerance: Positive

    drawn = "bases"

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples, settings = data.final, self.settings
        scaler, mean = fit_scaler(samples.brain, settings.standardise), samples.pixels.mean(axis=0)
        centred = scaler(samples.brain)
        views = [samples.pixels - mean, centred - centred.mean(axis=0)]
        (images, voxels), bounds = fit_views(views, settings.latents, settings.iterations, settings.tolerance)
        readout = voxels.precision * voxels.weights @ posterior([voxels], [voxels.data])[1]
        arrays = {"voxel_readout": readout, "image_bases": images.weights.T, "mean": mean}
        arrays |= VoxelScaler(scaler.mean + centred.mean(axis=0) * scaler.scale, scaler.scale).arrays
        chosen = {"latents": images.weights.shape[1], "iterations": len(bounds)}
        return self.restore(Saved(arrays, chosen, data.shape))

    def restore(self, saved: Saved) -> LinearDecoder:
        arrays, scaler = saved.named("voxel_readout", "image_bases", "mean"), saved.scaler

        def predict(brain: np.ndarray) -> Prediction:
            pixels = scaler(brain) @ arrays["voxel_readout"] @ arrays["image_bases"] + arrays["mean"]
            return Prediction(np.clip(pixels, 0.0, 1.0).reshape(-1, *saved.shape))

        return LinearDecoder(predict, arrays, saved.chosen, scaler.arrays)
