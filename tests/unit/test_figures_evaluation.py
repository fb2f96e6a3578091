"""Figures of tests, chance and protocols: what they say, and that what cannot be drawn is left out with its reason."""

import hashlib
import json
from dataclasses import replace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figure_checks import ABOUT, LONG, call, check_page, words

from cortexclip.audit.findings import nearness
from cortexclip.audit.splits import folds_of
from cortexclip.configuration.plan import Plan
from cortexclip.data import dataset as datasets
from cortexclip.evaluation.ceiling import ceilings_of
from cortexclip.evaluation.metrics import pairwise_identification
from cortexclip.evaluation.score import combine_scores, score_predictions, weigh
from cortexclip.evaluation.splits import make_split
from cortexclip.evaluation.spurious import collapse_of
from cortexclip.evaluation.statistics import groups_not_different, nemenyi_critical_difference, summarise
from cortexclip.figures import chance, forest, paired, power, ranks, spurious, study, style
from cortexclip.figures.overview import critical_difference
from cortexclip.results import drawn as known
from cortexclip.results.folder import Results
from cortexclip.results.runs import write_predictions
from cortexclip.results.tables import NEARNESS, TABLES, read_table, write_csv
from cortexclip.runtime.arrays import write_parquet
from cortexclip.runtime.files import write_json
from cortexclip.stages import evaluation_figures as stage
from cortexclip.stages.tables import write_statistics
from cortexclip.tables.ablation import ABLATION
from cortexclip.tables.statistics import RANKS, STATISTICS

VERDICTS = ["shown", "not over folds", "not shown"]


def named(number, title="Method"):
    """Looks of different methods, as every third of them has an embedding space."""
    colours, markers = ("#0173b2", "#de8f05", "#029e73"), "osD^vPX<>hpd"
    return style.Look(
        f"{title} {number}", "a_space" if number % 3 == 0 else "", colours[number % 3], markers[number % len(markers)]
    )


def draw_differences(title="Method", methods=4, groups=1, spread=1.0):
    looks = {f"{title} (plain {group})": [named(n, title) for n in range(methods)] for group in range(groups)}
    rows = [
        (*look.columns().values(), "MSE", 0.01 * spread * (n - 2), 0.01 * (n - 2.5), 0.01 * (n - 1.5))
        + ("<0.001", VERDICTS[n % 3], f"{title} - method", group, n)
        for group, names in looks.items()
        for n, look in enumerate(names)
    ]
    data = pd.DataFrame(rows, columns=[*forest.TESTED, "group", "row"])
    metrics = {"MSE": (f"{title} - method", ""), "2-way": (f"method - {title}", f"{title}: not defined here.")}
    return forest.draw_differences(title, data, looks, metrics, ABOUT, [f"{title}: remark."])


def draw_ablation(title="Method", methods=4):
    return draw_differences(title, methods, groups=2)


def draw_pairs(title="Method", methods=4, drawn=("MSE", "2-way")):
    looks = [named(number, title) for number in range(methods)]
    styles = {f"{title} first": ("#0173b2", "s"), f"{title} second": ("#de8f05", "o")}
    rows = [
        (*look.columns().values(), metric, protocol, 0.1 * n, 0.1 * n - 0.05, 0.1 * n + 0.05, "Trials.", pair, n)
        for pair, metric in ((0, "MSE"), (0, "2-way"), (1, "MSE"))
        for n, look in enumerate(looks)
        for protocol in styles
        if metric in drawn
    ]
    data = pd.DataFrame(rows, columns=[*forest.PAIRED, "pair", "row"])
    blocks = [(f"Means of 10 trials, {title}.", looks)] * 2
    undefined = {(1, "2-way"): f"Not defined: {title}."}
    metrics = dict.fromkeys(drawn, "lower is better")
    return forest.draw_pairs(title, data, blocks, styles, metrics, undefined, ABOUT, [f"{title}: remark."])


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
    protocols = {f"protocol{number}": f"{title} protocol{number}" for number in range(protocols)}
    rows, words = [], {}
    for protocol in protocols.values():
        words |= {(protocol, "MSE"): "p = 0.024", (protocol, "2-way"): f"{title}: not defined here."}
        rows += [(title, "", protocol, "MSE", n, value, None) for n, value in enumerate(rng.normal(0.5, 0.02, 40))]
        rows += [
            (*look.columns().values(), protocol, "MSE", None, 0.5 + 0.01 * n, run)
            for n, (run, look) in enumerate(looks.items())
        ]
    data = pd.DataFrame(rows, columns=[*chance.NULL, "run"])
    metrics = {"MSE": "lower is better", "2-way": "higher is better"}
    return chance.draw_permutation_null(data, protocols, metrics, looks, title, "run1", words, ABOUT, [title])


