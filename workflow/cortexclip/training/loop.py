"""The one training loop of all networks: minibatch AdamW with history, early stopping and seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    ``epochs`` is the most (or, without a selection loss, the exact) number of passes over the samples; training stops
    after ``patience`` epochs without a lower selection loss. ``batch_size`` is in samples; ``lr`` and ``weight_decay``
    are AdamW's (Loshchilov and Hutter 2019).
    """

    epochs: int
    patience: int
    batch_size: int
    lr: float
    weight_decay: float


@dataclass(frozen=True)
class Training:
    """What a training chose: ``epoch`` (from 1) whose weights the network holds now, and the history of losses.

    History rows have ``epoch``, ``quantity`` ("train_loss" or "select_loss") and ``value``.
    """

    epoch: int
    history: list[dict]


def device() -> torch.device:
    """The device that networks run on: the first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Initialise a network from a seed and move it to the device; the initial weights do not depend on the device."""
    torch.manual_seed(seed)
    return make().to(device())


def train_network(
    network: nn.Module,
    n_samples: int,
    batch_loss: Callable[[Tensor], Tensor],
    select_loss: Callable[[], Tensor] | None,
    settings: TrainingSettings,
    seed: int,
    progress: Callable[[str], None],
) -> Training:
    """Train ``network`` in place and leave it in evaluation mode with the weights of the chosen epoch.

    Parameters
    ----------
    n_samples : number of training samples; each epoch visits all of them once, in a new order.
    batch_loss : loss of the samples with these indices, shape (batch,), with the network in training mode.
    select_loss : loss on the selection part, with the network in evaluation mode and without gradients. The epoch of
        its least value is kept. Without it the last epoch is, and no epoch is chosen on anything.
    seed : of the order of samples and of dropout.
    """
    place = next(network.parameters()).device
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
    batches = _batch_sizes(n_samples, settings.batch_size)

    history: list[dict] = []
    best, best_epoch, best_state = math.inf, 0, None
    epoch = 0
    for epoch in range(1, settings.epochs + 1):
        network.train()
        total = torch.zeros((), device=place)
        for rows in torch.randperm(n_samples, generator=order).to(place).split(batches):
            loss = batch_loss(rows)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(rows)
        train_loss = total.item() / n_samples
        history.append({"epoch": epoch, "quantity": "train_loss", "value": train_loss})
        if not math.isfinite(train_loss):
            raise FloatingPointError(
                f"training loss is {train_loss} at epoch {epoch}; lower the learning rate or check the input's scale"
            )
        network.eval()
        if select_loss is None:
            progress(f"epoch {epoch}/{settings.epochs}, train loss {train_loss:.5f}")
            continue
        with torch.inference_mode():
            value = select_loss().item()
        history.append({"epoch": epoch, "quantity": "select_loss", "value": value})
        progress(f"epoch {epoch}/{settings.epochs}, train loss {train_loss:.5f}, selection loss {value:.5f}")
        if value < best:
            best, best_epoch = value, epoch
            best_state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        elif epoch - best_epoch >= settings.patience:
            break
    if best_state is not None:
        network.load_state_dict(best_state)
        return Training(best_epoch, history)
    return Training(epoch, history)


def fixed_epochs(settings: TrainingSettings, epochs: int) -> TrainingSettings:
    """The same settings for exactly this many epochs, for a refit without a selection part."""
    return replace(settings, epochs=epochs)


def parameter_count(network: nn.Module) -> int:
    """Number of trained values of a network."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _batch_sizes(n_samples: int, batch_size: int) -> list[int]:
    """Sizes of an epoch's batches; a last batch of a single sample joins the one before (BatchNorm needs two)."""
    sizes = [batch_size] * (n_samples // batch_size)
    rest = n_samples % batch_size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes
