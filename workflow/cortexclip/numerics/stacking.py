"""Stacking: the non-negative combination of several predictions that fits best on samples they were not fitted on.

Source: Breiman 1996, Stacked regressions, Machine Learning 24.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

JITTER = 1e-6
"""Share of the mean squared prediction that is added as a penalty; it settles ties between equal predictions."""


class Stack:
    """Collects predictions and targets, some samples at a time, and finds the weights.

    Predictions and targets are deviations from what is answered where all weights are zero.
    """

    def __init__(self, n_predictions: int):
        self.products = np.zeros((n_predictions, n_predictions))
        self.with_target = np.zeros(n_predictions)
        self.target = 0.0

    def add(self, predictions: np.ndarray, target: np.ndarray) -> None:
        """Add samples: predictions (n_predictions, n_samples, n_pixels) of a target (n_samples, n_pixels)."""
        flat = predictions.reshape(len(predictions), -1)
        self.products += flat @ flat.T
        self.with_target += flat @ target.ravel()
        self.target += float((target**2).sum())

    def weights(self) -> np.ndarray:
        """Weights, shape (n_predictions,), not negative, of least squared error; they need not sum to 1."""
        n = len(self.products)
        factor = np.linalg.cholesky(self.products + np.eye(n) * max(JITTER * self.products.trace() / n, 1e-300))
        return nnls(factor.T, np.linalg.solve(factor, self.with_target))[0]

    def error(self, weights: np.ndarray) -> float:
        """Summed squared error of the combination over everything added."""
        return self.target - 2.0 * float(weights @ self.with_target) + float(weights @ self.products @ weights)
