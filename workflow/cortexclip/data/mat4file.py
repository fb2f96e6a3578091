"""MATLAB files of version 4: a sequence of matrices, each a header of 20 bytes, its name and its numbers.

Format: MathWorks, "MAT-File Format", version 4. All matrices of this version are doubles to MATLAB, whatever type they
are stored as. There is no signature; a file counts as one if its first header is possible.
"""

from __future__ import annotations

import math
import os
import struct
from functools import partial
from pathlib import Path

import numpy as np

from cortexclip.data.variables import DamagedError, Variable

HEADER = 20
STORED_AS = ("f8", "f4", "i4", "i2", "u2", "u1")
KINDS = ("float64", "char", "sparse")
LONGEST_NAME = 256


def recognises(head: bytes, size: int) -> bool:
    """Whether a file of ``size`` bytes that begins with ``head`` (1024 bytes, or all) can be of version 4."""
    try:
        order, _, _, rows, columns, _, name_length = _header(head)
    except (DamagedError, struct.error):
        return False
    name = head[HEADER : HEADER + name_length]
    return (
        order is not None
        and min(rows, columns) >= 0
        and HEADER + name_length <= size
        and name[-1:] == b"\0"
        and name[:-1].isascii()
        and name[:-1].decode("ascii").isidentifier()
    )


def variables(path: Path) -> list[Variable]:
    """The matrices of a file, from their headers alone."""
    found = []
    with open(path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        at = 0
        while at < size:
            stream.seek(at)
            order, stored, kind, rows, columns, is_complex, name_length = _header(stream.read(HEADER))
            name = stream.read(name_length).partition(b"\0")[0].decode("latin-1")
            begin = at + HEADER + name_length
            if min(rows, columns) < 0:
                raise DamagedError(f"a matrix of {rows} x {columns} at byte {at}")
            dtype = np.dtype(order + stored)
            length = rows * columns * dtype.itemsize
            at = begin + length * (2 if is_complex else 1)
            if at > size:
                raise DamagedError(f"'{name}' declares {rows} x {columns} values, more than {size} bytes can hold")
            found.append(
                Variable(
                    name,
                    (rows, columns),
                    kind,
                    length,
                    partial(_matrix, path, begin, dtype, (rows, columns)),
                    "is complex, expected real numbers." if is_complex else "",
                )
            )
    return found


def _header(content: bytes) -> tuple[str, str, str, int, int, bool, int]:
    """Byte order, stored type, kind, rows, columns, whether complex, and the length of the name with its last zero."""
    for order in "<>":
        mopt, rows, columns, is_complex, name_length = struct.unpack_from(order + "5i", content)
        thousands, hundreds, stored, kind = mopt // 1000, mopt // 100 % 10, mopt // 10 % 10, mopt % 10
        fits = thousands == "<>".index(order) and hundreds == 0 and stored < len(STORED_AS) and kind < len(KINDS)
        if mopt >= 0 and fits and is_complex in (0, 1) and 2 <= name_length <= LONGEST_NAME:
            return order, STORED_AS[stored], KINDS[kind], rows, columns, bool(is_complex), name_length
    raise DamagedError(f"{content[:HEADER]!r} is no header of a matrix")


def _matrix(path: Path, begin: int, dtype: np.dtype, shape: tuple[int, int]) -> np.ndarray:
    with open(path, "rb") as stream:
        stream.seek(begin)
        values = np.fromfile(stream, dtype, math.prod(shape))
    return values.reshape(shape, order="F").astype(np.float64)
