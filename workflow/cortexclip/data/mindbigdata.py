"""Reader of MindBigData, "the MNIST of brain digits": EEG of one person who saw digits, 2 s an event, four headsets.

The official text files have no header and one channel of one event a row, in seven columns separated by tabs: id,
event, device, channel, code (the digit, -1 where none was shown), size (number of values) and the values, separated by
commas. Files of several gigabytes are read as a stream: what is kept of a row is its features, some hundred bytes.
Extracts of these files circulate in two more layouts, damaged in places. Rows and events that cannot be used are
dropped and counted by reason, and the counts go with the dataset (see :mod:`cortexclip.data.reading`).

An event with all its channels is one sample, so that no event can be in two parts. The picture of the digit is not in
the files; it is drawn here, or read from the folder that the companion ``images`` names.
"""

from __future__ import annotations

import csv
import json
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import Field

from cortexclip.data import epochs
from cortexclip.data.characters import character_images
from cortexclip.data.dataset import labelled
from cortexclip.data.entries import attributes
from cortexclip.data.reading import in_words, with_reading
from cortexclip.errors import InputError, check_keys
from cortexclip.runtime.log import Progress
from cortexclip.runtime.settings import check

TABLE_COLUMNS = ("event", "code", "device", "signals")
DIGITS = range(10)
LONGEST_LINE = 1 << 20  # bytes; the longest row of an official file has about 10 kB
EMPTY = f"empty, or longer than {LONGEST_LINE >> 20} MiB"
AT_ONCE = 512  # epochs that are filtered together
SATURATED = 0.01  # share of the window's values at the limits of the range from which an epoch counts as saturated


@dataclass(frozen=True)
class Headset:
    """A device: its name, samples a second, channels in the order of features, and the unit and range of its values.

    Units and ranges are the makers': 12 bits over 1.8 V / 2000 (MindWave), 10 bits over 1682.815 microvolts (Muse),
    14 bits of 0.5128 microvolts, stored in microvolts (EPOC, Insight).
    """

    title: str
    rate: float
    channels: tuple[str, ...]
    microvolts: float  # of one unit of the file
    range: tuple[float, float]  # least and greatest value, in units of the file


HEADSETS = {
    "MW": Headset("MindWave", 512, ("FP1",), 1.8e6 / 4096 / 2000, (-2048, 2047)),
    "EP": Headset(
        "EPOC",
        128,
        ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4"),
        1.0,
        (0, 8403),
    ),
    "MU": Headset("Muse", 220, ("TP9", "FP1", "FP2", "TP10"), 1682.815 / 1023, (0, 1023)),
    "IN": Headset("Insight", 128, ("AF3", "AF4", "T7", "T8", "PZ"), 1.0, (0, 8403)),
}


class Settings(epochs.EpochSettings):
    """What ``settings`` may set for the reader."""

    headset: Literal["MW", "EP", "MU", "IN"] = "MW"
    """MW (MindWave), EP (EPOC), MU (Muse) or IN (Insight); rows of others are dropped"""
    layout: Literal["official", "table", "rows"] = "official"
    """official; table (CSV with a header); rows (values alone, digits in companions)"""
    channels: Annotated[int, Field(ge=1, le=256)] | None = None
    """layout rows: rows of an event, if not all channels of the headset"""
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    """the last events of each digit that test; not used where the files have a test part"""
    events_per_digit: Annotated[int, Field(ge=2)] | None = 200
    """at most so many, evenly spread over the recording; null is all"""


