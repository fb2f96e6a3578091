"""A new recording for a trained run: reading it, and whether its voxels are what the run was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cortexclip.audit.inspection import name_of, propose, survey
from cortexclip.configuration.loading import load_reader
from cortexclip.data import arrays as named_arrays
from cortexclip.data import dataset as datasets
from cortexclip.data.arrays import AXES, image_forms
from cortexclip.data.containers import MATLAB, format_of, load_arrays, variables
from cortexclip.data.guess import Facts, NothingFitsError
from cortexclip.data.reading import not_used_of
from cortexclip.data.variables import printable, shape_text
from cortexclip.errors import InputError
from cortexclip.numerics.standardise import VoxelScaler
from cortexclip.results.restore import Fitted
from cortexclip.runtime.files import sha256
from cortexclip.runtime.settings import check

READER = named_arrays.__name__
FAR, TOO_FAR = 2.0, 10.0
"""Factors of the training data's spread, and distances in it, that are remarkable and that are refused."""


@dataclass(frozen=True)
class New:
    """Samples to decode: ``brain`` (n_samples, n_voxels) and, where the file has stimuli, their dataset."""

    where: str
    sha256: str
    brain: np.ndarray
    data: Any
    notes: tuple[str, ...] = ()

    def part_of(self, part: str) -> New:
        """The samples of one part of the file; raises InputError where it has none."""
        if part == "all":
            return self
        here = np.zeros(len(self.brain), bool) if self.data is None else self.data.part.values == part
        if not here.any():
            raise InputError(f"--part {part}: {self.where} does not say which samples these are. Leave --part out.")
        return replace(self, brain=self.brain[here], data=self.data.isel(sample=here))


def read_new(
    path: Path, entry: Mapping[str, object] | None, known: Mapping, trained_on: str | None, voxels: int
) -> New:
    """The samples of a file, read as an entry says; without one as the run's dataset is, or else as it is guessed.

    A file that holds responses alone has no ``data``. ``known`` is the entry of the run's dataset, empty if it has
    none, ``trained_on`` the sha256 of its file, and ``voxels`` their number. Raises InputError for a file
    that cannot be used.
    """
    held = variables(path) if path.is_file() else []
    names, digest = {variable.name for variable in held}, sha256(path) if path.is_file() else ""
    ours = entry is None and {"brain", "stimuli", "part", "stimulus"} <= names  # a dataset that this project wrote
    remarks: list[str] = []
    data = datasets.read(path) if ours else _dataset(path, entry, {**known, "sha256": digest}, names, voxels, remarks)
    if isinstance(data, np.ndarray):
        return New(str(path), digest, data, None, ("The file has no stimuli, so there are no scores.", *remarks))
    notes = [*remarks, *([] if ours else not_used_of(data))]
    if trained_on and trained_on in (digest, data.attrs["sha256"]):
        notes.append("The run was trained on this file: only samples that it was not trained on are a test.")
    return New(str(path), digest, data["brain"].values, data, tuple(notes))


def check_fits(new: New, fitted: Fitted, dataset: str | None) -> None:
    """Raise InputError if the samples have other voxels, or images of another size, than the run."""
    expected, found = len(fitted.statistics.mean), new.brain.shape[1]
    trained = f"the run was trained on {expected} voxels" + (f" of '{dataset}'" if dataset else "")
    if found != expected:
        turned = (
            " If samples are along the last axis, set sample_axis: last in --entry."
            if len(new.brain) == expected
            else ""
        )
        raise InputError(
            f"{new.where}: found {found} voxels, but {trained}. A decoder is made for one brain and one selection of "
            f"voxels, in their order; give data of the same subject and mask.{turned}"
        )
    if new.data is not None and new.data["stimuli"].shape[1:] != fitted.shape:
        height, width = new.data["stimuli"].shape[1:]
        raise InputError(
            f"{new.where}: found images of {height} x {width}, but the run decodes {fitted.shape[0]} x "
            f"{fitted.shape[1]}. Let --entry resize them with image_size: {fitted.shape[0]}, or give responses alone "
            "(--entry 'arrays: {brain: NAME}')."
        )


def check_scale(brain: np.ndarray, training: VoxelScaler, where: str) -> list[str]:
    """A remark if voxels differ from those of training in mean or spread, none if they do not.

    Compared are the median distance of a value from its voxel's mean in training, in standard deviations (0.67 for
    normally distributed values), and, from three samples on, the median ratio of a voxel's standard deviation to that
    in training. Voxels that do not vary in the new samples, such as those outside a mask, are then ignored.

    Raises InputError if they are so far from those of training that the decoder would only extrapolate.
    """
    distances, spread = np.abs(training(brain)), 1.0
    if len(brain) > 2:
        ratio = brain.std(axis=0, ddof=1, dtype=np.float64) / training.scale
        varying = ratio > 0
        if not varying.any():
            raise InputError(f"{where}: no voxel varies over its {len(brain)} samples, expected brain responses.")
        distances, spread = distances[:, varying], float(np.median(ratio[varying]))
    distance = float(np.median(distances))
    found = (
        f"{where}: voxels are {distance:.3g} standard deviations of the training data from its means (median; 0.7 is "
        f"usual) and vary {spread:.3g} times as much"
    )
    if distance > TOO_FAR or not 1 / TOO_FAR <= spread <= TOO_FAR:
        raise InputError(
            f"{found}. They are on another scale: prepare them as the training data were, or let --rescale do it, "
            "which needs all samples of the recording."
        )
    if distance > FAR or not 1 / FAR <= spread <= FAR:
        return [f"{found}. Check that they were prepared as the training data were; --rescale fits their scale."]
    return []


