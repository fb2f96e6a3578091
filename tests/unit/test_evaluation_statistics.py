"""Statistics against scipy, worked examples of their papers, plain loops, and simulations of what they promise."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cortexclip.errors import InputError
from cortexclip.evaluation import statistics
from cortexclip.evaluation.statistics import (
    SUMMARY_COLUMNS,
    average_ranks,
    cohens_dz,
    corrected,
    corrected_resampled_t_test,
    friedman_test,
    groups_not_different,
    mean_interval,
    median_interval,
    nemenyi_critical_difference,
    paired_permutation_test,
    skewed_bounds,
    summarise,
    variance_of_mean,
)
from cortexclip.runtime.seeds import derive_seed

# Ranks of four variants of C4.5 on 14 datasets: Demsar (2006), table 6.
DEMSAR_RANKS = np.array(
    [
        [4, 3, 2, 1],
        [1, 2, 3, 4],
        [4, 1, 2, 3],
        [4, 1, 3, 2],
        [4, 2, 3, 1],
        [1, 2.5, 4, 2.5],
        [3, 2, 4, 1],
        [2.5, 2.5, 4, 1],
        [4, 3, 2, 1],
        [2.5, 2.5, 2.5, 2.5],
        [4, 2.5, 1, 2.5],
        [3, 2, 4, 1],
        [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)


def crossed(rng, clusters=12, seeds=4, trials=2, missing=0.1):
    """Values with effects of stimulus and seed, in random order, some missing."""
    shape = clusters, trials, seeds
    values = rng.normal(size=(clusters, 1, 1)) + 0.5 * rng.normal(size=seeds) + 0.5 * rng.normal(size=shape)
    values[rng.random(shape) < missing] = np.nan
    cluster = np.broadcast_to(np.arange(clusters)[:, None, None], shape).ravel()
    seed = np.broadcast_to(np.arange(seeds), shape).ravel()
    order = rng.permutation(values.size)
    return values.ravel()[order], cluster[order], seed[order]


def test_bootstrap_of_a_median_equals_copying_values():
    """The same drawn items, with the resample written out value by value."""
    values, cluster, seed = crossed(np.random.default_rng(0))
    found = median_interval(values, cluster, seed, n_resamples=200, rng=5)
    rng, estimates = np.random.default_rng(5), []
    drawn_clusters = rng.integers(0, 12, (200, 12))
    drawn_seeds = rng.integers(0, 4, (200, 4))
    for clusters, seeds in zip(drawn_clusters, drawn_seeds, strict=True):
        sample = [values[(cluster == c) & (seed == s)] for c in clusters for s in seeds]
        estimates.append(np.nanmedian(np.concatenate(sample)))
    assert found.estimate == pytest.approx(np.nanmedian(values))
    np.testing.assert_allclose([found.low, found.high], np.quantile(estimates, [0.025, 0.975]), rtol=1e-10)
    assert (found.n_clusters, found.n_seeds, found.n_missing) == (12, 4, int(np.isnan(values).sum()))


def test_the_interval_of_a_symmetric_sample_is_that_of_t():
    half = np.random.default_rng(1).exponential(size=8)
    values = np.concatenate([1 + half, 1 - half])
    found = mean_interval(values, np.arange(16))
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high], rtol=1e-6)


def test_the_bound_on_the_side_of_the_tail_solves_halls_transformation():
    values = np.random.default_rng(2).exponential(size=12)
    found = mean_interval(values, np.arange(12))
    reach = stats.t.ppf(0.975, 11)
    t = (values.mean() - found.high) / stats.sem(values)
    skew = stats.skew(values) / np.sqrt(12)
    assert t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6 == pytest.approx(-reach)
    assert found.low == pytest.approx(values.mean() - reach * stats.sem(values))  # the other one is that of t
    mirrored = mean_interval(-values, np.arange(12))
    np.testing.assert_allclose([mirrored.low, mirrored.high], [-found.high, -found.low])


def test_trials_of_a_stimulus_are_no_further_evidence():
    values = np.random.default_rng(3).normal(size=10)
    once = mean_interval(values, np.arange(10))
    often = mean_interval(np.repeat(values, 7), np.repeat(np.arange(10), 7))
    np.testing.assert_allclose([once.low, once.high], [often.low, often.high])


def covered(draw, truth, n, simulations=20_000):
    """Shares of samples whose interval holds the mean: this project's, and Student's."""
    samples = draw((simulations, n))
    mean = samples.mean(axis=1)
    low, high = skewed_bounds(mean, *variance_of_mean(samples - mean[:, None]), n - 1)
    reach = stats.t.ppf(0.975, n - 1) * stats.sem(samples, axis=1)
    return np.mean((low <= truth) & (truth <= high)), np.mean(np.abs(mean - truth) <= reach)


@pytest.mark.parametrize("n", [10, 12, 15, 20, 50])
def test_few_stimuli_of_a_skewed_population_are_covered(n):
    """Gamma of shape 2, skewness 1.4. The standard error of these shares is 0.0016."""
    rng = np.random.default_rng(n)
    ours, student = covered(lambda shape: rng.gamma(2, size=shape), 2, n)
    assert ours >= 0.93 and ours > student
    assert covered(lambda shape: rng.normal(size=shape), 0, n)[0] == pytest.approx(0.953, abs=0.008)


def test_intervals_cover_the_truth_where_trials_and_seeds_are_crossed():
    """The standard error of this share is 0.01; what is particular to a value is counted twice, so it is above 0.95."""
    rng, hits = np.random.default_rng(0), 0
    cluster, _, seed = (axis.ravel() for axis in np.indices((12, 2, 5)))
    for _ in range(500):
        values = rng.normal(size=(12, 1, 1)) + rng.normal(0, 0.3, 5) + 0.3 * rng.normal(size=(12, 2, 5))
        found = mean_interval(values.ravel(), cluster, seed)
        hits += found.low <= 0 <= found.high
    assert 0.93 <= hits / 500 <= 0.985


def test_seeds_that_differ_make_an_interval_wider():
    rng = np.random.default_rng(2)
    shape = 50, 6
    cluster, seed = (axis.ravel() for axis in np.indices(shape))
    same, differing = rng.normal(size=shape), rng.normal(size=6) + rng.normal(size=shape)
    widths = [(found := mean_interval(values.ravel(), cluster, seed)).high - found.low for values in (same, differing)]
    assert widths[1] > 2 * widths[0]


def test_one_stimulus_or_nothing_has_no_interval_and_equal_values_one_without_width():
    one = mean_interval([1.0, 3.0], ["a", "a"])
    assert one.estimate == 2 and np.isnan([one.low, one.high]).all() and one.n_clusters == 1
    for interval in (mean_interval, median_interval):
        none = interval([np.nan, np.inf], ["a", "b"])
        assert np.isnan([none.estimate, none.low, none.high]).all() and none.n_missing == 2
        single = interval([1.0], ["a"])
        assert single.estimate == 1 and np.isnan(single.low)
        same = interval([0.1, 0.1, 0.1], ["a", "b", "c"])
        np.testing.assert_allclose([same.low, same.high], 0.1, rtol=1e-12)


def test_bootstrap_survives_resamples_without_a_value():
    found = median_interval([1.0, 2.0], ["a", "b"], [0, 1], n_resamples=500)
    assert found.estimate == 1.5 and (found.low, found.high) == (1, 2)


def test_bootstrap_is_the_same_for_the_same_seed_and_in_chunks(monkeypatch):
    values, cluster, seed = crossed(np.random.default_rng(3))
    first, again = (median_interval(values, cluster, seed, rng=4) for _ in range(2))
    assert first == again
    monkeypatch.setattr(statistics, "CHUNK", 500)
    chunked = median_interval(values, cluster, seed, rng=4)
    np.testing.assert_allclose([chunked.low, chunked.high], [first.low, first.high], atol=0.1)


def test_intervals_refuse_what_does_not_fit():
    with pytest.raises(InputError, match="three arrays"):
        mean_interval([1.0, 2.0], ["a"])
    with pytest.raises(InputError, match="level 95"):
        mean_interval([1.0, 2.0], ["a", "b"], level=95)
    with pytest.raises(InputError, match="n_resamples 0"):
        median_interval([1.0, 2.0], ["a", "b"], n_resamples=0)


@pytest.fixture
def scores():
    """Two methods on 20 trials (10 stimuli, 2 folds), the first with 3 seeds, the second with one."""
    rng, rows = np.random.default_rng(4), []
    for method, encoder, seeds in [("ridge", "none", 1), ("cccv1", "vitb32", 3)]:
        for metric in ("mse", "rank_test"):
            for seed in range(seeds):
                for sample in range(20):
                    value = np.nan if (metric, sample, seed) == ("mse", 5, 0) else rng.exponential()
                    names = "vangerven", "cv10", method, encoder
                    rows.append((*names, sample // 10, seed, sample % 15, f"s{sample % 10}", metric, value))
    columns = ["dataset", "protocol", "method", "encoder", "fold", "seed", "sample", "stimulus", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_summary_equals_a_plain_computation(scores):
    summary = summarise(scores, base_seed=7, n_resamples=300)
    assert list(summary.columns) == SUMMARY_COLUMNS
    assert list(summary["method"]) == ["cccv1"] * 3 + ["ridge"] * 3
    assert list(summary["metric"]) == ["mse", "rank_test", "median_rank_test"] * 2
    for row in summary.itertuples():
        source = row.metric.removeprefix("median_")
        cell = scores[(scores["method"] == row.method) & (scores["metric"] == source)]
        grouped = cell["value"], cell["stimulus"], cell["seed"]
        expected = mean_interval(*grouped)
        if source != row.metric:
            rng = derive_seed(7, "vangerven", "cv10", row.method, row.encoder, row.metric)
            expected = median_interval(*grouped, n_resamples=300, rng=rng)
        found = [row.mean, row.ci_low, row.ci_high]
        bounds = np.clip([expected.low, expected.high], 1 if "rank" in row.metric else 0, None)  # the metric's range
        np.testing.assert_allclose(found, [expected.estimate, *bounds], rtol=1e-12)
        assert (row.n_samples, row.n_seeds) == (20, 3 if row.method == "cccv1" else 1)
        assert row.n_missing == (source == "mse")


def test_summary_of_a_cell_depends_on_nothing_else(scores):
    whole = summarise(scores, n_resamples=100)
    cell = summarise(scores[scores["method"] == "ridge"], n_resamples=100)
    pd.testing.assert_frame_equal(whole[whole["method"] == "ridge"].reset_index(drop=True), cell)
    categories = scores.astype({name: "category" for name in ("dataset", "protocol", "method", "metric", "stimulus")})
    pd.testing.assert_frame_equal(summarise(categories, n_resamples=100), whole)
    assert not summarise(scores, base_seed=1, n_resamples=100).equals(whole)


def test_summary_keeps_a_cell_without_values(scores):
    scores.loc[scores["method"] == "ridge", "value"] = np.nan
    summary = summarise(scores, n_resamples=50)
    empty = summary[summary["method"] == "ridge"]
    assert empty[["mean", "ci_low", "ci_high"]].isna().all(axis=None)
    assert (empty["n_missing"] == 20).all() and (empty["n_samples"] == 20).all() and (empty["n_seeds"] == 1).all()


def test_summary_of_no_rows_and_of_a_foreign_table(scores):
    assert list(summarise(scores.iloc[:0]).columns) == SUMMARY_COLUMNS
    with pytest.raises(InputError, match="fold, value"):
        summarise(scores.drop(columns=["fold", "value"]))
    with pytest.raises(InputError, match="encoder"):
        summarise(scores.assign(encoder=None))


def test_permutation_equals_scipy_exactly():
    rng = np.random.default_rng(5)
    differences = rng.normal(0.3, 1, (6, 11))
    test = paired_permutation_test(differences, np.arange(11))
    assert test.exact and test.smallest_p[0] == 2**-10
    for row, p_value in zip(differences, test.p_value, strict=True):
        expected = stats.permutation_test((row,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert p_value == pytest.approx(expected.pvalue, abs=1e-12)


def test_permutation_of_signed_ranks_is_wilcoxon():
    differences = np.random.default_rng(6).normal(0.4, 1, 13)
    signed = np.sign(differences) * stats.rankdata(np.abs(differences))
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert paired_permutation_test(signed, np.arange(13)).p_value == pytest.approx(expected, abs=1e-12)


def test_permutation_flips_whole_stimuli():
    rng = np.random.default_rng(7)
    differences, clusters = rng.normal(0.4, 1, 30), rng.permutation(np.repeat(np.arange(10), 3))
    sums = np.array([differences[clusters == cluster].sum() for cluster in range(10)])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 10)).reshape(10, -1).T
    expected = np.mean(np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12)
    test = paired_permutation_test(differences, clusters)
    assert test.p_value == expected
    assert (test.n_pairs, test.n_clusters) == (30, 10)
    assert test.mean_difference == pytest.approx(differences.mean())


def test_random_flips_agree_with_enumeration_and_are_never_zero():
    rng = np.random.default_rng(8)
    differences, clusters = rng.normal(0.4, 1, (20, 14)), np.arange(14)
    exact = paired_permutation_test(differences, clusters)
    drawn = paired_permutation_test(differences, clusters, max_exact=0, rng=1)
    assert exact.exact and not drawn.exact
    np.testing.assert_allclose(drawn.p_value, exact.p_value, atol=4 * np.sqrt(0.25 / 10_000))
    certain = paired_permutation_test(np.ones(60), np.arange(60), n_resamples=999)
    assert certain.p_value == certain.smallest_p == 1 / 1000


def test_permutation_without_values_or_differences():
    test = paired_permutation_test([[0, 0, 0], [np.nan] * 3, [np.nan, 2, np.nan]], ["a", "b", "c"])
    np.testing.assert_array_equal(test.p_value, [1, np.nan, 1])
    np.testing.assert_array_equal(test.mean_difference, [0, np.nan, 2])
    np.testing.assert_array_equal(test.n_pairs, [3, 0, 1])
    assert paired_permutation_test([2.0, 3.0], ["a", "a"]).p_value == 1
    with pytest.raises(InputError, match="at least one trial"):
        paired_permutation_test(np.zeros((2, 0)), [])


@pytest.mark.parametrize("clusters", [12, 40])
def test_permutation_holds_its_false_positive_rate_with_repeated_stimuli(clusters):
    """Where trials of a stimulus are alike, flipping single trials would find far too much."""
    rng = np.random.default_rng(9)
    simulations, trials = 1500, 4
    effects = rng.standard_t(4, size=(simulations, clusters, 1))
    differences = (effects + 0.5 * rng.normal(size=(simulations, clusters, trials))).reshape(simulations, -1)
    cluster = np.repeat(np.arange(clusters), trials)
    found = paired_permutation_test(differences, cluster, n_resamples=1000).p_value <= 0.05
    assert found.mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / simulations))
    naive = paired_permutation_test(differences, np.arange(clusters * trials), n_resamples=200).p_value <= 0.05
    assert naive.mean() > 0.2


def test_correction_is_by_the_declared_number_of_comparisons():
    np.testing.assert_allclose(corrected([0.01, np.nan, 0.03], 20), [0.2, np.nan, 0.6])
    np.testing.assert_allclose(corrected([0.2], 20), [1])


def test_corrected_t_test_is_the_t_test_but_for_its_variance():
    differences = np.random.default_rng(11).normal(0.2, 1, (5, 10))
    plain = stats.ttest_1samp(differences, 0, axis=1)
    uncorrected = corrected_resampled_t_test(differences, n_train=1, n_test=1e-300)
    np.testing.assert_allclose(uncorrected.p_value, plain.pvalue)
    interval = plain.confidence_interval()
    np.testing.assert_allclose([uncorrected.low, uncorrected.high], [interval.low, interval.high])
    corrected = corrected_resampled_t_test(differences, n_train=90, n_test=10)
    # (1/10 + 1/9) instead of 1/10.
    np.testing.assert_allclose(corrected.statistic, plain.statistic / np.sqrt(19 / 9))
    assert corrected.dof == 9 and (corrected.p_value > uncorrected.p_value).all()


def test_corrected_t_test_by_hand():
    test = corrected_resampled_t_test([1.0, 2.0, 3.0], n_train=20, n_test=10)
    assert test.statistic == pytest.approx(2 / np.sqrt((1 / 3 + 1 / 2) * 1))
    assert test.p_value == pytest.approx(2 * stats.t.sf(2.19089, 2), rel=1e-5)


def test_corrected_t_test_without_variance_or_folds():
    assert corrected_resampled_t_test([0.0, 0.0], 9, 1).p_value == 1
    assert corrected_resampled_t_test([0.1] * 10, 9, 1).p_value == 0
    assert np.isnan(corrected_resampled_t_test([0.1], 9, 1).p_value)
    assert np.isnan(corrected_resampled_t_test([0.1, np.nan, 0.2], 9, 1).p_value)
    with pytest.raises(InputError, match="n_train 0"):
        corrected_resampled_t_test([0.1, 0.2], 0, 1)


def test_corrected_t_test_holds_where_folds_overlap():
    """Differences of means over random tenths of one sample set, correlated as Nadeau and Bengio assume."""
    rng = np.random.default_rng(12)
    folds, ratio = 10, 1 / 9
    correlation = ratio / (1 + ratio)
    shared = np.sqrt(correlation) * rng.normal(size=(4000, 1))
    differences = shared + np.sqrt(1 - correlation) * rng.normal(size=(4000, folds))
    assert (corrected_resampled_t_test(differences, 9, 1).p_value < 0.05).mean() == pytest.approx(0.05, abs=0.014)
    assert (stats.ttest_1samp(differences, 0, axis=1).pvalue < 0.05).mean() > 0.1


def test_effect_size_is_unbiased_and_of_stimuli():
    rng = np.random.default_rng(13)
    differences = rng.normal(0.8, 1, (20_000, 6))
    assert cohens_dz(differences, np.arange(6)).mean() == pytest.approx(0.8, abs=0.02)
    one = differences[0]
    uncorrected = one.mean() / one.std(ddof=1)
    assert cohens_dz(one, np.arange(6)) == pytest.approx(uncorrected * (1 - 3 / (4 * 5 - 1)), rel=5e-3)
    repeated = np.repeat(one, 5) + np.tile([-1, -0.5, 0, 0.5, 1], 6)
    assert cohens_dz(repeated, np.repeat(np.arange(6), 5)) == pytest.approx(cohens_dz(one, np.arange(6)))


def test_effect_size_without_variance_or_stimuli():
    assert np.isnan(cohens_dz([0.1, 0.1, 0.1, 0.1], np.arange(4)))
    assert np.isnan(cohens_dz([0.1, 0.4, np.nan], np.arange(3)))
    assert np.isfinite(cohens_dz([0.1, 0.4, np.nan, 0.2], np.arange(4)))


def test_ranks_friedman_and_nemenyi_of_demsars_example():
    ranks = average_ranks(DEMSAR_RANKS, higher_is_better=False)
    np.testing.assert_allclose(ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert 0 < friedman_test(DEMSAR_RANKS) < stats.chi2.sf(9.28, 3)  # which is not corrected for ties
    assert nemenyi_critical_difference(4, 14, 0.05) == pytest.approx(1.25, abs=0.005)
    assert nemenyi_critical_difference(4, 14, 0.10) == pytest.approx(1.12, abs=0.005)
    assert groups_not_different(ranks, nemenyi_critical_difference(4, 14, 0.05)) == [(3, 1, 2, 0)]
    assert groups_not_different(ranks, nemenyi_critical_difference(4, 14, 0.10)) == [(3, 1, 2), (2, 0)]


@pytest.mark.parametrize(
    ("n_methods", "q05", "q10"),
    [(2, 1.960, 1.645), (3, 2.343, 2.052), (4, 2.569, 2.291), (5, 2.728, 2.459), (7, 2.949, 2.693), (10, 3.164, 2.920)],
)
def test_nemenyi_equals_demsars_table(n_methods, q05, q10):
    scale = np.sqrt(n_methods * (n_methods + 1) / 6)
    assert nemenyi_critical_difference(n_methods, 1, 0.05) / scale == pytest.approx(q05, abs=1e-3)
    assert nemenyi_critical_difference(n_methods, 1, 0.10) / scale == pytest.approx(q10, abs=1e-3)


def test_friedman_of_complete_agreement_and_of_no_difference():
    assert friedman_test(np.tile([1.0, 2, 3], (5, 1))) == pytest.approx(stats.chi2.sf(10, 2))
    assert friedman_test(np.ones((5, 3))) == 1


def test_ranks_need_complete_scores():
    np.testing.assert_array_equal(average_ranks([[0.9, 0.5, 0.9]], higher_is_better=True), [1.5, 3, 1.5])
    with pytest.raises(InputError, match="1 missing"):
        average_ranks([[0.9, np.nan]], higher_is_better=True)
    with pytest.raises(InputError, match="expected at least 2 and 3"):
        friedman_test([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(InputError, match="1 methods"):
        nemenyi_critical_difference(1, 5)


def test_groups_are_the_largest_that_lie_within_the_difference():
    assert groups_not_different([1.0, 2.0, 3.5, 3.6, 6.0], 1.6) == [(0, 1), (1, 2), (2, 3)]
    assert groups_not_different([3.0, 1.0, 2.0], 1.0) == []
    assert groups_not_different([3.0, 1.0, 2.0], 1.5) == [(1, 2), (2, 0)]
    assert groups_not_different([2.0, 2.0, 2.0], 0.1) == [(0, 1, 2)]
    assert groups_not_different([1.0], 1.0) == []
