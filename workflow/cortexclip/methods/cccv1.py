"""CCCV1, the CLIP-inspired autoencoder-like network of the second source document, trained by pixel error alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cortexclip.methods.interface import FitData, Prediction

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


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]):
    """Train the network by mean squared pixel error; the selection part chooses the epoch."""
    from cortexclip.methods.network import NetworkDecoder, fit_network
    from cortexclip.models.cccv1 import CCCV1, pixel_mse
    from cortexclip.training.loop import TrainingSettings

    shape = data.final.images.shape[1:]

    def make() -> CCCV1:
        return CCCV1(
            data.final.brain.shape[1],
            shape[0] * shape[1],
            settings.dropout_encoder,
            settings.dropout_decoder,
            settings.clip_residual_weight,
        )

    def batch_loss(network, part, rows):
        return pixel_mse(network(part.brain[rows]), part.pixels[rows])

    fitted = fit_network(
        data,
        make,
        batch_loss,
        settings.standardise,
        TrainingSettings(settings.epochs, settings.patience, settings.batch_size, settings.lr, settings.weight_decay),
        seed,
        progress,
    )

    def read(network, brain) -> Prediction:
        return Prediction(network(brain).double().cpu().numpy().reshape(-1, *shape))

    return NetworkDecoder(fitted.network, fitted.scaler, read, {"epoch": fitted.epoch}, fitted.rows, {})
