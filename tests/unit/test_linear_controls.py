"""The stronger linear controls: against refits, dense solutions, scikit-learn and himalaya, and on planted truths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from himalaya.ridge import GroupRidgeCV
from samples import METHODS, RIDGE, honest_data, make_samples, silent, take
from sklearn.linear_model import Ridge as PlainRidge
from sklearn.model_selection import KFold

from cortexclip.configuration.config import applies
from cortexclip.data import arrays
from cortexclip.data.dataset import read, write
from cortexclip.data.simulated import simulate
from cortexclip.errors import InputError
from cortexclip.methods.catalogue import load_method
from cortexclip.methods.fitting import samples_of
from cortexclip.methods.interface import FitData
from cortexclip.methods.ridge import Ridge
from cortexclip.methods.ridge_banded import RidgeBanded
from cortexclip.methods.ridge_pca import RidgePCA
from cortexclip.methods.ridge_weighted import RidgeWeighted
from cortexclip.numerics.image_prior import prior_axes
from cortexclip.numerics.receptive_fields import fit_encoding, fit_free_encoding, gaussian_fields
from cortexclip.numerics.ridge import explained_variance, fit_each, fit_ridge, penalty_grid, ridge_path
from cortexclip.numerics.standardise import fit_scaler, voxel_weights

GRID = {"standardise": True, "penalty_low": 1e-1, "penalty_high": 1e4, "penalty_count": 6}
WEIGHTED = GRID | {"encoding_penalty_low": 1e-1, "encoding_penalty_high": 1e3, "encoding_penalty_count": 5}
WEIGHTED |= {"voxel_powers": [0, 1, 2], "folds": 4}


def fitted(cls, values, data):
    return cls.configured(values, "x").fit(data, 0, silent)


def error(decoder, samples) -> float:
    return float(np.mean((decoder.predict(samples.brain).images - samples.images) ** 2))


def planted(n: int, seed: int, informative: int = 15, noise: int = 600):
    """`make_samples` with many voxels that know nothing of the image; region 1 has the ones that do."""
    samples = make_samples(n, seed, n_voxels=informative)
    rng = np.random.default_rng(1000 + seed)
    brain = np.c_[samples.brain + rng.normal(size=(n, informative)), rng.normal(size=(n, noise))]
    return replace(samples, brain=brain, region=np.repeat([1, 2], [informative, noise]))


@pytest.fixture(scope="module")
def worlds():
    samples = planted(60, 0)
    return FitData(take(samples, slice(0, 50)), take(samples, slice(50, 60)), samples), planted(40, 1)


@pytest.mark.parametrize("repeats", [1, 3])
def test_explained_variance_equals_that_of_refits_without_each_group(repeats):
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(12), repeats)[rng.permutation(12 * repeats)]
    features = rng.normal(size=(12, 50))[group] + 2
    targets = features[:, :3] @ rng.normal(size=(3, 60)) * rng.uniform(0, 2, 60) + 3 * rng.normal(size=(len(group), 60))
    penalties = np.array([0.5, 20.0, 300.0])
    errors, total = np.zeros((3, 60)), np.zeros(60)
    for one in np.unique(group):
        out = group == one
        total += ((targets[out] - targets[~out].mean(axis=0)) ** 2).sum(axis=0)
        for row, penalty in enumerate(penalties):
            model = PlainRidge(penalty).fit(features[~out], targets[~out])
            errors[row] += ((targets[out] - model.predict(features[out])) ** 2).sum(axis=0)
    expected = np.clip(1 - errors[errors.sum(axis=1).argmin()] / total, 0, None)
    np.testing.assert_allclose(explained_variance(features, targets, penalties, group), expected, atol=1e-9)
    assert 0 < (expected > 0).sum() < 60
    assert (explained_variance(features, targets, penalties, np.zeros(len(group))) == 1).all()


def test_the_path_and_a_penalty_for_each_target_equal_scikit_learn():
    rng = np.random.default_rng(1)
    features, targets, new = rng.normal(size=(20, 35)) + 1, rng.normal(size=(20, 3)) - 2, rng.normal(size=(4, 35))
    penalties = np.array([0.3, 5.0, 90.0])
    expected = [PlainRidge(penalty).fit(features, targets).predict(new) for penalty in penalties]
    np.testing.assert_allclose(ridge_path(features, targets, new, penalties), expected, atol=1e-9)
    model = PlainRidge(penalties).fit(features, targets)
    np.testing.assert_allclose(fit_each(features, targets, penalties).predict(new), model.predict(new), atol=1e-9)


def test_weights_have_squares_of_mean_one_and_leave_out_what_explains_nothing():
    weights = voxel_weights(np.array([0.0, 0.1, 0.4]), 1.0)
    np.testing.assert_allclose(weights**2, [0.0, 0.6, 2.4])
    assert (voxel_weights(np.zeros(3), 2.0) == 1).all() and (voxel_weights(np.array([0.0, 0.3]), 0.0) == 1).all()


def test_weighted_ridge_of_power_0_is_ridge_with_the_penalty_of_its_inner_folds():
    data, new = honest_data(), make_samples(6, seed=2)
    decoder = fitted(RidgeWeighted, WEIGHTED | {"voxel_powers": [0]}, data)
    scaler = fit_scaler(data.final.brain)
    ridge = PlainRidge(decoder.facts()["penalty"]).fit(scaler(data.final.brain), data.final.pixels)
    expected = np.clip(ridge.predict(scaler(new.brain)), 0, 1)
    np.testing.assert_allclose(decoder.predict(new.brain).images.reshape(6, -1), expected, atol=1e-8)


def test_weighted_ridge_equals_its_definition(worlds):
    """The weights by refits, the choice by scikit-learn's ridge over the same folds."""
    data, new = worlds
    decoder, samples = fitted(RidgeWeighted, WEIGHTED, data), data.final
    penalties, encoding = penalty_grid(1e-1, 1e4, 6), penalty_grid(1e-1, 1e3, 5)
    errors = np.zeros((3, 6))
    for training, held_out in data.inner_folds(4):
        scaler = fit_scaler(samples.brain[training])
        brain, seen, pixels = scaler(samples.brain[training]), scaler(samples.brain[held_out]), samples.pixels[training]
        explained = explained_variance(pixels, brain, encoding, np.arange(len(training)))
        for i, power in enumerate([0, 1, 2]):
            scale = np.sqrt(explained**power / np.mean(explained**power))
            for j, penalty in enumerate(penalties):
                predicted = PlainRidge(penalty).fit(brain * scale, pixels).predict(seen * scale).clip(0, 1)
                errors[i, j] += ((predicted - samples.pixels[held_out]) ** 2).sum()
    i, j = np.unravel_index(errors.argmin(), errors.shape)
    facts = decoder.facts()
    assert (facts["voxel_power"], facts["penalty"]) == (i, pytest.approx(penalties[j]))
    assert facts["inner_mse"] == pytest.approx(errors.min() / samples.pixels.size)
    assert facts["voxel_power"] > 0
    assert error(decoder, new) < 0.9 * error(fitted(Ridge, RIDGE, data), new)


