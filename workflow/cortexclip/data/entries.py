"""An entry of datasets.yaml as it reaches a stage: parsed from JSON, its keys checked, turned into attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cortexclip.errors import InputError, check_keys

# The keys of an entry of datasets.yaml; config/datasets.yaml explains each.
DATASET_KEYS = (
    "title",
    "reader",
    "modality",
    "source",
    "licence",
    "citation",
    "notes",
    "settings",
    "file",
    "companions",
    "addresses",
    "sha256",
    "how",
    "arrays",
    "parts",
    "first_index",
    "pixel_order",
    "channels",
    "image_size",
    "sample_axis",
    "labels",
    "stands_for",
    "protocols",
    "brain_data",
)


def parse_dataset_entry(text: str, name: str) -> dict:
    """Parse one entry of datasets.yaml that was handed over as JSON text; unknown keys raise InputError."""
    try:
        entry = json.loads(text)
    except ValueError as error:
        raise InputError(f"--entry of dataset '{name}': not valid JSON ({error}).") from error
    if not isinstance(entry, dict):
        raise InputError(f"--entry of dataset '{name}': is {type(entry).__name__}, expected a JSON object.")
    check_keys(entry, DATASET_KEYS, f"dataset '{name}'")
    notes = entry.get("notes") or []
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise InputError(f"dataset '{name}': 'notes' is {notes!r}, expected a list of sentences.")
    return entry


def attributes(name: str, entry: Mapping[str, object]) -> dict[str, object]:
    """Attributes of the labelled dataset that an entry states; images and simulated are the reader's to set."""
    texts = {key: " ".join(str(entry.get(key) or "").split()) for key in ("title", "source", "licence", "citation")}
    return {
        "name": name,
        **texts,
        "modality": str(entry.get("modality") or ""),
        "sha256": str(entry.get("sha256") or ""),
        "notes": "\n".join(" ".join(note.split()) for note in entry.get("notes") or []),
    }
