"""Control: as gaussian_bayes with an encoding model of receptive fields, which is the first part of `cortexclip`."""

from __future__ import annotations

import numpy as np

from cortexclip.methods.gaussian_bayes import GaussianBayes, Prior
from cortexclip.methods.interface import Samples
from cortexclip.numerics.image_prior import prior_axes
from cortexclip.numerics.receptive_fields import Encoding, fit_encoding, gaussian_fields
from cortexclip.runtime.settings import Count, Positive, Several


class GaussianBayesFields(GaussianBayes):
    """Mean of the posterior of the image: a voxel sees the image through the mean of Gaussian receptive fields.

    This is the candidate `gaussian` of `cortexclip` alone, without other priors, regressions and their stack.
    """

    class Settings(Prior):
        """As for gaussian_bayes, without penalties; ``field_sizes``: standard deviations of
        receptive fields as fractions of the image's side, with centres ``field_spacing`` pixels apart.
        """

        field_sizes: Several[Positive]
        field_spacing: Count

    drawn = "fields"

    def _encoding(self, samples: Samples) -> Encoding:
        settings = self.settings
        axes, inverse = prior_axes(samples.images, settings.smooth, settings.reach, settings.coordinates)
        fields = gaussian_fields(samples.images.shape[1:], settings.field_sizes, settings.field_spacing)
        return fit_encoding(samples.brain, samples.pixels, fields, axes, inverse, settings.standardise)

    def _kept(self, encoding: Encoding) -> dict[str, np.ndarray]:
        """The receptive fields, for their figure."""
        return encoding.arrays()
