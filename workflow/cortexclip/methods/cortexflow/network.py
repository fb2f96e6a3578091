"""The networks of the repository braindecoding/cortexflow-fmri: one of CCCV1's, and two small perceptrons.

Sources: ``src/models/cortexflow_lite_clip.py`` (CortexFlowLiteCLIPOptimal, commit 80de4e8), and
``src/models/brain_diffuser.py`` and ``src/models/mind_vis.py`` (commit fcde7c4). The perceptrons bear the names
Brain-Diffuser and MinD-Vis there; they are not the networks of the papers of these names. Both draw noise when they
predict, too. All modules are stacks (see training/layers.py): every shape begins with the number of members.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cortexclip.methods.cccv1.network import CCCV1
from cortexclip.training.layers import Contextual, Dropout, LayerNorm, Linear

LEVELS = 10
BETAS = (0.0001, 0.02)  # of the first and the last noise level


class ScriptCCCV1(CCCV1):
    """CCCV1 as the script has it: dropout 0.06, 0.04, 0.03 and 0.02, and no normalisation before the enhancer.

    ``residual_weight`` is that of the enhancer's residual, 0.1 in the script.
    """

    def __init__(self, n_voxels: int, n_pixels: int, residual_weight: float):
        super().__init__(n_voxels, n_pixels, 0.06, 0.02, residual_weight)
        dropouts = [layer for layer in self.encoder if isinstance(layer, Dropout)]
        for layer, rate in zip(dropouts, (0.06, 0.04, 0.03), strict=True):
            layer.rate = rate

    def embed(self, brain: Tensor) -> Tensor:
        return self.encoder(brain)


class BrainDiffuserPerceptron(nn.Module):
    """A perceptron whose output loses Gaussian noise of scale 0.1, 0.0667 and 0.0333 before the sigmoid."""

    def __init__(self, n_voxels: int, n_pixels: int):
        super().__init__()
        self.layers = nn.Sequential(
            *_block(n_voxels, 512, nn.SiLU, 0.1), *_block(512, 256, nn.SiLU), Linear(256, n_pixels)
        )
        self.noises = nn.ModuleList(GaussianNoise(0.1 * (1 - step / 3)) for step in range(3))

    def forward(self, brain: Tensor) -> Tensor:
        """Pixels (members, batch, n_pixels) in 0..1 of voxels (members, batch, n_voxels)."""
        output = self.layers(brain)
        for noise in self.noises:
            output = noise(output)
        return torch.sigmoid(output)


class MindVisPerceptron(nn.Module):
    """A perceptron that hides 15 % of the voxels of each sample and mixes its code with noise of a random level."""

    def __init__(self, n_voxels: int, n_pixels: int):
        super().__init__()
        self.hide = HideVoxels(0.15)
        self.encoder = nn.Sequential(*_block(n_voxels, 512, nn.ReLU, 0.1), *_block(512, 256, nn.ReLU), Linear(256, 128))
        self.mix = RandomLevel()
        self.decoder = nn.Sequential(
            *_block(128, 256, nn.ReLU, 0.1), *_block(256, 512, nn.ReLU), Linear(512, n_pixels), nn.Sigmoid()
        )

    def forward(self, brain: Tensor) -> Tensor:
        """Pixels (members, batch, n_pixels) in 0..1 of voxels (members, batch, n_voxels)."""
        return self.decoder(self.mix(self.encoder(self.hide(brain))))


class GaussianNoise(Contextual):
    """Subtracts Gaussian noise of a scale, in training and in prediction."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x - self.scale * self.context.noise.normal(self.stream, x.shape).to(x.dtype)


class HideVoxels(Contextual):
    """Sets a share of the values of (members, batch, n) to zero at random, in training and in prediction."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return x * self.context.noise.keep(self.stream, x.shape, self.share)


class RandomLevel(Contextual):
    """sqrt(a) z + sqrt(1 - a) n for codes z (members, batch, size), Gaussian n, and a of one of 10 levels, drawn for
    each sample: the running product of 1 - beta, with betas from 0.0001 to 0.02 in equal steps.
    """

    n_streams = 2

    def __init__(self):
        super().__init__()
        levels = torch.cumprod(1 - torch.linspace(*BETAS, LEVELS), 0)
        self.register_buffer("levels", levels[None])

    def forward(self, code: Tensor) -> Tensor:
        noise = self.context.noise
        level = (LEVELS * noise.uniform(self.stream + 1, (*code.shape[:2], 1))).long()
        a = self.levels[0][level].to(code.dtype)
        return torch.sqrt(a) * code + torch.sqrt(1 - a) * noise.normal(self.stream, code.shape).to(code.dtype)


def _block(n_in: int, n_out: int, activation: type[nn.Module], dropout: float = 0.0) -> list[nn.Module]:
    layers = [Linear(n_in, n_out), LayerNorm(n_out), activation()]
    return [*layers, Dropout(dropout)] if dropout else layers