def test_where_images_repeat_and_scored_ones_are_new_the_weights_leave_out_all_trials_of_an_image():
    samples = make_samples(40, n_stimuli=10)
    together = np.isin(samples.stimulus, np.unique(samples.stimulus)[:8])
    data = FitData(samples.take(np.flatnonzero(together)), samples.take(np.flatnonzero(~together)), samples)
    assert data.inner_folds_by == "stimulus"
    for training, held_out in data.inner_folds(4):
        assert not set(samples.stimulus[training]) & set(samples.stimulus[held_out])
    assert fitted(RidgeWeighted, WEIGHTED, data).facts()["inner_folds_by"] == "stimulus"


def test_ridge_to_image_components_equals_its_definition():
    """Components by an eigendecomposition, each with a ridge of its own by scikit-learn."""
    data, new = honest_data(), make_samples(6, seed=2)
    noise = np.random.default_rng(5).uniform(-0.05, 0.05, size=data.final.images.shape)
    samples = replace(data.final, images=np.clip(data.final.images + noise, 0, 1))
    data = FitData(take(samples, slice(0, 32)), take(samples, slice(32, 40)), samples)
    decoder = fitted(RidgePCA, GRID | {"components": 5, "folds": 4}, data)
    penalties, errors, without = penalty_grid(1e-1, 1e4, 6), np.zeros((6, 5)), np.zeros(5)

    def axes_of(pixels):
        return np.linalg.eigh(np.cov(pixels.T))[1][:, ::-1][:, :5]

    for training, held_out in data.inner_folds(4):
        scaler, pixels = fit_scaler(samples.brain[training]), samples.pixels[training]
        axes, mean = axes_of(pixels), pixels.mean(axis=0)
        true = (samples.pixels[held_out] - mean) @ axes
        without += (true**2).sum(axis=0)
        for i, penalty in enumerate(penalties):
            model = PlainRidge(penalty).fit(scaler(samples.brain[training]), (pixels - mean) @ axes)
            errors[i] += ((model.predict(scaler(samples.brain[held_out])) - true) ** 2).sum(axis=0)
    number = int(np.cumsum(errors.min(axis=0) - without).argmin()) + 1
    assert decoder.facts()["components"] == number
    axes, mean, scaler = axes_of(samples.pixels)[:, :number], samples.pixels.mean(axis=0), fit_scaler(samples.brain)
    model = PlainRidge(penalties[errors.argmin(axis=0)[:number]])
    model.fit(scaler(samples.brain), (samples.pixels - mean) @ axes)
    expected = np.clip(model.predict(scaler(new.brain)) @ axes.T + mean, 0, 1)
    np.testing.assert_allclose(decoder.predict(new.brain).images.reshape(6, -1), expected, atol=1e-6)


