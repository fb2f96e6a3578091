"""A prior over images that is fitted on the training images alone, and the mean image given brain samples.

The prior is a mixture of Gaussians of one covariance around images: the training images, or deformed copies of them
(moved, turned, sheared and stretched a little). With the linear encoding model of `receptive_fields` the posterior
mean is in closed form. One component around the mean image is a Gaussian prior (Schoenmakers et al. 2013); a narrow
component at each training image is recognition; in between are images like, but not equal to, the ones seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import cdist
from scipy.stats import norm, qmc

from cortexclip.numerics.receptive_fields import Evidence

DEFORMATION = {"shift": 1.5 / 28, "turn": 0.1, "shear": 0.12, "stretch": 0.12}
"""Standard deviations of a deformation of strength 1: of the image's side, radians, slope and log factor."""


def prior_axes(images: np.ndarray, smooth: float, reach: float, n_coordinates: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal axes of the prior's covariance, scaled so that coordinates on them have variance 1.

    The covariance is ``(1 - smooth)`` times that of the images (n_images, height, width) plus ``smooth``, 0 to 1, times
    one of the same variances where only near pixels are alike, ``exp(-d^2 / (2 reach^2))`` with ``reach`` in pixels;
    without it only images in the span of the training images could be decoded.

    Gives at most ``n_coordinates`` axes, (n_coordinates, n_pixels), and their inverse (n_pixels, n_coordinates):
    coordinates of a centred image are ``image @ inverse``.
    """
    pixels = images.reshape(len(images), -1).astype(np.float64)
    covariance = np.cov(pixels.T, bias=True)
    spread = np.sqrt(np.diag(covariance))
    near = _nearness(block_centres(images.shape[1:]), reach) * np.outer(spread, spread)
    return _axes((1.0 - smooth) * covariance + smooth * near, n_coordinates)


def joint_axes(
    vectors: np.ndarray, mean: np.ndarray, position: np.ndarray, smooth: float, reach: float, n_coordinates: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `prior_axes`, for images together with features of theirs, each of which has a position in the image.

    The covariance is ``(1 - smooth)`` times that of the vectors about ``mean`` plus ``smooth`` times its localised
    form, of which each element is multiplied by ``exp(-d^2 / (2 reach^2))`` (Houtekamer and Mitchell 2001, Monthly
    Weather Review 129).

    Parameters
    ----------
    vectors : array of shape (n_vectors, n_values), such as features and pixels of many images.
    mean : array of shape (n_values,).
    position : array of shape (n_values, 2), of each value, in pixels.
    smooth : 0 to 1.
    reach : pixels.
    n_coordinates : the number of axes, cut to what there is.

    Returns
    -------
    axes, inverse : arrays of shape (n_coordinates, n_values) and (n_values, n_coordinates).
    """
    centred = vectors - mean
    covariance = centred.T @ centred / len(centred)
    return _axes(covariance * (1.0 - smooth + smooth * _nearness(position, reach)), n_coordinates)


def block_centres(shape: tuple[int, int], block: int = 1) -> np.ndarray:
    """Centres, in pixels, of blocks of ``block`` by ``block`` pixels of an image, shape (n_blocks, 2), row by row."""
    centres = np.indices([-(-side // block) for side in shape]).reshape(2, -1).T
    return (centres + 0.5) * block - 0.5


def _nearness(position: np.ndarray, reach: float) -> np.ndarray:
    return np.exp(-cdist(position, position, "sqeuclidean") / (2.0 * reach**2))


def _axes(covariance: np.ndarray, n_coordinates: int) -> tuple[np.ndarray, np.ndarray]:
    n = len(covariance)
    values, vectors = eigh(covariance, subset_by_index=[max(0, n - n_coordinates), n - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > 1e-9 * max(values[0], 1e-12)
    scale = np.sqrt(values[kept])
    return (vectors[:, kept] * scale).T, vectors[:, kept] / scale


def deform(images: np.ndarray, copies: int, strength: float) -> np.ndarray:
    """Deformed copies (n_images, copies, height, width) of every image (n_images, height, width).

    By affine maps about its centre, interpolated linearly, black outside. The maps are normally distributed with the
    standard deviations of `DEFORMATION` times ``strength`` (0 gives the images themselves), taken from a Halton
    sequence, so that nothing is random.
    """
    n, height, width = images.shape
    sequence = qmc.Halton(6, scramble=False).random(n * copies + 1)[1:]  # the first point is 0
    # Consecutive points go to different images, so that each image has points from the whole sequence.
    draws = strength * norm.ppf(sequence).reshape(copies, n, 6).swapaxes(0, 1)
    turn, shear = DEFORMATION["turn"] * draws[..., 0], DEFORMATION["shear"] * draws[..., 1]
    down, along = np.exp(DEFORMATION["stretch"] * draws[..., 2]), np.exp(DEFORMATION["stretch"] * draws[..., 3])
    cos, sin = np.cos(turn), np.sin(turn)
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    y, x = np.indices((height, width)).reshape(2, -1) - centre[:, None]
    deformed = np.empty((n, copies, height * width), np.float32)
    moved = DEFORMATION["shift"] * np.array([height, width]) * draws[..., 4:] + centre
    for i in range(n):
        for j in range(copies):
            rows = (cos[i, j] - sin[i, j] * shear[i, j]) * down[i, j] * y - sin[i, j] * along[i, j] * x
            columns = (sin[i, j] + cos[i, j] * shear[i, j]) * down[i, j] * y + cos[i, j] * along[i, j] * x
            positions = np.stack([rows + moved[i, j, 0], columns + moved[i, j, 1]])
            deformed[i, j] = map_coordinates(images[i], positions, order=1, mode="constant")
    return deformed.reshape(n, copies, height, width)


@dataclass(frozen=True)
class Components:
    """Centres of a mixture of Gaussians: images (n_components, n_pixels), and their coordinates on the axes."""

    pixels: np.ndarray
    coordinates: np.ndarray


def components(evidence: Evidence, pixels: np.ndarray) -> Components:
    """Equally likely components around images of shape (n_components, n_pixels)."""
    return Components(pixels, evidence.coordinates(pixels))


def posterior_mean(
    evidence: Evidence, statistic: np.ndarray, centres: Components, width: float, doubt: float
) -> np.ndarray:
    """Mean image given brain samples, under a mixture of Gaussians with the prior's covariance times ``width`` squared.

    Of a statistic (n_samples, n_coordinates) that `Evidence.read` gave it makes images (n_samples, n_pixels), not
    clipped. With ``width`` 1 a component is as wide as the prior as one Gaussian. ``doubt`` is a factor of the noise's
    covariance; above 1 the encoding model is believed less than it fits.
    """
    information, statistic = evidence.information / doubt, statistic / doubt
    shrink = 1.0 / (1.0 + width**2 * information)
    coordinates = centres.coordinates
    logarithm = (statistic * shrink) @ coordinates.T - 0.5 * (coordinates**2) @ (information * shrink)
    weight = np.exp(logarithm - logarithm.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    rest = (statistic - (weight @ coordinates) * information) * (width**2 * shrink)
    return weight @ centres.pixels + rest @ evidence.axes
