"""MinD-Vis overfits eight samples; half a minute and more, so not among the unit tests."""

from __future__ import annotations

import numpy as np
import pytest

from cortexclip.data.characters import character_images
from cortexclip.methods.interface import FitData, Samples
from cortexclip.methods.mind_vis import MindVis

SETTINGS = {
    "prior": "glyphs",
    "standardise": True,
    "patch": 4,
    "size": 16,
    "depth": 1,
    "heads": 2,
    "decoder_depth": 1,
    "mask_fraction": 0.75,
    "context_tokens": 3,
    "latent_tokens": 2,
    "latent_size": 16,
    "latent_depth": 1,
    "levels": 4,
    "dropout": 0.0,
    "pretraining_epochs": 2,
    "pretraining_lr": 1e-3,
    "epochs": 300,
    "patience": 300,
    "batch_size": 8,
    "lr": 2e-3,
    "weight_decay": 0.0,
    "steps": 10,
    "draws": 2,
}


@pytest.mark.slow
def test_every_image_that_is_drawn_is_closest_to_its_own_stimulus():
    """Eight digits, each with voxels of its own."""
    every = np.arange(8)
    samples = Samples(
        brain=np.random.default_rng(0).normal(size=(8, 30)),
        images=character_images("01234567"),
        stimulus=every.astype(str),
        label=every,
        session=np.zeros(8, int),
    )
    method = MindVis.configured(SETTINGS, "x")
    decoder = method.fit(FitData(samples, samples, samples), 0, lambda line: None)
    predicted = decoder.predict(samples.brain)
    for images in (predicted.images, predicted.draws[0]):
        distance = ((images[:, None] - samples.images[None]) ** 2).mean((2, 3))
        assert (distance.argmin(1) == every).mean() > 0.8
