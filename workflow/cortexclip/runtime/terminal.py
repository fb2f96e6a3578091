"""What the terminal shows of a run: a line for each job that says something, how far it is, and what is grave.

A stage's lines are in its log file; the last of them is what its job's line says. On a terminal the last line tells
how far the run is and is drawn again; in a file, and under CI, there are plain lines.
"""

from __future__ import annotations

import os
import re
import shutil
import textwrap
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from cortexclip.runtime.estimate import Estimate, Job, in_words
from cortexclip.runtime.log import SHOWN

RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ([A-Z]+) (.*)")
QUIET_FOR = 60.0
"""Seconds without a line after which a plain one says what runs."""
RED, BOLD, PLAIN = "\033[31m", "\033[1m", "\033[0m"


class Terminal:
    """Writes to ``stream``; without a plan of jobs it only passes messages on."""

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.live = bool(getattr(stream, "isatty", bool)()) and os.environ.get("TERM") != "dumb" and not _in_ci()
        self.brief = os.environ.get(SHOWN) == "line"
        self.estimate: Estimate | None = None
        self.last_written = time.monotonic()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._drawn = self._apart_last = False

    def plan(self, jobs: Iterable[Job], slots: int) -> None:
        """Begin to report on jobs, of which ``slots`` run at once."""
        with self._lock:
            self.estimate = Estimate(jobs, slots)
        threading.Thread(target=self._tick, daemon=True).start()

    def started(self, number: int) -> None:
        """A job has started."""
        with self._lock:
            if self.estimate is not None:
                self.estimate.start(number, time.monotonic())
                self._draw()

    def finished(self, number: int) -> None:
        """A job has ended: its line, and what its log warns of."""
        with self._lock:
            job = self.estimate.jobs.get(number) if self.estimate else None
            if self.estimate is None or job is None:
                return
            self.estimate.finish(number, time.monotonic())
            records = _records(job.log)
            for text in [text for level, text in records if level == "WARNING" and not self.brief]:
                self._apart(text, BOLD)
            last = next((text for level, text in reversed(records) if level == "INFO"), "")
            rule, _, rest = job.label.partition(" ")
            last = (
                last if last.startswith(rule) else f"{job.label}: {last.removeprefix(f'{rest}: ')}".removesuffix(": ")
            )
            if job.log and not (self.brief and self.live):
                self._write(f"{self._progress()}  {last}")
            self._draw()

    def failed(self, number: int, name: str, log: str) -> None:
        """A job has failed: what its log says of that, or where it is."""
        with self._lock:
            job = self.estimate.jobs.get(number) if self.estimate else None
            if self.estimate is not None:
                self.estimate.finish(number, time.monotonic())
            records = _records(log)
            why = next((text for level, text in reversed(records) if level == "ERROR"), "")
            self._apart(
                why or f"{job.label if job else name} failed, by an error in the code or a killed process.", RED
            )
            if log and not why:
                self._write(f"  Its log: {log}")

    def message(self, text: str, grave: bool = False) -> None:
        """Show text as it is, set apart if it is grave."""
        with self._lock:
            self._apart(text, RED) if grave else self._write(text)

    def close(self) -> None:
        """Take the line that is drawn again away."""
        self._ended.set()
        with self._lock:
            self._erase()
            self.estimate = None

    def _tick(self) -> None:
        while not self._ended.wait(1.0):
            with self._lock:
                if self.live:
                    self._draw()
                elif time.monotonic() - self.last_written > QUIET_FOR and (running := self._running()):
                    self._write(f"{self._progress()}  still running: {running}")

    def _progress(self) -> str:
        """How many of how many jobs are done and the time left."""
        estimate = self.estimate
        if estimate is None:
            return ""
        for number in estimate.started.keys() & estimate.jobs.keys() - estimate.ended:
            estimate.progress(number, _share_done(estimate.jobs[number].log))
        total, now = len(estimate.jobs), time.monotonic()
        left = in_words(estimate.left(now)) + " left" if len(estimate.ended) < total else "done"
        return f"{len(estimate.ended):{len(str(total))}}/{total}  {left:16}"

    def _running(self) -> str:
        now, estimate = time.monotonic(), self.estimate
        if estimate is None:
            return ""
        going = [(n, t) for n, t in estimate.started.items() if n in estimate.jobs and n not in estimate.ended]
        return "; ".join(f"{estimate.jobs[n].label} ({now - t:.0f} s)" for n, t in going)

    def _draw(self) -> None:
        if self.live and self.estimate is not None and not self._ended.is_set():
            self._erase()
            text = f"{self._progress()}  {self._running()}"
            self.stream.write(text[: _width() - 1])
            self.stream.flush()
            self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self.stream.write("\r\033[K")
            self._drawn = False

    def _apart(self, text: str, style: str) -> None:
        """A grave text wrapped to the width between empty lines."""
        lines = textwrap.wrap(
            " ".join(text.split()), _width() - 4, break_long_words=False, break_on_hyphens=False
        )  # a wrapped path could not be copied
        body = "\n".join(f"  ! {line}" if number == 0 else f"    {line}" for number, line in enumerate(lines))
        coloured = self.live and "NO_COLOR" not in os.environ
        self._write(f"\n{style}{body}{PLAIN}" if coloured else f"\n{body}")
        self._apart_last = True

    def _write(self, text: str) -> None:
        self._erase()
        gap = "\n" if self._apart_last and not text.startswith(("\n", "  ")) else ""
        self._apart_last = False
        self.stream.write(f"{gap}{text}\n")
        self.stream.flush()
        self.last_written = time.monotonic()


def _records(path: str) -> list[tuple[str, str]]:
    """Levels and messages of a log file; none where there is no file."""
    found: list[tuple[str, str]] = []
    if not path or not Path(path).is_file():
        return found
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        if match := RECORD.match(line):
            found.append((match[1], match[2]))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}")
    return found


def _share_done(path: str) -> float:
    """How much of a job is done by the last line of its log that says so, 0 where none does."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 2000))
            counts = re.findall(rb": (\d+)/(\d+) done", stream.read())
    except OSError:
        return 0.0
    return int(counts[-1][0]) / max(1, int(counts[-1][1])) if counts else 0.0


def _width() -> int:
    return min(120, max(60, shutil.get_terminal_size((100, 24)).columns))


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1", "yes")
