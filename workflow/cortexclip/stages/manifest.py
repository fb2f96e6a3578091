"""Stage: all results of a run -> what they are, by checksum, and what they were made with."""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path

from cortexclip.configuration.plan import Plan
from cortexclip.results import manifest
from cortexclip.runtime import provenance
from cortexclip.runtime.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, help="the results folder")
    parser.add_argument("--plan", required=True, type=Plan.read, help="what was to be compared (.json)")
    parser.add_argument("--configuration", required=True, type=json.loads, help="the settings of the run, as JSON")
    parser.add_argument("--output", required=True, help="output (.json)")


def run(arguments: argparse.Namespace) -> None:
    fields = {
        "command": provenance.command()["workflow"],
        "git": provenance.git_state(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "ended": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    made = manifest.make(Path(arguments.results), arguments.plan, arguments.configuration, fields)
    write_json(arguments.output, made)
