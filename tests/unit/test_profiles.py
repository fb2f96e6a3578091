"""Snakemake's profiles: the rules that they name are there, and the cluster's scheduler sees few jobs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from test_environments import RULES

ROOT = Path(__file__).resolve().parents[2]
SLURM = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
GROUPS = dict(entry.split("=") for entry in SLURM["groups"])
# Sent one by one: they run for all datasets at once, at the user's wish, or where the network is.
ALONE = {"corpus", "prior", "glyphclip", "fetch_data", "fetch_weights"}


def test_every_rule_is_an_array_or_in_a_group_or_meant_to_be_alone():
    assert set(RULES) == set(GROUPS) | ALONE | {SLURM["slurm-array-jobs"]}


def test_every_group_has_a_size():
    assert set(GROUPS.values()) == {entry.split("=")[0] for entry in SLURM["group-components"]}


@pytest.mark.parametrize("rule", GROUPS)
def test_a_small_job_fits_in_a_group_at_every_attempt(rule):
    text = RULES[rule][1]
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
