"""Reading `.mat` files: what is read right, and one clear error for each thing that could be wrong."""

import argparse
import json
import os
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from cortexclip.configuration.schema import read_yaml
from cortexclip.data import arrays as reader
from cortexclip.data import containers, dataset
from cortexclip.data.images import rule
from cortexclip.errors import InputError
from cortexclip.numerics.resize import resized
from cortexclip.runtime.files import sha256
from cortexclip.stages import ingest

CATALOGUE = Path(__file__).parents[2] / "config" / "datasets.yaml"
ENTRY = {
    "title": "Toy",
    "reader": "cortexclip.data.arrays",
    "modality": "fMRI",
    "pixel_order": "row-major",
    "labels": "class",
    "notes": ["Made for a test."],
}


@pytest.fixture(autouse=True)
def toys_are_small(monkeypatch):
    monkeypatch.setattr(ingest, "SMALLEST_SIDE", 2)


def toy_arrays(side=4, n_train=6, n_test=3, n_voxels=10):
    """Arrays of the schema, small and valid, stimuli in 0..1."""
    random = np.random.default_rng(0)
    return {
        "fmriTrn": random.standard_normal((n_train, n_voxels)),
        "fmriTest": random.standard_normal((n_test, n_voxels)),
        "stimTrn": random.random((n_train, side * side)),
        "stimTest": random.random((n_test, side * side)),
        "labelTrn": np.arange(n_train, dtype=np.uint8).reshape(-1, 1) % 2 + 1,
        "labelTest": np.arange(n_test, dtype=np.uint8).reshape(-1, 1) % 2 + 1,
    }


def run_ingest(path, output, entry=None, name="toy", companions=()):
    """Run the stage as the command line does."""
    parser = argparse.ArgumentParser()
    ingest.add_arguments(parser)
    text = entry if isinstance(entry, str) else json.dumps(ENTRY | (entry or {}))
    files = [*(f"--companion={companion}" for companion in companions), "--input", str(path), "--output", str(output)]
    return ingest.run(parser.parse_args(["--dataset", name, "--entry", text, *files]))


def save(path, arrays, **options):
    scipy.io.savemat(path, arrays, **options)


