"""From epochs of EEG to the features that stand for voxels: band-pass, artefact rules, band power and time course.

Everything here looks at one epoch at a time, so nothing is learned from other samples; scaling is left to the methods,
which fit it on their training samples. Filters are scipy.signal's: an epoch here is a row of numbers, without the
continuous recording, annotations or montage that MNE-Python is for, and its filters are scipy's too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.signal import butter, detrend, periodogram, sosfiltfilt

from cortexclip.errors import InputError
from cortexclip.runtime.settings import LOWEST_FIRST, Checked, NonNegative

ORDER = 4  # of the Butterworth band-pass, which runs forth and back and so has no phase and twice this order


End = Annotated[float, Field(ge=0, lt=1e4)]
Range = Annotated[tuple[End, End], LOWEST_FIRST]


class EpochSettings(Checked):
    """How epochs become features; each field may be set under ``settings`` in the entry of a dataset."""

    window: Range = (0.0, 1.7)
    """seconds from the start of an epoch; shorter epochs are dropped"""
    band: Range = (1.0, 40.0)
    """of the band-pass, Hz"""
    power_bands: tuple[Range, ...] = Field(default=((1, 4), (4, 8), (8, 13), (13, 30), (30, 40)), min_length=1)
    """Hz, low <= f < high"""
    time_points: int = Field(default=17, ge=1, le=1000)
    """the time course is averaged within as many equal parts of the window"""
    flat: NonNegative = 0.5
    """epochs of a smaller standard deviation after the band-pass are dropped, microvolts"""
    peak_to_peak: NonNegative = 200.0
    """epochs of a greater range after the band-pass are dropped, microvolts"""


def check_rate(chosen: EpochSettings, where: str, rate: float) -> None:
    """Raise InputError, beginning with ``where``, for settings that do not fit ``rate`` samples a second."""
    if not 0 < chosen.band[0] < chosen.band[1] < rate / 2:
        raise InputError(
            f"{where}: 'band' is {list(chosen.band)}, expected frequencies above 0 and below {rate / 2:g} Hz, half the "
            "sampling rate."
        )
    length = n_samples(chosen, rate)
    if length < max(3 * ORDER * 6, chosen.time_points):
        raise InputError(
            f"{where}: 'window' holds {length} samples at {rate:g} Hz, expected {3 * ORDER * 6} or more for the filter "
            f"and {chosen.time_points} or more for 'time_points'."
        )
    resolution = rate / length
    for low, high in chosen.power_bands:
        if high - low < resolution or high > rate / 2:
            raise InputError(
                f"{where}: 'power_bands' holds {[low, high]}, expected bands of {resolution:.2g} Hz (one over the "
                f"window's length) or more below {rate / 2:g} Hz."
            )


def n_samples(settings: EpochSettings, rate: float) -> int:
    """Samples of the window at ``rate`` a second."""
    start, stop = (round(second * rate) for second in settings.window)
    return stop - start


def filtered(epochs: np.ndarray, settings: EpochSettings, rate: float) -> np.ndarray:
    """Epochs (..., n_times) without their linear trend, band-passed and cut to the window: (..., n_samples).

    ``n_times`` is from the start of the epoch to the end of the window or beyond, at ``rate`` samples a second.
    """
    start, stop = (round(second * rate) for second in settings.window)
    sections = butter(ORDER, settings.band, btype="bandpass", fs=rate, output="sos")
    return sosfiltfilt(sections, detrend(epochs, axis=-1), axis=-1)[..., start:stop]


def artefacts(epochs: np.ndarray, settings: EpochSettings) -> dict[str, np.ndarray]:
    """Which epochs break a rule: arrays of shape (...) by the name of the rule; ``epochs`` in microvolts, filtered."""
    return {
        f"flat (below {settings.flat:g} microvolts)": epochs.std(axis=-1) < settings.flat,
        f"beyond {settings.peak_to_peak:g} microvolts peak to peak": np.ptp(epochs, axis=-1) > settings.peak_to_peak,
    }


def features(epochs: np.ndarray, settings: EpochSettings, rate: float) -> np.ndarray:
    """Log band power and downsampled time course of epochs (..., n_times), filtered, microvolts.

    Gives float32 (..., n_bands + n_time_points): log10 of the power in each of ``power_bands`` (microvolts squared,
    Hann window; 1e-12 at least), then the means of the epoch within ``time_points`` parts of equal length.
    """
    frequency, density = periodogram(epochs, fs=rate, window="hann", axis=-1)
    power = [
        density[..., (frequency >= low) & (frequency < high)].sum(axis=-1) * rate / epochs.shape[-1]
        for low, high in settings.power_bands
    ]
    edges = np.linspace(0, epochs.shape[-1], settings.time_points + 1).round().astype(int)
    course = np.add.reduceat(epochs, edges[:-1], axis=-1) / np.diff(edges)
    return np.concatenate([np.log10(np.maximum(np.stack(power, axis=-1), 1e-12)), course], axis=-1).astype(np.float32)


def feature_names(channels: Sequence[str], settings: EpochSettings) -> list[str]:
    """Names of the features of all channels, in the order in which readers store them: channel by channel."""
    width = (settings.window[1] - settings.window[0]) / settings.time_points
    each = [f"log power {low:g}-{high:g} Hz" for low, high in settings.power_bands]
    each += [f"mean {settings.window[0] + i * width:.3g} s" for i in range(settings.time_points)]
    return [f"{channel} {name}" for channel in channels for name in each]


def last_of_each_class(label: np.ndarray, fraction: float) -> np.ndarray:
    """The canonical split of a recording without one: the last trials of each class test, the ones before train.

    A decoder for later use has only earlier trials to learn from; trials drawn at random would lie beside those trained
    on, and share slow drifts with them.

    Of classes (n_samples,) in the order of recording it gives "train" or "test" for each; ``fraction`` is the share of
    each class that tests, rounded, one sample at least.
    """
    part = np.full(len(label), "train")
    for one in np.unique(label):
        found = np.flatnonzero(label == one)
        part[found[len(found) - max(1, round(fraction * len(found))) :]] = "test"
    return part


def spread(label: np.ndarray, most: int | None) -> np.ndarray:
    """Positions of at most ``most`` samples of each class, evenly spread over the recording; all if it is None."""
    if most is None:
        return np.arange(len(label))
    chosen = []
    for one in np.unique(label):
        found = np.flatnonzero(label == one)
        chosen.append(found[np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)])
    return np.sort(np.concatenate(chosen)) if chosen else np.arange(0)
