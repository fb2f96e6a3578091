"""Stage: files of any researcher -> what is in them, what they would be ingested as, and whether they can be used.

Exit status: 0 usable, 1 usable with serious findings, 2 not usable; of several files the gravest.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

from cortexclip.audit.finding import SEVERITIES, Finding
from cortexclip.audit.labels import contradictions
from cortexclip.audit.orientation import check_orientation, orientation
from cortexclip.data import arrays as named_arrays
from cortexclip.data import dataset as datasets
from cortexclip.data.containers import format_of, variables
from cortexclip.data.entries import attributes, parse_dataset_entry
from cortexclip.data.guess import Facts, guess
from cortexclip.data.variables import load, printable, problem, shape_text
from cortexclip.errors import InputError
from cortexclip.files import sha256
from cortexclip.loading import load_reader
from cortexclip.stages.audit import audit_dataset
from cortexclip.stages.ingest import SMALLEST_SIDE

READER = named_arrays.__name__
USABLE, SERIOUS, UNUSABLE = 0, 1, 2
VERDICTS = {
    USABLE: "usable",
    SERIOUS: "usable, with serious findings",
    UNUSABLE: "not usable",
}
MOST_BYTES = 1 << 30
"""Arrays of a file that are looked into, in the order of the file; of the others only the headers are."""
ENLARGED = 28
"""Pixels on a side that images too small to be scored are resized to."""
PICTURES, SHEET_PICTURES = 8, 120
CONTRADICTING = 0.2
"""Share of samples whose label differs from that of most samples of the same image, from which labels are sessions."""
TEXTS = {
    "modality": "FILL IN: what was measured",
    "source": "FILL IN: where the data come from, down to the version",
    "licence": "FILL IN: terms of use",
    "citation": "FILL IN: whom to cite",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a MATLAB, HDF5, NetCDF or .npz file")
    parser.add_argument("--yaml", action="store_true", help="print the entry for datasets.yaml, and nothing else")
    parser.add_argument("--sheet", metavar="FILE.png", help="draw the stimuli on a contact sheet (one file only)")
    parser.add_argument(
        "--entry", default="{}", metavar="JSON", help="keys of the entry that are known, which take precedence"
    )
    parser.add_argument("--no-pictures", action="store_true", help="print no pictures in characters")
    parser.add_argument("--seed", type=int, default=0, help="base seed of the permutations (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Inspect each file; what is wrong with one does not keep the others from being inspected."""
    if arguments.sheet and len(arguments.files) > 1:
        raise InputError("--sheet: is for one file; inspect the others by themselves.")
    given = parse_dataset_entry(arguments.entry, "--entry")
    worst = USABLE
    for number, file in enumerate(arguments.files):
        try:
            found = inspect(Path(file), given, arguments.seed)
        except InputError as error:
            found = Inspection(Path(file), unusable=str(error))
        if arguments.yaml:
            print(entry_text(found), end="")
        else:
            print("\n" * (number > 0) + report(found, not arguments.no_pictures))
        if arguments.sheet and found.dataset is not None:
            _draw(found, arguments.sheet)
        worst = max(worst, found.status)
    return worst


@dataclass(frozen=True)
class Inspection:
    """What was found in a file; ``unusable`` says why it cannot be used, or is ""."""

    path: Path
    format_name: str = ""
    digest: str = ""
    facts: Sequence[Facts] = ()
    entry: Mapping[str, object] | None = None
    guessed: Sequence[str] = ()
    dataset: xr.Dataset | None = None
    findings: Sequence[Finding] = ()
    unusable: str = ""

    @property
    def status(self) -> int:
        if self.unusable:
            return UNUSABLE
        return SERIOUS if any(finding.severity == "serious" for finding in self.findings) else USABLE


def inspect(path: Path, given: Mapping[str, object], seed: int = 0) -> Inspection:
    """Inspect a file; ``given`` holds keys of its entry that need no guess.

    Raises
    ------
    InputError
        If not even the names of its arrays can be read.
    """
    name = name_of(path)
    if given.get("reader", READER) != READER:
        read = load_reader(name, given["reader"])
        digest = sha256(path) if path.is_file() else ""
        dataset = read(path, name, given | {"sha256": digest})
        findings = _audited(dataset, seed)
        return Inspection(path, f"read by {given['reader']}", digest, (), given, (), dataset, findings)
    format_name, _ = format_of(path)
    found = {"path": path, "format_name": format_name, "digest": sha256(path), "facts": survey(path)}
    try:
        entry, guessed, dataset = propose(path, found["facts"], given, seed)
    except InputError as error:
        return Inspection(**found, unusable=str(error))
    return Inspection(**found, entry=entry, guessed=guessed, dataset=dataset, findings=_audited(dataset, seed))


