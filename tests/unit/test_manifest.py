"""The manifest, what verifying says of results that it does not fit, and the archive."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from cortexclip.__main__ import main
from cortexclip.errors import InputError
from cortexclip.results import manifest
from cortexclip.runtime import provenance
from cortexclip.runtime.files import sha256, write_json, write_text

PLAN = {
    "datasets": {"toy": {}},
    "protocols": {"holdout": {}},
    "encoders": {"gabor": ""},
    "cells": {"toy": ["ridge"]},
    "sources": {"datasets": {}, "protocols": {}, "runs": {}, "names": [], "cells": [], "seeds": 4},
    "judge": "gabor",
}
CONFIGURATION = {"base_seed": 7, "seeds": 2}
RECORD = {"dataset": "toy", "dataset_sha256": "ab", "module": "cortexclip.methods.ridge", "started": "2026-01-01"}
OURS = [
    "audit/toy.json",
    "data/toy.nc",
    "features/toy/gabor.nc",
    "figures/optimism.toy.png",
    "figures/reconstructions.holdout.toy.pdf",
    "figures/reference/holdout/toy.png",
    "identification/gabor/toy.parquet",
    "plan.json",
    "runs/holdout/toy/ridge/predictions.nc",
    "runs/holdout/toy/ridge/run.json",
    "scores/holdout/toy.parquet",
    "scores/holdout/toy.similarity.nc",
    "splits/holdout/toy.parquet",
    "tables/comparison.csv",
]
OTHERS = [
    "data/old.nc",
    "figures/optimism.old.png",
    "logs/train.log",
    "runs/holdout/toy/knn/run.json",
    "scores/published/toy.parquet",
    "tables/.comparison.csv.x",
]


@pytest.fixture
def results(tmp_path) -> Path:
    """A results folder with files of this plan and of another, and its manifest."""
    folder = tmp_path / "results"
    for name in [*OURS, *OTHERS]:
        write_text(folder / name, f"content of {name}")
    write_json(folder / "plan.json", PLAN)
    code = provenance.code_digest("cortexclip.stages.train", RECORD["module"])
    write_json(folder / "runs/holdout/toy/ridge/run.json", {**RECORD, "code": code})
    options = ["--results", str(folder), "--plan", str(folder / "plan.json"), "--output", str(folder / "manifest.json")]
    assert main(["manifest", *options, "--configuration", json.dumps(CONFIGURATION)]) == 0
    return folder


def verify(results: Path, capsys) -> tuple[int, str]:
    status = main(["verify", "--results", str(results)])
    return status, capsys.readouterr().out


def test_the_manifest_holds_the_files_of_the_plan_and_what_made_them(results):
    content = manifest.read(results)
    assert list(content["files"]) == OURS
    assert all(known["sha256"] == sha256(results / name) for name, known in content["files"].items())
    assert content["configuration"] == CONFIGURATION
    assert content["seeds"] == CONFIGURATION
    assert content["data"] == {"toy": "ab"}
    assert content["code"]["tables"] == provenance.code_digest("cortexclip.stages.tables")
    assert {"numpy", "torch", "snakemake"} <= content["versions"].keys()
    assert content["started"] == "2026-01-01"
    assert content["ended"] > "2026"
    assert content["machine"]["cores"] >= 1


def test_results_as_they_were_made_verify(results, capsys):
    status, text = verify(results, capsys)
    assert (status, text.split(" ")[0]) == (0, str(len(OURS)))


@pytest.mark.parametrize("name", OURS)
def test_one_flipped_bit_in_any_file_is_found(results, capsys, name):
    content = bytearray((results / name).read_bytes())
    content[len(content) // 2] ^= 1
    (results / name).write_bytes(bytes(content))
    status, text = verify(results, capsys)
    assert status == 1
    assert ("the configuration has changed" if name == "plan.json" else f"altered  {name}") in text


def test_altered_files_are_removed_at_the_users_wish_alone(results, capsys):
    (results / "tables/comparison.csv").write_text("better")
    verify(results, capsys)
    assert (results / "tables/comparison.csv").exists()
    assert main(["verify", "--results", str(results), "--remove"]) == 1
    assert not (results / "tables/comparison.csv").exists()
    assert all((results / name).exists() for name in OURS if name != "tables/comparison.csv")


def test_an_altered_file_with_a_space_in_its_name_is_removed(results, capsys):
    content, name = manifest.read(results), "tables/my comparison.csv"
    content["files"][name] = {"sha256": "", "bytes": 1}
    write_json(results / "manifest.json", content)
    write_text(results / name, "better")
    assert manifest.differences(results, content) == [("altered", name, "")]
    assert main(["verify", "--results", str(results), "--remove"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == f"altered  {name}"
    assert not (results / name).exists()


def test_a_missing_file_is_found(results, capsys):
    (results / "tables/comparison.csv").unlink()
    status, text = verify(results, capsys)
    assert (status, text.splitlines()[0]) == (1, "missing  tables/comparison.csv")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("code", "tables"), "stale    tables/*.*: the code of the stage 'tables'"),
        (("runs", "runs/holdout/toy/ridge/run.json", "code"), "stale    runs/holdout/toy/ridge: its training code"),
        (("runs", "runs/holdout/toy/ridge/run.json", "module"), "stale    runs/holdout/toy/ridge: its training code"),
    ],
    ids=["a stage", "a method", "a method that is gone"],
)
def test_code_that_has_changed_since_is_found(results, capsys, keys, words):
    content = manifest.read(results)
    *path, key = keys
    inner = content
    for part in path:
        inner = inner[part]
    inner[key] = "cortexclip.methods.gone" if key == "module" else "0123"
    write_json(results / "manifest.json", content)
    status, text = verify(results, capsys)
    assert status == 1
    assert words in text


@pytest.mark.parametrize(("content", "words"), [(None, "Run snakemake"), ("{", "not valid JSON"), ("[]", "no")])
def test_a_manifest_that_is_none_is_said(results, content, words):
    (results / "manifest.json").unlink()
    if content is not None:
        (results / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=words):
        manifest.read(results)


def test_the_archive_holds_no_data_and_is_the_same_each_time(results, tmp_path):
    archives = [tmp_path / name / "paper.tar.gz" for name in ("a", "b")]
    for archive in archives:
        assert main(["bundle", "--results", str(results), "--output", str(archive)]) == 0
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as archive:
        names = archive.getnames()
        configuration = json.load(archive.extractfile("paper/configuration.json"))
    held = [name for name in OURS if not name.startswith(("data", "features", "splits")) and "predictions" not in name]
    assert sorted(names) == sorted(f"paper/{name}" for name in [*held, "manifest.json", "configuration.json"])
    assert configuration == CONFIGURATION


def test_results_that_do_not_verify_make_no_archive(results, tmp_path):
    (results / "tables/comparison.csv").write_text("better")
    assert main(["bundle", "--results", str(results), "--output", str(tmp_path / "a.tar.gz")]) == 2
    assert not (tmp_path / "a.tar.gz").exists()


def test_the_state_of_a_checkout(tmp_path, monkeypatch):
    def git(*arguments: str) -> str:
        options = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", *options, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    package = tmp_path / "workflow/cortexclip"
    write_text(package / "a.py", "1")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    assert provenance.git_state() is None
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "x")
    assert provenance.git_state() == {"commit": git("rev-parse", "HEAD").strip(), "changed": False}
    write_text(package / "a.py", "2")
    assert provenance.git_state()["changed"]
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "workflow/inner/cortexclip")
    assert provenance.git_state() is None  # lies in a checkout of something else


def test_the_command_is_the_workflows_and_the_jobs(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["x", "train", "--method", "a b"])
    monkeypatch.setenv("CORTEXCLIP_COMMAND", "snakemake --cores 2")
    assert provenance.command() == {
        "workflow": "snakemake --cores 2",
        "stage": "python -m cortexclip train --method 'a b'",
    }


def test_a_data_file_that_was_replaced_since_is_found(results, capsys, monkeypatch):
    monkeypatch.delenv("CORTEXCLIP_DATA", raising=False)
    known = json.loads((results / "manifest.json").read_text())
    write_json(results / "manifest.json", {**known, "data": {"vangerven": "0" * 64}})
    file = results.parent / "resources/data/vangerven/digit69_28x28.mat"
    assert main(["verify", "--results", str(results)]) == 0  # the file is not here
    file.parent.mkdir(parents=True)
    file.write_bytes(b"another version")
    assert main(["verify", "--results", str(results)]) == 1
    assert f"replaced {file}" in capsys.readouterr().out
