"""A guess at what the arrays of a file are, by name, shape and values, for a person to confirm.

Ingest never guesses: it takes arrays by the names of the dataset's entry. ``cortexclip inspect`` proposes an entry with
the help of this module and says what in it was guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cortexclip.data.arrays import DEFAULT_ARRAYS
from cortexclip.data.variables import printable, shape_text
from cortexclip.errors import InputError

_WORDS = {
    "brain": "fmri brain bold voxel voxels resp response responses eeg meg beta betas activity signal signals data x",
    "stimuli": "stim stims stimulus stimuli image images img imgs pic pics picture pictures pixels seen frames y",
    "label": "label labels class classes target targets category categories digit digits letter letters",
    "session": "session sessions sess day days",
    "run": "run runs chunk chunks block blocks",
    "train": "train training trn tr",
    "test": "test testing tst te",
    "part": "part parts split set subset",
    "index": "index indices idx ind inds",
}
WORDS = {kind: frozenset(words.split()) for kind, words in _WORDS.items()}
SMALLEST_SIDE = 4
STIMULI = DEFAULT_ARRAYS["stimuli_train"]


@dataclass(frozen=True)
class Facts:
    """An array of a file: ``values`` is None where it cannot be used, and ``problem`` says why."""

    name: str
    shape: tuple[int, ...]
    kind: str
    values: np.ndarray | None = None
    problem: str = ""

    @property
    def array(self) -> np.ndarray:
        """Its values, where it can be used."""
        if self.values is None:
            raise ValueError(f"{self.name} {self.problem}")
        return self.values

    @property
    def words(self) -> frozenset[str]:
        """The words of its name: "fmriTrn" is fmri and trn."""
        return frozenset(w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", self.name))

    def named(self, kind: str) -> bool:
        return bool(self.words & WORDS[kind])

    @property
    def numeric(self) -> bool:
        return self.values is not None and self.values.dtype.kind in "iufb"


@dataclass(frozen=True)
class Guess:
    """Keys of an entry of datasets.yaml, and in words what of it was guessed and why."""

    entry: dict
    guessed: list[str]


class _Pair(NamedTuple):
    """Responses and stimuli that fit together; ``score`` is how well."""

    brain: str
    stimuli: str
    sample_axis: str
    form: str  # "grey", or "rgb-last" or "rgb-first" or "rgb" (rows of either)
    score: float


def guess(facts: Sequence[Facts]) -> Guess:
    """Say which arrays are responses, stimuli, labels, sessions, runs and parts.

    Raises InputError if no two arrays can be responses and stimuli, or several pairs are equally likely.
    """
    usable = [fact for fact in facts if fact.values is not None]
    names = {fact.name for fact in facts}
    core = {array for role, array in DEFAULT_ARRAYS.items() if not role.startswith("label")}
    if len(core & names) > 1:  # the schema of the field; if an array of it is missing, that is what is wrong
        labels = all(DEFAULT_ARRAYS[f"label_{part}"] in names for part in ("train", "test"))
        entry = {"parts": "sets", "arrays": {}, "labels": "class" if labels else "none"}
        forms = ((axis, form) for fact in usable for axis, form in _layouts(fact.shape) if fact.name == STIMULI)
        return Guess(entry | _axes(*next(forms, ("first", "grey"))), [])
    return _of_sets(usable) or _of_one_set(usable)


def _of_sets(facts: Sequence[Facts]) -> Guess | None:
    """Two sets of arrays whose names say which is for training and which for test; None if there are none."""
    parts: dict[str, dict[frozenset, Facts]] = {"train": {}, "test": {}}
    for fact in facts:
        for part, found in parts.items():
            if fact.named(part) and not fact.named("index"):
                found[fact.words - WORDS[part]] = fact
    both = [stem for stem in parts["train"] if stem in parts["test"]]
    train, test = ({parts[part][stem].name: parts[part][stem] for stem in both} for part in ("train", "test"))
    partner = dict(zip(train, test, strict=True))
    of_test = {pair[:4] for pair in _pairs(list(test.values()))}
    pairs = [
        pair
        for pair in _pairs(list(train.values()))
        if (partner[pair.brain], partner[pair.stimuli], pair.sample_axis, pair.form) in of_test
    ]
    if not pairs:
        return None
    pair = _best(pairs)
    arrays = {"brain_train": pair.brain, "brain_test": partner[pair.brain]}
    arrays |= {"stimuli_train": pair.stimuli, "stimuli_test": partner[pair.stimuli]}
    vectors = _vectors(train, pair, taken=list(arrays.values()))
    for kind, name in vectors.items():
        arrays |= {f"{kind}_train": name, f"{kind}_test": partner[name]}
    labels = "class" if "label" in vectors else "none"
    entry = {"parts": "sets", "arrays": arrays, "labels": labels, **_axes(pair.sample_axis, pair.form)}
    return Guess(entry, [_in_words(pair, train), "The two sets are told apart by their names."])


def _of_one_set(facts: Sequence[Facts]) -> Guess:
    pairs = _pairs([fact for fact in facts if not fact.named("train") and not fact.named("test")])
    if not pairs:
        listed = "; ".join(f"{printable(f.name)} ({shape_text(f.shape)})" for f in facts if f.numeric) or "none"
        raise InputError(
            "no two arrays can be brain responses and square images of the same samples. Arrays of numbers: "
            f"{listed}. If there are such, name them with --entry."
        )
    pair = _best(pairs)
    by_name = {fact.name: fact for fact in facts}
    vectors = _vectors(by_name, pair, taken=[pair.brain, pair.stimuli])
    arrays = {"brain": pair.brain, "stimuli": pair.stimuli, **vectors}
    labels = "class" if "label" in vectors else "none"
    entry: dict = {"parts": "none", "arrays": arrays, "labels": labels, **_axes(pair.sample_axis, pair.form)}
    guessed = [_in_words(pair, by_name)]
    count = _length(by_name[pair.brain], pair.sample_axis)
    for fact in facts:
        if fact.name in arrays.values() or fact.array.ndim > 2:
            continue
        values = fact.array.reshape(-1)
        if fact.named("index") and fact.named("test") and fact.numeric and _are_positions(values, count):
            first = 0 if values.min() == 0 else 1
            entry |= {"parts": "index", "first_index": first}
            arrays["test_index"] = fact.name
            sure = values.min() == 0 or values.max() == count
            doubt = "." if sure else f", counted from {first}: check this, both 0 and 1 are possible."
            guessed.append(f"'{printable(fact.name)}' lists the test samples{doubt}")
            break
        if len(values) == count and (fact.named("part") or fact.named("test")) and _are_parts(fact.array):
            entry["parts"] = "index"
            arrays["part"] = fact.name
            guessed.append(f"'{printable(fact.name)}' says which samples are of the test part.")
            break
    else:
        guessed.append("No array tells training from test samples, so there is no split.")
    return Guess(entry, guessed)


def _pairs(facts: Sequence[Facts]) -> list[_Pair]:
    """All pairs of arrays that could be responses and stimuli."""
    numeric = [fact for fact in facts if fact.numeric and fact.array.ndim > 1]
    found = []
    for stimuli in numeric:
        for axis, form in _layouts(stimuli.shape):
            for brain in numeric:
                if brain is stimuli or _length(brain, axis) != _length(stimuli, axis):
                    continue
                score = 3 * (stimuli.named("stimuli") + brain.named("brain"))
                score -= 3 * (brain.named("stimuli") + stimuli.named("brain"))
                score += 2 * _like_images(stimuli) - 2 * _like_images(brain) + (axis == "first")
                found.append(_Pair(brain.name, stimuli.name, axis, form, score))
    return found


def _best(pairs: Sequence[_Pair]) -> _Pair:
    best = max(pair.score for pair in pairs)
    first = [pair for pair in pairs if pair.score == best]
    if len({(pair.brain, pair.stimuli) for pair in first}) > 1 or best < 1:
        listed = "; ".join(f"'{printable(p.brain)}' with '{printable(p.stimuli)}'" for p in first[:5])
        raise InputError(f"several arrays could be responses and stimuli ({listed}). Name them with --entry.")
    return first[0]


def _layouts(shape: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """How images could lie in an array of this shape: axis of the samples, and form."""
    for axis, one in (("first", shape[1:]), ("last", shape[:-1])):
        if shape[0 if axis == "first" else -1] < 2:
            continue
        square = len(one) > 1 and sorted(one)[-1] == sorted(one)[-2] >= SMALLEST_SIDE
        if (len(one) == 1 and _side(one[0])) or (len(one) == 2 and square):
            yield axis, "grey"
        elif len(one) == 1 and one[0] % 3 == 0 and _side(one[0] // 3):
            yield axis, "rgb"
        elif len(one) == 3 and one[2] == 3 and one[0] == one[1] >= SMALLEST_SIDE:
            yield axis, "rgb-last"
        elif len(one) == 3 and one[0] == 3 and one[1] == one[2] >= SMALLEST_SIDE:
            yield axis, "rgb-first"


def _side(pixels: int) -> int:
    """Side of a square image of so many pixels; 0 if there is none."""
    side = math.isqrt(pixels)
    return side if side * side == pixels and side >= SMALLEST_SIDE else 0


def _axes(sample_axis: str, form: str) -> dict[str, str]:
    found = {} if form == "grey" else {"channels": "rgb-last" if form == "rgb" else form}
    return found | ({} if sample_axis == "first" else {"sample_axis": "last"})


def _in_words(pair: _Pair, facts: Mapping[str, Facts]) -> str:
    brain, stimuli = facts[pair.brain], facts[pair.stimuli]
    return (
        f"'{printable(brain.name)}' ({shape_text(brain.shape)}) holds the responses and '{printable(stimuli.name)}' "
        f"({shape_text(stimuli.shape)}) the stimuli, samples along the {pair.sample_axis} axis."
    )


def _length(fact: Facts, axis: str) -> int:
    return fact.shape[0 if axis == "first" else -1]


def _like_images(fact: Facts) -> bool:
    low, high = fact.array.min(), fact.array.max()
    if not (low >= 0 and high <= 255):
        return False
    return bool(high <= 1 or fact.array.dtype.kind in "iub" or np.array_equal(fact.array, np.rint(fact.array)))


def _vectors(facts: Mapping[str, Facts], pair: _Pair, taken: list[str]) -> dict[str, str]:
    """By kind (label, session, run) the first array that is named so and holds a whole number for each sample."""
    count = _length(facts[pair.brain], pair.sample_axis)
    found: dict[str, str] = {}
    for kind in ("label", "session", "run"):
        for fact in facts.values():
            fits = fact.numeric and fact.array.size == count and count in fact.shape
            fits = fits and fact.named(kind) and not fact.named("index") and fact.name not in [*taken, *found.values()]
            if fits and _are_counts(fact.array):
                found[kind] = fact.name
                break
    return found


def _are_counts(values: np.ndarray) -> bool:
    """Whether all are whole numbers of 0 or more."""
    return bool(np.isfinite(values).all() and values.min() >= 0 and np.array_equal(values, np.rint(values)))


def _are_positions(values: np.ndarray, count: int) -> bool:
    distinct = len(np.unique(values)) == len(values)
    return bool(0 < len(values) < count and distinct and _are_counts(values) and values.max() <= count)


def _are_parts(values: np.ndarray) -> bool:
    found = {str(value).strip().lower() for value in values.reshape(-1).tolist()}
    return found in ({"train", "test"}, {"0", "1"}, {"false", "true"}, {"0.0", "1.0"})
