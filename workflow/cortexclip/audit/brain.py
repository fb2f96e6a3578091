"""Checks of the brain responses: values, constant and copied voxels and trials, and who scaled them with what."""

from __future__ import annotations

from functools import partial

import numpy as np

from cortexclip.audit.finding import Finding, some
from cortexclip.evaluation.ceiling import noise_ceiling

EXTREME = 20.0
"""Robust standard deviations from a voxel's median beyond which a response is called extreme."""
SCALED = 1e-3
"""Greatest mean, and greatest distance of the standard deviation from 1, of a voxel that was standardised."""


def check_finite(brain: np.ndarray, images: np.ndarray) -> Finding:
    """Whether responses or images hold NaN or infinity; ingest refuses both."""
    n_brain, n_pixels = (int(np.count_nonzero(~np.isfinite(values))) for values in (brain, images))
    finding = partial(Finding, "finite", numbers={"brain": n_brain, "pixels": n_pixels})
    if n_brain + n_pixels:
        message = f"{n_brain} brain responses and {n_pixels} pixels are NaN or infinite."
        return finding("serious", message, "No score of this dataset can be trusted.")
    return finding("info", "No brain response and no pixel is NaN or infinite.", "This is as it must be.")


def check_brain_range(brain: np.ndarray) -> Finding:
    """Range of the responses, which are finite, and extreme ones.

    A response is extreme if it lies more than ``EXTREME`` robust standard deviations (1.4826 times the median absolute
    deviation) from the median of its voxel. Voxels of which half the responses are equal are not judged.
    """
    brain = np.asarray(brain, dtype=np.float64)
    distance = np.abs(brain - np.median(brain, axis=0))
    robust = 1.4826 * np.median(distance, axis=0)
    extreme = int(np.count_nonzero((distance > EXTREME * robust) & (robust > 0)))
    low, high, spread = float(brain.min()), float(brain.max()), float(brain.std())
    numbers = {"minimum": low, "maximum": high, "standard_deviation": spread, "extreme": extreme}
    finding = partial(Finding, "brain_range", numbers=numbers)
    if extreme:
        return finding(
            "notable",
            f"{extreme} brain responses lie more than {EXTREME:g} robust standard deviations from the median of their "
            "voxel.",
            "Such values are rarely neural; they can dominate methods that square errors or responses.",
        )
    message = f"Brain responses range from {low:.3g} to {high:.3g} (standard deviation {spread:.3g}); none is extreme."
    return finding("info", message, "There is nothing to correct.")


def check_noise_ceiling(brain: np.ndarray, stimulus: np.ndarray) -> Finding:
    """How much of a single trial's variance the stimulus explains at most, from repeated stimuli (one-way ANOVA)."""
    finding = partial(Finding, "noise_ceiling", "info")
    if len(np.unique(stimulus)) in (1, len(stimulus)):
        message = "No image was shown twice, so the data give no noise ceiling."
        return finding(message, "The best possible score is not known.")
    ceiling = noise_ceiling(brain, stimulus)
    median, high = float(np.median(ceiling)), float(np.percentile(ceiling, 95))
    return finding(
        f"The image explains {median:.0%} of a single trial's variance in the median voxel and {high:.0%} in the 95th "
        "percentile (intraclass correlation over repeats).",
        "The square root of this share bounds the correlation of any prediction with a single trial of the voxel.",
        {"median": median, "percentile_95": high},
    )


def check_constant_voxels(brain: np.ndarray) -> Finding:
    """Voxels that do not vary over the training responses."""
    constant, total = int(_constant(brain).sum()), brain.shape[1]
    finding = partial(Finding, "constant_voxels", numbers={"constant": constant, "voxels": total})
    if not constant:
        return finding("info", f"All {total} voxels vary over training.", "As expected.")
    message = f"{some(constant, total, 'voxels', 'is', 'are')} constant over the training samples."
    if constant == total:
        return finding("serious", message, "There is nothing to learn from.")
    return finding("notable", message, "They have no information, so they do not count as data.")


