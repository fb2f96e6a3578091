"""Known floors on the real data, through the whole workflow; needs CORTEXCLIP_DATA."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest

FILES = ["vangerven/digit69_28x28.mat", "miyawaki/miyawaki_structured_28x28.mat"]
FOLDER = os.environ.get("CORTEXCLIP_DATA", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not FOLDER or not all((Path(FOLDER) / file).is_file() for file in FILES),
        reason="the real data are not there: CORTEXCLIP_DATA does not name a folder that holds them",
    ),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    from conftest import copy_project

    project = copy_project(tmp_path_factory.mktemp("real") / "project")
    done = project.snakemake(
        *("--config", "datasets=[vangerven,miyawaki]", "protocols=[holdout,unseen]"),
        *("methods=[mean_image,class_mean_oracle,ridge,ridge_snap]", "encoders=[]", "bootstrap_resamples=200"),
        *("sources=[cccv1_document_others]", "stand_ins=[crell_eeg2fmri]"),
        "--until",
        "tables",
        CORTEXCLIP_DATA=str(Path(FOLDER).resolve()),
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return project.path / "results"


@pytest.mark.parametrize(
    ("dataset", "protocol", "method", "expected", "tolerance"),
    [
        ("vangerven", "holdout", "mean_image", 0.0547, 0.0001),
        ("vangerven", "holdout", "class_mean_oracle", 0.0446, 0.0001),
        ("vangerven", "holdout", "ridge", 0.0379, 0.0005),
        ("miyawaki", "holdout", "mean_image", 0.0728, 0.0001),
        ("miyawaki", "holdout", "ridge", 0.0086, 0.0003),
        ("miyawaki", "holdout", "ridge_snap", 0.00091, 0.00003),
    ],
)
def test_floors(results, dataset, protocol, method, expected, tolerance):
    table = pd.read_csv(results / "tables/comparison.csv").query("metric == 'mse'")
    row = table[(table.dataset == dataset) & (table.protocol == protocol) & (table.method == method)].iloc[0]
    assert row["mean"] == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize(("method", "expected", "tolerance"), [("ridge", 0.030, 0.003), ("mean_image", 0.084, 0.002)])
def test_floors_on_unseen_stimuli_each_weighed_once(results, method, expected, tolerance):
    scores = pd.read_parquet(results / "scores/unseen/miyawaki.parquet")
    scores = scores[(scores.metric == "mse") & (scores.method == method)]
    assert scores.groupby("stimulus", observed=True).value.mean().mean() == pytest.approx(expected, abs=tolerance)


def test_the_audit_finds_what_is_known(results):
    miyawaki = {
        f["check"]: f
        for f in json.loads((results / "audit/miyawaki.json").read_text())["findings"]
        if f["scope"] == "dataset"
    }
    assert "All 12 test samples" in miyawaki["seen_images"]["message"]
    assert miyawaki["scaling"]["severity"] != "info"
    vangerven = {
        f["check"]: f
        for f in json.loads((results / "audit/vangerven.json").read_text())["findings"]
        if f["scope"] == "dataset"
    }
    assert vangerven["seen_images"]["severity"] == "info"


def test_published_values_are_measured_by_the_procedure_of_their_source(results):
    """What this source's two cells of measured data give lies where it was found on other machines."""
    table = pd.read_csv(results / "tables/claims.csv").query("source == 'cccv1_document_others' and part.isna()")
    rows = table.set_index(["method", "dataset"])
    measured = {"vangerven": (0.0474, 0.003), "miyawaki": (0.0057, 0.001)}
    for dataset, (value, tolerance) in measured.items():
        row = rows.loc["MinD-Vis", dataset]
        assert row.remeasured == pytest.approx(value, abs=tolerance)
        assert row.n_seeds == 4 and row.smallest <= row.remeasured <= row.largest
        assert row.measured_on == dataset and "withdrawn" in row.status
    crell = rows.loc["Brain-Diffuser", "crell"]
    assert crell.measured_on == "crell_eeg2fmri" and crell.control == "constant answer"
    assert crell.control_value == pytest.approx(0.0296, abs=2e-4)
    assert (pd.read_csv(results / "tables/paper.csv").dataset == "crell_eeg2fmri").any()
