"""The training of what a `Recipe` states: choose an epoch and a grid point, refit, predict, name weights."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cortexclip.methods.interface import FitData, Prediction, Progress, Samples, Task
from cortexclip.methods.recipe import Fitted, NetworkMethod, Recipe
from cortexclip.numerics.standardise import VoxelScaler, fit_range_scaler, fit_scalar_scaler, fit_scaler
from cortexclip.training import stack
from cortexclip.training.settings import ALONE, Options

OWN_SCALING = {"own": fit_scalar_scaler, "range": fit_range_scaler}


@dataclass(frozen=True)
class NetworkDecoder:
    """A trained network with its voxel scaling and its way from output to prediction.

    ``read`` takes the network and standardised voxels, a tensor of shape (1, n_samples, n_voxels).
    """

    network: nn.Module
    scaler: VoxelScaler
    read: Callable[[nn.Module, Tensor], Prediction]
    chosen: Mapping[str, float | int | str]
    rows: list[dict]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def predict(self, brain: np.ndarray) -> Prediction:
        """Decode brain samples; all arrays have the precision that the network computes in."""
        own = OWN_SCALING.get(str(self.chosen.get("scored_scaling")))  # as a source did: by the values decoded
        given = voxels(brain, own(brain) if own else self.scaler)
        with torch.inference_mode():
            predicted = self.read(self.network, given)
        kind = str(given.dtype).removeprefix("torch.")
        arrays: dict[str, Any] = {name: array for name, array in vars(predicted).items() if array is not None}
        return Prediction(**{name: array.astype(kind, copy=False) for name, array in arrays.items()})

    def weights(self) -> dict[str, np.ndarray]:
        state = {name: value[0].cpu().numpy() for name, value in self.network.state_dict().items()}
        return {**state, **self.scaler.arrays, **self.arrays}

    def facts(self) -> dict[str, float | int | str]:
        return {"parameters": stack.parameter_count(self.network), **self.chosen}

    def history(self) -> list[dict]:
        return self.rows


def fit_groups(
    points: Sequence[NetworkMethod], tasks: Sequence[Task], progress: Progress, options: Options = ALONE
) -> Iterator[tuple[Sequence[Task], Callable[[], Iterator[tuple[Task, NetworkDecoder]]]]]:
    """The tasks that are fitted at once, and what fits them: on a GPU all, on a CPU as many as fill a stack.

    With more than one point (a grid) each task trains all of them on its training part, keeps the one of least
    criterion on its selection part, and refits that one if the protocol refits. Nothing else chooses, unless a source's
    procedure is followed whose scored part did. The groups depend on all tasks of a job, so a job that goes on after an
    interruption forms the same ones.
    """
    at_once = _networks_at_once(points[0], tasks[0], options) or len(tasks) * len(points)
    size = max(1, at_once // len(points))
    parts = _Parts()
    for start in range(0, len(tasks), size):
        group = tasks[start : start + size]
        parts.keep({task.fold for task in group})
        yield group, partial(_fit_together, points, group, parts, progress, options, at_once)


def _networks_at_once(method: NetworkMethod, task: Task, options: Options) -> int | None:
    """How many networks are trained before the next ones begin, since all of them stay in memory; None for all."""
    if options.limit is not None or stack.device().type != "cpu":
        return options.limit
    data = task.data()
    recipe = method.recipe(data)
    if recipe.alone:
        return 1
    return stack.members_at_once(recipe.make, 4 * (data.final.brain.size + data.final.pixels.size))


def voxels(brain: np.ndarray, scaler: VoxelScaler) -> Tensor:
    """Standardised voxels of a stack of one on the device, shape (1, n_samples, n_voxels), float32."""
    return to_tensor(scaler(brain))[None]


def to_tensor(array: np.ndarray) -> Tensor:
    """A tensor on the device: float32, or int64 for whole numbers."""
    array = np.asarray(array)
    kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
    return torch.as_tensor(np.asarray(array, dtype=kind), device=stack.device())


def _equal_images(images: np.ndarray) -> np.ndarray:
    """A number for each image (n, y, x), the same for images that are equal in 8 bits, as stimulus identities are.

    Losses on selection samples read this in place of identities, which nothing may know of a scored sample.
    """
    rows = np.rint(np.asarray(images, np.float64) * 255).astype(np.uint8).reshape(len(images), -1)
    return np.unique(rows, axis=0, return_inverse=True)[1].ravel()


def _part(samples: Samples, scaler: VoxelScaler, recipe: Recipe) -> stack.Part:
    arrays = {
        "brain": scaler(samples.brain),
        "pixels": samples.pixels,
        "stimulus": _equal_images(samples.images),
    }
    if samples.embedding is not None:
        arrays["embedding"] = samples.embedding
    if recipe.extra is not None:
        arrays |= recipe.extra(samples)
    return {name: to_tensor(array) for name, array in arrays.items()}


@dataclass
class _Attempt:
    """One settings on one task: what is known of it so far."""

    task: Task
    data: FitData
    point: int
    recipe: Recipe
    scaler: VoxelScaler
    train: stack.Part
    select: Any  # a part too; None where nothing chooses any more
    network: nn.Module | None = None
    epochs: list[int] = field(default_factory=list)
    rows: list[dict] = field(default_factory=list)
    criterion: float = np.inf
    scored: float = np.inf

    @property
    def standing(self) -> float:
        """What is compared among settings, lower is better."""
        procedure = self.recipe.procedure
        return self.scored if procedure is not None and procedure.chosen_on == "scored" else self.criterion


def _fit_together(points, tasks, parts, progress, options, at_once) -> Iterator[tuple[Task, NetworkDecoder]]:
    best: dict[int, _Attempt] = {}
    tried: dict[int, list[float]] = {i: [] for i in range(len(tasks))}
    shown: dict[int, list[float]] = {i: [] for i in range(len(tasks))}
    # no more points than make a stack, so that few networks are in memory
    n_points = max(1, at_once // len(tasks))
    for start in range(0, len(points), n_points):
        attempts = []
        for i, task in enumerate(tasks):
            data = task.data()
            for number, point in list(enumerate(points))[start : start + n_points]:
                recipe = point.recipe_followed(data)
                part = parts.get(task.fold, "train", data.train, recipe, data.select)
                attempts.append((i, _Attempt(task, data, number, recipe, *part)))
        if points[0].chooses:
            _train_phases([a for _, a in attempts], progress, options, "select")
        else:
            for _, attempt in attempts:
                attempt.epochs = [phase.training.epochs for phase in attempt.recipe.phases]
        for i, attempt in attempts:
            tried[i].append(attempt.criterion)
            if attempt.data.scored is not None and attempt.network is not None:
                attempt.scored = _scored_error(attempt, attempt.data.scored)
                shown[i].append(attempt.scored)
            if i not in best or attempt.standing < best[i].standing:
                best[i] = attempt
    chosen = [best[i] for i in range(len(tasks))]
    final = chosen
    if chosen[0].data.refit or not points[0].chooses:
        final = []
        for attempt in chosen:
            scaler, train, _ = parts.get(attempt.task.fold, "final", attempt.data.final, attempt.recipe)
            final.append(
                replace(attempt, scaler=scaler, train=train, select=None, network=None, epochs=list(attempt.epochs))
            )
        _train_phases(final, lambda detail: progress(f"refit {detail}"), options, "refit")
    for i, (selected, last) in enumerate(zip(chosen, final, strict=True)):
        rows = selected.rows if last is selected else selected.rows + last.rows
        decoder = _finish(replace(selected, rows=rows), last)
        if len(points) > 1 or shown[i]:
            grid: dict[str, Any] = {"grid_point": selected.point, "grid": tried[i]}
            grid["criterion"] = selected.recipe.criterion_name
            if shown[i]:
                grid["grid_scored"] = shown[i]
            decoder = replace(decoder, chosen={**decoder.chosen, **grid})
        yield tasks[i], decoder


def _finish(selected: _Attempt, last: _Attempt) -> NetworkDecoder:
    """The decoder of an attempt and of its refit, which is the attempt itself where nothing is refitted."""
    networks = (selected.network, selected.scaler, last.network, last.scaler)
    with torch.inference_mode():
        decoder: Any = selected.recipe.finish(Fitted(*networks, selected.epochs, selected.rows, selected.task.seed))
    procedure = selected.recipe.procedure
    if procedure is None:
        return decoder
    return replace(decoder, chosen={**decoder.chosen, "scored_scaling": procedure.scored_scaling})


def _scored_error(attempt: _Attempt, scored: Samples) -> float:
    """Mean squared error of the scored part, for a source's procedure, which chooses by it or shows it."""
    images = _finish(attempt, attempt).predict(scored.brain).images
    return float(np.mean((images.reshape(len(images), -1) - scored.pixels) ** 2))


