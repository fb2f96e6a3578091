"""Sparse logistic regression against scikit-learn's, patches and their combination, and planted contrasts."""

import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.linear_model import LogisticRegression

from cortexclip.methods.interface import FitData, Samples
from cortexclip.methods.local_decoders import (
    LocalDecoders,
    combination,
    contrasts,
    drawn_patches,
    patches,
)
from cortexclip.numerics.resize import line_weights
from cortexclip.numerics.smlr import fit_logistic


def test_the_regressions_are_those_of_scikit_learn():
    """Three targets at once, of which one has a level that never occurs in a subset."""
    rng = np.random.default_rng(0)
    x, penalty = rng.standard_normal((80, 20)), 0.02
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    weights = np.zeros((20, 3, 3))
    weights[:3] = 2 * rng.standard_normal((3, 3, 3))
    levels = (np.einsum("np,ptl->ntl", x, weights) + rng.gumbel(size=(80, 3, 3))).argmax(axis=2)
    found = fit_logistic(x, levels, 3, penalty, iterations=20000, tolerance=1e-9)
    for target in range(3):
        peer = LogisticRegression(l1_ratio=1, solver="saga", C=1 / (80 * penalty), max_iter=100000, tol=1e-10)
        peer.fit(x, levels[:, target])
        np.testing.assert_allclose(found.weights[:, target], peer.coef_.T, atol=1e-5)
        np.testing.assert_allclose(found.probabilities(x)[:, target], peer.predict_proba(x), atol=1e-5)
    assert (found.weights == 0).mean() > 0.3


def test_lines_are_averaged_and_interpolated_exactly():
    np.testing.assert_allclose(line_weights(4, 2) @ [1, 3, 5, 7], [2, 6])
    np.testing.assert_allclose(line_weights(28, 10).sum(axis=1), 1)
    np.testing.assert_allclose(line_weights(3, 2) @ [3, 6, 9], [4, 8])
    np.testing.assert_allclose(line_weights(2, 4) @ [0, 1], [0, 0.25, 0.75, 1])
    np.testing.assert_allclose(line_weights(10, 28).sum(axis=1), 1)


def test_patches_and_their_contrast():
    assert [len(scale) for scale in patches(10)] == [100, 90, 90, 81]
    image = np.zeros((1, 8, 8))
    image[0, :4, :4] = 1  # the first of 2 x 2 elements
    one, pairs, columns, square = contrasts(image, 2)
    assert one.tolist() == [[1, 0, 0, 0]] and square.tolist() == [[1]]
    assert pairs.tolist() == [[1, 0]] and columns.tolist() == [[1, 0]]


def test_weights_of_patches_are_those_of_the_full_problem():
    rng = np.random.default_rng(1)
    contrast, drawn, pixels = rng.uniform(size=(12, 9)), drawn_patches(2, (4, 4)), rng.uniform(size=(12, 16))
    design = np.einsum("np,px->nxp", contrast, drawn).reshape(-1, 9)
    np.testing.assert_allclose(combination(contrast, drawn, pixels), nnls(design, pixels.ravel())[0], atol=1e-5)


@pytest.mark.parametrize("settings", [{"resolutions": (4,)}, {"resolutions": (2, 4)}])
def test_planted_patches_are_reconstructed(settings):
    """Voxels that each see one element of 4 x 4, with a little noise."""
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 2, size=(120, 4, 4)).astype(float)
    images = np.kron(coarse, np.ones((1, 2, 2)))
    brain = 3 + coarse.reshape(120, 16) @ rng.standard_normal((16, 40)) + 0.2 * rng.standard_normal((120, 40))
    nobody = np.zeros(120, int)
    samples = Samples(brain, images, np.arange(120), nobody, nobody)
    train = samples.take(np.arange(100))
    values = {"standardise": True, "penalties": (0.03, 0.01), "voxels": 40, "folds": 4, **settings}
    decoder = LocalDecoders.configured(values, "local_decoders").fit(FitData(train, train, train), 0, lambda text: None)
    assert decoder.facts()["resolution"] == 4
    smooth = np.einsum("yr,nrc,xc->nyx", line_weights(4, 8), coarse[100:], line_weights(4, 8))
    assert ((decoder.predict(brain[100:]).images - smooth) ** 2).mean() < 0.1 * smooth.var()


def test_eight_samples_are_overfitted():
    """Binary images of four trials each, since the weights of the patches are fitted to held-out contrasts."""
    rng = np.random.default_rng(3)
    images, brain = rng.integers(0, 2, size=(8, 4, 4)).astype(float), rng.standard_normal((8, 60))
    trials = np.repeat(np.arange(8), 4)
    samples = Samples(brain[trials], images[trials], trials, 0 * trials, 0 * trials)
    values = {"standardise": True, "resolutions": (4,), "penalties": (0.01,), "voxels": 60, "folds": 4}
    method = LocalDecoders.configured(values, "local_decoders")
    predicted = method.fit(FitData(samples, samples, samples), 0, lambda text: None).predict(brain).images
    assert ((predicted - images) ** 2).mean() < 0.05 * images.var(axis=0).mean()
