"""The claims table: every verdict from planted scores, the constant answers from the real stimuli."""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from cortexclip.errors import InputError
from cortexclip.evaluation.score import COLUMNS
from cortexclip.evaluation.statistics import summarise
from cortexclip.stages import claims as stage
from cortexclip.tables.claims import (
    CLAIMS,
    CONSTANT,
    SAME_LEVEL,
    Figure,
    claims,
    claims_csv,
    constant_answer,
    constant_level,
    is_control,
    measure,
    reproduction,
)

REPOSITORY = Path(__file__).parents[2]


def write_scores(folder, protocol, dataset, method, values, encoder="none", folds=1, spread=0.1, name=None):
    """A score table with 12 stimuli and 2 seeds whose metric means are ``values``: {metric: mean}."""
    rows = []
    offsets = np.linspace(-1, 1, 12)
    for metric, mean in values.items():
        for seed in range(2):
            for sample, offset in enumerate(offsets):
                value = mean if metric.startswith("gallery") else mean * (1 + spread * offset)
                cell = (dataset, protocol, method, encoder, sample % folds, seed, sample, f"s{sample}", metric)
                rows.append((*cell, value))
    path = folder / protocol / dataset / f"{name or method}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=COLUMNS)
    if path.exists():
        table = pd.concat([pd.read_parquet(path), table])
    table.to_parquet(path, index=False)


def a_plan(runs, protocols=("published", "holdout"), datasets=("dots",)):
    known = {
        "ours": {"title": "Ours", "published": "Ours", "control": False},
        "net": {"title": "Net", "published": "Net", "control": False},
        "ridge": {"title": "Ridge", "published": None, "control": True},
        "knn": {"title": "k-NN", "published": None, "control": True},
        "class_mean_oracle": {"title": "Oracle", "published": None, "control": True},
    }
    entries = {}
    for name in runs:
        method, _, encoder = name.partition(".")
        entries[name] = {"method": method, "encoder": encoder or "none", "note": "", **known[method]}
    return {
        "datasets": {name: {"title": name.title(), "notes": ["A note."], "simulated": False} for name in datasets},
        "protocols": {
            name: {"title": name, "optimistic": name in ("published", "cv10_published"), "note": f"About {name}."}
            for name in protocols
        },
        "encoders": {"gabor": "Gabor", "pixels": "Pixels"},
        "runs": entries,
        "cells": {name: list(entries) for name in datasets},
        "unavailable": {"lost": "lost.mat is not there."},
        "seeds": 2,
    }


def a_published(*numbers):
    source = {"claimed": "one split", "observed": "one split", "title": "A paper"}
    return {
        "sources": {
            "paper": {**source, "protocol": "published"},
            "folds": {**source, "protocol": "cv10_published"},
            "honest": {**source, "protocol": "holdout"},
        },
        "numbers": [{"source": "paper", "dataset": "dots", "metric": "mse", **number} for number in numbers],
    }


def rows_of(tmp_path, plan, published, constants=None):
    measured = measure(tmp_path, plan, published, left_out=constants or {}, n_resamples=200)
    return claims(published, measured, constants or {})


@pytest.mark.parametrize(
    ("entry", "figure", "expected"),
    [
        ({"metric": "mse", "value": 0.05}, (0.06, 0.05, 0.07), ("reproduced", "")),
        ({"metric": "mse", "value": 0.07}, (0.06, 0.05, 0.07), ("reproduced", "")),
        ({"metric": "mse", "value": 0.04}, (0.06, 0.05, 0.07), ("not reproduced", "we get higher (worse)")),
        ({"metric": "mse", "value": 0.08}, (0.06, 0.05, 0.07), ("not reproduced", "we get lower (better)")),
        ({"metric": "ssim", "value": 0.4}, (0.6, 0.5, 0.7), ("not reproduced", "we get higher (better)")),
        ({"metric": "ssim", "value": 0.8}, (0.6, 0.5, 0.7), ("not reproduced", "we get lower (worse)")),
        (
            {"metric": "mse", "value": 0.05},
            (0.06, np.nan, np.nan),
            ("cannot be tested here", "one stimulus gives no interval"),
        ),
        (
            {"metric": "pixcorr", "value": 0.5},
            (np.nan, np.nan, np.nan),
            ("cannot be tested here", "PixCorr is not defined for any of our predictions"),
        ),
        ({"metric": "top1_test", "value": 0.15, "upper": 0.25}, (0.25, 0.1, 0.9), ("reproduced", "")),
        (
            {"metric": "top1_test", "value": 0.15, "upper": 0.25},
            (0.83, 0.5, 1.0),
            ("not reproduced", "we get higher (better)"),
        ),
        (
            {"metric": "top1_test", "value": 0.15, "upper": 0.25},
            (0.1, 0.0, 0.3),
            ("not reproduced", "we get lower (worse), though our interval reaches the published range"),
        ),
    ],
)
def test_reproduction(entry, figure, expected):
    assert reproduction(entry, Figure(*figure)) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.03, "at the level of a constant answer (1.000000; 3.0 % above it)"),
        (0.97, "at the level of a constant answer (1.000000; 3.0 % below it)"),
        (1 - SAME_LEVEL - 0.01, "lower than a constant answer's (1.000000; 6.0 % below it)"),
        (1 + SAME_LEVEL + 0.01, "higher than a constant answer's (1.000000; 6.0 % above it)"),
    ],
)
def test_constant_level(value, words):
    assert words in constant_level(value, 1.0)[0]


