"""Nothing is fitted on what it is scored on: outside the optimistic protocols, other test data change no fitted bit.

In the optimistic ones a network's epoch may follow the responses and pixels of scored samples, by its loss on them. Who
they are (stimulus, label, session) may change nothing, anywhere.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from narrow import narrow
from samples import METHODS, changed, make_samples, quick_method, silent, suited

from cortexclip.configuration.config import read_yaml
from cortexclip.evaluation.splits import make_split
from cortexclip.methods.catalogue import source_points
from cortexclip.methods.fitting import Folds
from cortexclip.methods.interface import Task

PROTOCOLS = read_yaml(Path(__file__).resolve().parents[2] / "config/protocols.yaml")
PART = np.array(["train"] * 36 + ["test"] * 8)


@pytest.fixture(autouse=True)
def narrow_networks():
    """What reaches the weights does not depend on how wide the layers are."""
    with narrow():
        yield


def split_of(protocol, samples):
    return made_split(protocol, tuple(samples.stimulus), tuple(samples.session))


@lru_cache
def made_split(protocol, stimulus, session):
    cluster = np.unique(stimulus, return_inverse=True)[1] % 5
    groups = {"session": np.array(session), "cluster": cluster}
    return make_split(PROTOCOLS[protocol], PART, np.array(stimulus), 0, groups)


def scored_rows(split, fold=0):
    return split.loc[(split.fold == fold) & (split.role == "score"), "sample"].to_numpy()


def spoiled(samples, scored, identities_alone=False):
    """The same samples with everything about the scored ones changed, or only who they are."""
    rng = np.random.default_rng(7)
    other = {
        "stimulus": np.array([f"unknown {i}" for i in range(len(scored))]),
        "label": 1 - samples.label[scored],
        "session": samples.session[scored] + 7,
    }
    if not identities_alone:
        other |= {
            key: rng.uniform(size=getattr(samples, key)[scored].shape) for key in ("brain", "images", "embedding")
        }
    arrays = {}
    for key, values in other.items():
        array = getattr(samples, key)
        arrays[key] = array.astype("<U32" if key == "stimulus" else array.dtype)
        arrays[key][scored] = values
    return replace(samples, **arrays)


def assert_equal_weights(first, second):
    assert first
    for key in first:
        assert first[key].tobytes() == second[key].tobytes(), f"{key} depends on the scored samples"


INNER = [name for name, entry in PROTOCOLS.items() if entry["select"] == "inner" and not entry.get("source")]
SCORED = [name for name, entry in PROTOCOLS.items() if entry["select"] == "scored" and not entry.get("source")]
FITTED = ["holdout", "unseen", "cv10_share10"]
"""Of `INNER`: an inner part by samples and one by stimuli, which inner folds follow, and the fewest training samples."""
FOLLOWED = [
    (name, protocol)
    for name, entry in METHODS.items()
    for protocol, procedure in entry.get("procedures", {}).items()
    if procedure
]


def cases(protocols):
    """All methods in all protocols; a fit of MinD-Vis takes seconds, and no method is given the protocol."""
    return [(name, p) for name in METHODS for p in (protocols[:1] if name.startswith("mind_vis") else protocols)]


@pytest.mark.parametrize("protocol", INNER + SCORED)
def test_other_test_data_change_nothing_that_a_fit_is_given(protocol):
    """In any fold; where scored samples choose, nothing of what is trained on. So few protocols need fits of methods."""
    samples = make_samples(44, n_stimuli=22)
    split = split_of(protocol, samples)
    for fold in split.fold.unique():
        scored = scored_rows(split, fold)
        first, second = (Folds(given, split).data(fold) for given in (samples, spoiled(samples, scored)))
        assert first.refit == second.refit == (protocol in INNER)
        assert first.scored is second.scored is first.scored_brain is second.scored_brain is None
        assert not first.others and not second.others
        for part in ("train", "final", *(["select"] if protocol in INNER else [])):
            arrays, others = (vars(getattr(data, part)) for data in (first, second))
            assert all(np.array_equal(array, others[key]) for key, array in arrays.items()), part


@pytest.mark.parametrize(("name", "protocol"), cases(FITTED))
def test_other_test_data_change_no_fitted_parameter(name, protocol):
    method = quick_method(name)
    samples = suited(name, make_samples(44, n_stimuli=22))
    split = split_of(protocol, samples)
    first = method.fit(Folds(samples, split).data(0), 1, silent).weights()
    second = method.fit(Folds(spoiled(samples, scored_rows(split)), split).data(0), 1, silent).weights()
    assert_equal_weights(first, second)


def twice(samples, protocol, identities_alone):
    """What a fit is given, as it is and with the scored samples spoiled, where nothing is refitted."""
    split = split_of(protocol, samples)
    source = bool(PROTOCOLS[protocol].get("source"))
    for given in (samples, spoiled(samples, scored_rows(split), identities_alone)):
        yield Folds(given, split, source).data(0)


@pytest.mark.parametrize(("name", "protocol"), cases(SCORED[:1]))
def test_who_the_scored_samples_are_changes_nothing_where_they_choose(name, protocol):
    """For networks; other methods have no epoch to choose, so that nothing of a scored sample changes them."""
    method = quick_method(name)
    data = twice(suited(name, make_samples(44, n_stimuli=22)), protocol, identities_alone=method.is_network)
    assert_equal_weights(*(method.fit(each, 1, silent).weights() for each in data))


@pytest.mark.parametrize(("name", "protocol"), FOLLOWED)
def test_who_the_scored_samples_are_changes_nothing_by_a_sources_procedure(name, protocol):
    method = source_points(METHODS[name], protocol, "", 50, name)[0].method
    quick = changed(method, epochs=2, patience=2, batch_size=16)
    quick.procedure = method.procedure
    data = twice(make_samples(44, n_stimuli=22), protocol, identities_alone=True)
    assert_equal_weights(*(quick.fit(each, 1, silent).weights() for each in data))


def test_the_selection_part_of_a_contrastive_encoder_is_read_by_its_pixels():
    """Its loss on the selection part depends on which images are equal, and a grid is chosen by identifying them."""
    method = changed(quick_method("clip_encoder_grid"), epochs=9)
    points = [changed(method, temperature=temperature) for temperature in (0.05, 0.5)]
    fits = []
    for data in twice(make_samples(44, n_stimuli=11), "chosen_on_test", identities_alone=True):
        [(_, decoder)] = method.fit_tasks(points, [Task(0, 0, 1, lambda data=data: data)], silent)
        fits.append(decoder)
    assert_equal_weights(*(decoder.weights() for decoder in fits))
    assert fits[0].facts()["grid"] == fits[1].facts()["grid"]
    assert fits[0].history() == fits[1].history()


def test_cortexclip_reads_no_identity_of_a_scored_sample():
    """Images repeat, and the scored ones are known ones or foreign: the inner folds are the same."""
    data = twice(make_samples(44, n_stimuli=22), "chosen_on_test", identities_alone=True)
    facts = [quick_method("cortexclip").fit(each, 1, silent).facts() for each in data]
    assert facts[0] == facts[1]
    assert facts[0]["inner_folds_by"] == "sample"


def test_the_optimistic_protocol_does_depend_on_them():
    """The check above can fail: where the scored samples choose the epoch of a network, they matter."""
    method = changed(quick_method("cccv1"), epochs=12, patience=2)
    samples = make_samples(44, n_stimuli=22)
    split = split_of("chosen_on_test", samples)
    scored = scored_rows(split)
    first = method.fit(Folds(samples, split).data(0), 1, silent)
    second = method.fit(Folds(spoiled(samples, scored), split).data(0), 1, silent)
    assert any(first.weights()[key].tobytes() != second.weights()[key].tobytes() for key in first.weights())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_samples_that_choose_and_are_scored_are_not_learned_from(name):
    """Also of a source's split where the method is trained as in the comparison; in-sample, all are scored."""
    samples = make_samples(44, n_stimuli=22)
    split = split_of(name, samples)
    data, scored = Folds(samples, split).data(0), scored_rows(split, 0)
    learned = {row.tobytes() for row in data.final.brain}
    assert any(samples.brain[row].tobytes() in learned for row in scored) == (PROTOCOLS[name]["over"] == "in_sample")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_only_marked_protocols_may_look_at_scored_samples(name):
    """What a fit is given holds nothing of a scored sample, outside the protocols that are optimistic or a source's."""
    entry = PROTOCOLS[name]
    optimistic, source = entry["select"] == "scored" and not entry.get("source"), bool(entry.get("source"))
    samples = make_samples(44, n_stimuli=22)
    split = split_of(name, samples)
    for fold in split.fold.unique():
        scored = scored_rows(split, fold)
        data = Folds(samples, split, source).data(fold)
        shown = [data.train, data.select, data.final, *([] if data.scored is None else [data.scored])]
        seen = {row.tobytes() for part in shown for row in part.brain}
        looked_at = any(samples.brain[row].tobytes() in seen for row in scored)
        assert looked_at == (optimistic or source)
        assert data.scored_brain is None
        assert (data.scored is not None) == source
        assert data.refit == (not (optimistic or source))


def test_following_a_source_needs_the_mark():
    """The catalogue gives procedures for the protocols of sources alone, so no honest protocol can follow one."""
    for name, entry in METHODS.items():
        for protocol in entry.get("procedures", {}):
            assert PROTOCOLS[protocol].get("source"), f"{name}: {protocol}"
