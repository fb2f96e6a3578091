"""Every rule declares what its stage reads: a run in which each job writes down the files that it opens."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import yaml

RECORDER = '''
"""Imported by every Python that starts: a stage writes down the files that it opens for reading, by its --log."""
import atexit, os, sys

if "cortexclip" in sys.orig_argv and "--log" in sys.orig_argv:
    import h5py, pandas, safetensors

    opened = set()
    log = sys.orig_argv[sys.orig_argv.index("--log") + 1]

    def note(path):
        if isinstance(path, (str, os.PathLike)):
            opened.add(os.path.abspath(path))

    def noted(event, arguments):
        if event == "open" and arguments[2] & os.O_ACCMODE != os.O_WRONLY:
            note(arguments[0])

    def noting(function, position):  # these libraries open files without Python
        def call(*arguments, **options):
            note(arguments[position])
            return function(*arguments, **options)

        return call

    def write():
        with open(f"{os.environ['OPENED']}/{os.getpid()}", "w") as stream:
            stream.write("\\n".join([log, *sorted(opened)]))

    sys.addaudithook(noted)
    h5py.File.__init__ = noting(h5py.File.__init__, 1)
    pandas.read_parquet = noting(pandas.read_parquet, 0)
    safetensors.safe_open = noting(safetensors.safe_open, 0)
    atexit.register(write)
'''
ENCODER = '''
"""An image encoder whose weights are a file below resources/weights."""
import numpy


class load:
    def __init__(self, settings):
        self.weights = numpy.load(settings["weights"])

    def encode(self, images, progress=None):
        return images.reshape(len(images), -1) @ self.weights

    def provenance(self):
        return {"encoder": "mine"}
'''
SETTINGS = {
    **{"datasets": ["simulated"], "protocols": ["unseen_clusters"], "sources": [], "stand_ins": [], "seeds": 1},
    **{"encoders": ["glyphclip"], "judge": "mine", "bootstrap_resamples": 100},
    "methods": ["mean_image", "ridge", "ridge_clip", "vae_ridge"],
}
OVERRIDES = {
    "datasets": {"simulated": {"settings": {"train_stimuli": 30, "test_stimuli": 6, "test_repeats": 2, "voxels": 50}}},
    "protocols": {"unseen_clusters": {"folds": 2, "clusters": 4}},
    "encoders": {"mine": {"title": "Mine", "module": "mine", "file": "mine.npy", "settings": {}, "how": "x"}},
}


def opened(folder: Path, project: Path) -> dict[str, set[str]]:
    """The files of the project that each job opened for reading, by its log."""
    found = {}
    for record in folder.iterdir():
        log, *paths = record.read_text().splitlines()
        found[log] = {os.path.relpath(path, project) for path in paths if Path(path).is_file()}
    return found


def declared(summary: str) -> dict[str, set[str]]:
    """Inputs and outputs of each job, by its log."""
    found: dict[str, set[str]] = {}
    for row in csv.DictReader(summary[summary.index("output_file\t") :].splitlines(), delimiter="\t"):
        found.setdefault(row["log-file(s)"], set()).update([row["output_file"], *row["input-file(s)"].split(",")])
    return found


def test_every_rule_declares_what_its_stage_reads(project, tmp_path):
    site, records, weights = tmp_path / "site", tmp_path / "opened", project.path / "resources/weights/mine.npy"
    for folder in (site, records, weights.parent):
        folder.mkdir()
    (site / "sitecustomize.py").write_text(RECORDER)
    (site / "mine.py").write_text(ENCODER)
    np.save(weights, np.random.default_rng(0).standard_normal((784, 16)).astype(np.float32))
    (project.path / "mine.yaml").write_text(yaml.safe_dump(SETTINGS | {"overrides": OVERRIDES}))
    environment = {"PYTHONPATH": f"{site}{os.pathsep}{project.path / 'workflow'}", "OPENED": str(records)}
    done = project.snakemake("--configfile", "mine.yaml", **environment)
    assert done.returncode == 0, done.stdout[-3000:]
    summary = project.snakemake("--configfile", "mine.yaml", "--detailed-summary", **environment).stdout
    found, known = opened(records, project.path), declared(summary)
    assert found.keys() == known.keys()
    for log, paths in found.items():
        read = {path for path in paths if path.split("/")[0] in ("config", "resources", "results")} - {log}
        missing = {path for path in read if not {path, *map(str, Path(path).parents)} & known[log]}
        assert not missing, log
    every = set().union(*found.values())  # and the record misses nothing, however a file is opened
    assert {str(weights.relative_to(project.path)), "config/published.yaml"} <= every
    assert {"resources/priors/glyphs/vae.safetensors", "resources/priors/glyphs/nearest.parquet"} <= every
    assert {"results/data/simulated.nc", "results/splits/unseen_clusters/simulated.parquet"} <= every
