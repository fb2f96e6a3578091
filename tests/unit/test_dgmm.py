"""DGMM: its network against the source's, the voxels' posterior against the bound and a planted truth, and neighbours."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from precision import in_double
from samples import make_samples, silent
from scipy.special import digamma, gammaln
from scipy.stats import norm
from torch.nn import functional

from cortexclip.errors import InputError
from cortexclip.methods.catalogue import points_of
from cortexclip.methods.dgmm import DGMM as DGMMMethod
from cortexclip.methods.dgmm.network import DGMM, negative_bound, widest
from cortexclip.methods.dgmm.voxel_view import Inference, VoxelView
from cortexclip.methods.interface import FitData, Prediction, Saved
from cortexclip.numerics.standardise import fit_range_scaler
from cortexclip.training import stack
from cortexclip.training.noise import Noise, step_keys

SETTINGS = {
    "latents": 3,
    "noise_latents": 2,
    "filters": 4,
    "dense": 16,
    "image_weight": 10000,
    "divergence_weight": 1,
    "starts": 1,
    "epochs": 2,
    "batch_size": 4,
    "lr": 1e-3,
    "rounds": 20,
    "neighbours": 3,
    "width": 10,
    "pull": 0.1,
    "draws": 5,
}


def method(**changes) -> DGMMMethod:
    return DGMMMethod.configured(SETTINGS | changes, "x")


def planted(n: int = 200, n_voxels: int = 60, noise: float = 0.3, seed: int = 0):
    """Latents, voxels that see them linearly with two further latents and noise, and what these were made of."""
    rng = np.random.default_rng(seed)
    latents, shared = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    b, h = rng.normal(size=(3, n_voxels)), 2 * rng.normal(size=(2, n_voxels))
    voxels = latents @ b + shared @ h + noise * rng.normal(size=(n, n_voxels))
    return latents, voxels, b, h, h.T @ h + noise**2 * np.eye(n_voxels)


def fitted(latents, voxels, rounds: int = 100) -> VoxelView:
    view = VoxelView(voxels, latents, np.full_like(latents, 1e-6), 2, np.random.default_rng(1))
    for _ in range(rounds):
        view.update()
    return view


def bound(view: VoxelView) -> float:
    """The variational bound of the voxels, from the densities and entropies of all factors."""
    n, n_voxels = view.voxels.shape

    def gamma(mean: float, count: int) -> tuple[float, float]:
        """Expected logarithm of a precision, and minus its divergence from Gamma(1, 1)."""
        shape = 1 + count / 2
        rate = shape / mean
        divergence = (shape - 1) * digamma(shape) - gammaln(shape) + np.log(rate) + shape * (1 - rate) / rate
        return digamma(shape) - np.log(rate), -divergence

    def normal(precision: float, log_precision: float, count: int, squares: float) -> float:
        return 0.5 * (count * (log_precision - np.log(2 * np.pi)) - precision * squares)

    def entropy(covariance: np.ndarray, copies: int) -> float:
        return 0.5 * copies * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]

    z, b, r, h = view.mean, view.b, view.r, view.h
    zz, rr = view.zz, r.T @ r + n * view.r_covariance
    bb, hh = b @ b.T + n_voxels * view.b_covariance, h @ h.T + n_voxels * view.h_covariance
    # E|y|^2 - 2 E y'(B'z + H'r) + 2 E z'B H'r + E|B'z|^2 + E|H'r|^2
    error = np.sum(view.voxels**2) - 2 * np.sum(view.voxels * (z @ b + r @ h)) + 2 * np.sum((z @ b) * (r @ h))
    error += np.trace(zz @ bb) + np.trace(rr @ hh)
    log_tau, of_tau = gamma(view.tau, b.size)
    log_eta, of_eta = gamma(view.eta, h.size)
    log_gamma, of_gamma = gamma(view.gamma, n * n_voxels)
    return (
        normal(view.gamma, log_gamma, n * n_voxels, error)
        + normal(view.tau, log_tau, b.size, np.trace(bb))
        + normal(view.eta, log_eta, h.size, np.trace(hh))
        + normal(1.0, 0.0, r.size, np.trace(rr))
        + entropy(view.b_covariance, n_voxels)
        + entropy(view.h_covariance, n_voxels)
        + entropy(view.r_covariance, n)
        + of_tau
        + of_eta
        + of_gamma
    )


def test_the_network_has_the_layers_of_the_source():
    """Parameters of each layer as Keras counts them, kernel times channels in times channels out plus channels out."""
    made = DGMM((28, 28), 6, 64, 128)
    encoder = [4 + 1, 4 * 64 + 64, 9 * 64**2 + 64, 9 * 64**2 + 64, 64 * 14**2 * 128 + 128]
    latents = [128 * 6 + 6] * 2
    decoder = [6 * 128 + 128, 128 * 64 * 14**2 + 64 * 14**2, *[9 * 64**2 + 64] * 3, 4 * 64 + 1]
    layers = [layer for layer in made.modules() if hasattr(layer, "weight")]
    assert [layer.weight.numel() + layer.bias.numel() for layer in layers] == encoder + latents + decoder
    assert stack.parameter_count(made) == sum(encoder + latents + decoder) == 3_411_602
    mean, log_scale = made.encode(torch.rand(1, 3, 784))
    assert mean.shape == log_scale.shape == (1, 3, 6)
    assert made.decode(mean).shape == (1, 3, 784)


def test_weights_begin_as_keras_draws_them():
    """Uniform up to sqrt(6 / (inputs + outputs)), where a kernel's positions count on both sides; biases are zero."""
    torch.manual_seed(0)
    made = DGMM((28, 28), 6, 64, 128)
    limits = {"encoder.5.weight": 9 * 128, "encoder.10.weight": 64 * 14**2 + 128, "decoder.9.weight": 9 * 128}
    parameters = dict(made.named_parameters())
    for name, fans in limits.items():
        limit = math.sqrt(6 / fans)
        assert 0.98 * limit < parameters[name].abs().max().item() <= limit
        assert parameters[name].std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert all((value == 0).all() for name, value in parameters.items() if name.endswith("bias"))


