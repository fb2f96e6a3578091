"""Figures of tests, chance and protocols: what they say, that they say it in words where there is nothing to draw."""

import hashlib
import json
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from figure_checks import ABOUT, LONG, call, check_page, look, words

from cortexclip.data import dataset as datasets
from cortexclip.evaluation.metrics import pairwise_identification
from cortexclip.evaluation.score import combine_scores, score_predictions, weigh
from cortexclip.evaluation.statistics import groups_not_different, nemenyi_critical_difference, summarise
from cortexclip.figures import ablation, chance, differences, pairs, ranks, rows, style
from cortexclip.files import write_json
from cortexclip.plan import Plan
from cortexclip.protocols import make_split
from cortexclip.results.folder import Results
from cortexclip.results.tables import read_table
from cortexclip.runs import write_parquet, write_predictions
from cortexclip.stages import critical_difference as rank_stage
from cortexclip.stages import evaluation_figures as stage
from cortexclip.stages.tables import write_statistics
from cortexclip.tables.ablation import ABLATION
from cortexclip.tables.statistics import RANKS, STATISTICS

METRICS = {"mse": ("MSE", "lower is better"), "pairwise": ("2-way (pixels)", "higher is better")}
VERDICTS = ["shown", "not over folds", "not shown"]


def named(number, title="Method"):
    """Looks of different methods, as every third of them has an embedding space."""
    colours, markers = ("#0173b2", "#de8f05", "#029e73"), "osD^vPX<>hpd"
    return style.Look(
        f"{title} {number}", "a_space" if number % 3 == 0 else "", colours[number % 3], markers[number % len(markers)]
    )


def draw_differences(title="Method", methods=4, spread=1.0):
    cells = [
        differences.Difference(0.01 * spread * (n - 2), 0.01 * (n - 2.5), 0.01 * (n - 1.5), VERDICTS[n % 3], "<0.001")
        for n in range(methods)
    ]
    columns = [
        differences.Column("MSE", f"{title} - method", cells),
        differences.Column("2-way (pixels)", f"method - {title}", [None] * methods, f"{title}: not defined here."),
    ]
    looks = [named(number, title) for number in range(methods)]
    return differences.draw_differences(looks, columns, title, ABOUT, [f"{title}: remark."])


def draw_ablation(title="Method", methods=4):
    cells = [
        differences.Difference(0.01 * n, 0.01 * n - 0.02, 0.01 * n + 0.02, "shown", "0.01") for n in range(methods)
    ]
    missing = [None, *cells[1:]]
    groups = [
        ablation.Group(f"{title} (plain)", [look(n, title) for n in range(methods)], [cells, missing]),
        ablation.Group("Other", [look(0, "Variant")], [cells[:1], [None]]),
    ]
    metrics = [("MSE", "plain - variant", "Not defined."), ("2-way", "variant - plain", "Not defined.")]
    return ablation.draw_ablation(groups, metrics, ABOUT, remarks=[title])


def draw_pairs(title="Method", methods=4, undefined=("pairwise",)):
    sides = (pairs.Side(f"{title} first", "s"), pairs.Side(f"{title} second", "o"))
    cells = [((0.1 * n, 0.1 * n - 0.05, 0.1 * n + 0.05), (0.1 * n + 0.02, 0.1 * n, np.nan)) for n in range(methods)]
    blocks = [
        pairs.Pair(
            sides,
            f"Means of 10 trials, {title}.",
            [named(number, title) for number in range(methods)],
            {"mse": cells, "pairwise": cells},
            {name: f"Not defined: {title}." for name in missing},
        )
        for missing in ([], undefined)
    ]
    return pairs.draw_pairs(title, blocks, METRICS, ABOUT, [f"{title}: remark."])


def draw_ranks(title="Method", methods=5):
    rankings = [
        ranks.Ranking(
            label,
            [named(number, title) for number in range(methods)],
            np.random.default_rng(number).permutation(methods) * 0.9 + 1.2,
            nemenyi_critical_difference(methods, 20),
            f"Friedman's test: {title}.",
        )
        for number, label in enumerate(["MSE", "PixCorr"])
    ]
    return ranks.draw_critical_difference(rankings, ABOUT, [f"{title}: remark."])


