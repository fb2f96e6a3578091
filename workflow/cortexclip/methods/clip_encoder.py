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


def recipe(data: FitData, settings: Settings):
    """Train by symmetric InfoNCE against the stimuli's embeddings; the selection part chooses the epoch.

    Images are read from the predicted embedding by a linear map fitted from the training stimuli's own embeddings to
    their pixels, whose penalty is the one of least pixel error on the selection part, and, as a second readout, by the
    training stimulus of nearest embedding.
    """
    from cortexclip.methods.network import NetworkDecoder, Phase, Recipe, predict_array, voxels
    from cortexclip.models.contrastive import BrainEncoder
    from cortexclip.training.stack import TrainingSettings

    n_voxels, n_features = data.final.brain.shape[1], data.final.embedding.shape[1]
    architecture = (settings.hidden, settings.dropout)
    training = TrainingSettings(
        settings.epochs, settings.patience, settings.batch_size, settings.lr, settings.weight_decay
    )

    def finish(fitted) -> NetworkDecoder:
        selected = predict_array(fitted.selected(voxels(data.select.brain, fitted.selected_scaler)))
        penalties = penalty_grid(
            settings.readout_penalty_low, settings.readout_penalty_high, settings.readout_penalty_count
        )
        penalty = _choose_penalty(data.train, selected, data.select.pixels, penalties)
        samples = data.final
        gallery = samples.distinct()
        gallery_embedding, gallery_images = samples.embedding[gallery], samples.images[gallery]
        readout = fit_ridge(
            unit_length(gallery_embedding), gallery_images.reshape(len(gallery), -1), np.array([penalty])
        )

        def read(network, brain) -> Prediction:
            embedding = predict_array(network(brain))
            images = np.clip(readout.predict(embedding), 0.0, 1.0).reshape(-1, *samples.images.shape[1:])
            return Prediction(images, embedding, nearest_images(embedding, gallery_embedding, gallery_images))

        arrays = {"readout.coefficients": readout.coefficients, "readout.intercept": readout.intercept}
        chosen = {"epoch": fitted.epochs[-1], "readout_penalty": penalty}
        return NetworkDecoder(fitted.network, fitted.scaler, read, chosen, fitted.rows, arrays)

    return Recipe(
        make=lambda: BrainEncoder(
            n_voxels, n_features, *architecture, settings.temperature, settings.learn_temperature
        ),
        kind=("clip_encoder", n_voxels, n_features, *architecture, settings.learn_temperature, settings.duplicates),
        phases=[Phase(contrastive_loss(settings.duplicates), training)],
        finish=finish,
        standardise=settings.standardise,
    )


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]):
    """One training; see :func:`recipe`."""
    from cortexclip.methods.network import fit_one

    return fit_one(recipe, data, settings, seed, progress)


def contrastive_loss(duplicates: str):
    """InfoNCE between the network's output and the stimuli's embeddings, as a loss of a stack."""
    import torch

    from cortexclip.models.contrastive import info_nce

    def loss(network, batch):
        stimulus = batch["stimulus"]
        if duplicates == "positives":
            same = stimulus[:, :, None] == stimulus[:, None, :]
        else:
            same = torch.eye(stimulus.shape[1], dtype=torch.bool, device=stimulus.device).expand(len(stimulus), -1, -1)
        return info_nce(network(batch["brain"]), batch["embedding"], same, network.temperature, batch.weight)

    return loss


def _choose_penalty(train: Samples, embedding: np.ndarray, pixels: np.ndarray, penalties: np.ndarray) -> float:
    """The readout penalty of least squared error between images read from predicted embeddings and the stimuli."""
    rows = train.distinct()
    source, target = unit_length(train.embedding[rows]), train.pixels[rows]

    def error(penalty: float) -> float:
        read = fit_ridge(source, target, np.array([penalty])).predict(embedding)
        return float(np.mean((np.clip(read, 0.0, 1.0) - pixels) ** 2))

    return float(min(penalties, key=error))
