"""Sparse multinomial logistic regression of many targets from the same predictors, all fitted at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Logistic:
    """Fitted regressions."""

    weights: np.ndarray  # (n_predictors, n_targets, n_levels), float32
    intercept: np.ndarray  # (n_targets, n_levels)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Of each level, shape (n_samples, n_targets, n_levels), for predictors (n_samples, n_predictors)."""
        flat = self.weights.reshape(len(self.weights), -1)
        return _softmax((x.astype(flat.dtype) @ flat).reshape(-1, *self.intercept.shape) + self.intercept)


def fit_logistic(
    x: np.ndarray,
    levels: np.ndarray,
    n_levels: int,
    penalty: float,
    start: Logistic | None = None,
    iterations: int = 200,
    tolerance: float = 3e-4,
) -> Logistic:
    """Minimise the mean log loss plus ``penalty`` times the sum of absolute weights, for each target.

    Krishnapuram et al. 2005, Sparse multinomial logistic regression, IEEE TPAMI 27, 957; by accelerated proximal
    gradients with restarts (Beck and Teboulle 2009; O'Donoghue and Candes 2015). Intercepts are not penalised.

    Predictors (n_samples, n_predictors) are centred and scaled; their type is the precision of the fit. ``levels`` are
    whole numbers (n_samples, n_targets), 0 to ``n_levels`` - 1. ``start`` is a fit of the same shape to start from,
    such as that of a larger penalty. It ends when no weight changes by more than ``tolerance``, relative to the largest
    weight.
    """
    n, n_predictors = x.shape
    n_targets = levels.shape[1]
    counts = np.stack([(levels == level).sum(axis=0) for level in range(n_levels)], axis=1)
    truth = (levels[:, :, None] == np.arange(n_levels)).reshape(n, -1).astype(x.dtype)
    smallest = np.zeros((n_predictors, n_targets * n_levels), x.dtype)
    weights = smallest if start is None else start.weights.reshape(n_predictors, -1).astype(x.dtype)
    shares = (counts + 0.5) / (n + 0.5 * n_levels)
    intercept = (np.log(shares) if start is None else start.intercept).reshape(-1).astype(x.dtype)
    step = x.dtype.type(2 * n / (np.linalg.norm(x, 2) ** 2 + n))  # the curvature of the mean loss is at most half of it
    ahead, ahead_intercept, momentum = weights, intercept, 1.0
    for _ in range(iterations):
        logits = (x @ ahead + ahead_intercept).reshape(n, n_targets, n_levels)
        residual = (_softmax(logits).reshape(n, -1) - truth) / x.dtype.type(n)
        new = ahead - step * (x.T @ residual)
        new = np.sign(new) * np.maximum(np.abs(new) - step * x.dtype.type(penalty), 0)
        new_intercept = ahead_intercept - step * residual.sum(axis=0)
        change = new - weights
        if ((ahead - new) * change).sum() > 0:  # past the minimum along the way: start the acceleration again
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        factor = x.dtype.type((momentum - 1) / following)
        ahead = new + factor * change
        ahead_intercept = new_intercept + factor * (new_intercept - intercept)
        momentum, weights, intercept = following, new, new_intercept
        if np.abs(change).max(initial=0) <= tolerance * max(np.abs(weights).max(initial=0), 1e-3):
            break
    return Logistic(weights.reshape(n_predictors, n_targets, n_levels), intercept.reshape(n_targets, n_levels))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