def save_hdf5(path, arrays, classes=None):
    """Write what MATLAB writes as version 7.3: HDF5 behind 512 bytes of header, axes reversed, the class beside it."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = array.T
            kind = {"float64": "double", "float32": "single", "bool": "logical"}.get(array.dtype.name, array.dtype.name)
            file[name].attrs["MATLAB_class"] = np.bytes_((classes or {}).get(name, kind))
    with open(path, "r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


@pytest.mark.parametrize("version", ["5", "5 compressed", "7.3"])
def test_a_file_of_every_version_gives_its_arrays(tmp_path, version):
    arrays = toy_arrays()
    path = tmp_path / "toy.mat"
    if version == "7.3":
        save_hdf5(path, arrays)
    else:
        save(path, arrays, do_compression="compressed" in version)
    assert run_ingest(path, tmp_path / "toy.nc") == 0
    read = dataset.read(tmp_path / "toy.nc")
    assert read["part"].values.tolist() == ["train"] * 6 + ["test"] * 3
    np.testing.assert_allclose(read["brain"].values[:6], arrays["fmriTrn"], rtol=1e-6)
    np.testing.assert_allclose(read["brain"].values[6:], arrays["fmriTest"], rtol=1e-6)
    np.testing.assert_allclose(read["stimuli"].values[:6], arrays["stimTrn"].reshape(6, 4, 4), rtol=1e-6)
    np.testing.assert_allclose(read["stimuli"].values[6:], arrays["stimTest"].reshape(3, 4, 4), rtol=1e-6)
    assert read["label"].values.tolist() == [1, 2, 1, 2, 1, 2, 1, 2, 1]
    assert read["session"].values.tolist() == [-1] * 9
    assert read.attrs["sha256"] == sha256(path)
    assert read.attrs["notes"] == "Made for a test."


def one_set(n=9):
    """One set of samples with a part for each, by role."""
    arrays = toy_arrays()
    both = {role: np.concatenate([arrays[f"{name}Trn"], arrays[f"{name}Test"]]) for role, name in ONE_SET.items()}
    return both | {"part": np.repeat([0, 1], [6, 3]), "session": np.arange(n) // 4, "run": np.arange(n) % 4}


ONE_SET = {"brain": "fmri", "stimuli": "stim", "label": "label"}


@pytest.mark.parametrize(
    ("part", "entry"),
    [
        (np.repeat([0, 1], [6, 3]), {}),
        (np.repeat([False, True], [6, 3]), {}),
        (np.repeat(["Train", "test"], [6, 3]), {}),
        (np.array([6, 8, 7]), {"arrays": {"test_index": "part"}, "first_index": 0}),
        (np.array([[7, 9, 8]]), {"arrays": {"test_index": "part"}, "first_index": 1}),
    ],
)
def test_an_index_says_which_samples_are_in_which_part(tmp_path, part, entry):
    arrays = one_set() | {"part": part}
    np.savez(tmp_path / "toy.npz", **arrays)
    entry = {"parts": "index"} | entry
    entry["arrays"] = entry.get("arrays", {}) | {"session": "session", "run": "run"}
    run_ingest(tmp_path / "toy.npz", tmp_path / "toy.nc", entry)
    read = dataset.read(tmp_path / "toy.nc")
    assert read["part"].values.tolist() == ["train"] * 6 + ["test"] * 3
    np.testing.assert_allclose(read["brain"].values, arrays["brain"], rtol=1e-6)
    assert read["label"].values.tolist() == arrays["label"].ravel().tolist()
    assert read["session"].values.tolist() == arrays["session"].tolist()
    assert read["run"].values.tolist() == arrays["run"].tolist()


def test_a_file_without_parts_is_one_set(tmp_path):
    np.savez(tmp_path / "toy.npz", **one_set())
    run_ingest(tmp_path / "toy.npz", tmp_path / "toy.nc", {"parts": "none", "labels": "none"})
    read = dataset.read(tmp_path / "toy.nc")
    assert set(read["part"].values) == {"none"}
    assert "9 samples without a train/test split" in dataset.summary(read)


def test_samples_along_the_last_axis_and_responses_of_several_axes(tmp_path):
    arrays = one_set()
    arrays["stimuli"] = arrays["stimuli"].reshape(9, 4, 4)
    np.savez(tmp_path / "first.npz", **arrays | {"brain": arrays["brain"].reshape(9, 2, 5)})
    last = {"brain": np.moveaxis(arrays["brain"].reshape(9, 2, 5), 0, -1)}
    last["stimuli"] = np.moveaxis(arrays["stimuli"], 0, -1)
    np.savez(tmp_path / "last.npz", **arrays | last)
    for axis in ("first", "last"):
        run_ingest(tmp_path / f"{axis}.npz", tmp_path / f"{axis}.nc", {"parts": "index", "sample_axis": axis})
    read = dataset.read(tmp_path / "first.nc")
    np.testing.assert_allclose(read["brain"].values, arrays["brain"], rtol=1e-6)
    np.testing.assert_allclose(read["stimuli"].values, arrays["stimuli"], rtol=1e-6)
    assert read.drop_attrs().identical(dataset.read(tmp_path / "last.nc").drop_attrs())


@pytest.mark.parametrize("order", ["row-major", "column-major"])
@pytest.mark.parametrize("channels", ["rgb-last", "rgb-first"])
@pytest.mark.parametrize("axes", ["rows", "own"])
def test_colour_becomes_grey_by_the_luma_of_bt_601(tmp_path, order, channels, axes):
    colour = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    stored = colour if channels == "rgb-last" else np.moveaxis(colour, 3, 1)
    if axes == "rows":
        code = "C" if order == "row-major" else "F"
        stored = np.stack([image.reshape(-1, order=code) for image in stored])
    elif order == "column-major":
        stored = stored.swapaxes(1, 2) if channels == "rgb-last" else stored.swapaxes(2, 3)
    np.savez(tmp_path / "toy.npz", **one_set() | {"stimuli": stored})
    entry = {"parts": "index", "channels": channels, "pixel_order": order}
    run_ingest(tmp_path / "toy.npz", tmp_path / "toy.nc", entry)
    read = dataset.read(tmp_path / "toy.nc")
    expected = (0.299 * colour[..., 0] + 0.587 * colour[..., 1] + 0.114 * colour[..., 2]) / 255
    np.testing.assert_allclose(read["stimuli"].values, expected, atol=1e-6)
    assert read.attrs["images"] == "grey from red, green and blue by the luma of ITU-R BT.601"


def test_images_are_resized_and_the_rule_is_recorded(tmp_path):
    np.savez(tmp_path / "toy.npz", **one_set())
    entry = {"parts": "index", "image_size": 10}
    run_ingest(tmp_path / "toy.npz", tmp_path / "toy.nc", entry)
    read = dataset.read(tmp_path / "toy.nc")
    assert read["stimuli"].shape == (9, 10, 10)
    assert read.attrs["images"] == "resized from 4x4 to 10x10 by bilinear interpolation"


@pytest.mark.parametrize(("before", "after"), [(10, 28), (4, 7), (1, 5)])
def test_larger_images_are_those_of_torchs_bilinear_interpolation(before, after):
    import torch

    made = np.random.default_rng(0).random((3, before, before))
    expected = torch.nn.functional.interpolate(torch.as_tensor(made)[:, None], size=(after, after), mode="bilinear")
    np.testing.assert_allclose(resized(made, after), expected[:, 0].numpy(), atol=1e-12)


@pytest.mark.parametrize(("before", "after"), [(56, 28), (28, 10), (7, 5), (9, 9)])
def test_smaller_images_are_means_over_areas(before, after):
    """Each pixel divided into ``after`` x ``after`` equal ones, then means of blocks of ``before`` x ``before``."""
    made = np.random.default_rng(0).random((2, before, before))
    fine = made.repeat(after, axis=1).repeat(after, axis=2)
    expected = fine.reshape(2, after, before, after, before).mean(axis=(2, 4))
    np.testing.assert_allclose(resized(made, after), expected, atol=1e-12)
    assert rule(before, after) == (
        "" if before == after else f"resized from {before}x{before} to {after}x{after} by area averaging"
    )


def test_images_that_are_too_small_to_be_scored_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "SMALLEST_SIDE", 11)
    np.savez(tmp_path / "toy.npz", **one_set())
    with pytest.raises(InputError, match="images of 4 x 4 pixels, expected 11 x 11 or more.*image_size: 28"):
        run_ingest(tmp_path / "toy.npz", tmp_path / "toy.nc", {"parts": "index"})
    run_ingest(tmp_path / "toy.npz", tmp_path / "toy.nc", {"parts": "index", "image_size": 11})
    assert dataset.read(tmp_path / "toy.nc").sizes["y"] == 11


def test_a_dataset_that_was_ingested_can_be_ingested_again(tmp_path):
    save(tmp_path / "toy.mat", toy_arrays())
    run_ingest(tmp_path / "toy.mat", tmp_path / "toy.nc")
    entry = {"parts": "index", "arrays": {"session": "session"}}
    with pytest.raises(InputError, match="'session' holds values in -1..-1"):
        run_ingest(tmp_path / "toy.nc", tmp_path / "again.nc", entry)
    run_ingest(tmp_path / "toy.nc", tmp_path / "again.nc", {"parts": "index"})
    first, again = dataset.read(tmp_path / "toy.nc"), dataset.read(tmp_path / "again.nc")
    assert first.drop_attrs().identical(again.drop_attrs())


BAD_LAYOUTS = {
    "unknown parts": ({"parts": "two"}, ["parts: found 'two'", "index"]),
    "unknown channels": ({"channels": "rgb"}, ["channels: found 'rgb'", "rgb-last"]),
    "unknown sample axis": ({"sample_axis": 0}, ["sample_axis: found 0", "'first', 'second', 'third', 'last'"]),
    "image size that is none": ({"image_size": 1}, ["image_size: found 1", "at least 4"]),
    "image size in words": ({"image_size": "28"}, ["image_size: found '28'"]),
    "part and index": ({"arrays": {"part": "part", "test_index": "run"}}, ["both part and test_index"]),
    "index without its first": ({"arrays": {"test_index": "run"}}, ["first_index: 0 or 1"]),
    "roles of sets": ({"arrays": {"brain_train": "brain"}}, ["parts: index", "brain_train", "Did you mean 'brain'"]),
    "index out of range": ({"arrays": {"test_index": "nine"}, "first_index": 0}, ["'nine'", "in 0..8"]),
    "index twice": ({"arrays": {"test_index": "twice"}, "first_index": 0}, ["'twice'", "at most once"]),
    "index with fractions": ({"arrays": {"test_index": "half"}, "first_index": 0}, ["'half'", "whole numbers"]),
    "part of other numbers": ({"arrays": {"part": "run"}}, ["'run' holds 2, 3", "0 and 1"]),
    "part of other words": ({"arrays": {"part": "words"}}, ["'words' holds perhaps", "train and test"]),
    "part of another length": ({"arrays": {"part": "half"}}, ["'half'", "expected 9 values"]),
    "all in one part": ({"arrays": {"part": "zeros"}}, ["part 'test' has 0 samples"]),
    "sessions twice": ({"labels": "session", "arrays": {"session": "session"}}, ["given twice"]),
    "two scales within a set": ({"arrays": {"stimuli": "scales"}}, ["two scales", "'scales' (train part) in 0..255"]),
    "colour that is not": ({"channels": "rgb-last"}, ["16 columns", "3 x 28 x 28"]),
    "no colour where it is": ({"arrays": {"stimuli": "colour"}}, ["48 columns", "set channels"]),
    "colour of two channels": ({"arrays": {"stimuli": "two"}, "channels": "rgb-last"}, ["9 x 4 x 4 x 2", "x 3"]),
    "oblong images": ({"arrays": {"stimuli": "oblong"}}, ["4 x 5 pixels", "square"]),
    "transposed": (
        {"arrays": {"brain": "brain_t", "stimuli": "stimuli_t"}},
        ["10 rows", "has 16", "sample_axis: last"],
    ),
    "text for numbers": ({"arrays": {"brain": "words"}}, ["'words' is a text array"]),
    "session of one part": (
        {"parts": "sets", "arrays": {"session_train": "session"}},
        ["a session array for one part only"],
    ),
}


@pytest.mark.parametrize("case", BAD_LAYOUTS)
def test_a_layout_that_does_not_fit_is_one_clear_error(tmp_path, case):
    entry, words = BAD_LAYOUTS[case]
    arrays = one_set()
    np.savez(
        tmp_path / "toy.npz",
        **arrays,
        nine=np.array([8, 9]),
        twice=np.array([1, 1]),
        half=np.array([0.5, 1]),
        zeros=np.zeros(9),
        words=np.array(["train"] * 8 + ["perhaps"]),
        scales=np.where(arrays["part"][:, None] == 0, np.rint(arrays["stimuli"] * 255), arrays["stimuli"]),
        colour=np.repeat(arrays["stimuli"], 3, axis=1),
        two=np.zeros((9, 4, 4, 2)),
        oblong=np.zeros((9, 4, 5)),
        brain_t=arrays["brain"].T,
        stimuli_t=arrays["stimuli"].T,
    )
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError) as caught:
        run_ingest(tmp_path / "toy.npz", tmp_path / "out/toy.nc", {"parts": "index"} | entry)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
def test_arrays_equal_those_that_scipy_reads(tmp_path, dtype, compressed):
    random = np.random.default_rng(0)
    arrays = {"a": (random.random((5, 7)) * 100).astype(dtype), "b": np.arange(3).astype(dtype).reshape(1, 3)}
    save(tmp_path / "a.mat", arrays | {"text": "abc", "struct": {"x": 1}, "empty": []}, do_compression=compressed)
    read = containers.load_arrays(tmp_path / "a.mat", ["a", "b"])
    expected = scipy.io.loadmat(tmp_path / "a.mat")
    for name in arrays:
        assert read[name].dtype == expected[name].dtype == dtype
        np.testing.assert_array_equal(read[name], expected[name])


def test_a_big_endian_file_is_read(tmp_path):
    content = b"MATLAB 5.0".ljust(124) + b"\x01\x00MI"
    content += double_array_stored_as_bytes("a", np.arange(6).reshape(2, 3), order=">")
    (tmp_path / "a.mat").write_bytes(content)
    read = containers.load_arrays(tmp_path / "a.mat", ["a"])["a"]
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_stimuli_of_whole_numbers_up_to_255_are_divided_by_255(tmp_path, dtype):
    arrays = toy_arrays()
    for name in ("stimTrn", "stimTest"):
        arrays[name] = np.rint(arrays[name] * 255).astype(dtype)
    save(tmp_path / "toy.mat", arrays)
    run_ingest(tmp_path / "toy.mat", tmp_path / "toy.nc")
    stimuli = dataset.read(tmp_path / "toy.nc")["stimuli"].values
    np.testing.assert_allclose(stimuli[:6].reshape(6, 16), arrays["stimTrn"] / 255, rtol=1e-6)


def test_column_major_stimuli_are_the_transposed_row_major_ones(tmp_path):
    save(tmp_path / "toy.mat", toy_arrays())
    for order in ("row-major", "column-major"):
        run_ingest(tmp_path / "toy.mat", tmp_path / f"{order}.nc", {"pixel_order": order})
    rows, columns = (
        dataset.read(tmp_path / f"{order}.nc")["stimuli"].values for order in ("row-major", "column-major")
    )
    np.testing.assert_array_equal(rows, columns.transpose(0, 2, 1))


def test_arrays_are_found_under_the_names_of_the_entry(tmp_path):
    arrays = toy_arrays()
    arrays["X"], arrays["Y"] = arrays.pop("fmriTrn"), arrays.pop("stimTrn")
    arrays["larger"] = np.ones((50, 50))
    save(tmp_path / "toy.mat", arrays)
    run_ingest(tmp_path / "toy.mat", tmp_path / "toy.nc", {"arrays": {"brain_train": "X", "stimuli_train": "Y"}})
    np.testing.assert_allclose(dataset.read(tmp_path / "toy.nc")["brain"].values[:6], arrays["X"], rtol=1e-6)


@pytest.mark.parametrize(
    ("meaning", "label", "session"),
    [("class", [1, 2], [-1, -1]), ("session", [-1, -1], [1, 2]), ("none", [-1, -1], [-1, -1])],
)
def test_labels_mean_what_the_entry_says(tmp_path, meaning, label, session):
    save(tmp_path / "toy.mat", toy_arrays())
    run_ingest(tmp_path / "toy.mat", tmp_path / "toy.nc", {"labels": meaning})
    read = dataset.read(tmp_path / "toy.nc")
    assert read["label"].values[:2].tolist() == label
    assert read["session"].values[:2].tolist() == session


def test_without_labels_the_arrays_need_not_be_there(tmp_path):
    arrays = {name: array for name, array in toy_arrays().items() if not name.startswith("label")}
    save(tmp_path / "toy.mat", arrays)
    assert run_ingest(tmp_path / "toy.mat", tmp_path / "toy.nc", {"labels": "none"}) == 0


def test_binary_images_stored_as_bytes_of_a_double_array_are_in_0_to_1(tmp_path):
    """MATLAB stores a double array of whole numbers as bytes; its class, not its storage, says what it is."""
    arrays = toy_arrays()
    arrays["stimTrn"], arrays["stimTest"] = np.rint(arrays["stimTrn"]), np.rint(arrays["stimTest"])
    path = tmp_path / "toy.mat"
    save(path, {name: array for name, array in arrays.items() if not name.startswith("stim")})
    with open(path, "ab") as stream:
        for name in ("stimTrn", "stimTest"):
            stream.write(double_array_stored_as_bytes(name, arrays[name]))
    run_ingest(path, tmp_path / "toy.nc")
    assert set(np.unique(dataset.read(tmp_path / "toy.nc")["stimuli"].values)) == {0.0, 1.0}


def double_array_stored_as_bytes(name, array, shape=None, order="<"):
    """An element of a version 5 file: class double (6), data of type uint8 (2)."""

    def element(kind, content):
        return struct.pack(order + "II", kind, len(content)) + content + b"\0" * (-len(content) % 8)

    body = element(6, struct.pack(order + "II", 6, 0)) + element(5, struct.pack(order + "ii", *(shape or array.shape)))
    body += element(1, name.encode()) + element(2, array.astype(np.uint8).tobytes(order="F"))
    return struct.pack(order + "II", 14, len(body)) + body


# Each case: what is done to the arrays (or to the written file), the entry, and words that the message must hold.
def changed(**changes):
    """A file with some arrays replaced (or removed: None), each given as a function of all of them."""

    def make(path):
        arrays = toy_arrays()
        new = {name: change(arrays) if callable(change) else change for name, change in changes.items()}
        arrays.update(new)
        save(path, {name: array for name, array in arrays.items() if array is not None})

    return make


def bytes_changed(change, **options):
    def make(path):
        save(path, toy_arrays(), **options)
        path.write_bytes(change(path.read_bytes()))

    return make


def with_value(name, value):
    def change(arrays):
        array = arrays[name].astype(np.float64)
        array[1, 2 % array.shape[1]] = value
        return array

    return changed(**{name: change})


def hdf5(classes=None, **changes):
    return lambda path: save_hdf5(path, toy_arrays() | changes, classes)


def hdf5_bomb(path):
    save_hdf5(path, {name: array for name, array in toy_arrays().items() if name != "fmriTrn"})
    with h5py.File(path, "r+") as file:
        file.create_dataset("fmriTrn", shape=(1 << 20, 1 << 20), dtype="f8", chunks=(64, 64))
        file["fmriTrn"].attrs["MATLAB_class"] = np.bytes_("double")


def matlab_bomb(path):
    save(path, {name: array for name, array in toy_arrays().items() if name != "fmriTrn"})
    with open(path, "ab") as stream:
        stream.write(double_array_stored_as_bytes("fmriTrn", np.zeros((1, 8)), shape=(2**30, 2**30)))


def compressed_bomb(path):
    """An array that declares 6 x 10 values and then unpacks to 64 MiB."""
    save(path, {name: array for name, array in toy_arrays().items() if name != "fmriTrn"})
    honest = double_array_stored_as_bytes("fmriTrn", np.zeros((6, 10)))
    packed = zlib.compress(honest + bytes(1 << 26))
    with open(path, "ab") as stream:
        stream.write(struct.pack("<II", 15, len(packed)) + packed)


def twice(path):
    save(path, toy_arrays())
    with open(path, "ab") as stream:
        stream.write(double_array_stored_as_bytes("fmriTrn", np.zeros((6, 10))))


white = {"stimTrn": lambda a: np.rint(a["stimTrn"] * 255), "stimTest": lambda a: np.rint(a["stimTest"] * 255)}
larger = {"stimTrn": np.random.default_rng(1).random((6, 25)), "stimTest": np.random.default_rng(2).random((3, 25))}

BAD_FILES = {
    "missing file": (lambda path: None, {}, ["No such file", "fetch"]),
    "folder": (lambda path: path.mkdir(), {}, ["is a folder"]),
    "empty file": (lambda path: path.write_bytes(b""), {}, ["empty", "0 bytes"]),
    "text file": (lambda path: path.write_text("fmriTrn,stimTrn\n" * 50), {}, ["of no format", "b'fmriTrn"]),
    "web page": (lambda path: path.write_text("<!DOCTYPE html><html>404</html>"), {}, ["<!DOCTYPE", "MATLAB"]),
    "one byte": (lambda path: path.write_bytes(b"M"), {}, ["MATLAB"]),
    "zeros": (lambda path: path.write_bytes(bytes(4096)), {}, ["toy.mat"]),
    "noise": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(4096)), {}, ["MATLAB"]),
    "truncated": (bytes_changed(lambda content: content[: len(content) // 2]), {}, ["truncated"]),
    "truncated, compressed": (
        bytes_changed(lambda content: content[: len(content) // 2], do_compression=True),
        {},
        ["truncated"],
    ),
    "header alone": (bytes_changed(lambda content: content[:128]), {}, ["no array 'fmriTrn'", "no array at all"]),
    "bit flipped in the byte order": (
        bytes_changed(lambda content: content[:126] + bytes([content[126] ^ 1]) + content[127:]),
        {},
        ["MATLAB"],
    ),
    "bit flipped in the version": (
        bytes_changed(lambda content: content[:125] + bytes([content[125] ^ 4]) + content[126:]),
        {},
        ["of no format"],
    ),
    "bit flipped in an element's type": (
        bytes_changed(lambda content: content[:129] + bytes([content[129] ^ 64]) + content[130:]),
        {},
        ["cannot be read as MATLAB"],
    ),
    "bit flipped in compressed data": (
        bytes_changed(lambda content: content[:300] + bytes([content[300] ^ 64]) + content[301:], do_compression=True),
        {},
        ["cannot be read as MATLAB"],
    ),
    "name with a line break": (
        bytes_changed(lambda content: content.replace(b"stimTest", b"stim\nest")),
        {},
        ["no array 'stimTest'", "stim\\nest"],
    ),
    "another sha256": (changed(), {"sha256": "0" * 64}, ["sha256", "0" * 64, "fetch it again"]),
    "missing array": (changed(stimTest=None), {}, ["no array 'stimTest'", "found", "labelTrn, stimTrn"]),
    "missing labels": (changed(labelTrn=None), {}, ["no array 'labelTrn'", "labels: none"]),
    "array twice": (twice, {}, ["'fmriTrn' 2 times"]),
    "vector stimuli": (changed(stimTrn=lambda a: a["stimTrn"].reshape(1, -1)), {}, ["6", "1", "one brain response"]),
    "stimuli of four dimensions": (
        changed(stimTrn=lambda a: a["stimTrn"].reshape(6, 4, 2, 2)),
        {},
        ["'stimTrn'", "4 dimensions (6 x 4 x 2 x 2)", "samples x height x width with channels: grey", "set channels"],
    ),
    "complex brain of four dimensions": (changed(fmriTest=np.zeros((3, 2, 5, 1)) + 1j), {}, ["'fmriTest'", "complex"]),
    "object array": (changed(fmriTrn=np.array([[1, "a"], ["b", 2]], dtype=object)), {}, ["'fmriTrn'", "cell"]),
    "struct array": (changed(fmriTrn={"data": np.ones((6, 10))}), {}, ["'fmriTrn'", "struct"]),
    "text array": (changed(stimTrn=np.array(["a", "b"])), {}, ["'stimTrn'", "char"]),
    "complex array": (changed(fmriTrn=lambda a: a["fmriTrn"] * 1j), {}, ["'fmriTrn'", "complex"]),
    "logical responses": (changed(fmriTrn=lambda a: a["fmriTrn"] > 0.5), {}, ["'fmriTrn'", "logical"]),
    "swapped arrays": (
        changed(
            stimTrn=lambda a: a["fmriTrn"],
            fmriTrn=lambda a: a["stimTrn"],
            stimTest=lambda a: a["fmriTest"],
            fmriTest=lambda a: a["stimTest"],
        ),
        {},
        ["look swapped", "'fmriTrn'", "'stimTrn'", "16 columns"],
    ),
    "swapped in the test part": (
        changed(stimTest=lambda a: a["fmriTest"], fmriTest=lambda a: a["stimTest"]),
        {},
        ["look swapped", "'fmriTest'"],
    ),
    "swapped, as many voxels as pixels": (
        changed(
            stimTrn=lambda a: a["stimTrn"] - 0.5,
            fmriTrn=lambda a: np.rint(a["stimTrn"] * 255),
            stimTest=lambda a: a["stimTest"] - 0.5,
            fmriTest=lambda a: np.rint(a["stimTest"] * 255),
        ),
        {},
        ["look swapped", "16 columns in -0.49"],
    ),
    "images in both": (
        changed(
            **white, fmriTrn=lambda a: np.rint(a["stimTrn"] * 255), fmriTest=lambda a: np.rint(a["stimTest"] * 255)
        ),
        {},
        ["look swapped"],
    ),
    "swapped by the entry": (
        changed(),
        {
            "arrays": {
                "brain_train": "stimTrn",
                "stimuli_train": "fmriTrn",
                "brain_test": "stimTest",
                "stimuli_test": "fmriTest",
            }
        },
        ["look swapped", "'arrays'"],
    ),
    "one array for two roles": (changed(), {"arrays": {"brain_train": "stimTrn"}}, ["'stimTrn' more than once"]),
    "unknown role": (changed(), {"arrays": {"brain_trian": "X"}}, ["brain_trian", "Did you mean 'brain_train'"]),
    "fewer stimuli than responses": (changed(stimTrn=lambda a: a["stimTrn"][:5]), {}, ["6 rows", "has 5"]),
    "fewer test responses": (changed(fmriTest=lambda a: a["fmriTest"][:2]), {}, ["2 rows", "has 3"]),
    "other voxels in test": (changed(fmriTest=lambda a: a["fmriTest"][:, :9]), {}, ["10 columns", "has 9", "voxels"]),
    "other image size in test": (changed(stimTest=larger["stimTest"]), {}, ["16 columns", "has 25", "pixels"]),
    "NaN in brain": (with_value("fmriTrn", np.nan), {}, ["'fmriTrn'", "1 NaN", "row 1"]),
    "infinity in test brain": (with_value("fmriTest", np.inf), {}, ["'fmriTest'", "infinite"]),
    "NaN in stimuli": (with_value("stimTest", np.nan), {}, ["'stimTest'", "NaN"]),
    "too large for single precision": (with_value("fmriTrn", 1e300), {}, ["'brain'", "infinite"]),
    "empty array": (changed(fmriTrn=np.zeros((0, 10))), {}, ["'fmriTrn'", "empty (0 x 10)"]),
    "no voxels": (changed(fmriTrn=np.zeros((6, 0)), fmriTest=np.zeros((3, 0))), {}, ["empty (6 x 0)"]),
    "one test sample": (
        changed(
            fmriTest=lambda a: a["fmriTest"][:1], stimTest=lambda a: a["stimTest"][:1], labelTest=np.ones((1, 1), "u1")
        ),
        {},
        ["1 sample", "expected 2 or more"],
    ),
    "negative stimuli": (with_value("stimTrn", -0.1), {}, ["'stimTrn'", "-0.1", "0..1"]),
    "stimuli above 1 with fractions": (with_value("stimTrn", 1.5), {}, ["'stimTrn'", "1.5", "fractions"]),
    "stimuli above 255": (
        changed(stimTrn=lambda a: a["stimTrn"] * 1000, stimTest=lambda a: a["stimTest"] * 1000),
        {},
        ["'stimTrn'", "0..255"],
    ),
    "stimuli of 16 bits": (
        changed(
            stimTrn=lambda a: (a["stimTrn"] * 65535).astype("u2"),
            stimTest=lambda a: (a["stimTest"] * 65535).astype("u2"),
        ),
        {},
        ["uint16", "0..255"],
    ),
    "bytes of 0 and 1": (
        changed(
            stimTrn=lambda a: np.rint(a["stimTrn"]).astype("u1"), stimTest=lambda a: np.rint(a["stimTest"]).astype("u1")
        ),
        {},
        ["uint8 in 0..1", "black"],
    ),
    "two scales": (changed(stimTrn=white["stimTrn"]), {}, ["two scales", "0..255", "0..1"]),
    "images that are not square": (
        changed(stimTrn=lambda a: a["stimTrn"][:, :15], stimTest=lambda a: a["stimTest"][:, :15]),
        {},
        ["15 columns", "square"],
    ),
    "header that declares too much": (matlab_bomb, {}, ["'fmriTrn'", "1073741824 x 1073741824", "can hold"]),
    "too few labels": (changed(labelTrn=np.ones((5, 1), "u1")), {}, ["'labelTrn'", "5 x 1", "6 labels"]),
    "two labels a sample": (changed(labelTrn=np.ones((6, 2), "u1")), {}, ["'labelTrn'", "6 x 2"]),
    "labels with fractions": (changed(labelTest=np.full((3, 1), 1.5)), {}, ["'labelTest'", "whole numbers"]),
    "NaN label": (changed(labelTest=np.full((3, 1), np.nan)), {}, ["'labelTest'", "NaN"]),
    "negative label": (changed(labelTest=np.full((3, 1), -1.0)), {}, ["'labelTest'", "-1"]),
    "unknown pixel order": (changed(), {"pixel_order": "columns"}, ["pixel_order: ", "'columns'", "column-major"]),
    "no pixel order": (changed(), {"pixel_order": None}, ["pixel_order: ", "None"]),
    "unknown meaning of labels": (changed(), {"labels": "digit"}, ["labels: ", "'digit'", "session"]),
    "unknown key": (changed(), {"pixelorder": "row-major"}, ["'pixelorder'", "Did you mean 'pixel_order'"]),
    "notes that are no list": (changed(), {"notes": "One."}, ["notes: ", "'One.'", "list"]),
    "arrays that are no mapping": (changed(), {"arrays": ["fmriTrn"]}, ["arrays: ", "['fmriTrn']", "mapping"]),
    "reader that is not there": (changed(), {"reader": "cortexclip.data.nothing"}, ["cortexclip.data.nothing"]),
    "reader that reads nothing": (changed(), {"reader": "cortexclip.data.simulated"}, ["reads no file"]),
    "no reader": (changed(), {"reader": None}, ["reader: ", "None", "text"]),
    "array that is no name": (changed(), {"arrays": {"brain_train": ["fmriTrn"]}}, ["arrays.brain_train: ", "text"]),
    "entry that is no JSON": (changed(), "{title:", ["--entry", "not valid JSON"]),
    "entry that is a list": (changed(), "[]", ["--entry", "list", "JSON object"]),
    "sparse array": (changed(fmriTrn=scipy.sparse.eye_array(6, 10)), {}, ["'fmriTrn'", "sparse"]),
    "compressed bomb": (compressed_bomb, {}, ["'fmriTrn'", "do not end where they should"]),
    "7.3: missing array": (
        lambda path: save_hdf5(path, {k: v for k, v in toy_arrays().items() if k != "fmriTest"}),
        {},
        ["no array 'fmriTest'"],
    ),
    "7.3: text": (hdf5(classes={"stimTrn": "char"}), {}, ["'stimTrn'", "char"]),
    "7.3: complex": (
        hdf5({"fmriTrn": "double"}, fmriTrn=np.zeros((6, 10), dtype=[("real", "f8"), ("imag", "f8")])),
        {},
        ["complex"],
    ),
    "7.3: not by MATLAB": (hdf5(classes={"fmriTrn": ""}), {}, ["MATLAB_class", "order of its axes"]),
    "7.3: one dimension": (hdf5(fmriTrn=np.zeros(6)), {}, ["'fmriTrn'", "1 dimension (6)"]),
    "7.3: declares too much": (hdf5_bomb, {}, ["1048576 x 1048576", "can hold"]),
    "7.3: truncated": (
        lambda path: (save_hdf5(path, toy_arrays()), path.write_bytes(path.read_bytes()[:3000])),
        {},
        ["truncated"],
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_input_is_one_clear_error_and_leaves_nothing(tmp_path, case):
    make, entry, words = BAD_FILES[case]
    path, folder = tmp_path / "toy.mat", tmp_path / "out"
    folder.mkdir()
    make(path)
    with pytest.raises(InputError) as caught:
        run_ingest(path, folder / "toy.nc", entry)
    message = str(caught.value)
    for word in words:
        assert word in message
    assert "\n" not in message
    assert list(folder.iterdir()) == []


READER = """
from pathlib import Path
import numpy as np
from cortexclip.data.dataset import labelled
from cortexclip.data.entries import attributes

