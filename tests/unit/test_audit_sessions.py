"""Sessions: whether they predict the images, whether responses carry them, and what ridge gains by its own session."""

from __future__ import annotations

import numpy as np
import pytest

from cortexclip.audit.sessions import (
    ALPHA,
    check_sessions,
    check_sessions_seen,
    image_association,
    ridge_left_out,
    session_decoding,
    session_groups,
    set_association,
)
from cortexclip.audit.stimuli import Fold


def simulated(seed, *, confined=True, offset=0.0, n_images=16, n_groups=4, sessions=8, repeats=1, n_voxels=60):
    """Responses that are linear in the images, and an offset of every session.

    ``confined`` gives each group of sessions images of its own, each shown in every session of the group; else each
    session shows ``n_images / n_groups`` images at random.
    """
    rng = np.random.default_rng(seed)
    images = rng.uniform(size=(n_images, 6, 6))
    own = n_images // n_groups
    shown, session = [], []
    for number in range(sessions):
        start = own * (number % n_groups)
        these = np.arange(start, start + own) if confined else rng.permutation(n_images)[:own]
        shown += [*these] * repeats
        session += [number] * own * repeats
    shown, session = np.array(shown), np.array(session)
    mixing = rng.normal(size=(36, n_voxels)) / 6
    brain = (images[shown].reshape(-1, 36) - 0.5) @ mixing + 0.3 * rng.normal(size=(len(shown), n_voxels))
    brain += offset * rng.normal(size=(sessions, n_voxels))[session]
    return brain, images[shown], np.array([f"s{i}" for i in shown]), session


def findings(data, seed=0, folds=()):
    return {found.check: found for found in check_sessions(*data, list(folds), seed)}


def test_sessions_that_share_an_image_are_one_group():
    stimulus = np.array(["a", "b", "b", "c", "d", "e", "e"])
    session = np.array([3, 3, 5, 5, 8, 8, 9])
    assert session_groups(stimulus, session).tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_the_share_between_sessions_is_that_of_a_closed_form():
    """Two sessions of one image each, black and white: all of the variance; images balanced over them: none."""
    images = np.array([0.0, 1.0])[:, None, None] * np.ones((2, 3, 3))
    order = np.array([0, 0, 0, 1, 1, 1])
    assert image_association(images[order], np.array([1, 1, 1, 2, 2, 2]), 0).value == pytest.approx(1)
    balanced = image_association(images[np.array([0, 1, 0, 1])], np.array([1, 1, 2, 2]), 0)
    assert balanced.value == pytest.approx(0)
    assert balanced.p_value == 1


def test_sets_of_images_are_found_where_sessions_share_them_or_none():
    images, session = np.tile(np.arange(4), 4), np.repeat(np.arange(4), 4)
    apart = images + 4 * (session % 2)  # sessions 0 and 2 show 0 to 3, the others 4 to 7
    found = set_association(apart, session, 0)
    assert found.value == pytest.approx(2 + 4 * 4**2 / (1 + 16**2))
    assert found.p_value <= ALPHA
    assert set_association(images, session, 0).p_value == 1  # all show the same
    assert set_association(np.arange(16), session, 0).p_value == 1  # none is shown again


def test_sessions_with_images_of_their_own_and_responses_that_carry_them_are_serious():
    found = findings(simulated(1, offset=0.5))
    assert found["session_images"].severity == "serious"
    assert "8 sessions are 4 groups that share no image" in found["session_images"].message
    assert found["session_decoded"].severity == "notable"
    assert found["session_decoded"].numbers["within_images"] == 1
    assert found["session_decoded"].numbers["accuracy"] > 0.9


def test_the_error_of_the_session_mean_is_that_of_the_other_samples():
    data = simulated(1, offset=0.5)
    pixels, session = data[1].reshape(len(data[1]), -1), data[3]
    expected = [
        ((pixels[i] - pixels[(session == session[i]) & (np.arange(len(pixels)) != i)].mean(axis=0)) ** 2).mean()
        for i in range(len(pixels))
    ]
    numbers = findings(data)["session_images"].numbers
    assert numbers["mse_session_mean"] == pytest.approx(np.mean(expected))
    everything = [((pixels[i] - np.delete(pixels, i, axis=0).mean(axis=0)) ** 2).mean() for i in range(len(pixels))]
    assert numbers["mse_mean_image"] == pytest.approx(np.mean(everything))


def test_images_by_session_are_no_serious_finding_where_nothing_carries_the_session():
    found = findings(simulated(2, offset=0.0))
    assert found["session_images"].severity == "notable"
    assert found["session_decoded"].severity == "info"


def test_a_session_effect_without_confounded_images_is_no_serious_finding():
    found = findings(simulated(3, confined=False, offset=0.5))
    assert found["session_images"].severity == "info"
    assert found["session_decoded"].severity == "notable"


def test_images_by_session_are_notable_where_scored_sessions_were_not_trained_on():
    data = simulated(1, offset=0.5)
    session = data[3]
    shared = Fold(np.flatnonzero(np.arange(len(session)) % 4 > 0), np.flatnonzero(np.arange(len(session)) % 4 == 0))
    apart = Fold(np.flatnonzero(session < 6), np.flatnonzero(session >= 6))
    assert findings(data, folds=[shared])["session_images"].severity == "serious"
    assert findings(data, folds=[apart])["session_images"].severity == "notable"


