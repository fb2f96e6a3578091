"""The networks of the repository braindecoding/cortexflow-fmri, trained by pixel error: see cortexflow/network.py."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cortexclip.methods.interface import Decoder, FitData, Prediction, Saved
from cortexclip.methods.recipe import NetworkMethod, Phase, Recipe, image_reader
from cortexclip.settings import Checked, Count, NonNegative, Positive

PREDICTION_STEP = 1 << 41  # the step whose noise a network draws when it predicts


class CortexFlow(NetworkMethod):
    """Train the network by mean squared pixel error; the selection part chooses the epoch."""

    class Settings(Checked):
        """``network`` is one of those of cortexflow/network.py; ``epochs`` and ``patience`` count epochs."""

        network: Literal["cccv1", "brain_diffuser", "mind_vis"]
        standardise: bool
        epochs: Count
        patience: Count
        batch_size: Count
        lr: Positive
        weight_decay: NonNegative

    def recipe(self, data: FitData) -> Recipe:
        from cortexclip.methods.cccv1.network import pixel_mse

        n_voxels, shape = data.n_voxels, data.shape
        return Recipe(
            make=lambda: self.network(n_voxels, shape),
            kind=self.kind(n_voxels, shape),
            phases=[Phase(pixel_mse, self.training())],
            finish=lambda fitted: fitted.decoder(_reader(shape, fitted.seed), noise_seed=fitted.seed),
            standardise=self.settings.standardise,
        )

    def restore(self, saved: Saved) -> Decoder:
        read = _reader(saved.shape, saved.fact("noise_seed"))
        return self.restored(saved, lambda: self.network(saved.n_voxels, saved.shape), read)

    def network(self, n_voxels: int, shape: tuple[int, int]):
        """The network for so many voxels and images of this shape."""
        from cortexclip.methods.cortexflow import network

        n_pixels = shape[0] * shape[1]
        if self.settings.network == "cccv1":
            return network.ScriptCCCV1(n_voxels, n_pixels, residual_weight=0.1)
        made = {"brain_diffuser": network.BrainDiffuserPerceptron, "mind_vis": network.MindVisPerceptron}
        return made[self.settings.network](n_voxels, n_pixels)


def _reader(shape: tuple[int, int], seed: int):
    """From the network and standardised voxels to images; the noise that it draws follows from the seed."""

    def read(network, brain) -> Prediction:
        import torch

        from cortexclip.training import layers
        from cortexclip.training.noise import Noise, step_keys

        context = layers.Context()
        streams = layers.attach(network, context)
        keys = step_keys(np.array([seed]), np.array([PREDICTION_STEP]), streams)[0]
        context.noise = Noise(torch.as_tensor(keys, device=brain.device))
        return image_reader(shape)(network, brain)

    return read
