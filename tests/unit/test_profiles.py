"""Snakemake's profiles: the rules that they name are there, and the cluster's scheduler sees few jobs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from written_rules import RULES

from cortexclip.configuration.config import load
from cortexclip.configuration.plan import make_plan
from cortexclip.configuration.schema import read_yaml
from cortexclip.results import drawn

ROOT = Path(__file__).resolve().parents[2]
SLURM = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
GROUPS = dict(entry.split("=") for entry in SLURM["groups"])
# Sent one by one: they run for all datasets at once, at the user's wish, or where the network is.
ALONE = {"corpus", "prior", "glyphclip", "fetch_data", "fetch_weights"}


def rule_of(name: str) -> str:
    """A rule as it is written, without the number that distinguishes it from others made from it."""
    return name.rstrip("0123456789")


def test_every_rule_is_an_array_or_in_a_group_or_meant_to_be_alone():
    assert set(RULES) == {rule_of(name) for name in GROUPS} | ALONE | {SLURM["slurm-array-jobs"]}


def test_the_groups_name_the_numbered_rules_of_all_kinds_of_datasets(tmp_path, monkeypatch):
    monkeypatch.delenv("CORTEXCLIP_DATA", raising=False)
    settings = read_yaml(ROOT / "config/config.yaml") | read_yaml(ROOT / "config/full.yaml")
    for entry in read_yaml(ROOT / "config/datasets.yaml").values():
        if entry.get("file", "").endswith(".mat"):
            (tmp_path / entry["file"]).parent.mkdir(exist_ok=True)
            (tmp_path / entry["file"]).touch()
    settings |= {"data_dir": str(tmp_path), "sources": [], "stand_ins": []}
    listings = {"figures": drawn.of_predictions_files, "evaluation_figures": drawn.of_tests_files}
    most = 0
    for kind in ({}, {"parts": "none"}):
        plan = make_plan(load(settings | {"overrides": {"datasets": {"simulated": kind}}}, ROOT))
        for name, listing in listings.items():
            rules = [f"{name}{number or ''}" for number, _ in enumerate(drawn.alike(listing, plan))]
            assert set(rules) <= set(GROUPS)
            most = max(most, len(rules))
    assert most > 1


def test_every_group_has_a_size():
    assert set(GROUPS.values()) == {entry.split("=")[0] for entry in SLURM["group-components"]}


@pytest.mark.parametrize("rule", GROUPS)
def test_a_small_job_fits_in_a_group_at_every_attempt(rule):
    text = RULES[rule_of(rule)][1]
    [limit] = [int(entry.split("=")[1]) for entry in SLURM["resources"] if entry.startswith("mem_mb=")]
    memory = int(re.search(r"mem_mb=memory\((\d+)\)", text).group(1))
    assert memory * (1 + SLURM["retries"]) <= limit
    assert int(re.search(r"threads: (\d+)", text).group(1)) <= SLURM["cores"]


def test_the_partitions_take_every_job():
    partitions = yaml.safe_load((ROOT / "profiles/slurm/partitions.yaml").read_text())["partitions"]
    assert any(limits.get("max_gpu", 0) for limits in partitions.values())
    methods = yaml.safe_load((ROOT / "config/methods.yaml").read_text())
    for name, method in methods.items():
        memory = method.get("resources", {}).get("mem_mb", 2000) * (1 + SLURM["retries"])
        assert any(limits["max_mem_mb"] >= memory for limits in partitions.values()), name
