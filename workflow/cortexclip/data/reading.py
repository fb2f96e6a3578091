"""What a reader of damaged or noisy recordings used, dropped and repaired, as counts that go with the dataset.

The attribute ``reading`` of a labelled dataset holds them as JSON: ``rows`` (or lines, or trials, that were read) and
``events`` with a row among them, each with a mapping ``..._dropped`` from a reason to a count; ``rows_repaired``
likewise; ``events_not_needed``, usable ones that were left out because the entry asks for fewer; and ``not_used``,
pairs of a kind, "samples" or "array", and a sentence about samples or an array of the file that the entry leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr


def with_reading(dataset: xr.Dataset, reading: Mapping[str, object], features: Sequence[str]) -> xr.Dataset:
    """The dataset with these counts and the names of its voxels' features as attributes."""
    return dataset.assign_attrs(reading=json.dumps(reading, sort_keys=True), features="\n".join(features))


def with_not_used(dataset: xr.Dataset, not_used: Sequence[tuple[str, str]]) -> xr.Dataset:
    """The dataset with these kinds and sentences of what of its file is not used, besides those that it has."""
    if not not_used:
        return dataset
    reading = json.loads(dataset.attrs.get("reading", "{}"))
    reading["not_used"] = [*reading.get("not_used", []), *not_used]
    return dataset.assign_attrs(reading=json.dumps(reading, sort_keys=True))


def not_used_of(dataset: xr.Dataset) -> list[str]:
    """The sentences that :func:`with_not_used` gave to a dataset."""
    return _sentences(json.loads(dataset.attrs.get("reading", "{}")))


def in_words(reading: Mapping[str, Any]) -> str:
    """What was read, dropped, repaired and left out, in a sentence for each."""
    sentences = [
        f"{reading[kind]} {kind} were read; dropped: {_listed(reading.get(f'{kind}_dropped', {}))}."
        for kind in ("rows", "events")
        if kind in reading
    ]
    if reading.get("rows_repaired"):
        sentences.append(f"Repaired: {_listed(reading['rows_repaired'])}.")
    if reading.get("events_not_needed"):
        sentences.append(f"{reading['events_not_needed']} usable events were left out, since fewer are asked for.")
    return " ".join([*sentences, *_sentences(reading)])


def _sentences(reading: Mapping[str, Any]) -> list[str]:
    return [sentence for _, sentence in reading.get("not_used", [])]


def _listed(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{count} {reason}" for reason, count in counts.items()) or "none"
