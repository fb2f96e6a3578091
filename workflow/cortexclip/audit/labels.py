"""Checks of the class labels: whether they belong to the images, and which classes the parts hold."""

from __future__ import annotations

from functools import partial

import numpy as np

from cortexclip.audit.finding import Finding, span

ALPHA = 0.05
PERMUTATIONS = 100
SHIFTS = (-3, -2, -1, 1, 2, 3)
"""Displacements, in samples, by which labels are tried when they do not fit."""
MOST_IMAGES = 1500
"""Of more distinct images, so many are drawn at random and judged."""


def check_labels(label: np.ndarray, stimulus: np.ndarray, images: np.ndarray, test: np.ndarray, seed: int) -> Finding:
    """Whether the class labels belong to the images that they stand beside.

    Two traces of labels that do not: one image with several labels, and classes that cannot be separated: the class
    whose mean image is nearest (over distinct images, the judged one left out of its own class) agrees with the label
    no more often than after shuffling the labels. Where there is such a trace, labels displaced by a few samples within
    their part are tried; if these fit, the file is displaced.
    """
    labelled = label >= 0
    if not labelled.any():
        meaning = "Controls that need classes do not apply."
        return Finding("labels", "info", "There are no class labels.", meaning, {"labelled": 0})
    label, stimulus, images, test = label[labelled], stimulus[labelled], images[labelled], test[labelled]
    rng = np.random.default_rng(seed)
    contradicting = contradictions(label, stimulus)
    agreement, chance = _agreement(label, stimulus, images, rng, PERMUTATIONS)
    p_value = float("nan") if chance is None else (1 + np.count_nonzero(chance >= agreement)) / (1 + len(chance))
    numbers: dict[str, int | float] = {"labelled": len(label), "contradicting": contradicting}
    if chance is not None:
        numbers |= {"agreement": agreement, "chance": float(chance.mean()), "p_value": p_value}
    finding = partial(Finding, "labels", numbers=numbers)
    misfit = chance is not None and p_value > ALPHA
    if not contradicting and not misfit:
        message = "No image has two labels; classes have too few distinct images for further checks."
        if chance is not None:
            message = (
                f"The nearest class mean agrees with {_percent(agreement)} of labels (after shuffling: "
                f"{_percent(chance.mean())}), and no image has two labels."
            )
        return finding("info", message, "The labels fit the images.")

    trace = []
    if contradicting:
        trace.append(
            f"{contradicting} of {len(label)} samples have a different label from most samples of the same image"
        )
    if misfit:
        trace.append(
            f"the nearest class mean agrees with {_percent(agreement)} of labels, no more than after shuffling them"
        )
    short = " and ".join(trace)
    short = short[0].upper() + short[1:]
    message = f"{short} ({_percent(numbers['chance'])})" if misfit else short
    finding = partial(finding, short=short)
    by_chance = None if chance is None else chance.max()
    shift = _fitting_shift(label, stimulus, images, test, contradicting, by_chance)
    if shift is not None:
        numbers["shift"] = shift
        return finding(
            "serious",
            f"{message}; shifted by {shift:+d} sample{'s' if abs(shift) > 1 else ''}, labels would fit.",
            "Rows of this file are shifted: labels, and perhaps brain responses, belong to other images.",
        )
    return finding(
        "serious" if 20 * contradicting > len(label) else "notable",
        f"{message}.",
        "Labels do not belong to the images, so scores of controls that use classes are void and pairs may be wrong."
        if contradicting
        else "Labels do not belong to the images, or pixels do not identify classes: do not trust class controls.",
    )


def _fitting_shift(
    label: np.ndarray,
    stimulus: np.ndarray,
    images: np.ndarray,
    test: np.ndarray,
    contradicting: int,
    by_chance: float | None,
) -> int | None:
    """By how many samples labels have to move, each part by itself, to contradict less and to agree beyond chance."""
    for shift in sorted(SHIFTS, key=abs):
        moved = label.copy()
        for part in (test, ~test):
            moved[part] = np.roll(label[part], shift)
        left = contradictions(moved, stimulus)
        if 10 * left > len(label) or 2 * left > contradicting:
            continue
        agreement, _ = _agreement(moved, stimulus, images, np.random.default_rng(0), 0)
        if by_chance is None or agreement > by_chance:
            return shift
    return None