def check_duplicated_voxels(brain: np.ndarray) -> Finding:
    """Voxels with the same responses as an earlier one; constant ones are left to :func:`check_constant_voxels`."""
    varying = brain[:, ~_constant(brain)]
    copies, total = int(np.count_nonzero(_copies(varying.T))), brain.shape[1]
    finding = partial(Finding, "duplicated_voxels", numbers={"copies": copies, "voxels": total})
    if not varying.shape[1]:
        return finding("info", "No voxel varies, so copies are not checked.", "See the constant voxels.")
    if not copies:
        return finding("info", "No voxel is a copy of another.", "As expected.")
    return finding(
        "serious" if 2 * copies >= total else "notable",
        f"{copies} of {total} voxels are exact copies of another voxel.",
        "Measured voxels are never equal: the file was padded or assembled wrongly, and copies count twice.",
    )


def check_duplicated_rows(brain: np.ndarray, test: np.ndarray, stimulus: np.ndarray) -> Finding:
    """Trials with exactly the responses of another trial of the same part."""
    within = sum(int(np.count_nonzero(_copies(brain[part]))) for part in (test, ~test))
    numbers = {"copies": within, "samples": len(brain)}
    finding = partial(Finding, "duplicated_rows", numbers=numbers)
    if _all_equal(brain):
        return finding(
            "serious",
            f"All {len(brain)} samples have exactly the same brain responses.",
            "They have no information about the image: any score here is reached without brain data.",
        )
    if not within:
        return finding("info", "No two samples of a part have the same brain responses.", "As expected.")
    row = _identities(brain)
    pairs = {(r, s) for r, s in zip(row.tolist(), stimulus.tolist(), strict=True)}
    numbers["copies_with_another_image"] = len(pairs) - len({r for r, _ in pairs})
    return finding(
        "serious" if 10 * within > len(brain) else "notable",
        f"{within} of {len(brain)} samples repeat the brain responses of another sample of the same part exactly.",
        "Two measurements are never equal: there are fewer trials than samples, and intervals are too narrow.",
    )


def check_rows_across_parts(brain: np.ndarray, test: np.ndarray) -> Finding:
    """Test trials with exactly the responses of a training trial; where all trials are equal, nothing is judged."""
    row = _identities(brain)
    leaked, n_test = int(np.isin(row[test], row[~test]).sum()), int(np.count_nonzero(test))
    numbers = {"test_copies": leaked, "test_samples": n_test, "training_samples": len(test) - n_test}
    finding = partial(Finding, "rows_across_parts", numbers=numbers)
    if _all_equal(brain):
        message = "Whether test samples are copies of training samples is not checked, since all samples are equal."
        return finding("info", message, "See the duplicated rows.")
    if not leaked:
        return finding("info", "No test sample is a copy of a training sample.", "As expected.")
    return finding(
        "serious",
        f"{some(leaked, n_test, 'test samples', 'has', 'have')} exactly the brain responses of a training sample.",
        "The same measurement was trained on and scored: these scores measure memory.",
    )


def check_constant_rows(brain: np.ndarray) -> Finding:
    """Trials whose voxels, two or more, are all equal."""
    flat = int(np.count_nonzero(np.ptp(brain, axis=1) == 0)) if brain.shape[1] > 1 else 0
    return Finding(
        "constant_rows",
        "notable" if flat else "info",
        f"{some(flat, len(brain), 'samples', 'has', 'have')} the same response in every voxel.",
        "Such a trial holds no measurement." if flat else "As expected.",
        {"constant": flat, "samples": len(brain)},
    )


