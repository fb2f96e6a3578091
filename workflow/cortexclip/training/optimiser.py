"""Adam and AdamW for a stack: each weight is updated as soon as its gradient is there, while both are in the cache."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cortexclip.training.products import product

BETAS = (0.9, 0.999)
EPS = 1e-8
LARGE = 1 << 14  # values; below it a call costs more than the memory does
BLOCK = 1 << 19  # values of a gradient that are made at a time, so that they are still in the cache when they are used


class StackedAdam:
    """Adam (Kingma and Ba 2015) with a learning rate and a weight decay per member, sequences of length n_members.

    The decay is ``decoupled`` (AdamW, Loshchilov and Hutter 2019) or an L2 penalty. Registers a hook on every
    large parameter that applies PyTorch's fused kernel during the backward pass and drops the gradient, so gradients of
    the whole network never exist at once; small parameters follow in one call. Members of equal learning rate and decay
    are updated together if they stand next to each other. Large parameters also get an attribute ``direct``, through
    which a layer may update one member at a time (training/products.py).

    Where ``clip_norm`` limits the norm of a member's gradient over all its weights, all of it has to be known first.
    The norm of a weight's gradient follows from the two factors that it is the product of, so the factors are held to
    the end of the backward pass, and the gradient itself is still made just before its update.

    ``step`` and ``moments`` are those of an earlier optimiser of the same members, to continue with. Where a step is
    ``captured`` as a graph, it reads the rates from the device. Where the rates of members may come to differ, each is
    updated by itself (``apart``).
    """

    def __init__(
        self,
        network: nn.Module,
        lr: Sequence[float],
        weight_decay: Sequence[float],
        step: int = 0,
        moments: dict[str, tuple[Tensor, Tensor]] | None = None,
        captured: bool = False,
        decoupled: bool = True,
        clip_norm: float | None = None,
        apart: bool = False,
    ):
        self.kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self.clip_norm = clip_norm
        self.held: list[dict[str, tuple[Tensor, Tensor]]] = [{} for _ in lr]  # factors by member, for limited norms
        self.parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        device = next(iter(self.parameters.values())).device
        self.moments = moments or {
            name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in self.parameters.items()
        }
        self.step = torch.tensor(float(step), device=device)
        each = list(zip(lr, weight_decay, strict=True))
        self.runs = [(i, i + 1) for i in range(len(each))] if apart or clip_norm is not None else _runs(each)
        rates = [lr[start] for start, _ in self.runs]
        self.rates: list[Any] = [torch.tensor(rate, device=device) for rate in rates] if captured else rates
        self.lr, self.weight_decay = list(lr), list(weight_decay)
        large = {name for name, p in self.parameters.items() if p[0].numel() >= LARGE}
        self.handles = [
            self.parameters[name].register_post_accumulate_grad_hook(lambda _, name=name: self._update([name]))
            for name in (large if clip_norm is None else ())
        ]
        self.small = [name for name in self.parameters if name not in large]
        self.run_of = [index for index, (start, stop) in enumerate(self.runs) for _ in range(start, stop)]
        self.directs = [Direct(self, name) for name in large]
        for direct in self.directs:
            self.parameters[direct.name].direct = direct

    def begin(self, factors: Sequence[float] | None = None) -> None:
        """Before the forward pass of a step: the learning rates, times what the schedule says for each member."""
        for direct in self.directs:
            direct.uses = 0
        for index, (start, _) in enumerate(self.runs):
            rate = self.lr[start] * (1.0 if factors is None else factors[start])
            if isinstance(self.rates[index], Tensor):
                self.rates[index].fill_(rate)
            else:
                self.rates[index] = rate

    def backward(self, loss: Tensor) -> None:
        """The backward pass of a step, and the update of every parameter."""
        self.step.add_(1)
        loss.backward()
        if self.clip_norm is None:
            self._update(self.small)
        else:
            self._update_clipped()

    def close(self) -> None:
        """Take the hooks off the parameters."""
        for handle in self.handles:
            handle.remove()
        for direct in self.directs:
            del self.parameters[direct.name].direct
        self.directs = []

    def update_member(self, name: str, member: int, x: Tensor, gradient: Tensor) -> None:
        """Update one member of a weight from the factors of its gradient, or keep them until the norm is known."""
        if self.clip_norm is not None:
            self.held[member][name] = (x, gradient)
            return
        self._update_blocks(self.run_of[member], name, member, x, gradient)

    def _update_blocks(
        self, run: int, name: str, member: int, x: Tensor, gradient: Tensor, divisor: Tensor | None = None
    ) -> None:
        """Update one member of a weight (n_in, n_out) from its gradient ``x.T @ gradient``, some rows at a time."""
        weight = self.parameters[name].detach()[member]
        first, second = (moment[member] for moment in self.moments[name])
        rows = max(1, BLOCK // weight.shape[1])
        for start in range(0, len(weight), rows):
            part = slice(start, start + rows)
            change = product(x[:, part].T, gradient.T)
            self._apply(run, [(weight[part], change, first[part], second[part])], divisor)

    def _update(self, names: Sequence[str]) -> None:
        """Update these parameters from their gradients and drop these; one without a gradient stays as it is."""
        held = [(p, *self.moments[name]) for name in names if (p := self.parameters[name]).grad is not None]
        if not held:
            return
        values = [(p.detach(), p.grad, first, second) for p, first, second in held]
        for run, (start, stop) in enumerate(self.runs):
            self._apply(
                run, values if len(self.runs) == 1 else [tuple(t[start:stop] for t in tensors) for tensors in values]
            )
        for p, _, _ in held:
            p.grad = None

    def _update_clipped(self) -> None:
        """Update each member from its gradient, scaled down to the largest norm as ``clip_grad_norm_`` does."""
        for member, held in enumerate(self.held):
            gradients = {n: p.grad[member] for n, p in self.parameters.items() if p.grad is not None}
            squares = [norm.square() for norm in torch._foreach_norm(list(gradients.values()))] if gradients else []
            # the squared norm of x.T @ g is the sum of the products of (x @ x.T) and (g @ g.T); where these cancel, its
            # rounding may be negative
            squares += [((x @ x.T) * (g @ g.T)).sum().clamp(min=0.0) for x, g in held.values()]
            norm = torch.stack(squares).sum().sqrt()
            divisor = torch.clamp((norm + 1e-6) / self.clip_norm, min=1.0).float()  # the kernel takes no other type
            for name, (x, g) in held.items():
                self._update_blocks(member, name, member, x, g, divisor)
            values = [
                (self.parameters[n].detach()[member], g, *(moment[member] for moment in self.moments[n]))
                for n, g in gradients.items()
            ]
            if values:
                self._apply(member, values, divisor)
            held.clear()
        for p in self.parameters.values():
            p.grad = None

    def _apply(self, run: int, values: Sequence[tuple[Tensor, ...]], divisor: Tensor | None = None) -> None:
        """Adam on (weight, gradient, first and second moment) of members of one learning rate and decay.

        Gradients are divided by ``divisor``.
        """
        weights, gradients, first, second = (list(tensors) for tensors in zip(*values, strict=True))
        with torch.no_grad():
            self.kernel(
                weights,
                gradients,
                first,
                second,
                [],
                [self.step] * len(values),
                lr=self.rates[run],
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=self.weight_decay[self.runs[run][0]],
                eps=EPS,
                amsgrad=False,
                maximize=False,
                grad_scale=divisor,
            )


class Direct:
    """How a layer updates a weight in the middle of the backward pass (training/products.py)."""

    def __init__(self, optimiser: StackedAdam, name: str):
        self.optimiser, self.name = weakref.proxy(optimiser), name
        self.uses = 0  # how often the weight was applied since the step began

    def update(self, member: int, x: Tensor, gradient: Tensor) -> None:
        """From the rows (n, n_in) that it was applied to and the gradient (n, n_out) of what came out of them."""
        self.optimiser.update_member(self.name, member, x, gradient)


def _runs(values: list) -> list[tuple[int, int]]:
    """Start and end of each run of equal values."""
    starts = [i for i, value in enumerate(values) if i == 0 or value != values[i - 1]]
    return list(zip(starts, [*starts[1:], len(values)], strict=True))
