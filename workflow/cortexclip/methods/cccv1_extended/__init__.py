"""CCCV1 with extensions that its document names as future work; an entry of the configuration switches each on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.cccv1 import CCCV1
from cortexclip.methods.interface import GALLERY, Decoder, FitData, Prediction, Samples, Saved
from cortexclip.methods.recipe import Fitted, NetworkMethod, Phase, Recipe, predict_array
from cortexclip.numerics.readout import nearest_images
from cortexclip.runtime.settings import Count, NonNegative, Positive, Rate, Whole


class ExtendedCCCV1(NetworkMethod):
    """Train by mean squared pixel error and the terms that are switched on.

    The epoch is chosen by the pixel error alone, the scored quantity, so that variants choose alike; that of the
    pretraining by the error of hidden voxels.
    """

    class Settings(CCCV1.Settings):
        """The first nine are those of cccv1; an extension is off if its weight or number is 0.

        `clip_weight`: of 1 - cosine between the enhanced embedding and the stimulus's; `consistency_weight`: of 1 -
        cosine between the embedding before and after the enhancer; `contrastive_weight`: of InfoNCE (as in
        clip_encoder) at `temperature`; `views`: number of embeddings of equal size that the stimulus's consists of (1:
        that of the whole image). `attention_group`: voxels in a group whose token, of `attention_size`, attends to the
        others with `attention_heads`. `resolution_weight`: of the pixel errors at a quarter and half of the size, with
        a convolutional decoder through these. `enhancer_blocks`: gated blocks in place of the enhancer.
        `mask_fraction`: of the voxels hidden in at most `pretraining_epochs` epochs of pretraining. `domain_weight`: of
        the reversed gradient of a classifier of sessions.
        """

        clip_weight: NonNegative
        consistency_weight: NonNegative
        contrastive_weight: NonNegative
        temperature: Positive
        views: Count
        attention_group: Whole
        attention_size: Count
        attention_heads: Count
        resolution_weight: NonNegative
        enhancer_blocks: Whole
        mask_fraction: Rate
        pretraining_epochs: Count
        domain_weight: NonNegative

        @property
        def aligned(self) -> bool:
            """Whether it learns from embeddings."""
            return self.clip_weight > 0 or self.contrastive_weight > 0

    def recipe(self, data: FitData) -> Recipe:
        from cortexclip.methods.cccv1_extended.network import masked_voxel_loss

        settings = self.settings
        n_features = data.final.embedding.shape[1] if settings.aligned else 0
        sessions = _sessions(data) if settings.domain_weight else np.zeros(0, int)
        sizes = (data.n_voxels, data.shape, n_features, len(sessions))
        loss = partial(training_loss, settings=settings)
        phases = [Phase(loss, self.training(), trained=lambda name: not name.startswith("voxels."))]
        if settings.mask_fraction:
            hiding = partial(masked_voxel_loss, fraction=settings.mask_fraction)
            pretraining = self.training(epochs=settings.pretraining_epochs)
            parts = ("attention.", "encoder.", "voxels.")
            phases.insert(0, Phase(hiding, pretraining, "pretraining", lambda name: name.startswith(parts)))

        def finish(fitted: Fitted) -> Decoder:
            chosen = {"pretraining_epoch": fitted.epochs[0]} if settings.mask_fraction else {}
            gallery = data.final.gallery() if n_features else {}
            return fitted.decoder(_reader(data.shape, gallery), gallery, **chosen)

        def session_of(samples: Samples) -> dict[str, np.ndarray]:
            return {"session": np.searchsorted(sessions, samples.session)}

        return Recipe(
            make=lambda: self.network(*sizes),
            kind=self.kind(*sizes),
            phases=phases,
            finish=finish,
            standardise=settings.standardise,
            extra=session_of if settings.domain_weight else None,
        )

    def restore(self, saved: Saved) -> Decoder:
        gallery = saved.named(*GALLERY) if self.settings.aligned else {}
        n_features = gallery["gallery.embedding"].shape[1] if gallery else 0
        n_sessions = len(saved["domain.2.bias"]) if self.settings.domain_weight else 0
        sizes = (saved.n_voxels, saved.shape, n_features, n_sessions)
        return self.restored(saved, lambda: self.network(*sizes), _reader(saved.shape, gallery), tuple(gallery))

    def network(self, n_voxels: int, shape: tuple[int, int], n_features: int, n_sessions: int):
        """The network for so many voxels, images of this shape, embeddings of this size and so many sessions."""
        from cortexclip.methods.cccv1_extended.network import ExtendedCCCV1 as Network

        try:
            return Network(n_voxels, shape, n_features, n_sessions, self.settings)
        except ValueError as error:
            raise InputError(f"cccv1_extended: settings: {error}.") from error


def _reader(shape: tuple[int, int], gallery: dict[str, np.ndarray]) -> Callable[..., Prediction]:
    def read(network, brain) -> Prediction:
        if not gallery:
            return Prediction(predict_array(network(brain)).reshape(-1, *shape))
        enhanced = network.enhancer(network.embed(brain))
        embedding = predict_array(network.alignment(enhanced))
        nearest = nearest_images(embedding, gallery["gallery.embedding"], gallery["gallery.images"])
        return Prediction(predict_array(network.decoder(enhanced)).reshape(-1, *shape), embedding, nearest)

    return read


def training_loss(network, batch, settings: ExtendedCCCV1.Settings):
    """The pixel error and, in training, the weighted sum of the terms that are switched on; shape (members,)."""
    from torch.nn import functional

    from cortexclip.methods.cccv1.network import pixel_mse
    from cortexclip.methods.cccv1_extended.network import cosine_loss, pyramid_error, reversed_gradient
    from cortexclip.methods.clip_encoder.network import info_nce, same_stimulus

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
