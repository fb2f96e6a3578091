"""The two networks of MinD-Vis at 28x28: a masked autoencoder of voxel patches, and its way into a diffusion model.

Source: Chen, Qing, Xiang, Yue and Zhou 2023, Seeing beyond the brain: conditional diffusion model with sparse masked
modeling for vision decoding, CVPR. All modules are stacks (see training/layers.py): every shape begins with the number
of members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from cortexclip.training.layers import LayerNorm, Linear, MultiHeadAttention
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


class MindVis(nn.Module):
    """Voxels to tokens, tokens back to masked voxels, and tokens to the context of the diffusion model.

    Parameters
    ----------
    n_voxels : number of input voxels, filled up with zeros to whole patches.
    patch : voxels in a patch, 16 in the source.
    size, depth, heads : of the encoder's tokens and blocks; ``size`` well above ``patch`` is the sparse code.
    decoder_depth : blocks of the decoder that the pretraining needs.
    context_tokens, context_size : of what the diffusion model attends to.
    tuned : weights of the diffusion model, by name, of which each member tunes a copy of its own.
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
        context_size: int,
        tuned: Mapping[str, Tensor],
    ):
        super().__init__()
        self.patch, self.n_tokens = patch, -(-n_voxels // patch)
        self.filling = self.n_tokens * patch - n_voxels
        self.embed = Linear(patch, size)
        self.position = nn.Parameter(0.02 * torch.randn(1, self.n_tokens, size))
        self.encoder = nn.Sequential(*[Block(size, heads) for _ in range(depth)], LayerNorm(size))
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, size))
        self.decoder_position = nn.Parameter(0.02 * torch.randn(1, self.n_tokens, size))
        self.decoder = nn.Sequential(
            *[Block(size, heads) for _ in range(decoder_depth)], LayerNorm(size), Linear(size, patch)
        )
        self.to_context_size = Linear(size, context_size)
        self.to_context_tokens = Linear(self.n_tokens, context_tokens)
        self.tuned = nn.ParameterDict(
            {name.replace(".", "/"): nn.Parameter(value.detach()[None].clone()) for name, value in tuned.items()}
        )

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

    def tuned_copy(self, unet: nn.Module, member: int) -> Callable[..., Any]:
        """The diffusion model with a member's own weights; called as the model itself."""
        own = {name.replace("/", "."): value[member] for name, value in self.tuned.items()}
        return lambda *args, **options: functional_call(unet, own, args, options)

    def context(self, brain: Tensor) -> Tensor:
        """What the diffusion model attends to, (members, batch, context_tokens, context_size)."""
        tokens = self.to_context_size(self.encode(brain))
        return self.to_context_tokens(tokens.mT).mT


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


def conditional_diffusion(unet: nn.Module, scheduler):
    """Loss of the second stage: error of the velocity that a member's diffusion model predicts with its context.

    All noise levels weigh the same, unlike in the training of the prior: what a context can add is at the high ones,
    where the velocity is all but the image. In evaluation levels and noise are fixed ones.
    """
    from cortexclip.numerics.diffusion import TRAIN_STEPS, denoise, to_network

    def error(network: MindVis, batch: Batch, level: Tensor, noise: Tensor, context: Tensor) -> Tensor:
        members, n = batch["pixels"].shape[:2]
        side = round(batch["pixels"].shape[-1] ** 0.5)
        clean = to_network(batch["pixels"].reshape(members * n, side, side))
        level, noise = level.flatten(), noise.flatten(0, 1)
        noisy = scheduler.add_noise(clean, noise, level)
        predicted = torch.cat(
            [
                denoise(network.tuned_copy(unet, member), own_noisy, own_level, context[member])
                for member, (own_noisy, own_level) in enumerate(zip(noisy.split(n), level.split(n), strict=True))
            ]
        )
        squared = (predicted - scheduler.get_velocity(clean, noise, level)).square().flatten(1).mean(1)
        return squared.view(members, n)

    def loss(network: MindVis, batch: Batch) -> Tensor:
        members, n = batch["pixels"].shape[:2]
        shape = (members, n, 4, 14, 14)
        context = network.context(batch["brain"])
        if batch.noise is not None:
            level = (batch.noise.uniform(LEVEL_STREAM, (members, n)) * TRAIN_STEPS).long()
            return batch.mean(error(network, batch, level, batch.noise.normal(NOISE_STREAM, shape), context))
        keys = step_keys(np.zeros(members, int), np.zeros(1, int), len(SELECTION_LEVELS))[0]
        fixed = Noise(torch.as_tensor(keys, device=context.device))
        levels = (torch.full((members, n), level, device=context.device) for level in SELECTION_LEVELS)
        errors = [error(network, batch, level, fixed.normal(i, shape), context) for i, level in enumerate(levels)]
        return batch.mean(torch.stack(errors).mean(0))

    return loss
