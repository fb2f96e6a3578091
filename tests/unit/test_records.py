"""What training cost and the grid points, from records of runs."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from cortexclip.configuration.plan import Plan
from cortexclip.errors import InputError
from cortexclip.results.folder import Results
from cortexclip.stages.tables import write_records
from cortexclip.tables.records import COST, GRID, point_text

POINTS = [{"lr": 0.001, "hidden": [512, 256]}, {"lr": 0.01, "hidden": [512, 256]}]


def record(seconds, fits, parameters=10, grid=False):
    content = {
        "seconds": seconds,
        "machine": {"processor": "cpu_x", "python": "3"},
        "fits": [{"fold": n // 2, "seed_index": n % 2, "parameters": parameters + n} for n in range(fits)],
    }
    if grid:
        content["grid"] = [
            {
                **{"fold": fit["fold"], "seed_index": fit["seed_index"], "point": point, "criterion": "selection loss"},
                **{"value": 0.5 + 0.1 * number + 0.01 * fit["fold"], "chosen": number == (fit["fold"] == 1)},
            }
            for fit in content["fits"]
            for number, point in enumerate(POINTS)
        ]
    return content


@pytest.fixture
def results(tmp_path):
    plan = {
        "datasets": {"a": {"title": "A_&|", "notes": []}, "b": {"title": "B", "notes": []}},
        "protocols": {
            "published": {"title": "as published", "optimistic": True, "note": "Chosen on the scored."},
            "cv10": {"title": "10-fold", "optimistic": False, "note": "n"},
        },
        "encoders": {"space": "Space"},
        "runs": {
            "ridge": {"method": "ridge", "encoder": "none", "title": "Ridge"},
            "net.space": {"method": "net", "encoder": "space", "title": "Net"},
        },
        "cells": {"a": ["ridge", "net.space"], "b": ["ridge"]},
        "not_applicable": {"b": ["published"]},
        "unavailable": {},
    }
    made = {
        ("published", "a", "ridge"): record(1.5, 1),
        ("cv10", "a", "ridge"): record(3.0, 1, parameters=20),
        ("published", "a", "net.space"): {**record(40.0, 4, parameters=1000, grid=True), "peak_mb": 512.5},
        ("cv10", "a", "net.space"): record(80.0, 4, parameters=1000),
        ("cv10", "b", "ridge"): record(7.0, 2),
    }
    for (protocol, dataset, run), content in made.items():
        folder = tmp_path / "runs" / protocol / dataset / run
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(content))
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    return tmp_path


def tables(results):
    write_records(Results(results, Plan.read(results / "plan.json")), results / "tables")
    return {path.name: path.read_text() for path in (results / "tables").iterdir()}


def test_cost_has_a_row_for_each_job_and_peaks_where_there_are_any(results):
    files = tables(results)
    found = pd.read_csv(results / "tables/cost.csv").set_index(["dataset", "protocol", "method"])
    assert [*found.index.names, *found.columns] == COST and len(found) == 5
    net = found.loc["a", "published", "net"]
    assert (net.encoder, net.folds, net.fits, net.seconds_per_fit, net.peak_mb) == ("space", 2, 4, 10.0, 512.5)
    assert net.parameters == 1003 and found.loc["b", "cv10", "ridge"].folds == 1
    assert found.peak_mb.isna().sum() == 4
    text = files["cost.md"]
    assert "| net.space | 1,003 | 40.0 (4) | 80.0 (4) | 512 |" in text
    assert "| ridge | 20 | 1.5 (1) | 3.0 (1) | – |" in text
    assert r"A\_&amp;\|" in text and r"A\_\&$|$" in files["cost.tex"]
    assert "| Method | Parameters | 10-fold (s) | Peak (MB) |" in text.partition("## Cost of training: B")[2]
    assert "unlike every other table" in text and "cpu\\_x" in text


def test_grid_has_every_point_and_how_often_it_was_chosen(results):
    files = tables(results)
    found = pd.read_csv(results / "tables/grid.csv")
    assert list(found.columns) == GRID and len(found) == 4 * 2
    assert found.groupby(["fold", "seed"]).chosen.sum().eq(1).all()
    text = files["grid.md"]
    assert "## Grid of net.space: A" in text and "(optimistic)" in text and "Chosen on the scored." in text
    assert "| lr=0.001; hidden=[512, 256] | 0.505 | 0.5 to 0.51 | **2** |" in text
    assert "over 4 fits" in text


def test_no_grid_is_said_in_a_sentence(results):
    (results / "runs/published/a/net.space/run.json").write_text(json.dumps(record(1.0, 1)))
    files = tables(results)
    assert "No method of this configuration has a grid" in files["grid.md"]
    assert files["grid.csv"].strip() == ",".join(GRID)


@pytest.mark.parametrize(
    ("content", "words"), [("{}", "no key 'fits'"), ("damaged", "not valid JSON"), (None, "cannot be read")]
)
def test_a_record_that_cannot_be_used_is_named(results, content, words):
    path = results / "runs/cv10/b/ridge/run.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=f"cv10/b/ridge/run.json: .*{words}"):
        tables(results)


def test_points_are_written_in_one_line():
    assert point_text({"a": 1e-3, "b": True, "c": "x", "d": [1, 2.5]}) == "a=0.001; b=True; c=x; d=[1, 2.5]"
