"""The matrix products of one network's training step on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LARGE = 1 << 20  # multiplications; below it the fixed cost of a oneDNN call is more than it saves


def suits(x: Tensor, weight: Tensor) -> bool:
    """Whether :class:`Affine` is meant for these: float32 on a CPU with oneDNN, outside autocast."""
    return (
        x.dtype is torch.float32
        and weight.dtype is torch.float32
        and x.device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
    )


class Affine(torch.autograd.Function):
    """``x @ weight + bias`` for x (1, n, n_in), weight (1, n_in, n_out) and bias (1, n_out) or None.

    The batches of this field are a dozen samples, and PyTorch's own products of so few rows run at a fraction of the
    speed of the memory on processors that MKL does not serve with its widest instructions; oneDNN's do not
    (docs/benchmarks.md). Both sum in single precision.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x[0], weight[0].T, None if bias is None else bias[0])[None]

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient[0]
        to_x, to_weight, to_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight[0])[None] if to_x else None,
            _product(x[0].T, gradient.T)[None] if to_weight else None,
            gradient.sum(0, keepdim=True) if to_bias else None,
        )


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """``a @ b.T + bias`` for a (n, k) and b (m, k)."""
    if a.numel() * len(b) >= LARGE:
        return torch.ops.mkldnn._linear_pointwise.default(a, b, bias, "none", [], "")
    return a @ b.T if bias is None else torch.addmm(bias, a, b.T)
