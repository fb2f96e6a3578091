"""Our own decoder: encoding models of receptive fields, inverted under several image priors, and their best mixture.

Nothing in it is pretrained and nothing is random. See docs/cortexclip.md for the equations and for what was tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

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
from cortexclip.numerics.image_prior import (
    Components,
    block_centres,
    components,
    deform,
    joint_axes,
    posterior_mean,
    prior_axes,
)
from cortexclip.numerics.kernels import fit_kernel
from cortexclip.numerics.receptive_fields import Encoding, Evidence, fit_encoding, gaussian_fields, local_contrast
from cortexclip.numerics.stacking import Stack
from cortexclip.numerics.standardise import voxel_weights
from cortexclip.runtime.settings import Count, Positive, Rate, Share

CONTRAST = "contrast"
"""The family of candidates that the stack goes without where the inner folds are predicted better so."""


class CortexClip(Method):
    """Fit all candidates inside inner folds, weigh them by their predictions there, and fit them on all samples.

    The inner folds score images seen before or new ones, as the protocol does (`FitData.inner_groups`).
    """

    class Settings(PenaltyGrid):
        """``folds``: inner folds of the training samples that weigh the candidates.

        Encoding: ``field_sizes``, standard deviations of receptive fields as fractions of the image's side;
        ``field_spacing`` of their centres in pixels; ``shared``, the part of the noise that voxels share; ``doubt``,
        factors of the noise. A second encoding model is of local contrast within ``contrast_width``, a fraction of the
        side, in blocks of ``contrast_block`` pixels. Prior: ``smooth`` and ``reach`` (pixels) of its covariance, and
        ``coordinates``, the number of its axes that are kept; ``contrast_smooth``, ``contrast_reach`` and
        ``contrast_coordinates`` are those of contrast and pixels together. ``seen_widths`` and ``deformed_widths`` of
        the components around the training images and around ``copies`` deformed copies in all, made with
        ``deformation`` strength. Regressions: voxels weighted by the share of their variance that the encoding
        explains, to each of ``voxel_powers``; ``kernel_width``, in median distances; penalties as multiples of the mean
        of the kernel's diagonal.
        """

        folds: Annotated[int, Field(ge=2)]
        field_sizes: tuple[float, ...]
        field_spacing: int
        shared: Rate
        doubt: tuple[float, ...]
        smooth: float
        reach: float
        coordinates: int
        contrast_width: Positive
        contrast_block: Count
        contrast_smooth: Share
        contrast_reach: Positive
        contrast_coordinates: Count
        seen_widths: tuple[float, ...]
        deformed_widths: tuple[float, ...]
        copies: int
        deformation: float
        voxel_powers: tuple[float, ...]
        kernel_width: float

    drawn = "fields"

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples = data.final
        deformed = Deformed(samples, self.settings)
        stack = stack_folds(samples, data.inner_folds(self.settings.folds), self.settings, deformed, progress)
        progress("all samples")
        found = fit_candidates(samples, self.settings, deformed)
        families = np.array([candidate.family for candidate in found.each])
        weights = stack.weights(stack.chosen(np.flatnonzero(families != CONTRAST), np.arange(len(families))))
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
        found = fit_candidates(samples, self.settings, Deformed(samples, self.settings))
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


def stack_folds(
    samples: Samples,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    settings: CortexClip.Settings,
    deformed: Deformed,
    progress: Progress,
) -> Stack:
    """The candidates' predictions of each fold's samples, from candidates that were fitted on the others."""
    stack = Stack()
    for number, (training, held_out) in enumerate(folds, 1):
        progress(f"inner fold {number}/{len(folds)}")
        found = fit_candidates(samples.take(training), settings, deformed)
        predicted = np.stack([np.clip(c.pixels(samples.brain[held_out]), 0.0, 1.0) for c in found.each])
        stack.add(predicted - found.mean, samples.pixels[held_out] - found.mean)
    return stack


def fit_candidates(samples: Samples, settings: CortexClip.Settings, deformed: Deformed) -> Candidates:
    """Fit the encoding models and all ways to decode on the same samples; their order depends on the settings alone."""
    pixels, shape = samples.pixels, samples.images.shape[1:]
    n = pixels.shape[1]
    copies, of_copies = deformed.of(samples)
    fields = gaussian_fields(shape, settings.field_sizes, settings.field_spacing)
    axes, inverse = prior_axes(samples.images, settings.smooth, settings.reach, settings.coordinates)
    encoding = fit_encoding(samples.brain, pixels, fields, axes, inverse, settings.standardise)
    evidence = encoding.evidence(settings.shared)
    each = [
        *_posteriors("gaussian", evidence, pixels.mean(axis=0)[None], (1.0,), settings.doubt, n),
        *_posteriors("seen", evidence, pixels[samples.distinct()], settings.seen_widths, settings.doubt, n),
        *_posteriors("deformed", evidence, copies, settings.deformed_widths, settings.doubt, n),
    ]
    evidence, vectors = _contrast_evidence(samples, copies, of_copies, settings)
    each += _posteriors(CONTRAST, evidence, vectors, settings.deformed_widths, settings.doubt, n)
    grid = settings.penalties
    brain = encoding.scaler(samples.brain)
    each.append(_regression("ridge", encoding, np.ones(brain.shape[1]), fit_kernel(brain, pixels, None, grid)))
    for power in settings.voxel_powers:
        scale = voxel_weights(np.clip(1.0 - encoding.noise, 0.0, None), power)
        regression = fit_kernel(brain * scale, pixels, settings.kernel_width, grid)
        each.append(_regression("kernel", encoding, scale, regression))
    return Candidates(encoding, pixels.mean(axis=0), each)


def _contrast_evidence(
    samples: Samples, copies: np.ndarray, of_copies: np.ndarray, settings: CortexClip.Settings
) -> tuple[Evidence, np.ndarray]:
    """The inverted encoding model of local contrast, over vectors of contrast and pixels, and those of the copies."""
    shape, pixels = samples.images.shape[1:], samples.pixels
    contrast = local_contrast(samples.images, settings.contrast_width, settings.contrast_block)
    scale = pixels.std() / max(contrast.std(), 1e-12)
    seen, vectors = np.hstack([scale * contrast, pixels]), np.hstack([scale * of_copies, copies])
    axes, inverse = joint_axes(
        np.concatenate([seen, vectors]),
        seen.mean(axis=0),
        np.concatenate([block_centres(shape, settings.contrast_block), block_centres(shape)]),
        settings.contrast_smooth,
        settings.contrast_reach,
        settings.contrast_coordinates,
    )
    blocks = (-(-shape[0] // settings.contrast_block), -(-shape[1] // settings.contrast_block))
    fields = np.pad(gaussian_fields(blocks, settings.field_sizes, 1), ((0, 0), (0, pixels.shape[1])))
    encoding = fit_encoding(samples.brain, seen, fields, axes, inverse, settings.standardise)
    return encoding.evidence(settings.shared), vectors


class Deformed:
    """Deformed copies of all distinct training images, made once; each inner fold takes those of its own images."""

    def __init__(self, samples: Samples, settings: CortexClip.Settings):
        distinct = samples.distinct()
        copies = deform(samples.images[distinct], max(1, round(settings.copies / len(distinct))), settings.deformation)
        contrast = [local_contrast(of_one, settings.contrast_width, settings.contrast_block) for of_one in copies]
        pixels = copies.reshape(*copies.shape[:2], -1).astype(np.float64)
        self.by_stimulus = dict(zip(samples.stimulus[distinct], zip(pixels, contrast, strict=True), strict=True))

    def of(self, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the images of some samples: pixels (n_copies, n_pixels) and local contrast (n_copies, n_blocks)."""
        pixels, contrast = zip(*(self.by_stimulus[name] for name in samples.stimulus[samples.distinct()]), strict=True)
        return np.concatenate(pixels), np.concatenate(contrast)


def _posteriors(
    family: str, evidence: Evidence, centres: np.ndarray, widths: Sequence[float], doubts: Sequence[float], n: int
) -> list[Candidate]:
    """Candidates of a mixture around centres whose last ``n`` values are pixels, which alone are decoded."""
    mixture = components(evidence, centres)
    mixture = Components(mixture.pixels[:, -n:], mixture.coordinates)
    pixels = replace(evidence, axes=evidence.axes[:, -n:])

    def decode(brain: np.ndarray, width: float, doubt: float) -> np.ndarray:
        return posterior_mean(pixels, pixels.read(brain), mixture, width, doubt)

    return [Candidate(family, partial(decode, width=w, doubt=d)) for w, d in itertools.product(widths, doubts)]


def _regression(family: str, encoding: Encoding, scale: np.ndarray, regression) -> Candidate:
    return Candidate(family, lambda brain: regression(encoding.scaler(brain) * scale))


def _shares(found: Candidates, weights: np.ndarray) -> dict[str, float]:
    """Summed weight of each family of candidates."""
    shares: dict[str, float] = {}
    for weight, candidate in zip(weights, found.each, strict=True):
        name = f"weight_{candidate.family}"
        shares[name] = shares.get(name, 0.0) + float(weight)
    return shares
