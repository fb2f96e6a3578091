"""The fits of a method on every fold and seed of a split; what an interrupted job had finished is taken over."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.catalogue import Point
from cortexclip.methods.interface import Decoder, FitData, Prediction, Progress, Samples, Task
from cortexclip.numerics.readout import unit_length
from cortexclip.runtime.arrays import single
from cortexclip.runtime.log import logger
from cortexclip.training.settings import ALONE, Options

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class Folds:
    """The samples that each fold's fits may use; those of the last fold are kept for its other seeds.

    Of all ``samples`` of a dataset and its ``split``, a table of fold, role and sample. Samples that choose are learned
    from afterwards, but not where they are scored, too. ``source``: a source's procedure is followed, which may see the
    scored samples and learns from the training part alone. ``transductive``: the fits are given the scored samples'
    brain data. ``others`` are training parts of other datasets, for methods that pool them.
    """

    def __init__(
        self,
        samples: Samples,
        split: pd.DataFrame,
        source: bool = False,
        transductive: bool = False,
        others: tuple[Samples, ...] = (),
    ):
        self.samples, self.split, self.others = samples, split, others
        self.source, self.transductive = source, transductive
        self.data = functools.lru_cache(maxsize=1)(self._data)

    def __len__(self) -> int:
        return self.split.fold.nunique()

    def rows(self, fold: int, role: str) -> np.ndarray:
        """The positions of a fold's samples of a role: train, select or score."""
        return self.split.loc[(self.split.fold == fold) & (self.split.role == role), "sample"].to_numpy()

    def scored(self, fold: int) -> Samples:
        """The samples that a fold scores."""
        return self.samples.take(self.rows(fold, "score"))

    def _data(self, fold: int) -> FitData:
        train, select, scored = (self.rows(fold, role) for role in ("train", "select", "score"))
        train_samples = self.samples.take(train)
        in_sample = np.isin(train, scored).any()
        refit = not self.source and (in_sample or not np.isin(select, scored).any())
        return FitData(
            train_samples,
            self.samples.take(select),
            self.samples.take(np.sort(np.concatenate([train, select]))) if refit else train_samples,
            self.scored(fold).brain if self.transductive else None,
            self.scored(fold) if self.source else None,
            self.others,
        )


@dataclasses.dataclass(frozen=True)
class Fit:
    """What one fit gave: all that the outputs need of it."""

    task: Task
    prediction: Prediction
    history: list[dict]
    facts: dict
    weights: dict[str, np.ndarray]
    seconds: float

    @classmethod
    def of(cls, task: Task, decoder: Decoder, folds: Folds, oracle: str | None, keep: bool, seconds: float) -> Fit:
        """The fit of a decoder that took some seconds, with its prediction and, if they are kept, its weights.

        ``oracle`` names what of the scored samples the decoder is given beside brain responses.
        """
        clock = time.perf_counter()
        scored = folds.scored(task.fold)
        prediction = decoder.predict(scored.brain, *([getattr(scored, oracle)] if oracle else []))
        weights = {name: single(array) for name, array in decoder.weights().items()} if keep else {}
        seconds += time.perf_counter() - clock
        return cls(task, prediction, decoder.history(), decoder.facts(), weights, seconds)

    def record(self) -> dict:
        """Its entry in run.json."""
        facts = {key: value for key, value in self.facts.items() if key not in ("grid", "grid_scored")}
        task = {"fold": self.task.fold, "seed_index": self.task.seed_index, "seed": self.task.seed}
        return {**task, "seconds": self.seconds, **facts}

    def grid(self, points: Sequence[Point]) -> list[dict]:
        """Its rows in run.json's table of grid points; none where nothing was chosen."""
        scored = self.facts.get("grid_scored")
        return [
            {
                "fold": self.task.fold,
                "seed_index": self.task.seed_index,
                "point": point.values,
                "criterion": self.facts["criterion"],
                "value": value,
                "chosen": index == self.facts["grid_point"],
                **({"scored_mse": scored[index]} if scored else {}),
                **({"configuration": point.number} if point.number else {}),
            }
            for index, (point, value) in enumerate(zip(points, self.facts.get("grid", ()), strict=False))
        ]

    def state(self) -> tuple[dict, dict]:
        """It as tensors and plain values, for a checkpoint."""
        import torch

        arrays = {f"weights/{key}": value for key, value in self.weights.items()}
        predicted = {f"prediction/{key}": value for key, value in vars(self.prediction).items() if value is not None}
        tensors = {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in (arrays | predicted).items()}
        return tensors, {"history": self.history, "facts": self.facts, "seconds": self.seconds}

    @classmethod
    def from_state(cls, task: Task, tensors: dict, facts: dict) -> Fit:
        """The fit that :meth:`state` was given by."""

        def group(prefix: str) -> dict:
            return {
                key.split("/", 1)[1]: value.numpy() for key, value in tensors.items() if key.startswith(prefix + "/")
            }

        return cls(task, Prediction(**group("prediction")), weights=group("weights"), **facts)


