"""Voxel-wise z-scoring with the statistics of the training samples, and vectors scaled to length 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 22
"""Numbers of a block of voxels that are held as float64 at a time: 32 MiB."""


@dataclass(frozen=True)
class VoxelScaler:
    """Subtract ``mean`` and divide by ``scale``, both of shape (n_voxels,)."""

    mean: np.ndarray
    scale: np.ndarray

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Both under the names by which decoders keep them."""
        return {"voxel_mean": self.mean, "voxel_scale": self.scale}

    def __call__(self, brain: np.ndarray) -> np.ndarray:
        """Standardise samples of shape (n_samples, n_voxels); returns float64 of the same shape."""
        return self._scale(brain, slice(None))

    def blocks(self, *brains: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """The same voxels of several arrays (n_samples, n_voxels), standardised as float64, block by block."""
        for voxels in blocks_of(*brains):
            yield tuple(self._scale(brain, voxels) for brain in brains)

    def _scale(self, brain: np.ndarray, voxels: slice) -> np.ndarray:
        scaled = np.array(np.asarray(brain)[:, voxels], dtype=np.float64)
        scaled -= self.mean[voxels]
        scaled /= self.scale[voxels]
        return scaled


def blocks_of(*brains: np.ndarray) -> Iterator[slice]:
    """Slices of voxels that cover arrays of shape (n_samples, n_voxels), `BLOCK` numbers of all of them at a time."""
    n_voxels = brains[0].shape[1]
    width = max(1, BLOCK // max(1, sum(len(brain) for brain in brains)))
    return (slice(start, start + width) for start in range(0, n_voxels, width))


def fit_scalar_scaler(brain: np.ndarray) -> VoxelScaler:
    """One mean and one standard deviation of all values of an array (n_samples, n_voxels), the same for every voxel."""
    brain = np.asarray(brain, dtype=np.float64)
    n_voxels, scale = brain.shape[1], brain.std()
    return VoxelScaler(np.full(n_voxels, brain.mean()), np.full(n_voxels, scale if scale > 0 else 1.0))


def fit_scaler(brain: np.ndarray, standardise: bool = True) -> VoxelScaler:
    """Mean and standard deviation of each voxel over samples of shape (n_samples, n_voxels).

    A voxel that is constant over the samples is centred and not scaled. With ``standardise=False`` nothing is changed.
    """
    brain = np.asarray(brain)
    mean, scale = np.zeros(brain.shape[1]), np.ones(brain.shape[1])
    if not standardise:
        return VoxelScaler(mean, scale)
    for voxels in blocks_of(brain):
        block = np.asarray(brain[:, voxels], dtype=np.float64)
        mean[voxels], scale[voxels] = block.mean(axis=0), block.std(axis=0)
    constant = scale <= 1e-12 * np.maximum(np.abs(mean), 1.0)
    return VoxelScaler(mean, np.where(constant, 1.0, scale))


def voxel_weights(explained: np.ndarray, power: float) -> np.ndarray:
    """Factor of each voxel, shape (n_voxels,), whose square is the variance explained to ``power``, of mean 1.

    ``explained`` (n_voxels,) is not negative. Where nothing is explained all factors are 1, as they are with power 0.
    """
    squares = explained**power
    total = squares.mean()
    return np.sqrt(squares / total) if total > 0 else np.ones_like(squares)


def fit_range_scaler(brain: np.ndarray) -> VoxelScaler:
    """The range of each voxel over samples of shape (n_samples, n_voxels) becomes 0 to 1; a constant one becomes 0."""
    low = np.min(brain, axis=0).astype(np.float64)
    scale = np.max(brain, axis=0) - low
    return VoxelScaler(low, np.where(scale > 0, scale, 1.0))


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., n_features) divided by their length; NaN where one is zero or not finite."""
    # Dividing by the largest entry first keeps the squares of very small or large vectors representable.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scaled = vectors / np.abs(vectors).max(axis=-1, keepdims=True)
        return scaled / np.linalg.norm(scaled, axis=-1, keepdims=True)
