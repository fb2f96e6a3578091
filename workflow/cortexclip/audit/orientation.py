"""Whether images stand upright or mirrored along the diagonal, which is how the wrong pixel order shows them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from cortexclip.audit.finding import Finding
from cortexclip.data.images import bounding_box
from cortexclip.features.glyphs import render_glyphs
from cortexclip.numerics.resize import resized

FACES = ("DejaVuSans", "DejaVuSerif", "DejaVuSans-Oblique", "cmss10")
SIZE = 16
LIKE = 0.45
"""Mean best correlation with a digit or letter below which images are neither."""
ALPHA = 0.01
MOST_IMAGES = 200
N_FLIPS = 2000


@dataclass(frozen=True)
class Orientation:
    """How like digits and letters images are: mean best correlation as they are and mirrored along the diagonal.

    ``p_value`` is that of as large a difference between the two if neither was right (sign flips over images).
    """

    upright: float
    mirrored: float
    p_value: float
    n_images: int

    @property
    def verdict(self) -> str:
        """ "upright", "mirrored" or "unknown"."""
        if self.p_value > ALPHA or max(self.upright, self.mirrored) < LIKE:
            return "unknown"
        return "upright" if self.upright > self.mirrored else "mirrored"


def orientation(images: np.ndarray, stimulus: np.ndarray, seed: int) -> Orientation:
    """Compare distinct images, as they are and mirrored, with digits and letters of fonts."""
    rng = np.random.default_rng(seed)
    first = np.sort(np.unique(stimulus, return_index=True)[1])
    if len(first) > MOST_IMAGES:
        first = rng.permutation(first)[:MOST_IMAGES]
    distinct = images[first].astype(np.float64)
    upright, mirrored = (
        (_patterns(view) @ _references().T).max(axis=1) for view in (distinct, distinct.transpose(0, 2, 1))
    )
    difference = upright - mirrored
    flips = rng.choice([-1.0, 1.0], size=(N_FLIPS, len(difference))) @ difference
    reached = np.count_nonzero(np.abs(flips) >= abs(difference.sum()) - 1e-9)
    return Orientation(float(upright.mean()), float(mirrored.mean()), (1 + reached) / (1 + N_FLIPS), len(first))


def check_orientation(found: Orientation) -> Finding:
    """Say whether images stand upright, as far as digits and letters can tell."""
    numbers = {"upright": found.upright, "mirrored": found.mirrored, "p_value": found.p_value, "images": found.n_images}
    measured = (
        f"mean best correlation with digits and letters of fonts {found.upright:.2f} as they are, {found.mirrored:.2f} "
        f"mirrored along the diagonal, over {found.n_images} images"
    )
    finding = partial(Finding, "orientation", numbers=numbers)
    if found.verdict == "mirrored":
        meaning = "Set the other pixel_order: image encoders and SSIM see another picture."
        short = "The images lie on their side"
        return finding("serious", f"{short}: {measured}.", meaning, short=short)
    if found.verdict == "upright":
        return finding("info", f"The images are upright: {measured}.", "This is as it should be.")
    meaning = "Look at the pictures: with the wrong pixel_order they are mirrored along the diagonal."
    return finding("info", f"Whether the images are upright cannot be determined: {measured}.", meaning)


@cache
def _references() -> np.ndarray:
    return _patterns(render_glyphs(faces=FACES, size=28, styles=("print",)).images)


def _patterns(images: np.ndarray) -> np.ndarray:
    """What images show, cut out and centred in a square, as rows of mean 0 and length 1 (or 0 where blank)."""
    cut = np.zeros((len(images), SIZE, SIZE))
    for square, image in zip(cut, images, strict=True):
        edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        image = np.abs(image - np.median(edge))  # dark on light counts as light on dark
        ink = image > 0.5 * image.max() if image.max() > 0 else np.zeros(image.shape, bool)
        if not ink.any():
            continue
        inside = image[bounding_box(ink)]
        side = max(inside.shape)
        framed = np.zeros((side, side))
        top, left = ((side - length) // 2 for length in inside.shape)
        framed[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        square[:] = resized(framed[None], SIZE)[0]
    rows = cut.reshape(len(cut), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
