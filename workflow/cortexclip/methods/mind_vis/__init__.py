"""MinD-Vis at 28x28: masked modelling of voxel patches, then latent diffusion that is conditioned on the tokens twice.

Source: Chen, Qing, Xiang, Yue and Zhou 2023, Seeing beyond the brain, CVPR. As there: patches of 16 voxels, three
quarters of them masked; an autoencoder of images and a diffusion model in its latent space, which the tokens enter by
cross-attention and added to the embedding of the noise level; encoder and diffusion model tuned together. Smaller: the
encoder is pretrained on the training samples at hand (the original had some 136,000 samples of the Human Connectome
Project), the autoencoder is this project's prior with 424 latents, and the diffusion model learns from the training
images alone. Images are drawn by DPM-Solver++(2M) (Lu et al. 2022) and their mean is the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import Decoder, FitData, Prediction, Samples, Saved
from cortexclip.methods.recipe import NetworkMethod, Phase, Recipe, TrainedSettings
from cortexclip.runtime.settings import Count, Positive, Rate, Whole

if TYPE_CHECKING:
    from cortexclip.methods.recipe import Read


class MindVis(NetworkMethod):
    """Pretrain on masked voxels, then train encoder and diffusion model; the selection part chooses both epochs."""

    class Settings(TrainedSettings):
        """``prior`` names a folder of resources/priors, whose autoencoder is used. The encoder has ``depth`` blocks of
        ``size`` features for patches of ``patch`` voxels, and is pretrained for at most ``pretraining_epochs``.

        The diffusion model has ``latent_depth`` blocks of ``latent_tokens`` tokens with ``latent_size`` features. In a
        training step it sees each sample at ``levels`` noise levels, and ``dropout`` of the voxels are hidden.
        The solver draws an image in ``steps``. The prediction is the mean of ``draws`` images.
        """

        prior: str
        patch: Count
        size: Count
        depth: Count
        heads: Count
        decoder_depth: Whole
        mask_fraction: Rate
        context_tokens: Count
        latent_tokens: Count
        latent_size: Count
        latent_depth: Count
        levels: Count
        dropout: Rate
        pretraining_epochs: Count
        pretraining_lr: Positive
        steps: Count
        draws: Count

    varying = NetworkMethod.varying | {"pretraining_epochs", "pretraining_lr", "steps", "draws"}

    def recipe(self, data: FitData) -> Recipe:
        from cortexclip.methods.mind_vis.network import conditional_diffusion, masked_modelling

        settings, n_voxels, shape = self.settings, data.n_voxels, data.shape
        if shape != (28, 28):
            raise InputError(
                f"prior '{settings.prior}': it draws images of 28 x 28; these have {shape[0]} x {shape[1]}."
            )
        latents = self._latents(data.train)["latents"]
        pretraining = self.training(epochs=settings.pretraining_epochs, lr=settings.pretraining_lr, warm_up=2)

        def finish(fitted) -> Decoder:
            arrays = {"sampling_seed": np.array([fitted.seed], np.int64)}
            return fitted.decoder(self._reader(fitted.seed), arrays, pretraining_epoch=fitted.epochs[0])

        return Recipe(
            make=lambda: self.network(n_voxels, latents),
            kind=self.kind(n_voxels),
            phases=[
                Phase(
                    masked_modelling(settings.mask_fraction),
                    pretraining,
                    "pretraining",
                    further_brain=data.scored_brain,
                    other_brain=self.other_brain(data),
                ),
                Phase(conditional_diffusion(settings.levels), self.training(warm_up=1)),
            ],
            finish=finish,
            standardise=settings.standardise,
            alone=True,
            extra=self._latents,
        )

    def other_brain(self, data: FitData) -> np.ndarray | None:
        """Standardised responses (n_samples, n_voxels) that only the pretraining sees; none here."""
        return None

    def restore(self, saved: Saved) -> Decoder:
        read = self._reader(int(saved["sampling_seed"][0]))
        return self.restored(saved, lambda: self.network(saved.n_voxels), read, ("sampling_seed",))

    def network(self, n_voxels: int, latents: np.ndarray | None = None):
        """The network for so many voxels; latents of training images (n_samples, n_latents) give mean and unit."""
        import torch

        from cortexclip.methods.mind_vis.network import Denoiser
        from cortexclip.methods.mind_vis.network import MindVis as Network
        from cortexclip.numerics.vae import SIZES

        settings = self.settings
        blocks = (settings.latent_tokens, settings.latent_size, settings.latent_depth, settings.heads)
        tokens = (settings.patch, settings.size, settings.depth, settings.heads, settings.decoder_depth)
        network = Network(n_voxels, *tokens, settings.context_tokens, settings.dropout, Denoiser(sum(SIZES), *blocks))
        if latents is not None:
            network.latent_mean = torch.from_numpy(latents.mean(axis=0, keepdims=True))
            network.latent_scale = torch.full((1, 1), float(latents.std(axis=0).mean()) or 1.0)
        return network

    def _latents(self, samples: Samples) -> dict[str, np.ndarray]:
        """What the autoencoder makes of the images, float32 (n_samples, 424)."""
        import torch

        from cortexclip.priors.stored import load_vae

        return {"latents": load_vae(self.settings.prior).encode(torch.from_numpy(np.float32(samples.images))).numpy()}

    def _reader(self, seed: int) -> Read:
        def read(network, brain) -> Prediction:
            import torch

            from cortexclip.priors.stored import load_vae
            from cortexclip.runtime.seeds import derive_seed

            settings, n, n_latents = self.settings, brain.shape[1], network.latent_mean.shape[1]
            noise = [
                torch.randn(
                    n_latents, generator=torch.Generator().manual_seed(derive_seed(seed, "draw", number, sample))
                )
                for number in range(settings.draws)
                for sample in range(n)
            ]
            latents = network.draw(brain, torch.stack(noise).view(-1, n, n_latents).to(brain.device), settings.steps)
            images = load_vae(settings.prior).decode(latents.flatten(0, 1).cpu())
            return Prediction.of_draws(images.numpy().astype(np.float64).reshape(settings.draws, n, 28, 28))

        return read
