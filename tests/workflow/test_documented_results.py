"""A random cell of each documented run (docs/results/) measured again from the data, through the stages.

Set CORTEXCLIP_CELLS_SEED to choose the same cells again; every run prints its seed. Needs CORTEXCLIP_DATA.

Bound. Methods in closed form have to agree to 1e-5 of the values, the digits of the tables, on any machine
(docs/evaluation.md, The same numbers again). So do networks where processor and libraries are those of the documented
run. Elsewhere sums are rounded in another order, which training enlarges until, at worst, a training is another one
from the same distribution, as with another seed. Their mean may then move within the spread of seeds: by no more than
twice the range over the documented seeds.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ROOT, copy_project

from cortexclip.configuration.plan import Plan
from cortexclip.configuration.schema import read_yaml
from cortexclip.evaluation.metrics import mse
from cortexclip.results.folder import Results
from cortexclip.runtime import provenance
from cortexclip.runtime.files import read_json
from cortexclip.tables.remeasured import remeasured

FOLDER = os.environ.get("CORTEXCLIP_DATA", "")
KEPT = ROOT / "docs/results"
RUNS = ["default", "paper"]
SECONDS = 40  # longest training of a cell that is chosen
DIGITS = 1e-5
FILES = ["vangerven/digit69_28x28.mat", "miyawaki/miyawaki_structured_28x28.mat"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not FOLDER or not all((Path(FOLDER) / file).is_file() for file in FILES),
        reason="the data are not there: CORTEXCLIP_DATA does not name a folder that holds them",
    ),
]


@dataclass(frozen=True)
class Cell:
    """A mean squared error of a documented run: its table, what it is of, and the values of its seeds."""

    table: str
    protocol: str
    dataset: str
    run: str
    value: float
    seeds: tuple[float, ...]
    seconds: float

    @property
    def folder(self) -> str:
        return f"{self.protocol}/{self.dataset}/{self.run}"


def documented(run: str, table: str) -> list[dict[str, str]]:
    with open(KEPT / run / "tables" / f"{table}.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def seconds_of(run: str, folder: str) -> float:
    entry = read_json(KEPT / run / "manifest.json")["runs"].get(f"runs/{folder}/run.json", {})
    return entry.get("seconds") or float("inf")


def cells_of_the_comparison(run: str) -> list[Cell]:
    plan, found = read_json(KEPT / run / "plan.json"), []
    for row in documented(run, "comparison"):
        names = [
            name for name, r in plan["runs"].items() if (r["method"], r["encoder"]) == (row["method"], row["encoder"])
        ]
        if row["metric"] != "mse" or not names or plan["protocols"][row["protocol"]]["average"] != "sample":
            continue
        cell = (row["protocol"], row["dataset"], names[0])
        scores = KEPT / run / f"scores/{cell[0]}/{cell[1]}.parquet"
        seeds = (float(row["mean"]),)
        if scores.is_file():
            table = pd.read_parquet(scores)
            table = table[(table.metric == "mse") & (table.method == row["method"])]
            table = table[table.encoder == row["encoder"]]
            seeds = tuple(table.groupby("seed").value.mean())
        found.append(Cell("comparison", *cell, float(row["mean"]), seeds, seconds_of(run, "/".join(cell))))
    return found


def cells_of_sources(run: str) -> list[Cell]:
    table, found = pd.DataFrame(documented(run, "remeasured")), []
    table = table[table.metric == "mse"].astype({"mean": float})
    for cell, rows in table.groupby(["protocol", "dataset", "method"], sort=False):
        seeds = tuple(rows.groupby("seed")["mean"].mean())
        value = float(rows["mean"].mean())
        found.append(Cell("remeasured", *cell, value, seeds, seconds_of(run, "/".join(cell))))
    return found


def bound(cell: Cell, run: str, module: str) -> float:
    """How far a value measured again may lie from the documented one; see above."""
    known = read_json(KEPT / run / "manifest.json")
    made, here = known["runs"][f"runs/{cell.folder}/run.json"], provenance.machine()
    same = made["machine"]["processor"] == here["processor"] and made["machine"]["gpus"] == here["gpus"]
    same = same and made["versions"] == provenance.versions(*made["versions"])
    if same or not provenance.uses("torch", module):
        return DIGITS * max(1.0, abs(cell.value))
    return max(DIGITS, 2 * (max(cell.seeds) - min(cell.seeds)))


def changed_since(run: str) -> list[str]:
    """Methods that were changed after a documented run, as its page says."""
    spec = importlib.util.spec_from_file_location("documented_results", ROOT / "docs/results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SINCE.get(run, [])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("documented") / "project")


@pytest.mark.parametrize("cells", [cells_of_the_comparison, cells_of_sources], ids=["comparison", "source"])
@pytest.mark.parametrize("run", RUNS)
def test_a_random_cell_is_measured_again(run, cells, project):
    if not (KEPT / run).is_dir():
        pytest.skip(f"no run '{run}' is documented")
    seed = os.environ.get("CORTEXCLIP_CELLS_SEED") or str(time.time_ns())
    cheap = [cell for cell in cells(run) if cell.seconds < SECONDS and cell.run not in changed_since(run)]
    assert cheap, "no cell is cheap enough"
    cell = random.Random(f"{seed} {run} {cells.__name__}").choice(cheap)
    print(f"CORTEXCLIP_CELLS_SEED={seed}: {run}, {cell.table}, {cell.folder}, {cell.value:g}, {cell.seconds:.0f} s")

    settings = read_json(KEPT / run / "manifest.json")["configuration"]
    (project.path / "documented.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    options = ("--configfile", "documented.yaml")
    done = project.snakemake(
        f"results/runs/{cell.folder}/predictions.nc", *options, CORTEXCLIP_DATA=str(Path(FOLDER).resolve())
    )
    assert done.returncode == 0, done.stdout[-3000:]
    results = Results(project.path / "results", Plan.read(project.path / "results/plan.json"))
    if cell.table == "remeasured":
        table = remeasured(results, [(cell.protocol, cell.dataset, cell.run)])
        value = table[table.metric == "mse"]["mean"].mean()
    else:
        value = scored(cell, results)
    module = read_yaml(ROOT / "config/methods.yaml")[cell.run.partition(".")[0]]["module"]
    assert value == pytest.approx(cell.value, abs=bound(cell, run, module)), json.dumps(vars(cell))


def scored(cell: Cell, results: Results) -> float:
    """The mean of the comparison table, from the predictions."""
    predictions, dataset = results.predictions(cell.protocol, cell.dataset, cell.run), results.dataset(cell.dataset)
    return float(mse(predictions.image.values, dataset.stimuli.values[predictions.sample.values]).mean())
