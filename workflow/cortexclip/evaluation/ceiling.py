"""Noise ceilings from repeated trials: of voxels, and of what a method decodes from them.

A decoder answers the trials of one image differently, since responses are noisy. As far as its answers disagree, they
cannot all be right: their agreement bounds any score. The bound is of the decoder at hand, with its noise and its
training; it is not what the best decoder would reach, which depends on the images to choose among.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from cortexclip.evaluation.score import names_of, readouts

MIN_STIMULI = 5
"""Fewest repeated stimuli whose variances are estimated."""
MOST_SEEDS = 10
"""Seeds of a method that are used, the first ones."""
PARTS = 20
"""Most parts of the stimuli that are left out in turn for an interval."""
CEILED = ("value", "ceiling", "share", "share_low", "share_high", "n_stimuli", "n_repeats", "reason")
"""What is reported of a metric."""
NOTHING = 1e-10
"""Variance of pixels (0 to 1) that is rounding."""


def noise_ceiling(brain: np.ndarray, stimulus: np.ndarray) -> np.ndarray:
    """Share of a single trial's variance that is signal, per voxel.

    One-way analysis of variance with stimuli as groups: the variance within stimuli is noise, the variance between them
    in excess of what noise brings is signal. The share is the intraclass correlation ICC(1); its root bounds the
    correlation of any prediction with a single trial. With n repeats averaged, the share s becomes
    n s / (1 + (n - 1) s) (Allen et al. 2022, Nature Neuroscience 25:116, "noise ceiling"; Shrout and Fleiss 1979).

    ``brain`` has shape (n_trials, n_voxels), ``stimulus``, the identity of what was shown, (n_trials,), and the result
    (n_voxels,), 0 to 1 (negative estimates are 0; 0 for a constant voxel). Raises ValueError if fewer than two stimuli
    were shown, or none of them more than once.
    """
    brain = np.asarray(brain, dtype=np.float64)
    _, group = np.unique(stimulus, return_inverse=True)
    counts = np.bincount(group)
    if len(counts) < 2 or len(group) == len(counts):
        raise ValueError(f"a noise ceiling needs repeated stimuli, found {len(group)} trials of {len(counts)} stimuli")
    return _share(*_components(*_by_group(brain, group, counts), counts))


def _by_group(values: np.ndarray, group: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and sums of squares about them, (..., n_groups, n_features), of values (..., n_trials, n_features)."""
    order, starts = np.argsort(group, kind="stable"), np.concatenate([[0], np.cumsum(counts)[:-1]])
    means = np.add.reduceat(values[..., order, :], starts, axis=-2) / counts[:, None]
    squares = np.square(values - means[..., group, :])
    return means, np.add.reduceat(squares[..., order, :], starts, axis=-2)


