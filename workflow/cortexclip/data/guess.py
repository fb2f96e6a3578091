"""A guess at what the arrays of a file are, by name, shape and values, for a person to confirm.

Ingest never guesses: it takes arrays by the names of the dataset's entry. ``cortexclip inspect`` proposes an entry with
the help of this module and says what in it was guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cortexclip.data.arrays import DEFAULT_ARRAYS
from cortexclip.data.variables import printable, shape_text
from cortexclip.errors import InputError

WORDS = {
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
WORDS = {kind: frozenset(words.split()) for kind, words in WORDS.items()}
SMALLEST_SIDE = 4


@dataclass(frozen=True)
class Facts:
    """An array of a file: ``values`` is None where it cannot be used, and ``problem`` says why."""

    name: str
    shape: tuple[int, ...]
    kind: str
    values: np.ndarray | None = None
    problem: str = ""

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
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Pair:
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
        stimuli = [fact for fact in usable if fact.name == DEFAULT_ARRAYS["stimuli_train"]]
        entry = {"parts": "sets", "arrays": {}, "labels": "class" if labels else "none"}
        return Guess(entry | (_axes(_form_of_known(stimuli[0])) if stimuli else {}))
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
    partner = {parts["train"][stem].name: parts["test"][stem].name for stem in both}
    pairs = [
        pair
        for pair in _pairs(list(train.values()))
        if any(
            (other.brain, other.stimuli, other.sample_axis, other.form)
            == (partner[pair.brain], partner[pair.stimuli], pair.sample_axis, pair.form)
            for other in _pairs(list(test.values()))
        )
    ]
    if not pairs:
        return None
    pair = _best(pairs)
    arrays = {"brain_train": pair.brain, "brain_test": partner[pair.brain]}
    arrays |= {"stimuli_train": pair.stimuli, "stimuli_test": partner[pair.stimuli]}
    said = [_said(pair, train), "The two sets are told apart by their names."]
    count = _length(train[pair.brain], pair.sample_axis)
    entry: dict = {"parts": "sets", "arrays": arrays, "labels": "none", **_axes(pair)}
    for kind in ("label", "session", "run"):
        for name in _vectors(train.values(), kind, count, taken=arrays.values()):
            arrays |= {f"{kind}_train": name, f"{kind}_test": partner[name]}
            if kind == "label":
                entry["labels"] = "class"
    return Guess(entry, said)


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
    count = _length(by_name[pair.brain], pair.sample_axis)
    arrays = {"brain": pair.brain, "stimuli": pair.stimuli}
    entry: dict = {"parts": "none", "arrays": arrays, "labels": "none", **_axes(pair)}
    said = [_said(pair, by_name)]
    for kind in ("label", "session", "run"):
        for name in _vectors(facts, kind, count, taken=arrays.values()):
            arrays[kind] = name
            if kind == "label":
                entry["labels"] = "class"
    for fact in facts:
        if fact.name in arrays.values() or fact.values.ndim > 2:
            continue
        values = fact.values.reshape(-1)
        if fact.named("index") and fact.named("test") and fact.numeric and _are_places(values, count):
            first = 0 if values.min() == 0 else 1
            sure = values.min() == 0 or values.max() == count
            entry |= {"parts": "index", "first_index": first}
            arrays["test_index"] = fact.name
            said.append(
                f"'{printable(fact.name)}' lists the test samples"
                + ("." if sure else f", counted from {first}: check this, both 0 and 1 are possible.")
            )
            break
        if len(values) == count and (fact.named("part") or fact.named("test")) and _are_parts(fact.values):
            entry["parts"] = "index"
            arrays["part"] = fact.name
            said.append(f"'{printable(fact.name)}' says which samples are of the test part.")
            break
    else:
        said.append("No array tells training from test samples, so there is no split.")
    return Guess(entry, said)


def _pairs(facts: Sequence[Facts]) -> list[_Pair]:
    """All pairs of arrays that could be responses and stimuli."""
    numeric = [fact for fact in facts if fact.numeric and fact.values.ndim > 1]
    found = []
    for stimuli in numeric:
        for axis in ("first", "last"):
            for form in _forms(stimuli.shape, axis):
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


def _forms(shape: tuple[int, ...], axis: str) -> Iterator[str]:
    """How images could lie in an array of this shape, samples along the given axis."""
    one = shape[1:] if axis == "first" else shape[:-1]
    if shape[0 if axis == "first" else -1] < 2:
        return
    if len(one) == 1:
        if _side(one[0]):
            yield "grey"
        elif one[0] % 3 == 0 and _side(one[0] // 3):
            yield "rgb"
    elif len(one) == 2 and one[0] == one[1] >= SMALLEST_SIDE:
        yield "grey"
    elif len(one) == 3 and one[2] == 3 and one[0] == one[1] >= SMALLEST_SIDE:
        yield "rgb-last"
    elif len(one) == 3 and one[0] == 3 and one[1] == one[2] >= SMALLEST_SIDE:
        yield "rgb-first"


def _side(pixels: int) -> int:
    """Side of a square image of so many pixels; 0 if there is none."""
    side = math.isqrt(pixels)
    return side if side * side == pixels and side >= SMALLEST_SIDE else 0


def _form_of_known(fact: Facts) -> _Pair:
    for axis in ("first", "last"):
        for form in _forms(fact.shape, axis):
            return _Pair("", fact.name, axis, form, 0)
    return _Pair("", fact.name, "first", "grey", 0)


def _axes(pair: _Pair) -> dict[str, str]:
    found = {} if pair.form == "grey" else {"channels": "rgb-last" if pair.form == "rgb" else pair.form}
    return found | ({} if pair.sample_axis == "first" else {"sample_axis": "last"})


def _said(pair: _Pair, facts: Mapping[str, Facts]) -> str:
    brain, stimuli = facts[pair.brain], facts[pair.stimuli]
    return (
        f"'{printable(brain.name)}' ({shape_text(brain.shape)}) holds the responses and '{printable(stimuli.name)}' "
        f"({shape_text(stimuli.shape)}) the stimuli, samples along the {pair.sample_axis} axis."
    )


def _length(fact: Facts, axis: str) -> int:
    return fact.shape[0 if axis == "first" else -1]


def _like_images(fact: Facts) -> bool:
    low, high = fact.values.min(), fact.values.max()
    if not (low >= 0 and high <= 255):
        return False
    return bool(high <= 1 or fact.values.dtype.kind in "iub" or np.array_equal(fact.values, np.rint(fact.values)))


def _vectors(facts, kind: str, count: int, taken) -> list[str]:
    """The array that holds a whole number for each sample and is named so, as a list of one or none."""
    for fact in facts:
        fits = fact.numeric and fact.values.size == count and count in fact.shape and fact.name not in taken
        if fits and fact.named(kind) and not fact.named("index"):
            values = fact.values.astype(np.float64)
            if np.isfinite(values).all() and values.min() >= 0 and np.array_equal(values, np.rint(values)):
                return [fact.name]
    return []


def _are_places(values: np.ndarray, count: int) -> bool:
    return bool(
        0 < len(values) < count
        and len(np.unique(values)) == len(values)
        and np.array_equal(values, np.rint(values))
        and 0 <= values.min()
        and values.max() <= count
    )


def _are_parts(values: np.ndarray) -> bool:
    found = {str(value).strip().lower() for value in values.reshape(-1).tolist()}
    return len(found) == 2 and any(
        found == other for other in ({"train", "test"}, {"0", "1"}, {"false", "true"}, {"0.0", "1.0"})
    )
