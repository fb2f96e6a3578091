"""Check of the prior corpus: whether an image that priors and encoders learned from is nearly a stimulus."""

from __future__ import annotations

import numpy as np

from cortexclip.audit.finding import Finding, some
from cortexclip.audit.stimuli import NEAR

BLOCK = 4096
"""Corpus images compared at a time."""
CHECK = "prior_corpus"


def check_corpus(corpus: np.ndarray, names: np.ndarray, images: np.ndarray, stimulus: np.ndarray) -> Finding:
    """Distinct stimuli for which the corpus holds nearly the same image: pixel correlation above ``NEAR``.

    Every stimulus counts, since one protocol or another scores it. Correlation ignores how bright an image is. Blank
    images are near to none.

    Parameters
    ----------
    corpus : array of shape (n_corpus, y, x), any scale.
    names : array of shape (n_corpus,): where each image comes from.
    images : array of shape (n_samples, y, x), range 0 to 1.
    stimulus : array of shape (n_samples,): identity of each sample's image.
    """
    first = np.unique(stimulus, return_index=True)[1]
    if corpus.shape[1:] != images.shape[1:]:
        shapes = ("x".join(map(str, array.shape[1:])) for array in (images, corpus))
        return Finding(
            CHECK,
            "notable",
            "The stimuli of {} pixels were not compared with the prior corpus of {}.".format(*shapes),
            "Whether glyphclip learned from an image like a stimulus is not known.",
            {"distinct": len(first), "corpus": len(corpus)},
        )
    correlation, mse, nearest = nearest_images(corpus, images[first])
    near = correlation > NEAR
    count, total = int(near.sum()), len(first)
    closest = int(correlation.argmax())
    return Finding(
        CHECK,
        "serious" if 10 * count > total else "notable" if count else "info",
        f"{some(count, total, 'distinct stimuli', 'is', 'are')} nearly the same (pixel correlation above {NEAR:g}) as "
        f"one of the {len(corpus)} images of the prior corpus; the most alike is {names[nearest[closest]]}, "
        f"{correlation[closest]:.3f}.",
        "Methods with a prior and encoders learned from the corpus had met these images before any brain was read."
        if count
        else "The priors learned from no image that is scored; glyphclip learned from more variants of them.",
        {
            "near": count,
            "distinct": total,
            "corpus": len(corpus),
            "greatest_correlation": float(correlation[closest]),
            "least_mse": float(mse.min()),
        },
    )


def nearest_images(corpus: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each image (n, y, x) the greatest correlation with the corpus, the least squared error, the most alike one.

    Returns
    -------
    correlation (n,), -1 where the image is blank; mean squared error of pixels (n,), of the corpus in 0..1 if it is
    uint8; position in the corpus of the most correlated image (n,)
    """
    pixels = np.asarray(images, np.float32).reshape(len(images), -1)
    standard, squares = _standard(pixels), np.square(pixels).sum(axis=1)
    scale = np.float32(255 if corpus.dtype == np.uint8 else 1)
    best = np.full(len(images), -1.0, np.float32)
    least, where = np.full(len(images), np.inf, np.float32), np.zeros(len(images), int)
    for start in range(0, len(corpus), BLOCK):
        block = corpus[start : start + BLOCK].reshape(-1, pixels.shape[1]).astype(np.float32) / scale
        distance = np.square(block).sum(axis=1) - 2 * pixels @ block.T + squares[:, None]
        least = np.minimum(least, distance.min(axis=1))
        correlation = standard @ _standard(block).T
        position = correlation.argmax(axis=1)
        value = correlation[np.arange(len(images)), position]
        better = value > best
        best[better], where[better] = value[better], position[better] + start
    blank = ~standard.any(axis=1)
    return np.where(blank, -1, best), np.maximum(least, 0) / pixels.shape[1], where


def _standard(pixels: np.ndarray) -> np.ndarray:
    """Rows centred and of length 1; rows that are constant become 0."""
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.where(norm > 1e-4, centred / np.maximum(norm, 1e-4), 0)
