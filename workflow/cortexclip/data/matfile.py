"""MATLAB files of version 5 to 7.2, such that a damaged file is an error and nothing worse.

``scipy.io.loadmat`` ends the whole process (segmentation fault) on some damaged files and takes a file's word for how
much memory it needs; every length is checked here before it is used. Only what the schema needs is read: real numeric
matrices, by name. Format: MathWorks, "MAT-File Format" (version 5; compressed elements since version 7). Version 7.3 is
HDF5, see :mod:`cortexclip.data.hdf5file`.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cortexclip.data.variables import DamagedError, Variable

MATRIX, COMPRESSED = 14, 15
STORED_AS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", 17: "opaque"}
NUMERIC_CLASSES = {
    6: "float64",
    7: "float32",
    8: "int8",
    9: "uint8",
    10: "int16",
    11: "uint16",
    12: "int32",
    13: "uint32",
    14: "int64",
    15: "uint64",
}
OPAQUE = 17  # a class object: its header has no shape
COMPLEX, LOGICAL = 0x0800, 0x0200
HEADER_BYTES = 4096  # a matrix's flags, shape and name are far shorter


def recognises(head: bytes) -> bool:
    """Whether a file that begins so is one of version 5 to 7.2."""
    return head[124:128] in (b"\x00\x01IM", b"\x01\x00MI")


def variables(path: Path) -> list[Variable]:
    """The variables of a file, from their headers alone."""
    with open(path, "rb") as stream:
        order = "<" if stream.read(128)[126:128] == b"IM" else ">"
        return list(_variables(path, stream, order))


def _variables(path: Path, stream: BinaryIO, order: str) -> Iterator[Variable]:
    size = stream.seek(0, os.SEEK_END)
    at = 128
    while at < size:
        stream.seek(at)
        tag = stream.read(8)
        if len(tag) < 8:
            raise DamagedError(f"{len(tag)} bytes too many, or too few, at the end")
        kind, length = struct.unpack(order + "II", tag)
        begin, at = at + 8, at + 8 + length
        if at > size:
            raise DamagedError(f"a variable at byte {begin} of {length} bytes in a file of {size} bytes")
        if kind not in (MATRIX, COMPRESSED):
            raise DamagedError(f"an element of the unknown type {kind} at byte {begin}")
        if kind == COMPRESSED:
            header = zlib.decompressobj().decompress(stream.read(min(length, HEADER_BYTES)), HEADER_BYTES)
            inner, _ = struct.unpack_from(order + "II", header)
            if inner != MATRIX:
                raise DamagedError(f"a compressed element of the unknown type {inner} at byte {begin}")
            header = header[8:]
        else:
            header = stream.read(min(length, HEADER_BYTES))
        if header:
            name, number, flags, shape, _ = _header(header, order)
            known = NUMERIC_CLASSES.get(number) or CLASSES.get(number, f"class {number}")
            label = "bool" if flags & LOGICAL and number in NUMERIC_CLASSES else known
            location = (name, label, shape, begin, length, kind == COMPRESSED, order)
            refused = "is complex, expected real numbers." if flags & COMPLEX else ""
            yield Variable(name, shape, label, length, partial(_matrix, path, *location), refused)


def _header(content: bytes, order: str) -> tuple[str, int, int, tuple[int, ...], int]:
    """Name, class number, flags and shape of a matrix, and where its numbers begin in ``content``."""
    _, begin, length, at = _element(content, 0, order)
    (flags,) = struct.unpack_from(order + "I", content, begin)
    number = flags & 0xFF
    shape: tuple[int, ...] = ()
    if number != OPAQUE:
        _, begin, length, at = _element(content, at, order)
        shape = struct.unpack_from(f"{order}{length // 4}i", content, begin)
    _, begin, length, at = _element(content, at, order)
    if begin + length > len(content):
        raise DamagedError(f"a name of {length} bytes")
    return content[begin : begin + length].decode("latin-1"), number, flags, shape, at


def _element(content: bytes, at: int, order: str) -> tuple[int, int, int, int]:
    """Type, begin and length of the element at ``at``, and where the next one is."""
    (word,) = struct.unpack_from(order + "I", content, at)
    if word >> 16:  # up to four bytes are packed into the tag
        return word & 0xFFFF, at + 4, min(word >> 16, 4), at + 8
    (length,) = struct.unpack_from(order + "I", content, at + 4)
    return word, at + 8, length, at + 8 + length + -length % 8


def _matrix(
    path: Path, name: str, kind: str, shape: tuple[int, ...], begin: int, length: int, compressed: bool, order: str
) -> np.ndarray:
    """The numbers of a variable whose class and shape have been checked."""
    with open(path, "rb") as stream:
        stream.seek(begin)
        content = stream.read(length)
    elements, target = math.prod(shape), np.dtype(kind)
    if compressed:
        decompressor = zlib.decompressobj()
        content = decompressor.decompress(content, HEADER_BYTES + target.itemsize * elements)[8:]
        if not decompressor.eof:  # reached only if the checksum at its end is right, too
            raise DamagedError(f"the compressed data of '{name}' do not end where they should")
    *_, at = _header(content, order)
    stored_as, begin, length, _ = _element(content, at, order)
    if stored_as not in STORED_AS:
        raise DamagedError(f"'{name}' is stored as the unknown type {stored_as}")
    stored = np.dtype(order + STORED_AS[stored_as])
    if length != elements * stored.itemsize or begin + length > len(content):
        raise DamagedError(
            f"'{name}' has {min(length, len(content) - begin)} bytes for {elements} values of {stored.itemsize} bytes"
        )
    if kind != "bool" and not np.can_cast(stored, target, "same_kind"):
        raise DamagedError(f"'{name}' is a {kind} array stored as {stored.name}")
    return np.frombuffer(content, stored, elements, begin).reshape(shape, order="F").astype(target)
