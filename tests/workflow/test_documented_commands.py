"""Every command in the documentation: those of the workflow are planned, those of the program understood.

What cannot be run in a test is listed with its reason, so that a new command cannot be forgotten.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, copy_project

from cortexclip.__main__ import STAGES

LEFT_OUT = {"results", "resources", "build", "site"}
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    and (path.relative_to(ROOT).parts[0] not in LEFT_OUT or path.name == "README.md")
)
PROGRAMS = ("snakemake", "python", "make", "pip", "cp", "mkdir", "source", "cortexclip", "pdflatex")
NOT_RUN = {
    r"snakemake --profile profiles/slurm": "needs SLURM: tests/slurm/run.sh runs it",
    r"snakemake --cores all --sdm conda": "needs conda: tests/unit/test_environments.py checks the environments",
    r"snakemake --cores 2 --configfile config/small.yaml": "run by the fixture `finished` in conftest.py",
    r"pip install .*": "set-up: make does the same in .venv, and tests run in it",
    r"source .venv/bin/activate": "changes the shell that it is given in",
    r"cp .*|mkdir -p [\w/]+": "the user's own file: done below by `planned`",
    r"python examples/.*": "tests/unit/test_examples_recovery.py runs its functions",
    r"python docs/generate.py": "tests/unit/test_documentation.py runs it with --check",
}


def blocks(path: Path, language: str) -> list[str]:
    found = re.findall(r"^```([^\n]*)\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [text for kind, text in found if kind == language]


def commands() -> list[str]:
    """Every distinct command of the documentation, without what stands before and after it."""
    found: dict[str, None] = {}
    for path in DOCUMENTS:
        for block in [text for language in ("", "bash") for text in blocks(path, language)]:
            for line in block.splitlines():
                for part in re.split(r"\s+&& ", re.sub(r"\s+#.*$", "", line)):
                    words = re.sub(r"^(\w+=\S+ )+", "", part.strip())
                    if words.split(" ")[0] in PROGRAMS:
                        found[words] = None
    return list(found)


COMMANDS = commands()
PLANNED = [c for c in COMMANDS if c.startswith("snakemake") and not any(re.fullmatch(p, c) for p in NOT_RUN)]
UNDERSTOOD = [c for c in COMMANDS if re.match(r"(python -m )?cortexclip ", c)]
MADE = [c for c in COMMANDS if c.startswith("make ")]


def test_no_command_is_forgotten():
    assert len(PLANNED) > 5 and len(UNDERSTOOD) > 5 and len(MADE) > 2
    for command in {*COMMANDS} - {*PLANNED, *UNDERSTOOD, *MADE}:
        assert any(re.fullmatch(pattern, command) for pattern in NOT_RUN), f"{command}: run it here or say why not"
    for pattern in NOT_RUN:
        assert any(re.fullmatch(pattern, command) for command in COMMANDS), f"{pattern}: no longer in the documentation"


@pytest.mark.parametrize("command", UNDERSTOOD)
def test_the_program_understands(command):
    words = shlex.split(command.partition(" >")[0].removeprefix("python -m "))[1:]
    if words == ["--help"]:
        return
    assert words[0] in STAGES
    parser = argparse.ArgumentParser()
    stage = importlib.import_module(f"cortexclip.stages.{words[0]}")
    stage.add_arguments(parser)
    options = [word for word in words[1:] if word != "--help"]
    if options == words[1:]:
        try:
            parser.parse_args(options)
        except SystemExit as error:
            pytest.fail(f"{command}: not understood ({error.code})")


@pytest.mark.parametrize("command", MADE)
def test_make_knows(command):
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    """A checkout in which the documentation was followed: a file of one's own, a method, an encoder, configurations."""
    project = copy_project(tmp_path_factory.mktemp("documented") / "project")
    docs, config = ROOT / "docs", project.path / "config"
    (project.path / "make_bars.py").write_text(blocks(docs / "add-a-dataset.md", "python")[0])
    assert project.python("make_bars.py").returncode == 0
    for name in ("bars", "mine"):
        folder = project.path / "resources/data" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.mat").write_bytes((project.path / "bars.mat").read_bytes())
    (inspect,) = [c for c in COMMANDS if c.startswith("python -m cortexclip inspect") and ">> " in c]
    program, _, target = inspect.removeprefix("python ").partition(" >> ")
    printed = project.python(*shlex.split(program))
    assert printed.returncode == 0, printed.stdout
    with open(project.path / target, "a") as stream:
        stream.write(printed.stdout)
    assert yaml.safe_load((config / "datasets.yaml").read_text())["mine"]["file"] == "mine/mine.mat"
    (project.path / "bars.yaml").write_text(blocks(docs / "add-a-dataset.md", "yaml")[0])
    (project.path / "my.yaml").write_text(blocks(ROOT / "config/README.md", "yaml")[0])
    package = project.path / "workflow/cortexclip"
    (package / "methods/similar_trials.py").write_text(blocks(docs / "add-a-method.md", "python")[0])
    (package / "features/blocks.py").write_text(blocks(docs / "add-an-encoder.md", "python")[0])
    for kind, page in (("methods", "add-a-method.md"), ("encoders", "add-an-encoder.md")):
        with open(config / f"{kind}.yaml", "a") as stream:
            stream.write("\n" + blocks(docs / page, "yaml")[0])
    return project


@pytest.mark.parametrize("command", PLANNED)
def test_the_workflow_plans(command, documented):
    done = documented.python("-m", *shlex.split(command), "--dry-run", "--quiet", "host", "rules")
    assert done.returncode == 0, done.stdout[-3000:]