def check_scaling(brain: np.ndarray, test: np.ndarray) -> Finding:
    """Whether voxels were standardised with the help of the test samples before the file was made.

    Notes
    -----
    Standardising over all n samples leaves, in every voxel, a sum of 0 and a sum of squares of n (or n - 1). If one
    standardised trial was left out of the file, it was minus the sum s of the others, so that the sum of squares of the
    others plus s**2 is n + 1 (or n): as exact a trace. If more were left out, what remains is that the sums over the
    training and the test samples cancel nearly, which independent measurements never do.
    """
    brain = np.asarray(brain, dtype=np.float64)
    brain = brain[:, ~_constant(brain)]
    n, n_voxels = brain.shape
    numbers: dict[str, int | float] = {"voxels": n_voxels}
    finding = partial(Finding, "scaling", numbers=numbers)
    if n_voxels == 0:
        return finding("info", "No voxel varies, so scaling is not checked.", "See the voxels.")
    train_sum, test_sum = brain[~test].sum(axis=0), brain[test].sum(axis=0)
    left_out, squares = train_sum + test_sum, (brain**2).sum(axis=0)
    one_missing = any(np.all(np.abs((squares + left_out**2) / total - 1) <= SCALED) for total in (n + 1, n))
    spread = brain.std(axis=0)
    cancelling = 0.0
    if n_voxels >= 10 and min(train_sum.std(), test_sum.std()) > 0:
        cancelling = float(np.corrcoef(train_sum, test_sum)[0, 1])
    numbers |= {
        "greatest_mean": float(np.abs(left_out / n).max()),
        "least_standard_deviation": float(spread.min()),
        "greatest_standard_deviation": float(spread.max()),
        "greatest_training_mean": float(np.abs(train_sum / np.count_nonzero(~test)).max()),
        "correlation_of_sums": cancelling,
    }
    if _is_standardised(brain[~test]):
        if _is_standardised(brain[test]):
            return finding(
                "notable",
                "The voxels of the test part were standardised by the test part's own mean and spread.",
                "A decoder for single trials could not do this: scores on the test part are transductive.",
            )
        message = "The voxels were standardised with the training part alone."
        return finding("info", message, "Nothing of the test part touched training.")
    if _is_standardised(brain):
        message = "The voxels were standardised over all samples, training and test together."
    elif one_missing:
        message = (
            "The voxels were standardised over all samples, training and test together, and over one more that the "
            f"file leaves out ({n + 1} in all)."
        )
    elif cancelling < -0.8 and abs(np.median(spread) - 1) < 0.05 and np.all(np.abs(spread - 1) < 0.2):
        message = "The voxels look standardised over training and test samples together: their sums cancel."
    else:
        message = "The voxels were not standardised over training and test samples together."
        return finding("info", message, "Nothing of the test part touched training.")
    return finding(
        "notable",
        message,
        "Statistics of test responses touched training. A method that standardises each voxel on its own training "
        "samples undoes a common shift and scale; one that does not, and any scaling session by session, keeps them.",
    )


def _is_standardised(brain: np.ndarray) -> bool:
    """Whether every voxel has mean 0 and standard deviation 1, with the divisor n or n - 1."""
    if len(brain) < 2 or np.abs(brain.mean(axis=0)).max() > SCALED:
        return False
    return any(np.abs(brain.std(axis=0, ddof=ddof) - 1).max() <= SCALED for ddof in (0, 1))


def _constant(brain: np.ndarray) -> np.ndarray:
    return np.ptp(brain, axis=0) == 0


def _all_equal(brain: np.ndarray) -> bool:
    return len(brain) > 1 and bool(_constant(brain).all())


def _identities(rows: np.ndarray) -> np.ndarray:
    """A number for each row, shape (n_rows,): equal rows have equal numbers."""
    rows = np.ascontiguousarray(rows) + 0.0  # makes -0 and 0 the same bytes
    if rows.size == 0:
        return np.zeros(len(rows), dtype=np.intp)
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return np.unique(keys, return_inverse=True)[1]


def _copies(rows: np.ndarray) -> np.ndarray:
    """Whether each row equals an earlier one, shape (n_rows,)."""
    copy = np.ones(len(rows), dtype=bool)
    if rows.size:
        copy[np.unique(_identities(rows), return_index=True)[1]] = False
    return copy & (rows.shape[1] > 0)
