"""Checks of the images: values, blank ones, how often they repeat, and whether scored images were trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from cortexclip.audit.finding import Finding, counted, some, span

NEAR = 0.99
"""Pixel correlation above which two different images are nearly the same."""
BLANK = 0.01
"""Standard deviation over pixels (range 0 to 1) up to which an image shows nothing."""
FEW = 20
"""Distinct scored images below which a single image decides a noticeable share (5 % or more) of a mean."""

NEARNESS = (0.05, 0.5, 0.95)
"""Quantiles of the similarity to the nearest training image that are reported."""
BLOCK = 1024
"""Images that are correlated at once with all those trained on."""


@dataclass(frozen=True)
class Fold:
    """Positions of the samples that a fold trains on and of those that it scores, each of shape (n,)."""

    trained: np.ndarray
    scored: np.ndarray


def check_pixel_range(images: np.ndarray) -> Finding:
    """Range of the images, expected to be 0 to 1."""
    low, high = float(images.min()), float(images.max())
    finding = partial(Finding, "pixel_range", numbers={"minimum": low, "maximum": high})
    if low < 0 or high > 1:
        meaning = "Squared errors and structural similarity have another scale than in every other table."
        return finding("serious", f"Pixels range from {low:.3g} to {high:.3g}, outside 0 to 1.", meaning)
    if high - low < 0.5:
        meaning = "Squared errors are small whatever a decoder does; compare them only with that of the mean image."
        return finding("notable", f"Pixels use only the range {low:.3g} to {high:.3g} of 0 to 1.", meaning)
    return finding("info", f"Pixels range from {low:.3g} to {high:.3g}.", "Errors are on the usual scale.")


def check_blank_images(images: np.ndarray, stimulus: np.ndarray) -> Finding:
    """Distinct images that show nothing: standard deviation over pixels at most ``BLANK``."""
    distinct = _distinct(stimulus)[0]
    blank = images[distinct].reshape(len(distinct), -1).std(axis=1, dtype=np.float64) <= BLANK
    count = int(blank.sum())
    return Finding(
        "blank_images",
        "notable" if count else "info",
        f"{some(count, len(blank), 'distinct images', 'is', 'are')} blank or nearly so.",
        "A blank image has no pixel correlation, and what it measures is brightness alone."
        if count
        else "Every image has a pixel correlation.",
        {"blank": count, "distinct": len(blank)},
    )


def check_repeats(stimulus: np.ndarray, part: str = "") -> Finding:
    """How often images repeat in a ``part``: "training", "test" or "" for all samples."""
    samples, repeats = len(stimulus), np.unique(stimulus, return_counts=True)[1]
    least, most, name = int(repeats.min()), int(repeats.max()), f"{part} " if part else ""
    numbers = {"samples": samples, "distinct": len(repeats), "least_repeats": least, "most_repeats": most}
    finding = partial(Finding, f"{part}_repeats" if part else "repeats", numbers=numbers)
    if len(repeats) == samples:
        message = f"Each of the {samples} {name}samples shows a different image."
        return finding("info", message, "No image is repeated.")
    return finding(
        "notable" if 2 * len(repeats) <= samples else "info",
        f"The {samples} {name}samples show {counted(len(repeats), 'distinct image')}, {span(repeats)} times each.",
        "Samples of one image are not independent; intervals must be over images."
        if part == "test"
        else "A decoder learns from this number of images, not from as many images as there are samples.",
    )


def check_sample_size(folds: Sequence[Fold], stimulus: np.ndarray, what: str = "scored") -> Finding:
    """On how many samples and distinct images a score rests; ``what`` is how the scored samples are called."""
    scored = np.concatenate([fold.scored for fold in folds])
    distinct = len(np.unique(stimulus[scored]))
    few = distinct < FEW
    return Finding(
        "sample_size",
        "notable" if few else "info",
        f"{'Only ' if few else ''}{counted(distinct, f'distinct {what} image')} in "
        f"{counted(len(np.unique(scored)), f'{what} sample')}.",
        f"One image decides {100 / distinct:.0f} % of a mean; small differences between methods mean nothing."
        if few
        else "Intervals show what can be concluded from this number.",
        {"samples": len(np.unique(scored)), "distinct": distinct},
    )


def check_seen(folds: Sequence[Fold], stimulus: np.ndarray, what: str = "scored", promised: bool = False) -> Finding:
    """Scored samples whose image, exactly, occurs among those that their fold trained on.

    ``what`` is how the scored samples are called; ``promised`` says whether the protocol promises that no scored image
    was trained on. A canonical split is one fold.
    """
    hits = [np.isin(stimulus[fold.scored], stimulus[fold.trained]) for fold in folds]
    names = np.concatenate([stimulus[fold.scored] for fold in folds])
    seen, total = int(np.concatenate(hits).sum()), len(names)
    seen_names, distinct = len(np.unique(names[np.concatenate(hits)])), len(np.unique(names))
    numbers = {"samples": seen, "of_samples": total, "images": seen_names, "of_images": distinct}
    finding = partial(Finding, "seen_images", numbers=numbers)
    where = "in training" if len(folds) == 1 else "in the training of their fold"
    short = f"{some(seen, total, f'{what} samples', 'shows', 'show')} an image that also occurs {where}"
    if not seen:
        return finding("info", f"{short}.", "Scores are of images never trained on.")
    message = f"{short} ({seen_names} of {distinct} distinct images)."
    if promised:
        meaning = "The protocol claims that scored images are never trained on, which is not true: its split is wrong."
    elif seen == total:
        meaning = "Scores measure the recognition of seen images, not the reconstruction of unseen ones."
    else:
        meaning = "Scores mix the recognition of seen images with the reconstruction of unseen ones."
    return finding("serious", message, meaning, short=short)


def check_near(folds: Sequence[Fold], stimulus: np.ndarray, images: np.ndarray, what: str = "scored") -> Finding:
    """Scored samples whose image is not among those trained on, but nearly: pixel correlation above ``NEAR``.

    ``what`` is how the scored samples are called. Blank images are near to none.
    """
    table = nearest(folds, stimulus, images)
    unseen, total = table[~table.seen & (table.similarity > -1)], int(table.trials.sum())
    count = int(unseen.trials[unseen.similarity > NEAR].sum())
    numbers: dict[str, int | float] = {"samples": count, "of_samples": total}
    if len(unseen):
        numbers["greatest_correlation"] = float(unseen.similarity.max())
    short = f"{some(count, total, f'{what} samples', 'shows', 'show')} an image not trained on but nearly the same"
    return Finding(
        "near_images",
        "serious" if 10 * count > total else "notable" if count else "info",
        f"{short} (pixel correlation above {NEAR:g}) as one that was.",
        "Scores of these are closer to recognition than to the reconstruction of unseen images."
        if count
        else "No scored image has a near copy in training.",
        numbers,
        short,
    )


def nearest(
    folds: Sequence[Fold], stimulus: np.ndarray, images: np.ndarray, embedding: np.ndarray | None = None
) -> pd.DataFrame:
    """How similar each scored image is to the nearest one that its fold trained on.

    Similarity is the Pearson correlation over pixels, or, given an ``embedding`` (n_samples, n_features), the cosine of
    embeddings; 1 for an image that was trained on itself, -1 where it has none (a constant image).

    The table has a row for each distinct scored image of each fold: ``fold`` (its number), ``stimulus``, ``trials``
    that show it there, whether it was ``seen``, ``similarity``.
    """
    first, identity = _distinct(stimulus)
    patterns = _patterns(images[first]) if embedding is None else _unit(embedding[first])
    found = []
    for number, fold in enumerate(folds):
        trained = np.unique(identity[fold.trained])
        scored, trials = np.unique(identity[fold.scored], return_counts=True)
        seen = np.isin(scored, trained)
        similarity = np.full(len(scored), -1.0)
        for start in range(0, len(scored), BLOCK):  # all at once would not fit for many images
            values = patterns[scored[start : start + BLOCK]] @ patterns[trained].T
            similarity[start : start + BLOCK] = np.where(np.isfinite(values), values, -1.0).max(axis=1)
        similarity[seen] = 1.0
        table = {"fold": number, "stimulus": stimulus[first[scored]], "trials": trials, "seen": seen}
        found.append(pd.DataFrame({**table, "similarity": similarity}))
    return pd.concat(found, ignore_index=True)


def check_nearness(tables: Mapping[str, pd.DataFrame], what: str = "scored") -> Finding:
    """How near scored images are to training images, from the tables of `nearest` by space ("pixels" or an encoder)."""
    numbers: dict[str, int | float] = {"images": len(next(iter(tables.values())))}
    ranges = []
    for space, table in tables.items():
        low, median, high = np.quantile(table.similarity, NEARNESS)
        for share, value in zip(NEARNESS, (low, median, high), strict=True):
            numbers[f"{space}_q{100 * share:02.0f}"] = float(value)
        ranges.append(f"{median:.2f} ({low:.2f} to {high:.2f}) in {space}")
    return Finding(
        "nearness",
        "info",
        f"Similarity of a {what} image to the nearest one trained on, median (5 to 95 %): {', '.join(ranges)}.",
        "With similar images, classification can look like reconstruction: compare with controls that only classify.",
        numbers,
    )


def _patterns(images: np.ndarray) -> np.ndarray:
    """Images (n_images, y, x) as rows of mean 0 and length 1, so that products are correlations; NaN if constant."""
    pixels = np.asarray(images, dtype=np.float64).reshape(len(images), -1)
    return _unit(pixels - pixels.mean(axis=1, keepdims=True))


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows (n, n_values) of length 1; NaN for those without any."""
    rows = np.asarray(rows, dtype=np.float64)
    norm = np.sqrt((rows**2).sum(axis=1))
    norm[norm <= 1e-9] = np.nan
    return rows / norm[:, None]


def _distinct(stimulus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of the first sample of each distinct image, and for each sample which of these it shows."""
    _, first, identity = np.unique(stimulus, return_index=True, return_inverse=True)
    return first, identity
