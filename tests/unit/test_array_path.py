"""Which files of the package a voxel array passes on its way to a score, as docs/architecture.md lists them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.io
import xarray as xr

import cortexclip
from cortexclip.__main__ import main
from cortexclip.configuration.schema import read_yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(cortexclip.__file__).resolve().parent
TRAIN, TEST, VOXELS, SIDE = 23, 11, 41, 12
ENTRY = """{"title": "Toy", "reader": "cortexclip.data.arrays", "modality": "fMRI", "pixel_order": "row-major",
            "labels": "none", "notes": []}"""
RIDGE, PROTOCOL = (
    json.dumps(read_yaml(ROOT / "config" / f"{catalogue}.yaml")[name])
    for catalogue, name in (("methods", "ridge"), ("protocols", "holdout"))
)
MOST = 16
"""Files that a voxel array may pass."""
DEPTH = 4


def arrays_in(value: object, depth: int = DEPTH) -> Iterator[np.ndarray]:
    """The arrays that a value is or holds: a dataset, a container, or an object of the package."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, xr.Dataset):
        yield from (variable.values for variable in value.variables.values())
    elif isinstance(value, xr.DataArray | xr.Variable):
        yield value.values
    elif depth:
        held = value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else ()
        if type(value).__module__.startswith("cortexclip."):
            held = getattr(value, "__dict__", {}).values()
        for each in held:
            yield from arrays_in(each, depth - 1)


def is_response(array: np.ndarray) -> bool:
    return array.ndim == 2 and VOXELS in array.shape and bool({TRAIN, TEST, TRAIN + TEST} & set(array.shape))


def is_prediction(array: np.ndarray) -> bool:
    """Of scored samples, as images or as rows of pixels."""
    return array.shape[-3:] == (TEST, SIDE, SIDE) or array.shape[-2:] == (TEST, SIDE * SIDE)


def of_a_seed(array: np.ndarray) -> bool:
    """A prediction as its file holds it, with an axis for seeds, which stimuli do not have."""
    return array.ndim > 2 and len(array) == 1 and is_prediction(array)


def passed(wanted: Callable[[np.ndarray], bool], *command: object) -> set[str]:
    """The files of the package in which a function receives, holds or returns such an array while a stage runs."""
    found = set()

    def look(frame, event, argument):
        file = Path(frame.f_code.co_filename)
        if event in ("call", "return") and file.is_relative_to(PACKAGE):
            name = file.relative_to(PACKAGE).as_posix()
            held = [*frame.f_locals.values(), argument] if event == "return" else list(frame.f_locals.values())
            if name not in found and any(map(wanted, arrays_in(held))):
                found.add(name)

    sys.setprofile(look)
    try:
        assert main([str(part) for part in command]) == 0
    finally:
        sys.setprofile(None)
    return found - {"__main__.py"}


def test_the_page_lists_the_files_that_an_array_passes(tmp_path):
    random, sizes = np.random.default_rng(0), {"Trn": TRAIN, "Test": TEST}
    arrays = {f"fmri{part}": random.standard_normal((size, VOXELS)) for part, size in sizes.items()}
    arrays |= {f"stim{part}": random.random((size, SIDE**2)) for part, size in sizes.items()}
    raw, data, split, predictions = (tmp_path / name for name in ("raw.mat", "data.nc", "split.parquet", "run.nc"))
    scipy.io.savemat(raw, arrays)
    outputs = {
        stage: [f"--{name}={tmp_path / name}" for name in names]
        for stage, names in (
            ("train", ("history", "weights", "record")),
            ("evaluate", ("scores", "similarity", "collapse", "ceiling")),
        )
    }
    used, named = ["--dataset", data, "--split", split], ["--base-seed", 0, "--protocol", "holdout"]
    found = passed(is_response, "ingest", "--dataset", "toy", "--entry", ENTRY, "--input", raw, "--output", data)
    found |= passed(is_response, "split", "--dataset", data, *named, "--entry", PROTOCOL, "--output", split)
    found |= passed(
        lambda array: is_response(array) or is_prediction(array),
        *("train", *used, *named, "--method", "ridge", "--entry", RIDGE, "--seeds", 1),
        *("--predictions", predictions, *outputs["train"]),
    )
    found |= passed(of_a_seed, "evaluate", *used, "--predictions", predictions, *outputs["evaluate"])
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.partition("## The path of a voxel array")[2].partition("\n## ")[0]
    listed, beside = (
        {name for name in re.findall(r"`(\w+/\w+\.py)`", "\n".join(lines)) if (PACKAGE / name).exists()}
        for lines in (re.findall(r"^\|.*", section, re.M), re.findall(r"^[^|].*", section, re.M))
    )
    assert listed <= found <= listed | beside
    assert len(listed) <= MOST and f"{len(listed)} files" in section
