"""Decoders from the files of a run: the same predictions as the run's own, for every registered method."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from quick import METHODS, quick_settings

from cortexclip import Decoder
from cortexclip.__main__ import main
from cortexclip.data import dataset as datasets
from cortexclip.data.simulated import simulate
from cortexclip.errors import InputError
from cortexclip.estimator import encoder_named
from cortexclip.evaluation.splits import make_split
from cortexclip.features import embeddings
from cortexclip.results.restore import load_run
from cortexclip.runtime.arrays import read_netcdf, write_parquet
from cortexclip.runtime.files import write_json

FOLDS = {"over": "all", "folds": 2, "group_by": "sample", "shuffle_seed": 1, "title": "two folds"}
INNER = {"select": "inner", "inner_fraction": 0.2, "inner_by": "sample"}
SMALL = {"train_stimuli": 24, "test_stimuli": 6, "test_repeats": 1, "sessions": 3, "regions": 2}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with two simulated subjects, splits and the embeddings of the shipped encoders."""
    folder = tmp_path_factory.mktemp("world")
    for subject, voxels in ((1, 40), (2, 30)):
        data = simulate({**SMALL, "voxels": voxels, "subject": subject}, 0, {"name": f"subject{subject}"})
        datasets.write(data, folder / f"subject{subject}.nc")
    own = datasets.read(folder / "subject1.nc")
    for name, outer in (("holdout", {"over": "canonical", "title": "holdout"}), ("folds", FOLDS)):
        split = make_split({**outer, **INNER}, own.part.values, own.stimulus.values, 0)
        write_parquet(folder / f"{name}.parquet", split)
    for name in ("glyphclip", "glyphclip_crops"):
        stimulus, images = embeddings.distinct_stimuli(own)
        embeddings.write(folder / f"{name}.nc", encoder_named(name).encode(images), stimulus, name, {})
    return folder


def train(world: Path, folder: Path, name: str, split: str = "holdout", *options: str, seeds: int = 1) -> Path:
    """Run the train stage for a method with quick settings; returns the folder of the run."""
    entry = {**METHODS[name], "by_size": {}, "by_dataset": {}}
    settings = {**METHODS[name].get("settings", {}), **METHODS[name].get("by_size", {}).get("small", {})}
    entry["settings"] = {**settings, **quick_settings(settings)}
    if "grid" in entry:
        entry["grid"] = {"temperature": [0.05, 0.1], "hidden": [[8], [6, 5]]}
    encoder = next((e for e in METHODS[name].get("encoders", []) if e.startswith("glyphclip")), None)
    features = ["--features", str(world / f"{encoder}.nc"), "--encoder", encoder] if encoder else []
    pool = ["--pool", str(world / "subject2.nc")] if METHODS[name].get("pools") else []
    outputs = {"predictions": "predictions.nc", "history": "history.parquet"}
    outputs |= {"weights": "weights.safetensors", "record": "run.json"}
    status = main(
        ["train", "--dataset", str(world / "subject1.nc"), "--split", str(world / f"{split}.parquet"), *features, *pool]
        + ["--protocol", split, "--method", name, "--entry", json.dumps(entry), "--seeds", str(seeds)]
        + ["--base-seed", "0", *options]
        + [part for key, file in outputs.items() for part in (f"--{key}", str(folder / file))]
    )
    assert status == 0
    return folder


