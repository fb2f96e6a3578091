"""Multiscale local decoders: the contrast of small overlapping patches, each by sparse logistic regression.

Source: Miyawaki et al. 2008, Visual image reconstruction from human brain activity using a combination of multiscale
local image decoders, Neuron 60, 915.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from cortexclip.methods.interface import FitData, LinearDecoder, Method, Prediction, Progress, Samples, Saved
from cortexclip.numerics.resize import line_weights, resized
from cortexclip.numerics.smlr import Logistic, fit_logistic
from cortexclip.numerics.standardise import VoxelScaler, fit_scaler
from cortexclip.runtime.settings import Checked, Count, Positive, Several

SCALES = ((1, 1), (1, 2), (2, 1), (2, 2))
"""Heights and widths of the patches, in elements of the coarse image."""
N_LEVELS = [height * width + 1 for height, width in SCALES]


def patches(n: int) -> list[np.ndarray]:
    """All patches of each scale on an image of n x n elements: arrays (n_patches, n * n) of ones and zeros."""
    found = []
    for height, width in SCALES:
        masks = np.zeros((n - height + 1, n - width + 1, n, n))
        for y in range(n - height + 1):
            for x in range(n - width + 1):
                masks[y, x, y : y + height, x : x + width] = 1
        found.append(masks.reshape(-1, n * n))
    return found


def contrasts(images: np.ndarray, n: int) -> list[np.ndarray]:
    """How many elements of each patch are bright: whole numbers (n_samples, n_patches) for each scale.

    The images (n_samples, height, width) are averaged to n x n elements; those above one half are bright.
    """
    bright = resized(images, n).reshape(len(images), -1) > 0.5
    return [(bright @ masks.T).astype(int) for masks in patches(n)]


def drawn_patches(n: int, shape: tuple[int, int]) -> np.ndarray:
    """Every patch as an image, interpolated: (n_patches, height * width)."""
    masks = np.concatenate(patches(n)).reshape(-1, n, n)
    rows, columns = (line_weights(n, size) for size in shape)
    return np.einsum("yr,prc,xc->pyx", rows, masks, columns).reshape(len(masks), -1)


def expected_contrast(fits: Sequence[Logistic], x: np.ndarray) -> np.ndarray:
    """Mean predicted contrast of each patch, 0 to 1, all scales in a row: (n_samples, n_patches)."""
    return np.concatenate(
        [fit.probabilities(x) @ (np.arange(levels) / (levels - 1)) for fit, levels in zip(fits, N_LEVELS, strict=True)],
        axis=1,
    )


def combination(contrast: np.ndarray, drawn: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Weights, not negative, by which patches add up to the images with least squared error: (n_patches,).

    ``contrast`` (n_samples, n_patches) times ``drawn`` (n_patches, n_pixels) is what is added up to ``pixels``
    (n_samples, n_pixels).
    """
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import nnls

    gram = (contrast.T @ contrast) * (drawn @ drawn.T)
    gram[np.diag_indices_from(gram)] += 1e-9 * np.trace(gram) / len(gram) + 1e-12
    root = cholesky(gram)
    moment = ((contrast.T @ pixels) * drawn).sum(axis=1)
    return nnls(root, solve_triangular(root, moment, trans="T"))[0]


