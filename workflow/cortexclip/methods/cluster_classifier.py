"""Control: decodes the cluster of the image, and predicts an image that is typical of it. It only classifies.

What another method gains over it is more than distinguishing clusters of training images (Shirakawa et al. 2025, arXiv
2405.10078).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from cortexclip.methods.interface import FitData, LinearDecoder, Method, PenaltyGrid, Prediction, Progress, Saved
from cortexclip.numerics.ridge import Linear, Ridge, fit_ridge
from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.settings import Count


class ClusterClassifier(Method):
    """Cluster by ridge on one column per cluster (the largest wins), image from the cluster's training images.

    Clusters are Ward's on the pixels of the distinct training images, so scored images are not used. If there are no
    more images than clusters, each image is its own cluster and the image is decoded.
    """

    class Settings(PenaltyGrid):
        """``clusters``: the largest number of clusters; ``answer``: predict the mean of the decoded cluster's distinct
        training images (mean), or one of them at random for each scored sample (random). The penalties are those of
        the decoder of the cluster.
        """

        clusters: Count
        answer: Literal["mean", "random"]

    @property
    def stochastic(self) -> bool:  # type: ignore[override]  # a constant of other methods
        return self.settings.answer == "random"

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        from cortexclip.evaluation.spurious import image_clusters  # SciPy's clusters, not needed to read settings

        samples, settings = data.final, self.settings
        rows = samples.distinct()
        cluster = image_clusters(samples.pixels[rows], settings.clusters)
        of_image = dict(zip(samples.stimulus[rows], cluster, strict=True))
        shown = np.array([of_image[name] for name in samples.stimulus])
        ridge = fit_ridge(
            samples.brain, np.eye(cluster.max() + 1)[shown], settings.penalties, standardise=settings.standardise
        )
        arrays = {"coefficients": ridge.coefficients, "intercept": ridge.intercept}
        arrays |= {"images": samples.images[rows].astype(np.float64), "cluster": cluster, "cluster_share": ridge.mean}
        arrays |= {"sampling_seed": np.array([seed], np.int64), **ridge.scaler.arrays}
        chosen = {"clusters": int(cluster.max()) + 1, "penalty": ridge.penalty}
        return self.restore(Saved(arrays, chosen, data.shape), ridge)

    def restore(self, saved: Saved, fitted: Ridge | None = None) -> LinearDecoder:
        arrays = saved.named("coefficients", "intercept")
        kept = saved.named("images", "cluster", "cluster_share", "sampling_seed", "voxel_mean", "voxel_scale")
        ridge = fitted or Linear(saved.scaler, arrays["coefficients"], kept["cluster_share"])
        images, cluster = kept["images"], kept["cluster"]
        members = [images[cluster == number] for number in range(cluster.max() + 1)]
        means = np.stack([group.mean(axis=0) for group in members])

        def predict(brain: np.ndarray) -> Prediction:
            decoded = np.argmax(ridge.predict(brain), axis=1)
            if not self.stochastic:
                return Prediction(means[decoded])
            rng = np.random.default_rng(derive_seed(int(kept["sampling_seed"][0]), "answers"))
            draws = rng.random(len(decoded))
            return Prediction(
                np.stack([members[at][int(len(members[at]) * draw)] for at, draw in zip(decoded, draws, strict=True)])
            )

        return LinearDecoder(predict, arrays, saved.chosen, kept)
