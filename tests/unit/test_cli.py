"""The command line: messages and exit codes, atomic writing, logging, seeds."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cortexclip import __version__
from cortexclip.__main__ import COMMANDS, STAGES, main
from cortexclip.errors import InputError
from cortexclip.report.summary import opening
from cortexclip.runtime import log
from cortexclip.runtime.files import atomic_path, read_json, sha256, write_if_changed, write_json, write_text
from cortexclip.runtime.seeds import derive_seed

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    return subprocess.run(
        [sys.executable, "-m", "cortexclip", *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_explains_its_options(stage, capsys):
    with pytest.raises(SystemExit) as caught:
        main([stage, "--help"])
    assert caught.value.code == 0
    assert f"cortexclip {stage}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "printed", "complained"),
    [
        ([], 0, "  run ", ""),
        (["-h"], 0, "  bundle ", ""),
        (["--help"], 0, "  overview ", ""),
        (["--version"], 0, f"cortexclip {__version__}", ""),
        (["inspct", "a.mat"], 2, "", "unknown command 'inspct'. Did you mean 'inspect'?"),
        (["evalute"], 2, "", "Did you mean 'evaluate'?"),
        (["xyzzy"], 2, "", "Known: run, inspect, predict, show, fetch, verify, bundle."),
        (["--quick"], 2, "", "unknown command '--quick'"),
        (["run", "none.mat"], 2, "", "none.mat: there is no such file."),
        (["run", "."], 2, "", ".: is a folder."),
        (["run", __file__, "--cores", "0"], 2, "", "--cores: found 0, expected at least 1."),
        (["inspect", "none.mat", "--entry", "arrays: brain"], 2, "", "--entry: arrays: found 'brain', expected a map"),
        (["inspect", "none.mat", "--entry", "sample_axis: {brain: 1st}"], 2, "", "sample_axis: found {'brain': '1st'}"),
        (["inspect", "none.mat", "--entry", "title: 2020-01-01"], 2, "", "title: found datetime.date(2020, 1, 1)"),
        (["inspect", "none.mat", "--entry", sys.executable], 2, "", "not valid YAML"),
        (["run", __file__, "--entry", "parts: 3"], 2, "", "--entry: parts: found 3, expected one of"),
        (["inspect", "none.mat", "--no-pictures"], 2, "none.mat", ""),
    ],
)
def test_what_is_typed_and_what_is_said(words, status, printed, complained, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == status
    out, err = capsys.readouterr()
    assert printed in out and complained in err and "Traceback" not in out + err
    assert not err or len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_arguments_what_people_use_stands_apart_from_the_workflows_stages(capsys):
    main([])
    short = capsys.readouterr().out
    assert [line.split()[0] for line in short.splitlines() if line.startswith("  ")] == list(COMMANDS)
    main(["--help"])
    head, _, stages = capsys.readouterr().out.partition("Stages, which the workflow calls:")
    assert [line.split()[0] for line in head.splitlines() if line.startswith("  ")] == list(COMMANDS)
    assert [line.split()[0] for line in stages.splitlines() if line.startswith("  ")] == [*STAGES][len(COMMANDS) :]


def test_a_users_mistake_is_one_line_and_status_2(tmp_path):
    done = run("show", "--table", str(tmp_path / "none.csv"), "--log", str(tmp_path / "log.txt"))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"cortexclip show: {tmp_path}/none.csv: not there. Run snakemake --cores all first."
    ]
    assert "Traceback" not in done.stderr
    assert "not there" in (tmp_path / "log.txt").read_text()


COMPARISON = """dataset,protocol,method,encoder,metric,mean,ci_low,ci_high
vangerven,holdout,ridge,none,mse,0.03101,0.03,0.032
"""
PAPER = """method,dataset,published,remeasured,honest,control,control_value,ours
Net,vangerven,0.037037,{},0.0391,mean_image,0.0626,0.0299
Net,crell,0.032055,,,constant answer,0.032345,
Net,crell_constant,0.032055,0.0324,,constant answer,0.032345,
"""
ROLES = {"ridge": "reference", "cortexclip": "ours"}
DATASETS = "dataset,stands_for\nvangerven,vangerven\ncrell_constant,crell\n"


def test_show_begins_with_the_papers_table(tmp_path, capsys):
    folder, runs = tmp_path / "tables", {name: {"method": name, "role": role} for name, role in ROLES.items()}
    write_json(tmp_path / "plan.json", {"protocols": {"holdout": {"honest": "split"}}, "runs": runs})
    folder.mkdir()
    for name, text in (("comparison", COMPARISON), ("paper", PAPER.format(0.03654)), ("source_datasets", DATASETS)):
        (folder / f"{name}.csv").write_text(text)
    assert main(["show", "--table", str(folder / "comparison.csv")]) == 0
    head, _, net, ridge, control, ours, *_, last = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert head.split() == ["published", ">", "again", ">", "honest", "vangerven", "crell"]
    assert net.split("  ")[0] == "Net" and "0.037037 > 0.0365 > 0.0391" in net and "0.032055 > – > –" in net
    assert ridge.split() == ["ridge", "0.0310", "–"]
    assert control.split() == ["best", "control", "0.0626", "mean_image", "0.0323", "constant", "answer"]
    assert ours.split() == ["cortexclip", "(ours)", "0.0299", "–"]
    columns = {line.index(text) for line, text in ((head, "crell"), (net, "0.032055"), (control, "0.0323"))}
    assert len(columns) == 1 and "paper.md" in last
    assert main(["show", "--table", str(folder / "comparison.csv"), "--metric", "msee"]) == 2
    assert capsys.readouterr().err == "cortexclip show: --metric: unknown name 'msee'. Did you mean 'mse'?\n"


def test_show_leaves_out_a_table_that_was_not_measured(tmp_path, capsys):
    (tmp_path / "comparison.csv").write_text(COMPARISON)
    for paper in ("", PAPER.replace("0.0324", "").format("")):
        (tmp_path / "paper.csv").write_text(paper)
        assert main(["show", "--table", str(tmp_path / "comparison.csv")]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith("The published table is left out") and "0.037037" not in printed
        assert "ridge" in printed


def test_the_opening_names_sources_and_what_has_no_brain_data():
    shared = {"datasets": ["a"], "protocols": ["b"], "runs": ["c"], "settings": {"seeds": 1}, "unavailable": {}}
    stand_ins = {"other_file": {}, "rows": {"brain_data": False}}
    sources = SimpleNamespace(names=["one", "two"], cells=[("p", "rows", "m")], datasets=stand_ins)
    lines = opening(SimpleNamespace(**shared, sources=sources)).splitlines()
    assert lines[-2:] == ["  sources    one, two", "  stand-ins  other_file, rows (no brain data)"]
    none = SimpleNamespace(names=[], cells=[], datasets={})
    assert "sources" not in opening(SimpleNamespace(**shared, sources=none))


def test_a_file_that_cannot_be_read_is_no_traceback(tmp_path):
    done = run(
        "split", "--dataset", str(tmp_path), "--protocol", "x", "--entry", "{}", "--base-seed", "0", "--output", "o"
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_stage_that_computes_no_network_does_not_import_torch():
    networks = ("train", "glyphclip", "identify", "evaluate", "encode", "prior", "corpus")
    stages = [stage for stage in STAGES if stage not in networks]
    code = (
        "import importlib, sys, cortexclip.__main__\n"
        "for stage in sys.argv[1:]:\n"
        "    importlib.import_module(f'cortexclip.stages.{stage}')\n"
        "    if 'torch' in sys.modules: sys.exit(stage)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run([sys.executable, "-c", code, *stages], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_library_imports_no_snakemake():
    for path in (ROOT / "workflow/cortexclip").rglob("*.py"):
        assert "import snakemake" not in path.read_text()
        assert "from snakemake" not in path.read_text()


def test_a_failed_write_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write here"):
        write_text(tmp_path / "file" / "x", "text")


def test_what_has_not_changed_keeps_its_age(tmp_path):
    write_if_changed(tmp_path / "p", "text")
    os.utime(tmp_path / "p", (1, 1))
    write_if_changed(tmp_path / "p", "text")
    assert (tmp_path / "p").stat().st_mtime == 1
    write_if_changed(tmp_path / "p", "other")
    assert (tmp_path / "p").stat().st_mtime > 1


def test_json_goes_there_and_back_and_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, "ü"]})
    assert read_json(tmp_path / "a.json") == {"b": [1, "ü"]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        read_json(tmp_path / "c.json")
    assert sha256(tmp_path / "c.json") == "021fb596db81e6d02bf3d2586ee3981fe519f275c0ac9ca76bbcf2ebb4097d96"


def test_seeds_are_named_not_counted():
    seed = derive_seed(0, "vangerven", "holdout", "cccv1", 0, 1)
    assert seed == derive_seed(0, "vangerven", "holdout", "cccv1", 0, 1)
    others = {derive_seed(0, "vangerven", "holdout", "cccv1", fold, index) for fold in range(10) for index in range(10)}
    assert len(others) == 100
    assert all(0 <= other < 2**31 for other in others)
    assert derive_seed(1, "vangerven", "holdout", "cccv1", 0, 1) != seed


def test_progress_tells_what_is_left(tmp_path):
    log.start(str(tmp_path / "log.txt"))
    progress = log.Progress("task", 2, every=0)
    progress.detail("epoch 1")
    progress.step("seed 1")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert lines[0].endswith("task: 0/2 done; epoch 1")
    assert "task: 1/2 done; seed 1; about" in lines[1]
    assert not logging.getLogger("cortexclip").propagate
