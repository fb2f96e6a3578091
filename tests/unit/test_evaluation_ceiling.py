"""The noise ceiling against its definition: simulated signal and noise of known size, and the simulated dataset's own."""

from __future__ import annotations

import numpy as np
import pytest

from cortexclip.data.simulated import simulate
from cortexclip.evaluation.ceiling import noise_ceiling


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
