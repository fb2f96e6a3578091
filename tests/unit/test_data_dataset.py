"""The labelled container: identities of stimuli, its checks, and that it is written and read without change."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from cortexclip.data import dataset
from cortexclip.errors import InputError
from cortexclip.runtime.files import sha256

WORKFLOW = Path(__file__).parents[2] / "workflow"


def toy(**attributes):
    random = np.random.default_rng(0)
    return dataset.labelled(
        random.standard_normal((7, 5)),
        random.random((7, 4, 4)),
        np.array(["train"] * 4 + ["test"] * 3),
        {"name": "toy", "title": "Größe", "notes": "One.\nTwo."} | attributes,
        label=np.arange(7),
        noise_ceiling=random.random(5),
    )


def test_the_identity_is_the_hash_of_shape_and_8_bit_pixels():
    image = np.array([[0.0, 1.0, 0.5], [0.25, 0.1, 0.9]])
    content = b"2x3:" + bytes([0, 255, 128, 64, 26, 230])
    assert dataset.stimulus_identity(image) == "s-" + hashlib.sha256(content).hexdigest()[:10]


def test_the_identity_does_not_depend_on_how_the_pixels_are_stored():
    pixels = np.random.default_rng(0).integers(256, size=(28, 28))
    identities = {dataset.stimulus_identity((pixels / 255).astype(dtype)) for dtype in ("f2", "f4", "f8")}
    identities.add(dataset.stimulus_identity(np.asfortranarray(pixels / 255)))
    assert len(identities) == 1


def test_the_identity_depends_on_the_shape():
    assert dataset.stimulus_identity(np.zeros((2, 8))) != dataset.stimulus_identity(np.zeros((4, 4)))


def test_a_dataset_is_read_as_it_was_written(tmp_path):
    written = toy(simulated=True)
    dataset.write(written, tmp_path / "toy.nc")
    read = dataset.read(tmp_path / "toy.nc")
    xr.testing.assert_identical(read, written)
    for name in written.variables:
        assert read[name].dtype == written[name].dtype
    assert read.attrs["title"] == "Größe"
    assert read.attrs["sha256"] == ""
    assert read.attrs["simulated"] == 1


def test_without_labels_and_sessions_they_are_minus_one():
    made = dataset.labelled(np.zeros((4, 1)), np.zeros((4, 2, 2)), ["train", "test"] * 2, {"name": "toy"})
    assert made["label"].values.tolist() == made["session"].values.tolist() == [-1] * 4
    assert made["label"].dtype == made["session"].dtype == np.int32


def test_runs_of_two_sessions_with_one_number_are_two_groups():
    session, run, subject = [1, 1, 2, 2], [1, 2, 1, 2], [5, 5, 5, 6]
    made = dataset.labelled(
        np.zeros((4, 1)), np.zeros((4, 2, 2)), ["train", "test"] * 2, {"name": "toy"}, session=session, run=run
    )
    assert dataset.groupings(made)["session"].tolist() == [0, 0, 1, 1]
    assert dataset.groupings(made)["run"].tolist() == [0, 1, 2, 3]
    assert dataset.groupings(made)["label"].tolist() == [-1] * 4
    unknown = made.assign_coords(session=("sample", np.array([1, 1, -1, 2], np.int32)))
    assert dataset.groupings(unknown)["session"].tolist() == [1, 1, -1, 2]
    assert dataset.groupings(unknown)["run"].tolist() == [0, 1, 0, 1]  # by itself, where a session is not known
    both = made.assign_coords(subject=("sample", np.array(subject, np.int32)))
    assert dataset.groupings(both)["session"].tolist() == [0, 0, 1, 2]


def test_groupings_are_written_and_read(tmp_path):
    groups = {name: np.arange(4) for name in ("subject", "run", "block")}
    made = dataset.labelled(np.zeros((4, 1)), np.zeros((4, 2, 2)), ["train", "test"] * 2, {"name": "toy"}, **groups)
    dataset.write(made, tmp_path / "toy.nc")
    assert set(dataset.groupings(dataset.read(tmp_path / "toy.nc"))) == {"label", "session", *groups}
    with pytest.raises(InputError, match="unknown key 'blok'. Did you mean 'block'"):
        dataset.labelled(np.zeros((4, 1)), np.zeros((4, 2, 2)), ["train", "test"] * 2, {"name": "x"}, blok=np.arange(4))


def test_the_same_dataset_gives_the_same_bytes(tmp_path):
    dataset.write(toy(), tmp_path / "first.nc")
    dataset.write(dataset.read(tmp_path / "first.nc"), tmp_path / "second.nc")
    assert sha256(tmp_path / "first.nc") == sha256(tmp_path / "second.nc")


def test_another_process_gives_the_same_bytes(tmp_path):
    dataset.write(toy(), tmp_path / "first.nc")
    program = "import sys; from cortexclip.data.dataset import read, write; write(read(sys.argv[1]), sys.argv[2])"
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "first.nc"), str(tmp_path / "second.nc")],
        check=True,
        env=os.environ | {"PYTHONPATH": str(WORKFLOW), "PYTHONHASHSEED": "7"},
    )
    assert sha256(tmp_path / "first.nc") == sha256(tmp_path / "second.nc")


def test_rounding_to_single_precision_does_not_change_what_ridge_predicts():
    """Ridge in closed form on double and on single precision responses, voxels standardised as the methods do."""
    random = np.random.default_rng(0)
    brain, stimuli = random.standard_normal((60, 400)) * 0.04 + 0.02, random.random((60, 49))
    predictions = []
    for source in (brain, brain.astype(np.float32).astype(np.float64)):
        voxels = (source - source[:50].mean(axis=0)) / source[:50].std(axis=0)
        weights = np.linalg.solve(voxels[:50] @ voxels[:50].T + 1e3 * np.eye(50), stimuli[:50])
        predictions.append(voxels[50:] @ voxels[:50].T @ weights)
    np.testing.assert_allclose(*predictions, atol=1e-6)


def replaced(name, values, dimensions=None):
    def change(made):
        made[name] = (dimensions or made[name].dims, values(made[name].values))
        return made

    return change


def with_attribute(key, value):
    def change(made):
        made.attrs[key] = value
        return made

    return change


BAD_DATASETS = {
    "no brain": (lambda made: made.drop_vars("brain"), ["no 'brain'"]),
    "no part": (lambda made: made.drop_vars("part"), ["no 'part'"]),
    "renamed dimension": (lambda made: made.rename({"voxel": "feature"}), ["'brain'", "feature", "voxel"]),
    "double precision": (replaced("brain", lambda values: values.astype("f8")), ["'brain' is float64", "float32"]),
    "labels as text": (replaced("label", lambda values: values.astype("U")), ["'label'", "int32"]),
    "objects": (replaced("part", lambda values: values.astype(object)), ["'part' is object", "text"]),
    "NaN": (replaced("brain", lambda values: values * np.float32(np.nan)), ["'brain' holds 35 NaN"]),
    "too bright": (replaced("stimuli", lambda values: values * 2), ["'stimuli' ranges", "0..1"]),
    "ceiling above 1": (replaced("noise_ceiling", lambda values: values + 1), ["'noise_ceiling' ranges"]),
    "unknown part": (replaced("part", lambda values: np.array(["valid"] * 7)), ["'valid'", "'train', 'test'"]),
    "one test sample": (lambda made: made.isel(sample=slice(0, 5)), ["'test' has 1 sample,", "at least 2"]),
    "no test samples": (lambda made: made.isel(sample=slice(0, 4)), ["'test' has 0 samples"]),
    "no samples": (lambda made: made.isel(sample=slice(0, 0)), ["no entry along 'sample'"]),
    "another image": (replaced("stimuli", lambda values: values[::-1].copy()), ["'stimulus' says", "pixels give"]),
    "no name": (with_attribute("name", ""), ["'name' is empty"]),
    "number for text": (with_attribute("title", 3), ["'title' is 3"]),
    "half simulated": (with_attribute("simulated", 0.5), ["'simulated' is 0.5"]),
}


@pytest.mark.parametrize("case", BAD_DATASETS)
def test_a_bad_dataset_is_not_written(tmp_path, case):
    change, words = BAD_DATASETS[case]
    made = change(toy())
    with pytest.raises(InputError) as caught:
        dataset.write(made, tmp_path / "toy.nc")
    for word in words:
        assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_arrays_that_do_not_fit_together_are_an_error():
    with pytest.raises(InputError, match="toy: the arrays do not fit together"):
        dataset.labelled(np.zeros((4, 1)), np.zeros((5, 2, 2)), ["train", "test"] * 2, {"name": "toy"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"", "cannot be read as netCDF-4"),
        (b"text, not a dataset", "cannot be read as netCDF-4"),
        ("truncated", "cannot be read as netCDF-4"),
        ("folder", "is a folder"),
        ("other", "has no 'brain'"),
    ],
)
def test_a_file_that_is_no_dataset_is_an_error(tmp_path, content, words):
    path = tmp_path / "toy.nc"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "truncated":
        dataset.write(toy(), path)
        path.write_bytes(path.read_bytes()[:2000])
    elif content == "folder":
        path.mkdir()
    elif content == "other":
        xr.Dataset({"x": ("a", [1, 2])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(InputError, match=words) as caught:
        dataset.read(path)
    assert "\n" not in str(caught.value)


def test_reading_hashes_no_image_but_notices_identities_that_are_not_those_written(tmp_path, monkeypatch):
    path, written = tmp_path / "toy.nc", toy()
    dataset.write(written, path)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "stimulus_identity", None)
        assert dataset.read(path).identical(written)
    with h5py.File(path, "r+") as file:
        file["stimulus"][0] = file["stimulus"][1]
    with pytest.raises(InputError, match="'stimulus' says .* where the pixels give"):
        dataset.read(path)


def test_the_summary_counts_samples_voxels_and_stimuli():
    images = np.stack([np.full((2, 2), value) for value in (0, 0.5, 1, 0, 0.2)])
    made = dataset.labelled(np.zeros((5, 3)), images, ["train"] * 3 + ["test"] * 2, {"name": "toy"})
    assert dataset.summary(made) == (
        "3 training and 2 test samples, 3 voxels, 2x2 images, 3 distinct training and 2 distinct test stimuli "
        "(1 test samples show a training stimulus)"
    )
