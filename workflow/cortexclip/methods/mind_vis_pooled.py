"""MinD-Vis whose pretraining also sees the training responses of the other datasets of the configuration.

The original pretrains on other people's brain data too (some 136,000 samples of the Human Connectome Project). Here
there are a hundred or so, of other subjects and voxels.
"""

from __future__ import annotations

import numpy as np

from cortexclip.methods.interface import FitData
from cortexclip.methods.mind_vis import MindVis
from cortexclip.numerics.standardise import fit_scaler


class PooledMindVis(MindVis):
    """As `mind_vis`, with the voxels of other datasets' training parts among those of the pretraining.

    Each dataset is standardised by itself. Its voxels, in their order, stand for the first ones of this dataset; those
    that are missing are at their mean, and what is more is left out.
    """

    def other_brain(self, data: FitData) -> np.ndarray | None:
        if not data.others:
            return None
        filled = [np.zeros((len(samples), data.n_voxels)) for samples in data.others]
        for brain, samples in zip(filled, data.others, strict=True):
            own = samples.brain[:, : data.n_voxels]
            brain[:, : own.shape[1]] = fit_scaler(own, self.settings.standardise)(own)
        return np.concatenate(filled)
