"""What each part of cortexclip contributes: errors on folds of the canonical training parts, each part left out once.

    python benchmarks/parts.py [--results results]

Reads the datasets of a finished run, uses their training parts alone, and writes docs/results/parts/parts.json, from
which ``python docs/results.py`` makes the table of docs/cortexclip.md. Five minutes of one core.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cortexclip.configuration.plan import Plan
from cortexclip.configuration.schema import read_yaml
from cortexclip.evaluation.metrics import mse, pairwise_identification, ssim
from cortexclip.methods.cortexclip import CONTRAST, CortexClip, Deformed, fit_candidates, stack_folds
from cortexclip.methods.fitting import samples_of
from cortexclip.methods.interface import FOLD_SEED, Samples
from cortexclip.numerics.folds import shuffled_folds
from cortexclip.results.folder import Results
from cortexclip.runtime import provenance
from cortexclip.runtime.files import write_json

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/results/parts/parts.json"
CELLS = (("vangerven", "sample", 10), ("miyawaki", "sample", 10), ("miyawaki", "stimulus", 20))
FAMILIES = ("gaussian", "seen", "deformed", CONTRAST, "ridge", "kernel")
ROWS = {
    "cortexclip": FAMILIES,
    "without local contrast": tuple(name for name in FAMILIES if name != CONTRAST),
    "without deformed copies": ("gaussian", "seen", "ridge", "kernel"),
    "without images seen before": tuple(name for name in FAMILIES if name != "seen"),
    "without kernel ridge": tuple(name for name in FAMILIES if name != "kernel"),
    "Gaussian prior and ridge alone": ("gaussian", "ridge"),
    "ridge": ("ridge",),
}


def folds_of(samples: Samples, by: str, n_folds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to learn from and rows held out; all trials of an image are held out together if ``by`` is "stimulus"."""
    group = samples.stimulus if by == "stimulus" else np.arange(len(samples))
    names = np.unique(group)
    for _, inside in shuffled_folds(len(names), min(n_folds, len(names)), FOLD_SEED):
        held_out = np.isin(group, names[inside])
        yield np.flatnonzero(~held_out), np.flatnonzero(held_out)


def measure(samples: Samples, by: str, n_folds: int, settings: CortexClip.Settings) -> list[dict[str, str | float]]:
    """Scores of each row of the table, on outer folds; the stack is weighted by folds inside each."""
    images = {name: np.zeros(samples.images.shape) for name in ROWS}
    for training, held_out in folds_of(samples, by, n_folds):
        inner = samples.take(training)
        deformed = Deformed(inner, settings)
        stack = stack_folds(inner, list(folds_of(inner, by, settings.folds)), settings, deformed, lambda _: None)
        found = fit_candidates(inner, settings, deformed)
        deviations = np.stack([np.clip(c.pixels(samples.brain[held_out]), 0.0, 1.0) for c in found.each]) - found.mean
        family = np.array([candidate.family for candidate in found.each])
        for name, families in ROWS.items():
            rows = np.flatnonzero(np.isin(family, families))
            plain = rows[family[rows] != CONTRAST]
            weights = (family == "ridge").astype(float) if name == "ridge" else stack.weights(stack.chosen(plain, rows))
            image = np.clip(found.mean + np.tensordot(weights, deviations, 1), 0.0, 1.0)
            images[name][held_out] = image.reshape(-1, *samples.images.shape[1:])
        print(f"{by}: {len(held_out)} samples scored", flush=True)
    return [
        {
            "part": name,
            "mse": float(mse(image, samples.images).mean()),
            "ssim": float(ssim(image, samples.images).mean()),
            "pairwise_identification": float(
                np.nanmean(pairwise_identification(image, samples.images, samples.stimulus))
            ),
        }
        for name, image in images.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of a finished run (%(default)s)")
    folder = parser.parse_args().results
    results = Results(folder, Plan.read(folder / "plan.json"))
    entry = read_yaml(ROOT / "config/methods.yaml")["cortexclip"]
    settings = CortexClip.configured(entry["settings"], "cortexclip").settings
    git, cells = provenance.git_state(), []  # of the code that is loaded, whatever is committed meanwhile
    for name, by, n_folds in CELLS:
        dataset = results.dataset(name)
        samples = samples_of(dataset.isel(sample=np.flatnonzero(dataset.part.values == "train")))
        rows = measure(samples, by, n_folds, settings)
        cells.append({"dataset": name, "by": by, "folds": n_folds, "samples": len(samples), "rows": rows})
        print(name, by, {row["part"]: round(row["mse"], 4) for row in rows}, flush=True)
    machine = provenance.machine()
    about = {"date": datetime.date.today().isoformat(), "processor": machine["processor"], "python": machine["python"]}
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    write_json(PAGE, {**about, "git": git, "settings": entry["settings"], "cells": cells})


if __name__ == "__main__":
    main()
