"""MindEye: its network, losses and prior, against plain computations and a known answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from samples import make_samples, silent
from scipy import stats

from cortexclip.configuration.config import read_yaml
from cortexclip.methods import interface
from cortexclip.methods.catalogue import settings_for
from cortexclip.methods.interface import KEPT_DRAWS, FitData
from cortexclip.methods.mindeye import MindEye
from cortexclip.methods.mindeye.network import SHARE, beta_quantiles, mixing_shares, sample_prior, training_loss
from cortexclip.methods.mindeye.network import MindEye as Network
from cortexclip.runtime.project import root
from cortexclip.training.noise import Noise, step_keys
from cortexclip.training.stack import Batch, parameter_count

SETTINGS = settings_for(read_yaml(root() / "config/methods.yaml")["mindeye"], "", 50)


def noise(members: int = 1, seed: int = 0) -> Noise:
    keys = step_keys(np.arange(seed, seed + members), np.zeros(1, np.int64), 8)[0]
    return Noise(torch.as_tensor(keys))


def batch(n: int, weight: torch.Tensor | None = None, members: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(1)
    embedding = torch.randn(members, n, 12, generator=generator)
    return Batch(
        {
            "brain": torch.randn(members, n, 30, generator=generator),
            "pixels": torch.rand(members, n, 16, generator=generator),
            "embedding": embedding / embedding.norm(dim=-1, keepdim=True),
            "stimulus": torch.arange(n).expand(members, n) // 2,
        },
        weight,
        noise(members),
    )


def network() -> Network:
    torch.manual_seed(0)
    return Network(30, 16, 12, width=24, depth=2, dropout=0.0, prior_width=20).train()


def test_the_network_has_the_sizes_that_it_says():
    expected = 30 * 24 + 24  # ridge
    expected += 2 * (2 * 24 + 24 * 24 + 24) + 2 * 24  # blocks, and the normalisation after them
    expected += 24 * 12 + 12 + 2 * 12 + 12 * 12 + 12  # embedding, projector
    expected += (2 * 12 + 2) * 20 + 20 + 20 * 20 + 20 + 2 * 2 * 20 + 20 * 12 + 12  # denoiser
    assert parameter_count(network()) == expected + 24 * 16 + 16
    hidden = network().backbone(batch(5)["brain"])
    assert hidden.shape == (1, 5, 24)
    torch.testing.assert_close(network().retrieve(hidden).norm(dim=-1), torch.ones(1, 5))


def test_shares_of_mixed_samples_follow_the_beta_distribution_and_stay_within_the_samples():
    weight = torch.ones(1, 400)
    weight[:, 300:] = 0
    given = batch(400, weight)
    shares = mixing_shares(given, 0.15)[0, :300]
    torch.testing.assert_close(shares.sum(-1), torch.ones(300))
    assert (shares[:, 300:] == 0).all()
    halves = given.noise.uniform(SHARE, (1, 400))[0, :300] < 0.5
    mixed = shares.diagonal()[halves].numpy()
    assert (shares.diagonal()[~halves] == 1).all() and 0.4 < len(mixed) / 300 < 0.6
    assert stats.kstest(mixed, stats.beta(0.15, 0.15).cdf).pvalue > 0.01
    assert np.allclose(beta_quantiles(2.0), stats.beta(2, 2).ppf((np.arange(1024) + 0.5) / 1024))


def test_the_contrastive_losses_equal_plain_loops():
    """BiMixCo and SoftCLIP as the source's code computes them, sample by sample."""
    settings, net, given = SimpleNamespace(**SETTINGS), network(), batch(6)
    bare = SimpleNamespace(**SETTINGS | {"contrastive_weight": 0.0})
    target = given["embedding"][0].double()

    def cross_entropy(logits, targets):
        return -(targets * torch.log_softmax(logits, 1)).sum(1).mean()

    for mixed in (True, False):
        found = training_loss(net, given, settings, mixed) - training_loss(net, given, bare, mixed)
        brain, same = given["brain"], torch.zeros(6, 6)
        for i in range(6):
            for j in range(6):
                same[i, j] = float(i // 2 == j // 2)
        if mixed:
            share = mixing_shares(given, settings.mixup)
            brain, positive = share @ brain, share[0] @ same
        else:
            positive = torch.softmax(target @ target.T / settings.temperature, 1)
        predicted = net.retrieve(net.backbone(brain))[0].double()
        logits = predicted @ target.T / settings.temperature
        rows = positive / positive.sum(1, keepdim=True).clamp(min=1)
        columns = positive.T / positive.T.sum(1, keepdim=True).clamp(min=1)
        expected = (cross_entropy(logits, rows) + cross_entropy(logits.T, columns)) / 2 * settings.contrastive_weight
        assert found.item() == pytest.approx(expected.item(), rel=1e-4)


def test_padding_changes_nothing():
    whole, settings = batch(6), SimpleNamespace(**SETTINGS)
    padded = {name: torch.cat([array, array[:, :2]], dim=1) for name, array in whole.data.items()}
    weight = torch.tensor([[1.0] * 6 + [0.0] * 2])
    for mixed in (True, False):
        expected = training_loss(network(), whole, settings, mixed)
        torch.testing.assert_close(
            training_loss(network(), Batch(padded, weight, whole.noise), settings, mixed), expected
        )


@dataclass
class Gaussian:
    """The denoiser of embeddings that are normal with these means and deviation: the mean of what they may be."""

    mean: torch.Tensor
    deviation: float

    def denoise(self, noisy, hidden, level):
        kept, added = (function(level * math.pi / 2)[..., None] for function in (torch.cos, torch.sin))
        gain = kept * self.deviation**2 / (kept**2 * self.deviation**2 + added**2)
        return self.mean + gain * (noisy - kept * self.mean)


def test_the_prior_draws_from_the_distribution_that_its_denoiser_knows():
    mean, hidden = torch.tensor([1.0, -2.0, 0.5]), torch.zeros(1, 1, 4)
    drawn = torch.tensor([0.3, -1.0, 2.0])
    sampled = sample_prior(Gaussian(mean, 0.7), hidden, drawn, 400)[0, 0]
    torch.testing.assert_close(sampled, mean + 0.7 * drawn, atol=0.02, rtol=0)


def test_it_learns_eight_samples_by_heart():
    samples = make_samples(8)
    values = SETTINGS | {"epochs": 300, "mixed_epochs": 20, "patience": 300, "dropout": 0.0, "weight_decay": 0.0}
    decoder = MindEye.configured(values | {"width": 64, "prior_width": 64}, "x").fit(
        FitData(samples, samples, samples), 0, silent
    )
    predicted = decoder.predict(samples.brain)
    assert np.mean((predicted.images - samples.images) ** 2) < 0.05 * samples.images.var(0).mean()
    assert np.array_equal(predicted.nearest, samples.images)
    assert predicted.draws.shape == (KEPT_DRAWS, 8, 28, 28)
    with mock.patch.object(interface, "KEPT_DRAWS", SETTINGS["draws"]):
        every = decoder.predict(samples.brain).draws
    assert len(every) == SETTINGS["draws"] > KEPT_DRAWS
    np.testing.assert_array_equal(predicted.draws, every[:KEPT_DRAWS])
    np.testing.assert_allclose(predicted.images, every.mean(axis=0), atol=1e-6)
