"""How a network is trained, and where and how a stack of them runs; loads without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

PLATEAU_THRESHOLD, PLATEAU_LOWEST = 1e-4, 1e-8  # PyTorch's threshold; the lowest rate, and the least change of one


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    ``epochs`` is the most (or, without a selection part, the exact) number of passes over the samples; training stops
    after ``patience`` epochs without a lower selection loss. ``batch_size`` is in samples; ``lr`` and ``weight_decay``
    are those of AdamW, or of Adam with the decay as an L2 penalty (``optimiser``). The learning rate rises linearly
    over ``warm_up`` epochs and then stays, or falls to zero at ``horizon`` epochs along a half cosine (Loshchilov and
    Hutter 2017), or is multiplied by ``plateau_factor`` whenever the selection loss has not fallen for more than
    ``plateau_patience`` epochs (PyTorch's ReduceLROnPlateau). ``clip_norm`` limits the norm of the gradient of all
    weights, None does not. ``selection_loss`` is the mean over the samples of the selection part, or over its batches.
    ``weights`` says whether the network is that of the epoch of least selection loss or of the last one. A last batch
    of one sample joins the one before where ``join_single``.
    """

    epochs: int
    patience: int
    batch_size: int
    lr: float
    weight_decay: float
    warm_up: int = 0
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    horizon: int | None = None
    optimiser: Literal["adamw", "adam"] = "adamw"
    plateau_factor: float = 1.0
    plateau_patience: int = 0
    clip_norm: float | None = None
    selection_loss: Literal["samples", "batches"] = "samples"
    weights: Literal["best", "last"] = "best"
    join_single: bool = True

    @property
    def shared(self) -> tuple:
        """What the members of a stack have in common beside their architecture."""
        common: tuple = (self.batch_size, self.warm_up, self.schedule, self.horizon, self.optimiser, self.clip_norm)
        common += (self.selection_loss, self.weights, self.join_single)
        return (*common, self.epochs) if self.schedule == "cosine" and self.horizon is None else common

    def for_refit(self, epochs: int) -> TrainingSettings:
        """The same training for exactly this many epochs, along the same schedule of learning rates."""
        return replace(self, epochs=epochs, horizon=self.horizon or self.epochs)

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """The factor on the learning rate at a step (from 0)."""
        done, rising = step / steps_per_epoch, self.warm_up
        if done < rising:
            return (step + 1) / (rising * steps_per_epoch)
        if self.schedule != "cosine":
            return 1.0
        return 0.5 * (1.0 + math.cos(math.pi * (done - rising) / max((self.horizon or self.epochs) - rising, 1e-9)))

    def plateau(self, losses: Sequence[float]) -> float:
        """The factor on the learning rate after epochs of these selection losses, as ReduceLROnPlateau gives it."""
        rate, best, waited = self.lr, math.inf, 0
        for loss in losses if self.schedule == "plateau" else ():
            if loss < best * (1 - PLATEAU_THRESHOLD):
                best, waited = loss, 0
            else:
                waited += 1
            if waited > self.plateau_patience:
                lower, waited = max(rate * self.plateau_factor, PLATEAU_LOWEST), 0
                rate = lower if rate - lower > PLATEAU_LOWEST else rate
        return rate / self.lr


@dataclass(frozen=True)
class Options:
    """Where and how a stack runs; none of it is a hyper-parameter.

    ``limit`` is the most members in a stack, chosen by memory if None. ``graphs`` captures the step of a CUDA device
    as a graph. ``precision`` is that of the forward and backward pass; weights and moments stay float32.
    ``keeper`` is the `Checkpoints` in which an interrupted training finds its state again.
    """

    limit: int | None = None
    graphs: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"
    keeper: Any = None


ALONE = Options()
