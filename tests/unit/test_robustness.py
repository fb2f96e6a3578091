"""Damaged files, full disks, folders that cannot be written, vanished inputs: one clear message, nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cortexclip.data import dataset as datasets
from cortexclip.errors import InputError
from cortexclip.evaluation.score import COLUMNS
from cortexclip.results.folder import read_scores
from cortexclip.results.runs import read_predictions, write_predictions
from cortexclip.runtime.arrays import read_parquet, write_parquet
from cortexclip.runtime.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)


def make_dataset(path: Path) -> None:
    part = ["train"] * 40 + ["test"] * 10
    made = datasets.labelled(RNG.normal(size=(50, 200)), RNG.random((50, 28, 28)), part, {"name": "toy"})
    datasets.write(made, path)


def make_predictions(path: Path) -> None:
    names = {"dataset": "toy", "protocol": "holdout", "method": "ridge", "encoder": ""}
    write_predictions(path, RNG.random((2, 16, 28, 28)), np.arange(16), np.zeros(16), attributes=names)


def make_split(path: Path) -> None:
    role = RNG.choice(["train", "score"], 5000)
    write_parquet(path, pd.DataFrame({"fold": 0, "role": role, "sample": RNG.permutation(5000)}))


def make_scores(path: Path) -> None:
    size = 5000
    columns = {name: ["x"] * size for name in COLUMNS} | {"metric": ["mse"] * size, "value": RNG.random(size)}
    write_parquet(path, pd.DataFrame(columns))


def make_json(path: Path) -> None:
    write_json(path, {"findings": list(range(1000))})


KINDS = {
    "data.nc": (make_dataset, datasets.read),
    "predictions.nc": (make_predictions, read_predictions),
    "split.parquet": (make_split, read_parquet),
    "scores.parquet": (make_scores, lambda path: read_scores(path, ["mse"])),
    "audit.json": (make_json, read_json),
}


@pytest.mark.parametrize("name", [name for name in KINDS if name != "audit.json"])
def test_flipped_bytes_in_the_content_are_noticed(tmp_path, name):
    make, read = KINDS[name]
    path = tmp_path / name
    make(path)
    content = path.read_bytes()
    for fraction in np.linspace(0.3, 0.7, 9):  # the arrays; what lies around them is for the manifest to check
        damaged = bytearray(content)
        damaged[int(fraction * len(content))] ^= 0xFF
        path.write_bytes(bytes(damaged))
        with pytest.raises(InputError, match=f"{name}.*[Rr]un"):
            read(path)


@pytest.mark.parametrize("name", KINDS)
def test_a_file_cut_short_is_noticed(tmp_path, name):
    make, read = KINDS[name]
    path = tmp_path / name
    make(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=name):
        read(path)


@pytest.mark.parametrize("name", KINDS)
def test_a_vanished_file_is_named(tmp_path, name):
    with pytest.raises(InputError, match=name):
        KINDS[name][1](tmp_path / name)


def stage(*arguments: str, limit: int | None = None) -> subprocess.CompletedProcess:
    """Run a stage, with files limited to so many bytes, which a write beyond finds as on a full disk."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    small = None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    command = [sys.executable, "-m", "cortexclip", *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, preexec_fn=small)


def split(data: Path, output: Path) -> list[str]:
    entry = '{"over": "canonical", "select": "scored", "title": "", "note": ""}'
    return [
        "split",
        "--dataset",
        str(data),
        "--protocol",
        "p",
        "--entry",
        entry,
        "--base-seed",
        "0",
        "--output",
        str(output),
    ]


def test_a_disk_that_is_full_is_said_and_nothing_half_written_is_left(tmp_path):
    make_dataset(tmp_path / "data.nc")
    folder = tmp_path / "splits"
    done = stage(*split(tmp_path / "data.nc", folder / "toy.parquet"), limit=1000)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "the disk is full" in done.stderr
    assert not list(folder.glob("*"))
    assert stage(*split(tmp_path / "data.nc", folder / "toy.parquet")).returncode == 0


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    make_dataset(tmp_path / "data.nc")
    (tmp_path / "splits").write_text("a file in its place, since root may write in any folder")
    done = stage(*split(tmp_path / "data.nc", tmp_path / "splits/toy.parquet"))
    assert done.returncode == 2
    assert f"{tmp_path}/splits/toy.parquet: cannot write here" in done.stderr
    assert "Traceback" not in done.stderr
