"""Our own decoder: an encoding model of receptive fields, inverted under several image priors, and their best mixture.

Nothing in it is pretrained and nothing is random. See docs/cortexclip.md for the equations and for what was tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from cortexclip.methods.interface import (
    FitData,
    LinearDecoder,
    Method,
    PenaltyGrid,
    Prediction,
    Progress,
    Samples,
    Saved,
)
from cortexclip.numerics.image_prior import components, deform, posterior_mean, prior_axes
from cortexclip.numerics.kernels import fit_kernel
from cortexclip.numerics.receptive_fields import Encoding, fit_encoding, gaussian_fields
from cortexclip.numerics.stacking import Stack
from cortexclip.numerics.standardise import voxel_weights


class CortexClip(Method):
    """Fit all candidates inside inner folds, weigh them by their predictions there, and fit them on all samples.

    The inner folds score images seen before or new ones, as the protocol does (`FitData.inner_groups`).
    """

    class Settings(PenaltyGrid):
        """``folds``: inner folds of the training samples on which the candidates are weighted.

        Encoding: ``field_sizes``, standard deviations of receptive fields as fractions of the image's side;
        ``field_spacing`` of their centres in pixels; ``shared``, parts of the noise that voxels share; ``doubt``,
        factors of the noise. Prior: ``smooth`` and ``reach`` (pixels) of its covariance; ``coordinates``, the number of
        axes kept; ``seen_widths`` and ``deformed_widths`` of the components around the training images and around
        ``copies`` deformed copies in all, made with ``deformation`` strength. Regressions: voxels weighted by the share
        of their variance that the encoding explains, to each of ``voxel_powers``; ``kernel_width``, in median
        distances; penalties as multiples of the mean of the kernel's diagonal.
        """

        folds: Annotated[int, Field(ge=2)]
        field_sizes: tuple[float, ...]
        field_spacing: int
        shared: tuple[float, ...]
        doubt: tuple[float, ...]
        smooth: float
        reach: float
        coordinates: int
        seen_widths: tuple[float, ...]
        deformed_widths: tuple[float, ...]
        copies: int
        deformation: float
        voxel_powers: tuple[float, ...]
        kernel_width: float

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples = data.final
        fields = gaussian_fields(samples.images.shape[1:], self.settings.field_sizes, self.settings.field_spacing)
        deformed = _Deformed(samples, self.settings)
        stack: Any = None
        folds = data.inner_folds(self.settings.folds)
        for number, (training, held_out) in enumerate(folds, 1):
            progress(f"inner fold {number}/{len(folds)}")
            found = fit_candidates(samples.take(training), self.settings, fields, deformed)
            predicted = np.stack([np.clip(c.pixels(samples.brain[held_out]), 0.0, 1.0) for c in found.each])
            stack = stack or Stack(len(found.each))
            stack.add(predicted - found.mean, samples.pixels[held_out] - found.mean)
        weights = stack.weights()
        progress("all samples")
        found = fit_candidates(samples, self.settings, fields, deformed)
        chosen = {
            **_shares(found, weights),
            "inner_folds_by": data.inner_folds_by,
            "inner_mse": stack.error(weights) / samples.pixels.size,
        }
        return _decoder(found, weights, samples, chosen)

    def restore(self, saved: Saved) -> LinearDecoder:
        # the candidates follow from the samples and the settings alone; together they would be many times as large
        stimulus, images = saved["samples.stimulus"], saved["samples.images"].astype(np.float32)
        none = np.full(len(stimulus), -1)
        samples = Samples(saved["samples.brain"].astype(np.float32), images[stimulus], stimulus, none, none)
        fields = gaussian_fields(saved.shape, self.settings.field_sizes, self.settings.field_spacing)
        found = fit_candidates(samples, self.settings, fields, _Deformed(samples, self.settings))
        return _decoder(found, saved["stack"], samples, saved.chosen)


@dataclass(frozen=True)
class Candidate:
    """One way to decode: its family, and a function from brain samples to pixels (n_samples, n_pixels)."""

    family: str
    pixels: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Candidates:
    """All candidates fitted on the same samples, with the encoding model below them and the mean image."""

    encoding: Encoding
    mean: np.ndarray
    each: list[Candidate]


def _decoder(found: Candidates, weights: np.ndarray, samples: Samples, chosen: dict) -> LinearDecoder:
    distinct, encoding = samples.distinct(), found.encoding
    row_of = {name: number for number, name in enumerate(samples.stimulus[distinct])}
    kept = {
        "samples.brain": samples.brain,
        "samples.images": samples.images[distinct],
        "samples.stimulus": np.array([row_of[name] for name in samples.stimulus], np.int64),
    }
    arrays = {"stack": weights, "mean": found.mean, **encoding.scaler.arrays, **encoding.arrays()}

    def predict(brain: np.ndarray) -> Prediction:
        image = np.tile(found.mean, (len(brain), 1))
        for weight, candidate in zip(weights, found.each, strict=True):
            if weight > 0:
                image += weight * (np.clip(candidate.pixels(brain), 0.0, 1.0) - found.mean)
        return Prediction(np.clip(image, 0.0, 1.0).reshape(-1, *samples.images.shape[1:]))

    return LinearDecoder(predict, arrays, chosen, kept)


def fit_candidates(
    samples: Samples, settings: CortexClip.Settings, fields: np.ndarray, deformed: _Deformed
) -> Candidates:
    """Fit the encoding model and all ways to decode on the same samples; their order depends on the settings alone."""
    pixels = samples.pixels
    axes, inverse = prior_axes(samples.images, settings.smooth, settings.reach, settings.coordinates)
    encoding = fit_encoding(samples.brain, pixels, fields, axes, inverse, settings.standardise)
    priors: list[tuple] = [("gaussian", pixels.mean(axis=0)[None], (1.0,))]
    priors.append(("seen", pixels[samples.distinct()], settings.seen_widths))
    priors.append(("deformed", deformed.of(samples), settings.deformed_widths))
    each = []
    for shared in settings.shared:
        evidence = encoding.evidence(shared)
        for family, centres, widths in priors:
            mixture = components(evidence, centres)
            for width in widths:
                for doubt in settings.doubt:
                    mean = partial(posterior_mean, centres=mixture, width=width, doubt=doubt)
                    each.append(Candidate(family, partial(_decode, evidence=evidence, mean=mean)))
    grid = settings.penalties
    brain = encoding.scaler(samples.brain)
    each.append(_regression("ridge", encoding, np.ones(brain.shape[1]), fit_kernel(brain, pixels, None, grid)))
    for power in settings.voxel_powers:
        scale = voxel_weights(np.clip(1.0 - encoding.noise, 0.0, None), power)
        regression = fit_kernel(brain * scale, pixels, settings.kernel_width, grid)
        each.append(_regression("kernel", encoding, scale, regression))
    return Candidates(encoding, pixels.mean(axis=0), each)


class _Deformed:
    """Deformed copies of all distinct training images, made once; each inner fold takes those of its own images."""

    def __init__(self, samples: Samples, settings: CortexClip.Settings):
        distinct = samples.distinct()
        copies = deform(samples.images[distinct], max(1, round(settings.copies / len(distinct))), settings.deformation)
        self.by_stimulus = dict(zip(samples.stimulus[distinct], copies, strict=True))

    def of(self, samples: Samples) -> np.ndarray:
        """Copies of the images of some samples, shape (n_copies, n_pixels)."""
        copies = np.concatenate([self.by_stimulus[name] for name in samples.stimulus[samples.distinct()]])
        return copies.reshape(len(copies), -1).astype(np.float64)


def _decode(brain: np.ndarray, evidence, mean) -> np.ndarray:
    return mean(evidence, evidence.read(brain))


def _regression(family: str, encoding: Encoding, scale: np.ndarray, regression) -> Candidate:
    return Candidate(family, lambda brain: regression(encoding.scaler(brain) * scale))


def _shares(found: Candidates, weights: np.ndarray) -> dict[str, float]:
    """Summed weight of each family of candidates."""
    shares: dict[str, float] = {}
    for weight, candidate in zip(weights, found.each, strict=True):
        name = f"weight_{candidate.family}"
        shares[name] = shares.get(name, 0.0) + float(weight)
    return shares