def test_a_claim_that_is_reproduced_but_no_better_than_a_control(tmp_path):
    write_scores(tmp_path, "published", "dots", "ours", {"mse": 0.050})
    write_scores(tmp_path, "holdout", "dots", "ours", {"mse": 0.060})
    for protocol in ("published", "holdout"):
        write_scores(tmp_path, protocol, "dots", "ridge", {"mse": 0.055})
        write_scores(tmp_path, protocol, "dots", "knn", {"mse": 0.070})
        write_scores(tmp_path, protocol, "dots", "class_mean_oracle", {"mse": 0.001})
    plan = a_plan(["ours", "ridge", "knn", "class_mean_oracle"])
    (row,) = rows_of(tmp_path, plan, a_published({"name": "Ours", "value": 0.0501}))
    assert row.verdict == "reproduced; no better than Ridge under an honest protocol (holdout: 0.0600 against 0.0550)"
    table = claims_csv([row])
    assert list(table.columns) == CLAIMS
    cell = table.iloc[0]
    assert (cell.best_control, cell.protocol, cell.source) == ("ridge", "published", "paper")
    assert cell.remeasured == pytest.approx(0.05) and cell.honest == pytest.approx(0.06)
    assert cell.best_control_value == pytest.approx(0.055)
    assert cell.ci_low < 0.0501 < cell.ci_high


def test_intervals_are_those_of_the_comparison_table(tmp_path):
    for protocol in ("published", "holdout"):
        write_scores(tmp_path, protocol, "dots", "ours", {"mse": 0.05, "ssim": 0.4})
    published = a_published({"name": "Ours", "value": 0.05})
    measured = measure(tmp_path, a_plan(["ours"]), published, base_seed=3, n_resamples=100)
    scores = pd.read_parquet(tmp_path / "published/dots/ours.parquet")
    expected = summarise(scores, base_seed=3, n_resamples=100).query("metric == 'mse'").iloc[0]
    found = measured.cells["dots", "published", "ours", "none", "mse"]
    assert (found.mean, found.ci_low, found.ci_high) == (expected["mean"], expected.ci_low, expected.ci_high)
    assert (found.n_samples, found.n_seeds) == (12, 2)


def test_a_method_that_beats_the_controls_gets_no_second_clause(tmp_path):
    for protocol in ("published", "holdout"):
        write_scores(tmp_path, protocol, "dots", "ours", {"mse": 0.05})
        write_scores(tmp_path, protocol, "dots", "ridge", {"mse": 0.06})
    (row,) = rows_of(tmp_path, a_plan(["ours", "ridge"]), a_published({"name": "Ours", "value": 0.09}))
    assert row.verdict == "not reproduced: we get lower (better)"


