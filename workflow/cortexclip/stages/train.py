"""Stage: dataset, split, features and a method -> predictions for every fold and seed."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import time

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip import provenance
from cortexclip.data import dataset as datasets
from cortexclip.errors import InputError
from cortexclip.files import atomic_path, write_json
from cortexclip.log import Progress, logger
from cortexclip.methods.catalogue import load_method, number_of_fits, settings_for
from cortexclip.methods.interface import FitData, Prediction, Samples, make_settings
from cortexclip.models.readout import unit_length
from cortexclip.runs import history_table, read_netcdf, read_parquet, write_parquet, write_predictions
from cortexclip.seeds import derive_seed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--split", required=True, help="table of fold, role and sample (.parquet)")
    parser.add_argument("--features", help="embeddings of the stimuli (.nc), for methods that use them")
    parser.add_argument("--protocol", required=True, help="name of the protocol")
    parser.add_argument("--optimistic", action="store_true", help="the protocol chooses on the scored samples")
    parser.add_argument("--method", required=True, help="name of the method")
    parser.add_argument("--encoder", help="name of the embedding space")
    parser.add_argument("--entry", required=True, type=json.loads, help="the method's entry in methods.yaml, as JSON")
    parser.add_argument("--seeds", required=True, type=int, help="trainings per fold")
    parser.add_argument("--base-seed", required=True, type=int)
    parser.add_argument("--save-weights", choices=["first", "all", "none"], default="first")
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
    values = settings_for(arguments.entry, name, dataset.sizes["sample"])
    settings = make_settings(module.Settings, values, f"method '{arguments.method}' on '{name}'")
    samples = _samples(dataset, features)

    n_seeds = number_of_fits(module, settings, arguments.seeds)
    n_folds = split.fold.nunique()
    task = f"train {arguments.protocol}/{name}/{arguments.method}" + (
        f".{arguments.encoder}" if arguments.encoder else ""
    )
    logger.info("%s: %d folds x %d seeds", task, n_folds, n_seeds)
    progress = Progress(task, n_folds * n_seeds)
    predictions: dict[tuple[int, int], Prediction] = {}
    weights: dict[str, np.ndarray] = {}
    rows, fits = [], []
    for fold in range(n_folds):
        data, scored = fit_data(samples, split, fold, arguments.optimistic), _rows(split, fold, "score")
        told = [samples.label[scored]] if getattr(module, "TOLD_THE_CLASS", False) else []
        for index in range(n_seeds):
            seed = derive_seed(arguments.base_seed, name, arguments.protocol, arguments.method, fold, index)
            where = f"fold {fold + 1}/{n_folds}, seed {index + 1}/{n_seeds}"
            fit_clock = time.perf_counter()
            try:
                decoder = module.fit(
                    data, settings, seed, lambda detail, where=where: progress.detail(f"{where}: {detail}")
                )
            except FloatingPointError as error:
                raise InputError(f"{task}: {where}: {error}.") from error
            predictions[fold, index] = decoder.predict(samples.brain[scored], *told)
            rows += [{"fold": fold, "seed": index, **row} for row in decoder.history()]
            seconds = time.perf_counter() - fit_clock
            fits.append({"fold": fold, "seed_index": index, "seed": seed, "seconds": seconds, **decoder.facts()})
            if arguments.save_weights == "all" or (arguments.save_weights == "first" and index == 0):
                weights |= {f"fold{fold}/seed{index}/{key}": value for key, value in decoder.weights().items()}
            progress.step(where)

    _write_predictions(arguments, split, predictions, n_folds, n_seeds)
    write_parquet(arguments.history, history_table(rows))
    _write_weights(arguments.weights, weights)
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
            "settings": dataclasses.asdict(settings),
            "base_seed": arguments.base_seed,
            "code": arguments.code,
            "fits": fits,
            "started": started.isoformat(timespec="seconds"),
            "seconds": seconds,
            "versions": provenance.versions("numpy", "scipy", "torch"),
            "machine": provenance.machine(),
        },
    )
    logger.info("%s: done in %.1f s", task, seconds)


def fit_data(samples: Samples, split: pd.DataFrame, fold: int, optimistic: bool) -> FitData:
    """The samples that a fold's fit may use.

    Where the protocol chooses on the scored samples (``optimistic``) these never join the training samples; otherwise
    the decoder that is scored learns from the training samples and the ones that chose.
    """
    train, select = _rows(split, fold, "train"), _rows(split, fold, "select")
    train_samples = _take(samples, train)
    final = train_samples if optimistic else _take(samples, np.sort(np.concatenate([train, select])))
    return FitData(train_samples, _take(samples, select), final)


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
        if getattr(predictions[0, 0], name) is None:
            return None
        per_seed = [
            np.concatenate([getattr(predictions[fold, index], name) for fold in range(n_folds)])
            for index in range(n_seeds)
        ]
        return np.stack(per_seed)

    write_predictions(
        arguments.predictions,
        stack("images"),
        np.concatenate(scored),
        np.repeat(np.arange(n_folds), [len(rows) for rows in scored]),
        embedding=stack("embedding"),
        nearest=stack("nearest"),
        attributes={
            "protocol": arguments.protocol,
            "method": arguments.method,
            "encoder": arguments.encoder or "",
        },
    )


def _write_weights(path: str, weights: dict[str, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    single = {
        key: np.ascontiguousarray(value, dtype=np.float32 if value.dtype == np.float64 else value.dtype)
        for key, value in weights.items()
    }
    with atomic_path(path) as temporary:
        save_file(single, temporary)
