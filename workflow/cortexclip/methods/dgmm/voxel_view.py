"""The voxel view of DGMM: Y = Z B + R H + noise, by mean-field variational Bayes, and the latents that voxels imply.

Source: Du, Du, Huang and He 2018, TNNLS (arXiv 1704.07575), and the published code, ChangdeDu/DGMM. The latents Z of
the images are given by their means and variances. R are latents of the voxels alone, which give the noise a covariance
of low rank beside the equal and independent noise of all voxels. Everything is float64.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.spatial.distance import cdist


class VoxelView:
    """The posterior, which :meth:`update` improves factor by factor.

    Voxels (n_samples, n_voxels) are explained by latents Z, of mean and variance (n_samples, n_latents), and by
    ``n_noise`` columns of R. B and H have independent normal elements of precision tau and eta, the rows of R are
    standard normal, the noise has precision gamma; tau, eta and gamma have the prior Gamma(1, 1). The first means of B,
    R and H are uniform in 0..1 as in the published code, from the ``generator``.

    Means are ``b`` (n_latents, n_voxels), ``r`` (n_samples, n_noise), ``h`` (n_noise, n_voxels), ``tau``, ``eta`` and
    ``gamma``; covariances are of a column of B, a row of R and a column of H.
    """

    def __init__(
        self, voxels: np.ndarray, mean: np.ndarray, variance: np.ndarray, n_noise: int, generator: np.random.Generator
    ):
        self.voxels, self.mean = np.asarray(voxels, np.float64), np.asarray(mean, np.float64)
        (n, n_voxels), n_latents = self.voxels.shape, self.mean.shape[1]
        self.zz = self.mean.T @ self.mean + np.diag(np.sum(variance, axis=0, dtype=np.float64))  # expected Z' Z
        self.b = generator.uniform(size=(n_latents, n_voxels))
        self.r = generator.uniform(size=(n, n_noise))
        self.h = generator.uniform(size=(n_noise, n_voxels))
        self.b_covariance: np.ndarray = np.eye(n_latents)
        self.r_covariance: np.ndarray = np.eye(n_noise)
        self.h_covariance: np.ndarray = np.eye(n_noise)
        self.tau = self.eta = self.gamma = 1.0

    @property
    def bb(self) -> np.ndarray:
        """Expected B B', (n_latents, n_latents)."""
        return self.b @ self.b.T + self.voxels.shape[1] * self.b_covariance

    @property
    def hh(self) -> np.ndarray:
        """Expected H H', (n_noise, n_noise)."""
        return self.h @ self.h.T + self.voxels.shape[1] * self.h_covariance

    @property
    def rr(self) -> np.ndarray:
        """Expected R' R, (n_noise, n_noise)."""
        return self.r.T @ self.r + len(self.r) * self.r_covariance

    def squared_error(self) -> float:
        """Expected squared error of all voxels and samples."""
        z, b, r, h = self.mean, self.b, self.r, self.h
        error = np.sum((self.voxels - z @ b - r @ h) ** 2)
        error += np.sum(self.zz * self.bb) - np.sum((z.T @ z) * (b @ b.T))
        return float(error + np.sum(self.rr * self.hh) - np.sum((r.T @ r) * (h @ h.T)))

    def update(self) -> None:
        """B, H, R, tau, eta and gamma, each given the others."""
        n, n_voxels = self.voxels.shape
        self.b_covariance = np.linalg.inv(self.gamma * self.zz + self.tau * np.eye(len(self.b)))
        self.b = self.gamma * self.b_covariance @ self.mean.T @ (self.voxels - self.r @ self.h)
        rest = self.voxels - self.mean @ self.b
        self.h_covariance = np.linalg.inv(self.gamma * self.rr + self.eta * np.eye(len(self.h)))
        self.h = self.gamma * self.h_covariance @ self.r.T @ rest
        self.r_covariance = np.linalg.inv(self.gamma * self.hh + np.eye(len(self.h)))
        self.r = self.gamma * rest @ self.h.T @ self.r_covariance
        self.tau = _precision(self.b.size, np.trace(self.bb))
        self.eta = _precision(self.h.size, np.trace(self.hh))
        self.gamma = _precision(n * n_voxels, self.squared_error())


class Inference:
    """The latents that voxels imply, one sample at a time: from the posterior and from similar training samples.

    ``arrays`` are those of :meth:`arrays`. A sample is drawn to at most so many ``neighbours`` among the training
    samples by a heat kernel of a ``width`` in the units of the voxels; ``pull`` is the weight of the squared distance
    to their latents ("rho" in the source).
    """

    NAMES = ("view.b", "view.h", "view.hh", "view.gamma", "view.latents", "view.voxels", "view.reach")

    def __init__(self, arrays: Mapping[str, np.ndarray], neighbours: int, width: float, pull: float):
        b, h, hh, gamma, self.latents, self.voxels, self.reach = (arrays[name] for name in self.NAMES)
        self.neighbours, self.width, self.pull = neighbours, width, pull
        mixed = np.linalg.solve(np.eye(len(h)) + gamma * hh, gamma**2 * h)
        self.readout = gamma * b - (b @ h.T) @ mixed  # B times the voxels' precision, with R integrated out
        self.precision = self.readout @ b.T

    @staticmethod
    def arrays(view: VoxelView, neighbours: int) -> dict[str, np.ndarray]:
        """What is kept of a posterior and of its samples, by name."""
        own = view.voxels.astype(np.float32)
        others = np.sort(cdist(own, own, "sqeuclidean"), axis=1)[:, 1:]
        reach = others[:, neighbours - 1] if others.shape[1] >= neighbours else np.full(len(own), np.inf)
        values = (view.b, view.h, view.hh, np.array([view.gamma]), view.mean, own, reach)
        return dict(zip(Inference.NAMES, values, strict=True))

    def weights(self, voxels: np.ndarray) -> np.ndarray:
        """How much each training sample draws samples (n_samples, n_voxels) to it, (n_samples, n_training).

        The heat kernel between neighbours: a sample and a training sample of which at least one is among the nearest of
        the other. As in the published code, which counts a sample as its own nearest neighbour at another rank, the
        nearest training sample is left out.
        """
        distance = cdist(voxels, self.voxels, "sqeuclidean")
        linked = (_ranks(distance) < self.neighbours) | (distance < self.reach)
        rank = _ranks(np.where(linked, distance, np.inf))
        kept = linked & (rank > 0) & (rank <= self.neighbours)
        return np.where(kept, np.exp(-distance / (2 * self.width**2)), 0.0)

    def __call__(self, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations of the latents, (n_samples, n_latents) each, of voxels (n_samples, n_voxels)."""
        voxels = np.asarray(voxels, np.float64)
        weights = self.pull * self.weights(voxels)
        certain = (1 + weights.sum(axis=1))[:, None, None] * np.eye(len(self.precision))
        covariance = np.linalg.inv(self.precision + certain)
        mean = np.einsum("nij,nj->ni", covariance, voxels @ self.readout.T + weights @ self.latents)
        return mean, np.sqrt(np.einsum("nii->ni", covariance))


def _ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value of a row among the others, the least first; equal ones in their order."""
    return np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1, kind="stable")


def _precision(count: int, squares: float) -> float:
    """Mean of the posterior of a precision with the prior Gamma(1, 1), from an expected sum of squares."""
    return (1.0 + 0.5 * count) / (1.0 + 0.5 * float(squares))
