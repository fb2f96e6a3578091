"""Stacking: the non-negative combination of several predictions that fits best on samples they were not fitted on.

Source: Breiman 1996, Stacked regressions, Machine Learning 24.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

JITTER = 1e-6
"""Share of the mean squared prediction that is added as a penalty; it settles ties between equal predictions."""


class Stack:
    """Collects predictions and targets, one fold at a time, and finds the weights.

    Predictions and targets are deviations from what is answered where all weights are zero.
    """

    def __init__(self) -> None:
        self.folds: list[tuple[np.ndarray, np.ndarray, float]] = []

    def add(self, predictions: np.ndarray, target: np.ndarray) -> None:
        """Add a fold: predictions (n_predictions, n_samples, n_pixels) of a target (n_samples, n_pixels)."""
        flat = predictions.reshape(len(predictions), -1)
        self.folds.append((flat @ flat.T, flat @ target.ravel(), float((target**2).sum())))

    def weights(self, rows: np.ndarray | None = None, without: int | None = None) -> np.ndarray:
        """Weights, shape (n_predictions,), not negative, of least squared error; they need not sum to 1.

        Only the predictions in ``rows`` get one, if they are given, and the fold ``without`` takes no part.
        """
        folds = [fold for number, fold in enumerate(self.folds) if number != without]
        products = np.sum([fold[0] for fold in folds], axis=0)
        with_target = np.sum([fold[1] for fold in folds], axis=0)
        rows = np.arange(len(with_target)) if rows is None else rows
        products = products[np.ix_(rows, rows)]
        factor = np.linalg.cholesky(products + np.eye(len(rows)) * max(JITTER * products.trace() / len(rows), 1e-300))
        weights = np.zeros(len(with_target))
        weights[rows] = nnls(factor.T, np.linalg.solve(factor, with_target[rows]))[0]
        return weights

    def error(self, weights: np.ndarray, fold: int | None = None) -> float:
        """Summed squared error of the combination over everything added, or over one fold."""
        return sum(
            target - 2.0 * float(weights @ with_target) + float(weights @ products @ weights)
            for products, with_target, target in (self.folds if fold is None else [self.folds[fold]])
        )

    def chosen(self, *subsets: np.ndarray) -> np.ndarray:
        """Rows of the subset of predictions whose combination has the least error on folds that it was not fitted on.

        Each fold is predicted with the weights of the others. Of equal subsets it is the first.
        """
        return min(
            subsets,
            key=lambda rows: sum(self.error(self.weights(rows, fold), fold) for fold in range(len(self.folds))),
        )