def draw_null(title="Method", methods=4, protocols=2):
    looks = {f"run{number}": named(number, title) for number in range(methods)}
    rng = np.random.default_rng(0)
    null = chance.Null(rng.normal(0.5, 0.02, 40), {run: 0.5 + 0.01 * n for n, run in enumerate(looks)}, ["p = 0.024"])
    nulls = {
        f"protocol{number}": {"mse": null, "pairwise": chance.Null(undefined=f"{title}: not defined here.")}
        for number in range(protocols)
    }
    titles = {name: f"{title} {name}" for name in nulls}
    return chance.draw_permutation_null(nulls, titles, METRICS, looks, title, "run1", ABOUT, remarks=[title])


def draw_curves(title="Method", methods=4, protocols=3):
    looks = {f"run{number}": named(number, title) for number in range(methods)}

    def cell(number):
        ways = np.arange(2, 6 if number % 2 else 40)
        shares = {run: (1 / ways) ** (1 / (n + 1)) for n, run in enumerate(looks)}
        return chance.Curves(ways, shares, (0.9 / ways, 1.1 / ways), f"{title}: trials")

    curves = {f"protocol{number}": cell(number) for number in range(protocols - 1)}
    curves["last"] = chance.Curves(undefined=f"{title}: a single image.")
    return chance.draw_identification_curves(
        curves, {name: f"{title} {name}" for name in curves}, looks, ABOUT, remarks=[title]
    )


DRAWN = {
    "differences": draw_differences,
    "ablation": draw_ablation,
    "pairs": draw_pairs,
    "critical_difference": draw_ranks,
    "permutation_null": draw_null,
    "identification_curves": draw_curves,
}


@pytest.mark.parametrize("name", DRAWN)
def test_names_from_data_are_drawn_as_they_are(name):
    figure = DRAWN[name](LONG, methods=3)
    check_page(figure)
    seen = words(figure).replace(" ", "")
    for part in ("$x_1^2$", "\\frac{a}{b}", "an_underscore"):
        assert part in seen


@pytest.mark.parametrize("name", DRAWN)
def test_twenty_five_methods_fit(name):
    more = {"protocols": 5} if name in ("permutation_null", "identification_curves") else {}
    figure = DRAWN[name](methods=25, **more)
    check_page(figure)
    assert all(f"Method {number}" in words(figure) for number in range(25))


@pytest.mark.parametrize("name", DRAWN)
def test_equal_input_gives_equal_bytes_whatever_the_callers_settings(name, tmp_path):
    digests = []
    for settings in ({}, {"font.size": 20, "axes.grid": True, "lines.markersize": 1}):
        with matplotlib.rc_context(settings):
            style.save(DRAWN[name](methods=3), tmp_path / "figure")
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(tmp_path.iterdir())])
    assert digests[0] == digests[1] and len(digests[0]) == 4


def test_only_what_the_tests_tell_apart_is_filled():
    axes, *_ = draw_differences(methods=3).axes
    fills = [line.get_fillstyle() for line in axes.lines if line.get_marker() != "None" and line.get_color() != "white"]
    assert fills == ["full", "left", "none"]
    text = words(draw_differences(methods=3))
    assert "not defined here" in text and "not shown by the test over folds" in text
    assert "over folds" not in words(draw_differences(methods=1))


def test_intervals_that_would_hide_behind_their_marker_get_a_root_scale():
    assert "square-root scale" not in words(draw_differences())
    figure = draw_differences(spread=30.0)
    check_page(figure)
    assert "square-root scale" in words(figure)


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.012), (-1e-6, 3e-5), (-0.5, 0.5), (0.0, 7.0), (-20.0, 0.0)])
def test_ticks_of_the_signed_root_scale_stand_apart(low, high):
    ticks = np.array(rows.signed_root_ticks(low, high))
    places = np.sign(ticks) * np.sqrt(np.abs(ticks))
    assert 0 in ticks and ticks.min() >= low and ticks.max() <= high and 2 <= len(ticks) <= 6
    assert np.diff(places).min() >= 0.2 * (np.sqrt(high) + np.sqrt(-low)) - 1e-12