def read(path, name, entry):
    digits = [int(line) for line in Path(entry["companions"]["digits"]).read_text().split()]
    images = np.stack([np.full((4, 4), digit / 9) for digit in digits])
    brain = np.full((len(digits), entry["settings"]["features"]), len(list(Path(path).iterdir())))
    return labelled(brain, images, ["train", "train", "test", "test"], attributes(name, entry), label=digits)
"""


def test_a_reader_of_ones_own_gets_a_folder_companions_and_settings(tmp_path, monkeypatch):
    (tmp_path / "my_reader.py").write_text(READER)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "raw/session").mkdir(parents=True)
    (tmp_path / "digits.txt").write_text("0 3 6 9")
    entry = {"reader": "my_reader", "companions": {"digits": "set/digits.txt"}, "settings": {"features": 7}}
    with pytest.raises(InputError, match=r"companion 'digits' \(set/digits.txt\) is not there"):
        run_ingest(tmp_path / "raw", tmp_path / "toy.nc", entry)
    run_ingest(tmp_path / "raw", tmp_path / "toy.nc", entry, companions=[f"digits={tmp_path}/digits.txt"])
    read = dataset.read(tmp_path / "toy.nc")
    assert read["label"].values.tolist() == [0, 3, 6, 9]
    assert read["brain"].shape == (4, 7)
    assert read.attrs["sha256"] == ""


def test_bad_input_leaves_an_earlier_output_as_it_was(tmp_path):
    changed(stimTest=None)(tmp_path / "toy.mat")
    (tmp_path / "toy.nc").write_text("earlier")
    with pytest.raises(InputError):
        run_ingest(tmp_path / "toy.mat", tmp_path / "toy.nc")
    assert (tmp_path / "toy.nc").read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("version", ["5", "5 compressed", "7.3"])
def test_a_damaged_file_is_refused_or_read_but_never_crashes(tmp_path, version):
    if version == "7.3":
        save_hdf5(tmp_path / "toy.mat", toy_arrays())
    else:
        save(tmp_path / "toy.mat", toy_arrays(), do_compression="compressed" in version)
    whole = (tmp_path / "toy.mat").read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(120):
        damaged = bytearray(whole)
        for position in random.integers(len(whole), size=3):
            damaged[position] ^= 1 << int(random.integers(8))
        (tmp_path / "toy.mat").write_bytes(damaged)
        try:
            reader.read(tmp_path / "toy.mat", "toy", ENTRY)
        except InputError:
            refused += 1
    assert refused > 20


def test_integer_responses_with_as_many_voxels_as_a_square_are_no_images():
    """Only values that could be an image count as swapped, not a square number of voxels."""
    arrays = toy_arrays(n_voxels=16)
    roles = {role: arrays[name] for role, name in reader.DEFAULT_ARRAYS.items()}
    made = reader.to_dataset(roles, {"name": "toy"}, reader.Layout(pixel_order="row-major", labels="class"))
    assert made.sizes["voxel"] == 16


def real_dataset(name, tmp_path):
    """A real dataset through the stage and its entry, or a skip that says what is missing."""
    folder = os.environ.get("CORTEXCLIP_DATA")
    entry = read_yaml(CATALOGUE)[name]
    if not folder:
        pytest.skip("CORTEXCLIP_DATA is not set: it names the folder with the real data")
    path = Path(folder) / entry["file"]
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    run_ingest(path, tmp_path / f"{name}.nc", json.dumps(entry), name)
    read = dataset.read(tmp_path / f"{name}.nc")
    return read, (read["part"] == "train").values


def test_vangerven_holds_100_distinct_digits_in_two_classes(tmp_path):
    read, train = real_dataset("vangerven", tmp_path)
    stimulus, label = read["stimulus"].values, read["label"].values
    assert (train.sum(), (~train).sum(), read.sizes["voxel"]) == (90, 10, 3092)
    assert len(set(stimulus)) == 100
    assert not set(stimulus[train]) & set(stimulus[~train])
    assert np.bincount(label[train]).tolist() == [0, 45, 45]
    assert np.bincount(label[~train]).tolist() == [0, 5, 5]
    assert set(read["session"].values) == {-1}


def test_vangerven_digits_stand_upright(tmp_path):
    """A 6 (label 1) has its ring, hence its weight, in the lower half, a 9 in the upper one."""
    read, _ = real_dataset("vangerven", tmp_path)
    stimuli = read["stimuli"].values
    height = np.arange(28) @ stimuli.sum(axis=2).T / stimuli.sum(axis=(1, 2))
    lines = stimuli > 0.5
    middle = np.array([np.flatnonzero(image.any(axis=1))[[0, -1]].mean() for image in lines])
    below = height > middle
    label = read["label"].values
    assert below[label == 1].mean() > 0.9
    assert below[label == 2].mean() < 0.1


def test_vangerven_mean_image_scores_what_is_known_of_the_file(tmp_path):
    read, train = real_dataset("vangerven", tmp_path)
    stimuli = read["stimuli"].values.astype(np.float64)
    assert np.mean((stimuli[train].mean(axis=0) - stimuli[~train]) ** 2) == pytest.approx(0.05475, abs=5e-6)


def test_miyawaki_shows_every_test_stimulus_in_training(tmp_path):
    read, train = real_dataset("miyawaki", tmp_path)
    stimulus, session = read["stimulus"].values, read["session"].values
    assert (train.sum(), (~train).sum(), read.sizes["voxel"]) == (107, 12, 967)
    assert len(set(stimulus[train])) == 20
    assert len(set(stimulus[~train])) == 10
    assert np.isin(stimulus[~train], stimulus[train]).sum() == 12
    assert (session.min(), session.max()) == (21, 32)
    assert set(read["label"].values) == {-1}


def test_miyawaki_sharp_holds_the_trials_of_miyawaki_in_another_split(tmp_path):
    sharp, train = real_dataset("miyawaki_sharp", tmp_path)
    smooth, train_smooth = real_dataset("miyawaki", tmp_path)
    rows = {row.tobytes(): part for row, part in zip(smooth["brain"].values, train_smooth.tolist(), strict=True)}
    before = [rows.get(row.tobytes()) for row in sharp["brain"].values]
    assert before.count(None) == 1
    assert sum(found is not now for found, now in zip(before, train.tolist(), strict=True)) > 10
    assert (train.sum(), (~train).sum(), len(set(sharp["stimulus"].values))) == (107, 12, 20)
    assert np.isin(sharp["stimulus"].values[~train], sharp["stimulus"].values[train]).all()
    assert set(np.unique(sharp["stimuli"])) == {0, 1}
    assert set(sharp["label"].values) == set(sharp["session"].values) == {-1}
    stimuli = sharp["stimuli"].values.astype(np.float64)
    assert np.mean((stimuli[train].mean(axis=0) - stimuli[~train]) ** 2) == pytest.approx(0.1229, abs=5e-5)


@pytest.mark.parametrize("name", ["miyawaki", "miyawaki_sharp"])
def test_miyawaki_letters_stand_upright(tmp_path, name):
    """Of the letters of "neuro", n is open below and u above, and none opens to a side as both would lying down."""
    read, _ = real_dataset(name, tmp_path)
    _, first = np.unique(read["stimulus"].values, return_index=True)
    ink = read["stimuli"].values[first] > 0.5
    symmetric = np.array([np.array_equal(image, image[:, ::-1]) for image in ink])
    upside_down = np.array([np.array_equal(image, image[::-1]) for image in ink])
    assert np.count_nonzero(symmetric & ~upside_down) >= 6  # n and u in three sizes each
    assert np.count_nonzero(upside_down & ~symmetric) == 0
