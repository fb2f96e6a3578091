"""The conda environments of the rules: each is there, pinned as the constraints file says, and holds what is imported."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from written_rules import RULES

from cortexclip.runtime.provenance import PACKAGE, modules_used

ROOT = Path(__file__).resolve().parents[2]
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
    "open_clip_torch": "open-clip-torch",
    "pyyaml": "pyyaml",
}
IMPORT_NAMES = {
    "yaml": "pyyaml",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "open_clip": "open_clip_torch",
}
# Modules that a stage loads by a name from the catalogues.
LOADED_BY_NAME = {
    "ingest": ["cortexclip.data.arrays", "cortexclip.data.mindbigdata"],
    "simulate": ["cortexclip.data.simulated"],
    "identify": [f"cortexclip.features.{name}" for name in ("openclip", "crops", "gabor", "pixels")],
    "encode": [f"cortexclip.features.{name}" for name in ("openclip", "crops", "gabor", "pixels")],
    "prior": ["cortexclip.features.glyphclip"],
    "train": [entry["module"] for entry in yaml.safe_load((ROOT / "config/methods.yaml").read_text()).values()],
}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {name.lower(): version for name, version in (line.split("==") for line in lines if "==" in line)}


def environment(rule: str) -> tuple[Path, dict[str, str]]:
    name = re.search(r'conda:\n\s+"\.\./\.\./envs/(\w+)\.yaml"', RULES[rule][1])
    assert name, f"rule {rule} in {RULES[rule][0]} names no environment"
    path = ROOT / "envs" / f"{name.group(1)}.yaml"
    content = yaml.safe_load(path.read_text())
    return path, dict(entry.split("=") for entry in content["dependencies"])


def third_party(files: set[str]) -> set[str]:
    found = set()
    for file in files:
        for node in ast.walk(ast.parse((PACKAGE.parent / file).read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"cortexclip", "__future__"}


def test_the_constraints_file_pins_what_the_project_asks_for_within_its_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "crell"}
    for line in [*project["dependencies"], *(line for lines in extras.values() for line in lines)]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(pins()[requirement.name.lower()]), line


def test_there_are_rules_to_check():
    assert {"train", "encode", "tables"} <= set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_log_benchmark_threads_and_resources(rule):
    for part in ("log:", "benchmark:", "threads:", "resources:", "mem_mb=", "runtime=", "gpu=", "code="):
        if part == "code=" and rule.startswith("fetch"):
            continue  # a fetched file is checked by its sha256, whatever code fetched it
        assert part in RULES[rule][1], f"rule {rule} has no {part}"


@pytest.mark.parametrize("rule", RULES)
def test_the_environment_has_the_pins_of_the_constraints_file(rule):
    path, packages = environment(rule)
    by_conda_name = {CONDA_NAMES.get(name, name): version for name, version in pins().items()}
    assert packages.pop("python") == "3.11"
    for name, version in packages.items():
        assert by_conda_name.get(name) == version, f"{path.name}: {name}={version}"


@pytest.mark.parametrize("rule", RULES)
def test_the_environment_holds_what_the_code_imports(rule):
    stage = re.search(r"python -m cortexclip (\w+)", RULES[rule][1]).group(1)
    modules = [f"cortexclip.stages.{stage}", *LOADED_BY_NAME.get(stage, [])]
    imported = third_party(set().union(*(modules_used(module) for module in modules)))
    _, packages = environment(rule)
    for name in imported:
        package = IMPORT_NAMES.get(name, name)
        assert CONDA_NAMES.get(package, package) in packages, f"{rule}: imports {name}, its environment lacks it"


@pytest.mark.parametrize("rule", RULES)
def test_the_pins_of_the_environment_fit_each_other(rule):
    """Every requirement that a package of the environment states is met by the pin of what it requires."""
    _, packages = environment(rule)
    from_conda = {conda: name for name, conda in CONDA_NAMES.items()}
    for package in packages.keys() - {"python"}:
        for line in importlib.metadata.requires(from_conda.get(package, package)) or []:
            requirement = Requirement(line)
            pin = pins().get(requirement.name.lower().replace("_", "-")) or pins().get(requirement.name.lower())
            if pin and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
                assert requirement.specifier.contains(pin, prereleases=True), f"{rule}: {package} needs {requirement}"


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule in ("tables", "figures", "overview", "report")])
def test_rules_that_only_read_scores_install_no_torch(rule):
    assert "pytorch" not in environment(rule)[1]


def test_containers_hold_what_an_installation_needs():
    """The two recipes take in the same, all of it is there, and it holds every file that the package data name."""
    taken = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    docker, apptainer = (ROOT / "Dockerfile").read_text(), (ROOT / "apptainer.def").read_text()
    assert set(re.findall(r"^    (\S+) /opt/cortexclip/\1$", apptainer, flags=re.MULTILINE)) == taken
    assert all((ROOT / name).exists() for name in taken)
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    needed = [pattern for patterns in tools["data-files"].values() for pattern in patterns]
    assert [pattern for pattern in needed if not any(pattern.startswith(f"{name}/") for name in taken)] == []
    installs = 'pip install --no-cache-dir --constraint /opt/cortexclip/constraints.txt "/opt/cortexclip[slurm]"'
    assert installs in docker and installs in apptainer
    base = re.search(r"^FROM (\S+)$", docker, flags=re.MULTILINE)[1]
    assert f"From: {base}" in apptainer
    assert base.startswith(f"python:{re.search('Python ([0-9.]+)', (ROOT / 'constraints.txt').read_text())[1]}-")


def test_the_entry_of_the_workflow_catalogue_has_the_form_that_it_asks_for():
    """The keys that github.com/snakemake/snakemake-workflow-catalog reads, and the files that it looks for."""
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    deployment = usage.pop("software-stack-deployment")
    assert deployment == {"conda": True, "apptainer": False, "apptainer+conda": False, "report": True}
    assert set(usage.pop("mandatory-flags")) == {"desc", "flags"}
    assert usage == {"report": True}
    assert (ROOT / "workflow/Snakefile").is_file() and (ROOT / "config/README.md").is_file()
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