def draw_curves(title="Method", methods=4, protocols=3):
    looks = {f"run{number}": named(number, title) for number in range(methods)}
    titles = {f"protocol{number}": f"{title} protocol{number}" for number in range(protocols - 1)}
    rows = [
        (*look.columns().values(), protocol, ways, (1 / ways) ** (1 / (n + 1)), 1 / ways, 0.9 / ways, 1.1 / ways, run)
        for number, protocol in enumerate(titles.values())
        for n, (run, look) in enumerate(looks.items())
        for ways in range(2, 6 if number % 2 else 40)
    ]
    data = pd.DataFrame(rows, columns=[*chance.CURVES, "run"])
    protocols = {name: (protocol, f"{title}: trials") for name, protocol in titles.items()}
    protocols["last"] = f"{title} last", f"{title}: a single image."
    return chance.draw_identification_curves(data, protocols, looks, ABOUT, [title])


def draw_paired(title="Method", methods=4):
    looks = {f"{title} {number}": named(number, title) for number in range(methods)}
    rng = np.random.default_rng(0)
    rows = [
        (*look.columns().values(), f"s{stimulus}", x, y, run)
        for run, look in looks.items()
        for stimulus, (x, y) in enumerate(rng.random((12, 2)))
    ]
    return paired.draw_paired(pd.DataFrame(rows, columns=[*paired.PAIRS, "run"]), looks, title, ABOUT)


DRAWN = {
    "paired": draw_paired,
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


@pytest.mark.usefixtures("outlined_fonts")
@pytest.mark.parametrize("name", DRAWN)
def test_equal_input_gives_equal_bytes_whatever_the_callers_settings(name, tmp_path):
    digests = []
    for settings in ({}, {"font.size": 20, "axes.grid": True, "lines.markersize": 1}):
        with matplotlib.rc_context(settings):
            style.save(DRAWN[name](methods=3), tmp_path / "figure")
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(tmp_path.iterdir())])
    assert digests[0] == digests[1] and len(digests[0]) == 3


def test_what_the_tests_tell_apart_has_a_colour_of_its_own():
    figure = draw_differences(methods=3)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) and line.get_marker() not in ("None", "")]
    drawn = {
        line.get_color(): np.asarray(line.get_ydata(), float)[np.isfinite(np.asarray(line.get_xdata(), float))].tolist()
        for line in lines
    }
    assert drawn == {colour: [row] for row, (_, colour, _) in enumerate(forest.VERDICTS.values())}
    assert "not defined here" in words(figure) and "not shown by the test over folds" in words(figure)
    assert "over folds" not in words(draw_differences(methods=1))


def test_intervals_that_would_hide_behind_their_marker_get_another_scale():
    assert draw_differences().axes[0].get_xscale() == "linear"
    figure = draw_differences(spread=30.0)
    check_page(figure)
    assert figure.axes[0].get_xscale() == "asinh"


def test_a_metric_that_one_pair_does_not_define_is_explained_in_its_place():
    figure = draw_pairs()
    check_page(figure)
    assert len(figure.axes) == 4 and "Not defined: Method." in words(figure)
    assert "2-way" not in words(draw_pairs(drawn=("MSE",)))


def test_bars_join_the_methods_that_are_not_told_apart():
    positions = np.array([3.5, 1.2, 4.3, 1.0, 5.0])
    ranking = ranks.Ranking("MSE", [named(n) for n in range(5)], positions, 2.0, "Friedman's test: said.")
    figure = ranks.draw_critical_difference([ranking], ABOUT)
    bars = [line.get_xdata() for line in figure.axes[0].lines if line.get_linewidth() == 2.4]
    groups = groups_not_different(positions, 2.0)
    assert groups == [(3, 1), (0, 2, 4)] and len(bars) == len(groups)
    assert bars[0][1] - bars[0][0] == pytest.approx(0.2, abs=0.2)
    assert bars[1][1] - bars[1][0] == pytest.approx(1.5, abs=0.2)
    assert "CD = 2.00" in words(figure) and "Method 3 (a_space) 1.00" in words(figure)