def test_a_metric_that_no_pair_defines_is_said_below_and_not_drawn():
    figure = draw_pairs(undefined=("pairwise",))
    assert len(figure.axes) == 3 and "Not defined: Method." in words(figure)
    sides = (pairs.Side("first", "s"), pairs.Side("second", "o"))
    cells = {"mse": [((0.1, 0.0, 0.2), (0.2, 0.1, 0.3))], "pairwise": [((np.nan,) * 3,) * 2]}
    block = pairs.Pair(sides, "Some trials.", [look(0)], cells, {"pairwise": "No value."})
    figure = pairs.draw_pairs("Pairs", [block, block], METRICS, ABOUT)
    check_page(figure)
    assert len(figure.axes) == 2 and words(figure).count("No value.") == 1 and "2-way" not in words(figure)


def test_bars_join_the_methods_that_are_not_told_apart():
    positions = np.array([3.5, 1.2, 4.3, 1.0, 5.0])
    ranking = ranks.Ranking("MSE", [named(n) for n in range(5)], positions, 2.0, "Friedman's test: said.")
    figure = ranks.draw_critical_difference([ranking], ABOUT)
    bars = [line.get_xdata() for line in figure.axes[0].lines if line.get_linewidth() == 2.4]
    groups = groups_not_different(positions, 2.0)
    assert groups == [(3, 1), (0, 2, 4)] and len(bars) == len(groups)
    axis = next(line.get_xdata() for line in figure.axes[0].lines if line.get_solid_capstyle() == "projecting")
    scale = (axis[1] - axis[0]) / 4
    assert (bars[0][1] - bars[0][0]) / scale == pytest.approx(0.2, abs=0.2)
    assert (bars[1][1] - bars[1][0]) / scale == pytest.approx(1.5, abs=0.2)
    assert "CD = 2.00" in words(figure) and "Method 3 (a_space) 1.00" in words(figure)


def test_runs_of_one_method_differ_in_line_and_filling():
    same = style.Look("Method", "a", "#0173b2", "o")
    styles = chance.variants({name: same for name in "abcd"})
    assert len({str(line["linestyle"]) for line, _ in styles.values()}) == 4
    assert len({marker["fillstyle"] for _, marker in styles.values()}) == 4


# What the figures are made of


