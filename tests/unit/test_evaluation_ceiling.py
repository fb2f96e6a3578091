"""The noise ceiling against its definition: simulated signal and noise of known size, and the simulated dataset's own."""

from __future__ import annotations

import numpy as np
import pytest

from cortexclip.data.simulated import simulate
from cortexclip.evaluation.ceiling import decoding_ceilings, noise_ceiling


def test_it_recovers_the_share_of_signal_with_unequal_repeats():
    rng = np.random.default_rng(0)
    share = np.array([0.0, 0.2, 0.5, 0.9])
    stimulus = np.repeat(np.arange(400), rng.integers(1, 6, size=400))
    signal = rng.normal(size=(400, 4)) * np.sqrt(share)
    brain = signal[stimulus] + rng.normal(size=(len(stimulus), 4)) * np.sqrt(1 - share)
    np.testing.assert_allclose(noise_ceiling(brain, stimulus), share, atol=0.06)


def test_it_is_the_intraclass_correlation():
    """The six targets and four judges of Shrout and Fleiss (1979), whose ICC(1,1) is 0.17."""
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    found = noise_ceiling(ratings.reshape(-1, 1), np.repeat(np.arange(6), 4))
    assert found[0] == pytest.approx(0.17, abs=0.005)


def test_the_simulated_dataset_has_the_ceiling_that_it_states():
    settings = {"train_stimuli": 300, "train_repeats": 4, "voxels": 60, "sessions": 1}
    dataset = simulate(settings, seed=0)
    train = (dataset.part == "train").values
    found = noise_ceiling(dataset.brain.values[train], dataset.stimulus.values[train])
    np.testing.assert_allclose(found, dataset.noise_ceiling.values, atol=0.12)
    assert np.corrcoef(found, dataset.noise_ceiling.values)[0, 1] > 0.9


def test_a_constant_voxel_has_none_and_repeats_are_needed():
    assert noise_ceiling(np.ones((4, 1)), np.array([0, 0, 1, 1]))[0] == 0
    for stimulus in ([0, 1, 2], [0, 0, 0]):
        with pytest.raises(ValueError, match="repeated stimuli"):
            noise_ceiling(np.zeros((3, 1)), np.array(stimulus))


