"""Ridge regression with one penalty for all targets, chosen by leave-one-out in closed form.

One eigendecomposition of the samples' Gram matrix serves every penalty and every target, which is what makes it cheap
where samples are few and voxels many. Sources: Hoerl and Kennard 1970; the leave-one-out identity is Allen's PRESS
(1974), e.g. Hastie, Tibshirani and Friedman, Elements of Statistical Learning, eq. 7.64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ridge:
    """A fitted ridge regression.

    Attributes
    ----------
    coefficients : array of shape (n_features, n_targets).
    intercept : array of shape (n_targets,).
    penalty : the penalty used.
    loo_error : array of shape (n_penalties,): leave-one-out mean squared error of each penalty tried.
    loo_prediction : array of shape (n_samples, n_targets): each sample predicted by the fit without it.
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    penalty: float
    loo_error: np.ndarray
    loo_prediction: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict targets, shape (n_samples, n_targets), from features of shape (n_samples, n_features)."""
        return features @ self.coefficients + self.intercept


def fit_ridge(features: np.ndarray, targets: np.ndarray, penalties: np.ndarray) -> Ridge:
    """Fit targets on features with an unpenalised intercept and the penalty of least leave-one-out error.

    Parameters
    ----------
    features : array of shape (n_samples, n_features), n_samples >= 2.
    targets : array of shape (n_samples, n_targets).
    penalties : array of shape (n_penalties,), positive; ties go to the larger penalty.
    """
    features, targets = np.asarray(features, np.float64), np.asarray(targets, np.float64)
    n = len(features)
    if n < 2:
        raise ValueError(f"ridge needs at least 2 samples, found {n}")
    penalties = np.sort(np.asarray(penalties, np.float64))[::-1]
    feature_mean, target_mean = features.mean(axis=0), targets.mean(axis=0)
    centred = features - feature_mean
    eigenvalues, vectors = np.linalg.eigh(centred @ centred.T)
    eigenvalues = np.clip(eigenvalues, 0.0, None)
    rotated = vectors.T @ (targets - target_mean)

    squared_vectors = vectors**2
    errors = np.empty(len(penalties))
    for i, penalty in enumerate(penalties):
        errors[i] = np.mean(
            (targets - _leave_one_out(vectors, squared_vectors, eigenvalues, rotated, targets, penalty)) ** 2
        )
    penalty = float(penalties[np.argmin(errors)])
    dual = vectors @ (rotated / (eigenvalues + penalty)[:, None])
    coefficients = centred.T @ dual
    return Ridge(
        coefficients=coefficients,
        intercept=target_mean - feature_mean @ coefficients,
        penalty=penalty,
        loo_error=errors[::-1].copy(),
        loo_prediction=_leave_one_out(vectors, squared_vectors, eigenvalues, rotated, targets, penalty),
    )


def _leave_one_out(vectors, squared_vectors, eigenvalues, rotated, targets, penalty) -> np.ndarray:
    """Predictions of each sample by the ridge fitted on all others, from the hat matrix with intercept."""
    shrink = eigenvalues / (eigenvalues + penalty)
    fitted = vectors @ (shrink[:, None] * rotated) + targets.mean(axis=0)
    leverage = squared_vectors @ shrink + 1.0 / len(targets)
    return targets - (targets - fitted) / (1.0 - leverage)[:, None]


def penalty_grid(lowest: float, highest: float, count: int) -> np.ndarray:
    """``count`` penalties, evenly spaced on a logarithmic scale, both ends included."""
    return np.logspace(np.log10(lowest), np.log10(highest), count)
