"""Simulated fMRI with a known truth: real handwritten digits seen by voxels with population receptive fields.

The images are the 8x8 handwritten digits of scikit-learn (UCI Optical Recognition of Handwritten Digits), enlarged. A
voxel sums the contrast energy of the image (quadrature pairs of Gabor filters, Adelson and Bergen 1985, doi
10.1364/JOSAA.2.000284) under a Gaussian receptive field (Dumoulin and Wandell 2008, doi
10.1016/j.neuroimage.2007.09.034), compresses the sum (Kay et al. 2013, doi 10.1152/jn.00105.2013) and adds noise of a
stated strength, and drift over each session if requested. So the greatest correlation that any decoder or encoder could
reach is known. Subjects see the same images in the same order with other voxels. A leak between the parts can be
planted, to see whether the audit finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field, ValidationInfo, field_validator
from scipy.fft import irfft2, rfft2
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from cortexclip.data.dataset import labelled
from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.settings import LOWEST_FIRST, Checked, check

N_CLASSES = 10
LEAKS = {
    "none": "",
    "images": "each test image is also shown once in training",
    "trials": "one trial of each test image is copied into training",
    "scaling": "voxels are standardised over training and test samples together",
}
"""What ``leak`` may plant, and how a note on the dataset says it."""
BANDWIDTH = 0.56  # standard deviation of a Gabor's envelope in wavelengths: about one octave


FieldSize = Annotated[float, Field(ge=0.01, le=1)]
Ratio = Annotated[float, Field(ge=1e-4, le=1e4)]


class Settings(Checked):
    """What is simulated; each field may be set under ``settings`` in the entry of the dataset.

    Classes are balanced as far as the counts allow. A stimulus of the test part never occurs in the training part.
    """

    image_size: int = Field(default=28, ge=8, le=256)
    """pixels on a side of the square images"""
    train_stimuli: int = Field(default=100, ge=2, le=1000)
    """distinct images of the training part"""
    train_repeats: int = Field(default=1, ge=1, le=100)
    """trials of each"""
    test_stimuli: int = Field(default=20, ge=2, le=700)
    """distinct images of the test part"""
    test_repeats: int = Field(default=4, ge=1, le=100)
    """trials of each"""
    voxels: int = Field(default=500, ge=1, le=100_000)
    regions: int = Field(default=1, ge=1, le=100)
    """voxels are spread evenly over regions 1..regions; from one to the next fields are larger, signals weaker"""
    sessions: int = Field(default=6, ge=1, le=1000)
    """trials are spread evenly over sessions 1..sessions"""
    orientations: int = Field(default=4, ge=1, le=16)
    """Gabor orientations, evenly spaced over 180 degrees"""
    frequencies: tuple[Annotated[float, Field(ge=0.5)], ...] = Field(default=(2.0, 4.0), min_length=1)
    """spatial frequencies of the Gabor filters, cycles per image"""
    field_size: Annotated[tuple[FieldSize, FieldSize], LOWEST_FIRST] = (0.05, 0.15)
    """range of the receptive fields' standard deviation, image widths"""
    exponent: float = Field(default=0.5, ge=0.05, le=2)
    """of the compressive nonlinearity; 1 is none"""
    signal_to_noise: Annotated[tuple[Ratio, Ratio], LOWEST_FIRST] = (0.05, 0.5)
    """range over voxels of signal variance / noise variance"""
    drift: float = Field(default=0.0, ge=0, le=100)
    """standard deviation of slow drift within and between sessions, as a multiple of the noise's"""
    subject: int = Field(default=1, ge=1, le=10_000)
    """subjects differ in voxels, noise and drift, not in what they see"""
    leak: Literal["none", "images", "trials", "scaling"] = "none"
    """planted for the audit to find: none, images, trials or scaling (see LEAKS)"""

    @field_validator("frequencies")
    @classmethod
    def _half_the_pixels(cls, frequencies: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        most = info.data.get("image_size", 256) / 2
        if max(frequencies) > most:
            raise ValueError(f"found {list(frequencies)}, expected at most {most:g}, half the pixels on a side.")
        return frequencies


def simulate(
    settings: Mapping[str, object] | Settings, seed: int, attributes: Mapping[str, object] | None = None
) -> xr.Dataset:
    """Simulate a dataset: equal settings and base seed give equal data.

    ``settings`` are fields of :class:`Settings` that differ from the defaults, or a Settings; ``attributes`` what the
    entry states, in place of the default name, title, source, licence and citation. The labelled dataset (see
    :mod:`cortexclip.data.dataset`) has ``noise_ceiling (voxel)``, which is that of :func:`noise_ceiling`, or 0 where no
    image has contrast; ``label`` is the digit. A voxel's noiseless response has mean 0 and variance 1 over the distinct
    training stimuli; its noise variance is 1 / its signal-to-noise ratio.

    Raises InputError for an unknown setting, and a value of the wrong type or out of range.
    """
    chosen = settings if isinstance(settings, Settings) else check(Settings, settings, "simulated dataset", "setting")

    def random(purpose: str) -> np.random.Generator:
        """What subjects share; the first one has no number, so that data of one subject need none."""
        return np.random.default_rng(derive_seed(seed, "simulated", purpose))

    def random_of_subject(purpose: str) -> np.random.Generator:
        return random(purpose if chosen.subject == 1 else f"{purpose}/subject {chosen.subject}")

    small, digits = handwritten_digits()
    distinct = _balanced_choice(digits, chosen.train_stimuli, chosen.test_stimuli, random("stimuli"))
    images, digits = enlarged(small[distinct], chosen.image_size), digits[distinct]
    energy = contrast_energy(images, chosen.orientations, chosen.frequencies)
    noiseless = voxel_responses(energy, chosen, random_of_subject("voxels"))
    spread = noiseless[: chosen.train_stimuli].std(axis=0)
    blind = spread <= 1e-6 * spread.max()  # fields where no image has contrast: rounding error must not become signal
    spread[blind] = np.inf
    noiseless = (noiseless - noiseless[: chosen.train_stimuli].mean(axis=0)) / spread

    train, test = _shown(chosen, random("order"))
    trials, part = np.concatenate([train, test]), np.repeat(["train", "test"], [len(train), len(test)])
    session = np.concatenate([1 + np.arange(n) * chosen.sessions // n for n in (len(train), len(test))])
    region = region_of_voxels(chosen)
    ratio = _of_region(chosen.signal_to_noise, chosen.regions - region, chosen, random_of_subject("signal_to_noise"))
    noise = random_of_subject("noise").standard_normal((len(trials), chosen.voxels))
    if chosen.drift:
        noise = noise + chosen.drift * session_drift(session, chosen.voxels, random_of_subject("drift"))
    brain = noiseless[trials] + noise / np.sqrt(ratio)
    if chosen.leak == "trials":
        brain[len(train) - chosen.test_stimuli : len(train)] = brain[len(train) : len(train) + chosen.test_stimuli]
    if chosen.leak == "scaling":
        brain = (brain - brain.mean(axis=0)) / brain.std(axis=0)
    ceiling = np.where(blind, 0, noise_ceiling(ratio, chosen.drift))
    stated = _attributes(attributes or {}, chosen.leak)
    return labelled(
        *(brain, images[trials], part, stated),
        label=digits[trials],
        session=session,
        noise_ceiling=ceiling,
        region=region if chosen.regions > 1 else None,
    )


def region_of_voxels(settings: Settings) -> np.ndarray:
    """Region of each voxel, 1 to ``regions``, shape (n_voxels,)."""
    return 1 + np.arange(settings.voxels) * settings.regions // settings.voxels


def _of_region(
    limits: tuple[float, float], step: np.ndarray, settings: Settings, random: np.random.Generator
) -> np.ndarray:
    """Log-uniform values (n_voxels,), each from the part of the range that ``step`` names, 0 to ``regions`` - 1."""
    low, high = np.log(limits)
    drawn = random.uniform(low, high, size=settings.voxels)
    return np.exp(drawn / settings.regions + low * (1 - 1 / settings.regions) + (high - low) * step / settings.regions)


def _shown(settings: Settings, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which stimulus each training and each test trial shows, those of the test part counted after the others."""
    train = random.permutation(np.repeat(np.arange(settings.train_stimuli), settings.train_repeats))
    # Repeats of a test stimulus follow in blocks, so that they are spread over the sessions.
    blocks = [random.permutation(settings.test_stimuli) for _ in range(settings.test_repeats)]
    test = settings.train_stimuli + np.concatenate(blocks)
    leaked = settings.leak in ("images", "trials")
    return np.concatenate([train, test[: settings.test_stimuli]]) if leaked else train, test


def _attributes(given: Mapping[str, object], leak: str) -> dict[str, object]:
    stated = {
        "name": "simulated",
        "title": "Simulated",
        "source": "simulated by cortexclip; images: sklearn.datasets.load_digits",
        "licence": "images: CC BY 4.0 (UCI Optical Recognition of Handwritten Digits)",
        "citation": "Alpaydin and Kaynak 1998, doi 10.24432/C50P49 (images)",
        "modality": "simulated fMRI",
        **given,
        "sha256": "",
        "simulated": 1,
    }
    if "simulated" not in str(stated["title"]).lower():
        stated["title"] = f"{stated['title']} (simulated)"
    if leak != "none":
        planted = f"A leak was planted: {LEAKS[leak]}."
        stated["notes"] = "\n".join(filter(None, [str(stated.get("notes") or ""), planted]))
    return stated


def noise_ceiling(signal_to_noise: np.ndarray, drift: float = 0.0) -> np.ndarray:
    """Share of a single trial's variance that the stimulus explains, in expectation over noise and drift.

    ``signal_to_noise``, of any shape, is signal variance / variance of the noise without drift; ``drift`` the standard
    deviation of the drift as a multiple of the noise's. The root of the share is the greatest correlation that a
    prediction from the stimulus alone can have with single trials.
    """
    return signal_to_noise / (signal_to_noise + 1 + drift**2)


def session_drift(session: np.ndarray, n_voxels: int, random: np.random.Generator) -> np.ndarray:
    """Slow drift of each voxel's baseline: in each session an offset and a straight line over its trials.

    Offsets and slopes are normally distributed and independent. Of sessions (n_samples,), whose trials follow in the
    order given, it returns (n_samples, n_voxels) with expected mean square 1, half of it from the offsets where a
    session has more than one trial.
    """
    drift = np.empty((len(session), n_voxels))
    for one in np.unique(session):
        inside = np.flatnonzero(session == one)
        offset, slope = random.standard_normal((2, n_voxels))
        line = np.arange(len(inside)) - (len(inside) - 1) / 2
        if len(inside) == 1:
            drift[inside] = offset
        else:
            drift[inside] = (offset + np.outer(line / np.sqrt(np.mean(line**2)), slope)) / np.sqrt(2)
    return drift


def handwritten_digits() -> tuple[np.ndarray, np.ndarray]:
    """All different handwritten digits of scikit-learn: images (n, 8, 8), upright, white on black, 0..1, and digits."""
    digits = load_digits()
    _, first = np.unique(digits.images, axis=0, return_index=True)
    first.sort()
    return digits.images[first] / 16.0, digits.target[first]


def enlarged(images: np.ndarray, size: int) -> np.ndarray:
    """Images of shape (n_images, side, side) enlarged to ``size`` by cubic splines, 0..1 in steps of 1/255."""
    factor = size / images.shape[-1]
    splines = zoom(images, (1, factor, factor), order=3, mode="grid-constant", grid_mode=True)
    return np.rint(np.clip(splines, 0, 1) * 255) / 255


def contrast_energy(images: np.ndarray, orientations: int, frequencies: tuple[float, ...]) -> np.ndarray:
    """Local energy of quadrature pairs of Gabor filters at evenly spaced orientations, frequencies in cycles per image.

    Of images (n_images, size, size) it returns (n_images, orientations * len(frequencies), size, size), not negative:
    the squared responses of the even and the odd filter, added. Filters have no response to uniform brightness; outside
    the image is black.
    """
    size = images.shape[-1]
    offset = np.arange(size) - size // 2
    y, x = np.meshgrid(offset, offset, indexing="ij")
    padded = (2 * size, 2 * size)
    spectrum = rfft2(images, padded)
    energy = []
    for frequency in frequencies:
        wavelength = size / frequency
        envelope = np.exp(-(x**2 + y**2) / (2 * (BANDWIDTH * wavelength) ** 2))
        for angle in np.pi * np.arange(orientations) / orientations:
            phase = 2 * np.pi / wavelength * (x * np.cos(angle) + y * np.sin(angle))
            total = 0.0
            for wave in (np.cos(phase), np.sin(phase)):
                gabor = envelope * (wave - (envelope * wave).sum() / envelope.sum())
                gabor /= np.sqrt((gabor**2).sum())
                response = irfft2(spectrum * rfft2(gabor, padded), padded)
                total = total + response[:, size // 2 : size // 2 + size, size // 2 : size // 2 + size] ** 2
            energy.append(total)
    return np.stack(energy, axis=1)


def voxel_responses(energy: np.ndarray, settings: Settings, random: np.random.Generator) -> np.ndarray:
    """Noiseless responses (n_images, n_voxels) of voxels with random receptive fields and random tuning.

    ``energy`` has the shape (n_images, n_channels, size, size). Centres are uniform over the image, sizes log-uniform,
    weights of channels from a Dirichlet distribution.
    """
    n_images, n_channels, size, _ = energy.shape
    centre_y, centre_x = random.uniform(0, size - 1, size=(2, settings.voxels))
    sigma = size * _of_region(settings.field_size, region_of_voxels(settings) - 1, settings, random)
    tuning = random.dirichlet(np.ones(n_channels), size=settings.voxels)
    pixel = np.arange(size)
    along_y = np.exp(-((pixel - centre_y[:, None]) ** 2) / (2 * sigma[:, None] ** 2))
    along_x = np.exp(-((pixel - centre_x[:, None]) ** 2) / (2 * sigma[:, None] ** 2))
    field = (along_y[:, :, None] * along_x[:, None, :]).reshape(settings.voxels, size * size)
    field /= field.sum(axis=1, keepdims=True)
    pooled = energy.reshape(n_images * n_channels, size * size) @ field.T
    drive = np.einsum("icv,vc->iv", pooled.reshape(n_images, n_channels, settings.voxels), tuning)
    return drive**settings.exponent


def _balanced_choice(
    digits: np.ndarray, train_stimuli: int, test_stimuli: int, random: np.random.Generator
) -> np.ndarray:
    """Indices of different images, the training part first, digits in turn within each part."""
    queues = [list(random.permutation(np.flatnonzero(digits == digit))) for digit in range(N_CLASSES)]
    return np.array([queues[i % N_CLASSES].pop() for count in (train_stimuli, test_stimuli) for i in range(count)])
