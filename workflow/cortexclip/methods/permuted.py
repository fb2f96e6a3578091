"""Control: ridge on shuffled pairs of brain response and image; many shuffles give the distribution under chance."""

from __future__ import annotations

import weakref
from typing import ClassVar

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, PenaltyGrid, Progress, Samples
from cortexclip.methods.ridge import Ridge, ridge_decoder
from cortexclip.numerics.ridge import ShuffledRidge
from cortexclip.runtime.settings import Count


class Permuted(Ridge):
    """Ridge after the images of the training samples have been shuffled; the penalty is chosen again, too."""

    class Settings(PenaltyGrid):
        """As for ridge, and the number of shuffles."""

        permutations: Count

    stochastic = True
    seeds_are_trainings = False
    _shared: ClassVar[tuple] = (lambda: None, None, None)  # the samples (weakly), the settings and their ShuffledRidge

    def fits(self, seeds: int) -> int:
        return self.settings.permutations

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples = data.final
        shuffled = self._shuffled(samples)
        order = np.random.default_rng(seed).permutation(len(samples))
        penalty, errors = shuffled.choose(order)
        return ridge_decoder(
            lambda brain: shuffled.predict(brain, order, penalty),
            lambda: shuffled.coefficients(order, penalty),
            shuffled.mean,
            shuffled.scaler,
            data.shape,
            {"penalty": penalty, "loo_mse": float(errors.min())},
        )

    def _shuffled(self, samples: Samples) -> ShuffledRidge:
        """What the shuffles of one fold have in common, kept until other samples come."""
        known, settings, shuffled = Permuted._shared
        if known() is not samples or settings != self.settings:
            penalties, standardise = self.settings.penalties, self.settings.standardise
            shuffled = ShuffledRidge(samples.brain, samples.pixels, penalties, standardise=standardise)
            Permuted._shared = weakref.ref(samples), self.settings, shuffled
        return shuffled