def free_encoding(samples, penalty: float = 3.0):
    axes, inverse = prior_axes(samples.images, 0.2, 1.5, 40)
    return fit_free_encoding(samples.brain, samples.pixels, np.array([penalty]), axes, inverse, True), axes


@pytest.mark.parametrize(("shared", "doubt"), [(0.0, 1.0), (0.3, 2.0)])
def test_gaussian_bayes_equals_the_dense_posterior_mean(shared, doubt):
    """mean + C B' (B C B' + doubt Sigma)^-1 x, with matrices of all pixels and voxels."""
    data, new = honest_data(), make_samples(6, seed=2)
    values = GRID | {"penalty_low": 3, "penalty_high": 3, "penalty_count": 1}
    values |= {"smooth": 0.2, "reach": 1.5, "coordinates": 40, "shared": [shared], "doubt": [doubt], "folds": 3}
    decoder = fitted(load_method("cortexclip.methods.gaussian_bayes"), values, data)
    samples = data.final
    scaler, mean = fit_scaler(samples.brain), samples.pixels.mean(axis=0)
    brain, axes = scaler(samples.brain), prior_axes(samples.images, 0.2, 1.5, 40)[0]
    weights = PlainRidge(3.0).fit(samples.pixels, brain).coef_
    residual = np.empty_like(brain)
    for training, (out,) in KFold(len(brain)).split(brain):
        residual[out] = brain[out] - PlainRidge(3.0).fit(samples.pixels[training], brain[training]).predict(
            samples.pixels[[out]]
        )
    noise = (1 - shared) * np.diag((residual**2).mean(axis=0)) + shared * residual.T @ residual / len(residual)
    prior = axes.T @ axes
    gain = prior @ weights.T @ np.linalg.inv(weights @ prior @ weights.T + doubt * noise)
    expected = np.clip(mean + scaler(new.brain) @ gain.T, 0, 1)
    np.testing.assert_allclose(decoder.predict(new.brain).images.reshape(6, -1), expected, atol=1e-6)


def test_gaussian_bayes_takes_the_shared_part_and_the_doubt_of_least_error_over_inner_folds():
    data = honest_data()
    values = {k: v for k, v in METHODS["gaussian_bayes_fields"]["settings"].items()}
    values |= {"shared": [0.1, 0.6], "doubt": [0.1, 1, 30], "folds": 3, "coordinates": 20}
    decoder = fitted(load_method("cortexclip.methods.gaussian_bayes_fields"), values, data)
    fields, samples, errors = gaussian_fields((28, 28), values["field_sizes"], 2), data.final, {}
    for training, held_out in data.inner_folds(3):
        part, other = samples.take(training), samples.take(held_out)
        axes, inverse = prior_axes(part.images, 0.2, 1.5, 20)
        encoding = fit_encoding(part.brain, part.pixels, fields, axes, inverse, True)
        prior, residual = encoding.fields @ encoding.fields.T, encoding.residual
        for shared in values["shared"]:
            noise = (1 - shared) * np.diag(encoding.noise) + shared * residual.T @ residual / len(residual)
            for doubt in values["doubt"]:
                gain = axes.T @ encoding.fields.T @ np.linalg.inv(prior + doubt * noise)
                predicted = np.clip(encoding.mean + encoding.scaler(other.brain) @ gain.T, 0, 1)
                key = shared, doubt
                errors[key] = errors.get(key, 0) + ((predicted - other.pixels) ** 2).sum()
    facts = decoder.facts()
    assert (facts["shared"], facts["doubt"]) == min(errors, key=errors.get)
    axes, inverse = prior_axes(samples.images, 0.2, 1.5, 20)
    expected = fit_encoding(samples.brain, samples.pixels, fields, axes, inverse, True)
    for name in ("fields", "axes", "noise"):  # the receptive fields that a figure shows
        np.testing.assert_allclose(decoder.weights()[name], getattr(expected, name))


BANDED = GRID | {"mixtures": 30}


