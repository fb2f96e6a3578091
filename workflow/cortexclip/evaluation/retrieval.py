"""Retrieval between predicted embeddings and the embeddings of stimuli, with ties in expectation.

Every ranking is reduced to four numbers per query (`Ranking`), from which all retrieval metrics follow.
Tied items stand in random order: a metric of a ranking with ties is its expectation over that order, so that a
decoder that gives one and the same embedding for every trial scores exactly at chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexclip.errors import InputError
from cortexclip.numerics.standardise import unit_vectors

TIE_TOLERANCE = 1e-12
"""Similarities (cosines, correlations) closer than this are tied: they differ by the rounding of a dot product."""


@dataclass(frozen=True)
class Ranking:
    """Where the correct items of each query stand among the items of a gallery.

    Attributes
    ----------
    above : array of shape (..., n_queries): wrong items more similar to the query than its most similar correct item;
        NaN if it cannot be ranked.
    tied : array of shape (..., n_queries): wrong items tied with that correct item.
    own : array of shape (..., n_queries): correct items tied at that rank, itself included (1 where one alone is
        correct).
    correct : array of shape (n_queries,): correct items in the gallery.
    gallery : items in the gallery.
    """

    above: np.ndarray
    tied: np.ndarray
    own: np.ndarray
    correct: np.ndarray
    gallery: int


def similarity_matrix(predicted: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Cosine similarity of predicted (..., n_samples, n_features) and gallery embeddings (n_gallery, n_features).

    Returns an array of shape (..., n_samples, n_gallery), in -1..1; NaN where an embedding is zero or not finite: it
    has no direction.
    """
    predicted, gallery = np.asarray(predicted, dtype=float), np.asarray(gallery, dtype=float)
    if gallery.ndim != 2 or predicted.ndim < 2 or predicted.shape[-1] != gallery.shape[-1]:
        raise InputError(
            f"embeddings: predicted {predicted.shape} and gallery {gallery.shape} do not fit together; expected "
            "(..., sample, feature) and (stimulus, feature) with the same features. Use one encoder for both."
        )
    return unit_vectors(predicted) @ unit_vectors(gallery).T


def forward_ranking(similarity: np.ndarray, true_index: np.ndarray) -> Ranking:
    """Brain to image: for every trial, rank the gallery's stimuli by similarity to its prediction; one query per trial.

    The one correct item is the stimulus that was shown, whichever trial showed it. A stimulus whose embedding is zero,
    such as a black image's, has no cosine: its trials are not ranked, and it does not stand among the others.

    Parameters
    ----------
    similarity : array of shape (..., n_samples, n_gallery)
    true_index : int array of shape (n_samples,): column of the stimulus of each trial
    """
    similarity, true_index = _checked(similarity, true_index)
    true = similarity[..., np.arange(len(true_index)), true_index][..., None]
    with np.errstate(invalid="ignore"):
        above = (similarity > true + TIE_TOLERANCE).sum(axis=-1).astype(float)
        tied = (np.abs(similarity - true) <= TIE_TOLERANCE).sum(axis=-1) - 1.0
    unknown = np.isnan(true[..., 0])
    above[unknown] = tied[unknown] = np.nan
    blank = np.isnan(similarity).all(axis=tuple(range(similarity.ndim - 1)))  # items without a direction
    items = similarity.shape[-1] - (0 if blank.all() else int(blank.sum()))
    return Ranking(above, tied, np.ones_like(above), np.ones(len(true_index)), items)


def backward_ranking(similarity: np.ndarray, true_index: np.ndarray) -> Ranking:
    """Image to brain: for every stimulus that was shown, rank all trials by similarity of their predictions to it.

    Every trial of the stimulus is correct, and a hit is any one of them: the ranking is that of the most similar.
    It is a property of the stimulus, and is given for each of its trials, so that rows stay one per trial and a mean
    over trials weighs stimuli as the forward metrics do. Where no stimulus repeats this is the usual image-to-brain
    retrieval. A stimulus with more trials is easier to hit: compare with `chance_top_k` of the same trials.

    Arguments are those of `forward_ranking`; the gallery are the n_samples trials. NaN for all of them if one trial
    cannot be ranked, since the gallery is then not complete; and for the trials of a stimulus whose embedding is zero.
    """
    similarity, true_index = _checked(similarity, true_index)
    shown, stimulus, trials = np.unique(true_index, return_inverse=True, return_counts=True)
    columns = np.moveaxis(similarity[..., shown], -1, -2)  # (..., stimulus, trial)
    own = stimulus == np.arange(len(shown))[:, None]
    true = np.where(own, columns, -np.inf).max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        higher = columns > true + TIE_TOLERANCE
        equal = np.abs(columns - true) <= TIE_TOLERANCE
    counts = [(higher & ~own), (equal & ~own), (equal & own)]
    above, tied, own_tied = (count.sum(axis=-1).astype(float)[..., stimulus] for count in counts)
    without = np.isnan(columns)
    unknown = without.all(axis=-2).any(axis=-1)[..., None] | without.all(axis=-1)[..., stimulus]
    above[unknown] = tied[unknown] = own_tied[unknown] = np.nan
    return Ranking(above, tied, own_tied, trials[stimulus].astype(float), len(true_index))


