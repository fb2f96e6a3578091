"""`cortexclip predict`: a trained run on a new file, and what of a file it refuses."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from samples import make_samples
from scipy.io import savemat

from cortexclip import Decoder
from cortexclip.__main__ import main
from cortexclip.data.dataset import labelled, write
from cortexclip.evaluation.metrics import mse, ssim
from cortexclip.runtime.files import sha256

VOXELS = 30
SAMPLES = make_samples(40)
NEW = make_samples(12, seed=1)
ROWS = NEW.images.transpose(0, 2, 1).reshape(12, -1)  # column by column, as MATLAB lays images out
ENTRY = "pixel_order: column-major"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of a ridge, of a method with an embedding, and of one that is given the class."""
    folder = tmp_path_factory.mktemp("runs")
    Decoder("ridge").fit(SAMPLES.brain, SAMPLES.images).save(folder / "ridge")
    Decoder("ridge", dataset="vangerven").fit(SAMPLES.brain, SAMPLES.images).save(folder / "known")
    Decoder("ridge_clip", encoder="pixels").fit(SAMPLES.brain, SAMPLES.images).save(folder / "ridge_clip")
    oracle = Decoder("class_mean_oracle").fit(SAMPLES.brain, SAMPLES.images, label=SAMPLES.label)
    oracle.save(folder / "oracle")
    return folder


def predict(run, file, output, *options: str) -> int:
    return main(["predict", str(run), str(file), "--output", str(output), *options])


def file_of(folder, **arrays):
    savemat(folder / "new.mat", arrays)
    return folder / "new.mat"


def test_images_scores_and_a_sheet(runs, tmp_path):
    file = file_of(tmp_path, bold=NEW.brain, images=ROWS)
    entry = f"{{arrays: {{brain: bold, stimuli: images}}, parts: none, {ENTRY}}}"
    assert predict(runs / "ridge", file, tmp_path / "out", "--entry", entry) == 0
    images = np.load(tmp_path / "out/images.npz")["images"]
    expected = Decoder.load(runs / "ridge").predict(NEW.brain)
    np.testing.assert_allclose(images, expected, atol=1e-5)
    scores = pd.read_csv(tmp_path / "out/scores.csv").pivot(index="sample", columns="metric", values="value")
    np.testing.assert_allclose(scores["mse"], mse(expected, NEW.images), rtol=1e-4)
    np.testing.assert_allclose(scores["ssim"], ssim(expected, NEW.images), rtol=1e-4, atol=1e-5)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["mean"]["ridge"]["mse"] == pytest.approx(scores["mse"].mean(), rel=1e-4)
    assert summary["file"]["sha256"] == sha256(file) and summary["samples"] == 12 and summary["notes"] == []
    assert Image.open(tmp_path / "out/sheet.png").size[0] > 1000
    assert not (tmp_path / "out/embeddings.npz").exists()


def test_the_same_file_gives_the_same_bytes(runs, tmp_path):
    file = file_of(tmp_path, bold=NEW.brain, images=ROWS)
    for name in ("a", "b"):
        assert predict(runs / "ridge_clip", file, tmp_path / name) == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_embeddings_and_retrieval(runs, tmp_path):
    data = labelled(NEW.brain, NEW.images, np.repeat(["train", "test"], 6), {"name": "mine"})
    write(data, tmp_path / "mine.nc")
    assert predict(runs / "ridge_clip", tmp_path / "mine.nc", tmp_path / "out", "--part", "test") == 0
    decoder = Decoder.load(runs / "ridge_clip")
    embedding = np.load(tmp_path / "out/embeddings.npz")["embedding"]
    np.testing.assert_allclose(embedding, decoder.embed(NEW.brain[6:]), atol=1e-5)
    scores = pd.read_csv(tmp_path / "out/scores.csv")
    assert set(scores.method) == {"ridge_clip", "ridge_clip_nearest"}
    top1 = scores[scores.metric == "top1_test"]["value"].mean()
    _, index = decoder.retrieve(NEW.brain[6:], NEW.images[6:], k=1)
    assert top1 == pytest.approx((index[:, 0] == np.arange(6)).mean())


