"""The example of docs/add-a-method.md, one module and one entry, through the whole workflow."""

from __future__ import annotations

import json
import re

import pandas as pd
import yaml
from conftest import ROOT

TEXT = (ROOT / "docs/add-a-method.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    return re.search(rf"^```{language}\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)[1]


def test_one_module_and_one_entry_go_through_every_stage(project):
    module = block("python")
    assert len([line for line in module.splitlines() if line.strip()]) <= 30
    (project.path / "workflow/cortexclip/methods/similar_trials.py").write_text(module)
    entry = yaml.safe_load(block("yaml"))
    entry["similar_trials"]["ablates"] = "ridge"
    settings = {
        **{"datasets": ["simulated"], "protocols": ["holdout"], "methods": ["mean_image", "ridge", "similar_trials"]},
        **{"encoders": [], "judge": "none", "bootstrap_resamples": 100, "overrides": {"methods": entry}},
    }
    (project.path / "mine.yaml").write_text(yaml.safe_dump(settings))
    done = project.snakemake("--configfile", "mine.yaml")
    assert done.returncode == 0, done.stdout[-4000:]

    tables = project.path / "results/tables"
    mse = pd.read_csv(tables / "comparison.csv").query("metric == 'mse'").set_index("method")["mean"]
    assert mse["similar_trials"] < mse["mean_image"]
    for name in ("statistics", "cost", "ablation"):
        assert "similar_trials" in set(pd.read_csv(tables / f"{name}.csv").method)
    assert r"| similar\_trials | ridge |" in (tables / "ablation.md").read_text()
    record = json.loads((project.path / "results/runs/holdout/simulated/similar_trials/run.json").read_text())
    assert record["fits"][0]["sharpness"] in entry["similar_trials"]["settings"]["sharpness"]
    for figure in ("reconstructions.holdout.simulated", "reference/holdout/simulated", "ablation.holdout.simulated"):
        assert (project.path / f"results/figures/{figure}.png").stat().st_size > 1000
    assert project.planned("--configfile", "mine.yaml") == []

    path = project.path / "workflow/cortexclip/methods/similar_trials.py"
    path.write_text(path.read_text() + "\n# a remark\n")
    trained = [job for job in project.planned("--configfile", "mine.yaml") if job[0] == "train"]
    assert len(trained) == 1 and "similar_trials" in trained[0][1]
