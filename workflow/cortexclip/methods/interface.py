"""What a decoding method is, what it is given and what it gives back."""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.procedure import Procedure
from cortexclip.numerics.folds import shuffled_folds
from cortexclip.numerics.ridge import penalty_grid
from cortexclip.numerics.standardise import VoxelScaler
from cortexclip.runtime.settings import Checked, Count, Positive

if typing.TYPE_CHECKING:
    from cortexclip.training.settings import Options

Progress = Callable[[str], None]
GALLERY = ("gallery.embedding", "gallery.images")
KEPT_DRAWS = 4
"""How many draws of a sample are kept beside their mean."""
FOLD_SEED = 0
"""Shuffles inner folds."""


@dataclass(frozen=True)
class Samples:
    """Trials of one part of a split; all arrays but ``region`` share their first axis.

    Attributes
    ----------
    brain : array of shape (n_samples, n_voxels), as measured; a method standardises it on its own training samples.
    images : array of shape (n_samples, height, width), the stimuli, 0 to 1.
    stimulus : array of shape (n_samples,), identity of each image (equal images have equal values).
    label : array of shape (n_samples,), class of the image, -1 where there is none.
    session : array of shape (n_samples,), session of the trial, -1 where unknown.
    embedding : array of shape (n_samples, n_features) or None: unit-length embedding of each image.
    region : array of shape (n_voxels,) or None: number of the region of interest of each voxel.
    """

    brain: np.ndarray
    images: np.ndarray
    stimulus: np.ndarray
    label: np.ndarray
    session: np.ndarray
    embedding: typing.Any = None
    region: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.brain)

    @property
    def pixels(self) -> np.ndarray:
        """Images as rows, shape (n_samples, height * width), float64."""
        return self.images.reshape(len(self.images), -1).astype(np.float64)

    def distinct(self) -> np.ndarray:
        """Indices of the first trial of each distinct stimulus, in order of appearance."""
        return np.sort(np.unique(self.stimulus, return_index=True)[1])

    def gallery(self) -> dict[str, np.ndarray]:
        """Embeddings and images of the distinct stimuli, under the names by which decoders keep them."""
        rows = self.distinct()
        return dict(zip(GALLERY, (self.embedding[rows], self.images[rows]), strict=True))

    def take(self, rows: np.ndarray) -> Samples:
        """The samples in these rows."""
        embedding = None if self.embedding is None else self.embedding[rows]
        stimulus, label, session = self.stimulus[rows], self.label[rows], self.session[rows]
        return Samples(self.brain[rows], self.images[rows], stimulus, label, session, embedding, self.region)


