"""Bayesian CCA: planted latents are found, the bound rises, and predictions agree with the Gaussian closed form."""

import numpy as np
import pytest

from cortexclip.methods.bayesian_cca import BayesianCCA, fit_views, posterior
from cortexclip.methods.interface import FitData, Samples

SHARED, PRIVATE = 3, 2


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    shared, private = rng.standard_normal((400, SHARED)), rng.standard_normal((400, PRIVATE))
    images, voxels = rng.standard_normal((SHARED, 30)), rng.standard_normal((SHARED + PRIVATE, 50))
    views = [
        shared @ images + 0.3 * rng.standard_normal((400, 30)),
        np.concatenate([shared, private], axis=1) @ voxels + 0.5 * rng.standard_normal((400, 50)),
    ]
    return images, voxels, [view - view.mean(axis=0) for view in views]


def test_planted_latents_are_found_and_the_bound_rises(planted):
    images, _, views = planted
    found, bounds = fit_views(views, 20, 500, 1e-9)
    assert (np.diff(bounds[1:]) > -1e-6 * abs(bounds[-1])).all()
    share = (found[0].weights ** 2).sum(axis=0) / (found[0].weights ** 2).sum()
    assert (share > 0.01).sum() == SHARED
    assert [view.precision**-0.5 for view in found] == pytest.approx([0.3, 0.5], rel=0.1)
    # the learned image bases span the planted ones
    basis = np.linalg.qr(found[0].weights[:, share > 0.01])[0]
    assert np.linalg.norm(images - images @ basis @ basis.T) < 0.05 * np.linalg.norm(images)


def test_the_prediction_is_near_the_best_possible_one(planted):
    """The conditional mean of one view given the other under the true model."""
    images, voxels, (seen, brain) = planted
    found, _ = fit_views([seen[:300], brain[:300]], 20, 500, 1e-9)
    latents, _ = posterior(found[1:], [brain[300:]])
    loaded = np.concatenate([images, np.zeros((PRIVATE, 30))])
    best = brain[300:] @ np.linalg.inv(voxels.T @ voxels + 0.25 * np.eye(50)) @ voxels.T @ loaded
    error, least = (((p - seen[300:]) ** 2).mean() for p in (latents @ found[0].weights.T, best))
    assert error < 1.2 * least


def test_restored_it_predicts_the_same():
    rng = np.random.default_rng(1)
    amounts = rng.uniform(size=(40, 2))
    images = (amounts @ rng.uniform(size=(2, 64)) / 2).reshape(40, 8, 8)
    brain = amounts @ rng.standard_normal((2, 30)) + 0.1 * rng.standard_normal((40, 30)) + 5
    nobody = np.zeros(40, int)
    samples = Samples(brain, images, np.arange(40), nobody, nobody)
    train = samples.take(np.arange(30))
    settings = {"standardise": True, "latents": 10, "iterations": 200, "tolerance": 1e-6}
    decoder = BayesianCCA.configured(settings, "bcca").fit(FitData(train, train, train), 0, print)
    predicted = decoder.predict(brain[30:]).images
    assert ((predicted - images[30:]) ** 2).mean() < 0.2 * images.var(axis=0).mean()
    assert set(decoder.weights()) == {"voxel_readout", "image_bases", "mean", "voxel_mean", "voxel_scale"}


def test_eight_samples_are_overfitted():
    """Binary images, and voxels that have nothing in common with them."""
    rng = np.random.default_rng(2)
    images, nobody = rng.integers(0, 2, size=(8, 8, 8)).astype(float), np.zeros(8, int)
    samples = Samples(rng.standard_normal((8, 40)), images, np.arange(8), nobody, nobody)
    settings = {"standardise": True, "latents": 10, "iterations": 500, "tolerance": 1e-8}
    decoder = BayesianCCA.configured(settings, "bcca").fit(FitData(samples, samples, samples), 0, print)
    error = ((decoder.predict(samples.brain).images - images) ** 2).mean()
    assert error < 0.05 * images.var(axis=0).mean()
