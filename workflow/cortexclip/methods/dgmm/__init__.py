"""DGMM, the deep generative multiview model: one latent space of images and voxels.

Source: Du, Du, Huang and He 2018, Reconstructing perceived images from human brain activities with Bayesian deep
multiview learning, IEEE TNNLS (arXiv 1704.07575), as its published code has it: a convolutional variational autoencoder
of the images, a Bayesian linear model from its latents to the voxels, and images from the latents that voxels imply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import Decoder, FitData, Prediction, Saved
from cortexclip.methods.recipe import Fitted, NetworkMethod, Phase, Recipe, predict_array
from cortexclip.numerics.standardise import fit_range_scaler
from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.settings import Checked, Count, NonNegative, Positive
from cortexclip.training.settings import TrainingSettings


class DGMM(NetworkMethod):
    """Train the autoencoder, then fit the voxels to its latents; nothing is chosen, so that all samples train."""

    class Settings(Checked):
        """As the published code names them: ``latents`` K, ``noise_latents`` C, ``neighbours`` k, ``width`` t and
        ``pull`` rho.

        The autoencoder has ``filters`` channels and dense layers of width ``dense``. Of ``starts`` initial networks the
        one is trained whose latents differ most among the training images. ``image_weight`` and ``divergence_weight``
        are those of the loss. The posterior of the voxels' model is updated ``rounds`` times. The prediction is the
        mean image of ``draws``.
        """

        latents: Count
        noise_latents: Count
        filters: Count
        dense: Count
        image_weight: Positive
        divergence_weight: NonNegative
        starts: Count
        epochs: Count
        batch_size: Count
        lr: Positive
        rounds: Count
        neighbours: Count
        width: Positive
        pull: NonNegative
        draws: Count

    chooses = False

    def recipe(self, data: FitData) -> Recipe:
        from cortexclip.methods.dgmm.network import negative_bound, widest

        settings, shape = self.settings, data.shape
        if any(size % 2 for size in shape):
            raise InputError(f"dgmm: the images have {shape[0]} x {shape[1]} pixels, expected even numbers. Resize.")
        training = TrainingSettings(
            settings.epochs, settings.epochs, settings.batch_size, settings.lr, weight_decay=0.0, join_single=False
        )
        loss = negative_bound(settings.image_weight, settings.divergence_weight)
        return Recipe(
            make=lambda: widest([self.network(shape) for _ in range(settings.starts)], data.final.pixels),
            kind=self.kind(shape),
            phases=[Phase(loss, training)],
            finish=lambda fitted: self._finish(fitted, data),
            standardise=False,
            alone=True,
        )

    def restore(self, saved: Saved) -> Decoder:
        from cortexclip.methods.dgmm.voxel_view import Inference

        names = (*Inference.NAMES, "noise")
        read = self._reader(saved.named(*names), saved.shape)
        return self.restored(saved, lambda: self.network(saved.shape), read, names)

    def network(self, shape: tuple[int, int]):
        """The autoencoder of images of this shape."""
        from cortexclip.methods.dgmm.network import DGMM as Network

        settings = self.settings
        return Network(shape, settings.latents, settings.filters, settings.dense)

    def _finish(self, fitted: Fitted, data: FitData) -> Decoder:
        """The decoder: voxels are scaled to their ranges in the samples that trained, and fitted to their latents."""
        from cortexclip.methods.dgmm.voxel_view import Inference, VoxelView
        from cortexclip.methods.network import to_tensor

        settings, samples = self.settings, data.final
        scaler = fit_range_scaler(samples.brain)
        mean, log_scale = map(predict_array, fitted.network.encode(to_tensor(samples.pixels)[None]))
        generator = np.random.default_rng(derive_seed(fitted.seed, "voxels"))
        view = VoxelView(scaler(samples.brain), mean, np.exp(log_scale), settings.noise_latents, generator)
        for _ in range(settings.rounds):
            view.update()
        noise = np.random.default_rng(derive_seed(fitted.seed, "draws")).standard_normal(settings.draws)
        arrays = {**Inference.arrays(view, settings.neighbours), "noise": noise}
        return replace(fitted.decoder(self._reader(arrays, data.shape), arrays), scaler=scaler)

    def _reader(self, arrays: Mapping[str, np.ndarray], shape: tuple[int, int]) -> Callable[..., Prediction]:
        """From voxels in their ranges to images, each sample by itself: the draws are the same for all of them.

        As in the published code a draw moves all latents at once, by one normal value times their deviations.
        """
        from cortexclip.methods.dgmm.voxel_view import Inference

        settings = self.settings
        infer = Inference(arrays, settings.neighbours, settings.width, settings.pull)

        def read(network, brain) -> Prediction:
            import torch

            from cortexclip.methods.network import to_tensor

            drawn = []
            for mean, deviation in zip(*infer(brain[0].cpu().numpy()), strict=True):
                latents = to_tensor(mean + arrays["noise"][:, None] * deviation)[None]
                drawn.append(predict_array(torch.sigmoid(network.decode(latents))))
            draws = np.stack(drawn, axis=1).reshape(settings.draws, len(drawn), *shape)
            return Prediction.of_draws(draws)

        return read