def survey(path: Path) -> list[Facts]:
    """The arrays of a file with their values, as far as they can be used."""
    found, room = [], MOST_BYTES
    for variable in variables(path):
        reason = problem(variable, text=True)
        size = 0 if reason else math.prod(variable.shape) * 8
        if not reason and size > room:
            reason = "was not looked into: the file is too large."
        values = None
        if not reason:
            room -= size
            try:
                values = load(variable, str(path), text=True)
            except Exception as error:  # a damaged array surfaces as almost any exception
                reason = f"cannot be read ({type(error).__name__}: {printable(' '.join(str(error).split())[:150])})."
        found.append(Facts(variable.name, variable.shape, variable.kind, values, reason))
    return found


def propose(
    path: Path, facts: Sequence[Facts], given: Mapping[str, object], seed: int
) -> tuple[dict, list[str], xr.Dataset]:
    """An entry for a file, what of it was guessed, and the dataset that it makes.

    Raises InputError if no entry can be proposed, or the dataset is refused.
    """
    said: list[str] = []
    entry: dict = {"reader": READER}
    if not {"arrays", "parts"} <= set(given):
        made = guess(facts)
        entry |= made.entry
        said += made.said
    entry |= given
    stimuli = entry.get("arrays", {}).get("stimuli_train" if entry.get("parts", "sets") == "sets" else "stimuli")
    in_rows = next((fact.values.ndim == 2 for fact in facts if fact.name == stimuli and fact.values is not None), True)
    if "pixel_order" not in given:
        matlab = format_of(path)[0].startswith("MATLAB")
        entry["pixel_order"] = "column-major" if matlab and in_rows else "row-major"
    entry.setdefault("labels", "none")
    if "channels" in entry and "channels" not in given and in_rows:
        entry["channels"] = min(
            ("rgb-last", "rgb-first"), key=lambda c: _roughness(_made(path, facts, entry | {"channels": c}))
        )
        said.append(f"channels: {entry['channels']}, since neighbouring pixels are more alike this way.")
    dataset = _made(path, facts, entry)
    if "pixel_order" not in given:
        dataset, words = _ordered(path, facts, entry, dataset, seed)
        said.append(words)
    side = dataset.sizes["y"]
    if side < SMALLEST_SIDE and "image_size" not in given:
        entry["image_size"] = ENLARGED
        said.append(f"image_size: {ENLARGED}, since images of {side} x {side} pixels are too small for SSIM.")
        dataset = _made(path, facts, entry)
    label = dataset["label"].values
    if entry["labels"] == "class" and "labels" not in given:
        share = contradictions(label, dataset["stimulus"].values) / len(label)
        sessions = share > CONTRADICTING and "session" not in "".join(entry.get("arrays", {}))
        said.append(
            f"labels: {'session' if sessions else 'class'}, since {share:.0%} of samples have another label than most "
            "samples of the same image.".replace("%", " %")
        )
        if sessions:
            entry["labels"] = "session"
            dataset = _made(path, facts, entry)
    return entry, said, dataset


def _ordered(path: Path, facts: Sequence[Facts], entry: dict, dataset: xr.Dataset, seed: int) -> tuple[xr.Dataset, str]:
    """The dataset in the pixel order in which its images stand upright, and how that was found; changes ``entry``."""
    found = orientation(dataset["stimuli"].values, dataset["stimulus"].values, seed)
    if found.verdict == "mirrored":
        entry["pixel_order"] = next(o for o in named_arrays.PIXEL_ORDERS if o != entry["pixel_order"])
        dataset = _made(path, facts, entry)
    order = f"pixel_order: {entry['pixel_order']}"
    if found.verdict == "unknown":
        return (
            dataset,
            f"{order}, a mere habit of such files: look at the pictures, and change it if they lie on a side.",
        )
    better, worse = max(found.upright, found.mirrored), min(found.upright, found.mirrored)
    return dataset, (
        f"{order}, since images look more like upright digits and letters this way (mean best correlation "
        f"{better:.2f}, {worse:.2f} the other way)."
    )


