"""Collapse of predictions: dimensions, the span of the training images, and identification within clusters."""

from __future__ import annotations

import numpy as np
import pytest

from cortexclip.evaluation.metrics import pairwise_identification
from cortexclip.evaluation.spurious import (
    collapse,
    identification_within,
    image_clusters,
    participation_ratio,
    scored_clusters,
    span_share,
)

RNG = np.random.default_rng(0)


def test_equal_variances_count_as_many_dimensions():
    corners = np.array([[1, 0, 0, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, -1, 0]], float)
    assert participation_ratio(corners.reshape(6, 2, 2)) == pytest.approx(3)
    assert participation_ratio(corners[:2]) == pytest.approx(1)
    assert participation_ratio(np.ones((5, 3, 3))) == 0


def test_the_ratio_follows_from_the_variances_of_the_components():
    images = RNG.normal(size=(40, 5, 5)) * np.arange(1, 6)
    variance = np.linalg.eigvalsh(np.cov(images.reshape(40, -1).T))
    assert participation_ratio(images) == pytest.approx(variance.sum() ** 2 / (variance**2).sum())


def test_mixtures_of_training_images_lie_in_their_span_and_others_do_not():
    training = RNG.uniform(size=(6, 4, 4))
    mixtures = np.einsum("nk,kyx->nyx", RNG.dirichlet(np.ones(6), 10), training)
    assert span_share(mixtures, training) == pytest.approx(1)
    assert span_share(training, np.concatenate([training, training])) == pytest.approx(1)
    share = np.mean([span_share(RNG.normal(size=(50, 4, 4)), training) for _ in range(20)])
    assert share == pytest.approx(5 / 16, abs=0.03)  # five dimensions of sixteen
    assert np.isnan(span_share(np.repeat(training.mean(axis=0)[None], 3, axis=0), training))


def test_clusters_are_those_that_were_made():
    centres = 10 * RNG.normal(size=(4, 8))
    kind = np.repeat(np.arange(4), 5)
    found = image_clusters(centres[kind] + 0.1 * RNG.normal(size=(20, 8)), 4)
    assert len({(a, b) for a, b in zip(kind, found, strict=True)}) == 4
    assert image_clusters(np.ones((1, 3)), 4).tolist() == [0]


def test_a_method_that_only_classifies_identifies_nothing_within_its_clusters():
    """It answers the mean image of the true cluster: near certain over all, chance within."""
    centres = RNG.uniform(size=(4, 8, 8))
    cluster = np.repeat(np.arange(4), 6)
    stimuli = centres[cluster] + 0.2 * RNG.normal(size=(24, 8, 8))
    ids = np.arange(24)
    training = centres[cluster] + 0.2 * RNG.normal(size=(24, 8, 8))
    classified = np.stack([training[cluster == c].mean(axis=0) for c in cluster])
    within = identification_within(classified, stimuli, ids, cluster)
    assert pairwise_identification(classified, stimuli, ids).mean() > 0.85
    assert within.mean() == pytest.approx(0.5, abs=1e-9)  # the answer is the same for all of a cluster
    assert identification_within(stimuli, stimuli, ids, cluster).mean() == 1
    assert participation_ratio(classified) < 3.1
    assert participation_ratio(classified) < 0.6 * participation_ratio(stimuli)


def test_a_stimulus_alone_in_its_cluster_has_no_value_within():
    stimuli = RNG.uniform(size=(3, 4, 4))
    within = identification_within(stimuli[None], stimuli, np.arange(3), np.array([0, 0, 1]))
    assert np.isnan(within[0, 2])
    assert within[0, :2].tolist() == [1, 1]


def test_the_table_of_a_run_tells_a_classifier_from_a_reconstruction():
    """Two folds of four sets of images; one method answers the mean of the true set, the other the true image."""
    centres = 0.5 + 0.2 * RNG.normal(size=(4, 8, 8))
    kind = np.tile(np.repeat(np.arange(4), 4), 2)
    stimuli = centres[kind] + 0.1 * RNG.normal(size=(32, 8, 8))
    training = [centres[kind[:16]] + 0.1 * RNG.normal(size=(16, 8, 8)) for _ in range(2)]
    folds = [(np.arange(16), training[0]), (np.arange(16, 32), training[1])]
    ids, cluster = np.arange(32), scored_clusters(stimuli.reshape(32, -1), np.arange(32))
    assert len(np.unique(cluster)) == 8
    of_kind = [np.stack([images[kind[:16] == number].mean(axis=0) for number in range(4)]) for images in training]
    classified = np.stack([of_kind[row // 16][kind[row]] for row in range(32)])
    mean = np.stack([training[row // 16].mean(axis=0) for row in range(32)])
    found, exact, constant = (collapse(each[None], stimuli, ids, kind, folds) for each in (classified, stimuli, mean))
    assert found["identification"] > 0.8
    assert found["identification_within"] == pytest.approx(0.5, abs=0.12)
    assert exact["identification_within"] == 1
    assert found["dimensions"] < 3.5 < exact["dimensions"] == found["dimensions_stimuli"]
    assert found["span"] == pytest.approx(1)
    assert exact["span"] == found["span_stimuli"] < 0.95
    assert found["compared"] == 32
    assert constant["dimensions"] == 0
    assert np.isnan(constant["span"])


def test_few_images_are_two_clusters_and_many_at_most_ten():
    points = RNG.normal(size=(100, 3))
    assert len(np.unique(scored_clusters(points, np.arange(100)))) == 10
    assert len(np.unique(scored_clusters(points[:3], np.arange(3)))) == 2
    repeated = scored_clusters(np.repeat(points[:12], 3, axis=0), np.repeat(np.arange(12), 3))
    assert len(np.unique(repeated)) == 3
    assert (repeated.reshape(12, 3) == repeated[::3, None]).all()
