"""Every registered method: its interface, its honesty, and what it gives on data with a known answer."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from narrow import narrow
from samples import METHODS, RIDGE, honest_data, make_samples, predict, quick_method, silent, suited, suited_data, take
from sklearn import kernel_ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import KernelCenterer

from cortexclip.errors import InputError
from cortexclip.methods.catalogue import SIZES, load_method, settings_for
from cortexclip.methods.class_mean import ClassMean
from cortexclip.methods.clip_encoder import ClipEncoder
from cortexclip.methods.interface import FitData
from cortexclip.methods.kernel_ridge import KernelRidge
from cortexclip.methods.knn import KNN
from cortexclip.methods.permuted import Permuted
from cortexclip.methods.pls import PLS
from cortexclip.methods.ridge import Ridge
from cortexclip.methods.ridge_snap import RidgeSnap
from cortexclip.methods.session_mean import SessionMean

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_images_and_records(name):
    method = quick_method(name)
    data, scored = suited_data(name), make_samples(5, seed=1)
    decoder = method.fit(data, 3, silent)
    predicted = predict(method, decoder, scored)
    assert predicted.images.shape == (5, 28, 28)
    assert np.isfinite(predicted.images).all()
    assert predicted.images.min() >= 0
    assert predicted.images.max() <= 1
    if METHODS[name].get("encoders"):
        assert predicted.embedding.shape == (5, data.final.embedding.shape[1])
        assert predicted.nearest.shape == (5, 28, 28)
    assert decoder.facts()["parameters"] > 0
    assert all(isinstance(value, np.ndarray) for value in decoder.weights().values())
    assert {row["quantity"] for row in decoder.history()} <= {"train_loss", "select_loss"}


@pytest.mark.parametrize("name", METHODS)
@narrow()
def test_the_same_seed_gives_the_same_bits(name):
    method = quick_method(name)
    data = suited_data(name)
    first, second = (method.fit(data, 3, silent).weights() for _ in range(2))
    assert all(first[key].tobytes() == second[key].tobytes() for key in first)
    if method.stochastic:
        other = method.fit(data, 4, silent).weights()
        assert any(first[key].tobytes() != other[key].tobytes() for key in first)


@pytest.mark.parametrize(
    "name", [name for name in METHODS if not (quick_method(name).stochastic and quick_method(name).seeds_are_trainings)]
)
def test_selection_samples_train_nothing_where_they_are_the_scored_ones(name):
    """Where the scored samples choose, as published, they still are no training samples of the methods' last fit.

    They choose the epoch of a network, which `test_honesty` looks at.
    """
    method = quick_method(name)
    samples = suited(name, make_samples(40))
    train, scored = take(samples, slice(0, 32)), take(samples, slice(32, 40))
    data = FitData(train, scored, train)
    assert not data.refit
    first = method.fit(data, 3, silent).weights()
    other = replace(data, select=make_samples(8, seed=5))
    assert all(v.tobytes() == first[k].tobytes() for k, v in method.fit(other, 3, silent).weights().items())


def test_the_fits_of_a_method_follow_from_its_kind():
    assert quick_method("ridge").fits(seeds=7) == 1
    assert quick_method("cccv1").fits(seeds=7) == 7
    assert quick_method("permuted").fits(seeds=7) == 2


def test_settings_take_the_size_class_and_then_the_dataset():
    entry = {
        "settings": {"a": 1, "b": 1, "c": 1},
        "by_size": {"medium": {"b": 2, "c": 2}},
        "by_dataset": {"x": {"c": 3}},
    }
    assert settings_for(entry, "x", 200) == {"a": 1, "b": 2, "c": 3}
    assert settings_for(entry, "y", 199) == {"a": 1, "b": 1, "c": 1}
    assert settings_for(entry, "y", 799)["b"] == 2
    assert settings_for(entry, "y", 800)["b"] == 1
    assert list(SIZES) == ["small", "medium", "large"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (RIDGE | {"penalty_hihg": 1}, "unknown key 'penalty_hihg'. Did you mean 'penalty_high'"),
        ({k: v for k, v in RIDGE.items() if k != "penalty_low"}, "missing setting 'penalty_low'"),
        (RIDGE | {"penalty_count": "many"}, "setting 'penalty_count': found 'many', expected a whole number"),
        (RIDGE | {"standardise": 1}, "'standardise': found 1, expected true or false"),
        (RIDGE | {"penalty_low": 0}, "'penalty_low': found 0, expected more than 0"),
        (RIDGE | {"penalty_count": 0}, "'penalty_count': found 0, expected at least 1"),
    ],
)
def test_a_wrong_setting_is_named(values, words):
    with pytest.raises(InputError, match=words):
        Ridge.configured(values, "config/methods.yaml: ridge")


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("knn", {"neighbours": []}, r"found \[\], expected at least 1 of these"),
        ("knn", {"neighbours": [3, 0]}, "found 0, expected at least 1"),
        ("cccv1", {"epochs": 0}, "found 0, expected at least 1"),
        ("cccv1", {"dropout_encoder": 3}, "found 3, expected at most 0.999"),
        ("cccv1", {"lr": float("nan")}, "found nan, expected a finite number"),
        ("permuted", {"permutations": 0}, "found 0"),
    ],
)
def test_a_setting_out_of_range_is_named(name, change, words):
    values = settings_for(METHODS[name], "", 50) | change
    with pytest.raises(InputError, match=words):
        load_method(METHODS[name]["module"]).configured(values, name)


def test_numbers_that_yaml_reads_as_text_are_numbers():
    settings = Ridge.Settings.from_values(RIDGE | {"penalty_low": "1e-3"}, "x")
    assert settings.penalty_low == 1e-3


def test_a_choice_outside_the_list_is_named():
    values = settings_for(METHODS["clip_encoder"], "", 50) | {"duplicates": "maybe"}
    with pytest.raises(InputError, match="'maybe', expected one of 'positives', 'negatives'"):
        ClipEncoder.configured(values, "x")


def test_a_missing_module_is_named():
    with pytest.raises(InputError, match="no module 'cortexclip.methods.nothing'"):
        load_method("cortexclip.methods.nothing")
    with pytest.raises(InputError, match="found 0 subclasses of cortexclip.methods.interface.Method, expected one"):
        load_method("cortexclip.runtime.seeds")


def test_the_catalogue_loads_without_heavy_packages():
    """Every start of Snakemake loads all methods and checks their settings."""
    code = (
        "import sys, yaml; from cortexclip.methods.catalogue import points_of, source_points\n"
        "for name, entry in yaml.safe_load(open('config/methods.yaml')).items():\n"
        "    points_of(entry, 'miyawaki', 100, name)\n"
        "    for protocol, procedure in entry.get('procedures', {}).items():\n"
        "        procedure and source_points(entry, protocol, 'miyawaki', 100, name)\n"
        "sys.exit(', '.join({'torch', 'pandas', 'xarray', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_a_module_of_functions_gets_one_clear_message(tmp_path, monkeypatch):
    """As methods were before they were classes."""
    (tmp_path / "my_method.py").write_text("STOCHASTIC = False\n\ndef fit(data, settings, seed, progress): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="my_method: found 0 subclasses of .*Method, expected one .functions fit and"):
        load_method("my_method")


def test_ridge_recovers_a_linear_world():
    data, scored = honest_data(60), make_samples(20, seed=1)
    predicted = Ridge.configured(RIDGE, "x").fit(data, 0, silent).predict(scored.brain).images
    assert np.mean((predicted - scored.images) ** 2) < 0.1 * np.var(scored.images, axis=0).mean()


def test_snapping_gives_back_training_images_and_finds_the_seen_ones():
    samples = make_samples(60, n_stimuli=6)
    data = FitData(samples, samples, samples)
    predicted = RidgeSnap.configured(RIDGE, "x").fit(data, 0, silent).predict(samples.brain).images
    known = {image.tobytes() for image in samples.images.astype(np.float64)}
    assert all(image.tobytes() in known for image in predicted)
    assert np.mean((predicted - samples.images) ** 2) < 1e-3


def test_the_mean_of_the_session_is_answered_whatever_the_brain_and_the_mean_of_all_for_an_unknown_one():
    data = honest_data()
    decoder = SessionMean.configured({}, "x").fit(data, 0, silent)
    known, images = np.unique(data.final.session), data.final.images.astype(float)
    predicted = decoder.predict(np.zeros((len(known) + 1, 30)), np.array([*known, 99])).images
    expected = [images[data.final.session == number].mean(axis=0) for number in known]
    np.testing.assert_allclose(predicted, [*expected, images.mean(axis=0)])
    unknown = replace(data.final, session=np.full(len(data.final), -1))
    with pytest.raises(InputError, match="sessions of the samples are not known"):
        SessionMean.configured({}, "x").fit(FitData(unknown, unknown, unknown), 0, silent)


def test_the_oracle_answers_the_mean_of_the_true_class_whatever_the_brain():
    data, scored = honest_data(), make_samples(6, seed=1)
    decoder = ClassMean.configured(RIDGE | {"oracle": True}, "x").fit(data, 0, silent)
    predicted = decoder.predict(np.zeros_like(scored.brain), scored.label).images
    for image, label in zip(predicted, scored.label, strict=True):
        expected = data.final.images[data.final.label == label].mean(axis=0)
        np.testing.assert_allclose(image, expected, atol=1e-6)


def test_classes_are_needed_for_class_means():
    data = honest_data()
    unlabelled = replace(data, final=replace(data.final, label=np.full(40, -1)))
    with pytest.raises(InputError, match="no classes"):
        ClassMean.configured(RIDGE | {"oracle": False}, "x").fit(unlabelled, 0, silent)


def test_shuffled_pairs_learn_nothing():
    data, scored = honest_data(60), make_samples(30, seed=1)
    method = Permuted.configured(RIDGE | {"permutations": 1}, "x")
    errors = [
        np.mean((method.fit(data, seed, silent).predict(scored.brain).images - scored.images) ** 2)
        for seed in range(10)
    ]
    mean_error = np.mean((data.final.images.mean(axis=0) - scored.images) ** 2)
    assert np.mean(errors) > 0.9 * mean_error


def test_neighbours_are_the_most_correlated_patterns():
    data = honest_data()
    method = KNN.configured({"standardise": False, "neighbours": [1]}, "x")
    predicted = method.fit(data, 0, silent).predict(data.final.brain[:4] * 3 + 2)
    np.testing.assert_allclose(predicted.images, data.final.images[:4], atol=1e-7)


def test_kernel_ridge_equals_scikit_learn():
    data, scored = honest_data(), make_samples(5, seed=1)
    values = {"standardise": False, "widths": [1.0], "penalty_low": 0.1, "penalty_high": 0.1, "penalty_count": 1}
    ours = KernelRidge.configured(values, "x").fit(data, 0, silent)
    train = data.final.brain
    distance = np.sqrt(((train[:, None] - train[None]) ** 2).sum(-1))
    gamma = 1 / (2 * np.median(distance[np.triu_indices(len(train), 1)]) ** 2)
    centre = KernelCenterer().fit(rbf_kernel(train, gamma=gamma))
    pixels = data.final.pixels
    model = kernel_ridge.KernelRidge(alpha=0.1, kernel="precomputed")
    model.fit(centre.transform(rbf_kernel(train, gamma=gamma)), pixels - pixels.mean(axis=0))
    expected = model.predict(centre.transform(rbf_kernel(scored.brain, train, gamma=gamma))) + pixels.mean(axis=0)
    np.testing.assert_allclose(ours.predict(scored.brain).images.reshape(5, -1), expected.clip(0, 1), atol=1e-8)


def test_pls_with_all_candidates_equals_scikit_learn_at_the_chosen_number():
    from sklearn.cross_decomposition import PLSRegression

    data, scored = honest_data(), make_samples(5, seed=1)
    ours = PLS.configured({"standardise": False, "components": 5, "folds": 4}, "x").fit(data, 0, silent)
    model = PLSRegression(ours.facts()["components"], scale=False, max_iter=1000)
    expected = model.fit(data.final.brain, data.final.pixels).predict(scored.brain)
    np.testing.assert_allclose(ours.predict(scored.brain).images.reshape(5, -1), expected.clip(0, 1), atol=1e-8)