def _made(path: Path, facts: Sequence[Facts], entry: Mapping[str, object]) -> xr.Dataset:
    """The dataset that an entry makes of the arrays."""
    name = name_of(path)
    layout = named_arrays.layout_of(entry, f"dataset '{name}'")
    values = {fact.name: fact.values for fact in facts}
    text = {layout.names.get("part")}
    wanted = {role: values.get(array) for role, array in layout.names.items()}
    if any(array is None or (array.dtype.kind == "U" and layout.names[r] not in text) for r, array in wanted.items()):
        return named_arrays.read(path, name, entry)  # says which array is not there, or not of numbers
    return named_arrays.to_dataset(wanted, attributes(name, entry), layout, str(path))


def _roughness(dataset: xr.Dataset) -> float:
    """Mean absolute difference of neighbouring pixels."""
    images = dataset["stimuli"].values
    return float(np.abs(np.diff(images, axis=1)).mean() + np.abs(np.diff(images, axis=2)).mean())


def _audited(dataset: xr.Dataset, seed: int) -> list[Finding]:
    found = audit_dataset(dataset, seed)
    images, stimulus = dataset["stimuli"].values, dataset["stimulus"].values
    found.append(check_orientation(orientation(images, stimulus, seed)))
    return sorted(found, key=lambda finding: list(SEVERITIES).index(finding.severity))


def name_of(path: Path) -> str:
    """A name for the dataset of a file, as datasets.yaml allows it."""
    name = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_").removesuffix("_nearest")
    return name if re.match(r"[a-z]", name) else f"my_{name or 'data'}"


def entry_of(found: Inspection) -> dict:
    """The whole entry for datasets.yaml, with places to fill in."""
    name = name_of(found.path)
    keys = ("parts", "arrays", "first_index", "pixel_order", "channels", "image_size", "sample_axis", "labels")
    file = f"{name}/{re.sub(r'[^A-Za-z0-9_.-]', '_', found.path.name)}"
    return {
        **{"title": printable(found.path.stem), "reader": READER},
        **{key: TEXTS[key] for key in ("modality", "source", "licence", "citation")},
        "notes": [],
        "file": file,
        "sha256": found.digest,
        "how": f"Put {printable(found.path.name)} at resources/data/{file}.",
        **{key: found.entry[key] for key in keys if found.entry.get(key)},
        **{key: value for key, value in found.entry.items() if key not in keys},
    }


def entry_text(found: Inspection) -> str:
    """The entry as YAML to paste into config/datasets.yaml, guesses and findings as comments."""
    head = [f"{printable(found.path.name)}: {VERDICTS[found.status]}", found.unusable]
    head += found.guessed
    head += [f"{finding.severity}: {finding.message}" for finding in found.findings if finding.severity == "serious"]
    comments = "".join(f"# {line}\n" for line in head if line)
    if found.unusable:
        return comments
    text = yaml.safe_dump({name_of(found.path): entry_of(found)}, sort_keys=False, allow_unicode=True, width=110)
    return comments + text


def report(found: Inspection, pictures: bool = True) -> str:
    """Everything about a file as text for the terminal."""
    parts = [printable(str(found.path))]
    if found.format_name:
        parts[0] += f"\n  {found.format_name}, {found.path.stat().st_size / 1e6:.3g} MB"
        parts[0] += f"\n  sha256 {found.digest}" if found.digest else ""
    if found.facts:
        parts.append("Arrays\n" + _aligned(_array_row(fact) for fact in found.facts))
    if found.entry is not None:
        chosen = {key: value for key, value in entry_of(found).items() if key in (*named_arrays.CHOICES, "first_index")}
        lines = [f"  {datasets.summary(found.dataset)}"]
        lines += [f"  {role}: {printable(name)}" for role, name in _names(found.entry).items()]
        lines += [f"  {key}: {value}" for key, value in chosen.items()]
        lines += [f"  Images: {found.dataset.attrs['images']}."] if found.dataset.attrs["images"] else []
        parts.append("Would be ingested as\n" + "\n".join(lines))
    if found.guessed:
        parts.append("Guessed, so check it\n" + "\n".join(f"  {words}" for words in found.guessed))
    if found.dataset is not None and pictures:
        parts.append("Stimuli\n" + _pictures(found.dataset))
    if found.findings:
        rows = [(finding.severity, finding.check, f"{finding.message} {finding.meaning}") for finding in found.findings]
        parts.append("Audit\n" + "\n".join(_folded(*row) for row in rows))
    verdict = f"{found.path.name}: {VERDICTS[found.status]}"
    serious = [finding.check for finding in found.findings if finding.severity == "serious"]
    verdict += f" ({', '.join(serious)})" if serious else f": {found.unusable}" if found.unusable else ""
    parts.append(printable(verdict))
    return "\n\n".join(parts)


