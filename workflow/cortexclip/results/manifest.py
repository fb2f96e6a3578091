"""The manifest of a run: what its results are, by checksum, and what they were made with."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from cortexclip.configuration.plan import Plan
from cortexclip.errors import InputError
from cortexclip.results.paths import MADE_BY, PATHS, TRAINED, pattern
from cortexclip.runtime import provenance
from cortexclip.runtime.files import read_json, sha256

NAME, PLAN = PATHS["manifest"], PATHS["plan"]


class Difference(NamedTuple):
    """What of the results is not as the manifest says: its kind, the files by name or pattern, and why."""

    kind: str  # "missing", "altered", "stale" or "replaced"
    file: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind:8} {self.file}{self.reason and ': '}{self.reason}"


def files_of(results: Path, plan: Plan) -> list[str]:
    """Paths below the results folder that belong to a plan, sorted; what other configurations left there does not."""
    patterns = set()
    for name in PATHS.keys() - {"manifest"}:
        for cell in [*plan.trainings(), *(plan.sources.cells if name in TRAINED else [])]:
            names = dict(zip(("protocol", "dataset", "run"), cell, strict=True), judge=plan.judge)
            patterns |= {pattern(name, **names, encoder=encoder) for encoder in plan.encoders or ["none"]}
    found = set()
    for each in patterns:
        dots = Path(each).name.count(".")  # of the file alone: runs have dots in their names, too
        for path in results.glob(each):
            if path.is_file() and not path.name.startswith(".") and path.name.count(".") == dots:
                found.add(path.relative_to(results).as_posix())
    return sorted(found)


def make(results: Path, plan: Plan, configuration: Mapping, fields: Mapping[str, object]) -> dict:
    """The manifest of the results that belong to a plan.

    ``configuration`` are the settings of the run, after all merging, and ``fields`` what else to say, such as the
    command.
    """
    names = files_of(results, plan)
    records = {name: read_json(results / name) for name in select(names, ["runs/*/run.json"])}
    kept = ("dataset", "dataset_sha256", "module", "code", "started", "seconds", "versions", "machine")
    return {
        **fields,
        "started": min((record["started"] for record in records.values()), default=None),
        "configuration": configuration,
        "seeds": {"base_seed": configuration["base_seed"], "seeds": configuration["seeds"]},
        "data": {record["dataset"]: record["dataset_sha256"] for record in records.values()},
        "code": {stage: _digest(stage) for stage in sorted({stage for stages in MADE_BY.values() for stage in stages})},
        "runs": {name: {key: record.get(key) for key in kept} for name, record in records.items()},
        "files": {name: {"sha256": sha256(results / name), "bytes": (results / name).stat().st_size} for name in names},
    }


def read(results: Path) -> dict:
    """The manifest of a results folder; InputError if there is none or it is not one."""
    if not (results / NAME).is_file():
        raise InputError(f"{results / NAME}: not there. Run snakemake --cores all first.")
    content = read_json(results / NAME)
    if not isinstance(content, dict) or not {"files", "code", "runs", "configuration"} <= content.keys():
        raise InputError(f"{results / NAME}: not a manifest. Delete it and run the workflow again.")
    return content


def differences(results: Path, manifest: Mapping) -> list[Difference]:
    """What of the results is not as the manifest says; empty if all is.

    A file can be missing or altered, or stale: made by code that has changed since, or for another configuration than
    that of plan.json.
    """
    found = []
    for name, known in manifest["files"].items():
        path = results / name
        if not path.is_file():
            found.append(Difference("missing", name))
        elif path.stat().st_size != known["bytes"] or sha256(path) != known["sha256"]:
            changed = Difference("stale", "all", "the configuration has changed")
            found.append(changed if name == PLAN else Difference("altered", name))
    for stage, digest in manifest["code"].items():
        if digest != _digest(stage):
            made = ", ".join(pattern(name) for name, stages in MADE_BY.items() if stage in stages)
            found.append(Difference("stale", made, f"the code of the stage '{stage}' has changed"))
    for name, run in manifest["runs"].items():
        if run["code"] and run["code"] != _digest("train", run["module"]):
            found.append(Difference("stale", name.rpartition("/")[0], "its training code has changed"))
    return found


def _digest(stage: str, *modules: str) -> str | None:
    """Digest of a stage's code; None if a module of it is gone."""
    try:
        return provenance.code_digest(f"cortexclip.stages.{stage}", *modules)
    except ModuleNotFoundError:
        return None


def select(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    patterns = list(patterns)
    return [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
