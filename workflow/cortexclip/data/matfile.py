"""MATLAB files of version 5 to 7.2, such that a damaged file is an error and nothing worse.

``scipy.io.loadmat`` ends the whole process (segmentation fault) on some damaged files and takes a file's word for how
much memory it needs; every length is checked here before it is used. Only what the schema needs is read: real numeric
matrices, by name. Format: MathWorks, "MAT-File Format" (version 5; compressed elements since version 7). Version 7.3 is
HDF5, see :mod:`cortexclip.data.hdf5file`.
"""

from __future__ import annotations

import functools
import math
import os
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from cortexclip.data.variables import BDPY, DamagedError, Variable, bdpy_columns, printable, stacked

MATRIX, COMPRESSED = 14, 15
STORED_AS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CHARACTERS = {1: "latin-1", 2: "latin-1", 16: "utf-8", 4: "utf-16-{}", 17: "utf-16-{}"}
CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", 17: "opaque"}
NUMERIC_CLASSES = dict(enumerate("float64 float32 int8 uint8 int16 uint16 int32 uint32 int64 uint64".split(), start=6))
OPAQUE = 17  # a class object: its header has no shape
COMPLEX, LOGICAL = 0x0800, 0x0200
HEADER_BYTES = 4096  # a matrix's flags, shape and name are far shorter
MOST_INSIDE = 1 << 29  # bytes that a struct or cell may have, so that what is in it is looked into
MOST_INSIDE_NAMES = 1000
MOST_IN_CELL = 16
DEEPEST = 6


def recognises(head: bytes) -> bool:
    """Whether a file that begins so is one of version 5 to 7.2."""
    return head[124:128] in (b"\x00\x01IM", b"\x01\x00MI")


def variables(path: Path) -> list[Variable]:
    """The variables of a file, from their headers alone, and the arrays inside structs and small cells.

    Those are called ``struct.field`` and ``cell{1}``; a long cell of arrays of one shape, such as images, is one array.
    Those of a file of bdpy are named by the keys of its metadata. What has no name is MATLAB's own and is passed over.
    """
    with open(path, "rb") as stream:
        order = "<" if stream.read(128)[126:128] == b"IM" else ">"
        found = list(_variables(path, stream, order))
    return list(_of_bdpy({one.name: one for one in found})) or found


def _of_bdpy(found: Mapping[str, Variable]) -> Iterator[Variable]:
    """Columns of the one table of a bdpy file, for each key of the metadata that marks columns with 1."""
    for names in BDPY:
        table, keys, values = (found.get(form.format(*names)) for form in ("{0}", "{1}.key", "{1}.value"))
        if table is None or keys is None or values is None or keys.kind != "cell" or not values.numeric:
            continue
        if len(table.shape) != 2 or values.shape != (math.prod(keys.shape), table.shape[1]):
            continue
        texts = keys.load()
        if len(texts) != values.shape[0]:
            continue
        for name, columns in bdpy_columns(texts, values.load()):
            taken = functools.partial(lambda load, columns: load()[:, columns], table.load, columns)
            yield Variable(name, (table.shape[0], len(columns)), table.kind, table.stored, taken, table.refused)


class _Location(NamedTuple):
    """Where a matrix is: in an element of the file, at an offset of its content once that is unpacked."""

    path: Path
    begin: int
    length: int
    compressed: bool
    order: str
    at: int = 0
    size: int = 0  # bytes of the matrix within the content, 0 for all


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
            location = _Location(path, begin, length, kind == COMPRESSED, order)
            name = _header(header, order)[0]
            if name:
                yield from _listed(location, header, name)


def _listed(location: _Location, header: bytes, name: str, depth: int = 0) -> Iterator[Variable]:
    """A matrix and, in a struct or a small cell, the matrices inside; ``header`` are its first bytes."""
    _, number, flags, shape, at = _header(header, location.order)
    kind = NUMERIC_CLASSES.get(number) or CLASSES.get(number, f"class {number}")
    if number == OPAQUE:
        kind = _class_of_object(header, at, location.order)
    label = "bool" if flags & LOGICAL and number in NUMERIC_CLASSES else kind
    refused = "is complex, expected real numbers." if flags & COMPLEX else ""
    count = math.prod(shape)
    inside = kind in ("struct", "cell") and depth < DEEPEST and 0 < count <= (1 if kind == "struct" else MOST_IN_CELL)
    within = list(_inside(location, name, kind, count, depth)) if inside else []
    if kind == "cell" and MOST_IN_CELL < count == max(shape) and (one := _as_one(location, name, count)):
        yield one
        return
    if within:
        refused = f"is a {kind}; the arrays in it are named by themselves, such as '{printable(within[0].name)}'."
    yield Variable(
        name, shape, label, location.size or location.length, lambda: _matrix(location, name, label, shape), refused
    )
    yield from within