def _names(entry: Mapping) -> dict[str, str]:
    return named_arrays.layout_of(entry, "entry").names if entry.get("reader", READER) == READER else {}


def _array_row(fact: Facts) -> tuple[str, ...]:
    name, shape, kind = printable(fact.name), shape_text(fact.shape), printable(fact.kind)
    values = fact.values
    if values is None:
        return name, shape, kind, "not usable: " + fact.problem if fact.problem else ""
    if values.dtype.kind == "U":
        words = sorted(set(values.reshape(-1).tolist()))
        return name, shape, kind, ", ".join(printable(word) for word in words[:4]) + (", ..." if len(words) > 4 else "")
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size == 0:
        return name, shape, kind, "no finite value"
    remarks = [f"{finite.min():.4g} to {finite.max():.4g}"]
    if finite.size < values.size:
        remarks.append(f"{values.size - finite.size} NaN or infinite")
    elif values.ndim > 1 and len(values) > 1:
        rows = values.reshape(len(values), -1)
        if (rows == rows[0]).all():
            remarks.append("all rows equal")
        elif constant := int(np.count_nonzero((rows == rows[0]).all(axis=0))):
            remarks.append(f"{constant} constant columns")
    return name, shape, kind, "; ".join(remarks)


def _aligned(rows: Iterator[tuple[str, ...]]) -> str:
    rows = list(rows)
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ("  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]) for row in rows)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _folded(severity: str, check: str, text: str) -> str:
    """A finding in as many lines as the terminal needs."""
    indent = " " * 12
    width = max(40, shutil.get_terminal_size((120, 24)).columns - len(indent))
    lines, words = [""], f"{check.replace('_', ' ')}: {text}".split()
    for word in words:
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return f"  {severity:10}" + f"\n{indent}".join(lines)


def _first_of_each(dataset: xr.Dataset, most: int) -> np.ndarray:
    """Places of the first sample of distinct stimuli, at most so many, spread over the dataset."""
    first = np.sort(np.unique(dataset["stimulus"].values, return_index=True)[1])
    return first[np.unique(np.linspace(0, len(first) - 1, min(most, len(first))).astype(int))]


def _pictures(dataset: xr.Dataset) -> str:
    from cortexclip.figures.sheet import SHADES, as_text

    chosen = _first_of_each(dataset, PICTURES)
    columns = shutil.get_terminal_size((120, 24)).columns
    try:
        SHADES.encode(sys.stdout.encoding or "ascii")
        plain = False
    except UnicodeEncodeError:
        plain = True
    labels = dataset["label"].values[chosen]
    words = f"  labels {', '.join(map(str, labels))}\n" if (labels >= 0).any() else ""
    return words + as_text(dataset["stimuli"].values[chosen], columns, plain)


def _draw(found: Inspection, path: str | os.PathLike) -> None:
    from cortexclip.figures.sheet import draw_sheet, save_sheet

    dataset = found.dataset
    chosen = _first_of_each(dataset, SHEET_PICTURES)
    labels, part = dataset["label"].values[chosen], dataset["part"].values[chosen]
    captions = [
        " ".join(filter(None, [p if p != datasets.NO_PARTS else "", str(label) if label >= 0 else ""]))
        for label, p in zip(labels.tolist(), part.tolist(), strict=True)
    ]
    total = len(np.unique(dataset["stimulus"].values))
    shown = f"All {total} distinct stimuli" if total == len(chosen) else f"{len(chosen)} of {total} distinct stimuli"
    notes = [f"{shown} with the part and the label of the first sample of each.", *found.guessed]
    save_sheet(draw_sheet(dataset["stimuli"].values[chosen], captions, f"Stimuli of {found.path.name}", notes), path)
