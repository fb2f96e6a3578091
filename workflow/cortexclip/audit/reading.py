"""What the reader of a recording had to drop, from the counts that came with the dataset."""

from __future__ import annotations

from collections.abc import Mapping

from cortexclip.audit.finding import Finding
from cortexclip.data.reading import in_words

MUCH = 0.25
"""Share of the rows or events dropped from which a finding is notable."""


def check_reading(counts: Mapping) -> Finding:
    """What was read, dropped, repaired and left out; ``counts`` as :mod:`cortexclip.data.reading` describes them."""
    numbers: dict[str, float] = {}
    shares = [0.0]
    for kind in ("rows", "events"):
        if kind in counts:
            dropped = sum(counts.get(f"{kind}_dropped", {}).values())
            numbers |= {kind: counts[kind], f"{kind}_dropped": dropped}
            shares.append(dropped / max(1, counts[kind]))
    much, rest = max(shares) > MUCH, counts.get("not_used", [])
    meaning = "Only a small part was dropped, by rules that do not use the images."
    if much:
        meaning = "So much was dropped that the rest may no longer represent the experiment: look at the reasons."
    elif rest and not numbers:
        meaning = "The entry of the dataset names the arrays that are used; check that none is left out by mistake."
    samples = any(kind == "samples" for kind, _ in rest)
    return Finding("reading", "notable" if much or samples else "info", in_words(counts), meaning, numbers)
