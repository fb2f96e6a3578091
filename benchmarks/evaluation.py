"""Speed of the evaluation against plain loops over images, resamples and flips, both in one run.

Every comparison also checks that both give the same numbers (intervals and p values: within their random error).
One thread against one thread:

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/evaluation.py [--fast]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy
import skimage
from skimage.metrics import structural_similarity

from cortexclip.evaluation import metrics
from cortexclip.evaluation.statistics import bootstrap_interval, paired_permutation_test


def ssim_loop(predicted: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    return np.array([structural_similarity(a, b, **options) for a, b in zip(predicted, stimuli, strict=True)])


def ssim_uniform7_loop(predicted: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    return np.array([structural_similarity(a, b, data_range=1) for a, b in zip(predicted, stimuli, strict=True)])


def identification_loop(predicted: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    shares = []
    for own, image in enumerate(predicted):
        similarity = [np.corrcoef(image.ravel(), stimulus.ravel())[0, 1] for stimulus in stimuli]
        others = [value for other, value in enumerate(similarity) if other != own]
        shares.append(np.mean([value < similarity[own] for value in others]))
    return np.array(shares)


def bootstrap_loop(values: np.ndarray, n_resamples: int) -> np.ndarray:
    """Values (stimulus, trial, seed), each resample gathered anew."""
    rng, means = np.random.default_rng(0), []
    for _ in range(n_resamples):
        clusters = rng.integers(0, values.shape[0], values.shape[0])
        seeds = rng.integers(0, values.shape[2], values.shape[2])
        means.append(np.nanmean(values[clusters][:, :, seeds]))
    return np.quantile(means, [0.025, 0.975])


def permutation_loop(differences: np.ndarray, clusters: np.ndarray, n_resamples: int) -> np.ndarray:
    """Comparisons (comparison, trial), flips drawn and applied one by one."""
    rng, p_values = np.random.default_rng(0), []
    for row in differences:
        observed, hits = abs(row.mean()), 0
        for _ in range(n_resamples):
            signs = rng.choice([-1, 1], clusters.max() + 1)[clusters]
            hits += abs((signs * row).mean()) >= observed - 1e-12
        p_values.append((hits + 1) / (n_resamples + 1))
    return np.array(p_values)


def median_seconds(function: Callable[[], object], repeats: int) -> tuple[float, object]:
    """Median of ``repeats`` timings after one run that warms up."""
    result, seconds = function(), []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def compare(name: str, ours: Callable, loop: Callable, tolerance: float, repeats: int) -> None:
    our_seconds, our_result = median_seconds(ours, repeats)
    loop_seconds, loop_result = median_seconds(loop, repeats)
    np.testing.assert_allclose(our_result, loop_result, rtol=0, atol=tolerance)
    print(
        f"{name:58} {our_seconds * 1e3:10.1f} {loop_seconds * 1e3:10.1f} {loop_seconds / our_seconds:8.1f}", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="a tenth of the sizes, 2 repeats")
    fast = parser.parse_args().fast
    repeats, share = (2, 10) if fast else (5, 1)
    print(time.strftime("%Y-%m-%d"), platform.platform(), platform.processor(), f"{os.cpu_count()} cores")
    versions = f"python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}"
    print(f"{versions}, scikit-image {skimage.__version__}; medians of {repeats} repeats")
    print(f"{'':58} {'ms':>10} {'loop ms':>10} {'ratio':>8}")
    rng = np.random.default_rng(0)

    pairs = 3000 // share
    predicted, stimuli = rng.random((2, pairs, 28, 28))
    for name, ours, loop in [
        ("ssim", metrics.ssim, ssim_loop),
        ("ssim_uniform7", metrics.ssim_uniform7, ssim_uniform7_loop),
    ]:
        compare(
            f"{name}: {pairs} pairs, 28 x 28 (scikit-image)",
            lambda ours=ours: ours(predicted, stimuli),
            lambda loop=loop: loop(predicted, stimuli),
            1e-12,
            repeats,
        )

    count = 200 // share
    predicted, stimuli = rng.random((2, count, 28, 28))
    compare(
        f"pairwise_identification: {count} images, {count} stimuli",
        lambda: metrics.pairwise_identification(predicted, stimuli, np.arange(count)),
        lambda: identification_loop(predicted, stimuli),
        1e-12,
        repeats,
    )

    shape, resamples = (100, 10, 10), 2000 // share
    values = rng.normal(size=(shape[0], 1, 1)) + rng.normal(size=shape)
    cluster, _, seed = (axis.ravel() for axis in np.indices(shape))

    def interval() -> list[float]:
        found = bootstrap_interval(values.ravel(), cluster, seed, n_resamples=resamples)
        return [found.low, found.high]

    width = np.diff(interval())[0]
    compare(
        f"bootstrap_interval: {values.size} values, {resamples} resamples",
        interval,
        lambda: bootstrap_loop(values, resamples),
        (0.5 if fast else 0.1) * width,
        repeats,
    )

    comparisons, trials, flips = 4, 200, 10_000 // share
    differences, clusters = rng.normal(0.05, 1, (comparisons, trials)), np.arange(trials) // 2
    compare(
        f"paired_permutation_test: {comparisons} x {trials} trials, {flips} flips",
        lambda: paired_permutation_test(differences, clusters, n_resamples=flips).p_value,
        lambda: permutation_loop(differences, clusters, flips),
        6 * np.sqrt(0.25 / flips),
        repeats,
    )


if __name__ == "__main__":
    main()
