"""One result of the audit: what was found, how grave it is, and what it means for the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

SEVERITIES = {
    "serious": "scores do not measure what they seem to, or cannot be used as they are",
    "notable": "scores can be used, but not judged without knowing this",
    "info": "a fact for the record, which changes no conclusion",
}
"""The words for how grave a finding is, gravest first, with their definitions."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    check : name of the check; stable, since tables and people select by it.
    severity : a key of ``SEVERITIES``.
    message : one sentence that states the fact with its numbers.
    meaning : what it means for the scores.
    numbers : the figures behind the message, as plain numbers.
    short : the fact in a few words, without a full stop; by default the whole message.
    """

    check: str
    severity: str
    message: str
    meaning: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    short: str = ""

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity is {self.severity!r}, expected one of {', '.join(SEVERITIES)}")
        object.__setattr__(self, "short", self.short or self.message.removesuffix("."))


def some(count: int, total: int, noun: str, one: str, many: str) -> str:
    """How a sentence begins; ``noun`` in the plural, ``one`` and ``many`` the verb in the singular and the plural.

    >>> some(3, 12, "samples", "is", "are")
    '3 of 12 samples are'
    >>> some(0, 12, "samples", "is", "are")
    'None of 12 samples is'
    >>> some(12, 12, "samples", "is", "are")
    'All 12 samples are'
    """
    subject = f"All {total} {noun}" if count == total > 1 else f"{count or 'None'} of {total} {noun}"
    return f"{subject} {one if count < 2 else many}"


def counted(number: int, noun: str) -> str:
    """A number with its noun, which is given in the singular."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def span(values: Sequence[int] | np.ndarray) -> str:
    """The least and the greatest of some numbers, as "3 to 5", or the one that all of them are."""
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"
