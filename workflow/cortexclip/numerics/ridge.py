"""Ridge regression with one penalty for all targets, chosen by leave-one-out in closed form.

One eigendecomposition of the samples' Gram matrix serves every penalty, every target and every shuffle of the pairs,
which is what makes it cheap where samples are few and voxels many. Sources: Hoerl and Kennard 1970; the leave-one-out
identity is Allen's PRESS (1974), e.g. Hastie, Tibshirani and Friedman, Elements of Statistical Learning, eq. 7.64.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cortexclip.numerics.standardise import BLOCK, VoxelScaler, fit_scaler


@dataclass(frozen=True)
class Ridge:
    """A fitted ridge regression.

    Attributes
    ----------
    features : array of shape (n_samples, n_features), of training, not copied.
    scaler : centres the features, and z-scores them if ``standardised``.
    standardised : bool.
    dual : array of shape (n_samples, n_targets), or None where there are more samples than features.
    primal : array of shape (n_features, n_targets), or None where there are not.
    mean : array of shape (n_targets,): of the training targets.
    penalty : the penalty used.
    loo_error : array of shape (n_penalties,): leave-one-out mean squared error of each penalty tried.
    loo_prediction : array of shape (n_samples, n_targets): each sample predicted by the fit without it.
    """

    features: np.ndarray
    scaler: VoxelScaler
    standardised: bool
    dual: np.ndarray | None
    primal: np.ndarray | None
    mean: np.ndarray
    penalty: float
    loo_error: np.ndarray
    loo_prediction: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict targets, shape (n_samples, n_targets), from features of shape (n_samples, n_features)."""
        if self.primal is not None:
            return self.scaler(features) @ self.primal + self.mean
        return products(self.scaler, features, self.features) @ self.dual + self.mean

    @functools.cached_property
    def coefficients(self) -> np.ndarray:
        """Weights of the features (of the z-scored ones if ``standardised``), shape (n_features, n_targets).

        Where features are many they are not needed to predict, and made when they are first requested.
        """
        if self.primal is not None:
            return self.primal
        return weights_of(self.scaler, self.features, np.asarray(self.dual))

    @property
    def intercept(self) -> np.ndarray:
        """What is added to the weighted features, shape (n_targets,)."""
        return self.mean if self.standardised else self.mean - self.scaler.mean @ self.coefficients


@dataclass(frozen=True)
class Linear:
    """A linear map of scaled features, such as a ridge regression that was saved.

    ``coefficients`` has shape (n_features, n_targets), ``intercept`` (n_targets,).
    """

    scaler: VoxelScaler
    coefficients: np.ndarray
    intercept: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Targets, shape (n_samples, n_targets), of features of shape (n_samples, n_features)."""
        return self.scaler(features) @ self.coefficients + self.intercept


def unscaled(coefficients: np.ndarray, intercept: np.ndarray) -> Linear:
    """A linear map of features as they are."""
    n_features = len(coefficients)
    return Linear(VoxelScaler(np.zeros(n_features), np.ones(n_features)), coefficients, intercept)


def fit_ridge(features: np.ndarray, targets: np.ndarray, penalties: np.ndarray, *, standardise: bool = False) -> Ridge:
    """Fit targets (n_samples, n_targets) on features (n_samples, n_features) of two samples or more.

    The intercept is not penalised. Of ``penalties`` (n_penalties,), positive, that of least leave-one-out error is
    taken, the larger one of equals. ``standardise``: each feature is z-scored over these samples. Costs grow with the
    smaller one of samples and features. However many the features, if they are more than the samples only some of them
    at a time are held as float64.
    """
    features, targets = np.asarray(features), np.asarray(targets, np.float64)
    scaler, mean = centring(features, standardise), targets.mean(axis=0)
    if len(features) > features.shape[1]:
        axes = PrincipalAxes.of(scaler(features))
        errors, penalty, residuals = _choose(axes, targets - mean, penalties)
        primal = axes.axes @ ((axes.scores.T @ (targets - mean)) / (axes.values + penalty)[:, None])
        return Ridge(features, scaler, standardise, None, primal, mean, penalty, errors, targets - residuals)
    fit = fit_dual(products(scaler, features), targets, penalties)
    return Ridge(features, scaler, standardise, fit.dual, None, mean, fit.penalty, fit.loo_error, fit.loo_prediction)


def centring(features: np.ndarray, standardise: bool) -> VoxelScaler:
    """What centres features of shape (n_samples, n_features) over their samples, and z-scores them on request."""
    scaler = fit_scaler(features)
    return scaler if standardise else VoxelScaler(scaler.mean, np.ones_like(scaler.scale))


def products(scaler: VoxelScaler, features: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Inner products of scaled samples: the Gram matrix of ``features``, or (n_samples, n_others) with ``others``."""
    if others is None:
        return sum(block @ block.T for (block,) in scaler.blocks(features))
    return sum(block @ other.T for block, other in scaler.blocks(features, others))


