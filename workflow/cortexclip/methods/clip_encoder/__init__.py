"""The contrastive CLIP encoder of the first source document, with two ways from its embedding to an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import GALLERY, Decoder, FitData, Prediction, Samples, Saved
from cortexclip.methods.recipe import Fitted, NetworkMethod, Phase, ReadoutSettings, Recipe, predict_array
from cortexclip.numerics.readout import nearest_images, unit_length
from cortexclip.numerics.ridge import Linear, Ridge, fit_ridge, unscaled
from cortexclip.runtime.settings import Count, Positive, Rate, Several, Whole

READOUT = ("readout.coefficients", "readout.intercept")


class ClipEncoder(NetworkMethod):
    """Train by symmetric InfoNCE against the stimuli's embeddings; the selection part chooses the epoch.

    Images are read from the predicted embedding by a linear map fitted from the training stimuli's own embeddings to
    their pixels, whose penalty is the one of least pixel error on the selection part, and, as a second readout, by the
    training stimulus of nearest embedding.
    """

    class Settings(ReadoutSettings):
        """Source: layer sizes, temperature, batch size, epochs and learning rate; ours: dropout, decay, patience and
        readout.

        `duplicates`: whether equal stimuli in a batch are positives or negatives of each other. The readout's penalties
        are tried on a logarithmic grid. `residual`: a block of equal width with a shortcut after each hidden layer;
        `attention_tokens`: number of tokens into which the first hidden layer is cut; they attend to each other with
        `attention_heads` (0: none); `projections`: heads whose unit-length outputs are summed; `checkpointing`: less
        memory for more time, the same result. The learning rate rises over `warm_up` epochs and then follows
        `schedule`.
        """

        hidden: Several[Count]
        dropout: Rate
        temperature: Positive
        learn_temperature: bool
        duplicates: Literal["positives", "negatives"]
        residual: bool
        attention_tokens: Whole
        attention_heads: Count
        projections: Count
        checkpointing: bool
        warm_up: Whole
        schedule: Literal["constant", "cosine"]

    varying = NetworkMethod.varying | {
        "temperature",  # a parameter of the network
        "readout_penalty_low",
        "readout_penalty_high",
        "readout_penalty_count",
    }

    def recipe(self, data: FitData) -> Recipe:
        n_voxels, n_features = data.n_voxels, data.final.embedding.shape[1]
        return Recipe(
            make=lambda: self.network(n_voxels, n_features),
            kind=self.kind(n_voxels, n_features),
            phases=[Phase(contrastive_loss(self.settings.duplicates), self.training())],
            finish=lambda fitted: self._finish(fitted, data),
            standardise=self.settings.standardise,
            criterion=identification_error,
            criterion_name="identification error",
        )

    def restore(self, saved: Saved) -> Decoder:
        arrays = saved.named(*READOUT, *GALLERY)
        readout = unscaled(*(arrays[name] for name in READOUT))
        n_features = arrays["gallery.embedding"].shape[1]
        return self.restored(
            saved, lambda: self.network(saved.n_voxels, n_features), _reader(readout, arrays), tuple(arrays)
        )

    def network(self, n_voxels: int, n_features: int):
        """The network for so many voxels and embeddings of this size."""
        from cortexclip.methods.clip_encoder.network import BrainEncoder

        settings = self.settings
        temperature = (settings.temperature, settings.learn_temperature)
        variant = {
            "residual": settings.residual,
            "attention": (settings.attention_tokens, settings.attention_heads),
            "projections": settings.projections,
            "checkpointing": settings.checkpointing,
        }
        try:
            return BrainEncoder(n_voxels, n_features, settings.hidden, settings.dropout, *temperature, **variant)
        except ValueError as error:
            raise InputError(f"clip_encoder: settings: {error}.") from error

    def _finish(self, fitted: Fitted, data: FitData) -> Decoder:
        from cortexclip.methods.network import voxels

        selected = predict_array(fitted.selected(voxels(data.select.brain, fitted.selected_scaler)))
        penalty = _choose_penalty(data.train, selected, data.select.pixels, self.settings.readout_penalties)
        readout, arrays = fit_readout(data.final.gallery(), penalty)
        return fitted.decoder(_reader(readout, arrays), arrays, readout_penalty=penalty)


def fit_readout(gallery: Mapping[str, np.ndarray], penalty: float) -> tuple[Ridge, dict[str, np.ndarray]]:
    """The linear map from the embeddings of a gallery to its pixels, and all that is kept of both."""
    embedding, images = (gallery[name] for name in GALLERY)
    readout = fit_ridge(unit_length(embedding), images.reshape(len(images), -1), np.array([penalty]))
    return readout, {"readout.coefficients": readout.coefficients, "readout.intercept": readout.intercept, **gallery}


def _reader(readout: Ridge | Linear, arrays: Mapping[str, np.ndarray]) -> Callable[..., Prediction]:
    gallery_embedding, gallery_images = (arrays[name] for name in GALLERY)

    def read(network, brain) -> Prediction:
        embedding = predict_array(network(brain))
        images = np.clip(readout.predict(embedding), 0.0, 1.0).reshape(-1, *gallery_images.shape[1:])
        return Prediction(images, embedding, nearest_images(embedding, gallery_embedding, gallery_images))

    return read


def contrastive_loss(duplicates: str):
    """InfoNCE between the network's output and the stimuli's embeddings, as a loss of a stack."""
    from cortexclip.methods.clip_encoder.network import info_nce, same_stimulus

    def loss(network, batch):
        same = same_stimulus(batch["stimulus"], duplicates)
        return info_nce(network(batch["brain"]), batch["embedding"], same, network.temperature, batch.weight)

    return loss


def identification_error(network, part) -> float:
    """Mean share of a part's other stimuli whose embedding is closer to the predicted one than the shown one's is.

    Ties count half. It depends on the order of cosines alone, so points of different temperature can be compared by
    it, which their losses cannot; 0.5 by chance, 0 at best, and 0 for a part of one stimulus.
    """
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
