"""GPUs shared out among jobs: real processes on pretended devices, named by CORTEXCLIP_GPUS."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cortexclip.errors import InputError
from cortexclip.runtime import devices
from cortexclip.runtime.precision import configure

ROOT = Path(__file__).resolve().parents[2]
TWO = "gpu-a=4096,gpu-b=4096"
JOB = """
import os, sys, time
from cortexclip.runtime.devices import claim
claim(int(sys.argv[1]), sys.argv[2], poll=0.02)
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """Start a job that claims memory, says what it sees, and holds it until its input is closed."""
    jobs = []

    def started(memory: int, gpus: str = TWO, **variables: str) -> subprocess.Popen:
        environment = {k: v for k, v in os.environ.items() if k not in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES")}
        environment |= {"PYTHONPATH": str(ROOT / "workflow"), "CORTEXCLIP_GPUS": gpus, **variables}
        command = [sys.executable, "-c", JOB, str(memory), str(tmp_path / "locks")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        jobs.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        return jobs[-1]

    yield started
    for job in jobs:
        job.communicate()


def seen(job: subprocess.Popen) -> str:
    return job.stdout.readline().strip()


def waits(job: subprocess.Popen) -> bool:
    os.set_blocking(job.stdout.fileno(), False)
    try:
        time.sleep(0.3)
        return job.stdout.readline() == "" and job.poll() is None
    finally:
        os.set_blocking(job.stdout.fileno(), True)


def test_each_job_gets_a_gpu_and_never_more_than_there_are(start):
    first, second = start(4096), start(4096)
    taken = [seen(first), seen(second)]
    assert set(taken) == {"gpu-a", "gpu-b"}
    third = start(4096)
    assert waits(third)
    first.communicate()
    assert seen(third) == taken[0]


def test_small_jobs_share_a_gpu_up_to_its_memory(start):
    jobs = [start(1000, "gpu-a=4096") for _ in range(4)]
    assert [seen(job) for job in jobs] == ["gpu-a"] * 4
    assert waits(start(1000, "gpu-a=4096"))


def test_a_small_job_goes_where_most_memory_is_left(start):
    first = start(3000)
    assert {seen(first), seen(start(1000))} == {"gpu-a", "gpu-b"}


def test_a_killed_job_gives_back_what_it_had(start):
    first = start(4096, "gpu-a=4096")
    assert seen(first) == "gpu-a"
    second = start(2048, "gpu-a=4096")
    assert waits(second)
    first.send_signal(signal.SIGKILL)
    assert seen(second) == "gpu-a"


@pytest.mark.parametrize(
    ("memory", "gpus", "visible", "expected"),
    [
        (0, TWO, None, ""),
        (1000, "", None, ""),
        (1000, TWO, "", ""),
        (1000, TWO, "1", "gpu-b"),
        (1000, TWO, "gpu-b", "gpu-b"),
        (1000, TWO, "gpu-c", ""),
    ],
    ids=["none asked for", "none there", "all hidden", "one by number", "one by name", "another machine's"],
)
def test_what_a_job_sees(start, memory, gpus, visible, expected):
    job = start(memory, gpus, **({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}))
    assert seen(job) == expected


def test_what_slurm_made_visible_stays(start):
    assert seen(start(1000, SLURM_JOB_ID="7", CUDA_VISIBLE_DEVICES="3")) == "3"
    assert seen(start(0, SLURM_JOB_ID="7", CUDA_VISIBLE_DEVICES="3")) == ""


def test_more_than_any_gpu_has_is_refused(start):
    job = start(5000)
    assert "the largest GPU here has 4096 MB" in job.communicate()[1]


def test_gpus_are_those_that_nvidia_smi_lists(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU-1f, 81559'\necho 'GPU-2e, 24576'\necho 'GPU-3d, [N/A]'\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CORTEXCLIP_GPUS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.gpus() == {"GPU-1f": 81559, "GPU-2e": 24576}


@pytest.mark.parametrize("text", ["0", "0=8GB", "0=1=2"])
def test_a_mistake_in_the_list_of_gpus_is_said(text, monkeypatch):
    monkeypatch.setenv("CORTEXCLIP_GPUS", text)
    with pytest.raises(InputError, match="expected names with memory in MB"):
        devices.gpus()


def test_torch_computes_in_a_determined_order_and_full_precision():
    """Where there is no GPU, asking for TF32 changes nothing."""
    code = """
import os, torch
from cortexclip.runtime.precision import configure
for wish in ({}, {"tf32": True}):
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(2)
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    configure(1, **wish)
    assert torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == 1
    assert torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "CUDA_VISIBLE_DEVICES": ""}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_asking_for_tf32_reaches_the_products_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    threads, determined = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        configure(threads, tf32=True)
        assert torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32
        configure(threads)
        assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
        torch.use_deterministic_algorithms(determined)
