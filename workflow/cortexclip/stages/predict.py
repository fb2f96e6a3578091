"""Stage: a trained run and a new data file -> images, embeddings and, where the file has stimuli, scores."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from cortexclip import provenance
from cortexclip.data import arrays as named_arrays
from cortexclip.data import dataset as datasets
from cortexclip.data.containers import load_arrays, variables
from cortexclip.data.entries import DATASET_KEYS, parse_dataset_entry
from cortexclip.data.guess import guess
from cortexclip.data.variables import printable
from cortexclip.errors import InputError
from cortexclip.estimator import catalogue, encoder_named
from cortexclip.evaluation.score import score_predictions
from cortexclip.files import sha256, write_json
from cortexclip.loading import load_reader
from cortexclip.log import logger
from cortexclip.methods.interface import Prediction
from cortexclip.numerics.standardise import VoxelScaler
from cortexclip.restore import Fitted, load_run
from cortexclip.stages.inspect import name_of, propose, survey
from cortexclip.tables.write import write_csv

READER = named_arrays.__name__
FAR, TOO_FAR = 2.0, 10.0
"""Factors of the training data's spread, and distances in it, that are remarkable and that are refused."""
PICTURES = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of a run, such as results/runs/holdout/vangerven/ridge")
    parser.add_argument("file", metavar="FILE", help="the new data: a MATLAB, HDF5, NetCDF or .npz file")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="a folder that is not there yet, or empty")
    parser.add_argument("--fold", type=int, default=0, help="whose fold's decoder (default: %(default)s)")
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
    new = read_new(Path(arguments.file), _entry(arguments.entry), record)
    new = new.part_of(arguments.part)
    check_fits(new, fitted, record)
    notes = list(new.notes)
    if arguments.rescale:
        new = replace(new, brain=rescaled(new.brain, fitted.statistics, new.where))
        notes.append(
            "Voxels were rescaled to their statistics in training, over all samples that are decoded together."
        )
    notes += check_scale(new.brain, fitted.statistics, new.where)
    if fitted.method.transductive:
        notes.append("The method is transductive: each image may depend on the other samples that are decoded with it.")
    prediction = fitted.decoder.predict(new.brain, *_label(fitted, new, record))
    scores, missing = (None, []) if new.data is None else score(new, prediction, record)
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
        "mean": {} if scores is None else _means(scores),
        "versions": provenance.versions("numpy", "torch"),
    }
    with _whole(output) as folder:
        _write(folder, new, prediction, scores, summary, record)
    error = summary["mean"].get(record["method"], {}).get("mse")
    logger.info(
        "%d samples decoded%s; see %s",
        len(new.brain),
        "" if error is None else f", MSE {error:.5f}",
        output / "sheet.png",
    )


@dataclass(frozen=True)
class New:
    """Samples to decode: ``brain`` (n_samples, n_voxels) and, where the file has stimuli, their dataset."""

    where: str
    sha256: str
    brain: np.ndarray
    data: xr.Dataset | None
    notes: tuple[str, ...] = ()

    def part_of(self, part: str) -> New:
        """The samples of one part of the file; raises InputError where it has none."""
        if part == "all":
            return self
        here = np.zeros(len(self.brain), bool) if self.data is None else self.data.part.values == part
        if not here.any():
            raise InputError(f"--part {part}: {self.where} does not say which samples these are. Leave --part out.")
        return replace(self, brain=self.brain[here], data=self.data.isel(sample=here))


