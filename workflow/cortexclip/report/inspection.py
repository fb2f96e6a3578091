"""An inspected file as text: a report for the terminal, and the entry to paste into datasets.yaml."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap

import numpy as np
import xarray as xr
import yaml

from cortexclip.audit.inspection import READER, SERIOUS, UNUSABLE, USABLE, Inspection, name_of
from cortexclip.data import arrays as named_arrays
from cortexclip.data import dataset as datasets
from cortexclip.data.guess import Facts
from cortexclip.data.variables import printable, shape_text
from cortexclip.report.summary import aligned

VERDICTS = {USABLE: "usable", SERIOUS: "usable, with serious findings", UNUSABLE: "not usable"}
PICTURES = 8
TEXTS = {
    "modality": "FILL IN: what was measured",
    "source": "FILL IN: where the data come from, down to the version",
    "licence": "FILL IN: terms of use",
    "citation": "FILL IN: whom to cite",
}
CHOICES = ("parts", "first_index", "pixel_order", "channels", "sample_axis", "labels")
KEYS = ("parts", "arrays", "first_index", "pixel_order", "channels", "image_size", "sample_axis", "labels")


def entry_of(found: Inspection) -> dict:
    """The whole entry for datasets.yaml, with gaps to fill in."""
    name = name_of(found.path)
    file = f"{name}/{re.sub(r'[^A-Za-z0-9_.-]', '_', found.path.name)}"
    return {
        "title": printable(found.path.stem),
        "reader": READER,
        **TEXTS,
        "notes": [],
        "file": file,
        "sha256": found.digest,
        "how": f"Put {printable(found.path.name)} at resources/data/{file}.",
        **{key: found.entry[key] for key in KEYS if found.entry.get(key) not in (None, {}, "")},
        **{key: value for key, value in found.entry.items() if key not in KEYS},
    }


def entry_text(found: Inspection) -> str:
    """The entry as YAML to paste into config/datasets.yaml, guesses and serious findings as comments."""
    head = [f"{printable(found.path.name)}: {VERDICTS[found.status]}", found.unusable, *found.guessed, *found.not_used]
    head += [f"{finding.severity}: {finding.message}" for finding in found.serious]
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
        parts.append("\n".join(["Arrays", *(f"  {line}" for line in aligned(map(_array_row, found.facts)))]))
    if found.dataset is not None:
        parts.append("Would be read as\n" + "\n".join(f"  {line}" for line in _ingested(found, found.dataset)))
    if found.guessed:
        parts.append("Guessed, so check it\n" + "\n".join(f"  {line}" for line in found.guessed))
    if found.not_used:
        parts.append("Left out, so check it\n" + "\n".join(f"  {line}" for line in found.not_used))
    if found.dataset is not None and pictures:
        parts.append("Stimuli\n" + _pictures(found.dataset))
    if found.findings:
        rows = [(finding.severity, finding.check, f"{finding.message} {finding.meaning}") for finding in found.findings]
        parts.append("Audit\n" + "\n".join(_folded(*row) for row in rows))
    verdict = f"{found.path.name}: {VERDICTS[found.status]}"
    serious = ", ".join(finding.check for finding in found.serious)
    verdict += f" ({serious})" if serious else f": {found.unusable}" if found.unusable else ""
    return "\n\n".join([*parts, printable(verdict)])


def _ingested(found: Inspection, dataset: xr.Dataset) -> list[str]:
    """The dataset in a line, the array of each role, the choices of the entry, and what is done to images."""
    names = {}
    if found.entry.get("reader", READER) == READER:
        names = named_arrays.layout_of(found.entry, "entry").names
    chosen = {key: value for key, value in entry_of(found).items() if key in CHOICES}
    done = dataset.attrs["images"]
    return [
        f"{dataset.attrs['name']}: {datasets.summary(dataset)}",
        *(f"{role}: {printable(name)}" for role, name in names.items()),
        *(f"{key}: {value}" for key, value in chosen.items()),
        *([f"Images: {done}."] if done else []),
    ]


def _array_row(fact: Facts) -> tuple[str, str, str, str]:
    return printable(fact.name), shape_text(fact.shape), printable(fact.kind), _remark(fact)


def _remark(fact: Facts) -> str:
    """What is remarkable about the values of an array."""
    values = fact.values
    if values is None:
        return f"not usable: {fact.problem}" if fact.problem else ""
    if values.dtype.kind == "U":
        words = np.unique(values).tolist()
        return ", ".join(map(printable, words[:4])) + (", ..." if len(words) > 4 else "")
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return "no finite value"
    extent = f"{finite.min():.4g} to {finite.max():.4g}"
    if finite.size < values.size:
        return f"{extent}; {values.size - finite.size} NaN or infinite"
    if values.ndim > 1 and len(values) > 1:
        constant = (values == values[0]).reshape(len(values), -1).all(axis=0)
        if constant.all():
            return f"{extent}; all rows equal"
        if constant.any():
            return f"{extent}; {np.count_nonzero(constant)} constant columns"
    return extent


def _folded(severity: str, check: str, text: str) -> str:
    """A finding in as many lines as the terminal needs."""
    return textwrap.fill(
        f"{check.replace('_', ' ')}: {text}",
        max(52, shutil.get_terminal_size((120, 24)).columns),
        initial_indent=f"  {severity:10}",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _pictures(dataset: xr.Dataset) -> str:
    from cortexclip.figures.sheet import SHADES, as_text, first_of_each

    chosen = first_of_each(dataset, PICTURES)
    columns = shutil.get_terminal_size((120, 24)).columns
    try:
        SHADES.encode(sys.stdout.encoding or "ascii")
        plain = False
    except UnicodeEncodeError:
        plain = True
    labels = dataset["label"].values[chosen]
    words = f"  labels {', '.join(map(str, labels))}\n" if (labels >= 0).any() else ""
    return words + as_text(dataset["stimuli"].values[chosen], columns, plain)
