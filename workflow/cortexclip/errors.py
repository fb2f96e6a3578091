"""The one exception that stands for a user's mistake, so that it can be shown as a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class InputError(ValueError):
    """Bad input: a file, key or option that cannot be used.

    The message names the file, the key or array, what was found, what was expected and what to do.
    The command line prints it without a traceback and exits with status 2.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known name closest to a mistyped one, or all known names."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known) or 'none'}."


def check_keys(given: Mapping[str, object], known: Iterable[str], where: str) -> None:
    """Raise InputError for the first key of ``given`` that is not in ``known``, naming the nearest known one."""
    known = list(known)
    for key in given:
        if key not in known:
            raise InputError(f"{where}: unknown key '{key}'. {nearest(key, known)}")
