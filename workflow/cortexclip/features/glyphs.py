"""The prior corpus: glyphs and simple shapes with captions, drawn by code, and their augmentation.

It stands for what an image prior may know before it sees any experiment. Glyphs come from the fonts that matplotlib
ships, shapes from formulas; no stimulus of any dataset is in it. Everything is white on black and a function of a seed.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cortexclip.data.images import bounding_box, centred, drawn
from cortexclip.errors import InputError

if TYPE_CHECKING:
    import torch

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase

# Where a Unicode "mathematical alphabet" keeps its A, a and 0 (None: it has none).
_ALPHABETS = {
    "script": (0x1D49C, 0x1D4B6, None),
    "bold script": (0x1D4D0, 0x1D4EA, None),
    "double-struck": (0x1D538, 0x1D552, 0x1D7D8),
    "sans": (0x1D5A0, 0x1D5BA, 0x1D7E2),
    "sans bold": (0x1D5D4, 0x1D5EE, 0x1D7EC),
    "sans italic": (0x1D608, 0x1D622, None),
    "monospace": (0x1D670, 0x1D68A, 0x1D7F6),
}
_TEXT_FONTS = (
    "DejaVuSans DejaVuSans-Bold DejaVuSans-Oblique DejaVuSans-BoldOblique "
    "DejaVuSansMono DejaVuSansMono-Bold DejaVuSansMono-Oblique DejaVuSansMono-BoldOblique "
    "DejaVuSerif DejaVuSerif-Bold DejaVuSerif-Italic DejaVuSerif-BoldItalic "
    "STIXGeneral STIXGeneralBol STIXGeneralItalic STIXGeneralBolIta "
    "cmb10 cmmi10 cmr10 cmss10 cmti10 cmtt10"
).split()
FACES = (
    *_TEXT_FONTS,
    *(f"STIXGeneral:{alphabet}" for alphabet in _ALPHABETS),
    "DejaVuSans:double-struck",
)
"""Faces that hold Latin letters: a font file of matplotlib, or one of its mathematical alphabets after a colon.