def check_classes(label: np.ndarray, test: np.ndarray) -> Finding:
    """Which classes the training and the test part hold."""
    train_classes, train_counts = np.unique(label[~test & (label >= 0)], return_counts=True)
    test_classes = np.unique(label[test & (label >= 0)])
    numbers: dict[str, int | float] = {
        "training_classes": len(train_classes),
        "test_classes": len(test_classes),
        "test_classes_not_trained": len(np.setdiff1d(test_classes, train_classes)),
    }
    if len(train_classes):
        numbers |= {"least_training_samples": int(train_counts.min()), "most_training_samples": int(train_counts.max())}
    finding = partial(Finding, "classes", numbers=numbers)
    if not len(train_classes) + len(test_classes):
        return finding("info", "There are no classes to count.", "There is nothing to balance.")
    if unknown := numbers["test_classes_not_trained"]:
        message = f"{unknown} of {len(test_classes)} classes of the test part do not occur in training."
        return finding("notable", message, "Class controls cannot predict these classes.")
    each = f"({span(train_counts)} samples each)"
    if not test.any():
        return finding("info", f"{len(train_classes)} classes {each}.", "There are no parts that could differ.")
    message = f"{len(train_classes)} classes in training {each}, {len(test_classes)} of them in the test part."
    return finding("info", message, "Every class of the test part was trained on.")


def contradictions(label: np.ndarray, stimulus: np.ndarray) -> int:
    """Number of samples whose label is not the most frequent one of their image."""
    identity = np.unique(stimulus, return_inverse=True)[1]
    code = np.unique(label, return_inverse=True)[1]
    counts = np.zeros((identity.max() + 1, code.max() + 1), dtype=int)
    np.add.at(counts, (identity, code), 1)
    return int(len(label) - counts.max(axis=1).sum())


def _agreement(
    label: np.ndarray, stimulus: np.ndarray, images: np.ndarray, rng: np.random.Generator, n_permutations: int
) -> tuple[float, np.ndarray | None]:
    """Share of distinct images whose nearest class mean is their label's, and the same after shuffling the labels.

    An image is left out of the mean of its own class. Only classes of two or more distinct images take part; NaN and
    None where fewer than two do.
    """
    _, first = np.unique(stimulus, return_index=True)
    if len(first) > MOST_IMAGES:
        first = np.random.default_rng(len(first)).permutation(first)[:MOST_IMAGES]
    classes, code, counts = np.unique(label[first], return_inverse=True, return_counts=True)
    first, code = first[counts[code] > 1], code[counts[code] > 1]
    if len(np.unique(code)) < 2:
        return float("nan"), None
    code = np.unique(code, return_inverse=True)[1]
    pixels = images[first].reshape(len(first), -1).astype(np.float64)
    gram = (pixels - pixels.mean(axis=0)) @ (pixels - pixels.mean(axis=0)).T
    shuffled = np.array([_nearest_mean_accuracy(gram, rng.permutation(code)) for _ in range(n_permutations)])
    return _nearest_mean_accuracy(gram, code), shuffled


def _nearest_mean_accuracy(gram: np.ndarray, code: np.ndarray) -> float:
    """Accuracy of the nearest class mean from inner products (n, n) and class numbers (n,), own image left out."""
    member = np.eye(code.max() + 1)[code]
    counts = member.sum(axis=0)
    with_sum = gram @ member  # inner product of each image with the sum of each class
    sum_norm = np.einsum("ic,ic->c", member, with_sum)
    own = np.diag(gram)[:, None]
    without = (with_sum - own * member) / (counts - member)
    norm = (sum_norm - member * (2 * with_sum - own)) / (counts - member) ** 2
    return float(np.mean(np.argmin(norm - 2 * without, axis=1) == code))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
