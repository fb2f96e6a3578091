"""Splits: nothing is scored that was trained on, nothing is lost, and every role has its samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import KFold, train_test_split

from cortexclip.configuration.config import read_yaml
from cortexclip.errors import InputError
from cortexclip.evaluation.splits import make_split

PROTOCOLS = read_yaml(Path(__file__).resolve().parents[2] / "config/protocols.yaml")
PART = np.array(["train"] * 40 + ["test"] * 10)
STIMULUS = np.array([f"s{i % 15}" for i in range(50)])
SESSION = np.arange(50) // 8
CLUSTER = np.array([int(name[1:]) % 4 for name in STIMULUS])
GROUPS = {"session": SESSION, "cluster": CLUSTER}


def rows(split, fold, role):
    return split.loc[(split.fold == fold) & (split.role == role), "sample"].to_numpy()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_scored_samples_never_train(name):
    split = make_split(PROTOCOLS[name], PART, STIMULUS, 1, GROUPS)
    for fold in split.fold.unique():
        train, select, score = (rows(split, fold, role) for role in ("train", "select", "score"))
        assert len(train) >= 2
        assert len(select) >= 1
        assert len(score) >= 1
        if PROTOCOLS[name]["over"] == "in_sample":
            assert set(train) | set(select) == set(score) and not set(train) & set(select)
            continue
        assert not set(train) & set(score)
        assert not set(train) & set(select)
        if PROTOCOLS[name]["select"] == "scored":
            most = PROTOCOLS[name].get("select_most")
            assert set(select) == set(score[:most])
        else:
            assert not set(select) & set(score)
    scored = np.concatenate([rows(split, fold, "score") for fold in split.fold.unique()])
    again = PROTOCOLS[name].get("folds", 1) if PROTOCOLS[name]["over"] == "canonical" else 1
    assert len(scored) == again * len(set(scored))
    last = 40 + PROTOCOLS[name].get("score_first", 10)
    ranges = {"canonical": range(40, last), "all": range(50), "train": range(40), "in_sample": range(40)}
    assert set(scored) == set(ranges[PROTOCOLS[name]["over"]])


@pytest.mark.parametrize(
    ("name", "n_folds", "n"),
    [("chosen_on_fold", 10, 40), ("source_cv5", 5, 40), ("source_cv10", 10, 40), ("source_cv5_all", 5, 50)],
)
def test_the_folds_are_those_of_scikit_learn(name, n_folds, n):
    split = make_split(PROTOCOLS[name], PART, STIMULUS, seed=1)
    folds = list(KFold(n_folds, shuffle=True, random_state=42).split(np.arange(n)))
    assert split.fold.nunique() == len(folds)
    for fold, (train, score) in enumerate(folds):
        np.testing.assert_array_equal(rows(split, fold, "train"), train)
        np.testing.assert_array_equal(rows(split, fold, "score"), score)


@pytest.mark.parametrize("n", [7, 40, 53, 90, 107])
def test_the_sources_split_cuts_off_the_last_fifth_in_order(n):
    """As the source's code does it: the first int(0.8 n) train, the rest selects, the canonical test part is scored."""
    part = np.array(["test"] * 3 + ["train"] * n + ["test"] * 9)
    training = np.arange(3, n + 3)
    split = make_split(PROTOCOLS["source_split"], part, np.arange(n + 12).astype(str), seed=1)
    assert split.fold.unique().tolist() == [0]
    np.testing.assert_array_equal(rows(split, 0, "train"), training[: int(0.8 * n)])
    np.testing.assert_array_equal(rows(split, 0, "select"), training[int(0.8 * n) :])
    np.testing.assert_array_equal(rows(split, 0, "score"), [0, 1, 2, *range(n + 3, n + 12)])


@pytest.mark.parametrize("n", [90, 107, 44])
def test_the_random_split_of_a_source_is_that_of_scikit_learn(n):
    part = np.array(["train"] * n + ["test"] * 12)
    split = make_split(PROTOCOLS["source_random"], part, np.arange(n + 12).astype(str), seed=1)
    train, select = train_test_split(np.arange(n), test_size=0.2, random_state=42)
    np.testing.assert_array_equal(rows(split, 0, "train"), np.sort(train))
    np.testing.assert_array_equal(rows(split, 0, "select"), np.sort(select))
    np.testing.assert_array_equal(rows(split, 0, "score"), np.arange(n, n + 12))
    split = make_split(PROTOCOLS["source_cv5_test"], part, np.arange(n + 12).astype(str), seed=1)
    for fold, (train, select) in enumerate(KFold(5, shuffle=True, random_state=42).split(np.arange(n))):
        np.testing.assert_array_equal(rows(split, fold, "train"), train)
        np.testing.assert_array_equal(rows(split, fold, "select"), select)
        np.testing.assert_array_equal(rows(split, fold, "score"), np.arange(n, n + 12))
    assert split.fold.nunique() == 5