def _inside(location: _Location, name: str, kind: str, count: int, depth: int) -> Iterator[Variable]:
    """The matrices of a struct (one of each field) or of a cell."""
    order = location.order
    content = _unpacked(location, name, MOST_INSIDE)
    *_, at = _header(content, order)
    if count > len(content) // 8:
        raise DamagedError(f"'{name}' declares {count} arrays in {len(content)} bytes")
    names = [f"{name}{{{position + 1}}}" for position in range(count)]
    if kind == "struct":
        _, begin, _, at = _element(content, at, order)
        (width,) = struct.unpack_from(order + "i", content, begin)
        _, begin, length, at = _element(content, at, order)
        if not 0 < width <= HEADER_BYTES or begin + length > len(content):
            raise DamagedError(f"'{name}' has names of {width} bytes")
        fields = [
            content[i : i + width].partition(b"\0")[0].decode("latin-1") for i in range(begin, begin + length, width)
        ]
        names = [f"{name}.{field}" for field in fields]
    for one in names[:MOST_INSIDE_NAMES] if kind == "struct" else names:
        tag, begin, length, at = _element(content, at, order)
        if tag != MATRIX or begin + length > len(content):
            raise DamagedError(f"'{one}' is no matrix of {length} bytes")
        if length:
            inner = location._replace(at=location.at + begin, size=length)
            yield from _listed(inner, content[begin : begin + min(length, HEADER_BYTES)], one, depth + 1)


def _as_one(location: _Location, name: str, count: int) -> Variable | None:
    """The arrays of a long cell as one array; None if they differ, and if the cell is damaged or very large."""
    if (location.size or location.length) > MOST_INSIDE:
        return None
    try:
        members = list(_inside(location, name, "cell", count, DEEPEST))
    except (DamagedError, struct.error, zlib.error):
        return None
    return stacked(name, members) if len(members) == count else None


def _class_of_object(header: bytes, at: int, order: str) -> str:
    """The class of a MATLAB object, such as table."""
    try:
        *_, at = _element(header, at, order)  # "MCOS"
        _, begin, length, _ = _element(header, at, order)
    except struct.error:
        return "opaque"
    return header[begin : begin + length].decode("latin-1") or "opaque"


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


@functools.lru_cache(maxsize=1)
def _content(location: _Location, name: str, most: int, _version: tuple[int, int]) -> bytes:
    """The content of an element, unpacked; raises DamagedError if it has more than ``most`` bytes, or ends too soon.

    Kept until another one is requested, since all that is in a struct has one content.
    """
    with open(location.path, "rb") as stream:
        stream.seek(location.begin)
        content = stream.read(location.length)
    if location.compressed:
        decompressor = zlib.decompressobj()
        content = decompressor.decompress(content, most)[8:]
        if not decompressor.eof:  # reached only if the checksum at its end is right, too
            raise DamagedError(f"the compressed data of '{name}' do not end where they should")
    return content


def _unpacked(location: _Location, name: str, most: int) -> bytes:
    """The content of a matrix."""
    stat = location.path.stat()
    whole = _content(location._replace(at=0, size=0), re.split("[.{]", name)[0], most, (stat.st_mtime_ns, stat.st_size))
    return whole[location.at : location.at + location.size] if location.size else whole


def _matrix(location: _Location, name: str, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers of a variable whose class and shape have been checked; the texts of a cell, or of a char array."""
    if kind == "cell":
        members = _inside(location, name, kind, math.prod(shape), DEEPEST)
        return np.array([str(one.load()) if one.kind == "char" else "" for one in members])
    if kind == "char":
        content = _unpacked(location, name, MOST_INSIDE)
        stored_as, begin, length, _ = _element(content, _header(content, location.order)[-1], location.order)
        encoding = CHARACTERS.get(stored_as, "latin-1").format("le" if location.order == "<" else "be")
        return np.array(content[begin : begin + length].decode(encoding, "replace"))
    elements, target, order = math.prod(shape), np.dtype(kind), location.order
    most = MOST_INSIDE if location.size else HEADER_BYTES + target.itemsize * elements
    content = _unpacked(location, name, most)
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
