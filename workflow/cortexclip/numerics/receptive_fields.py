"""An encoding model for voxels that see a part of the image: what each voxel answers to an image, and how surely.

A voxel's response is linear in the image under a Gaussian receptive field (Dumoulin and Wandell 2008). Instead of one
best field, each voxel has the mean of all fields of a grid, weighted by how well each explains its training responses.
Few images suffice for it, and it says what a voxel answers to images unlike any of them, which a regression that is
free in all pixels cannot: its weights never leave the span of the training images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from cortexclip.numerics.ridge import fit_ridge
from cortexclip.numerics.standardise import BLOCK, VoxelScaler, fit_scaler

LEAST_NOISE = 1e-3
"""Least noise variance of a voxel of variance 1, so that no voxel is believed without bounds."""


def gaussian_fields(shape: tuple[int, int], sizes: tuple[float, ...], spacing: int) -> np.ndarray:
    """Receptive fields on a square grid of centres, each of sum 1: shape (n_fields, height * width).

    ``sizes`` are standard deviations as fractions of the longer side of images of this shape; centres are ``spacing``
    pixels apart.
    """
    rows, columns = (np.arange(side)[None] for side in shape)
    centres = [np.arange(spacing / 2, side, spacing)[:, None] - 0.5 for side in shape]
    fields = []
    for size in sizes:
        width = size * max(shape)
        vertical, horizontal = (
            np.exp(-0.5 * ((position - centre) / width) ** 2)
            for position, centre in zip((rows, columns), centres, strict=True)
        )
        grid = vertical[:, None, :, None] * horizontal[None, :, None, :]
        fields.append(grid.reshape(-1, shape[0] * shape[1]))
    stacked = np.concatenate(fields)
    return stacked / stacked.sum(axis=1, keepdims=True)


def local_contrast(images: np.ndarray, width: float, block: int) -> np.ndarray:
    """Square root of the local standard deviation of images, which grows ever more slowly with contrast.

    Voxels of early visual cortex follow local contrast, compressed, rather than luminance: the cascade of Kay et al.
    2013, PLoS Computational Biology 9:e1003079, without its oriented filters.

    Parameters
    ----------
    images : array of shape (n_images, height, width).
    width : standard deviation of the Gaussian neighbourhood, as a fraction of the image's longer side.
    block : side of the blocks of pixels, means of which are returned; a border that fills no block is continued.

    Returns
    -------
    array of shape (n_images, n_blocks), row by row.
    """
    n, *shape = images.shape
    images = images.astype(np.float64)
    sigma = (0.0, width * max(shape), width * max(shape))
    variance = gaussian_filter(images**2, sigma) - gaussian_filter(images, sigma) ** 2
    contrast = np.clip(variance, 0.0, None) ** 0.25
    rows, columns = (-(-side // block) for side in shape)
    filled = np.pad(contrast, [(0, 0), *((0, -side % block) for side in shape)], mode="edge")
    return filled.reshape(n, rows, block, columns, block).mean(axis=(2, 4)).reshape(n, -1)


def mean_fields(responses: np.ndarray, seen: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Receptive field of each voxel: the mean of all fields, each with the gain that fits best, by their likelihoods.

    A field's likelihood is that of a regression of the voxel on it with an unknown noise variance, ``(1 -
    r^2)^(-n/2)``. Only positive gains count.

    Of responses (n_samples, n_voxels), z-scored over these samples, of each image under each field (n_samples,
    n_fields), centred over them, and of the fields (n_fields, n_coordinates) in any linear coordinates it gives
    (n_voxels, n_coordinates).
    """
    n = len(responses)
    length = np.maximum(np.sqrt((seen**2).sum(axis=0)), 1e-12)
    result = np.empty((responses.shape[1], fields.shape[1]))
    width = max(1, BLOCK // len(fields))
    for start in range(0, len(result), width):
        voxels = slice(start, start + width)
        slope = np.clip((seen / length).T @ responses[:, voxels], 0.0, None)
        logarithm = -0.5 * n * np.log1p(-np.minimum(slope**2 / n, 1.0 - 1e-9))
        share = np.exp(logarithm - logarithm.max(axis=0))
        share /= share.sum(axis=0)
        result[voxels] = (share * slope / length[:, None]).T @ fields
    return result


@dataclass(frozen=True)
class Evidence:
    """What brain samples say about an image, in coordinates of which each is separated from the others.

    An image is ``mean + coordinates @ axes``; a priori coordinates have mean 0 and covariance 1. Given brain samples,
    the logarithm of the likelihood of coordinates s is ``t @ s - s @ (information * s) / 2`` and a constant, where
    ``t`` is what `read` gives.
    """

    scaler: VoxelScaler  # of the voxels
    readout: np.ndarray  # (n_voxels, n_coordinates)
    information: np.ndarray  # (n_coordinates,), from 0, descending
    mean: np.ndarray  # (n_pixels,)
    axes: np.ndarray  # (n_coordinates, n_pixels)
    inverse: np.ndarray  # (n_pixels, n_coordinates): of centred images to their coordinates

    def read(self, brain: np.ndarray) -> np.ndarray:
        """Sufficient statistic, shape (n_samples, n_coordinates), of brain samples (n_samples, n_voxels)."""
        return self.scaler(brain) @ self.readout

    def coordinates(self, pixels: np.ndarray) -> np.ndarray:
        """Coordinates, shape (n_images, n_coordinates), of images (n_images, n_pixels)."""
        return (pixels - self.mean) @ self.inverse


@dataclass(frozen=True)
class Encoding:
    """A fitted encoding model: voxel = coordinates @ fields + noise, over coordinates of covariance 1.

    ``fields`` has shape (n_voxels, n_coordinates); ``noise`` (n_voxels,) is the noise's variance and ``residual``
    (n_samples, n_voxels) what is left of the training samples. ``axes`` and ``inverse`` are as in `Evidence`.
    """

    scaler: VoxelScaler
    fields: np.ndarray
    noise: np.ndarray
    residual: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    inverse: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """What a figure of the fields needs, by the names under which decoders save it."""
        return {"fields": self.fields, "noise": self.noise, "axes": self.axes}

    def evidence(self, shared: float) -> Evidence:
        """Invert the model for a noise covariance of which a part is shared between voxels, 0 to below 1.

        The covariance is ``(1 - shared) * diag(noise) + shared * residual.T @ residual / n_samples``; the inverse is
        taken in the space of samples (Woodbury).
        """
        scale = np.sqrt(self.noise)
        fields = self.fields / scale[:, None]
        readout = fields
        if shared > 0:
            factor = self.residual / (scale * np.sqrt(len(self.residual)))
            inner = np.eye(len(factor)) * (1.0 - shared) / shared + factor @ factor.T
            readout = fields - factor.T @ np.linalg.solve(inner, factor @ fields)
        readout = readout / (1.0 - shared)
        information, turn = np.linalg.eigh(fields.T @ readout)
        information, turn = np.clip(information[::-1], 0.0, None), turn[:, ::-1]
        return Evidence(
            self.scaler,
            readout @ turn / scale[:, None],
            information,
            self.mean,
            turn.T @ self.axes,
            self.inverse @ turn,
        )


def fit_encoding(
    brain: np.ndarray, pixels: np.ndarray, fields: np.ndarray, axes: np.ndarray, inverse: np.ndarray, standardise: bool
) -> Encoding:
    """Fit every voxel's receptive field and noise.

    Of brain samples (n_samples, n_voxels), pixels (n_samples, n_pixels), ``fields`` of `gaussian_fields`, and ``axes``
    and ``inverse`` of `prior_axes`. ``standardise``: voxels are z-scored; the model supposes voxels of like variance.
    """
    scaler = fit_scaler(brain, standardise)
    responses, mean = scaler(brain), pixels.mean(axis=0)
    centred = pixels - mean
    found = mean_fields(responses, centred @ fields.T, fields @ axes.T)
    residual = responses - (centred @ inverse) @ found.T
    return Encoding(scaler, found, _noise(residual), residual, mean, axes, inverse)


def fit_free_encoding(
    brain: np.ndarray,
    pixels: np.ndarray,
    penalties: np.ndarray,
    axes: np.ndarray,
    inverse: np.ndarray,
    standardise: bool,
) -> Encoding:
    """As `fit_encoding` with voxels that are linear in all pixels, by ridge with one penalty for all of them.

    The penalty, one of ``penalties`` (n_penalties,), is chosen by leave-one-out, whose residuals are the noise.
    """
    scaler = fit_scaler(brain, standardise)
    responses = scaler(brain)
    ridge = fit_ridge(pixels, responses, penalties)
    found = (axes @ ridge.coefficients).T
    residual = responses - ridge.loo_prediction
    return Encoding(scaler, found, _noise(residual), residual, pixels.mean(axis=0), axes, inverse)


def _noise(residual: np.ndarray) -> np.ndarray:
    return np.maximum((residual**2).mean(axis=0), LEAST_NOISE)
