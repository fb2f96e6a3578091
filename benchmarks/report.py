"""What all benchmarks share: timing side by side, one JSON file for each, and docs/benchmarks.md made from these.

    python benchmarks/report.py [--check]

A benchmark measures what it compares in one run, in turns, so that a busy machine slows all alike. It writes
``benchmarks/results/NAME.json``, whose content is a `Report`:

    name, title      of the section
    date             of the run, YYYY-MM-DD
    machine          key -> text or number: what it ran on
    versions         package -> version
    rows             list of comparisons: what, unit ("s" or "steps/s" ...), ours and peer (median, low, high, repeats,
                     and the peer's name), wanted (the ratio that has to be reached, or null) and note
    tables           list of further tables: title, columns, rows of text, notes
    notes            sentences below the section

A machine that has only numpy and the standard library can write one: nothing else is imported here.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"
PAGE = ROOT / "docs/benchmarks.md"
ORDER = (
    "training",
    "training_gpu",
    "precision",
    "ridge",
    "clip_features",
    "evaluation",
    "statistics_scale",
    "growth",
    "workflow",
    "planning",
    "mindbigdata",
    "explorer",
)
"""The sections of the page; files of other names follow in alphabetical order."""


@dataclass(frozen=True)
class Timing:
    """Median, least and greatest of some repeats."""

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Timing:
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Row:
    """One thing that was measured, with a peer's figure beside it or without.

    Where ``unit`` is "s" less is better and the ratio is the peer's over ours; else the other way round.
    """

    what: str
    ours: Timing
    peer: Timing | None = None
    peer_name: str = ""
    wanted: float | None = None
    unit: str = "s"
    note: str = ""

    @property
    def ratio(self) -> float | None:
        if self.peer is None:
            return None
        first, second = (self.peer, self.ours) if self.unit == "s" else (self.ours, self.peer)
        return first.median / second.median


@dataclass(frozen=True)
class TextTable:
    """A table of text, written as it is."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """What one benchmark found; see the module for the file that it becomes."""

    name: str
    title: str
    rows: Sequence[Row] = ()
    tables: Sequence[TextTable] = ()
    notes: Sequence[str] = ()
    machine: Mapping[str, object] = field(default_factory=lambda: machine())
    versions: Mapping[str, str] = field(default_factory=lambda: versions())
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())

    def write(self, folder: Path = RESULTS) -> None:
        """Write the report as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True, ensure_ascii=False)
        (folder / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Report:
        """Read a report back; raises ValueError, naming the file, if it is not one."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content["rows"] = [
                Row(**{**row, "ours": Timing(**row["ours"]), "peer": row["peer"] and Timing(**row["peer"])})
                for row in content["rows"]
            ]
            content["tables"] = [TextTable(**table) for table in content["tables"]]
            return cls(**content)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a report of a benchmark ({error}). Run the benchmark again.") from error


def arguments(description: str, repeats: int, devices: Sequence[str] = ()) -> argparse.Namespace:
    """The options that every benchmark has: ``--repeats``, ``--fast``, ``--write`` and, if it has any, ``--device``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=repeats, help="timings of each (%(default)s)")
    parser.add_argument("--fast", action="store_true", help="small sizes, for trying it out; writes nothing")
    parser.add_argument("--write", action="store_true", help=f"write the result below {RESULTS.relative_to(ROOT)}")
    if devices:
        parser.add_argument("--device", choices=devices, default=devices[0])
    found = parser.parse_args()
    if found.fast and found.write:
        parser.error("--fast and --write: results of small sizes are not written. Leave one out.")
    return found


def finish(report: Report, options: argparse.Namespace) -> None:
    """Print a report and, if requested, write it."""
    print("\n".join(section(report)))
    if options.write:
        report.write()


def in_turns(
    functions: Mapping[str, Callable[[], object]], repeats: int
) -> tuple[dict[str, Timing], dict[str, object]]:
    """Time functions in turns, after a first call of each that is not counted; and what that call returned."""
    results = {name: function() for name, function in functions.items()}
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: Timing.of(values) for name, values in seconds.items()}, results


def machine() -> dict[str, object]:
    """The processor, its cores, the memory and the system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "threads": os.environ.get("OMP_NUM_THREADS", "as many as cores"),
    }


def versions(packages: Iterable[str] = ("numpy", "scipy", "scikit-learn", "scikit-image", "torch")) -> dict[str, str]:
    """Python's version and those of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def page(reports: Sequence[Report]) -> str:
    """docs/benchmarks.md from the reports."""
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`, which runs every benchmark below `benchmarks/`; `python benchmarks/report.py`",
        "writes this page from their results. Each function and its peer are timed alternately in one run; values are",
        "medians, with ranges in brackets. One thread unless stated otherwise.",
        "",
    ]
    if not any(report.name == "training_gpu" for report in reports):
        lines += ["Not measured on a GPU.", ""]
    for report in reports:
        lines += [*section(report), ""]
    return "\n".join(lines).rstrip() + "\n"


def section(report: Report) -> list[str]:
    """The lines of one report."""
    lines = [f"## {report.title}", ""]
    about = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in report.machine.items())
    packages = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    lines += [f"{report.date}; {about}; {packages}.", ""]
    if report.rows:
        repeats = sorted({row.ours.repeats for row in report.rows})
        with_peer = any(row.peer for row in report.rows)
        columns = ["what", "ours", *(["peer", "peer's", "ratio", "wanted"] if with_peer else [])]
        body = []
        for row in report.rows:
            cells = [row.what + (f" ({row.note})" if row.note else ""), amount(row.ours, row.unit)]
            if with_peer:
                wanted = (
                    ""
                    if row.wanted is None
                    else f"{row.wanted:g}: {'reached' if row.ratio >= row.wanted else 'not reached'}"
                )
                ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
                cells += [row.peer_name, amount(row.peer, row.unit) if row.peer else "", ratio, wanted]
            body.append(cells)
        lines += [*_table(columns, body), "", f"Repeats: {', '.join(map(str, repeats))}.", ""]
    for table in report.tables:
        lines += [f"### {table.title}", "", *_table(table.columns, table.rows), ""]
        lines += [*table.notes, ""] if table.notes else []
    lines += [*report.notes, ""] if report.notes else []
    return lines[:-1]


def amount(timing: Timing, unit: str) -> str:
    """A median with its range, in a unit that can be read."""
    if unit != "s":
        return f"{timing.median:.4g} [{timing.low:.4g}, {timing.high:.4g}] {unit}"
    scale, name = (1, "s") if timing.median >= 1 else (1e3, "ms") if timing.median >= 1e-3 else (1e6, "µs")
    return f"{timing.median * scale:.3g} [{timing.low * scale:.3g}, {timing.high * scale:.3g}] {name}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [list(columns), ["---"] * len(columns), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in cells]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def main() -> int:
    parser = argparse.ArgumentParser(description="Make docs/benchmarks.md from the results of the benchmarks.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the page is out of date")
    check = parser.parse_args().check
    paths = sorted(
        RESULTS.glob("*.json"),
        key=lambda path: (ORDER.index(path.stem) if path.stem in ORDER else len(ORDER), path.stem),
    )
    text = page([Report.read(path) for path in paths])
    if text == PAGE.read_text(encoding="utf-8"):
        return 0
    if check:
        print(f"{PAGE.relative_to(ROOT)}: out of date. Run python benchmarks/report.py.")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: rewritten from {len(paths)} results")
    return 0


if __name__ == "__main__":
    sys.exit(main())
