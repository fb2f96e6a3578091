"""Reader of files of named arrays: MATLAB of any version, numpy's .npz, HDF5 and NetCDF-4.

In the schema that the field's 28x28 `.mat` files share, a file holds ``fmriTrn (n_train, n_voxels)``, ``stimTrn
(n_train, n_pixels)``, ``fmriTest``, ``stimTest`` and mostly ``labelTrn`` and ``labelTest``. The entry of a dataset says
what is different in its file. Arrays are taken by name, never by size or order: a published comparison that took "the
two largest arrays" trained on swapped ones. Everything that could be mistaken for something else is an error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr

from cortexclip.data import GROUPINGS
from cortexclip.data.containers import load_arrays
from cortexclip.data.dataset import MINIMUM_SAMPLES, NO_PARTS, labelled
from cortexclip.data.entries import Channels, ImageSize, Labels, Parts, PixelOrder, SampleAxis, attributes
from cortexclip.data.images import grey, resized, rule
from cortexclip.data.variables import shape_text
from cortexclip.errors import InputError, check_keys
from cortexclip.runtime.settings import Checked, check

DEFAULT_ARRAYS = {
    "brain_train": "fmriTrn",
    "brain_test": "fmriTest",
    "stimuli_train": "stimTrn",
    "stimuli_test": "stimTest",
    "label_train": "labelTrn",
    "label_test": "labelTest",
}
DEFAULT_ARRAYS_OF_ONE_SET = {"brain": "brain", "stimuli": "stimuli", "label": "label"}
DEFAULT_PART = "part"
SETS = {"sets": ("_train", "_test"), "index": ("",), "none": ("",)}
CHANNELS = {"grey": 1, "rgb-last": 3, "rgb-first": 3}


class Layout(Checked):
    """How a file lays out what a dataset needs; the fields are keys of the dataset's entry, see `entries.Dataset`.

    ``pixel_order`` of stimuli with axes of their own says whether these are (y, x) or (x, y).
    """

    pixel_order: PixelOrder
    labels: Labels
    parts: Parts = "sets"
    channels: Channels = "grey"
    image_size: ImageSize | None = None
    sample_axis: SampleAxis = "first"
    first_index: Literal[0, 1] | None = None
    names: dict[str, str] = DEFAULT_ARRAYS
    """array of each role, see :func:`roles`"""

    def name(self, role: str) -> str:
        return f"'{self.names[role]}'"


def roles(parts: str) -> dict[str, str | None]:
    """Roles that arrays can play, and the array of each if the entry names none; None: then there is no such array."""
    more = [*(f"{kind}{part}" for kind in GROUPINGS for part in SETS[parts]), "region"]
    if parts == "sets":
        return DEFAULT_ARRAYS | dict.fromkeys(more)
    return DEFAULT_ARRAYS_OF_ONE_SET | dict.fromkeys([*more, *(["part", "test_index"] if parts == "index" else [])])


def layout_of(entry: Mapping[str, object], where: str) -> Layout:
    """The layout that an entry of datasets.yaml describes.

    Raises InputError for a key that holds something else than it may, a role that is not one, and an array with two
    roles.
    """
    arrays = entry.get("arrays") or {}
    if not isinstance(arrays, Mapping):
        raise InputError(f"{where}: 'arrays' is {arrays!r}, expected a mapping such as brain_train: fmriTrn.")
    given = {key: entry[key] for key in Layout.model_fields if key in entry}
    layout = check(Layout, {"labels": None, **given, "names": arrays}, where)
    known = roles(layout.parts)
    check_keys(arrays, known, f"{where}, 'arrays' with parts: {layout.parts}")
    names = {role: name for role, name in {**known, **arrays}.items() if name is not None}
    if layout.labels == "none":
        names = {role: array for role, array in names.items() if not role.startswith("label")}
    if layout.labels == "session" and any(role.startswith("session") for role in names):
        raise InputError(f"{where}: sessions are given twice: labels: session, and a session array under 'arrays'.")
    if layout.parts == "index":
        if {"part", "test_index"} <= set(names):
            raise InputError(f"{where}: 'arrays' names both part and test_index, expected one of them.")
        if "test_index" not in names:
            names.setdefault("part", DEFAULT_PART)
        elif layout.first_index is None:
            raise InputError(f"{where}: test_index needs first_index: 0 or 1, the index of the first sample.")
    for kind in GROUPINGS:
        if len({f"{kind}_train", f"{kind}_test"} & set(names)) == 1:
            raise InputError(f"{where}: 'arrays' names a {kind} array for one part only, expected both or none.")
    repeated = sorted({array for array in names.values() if list(names.values()).count(array) > 1})
    if repeated:
        raise InputError(f"{where}: 'arrays' uses '{repeated[0]}' more than once, expected one array for each role.")
    return layout.model_copy(update={"names": names})


def read(path: str | os.PathLike, name: str, entry: Mapping[str, object]) -> xr.Dataset:
    """Read a file of a format that :mod:`cortexclip.data.containers` knows as the dataset ``name``.

    Of its entry in datasets.yaml the fields of :class:`Layout` are read (``names`` from ``arrays``). Of two sets the
    training samples come first, in file order. Raises InputError for a file, entry or array that cannot be used.
    """
    layout = layout_of(entry, f"dataset '{name}'")
    text = [layout.names["part"]] if "part" in layout.names else []
    loaded = load_arrays(path, layout.names.values(), text)
    arrays = {role: loaded[array] for role, array in layout.names.items()}
    return to_dataset(arrays, attributes(name, entry), layout, str(path))


def to_dataset(
    arrays: Mapping[str, np.ndarray], attributes: Mapping[str, object], layout: Layout, where: str = "arrays"
) -> xr.Dataset:
    """Check arrays against each other and name their axes.

    Parameters
    ----------
    arrays : by role: ``brain (n, n_voxels)`` or with more axes, which become one; ``region``, one value a voxel;
        ``stimuli (n, side * side)`` or with axes of their own, uint8 or other whole numbers in 0..255, floating point
        in 0..1 or of whole numbers in 0..255, or truth values; ``label`` and groupings of samples, one value a sample.
        With parts "sets" each role, but for ``region``, once for each part; with "index" also ``part`` or
        ``test_index``, see :func:`_part_of`

    Raises InputError whose message names the array, what was found and what was expected.
    """
    for role, array in arrays.items():
        if array.dtype.kind in "iufb":
            check_finite(array, f"{where}: {layout.name(role)}")
    brain, images = {}, {}
    for part in SETS[layout.parts]:
        brain[part] = responses(arrays[f"brain{part}"], layout, f"{where}: {layout.name(f'brain{part}')}")
        stimuli = _samples_first(arrays[f"stimuli{part}"], layout)
        _check_not_swapped(brain[part], stimuli, part, layout, where)
        _check_pairs(brain[part], stimuli, part, layout, where)
        images[part] = _images(stimuli, layout, f"{where}: {layout.name(f'stimuli{part}')}")
    if layout.parts == "sets":
        _check_same_columns(brain, images, layout, where)
        parts = np.repeat(["train", "test"], [len(brain["_train"]), len(brain["_test"])])
    else:
        parts = _part_of(arrays, len(brain[""]), layout, where)
    scaled, done = _scaled(np.concatenate(list(images.values())), parts, layout, where)
    more = {}
    for kind in ("label", *GROUPINGS):
        if f"{kind}{SETS[layout.parts][0]}" in layout.names:
            values = [
                _whole_numbers(arrays[f"{kind}{one}"], len(rows), f"{where}: {layout.name(f'{kind}{one}')}")
                for one, rows in brain.items()
            ]
            more[kind] = np.concatenate(values)
    if layout.labels == "session":
        more["session"] = more.pop("label")
    if "region" in layout.names:
        n_voxels = next(iter(brain.values())).shape[1]
        more["region"] = _whole_numbers(arrays["region"], n_voxels, f"{where}: {layout.name('region')}", "voxel")
    return labelled(
        np.concatenate(list(brain.values())), scaled, parts, {**attributes, "images": "; ".join(done)}, **more
    )


def _samples_first(array: np.ndarray, layout: Layout) -> np.ndarray:
    return np.moveaxis(array, -1, 0) if layout.sample_axis == "last" and array.ndim > 1 else array


def responses(array: np.ndarray, layout: Layout, where: str) -> np.ndarray:
    """Brain responses with one row for each sample, shape (n, n_voxels)."""
    if array.dtype == np.bool_:
        raise InputError(f"{where} is a logical array, expected measured numbers.")
    if array.ndim < 2:
        raise InputError(
            f"{where} has {array.ndim} dimension{'s' if array.ndim != 1 else ''} ({shape_text(array.shape)}), expected "
            "2 or more: samples, and what was measured of each."
        )
    array = _samples_first(array, layout)
    return array.reshape(len(array), -1)


def _images(array: np.ndarray, layout: Layout, where: str) -> np.ndarray:
    """Stimuli as images, shape (n, side, side) or, in colour, (n, side, side, 3); values as they are."""
    channels = CHANNELS[layout.channels]
    advice = " (in colour? set channels: rgb-last or rgb-first)" if channels == 1 else ""
    if array.ndim == 2:
        side = math.isqrt(array.shape[1] // channels)
        if side * side * channels != array.shape[1]:
            third = math.isqrt(array.shape[1] // 3)
            colour = advice if third * third * 3 == array.shape[1] else ""
            raise InputError(
                f"{where} has {array.shape[1]} columns, expected {'three times ' if channels == 3 else ''}a square "
                f"number such as {784 * channels} = {'3 x ' if channels == 3 else ''}28 x 28: one column for each "
                f"pixel of a square image{colour}."
            )
        axes = {"grey": (side, side), "rgb-last": (side, side, 3), "rgb-first": (3, side, side)}[layout.channels]
        if layout.pixel_order == "column-major":  # the first axis runs fastest
            array = array.reshape(-1, *axes[::-1]).transpose(0, *range(len(axes), 0, -1))
        else:
            array = array.reshape(-1, *axes)
    elif layout.pixel_order == "column-major" and array.ndim == (3 if channels == 1 else 4):
        array = array.swapaxes(*((2, 3) if layout.channels == "rgb-first" else (1, 2)))
    if layout.channels == "rgb-first" and array.ndim == 4:
        array = np.moveaxis(array, 1, 3)
    expected = "n x y x x" if channels == 1 else "n x y x x x 3" if layout.channels == "rgb-last" else "n x 3 x y x x"
    if array.ndim != (3 if channels == 1 else 4) or (channels == 3 and array.shape[3] != 3):
        raise InputError(
            f"{where} has {array.ndim} dimensions ({shape_text(array.shape)}), expected 2 (one row for each image) or "
            f"{expected} with channels: {layout.channels}{advice}."
        )
    if array.shape[1] != array.shape[2]:
        raise InputError(f"{where} has images of {array.shape[1]} x {array.shape[2]} pixels, expected square ones.")
    return array


def _scaled(images: np.ndarray, part: np.ndarray, layout: Layout, where: str) -> tuple[np.ndarray, list[str]]:
    """Grey images in 0..1 of the wanted size, and what was done for it in words; each part must have the same scale."""
    scales = {}
    for name in dict.fromkeys(part.tolist()):
        role = f"stimuli_{name}" if layout.parts == "sets" else "stimuli"
        of_part = "" if layout.parts != "index" else f" ({name} part)"
        scales[f"{layout.name(role)}{of_part}"] = _stimulus_scale(
            images[part == name], f"{where}: {layout.name(role)}{of_part}"
        )
    if len(set(scales.values())) > 1:
        found = ", ".join(f"{name} in 0..{scale}" for name, scale in scales.items())
        raise InputError(f"{where}: the stimuli have two scales ({found}), expected the same in both parts.")
    done = []
    images = images.astype(np.float64) / next(iter(scales.values()))
    if layout.channels != "grey":
        images = grey(images)
        done.append("grey from red, green and blue by the luma of ITU-R BT.601")
    if layout.image_size and (words := rule(images.shape[1], layout.image_size)):
        images = resized(images, layout.image_size)
        done.append(words)
    return np.clip(images, 0.0, 1.0), done  # sums of weights may exceed 1 by rounding


def _part_of(arrays: Mapping[str, np.ndarray], n_samples: int, layout: Layout, where: str) -> np.ndarray:
    """ "train" or "test" of each sample, or "none", shape (n,).

    ``part`` holds one value a sample: the words train and test, or 0 and 1 (false and true) for training and test.
    ``test_index`` holds the positions of the test samples, counted from the layout's ``first_index``; all others train.
    """
    if layout.parts == "none":
        return np.full(n_samples, NO_PARTS)
    if "part" in arrays:
        named, values = f"{where}: {layout.name('part')}", arrays["part"]
        if values.size != n_samples:
            raise InputError(f"{named} has the shape {shape_text(values.shape)}, expected {n_samples} values.")
        values = values.reshape(-1)
        found = [str(value).strip().lower() if values.dtype.kind == "U" else f"{value:g}" for value in values.tolist()]
        words = {"train": "train", "test": "test"} if values.dtype.kind == "U" else {"0": "train", "1": "test"}
        unknown = sorted(set(found) - set(words))
        if unknown:
            raise InputError(f"{named} holds {', '.join(unknown[:5])}, expected only {' and '.join(words)}.")
        return np.array([words[value] for value in found])
    named, values = f"{where}: {layout.name('test_index')}", arrays["test_index"].reshape(-1)
    first = layout.first_index or 0  # None only without a test_index, see layout_of
    positions = _whole_numbers(values, values.size, named) - first
    if positions.min() < 0 or positions.max() >= n_samples or len(np.unique(positions)) < len(positions):
        raise InputError(
            f"{named} holds {len(positions)} indices in {values.min():g}..{values.max():g}, expected each sample at "
            f"most once, in {first}..{n_samples - 1 + first}."
        )
    return np.where(np.isin(np.arange(n_samples), positions), "test", "train")


def check_finite(array: np.ndarray, where: str) -> None:
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise InputError(
            f"{where} holds {bad} NaN or infinite values (the first in row {row}), expected none. "
            "Repair or leave out those samples or voxels."
        )


def _check_pairs(brain: np.ndarray, stimuli: np.ndarray, part: str, layout: Layout, where: str) -> None:
    """One response for each stimulus, and enough of both."""
    brain_name, stimuli_name = layout.name(f"brain{part}"), layout.name(f"stimuli{part}")
    if len(brain) != len(stimuli):
        other = {"first": "last", "last": "first"}[layout.sample_axis]
        advice = ""
        if layout.sample_axis == "first" and brain.shape[-1] == stimuli.shape[-1]:
            advice = f" Their last axes are of one length: set sample_axis: {other} if samples are along these."
        raise InputError(
            f"{where}: {brain_name} has {len(brain)} rows and {stimuli_name} has {len(stimuli)}, expected one "
            f"brain response for each stimulus.{advice}"
        )
    if len(brain) < MINIMUM_SAMPLES:
        raise InputError(f"{where}: {brain_name} has {len(brain)} sample, expected {MINIMUM_SAMPLES} or more.")


def _check_same_columns(brain: Mapping, images: Mapping, layout: Layout, where: str) -> None:
    for kind, arrays, meaning in (("brain", brain, "voxels"), ("stimuli", images, "pixels")):
        train, test = (math.prod(arrays[part].shape[1:]) for part in ("_train", "_test"))
        if train != test:
            names = layout.name(f"{kind}_train"), layout.name(f"{kind}_test")
            raise InputError(
                f"{where}: {names[0]} has {train} columns and {names[1]} has {test}, expected the same {meaning} in "
                "both."
            )


def _looks_like_stimuli(array: np.ndarray, channels: int = 1) -> bool:
    """Whether every row could be a square image in 0..1 or in whole numbers of 0..255."""
    columns = math.prod(array.shape[1:])
    side = math.isqrt(columns // channels)
    if side < 2 or side * side * channels != columns or array.min() < 0 or array.max() > 255:
        return False
    return bool(array.max() <= 1 or np.array_equal(array, np.rint(array)))


def _check_not_swapped(brain: np.ndarray, stimuli: np.ndarray, part: str, layout: Layout, where: str) -> None:
    if not _looks_like_stimuli(brain):
        return
    n_voxels, n_pixels = brain.shape[1], math.prod(stimuli.shape[1:])
    whole_numbers = brain.max() > 1
    like_images = _looks_like_stimuli(stimuli, CHANNELS[layout.channels])
    if not like_images or (n_voxels == n_pixels and whole_numbers):
        raise InputError(
            f"{where}: {layout.name(f'brain{part}')} and {layout.name(f'stimuli{part}')} look swapped: found images "
            f"({n_voxels} columns, values in {brain.min():g}..{brain.max():g}) where brain responses are "
            f"expected, and {n_pixels} columns in {stimuli.min():g}..{stimuli.max():g} as stimuli. "
            "Correct the file, or 'arrays' in the entry of the dataset."
        )


def _stimulus_scale(images: np.ndarray, where: str) -> int:
    """255 or 1: the value that stands for white.

    Files often hold images as doubles of whole numbers in 0..255, so these count as 0..255 as well.
    """
    if images.dtype == np.bool_:
        return 1
    low, high = images.min(), images.max()
    expected = "expected whole numbers in 0..255, floating point in 0..1, or truth values"
    found = f"{where} holds {images.dtype} in {low:g}..{high:g}"
    if low < 0 or high > 255:
        raise InputError(f"{found}, {expected}. Rescale the stimuli.")
    if images.dtype.kind in "iu" and high <= 1:
        raise InputError(f"{found}, {expected}: these images are black, or in 0..1 stored as integers. Rescale them.")
    if high <= 1:
        return 1
    if not np.array_equal(images, np.rint(images)):
        raise InputError(f"{found} with fractions, {expected}. Divide the stimuli by their white value.")
    return 255


def _whole_numbers(array: np.ndarray, n_samples: int, where: str, each: str = "sample") -> np.ndarray:
    """Labels, sessions, runs or regions as integers of shape (n_samples,)."""
    if array.size != n_samples or n_samples not in array.shape:
        raise InputError(
            f"{where} has the shape {shape_text(array.shape)}, expected {n_samples} labels: one for each {each}."
        )
    values = array.reshape(-1)
    if values.min() < 0 or values.max() > np.iinfo(np.int32).max or not np.array_equal(values, np.rint(values)):
        raise InputError(
            f"{where} holds values in {values.min():g}..{values.max():g}, expected whole numbers of 0 or more. "
            "Set labels: none if these are no labels."
        )
    return values.astype(np.int32)
