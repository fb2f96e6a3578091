"""Files of named arrays: which format one has, which arrays are in it, and the arrays themselves.

The format is known by the file's first bytes, never by its name. Nothing is unpickled, no link out of the file is
followed, and no length is believed before it was compared with the size of the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cortexclip.data import hdf5file, mat4file, matfile, npzfile
from cortexclip.data.variables import DAMAGED, DamagedError, Variable, printable, problem
from cortexclip.errors import InputError

Lister = Callable[[Path], list[Variable]]
WEB_PAGE = ("a web page", "The download gave a page in place of the file: open the address in a browser.")
OTHERS = (
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself", "Get the file: git lfs pull."),
    (b"<html", *WEB_PAGE),
    (b"<!doctype html", *WEB_PAGE),
    (b"\x80\x04", "a pickle of Python", "It is never loaded, since it could run code: save arrays with numpy.savez."),
    (
        b"\x93numpy",
        "a single array of numpy",
        "Save responses and images in one file: numpy.savez(file, brain=..., stimuli=...).",
    ),
    (b"\x1f\x8b", "compressed by gzip", "Unpack it: gunzip."),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it."),
    (b"rar!", "a rar archive", "Unpack it."),
)
"""What other files begin with, what they are, and what to do."""
MATLAB = ("MATLAB, version 4", "MATLAB, version 5 to 7.2", "MATLAB, version 7.3 (HDF5)")
KNOWN = "a MATLAB file, HDF5, NetCDF-4 or .npz file"


def format_of(path: str | os.PathLike) -> tuple[str, Lister]:
    """The format of a file in words, and the function that lists its arrays.

    Raises InputError if the file is missing, a folder, empty, not a plain file, or of no format that is known here.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected {KNOWN}.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is a device or pipe, expected {KNOWN}.")
    try:
        with open(path, "rb") as stream:
            head = stream.read(1024)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Run the fetch stage or check the path."
        ) from error
    if not head:
        raise InputError(f"{path}: is empty (0 bytes), expected {KNOWN}. Fetch it again.")
    if matfile.recognises(head):
        return MATLAB[1], matfile.variables
    at = hdf5file.signature_at(path)
    if at is not None:
        by_matlab = head.startswith(b"MATLAB 7.3")
        return MATLAB[2] if by_matlab else "HDF5 (NetCDF-4 included)", hdf5file.variables
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "numpy .npz", npzfile.variables
    if head.startswith(b"CDF"):
        raise InputError(
            f"{path}: is NetCDF of the classic format, expected {KNOWN}. Save it anew: "
            'xarray.load_dataset(file).to_netcdf("new.nc", engine="h5netcdf").'
        )
    if mat4file.recognises(head, path.stat().st_size):
        return MATLAB[0], mat4file.variables
    what, advice = next(
        ((what, advice) for begin, what, advice in OTHERS if begin in head[:200].lower()), ("", DAMAGED)
    )
    if not what and head.isascii() and " ".join(head[:200].decode("ascii").split()).isprintable():
        what, advice = "text", "If it is a table of numbers, save it as a MATLAB file or with numpy.savez."
    found = f"{what + '; ' if what else ''}it begins with {head[:20]!r}"
    raise InputError(f"{path}: is of no format that can be read here ({found}), expected {KNOWN}. {advice}")


def variables(path: str | os.PathLike) -> list[Variable]:
    """The arrays of a file, from their headers alone; raises InputError as :func:`load_arrays` does."""
    path = Path(path)
    name, lister = format_of(path)
    with _damage(path, name):
        return lister(path)


def load(variable: Variable, where: str, text: bool = False) -> np.ndarray:
    """The array itself, of the declared type and shape.

    Raises InputError with :func:`problem` (``where`` is how the message names the file), and DamagedError if what is
    read is not what was declared.
    """
    reason = problem(variable, text)
    if reason:
        raise InputError(f"{where}: '{printable(variable.name)}' {reason}")
    with np.errstate(invalid="ignore"):  # damaged bits may be a signalling NaN
        array = variable.load()
    if array.shape != variable.shape:
        raise DamagedError(f"'{printable(variable.name)}' has the shape {array.shape}, declared {variable.shape}")
    return array


def load_arrays(path: str | os.PathLike, names: Iterable[str], text: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Load real, numeric arrays by name, in the type that the file gives them; those in ``text`` may hold text.

    Raises InputError if the file is missing, empty, damaged or of no known format; if an array is missing, there twice,
    empty, or a struct, cell, object, text, sparse or complex array; and if the file declares an array larger than it
    can hold or than half of this machine's memory.
    """
    path = Path(path)
    format_name, lister = format_of(path)
    with _damage(path, format_name):
        found = lister(path)
        names = list(dict.fromkeys(names))
        for name in names:
            check_present(path, name, [variable.name for variable in found])
        wanted = {variable.name: variable for variable in found if variable.name in names}
        return {name: load(wanted[name], str(path), name in text) for name in names}


@contextmanager
def _damage(path: Path, format_name: str) -> Iterator[None]:
    """Turns what a library raises for a damaged file into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = printable(" ".join(str(error).split())[:200])
        raise InputError(
            f"{path}: cannot be read as {format_name} ({type(error).__name__}: {reason}). {DAMAGED}"
        ) from error


def check_present(path: Path, name: str, found: list[str]) -> None:
    """Raise InputError unless a file that holds arrays of the names ``found`` has just one of this name."""
    if name not in found:
        listed = sorted({printable(other) for other in found})
        more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
        raise InputError(
            f"{path}: has no array '{name}'; found {', '.join(listed[:20]) or 'no array at all'}{more}. "
            f"Name its arrays under 'arrays' in the entry of the dataset"
            f"{', or set labels: none' if 'label' in name.lower() else ''}."
        )
    if found.count(name) > 1:
        raise InputError(f"{path}: holds '{name}' {found.count(name)} times, expected once.")
