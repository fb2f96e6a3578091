"""Random seeds as a function of what they are for, so that no run depends on the order of others."""

from __future__ import annotations

import hashlib


def derive_seed(base: int, *parts: str | int) -> int:
    """Seed in 0..2**31-1 from the base seed and the names it belongs to.

    The parts are (dataset, protocol, method, fold, seed index) for a training; other uses name theirs.
    It is the head of the SHA-256 of the parts joined by "/", hence stable over platforms and versions.

    >>> derive_seed(0, "vangerven", "holdout", "cccv1", 0, 0) == derive_seed(0, "vangerven", "holdout", "cccv1", 0, 0)
    True
    """
    text = "/".join([str(base), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