def weights_of(scaler: VoxelScaler, features: np.ndarray, dual: np.ndarray) -> np.ndarray:
    """Coefficients (n_features, n_targets) of scaled features from dual ones, (n_samples, n_targets)."""
    return np.concatenate([block.T @ dual for (block,) in scaler.blocks(features)])


@dataclass(frozen=True)
class PrincipalAxes:
    """Centred features on their principal axes, for ridge with more samples than features.

    Attributes
    ----------
    values : array of shape (n_features,): eigenvalues of the features' scatter matrix, none below zero.
    axes : array of shape (n_features, n_features): its eigenvectors.
    scores : array of shape (n_samples, n_features): the samples on these axes.
    """

    values: np.ndarray
    axes: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, centred: np.ndarray) -> PrincipalAxes:
        """Raises ValueError with fewer than two samples."""
        if len(centred) < 2:
            raise ValueError(f"ridge needs at least 2 samples, found {len(centred)}")
        values, axes = np.linalg.eigh(centred.T @ centred)
        return cls(np.clip(values, 0.0, None), axes, centred @ axes)

    def residuals(self, targets: np.ndarray, rotated: np.ndarray, penalty: float) -> np.ndarray:
        """Leave-one-out residuals of centred targets (n_samples, n_targets); ``rotated`` is scores.T @ targets."""
        weights = 1.0 / (self.values + penalty)
        leverage = self.scores**2 @ weights + 1.0 / len(targets)
        return (targets - self.scores @ (weights[:, None] * rotated)) / (1.0 - leverage)[:, None]


