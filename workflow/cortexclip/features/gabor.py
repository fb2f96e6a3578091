"""A Gabor pyramid, the classical feature space for decoding and encoding seen images.

Contrast energy of quadrature pairs of Gabor filters over positions, orientations and scales, as the model of complex
cells in Kay et al. 2008 (Nature 452:352) and, for films, Nishimoto et al. 2011 (Current Biology 21:1641). The filters
of a scale stand on a square grid; the spatial frequency doubles from scale to scale; the envelope covers a fixed number
of cycles. Kay et al. took the square root of the energy, Nishimoto et al. its logarithm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from cortexclip.features import check_images, checked_settings
from cortexclip.runtime.settings import Checked, Count, Positive, Several


class Settings(Checked):
    """The filters."""

    cycles: Several[Positive] = (1, 2, 4, 8)
    """spatial frequencies, cycles per image side, each one scale of the pyramid"""
    orientations: Count = 8
    """number of orientations, evenly spaced over half a turn from 0 (vertical stripes)"""
    spacing: Positive = 1.0
    """grid points per cycle along a side; a scale of f cycles has about f * spacing points a side, at least one"""
    envelope_cycles: Positive = 0.4
    """standard deviation of the Gaussian envelope in cycles of the carrier"""
    compression: Literal["sqrt", "log", "energy"] = "sqrt"
    """sqrt (amplitude), log (log of 1 + 100 times the amplitude), or energy (neither)"""
    luminance: bool = True
    """adds the mean under each envelope of the lowest and the second scale, which the filters do not see"""


def load(settings: dict) -> Encoder:
    """The encoder with these `Settings`; raises InputError for an unknown one and a value out of range."""
    return Encoder(checked_settings(Settings, settings))


class Encoder:
    """Energies of one set of filters; filters are made for the size of the images that come."""

    def __init__(self, settings: Settings):
        self._settings = settings

    def filters(self, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cosine and sine filters, and envelopes, for images of ``size`` by ``size`` pixels.

        Filters are float64 (n_filters, size * size), of zero sum, so that a uniform image gives 0; a grating of full
        contrast that matches a filter gives an energy of 1. Envelopes are float64 (n_blobs, size * size), each of sum
        1; empty without ``luminance``.
        """
        axis = (np.arange(size) + 0.5) / size
        y, x = np.meshgrid(axis, axis, indexing="ij")
        even, odd, blobs = [], [], []
        for scale, cycles in enumerate(self._settings.cycles):
            points = max(1, round(cycles * self._settings.spacing))
            sigma = self._settings.envelope_cycles / cycles
            for row in range(points):
                for column in range(points):
                    dy, dx = y - (row + 0.5) / points, x - (column + 0.5) / points
                    envelope = np.exp(-(dx**2 + dy**2) / (2 * sigma**2)).ravel()
                    envelope /= envelope.sum()
                    if self._settings.luminance and scale < 2:
                        blobs.append(envelope)
                    for k in range(self._settings.orientations):
                        angle = np.pi * k / self._settings.orientations
                        carrier = 2j * np.pi * cycles * (dx * np.cos(angle) + dy * np.sin(angle))
                        # The factor 4 undoes the half of a raised grating's amplitude and the half of cos squared.
                        wave = 4 * envelope * np.exp(carrier).ravel()
                        wave -= envelope * wave.sum()
                        even.append(wave.real)
                        odd.append(wave.imag)
        return np.array(even), np.array(odd), np.array(blobs).reshape(len(blobs), size * size)

    def encode(self, images: np.ndarray, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Embeddings float32 (n, n_features), all at least 0, of images float (n, size, size) in 0..1.

        The order is scale, row, column, orientation; then the luminances, if any. With the defaults 685 features: 8
        orientations at 1 + 4 + 16 + 64 positions, and 5 luminances.
        """
        images = check_images(images)
        even, odd, blobs = self.filters(images.shape[1])
        flat = images.reshape(len(images), -1).astype(np.float64)
        energy = (flat @ even.T) ** 2 + (flat @ odd.T) ** 2
        if self._settings.compression == "sqrt":
            energy = np.sqrt(energy)
        elif self._settings.compression == "log":
            energy = np.log1p(100 * np.sqrt(energy))
        if progress:
            progress(len(images), len(images))
        return np.concatenate([energy, flat @ blobs.T], axis=1).astype(np.float32)

    def provenance(self) -> dict:
        """The feature space's name, its source and every setting."""
        settings = self._settings.model_dump()
        return {"encoder": "gabor", "source": "Kay et al. 2008; Nishimoto et al. 2011", **settings}
