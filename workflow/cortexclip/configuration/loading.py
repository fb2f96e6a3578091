"""Functions of modules that the catalogues name: readers of datasets, image encoders."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from cortexclip.errors import InputError


def load_function(module: object, function: str, who: str, without: str, expected: str) -> Callable:
    """A function of a module by their names.

    Raises InputError, beginning with ``who``, if the module cannot be imported or lacks the function: ``without`` says
    what it then does not do, and ``expected`` what should have been named.
    """
    try:
        found = getattr(importlib.import_module(str(module)), function, None)
    except (ImportError, ValueError) as error:
        raise InputError(f"{who} cannot be imported ({error}); {expected}.") from error
    if found is None:
        raise InputError(f"{who} {without}; {expected}.")
    return found


def load_reader(dataset: str, module: object) -> Callable:
    """The function ``read(path, name, entry)`` of the reader module that a dataset's entry names."""
    expected = "expected a module with a function read(path, name, entry), such as cortexclip.data.arrays"
    return load_function(module, "read", f"dataset '{dataset}': the reader '{module}'", "reads no file", expected)


def load_encoder(name: str, settings: dict):
    """The image encoder that settings describe: their ``module`` has a function load(settings)."""
    expected = "expected a module with a function load(settings), such as cortexclip.features.pixels"
    module = settings.get("module")
    load = load_function(module, "load", f"encoder '{name}': the module '{module}'", "loads no encoder", expected)
    return load({key: value for key, value in settings.items() if key != "module"})
