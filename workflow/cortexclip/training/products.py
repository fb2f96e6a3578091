"""The matrix products of a training step on a CPU, and the update of a weight while it is in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from cortexclip.training.optimiser import Direct

LARGE = 1 << 20  # multiplications; below it the fixed cost of a oneDNN call is more than it saves


def suits(x: Tensor, weight: Tensor) -> bool:
    """Whether :class:`Affine` is meant for these: large enough, float32 on a CPU with oneDNN, outside autocast."""
    return (
        x.shape[1] * weight[0].numel() >= LARGE
        and x.dtype is torch.float32
        and weight.dtype is torch.float32
        and x.device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
    )


class Affine(torch.autograd.Function):
    """``x @ weight + bias`` for x (n_members, n, n_in), weight (n_members, n_in, n_out), bias (n_members, n_out) or
    None.

    The batches of this field are a dozen samples, and PyTorch's own products of so few rows run at a fraction of the
    speed of the memory on processors that MKL does not serve with its widest instructions; oneDNN's do not
    (docs/benchmarks.md). Both sum in single precision. Each member's products follow one another. A weight that is
    applied once in a step is updated from its gradient at once (``direct``), while both are still in the cache; no
    gradient of all members ever exists. One that is applied more often, or has no ``direct``, gets its gradient as
    usual.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, direct: Direct | None) -> Tensor:
        x = x.contiguous()  # rows at odd distances would go to oneDNN's reference code
        ctx.save_for_backward(x, weight)
        ctx.direct = direct
        biases = [None] * len(weight) if bias is None else bias
        return _joined([product(rows, w.T, b) for rows, w, b in zip(x, weight, biases, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        to_x, to_weight, to_bias, _ = ctx.needs_input_grad
        at_once = ctx.direct is not None and ctx.direct.uses == 1
        inputs, weights = [], []
        for member in range(len(weight)):
            if to_x:
                inputs.append(product(gradient[member], weight[member]))
            if to_weight:
                if at_once:
                    ctx.direct.update(member, x[member], gradient[member])
                else:
                    weights.append(product(x[member].T, gradient[member].T))
        return (
            _joined(inputs) if to_x else None,
            _joined(weights) if weights else None,
            gradient.sum(1) if to_bias else None,
            None,
        )


def product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """``a @ b.T + bias`` for a (n, k), b (m, k) and bias (m,), float32 on a CPU with oneDNN; shape (n, m)."""
    return torch.ops.mkldnn._linear_pointwise.default(a, b, bias, "none", [], "")


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0][None] if len(parts) == 1 else torch.stack(parts)
