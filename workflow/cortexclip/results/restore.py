"""Trained decoders from the folder of a run, and into one: ``run.json`` and ``weights.safetensors``, no pickles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from cortexclip.errors import InputError
from cortexclip.methods.catalogue import load_method
from cortexclip.methods.interface import Decoder, Method, Saved
from cortexclip.numerics.standardise import VoxelScaler
from cortexclip.results.weights import of_fit, read_weights, training_statistics, write_weights
from cortexclip.runtime import provenance
from cortexclip.runtime.files import read_json, write_json

RECORD, WEIGHTS = "run.json", "weights.safetensors"
TASK = ("fold", "seed_index", "seed", "seconds")
"""Keys of a fit in run.json that are not the decoder's own facts."""


@dataclass(frozen=True)
class Fitted:
    """A decoder and what must be known to use it or to save it.

    Attributes
    ----------
    decoder : the method's decoder.
    method : the method with its settings.
    shape : height and width of the images.
    statistics : mean and deviation of each voxel over the samples that it learned from.
    """

    decoder: Decoder
    method: Method
    shape: tuple[int, int]
    statistics: VoxelScaler

    def given(self, data: xr.Dataset | None, name: str, where: str) -> list[np.ndarray]:
        """What the decoder takes of a dataset beside brain responses: classes or sessions, if it is an oracle's.

        Raises InputError, which begins with ``where``, if there is no dataset; ``name`` is that of the method.
        """
        oracle = self.method.oracle_of
        if oracle is None:
            return []
        if data is None:
            what = {
                "label": "class of each image; found no labels",
                "session": "session of each trial; found none",
            }[oracle]
            raise InputError(f"{where}: method '{name}' needs the {what}.")
        return [data[oracle].values]


def load_run(folder: str | os.PathLike, fold: int = 0, seed_index: int = 0) -> tuple[Fitted, dict]:
    """The decoder of one fold and seed of a run, and the content of its run.json.

    Raises InputError if the folder is no run, keeps no weights of this fit, or was made by an earlier version; or if
    the method cannot restore decoders.
    """
    folder = Path(folder)
    if not (folder / RECORD).is_file():
        raise InputError(
            f"{folder}: has no {RECORD}; expected the folder of a run, such as results/runs/holdout/vangerven/ridge."
        )
    record, where = _record(folder / RECORD), str(folder)
    facts = next((fit for fit in record["fits"] if (fit["fold"], fit["seed_index"]) == (fold, seed_index)), None)
    if facts is None:
        kept = sorted({fit["fold"] for fit in record["fits"]}), sorted({fit["seed_index"] for fit in record["fits"]})
        raise InputError(
            f"{where}: has no fit of fold {fold} and seed {seed_index}; found the folds {_listed(kept[0])} and the "
            f"seeds {_listed(kept[1])}."
        )
    method = load_method(record["module"]).configured(_settings(record, fold, seed_index), where)
    method.check_restorable(where)
    arrays, statistics = read_weights(folder / WEIGHTS, fold, seed_index)
    shape = tuple(record["image_shape"])
    own = {key: value for key, value in facts.items() if key not in TASK}
    decoder = method.restore(Saved(arrays, own, shape, where))
    return Fitted(decoder, method, shape, statistics), record


def save_run(folder: str | os.PathLike, fitted: Fitted, record: Mapping[str, object], seed: int) -> None:
    """Write a decoder into a folder as the only fit of a run, fold 0 and seed 0; ``record`` says what else it is."""
    fitted.method.check_restorable(str(folder))
    folder = Path(folder)
    arrays = of_fit(0, 0, fitted.decoder.weights()) | training_statistics(0, fitted.statistics)
    write_weights(folder / WEIGHTS, arrays)
    content = {
        **record,
        "module": type(fitted.method).__module__,
        "settings": fitted.method.settings.model_dump(),
        "image_shape": list(fitted.shape),
        "voxels": len(fitted.statistics.mean),
        "fits": [{"fold": 0, "seed_index": 0, "seed": seed, **facts_of(fitted.decoder)}],
        "versions": provenance.versions("numpy", "scipy", "torch"),
        "machine": provenance.machine(),
    }
    write_json(folder / RECORD, content)


def facts_of(decoder: Decoder) -> dict:
    """A decoder's facts but for the table of its grid, which belongs to the run."""
    return {key: value for key, value in decoder.facts().items() if key != "grid"}


def _record(path: Path) -> dict:
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("fits"), list) or "module" not in record:
        raise InputError(f"{path}: is no record of a training. Expected the run.json of a run.")
    for key in ("settings", "image_shape", "voxels"):
        if key not in record:
            raise InputError(f"{path}: does not say '{key}', which an earlier version did not write. Train it again.")
    return record


def _settings(record: Mapping, fold: int, seed_index: int) -> dict:
    """The settings of a fit: those of the run, with the grid point that was chosen."""
    for row in record.get("grid", []):
        if row["chosen"] and (row["fold"], row["seed_index"]) == (fold, seed_index):
            return {**record["settings"], **row["point"]}
    return record["settings"]


def _listed(numbers: list[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else ", ".join(map(str, numbers)) or "none"
