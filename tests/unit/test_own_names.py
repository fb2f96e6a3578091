"""Methods, protocols and datasets of other names take part in everything as the shipped ones do."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from cortexclip.configuration.config import load, read_yaml
from cortexclip.configuration.launch import settings_of_one
from cortexclip.configuration.plan import make_plan
from cortexclip.figures import style
from cortexclip.report import content
from cortexclip.results import drawn
from cortexclip.results.tables import TABLES
from cortexclip.tables.claims import IN_SAMPLE, Evidence, claims, claims_csv, claims_tables
from cortexclip.tables.paper import paper_csv, paper_tables

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("methods", "protocols", "datasets")
OWN = "my_"
FILES = [
    "vangerven/digit69_28x28.mat",
    "miyawaki/miyawaki_structured_28x28.mat",
    "stimuli/crell/a",
    "eeg2fmri/crell.mat",
]
PROTOCOLS = ["chosen_on_test", "holdout", "cv10", "chosen_on_fold", "unseen", "across_sessions", "cv10_share10"]
STAND_INS = ["crell_constant", "crell_eeg2fmri"]


def renamed(value: object, names: set[str]) -> object:
    """Configuration with other names, but for the values of keys that look like names and are none."""
    if isinstance(value, dict):
        kept = ("over", "kind", "network")
        return {renamed(k, names): v if k in kept else renamed(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [renamed(each, names) for each in value]
    return OWN + value if isinstance(value, str) and value in names else value


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What is made from the shipped configuration, and from one with other names that are then taken back."""
    data = tmp_path_factory.mktemp("data")
    for file in FILES:
        (data / file).parent.mkdir(parents=True, exist_ok=True)
        (data / file).touch()
    files = {path.name: read_yaml(path) for path in (ROOT / "config").glob("*.yaml")}
    names = {name for kind in KINDS for name in files[f"{kind}.yaml"]}
    names |= {entry["stands_for"] for entry in files["datasets.yaml"].values() if "stands_for" in entry}
    folder = tmp_path_factory.mktemp("renamed")
    (folder / "config").mkdir()
    for file, values in files.items():
        text = yaml.safe_dump(renamed(values, names), sort_keys=False)
        (folder / "config" / file).write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORTEXCLIP_DATA", str(data))
        shipped, own = made(ROOT), made(folder)
    assert OWN not in json.dumps(shipped) and OWN in json.dumps(own)
    return SimpleNamespace(shipped=shipped, own=json.loads(json.dumps(own).replace(OWN, "")))


def made(root: Path) -> dict:
    """Plan, looks, list of figures and all sentences and tables of claims, in text, by a folder with a configuration."""
    settings, own = read_yaml(root / "config/config.yaml"), "" if root == ROOT else OWN
    settings |= {"protocols": [own + name for name in PROTOCOLS], "stand_ins": [own + name for name in STAND_INS]}
    settings |= {"sources": "all", "methods": list(read_yaml(root / "config/methods.yaml")), "comparisons": 1000}
    plan = make_plan(load(settings, ROOT, root / "config"))
    evidence = Evidence(
        read_yaml(root / "config/published.yaml"),
        plan,
        pd.DataFrame(  # so wide a spread that all that was measured is reproduced
            [(d, p, m, "mse", seed, 0, 10, 0.05 + seed / 20, 0.1) for p, d, m in plan.sources.cells for seed in (0, 1)],
            columns=TABLES["remeasured"],
        ),
        pd.DataFrame(columns=TABLES["configurations"]),
        pd.DataFrame(
            [
                (name, about.stands_for, about.brain_data, 90, 10, 10, 0.05)
                for name, about in plan.sources.datasets.items()
            ],
            columns=TABLES["source_datasets"],
        ),
        pd.DataFrame(columns=TABLES["comparison"]),
    )
    rows = claims(evidence)
    paper = paper_csv(rows, evidence)
    tables = claims_tables(rows, evidence, {name: {"findings": []} for name in plan.datasets})
    entries = ({"parts": "none"}, {"parts": "sets"})
    return {
        "plan": plan.as_json(),
        "looks": {name: (look.colour, look.marker) for name, look in style.looks(plan).items()},
        "figures": drawn.every(plan),
        "page": content.verdicts(plan),
        "claims": claims_csv(rows).to_csv(),
        "paper": paper.to_csv(),
        "tables": [(table.title, table.rows, table.notes) for table in [*tables, *paper_tables(paper, evidence)]],
        "runs": [
            settings_of_one(root, "x", entry, quick=quick, repeats=repeats)["protocols" if not quick else "methods"]
            for entry in entries
            for quick in (False, True)
            for repeats in (False, True)
        ],
    }


@pytest.mark.parametrize("key", ["looks", "figures", "page", "claims", "paper", "tables", "runs"])
def test_names_are_the_configurations(both, key):
    assert both.own[key] == json.loads(json.dumps(both.shipped[key]))


def test_plans_are_the_same_but_for_names(both):
    assert json.loads(both.own["plan"]) == json.loads(both.shipped["plan"])


def test_sentences_name_what_is_configured(both):
    text = json.dumps(both.shipped["tables"])
    for words in (
        "(mindbigdata_constant, crell_constant)",
        "always with the split source_split",
        "(holdout; for folds cv10 if it is run)",
        "for mindbigdata and crell without brain data",
        "the split of the row CCCV1 (source_split)",
    ):
        assert words in text
    assert IN_SAMPLE in both.shipped["claims"] and both.shipped["page"]["honest"].startswith(" (holdout;")
