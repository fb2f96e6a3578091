"""The small configuration on a SLURM of two nodes, with three accidents on the way, against a local run.

tests/slurm/run.sh brings the cluster up before and down after. One run serves all tests, since starting some 30 jobs
takes minutes: while its training jobs run, one of them is cancelled and a node dies, and a method requests too little
memory. Whatever happens, the tables and scores have to be those of the undisturbed local run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "workflow"))
from conftest import Project, copy_project  # noqa: E402

SMALL = ("--configfile", "config/small.yaml")
LIMIT = 2400  # seconds for the run on the cluster, many times what it takes on a quiet machine
SHORT_OF_MEMORY = 550  # MB; training cccv1 takes 600 to 900, so a second attempt with twice as much has enough


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


pytestmark = pytest.mark.skipif(
    subprocess.run(["sh", "-c", "scontrol ping"], capture_output=True, check=False).returncode != 0,
    reason="no SLURM here: run tests/slurm/run.sh, which brings one up",
)


@dataclass(frozen=True)
class Run:
    """What a run on the cluster left: its checkout, what it printed, and the accounting's rows of its jobs."""

    project: Project
    terminal: str
    jobs: list[dict[str, str]]
    cancelled: str
    lost: set[str]

    def submitted(self) -> set[str]:
        return {job["JobID"].split("_")[0] for job in self.jobs}


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("local") / "project")
    done = project.snakemake(*SMALL)
    assert done.returncode == 0, done.stdout[-6000:]
    return project


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    project = copy_project(tmp_path_factory.mktemp("slurm") / "project")
    little = {"overrides": {"methods": {"cccv1": {"resources": {"mem_mb": SHORT_OF_MEMORY}}}}}
    (project.path / "little.yaml").write_text(yaml.safe_dump(little))
    output = project.path / "terminal.txt"
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", *SMALL, "little.yaml"]
    command += ["--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5"]
    names = {key: value for key, value in os.environ.items() if key not in ("CORTEXCLIP_DATA", "PYTHONPATH")}
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 1))
    with open(output, "w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, cwd=project.path, env=names, stdout=stream, stderr=subprocess.STDOUT)
        try:
            cancelled, lost = accidents(process)
            process.wait(LIMIT)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
    assert process.returncode == 0, output.read_text()[-6000:]
    columns = "JobID,Partition,State,NodeList,ReqMem,ReqTRES,AllocTRES"
    rows = slurm(
        "sacct", "-X", "-D", "-S", since, "-n", "-P", f"--format={columns}", f"--name={run_name(output.read_text())}"
    )
    jobs = [dict(zip(columns.split(","), row.split("|"), strict=True)) for row in rows.splitlines()]
    return Run(project, output.read_text(), jobs, cancelled, lost)


def run_name(terminal: str) -> str:
    return re.search(r"SLURM run ID: (\S+)", terminal).group(1)


def accidents(process: subprocess.Popen) -> tuple[str, set[str]]:
    """Once tasks of a training array run on both nodes, cancel one on n1 and let n2 die; their names."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        assert process.poll() is None, "the run ended before training began"
        rows = [row.split() for row in slurm("squeue", "-h", "-t", "R", "-o", "%i %N").splitlines()]
        tasks = {node: {name for name, where in rows if where == node and "_" in name} for node in ("n1", "n2")}
        if tasks["n1"] and tasks["n2"]:
            cancelled = min(tasks["n1"])
            slurm("scancel", cancelled)
            lost = set(slurm("squeue", "-h", "-t", "R", "-w", "n2", "-o", "%i").split())
            subprocess.run([HERE / "cluster.sh", "kill-node", "n2"], check=True)
            return cancelled, lost
        time.sleep(0.5)
    raise TimeoutError("no training job ran on both nodes at once")


def test_tables_and_scores_are_those_of_a_local_run_to_the_byte(run, local):
    results = [project.path / "results" for project in (run.project, local)]
    for pattern in (
        "tables/*.csv",
        "tables/*.md",
        "tables/*.tex",
        "scores/**/*.parquet",
        "identification/**/*.parquet",
    ):
        names = [{path.relative_to(folder) for path in folder.glob(pattern)} for folder in results]
        names = [{name for name in found if name.stem != "cost"} for found in names]  # what training took
        assert names[0] == names[1], pattern
        assert names[0], pattern
        for name in names[0]:
            assert (results[0] / name).read_bytes() == (results[1] / name).read_bytes(), name


def test_networks_train_on_the_gpu_partition_with_a_gpu_each_and_nothing_else_does(run):
    with_gpu = [job for job in run.jobs if "gres/gpu" in job["ReqTRES"]]
    assert sum(job["State"] == "COMPLETED" for job in with_gpu) == 6  # two networks in three protocols
    for job in run.jobs:
        assert job["Partition"] == ("gpu" if job in with_gpu else "cpu"), job
        if job in with_gpu and job["State"] == "COMPLETED":
            assert "gres/gpu=1" in job["AllocTRES"], job


def test_a_job_cancelled_from_outside_is_retried(run):
    states = {job["JobID"]: job["State"] for job in run.jobs}
    assert states[run.cancelled].startswith("CANCELLED")
    assert "Trying to restart job" in run.terminal  # and the run has ended well, with all tables


def test_a_node_that_dies_costs_only_its_jobs(run):
    assert run.lost
    failed = {job["JobID"] for job in run.jobs if job["State"] == "NODE_FAIL"}
    assert failed == run.lost
    assert all(job["NodeList"] == "n2" for job in run.jobs if job["JobID"] in failed)


def test_a_job_over_its_memory_succeeds_with_more(run):
    attempts = [f"{SHORT_OF_MEMORY}M", f"{2 * SHORT_OF_MEMORY}M"]
    first, second = ({job["State"].split()[0] for job in run.jobs if job["ReqMem"] == memory} for memory in attempts)
    assert first & {"FAILED", "OUT_OF_MEMORY"}
    assert "COMPLETED" not in first
    assert "COMPLETED" in second


def test_the_scheduler_sees_few_submissions(run):
    steps = int(re.search(r"^ *\d+/(\d+) ", run.terminal, flags=re.MULTILINE).group(1))
    arrays = {job["JobID"].split("_")[0] for job in run.jobs if "_" in job["JobID"]}
    assert len(arrays) >= 4  # one for each request of resources
    retried = run.terminal.count("Trying to restart job")
    assert len(run.submitted()) <= steps / 4 + retried


def test_the_efficiency_of_each_job_is_reported(run):
    [report] = (run.project.path / "results/benchmarks").glob("efficiency_report_*.csv")
    assert "MaxRSS_MB" in report.read_text().splitlines()[0]


def test_a_second_run_has_nothing_to_do(run):
    done = run.project.snakemake("--dry-run", *SMALL, "little.yaml")
    assert "Nothing to be done" in done.stdout, done.stdout[-2000:]
