"""Text from the configuration reaches a job as it is, whatever a shell would make of it."""

from __future__ import annotations

import json

import xarray as xr
import yaml

HOSTILE = "it's `touch one` $(touch two) \"; touch three; # {wildcards} {{x}} \\ <script> %s"


def test_a_title_is_never_run(project):
    entry = {"title": HOSTILE, "settings": {"train_stimuli": 40, "test_stimuli": 8, "voxels": 50}}
    content = {"datasets": ["simulated"], "overrides": {"datasets": {"simulated": entry}}}
    (project.path / "hostile.yaml").write_text(yaml.safe_dump(content))
    done = project.snakemake("results/data/simulated.nc", "--configfile", "config/small.yaml", "hostile.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    with xr.open_dataset(project.path / "results/data/simulated.nc") as dataset:
        assert dataset.attrs["title"].startswith(HOSTILE)
    assert json.loads((project.path / "results/plan.json").read_text())["datasets"]["simulated"]["title"] == HOSTILE
    assert not {"one", "two", "three"} & {path.name for path in project.path.iterdir()}
