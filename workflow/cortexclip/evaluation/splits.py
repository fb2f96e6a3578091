"""Splits: which samples train, which choose the epoch, and which are scored.

A split is made once per dataset and protocol and shared by every method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from cortexclip.errors import InputError

ROLES = ("train", "select", "score")


def make_split(protocol: Mapping, part: np.ndarray, stimulus: np.ndarray, seed: int) -> pd.DataFrame:
    """Split samples by an entry of config/protocols.yaml.

    Parameters
    ----------
    protocol : the entry: ``over``, ``select`` and what these need.
    part : array of shape (n_samples,), "train" or "test": the dataset's canonical split.
    stimulus : array of shape (n_samples,): identity of each sample's image.
    seed : of the inner parts (folds are shuffled by the entry's own ``shuffle_seed``).

    Returns
    -------
    Data frame of columns fold (int), role ("train", "select" or "score") and sample (int, position in the dataset). A
    sample that both chooses and is scored has two rows, and one that is scored in-sample has another for training.

    Raises
    ------
    InputError if a part would be empty.
    """
    part, stimulus = np.asarray(part), np.asarray(stimulus)
    rows = []
    for fold, (training, scored) in enumerate(_outer(protocol, part, stimulus)):
        most = protocol.get("select_most", len(part))
        if protocol["select"] == "scored":
            train, select = training, scored[:most]
        elif protocol["select"] == "last":
            cut = len(training) - min(len(training) - int((1 - protocol["inner_fraction"]) * len(training)), most)
            train, select = training[:cut], training[cut:]
        else:
            generator = np.random.default_rng([seed, fold])
            train, select = inner_parts(training, stimulus, protocol["inner_fraction"], protocol["inner_by"], generator)
        scored = scored[: protocol.get("score_first", len(part))]
        for role, samples in zip(ROLES, (train, select, scored), strict=True):
            if len(samples) < (2 if role == "train" else 1):
                raise InputError(
                    f"protocol '{protocol['title']}': fold {fold} has {len(samples)} samples to {role}; "
                    "the dataset is too small for it. Use another protocol."
                )
            rows.append(pd.DataFrame({"fold": fold, "role": role, "sample": np.sort(samples)}))
    return pd.concat(rows, ignore_index=True).astype({"fold": "int32", "sample": "int32"})


def _outer(protocol: Mapping, part: np.ndarray, stimulus: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    everything = np.arange(len(part))
    if protocol["over"] == "canonical":
        return [(everything[part == "train"], everything[part == "test"])]
    pool = everything if protocol["over"] == "all" else everything[part == "train"]
    if protocol["over"] == "in_sample":
        return [(pool, pool)]
    group = pool if protocol["group_by"] == "sample" else np.unique(stimulus[pool], return_inverse=True)[1]
    groups = np.unique(group)
    n_folds = min(protocol["folds"], len(groups))
    if n_folds < 2:
        raise InputError(f"protocol '{protocol['title']}': {len(groups)} groups cannot be cut into folds.")
    folds = shuffled_folds(len(groups), n_folds, protocol["shuffle_seed"])
    return [(pool[np.isin(group, groups[a])], pool[np.isin(group, groups[b])]) for a, b in folds]


def shuffled_folds(n: int, n_folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions (sorted) outside and inside each of ``n_folds`` random folds of ``n`` things.

    The folds of scikit-learn's ``KFold(n_folds, shuffle=True, random_state=seed)``, without its import, which costs a
    second in every job.
    """
    for fold in np.array_split(np.random.RandomState(seed).permutation(n), n_folds):
        inside = np.isin(np.arange(n), fold)
        yield np.flatnonzero(~inside), np.flatnonzero(inside)


def inner_parts(
    training: np.ndarray, stimulus: np.ndarray, fraction: float, by: str, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the part that chooses, about ``fraction`` of the samples or of the stimuli, at least one of them.

    ``training`` has the positions of the samples that may be learned from, ``stimulus`` the identity of every sample's
    image; returns the positions that train and those that choose.
    """
    if by == "sample":
        chosen = generator.permutation(training)[: max(1, round(fraction * len(training)))]
        return np.setdiff1d(training, chosen), chosen
    names = np.unique(stimulus[training])
    picked = generator.permutation(names)[: max(1, round(fraction * len(names)))]
    inside = np.isin(stimulus[training], picked)
    return training[~inside], training[inside]
