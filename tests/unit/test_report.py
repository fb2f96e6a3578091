"""What the explorer is made of: images that are packed, numbers that are put as JSON, and a page that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

from cortexclip.configuration.config import load
from cortexclip.configuration.plan import Plan, make_plan
from cortexclip.configuration.schema import read_yaml
from cortexclip.data import dataset as datasets
from cortexclip.evaluation import DRAW, NEAREST
from cortexclip.report import content, gallery, page
from cortexclip.results import drawn
from cortexclip.results.folder import Results
from cortexclip.results.paths import CSV_TABLES, READABLE_TABLES
from cortexclip.tables.claims import OUTCOMES, REASONS, STATUS
from cortexclip.tables.statistics import VERDICTS

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "</script><script>alert(1)</script><!-- {{ 1 }} \u2028 \ud800"


def pictures(sheet):
    """The images of a sheet, (n, y, x)."""
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["data"]))))
    height, width = sheet["height"], sheet["width"]
    rows = picture.shape[0] // height
    tiles = picture.reshape(rows, height, sheet["columns"], width).swapaxes(1, 2)
    return tiles.reshape(-1, height, width)


def test_a_sheet_holds_each_distinct_image_once():
    images = np.random.default_rng(0).random((7, 5, 4))
    images[3], images[5, 0, 0] = images[1], np.nan
    pool = gallery.Pool()
    numbers = pool.add(images)
    assert numbers == [0, 1, 2, 1, 3, -1, 4]
    assert pool.add(images[:2]) == [0, 1]
    found = pictures(pool.sheet())
    for image, number in zip(images, numbers, strict=True):
        if number >= 0:
            np.testing.assert_allclose(found[number] / 255, image, atol=0.5 / 63 + 0.5 / 255)


def test_greys_are_clipped_and_keep_black_and_white():
    assert gallery.grey(np.array([-1.0, 0.0, 1.0, 2.0, np.inf, np.nan])).tolist() == [0, 0, 255, 255, 255, 0]
    assert len(np.unique(gallery.grey(np.linspace(0, 1, 10_000)))) == gallery.LEVELS


def test_an_empty_sheet_holds_nothing():
    assert gallery.Pool().sheet()["data"] == ""


@pytest.mark.parametrize(
    ("fold", "sample", "most", "expected"),
    [
        ([0, 0, 0], [5, 3, 4], 10, [3, 4, 5]),
        ([1, 0, 1, 0], [0, 1, 2, 3], 4, [1, 3, 0, 2]),
        ([0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5, 6, 7], 3, [0, 4, 7]),
        ([0] * 100, range(100), 1, [0]),
    ],
)
def test_samples_are_chosen_evenly_over_folds(fold, sample, most, expected):
    chosen = gallery.choose(np.array(fold), np.array(sample), most)
    assert np.array(sample)[chosen].tolist() == expected


def source(seeds=2, samples=12, seed=0):
    """A dataset and two runs in memory: one with a second readout and draws, one with one fit."""
    rng = np.random.default_rng(seed)
    stimuli = rng.random((samples + 4, 6, 6))
    part = np.where(np.arange(len(stimuli)) < 4, "train", "test")
    dataset = datasets.labelled(rng.random((len(stimuli), 3)), stimuli, part, {"name": "d", "title": "d"})
    stimuli = dataset.stimuli.values
    sample = np.arange(4, len(stimuli))[::-1]

    def predictions(n, second):
        coords = {"sample": sample, "fold": ("sample", np.zeros(samples, int))}
        image = rng.random((n, samples, 6, 6)).astype(np.float32)
        variables = {"image": (("seed", "sample", "y", "x"), image)}
        if second:
            variables["nearest"] = (
                ("seed", "sample", "y", "x"),
                np.repeat(stimuli[:1][None], n * samples, 0).reshape(image.shape),
            )
            variables["draws"] = (("seed", "draw", "sample", "y", "x"), np.stack([image[::-1], image], 1))
        return xr.Dataset(variables, coords=coords)

    def scores(method, n):
        rows = [(method, "mse", s, int(k), 0.001 * k + s) for s in range(n) for k in sample]
        return pd.DataFrame(rows, columns=["method", "metric", "seed", "sample", "value"])

    similarity = xr.Dataset(
        {"similarity": (("seed", "sample", "gallery"), rng.random((seeds, samples, len(stimuli))))},
        coords={"sample": sample, "gallery": dataset.stimulus.values},
    )
    runs = {"net.space": {"method": "net", "encoder": "space"}, "flat": {"method": "flat"}}
    plan = {"datasets": {"d": {}}, "protocols": {"p": {}}, "runs": runs, "cells": {"d": list(runs)}}
    results = Results("nowhere", Plan.of(plan))
    files = {"net.space": predictions(seeds, True), "flat": predictions(1, False)}
    results.dataset = lambda name: dataset
    results.predictions = lambda protocol, name, run: files[run]
    results.scores_by_run = lambda *_: {"net.space": scores("net", seeds), "flat": scores("flat", 1)}
    results.similarity = lambda protocol, name, run: similarity if run == "net.space" else None
    return results, files, similarity


def test_the_gallery_holds_what_the_files_hold():
    given, files, similarity = source()
    packed, stimuli, left = gallery.pack(given)
    shown, pool = packed["d/p"], pictures(stimuli["d"])
    assert left == []
    assert shown["samples"] == list(range(4, 16)) and shown["n_scored"] == 12
    truth = given.dataset("d").stimuli.values
    np.testing.assert_allclose(pool[shown["stimuli"]] / 255, truth[4:16], atol=0.011)
    net, near, draw, flat = shown["methods"]
    assert [m["id"] for m in shown["methods"]] == ["net.space", f"net{NEAREST}.space", f"net{DRAW}.space", "flat"]
    assert [len(m["seeds"]) for m in shown["methods"]] == [2, 2, 2, 1]
    for number, seed in enumerate(net["seeds"]):
        image = files["net.space"].image.values[number][::-1]
        np.testing.assert_allclose(pictures(seed["sheet"])[seed["tiles"]] / 255, image, atol=0.011)
        assert seed["scores"]["mse"] == pytest.approx([0.001 * k + number for k in range(4, 16)])
        best = np.argsort(-similarity.similarity.values[number][::-1], axis=1)[:, :5]
        np.testing.assert_allclose(pool[seed["retrieved"]] / 255, truth[best], atol=0.011)
    np.testing.assert_allclose(pool[near["seeds"][1]["tiles"]] / 255, np.repeat(truth[:1], 12, 0), atol=0.011)
    for number, seed in enumerate(draw["seeds"]):
        image = files["net.space"].draws.values[number, 0][::-1]
        np.testing.assert_allclose(pictures(seed["sheet"])[seed["tiles"]] / 255, image, atol=0.011)
    assert len(net["seeds"][0]["draws"]["tiles"]) == 2
    assert flat["seeds"][0]["tiles"] and "retrieved" not in flat["seeds"][0]


def test_what_does_not_fit_the_budget_is_left_out_and_said():
    given, _, _ = source(samples=40)
    whole = gallery.pack(given)[0]["d/p"]
    first = sum(len(m["seeds"][0]["sheet"]["data"]) for m in whole["methods"] if "sheet" in m["seeds"][0])
    packed, _, left = gallery.pack(given, budget=first + 10)
    assert [len(m["seeds"]) for m in packed["d/p"]["methods"]] == [1, 1, 1, 1]
    assert "draws" not in packed["d/p"]["methods"][0]["seeds"][0]
    assert any("left out" in sentence for sentence in left)
    packed, _, left = gallery.pack(given, budget=first // 3)
    assert len(packed["d/p"]["samples"]) in (6, 12, 25)
    assert any("scored trials" in sentence for sentence in left)


def test_json_cannot_end_its_script_element():
    text = page.as_json({HOSTILE: [HOSTILE]})
    assert "<" not in text
    assert json.loads(text) == {HOSTILE: [HOSTILE]}
    with pytest.raises(ValueError):
        page.as_json([float("nan")])


def test_the_page_admits_its_own_scripts_only():
    text = page.page(HOSTILE, HOSTILE, {"core": HOSTILE}, {"overview": "<b>"})
    assert text == page.page(HOSTILE, HOSTILE, {"core": HOSTILE}, {"overview": "<b>"})
    text.encode("utf-8")
    policy = re.search(r'Security-Policy" content="([^"]*)"', text).group(1).replace("&#39;", "'")
    assert "default-src 'none'" in policy and "http" not in policy and "unsafe-eval" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    sums = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert re.findall(r"'sha256-([^']*)'", policy) == sums and len(sums) == 3
    assert "alert(1)</script>" not in text and "<b>" not in text
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)


def test_columns_keep_numbers_and_number_words():
    table = pd.DataFrame({"a": [1.23456789, np.nan], "b": ["x", None], "c": [True, False], "d": [2, 3]})
    found = content.columns(table, ["a", "b", "c", "d"])
    assert found == {"a": [1.23457, None], "b": {"words": ["x"], "at": [0, -1]}, "c": [True, False], "d": [2, 3]}


def test_long_histories_are_thinned_evenly_and_many_fits_cut():
    rows = [(0, s, "refit", e, "loss", e / 7) for s in range(40) for e in range(1, 201)]
    history = pd.DataFrame(rows, columns=["fold", "seed", "stage", "epoch", "quantity", "value"])
    curves = content.curves_of(history, {"fits": [{"fold": 0, "seed_index": 0, "epoch": 100}]})
    assert [curve["seed"] for curve in curves] == list(range(content.MOST_CURVES))
    epochs = curves[0]["epoch"]
    assert curves[0]["chosen"] == 100 and 100 in epochs and curves[1]["chosen"] is None
    assert len(epochs) <= content.MOST_POINTS + 1 and epochs[0] == 1 and epochs[-1] == 200
    assert np.diff(curves[1]["epoch"]).min() >= 2 and np.diff(epochs).max() <= 3
    assert curves[0]["value"] == pytest.approx([epoch / 7 for epoch in epochs], rel=1e-3)
    assert content.curves_of(history[:0], {"fits": []}) == []


def test_too_many_pairs_are_cut_to_the_reference(monkeypatch):
    pairs = pd.DataFrame({"reference": ["ridge", "other", "ridge"]})
    assert content.fewer_pairs(pairs, "ridge")[1] is False
    monkeypatch.setattr(content, "MOST_PAIRS", 2)
    kept, fewer = content.fewer_pairs(pairs, "ridge")
    assert fewer and kept.reference.tolist() == ["ridge", "ridge"]


def test_a_record_names_the_datasets_that_a_method_learned_from_besides_its_own():
    found = content.record_of({"fits": [], "pool": ["results/data/miyawaki.nc", "results/data/vangerven.nc"]}, {})
    assert found["pool"] == ["miyawaki", "vangerven"]
    assert "pool" not in content.record_of({"fits": []}, {})


def test_every_verdict_has_words_and_a_look():
    found = content.conclusions()
    assert list(found) == list(VERDICTS) and found["better"] == ["better", "best"] and found["worse"][1] == "behind"


def test_every_outcome_has_a_look_and_every_reason_and_mark_its_words():
    words_for = content.verdicts(Plan({}, {}, {}))
    assert [words for words, _ in words_for["outcomes"]] == list(OUTCOMES)
    assert {look for _, look in words_for["outcomes"]} <= {"best", "tied", "behind", "none"}
    assert (words_for["reasons"], words_for["marks"]) == (REASONS, STATUS)


def test_sources_are_those_of_the_claims_with_links_and_status():
    status = [{"kind": "withdrawn", "note": "Called invalid.", "link": "https://example.org/b"}]
    source = {"title": "A table", "link": "https://example.org/a", "claimed": "c", "procedure": "p", "differs": "d"}
    published = {"sources": {"used": {**source, "status": status, "commit": "0"}, "unused": {**source, "status": []}}}
    found = content.sources_of(published, pd.DataFrame({"source": ["used", "used"]}))
    assert found == {"used": {**source, "status": status}}


def test_stand_ins_say_whether_they_hold_brain_data():
    about = {"title": "Rows", "notes": [], "stands_for": "crell", "brain_data": False, "judges": True}
    plan = Plan.of({"sources": {"datasets": {"rows": about, "later": {**about, "brain_data": True}}}})
    found = content.stand_ins_of(plan, pd.DataFrame({"dataset": ["rows"], "constant_mse": [0.0323]}))
    assert found["rows"] == {
        "title": "Rows",
        "notes": [],
        "stands_for": "crell",
        "brain_data": False,
        "constant": 0.0323,
    }
    assert found["later"]["brain_data"] and found["later"]["constant"] is None


@pytest.mark.parametrize("file", ["small.yaml", "full.yaml"])
def test_every_table_and_figure_of_a_run_is_linked_from_a_view(file, monkeypatch):
    monkeypatch.delenv("CORTEXCLIP_DATA", raising=False)
    settings = read_yaml(ROOT / "config/config.yaml") | read_yaml(ROOT / f"config/{file}")
    plan = make_plan(load(settings | {"sources": [], "stand_ins": []}, ROOT))
    linked = {path for files in content.files_of(plan).values() for each in files for path in each["files"].values()}
    figures = {path for path in drawn.of_run(plan) if not path.endswith(".md")}
    tables = {f"tables/{name}.{suffix}" for name in READABLE_TABLES for suffix in ("csv", "md", "tex")}
    tables |= {f"tables/{name}.csv" for name in CSV_TABLES} | {"tables/paper.pdf"}
    assert linked == figures | tables | {f"tables/main.{suffix}" for suffix in ("md", "tex", "pdf")}
