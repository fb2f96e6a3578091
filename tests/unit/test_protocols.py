"""Splits: nothing is scored that was trained on, nothing is lost, and every role has its samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import KFold

from cortexclip.config import read_yaml
from cortexclip.errors import InputError
from cortexclip.protocols import make_split

PROTOCOLS = read_yaml(Path(__file__).resolve().parents[2] / "config/protocols.yaml")
PART = np.array(["train"] * 40 + ["test"] * 10)
STIMULUS = np.array([f"s{i % 15}" for i in range(50)])


def rows(split, fold, role):
    return split.loc[(split.fold == fold) & (split.role == role), "sample"].to_numpy()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_scored_samples_never_train(name):
    split = make_split(PROTOCOLS[name], PART, STIMULUS, seed=1)
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
    assert len(scored) == len(set(scored))
    last = 40 + PROTOCOLS[name].get("score_first", 10)
    ranges = {"canonical": range(40, last), "all": range(50), "train": range(40), "in_sample": range(40)}
    assert set(scored) == set(ranges[PROTOCOLS[name]["over"]])


def test_a_source_cuts_off_the_last_fifth_of_the_training_part_in_order():
    for name in ("source_split", "source_first8"):
        split = make_split(PROTOCOLS[name], PART, STIMULUS, seed=1)
        np.testing.assert_array_equal(rows(split, 0, "train"), np.arange(32))
        np.testing.assert_array_equal(rows(split, 0, "select"), np.arange(32, 40))
    long = np.array(["train"] * 400 + ["test"] * 10)
    split = make_split(PROTOCOLS["source_first8"], long, np.arange(410).astype(str), seed=1)
    np.testing.assert_array_equal(rows(split, 0, "select"), np.arange(368, 400))
    np.testing.assert_array_equal(rows(split, 0, "score"), np.arange(400, 408))


def test_the_folds_are_those_of_scikit_learn():
    split = make_split(PROTOCOLS["chosen_on_fold"], PART, STIMULUS, seed=1)
    folds = KFold(10, shuffle=True, random_state=42).split(np.arange(40))
    for fold, (train, score) in enumerate(folds):
        np.testing.assert_array_equal(rows(split, fold, "train"), train)
        np.testing.assert_array_equal(rows(split, fold, "score"), score)


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
