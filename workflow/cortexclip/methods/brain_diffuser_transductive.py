"""Brain-Diffuser as its authors ran it: predictions of the test samples re-standardised by their own statistics.

Each reconstruction then depends on the brain data of all other test samples, which a decoder in use would not have.
"""

from __future__ import annotations

from collections.abc import Callable

from cortexclip.methods.brain_diffuser import Shared as Settings
from cortexclip.methods.brain_diffuser import fit_decoder, restore_decoder
from cortexclip.methods.interface import FitData, LinearDecoder, Saved

STOCHASTIC = True
TRANSDUCTIVE = True


def fit(data: FitData, settings: Settings, seed: int, progress: Callable[[str], None]) -> LinearDecoder:
    """As `brain_diffuser`, with the mean and deviation of the samples that are predicted together.

    The fit itself uses training samples alone.
    """
    return fit_decoder(data.final, settings, seed, progress, "test")


def restore(saved: Saved, settings: Settings) -> LinearDecoder:
    """The decoder of a finished run; what is predicted together is re-standardised together."""
    return restore_decoder(saved, settings, "test")
