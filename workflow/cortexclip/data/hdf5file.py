"""HDF5 files: MATLAB's version 7.3, NetCDF-4 and any other with named arrays; one in a group is called "group/name".

MATLAB stores the axes in reverse order and the class as an attribute. Links that are not hard ones, external storage
and virtual arrays are not followed: they may point anywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from cortexclip.data.variables import BDPY, DamagedError, Variable, bdpy_columns, printable, stacked

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MATLAB_KINDS = {"double": "float64", "single": "float32", "logical": "bool"}
MOST_OBJECTS = 10_000
MOST_IN_CELL, MOST_IMAGES = 16, 100_000
"""Up to so many arrays in a cell are listed each, and so many of one shape as one array."""
MOST_METADATA = 1 << 28  # bytes
FILTERS = {
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32026: "blosc2",
}
"""Registered compressions of HDF5 that it does not come with."""
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
    """The arrays of a file, from their headers alone; those of a file of bdpy by the keys of its metadata."""
    with open(path, "rb") as stream:
        by_matlab = stream.read(10) == b"MATLAB 7.3"
    with h5py.File(path, "r") as file:
        if of_bdpy := [Variable(*one) for one in _of_bdpy(path, file)]:
            return of_bdpy
        return [_variable(path, name, item, by_matlab) for name, item in _walk(file)]


def _walk(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset | str]]:
    """Name and array of everything in a file, each group once however links lead to it; a str says what is no array.

    What is in a struct of MATLAB is called "struct.field", what is in a small cell "cell{1}".
    """
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
                yield from _in_cell(file, above + text, item)
            elif not isinstance(item, h5py.Group):
                yield above + text, "named type"
            elif (kind := _matlab_class(item)) and (kind != "struct" or "MATLAB_sparse" in item.attrs):
                yield above + text, "sparse" if "MATLAB_sparse" in item.attrs else kind
            elif _address(item) not in seen:
                seen.add(_address(item))
                if kind:
                    yield above + text, kind
                waiting.append((f"{above}{text}{'.' if kind else '/'}", item))


def _in_cell(file: h5py.File, name: str, item: h5py.Dataset) -> Iterator[tuple[str, h5py.Dataset]]:
    """The arrays in a small cell of MATLAB, which lie elsewhere in the file."""
    if _matlab_class(item) == "cell" and item.size and item.size <= MOST_IN_CELL and not item.external:
        yield from ((f"{name}{{{number}}}", inner) for number, inner in _members(file, item))


def _members(file: h5py.File, item: h5py.Dataset) -> Iterator[tuple[int, h5py.Dataset]]:
    """The arrays in a cell of MATLAB with their numbers from 1."""
    for number, reference in enumerate(item[()].reshape(-1), 1):
        inner = file[reference] if isinstance(reference, h5py.Reference) and reference else None
        if isinstance(inner, h5py.Dataset):
            yield number, inner


def _of_bdpy(path: Path, file: h5py.File) -> Iterator[tuple]:
    """Columns of the one table of a bdpy file, for each key of the metadata that marks columns with 1."""
    table, keys, values = (
        _first(file, *(form.format(*names) for names in BDPY)) for form in ("{0}", "{1}/key", "{1}/value")
    )
    if table is None or keys is None or values is None:
        return
    if table.ndim != 2 or values.shape != (keys.size, table.shape[1]):
        return
    if any(item.external or item.is_virtual for item in (table, keys, values)) or values.nbytes > MOST_METADATA:
        return
    kind = table.dtype.newbyteorder("=").name
    for name, columns in bdpy_columns(keys[()].reshape(-1).tolist(), values[()]):
        shape = (table.shape[0], len(columns))
        yield name, shape, kind, table.id.get_storage_size(), functools.partial(_columns, path, table.name, columns)


def _first(file: h5py.File, *names: str) -> h5py.Dataset | None:
    """The first of these that is in the file itself."""
    there = (name for name in names if name in file and file.get(name, getlink=True).__class__ is h5py.HardLink)
    found = file.get(next(there, "/"))
    return found if isinstance(found, h5py.Dataset) else None


def _columns(path: Path, name: str, columns: np.ndarray) -> np.ndarray:
    with h5py.File(path, "r") as file:
        table = file[name][:, columns[0] : columns[-1] + 1][:, columns - columns[0]]
    return table.astype(table.dtype.newbyteorder("="), copy=False)


def _address(item: h5py.Group) -> tuple:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr


def _matlab_class(item: h5py.HLObject) -> str:
    kind = item.attrs.get("MATLAB_class", b"")
    return kind.decode("latin-1") if isinstance(kind, bytes) else str(kind)


def _variable(path: Path, name: str, item: h5py.Dataset | str, by_matlab: bool) -> Variable:
    if isinstance(item, str):
        refused = "is a struct; the arrays in it are named by themselves." if item == "struct" else ""
        return Variable(name, (), item, 0, lambda: np.empty(()), refused)
    shape, matlab = item.shape, _matlab_class(item)
    if matlab == "cell" and shape and MOST_IN_CELL < item.size == max(shape) <= MOST_IMAGES and not item.external:
        members = [inner for _, inner in _members(item.file, item) if _matlab_class(inner) != "cell"]
        one = stacked(name, [_variable(path, name, inner, by_matlab) for inner in members])
        if one and len(members) == item.size:
            return one
    kind = _kind(item, matlab)
    refused = ""
    if shape is None:
        shape, kind = (), "empty"
    if missing := _missing_filter(item):
        refused = f"is compressed by {missing}, which this installation cannot read: save it with gzip instead."
    elif item.external or item.is_virtual:
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
    return Variable(name, shape, kind, item.id.get_storage_size(), functools.partial(_array, path, item.name), refused)


def _missing_filter(item: h5py.Dataset) -> str:
    """The name of a compression that is not there, or ""."""
    properties = item.id.get_create_plist()
    for number in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            return FILTERS.get(code) or printable(name.decode("latin-1")) or f"filter {code}"
    return ""


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
        item = file[name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")]
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