def test_banded_ridge_equals_ridge_with_a_penalty_for_each_region(worlds):
    """In its primal form, solved as it stands."""
    data, new = worlds
    decoder, samples = fitted(RidgeBanded, BANDED, data), data.final
    facts, scaler = decoder.facts(), fit_scaler(samples.brain)
    shares = np.array([facts["weight_region_1"], facts["weight_region_2"]])
    assert shares.mean() == pytest.approx(1) and shares[0] > shares[1]
    penalties = (facts["penalty"] / shares)[samples.region - 1]
    brain, mean = scaler(samples.brain), samples.pixels.mean(axis=0)
    coefficients = np.linalg.solve(brain.T @ brain + np.diag(penalties), brain.T @ (samples.pixels - mean))
    expected = np.clip(scaler(new.brain) @ coefficients + mean, 0, 1)
    np.testing.assert_allclose(decoder.predict(new.brain).images.reshape(len(new), -1), expected, atol=1e-7)
    assert error(decoder, new) < 0.9 * error(fitted(Ridge, RIDGE, data), new)


def test_banded_ridge_is_as_good_as_himalayas(worlds):
    data, new = worlds
    scaler, samples = fit_scaler(data.final.brain), data.final
    settings = {
        "n_iter": 30,
        "alphas": penalty_grid(1e-1, 1e4, 6),
        "progress_bar": False,
        "local_alpha": False,
        "warn": False,
    }
    model = GroupRidgeCV(groups=samples.region, cv=5, random_state=0, fit_intercept=True, solver_params=settings)
    model.fit(scaler(samples.brain), samples.pixels)
    theirs = np.mean((np.clip(model.predict(scaler(new.brain)), 0, 1) - new.pixels) ** 2)
    assert error(fitted(RidgeBanded, BANDED, data), new) < 1.05 * theirs


def test_banded_ridge_chooses_by_leave_one_out_among_the_even_mixture_and_others(worlds):
    data, _ = worlds
    loo = fitted(RidgeBanded, BANDED, data).facts()["loo_mse"]
    plain = fit_ridge(data.final.brain, data.final.pixels, penalty_grid(1e-1, 1e4, 6), standardise=True)
    assert loo < plain.loo_error.min()
    one = replace(data, final=replace(data.final, region=np.ones(data.final.brain.shape[1], int)))
    assert fitted(RidgeBanded, BANDED, one).facts()["loo_mse"] == pytest.approx(plain.loo_error.min())


def test_regions_are_needed_for_banded_ridge():
    data = honest_data()
    with pytest.raises(InputError, match="regions of the voxels are not known"):
        fitted(RidgeBanded, BANDED, replace(data, final=replace(data.final, region=None)))
    entry = METHODS["ridge_banded"]
    assert not applies(entry, {"labels": "class"}) and not applies(entry, {"settings": {"regions": 1}})
    assert applies(entry, {"settings": {"regions": 3}}) and applies(entry, {"arrays": {"region": "roi"}})


def test_simulated_regions_are_kept_with_the_voxels(tmp_path):
    data = simulate({"voxels": 9, "regions": 3, "test_stimuli": 4, "train_stimuli": 9}, 0)
    assert data.region.values.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    ceiling = data.noise_ceiling.values.reshape(3, 3)
    assert (ceiling[:-1].min(axis=1) > ceiling[1:].max(axis=1)).all()
    write(data, tmp_path / "x.nc")
    samples = samples_of(read(tmp_path / "x.nc"))
    np.testing.assert_array_equal(samples.take(np.arange(3)).region, data.region.values)
    assert "region" not in simulate({"voxels": 9}, 0).coords


@pytest.mark.parametrize("parts", ["index", "none"])
def test_a_files_regions_are_read(tmp_path, parts):
    rng = np.random.default_rng(0)
    content = {"brain": rng.normal(size=(6, 5)), "stimuli": rng.random((6, 16)), "roi": np.array([[1, 1, 2, 2, 4]])}
    content |= {"part": np.array([0, 0, 0, 0, 1, 1])} if parts == "index" else {}
    np.savez(tmp_path / "x.npz", **content)
    entry = {"pixel_order": "row-major", "labels": "none", "parts": parts, "arrays": {"region": "roi"}}
    found = arrays.read(tmp_path / "x.npz", "x", entry)
    assert found.region.values.tolist() == [1, 1, 2, 2, 4]
    np.savez(tmp_path / "y.npz", **(content | {"roi": np.arange(4)}))
    with pytest.raises(InputError, match="'roi' has the shape 4, expected 5 labels: one for each voxel"):
        arrays.read(tmp_path / "y.npz", "y", entry)
