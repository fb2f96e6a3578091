"""First stage of Brain-Diffuser alone: ridge from voxels to the latents of a hierarchical VAE, decoded to an image.

Source: Ozcelik and VanRullen 2023, Natural scene reconstruction from fMRI signals using generative latent diffusion,
Scientific Reports 13, 15666; here at 28x28 and with a VAE that learned from the prior corpus alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import FitData, LinearDecoder, Prediction, Samples, Saved, scaling
from cortexclip.models.ridge import Linear, Ridge, fit_ridge, penalty_grid

STOCHASTIC = False
SIZE = 28


@dataclass(frozen=True)
class Settings:
    """``restandardise``: whether predictions get the mean and deviation of the training targets, which ridge shrinks.

    none: as ridge gives them; training: by statistics of the leave-one-out predictions of training samples. Penalties
    are tried on a logarithmic grid. ``prior`` names a folder of resources/priors.
    """

    prior: str
    standardise: bool
    restandardise: Literal["none", "training"]
    penalty_low: float
    penalty_high: float
    penalty_count: int


@dataclass(frozen=True)
class Target:
    """A ridge regression to a target space and what its predictions are re-standardised with.

    Attributes
    ----------
    ridge : voxels to targets
    mean, scale : arrays of shape (n_targets,), of the training targets
    loo_mean, loo_scale : the same of their leave-one-out predictions
    """

    ridge: Ridge | Linear
    mean: np.ndarray
    scale: np.ndarray
    loo_mean: np.ndarray
    loo_scale: np.ndarray

    def predict(self, brain: np.ndarray, restandardise: str) -> np.ndarray:
        """Targets (n_samples, n_targets) of brain samples (n_samples, n_voxels).

        ``restandardise``: none; training (by the leave-one-out predictions of training samples); or test: by the very
        predictions that are made, so that each depends on the other samples.
        """
        predicted = self.ridge.predict(brain)
        if restandardise == "none":
            return predicted
        if restandardise == "training":
            return _moved(predicted, self.loo_mean, self.loo_scale, self.mean, self.scale)
        return restandardised(predicted, predicted, self.mean, self.scale)


def restandardised(predicted: np.ndarray, reference: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Predictions (n_samples, n_targets) shifted and scaled so that ``reference`` would get this mean and deviation.

    A target that the reference does not vary in is set to its mean.
    """
    return _moved(predicted, reference.mean(axis=0), reference.std(axis=0), mean, scale)


def _moved(predicted, from_mean, from_scale, mean, scale) -> np.ndarray:
    factor = np.divide(scale, from_scale, out=np.zeros_like(from_scale), where=from_scale > 1e-9)
    return (predicted - from_mean) * factor + mean


def fit_target(samples: Samples, targets: np.ndarray, settings) -> Target:
    """Ridge from the voxels of these samples to targets (n_samples, n_targets); one penalty by leave-one-out."""
    grid = penalty_grid(settings.penalty_low, settings.penalty_high, settings.penalty_count)
    targets = np.asarray(targets, np.float64)
    ridge = fit_ridge(samples.brain, targets, grid, standardise=settings.standardise)
    loo = ridge.loo_prediction
    return Target(ridge, targets.mean(axis=0), targets.std(axis=0), loo.mean(axis=0), loo.std(axis=0))


@dataclass(frozen=True)
class RoughImages:
    """Voxels to latents, a regression for each group of the VAE, and latents to images."""

    vae: object
    targets: dict[str, Target]

    @classmethod
    def fit(cls, samples: Samples, settings) -> RoughImages:
        """Fit the regressions.

        Parameters
        ----------
        samples : the training samples; their images are 28x28
        settings : with ``prior`` and what `fit_target` reads

        Raises
        ------
        InputError : images of another size, or a prior that cannot be loaded
        """
        import torch

        from cortexclip.models.priors import load_vae
        from cortexclip.models.vae import SIZES

        if samples.images.shape[1:] != (SIZE, SIZE):
            found = "x".join(map(str, samples.images.shape[1:]))
            raise InputError(
                f"prior '{settings.prior}': the stimuli are {found}, expected {SIZE}x{SIZE}. Leave out methods with "
                "a prior, or resize the stimuli."
            )
        vae = load_vae(settings.prior)
        latents = vae.encode(torch.from_numpy(samples.images.astype(np.float32))).numpy()
        groups = np.split(latents, np.cumsum(SIZES)[:-1], axis=1)
        return cls(vae, {f"latents{level}": fit_target(samples, group, settings) for level, group in enumerate(groups)})

    @classmethod
    def restore(cls, saved: Saved, settings) -> RoughImages:
        """Those of a finished run."""
        from cortexclip.models.priors import load_vae
        from cortexclip.models.vae import SIZES

        names = [f"latents{level}" for level in range(len(SIZES))]
        return cls(load_vae(settings.prior), {name: saved_target(saved, name) for name in names})

    def __call__(self, brain: np.ndarray, restandardise: str) -> np.ndarray:
        """Rough images (n_samples, 28, 28), 0 to 1, of brain samples (n_samples, n_voxels)."""
        import torch

        latents = np.concatenate([target.predict(brain, restandardise) for target in self.targets.values()], axis=1)
        return self.vae.decode(torch.from_numpy(latents.astype(np.float32))).numpy()


def arrays_of(targets: Mapping[str, Target]) -> dict[str, np.ndarray]:
    """The fitted arrays of regressions by name."""
    arrays = {}
    for name, target in targets.items():
        arrays |= {
            **scaling(target.ridge.scaler),
            f"{name}.coefficients": target.ridge.coefficients,
            f"{name}.intercept": target.ridge.intercept,
            f"{name}.loo_mean": target.loo_mean,
            f"{name}.loo_scale": target.loo_scale,
            f"{name}.scale": target.scale,
        }
    return arrays


def kept_of(targets: Mapping[str, Target]) -> dict[str, np.ndarray]:
    """What else is saved of regressions, for `saved_target`."""
    return {f"{name}.mean": target.mean for name, target in targets.items()}


def saved_target(saved: Saved, name: str) -> Target:
    """A regression from `arrays_of` and `kept_of`."""
    mean = saved[f"{name}.mean"]
    ridge = Linear(saved.scaler, saved[f"{name}.coefficients"], mean)
    return Target(ridge, mean, *(saved[f"{name}.{what}"] for what in ("scale", "loo_mean", "loo_scale")))


def chosen_of(targets: Mapping[str, Target]) -> dict[str, float]:
    """The penalties of regressions by name."""
    return {f"{name}_penalty": target.ridge.penalty for name, target in targets.items()}


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """Ridge to the latents of the training images; the VAE itself is not trained further."""
    rough = RoughImages.fit(data.final, settings)
    return _decoder(rough, settings, arrays_of(rough.targets), chosen_of(rough.targets))


def restore(saved: Saved, settings: Settings) -> LinearDecoder:
    """The decoder of a finished run."""
    rough = RoughImages.restore(saved, settings)
    kept = kept_of(rough.targets)
    return _decoder(rough, settings, {name: saved[name] for name in saved.arrays if name not in kept}, saved.chosen)


def _decoder(rough: RoughImages, settings: Settings, arrays: dict, chosen: dict) -> LinearDecoder:
    def predict(brain: np.ndarray) -> Prediction:
        return Prediction(rough(brain, settings.restandardise))

    return LinearDecoder(predict, arrays, chosen, kept_of(rough.targets))
