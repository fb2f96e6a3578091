"""The networks of the repository braindecoding/cortexflow-fmri, trained by pixel error: see models/cortexflow.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cortexclip.methods.interface import FitData, Prediction, Saved

STOCHASTIC = True
PREDICTION_STEP = 1 << 41  # the step whose noise a network draws when it predicts


@dataclass(frozen=True)
class Settings:
    """``network`` is one of those of models/cortexflow.py; ``epochs`` and ``patience`` count epochs."""

    network: Literal["cccv1", "brain_diffuser", "mind_vis"]
    standardise: bool
    epochs: int
    patience: int
    batch_size: int
    lr: float
    weight_decay: float


def recipe(data: FitData, settings: Settings):
    """Train the network by mean squared pixel error; the selection part chooses the epoch."""
    from cortexclip.methods.network import NetworkDecoder, Phase, Recipe
    from cortexclip.models.cccv1 import pixel_mse
    from cortexclip.training.stack import TrainingSettings

    n_voxels, shape = data.final.brain.shape[1], data.final.images.shape[1:]
    training = TrainingSettings(
        settings.epochs, settings.patience, settings.batch_size, settings.lr, settings.weight_decay
    )

    def finish(fitted) -> NetworkDecoder:
        chosen = {"epoch": fitted.epochs[-1], "noise_seed": fitted.seed}
        return NetworkDecoder(fitted.network, fitted.scaler, _reader(shape, fitted.seed), chosen, fitted.rows)

    return Recipe(
        make=lambda: _network(settings.network, n_voxels, shape),
        kind=("cortexflow", settings.network, n_voxels, shape),
        phases=[Phase(pixel_mse, training)],
        finish=finish,
        standardise=settings.standardise,
    )


def restore(saved: Saved, settings: Settings):
    """The decoder of a finished run."""
    from cortexclip.methods.network import restore_network

    n_voxels, seed = len(saved["voxel_mean"]), saved.fact("noise_seed")
    return restore_network(saved, lambda: _network(settings.network, n_voxels, saved.shape), _reader(saved.shape, seed))


def fit(data: FitData, settings: Settings, seed: int, progress):
    """One training; see :func:`recipe`."""
    from cortexclip.methods.network import fit_one

    return fit_one(recipe, data, settings, seed, progress)


def _network(name: str, n_voxels: int, shape: tuple[int, int]):
    from cortexclip.models import cortexflow

    n_pixels = shape[0] * shape[1]
    if name == "cccv1":
        return cortexflow.ScriptCCCV1(n_voxels, n_pixels, residual_weight=0.1)
    made = {"brain_diffuser": cortexflow.BrainDiffuserPerceptron, "mind_vis": cortexflow.MindVisPerceptron}
    return made[name](n_voxels, n_pixels)


def _reader(shape: tuple[int, int], seed: int):
    """From the network and standardised voxels to images; the noise that it draws follows from the seed."""
    import numpy as np
    import torch

    from cortexclip.methods.network import predict_array
    from cortexclip.training import layers
    from cortexclip.training.noise import Noise, step_keys

    def read(network, brain) -> Prediction:
        context = layers.Context()
        streams = layers.attach(network, context)
        keys = step_keys(np.array([seed]), np.array([PREDICTION_STEP]), streams)[0]
        context.noise = Noise(torch.as_tensor(keys, device=brain.device))
        return Prediction(predict_array(network(brain)).reshape(-1, *shape))

    return read