@dataclass(frozen=True)
class FitData:
    """The samples that a fit may use.

    ``train`` is what parameters are fitted on while ``select`` chooses the epoch or a hyper-parameter. ``final`` is
    what the decoder that is scored learns from: train and select together where the protocol refits with what selection
    chose, as the honest ones do, else the training part alone. ``scored`` is there only where a source's procedure is
    repeated, whose scored samples choose among configurations or whose configurations are all shown.
    """

    train: Samples
    select: Samples
    final: Samples
    scored_brain: np.ndarray | None = None  # brain data of the scored samples, for transductive methods alone
    scored: Samples | None = None
    others: tuple[Samples, ...] = ()  # training parts of other datasets, for methods that pool them

    @property
    def n_voxels(self) -> int:
        """The number of voxels."""
        return self.final.brain.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.final.images.shape[1:]

    @property
    def refit(self) -> bool:
        """Whether the scored decoder learns from other samples than the ones used during selection."""
        return self.final is not self.train

    @property
    def inner_folds_by(self) -> str:
        """What inner folds keep together: the trials of a "stimulus", or each "sample" is by itself.

        Stimuli are kept together where the selection part shares none with the training part, so that the folds ask
        what the protocol asks. It looks at samples that are learned from alone: without a refit the selection part may
        be what is scored, and which images it shows must not matter; then the folds are over samples if images repeat.
        """
        if self.refit:
            together = not np.isin(self.select.stimulus, self.train.stimulus).any()
        else:
            together = len(self.final.distinct()) == len(self.final)
        return "stimulus" if together else "sample"

    @property
    def inner_groups(self) -> np.ndarray:
        """Number of the group of each sample of ``final`` that inner folds keep together, shape (n_samples,)."""
        if self.inner_folds_by == "stimulus":
            return np.unique(self.final.stimulus, return_inverse=True)[1]
        return np.arange(len(self.final))

    def inner_folds(self, most: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows of ``final`` to learn from and rows held out, for at most so many folds; the same whatever the seed.

        Raises InputError with fewer than three of the groups that the folds keep together.
        """
        group = self.inner_groups
        groups = np.unique(group)
        if len(groups) < 3:
            what = "distinct images" if self.inner_folds_by == "stimulus" else "samples"
            raise InputError(
                f"{len(groups)} {what} to train on cannot be cut into inner folds; expected at least 3. Use a method "
                "without inner folds for so few, such as ridge."
            )
        return [
            (np.flatnonzero(np.isin(group, groups[training])), np.flatnonzero(np.isin(group, groups[held_out])))
            for training, held_out in shuffled_folds(len(groups), min(most, len(groups)), FOLD_SEED)
        ]


@dataclass(frozen=True)
class Task:
    """One fit: the fold and the index of the seed that it belongs to, the seed, and how to get the fold's samples."""

    fold: int
    seed_index: int
    seed: int
    data: Callable[[], FitData]


@dataclass(frozen=True)
class Prediction:
    """What a decoder makes of brain samples.

    ``images`` has shape (n_samples, height, width), 0 to 1; ``embedding`` (n_samples, n_features) or None;
    ``nearest`` (n_samples, height, width) or None: the training image whose embedding is closest to the predicted one.
    ``draws`` (n_draws, n_samples, height, width) or None: some of the images that a generative method drew for each
    sample, whose ``images`` are the means of all; the first draw is scored, too.
    """

    images: np.ndarray
    embedding: np.ndarray | None = None
    nearest: np.ndarray | None = None
    draws: np.ndarray | None = None

    @classmethod
    def of_draws(cls, draws: np.ndarray, **others: np.ndarray) -> Prediction:
        """The mean of all draws (n_draws, n_samples, height, width), and the first `KEPT_DRAWS` of them."""
        return cls(draws.mean(axis=0), draws=draws[:KEPT_DRAWS], **others)


class Decoder(typing.Protocol):
    """A fitted method."""

    def predict(self, brain: np.ndarray) -> Prediction:
        """Decode brain samples of shape (n_samples, n_voxels); an oracle's takes classes or sessions, too."""

    def weights(self) -> dict[str, np.ndarray]:
        """All fitted arrays by name, as saved in weights.safetensors."""

    def facts(self) -> dict[str, float | int | str]:
        """What the fit chose and counted (penalty, epoch, parameters), as saved in run.json."""

    def history(self) -> list[dict]:
        """Rows of stage, epoch, quantity, value; empty where nothing is iterated."""


@dataclass(frozen=True)
class LinearDecoder:
    """A decoder made of named arrays and a function, for methods without iterations.

    ``arrays`` may be a function that makes them, where they are large and not needed to predict; ``n_parameters`` then
    says how many values they have. ``kept`` are arrays that are saved with the others but are no parameters: what was
    standardised with, galleries.
    """

    function: Callable[..., Prediction]
    arrays: Mapping[str, np.ndarray] | Callable[[], Mapping[str, np.ndarray]] = field(default_factory=dict)
    chosen: Mapping[str, float | int | str] = field(default_factory=dict)
    kept: dict[str, np.ndarray] = field(default_factory=dict)
    n_parameters: int | None = None

    def predict(self, brain: np.ndarray, *given: np.ndarray) -> Prediction:
        return self.function(brain, *given)

    def weights(self) -> dict[str, np.ndarray]:
        return {**self.kept, **(self.arrays() if callable(self.arrays) else self.arrays)}

    def facts(self) -> dict[str, float | int | str]:
        sizes = [] if callable(self.arrays) else [array.size for array in self.arrays.values()]
        return {**self.chosen, "parameters": self.n_parameters or sum(sizes)}

    def history(self) -> list[dict]:
        return []


@dataclass(frozen=True)
class Saved:
    """What the files of a run keep of one fit: all that `Method.restore` makes the decoder from.

    A fit that predicts from just these arrays gives its decoder this way, too.

    Attributes
    ----------
    arrays : by name, as ``weights`` gave them; those of float64 were rounded to float32.
    facts : as ``facts`` gave them.
    shape : height and width of the images.
    where : how messages call the run.
    """

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, float | int | str]
    shape: tuple[int, int]
    where: str = "this fit"

    def __getitem__(self, name: str) -> np.ndarray:
        """An array, floating point as float64; raises InputError if it was not saved."""
        if name not in self.arrays:
            raise InputError(
                f"{self.where}: weights.safetensors has no array '{name}', which an earlier version did not save. "
                "Train it again."
            )
        array = self.arrays[name]
        return array.astype(np.float64, copy=False) if np.issubdtype(array.dtype, np.floating) else array

    def fact(self, name: str) -> typing.Any:
        """A fact of the fit; raises InputError if run.json has none of this name."""
        if name not in self.facts:
            raise InputError(f"{self.where}: run.json does not say '{name}' of the fit. Train it again.")
        return self.facts[name]

    @property
    def chosen(self) -> dict[str, float | int | str]:
        """The facts but for the number of parameters, which decoders count themselves."""
        return {key: value for key, value in self.facts.items() if key != "parameters"}

    def named(self, *names: str) -> dict[str, np.ndarray]:
        """Several arrays by name."""
        return {name: self[name] for name in names}

    @property
    def n_voxels(self) -> int:
        """The number of voxels."""
        return len(self["voxel_mean"])

    @property
    def scaler(self) -> VoxelScaler:
        """What the voxels were standardised with, saved as ``voxel_mean`` and ``voxel_scale``."""
        return VoxelScaler(self["voxel_mean"], self["voxel_scale"])


