"""The files of a training run: predictions, history, weights and the record of what was done."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.runtime.arrays import reading
from cortexclip.runtime.files import atomic_path


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
    draws : array of shape (n_seeds, n_draws, n_samples, height, width) or None: images that each seed drew.
    """
    variables: dict[str, tuple] = {"image": (("seed", "sample", "y", "x"), images.astype(np.float32))}
    if nearest is not None:
        variables["nearest"] = (("seed", "sample", "y", "x"), nearest.astype(np.float32))
    if draws is not None:
        variables["draws"] = (("seed", "draw", "sample", "y", "x"), draws.astype(np.float32))
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


def read_predictions(path: str | os.PathLike) -> xr.Dataset:
    """What :func:`write_predictions` wrote, in memory; InputError if it is missing or damaged."""
    with reading(path), xr.open_dataset(path, engine="h5netcdf") as predictions:
        return predictions.load()


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
