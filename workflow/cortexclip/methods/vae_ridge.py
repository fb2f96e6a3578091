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
from cortexclip.methods.interface import FitData, LinearDecoder, Prediction, Samples
from cortexclip.models.ridge import Ridge, fit_ridge, penalty_grid

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
    """

    ridge: Ridge
    mean: np.ndarray
    scale: np.ndarray

    def predict(self, brain: np.ndarray, restandardise: str) -> np.ndarray:
        """Targets (n_samples, n_targets) of brain samples (n_samples, n_voxels).

        ``restandardise``: none; training (by the leave-one-out predictions of training samples); or test: by the very
        predictions that are made, so that each depends on the other samples.
        """
        predicted = self.ridge.predict(brain)
        if restandardise == "none":
            return predicted
        reference = self.ridge.loo_prediction if restandardise == "training" else predicted
        return restandardised(predicted, reference, self.mean, self.scale)


def restandardised(predicted: np.ndarray, reference: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Predictions (n_samples, n_targets) shifted and scaled so that ``reference`` would get this mean and deviation.

    A target that the reference does not vary in is set to its mean.
    """
    deviation = reference.std(axis=0)
    factor = np.divide(scale, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
    return (predicted - reference.mean(axis=0)) * factor + mean


def fit_target(samples: Samples, targets: np.ndarray, settings) -> Target:
    """Ridge from the voxels of these samples to targets (n_samples, n_targets); one penalty by leave-one-out."""
    grid = penalty_grid(settings.penalty_low, settings.penalty_high, settings.penalty_count)
    targets = np.asarray(targets, np.float64)
    ridge = fit_ridge(samples.brain, targets, grid, standardise=settings.standardise)
    return Target(ridge, targets.mean(axis=0), targets.std(axis=0))


class RoughImages:
    """Voxels to latents, a regression for each group of the VAE, and latents to images.

    Parameters
    ----------
    samples : the training samples; their images are 28x28
    settings : with ``prior`` and what `fit_target` reads

    Raises
    ------
    InputError : images of another size, or a prior that cannot be loaded
    """

    def __init__(self, samples: Samples, settings):
        import torch

        from cortexclip.models.priors import load_vae
        from cortexclip.models.vae import SIZES

        if samples.images.shape[1:] != (SIZE, SIZE):
            found = "x".join(map(str, samples.images.shape[1:]))
            raise InputError(
                f"prior '{settings.prior}': the stimuli are {found}, expected {SIZE}x{SIZE}. Leave out methods with "
                "a prior, or resize the stimuli."
            )
        self.vae = load_vae(settings.prior)
        latents = self.vae.encode(torch.from_numpy(samples.images.astype(np.float32))).numpy()
        self.targets = {
            f"latents{level}": fit_target(samples, group, settings)
            for level, group in enumerate(np.split(latents, np.cumsum(SIZES)[:-1], axis=1))
        }

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
            "voxel_mean": target.ridge.scaler.mean,
            "voxel_scale": target.ridge.scaler.scale,
            f"{name}.coefficients": target.ridge.coefficients,
            f"{name}.intercept": target.ridge.intercept,
            f"{name}.loo_mean": target.ridge.loo_prediction.mean(axis=0),
            f"{name}.loo_scale": target.ridge.loo_prediction.std(axis=0),
            f"{name}.scale": target.scale,
        }
    return arrays


def chosen_of(targets: Mapping[str, Target]) -> dict[str, float]:
    """The penalties of regressions by name."""
    return {f"{name}_penalty": target.ridge.penalty for name, target in targets.items()}


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """Ridge to the latents of the training images; the VAE itself is not trained further."""
    rough = RoughImages(data.final, settings)

    def predict(brain: np.ndarray) -> Prediction:
        return Prediction(rough(brain, settings.restandardise))

    return LinearDecoder(predict, arrays_of(rough.targets), chosen_of(rough.targets))
