"""The time left of a run, what the terminal shows of it, and what becomes of Snakemake's own messages."""

from __future__ import annotations

import io
import logging
import random
from types import SimpleNamespace

import pytest
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from cortexclip.runtime.estimate import Estimate, Job, in_words
from cortexclip.runtime.log import SHOWN
from cortexclip.runtime.terminal import Terminal, _share_done
from snakemake_logger_plugin_cortexclip import STOPPED, LogHandler

CHAIN = [
    Job(0, "a", 1),
    Job(1, "b", 10, frozenset({0})),
    Job(2, "b", 10, frozenset({0})),
    Job(3, "c", 2, frozenset({1, 2})),
]


def test_jobs_are_laid_out_on_slots_each_after_what_it_needs():
    assert Estimate(CHAIN, 2).left(0) == 13
    assert Estimate(CHAIN, 1).left(0) == 23
    assert Estimate([*CHAIN[:3], Job(3, "c", 2)], 2).left(0) == 12  # the second b waits for c


def test_what_ends_and_what_runs_is_no_longer_left():
    estimate = Estimate(CHAIN, 2)
    estimate.start(0, 0.0)
    assert estimate.left(0.25) == 12.75
    estimate.finish(0, 1.0)
    estimate.start(1, 1.0)
    estimate.start(2, 1.0)
    assert estimate.left(4.0) == pytest.approx(9)
    for number, now in ((1, 11.0), (2, 11.0)):
        estimate.finish(number, now)
    estimate.start(3, 11.0)
    estimate.finish(3, 13.0)
    assert estimate.left(13.0) == 0


def test_what_is_late_will_be_later_still():
    estimate = Estimate([Job(0, "a", 1)], 1)
    estimate.start(0, 0.0)
    assert estimate.left(50.0) == pytest.approx(10)


def test_a_job_that_says_how_far_it_is_is_believed(tmp_path, monkeypatch):
    estimate = Estimate([Job(0, "a", 1)], 1)
    estimate.start(0, 0.0)
    estimate.progress(0, 0.25)
    assert estimate.left(50.0) == pytest.approx(150)
    log = tmp_path / "train.log"
    assert _share_done(str(log)) == 0
    log.write_text("2026-01-01 00:00:00 DEBUG train a/b: 3/8 done; fold 3/4\n2026-01-01 00:00:00 INFO x\n")
    assert _share_done(str(log)) == 3 / 8


def real_run(jobs: list[Job], slots: int, took) -> list[tuple[float, float]]:
    """Run jobs on slots by a clock, each as long as ``took`` says; estimates after every end, with the true times."""
    estimate, now, running, points = Estimate(jobs, slots), 0.0, {}, []
    while len(estimate.ended) < len(jobs):
        ready = [j for j in jobs if j.number not in estimate.started and j.needs <= estimate.ended]
        for job in ready[: slots - len(running)]:
            estimate.start(job.number, now)
            running[job.number] = now + took(job)
        number = min(running, key=running.get)
        now = running.pop(number)
        estimate.finish(number, now)
        points.append((now, estimate.left(now)))
    return [(now, left, points[-1][0] - now) for now, left in points]


@pytest.mark.parametrize("slower", [{"train": 5, "other": 1}, {"train": 0.2, "other": 1}, {"train": 3, "other": 3}])
def test_wrong_expectations_are_corrected_by_what_was_measured(slower):
    noise = random.Random(0)
    trains = [Job(n, f"train {n % 4}", 1 + n % 4, frozenset({0})) for n in range(1, 41)]
    jobs = [Job(0, "read", 1), *trains, Job(41, "tables", 5, frozenset(range(1, 41)))]
    points = real_run(
        jobs,
        2,
        lambda job: job.expected * slower[job.kind if job.kind == "other" else "train"] * noise.uniform(0.8, 1.25),
    )
    through_most = [(left, true) for now, left, true in points if 0.2 < now / points[-1][0] < 0.95]
    assert all(true / 2 < left < true * 2 for left, true in through_most)


def test_short_jobs_that_are_slow_say_little_of_long_ones():
    short = [Job(n, f"split {n}", 1) for n in range(20)]
    trains = [Job(20 + n, f"train {n}", 300) for n in range(3)]
    estimate = Estimate([*short, *trains], 1)
    for job in short:  # each takes 4 s, 3 s more than expected, which is no share of its work
        estimate.start(job.number, 4.0 * job.number)
        estimate.finish(job.number, 4.0 * job.number + 4)
    assert 900 <= estimate.left(80) < 1100
    estimate.start(20, 80)
    estimate.finish(20, 80 + 600)  # a long one counts, for those of its stage
    assert 900 < estimate.left(680) < 1200
    assert Estimate(trains, 1).left(0) == 900


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 5 s"),
        (41, "about 45 s"),
        (100, "about 2 min"),
        (3540, "about 59 min"),
        (7300, "about 2 h"),
        (12600, "about 3 h 30 min"),
    ],
)
def test_a_time_in_words(seconds, words):
    assert in_words(seconds) == words


