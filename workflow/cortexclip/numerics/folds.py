"""Folds of cross-validation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def shuffled_folds(n: int, n_folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions (sorted) outside and inside each of ``n_folds`` random folds of ``n`` things.

    The folds of scikit-learn's ``KFold(n_folds, shuffle=True, random_state=seed)``, without its import, which costs a
    second in every job.
    """
    for fold in np.array_split(np.random.RandomState(seed).permutation(n), n_folds):
        inside = np.isin(np.arange(n), fold)
        yield np.flatnonzero(~inside), np.flatnonzero(inside)
