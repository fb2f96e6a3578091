"""``cortexclip run FILE``: from a data file to its page, in a folder of its own.

The file is inspected, its entry and the settings of the run go to ``run.yaml`` in the folder, the workflow runs
there, and prints the outcome in sentences. The same command continues where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import webbrowser
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

from cortexclip.audit.inspection import READER, Inspection, inspect, name_of
from cortexclip.configuration.config import applies, read_catalogue
from cortexclip.configuration.launch import settings_of_one, workflow_command, workflow_environment
from cortexclip.configuration.loading import load_reader
from cortexclip.configuration.plan import Plan
from cortexclip.configuration.schema import entry_option, read_yaml
from cortexclip.data.dataset import summary
from cortexclip.errors import InputError
from cortexclip.report import content
from cortexclip.report.inspection import TEXTS, entry_of
from cortexclip.report.summary import outcome
from cortexclip.results.folder import Results
from cortexclip.results.paths import FILES
from cortexclip.runtime.files import write_text
from cortexclip.runtime.project import root

SETTINGS = "run.yaml"
NOT_STATED = "not stated"
WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a MATLAB, HDF5, NetCDF-4 or .npz file")
    parser.add_argument("--output", metavar="FOLDER", help="the run's folder (NAME_cortexclip beside the file)")
    parser.add_argument("--quick", action="store_true", help="a first table in a minute: methods in closed form alone")
    parser.add_argument("--open", action="store_true", help="open the page in a browser at the end")
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME", help="methods (those of config.yaml)")
    parser.add_argument("--protocols", nargs="+", default=[], metavar="NAME", help="protocols (holdout, or folds)")
    parser.add_argument("--seeds", type=int, metavar="N", help="trainings of each stochastic method (3)")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, metavar="N", help="processor cores (all)")
    parser.add_argument("--entry", default="{}", metavar="YAML", help="keys of the entry that are known, as in inspect")
    parser.add_argument("--verbose", action="store_true", help="show all output of the workflow")


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 for a finished run, 2 for a file that cannot be used, 1 if something failed, 130 if it was stopped."""
    path = Path(arguments.file).expanduser()
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder' if path.is_dir() else 'there is no such file'}. Name a data file.")
    if arguments.cores < 1:
        raise InputError(f"--cores: found {arguments.cores}, expected at least 1.")
    given = entry_option(arguments.entry)
    reader = given.get("reader", READER)
    found = inspect(path, given, 0, None if reader == READER else load_reader(name_of(path), reader))
    dataset = found.dataset
    if found.unusable or dataset is None:
        raise InputError(f"{found.unusable} What is in it: cortexclip inspect {path}")
    name = _name(path)
    folder = Path(arguments.output or path.resolve().parent / f"{name}_cortexclip").expanduser().resolve()
    kept = _settings_there(folder)
    entry = {**entry_of(found), **{key: NOT_STATED for key in TEXTS if key not in given}, **_texts(kept, name)}
    settings = settings_of_one(
        root(),
        name,
        entry,
        methods=arguments.methods,
        protocols=arguments.protocols,
        seeds=arguments.seeds,
        quick=arguments.quick,
        repeats=len(np.unique(dataset["stimulus"].values)) < dataset.sizes["sample"],
    )
    _print_start(found, dataset, folder, kept, settings)
    write_text(folder / SETTINGS, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=110))
    _link(path.resolve(), folder / "resources" / "data" / entry["file"])
    options = [*(["--verbose"] if arguments.verbose else []), *([FILES.report] if arguments.quick else [])]
    command = workflow_command(root(), folder, folder / SETTINGS, arguments.cores, options)
    status = _workflow(command, workflow_environment(arguments.verbose))
    if status:
        return status
    results = Results(folder / "results", Plan.read(folder / FILES.plan))
    answers = content.answers(results.plan, *map(results.table, ("leaders", "statistics", "comparison")))
    print(outcome(results.folder, name, answers, WIDTH))
    print(f"\nPage      {folder / FILES.report}\nTables    {folder / 'results/tables'}\nSettings  {folder / SETTINGS}")
    if arguments.quick:
        print("The same command without --quick compares all methods of config.yaml, and keeps these results.")
    if arguments.open and not webbrowser.open((folder / FILES.report).as_uri()):
        print("No browser could be opened here.")
    return 0


def _name(path: Path) -> str:
    """A name for the dataset that no entry of the catalogue has."""
    name, known = name_of(path), read_catalogue(root() / "config", "datasets", {})
    return f"my_{name}" if name in known else name


def _settings_there(folder: Path) -> dict:
    """The settings of an earlier run in a folder, {} for a folder that is new or empty."""
    if (folder / SETTINGS).is_file():
        return read_yaml(folder / SETTINGS)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already and no run's folder. Name another one: --output FOLDER")
    return {}


def _texts(kept: dict, name: str) -> dict[str, object]:
    """What the user has written into an earlier run's entry and no file can tell."""
    entry = kept.get("overrides", {}).get("datasets", {}).get(name, {})
    return {key: entry[key] for key in ("title", "notes", *TEXTS) if key in entry}


def _print_start(found: Inspection, dataset: xr.Dataset, folder: Path, kept: dict, settings: dict) -> None:
    """What was read and guessed, what will be compared, and where it goes."""
    print(f"{found.path}: {summary(dataset)}")
    for line in found.guessed:
        print(f"  guessed: {line}")
    (entry,) = settings["overrides"]["datasets"].values()
    known = read_catalogue(root() / "config", "methods", {})
    missing = {name: known[name]["needs"] for name in settings["methods"] if not applies(known[name], entry)}
    methods = ", ".join(name for name in settings["methods"] if name not in missing)
    print(f"Protocols: {', '.join(settings['protocols'])}. Methods: {methods}.")
    for name, needs in missing.items():
        print(f"  left out: {name}, which needs {' and '.join(needs)}")
    before = kept.get("overrides", {}).get("datasets", {})
    if not kept:
        print(f"Everything goes to {folder}")
    elif all(entry.get("sha256") == found.digest for entry in before.values()):
        print(f"Continues in {folder}: results that are still valid are kept.")
    else:
        print(f"The results in {folder} were made from another file: they are made again.")


def _link(path: Path, link: Path) -> None:
    """Let the workflow find the file where it looks for it, without a copy where the system has links."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() or link.exists():
        if link.resolve() == path:
            return
        link.unlink()
    try:
        link.symlink_to(path)
    except OSError:
        shutil.copy2(path, link)


def _workflow(command: list[str], environment: dict[str, str]) -> int:
    """Run the workflow and wait for it; Ctrl-C reaches it too, and it ends by itself."""
    process = subprocess.Popen(command, env=environment)
    stopped = False
    while True:
        try:
            status = process.wait()
            return 130 if stopped else 1 if status else 0
        except KeyboardInterrupt:
            stopped = True