def test_runs_of_one_method_differ_in_line_and_filling():
    same = style.Look("Method", "a", "#0173b2", "o")
    styles = chance.variants({name: same for name in "abcd"})
    assert len({style["dashes"] for style in styles.values()}) == 4
    assert len({style["fillstyle"] for style in styles.values()}) == 4


# What the figures are made of


def test_identification_within_folds_is_the_metric_at_two():
    rng = np.random.default_rng(0)
    stimuli = rng.random((11, 6, 6))
    ids, folds = np.array([f"s{n}" for n in range(11)]), np.array([0] * 5 + [1] * 6)
    images = stimuli + rng.normal(0, 1, (40, 11, 6, 6))
    images[0, 3] = 0.5  # has no correlation
    ways, shares = study.identified(images, stimuli, ids, folds)
    assert ways.tolist() == [2, 3, 4, 5] and shares.shape == (40, 4)
    parts = [folds == fold for fold in (0, 1)]
    expected = np.concatenate([pairwise_identification(images[:, p], stimuli[p], ids[p]) for p in parts], axis=1)
    np.testing.assert_allclose(shares[:, 0], np.nanmean(expected, axis=1))
    ids = np.array(["a", "a", "b", "c", "d", *"efghij"])
    repeated = np.array([*stimuli[[0, 0]], *stimuli[2:]])
    _, shares = study.identified(images, repeated, ids, folds, by_stimulus=True)
    two = np.concatenate([pairwise_identification(images[:, p], repeated[p], ids[p]) for p in parts], axis=1)
    np.testing.assert_allclose(shares[1:, 0], np.c_[two[:, :2].mean(axis=1), two[:, 2:]].mean(axis=1)[1:])
    alone = study.identified(images, stimuli, ids, np.arange(11) // 5)
    together = study.identified(images, stimuli, ids, np.zeros(11))
    for one, other in zip(alone, together, strict=True):  # a fold of one image is compared with those of all folds
        np.testing.assert_array_equal(one, other)
    single = study.identified(images[:, :1], stimuli[:1], ids[:1], np.zeros(1))
    assert not len(single[0]) and single[1].shape == (40, 0)


def test_shuffles_are_counted_that_are_at_least_as_good():
    means = np.array([0.1, 0.2, 0.3])
    assert study.as_good_as(means, 0.2, higher_is_better=False) == 2
    assert study.as_good_as(means, 0.25, higher_is_better=True) == 1
    assert study.as_good_as(means, 0.05, higher_is_better=False) == 0


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
                "counterpart": "holdout" if name == "chosen_on_test" else None,
                "repeats": name != "unseen",
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
                "role": {"permuted": "shuffled", "ridge": "reference"}.get(name),
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
        "comparisons": 3,
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
    options = {"reference": "ridge", "base_seed": 0, "n_permutations": 50}
    write_statistics(results, scores, folder / "tables", **options)
    cells = [(protocol, run) for protocol in PROTOCOLS for run in ("permuted", "ridge")]
    rows = [row for p, run in cells for row in ceilings_of(dataset, results.predictions(p, "toy", run), None)]
    write_csv(folder / "tables/ceiling.csv", pd.DataFrame(rows)[TABLES["ceiling"]])
    splits = {protocol: results.frame("split", protocol=protocol, dataset="toy") for protocol in PROTOCOLS}
    trained = {protocol: [fold.trained for fold in folds_of(split)] for protocol, split in splits.items()}
    runs = [(p, results.predictions(p, "toy", run)) for p in PROTOCOLS for run in plan.runs]
    collapsed = pd.DataFrame([collapse_of(dataset, predictions, trained[p], None) for p, predictions in runs])
    write_csv(folder / "tables/collapse.csv", collapsed[TABLES["collapse"]])
    near = [nearness(dataset, split)["pixels"].assign(protocol=p, space="pixels") for p, split in splits.items()]
    write_csv(folder / "audit/toy.nearness.csv", pd.concat(near)[NEARNESS])
    sizes = [("holdout", n, 0.5 - 0.01 * n, 0.4 - 0.01 * n, 0.6 - 0.01 * n) for n in (4, 8, 18)]
    curve = pd.DataFrame(sizes, columns=["curve", "n_train", "mean", "ci_low", "ci_high"])
    curve = curve.assign(dataset="toy", method="ridge", encoder="none", metric="mse")
    write_csv(folder / "tables/learning_curve.csv", curve.reindex(columns=TABLES["learning_curve"]))
    return folder


@pytest.fixture
def toy(results):
    return with_plan(results)


@pytest.fixture(scope="module")
def drawn(results):
    """Every figure of the toy dataset, by the stem of its name."""
    toy = with_plan(results)
    figures = {name: draw(results, toy, name) for name in FIGURES}
    figures |= {f"paired.{name}": study.paired_stimuli(toy, name, "ridge") for name in PROTOCOLS}
    figures |= {f"ablation.{name}": study.ablation(toy, name, ablated(results)) for name in PROTOCOLS}
    return figures | {
        f"differences.{name}": study.differences(toy, name, pairs_tested(results), "ridge") for name in PROTOCOLS
    }


FIGURES = ("optimism", "permutation_null", "identification_curves", "seen_unseen")


def draw(results, toy, name, reference="ridge"):
    """One of the figures that span protocols."""
    if name == "identification_curves":
        found = study.identification(toy, datasets.read(results / "toy.nc"), Results(results, toy.plan))
        return study.identification_curves(toy, found)
    if name == "permutation_null":
        return study.permutation_null(toy, reference)
    return getattr(study, name)(toy)


def pairs_tested(results):
    return read_table(results / "tables/statistics.csv", STATISTICS)


def ablated(results):
    return read_table(results / "tables/ablation.csv", ABLATION)


def with_plan(results, protocols=None, runs=None):
    """The study of the toy dataset, of some of its protocols and runs."""
    plan = json.loads((results / "plan.json").read_text())
    if protocols is not None:
        plan["protocols"] = {name: plan["protocols"][name] for name in protocols}
    if runs is not None:
        plan["runs"] = {name: plan["runs"][name] for name in runs}
        plan["cells"]["toy"] = list(runs)
    audit = json.loads((results / "toy.json").read_text())
    plan = Plan.of(plan)
    return study.Study.read(datasets.read(results / "toy.nc"), plan, audit, Results(results, plan))


@pytest.mark.usefixtures("outlined_fonts")
def test_stage_writes_every_figure(results, tmp_path):
    plan = json.loads((results / "plan.json").read_text())
    plan["protocols"] = {"holdout": plan["protocols"]["holdout"]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    options = ["--plan", f"{tmp_path}/plan.json", "--dataset", f"{results}/toy.nc", "--audit", f"{results}/toy.json"]
    options += ["--statistics", f"{results}/tables/statistics.csv", "--ablation", f"{results}/tables/ablation.csv"]
    options += ["--results", str(results)]
    call(stage, [*options, "--output", f"{tmp_path}/figures"])
    names = [f"{name}.holdout.toy" for name in ("differences", "paired", "limits", "spurious", "ablation")]
    names += ["permutation_null.toy", "identification_curves.toy"]
    files = {f"{name}.{suffix}" for name in names for suffix in ("png", "pdf", "csv")} | {"captions.toy.md"}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == files
    assert {f"figures/{name}" for name in files} == set(known.of_tests_files(Plan.of(plan), "toy", "toy"))
    captions = (tmp_path / "figures/captions.toy.md").read_text()
    assert captions.count("\n## ") == 8 and captions.count("- `") == 3
    assert "- `optimism`: This needs a protocol in which the scored samples choose" in captions


def test_what_limits_a_comparison_is_drawn(results, toy):
    table = Results(results, toy.plan).table
    both = power.limits(toy, "unseen", table("ceiling"), table("power"), "ridge")
    assert set(both.data.panel) == {"MSE", power.OVER_CEILING, "Images needed, MSE", "Images needed, 2-way (pixels)"}
    shares = table("ceiling").query("protocol == 'unseen' and metric == 'mse' and method == 'ridge'").share
    drawn = both.data[(both.data.panel == power.OVER_CEILING) & (both.data.method == "ridge")]
    assert drawn["mean"].item() == pytest.approx(shares.item())
    needed = power.limits(toy, "holdout", table("ceiling"), table("power"), "ridge")
    assert "none of the scored images were shown more than once" in needed.caption
    assert "ridge" not in set(needed.data.method) and power.OVER_CEILING not in set(needed.data.panel)
    scores = power.limits(toy, "holdout", table("ceiling"), table("power"), None)
    values = toy.scores["holdout"]["ridge"].query("metric == 'mse'").groupby("stimulus", observed=True).value.mean()
    drawn = scores.data[scores.data.method == "ridge"]
    assert drawn["mean"].item() == pytest.approx(values.mean()) and set(scores.data.panel) == {"MSE"}
    curve = power.learning_curve(toy, table("learning_curve"))
    for figure in (both, needed, scores, curve):
        check_page(figure)
    line = curve.axes[0].lines[0]
    np.testing.assert_allclose(
        line.get_xydata(), [[4, 0.46], [8, 0.42], [18, 0.32]]
    )  # means, and no end of an interval


def test_stimuli_are_paired_and_counted(toy):
    figure = study.paired_stimuli(toy, "unseen", "ridge")
    check_page(figure)
    assert set(figure.data.method) == {"permuted", "net.space"}
    scores = {run: toy.scores["unseen"][run].query("metric == 'mse'") for run in ("ridge", "permuted")}
    means = {run: table.groupby("stimulus", observed=True).value.mean() for run, table in scores.items()}
    rows = figure.data[figure.data.method == "permuted"].set_index("stimulus")
    np.testing.assert_allclose(rows.error, means["permuted"].loc[rows.index])
    np.testing.assert_allclose(rows.reference, means["ridge"].loc[rows.index])
    lower = int((rows.error < rows.reference).sum())
    assert f"permuted {lower} lower, {len(rows) - lower} higher" in words(figure)


def test_curves_that_lie_on_each_other_take_turns():
    looks = {name: named(number) for number, name in enumerate("abc")}
    rows = [(name, x, 0.9 if name == "c" else 0.5 + 0.001 * x) for name in looks for x in range(2, 9)]
    figure, axes = plt.subplots()
    chance.draw_lines(axes, pd.DataFrame(rows, columns=["run", "x", "y"]), looks, "x", "y")
    dashes = [line._unscaled_dash_pattern for line in axes.lines]
    plt.close(figure)
    assert dashes[0] == (0, (4, 4)) and dashes[1] == (4, (4, 4)) and dashes[2][1] == (1, 0)


def test_marks_that_would_hide_each_other_stand_below_each_other():
    assert chance.levels_of([0.0, 1.0, 0.05, 0.5, 0.02, 0.5], 0.1) == [0, 0, 1, 0, 2, 1]


def test_every_figure_names_what_it_is_of_and_what_has_to_be_known(drawn):
    for figure in drawn.values():
        check_page(figure)
        assert "Toy_$1$" in words(figure) and "Made up." in words(figure)
    for name in (*FIGURES, "differences.chosen_on_test", "differences.holdout"):
        assert "Scores measure recognition." in words(drawn[name])
    for name in ("permutation_null", "optimism", "identification_curves", "differences.chosen_on_test"):
        assert "(optimistic)" in words(drawn[name]) and "Chosen on the scored." in words(drawn[name])
    assert "optimistic" not in words(drawn["differences.holdout"])


def test_the_figure_of_collapse_holds_the_tables_values_and_the_nearest_images(results, toy):
    rows = [
        ("toy", "holdout", m, "none", 2.0 + n, 3.5, 0.9, 1.0, 0.8, 0.55, 5, 2, "pixels")
        for n, m in enumerate(("ridge", "net"))
    ]
    table = pd.DataFrame(rows, columns=TABLES["collapse"])
    near = [("holdout", space, 0, f"s{n}", 1, False, 0.2 * n) for space in ("pixels", "glyphclip") for n in range(5)]
    near = pd.DataFrame(near, columns=NEARNESS)
    figure = spurious.spurious(toy, "holdout", table, near)
    data = figure.data
    shown = data[data.panel == "Dimensions"]
    assert list(shown["mean"]) == [2.0] and list(shown.method) == [
        "ridge"
    ]  # net without its space is no run of the plan
    assert list(data["mean"][data.kind == "glyphclip"]) == [0.2 * n for n in range(5)]
    assert "2 clusters" in figure.caption and "nan" not in words(figure).lower()
    line = next(axes for axes in figure.body.axes if axes.get_title("left") == "2-way").lines
    assert any(set(each.get_xdata()) == {0.5} for each in line)
    absent = spurious.spurious(
        with_plan(results), "unseen", table.assign(protocol="unseen"), near.assign(protocol="unseen")
    )
    assert "share of scored images" in words(absent)


def test_a_caveat_that_several_protocols_share_is_said_once(toy):
    notes = toy.about(["chosen_on_test", "holdout", "unseen"]).notes
    assert notes == (
        "One seed of each method.",
        "Chosen on the test part: Chosen on the scored.",
        "Unseen stimuli: each image has the same weight.",
        "All test samples repeat. Scores measure recognition.",
        "Likewise under holdout.",
        "Loud.",
        "Made up.",
    )


def test_differences_say_how_many_trials_and_whether_any_test_could_find_one(drawn):
    text = words(drawn["differences.chosen_on_test"])
    assert (
        "5 trials of 5 stimuli, corrected for 3 declared comparisons: too few stimuli for a verdict, which needs 11."
        in text
    )
    assert "net_nearest.space" in text and "permuted" in text
    assert "6 stimuli with equal weights" in words(drawn["differences.unseen"])


def test_scored_images_that_were_trained_on_are_found(toy):
    assert toy.trained_on("holdout").tolist() == [18, 19, 20, 21, 22]
    assert toy.trained_on("unseen").tolist() == []
    assert toy.scored("unseen").tolist() == list(range(23))


def test_pairs_take_the_same_trials_and_the_intervals_of_the_tables(toy):
    samples = toy.scored("holdout")
    toy.plan.protocols["unseen"] = replace(toy.plan.protocols["unseen"], average="sample")
    data, looks, undefined = study.paired(toy, ("holdout", "unseen", samples, ""))
    assert [look.label for look in looks] == [
        "permuted",
        "ridge",
        "net.space",
        "net_nearest.space",
    ]
    scores = {name: combine_scores(list(toy.scores[name].values())) for name in ("holdout", "unseen")}
    table = summarise(scores["holdout"], n_resamples=50)
    row = table[(table.method == "ridge") & (table.metric == "mse")].iloc[0]
    ridge = data[(data.method == "ridge") & (data.key == "mse")].set_index("protocol")
    assert ridge.loc["holdout", forest.INTERVAL].tolist() == [row["mean"], row.ci_low, row.ci_high]
    unseen = scores["unseen"]
    chosen = unseen[(unseen.method == "ridge") & (unseen.metric == "mse") & unseen["sample"].isin(samples)]
    assert ridge.loc["unseen stimuli", "mean"] == pytest.approx(chosen.value.mean()) and len(chosen) == 5
    assert not undefined  # with one image a fold, those of all folds are compared


def test_images_are_weighed_once_where_the_protocol_asks_for_it(results, toy, drawn):
    data, *_ = study.paired(toy, ("holdout", "unseen", toy.scored("unseen"), ""))
    scores = toy.scores["unseen"]["ridge"]
    chosen = scores[(scores.metric == "mse")]
    counts = chosen.groupby("stimulus", observed=True).value.agg(["mean", "size"])
    assert set(counts["size"]) == {3, 4}
    ridge = data[(data.method == "ridge") & (data.key == "mse") & (data.protocol == "unseen stimuli")]
    assert ridge["mean"].item() == pytest.approx(counts["mean"].mean())
    assert study.null_of(toy, "unseen", "mse")[1]["ridge"] == pytest.approx(counts["mean"].mean())
    table = pairs_tested(results).query("protocol == 'unseen' and metric == 'mse'")
    assert set(table.n_samples) == {6} and "6 stimuli with equal weights" in words(drawn["differences.unseen"])


def test_null_gives_the_p_value_of_the_reference_alone(results, drawn):
    text = words(drawn["permutation_null"])
    assert "p = 0.100" in text and f"0 of {SHUFFLES} as good" in text
    assert text.count("p = ") == 6  # two metrics and three protocols
    text = words(study.permutation_null(with_plan(results, protocols=["holdout"]), "none"))
    assert "p = " not in text and "Histogram" in text


def test_protocols_are_paired_by_what_they_mean_whatever_their_names(results):
    plan = json.loads((results / "plan.json").read_text())
    plan["protocols"] = {f"my_{name}": kind for name, kind in plan["protocols"].items()}
    plan["protocols"]["my_chosen_on_test"]["counterpart"] = "my_holdout"
    toy = with_plan(results)
    own = study.Study(
        Plan.of(plan),
        toy.audit,
        toy.name,
        toy.stimulus,
        {f"my_{name}": split for name, split in toy.splits.items()},
        {f"my_{name}": scores for name, scores in toy.scores.items()},
    )
    for name in ("optimism", "seen_unseen"):
        pd.testing.assert_frame_equal(draw(results, own, name).data, draw(results, toy, name).data)
    assert "nothing on the scored samples, such as ridge, gains nothing" in draw(results, toy, "optimism").caption


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("permutation_null", {"runs": ["ridge"]}, "learns from shuffled pairs"),
        ("optimism", {"protocols": ["holdout"]}, "its honest counterpart"),
        ("seen_unseen", {"protocols": ["holdout"]}, "under which no scored image was trained on"),
        ("seen_unseen", {"protocols": ["unseen"]}, "under which no scored image was trained on"),
        ("learning_curve", {}, "train_share"),
        ("identification_curves", {"protocols": ["unseen"]}, ""),
        ("differences", {"runs": ["net.space"]}, "role: reference"),
        ("paired", {"runs": ["ridge"]}, "Nothing but ridge was run"),
    ],
)
def test_a_figure_that_needs_what_the_run_lacks_is_left_out_with_its_reason(results, name, change, reason):
    plan = with_plan(results, **change).plan
    found = (known.of_tests(plan, "toy") | known.of_protocols(plan, "toy"))[name]
    assert reason in found and bool(found) == bool(reason)
    assert any(f"/{name}." in path for path in known.of_run(plan)) != bool(reason)