def read(path: str | os.PathLike, name: str, entry: Mapping[str, Any]) -> xr.Dataset:
    """Read a MindBigData file as the dataset ``name``.

    In the layout ``table`` it is a CSV file with the columns event, code, device and signals (JSON: a list of channels,
    each a list of values). In the layout ``rows`` a line holds the values of one channel, and consecutive lines belong
    to one event. Companions of the entry: ``images`` (folder with the pictures 0.png to 9.png or .jpg; without it they
    are drawn) and, in the layout ``rows``, ``digits`` (one digit for each line, separated by commas) and, where the
    source has a test part, ``test`` and ``test_digits``.

    Samples are in the order of recording; ``brain`` holds the features of :func:`cortexclip.data.epochs.features`,
    channel by channel, not scaled.

    Raises InputError for settings, companions or files that cannot be used, and where too few events are left.
    """
    where = f"dataset '{name}'"
    settings = check(Settings, entry.get("settings") or {}, where, "setting")
    companions = entry.get("companions") or {}
    known = ("images", "digits", "test", "test_digits") if settings.layout == "rows" else ("images",)
    check_keys(companions, known, f"{where}, 'companions'")
    headset = HEADSETS[settings.headset]
    epochs.check_rate(settings, f"{where}, 'settings'", headset.rate)
    channels = headset.channels
    if settings.layout == "rows":
        channels = tuple(f"channel {i + 1}" for i in range(settings.channels or len(channels)))

    collected = Collected(headset, settings, len(channels))
    if settings.layout == "rows":
        _read_rows(Path(path), companions, "digits", collected)
        first_test = len(collected)
        if "test" in companions:
            _read_rows(Path(companions["test"]), companions, "test_digits", collected)
    else:
        _read_lines(Path(path), (_official if settings.layout == "official" else _table)(settings.headset), collected)
        first_test = len(collected)
    usable = collected.events(first_test)
    kept = epochs.spread(usable.digit, settings.events_per_digit)
    collected.reading["events_not_needed"] = len(usable.digit) - len(kept)
    if len(kept) == 0:
        raise InputError(f"{path}: no event can be used. {in_words(collected.reading)}")
    digit = usable.digit[kept]
    part = np.where(usable.test[kept], "test", "train")
    if "test" not in companions:
        part = epochs.last_of_each_class(digit, settings.test_fraction)
    made = labelled(
        usable.features[kept],
        character_images("0123456789", companions.get("images"))[digit],
        part,
        attributes(name, entry),
        label=digit,
    )
    return with_reading(made, collected.reading, epochs.feature_names(channels, settings))


@dataclass(frozen=True)
class Row:
    """One channel of one event, as a file has it."""

    event: int
    channel: int  # position among the channels
    digit: int
    values: np.ndarray  # (n_times,), in units of the file, finite
    repaired: tuple[str, ...] = ()  # what had to be done first


class _NotUsable(Exception):
    """The reason, in a few words, why a line holds no row that can be used."""


Parser = Callable[[bytes], list[Row]]


@dataclass(frozen=True)
class Events:
    """Usable events in the order of their numbers: arrays of one entry, or one row, for each."""

    digit: np.ndarray
    features: np.ndarray  # (n_events, n_channels * n_features), float32
    test: np.ndarray  # whether the event comes from the file of the test part