LOG = """2026-01-01 00:00:00 INFO audit x: begun
2026-01-01 00:00:00 PYTHON a warning of a library
2026-01-01 00:00:01 WARNING audit x (holdout): serious: {}
2026-01-01 00:00:02 INFO audit x: 3 findings, 1 serious
2026-01-01 00:00:03 DEBUG detail
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "audit.log"
    path.write_text(LOG.format("All test images occur in training. " * 8))
    return str(path)


def shown(log, monkeypatch, value="jobs", terminal=False) -> str:
    monkeypatch.setenv(SHOWN, value)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    screen = Terminal(stream)
    screen.plan([Job(1, "audit", 1, label="audit x", log=log), Job(2, "train", 1, label="train x")], 1)
    screen.started(1)
    screen.finished(1)
    screen.close()
    return stream.getvalue()


def test_a_job_is_a_line_and_what_is_grave_stands_apart_wrapped(log, monkeypatch):
    lines = shown(log, monkeypatch).splitlines()
    assert lines[0] == "" and lines[1].startswith("  ! audit x (holdout): serious: All test images")
    assert all(len(line) <= 80 for line in lines) and lines[-2] == ""
    assert lines[-1].startswith("1/2  about 5 s left") and lines[-1].endswith("audit x: 3 findings, 1 serious")
    assert "library" not in "".join(lines) and "\033" not in "".join(lines)


def test_a_run_that_says_its_caveats_itself_has_one_line_on_a_terminal(log, monkeypatch):
    text = shown(log, monkeypatch, "line", terminal=True)
    assert "\n" not in text and "serious" not in text and text.endswith("\r\033[K")
    assert "0/2" in text and "1/2" in text and "audit x (0 s)" in text
    plain = shown(log, monkeypatch, "line")
    assert len(plain.splitlines()) == 1 and "\r" not in plain


def handler(monkeypatch, **changes) -> tuple[LogHandler, io.StringIO]:
    monkeypatch.setenv(SHOWN, "jobs")  # which a handler would set for the jobs
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    settings = {"quiet": {Quietness.RULES}, "verbose": False, "printshellcmds": False, "dryrun": False}
    settings |= {"stdout": False, "nocolor": True, "show_failed_logs": True, "debug_dag": False}
    return LogHandler(SimpleNamespace(**settings | changes), None), stream


def record(text, level=logging.INFO, **extra) -> logging.LogRecord:
    made = logging.LogRecord("snakemake.logging", level, "", 0, text, (), None)
    made.__dict__.update(extra)
    return made


MISSING = """Traceback (most recent call last):
  File ".../common/configfile.py", line 38, in load_configfile
FileNotFoundError: [Errno 2] No such file or directory: 'nope.yaml'
"""
MISTAKE = 'WorkflowError in file "/x/common.smk", line 33:\nconfig.yaml: datasets: unknown name.\n  File "/x", line 33, in <module>'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MISSING, "nope.yaml: there is no such configuration file."),
        (MISTAKE, "! config.yaml: datasets: unknown name."),
        ("WorkflowError:\nAt least one job did not complete successfully.", "The run is not complete"),
        ("NameError: name 'x' is not defined", "NameError: name 'x' is not defined"),
    ],
)
def test_errors_of_snakemake_are_a_sentence_and_others_stay_whole(text, expected, monkeypatch):
    made, stream = handler(monkeypatch)
    made.emit(record(text, logging.ERROR, event=LogEvent.ERROR))
    shown = stream.getvalue()
    assert expected in shown and "Traceback" not in shown and "line 33" not in shown


def test_ctrl_c_is_a_sentence(monkeypatch):
    made, stream = handler(monkeypatch)
    made.emit(record("Terminating processes on user request, this might take some time."))
    job = {"jobid": 1, "rule_name": "train", "log": ["train.log"]}
    made.emit(record("Error in rule train", logging.ERROR, event=LogEvent.JOB_ERROR, **job))
    made.emit(record("At least one job did not complete successfully.", logging.ERROR, event=LogEvent.ERROR))
    assert stream.getvalue().split("\n") == ["", f"  ! {STOPPED}", ""]


def test_chatter_is_left_out_and_verbose_shows_everything(monkeypatch):
    for verbose in (False, True):
        made, stream = handler(monkeypatch, verbose=verbose)
        for text in ("Select jobs to execute...", "Provided cores: 2", "Nothing to be done (all there)."):
            made.emit(record(text))
        assert ("Select jobs" in stream.getvalue()) == verbose
        assert "Nothing to be done" in stream.getvalue()
