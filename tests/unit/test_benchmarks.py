"""The files of the benchmarks and the page that is made from them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def report():
    spec = importlib.util.spec_from_file_location("benchmark_report", ROOT / "benchmarks/report.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def made(report):
    ours, peer = report.Timing.of([0.2, 0.1, 0.3]), report.Timing.of([2.0, 1.0, 3.0])
    rows = [
        report.Row("fast | thing", ours, peer, "a loop", wanted=5),
        report.Row("slow thing", peer, ours, "another", wanted=1),
        report.Row("steps", report.Timing.of([50.0]), report.Timing.of([5.0]), "a loop", 20, "steps/s"),
        report.Row("alone", ours),
    ]
    table = report.TextTable("More", ["a", "b"], [["1", "2"]], ["Why."])
    return report.Report("x", "Things", rows, [table], ["A note."], {"cores": 2}, {"numpy": "2"}, "2026-01-02")


def test_a_report_is_read_back_as_it_was_written(made, report, tmp_path):
    made.write(tmp_path)
    assert report.Report.read(tmp_path / "x.json") == made


def test_the_page_says_what_was_measured_and_whether_it_suffices(made, report):
    text = report.page([made])
    assert "| fast \\| thing | 200 [100, 300] ms | a loop | 2 [1, 3] s | 10 | 5: reached |" in text
    assert "| 0.1 | 1: not reached |" in text
    assert "| 50 [50, 50] steps/s | a loop | 5 [5, 5] steps/s | 10 | 20: not reached |" in text
    assert "| alone | 200 [100, 300] ms |  |  |  |  |" in text
    assert "2026-01-02; cores 2; numpy 2." in text
    assert "### More" in text and "| 1 | 2 |" in text and "Why." in text and "A note." in text


def test_a_damaged_file_is_named(report, tmp_path):
    (tmp_path / "bad.json").write_text('{"name": "bad"}')
    with pytest.raises(ValueError, match="bad.json: not a report"):
        report.Report.read(tmp_path / "bad.json")


def test_functions_are_timed_in_turns_after_a_first_call(report):
    calls = []
    times, results = report.in_turns({"a": lambda: calls.append("a") or 1, "b": lambda: calls.append("b") or 2}, 2)
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert results == {"a": 1, "b": 2} and times["a"].repeats == 2
    assert times["a"].low <= times["a"].median <= times["a"].high
