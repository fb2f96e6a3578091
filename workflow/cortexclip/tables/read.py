"""Reading result tables, and score tables one dataset and protocol at a time, laid out trial by trial."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cortexclip.errors import InputError
from cortexclip.evaluation.score import COLUMNS

# Columns of the tables that the stage remeasure writes.
SCORES = ["dataset", "protocol", "method", "metric", "seed", "fold", "n_samples", "mean", "variance"]
CONFIGURATIONS = ["dataset", "protocol", "method", "configuration", "settings", "seed", "fold"]
CONFIGURATIONS += ["select_loss", "scored_mse", "chosen"]
DATASETS = ["dataset", "stands_for", "brain_data", "n_train", "n_test", "n_stimuli", "constant_mse"]


def read_scores(path: str | os.PathLike, metrics: Iterable[str]) -> pd.DataFrame:
    """The rows of a score table that hold one of ``metrics``; the others are left on the disk.

    Raises
    ------
    InputError
        If the file is missing, damaged, or not a score table.
    """
    try:
        wanted = [("metric", "in", sorted(set(metrics)))]
        return pd.read_parquet(path, columns=COLUMNS, filters=wanted, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing. Run the workflow again.") from error
    except Exception as error:  # damaged files raise ArrowInvalid, OSError and others
        raise InputError(
            f"{path}: damaged or not a score table ({' '.join(str(error).split())}). Delete it and run the workflow "
            "again."
        ) from error


def read_table(path: str | os.PathLike, columns: Sequence[str]) -> pd.DataFrame:
    """A result table (.csv) as it was written; InputError if it is missing or lacks one of ``columns``."""
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"encoder": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Run the workflow again; it will be made.") from error
    if missing := [column for column in columns if column not in table]:
        raise InputError(f"{path}: the columns {', '.join(missing)} are missing. Delete it and run the workflow again.")
    return table


@dataclass(frozen=True)
class SeededScores:
    """One metric of several methods on the same trials, seed by seed.

    Attributes
    ----------
    methods : list of (method, encoder), length n_methods
    folds, samples, stimuli : arrays of shape (n_trials,)
        Ordered by fold and sample; ``stimuli`` are numbers, equal for trials of one stimulus.
    values : list of n_methods arrays of shape (n_seeds of the method, n_trials)
        NaN where a method has no finite value.
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


def lay_out(tables: Sequence[pd.DataFrame], metric: str) -> SeededScores:
    """Scores of one metric, side by side on the same trials, from the score tables of one dataset and protocol.

    Methods come in the order of the tables (one table may hold two readouts). A table without the metric is skipped.

    Raises
    ------
    InputError
        If no table has the metric, a trial is scored twice, or tables disagree on what a trial showed.
    """
    parts = [table[(table["metric"] == metric).to_numpy()] for table in tables]
    parts = [part for part in parts if len(part)]
    if not parts:
        raise InputError(f"scores: none of {metric}. Score a method first.")
    width = max(int(part["sample"].max()) for part in parts) + 1
    keys = [part["fold"].to_numpy(np.int64) * width + part["sample"].to_numpy(np.int64) for part in parts]
    trials = np.unique(np.concatenate(keys))
    stimuli = np.full(len(trials), -1)
    numbers: dict[str, int] = {}
    methods, values = [], []
    for part, key in zip(parts, keys, strict=True):
        trial = np.searchsorted(trials, key)
        _note_stimuli(part["stimulus"], trial, stimuli, numbers)
        method = part["method"].astype("category").cat
        encoder = str(part["encoder"].iloc[0])
        seeds, seed = np.unique(part["seed"].to_numpy(), return_inverse=True)
        codes, value = method.codes.to_numpy(), part["value"].to_numpy(float)
        for code in dict.fromkeys(codes.tolist()):
            mine = codes == code
            cell = seed[mine] * len(trials) + trial[mine]
            name = str(method.categories[code])
            if len(np.unique(cell)) < len(cell):
                raise InputError(f"scores: {metric} of {name} has a trial twice for one seed. Score it again.")
            if (name, encoder) in methods:
                raise InputError(f"scores: {metric} of {name} ({encoder}) is in two tables. Delete one of them.")
            laid = np.full((len(seeds), len(trials)), np.nan)
            laid.flat[cell] = np.where(np.isfinite(value[mine]), value[mine], np.nan)
            methods.append((name, encoder))
            values.append(laid[~np.isnan(laid).all(axis=1)] if not np.isnan(laid).all() else laid[:1])
    return SeededScores(methods, trials // width, trials % width, stimuli, values)


def _note_stimuli(column: pd.Series, trial: np.ndarray, stimuli: np.ndarray, numbers: dict[str, int]) -> None:
    """Write the number of each trial's stimulus into ``stimuli``; a number belongs to a name in all tables."""
    names = column.astype("category").cat
    number = np.array([numbers.setdefault(str(name), len(numbers)) for name in names.categories])[names.codes]
    known = stimuli[trial]
    if ((known >= 0) & (known != number)).any():
        raise InputError("scores: tables disagree on what a trial showed. Score all methods on one split again.")
    stimuli[trial] = number
