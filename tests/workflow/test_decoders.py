"""`cortexclip.Decoder` over every method of the catalogue, and scikit-learn's checks on methods of each kind."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image
from precision import methods_in_double
from quick import METHODS, quick_settings
from sklearn.utils.estimator_checks import parametrize_with_checks

from cortexclip import Decoder
from cortexclip.configuration.plan import Plan
from cortexclip.data import dataset as datasets
from cortexclip.data.simulated import simulate
from cortexclip.results.folder import Results
from cortexclip.runtime.arrays import read_netcdf

ONE_ROW = "the check's 5 targets are no square image, and images given as rows are square unless image_shape says more"


def quick(name: str) -> Decoder:
    settings = quick_settings(
        {**METHODS[name].get("settings", {}), **METHODS[name].get("by_size", {}).get("small", {})}
    )
    if "grid" in METHODS[name]:
        settings |= {"hidden": [8], "batch_size": 8, "lr": 1e-3}
    return Decoder(name, settings=settings)


# The checks give targets of any range, hence image_range=None. Ridge is checked in tests/unit/test_estimator.py.
@parametrize_with_checks(
    [
        Decoder("mean_image", image_range=None),
        Decoder("knn", image_range=None),
        Decoder("cccv1", image_range=None, settings={"epochs": 1, "patience": 1, "batch_size": 256}),
    ],
    expected_failed_checks=lambda estimator: {"check_regressor_multioutput": ONE_ROW},
)
def test_scikit_learns_checks(estimator, check):
    """One check compares to 1e-7 whatever the precision, less than the last digit of float32: it is done in double."""
    in_order = "check_methods_sample_order_invariance" in str(check)
    with methods_in_double() if in_order else nullcontext():
        check(estimator)


@pytest.fixture(scope="module")
def data():
    """Training samples and new ones of a simulated subject, and another subject to pool with."""
    sizes = {"train_stimuli": 24, "test_stimuli": 6, "test_repeats": 1, "sessions": 3, "voxels": 40, "regions": 2}
    own, other = (simulate({**sizes, "subject": subject}, 0) for subject in (1, 2))
    train = own.part.values == "train"
    return own.isel(sample=train), own.isel(sample=~train), other


def needed(name: str, train, new, other) -> dict:
    """What a method needs beyond responses and images."""
    entry, extra = METHODS[name], {}
    needs = entry.get("needs", [])
    extra |= {"label": train.label.values} if "classes" in needs else {}
    extra |= {"session": train.session.values} if "sessions" in needs else {}
    extra |= {"region": train.region.values} if "regions" in needs else {}
    extra |= {"unlabelled": new.brain.values} if name.endswith("_transductive") else {}
    extra |= {"others": [(other.brain.values, other.stimuli.values)]} if entry.get("pools") else {}
    return extra


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_an_estimator(data, tmp_path, name):
    train, new, other = data
    brain, images = train.brain.values, train.stimuli.values
    decoder = quick(name).fit(brain, images, **needed(name, *data))
    extra = {"class_mean_oracle": [new.label.values], "session_mean": [new.session.values]}.get(name, [])
    predicted = decoder.predict(new.brain.values, *extra)
    assert predicted.shape == new.stimuli.shape and predicted.min() >= 0 and predicted.max() <= 1
    error = np.mean((predicted - new.stimuli.values) ** 2)
    assert decoder.score(new.brain.values, new.stimuli.values, *extra) == pytest.approx(-error)
    if METHODS[name].get("encoders"):
        similarity, index = decoder.retrieve(new.brain.values, images, k=3)
        assert decoder.embed(new.brain.values).shape[0] == len(new.sample)
        assert index.shape == (6, 3) and (np.diff(similarity) <= 0).all()

    decoder.save(tmp_path)
    loaded = Decoder.load(tmp_path)
    np.testing.assert_allclose(loaded.predict(new.brain.values, *extra), predicted, atol=2e-5)
    facts = {key: value for key, value in decoder.decoder_.facts().items() if key != "grid"}
    assert loaded.decoder_.facts() == facts


def test_runs_of_the_workflow_are_loaded_and_decode_new_files(finished, tmp_path):
    """All runs of the small configuration: what is loaded predicts what was scored, in Python and by the stage."""
    results = finished.path / "results"
    data = datasets.read(results / "data/simulated.nc")
    runs = sorted((results / "runs/holdout/simulated").iterdir())
    assert len(runs) > 4
    for run in runs:
        predictions = read_netcdf(run / "predictions.nc")
        found = Decoder.load(run).predict(data.brain.values[predictions.sample.values])
        np.testing.assert_allclose(found, predictions.image.values[0], atol=1e-5, err_msg=run.name)

    run = "results/runs/holdout/simulated/ridge_clip.glyphclip"
    command = ["-m", "cortexclip", "predict", run, "results/data/simulated.nc"]
    done = finished.python(*command, "--part", "test", "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout
    columns = ["method", "metric", "value"]
    expected = Results(results, Plan.read(results / "plan.json")).scores_by_run("holdout", "simulated")
    expected = expected["ridge_clip.glyphclip"][columns]
    scores = pd.read_csv(tmp_path / "out/scores.csv")
    for metric in ("mse", "ssim", "top1_test", "rank_test", "embedding_identification"):
        ours, theirs = (table[table["metric"] == metric]["value"].to_numpy() for table in (scores, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6, err_msg=metric)


def test_the_example_runs_and_draws(tmp_path):
    """On real data if CORTEXCLIP_DATA names a folder that has them, else on simulated ones."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = str(ROOT / "workflow")
    command = [sys.executable, str(ROOT / "examples/decoder.py")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    errors = dict(re.findall(r"^(\w+): mean squared error (\S+)$", done.stdout, flags=re.MULTILINE))
    assert float(errors["ridge"]) < float(errors["mean_image"])
    found, chance = map(int, re.search(r"found first: (\d+)%, by chance (\d+)%", done.stdout).groups())
    assert found > chance
    pixels = np.asarray(Image.open(tmp_path / "decoder.png").convert("L"))
    assert pixels.shape == (840, 1080) and pixels.std() > 20


def test_the_documentation_runs(finished, tmp_path):
    """Every Python block of docs/estimator.md, in their order, and then its command, where the workflow has run."""
    text = (ROOT / "docs/estimator.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    python, shell = ([code for language, code in blocks if language == kind] for kind in ("python", ""))
    assert len(python) == 3 and len(shell) == 1
    (tmp_path / "run.py").write_text("".join(python))
    link = tmp_path / "results"
    link.symlink_to(finished.path / "results")
    environment = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(finished.path / "workflow")}}
    for command in ([sys.executable, "run.py"], [sys.executable, *shlex.split(shell[0])[1:]]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, **environment)
        assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "decoded").iterdir()}
    assert made == {"sheet.png", "images.npz", "scores.csv", "summary.json"}
    assert (tmp_path / "my_decoder/run.json").is_file()


