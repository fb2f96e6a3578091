"""The contrastive brain encoder of the first source document: voxels to the embedding space of CLIP.

All modules are stacks (see training/layers.py): every shape begins with the number of members.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortexclip.training.layers import BatchNorm, Dropout, Linear


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
            layers += [Linear(width, size), BatchNorm(size), nn.ReLU(), Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers, Linear(width, n_features))
        self.log_temperature = nn.Parameter(torch.tensor([math.log(temperature)]), requires_grad=learn_temperature)

    def forward(self, brain: Tensor) -> Tensor:
        """Unit-length embeddings (members, batch, n_features) of brain samples (members, batch, n_voxels)."""
        return functional.normalize(self.layers(brain), dim=-1)

    @property
    def temperature(self) -> Tensor:
        """Temperature of each member, kept at 0.01 or above as CLIP does (Radford et al. 2021); shape (members,)."""
        return self.log_temperature.exp().clamp(min=0.01)


def info_nce(brain: Tensor, image: Tensor, same: Tensor, temperature: Tensor, weight: Tensor | None = None) -> Tensor:
    """Symmetric contrastive loss (InfoNCE; van den Oord et al. 2018, Radford et al. 2021) of each member, (members,).

    Parameters
    ----------
    brain, image : unit-length embeddings, shape (members, batch, n_features).
    same : bool, shape (members, batch, batch): which pairs are positives. The identity matrix gives the plain loss; a
        batch that holds a stimulus twice has more than one positive in a row, which share the target's weight.
    temperature : positive, shape (members,).
    weight : shape (members, batch), 1 for samples and 0 for padding, which is neither positive nor negative.
    """
    logits = brain @ image.mT / temperature[:, None, None]
    positive = same.to(logits.dtype)
    if weight is None:
        return 0.5 * (_toward(logits, positive).mean(1) + _toward(logits.mT, positive.mT).mean(1))
    logits = logits.masked_fill(weight[:, None, :] * weight[:, :, None] == 0, -1e9)
    positive = positive * weight[:, None, :] * weight[:, :, None]
    both = _toward(logits, positive) + _toward(logits.mT, positive.mT)
    return 0.5 * (both * weight).sum(1) / weight.sum(1)


def _toward(logits: Tensor, positive: Tensor) -> Tensor:
    """Cross-entropy of each row with its positives, which share the weight; shape (members, batch)."""
    target = positive / positive.sum(2, keepdim=True).clamp(min=1.0)
    return -(target * functional.log_softmax(logits, dim=2)).sum(2)
