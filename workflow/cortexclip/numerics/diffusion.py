"""A small diffusion model for images of 28x28 that answers to embeddings: the second stage of Brain-Diffuser.

The network is diffusers' UNet2DConditionModel (Rombach et al. 2022, without the autoencoder: blocks of 2x2 pixels are
channels, so that it works at 14x14 and 7x7). It is conditioned twice, as MinD-Vis asks for (Chen et al. 2023): by
context tokens that every attention layer attends to, and by a vector added to the embedding of the noise level. Noise:
cosine schedule (Nichol and Dhariwal 2021), velocity prediction (Salimans and Ho 2022), classifier-free guidance (Ho and
Salimans 2022), DDIM (Song et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.torchvision import import_torchvision

TRAIN_STEPS = 1000
"""Noise levels of the training."""
CONTEXT_WIDTH = 128
N_TOKENS = 4
MOST_RATIO = 5.0


def _diffusers():
    """The module ``diffusers``, also where torchvision's compiled operators are missing."""
    import_torchvision()
    import diffusers

    return diffusers


def make_unet(channels: Sequence[int] = (40, 80)) -> nn.Module:
    """The network: noisy images (n, 4, 14, 14), levels (n,), context (n, k, 128) and vector (n, 128) to velocity."""
    return _diffusers().UNet2DConditionModel(
        sample_size=14,
        in_channels=4,
        out_channels=4,
        block_out_channels=tuple(channels),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        attention_head_dim=4,  # diffusers' name for the number of heads
        cross_attention_dim=CONTEXT_WIDTH,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=CONTEXT_WIDTH,
    )


def noise_schedule():
    """diffusers' DDIM scheduler with this model's schedule."""
    return _diffusers().DDIMScheduler(
        num_train_timesteps=TRAIN_STEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=True,
        timestep_spacing="leading",
    )


def solver(steps: int):
    """diffusers' DPM-Solver++(2M) (Lu et al. 2022) for the same schedule, of second order, in so many steps."""
    scheduler: Any = _diffusers().DPMSolverMultistepScheduler(
        num_train_timesteps=TRAIN_STEPS, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"
    )
    scheduler.set_timesteps(steps)
    return scheduler


class EmbeddingCondition(nn.Module):
    """An image embedding and a text embedding to context tokens, mixed as Brain-Diffuser mixes them.

    Both have ``n_features`` and are standardised by ``mean`` and ``scale`` (2, n_features; image, text). Each kind has
    its own linear map to tokens; the tokens are averaged with the weight ``mixing`` for the text. Where nothing is
    known the context is empty: one learned set of tokens.
    """

    def __init__(self, n_features: int):
        super().__init__()
        self.config = {"n_features": n_features}
        self.register_buffer("mean", torch.zeros(2, n_features))
        self.register_buffer("scale", torch.ones(2, n_features))
        self.maps = nn.ModuleList(nn.Linear(n_features, N_TOKENS * CONTEXT_WIDTH) for _ in range(2))
        self.empty = nn.Parameter(torch.zeros(N_TOKENS, CONTEXT_WIDTH))

    def standardise(self, embedding: Tensor, kind: int) -> Tensor:
        """An embedding (n, n_features) in units of the corpus; kind 0 is image, 1 text."""
        return (embedding - self.mean[kind]) / self.scale[kind]

    def forward(self, image: Tensor, text: Tensor, mixing: Tensor | float) -> Tensor:
        """Tokens (n, 4, 128) of standardised embeddings (n, n_features); ``mixing`` 0 to 1, a number or (n,)."""
        weight = torch.as_tensor(mixing, dtype=image.dtype).reshape(-1, 1)
        tokens = (1 - weight) * self.maps[0](image) + weight * self.maps[1](text)
        return tokens.reshape(len(image), N_TOKENS, CONTEXT_WIDTH)

    def nothing(self, n: int) -> Tensor:
        """The empty context (n, 4, 128)."""
        return self.empty.expand(n, -1, -1)


def to_network(images: Tensor) -> Tensor:
    """Images (n, 28, 28) in 0..1 as (n, 4, 14, 14) in -1..1, blocks of 2x2 pixels as channels."""
    return F.pixel_unshuffle(images[:, None] * 2 - 1, 2)


