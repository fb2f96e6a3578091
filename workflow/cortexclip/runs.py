"""The files of a training run: predictions, history, weights and the record of what was done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.errors import InputError
from cortexclip.files import atomic_path


def write_predictions(
    path: str | os.PathLike,
    images: np.ndarray,
    sample: np.ndarray,
    fold: np.ndarray,
    *,
    embedding: np.ndarray | None = None,
    nearest: np.ndarray | None = None,
    draws: np.ndarray | None = None,
    attributes: Mapping[str, str],
) -> None:
    """Write what a method predicted for every scored sample.

    Parameters
    ----------
    images : array of shape (n_seeds, n_samples, height, width), 0 to 1.
    sample : array of shape (n_samples,): position in the dataset. Each sample is scored in one fold.
    fold : array of shape (n_samples,): the fold that it was scored in.
    embedding : array of shape (n_seeds, n_samples, n_features) or None.
    nearest : array like ``images`` or None: the training stimulus of nearest embedding.
    draws : array of shape (n_draws, n_samples, height, width) or None: images that the first seed drew.
    """
    variables = {"image": (("seed", "sample", "y", "x"), images.astype(np.float32))}
    if nearest is not None:
        variables["nearest"] = (("seed", "sample", "y", "x"), nearest.astype(np.float32))
    if draws is not None:
        variables["draws"] = (("draw", "sample", "y", "x"), draws.astype(np.float32))
    if embedding is not None:
        variables["embedding"] = (("seed", "sample", "feature"), embedding.astype(np.float32))
    dataset = xr.Dataset(
        variables,
        coords={
            "seed": np.arange(len(images), dtype=np.int32),
            "sample": np.asarray(sample, dtype=np.int32),
            "fold": ("sample", np.asarray(fold, dtype=np.int32)),
        },
        attrs=dict(attributes),
    )
    encoding = {name: {"zlib": True, "complevel": 1, "fletcher32": True} for name in variables}
    encoding |= {name: {"fletcher32": True} for name in ("sample", "fold")}
    with atomic_path(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


def scored_draw(predictions: xr.Dataset) -> str:
    """Which of the first seed's draws its scored image is: "first", their "mean", or "neither"; found by comparing.

    ``predictions`` has the variables ``image`` (seed, sample, y, x) and ``draws`` (draw, sample, y, x).
    """
    image, draws = predictions.image.values[0], predictions.draws.values
    if np.array_equal(image, draws[0]):
        return "first"
    return "mean" if np.allclose(image, draws.mean(axis=0), atol=1e-5) else "neither"


@contextmanager
def _reading(path: str | os.PathLike) -> Iterator[None]:
    """Turn whatever reading a file raises into an InputError."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing. Run the workflow again.") from error
    except Exception as error:  # damaged files raise OSError, KeyError, ArrowInvalid and others
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: damaged ({reason}). Delete it and run the workflow again.") from error


def read_netcdf(path: str | os.PathLike, group: str | None = None) -> xr.Dataset:
    """Read one of the project's own NetCDF files, or a group of it, into memory; InputError if missing or damaged."""
    with _reading(path), xr.open_dataset(path, engine="h5netcdf", group=group) as dataset:
        return dataset.load()


def write_groups(path: str | os.PathLike, groups: Mapping[str, xr.Dataset]) -> None:
    """Write several data sets as the groups of one NetCDF file, with checksums, whole or not at all."""
    encoding = {f"/{name}": {variable: {"fletcher32": True} for variable in each} for name, each in groups.items()}
    with atomic_path(path) as temporary:
        xr.DataTree.from_dict(dict(groups)).to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


def read_parquet(path: str | os.PathLike) -> pd.DataFrame:
    """Read one of the project's own tables; InputError if it is missing or damaged."""
    with _reading(path):
        return pd.read_parquet(path, page_checksum_verification=True)


def write_parquet(path: str | os.PathLike, table: pd.DataFrame) -> None:
    """Write a table, whole or not at all."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd", write_page_checksum=True)


def history_table(rows: Sequence[dict]) -> pd.DataFrame:
    """Training history with columns fold, seed, stage ("select" or "refit"), epoch, quantity, value; may be empty."""
    columns = {
        "fold": "int32",
        "seed": "int32",
        "stage": "str",
        "epoch": "int32",
        "quantity": "str",
        "value": "float64",
    }
    return pd.DataFrame(list(rows), columns=list(columns)).astype(columns)
