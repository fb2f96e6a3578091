"""Kernels between brain samples, centred as if the training samples had mean zero in feature space.

Source: Schoelkopf, Smola and Mueller 1998, Neural Computation 10(5).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cortexclip.numerics.ridge import fit_dual


def squared_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, shape (n_a, n_b), of samples (n_a, n_features) and (n_b, n_features)."""
    return np.clip((a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * a @ b.T, 0.0, None)


def median_distance(squared: np.ndarray) -> float:
    """Median distance between different samples, from their squared distances (n, n)."""
    return float(np.median(np.sqrt(squared[np.triu_indices(len(squared), 1)])))


def centre(cross: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Centre kernel values (n, n_train) with the kernel (n_train, n_train) of the training samples."""
    return cross - kernel.mean(axis=0) - cross.mean(axis=1, keepdims=True) + kernel.mean()


def fit_kernel(
    features: np.ndarray, targets: np.ndarray, width: float | None, penalties: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Kernel ridge regression with the penalty of least leave-one-out error.

    Of features (n_samples, n_features) and targets (n_samples, n_targets) it gives a function from features to targets.
    ``width`` is that of a Gaussian kernel, as a multiple of the median distance between samples; None is the linear
    kernel. ``penalties`` (n_penalties,) are multiples of the mean of the centred kernel's diagonal.
    """
    if width is None:

        def values(other: np.ndarray) -> np.ndarray:
            return other @ features.T

    else:
        squared = squared_distance(features, features)
        scale = 2.0 * (width * median_distance(squared)) ** 2

        def values(other: np.ndarray) -> np.ndarray:
            return np.exp(-squared_distance(other, features) / scale)

    kernel = values(features)
    gram = centre(kernel, kernel)
    dual, mean = fit_dual(gram, targets, np.asarray(penalties) * gram.trace() / len(gram)).dual, targets.mean(axis=0)
    return lambda other: centre(values(other), kernel) @ dual + mean