def test_datasets_that_draw_other_figures_are_kept_apart(results):
    plan = with_plan(results).plan
    plan.datasets["other"], plan.cells["other"] = plan.datasets["toy"], ["ridge"]
    plan.datasets["more"], plan.cells["more"] = plan.datasets["toy"], ["ridge"]
    (first, toys), (second, others) = known.alike(known.of_tests_files, plan)
    assert toys == ["toy"] and others == ["other", "more"]
    assert "results/figures/differences.holdout.{dataset}.png" in first
    assert not any("differences" in path for path in second)
    assert len(known.of_run(plan)) == len(set(known.of_run(plan)))


def test_a_protocol_that_does_not_apply_has_no_figures(results):
    plan = replace(with_plan(results).plan, not_applicable={"toy": ["unseen"]})
    assert not any("unseen.toy" in path for path in known.of_run(plan))


def test_average_ranks_need_three_datasets_and_methods(results, tmp_path):
    plan = ranked(results, tmp_path)
    plan.cells.update(dict.fromkeys(("one", "two", "three"), plan.cells.pop("toy")))
    assert not any(known.of_datasets(plan).values())
    plan.cells["two"] = ["ridge", "net.space"]
    assert "three methods" in known.of_datasets(plan)["critical_difference.holdout"]


def test_the_ablation_figure_holds_the_tested_differences(results, drawn):
    table = ablated(results)
    row = table[(table.protocol == "holdout") & (table.metric == "mse")].iloc[0]
    figure = drawn["ablation.holdout"]
    assert "net" in words(figure)
    drawn_at = np.concatenate([np.ravel(line.get_xdata()) for axes in figure.axes for line in axes.get_lines()])
    assert np.isclose(np.asarray(drawn_at, float), row.difference).any()
    plan = with_plan(results).plan
    plan.ablations["toy"] = []
    assert "No two methods" in known.of_tests(plan, "toy")["ablation"]


def test_images_that_never_repeat_are_said_to_be_new_everywhere(toy, monkeypatch):
    monkeypatch.setattr(study.Study, "trained_on", lambda self, protocol: np.array([], dtype=int))
    figure = study.seen_unseen(toy)
    check_page(figure)
    assert "Under holdout no scored image was trained on. Means of the 5 trials of 5 images" in words(figure)


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
    return Plan.of(plan)


def test_ranks_are_drawn(results, tmp_path):
    plan = ranked(results, tmp_path)
    table = read_table(tmp_path / "ranks.csv", RANKS)
    audits = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in plan.datasets}
    drawn = critical_difference(table, "holdout", plan, audits)
    check_page(drawn)
    assert "no difference shown between any methods" in words(drawn) and "p = 0.500" in words(drawn)
    assert "net.space 2.10" in words(drawn) and "3 methods, 3 datasets" in words(drawn)
    assert "enough methods on 3 datasets: PixCorr, SSIM, 2-way (pixels)." in words(drawn)
    significant = critical_difference(table.assign(friedman_p=1e-4), "holdout", plan, audits)
    assert "some methods differ (p <0.001)" in words(significant)