def test_responses_alone_give_images_alone(runs, tmp_path):
    file = file_of(tmp_path, responses=NEW.brain)
    assert predict(runs / "ridge", file, tmp_path / "out") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"images.npz", "sheet.png", "summary.json"}
    assert "no stimuli" in json.loads((tmp_path / "out/summary.json").read_text())["notes"][0]
    turned = file_of(tmp_path, responses=NEW.brain.T, other=np.ones((3, 2)))
    entry = "{arrays: {brain: responses}, sample_axis: last}"
    assert predict(runs / "ridge", turned, tmp_path / "turned", "--entry", entry) == 0
    first, second = (np.load(tmp_path / name / "images.npz")["images"] for name in ("out", "turned"))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "arrays",
    [
        {"fmriTest": NEW.brain, "stimTest": ROWS},
        {"fmriTest": NEW.brain, "stimTest": ROWS, "labelTest": np.ones((12, 1))},
        {"fmriTrn": NEW.brain[:6], "stimTrn": ROWS[:6], "fmriTest": NEW.brain[6:], "stimTest": ROWS[6:]},
    ],
)
def test_a_file_is_read_as_the_runs_own_dataset(runs, tmp_path, arrays):
    """Here vangerven, whose images lie column by column, with some of its arrays."""
    assert predict(runs / "known", file_of(tmp_path, **arrays), tmp_path / "out") == 0
    scores = pd.read_csv(tmp_path / "out/scores.csv").pivot(index="sample", columns="metric", values="value")
    expected = Decoder.load(runs / "known").predict(NEW.brain)
    np.testing.assert_allclose(scores["mse"], mse(expected, NEW.images), rtol=1e-3)


def test_an_oracle_takes_the_classes_of_the_file(runs, tmp_path):
    data = labelled(NEW.brain, NEW.images, np.full(12, "none"), {"name": "mine"}, label=NEW.label)
    write(data, tmp_path / "mine.nc")
    assert predict(runs / "oracle", tmp_path / "mine.nc", tmp_path / "out") == 0
    found = np.load(tmp_path / "out/images.npz")["images"]
    assert len(np.unique(found.reshape(12, -1), axis=0)) == 2


def test_another_scale_can_be_fitted_and_a_doubtful_one_is_remarked(runs, tmp_path, capsys):
    plain = file_of(tmp_path, responses=NEW.brain)
    predict(runs / "ridge", plain, tmp_path / "plain", "--rescale")
    file = file_of(tmp_path, responses=1000 + 50 * NEW.brain)
    assert predict(runs / "ridge", file, tmp_path / "out", "--rescale") == 0
    first, second = (np.load(tmp_path / name / "images.npz")["images"] for name in ("plain", "out"))
    np.testing.assert_allclose(first, second, atol=1e-3)
    assert any("rescaled" in note for note in json.loads((tmp_path / "out/summary.json").read_text())["notes"])
    doubtful = file_of(tmp_path, responses=NEW.brain * 4)
    assert predict(runs / "ridge", doubtful, tmp_path / "doubtful") == 0
    assert "Check that they were prepared as the training data were" in capsys.readouterr().err


def test_voxels_outside_a_mask_do_not_hide_another_scale():
    from cortexclip.audit.new_data import check_scale
    from cortexclip.errors import InputError
    from cortexclip.numerics.standardise import fit_scaler

    rng = np.random.default_rng(0)
    train, new = rng.normal(5, 3, (50, 20)), rng.normal(5, 3, (20, 20))
    train[:, 8:], new[:, 8:] = 0, 0  # more outside than inside
    assert check_scale(new, fit_scaler(train), "new") == []
    assert len(check_scale(3 * new - 10, fit_scaler(train), "new")) == 1
    for other in (100 * new, new / 100, new + 100):
        with pytest.raises(InputError, match="another scale"):
            check_scale(np.where(np.arange(20) < 8, other, 0), fit_scaler(train), "new")


BOTH = "{arrays: {brain: bold, stimuli: images}, parts: none, pixel_order: row-major}"