def test_confined_images_that_never_repeat_leave_the_question_open():
    """Each image is shown once, in the session of its kind: session and kind cannot be determined apart in the responses."""
    rng = np.random.default_rng(0)
    session = np.repeat(np.arange(4), 12)
    images = np.clip(0.3 * rng.uniform(size=(48, 6, 6)) + 0.2 * session[:, None, None], 0, 1)
    brain = rng.normal(size=(48, 30)) + images.mean(axis=(1, 2))[:, None]
    found = findings((brain, images, np.arange(48).astype(str), session))
    assert found["session_images"].severity == "serious"
    assert "cannot be determined" in found["session_decoded"].message
    assert "session_left_out" not in found


def test_without_sessions_there_is_no_finding():
    brain, images, stimulus, session = simulated(1)
    assert check_sessions(brain, images, stimulus, np.full(len(session), -1), [], 0) == []
    assert check_sessions(brain, images, stimulus, np.zeros(len(session), int), [], 0) == []
    assert check_sessions_seen([Fold(np.arange(5), np.arange(5, 9))], np.full(9, -1), True) is None


def test_seen_sessions_are_serious_where_they_predict_the_image():
    session = np.array([1, 1, 2, 2, 3, 3])
    fold = Fold(np.array([0, 2, 3]), np.array([1, 4]))
    assert check_sessions_seen([fold], session, True).severity == "serious"
    assert "1 of 2 scored samples is of a session" in check_sessions_seen([fold], session, True).message
    assert check_sessions_seen([fold], session, False).severity == "info"
    apart = Fold(np.array([0, 1, 2, 3]), np.array([4, 5]))
    assert check_sessions_seen([apart], session, True).severity == "info"


def test_ridge_without_its_own_session_is_worse_where_sessions_carry_images():
    found = ridge_left_out(*simulated(4, offset=1.0, sessions=12), 0)
    assert found.own > 1.1 * found.sibling
    assert found.p_value <= ALPHA
    assert (found.samples, found.sessions) == (48, 12)


def test_ridge_without_its_own_session_is_that_of_a_plain_loop():
    """Against fits that leave out a session, or another one and the trial itself, with the penalty of that fit."""
    brain, images, stimulus, session = simulated(5, offset=0.5, sessions=8, n_groups=2, n_images=6)
    pixels = images.reshape(len(images), -1)
    penalties = np.logspace(-3, 3, 13)

    def fit(keep, score):
        mean, spread = brain[keep].mean(axis=0), brain[keep].std(axis=0)
        train, test = (brain[keep] - mean) / spread, (brain[score] - mean) / spread

        def predict(rows, target, penalty):
            centre = train[rows].mean(axis=0)
            unit = np.trace((train - train.mean(axis=0)) @ (train - train.mean(axis=0)).T) / len(train)
            gram = (train[rows] - centre) @ (train[rows] - centre).T
            weight = np.linalg.solve(
                gram + penalty * unit * np.eye(len(rows)), pixels[keep][rows] - pixels[keep][rows].mean(0)
            )
            return pixels[keep][rows].mean(0) + ((target - centre) @ (train[rows] - centre).T) @ weight

        everyone = np.arange(len(keep))
        left_out = [
            np.concatenate([predict(np.delete(everyone, i), train[i : i + 1], p) for i in everyone]) for p in penalties
        ]
        best = int(np.argmin([((each - pixels[keep]) ** 2).sum() for each in left_out]))
        return left_out[best], predict(everyone, test, penalties[best])

    own, sibling = np.full(len(session), np.nan), [[] for _ in session]
    for number in np.unique(session):
        keep, score = np.flatnonzero(session != number), np.flatnonzero(session == number)
        inner, outer = fit(keep, score)
        own[score] = ((np.clip(outer, 0, 1) - pixels[score]) ** 2).mean(axis=1)
        for row, error in zip(keep, ((np.clip(inner, 0, 1) - pixels[keep]) ** 2).mean(axis=1), strict=True):
            if stimulus[row] in stimulus[score]:
                sibling[row].append(error)
    found = ridge_left_out(brain, images, stimulus, session, 0)
    assert found.own == pytest.approx(own.mean(), rel=1e-6)
    assert found.sibling == pytest.approx(np.mean([np.mean(each) for each in sibling]), rel=1e-6)


@pytest.fixture
def fewer_permutations(monkeypatch, count):
    """199 in place of 999 where simulations are few: the test is exact all the same, and 1 % can be reached."""
    if count < 200:
        monkeypatch.setattr("cortexclip.audit.sessions.PERMUTATIONS", 199)


def alarms(test, count):
    return sum(test(seed).p_value <= ALPHA for seed in range(count))


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_no_more_false_alarms_than_stated(fewer_permutations, count):
    """At a level of 1 %, over 200 simulations without a session effect; more than 7 would have a probability of 0.1 %."""
    most = {20: 3, 200: 7}[count]

    def sets_at_random(seed):
        _, _, stimulus, session = simulated(seed, confined=False)
        return set_association(stimulus, session, seed)

    def images_at_random(seed):
        _, images, _, session = simulated(seed, confined=False)
        return image_association(images, session, seed)

    def no_offset(seed, confined, within):
        brain, _, stimulus, session = simulated(seed, confined=confined)
        return session_decoding(brain, stimulus, session, seed, within)

    assert alarms(sets_at_random, count) <= most
    assert alarms(images_at_random, count) <= most
    assert alarms(lambda seed: no_offset(seed, True, True), count) <= most
    assert alarms(lambda seed: no_offset(seed, False, False), count) <= most
    assert alarms(lambda seed: ridge_left_out(*simulated(seed, sessions=12), seed), count) <= most


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_a_planted_session_effect_is_found(fewer_permutations, count):
    """Offsets of 0.3, as large as the noise, with four sets of images: both conditions of a serious finding."""
    serious = [findings(simulated(seed, offset=0.3), seed)["session_images"].severity for seed in range(count)]
    assert serious.count("serious") >= 0.95 * count
