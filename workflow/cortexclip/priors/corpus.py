"""The images that the priors learn from, drawn once and kept in a file, so that the audit sees exactly these.

Glyphs and shapes are those of `cortexclip.features.glyphs`, as drawn and augmented; figures and letters on a coarse
grid of cells are added here, and a user's own folder of images may join them. No stimulus of any dataset is read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from cortexclip.data.images import bounding_box
from cortexclip.errors import InputError
from cortexclip.features import glyphs
from cortexclip.features.glyphs import Corpus
from cortexclip.runtime.arrays import read_netcdf
from cortexclip.runtime.files import atomic_path
from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.settings import Checked, Count, check

SIZE = 28
GRIDS = (8, 9, 11, 12, 13)
"""Cells a side of the coarse figures; 10 is left out, on which a published experiment shows figures."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
BATCH = 256


class Settings(Checked):
    """How many images of each kind are augmented or made of cells, and how many shapes are drawn for it."""

    digits: Count = 18000
    letters: Count = 14000
    shapes: Count = 9000
    cells: Count = 7000
    drawn_shapes: Count = 6000


def draw(
    settings: dict | None = None,
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    faces: Sequence[str] = glyphs.FACES,
) -> xr.Dataset:
    """Draw the corpus; a function of its arguments with one version of the libraries.

    ``settings`` are fields of `Settings` other than the default; pictures of a ``folder`` join it, see `read_folder`.
    The dataset has ``image`` (image, y, x), uint8, 28x28, 0 black to 255 white; ``name`` (image,), where each comes
    from: "drawn/..", "augmented/..", "cells/.." or "own/.."; ``caption`` (image,), "" where there is none. Raises
    InputError for a wrong setting, or what `read_folder` raises.
    """
    chosen = check(Settings, settings or {}, "corpus", "setting")
    letters = glyphs.render_glyphs(faces=faces, size=2 * SIZE)
    shapes = glyphs.render_shapes(chosen.drawn_shapes, derive_seed(seed, "corpus", "shapes"))
    is_digit = np.array([text.startswith("the digit") for text in letters.captions])
    kinds = {
        "digits": (letters, np.flatnonzero(is_digit), 0.8),
        "letters": (letters, np.flatnonzero(~is_digit), 0.8),
        "shapes": (shapes, np.arange(len(shapes)), 0.15),  # captions state their position and size, which they keep
    }
    parts = [("drawn", glyphs.render_glyphs(faces=faces, size=SIZE)), ("drawn", shapes)]
    for kind, (source, rows, geometry) in kinds.items():
        rng = np.random.default_rng(derive_seed(seed, "corpus", kind))
        parts.append(("augmented", _augmented(source, rng.choice(rows, getattr(chosen, kind)), geometry, rng)))
    parts.append(("cells", draw_cells(letters, chosen.cells, derive_seed(seed, "corpus", "cells"))))
    if folder is not None:
        parts.append(("own", read_folder(folder)))
    return xr.Dataset(
        {"image": (("image", "y", "x"), np.concatenate([_bytes(part.images) for _, part in parts]))},
        coords={
            "name": ("image", np.array([f"{origin}/{name}" for origin, part in parts for name in part.names])),
            "caption": ("image", np.array([text for _, part in parts for text in part.captions])),
        },
        attrs={"seed": seed},
    )


def draw_cells(letters: Corpus, n: int, seed: int) -> Corpus:
    """``n`` figures on coarse grids: every other one a glyph at the resolution of the cells, the rest made of bars.

    Image i is a function of the letters, seed and i.
    """
    images, captions, names = np.empty((n, SIZE, SIZE), np.float32), [], []
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        cells = int(rng.choice(GRIDS))
        if i % 2:
            row = int(rng.integers(len(letters)))
            figure, text, name = _coarse(letters.images[row], cells, rng), letters.captions[row], letters.names[row]
        else:
            figure, text, name = _bars(cells, rng), "", "bars"
        images[i] = _enlarge(_positioned(figure, cells, rng) * rng.uniform(0.7, 1.0))
        captions.append(text)
        names.append(f"{name}/{cells}/{i}")
    return Corpus(images, captions, names)


