"""Control: a linear encoding model of each voxel, inverted under a Gaussian prior over images, in closed form.

Source: Schoenmakers, Barth, Heskes and van Gerven 2013, Linear reconstruction of perceived images from human brain
activity, NeuroImage 83.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from cortexclip.methods.interface import FitData, LinearDecoder, PenaltyGrid, Progress, Samples
from cortexclip.methods.ridge import Ridge, ridge_decoder
from cortexclip.numerics.image_prior import prior_axes
from cortexclip.numerics.receptive_fields import Encoding, fit_free_encoding
from cortexclip.numerics.ridge import Linear
from cortexclip.runtime.settings import Checked, Count, Positive, Rate, Several, Share


class Prior(Checked):
    """Settings of the prior and of the noise, for `GaussianBayes` with any encoding model."""

    standardise: bool
    smooth: Share
    reach: Positive
    coordinates: Count
    shared: Several[Rate]
    doubt: Several[Positive]
    folds: Annotated[int, Field(ge=2)]


class GaussianBayes(Ridge):
    """Mean of the posterior of the image: voxels are linear in the pixels by ridge, with Gaussian noise.

    The prior has the covariance of the training images, smoothed; the noise a covariance of which a part is shared
    between voxels. This part and the strength of the noise are those of least squared error over inner folds. The
    posterior mean is linear in the voxels.
    """

    class Settings(PenaltyGrid, Prior):
        """``smooth``: part of the prior's covariance that makes near pixels alike, over ``reach`` pixels;
        ``coordinates``: axes of it that are kept.

        ``shared``: parts of the noise's covariance to try that voxels share; ``doubt``: factors of the noise to try;
        ``folds``: inner folds. Penalties of the encoding model are on a logarithmic grid; leave-one-out chooses one.
        """

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples, settings = data.final, self.settings
        errors = np.zeros((len(settings.shared), len(settings.doubt)))
        for training, held_out in data.inner_folds(settings.folds):
            encoding, other = self._encoding(samples.take(training)), samples.take(held_out)
            for row, shared in enumerate(settings.shared):
                evidence = encoding.evidence(shared)
                readings = evidence.read(other.brain)
                for column, doubt in enumerate(settings.doubt):
                    predicted = (readings / (doubt + evidence.information)) @ evidence.axes + evidence.mean
                    errors[row, column] += np.square(np.clip(predicted, 0.0, 1.0) - other.pixels).sum()
        best = np.unravel_index(np.argmin(errors), errors.shape)
        shared, doubt = settings.shared[best[0]], settings.doubt[best[1]]
        encoding = self._encoding(samples)
        evidence = encoding.evidence(shared)
        coefficients = (evidence.readout / (doubt + evidence.information)) @ evidence.axes
        decoder = ridge_decoder(
            Linear(encoding.scaler, coefficients, encoding.mean).predict,
            lambda: coefficients,
            encoding.mean,
            encoding.scaler,
            data.shape,
            {"shared": shared, "doubt": doubt, "inner_folds_by": data.inner_folds_by},
        )
        return replace(decoder, kept=self._kept(encoding))

    def _encoding(self, samples: Samples) -> Encoding:
        """The encoding model of some samples, in the coordinates of the prior of their images."""
        settings = self.settings
        axes, inverse = prior_axes(samples.images, settings.smooth, settings.reach, settings.coordinates)
        return fit_free_encoding(samples.brain, samples.pixels, settings.penalties, axes, inverse, settings.standardise)

    def _kept(self, encoding: Encoding) -> dict[str, np.ndarray]:
        """What is saved of the encoding model, which decoding does not need: nothing."""
        return {}
