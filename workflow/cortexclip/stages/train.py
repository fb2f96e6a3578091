"""Stage: dataset, split, features and a method -> predictions for every fold and seed."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import functools
import hashlib
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip import provenance
from cortexclip.data import dataset as datasets
from cortexclip.errors import InputError
from cortexclip.files import sha256, write_json
from cortexclip.log import Progress, logger
from cortexclip.methods.catalogue import all_settings, configured, load_method, number_of_fits, points_of
from cortexclip.methods.interface import FitData, Prediction, Samples, Task
from cortexclip.models.readout import unit_length
from cortexclip.precision import configure
from cortexclip.runs import history_table, read_netcdf, read_parquet, write_parquet, write_predictions
from cortexclip.seeds import derive_seed
from cortexclip.weights import of_fit, single, training_statistics, write_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--split", required=True, help="table of fold, role and sample (.parquet)")
    parser.add_argument("--features", help="embeddings of the stimuli (.nc), for methods that use them")
    parser.add_argument("--pool", nargs="*", default=[], help="other datasets (.nc), for methods that learn from these")
    parser.add_argument("--protocol", required=True, help="name of the protocol")
    parser.add_argument("--optimistic", action="store_true", help="the protocol chooses on the scored samples")
    parser.add_argument("--source", action="store_true", help="the protocol repeats a source: follow its procedure")
    parser.add_argument("--as-dataset", help="the dataset whose settings count (default: the dataset's own name)")
    parser.add_argument("--method", required=True, help="name of the method")
    parser.add_argument("--encoder", help="name of the embedding space")
    parser.add_argument("--entry", required=True, type=json.loads, help="the method's entry in methods.yaml, as JSON")
    parser.add_argument("--seeds", required=True, type=int, help="trainings per fold")
    parser.add_argument("--base-seed", required=True, type=int)
    parser.add_argument("--save-weights", choices=["first", "all", "none"], default="first")
    parser.add_argument("--stack", type=int, help="most networks at once (default: by memory, up to 8 on a CPU)")
    parser.add_argument("--precision", choices=["float32", "tf32", "bfloat16"], default="float32")
    parser.add_argument(
        "--checkpoints", help="folder for the state of an interrupted training (default: beside --record)"
    )
    parser.add_argument("--checkpoint-every", type=float, default=30.0, help="seconds between two saved states")
    parser.add_argument("--code", default="", help="digest of the code that this stage uses, for the record")
    parser.add_argument("--predictions", required=True, help="output (.nc)")
    parser.add_argument("--history", required=True, help="output (.parquet)")
    parser.add_argument("--weights", required=True, help="output (.safetensors)")
    parser.add_argument("--record", required=True, help="output (.json)")


def run(arguments: argparse.Namespace) -> None:
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    dataset = datasets.read(arguments.dataset)
    name = dataset.attrs["name"]
    split = read_parquet(arguments.split)
    features = read_netcdf(arguments.features) if arguments.features else None
    module = load_method(arguments.entry["module"])
    if provenance.uses("torch", arguments.entry["module"]):
        configure(arguments.threads, tf32=arguments.precision == "tf32")
    where, named = f"method '{arguments.method}' on '{name}'", arguments.as_dataset or name
    if arguments.source:
        settings = configured(arguments.entry, arguments.protocol, named, dataset.sizes["sample"], where)
        points, numbers = [point.point for point in settings], [point.number for point in settings]
    else:
        settings = all_settings(arguments.entry, named, dataset.sizes["sample"], where)
        points, numbers = points_of(arguments.entry), []
    samples = _samples(dataset, features)
    n_seeds = number_of_fits(module, settings[0].settings if arguments.source else settings[0], arguments.seeds)
    n_folds = split.fold.nunique()
    task = f"train {arguments.protocol}/{name}/{arguments.method}" + (
        f".{arguments.encoder}" if arguments.encoder else ""
    )
    logger.info("%s: %d folds x %d seeds", task, n_folds, n_seeds)
    progress = Progress(task, n_folds * n_seeds)
    others = other_samples([datasets.read(path) for path in arguments.pool], samples)
    folds = Folds(
        samples, split, arguments.optimistic, arguments.source, getattr(module, "TRANSDUCTIVE", False), others
    )
    tasks = [
        Task(
            fold,
            index,
            derive_seed(arguments.base_seed, name, arguments.protocol, arguments.method, fold, index),
            partial(folds.data, fold),
        )
        for fold in range(n_folds)
        for index in range(n_seeds)
    ]
    checkpoints = _checkpoints(arguments, settings) if hasattr(module, "recipe") else None
    told = getattr(module, "TOLD_THE_CLASS", False)
    done: dict[tuple[int, int], Fit] = {}
    for fit in _fits(module, tasks, settings, checkpoints, folds, told, progress, arguments):
        done[fit.task.fold, fit.task.seed_index] = fit
        progress.step(f"fold {fit.task.fold + 1}/{n_folds}, seed {fit.task.seed_index + 1}/{n_seeds}")

    fits = [done[key] for key in sorted(done)]
    rows = [{"fold": fit.task.fold, "seed": fit.task.seed_index, **row} for fit in fits for row in fit.history]
    _write_predictions(arguments, split, {key: fit.prediction for key, fit in done.items()}, n_folds, n_seeds)
    write_parquet(arguments.history, history_table(rows))
    weights = {}
    for fit in fits:
        weights |= of_fit(fit.task.fold, fit.task.seed_index, fit.weights)
    for fold in sorted({fit.task.fold for fit in fits if fit.weights}):
        weights |= training_statistics(fold, folds.data(fold).final.brain)
    write_weights(arguments.weights, weights)
    seconds = time.perf_counter() - clock
    write_json(
        arguments.record,
        {
            "dataset": name,
            "dataset_sha256": dataset.attrs["sha256"],
            "protocol": arguments.protocol,
            "optimistic": arguments.optimistic,
            "method": arguments.method,
            "module": arguments.entry["module"],
            "encoder": arguments.encoder,
            **({"pool": [str(path) for path in arguments.pool]} if arguments.pool else {}),
            "settings": dataclasses.asdict(settings[0].settings if arguments.source else settings[0]),
            **({"procedures": [dataclasses.asdict(point.procedure) for point in settings]} if arguments.source else {}),
            "image_shape": list(samples.images.shape[1:]),
            "voxels": samples.brain.shape[1],
            **({"grid": [row for fit in fits for row in fit.grid(points, numbers)]} if "grid" in fits[0].facts else {}),
            "base_seed": arguments.base_seed,
            "precision": arguments.precision,
            "code": arguments.code,
            "fits": [fit.record() for fit in fits],
            "started": started.isoformat(timespec="seconds"),
            "ended": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "command": provenance.command(),
            "git": provenance.git_state(),
            "versions": provenance.versions("numpy", "pandas", "scikit-learn", "scipy", "torch", "xarray"),
            "machine": provenance.machine(),
            "peak_mb": provenance.peak_memory(),
        },
    )
    if checkpoints:
        checkpoints.close()
    logger.info("%s: done in %.1f s", task, seconds)


@dataclasses.dataclass(frozen=True)
class Fit:
    """What one fit gave: all that the outputs need of it."""

    task: Task
    prediction: Prediction
    history: list[dict]
    facts: dict
    weights: dict[str, np.ndarray]
    seconds: float

    def record(self) -> dict:
        """Its entry in run.json."""
        facts = {key: value for key, value in self.facts.items() if key not in ("grid", "grid_scored")}
        task = {"fold": self.task.fold, "seed_index": self.task.seed_index, "seed": self.task.seed}
        return {**task, "seconds": self.seconds, **facts}

    def grid(self, points: list[dict], numbers: list[int]) -> list[dict]:
        """Its rows in run.json's table of grid points; ``numbers`` are those of a source's configurations."""
        scored = self.facts.get("grid_scored")
        return [
            {
                "fold": self.task.fold,
                "seed_index": self.task.seed_index,
                "point": point,
                "criterion": self.facts["criterion"],
                "value": self.facts["grid"][number],
                "chosen": number == self.facts["grid_point"],
                **({"scored_mse": scored[number]} if scored else {}),
                **({"configuration": numbers[number]} if numbers else {}),
            }
            for number, point in enumerate(points)
        ]


class Folds:
    """The samples that each fold's fits may use; those of the last fold are kept for its other seeds."""

    def __init__(
        self,
        samples: Samples,
        split: pd.DataFrame,
        optimistic: bool,
        source: bool,
        transductive: bool,
        others: tuple[Samples, ...] = (),
    ):
        self.samples, self.split, self.others = samples, split, others
        self.optimistic, self.source, self.transductive = optimistic, source, transductive
        self.data = functools.lru_cache(maxsize=1)(self._data)

    def _data(self, fold: int) -> FitData:
        data = fit_data(self.samples, self.split, fold, refit=not (self.optimistic or self.source))
        data = dataclasses.replace(data, others=self.others, scored=self.scored(fold) if self.source else None)
        if self.transductive:
            data = dataclasses.replace(data, scored_brain=self.scored(fold).brain)
        return data

    def scored(self, fold: int) -> Samples:
        """The samples that a fold scores."""
        return _take(self.samples, _rows(self.split, fold, "score"))