def test_what_cannot_be_tested_says_why(tmp_path):
    for protocol in ("published", "holdout"):
        write_scores(tmp_path, protocol, "dots", "ours", {"mse": 0.05})
        write_scores(tmp_path, protocol, "dots", "ridge", {"mse": 0.06, "pixcorr": 0.791, "ssim": 0.5})
    published = a_published(
        {"name": "Ours", "value": 0.05, "dataset": "lost"},
        {"name": "Ours", "value": 0.05, "dataset": "elsewhere"},
        {"name": "Ours", "value": 0.05, "source": "folds", "folds": 10},
        {"name": "Ours", "value": 0.5, "metric": "pixcorr"},
        {"name": "Theirs", "value": 0.768, "metric": "pixcorr", "source": "honest"},
        {"name": "Theirs", "value": 0.862, "metric": "pixcorr", "source": "honest"},
        {"name": "Theirs", "value": 0.4, "metric": "ssim", "source": "honest"},
        {"name": "Theirs", "value": 0.09, "source": "folds", "folds": 10},
    )
    verdicts = [row.verdict for row in rows_of(tmp_path, a_plan(["ours", "ridge"]), published)]
    start = "cannot be tested here: "
    assert verdicts == [
        start + "its data are not available",
        start + "dataset not in this configuration",
        start + "protocol cv10_published not in this configuration; "
        "the honest figure is of the canonical split, not of folds",
        start + "our runs have no PixCorr; the published value is no better than Ridge under an honest protocol "
        "(holdout: 0.791)",
        start + "method not run in this configuration; the published value is no better than Ridge under an honest "
        "protocol (holdout: 0.791)",
        start + "method not run in this configuration",
        start + "method not run in this configuration",
        start + "method not run in this configuration",
    ]
    rows = claims_csv(rows_of(tmp_path, a_plan(["ours", "ridge"]), published))
    assert rows.best_control_value[4] == pytest.approx(0.791)
    assert np.isnan(rows.remeasured[4]) and rows.best_control[0] == ""


def test_folds_that_differ_are_said_and_cv10_is_the_honest_protocol_of_folds(tmp_path):
    protocols = ("cv10_published", "holdout", "cv10")
    for protocol, error in zip(protocols, (0.05, 0.06, 0.07), strict=True):
        write_scores(tmp_path, protocol, "dots", "ours", {"mse": error}, folds=1 if protocol == "holdout" else 3)
        write_scores(tmp_path, protocol, "dots", "ridge", {"mse": 0.08})
    entries = [{"name": "Ours", "value": 0.05, "source": "folds", "folds": folds} for folds in (3, 5)]
    same, other = rows_of(tmp_path, a_plan(["ours", "ridge"], protocols), a_published(*entries))
    assert same.verdict == "reproduced"
    assert other.verdict == "reproduced; 3 folds here, 5 in the source"
    assert same.honest.mean == pytest.approx(0.07)
    (split,) = rows_of(
        tmp_path, a_plan(["ours", "ridge"], protocols), a_published({"name": "Ours", "value": 0.05, "source": "honest"})
    )
    assert split.honest.mean == pytest.approx(0.06)


def test_retrieval_ranges_one_row_per_encoder_and_the_chance_of_our_gallery(tmp_path):
    for encoder, hit in (("gabor", 0.2), ("pixels", 0.8)):
        values = {"top1_test": hit, "top5_test": 0.9, "top10_test": 1.0, "gallery_test": 10.0}
        write_scores(tmp_path, "holdout", "dots", "net", values, encoder, spread=0.01, name=f"net.{encoder}")
        write_scores(tmp_path, "holdout", "dots", "ridge", values, encoder, spread=0.01, name=f"ridge.{encoder}")
    published = a_published(
        {"name": "Net", "metric": "top1_test", "value": 0.15, "upper": 0.25, "source": "honest"},
        {"name": "Net", "metric": "top5_test", "value": 0.35, "upper": 0.5, "source": "honest"},
        {"name": "Net", "metric": "top10_test", "value": 0.5, "upper": 0.65, "source": "honest"},
    )
    rows = rows_of(
        tmp_path, a_plan(["net.gabor", "net.pixels", "ridge.gabor", "ridge.pixels"], ("holdout",)), published
    )
    assert [row.method for row in rows[:2]] == ["Net (gabor)", "Net (pixels)"]
    assert rows[0].verdict == (
        "reproduced; published as a range, 0.15 to 0.25; no better than Ridge (Pixels) under an honest protocol "
        "(holdout: 0.200 against 0.800)"
    )
    assert rows[1].verdict.startswith("not reproduced: we get higher (better); published as a range")
    assert "not above chance in our gallery (10 stimuli, chance 0.500)" in rows[2].verdict
    assert rows[4].verdict == (
        "cannot be tested here: with 10 stimuli in our gallery every answer scores 1; published as a range, 0.5 to 0.65"
    )


