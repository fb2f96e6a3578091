"""What the reader of a recording had to drop, from the counts that came with the dataset."""

from __future__ import annotations

import json

from cortexclip.audit.finding import Finding
from cortexclip.data.reading import said

MUCH = 0.25
"""Share of the rows or events dropped from which a finding is notable."""


def check_reading(reading: str | None) -> list[Finding]:
    """Say what was read, dropped, repaired and left out; nothing if there are no counts.

    ``reading`` is the dataset's attribute of this name, see :mod:`cortexclip.data.reading`, or None.
    """
    if not reading:
        return []
    counts = json.loads(reading)
    numbers = {}
    for kind in ("rows", "events"):
        if kind in counts:
            numbers |= {kind: counts[kind], f"{kind}_dropped": sum(counts.get(f"{kind}_dropped", {}).values())}
    dropped = max(numbers[f"{kind}_dropped"] / max(1, numbers[kind]) for kind in ("rows", "events") if kind in numbers)
    much = dropped > MUCH
    return [
        Finding(
            "reading",
            "notable" if much else "info",
            said(counts),
            "So much was dropped that what is left may be another experiment: look at the reasons."
            if much
            else "What was dropped is a small part, chosen by rules that do not look at the images.",
            numbers,
        )
    ]