@pytest.mark.parametrize(("n", "selecting"), [(40, 8), (160, 32), (576, 32)])
def test_the_split_of_the_first_eight_scores_these_and_selects_on_32_at_most(n, selecting):
    part = np.array(["train"] * n + ["test"] * 20)
    split = make_split(PROTOCOLS["source_first8"], part, np.arange(n + 20).astype(str), seed=1)
    np.testing.assert_array_equal(rows(split, 0, "train"), np.arange(n - selecting))
    np.testing.assert_array_equal(rows(split, 0, "select"), np.arange(n - selecting, n))
    np.testing.assert_array_equal(rows(split, 0, "score"), np.arange(n, n + 8))


def test_a_large_fold_selects_by_its_first_16_samples():
    part = np.array(["train"] * 100 + ["test"] * 20)
    split = make_split(PROTOCOLS["source_cv5_all"], part, np.arange(120).astype(str), seed=1)
    for fold in range(5):
        score = rows(split, fold, "score")
        assert len(score) == 24
        np.testing.assert_array_equal(rows(split, fold, "select"), score[:16])


def test_in_sample_trains_and_scores_the_training_part():
    split = make_split(PROTOCOLS["in_sample"], PART, STIMULUS, seed=1)
    train, select, score = (rows(split, 0, role) for role in ("train", "select", "score"))
    assert split.fold.nunique() == 1
    np.testing.assert_array_equal(score, np.arange(40))
    np.testing.assert_array_equal(np.sort(np.concatenate([train, select])), np.arange(40))
    assert len(select) == round(0.15 * 40)


def test_protocols_of_sources_are_marked_and_the_others_are_not():
    """A protocol that scores what it trained on, or cuts as a source did, belongs to no comparison."""
    marked = {name for name, entry in PROTOCOLS.items() if entry.get("source")}
    assert marked == {name for name in PROTOCOLS if name.startswith("source_")} | {"in_sample"}
    for name, entry in PROTOCOLS.items():
        if entry["over"] == "in_sample" or entry["select"] == "last" or "score_first" in entry:
            assert name in marked


def test_no_image_of_a_scored_fold_was_trained_on_in_unseen():
    split = make_split(PROTOCOLS["unseen"], PART, STIMULUS, seed=1)
    assert split.fold.nunique() == 15  # one stimulus a fold, since there are fewer than 20
    for fold in range(15):
        score = set(STIMULUS[rows(split, fold, "score")])
        assert len(score) == 1
        assert not score & set(STIMULUS[rows(split, fold, "train")])
        select = set(STIMULUS[rows(split, fold, "select")])
        assert not score & select
        assert not select & set(STIMULUS[rows(split, fold, "train")])


def test_no_session_of_a_scored_fold_was_trained_on_across_sessions():
    split = make_split(PROTOCOLS["across_sessions"], PART, STIMULUS, 1, GROUPS)
    assert split.fold.nunique() == len(np.unique(SESSION))
    for fold in split.fold.unique():
        train, select, score = (set(SESSION[rows(split, fold, role)]) for role in ("train", "select", "score"))
        assert len(score) == 1
        assert not train & select
        assert not (train | select) & score
        assert len(train | select | score) == len(np.unique(SESSION))  # nothing else is left out


def test_neither_image_nor_session_of_a_scored_sample_was_trained_on_or_chose():
    split = make_split(PROTOCOLS["unseen_across_sessions"], PART, STIMULUS, 1, GROUPS)
    assert split.fold.nunique() == len({*zip(STIMULUS, SESSION, strict=True)})  # a fold for each pair that occurs
    for fold in split.fold.unique():
        score = rows(split, fold, "score")
        learned = np.concatenate([rows(split, fold, role) for role in ("train", "select")])
        assert not np.isin(STIMULUS[score], STIMULUS[learned]).any()
        assert not np.isin(SESSION[score], SESSION[learned]).any()
        expected = (STIMULUS != STIMULUS[score[0]]) & (SESSION != SESSION[score[0]])
        np.testing.assert_array_equal(np.sort(learned), np.flatnonzero(expected))  # and nothing else is left out


