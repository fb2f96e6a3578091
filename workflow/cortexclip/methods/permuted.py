"""Control: ridge on shuffled pairs of brain response and image; many of them are the distribution under chance."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.methods import ridge
from cortexclip.methods.interface import FitData, Samples
from cortexclip.models.ridge import ShuffledRidge

STOCHASTIC = True


@dataclass(frozen=True)
class Settings(ridge.Settings):
    """As for ridge, and the number of shuffles."""

    permutations: int


def fits(settings: Settings) -> int:
    """Number of fits per fold: one per shuffle, whatever the number of seeds."""
    return settings.permutations


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> ridge.RidgeDecoder:
    """Ridge after the images of the training samples have been dealt out anew; the penalty is chosen anew too."""
    samples = data.final
    shuffled = _SHARED.of(samples, settings)
    order = np.random.default_rng(seed).permutation(len(samples))
    penalty, errors = shuffled.choose(order)
    return ridge.RidgeDecoder(
        lambda brain: shuffled.predict(brain, order, penalty),
        lambda: shuffled.coefficients(order, penalty),
        shuffled.mean,
        shuffled.scaler,
        samples.images.shape[1:],
        {"penalty": penalty, "loo_mse": float(errors.min())},
    )


restore = ridge.restore


class _Shared:
    """What the shuffles of one fold have in common, kept until another fold's samples come."""

    def __init__(self) -> None:
        self._samples: Callable[[], Samples | None] = lambda: None
        self._settings: Settings | None = None
        self._shuffled: ShuffledRidge | None = None

    def of(self, samples: Samples, settings: Settings) -> ShuffledRidge:
        """The shuffled ridge of these samples; made anew unless it is of the very same ones."""
        if self._samples() is not samples or self._settings != settings:
            self._shuffled = ShuffledRidge(
                samples.brain, samples.pixels, ridge.penalties(settings), standardise=settings.standardise
            )
            self._samples, self._settings = weakref.ref(samples), settings
        return self._shuffled


_SHARED = _Shared()