def to_images(x: Tensor) -> Tensor:
    """The inverse of `to_network`, cut to 0..1."""
    return ((F.pixel_shuffle(x, 2)[:, 0] + 1) / 2).clamp(0, 1)


def denoise(unet: nn.Module, x: Tensor, level: Tensor, context: Tensor) -> Tensor:
    """Predicted velocity of noisy images (n, 4, 14, 14) at noise levels (n,); the vector is the context's mean."""
    return unet(x, level, context, class_labels=context.mean(dim=1)).sample


def training_loss(unet: nn.Module, scheduler, images: Tensor, context: Tensor, generator: torch.Generator) -> Tensor:
    """Mean squared error of the predicted velocity at random noise levels, weighted by min-SNR (Hang et al. 2023).

    Of images (n, 28, 28) in 0..1 and context (n, tokens, 128); ``generator`` draws levels and noise. Weights grow up to
    a signal-to-noise ratio of ``MOST_RATIO``.
    """
    clean = to_network(images)
    level = torch.randint(TRAIN_STEPS, (len(images),), generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    predicted = denoise(unet, scheduler.add_noise(clean, noise, level), level, context)
    error = (predicted - scheduler.get_velocity(clean, noise, level)).square().flatten(1).mean(dim=1)
    kept = scheduler.alphas_cumprod[level]
    ratio = kept / (1 - kept)
    return (error * ratio.clamp(max=MOST_RATIO) / (ratio + 1)).mean()


def draw_noise(n: int, seed: int) -> Tensor:
    """Standard normal noise (n, 4, 14, 14) for one draw of n images; image i's is a function of the seed and i."""
    generators = (torch.Generator().manual_seed(derive_seed(seed, "noise", i)) for i in range(n))
    return torch.stack([torch.randn(4, 14, 14, generator=generator) for generator in generators])


def first_step(steps: int, strength: float) -> int:
    """Index of the first of ``steps`` DDIM steps when only the fraction ``strength`` of the noise is added."""
    return steps - max(1, min(steps, int(steps * strength)))


@torch.inference_mode()
def generate(
    unet: nn.Module,
    context: Tensor,
    empty: Tensor,
    noise: Tensor,
    *,
    rough: Tensor | None = None,
    steps: int = 50,
    strength: float = 1.0,
    guidance: float = 7.5,
    batch_size: int = 64,
    progress: Callable[[str], None] | None = None,
) -> Tensor:
    """Images (n, 28, 28) in 0..1 by deterministic DDIM from noise, or from rough images to which it is added.

    ``context`` and ``empty`` (n, tokens, 128) are the condition and its absence, ``noise`` (n, 4, 14, 14) is standard
    normal and the only chance there is. Without ``rough`` images (n, 28, 28) in 0..1, sampling starts from noise alone
    and ``strength`` has to be 1; it is the fraction of the ``steps`` that is done. A ``guidance`` of 1 asks for the
    context plainly, more exaggerates it. ``batch_size`` images are drawn at a time; ``progress`` takes a line on which
    ones.
    """
    if rough is None and strength != 1:
        raise ValueError(f"strength is {strength} without rough images, expected 1")
    scheduler = noise_schedule()
    scheduler.set_timesteps(steps)
    levels = scheduler.timesteps[first_step(steps, strength) :]
    drawn = []
    for start in range(0, len(context), batch_size):
        if progress:
            progress(f"image {start + 1} of {len(context)}")
        rows = slice(start, start + batch_size)
        x = noise[rows]
        if rough is not None:
            x = scheduler.add_noise(to_network(rough[rows]), x, levels[:1])
        for level in levels:
            velocity = guided(unet, x, level, context[rows], empty[rows], guidance)
            x = scheduler.step(velocity, level, x, use_clipped_model_output=True).prev_sample
        drawn.append(to_images(x))
    return torch.cat(drawn)


def guided(unet: nn.Module, x: Tensor, level: Tensor, context: Tensor, empty: Tensor, guidance: float) -> Tensor:
    """Velocity without the context plus ``guidance`` times what the context changes (n, 4, 14, 14)."""
    if guidance == 1:
        return denoise(unet, x, level.expand(len(x)), context)
    both = denoise(unet, torch.cat([x, x]), level.expand(2 * len(x)), torch.cat([empty, context]))
    without, with_context = both.chunk(2)
    return without + guidance * (with_context - without)
