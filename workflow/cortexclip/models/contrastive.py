"""The contrastive brain encoder of the first source document: voxels to the embedding space of CLIP."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class BrainEncoder(nn.Module):
    """Multilayer perceptron to the unit sphere: (Linear, BatchNorm, ReLU, Dropout) per hidden size, then Linear, L2.

    Parameters
    ----------
    n_voxels : number of input voxels.
    n_features : size of the embedding, 512 for ViT-B/32.
    hidden : sizes of the hidden layers, 2048 and 1024 in the source.
    dropout : rate after each hidden layer, 0 to 1 (not stated in the source).
    temperature : divides the cosine similarities; trained (as its logarithm) if ``learn_temperature``.
    """

    def __init__(
        self,
        n_voxels: int,
        n_features: int,
        hidden: Sequence[int],
        dropout: float,
        temperature: float,
        learn_temperature: bool,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        width = n_voxels
        for size in hidden:
            layers += [nn.Linear(width, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, n_features))
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)), requires_grad=learn_temperature)

    def forward(self, brain: Tensor) -> Tensor:
        """Unit-length embeddings (batch, n_features) of brain samples (batch, n_voxels)."""
        return functional.normalize(self.layers(brain), dim=-1)

    @property
    def temperature(self) -> Tensor:
        """Temperature, kept at 0.01 or above as CLIP does (Radford et al. 2021)."""
        return self.log_temperature.exp().clamp(min=0.01)


def info_nce(brain: Tensor, image: Tensor, same: Tensor, temperature: Tensor) -> Tensor:
    """Symmetric contrastive loss (InfoNCE; van den Oord et al. 2018, Radford et al. 2021).

    Parameters
    ----------
    brain, image : unit-length embeddings, shape (batch, n_features).
    same : bool, shape (batch, batch): which pairs are positives. The identity matrix gives the plain loss; a batch that
        holds a stimulus twice has more than one positive in a row, which share the target's weight.
    temperature : positive scalar.
    """
    logits = brain @ image.T / temperature
    weight = same.to(logits.dtype)
    forward = -(weight / weight.sum(1, keepdim=True) * functional.log_softmax(logits, dim=1)).sum(1)
    backward = -(weight / weight.sum(0, keepdim=True) * functional.log_softmax(logits, dim=0)).sum(0)
    return 0.5 * (forward.mean() + backward.mean())
