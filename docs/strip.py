"""The strip at the top of README.md: seen and reconstructed images of the simulated dataset, docs/images/strip.png.

    python docs/strip.py           write it
    python docs/strip.py --check   change nothing; fail if the code makes another one

Stimuli of third parties stay out of the repository; those of the simulated dataset are digits that scikit-learn has.
The methods are fitted to the training part, with their own settings, and decode the mean response to each test
stimulus. Shown is the first test stimulus of each digit, whatever became of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from cortexclip import Decoder  # noqa: E402
from cortexclip.data.simulated import simulate  # noqa: E402

STRIP = ROOT / "docs/images/strip.png"
METHODS = ("ridge", "cortexclip")
SCALE, GAP = 3, 4  # pixels of the picture for one of an image, and between images
TOLERANCE = 2.0  # mean difference in grey levels, of 255: processors round differently


def rows() -> list[np.ndarray]:
    """What was seen, then what each method makes of it; each (10 digits, height, width), 0 to 1."""
    data = simulate({}, seed=0)
    train, test = (data.isel(sample=data.part.values == part) for part in ("train", "test"))
    shown = [test.isel(sample=test.label.values == digit).stimulus.values[0] for digit in range(10)]
    trials = [test.stimulus.values == stimulus for stimulus in shown]
    brain = np.stack([test.brain.values[each].mean(axis=0) for each in trials])
    made = [Decoder(name).fit(train.brain.values, train.stimuli.values).predict(brain) for name in METHODS]
    return [np.stack([test.stimuli.values[each][0] for each in trials]), *made]


def strip(images: list[np.ndarray]) -> np.ndarray:
    """The rows as one grey picture, 8 bits, white between the images."""
    levels = [np.rint(255 * np.clip(row, 0, 1)).astype(np.uint8) for row in images]
    large = [row.repeat(SCALE, axis=1).repeat(SCALE, axis=2) for row in levels]
    padded = [np.pad(row, ((0, 0), (GAP, 0), (GAP, 0)), constant_values=255) for row in large]
    return np.concatenate([np.concatenate([*row], axis=1) for row in padded])[GAP:, GAP:]


def main(argv: list[str] | None = None) -> int:
    made = strip(rows())
    if "--check" not in (sys.argv[1:] if argv is None else argv):
        Image.fromarray(made).save(STRIP, optimize=True)
        return 0
    kept = np.asarray(Image.open(STRIP).convert("L"), dtype=float)
    if kept.shape == made.shape and np.abs(kept - made).mean() <= TOLERANCE:
        return 0
    print(f"{STRIP.relative_to(ROOT)}: out of date. Run python docs/strip.py.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
