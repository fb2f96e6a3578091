"""Speed of the evaluation against plain loops and bdpy, all in one run.

Every comparison also checks that both give the same numbers (intervals and p values: within their random error).
Without bdpy (`pip install ".[bench]"`) that comparison is left out, as a note states. One thread against one thread:

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/evaluation.py [--fast] [--write]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from report import Report, Row, arguments, finish, in_turns, versions
from skimage.metrics import structural_similarity

from cortexclip.evaluation import metrics
from cortexclip.evaluation.statistics import mean_interval, paired_permutation_test


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


def compare(
    what: str, ours: Callable, peer: Callable, peer_name: str, wanted: float | None, tolerance: float, repeats: int
) -> Row:
    """Time both in turns and check that they agree."""
    times, results = in_turns({"ours": ours, "peer": peer}, repeats)
    np.testing.assert_allclose(results["ours"], results["peer"], rtol=0, atol=tolerance)
    return Row(what, times["ours"], times["peer"], peer_name, wanted)


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=5)
    share, repeats = 10 if options.fast else 1, options.repeats
    rng, rows, notes = np.random.default_rng(0), [], []

    pairs = 3000 // share
    predicted, stimuli = rng.random((2, pairs, 28, 28))
    for window, ours, loop in [
        ("Gaussian", metrics.ssim, ssim_loop),
        ("uniform", metrics.ssim_uniform7, ssim_uniform7_loop),
    ]:
        rows.append(
            compare(
                f"SSIM of {pairs} pairs of 28 x 28, {window} window",
                lambda ours=ours: ours(predicted, stimuli),
                lambda loop=loop: loop(predicted, stimuli),
                "scikit-image in a loop",
                4,
                1e-12,
                repeats,
            )
        )

    count = 200 // share
    predicted, stimuli = rng.random((2, count, 28, 28))
    identify = f"pairwise identification of {count} images among {count}"
    rows.append(
        compare(
            identify,
            lambda: metrics.pairwise_identification(predicted, stimuli, np.arange(count)),
            lambda: identification_loop(predicted, stimuli),
            "a numpy loop over pairs",
            20,
            1e-12,
            repeats,
        )
    )
    try:
        from bdpy.evals.metrics import pairwise_identification as bdpy_identification
    except ImportError:
        notes.append("bdpy was not installed, so identification was not compared with it.")
    else:
        rows.append(
            compare(
                identify,
                lambda: metrics.pairwise_identification(predicted, stimuli, np.arange(count)),
                lambda: bdpy_identification(predicted, stimuli),
                "bdpy",
                None,
                1e-12,
                repeats,
            )
        )

    shape, resamples = (100, 10, 10), 2000 // share
    values = rng.normal(size=(shape[0], 1, 1)) + rng.normal(size=shape)
    cluster, _, seed = (axis.ravel() for axis in np.indices(shape))

    def interval() -> list[float]:
        found = mean_interval(values.ravel(), cluster, seed)
        return [found.low, found.high]

    width = np.diff(interval())[0]
    rows.append(
        compare(
            f"bootstrap interval of {values.size} values, {resamples} resamples",
            interval,
            lambda: bootstrap_loop(values, resamples),
            "a numpy loop",
            20,
            (0.5 if options.fast else 0.1) * width,
            repeats,
        )
    )

    comparisons, trials, flips = 4, 200, 10_000 // share
    differences, clusters = rng.normal(0.05, 1, (comparisons, trials)), np.arange(trials) // 2
    rows.append(
        compare(
            f"paired permutation test, {comparisons} x {trials} trials, {flips} flips",
            lambda: paired_permutation_test(differences, clusters, n_resamples=flips).p_value,
            lambda: permutation_loop(differences, clusters, flips),
            "a numpy loop",
            20,
            6 * np.sqrt(0.25 / flips),
            repeats,
        )
    )
    packages = ("numpy", "scipy", "scikit-image", "bdpy")
    title = "Evaluation and statistics"
    finish(Report(name="evaluation", title=title, rows=rows, notes=notes, versions=versions(packages)), options)


if __name__ == "__main__":
    main()
