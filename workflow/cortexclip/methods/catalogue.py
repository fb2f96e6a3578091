"""Finding a method's module by its name in the configuration."""

from __future__ import annotations

import importlib
import itertools
from types import ModuleType

from cortexclip.errors import InputError
from cortexclip.methods.interface import make_settings
from cortexclip.methods.procedure import FIELDS, Configured, make_procedure

# The dataset-size rule of the CCCV1 document: each class ends below this number of samples.
SIZES = {"small": 200, "medium": 800, "large": float("inf")}


def load_method(module: str) -> ModuleType:
    """Import the module of a method; raises InputError if it is missing or lacks Settings, STOCHASTIC or fit."""
    try:
        loaded = importlib.import_module(module)
    except (ModuleNotFoundError, ValueError) as error:
        raise InputError(
            f"config/methods.yaml: no module '{module}' ({error}). Check its name and PYTHONPATH."
        ) from error
    for name in ("Settings", "STOCHASTIC", "fit"):
        if not hasattr(loaded, name):
            raise InputError(f"{module}: a method's module defines {name}; see cortexclip/methods/interface.py.")
    return loaded


def number_of_fits(module: ModuleType, settings: object, seeds: int) -> int:
    """How often a method is fitted per fold: for each seed, once without chance, or as its own ``fits`` says."""
    if hasattr(module, "fits"):
        return module.fits(settings)
    return seeds if module.STOCHASTIC else 1


def size_class(n_samples: int) -> str:
    """The class of a dataset with this number of samples by the dataset-size rule."""
    return next(name for name, end in SIZES.items() if n_samples < end)


def settings_for(entry: dict, dataset: str, n_samples: int) -> dict:
    """A method's settings for one dataset: the general ones, then those of its size class, then its own."""
    return {
        **entry.get("settings", {}),
        **entry.get("by_size", {}).get(size_class(n_samples), {}),
        **entry.get("by_dataset", {}).get(dataset, {}),
    }


def points_of(entry: dict) -> list[dict]:
    """The grid of an entry: for each point what it sets; one point that sets nothing where there is no grid."""
    grid = entry.get("grid", {})
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def all_settings(entry: dict, dataset: str, n_samples: int, where: str) -> list:
    """A method's ``Settings`` for one dataset at every point of its grid; raises InputError as ``make_settings``."""
    module = load_method(entry["module"])
    points = points_of(entry)
    if len(points) > 1 and not hasattr(module, "recipe"):
        raise InputError(f"{where}: grid: {entry['module']} has no recipe, so it takes no grid. Remove the key.")
    general = settings_for(entry, dataset, n_samples)
    return [make_settings(module.Settings, {**general, **point}, where) for point in points]


def configured(entry: dict, protocol: str, dataset: str, n_samples: int, where: str) -> list[Configured]:
    """A method as a source trained it under a protocol, in each of the configurations that the source tried.

    The entry of a procedure may set settings of the method too, and a configuration sets some of both; a dataset
    without configurations has one, which sets nothing. ``only`` in the entry names those that are wanted, from 1. A
    configuration's own ``point`` holds settings alone. Raises
    InputError as ``make_settings``, and for a method without a recipe.
    """
    module = load_method(entry["module"])
    if not hasattr(module, "recipe"):
        raise InputError(
            f"{where}: procedures: {entry['module']} has no recipe, so it follows no procedure. Remove it."
        )
    stated = entry["procedures"][protocol]
    general = {**settings_for(entry, dataset, n_samples), **stated.get("settings", {})}
    general |= stated.get("by_dataset", {}).get(dataset, {})
    made = []
    wanted = entry.get("only")
    for number, point in enumerate(entry.get("configurations", {}).get(dataset, [{}]), start=1):
        if wanted and number not in wanted:
            continue
        procedure = {key: {**stated, **point}[key] for key in FIELDS if key in stated or key in point}
        own = {key: value for key, value in point.items() if key not in FIELDS}
        settings = make_settings(module.Settings, {**general, **own}, where)
        made.append(Configured(settings, make_procedure(procedure, where), own, number))
    return made
