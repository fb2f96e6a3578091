"""CCCV1 on several datasets at once: an input layer for each, and one trunk.

All modules are stacks (see training/layers.py): every shape begins with the number of members.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortexclip.methods.cccv1.network import CCCV1
from cortexclip.training.layers import Linear
from cortexclip.training.stack import Batch


class PooledCCCV1(CCCV1):
    """CCCV1 whose first linear layer belongs to the dataset, and all others to every dataset.

    ``n_voxels`` has the number of voxels of each dataset; the other parameters are those of CCCV1. A sample of a
    dataset with fewer voxels than the widest one is filled up with anything: its input layer does not see it.
    """

    def __init__(self, n_voxels: Sequence[int], n_pixels: int, *dropout_and_residual: float):
        super().__init__(n_voxels[0], n_pixels, *dropout_and_residual)
        own, *trunk = self.encoder
        self.inputs = nn.ModuleList([own, *(Linear(n, own.weight.shape[-1]) for n in n_voxels[1:])])
        self.n_voxels = tuple(n_voxels)
        self.encoder = nn.Sequential(*trunk)

    def embed(self, brain: Tensor, dataset: Tensor | None = None) -> Tensor:
        """Unit-length embedding (members, batch, 512) of brain samples (members, batch, n) of the datasets
        (members, batch), whole numbers; of the first one if left out.
        """
        if dataset is None:
            hidden = self.inputs[0](brain[..., : self.n_voxels[0]])
        else:
            hidden = sum(
                layer(brain[..., :n]) * (dataset == number)[..., None]
                for number, (layer, n) in enumerate(zip(self.inputs, self.n_voxels, strict=True))
            )
        return functional.normalize(self.encoder(hidden), dim=-1)

    def forward(self, brain: Tensor, dataset: Tensor | None = None) -> Tensor:
        """Pixels (members, batch, n_pixels) in 0..1."""
        return self.decoder(self.enhancer(self.embed(brain, dataset)))


def pooled_mse(network: PooledCCCV1, batch: Batch) -> Tensor:
    """Mean squared error over samples, in training those of all datasets, and pixels; shape (members,)."""
    dataset = batch["dataset"] if network.training else None
    return batch.mean(torch.mean((network(batch["brain"], dataset) - batch["pixels"]) ** 2, dim=-1))
