"""Extensions of CCCV1 that its document names as future work, each a module of its own that plain CCCV1 lacks.

All modules are stacks (see training/layers.py): every shape begins with the number of members.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cortexclip.methods.cccv1.network import Encoder, Enhancer, ImageDecoder, block
from cortexclip.training.layers import Conv2d, LayerNorm, Linear, MultiHeadAttention
from cortexclip.training.noise import Noise, step_keys
from cortexclip.training.stack import Batch

if TYPE_CHECKING:
    from cortexclip.methods.cccv1_extended import ExtendedCCCV1 as Method

    Settings = Method.Settings

SIZE = 512  # of CCCV1's embedding


class ExtendedCCCV1(nn.Module):
    """CCCV1 with what ``options`` switch on; with nothing on it is CCCV1, initial values included.

    Images have the ``shape`` (height, width); ``n_features`` is the size of the image embedding that it is aligned
    with, 0 for none, and ``n_domains`` the number of domains that its embedding should not tell apart, 0 for none.
    """

    def __init__(self, n_voxels: int, shape: tuple[int, int], n_features: int, n_domains: int, options: Settings):
        super().__init__()
        self.encoder = Encoder(n_voxels, options.dropout_encoder)
        if options.enhancer_blocks:
            self.enhancer = GatedEnhancer(options.clip_residual_weight, options.enhancer_blocks)
        else:
            self.enhancer = Enhancer(options.clip_residual_weight)
        if options.resolution_weight:
            self.decoder = PyramidDecoder(shape, options.dropout_decoder)
        else:
            self.decoder = ImageDecoder(math.prod(shape), options.dropout_decoder)
        self.alignment = Alignment(n_features, options.views) if n_features else None
        self.voxels: Any = Linear(SIZE, n_voxels) if options.mask_fraction else None
        self.domain = nn.Sequential(Linear(SIZE, 64), nn.SiLU(), Linear(64, n_domains)) if n_domains else None
        self.attention = None
        if options.attention_group:
            self.attention = VoxelAttention(
                n_voxels, options.attention_group, options.attention_size, options.attention_heads
            )

    def encode(self, brain: Tensor) -> Tensor:
        """The encoder's output (members, batch, 512), before normalisation."""
        return self.encoder(brain if self.attention is None else self.attention(brain))

    def embed(self, brain: Tensor) -> Tensor:
        """Unit-length embedding (members, batch, 512) of brain samples (members, batch, n_voxels)."""
        return functional.normalize(self.encode(brain), dim=-1)

    def forward(self, brain: Tensor) -> Tensor:
        """Pixels (members, batch, n_pixels) in 0..1."""
        return self.decoder(self.enhancer(self.embed(brain)))


class VoxelAttention(nn.Module):
    """Adds to each group of voxels what attention over all groups says: ``x + write(attention(norm(read(x))))``.

    ``read`` and ``write`` are linear maps of each group of its own, between its ``group`` voxels, in the order of the
    data, and a token of ``size``; the last group is filled up with zeros.
    """

    def __init__(self, n_voxels: int, group: int, size: int, heads: int):
        super().__init__()
        if size % heads:
            raise ValueError(f"a token of size {size} cannot be shared by {heads} heads; make it a multiple of them")
        n_groups = math.ceil(n_voxels / group)
        self.group, self.missing = group, n_groups * group - n_voxels
        self.read = GroupLinear(n_groups, group, size)
        self.norm = LayerNorm(size)
        self.attention = MultiHeadAttention(size, heads)
        self.write = GroupLinear(n_groups, size, group)

    def forward(self, brain: Tensor) -> Tensor:
        groups = functional.pad(brain, (0, self.missing)).unflatten(-1, (-1, self.group))
        added = self.write(self.attention(self.norm(self.read(groups)))).flatten(-2)
        return brain + added[..., : brain.shape[-1]]


class GroupLinear(nn.Module):
    """An affine map for each group: (members, batch, n_groups, n_in) to (members, batch, n_groups, n_out)."""

    def __init__(self, n_groups: int, n_in: int, n_out: int):
        super().__init__()
        single = [nn.Linear(n_in, n_out) for _ in range(n_groups)]
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in single])[None].contiguous())
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in single])[None])

    def forward(self, x: Tensor) -> Tensor:
        return (x.transpose(1, 2) @ self.weight).transpose(1, 2) + self.bias[:, None]


class GatedEnhancer(nn.Module):
    """A deeper enhancer: ``e + residual_weight * gate(e) * f(e)`` several times, then L2 normalisation.

    f is the enhancer's 512 -> 256 (SiLU) -> 512 (tanh), gate a linear map to 512 with a sigmoid (as in Srivastava,
    Greff and Schmidhuber 2015).
    """

    def __init__(self, residual_weight: float, blocks: int):
        super().__init__()
        self.residual_weight = residual_weight
        self.layers = nn.ModuleList(
            nn.Sequential(Linear(SIZE, 256), nn.SiLU(), Linear(256, SIZE), nn.Tanh()) for _ in range(blocks)
        )
        self.gates = nn.ModuleList(nn.Sequential(Linear(SIZE, SIZE), nn.Sigmoid()) for _ in range(blocks))

    def forward(self, embedding: Tensor) -> Tensor:
        for layer, gate in zip(self.layers, self.gates, strict=True):
            embedding = embedding + self.residual_weight * gate(embedding) * layer(embedding)
        return functional.normalize(embedding, dim=-1)


