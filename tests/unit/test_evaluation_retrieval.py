"""Retrieval against scikit-learn and against every order of tied items."""

import itertools

import numpy as np
import pytest
from scipy.special import comb
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score
from sklearn.metrics.pairwise import cosine_similarity

from cortexclip.errors import InputError
from cortexclip.evaluation import retrieval


@pytest.fixture(scope="module")
def untied():
    """Similarities (seed, trial, stimulus) of 40 trials of 12 stimuli, and the true stimulus of each trial."""
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(12, 30))
    true = np.concatenate([np.arange(12), rng.integers(0, 12, 28)])
    predicted = gallery[true] + rng.normal(0, 4, (3, 40, 30))
    return retrieval.similarity_matrix(predicted, gallery), true


def orders_of_ties(similarity):
    """Every ranking (best first) that agrees with the similarities."""
    for order in itertools.permutations(range(len(similarity))):
        if all(similarity[a] >= similarity[b] for a, b in itertools.pairwise(order)):
            yield order


def by_orders(similarity, correct):
    """Expected top-k for k = 1.., rank and reciprocal rank of the first correct item over the orders of ties."""
    firsts = np.array([min(order.index(item) for item in correct) + 1 for order in orders_of_ties(similarity)])
    return [(firsts <= k).mean() for k in range(1, len(similarity) + 2)], firsts.mean(), (1 / firsts).mean()


def test_similarity_equals_scikit_learn():
    rng = np.random.default_rng(1)
    predicted, gallery = rng.normal(size=(2, 5, 7)), rng.normal(size=(9, 7))
    expected = np.stack([cosine_similarity(seed, gallery) for seed in predicted])
    np.testing.assert_allclose(retrieval.similarity_matrix(predicted, gallery), expected, atol=1e-14)
    np.testing.assert_allclose(retrieval.similarity_matrix(predicted * 1e-200, gallery * 1e200), expected, atol=1e-14)


def test_similarity_of_embeddings_without_direction_is_nan():
    found = retrieval.similarity_matrix([[0, 0], [1, np.nan], [np.inf, 1], [1, 2]], [[1, 0], [0, 0]])
    np.testing.assert_array_equal(np.isnan(found), [[1, 1], [1, 1], [1, 1], [0, 1]])


def test_forward_equals_scikit_learn(untied):
    similarity, true = untied
    for seed in similarity:
        ranking = retrieval.forward_ranking(seed, true)
        for k in (1, 5, 10):
            expected = top_k_accuracy_score(true, seed, k=k, labels=np.arange(12))
            assert retrieval.top_k(ranking, k).mean() == pytest.approx(expected)
        mrr = label_ranking_average_precision_score(np.eye(12)[true], seed)  # one relevant label: 1 / rank
        assert retrieval.reciprocal_rank(ranking).mean() == pytest.approx(mrr)
        assert np.median(retrieval.expected_rank(ranking)) == np.median(
            (seed > seed[range(40), true][:, None]).sum(1) + 1
        )


def test_backward_without_repeats_is_forward_of_the_transpose():
    similarity = np.random.default_rng(2).normal(size=(4, 15, 15))
    true = np.random.default_rng(3).permutation(15)
    backward = retrieval.backward_ranking(similarity, true)
    forward = retrieval.forward_ranking(np.swapaxes(similarity[..., true], -1, -2), np.arange(15))
    for name in ("above", "tied", "own"):
        np.testing.assert_array_equal(getattr(backward, name), getattr(forward, name))
    np.testing.assert_array_equal(backward.correct, 1)
    assert backward.gallery == 15


def test_forward_ties_are_expectations_over_their_orders():
    rng = np.random.default_rng(4)
    similarity, true = rng.integers(0, 3, (20, 6)) / 4, rng.integers(0, 6, 20)
    ranking = retrieval.forward_ranking(similarity, true)
    for query in range(20):
        hits, rank, reciprocal = by_orders(similarity[query], [true[query]])
        for k, hit in enumerate(hits, start=1):
            assert retrieval.top_k(ranking, k)[query] == pytest.approx(hit)
        assert retrieval.expected_rank(ranking)[query] == pytest.approx(rank)
        assert retrieval.reciprocal_rank(ranking)[query] == pytest.approx(reciprocal)


