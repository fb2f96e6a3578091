"""The project's own files of arrays and tables, NetCDF and parquet: with checksums, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.errors import InputError
from cortexclip.runtime.files import atomic_path


def single(array: np.ndarray) -> np.ndarray:
    """An array as it is saved: float32 in place of float64, contiguous."""
    return np.asarray(array, dtype=np.float32 if array.dtype == np.float64 else array.dtype, order="C")


@contextmanager
def reading(path: str | os.PathLike, what: str = "damaged") -> Iterator[None]:
    """Turn whatever reading a file raises into an InputError."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing. Run the workflow again.") from error
    except Exception as error:  # damaged files raise OSError, KeyError, ArrowInvalid and others
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: {what} ({reason}). Delete it and run the workflow again.") from error


def read_netcdf(path: str | os.PathLike, group: str | None = None) -> xr.Dataset:
    """Read one of the project's own NetCDF files, or a group of it, into memory; InputError if missing or damaged."""
    with reading(path), xr.open_dataset(path, engine="h5netcdf", group=group) as dataset:
        return dataset.load()


def write_groups(path: str | os.PathLike, groups: Mapping[str, xr.Dataset]) -> None:
    """Write several data sets as the groups of one NetCDF file, with checksums, whole or not at all."""
    encoding = {f"/{name}": {variable: {"fletcher32": True} for variable in each} for name, each in groups.items()}
    with atomic_path(path) as temporary:
        xr.DataTree.from_dict(dict(groups)).to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


def read_parquet(path: str | os.PathLike, what: str = "damaged", **options: Any) -> pd.DataFrame:
    """Read one of the project's own tables; InputError if it is missing, or ``what`` where it cannot be read."""
    with reading(path, what):
        return pd.read_parquet(path, page_checksum_verification=True, **options)


def write_parquet(path: str | os.PathLike, table: pd.DataFrame) -> None:
    """Write a table, whole or not at all."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd", write_page_checksum=True)