def test_identification_within_folds_is_the_metric_at_two():
    rng = np.random.default_rng(0)
    stimuli = rng.random((11, 6, 6))
    ids, folds = np.array([f"s{n}" for n in range(11)]), np.array([0] * 5 + [1] * 6)
    images = stimuli + rng.normal(0, 1, (40, 11, 6, 6))
    images[0, 3] = 0.5  # has no correlation
    ways, shares = stage.identified(images, stimuli, ids, folds)
    assert ways.tolist() == [2, 3, 4, 5] and shares.shape == (40, 4)
    parts = [folds == fold for fold in (0, 1)]
    expected = np.concatenate([pairwise_identification(images[:, p], stimuli[p], ids[p]) for p in parts], axis=1)
    np.testing.assert_allclose(shares[:, 0], np.nanmean(expected, axis=1))
    ids = np.array(["a", "a", "b", "c", "d", *"efghij"])
    repeated = np.array([*stimuli[[0, 0]], *stimuli[2:]])
    _, shares = stage.identified(images, repeated, ids, folds, by_stimulus=True)
    two = np.concatenate([pairwise_identification(images[:, p], repeated[p], ids[p]) for p in parts], axis=1)
    np.testing.assert_allclose(shares[1:, 0], np.c_[two[:, :2].mean(axis=1), two[:, 2:]].mean(axis=1)[1:])
    ways, shares = stage.identified(images, stimuli, ids, np.arange(11) // 5)
    assert not len(ways) and shares.shape == (40, 0)


def test_shuffles_are_counted_that_are_at_least_as_good():
    means = np.array([0.1, 0.2, 0.3])
    assert stage.as_good_as(means, 0.2, higher_is_better=False) == 2
    assert stage.as_good_as(means, 0.25, higher_is_better=True) == 1
    assert stage.as_good_as(means, 0.05, higher_is_better=False) == 0


# The stage, on files

PROTOCOLS = {
    "chosen_on_test": {"title": "chosen on the test part", "over": "canonical", "select": "scored"},
    "holdout": {
        "title": "holdout",
        "over": "canonical",
        "select": "inner",
        "inner_fraction": 0.2,
        "inner_by": "sample",
    },
    "unseen": {
        **{"title": "unseen stimuli", "over": "all", "folds": 20, "group_by": "stimulus", "shuffle_seed": 1},
        **{"select": "inner", "inner_fraction": 0.2, "inner_by": "stimulus", "average": "stimulus"},
    },
}
SHUFFLES = 9


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Files of a dataset whose images repeat, of three runs under three protocols, and the plan that names them."""
    folder, rng = tmp_path_factory.mktemp("results"), np.random.default_rng(0)
    distinct = rng.random((6, 12, 12)).astype(np.float32)
    shown = np.array([*np.arange(6).repeat(3), 0, 1, 2, 3, 4])
    part = np.array(["train"] * 18 + ["test"] * 5)
    dataset = datasets.labelled(rng.normal(size=(23, 4)), distinct[shown], part, {"name": "toy", "title": "Toy"})
    datasets.write(dataset, folder / "toy.nc")
    plan = {
        "datasets": {"toy": {"title": "Toy_$1$", "notes": ["Made up."], "simulated": True}},
        "protocols": {
            name: {
                **{"title": entry["title"], "optimistic": name == "chosen_on_test", "note": "Chosen on the scored."},
                "average": entry.get("average", "sample"),
            }
            for name, entry in PROTOCOLS.items()
        },
        "encoders": {"space": "Space"},
        "runs": {
            name: {
                "method": name.split(".")[0],
                "encoder": encoder,
                "title": title,
                "published": None,
                "fits": 1,
                "ablates": None,
            }
            for name, encoder, title in (
                ("permuted", "none", "Shuffled"),
                ("ridge", "none", "Ridge"),
                ("net.space", "space", "Net"),
            )
        },
        "cells": {"toy": ["permuted", "ridge", "net.space"]},
        "ablations": {"toy": [{"kind": "extension", "run": "net.space", "reference": "ridge"}]},
        "unavailable": {},
        "seeds": 1,
    }
    noise = {"permuted": 9.0, "ridge": 0.1, "net.space": 0.4}
    for protocol, entry in PROTOCOLS.items():
        split = make_split(entry, dataset.part.values, dataset.stimulus.values, 0)
        write_parquet(folder / f"splits/{protocol}/toy.parquet", split)
        scored = split[split.role == "score"]
        samples, folds = scored["sample"].to_numpy(), scored.fold.to_numpy()
        stimuli, ids = dataset.stimuli.values[samples], dataset.stimulus.values[samples]
        tables = []
        for run, about in plan["runs"].items():
            seeds = SHUFFLES if run == "permuted" else 1
            images = stimuli + rng.normal(0, noise[run], (seeds, *stimuli.shape))
            attributes = {"protocol": protocol, "method": about["method"], "encoder": about["encoder"]}
            write_predictions(
                folder / f"runs/{protocol}/toy/{run}/predictions.nc", images, samples, folds, attributes=attributes
            )
            scores = score_predictions(
                dataset="toy",
                protocol=protocol,
                method=about["method"],
                encoder=about["encoder"],
                folds=folds,
                samples=samples,
                stimuli=stimuli,
                stimulus_ids=ids,
                images=images,
                nearest_images=images if about["encoder"] != "none" else None,
            )
            tables.append(scores)
        write_parquet(folder / f"scores/{protocol}/toy.parquet", combine_scores(tables))
    serious = {"check": "repeats", "severity": "serious", "meaning": "Scores measure recognition."}
    findings = [
        {**serious, "scope": "dataset", "message": "All test samples repeat."},
        {**serious, "scope": "holdout", "message": "All 5 samples repeat."},
        {"check": "noise", "severity": "notable", "scope": "unseen", "message": "Loud.", "meaning": "Little."},
        {"check": "repeats", "severity": "info", "scope": "unseen", "message": "None repeats.", "meaning": "Good."},
    ]
    (folder / "toy.json").write_text(json.dumps({"dataset": "toy", "findings": findings}))
    (folder / "plan.json").write_text(json.dumps(plan))
    write_json(folder / "audit/toy.json", {"dataset": "toy", "findings": findings})
    plan = Plan.read(folder / "plan.json")
    results = Results(folder, plan)
    scores = weigh(combine_scores([results.scores(protocol, "toy") for protocol in PROTOCOLS]), plan)
    options = {"reference": "ridge", "base_seed": 0, "n_resamples": 50, "n_permutations": 50}
    write_statistics(results, scores, folder / "tables", **options)
    return folder


@pytest.fixture
def material(results):
    return with_plan(results)


@pytest.fixture(scope="module")
def drawn(results):
    """Every figure of the toy dataset, by the stem of its name."""
    material = with_plan(results)
    figures = {name: make(material) for name, make in stage.FIGURES.items()}
    figures |= {f"ablation.{name}": stage.ablation(material, name) for name in PROTOCOLS}
    return figures | {f"differences.{name}": stage.differences(material, name) for name in PROTOCOLS}


def with_plan(results, reference="ridge", protocols=None, runs=None):
    """The material of the toy dataset, of some of its protocols and runs."""
    plan = json.loads((results / "plan.json").read_text())
    if protocols is not None:
        plan["protocols"] = {name: plan["protocols"][name] for name in protocols}
    if runs is not None:
        plan["runs"] = {name: plan["runs"][name] for name in runs}
        plan["cells"]["toy"] = list(runs)
    return stage.Material(
        dataset=datasets.read(results / "toy.nc"),
        plan=Plan.of(plan),
        audit=json.loads((results / "toy.json").read_text()),
        statistics=read_table(results / "tables/statistics.csv", STATISTICS),
        ablation=read_table(results / "tables/ablation.csv", ABLATION),
        results=results,
        reference=reference,
        resamples=50,
    )


def test_stage_writes_every_figure(results, tmp_path):
    plan = json.loads((results / "plan.json").read_text())
    plan["protocols"] = {"holdout": plan["protocols"]["holdout"]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    options = ["--plan", f"{tmp_path}/plan.json", "--dataset", f"{results}/toy.nc", "--audit", f"{results}/toy.json"]
    options += ["--statistics", f"{results}/tables/statistics.csv", "--ablation", f"{results}/tables/ablation.csv"]
    options += ["--results", str(results), "--resamples", "20"]
    call(stage, [*options, "--output", f"{tmp_path}/figures"])
    names = ["differences.holdout.toy", "ablation.holdout.toy", *(f"{name}.toy" for name in stage.FIGURES)]
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"{n}.{suffix}" for n in names for suffix in ("png", "pdf", "txt", "csv")
    }


def test_every_figure_names_what_it_is_of_and_what_has_to_be_known(drawn):
    for figure in drawn.values():
        check_page(figure)
        assert "Toy_$1$" in words(figure) and "Made up." in words(figure)
    for name in (*stage.FIGURES, "differences.chosen_on_test", "differences.holdout"):
        assert "Scores measure recognition." in words(drawn[name])
    for name in ("permutation_null", "optimism", "identification_curves", "differences.chosen_on_test"):
        assert "(optimistic)" in words(drawn[name]) and "Chosen on the scored." in words(drawn[name])
    assert "optimistic" not in words(drawn["differences.holdout"])


def test_a_caveat_that_several_protocols_share_is_said_once(material):
    notes = material.about(["chosen_on_test", "holdout", "unseen"]).notes
    assert notes == (
        "One seed of each method.",
        "Chosen on the test part: Chosen on the scored.",
        "Unseen stimuli: means weigh each image once.",
        "All test samples repeat. Scores measure recognition.",
        "Likewise under holdout.",
        "Loud.",
        "Made up.",
    )


def test_differences_say_how_many_trials_and_whether_any_test_could_find_one(drawn):
    text = words(drawn["differences.chosen_on_test"])
    assert "5 trials of 5 stimuli, 3 comparisons: too few stimuli for any corrected p below 0.05." in text
    assert "Space, nearest training image" in text and "Shuffled" in text
    assert "6 stimuli, each weighed once" in words(drawn["differences.unseen"])


def test_scored_images_that_were_trained_on_are_found(material):
    assert material.trained_on("holdout").tolist() == [18, 19, 20, 21, 22]
    assert material.trained_on("unseen").tolist() == []
    assert material.scored("unseen").tolist() == list(range(23))


def test_pairs_take_the_same_trials_and_the_intervals_of_the_tables(material):
    samples = material.scored("holdout")
    material.plan.protocols["unseen"] = replace(material.plan.protocols["unseen"], average="sample")
    pair = stage._pair(material, ("holdout", "unseen"), samples, "")
    assert [look.label for look in pair.looks] == [
        "Shuffled",
        "Ridge",
        "Net (Space)",
        "Net (Space, nearest training image)",
    ]
    scores = {name: combine_scores(list(material.scores[name].values())) for name in ("holdout", "unseen")}
    table = summarise(scores["holdout"], n_resamples=50)
    row = table[(table.method == "ridge") & (table.metric == "mse")].iloc[0]
    assert pair.cells["mse"][1][0] == (row["mean"], row.ci_low, row.ci_high)
    unseen = scores["unseen"]
    chosen = unseen[(unseen.method == "ridge") & (unseen.metric == "mse") & unseen["sample"].isin(samples)]
    assert pair.cells["mse"][1][1][0] == pytest.approx(chosen.value.mean()) and len(chosen) == 5
    assert not pair.undefined  # with one image a fold, those of all folds are told from each other


def test_images_are_weighed_once_where_the_protocol_asks_for_it(material, drawn):
    samples = material.scored("unseen")
    pair = stage._pair(material, ("holdout", "unseen"), samples, "")
    scores = material.scores["unseen"]["ridge"]
    chosen = scores[(scores.metric == "mse")]
    counts = chosen.groupby("stimulus", observed=True).value.agg(["mean", "size"])
    assert set(counts["size"]) == {3, 4}
    assert pair.cells["mse"][1][1][0] == pytest.approx(counts["mean"].mean())
    assert stage._null(material, "unseen", "mse", ["ridge"]).observed["ridge"] == pytest.approx(counts["mean"].mean())
    table = material.statistics[(material.statistics.protocol == "unseen") & (material.statistics.metric == "mse")]
    assert set(table.n_samples) == {6} and "6 stimuli, each weighed once" in words(drawn["differences.unseen"])


def test_null_gives_the_p_value_of_the_reference_alone(results, drawn):
    text = words(drawn["permutation_null"])
    assert "p = 0.100" in text and f"0 of {SHUFFLES} as good" in text
    assert text.count("p = ") == 6  # two metrics and three protocols
    text = words(stage.permutation_null(with_plan(results, reference="none", protocols=["holdout"])))
    assert "p = " not in text and "Histogram" in text


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("permutation_null", {"runs": ["ridge"]}, "was not run"),
        ("optimism", {"protocols": ["holdout"]}, "neither both chosen_on_test and holdout, nor"),
        ("seen_unseen", {"protocols": ["holdout"]}, "needs the protocol unseen"),
        ("seen_unseen", {"protocols": ["unseen"]}, "needs the protocol unseen"),
        ("identification_curves", {"protocols": ["unseen"]}, "nothing to identify an image among"),
    ],
)
def test_a_figure_with_nothing_to_show_says_why(results, name, change, reason):
    figure = stage.FIGURES[name](with_plan(results, **change))
    check_page(figure)
    assert reason in words(figure) and not figure.axes


def test_the_ablation_figure_holds_the_tested_differences(results, drawn):
    table = read_table(results / "tables/ablation.csv", ABLATION)
    row = table[(table.protocol == "holdout") & (table.metric == "mse")].iloc[0]
    figure = drawn["ablation.holdout"]
    assert "Against Ridge:" in words(figure) and "Net" in words(figure)
    drawn_at = [line.get_xdata()[0] for axes in figure.axes for line in axes.get_lines() if len(line.get_xdata()) == 1]
    assert any(np.isclose(x, row.difference) for x in drawn_at)
    material = with_plan(results)
    material.plan.ablations["toy"] = []
    assert "No two methods" in words(stage.ablation(material, "holdout"))


def test_a_reference_that_was_not_run_is_named(results):
    figure = stage.differences(with_plan(results, reference="mean_image"), "holdout")
    check_page(figure)
    assert "mean_image" in words(figure) and not figure.axes
    figure = stage.differences(with_plan(results, runs=["ridge"]), "holdout")
    assert "Nothing but Ridge was run" in words(figure) and not figure.axes


def test_images_that_never_repeat_are_said_to_be_new_everywhere(material, monkeypatch):
    monkeypatch.setattr(stage.Material, "trained_on", lambda self, protocol: np.array([], dtype=int))
    figure = stage.seen_unseen(material)
    check_page(figure)
    assert "no scored image of this dataset was trained on" in words(figure) and not figure.axes


# Ranks over datasets


def ranked(results, tmp_path, p_value=0.5):
    """A plan with three datasets, their audits, and a table of ranks under one of its protocols."""
    plan = json.loads((results / "plan.json").read_text())
    toy = plan["datasets"].pop("toy")
    for name in ("one", "two", "three"):
        plan["datasets"][name] = {**toy, "title": name}
        (tmp_path / f"{name}.json").write_text((results / "toy.json").read_text())
    methods = [("ridge", "none", 1.3), ("net", "space", 2.1), ("permuted", "none", 2.6)]
    table = [("holdout", "mse", method, encoder, rank, 3, p_value, 1.9) for method, encoder, rank in methods]
    pd.DataFrame(table, columns=RANKS).to_csv(tmp_path / "ranks.csv", index=False)
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    return Plan.of(plan)


def test_rank_stage_draws_or_says_why_not(results, tmp_path):
    plan = ranked(results, tmp_path)
    options = ["--plan", f"{tmp_path}/plan.json", "--ranks", f"{tmp_path}/ranks.csv", "--audits", str(tmp_path)]
    call(rank_stage, [*options, "--output", f"{tmp_path}/figures"])
    expected = {
        f"critical_difference.{protocol}.{suffix}" for protocol in PROTOCOLS for suffix in ("png", "pdf", "txt", "csv")
    }
    assert {path.name for path in (tmp_path / "figures").iterdir()} == expected

    table = read_table(tmp_path / "ranks.csv", RANKS)
    audits = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in plan.datasets}
    drawn = rank_stage.critical_difference(table, "holdout", plan, audits)
    check_page(drawn)
    assert "no difference shown between any methods" in words(drawn) and "p = 0.500" in words(drawn)
    assert "Net (Space) 2.10" in words(drawn) and "3 methods, 3 datasets" in words(drawn)
    assert "enough methods on 3 datasets: PixCorr, SSIM, 2-way (pixels)." in words(drawn)
    told = rank_stage.critical_difference(table.assign(friedman_p=1e-4), "holdout", plan, audits)
    assert "some methods differ (p <0.001)" in words(told)
    empty = rank_stage.critical_difference(table[:0], "chosen_on_test", plan, audits)
    check_page(empty)
    assert "Fewer than three methods" in words(empty) and "(optimistic)" in words(empty) and not empty.axes
    del plan.datasets["three"], plan.datasets["two"]
    few = rank_stage.critical_difference(table[:0], "holdout", plan, audits)
    assert "from 3 datasets on; here is one" in words(few)
