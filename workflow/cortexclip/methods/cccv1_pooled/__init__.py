"""CCCV1 trained on several datasets at once: an input layer for each of them, one trunk."""

from __future__ import annotations

from collections.abc import Sequence

from cortexclip.methods.cccv1 import CCCV1
from cortexclip.methods.interface import Decoder, FitData, Saved
from cortexclip.methods.recipe import NetworkMethod, Phase, Recipe, image_reader
from cortexclip.numerics.standardise import fit_scaler


class PooledCCCV1(NetworkMethod):
    """Train by mean squared pixel error on the samples of this dataset and of the others that are pooled.

    The selection part, which is of this dataset alone, chooses the epoch. Each dataset is standardised by itself.
    """

    class Settings(CCCV1.Settings):
        __doc__ = CCCV1.Settings.__doc__

    def recipe(self, data: FitData) -> Recipe:
        import torch
        from torch.nn import functional

        from cortexclip.methods.cccv1_pooled.network import pooled_mse
        from cortexclip.methods.network import to_tensor

        n_voxels = [samples.brain.shape[1] for samples in (data.final, *data.others)]

        def join(own):
            brains, pixels = [own["brain"]], [own["pixels"]]
            for samples in data.others:
                brains.append(to_tensor(fit_scaler(samples.brain, self.settings.standardise)(samples.brain)))
                pixels.append(to_tensor(samples.pixels))
            filled = [functional.pad(brain, (0, max(n_voxels) - brain.shape[1])) for brain in brains]
            number = [torch.full((len(brain),), i, device=brain.device) for i, brain in enumerate(brains)]
            return {"brain": torch.cat(filled), "pixels": torch.cat(pixels), "dataset": torch.cat(number)}

        pooled = sum(len(samples) for samples in data.others)
        return Recipe(
            make=lambda: self.network(n_voxels, data.shape),
            kind=self.kind(*n_voxels, data.shape),
            phases=[Phase(pooled_mse, self.training())],
            finish=lambda fitted: fitted.decoder(image_reader(data.shape), pooled_samples=pooled),
            standardise=self.settings.standardise,
            join=join,
        )

    def restore(self, saved: Saved) -> Decoder:
        inputs = sum(name.startswith("inputs.") and name.endswith(".weight") for name in saved.arrays)
        n_voxels = [saved[f"inputs.{number}.weight"].shape[0] for number in range(inputs)]
        return self.restored(saved, lambda: self.network(n_voxels, saved.shape), image_reader(saved.shape))

    def network(self, n_voxels: Sequence[int], shape: tuple[int, int]):
        """The network with an input layer for each dataset's number of voxels."""
        from cortexclip.methods.cccv1_pooled.network import PooledCCCV1 as Network

        return Network(n_voxels, shape[0] * shape[1], *self.settings.architecture)
