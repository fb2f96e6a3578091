"""Control: ridge on shuffled pairs of brain response and image; many of them are the distribution under chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cortexclip.methods import ridge
from cortexclip.methods.interface import FitData, LinearDecoder

STOCHASTIC = True


@dataclass(frozen=True)
class Settings(ridge.Settings):
    """As for ridge, and the number of shuffles."""

    permutations: int


def fits(settings: Settings) -> int:
    """Number of fits per fold: one per shuffle, whatever the number of seeds."""
    return settings.permutations


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """Ridge after the images of the training samples have been dealt out anew; the penalty is chosen anew too."""
    order = np.random.default_rng(seed).permutation(len(data.final))
    shuffled = replace(data.final, images=data.final.images[order], stimulus=data.final.stimulus[order])
    return ridge.fit(replace(data, final=shuffled), settings, seed, progress)
