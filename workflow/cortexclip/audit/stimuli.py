"""Checks of the images: values, blank ones, how often they repeat, and whether scored images were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cortexclip.audit.finding import Finding, some

NEAR = 0.99
"""Pixel correlation above which two different images are nearly the same."""
BLANK = 0.01
"""Standard deviation over pixels (range 0 to 1) up to which an image shows nothing."""
FEW = 20
"""Distinct scored images below which a single image decides a noticeable share (5 % or more) of a mean."""

BLOCK = 1024
"""Images that are correlated at once with all those trained on."""


@dataclass(frozen=True)
class Fold:
    """Positions of the samples that a fold trains on and of those that it scores, each of shape (n,)."""

    trained: np.ndarray
    scored: np.ndarray


def check_pixel_range(images: np.ndarray) -> Finding:
    """Range of the images (n_samples, ...), expected to be 0 to 1."""
    low, high = float(images.min()), float(images.max())
    numbers = {"minimum": low, "maximum": high}
    if low < 0 or high > 1:
        return Finding(
            "pixel_range",
            "serious",
            f"Pixels range from {low:.3g} to {high:.3g}, outside 0 to 1.",
            "Squared errors and structural similarity have another scale than in every other table.",
            numbers,
        )
    if high - low < 0.5:
        return Finding(
            "pixel_range",
            "notable",
            f"Pixels use only the range {low:.3g} to {high:.3g} of 0 to 1.",
            "Squared errors are small whatever a decoder does; compare them with the mean image's only.",
            numbers,
        )
    return Finding(
        "pixel_range", "info", f"Pixels range from {low:.3g} to {high:.3g}.", "Errors have the usual scale.", numbers
    )


def check_blank_images(images: np.ndarray, stimulus: np.ndarray) -> Finding:
    """Distinct images that show nothing: standard deviation over pixels at most ``BLANK``.

    ``images`` has shape (n_samples, y, x), range 0 to 1; ``stimulus`` (n_samples,) is their identity.
    """
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


def check_repeats(stimulus: np.ndarray, test: np.ndarray) -> list[Finding]:
    """How often images repeat within each part.

    ``stimulus`` (n_samples,) is the identity of the image, ``test`` (n_samples,) whether a sample is of the test part;
    where no sample is, there are no parts.
    """
    findings = []
    parts = [("training_repeats", "training ", ~test), ("test_repeats", "test ", test)]
    for check, name, part in parts if test.any() else [("repeats", "", ~test)]:
        samples = int(part.sum())
        repeats = np.unique(stimulus[part], return_counts=True)[1]
        numbers = {
            "samples": samples,
            "distinct": len(repeats),
            "least_repeats": int(repeats.min()),
            "most_repeats": int(repeats.max()),
        }
        if len(repeats) == samples:
            message = f"Each of the {samples} {name}samples shows another image."
            findings.append(Finding(check, "info", message, "Samples are different questions.", numbers))
            continue
        least, most = numbers["least_repeats"], numbers["most_repeats"]
        findings.append(
            Finding(
                check,
                "notable" if 2 * len(repeats) <= samples else "info",
                f"The {samples} {name}samples show {_count(len(repeats), 'distinct image')}, "
                f"{f'{least} times' if least == most else f'{least} to {most} times'} each.",
                "Samples of one image are not independent; intervals have to be over images."
                if name == "test "
                else "A decoder learns from as many images, not from as many as there are samples.",
                numbers,
            )
        )
    return findings


def check_sample_size(folds: Sequence[Fold], stimulus: np.ndarray, what: str = "scored") -> Finding:
    """On how many samples and distinct images a score rests; ``what`` is how the scored samples are called."""
    scored = np.concatenate([fold.scored for fold in folds])
    distinct = len(np.unique(stimulus[scored]))
    few = distinct < FEW
    return Finding(
        "sample_size",
        "notable" if few else "info",
        f"{'Only ' if few else ''}{_count(distinct, f'distinct {what} image')} in "
        f"{_count(len(np.unique(scored)), f'{what} sample')}.",
        f"One image decides {100 / distinct:.0f} % of a mean; small differences between methods mean nothing."
        if few
        else "Intervals show what this number allows to say.",
        {"samples": len(np.unique(scored)), "distinct": distinct},
    )


def check_seen(folds: Sequence[Fold], stimulus: np.ndarray, what: str = "scored", promised: bool = False) -> Finding:
    """Scored samples whose image, exactly, occurs among those that their fold trained on.

    Parameters
    ----------
    folds : the folds; a canonical split is one.
    stimulus : array of shape (n_samples,): identity of each sample's image.
    what : how the scored samples are called.
    promised : whether the protocol promises that no scored image was trained on.
    """
    hits = [np.isin(stimulus[fold.scored], stimulus[fold.trained]) for fold in folds]
    names = np.concatenate([stimulus[fold.scored] for fold in folds])
    seen, total = int(np.concatenate(hits).sum()), len(names)
    seen_names, distinct = len(np.unique(names[np.concatenate(hits)])), len(np.unique(names))
    numbers = {"samples": seen, "of_samples": total, "images": seen_names, "of_images": distinct}
    where = "in training" if len(folds) == 1 else "in the training of their fold"
    message = f"{some(seen, total, f'{what} samples', 'shows', 'show')} an image that also occurs {where}"
    if not seen:
        return Finding("seen_images", "info", f"{message}.", "Scores are of images never trained on.", numbers)
    message += f" ({seen_names} of {distinct} distinct images)."
    if promised:
        meaning = "The protocol promises images never trained on and does not keep it: its split is wrong."
    elif seen == total:
        meaning = "Scores measure the recognition of seen images, not the reconstruction of unseen ones."
    else:
        meaning = "Scores mix the recognition of seen images with the reconstruction of unseen ones."
    return Finding("seen_images", "serious", message, meaning, numbers)


def check_near(folds: Sequence[Fold], stimulus: np.ndarray, images: np.ndarray, what: str = "scored") -> Finding:
    """Scored samples whose image is not among those trained on, but nearly: pixel correlation above ``NEAR``.

    Parameters are those of :func:`check_seen`; ``images`` has shape (n_samples, y, x). Blank images are near to none.
    """
    first, identity = _distinct(stimulus)
    patterns = _patterns(images[first])
    count, total, closest = 0, 0, -1.0
    for fold in folds:
        trained = np.unique(identity[fold.trained])
        scored, times = np.unique(identity[fold.scored], return_counts=True)
        total += len(fold.scored)
        unseen = ~np.isin(scored, trained)
        for start in range(0, int(unseen.sum()), BLOCK):  # all at once would not fit for many images
            block = slice(start, start + BLOCK)
            values = patterns[scored[unseen][block]] @ patterns[trained].T
            near = np.where(np.isfinite(values), values, -1.0).max(axis=1)
            count += int(times[unseen][block][near > NEAR].sum())
            closest = max(closest, float(near.max()))
    numbers: dict[str, int | float] = {"samples": count, "of_samples": total}
    if closest > -1:
        numbers["greatest_correlation"] = closest
    return Finding(
        "near_images",
        "serious" if 10 * count > total else "notable" if count else "info",
        f"{some(count, total, f'{what} samples', 'shows', 'show')} an image not trained on but nearly the "
        f"same (pixel correlation above {NEAR:g}) as one that was.",
        "Scores of these are closer to recognition than to the reconstruction of unseen images."
        if count
        else "No image was trained on in disguise.",
        numbers,
    )


def pixel_correlation(images: np.ndarray) -> np.ndarray:
    """Pearson correlation over pixels between images (n_images, y, x); NaN where an image is constant."""
    patterns = _patterns(images)
    return patterns @ patterns.T


def _patterns(images: np.ndarray) -> np.ndarray:
    """Images (n_images, y, x) as rows of mean 0 and length 1, so that products are correlations; NaN if constant."""
    pixels = np.asarray(images, dtype=np.float64).reshape(len(images), -1)
    pixels = pixels - pixels.mean(axis=1, keepdims=True)
    norm = np.sqrt((pixels**2).sum(axis=1))
    norm[norm <= 1e-9] = np.nan
    return pixels / norm[:, None]


def _distinct(stimulus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of the first sample of each distinct image, and for each sample which of these it shows."""
    _, first, identity = np.unique(stimulus, return_index=True, return_inverse=True)
    return first, identity


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
