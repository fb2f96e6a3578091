"""Finding a method's module by its name in the configuration."""

from __future__ import annotations

import importlib
from types import ModuleType

from cortexclip.errors import InputError

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


def settings_for(entry: dict, dataset: str, n_samples: int) -> dict:
    """A method's settings for one dataset: the general ones, then those of its size class, then its own."""
    size = next(name for name, end in SIZES.items() if n_samples < end)
    return {
        **entry.get("settings", {}),
        **entry.get("by_size", {}).get(size, {}),
        **entry.get("by_dataset", {}).get(dataset, {}),
    }