def test_no_image_of_a_scored_cluster_was_trained_on():
    split = make_split(PROTOCOLS["unseen_clusters"], PART, STIMULUS, 1, GROUPS)
    assert split.fold.nunique() == 4
    for fold in range(4):
        parts = [set(CLUSTER[rows(split, fold, role)]) for role in ("train", "select", "score")]
        assert len(parts[2]) == 1
        assert sum(map(len, parts)) == len(set.union(*parts)) == 4


def test_crossed_folds_of_a_closed_form():
    """Two images in two sessions with two trials each, in two folds by each: what is scored leaves one pair to train."""
    stimulus, session = np.repeat(["a", "a", "b", "b"], 2), np.repeat([1, 2, 1, 2], 2)
    entry = PROTOCOLS["unseen_across_sessions"] | {"folds": 2, "select": "scored"}
    split = make_split(entry, np.full(8, "none"), stimulus, 0, {"session": session})
    found = {tuple(rows(split, fold, "score")): tuple(rows(split, fold, "train")) for fold in range(4)}
    assert found == {(0, 1): (6, 7), (6, 7): (0, 1), (2, 3): (4, 5), (4, 5): (2, 3)}


def test_fewer_folds_than_groups_take_several_groups_each():
    session = np.repeat(np.arange(10), 5)
    entry = PROTOCOLS["across_sessions"] | {"folds": 3}
    split = make_split(entry, PART, STIMULUS, 0, {"session": session})
    assert sorted(len(set(session[rows(split, fold, "score")])) for fold in range(3)) == [3, 3, 4]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({}, "not known of all samples which session"),
        ({"session": np.where(np.arange(50) == 7, -1, SESSION)}, "not known of all samples which session"),
        ({"session": np.ones(50, int)}, "one session alone cannot be cut into folds"),
        ({"session": np.arange(50) // 25}, "one session alone|to train|to choose|to select"),
    ],
)
def test_data_without_sessions_are_one_clear_error(groups, words):
    with pytest.raises(InputError, match=f"across sessions.*({words})"):
        make_split(PROTOCOLS["across_sessions"], PART, STIMULUS, 0, groups)


def test_the_inner_part_follows_from_the_seed():
    first, again, other = (make_split(PROTOCOLS["holdout"], PART, STIMULUS, seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    assert len(rows(first, 0, "select")) == round(0.15 * 40)


@pytest.mark.parametrize(
    ("name", "part"),
    [("holdout", ["train"] * 5), ("holdout", ["test"] * 5), ("cv10", ["train"]), ("chosen_on_test", ["train", "test"])],
)
def test_too_small_a_dataset_is_one_clear_error(name, part):
    with pytest.raises(InputError, match=PROTOCOLS[name]["title"]):
        make_split(PROTOCOLS[name], np.array(part), np.array([f"s{i}" for i in range(len(part))]), seed=0)


def test_parts_of_a_learning_curve_are_nested_and_stratified_and_score_the_same():
    labels = np.repeat([1, 2], [90, 30])
    part, stimulus = np.full(120, "none"), np.arange(120).astype(str)
    names = ["cv10_share10", "cv10_share20", "cv10_share40", "cv10_share70", "cv10"]
    splits = [make_split(PROTOCOLS[n], part, stimulus, i, {"label": labels}, 7) for i, n in enumerate(names)]
    for fold in range(10):
        learned, scored = [], []
        for split in splits:
            rows = split[split.fold == fold]
            learned.append(set(rows[rows.role != "score"]["sample"]))
            scored.append(set(rows[rows.role == "score"]["sample"]))
        assert [len(each) for each in learned] == [11, 22, 43, 76, 108]
        assert all(less < more for less, more in zip(learned, learned[1:], strict=False))
        assert all(each == scored[0] for each in scored) and not learned[-1] & scored[0]
        share = np.isin(labels[sorted(learned[-1])], 2).mean()
        for each in learned:
            assert abs((labels[sorted(each)] == 2).sum() - share * len(each)) <= 1.5
