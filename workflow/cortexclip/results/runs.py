"""The files of a training run: predictions, history, weights and the record of what was done."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.runtime.arrays import reading
from cortexclip.runtime.files import atomic_path


def labelled_predictions(
    images: np.ndarray,
    sample: np.ndarray,
    fold: np.ndarray,
    *,
    embedding: np.ndarray | None = None,
    nearest: np.ndarray | None = None,
    draws: np.ndarray | None = None,
    attributes: Mapping[str, str],
) -> xr.Dataset:
    """What a method predicted for every scored sample.

    Parameters
    ----------
    images : array of shape (n_seeds, n_samples, height, width), 0 to 1.
    sample : array of shape (n_samples,): position in the dataset. Each sample is scored in one fold.
    fold : array of shape (n_samples,): the fold that it was scored in.
    embedding : array of shape (n_seeds, n_samples, n_features) or None.
    nearest : array like ``images`` or None: the training stimulus of nearest embedding.
    draws : array of shape (n_seeds, n_draws, n_samples, height, width) or None: images that each seed drew.
    attributes : protocol, method and encoder.
    """
    variables = {
        "image": (("seed", "sample", "y", "x"), images),
        "nearest": (("seed", "sample", "y", "x"), nearest),
        "draws": (("seed", "draw", "sample", "y", "x"), draws),
        "embedding": (("seed", "sample", "feature"), embedding),
    }
    return xr.Dataset(
        {name: (axes, array) for name, (axes, array) in variables.items() if array is not None},
        coords={
            "seed": np.arange(len(images), dtype=np.int32),
            "sample": np.asarray(sample, dtype=np.int32),
            "fold": ("sample", np.asarray(fold, dtype=np.int32)),
        },
        attrs=dict(attributes),
    )


def write_predictions(path: str | os.PathLike, *arrays: np.ndarray, **others: Any) -> None:
    """Write what :func:`labelled_predictions` makes of these arguments, as float32."""
    dataset = labelled_predictions(*arrays, **others)
    for name in dataset.data_vars:
        dataset[name] = dataset[name].astype(np.float32)
    encoding = {name: {"zlib": True, "complevel": 1, "fletcher32": True} for name in dataset.data_vars}
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
