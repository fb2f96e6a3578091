"""cortexclip: each closed form against a dense or brute-force computation, and the whole on data with a known answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from samples import METHODS, RIDGE, honest_data, make_samples, silent, take
from scipy.ndimage import affine_transform, generic_filter
from scipy.optimize import lsq_linear
from scipy.stats import linregress, multivariate_normal
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import KernelCenterer

from cortexclip.errors import InputError
from cortexclip.features.glyphs import render_shapes
from cortexclip.methods import cortexclip
from cortexclip.methods.interface import FitData, Samples
from cortexclip.methods.ridge import Ridge
from cortexclip.numerics.image_prior import block_centres, components, deform, joint_axes, posterior_mean, prior_axes
from cortexclip.numerics.kernels import fit_kernel, median_distance, squared_distance
from cortexclip.numerics.receptive_fields import fit_encoding, gaussian_fields, local_contrast, mean_fields
from cortexclip.numerics.ridge import fit_ridge
from cortexclip.numerics.stacking import Stack

SHAPE = (10, 12)
METHOD = cortexclip.CortexClip.configured(
    METHODS["cortexclip"]["settings"]
    | {"folds": 3, "copies": 60, "coordinates": 60, "contrast_coordinates": 60, "doubt": [1]},
    "cortexclip",
)


@pytest.fixture(scope="module")
def fitted():
    """A small encoding model and what it was fitted on: 15 images of 10 x 12 pixels, 9 voxels."""
    rng = np.random.default_rng(3)
    images = rng.uniform(size=(15, *SHAPE))
    pixels = images.reshape(15, -1)
    fields = gaussian_fields(SHAPE, (0.1, 0.3), 4)
    brain = pixels @ fields[rng.integers(len(fields), size=9)].T
    brain = brain / brain.std(axis=0) + 0.5 * rng.normal(size=brain.shape)
    axes, inverse = prior_axes(images, 0.3, 1.5, 120)
    return fit_encoding(brain, pixels, fields, axes, inverse, True), brain, pixels


def dense(encoding, shared, doubt):
    """Fields and noise covariance of an encoding model in pixels and voxels, for z-scored voxels."""
    fields = encoding.inverse @ encoding.fields.T
    n = len(encoding.residual)
    noise = (1 - shared) * np.diag(encoding.noise) + shared * encoding.residual.T @ encoding.residual / n
    return fields.T, doubt * noise, encoding.axes.T @ encoding.axes


def test_fields_sum_to_one_around_their_centres():
    fields = gaussian_fields(SHAPE, (0.05, 0.1), 2).reshape(2, 5, 6, *SHAPE)
    np.testing.assert_allclose(fields.sum(axis=(-1, -2)), 1)
    inner = fields[0, 2, 3]
    assert np.einsum("yx,yx->", inner, np.indices(SHAPE)[0]) == pytest.approx(4.5, abs=1e-6)
    assert np.einsum("yx,yx->", inner, np.indices(SHAPE)[1]) == pytest.approx(6.5, abs=1e-6)
    spread = np.einsum("yx,yx->", inner, (np.indices(SHAPE)[1] - 6.5) ** 2)
    assert spread == pytest.approx((0.05 * 12) ** 2, rel=0.03)  # cut off at the border


def test_the_mean_field_is_that_of_single_regressions():
    rng = np.random.default_rng(0)
    seen, fields = rng.normal(size=(12, 7)), rng.normal(size=(7, 5))
    seen -= seen.mean(axis=0)
    responses = seen[:, [0, 3, 3]] + rng.normal(size=(12, 3))
    responses = (responses - responses.mean(axis=0)) / responses.std(axis=0)
    found = mean_fields(responses, seen, fields)
    for voxel in range(3):
        lines = [linregress(seen[:, k], responses[:, voxel]) for k in range(7)]
        likelihood = np.array([(1 - max(line.rvalue, 0) ** 2) ** (-12 / 2) for line in lines])
        gains = np.array([max(line.slope, 0) for line in lines])
        np.testing.assert_allclose(found[voxel], (likelihood / likelihood.sum() * gains) @ fields, rtol=1e-9)


def test_all_axes_together_are_the_covariance():
    images = np.random.default_rng(1).uniform(size=(30, *SHAPE))
    axes, inverse = prior_axes(images, 0.4, 2.0, 120)
    position = np.array([(y, x) for y in range(SHAPE[0]) for x in range(SHAPE[1])])
    distance = ((position[:, None] - position[None]) ** 2).sum(axis=-1)
    pixels = images.reshape(30, -1)
    near = np.exp(-distance / 8) * np.outer(pixels.std(axis=0), pixels.std(axis=0))
    np.testing.assert_allclose(axes.T @ axes, 0.6 * np.cov(pixels.T, bias=True) + 0.4 * near, atol=1e-12)
    np.testing.assert_allclose(axes @ inverse, np.eye(120), atol=1e-6)


def test_axes_of_images_and_features_are_the_localised_covariance():
    rng = np.random.default_rng(2)
    images, mean = rng.uniform(size=(40, *SHAPE)), rng.uniform(size=150)
    vectors = np.c_[images.reshape(40, 10 // 2, 2, 12 // 2, 2).max(axis=(2, 4)).reshape(40, 30), images.reshape(40, -1)]
    position = np.concatenate([block_centres(SHAPE, 2), block_centres(SHAPE)])
    assert position[7].tolist() == [2.5, 2.5] and position[30 + 13].tolist() == [1, 1]
    axes, inverse = joint_axes(vectors, mean, position, 0.4, 2.0, 150)
    for i, j in [(0, 0), (7, 55), (149, 3), (120, 121)]:
        covariance = np.mean((vectors[:, i] - mean[i]) * (vectors[:, j] - mean[j]))
        near = np.exp(-((position[i] - position[j]) ** 2).sum() / 8)
        assert axes[:, i] @ axes[:, j] == pytest.approx(covariance * (0.6 + 0.4 * near), abs=1e-9)
    np.testing.assert_allclose(axes @ inverse, np.eye(len(axes)), atol=1e-6)
    few, _ = joint_axes(vectors, mean, position, 0.4, 2.0, 20)
    np.testing.assert_allclose(abs(few @ inverse[:, :20]), np.eye(20), atol=1e-6)


def test_local_contrast_is_the_root_of_the_weighted_standard_deviation():
    images = np.random.default_rng(3).uniform(size=(2, 7, 8))
    sigma, radius = 0.1 * 8, round(4 * 0.1 * 8)
    weight = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weight = np.outer(weight, weight).ravel() / weight.sum() ** 2

    def spread(window):
        return np.sqrt(np.average((window - np.average(window, weights=weight)) ** 2, weights=weight))

    single = np.array([generic_filter(image, spread, 2 * radius + 1, mode="reflect") for image in images]) ** 0.5
    np.testing.assert_allclose(local_contrast(images, 0.1, 1), single.reshape(2, -1), atol=1e-8)
    blocks = local_contrast(images, 0.1, 2).reshape(2, 4, 4)
    np.testing.assert_allclose(blocks[:, 1, 2], single[:, 2:4, 4:6].mean(axis=(1, 2)), atol=1e-8)
    np.testing.assert_allclose(blocks[:, 3, 0], single[:, 6, :2].mean(axis=1), atol=1e-8)  # the last row is continued
    assert local_contrast(np.full((1, 6, 6), 0.3), 0.1, 2) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_one_component_is_the_conditional_mean_of_a_gaussian(fitted, shared):
    encoding, brain, pixels = fitted
    evidence = encoding.evidence(shared)
    fields, noise, prior = dense(encoding, shared, doubt=2.5)
    gain = prior @ fields.T @ np.linalg.inv(fields @ prior @ fields.T + noise)
    expected = pixels.mean(axis=0) + encoding.scaler(brain) @ gain.T
    centre = components(evidence, pixels.mean(axis=0)[None])
    np.testing.assert_allclose(posterior_mean(evidence, evidence.read(brain), centre, 1.0, 2.5), expected, atol=1e-8)


@pytest.mark.parametrize("width", [0.2, 0.7])
def test_a_mixture_weighs_components_by_the_likelihood_of_all_voxels(fitted, width):
    encoding, brain, pixels = fitted
    evidence, new = encoding.evidence(0.2), brain[:4] + 0.1
    fields, noise, prior = dense(encoding, 0.2, doubt=1.5)
    total = fields @ (width**2 * prior) @ fields.T + noise
    gain = width**2 * prior @ fields.T @ np.linalg.inv(total)
    z, mean = encoding.scaler(new), pixels.mean(axis=0)
    answers = (pixels[:6] - mean) @ fields.T
    logarithm = np.array([multivariate_normal(a, total).logpdf(z) for a in answers]).T
    weight = np.exp(logarithm - logarithm.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    expected = weight @ pixels[:6] + (z - weight @ answers) @ gain.T
    found = posterior_mean(evidence, evidence.read(new), components(evidence, pixels[:6]), width, 1.5)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_a_deformation_is_an_affine_map_and_nothing_is_random():
    images = render_shapes(3, seed=4).images
    copies = deform(images, 5, 1.0)
    assert copies.shape == (3, 5, 28, 28)
    np.testing.assert_array_equal(copies, deform(images, 5, 1.0))
    np.testing.assert_allclose(deform(images, 2, 0.0), images[:, None].repeat(2, axis=1), atol=1e-6)
    assert len(np.unique(copies.reshape(15, -1), axis=0)) == 15
    # Bilinear interpolation at affine positions is linear in the image, and a constant image shows where it is inside.
    grey = deform(np.full((1, 28, 28), 0.5), 40, 1.0)
    np.testing.assert_allclose(grey[:, :, 9:19, 9:19], 0.5, atol=1e-6)
    ramp = np.indices((28, 28))[0] / 28.0
    for copy in deform(ramp[None], 6, 1.0)[0, :, 9:19, 9:19]:
        assert np.abs(np.diff(copy, n=2, axis=0)).max() < 1e-5
        assert np.abs(np.diff(copy, n=2, axis=1)).max() < 1e-5


def test_a_deformation_of_one_image_is_the_same_as_with_scipys_affine_transform(monkeypatch):
    image = render_shapes(1, seed=2).images[0]
    monkeypatch.setattr(
        "cortexclip.numerics.image_prior.norm.ppf", lambda points: np.tile([1, 1, -1, 1, 1, -1], (1, 1))
    )
    c, s = np.cos(0.1), np.sin(0.1)
    matrix = np.array([[c, -s], [s, c]]) @ np.array([[1, 0], [0.12, 1]]) @ np.diag(np.exp([-0.12, 0.12]))
    centre = np.full(2, 13.5)
    expected = affine_transform(image, matrix, centre - matrix @ centre + [1.5, -1.5], order=1)
    np.testing.assert_allclose(deform(image[None], 1, 1.0)[0, 0], expected, atol=1e-5)


def test_kernels_agree_with_ridge_and_with_scikit_learn():
    rng = np.random.default_rng(5)
    features, targets, new = rng.normal(size=(20, 6)) + 1, rng.normal(size=(20, 3)), rng.normal(size=(4, 6))
    centred = features - features.mean(axis=0)
    unit = (centred**2).sum() / 20
    linear = fit_kernel(features, targets, None, np.array([0.02]))(new)
    np.testing.assert_allclose(linear, fit_ridge(features, targets, np.array([0.02 * unit])).predict(new), atol=1e-10)
    gamma = 1 / (2 * (0.7 * median_distance(squared_distance(features, features))) ** 2)
    kernel = rbf_kernel(features, gamma=gamma)
    centring = KernelCenterer().fit(kernel)
    alpha = 0.02 * centring.transform(kernel).trace() / 20
    model = KernelRidge(alpha=alpha, kernel="precomputed").fit(
        centring.transform(kernel), targets - targets.mean(axis=0)
    )
    expected = model.predict(centring.transform(rbf_kernel(new, features, gamma=gamma))) + targets.mean(axis=0)
    np.testing.assert_allclose(fit_kernel(features, targets, 0.7, np.array([0.02]))(new), expected, atol=1e-10)


def test_the_stack_is_a_non_negative_least_squares_fit():
    rng = np.random.default_rng(6)
    predictions = rng.normal(size=(5, 8, 30))
    target = 0.7 * predictions[0] + 0.4 * predictions[3] - 0.5 * predictions[4] + rng.normal(size=(8, 30))
    stack = Stack()
    stack.add(predictions[:, :3], target[:3])
    stack.add(predictions[:, 3:], target[3:])
    weights = stack.weights()
    flat = predictions.reshape(5, -1).T
    np.testing.assert_allclose(weights, lsq_linear(flat, target.ravel(), (0, np.inf)).x, atol=1e-4)
    assert weights[4] == 0
    assert stack.error(weights) == pytest.approx(((target.ravel() - flat @ weights) ** 2).sum())


def test_equal_predictions_share_a_weight_and_none_is_needed_where_nothing_is_predicted():
    stack = Stack()
    stack.add(np.ones((2, 1, 4)), np.ones((1, 4)))
    assert stack.weights() == pytest.approx([0.5, 0.5], abs=1e-5)
    empty = Stack()
    empty.add(np.zeros((2, 1, 4)), np.ones((1, 4)))
    assert not empty.weights().any()


def test_predictions_that_do_not_help_other_folds_are_left_out():
    rng = np.random.default_rng(7)
    target, noise = rng.normal(size=(4, 6, 50)), rng.normal(size=(3, 4, 6, 50))
    good = target + 0.3 * noise[0]
    sets = np.array([0]), np.array([0, 1])
    lucky = good + 3 * noise[2]
    lucky[0] = target[0]  # right in one fold alone, so that it gets a weight for it and is wrong elsewhere
    for second, expected in ((target + 0.3 * noise[1], [0, 1]), (lucky, [0])):
        stack = Stack()
        for fold in range(4):
            stack.add(np.stack([good[fold], second[fold]]), target[fold])
        assert stack.chosen(*sets).tolist() == expected
        each = np.stack([good, second])
        errors = [sum(stack_error(each[rows], target, fold) for fold in range(4)) for rows in sets]
        assert expected == sets[int(np.argmin(errors))].tolist()


def stack_error(predictions: np.ndarray, target: np.ndarray, fold: int) -> float:
    """Squared error on one fold of the non-negative weights that fit the other folds best."""
    rest = np.arange(len(target)) != fold
    weights = lsq_linear(predictions[:, rest].reshape(len(predictions), -1).T, target[rest].ravel(), (0, np.inf)).x
    return float(((np.tensordot(weights, predictions[:, fold], 1) - target[fold]) ** 2).sum())


def seen_by_fields(n_images: int, repeats: int, noise: float, seed: int) -> Samples:
    """Shapes seen by 120 voxels with receptive fields: what the encoding model supposes."""
    rng = np.random.default_rng(seed)
    images = render_shapes(n_images, seed=seed).images
    fields = gaussian_fields((28, 28), (0.05, 0.1, 0.2), 3)
    fields = fields[np.random.default_rng(1).permutation(len(fields))[:120]]
    rows = np.tile(np.arange(n_images), repeats)
    brain = images.reshape(n_images, -1)[rows] @ fields.T
    brain = brain + noise * brain.std(axis=0) * rng.normal(size=brain.shape)
    names = np.array([f"shape-{seed}-{row}" for row in rows])
    return Samples(brain, images[rows], names, np.zeros(len(rows), int), np.zeros(len(rows), int))


def error(decoder, samples: Samples) -> float:
    return float(((decoder.predict(samples.brain).images - samples.images) ** 2).mean())


def test_images_seen_before_are_recognised():
    samples = seen_by_fields(8, 4, 0.3, seed=0)
    data = FitData(take(samples, slice(0, 24)), take(samples, slice(24, 32)), samples)
    decoder = METHOD.fit(data, 0, silent)
    assert decoder.facts()["inner_folds_by"] == "sample"
    assert error(decoder, samples) < 1e-3
    assert decoder.facts()["weight_seen"] > 0.9


def test_images_never_seen_are_told_better_than_by_ridge():
    samples, new = seen_by_fields(40, 1, 0.5, seed=0), seen_by_fields(30, 1, 0.5, seed=5)
    data = FitData(take(samples, slice(0, 32)), take(samples, slice(32, 40)), samples)
    decoder = METHOD.fit(data, 0, silent)
    assert decoder.facts()["inner_folds_by"] == "stimulus"
    baseline = Ridge.configured(RIDGE, "x").fit(data, 0, silent)
    assert error(decoder, new) < 0.9 * error(baseline, new)


def test_voxels_that_follow_local_contrast_are_decoded_by_the_model_of_it():
    samples, new = seen_by_fields(40, 1, 0.5, seed=0), seen_by_fields(30, 1, 0.5, seed=5)
    fields = gaussian_fields((14, 14), (0.05, 0.1, 0.2), 1)
    fields = fields[np.random.default_rng(1).permutation(len(fields))[:120]]
    noise = np.random.default_rng(9)

    def seeing_contrast(part: Samples) -> Samples:
        brain = local_contrast(part.images, 0.025, 2) @ fields.T
        return replace(part, brain=brain + 0.5 * brain.std(axis=0) * noise.normal(size=brain.shape))

    samples, new = seeing_contrast(samples), seeing_contrast(new)
    decoder = METHOD.fit(FitData(take(samples, slice(0, 32)), take(samples, slice(32, 40)), samples), 0, silent)
    facts = decoder.facts()
    assert facts["weight_contrast"] > max(facts["weight_deformed"], facts["weight_gaussian"])
    baseline = Ridge.configured(RIDGE, "x").fit(FitData(samples, samples, samples), 0, silent)
    assert error(decoder, new) < error(baseline, new)


def test_where_voxels_know_nothing_the_mean_image_is_answered():
    samples = seen_by_fields(40, 1, 0.5, seed=0)
    nothing = replace(samples, brain=np.random.default_rng(2).normal(size=(40, 120)))
    data = FitData(take(nothing, slice(0, 32)), take(nothing, slice(32, 40)), nothing)
    decoder = METHOD.fit(data, 0, silent)
    variance = float(((samples.images - samples.images.mean(axis=0)) ** 2).mean())
    new = replace(samples, brain=np.random.default_rng(3).normal(size=(40, 120)))
    assert error(decoder, new) < 1.1 * variance


def test_voxels_of_any_scale_constant_ones_among_them_give_the_same_images():
    samples = make_samples(24)
    factor = np.random.default_rng(4).uniform(0.1, 50, 30)
    scaled = replace(samples, brain=np.c_[samples.brain * factor - 3, np.full(24, 7.0)])
    expected = METHOD.fit(FitData(samples, samples, samples), 0, silent).predict(samples.brain)
    found = METHOD.fit(FitData(scaled, scaled, scaled), 0, silent).predict(scaled.brain)
    np.testing.assert_allclose(found.images, expected.images, atol=1e-6)


def test_too_few_images_are_refused():
    data = honest_data()
    few = take(data.final, slice(0, 2))
    with pytest.raises(InputError, match="2 distinct images to train on cannot be cut into inner folds"):
        METHOD.fit(FitData(few, take(data.final, slice(2, 3)), few), 0, silent)
