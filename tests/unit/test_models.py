"""Networks and closed forms against their specification, an independent implementation or the equation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from precision import in_double
from sklearn.linear_model import Ridge, RidgeCV
from torch.nn import functional

from cortexclip.methods.cccv1.network import CCCV1
from cortexclip.methods.clip_encoder.network import BrainEncoder, info_nce
from cortexclip.numerics.readout import nearest_images, unit_length
from cortexclip.numerics.ridge import fit_dual, fit_ridge, penalty_grid
from cortexclip.numerics.standardise import fit_scaler
from cortexclip.training.layers import Dropout, LayerNorm, Linear


@pytest.mark.parametrize(("n_samples", "n_features"), [(20, 50), (50, 8)])
def test_ridge_equals_scikit_learn(n_samples, n_features):
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(n_samples, n_features)), rng.normal(size=(n_samples, 3)) + 2
    penalties = penalty_grid(1e-2, 1e4, 13)
    ours = fit_ridge(features, targets, penalties)
    theirs = RidgeCV(penalties).fit(features, targets)
    assert ours.penalty == pytest.approx(theirs.alpha_)
    new = rng.normal(size=(5, n_features))
    np.testing.assert_allclose(ours.predict(new), theirs.predict(new), atol=1e-9)


def test_leave_one_out_in_closed_form_equals_refitting():
    rng = np.random.default_rng(1)
    features, targets = rng.normal(size=(12, 30)), rng.normal(size=(12, 2))
    ours = fit_ridge(features, targets, np.array([3.0]))
    for left_out in range(12):
        kept = np.arange(12) != left_out
        expected = Ridge(3.0).fit(features[kept], targets[kept]).predict(features[[left_out]])[0]
        np.testing.assert_allclose(ours.loo_prediction[left_out], expected, atol=1e-9)
    np.testing.assert_allclose(ours.loo_error, np.mean((ours.loo_prediction - targets) ** 2))


def test_ridge_with_one_sample_is_refused():
    with pytest.raises(ValueError, match="at least 2 samples"):
        fit_dual(np.zeros((1, 1)), np.zeros((1, 1)), np.array([1.0]))


def test_scaling_uses_the_training_samples_and_leaves_constant_voxels_unscaled():
    brain = np.array([[1.0, 5.0, 1e6], [3.0, 5.0, 1e6 + 2]])
    scaler = fit_scaler(brain)
    np.testing.assert_allclose(scaler(brain), [[-1, 0, -1], [1, 0, 1]])
    np.testing.assert_allclose(scaler(np.array([[2.0, 6.0, 1e6 + 1]])), [[0, 1, 0]])
    np.testing.assert_allclose(fit_scaler(brain, standardise=False)(brain), brain)


def test_cccv1_has_the_parameters_of_its_document():
    network = CCCV1(967, 784, 0.06, 0.02, 0.1)
    assert sum(p.numel() for p in network.parameters()) == 3_763_216
    rates = [m.rate for m in network.modules() if isinstance(m, Dropout)]
    assert rates == pytest.approx([0.06, 0.042, 0.03, 0.02])


@in_double()
def test_cccv1_computes_what_its_document_says():
    torch.manual_seed(0)
    network = CCCV1(12, 784, 0.06, 0.02, 0.1).eval()
    brain = torch.randn(1, 4, 12)
    hidden, linear, norm = brain, Linear, LayerNorm
    layers = [m for m in network.encoder if isinstance(m, linear | norm)]
    for i in range(0, 6, 2):
        hidden = functional.silu(layers[i + 1](layers[i](hidden)))
    embedding = functional.normalize(torch.tanh(layers[7](layers[6](hidden))), dim=-1)
    first, second = (m for m in network.enhancer.layers if isinstance(m, linear))
    enhanced = functional.normalize(embedding + 0.1 * torch.tanh(second(functional.silu(first(embedding)))), dim=-1)
    decoder = [m for m in network.decoder if isinstance(m, linear | norm)]
    expected = torch.sigmoid(decoder[2](functional.silu(decoder[1](decoder[0](enhanced)))))
    torch.testing.assert_close(network(brain), expected)
    torch.testing.assert_close(network.embed(brain).norm(dim=-1), torch.ones(1, 4))


@in_double()
def test_the_brain_encoder_has_the_layers_of_its_source():
    network = BrainEncoder(967, 512, (2048, 1024), 0.3, 0.07, learn_temperature=False)
    expected = (967 * 2048 + 2048) + 2 * 2048 + (2048 * 1024 + 1024) + 2 * 1024 + (1024 * 512 + 512)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == expected
    assert network.temperature.item() == pytest.approx(0.07)
    torch.testing.assert_close(network.eval()(torch.randn(1, 3, 967)).norm(dim=-1), torch.ones(1, 3))
    assert BrainEncoder(9, 4, (8,), 0.3, 0.07, learn_temperature=True).log_temperature.requires_grad


@in_double()
def test_info_nce_is_the_cross_entropy_both_ways_without_duplicates():
    generator = torch.Generator().manual_seed(0)
    brain, image = (functional.normalize(torch.randn(2, 5, 8, generator=generator), dim=-1) for _ in range(2))
    temperature, same = torch.tensor([0.07, 0.2]), torch.eye(5, dtype=torch.bool).expand(2, -1, -1)
    losses = info_nce(brain, image, same, temperature)
    padded = info_nce(brain, image, same, temperature, torch.tensor([[1.0] * 5, [1.0] * 4 + [0.0]]))
    for member, n in ((0, 5), (1, 5), (1, 4)):
        logits, target = brain[member, :n] @ image[member, :n].T / temperature[member], torch.arange(n)
        expected = (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
        torch.testing.assert_close((losses if n == 5 else padded)[member], expected)


@in_double()
def test_copies_of_a_stimulus_are_not_negatives_of_each_other():
    """With every sample the same stimulus there is nothing to tell apart: a perfect answer costs only the log of n."""
    image = functional.normalize(torch.ones(1, 4, 8), dim=-1)
    same = torch.ones(1, 4, 4, dtype=torch.bool)
    loss = info_nce(image, image, same, torch.tensor([0.07]))
    torch.testing.assert_close(loss, torch.log(torch.tensor([4.0])))
    pairs = functional.normalize(torch.eye(2, 8).repeat_interleave(2, 0), dim=1)[None]
    same = torch.eye(2, dtype=torch.bool).repeat_interleave(2, 0).repeat_interleave(2, 1)[None]
    positives = info_nce(pairs, pairs, same, torch.tensor([0.01]))
    torch.testing.assert_close(positives, torch.log(torch.tensor([2.0])))


def test_the_nearest_image_is_that_of_highest_cosine():
    gallery = np.array([[1.0, 0.0], [0.0, 1.0]])
    images = np.arange(8.0).reshape(2, 2, 2)
    found = nearest_images(np.array([[5.0, 1.0], [0.1, 0.2]]), gallery, images)
    np.testing.assert_array_equal(found, images)
    np.testing.assert_allclose(unit_length(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])
