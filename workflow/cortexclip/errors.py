"""The one exception that stands for a user's mistake, so that it can be shown as a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class InputError(ValueError):
    """Bad input: a file, key or option that cannot be used.

    The message names the file, the key or array, what was found, what was expected and what to do.
    The command line prints it without a traceback and exits with status 2.
    """


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to a mistyped one; None if none is close."""
    return next(iter(difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known name closest to a mistyped one, or all known names."""
    known = list(known)
    close = closest(name, known)
    return f"Known: {', '.join(known) or 'none'}." if close is None else f"Did you mean '{close}'?"


def check_keys(given: Mapping[str, object], known: Iterable[str], where: str) -> None:
    """Raise InputError for the first key of ``given`` that is not in ``known``, naming the nearest known one."""
    known = list(known)
    for key in given:
        if key not in known:
            raise InputError(f"{where}: unknown key '{key}'. {nearest(key, known)}")