def _fits(module, tasks, settings, checkpoints, folds, told, progress, arguments) -> Iterator[Fit]:
    """Fit all tasks, in stacks where the method has a recipe.

    What an interrupted job had finished is taken over; a group of tasks of which a fit is missing is fitted again.
    """
    try:
        for group, fit in _groups(module, tasks, settings, checkpoints, progress, arguments):
            states = [checkpoints.load(_name(task)) if checkpoints else None for task in group]
            if None not in states:
                logger.info("%d of %d fits were there from before", len(group), len(tasks))
                yield from (_from_state(task, *state) for task, state in zip(group, states, strict=True))
                continue
            clock = time.perf_counter()
            decoders = list(fit())
            seconds = (time.perf_counter() - clock) / len(group)
            for task, decoder in decoders:
                clock = time.perf_counter()
                scored = folds.scored(task.fold)
                prediction = decoder.predict(scored.brain, *([scored.label] if told else []))
                keep = arguments.save_weights == "all" or (arguments.save_weights == "first" and task.seed_index == 0)
                weights = {name: single(array) for name, array in decoder.weights().items()} if keep else {}
                took = seconds + time.perf_counter() - clock
                done = Fit(task, prediction, decoder.history(), decoder.facts(), weights, took)
                if checkpoints:
                    checkpoints.save(_name(task), *_to_state(done))
                yield done
            del decoders, decoder  # or they would stay in memory beside the networks of the next group
            if checkpoints:
                for task in group:
                    checkpoints.drop(f"fold{task.fold}.seed{task.seed_index}.")
    except FloatingPointError as error:
        raise InputError(f"train {arguments.method}: {error}.") from error


