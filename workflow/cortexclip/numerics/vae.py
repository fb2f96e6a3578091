"""A small hierarchical variational autoencoder for images of 28x28: the first stage of Brain-Diffuser.

Top-down as in the ladder VAE (Sønderby et al. 2016) and VDVAE (Child 2021, which Brain-Diffuser uses, with 75 groups of
latents): coarse groups are drawn first, and the prior and the posterior of each finer group depend on them. Three
groups here: 32 numbers for the whole image, 7x7x4 and 14x14x1, 424 in all.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = ((32, 1), (4, 7), (1, 14))
"""Channels and side of each group of latents, coarse to fine."""
SIZES = tuple(channels * side * side for channels, side in GROUPS)


class Residual(nn.Module):
    """Two 3x3 convolutions with GELU and group normalisation, added to the input."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class HierarchicalVAE(nn.Module):
    """Images (n, 28, 28) in 0..1 to latents (n, 424) and back.

    Every group l has a Gaussian posterior q(z_l | z_<l, x) and prior p(z_l | z_<l), the coarsest a standard normal
    prior; pixels are Bernoulli. ``width`` is the number of channels at 14x14, with twice as many at 7x7; 1.16 million
    parameters at the default.
    """

    def __init__(self, width: int = 32):
        super().__init__()
        wide = 2 * width
        self.config = {"width": width}
        self.to_14 = nn.Sequential(nn.Conv2d(1, width, 4, 2, 1), Residual(width))
        self.to_7 = nn.Sequential(nn.Conv2d(width, wide, 4, 2, 1), Residual(wide), Residual(wide))
        self.to_1 = nn.Sequential(nn.GELU(), nn.Conv2d(wide, 4 * width, 7), nn.GELU())
        self.posteriors = nn.ModuleList(
            [
                nn.Conv2d(4 * width, 2 * GROUPS[0][0], 1),
                _head(2 * wide, wide, 2 * GROUPS[1][0]),
                _head(2 * width, width, 2 * GROUPS[2][0]),
            ]
        )
        self.priors = nn.ModuleList([_head(wide, wide, 2 * GROUPS[1][0]), _head(width, width, 2 * GROUPS[2][0])])
        self.from_1 = nn.Sequential(nn.ConvTranspose2d(GROUPS[0][0], wide, 7), Residual(wide))
        self.add_7 = nn.Conv2d(GROUPS[1][0], wide, 1)
        self.from_7 = nn.Sequential(Residual(wide), Residual(wide), nn.ConvTranspose2d(wide, width, 4, 2, 1))
        self.add_14 = nn.Conv2d(GROUPS[2][0], width, 1)
        self.from_14 = nn.Sequential(
            Residual(width), Residual(width), nn.GELU(), nn.ConvTranspose2d(width, 16, 4, 2, 1), nn.GELU()
        )
        self.to_pixels = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        """Logits (n, 28, 28) of a posterior sample, and each group's divergence from its prior, (n,) in nats."""
        logits, divergences, _ = self._top_down(images, generator)
        return logits, divergences

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Tensor:
        """Posterior means (n, 424), each group's given the means of the coarser ones."""
        return torch.cat([z.flatten(1) for z in self._top_down(images, None)[2]], dim=1)

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Expected images (n, 28, 28) in 0..1 of latents (n, 424)."""
        state = None
        for level, z in enumerate(split(latents)):
            state = self._descend(level, state, z)
        return torch.sigmoid(self.to_pixels(state)[:, 0])

    def _top_down(self, images: Tensor, generator: torch.Generator | None):
        """One pass from the coarsest group to the logits; latents are drawn, or posterior means without a generator."""
        latents, divergences, state = [], [], None
        for level, below in enumerate(self._bottom_up(images)):
            prior: Any = self.priors[level - 1](state).chunk(2, dim=1) if level else None
            seen = below if state is None else torch.cat([state, below], dim=1)
            mean, log_scale = self.posteriors[level](seen).chunk(2, dim=1)
            divergences.append(divergence((mean, log_scale), prior))
            z = mean
            if generator is not None:
                noise = torch.randn(mean.shape, generator=generator, device=mean.device)
                z = mean + torch.exp(log_scale) * noise
            latents.append(z)
            state = self._descend(level, state, z)
        return self.to_pixels(state)[:, 0], divergences, latents

    def _bottom_up(self, images: Tensor) -> list[Tensor]:
        at_14 = self.to_14(images[:, None] * 2 - 1)
        at_7 = self.to_7(at_14)
        return [self.to_1(at_7), at_7, at_14]

    def _descend(self, level: int, state: Tensor | None, z: Tensor) -> Tensor:
        if level == 0:
            return self.from_1(z)
        if level == 1:
            return self.from_7(state + self.add_7(z))
        return self.from_14(state + self.add_14(z))


def split(latents: Tensor) -> list[Tensor]:
    """Latents (n, 424) as the groups' maps (n, channels, side, side)."""
    return [part.reshape(len(part), *_shape(level)) for level, part in enumerate(latents.split(SIZES, dim=1))]


def divergence(posterior: tuple[Tensor, Tensor], prior: tuple[Tensor, Tensor] | None) -> Tensor:
    """Kullback-Leibler divergence of Gaussians given as (mean, log deviation) maps, summed to (n,) nats.

    A prior of None is the standard normal.
    """
    mean, log_scale = posterior
    prior_mean, prior_log = (torch.zeros_like(mean), torch.zeros_like(mean)) if prior is None else prior
    ratio = torch.exp(2 * (log_scale - prior_log)) + ((mean - prior_mean) / torch.exp(prior_log)) ** 2
    return (prior_log - log_scale + (ratio - 1) / 2).flatten(1).sum(dim=1)


def negative_elbo(
    logits: Tensor, divergences: list[Tensor], images: Tensor, weight: float = 1.0, free: float = 0.0
) -> Tensor:
    """Mean over images (n, 28, 28) of the negative evidence lower bound in nats; grey values 0..1 are probabilities.

    ``logits`` and ``divergences`` are what `HierarchicalVAE` returns for them. ``weight`` is that of the divergences,
    below 1 while training warms up; ``free`` the nats of each group's mean divergence that cost nothing, so that no
    group dies (Kingma et al. 2016).
    """
    reconstruction = F.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(dim=1).mean()
    return reconstruction + weight * sum(value.mean().clamp(min=free) for value in divergences)


def _shape(level: int) -> tuple[int, int, int]:
    channels, side = GROUPS[level]
    return channels, side, side


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, hidden, 3, padding=1), nn.GELU(), nn.Conv2d(hidden, outputs, 3, padding=1))
