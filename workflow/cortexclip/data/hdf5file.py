"""HDF5 files: MATLAB's version 7.3, NetCDF-4 and any other with named arrays; one in a group is called "group/name".

MATLAB stores the axes in reverse order and the class as an attribute. Links that are not hard ones, external storage
and virtual arrays are not followed: they may point anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from cortexclip.data.variables import DamagedError, Variable

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MATLAB_KINDS = {"double": "float64", "single": "float32", "logical": "bool"}
MOST_OBJECTS = 10_000
PACKED = ("scale_factor", "add_offset")
FILL = ("_FillValue", "missing_value")


def signature_at(path: Path) -> int | None:
    """Where HDF5 begins in a file: at 0, 512, 1024, 2048, ...; None if nowhere within the first MiB."""
    with open(path, "rb") as stream:
        for at in [0, *(512 << power for power in range(12))]:
            stream.seek(at)
            if stream.read(8) == SIGNATURE:
                return at
    return None


def variables(path: Path) -> list[Variable]:
    """The arrays of a file, from their headers alone."""
    with open(path, "rb") as stream:
        by_matlab = stream.read(10) == b"MATLAB 7.3"
    with h5py.File(path, "r") as file:
        return [_variable(path, name, item, by_matlab) for name, item in _walk(file)]


def _walk(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset | str]]:
    """Name and array of everything in a file, each group once however links lead to it; a str says what is no array."""
    waiting, seen = [("", file["/"])], {_address(file["/"])}
    count = 0
    while waiting:
        above, group = waiting.pop(0)
        for name in group:
            count += 1
            text = name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
            if count > MOST_OBJECTS or text.startswith("#"):  # MATLAB's own
                continue
            key = text.encode("utf-8", "surrogateescape")
            if group.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                yield above + text, "link to another place"
                continue
            item = group[key]
            if isinstance(item, h5py.Dataset):
                yield above + text, item
            elif not isinstance(item, h5py.Group):
                yield above + text, "named type"
            elif kind := _matlab_class(item):
                yield above + text, kind  # a struct or an object, in pieces
            elif _address(item) not in seen:
                seen.add(_address(item))
                waiting.append((f"{above}{text}/", item))


def _address(item: h5py.Group) -> tuple:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr


def _matlab_class(item: h5py.HLObject) -> str:
    kind = item.attrs.get("MATLAB_class", b"")
    return kind.decode("latin-1") if isinstance(kind, bytes) else str(kind)


def _variable(path: Path, name: str, item: h5py.Dataset | str, by_matlab: bool) -> Variable:
    if isinstance(item, str):
        return Variable(name, (), item, 0, lambda: np.empty(()))
    shape, matlab = item.shape, _matlab_class(item)
    kind = _kind(item, matlab)
    refused = ""
    if shape is None:
        shape, kind = (), "empty"
    if item.external or item.is_virtual:
        refused = "lies in other files, which are not read: save it into this one."
    elif by_matlab and not matlab:
        refused = (
            "has no MATLAB_class, so it was not saved by MATLAB and the order of its axes is unknown. Save it with "
            "MATLAB, or with scipy.io.savemat."
        )
    elif any(key in item.attrs for key in PACKED):
        refused = "is packed (scale_factor, add_offset), expected plain numbers: save it unpacked."
    elif matlab and kind == "complex":
        refused = "is complex, expected real numbers."
    if matlab:
        shape = (0, 0) if item.attrs.get("MATLAB_empty") else shape[::-1]
    return Variable(name, shape, kind, item.id.get_storage_size(), lambda: _array(path, name), refused)


def _kind(item: h5py.Dataset, matlab: str) -> str:
    dtype = item.dtype
    if h5py.check_string_dtype(dtype) is not None:
        return "text"
    if dtype.names:
        return "complex" if set(dtype.names) <= {"real", "imag", "r", "i"} else "structured"
    enum = h5py.check_enum_dtype(dtype)
    if dtype.kind == "b" or (enum and {key.upper() for key in enum} == {"FALSE", "TRUE"}):
        return "bool"
    if dtype.kind not in "iuf":
        return matlab or {"O": "reference or ragged", "c": "complex"}.get(dtype.kind, "opaque")
    if matlab:
        numeric = matlab in MATLAB_KINDS or matlab.startswith(("int", "uint"))
        return MATLAB_KINDS.get(matlab, matlab) if numeric else matlab
    return "float64" if dtype.kind == "f" and dtype.itemsize > 8 else dtype.newbyteorder("=").name


def _array(path: Path, name: str) -> np.ndarray:
    with h5py.File(path, "r") as file:
        item = file[name.encode("utf-8", "surrogateescape")]
        kind, matlab = _kind(item, _matlab_class(item)), _matlab_class(item)
        if kind == "text":
            return np.asarray(item.asstr()[()], dtype=np.str_)
        if kind != "bool" and not np.can_cast(item.dtype, kind, "same_kind"):
            raise DamagedError(f"'{name}' is a {kind} array stored as {item.dtype}")
        array = np.asarray(item[()]).astype(kind, copy=False)
        return array.T if matlab else _without_fill(array, item.attrs)


def _without_fill(array: np.ndarray, attributes: h5py.AttributeManager) -> np.ndarray:
    """The values with NaN where they are the fill value that NetCDF-4 names."""
    for key in FILL:
        for value in np.atleast_1d(attributes.get(key, [])):
            if np.issubdtype(np.asarray(value).dtype, np.number) and np.any(array == value):
                array = np.where(array == value, np.nan, array.astype(np.float64))
    return array
