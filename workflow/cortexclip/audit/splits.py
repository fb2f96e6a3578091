"""Checks of a protocol's split: what was trained on, what chooses, what is scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd

from cortexclip.audit.finding import Finding, counted, some, span
from cortexclip.audit.stimuli import Fold
from cortexclip.evaluation.splits import grouped_by

HELD_OUT = 0.2
"""Share of the images (or of the samples, where there are too few) that the audit holds out of data without a split."""
ENOUGH_IMAGES = 10


def held_out(stimulus: np.ndarray, seed: int) -> np.ndarray:
    """A test part for data that come without one, boolean of shape (n_samples,): all trials of some images, at random.

    With fewer than ``ENOUGH_IMAGES`` distinct images, samples are drawn instead, so that their images are seen.
    """
    rng = np.random.default_rng(seed)
    names, unit = np.unique(stimulus, return_inverse=True)
    if len(names) < ENOUGH_IMAGES:
        names, unit = unit, np.arange(len(stimulus))
    chosen = rng.permutation(len(names))[: max(1, round(HELD_OUT * len(names)))]
    return np.isin(unit, chosen)


def check_parts(stimulus: np.ndarray, test: np.ndarray) -> Finding:
    """That the source gives no split, and which part ``test`` (n_samples,) the audit held out to look for a signal."""
    distinct = len(np.unique(stimulus[test]))
    return Finding(
        "parts",
        "info",
        f"The source gives no train/test split; to look for something to decode, {int(test.sum())} of {len(test)} "
        f"samples ({counted(distinct, 'distinct image')}) were held out at random.",
        "Protocols over the source's own split do not apply.",
        {"held_out": int(test.sum()), "samples": len(test), "distinct": distinct},
    )


def folds_of(split: pd.DataFrame) -> list[Fold]:
    """What each fold of a split (columns fold, role, sample) has trained on by the time it scores.

    A decoder is refitted with the samples that chose, so these were trained on too, unless they are the scored ones.
    """
    folds = []
    for trained, choosing, scored in _roles(split):
        folds.append(Fold(np.union1d(trained, np.setdiff1d(choosing, scored)), scored))
    return folds


def _roles(split: pd.DataFrame) -> Iterator[list[np.ndarray]]:
    """Samples of each fold that train, select and score, each of shape (n,)."""
    for _, rows in split.groupby("fold"):
        yield [rows["sample"].to_numpy()[rows.role == role] for role in ("train", "select", "score")]


def check_folds(split: pd.DataFrame, stimulus: np.ndarray) -> Finding:
    """Sizes of the folds of a split (columns fold, role, sample), and whether one scores what it trained on."""
    folds = folds_of(split)
    sizes = [len(fold.scored) for fold in folds]
    images = [len(np.unique(stimulus[fold.scored])) for fold in folds]
    trained = [len(fold.trained) for fold in folds]
    both = sum(len(np.intersect1d(fold.trained, fold.scored)) for fold in folds)
    scored = np.concatenate([fold.scored for fold in folds])
    again = len(scored) - len(np.unique(scored))
    numbers = {
        "folds": len(folds),
        "least_scored": min(sizes),
        "most_scored": max(sizes),
        "least_scored_images": min(images),
        "least_trained": min(trained),
        "most_trained": max(trained),
        "trained_and_scored": both,
        "scored_again": again,
    }
    finding = partial(Finding, "folds", numbers=numbers)
    if both:
        message = f"{both} samples are trained on and scored in the same fold."
        return finding("serious", message, "Scores of this protocol measure memory: its split is wrong.")
    if again:
        message = f"{again} of {len(scored)} scores are of a sample that another fold scored already."
        return finding("serious", message, "Samples have unequal weights: the split is wrong.")
    message = f"One split trains on {trained[0]} samples and scores {sizes[0]}."
    if len(folds) > 1:
        message = (
            f"{len(folds)} folds train on {span(trained)} samples and score {span(sizes)} each; the smallest scored "
            f"part has {min(sizes)} of {counted(min(images), 'distinct image')}."
        )
    return finding("info", message, "No sample is trained on and scored in the same fold.")


def check_selection(split: pd.DataFrame, stimulus: np.ndarray) -> Finding:
    """Whether scored samples choose the epoch; ``split`` and ``stimulus`` as for :func:`check_folds`."""
    overlap = total = choosing = familiar = 0
    for train, select, score in _roles(split):
        overlap += int(np.isin(score, select).sum())
        total += len(score)
        choosing += len(select)
        familiar += int(np.isin(stimulus[select], stimulus[train]).sum())
    numbers = {
        "scored_that_choose": overlap,
        "scored": total,
        "choosing": choosing,
        "choosing_with_trained_image": familiar,
    }
    finding = partial(Finding, "selection", numbers=numbers)
    if overlap:
        return finding(
            "serious",
            f"{some(overlap, total, 'scored samples', 'also chooses', 'also choose')} the epoch and hyper-parameters.",
            "Scores of methods that let them choose are too good: the choice used the scored images.",
        )
    return finding(
        "info",
        f"Other samples than the scored ones choose; {familiar} of these {choosing} show an image that is trained on.",
        "Scored samples are used only once, for scoring."
        + (" Where images were trained on, the choice favours recognising them." if familiar else ""),
    )


def check_grouping(protocol: Mapping, stimulus: np.ndarray, split: pd.DataFrame) -> Finding:
    """What a protocol's entry (``over`` and, for folds, ``group_by``) keeps together, and whether that matters."""
    samples = np.unique(split["sample"].to_numpy())
    distinct = len(np.unique(stimulus[samples]))
    finding = partial(Finding, "grouping", numbers={"samples": len(samples), "distinct": distinct})
    if protocol["over"] == "canonical":
        message = "The split is the one that comes with the dataset; nothing is grouped."
        return finding("info", message, "Scores depend on this one split.")
    names = grouped_by(protocol)
    if distinct == len(samples) and set(names) <= {"sample", "stimulus"}:
        return finding(
            "notable" if protocol["over"] == "all" else "info",
            "No image repeats here, so folds over samples are folds over images.",
            "In both no scored image is trained on, and they are not independent evidence.",
        )
    if names == ("stimulus",):
        return finding("info", "Folds keep all samples of an image together.", "No scored image is trained on.")
    if names != ("sample",):
        kept = " and ".join({"stimulus": "image", "cluster": "cluster of images"}.get(name, name) for name in names)
        message = f"Folds are cut by {kept}: training shares none of these with what is scored."
        unseen = bool({"stimulus", "cluster"} & set(names))
        meaning = "No scored image is trained on." if unseen else "See how many scored images were trained on."
        return finding("info", message, meaning)
    message = "Folds are cut over samples, so that samples of one image fall on both sides."
    return finding("info", message, "See how many scored images were trained on.")
