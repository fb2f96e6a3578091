"""AdamW for a stack: each weight is updated as soon as its gradient is there, while both are still in the cache."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPS = 1e-8


class StackedAdamW:
    """Decoupled weight decay (Loshchilov and Hutter 2019) with a learning rate and a decay per member.

    Registers a hook on every trained parameter that applies PyTorch's fused AdamW kernel during the backward pass and
    drops the gradient, so gradients of the whole network never exist at once. Members of equal learning rate and decay
    are updated in one call if they stand next to each other.

    Parameters
    ----------
    network : a stack on its device.
    lr, weight_decay : per member, shape (n_members,).
    step, moments : state of an earlier optimiser of the same members, to continue with.
    """

    def __init__(
        self,
        network: nn.Module,
        lr: Sequence[float],
        weight_decay: Sequence[float],
        step: int = 0,
        moments: dict[str, tuple[Tensor, Tensor]] | None = None,
    ):
        self.parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        place = next(iter(self.parameters.values())).device
        self.moments = moments or {
            name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in self.parameters.items()
        }
        self.step = torch.tensor(float(step), device=place)
        self.runs = _runs(list(zip(lr, weight_decay, strict=True)))
        # a captured CUDA graph reads the rate from the device, so that it can change between replays
        self.rates = [
            torch.tensor(lr[start], device=place) if place.type == "cuda" else lr[start] for start, _ in self.runs
        ]
        self.lr, self.weight_decay = list(lr), list(weight_decay)
        self.handles = [
            p.register_post_accumulate_grad_hook(self._updater(p, *self.moments[name]))
            for name, p in self.parameters.items()
        ]

    def begin(self, factor: float = 1.0) -> None:
        """Before the backward pass of a step: the learning rates, times what the schedule says."""
        for index, (start, _) in enumerate(self.runs):
            if isinstance(self.rates[index], Tensor):
                self.rates[index].fill_(self.lr[start] * factor)
            else:
                self.rates[index] = self.lr[start] * factor

    def count(self) -> None:
        """Count the step; part of it, also where it is captured."""
        self.step.add_(1)

    def close(self) -> None:
        """Take the hooks off the parameters."""
        for handle in self.handles:
            handle.remove()

    def _updater(self, parameter: nn.Parameter, first: Tensor, second: Tensor):
        slices = [slice(start, stop) for start, stop in self.runs]
        whole = len(slices) == 1
        views = [
            (parameter.detach(), first, second) if whole else (parameter.detach()[s], first[s], second[s])
            for s in slices
        ]

        def update(p: nn.Parameter) -> None:
            gradient = p.grad
            with torch.no_grad():
                for index, (s, (value, m, v)) in enumerate(zip(slices, views, strict=True)):
                    torch._fused_adamw_(
                        [value],
                        [gradient if whole else gradient[s]],
                        [m],
                        [v],
                        [],
                        [self.step],
                        lr=self.rates[index],
                        beta1=BETAS[0],
                        beta2=BETAS[1],
                        weight_decay=self.weight_decay[s.start],
                        eps=EPS,
                        amsgrad=False,
                        maximize=False,
                    )
            p.grad = None

        return update


def _runs(values: list) -> list[tuple[int, int]]:
    """Start and end of each run of equal values."""
    starts = [i for i, value in enumerate(values) if i == 0 or value != values[i - 1]]
    return list(zip(starts, [*starts[1:], len(values)], strict=True))
