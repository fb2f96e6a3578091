"""The small configuration from beginning to end, and what makes it run again."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

SMALL = ("--configfile", "config/small.yaml")
TABLES = ["comparison", "retrieval", "audit", "claims", "statistics"]
RUNS = ["mean_image", "permuted", "ridge", "ridge_clip.glyphclip", "clip_encoder.glyphclip", "cccv1"]


def test_every_stage_leaves_its_files(finished):
    results = finished.path / "results"
    for table in TABLES:
        for suffix in ("csv", "md", "tex"):
            assert (results / f"tables/{table}.{suffix}").stat().st_size > 0
    for figure in ("reconstructions", "training_curves", "retrieved", "similarity", "similarity_distribution"):
        for protocol in ("chosen_on_test", "holdout", "unseen"):
            for suffix in ("png", "pdf"):
                assert (results / f"figures/{figure}.{protocol}.simulated.{suffix}").stat().st_size > 1000
    assert (results / "figures/mse_by_method.png").exists()
    for run in RUNS:
        folder = results / "runs/holdout/simulated" / run
        assert {"predictions.nc", "history.parquet", "weights.safetensors", "run.json"} <= {
            p.name for p in folder.iterdir()
        }
        record = json.loads((folder / "run.json").read_text())
        assert len({fit["seed"] for fit in record["fits"]}) == len(record["fits"])
        assert record["code"]
        assert record["settings"] is not None
    assert not [path for path in results.rglob(".*") if path.is_file()], "temporary files were left behind"


def test_the_manifest_lists_every_result_and_fits(finished):
    results = finished.path / "results"
    apart = {"logs", "benchmarks", "manifest.json", "README.md"}
    names = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    expected = {name for name in names if name.split("/")[0] not in apart}
    assert set(json.loads((results / "manifest.json").read_text())["files"]) == expected
    verified = finished.python("-m", "cortexclip", "verify")
    assert verified.returncode == 0, verified.stdout
    bundled = finished.python("-m", "cortexclip", "bundle", "--output", "../paper.tar.gz")
    assert bundled.returncode == 0, bundled.stdout


def test_the_tables_are_whole(finished):
    table = pd.read_csv(finished.path / "results/tables/comparison.csv")
    columns = "dataset, protocol, method, encoder, metric, mean, ci_low, ci_high, n_samples, n_seeds"
    assert list(table) == columns.split(", ")
    mse = table[table.metric == "mse"]
    assert mse["mean"].notna().all()
    assert len(mse) == 3 * (len(RUNS) + 2)  # two runs have a second readout
    for name in TABLES:
        text = (finished.path / f"results/tables/{name}.md").read_text()
        assert "nan" not in text.split()
    text = (finished.path / "results/tables/comparison.md").read_text()
    assert "simulated" in text
    assert "optimistic" in text


def test_the_terminal_says_what_was_compared_and_where_it_is(finished):
    text = (finished.path / "terminal.txt").read_text()
    assert "methods    mean_image, permuted, ridge" in text
    assert "Tables in results/tables/" in text
    assert "Traceback" not in text


def test_a_second_run_does_nothing_and_takes_seconds(finished):
    started = time.monotonic()
    done = finished.snakemake(*SMALL)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout
    assert time.monotonic() - started < 20


def test_touching_files_or_a_fresh_checkout_reruns_nothing(finished):
    for path in finished.path.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)
    assert finished.planned(*SMALL) == []


@pytest.mark.parametrize(
    ("modules", "rules", "runs"),
    [
        (["methods/cccv1/network.py"], {"train"}, {"cccv1"}),
        (["methods/ridge_clip.py"], {"train"}, {"ridge_clip.glyphclip"}),
        (["audit/brain.py", "methods/ridge_clip.py"], {"audit", "train"}, {"ridge_clip.glyphclip"}),
        (["figures/training.py"], {"figures"}, set()),
        (["evaluation/quality.py"], {"tables"}, set()),
    ],
)
def test_editing_modules_reruns_the_stages_that_use_them(finished, modules, rules, runs):
    paths = [finished.path / "workflow/cortexclip" / module for module in modules]
    texts = {path: path.read_text() for path in paths}
    try:
        for path, text in texts.items():
            path.write_text(text + "\n# a remark\n")
        done = finished.snakemake("--dry-run", "--quiet", "host", *SMALL)
    finally:
        for path, text in texts.items():
            path.write_text(text)
    jobs = done.stdout.split("rule ")[1:]
    changed = [job for job in jobs if "Params have changed" in job]
    assert {job.split(":")[0] for job in changed} == rules
    assert {_run_of(job) for job in changed} - {None} == runs
    assert {_run_of(job) for job in jobs if job.startswith("train:")} == runs


def _run_of(job: str) -> str | None:
    found = re.search(r"wildcards: .*\brun=([\w.]+)", job)
    return found.group(1) if found else None


def test_a_lost_result_is_made_again_to_the_same_bytes(finished):
    results = finished.path / "results"
    watched = [
        *(results / f"tables/{name}.csv" for name in TABLES),
        results / "scores/holdout/simulated.parquet",
        results / "runs/holdout/simulated/cccv1/predictions.nc",
        results / "runs/holdout/simulated/cccv1/weights.safetensors",
    ]
    before = {path: path.read_bytes() for path in watched}
    shutil.rmtree(results / "runs/holdout/simulated/cccv1")
    shutil.rmtree(results / "scores/holdout")
    shutil.rmtree(results / "tables")
    done = finished.snakemake(*SMALL)
    assert done.returncode == 0, done.stdout[-3000:]
    for path, content in before.items():
        assert path.read_bytes() == content, path.name


def assert_same_bytes(first, second):
    results = [checkout.path / "results" for checkout in (first, second)]
    for pattern in ("tables/*", "scores/**/*", "identification/**/*", "data/*", "features/**/*", "runs/**/*.nc"):
        names = [path.relative_to(results[0]) for path in results[0].glob(pattern) if path.is_file()]
        assert names, pattern
        for name in names:
            if name.stem != "cost":  # what training took
                assert (results[0] / name).read_bytes() == (results[1] / name).read_bytes(), name


@pytest.mark.slow
def test_a_run_killed_again_and_again_on_other_cores_in_another_order_ends_with_the_same_bytes(finished, project):
    scores = [f"results/runs/unseen/simulated/{run}/run.json" for run in reversed(RUNS)]
    killed = 0
    for wanted in (1, 5, 10, 14):  # training jobs that have ended; the kill comes somewhere in those that follow
        process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *(scores if wanted < 10 else []), "--cores", "3", *SMALL],
            cwd=project.path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and len(list((project.path / "results").glob("runs/*/*/*/run.json"))) < wanted:
            time.sleep(0.1)
        time.sleep(random.Random(wanted).uniform(0, 2))
        if process.poll() is None:
            killed += 1
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert project.snakemake("--unlock", *SMALL).returncode == 0
    assert killed >= 3
    done = project.snakemake("--cores", "3", *SMALL)
    assert done.returncode == 0, done.stdout[-3000:]
    assert_same_bytes(finished, project)
    assert project.python("-m", "cortexclip", "verify").returncode == 0


@pytest.mark.slow
def test_what_is_damaged_is_found_removed_and_made_again(finished):
    results = finished.path / "results"
    files = ["data/simulated.nc", "splits/holdout/simulated.parquet", "audit/simulated.json", "tables/comparison.csv"]
    files += ["features/simulated/glyphclip.nc", "figures/mse_by_method.png", "scores/unseen/simulated.parquet"]
    files += [f"runs/holdout/simulated/ridge/{name}" for name in ("predictions.nc", "weights.safetensors", "run.json")]
    before = {name: (results / name).read_bytes() for name in files}
    for name, content in before.items():
        damaged = bytearray(content)
        damaged[len(content) // 2] ^= 0xFF
        (results / name).write_bytes(bytes(damaged))
    found = finished.python("-m", "cortexclip", "verify", "--remove")
    assert found.returncode == 1
    assert {line.split()[1] for line in found.stdout.splitlines() if line.startswith("altered")} == set(files)
    done = finished.snakemake(*SMALL)
    assert done.returncode == 0, done.stdout[-3000:]
    for name, content in before.items():
        if not name.endswith("run.json"):  # which says when it was made
            assert (results / name).read_bytes() == content, name
    assert finished.python("-m", "cortexclip", "verify").returncode == 0


def test_the_style_of_the_workflow_is_clean(finished):
    done = finished.snakemake("--lint")
    assert "in a good condition" in done.stdout, done.stdout