@dataclass
class Collected:
    """What is kept of the rows read so far, and the counts of what was dropped.

    ``reading`` holds ``rows`` (read), ``rows_dropped`` and ``rows_repaired`` by reason, ``events`` (with a row that was
    not dropped) and ``events_dropped`` by reason.
    """

    headset: Headset
    settings: epochs.EpochSettings
    n_channels: int
    event: array = field(default_factory=lambda: array("q"))
    channel: array = field(default_factory=lambda: array("h"))
    digit: array = field(default_factory=lambda: array("b"))
    broken: array = field(default_factory=lambda: array("b"))  # position among ``rules`` of the rule that it breaks, -1
    blocks: list[np.ndarray] = field(default_factory=list)
    waiting: list[np.ndarray] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)
    repaired: Counter = field(default_factory=Counter)
    reading: dict[str, Any] = field(default_factory=lambda: {"rows": 0})

    def __len__(self) -> int:
        return len(self.event)

    def add(self, row: Row) -> None:
        """Keep a row; raises _NotUsable where it is too short for the window or holds impossible values."""
        n_times = round(self.settings.window[1] * self.headset.rate)
        if len(row.values) < n_times:
            raise _NotUsable(f"shorter than the window ({self.settings.window[1]:g} s)")
        values, (low, high) = row.values[:n_times], self.headset.range
        if values.min() < low or values.max() > high:
            raise _NotUsable(f"values outside {low:g}..{high:g}, the range of the headset")
        self.repaired.update(row.repaired)
        self.event.append(row.event)
        self.channel.append(row.channel)
        self.digit.append(row.digit)
        self.waiting.append(values)
        if len(self.waiting) == AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Turn the epochs that wait into features, and note which of them break a rule."""
        if not self.waiting:
            return
        values, (low, high) = np.stack(self.waiting), self.headset.range
        self.waiting.clear()
        found = epochs.filtered(values * self.headset.microvolts, self.settings, self.headset.rate)
        at_limit = np.mean((values <= low) | (values >= high), axis=-1)
        rules = {f"saturated ({SATURATED:.0%} of values at a limit)": at_limit > SATURATED}
        rules |= epochs.artefacts(found, self.settings)
        self.rules = list(rules)
        verdicts = np.stack(list(rules.values()))
        self.broken.extend(np.where(verdicts.any(axis=0), verdicts.argmax(axis=0), -1).tolist())
        self.blocks.append(epochs.features(found, self.settings, self.headset.rate))

    def events(self, first_test: int) -> Events:
        """The events that have every channel once, one digit and no artefact; rows from ``first_test`` on are test."""
        self.flush()
        columns = {"event": self.event, "channel": self.channel, "digit": self.digit, "broken": self.broken}
        rows = pd.DataFrame({name: np.array(values, dtype=int) for name, values in columns.items()})
        # Of equal rows the first in the file counts.
        kept = rows.sort_values(["event", "channel"], kind="stable").drop_duplicates(["event", "channel"])
        if len(kept) < len(rows):
            self.dropped["the same event and channel again"] += len(rows) - len(kept)
        groups = kept.groupby("event")
        digit, count = groups["digit"].min(), groups.size()
        # Of several reasons the last one counts.
        reasons = [*self.rules, "channels missing", "channels disagree on the digit"]
        reason = groups["broken"].max().mask(count < self.n_channels, len(reasons) - 2)
        reason = reason.mask(digit != groups["digit"].max(), len(reasons) - 1)
        self.reading |= {
            "rows_dropped": dict(sorted(self.dropped.items())),
            "rows_repaired": dict(sorted(self.repaired.items())),
            "events": len(digit),
            "events_dropped": {reasons[i]: int(np.sum(reason == i)) for i in np.unique(reason[reason >= 0])},
        }
        whole = digit.index[reason < 0]
        positions = kept.index[kept["event"].isin(whole)].to_numpy().reshape(len(whole), self.n_channels)
        stacked = np.concatenate(self.blocks) if self.blocks else np.zeros((0, 1), dtype=np.float32)
        self.blocks.clear()
        return Events(
            digit=digit[whole].to_numpy(),
            features=stacked[positions].reshape(len(whole), self.n_channels * stacked.shape[1]),
            test=positions[:, 0] >= first_test,
        )


def _read_rows(path: Path, companions: Mapping[str, str], role: str, collected: Collected) -> None:
    """Read a file of values alone; the companion of this role has the digit of each line."""
    if role not in companions:
        raise InputError(f"{path}: the companion '{role}' is missing, expected a file with the digit of each line.")
    digits = _digits(Path(companions[role]))
    first_event = 1 + max(collected.event, default=-1)
    found = _read_lines(path, _rows(digits, collected.n_channels, first_event), collected)
    if found != len(digits):
        raise InputError(
            f"{companions[role]}: holds {len(digits)} digits, and {path} {found} lines; expected one for each line."
        )


def _read_lines(path: Path, parse: Parser, collected: Collected) -> int:
    """Read a file line by line; returns the number of lines that are rows, whether usable or not."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path}: {found}, expected a MindBigData text file.")
    n_rows = 0
    try:
        with open(path, "rb") as stream:
            if stream.read(4) == b"PK\x03\x04":
                raise InputError("is a .zip archive, expected the text file in it. Unpack it.")
            stream.seek(0)
            progress = Progress(f"read {path.name} (MiB)", total=path.stat().st_size >> 20)
            for line in _lines(stream):
                n_rows += 1
                try:
                    rows = parse(line)
                    n_rows -= not rows  # the header of a table
                    for row in rows:
                        collected.add(row)
                except _NotUsable as reason:
                    collected.dropped[str(reason)] += 1
                if (done := stream.tell() >> 20) > progress.done:
                    progress.step(f"{len(collected)} epochs", done - progress.done)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    collected.reading["rows"] += n_rows
    return n_rows


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines without their end; one longer than ``LONGEST_LINE`` comes as an empty one, to keep its position."""
    first = True
    while line := stream.readline(LONGEST_LINE):
        if not line.endswith(b"\n") and len(line) == LONGEST_LINE:
            while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            line = b""
        if first:
            line = line.removeprefix(b"\xef\xbb\xbf")  # the byte-order mark of a spreadsheet
            first = False
        yield line.strip(b"\r\n")


def _official(headset: str) -> Parser:
    channels = {channel: i for i, channel in enumerate(HEADSETS[headset].channels)}

    def parse(line: bytes) -> list[Row]:
        repaired = []
        if b'"' in line:  # a spreadsheet took the commas for its columns and quoted what stood before the first
            line = line.replace(b'"', b"")
            repaired.append("quotation marks removed")
        columns = line.split(b"\t")
        if len(columns) != 7:
            raise _NotUsable("not the seven columns of a row" if line else EMPTY)
        _, event, device, channel, code, size, values = columns
        if _text(device) != headset:
            raise _NotUsable("of another headset")
        if _text(channel) not in channels:
            raise _NotUsable("of a channel that the headset does not have")
        digit, signal = _digit(_text(code)), _values(values)
        if _whole(_text(size)) > len(signal):
            repaired.append("fewer values than stated, used as far as they go")
        return [Row(_whole(_text(event)), channels[_text(channel)], digit, signal, tuple(repaired))]

    return parse


def _table(headset: str) -> Parser:
    """Parser of CSV lines, the first of which is the header."""
    header: list[str] = []
    n_channels = len(HEADSETS[headset].channels)

    def parse(line: bytes) -> list[Row]:
        try:
            columns = next(csv.reader([line.decode()]), [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise _NotUsable("not a line of a CSV table") from error
        if not header:
            for column in TABLE_COLUMNS:
                if column not in columns:
                    raise InputError(
                        f"the first line of the table has no column '{column}'; expected {', '.join(TABLE_COLUMNS)} "
                        "(layout: table)."
                    )
            header.extend(columns)
            return []
        if len(columns) != len(header):
            raise _NotUsable("not the columns of the header")
        row = dict(zip(header, columns, strict=True))
        if row["device"].strip() != headset:
            raise _NotUsable("of another headset")
        digit, event = _digit(row["code"]), _whole(row["event"])
        try:
            signals = [np.array(signal, dtype=float) for signal in json.loads(row["signals"])]
        except (ValueError, TypeError, RecursionError) as error:
            raise _NotUsable("values that are no numbers") from error
        if len(signals) != n_channels or any(signal.ndim != 1 for signal in signals):
            raise _NotUsable("not the channels of the headset")
        return [Row(event, channel, digit, _finite(signal)) for channel, signal in enumerate(signals)]

    return parse


def _rows(digits: list[int], n_channels: int, first_event: int) -> Parser:
    """Parser of lines that hold values alone; ``digits`` has one for each line."""
    done = 0

    def parse(line: bytes) -> list[Row]:
        nonlocal done
        number, done = done, done + 1
        if number >= len(digits):
            raise _NotUsable("no digit stated for the line")
        if digits[number] not in DIGITS:
            raise _NotUsable("no digit shown")
        return [Row(first_event + number // n_channels, number % n_channels, digits[number], _values(line))]

    return parse


def _digits(path: Path) -> list[int]:
    """The digits of a companion file, separated by commas."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(LONGEST_LINE * 16)
        return [int(word) for word in content.decode("ascii").replace("\n", ",").split(",") if word.strip()]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path}: holds something else than digits separated by commas ({error}).") from error


def _text(column: bytes) -> str:
    return column.decode("ascii", errors="replace").strip()


def _whole(text: str) -> int:
    """A whole number from 0 on, as event numbers and sizes are."""
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise _NotUsable("an event or size that is no whole number")
    return int(text)


def _digit(text: str) -> int:
    if text == "-1":
        raise _NotUsable("no digit shown")
    if text not in {str(digit) for digit in DIGITS}:
        raise _NotUsable("a code that is no digit")
    return int(text)


def _values(text: bytes) -> np.ndarray:
    """Values separated by commas; raises _NotUsable unless all are finite numbers."""
    if not text:
        raise _NotUsable(EMPTY)
    try:
        return _finite(np.fromstring(text, sep=","))
    except ValueError as error:
        raise _NotUsable("values that are no numbers") from error


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise _NotUsable("values that are no finite numbers")
    return values
