"""Brain-Diffuser as its authors ran it: predictions of the test samples re-standardised by their own statistics.

Each reconstruction then depends on the brain data of all other test samples, which a decoder in use would not have.
"""

from __future__ import annotations

from cortexclip.methods.brain_diffuser import BrainDiffuser, SharedSettings


class TransductiveBrainDiffuser(BrainDiffuser):
    """As `brain_diffuser`, with the mean and deviation of the samples that are predicted together.

    The fit itself uses training samples alone.
    """

    class Settings(SharedSettings):
        __doc__ = SharedSettings.__doc__

    transductive = True
    restandardise = "test"
