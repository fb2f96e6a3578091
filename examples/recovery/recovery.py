"""How identification rises with training trials and with signal, where the truth is known.

Simulated subjects see handwritten digits; ridge regression learns from the first 20, 40, ... training trials and
reconstructs test images that it never saw. Scored is pairwise identification: how often a reconstruction correlates
more with its own image than with another one. Prints a table and writes recovery.png and recovery.pdf.

    python examples/recovery/recovery.py [--output results/examples] [--subjects 3] [--seed 0]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from cortexclip.data.simulated import noise_ceiling, simulate
from cortexclip.evaluation.metrics import pairwise_identification
from cortexclip.figures.style import INK, MUTED, Page, dots, plain, save, styled
from cortexclip.numerics.ridge import fit_ridge, penalty_grid

TRIALS = (20, 40, 80, 160, 320, 640)
RATIOS = (0.01, 0.03, 0.1, 0.3, 1.0)
SETTINGS = {"test_stimuli": 60, "test_repeats": 1, "voxels": 300, "train_stimuli": max(TRIALS)}
PENALTIES = penalty_grid(1e-2, 1e7, 37)


def recovery(ratio: float, subject: int, seed: int) -> np.ndarray:
    """Mean identification of one subject's test images after each number of ``TRIALS``.

    Parameters
    ----------
    ratio : signal variance / noise variance of every voxel
    subject : number of the subject, from 1
    seed : base seed of the simulation

    Returns
    -------
    Array of shape (len(TRIALS),), 0.5 by chance and 1 at best.
    """
    data = simulate(SETTINGS | {"subject": subject, "signal_to_noise": [ratio, ratio]}, seed)
    test = data["part"].values == "test"
    brain, images = data["brain"].values, data["stimuli"].values
    pixels = images.reshape(len(images), -1)
    train = np.flatnonzero(~test)
    scores = []
    for n_trials in TRIALS:
        fitted = fit_ridge(brain[train[:n_trials]], pixels[train[:n_trials]], PENALTIES, standardise=True)
        predicted = np.clip(fitted.predict(brain[test]), 0, 1).reshape(images[test].shape)
        scores.append(np.mean(pairwise_identification(predicted, images[test], data["stimulus"].values[test])))
    return np.array(scores)


@styled
def draw(scores: Mapping[float, np.ndarray]) -> Figure:
    """Lines of identification over trials, one for each ratio; bands span the subjects.

    ``scores`` maps each ratio to an array of shape (n_subjects, len(TRIALS)).
    """
    page = Page(width=dots(120))
    page.header("Recovery from simulated responses: identification rises with trials and with signal")
    colours = [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0, 1, len(scores) + 2)[1:-1])]
    markers = ("o", "s", "^", "D", "v", "P", "X")
    styles = {
        ratio: {"color": colour, "marker": marker, "markersize": 4, "linestyle": "-"}
        for ratio, colour, marker in zip(scores, colours, markers, strict=False)
    }
    ceilings = {ratio: np.sqrt(noise_ceiling(ratio)) for ratio in scores}
    page.legend(
        [(f"signal / noise {ratio:g} (ceiling r = {ceilings[ratio]:.2f})", style) for ratio, style in styles.items()]
    )
    page.skip(2)
    height = dots(62)
    axes = page.axes(page.margin + dots(10), page.y, page.inner - dots(12), height)
    for ratio, values in scores.items():
        axes.fill_between(TRIALS, values.min(axis=0), values.max(axis=0), color=styles[ratio]["color"], alpha=0.2, lw=0)
        axes.plot(TRIALS, values.mean(axis=0), **styles[ratio])
    axes.axhline(0.5, color=INK, linestyle=(0, (2.5, 1.5)), linewidth=0.8)
    axes.text(max(TRIALS), 0.505, "chance", ha="right", va="bottom", color=MUTED)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(TRIALS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.set(xlabel="training trials", ylabel="pairwise identification", ylim=(0.4, 1.0))
    axes.spines[["top", "right"]].set_visible(False)
    page.y += height + dots(9)
    n_subjects = len(next(iter(scores.values())))
    page.caption(
        f"Ridge regression from {SETTINGS['voxels']} simulated voxels to pixels. Scored are single trials of "
        f"{SETTINGS['test_stimuli']} digits that were not in training. Lines: mean of {n_subjects} subjects; bands: "
        "their range. Ceiling r: the greatest correlation that any prediction of a voxel's single trial can have.",
        "Simulated data say nothing about brains.",
    )
    return page.finish()


def table(scores: Mapping[float, np.ndarray]) -> str:
    """Mean over subjects as lines of text: ratios in rows, trials in columns."""
    rows: Sequence[str] = [
        f"{ratio:<14g}" + "".join(f"{value:8.3f}" for value in values.mean(axis=0)) for ratio, values in scores.items()
    ]
    return "\n".join([f"{'signal / noise':<14}" + "".join(f"{n:8d}" for n in TRIALS), *rows])


def main() -> None:
    """Simulate, decode, print the table, write the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="results/examples", help="folder of the figure (%(default)s)")
    parser.add_argument("--subjects", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    subjects = range(1, arguments.subjects + 1)
    scores = {ratio: np.stack([recovery(ratio, subject, arguments.seed) for subject in subjects]) for ratio in RATIOS}
    print(table(scores))
    save(draw(scores), Path(arguments.output) / "recovery")


if __name__ == "__main__":
    main()
