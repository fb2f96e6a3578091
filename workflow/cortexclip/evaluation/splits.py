"""Splits: which samples train, which choose the epoch, and which are scored.

A split is made once per dataset and protocol and shared by every method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from cortexclip.errors import InputError
from cortexclip.numerics.folds import shuffled_folds

ROLES = ("train", "select", "score")


def make_split(
    protocol: Mapping,
    part: np.ndarray,
    stimulus: np.ndarray,
    seed: int,
    groups: Mapping[str, np.ndarray] = MappingProxyType({}),
    share_seed: int = 0,
) -> pd.DataFrame:
    """Split samples by an entry of config/protocols.yaml.

    Returns a data frame of columns fold (int), role ("train", "select" or "score") and sample (int, position in the
    dataset). A sample that both chooses and is scored has two rows, and one that is scored in-sample has another for
    training. Raises InputError if a part would be empty, or if the samples are not known to belong to two groups or
    more.

    Parameters
    ----------
    protocol : the entry: ``over``, ``select`` and what these need.
    part : array of shape (n_samples,), "train" or "test": the dataset's canonical split.
    stimulus : array of shape (n_samples,): identity of each sample's image.
    seed : of the inner parts (folds are shuffled by the entry's own ``shuffle_seed``).
    groups : whole numbers of shape (n_samples,) by the name that ``group_by`` and ``inner_by`` may give, such as
        session or run; below 0 where unknown.
    share_seed : of the part of the training samples that ``train_share`` leaves, equal for all points of a learning
        curve, so that smaller parts lie within larger ones.
    """
    part, stimulus = np.asarray(part), np.asarray(stimulus)

    def group(name: str, pool: np.ndarray) -> np.ndarray:
        return group_of(name, pool, stimulus, groups, f"protocol '{protocol['title']}'")

    rows = []
    for fold, (training, scored) in enumerate(_outer(protocol, part, group)):
        if "train_share" in protocol:
            labels = np.asarray(groups.get("label", np.zeros(len(part), int)))[training]
            training = training[share_of(labels, protocol["train_share"], np.random.default_rng([share_seed, fold]))]
        most = protocol.get("select_most", len(part))
        if protocol["select"] == "scored":
            train, select = training, scored[:most]
        elif protocol["select"] == "last":
            cut = len(training) - min(len(training) - int((1 - protocol["inner_fraction"]) * len(training)), most)
            train, select = training[:cut], training[cut:]
        elif protocol["select"] == "shuffled":
            cuts = shuffled_folds(len(training), round(1 / protocol["inner_fraction"]), protocol["shuffle_seed"])
            train, select = (training[rows] for rows in list(cuts)[fold])  # 0: that of scikit-learn's train_test_split
        else:
            generator = np.random.default_rng([seed, fold])
            by = None if protocol["inner_by"] == "sample" else group(protocol["inner_by"], training)
            train, select = inner_parts(training, by, protocol["inner_fraction"], generator)
        scored = scored[: protocol.get("score_first", len(part))]
        for role, samples in zip(ROLES, (train, select, scored), strict=True):
            if len(samples) < (2 if role == "train" else 1):
                raise InputError(
                    f"protocol '{protocol['title']}': fold {fold} has {len(samples)} samples to {role}; "
                    "the dataset is too small for it. Use another protocol."
                )
            rows.append(pd.DataFrame({"fold": fold, "role": role, "sample": np.sort(samples)}))
    return pd.concat(rows, ignore_index=True).astype({"fold": "int32", "sample": "int32"})


def group_of(
    name: str, pool: np.ndarray, stimulus: np.ndarray, groups: Mapping[str, np.ndarray], where: str
) -> np.ndarray:
    """The group of each sample of ``pool``, as numbers of shape (len(pool),).

    Raises InputError, which begins with ``where``, if the array is not there or a sample's group is not known.
    """
    if name == "sample":
        return pool
    if name == "stimulus":
        return np.unique(stimulus[pool], return_inverse=True)[1]
    if name not in groups or (np.asarray(groups[name])[pool] < 0).any():
        raise InputError(f"{where}: it is not known of all samples which {name} they belong to. Use another protocol.")
    return np.asarray(groups[name])[pool]


Grouping = Callable[[str, np.ndarray], np.ndarray]


def _outer(protocol: Mapping, part: np.ndarray, group: Grouping) -> list[tuple[np.ndarray, np.ndarray]]:
    everything = np.arange(len(part))
    if protocol["over"] == "canonical":
        return [(everything[part == "train"], everything[part == "test"])] * protocol.get("folds", 1)
    pool = everything if protocol["over"] == "all" else everything[part == "train"]
    if protocol["over"] == "in_sample":
        return [(pool, pool)]
    names = grouped_by(protocol)
    fold = np.stack([_fold_numbers(protocol, name, group(name, pool)) for name in names])
    if len(names) == 1:
        return [(pool[fold[0] != number], pool[fold[0] == number]) for number in np.unique(fold)]
    # what is trained on shares none of the groups: neither the image, say, nor the session
    cells = np.unique(fold, axis=1).T
    return [(pool[(fold.T != cell).all(axis=1)], pool[(fold.T == cell).all(axis=1)]) for cell in cells]


def grouped_by(protocol: Mapping) -> tuple[str, ...]:
    """What the folds of a protocol keep together: names of groupings, none for a protocol without folds."""
    named = protocol.get("group_by", ())
    return (named,) if isinstance(named, str) else tuple(named)


def _fold_numbers(protocol: Mapping, name: str, group: np.ndarray) -> np.ndarray:
    """Number of the fold of each sample, shape (n_samples,): whole groups, in random order, spread over the folds."""
    groups, position = np.unique(group, return_inverse=True)
    n_folds = min(protocol["folds"], len(groups))
    if n_folds < 2:
        raise InputError(f"protocol '{protocol['title']}': one {name} alone cannot be cut into folds.")
    number = np.empty(len(groups), int)
    for fold, (_, inside) in enumerate(shuffled_folds(len(groups), n_folds, protocol["shuffle_seed"])):
        number[inside] = fold
    return number[position]


def share_of(labels: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    """Positions (sorted) of a random ``share`` of samples (rounded, at least two), classes in proportion.

    Samples are put in an order of which every beginning has the classes of ``labels`` (n_samples,) in proportion, to
    within one sample of each, and the first are taken. So with generators of the same seed a smaller share is part of
    a larger one.
    """
    position = np.empty(len(labels))
    for label in np.unique(labels):
        of_class = generator.permutation(np.flatnonzero(labels == label))
        position[of_class] = (np.arange(len(of_class)) + generator.random()) / len(of_class)
    return np.sort(np.argsort(position, kind="stable")[: max(2, round(share * len(labels)))])


def inner_parts(
    training: np.ndarray, group: np.ndarray | None, fraction: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the part that chooses, about ``fraction`` of the samples or of the groups, at least one of them.

    ``training`` has the positions of the samples that may be learned from, ``group`` the group of each of them, None
    for samples by themselves; returns the positions that train and those that choose.
    """
    if group is None:
        chosen = generator.permutation(training)[: max(1, round(fraction * len(training)))]
        return np.setdiff1d(training, chosen), chosen
    names = np.unique(group)
    picked = generator.permutation(names)[: max(1, round(fraction * len(names)))]
    inside = np.isin(group, picked)
    return training[~inside], training[inside]
