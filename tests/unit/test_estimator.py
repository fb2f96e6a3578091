"""`cortexclip.Decoder`: what it fits, how scikit-learn's tools take it, and what it refuses."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from samples import make_samples, silent
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import VarianceThreshold
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from cortexclip import Decoder
from cortexclip.errors import InputError
from cortexclip.estimator import _settings_of, catalogue
from cortexclip.features import gabor
from cortexclip.methods.interface import FitData
from cortexclip.methods.knn import KNN
from cortexclip.methods.ridge import Ridge
from cortexclip.numerics.readout import unit_length

QUICK_NETWORK = {"epochs": 3, "patience": 2, "batch_size": 16}
ONE_ROW = "the check's 5 targets are no square image, and images given as rows are square unless image_shape says more"
EXPECTED_FAILURES = {"check_regressor_multioutput": ONE_ROW}


def world(n: int = 40, seed: int = 0, **options) -> tuple[np.ndarray, np.ndarray]:
    """Brain responses (n, 30) and images (n, 28, 28) that they determine but for a little noise."""
    samples = make_samples(n, seed, **options)
    return samples.brain.astype(np.float32), samples.images


PARAMETERS = ("get_params_invariance", "set_params", "overwrite_params", "cloneable", "default_constructible")


# The checks give targets of any range, hence image_range=None. Other methods: tests/workflow/test_decoders.py.
@parametrize_with_checks(
    [Decoder("ridge", image_range=None)], expected_failed_checks=lambda estimator: EXPECTED_FAILURES
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_scikit_learns_checks_of_parameters_with_settings_of_the_method():
    """All but one pass: the settings are attributes, which cannot stand in the signature."""
    estimator = Decoder("ridge", image_range=None, penalty_low=1.0, penalty_count=None)
    done = 0
    for _, check in estimator_checks_generator(estimator, mark=None):
        if any(word in str(check) for word in PARAMETERS):
            check(clone(estimator))
            done += 1
    assert done >= len(PARAMETERS)


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, cortexclip; assert not {'torch', 'sklearn', 'numpy'} & set(sys.modules); cortexclip.Decoder()"
    code += "; assert 'sklearn' in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_is_fitted_as_the_method_is():
    brain, images = world()
    for name, method in (("ridge", Ridge), ("knn", KNN)):
        decoder = Decoder(name).fit(brain, images)
        samples = make_samples(40)
        samples = type(samples)(**{**vars(samples), "brain": brain})
        expected = method(decoder.settings_).fit(FitData(samples, samples, samples), 0, silent)
        found = decoder.predict(world(7, 1)[0])
        np.testing.assert_array_equal(found, expected.predict(world(7, 1)[0]).images)


def test_settings_are_the_catalogues_but_for_those_given():
    brain, images = world(12)
    fitted = Decoder("ridge", settings={"penalty_count": 3}).fit(brain, images)
    default = Decoder("ridge").fit(brain, images).settings_
    assert fitted.settings_.penalty_count == 3 != default.penalty_count
    assert fitted.settings_.penalty_low == default.penalty_low
    named = Decoder("cccv1", dataset="vangerven")
    assert named._points(named._entry(), 12)[0].method.settings.epochs == 150
    assert Decoder("cccv1")._points(named._entry(), 12)[0].method.settings.epochs == 200


@pytest.mark.parametrize("layout", [(28, 28), (784,), (28, 28, 1), (1, 28, 28)])
def test_predictions_are_shaped_and_scaled_as_the_images_were(layout):
    brain, images = world(20)
    given = 255 * images.reshape(20, *layout)
    decoder = Decoder("ridge", image_range=(0, 255)).fit(brain, given)
    predicted = decoder.predict(brain)
    assert predicted.shape == given.shape and predicted.dtype == np.float64
    plain = Decoder("ridge").fit(brain, images)
    np.testing.assert_allclose(predicted.reshape(-1, 28, 28), 255 * plain.predict(brain), atol=1e-3)
    expected = -mean_squared_error(given.reshape(20, -1), predicted.reshape(20, -1))
    assert decoder.score(brain, given) == pytest.approx(expected)
    assert decoder.score(brain, given.reshape(20, -1)) == pytest.approx(expected)
    assert plain.score(brain, images) == pytest.approx(expected / 255**2, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "precision"),
    [("ridge", np.float64), ("ridge_clip", np.float64), ("cccv1", np.float32), ("clip_encoder", np.float32)],
)
def test_what_is_returned_has_the_precision_that_it_was_computed_in(name, precision):
    brain, images = world(12)
    decoder = Decoder(name, settings=QUICK_NETWORK if precision is np.float32 else None, image_range=(0, 2))
    assert decoder.fit(brain, 2 * images).predict(brain).dtype == precision
    assert pickle.loads(pickle.dumps(decoder)).predict(brain).dtype == precision
    if decoder.encoder_:
        assert decoder.embed(brain).dtype == precision
        assert decoder.retrieve(brain, images, 2)[0].dtype == precision


def test_images_of_another_shape_given_as_rows():
    brain, images = world(20)
    decoder = Decoder("ridge", image_shape=(14, 56)).fit(brain, images.reshape(20, -1))
    assert decoder.image_shape_ == (14, 56)
    assert decoder.predict(brain[:2]).shape == (2, 784)


def test_the_samples_of_a_stimulus_are_on_one_side_of_the_choice():
    brain, images = world(40, n_stimuli=8)
    decoder = Decoder("ridge", select=0.25)
    X, y = decoder._checked(brain, images)
    from cortexclip.estimator import _samples

    for stimulus in (None, np.arange(40) // 5):
        train, select, final = decoder._parts(_samples(X, y, stimulus, None, None))
        assert not set(train.stimulus) & set(select.stimulus)
        assert len(train) + len(select) == len(final) == 40
        assert len(set(select.stimulus)) == 2
    other = Decoder("ridge", select=0.25, seed=1)._parts(_samples(X, y, None, None, None))
    assert set(other[1].stimulus) != set(
        Decoder("ridge", select=0.25)._parts(_samples(X, y, None, None, None))[1].stimulus
    )


def test_a_network_depends_on_the_seed_alone():
    brain, images = world(30)
    first, again, other = (
        Decoder("cccv1", settings=QUICK_NETWORK, seed=seed).fit(brain, images).predict(brain[:3]) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_pipelines_searches_and_cross_validation_take_it():
    brain, images = world(30)
    rows = images.reshape(30, -1)
    pipeline = make_pipeline(VarianceThreshold(), Decoder("ridge"))
    pipeline.set_params(decoder__penalty_count=1)
    grid = {"decoder__penalty_low": [1e7, 1.0], "decoder__standardise": [None, True]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(brain, images)
    assert search.best_params_["decoder__penalty_low"] == 1
    assert search.best_estimator_["decoder"].settings_.penalty_count == 1
    tried = search.cv_results_["mean_test_score"][search.cv_results_["param_decoder__penalty_low"] == 1e7]
    assert (tried < search.best_score_).all()
    whole = {"decoder__settings": [{"penalty_low": 1e7, "penalty_count": 1}, None]}
    assert GridSearchCV(pipeline, whole, cv=3).fit(brain, images).best_params_ == {"decoder__settings": None}
    assert search.best_score_ > -np.var(images, axis=0).mean()
    assert search.predict(brain).shape == images.shape
    groups = np.arange(30) // 3
    scores = cross_val_score(
        Decoder("ridge"), brain, rows, groups=groups, cv=GroupKFold(3), scoring="neg_mean_squared_error"
    )
    own = cross_val_score(Decoder("ridge"), brain, images, groups=groups, cv=GroupKFold(3))
    np.testing.assert_allclose(scores, own, rtol=1e-6)
    labels = {"label": np.arange(30) % 2}
    assert np.isfinite(cross_val_score(Decoder("class_mean"), brain, images, cv=3, params=labels)).all()
    assert cross_val_predict(Decoder("ridge"), brain, rows, cv=3).shape == rows.shape


def test_parameters_and_clones():
    decoder = Decoder("knn", settings={"neighbours": [2]}, seed=4)
    assert clone(decoder).get_params() == decoder.get_params()
    assert decoder.set_params(method="ridge", settings=None).method == "ridge"


def test_settings_of_the_method_are_parameters():
    brain, images = world(12)
    decoder = Decoder(method="ridge", penalty_low=0.5)
    assert decoder.get_params()["penalty_low"] == 0.5 and decoder.get_params()["penalty_high"] is None
    assert clone(decoder).get_params() == decoder.get_params() and repr(decoder) == "Decoder(penalty_low=0.5)"
    twice = Decoder("ridge", settings={"penalty_low": 3.0, "penalty_count": 7}, penalty_low=0.5).fit(brain, images)
    assert (twice.settings_.penalty_low, twice.settings_.penalty_count) == (0.5, 7)
    assert pickle.loads(pickle.dumps(twice)).penalty_low == copy.deepcopy(twice).penalty_low == 0.5
    np.testing.assert_array_equal(
        decoder.set_params(penalty_low=2.0, penalty_count=3).fit(brain, images).predict(brain),
        Decoder("ridge", settings={"penalty_low": 2.0, "penalty_count": 3}).fit(brain, images).predict(brain),
    )
    decoder.set_params(penalty_low=None, penalty_count=None)
    assert decoder.get_params() == clone(decoder).get_params() == Decoder("ridge").get_params()
    assert decoder.fit(brain, images).settings_ == Decoder("ridge").fit(brain, images).settings_
    decoder.set_params(method="knn", neighbours=(2,), penalty_low=None, penalty_count=None)
    assert decoder.fit(brain, images).settings_.neighbours == (2,) and "penalty_low" not in decoder.get_params()
    decoder.neigbours = (3,)
    with pytest.raises(InputError, match="unknown key 'neigbours'. Did you mean 'neighbours'"):
        decoder.fit(brain, images)


def test_no_setting_has_the_name_of_something_else():
    """Else it could not be a parameter of its own."""
    for name in catalogue("methods"):
        for setting in _settings_of(name):
            assert not hasattr(Decoder(), setting) and setting.strip("_") == setting, name


@pytest.mark.parametrize(
    ("start", "changes", "words"),
    [
        ({}, {"penalty": 3}, "Invalid parameter 'penalty' for Decoder with method 'ridge'. Did you mean 'penalty_"),
        ({}, {"sed": 3}, "Invalid parameter 'sed' for Decoder with method 'ridge'. Did you mean 'seed'"),
        (
            {"method": "knn"},
            {"penalty_low": 1},
            "'penalty_low' for Decoder with method 'knn'. Known: standardise, neigh",
        ),
        ({"penalty_low": 1.0}, {"method": "knn", "seed": 1}, "'penalty_low' for Decoder with method 'knn'"),
    ],
)
def test_an_unknown_parameter_is_said_and_changes_nothing(start, changes, words):
    decoder = Decoder(**start)
    before = decoder.get_params()
    for use in (decoder.set_params, lambda **given: Decoder(**{**start, **given})):
        with pytest.raises(InputError, match=words):
            use(**changes)
    assert decoder.get_params() == before


def test_names_of_voxels_are_kept_and_compared(tmp_path):
    brain, images = world(20)
    table = pd.DataFrame(brain, columns=[f"V1_{i}" for i in range(30)])
    decoder = Decoder("ridge").fit(table, images)
    assert list(decoder.feature_names_in_) == list(table.columns)
    decoder.save(tmp_path / "named")
    for other in (decoder, pickle.loads(pickle.dumps(decoder)), Decoder.load(tmp_path / "named")):
        np.testing.assert_array_equal(other.feature_names_in_, decoder.feature_names_in_)
        np.testing.assert_allclose(other.predict(table), Decoder("ridge").fit(brain, images).predict(brain), atol=1e-5)
        with pytest.raises(InputError, match="feature names should match"):
            other.predict(table[table.columns[::-1]])
    decoder.fit(brain, images)
    assert not hasattr(decoder, "feature_names_in_")


def test_copies_and_pickles_predict_alike():
    brain, images = world(20)
    for decoder in (Decoder("knn"), Decoder("cccv1", settings=QUICK_NETWORK)):
        decoder.fit(brain, images)
        for other in (copy.deepcopy(decoder), pickle.loads(pickle.dumps(decoder))):
            np.testing.assert_allclose(other.predict(brain), decoder.predict(brain), atol=1e-6)
            assert other.get_params() == decoder.get_params()


def test_retrieval_ranks_the_gallery_by_cosine():
    brain, images = world(40)
    new, shown = world(6, 1)
    decoder = Decoder("ridge_clip", encoder="gabor").fit(brain, images)
    gallery = np.concatenate([shown, images[:10], images[:1]])
    similarity, index = decoder.retrieve(new, gallery, k=4)
    truth = unit_length(decoder.embed(new)) @ unit_length(gabor.load({}).encode(gallery).astype(float)).T
    assert decoder.embed(new).shape == (6, truth.shape[1] and decoder.decoder_.weights()["encoder.intercept"].size)
    for row, found, values in zip(truth, index, similarity, strict=True):
        np.testing.assert_allclose(values, np.sort(row)[::-1][:4])
        np.testing.assert_allclose(row[found], values)
    assert (index[:, 0] == np.arange(6)).mean() > 0.6
    np.testing.assert_array_equal(decoder.retrieve(new, gallery.reshape(17, -1), k=4)[1], index)


def test_saved_and_loaded(tmp_path):
    brain, images = world(20)
    decoder = Decoder("ridge_clip", encoder="pixels", image_range=(0, 2), seed=3).fit(brain, 2 * images.reshape(20, -1))
    decoder.save(tmp_path / "mine")
    loaded = Decoder.load(tmp_path / "mine")
    assert loaded.encoder_ == "pixels" and loaded.image_range_ == (0, 2) and loaded.seed == 3
    np.testing.assert_allclose(loaded.predict(brain).reshape(20, -1), decoder.predict(brain), atol=1e-5)
    np.testing.assert_array_equal(loaded.retrieve(brain, 2 * images, 3)[1], decoder.retrieve(brain, 2 * images, 3)[1])
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {"run.json", "weights.safetensors"}
    refitted = clone(loaded).fit(brain, 2 * images)
    np.testing.assert_array_equal(refitted.predict(brain).reshape(20, -1), decoder.predict(brain))


def test_an_oracle_is_told_the_class():
    samples = make_samples(30)
    brain, images, label = samples.brain, samples.images, samples.label
    oracle = Decoder("class_mean_oracle").fit(brain, images, label=label)
    expected = np.stack([images[label == value].mean(axis=0) for value in label])
    np.testing.assert_allclose(oracle.predict(np.zeros_like(brain), label), expected, atol=1e-6)
    with pytest.raises(InputError, match="is an oracle; give the class of each image as label"):
        oracle.predict(brain)
    assert Decoder("class_mean").fit(brain, images, label=label).predict(brain).shape == images.shape


BRAIN, IMAGES = world(12)
HOLED = np.where(np.arange(30) == 3, np.nan, BRAIN)


@pytest.mark.parametrize(
    ("parameters", "arguments", "options", "words"),
    [
        ({"method": "rigde"}, (BRAIN, IMAGES), {}, "method: unknown name 'rigde'. Did you mean 'ridge'"),
        ({"method": ["ridge"]}, (BRAIN, IMAGES), {}, "method: unknown name '.'ridge'.'. Did you mean 'ridge'"),
        ({"method": None}, (BRAIN, IMAGES), {}, "method: unknown name 'None'. Known: "),
        ({"settings": ["penalty_low"]}, (BRAIN, IMAGES), {}, "settings: found .'penalty_low'., expected a mapping"),
        ({"method": "ridge_clip", "encoder": 3}, (BRAIN, IMAGES), {}, "encoder: found '3' for method 'ridge_clip'"),
        ({"settings": {"penalty_lo": 1}}, (BRAIN, IMAGES), {}, "unknown key 'penalty_lo'. Did you mean 'penalty_low'"),
        ({"settings": {"penalty_low": 0}}, (BRAIN, IMAGES), {}, "'penalty_low': found 0, expected more than 0"),
        ({"encoder": "gabor"}, (BRAIN, IMAGES), {}, "encoder: found 'gabor' for method 'ridge'. It has no encoders"),
        ({"method": "ridge_clip", "encoder": "gabr"}, (BRAIN, IMAGES), {}, "found 'gabr'.*Did you mean 'gabor'"),
        ({"method": "ridge_clip", "encoder": "clip"}, (BRAIN, IMAGES), {}, "ViT-B-32.pt is not there. Download"),
        ({"select": 1}, (BRAIN, IMAGES), {}, "select: found 1, expected a share between 0 and 1"),
        ({"image_range": (1, 0)}, (BRAIN, IMAGES), {}, "image_range: found .1, 0.*the smaller one first"),
        ({"image_shape": (4, 4)}, (BRAIN, IMAGES.reshape(12, -1)), {}, "rows of 784 pixels, expected 4 x 4"),
        ({"image_shape": (4, 4)}, (BRAIN, IMAGES), {}, "images of .28, 28., expected .4, 4."),
        ({}, (BRAIN, IMAGES * 255), {}, "expected 0 to 1. Scale the images, or state image_range"),
        ({}, (BRAIN, IMAGES[:, 0, :5]), {}, "rows of 5 pixels, expected 2 x 2.*image_shape"),
        ({}, (BRAIN, np.stack([IMAGES] * 2, -1)), {}, r"found shape \(12, 28, 28, 2\), expected images as"),
        ({}, (BRAIN, IMAGES[0, 0, :12]), {}, "found shape"),
        ({}, (BRAIN, IMAGES[:9]), {}, "inconsistent numbers of samples"),
        ({}, (HOLED, IMAGES), {}, "Input X contains NaN"),
        ({}, (BRAIN, np.where(IMAGES > 0.4, np.nan, IMAGES)), {}, "Input y contains NaN"),
        ({}, (BRAIN, np.tile(IMAGES[:1], (12, 1, 1))), {}, "found 1 distinct stimuli"),
        ({}, (BRAIN[:2], IMAGES[:2]), {}, "2 sample"),
        ({}, (BRAIN, IMAGES), {"stimulus": [1, 2]}, "stimulus: found shape .2,., expected .12,."),
        ({}, (BRAIN, IMAGES), {"label": np.linspace(0, 1, 12)}, "label: found float64.*whole numbers"),
        ({}, (BRAIN, IMAGES), {"unlabelled": BRAIN}, "method 'ridge' takes no unlabelled"),
        ({}, (BRAIN, IMAGES), {"others": [(BRAIN, IMAGES)]}, "method 'ridge' takes no others"),
        ({"method": "class_mean"}, (BRAIN, IMAGES), {}, "needs classes: give them to fit as label"),
        ({"method": "cccv1_adapt"}, (BRAIN, IMAGES), {}, "needs sessions: give them to fit as session"),
        ({"method": "ridge_banded"}, (BRAIN, IMAGES), {}, "needs regions: give them to fit as region"),
        ({"method": "ridge_banded"}, (BRAIN, IMAGES), {"region": [1]}, "region: found .* one for each voxel"),
        ({"method": "cccv1_pooled"}, (BRAIN, IMAGES), {}, "pools recordings; give pairs .* as others"),
        (
            {"method": "mind_vis_transductive"},
            (BRAIN, IMAGES),
            {},
            "responses that will be decoded; give .* unlabelled",
        ),
        ({"method": "vae_ridge"}, (BRAIN, IMAGES[:, :20, :20]), {}, "the stimuli are 20x20, expected 28x28"),
    ],
)
def test_what_cannot_be_fitted_is_said(parameters, arguments, options, words, monkeypatch):
    monkeypatch.delenv("CORTEXCLIP_DATA", raising=False)
    decoder = Decoder(**parameters)
    with pytest.raises(InputError, match=words) as caught:
        decoder.fit(*arguments, **options)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(NotFittedError):
        decoder.predict(BRAIN)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda d: d.predict(BRAIN[:, :5]), "X has 5 features, but Decoder is expecting 30"),
        (lambda d: d.predict(HOLED), "Input X contains NaN"),
        (lambda d: d.predict(BRAIN, np.zeros(12)), "'ridge' is no oracle; leave out label"),
        (lambda d: d.embed(BRAIN), "'ridge' predicts images alone, so it has no embedding. Use one with encoders"),
        (lambda d: d.score(BRAIN, IMAGES[:3]), "inconsistent numbers of samples"),
        (lambda d: d.score(BRAIN, IMAGES[:, :20]), "found images of shape .20, 28., expected .28, 28."),
    ],
)
def test_what_cannot_be_decoded_is_said(use, words):
    with pytest.raises(InputError, match=words) as caught:
        use(Decoder().fit(BRAIN, IMAGES))
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(("k", "gallery"), [(0, IMAGES), (13, IMAGES), (2, IMAGES[:, :5])])
def test_what_cannot_be_retrieved_is_said(k, gallery):
    with pytest.raises(InputError, match="k: found|gallery: found images of"):
        Decoder("ridge_clip", encoder="pixels").fit(BRAIN, IMAGES).retrieve(BRAIN, gallery, k)