def test_backward_ties_and_repeats_are_expectations_over_their_orders():
    rng = np.random.default_rng(5)
    true = np.array([0, 2, 0, 1, 2, 0, 4])
    similarity = rng.integers(0, 3, (10, 7, 5)) / 4
    ranking = retrieval.backward_ranking(similarity, true)
    np.testing.assert_array_equal(ranking.correct, [3, 2, 3, 1, 2, 3, 1])
    for seed, trial in np.ndindex(10, 7):
        correct = np.flatnonzero(true == true[trial])
        hits, rank, reciprocal = by_orders(similarity[seed, :, true[trial]], correct)
        for k, hit in enumerate(hits, start=1):
            assert retrieval.top_k(ranking, k)[seed, trial] == pytest.approx(hit)
        assert retrieval.expected_rank(ranking)[seed, trial] == pytest.approx(rank)
        assert retrieval.reciprocal_rank(ranking)[seed, trial] == pytest.approx(reciprocal)


def test_the_same_prediction_for_every_trial_is_at_chance_backward():
    rng = np.random.default_rng(6)
    true = np.repeat(np.arange(6), [1, 2, 3, 4, 5, 6])
    similarity = retrieval.similarity_matrix(np.tile(rng.normal(size=9), (21, 1)), rng.normal(size=(6, 9)))
    ranking = retrieval.backward_ranking(similarity, true)
    for k in (1, 5, 10, 30):
        chance = retrieval.chance_top_k(21, k, ranking.correct)
        np.testing.assert_allclose(retrieval.top_k(ranking, k), chance)
        np.testing.assert_allclose(chance, 1 - comb(21 - ranking.correct, k) / max(comb(21, k), 1))


def test_the_same_prediction_for_every_trial_is_at_chance_forward():
    """Every stimulus once: the mean over trials is exactly chance whatever the prediction."""
    rng = np.random.default_rng(7)
    similarity = retrieval.similarity_matrix(np.tile(rng.normal(size=9), (12, 1)), rng.normal(size=(12, 9)))
    ranking = retrieval.forward_ranking(similarity, np.arange(12))
    assert retrieval.top_k(ranking, 5).mean() == pytest.approx(retrieval.chance_top_k(12, 5))
    assert retrieval.expected_rank(ranking).mean() == pytest.approx(retrieval.chance_rank(12))
    assert retrieval.reciprocal_rank(ranking).mean() == pytest.approx(retrieval.chance_reciprocal_rank(12))


def test_rounding_does_not_break_a_tie():
    rng = np.random.default_rng(8)
    gallery = rng.normal(size=(33, 512))
    gallery[32] = 3 * gallery[0]
    ranking = retrieval.forward_ranking(retrieval.similarity_matrix(rng.normal(size=(33, 512)), gallery), np.arange(33))
    np.testing.assert_array_equal(ranking.tied, [1] + [0] * 31 + [1])


def test_gallery_smaller_than_k_is_always_hit():
    ranking = retrieval.forward_ranking(np.random.default_rng(9).normal(size=(6, 3)), [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(retrieval.top_k(ranking, 3), 1)
    np.testing.assert_array_equal(retrieval.top_k(ranking, 10), 1)
    assert retrieval.chance_top_k(3, 10) == 1


def test_prediction_without_direction_is_nan_forward_and_leaves_no_backward_ranking():
    rng = np.random.default_rng(10)
    predicted = rng.normal(size=(2, 4, 5))
    predicted[1, 2] = 0
    similarity = retrieval.similarity_matrix(predicted, rng.normal(size=(4, 5)))
    forward, backward = (
        rank(similarity, np.arange(4)) for rank in (retrieval.forward_ranking, retrieval.backward_ranking)
    )
    for figure in (lambda r: retrieval.top_k(r, 1), retrieval.expected_rank, retrieval.reciprocal_rank):
        np.testing.assert_array_equal(np.isnan(figure(forward)), [[0, 0, 0, 0], [0, 0, 1, 0]])
        np.testing.assert_array_equal(np.isnan(figure(backward)), [[0, 0, 0, 0], [1, 1, 1, 1]])


def test_single_trial_is_a_gallery_of_one_trial():
    ranking = retrieval.backward_ranking(np.array([[0.2, 0.9]]), [0])
    assert ranking.gallery == 1 and retrieval.top_k(ranking, 1) == [1.0]


def test_chance_of_a_mean_gallery_size_is_interpolated():
    middle = (retrieval.chance_reciprocal_rank(9) + retrieval.chance_reciprocal_rank(10)) / 2
    assert retrieval.chance_reciprocal_rank(9.5) == pytest.approx(middle)
    assert retrieval.chance_reciprocal_rank(2) == pytest.approx(0.75)


def test_arrays_that_do_not_fit_are_named():
    with pytest.raises(InputError, match="same features"):
        retrieval.similarity_matrix(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(InputError, match=r"0\.\.2"):
        retrieval.forward_ranking(np.ones((2, 3)), [0, 3])
