"""An ordinary installation, from a wheel and outside a checkout, serves every command of a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import scipy.io
from conftest import ROOT, copy_project, digits


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The program of an environment that holds the wheel, beside the packages that run these tests."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_project(folder / "source").path  # building leaves files beside what it builds
    for name in ("LICENSE", "README.md"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source], check=True)
    venv.create(folder / "environment", with_pip=False, symlinks=True)
    python = folder / "environment/bin/python"
    # A folder that a .pth file names is searched, but the .pth files in it are not read: the checkout stays out.
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, stdout=-1, text=True
    )
    Path(found.stdout.strip(), "tested.pth").write_text(sysconfig.get_path("purelib"))
    wheel = next(folder.glob("cortexclip-*.whl"))
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--force-reinstall", wheel], check=True)
    return folder / "environment/bin/cortexclip"


@pytest.mark.slow
def test_every_command_of_a_user_works_from_a_wheel_outside_a_checkout(installed, tmp_path):
    scipy.io.savemat(tmp_path / "subject.mat", digits())
    names = {key: value for key, value in os.environ.items() if key not in ("CORTEXCLIP_DATA", "PYTHONPATH")}

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [installed, *arguments],
            cwd=tmp_path,
            env=names,
            stdout=-1,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stdout[-3000:])
        return done.stdout

    where = [installed.with_name("python"), "-c", "import cortexclip; print(cortexclip.__file__)"]
    assert str(ROOT) not in subprocess.run(where, cwd=tmp_path, env=names, check=True, stdout=-1, text=True).stdout
    assert "cortexclip" in call("--version")
    assert "fmriTrn" in call("inspect", "subject.mat")
    assert "usage: cortexclip predict" in call("predict", "--help")
    call("run", "subject.mat", "--quick")
    assert list(tmp_path.glob("*/results/report/index.html"))