def _train_phases(attempts: list[_Attempt], progress, options: Options, stage: str) -> None:
    """Train all phases of all attempts in place; without a selection part for the epochs that are in ``epochs``."""
    for number in range(len(attempts[0].recipe.phases)):
        members = [_member(attempt, number, stage) for attempt in attempts]
        task = attempts[0].task
        key = f"fold{task.fold}.seed{task.seed_index}.point{attempts[0].point}.{stage}{number}"
        # a stack has one loss: members of another kind follow in a stack of their own, with theirs
        by_kind: dict[Hashable, list[int]] = {}
        for i, member in enumerate(members):
            by_kind.setdefault(member.kind, []).append(i)
        for group, which in enumerate(by_kind.values()):
            loss = attempts[which[0]].recipe.phases[number].loss
            trained = stack.train([members[i] for i in which], loss, progress, options, f"{key}.{group}")
            for i, result in zip(which, trained, strict=True):
                _take(attempts[i], number, stage, result)
    if stage == "select":
        for attempt in attempts:
            if attempt.recipe.criterion is not None:
                with torch.inference_mode():
                    attempt.criterion = attempt.recipe.criterion(attempt.network, attempt.select)


def _member(attempt: _Attempt, number: int, stage: str) -> stack.Member:
    phase = attempt.recipe.phases[number]
    settings = phase.training if stage == "select" else phase.training.for_refit(attempt.epochs[number])
    earlier = attempt.network

    def make() -> nn.Module:
        network = attempt.recipe.make() if earlier is None else earlier
        for name, parameter in network.named_parameters():
            if phase.trained is not None:
                parameter.requires_grad_(phase.trained(name))
        return network

    train = attempt.train
    if phase.further_brain is not None:
        train = {"brain": torch.cat([train["brain"], voxels(phase.further_brain, attempt.scaler)[0]])}
    if phase.other_brain is not None:
        train = {"brain": torch.cat([train["brain"], to_tensor(phase.other_brain)])}
    return stack.Member(
        make,
        train,
        attempt.select if stage == "select" else None,
        settings,
        attempt.task.seed + number,
        (attempt.recipe.kind, number),
    )