Left out are fonts of symbols, of large delimiters (``STIXSiz*``), of private-use characters (``STIXNonUni*``), the
``Display`` fonts (no letters) and ``LastResort``.
"""

SHAPES = (
    "square",
    "disc",
    "triangle",
    "diamond",
    "square ring",
    "ring",
    "cross",
    "diagonal cross",
    "horizontal bar",
    "vertical bar",
    "diagonal bar",
    "corner",
)
PATTERNS = ("checker blocks", "horizontal stripes", "vertical stripes", "sparse blocks", "dense blocks")


def caption(character: str) -> str:
    """Caption of a glyph: ``"the digit six"``, ``"the letter a"``, ``"the capital letter a"``.

    Raises InputError for a character that is not in `CHARACTERS`.
    """
    if len(character) != 1 or character not in CHARACTERS:
        raise InputError(
            f"character: found {character!r}, expected one of {CHARACTERS}. Ask for Latin letters and digits."
        )
    if character.isdigit():
        return f"the digit {DIGIT_NAMES[int(character)]}"
    return f"the {'capital ' if character.isupper() else ''}letter {character.lower()}"


@dataclass(frozen=True)
class Corpus:
    """Images with their captions and names, in the same order."""

    images: np.ndarray  # float32 (n, size, size), 0 (black) to 1 (white)
    captions: list[str]  # equal captions are the same class
    names: list[str]  # of each image's origin, e.g. "DejaVuSans/6/pen"

    def __len__(self) -> int:
        return len(self.images)


def render_glyphs(
    characters: Iterable[str] = CHARACTERS,
    faces: Sequence[str] = FACES,
    size: int = 28,
    styles: Sequence[str] = ("print", "pen"),
) -> Corpus:
    """Render every character in every face out of `FACES` that has it, as images of ``size`` pixels; no randomness.

    Style ``"print"`` is the glyph as the font has it; ``"pen"`` its skeleton redrawn with a round pen of even width,
    thin and medium (two images), which looks more like handwriting. The longer side of the glyph's box is 20/28 of the
    image's, as in MNIST. Raises InputError for unknown face, style or character.
    """
    unknown = set(styles) - {"print", "pen"}
    if unknown:
        raise InputError(f"styles: found {sorted(unknown)}, expected 'print' or 'pen'.")
    images, captions, names = [], [], []
    characters = list(characters)
    for face in faces:
        for character in characters:
            text = caption(character)
            coverage = _draw(face, character)
            if coverage is None:
                continue
            variants = {}
            if "print" in styles:
                variants["print"] = coverage
            if "pen" in styles and "double-struck" not in face:
                variants["pen thin"], variants["pen"] = _pen_strokes(coverage)
            for style, drawing in variants.items():
                images.append(centred(drawing, size, 20 / 28))
                captions.append(text)
                names.append(f"{face}/{character}/{style}")
    return Corpus(np.array(images, np.float32).reshape(-1, size, size), captions, names)


def render_shapes(n: int, seed: int = 0) -> Corpus:
    """Draw ``n`` shapes and patterns, 28 x 28 pixels, with random position, size and proportions.

    Captions name the kind, and where they apply the size and the position: ``"a small square ring at the left"``. All
    kinds of `SHAPES` and `PATTERNS` are equally likely. Image i is a function of seed and i.
    """
    kinds = SHAPES + PATTERNS
    images, captions, names = np.empty((n, SIZE, SIZE), np.float32), [], []
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        kind = kinds[rng.integers(len(kinds))]
        drawing, text = _pattern(kind, rng) if kind in PATTERNS else _shape(kind, rng)
        images[i] = drawing.astype(np.float32).reshape(SIZE, _FINE // SIZE, SIZE, -1).mean(axis=(1, 3))
        captions.append(text)
        names.append(f"{kind}/{seed}/{i}")
    return Corpus(images, captions, names)


@functools.cache
def _font(file: str):
    """The font for drawing and the set of characters that it has."""
    import matplotlib
    from matplotlib.ft2font import FT2Font
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{file}.ttf"
    if not path.is_file():
        raise InputError(
            f"{path}: this font is not there, though matplotlib ships it. Reinstall the pinned matplotlib."
        )
    return ImageFont.truetype(str(path), 160, layout_engine=ImageFont.Layout.BASIC), set(
        FT2Font(str(path)).get_charmap()
    )


def _draw(face: str, character: str) -> np.ndarray | None:
    """The glyph cropped to its bounding box, float32 in 0..1 at 160 pixels an em; None if the face has none."""
    if face not in FACES:
        raise InputError(f"faces: found {face!r}, expected names out of: {', '.join(FACES)}.")
    file, _, alphabet = face.partition(":")
    code = ord(character)
    if alphabet:
        upper, lower, digit = _ALPHABETS[alphabet]
        if character.isdigit():
            if digit is None:
                return None
            code = digit + int(character)
        else:
            code = upper + code - ord("A") if character.isupper() else lower + code - ord("a")
    font, available = _font(file)
    return drawn(font, chr(code)) if code in available else None


def _pen_strokes(coverage: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The glyph's skeleton drawn with a thin and a medium pen, stroke width 1/18 and 1/9 of its longer side."""
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import skeletonize

    margin = max(coverage.shape) // 16 + 2
    mask = np.pad(coverage > 0.5, margin)
    distance = distance_transform_edt(~skeletonize(mask))
    strokes = []
    for width in (1 / 18, 1 / 9):
        stroke = np.clip(width * max(coverage.shape) / 2 - distance + 0.5, 0, 1)
        strokes.append(stroke[bounding_box(stroke)].astype(np.float32))
    return strokes[0], strokes[1]


SIZE, _FINE = 28, 112
"""Pixels a side of shapes, and those at which they are drawn before they are averaged."""


@functools.cache
def _plane() -> tuple[np.ndarray, np.ndarray]:
    axis = ((np.arange(_FINE) + 0.5) / _FINE * 2 - 1).astype(np.float32)
    return np.meshgrid(axis, axis, indexing="ij")


