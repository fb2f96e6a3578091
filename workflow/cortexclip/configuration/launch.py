"""Starting the workflow: the environment of its jobs, and a run of one dataset in a folder of its own."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cortexclip.configuration.config import compact, locate, plain_protocols, read_catalogue
from cortexclip.configuration.schema import read_yaml
from cortexclip.errors import InputError, nearest
from cortexclip.runtime.log import SHOWN
from cortexclip.runtime.project import PACKAGE
from cortexclip.runtime.provenance import WORKFLOW_COMMAND


def prepare_environment(root: str | os.PathLike, data_dir: Path | None) -> None:
    """Let jobs find this interpreter's ``python``, the library beside the rules, and the folder that holds data.

    A conda environment's own ``python`` still comes first where Snakemake activates one.
    """
    library = str(Path(root) / "workflow")
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    os.environ["PYTHONPATH"] = os.pathsep.join([library, *filter(None, [os.environ.get("PYTHONPATH")])])
    if data_dir is not None:
        os.environ["CORTEXCLIP_DATA"] = str(data_dir)
    # The first Snakemake's; those that it starts in jobs on a cluster find it set.
    os.environ.setdefault(WORKFLOW_COMMAND, shlex.join(["snakemake", *sys.argv[1:]]))


def settings_of_one(
    root: Path,
    name: str,
    entry: Mapping,
    *,
    methods: Sequence[str] = (),
    protocols: Sequence[str] = (),
    seeds: int | None = None,
    quick: bool = False,
    repeats: bool = False,
) -> dict:
    """The content of config.yaml for a run of one dataset, by its entry, that computes what its methods need alone.

    Parameters
    ----------
    methods : names; by default those of the project's config.yaml, or those with the key ``quick`` in methods.yaml.
    protocols : names; by default the honest one that the dataset allows: its own split, else folds, of whole stimuli if
        images are shown in several trials (``repeats``).
    seeds : trainings of each stochastic method; by default the project's.

    Raises InputError for an unknown name.
    """
    default = read_yaml(root / "config" / "config.yaml")
    known = {kind: read_catalogue(root / "config", kind, {}) for kind in ("methods", "protocols", "encoders")}
    for option, given in (("methods", methods), ("protocols", protocols)):
        for one in given:
            if one not in known[option]:
                raise InputError(f"--{option}: unknown name '{one}'. {nearest(one, known[option])}")
    kept = dict.fromkeys([*default["methods"], *(known["methods"] if quick else ())])
    chosen = list(methods) or [name for name in kept if not quick or known["methods"][name].get("quick")]
    spaces = {space for method in chosen for space in known["methods"][method].get("encoders", ())}
    there = {
        e for e, about in known["encoders"].items() if "file" not in about or locate(about["file"], "weights", None)
    }
    return {
        **default,
        "datasets": [name],
        "fallback": None,
        "protocols": list(protocols) or [_usual_protocol(known["protocols"], entry, repeats)],
        "methods": chosen,
        "encoders": [space for space in default["encoders"] if space in spaces & there],
        "judge": default["judge"] if spaces else "none",
        "sources": [],
        "stand_ins": [],
        "seeds": default["seeds"] if seeds is None else seeds,
        "bootstrap_resamples": 1000 if quick else default["bootstrap_resamples"],
        "data_dir": None,
        "overrides": {"datasets": {name: dict(entry)}},
    }


def _usual_protocol(protocols: Mapping[str, dict], dataset: Mapping, repeats: bool) -> str:
    wanted: tuple[str, object] = ("repeats", False) if repeats else ("honest", "folds")
    if dataset.get("parts") != "none":
        wanted = ("honest", "split")
    for name, entry in plain_protocols(protocols, dataset).items():
        if wanted in entry.items():
            return name
    key = f"{wanted[0]}: {compact(wanted[1])}"
    raise InputError(f"config/protocols.yaml: no protocol with {key} applies. Add one, or name others by --protocols.")


def workflow_command(root: Path, folder: Path, settings: Path, cores: int, options: Sequence[str]) -> list[str]:
    """The command that runs the workflow in a folder by a file of settings."""
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(root / "workflow" / "Snakefile")),
        *("--workflow-profile", "none", *_options(read_yaml(root / "profiles" / "default" / "config.yaml"))),
        *("--directory", str(folder), "--configfile", str(settings), "--cores", str(cores), *options),
    ]


def _options(profile: Mapping) -> list[str]:
    """What a profile says as options; a profile that is named would be announced."""
    found = []
    for key, value in profile.items():
        if value is not False:
            words = [] if value is True else value if isinstance(value, list) else [value]
            found += [f"--{key}", *map(str, words)]
    return found


def workflow_environment(verbose: bool) -> dict[str, str]:
    """The environment for that command: this library, no folder of other data, one line for the run if not verbose."""
    kept = {key: value for key, value in os.environ.items() if key != "CORTEXCLIP_DATA"}
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    shown = {} if verbose else {SHOWN: "line"}
    return {**kept, **shown, "PYTHONPATH": path, WORKFLOW_COMMAND: shlex.join(["cortexclip", *sys.argv[1:]])}
