"""The contrastive CLIP encoder of the first source document, with two ways from its embedding to an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import FitData, Prediction, Samples, Saved
from cortexclip.models.readout import nearest_images, unit_length
from cortexclip.models.ridge import Linear, Ridge, fit_ridge, penalty_grid, unscaled

STOCHASTIC = True


@dataclass(frozen=True)
class Settings:
    """Source: layer sizes, temperature, batch size, epochs and learning rate; ours: dropout, decay, patience, readout.

    `duplicates` says what equal stimuli in one batch are to each other. The readout's penalties are tried on a
    logarithmic grid. `residual`: a block of equal width with a shortcut after each hidden layer; `attention_tokens`:
    into how many tokens the first hidden layer is cut, which attend to each other with `attention_heads` (0: none);
    `projections`: heads whose unit-length outputs are summed; `checkpointing`: less memory for more time, the same
    result. The learning rate rises over `warm_up` epochs and then follows `schedule`.
    """

    standardise: bool
    hidden: tuple[int, ...]
    dropout: float
    temperature: float
    learn_temperature: bool
    duplicates: Literal["positives", "negatives"]
    residual: bool
    attention_tokens: int
    attention_heads: int
    projections: int
    checkpointing: bool
    epochs: int
    patience: int
    batch_size: int
    lr: float
    weight_decay: float
    warm_up: int
    schedule: Literal["constant", "cosine"]
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
    from cortexclip.training.stack import TrainingSettings

    n_voxels, n_features = data.final.brain.shape[1], data.final.embedding.shape[1]
    training = TrainingSettings(
        settings.epochs,
        settings.patience,
        settings.batch_size,
        settings.lr,
        settings.weight_decay,
        settings.warm_up,
        settings.schedule,
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

        arrays = {
            "readout.coefficients": readout.coefficients,
            "readout.intercept": readout.intercept,
            "gallery.embedding": gallery_embedding,
            "gallery.images": gallery_images,
        }
        chosen = {"epoch": fitted.epochs[-1], "readout_penalty": penalty}
        return NetworkDecoder(fitted.network, fitted.scaler, _reader(readout, arrays), chosen, fitted.rows, arrays)

    architecture = (n_voxels, n_features, settings.hidden, settings.dropout, *_variant(settings).values())
    return Recipe(
        make=lambda: _network(n_voxels, n_features, settings),
        kind=("clip_encoder", *architecture, settings.learn_temperature, settings.duplicates),
        phases=[Phase(contrastive_loss(settings.duplicates), training)],
        finish=finish,
        standardise=settings.standardise,
        criterion=identification_error,
        criterion_name="identification error",
    )


def restore(saved: Saved, settings: Settings):
    """The decoder of a finished run."""
    from cortexclip.methods.network import restore_network

    names = ("readout.coefficients", "readout.intercept", "gallery.embedding", "gallery.images")
    arrays = {name: saved[name] for name in names}
    readout = unscaled(arrays["readout.coefficients"], arrays["readout.intercept"])
    n_voxels, n_features = len(saved["voxel_mean"]), arrays["gallery.embedding"].shape[1]
    return restore_network(saved, lambda: _network(n_voxels, n_features, settings), _reader(readout, arrays), names)


def _variant(settings: Settings) -> dict:
    return {
        "residual": settings.residual,
        "attention": (settings.attention_tokens, settings.attention_heads),
        "projections": settings.projections,
        "checkpointing": settings.checkpointing,
    }


def _network(n_voxels: int, n_features: int, settings: Settings):
    from cortexclip.models.contrastive import BrainEncoder

    temperature = (settings.temperature, settings.learn_temperature)
    try:
        return BrainEncoder(n_voxels, n_features, settings.hidden, settings.dropout, *temperature, **_variant(settings))
    except ValueError as error:
        raise InputError(f"clip_encoder: settings: {error}.") from error


def _reader(readout: Ridge | Linear, arrays: dict[str, np.ndarray]) -> Callable[..., Prediction]:
    from cortexclip.methods.network import predict_array

    gallery_embedding, gallery_images = arrays["gallery.embedding"], arrays["gallery.images"]

    def read(network, brain) -> Prediction:
        embedding = predict_array(network(brain))
        images = np.clip(readout.predict(embedding), 0.0, 1.0).reshape(-1, *gallery_images.shape[1:])
        return Prediction(images, embedding, nearest_images(embedding, gallery_embedding, gallery_images))

    return read


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]):
    """One training; see :func:`recipe`."""
    from cortexclip.methods.network import fit_one

    return fit_one(recipe, data, settings, seed, progress)


def contrastive_loss(duplicates: str):
    """InfoNCE between the network's output and the stimuli's embeddings, as a loss of a stack."""
    from cortexclip.models.contrastive import info_nce, same_stimulus

    def loss(network, batch):
        same = same_stimulus(batch["stimulus"], duplicates)
        return info_nce(network(batch["brain"]), batch["embedding"], same, network.temperature, batch.weight)

    return loss


def identification_error(network, part) -> float:
    """Mean share of a part's other stimuli whose embedding is closer to the predicted one than the shown one's is.

    Ties count half. It depends on the order of cosines alone, so points of different temperature can be compared by
    it, which their losses cannot; 0.5 by chance, 0 at best, and 0 for a part of one stimulus.
    """
    from cortexclip.methods.network import predict_array

    predicted = predict_array(network(part["brain"][None]))
    _, first, shown = np.unique(part["stimulus"].cpu().numpy(), return_index=True, return_inverse=True)
    if len(first) == 1:
        return 0.0
    similarity = predicted @ part["embedding"].cpu().numpy()[first].T
    own = similarity[np.arange(len(shown)), shown][:, None]
    closer = (similarity > own).sum(1) + 0.5 * ((similarity == own).sum(1) - 1)
    return float(np.mean(closer) / (len(first) - 1))


def _choose_penalty(train: Samples, embedding: np.ndarray, pixels: np.ndarray, penalties: np.ndarray) -> float:
    """The readout penalty of least squared error between images read from predicted embeddings and the stimuli."""
    rows = train.distinct()
    source, target = unit_length(train.embedding[rows]), train.pixels[rows]

    def error(penalty: float) -> float:
        read = fit_ridge(source, target, np.array([penalty])).predict(embedding)
        return float(np.mean((np.clip(read, 0.0, 1.0) - pixels) ** 2))

    return float(min(penalties, key=error))