@in_double()
def test_the_loss_is_that_of_the_source():
    made, generator = DGMM((6, 4), 3, 4, 8), torch.Generator().manual_seed(0)
    data = {"pixels": torch.rand(1, 5, 24, generator=generator)}
    noise = Noise(torch.as_tensor(step_keys(np.arange(1), np.arange(1), 8)[0]))
    with torch.inference_mode():
        loss = negative_bound(10000, 1)(made, stack.Batch(data, None, noise))
        mean, log_scale = made.encode(data["pixels"])
        drawn = torch.as_tensor(norm.ppf(noise.uniform(0, mean.shape)))
        latents = mean + log_scale.exp() * drawn
        entropy = functional.binary_cross_entropy(torch.sigmoid(made.decode(latents)), data["pixels"])
        divergence = -0.5 * (1 + log_scale - mean**2 - log_scale.exp()).mean()
    torch.testing.assert_close(loss, (divergence + 10000 * entropy)[None])


def test_the_bound_of_the_voxels_rises_with_every_update():
    latents, voxels, *_ = planted(40, 30)
    variance = np.random.default_rng(2).uniform(0.1, 0.5, latents.shape)
    view = VoxelView(voxels, latents, variance, 2, np.random.default_rng(1))
    bounds = []
    for _ in range(50):
        view.update()
        bounds.append(bound(view))
    assert np.all(np.diff(bounds) > -1e-9 * abs(bounds[0]))
    assert bounds[-1] > bounds[0] + 100
    view.gamma *= 1.01  # the bound is largest at the posterior, so that a wrong factor lowers it
    assert bound(view) < bounds[-1]


def test_a_planted_truth_is_recovered():
    """The map of the latents to voxels, the covariance of the noise, and the latents of new samples."""
    latents, voxels, b, h, covariance = planted()
    view = fitted(latents, voxels, 5000)
    assert np.sqrt(np.mean((view.b - b) ** 2)) < 4 * math.sqrt(1 / 200)  # the further latents have a deviation of 3
    apart = np.eye(60) - np.linalg.pinv(h) @ h  # where they are not, the noise alone
    np.testing.assert_allclose(view.b @ apart, b @ apart, atol=4.5 * 0.3 * math.sqrt(1 / 200))
    found = view.h.T @ view.h + np.eye(60) / view.gamma  # R and H settle on their scales slowly
    assert np.linalg.norm(found - covariance) < 0.25 * np.linalg.norm(covariance)
    assert 1 / view.gamma == pytest.approx(0.3**2, rel=0.1)
    rng = np.random.default_rng(5)
    new = rng.normal(size=(50, 3))
    scored = new @ b + rng.multivariate_normal(np.zeros(60), covariance, 50)
    mean, deviation = Inference(Inference.arrays(view, 3), 3, 10.0, pull=0.0)(scored)
    assert np.mean((mean - new) ** 2) < 0.02
    assert np.all(deviation < 0.2)


