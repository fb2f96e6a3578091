"""Whether brain responses tell anything about the images: ridge regression and 1-NN against shuffled pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cortexclip.audit.finding import Finding, counted
from cortexclip.numerics.readout import unit_length
from cortexclip.numerics.standardise import fit_scaler

ALPHA = 0.05
PERMUTATIONS = 100
PENALTIES = np.logspace(-3, 3, 13)
"""Penalties tried, in units of the mean eigenvalue of the Gram matrix of the training responses."""
ENOUGH_STIMULI = 6
"""Distinct training images from which shuffling them has enough (720) outcomes; with fewer, samples are shuffled."""
MOST_TRAINING, MOST_TEST = 600, 300
"""Of larger parts so many samples are drawn at random, which is enough to see a signal and done in seconds."""


@dataclass(frozen=True)
class SignalTest:
    """Outcome of :func:`signal_test`."""

    similarity: float
    """cosine, over all pixels of all test samples, between the predicted and the true deviation from the mean training
    image; 0 where the prediction is that image"""
    chance: np.ndarray
    """the same for decoders fitted to shuffled pairs, shape (n_permutations,)"""
    p_value: float
    """(1 + how many of ``chance`` reach ``similarity``) / (1 + n_permutations)"""
    penalty: float
    """chosen for the true pairs, in units of the mean eigenvalue"""
    mse: float
    """of the decoder, its predictions clipped to 0..1 as everywhere"""
    mse_mean_image: float
    shuffled: str
    """what was permuted: "images" or "samples" """


def signal_test(
    brain: np.ndarray,
    images: np.ndarray,
    stimulus: np.ndarray,
    test: np.ndarray,
    seed: int,
    n_permutations: int = PERMUTATIONS,
) -> SignalTest:
    """Fit ridge from voxels to pixels on the training part, score it on the test part, and again on shuffled pairs.

    If responses were independent of the images, shuffling which training responses go with which image would change
    nothing, so the true pairs would rank anywhere among the shuffled ones: the p value is exact (Phipson and Smyth
    2010, doi 10.2202/1544-6115.1585) but for images that repeat unequally often. Images are shuffled as wholes, all
    trials of one image staying together, since trials of one image may share what has nothing to do with it (their
    position in the session). Test pairs stay as they are: an equal relabelling of both parts would leave recognition
    intact. The penalty is chosen anew for each permutation, by leave-one-out.

    Notes
    -----
    Predictions are linear in the targets with weights that the responses alone decide, so one eigendecomposition serves
    every permutation, and the leave-one-out errors follow from the inner products of the distinct images.
    """
    pixels = np.asarray(images, dtype=np.float64).reshape(len(images), -1)
    first, unit = _units(stimulus[~test])
    units, target = pixels[~test][first], pixels[test]
    member = np.eye(len(first))[unit]  # (n_train, n_units)
    scaler = fit_scaler(brain[~test])
    error_form, weights = [], []
    for residual, prediction in ridge_maps(scaler(brain[~test]), scaler(brain[test])):
        left_out = residual @ member
        error_form.append(left_out.T @ left_out)  # times the gram of the units: the sum of squared leave-one-out errors
        weights.append(prediction @ member)
    error_forms = np.reshape(error_form, (len(PENALTIES), -1))
    frequency = member.mean(axis=0)
    gram = units @ units.T

    def fitted(order: np.ndarray) -> tuple[float, float, float, float]:
        """Similarity, penalty and both errors for the pairs in which unit i shows image order[i]."""
        shown = gram[np.ix_(order, order)]
        best = len(PENALTIES) - 1 - int(np.argmin((error_forms @ shown.ravel())[::-1]))  # ties go to the larger penalty
        mean = frequency @ units[order]
        predicted, true = weights[best] @ units[order], target - mean
        norm = np.sqrt(np.sum(predicted**2) * np.sum(true**2))
        similarity = float(np.sum(predicted * true) / norm) if norm > 1e-12 else 0.0
        error = np.clip(mean + predicted, 0.0, 1.0) - target
        return similarity, float(PENALTIES[best]), float(np.mean(error**2)), float(np.mean(true**2))

    similarity, penalty, mse, mse_mean = fitted(np.arange(len(first)))
    chance, p_value = _permuted(lambda order: fitted(order)[0], similarity, len(first), seed, n_permutations)
    shuffled = "images" if len(np.unique(stimulus[~test])) >= ENOUGH_STIMULI else "samples"
    return SignalTest(similarity, chance, p_value, penalty, mse, mse_mean, shuffled)


def _units(stimulus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is shuffled: positions of the first sample of each unit, and the unit of each sample.

    A unit is a distinct image; with fewer than ``ENOUGH_STIMULI`` of them it is a sample.
    """
    _, first, unit = np.unique(stimulus, return_index=True, return_inverse=True)
    return (first, unit) if len(first) >= ENOUGH_STIMULI else (np.arange(len(stimulus)), np.arange(len(stimulus)))


def _permuted(
    score: Callable[[np.ndarray], float], reached: float, n_units: int, seed: int, n_permutations: int
) -> tuple[np.ndarray, float]:
    """Scores (n_permutations,) of random orders of the units, and the p value of the score that the true order has."""
    rng = np.random.default_rng(seed)
    chance = np.array([score(rng.permutation(n_units)) for _ in range(n_permutations)])
    return chance, float((1 + np.count_nonzero(chance >= reached)) / (1 + n_permutations))


