"""First stage of Brain-Diffuser alone: ridge from voxels to the latents of a hierarchical VAE, decoded to an image.

Source: Ozcelik and VanRullen 2023, Natural scene reconstruction from fMRI signals using generative latent diffusion,
Scientific Reports 13, 15666; here at 28x28 and with a VAE that learned from the prior corpus alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import (
    FitData,
    LinearDecoder,
    Method,
    PenaltyGrid,
    Prediction,
    Progress,
    Samples,
    Saved,
)
from cortexclip.numerics.ridge import Linear, fit_ridge

if TYPE_CHECKING:
    from cortexclip.numerics.vae import HierarchicalVAE

SIZE = 28


class PriorSettings(PenaltyGrid):
    """Of regressions to spaces of a prior; ``prior`` names a folder of resources/priors."""

    prior: str


@dataclass(frozen=True)
class Target:
    """A ridge regression to a target space and what its predictions are re-standardised with, shapes (n_targets,)."""

    ridge: Any  # voxels to targets
    mean: np.ndarray  # of the training targets, as is the next
    scale: np.ndarray
    loo_mean: np.ndarray  # of their leave-one-out predictions, as is the next
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
            return self._restandardised(predicted, self.loo_mean, self.loo_scale)
        return self._restandardised(predicted, predicted.mean(axis=0), predicted.std(axis=0))

    def _restandardised(self, predicted: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Predictions of this mean and deviation, (n_targets,), with those of the training targets.

        A target that does not vary is set to its mean.
        """
        factor = np.divide(self.scale, scale, out=np.zeros_like(scale), where=scale > 1e-9)
        return (predicted - mean) * factor + self.mean


def fit_target(samples: Samples, targets: np.ndarray, settings: PenaltyGrid) -> Target:
    """Ridge from the voxels of these samples to targets (n_samples, n_targets); one penalty by leave-one-out."""
    targets = np.asarray(targets, np.float64)
    ridge = fit_ridge(samples.brain, targets, settings.penalties, standardise=settings.standardise)
    loo = ridge.loo_prediction
    return Target(ridge, targets.mean(axis=0), targets.std(axis=0), loo.mean(axis=0), loo.std(axis=0))


@dataclass(frozen=True)
class RoughImages:
    """Voxels to latents, a regression for each group of the VAE, and latents to images."""

    vae: HierarchicalVAE
    targets: dict[str, Target]

    @classmethod
    def fit(cls, samples: Samples, settings: PriorSettings) -> RoughImages:
        """Fit the regressions; raises InputError for images that are not 28x28 and a prior that cannot be loaded."""
        import torch

        from cortexclip.numerics.vae import SIZES
        from cortexclip.priors.stored import load_vae

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
    def restore(cls, saved: Saved, settings: PriorSettings) -> RoughImages:
        """Those of a finished run."""
        from cortexclip.numerics.vae import SIZES
        from cortexclip.priors.stored import load_vae

        names = [f"latents{level}" for level in range(len(SIZES))]
        return cls(load_vae(settings.prior), {name: saved_target(saved, name) for name in names})

    def __call__(self, brain: np.ndarray, restandardise: str) -> np.ndarray:
        """Rough images (n_samples, 28, 28), 0 to 1, of brain samples (n_samples, n_voxels)."""
        import torch

        latents = np.concatenate([target.predict(brain, restandardise) for target in self.targets.values()], axis=1)
        return self.vae.decode(torch.from_numpy(latents.astype(np.float32))).numpy()


def arrays_of(targets: Mapping[str, Target]) -> dict[str, np.ndarray]:
    """The fitted arrays of regressions by name."""
    arrays: dict[str, np.ndarray] = {}
    for name, target in targets.items():
        arrays |= {
            **target.ridge.scaler.arrays,
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


class VAERidge(Method):
    """Ridge to the latents of the training images; the VAE itself is not trained further."""

    class Settings(PriorSettings):
        """``restandardise``: whether predictions get the mean and deviation of the training targets, which ridge
        shrinks.

        none: as ridge gives them; training: by statistics of the leave-one-out predictions of training samples.
        Penalties are tried on a logarithmic grid. ``prior`` names a folder of resources/priors.
        """

        restandardise: Literal["none", "training"]

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        rough = RoughImages.fit(data.final, self.settings)
        return self._decoder(rough, arrays_of(rough.targets), chosen_of(rough.targets))

    def restore(self, saved: Saved) -> LinearDecoder:
        rough = RoughImages.restore(saved, self.settings)
        return self._decoder(rough, saved.named(*(set(saved.arrays) - set(kept_of(rough.targets)))), saved.chosen)

    def _decoder(self, rough: RoughImages, arrays: dict, chosen: dict) -> LinearDecoder:
        def predict(brain: np.ndarray) -> Prediction:
            return Prediction(rough(brain, self.settings.restandardise))

        return LinearDecoder(predict, arrays, chosen, kept_of(rough.targets))
