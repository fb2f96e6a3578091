"""Reading matrices from MATLAB files, versions 5 to 7.3, such that a damaged file is an error and nothing worse.

``scipy.io.loadmat`` ends the whole process (segmentation fault) on some damaged files and takes a file's word for how
much memory it needs; every length is checked here before it is used. Only what the schema needs is read: real numeric
matrices, by name. Format: MathWorks, "MAT-File Format" (version 5; compressed elements since version 7); version 7.3 is
HDF5.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from cortexclip.errors import InputError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
MATRIX, COMPRESSED = 14, 15
STORED_AS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", 17: "opaque"}
NUMERIC_CLASSES = {
    6: "double",
    7: "single",
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
GREATEST_COMPRESSION = 1032  # zlib cannot do better
DAMAGED = "It may be truncated or damaged: fetch it again and compare its sha256."


def load_arrays(path: str | os.PathLike, names: list[str]) -> dict[str, np.ndarray]:
    """Load real, numeric, two-dimensional arrays by name.

    Returns
    -------
    Arrays of shape (rows, columns) in the type of their MATLAB class (a double that is stored as bytes is a double).

    Raises
    ------
    InputError
        When the file is missing, empty, damaged or no MATLAB file; when an array is missing, not of two dimensions,
        empty, or a struct, cell, object, text, logical, sparse or complex array; and when the file declares an array
        larger than it can hold or than half of this machine's memory.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a MATLAB file (.mat).")
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            head = stream.read(1024)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Run the fetch stage or check the path."
        ) from error
    if size == 0:
        raise InputError(f"{path}: is empty (0 bytes), expected a MATLAB file (.mat). Fetch it again.")
    is_hdf5 = HDF5_SIGNATURE in (head[:8], head[512:520])
    if not is_hdf5 and head[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise InputError(
            f"{path}: does not begin like a MATLAB file of version 5 to 7.3 (found {head[:20]!r}, expected "
            f"b'MATLAB ...'). {DAMAGED} Save a file of version 4 again with -v7."
        )
    try:
        return _load_hdf5(path, names) if is_hdf5 else _load_version_5(path, names)
    except InputError:
        raise
    except Exception as error:  # the HDF5 library raises almost anything for a damaged file
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: cannot be read as a MATLAB file ({type(error).__name__}: {reason}). {DAMAGED}"
        ) from error


class DamagedError(ValueError):
    """What a file says about itself cannot be."""


@dataclass(frozen=True)
class _Variable:
    """A variable of a version 5 file and where its content lies."""

    name: str
    kind: str
    shape: tuple[int, ...]
    is_complex: bool
    begin: int  # of the element's content in the file
    length: int
    compressed: bool


