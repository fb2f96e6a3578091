"""CCCV1 trained on several datasets at once: an input layer for each of them, one trunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cortexclip.methods.cccv1 import Settings as Settings
from cortexclip.methods.cccv1 import image_reader
from cortexclip.methods.interface import FitData, Saved
from cortexclip.models.standardise import fit_scaler

STOCHASTIC = True


def recipe(data: FitData, settings: Settings):
    """Train by mean squared pixel error on the samples of this dataset and on ``data.others``.

    The selection part, which is of this dataset alone, chooses the epoch. Each dataset is standardised by itself.
    """
    import torch
    from torch.nn import functional

    from cortexclip.methods.network import NetworkDecoder, Phase, Recipe, to_tensor
    from cortexclip.models.cccv1_pooled import pooled_mse
    from cortexclip.training.stack import TrainingSettings

    shape = data.final.images.shape[1:]
    n_voxels = [samples.brain.shape[1] for samples in (data.final, *data.others)]
    architecture = (settings.dropout_encoder, settings.dropout_decoder, settings.clip_residual_weight)
    training = TrainingSettings(
        settings.epochs, settings.patience, settings.batch_size, settings.lr, settings.weight_decay
    )

    def join(own):
        brains, pixels = [own["brain"]], [own["pixels"]]
        for samples in data.others:
            brains.append(to_tensor(fit_scaler(samples.brain, settings.standardise)(samples.brain)))
            pixels.append(to_tensor(samples.pixels))
        filled = [functional.pad(brain, (0, max(n_voxels) - brain.shape[1])) for brain in brains]
        number = [torch.full((len(brain),), i, device=brain.device) for i, brain in enumerate(brains)]
        return {"brain": torch.cat(filled), "pixels": torch.cat(pixels), "dataset": torch.cat(number)}

    def finish(fitted) -> NetworkDecoder:
        chosen = {"epoch": fitted.epochs[-1], "pooled_samples": sum(len(samples) for samples in data.others)}
        return NetworkDecoder(fitted.network, fitted.scaler, image_reader(shape), chosen, fitted.rows)

    return Recipe(
        make=lambda: _network(n_voxels, shape, settings),
        kind=("cccv1_pooled", *n_voxels, shape, *architecture),
        phases=[Phase(pooled_mse, training)],
        finish=finish,
        standardise=settings.standardise,
        join=join,
    )


def restore(saved: Saved, settings: Settings):
    """The decoder of a finished run, with the input layers of all datasets it learned from."""
    from cortexclip.methods.network import restore_network

    inputs = sum(name.startswith("inputs.") and name.endswith(".weight") for name in saved.arrays)
    n_voxels = [saved[f"inputs.{number}.weight"].shape[0] for number in range(inputs)]
    return restore_network(saved, lambda: _network(n_voxels, saved.shape, settings), image_reader(saved.shape))


def _network(n_voxels: Sequence[int], shape: tuple[int, int], settings: Settings):
    from cortexclip.models.cccv1_pooled import PooledCCCV1

    rates = (settings.dropout_encoder, settings.dropout_decoder)
    return PooledCCCV1(n_voxels, shape[0] * shape[1], *rates, settings.clip_residual_weight)


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]):
    """One training; see :func:`recipe`."""
    from cortexclip.methods.network import fit_one

    return fit_one(recipe, data, settings, seed, progress)