def check_signal(
    brain: np.ndarray,
    images: np.ndarray,
    stimulus: np.ndarray,
    test: np.ndarray,
    seed: int,
    n_permutations: int = PERMUTATIONS,
    what: str = "test",
) -> Finding:
    """Say whether images can be decoded beyond chance, by :func:`signal_test`.

    ``what`` is how the part that ``test`` marks is called. Of large parts a random share is used: ``MOST_TRAINING``.
    """
    drawn = drawn_samples(test, seed)
    brain, images, stimulus, test = brain[drawn], images[drawn], stimulus[drawn], test[drawn]
    result = signal_test(brain, images, stimulus, test, seed, n_permutations)
    n_distinct = len(np.unique(stimulus[test]))
    numbers = {
        "similarity": result.similarity,
        "chance_mean": float(result.chance.mean()),
        "chance_95": float(np.quantile(result.chance, 0.95)),
        "p_value": result.p_value,
        "permutations": n_permutations,
        "penalty": result.penalty,
        "mse": result.mse,
        "mse_mean_image": result.mse_mean_image,
        "distinct_test_images": n_distinct,
        "training_samples": int(np.count_nonzero(~test)),
    }
    measured = (
        f"cosine {result.similarity:.2f} of predicted and true deviation from the mean image, "
        f"p = {result.p_value:.2g} against {n_permutations} permutations of the training {result.shuffled}"
    )
    if result.p_value <= ALPHA:
        return Finding(
            "signal",
            "info",
            f"The {what} part can be decoded beyond chance: ridge reaches a {measured}.",
            "There is a signal; if a method is no better than the mean image, the method fails, not the data.",
            numbers,
        )
    short = "Nothing decodable beyond chance was found"
    return Finding(
        "signal",
        "serious",
        f"{short}: ridge reaches a {measured}.",
        "No method should be better than the mean image here; differences between methods are probably noise."
        + (
            f" With {counted(n_distinct, 'distinct test image')} only a strong signal would show."
            if n_distinct < 10
            else ""
        ),
        numbers,
        short,
    )


def check_signal_nearest(
    brain: np.ndarray, images: np.ndarray, stimulus: np.ndarray, test: np.ndarray, seed: int
) -> Finding:
    """Say what 1-NN decodes: the image of the training sample whose responses correlate best; parameters as above.

    It needs no linear relation, but suffers more from noise than ridge. The score is the cosine of :func:`signal_test`;
    the neighbours stay, and the training images are shuffled as wholes.
    """
    drawn = drawn_samples(test, seed)
    brain, images, stimulus, test = brain[drawn], images[drawn], stimulus[drawn], test[drawn]
    if not np.ptp(brain[~test], axis=0).any():
        message = "1-NN cannot be used: all training samples have the same responses, so none is nearest."
        return Finding("signal_nearest", "info", message, "There is nothing to learn from.", {})
    scaler = fit_scaler(brain[~test])
    parts = (scaler(brain[~test]), scaler(brain[test]))
    train, scored = (unit_length(part - part.mean(axis=1, keepdims=True)) for part in parts)
    nearest = np.argmax(scored @ train.T, axis=1)
    pixels = images.reshape(len(images), -1).astype(np.float64)
    mean = pixels[~test].mean(axis=0)
    true, units = pixels[test] - mean, pixels[~test] - mean
    first, unit = _units(stimulus[~test])
    product, length = true @ units[first].T, (units[first] ** 2).sum(axis=1)
    norm = np.sqrt((true**2).sum())

    def similarity(order: np.ndarray) -> float:
        shown = order[unit[nearest]]
        both = norm * np.sqrt(length[shown].sum())
        return float(product[np.arange(len(shown)), shown].sum() / both) if both > 1e-12 else 0.0

    reached = similarity(np.arange(len(first)))
    chance, p_value = _permuted(similarity, reached, len(first), seed, PERMUTATIONS)
    beyond = "beyond chance" if p_value <= ALPHA else "not beyond chance"
    return Finding(
        "signal_nearest",
        "info",
        f"1-NN, which copies the image of the training sample with the nearest responses, is {beyond}: cosine "
        f"{reached:.2f}, p = {p_value:.2g} against {PERMUTATIONS} permutations.",
        "The result of ridge decides; 1-NN is better only where the relation is not linear.",
        {"similarity": reached, "chance_95": float(np.quantile(chance, 0.95)), "p_value": p_value},
    )


def drawn_samples(test: np.ndarray, seed: int) -> np.ndarray:
    """Positions of at most ``MOST_TRAINING`` training and ``MOST_TEST`` test samples, in order."""
    rng = np.random.default_rng(seed)
    parts = ((np.flatnonzero(~test), MOST_TRAINING), (np.flatnonzero(test), MOST_TEST))
    return np.sort(np.concatenate([rng.permutation(part)[:most] if len(part) > most else part for part, most in parts]))


def ridge_maps(train: np.ndarray, test: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ridge regression with intercept from (n_train, n_voxels) as linear maps of the training targets.

    Yields for each of ``PENALTIES`` an array (n_train, n_train) that gives the leave-one-out residuals, and one
    (n_test, n_train) that gives the predictions as deviations from the mean of the targets.
    """
    n = len(train)
    mean = train.mean(axis=0)
    train, test = train - mean, test - mean
    values, vectors = np.linalg.eigh(train @ train.T)
    values = np.clip(values, 0.0, None)
    unit = values.mean() if values.mean() > 0 else 1.0
    cross = (test @ train.T) @ vectors
    for penalty in PENALTIES * unit:
        hat = (vectors * (values / (values + penalty))) @ vectors.T + 1.0 / n
        residual = (np.eye(n) - hat) / (1.0 - np.diag(hat))[:, None]
        yield residual, (cross / (values + penalty)) @ vectors.T