def read_new(path: Path, entry: Mapping[str, object] | None, record: Mapping) -> New:
    """The samples of a file, read as an entry says; without one as the run's dataset is, or else as it is guessed.

    A file that holds responses alone has no ``data``. Raises InputError for a file that cannot be used.
    """
    held = variables(path) if path.is_file() else []
    names, digest = {variable.name for variable in held}, sha256(path) if path.is_file() else ""
    if entry is None and {"brain", "stimuli", "part", "stimulus"} <= names:  # one of our own datasets
        data = datasets.read(path)
    else:
        known = dict(catalogue("datasets").get(record.get("dataset")) or {})
        data = _dataset(path, entry, known | {"sha256": digest}, names)
    if isinstance(data, np.ndarray):
        return New(str(path), digest, data, None, ("The file has no stimuli, so there are no scores.",))
    notes = []
    if record.get("dataset_sha256") and record["dataset_sha256"] in (digest, data.attrs["sha256"]):
        notes.append("The run was trained on this very file: only what it did not train on is a test of it.")
    return New(str(path), digest, data["brain"].values, data, tuple(notes))


def check_fits(new: New, fitted: Fitted, record: Mapping) -> None:
    """Raise InputError if the samples have other voxels, or images of another size, than the run."""
    expected, found = len(fitted.statistics.mean), new.brain.shape[1]
    trained = f"the run was trained on {expected} voxels" + (
        f" of '{record['dataset']}'" if record.get("dataset") else ""
    )
    if found != expected:
        turned = (
            " If samples are along the last axis, say sample_axis: last in --entry."
            if len(new.brain) == expected
            else ""
        )
        raise InputError(
            f"{new.where}: found {found} voxels, but {trained}. A decoder knows one brain and one choice of voxels, in "
            f"their order; give data of the same subject and mask.{turned}"
        )
    if new.data is not None and new.data["stimuli"].shape[1:] != fitted.shape:
        height, width = new.data["stimuli"].shape[1:]
        raise InputError(
            f"{new.where}: found images of {height} x {width}, but the run decodes {fitted.shape[0]} x "
            f"{fitted.shape[1]}. Let --entry resize them with image_size: {fitted.shape[0]}, or give responses alone "
            "(--entry 'arrays: {brain: NAME}')."
        )


def check_scale(brain: np.ndarray, training: VoxelScaler, where: str) -> list[str]:
    """A remark if voxels differ from those of training in place or spread, none if they do not.

    Compared are the median distance of a value from its voxel's mean in training, in deviations (0.67 for normally
    distributed values), and, from three samples on, the median ratio of a voxel's deviation to that in training. Voxels
    that do not vary in the new samples, such as those outside a mask, count for nothing then.

    Raises InputError if they are so far from those of training that the decoder would only extrapolate.
    """
    distances, spread = np.abs(training(brain)), 1.0
    if len(brain) > 2:
        ratio = brain.std(axis=0, ddof=1, dtype=np.float64) / training.scale
        varying = ratio > 0
        if not varying.any():
            raise InputError(f"{where}: no voxel varies over its {len(brain)} samples, expected brain responses.")
        distances, spread = distances[:, varying], float(np.median(ratio[varying]))
    distance = float(np.median(distances))
    found = (
        f"{where}: voxels lie {distance:.3g} standard deviations of the training data from its means (median; 0.7 is "
        f"usual) and vary {spread:.3g} times as much"
    )
    if distance > TOO_FAR or not 1 / TOO_FAR <= spread <= TOO_FAR:
        raise InputError(
            f"{found}. They are on another scale: prepare them as the training data were, or let --rescale do it, "
            "which needs all samples of the recording."
        )
    if distance > FAR or not 1 / FAR <= spread <= FAR:
        return [f"{found}. Check that they were prepared as the training data were; --rescale fits their scale."]
    return []


def rescaled(brain: np.ndarray, training: VoxelScaler, where: str) -> np.ndarray:
    """Responses whose voxels have the mean and deviation of training; raises InputError for fewer than ten samples."""
    if len(brain) < 10:
        raise InputError(f"--rescale: {where} has {len(brain)} samples, expected 10 or more to know a voxel's spread.")
    mean, scale = brain.mean(axis=0, dtype=np.float64), brain.std(axis=0, dtype=np.float64)
    standard = np.divide(brain - mean, scale, out=np.zeros(brain.shape), where=scale > 0)
    return (standard * training.scale + training.mean).astype(np.float32)


