"""`cortexclip run FILE`: from a file that nobody has described to its page, in a folder of its own."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import scipy.io
import yaml
from conftest import digits


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    scipy.io.savemat(folder / "subject.mat", digits())
    return folder


def run(folder, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "cortexclip", "run", "subject.mat", *arguments],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_a_file_becomes_a_page_with_one_command(there):
    done = run(there, "--quick", "--methods", "mean_image", "session_mean", "ridge", "--cores", "2")
    assert done.returncode == 0, done.stdout[-3000:]
    assert {path.name for path in there.iterdir()} == {"subject.mat", "subject_cortexclip"}
    folder = there / "subject_cortexclip"
    assert (folder / "results/report/index.html").stat().st_size > 10_000
    assert (folder / "resources/data/subject/subject.mat").resolve() == there / "subject.mat"

    first, *_ = done.stdout.splitlines()
    assert first.startswith("subject.mat: 48 training and 12 test samples, 40 voxels, 28x28 images")
    assert "Methods: mean_image, ridge.\n  left out: session_mean, which needs sessions\n" in done.stdout
    assert " over samples\n" in done.stdout  # the table may weigh stimuli instead
    assert "leads with MSE" in " ".join(done.stdout.split()) and "ridge" in done.stdout
    assert f"Page      {folder}/results/report/index.html" in done.stdout
    jobs = [line for line in done.stdout.splitlines() if " left  " in line or " done  " in line]
    for name in ("ingest", "corpus", "encode", "identify", "figures"):
        made = (folder / "results" / {"ingest": "data", "encode": "features"}.get(name, name)).exists()
        assert made == (name == "ingest"), name
    assert len(jobs) == len(list((folder / "results/logs").rglob("*.log")))
    assert "Select jobs" not in done.stdout and "Traceback" not in done.stdout

    with open(folder / "results/tables/comparison.csv", encoding="utf-8") as stream:
        found = {row["method"]: row["mean"] for row in csv.DictReader(stream) if row["metric"] == "mse"}
    assert set(found) == {"mean_image", "ridge"} and float(found["ridge"]) < float(found["mean_image"])


def test_a_second_call_keeps_what_is_there_and_a_replaced_file_is_noticed(there):
    options = ("--quick", "--methods", "mean_image", "ridge")
    folder = there / "subject_cortexclip"
    before = (folder / "results/tables/comparison.csv").read_bytes()
    again = run(there, *options)
    assert again.returncode == 0 and "results that are still valid are kept" in again.stdout
    assert (folder / "results/tables/comparison.csv").read_bytes() == before
    assert "train holdout" not in again.stdout

    scipy.io.savemat(there / "subject.mat", digits(1))
    settings = yaml.safe_load((folder / "run.yaml").read_text())
    settings["overrides"]["datasets"]["subject"]["licence"] = "Mine"
    (folder / "run.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    anew = run(there, *options)
    assert anew.returncode == 0, anew.stdout[-3000:]
    assert "were made from another file" in anew.stdout and "train holdout/subject/ridge" in anew.stdout
    assert (folder / "results/tables/comparison.csv").read_bytes() != before
    kept = yaml.safe_load((folder / "run.yaml").read_text())["overrides"]["datasets"]["subject"]
    assert kept["licence"] == "Mine"
    runs = json.loads((folder / "results/runs/holdout/subject/ridge/run.json").read_text())
    assert runs["settings"] is not None


def test_a_folder_of_something_else_is_left_alone(there):
    (there / "other").mkdir()
    (there / "other" / "thesis.tex").write_text("x")
    done = run(there, "--output", "other")
    assert done.returncode == 2 and "is there already" in done.stdout
    assert [path.name for path in (there / "other").iterdir()] == ["thesis.tex"]


def test_ctrl_c_ends_in_a_sentence_and_the_same_command_goes_on(there, tmp_path):
    command = [sys.executable, "-m", "cortexclip", "run", "subject.mat", "--output", str(tmp_path / "out"), "--quick"]
    # what a shell runs in the background ignores Ctrl-C, and so would all that these tests start
    process = subprocess.Popen(
        command,
        cwd=there,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not (tmp_path / "out/results/data/subject.nc").exists():
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 130, printed
    assert "Stopped. The same command continues from here." in printed
    assert "Traceback" not in printed and "died with" not in printed
    done = run(there, "--output", str(tmp_path / "out"), "--quick")
    assert done.returncode == 0, done.stdout[-3000:]
