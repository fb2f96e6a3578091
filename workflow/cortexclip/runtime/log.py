"""Log lines of a stage: plain lines in a file, the same lines on the terminal."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from pathlib import Path

logger = logging.getLogger("cortexclip")
SHOWN = "CORTEXCLIP_TERMINAL"
"""Environment variable by which a run that shows a line for each job (`terminal`) keeps the jobs' own lines to their
files: "jobs", or "line" where one line for the whole run is enough and its caveats are shown afterwards."""


def start(path: str | None = None) -> None:
    """Send log lines to stderr and, if ``path`` is given, to that file (replaced) as well.

    As a job of a run that shows a line for each job, send them to the file alone.
    """
    logger.setLevel(logging.DEBUG)
    logger.propagate = False  # other libraries set up the root logger, which would repeat every line
    logger.handlers.clear()
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.CRITICAL if path and SHOWN in os.environ else logging.INFO)
    screen.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(screen)
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        file.addFilter(_mark_python)
        logger.addHandler(file)
    logging.captureWarnings(True)
    warnings_log = logging.getLogger("py.warnings")
    warnings_log.handlers[:] = [*logger.handlers[1:], _MissingLetters()]
    warnings_log.propagate = False


class _MissingLetters(logging.Handler):
    """Warns once, on the terminal too, that no font has a letter, which matplotlib reports for each letter."""

    warned = False

    def emit(self, record: logging.LogRecord) -> None:
        found = re.search(r"Glyph (\d+) .*missing from", record.getMessage())
        if found and not self.warned:
            self.warned = True
            logger.warning(
                "Figures show boxes for letters that no installed font has, such as %s (U+%04X). Install a font that "
                "has them, such as Noto Sans CJK or Noto Emoji.",
                chr(int(found[1])),
                int(found[1]),
            )


def _mark_python(record: logging.LogRecord) -> bool:
    """Give Python's own warnings a level of their own: they are for those who read the file."""
    if record.name == "py.warnings":
        record.levelname = "PYTHON"
    return True


class Progress:
    """Lines about long work: how far it is and how long it may still take.

    Every step is logged at DEBUG (the file), at most one line in ``every`` seconds at INFO (the terminal too).

    >>> progress = Progress("train ridge", total=3)
    >>> progress.step("seed 1/3")
    """

    def __init__(self, task: str, total: int, every: float = 10.0):
        self.task, self.total, self.every = task, total, every
        self.done = 0
        self.started = self.shown = time.monotonic()

    def step(self, detail: str = "", amount: int = 1) -> None:
        """Record that ``amount`` more of ``total`` units are done."""
        self.done += amount
        self.detail(detail)

    def detail(self, text: str) -> None:
        """Say what is happening within a unit of work, without counting it as done."""
        now = time.monotonic()
        level = logging.DEBUG
        if now - self.shown >= self.every:
            level, self.shown = logging.INFO, now
        if self.done:
            text += f"; about {(now - self.started) / self.done * (self.total - self.done):.0f} s left"
        logger.log(level, "%s: %d/%d done; %s", self.task, self.done, self.total, text)
