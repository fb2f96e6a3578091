"""A logger of Snakemake's that shows a run as `cortexclip.runtime.terminal` does: ``--logger cortexclip``.

The profile asks for it. What else Snakemake says of a run is kept in ``.snakemake/log``, and shown as Snakemake does it
with --verbose, --printshellcmds, --dry-run or another --quiet than the profile's. Its errors that users run into become
a sentence.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from cortexclip.runtime.log import SHOWN
from cortexclip.runtime.terminal import Terminal

CHATTER = re.compile(
    "Using (workflow|profile|shell)|Assuming unrestricted|Building DAG|Provided |Rules claiming|Conda environments|"
    "Singularity containers|Group jobs|Select jobs|Execute [0-9]+ jobs|Complete log|Elapsed time|Shutting down|"
    "Config file .* is extended|Exiting because a job|Waiting at most|Storing output|Removing|Terminating processes"
)
JOB_FAILED = "At least one job did not complete successfully."
STOPPED = "Stopped. The same command continues from here."


class LogHandler(LogHandlerBase):
    """Passes Snakemake's events to a `Terminal`, or to Snakemake's own handler where all of them are requested."""

    has_filter = has_formatter = writes_to_stream = True
    writes_to_file = needs_rulegraph = False

    def __post_init__(self) -> None:
        from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
        from snakemake.settings.enums import Quietness

        given = self.common_settings
        self.stopped = False
        self.whole = given.verbose or given.printshellcmds or given.dryrun or Quietness.RULES not in (given.quiet or ())
        stream = sys.stdout if given.stdout else sys.stderr
        self.terminal = Terminal(stream)
        self.plain = ColorizingTextHandler(given.nocolor, stream)
        self.plain.setFormatter(DefaultFormatter(given.quiet, given.show_failed_logs))
        self.plain.addFilter(
            DefaultFilter(given.quiet, given.debug_dag, given.verbose, given.dryrun, given.printshellcmds)
        )
        if not self.whole:
            os.environ.setdefault(SHOWN, "jobs")

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a record says, if anything."""
        try:
            if record.levelno >= logging.ERROR and not self.common_settings.verbose:
                sentence = self._sentence(record)
                if sentence is not None:
                    self.terminal.message(sentence, grave=True) if sentence else None
                    return
            if self.whole:
                self.plain.handle(record)
            else:
                self._show(record)
        except Exception:
            self.handleError(record)

    def _show(self, record: Any) -> None:
        event, terminal = getattr(record, "event", None), self.terminal
        if hasattr(record, "cortexclip_jobs"):
            terminal.plan(record.cortexclip_jobs, record.cortexclip_slots)
        elif event == LogEvent.JOB_INFO:
            terminal.started(record.jobid)
        elif event == LogEvent.JOB_FINISHED:
            terminal.finished(record.job_id)
        elif event == LogEvent.JOB_ERROR:
            if not self.stopped:
                terminal.failed(record.jobid, record.rule_name, next(iter(record.log), ""))
        elif event in (None, LogEvent.ERROR):
            text = str(record.msg or "")
            self.stopped = self.stopped or "user request" in text
            if text and (record.levelno >= logging.WARNING or not CHATTER.match(text)):
                terminal.message(text)

    def _sentence(self, record: logging.LogRecord) -> str | None:
        """What a user needs of an error, "" for nothing; None for one that is shown as it is."""
        text = str(record.msg or "")
        if "died with <Signals.SIGINT" in text or "Cancelling snakemake" in text:
            self.stopped = True
            return ""
        if text.startswith("Exiting because a job"):
            return ""
        if JOB_FAILED in text:
            return STOPPED if self.stopped else "The run is not complete; the errors are shown above. " + AGAIN
        if "load_configfile" in text and (missing := re.search(r"No such file or directory: '(.*)'", text)):
            return (
                f"{missing[1]}: there is no such configuration file. Name one that exists, such as config/small.yaml."
            )
        if match := re.match(r"WorkflowError in file [^\n]*, line \d+:\n(.*?)(\n  File |\Z)", text, flags=re.DOTALL):
            return match[1]
        return None

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.terminal.close()
        super().close()


AGAIN = "Fix it and run the same command again: finished work is kept."
