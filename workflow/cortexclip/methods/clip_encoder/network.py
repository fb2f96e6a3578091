"""The contrastive brain encoder of the first source document: voxels to the embedding space of CLIP.

All modules are stacks (see training/layers.py): every shape begins with the number of members.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from cortexclip.training.layers import BatchNorm, Dropout, LayerNorm, Linear, MultiHeadAttention


class BrainEncoder(nn.Module):
    """Multilayer perceptron to the unit sphere: (Linear, BatchNorm, ReLU, Dropout) per hidden size, then Linear, L2.

    In the source ``hidden`` is 2048 and 1024, and ``n_features`` 512 for ViT-B/32; its ``dropout`` is not stated. The
    ``temperature`` divides the cosine similarities; it is trained (as its logarithm) if ``learn_temperature``.
    ``residual`` adds a `Residual` block after each hidden layer. ``attention`` has the numbers of tokens and of heads
    of the `TokenAttention` after the first one; no tokens, none. With more than one of ``projections``, `Projections`
    are in place of the last linear map. ``checkpointing`` computes each hidden layer again in the backward pass instead
    of keeping its activations.
    """

    def __init__(
        self,
        n_voxels: int,
        n_features: int,
        hidden: Sequence[int],
        dropout: float,
        temperature: float,
        learn_temperature: bool,
        residual: bool = False,
        attention: tuple[int, int] = (0, 1),
        projections: int = 1,
        checkpointing: bool = False,
    ):
        super().__init__()
        blocks = []
        width = n_voxels
        for number, size in enumerate(hidden):
            layers = hidden_layer(width, size, dropout)
            if residual:
                layers.append(Residual(size, dropout))
            if number == 0 and attention[0]:
                layers.append(TokenAttention(size, *attention))
            blocks.append(nn.Sequential(*layers))
            width = size
        self.hidden = nn.ModuleList(blocks)
        self.projection = Linear(width, n_features) if projections == 1 else Projections(width, n_features, projections)
        self.log_temperature = nn.Parameter(torch.tensor([math.log(temperature)]), requires_grad=learn_temperature)
        self.checkpointing = checkpointing

    def forward(self, brain: Tensor) -> Tensor:
        """Unit-length embeddings (members, batch, n_features) of brain samples (members, batch, n_voxels)."""
        x = brain
        for block in self.hidden:
            x = recomputed(block, x) if self.checkpointing and self.training else block(x)
        return functional.normalize(self.projection(x), dim=-1)

    @property
    def temperature(self) -> Tensor:
        """Temperature of each member, kept at 0.01 or above as CLIP does (Radford et al. 2021); shape (members,)."""
        return self.log_temperature.exp().clamp(min=0.01)


class Residual(nn.Module):
    """A hidden layer of equal width whose input is added to its output (He et al. 2016)."""

    def __init__(self, size: int, dropout: float):
        super().__init__()
        self.layers = nn.Sequential(*hidden_layer(size, size, dropout))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class TokenAttention(nn.Module):
    """Attention between equal parts of a hidden layer, (members, batch, size), taken as tokens; its input is added.

    ``size`` must be a multiple of ``tokens`` times ``heads``.
    """

    def __init__(self, size: int, tokens: int, heads: int):
        super().__init__()
        if size % (tokens * heads):
            raise ValueError(
                f"{size} hidden units cannot be cut into {tokens} tokens of {heads} heads; the first hidden size must "
                "be a multiple of their product"
            )
        self.tokens = tokens
        self.norm = LayerNorm(size // tokens)
        self.attention = MultiHeadAttention(size // tokens, heads)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.unflatten(-1, (self.tokens, -1))
        return x + self.attention(self.norm(tokens)).flatten(-2)


class Projections(nn.Module):
    """Sum of the unit-length outputs of several heads, each Linear, ReLU, Linear as in SimCLR (Chen et al. 2020)."""

    def __init__(self, size: int, n_features: int, heads: int):
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(Linear(size, n_features), nn.ReLU(), Linear(n_features, n_features)) for _ in range(heads)
        )

    def forward(self, x: Tensor) -> Tensor:
        return sum(functional.normalize(head(x), dim=-1) for head in self.heads)


def hidden_layer(n_in: int, n_out: int, dropout: float) -> list[nn.Module]:
    """The modules of one hidden layer of the source."""
    return [Linear(n_in, n_out), BatchNorm(n_out), nn.ReLU(), Dropout(dropout)]


def recomputed(block: nn.Module, x: Tensor) -> Tensor:
    """``block(x)``, of which only ``x`` is kept for the backward pass (Chen et al. 2016)."""
    # the noise of a step is a function of its position, so there is no generator to put back
    return checkpoint(
        block,
        x,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), _running_statistics_kept(block)),
    )


@contextmanager
def _running_statistics_kept(block: nn.Module) -> Iterator[None]:
    """The second forward pass sees the batch again, and must not count it again."""
    norms = [(layer, layer.momentum) for layer in block.modules() if isinstance(layer, BatchNorm)]
    for layer, _ in norms:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in norms:
            layer.momentum = momentum


def same_stimulus(stimulus: Tensor, duplicates: str) -> Tensor:
    """Which pairs of a batch are positives, bool (members, batch, batch), from whole numbers (members, batch).

    ``duplicates`` says whether equal stimuli are "positives" of each other or "negatives".
    """
    if duplicates == "positives":
        return stimulus[:, :, None] == stimulus[:, None, :]
    return torch.eye(stimulus.shape[1], dtype=torch.bool, device=stimulus.device).expand(len(stimulus), -1, -1)


def info_nce(brain: Tensor, image: Tensor, same: Tensor, temperature: Tensor, weight: Tensor | None = None) -> Tensor:
    """Symmetric contrastive loss (InfoNCE; van den Oord et al. 2018, Radford et al. 2021) of each member, (members,).

    ``brain`` and ``image`` are unit-length embeddings (members, batch, n_features), ``temperature`` (members,) is
    positive. ``same``, bool (members, batch, batch), says which pairs are positives: the identity matrix gives the
    plain loss; a batch that holds a stimulus twice has more than one positive in a row, which share the target's
    weight. ``weight`` (members, batch) is 1 for samples and 0 for padding, which is neither positive nor negative.
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