def _shape(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """One figure on the plane -1..1, with a caption that states its size and position."""
    radius = rng.uniform(0.2, 0.9)
    reach = 0.98 - radius
    centre = rng.uniform(-reach, reach, 2) if rng.random() < 0.6 else rng.uniform(-0.08, 0.08, 2)
    y, x = _plane()[0] - centre[0], _plane()[1] - centre[1]
    turn = rng.normal(0, 0.06)
    y, x = y * np.cos(turn) - x * np.sin(turn), y * np.sin(turn) + x * np.cos(turn)
    aspect = np.exp(rng.normal(0, 0.08))
    y, x = y / radius * aspect, x / radius / aspect
    chessboard, euclid = np.maximum(abs(y), abs(x)), np.hypot(y, x)
    width = rng.uniform(0.15, 0.5)
    box, circle = chessboard < 1, euclid < 1
    inside = {
        "square": lambda: box,
        "disc": lambda: circle,
        "triangle": lambda: (y < 0.8) & (abs(x) < (y + 1) / 1.8),
        "diamond": lambda: abs(y) + abs(x) < 1.1,
        "square ring": lambda: box & (chessboard > 1 - width),
        "ring": lambda: circle & (euclid > 1 - width),
        "cross": lambda: box & (np.minimum(abs(y), abs(x)) < width * 0.7),
        "diagonal cross": lambda: box & (np.minimum(abs(y - x), abs(y + x)) < width),
        "horizontal bar": lambda: (abs(x) < 1) & (abs(y) < width * 0.8),
        "vertical bar": lambda: (abs(y) < 1) & (abs(x) < width * 0.8),
        "diagonal bar": lambda: box & (abs(y - x * rng.choice([-1, 1])) < width),
        "corner": lambda: box & (np.maximum(*(rng.choice([-1, 1], (2, 1, 1)) * [y, x])) > 1 - width * 1.6),
    }[kind]()
    words = "small " if radius < 0.42 else "large " if radius > 0.68 else ""
    where = ""
    if np.abs(centre).max() > 0.2:
        vertical = abs(centre[0]) > abs(centre[1])
        where = (
            " at the " + (("top", "bottom") if vertical else ("left", "right"))[int(centre[0 if vertical else 1] > 0)]
        )
    return inside * rng.uniform(0.6, 1.0), f"a {words}{kind}{where}"


def _pattern(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """One pattern over the whole plane: checkers, stripes, or random blocks at low resolution."""
    cells = int(rng.integers(3, 13))
    shape = (cells, cells)
    if kind == "checker blocks":
        grid = np.indices(shape).sum(axis=0) % 2 == rng.integers(2)
    elif kind == "horizontal stripes":
        grid = np.indices(shape)[0] % 2 == rng.integers(2)
    elif kind == "vertical stripes":
        grid = np.indices(shape)[1] % 2 == rng.integers(2)
    else:
        grid = rng.random(shape) < (rng.uniform(0.1, 0.35) if kind == "sparse blocks" else rng.uniform(0.5, 0.85))
    index = np.arange(_FINE) * cells // _FINE
    size = "large " if cells < 6 else "small " if cells > 9 else ""
    return grid[np.ix_(index, index)] * rng.uniform(0.6, 1.0), f"{size}{kind}"


def augment(
    images: torch.Tensor, generator: torch.Generator, size: int = 28, geometry: float = 1.0, appearance: float = 1.0
) -> torch.Tensor:
    """Random variants of a batch: bent, slanted, thicker or thinner, blurred, coarse, brighter or darker.

    The geometric part is affine (turned, sheared, stretched, moved) and elastic at two scales; the rest changes stroke
    thickness (grey dilation and erosion), contrast, blur, noise and resolution (averaged to 6..14 pixels a side, then
    interpolated back).

    Of images (n, height, width) in 0..1, which keep finer strokes if drawn at twice ``size``, it gives float32 (n,
    size, size) in 0..1. ``geometry`` and ``appearance`` are the strength of the two parts; 1 is made for handwriting, 0
    leaves that part out. ``generator`` is the only source of randomness, on the same device as the images.
    """
    import torch.nn.functional as F

    x = images.to(generator.device).float()[:, None]
    if geometry > 0:
        x = _change_thickness(x, generator, geometry)
        x = F.grid_sample(
            x, _random_grid(len(x), x.shape[-1], generator, geometry), "bilinear", "zeros", align_corners=False
        )
    if x.shape[-1] != size:
        x = F.interpolate(x, size=(size, size), mode="area")
    if appearance > 0:
        x = _change_appearance(x, generator, appearance)
    return x[:, 0].clamp(0, 1)


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    """(n, 1, 1, 1) draws from the interval."""
    import torch

    return torch.rand(n, 1, 1, 1, generator=generator, device=generator.device) * (high - low) + low


def _normal(n: int, generator: torch.Generator) -> torch.Tensor:
    import torch

    return torch.randn(n, generator=generator, device=generator.device)


def _random_grid(n: int, side: int, generator: torch.Generator, strength: float) -> torch.Tensor:
    """Sampling grid (n, side, side, 2) of a random affine map and two elastic fields."""
    import torch
    import torch.nn.functional as F

    angle = 0.17 * strength * _normal(n, generator)
    shear = 0.25 * strength * _normal(n, generator)
    zoom = -0.18 * strength + 0.16 * strength * _normal(n, generator)
    stretch = 0.18 * strength * _normal(n, generator)
    shift = 0.08 * strength * torch.randn(n, 2, generator=generator, device=generator.device)
    scale_x, scale_y = torch.exp(zoom + stretch), torch.exp(zoom - stretch)
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [
            torch.stack([scale_x * cos, scale_x * (shear * cos - sin), shift[:, 0]], dim=1),
            torch.stack([scale_y * sin, scale_y * (shear * sin + cos), shift[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, [n, 1, side, side], align_corners=False)
    for cells, amplitude in ((4, 0.11), (7, 0.05)):
        bend = torch.randn(n, 2, cells, cells, generator=generator, device=generator.device)
        bend = bend * amplitude * strength * _uniform(n, 0.0, 1.4, generator)
        bend = F.interpolate(bend, size=(side, side), mode="bicubic", align_corners=True)
        grid = grid + bend.permute(0, 2, 3, 1)
    return grid


def _change_thickness(x: torch.Tensor, generator: torch.Generator, strength: float) -> torch.Tensor:
    """Blend with the grey dilation (thicker) or erosion (thinner) of each image."""
    amount = _uniform(len(x), -0.7 * strength, 1.0 * strength, generator).clamp(-1, 1)
    radius = max(1, round(x.shape[-1] / 28))
    thick, thin = _spread(x, radius), -_spread(-x, 1)
    return x + amount.clamp(min=0) * (thick - x) + (-amount).clamp(min=0) * (thin - x)


def _spread(x: torch.Tensor, radius: int) -> torch.Tensor:
    """The largest value in the square of 2 * ``radius`` + 1 pixels a side around each, first along rows and columns."""
    import torch
    import torch.nn.functional as F

    for axis, border in ((-1, (radius, radius)), (-2, (0, 0, radius, radius))):
        wide = F.pad(x, border, value=-torch.inf)
        x = functools.reduce(torch.maximum, (wide.narrow(axis, i, x.shape[axis]) for i in range(2 * radius + 1)))
    return x


def _change_appearance(x: torch.Tensor, generator: torch.Generator, strength: float) -> torch.Tensor:
    """Blur, contrast, noise and loss of resolution."""
    import torch
    import torch.nn.functional as F

    n, size = len(x), x.shape[-1]
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 1)
    softer = F.avg_pool2d(F.pad(soft, (1, 1, 1, 1)), 3, 1)
    blur = _uniform(n, -0.8, 1.0, generator).clamp(min=0) * min(strength, 1.0)
    x = x + blur * ((soft + softer) / 2 - x)
    # Half of the images lose resolution, in four groups that each draw a grid size; 8 is always among them.
    coarse = torch.randperm(n, generator=generator, device=generator.device)[: round(0.5 * min(strength, 1.0) * n)]
    sides = [8, *torch.randint(6, 15, (3,), generator=generator, device=generator.device).tolist()]
    for side, rows in zip(sides, coarse.chunk(len(sides)), strict=False):
        small = F.interpolate(x[rows], size=(side, side), mode="area")
        mode = "bilinear" if side % 2 == 0 else "bicubic"
        x = x.index_copy(0, rows, F.interpolate(small, size=(size, size), mode=mode, align_corners=False))
    gain = torch.exp(0.2 * strength * _normal(n, generator))[:, None, None, None]
    power = torch.exp(0.3 * strength * _normal(n, generator))[:, None, None, None]
    x = (x.clamp(0, 1).pow(power) * gain).clamp(0, 1)
    noise = _uniform(n, -0.06, 0.06, generator).clamp(min=0) * strength
    return x + noise * torch.randn(x.shape, generator=generator, device=generator.device)
