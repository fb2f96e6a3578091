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
    feature_mean = features.mean(axis=0)
    centred = features - feature_mean
    fit = fit_dual(centred @ centred.T, targets, penalties)
    coefficients = centred.T @ fit.dual
    return Ridge(
        coefficients=coefficients,
        intercept=targets.mean(axis=0) - feature_mean @ coefficients,
        penalty=fit.penalty,
        loo_error=fit.loo_error,
        loo_prediction=fit.loo_prediction,
    )


@dataclass(frozen=True)
class DualFit:
    """Ridge in its dual form: the prediction for a sample is its centred kernel with the training samples @ ``dual``,
    plus the targets' mean. ``dual`` has shape (n_samples, n_targets); the rest is as in :class:`Ridge`.
    """

    dual: np.ndarray
    penalty: float
    loo_error: np.ndarray
    loo_prediction: np.ndarray


def fit_dual(gram: np.ndarray, targets: np.ndarray, penalties: np.ndarray) -> DualFit:
    """Ridge from a centred Gram matrix of shape (n_samples, n_samples), whatever the kernel.

    Raises ValueError with fewer than two samples.
    """
    n = len(targets)
    if n < 2:
        raise ValueError(f"ridge needs at least 2 samples, found {n}")
    descending = np.sort(np.asarray(penalties, np.float64))[::-1]
    eigenvalues, vectors = np.linalg.eigh(gram)
    eigenvalues = np.clip(eigenvalues, 0.0, None)
    mean = targets.mean(axis=0)
    rotated = vectors.T @ (targets - mean)
    squared = vectors**2

    def leave_one_out(penalty: float) -> np.ndarray:
        """Each sample predicted by the ridge fitted on all others, from the hat matrix with intercept."""
        shrink = eigenvalues / (eigenvalues + penalty)
        fitted = vectors @ (shrink[:, None] * rotated) + mean
        leverage = squared @ shrink + 1.0 / n
        return targets - (targets - fitted) / (1.0 - leverage)[:, None]

    errors = np.array([np.mean((targets - leave_one_out(penalty)) ** 2) for penalty in descending])
    penalty = float(descending[np.argmin(errors)])
    dual = vectors @ (rotated / (eigenvalues + penalty)[:, None])
    return DualFit(dual, penalty, errors[::-1].copy(), leave_one_out(penalty))


def penalty_grid(lowest: float, highest: float, count: int) -> np.ndarray:
    """``count`` penalties, evenly spaced on a logarithmic scale, both ends included."""
    return np.logspace(np.log10(lowest), np.log10(highest), count)
