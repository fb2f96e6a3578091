"""The network of MindEye at the size of these data, its losses and its diffusion prior.

All modules are stacks (see training/layers.py): every shape begins with the number of members.
"""

from __future__ import annotations

import functools
import math
import typing

import torch
from scipy.special import betaincinv
from torch import Tensor, nn
from torch.nn.functional import normalize

from cortexclip.methods.clip_encoder.network import info_nce, same_stimulus
from cortexclip.training.layers import Dropout, LayerNorm, Linear
from cortexclip.training.stack import Batch

if typing.TYPE_CHECKING:
    from cortexclip.methods.mindeye import MindEye as Method

PARTNER, SHARE, LEVEL, NOISE = range(4)
"""The losses' noise streams: who is mixed with whom, in which shares; how noisy the prior's input is, and the noise."""
QUANTILES = 1024


class MindEye(nn.Module):
    """A ridge layer and residual blocks, and heads for retrieval, the prior and pixels.

    ``width``, ``depth`` and ``dropout`` are those of the backbone, whose blocks are LayerNorm, GELU, Dropout, Linear,
    added to their input; ``prior_width`` is that of the two hidden layers of the prior's denoiser.
    """

    def __init__(
        self, n_voxels: int, n_pixels: int, n_features: int, width: int, depth: int, dropout: float, prior_width: int
    ):
        super().__init__()
        self.ridge = Linear(n_voxels, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(LayerNorm(width), nn.GELU(), Dropout(dropout), Linear(width, width)) for _ in range(depth)
        )
        self.normal = nn.Sequential(LayerNorm(width), nn.GELU(), Dropout(dropout))
        self.embedding = Linear(width, n_features)
        self.projector = nn.Sequential(LayerNorm(n_features), nn.GELU(), Linear(n_features, n_features))
        self.denoiser = nn.Sequential(
            Linear(2 * n_features + 2, prior_width),
            LayerNorm(prior_width),
            nn.GELU(),
            Linear(prior_width, prior_width),
            LayerNorm(prior_width),
            nn.GELU(),
            Linear(prior_width, n_features),
        )
        self.pixels = Linear(width, n_pixels)

    def backbone(self, brain: Tensor) -> Tensor:
        """What the heads read, (members, batch, width), of brain samples (members, batch, n_voxels)."""
        x = self.ridge(brain)
        for block in self.blocks:
            x = x + block(x)
        return self.normal(x)

    def retrieve(self, hidden: Tensor) -> Tensor:
        """Unit-length embeddings to retrieve by, (members, batch, n_features)."""
        return normalize(self.projector(self.embedding(hidden)), dim=-1)

    def denoise(self, noisy: Tensor, hidden: Tensor, level: Tensor) -> Tensor:
        """The clean embedding that the prior expects, of a noisy one (members, batch, n_features).

        ``level``, (members, batch), runs from 0 (clean) to 1 (noise alone) along a quarter of a circle: the embedding
        keeps cos(level pi / 2) of itself. Embeddings have unit variance here, as in the source: unit-length ones are
        multiplied by the square root of their number of features.
        """
        angle = (level * (math.pi / 2))[..., None]
        return self.denoiser(torch.cat([noisy, self.embedding(hidden), angle.cos(), angle.sin()], dim=-1))


def training_loss(network: MindEye, batch: Batch, settings: Method.Settings, mixed: bool) -> Tensor:
    """The loss of each member, (members,): pixels, prior and, in training, the contrastive loss.

    Without training it is what the epoch is chosen by: the two losses of what makes an image.
    """
    target, brain, pixels = batch["embedding"], batch["brain"], batch["pixels"]
    share = None
    if mixed and batch.noise is not None:
        share = mixing_shares(batch, settings.mixup)
        brain, pixels = share @ brain, share @ pixels
    hidden = network.backbone(brain)
    clean = target * math.sqrt(target.shape[-1])
    if share is not None:
        clean = share @ clean
    if batch.noise is None:
        level, noise = clean.new_ones(clean.shape[:2]), torch.zeros_like(clean)
    else:
        level = batch.noise.uniform(LEVEL, clean.shape[:2])
        noise = torch.special.ndtri(batch.noise.uniform(NOISE, clean.shape))  # the same whatever pads the batch
    angle = (level * (math.pi / 2))[..., None]
    expected = network.denoise(angle.cos() * clean + angle.sin() * noise, hidden, level)
    errors = (network.pixels(hidden) - pixels).square().mean(-1)
    loss = batch.mean(errors + settings.prior_weight * (expected - clean).square().mean(-1))
    if batch.noise is None:
        return loss
    if share is None:
        logits = target @ target.mT / settings.temperature
        if batch.weight is not None:
            logits = logits.masked_fill(batch.weight[:, None, :] == 0, -1e9)
        positive = torch.softmax(logits, dim=-1)  # SoftCLIP
    else:
        positive = share @ same_stimulus(batch["stimulus"], "positives").to(share.dtype)  # BiMixCo
    temperature = loss.new_full((len(loss),), settings.temperature)
    return loss + settings.contrastive_weight * info_nce(
        network.retrieve(hidden), target, positive, temperature, batch.weight
    )


def mixing_shares(batch: Batch, parameter: float) -> Tensor:
    """How much of each sample is in each mixed one, (members, batch, batch); rows sum to 1.

    Half of the samples stay as they are; the others keep a share from the beta distribution whose two parameters are
    ``parameter`` and take the rest from a sample of the batch, as in MixCo (Kim et al. 2020).
    """
    assert batch.noise is not None
    members, n, _ = batch["brain"].shape
    drawn = batch.noise.uniform(SHARE, (members, n))
    table = torch.tensor(beta_quantiles(parameter), dtype=drawn.dtype, device=drawn.device)
    kept = torch.where(drawn < 0.5, table[(drawn * 2 * QUANTILES).long().clamp(max=QUANTILES - 1)], 1.0)
    count = drawn.new_full((members, 1), n) if batch.weight is None else batch.weight.sum(1, keepdim=True)
    partner = (batch.noise.uniform(PARTNER, (members, n)) * count).long()  # samples come before the padding
    own = torch.eye(n, dtype=drawn.dtype, device=drawn.device)
    return kept[..., None] * own + (1 - kept)[..., None] * own[partner]


@functools.cache
def beta_quantiles(parameter: float) -> tuple[float, ...]:
    """Quantiles of the symmetric beta distribution at the middles of equal parts."""
    return tuple(float(betaincinv(parameter, parameter, (i + 0.5) / QUANTILES)) for i in range(QUANTILES))


def sample_prior(network: MindEye, hidden: Tensor, noise: Tensor, steps: int) -> Tensor:
    """Embeddings (members, batch, n_features) that the prior makes of noise (n_features,) in so many steps.

    DDIM (Song et al. 2021) without noise of its own, from what ``hidden``, (members, batch, width), says.
    """
    x = noise.expand(*hidden.shape[:2], -1)
    for step in range(steps, 0, -1):
        level, following = (hidden.new_full(hidden.shape[:2], k / steps) for k in (step, step - 1))
        clean = network.denoise(x, hidden, level)
        now, then = (level[0, 0] * (math.pi / 2)), (following[0, 0] * (math.pi / 2))
        x = then.cos() * clean + then.sin() * (x - now.cos() * clean) / now.sin()
    return x