def fit_folds(
    points: Sequence[Point],
    tasks: Sequence[Task],
    folds: Folds,
    keep: Callable[[Task], bool],
    progress: Progress,
    options: Options = ALONE,
) -> Iterator[Fit]:
    """Fit all tasks, those of a network in stacks, and predict what their folds score.

    What an interrupted job had finished is taken over from the checkpoints (``options.keeper``); a group of tasks of
    which a fit is missing is fitted again. ``keep`` says of a task whether its weights are kept. Raises InputError for
    a training that diverges.
    """
    method, checkpoints = points[0].method, options.keeper
    groups = method.fit_groups([point.method for point in points], tasks, progress, options)
    for group, fit in _diverging(groups):
        states: list[Any] = [checkpoints.load(_name(task)) if checkpoints else None for task in group]
        if None not in states:
            logger.info("%d of %d fits were there from before", len(group), len(tasks))
            yield from (Fit.from_state(task, *state) for task, state in zip(group, states, strict=True))
            continue
        clock = time.perf_counter()
        decoders = list(_diverging(fit()))
        seconds = (time.perf_counter() - clock) / len(group)
        for task, decoder in decoders:
            done = Fit.of(task, decoder, folds, method.oracle_of, keep(task), seconds)
            if checkpoints:
                checkpoints.save(_name(task), *done.state())
            yield done
        del decoders, decoder  # or they would stay in memory beside the networks of the next group
        if checkpoints:
            for task in group:
                checkpoints.drop(f"fold{task.fold}.seed{task.seed_index}.")


def fit_one(points: Sequence[Point], data: FitData, seed: int) -> tuple[Decoder, Point]:
    """The decoder of one fit, and the point of the grid that was chosen; raises InputError if a training diverges."""
    methods, tasks = [point.method for point in points], [Task(0, 0, seed, lambda: data)]
    [(_, decoder)] = _diverging(methods[0].fit_tasks(methods, tasks, lambda text: None))
    return decoder, points[decoder.facts().get("grid_point", 0)]


def _diverging(fits: Iterator) -> Iterator:
    """The same, with InputError in place of FloatingPointError."""
    try:
        yield from fits
    except FloatingPointError as error:
        raise InputError(f"{error}.") from error


def _name(task: Task) -> str:
    return f"fit{task.fold}.{task.seed_index}"


def samples_of(dataset: xr.Dataset, features: xr.Dataset | None = None) -> Samples:
    """All samples of a dataset, with the embeddings of their stimuli; raises InputError where one has none."""
    embedding = None
    if features is not None:
        known = {name: row for row, name in enumerate(features.stimulus.values)}
        missing = [name for name in dataset.stimulus.values if name not in known]
        if missing:
            raise InputError(
                f"features: no embedding of stimulus {missing[0]} of '{dataset.attrs['name']}'. "
                "They belong to another version of the data; delete them and run the workflow again."
            )
        rows = [known[name] for name in dataset.stimulus.values]
        embedding = unit_length(features.embedding.values[rows].astype(np.float64))
    stimulus, label, session = (dataset[name].values for name in ("stimulus", "label", "session"))
    region = dataset["region"].values if "region" in dataset.coords else None
    return Samples(dataset["brain"].values, dataset["stimuli"].values, stimulus, label, session, embedding, region)


def pooled_samples(others: Sequence[xr.Dataset], samples: Samples) -> tuple[Samples, ...]:
    """What a method that pools datasets learns from besides ``samples``: the training parts of ``others``.

    A dataset whose images have another size is left out, and so is every trial that shows a stimulus of ``samples``,
    so that nothing of a scored sample comes in from elsewhere.
    """
    found = []
    for dataset in others:
        name, shape = dataset.attrs["name"], dataset.stimuli.shape[1:]
        if shape != samples.images.shape[1:]:
            logger.info("pool: '%s' left out, its images have another size (%d x %d)", name, *shape)
            continue
        other = samples_of(dataset)
        use = (dataset.part.values != "test") & ~np.isin(other.stimulus, samples.stimulus)
        if use.any():
            found.append(other.take(np.flatnonzero(use)))
    return tuple(found)