def test_second_readouts_of_controls_count_as_controls(tmp_path):
    plan = a_plan(["ours", "ridge"])
    for protocol in ("published", "holdout"):
        write_scores(tmp_path, protocol, "dots", "ours", {"mse": 0.05})
        write_scores(tmp_path, protocol, "dots", "ridge", {"mse": 0.06})
        write_scores(tmp_path, protocol, "dots", "ridge_nearest", {"mse": 0.01}, name="ridge")
    (row,) = rows_of(tmp_path, plan, a_published({"name": "Ours", "value": 0.05}))
    assert row.control.name == "ridge_nearest" and row.control.candidates == 2
    assert row.control.title == "Ridge, nearest training image"


def test_controls_without_marks():
    assert is_control({"method": "ridge", "encoder": "none"})
    assert not is_control({"method": "cccv1", "encoder": "none"})
    assert not is_control({"method": "ridge", "encoder": "none", "control": False})
    assert not is_control({"method": "class_mean_oracle", "encoder": "none", "control": True})


def test_an_optimistic_protocol_is_never_the_honest_one(tmp_path):
    write_scores(tmp_path, "holdout", "dots", "ours", {"mse": 0.05})
    plan = a_plan(["ours"], ("holdout",))
    plan["protocols"]["holdout"]["optimistic"] = True
    (row,) = rows_of(tmp_path, plan, a_published({"name": "Ours", "value": 0.05, "source": "honest"}))
    assert row.honest is None and row.honest_protocol is None


def images(folder, arrays):
    folder.mkdir(parents=True)
    for number, array in enumerate(arrays):
        Image.fromarray(array).save(folder / f"{number}.png")


def test_the_constant_answer_is_the_variance_of_the_images(tmp_path):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (28, 28), dtype=np.uint8) for _ in range(10)]
    images(tmp_path / "grey", arrays)
    images(tmp_path / "colour", [np.stack([array] * 3, axis=-1) for array in arrays])
    expected = (np.stack(arrays) / 255).var(axis=0).mean()
    for kind in ("grey", "colour"):
        found = constant_answer(tmp_path / kind)
        assert found.error == pytest.approx(expected, rel=1e-12)
        assert found.lowest < found.error < found.highest and found.n_images == 10


def test_constant_answers_without_usable_stimuli(tmp_path):
    assert constant_answer(tmp_path / "nowhere") is None
    (tmp_path / "empty").mkdir()
    assert constant_answer(tmp_path / "empty") is None
    images(tmp_path / "sizes", [np.zeros((28, 28), np.uint8), np.zeros((20, 28), np.uint8)])
    with pytest.raises(InputError, match="expected"):
        constant_answer(tmp_path / "sizes")
    (tmp_path / "sizes" / "0.png").write_bytes(b"not an image")
    with pytest.raises(InputError, match="not a readable image"):
        constant_answer(tmp_path / "sizes")


@pytest.mark.parametrize(("name", "expected"), [("crell", 0.032345), ("mindbigdata", 0.056625)])
def test_constant_answers_of_the_real_stimuli(name, expected):
    folder = Path(os.environ.get("CORTEXCLIP_DATA", REPOSITORY / "resources/data")) / "stimuli" / name
    if not folder.is_dir():
        pytest.skip("the stimuli are not there: CORTEXCLIP_DATA does not name a folder that holds them")
    assert constant_answer(folder).error == pytest.approx(expected, abs=1e-5)


def test_datasets_without_public_brain_data(tmp_path):
    images(tmp_path / "stimuli", [np.full((28, 28), value, np.uint8) for value in (0, 255)])
    constant = constant_answer(tmp_path / "stimuli")
    assert constant.error == pytest.approx(0.25)
    published = a_published(
        {"name": "Ours", "dataset": "closed", "value": 0.251},
        {"name": "Ours", "dataset": "closed", "value": 0.1},
        {"name": "Ours", "dataset": "closed", "value": 0.5, "metric": "ssim"},
        {"name": "Ours", "dataset": "gone", "value": 0.1},
    )
    rows = rows_of(tmp_path, a_plan(["ours"], (), ()), published, {"closed": constant, "gone": None})
    start = "cannot be tested here: brain data not public"
    assert [row.verdict for row in rows] == [
        f"{start}; the published value is at the level of a constant answer (0.250000; 0.4 % above it)",
        f"{start}; the published value is lower than a constant answer's (0.250000; 60.0 % below it)",
        f"{start}, and no constant answer's SSIM is computed",
        f"{start}, and the stimuli are not there (images below stimuli/gone in the data folder)",
    ]
    table = claims_csv(rows)
    assert list(table.best_control) == [CONSTANT, CONSTANT, "", ""]


