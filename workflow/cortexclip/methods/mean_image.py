"""Control: always answer the mean of the training images. Whatever does not beat it has decoded nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Prediction, Saved

STOCHASTIC = False


@dataclass(frozen=True)
class Settings:
    """Nothing to set."""


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """Mean over the training trials (a repeated stimulus counts each time)."""
    return _decoder(data.final.images.astype(np.float64).mean(axis=0))


def restore(saved: Saved, settings: Settings) -> LinearDecoder:
    """The decoder of a finished run."""
    return _decoder(saved["mean"])


def _decoder(mean: np.ndarray) -> LinearDecoder:
    return LinearDecoder(lambda brain: Prediction(np.repeat(mean[None], len(brain), axis=0)), {"mean": mean})