def _groups(module, tasks, settings, checkpoints, progress, arguments):
    """The tasks that are fitted at once, and what fits them, group by group."""
    if not hasattr(module, "recipe"):
        for task in tasks:
            yield [task], lambda task=task: [(task, module.fit(task.data(), settings[0], task.seed, progress.detail))]
        return
    from cortexclip.methods.network import fit_groups, following
    from cortexclip.training.stack import Options

    # TF32 is how a GPU multiplies what is float32 everywhere else (see precision.configure)
    precision = "float32" if arguments.precision == "tf32" else arguments.precision
    options = Options(limit=arguments.stack, precision=precision, keeper=checkpoints)
    recipe = following(module.recipe) if arguments.source else module.recipe
    yield from fit_groups(recipe, tasks, settings, progress.detail, options)


def _checkpoints(arguments: argparse.Namespace, settings: list):
    """The states of this job; they belong to its code, its inputs and its settings."""
    from cortexclip.training.checkpoint import Checkpoints
    from cortexclip.training.stack import device

    folder = Path(arguments.checkpoints or Path(arguments.record).parent / "checkpoints")
    inputs = [path for path in (arguments.dataset, arguments.split, arguments.features, *arguments.pool) if path]
    identity = {
        "code": arguments.code,
        "inputs": [sha256(path) for path in inputs],
        "settings": [dataclasses.asdict(point) for point in settings],
        "method": [arguments.method, arguments.protocol, arguments.optimistic, arguments.save_weights],
        "training": [arguments.base_seed, arguments.precision, arguments.stack, device().type],
        "versions": provenance.versions("numpy", "torch"),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return Checkpoints(folder, digest, arguments.checkpoint_every)


def _name(task: Task) -> str:
    return f"fit{task.fold}.{task.seed_index}"


def _to_state(fit: Fit) -> tuple[dict, dict]:
    import torch

    arrays = {f"weights/{key}": value for key, value in fit.weights.items()}
    for field in dataclasses.fields(Prediction):
        if (value := getattr(fit.prediction, field.name)) is not None:
            arrays[f"prediction/{field.name}"] = value
    tensors = {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in arrays.items()}
    return tensors, {"history": fit.history, "facts": fit.facts, "seconds": fit.seconds}


def _from_state(task: Task, tensors: dict, facts: dict) -> Fit:
    def group(prefix: str) -> dict:
        return {key.split("/", 1)[1]: value.numpy() for key, value in tensors.items() if key.startswith(prefix + "/")}

    return Fit(
        task, Prediction(**group("prediction")), facts["history"], facts["facts"], group("weights"), facts["seconds"]
    )


def fit_data(samples: Samples, split: pd.DataFrame, fold: int, refit: bool) -> FitData:
    """The samples that a fold's fit may use.

    With ``refit`` the decoder that is scored learns from the training samples and the ones that chose, otherwise from
    the training samples alone, as where the scored samples choose or a source refitted nothing.
    """
    train, select = _rows(split, fold, "train"), _rows(split, fold, "select")
    train_samples = _take(samples, train)
    final = train_samples if not refit else _take(samples, np.sort(np.concatenate([train, select])))
    return FitData(train_samples, _take(samples, select), final)


def other_samples(others: list[xr.Dataset], samples: Samples) -> tuple[Samples, ...]:
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
        other = _samples(dataset, None)
        use = (dataset.part.values != "test") & ~np.isin(other.stimulus, samples.stimulus)
        if use.any():
            found.append(_take(other, np.flatnonzero(use)))
    return tuple(found)


def _samples(dataset: xr.Dataset, features: xr.Dataset | None) -> Samples:
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
    return Samples(
        brain=dataset.brain.values,
        images=dataset.stimuli.values,
        stimulus=dataset.stimulus.values,
        label=dataset.label.values,
        session=dataset.session.values,
        embedding=embedding,
    )


def _rows(split: pd.DataFrame, fold: int, role: str) -> np.ndarray:
    return split.loc[(split.fold == fold) & (split.role == role), "sample"].to_numpy()


def _take(samples: Samples, rows: np.ndarray) -> Samples:
    return Samples(
        brain=samples.brain[rows],
        images=samples.images[rows],
        stimulus=samples.stimulus[rows],
        label=samples.label[rows],
        session=samples.session[rows],
        embedding=None if samples.embedding is None else samples.embedding[rows],
    )


def _write_predictions(arguments, split, predictions, n_folds: int, n_seeds: int) -> None:
    scored = [_rows(split, fold, "score") for fold in range(n_folds)]

    def stack(name: str) -> np.ndarray | None:
        """Of all seeds, folds after each other along the samples; (n_seeds, n_samples, ...)."""
        if getattr(predictions[0, 0], name) is None:
            return None
        return np.stack(
            [
                np.concatenate([getattr(predictions[fold, index], name) for fold in range(n_folds)])
                for index in range(n_seeds)
            ]
        )

    def draws() -> np.ndarray | None:
        """The draws of the first seed, (n_draws, n_samples, y, x)."""
        if predictions[0, 0].draws is None:
            return None
        return np.concatenate([predictions[fold, 0].draws for fold in range(n_folds)], axis=1)

    write_predictions(
        arguments.predictions,
        stack("images"),
        np.concatenate(scored),
        np.repeat(np.arange(n_folds), [len(rows) for rows in scored]),
        embedding=stack("embedding"),
        nearest=stack("nearest"),
        draws=draws(),
        attributes={
            "protocol": arguments.protocol,
            "method": arguments.method,
            "encoder": arguments.encoder or "",
        },
    )