def test_latents_follow_from_the_covariance_of_the_noise():
    """Against the posterior of a linear Gaussian model with the whole covariance, inverted."""
    _, voxels, b, h, covariance = planted(n=20)
    values = (b, h, h @ h.T, np.array([0.3**-2]), np.zeros((20, 3)), voxels, np.zeros(20))
    mean, deviation = Inference(dict(zip(Inference.NAMES, values, strict=True)), 3, 10.0, pull=0.0)(voxels)
    inverse = np.linalg.inv(covariance)
    expected = np.linalg.inv(b @ inverse @ b.T + np.eye(3))
    np.testing.assert_allclose(mean, voxels @ inverse @ b.T @ expected, atol=1e-7)
    np.testing.assert_allclose(deviation, np.tile(np.sqrt(np.diag(expected)), (20, 1)), atol=1e-9)


def test_neighbours_are_those_of_the_source():
    """As its graph of all training samples and one scored sample gives them, built link by link."""
    rng = np.random.default_rng(0)
    train, scored, k, width = rng.uniform(size=(25, 6)).astype(np.float32), rng.uniform(size=(10, 6)), 4, 0.5
    view = VoxelView(train, rng.normal(size=(25, 3)), np.ones((25, 3)), 2, rng)
    found = Inference(Inference.arrays(view, k), k, width, pull=0.1).weights(scored)
    for row, sample in zip(found, scored, strict=True):
        everyone = np.vstack([train.astype(float), sample])
        graph = np.zeros((26, 26))
        for i, one in enumerate(everyone):
            squared = np.sum((everyone - one) ** 2, axis=1)
            for j in np.argsort(squared)[: k + 1]:  # itself among them
                graph[i, j] = np.exp(-squared[j] / (2 * width**2))
        links = np.maximum(graph, graph.T)[:-1, -1]
        expected = np.zeros(25)
        order = np.argsort(-links)[1 : k + 1]
        expected[order] = links[order]
        np.testing.assert_allclose(row, expected, atol=1e-12)


def test_neighbours_draw_the_latents():
    latents, voxels, *_ = planted(n=30)
    arrays = Inference.arrays(fitted(latents, voxels, 5), 4)
    weights = Inference(arrays, 4, 50.0, pull=1.0).weights(voxels[:5] + 0.1)
    drawn, _ = Inference(arrays, 4, 50.0, pull=1e9)(voxels[:5] + 0.1)
    np.testing.assert_allclose(drawn, weights @ latents / weights.sum(axis=1, keepdims=True), atol=1e-4)


def test_few_training_samples_are_all_neighbours_but_the_nearest():
    latents, voxels, *_ = planted(n=3)
    weights = Inference(Inference.arrays(fitted(latents, voxels, 2), 10), 10, 100.0, pull=1.0).weights(voxels + 0.01)
    np.testing.assert_array_equal(weights > 0, ~np.eye(3, dtype=bool))


def test_voxels_are_scaled_to_their_range():
    brain = np.array([[1.0, 5.0, 2.0], [3.0, 5.0, -2.0]])
    np.testing.assert_allclose(fit_range_scaler(brain)(brain), [[0, 0, 1], [1, 0, 0]])