def _components(means: np.ndarray, squares: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unbiased variance of signal (below 0 at times) and of noise per feature, (..., n_features)."""
    n_trials, n_groups = counts.sum(), len(counts)
    grand = np.einsum("g,...gd->...d", counts, means)[..., None, :] / n_trials
    between = np.einsum("g,...gd->...d", counts, np.square(means - grand)) / (n_groups - 1)
    noise = squares.sum(axis=-2) / (n_trials - n_groups)
    repeats = (n_trials - np.sum(counts**2) / n_trials) / (n_groups - 1)  # the effective number of repeats
    return (between - noise) / repeats, noise


def _share(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    signal = np.clip(signal, 0.0, None)
    return np.divide(signal, signal + noise, out=np.zeros_like(signal), where=signal + noise > 0)


@dataclass(frozen=True)
class _Repeats:
    """Predictions of repeated stimuli in sums from which every estimate follows, stimulus by stimulus (first axis).

    ``means`` and ``squares`` have shape (n_stimuli, n_seeds, n_features), ``truth`` (n_stimuli, n_features), ``counts``
    (n_stimuli,), and ``agreement`` and ``pixcorr`` (n_stimuli,): mean correlation over pixels of two repeats of a
    stimulus, and of a prediction with the truth.
    """

    means: np.ndarray
    squares: np.ndarray
    truth: np.ndarray
    counts: np.ndarray
    agreement: np.ndarray
    pixcorr: np.ndarray

    def some(self, kept: np.ndarray) -> _Repeats:
        return _Repeats(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))

    def explainable(self) -> tuple[float, float]:
        """Variance of the truth per feature, among stimuli like these, and the share of it that can be explained.

        That is, by predictions that are as reliable as these.
        """
        means, squares = np.moveaxis(self.means, 1, 0), np.moveaxis(self.squares, 1, 0)
        signal, noise = (part.mean(axis=0) for part in _components(means, squares, self.counts))
        variance = self.truth.var(axis=0, ddof=1)
        if variance.mean() <= NOTHING or (signal.mean() + noise.mean()) <= NOTHING:
            return float(variance.mean()), 0.0
        return float(variance.mean()), float((variance * _share(signal, noise)).sum() / variance.sum())


def ceilings_of(dataset: xr.Dataset, predictions: xr.Dataset, features: xr.Dataset | None) -> list[dict]:
    """The rows of one run in the table ceiling, of its readouts and of its embedding."""
    rows = predictions.sample.values
    stimuli, shown = dataset.stimuli.values[rows], dataset.stimulus.values[rows]
    given = [(suffix, images, stimuli, False) for suffix, images in readouts(predictions).items()]
    if features is not None and "embedding" in predictions:
        given.append(("", predictions.embedding.values, features.embedding.sel(stimulus=shown).values, True))
    about = names_of(dataset, predictions)
    return [
        {**about, "method": about["method"] + suffix, "metric": metric, **values}
        for suffix, predicted, true, embedded in given
        for metric, values in decoding_ceilings(predicted, true, shown, embedded).items()
    ]


def decoding_ceilings(
    predicted: np.ndarray, truth: np.ndarray, stimulus: np.ndarray, embedding: bool = False
) -> dict[str, dict]:
    """Scores of a method on repeated stimuli beside the best that its trial-to-trial noise allows, by metric.

    Let p be the prediction from a single trial, with mean E[p | s] over repeats of stimulus s, and t the truth, which
    is the same in all repeats. Then for every decoder:

    - ``mse``: in each pixel the squared correlation of p and t over stimuli is at most the share r of the variance of p
      that lies between stimuli, `noise_ceiling` of the predictions (Spearman 1904; as for voxels in Allen et al. 2022).
      So the error is at least the mean over pixels of V (1 - r), V the variance of t. ``share`` is
      (V - mse) / (V - ceiling): of the gain over always answering the mean scored image, what was reached.
    - ``pixcorr``: with u the centred prediction at unit length, the mean of its product with any truth at unit length
      is at most the length of E[u | s], whose square is the expected correlation of the predictions of two repeats. The
      ceiling is the root of the mean of the latter over stimuli. ``share`` is the score over it.
    - ``embedding_correlation``, for embeddings: the correlation over trials of each predicted with the true feature,
      mean over features weighed by V, is at most the root of the mean of r, weighed likewise.

    Ceilings are of single trials, which are what is scored. They hold if the noise of repeats is independent; noise
    that repeats share (within a session, say) makes them too high. The optimal decoder need not reach them.

    Parameters
    ----------
    predicted : array of shape (n_seeds, n_trials, ...), images (y, x) in 0..1 or embeddings (feature,).
    truth : array of shape (n_trials, ...).
    stimulus : array of shape (n_trials,). Stimuli that were scored once are left out; the others weigh the same.
    embedding : whether these are embeddings.

    Returns
    -------
    For each metric a dict of `CEILED`. ``share_low`` to ``share_high`` is a 95 % interval by the jackknife over stimuli
    (in at most `PARTS` parts), n_repeats the mean number of trials of a stimulus; values are NaN where there are none,
    and ``reason`` then says why, else it is "".
    """
    metrics = ("embedding_correlation",) if embedding else ("mse", "pixcorr")
    _, group, counts = np.unique(stimulus, return_inverse=True, return_counts=True)
    kept, n_stimuli = counts[group] > 1, int((counts > 1).sum())
    if n_stimuli < MIN_STIMULI:
        found = f"{n_stimuli} of the {len(counts)}" if n_stimuli else "none of the"
        reason = f"{found} scored images {'was' if n_stimuli == 1 else 'were'} shown more than once"
        reason += f", {MIN_STIMULI} are needed" if n_stimuli else ""
        empty = dict.fromkeys(CEILED, float("nan")) | {"n_stimuli": n_stimuli, "reason": reason}
        return {metric: empty for metric in metrics}
    predicted = np.asarray(predicted[:MOST_SEEDS, kept], np.float64).reshape(-1, int(kept.sum()), truth[0].size)
    truth = np.asarray(truth[kept], np.float64).reshape(len(predicted[0]), -1)
    repeats = _repeats(predicted, truth, np.unique(group[kept], return_inverse=True)[1], embedding)
    estimates = {"mse": _error, "pixcorr": _pattern, "embedding_correlation": _features}
    about = {"n_stimuli": n_stimuli, "n_repeats": float(repeats.counts.mean())}
    return {metric: _with_interval(repeats, estimates[metric]) | about for metric in metrics}


def _repeats(predicted: np.ndarray, truth: np.ndarray, group: np.ndarray, embedding: bool) -> _Repeats:
    counts = np.bincount(group)
    means, squares = _by_group(predicted, group, counts)
    truths = _by_group(truth, group, counts)[0]
    agreement = pixcorr = np.full(len(counts), np.nan)
    if not embedding:
        unit, true = _unit(predicted), _unit(truth)
        defined = unit.any(axis=-1).astype(float)
        members = group == np.arange(len(counts))[:, None]
        n = defined @ members.T.astype(float)
        total = np.stack([unit[:, member].sum(axis=1) for member in members], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            agreement = (np.square(total).sum(axis=-1) - n) / (n * (n - 1))
            pixcorr = np.einsum("snd,nd->sn", unit, true) @ members.T.astype(float) / n
        agreement, pixcorr = agreement.mean(axis=0), pixcorr.mean(axis=0)
    return _Repeats(np.moveaxis(means, 0, 1), np.moveaxis(squares, 0, 1), truths, counts, agreement, pixcorr)


def _unit(images: np.ndarray) -> np.ndarray:
    """Images centred and at unit length; zero for a constant one."""
    images = images - images.mean(axis=-1, keepdims=True)
    size = np.sqrt(np.square(images).sum(axis=-1, keepdims=True))
    return np.divide(images, size, out=np.zeros_like(images), where=size > np.sqrt(NOTHING))


Estimate = Callable[[_Repeats], tuple[float, float, float]]
"""Value, ceiling and share."""


def _error(repeats: _Repeats) -> tuple[float, float, float]:
    variance, share = repeats.explainable()
    error = np.square(repeats.means - repeats.truth[:, None]) + repeats.squares / repeats.counts[:, None, None]
    value, ceiling = float(error.mean()), variance * (1 - share)
    return value, ceiling, (variance - value) / (variance - ceiling) if share > 0 else float("nan")


def _pattern(repeats: _Repeats) -> tuple[float, float, float]:
    value, ceiling = repeats.pixcorr.mean(), np.sqrt(max(repeats.agreement.mean(), 0.0))
    return float(value), float(ceiling), float(value / ceiling) if ceiling > 0 else float("nan")


def _features(repeats: _Repeats) -> tuple[float, float, float]:
    _, share = repeats.explainable()
    ceiling = np.sqrt(share)
    truth = repeats.truth - repeats.truth.mean(axis=0)
    means = repeats.means - repeats.means.mean(axis=0)
    spread = (np.square(means) + repeats.squares / repeats.counts[:, None, None]).mean(axis=0)
    scale = np.sqrt(spread * np.square(truth).mean(axis=0))
    together = np.einsum("gsd,gd->sd", means, truth) / len(truth)
    correlation = np.divide(together, scale, out=np.zeros_like(scale), where=scale > 0).mean(axis=0)
    variance = np.square(truth).mean(axis=0)
    value = float((variance * correlation).sum() / variance.sum()) if variance.any() else float("nan")
    return value, float(ceiling), value / float(ceiling) if ceiling > 0 else float("nan")


def _with_interval(repeats: _Repeats, estimate: Estimate) -> dict:
    value, ceiling, share = estimate(repeats)
    n = len(repeats.counts)
    parts = [np.setdiff1d(np.arange(n), part) for part in np.array_split(np.arange(n), min(n, PARTS))]
    without = np.array([estimate(repeats.some(part))[2] for part in parts])
    error = np.sqrt((len(parts) - 1) * without.var())
    reach = float(stdtrit(len(parts) - 1, 0.975) * error)
    reason = "" if np.isfinite(share) else "predictions do not depend on the image that was shown"
    return dict(zip(CEILED, (value, ceiling, share, share - reach, share + reach, 0, 0, reason), strict=True))
