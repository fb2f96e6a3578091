"""An array in a file: what the file says of it, checked before a byte of it is loaded.

Every reader of a file format lists its arrays as :class:`Variable`; :mod:`cortexclip.data.containers` puts them to use.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

GREATEST_COMPRESSION = 1032  # zlib cannot do better
SUSPICIOUS_COMPRESSION = 300
LARGE = 1 << 28  # bytes; an array this large that is compressed so much is a trap or empty
SAVE_INSTEAD = {
    "struct": "save the arrays in it by themselves",
    "cell": "save what is in it as one array, such as cat(1, x{:})",
    "sparse": "save full(x)",
    "function": "it holds none, leave it out",
    "table": "save table2array(x)",
    "string": "save a whole number for each text, such as findgroups(x)",
    "categorical": "save double(x)",
    "datetime": "save seconds(x - x(1))",
    "duration": "save seconds(x)",
    "char": "save a whole number for each text",
    "text": "save a whole number for each text",
    "pickled object": "save plain arrays, as np.savez(file, name=array) does; nothing is unpickled here",
    "structured": "save each of its fields as an array",
}
"""What to save instead of an array that holds no plain numbers."""
DAMAGED = "It may be truncated or damaged: fetch it again and compare its sha256."


class DamagedError(ValueError):
    """What a file says about itself cannot be."""


@dataclass(frozen=True)
class Declared:
    """What a file declares of an array."""

    name: str  # as the file gives it; it may hold anything, so show it as printable(name)
    shape: tuple[int, ...]  # as the file declares it, which need not be possible
    kind: str  # that of numbers is a key of numpy ("float64"), "bool" or "text"; all others are refused


@dataclass(frozen=True)
class Variable(Declared):
    """An array of a file."""

    stored: int  # number of bytes in the file that hold it, compressed or not
    load: Callable[[], np.ndarray]  # of dtype ``kind`` (text: str) and ``shape``; may raise whatever its library raises
    refused: str = ""  # why it cannot be used although its type could be

    @property
    def numeric(self) -> bool:
        """Whether it holds real numbers or truth values."""
        return self.kind == "bool" or (self.kind[:3] in ("int", "uin", "flo") and self.kind in np.sctypeDict)


def stacked(name: str, members: Sequence[Variable]) -> Variable | None:
    """Arrays of numbers of one shape and kind as one array with one more axis, the first; None if they differ."""
    first = members[0] if members else None
    if first is None or not first.numeric:
        return None
    if any((one.shape, one.kind, one.refused) != (first.shape, first.kind, "") for one in members):
        return None
    stored = sum(one.stored for one in members)
    shape = (len(members), *first.shape)
    return Variable(name, shape, first.kind, stored, lambda: np.stack([one.load() for one in members]))


BDPY = (("dataset", "metadata"), ("dataSet", "metaData"))
"""What files of bdpy call their one table and its metadata, in new files and in older ones."""


def bdpy_columns(keys: Iterable[object], marks: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The columns of bdpy's table for each key of its metadata that marks columns with 1.

    ``marks`` has the shape (n_keys, n_columns); what is not marked is 0 or NaN.
    """
    for key, row in zip(keys, np.nan_to_num(marks), strict=True):
        columns = np.flatnonzero(row)
        if len(columns) and np.all(row[columns] == 1):
            yield key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key), columns


def printable(text: str) -> str:
    """Text of a file as it may stand in a message or a table: a damaged one may hold line breaks or surrogates."""
    return text if text.isprintable() else ascii(text)[1:-1]


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape in words.

    >>> shape_text((90, 784))
    '90 x 784'
    """
    return " x ".join(map(str, shape)) or "a single value"


def problem(variable: Variable, text: bool = False) -> str:
    """Why an array cannot be loaded, as the rest of a sentence that begins with its name; "" if it can.

    ``text`` says whether text will do as well as numbers.
    """
    shape, kind = variable.shape, variable.kind
    if variable.refused:
        return variable.refused
    if not variable.numeric and not (text and kind == "text"):
        instead = SAVE_INSTEAD.get(kind, "save its numbers as a plain array")
        return f"is a {printable(kind)} array, expected numbers (double, single or an integer class): {instead}."
    if any(length < 0 for length in shape):
        return f"declares the shape {shape_text(shape)}, which cannot be. {DAMAGED}"
    elements = math.prod(shape)
    if elements == 0:
        return f"is empty ({shape_text(shape)}), expected at least one row and column."
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    size = elements * (8 if kind == "text" else np.dtype(kind).itemsize)
    most = variable.stored * (GREATEST_COMPRESSION if size < LARGE else SUSPICIOUS_COMPRESSION)
    if size > most or elements * 8 > memory / 2:
        return (
            f"declares {shape_text(shape)} values ({size / 2**30:.2g} GiB), more than its {variable.stored} bytes can "
            f"hold or half of this machine's memory. {DAMAGED}"
        )
    return ""
