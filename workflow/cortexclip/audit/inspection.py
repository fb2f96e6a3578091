"""What a file of any researcher holds, which dataset it would make, and what the audit says of that."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cortexclip.audit.finding import SEVERITIES, Finding
from cortexclip.audit.findings import audit_dataset
from cortexclip.audit.labels import contradictions
from cortexclip.audit.orientation import check_orientation, orientation
from cortexclip.data import arrays as named_arrays
from cortexclip.data.arrays import DEFAULT_ARRAYS, without_ones
from cortexclip.data.containers import MATLAB, check_present, format_of, load, variables
from cortexclip.data.entries import attributes
from cortexclip.data.guess import Facts, guess
from cortexclip.data.images import SMALLEST_SIDE
from cortexclip.data.reading import not_used_of, with_not_used
from cortexclip.data.variables import printable, problem
from cortexclip.errors import InputError
from cortexclip.runtime.files import sha256

READER = named_arrays.__name__
STIMULI = DEFAULT_ARRAYS["stimuli_train"]
USABLE, SERIOUS, UNUSABLE = 0, 1, 2
MOST_BYTES = 1 << 30
"""Arrays of a file that are looked into, in the order of the file; of the others only the headers are."""
ENLARGED = 28
"""Pixels on a side that images too small to be scored are resized to."""
CONTRADICTING = 0.2
"""Share of samples whose label differs from that of most samples of the same image, from which labels are sessions."""


@dataclass(frozen=True)
class Inspection:
    """What was found in a file; ``unusable`` says why it cannot be used, or is ""."""

    path: Path
    format_name: str = ""
    digest: str = ""
    facts: Sequence[Facts] = ()
    entry: Mapping[str, Any] = field(default_factory=dict)
    guessed: Sequence[str] = ()
    dataset: xr.Dataset | None = None
    findings: Sequence[Finding] = ()
    unusable: str = ""

    @property
    def not_used(self) -> list[str]:
        """A sentence for each array and set of samples that the entry leaves out."""
        return [] if self.dataset is None else not_used_of(self.dataset)

    @property
    def serious(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == "serious"]

    @property
    def status(self) -> int:
        return UNUSABLE if self.unusable else SERIOUS if self.serious else USABLE


def inspect(path: Path, given: Mapping[str, object], seed: int = 0, read: Callable | None = None) -> Inspection:
    """Inspect a file.

    ``given`` are keys of its entry that need no guess, ``seed`` is the base seed of the audit's permutations, and
    ``read`` the reader that ``given`` names, where that is another one than the reader of named arrays. Raises
    InputError if not even the names of its arrays can be read.
    """
    if read is not None:
        digest = sha256(path) if path.is_file() else ""
        dataset = read(path, name_of(path), {**given, "sha256": digest})
        return Inspection(path, f"read by {given['reader']}", digest, (), given, (), dataset, _audited(dataset, seed))
    found = Inspection(path, format_of(path)[0], sha256(path), survey(path))
    try:
        matlab = found.format_name in MATLAB
        entry, guessed, dataset = propose(path, found.facts, given, seed, matlab)
    except InputError as error:
        return replace(found, unusable=str(error))
    return replace(found, entry=entry, guessed=guessed, dataset=dataset, findings=_audited(dataset, seed))


def _audited(dataset: xr.Dataset, seed: int) -> list[Finding]:
    images, stimulus = dataset["stimuli"].values, dataset["stimulus"].values
    findings = [*audit_dataset(dataset, seed), check_orientation(orientation(images, stimulus, seed))]
    return sorted(findings, key=lambda finding: list(SEVERITIES).index(finding.severity))


def survey(path: Path) -> list[Facts]:
    """The arrays of a file with their values, as far as they can be used."""
    found, room = [], MOST_BYTES
    for variable in variables(path):
        values, reason = None, problem(variable, text=True)
        if not reason and math.prod(variable.shape) * 8 > room:
            reason = "was not examined: the file is too large."
        if not reason:
            room -= math.prod(variable.shape) * 8
            try:
                values = load(variable, str(path), text=True)
            except Exception as error:  # a damaged array surfaces as almost any exception
                reason = f"cannot be read ({type(error).__name__}: {printable(' '.join(str(error).split())[:150])})."
        found.append(Facts(variable.name, variable.shape, variable.kind, values, reason))
    return found


def propose(
    path: Path, facts: Sequence[Facts], given: Mapping[str, Any], seed: int, matlab: bool
) -> tuple[dict, list[str], xr.Dataset]:
    """An entry for the arrays of a file, what of it was guessed, and the dataset that it makes.

    ``path`` names the file in messages, ``matlab`` says whether rows of pixels are likely column by column. Raises
    InputError if no entry can be proposed, or the dataset is refused.
    """
    first = guess(facts, given)
    entry, guessed = {"reader": READER, **first.entry, **given}, list(first.guessed)
    entry["arrays"] = {**first.entry.get("arrays", {}), **(given.get("arrays") or {})}
    stimuli = entry["arrays"].get("stimuli_train" if entry["parts"] == "sets" else "stimuli", STIMULI)
    in_rows = next((without_ones(f.array).ndim == 2 for f in facts if f.name == stimuli and f.numeric), True)
    if "pixel_order" not in given:
        entry["pixel_order"] = "column-major" if matlab and in_rows else "row-major"
    if "channels" in entry and "channels" not in given and in_rows:
        entry["channels"] = min(
            ("rgb-last", "rgb-first"), key=lambda c: _roughness(_dataset(path, facts, entry | {"channels": c}))
        )
        guessed.append(f"channels: {entry['channels']}, since neighbouring pixels are more alike this way.")
    dataset = _dataset(path, facts, entry)
    if "pixel_order" not in given:
        order, reason = _pixel_order(entry["pixel_order"], dataset, seed)
        guessed.append(reason)
        if order != entry["pixel_order"]:
            entry["pixel_order"] = order
            dataset = _dataset(path, facts, entry)
    side = dataset.sizes["y"]
    if side < SMALLEST_SIDE and "image_size" not in given:
        entry["image_size"] = ENLARGED
        guessed.append(f"image_size: {ENLARGED}, since images of {side} x {side} pixels are too small for SSIM.")
        dataset = _dataset(path, facts, entry)
    if entry["labels"] == "class" and "labels" not in given:
        label = dataset["label"].values
        share = contradictions(label, dataset["stimulus"].values) / len(label)
        sessions = share > CONTRADICTING and "session" not in "".join(entry["arrays"])
        guessed.append(
            f"labels: {'session' if sessions else 'class'}, since {100 * share:.0f} % of samples have a different "
            "label from most samples of the same image."
        )
        if sessions:
            entry["labels"] = "session"
            dataset = _dataset(path, facts, entry)
    return entry, guessed, dataset


def _pixel_order(order: str, dataset: xr.Dataset, seed: int) -> tuple[str, str]:
    """The pixel order in which images stand upright that were read in another or the same, and how it was found."""
    found = orientation(dataset["stimuli"].values, dataset["stimulus"].values, seed)
    if found.verdict == "unknown":
        habit = "only the usual order in such files: look at the pictures, and change it if they lie on their side."
        return order, f"pixel_order: {order}, {habit}"
    if found.verdict == "mirrored":
        order = {"row-major": "column-major", "column-major": "row-major"}[order]
    better, worse = max(found.upright, found.mirrored), min(found.upright, found.mirrored)
    return order, (
        f"pixel_order: {order}, since images look more like upright digits and letters this way (mean best correlation "
        f"{better:.2f}, {worse:.2f} the other way)."
    )


def _dataset(path: Path, facts: Sequence[Facts], entry: Mapping[str, object]) -> xr.Dataset:
    """The dataset that an entry makes of the arrays."""
    layout = named_arrays.layout_of(entry, f"dataset '{name_of(path)}'")
    by_name = {fact.name: fact for fact in facts}
    wanted = {}
    for role, array in layout.names.items():
        check_present(path, array, [fact.name for fact in facts])
        fact = by_name[array]
        if fact.values is None or not (fact.numeric or role == "part"):
            reason = fact.problem or f"is a {fact.kind} array, expected numbers."
            raise InputError(f"{path}: '{printable(array)}' {reason}")
        wanted[role] = fact.values
    dataset = named_arrays.to_dataset(wanted, attributes(name_of(path), entry), layout, str(path))
    return with_not_used(dataset, named_arrays.left_out(facts, dataset, layout))


def _roughness(dataset: xr.Dataset) -> float:
    """Mean absolute difference of neighbouring pixels."""
    images = dataset["stimuli"].values
    return float(np.abs(np.diff(images, axis=1)).mean() + np.abs(np.diff(images, axis=2)).mean())


def name_of(path: Path) -> str:
    """A name for the dataset of a file, as datasets.yaml allows it."""
    name = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_").removesuffix("_nearest").removesuffix("_draw")
    return name if re.match(r"[a-z]", name) else f"my_{name or 'data'}"