class LocalDecoders(Method):
    """The contrast of every patch is classified from the voxels; the images are a weighted sum of the patches."""

    class Settings(Checked):
        """``resolutions``: elements along a side of the coarse image; ``penalties``: of the sum of absolute weights of
        the logistic regressions. Both are chosen by the squared error of images in ``folds`` of the training samples,
        whose held-out contrasts the weights of the patches are fitted to.

        ``voxels``: how many voxels are used, those most correlated with pixels of the training images.
        """

        standardise: bool
        resolutions: Several[Annotated[int, Field(ge=2)]]
        penalties: Several[Positive]
        voxels: Count
        folds: Annotated[int, Field(ge=2)]

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples, settings, tried = data.final, self.settings, {}
        rows = self._voxels(samples)
        for n in settings.resolutions:
            drawn = drawn_patches(n, data.shape)
            for penalty, contrast in self._held_out(samples, rows, n):
                weights = combination(contrast, drawn, samples.pixels)
                error = np.mean((np.clip(contrast @ (weights[:, None] * drawn), 0, 1) - samples.pixels) ** 2)
                tried[n, penalty] = float(error), weights
                progress(f"{n} elements, penalty {penalty:g}: held-out error {error:.4f}")
        n, penalty = min(tried, key=lambda each: tried[each][0])
        scaler = fit_scaler(samples.brain[:, rows], settings.standardise)
        x, arrays = scaler(samples.brain[:, rows]).astype(np.float32), {"patch_weights": tried[n, penalty][1]}
        for scale, (levels, count) in enumerate(zip(contrasts(samples.images, n), N_LEVELS, strict=True)):
            fit = fit_logistic(x, levels, count, penalty)
            arrays |= {f"scale{scale}.weights": fit.weights, f"scale{scale}.intercept": fit.intercept}
        chosen = {"resolution": n, "penalty": penalty, "held_out_mse": tried[n, penalty][0]}
        return _decoder(arrays, {"voxels": rows, **scaler.arrays}, chosen, data.shape)

    def restore(self, saved: Saved) -> LinearDecoder:
        names = [f"scale{index}.{part}" for index in range(len(SCALES)) for part in ("weights", "intercept")]
        arrays, kept = saved.named("patch_weights", *names), saved.named("voxels", "voxel_mean", "voxel_scale")
        return _decoder(arrays, kept, saved.chosen, saved.shape)

    def _voxels(self, samples: Samples) -> np.ndarray:
        """Positions of the voxels that are used."""
        x = fit_scaler(samples.brain)(samples.brain)
        pixels = samples.pixels - samples.pixels.mean(axis=0)
        strength = ((x.T @ (pixels / np.maximum(pixels.std(axis=0), 1e-6))) ** 2).sum(axis=1)
        return np.sort(np.argsort(-strength, kind="stable")[: self.settings.voxels])

    def _held_out(self, samples: Samples, rows: np.ndarray, n: int) -> Iterator[tuple[float, np.ndarray]]:
        """Penalties, largest first, with the contrasts (n_samples, n_patches) that folds of the samples predict."""
        fold = np.arange(len(samples)) % min(self.settings.folds, len(samples))
        levels, brain = contrasts(samples.images, n), samples.brain[:, rows]
        starts: dict[int, list[Logistic | None]] = {number: [None] * len(SCALES) for number in np.unique(fold)}
        for penalty in sorted(self.settings.penalties, reverse=True):
            contrast = np.zeros((len(samples), sum(scale.shape[1] for scale in levels)))
            for number, start in starts.items():
                inner, outer = fold != number, fold == number
                scaler = fit_scaler(brain[inner], self.settings.standardise)
                x = scaler(brain[inner]).astype(np.float32)
                fits = [
                    fit_logistic(x, scale[inner], count, penalty, before)
                    for scale, count, before in zip(levels, N_LEVELS, start, strict=True)
                ]
                contrast[outer] = expected_contrast(fits, scaler(brain[outer]))
                start[:] = fits
            yield penalty, contrast


def _decoder(arrays: dict, kept: dict, chosen: dict, shape: tuple[int, int]) -> LinearDecoder:
    rows, scaler = kept["voxels"].astype(int), VoxelScaler(kept["voxel_mean"], kept["voxel_scale"])
    fits = [Logistic(arrays[f"scale{i}.weights"], arrays[f"scale{i}.intercept"]) for i in range(len(SCALES))]
    drawn = arrays["patch_weights"][:, None] * drawn_patches(int(chosen["resolution"]), shape)

    def predict(brain: np.ndarray) -> Prediction:
        pixels = expected_contrast(fits, scaler(brain[:, rows])) @ drawn
        return Prediction(np.clip(pixels, 0.0, 1.0).reshape(-1, *shape))

    return LinearDecoder(predict, arrays, chosen, kept)
