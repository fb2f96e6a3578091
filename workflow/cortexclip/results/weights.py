"""The fitted arrays of a run, ``weights.safetensors``.

Names are ``fold{n}/seed{n}/{name}``, what a decoder's ``weights`` gave, and ``fold{n}/training/voxel_mean`` and
``.../voxel_scale``, mean and standard deviation of each voxel over the samples that the fold's decoder learned from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from cortexclip.errors import InputError
from cortexclip.numerics.standardise import VoxelScaler
from cortexclip.runtime.arrays import single
from cortexclip.runtime.files import atomic_path


def write_weights(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, whole or not at all; float64 is rounded to float32."""
    from safetensors.numpy import save_file

    with atomic_path(path) as temporary:
        save_file({name: single(array) for name, array in arrays.items()}, temporary)


def of_fit(fold: int, seed_index: int, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of one fit under their names in the file."""
    return {f"fold{fold}/seed{seed_index}/{name}": array for name, array in arrays.items()}


def training_statistics(fold: int, scaler: VoxelScaler) -> dict[str, np.ndarray]:
    """Mean and deviation of the voxels that a fold learned from, under their names in the file."""
    return {f"fold{fold}/training/voxel_mean": scaler.mean, f"fold{fold}/training/voxel_scale": scaler.scale}


def read_weights(path: str | os.PathLike, fold: int, seed_index: int) -> tuple[dict[str, np.ndarray], VoxelScaler]:
    """The arrays of one fit by name, and the statistics of the voxels that it learned from.

    Raises InputError if the file is missing or damaged, or holds nothing of this fit.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            prefix, training = f"fold{fold}/seed{seed_index}/", f"fold{fold}/training/"
            arrays = {name.removeprefix(prefix): file.get_tensor(name) for name in names if name.startswith(prefix)}
            statistics = {
                name: file.get_tensor(training + name).astype(np.float64)
                for name in ("voxel_mean", "voxel_scale")
                if training + name in names
            }
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing, so there is nothing to load. Train the run again.") from error
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: damaged ({' '.join(str(error).split())[:200]}). Delete it and run the workflow again."
        ) from error
    if not arrays:
        raise InputError(f"{path}: {_nothing_of(names, fold, seed_index)}")
    if len(statistics) < 2:
        raise InputError(
            f"{path}: lacks the voxels' statistics, which an earlier version did not save. Train it again."
        )
    return arrays, VoxelScaler(statistics["voxel_mean"], statistics["voxel_scale"])


def _nothing_of(names: list[str], fold: int, seed_index: int) -> str:
    kept = sorted({tuple(name.split("/")[:2]) for name in names if "/seed" in name})
    if not kept:
        return "no weights were kept (save_weights: none). Train it with save_weights: first, or all."
    folds = {name for name, _ in kept}
    if f"fold{fold}" not in folds:
        return f"has no fold {fold}; expected a fold from 0 to {len(folds) - 1}."
    return (
        f"keeps no weights of seed {seed_index} (found {', '.join(f'{a} {b}' for a, b in kept[:5])}). "
        "Load seed 0, or train with save_weights: all."
    )