def test_an_installation_that_is_not_editable_has_what_it_needs(tmp_path):
    pytest.importorskip("setuptools")
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, source / part)
    for part in ("config", "workflow", "envs", "profiles", "resources/glyphclip", "resources/priors"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / part, source / part, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True, cwd=tmp_path)
    code = (
        "import numpy as np, cortexclip\n"
        "from cortexclip import Decoder\n"
        "from cortexclip.runtime import project\n"
        "rng = np.random.default_rng(0)\n"
        "brain, images = rng.normal(size=(12, 9)), rng.uniform(size=(12, 28, 28))\n"
        "assert Decoder('ridge_clip', encoder='pixels').fit(brain, images).predict(brain).shape == images.shape\n"
        "print(cortexclip.__file__, project.root())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(site / "cortexclip/__init__.py"), str(site / "share/cortexclip")]
    for part in ("glyphclip", "priors"):
        for path in (ROOT / "resources" / part).rglob("*"):
            there = site / "share/cortexclip" / path.relative_to(ROOT)
            assert path.is_dir() or there.read_bytes() == path.read_bytes()

    random = np.random.default_rng(0)
    arrays = {"X_train": random.normal(size=(24, 9)), "X_test": random.normal(size=(6, 9))}
    arrays |= {"y_train": random.uniform(size=(24, 28, 28)), "y_test": random.uniform(size=(6, 28, 28))}
    np.savez(tmp_path / "mine.npz", **arrays)
    command = [sys.executable, "-m", "cortexclip", "run", "mine.npz", "--quick", "--methods", "mean_image", "ridge"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "mine_cortexclip/results/report/index.html").is_file()