def _choose(axes: PrincipalAxes, targets: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Leave-one-out errors of the penalties, ascending; the penalty of least error; its residuals."""
    descending, rotated = np.sort(np.asarray(penalties, np.float64))[::-1], axes.scores.T @ targets
    errors = np.array([np.mean(axes.residuals(targets, rotated, penalty) ** 2) for penalty in descending])
    penalty = float(descending[np.argmin(errors)])
    return errors[::-1].copy(), penalty, axes.residuals(targets, rotated, penalty)


@dataclass(frozen=True)
class DualFit:
    """Ridge in its dual form: the prediction for a sample is its centred kernel with the training samples @ ``dual``,
    plus the targets' mean. ``dual`` has shape (n_samples, n_targets); the rest is as in :class:`Ridge`.
    """

    dual: np.ndarray
    penalty: float
    loo_error: np.ndarray
    loo_prediction: np.ndarray


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues (n_samples,), none below zero, and eigenvectors (n_samples, n_samples) of a centred Gram matrix."""

    values: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, gram: np.ndarray) -> Spectrum:
        """Raises ValueError with fewer than two samples."""
        if len(gram) < 2:
            raise ValueError(f"ridge needs at least 2 samples, found {len(gram)}")
        values, vectors = np.linalg.eigh(gram)
        return cls(np.clip(values, 0.0, None), vectors)

    def left_out(self, penalties: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """What turns rotated targets into leave-one-out residuals, some penalties after others.

        Yields a slice of ``penalties`` and an array (n_penalties of it, n_samples, n_samples) A: the residuals of
        centred targets y are A @ (vectors.T @ y), each sample's by the ridge fitted on all others.
        """
        n = len(self.values)
        step = max(1, BLOCK // n**2)
        for start in range(0, len(penalties), step):
            part = slice(start, start + step)
            shrink = self.values / (self.values + penalties[part, None])
            leverage = shrink @ (self.vectors**2).T + 1.0 / n
            yield part, self.vectors * (1.0 - shrink)[:, None, :] / (1.0 - leverage)[:, :, None]

    def groups_left_out(self, penalty: float, group: np.ndarray) -> np.ndarray:
        """As `left_out` for one penalty, (n_samples, n_samples), each sample left out with all of its group.

        ``group`` (n_samples,) has two values at least. For a linear smoother H the residuals of a group that is left
        out are (I - H_gg)^-1 times its residuals.
        """
        n = len(self.values)
        kept = self.vectors * (penalty / (self.values + penalty))
        within = np.where(group[:, None] == group, kept @ self.vectors.T - 1.0 / n, 0.0)
        return np.linalg.solve(within, kept)


def few_targets(targets: np.ndarray) -> np.ndarray:
    """At most n_samples targets of the same inner products between samples, in place of (n_samples, n_targets).

    Rotating targets among themselves changes no sum of squares, so n_samples of them say as much as all.
    """
    return np.asarray(np.linalg.qr(targets.T, mode="r")).T if targets.shape[1] > len(targets) else targets


def explained_variance(
    features: np.ndarray, targets: np.ndarray, penalties: np.ndarray, group: np.ndarray
) -> np.ndarray:
    """Share of each target's variance that ridge explains in samples left out with all of their group.

    Of features (n_samples, n_features), targets (n_samples, n_targets) and group (n_samples,) it gives (n_targets,), 0
    to 1; 0 where the mean of the other samples is as good. The penalty is that one of ``penalties`` (n_penalties,),
    positive, of least error over all targets. Of a single group nothing can be left out, and all are 1.
    """
    if (group == group[0]).all():
        return np.ones(targets.shape[1])
    targets = np.asarray(targets, np.float64)
    spectrum = Spectrum.of(products(centring(features, False), features))
    rotated = spectrum.vectors.T @ (targets - targets.mean(axis=0))
    few = few_targets(rotated)
    maps = [spectrum.groups_left_out(float(penalty), group) for penalty in np.sort(penalties)[::-1]]
    best = min(maps, key=lambda left_out: np.square(left_out @ few).sum())
    without = Spectrum(np.zeros(len(targets)), spectrum.vectors).groups_left_out(1.0, group)
    error, total = (np.square(left_out @ rotated).sum(axis=0) for left_out in (best, without))
    return np.clip(1.0 - np.divide(error, total, out=np.ones_like(error), where=total > 1e-12), 0.0, None)


def ridge_path(features: np.ndarray, targets: np.ndarray, others: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Targets of other samples by the ridge of each penalty, shape (n_penalties, n_others, n_targets).

    ``features`` has shape (n_samples, n_features), ``targets`` (n_samples, n_targets), ``others`` (n_others,
    n_features); ``penalties`` (n_penalties,) are positive.
    """
    scaler, mean = centring(features, False), targets.mean(axis=0)
    spectrum = Spectrum.of(products(scaler, features))
    seen = products(scaler, others, features) @ spectrum.vectors
    weights = seen / (spectrum.values + np.asarray(penalties)[:, None, None])
    return weights @ (spectrum.vectors.T @ (targets - mean)) + mean


def fit_each(features: np.ndarray, targets: np.ndarray, penalties: np.ndarray) -> Linear:
    """Ridge with an unpenalised intercept and a penalty for each target, (n_targets,), in place of one for all.

    ``features`` has shape (n_samples, n_features), ``targets`` (n_samples, n_targets).
    """
    scaler, mean = centring(features, False), targets.mean(axis=0)
    spectrum = Spectrum.of(products(scaler, features))
    dual = spectrum.vectors @ ((spectrum.vectors.T @ (targets - mean)) / (spectrum.values[:, None] + penalties))
    return Linear(scaler, weights_of(scaler, features, dual), mean)


def fit_dual(gram: np.ndarray, targets: np.ndarray, penalties: np.ndarray) -> DualFit:
    """Ridge from a centred Gram matrix of shape (n_samples, n_samples), whatever the kernel.

    Raises ValueError with fewer than two samples.
    """
    spectrum, descending = Spectrum.of(gram), np.sort(np.asarray(penalties, np.float64))[::-1]
    mean = targets.mean(axis=0)
    rotated = spectrum.vectors.T @ (targets - mean)
    few = few_targets(rotated)
    errors = np.empty(len(descending))
    for part, left_out in spectrum.left_out(descending):
        errors[part] = np.square(left_out.reshape(-1, len(few)) @ few).reshape(len(left_out), -1).sum(axis=1)
    errors /= targets.size
    penalty = float(descending[np.argmin(errors)])
    ((_, chosen),) = spectrum.left_out(np.array([penalty]))
    dual = spectrum.vectors @ (rotated / (spectrum.values + penalty)[:, None])
    return DualFit(dual, penalty, errors[::-1].copy(), targets - chosen[0] @ rotated)


class ShuffledRidge:
    """Ridge on any shuffle of the pairs of features and targets, the penalty chosen anew for each.

    Shuffling the targets changes neither the Gram matrix nor what leave-one-out makes of targets, a linear map for each
    penalty. So the sum of squared leave-one-out residuals of a shuffle is the inner product of the targets' shuffled
    Gram matrix with a matrix that is made once for each penalty. With more samples than features the principal axes are
    shared instead. Parameters are those of `fit_ridge`.
    """

    def __init__(self, features: np.ndarray, targets: np.ndarray, penalties: np.ndarray, *, standardise: bool = False):
        self.features = np.asarray(features)
        self.scaler = centring(self.features, standardise)
        self.mean = np.asarray(targets, np.float64).mean(axis=0)
        self.targets = targets - self.mean
        self.penalties = np.asarray(penalties, np.float64)
        self._seen: tuple[np.ndarray, np.ndarray] | None = None
        n = len(self.features)
        self._axes = PrincipalAxes.of(self.scaler(self.features)) if n > self.features.shape[1] else None
        if self._axes is not None:
            self.values, self.scores = self._axes.values, self._axes.scores
            return
        self.spectrum = Spectrum.of(products(self.scaler, self.features))
        self.values, self.scores = self.spectrum.values, self.spectrum.vectors
        self._alike = self.targets @ self.targets.T
        self._descending = np.sort(self.penalties)[::-1]
        self._squares = np.empty((len(self.penalties), n * n), np.float64)
        for part, left_out in self.spectrum.left_out(self._descending):
            maps = left_out @ self.spectrum.vectors.T
            self._squares[part] = (maps.transpose(0, 2, 1) @ maps).reshape(len(maps), -1)

    def choose(self, order: np.ndarray) -> tuple[float, np.ndarray]:
        """The penalty where sample i has the targets of order[i], and the leave-one-out mean squared error of each."""
        if self._axes is not None:
            errors, penalty, _ = _choose(self._axes, self.targets[order], self.penalties)
            return penalty, errors
        errors = self._squares @ self._alike[np.ix_(order, order)].ravel() / self.targets.size
        return float(self._descending[np.argmin(errors)]), errors[::-1].copy()

    def predict(self, features: np.ndarray, order: np.ndarray, penalty: float) -> np.ndarray:
        """Predict targets of features (n_samples, n_features) by the ridge fitted on the shuffle ``order``."""
        weights = self._rotated(features) / (self.values + penalty) @ self.scores.T
        return weights @ self.targets[order] + self.mean

    def coefficients(self, order: np.ndarray, penalty: float) -> np.ndarray:
        """Weights of the scaled features, shape (n_features, n_targets)."""
        shrunk = (self.scores.T @ self.targets[order]) / (self.values + penalty)[:, None]
        if self._axes is not None:
            return self._axes.axes @ shrunk
        return weights_of(self.scaler, self.features, self.scores @ shrunk)

    def _rotated(self, features: np.ndarray) -> np.ndarray:
        """Features on the axes or, by their inner products, on the eigenvectors; the last ones are kept."""
        if self._seen is None or not np.array_equal(self._seen[0], features):
            if self._axes is not None:
                self._seen = features, self.scaler(features) @ self._axes.axes
            else:
                self._seen = features, products(self.scaler, features, self.features) @ self.spectrum.vectors
        return self._seen[1]


def penalty_grid(lowest: float, highest: float, count: int) -> np.ndarray:
    """``count`` penalties, evenly spaced on a logarithmic scale, both ends included."""
    return np.logspace(np.log10(lowest), np.log10(highest), count)
