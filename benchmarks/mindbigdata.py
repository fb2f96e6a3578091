"""Time and memory of reading a MindBigData text file of any size.

Writes a synthetic file in the official format (random values, one seed), reads it in a process of its own and prints
how long that took, the process's greatest resident memory and what was read.

    PYTHONPATH=workflow python benchmarks/mindbigdata.py [--megabytes 2000] [--headset EP] [--folder /tmp]
"""

import argparse
import json
import multiprocessing
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from cortexclip import log
from cortexclip.data import mindbigdata


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


def measure(path: Path, headset: str) -> None:
    """Read the file and print what it took; runs in a fresh process."""
    log.start()
    started = time.perf_counter()
    dataset = mindbigdata.read(path, "synthetic", {"settings": {"headset": headset}})
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    reading = json.loads(dataset.attrs["reading"])
    print(f"{platform.machine()}, numpy {np.__version__}; {path.stat().st_size / 1e6:.0f} MB, {reading['rows']} rows")
    print(f"{seconds:.0f} s, greatest resident memory {peak:.0f} MiB; {dataset.sizes['sample']} samples kept")


def main() -> None:
    """Write the file, read it, remove it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--headset", choices=mindbigdata.HEADSETS, default="EP")
    parser.add_argument("--folder", help="where the file is written (default: the folder for temporary files)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "synthetic.txt"
        write(path, arguments.headset, arguments.megabytes)
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(path, arguments.headset))
        process.start()
        process.join()
        raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