def score(new: New, prediction: Prediction, record: Mapping) -> tuple[pd.DataFrame, list[str]]:
    """Scores of every sample, in the columns of the workflow's, and a note if some could not be computed."""
    data, gallery, missing = new.data, {}, []
    if prediction.embedding is not None:
        _, first = np.unique(data.stimulus.values, return_index=True)
        try:
            embeddings = encoder_named(record["encoder"]).encode(data.stimuli.values[first])
            gallery = {"gallery_embeddings": embeddings, "gallery_ids": data.stimulus.values[first]}
        except InputError as error:
            missing = [f"No scores of retrieval: {error}"]
    scores = score_predictions(
        dataset=data.attrs["name"],
        protocol="predict",
        method=record["method"],
        encoder=record.get("encoder") or "none",
        folds=np.zeros(len(new.brain), int),
        samples=np.arange(len(new.brain)),
        stimuli=data.stimuli.values,
        stimulus_ids=data.stimulus.values,
        images=prediction.images[None],
        nearest_images=None if prediction.nearest is None else prediction.nearest[None],
        embeddings=prediction.embedding[None] if gallery else None,
        **gallery,
    )
    return scores, missing


def _entry(given: str | None) -> dict | None:
    """The entry that --entry gives, as text or in a file; of a file with a name above the keys, what is below it."""
    if given is None:
        return None
    path = Path(given)
    text = path.read_text(encoding="utf-8") if len(given) < 4096 and path.is_file() else given
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--entry: not valid YAML: {' '.join(str(error).split())}.") from error
    if isinstance(content, dict) and len(content) == 1 and isinstance(inner := next(iter(content.values())), dict):
        content = inner if set(inner) & set(DATASET_KEYS) else content
    if not isinstance(content, dict):
        raise InputError(f"--entry: found {given!r}, expected keys of datasets.yaml, or a file with them.")
    return parse_dataset_entry(json.dumps(content), "--entry")


def _dataset(path: Path, entry: Mapping | None, known: Mapping, names: set[str]) -> xr.Dataset | np.ndarray:
    """The dataset of a file, or its responses (n_samples, n_voxels) where it has nothing else."""
    name = name_of(path)
    reader = (known if entry is None else entry).get("reader", READER)
    if reader not in (READER, "cortexclip.data.simulated"):
        return load_reader(name, reader)(path, name, dict(known) | dict(entry or {}))
    if entry is not None:
        roles = set(entry.get("arrays") or {})
        if roles == {"brain"}:
            return _responses(path, entry["arrays"]["brain"], entry.get("sample_axis", "first"))
        order = {key: known[key] for key in ("pixel_order",) if key in known}
        return named_arrays.read(path, name, {**order, "labels": "none", **entry, "sha256": known["sha256"]})
    if "file" in known:
        for found in (known, known | {"labels": "none"}):
            layout = named_arrays.layout_of(found, f"dataset '{name}'")
            if set(layout.names.values()) <= names:
                return named_arrays.read(path, name, found)
            if one := _of_one_part(found, layout, names):
                return named_arrays.read(path, name, one)
    facts = survey(path)
    numbers = [fact for fact in facts if fact.numeric and fact.values.ndim > 1]
    if len(numbers) == 1:
        return _responses(path, numbers[0].name, "first")
    try:
        guess(facts)
        given = {key: known[key] for key in ("pixel_order", "channels", "image_size") if key in known}
        _, said, dataset = propose(path, facts, given, seed=0)
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')} See also: cortexclip inspect.") from error
    for words in said:
        logger.info("guessed: %s", words)
    return dataset


def _of_one_part(known: Mapping, layout: named_arrays.Layout, names: set[str]) -> dict | None:
    """The entry of a file that holds only the training or only the test arrays of such a dataset, or None."""
    kinds = {role.removesuffix("_train") for role in layout.names if role.endswith("_train")}
    for part in ("test", "train"):
        arrays = {kind: layout.names[f"{kind}_{part}"] for kind in kinds}
        if arrays and set(arrays.values()) <= names:
            return {**known, "parts": "none", "arrays": arrays}
    return None


