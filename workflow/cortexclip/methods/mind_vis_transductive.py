"""MinD-Vis whose pretraining also sees the voxels of the scored samples, as the original tunes it on test fMRI.

Source: Chen et al. 2023 tune the first stage on the test set's fMRI. That uses brain data of the scored samples, though
never their images, so it is a method of its own and marked as transductive.
"""

from __future__ import annotations

from cortexclip.methods.mind_vis import MindVis


class TransductiveMindVis(MindVis):
    """As `mind_vis`, with the voxels of the scored samples among those of the pretraining."""

    transductive = True