class PyramidDecoder(nn.Module):
    """Embeddings (members, batch, 512) to images of a quarter, half and all of the size, 7, 14 and 28 pixels a side.

    CCCV1's decoder block and a linear map to 32 channels at the lowest size with SiLU; then twice a 3 x 3 convolution
    with SiLU that doubles the size by spreading four channels over four pixels (Shi et al. 2016), to 32 and 16
    channels. At each size a 3 x 3 convolution with a sigmoid makes the image.
    """

    CHANNELS = (32, 32, 16)

    def __init__(self, shape: tuple[int, int], dropout: float):
        super().__init__()
        if any(side % 4 for side in shape):
            raise ValueError(f"images of {shape[0]} x {shape[1]} cannot be halved twice; sides must be multiples of 4")
        first, second, third = self.CHANNELS
        self.lowest = (shape[0] // 4, shape[1] // 4)
        self.block = nn.Sequential(*block(SIZE, SIZE, dropout), Linear(SIZE, first * math.prod(self.lowest)), nn.SiLU())
        self.finer = nn.ModuleList([Conv2d(first, 4 * second, 3, padding=1), Conv2d(second, 4 * third, 3, padding=1)])
        self.images = nn.ModuleList(Conv2d(channels, 1, 3, padding=1) for channels in self.CHANNELS)

    def pyramid(self, embedding: Tensor) -> list[Tensor]:
        """Images (members, batch, y, x) in 0..1, the smallest first."""
        x = self.block(embedding).unflatten(-1, (self.CHANNELS[0], *self.lowest))
        images = [self.images[0](x)]
        for finer, image in zip(self.finer, self.images[1:], strict=True):
            x = functional.pixel_shuffle(functional.silu(finer(x)), 2)
            images.append(image(x))
        return [torch.sigmoid(image.squeeze(2)) for image in images]

    def forward(self, embedding: Tensor) -> Tensor:
        """Pixels (members, batch, n_pixels) of the largest image."""
        return self.pyramid(embedding)[-1].flatten(-2)


class Alignment(nn.Module):
    """From an embedding of 512 to the space of image embeddings: unit length, made of ``views`` parts of equal length.

    The embedding itself where the space has 512 dimensions, as CLIP ViT-B/32 has, otherwise a linear map of it.
    """

    def __init__(self, n_features: int, views: int):
        super().__init__()
        if n_features % views:
            raise ValueError(f"an embedding of {n_features} features cannot be made of {views} views of equal size")
        self.views = views
        self.map = nn.Identity() if n_features == SIZE else Linear(SIZE, n_features)

    def forward(self, embedding: Tensor) -> Tensor:
        return self.unit(self.map(embedding))

    def unit(self, embedding: Tensor) -> Tensor:
        """An embedding (..., n_features) with all views at equal length and unit length in all."""
        parts = functional.normalize(embedding.unflatten(-1, (self.views, -1)), dim=-1)
        return parts.flatten(-2) / math.sqrt(self.views)


def cosine_loss(first: Tensor, second: Tensor) -> Tensor:
    """One minus the cosine of unit-length embeddings (members, batch, n_features), shape (members, batch)."""
    return 1.0 - (first * second).sum(-1)


def pyramid_error(pyramid: list[Tensor], pixels: Tensor) -> Tensor:
    """Mean squared errors of all images but the largest, each with the stimuli averaged to its size, summed.

    ``pixels`` has shape (members, batch, n_pixels); the result (members, batch).
    """
    target = pixels.unflatten(-1, pyramid[-1].shape[-2:])
    errors = []
    for image in pyramid[:-1]:
        small = functional.adaptive_avg_pool2d(target, image.shape[-2:])
        errors.append(torch.mean((image - small) ** 2, dim=(-1, -2)))
    return sum(errors)


def reversed_gradient(x: Tensor, weight: float) -> Tensor:
    """``x``, whose gradient is multiplied by ``-weight`` (Ganin et al. 2016)."""
    return (1.0 + weight) * x.detach() - weight * x


def masked_voxel_loss(network: ExtendedCCCV1, batch: Batch, fraction: float) -> Tensor:
    """Mean squared error of the voxels that were hidden (set to zero, their mean), shape (members,).

    In training each sample hides other voxels at each step; outside training the hidden voxels are always the same.
    """
    brain = batch["brain"]
    noise = batch.noise
    if noise is None:
        keys = step_keys(np.zeros(len(brain), np.int64), np.zeros(1, np.int64), 1)[0]
        noise = Noise(torch.as_tensor(keys, device=brain.device))
    seen = noise.keep(0, brain.shape, fraction)
    hidden = (~seen).to(brain.dtype)
    answer = network.voxels(network.encode(brain * seen))
    errors = ((answer - brain) ** 2 * hidden).sum(-1) / hidden.sum(-1).clamp(min=1.0)
    return batch.mean(errors)
