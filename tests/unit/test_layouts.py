"""Files as people bring them: whatever arrays are called and however they lie, the same trials are read from them.

Every layout holds the same trials under other names, axes, types, parts or containers. What `inspect` proposes has to
give them back, and to say what it leaves out.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from cortexclip.audit.inspection import propose, survey
from cortexclip.data import arrays as reader
from cortexclip.data.guess import Facts
from cortexclip.data.reading import not_used_of
from cortexclip.errors import InputError
from cortexclip.numerics.resize import resized

SIDE, VOXELS, N, N_TRAIN = 12, 30, 40, 28
RANDOM = np.random.default_rng(0)
IMAGES = np.rint(resized(load_digits().images[:N] / 16, SIDE) * 255).astype(np.uint8)
IMAGES[:, 0, 0] = np.arange(N)  # each is another one
IMAGES[0, 1, 1] = 255
BRAIN = RANDOM.standard_normal((N, VOXELS))
LABEL = load_digits().target[:N] + 1
TRAIN, TEST = slice(0, N_TRAIN), slice(N_TRAIN, N)
ROWS = IMAGES.reshape(N, -1)


def facts_of(arrays):
    kinds = {"U": "text"}
    return [Facts(name, a.shape, kinds.get(a.dtype.kind, a.dtype.name), a) for name, a in arrays.items()]


def proposed(arrays, keys=None):
    """The entry, the sentences about it, and the dataset, of arrays in memory."""
    keys = {"pixel_order": "row-major", **(keys or {})}
    entry, sentences, dataset = propose(Path("a.mat"), facts_of(arrays), keys, seed=0, matlab=False)
    return entry, sentences + not_used_of(dataset), dataset


def check_trials(dataset, order=None, split=True, labels=False, scale=255, grey=True):
    order = np.arange(N) if order is None else order
    np.testing.assert_allclose(dataset["brain"].values, BRAIN[order], rtol=1e-5)
    if grey:
        np.testing.assert_allclose(dataset["stimuli"].values, IMAGES[order] / 255, atol=1 / scale)
    part = np.repeat(["train", "test"], [N_TRAIN, N - N_TRAIN])[order] if split else np.full(len(order), "none")
    assert dataset["part"].values.tolist() == part.tolist()
    assert (dataset["label"].values.tolist() == LABEL[order].tolist()) == labels


def sets(brain_train, stimuli_train, brain_test, stimuli_test, images=ROWS):
    return {
        brain_train: BRAIN[TRAIN],
        stimuli_train: images[TRAIN],
        brain_test: BRAIN[TEST],
        stimuli_test: images[TEST],
    }


NAMES = [
    ("fmriTrn", "stimTrn", "fmriTest", "stimTest"),
    ("dataTrnS1", "stimTrn", "dataValS1", "stimVal"),
    ("X_train", "images_train", "X_val", "images_val"),
    ("X_train", "y_train", "X_test", "y_test"),
    ("Y_train", "X_train", "Y_test", "X_test"),
    ("Xtrain", "Ytrain", "Xtest", "Ytest"),
    ("trainX", "trainY", "validX", "validY"),
    ("train/voxels", "train/pictures", "test/voxels", "test/pictures"),
    ("training.bold", "training.img", "heldout.bold", "heldout.img"),
    ("data.fmriTrn", "data.stimTrn", "data.fmriTest", "data.stimTest"),
    ("brain_tr", "seen_tr", "brain_te", "seen_te"),
    ("fmri", "stim", "fmri_test", "stim_test"),
    ("TRAIN_BETAS", "TRAIN_IMGS", "TEST_BETAS", "TEST_IMGS"),
    ("resp_trn", "stim_trn", "resp_held_out", "stim_held_out"),
    ("eegTraining", "imageTraining", "eegValidation", "imageValidation"),
    ("betas_train", "frames_train", "betas_dev", "frames_dev"),
    ("trainVoxels", "trainPixels", "evalVoxels", "evalPixels"),
    ("a_train", "b_train", "a_test", "b_test"),
    ("input_train", "target_train", "input_test", "target_test"),
    ("imgTrn", "actTrn", "imgTst", "actTst"),
]
SWAPPED = {("imgTrn", "actTrn", "imgTst", "actTst")}  # here the first is the images

LAID = {  # stimuli, samples first or not
    "rows": lambda a: a.reshape(len(a), -1),
    "rows, transposed": lambda a: a.reshape(len(a), -1).T,
    "cube": lambda a: a,
    "cube, last": lambda a: np.moveaxis(a, 0, -1),
    "cube, second": lambda a: np.moveaxis(a, 0, 1),
    "channel last": lambda a: a[..., None],
    "channel first": lambda a: a[:, None],
    "channel, samples last": lambda a: np.moveaxis(a, 0, -1)[:, :, None],
    "rows with an axis more": lambda a: a.reshape(len(a), 1, -1),
    "last with an axis more": lambda a: np.moveaxis(a, 0, -1)[..., None],
}
COLOURS = {
    "rgb": lambda a: np.stack([a] * 3, axis=-1),
    "rgb first": lambda a: np.stack([a] * 3, axis=1),
    "rgb, samples last": lambda a: np.moveaxis(np.stack([a] * 3, axis=-1), 0, -1),
    "rgb first, samples last": lambda a: np.moveaxis(np.stack([a] * 3, axis=1), 0, -1),
    "rgb rows": lambda a: np.stack([a] * 3, axis=-1).reshape(len(a), -1),
}
MEASURED = {  # responses
    "rows": lambda b: b,
    "transposed": lambda b: b.T,
    "channels and times": lambda b: b.reshape(len(b), 5, 6),
    "samples last": lambda b: np.moveaxis(b.reshape(len(b), 5, 6), 0, -1),
    "samples second": lambda b: np.moveaxis(b.reshape(len(b), 5, 6), 0, 1),
    "an axis more": lambda b: b[:, None],
}
TYPES = {
    "uint8": lambda a: a,
    "int64": lambda a: a.astype(np.int64),
    "uint16": lambda a: a.astype(np.uint16),
    "float 255": lambda a: a.astype(np.float64),
    "float 1": lambda a: a / 255,
    "float32 1": lambda a: (a / 255).astype(np.float32),
}
SPLITS = {
    "words": np.repeat(["train", "test"], [N_TRAIN, N - N_TRAIN]),
    "other words": np.repeat(["Training", "validation"], [N_TRAIN, N - N_TRAIN]),
    "numbers": np.repeat([0, 1], [N_TRAIN, N - N_TRAIN])[None],
    "truth": np.repeat([False, True], [N_TRAIN, N - N_TRAIN]),
}
LISTS = {
    "testIdx": np.arange(N_TRAIN, N),
    "test_index": np.arange(N_TRAIN, N)[None] + 1,
    "val_inds": np.arange(N_TRAIN, N)[:, None] + 1,
    "trainIdx": np.arange(1, N_TRAIN + 1),
    "trn_ind": np.arange(N_TRAIN),
    "train_mask": (np.arange(N) < N_TRAIN)[:, None],
    "isTest": (np.arange(N) >= N_TRAIN).astype(float),
}
ONE = {"fmri": BRAIN, "stim": ROWS}

LAYOUTS: dict[str, tuple[dict, dict]] = {}
for names in NAMES:
    ordered = names if names not in SWAPPED else (names[1], names[0], names[3], names[2])
    LAYOUTS[f"named {', '.join(names)}"] = (sets(*ordered), {})
for form, laid in LAID.items():
    LAYOUTS[f"images {form}"] = (
        {"fmri": BRAIN, "stim": laid(IMAGES), "label": LABEL},
        {"split": False, "labels": True},
    )
    parts = {"fmriTrn": BRAIN[TRAIN], "stimTrn": laid(IMAGES[TRAIN]), "fmriTest": BRAIN[TEST]}
    LAYOUTS[f"two sets of images {form}"] = (parts | {"stimTest": laid(IMAGES[TEST])}, {})
for form, laid in COLOURS.items():
    LAYOUTS[f"images {form}"] = ({"resp": BRAIN, "stim": laid(IMAGES)}, {"split": False})
for form, laid in MEASURED.items():
    LAYOUTS[f"responses {form}"] = (
        {"eeg": laid(BRAIN), "img": ROWS, "label": LABEL[None]},
        {"split": False, "labels": True},
    )
    for other in ("rows, transposed", "cube, last"):
        LAYOUTS[f"responses {form}, images {other}"] = (
            {"bold": laid(BRAIN), "pics": LAID[other](IMAGES)},
            {"split": False},
        )
for form, typed in TYPES.items():
    LAYOUTS[f"images of {form}"] = (ONE | {"stim": typed(ROWS)}, {"split": False})
    LAYOUTS[f"unnamed, images of {form}"] = ({"a": typed(IMAGES), "b": BRAIN}, {"split": False})
for form, split in SPLITS.items():
    LAYOUTS[f"split in {form}"] = (ONE | {"split": split, "label": LABEL[:, None]}, {"labels": True})
for name, positions in LISTS.items():
    LAYOUTS[f"split by {name}"] = (ONE | {name: positions}, {})


def test_there_are_eighty_layouts_or_more():
    assert len(LAYOUTS) >= 80


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_trials_are_read_however_they_lie(layout):
    arrays, expected = LAYOUTS[layout]
    for one in (arrays, dict(reversed(arrays.items()))):  # the order in the file does not matter
        _, sentences, dataset = proposed(one)
        check_trials(dataset, **expected)
        assert not any(sentence.startswith("Not used") for sentence in sentences), sentences


BINARY = IMAGES > 120


def test_truth_values_are_images():
    entry, _, dataset = proposed({"resp": BRAIN, "shapes": BINARY})
    assert entry["arrays"] == {"brain": "resp", "stimuli": "shapes"}
    np.testing.assert_array_equal(dataset["stimuli"].values, BINARY)


@pytest.mark.parametrize("n", [48, 75, 100, 108, 300])
def test_the_axis_on_which_both_agree_wins(n):
    """Rows of these lengths could be images, too."""
    brain, images = RANDOM.standard_normal((n + 12, 120)), RANDOM.integers(0, 256, (n + 12, 784)).astype("u1")
    one = {"resp": brain.T, "stim": images.T}
    two = {"fmriTrn": brain[:n].T, "stimTrn": images[:n].T, "fmriTest": brain[n:].T, "stimTest": images[n:].T}
    for arrays in (one, two):
        for axis in ({}, {"sample_axis": "last"}):
            entry, _, dataset = proposed(arrays, axis)
            assert entry["sample_axis"] == "last"
            np.testing.assert_allclose(dataset["brain"].values, brain.astype("f4"), rtol=1e-6)


def test_an_axis_that_cannot_be_told_is_said():
    square = RANDOM.standard_normal((N, N))
    _, sentences, _ = proposed({"resp": square, "stim": np.moveaxis(IMAGES, 0, -1)})
    assert any("could lie along the first axis of 'resp'" in sentence for sentence in sentences)
    _, sentences, dataset = proposed({"resp": square, "stim": IMAGES}, {"sample_axis": "first"})
    np.testing.assert_allclose(dataset["brain"].values, square.astype("f4"))
    assert not any("could lie" in sentence for sentence in sentences)


def test_as_many_voxels_as_pixels():
    brain, images = RANDOM.standard_normal((40, 144)), RANDOM.integers(0, 256, (40, 144)).astype("u1")
    for arrays in ({"u": brain, "v": images}, {"u": images, "v": brain}):
        entry, _, _ = proposed(arrays)
        assert arrays[entry["arrays"]["brain"]] is brain
    parts = {"x1_train": brain[:28].T, "x2_train": images[:28].T, "x1_test": brain[28:].T, "x2_test": images[28:].T}
    entry, _, dataset = proposed(parts)
    assert entry["sample_axis"] == "last"  # the axis along which the parts differ
    np.testing.assert_allclose(dataset["brain"].values, brain.astype("f4"))


def test_responses_that_could_be_images_by_their_values():
    brain = RANDOM.random((40, 100))
    for seen in (ROWS, ROWS / 255):
        entry, sentences, _ = proposed({"X": seen, "Y": brain})
        assert entry["arrays"] == {"brain": "Y", "stimuli": "X"}
        assert any("'Y' (40 x 100) holds the responses" in sentence for sentence in sentences)


THREE = {
    **{"X_train": BRAIN[:20], "X_val": BRAIN[20:28], "X_test": BRAIN[28:]},
    **{"images_train": ROWS[:20], "images_val": ROWS[20:28], "images_test": ROWS[28:]},
}
LEFT_OUT = {
    "a third part": (
        THREE,
        [*range(20), *range(28, 40)],
        ["'X_val' (8 x 30), which could be responses of 8 validation samples", "'images_val'"],
    ),
    "a mask of voxels": (
        sets("dataTrnS1", "stimTrn", "dataValS1", "stimVal") | {"roiS1": np.ones((VOXELS, 1))},
        None,
        ["'roiS1' (30 x 1), one value for each voxel"],
    ),
    "labels of one part": (sets(*NAMES[0]) | {"labelTrn": LABEL[TRAIN]}, None, ["'labelTrn' (28), one value for each"]),
    "labels of one part, other names": (sets(*NAMES[2]) | {"label_val": LABEL[TEST]}, None, ["'label_val' (12)"]),
    "text labels": (
        ONE | {"label": LABEL.astype(str)},
        None,
        ["'label' (40), text for each sample: labels and groups"],
    ),
    "labels with fractions": (ONE | {"label": LABEL + 0.5}, None, ["'label' (40), one value for each sample: a label"]),
    "onsets": (ONE | {"onset": np.arange(N) * 2.5}, None, ["'onset' (40), one value for each sample"]),
    "one part alone": ({"X_train": BRAIN, "images_train": ROWS}, None, ["there is no second part"]),
    "a second list": (
        ONE | {"trainIdx": np.arange(20), "valIdx": np.arange(20, 28), "testIdx": np.arange(28, 40)},
        None,
        ["'trainIdx' lists 20 samples; the 8 that are in neither", "'valIdx' (8), a list of samples"],
    ),
    "two masks": (
        ONE | {"train_mask": np.arange(N) < 20, "test_mask": np.arange(N) >= N_TRAIN},
        None,
        ["'test_mask' lists the test samples", "'train_mask' lists 20 samples; the 8 that are in neither"],
    ),
    "a list of positions that are not there": (
        ONE | {"test_idx": np.array([3, N + 9])},
        None,
        [
            "so there is no split",
            "'test_idx' is not read as a list of samples: it holds neither positions among the 40",
        ],
    ),
    "a list of runs": (
        ONE | {"run": np.arange(N) // 4, "test_runs": np.array([4, 5])},
        None,
        ["so there is no split", "'test_runs' is not read as a list of samples: its name is that of a run"],
    ),
    "distinct labels of one part": (
        ONE | {"label_test": np.arange(1, 10)},
        None,
        ["so there is no split", "'label_test' is not read as a list of samples: its name is that of a label"],
    ),
    "a mask of no sample": (
        ONE | {"is_train": np.zeros(N, bool)},
        None,
        [
            "'is_train' is not read as a list of samples: it holds neither positions",
            "'is_train' (40), one value for each sample",
        ],
    ),
    "a third part in words": (
        ONE | {"split": np.repeat(["train", "val", "test"], [20, 8, 12])},
        [*range(20), *range(28, 40)],
        ["8 samples of a third part, for validation"],
    ),
    "responses of more samples": (
        ONE | {"fmri2": BRAIN[:9]},
        None,
        ["'fmri2' (9 x 30), which could be responses of 9"],
    ),
    "embeddings": (
        ONE | {"clip_features": RANDOM.standard_normal((N, 77)), "vgg_features": RANDOM.standard_normal((N, VOXELS))},
        None,
        ["'clip_features' (40 x 77), numbers of each sample", "'vgg_features' (40 x 30), numbers of each sample"],
    ),
    "embeddings of two parts": (
        sets(*NAMES[2]) | {"v_train": RANDOM.standard_normal((N_TRAIN, 77))},
        None,
        ["'v_train' (28 x 77), numbers of each sample of the training part"],
    ),
    "places of voxels": (
        ONE | {"xyz": RANDOM.standard_normal((VOXELS, 3))},
        None,
        ["'xyz' (30 x 3), numbers of each v"],
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_is_left_out_is_said(case):
    arrays, order, words = LEFT_OUT[case]
    _, sentences, dataset = proposed(arrays)
    order = np.arange(N) if order is None else np.array(order)
    np.testing.assert_allclose(dataset["brain"].values, BRAIN[order], rtol=1e-5)
    for word in words:
        assert any(word in sentence for sentence in sentences), sentences


@pytest.mark.parametrize("name", ["label", "session", "onset", "run", "subject", "stimulus_id"])
@pytest.mark.parametrize("laid", [lambda v: v, lambda v: v[None], lambda v: v[:, None], lambda v: v[None, :, None]])
def test_a_vector_is_never_brain_data(name, laid):
    entry, _, dataset = proposed({"fmri": BRAIN, "stim": np.moveaxis(IMAGES, 0, -1), name: laid(LABEL)})
    assert entry["arrays"]["brain"] == "fmri" and entry["sample_axis"] == {"stimuli": "last"}
    check_trials(dataset, split=False, labels=name == "label")
    with pytest.raises(InputError, match="no two arrays can be"):
        proposed({"stim": np.moveaxis(IMAGES, 0, -1), name: laid(LABEL)})


def test_two_arrays_that_fit_as_well_are_named_and_can_be_chosen():
    arrays = sets("dataTrnS1", "stimTrn", "dataValS1", "stimVal")
    arrays |= {"dataTrnS2": BRAIN[TRAIN] + 1, "dataValS2": BRAIN[TEST] + 1}
    with pytest.raises(
        InputError, match="'dataTrnS1' with 'stimTrn'; 'dataTrnS2' with 'stimTrn'.*brain_test: dataValS1"
    ):
        proposed(arrays)
    _, sentences, dataset = proposed(arrays, {"arrays": {"brain_train": "dataTrnS2", "brain_test": "dataValS2"}})
    np.testing.assert_allclose(dataset["brain"].values, BRAIN + 1, rtol=1e-5)
    assert any("'dataTrnS1' (28 x 30), which could be responses" in sentence for sentence in sentences)
    assert {kind for kind, _ in json.loads(dataset.attrs["reading"])["not_used"]} == {"samples"}


@pytest.mark.parametrize(
    ("layout", "kinds"),
    [("a third part", ["samples", "samples"]), ("a third part in words", ["samples"])]
    + [("a mask of voxels", ["array"]), ("onsets", ["array"]), ("responses of more samples", ["samples"])],
)
def test_what_is_not_used_is_samples_or_an_array(layout, kinds):
    _, _, dataset = proposed(LEFT_OUT[layout][0])
    assert [kind for kind, _ in json.loads(dataset.attrs["reading"])["not_used"]] == kinds


REFUSED = {
    "parts with other voxels": (sets("x_tr", "img_tr", "x_te", "img_te") | {"x_te": BRAIN[TEST, :29]}, "same voxels"),
    "images that are not square": ({"fmri": BRAIN, "stim": ROWS.reshape(N, 9, 16)}, "9 x 16 pixels"),
    "images with negative values": ({"fmri": BRAIN, "stim": ROWS / 127.5 - 1}, "-1..1"),
    "other numbers of samples": ({"fmri": BRAIN, "stim": ROWS[:31]}, "40 rows and 'stim' has 31"),
    "other numbers of test samples": (
        sets(*NAMES[2]) | {NAMES[2][3]: ROWS[TEST][:9]},
        f"'{NAMES[2][2]}' has 12 rows and '{NAMES[2][3]}' has 9",
    ),
    "other numbers of training samples": (
        sets(*NAMES[2]) | {NAMES[2][0]: BRAIN[:20]},
        f"'{NAMES[2][0]}' has 20 rows and '{NAMES[2][1]}' has 28",
    ),
    "two second parts": (
        {name.replace("test", "eval"): array for name, array in THREE.items()},
        "'X_train' with 'images_train'; 'X_val' with 'images_val'; 'X_eval' with 'images_eval'",
    ),
    "no images": ({"fmri": BRAIN, "label": LABEL}, "no two arrays"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_said(case):
    arrays, words = REFUSED[case]
    with pytest.raises(InputError, match=words):
        proposed(arrays)


FIRST = st.sampled_from(sorted(set(NAMES) - SWAPPED))
EXTRA = st.dictionaries(
    st.sampled_from(["label", "session", "info", "roi", "fs", "subject_age", "xyz"]),
    st.sampled_from(
        [LABEL[None], np.ones((VOXELS, 1)), np.array([[2.5]]), RANDOM.standard_normal((VOXELS, 3)), np.arange(7)]
    ),
    max_size=3,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=FIRST,
    laid=st.sampled_from(sorted(LAID)),
    typed=st.sampled_from(sorted(TYPES)),
    measured=st.sampled_from(sorted(MEASURED)),
    extra=EXTRA,
    order=st.randoms(use_true_random=False),
)
def test_any_names_with_any_axes_and_types(names, laid, typed, measured, extra, order):
    make, measure = (lambda a: LAID[laid](TYPES[typed](a))), MEASURED[measured]
    arrays = {names[0]: measure(BRAIN[TRAIN]), names[1]: make(IMAGES[TRAIN])}
    arrays |= {names[2]: measure(BRAIN[TEST]), names[3]: make(IMAGES[TEST])}
    arrays |= {name: array for name, array in extra.items() if name not in arrays}
    listed = list(arrays.items())
    order.shuffle(listed)
    entry, sentences, dataset = proposed(dict(listed))
    np.testing.assert_allclose(dataset["brain"].values, BRAIN, rtol=1e-5)
    np.testing.assert_allclose(dataset["stimuli"].values, IMAGES / 255, atol=1e-6)
    assert dataset["part"].values.tolist() == ["train"] * N_TRAIN + ["test"] * (N - N_TRAIN)
    for name, array in extra.items():
        used = name in str(entry["arrays"])
        assert used or array.size in (1, 7) or any(f"'{name}'" in sentence for sentence in sentences), (name, sentences)


def matlab_73(path, fill):
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(file)
    with open(path, "r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def put(group, name, array):
    group[name] = array.T
    kind = {"float64": "double", "float32": "single", "bool": "logical"}.get(array.dtype.name, array.dtype.name)
    group[name].attrs["MATLAB_class"] = np.bytes_(kind)


def struct_73(file):
    group = file.create_group("data")
    group.attrs["MATLAB_class"] = np.bytes_("struct")
    for name, array in ONE.items():
        put(group, name, array)


def cell_73(file):
    references = file.create_group("#refs#")
    put(references, "a", BRAIN)
    put(references, "b", ROWS)
    file["all"] = np.array([[references["a"].ref], [references["b"].ref]], dtype=h5py.ref_dtype)
    file["all"].attrs["MATLAB_class"] = np.bytes_("cell")


def bdpy(path, groups=("dataset", "metadata")):
    with h5py.File(path, "w") as file:
        file[groups[0]] = np.hstack([BRAIN, ROWS, LABEL[:, None]])
        marks = np.full((4, VOXELS + SIDE**2 + 1), np.nan)
        marks[0, :VOXELS] = marks[1, :9] = marks[2, VOXELS:-1] = marks[3, -1] = 1
        file[f"{groups[1]}/key"] = np.array([b"VoxelData", b"ROI_V1", b"Stimulus", b"Label"])
        file[f"{groups[1]}/value"] = marks


def bdpy_mat(path, table="dataset", about="metadata", more=0):
    """As bdpy saves it as .mat: keys and descriptions in cells, the marks of columns with NaN elsewhere."""
    marks = np.full((4 + more, VOXELS + SIDE**2 + 1), np.nan)
    marks[0, :VOXELS] = marks[1, :9] = marks[2, VOXELS:-1] = marks[3, -1] = 1
    keys = np.array(["VoxelData", "ROI_V1", "Stimulus", "Label", *(f"none {number}" for number in range(more))], object)
    content = {table: np.hstack([BRAIN, ROWS, LABEL[:, None]]), about: {"key": keys, "description": keys}}
    content[about]["value"] = marks
    scipy.io.savemat(path, content)


def long_cell_73(file):
    references = file.create_group("#refs#")
    for number, image in enumerate(IMAGES):
        put(references, str(number), image)
    put(file, "fmri", BRAIN)
    file["stim"] = np.array([[references[str(number)].ref] for number in range(N)], dtype=h5py.ref_dtype)
    file["stim"].attrs["MATLAB_class"] = np.bytes_("cell")


def cell_of(arrays):
    cell = np.empty((1, len(arrays)), object)
    for number, array in enumerate(arrays):
        cell[0, number] = array
    return cell


def hdf5(path):
    with h5py.File(path, "w") as file:
        file["subject 1/bold"], file["subject 1/images"] = BRAIN, IMAGES


CONTAINERS = {
    "version 5": lambda path: scipy.io.savemat(path, ONE),
    "version 5, compressed": lambda path: scipy.io.savemat(path, ONE, do_compression=True),
    "version 4": lambda path: scipy.io.savemat(path, ONE, format="4"),
    "version 7.3": lambda path: matlab_73(path, lambda file: [put(file, *item) for item in ONE.items()]),
    "struct": lambda path: scipy.io.savemat(path, {"data": ONE}),
    "struct, compressed": lambda path: scipy.io.savemat(path, {"data": ONE}, do_compression=True),
    "struct in a struct": lambda path: scipy.io.savemat(path, {"a": {"b": {"c": ONE}}}),
    "struct of version 7.3": lambda path: matlab_73(path, struct_73),
    "cell": lambda path: scipy.io.savemat(path, {"everything": cell_of([BRAIN, ROWS])}),
    "cell of version 7.3": lambda path: matlab_73(path, cell_73),
    "npz": lambda path: np.savez(open(path, "wb"), **ONE),  # noqa: SIM115
    "npz, compressed": lambda path: np.savez_compressed(open(path, "wb"), **ONE),  # noqa: SIM115
    "hdf5": hdf5,
    "netcdf": lambda path: xr.Dataset({"bold": (("t", "v"), BRAIN), "stim": (("t", "y", "x"), IMAGES)}).to_netcdf(
        path, engine="h5netcdf"
    ),
    "bdpy": bdpy,
    "bdpy as .mat": bdpy_mat,
    "bdpy as .mat, older, many keys": lambda path: bdpy_mat(path, "dataSet", "metaData", more=30),
    "images in a long cell": lambda path: scipy.io.savemat(path, {"fmri": BRAIN, "stim": cell_of(IMAGES)}),
    "images in a long cell, compressed": lambda path: scipy.io.savemat(
        path, {"data": {"fmri": BRAIN, "stim": cell_of(IMAGES)}}, do_compression=True
    ),
    "images in a long cell of version 7.3": lambda path: matlab_73(path, long_cell_73),
    "bdpy, older": lambda path: bdpy(path, ("dataSet", "metaData")),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_trials_are_read_from_any_container(tmp_path, container):
    path = tmp_path / "a.mat"
    CONTAINERS[container](path)
    keys = {"pixel_order": "row-major", "labels": "none"}
    entry, _, dataset = propose(path, survey(path), keys, seed=0, matlab=False)
    check_trials(dataset, split=False)
    check_trials(reader.read(path, "a", entry), split=False)  # as ingest does
    for fact in survey(path):
        assert fact.kind != "struct" or "is a struct; the arrays in it are named by themselves" in fact.problem


def sparse_73(file):
    put(file, "stim", ROWS)
    group = file.create_group("fmri")
    group.attrs["MATLAB_class"], group.attrs["MATLAB_sparse"] = np.bytes_("double"), np.uint64(N)


def zstd(path):
    with h5py.File(path, "w") as file:
        file["stim"] = ROWS
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((N, VOXELS))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
        space = h5py.h5s.create_simple((N, VOXELS))
        array = h5py.h5d.create(file.id, b"fmri", h5py.h5t.NATIVE_DOUBLE, space, properties)
        array.write_direct_chunk((0, 0), b"junk", 0)


def table_object(path):
    """A file of version 5 with a table, and with the array without a name in which MATLAB keeps what is in it."""
    scipy.io.savemat(path, {"stim": ROWS})

    def element(kind, content):
        return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    flags, own = struct.pack("<II", 17, 0), struct.pack("<II", 9, 0)
    shape = struct.pack("<ii", 1, 8)
    body = element(6, flags) + element(1, b"fmri") + element(1, b"MCOS") + element(1, b"table")
    hidden = element(6, own) + element(5, shape) + element(1, b"") + element(2, bytes(8))
    with open(path, "ab") as stream:
        stream.write(element(14, body) + element(14, hidden))


def test_what_matlab_keeps_for_itself_is_not_listed(tmp_path):
    table_object(tmp_path / "a.mat")
    assert [fact.name for fact in survey(tmp_path / "a.mat")] == ["stim", "fmri"]


@pytest.mark.parametrize("keys", [cell_of([1.0, [[2.0, 3.0]]]), cell_of([{"a": 1.0}, "x"]), "no cell"])
def test_what_is_only_called_like_bdpys_arrays_is_listed_as_it_is(tmp_path, keys):
    marks = np.zeros((2, VOXELS))
    scipy.io.savemat(tmp_path / "a.mat", {"dataset": BRAIN, "metadata": {"key": keys, "value": marks}, "stim": ROWS})
    names = [fact.name for fact in survey(tmp_path / "a.mat")]
    assert {"dataset", "metadata.value", "stim"} <= set(names)


UNREADABLE = {
    "table": (table_object, "'fmri' is a table array.*table2array.*no two arrays"),
    "sparse": (lambda path: scipy.io.savemat(path, ONE | {"fmri": scipy.sparse.csc_array(BRAIN)}), "sparse.*full"),
    "sparse of version 7.3": (lambda path: matlab_73(path, sparse_73), "'fmri' is a sparse array.*full"),
    "images of several sizes in a long cell": (
        lambda path: scipy.io.savemat(path, {"fmri": BRAIN, "stim": cell_of([*IMAGES[:-1], IMAGES[-1][:-1]])}),
        "'stim' is a cell.*cat",
    ),
    "pickled": (lambda path: np.savez(open(path, "wb"), all=np.array([ONE], object)), "pickled.*savez"),  # noqa: SIM115
    "zstd": (zstd, "'fmri' is compressed by zstd.*gzip"),
    "pointer of LFS": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid x"),
        "git lfs pull",
    ),
    "web page": (lambda path: path.write_text(" <!DOCTYPE html><html>404"), "a web page; it"),
    "table as text": (lambda path: path.write_text("0.1 0.2\n0.3 0.4\n" * 20), "text; .*numpy.savez"),
    "pickle": (lambda path: path.write_bytes(b"\x80\x04\x95" + bytes(40)), "pickle of Python"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_named_with_what_to_do(tmp_path, case):
    make, words = UNREADABLE[case]
    path = tmp_path / "a.mat"
    make(path)
    with pytest.raises(InputError, match=words):
        propose(path, survey(path), {}, seed=0, matlab=True)
