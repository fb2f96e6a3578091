"""Tables: what they hold, what stands below them, and that nothing in a name can break them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cortexclip.configuration.plan import Plan
from cortexclip.evaluation.quality import problems
from cortexclip.evaluation.score import score_predictions
from cortexclip.evaluation.statistics import summarise
from cortexclip.figures.style import seeds_of
from cortexclip.report.summary import short_table
from cortexclip.results.tables import TABLES
from cortexclip.tables.comparison import comparison, comparison_tables, retrieval, retrieval_tables
from cortexclip.tables.main import main_tables
from cortexclip.tables.render import LATEX_PACKAGES, Interval, Table, latex, latex_text, markdown, with_interval
from cortexclip.tables.write import write_readable

PLAN = Plan.of(
    {
        "datasets": {"toy": {"title": "Toy_data", "notes": ["A note."], "simulated": True}},
        "protocols": {
            "published": {
                "title": "as published",
                "optimistic": True,
                "note": "Chosen on the scored samples.",
                "average": "sample",
                "folds": None,
            }
        },
        "encoders": {"glyphclip": "GlyphCLIP"},
        "runs": {
            "mean_image": {"method": "mean_image", "encoder": "none", "fits": 1, "title": "Mean", "published": None},
            "net.glyphclip": {"method": "net", "encoder": "glyphclip", "fits": 2, "title": "Net", "published": "NET"},
        },
        "cells": {"toy": ["mean_image", "net.glyphclip"]},
        "unavailable": {},
        "judge": None,
        "seeds": 2,
    }
)
AUDIT = {
    "findings": [
        {
            "check": "seen",
            "scope": "dataset",
            "severity": "serious",
            "message": "All seen.",
            "meaning": "Beware.",
            "numbers": {},
        }
    ]
}


def toy_scores() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    stimuli = rng.uniform(size=(6, 28, 28))
    ids = np.array([f"s{i}" for i in range(6)])
    common = {
        **{"dataset": "toy", "protocol": "published", "folds": np.zeros(6, int), "samples": np.arange(6)},
        **{"stimuli": stimuli, "stimulus_ids": ids},
    }
    mean = score_predictions(method="mean_image", encoder="none", images=np.full((1, 6, 28, 28), 0.5), **common)
    net = score_predictions(
        method="net",
        encoder="glyphclip",
        images=rng.uniform(size=(2, 6, 28, 28)),
        nearest_images=np.stack([stimuli, stimuli[::-1]]),
        embeddings=rng.normal(size=(2, 6, 4)),
        gallery_embeddings=rng.normal(size=(6, 4)),
        gallery_ids=ids,
        **common,
    )
    return pd.concat([mean, net], ignore_index=True)


@pytest.fixture(scope="module")
def summary():
    return summarise(toy_scores(), n_resamples=200)


def test_the_comparison_has_the_columns_that_scripts_read(summary):
    table = comparison(summary, PLAN)
    assert list(table) == TABLES["comparison"]
    assert list(dict.fromkeys(table.method)) == ["mean_image", "net", "net_nearest"]
    expected = toy_scores().query("method == 'net' and metric == 'mse'").value.mean()
    found = table.query("method == 'net' and metric == 'mse'").iloc[0]
    assert found["mean"] == pytest.approx(expected)
    assert (found.n_samples, found.n_seeds) == (6, 2)
    assert found.ci_low <= found["mean"] <= found.ci_high
    assert not table.metric.str.startswith("gallery").any()


def test_below_a_table_stand_protocol_audit_notes_and_what_is_not_defined(summary):
    (table,) = comparison_tables(summary, PLAN, {"toy": AUDIT})
    text = markdown(table)
    for words in (
        "optimistic",
        "Chosen on the scored samples.",
        "All seen. Beware.",
        "A note.",
        "2 seeds",
        "chance 0.167",
    ):
        assert words in text
    assert "PixCorr of mean\\_image is not defined for 6 of 6 predictions" in text
    assert "nan" not in text.lower().replace("nand", "")


def test_retrieval_states_gallery_and_chance(summary):
    table = retrieval(summary, PLAN)
    top1 = table.query("metric == 'top1_test'").iloc[0]
    assert (top1.gallery, top1.gallery_size) == ("test", 6)
    assert top1.chance == pytest.approx(1 / 6)
    (readable,) = retrieval_tables(table, PLAN, {"toy": AUDIT})
    assert readable.rows[-1][0] == "Chance"
    assert "6 of the scored part" in markdown(readable)


def test_names_cannot_break_a_table():
    hostile = r"a|b_c $x$ & 50% \input{/etc/passwd} <script> # {"
    table = Table(title=hostile, columns=["Name", hostile], rows=[[hostile, "0.5"]], notes=[hostile])
    text = markdown(table)
    assert "<script>" not in text
    assert text.splitlines()[2].count("|") - text.splitlines()[2].count("\\|") == 3
    source = latex(table)
    assert r"\input" not in source
    assert r"\textbackslash{}input\{" in source
    assert latex_text("a_b") == r"a\_b"


def test_numbers_are_right_and_words_left():
    table = Table(title="t", columns=["m", "v", "w"], rows=[["a", Interval("0.1", "[0.0, 0.2]"), "x"], ["b", "–", "y"]])
    assert "|:--|--:|:--|" in markdown(table)
    assert r"\begin{tabular}{lrl}" in latex(table)


def test_in_latex_an_interval_stands_below_its_mean_and_a_minus_is_a_minus():
    rows = [["a-b", Interval("-0.10", "[-0.20, 0.05]"), "–"], ["c", with_interval(0.3, 0.2, 0.4, ".2f"), "–"]]
    source = latex(Table("t", ["m", "v", "nothing"], rows, strong=frozenset({(1, 1)})))
    assert r"{$-$0.10}\\{\scriptsize [$-$0.20, 0.05]}" in source
    assert r"\textbf{0.30}" in source and "a-b" in source and "nothing" not in source


def test_a_table_too_wide_for_a_page_lies_on_its_side():
    wide = Table("t", ["m", *"abcdefghij"], [["x", *[Interval("0.1000", "[0.0500, 0.1500]")] * 10]])
    assert r"\begin{sidewaystable}" in latex(wide) and r"\begin{table}" in latex(Table("t", ["a"], [["1"]]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p < 0.05", "p $<$ 0.05"),
        ("Möller 漢字 α", r"Möller ?? $\alpha$"),
        (
            "μV µV σ ≈ Łukasz Søren Straße ǎ R³",
            r"$\mu$V $\mu$V $\sigma$ $\approx$ \L{}ukasz S\o{}ren Stra\ss{}e \v{a} R$^{3}$",
        ),
        ("ﬁne\x07", "fine "),
        ("½ ², é", "? $^2$, é"),
    ],
)
def test_characters_that_latex_does_not_know_are_replaced(text, expected):
    assert latex_text(text) == expected


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_with_hostile_names_compiles(tmp_path):
    hostile = 'a|b_c $x$ & 50% \\input{/etc/passwd} <script> # { [x] "q" ~^ \u6f22 \u03b1 \U0001f9e0 M\u00f6ller \\'
    rows = [[hostile, Interval("-0.1", "[-0.2, 0.0]"), hostile], ["[b]", "–", "* \\\\ ]"]]
    table = Table(hostile, [hostile, "v", "["], rows, notes=[hostile], strong=frozenset({(0, 0), (0, 1)}))
    wide = Table(hostile, ["m", *"abcdefghijkl"], [["x", *[Interval("0.1000", "[0.0500, 0.1500]")] * 12]])
    packages = ",".join(LATEX_PACKAGES)
    (tmp_path / "t.tex").write_text(
        f"\\documentclass{{article}}\\usepackage{{{packages}}}\\begin{{document}}\\listoftables\n"
        f"{latex(table)}\n{latex(wide)}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    for _ in range(2):  # the second reads the list of tables that the first wrote
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
        assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_the_main_table_is_bold_only_where_an_honest_test_tells_the_leader_from_its_rivals(summary):
    table = comparison(summary, PLAN).query("metric == 'mse'")
    rows = table[["dataset", "protocol", "metric", "method", "encoder", "mean"]]
    leads = rows["mean"] == rows["mean"].min()
    for optimistic, rival, tied, bold in (
        (False, ~leads, leads, 1),
        (False, ~leads, True, 0),
        (False, False, leads, 0),  # no reference was run
        (True, ~leads, leads, 0),
    ):
        plan = replace(PLAN, protocols={"published": replace(PLAN.protocols["published"], optimistic=optimistic)})
        (main,) = main_tables(table, rows.assign(leader=leads, rival=rival, tied=tied), plan, ["A note."])
        assert len(main.strong) == bold and main.notes[-1] == "A note."
        assert ("No value is bold" in " ".join(main.notes)) == (not bold)
        for i, j in main.strong:
            assert main.rows[i][j].startswith(f"{rows['mean'].min():.4f} [")
    assert [row[0] for row in main.rows][-1] == "net_nearest.glyphclip"


def test_the_short_table_says_what_was_not_run(summary, tmp_path):
    table = comparison(summary, PLAN)
    extra = table[table.method == "mean_image"].assign(protocol="holdout")
    pd.concat([table, extra]).to_csv(tmp_path / "c.csv", index=False)
    lines = short_table(tmp_path / "c.csv", "mse").splitlines()
    assert lines[0].split() == ["toy,", "mse", "published", "holdout"]
    assert lines[3].startswith("net.glyphclip")
    assert lines[3].endswith("not run")


def test_a_whole_comparison_has_no_problems():
    assert problems(toy_scores(), PLAN, {("toy", "published"): 6}) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: s[s.method != "mean_image"], "mse of mean_image on toy, published: no scores"),
        (lambda s: s[(s.method != "net") | (s.seed == 0)], "1 seeds, the configuration implies 2"),
        (
            lambda s: s[(s.method != "mean_image") | (s["sample"] > 0)],
            "mse of mean_image on toy, published: 5 samples a seed, the split scores 6",
        ),
        (lambda s: s.assign(value=s.value.where(s.metric != "ssim", 1.5)), "ssim: .* values outside -1 to 1"),
        (lambda s: s.assign(value=s.value.where(s.metric != "mse", -1.0)), "mse: .* values outside 0 to inf"),
        (lambda s: s.assign(value=s.value.where(s.metric != "mse")), "not a single value is defined"),
        (lambda s: s[s.metric != "gallery_test"], "gallery_test of net.glyphclip"),
    ],
)
def test_what_is_missing_or_out_of_range_is_said(spoil, words):
    import re

    found = problems(spoil(toy_scores()), PLAN, {("toy", "published"): 6})
    assert any(re.search(words, sentence) for sentence in found), found


@pytest.mark.parametrize(
    ("precision", "words"), [("bfloat16", "in bfloat16."), ("tf32", "in TF32 where"), ("float32", "")]
)
def test_reduced_precision_is_said_where_a_result_is_read(tmp_path, precision, words):
    plan = replace(PLAN, precision=precision)
    write_readable(tmp_path, "comparison", "Comparison", [Table("T", ["a"], [["1"]])], plan)
    for text in ((tmp_path / "comparison.md").read_text(), (tmp_path / "comparison.tex").read_text(), seeds_of(plan)):
        assert ("Networks were trained" in text) == bool(words)
        assert words in text
