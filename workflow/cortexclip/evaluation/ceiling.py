"""The noise ceiling of voxels: how much of a single trial's response the stimulus explains, from repeated trials."""

from __future__ import annotations

import numpy as np


def noise_ceiling(brain: np.ndarray, stimulus: np.ndarray) -> np.ndarray:
    """Share of a single trial's variance that is signal, per voxel.

    One-way analysis of variance with stimuli as groups: the variance within stimuli is noise, the variance between them
    in excess of what noise brings is signal. The share is the intraclass correlation ICC(1); its root bounds the
    correlation of any prediction with a single trial. With n repeats averaged, the share s becomes
    n s / (1 + (n - 1) s) (Allen et al. 2022, Nature Neuroscience 25:116, "noise ceiling"; Shrout and Fleiss 1979).

    Parameters
    ----------
    brain : array of shape (n_trials, n_voxels).
    stimulus : array of shape (n_trials,): identity of what was shown.

    Returns
    -------
    Array of shape (n_voxels,), 0 to 1 (negative estimates are 0; 0 for a constant voxel).

    Raises
    ------
    ValueError if fewer than two stimuli were shown, or none of them more than once.
    """
    brain = np.asarray(brain, dtype=np.float64)
    _, group = np.unique(stimulus, return_inverse=True)
    counts = np.bincount(group)
    n_trials, n_groups = len(group), len(counts)
    if n_groups < 2 or n_trials == n_groups:
        raise ValueError(f"a noise ceiling needs repeated stimuli, found {n_trials} trials of {n_groups} stimuli")
    sums = np.zeros((n_groups, brain.shape[1]))
    np.add.at(sums, group, brain)
    means = sums / counts[:, None]
    within = np.sum((brain - means[group]) ** 2, axis=0) / (n_trials - n_groups)
    between = np.sum(counts[:, None] * (means - brain.mean(axis=0)) ** 2, axis=0) / (n_groups - 1)
    repeats = (n_trials - np.sum(counts**2) / n_trials) / (n_groups - 1)  # the effective number of repeats
    signal = np.clip((between - within) / repeats, 0.0, None)
    total = signal + within
    return np.divide(signal, total, out=np.zeros_like(total), where=total > 0)
