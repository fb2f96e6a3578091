"""From epochs of EEG to the features that stand for voxels: band-pass, artefact rules, band power and time course.

Everything here looks at one epoch at a time, so nothing is learned from other samples; scaling is left to the methods,
which fit it on their training samples. Filters are scipy.signal's: an epoch here is a row of numbers, without the
continuous recording, annotations or montage that MNE-Python is for, and its filters are scipy's too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.signal import butter, detrend, periodogram, sosfiltfilt

from cortexclip.errors import InputError

ORDER = 4  # of the Butterworth band-pass, which runs forth and back and so has no phase and twice this order


@dataclass(frozen=True)
class EpochSettings:
    """How epochs become features; each field may be set under ``settings`` in the entry of a dataset."""

    window: tuple[float, float] = (0.0, 1.7)  # seconds from the start of an epoch; shorter epochs are dropped
    band: tuple[float, float] = (1.0, 40.0)  # of the band-pass, Hz
    power_bands: tuple[tuple[float, float], ...] = ((1, 4), (4, 8), (8, 13), (13, 30), (30, 40))  # Hz, low <= f < high
    time_points: int = 17  # the time course is averaged within as many equal parts of the window
    flat: float = 0.5  # epochs of a smaller standard deviation after the band-pass are dropped, microvolts
    peak_to_peak: float = 200.0  # epochs of a greater range after the band-pass are dropped, microvolts


def check_epoch_settings(given: Mapping[str, object], where: str, rate: float) -> EpochSettings:
    """Settings for epochs with ``rate`` samples a second; keys that are not theirs are not looked at.

    Raises
    ------
    InputError
        For a value of the wrong type or out of range, beginning with ``where``.
    """
    given = {key: given[key] for key in EpochSettings.__dataclass_fields__ if key in given}
    values: dict[str, object] = {}
    for key in ("window", "band"):
        if key in given:
            values[key] = _pair(given[key], f"{where}: '{key}'")
    if "power_bands" in given:
        listed = given["power_bands"]
        if not isinstance(listed, list | tuple) or not listed:
            raise InputError(f"{where}: 'power_bands' is {listed!r}, expected a list such as [[4, 8], [8, 13]].")
        values["power_bands"] = tuple(_pair(pair, f"{where}: 'power_bands'") for pair in listed)
    if "time_points" in given:
        points = given["time_points"]
        if isinstance(points, bool) or not isinstance(points, int) or not 1 <= points <= 1000:
            raise InputError(f"{where}: 'time_points' is {points!r}, expected a whole number in 1..1000.")
        values["time_points"] = points
    for key in ("flat", "peak_to_peak"):
        if key in given:
            number = given[key]
            if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < np.inf:
                raise InputError(f"{where}: '{key}' is {number!r}, expected microvolts of 0 or more.")
            values[key] = float(number)
    chosen = EpochSettings(**values)
    if chosen.band[1] >= rate / 2 or chosen.band[0] <= 0:
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
    return chosen


def n_samples(settings: EpochSettings, rate: float) -> int:
    """Samples of the window at ``rate`` a second."""
    start, stop = (round(second * rate) for second in settings.window)
    return stop - start


def filtered(epochs: np.ndarray, settings: EpochSettings, rate: float) -> np.ndarray:
    """Epochs without their linear trend, band-passed and cut to the window.

    Parameters
    ----------
    epochs : array of shape (..., n_times), from the start of the epoch to the end of the window or beyond
    rate : samples a second

    Returns
    -------
    Array of shape (..., n_samples of the window), in the units of ``epochs``.
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
    """Log band power and downsampled time course of each epoch.

    Parameters
    ----------
    epochs : array of shape (..., n_times), filtered, microvolts

    Returns
    -------
    Array of shape (..., n_bands + n_time_points), float32: log10 of the power in each of ``power_bands`` (microvolts
    squared, Hann window; 1e-12 at least), then the means of the epoch within ``time_points`` parts of equal length.
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

    Parameters
    ----------
    label : array of shape (n_samples,): class of each sample, in the order of recording
    fraction : share of each class that tests, rounded, one sample at least

    Returns
    -------
    Array of shape (n_samples,), "train" or "test".
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


def _pair(value: object, where: str) -> tuple[float, float]:
    good = isinstance(value, list | tuple) and len(value) == 2
    good = good and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
    if not good or not 0 <= value[0] < value[1] < 1e4:
        raise InputError(f"{where} holds {value!r}, expected a range [lowest, highest] from 0 up.")
    return float(value[0]), float(value[1])


SETTINGS = tuple(field.name for field in fields(EpochSettings))
