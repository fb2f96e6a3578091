"""A results folder, read: datasets, audits, splits, scores, predictions, histories, records and tables of a plan."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import xarray as xr

from cortexclip.configuration.plan import Plan
from cortexclip.data import dataset as datasets
from cortexclip.errors import InputError
from cortexclip.evaluation import own_name
from cortexclip.evaluation.score import COLUMNS
from cortexclip.results.paths import PATHS
from cortexclip.results.runs import read_predictions
from cortexclip.results.tables import NEARNESS, TABLES, read_table
from cortexclip.runtime.arrays import read_netcdf, read_parquet
from cortexclip.runtime.files import read_json


class Results:
    """The files of a results folder that belong to a plan (results/plan.json), each read when it is first needed."""

    def __init__(self, folder: str | os.PathLike, plan: Plan):
        self.folder, self.plan = Path(folder), plan

    def path(self, name: str, **names: str) -> Path:
        """A file by the name of its path in `cortexclip.results.paths.PATHS`."""
        return self.folder / PATHS[name].format(**names)

    @functools.cache  # noqa: B019  a stage has one folder and ends with it
    def dataset(self, dataset: str) -> xr.Dataset:
        return datasets.read(self.path("dataset", dataset=dataset))

    @functools.cached_property
    def audits(self) -> dict[str, dict]:
        return {name: read_json(self.path("audit", dataset=name)) for name in self.plan.datasets}

    def frame(self, name: str, **names: str) -> pd.DataFrame:
        """A table by the name of its path: split, identification, collapse, ceiling or history."""
        return read_parquet(self.path(name, **names))

    def scores(self, protocol: str, dataset: str, metrics: Iterable[str] | None = None) -> pd.DataFrame:
        """The tidy scores of all runs, of some metrics alone if these are named."""
        return read_scores(self.path("scores", protocol=protocol, dataset=dataset), metrics)

    def scores_by_run(
        self, protocol: str, dataset: str, metrics: Iterable[str] | None = None
    ) -> dict[str, pd.DataFrame]:
        """The same, by the run that they are of, further readouts included."""
        table = self.scores(protocol, dataset, metrics)
        method, runs = table.method.astype(str).map(own_name), {}
        for name in self.plan.cells[dataset]:
            run = self.plan.runs[name]
            runs[name] = table[(method == run.method) & (table.encoder == run.encoder)]
        return runs

    def similarity(self, protocol: str, dataset: str, run: str) -> xr.Dataset | None:
        """Similarities of a run's predicted to the true embeddings; None for a run without an embedding space."""
        if self.plan.runs[run].encoder == "none":
            return None
        return read_netcdf(self.path("similarity", protocol=protocol, dataset=dataset), group=run)

    def nearness(self, dataset: str) -> pd.DataFrame:
        """How near the scored images of each protocol are to those that were trained on."""
        return read_table(self.path("nearness", dataset=dataset), NEARNESS)

    def predictions(self, protocol: str, dataset: str, run: str) -> xr.Dataset:
        """What a run predicted for every scored sample."""
        return read_predictions(self.path("predictions", protocol=protocol, dataset=dataset, run=run))

    def record(self, protocol: str, dataset: str, run: str) -> dict:
        """What was done in a training job (run.json)."""
        path = self.path("record", protocol=protocol, dataset=dataset, run=run)
        record = read_json(path)
        if missing := [key for key in ("fits", "seconds", "machine") if key not in record]:
            raise InputError(f"{path}: no key '{missing[0]}'. Delete it and run the workflow again.")
        return record

    @functools.cache  # noqa: B019
    def table(self, table: str) -> pd.DataFrame:
        """A result table (.csv) as it was written."""
        return read_table(self.path("table", table=table, suffix="csv"), TABLES[table])


def read_scores(path: str | os.PathLike, metrics: Iterable[str] | None = None) -> pd.DataFrame:
    """A score table, or its rows that hold one of ``metrics``, the others being left on the disk.

    Raises InputError if the file is missing, damaged, or not a score table.
    """
    wanted = None if metrics is None else [("metric", "in", sorted(set(metrics)))]
    return read_parquet(path, "damaged or not a score table", columns=COLUMNS, filters=wanted)
