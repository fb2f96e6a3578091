"""What the name of an array says about it, and which arrays of a file an entry leaves out."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Collection, Iterable, Mapping

from cortexclip.data import GROUPINGS
from cortexclip.data.variables import Declared, printable, shape_text

_STRONG = {
    "brain": "fmri brain bold voxel voxels resp response responses eeg meg ecog beta betas activity activities",
    "stimuli": "stim stims stimulus stimuli image images img imgs pic pics picture pictures pixel pixels seen frame "
    "frames photo photos",
    "label": "label labels lab labs class classes category categories digit digits letter letters",
    "session": "session sessions sess day days",
    "run": "run runs chunk chunks",
    "block": "block blocks",
    "subject": "subject subjects subj participant",
    "train": "train training trn tr learn learning",
    "test": "test testing tst te",
    "validation": "val valid validation validate dev heldout holdout eval evaluation",
    "part": "part parts split splits set subset partition fold",
    "index": "index indices idx ind inds trials",
    "other": "mask roi rois coord coords coordinates xyz position positions onset onsets duration durations embedding "
    "embeddings feature features clip latent latents weight weights ceiling",
}
_WEAK = {
    "brain": "x data signal signals input inputs",
    "stimuli": "y output outputs target targets",
    "label": "target targets",
}
"""Words that are used of anything; what an array holds weighs more."""
STRONG, WEAK = ({kind: frozenset(text.split()) for kind, text in table.items()} for table in (_STRONG, _WEAK))
KNOWN = frozenset[str]().union(*STRONG.values(), *WEAK.values()) | {"is", "held", "out", "the", "of", "one", "s"}
SECOND_PARTS = ("test", "validation")
OF_PART = {"train": "training", "test": "test", "validation": "validation"}
"""What samples of a part are called."""


@functools.lru_cache(maxsize=4096)
def words(name: str) -> frozenset[str]:
    """The words and numbers of a name: "dataTrnS1" is data, trn, s and 1; "xtrain" is x and train.

    >>> sorted(words("dataTrnS1")), sorted(words("xtrain")), sorted(words("held_out/IMGs"))
    (['1', 'data', 's', 'trn'], ['train', 'x'], ['heldout', 'imgs'])
    """
    name = re.sub(r"(?i)held[^a-z0-9]?out", "Heldout", name)
    name = re.sub(r"(?i)hold[^a-z0-9]?out", "Holdout", name)
    name = re.sub(r"([A-Z]{2,})s(?![a-z])", lambda match: match[0].lower(), name)
    found: set[str] = set()
    for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name):
        found.update(_pieces(word.lower()) or [word.lower()])
    return frozenset(found)


def _pieces(word: str) -> list[str] | None:
    """The known words that a word is made of, as few as can be; None if it is not."""
    if word in KNOWN:
        return [word]
    for end in range(len(word) - 1, 0, -1):
        if word[:end] in KNOWN and (rest := _pieces(word[end:])):
            return [word[:end], *rest]
    return None


def named(name: str, kind: str, weak: bool = False) -> bool:
    """Whether a word of the name says that the array is of this kind."""
    return bool(words(name) & (WEAK if weak else STRONG).get(kind, frozenset()))


def part_in(name: str) -> str:
    """The part that a name speaks of: "train", "test", "validation", or "" for none or several."""
    found = [part for part in ("train", *SECOND_PARTS) if named(name, part)]
    return found[0] if len(found) == 1 else ""


def stem(name: str) -> frozenset[str]:
    """The words of a name without those of its part, by which arrays of two parts are known to belong together."""
    return words(name) - STRONG["train"] - STRONG["test"] - STRONG["validation"]


def not_used(
    found: Iterable[Declared], used: Collection[str], samples: Mapping[str, int], voxels: int, pixels: int
) -> list[tuple[str, str]]:
    """A kind and a sentence for each array of a file that an entry leaves out and that could matter.

    The kind is "samples" for what could be further responses or images, "array" for all else.

    ``samples`` is the number of samples of each part (or of "all"), ``voxels`` and ``pixels`` the numbers of one
    sample. Single numbers and short texts are passed over.
    """
    notes = []
    for array in found:
        inside = any(name.startswith((f"{array.name}.", f"{array.name}{{")) for name in used)
        if array.name and array.name not in used and not inside and (why := _why(array, samples, voxels, pixels)):
            kind = "samples" if _like(array, voxels, pixels) else "array"
            notes.append((kind, f"Not used: '{printable(array.name)}' ({shape_text(array.shape)}), {why}."))
    return notes


def _why(array: Declared, samples: Mapping[str, int], voxels: int, pixels: int) -> str:
    size = math.prod(array.shape)
    long = max(array.shape, default=1)
    lengths = array.shape[:1] if array.kind == "char" else array.shape
    parts = [part for part, count in samples.items() if count in lengths]
    own = part_in(array.name)
    if own and "all" not in samples:  # what is named after a part has one value for each sample of that or of none
        parts = [part for part in parts if part == ("train" if own == "train" else "test")]
    of_part = "" if not parts or parts[0] == "all" else f" of the {OF_PART[parts[0]]} part"
    if array.kind in ("text", "char"):
        return f"text for each sample{of_part}: labels and groups are read as whole numbers" if parts else ""
    if array.kind in ("struct", "cell") and size == 1:
        return "" if array.kind == "struct" else "a cell: save what is in it as an array of its own"
    if not _number(array.kind):
        return f"a {printable(array.kind)} array, which holds no plain numbers"
    if size <= 1:
        return ""
    if size == long == sum(samples.values()) and not parts:
        return "one value for each sample of both parts together: save one array for each part"
    if size == long:
        return _why_vector(array, "all" in samples, of_part, bool(parts), long == voxels)
    if what := _like(array, voxels, pixels):
        samples_of = " ".join(filter(None, [OF_PART.get(own), "samples"]))
        return f"which could be {what} of {size // {'responses': voxels, 'images': pixels}[what]} {samples_of}"
    if parts:
        return f"numbers of each sample{of_part}"
    return "numbers of each voxel" if voxels in array.shape else "which fits neither the samples nor the voxels"


def _like(array: Declared, voxels: int, pixels: int) -> str:
    """What samples an array could hold, "responses" or "images"; "" if neither."""
    size = math.prod(array.shape)
    if not _number(array.kind) or size == max(array.shape, default=1) or named(array.name, "other"):
        return ""
    one = {size // length for length in array.shape if length}
    return "responses" if voxels in one else "images" if pixels in one else ""


def _why_vector(array: Declared, one_set: bool, of_part: str, of_samples: bool, of_voxels: bool) -> str:
    if of_samples:
        needs = ": a split is read as words such as train and test, or 0 and 1" if named(array.name, "part") else ""
        for kind in ("label", *GROUPINGS):
            if named(array.name, kind):
                needs = f": a {kind} has to be a whole number of 0 or more in every part, and named under 'arrays'"
        return f"one value for each sample{of_part}{needs}"
    if of_voxels:
        return "one value for each voxel"
    listed = one_set and (named(array.name, "index") or part_in(array.name))
    return "a list of samples; the entry takes one list alone" if listed else ""


def _number(kind: str) -> bool:
    return kind == "bool" or kind.startswith(("int", "uint", "float"))
