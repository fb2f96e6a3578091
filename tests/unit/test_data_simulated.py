"""Simulated data: what was requested is there, the truth is as stated, and ridge decodes it, but not perfectly."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import convolve2d
from sklearn.linear_model import RidgeCV

from cortexclip.audit.findings import audit_dataset
from cortexclip.configuration.schema import read_yaml
from cortexclip.data import dataset, simulated
from cortexclip.errors import InputError
from cortexclip.runtime.files import sha256
from cortexclip.runtime.settings import check
from cortexclip.stages import simulate

CATALOGUE = Path(__file__).parents[2] / "config" / "datasets.yaml"
SMALL = {"train_stimuli": 20, "test_stimuli": 6, "test_repeats": 2, "voxels": 30}


def run_simulate(output, entry, seed=0, name="simulated"):
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    return simulate.run(
        parser.parse_args(
            ["--dataset", name, "--entry", json.dumps(entry), "--seed", str(seed), "--output", str(output)]
        )
    )


def identification(true, predicted):
    """Pairwise identification, written out: how often a prediction correlates more with its image than with another."""
    correlation = np.corrcoef(predicted, true)[: len(true), len(true) :]
    pairs = [
        correlation[i, i] > correlation[i, j]
        for i in range(len(true))
        for j in range(len(true))
        if not np.array_equal(true[i], true[j])
    ]
    return np.mean(pairs)


def test_the_catalogue_entry_states_the_defaults(tmp_path):
    entry = read_yaml(CATALOGUE)["simulated"]
    assert check(simulated.Settings, entry["settings"], "simulated") == simulated.Settings()
    assert set(entry["settings"]) == set(simulated.Settings.model_fields)
    run_simulate(tmp_path / "simulated.nc", entry)
    read = dataset.read(tmp_path / "simulated.nc")
    part, stimulus = read["part"].values, read["stimulus"].values
    assert read.sizes["sample"] < 200
    assert len(set(stimulus[part == "train"])) == 100
    assert len(set(stimulus[part == "test"])) == 20
    assert not set(stimulus[part == "train"]) & set(stimulus[part == "test"])
    assert read.sizes["voxel"] == 500
    assert read.attrs["simulated"] == 1
    for key in ("name", "title", "modality", "source"):
        assert "simulated" in read.attrs[key].lower()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ridge_decodes_clearly_but_not_perfectly(seed):
    made = simulated.simulate({}, seed)
    train = made["part"].values == "train"
    voxels = made["brain"].values.astype(np.float64)
    voxels = (voxels - voxels[train].mean(axis=0)) / voxels[train].std(axis=0)
    pixels = made["stimuli"].values.reshape(len(train), -1)
    ridge = RidgeCV(np.logspace(0, 5, 11)).fit(voxels[train], pixels[train])
    predicted = ridge.predict(voxels[~train])
    error = np.mean((predicted - pixels[~train]) ** 2)
    assert error < 0.8 * np.mean((pixels[train].mean(axis=0) - pixels[~train]) ** 2)
    assert 0.82 < identification(pixels[~train], predicted) < 0.98


def test_stimuli_repeat_as_asked_and_classes_are_balanced():
    made = simulated.simulate(SMALL | {"train_repeats": 3, "sessions": 4}, 0)
    part, stimulus, label = made["part"].values, made["stimulus"].values, made["label"].values
    for name, repeats, distinct in (("train", 3, 20), ("test", 2, 6)):
        _, counts = np.unique(stimulus[part == name], return_counts=True)
        assert counts.tolist() == [repeats] * distinct
    assert np.bincount(label[part == "train"]).tolist() == [6] * 10
    _, counts = np.unique(made["session"].values[part == "train"], return_counts=True)
    assert counts.tolist() == [15] * 4


def test_the_noise_ceiling_is_the_share_of_variance_that_repeats_share():
    """Over many repeats, the share of the mean responses in the total variance approaches the stated ceiling."""
    made = simulated.simulate(SMALL | {"train_stimuli": 50, "train_repeats": 100, "signal_to_noise": [0.2, 2.0]}, 0)
    train = made.isel(sample=made["part"].values == "train")
    brain, stimulus = train["brain"].values.astype(np.float64), train["stimulus"].values
    means = np.stack([brain[stimulus == one].mean(axis=0) for one in np.unique(stimulus)])
    measured = means.var(axis=0) / brain.var(axis=0)
    ceiling = made["noise_ceiling"].values
    assert ceiling.min() > 0.2 / 1.2 - 1e-6
    assert ceiling.max() < 2 / 3 + 1e-6
    np.testing.assert_allclose(measured, ceiling, atol=0.03)


def test_no_prediction_correlates_more_than_the_ceiling_allows():
    made = simulated.simulate(SMALL | {"train_repeats": 100, "signal_to_noise": [0.5, 0.5]}, 0)
    noiseless = simulated.simulate(SMALL | {"train_repeats": 100, "signal_to_noise": [1e4, 1e4]}, 0)
    correlation = [
        np.corrcoef(a, b)[0, 1] for a, b in zip(made["brain"].values.T, noiseless["brain"].values.T, strict=True)
    ]
    assert np.mean(correlation) == pytest.approx(np.sqrt(made["noise_ceiling"].values.mean()), abs=0.05)


@pytest.mark.parametrize(("ratio", "drift"), [(0.3, 0.0), (0.3, 1.0), (2.0, 0.5), (1.0, 2.0)])
def test_the_ceiling_in_closed_form_is_that_of_a_monte_carlo(ratio, drift):
    """Signal variance over total variance of many trials, drift and noise drawn anew in each of many sessions."""
    settings = SMALL | {"train_repeats": 100, "sessions": 500, "voxels": 40, "drift": drift}
    made = simulated.simulate(settings | {"signal_to_noise": [ratio, ratio]}, 0)
    clean = simulated.simulate(settings | {"signal_to_noise": [1e4, 1e4], "drift": 0.0}, 0)
    train = made["part"].values == "train"
    stimulus, brain = clean["stimulus"].values[train], clean["brain"].values[train].astype(np.float64)
    shown = np.unique(stimulus, return_inverse=True)[1]
    signal = np.stack([brain[shown == one].mean(axis=0) for one in range(20)])[shown]
    noise = made["brain"].values[train] - signal
    measured = signal.var(axis=0) / (signal.var(axis=0) + noise.var(axis=0))
    ceiling = made["noise_ceiling"].values
    np.testing.assert_allclose(ceiling, 1 / (1 + (1 + drift**2) / ratio), rtol=1e-6)
    assert measured.mean() == pytest.approx(ceiling.mean(), rel=0.02)
    np.testing.assert_allclose(measured, ceiling, rtol=0.15)
    best = [np.corrcoef(a, b)[0, 1] for a, b in zip(made["brain"].values[train].T, signal.T, strict=True)]
    assert np.mean(best) == pytest.approx(np.sqrt(ceiling.mean()), rel=0.02)


def test_drift_is_a_line_in_each_session_and_has_the_stated_size():
    session = np.repeat(np.arange(400), [1, 2, 7, 10] * 100)
    drift = simulated.session_drift(session, 50, np.random.default_rng(0))
    assert np.mean(drift**2) == pytest.approx(1, rel=0.03)
    inside = drift[session == 3]
    np.testing.assert_allclose(np.diff(inside, n=2, axis=0), 0, atol=1e-12)
    assert abs(np.corrcoef(drift[session == 2].mean(axis=0), inside.mean(axis=0))[0, 1]) < 0.5


def test_drift_shifts_sessions_apart():
    made = {
        drift: simulated.simulate(SMALL | {"train_repeats": 10, "sessions": 4, "drift": drift}, 0)
        for drift in (0.0, 3.0)
    }
    between = {}
    for drift, data in made.items():
        brain, session = data["brain"].values, data["session"].values
        between[drift] = np.stack([brain[session == one].mean(axis=0) for one in range(1, 5)]).var(axis=0).mean()
    assert between[3.0] > 10 * between[0.0]


def test_subjects_see_the_same_with_other_voxels():
    one, two, again = (simulated.simulate(SMALL | {"subject": subject}, 0) for subject in (1, 2, 2))
    for name in ("stimulus", "label", "part", "session"):
        assert one[name].values.tolist() == two[name].values.tolist()
    np.testing.assert_array_equal(two["brain"], again["brain"])
    noiseless = [
        simulated.simulate(SMALL | {"subject": subject, "signal_to_noise": [1e4, 1e4]}, 0)["brain"].values
        for subject in (1, 2)
    ]
    correlation = [np.corrcoef(a, b)[0, 1] for a, b in zip(noiseless[0].T, noiseless[1].T, strict=True)]
    assert np.median(np.abs(correlation)) < 0.9
    residual = [data["brain"].values - clean for data, clean in zip((one, two), noiseless, strict=True)]
    assert abs(np.corrcoef(residual[0].ravel(), residual[1].ravel())[0, 1]) < 0.1


LEAK_FINDINGS = {
    "none": {},
    "images": {"seen_images": "serious"},
    "trials": {"seen_images": "serious", "rows_across_parts": "serious"},
    "scaling": {"scaling": "notable"},
}


@pytest.mark.parametrize("leak", simulated.LEAKS)
def test_the_audit_finds_the_leak_that_was_planted_and_no_other(leak):
    made = simulated.simulate({"voxels": 60, "leak": leak}, 0)
    leaks = {"seen_images", "near_images", "rows_across_parts", "scaling"}
    found = {
        finding.check: finding.severity
        for finding in audit_dataset(made, 0)
        if finding.check in leaks and finding.severity != "info"
    }
    assert found == LEAK_FINDINGS[leak]
    assert ("A leak was planted" in made.attrs["notes"]) == (leak != "none")


def test_equal_seeds_give_equal_files_and_other_seeds_other_data(tmp_path):
    entry = {"title": "Simulated", "settings": SMALL}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_simulate(tmp_path / f"{name}.nc", entry, seed)
    assert sha256(tmp_path / "a.nc") == sha256(tmp_path / "b.nc")
    assert not np.array_equal(
        dataset.read(tmp_path / "a.nc")["brain"].values, dataset.read(tmp_path / "c.nc")["brain"].values
    )


def test_a_title_that_does_not_say_so_is_told_to(tmp_path):
    run_simulate(tmp_path / "toy.nc", {"title": "Toy", "settings": SMALL}, name="toy")
    read = dataset.read(tmp_path / "toy.nc")
    assert (read.attrs["name"], read.attrs["title"], read.attrs["simulated"]) == ("toy", "Toy (simulated)", 1)


def test_more_voxels_leave_the_stimuli_as_they_are():
    few, many = (simulated.simulate(SMALL | {"voxels": voxels}, 0) for voxels in (10, 40))
    assert few["stimulus"].values.tolist() == many["stimulus"].values.tolist()


def test_digits_are_upright_and_all_different():
    small, digits = simulated.handwritten_digits()
    images = simulated.enlarged(small, 28)
    assert images.shape == (len(digits), 28, 28)
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert len({dataset.stimulus_identity(image) for image in images}) == len(images)
    rows = np.arange(28) @ images.sum(axis=2).T / images.sum(axis=(1, 2))
    assert rows[digits == 6].mean() > rows[digits == 9].mean() + 1  # a 6 is heavy below, a 9 above
    assert images[digits == 7][:, :14].sum() > images[digits == 7][:, 14:].sum()  # the bar of a 7 is above


def grating(size, frequency, angle, phase=0.0):
    y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    return 0.5 + 0.5 * np.cos(2 * np.pi * frequency / size * (x * np.cos(angle) + y * np.sin(angle)) + phase)


def test_contrast_energy_prefers_its_orientation_and_frequency():
    images = np.stack([grating(28, frequency, angle) for frequency in (3, 7) for angle in (0, np.pi / 2)])
    energy = simulated.contrast_energy(images, 2, (3.0, 7.0))[:, :, 10:18, 10:18].mean(axis=(2, 3))
    assert energy.argmax(axis=0).tolist() == [0, 1, 2, 3]


def test_contrast_energy_does_not_depend_on_the_phase_and_ignores_uniform_brightness():
    images = np.stack([grating(28, 7, 0, phase) for phase in (0, 1, 2, 3)])
    energy = simulated.contrast_energy(images, 1, (7.0,))[:, 0, 12:16, 12:16]
    np.testing.assert_allclose(energy, energy[:1].mean(), rtol=0.02)
    uniform = simulated.contrast_energy(np.ones((1, 28, 28)), 1, (7.0,))[0, 0, 12:16, 12:16]
    assert uniform.max() < 1e-6 * energy.max()


def test_contrast_energy_equals_a_convolution_written_out():
    image = np.random.default_rng(0).random((28, 28))
    y, x = np.meshgrid(np.arange(28) - 14, np.arange(28) - 14, indexing="ij")
    envelope = np.exp(-(x**2 + y**2) / (2 * (0.56 * 7) ** 2))
    expected = 0
    for wave in (np.cos(2 * np.pi * x / 7), np.sin(2 * np.pi * x / 7)):
        gabor = envelope * (wave - np.average(wave, weights=envelope))
        gabor /= np.linalg.norm(gabor)
        expected = expected + convolve2d(image, gabor)[14:42, 14:42] ** 2
    np.testing.assert_allclose(simulated.contrast_energy(image[None], 1, (4.0,))[0, 0], expected, atol=1e-10)


def test_the_exponent_compresses():
    linear, root = (simulated.Settings(voxels=20, exponent=exponent) for exponent in (1.0, 0.5))
    energy = simulated.contrast_energy(np.random.default_rng(0).random((5, 28, 28)), 4, (2.0, 4.0))
    responses = [simulated.voxel_responses(energy, one, np.random.default_rng(0)) for one in (linear, root)]
    assert responses[0].shape == (5, 20)
    np.testing.assert_allclose(np.sqrt(responses[0]), responses[1])


BAD_SETTINGS = {
    "misspelt": ({"voxel": 100}, ["unknown key 'voxel'", "Did you mean 'voxels'"]),
    "no mapping": ([1], ["expected a mapping"]),
    "no voxels": ({"voxels": 0}, ["'voxels': found 0", "at least 1"]),
    "fraction": ({"voxels": 10.5}, ["'voxels': found 10.5", "whole number"]),
    "truth value": ({"sessions": True}, ["'sessions': found True"]),
    "text": ({"train_stimuli": "100"}, ["'train_stimuli': found '100'"]),
    "one test stimulus": ({"test_stimuli": 1}, ["'test_stimuli': found 1"]),
    "too many stimuli": ({"train_stimuli": 5000}, ["'train_stimuli': found 5000"]),
    "NaN": ({"exponent": float("nan")}, ["'exponent': found nan"]),
    "one value for a range": ({"signal_to_noise": 0.3}, ["'signal_to_noise': found 0.3", "a list"]),
    "range upside down": ({"signal_to_noise": [0.5, 0.1]}, ["'signal_to_noise'", "lowest value first"]),
    "no noise": ({"signal_to_noise": [0, 1]}, ["'signal_to_noise.0': found 0"]),
    "no frequencies": ({"frequencies": []}, ["'frequencies': found []"]),
    "too fine": ({"frequencies": [20]}, ["frequencies': found [20.0]", "at most 14"]),
    "negative drift": ({"drift": -0.1}, ["'drift': found -0.1"]),
    "no subject": ({"subject": 0}, ["'subject': found 0"]),
    "unknown leak": ({"leak": "trial"}, ["'leak': found 'trial'", "Did you mean 'trials'"]),
    "leak no text": ({"leak": True}, ["'leak': found True", "'none', 'images', 'trials', 'scaling'"]),
    "leak a list": ({"leak": ["trials"]}, ["'leak': found ['trials']"]),
    "huge image": ({"image_size": 10_000}, ["'image_size'"]),
    "number of pixels as text": ({"image_size": "28", "frequencies": [2]}, ["'image_size': found '28'"]),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_bad_settings_are_one_clear_error_and_leave_nothing(tmp_path, case):
    settings, words = BAD_SETTINGS[case]
    with pytest.raises(InputError) as caught:
        run_simulate(tmp_path / "out" / "simulated.nc", {"settings": settings})
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_largest_settings_find_enough_different_images():
    made = simulated.simulate(
        {"train_stimuli": 1000, "test_stimuli": 700, "test_repeats": 1, "voxels": 1, "orientations": 1}, 0
    )
    assert len(set(made["stimulus"].values)) == 1700
