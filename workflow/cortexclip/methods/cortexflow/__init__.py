"""The networks of the repository braindecoding/cortexflow-fmri, trained by pixel error: see cortexflow/network.py."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cortexclip.methods.cccv1 import CCCV1
from cortexclip.methods.interface import Decoder, Prediction, Saved
from cortexclip.methods.recipe import Fitted, TrainedSettings, image_reader

PREDICTION_STEP = 1 << 41  # the step whose noise a network draws when it predicts


class CortexFlow(CCCV1):
    """Train the network as CCCV1, by mean squared pixel error; the selection part chooses the epoch."""

    class Settings(TrainedSettings):
        """``network`` is one of those of cortexflow/network.py; ``epochs`` and ``patience`` count epochs."""

        network: Literal["cccv1", "brain_diffuser", "mind_vis"]

    def finish(self, fitted: Fitted, shape: tuple[int, int]) -> Decoder:
        return fitted.decoder(_reader(shape, fitted.seed), noise_seed=fitted.seed)

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
