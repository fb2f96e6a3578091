"""Stand-ins for published datasets whose "brain data" are not public: their stimuli, and rows that hold no brain data.

What a method scores on them is what it scores without any information on the image. Rows are either all the same, so
that there is nothing to learn, or white noise, so that there is nothing to learn but much to memorise. A published
score that is no better than these needs no brain data to explain it.

Stimuli and numbers of trials are those of the published dataset. Which image belongs to which trial is not published,
so it is drawn: within each part every image is shown equally often as far as the count allows, the rest going to images
drawn without replacement, in random order. Datasets that agree in characters, counts and seed differ in their rows
alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from pydantic import Field, field_validator

from cortexclip.data.characters import SUFFIXES, character_images
from cortexclip.data.dataset import MINIMUM_SAMPLES, labelled
from cortexclip.data.entries import Sha256, attributes
from cortexclip.errors import InputError, check_keys
from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.settings import Checked, check

Trials = Annotated[int, Field(ge=MINIMUM_SAMPLES, le=100_000)]


class Settings(Checked):
    """What ``settings`` may set for the reader."""

    characters: str = "0123456789"
    """one picture of each, named like 7.png or 7.jpg, in the order of the labels"""
    rows: Literal["constant", "noise"] = "constant"
    """constant: one row of standard normal numbers for all trials; noise: another for each"""
    train: Trials = 1080
    """trials of the training part"""
    test: Trials = 120
    """trials of the test part"""
    columns: int = Field(default=3092, ge=1, le=100_000)
    """length of a row"""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """of the rows, and of which image belongs to which trial"""
    pictures_sha256: Sha256 | None = None
    """of the files of the pictures, one after another; others are refused"""

    @field_validator("characters")
    @classmethod
    def _different(cls, characters: str) -> str:
        if len(set(characters)) != len(characters) or not characters.isalnum():
            raise ValueError(f"found {characters!r}, expected different digits or letters in quotation marks.")
        return characters


def read(path: str | os.PathLike, name: str, entry: Mapping[str, Any]) -> xr.Dataset:
    """Make the dataset ``name`` from the folder ``path`` with the pictures, one file for each character.

    Training samples come first. ``label`` is the position of the character; ``sha256`` is that of the pictures, see
    ``pictures_sha256``. Raises InputError for settings out of range, and where the folder or a picture is missing, is
    another one or cannot be used.
    """
    where = f"dataset '{name}'"
    settings = check(Settings, entry.get("settings") or {}, where, "setting")
    check_keys(entry.get("companions") or {}, (), f"{where}, 'companions'")
    if not Path(path).is_dir():
        raise InputError(f"{path}: is no folder, expected one with the pictures of {where}. {_how(entry)}".strip())
    images = character_images(settings.characters, path)
    found = pictures_sha256(path, settings.characters)
    if settings.pictures_sha256 not in (None, found):
        raise InputError(
            f"{path}: its pictures have the sha256 {found}, expected {settings.pictures_sha256} ({where}). They are "
            f"others than the published ones, or damaged. {_how(entry)}".strip()
        )
    shown = trials(settings)
    return labelled(
        rows(settings),
        images[shown],
        np.repeat(["train", "test"], [settings.train, settings.test]),
        attributes(name, entry) | {"sha256": found},
        label=shown,
    )


def pictures_sha256(folder: str | os.PathLike, characters: str) -> str:
    """SHA-256 of the files of the pictures in a folder, one after another in the order of ``characters``."""
    found = hashlib.sha256()
    for character in characters:
        path = next(path for suffix in SUFFIXES if (path := Path(folder) / f"{character}{suffix}").is_file())
        found.update(path.read_bytes())
    return found.hexdigest()


def trials(settings: Settings) -> np.ndarray:
    """Position of the character of each trial, training trials first; balanced and shuffled within each part."""
    n_classes = len(settings.characters)
    parts = []
    for part in ("train", "test"):
        random = np.random.default_rng(derive_seed(settings.seed, "no brain data", settings.characters, "trials", part))
        times, rest = divmod(getattr(settings, part), n_classes)
        more = random.choice(n_classes, size=rest, replace=False)
        parts.append(random.permutation(np.concatenate([np.repeat(np.arange(n_classes), times), more])))
    return np.concatenate(parts)


def rows(settings: Settings) -> np.ndarray:
    """Rows of all trials, standard normal numbers, shape (train + test, columns); see :class:`Settings`."""
    random = np.random.default_rng(derive_seed(settings.seed, "no brain data", settings.characters, settings.rows))
    n_samples = settings.train + settings.test
    if settings.rows == "noise":
        return random.standard_normal((n_samples, settings.columns), dtype=np.float32)
    return np.tile(random.standard_normal(settings.columns, dtype=np.float32), (n_samples, 1))


def _how(entry: Mapping[str, Any]) -> str:
    return " ".join(str(entry.get("how") or "").split())
