"""Baseline: banded ridge from voxels to pixels, a penalty for the voxels of each region.

Sources: Nunez-Elizalde, Huth and Gallant 2019, Voxelwise encoding models with non-spherical multivariate normal priors,
NeuroImage 197; Dupre la Tour, Eickenberg, Nunez-Elizalde and Gallant 2022, Feature-space selection with banded ridge
regression, NeuroImage 264.
"""

from __future__ import annotations

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import FitData, LinearDecoder, PenaltyGrid, Progress
from cortexclip.methods.ridge import Ridge, weighted_decoder
from cortexclip.numerics.ridge import centring, fit_dual, products
from cortexclip.numerics.standardise import VoxelScaler, fit_scaler
from cortexclip.runtime.settings import Count

CONCENTRATIONS = (0.1, 1.0)
"""Of the Dirichlet distributions that mixtures are drawn from, in turn: few regions, and any mixture."""


class RidgeBanded(Ridge):
    """A mixture of the regions' kernels and one penalty, which is a penalty for each region; by leave-one-out.

    Mixtures are drawn at random, the same ones in each fit; the first is the even one, which is plain ridge.
    """

    class Settings(PenaltyGrid):
        """``mixtures``: the number of mixtures of regions to try beside the even one.

        Penalties are tried on a logarithmic grid from ``penalty_low`` to ``penalty_high``.
        """

        mixtures: Count

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples, settings = data.final, self.settings
        if samples.region is None:
            raise InputError("ridge_banded: the regions of the voxels are not known. Use ridge.")
        regions, number = np.unique(samples.region, return_inverse=True)
        scaler = fit_scaler(samples.brain, settings.standardise)
        kernels = np.stack([_kernel(samples.brain, scaler, number == each) for each in range(len(regions))])
        mixtures = _mixtures(len(regions), settings.mixtures)
        fits = [fit_dual(np.tensordot(m, kernels, 1), samples.pixels, settings.penalties) for m in mixtures]
        best = min(range(len(fits)), key=lambda each: fits[each].loo_error.min())
        chosen = {"loo_mse": float(fits[best].loo_error.min())}
        chosen |= {f"weight_region_{name}": float(share) for name, share in zip(regions, mixtures[best], strict=True)}
        weights = np.sqrt(mixtures[best][number])
        return weighted_decoder(samples, scaler, weights, fits[best].penalty, chosen)


def _kernel(brain: np.ndarray, scaler: VoxelScaler, used: np.ndarray) -> np.ndarray:
    """Inner products (n_samples, n_samples) of the scaled and centred voxels of a region."""
    scaled = VoxelScaler(scaler.mean[used], scaler.scale[used])(brain[:, used])
    return products(centring(scaled, False), scaled)


def _mixtures(n_regions: int, count: int) -> np.ndarray:
    """Mixtures of regions, shape (1 + count, n_regions), each of mean 1; the first is even."""
    random = np.random.default_rng(0)
    drawn = [random.dirichlet(np.full(n_regions, CONCENTRATIONS[i % 2])) for i in range(count)]
    return np.array([np.full(n_regions, 1.0 / n_regions), *drawn]) * n_regions
