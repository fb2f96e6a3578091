"""Readers of datasets, and the labelled container that they make."""

from collections.abc import Mapping
from typing import Any

GROUPINGS = ("subject", "session", "run", "block")
"""What samples can be grouped by, each numbered within those before it."""
NO_BRAIN_DATA = "no brain data"


def title_of(entry: Mapping[str, Any]) -> str:
    """The title of an entry, which says so where there are no brain data."""
    title = str(entry.get("title") or "")
    return title if entry.get("brain_data", True) else f"{title} ({NO_BRAIN_DATA})"
