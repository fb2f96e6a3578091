"""What `inspect --yaml` prints, pasted into the catalogue, runs; data without a split run where none is needed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import numpy as np
import yaml
from conftest import digits
from sklearn.datasets import load_digits


def inspect(project, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "cortexclip", "inspect", *arguments],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_entry_that_is_printed_works_and_a_dataset_without_split_is_run_where_none_is_needed(project):
    source, random = load_digits(), np.random.default_rng(0)
    images = source.images[:40].repeat(2, axis=1).repeat(2, axis=2) / 16
    brain = images.reshape(40, -1) @ random.standard_normal((256, 20)) + random.standard_normal((40, 20))
    (project.path / "resources/data/mine").mkdir(parents=True)
    file = project.path / "resources/data/mine/mine.npz"
    np.savez(file, voxels=brain, pictures=images, digit=source.target[:40])
    done = inspect(project, str(file), "--yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    with open(project.path / "config/datasets.yaml", "a", encoding="utf-8") as catalogue:
        catalogue.write(f"\n{done.stdout}")
    settings = {"datasets": ["mine"], "protocols": ["holdout", "cv10"], "methods": ["mean_image", "ridge"]}
    settings |= {"encoders": [], "judge": "none", "bootstrap_resamples": 100}
    (project.path / "mine.yaml").write_text(yaml.safe_dump(settings))

    planned = project.planned("--configfile", "mine.yaml")
    trained = [output for rule, output in planned if rule == "train"]
    assert trained and all(output.startswith("results/runs/cv10/") for output in trained)
    made = project.snakemake("results/audit/mine.json", "--configfile", "mine.yaml")
    assert made.returncode == 0, made.stdout[-3000:]
    plan = json.loads((project.path / "results/plan.json").read_text())
    assert plan["not_applicable"] == {"mine": ["holdout"]}
    audit = json.loads((project.path / "results/audit/mine.json").read_text())
    assert {finding["scope"] for finding in audit["findings"]} == {"dataset", "cv10"}
    assert "parts" in {finding["check"] for finding in audit["findings"]}


def test_a_file_without_checksum_that_is_replaced_by_an_older_one_is_read_again(project):
    file = project.path / "resources/data/mine/mine.npz"
    file.parent.mkdir(parents=True)
    np.savez(file, **digits(0))
    entry = yaml.safe_load(inspect(project, str(file), "--yaml").stdout)
    (name, about), *_ = entry.items()
    assert about.pop("sha256")
    settings = {"datasets": [name], "protocols": ["holdout"], "methods": ["ridge"], "encoders": [], "judge": "none"}
    settings |= {"overrides": {"datasets": entry}}
    (project.path / "mine.yaml").write_text(yaml.safe_dump(settings))
    target = ("--configfile", "mine.yaml", "--", f"results/data/{name}.nc")
    done = project.snakemake(*target)
    assert done.returncode == 0, done.stdout[-3000:]
    assert project.planned(*target) == []
    before = file.stat()
    np.savez(file, **digits(1))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns - 10**15))
    assert [rule for rule, _ in project.planned(*target)] == ["ingest"]


def test_a_file_of_100_mb_is_inspected_within_15_seconds_of_processor_time(project):
    random, n = np.random.default_rng(0), 10_000
    images = (random.random((n, 14, 14)) > 0.5).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2).reshape(n, -1)
    brain = images @ random.standard_normal((784, 1100)) / 50 + random.standard_normal((n, 1100))
    np.savez(project.path / "large.npz", brain=brain, stimuli=images * 255, part=np.arange(n) % 5 == 0)
    assert (project.path / "large.npz").stat().st_size > 90e6
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = inspect(project, "large.npz", "--no-pictures")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 15
