"""Epochs, characters and canonical splits of EEG recordings, against what they are defined to be."""

import numpy as np
import pytest
from PIL import Image

from cortexclip.data import epochs
from cortexclip.data.characters import character_images
from cortexclip.data.epochs import EpochSettings
from cortexclip.errors import InputError

RATE = 200.0
PLAIN = EpochSettings(window=(0.5, 2.5), band=(1, 40), power_bands=((1, 40), (40, 100)), time_points=8)


def sine(frequency, n_times=600):
    return np.sin(2 * np.pi * frequency * np.arange(n_times) / RATE)


@pytest.mark.parametrize(("frequency", "gain"), [(0.1, 0), (6, 1), (12, 1), (20, 1), (70, 0)])
def test_the_band_pass_passes_its_band_without_delay(frequency, gain):
    wave = sine(frequency)
    passed = epochs.filtered(wave, PLAIN, RATE)
    assert passed.shape == (400,)
    np.testing.assert_allclose(passed[50:-50], gain * wave[100:500][50:-50], atol=0.08)


def test_a_linear_trend_and_an_offset_leave_no_trace():
    wave = np.random.default_rng(0).standard_normal((2, 600))
    trended = wave + 4000 + 3 * np.arange(600)
    np.testing.assert_allclose(epochs.filtered(trended, PLAIN, RATE), epochs.filtered(wave, PLAIN, RATE), atol=1e-8)


def test_the_time_course_is_the_mean_of_equal_parts():
    values = np.random.default_rng(0).standard_normal((3, 400))
    course = epochs.features(values, PLAIN, RATE)[:, 2:]
    np.testing.assert_allclose(course, values.reshape(3, 8, 50).mean(axis=2), rtol=1e-5)


def test_power_over_all_frequencies_is_the_variance_under_the_window():
    """Parseval: with a Hann window, the power is the weighted mean square of the values."""
    values = np.random.default_rng(0).standard_normal((50, 400))
    everything = EpochSettings(power_bands=((0.1, 100.1),), time_points=8)
    hann = np.sin(np.pi * np.arange(400) / 400) ** 2
    centred = values - values.mean(axis=1, keepdims=True)
    expected = (hann**2 * centred**2).sum(axis=1) / (hann**2).sum()
    power = 10 ** epochs.features(values, everything, RATE)[:, 0]
    np.testing.assert_allclose(power.mean(), expected.mean(), rtol=0.01)


def test_epochs_do_not_influence_each_other():
    values = np.random.default_rng(0).standard_normal((5, 600))
    alone = epochs.features(epochs.filtered(values[2], PLAIN, RATE), PLAIN, RATE)
    together = epochs.features(epochs.filtered(values, PLAIN, RATE), PLAIN, RATE)[2]
    np.testing.assert_allclose(alone, together, rtol=1e-6)


def test_artefact_rules():
    quiet, normal, large = 0.1 * sine(10), 20 * sine(10), 200 * sine(10)
    flat, beyond = epochs.artefacts(np.stack([quiet, normal, large]), PLAIN).values()
    assert flat.tolist() == [True, False, False]
    assert beyond.tolist() == [False, False, True]


def test_feature_names_are_those_of_the_features():
    names = epochs.feature_names(["C3", "C4"], PLAIN)
    assert len(names) == 2 * epochs.features(np.zeros(400) + 1, PLAIN, RATE).size
    assert names[0] == "C3 log power 1-40 Hz"
    assert names[-1] == "C4 mean 2.25 s"


def test_the_last_trials_of_each_class_test():
    label = np.array([1, 2, 1, 1, 2, 1, 1, 2])
    assert epochs.last_of_each_class(label, 0.4).tolist() == ["train"] * 5 + ["test"] * 3
    assert epochs.last_of_each_class(np.array([1, 1, 2]), 0.01).tolist() == ["train", "test", "test"]


def test_spread_takes_the_ends_and_what_lies_between():
    label = np.repeat([0, 1], [9, 3])
    assert epochs.spread(label, 3).tolist() == [0, 4, 8, 9, 10, 11]
    assert epochs.spread(label, None).tolist() == list(range(12))
    assert epochs.spread(np.zeros(0, dtype=int), 3).tolist() == []


def test_characters_are_drawn_upright_centred_and_apart():
    images = character_images("0123456789adefjnostv")
    assert images.shape == (20, 28, 28) and images.dtype == np.float32
    assert images.min() == 0 and images.max() > 0.9
    correlation = np.corrcoef(images.reshape(20, -1))
    np.fill_diagonal(correlation, 0)
    assert correlation.max() < 0.9
    for image in images:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert max(len(rows), len(columns)) == 20
        for found in (rows, columns):
            assert abs(found[0] + found[-1] - 27) <= 1
    seven, four = images[7], images[4]
    assert seven[4:8].sum() > 1.5 * seven[20:24].sum()  # its bar is above
    assert four[:, 14:].sum() > four[:, :14].sum()  # its stem is on the right


def test_the_same_characters_are_the_same_images():
    np.testing.assert_array_equal(character_images("07"), character_images("0123456789")[[0, 7]])


def test_images_of_a_folder_are_read_as_grey(tmp_path):
    Image.new("RGB", (12, 12), (255, 255, 255)).save(tmp_path / "a.png")
    Image.new("L", (12, 12), 0).save(tmp_path / "b.jpg")
    images = character_images("ab", tmp_path)
    assert images.shape == (2, 12, 12)
    assert images[0].min() == 1 and images[1].max() == 0


def image(size, path):
    Image.new("L", size).save(path)


BAD_FOLDERS = {
    "missing": (lambda folder: None, "holds neither"),
    "twice": (lambda folder: [image((9, 9), folder / f"a{s}") for s in (".png", ".jpg")], "holds a.png and a.jpg"),
    "not square": (lambda folder: image((9, 8), folder / "a.png"), "images of 9x8 pixels"),
    "huge": (lambda folder: image((2000, 2000), folder / "a.png"), "2000x2000 pixels, expected 1024"),
    "no image": (lambda folder: (folder / "a.png").write_bytes(b"\x89PNG and no more"), "cannot be read as an image"),
    "other format": (lambda folder: Image.new("L", (9, 9)).save(folder / "a.png", "GIF"), "cannot be read as an image"),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_bad_images_are_one_clear_error(tmp_path, case):
    make, words = BAD_FOLDERS[case]
    make(tmp_path)
    with pytest.raises(InputError, match=words):
        character_images("a", tmp_path)
