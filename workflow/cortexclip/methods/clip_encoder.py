"""The contrastive CLIP encoder of the first source document, with two ways from its embedding to an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cortexclip.methods.interface import FitData, Prediction, Samples
from cortexclip.models.readout import nearest_images, unit_length
from cortexclip.models.ridge import fit_ridge, penalty_grid

STOCHASTIC = True


@dataclass(frozen=True)
class Settings:
    """Source: layer sizes, temperature, batch size, epochs and learning rate; ours: dropout, decay, patience, readout.

    ``duplicates`` says what equal stimuli in one batch are to each other. The readout's penalties are tried on a
    logarithmic grid.
    """

    standardise: bool
    hidden: tuple[int, ...]
    dropout: float
    temperature: float
    learn_temperature: bool
    duplicates: Literal["positives", "negatives"]
    epochs: int
    patience: int
    batch_size: int
    lr: float
    weight_decay: float
    readout_penalty_low: float
    readout_penalty_high: float
    readout_penalty_count: int


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]):
    """Train by symmetric InfoNCE against the stimuli's embeddings; the selection part chooses the epoch.

    Images are read from the predicted embedding by a linear map fitted from the training stimuli's own embeddings to
    their pixels, whose penalty is the one of least pixel error on the selection part, and, as a second readout, by the
    training stimulus of nearest embedding.
    """
    import torch

    from cortexclip.methods.network import NetworkDecoder, fit_network, to_tensor
    from cortexclip.models.contrastive import BrainEncoder, info_nce
    from cortexclip.training.loop import TrainingSettings

    n_features = data.final.embedding.shape[1]

    def make() -> BrainEncoder:
        return BrainEncoder(
            data.final.brain.shape[1],
            n_features,
            settings.hidden,
            settings.dropout,
            settings.temperature,
            settings.learn_temperature,
        )

    def batch_loss(network, part, rows):
        if settings.duplicates == "positives":
            same = part.stimulus[rows][:, None] == part.stimulus[rows][None, :]
        else:
            same = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        return info_nce(network(part.brain[rows]), part.embedding[rows], same, network.temperature)

    fitted = fit_network(
        data,
        make,
        batch_loss,
        settings.standardise,
        TrainingSettings(settings.epochs, settings.patience, settings.batch_size, settings.lr, settings.weight_decay),
        seed,
        progress,
    )

    def embed(network, brain) -> np.ndarray:
        return network(brain).double().cpu().numpy()

    with torch.inference_mode():
        selected = embed(fitted.selected, to_tensor(fitted.selected_scaler(data.select.brain)))
    penalties = penalty_grid(
        settings.readout_penalty_low, settings.readout_penalty_high, settings.readout_penalty_count
    )
    penalty = _choose_penalty(data.train, selected, data.select.pixels, penalties)

    samples = data.final
    gallery = samples.distinct()
    gallery_embedding, gallery_images = samples.embedding[gallery], samples.images[gallery]
    readout = fit_ridge(unit_length(gallery_embedding), gallery_images.reshape(len(gallery), -1), np.array([penalty]))
    shape = samples.images.shape[1:]

    def read(network, brain) -> Prediction:
        embedding = embed(network, brain)
        images = np.clip(readout.predict(embedding), 0.0, 1.0).reshape(-1, *shape)
        return Prediction(images, embedding, nearest_images(embedding, gallery_embedding, gallery_images))

    arrays = {"readout.coefficients": readout.coefficients, "readout.intercept": readout.intercept}
    chosen = {"epoch": fitted.epoch, "readout_penalty": penalty}
    return NetworkDecoder(fitted.network, fitted.scaler, read, chosen, fitted.rows, arrays)


def _choose_penalty(train: Samples, embedding: np.ndarray, pixels: np.ndarray, penalties: np.ndarray) -> float:
    """The readout penalty of least squared error between images read from predicted embeddings and the stimuli."""
    rows = train.distinct()
    source, target = unit_length(train.embedding[rows]), train.pixels[rows]

    def error(penalty: float) -> float:
        read = fit_ridge(source, target, np.array([penalty])).predict(embedding)
        return float(np.mean((np.clip(read, 0.0, 1.0) - pixels) ** 2))

    return float(min(penalties, key=error))