def run_stage(tmp_path, plan, published, *options):
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(published), encoding="utf-8")
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    finding = {"scope": "dataset", "check": "c", "severity": "serious", "message": "Found_it.", "meaning": "So what."}
    for name in plan["datasets"]:
        (tmp_path / f"{name}.json").write_text(json.dumps({"findings": [finding]}), encoding="utf-8")
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    inputs = ["--plan", str(tmp_path / "plan.json"), "--audits", str(tmp_path), "--published", str(path)]
    where = ["--scores", str(tmp_path / "scores"), "--output", str(tmp_path / "tables"), "--resamples", "50"]
    stage.run(parser.parse_args([*inputs, *where, *options]))
    return tmp_path / "tables"


def test_the_stage_writes_escaped_tables_twice_the_same(tmp_path):
    plan = a_plan(["ours", "ridge"])
    plan["runs"]["ridge"]["title"] = "Ridge_&|<b>"
    plan["runs"]["ours"]["published"] = "Ours_50%|x"
    for protocol in ("published", "holdout"):
        write_scores(tmp_path / "scores", protocol, "dots", "ours", {"mse": 0.05})
        write_scores(tmp_path / "scores", protocol, "dots", "ridge", {"mse": 0.04})
    images(tmp_path / "ten", [np.full((28, 28), value, np.uint8) for value in (0, 255)])
    published = a_published(
        {"name": "Ours_50%|x", "value": 0.05}, {"name": "Ours", "dataset": "closed", "value": 0.25, "spread": 0.01}
    )
    places = {"closed": ["nowhere", "ten"], "gone": ["nowhere"]}
    options = [f"--stimuli={name}={tmp_path / folder}" for name, folders in places.items() for folder in folders]
    folder = run_stage(tmp_path, plan, published, *options)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == ["claims.csv", "claims.md", "claims.tex"]
    run_stage(tmp_path, plan, published, *options)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    text, tex = before["claims.md"].decode(), before["claims.tex"].decode()
    assert r"Ours\_50%\|x" in text and "Ours_50%|x" not in text
    assert r"Ridge\_&amp;\|&lt;b&gt;" in text
    assert r"Ours\_50\%$|$x" in tex and r"Ridge\_\&$|$$<$b$>$" in tex
    assert r"Found\_it. So what." in text and "A note." in text
    assert "reproduced; no better than control" in text and "Claimed: one split. Observed: one split." in text
    assert list(pd.read_csv(folder / "claims.csv").best_control) == ["ridge", CONSTANT]


def test_missing_and_damaged_files_are_named(tmp_path):
    plan, published = a_plan(["ours"]), a_published({"name": "Ours", "value": 0.05})
    with pytest.raises(InputError, match=r"published/dots/ours.parquet: missing"):
        run_stage(tmp_path, plan, published)
    for protocol in ("published", "holdout"):
        write_scores(tmp_path / "scores", protocol, "dots", "ours", {"mse": 0.05})
    (tmp_path / "scores/holdout/dots/ours.parquet").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"holdout/dots/ours.parquet: damaged"):
        run_stage(tmp_path, plan, published)
    with pytest.raises(InputError, match="NAME=FOLDER"):
        run_stage(tmp_path, plan, published, "--stimuli=nothing")
    with pytest.raises(InputError, match="unknown metric"):
        rows_of(tmp_path, a_plan(["ours"], (), ()), a_published({"name": "Ours", "value": 1.0, "metric": "mze"}))
    with pytest.raises(InputError, match="unknown source"):
        rows_of(tmp_path, a_plan(["ours"], (), ()), a_published({"name": "Ours", "value": 1.0, "source": "x"}))


def test_every_published_number_of_the_project_gets_a_row():
    published = yaml.safe_load((REPOSITORY / "config/published.yaml").read_text(encoding="utf-8"))
    measured = measure(Path("nowhere"), a_plan([], (), ()), published)
    rows = claims(published, measured, {"crell": None, "mindbigdata": None})
    assert len(rows) == len(published["numbers"])
    assert all(row.verdict.startswith("cannot be tested here: ") for row in rows)
