"""Images of digits and letters, for recordings that say which character was shown but not which picture of it.

They are drawn by Pillow in the font that it carries (Aileron Regular), which is not among the fonts of the prior corpus
(:mod:`cortexclip.features.glyphs`), so that no encoder of this project has seen them; or read from a folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from cortexclip.data.images import centred, drawn
from cortexclip.errors import InputError

SIZE = 28
EXTENT = 20 / 28  # longer side of a character as a share of the image, as in MNIST
SUFFIXES = (".png", ".jpg")
EM = 160  # pixels an em at which a character is drawn before it is reduced


def character_images(characters: Sequence[str], folder: str | os.PathLike | None = None) -> np.ndarray:
    """One image for each digit or letter: float32 (n_characters, y, x) in 0..1.

    ``folder`` has a file for each, such as ``7.png`` or ``7.jpg``; without it they are drawn, 28 x 28, white on black.
    Raises InputError when the folder lacks a character or holds one twice, a file is no image, or images are not square
    and of one size.
    """
    if folder is None:
        font = ImageFont.load_default(EM)
        return np.stack([centred(drawn(font, character), SIZE, EXTENT) for character in characters])
    images = [_read(Path(folder), character) for character in characters]
    sizes = {image.shape for image in images}
    if len(sizes) > 1 or len(set(images[0].shape)) > 1:
        found = ", ".join(f"{width}x{height}" for height, width in sorted(sizes))
        raise InputError(f"{folder}: holds images of {found} pixels, expected square ones of one size.")
    return np.stack(images)


def _read(folder: Path, character: str) -> np.ndarray:
    """The image of a character in a folder, as grey values."""
    found = [path for suffix in SUFFIXES if (path := folder / f"{character}{suffix}").is_file()]
    if len(found) != 1:
        listed = " and ".join(path.name for path in found) or "neither"
        raise InputError(f"{folder}: holds {listed}, expected one of {character}.png and {character}.jpg.")
    try:
        with Image.open(found[0], formats=("PNG", "JPEG")) as image:
            if max(image.size) > 1024:
                raise InputError(f"{found[0]}: is {image.size[0]}x{image.size[1]} pixels, expected 1024 or fewer.")
            return np.asarray(image.convert("L"), dtype=np.float32) / 255
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for a damaged file
        raise InputError(f"{found[0]}: cannot be read as an image ({error}).") from error
