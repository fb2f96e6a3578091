"""The training loop: it learns, stops where the selection loss says, and repeats itself bit by bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_methods import honest_data, make_samples, silent, take

from cortexclip.methods import cccv1, clip_encoder
from cortexclip.methods.interface import FitData, make_settings
from cortexclip.training import loop

CCCV1 = {
    "standardise": True,
    "dropout_encoder": 0.0,
    "dropout_decoder": 0.0,
    "clip_residual_weight": 0.1,
    "epochs": 150,
    "patience": 150,
    "batch_size": 8,
    "lr": 1e-3,
    "weight_decay": 0.0,
}
CLIP = {
    "standardise": True,
    "hidden": [64, 32],
    "dropout": 0.0,
    "temperature": 0.07,
    "learn_temperature": False,
    "duplicates": "positives",
    "epochs": 100,
    "patience": 100,
    "batch_size": 8,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "readout_penalty_low": 1e-6,
    "readout_penalty_high": 1e3,
    "readout_penalty_count": 10,
}


def settings(**changes) -> loop.TrainingSettings:
    return loop.TrainingSettings(
        **{"epochs": 10, "patience": 3, "batch_size": 4, "lr": 0.1, "weight_decay": 0, **changes}
    )


def test_cccv1_overfits_eight_samples():
    samples = make_samples(8)
    decoder = cccv1.fit(FitData(samples, samples, samples), make_settings(cccv1.Settings, CCCV1, "x"), 0, silent)
    error = np.mean((decoder.predict(samples.brain).images - samples.images) ** 2)
    assert error < 0.02 * samples.images.var(axis=0).mean()


def test_the_contrastive_encoder_overfits_eight_samples():
    samples = replace(make_samples(8), embedding=np.eye(8, 12))
    data = FitData(samples, samples, samples)
    decoder = clip_encoder.fit(data, make_settings(clip_encoder.Settings, CLIP, "x"), 0, silent)
    predicted = decoder.predict(samples.brain)
    assert (np.argmax(predicted.embedding @ samples.embedding.T, axis=1) == np.arange(8)).all()
    np.testing.assert_allclose(predicted.nearest, samples.images)


def test_the_epoch_of_least_selection_loss_is_kept():
    network = torch.nn.Linear(1, 1)
    seen, losses = [], iter([5.0, 3.0, 4.0, 4.0, 4.0, 1.0])

    def select_loss():
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
        return torch.tensor(next(losses))

    training = loop.train_network(
        network, 8, lambda rows: network(torch.ones(len(rows), 1)).sum() ** 2, select_loss, settings(), 0, silent
    )
    assert training.epoch == 2
    assert len(seen) == 5  # three epochs without an improvement end it
    torch.testing.assert_close(network.state_dict()["weight"], seen[1]["weight"])
    assert not network.training


def test_without_a_selection_part_the_last_epoch_is_kept():
    network = torch.nn.Linear(1, 1)
    training = loop.train_network(
        network, 8, lambda rows: network(torch.ones(len(rows), 1)).sum() ** 2, None, settings(epochs=4), 0, silent
    )
    assert training.epoch == 4
    assert {row["quantity"] for row in training.history} == {"train_loss"}


def test_each_epoch_visits_every_sample_once_in_a_new_order():
    visited: list[list[int]] = []
    network = torch.nn.Linear(1, 1)

    def loss(rows):
        visited.append(rows.tolist())
        return network(torch.ones(len(rows), 1)).sum()

    loop.train_network(network, 9, loss, None, settings(epochs=2), 0, silent)
    first, second = sum(visited[:2], []), sum(visited[2:], [])
    assert [len(batch) for batch in visited] == [4, 5, 4, 5]  # no batch of one, which BatchNorm cannot take
    assert sorted(first) == sorted(second) == list(range(9))
    assert first != second


def test_a_loss_that_is_not_finite_stops_with_a_sentence():
    network = torch.nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="training loss is nan at epoch 1"):
        loop.train_network(
            network, 8, lambda rows: network(torch.full((4, 1), torch.nan)).sum(), None, settings(), 0, silent
        )


def test_initial_weights_follow_from_the_seed():
    first, second, other = (loop.build(lambda: torch.nn.Linear(3, 3), seed).weight for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_the_refit_uses_all_samples_for_the_chosen_number_of_epochs():
    data = honest_data()
    decoder = cccv1.fit(data, make_settings(cccv1.Settings, CCCV1 | {"epochs": 5, "patience": 5}, "x"), 0, silent)
    rows = decoder.history()
    chosen = decoder.facts()["epoch"]
    assert max(row["epoch"] for row in rows if row["stage"] == "refit") == chosen
    np.testing.assert_allclose(decoder.scaler.mean, data.final.brain.mean(axis=0))
    published = FitData(data.train, data.select, data.train)
    decoder = cccv1.fit(published, make_settings(cccv1.Settings, CCCV1 | {"epochs": 5}, "x"), 0, silent)
    assert {row["stage"] for row in decoder.history()} == {"select"}
    np.testing.assert_allclose(decoder.scaler.mean, data.train.brain.mean(axis=0))
    assert take(data.final, slice(0, 2)).brain.shape[0] == 2