def test_eight_samples_are_learned():
    """Bars at eight heights, and voxels that are tuned to the height."""
    rng, samples = np.random.default_rng(0), make_samples(8)
    images = np.zeros((8, 16, 16), np.float32)
    for i in range(8):
        images[i, 2 * i : 2 * i + 2, 2:14] = 1
    tuned = np.exp(-((np.arange(8)[:, None] / 7 - np.linspace(0, 1, 4)) ** 2) / 0.1)
    brain = tuned @ rng.normal(size=(4, 1000)) + 0.02 * rng.normal(size=(8, 1000))
    samples = replace(samples, images=images, brain=brain)
    learning = method(latents=6, dense=64, filters=16, epochs=200, lr=2e-3, pull=0.0, rounds=200, starts=5)
    predicted = learning.fit(FitData(samples, samples, samples), 1, silent).predict(samples.brain).images
    constant = np.mean((images - images.mean(axis=0)) ** 2)
    assert np.mean((predicted - images) ** 2) < 0.1 * constant


def test_the_start_whose_latents_differ_most_is_trained():
    torch.manual_seed(0)
    networks = [DGMM((6, 4), 3, 4, 8) for _ in range(4)]
    pixels = np.random.default_rng(0).random((5, 24))
    with torch.no_grad():
        networks[2].encoder[1].weight.fill_(-1.0)  # of an image without negative pixels nothing passes
        spread = [made.encode(torch.as_tensor(pixels).float()[None])[0].std(1).mean().item() for made in networks]
    assert spread[2] == 0
    assert widest(networks, pixels) is networks[int(np.argmax(spread))]
    with torch.device("meta"):  # where the sizes of a network are counted
        assert isinstance(widest([DGMM((6, 4), 3, 4, 8)], pixels), DGMM)


def test_the_selection_part_trains_too_and_the_number_of_epochs_is_kept():
    samples = make_samples(12)
    parts = FitData(samples.take(np.arange(8)), samples.take(np.arange(8, 12)), samples)
    decoder = method().fit(parts, 0, silent)
    assert decoder.facts()["epoch"] == 2
    assert [row["stage"] for row in decoder.history()] == ["refit", "refit"]
    whole = method().fit(FitData(samples, samples, samples), 0, silent).weights()
    assert all(value.tobytes() == whole[name].tobytes() for name, value in decoder.weights().items())


def test_a_grid_is_refused():
    entry = {"module": "cortexclip.methods.dgmm", "settings": SETTINGS, "grid": {"lr": [1e-3, 1e-2]}}
    with pytest.raises(InputError, match="chooses nothing, so it takes no grid"):
        points_of(entry, "x", 50, "x")


def test_odd_images_are_refused():
    samples = make_samples(8)
    samples = replace(samples, images=samples.images[:, :27])
    with pytest.raises(InputError, match="27 x 28 pixels, expected even numbers."):
        method().fit(FitData(samples, samples, samples), 0, silent)


def test_each_sample_is_decoded_by_itself():
    samples = make_samples(12)
    decoder = method().fit(FitData(samples, samples, samples), 0, silent)
    scored = make_samples(5, seed=1).brain
    together = decoder.predict(scored)
    assert together.draws.shape == (4, 5, 28, 28)
    for i in range(5):
        alone = decoder.predict(scored[i : i + 1])
        np.testing.assert_allclose(alone.images[0], together.images[i], atol=1e-5)
        np.testing.assert_allclose(alone.draws[:, 0], together.draws[:, i], atol=1e-5)


def test_scored_voxels_are_scaled_to_their_own_range_where_the_source_did():
    samples, scored = make_samples(12), make_samples(5, seed=1).brain
    decoder = method().fit(FitData(samples, samples, samples), 0, silent)
    chosen = {**decoder.chosen, "scored_scaling": "range"}
    own = replace(decoder, chosen=chosen, read=lambda network, brain: Prediction(brain[0].numpy()))
    expected = (scored - scored.min(axis=0)) / np.ptp(scored, axis=0)
    np.testing.assert_allclose(own.predict(scored).images, expected, atol=1e-6)


def test_a_restored_decoder_predicts_the_same():
    samples, scored = make_samples(12), make_samples(5, seed=1).brain
    decoder = method().fit(FitData(samples, samples, samples), 0, silent)
    arrays = {name: np.float32(array) for name, array in decoder.weights().items()}
    restored = method().restore(Saved(arrays, decoder.facts(), (28, 28), "x"))
    np.testing.assert_allclose(restored.predict(scored).images, decoder.predict(scored).images, atol=1e-5)
    assert restored.facts() == decoder.facts()
    assert set(restored.weights()) == set(arrays)
