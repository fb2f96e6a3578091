"""Layers of many small networks of one architecture, trained side by side as one stack.

Every parameter, buffer and activation has the member of the stack as its first axis, so that a product over all
members is one batched matrix product. A network is written once on these layers; alone it is a stack of one. Initial
values are PyTorch's own, drawn from its global seed.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortexclip.training.noise import LOSS_STREAMS, Noise
from cortexclip.training.products import Affine, suits

EPS = 1e-5  # added to variances


class Context:
    """What the layers of a stack know of the current training step: the noise, and which rows are padding.

    ``weight`` has shape (n_members, batch), 1 for a sample and 0 for padding, or is None where nothing is padded.
    """

    noise: Noise
    weight: Tensor | None = None


class Contextual(nn.Module):
    """A layer that needs the context: :func:`attach` gives it one and ``n_streams`` noise streams from ``stream``."""

    context: Context
    stream: int
    n_streams = 1


class Linear(nn.Module):
    """Affine map of the last axis: (n_members, ..., n_in) to (n_members, ..., n_out).

    ``weight`` is stored as (n_members, n_in, n_out), the layout in which all three products of a training step write
    and read whole rows.
    """

    def __init__(self, n_in: int, n_out: int, bias: bool = True):
        super().__init__()
        single = nn.Linear(n_in, n_out, bias)
        self.weight = nn.Parameter(single.weight.detach().T[None].contiguous())
        self.bias = nn.Parameter(single.bias.detach()[None].clone()) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        rows = x if x.dim() == 3 else x.flatten(1, -2)
        if suits(rows, self.weight):
            direct = getattr(self.weight, "direct", None)
            if direct is not None and torch.is_grad_enabled():
                direct.uses += 1
            y = Affine.apply(rows, self.weight, self.bias, direct)
        elif self.bias is None:
            y = torch.bmm(rows, self.weight)
        else:
            y = torch.baddbmm(self.bias[:, None], rows, self.weight)
        return y if x.dim() == 3 else y.unflatten(1, x.shape[1:-1])


class LayerNorm(nn.Module):
    """Layer normalisation of the last axis (Ba, Kiros and Hinton 2016)."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.ones(1, size))
        self.bias = nn.Parameter(torch.zeros(1, size))

    def forward(self, x: Tensor) -> Tensor:
        if len(self.weight) == 1:
            return functional.layer_norm(x, (self.size,), self.weight.squeeze(0), self.bias.squeeze(0), EPS)
        shape = (len(self.weight), *[1] * (x.dim() - 2), self.size)
        normal = functional.layer_norm(x, (self.size,), eps=EPS)
        return torch.addcmul(self.bias.view(shape), normal, self.weight.view(shape))


class BatchNorm(Contextual):
    """Batch normalisation of (n_members, batch, size), with the statistics of each member's own samples.

    Ioffe and Szegedy 2015; running statistics as in PyTorch (unbiased variance). Padding counts for nothing.
    """

    def __init__(self, size: int):
        super().__init__()
        self.momentum = 0.1
        self.weight = nn.Parameter(torch.ones(1, size))
        self.bias = nn.Parameter(torch.zeros(1, size))
        self.register_buffer("running_mean", torch.zeros(1, size))
        self.register_buffer("running_var", torch.ones(1, size))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.context.weight is not None:
            return self._padded(x, self.context.weight[:, :, None])
        members, batch, size = x.shape
        y = functional.batch_norm(
            x.transpose(0, 1).reshape(batch, members * size),
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.view(-1),
            self.bias.view(-1),
            self.training,
            self.momentum,
            EPS,
        )
        return y.view(batch, members, size).transpose(0, 1)

    def _padded(self, x: Tensor, weight: Tensor) -> Tensor:
        count = weight.sum(1)
        mean = (x * weight).sum(1) / count
        centred = x - mean[:, None]
        variance = (centred.square() * weight).sum(1) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + EPS)
        return centred * scale[:, None] + self.bias[:, None]


class Dropout(Contextual):
    """Dropout (Srivastava et al. 2014) whose noise is each member's own."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        return x * self.context.noise.dropout(self.stream, x.shape, self.rate)


class Conv2d(nn.Module):
    """Convolution of (n_members, batch, channels, y, x), one group of a grouped convolution per member."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1, padding: int = 0):
        super().__init__()
        single = nn.Conv2d(n_in, n_out, kernel, stride, padding)
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(single.weight.detach()[None].clone())
        self.bias = nn.Parameter(single.bias.detach()[None].clone())

    def forward(self, x: Tensor) -> Tensor:
        members = len(self.weight)
        y = functional.conv2d(
            x.transpose(0, 1).flatten(1, 2),
            self.weight.flatten(0, 1),
            self.bias.flatten(),
            self.stride,
            self.padding,
            groups=members,
        )
        return y.unflatten(1, (members, -1)).transpose(0, 1)


class MultiHeadAttention(nn.Module):
    """Attention of tokens (n_members, batch, n_queries, size) to tokens of ``context`` (themselves if left out).

    Vaswani et al. 2017, without dropout of attention weights.
    """

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = Linear(size, size)
        self.key = Linear(size, size)
        self.value = Linear(size, size)
        self.out = Linear(size, size)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        split = [
            part.unflatten(-1, (self.heads, -1)).transpose(-2, -3).flatten(0, 1)
            for part in (self.query(x), self.key(context), self.value(context))
        ]
        y = functional.scaled_dot_product_attention(*split)
        return self.out(y.transpose(-2, -3).flatten(-2).unflatten(0, x.shape[:2]))


def attach(network: nn.Module, context: Context) -> int:
    """Give all layers of a network its context and a noise stream each; returns how many streams there are."""
    stream = LOSS_STREAMS
    for layer in network.modules():
        if isinstance(layer, Contextual):
            layer.context, layer.stream = context, stream
            stream += layer.n_streams
    return stream


def stack(networks: Sequence[nn.Module]) -> nn.Module:
    """One network whose members are those of ``networks``, which have the same architecture."""
    return _with_state([dict(network.state_dict(keep_vars=True)) for network in networks], networks[0])


def members(network: nn.Module, which: Sequence[int]) -> nn.Module:
    """A copy of a stack with some of its members only."""
    index = torch.as_tensor(which)
    state = {
        name: nn.Parameter(value.detach().index_select(0, index.to(value.device)), value.requires_grad)
        if isinstance(value, nn.Parameter)
        else value.index_select(0, index.to(value.device))
        for name, value in network.state_dict(keep_vars=True).items()
    }
    return _with_state([state], network)


def _with_state(states: Sequence[dict[str, Tensor]], like: nn.Module) -> nn.Module:
    held = [*like.parameters(), *like.buffers()]
    new = copy.deepcopy(like, {id(tensor): tensor for tensor in held})  # the modules alone; the tensors are replaced
    for name, value in states[0].items():
        joined = torch.cat([state[name].detach() for state in states])
        owner, _, leaf = name.rpartition(".")
        module = new.get_submodule(owner)
        if isinstance(value, nn.Parameter):
            setattr(module, leaf, nn.Parameter(joined, value.requires_grad))
        else:
            setattr(module, leaf, joined)
    return new
