"""Stage: tables, figures, scores, manifest and configuration -> one archive, to go with a paper.

It holds no third-party data: no responses, no stimuli but those drawn in figures, no weights. The same results give
the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import tarfile
from pathlib import Path

from cortexclip.errors import InputError
from cortexclip.results import manifest
from cortexclip.runtime.files import atomic_path

HELD = ("plan.json", "tables/*", "figures/*", "scores/*", "identification/*", "audit/*", "runs/*/run.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", default="results", help="the results folder (%(default)s)")
    parser.add_argument("--output", default="cortexclip-results.tar.gz", help="the archive (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    results = Path(arguments.results)
    known = manifest.read(results)
    if found := manifest.differences(results, known):
        raise InputError(
            f"{results}: not as its manifest says ({found[0]}; {len(found)} in all). Run snakemake first; "
            "cortexclip verify lists the differences."
        )
    names = [*manifest.select(known["files"], HELD), manifest.NAME]
    contents = {name: (results / name).read_bytes() for name in names}
    contents["configuration.json"] = (json.dumps(known["configuration"], indent=2) + "\n").encode()
    with atomic_path(arguments.output) as temporary:
        write(temporary, Path(arguments.output).name.partition(".")[0], contents)
    print(f"{arguments.output}: {len(contents)} files")


def write(path: Path, folder: str, contents: dict[str, bytes]) -> None:
    """A gzipped tar archive of files below one folder, without times, owners or anything else of this machine."""
    with (
        open(path, "wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        for name, content in sorted(contents.items()):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