def _checked(similarity: np.ndarray, true_index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    similarity, true_index = np.asarray(similarity, dtype=float), np.asarray(true_index, dtype=int)
    samples, gallery = similarity.shape[-2:]
    if true_index.shape != (samples,) or (samples and not (0 <= true_index.min() <= true_index.max() < gallery)):
        raise InputError(
            f"true_index: found shape {true_index.shape} for similarities {similarity.shape}; expected one column "
            f"number in 0..{gallery - 1} for each of {samples} trials."
        )
    return similarity, true_index


def top_k(ranking: Ranking, k: int) -> np.ndarray:
    """Probability, in 0..1, that a correct item is among the first ``k`` when tied items stand in random order.

    Let ``r = k - above`` ranks be left for the tied block of ``own`` correct and ``tied`` wrong items. No correct
    item is among them with probability C(tied, r) / C(tied + own, r) (hypergeometric). Without ties it is 0 or 1.
    Returns an array of shape (..., n_queries), NaN where the query cannot be ranked.
    """
    miss = np.ones_like(ranking.above)
    for drawn in range(k):
        left = ranking.above + drawn < k
        miss = np.where(left, miss * _still_missed(ranking, drawn), miss)
    return np.where(np.isnan(ranking.above), np.nan, 1 - miss)


def expected_rank(ranking: Ranking) -> np.ndarray:
    """Expected rank (..., n_queries) of the first correct item, from 1; with one of these 1 + above + tied / 2."""
    return ranking.above + (ranking.tied + ranking.own + 1) / (ranking.own + 1)


def reciprocal_rank(ranking: Ranking) -> np.ndarray:
    """Expected value (..., n_queries), in 0..1, of 1 / rank of the first correct item; its mean is the MRR."""
    total, missed = np.zeros_like(ranking.above), np.ones_like(ranking.above)
    longest = 0 if np.isnan(ranking.tied).all() else int(np.nanmax(ranking.tied))
    for drawn in range(longest + 1):
        still_missed = missed * _still_missed(ranking, drawn)
        total += (missed - still_missed) / (ranking.above + drawn + 1)
        missed = still_missed
    return total


def _still_missed(ranking: Ranking, drawn: int) -> np.ndarray:
    """Probability that the next of a tied block is wrong, when ``drawn`` wrong ones were taken from it before."""
    wrong = np.maximum(ranking.tied - drawn, 0)
    return wrong / (wrong + ranking.own)


def chance_top_k(gallery: int | np.ndarray, k: int, correct: int | np.ndarray = 1) -> np.ndarray | float:
    """Top-k accuracy of random order: 1 - C(gallery - correct, k) / C(gallery, k); k / gallery for one correct item.

    ``gallery`` and ``correct``, numbers or arrays that broadcast: items in the gallery, and how many of them are
    correct.
    """
    gallery, correct = np.asarray(gallery, dtype=float), np.asarray(correct, dtype=float)
    miss = np.ones(np.broadcast_shapes(gallery.shape, correct.shape))
    for drawn in range(k):
        wrong = np.maximum(gallery - correct - drawn, 0)
        miss = miss * wrong / (wrong + correct)
    return 1 - miss


def chance_rank(gallery: float) -> float:
    """Expected rank, and median rank, of one correct item in random order: (gallery + 1) / 2."""
    return (gallery + 1) / 2


def chance_reciprocal_rank(gallery: float) -> float:
    """Mean reciprocal rank of one correct item in random order: the harmonic number of ``gallery``, over ``gallery``.

    A mean gallery size that is no whole number is interpolated.
    """
    below = int(np.floor(gallery))
    exact = [np.sum(1 / np.arange(1, size + 1)) / size for size in (below, below + 1)]
    return float(exact[0] + (gallery - below) * (exact[1] - exact[0]))
