"""A copy of the project in which the workflow runs as a user's would: no results, no data, no environment variable."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[2]
SMALL_RUN = "config/small.yaml"
PARTS = ["Snakefile", "config", "constraints.txt", "envs", "profiles", "pyproject.toml", "workflow"]


class Project:
    """A checkout at ``path`` and the means to run its workflow."""

    def __init__(self, path: Path):
        self.path = path

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Run snakemake on two cores; stdout holds both streams."""
        return self.python("-m", "snakemake", "--cores", "2", *arguments, **environment)

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Run this Python in the project, with its library; stdout holds both streams."""
        names = {key: value for key, value in os.environ.items() if key not in ("CORTEXCLIP_DATA", "PYTHONPATH")}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.path,
            env=names | {"PYTHONPATH": str(self.path / "workflow")} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def planned(self, *arguments: str) -> list[tuple[str, str]]:
        """The jobs that a run would start: rule and first output."""
        done = self.snakemake("--dry-run", "--quiet", "host", *arguments)
        assert done.returncode == 0, done.stdout
        return re.findall(
            r"^(?:local)?rule (\w+):\n(?:    input: .*\n)?    output: ([^,\n]+)", done.stdout, flags=re.MULTILINE
        )


def copy_project(target: Path) -> Project:
    """A checkout without history, results or data."""
    target.mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, target / part)
    for folder in ("glyphclip", "priors"):
        shutil.copytree(ROOT / "resources" / folder, target / "resources" / folder)
    return Project(target)


def digits(seed: int = 0) -> dict:
    """Digits of 28 x 28 pixels and responses that depend on them, 48 trials to train and 12 to test."""
    random = np.random.default_rng(seed)
    images = np.pad(load_digits().images[:60].repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2))) / 16
    brain = images.reshape(60, -1) @ random.standard_normal((784, 40)) / 10 + random.standard_normal((60, 40))
    stimuli = (255 * images).astype(np.uint8)
    return {"fmriTrn": brain[:48], "stimTrn": stimuli[:48], "fmriTest": brain[48:], "stimTest": stimuli[48:]}


@pytest.fixture
def project(tmp_path) -> Project:
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """A checkout in which the small configuration has run."""
    project = copy_project(tmp_path_factory.mktemp("run") / "project")
    done = project.snakemake("--configfile", "config/small.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    (project.path / "terminal.txt").write_text(done.stdout)
    return project
