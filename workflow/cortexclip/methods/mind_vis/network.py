"""The networks of MinD-Vis at 28x28: a masked autoencoder of voxel patches, and a diffusion model of latents.

Source: Chen, Qing, Xiang, Yue and Zhou 2023, Seeing beyond the brain: conditional diffusion model with sparse masked
modeling for vision decoding, CVPR. All modules are stacks (see training/layers.py): every shape begins with the number
of members.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cortexclip.numerics.diffusion import TRAIN_STEPS, noise_schedule, solver
from cortexclip.training.layers import Dropout, LayerNorm, Linear, MultiHeadAttention
from cortexclip.training.noise import Noise, step_keys
from cortexclip.training.stack import Batch

MASK_STREAM, LEVEL_STREAM, NOISE_STREAM = 0, 1, 2
SELECTION_LEVELS = (300, 500, 700, 900)
"""Noise levels, of 1000, at which the selection part is judged."""


class Block(nn.Module):
    """A transformer block: attention and a perceptron of four times the width, each after a LayerNorm and added."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.first, self.attention = LayerNorm(size), MultiHeadAttention(size, heads)
        self.second = LayerNorm(size)
        self.perceptron = nn.Sequential(Linear(size, 4 * size), nn.GELU(), Linear(4 * size, size))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.first(tokens))
        return tokens + self.perceptron(self.second(tokens))


