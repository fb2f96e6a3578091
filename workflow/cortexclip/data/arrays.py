"""Reader of files of named arrays: MATLAB of any version, numpy's .npz, HDF5 and NetCDF-4.

In the schema that the field's 28x28 `.mat` files share, a file holds ``fmriTrn (n_train, n_voxels)``, ``stimTrn
(n_train, n_pixels)``, ``fmriTest``, ``stimTest`` and mostly ``labelTrn`` and ``labelTest``. The entry of a dataset says
what is different in its file. Arrays are taken by name, never by size or order: a published comparison that took "the
two largest arrays" trained on swapped ones. Everything that could be mistaken for something else is an error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr

from cortexclip.data import GROUPINGS
from cortexclip.data.containers import load_arrays, variables
from cortexclip.data.dataset import MINIMUM_SAMPLES, NO_PARTS, labelled
from cortexclip.data.entries import Channels, ImageSize, Labels, Parts, PixelOrder, SampleAxis, attributes
from cortexclip.data.images import grey, rule
from cortexclip.data.naming import SECOND_PARTS, STRONG, not_used
from cortexclip.data.reading import with_not_used
from cortexclip.data.variables import Declared, shape_text
from cortexclip.errors import InputError, check_keys
from cortexclip.numerics.resize import resized
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
INDICES = ("part", "test_index", "train_index")
CHANNELS = {"grey": 1, "rgb-last": 3, "rgb-first": 3}
LEFT_OUT = "left out"
AXES = {"first": 0, "last": -1, "second": 1, "third": 2}
SMALLEST_GUESS = 4
"""Pixels on a side from which an array is taken for images."""
PART_WORDS = {word: part for part in ("train", *SECOND_PARTS) for word in STRONG[part]}


class Layout(Checked):
    """How a file lays out what a dataset needs; the fields are keys of the dataset's entry, see `entries.Dataset`.

    ``pixel_order`` of stimuli with axes of their own says whether these are (y, x) or (x, y).
    """

    pixel_order: PixelOrder
    labels: Labels
    parts: Parts = "sets"
    channels: Channels = "grey"
    image_size: ImageSize | None = None
    sample_axis: SampleAxis | dict[Literal["brain", "stimuli"], SampleAxis] = "first"
    first_index: Literal[0, 1] | None = None
    names: dict[str, str] = DEFAULT_ARRAYS
    """array of each role, see :func:`roles`"""

    def name(self, role: str) -> str:
        return f"'{self.names[role]}'"

    def axis(self, kind: Literal["brain", "stimuli"]) -> str:
        """Along which axis of "brain" or "stimuli" samples lie."""
        return self.sample_axis if isinstance(self.sample_axis, str) else self.sample_axis.get(kind, "first")


def roles(parts: str) -> dict[str, str | None]:
    """Roles that arrays can play, and the array of each if the entry names none; None: then there is no such array."""
    more = [*(f"{kind}{part}" for kind in GROUPINGS for part in SETS[parts]), "region"]
    if parts == "sets":
        return DEFAULT_ARRAYS | dict.fromkeys(more)
    return DEFAULT_ARRAYS_OF_ONE_SET | dict.fromkeys([*more, *(INDICES if parts == "index" else [])])


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
        indices = [role for role in INDICES if role in names]
        if len(indices) > 1:
            raise InputError(f"{where}: 'arrays' names both {indices[0]} and {indices[1]}, expected one of them.")
        if not indices:
            names["part"] = DEFAULT_PART
        elif indices != ["part"] and layout.first_index is None:
            raise InputError(f"{where}: {indices[0]} needs first_index: 0 or 1, the index of the first sample.")
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
    dataset = to_dataset(arrays, attributes(name, entry), layout, str(path))
    return with_not_used(dataset, left_out(variables(path), dataset, layout))


def left_out(found: Iterable[Declared], dataset: xr.Dataset, layout: Layout) -> list[tuple[str, str]]:
    """Kind and sentence of each array of a file that a layout leaves out, but could matter; ``dataset`` is the rest."""
    part = dataset["part"].values
    samples = {"all": len(part)} if layout.parts != "sets" else {p: int((part == p).sum()) for p in ("train", "test")}
    pixels = math.prod(dataset["stimuli"].shape[1:])
    return not_used(found, set(layout.names.values()), samples, dataset.sizes["voxel"], pixels)


def to_dataset(
    arrays: Mapping[str, np.ndarray], attributes: Mapping[str, object], layout: Layout, where: str = "arrays"
) -> xr.Dataset:
    """Check arrays against each other and name their axes.

    Parameters
    ----------
    arrays : by role: ``brain (n, n_voxels)`` or with more axes, which become one; ``region``, one value a voxel;
        ``stimuli (n, side * side)`` or with axes of their own, uint8 or other whole numbers in 0..255, floating point
        in 0..1 or of whole numbers in 0..255, or truth values; ``label`` and groupings of samples, one value a sample.
        With parts "sets" each role, but for ``region``, once for each part; with "index" also ``part``,
        ``test_index`` or ``train_index``, see :func:`_part_of`. Axes of length one are dropped

    Raises InputError whose message names the array, what was found and what was expected.
    """
    for role, array in arrays.items():
        if array.dtype.kind in "iufb":
            check_finite(array, f"{where}: {layout.name(role)}")
    brain, images = {}, {}
    for part in SETS[layout.parts]:
        brain[part] = responses(arrays[f"brain{part}"], layout, f"{where}: {layout.name(f'brain{part}')}")
        stimuli = _samples_first(arrays[f"stimuli{part}"], layout.axis("stimuli"))
        _check_not_swapped(brain[part], stimuli, part, layout, where)
        _check_pairs(brain[part], stimuli, part, arrays, layout, where)
        images[part] = _images(stimuli, layout, f"{where}: {layout.name(f'stimuli{part}')}")
    if layout.parts == "sets":
        _check_same_columns(brain, images, layout, where)
        part_of_all = np.repeat(["train", "test"], [len(brain["_train"]), len(brain["_test"])])
    else:
        part_of_all = _part_of(arrays, len(brain[""]), layout, where)
    responses_of_all, images_of_all = np.concatenate(list(brain.values())), np.concatenate(list(images.values()))
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
    kept = part_of_all != LEFT_OUT
    scaled, done = _scaled(images_of_all[kept], part_of_all[kept], layout, where)
    more = {kind: values if kind == "region" else values[kept] for kind, values in more.items()}
    described = {**attributes, "images": "; ".join(done)}
    dataset = labelled(responses_of_all[kept], scaled, part_of_all[kept], described, **more)
    rest = int((~kept).sum())
    third = [("samples", f"Not used: {rest} samples of a third part, for validation.")]
    return with_not_used(dataset, third if rest else [])


def without_ones(array: np.ndarray) -> np.ndarray:
    """An array without its axes of length one, with two axes at least.

    >>> [without_ones(np.zeros(shape)).shape for shape in ((9, 4, 4, 1), (9, 1, 16), (9, 1), (1, 4, 4))]
    [(9, 4, 4), (9, 16), (9, 1), (1, 4, 4)]
    """
    shape = array.shape
    if len(shape) < 3:
        return array
    rest = [length for length in shape[1:] if length != 1] or [1]
    one_image = len(rest) == 2 and rest[0] == rest[1]
    return array.reshape(rest if shape[0] == 1 and len(rest) > 1 and not one_image else (shape[0], *rest))


def _samples_first(array: np.ndarray, axis: str) -> np.ndarray:
    array = without_ones(array)
    return np.moveaxis(array, AXES[axis], 0) if 1 < array.ndim > AXES[axis] else array


def agreements(brain: Sequence[tuple[int, ...]], stimuli: Sequence[tuple[int, ...]]) -> list[tuple[str, str, str]]:
    """Axes of responses and of stimuli along which samples can lie, and the form of the images, likeliest first.

    ``brain`` and ``stimuli`` are the shapes in each part, without axes of length one (:func:`without_ones`). Gives
    triples of two words of ``AXES`` and a form: "grey", "rgb-last", "rgb-first", or "rgb" for rows of either. Along
    these axes, responses and stimuli of each part are of one length, and the other axes are alike in all parts; the
    axes of the stimuli are those of square images.
    """
    found = []
    for ours in _words(brain[0]):
        for theirs, form in image_forms(stimuli[0]):
            counts = [(_length(b, ours), _length(s, theirs)) for b, s in zip(brain, stimuli, strict=True)]
            alike = all(
                len({_others(shape, axis) for shape in shapes}) == 1
                for shapes, axis in ((brain, ours), (stimuli, theirs))
            )
            if alike and all(b == s > 1 for b, s in counts):
                found.append((ours, theirs, form))
    order = list(AXES)
    return sorted(found, key=lambda f: (f[0] not in order[:2], f[0] != f[1], order.index(f[1]), order.index(f[0])))


def image_forms(shape: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """How square images could lie in an array of this shape: axis of the samples, and form."""
    for axis in _words(shape):
        one = _others(shape, axis)
        square = len(one) > 1 and sorted(one)[-1] == sorted(one)[-2] >= SMALLEST_GUESS
        if (len(one) == 1 and _side(one[0])) or (len(one) == 2 and square):
            yield axis, "grey"
        elif len(one) == 1 and one[0] % 3 == 0 and _side(one[0] // 3):
            yield axis, "rgb"
        elif len(one) == 3 and square and one[2] == 3:
            yield axis, "rgb-last"
        elif len(one) == 3 and square and one[0] == 3:
            yield axis, "rgb-first"


def _words(shape: tuple[int, ...]) -> list[str]:
    """The axes of a shape by their words; the last is called last."""
    return [] if len(shape) < 2 else ["first", "last", *["second", "third"][: len(shape) - 2]]


def _length(shape: tuple[int, ...], axis: str) -> int:
    return shape[AXES[axis]] if len(shape) > AXES[axis] else 0


def _others(shape: tuple[int, ...], axis: str) -> tuple[int, ...]:
    at = range(len(shape))[AXES[axis]] if len(shape) > AXES[axis] else -1
    return tuple(length for dimension, length in enumerate(shape) if dimension != at)


def _side(pixels: int) -> int:
    """Side of a square image of so many pixels; 0 if there is none."""
    side = math.isqrt(pixels)
    return side if side * side == pixels and side >= SMALLEST_GUESS else 0


def axes_of_entry(ours: str, theirs: str) -> dict[str, object]:
    """The key of an entry that says along which axes samples lie; none where both are the first."""
    if ours == theirs:
        return {} if ours == "first" else {"sample_axis": ours}
    return {"sample_axis": {kind: axis for kind, axis in (("brain", ours), ("stimuli", theirs)) if axis != "first"}}


def responses(array: np.ndarray, layout: Layout, where: str) -> np.ndarray:
    """Brain responses with one row for each sample, shape (n, n_voxels)."""
    if array.dtype == np.bool_:
        raise InputError(f"{where} is a logical array, expected measured numbers.")
    if array.ndim < 2:
        raise InputError(
            f"{where} has {array.ndim} dimension{'s' if array.ndim != 1 else ''} ({shape_text(array.shape)}), expected "
            "2 or more: samples, and what was measured of each."
        )
    array = _samples_first(array, layout.axis("brain"))
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
    axes_of = {"grey": "height x width", "rgb-last": "height x width x 3", "rgb-first": "3 x height x width"}
    if array.ndim != (3 if channels == 1 else 4) or (channels == 3 and array.shape[3] != 3):
        raise InputError(
            f"{where} has {array.ndim} dimensions ({shape_text(array.shape)}), expected 2 (one row for each image) or "
            f"samples x {axes_of[layout.channels]} with channels: {layout.channels}{advice}."
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
    """ "train" or "test" of each sample, "none", or ``LEFT_OUT`` for one of a third part, shape (n,).

    ``part`` holds one value a sample: words such as train and test, or 0 and 1 (false and true) for training and test.
    Samples for validation are the test part where there is no other, and are left out where there is.
    ``test_index`` and ``train_index`` hold the positions of the samples of that part, counted from the layout's
    ``first_index``, or one truth value (0 or 1) a sample; all others are of the other part.
    """
    if layout.parts == "none":
        return np.full(n_samples, NO_PARTS)
    role = next(role for role in INDICES if role in arrays)
    named, values = f"{where}: {layout.name(role)}", arrays[role]
    if role == "part":
        if values.size != n_samples:
            raise InputError(f"{named} has the shape {shape_text(values.shape)}, expected {n_samples} values.")
        found = _part_words(values)
        words = PART_WORDS if values.dtype.kind == "U" else {"0": "train", "1": "test"}
        unknown = sorted(set(found) - set(words))
        if unknown:
            expected = "train and test" if values.dtype.kind == "U" else "0 and 1"
            raise InputError(f"{named} holds {', '.join(unknown[:5])}, expected only {expected}.")
        parts = [words[value] for value in found]
        second = {"validation": LEFT_OUT if "test" in parts else "test"}
        return np.array([second.get(part, part) for part in parts])
    ours, others = ("test", "train") if role == "test_index" else ("train", "test")
    if values.size == n_samples and np.isin(values, (0, 1)).all() and n_samples > 2:
        return np.where(values.reshape(-1) == 1, ours, others)
    first = layout.first_index or 0  # None only where it is not needed, see layout_of
    positions = _whole_numbers(values, values.size, named) - first
    if positions.min() < 0 or positions.max() >= n_samples or len(np.unique(positions)) < len(positions):
        raise InputError(
            f"{named} holds {len(positions)} indices in {values.min():g}..{values.max():g}, expected each sample at "
            f"most once, in {first}..{n_samples - 1 + first}."
        )
    return np.where(np.isin(np.arange(n_samples), positions), ours, others)


def _part_words(values: np.ndarray) -> list[str]:
    text = values.dtype.kind == "U"
    return [str(value).strip().lower() if text else f"{value:g}" for value in values.reshape(-1).tolist()]


def check_finite(array: np.ndarray, where: str) -> None:
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise InputError(
            f"{where} holds {bad} NaN or infinite values (the first in row {row}), expected none. "
            "Repair or leave out those samples or voxels."
        )


def _check_pairs(
    brain: np.ndarray, stimuli: np.ndarray, part: str, arrays: Mapping[str, np.ndarray], layout: Layout, where: str
) -> None:
    """One response for each stimulus, and enough of both."""
    brain_name, stimuli_name = layout.name(f"brain{part}"), layout.name(f"stimuli{part}")
    if len(brain) != len(stimuli):
        shapes = ([without_ones(arrays[f"{k}{p}"]).shape for p in SETS[layout.parts]] for k in ("brain", "stimuli"))
        other = [axes_of_entry(ours, theirs).get("sample_axis", "first") for ours, theirs, _ in agreements(*shapes)]
        advice = ""
        if other:
            axis = other[0] if isinstance(other[0], str) else str(other[0]).replace("'", "")
            advice = f" They agree along other axes: set sample_axis: {axis} if samples are along these."
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