def _responses(path: Path, array: str, sample_axis: str) -> np.ndarray:
    where = f"{path}: '{printable(array)}'"
    values = load_arrays(path, [array])[array]
    named_arrays.check_finite(values, where)
    layout = named_arrays.Layout("row-major", sample_axis=sample_axis)
    return named_arrays.responses(values, layout, where).astype(np.float32)


def _label(fitted: Fitted, new: New, record: Mapping) -> list[np.ndarray]:
    """What the decoder takes beside brain responses: the classes, if it is an oracle's."""
    if not fitted.method.is_oracle:
        return []
    if new.data is None:
        raise InputError(f"{new.where}: method '{record['method']}' needs the class of each image; found no labels.")
    return [new.data.label.values]


def _means(scores: pd.DataFrame) -> dict:
    """Mean of each metric over the samples, by readout; None where it is not defined."""
    means = scores.groupby(["method", "metric"], observed=True)["value"].mean()
    found: dict = {}
    for (method, metric), value in means.items():
        found.setdefault(str(method), {})[str(metric)] = None if np.isnan(value) else float(value)
    return found


def _free(output: Path) -> Path:
    if output.is_dir() and any(output.iterdir()):
        raise InputError(f"--output: {output} holds files already. Name another folder, or remove it.")
    if output.exists() and not output.is_dir():
        raise InputError(f"--output: {output} is a file, expected a folder.")
    return output


class _whole:
    """A folder that appears with all its files, or not at all."""

    def __init__(self, target: Path):
        self.target = target

    def __enter__(self) -> Path:
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self.folder = Path(tempfile.mkdtemp(dir=self.target.parent, prefix=f".{self.target.name}."))
        except OSError as error:
            raise InputError(
                f"{self.target}: cannot write here ({error.strerror}). Choose a writable folder."
            ) from error
        return self.folder

    def __exit__(self, kind, error, trace) -> None:
        if kind is not None:
            shutil.rmtree(self.folder)
            return
        mask = os.umask(0)
        os.umask(mask)
        self.folder.chmod(0o777 & ~mask)
        os.replace(self.folder, self.target)  # also onto an empty folder


def _write(folder: Path, new: New, prediction: Prediction, scores, summary: dict, record: Mapping) -> None:
    images = {name: getattr(prediction, name) for name in ("nearest", "draws") if getattr(prediction, name) is not None}
    np.savez_compressed(
        folder / "images.npz", images=single(prediction.images), **{k: single(v) for k, v in images.items()}
    )
    if prediction.embedding is not None:
        np.savez_compressed(folder / "embeddings.npz", embedding=single(prediction.embedding))
    if scores is not None:
        write_csv(folder / "scores.csv", scores)
    write_json(folder / "summary.json", summary)
    _draw(folder / "sheet.png", new, prediction, scores, summary, record)


def single(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32)


def _draw(path: Path, new: New, prediction: Prediction, scores, summary: dict, record: Mapping) -> None:
    from cortexclip.figures.sheet import draw_sheet, save_sheet

    pairs = new.data is not None
    shown = np.arange(len(new.brain))[: PICTURES // 2 if pairs else PICTURES]
    images, captions = prediction.images[shown], [f"{i}" for i in shown]
    many = f"All {len(shown)}" if len(shown) == len(new.brain) else f"The first {len(shown)} of {len(new.brain)}"
    notes = [f"{many} samples, by their numbers."]
    if pairs:
        errors = scores[(scores.metric == "mse") & (scores.method == record["method"])].set_index("sample")["value"]
        images = np.stack([new.data.stimuli.values[shown], images], axis=1).reshape(-1, *images.shape[1:])
        captions = [text for i in shown for text in (f"{i}", f"{errors[i]:.4f}")]
        notes = [f"{many} samples: what was seen, by its number, and what was decoded, with its mean squared error."]
    title = f"{record['method']}: images decoded from {summary['file']['name']}"
    save_sheet(draw_sheet(images, captions, title, notes), path)