def rescaled(brain: np.ndarray, training: VoxelScaler, where: str) -> np.ndarray:
    """Responses whose voxels have the mean and deviation of training; raises InputError for fewer than ten samples."""
    if len(brain) < 10:
        raise InputError(f"--rescale: {where} has {len(brain)} samples, expected 10 or more to know a voxel's spread.")
    mean, scale = brain.mean(axis=0, dtype=np.float64), brain.std(axis=0, dtype=np.float64)
    standard = np.divide(brain - mean, scale, out=np.zeros(brain.shape), where=scale > 0)
    return (standard * training.scale + training.mean).astype(np.float32)


def _dataset(
    path: Path, entry: Mapping | None, known: Mapping, names: set[str], voxels: int, remarks: list[str]
) -> xr.Dataset | np.ndarray:
    """The dataset of a file, or its responses (n_samples, n_voxels) where it has nothing else.

    What is guessed, and what of other voxels is passed over, is added to ``remarks``.
    """
    name = name_of(path)
    reader = (known if entry is None else entry).get("reader", READER)
    if reader not in (READER, "cortexclip.data.simulated"):
        return load_reader(name, reader)(path, name, dict(known) | dict(entry or {}))
    if entry is not None:
        roles = set(entry.get("arrays") or {})
        if roles == {"brain"}:
            axis = entry.get("sample_axis", "first")
            axis = axis if isinstance(axis, str) else axis.get("brain", "first")
            return _responses(path, entry["arrays"]["brain"], axis)
        order = {key: known[key] for key in ("pixel_order",) if key in known}
        return named_arrays.read(path, name, {**order, "labels": "none", **entry, "sha256": known["sha256"]})
    if "file" in known:
        for found in (known, {**known, "labels": "none"}):
            layout = named_arrays.layout_of(found, f"dataset '{name}'")
            if set(layout.names.values()) <= names:
                return named_arrays.read(path, name, found)
            if one := _of_one_part(found, layout, names):
                return named_arrays.read(path, name, one)
    facts = survey(path)
    given = {key: known[key] for key in ("pixel_order", "channels", "image_size") if key in known}
    if any(voxels in _others_of(fact.table) for fact in facts):
        for fact in facts:
            if fact.table and voxels not in _others_of(fact.table) and not any(image_forms(fact.table)):
                remarks.append(
                    f"Not used: '{printable(fact.name)}' ({shape_text(fact.shape)}), which does not have the {voxels} "
                    "voxels of the run."
                )
        facts = [f for f in facts if not f.table or voxels in _others_of(f.table) or any(image_forms(f.table))]
    try:
        matlab = format_of(path)[0] in MATLAB
        _, guesses, dataset = propose(path, facts, given, 0, matlab)
    except InputError as error:
        nothing = isinstance(error, NothingFitsError)
        if nothing and (alone := _alone(path, facts, voxels, remarks)) is not None:
            return alone
        raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')} See also: cortexclip inspect.") from error
    remarks += [f"Guessed: {words}" for words in guesses]
    return dataset


def _alone(path: Path, facts: Sequence[Facts], voxels: int, remarks: list[str]) -> np.ndarray | None:
    """The responses of a file that has no stimuli, None if it has no array of numbers for them."""
    tables = [fact for fact in facts if fact.table]
    fitting = [fact for fact in tables if voxels in _others_of(fact.table)]
    likely = [fact for fact in fitting or tables if not fact.named("other")] or fitting or tables
    if len(likely) > 1:
        names = " and ".join(f"'{printable(fact.name)}'" for fact in likely)
        raise InputError(
            f"{path}: {names} could each be the responses, and no images go with them. Name one: --entry 'arrays: "
            f"{{brain: {printable(likely[0].name)}}}'."
        )
    if not likely:
        return None
    axes = [axis for axis, rest in zip(AXES, _others_of(likely[0].table), strict=False) if rest == voxels]
    axis = (axes or ["first"])[0]
    remarks.append(f"Guessed: '{printable(likely[0].name)}' holds the responses, samples along the {axis} axis.")
    return _responses(path, likely[0].name, axis)


def _others_of(table: tuple[int, ...]) -> list[int]:
    """How many numbers a sample has if samples lie along the first axis, the last, the second or the third."""
    return [math.prod(table) // table[at] for at in list(AXES.values())[: len(table)]]


def _of_one_part(known: Mapping, layout: named_arrays.Layout, names: set[str]) -> dict | None:
    """The entry of a file that holds only the training or only the test arrays of such a dataset, or None."""
    kinds = {role.removesuffix("_train") for role in layout.names if role.endswith("_train")}
    for part in ("test", "train"):
        arrays = {kind: layout.names[f"{kind}_{part}"] for kind in kinds}
        if arrays and set(arrays.values()) <= names:
            return {**known, "parts": "none", "arrays": arrays}
    return None


def _responses(path: Path, array: str, sample_axis: str) -> np.ndarray:
    where = f"{path}: '{printable(array)}'"
    values = load_arrays(path, [array])[array]
    named_arrays.check_finite(values, where)
    given = {"pixel_order": "row-major", "labels": "none", "sample_axis": sample_axis}
    layout = check(named_arrays.Layout, given, where)
    return named_arrays.responses(values, layout, where).astype(np.float32)
