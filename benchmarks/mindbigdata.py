"""Time and memory of reading a MindBigData text file of any size.

Writes a synthetic file in the official format (random values, one seed), reads it in a process of its own and prints
how long that took, the process's greatest resident memory and what was read.

    PYTHONPATH=workflow python benchmarks/mindbigdata.py [--fast] [--write]
"""

import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from report import Report, TextTable, arguments, finish, versions

from cortexclip.data import mindbigdata
from cortexclip.runtime import log


def write(path: Path, headset: str, megabytes: int) -> None:
    """Write events of all channels, digits in turn, until the file has its size; values repeat every 200 events."""
    device, rng = mindbigdata.HEADSETS[headset], np.random.default_rng(0)
    middle = sum(device.range) / 2
    signals = [
        ",".join(f"{value:.6f}" if device.microvolts == 1 else f"{value:.0f}" for value in row)
        for row in middle + rng.normal(0, 20 / device.microvolts, (200, int(2 * device.rate)))
    ]
    number = event = 0
    with open(path, "w") as stream:
        while stream.tell() < megabytes * 10**6:
            for channel in device.channels:
                columns = [
                    number,
                    event,
                    headset,
                    channel,
                    event % 10,
                    int(2 * device.rate),
                    signals[number % len(signals)],
                ]
                print(*columns, sep="\t", file=stream)
                number += 1
            event += 1


def measure(path: Path, headset: str) -> list[str]:
    """Read the file; what it took, as a row. Runs in a fresh process, whose greatest memory is the reader's."""
    log.start()
    started = time.perf_counter()
    dataset = mindbigdata.read(path, "synthetic", {"settings": {"headset": headset}})
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = json.loads(dataset.attrs["reading"])["rows"]
    megabytes = path.stat().st_size / 1e6
    return [headset, f"{megabytes:.0f}", str(rows), f"{seconds:.0f}", f"{peak:.0f}", str(dataset.sizes["sample"])]


def main() -> None:
    """Write a file for each headset, read it, remove it."""
    options = arguments(__doc__.splitlines()[0], repeats=1)
    table = []
    for headset in ("EP", "MW"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "synthetic.txt"
            write(path, headset, 50 if options.fast else 2000)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                table.append(pool.apply(measure, (path, headset)))
    columns = ["headset", "MB", "rows", "s", "greatest resident memory, MiB", "samples kept"]
    note = "Wanted for 2000 MB: at most 500 MiB."
    finish(
        Report(
            "mindbigdata",
            "Reading MindBigData's text format",
            tables=[TextTable("Synthetic files", columns, table, [note])],
            versions=versions(),
        ),
        options,
    )


if __name__ == "__main__":
    main()