def _coarse(glyph: np.ndarray, cells: int, rng: np.random.Generator) -> np.ndarray:
    """A glyph cropped and reduced to whole cells, black or white, its longer side between half and nearly the grid."""
    from PIL import Image

    glyph = glyph[bounding_box(glyph)]
    longer = int(rng.integers(max(4, cells // 2), cells))
    height, width = (max(1, round(side / max(glyph.shape) * longer)) for side in glyph.shape)
    small = Image.fromarray((glyph * 255).round().astype(np.uint8)).resize((width, height), Image.Resampling.BOX)
    return (np.asarray(small, np.float32) / 255 > rng.uniform(0.3, 0.5)).astype(np.float32)


def _bars(cells: int, rng: np.random.Generator) -> np.ndarray:
    """One to four horizontal, vertical or stepwise diagonal bars, turned, half of the figures mirrored.

    A plain rectangle is drawn anew: those are among the shapes, and in experiments.
    """
    side = int(rng.integers(3, cells))
    figure = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        width, start = int(rng.integers(1, 3)), int(rng.integers(0, side))
        low = int(rng.integers(0, side - 1))
        high = int(rng.integers(low + 2, side + 1))
        if rng.random() < 0.25:
            for step in range(low, high):
                figure[step, max(0, step - start // 2) : step - start // 2 + width] = 1
        else:
            figure[start : start + width, low:high] = 1
        if rng.random() < 0.6:
            figure = np.rot90(figure)
    if rng.random() < 0.5:
        figure = np.maximum(figure, figure[:, ::-1])
    if rng.random() < 0.25:
        figure = np.maximum(figure, figure[::-1])
    return _bars(cells, rng) if _is_rectangle(figure) else figure


def _is_rectangle(figure: np.ndarray) -> bool:
    """Whether the figure is empty or fills the rectangle that it spans."""
    rows, columns = figure.any(axis=1), figure.any(axis=0)
    return bool(figure[np.ix_(rows, columns)].all())


def _positioned(figure: np.ndarray, cells: int, rng: np.random.Generator) -> np.ndarray:
    """The figure on a black grid of (cells, cells), in the middle or, one time in four, anywhere."""
    grid = np.zeros((cells, cells), np.float32)
    free = np.array(grid.shape) - figure.shape
    top, left = rng.integers(0, free + 1) if rng.random() < 0.25 else free // 2
    grid[top : top + figure.shape[0], left : left + figure.shape[1]] = figure
    return grid


def _enlarge(grid: np.ndarray) -> np.ndarray:
    """A grid of cells interpolated to (28, 28), bicubic."""
    from PIL import Image

    image = Image.fromarray(grid.astype(np.float32)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(image), 0, 1)


def _augmented(source: Corpus, rows: np.ndarray, geometry: float, rng: np.random.Generator) -> Corpus:
    """Bent, moved, thicker and thinner variants of these rows of a corpus, see `glyphs.augment`.

    Blur, noise and contrast, which glyphclip has to see through, are left out: a prior should not draw them.
    """
    import torch

    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    batches = (torch.from_numpy(source.images[rows[start : start + BATCH]]) for start in range(0, len(rows), BATCH))
    return Corpus(
        np.concatenate([glyphs.augment(batch, generator, SIZE, geometry, 0).numpy() for batch in batches]),
        [source.captions[row] for row in rows],
        [f"{source.names[row]}/{i}" for i, row in enumerate(rows)],
    )


def read_folder(folder: str | os.PathLike) -> Corpus:
    """Pictures of a folder and those below it as grey images of 28x28, white on black as they are, without captions.

    Raises InputError if there is no such folder, no picture in it, or one that cannot be read; only pictures wider and
    higher than 7 pixels are accepted. A picture that is not square is fitted into a square of black.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder; expected one with pictures ({', '.join(SUFFIXES)}).")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: holds no picture; expected files that end in {', '.join(SUFFIXES)}.")
    images = []
    for path in paths:
        try:
            with Image.open(path) as picture:
                grey = picture.convert("L")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise InputError(f"{path}: cannot be read as a picture ({error}). Remove it or repair it.") from error
        if min(grey.size) < 8:
            raise InputError(f"{path}: is {grey.width}x{grey.height} pixels, expected 8x8 or more. Remove it.")
        small = ImageOps.pad(grey, (SIZE, SIZE), Image.Resampling.BOX, color=0)
        images.append(np.asarray(small, np.float32) / 255)
    return Corpus(np.stack(images), [""] * len(paths), [path.relative_to(folder).as_posix() for path in paths])


def digest(corpus: xr.Dataset) -> str:
    """SHA-256 of the images and their captions."""
    content = hashlib.sha256(np.ascontiguousarray(corpus.image.values).tobytes())
    content.update("\n".join(corpus.caption.values.tolist()).encode())
    return content.hexdigest()


def write(corpus: xr.Dataset, path: str | os.PathLike) -> None:
    """Write the corpus as netCDF-4, whole or not at all; the same corpus gives the same bytes."""
    with atomic_path(path) as temporary:
        corpus.to_netcdf(temporary, engine="h5netcdf", encoding={"image": {"zlib": True, "complevel": 4}})


def read(path: str | os.PathLike) -> xr.Dataset:
    """Read a corpus that `write` made; raises InputError if it is missing or is none."""
    corpus = read_netcdf(path)
    if corpus.get("image") is None or corpus.image.dims != ("image", "y", "x") or corpus.image.dtype != np.uint8:
        raise InputError(f"{path}: no corpus; expected 'image' (image, y, x) as whole numbers of 8 bits. Delete it.")
    for name in ("name", "caption"):
        corpus[name] = corpus[name].astype(np.str_)
    return corpus


def _bytes(images: np.ndarray) -> np.ndarray:
    return np.rint(images * 255).astype(np.uint8)
