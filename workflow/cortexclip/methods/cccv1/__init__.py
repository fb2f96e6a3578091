"""CCCV1, the CLIP-inspired autoencoder-like network of the second source document, trained by pixel error alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexclip.methods.interface import Decoder, FitData, Saved
from cortexclip.methods.recipe import Fitted, NetworkMethod, Phase, Recipe, TrainedSettings, image_reader
from cortexclip.runtime.settings import NonNegative, Rate

if TYPE_CHECKING:
    from torch import nn


class CCCV1(NetworkMethod):
    """Train the network by mean squared pixel error; the selection part chooses the epoch."""

    class Settings(TrainedSettings):
        """Hyper-parameters as the source names them, with its values per dataset size in config/methods.yaml."""

        dropout_encoder: Rate
        dropout_decoder: Rate
        clip_residual_weight: NonNegative

        @property
        def architecture(self) -> tuple[float, float, float]:
            """Dropout rates of encoder and decoder, and the weight of the enhancer's residual."""
            return self.dropout_encoder, self.dropout_decoder, self.clip_residual_weight

    def recipe(self, data: FitData) -> Recipe:
        from cortexclip.methods.cccv1.network import pixel_mse

        n_voxels, shape = data.n_voxels, data.shape
        return Recipe(
            make=lambda: self.network(n_voxels, shape),
            kind=self.kind(n_voxels, shape),
            phases=[Phase(pixel_mse, self.training())],
            finish=lambda fitted: self.finish(fitted, shape),
            standardise=self.settings.standardise,
        )

    def finish(self, fitted: Fitted, shape: tuple[int, int]) -> Decoder:
        """The decoder of a trained network."""
        return fitted.decoder(image_reader(shape))

    def restore(self, saved: Saved) -> Decoder:
        return self.restored(saved, lambda: self.network(saved.n_voxels, saved.shape), image_reader(saved.shape))

    def network(self, n_voxels: int, shape: tuple[int, int]) -> nn.Module:
        """The network for so many voxels and images of this shape."""
        from cortexclip.methods.cccv1.network import CCCV1 as Network

        return Network(n_voxels, shape[0] * shape[1], *self.settings.architecture)
