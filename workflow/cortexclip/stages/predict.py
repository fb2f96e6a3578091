"""Stage: a trained run and a new data file -> images, embeddings and, where the file has stimuli, scores."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.audit.new_data import New, check_fits, check_scale, read_new, rescaled
from cortexclip.configuration.schema import entry_option
from cortexclip.errors import InputError
from cortexclip.estimator import catalogue, encoder_named
from cortexclip.evaluation.score import means_of, scores_of
from cortexclip.methods.interface import Prediction
from cortexclip.results.restore import load_run
from cortexclip.results.runs import labelled_predictions
from cortexclip.results.tables import write_csv
from cortexclip.runtime import provenance
from cortexclip.runtime.arrays import single
from cortexclip.runtime.files import atomic_folder, write_json
from cortexclip.runtime.log import logger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of a run, such as results/runs/holdout/vangerven/ridge")
    parser.add_argument("file", metavar="FILE", help="the new data: a MATLAB, HDF5, NetCDF or .npz file")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="a new or empty folder")
    parser.add_argument("--fold", type=int, default=0, help="fold of the decoder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="number of the training seed (default: %(default)s)")
    parser.add_argument(
        "--entry",
        metavar="YAML",
        help="how to read FILE: keys as in datasets.yaml, or a file with them, such as inspect --yaml prints; "
        "'arrays: {brain: NAME}' for responses without stimuli. Default: as the run's dataset, else guessed",
    )
    parser.add_argument(
        "--part", choices=["all", "train", "test"], default="all", help="which samples of FILE (default: %(default)s)"
    )
    parser.add_argument(
        "--rescale",
        action="store_true",
        help="shift and scale each voxel to its statistics in training; each image then depends on all samples",
    )


def run(arguments: argparse.Namespace) -> None:
    output = _free(Path(arguments.output))
    fitted, record = load_run(arguments.run, arguments.fold, arguments.seed)
    known = catalogue("datasets").get(record.get("dataset")) or {}
    new = read_new(
        Path(arguments.file),
        None if arguments.entry is None else entry_option(arguments.entry),
        known,
        record.get("dataset_sha256"),
        len(fitted.statistics.mean),
    )
    new = new.part_of(arguments.part)
    check_fits(new, fitted, record.get("dataset"))
    notes = list(new.notes)
    if arguments.rescale:
        new = replace(new, brain=rescaled(new.brain, fitted.statistics, new.where))
        notes.append(
            "Voxels were rescaled to their statistics in training, over all samples that are decoded together."
        )
    notes += check_scale(new.brain, fitted.statistics, new.where)
    if fitted.method.transductive:
        notes.append("The method is transductive: each image may depend on the other samples that are decoded with it.")
    prediction = fitted.decoder.predict(new.brain, *fitted.given(new.data, record["method"], new.where))
    scores, missing = (None, []) if new.data is None else _score(new.data, prediction, record)
    notes += missing
    for note in notes:
        logger.warning("%s", note)
    summary = {
        "run": {key: record.get(key) for key in ("dataset", "protocol", "method", "encoder", "code")},
        "fold": arguments.fold,
        "seed": arguments.seed,
        "file": {"name": Path(arguments.file).name, "sha256": new.sha256},
        "samples": len(new.brain),
        "notes": notes,
        "mean": {} if scores is None else means_of(scores),
        "versions": provenance.versions("numpy", "torch"),
    }
    with atomic_folder(output) as folder:
        _write(folder, new, prediction, scores, summary, record)
    error = summary["mean"].get(record["method"], {}).get("mse")
    logger.info(
        "%d samples decoded%s; see %s",
        len(new.brain),
        "" if error is None else f", MSE {error:.5f}",
        output / "sheet.png",
    )


def _score(data: xr.Dataset, prediction: Prediction, record: Mapping) -> tuple[pd.DataFrame, list[str]]:
    """Scores of every sample, in the columns of the workflow's, and a note if some could not be computed."""
    predicted = {name: array[None] for name, array in vars(prediction).items() if array is not None}
    features, missing = None, []
    if "embedding" in predicted:
        stimulus, first = np.unique(data.stimulus.values, return_index=True)
        try:
            embedding = encoder_named(record["encoder"]).encode(data.stimuli.values[first])
            features = xr.Dataset({"embedding": (("stimulus", "feature"), embedding)}, {"stimulus": stimulus})
        except InputError as error:
            missing = [f"No scores of retrieval: {error}"]
            del predicted["embedding"]
    names = {"protocol": "predict", "method": record["method"], "encoder": record.get("encoder") or ""}
    samples = np.arange(data.sizes["sample"])
    run = labelled_predictions(predicted.pop("images"), samples, np.zeros_like(samples), **predicted, attributes=names)
    return scores_of(data, run, features), missing


def _free(output: Path) -> Path:
    if output.is_dir() and any(output.iterdir()):
        raise InputError(f"--output: {output} already contains files. Name another folder, or remove it.")
    if output.exists() and not output.is_dir():
        raise InputError(f"--output: {output} is a file, expected a folder.")
    return output


def _write(folder: Path, new: New, prediction: Prediction, scores, summary: dict, record: Mapping) -> None:
    from cortexclip.figures.sheet import draw_decoded, save_sheet

    there: dict[str, Any] = {name: single(array) for name, array in vars(prediction).items() if array is not None}
    if "embedding" in there:
        np.savez_compressed(folder / "embeddings.npz", embedding=there.pop("embedding"))
    np.savez_compressed(folder / "images.npz", **there)
    if scores is not None:
        write_csv(folder / "scores.csv", scores)
    write_json(folder / "summary.json", summary)
    truth, errors = None, None
    if scores is not None:
        truth, own = new.data.stimuli.values, (scores.metric == "mse") & (scores.method == record["method"])
        errors = scores[own].set_index("sample")["value"]
    title = f"{record['method']}: images decoded from {summary['file']['name']}"
    save_sheet(draw_decoded(prediction.images, title, truth, errors), folder / "sheet.png")
