"""What the methods that train a network share: select an epoch, refit, predict, name the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cortexclip.methods.interface import FitData, Prediction, Samples
from cortexclip.models.standardise import VoxelScaler, fit_scaler
from cortexclip.training import loop


@dataclass(frozen=True)
class Tensors:
    """A part of a split on the device: standardised voxels, pixels, embeddings and stimulus numbers, by sample."""

    brain: Tensor
    pixels: Tensor
    stimulus: Tensor
    embedding: Tensor | None

    @classmethod
    def of(cls, samples: Samples, scaler: VoxelScaler) -> Tensors:
        place = loop.device()
        numbers = np.unique(samples.stimulus, return_inverse=True)[1]
        return cls(
            brain=to_tensor(scaler(samples.brain)),
            pixels=to_tensor(samples.pixels),
            stimulus=torch.as_tensor(numbers, device=place),
            embedding=None if samples.embedding is None else to_tensor(samples.embedding),
        )


@dataclass(frozen=True)
class NetworkDecoder:
    """A trained network with its voxel scaling and its way from output to prediction."""

    network: nn.Module
    scaler: VoxelScaler
    read: Callable[[nn.Module, Tensor], Prediction]
    chosen: dict[str, float | int | str]
    rows: list[dict]
    arrays: dict[str, np.ndarray]

    def predict(self, brain: np.ndarray) -> Prediction:
        with torch.inference_mode():
            return self.read(self.network, to_tensor(self.scaler(brain)))

    def weights(self) -> dict[str, np.ndarray]:
        state = {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}
        return {**state, "voxel_mean": self.scaler.mean, "voxel_scale": self.scaler.scale, **self.arrays}

    def facts(self) -> dict[str, float | int | str]:
        return {**self.chosen, "parameters": loop.parameter_count(self.network)}

    def history(self) -> list[dict]:
        return self.rows


@dataclass(frozen=True)
class Fitted:
    """A network trained with a selection part, and the one that is scored (the same one where nothing is refitted)."""

    selected: nn.Module
    selected_scaler: VoxelScaler
    network: nn.Module
    scaler: VoxelScaler
    epoch: int
    rows: list[dict]


def fit_network(
    data: FitData,
    make: Callable[[], nn.Module],
    batch_loss: Callable[[nn.Module, Tensors, Tensor], Tensor],
    standardise: bool,
    settings: loop.TrainingSettings,
    seed: int,
    progress: Callable[[str], None],
) -> Fitted:
    """Train on the training part, keep the epoch of least loss on the selection part, and refit if the protocol does.

    The refit starts from the same initial weights and runs for the chosen number of epochs on all final samples, with
    voxels standardised anew on these.
    """
    scaler = fit_scaler(data.train.brain, standardise)
    train, select = Tensors.of(data.train, scaler), Tensors.of(data.select, scaler)
    everything = torch.arange(len(select.brain), device=select.brain.device)
    network = loop.build(make, seed)
    training = loop.train_network(
        network,
        len(train.brain),
        lambda rows: batch_loss(network, train, rows),
        lambda: batch_loss(network, select, everything),
        settings,
        seed,
        progress,
    )
    rows = [{"stage": "select", **row} for row in training.history]
    if not data.refit:
        return Fitted(network, scaler, network, scaler, training.epoch, rows)

    final_scaler = fit_scaler(data.final.brain, standardise)
    final = Tensors.of(data.final, final_scaler)
    refitted = loop.build(make, seed)
    again = loop.train_network(
        refitted,
        len(final.brain),
        lambda rows: batch_loss(refitted, final, rows),
        None,
        loop.fixed_epochs(settings, training.epoch),
        seed,
        lambda detail: progress(f"refit {detail}"),
    )
    rows += [{"stage": "refit", **row} for row in again.history]
    return Fitted(network, scaler, refitted, final_scaler, training.epoch, rows)


def to_tensor(array: np.ndarray) -> Tensor:
    """A float32 tensor on the device."""
    return torch.as_tensor(np.asarray(array, dtype=np.float32), device=loop.device())