class PenaltyGrid(Checked):
    """Settings of a ridge regression: penalties on a logarithmic grid from ``penalty_low`` to ``penalty_high``."""

    standardise: bool
    penalty_low: Positive
    penalty_high: Positive
    penalty_count: Count

    @property
    def penalties(self) -> np.ndarray:
        """The penalties to try, shape (penalty_count,)."""
        return penalty_grid(self.penalty_low, self.penalty_high, self.penalty_count)


class Method(ABC):
    """A way to decode with its settings, as one module named in config/methods.yaml defines it.

    The class is loaded at every start of the workflow, so torch is imported inside its functions alone. ``Settings``
    are its hyper-parameters, without defaults, since the configuration states all of them.

    Attributes
    ----------
    stochastic : whether the result depends on the seed; if not, it is fitted once whatever the number of seeds.
    seeds_are_trainings : whether its fits from several seeds are repetitions of one training, and not shuffles.
    transductive : whether it is given the brain data of the scored samples (never their images); tables mark it.
    is_network : whether it is a `NetworkMethod`, which takes grids, procedures of sources and checkpoints.
    chooses : whether the selection part chooses its epochs and a point of its grid; a network that chooses nothing is
        trained once, on all samples, for the epochs of its settings.
    drawn : what of its weights a figure shows, "fields" (those of `Encoding.arrays`), "bases" (its ``image_bases``)
        or "".
    procedure : how a source trained it, for networks; None for this project's own training.
    """

    class Settings(Checked):
        """Nothing to set."""

    stochastic: typing.ClassVar[bool] = False
    seeds_are_trainings: typing.ClassVar[bool] = True
    transductive: typing.ClassVar[bool] = False
    is_network: typing.ClassVar[bool] = False
    chooses: typing.ClassVar[bool] = False
    drawn: typing.ClassVar[str] = ""
    procedure: Procedure | None = None

    def __init__(self, settings: Checked):
        self.settings: typing.Any = settings

    @classmethod
    def configured(cls, values: Mapping[str, object], where: str) -> typing.Self:
        """The method with these settings; raises InputError, which begins with ``where``, for unusable ones."""
        return cls(cls.Settings.from_values(values, where))

    @property
    def oracle_of(self) -> typing.Literal["label", "session"] | None:
        """What of each scored sample its decoders are given, for controls that are no decoders."""
        return None

    def fits(self, seeds: int) -> int:
        """How often it is fitted in each fold."""
        return seeds if self.stochastic else 1

    @abstractmethod
    def fit(self, data: FitData, seed: int, progress: Progress) -> Decoder:
        """Learn from one fold's samples; all randomness comes from the seed."""

    def restore(self, saved: Saved) -> Decoder:
        """The decoder of a finished run; a method without it can be scored, but neither saved nor loaded."""
        raise NotImplementedError

    @classmethod
    def check_restorable(cls, where: str) -> None:
        """Raise InputError, which begins with ``where``, if the method defines no ``restore``."""
        if cls.restore is Method.restore:
            raise InputError(
                f"{where}: {cls.__name__} of {cls.__module__} has no function restore(saved), so its decoders can be "
                "neither loaded nor saved; docs/add-a-method.md explains what to add."
            )

    @classmethod
    def fit_groups(
        cls, points: Sequence[typing.Self], tasks: Sequence[Task], progress: Progress, options: Options | None = None
    ) -> Iterator[tuple[Sequence[Task], Callable[[], Iterator[tuple[Task, Decoder]]]]]:
        """The tasks that are fitted at once, group by group, and what fits them; here one by one.

        ``points`` are the method at each point of its grid, of which only networks have more than one.
        """

        def alone(task: Task) -> Iterator[tuple[Task, Decoder]]:
            yield task, points[0].fit(task.data(), task.seed, progress)

        for task in tasks:
            yield [task], partial(alone, task)

    @classmethod
    def fit_tasks(
        cls, points: Sequence[typing.Self], tasks: Sequence[Task], progress: Progress, options: Options | None = None
    ) -> Iterator[tuple[Task, Decoder]]:
        """Fit every task, in the groups of :meth:`fit_groups`."""
        for _, fit in cls.fit_groups(points, tasks, progress, options):
            yield from fit()
