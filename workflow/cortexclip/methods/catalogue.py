"""Methods by their entries in the configuration: the class, its settings for a dataset, and the points of its grid."""

from __future__ import annotations

import importlib
import inspect
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from cortexclip.errors import InputError
from cortexclip.methods.interface import Method
from cortexclip.methods.procedure import Procedure

# The dataset-size rule of the CCCV1 document: each class ends below this number of samples.
SIZES = {"small": 200, "medium": 800, "large": float("inf")}


@dataclass(frozen=True)
class Point:
    """A method at a point of its grid, or in a configuration of its source.

    ``values`` are the settings that the point sets; ``number`` is that of the source's configuration, from 1.
    """

    method: Method
    values: Mapping[str, object] = field(default_factory=dict)
    number: int | None = None


def load_method(module: str) -> type[Method]:
    """The subclass of `Method` that a module defines; raises InputError if it is missing or defines none or several."""
    try:
        loaded = importlib.import_module(module)
    except (ModuleNotFoundError, ValueError) as error:
        raise InputError(
            f"config/methods.yaml: no module '{module}' ({error}). Check its name and PYTHONPATH."
        ) from error
    classes = [each for each in vars(loaded).values() if inspect.isclass(each) and each.__module__ == module]
    found = [each for each in classes if issubclass(each, Method) and not inspect.isabstract(each)]
    if len(found) != 1:
        raise InputError(
            f"{module}: found {len(found)} subclasses of cortexclip.methods.interface.Method, expected one (functions "
            "fit and restore of the module itself are no longer read). See docs/add-a-method.md."
        )
    return found[0]


def size_class(n_samples: int) -> str:
    """The class of a dataset with this number of samples by the dataset-size rule."""
    return next(name for name, end in SIZES.items() if n_samples < end)


def settings_for(entry: Mapping, dataset: str, n_samples: int) -> dict:
    """A method's settings for one dataset: the general ones, then those of its size class, then its own."""
    return {
        **entry.get("settings", {}),
        **entry.get("by_size", {}).get(size_class(n_samples), {}),
        **entry.get("by_dataset", {}).get(dataset, {}),
    }


def grid_points(entry: Mapping) -> list[dict]:
    """The grid of an entry: for each point what it sets; one point that sets nothing where there is no grid."""
    grid = entry.get("grid", {})
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def points_of(entry: Mapping, dataset: str, n_samples: int, where: str) -> list[Point]:
    """A method for one dataset at every point of its grid; raises InputError for unusable settings."""
    cls, grid = load_method(entry["module"]), grid_points(entry)
    if len(grid) > 1 and not cls.chooses:
        reason = "chooses nothing" if cls.is_network else "is no network"
        raise InputError(f"{where}: grid: {entry['module']} {reason}, so it takes no grid. Remove the key.")
    general = settings_for(entry, dataset, n_samples)
    return [Point(cls.configured({**general, **values}, where), values) for values in grid]


def source_points(entry: Mapping, protocol: str, dataset: str, n_samples: int, where: str) -> list[Point]:
    """A method as a source trained it under a protocol, in each of the configurations that the source tried.

    The entry of a procedure may set settings of the method too, and a configuration sets some of both; a dataset
    without configurations has one, which sets nothing. ``only`` in the entry names those that are wanted, from 1.
    Raises InputError for unusable settings, and for a method that is no network.
    """
    cls = load_method(entry["module"])
    if not cls.is_network:
        raise InputError(
            f"{where}: procedures: {entry['module']} is no network, so it follows no procedure. Remove it."
        )
    stated, names = entry["procedures"][protocol], Procedure.model_fields
    general = {**settings_for(entry, dataset, n_samples), **stated.get("settings", {})}
    general |= stated.get("by_dataset", {}).get(dataset, {})
    points = []
    for number, values in enumerate(entry.get("configurations", {}).get(dataset, [{}]), start=1):
        if number not in entry.get("only", [number]):
            continue
        procedure = {key: value for key, value in {**stated, **values}.items() if key in names}
        own = {key: value for key, value in values.items() if key not in names}
        method = cls.configured({**general, **own}, where)
        method.procedure = Procedure.from_values(procedure, f"{where}: procedure")
        points.append(Point(method, own, number))
    return points
