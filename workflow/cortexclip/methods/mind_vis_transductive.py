"""MinD-Vis whose pretraining also sees the voxels of the scored samples, as the original tunes it on test fMRI.

Source: Chen et al. 2023 tune the first stage on the test set's fMRI. That uses brain data of the scored samples, though
never their images, so it is a method of its own and marked as transductive.
"""

from __future__ import annotations

from collections.abc import Callable

from cortexclip.methods.interface import FitData
from cortexclip.methods.mind_vis import Settings, build_recipe, restore

__all__ = ["Settings", "restore"]

STOCHASTIC = True
TRANSDUCTIVE = True


def recipe(data: FitData, settings: Settings):
    """As `mind_vis`, with the voxels of the scored samples among those of the pretraining."""
    return build_recipe(data, settings, data.scored_brain)


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]):
    """One training; see :func:`recipe`."""
    from cortexclip.methods.network import fit_one

    return fit_one(recipe, data, settings, seed, progress)
