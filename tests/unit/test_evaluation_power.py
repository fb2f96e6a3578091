"""Power against published values, an independent integral, and simulated differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cortexclip.evaluation.power import (
    LEAST,
    images_needed,
    paired_power,
    power_of,
    simulated_power,
    standardised_interval,
)
from cortexclip.evaluation.statistics import paired_permutation_test


@pytest.mark.parametrize("effect, images", [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_images_needed_are_those_of_published_tables(effect, images):
    """G*Power 3 (Faul et al. 2007), difference of two dependent means, two-sided 0.05, power 0.8."""
    assert images_needed(effect) == images_needed(-effect) == images
    assert paired_power(effect, images - 1) < 0.8 <= paired_power(effect, images)


def test_power_is_that_of_simulated_normal_differences():
    drawn = np.random.default_rng(0).normal(0.6, 1, size=(20_000, 15))
    found = (stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean()
    assert paired_power(0.6, 15) == pytest.approx(found, abs=4 * np.sqrt(0.25 / 20_000))


def test_the_permutation_test_has_about_the_power_of_the_t_test():
    drawn = np.random.default_rng(1).normal(0.9, 1, size=(2000, 12))
    found = (paired_permutation_test(drawn, np.arange(12)).p_value < 0.05).mean()
    assert paired_power(0.9, 12) == pytest.approx(found, abs=0.04)


def test_fewer_images_than_can_be_significant_are_never_enough():
    assert 2.0 ** (1 - LEAST) < 0.05 <= 2.0 ** (2 - LEAST)
    assert paired_power(50.0, LEAST - 1) == 0 and images_needed(50.0) == LEAST
    assert images_needed(0.0) == np.inf and images_needed(1e-4) == np.inf


@pytest.mark.parametrize("effect, n", [(0.5, 10), (-0.5, 10), (0.0, 20), (6.0, 20), (-3.0, 2000), (0.001, 100_000)])
def test_the_interval_of_an_effect_inverts_the_distribution_of_t(effect, n):
    low, high = standardised_interval(effect, n)
    assert low < effect < high
    t = effect * np.sqrt(n)
    if abs(t) < 5:
        assert stats.nct.sf(t, n - 1, low * np.sqrt(n)) == pytest.approx(0.025, abs=1e-6)
        assert stats.nct.cdf(t, n - 1, high * np.sqrt(n)) == pytest.approx(0.025, abs=1e-6)


def test_simulation_agrees_where_differences_are_normal_and_not_where_they_are_not():
    normal = stats.norm.ppf((np.arange(200) + 0.5) / 200) + 0.5
    assert simulated_power(normal, 34, n_simulations=4000) == pytest.approx(0.8, abs=0.03)
    outlier = np.r_[np.full(19, 0.1), 6.0]
    found = power_of(outlier)
    assert abs(found.simulated - 0.8) > 0.05


def test_the_ends_of_the_needed_images_are_in_order_and_nothing_is_said_without_spread():
    rng = np.random.default_rng(3)
    for effect in (0.0, 0.3, 1.0, 8.0):
        found = power_of(rng.normal(effect, 1, size=20))
        assert found.needed_low <= found.needed <= found.needed_high
        assert found.n_images == 20
    assert power_of(np.zeros(10)).sd == 0 and np.isnan(power_of(np.zeros(10)).needed)
    assert np.isnan(power_of(np.array([0.1, np.nan, 0.2])).power)
