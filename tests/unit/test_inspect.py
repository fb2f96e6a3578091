"""`cortexclip inspect`: what it says of files, what it proposes, and that the proposal is what ingest then reads."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import scipy.io
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from cortexclip.__main__ import main
from cortexclip.audit.inspection import name_of
from cortexclip.audit.orientation import check_orientation, orientation
from cortexclip.configuration.schema import check
from cortexclip.data import dataset as datasets
from cortexclip.data.dataset import stimulus_identity
from cortexclip.figures.sheet import as_text
from cortexclip.numerics.resize import resized

SIDE, N_VOXELS = 12, 30


@pytest.fixture(scope="module")
def trials():
    """60 distinct upright digits, responses that follow them, and their classes."""
    digits = load_digits()
    images = resized(digits.images[:60] / 16, SIDE)
    random = np.random.default_rng(0)
    brain = images.reshape(60, -1) @ random.standard_normal((SIDE * SIDE, N_VOXELS)) / 4 + random.standard_normal(
        (60, N_VOXELS)
    )
    return brain, images, digits.target[:60]


def rows(images, order="C"):
    return np.stack([image.reshape(-1, order=order) for image in images])


def colour(images):
    return (images[..., None] * [255, 200, 100]).astype(np.uint8)


def inspected(path, capsys, *options):
    """Exit status, entry and comments of `inspect --yaml`; the entry fits the schema and names the file."""
    status = main(["inspect", str(path), "--yaml", *options])
    text = capsys.readouterr().out
    content = yaml.safe_load(text)
    if content is None:
        return status, None, text
    check(content, "datasets", "what inspect printed")
    ((name, entry),) = content.items()
    assert name == name_of(path)
    return status, entry, text


def ingested(path, entry, folder):
    output = folder / "out.nc"
    arguments = ["--dataset", "toy", "--entry", json.dumps(entry), "--input", str(path), "--output", str(output)]
    assert main(["ingest", *arguments]) == 0
    return datasets.read(output)


def save_sets(path, brain, images, label):
    np.savez(
        path,
        **{"X_train": brain[:45], "X_test": brain[45:], "Y_train": rows(images[:45]), "Y_test": rows(images[45:])},
        **{"classTrain": label[:45], "classTest": label[45:], "notes": np.array("a remark")},
    )


def save_mat_sets(path, brain, images, label):
    arrays = {"trainBrain": brain[:45], "testBrain": brain[45:], "label_tr": label[:45], "label_te": label[45:]}
    scipy.io.savemat(path, arrays | {"trainImages": rows(images[:45], "F"), "testImages": rows(images[45:], "F")})


def save_groups(path, brain, images, label):
    with h5py.File(path, "w") as file:
        for part, chosen in (("train", slice(0, 45)), ("test", slice(45, 60))):
            file[f"{part}/voxels"], file[f"{part}/pictures"] = brain[chosen], images[chosen]
            file[f"{part}/label"], file[f"{part}/run"] = label[chosen], np.arange(len(label[chosen])) // 5


def save_words(path, brain, images, label):
    part = np.repeat(["train", "test"], [45, 15])
    np.savez(path, responses=brain, images=colour(images), category=label, split=part, session=np.arange(60) // 20)


def save_planar(path, brain, images, label):
    planes = np.moveaxis(colour(images), 3, 1).reshape(60, -1)
    np.savez(path, bold=brain, stimuli=planes, label=label, is_test=np.arange(60) >= 45)


def save_index(path, brain, images, label):
    stimuli = np.moveaxis(images, 0, -1)
    eeg = np.moveaxis(brain.reshape(60, 5, 6), 0, -1)
    np.savez(path, eeg=eeg, stim=stimuli, digit=label, test_idx=np.arange(46, 61))


def save_none(path, brain, images, label):
    np.savez(path, a=brain, b=images, label=label)


def save_lying(path, brain, images, label):
    np.savez(path, brain=brain, stimuli=rows(images, "F"), label=label, part=np.repeat([0, 1], [45, 15]))


SAVED = {
    "sets.npz": (save_sets, {"parts": "sets", "pixel_order": "row-major", "labels": "class"}),
    "sets.mat": (save_mat_sets, {"parts": "sets", "pixel_order": "column-major", "labels": "class"}),
    "groups.h5": (save_groups, {"parts": "sets", "pixel_order": "row-major", "labels": "class"}),
    "words.npz": (save_words, {"parts": "index", "channels": "rgb-last", "labels": "class"}),
    "planar.npz": (save_planar, {"parts": "index", "channels": "rgb-first", "labels": "class"}),
    "index.npz": (save_index, {"parts": "index", "sample_axis": "last", "first_index": 1, "labels": "class"}),
    "none.npz": (save_none, {"parts": "none", "labels": "class"}),
    "lying.npz": (save_lying, {"parts": "index", "pixel_order": "column-major", "labels": "class"}),
}


@pytest.mark.parametrize("file", SAVED)
def test_what_is_proposed_is_read_and_gives_the_trials_back(tmp_path, capsys, trials, file):
    save, expected = SAVED[file]
    brain, images, label = trials
    save(tmp_path / file, brain, images, label)
    status, entry, text = inspected(tmp_path / file, capsys)
    assert status == 0, text
    assert {key: entry.get(key) for key in expected} == expected
    read = ingested(tmp_path / file, entry, tmp_path)
    np.testing.assert_allclose(read["brain"].values, brain, rtol=1e-5)
    assert read["label"].values.tolist() == label.tolist()
    wanted = images
    if "channels" in expected:
        wanted = colour(images) @ [0.299, 0.587, 0.114] / 255
    np.testing.assert_allclose(read["stimuli"].values, wanted, atol=1e-6)
    if expected["parts"] != "none":
        assert read["part"].values.tolist() == ["train"] * 45 + ["test"] * 15
    if file == "groups.h5":
        assert read["run"].values.tolist() == [*(np.arange(45) // 5), *(np.arange(15) // 5)]
    if file == "words.npz":
        assert read["session"].values.tolist() == (np.arange(60) // 20).tolist()


def test_the_schema_of_the_field_needs_no_guess_but_the_order_and_the_meaning_of_labels(tmp_path, capsys, trials):
    brain, images, _ = trials
    twice = np.concatenate([images[:20], images[:20], images[20:40]])
    arrays = {"fmriTrn": brain[:45], "fmriTest": brain[45:], "labelTrn": np.arange(45) // 5, "labelTest": np.arange(15)}
    scipy.io.savemat(tmp_path / "a.mat", arrays | {"stimTrn": rows(twice[:45], "F"), "stimTest": rows(twice[45:], "F")})
    _, entry, text = inspected(tmp_path / "a.mat", capsys)
    assert (entry.get("arrays"), entry["pixel_order"], entry["labels"]) == (None, "column-major", "session")
    assert "labels: session, since" in text


def test_a_report_says_what_is_in_the_file(tmp_path, capsys, trials):
    save_sets(tmp_path / "My data (1).npz", *trials)
    assert main(["inspect", str(tmp_path / "My data (1).npz")]) == 0
    text = capsys.readouterr().out
    for words in (
        "numpy .npz",
        "  X_train     45 x 30         float64",
        "brain_train: X_train",
        "45 training and 15 test samples, 30 voxels, 12x12 images",
        "Guessed, so check it",
        "signal: The test part can be decoded beyond chance: ridge",
        "1-NN",
        "orientation: The images are upright",
        "My data (1).npz: usable",
        "█",
    ):
        assert words in text


def test_several_files_are_inspected_and_the_gravest_decides(tmp_path, capsys, trials):
    brain, images, label = trials
    save_none(tmp_path / "good.npz", brain, images, label)
    save_sets(tmp_path / "leaky.npz", np.roll(brain, 15, axis=0), images[np.arange(60) % 45], label)
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 and nothing else")
    good, leaky, bad = (str(tmp_path / f"{name}.npz") for name in ("good", "leaky", "bad"))
    assert main(["inspect", good, "--no-pictures"]) == 0
    assert main(["inspect", good, leaky, "--no-pictures"]) == 0
    assert main(["inspect", good, leaky, "--no-pictures", "--strict"]) == 1
    capsys.readouterr()
    assert main(["inspect", bad, leaky, good, "--no-pictures"]) == 2
    text = capsys.readouterr().out
    assert "bad.npz: not usable: " in text
    assert "leaky.npz: usable, with serious findings (" in text and "seen_images" in text
    assert "good.npz: usable\n" in text
    assert main(["inspect", good, leaky, "--sheet", str(tmp_path / "s.png")]) == 2


def test_keys_that_are_given_are_not_guessed(tmp_path, capsys, trials):
    save_lying(tmp_path / "a.npz", *trials)
    given = {"pixel_order": "row-major", "labels": "none"}
    status, entry, text = inspected(tmp_path / "a.npz", capsys, "--entry", json.dumps(given), "--strict")
    assert status == 1
    assert (entry["pixel_order"], entry["labels"]) == ("row-major", "none")
    assert "serious: The images lie on their side" in text
    whole = {"parts": "none", "arrays": {"brain": "brain", "stimuli": "not there"}}
    status, entry, text = inspected(tmp_path / "a.npz", capsys, "--entry", json.dumps(whole))
    assert (status, entry) == (2, None)
    assert "has no array 'not there'; found brain, label, part, stimuli" in text
    assert main(["inspect", str(tmp_path / "a.npz"), "--entry", '{"pixel_ordr": 1}']) == 2


def test_a_reader_of_recordings_can_be_inspected_too(tmp_path, capsys, monkeypatch):
    (tmp_path / "their_reader.py").write_text(
        "from cortexclip.data import simulated\n"
        "def read(path, name, entry):\n"
        "    return simulated.simulate(entry['settings'], 0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "raw.txt").write_text("anything")
    entry = json.dumps({"reader": "their_reader", "settings": {"voxels": 80}})
    assert main(["inspect", str(tmp_path / "raw.txt"), "--no-pictures", "--entry", entry]) == 0
    assert "100 training and 80 test samples, 80 voxels" in capsys.readouterr().out


def test_images_too_small_to_be_scored_are_to_be_enlarged(tmp_path, capsys, trials):
    brain, images, label = trials
    save_none(tmp_path / "a.npz", brain, resized(images, 8), label)
    status, entry, text = inspected(tmp_path / "a.npz", capsys)
    assert (status, entry["image_size"]) == (0, 28)
    assert "image_size: 28, since images of 8 x 8 pixels are too small for SSIM" in text
    read = ingested(tmp_path / "a.npz", entry, tmp_path)
    np.testing.assert_allclose(read["stimuli"].values, resized(resized(images, 8), 28), atol=1e-6)


def test_arrays_that_could_be_anything_are_not_guessed(tmp_path, capsys):
    random = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", a=random.random((9, 16)), b=random.random((9, 16)), c=random.random((9, 25)))
    assert main(["inspect", str(tmp_path / "a.npz")]) == 2
    assert "several arrays could be responses and stimuli" in capsys.readouterr().out
    np.savez(tmp_path / "b.npz", a=random.random((9, 15)), b=random.random((9, 17)))
    assert main(["inspect", str(tmp_path / "b.npz")]) == 2
    assert "no two arrays can be brain responses and square images" in capsys.readouterr().out


def test_a_contact_sheet_shows_each_distinct_stimulus_and_is_the_same_each_time(tmp_path, trials):
    save_none(tmp_path / "a.npz", *(array[:30] for array in trials))
    for name in ("one.png", "two.png"):
        assert main(["inspect", str(tmp_path / "a.npz"), "--no-pictures", "--sheet", str(tmp_path / name)]) == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert main(["inspect", str(tmp_path / "a.npz"), "--no-pictures", "--sheet", str(tmp_path)]) == 2
    with Image.open(tmp_path / "one.png") as sheet:
        grey = np.asarray(sheet.convert("L"))
    assert (grey < 128).mean() > 0.05  # dark tiles, not an empty page


def test_pictures_in_characters_have_the_brightness_of_the_image():
    image = np.array([[0, 0, 1], [0, 0, 1], [0.5, 0, 1], [0.5, 1, 1]])[None]
    assert as_text(image, 80) == "  █\n▒▒█"
    assert as_text(image, 80, plain=True) == "  @\n==@"
    side_by_side = as_text(np.concatenate([image] * 3), columns=8)
    assert side_by_side == "  █    █\n▒▒█  ▒▒█\n\n  █\n▒▒█"
    assert as_text(np.ones((1, 56, 56)), 80).splitlines() == ["█" * 28] * 14


def test_orientation_tells_digits_from_mirrored_ones_and_is_silent_about_noise(trials):
    images = trials[1]

    def judged(pictures):
        names = np.array([stimulus_identity(image) for image in pictures])
        return check_orientation(orientation(pictures, names, 0))

    assert "are upright" in judged(images).message
    assert "are upright" in judged(1 - images).message  # dark on light
    lying = judged(images.transpose(0, 2, 1))
    assert lying.severity == "serious" and "lie on their side" in lying.message
    noise = judged(np.random.default_rng(0).random((60, 12, 12)))
    assert noise.severity == "info" and "cannot be determined" in noise.message
    assert "cannot be determined" in judged(np.zeros((3, 8, 8))).message


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("digit69_28x28.mat", "digit69_28x28"),
        ("My data (1).npz", "my_data_1"),
        ("7T.h5", "my_7t"),
        ("a_nearest.mat", "a"),
        ("日本.mat", "my_data"),
    ],
)
def test_names_are_such_as_the_catalogue_takes(tmp_path, file, name):
    assert name_of(tmp_path / file) == name
