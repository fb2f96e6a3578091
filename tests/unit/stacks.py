"""Small networks of every kind, and stacks of them to train."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from narrow import narrow
from torch import nn

from cortexclip.methods import cccv1_extended, clip_encoder
from cortexclip.methods.cccv1.network import CCCV1, pixel_mse
from cortexclip.methods.cccv1_extended.network import ExtendedCCCV1, masked_voxel_loss
from cortexclip.methods.clip_encoder.network import BrainEncoder
from cortexclip.methods.dgmm.network import DGMM, negative_bound
from cortexclip.training import layers, stack

CCCV1_SETTINGS = {
    "standardise": True,
    "dropout_encoder": 0.0,
    "dropout_decoder": 0.0,
    "clip_residual_weight": 0.1,
    "epochs": 150,
    "patience": 150,
    "batch_size": 8,
    "lr": 1e-3,
    "weight_decay": 0.0,
}
CLIP_SETTINGS = {
    "standardise": True,
    "hidden": [64, 32],
    "dropout": 0.0,
    "temperature": 0.07,
    "learn_temperature": False,
    "duplicates": "positives",
    "residual": False,
    "attention_tokens": 0,
    "attention_heads": 1,
    "projections": 1,
    "checkpointing": False,
    "epochs": 100,
    "patience": 100,
    "batch_size": 8,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "warm_up": 0,
    "schedule": "constant",
    "readout_penalty_low": 1e-6,
    "readout_penalty_high": 1e3,
    "readout_penalty_count": 10,
}
EXTENDED_SETTINGS = cccv1_extended.ExtendedCCCV1.Settings(
    **{"standardise": True, "dropout_encoder": 0.2, "dropout_decoder": 0.1, "clip_residual_weight": 0.1, "epochs": 1},
    **{"patience": 1, "batch_size": 1, "lr": 1e-3, "weight_decay": 0.0, "clip_weight": 0.1, "consistency_weight": 0.05},
    **{"contrastive_weight": 0.1, "temperature": 0.07, "views": 2, "attention_group": 3, "attention_size": 4},
    **{"attention_heads": 2, "resolution_weight": 0.5, "enhancer_blocks": 2, "mask_fraction": 0.5},
    **{"pretraining_epochs": 1, "domain_weight": 0.1},
)


def settings(**changes) -> stack.TrainingSettings:
    return stack.TrainingSettings(
        **{"epochs": 6, "patience": 3, "batch_size": 4, "lr": 1e-2, "weight_decay": 0.01, **changes}
    )


def part(n: int, seed: int, n_voxels: int = 7, n_pixels: int = 16) -> dict[str, torch.Tensor]:
    """Random samples as a network in training sees them."""
    rng = np.random.default_rng(seed)
    embedding = rng.normal(size=(n, 4))
    return {
        "brain": torch.tensor(rng.normal(size=(n, n_voxels)), dtype=torch.float32),
        "pixels": torch.tensor(rng.random((n, n_pixels)), dtype=torch.float32),
        "embedding": torch.tensor(embedding / np.linalg.norm(embedding, axis=1, keepdims=True), dtype=torch.float32),
        "stimulus": torch.tensor(rng.integers(0, n // 2 + 1, n)),
        "session": torch.tensor(rng.integers(0, 3, n)),
    }


def double(samples):
    """The samples of `part` in double precision."""
    return {name: value.double() if value.is_floating_point() else value for name, value in samples.items()}


def narrow_cccv1() -> CCCV1:
    with narrow():
        return CCCV1(7, 16, 0.2, 0.1, 0.1)


def narrow_extended(n_features: int, n_domains: int) -> ExtendedCCCV1:
    with narrow():
        return ExtendedCCCV1(7, (4, 4), n_features, n_domains, EXTENDED_SETTINGS)


class Small(nn.Module):
    """Every layer there is, in one network."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(
            layers.Linear(7, 12), layers.BatchNorm(12), nn.ReLU(), layers.Dropout(0.3), layers.LayerNorm(12)
        )
        self.attention = layers.MultiHeadAttention(4, 2)
        self.convolution = layers.Conv2d(1, 2, 3, padding=1)
        self.last = layers.Linear(24, 16, bias=False)

    def forward(self, x):
        x = self.first(x).unflatten(-1, (3, 4))
        x = x + self.attention(x)
        return self.last(self.convolution(x[:, :, None]).flatten(2))


ARCHITECTURES = {
    "all layers": (Small, pixel_mse),
    "cccv1": (narrow_cccv1, pixel_mse),
    "clip_encoder": (
        lambda: BrainEncoder(7, 4, (16, 8), 0.3, 0.07, True),
        clip_encoder.contrastive_loss("positives"),
    ),
    "clip_encoder, all variants": (
        lambda: BrainEncoder(7, 4, (16, 8), 0.3, 0.07, True, True, attention=(2, 2), projections=2, checkpointing=True),
        clip_encoder.contrastive_loss("negatives"),
    ),
    "cccv1, all extensions": (
        lambda: narrow_extended(4, 3),
        partial(cccv1_extended.training_loss, settings=EXTENDED_SETTINGS),
    ),
    "cccv1, pretraining": (
        lambda: narrow_extended(0, 0),
        partial(masked_voxel_loss, fraction=0.5),
    ),
    "dgmm": (lambda: DGMM((4, 4), 3, 4, 8), negative_bound(100, 1)),
}
"""How a network is made, and its training loss."""


def jobs(make, **changes) -> list[stack.Member]:
    """Members that differ in samples, number of samples, seed, rate, decay and how long they train."""
    selects = [part(5, 90), part(6, 91), part(5, 92), part(5, 93)]
    trains = [part(14, 1), part(15, 2), part(14, 1), part(16, 4)]
    rates = [(1e-2, 0.0, 9), (1e-3, 0.1, 7), (3e-3, 0.0, 9), (1e-2, 0.0, 2)]
    return [
        stack.Member(make, train, select, settings(lr=lr, weight_decay=decay, epochs=epochs, **changes), seed)
        for seed, (train, select, (lr, decay, epochs)) in enumerate(zip(trains, selects, rates, strict=True))
    ]
