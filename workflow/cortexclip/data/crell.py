"""Reader of EEG while letters were written (Crell and Mueller-Putz 2024, doi 10.1016/j.compbiomed.2024.109132).

The recordings are BNCI Horizon's data set 2024-001; moabb knows where they are, how they are stored and what their
markers mean, and hands over one recording for each run. It is an optional dependency, imported only here and only when
a file is read. One dataset is one subject. The pictures of the letters are not part of the recordings; they are drawn
here, or read from the folder that the companion ``images`` names.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import Field

from cortexclip.data import epochs
from cortexclip.data.characters import character_images
from cortexclip.data.dataset import labelled
from cortexclip.data.entries import attributes
from cortexclip.data.reading import in_words, with_reading
from cortexclip.errors import InputError, check_keys
from cortexclip.runtime.settings import check

LETTERS = "adefjnostv"
INSTALL = "Install it into the environment that runs cortexclip, without constraints: pip install moabb==1.7.2"


class Settings(epochs.EpochSettings):
    """What ``settings`` may set for the reader."""

    subject: int = Field(default=1, ge=1, le=20)
    """1 to 20"""
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    """the last trials of each letter that test"""


def read(path: str | os.PathLike, name: str, entry: Mapping[str, Any]) -> xr.Dataset:
    """Read one subject as the dataset ``name``.

    ``path`` is the folder into which moabb downloaded: it holds S01.mat to S20.mat, however deep. ``entry`` is its
    entry in datasets.yaml, whose companion ``images`` is a folder with the pictures a.png to v.png or .jpg. Samples are
    in the order of recording; ``brain`` holds the features of :func:`cortexclip.data.epochs.features`, channel by
    channel, not scaled. ``label`` is the position of the letter among ``LETTERS``, ``session`` the number of the run,
    from 1.

    Raises InputError if moabb is not installed, the subject's file cannot be used, or no trial is left.
    """
    where = f"dataset '{name}'"
    settings = check(Settings, entry.get("settings") or {}, where, "setting")
    companions = entry.get("companions") or {}
    check_keys(companions, ("images",), f"{where}, 'companions'")
    file = f"S{settings.subject:02d}.mat"
    if not any(Path(path).rglob(file)):  # moabb would download it, and only the fetch stage may use a network
        raise InputError(
            f"{path}: holds no {file}, expected moabb's download of subject {settings.subject}. Run: python -c \"from "
            f"moabb.datasets import BNCI2024_001; BNCI2024_001().data_path({settings.subject}, path='{path}')\""
        )
    source = _moabb_dataset(where)
    with _moabb_settings(Path(path).resolve()):
        try:
            runs = source.get_data([settings.subject])[settings.subject]
        except Exception as error:  # a damaged file surfaces in moabb as almost any exception
            reason = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"{path}: moabb cannot read subject {settings.subject} ({type(error).__name__}: {reason}). Delete "
                f"{file} and download it again."
            ) from error
    found = trials(runs, source.event_id, settings, where)
    if not len(found.letter):
        raise InputError(f"{path}: no trial can be used. {in_words(found.reading)}")
    made = labelled(
        found.features,
        character_images(LETTERS, companions.get("images"))[found.letter],
        epochs.last_of_each_class(found.letter, settings.test_fraction),
        attributes(name, entry),
        label=found.letter,
        session=found.run,
    )
    return with_reading(made, found.reading, found.feature_names)


@dataclass(frozen=True)
class Trials:
    """Usable trials in the order of recording: arrays of one entry, or one row, for each."""

    letter: np.ndarray  # position among LETTERS
    run: np.ndarray  # number of the run, from 1
    features: np.ndarray  # (n_trials, n_channels * n_features), float32
    feature_names: list[str]
    reading: dict[str, object]  # see cortexclip.data.reading


def trials(
    sessions: Mapping[str, Mapping[str, Any]],
    event_id: Mapping[str, int],
    settings: epochs.EpochSettings,
    where: str,
) -> Trials:
    """Cut the trials out of recordings as moabb hands them over, and turn them into features.

    ``sessions`` has for each session and run an mne Raw with EEG channels, and letters in a stimulus channel or in
    annotations; ``event_id`` the code of each event, whose name ends in the letter ("letter_a"). Raises InputError for
    settings that do not fit the recordings, events that are no letters, and runs of different channels.
    """
    letters = {code: _letter(event, where) for event, code in event_id.items()}
    dropped: Counter[str] = Counter()
    letter, run, features = [], [], []
    channels: list[str] = []
    n_events = 0
    for number, raw in enumerate((raw for runs in sessions.values() for raw in runs.values()), start=1):
        picked = raw.copy().pick("eeg")
        rate = float(raw.info["sfreq"])
        epochs.check_rate(settings, f"{where}, 'settings'", rate)
        if channels and picked.ch_names != channels:
            raise InputError(f"{where}: run {number} has other channels than run 1, expected the same in all.")
        channels = picked.ch_names
        values = picked.get_data(units="uV")
        length = round(settings.window[1] * rate)
        for sample, code in _events(raw, event_id):
            n_events += 1
            epoch = values[:, sample : sample + length]
            if epoch.shape[1] < length:
                dropped["beyond the end of the recording"] += 1
                continue
            if not np.isfinite(epoch).all():
                dropped["values that are no finite numbers"] += 1
                continue
            clean = epochs.filtered(epoch, settings, rate)
            broken = [rule for rule, bad in epochs.artefacts(clean, settings).items() if bad.any()]
            if broken:
                dropped[broken[0]] += 1
                continue
            letter.append(letters[code])
            run.append(number)
            features.append(epochs.features(clean, settings, rate).ravel())
    return Trials(
        letter=np.array(letter, dtype=int),
        run=np.array(run, dtype=int),
        features=np.array(features, dtype=np.float32),
        feature_names=epochs.feature_names(channels, settings) if channels else [],
        reading={"events": n_events, "events_dropped": dict(sorted(dropped.items()))},
    )


def _moabb_dataset(where: str):
    """moabb's description of the data set."""
    try:
        from moabb.datasets import BNCI2024_001
    except ImportError as error:
        raise InputError(f"{where}: the reader cortexclip.data.crell needs moabb ({error}). {INSTALL}") from error
    return BNCI2024_001()


def _events(raw, event_id: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Sample, from the start of the recording, and code of each known event, in the order of time."""
    import mne

    if mne.pick_types(raw.info, stim=True).size:
        found = mne.find_events(raw, shortest_event=1, verbose="error")
    else:
        found, _ = mne.events_from_annotations(raw, event_id=dict(event_id), verbose="error")
    for sample, _, code in found.tolist():
        if code in event_id.values():
            yield sample - raw.first_samp, code


def _letter(event: str, where: str) -> int:
    letter = event.rpartition("_")[2]
    if letter not in tuple(LETTERS):
        raise InputError(f"{where}: found the event '{event}', expected letters: {', '.join(LETTERS)}.")
    return LETTERS.index(letter)


@contextmanager
def _moabb_settings(folder: Path) -> Iterator[None]:
    """Let moabb look for recordings in a folder, and ask no other server first, for the time of the block."""
    before = dict(os.environ)
    os.environ |= {
        "MNE_DATA": str(folder),
        "MNE_DATASETS_BNCI_PATH": str(folder),
        "MOABB_DOWNLOAD_PROVIDER": "upstream",
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
