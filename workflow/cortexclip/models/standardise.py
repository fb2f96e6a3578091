"""Voxel-wise z-scoring with the statistics of the training samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class VoxelScaler:
    """Subtract ``mean`` and divide by ``scale``, both of shape (n_voxels,)."""

    mean: np.ndarray
    scale: np.ndarray

    def __call__(self, brain: np.ndarray) -> np.ndarray:
        """Standardise samples of shape (n_samples, n_voxels); returns float64 of the same shape."""
        return (np.asarray(brain, dtype=np.float64) - self.mean) / self.scale


def fit_scaler(brain: np.ndarray, standardise: bool = True) -> VoxelScaler:
    """Mean and standard deviation of each voxel over samples of shape (n_samples, n_voxels).

    A voxel that is constant over the samples is centred and not scaled. With ``standardise=False`` nothing is changed.
    """
    brain = np.asarray(brain, dtype=np.float64)
    if not standardise:
        return VoxelScaler(np.zeros(brain.shape[1]), np.ones(brain.shape[1]))
    mean, scale = brain.mean(axis=0), brain.std(axis=0)
    constant = scale <= 1e-12 * np.maximum(np.abs(mean), 1.0)
    return VoxelScaler(mean, np.where(constant, 1.0, scale))
