"""README and documentation show what docs/results/ holds, and only finished runs of a clean commit get there."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from cortexclip.configuration.plan import Plan
from cortexclip.configuration.schema import read_yaml
from cortexclip.errors import InputError
from cortexclip.results import manifest
from cortexclip.runtime import provenance
from cortexclip.runtime.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[2]
PLAN = {
    **{"datasets": {"vangerven": {}}, "protocols": {"holdout": {}}, "encoders": {}, "cells": {"vangerven": ["ridge"]}},
    **{
        "sources": {"datasets": {}, "protocols": {}, "cells": []},
        "unavailable": {"clip": "its weights"},
        "judge": None,
    },
}
RUN = "runs/holdout/vangerven/ridge"
TAKEN = ["audit/vangerven.json", "figures/mse_by_method.png", "plan.json", "scores/holdout/vangerven.parquet"]
TAKEN += ["tables/claims.md", "tables/comparison.csv"]
LEFT = ["data/vangerven.nc", "figures/reconstructions.holdout.vangerven.png", f"{RUN}/predictions.nc"]
LEFT += ["tables/claims.tex", "splits/holdout/vangerven.parquet", "scores/holdout/vangerven.similarity.nc"]


@pytest.fixture(scope="module")
def results():
    """The script that takes runs over and writes the pages."""
    spec = importlib.util.spec_from_file_location("documented_results", ROOT / "docs/results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def finished(tmp_path) -> Path:
    """A results folder with its manifest, as a run of the default configuration of a clean commit leaves it."""
    folder = tmp_path / "results"
    for name in [*TAKEN, *LEFT]:
        write_text(folder / name, f"content of {name}")
    write_json(folder / "plan.json", PLAN)
    code = provenance.code_digest("cortexclip.stages.train", "cortexclip.methods.ridge")
    record = {"dataset": "vangerven", "dataset_sha256": "ab", "module": "cortexclip.methods.ridge", "code": code}
    write_json(folder / RUN / "run.json", {**record, "started": "2026-01-01"})
    write_manifest(folder)
    return folder


def write_manifest(folder: Path, changed: bool = False, **settings) -> None:
    configuration = {**read_yaml(ROOT / "config/config.yaml"), "data_dir": "/somewhere/data", **settings}
    fields = {"command": "/somewhere/bin/snakemake --cores 2", "git": {"commit": "c0ffee", "changed": changed}}
    write_json(folder / manifest.NAME, manifest.make(folder, Plan.of(PLAN), configuration, fields))


def test_the_pages_show_what_the_documented_runs_hold(results, capsys):
    assert results.main(["--check"]) == 0, capsys.readouterr().out


def test_the_documented_runs_are_there():
    assert (ROOT / "docs/results/default" / manifest.NAME).is_file(), "python docs/results.py --collect default"


def test_every_table_of_results_has_a_maker(results):
    for page in results.PAGES:
        names = re.findall(r"<!-- results: ([\w-]+) -->", (ROOT / page).read_text(encoding="utf-8"))
        assert names and set(names) <= set(results.MAKERS)


def test_a_page_that_is_out_of_date_is_noticed(results, tmp_path, monkeypatch, capsys):
    (tmp_path / "page.md").write_text("<!-- results: comparison -->\n| old |\n<!-- end of results -->\n")
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results, "PAGES", ("page.md",))
    assert results.main(["--check"]) == 1
    assert "python docs/results.py" in capsys.readouterr().out
    assert results.main([]) == 0
    assert results.main(["--check"]) == 0
    assert "old" not in (tmp_path / "page.md").read_text()


@pytest.mark.parametrize("run", ["default", "paper", "literature", "honest", "sessions"])
def test_documented_runs_hold_tables_and_no_third_party_images(results, run):
    folder = ROOT / "docs/results" / run
    if not folder.is_dir():
        pytest.skip(f"no run '{run}' is documented")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".csv", ".md", ".json", ".parquet", ".png"}
    assert [path.name for path in files if path.suffix == ".png"] in ([], ["mse_by_method.png"])
    git = json.loads((folder / manifest.NAME).read_text())["git"]
    assert re.fullmatch(r"[0-9a-f]{40}", git["commit"]) and git["changed"] is False
    kept = sum(path.stat().st_size for path in (ROOT / "docs/results").rglob("*") if path.is_file())
    assert kept < results.LARGEST


@pytest.mark.parametrize("run", ["default", "paper"])
def test_documented_files_are_those_of_the_manifest(run):
    folder = ROOT / "docs/results" / run
    if not folder.is_dir():
        pytest.skip(f"no run '{run}' is documented")
    known = json.loads((folder / manifest.NAME).read_text())["files"]
    for path in folder.rglob("*"):
        if path.is_file() and path.name != manifest.NAME:
            assert manifest.sha256(path) == known[path.relative_to(folder).as_posix()]["sha256"], path


def test_what_the_readme_says_of_the_published_table_follows_from_it(results):
    rows = {(row["method"], row["dataset"]): row for row in results.table("default", "paper")}
    outcome = {key: row["verdict"].partition("; the source:")[0].partition(" (")[0] for key, row in rows.items()}
    assert outcome["CCCV1", "vangerven"] == "reproduced"
    assert outcome["CCCV1", "miyawaki"] == "reproduced on another version of the file"
    assert outcome["CCCV1", "mindbigdata"] == outcome["CCCV1", "crell"] == "reproduced without brain data"
    table = {(r["dataset"], r["method"]): r for r in results.table("default", "comparison") if r["metric"] == "mse"}
    leaders = [r for r in results.table("default", "leaders") if (r["metric"], r["leader"]) == ("mse", "false")]
    assert all(r["tied"] == "true" for r in leaders if r["method"] == "ridge")  # shown to be worse than none that leads
    for dataset in ("vangerven", "miyawaki"):
        ours = float(table[dataset, "cortexclip"]["mean"])
        assert ours < float(table[dataset, "ridge"]["mean"]) and ours < float(table[dataset, "cccv1"]["mean"])
    ridge = table["vangerven", "ridge"]
    assert float(ridge["ci_low"]) < float(rows["CCCV1", "vangerven"]["remeasured"]) < float(ridge["ci_high"])
    audit = json.loads((ROOT / "docs/results/default/audit/miyawaki.json").read_text())
    assert any(f["check"] == "seen_images" and f["message"].startswith("All") for f in audit["findings"])


def test_what_the_readme_says_of_data_that_are_not_public_follows_from_the_tables(results):
    rows = {(row["method"], row["dataset"]): row for row in results.table("paper", "paper")}
    constant = {row["dataset"]: float(row["constant_mse"]) for row in results.table("paper", "source_datasets")}
    for dataset in ("mindbigdata", "crell"):
        assert f"reproduced without brain data ({dataset}_constant)" in rows["CCCV1", dataset]["verdict"]
        answer = constant[f"{dataset}_constant"]
        assert float(rows["CCCV1", dataset]["published"]) == pytest.approx(answer, rel=0.03)
        for method in ("CCCV1", "Brain-Diffuser", "MinD-Vis"):
            assert float(rows[method, f"{dataset}_constant"]["remeasured"]) == pytest.approx(answer, rel=0.03)


def test_a_finished_run_is_taken_over(results, finished, tmp_path):
    taken = results.collect("default", finished, tmp_path / "kept")
    found = {p.relative_to(tmp_path / "kept/default").as_posix() for p in (tmp_path / "kept").rglob("*") if p.is_file()}
    assert found == {*taken} == {*TAKEN, manifest.NAME}
    kept = json.loads((tmp_path / "kept/default" / manifest.NAME).read_text())
    assert kept["git"]["commit"] == "c0ffee" and kept["configuration"]["data_dir"] is None
    assert kept["command"] == "snakemake --cores 2" and "/somewhere" not in json.dumps(kept)


def test_score_tables_are_left_out_where_they_are_too_large(results, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "LARGEST", 200)
    results.collect("default", finished, tmp_path / "kept")
    assert not list((tmp_path / "kept").rglob("*.parquet"))


def test_an_altered_file_is_refused(results, finished, tmp_path):
    write_text(finished / "tables/comparison.csv", "other numbers")
    with pytest.raises(InputError, match="altered  tables/comparison.csv"):
        results.collect("default", finished, tmp_path / "kept")
    assert not (tmp_path / "kept/default").exists()


def test_a_changed_checkout_is_refused(results, finished, tmp_path):
    write_manifest(finished, changed=True)
    with pytest.raises(InputError, match="clean commit"):
        results.collect("default", finished, tmp_path / "kept")


def test_another_configuration_is_refused(results, finished, tmp_path):
    write_manifest(finished, seeds=1)
    with pytest.raises(InputError, match="another configuration than 'default': seeds"):
        results.collect("default", finished, tmp_path / "kept")
    with pytest.raises(InputError, match="another configuration than 'paper'"):
        results.collect("paper", finished, tmp_path / "kept")


def test_a_run_without_a_dataset_is_refused(results, finished, tmp_path):
    write_json(finished / "plan.json", {**PLAN, "unavailable": {"miyawaki": "not there"}})
    write_manifest(finished)
    with pytest.raises(InputError, match="without the datasets miyawaki"):
        results.collect("default", finished, tmp_path / "kept")


def test_a_text_with_a_folder_of_the_machine_is_refused(results, finished, tmp_path):
    write_text(finished / "tables/claims.md", f"made in {finished.parent}/work")
    write_manifest(finished)
    with pytest.raises(InputError, match="claims.md: names a folder of this machine"):
        results.collect("default", finished, tmp_path / "kept")
