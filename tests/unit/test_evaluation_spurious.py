"""Collapse of predictions: dimensions, the span of the training images, and identification within clusters."""

from __future__ import annotations

import numpy as np
import pytest

from cortexclip.audit.stimuli import Fold, check_nearness, nearest
from cortexclip.configuration.schema import read_yaml
from cortexclip.evaluation.metrics import pairwise_identification
from cortexclip.evaluation.spurious import (
    collapse,
    identification_within,
    image_clusters,
    participation_ratio,
    scored_clusters,
    span_share,
)
from cortexclip.methods.catalogue import load_method
from cortexclip.methods.interface import FitData, Samples

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


def planted(rng, clustered, n=120, cluster_count=4):
    """Images of 8 x 8 in few clusters, or each its own, and responses that are linear in them; 90 train, 30 are scored."""
    centres = rng.uniform(size=(cluster_count, 8, 8))
    kind = np.arange(n) % cluster_count
    images = centres[kind] if clustered else np.full((n, 8, 8), 0.5)
    images = np.clip(images + rng.normal(0, 0.05 if clustered else 0.2, images.shape), 0, 1)
    brain = images.reshape(n, -1) @ rng.normal(size=(64, 100)) + 0.1 * rng.normal(size=(n, 100))
    samples = Samples(brain, images, np.arange(n), np.full(n, -1), np.full(n, -1))
    return samples.take(np.arange(90)), samples.take(np.arange(90, n)), kind


def decoded(name, train, scored):
    """What a method answers, and `collapse` of it with the clusters that the images of `scored` have."""
    entry = read_yaml("config/methods.yaml")[name]
    settings = {**entry["settings"], **({"clusters": 4} if "clusters" in entry["settings"] else {})}
    method = load_method(entry["module"]).configured(settings, name)
    decoder = method.fit(FitData(train, train, train), 3, print)
    images = decoder.predict(scored.brain).images
    cluster = image_clusters(scored.pixels, 4)
    found = collapse(images[None], scored.images, scored.stimulus, cluster, [(np.arange(len(scored)), train.images)])
    return images, found


@pytest.mark.parametrize("seed", range(3))
def test_a_control_that_only_classifies_is_found_on_clustered_images_and_a_decoder_is_not(seed):
    train, scored, _ = planted(np.random.default_rng(seed), clustered=True)
    for name in ("cluster_mean", "cluster_random"):
        images, found = decoded(name, train, scored)
        assert found["identification"] > 0.85
        assert abs(found["identification_within"] - 0.5) < 0.1
        assert found["span"] == pytest.approx(1)
    images, found = decoded("cluster_mean", train, scored)
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) <= 4 and found["dimensions"] <= 4 - 1
    _, found = decoded("ridge", train, scored)
    assert found["identification_within"] > 0.9


def test_on_clean_images_a_decoder_has_not_collapsed():
    train, scored, _ = planted(np.random.default_rng(5), clustered=False)
    _, found = decoded("ridge", train, scored)
    assert found["identification_within"] > 0.9 and found["dimensions"] > 0.7 * found["dimensions_stimuli"]
    _, classified = decoded("cluster_mean", train, scored)
    assert classified["dimensions"] <= 3 < found["dimensions"]


def test_few_repeated_images_are_decoded_themselves_and_random_answers_follow_from_the_seed():
    rng = np.random.default_rng(6)
    images = rng.uniform(size=(5, 8, 8))
    shown = np.arange(60) % 5
    brain = images[shown].reshape(60, -1) @ rng.normal(size=(64, 40)) + 0.1 * rng.normal(size=(60, 40))
    samples = Samples(brain, images[shown], shown, np.full(60, -1), np.full(60, -1))
    for name in ("cluster_mean", "cluster_random"):
        entry = read_yaml("config/methods.yaml")[name]
        method = load_method(entry["module"]).configured(entry["settings"], name)
        np.testing.assert_allclose(
            method.fit(FitData(samples, samples, samples), 0, print).predict(brain).images, images[shown]
        )
    train, scored, _ = planted(rng, clustered=True)
    answers = [decoded("cluster_random", train, scored)[0] for _ in range(2)]
    np.testing.assert_array_equal(*answers)
    known = {image.tobytes() for image in train.images}
    assert all(image.tobytes() in known for image in answers[0])


def test_nearness_is_that_of_a_plain_loop_and_finds_clusters():
    rng = np.random.default_rng(7)
    medians = {}
    for clustered in (True, False):
        train, scored, _ = planted(rng, clustered)
        images = np.concatenate([train.images, scored.images, train.images[:1]])
        stimulus = np.array([*range(120), 0])
        folds = [Fold(np.arange(90), np.arange(90, 121))]
        table = nearest(folds, stimulus, images)
        assert list(table.stimulus) == [0, *range(90, 120)] and list(table.seen) == [True, *[False] * 30]
        correlation = np.corrcoef(images.reshape(121, -1))
        expected = [1, *(correlation[at, :90].max() for at in range(90, 120))]
        np.testing.assert_allclose(table.similarity, expected)
        vectors = rng.normal(size=(121, 6))
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        found = nearest(folds, stimulus, images, vectors).similarity
        np.testing.assert_allclose(found[1:], (unit[90:120] @ unit[:90].T).max(axis=1))
        medians[clustered] = check_nearness({"pixels": table}).numbers["pixels_q50"]
    assert medians[True] > 0.9 and medians[False] < 0.6
