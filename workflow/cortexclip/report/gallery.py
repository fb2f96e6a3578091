"""The explorer's gallery: stimuli and what every run made of them, with scores of each image, packed into a budget."""

from __future__ import annotations

import base64
import functools
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image

from cortexclip.evaluation import NEAREST
from cortexclip.evaluation.score import readouts
from cortexclip.report.content import short
from cortexclip.results.folder import Results
from cortexclip.tables.statistics import run_name

SHOWN = ("mse", "pixcorr", "ssim", "pairwise_identification", "rank_test")
"""Scores that stand below an image, as far as the run has them."""
MOST_IMAGES, MOST_SEEDS, MOST_DRAWS = 100, 5, 4
RETRIEVED = 5
FEWEST_IMAGES = 6
"""So many images of each run are shown whatever the budget."""
BUDGET = 12_000_000
"""Characters that the pictures of all seeds and draws together may take; the default configuration needs 2 million."""
LEVELS = 64
"""Grey levels that are kept: three quarters of the bytes of 256, and no difference to the eye."""


def grey(images: np.ndarray) -> np.ndarray:
    """Images (..., y, x) in 0..1 as 8-bit greys of `LEVELS` levels, clipped; what is not finite is 0."""
    steps = np.rint(np.clip(np.nan_to_num(images, nan=0.0, posinf=1.0, neginf=0.0), 0, 1) * (LEVELS - 1))
    return np.rint(steps * (255 / (LEVELS - 1))).astype(np.uint8)


@dataclass
class Pool:
    """Distinct images of one size, numbered in the order in which they were first added."""

    images: list[np.ndarray] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def add(self, images: np.ndarray) -> list[int]:
        """Numbers of images (n, y, x) in 0..1, those that are new added; -1 for one with a value that is not finite."""
        numbers = []
        for image, finite in zip(grey(images), np.isfinite(images).all(axis=(-1, -2)), strict=True):
            if not finite:
                numbers.append(-1)
                continue
            key = image.tobytes()
            if key not in self._numbers:
                self._numbers[key] = len(self.images)
                self.images.append(image)
            numbers.append(self._numbers[key])
        return numbers

    def sheet(self) -> dict:
        """All images as one picture: ``data`` (PNG, base64), ``columns``, ``height`` and ``width`` of one."""
        if not self.images:
            return {"data": "", "columns": 1, "height": 1, "width": 1}
        stack = np.stack(self.images)
        count, height, width = stack.shape
        columns = math.ceil(math.sqrt(count))
        rows = -(-count // columns)
        full = np.zeros((rows * columns, height, width), np.uint8)
        full[:count] = stack
        picture = full.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG", optimize=True)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        return {"data": data, "columns": columns, "height": height, "width": width}


@dataclass
class Cell:
    """The gallery of one dataset and protocol while it is filled.

    Attributes
    ----------
    pool : stimuli of the dataset that are shown anywhere, as themselves, as nearest or as retrieved images
    packed : what is shown of each run and of its other readouts, by name
    """

    results: Results
    protocol: str
    name: str
    pool: Pool
    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    folds: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    n_scored: int = 0
    shown: list[int] = field(default_factory=list)
    packed: dict[str, dict] = field(default_factory=dict)

    @functools.cached_property
    def dataset(self) -> xr.Dataset:
        return self.results.dataset(self.name)

    @functools.cached_property
    def scores(self) -> dict[str, pd.DataFrame]:
        return self.results.scores_by_run(self.protocol, self.name, SHOWN)


def choose(fold: np.ndarray, sample: np.ndarray, most: int) -> np.ndarray:
    """Positions of at most ``most`` scored samples: all, or evenly spaced ones in the order of fold and sample."""
    order = np.lexsort((sample, fold))
    return order[np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))]


def pack(results: Results, budget: int = BUDGET) -> tuple[dict, dict, list[str]]:
    """Fill the galleries in rounds: every run's first seed, then draws where there are any, then seed after seed.

    If the first seeds alone do not fit into ``budget``, half as many images of each are shown, and so on. A later
    round that does not fit is left out, and so are those after it.

    Returns
    -------
    Galleries by "dataset/protocol", the stimuli of each dataset as a sheet, and a sentence for what was left out.
    """
    most, plan = MOST_IMAGES, results.plan
    while True:
        pools = {name: Pool() for name in plan.datasets}
        cells = [Cell(results, protocol, name, pools[name]) for name in pools for protocol in plan.protocols_of(name)]
        used = _round(cells, most, budget if most > FEWEST_IMAGES else None, 0)
        if used is not None:
            break
        most //= 2
    rounds = [("draws", None), *((f"seed {number + 1}", number) for number in range(1, MOST_SEEDS))]
    left = []
    for what, number in rounds:
        more = _round(cells, most, budget - used, number)
        if more is None:
            left.append(f"To keep this page small, {what} and everything after it is left out.")
            break
        used += more
    if any(entry["n_seeds"] > MOST_SEEDS for cell in cells for entry in cell.packed.values()):
        left.append(f"Of methods with more than {MOST_SEEDS} seeds or shuffles {MOST_SEEDS} are shown at most.")
    if any(len(cell.samples) < cell.n_scored for cell in cells):
        left.append(f"Of more than {most} scored trials {most} are shown, evenly spaced over folds.")
    packed = {f"{cell.name}/{cell.protocol}": _gallery(cell) for cell in cells}
    return packed, {name: pool.sheet() for name, pool in pools.items()}, left


