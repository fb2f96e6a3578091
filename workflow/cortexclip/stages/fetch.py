"""Stage: the catalogues -> the data files and encoder weights that are available, and a line about each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cortexclip.configuration.config import data_folder, judge_of, merge, read_catalogue
from cortexclip.configuration.schema import check, read_yaml
from cortexclip.data.fetch import CONNECT_SECONDS, Entry, copy_stimuli, fetch_kinds, with_companions
from cortexclip.errors import InputError, nearest
from cortexclip.runtime.files import write_json
from cortexclip.runtime.log import logger

DEFAULT = Path("config/config.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--configfile", default="config/config.yaml", help="what is compared; catalogues stand beside it"
    )
    parser.add_argument(
        "--data-dir", help="folder that may hold the files already (default: CORTEXCLIP_DATA, data_dir)"
    )
    parser.add_argument("--entries", type=json.loads, help="instead of a configuration: {kind: {name: entry}} as JSON")
    parser.add_argument("--names", default="", help="only these, separated by commas (default: all that need a file)")
    parser.add_argument("--timeout", type=float, default=CONNECT_SECONDS, help="seconds to connect (%(default)g)")
    parser.add_argument("--strict", action="store_true", help="fail when a file is not available")
    parser.add_argument("--report", help="write the outcome of each entry here (.json)")


def run(arguments: argparse.Namespace) -> None:
    """Fetch all entries at once, say what became of each, write the report, and fail if ``--strict`` asks for it."""
    if not arguments.timeout > 0:
        raise InputError(f"--timeout: is {arguments.timeout:g}, expected more than 0 seconds.")
    settings: Mapping = {"data_dir": None}
    catalogues = arguments.entries
    if catalogues is None:
        settings, catalogues = _configured(Path(arguments.configfile))
    data_dir = Path(arguments.data_dir) if arguments.data_dir else data_folder(settings)
    entries = {
        kind: {
            part: Entry.parse(part, found)
            for name, entry in catalogue.items()
            if entry.get("file") is not None
            for part, found in with_companions(name, entry).items()
        }
        for kind, catalogue in catalogues.items()
    }
    chosen = [name.strip() for name in arguments.names.split(",") if name.strip()]
    known = [name for catalogue in entries.values() for name in catalogue if "." not in name]
    for name in chosen:
        if name not in known:
            raise InputError(f"--names: nothing to fetch is called '{name}'. {nearest(name, known)}")
    if chosen:
        entries = {
            kind: {n: e for n, e in found.items() if n.split(".")[0] in chosen} for kind, found in entries.items()
        }

    outcomes = fetch_kinds(entries, data_dir, arguments.timeout)
    if arguments.entries is None and data_dir is not None and (copied := copy_stimuli(data_dir)):
        logger.info("stimuli of datasets without public brain data: copied %s", ", ".join(copied))
    for name, outcome in outcomes.items():
        detail = outcome.reason or outcome.path
        logger.info("%s: %s (%s) %s", name, outcome.status, detail, "" if outcome.available else outcome.how)
    flat = {name: entry for catalogue in entries.values() for name, entry in catalogue.items()}
    for name, outcome in outcomes.items():
        if outcome.available:
            for word, stated in (("licence", flat[name].licence), ("citation", flat[name].citation)):
                if stated:
                    logger.info("%s: %s: %s", name, word, stated)
    if arguments.report:
        write_json(
            arguments.report,
            {n: {**asdict(flat[n]), **asdict(o), "available": o.available} for n, o in outcomes.items()},
        )
    missing = [name for name, outcome in outcomes.items() if not outcome.available]
    if missing and arguments.strict:
        raise InputError(f"not available: {', '.join(missing)}. The lines above say why and how to get them.")


def _configured(configfile: Path) -> tuple[dict, dict[str, dict]]:
    """Settings of a configuration, which may be a part that changes the default one, and its entries by kind."""
    settings = merge(read_yaml(DEFAULT), read_yaml(configfile))
    check(settings, "config", str(configfile))
    wanted = {"datasets": settings["datasets"], "encoders": [*settings["encoders"], judge_of(settings)]}
    catalogues = {}
    for kind, key in (("data", "datasets"), ("weights", "encoders")):
        known = read_catalogue(DEFAULT.parent, key, settings["overrides"].get(key, {}))
        catalogues[kind] = {name: known[name] for name in wanted[key] if name in known}
    return settings, catalogues