def _load_version_5(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    with open(path, "rb") as stream:
        order = "<" if stream.read(128)[126:128] == b"IM" else ">"
        variables = list(_variables(stream, order))
        _check_present(path, names, [variable.name for variable in variables])
        arrays = {}
        for variable in variables:
            if variable.name in names:
                _check_declared(path, variable.name, variable.shape, variable.kind, variable.length)
                if variable.is_complex:
                    raise InputError(f"{path}: '{variable.name}' is complex, expected real numbers.")
                arrays[variable.name] = _matrix(stream, variable, order)
    return arrays


def _variables(stream: BinaryIO, order: str) -> Iterator[_Variable]:
    """The variables of a file, from their headers alone."""
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
            label = "logical" if flags & LOGICAL else known
            yield _Variable(name, label, shape, bool(flags & COMPLEX), begin, length, kind == COMPRESSED)


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


def _matrix(stream: BinaryIO, variable: _Variable, order: str) -> np.ndarray:
    """The numbers of a variable whose class and shape have been checked."""
    stream.seek(variable.begin)
    content = stream.read(variable.length)
    elements = math.prod(variable.shape)
    if variable.compressed:
        decompressor = zlib.decompressobj()
        content = decompressor.decompress(content, HEADER_BYTES + 8 * elements)[8:]
        if not decompressor.eof:  # reached only if the checksum at its end is right, too
            raise DamagedError(f"the compressed data of '{variable.name}' do not end where they should")
    *_, at = _header(content, order)
    kind, begin, length, _ = _element(content, at, order)
    if kind not in STORED_AS:
        raise DamagedError(f"'{variable.name}' is stored as the unknown type {kind}")
    stored = np.dtype(STORED_AS[kind]).newbyteorder(order)
    if length != elements * stored.itemsize or begin + length > len(content):
        raise DamagedError(
            f"'{variable.name}' has {min(length, len(content) - begin)} bytes for {elements} values of "
            f"{stored.itemsize} bytes"
        )
    target = np.dtype(variable.kind)
    if not np.can_cast(stored, target, "same_kind"):
        raise DamagedError(f"'{variable.name}' is a {variable.kind} array stored as {stored.name}")
    return np.frombuffer(content, stored, elements, begin).reshape(variable.shape, order="F").astype(target)


def _load_hdf5(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Arrays of a version 7.3 file: HDF5 with the axes in reverse order and the class as an attribute."""
    with h5py.File(path, "r") as file:
        _check_present(path, names, [name for name in file if not name.startswith("#")])
        arrays = {}
        for name in names:
            item = file[name]
            kind = item.attrs.get("MATLAB_class", b"")
            kind = _printable(kind.decode("latin-1") if isinstance(kind, bytes) else str(kind))
            if not isinstance(item, h5py.Dataset):
                raise InputError(f"{path}: '{name}' is a {kind or 'group'} array, expected numbers.")
            if not kind:
                raise InputError(
                    f"{path}: '{name}' has no MATLAB_class, so this HDF5 file was not saved by MATLAB and the order of "
                    "its axes is unknown. Save it with MATLAB, or with scipy.io.savemat."
                )
            if item.dtype.names and kind in NUMERIC_CLASSES.values():
                raise InputError(f"{path}: '{name}' is complex, expected real numbers.")
            shape = (0, 0) if item.attrs.get("MATLAB_empty") else item.shape[::-1]
            _check_declared(path, name, shape, kind, item.id.get_storage_size())
            if item.dtype.kind not in "iuf":
                raise DamagedError(f"'{name}' is a {kind} array stored as {item.dtype}")
            arrays[name] = np.asarray(item[()]).T
        return arrays


def _printable(text: str) -> str:
    """Text of a file as it may stand in a message: a damaged one may hold line breaks."""
    return text if text.isprintable() else ascii(text)


def _check_present(path: Path, names: list[str], found: list[str]) -> None:
    found = [_printable(name) for name in found]
    for name in names:
        if name not in found:
            raise InputError(
                f"{path}: has no array '{name}'; found {', '.join(sorted(set(found))) or 'no array at all'}. "
                f"Name its arrays under 'arrays' in the entry of the dataset"
                f"{', or set labels: none' if 'label' in name.lower() else ''}."
            )
        if found.count(name) > 1:
            raise InputError(f"{path}: holds '{name}' {found.count(name)} times, expected once.")


def _check_declared(path: Path, name: str, shape: tuple[int, ...], kind: str, stored: int) -> None:
    """Check class and shape before anything is loaded; ``stored`` is the number of bytes that hold the array."""
    if kind not in NUMERIC_CLASSES.values():
        raise InputError(f"{path}: '{name}' is a {kind} array, expected numbers (double, single or an integer class).")
    if len(shape) != 2:
        raise InputError(
            f"{path}: '{name}' has {len(shape)} dimensions {tuple(shape)}, expected 2: one row for each sample."
        )
    if any(length < 0 for length in shape):
        raise InputError(f"{path}: '{name}' declares the shape {shape[0]} x {shape[1]}, which cannot be. {DAMAGED}")
    elements = math.prod(shape)
    if elements == 0:
        raise InputError(f"{path}: '{name}' is empty ({shape[0]} x {shape[1]}), expected at least one row and column.")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if elements > stored * GREATEST_COMPRESSION or elements * 8 > memory / 2:
        raise InputError(
            f"{path}: '{name}' declares {shape[0]} x {shape[1]} values ({elements * 8 / 2**30:.1f} GiB), more than its "
            f"{stored} bytes can hold or half of this machine's memory. {DAMAGED}"
        )
