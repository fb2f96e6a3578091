"""Metrics of reconstructed images, each computed for a whole stack at once, and what every metric's number means.

`METRICS` is the one table that states how a metric is called, which way is better, what chance is and how it is
printed; score tables, result tables and figures read it. A new image metric is a function and an entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cortexclip.errors import InputError
from cortexclip.evaluation import retrieval
from cortexclip.evaluation.retrieval import Ranking
from cortexclip.numerics.standardise import unit_vectors

PSNR_CEILING = 100.0
"""PSNR in dB given to identical images, whose ratio has no finite value; a mean over images needs one."""

CONSTANT_TOLERANCE = 1e-12
"""An image whose range is below this share of its largest value is constant: the rest is rounding."""

BRIGHTEST = 2.0
"""Seen images that are brighter than this are not in 0..1."""

SSIM_CHUNK = 256
"""Images filtered at a time by SSIM, so that the five moments stay in the processor's cache."""


def mse(predicted: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    """Mean squared error over the pixels of each image: array of shape (...), from 0; NaN where an image is not finite.

    Parameters
    ----------
    predicted, stimuli : arrays of shape (..., y, x) that broadcast, in 0..1
    """
    predicted, stimuli = _in_unit_range(predicted, stimuli)
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.square(predicted - stimuli).mean(axis=(-1, -2))
    return np.where(np.isfinite(errors), errors, np.nan)


def psnr(predicted: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of each image in dB, ``-10 log10(mse)`` for a data range of 1: array of shape (...).

    It is at most `PSNR_CEILING`, which identical images get; arguments as of `mse`.
    """
    return -10 * np.log10(np.maximum(mse(predicted, stimuli), 10 ** (-PSNR_CEILING / 10)))


def pixcorr(predicted: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    """Pearson correlation over the pixels of each image: array of shape (...), in -1..1.

    NaN where either image is constant: it has no correlation. Images are arrays of shape (..., y, x) that broadcast.
    """
    predicted, stimuli = _images(predicted, stimuli)
    return np.clip(np.einsum("...p,...p->...", _standardised(predicted, 2), _standardised(stimuli, 2)), -1, 1)


def ssim(predicted: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    """Structural similarity with a gaussian window (sigma 1.5, 11 x 11), population covariance, data range 1.

    As scikit-image with ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1``: the mean is
    over windows that lie wholly in the image (torchmetrics adds those of a padded border, and differs). Returns an
    array of shape (...), in -1..1. Source: Wang, Bovik, Sheikh & Simoncelli (2004), Image quality assessment: from
    error visibility to structural similarity, IEEE Transactions on Image Processing 13, equations 13 to 17.

    Parameters
    ----------
    predicted, stimuli : arrays of shape (..., y, x) that broadcast, in 0..1, y and x at least 11
    """
    offsets = np.arange(-5, 6)
    window = np.exp(-0.5 * np.square(offsets / 1.5))
    return _structural_similarity(predicted, stimuli, window / window.sum(), covariance_scale=1.0)


def ssim_uniform7(predicted: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    """Structural similarity with a uniform 7 x 7 window and sample covariance: scikit-image's default.

    Published tables mix it with `ssim`; the two are not comparable. Arguments and result as there, y and x at least 7.
    """
    return _structural_similarity(predicted, stimuli, np.full(7, 1 / 7), covariance_scale=49 / 48)


def _structural_similarity(
    predicted: np.ndarray, stimuli: np.ndarray, window: np.ndarray, covariance_scale: float
) -> np.ndarray:
    """Mean over the pixels whose window lies wholly in the image, for which borders need no padding rule.

    There a separable filter is a product with one band matrix per axis, done for a whole chunk of images at once.
    """
    predicted, stimuli = _in_unit_range(predicted, stimuli)
    height, width = predicted.shape[-2:]
    if min(height, width) < len(window):
        raise InputError(
            f"images: {height} x {width} pixels are smaller than the {len(window)} x {len(window)} window of SSIM. "
            "Give larger images."
        )
    rows, columns = _valid_filter(window, height), _valid_filter(window, width).T
    leading = np.broadcast_shapes(predicted.shape[:-2], stimuli.shape[:-2])
    first, second = (images.reshape(-1, height, width) for images in (predicted, stimuli))
    first_index, second_index = (
        np.broadcast_to(np.arange(len(flat)).reshape(images.shape[:-2]), leading).ravel()
        for flat, images in ((first, predicted), (second, stimuli))
    )

    def smoothed(images: np.ndarray) -> np.ndarray:
        return rows @ (images.reshape(-1, width) @ columns).reshape(len(images), height, -1)

    c1, c2 = 0.01**2, 0.03**2
    similarity = np.empty(len(first_index))
    with np.errstate(invalid="ignore", over="ignore"):
        # Stimuli are few and shared by all seeds: their own moments are computed once.
        second_mean, second_square = smoothed(second), smoothed(second * second)
        for start in range(0, len(similarity), SSIM_CHUNK):
            chunk = slice(start, start + SSIM_CHUNK)
            x, y = first[first_index[chunk]], second[second_index[chunk]]
            mean_x, mean_y = smoothed(x), second_mean[second_index[chunk]]
            product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
            covariance = covariance_scale * (smoothed(x * y) - product)
            variances = covariance_scale * (smoothed(x * x) + second_square[second_index[chunk]] - squares)
            ratio = ((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))
            similarity[chunk] = ratio.mean(axis=(-1, -2))
    return similarity.reshape(leading)


def _valid_filter(window: np.ndarray, size: int) -> np.ndarray:
    """Band matrix (size - len(window) + 1, size) that correlates an axis with ``window`` where it fits wholly."""
    n_positions = size - len(window) + 1
    matrix = np.zeros((n_positions, size))
    for position in range(n_positions):
        matrix[position, position : position + len(window)] = window
    return matrix


@dataclass(frozen=True)
class Comparisons:
    """How the true stimulus of each predicted image compares with its distractors.

    ``less``, ``tied`` (..., n_samples): distractors less similar to the prediction than the true stimulus, and
    tied with it; NaN where the prediction or its stimulus is constant. ``distractors`` is their number.
    """

    less: np.ndarray
    tied: np.ndarray
    distractors: int


def pairwise_identification(predicted: np.ndarray, stimuli: np.ndarray, stimulus_ids: np.ndarray) -> np.ndarray:
    """Share of distractors less similar to a predicted image than its true stimulus (2-way identification).

    Similarity is the Pearson correlation over pixels. The distractors are the **distinct other** stimuli: other
    trials of the same stimulus are none, and a stimulus shown in many trials counts once, so that the number does not
    depend on how often the others were repeated. Ties count one half. Chance is 0.5.

    Returns an array of shape (..., n_samples), in 0..1; NaN for a constant prediction or true stimulus, and where there
    is no distractor. A constant distractor has no correlation to compare with and is left out.

    Parameters
    ----------
    predicted : array of shape (..., n_samples, y, x)
    stimuli : array of shape (n_samples, y, x): the true stimulus of each trial of one scored part
    stimulus_ids : array of shape (n_samples,): identity of that stimulus
    """
    predicted, stimuli = _images(predicted, stimuli)
    return _share(_comparisons(_standardised(predicted, 2), _standardised(stimuli, 2), stimulus_ids))


def embedding_identification(predicted: np.ndarray, embeddings: np.ndarray, stimulus_ids: np.ndarray) -> np.ndarray:
    """As `pairwise_identification`, with the Pearson correlation over the features of embeddings.

    Of embeddings of predicted images this is the literature's 2-way identification in CLIP space.

    Parameters
    ----------
    predicted : array of shape (..., n_samples, n_features)
    embeddings : array of shape (n_samples, n_features): the embedding of the true stimulus of each trial
    stimulus_ids : array of shape (n_samples,)
    """
    predicted, embeddings = np.asarray(predicted, dtype=float), np.asarray(embeddings, dtype=float)
    return _share(_comparisons(_standardised(predicted, 1), _standardised(embeddings, 1), stimulus_ids))


def n_way_identification(
    predicted: np.ndarray, stimuli: np.ndarray, stimulus_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Probability that the true stimulus is the most similar among itself and n - 1 random distractors.

    Arguments, similarity and distractors are those of `pairwise_identification`, which is the curve at n = 2. The
    distractors are drawn without replacement. With D distractors, L of them less similar and T tied, the true stimulus
    takes any of the T + 1 tied ranks with equal probability (ties shared), hence the curve is
    ``mean over t = 0..T of C(L + t, n - 1) / C(D, n - 1)``. Chance is 1 / n.

    Returns
    -------
    ways : int array of shape (n_ways,): 2, 3, ... up to all distractors
    curve : array of shape (..., n_samples, n_ways), in 0..1, NaN as in `pairwise_identification`
    """
    predicted, stimuli = _images(predicted, stimuli)
    counts = _comparisons(_standardised(predicted, 2), _standardised(stimuli, 2), stimulus_ids)
    ways = np.arange(2, counts.distractors + 2)
    if not len(ways):
        return ways, np.empty((*counts.less.shape, 0))
    # wins[b, j]: all of j + 1 distractors drawn are among the b that are beaten.
    drawn = np.arange(counts.distractors)
    beaten = np.arange(counts.distractors + 1)[:, None]
    wins = np.cumprod(np.maximum(beaten - drawn, 0) / (counts.distractors - drawn), axis=1)
    known = ~np.isnan(counts.less)
    low = np.where(known, counts.less, 0).astype(int)
    tied = np.where(known, counts.tied, 0).astype(int)
    curve = wins[low]
    if tied.any():
        sums = np.concatenate([np.zeros((1, len(drawn))), np.cumsum(wins, axis=0)])
        shared = (sums[low + tied + 1] - sums[low]) / (tied + 1)[..., None]
        curve = np.where((tied > 0)[..., None], shared, curve)
    return ways, np.where(known[..., None], curve, np.nan)


def _share(counts: Comparisons) -> np.ndarray:
    if counts.distractors == 0:
        return np.full(counts.less.shape, np.nan)
    return (counts.less + counts.tied / 2) / counts.distractors


def _comparisons(predicted: np.ndarray, true: np.ndarray, stimulus_ids: np.ndarray) -> Comparisons:
    """Comparisons of standardised vectors: predicted (..., n_samples, n_features), true (n_samples, n_features)."""
    stimulus_ids = np.asarray(stimulus_ids)
    if true.ndim != 2 or stimulus_ids.shape != true.shape[:1] or predicted.shape[-2:] != true.shape:
        raise InputError(
            f"identification: predictions {predicted.shape}, stimuli {true.shape} (pixels or features last) and "
            f"stimulus ids {stimulus_ids.shape} do not fit together; expected one stimulus and one id for each trial."
        )
    _, first, stimulus = np.unique(stimulus_ids, return_index=True, return_inverse=True)
    gallery = true[first]
    usable = np.isfinite(gallery).all(axis=-1)
    ranking = retrieval.forward_ranking(-(predicted @ gallery.T), stimulus)  # by dissimilarity: above is less similar
    # Where the true stimulus is itself not usable the result is NaN, so one number serves all others.
    return Comparisons(ranking.above, ranking.tied, max(int(usable.sum()) - 1, 0))


def _in_unit_range(predicted: np.ndarray, stimuli: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_images`; raises InputError also for images that are not in 0..1, such as those of 8 bits."""
    for name, images in (("predicted", predicted), ("stimuli", stimuli)):
        images = np.asarray(images)
        if images.dtype.kind in "iu" or (name == "stimuli" and images.size and np.nanmax(images) > BRIGHTEST):
            raise InputError(
                f"images: {name} are {images.dtype} in {images.min()}..{images.max()}, expected numbers in 0..1 with "
                "fractions. Divide images of 8 bits by 255."
            )
    return _images(predicted, stimuli)


def _images(predicted: np.ndarray, stimuli: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predicted, stimuli = np.asarray(predicted, dtype=float), np.asarray(stimuli, dtype=float)
    fits = predicted.ndim >= 2 and stimuli.ndim >= 2 and predicted.shape[-2:] == stimuli.shape[-2:]
    try:
        fits = fits and np.broadcast_shapes(predicted.shape[:-2], stimuli.shape[:-2]) is not None
    except ValueError:
        fits = False
    if not fits:
        raise InputError(
            f"images: predicted {predicted.shape} and stimuli {stimuli.shape} do not fit together; expected "
            "(..., y, x) with the same y and x and leading axes that broadcast."
        )
    return predicted, stimuli


def _standardised(values: np.ndarray, axes: int) -> np.ndarray:
    """The last ``axes`` axes flattened, centred and of length 1; NaN where constant or not finite."""
    flat = values.reshape(*values.shape[: values.ndim - axes], -1)
    with np.errstate(invalid="ignore", over="ignore"):
        spread = flat.max(axis=-1, keepdims=True) - flat.min(axis=-1, keepdims=True)
        constant = ~(spread > CONSTANT_TOLERANCE * np.abs(flat).max(axis=-1, keepdims=True))
        centred = flat - flat.mean(axis=-1, keepdims=True)
        return unit_vectors(np.where(constant, np.nan, centred))


ImageFunction = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
RankingFunction = Callable[[Ranking], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """What the numbers of a metric mean.

    Attributes
    ----------
    name : as in the column ``metric`` of score tables.
    label, unit : for tables and figures; the unit is empty for a pure number.
    low, high : range of its values; infinite where it has no bound.
    higher_is_better : None for what describes the task (a gallery size, a chance level).
    decimals : digits after the point in tables.
    chance : level of a decoder that knows nothing, where it is the same for all data, or None.
    chance_from : (name, function) or None: where it depends on the data, the function of the mean of another metric of
        the same cell that gives it.
    of_images, of_forward, of_backward : function or None: how it is computed, from (predicted, stimuli, stimulus_ids),
        or from a ranking in the gallery ``gallery``.
    gallery : "test" (distinct stimuli of the scored part) or "all" (of the dataset) for retrieval metrics, else empty.
    median_of : summarised as the median of that metric, instead of being computed for each trial.
    """

    name: str
    label: str
    low: float
    high: float
    higher_is_better: bool | None
    decimals: int
    unit: str = ""
    chance: float | None = None
    chance_from: tuple[str, Callable[[float], float]] | None = None
    of_images: ImageFunction | None = None
    of_forward: RankingFunction | None = None
    of_backward: RankingFunction | None = None
    gallery: str = ""
    median_of: str | None = None


def chance_level(name: str, means: Mapping[str, float]) -> float | None:
    """Chance level of a metric, None if it has none; ``means`` are of its cell's other metrics, gallery sizes too."""
    metric = METRICS[name]
    if metric.chance_from is None:
        return metric.chance
    source, level = metric.chance_from
    return level(means[source]) if source in means else None


def _pixels(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> ImageFunction:
    return lambda predicted, stimuli, stimulus_ids: function(predicted, stimuli)


_IMAGE_METRICS = [
    Metric("mse", "MSE", 0, np.inf, False, 4, of_images=_pixels(mse)),
    Metric("pixcorr", "PixCorr", -1, 1, True, 3, of_images=_pixels(pixcorr)),
    Metric("ssim", "SSIM", -1, 1, True, 3, of_images=_pixels(ssim)),
    Metric("ssim_uniform7", "SSIM (uniform 7x7)", -1, 1, True, 3, of_images=_pixels(ssim_uniform7)),
    Metric("psnr", "PSNR", -np.inf, PSNR_CEILING, True, 2, unit="dB", of_images=_pixels(psnr)),
    Metric("pairwise_identification", "2-way (pixels)", 0, 1, True, 3, chance=0.5, of_images=pairwise_identification),
    Metric("clip_identification", "2-way (CLIP of image)", 0, 1, True, 3, chance=0.5),
    Metric("embedding_identification", "2-way (embedding)", 0, 1, True, 3, chance=0.5),
]


def _gallery_size(ranking: Ranking) -> np.ndarray:
    return np.full(ranking.above.shape, float(ranking.gallery))


def _of_ranking(
    gallery: str, name: str, label: str, low: int, high: float, better: bool | None, decimals: int, **options: Any
) -> Metric:
    return Metric(f"{name}_{gallery}", f"{label} ({gallery})", low, high, better, decimals, gallery=gallery, **options)


def _forward_metrics(gallery: str) -> list[Metric]:
    size, of_ranking = f"gallery_{gallery}", partial(_of_ranking, gallery)
    by_rank, by_reciprocal = (size, retrieval.chance_rank), (size, retrieval.chance_reciprocal_rank)

    def accuracy(k: int) -> Metric:
        chance, value = (size, lambda items: min(1.0, k / items)), partial(retrieval.top_k, k=k)
        return of_ranking(f"top{k}", f"Top-{k}", 0, 1, True, 3, chance_from=chance, of_forward=value)

    return [
        *map(accuracy, (1, 5, 10)),
        of_ranking("rank", "Rank", 1, np.inf, False, 1, chance_from=by_rank, of_forward=retrieval.expected_rank),
        of_ranking("median_rank", "Median rank", 1, np.inf, False, 1, chance_from=by_rank, median_of=f"rank_{gallery}"),
        of_ranking("mrr", "MRR", 0, 1, True, 3, chance_from=by_reciprocal, of_forward=retrieval.reciprocal_rank),
        of_ranking("gallery", "Gallery", 1, np.inf, None, 0, unit="stimuli", of_forward=_gallery_size),
    ]


def _backward_metrics() -> list[Metric]:
    of_ranking = partial(_of_ranking, "test")

    def accuracy(k: int) -> Metric:
        chance, value = (f"backward_chance{k}_test", float), partial(retrieval.top_k, k=k)
        name, label = f"backward_top{k}", f"Top-{k} backward"
        return of_ranking(name, label, 0, 1, True, 3, chance_from=chance, of_backward=value)

    def chance(k: int) -> Metric:
        def value(ranking: Ranking) -> np.ndarray:
            return np.broadcast_to(retrieval.chance_top_k(ranking.gallery, k, ranking.correct), ranking.above.shape)

        return of_ranking(f"backward_chance{k}", f"Chance of top-{k} backward", 0, 1, None, 3, of_backward=value)

    rank, size = retrieval.expected_rank, _gallery_size
    return [
        *map(accuracy, (1, 5, 10)),
        *map(chance, (1, 5, 10)),
        of_ranking("backward_rank", "Rank backward", 1, np.inf, False, 1, of_backward=rank),
        of_ranking("backward_gallery", "Gallery backward", 1, np.inf, None, 0, unit="trials", of_backward=size),
    ]


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in [*_IMAGE_METRICS, *_forward_metrics("test"), *_forward_metrics("all"), *_backward_metrics()]
}
"""Every metric by name, in the order of tables."""
