"""MinD-Vis at 28x28: masked modelling of voxel patches, then diffusion that is conditioned on the tokens twice.

Source: Chen, Qing, Xiang, Yue and Zhou 2023, Seeing beyond the brain, CVPR. As there: patches of 16 voxels, three
quarters of them masked, tokens as the context of cross-attention and added to the embedding of the noise level, the
encoder tuned together with the diffusion model's cross-attention. Smaller: the encoder is pretrained on the training
samples at hand (the original had some 136,000 samples of the Human Connectome Project), and the diffusion model is this
project's prior of 1.6 million parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import FitData, Prediction, Saved

STOCHASTIC = True
CONDITIONING = ("attn2", "class_embedding")
"""What the names of the diffusion model's layers hold that its conditions enter by."""


@dataclass(frozen=True)
class Settings:
    """``prior`` names a folder of resources/priors. The encoder has ``depth`` blocks of ``size`` features; it is
    pretrained for at most ``pretraining_epochs``. ``tuned`` says which layers of the diffusion model are trained along
    with it, those that its conditions enter by or all. ``steps`` of DDIM draw an image; ``guidance`` 1 is plain.
    ``draws`` are drawn for each sample, of which the first is scored and the others are for figures.
    """

    prior: str
    standardise: bool
    patch: int
    size: int
    depth: int
    heads: int
    decoder_depth: int
    mask_fraction: float
    context_tokens: int
    tuned: Literal["conditioning", "all"]
    pretraining_epochs: int
    pretraining_lr: float
    epochs: int
    patience: int
    batch_size: int
    lr: float
    weight_decay: float
    steps: int
    guidance: float
    draws: int


def recipe(data: FitData, settings: Settings):
    """Pretrain on masked voxels, then train encoder and conditioning; the selection part chooses both epochs."""
    return build_recipe(data, settings, None)


def build_recipe(data: FitData, settings: Settings, further_brain: np.ndarray | None):
    """The recipe; ``further_brain`` (n_samples, n_voxels) joins the training samples in the pretraining alone."""
    from cortexclip.methods.network import NetworkDecoder, Phase, Recipe
    from cortexclip.models.diffusion import noise_schedule
    from cortexclip.models.mind_vis import conditional_diffusion, masked_modelling
    from cortexclip.training.stack import TrainingSettings

    n_voxels, shape = data.final.brain.shape[1], data.final.images.shape[1:]
    if shape != (28, 28):
        raise InputError(f"prior '{settings.prior}': it draws images of 28 x 28; these have {shape[0]} x {shape[1]}.")
    unet, empty = _prior(settings)
    architecture = _architecture(settings)
    shared = (settings.patience, settings.batch_size)
    pretraining = TrainingSettings(
        settings.pretraining_epochs, *shared, settings.pretraining_lr, settings.weight_decay, warm_up=2
    )
    training = TrainingSettings(settings.epochs, *shared, settings.lr, settings.weight_decay, warm_up=1)

    def finish(fitted) -> NetworkDecoder:
        chosen = {"pretraining_epoch": fitted.epochs[0], "epoch": fitted.epochs[1]}
        arrays = {"sampling_seed": np.array([fitted.seed], np.int64)}
        read = _reader(settings, fitted.seed, unet, empty)
        return NetworkDecoder(fitted.network, fitted.scaler, read, chosen, fitted.rows, arrays)

    return Recipe(
        make=lambda: _network(n_voxels, settings, unet),
        kind=("mind_vis", n_voxels, settings.prior, settings.mask_fraction, settings.tuned, *architecture),
        phases=[
            Phase(masked_modelling(settings.mask_fraction), pretraining, "pretraining", further_brain=further_brain),
            Phase(conditional_diffusion(unet, noise_schedule()), training),
        ],
        finish=finish,
        standardise=settings.standardise,
        alone=True,
    )


def restore(saved: Saved, settings: Settings):
    """The decoder of a finished run."""
    from cortexclip.methods.network import restore_network

    unet, empty = _prior(settings)
    n_voxels, seed = len(saved["voxel_mean"]), int(saved["sampling_seed"][0])
    read = _reader(settings, seed, unet, empty)
    return restore_network(saved, lambda: _network(n_voxels, settings, unet), read, ("sampling_seed",))


def _prior(settings: Settings):
    """The prior's diffusion model and its embedding of nothing, on the device."""
    from cortexclip.models.priors import load_diffusion
    from cortexclip.training.stack import device

    prior = load_diffusion(settings.prior)
    return prior.unet.to(device()), prior.condition.empty.to(device())


def _architecture(settings: Settings) -> tuple[int, ...]:
    from cortexclip.models.diffusion import CONTEXT_WIDTH

    tokens = (settings.patch, settings.size, settings.depth, settings.heads, settings.decoder_depth)
    return *tokens, settings.context_tokens, CONTEXT_WIDTH


def _network(n_voxels: int, settings: Settings, unet):
    from cortexclip.models.mind_vis import MindVis

    tuned = {
        name: value
        for name, value in unet.named_parameters()
        if settings.tuned == "all" or any(part in name for part in CONDITIONING)
    }
    return MindVis(n_voxels, *_architecture(settings), tuned)


def _reader(settings: Settings, seed: int, unet, empty) -> Callable[..., Prediction]:
    def read(network, brain) -> Prediction:
        draws = drawn(network.context(brain)[0], network.tuned_copy(unet, 0), empty, settings, seed)
        return Prediction(draws[0], draws=draws)

    return read


def drawn(context, unet, empty, settings: Settings, seed: int) -> np.ndarray:
    """Images (n_draws, n_samples, 28, 28) for contexts (n_samples, tokens, width), all draws in one sampling."""
    import torch

    from cortexclip.models.diffusion import draw_noise, generate
    from cortexclip.seeds import derive_seed

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


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]):
    """One training; see :func:`recipe`."""
    from cortexclip.methods.network import fit_one

    return fit_one(recipe, data, settings, seed, progress)
