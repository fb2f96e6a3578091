"""Nothing is fitted on what it is scored on: outside the optimistic protocols, other test data change no fitted bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_methods import METHODS, changed, make_samples, quick_method, silent, suited

from cortexclip.configuration.config import read_yaml
from cortexclip.evaluation.splits import make_split
from cortexclip.methods.fitting import Folds

PROTOCOLS = read_yaml(Path(__file__).resolve().parents[2] / "config/protocols.yaml")
PART = np.array(["train"] * 36 + ["test"] * 8)


def spoiled(samples, scored):
    """The same samples, with everything about the scored ones changed but their identity."""
    rng = np.random.default_rng(7)
    changed = {}
    for key in ("brain", "images", "embedding", "label"):
        array = getattr(samples, key).copy()
        noise = rng.uniform(size=array[scored].shape)
        array[scored] = (noise > 0.5) if key == "label" else noise
        changed[key] = array
    return replace(samples, **changed)


INNER = [name for name, entry in PROTOCOLS.items() if entry["select"] == "inner" and not entry.get("source")]
# a fit of these takes seconds, and no method is told the protocol
CASES = [(name, protocol) for name in METHODS for protocol in (INNER[:1] if name.startswith("mind_vis") else INNER)]


@pytest.mark.parametrize(("name", "protocol"), CASES)
def test_other_test_data_change_no_fitted_parameter(name, protocol):
    method = quick_method(name)
    samples = suited(name, make_samples(44, n_stimuli=22))
    split = make_split(PROTOCOLS[protocol], PART, samples.stimulus, seed=0)
    scored = split.loc[(split.fold == 0) & (split.role == "score"), "sample"].to_numpy()
    first = method.fit(Folds(samples, split).data(0), 1, silent).weights()
    second = method.fit(Folds(spoiled(samples, scored), split).data(0), 1, silent).weights()
    assert first
    for key in first:
        assert first[key].tobytes() == second[key].tobytes(), f"{key} depends on the scored samples"


def test_the_optimistic_protocol_does_depend_on_them():
    """The check above can fail: where the scored samples choose the epoch of a network, they matter."""
    method = changed(quick_method("cccv1"), epochs=12, patience=2)
    samples = make_samples(44, n_stimuli=22)
    split = make_split(PROTOCOLS["chosen_on_test"], PART, samples.stimulus, seed=0)
    scored = split.loc[split.role == "score", "sample"].to_numpy()
    first = method.fit(Folds(samples, split, optimistic=True).data(0), 1, silent)
    second = method.fit(Folds(spoiled(samples, scored), split, optimistic=True).data(0), 1, silent)
    assert any(first.weights()[key].tobytes() != second.weights()[key].tobytes() for key in first.weights())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_only_marked_protocols_may_look_at_scored_samples(name):
    """What a fit is given holds nothing of a scored sample, outside the protocols that are optimistic or a source's."""
    entry = PROTOCOLS[name]
    optimistic, source = entry["select"] == "scored" and not entry.get("source"), bool(entry.get("source"))
    samples = make_samples(44, n_stimuli=22)
    split = make_split(entry, PART, samples.stimulus, seed=0)
    for fold in split.fold.unique():
        scored = split.loc[(split.fold == fold) & (split.role == "score"), "sample"].to_numpy()
        data = Folds(samples, split, optimistic, source, transductive=False).data(fold)
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
