"""The statistics tables: planted differences for every conclusion, intervals and tests against plain loops."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from score_tables import FAMILY, a_plan, as_table, run_stage, seeded, write_all

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.errors import InputError
from cortexclip.evaluation.statistics import (
    cohens_dz,
    corrected_resampled_t_test,
    decidable,
    least_stimuli,
    mean_interval,
    paired_permutation_test,
)
from cortexclip.results.folder import read_scores
from cortexclip.tables import statistics as tables
from cortexclip.tables.read import SeededScores, lay_out
from cortexclip.tables.statistics import (
    ALPHA,
    LEADERS,
    RANKS,
    STATISTICS,
    VERDICTS,
    conclusion,
    difference_intervals,
    enough_permutations,
    fold_test,
    ranks,
    verdict,
)


def compare(scores, metric, **options):
    return tables.compare(scores, metric, **{"references": ["ridge"], "comparisons": FAMILY, **options})


def leaders(scores, metric, references=("ridge",), oracles=(), comparisons=FAMILY):
    declared = {"references": references, "comparisons": comparisons}
    pairs = tables.compare(scores, metric, **declared)
    return tables.leaders(scores, metric, pairs, oracles=oracles, **declared)


def row(table, method, reference="ridge"):
    return table[(table.method == method) & (table.reference == reference)].iloc[0]


@dataclass(frozen=True)
class AlignedScores:
    """An independent layout to compare with: one metric of several methods on the same trials.

    Attributes
    ----------
    methods : list of (method, encoder), length n_methods
    folds, samples, stimuli : arrays of shape (n_trials,)
    values : array of shape (n_methods, n_trials)
        Means over the seeds; NaN where a method has no value for a trial.
    """

    methods: list[tuple[str, str]]
    folds: np.ndarray
    samples: np.ndarray
    stimuli: np.ndarray
    values: np.ndarray


def align_scores(scores: pd.DataFrame, dataset: str, protocol: str, metric: str) -> AlignedScores:
    """Scores of all methods of one dataset, protocol and metric, side by side on the same trials.

    Parameters
    ----------
    scores : DataFrame with the columns of score tables

    Raises
    ------
    InputError
        If there are no such scores.
    """
    chosen = (scores["dataset"] == dataset) & (scores["protocol"] == protocol) & (scores["metric"] == metric)
    chosen = scores.loc[chosen, ["method", "encoder", "fold", "sample", "stimulus", "value"]]
    if chosen.empty:
        raise InputError(f"scores: none of {metric} for {dataset} with {protocol}. Score a method there first.")
    chosen = chosen.assign(value=chosen["value"].where(np.isfinite(chosen["value"])))
    means = chosen.groupby(["method", "encoder", "fold", "sample"], observed=True)["value"].mean()
    table = means.unstack(["fold", "sample"]).sort_index().sort_index(axis=1)
    stimuli = chosen.drop_duplicates(["fold", "sample"]).set_index(["fold", "sample"])["stimulus"].astype(str)
    return AlignedScores(
        methods=[(str(method), str(encoder)) for method, encoder in table.index],
        folds=table.columns.get_level_values("fold").to_numpy(),
        samples=table.columns.get_level_values("sample").to_numpy(),
        stimuli=stimuli.loc[table.columns].to_numpy(dtype=str),
        values=table.to_numpy(dtype=float),
    )


def test_layout_is_that_of_align_scores():
    scores = seeded({"ridge": 0.5, "knn": 0.6}, trials=2, seeds=3)
    scores.values[1][0, 3] = np.nan
    scores.values[1][:, 5] = np.nan
    tables = [as_table(scores, only=[name]).sample(frac=1, random_state=1) for name in ("ridge", "knn")]
    found = lay_out(pd.concat(tables), "mse")
    expected = align_scores(pd.concat(tables), "dots", "holdout", "mse")
    order = [expected.methods.index(method) for method in found.methods]
    np.testing.assert_allclose(found.means(), expected.values[order], rtol=1e-14)
    np.testing.assert_array_equal(found.samples, expected.samples)
    same = expected.stimuli[:, None] == expected.stimuli
    np.testing.assert_array_equal(found.stimuli[:, None] == found.stimuli, same)


def test_layout_refuses_what_does_not_fit():
    table = as_table(seeded({"ridge": 0.5}))
    with pytest.raises(InputError, match="none of ssim"):
        lay_out(table, "ssim")
    with pytest.raises(InputError, match="a trial twice"):
        lay_out(pd.concat([table, table]), "mse")
    other = table.assign(method="knn", stimulus="s0")
    with pytest.raises(InputError, match="disagree on what a trial showed"):
        lay_out(pd.concat([table, other]), "mse")


def test_every_figure_of_a_pair_against_its_own_function():
    scores = seeded({"ridge": 0.5, "knn": 0.58, "net": 0.45}, folds=5, seeds=3)
    table = compare(scores, "mse", n_permutations=5000)
    means = np.stack([values.mean(axis=0) for values in scores.values])
    pairs = {"knn": means[0] - means[1], "net": means[0] - means[2]}  # lower is better: reference minus method
    for name, difference in pairs.items():
        found = row(table, name)
        assert found.difference == pytest.approx(difference.mean())
        assert found.effect_size == pytest.approx(cohens_dz(difference, scores.stimuli))
        expected = paired_permutation_test(difference, scores.stimuli, n_resamples=50_000, rng=1)
        assert found.p == pytest.approx(float(expected.p_value), abs=0.01)
        by_fold = np.array([difference[scores.folds == fold].mean() for fold in range(5)])
        expected = corrected_resampled_t_test(by_fold, n_train=16, n_test=4)
        assert found.p_corrected_t == pytest.approx(float(expected.p_value))
    np.testing.assert_allclose(table.p_family, np.minimum(FAMILY * table.p, 1))
    assert set(table.n_comparisons) == {FAMILY} and set(table.least_stimuli) == {least_stimuli(FAMILY)}
    assert list(table.verdict == "not declared") == [False, False, True]
    assert list(table.columns) == [c for c in STATISTICS if c not in ("dataset", "protocol")]


def test_pairs_take_the_reference_first_and_the_earlier_method_otherwise():
    scores = seeded({"knn": 0.6, "net": 0.5, "ridge": 0.5}, encoders={"net": "gabor"})
    table = compare(scores, "mse", references=["ridge"])
    assert list(zip(table.method, table.reference, strict=True)) == [
        ("knn", "ridge"),
        ("net", "ridge"),
        ("net", "knn"),
    ]
    table = compare(scores, "mse", references=["net.gabor"])
    assert list(table.reference) == ["net.gabor", "net.gabor", "knn"]
    table = compare(scores, "mse", references=["ridge", "net.gabor"])
    assert list(zip(table.method, table.reference, strict=True)) == [
        ("knn", "ridge"),
        ("net", "ridge"),
        ("knn", "net.gabor"),
    ]
    table = compare(scores, "mse", references=["nothing"])
    assert set(table.verdict) == {"not declared"}
    assert compare(seeded({"ridge": 0.5}), "mse").empty


def test_positive_is_better_whichever_way_the_metric_goes():
    scores = seeded({"ridge": 0.5, "low": 0.3})
    lower, higher = (compare(scores, metric).iloc[0] for metric in ("mse", "ssim"))
    assert lower.difference == pytest.approx(-higher.difference) and lower.difference > 0
    assert lower.ci_low > 0 and lower.ci_low < lower.difference < lower.ci_high
    assert higher.ci_high < 0 and higher.ci_low < higher.difference < higher.ci_high
    assert (lower.conclusion, higher.conclusion) == ("better than ridge", "worse than ridge")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((True, 0.1, 0.01, np.nan, 30, 0.001), "better than ridge"),
        ((True, -0.1, 0.01, np.nan, 30, 0.001), "worse than ridge"),
        ((True, 0.1, 0.01, 0.04, 30, 0.001), "better than ridge"),
        ((True, 0.1, 0.01, 0.06, 30, 0.001), "no difference from ridge shown, not over folds"),
        ((True, 0.1, 0.05, np.nan, 30, 0.001), "no difference from ridge shown"),
        ((True, 0.1, 0.20, 0.01, 30, 0.001), "no difference from ridge shown"),
        ((True, 0.1, 0.01, np.nan, 30, 0.03), "no verdict against ridge: too few stimuli"),
        ((True, 0.1, 0.01, np.nan, 10, 0.001), "no verdict against ridge: too few stimuli"),
        ((False, 0.1, 0.01, np.nan, 30, 0.001), "no verdict against ridge: not declared beforehand"),
        ((True, np.nan, np.nan, np.nan, 0, np.nan), "not comparable with ridge: no score in common"),
    ],
)
def test_conclusions(arguments, words):
    found = verdict(*arguments, FAMILY)
    assert found in VERDICTS and conclusion(found, "ridge") == words
    brief = re.sub(" (from|against) ridge", "", words)
    assert conclusion(found, "Ridge", brief=True) == brief.replace("ridge", "Ridge")
    assert conclusion(found, "") == re.sub(" (from|than|with|against) ridge", "", words)


@pytest.mark.parametrize("comparisons", [1, 3, 20, 150])
def test_the_least_number_of_stimuli_allows_a_small_p_and_finds_a_very_large_effect(comparisons):
    """By counting sign flips, and by simulating t-tests of normal differences."""
    least, level = least_stimuli(comparisons), ALPHA / comparisons
    assert 2 / 2**least < level
    assert decidable(least, 2.0 ** (1 - least), comparisons) and not decidable(least - 1, 0.0, comparisons)
    assert not decidable(1000, level, comparisons)
    samples = np.random.default_rng(comparisons).normal(1.2, 1, (20_000, least))
    power = [(stats.ttest_1samp(samples[:, :n], 0, axis=1).pvalue < level).mean() for n in (least - 2, least)]
    assert power[0] < 0.8 + 0.01 and power[1] > 0.8 - 0.01


def test_the_default_family_needs_twenty_stimuli():
    """The number that documentation and audit state."""
    assert least_stimuli(150) == 20


def test_verdicts_and_claims_do_not_depend_on_how_many_methods_are_compared():
    many = seeded({"ridge": 0.5, "net": 0.46, **{f"m{n}": 0.5 + n / 50 for n in range(12)}}, n_stimuli=30)
    few = SeededScores(many.methods[:2], many.folds, many.samples, many.stimuli, many.values[:2])
    columns = ["p", "p_family", "verdict", "n_comparisons", "difference"]
    found = [row(compare(scores, "mse", comparisons=150), "net")[columns] for scores in (many, few)]
    pd.testing.assert_series_equal(*found, check_names=False)
    claims = [leaders(scores, "mse", comparisons=150).iloc[:2] for scores in (many, few)]
    pd.testing.assert_frame_equal(*claims)


def test_ten_stimuli_allow_no_verdict_however_large_the_difference():
    scores = seeded({"ridge": 0.9, "net": 0.1}, n_stimuli=10, noise=0.001)
    found = compare(scores, "mse", comparisons=1).iloc[0]
    assert found.p == 2**-9 and found.verdict == "better"  # a family of one, which was not declared to be one of 150
    assert compare(scores, "mse", comparisons=150).verdict[0] == "too few stimuli"


def test_conclusions_of_planted_differences():
    clear = compare(seeded({"ridge": 0.5, "net": 0.3, "same": 0.5}), "mse")
    assert row(clear, "net").conclusion == "better than ridge"
    assert row(clear, "same").conclusion == "no difference from ridge shown"
    optimistic = compare(seeded({"ridge": 0.5, "net": 0.3}), "mse", optimistic=True)
    assert optimistic.conclusion[0] == "better than ridge (optimistic protocol)"
    few = compare(seeded({"ridge": 0.5, "net": 0.1}, n_stimuli=5), "mse")
    assert few.conclusion[0] == "no verdict against ridge: too few stimuli"
    assert few.smallest_p[0] == 2.0**-4
    one_fold = seeded({"ridge": 0.5, "net": 0.5}, n_stimuli=30, folds=3, noise=0.001)
    one_fold.values[1][:, one_fold.folds == 0] -= 0.3  # all of the difference comes from one fold
    found = compare(one_fold, "mse").iloc[0]
    assert found.p_family < ALPHA <= found.p_corrected_t
    assert found.conclusion == "no difference from ridge shown, not over folds"


def test_equal_methods_differ_by_zero_without_a_sign():
    scores = seeded({"ridge": 0.5, "twin": 0.5}, seeds=1)
    scores.values[1] = scores.values[0]
    found = compare(scores, "mse").iloc[0]
    assert [f"{found[column]:g}" for column in ("difference", "ci_low", "ci_high")] == ["0"] * 3 and found.p == 1


def test_missing_values_are_left_out_of_pairs_and_counted():
    scores = seeded({"ridge": 0.5, "net": 0.4, "blank": 0.4, "part": 0.4})
    scores.values[2][:] = np.nan
    scores.values[1][:, :3] = np.nan
    scores.values[3][0, :3] = np.nan  # the other seed has a value
    table = compare(scores, "pixcorr")
    assert (row(table, "net").n_samples, row(table, "net").n_missing) == (17, 3)
    assert row(table, "net").n_stimuli == 17
    assert row(table, "part").n_missing == 0
    blank = row(table, "blank")
    assert blank.n_samples == 0 and np.isnan([blank.difference, blank.ci_low, blank.p, blank.p_family]).all()
    assert blank.conclusion == "not comparable with ridge: no score in common"


def test_the_interval_of_one_seed_is_that_of_the_differences():
    scores = seeded({"a": 0.5, "b": 0.4}, n_stimuli=15, trials=2, seeds=1)
    scores.values[0][0, 4] = np.nan
    low, high = difference_intervals(scores.values, scores.stimuli, np.array([0]), np.array([1]))
    expected = mean_interval(scores.values[0][0] - scores.values[1][0], scores.stimuli)
    np.testing.assert_allclose([low[0], high[0]], [expected.low, expected.high], rtol=1e-12)


def test_intervals_of_differences_cover_the_truth_over_stimuli_and_the_seeds_of_each_method():
    """Planted differences with effects of the stimulus, of the seed of each method, and of neither."""
    rng, held, trials = np.random.default_rng(5), 0, 400
    for _ in range(trials):
        stimulus = rng.normal(size=12)
        values = [
            mean + stimulus * slope + rng.normal(0, 0.2, (seeds, 1)) + rng.normal(0, 0.2, (seeds, 12))
            for mean, slope, seeds in ((0.5, 1.0, 5), (0.2, 0.5, 4))
        ]
        low, high = difference_intervals(values, np.arange(12), np.array([0]), np.array([1]))
        held += low[0] <= 0.3 <= high[0]
    assert 0.93 <= held / trials <= 0.99


def test_one_stimulus_has_no_bounds():
    values = [np.ones((2, 3)), np.zeros((1, 3))]
    assert np.isnan(difference_intervals(values, np.zeros(3), np.array([0]), np.array([1]))).all()


def test_fold_test_needs_folds():
    differences = np.random.default_rng(0).normal(size=(2, 12))
    assert np.isnan(fold_test(differences, np.zeros(12, int), 12)).all()
    assert np.isnan(fold_test(differences, np.repeat([0, 1], 6), 12)).all()
    differences[1, :3] = np.nan  # a whole fold
    found = fold_test(differences, np.repeat([0, 1, 2, 3], 3), 12)
    assert np.isfinite(found[0]) and np.isnan(found[1])


def test_permutations_suffice_for_many_methods():
    assert enough_permutations(10_000, 10) == 10_000
    pairs = 60 * 59 // 2
    assert pairs / (enough_permutations(10_000, pairs) + 1) < ALPHA / 2


def test_leaders_rivals_and_oracles():
    scores = seeded({"ridge": 0.5, "net": 0.2, "knn": 0.6, "class_mean_oracle": 0.0})
    clear = leaders(scores, "mse", oracles=["class_mean_oracle"])
    assert clear.decidable.all() and set(clear.n_stimuli) == {20}
    assert list(clear.method) == ["ridge", "net", "knn"]
    assert list(clear.leader) == [False, True, False] and list(clear.tied) == [False, True, False]
    assert list(clear.rival) == [True, False, False]
    both = leaders(scores, "mse", references=["ridge", "knn"], oracles=["class_mean_oracle"])
    assert list(both.rival) == [True, False, True] and both.tied.sum() == 1
    reference = leaders(seeded({"ridge": 0.2, "net": 0.5, "knn": 0.25}), "mse", references=["ridge", "knn"])
    assert reference.leader[0] and list(reference.rival) == [False, False, True]
    close = leaders(seeded({"ridge": 0.5, "net": 0.499}), "mse")
    assert close.tied.all() and close.leader.sum() == 1
    few = leaders(seeded({"ridge": 0.5, "net": 0.1, "knn": 0.9}, n_stimuli=5), "mse")
    assert not few.decidable.any() and list(few.tied) == [True, True, False]
    one_fold = seeded({"ridge": 0.5, "net": 0.5}, n_stimuli=30, folds=3, noise=0.001)
    one_fold.values[1][:, one_fold.folds == 0] -= 0.3
    assert leaders(one_fold, "mse").tied.all()
    blank = seeded({"ridge": 0.5})
    blank.values[0][:] = np.nan
    table = leaders(blank, "mse")
    assert not table.leader.any() and not table.tied.any() and np.isnan(table["mean"][0])


def leading(n_datasets, better="higher"):
    rows = []
    for dataset in range(n_datasets):
        for index, method in enumerate(("a", "b", "c")):
            rows.append(
                (f"d{dataset}", "holdout", "ssim", method, "none", 1 - 0.1 * index, False, False, False, True, 20, 20)
            )
    return pd.DataFrame(rows, columns=LEADERS)


def test_ranks_over_datasets():
    table = ranks(leading(3))
    assert list(table.columns) == RANKS
    assert list(table.method) == ["a", "b", "c"] and list(table.average_rank) == [1, 2, 3]
    assert set(table.n_datasets) == {3}
    assert table.friedman_p[0] == pytest.approx(np.exp(-3))  # chi-squared 6 with 2 degrees of freedom
    assert table.critical_difference[0] == pytest.approx(2.3437 * np.sqrt(12 / 18), rel=1e-3)
    assert ranks(leading(2)).empty
    partial = leading(3)
    partial.loc[(partial.dataset == "d1") & (partial.method == "b"), "mean"] = np.nan
    assert ranks(partial).empty  # two methods are left


def test_names():
    snap = {"method": "ridge_snap", "encoder": "none", "title": "Ridge, nearest training image"}
    runs = {"snap": snap, "net.x": {"method": "net", "encoder": "x", "title": "Net"}}
    plan = Plan.of({"runs": runs, "encoders": {"x": "Space X"}})
    assert plan.title("ridge_snap", "none") == "Ridge, nearest training image"
    assert plan.title("net_nearest", "x") == "Net (Space X), nearest training image"
    assert plan.title("net_draw", "x") == "Net (Space X), one draw"
    assert run_name("net", "x") == "net.x" and run_name("net", "none") == "net"


def test_the_stage_writes_all_tables_twice_the_same(tmp_path):
    plan = a_plan({"ridge": "Ridge", "net": "Net_&|<b>", "knn": "k-NN"}, ["a", "b", "simulated"])
    write_all(tmp_path, plan, {"ridge": 0.5, "net": 0.3, "knn": 0.501})
    files = run_stage(tmp_path, plan)
    tables = [f"{name}.{suffix}" for name in ("ablation", "statistics") for suffix in ("csv", "md", "tex")]
    assert sorted(files) == sorted([*tables, "leaders.csv", "power.csv", "power.md", "power.tex", "ranks.csv"])
    assert run_stage(tmp_path, plan) == files
    table = pd.read_csv(tmp_path / "tables/statistics.csv")
    assert list(table.columns) == STATISTICS and len(table) == 3 * 4 * 3
    assert list(pd.read_csv(tmp_path / "tables/leaders.csv").columns) == LEADERS
    assert b"true" in files["leaders.csv"]
    assert len(pd.read_csv(tmp_path / "tables/ranks.csv")) == 4 * 3
    text, tex = files["statistics.md"].decode(), files["statistics.tex"].decode()
    assert "| net |" in text and "net & " in tex
    assert "| better than ridge |" in text and "**better than ridge**" in text
    assert "1 of them simulated" in text and text.count(r"Found\_it. So what.") == 3 * 4


def test_the_stage_with_folds_few_datasets_and_no_reference(tmp_path):
    plan = a_plan({"net": "Net", "knn": "k-NN"}, ["a"], ("published",))
    write_all(tmp_path, plan, {"net": 0.3, "knn": 0.301}, folds=4)
    text = run_stage(tmp_path, plan)["statistics.md"].decode()
    assert "Ranks over datasets need 3 datasets" in text
    assert "no method is compared with it: ridge" in text
    assert "no claim: no other declared reference was run" in text
    assert pd.read_csv(tmp_path / "tables/ranks.csv").empty
    text = run_stage(tmp_path, plan, "knn")["statistics.md"].decode()
    assert "p (folds)" in text and "About published." in text and "(optimistic)" in text


def test_too_few_stimuli_are_said(tmp_path):
    plan = a_plan({"ridge": "Ridge", "net": "Net"}, ["a"])
    write_all(tmp_path, plan, {"ridge": 0.9, "net": 0.1}, n_stimuli=4)
    text = run_stage(tmp_path, plan)["statistics.md"].decode()
    assert "no verdict: 4 distinct scored images, but 11 are needed" in text
    assert "no verdict: too few stimuli" in text
    assert "| better than" not in text and "**" not in text


def test_missing_and_damaged_files_are_named(tmp_path):
    plan = a_plan({"ridge": "Ridge"}, ["a"])
    with pytest.raises(InputError, match=r"holdout/a.parquet: missing"):
        run_stage(tmp_path, plan)
    write_all(tmp_path, plan, {"ridge": 0.5})
    path = tmp_path / "scores/holdout/a.parquet"
    assert run_stage(tmp_path, plan)["statistics.csv"].decode().count("\n") == 1
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="damaged or not a score table"):
        read_scores(path, ["mse"])
    pd.DataFrame({"x": [1]}).to_parquet(path)
    with pytest.raises(InputError, match="damaged or not a score table"):
        read_scores(path, ["mse"])
