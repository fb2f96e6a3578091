"""Whether predictions are more than a choice among training images.

Shirakawa et al. 2025 (arXiv 2405.10078) and Otsuka et al. 2025 (arXiv 2509.15832): where scored images are close to
training images, a decoder that tells a few clusters apart looks like one that reconstructs. Its predictions vary in
few dimensions, lie in the span of the training images, and identify the true stimulus against other clusters alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.cluster.hierarchy import fcluster, linkage

from cortexclip.evaluation.metrics import pairwise_identification
from cortexclip.evaluation.score import names_of

NOTHING = 1e-10
"""Mean squared deviation of pixels (0 to 1) that is rounding, and no variance."""
IMAGES_PER_CLUSTER, MOST_CLUSTERS = 4, 10
"""Scored images in a cluster on average, and the most clusters."""


def collapse_of(
    dataset: xr.Dataset, predictions: xr.Dataset, trained: Sequence[np.ndarray], judge: xr.Dataset | None
) -> dict:
    """The row of one run in the table collapse; stimuli are clustered by the judge's embeddings, or by their pixels.

    ``trained`` are the samples that each fold learned from, by the number of the fold.
    """
    rows, fold = predictions.sample.values, predictions.fold.values
    stimuli, shown = dataset.stimuli.values, dataset.stimulus.values[rows]
    space = stimuli[rows].reshape(len(rows), -1) if judge is None else judge.embedding.sel(stimulus=shown).values
    cluster = scored_clusters(space, shown)
    folds = [(np.flatnonzero(fold == number), stimuli[samples]) for number, samples in enumerate(trained)]
    return {
        **names_of(dataset, predictions),
        **collapse(predictions.image.values, stimuli[rows], shown, cluster, folds),
        "clusters": int(cluster.max()) + 1,
        "space": "pixels" if judge is None else judge.attrs["encoder"],
    }


def collapse(
    predicted: np.ndarray,
    stimuli: np.ndarray,
    stimulus_ids: np.ndarray,
    cluster: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
) -> dict[str, float]:
    """How far a method's predictions are a choice among training images, as means over seeds.

    Parameters
    ----------
    predicted : array of shape (n_seeds, n_samples, y, x), the predictions of all folds.
    stimuli : array of shape (n_samples, y, x), what was shown.
    stimulus_ids, cluster : arrays of shape (n_samples,).
    folds : for each fold the rows that it scores, and the images that it was trained on, (n_training, y, x).

    Returns
    -------
    ``dimensions`` and ``dimensions_stimuli``: `participation_ratio` of predictions and of stimuli, as deviations from
    the mean training image of their fold. ``span`` and ``span_stimuli``: `span_share` of both, mean over folds weighed
    by samples. ``identification`` among all scored stimuli, of all folds, and ``identification_within`` clusters, both
    over the ``compared`` samples whose cluster has another scored stimulus.
    """

    def span(images: np.ndarray) -> float:
        shares = np.array([span_share(images[rows], training) for rows, training in folds])
        weight = np.array([len(rows) for rows, _ in folds]) * np.isfinite(shares)
        return float(np.nansum(shares * weight) / weight.sum()) if weight.any() else float("nan")

    def dimensions(images: np.ndarray) -> float:
        means = np.empty_like(images)
        for rows, training in folds:
            means[rows] = training.mean(axis=0)
        return participation_ratio(images - means)

    predicted, stimuli = np.asarray(predicted, np.float64), np.asarray(stimuli, np.float64)
    within = identification_within(predicted, stimuli, stimulus_ids, cluster)
    compared = np.isfinite(within)
    over_all = pairwise_identification(predicted, stimuli, stimulus_ids)
    return {
        "dimensions": float(np.mean([dimensions(each) for each in predicted])),
        "dimensions_stimuli": dimensions(stimuli),
        "span": float(np.mean([span(each) for each in predicted])),
        "span_stimuli": span(stimuli),
        "identification": float(over_all[compared].mean()) if compared.any() else float("nan"),
        "identification_within": float(within[compared].mean()) if compared.any() else float("nan"),
        "compared": int(compared.any(axis=0).sum()),
    }


def scored_clusters(embedding: np.ndarray, stimulus_ids: np.ndarray) -> np.ndarray:
    """Cluster of each scored sample's image, shape (n_samples,), from embeddings (n_samples, n_features).

    There are as many as give `IMAGES_PER_CLUSTER` distinct images each on average, at least two, at most
    `MOST_CLUSTERS`.
    """
    _, first, shown = np.unique(stimulus_ids, return_index=True, return_inverse=True)
    return image_clusters(embedding[first], min(max(2, len(first) // IMAGES_PER_CLUSTER), MOST_CLUSTERS))[shown]


def participation_ratio(images: np.ndarray) -> float:
    """Effective number of dimensions in which images (n_images, ...) vary: (sum of variances)^2 / sum of their squares.

    The variances are those of the principal components; at most n_images - 1. 0 for images that are all equal.
    """
    rows = np.asarray(images, np.float64).reshape(len(images), -1)
    rows = rows - rows.mean(axis=0)
    gram = rows @ rows.T
    return float(np.trace(gram)) ** 2 / float((gram**2).sum()) if (rows**2).mean() > NOTHING else 0.0


def span_share(images: np.ndarray, training: np.ndarray) -> float:
    """Share of the variance of images (n_images, ...) in the affine span of training images (n_training, ...).

    Variance is that about the mean training image. A linear map from responses has a share of 1, up to the clipping of
    its pixels, and so has any method where there are as many training images as pixels; compare with the share of the
    scored stimuli themselves. NaN for images that all equal that mean.
    """
    known = np.asarray(training, np.float64).reshape(len(training), -1)
    mean = known.mean(axis=0)
    rows = np.asarray(images, np.float64).reshape(len(images), -1) - mean
    if (rows**2).mean() <= NOTHING:
        return float("nan")
    _, size, axes = np.linalg.svd(known - mean, full_matrices=False)
    axes = axes[size > 1e-9 * max(size.max(), 1e-12)]
    return float(((rows @ axes.T) ** 2).sum() / (rows**2).sum())


def image_clusters(embedding: np.ndarray, most: int) -> np.ndarray:
    """Cluster of each image, from 0, by Ward's method on embeddings (n_images, n_features); at most ``most``."""
    if len(embedding) < 2:
        return np.zeros(len(embedding), int)
    return fcluster(linkage(np.asarray(embedding, np.float64), "ward"), most, "maxclust") - 1


def identification_within(
    predicted: np.ndarray, stimuli: np.ndarray, stimulus_ids: np.ndarray, cluster: np.ndarray
) -> np.ndarray:
    """`pairwise_identification` with distractors of the true stimulus's own cluster alone; ``cluster`` is (n_samples,).

    NaN also where no other stimulus of the cluster is scored.
    """
    values = np.full(predicted.shape[:-2], np.nan)
    for number in np.unique(cluster):
        rows = np.flatnonzero(cluster == number)
        values[..., rows] = pairwise_identification(predicted[..., rows, :, :], stimuli[rows], stimulus_ids[rows])
    return values