def decoded(share, n_stimuli=40, repeats=4, seed=0, features=49):
    """Truth, identities and optimal predictions of independent Gaussian pixels, each seen with the given reliability."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n_stimuli, features))
    stimulus = np.repeat(np.arange(n_stimuli), repeats)
    noise = rng.normal(size=(len(stimulus), features)) * np.sqrt(1 / share - 1)
    return truth[stimulus], stimulus, (share * (truth[stimulus] + noise))[None]


@pytest.mark.parametrize("n_stimuli, repeats", [(40, 4), (12, 2)])
def test_the_optimal_decoder_of_gaussian_pixels_reaches_its_ceiling(n_stimuli, repeats):
    """Its error is the mean of 1 - share, in closed form, and nothing of it is anything but noise."""
    share, found = np.random.default_rng(1).uniform(0.1, 0.9, 49), []
    for seed in range(60):
        truth, stimulus, predicted = decoded(share, n_stimuli, repeats, seed)
        found.append(
            [decoding_ceilings(predicted, truth, stimulus)["mse"][key] for key in ("value", "ceiling", "share")]
        )
    value, ceiling, reached = np.mean(found, axis=0)
    assert value == pytest.approx((1 - share).mean(), abs=0.01)
    # negative variances of signal count as 0, which with few stimuli makes ceilings a little too good
    assert ceiling == pytest.approx((1 - share).mean(), abs=0.012 if n_stimuli > 20 else 0.02)
    assert reached == pytest.approx(1, abs=0.05)


def test_equal_pixels_reach_the_ceilings_of_correlations():
    truth, stimulus, predicted = decoded(np.full(400, 0.5), features=400)
    images = decoding_ceilings(predicted, truth, stimulus)["pixcorr"]
    features = decoding_ceilings(predicted, truth, stimulus, embedding=True)["embedding_correlation"]
    for metric in (images, features):
        assert metric["ceiling"] == pytest.approx(np.sqrt(0.5), abs=0.01)
        assert metric["share"] == pytest.approx(1, abs=0.01)
    assert features["value"] == pytest.approx(np.sqrt(0.5), abs=0.01)


def test_a_systematic_error_is_no_noise():
    truth, stimulus, predicted = decoded(np.full(49, 0.5))
    wrong = predicted[..., ::-1]  # mirrored: as noisy, and about something else
    mirrored, right = (decoding_ceilings(p, truth, stimulus)["mse"] for p in (wrong, predicted))
    assert mirrored["ceiling"] == pytest.approx(right["ceiling"], abs=0.03)
    assert mirrored["share"] < 0.3 < 0.9 < right["share"]
    assert mirrored["share_high"] < right["share_low"]


def test_no_decoder_is_better_than_its_ceiling_in_the_simulated_dataset():
    """Ridge and the decoder that knows voxels, noise and all images, from four repeats and from many more."""
    settings = {"train_stimuli": 100, "test_stimuli": 60, "test_repeats": 40, "voxels": 60, "sessions": 1}
    dataset = simulate(settings, seed=0)
    train, test = ((dataset.part == part).values for part in ("train", "test"))
    brain, images, stimulus = dataset.brain.values.astype(float), dataset.stimuli.values, dataset.stimulus.values
    flat = images.reshape(len(images), -1).astype(float)
    kernel = brain[train].T @ brain[train] + 300 * np.eye(60)
    ridge = brain[test] @ np.linalg.solve(kernel, brain[train].T @ (flat[train] - flat[train].mean(0))) + flat[
        train
    ].mean(0)
    names, which = np.unique(stimulus[test], return_inverse=True)
    noiseless = np.stack([brain[test][which == k].mean(axis=0) for k in range(len(names))])
    variance = (1 - dataset.noise_ceiling.values) / dataset.noise_ceiling.values
    log = (brain[test] / variance) @ noiseless.T - 0.5 * (noiseless**2 / variance).sum(axis=1)
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    shown = np.stack([flat[test][which == k][0] for k in range(len(names))])
    optimal = weight / weight.sum(axis=1, keepdims=True) @ shown
    few = np.flatnonzero(test)[np.concatenate([np.flatnonzero(which == k)[:4] for k in range(len(names))])]
    few = np.searchsorted(np.flatnonzero(test), few)
    shares = []
    for predicted in (ridge, optimal):
        predicted = predicted.reshape(1, -1, *images.shape[1:])
        many = decoding_ceilings(predicted, images[test], stimulus[test])["mse"]
        some = decoding_ceilings(predicted[:, few], images[test][few], stimulus[test][few])["mse"]
        assert some["ceiling"] == pytest.approx(many["ceiling"], rel=0.12)
        assert many["value"] >= many["ceiling"]
        shares.append(many["share"])
    assert shares[0] < shares[1] <= 1.0 + 0.02


def test_without_repeats_there_is_a_reason():
    truth, _, predicted = decoded(np.full(9, 0.5), n_stimuli=10, repeats=1, features=9)
    alone = decoding_ceilings(predicted, truth, np.arange(10))["mse"]
    assert np.isnan(alone["ceiling"]) and alone["reason"] == "none of the scored images were shown more than once"
    few = decoding_ceilings(predicted, truth, np.r_[0, 0, 1, 1, np.arange(2, 8)])["mse"]
    assert few["reason"] == "2 of the 8 scored images were shown more than once, 5 are needed"


def test_a_constant_answer_has_no_share():
    truth, stimulus, predicted = decoded(np.full(9, 0.5), features=9)
    found = decoding_ceilings(np.full_like(predicted, 0.5), truth, stimulus)["mse"]
    assert np.isnan(found["share"]) and found["reason"] == "predictions do not depend on the image that was shown"
