"""A guess at what the arrays of a file are, by names, shapes and values, for a person to confirm.

Ingest never guesses: it takes arrays by the names of the dataset's entry. ``cortexclip inspect`` proposes an entry with
the help of this module and says what in it was guessed. Which arrays belong together is decided by what they hold:
responses and stimuli have as many samples, and two parts have the same voxels and pixels. Names decide between what
fits.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cortexclip.data import GROUPINGS
from cortexclip.data.arrays import (
    AXES,
    DEFAULT_ARRAYS,
    PART_WORDS,
    agreements,
    axes_of_entry,
    image_forms,
    without_ones,
)
from cortexclip.data.naming import OF_PART, SECOND_PARTS, named, part_in, stem
from cortexclip.data.variables import Declared, printable, shape_text
from cortexclip.errors import InputError

MARGIN = 1.0
"""By how much the best pair of arrays has to fit better than any other."""
MOST_VALUES = 200_000
"""Values of an array that are looked at to see whether it could be images."""
ROLES = ("brain", "stimuli")


class NothingFitsError(InputError):
    """No two arrays can be responses and stimuli of the same samples."""


@dataclass(frozen=True)
class Facts(Declared):
    """An array of a file: ``values`` is None where it cannot be used, and ``problem`` says why."""

    values: np.ndarray | None = None
    problem: str = ""

    @property
    def array(self) -> np.ndarray:
        """Its values, where it can be used."""
        if self.values is None:
            raise ValueError(f"{self.name} {self.problem}")
        return self.values

    def named(self, kind: str) -> bool:
        return named(self.name, kind)

    @property
    def numeric(self) -> bool:
        return self.values is not None and self.values.dtype.kind in "iufb"

    @property
    def table(self) -> tuple[int, ...]:
        """Its shape without axes of length one if it could be responses or images, else ()."""
        if not self.numeric or self.array.ndim < 2 or self.array.size == max(self.shape):
            return ()
        return without_ones(self.array).shape

    @functools.cached_property
    def like(self) -> dict[str, float]:
        """How much name and values speak for brain responses and for images."""
        score = {}
        for role, other in (ROLES, ROLES[::-1]):
            score[role] = 3.0 * self.named(role) - 2.0 * self.named(other) + 0.5 * named(self.name, role, weak=True)
            unlike = ("label", *GROUPINGS, "other")
            score[role] -= 2.0 * any(self.named(kind) for kind in unlike)
        values = self.array.reshape(-1)[:: max(1, self.array.size // MOST_VALUES)]
        low, high = values.min(), values.max()
        whole = values.dtype.kind in "iub" or bool(np.array_equal(values, np.rint(values)))
        if not (low >= 0 and high <= 255 and (high <= 1 or whole)):
            score["stimuli"] -= 3.0
        else:
            steps = values if whole else values * 255
            few = values.dtype.itemsize == 1 or np.allclose(steps, np.rint(steps), atol=1e-3)
            score["stimuli"] += 1.0 + few
            score["brain"] -= few
        axes = [form for _, form in image_forms(self.table)] if len(self.table) > 2 else []
        score["stimuli"] += 1.5 * bool(axes)
        return score


@dataclass(frozen=True)
class Guess:
    """Keys of an entry of datasets.yaml, and in words what of it was guessed and why."""

    entry: dict
    guessed: list[str]


class _Pair(NamedTuple):
    """Responses and stimuli of the same samples; ``score`` is how well they fit."""

    brain: Facts
    stimuli: Facts
    axes: tuple[str, str]
    form: str  # "grey", or "rgb-last" or "rgb-first" or "rgb" (rows of either)
    score: float

    @property
    def part(self) -> str:
        """Which part names say that this is: "mixed" if they contradict each other."""
        parts = {part_in(self.brain.name), part_in(self.stimuli.name)}
        return parts.pop() if len(parts) == 1 else "mixed"

    @property
    def samples(self) -> int:
        return self.brain.table[AXES[self.axes[0]]]

    def arrays(self, suffix: str = "") -> dict[str, str]:
        return {f"brain{suffix}": self.brain.name, f"stimuli{suffix}": self.stimuli.name}


def guess(facts: Sequence[Facts], given: Mapping[str, Any] | None = None) -> Guess:
    """Say which arrays are responses, stimuli, labels, sessions, runs and parts.

    ``given`` are keys of the entry that need no guess. Raises InputError if no two arrays can be responses and stimuli,
    or several pairs are equally likely.
    """
    given = given or {}
    arrays = {role: str(name) for role, name in dict(given.get("arrays") or {}).items()}
    names = {fact.name for fact in facts}
    core = {role: array for role, array in DEFAULT_ARRAYS.items() if not role.startswith("label")}
    schema = not arrays and given.get("parts", "sets") == "sets" and len(names.intersection(core.values())) > 2
    if schema:  # the field's; if an array of it is missing or does not fit, that is what is wrong
        arrays = core
    brains, stimuli = ({name for role, name in arrays.items() if role.startswith(kind)} for kind in ROLES)
    pairs = _pairs(facts, brains, stimuli, given.get("sample_axis"))
    sets = given.get("parts") == "sets" or any(role.endswith(("_train", "_test")) for role in arrays)
    found = _of_sets(facts, pairs, arrays) if sets or "parts" not in given else None
    if schema:
        labels = all(DEFAULT_ARRAYS[f"label_{part}"] in names for part in ("train", "test"))
        axes = {key: found.entry[key] for key in ("sample_axis", "channels") if key in found.entry} if found else {}
        return Guess({"parts": "sets", "arrays": {}, "labels": "class" if labels else "none", **axes}, [])
    ends = ("_train", "_test") if sets else ("",)
    if not found and (sets or not pairs) and {f"{kind}{end}" for kind in ROLES for end in ends} <= set(arrays):
        return Guess({"parts": "sets" if sets else "none", "arrays": arrays, "labels": "none"}, [])  # reading says why
    return found or _of_one_set(facts, pairs, arrays)


def _pairs(facts: Sequence[Facts], brains: set, stimuli: set, given_axis: object) -> list[_Pair]:
    """All pairs of arrays that could be responses and stimuli of the same samples, along the axis that is given."""
    tables = [fact for fact in facts if fact.table]
    wanted = {role: given_axis if isinstance(given_axis, str) else None for role in ROLES}
    if isinstance(given_axis, Mapping):
        wanted = {role: str(given_axis.get(role, "first")) for role in ROLES}
    found = []
    for seen in (fact for fact in tables if not stimuli or fact.name in stimuli):
        if not any(image_forms(seen.table)):
            continue
        for brain in (fact for fact in tables if not brains or fact.name in brains):
            if brain is seen or brain.array.dtype == bool:
                continue
            fitting = agreements([brain.table], [seen.table])
            fitting = [f for f in fitting if wanted["brain"] in (None, f[0]) and wanted["stimuli"] in (None, f[1])]
            for rank, (ours, theirs, form) in enumerate(fitting):
                score = (
                    1.5 * (part_in(seen.name) == part_in(brain.name))
                    + seen.like["stimuli"]
                    - seen.like["brain"]
                    + brain.like["brain"]
                    - brain.like["stimuli"]
                )
                found.append(_Pair(brain, seen, (ours, theirs), form, score - 0.1 * rank))
    return found


def _of_sets(facts: Sequence[Facts], pairs: Sequence[_Pair], given: Mapping[str, str]) -> Guess | None:
    """Two sets of arrays whose names say which is for training and which is not; None if there are none."""
    by_part = defaultdict(list)
    for pair in pairs:
        by_part[pair.part].append(pair)
    stated = {name: role.rpartition("_")[2] for role, name in given.items() if role.startswith(ROLES)}
    if stated:
        by_part = defaultdict(list)
        for pair in pairs:
            tags = {stated.get(f.name) or part_in(f.name) for f in (pair.brain, pair.stimuli)}
            by_part["".join({"test" if tag in SECOND_PARTS else tag for tag in tags})].append(pair)
    second = next((part for part in SECOND_PARTS if by_part.get(part)), "")
    first = "train" if by_part.get("train") else ""
    if not second or not by_part.get(first):
        return None if stated else _unfit_part(facts, by_part)
    both = [
        (
            (one, other),
            one.score
            + other.score
            + 2 * _same_stem(one.brain, other.brain)
            + 2 * _same_stem(one.stimuli, other.stimuli),
        )
        for one in by_part[first]
        for other in by_part[second]
        if (one.axes, one.form) == (other.axes, other.form)
        and agreements([one.brain.table, other.brain.table], [one.stimuli.table, other.stimuli.table]).count(
            (*one.axes, one.form)
        )
    ]
    if not both:  # reading says what does not agree
        one, other = (max(by_part[part], key=lambda pair: pair.score) for part in (first, second))
    else:
        one, other = _best(both)
    arrays = {**one.arrays("_train"), **other.arrays("_test")}
    how = "The names of the arrays distinguish the two sets"
    if second != "test":
        how += f"; the one for {second} is taken as the test part"
    notes = [*_in_words(one, [pairs[0] for pairs, _ in both]), f"{how}."]
    if not first:
        notes.append("Arrays whose names say no part are for training.")
    of_train, of_test = (
        _vectors(facts, pair.samples, [part, ""], list(arrays.values()))
        for pair, part in ((one, "train"), (other, second))
    )
    for kind in of_train:
        if kind in of_test and of_train[kind] != of_test[kind]:
            arrays |= {f"{kind}_train": of_train[kind], f"{kind}_test": of_test[kind]}
    labels = "class" if "label_train" in arrays else "none"
    return Guess({"parts": "sets", "labels": labels, "arrays": arrays, **_axes(one)}, notes)


def _unfit_part(facts: Sequence[Facts], by_part: Mapping[str, Sequence[_Pair]]) -> Guess | None:
    """A part that fits with the arrays of another one, named alike, that do not: reading says what does not agree."""
    part = next((part for part in OF_PART if by_part.get(part)), "")
    if not part:
        return None
    pair = max(by_part[part], key=lambda pair: pair.score)
    mine, its = ("_train", "_test") if part == "train" else ("_test", "_train")
    others = {
        f"{role}{its}": fact.name
        for role, one in zip(ROLES, (pair.brain, pair.stimuli), strict=True)
        for fact in facts
        if fact.table and part_in(fact.name) not in ("", part) and _same_stem(fact, one)
    }
    arrays = {**pair.arrays(mine), **others}
    return Guess({"parts": "sets", "labels": "none", "arrays": arrays, **_axes(pair)}, []) if len(others) == 2 else None


def _of_one_set(facts: Sequence[Facts], pairs: Sequence[_Pair], given: Mapping[str, str]) -> Guess:
    preferred = next(
        (found for part in ("", "train", *SECOND_PARTS, "mixed") if (found := [p for p in pairs if p.part == part])), []
    )
    if not preferred:
        return _unfit(facts, given)
    if set(ROLES) <= set(given):
        preferred = list(pairs)
    pair = _best([((one,), one.score) for one in preferred])[0]
    arrays = pair.arrays()
    notes = _in_words(pair, preferred)
    vectors = _vectors(facts, pair.samples, ["", pair.part], list(arrays.values()))
    arrays |= vectors
    entry = {"parts": "none", "arrays": arrays, "labels": "class" if "label" in vectors else "none", **_axes(pair)}
    if pair.part in ("train", *SECOND_PARTS):
        named_for = OF_PART[pair.part]
        notes.append(
            f"By their names these samples are for {named_for}; there is no second part, so there is no split."
        )
        return Guess(entry, notes)
    role, fact, first_index, words = _part_array(facts, pair.samples, set(arrays.values()))
    notes += words
    if fact is not None:
        entry["parts"] = "index"
        arrays[role] = fact.name
        if role != "part":
            entry["first_index"] = first_index
    return Guess(entry, notes)


def _unfit(facts: Sequence[Facts], given: Mapping[str, str]) -> Guess:
    """What names alone suggest, so that reading it says what does not fit; raises InputError if they say nothing."""
    likely = {}
    for role in ROLES:
        named_so = [
            fact for fact in facts if fact.numeric and fact.array.ndim > 1 and fact.like[role] >= 2 and fact.named(role)
        ]
        likely[role] = max(named_so, key=lambda fact: fact.like[role], default=None)
    if all(likely.values()) and likely["brain"] is not likely["stimuli"] and not given:
        return Guess({"parts": "none", "labels": "none", "arrays": {r: f.name for r, f in likely.items() if f}}, [])
    listed = "; ".join(f"{printable(f.name)} ({shape_text(f.shape)})" for f in facts if f.numeric) or "none"
    unusable = " ".join(
        f"'{printable(f.name)}' {f.problem}" for f in facts if f.values is None and f.problem and f.name
    )
    raise NothingFitsError(
        f"{unusable + ' So ' if unusable else ''}no two arrays can be brain responses and square images of the same "
        f"samples. Arrays of numbers: {listed}. If there are such, name them with --entry."
    )


def _best(found: Sequence[tuple[tuple[_Pair, ...], float]]) -> tuple[_Pair, ...]:
    """What fits best; raises InputError where other arrays fit as well."""
    ordered = sorted(found, key=lambda one: -one[1])
    best, score = ordered[0]
    names = [tuple(pair.arrays().values()) for pair in best]
    rivals = [
        pairs
        for pairs, other in ordered
        if other > score - MARGIN and [tuple(p.arrays().values()) for p in pairs] != names
    ]
    if rivals:
        listed = dict.fromkeys(
            " with ".join(f"'{printable(name)}'" for name in pair.arrays().values())
            for of_part in zip(best, *rivals[:4], strict=True)
            for pair in of_part
        )
        ends = ("_train", "_test") if len(best) > 1 else ("",)
        roles = {role: name for pair, end in zip(best, ends, strict=True) for role, name in pair.arrays(end).items()}
        example = ", ".join(f"{role}: {printable(name)}" for role, name in roles.items())
        raise InputError(
            f"several arrays could be responses and stimuli ({'; '.join(listed)}). Name them with --entry, for example "
            f"--entry '{{arrays: {{{example}}}}}'."
        )
    same = [pairs for pairs, _ in ordered if [tuple(p.arrays().values()) for p in pairs] == names]
    return max(same, key=lambda pairs: sum(_smoothness(pair) for pair in pairs)) if len(same) > 1 else best


def _smoothness(pair: _Pair) -> float:
    """How alike neighbouring pixels are along the axes of a pair: 1 for flat images, 0 for noise, in steps of 0.2."""
    rows = np.moveaxis(without_ones(pair.stimuli.array), AXES[pair.axes[1]], 0)[:50].astype(np.float64)
    if rows.ndim == 2 and pair.form == "grey":
        side = round(rows.shape[1] ** 0.5)
        rows = rows.reshape(-1, side, side)
    if rows.ndim != 3 or not rows.std() > 0:
        return 0.0
    difference = (np.diff(rows, axis=1).var() + np.diff(rows, axis=2).var()) / 2
    return round(max(0.0, 1 - difference / (2 * rows.var())) * 5) / 5


def _same_stem(one: Facts, other: Facts) -> bool:
    return stem(one.name) == stem(other.name)


def _axes(pair: _Pair) -> dict[str, object]:
    found = {} if pair.form == "grey" else {"channels": "rgb-last" if pair.form == "rgb" else pair.form}
    return found | axes_of_entry(*pair.axes)


def _in_words(pair: _Pair, all_that_fit: Sequence[_Pair]) -> list[str]:
    """Which arrays were taken, along which axes, and whether others would fit."""
    shapes = [f"'{printable(f.name)}' ({shape_text(f.shape)})" for f in (pair.brain, pair.stimuli)]
    ours, theirs = pair.axes
    axes = f"samples along the {ours} axis"
    if ours != theirs:
        axes += f" of the one and the {theirs} of the other"
    why = ", the only two that fit together" if len(all_that_fit) == 1 else ""
    notes = [f"{shapes[0]} holds the responses and {shapes[1]} the stimuli, {axes}{why}."]
    same = [other for other in all_that_fit if other.brain is pair.brain and other.stimuli is pair.stimuli]
    if other := next((other for other in same if other.axes != pair.axes), None):
        notes.append(
            f"Samples could lie along the {other.axes[0]} axis of '{printable(pair.brain.name)}' and the "
            f"{other.axes[1]} of '{printable(pair.stimuli.name)}' as well: check this, and state sample_axis."
        )
    return notes


def _vectors(facts: Iterable[Facts], count: int, parts: Sequence[str], taken: Sequence[str]) -> dict[str, str]:
    """By kind (label and groupings) the first array that is named so and holds a whole number for each sample."""
    found: dict[str, str] = {}
    fitting = [
        fact
        for fact in facts
        if fact.numeric
        and fact.array.size == count == max(fact.shape, default=0)
        and part_in(fact.name) in parts
        and not fact.named("index")
        and fact.name not in taken
        and _are_counts(fact.array)
    ]
    fitting.sort(key=lambda fact: parts.index(part_in(fact.name)))
    for kind in ("label", *GROUPINGS):
        for weak in (False, True):
            for fact in fitting:
                if kind not in found and named(fact.name, kind, weak) and fact.name not in found.values():
                    found[kind] = fact.name
    return found


def _part_array(facts: Iterable[Facts], count: int, taken: set[str]) -> tuple[str, Facts | None, int, list[str]]:
    """The role and the array that tell training from test samples, its first index, and what was found in words."""
    free = [fact for fact in facts if fact.values is not None and fact.name not in taken]
    free = [fact for fact in free if fact.array.size == max(fact.shape, default=0) > 0]
    for part in ("test", "validation", "train"):
        for fact in free:
            if not (fact.numeric and part_in(fact.name) == part):
                continue
            is_mask = _is_mask(fact.array, count)
            if not (is_mask or _lists_samples(fact, count)):
                continue
            role = "train_index" if part == "train" else "part" if is_mask else "test_index"
            others = "the others are for training" if part != "train" else "the others are the test part"
            lists = [other.array for other in free if _lists_samples(other, count)]
            low, high = (pick([pick(values) for values in lists] or [0]) for pick in (np.min, np.max))
            first = 0 if is_mask or low == 0 or high == count - 1 else 1
            doubt = (
                "" if is_mask or low == 0 or high == count else f", counted from {first}: check this, both are possible"
            )
            notes = [f"'{printable(fact.name)}' lists the {OF_PART[part]} samples{doubt}; {others}."]
            return role, fact, first, notes + _rest(free, fact, part, count)
    for fact in free:
        if fact.array.size == count and fact.named("part") and _are_parts(fact.array):
            return "part", fact, 0, [f"'{printable(fact.name)}' says which samples belong to the test part."]
    notes = ["No array separates training and test samples, so there is no split."]
    for fact in free:
        if fact.numeric and part_in(fact.name):
            why = f"it holds neither positions among the {count} samples, each once, nor 0 and 1 for each sample"
            if other := _named_after(fact):
                why = f"its name is that of a {other}"
            notes.append(f"'{printable(fact.name)}' is not read as a list of samples: {why}.")
    return "", None, 0, notes


def _rest(free: Sequence[Facts], chosen: Facts, part: str, count: int) -> list[str]:
    """A warning where a list of training samples does not hold all that the chosen list leaves to it."""
    left = count - _number_listed(chosen, count)
    for fact in free if part != "train" else ():
        if fact.numeric and part_in(fact.name) == "train":
            size = _number_listed(fact, count)
            if 0 < size < left:
                more = f"the {left - size} that are in neither are for training, too"
                return [f"'{printable(fact.name)}' lists {size} samples; {more}."]
    return []


def _number_listed(fact: Facts, count: int) -> int:
    """How many of ``count`` samples a mask or a list of positions holds; 0 if it is neither."""
    if _is_mask(fact.array, count):
        return int(np.count_nonzero(fact.array))
    return fact.array.size if _lists_samples(fact, count) else 0


def _lists_samples(fact: Facts, count: int) -> bool:
    """Whether it could be positions of samples; "test_runs" lists runs, and "label_test" labels."""
    return fact.numeric and not _named_after(fact) and _are_positions(fact.array, count)


def _named_after(fact: Facts) -> str:
    """What the name says the values are of, "label" or a grouping; "" if nothing."""
    return next((kind for kind in ("label", *GROUPINGS) if fact.named(kind)), "")


def _is_mask(values: np.ndarray, count: int) -> bool:
    return values.size == count and _are_parts(values) and len(np.unique(values)) == 2


def _are_counts(values: np.ndarray) -> bool:
    """Whether all are whole numbers of 0 or more."""
    return bool(np.isfinite(values).all() and values.min() >= 0 and np.array_equal(values, np.rint(values)))


def _are_positions(values: np.ndarray, count: int) -> bool:
    distinct = len(np.unique(values)) == values.size
    return bool(0 < values.size < count and distinct and _are_counts(values) and values.max() <= count)


def _are_parts(values: np.ndarray) -> bool:
    found = {str(value).strip().lower() for value in values.reshape(-1).tolist()}
    if values.dtype.kind == "U":
        parts = {PART_WORDS.get(word, "") for word in found}
        return "train" in parts and len(parts) > 1 and "" not in parts
    return found in ({"0", "1"}, {"false", "true"}, {"0.0", "1.0"})
