"""Catalogues: YAML files that map a name to an entry (a dataset, a set of weights), and the checks of their keys."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from cortexclip.errors import InputError

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
    "addresses",
    "sha256",
    "how",
    "arrays",
    "pixel_order",
    "labels",
)


def nearest(word: str, known: Iterable[str]) -> str:
    """The hint "Did you mean 'x'?" with the known word closest to ``word``, or "" if none is close."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


def check_keys(given: Mapping[str, object], known: Iterable[str], where: str) -> None:
    """Raise InputError for the first key of ``given`` that is not in ``known``, naming the nearest known one."""
    known = list(known)
    for key in given:
        if key not in known:
            raise InputError(f"{where}: unknown key '{key}'.{nearest(key, known)} Known keys: {', '.join(known)}.")


def read_catalogue(path: str | os.PathLike) -> dict[str, dict]:
    """Read a catalogue (YAML; a mapping from names to entries).

    Raises
    ------
    InputError
        When the file is missing, not YAML, or not a mapping of mappings.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Give the path of a catalogue (YAML).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {type(content).__name__}, expected a mapping from names to entries.")
    for name, entry in content.items():
        if not isinstance(name, str) or not isinstance(entry, dict):
            raise InputError(f"{path}: entry '{name}' is {type(entry).__name__}, expected a mapping of keys to values.")
    return content


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
    """Attributes of the labelled dataset that an entry states; sha256 and simulated are the reader's to set."""
    texts = {key: " ".join(str(entry.get(key) or "").split()) for key in ("title", "source", "licence", "citation")}
    return {
        "name": name,
        **texts,
        "modality": str(entry.get("modality") or ""),
        "notes": "\n".join(" ".join(note.split()) for note in entry.get("notes") or []),
    }