@pytest.mark.parametrize(
    ("run", "arrays", "options", "words"),
    [
        ("ridge", {"bold": NEW.brain[:, :20], "images": ROWS}, [], "found 20 voxels, but the run was trained on 30."),
        ("ridge", {"bold": NEW.brain[:, :20]}, [], "found 20 voxels, but the run was trained on 30."),
        (
            "ridge",
            {"bold": np.ones((30, 12))},
            ["--entry", "arrays: {brain: bold}"],
            "12 voxels.*set sample_axis: last in --entry",
        ),
        ("ridge", {"bold": 1000 + NEW.brain}, [], "standard deviations of the training data.*--rescale do it"),
        ("ridge", {"bold": NEW.brain / 1000}, [], "vary 0.00.* times as much. They are on another scale"),
        ("ridge", {"bold": np.ones((12, 30))}, [], "no voxel varies over its 12 samples"),
        ("ridge", {"bold": NEW.brain[:4]}, ["--rescale"], "--rescale: .* has 4 samples, expected 10 or more"),
        (
            "ridge",
            {"bold": NEW.brain, "images": ROWS[:, :400]},
            [],
            "images of 20 x 20, but the run decodes 28 x 28.*image_size",
        ),
        ("ridge", {"bold": NEW.brain, "images": ROWS[:9]}, ["--entry", BOTH], "'bold' has 12 rows and 'images' has 9"),
        ("ridge", {"bold": np.where(NEW.brain > 1, np.nan, NEW.brain)}, [], "'bold' holds .* NaN or infinite"),
        ("ridge", {"bold": NEW.brain, "more": NEW.brain}, [], "'bold' and 'more' could each be.*--entry 'arrays"),
        ("ridge", {"bold": NEW.brain}, ["--entry", "arrays: {brain: bald}"], "has no array 'bald'; found bold"),
        (
            "ridge",
            {"bold": NEW.brain},
            ["--entry", "{arays: {brain: bold}}"],
            "unknown key 'arays'. Did you mean 'arrays'",
        ),
        ("ridge", {"bold": NEW.brain}, ["--entry", "["], "--entry: not valid YAML"),
        ("ridge", {"bold": NEW.brain}, ["--entry", "bold"], "--entry: found 'bold', expected keys"),
        ("ridge", {"bold": NEW.brain}, ["--part", "test"], "does not say which samples these are"),
        ("ridge", {"bold": NEW.brain}, ["--fold", "3"], "no fit of fold 3"),
        ("ridge", {"bold": NEW.brain}, ["--seed", "1"], "no fit of fold 0 and seed 1"),
        ("oracle", {"bold": NEW.brain}, [], "needs the class of each image; found no labels"),
        ("nothing", {"bold": NEW.brain}, [], "has no run.json; expected the folder of a run"),
        ("ridge", None, [], "new.mat: cannot be read|new.mat: no such|not there|does not exist"),
        ("ridge", b"not a file of arrays", [], "is of no format that can be read"),
    ],
)
def test_what_cannot_be_decoded_is_one_line_and_leaves_nothing(runs, tmp_path, capsys, run, arrays, options, words):
    file = tmp_path / "new.mat"
    if isinstance(arrays, bytes):
        file.write_bytes(arrays)
    elif arrays:
        savemat(file, arrays)
    before = sorted(tmp_path.iterdir())
    assert predict(runs / run, file, tmp_path / "out", *options) == 2
    printed = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in printed if not line.startswith("guessed:")]) == 1, printed
    assert re.search(words, printed[-1]), printed[-1]
    assert sorted(tmp_path.iterdir()) == before


def test_weights_that_were_not_kept(runs, tmp_path, capsys):
    from cortexclip.results.weights import write_weights

    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "run.json").write_text((runs / "ridge/run.json").read_text())
    write_weights(folder / "weights.safetensors", {})
    assert predict(folder, file_of(tmp_path, bold=NEW.brain), tmp_path / "out") == 2
    assert "save_weights: none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(runs, tmp_path, capsys):
    file = file_of(tmp_path, bold=NEW.brain)
    (tmp_path / "out").mkdir()
    assert predict(runs / "ridge", file, tmp_path / "out") == 0
    assert predict(runs / "ridge", file, tmp_path / "out") == 2
    assert "already contains files" in capsys.readouterr().err
    assert predict(runs / "ridge", file, file) == 2
    assert "is a file, expected a folder" in capsys.readouterr().err


def test_a_write_that_fails_leaves_nothing(runs, tmp_path, monkeypatch):
    from cortexclip.stages import predict as stage

    file = file_of(tmp_path, bold=NEW.brain)
    before = sorted(tmp_path.iterdir())

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage, "write_json", full)
    assert predict(runs / "ridge", file, tmp_path / "out") == 2
    assert sorted(tmp_path.iterdir()) == before
