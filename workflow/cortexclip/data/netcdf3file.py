"""NetCDF files of the classic format (CDF-1, -2 and -5), as xarray writes them with scipy.

Format: Unidata, "NetCDF Classic Format Specification". NetCDF-4 is HDF5, see :mod:`cortexclip.data.hdf5file`.
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cortexclip.data.variables import DamagedError, Variable

TYPES = {1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8", 7: "u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}
DIMENSION, VARIABLE, ATTRIBUTE = 10, 11, 12
PACKED = ("scale_factor", "add_offset")
FILL = ("_FillValue", "missing_value")


def variables(path: Path) -> list[Variable]:
    """The variables of a file, from its header alone."""
    with open(path, "rb") as stream:
        header = _Header(stream)
        return header.variables(path)


class _Header:
    """Reads the header of a file piece by piece, never past its end."""

    def __init__(self, stream: BinaryIO):
        self.stream = stream
        self.size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        self.version = self.take(4)[3]
        self.wide = self.version == 5

    def take(self, length: int) -> bytes:
        if length > self.size - self.stream.tell():
            raise DamagedError(f"{length} bytes wanted at byte {self.stream.tell()} of {self.size}")
        return self.stream.read(length)

    def number(self) -> int:
        """A count, an index or a length: 32 bits, and 64 in CDF-5."""
        (value,) = struct.unpack(">Q" if self.wide else ">I", self.take(8 if self.wide else 4))
        return value

    def word(self) -> int:
        (value,) = struct.unpack(">I", self.take(4))
        return value

    def name(self) -> str:
        length = self.number()
        text = self.take(length + -length % 4)[:length]
        return text.decode("utf-8", "backslashreplace")

    def listed(self, tag: int) -> range:
        """The places of a list that begins here."""
        found, count = self.word(), self.number()
        if found not in (0, tag) or (found == 0 and count) or count * 4 > self.size:
            raise DamagedError(f"a list of {count} entries with the tag {found}, expected {tag}")
        return range(count)

    def attributes(self) -> dict[str, np.ndarray]:
        found = {}
        for _ in self.listed(ATTRIBUTE):
            name = self.name()
            dtype = self.dtype()
            length = self.number() * dtype.itemsize
            found[name] = np.frombuffer(self.take(length + -length % 4)[:length], dtype)
        return found

    def dtype(self) -> np.dtype:
        kind = self.word()
        if kind not in TYPES:
            raise DamagedError(f"the unknown type {kind}")
        return np.dtype(TYPES[kind])

    def variables(self, path: Path) -> list[Variable]:
        records = self.number()
        dimensions = [(self.name(), self.number()) for _ in self.listed(DIMENSION)]
        self.attributes()
        layout = []
        for _ in self.listed(VARIABLE):
            name = self.name()
            axes = [self.number() for _ in range(min(self.number(), self.size))]
            if any(axis >= len(dimensions) for axis in axes):
                raise DamagedError(f"'{name}' has an axis that is none of the {len(dimensions)} dimensions")
            attributes, dtype = self.attributes(), self.dtype()
            self.number()  # the size of the variable, which follows from its shape
            begin = self.word() if self.version == 1 else struct.unpack(">Q", self.take(8))[0]
            lengths = [dimensions[axis][1] for axis in axes]
            by_record = bool(lengths) and lengths[0] == 0
            layout.append((name, lengths, by_record, dtype, begin, attributes))
        strides = [math.prod(lengths[1:]) * dtype.itemsize for _, lengths, rec, dtype, *_ in layout if rec]
        stride = strides[0] if len(strides) == 1 else sum(step + -step % 4 for step in strides)
        found = []
        for name, lengths, by_record, dtype, begin, attributes in layout:
            shape = (records, *lengths[1:]) if by_record else tuple(lengths)
            step = stride if by_record else 0
            found.append(_variable(path, name, shape, dtype, begin, step, attributes, self.size))
        return found


def _variable(path, name, shape, dtype, begin, stride, attributes, size) -> Variable:
    length = math.prod(shape) * dtype.itemsize
    end = begin + (stride * max(shape[0] - 1, 0) + math.prod(shape[1:]) * dtype.itemsize if stride else length)
    is_text = dtype.kind == "S" and len(shape) > 0
    refused = "is packed (scale_factor, add_offset), expected plain numbers: save it unpacked."
    return Variable(
        name,
        shape[:-1] if is_text else shape,
        "text" if is_text else dtype.newbyteorder("=").name,
        length if end <= size else 0,
        lambda: _array(path, shape, dtype, begin, stride, attributes),
        refused if any(key in attributes for key in PACKED) else "",
    )


def _array(path, shape, dtype, begin, stride, attributes) -> np.ndarray:
    with open(path, "rb") as stream:
        if stride:
            stream.seek(begin)
            row = math.prod(shape[1:]) * dtype.itemsize
            content = stream.read(stride * (shape[0] - 1) + row)
            array = np.ndarray(shape, dtype, content, strides=(stride, *np.empty(shape[1:], dtype).strides))
        else:
            stream.seek(begin)
            array = np.fromfile(stream, dtype, math.prod(shape)).reshape(shape)
    if dtype.kind == "S":
        rows = array.reshape(-1, shape[-1])
        text = [row.tobytes().rstrip(b"\0 ").decode("utf-8") for row in rows]
        return np.array(text, dtype=np.str_).reshape(shape[:-1])
    return without_fill(array.astype(dtype.newbyteorder("=")), attributes)


def without_fill(array: np.ndarray, attributes: dict) -> np.ndarray:
    """The values with NaN where they are the fill value that the attributes name."""
    for key in FILL:
        for value in np.atleast_1d(attributes.get(key, [])):
            if np.issubdtype(np.asarray(value).dtype, np.number) and np.any(array == value):
                array = np.where(array == value, np.nan, array.astype(np.float64))
    return array