class Denoiser(nn.Module):
    """Noisy latents of images to the velocity of the diffusion; brain tokens enter by cross-attention and as a vector.

    The ``n_latents`` values are mapped to a few ``tokens`` of a ``size``, which attend to each other and to the
    context, of tokens of the same size, in each of ``depth`` blocks. The mean of the context is added to the embedding
    of the noise level, which all tokens get before each block.
    """

    def __init__(self, n_latents: int, tokens: int, size: int, depth: int, heads: int):
        super().__init__()
        self.size, self.tokens = size, tokens
        self.enter, self.leave = Linear(n_latents, tokens * size), Linear(tokens * size, n_latents)
        self.level = nn.Sequential(Linear(size, size), nn.SiLU(), Linear(size, size))
        self.vector = Linear(size, size)
        self.norms = nn.ModuleList(LayerNorm(size) for _ in range(depth))
        self.attentions = nn.ModuleList(MultiHeadAttention(size, heads) for _ in range(depth))
        self.blocks = nn.ModuleList(Block(size, heads) for _ in range(depth))

    def forward(self, noisy: Tensor, level: Tensor, context: Tensor) -> Tensor:
        """Velocity (members, n, n_latents) at noise levels (members, n), given tokens (members, n, k, size)."""
        rates = torch.exp(torch.linspace(0, -9, self.size // 2).to(noisy))
        phases = level[..., None] * rates
        known = self.level(torch.cat([phases.sin(), phases.cos()], -1)) + self.vector(context.mean(2))
        tokens = self.enter(noisy).unflatten(-1, (self.tokens, self.size))
        for norm, attention, block in zip(self.norms, self.attentions, self.blocks, strict=True):
            tokens = tokens + known[:, :, None]
            tokens = block(tokens + attention(norm(tokens), context))
        return self.leave(tokens.flatten(2))


class MindVis(nn.Module):
    """Voxels to tokens, tokens back to masked voxels, and tokens to the context of the diffusion model.

    Voxels are filled up with zeros to whole patches of ``patch``, 16 in the source. ``size``, ``depth`` and ``heads``
    are those of the encoder's tokens and blocks, where a ``size`` above ``patch`` is the sparse code; ``decoder_depth``
    blocks of the decoder serve the pretraining. The ``denoiser`` attends to ``context_tokens``, and ``dropout`` is the
    share of the voxels that are hidden while it is trained.
    """

    def __init__(
        self,
        n_voxels: int,
        patch: int,
        size: int,
        depth: int,
        heads: int,
        decoder_depth: int,
        context_tokens: int,
        dropout: float,
        denoiser: Denoiser,
    ):
        super().__init__()
        self.patch, self.n_tokens, self.context_tokens = patch, -(-n_voxels // patch), context_tokens
        self.filling = self.n_tokens * patch - n_voxels
        self.embed = Linear(patch, size)
        self.position = nn.Parameter(0.02 * torch.randn(1, self.n_tokens, size))
        self.encoder = nn.Sequential(*[Block(size, heads) for _ in range(depth)], LayerNorm(size))
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, size))
        self.decoder_position = nn.Parameter(0.02 * torch.randn(1, self.n_tokens, size))
        self.decoder = nn.Sequential(
            *[Block(size, heads) for _ in range(decoder_depth)], LayerNorm(size), Linear(size, patch)
        )
        self.hide = Dropout(dropout)
        self.to_context = Linear(self.n_tokens * size, context_tokens * denoiser.size)
        self.denoiser = denoiser
        self.register_buffer("latent_mean", torch.zeros(1, denoiser.leave.weight.shape[-1]))
        self.register_buffer("latent_scale", torch.ones(1, 1))

    def patches(self, brain: Tensor) -> Tensor:
        """Patches (members, batch, n_tokens, patch) of voxels (members, batch, n_voxels)."""
        return functional.pad(brain, (0, self.filling)).unflatten(-1, (self.n_tokens, self.patch))

    def encode(self, brain: Tensor, seen: Tensor | None = None) -> Tensor:
        """Tokens (members, batch, n, size) of all patches, or of those at ``seen``, indices (members, batch, n)."""
        tokens = self.embed(self.patches(brain)) + self.position[:, None]
        return self.encoder(tokens if seen is None else gather(tokens, seen))

    def reconstruct(self, brain: Tensor, order: Tensor, n_seen: int) -> Tensor:
        """All patches (members, batch, n_tokens, patch) from the first ``n_seen`` of them in an order of all.

        ``order`` has shape (members, batch, n_tokens).
        """
        tokens = self.encode(brain, order[..., :n_seen])
        masked = self.mask_token[:, None, None].expand(-1, tokens.shape[1], self.n_tokens - n_seen, -1)
        restored = gather(torch.cat([tokens, masked], 2), torch.argsort(order, dim=-1))
        return self.decoder(restored + self.decoder_position[:, None])

    def context(self, brain: Tensor) -> Tensor:
        """What the diffusion model attends to, (members, batch, context_tokens, size)."""
        tokens = self.encode(self.hide(brain)).flatten(2)
        return self.to_context(tokens).unflatten(-1, (self.context_tokens, -1))

    def standardised(self, latents: Tensor) -> Tensor:
        """Latents (members, n, n_latents) around their mean, all in one unit."""
        return (latents - self.latent_mean[:, None]) / self.latent_scale[:, None]

    @torch.inference_mode()
    def draw(self, brain: Tensor, noise: Tensor, steps: int) -> Tensor:
        """Latents (n_draws, n, n_latents) for voxels (1, n, n_voxels) from noise of that shape, by DPM-Solver++(2M).

        Of a stack of one.
        """
        n_draws, n = noise.shape[:2]
        context = self.context(brain).repeat(1, n_draws, 1, 1)
        x, scheduler = noise.flatten(0, 1)[None], solver(steps)
        for level in scheduler.timesteps:
            velocity = self.denoiser(x, level.to(x.device).expand(1, n_draws * n), context)
            x = scheduler.step(velocity, level, x).prev_sample
        return (x * self.latent_scale[:, None] + self.latent_mean[:, None]).view(n_draws, n, -1)


def gather(tokens: Tensor, index: Tensor) -> Tensor:
    """Tokens (members, batch, n, size) at the positions ``index`` (members, batch, k): (members, batch, k, size)."""
    return tokens.gather(2, index[..., None].expand(*index.shape, tokens.shape[-1]))


def masked_modelling(mask_fraction: float):
    """Loss of the pretraining: mean squared error of the masked patches of each member, shape (members,).

    In training the patches that are seen are drawn anew for each sample and step. In evaluation a quarter of them after
    another is seen (or what ``mask_fraction`` leaves), so that every patch is judged and nothing is drawn.
    """

    def loss(network: MindVis, batch: Batch) -> Tensor:
        brain = batch["brain"]
        (members, n), tokens = brain.shape[:2], network.n_tokens
        n_seen = max(1, min(tokens - 1, round(tokens * (1 - mask_fraction))))
        if batch.noise is not None:
            orders = [torch.argsort(batch.noise.uniform(MASK_STREAM, (members, n, tokens)), dim=-1)]
        else:
            every = torch.arange(tokens, device=brain.device)
            shifts = range(max(1, tokens // n_seen))
            orders = [
                torch.argsort(((every - shift) % len(shifts) != 0).long(), stable=True).expand(members, n, -1)
                for shift in shifts
            ]
        target = network.patches(brain)
        errors = []
        for order in orders:
            error = (network.reconstruct(brain, order, n_seen) - target).square().mean(-1)
            errors.append(error.gather(2, order[..., n_seen:]).mean(-1))
        return batch.mean(torch.stack(errors).mean(0))

    return loss


def conditional_diffusion(levels: int):
    """Loss of the second stage: error of the predicted velocity of the latents, at ``levels`` noise levels a sample.

    All noise levels weigh the same: what a context can add is at the high ones, where the velocity is all but the
    latents. In evaluation levels and noise are fixed ones.
    """
    scheduler = noise_schedule()

    def error(network: MindVis, clean: Tensor, context: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        noisy = scheduler.add_noise(clean.flatten(0, 1), noise.flatten(0, 1), level.flatten())
        target = scheduler.get_velocity(clean.flatten(0, 1), noise.flatten(0, 1), level.flatten())
        predicted = network.denoiser(noisy.view_as(clean), level, context)
        return (predicted - target.view_as(clean)).square().mean(-1)

    def loss(network: MindVis, batch: Batch) -> Tensor:
        clean, context = network.standardised(batch["latents"]), network.context(batch["brain"])
        (members, n), of = clean.shape[:2], levels if batch.noise is not None else len(SELECTION_LEVELS)
        clean, context = clean.repeat(1, of, 1), context.repeat(1, of, 1, 1)
        if batch.noise is not None:
            level = (batch.noise.uniform(LEVEL_STREAM, (members, of * n)) * TRAIN_STEPS).long()
            noise = batch.noise.normal(NOISE_STREAM, clean.shape).to(clean)
        else:
            keys = step_keys(np.zeros(members, int), np.zeros(1, int), 1)[0]
            level = torch.tensor(SELECTION_LEVELS, device=clean.device).repeat_interleave(n).expand(members, -1)
            noise = Noise(torch.as_tensor(keys, device=clean.device)).normal(0, clean.shape).to(clean)
        return batch.mean(error(network, clean, context, level, noise).view(members, of, n).mean(1))

    return loss
