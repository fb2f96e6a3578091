"""Files of numpy's ``savez``: a zip archive of one ``.npy`` file for each array. Nothing is ever unpickled."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from cortexclip.data.variables import DamagedError, Variable

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
KINDS = {
    "O": "pickled object",
    "V": "structured",
    "M": "date",
    "m": "time span",
    "c": "complex",
    "U": "text",
    "S": "text",
}
PADDING = 4096  # bytes that a header may take besides the numbers


def variables(path: Path) -> list[Variable]:
    """The arrays of a file, from their headers alone; members that are no arrays are listed as such."""
    with zipfile.ZipFile(path) as archive:
        return [_variable(path, archive, member) for member in archive.infolist()]


def _variable(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Variable:
    name = member.filename.removesuffix(".npy")
    if not member.filename.endswith(".npy"):
        return Variable(member.filename, (), "unknown", member.compress_size, lambda: np.empty(()))
    if member.compress_type not in METHODS:
        raise DamagedError(f"'{name}' is compressed by method {member.compress_type}, which numpy does not use")
    with archive.open(member) as stream:
        shape, _, dtype = _header(stream)
    kind = KINDS.get(dtype.kind, dtype.newbyteorder("=").name)
    if dtype.kind == "f" and dtype.itemsize > 8:
        kind = "float64"
    return Variable(name, shape, kind, member.compress_size + PADDING, lambda: _array(path, member))


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran order, and type."""
    version = np.lib.format.read_magic(stream)
    if version not in HEADERS:
        raise DamagedError(f"version {version} of .npy, which is not for plain numbers")
    return HEADERS[version](stream)


def _array(path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        shape, fortran, dtype = _header(stream)
        length = math.prod(shape) * dtype.itemsize
        content = stream.read(length)
        if len(content) != length or stream.read(1):  # at its end the checksum is compared
            raise DamagedError(f"'{member.filename}' does not hold {length} bytes")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    if dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if dtype.kind == "f" and dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(dtype.newbyteorder("="))
