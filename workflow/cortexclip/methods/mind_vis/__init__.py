"""MinD-Vis at 28x28: masked modelling of voxel patches, then diffusion that is conditioned on the tokens twice.

Source: Chen, Qing, Xiang, Yue and Zhou 2023, Seeing beyond the brain, CVPR. As there: patches of 16 voxels, three
quarters of them masked, tokens as the context of cross-attention and added to the embedding of the noise level, the
encoder tuned together with the diffusion model's cross-attention. Smaller: the encoder is pretrained on the training
samples at hand (the original had some 136,000 samples of the Human Connectome Project), and the diffusion model is this
project's prior of 1.6 million parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import Decoder, FitData, Prediction, Saved
from cortexclip.methods.recipe import NetworkMethod, Phase, Recipe, TrainedSettings
from cortexclip.runtime.settings import Count, NonNegative, Positive, Rate, Whole

CONDITIONING = ("attn2", "class_embedding")
"""What the names of the diffusion model's layers hold that its conditions enter by."""


class MindVis(NetworkMethod):
    """Pretrain on masked voxels, then train encoder and conditioning; the selection part chooses both epochs."""

    class Settings(TrainedSettings):
        """``prior`` names a folder of resources/priors. The encoder has ``depth`` blocks of ``size`` features; it is
        pretrained for at most ``pretraining_epochs``. ``tuned`` says which layers of the diffusion model are trained
        along with it, those that its conditions enter by or all. ``steps`` of DDIM draw an image; ``guidance`` 1 is
        plain. ``draws`` are drawn for each sample, of which the first is scored and the others are for figures.
        """

        prior: str
        patch: Count
        size: Count
        depth: Count
        heads: Count
        decoder_depth: Whole
        mask_fraction: Rate
        context_tokens: Count
        tuned: Literal["conditioning", "all"]
        pretraining_epochs: Count
        pretraining_lr: Positive
        steps: Count
        guidance: NonNegative
        draws: Count

    varying = NetworkMethod.varying | {"pretraining_epochs", "pretraining_lr", "steps", "guidance", "draws"}

    def recipe(self, data: FitData) -> Recipe:
        from cortexclip.methods.mind_vis.network import conditional_diffusion, masked_modelling
        from cortexclip.numerics.diffusion import noise_schedule

        settings, n_voxels, shape = self.settings, data.n_voxels, data.shape
        if shape != (28, 28):
            raise InputError(
                f"prior '{settings.prior}': it draws images of 28 x 28; these have {shape[0]} x {shape[1]}."
            )
        unet, empty = self._prior()
        pretraining = self.training(epochs=settings.pretraining_epochs, lr=settings.pretraining_lr, warm_up=2)
        hiding = masked_modelling(settings.mask_fraction)

        def finish(fitted) -> Decoder:
            arrays = {"sampling_seed": np.array([fitted.seed], np.int64)}
            read = self._reader(fitted.seed, unet, empty)
            return fitted.decoder(read, arrays, pretraining_epoch=fitted.epochs[0])

        return Recipe(
            make=lambda: self.network(n_voxels, unet),
            kind=self.kind(n_voxels),
            phases=[
                Phase(hiding, pretraining, "pretraining", further_brain=data.scored_brain),
                Phase(conditional_diffusion(unet, noise_schedule()), self.training(warm_up=1)),
            ],
            finish=finish,
            standardise=settings.standardise,
            alone=True,
        )

    def restore(self, saved: Saved) -> Decoder:
        unet, empty = self._prior()
        read = self._reader(int(saved["sampling_seed"][0]), unet, empty)
        return self.restored(saved, lambda: self.network(saved.n_voxels, unet), read, ("sampling_seed",))

    def network(self, n_voxels: int, unet):
        """The network for so many voxels, with its copy of what is tuned of the diffusion model."""
        from cortexclip.methods.mind_vis.network import MindVis as Network
        from cortexclip.numerics.diffusion import CONTEXT_WIDTH

        settings = self.settings
        tuned = {
            name: value
            for name, value in unet.named_parameters()
            if settings.tuned == "all" or any(part in name for part in CONDITIONING)
        }
        tokens = (settings.patch, settings.size, settings.depth, settings.heads, settings.decoder_depth)
        return Network(n_voxels, *tokens, settings.context_tokens, CONTEXT_WIDTH, tuned)

    def _prior(self):
        """The prior's diffusion model and its embedding of nothing, on the device."""
        from cortexclip.priors.stored import load_diffusion
        from cortexclip.training.stack import device

        prior = load_diffusion(self.settings.prior)
        return prior.unet.to(device()), prior.condition.empty.to(device())

    def _reader(self, seed: int, unet, empty) -> Callable[..., Prediction]:
        def read(network, brain) -> Prediction:
            draws = drawn(network.context(brain)[0], network.tuned_copy(unet, 0), empty, self.settings, seed)
            return Prediction(draws[0], draws=draws)

        return read


def drawn(context, unet, empty, settings: MindVis.Settings, seed: int) -> np.ndarray:
    """Images (n_draws, n_samples, 28, 28) for contexts (n_samples, tokens, width), all draws in one sampling."""
    import torch

    from cortexclip.numerics.diffusion import draw_noise, generate
    from cortexclip.runtime.seeds import derive_seed

    n = len(context)
    noise = torch.cat([draw_noise(n, derive_seed(seed, "draw", i)) for i in range(settings.draws)]).to(context.device)
    images = generate(
        unet,
        context.repeat(settings.draws, 1, 1),
        empty.mean(0).expand(n * settings.draws, context.shape[1], -1),
        noise,
        steps=settings.steps,
        guidance=settings.guidance,
    )
    return images.view(settings.draws, n, *images.shape[1:]).double().cpu().numpy()
