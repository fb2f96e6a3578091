"""Scores of one dataset and protocol, laid out trial by trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cortexclip.errors import InputError


@dataclass(frozen=True)
class SeededScores:
    """One metric of several methods on the same trials, seed by seed.

    Attributes
    ----------
    methods : list of (method, encoder), length n_methods
    folds, samples, stimuli : arrays of shape (n_trials,), ordered by fold and sample; ``stimuli`` are numbers, equal
        for trials of one stimulus
    values : list of n_methods arrays of shape (n_seeds of the method, n_trials), NaN where a method has no finite value
    """

    methods: list[tuple[str, str]]
    folds: np.ndarray
    samples: np.ndarray
    stimuli: np.ndarray
    values: list[np.ndarray]

    def means(self) -> np.ndarray:
        """Means over the seeds that have a value, of shape (n_methods, n_trials); NaN where none has."""
        return np.stack([mean_over_seeds(values) for values in self.values])


def mean_over_seeds(values: np.ndarray) -> np.ndarray:
    """Means over the first axis of the values that are not NaN, NaN where there is none: (n_seeds, n) to (n,)."""
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    return np.where(counts, np.where(known, values, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def lay_out(table: pd.DataFrame, metric: str) -> SeededScores:
    """Scores of one metric of all methods, side by side on the same trials of one dataset and protocol.

    Methods come in the order of the table. Raises InputError if the table does not have the metric, a trial is scored
    twice, or its rows disagree on what a trial showed.
    """
    table = table[(table["metric"] == metric).to_numpy()]
    if table.empty:
        raise InputError(f"scores: none of {metric}. Score a method first.")
    sample = table["sample"].to_numpy(np.int64)
    width = int(sample.max()) + 1
    trials, trial = np.unique(table["fold"].to_numpy(np.int64) * width + sample, return_inverse=True)
    names = table["stimulus"].astype("category").cat.codes.to_numpy()
    stimuli = np.empty(len(trials), int)
    stimuli[trial] = names
    if (stimuli[trial] != names).any():
        raise InputError("scores: rows disagree on what a trial showed. Score all methods on one split again.")
    methods, values = [], []
    seed, value = table["seed"].to_numpy(), table["value"].to_numpy(float)
    rows = table.groupby(["method", "encoder"], sort=False, observed=True).indices
    for method, encoder in table[["method", "encoder"]].drop_duplicates().itertuples(index=False):
        mine = rows[method, encoder]
        seeds, number = np.unique(seed[mine], return_inverse=True)
        cell = number * len(trials) + trial[mine]
        if len(np.unique(cell)) < len(cell):
            raise InputError(f"scores: {metric} of {method} has a trial twice for one seed. Score it again.")
        laid = np.full((len(seeds), len(trials)), np.nan)
        laid.flat[cell] = np.where(np.isfinite(value[mine]), value[mine], np.nan)
        methods.append((str(method), str(encoder)))
        values.append(laid[~np.isnan(laid).all(axis=1)] if not np.isnan(laid).all() else laid[:1])
    return SeededScores(methods, trials // width, trials % width, stimuli, values)
