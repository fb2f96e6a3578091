"""Stage: dataset, split, features and a method -> predictions for every fold and seed."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cortexclip.data import dataset as datasets
from cortexclip.methods.catalogue import Point, points_of, source_points
from cortexclip.methods.fitting import Fit, Folds, fit_folds, pooled_samples, samples_of
from cortexclip.methods.interface import Task
from cortexclip.numerics.standardise import fit_scaler
from cortexclip.results.runs import history_table, write_predictions
from cortexclip.results.weights import of_fit, training_statistics, write_weights
from cortexclip.runtime import provenance
from cortexclip.runtime.arrays import read_netcdf, read_parquet, write_parquet
from cortexclip.runtime.files import sha256, write_json
from cortexclip.runtime.log import Progress, logger
from cortexclip.runtime.precision import configure
from cortexclip.runtime.seeds import derive_seed
from cortexclip.training.settings import Options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--split", required=True, help="table of fold, role and sample (.parquet)")
    parser.add_argument("--features", nargs="?", help="embeddings of the stimuli (.nc), for methods that use them")
    parser.add_argument("--pool", nargs="*", default=[], help="other datasets (.nc), for methods that learn from these")
    parser.add_argument("--protocol", required=True, help="name of the protocol")
    flag = partial(parser.add_argument, nargs="?", type=json.loads, const=True, default=False, metavar="true|false")
    flag("--optimistic", help="the protocol chooses on the scored samples")
    flag("--source", help="the protocol repeats a source: follow its procedure")
    parser.add_argument("--as-dataset", help="the dataset whose settings count (default: the dataset's own name)")
    parser.add_argument("--method", required=True, help="name of the method")
    parser.add_argument("--encoder", nargs="?", help="name of the embedding space")
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
    dataset, split = datasets.read(arguments.dataset), read_parquet(arguments.split)
    name, protocol = dataset.attrs["name"], arguments.protocol
    if provenance.uses("torch", arguments.entry["module"]):
        configure(arguments.threads, tf32=arguments.precision == "tf32")
    points = _points(arguments, name, dataset.sizes["sample"])
    method = points[0].method
    samples = samples_of(dataset, read_netcdf(arguments.features) if arguments.features else None)
    others = pooled_samples([datasets.read(path) for path in arguments.pool], samples)
    folds = Folds(samples, split, arguments.source, method.transductive, others)
    n_seeds = method.fits(arguments.seeds)
    title = f"train {protocol}/{name}/{arguments.method}" + (f".{arguments.encoder}" if arguments.encoder else "")
    logger.info("%s: %d folds x %d seeds", title, len(folds), n_seeds)
    progress = Progress(title, len(folds) * n_seeds)
    seed_of = partial(derive_seed, arguments.base_seed, name, protocol, arguments.method)
    tasks = [
        Task(fold, index, seed_of(fold, index), partial(folds.data, fold))
        for fold in range(len(folds))
        for index in range(n_seeds)
    ]
    options = _options(arguments, points)
    kept = {"first": 1, "all": n_seeds, "none": 0}[arguments.save_weights]
    done: dict[tuple[int, int], Fit] = {}
    for fit in fit_folds(points, tasks, folds, lambda task: task.seed_index < kept, progress.detail, options):
        done[fit.task.fold, fit.task.seed_index] = fit
        progress.step(f"fold {fit.task.fold + 1}/{len(folds)}, seed {fit.task.seed_index + 1}/{n_seeds}")
    fits = [done[key] for key in sorted(done)]
    _write_predictions(arguments, folds, fits, n_seeds)
    rows = [{"fold": fit.task.fold, "seed": fit.task.seed_index, **row} for fit in fits for row in fit.history]
    write_parquet(arguments.history, history_table(rows))
    weights: dict[str, np.ndarray] = {}
    for fit in fits:
        weights |= of_fit(fit.task.fold, fit.task.seed_index, fit.weights)
    for fold in sorted({fit.task.fold for fit in fits if fit.weights}):
        weights |= training_statistics(fold, fit_scaler(folds.data(fold).final.brain))
    write_weights(arguments.weights, weights)
    seconds = time.perf_counter() - clock
    times = {"started": started, "ended": datetime.datetime.now(datetime.UTC)}
    write_json(
        arguments.record,
        {
            **{"dataset": name, "dataset_sha256": dataset.attrs["sha256"]},
            **{"image_shape": list(samples.images.shape[1:]), "voxels": samples.brain.shape[1]},
            **_record(arguments, points, fits),
            **{key: value.isoformat(timespec="seconds") for key, value in times.items()},
            "seconds": seconds,
            "peak_mb": provenance.peak_memory(),
        },
    )
    if options.keeper:
        options.keeper.close()
    logger.info("%s: done in %.1f s", title, seconds)


def _points(arguments: argparse.Namespace, dataset: str, n_samples: int) -> list[Point]:
    """The method at each point of its grid, or in each configuration of the source that is followed."""
    where, settings_of = f"method '{arguments.method}' on '{dataset}'", arguments.as_dataset or dataset
    if arguments.source:
        return source_points(arguments.entry, arguments.protocol, settings_of, n_samples, where)
    return points_of(arguments.entry, settings_of, n_samples, where)


def _options(arguments: argparse.Namespace, points: Sequence[Point]) -> Options:
    """How a network is trained; its checkpoints belong to the code, the inputs and the settings of this job."""
    if not points[0].method.is_network:
        return Options()
    from cortexclip.training.checkpoint import Checkpoints
    from cortexclip.training.stack import device

    folder = Path(arguments.checkpoints or Path(arguments.record).parent / "checkpoints")
    inputs = [path for path in (arguments.dataset, arguments.split, arguments.features, *arguments.pool) if path]
    identity = {
        "code": arguments.code,
        "inputs": [sha256(path) for path in inputs],
        "settings": [_settings(point) for point in points],
        "method": [arguments.method, arguments.protocol, arguments.optimistic, arguments.save_weights],
        "training": [arguments.base_seed, arguments.precision, arguments.stack, device().type],
        "versions": provenance.versions("numpy", "torch"),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    # TF32 is how a GPU multiplies what is float32 everywhere else (see precision.configure)
    precision: Any = "float32" if arguments.precision == "tf32" else arguments.precision
    checkpoints = Checkpoints(folder, digest, arguments.checkpoint_every)
    return Options(limit=arguments.stack, precision=precision, keeper=checkpoints)


def _settings(point: Point) -> Mapping[str, object]:
    procedure = point.method.procedure
    followed = {} if procedure is None else {"procedure": procedure.model_dump()}
    return {"settings": point.method.settings.model_dump(), **followed}


def _record(arguments: argparse.Namespace, points: Sequence[Point], fits: Sequence[Fit]) -> dict:
    """What run.json says of the method, its fits and how they were made."""
    optional = {
        "pool": [str(path) for path in arguments.pool],
        "procedures": [each.model_dump() for point in points if (each := point.method.procedure)],
        "grid": [row for fit in fits for row in fit.grid(points)],
    }
    return {
        "protocol": arguments.protocol,
        "optimistic": arguments.optimistic,
        "method": arguments.method,
        "module": arguments.entry["module"],
        "encoder": arguments.encoder,
        "settings": points[0].method.settings.model_dump(),
        **{key: value for key, value in optional.items() if value},
        "base_seed": arguments.base_seed,
        "precision": arguments.precision,
        "code": arguments.code,
        "fits": [fit.record() for fit in fits],
        "command": provenance.command(),
        "git": provenance.git_state(),
        "versions": provenance.versions("numpy", "pandas", "scikit-learn", "scipy", "torch", "xarray"),
        "machine": provenance.machine(),
    }


def _write_predictions(arguments: argparse.Namespace, folds: Folds, fits: Sequence[Fit], n_seeds: int) -> None:
    """Write the predictions of all seeds, those of the folds after each other."""
    scored = [folds.rows(fold, "score") for fold in range(len(folds))]

    def of_seed(name: str, index: int) -> np.ndarray:
        each = [getattr(fit.prediction, name) for fit in fits if fit.task.seed_index == index]
        return np.concatenate(each, axis=1 if name == "draws" else 0)

    there = {name for name, value in vars(fits[0].prediction).items() if value is not None}
    predicted = {name: np.stack([of_seed(name, i) for i in range(n_seeds)]) for name in there}
    write_predictions(
        arguments.predictions,
        predicted.pop("images"),
        np.concatenate(scored),
        np.repeat(np.arange(len(folds)), [len(rows) for rows in scored]),
        attributes={"protocol": arguments.protocol, "method": arguments.method, "encoder": arguments.encoder or ""},
        **predicted,
    )
