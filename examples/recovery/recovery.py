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
import pandas as pd
import seaborn as sns

from cortexclip.data.simulated import noise_ceiling, simulate
from cortexclip.evaluation.metrics import pairwise_identification
from cortexclip.figures.style import INK, MUTED, PaperFigure, save, styled
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
def draw(scores: Mapping[float, np.ndarray]) -> PaperFigure:
    """Lines of identification over trials, one for each ratio; bands span the subjects.

    ``scores`` maps each ratio to an array of shape (n_subjects, len(TRIALS)).
    """
    figure = PaperFigure(62, width=120)
    ceilings = {ratio: np.sqrt(noise_ceiling(ratio)) for ratio in scores}
    names = {ratio: f"signal / noise {ratio:g} (ceiling r = {ceilings[ratio]:.2f})" for ratio in scores}
    data = pd.DataFrame(
        {"ratio": names[ratio], "trials": trials, "subject": subject + 1, "identification": value}
        for ratio, values in scores.items()
        for subject, row in enumerate(values)
        for trials, value in zip(TRIALS, row, strict=True)
    )
    axes = figure.body.subplots()
    sns.lineplot(
        data,
        x="trials",
        y="identification",
        hue="ratio",
        style="ratio",
        palette="viridis",
        markers=True,
        dashes=False,
        errorbar=("pi", 100),
        ax=axes,
    )
    figure.key(*axes.get_legend_handles_labels())
    axes.get_legend().remove()
    axes.axhline(0.5, color=INK, linestyle=(0, (2.5, 1.5)), linewidth=0.8)
    axes.text(max(TRIALS), 0.505, "chance", ha="right", va="bottom", color=MUTED)
    axes.set_xscale("log")
    axes.set_xticks(TRIALS, [str(n) for n in TRIALS], minor=False)
    axes.minorticks_off()
    axes.set(xlabel="training trials", ylabel="pairwise identification", ylim=(0.4, 1.0))
    return figure.finish(
        "Recovery from simulated responses: identification rises with trials and with signal",
        None,
        data,
        f"Ridge regression from {SETTINGS['voxels']} simulated voxels to pixels. Scored are single trials of "
        f"{SETTINGS['test_stimuli']} digits that were not in training. Lines: mean of {data.subject.max()} subjects; "
        "bands: their range. Ceiling r: the greatest correlation that any prediction of a voxel's single trial can "
        "have.",
        "Simulated data say nothing about brains.",
    )


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
