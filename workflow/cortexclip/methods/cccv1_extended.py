"""CCCV1 with extensions that its document names as future work; an entry of the configuration switches each on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import FitData, Prediction, Samples, Saved
from cortexclip.models.readout import nearest_images

STOCHASTIC = True


@dataclass(frozen=True)
class Settings:
    """The first nine as for cccv1; an extension is off where its weight or number is 0.

    `clip_weight`: of 1 - cosine between the enhanced embedding and the stimulus's; `consistency_weight`: of 1 - cosine
    between the embedding before and after the enhancer; `contrastive_weight`: of InfoNCE (as in clip_encoder) at
    `temperature`; `views`: of how many embeddings of equal size the stimulus's is made (1: one, of the whole image).
    `attention_group`: voxels in a group whose token, of `attention_size`, attends to the others with
    `attention_heads`. `resolution_weight`: of the pixel errors at a quarter and half of the size, with a convolutional
    decoder through these. `enhancer_blocks`: gated blocks in place of the enhancer. `mask_fraction`: of the voxels
    hidden in at most `pretraining_epochs` epochs of pretraining. `domain_weight`: of the reversed gradient of a
    classifier of sessions.
    """

    standardise: bool
    dropout_encoder: float
    dropout_decoder: float
    clip_residual_weight: float
    epochs: int
    patience: int
    batch_size: int
    lr: float
    weight_decay: float
    clip_weight: float
    consistency_weight: float
    contrastive_weight: float
    temperature: float
    views: int
    attention_group: int
    attention_size: int
    attention_heads: int
    resolution_weight: float
    enhancer_blocks: int
    mask_fraction: float
    pretraining_epochs: int
    domain_weight: float


def recipe(data: FitData, settings: Settings):
    """Train by mean squared pixel error and the terms that are switched on.

    The epoch is chosen by the pixel error alone, the scored quantity, so that variants choose alike; that of the
    pretraining by the error of hidden voxels.
    """
    from cortexclip.methods.network import NetworkDecoder, Phase, Recipe
    from cortexclip.models.cccv1_extended import masked_voxel_loss
    from cortexclip.training.stack import TrainingSettings

    n_voxels, shape = data.final.brain.shape[1], data.final.images.shape[1:]
    n_features = data.final.embedding.shape[1] if _aligned(settings) else 0
    sessions = _sessions(data) if settings.domain_weight else np.zeros(0, int)
    training = TrainingSettings(
        settings.epochs, settings.patience, settings.batch_size, settings.lr, settings.weight_decay
    )
    loss = partial(training_loss, settings=settings)
    phases = [Phase(loss, training, trained=lambda name: not name.startswith("voxels."))]
    if settings.mask_fraction:
        hiding = partial(masked_voxel_loss, fraction=settings.mask_fraction)
        pretraining = dataclasses.replace(training, epochs=settings.pretraining_epochs)
        parts = ("attention.", "encoder.", "voxels.")
        phases.insert(0, Phase(hiding, pretraining, "pretraining", lambda name: name.startswith(parts)))

    def finish(fitted) -> NetworkDecoder:
        chosen = {"epoch": fitted.epochs[-1]}
        if settings.mask_fraction:
            chosen["pretraining_epoch"] = fitted.epochs[0]
        gallery = {}
        if n_features:
            rows = data.final.distinct()
            gallery = {"gallery.embedding": data.final.embedding[rows], "gallery.images": data.final.images[rows]}
        return NetworkDecoder(fitted.network, fitted.scaler, _reader(shape, gallery), chosen, fitted.rows, gallery)

    def session_of(samples: Samples) -> dict[str, np.ndarray]:
        return {"session": np.searchsorted(sessions, samples.session)}

    return Recipe(
        make=lambda: _network(n_voxels, shape, n_features, len(sessions), settings),
        kind=("cccv1_extended", n_voxels, shape, n_features, len(sessions), _without_rates(settings)),
        phases=phases,
        finish=finish,
        standardise=settings.standardise,
        extra=session_of if settings.domain_weight else None,
    )


def restore(saved: Saved, settings: Settings):
    """The decoder of a finished run."""
    from cortexclip.methods.network import restore_network

    names = ("gallery.embedding", "gallery.images") if _aligned(settings) else ()
    gallery = {name: saved[name] for name in names}
    n_features = gallery["gallery.embedding"].shape[1] if gallery else 0
    n_sessions = len(saved["domain.2.bias"]) if settings.domain_weight else 0
    n_voxels = len(saved["voxel_mean"])
    return restore_network(
        saved,
        lambda: _network(n_voxels, saved.shape, n_features, n_sessions, settings),
        _reader(saved.shape, gallery),
        names,
    )


def _aligned(settings: Settings) -> bool:
    return settings.clip_weight > 0 or settings.contrastive_weight > 0


def _network(n_voxels: int, shape: tuple[int, int], n_features: int, n_sessions: int, settings: Settings):
    from cortexclip.models.cccv1_extended import ExtendedCCCV1

    try:
        return ExtendedCCCV1(n_voxels, shape, n_features, n_sessions, settings)
    except ValueError as error:
        raise InputError(f"cccv1_extended: settings: {error}.") from error


def _reader(shape: tuple[int, int], gallery: dict[str, np.ndarray]) -> Callable[..., Prediction]:
    from cortexclip.methods.network import predict_array

    def read(network, brain) -> Prediction:
        if not gallery:
            return Prediction(predict_array(network(brain)).reshape(-1, *shape))
        enhanced = network.enhancer(network.embed(brain))
        embedding = predict_array(network.alignment(enhanced))
        nearest = nearest_images(embedding, gallery["gallery.embedding"], gallery["gallery.images"])
        return Prediction(predict_array(network.decoder(enhanced)).reshape(-1, *shape), embedding, nearest)

    return read


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]):
    """One training; see :func:`recipe`."""
    from cortexclip.methods.network import fit_one

    return fit_one(recipe, data, settings, seed, progress)


def training_loss(network, batch, settings: Settings):
    """The pixel error and, in training, the weighted sum of the terms that are switched on; shape (members,)."""
    from torch.nn import functional

    from cortexclip.models.cccv1 import pixel_mse
    from cortexclip.models.cccv1_extended import cosine_loss, pyramid_error, reversed_gradient
    from cortexclip.models.contrastive import info_nce, same_stimulus

    if not network.training:
        return pixel_mse(network, batch)
    embedding = network.embed(batch["brain"])
    enhanced = network.enhancer(embedding)
    if settings.resolution_weight:
        pyramid = network.decoder.pyramid(enhanced)
        images = pyramid[-1].flatten(-2)
        extra = settings.resolution_weight * pyramid_error(pyramid, batch["pixels"])
    else:
        images, extra = network.decoder(enhanced), 0.0
    if network.alignment is not None:
        predicted, target = network.alignment(enhanced), network.alignment.unit(batch["embedding"])
        extra = extra + settings.clip_weight * cosine_loss(predicted, target)
    if settings.consistency_weight:
        extra = extra + settings.consistency_weight * cosine_loss(embedding, enhanced)
    if settings.domain_weight:
        answer = network.domain(reversed_gradient(embedding, settings.domain_weight))
        extra = extra + functional.cross_entropy(answer.movedim(-1, 1), batch["session"], reduction="none")
    loss = batch.mean(((images - batch["pixels"]) ** 2).mean(-1) + extra)
    if settings.contrastive_weight:
        temperature = loss.new_full((len(loss),), settings.temperature)
        same = same_stimulus(batch["stimulus"], "positives")
        loss = loss + settings.contrastive_weight * info_nce(predicted, target, same, temperature, batch.weight)
    return loss


def _sessions(data: FitData) -> np.ndarray:
    sessions = np.unique(data.final.session)
    if len(sessions) < 2:
        raise InputError(
            f"domain_weight: found training samples of {len(sessions)} session, expected at least two. Leave the "
            "method out for this dataset, or state in config/datasets.yaml where its sessions are."
        )
    return sessions


def _without_rates(settings: Settings) -> Settings:
    """The settings with those left out that may differ within a stack."""
    return dataclasses.replace(settings, lr=0.0, weight_decay=0.0)
