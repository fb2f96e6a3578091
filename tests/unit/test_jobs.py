"""What the jobs of the workflow need, and where everything between stages lies."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from unittest import mock

import pytest

from cortexclip.__main__ import STAGES
from cortexclip.configuration.config import load
from cortexclip.configuration.plan import make_plan
from cortexclip.configuration.schema import read_yaml
from cortexclip.results.jobs import Jobs, any_of, report_labels
from cortexclip.results.paths import FILES, MADE_BY, expand, pattern
from cortexclip.runtime import files
from cortexclip.runtime.files import sha256

ROOT = Path(__file__).resolve().parents[2]
SMALL = read_yaml(ROOT / "config/config.yaml") | read_yaml(ROOT / "config/small.yaml")
GPU, CLUSTER = {"small": 4000, "large": 16000}, None


def jobs(**changes) -> Jobs:
    return Jobs(load(SMALL | changes, ROOT), str(ROOT), None)


def test_a_training_depends_on_what_it_uses_alone():
    plain = jobs().training("holdout", "simulated", "ridge")
    retitled = jobs(overrides={"methods": {"ridge": {"title": "Other", "note": "Another."}}})
    assert retitled.training("holdout", "simulated", "ridge") == plain
    assert set(json.loads(plain)) == {"module", "settings"}
    changed = jobs(overrides={"methods": {"ridge": {"settings": {"penalty_count": 5}}}})
    assert changed.training("holdout", "simulated", "ridge") != plain


def test_seeds_and_precision_are_for_methods_that_are_trained():
    found = jobs(precision="bfloat16")
    assert (found.seeds("holdout", "cccv1"), found.seeds("holdout", "ridge")) == (2, 1)
    assert (found.precision("cccv1"), found.precision("ridge")) == ("bfloat16", "float32")


@pytest.mark.parametrize(
    ("gpus", "requested", "expected"),
    [(CLUSTER, 1, (1, 0)), ({}, 1, (0, 0)), (GPU, 1, (1, 16000)), (GPU, 0, (0, 0))],
    ids=["a cluster decides", "none here", "a whole one", "not asked for"],
)
def test_a_gpu_is_given_where_there_is_one(gpus, requested, expected):
    found = jobs(overrides={"methods": {"cccv1": {"resources": {"gpu": requested}}}})
    assert tuple(found.resource("cccv1", name, gpus) for name in ("gpu", "gpu_mem_mb")) == expected


def test_encoders_are_those_of_runs_and_of_the_judge():
    found = jobs()
    assert found.encoders("glyphclip") == ["glyphclip"]
    assert found.encoders_of(["ridge", "ridge_clip.glyphclip", "clip_encoder.glyphclip"]) == ["glyphclip"]
    assert list(json.loads(found.encoder_entries(["glyphclip"]))) == ["glyphclip"]


def test_a_pool_holds_measured_datasets_alone():
    assert jobs().pool("simulated", "ridge") == []


def test_what_is_not_there_is_fetched_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d/vangerven").mkdir(parents=True)
    (tmp_path / "d/vangerven/digit69_28x28.mat").touch()
    found = Jobs(load(SMALL | {"datasets": ["vangerven"], "data_dir": "d"}, ROOT), str(ROOT), Path("d"))
    assert "vangerven/digit69_28x28.mat" in found.to_fetch("data")
    (tmp_path / "resources/data/vangerven").mkdir(parents=True)
    (tmp_path / "resources/data/vangerven/digit69_28x28.mat").touch()
    assert "vangerven/digit69_28x28.mat" not in found.to_fetch("data")
    (tmp_path / "d/recordings").mkdir()
    assert found.raw_file("recordings") == "d/recordings" and found.raw_file("a.mat") == "resources/data/a.mat"


def test_a_replaced_file_is_noticed_however_old_it_is_and_read_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORTEXCLIP_DATA", raising=False)
    entry = dict.fromkeys(("title", "source", "licence", "citation", "modality", "how"), "x")
    entry |= {"file": "a.mat", "reader": "cortexclip.data.arrays", "notes": []}
    entry |= {"pixel_order": "row-major", "labels": "none"}
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a.mat").write_bytes(b"first")

    def found(**pinned) -> str:
        settings = {"datasets": ["mine"], "data_dir": "d", "overrides": {"datasets": {"mine": entry | pinned}}}
        return Jobs(load(SMALL | settings, ROOT), str(ROOT), Path("d")).replaced("mine")

    first = hashlib.sha256(b"first").hexdigest()
    assert (found(), found(sha256=first)) == (first, "")
    file = tmp_path / "resources/data/a.mat"  # once it has been copied it counts as before
    file.parent.mkdir(parents=True)
    file.write_bytes(b"first")
    assert (found(), found(sha256=first)) == (first, "")
    with mock.patch.object(files, "sha256", side_effect=AssertionError("read again")):
        assert (found(), found(sha256=first)) == (first, "")
    old = file.stat()
    file.write_bytes(b"other")
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns - 10**12))
    other = hashlib.sha256(b"other").hexdigest()
    assert found() == found(sha256=first) == other
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))
    file.write_bytes(b"third")
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))  # its size and age are those of the first one
    assert found(sha256=first) == hashlib.sha256(b"third").hexdigest()
    for damaged in ("{", "[]", '{"x": 1}', json.dumps({str(file): {"state": 1}})):
        (tmp_path / "resources/sums.json").write_text(damaged)
        assert found(sha256=other) == hashlib.sha256(b"third").hexdigest()


def test_every_module_that_makes_results_is_named():
    modules = jobs().modules()
    assert {"cortexclip.stages.train", "cortexclip.stages.tables"} <= set(modules)
    assert len(modules) == len([name for name in modules if name.startswith("cortexclip.")])


def test_files_of_cells_come_once_and_are_chosen_by_name():
    cells = make_plan(load(SMALL, ROOT)).trainings()
    assert expand("scores", cells, protocol="unseen") == ["results/scores/unseen/simulated.parquet"]
    assert len(expand("record", cells)) == len(cells) and len(expand("split", cells)) == 3
    assert expand("identification", cells, judge="x") == ["results/identification/x/simulated.parquet"]


def test_every_path_has_its_stages():
    assert {stage for stages in MADE_BY.values() for stage in stages} <= STAGES.keys()
    assert FILES.audit == "results/audit/{dataset}.json"
    assert pattern("record", dataset="toy") == "runs/*/toy/*/run.json"


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("results/tables/paper.pdf", {"table": "paper"}),
        ("results/tables/main.md", None),
        ("results/figures/seen_unseen.{dataset}.png", {"figure": "seen unseen", "dataset": "{dataset}"}),
        ("results/figures/differences.holdout.{dataset}.png", {"figure": "differences", "protocol": "holdout"}),
        ("results/figures/reference/{protocol}/{dataset}.png", {"figure": "reference", "protocol": "{protocol}"}),
        ("results/figures/mse_by_method.txt", None),
    ],
)
def test_snakemakes_report_shows_tables_and_figures(path, labels):
    found = report_labels(path, ["holdout"])
    assert (found is None) == (labels is None)
    if found:
        assert labels.items() <= found["labels"].items() and (ROOT / "workflow/rules" / found["caption"]).is_file()


def test_a_constraint_allows_its_names_alone():
    assert any_of(["a.b", "c"]) == r"a\.b|c" and any_of([]) == "(?!)"


def test_a_replaced_data_file_is_noticed_however_old_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("resources/data/vangerven", "mine/vangerven"):
        Path(folder).mkdir(parents=True)
        Path(folder, "digit69_28x28.mat").write_bytes(b"right")
    pinned = {"vangerven": {"sha256": sha256(Path("mine/vangerven/digit69_28x28.mat"))}}
    settings = SMALL | {"datasets": "vangerven", "data_dir": str(tmp_path / "mine"), "overrides": {"datasets": pinned}}
    monkeypatch.delenv("CORTEXCLIP_DATA", raising=False)
    found = Jobs(load(settings, ROOT), str(ROOT), tmp_path / "mine")
    assert (found.replaced("vangerven"), found.differing_copies()) == ("", [])
    Path("resources/data/vangerven/digit69_28x28.mat").write_bytes(b"other")
    assert found.replaced("vangerven") == sha256(Path("resources/data/vangerven/digit69_28x28.mat"))
    (line,) = found.differing_copies()
    assert "differ. The copy is used" in line


def test_a_job_is_expected_to_take_what_it_took_or_what_is_stated(tmp_path):
    found, cell = jobs(), {"protocol": "unseen", "dataset": "simulated", "run": "cccv1"}
    stated = found.seconds("train", cell, None)
    assert stated == pytest.approx(0.9 + 2 * 3 * 0.5)  # two seeds, three folds, half a second each by small.yaml
    (tmp_path / "last.tsv").write_text("s\th:m:s\n12.5\t0:00:12\n")
    assert found.seconds("train", cell, str(tmp_path / "last.tsv")) == 12.5
    assert found.seconds("train", cell, str(tmp_path / "none.tsv")) == stated
    assert found.seconds("split", {}, None) == 0.9


@pytest.mark.parametrize(
    ("method", "encoders", "expected"),
    [
        ("ridge", [], False),
        ("ridge_clip", ["pixels"], False),
        ("ridge_clip", ["glyphclip"], True),
        ("vae_ridge", [], True),
    ],
)
def test_the_corpus_matters_where_something_learned_from_it(method, encoders, expected):
    changes = {"methods": [method], "encoders": encoders, "judge": "none"}
    assert bool(jobs(**changes, overrides={}).nearest_in_corpus(encoders)) == expected


def test_weights_are_files_that_are_fetched_and_folders_that_ship(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = {"file": "x.pt", "addresses": [], "sha256": "0" * 64, "licence": "x", "how": "x"}
    Path("resources/weights").mkdir(parents=True)
    Path("resources/weights/x.pt").touch()
    found = jobs(
        methods=["ridge", "mind_vis"],
        encoders=["clip", "glyphclip"],
        overrides={"encoders": {"clip": entry}},
    )
    shipped = [os.path.relpath(ROOT / "resources" / name) for name in ("glyphclip", "priors/glyphs")]
    assert found.weights("encoder", ["clip", "glyphclip"]) == [shipped[0], "resources/weights/x.pt"]
    assert (found.weights("run", ["ridge"]), found.weights("run", ["mind_vis"])) == ([], shipped[1:])
