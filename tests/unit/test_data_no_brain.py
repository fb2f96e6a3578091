"""Stand-ins without brain data: what they hold, that they say so, and what always answering the mean image scores."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cortexclip.configuration.config import pool_for
from cortexclip.configuration.schema import check, read_yaml
from cortexclip.data import arrays, dataset, no_brain, title_of
from cortexclip.data.entries import attributes, parse_dataset_entry
from cortexclip.errors import InputError

CATALOGUE = read_yaml(Path(__file__).parents[2] / "config" / "datasets.yaml")
STAND_INS = [name for name, entry in CATALOGUE.items() if entry.get("brain_data") is False]
MADE = {  # trials of the published datasets, and the error of always answering the mean of their ten images
    "mindbigdata_constant": (1080, 120, 0.056625),
    "mindbigdata_noise": (1080, 120, 0.056625),
    "crell_constant": (576, 64, 0.032345),
    "crell_noise": (576, 64, 0.032345),
}
FILES = {"mindbigdata_eeg2fmri": 0.0528, "crell_eeg2fmri": 0.0296}
SETTINGS = {"characters": "abc", "train": 10, "test": 7, "columns": 5}
HOW = "Put the pictures there."


@pytest.fixture
def folder(tmp_path):
    """A folder with three pictures, of 12 x 12 pixels."""
    random = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(random.integers(256, size=(12, 12), dtype=np.uint8)).save(tmp_path / "pictures" / name)
    return tmp_path / "pictures"


def made(folder, **settings):
    entry = {"title": "Toy (no brain data)", "how": HOW, "settings": SETTINGS | settings}
    return no_brain.read(folder, "toy", entry)


def stand_in(name):
    if "CORTEXCLIP_DATA" not in os.environ:
        pytest.skip("CORTEXCLIP_DATA is not set: it names the folder with the real data")
    path, entry = Path(os.environ["CORTEXCLIP_DATA"]) / CATALOGUE[name]["file"], CATALOGUE[name]
    if not path.exists():
        pytest.skip(f"{path} is not there")
    reader = no_brain if entry["reader"].endswith("no_brain") else arrays
    return reader.read(path, name, entry)


@pytest.mark.parametrize("rows", ("constant", "noise"))
def test_rows_say_nothing_about_the_images(folder, rows):
    read = made(folder, rows=rows)
    assert read["brain"].shape == (17, 5)
    assert read["part"].values.tolist() == ["train"] * 10 + ["test"] * 7
    assert len(np.unique(read["brain"], axis=0)) == (1 if rows == "constant" else 17)
    assert np.ptp(read["brain"].values[0]) > 0  # a constant row is not flat
    assert read.attrs["simulated"] == 0
    assert (read["session"] == -1).all()


def test_noise_is_standard_normal(folder):
    rows = made(folder, rows="noise", columns=2000)["brain"].values
    assert rows.mean() == pytest.approx(0, abs=0.03)
    assert rows.std() == pytest.approx(1, abs=0.03)
    correlations = np.corrcoef(rows)[np.triu_indices(len(rows), 1)]
    assert np.abs(correlations).max() < 0.15


def test_labels_name_the_pictures_and_are_balanced_in_each_part(folder):
    read = made(folder)
    label = read["label"].values
    for part, least in (("train", 3), ("test", 2)):
        counts = np.bincount(label[read["part"].values == part], minlength=3)
        assert sorted(counts) == [least, least, least + 1]
    assert (np.diff(label) != 0).sum() > 4  # in no order
    for position, character in enumerate("abc"):
        picture = np.asarray(Image.open(folder / f"{character}.png"), dtype=np.float32) / 255
        assert (read["stimuli"].values[label == position] == picture).all()


def test_it_depends_on_the_seed_and_on_nothing_else(folder):
    one, again, another = made(folder, rows="noise"), made(folder, rows="noise"), made(folder, rows="noise", seed=1)
    assert one.identical(again)
    assert (one["brain"].values != another["brain"].values).all()
    assert (one["label"].values != another["label"].values).any()
    # constant and noise differ in their rows alone, so that their scores can be compared trial by trial
    assert (made(folder, rows="constant")["label"].values == one["label"].values).all()


def test_pictures_are_checked(folder):
    found = made(folder).attrs["sha256"]
    assert made(folder, pictures_sha256=found).attrs["sha256"] == found
    with pytest.raises(InputError, match=rf"pictures have the sha256 {found}, expected {'0' * 64}.*{HOW}"):
        made(folder, pictures_sha256="0" * 64)
    (folder / "b.png").unlink()
    with pytest.raises(InputError, match=r"holds neither, expected one of b\.png and b\.jpg"):
        made(folder)


def test_a_missing_folder_is_named_with_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match=rf"gone: is no folder, expected one with the pictures of .*'toy'\. {HOW}"):
        made(tmp_path / "gone")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": "noisy"}, r"'rows': found 'noisy', expected one of 'constant', 'noise'\. Did you mean 'noise'\?"),
        ({"rows": ["noise"]}, r"'rows': found \['noise'\]"),
        ({"trian": 3}, r"unknown key 'trian'\. Did you mean 'train'\?"),
        ({"train": 1}, r"'train': found 1, expected at least 2"),
        ({"test": 2.5}, r"'test': found 2\.5, expected a whole number"),
        ({"columns": True}, r"'columns': found True, expected a whole number"),
        ({"seed": -1}, r"'seed': found -1, expected at least 0"),
        ({"characters": 123}, r"'characters': found 123, expected text"),
        ({"characters": "aba"}, r"'characters': found 'aba', expected different digits or letters in quotation marks"),
        ({"characters": "../a"}, r"'characters': found '\.\./a'"),
        ({"characters": ""}, r"'characters': found ''"),
        ({"pictures_sha256": "abc"}, r"'pictures_sha256': found 'abc', expected text that matches"),
    ],
)
def test_wrong_settings_are_named(folder, settings, message):
    with pytest.raises(InputError, match=message):
        made(folder, **settings)


def test_settings_have_to_be_a_mapping(folder):
    with pytest.raises(InputError, match=r"found \['noise'\], expected a mapping of keys to values"):
        no_brain.read(folder, "toy", {"settings": ["noise"]})


@pytest.mark.parametrize("name", STAND_INS)
def test_what_holds_no_brain_data_says_so(name):
    entry = CATALOGUE[name]
    assert title_of(entry) == f"{entry['title']} (no brain data)" == attributes(name, entry)["title"]
    assert entry["modality"] == "no brain data"
    assert "no brain data" in entry["notes"][0]
    assert name.startswith(f"{entry['stands_for']}_")
    assert parse_dataset_entry(json.dumps(entry), name) == entry
    with pytest.raises(InputError, match="no brain data"):
        check({name: entry | {"modality": "fMRI"}}, "datasets", "datasets.yaml")


def test_there_are_three_stand_ins_for_each_published_dataset():
    assert sorted(STAND_INS) == sorted([*MADE, *FILES])


@pytest.mark.parametrize("name", ["crell_noise", "miyawaki_sharp"])
def test_no_method_learns_from_a_stand_in_or_from_the_same_trials(name):
    chosen = {n: CATALOGUE[n] for n in ("vangerven", "miyawaki", "miyawaki_sharp", "crell_noise")}
    assert name not in pool_for("miyawaki", chosen)
    assert ("miyawaki" in pool_for("vangerven", chosen)) and ("miyawaki" not in pool_for("miyawaki_sharp", chosen))


@pytest.mark.parametrize("name", MADE)
def test_stand_ins_have_the_published_trials_and_the_known_constant_answer(name):
    n_train, n_test, expected = MADE[name]
    read = stand_in(name)
    train, test = read.isel(sample=slice(n_train)), read.isel(sample=slice(n_train, None))
    assert (read.sizes["voxel"], len(test["sample"]), read.sizes["y"]) == (3092, n_test, 28)
    assert (train["part"] == "train").all() and (test["part"] == "test").all()
    assert len(np.unique(read["brain"], axis=0)) == (1 if name.endswith("constant") else n_train + n_test)
    for part in (train, test):
        counts = np.bincount(part["label"])
        assert len(counts) == 10 and np.ptp(counts) <= 1
    images = np.stack([read["stimuli"].values[read["label"].values == label][0] for label in range(10)])
    errors = ((images - images.mean(axis=0)) ** 2).mean(axis=(1, 2))
    assert errors.mean() == pytest.approx(expected, abs=1e-6)
    of_test = ((test["stimuli"].values - train["stimuli"].values.mean(axis=0)) ** 2).mean()
    assert of_test == pytest.approx(expected, abs=1e-6 if n_test % 10 == 0 else 1e-5)
    stated = re.search(r"mean squared error of ([\d.]+\d)", read.attrs["notes"])
    assert float(stated[1]) == expected


@pytest.mark.parametrize("name", FILES)
def test_the_public_files_hold_what_their_notes_say(name):
    read = stand_in(name)
    train, test = read.isel(sample=slice(40)), read.isel(sample=slice(40, None))
    assert len(np.unique(read["brain"], axis=0)) == (1 if name.startswith("mindbigdata") else 50)
    assert np.unique(test["label"], return_counts=True)[1].tolist() == [1] * 10
    counts = np.unique(train["label"], return_counts=True)[1]
    assert (counts.min(), counts.max()) == ((1, 7) if name.startswith("mindbigdata") else (4, 4))
    assert np.mean((test["stimuli"].values - train["stimuli"].values.mean(axis=0)) ** 2) == pytest.approx(
        FILES[name], abs=5e-5
    )


def test_a_stand_in_is_written_and_read_without_change(folder, tmp_path):
    written = made(folder)
    dataset.write(written, tmp_path / "toy.nc")
    assert dataset.read(tmp_path / "toy.nc").equals(written)
