"""Ridge in blocks of voxels and on shuffled pairs: against scikit-learn, and against itself fitted anew."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest
from samples import honest_data, make_samples, silent
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from cortexclip.methods import permuted
from cortexclip.methods.ridge import Ridge
from cortexclip.numerics import ridge, standardise
from cortexclip.numerics.ridge import ShuffledRidge, fit_dual, fit_ridge, penalty_grid

SETTINGS = {"standardise": True, "penalty_low": 1e-2, "penalty_high": 1e7, "penalty_count": 19}


@pytest.mark.parametrize("block", [1 << 22, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardised_ridge_equals_scikit_learn_however_many_voxels_are_held_at_a_time(block, dtype, monkeypatch):
    monkeypatch.setattr(standardise, "BLOCK", block)
    monkeypatch.setattr(ridge, "BLOCK", block)
    rng = np.random.default_rng(2)
    features = (rng.normal(size=(25, 70)) * rng.uniform(0.1, 9, 70) + rng.normal(size=70)).astype(dtype)
    features[:, 3] = 5.0  # constant
    targets, new = rng.normal(size=(25, 40)), rng.normal(size=(6, 70)).astype(dtype)
    penalties = penalty_grid(1e-1, 1e4, 11)
    ours = fit_ridge(features, targets, penalties, standardise=True)
    scaler = StandardScaler().fit(features.astype(float))
    theirs = RidgeCV(penalties).fit(scaler.transform(features.astype(float)), targets)
    scaled = scaler.transform(new.astype(float))
    assert ours.penalty == pytest.approx(theirs.alpha_)
    np.testing.assert_allclose(ours.predict(new), theirs.predict(scaled), atol=1e-9)
    np.testing.assert_allclose(ours.coefficients, theirs.coef_.T, atol=1e-9)
    np.testing.assert_allclose(scaled @ ours.coefficients + ours.intercept, ours.predict(new), atol=1e-9)
    raw = fit_ridge(features, targets, penalties)
    np.testing.assert_allclose(new @ raw.coefficients + raw.intercept, raw.predict(new), atol=1e-9)


@pytest.mark.parametrize(("n_samples", "n_features"), [(40, 7), (40, 39), (40, 40), (40, 41)])
def test_more_samples_than_features_give_what_the_dual_form_gives(n_samples, n_features):
    rng = np.random.default_rng(4)
    features, targets = rng.normal(size=(n_samples, n_features)) + 2, rng.normal(size=(n_samples, 6)) + 1
    targets[:, 0] += features[:, 0]
    penalties, new = penalty_grid(1e-1, 1e4, 11), rng.normal(size=(5, n_features))
    found = fit_ridge(features, targets, penalties)
    centred = features - features.mean(axis=0)
    dual = fit_dual(centred @ centred.T, targets, penalties)
    assert found.penalty == dual.penalty
    np.testing.assert_allclose(found.loo_error, dual.loo_error, rtol=1e-9)
    np.testing.assert_allclose(found.loo_prediction, dual.loo_prediction, atol=1e-9)
    np.testing.assert_allclose(found.coefficients, centred.T @ dual.dual, atol=1e-9)
    expected = (new - features.mean(axis=0)) @ centred.T @ dual.dual + targets.mean(axis=0)
    np.testing.assert_allclose(found.predict(new), expected, atol=1e-9)


@pytest.mark.parametrize(("n_samples", "n_features", "n_targets"), [(20, 50, 60), (20, 50, 3), (40, 8, 5)])
@pytest.mark.parametrize("block", [1 << 22, 2000])
def test_shuffled_ridge_equals_ridge_on_shuffled_targets(n_samples, n_features, n_targets, block, monkeypatch):
    monkeypatch.setattr(ridge, "BLOCK", block)
    rng = np.random.default_rng(3)
    features = rng.normal(size=(n_samples, n_features))
    targets = features[:, :1] + rng.normal(size=(n_samples, n_targets)) + 1
    penalties, new = penalty_grid(1e-2, 1e4, 13), [rng.normal(size=(5, n_features)) for _ in range(2)]
    shuffled = ShuffledRidge(features, targets, penalties, standardise=True)
    for order in [np.arange(n_samples), *(rng.permutation(n_samples) for _ in range(4))]:
        expected = fit_ridge(features, targets[order], penalties, standardise=True)
        penalty, errors = shuffled.choose(order)
        np.testing.assert_allclose(errors, expected.loo_error, rtol=1e-8)
        assert penalty == expected.penalty
        for brain in new:
            np.testing.assert_allclose(
                shuffled.predict(brain, order, expected.penalty), expected.predict(brain), atol=1e-10
            )
        np.testing.assert_allclose(shuffled.coefficients(order, expected.penalty), expected.coefficients, atol=1e-10)


def test_the_shuffles_of_a_fold_share_one_decomposition(monkeypatch):
    made = []
    monkeypatch.setattr(permuted, "ShuffledRidge", lambda *a, **k: made.append(1) or ShuffledRidge(*a, **k))
    method = permuted.Permuted(permuted.Permuted.Settings(**SETTINGS, permutations=3))
    ridge_method = Ridge(Ridge.Settings(**SETTINGS))
    data, brain = honest_data(), make_samples(5, seed=1).brain
    for seed in range(3):
        found = method.fit(data, seed, silent)
        order = np.random.default_rng(seed).permutation(len(data.final))
        shuffled = replace(data, final=replace(data.final, images=data.final.images[order]))
        expected = ridge_method.fit(shuffled, seed, silent)
        assert found.facts()["penalty"] == expected.facts()["penalty"]
        assert found.facts()["parameters"] == sum(array.size for array in found.weights().values())
        np.testing.assert_allclose(found.predict(brain).images, expected.predict(brain).images, atol=1e-10)
        for name, array in expected.weights().items():
            np.testing.assert_allclose(found.weights()[name], array, atol=1e-10)
    assert len(made) == 1
    method.fit(honest_data(seed=7), 0, silent)
    fewer = permuted.Permuted(permuted.Permuted.Settings(**{**SETTINGS, "penalty_count": 5}, permutations=3))
    fewer.fit(data, 0, silent)
    assert len(made) == 3


def test_samples_of_another_fold_at_the_same_place_in_memory_are_not_taken_for_the_last_ones():
    method = permuted.Permuted(permuted.Permuted.Settings(**SETTINGS, permutations=1))
    brain = make_samples(5, seed=1).brain
    alone = [method.fit(honest_data(seed=seed), 0, silent).predict(brain).images for seed in range(4)]
    for seed in range(4):
        gc.collect()
        again = method.fit(honest_data(seed=seed), 0, silent).predict(brain).images
        np.testing.assert_array_equal(again, alone[seed])
