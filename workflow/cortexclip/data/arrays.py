"""Reader of the `.mat` schema that the field's 28x28 datasets share.

A file holds ``fmriTrn (n_train, n_voxels)``, ``stimTrn (n_train, n_pixels)``, ``fmriTest``, ``stimTest`` and mostly
``labelTrn`` and ``labelTest``. Arrays are taken by name, never by size or order: a published comparison that took "the
two largest arrays" trained on swapped ones. Everything that could be mistaken for something else is an error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

import numpy as np
import xarray as xr

from cortexclip.data.dataset import MINIMUM_SAMPLES, labelled
from cortexclip.data.entries import attributes
from cortexclip.data.matfile import load_arrays
from cortexclip.errors import InputError, check_keys

DEFAULT_ARRAYS = {
    "brain_train": "fmriTrn",
    "brain_test": "fmriTest",
    "stimuli_train": "stimTrn",
    "stimuli_test": "stimTest",
    "label_train": "labelTrn",
    "label_test": "labelTest",
}
PIXEL_ORDERS = {"row-major": "C", "column-major": "F"}
LABEL_MEANINGS = ("class", "session", "none")


def read(path: str | os.PathLike, name: str, entry: Mapping[str, object]) -> xr.Dataset:
    """Read a `.mat` file as the dataset ``name``.

    Parameters
    ----------
    path : a MATLAB file of version 5 to 7.3
    name : name of the dataset
    entry : its entry in datasets.yaml; read here: ``arrays`` (names that differ from ``DEFAULT_ARRAYS``),
        ``pixel_order`` ("row-major" or "column-major"), ``labels`` ("class", "session" or "none")

    Returns
    -------
    The labelled dataset, see :mod:`cortexclip.data.dataset`; training samples first, each part in file order.

    Raises
    ------
    InputError
        For a file, entry or array that cannot be used.
    """
    where = f"dataset '{name}'"
    arrays = entry.get("arrays") or {}
    if not isinstance(arrays, Mapping):
        raise InputError(f"{where}: 'arrays' is {arrays!r}, expected a mapping such as brain_train: fmriTrn.")
    check_keys(arrays, DEFAULT_ARRAYS, f"{where}, 'arrays'")
    names = {**DEFAULT_ARRAYS, **arrays}
    for key, choices in (("pixel_order", tuple(PIXEL_ORDERS)), ("labels", LABEL_MEANINGS)):
        if entry.get(key) not in choices:
            raise InputError(f"{where}: '{key}' is {entry.get(key)!r}, expected one of {', '.join(choices)}.")
    if entry["labels"] == "none":
        names = {role: array for role, array in names.items() if not role.startswith("label")}
    repeated = sorted({array for array in names.values() if list(names.values()).count(array) > 1})
    if repeated:
        raise InputError(f"{where}: 'arrays' uses '{repeated[0]}' more than once, expected one array for each role.")
    loaded = load_arrays(path, list(names.values()))
    return to_dataset(
        {role: loaded[array] for role, array in names.items()},
        attributes(name, entry),
        pixel_order=entry["pixel_order"],
        labels=entry["labels"],
        where=str(path),
        names=names,
    )


def to_dataset(
    arrays: Mapping[str, np.ndarray],
    attributes: Mapping[str, object],
    *,
    pixel_order: str,
    labels: str,
    where: str = "arrays",
    names: Mapping[str, str] = DEFAULT_ARRAYS,
) -> xr.Dataset:
    """Check the arrays of the schema against each other and name their axes.

    Parameters
    ----------
    arrays : by role: ``brain_train (n_train, n_voxels)``, ``brain_test (n_test, n_voxels)``, ``stimuli_train (n_train,
        side * side)``, ``stimuli_test (n_test, side * side)``; with ``labels`` other than "none" also ``label_train``
        and ``label_test``, one value a sample. Stimuli are uint8 in 0..255, or floating point in 0..1 or of whole
        numbers in 0..255
    attributes : see :func:`cortexclip.data.dataset.labelled`
    pixel_order : how a row of ``stimuli`` is laid out: "row-major" (image row after row) or "column-major" (MATLAB)
    labels : what the label arrays hold: "class" of the image, "session" of the scan, or "none" (not used)
    where, names : how messages name the file and each array

    Raises
    ------
    InputError
        See the module's description; each message names the array, what was found and what was expected.
    """
    for role, array in arrays.items():
        _check_finite(array, f"{where}: '{names[role]}'")
    for part in ("train", "test"):
        _check_not_swapped(arrays, part, where, names)
    scales, stimuli = {}, {}
    for part in ("train", "test"):
        brain, images = arrays[f"brain_{part}"], arrays[f"stimuli_{part}"]
        brain_name, images_name = names[f"brain_{part}"], names[f"stimuli_{part}"]
        if len(brain) != len(images):
            raise InputError(
                f"{where}: '{brain_name}' has {len(brain)} rows and '{images_name}' has {len(images)}, expected one "
                "brain response for each stimulus."
            )
        if len(brain) < MINIMUM_SAMPLES:
            raise InputError(f"{where}: '{brain_name}' has {len(brain)} sample, expected {MINIMUM_SAMPLES} or more.")
        side = math.isqrt(images.shape[1])
        if side * side != images.shape[1]:
            raise InputError(
                f"{where}: '{images_name}' has {images.shape[1]} columns, expected a square number such as "
                "784 = 28 x 28 (one column for each pixel of a square image)."
            )
        scales[part] = _stimulus_scale(images, f"{where}: '{images_name}'")
        stimuli[part] = np.stack([row.reshape(side, side, order=PIXEL_ORDERS[pixel_order]) for row in images])
    for kind, meaning in (("brain", "voxels"), ("stimuli", "pixels")):
        train, test = (arrays[f"{kind}_{part}"].shape[1] for part in ("train", "test"))
        if train != test:
            raise InputError(
                f"{where}: '{names[f'{kind}_train']}' has {train} columns and '{names[f'{kind}_test']}' has {test}, "
                f"expected the same {meaning} in both."
            )
    if scales["train"] != scales["test"]:
        found = ", ".join(f"'{names[f'stimuli_{part}']}' in 0..{scales[part]}" for part in ("train", "test"))
        raise InputError(f"{where}: the stimuli have two scales ({found}), expected the same in both parts.")
    values = None
    if labels != "none":
        values = np.concatenate(
            [
                _labels(arrays[f"label_{part}"], len(stimuli[part]), f"{where}: '{names[f'label_{part}']}'")
                for part in ("train", "test")
            ]
        )
    return labelled(
        np.concatenate([arrays["brain_train"], arrays["brain_test"]]),
        np.concatenate([stimuli["train"], stimuli["test"]]) / scales["train"],
        np.repeat(["train", "test"], [len(stimuli["train"]), len(stimuli["test"])]),
        attributes,
        label=values if labels == "class" else None,
        session=values if labels == "session" else None,
    )


def _check_finite(array: np.ndarray, where: str) -> None:
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise InputError(
            f"{where} holds {bad} NaN or infinite values (the first in row {row}), expected none. "
            "Repair or leave out those samples or voxels."
        )


def _looks_like_stimuli(array: np.ndarray) -> bool:
    """Whether every row could be a square image in 0..1 or in whole numbers of 0..255."""
    side = math.isqrt(array.shape[1])
    if side < 2 or side * side != array.shape[1] or array.min() < 0 or array.max() > 255:
        return False
    return bool(array.max() <= 1 or np.array_equal(array, np.rint(array)))


def _check_not_swapped(arrays: Mapping[str, np.ndarray], part: str, where: str, names: Mapping[str, str]) -> None:
    brain, images = arrays[f"brain_{part}"], arrays[f"stimuli_{part}"]
    if not _looks_like_stimuli(brain):
        return
    same_columns = brain.shape[1] == images.shape[1]
    whole_numbers = brain.max() > 1
    if not _looks_like_stimuli(images) or (same_columns and whole_numbers):
        raise InputError(
            f"{where}: '{names[f'brain_{part}']}' and '{names[f'stimuli_{part}']}' look swapped: found images "
            f"({brain.shape[1]} columns, values in {brain.min():g}..{brain.max():g}) where brain responses are "
            f"expected, and {images.shape[1]} columns in {images.min():g}..{images.max():g} as stimuli. "
            "Correct the file, or 'arrays' in the entry of the dataset."
        )


def _stimulus_scale(images: np.ndarray, where: str) -> int:
    """255 or 1: the value that stands for white.

    MATLAB files often hold images as doubles of whole numbers in 0..255, so these count as 0..255 as well.
    """
    low, high = images.min(), images.max()
    expected = "expected uint8 in 0..255, or floating point in 0..1 or of whole numbers in 0..255"
    found = f"{where} holds {images.dtype} in {low:g}..{high:g}"
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise InputError(f"{found}, {expected}. Save the stimuli in one of these.")
    if low < 0 or high > 255:
        raise InputError(f"{found}, {expected}. Rescale the stimuli.")
    if images.dtype == np.uint8 and high <= 1:
        raise InputError(f"{found}, {expected}: these images are black, or in 0..1 stored as uint8. Rescale them.")
    if high <= 1:
        return 1
    if not np.array_equal(images, np.rint(images)):
        raise InputError(f"{found} with fractions, {expected}. Divide the stimuli by their white value.")
    return 255


def _labels(array: np.ndarray, n_samples: int, where: str) -> np.ndarray:
    """Labels as integers of shape (n_samples,)."""
    if array.size != n_samples or n_samples not in array.shape:
        raise InputError(f"{where} has the shape {array.shape}, expected {n_samples} labels: one for each sample.")
    values = array.reshape(-1)
    if values.min() < 0 or values.max() > np.iinfo(np.int32).max or not np.array_equal(values, np.rint(values)):
        raise InputError(
            f"{where} holds values in {values.min():g}..{values.max():g}, expected whole numbers of 0 or more. "
            "Set labels: none if these are no labels."
        )
    return values.astype(np.int32)
