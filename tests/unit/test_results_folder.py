"""The reader of a results folder."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cortexclip.configuration.plan import Plan
from cortexclip.errors import InputError
from cortexclip.evaluation.score import COLUMNS, combine_scores
from cortexclip.results.folder import Results
from cortexclip.runtime.arrays import write_groups, write_parquet


@pytest.fixture
def results(tmp_path) -> Results:
    """Scores and similarities of two runs, of which one predicts embeddings."""
    runs = {"ridge": {"method": "ridge"}, "net.space": {"method": "net", "encoder": "space"}}
    plan = Plan.of({"datasets": {"toy": {}}, "protocols": {"p": {}}, "runs": runs, "cells": {"toy": list(runs)}})
    rows = [
        ("toy", "p", method, encoder, 0, 0, sample, f"s{sample}", metric, 0.1)
        for method, encoder in (("ridge", "none"), ("net", "space"), ("net_nearest", "space"))
        for metric in ("mse", "ssim")
        for sample in range(3)
    ]
    results = Results(tmp_path, plan)
    write_parquet(
        results.path("scores", protocol="p", dataset="toy"), combine_scores([pd.DataFrame(rows, columns=COLUMNS)])
    )
    similarity = xr.Dataset({"similarity": (("seed", "sample", "gallery"), np.zeros((1, 3, 3)))})
    write_groups(results.path("similarity", protocol="p", dataset="toy"), {"net.space": similarity})
    return results


def test_scores_come_by_run_with_second_readouts(results):
    found = results.scores_by_run("p", "toy", ["mse"])
    assert list(found) == ["ridge", "net.space"] and set(found["net.space"].method) == {"net", "net_nearest"}
    assert {name: len(table) for name, table in found.items()} == {"ridge": 3, "net.space": 6}
    assert len(results.scores("p", "toy")) == 18


def test_similarities_are_of_runs_with_an_embedding_space(results):
    assert results.similarity("p", "toy", "ridge") is None
    assert results.similarity("p", "toy", "net.space").similarity.shape == (1, 3, 3)


def test_a_file_that_cannot_be_read_is_named(results):
    with pytest.raises(InputError, match="runs/p/toy/ridge/predictions.nc: missing"):
        results.predictions("p", "toy", "ridge")
    results.path("similarity", protocol="p", dataset="toy").write_bytes(b"damaged")
    with pytest.raises(InputError, match="toy.similarity.nc: damaged"):
        results.similarity("p", "toy", "net.space")
    with pytest.raises(InputError, match="tables/claims.csv: cannot be read"):
        results.table("claims")
