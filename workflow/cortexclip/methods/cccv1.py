"""CCCV1, the CLIP-inspired autoencoder-like network of the second source document, trained by pixel error alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cortexclip.methods.interface import FitData, Prediction, Saved

STOCHASTIC = True


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters as the source names them, with its values per dataset size in config/methods.yaml."""

    standardise: bool
    dropout_encoder: float
    dropout_decoder: float
    clip_residual_weight: float
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
    architecture = (settings.dropout_encoder, settings.dropout_decoder, settings.clip_residual_weight)
    training = TrainingSettings(
        settings.epochs, settings.patience, settings.batch_size, settings.lr, settings.weight_decay
    )

    def finish(fitted) -> NetworkDecoder:
        chosen = {"epoch": fitted.epochs[-1]}
        return NetworkDecoder(fitted.network, fitted.scaler, image_reader(shape), chosen, fitted.rows)

    return Recipe(
        make=lambda: _network(n_voxels, shape, settings),
        kind=("cccv1", n_voxels, shape, *architecture),
        phases=[Phase(pixel_mse, training)],
        finish=finish,
        standardise=settings.standardise,
    )


def restore(saved: Saved, settings: Settings):
    """The decoder of a finished run."""
    from cortexclip.methods.network import restore_network

    n_voxels = len(saved["voxel_mean"])
    return restore_network(saved, lambda: _network(n_voxels, saved.shape, settings), image_reader(saved.shape))


def image_reader(shape: tuple[int, int]) -> Callable[..., Prediction]:
    """From a network whose output is pixels, and standardised voxels, to images of a shape."""
    from cortexclip.methods.network import predict_array

    return lambda network, brain: Prediction(predict_array(network(brain)).reshape(-1, *shape))


def _network(n_voxels: int, shape: tuple[int, int], settings: Settings):
    from cortexclip.models.cccv1 import CCCV1

    rates = (settings.dropout_encoder, settings.dropout_decoder)
    return CCCV1(n_voxels, shape[0] * shape[1], *rates, settings.clip_residual_weight)


def fit(data: FitData, settings: Settings, seed: int, progress):
    """One training; see :func:`recipe`."""
    from cortexclip.methods.network import fit_one

    return fit_one(recipe, data, settings, seed, progress)