def _take(attempt: _Attempt, number: int, stage: str, result: stack.Trained) -> None:
    attempt.network = result.network
    name = attempt.recipe.phases[number].name
    label = f"{name} {stage}" if name else stage
    rows = [{"stage": label, **row} for row in result.history]
    if stage == "select":
        attempt.epochs.append(result.epoch)
        attempt.criterion = np.inf if result.select_loss is None else result.select_loss
        attempt.rows += rows
    else:
        attempt.rows = (attempt.rows if number else []) + rows


class _Parts:
    """Standardised tensors of each part of a fold, made once for all seeds and grid points."""

    def __init__(self) -> None:
        self.made: dict[tuple, tuple[VoxelScaler, stack.Part, Any]] = {}

    def keep(self, folds: set[int]) -> None:
        """Forget all other folds."""
        self.made = {key: made for key, made in self.made.items() if key[0] in folds}

    def get(
        self, fold: int, name: str, samples: Samples, recipe: Recipe, select: Samples | None = None
    ) -> tuple[VoxelScaler, stack.Part, Any]:
        """The scaler of samples, their part, and that of ``select``, scaled alike."""
        key = (fold, name, recipe.scaling)
        if key not in self.made:
            brain = samples.brain
            if recipe.procedure is not None and select is not None:  # sources scaled before they cut off what chooses
                brain = np.concatenate([brain, select.brain])
            scaler = (
                fit_scalar_scaler(brain) if recipe.scaling == "scalar" else fit_scaler(brain, recipe.scaling == "voxel")
            )
            part, chooses = _part(samples, scaler, recipe), None if select is None else _part(select, scaler, recipe)
            self.made[key] = scaler, part if recipe.join is None else recipe.join(part), chooses
        return self.made[key]