def check_predictions(world: Path, folder: Path, fold: int = 0, seed: int = 0) -> None:
    """The loaded decoder predicts the same for the scored samples as the run."""
    fitted, _ = load_run(folder, fold, seed)
    run, data = read_netcdf(folder / "predictions.nc"), datasets.read(world / "subject1.nc")
    here = run.fold.values == fold
    rows = run.sample.values[here]
    found = fitted.decoder.predict(
        data.brain.values[rows], *([data[fitted.method.oracle_of].values[rows]] if fitted.method.oracle_of else [])
    )
    np.testing.assert_allclose(found.images, run.image.values[seed, here], atol=2e-5)
    for name in ("embedding", "nearest"):
        value = getattr(found, name)
        assert (value is None) == (name not in run)
        if value is not None:
            np.testing.assert_allclose(value, run[name].values[seed, here], atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_loaded_decoder_predicts_what_the_run_predicted(world, tmp_path, name):
    folder = train(world, tmp_path, name)
    check_predictions(world, folder)
    decoder = Decoder.load(folder)
    data = datasets.read(world / "subject1.nc")
    assert decoder.n_features_in_ == 40 and decoder.image_shape_ == (28, 28)
    brain = data.brain.values[data.part.values == "train"]
    statistics = decoder._fitted.statistics
    np.testing.assert_allclose(statistics.mean, brain.mean(axis=0, dtype=float), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(statistics.scale, brain.std(axis=0, dtype=float), rtol=1e-5)
    record = json.loads((folder / "run.json").read_text())
    facts = {key: value for key, value in record["fits"][0].items() if key not in ("fold", "seed_index", "seconds")}
    assert decoder.decoder_.facts().items() <= facts.items()


@pytest.mark.parametrize("name", ["ridge", "cccv1", "clip_encoder_grid"])
def test_every_fold_and_seed_that_was_kept_can_be_loaded(world, tmp_path, name):
    seeds = 1 if name == "ridge" else 2
    train(world, tmp_path, name, "folds", "--save-weights", "all", seeds=seeds)
    for fold in range(2):
        for seed in range(seeds):
            check_predictions(world, tmp_path, fold, seed)


@pytest.fixture(scope="module")
def ridge_run(world, tmp_path_factory) -> Path:
    return train(world, tmp_path_factory.mktemp("ridge"), "ridge", "folds")


def edited(folder: Path, change) -> None:
    record = json.loads((folder / "run.json").read_text())
    change(record)
    write_json(folder / "run.json", record)


@pytest.mark.parametrize(
    ("spoil", "words", "fit"),
    [
        (lambda f: shutil.rmtree(f), "has no run.json; expected the folder of a run", {}),
        (lambda f: (f / "run.json").write_text("{"), "not valid JSON", {}),
        (lambda f: (f / "run.json").write_text("[]"), "is no record of a training", {}),
        (lambda f: edited(f, lambda r: r.pop("image_shape")), "does not say 'image_shape'.*earlier version", {}),
        (
            lambda f: edited(f, lambda r: r.update(module="cortexclip.runtime.seeds")),
            "found 0 subclasses of .*Method, expected one",
            {},
        ),
        (lambda f: edited(f, lambda r: r["settings"].pop("penalty_low")), "missing setting 'penalty_low'", {}),
        (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors: missing", {}),
        (lambda f: (f / "weights.safetensors").write_bytes(b"\x00" * 50), "weights.safetensors: damaged", {}),
        (lambda f: None, "no fit of fold 2 and seed 0; found the folds 0 to 1", {"fold": 2}),
        (lambda f: None, "no fit of fold 0 and seed 5", {"seed": 5}),
    ],
)
def test_what_cannot_be_loaded_is_said(ridge_run, tmp_path, spoil, words, fit):
    folder = tmp_path / "run"
    shutil.copytree(ridge_run, folder)
    spoil(folder)
    with pytest.raises(InputError, match=words) as caught:
        Decoder.load(folder, **fit)
    assert isinstance(caught.value, ValueError)


def test_a_run_without_weights_says_so(world, tmp_path):
    train(world, tmp_path, "ridge", "holdout", "--save-weights", "none")
    with pytest.raises(InputError, match="no weights were kept .save_weights: none.*save_weights: first"):
        Decoder.load(tmp_path)


def test_only_the_first_seed_was_kept(world, tmp_path):
    train(world, tmp_path, "cccv1", "holdout", seeds=2)
    with pytest.raises(InputError, match="keeps no weights of seed 1 .found fold0 seed0.*save_weights: all"):
        Decoder.load(tmp_path, seed=1)


def test_weights_of_another_network_are_refused(world, tmp_path):
    train(world, tmp_path, "clip_encoder")
    edited(tmp_path, lambda record: record["settings"].update(hidden=[7, 3]))
    with pytest.raises(InputError, match="does not hold the network that the settings describe"):
        Decoder.load(tmp_path)


def test_a_method_without_restore_says_so(ridge_run, tmp_path, monkeypatch):
    from cortexclip.methods.ridge import Ridge

    monkeypatch.delattr(Ridge, "restore")
    with pytest.raises(InputError, match=r"Ridge of cortexclip.methods.ridge has no .* restore.*docs/add-a-method.md"):
        Decoder.load(ridge_run)
    fitted = Decoder().fit(np.random.default_rng(0).normal(size=(9, 4)), np.random.default_rng(1).uniform(size=(9, 4)))
    with pytest.raises(InputError, match="has no function restore"):
        fitted.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
