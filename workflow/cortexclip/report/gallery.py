"""The explorer's gallery: stimuli and what every run made of them, with scores of each image, packed into a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.evaluation.score import NEAREST
from cortexclip.report.content import short
from cortexclip.report.sheets import Pool
from cortexclip.runs import scored_draw
from cortexclip.tables.statistics import run_name

SHOWN = ("mse", "pixcorr", "ssim", "pairwise_identification", "rank_test")
"""Scores that stand below an image, as far as the run has them."""
MOST_IMAGES, MOST_SEEDS, MOST_DRAWS = 100, 5, 4
RETRIEVED = 5
BUDGET = 7_000_000
"""Characters that all pictures together may take, so that a default page stays below 10 MB."""
TYPICAL = 350
"""Characters of one image, measured on reconstructions of 28 x 28 pixels."""


@dataclass(frozen=True)
class Run:
    """Where the files of one run come from; each is read when it is asked for."""

    name: str
    method: str
    encoder: str
    predictions: Callable[[], xr.Dataset]
    scores: Callable[[], pd.DataFrame]
    similarity: Callable[[], xr.Dataset]


@dataclass
class Cell:
    """The gallery of one dataset and protocol while it is filled.

    Attributes
    ----------
    pool : stimuli of the dataset that are shown anywhere, as themselves, as nearest or as retrieved images
    runs : one for each method and readout
    """

    dataset: xr.Dataset
    protocol: str
    runs: Sequence[Run]
    pool: Pool
    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    folds: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    n_scored: int = 0
    shown: list[int] = field(default_factory=list)
    packed: dict[str, dict] = field(default_factory=dict)


def images_each(cells: int) -> int:
    """How many images of each dataset, protocol and run are shown, so that the first seed of all of them fits."""
    return int(np.clip(BUDGET // (TYPICAL * max(cells, 1)), 4, MOST_IMAGES))


def choose(fold: np.ndarray, sample: np.ndarray, most: int) -> np.ndarray:
    """Positions of at most ``most`` scored samples: all, or evenly spaced ones in the order of fold and sample."""
    order = np.lexsort((sample, fold))
    return order[np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))]


def pack(cells: Sequence[Cell], most: int, budget: int = BUDGET) -> tuple[dict, list[str]]:
    """Fill the cells in rounds: every run's first seed, draws where there are any, then seed after seed.

    A round that does not fit into ``budget`` is left out, and so are those after it.

    Returns
    -------
    Galleries by "dataset/protocol", and a sentence for everything that was left out.
    """
    used, left = 0, []
    for number in range(MOST_SEEDS):
        for cell in cells:
            for run in cell.runs:
                used += _add(cell, run, number, most)
        if used > budget and number + 1 < MOST_SEEDS:
            left.append(f"Of the seeds of each method the first {number + 1} are shown, to keep this page small.")
            break
    seeds = [n for cell in cells for entry in cell.packed.values() if (n := entry["n_seeds"]) > MOST_SEEDS]
    if seeds and not left:
        left.append(f"Of methods with more than {MOST_SEEDS} seeds or shuffles the first {MOST_SEEDS} are shown.")
    if any(len(cell.samples) < cell.n_scored for cell in cells):
        left.append(f"Of more than {most} scored trials {most} are shown, evenly spaced over folds.")
    return {f"{cell.dataset.attrs['name']}/{cell.protocol}": _gallery(cell) for cell in cells}, left


def _add(cell: Cell, run: Run, number: int, most: int) -> int:
    """Add one seed of a run to its cell, and with the first its draws; the characters that this takes."""
    if number and number >= cell.packed[run.name]["n_seeds"]:
        return 0
    predictions = run.predictions()
    position = _place(cell, predictions, most)
    if not number:
        entries = {run.name: "image", run.name + NEAREST: "nearest"}
        for name, variable in entries.items():
            if variable in predictions:
                method = run.method + (NEAREST if variable == "nearest" else "")
                cell.packed[name] = {
                    "id": run_name(method, run.encoder),
                    "n_seeds": predictions.sizes["seed"],
                    "seeds": [],
                }
    scores = _scores(run, cell.samples, number)
    used = 0
    sheet, tiles = _sheet(predictions.image.values[number][position])
    entry = {"sheet": sheet, "tiles": tiles, "scores": scores.get(run.method, {})}
    used += len(sheet["data"])
    retrieved = _retrieved(cell, run, number)
    if retrieved:
        entry["retrieved"] = retrieved
    if not number and "draws" in predictions:
        draws = predictions.draws.values[:MOST_DRAWS][:, position]
        drawn, places = _sheet(draws.reshape(-1, *draws.shape[2:]))
        entry["draws"] = {
            "sheet": drawn,
            "tiles": [places[at : at + len(position)] for at in range(0, len(places), len(position))],
            "of": predictions.sizes["draw"],
            "scored": scored_draw(predictions),
        }
        used += len(drawn["data"])
    cell.packed[run.name]["seeds"].append(entry)
    if "nearest" in predictions:
        near = {
            "tiles": cell.pool.add(predictions.nearest.values[number][position]),
            "scores": scores.get(run.method + NEAREST, {}),
        }
        cell.packed[run.name + NEAREST]["seeds"].append(near)
    return used


def _place(cell: Cell, predictions: xr.Dataset, most: int) -> np.ndarray:
    """Positions in the predictions of the samples that the cell shows, which its first run chooses."""
    sample = predictions.sample.values
    if not cell.n_scored:
        at = choose(predictions.fold.values, sample, most)
        cell.samples, cell.folds, cell.n_scored = sample[at], predictions.fold.values[at], len(sample)
        cell.shown = cell.pool.add(cell.dataset.stimuli.values[cell.samples])
    order = np.argsort(sample)
    return order[np.searchsorted(sample, cell.samples, sorter=order)]


def _sheet(images: np.ndarray) -> tuple[dict, list[int]]:
    own = Pool()
    tiles = own.add(images)
    return own.sheet(), tiles


def _scores(run: Run, samples: np.ndarray, number: int) -> dict[str, dict[str, list]]:
    """Scores of one seed, by method and metric, for the samples that are shown."""
    table = run.scores()
    found: dict[str, dict[str, list]] = {}
    for (method, metric), rows in table.groupby(["method", "metric"], sort=False, observed=True):
        seeds = np.unique(rows.seed.to_numpy())
        if metric not in SHOWN or number >= len(seeds):
            continue
        mine = rows[rows.seed == seeds[number]].set_index("sample").value
        mine = mine[~mine.index.duplicated()].reindex(samples)
        found.setdefault(str(method), {})[str(metric)] = [short(value) for value in mine]
    return found


def _retrieved(cell: Cell, run: Run, number: int) -> list[list[int]]:
    """Of each shown sample, the numbers in the pool of the stimuli nearest to its predicted embedding; may be empty."""
    file = run.similarity()
    if "similarity" not in file:
        return []
    order = np.argsort(file.sample.values)
    at = order[np.searchsorted(file.sample.values, cell.samples, sorter=order)]
    best = np.argsort(-file.similarity.values[number][at], axis=1, kind="stable")[:, :RETRIEVED]
    first = {str(name): place for place, name in reversed(list(enumerate(cell.dataset.stimulus.values)))}
    gallery = [first[str(name)] for name in file.gallery.values]
    wanted = [[gallery[place] for place in row] for row in best]
    return [cell.pool.add(cell.dataset.stimuli.values[row]) for row in wanted]


def _gallery(cell: Cell) -> dict:
    labels = cell.dataset.label.values[cell.samples]
    return {
        "samples": [int(value) for value in cell.samples],
        "folds": [int(value) for value in cell.folds],
        "labels": [int(value) for value in labels],
        "n_scored": cell.n_scored,
        "stimuli": cell.shown,
        "methods": list(cell.packed.values()),
    }
