"""The network CortexFlow-CLIP-CNN V1 (CCCV1): encoder to the unit sphere, residual enhancer, decoder to pixels.

Source: the authors' architecture document ("CortexFlow-CLIP-CNN V1 Architecture Documentation"); 3,763,216 parameters
at 967 voxels. Despite its name nothing in it is convolutional or uses CLIP weights. All modules are stacks (see
training/layers.py): every shape begins with the number of members.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortexclip.training.layers import Dropout, LayerNorm, Linear
from cortexclip.training.stack import Batch


class Encoder(nn.Sequential):
    """Voxels (members, batch, n_voxels) to embeddings (members, batch, 512) before normalisation; dropout p, 0.7 p and
    0.5 p.
    """

    def __init__(self, n_voxels: int, dropout: float):
        super().__init__(
            *block(n_voxels, 1024, dropout),
            *block(1024, 1024, 0.7 * dropout),
            *block(1024, 512, 0.5 * dropout),
            Linear(512, 512),
            LayerNorm(512),
            nn.Tanh(),
        )


class Enhancer(nn.Module):
    """``normalise(e + residual_weight * f(e))`` with f: 512 -> 256 (SiLU) -> 512 (tanh)."""

    def __init__(self, residual_weight: float):
        super().__init__()
        self.residual_weight = residual_weight
        self.layers = nn.Sequential(Linear(512, 256), nn.SiLU(), Linear(256, 512), nn.Tanh())

    def forward(self, embedding: Tensor) -> Tensor:
        return functional.normalize(embedding + self.residual_weight * self.layers(embedding), dim=-1)


class ImageDecoder(nn.Sequential):
    """Embeddings (members, batch, 512) to pixels (members, batch, n_pixels), 0 to 1."""

    def __init__(self, n_pixels: int, dropout: float):
        super().__init__(*block(512, 512, dropout), Linear(512, n_pixels), nn.Sigmoid())


class CCCV1(nn.Module):
    """Encoder, L2 normalisation, enhancer and decoder.

    Images of 28 x 28 have 784 ``n_pixels``. Dropout rates, 0 to 1, are those of the first encoder block and of the
    decoder; ``residual_weight`` is that of the enhancer's residual ("alpha", "clip_residual_weight" in the source).
    """

    def __init__(
        self, n_voxels: int, n_pixels: int, dropout_encoder: float, dropout_decoder: float, residual_weight: float
    ):
        super().__init__()
        self.encoder = Encoder(n_voxels, dropout_encoder)
        self.enhancer = Enhancer(residual_weight)
        self.decoder = ImageDecoder(n_pixels, dropout_decoder)

    def embed(self, brain: Tensor) -> Tensor:
        """Unit-length embedding (members, batch, 512) of brain samples (members, batch, n_voxels)."""
        return functional.normalize(self.encoder(brain), dim=-1)

    def forward(self, brain: Tensor) -> Tensor:
        """Pixels (members, batch, n_pixels) in 0..1."""
        return self.decoder(self.enhancer(self.embed(brain)))


def pixel_mse(network: nn.Module, batch: Batch) -> Tensor:
    """Mean squared error over samples and pixels of each member, shape (members,)."""
    return batch.mean(torch.mean((network(batch["brain"]) - batch["pixels"]) ** 2, dim=-1))


def block(n_in: int, n_out: int, dropout: float) -> list[nn.Module]:
    """The layers of one block: linear, LayerNorm, SiLU, dropout."""
    return [Linear(n_in, n_out), LayerNorm(n_out), nn.SiLU(), Dropout(dropout)]
