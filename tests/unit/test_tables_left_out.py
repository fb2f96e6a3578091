"""What remains of a method's gain where the session was left out, too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cortexclip.configuration.plan import Dataset, Plan, Protocol, Run
from cortexclip.results.tables import TABLES
from cortexclip.tables.left_out import left_out_rows, left_out_tables

PLAN = Plan(
    datasets={"m": Dataset("Images")},
    protocols={
        "unseen": Protocol("unseen stimuli"),
        "holdout": Protocol("holdout"),
        "unseen_across_sessions": Protocol("unseen, across sessions", compared_with="unseen"),
        "across_sessions": Protocol("across sessions", compared_with="cv10"),
    },
    runs={
        "mean_image": Run("mean_image", title="Mean image", role="mean"),
        "ridge": Run("ridge", title="Ridge"),
        "knn": Run("knn", title="k-NN"),
    },
)


def comparison(errors):
    rows = [
        {"dataset": "m", "protocol": protocol, "method": method, "encoder": "none", "metric": metric, "mean": value}
        for (protocol, method), value in errors.items()
        for metric in ("mse", "ssim")
    ]
    return pd.DataFrame(rows)


def test_what_remains_is_the_gain_over_the_mean_image_in_both():
    errors = {
        ("unseen", "mean_image"): 0.08,
        ("unseen", "ridge"): 0.03,
        ("unseen_across_sessions", "mean_image"): 0.09,
        ("unseen_across_sessions", "ridge"): 0.05,
        ("holdout", "ridge"): 0.01,
    }
    table = left_out_rows(comparison(errors), PLAN)
    by_method = table.set_index("method")
    assert len(table) == 2
    assert by_method.loc["ridge", "gain"] == pytest.approx(0.04)
    assert by_method.loc["ridge", "remains"] == pytest.approx(0.04 / 0.05)
    assert np.isnan(by_method.loc["mean_image", "remains"])
    (read,) = left_out_tables(table, PLAN)
    assert read.rows[1] == ["ridge", "0.0300", "0.0500", "80%"]
    assert read.rows[0][-1] == "–"


def test_methods_without_a_value_in_both_and_runs_without_such_protocols_have_no_row():
    errors = {("unseen", "ridge"): 0.03, ("unseen_across_sessions", "knn"): 0.05}
    assert left_out_rows(comparison(errors), PLAN).empty
    empty = left_out_rows(comparison({("holdout", "ridge"): 0.01}), PLAN)
    assert list(empty.columns) == TABLES["left_out"]
    assert list(left_out_tables(empty, PLAN)) == []


def test_without_the_mean_image_nothing_is_said_of_gains():
    errors = {("unseen", "ridge"): 0.03, ("unseen_across_sessions", "ridge"): 0.05}
    table = left_out_rows(comparison(errors), PLAN)
    assert table.mse.tolist() == [0.05]
    assert table.remains.isna().all()
