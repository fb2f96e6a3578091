"""The image view of DGMM: a convolutional variational autoencoder with Bernoulli pixels.

Source: the published code, ChangdeDu/DGMM, DGMM_Keras.py; 3,411,602 parameters at 28x28 pixels. Weights begin as Keras
draws them (Glorot and Bengio 2010, uniform), biases at zero. All modules are stacks (see training/layers.py): every
shape begins with the number of members.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cortexclip.training.layers import Conv2d, Linear
from cortexclip.training.stack import Batch

LATENT_NOISE = 0  # the stream of the latents' noise


class DGMM(nn.Module):
    """Images to latents and back.

    Images have the ``shape`` (height, width), even numbers. The source has 6 ``n_latents``, 64 channels (``filters``)
    in all convolutions but the first and the last, and dense layers of width 128 (``hidden``) next to the latents.
    """

    def __init__(self, shape: tuple[int, int], n_latents: int, filters: int, hidden: int):
        super().__init__()
        self.shape = shape
        half = (filters, shape[0] // 2, shape[1] // 2)
        self.encoder = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)),
            *(Conv2d(1, 1, 2), nn.ReLU()),
            *(Conv2d(1, filters, 2, stride=2), nn.ReLU()),
            *(Conv2d(filters, filters, 3, padding=1), nn.ReLU()),
            *(Conv2d(filters, filters, 3, padding=1), nn.ReLU()),
            *(nn.Flatten(2), Linear(math.prod(half), hidden), nn.ReLU()),
        )
        self.mean, self.log_scale = Linear(hidden, n_latents), Linear(hidden, n_latents)
        self.decoder = nn.Sequential(
            *(Linear(n_latents, hidden), nn.ReLU()),
            *(Linear(hidden, math.prod(half)), nn.ReLU(), nn.Unflatten(2, half)),
            *(Conv2d(filters, filters, 3, padding=1), nn.ReLU()),  # transposed with a step of 1 is a convolution, too
            *(Conv2d(filters, filters, 3, padding=1), nn.ReLU()),
            *(TransposedConv2d(filters, filters, 3, stride=2), nn.ReLU()),
            *(Conv2d(filters, 1, 2), nn.Flatten(2)),
        )
        for layer in self.modules():
            if isinstance(layer, Conv2d | Linear | TransposedConv2d):
                glorot(layer)

    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of scales of latents, (members, batch, n_latents), of pixels (members, batch, n)."""
        hidden = self.encoder(pixels.unflatten(2, (1, *self.shape)))
        return self.mean(hidden), self.log_scale(hidden)

    def decode(self, latents: Tensor) -> Tensor:
        """Logits of the pixels, (members, batch, n_pixels)."""
        return self.decoder(latents)


def widest(networks: Sequence[DGMM], pixels: np.ndarray) -> DGMM:
    """Of several networks the one whose latents of images, pixels (n_samples, n_pixels), differ most.

    All that the encoder sees has passed one filter of 2x2 pixels. Where its weights happen to make nearly all of an
    image negative, all images have the same latents, and training ends at the mean image.
    """
    given = torch.as_tensor(pixels, dtype=torch.float32)[None]
    with torch.no_grad():
        spreads = torch.stack([network.encode(given)[0].std(1).mean() for network in networks])
    return networks[0 if spreads.is_meta else int(spreads.argmax())]  # on "meta", where sizes alone are requested


class TransposedConv2d(nn.Module):
    """Transposed convolution of (n_members, batch, channels, y, x), a group per member as `Conv2d` of the layers."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int):
        super().__init__()
        single = nn.ConvTranspose2d(n_in, n_out, kernel, stride)
        self.stride = stride
        self.weight = nn.Parameter(single.weight.detach()[None].clone())
        self.bias = nn.Parameter(single.bias.detach()[None].clone())

    def forward(self, x: Tensor) -> Tensor:
        members = len(self.weight)
        rows, weight, bias = x.transpose(0, 1).flatten(1, 2), self.weight.flatten(0, 1), self.bias.flatten()
        y = functional.conv_transpose2d(rows, weight, bias, self.stride, groups=members)
        return y.unflatten(1, (members, -1)).transpose(0, 1)


def glorot(layer: nn.Module) -> None:
    """Draw the weights of a layer, a stack of one, uniformly by its numbers of inputs and outputs; no bias."""
    nn.init.xavier_uniform_(layer.weight[0])
    nn.init.zeros_(layer.bias)


def negative_bound(image_weight: float, divergence_weight: float) -> Callable[[nn.Module, Batch], Tensor]:
    """The loss of each member, shape (members,), as the published code weighs it.

    ``divergence_weight`` times the mean over latents of the divergence from the standard normal, plus ``image_weight``
    times the mean cross-entropy over pixels. As there, the encoder's second output is the logarithm of the standard
    deviation where latents are drawn and that of the variance in the divergence. The voxels' likelihood is a constant
    there: no weight of the network changes it.
    """

    def loss(network: nn.Module, batch: Batch) -> Tensor:
        pixels = batch["pixels"]
        mean, log_scale = network.encode(pixels)
        scale = torch.exp(log_scale)
        latents = mean
        if batch.noise is not None:  # a standard normal value for each uniform one, whatever pads the batch
            latents = mean + scale * torch.special.ndtri(batch.noise.uniform(LATENT_NOISE, mean.shape)).to(mean.dtype)
        entropy = functional.binary_cross_entropy_with_logits(network.decode(latents), pixels, reduction="none").mean(2)
        divergence = 0.5 * (scale - 1 - log_scale + mean.square()).mean(2)
        return batch.mean(image_weight * entropy + divergence_weight * divergence)

    return loss
