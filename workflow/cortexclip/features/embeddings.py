"""The embeddings of a dataset's distinct stimuli: in what order they come, what they must be, and their file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import numpy as np
import xarray as xr

from cortexclip.errors import InputError
from cortexclip.runtime.files import atomic_path


def distinct_stimuli(data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Identities (n_stimuli,) and images float32 (n_stimuli, y, x) of a dataset, each once, by first appearance."""
    identity = data["stimulus"].values
    first = np.sort(np.unique(identity, return_index=True)[1])
    return identity[first], data["stimuli"].values[first]


def embed(encoder, name: str, images: np.ndarray, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Embeddings (n_stimuli, n_features) of images; raises InputError unless there is one of finite values for each."""
    embedding = encoder.encode(images, progress=progress)
    if embedding.shape[0] != len(images) or not np.isfinite(embedding).all():
        raise InputError(
            f"encoder '{name}': gave {embedding.shape} with NaN or infinite values or another number of rows for "
            f"{len(images)} stimuli, expected one finite embedding each. Check the encoder's weights and settings."
        )
    return embedding


def write(path: str | os.PathLike, embedding: np.ndarray, stimulus: np.ndarray, encoder: str, provenance: dict) -> None:
    """Write embeddings (stimulus, feature) as netCDF-4, whole or not at all."""
    content = xr.Dataset(
        {"embedding": (("stimulus", "feature"), np.asarray(embedding, np.float32), {"long_name": "image embedding"})},
        coords={"stimulus": np.asarray(stimulus, np.str_)},
        attrs={"encoder": encoder, "provenance": json.dumps(provenance, sort_keys=True)},
    )
    with atomic_path(path) as temporary:
        content.to_netcdf(temporary, engine="h5netcdf", encoding={"embedding": {"fletcher32": True}})
