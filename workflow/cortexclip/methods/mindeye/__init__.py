"""A decoder in the manner of MindEye: contrastive learning, a diffusion prior and a pixel head on one backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from cortexclip.methods.clip_encoder import READOUT, fit_readout
from cortexclip.methods.interface import GALLERY, Decoder, FitData, Prediction, Samples, Saved
from cortexclip.methods.recipe import Fitted, NetworkMethod, Phase, ReadoutSettings, Recipe, predict_array
from cortexclip.numerics.readout import nearest_images, unit_length
from cortexclip.numerics.ridge import fit_ridge, unscaled
from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.settings import Count, NonNegative, Positive, Rate

SHARES = np.linspace(0.0, 1.0, 11)
"""Shares of the pixel head in the image that are tried."""


class MindEye(NetworkMethod):
    """Ridge layer, residual perceptron, and three heads: retrieval, diffusion prior and pixels.

    Scotti et al. 2023 (NeurIPS, arXiv 2305.18274) and 2024 (ICML, arXiv 2403.11207). The first epochs mix the voxels
    of pairs of samples (BiMixCo), the others learn from the similarities of the stimuli's embeddings (SoftCLIP). The
    image is the mean of the pixel head's and of one read linearly from the embedding that the prior draws; the
    selection part chooses epochs, the readout's penalty and the share of the pixel head.
    """

    class Settings(ReadoutSettings):
        """`width`, `depth`, `dropout` are those of the backbone, `prior_width` that of the prior's hidden layers.

        At most `mixed_epochs` train on mixed samples, then at most `epochs` without mixing. `temperature` divides
        cosines, `mixup` is the parameter of the symmetric beta distribution of the shares of mixed samples, half of
        which stay unmixed. The weights are those of the losses, that of the pixel error is 1. The prior takes `steps`;
        the image is the mean of `draws`. The penalties of the readout are tried on a logarithmic grid.
        """

        width: Count
        depth: Count
        dropout: Rate
        prior_width: Count
        mixed_epochs: Count
        temperature: Positive
        mixup: Positive
        contrastive_weight: NonNegative
        prior_weight: NonNegative
        steps: Count
        draws: Count

    def recipe(self, data: FitData) -> Recipe:
        from cortexclip.methods.mindeye.network import training_loss

        sizes = (data.n_voxels, data.shape, data.final.embedding.shape[1])
        loss = partial(training_loss, settings=self.settings)
        return Recipe(
            make=lambda: self.network(*sizes),
            kind=self.kind(*sizes),
            phases=[
                Phase(partial(loss, mixed=True), self.training(epochs=self.settings.mixed_epochs), "mixed"),
                Phase(partial(loss, mixed=False), self.training()),
            ],
            finish=lambda fitted: self._finish(fitted, data),
            standardise=self.settings.standardise,
        )

    def restore(self, saved: Saved) -> Decoder:
        arrays = saved.named("noise", *READOUT, *GALLERY)
        sizes = (saved.n_voxels, saved.shape, arrays["gallery.embedding"].shape[1])
        read = self._reader(arrays, float(saved.fact("pixel_share")), saved.shape)
        return self.restored(saved, lambda: self.network(*sizes), read, tuple(arrays))

    def network(self, n_voxels: int, shape: tuple[int, int], n_features: int):
        """The network for so many voxels, images of this shape and embeddings of this size."""
        from cortexclip.methods.mindeye.network import MindEye as Network

        settings = self.settings
        return Network(
            n_voxels,
            shape[0] * shape[1],
            n_features,
            settings.width,
            settings.depth,
            settings.dropout,
            settings.prior_width,
        )

    def _finish(self, fitted: Fitted, data: FitData) -> Decoder:
        from cortexclip.methods.network import voxels

        gallery = data.final.gallery()
        generator = np.random.default_rng(derive_seed(fitted.seed, "prior"))
        noise = generator.standard_normal((self.settings.draws, gallery["gallery.embedding"].shape[1]))
        given = voxels(data.select.brain, fitted.selected_scaler)
        pixels, drawn, _ = self._heads(fitted.selected, given, noise)
        penalty, share = _choose(data.train, data.select, pixels, drawn, self.settings.readout_penalties)
        arrays = {"noise": noise, **fit_readout(gallery, penalty)[1]}
        read = self._reader(arrays, share, data.shape)
        return fitted.decoder(
            read, arrays, mixed_epoch=fitted.epochs[0], readout_penalty=penalty, pixel_share=float(share)
        )

    def _heads(self, network, brain, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the heads make of voxels: pixels (n_samples, n_pixels), and unit-length embeddings.

        Those that the prior draws, (n_draws, n_samples, n_features), and those to retrieve by, (n_samples, n_features).
        """
        from cortexclip.methods.mindeye.network import sample_prior
        from cortexclip.methods.network import to_tensor

        hidden = network.backbone(brain)
        drawn = [sample_prior(network, hidden, to_tensor(one), self.settings.steps) for one in noise]
        embeddings = np.stack([unit_length(predict_array(one)) for one in drawn])
        return predict_array(network.pixels(hidden)), embeddings, predict_array(network.retrieve(hidden))

    def _reader(
        self, arrays: Mapping[str, np.ndarray], share: float, shape: tuple[int, int]
    ) -> Callable[..., Prediction]:
        """From voxels to images: the noise of the prior is the same for all samples, so each is decoded by itself."""
        readout = unscaled(*(arrays[name] for name in READOUT))

        def read(network, brain) -> Prediction:
            pixels, drawn, embedding = self._heads(network, brain, arrays["noise"])
            images = np.stack([_image(pixels, readout.predict(one), share).reshape(-1, *shape) for one in drawn])
            nearest = nearest_images(embedding, *(arrays[name] for name in GALLERY))
            return Prediction.of_draws(images, embedding=embedding, nearest=nearest)

        return read


def _image(pixels: np.ndarray, read: np.ndarray, share: float) -> np.ndarray:
    """Images of the two ways in the shares ``share`` and its rest, 0 to 1."""
    return np.clip(share * pixels + (1 - share) * read, 0.0, 1.0)


def _choose(
    train: Samples, select: Samples, pixels: np.ndarray, drawn: np.ndarray, penalties: np.ndarray
) -> tuple[float, float]:
    """The readout's penalty and the pixel head's share of least squared error on the selection part."""
    rows = train.distinct()
    source, target = unit_length(train.embedding[rows]), train.pixels[rows]
    best = (np.inf, float(penalties[0]), 1.0)
    for penalty in penalties:
        readout = fit_ridge(source, target, np.array([penalty]))
        read = np.mean([np.clip(readout.predict(one), 0.0, 1.0) for one in drawn], axis=0)
        errors = [np.mean((_image(pixels, read, share) - select.pixels) ** 2) for share in SHARES]
        best = min(best, (float(min(errors)), float(penalty), float(SHARES[int(np.argmin(errors))])))
    return best[1:]