def _round(cells: Sequence[Cell], most: int, budget: int | None, number: int | None) -> int | None:
    """Add one seed of every run (or, without a number, its draws); its characters, or None if they do not fit."""
    used, additions = 0, []
    for cell in cells:
        for run in cell.results.plan.cells[cell.name]:
            if number and number >= cell.packed[run]["n_seeds"]:
                continue
            if number is None and not cell.packed[run]["n_draws"]:
                continue
            for name, key, addition in _additions(cell, run, number, most):
                used += len(addition.get("sheet", {"data": ""})["data"])
                additions.append((cell.packed[name], key, addition))
            if budget is not None and used > budget:
                return None
    for entry, key, addition in additions:
        if key == "seed":
            entry["seeds"].append(addition)
        else:
            entry["seeds"][0]["draws"] = addition
    return used


def _additions(cell: Cell, run: str, number: int | None, most: int) -> Iterator[tuple[str, str, dict]]:
    """What a round adds of a run: (name, "seed" or "draws", what), for each of its readouts."""
    predictions, method = cell.results.predictions(cell.protocol, cell.name, run), cell.results.plan.runs[run].method
    position = _positions(cell, predictions, most)
    if number is None:
        draws = predictions.draws.values[0, :MOST_DRAWS][:, position]
        sheet, tiles = _sheet(draws.reshape(-1, *draws.shape[2:]))
        drawn = [tiles[at : at + len(position)] for at in range(0, len(tiles), len(position))]
        yield run, "draws", {"sheet": sheet, "tiles": drawn}
        return
    if not number:
        _announce(cell, run, predictions)
    scores = _scores(cell, run, number)
    for suffix, images in readouts(predictions).items():
        entry: dict = {"scores": scores.get(method + suffix, {})}
        if suffix == NEAREST:
            entry["tiles"] = cell.pool.add(images[number][position])
        else:
            entry["sheet"], entry["tiles"] = _sheet(images[number][position])
        if not suffix and (retrieved := _retrieved(cell, run, number)):
            entry["retrieved"] = retrieved
        yield run + suffix, "seed", entry


def _announce(cell: Cell, run: str, predictions: xr.Dataset) -> None:
    """Make room for the readouts of a run."""
    about = cell.results.plan.runs[run]
    for suffix in readouts(predictions):
        name, draws = run_name(about.method + suffix, about.encoder), 0 if suffix else predictions.sizes.get("draw", 0)
        sizes = {"n_seeds": predictions.sizes["seed"], "n_draws": draws}
        cell.packed[run + suffix] = {"id": name, **sizes, "seeds": []}


def _positions(cell: Cell, predictions: xr.Dataset, most: int) -> np.ndarray:
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


def _scores(cell: Cell, run: str, number: int) -> dict[str, dict[str, list]]:
    """Scores of one seed, by method and metric, for the samples that are shown."""
    found: dict[str, dict[str, list]] = {}
    for (method, metric), rows in cell.scores[run].groupby(["method", "metric"], sort=False, observed=True):
        seeds = np.unique(rows.seed.to_numpy())
        if metric not in SHOWN or number >= len(seeds):
            continue
        mine = rows[rows.seed == seeds[number]].set_index("sample").value
        mine = mine[~mine.index.duplicated()].reindex(cell.samples)
        found.setdefault(str(method), {})[str(metric)] = [short(value) for value in mine]
    return found


def _retrieved(cell: Cell, run: str, number: int) -> list[list[int]]:
    """Of each shown sample, the numbers in the pool of the stimuli nearest to its predicted embedding; may be empty."""
    file = cell.results.similarity(cell.protocol, cell.name, run)
    if file is None:
        return []
    order = np.argsort(file.sample.values)
    at = order[np.searchsorted(file.sample.values, cell.samples, sorter=order)]
    best = np.argsort(-file.similarity.values[number][at], axis=1, kind="stable")[:, :RETRIEVED]
    first = {str(name): index for index, name in reversed(list(enumerate(cell.dataset.stimulus.values)))}
    gallery = [first[str(name)] for name in file.gallery.values]
    wanted = [[gallery[index] for index in row] for row in best]
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
