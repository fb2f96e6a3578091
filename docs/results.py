"""Results of documented runs: takes a finished run into docs/results/, and writes the documentation from there.

    python docs/results.py                      write the tables of README.md and docs/ from docs/results/
    python docs/results.py --check              change nothing; say which pages are out of date, and fail if any is
    python docs/results.py --collect default    first take over the run in results/ (with --results, of that folder)

A run of the default configuration is ``default``, one of config/paper.yaml ``paper``, and so on (`CONFIGURATIONS`).
Only a run of a clean commit whose manifest verifies is taken over: its tables, audits, score tables of the comparison,
plan and manifest, never a picture of a stimulus and no prediction. A table in the documentation stands between
``<!-- results: NAME -->`` and ``<!-- end of results -->``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from cortexclip.configuration.config import merge  # noqa: E402
from cortexclip.configuration.plan import run_name  # noqa: E402
from cortexclip.configuration.schema import read_yaml  # noqa: E402
from cortexclip.errors import InputError  # noqa: E402
from cortexclip.results import manifest  # noqa: E402
from cortexclip.results.tables import TABLES, read_table  # noqa: E402
from cortexclip.runtime.files import read_json, write_json  # noqa: E402
from cortexclip.tables.claims import OTHER_FILE, STATUS, excludes_little, outcome_text  # noqa: E402
from cortexclip.tables.statistics import claim  # noqa: E402

KEPT = ROOT / "docs/results"
CONFIGURATIONS = {"default": None} | {name: f"{name}.yaml" for name in ("paper", "literature", "honest", "sessions")}
SINCE = {"paper": ["cortexclip"]}  # methods that were changed after the run kept here
PARTS = "parts/parts.json"  # of benchmarks/parts.py
TAKEN = ("plan.json", "tables/*.csv", *(f"tables/{name}.md" for name in ("paper", "claims", "comparison", "audit")))
TAKEN += ("audit/*.json", "figures/mse_by_method.png")
OF_SOURCES = ("claims", "paper", "remeasured", "configurations", "source_datasets")  # tables, empty without sources
SCORES = ("scores/*/*.parquet", "identification/*/*.parquet")
LARGEST = 6_000_000  # bytes of all documented runs together
PAGES = ("README.md", "docs/results.md", "docs/cortexclip.md")
BLOCK = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
METRICS = {"mse": "MSE", "pixcorr": "PixCorr", "ssim": "SSIM", "pairwise_identification": "2-way"}
SPLIT = "holdout"
NOTHING = "–"

Rows = list[dict[str, str]]


def collect(name: str, results: Path, kept: Path = KEPT) -> list[str]:
    """Take a finished run over into ``kept/name``; InputError if it is not one that can be documented.

    Returns the names of the files that were taken. Score tables are left out if all runs together became too large.
    """
    known = manifest.read(results)
    check_run(name, results, known)
    names = manifest.select(known["files"], TAKEN)
    if not known["configuration"]["sources"]:
        names = [file for file in names if Path(file).stem not in OF_SOURCES]
    scores = manifest.select(known["files"], SCORES)
    elsewhere = sum(
        path.stat().st_size for path in kept.rglob("*") if path.is_file() and kept / name not in path.parents
    )
    if elsewhere + sum((results / file).stat().st_size for file in [*names, *scores]) < LARGEST:
        names += scores
    else:
        print(f"{name}: score tables left out, {len(scores)} files; docs/results/ would exceed {LARGEST:,} bytes")
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept, prefix=".") as temporary:
        target = Path(temporary) / name
        for file in names:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(results / file, target / file)
        write_json(target / manifest.NAME, portable(known))
        refuse_paths(target, results)
        shutil.rmtree(kept / name, ignore_errors=True)
        os.replace(target, kept / name)
    return [*names, manifest.NAME]


def check_run(name: str, results: Path, known: Mapping) -> None:
    """InputError unless a run verifies, is of a clean commit, and is one of the configuration called ``name``."""
    if found := manifest.differences(results, known):
        raise InputError(f"{results}: not as its manifest says, {len(found)} differences, first: {found[0]}")
    git = known.get("git")
    if not git or not git["commit"] or git["changed"]:
        raise InputError(f"{results}: not made from a clean commit (git: {git}). Commit, and run the workflow again.")
    wanted = read_yaml(ROOT / "config/config.yaml")
    if CONFIGURATIONS[name]:
        wanted = merge(wanted, read_yaml(ROOT / "config" / CONFIGURATIONS[name]))
    free = {"data_dir", "strict"}  # where the data lie, and whether all have to be there
    other = [
        key for key in {*wanted, *known["configuration"]} - free if wanted.get(key) != known["configuration"].get(key)
    ]
    if other:
        raise InputError(f"{results}: a run of another configuration than '{name}': {', '.join(sorted(other))} differ.")
    absent = set(read_json(results / manifest.PLAN)["unavailable"]) & {*wanted["datasets"], *wanted["stand_ins"]}
    if absent:
        raise InputError(f"{results}: a run without the datasets {', '.join(sorted(absent))}. Get them and run again.")


def portable(known: Mapping) -> dict:
    """A manifest without the paths of files on the machine of the run."""
    words = [Path(word).name if word.startswith("/") else word for word in shlex.split(known["command"])]
    return {**known, "command": shlex.join(words), "configuration": {**known["configuration"], "data_dir": None}}


def refuse_paths(folder: Path, results: Path) -> None:
    """InputError if a text that is taken over names a folder of this machine."""
    private = {str(results.resolve().parent), str(Path.home()), os.environ.get("CORTEXCLIP_DATA", "")} - {"", "/"}
    for path in folder.rglob("*"):
        if path.suffix in (".csv", ".md", ".json"):
            text = path.read_text(encoding="utf-8")
            if found := [name for name in private if f"{name}/" in text or f'{name}"' in text]:
                raise InputError(f"{path.relative_to(folder)}: names a folder of this machine, {found[0]}")


def table(run: str, name: str, kept: Path = KEPT) -> Rows:
    """The rows of a CSV table of a documented run."""
    with open(kept / run / "tables" / f"{name}.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def sources_of(run: str) -> list[str]:
    """The sources whose numbers a documented run measured again."""
    return read_json(KEPT / run / manifest.NAME)["configuration"]["sources"]


def markdown(head: list[str], body: list[list[str]], words: int | None = None) -> str:
    """A table; the columns after the first ``words`` hold numbers."""
    words = len(head) if words is None else words
    rule = ["---"] * words + ["--:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *body]) + "\n"


def about(run: str) -> str:
    """Which run a table is from."""
    known = read_json(KEPT / run / manifest.NAME)
    file = f"config/{CONFIGURATIONS[run] or 'config.yaml'}"
    seeds, plan = known["configuration"], read_json(KEPT / run / manifest.PLAN)
    gone = f" Not available: {', '.join(plan['unavailable'])}." if plan["unavailable"] else ""
    since = "".join(f" `{method}` was changed after this run." for method in SINCE.get(run, []))
    return (
        f"Run of `{file}` at commit `{known['git']['commit'][:10]}`, finished {known['ended'][:10]}; "
        f"{amount(seeds['seeds'])}, {seeds['source_seeds']} for the sources' procedures; Python "
        f"{known['machine']['python']}, torch {known['versions'].get('torch', 'none')}, "
        f"{known['machine']['processor']}.{gone}{since}\n"
    )


def amount(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


# ---------------------------------------------------------------- the published table
def paper(run: str) -> str:
    """The published table: three methods as published and measured again, ridge, the best control and ours."""
    rows = table(run, "paper")
    names = list(dict.fromkeys(row["method"] for row in rows))
    datasets = [row["dataset"] for row in rows if row["method"] == names[0] and not is_stand_in(row, run)]
    by_cell = {(row["method"], row["dataset"]): row for row in rows}
    body = [[name, *(paper_cell(by_cell[name, dataset], by_cell, run) for dataset in datasets)] for name in names]
    ridge = {r["dataset"]: r for r in table(run, "comparison") if (r["method"], r["metric"]) == ("ridge", "mse")}
    ridge = {name: row for name, row in ridge.items() if row["protocol"] == SPLIT}
    first = [by_cell[names[-1], dataset] for dataset in datasets]
    body.append(["Ridge", *(digits(ridge.get(name, {}).get("mean")) for name in datasets)])
    body.append(["Best control", *(f"{digits(r['control_value'])} ({r['control']})" for r in first)])
    body.append(["cortexclip (ours)", *(digits(row["ours"]) for row in first)])
    return markdown(["MSE", *datasets], body) + f"\n{status(rows, names)}\n"


def status(rows: Rows, names: list[str]) -> str:
    """What has been stated about the published values since, or what their code shows: of all, then of single rows."""
    marks = {name: [marks_of(row) for row in rows if row["method"] == name] for name in names}
    shared = [mark for mark in marks[names[0]][0] if all(mark in found for each in marks.values() for found in each)]
    sentences = [f"All of these published values: {', '.join(shared)}."] if shared else []
    for name, each in marks.items():
        if own := [mark for mark in dict.fromkeys(sum(each, [])) if mark not in shared]:
            sentences.append(f"Those of {name}: {', '.join(own)}.")
    return " ".join(sentences)


def marks_of(row: Mapping[str, str]) -> list[str]:
    """The marks of a row's source, in words."""
    return [STATUS[kind] for kind in row["status"].split("; ") if kind]


def verdict_of(row: Mapping[str, str]) -> str:
    """The verdict of a row of the claims table in words."""
    ends = [float(row[key] or "nan") for key in ("low", "high")]
    vague = excludes_little(row["kind"], row["metric"], row["part"], *ends)
    return outcome_text(row["outcome"], row["reason"], row["measured_on"], vague)


def claim_of(row: Mapping[str, str], run: str) -> dict[str, str]:
    """The row of the claims table for a cell of the published table."""
    keys = ("source", "method", "dataset")
    mine = [claim for claim in table(run, "claims") if all(claim[key] == row[key] for key in keys)]
    return next(claim for claim in mine if (claim["kind"], claim["metric"], claim["part"]) == ("number", "mse", ""))


def paper_cell(row: dict[str, str], by_cell: Mapping[tuple[str, str], dict[str, str]], run: str) -> str:
    """A published value, what its procedure gives, the verdict, and the method's value in the honest protocol."""
    claim = claim_of(row, run)
    lines = [f"{float(row['published']):.6f}", again(row)]
    other = by_cell.get((row["method"], claim["measured_on"]))
    if other and claim["outcome"] == OTHER_FILE:
        lines.append(f"{claim['measured_on']}: {again(other)}")
    lines.append(verdict_of(claim))
    if row["honest"]:
        lines.append(f"`{SPLIT}`: {digits(row['honest'])}")
    return "<br>".join(lines)


def again(row: Mapping[str, str]) -> str:
    """What a procedure gives: mean and range over seeds."""
    return f"{digits(row['remeasured'])} {span(row['low'], row['high'])}" if row["remeasured"] else "not measured"


def is_stand_in(row: dict[str, str], run: str) -> bool:
    return any(row["dataset"] == r["dataset"] != r["stands_for"] for r in table(run, "source_datasets"))


def stand_ins(run: str) -> str:
    """The same procedures on other files and on rows without brain data."""
    rows = [row for row in table(run, "paper") if is_stand_in(row, run)]
    names = list(dict.fromkeys(row["method"] for row in rows))
    found = {(row["method"], row["dataset"]): row for row in rows}
    body = []
    for entry in table(run, "source_datasets"):
        if any(dataset == entry["dataset"] for _, dataset in found):
            cells = [found.get((name, entry["dataset"])) for name in names]
            values = [again(row) if row else NOTHING for row in cells]
            brain = "yes" if entry["brain_data"] == "True" else "none"
            body.append([entry["dataset"], brain, *values, digits(entry["constant_mse"])])
    return markdown(["dataset", "brain data", *names, "constant answer"], body)


def span(low: str | float, high: str | float) -> str:
    return f"[{float(low):.4f}, {float(high):.4f}]"


def digits(value: str | None) -> str:
    return f"{float(value):.4f}" if value else NOTHING


# ---------------------------------------------------------------- other tables
def comparison(run: str) -> str:
    """Mean squared error with its interval under the honest protocol, methods by datasets."""
    rows = [row for row in table(run, "comparison") if (row["metric"], row["protocol"]) == ("mse", SPLIT)]
    cells = {(row["method"], row["encoder"], row["dataset"]): row for row in rows}
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    body = []
    for method, encoder in dict.fromkeys(key[:2] for key in cells):
        found = [cells.get((method, encoder, dataset)) for dataset in datasets]
        values = [f"{digits(r['mean'])} {span(r['ci_low'], r['ci_high'])}" if r else NOTHING for r in found]
        body.append([f"`{method}`" + ("" if encoder == "none" else f" ({encoder})"), *values])
    return markdown(["MSE [95 % interval]", *datasets], body, words=1)


def claims(run: str) -> str:
    """How many numbers of each source have which outcome, in this run or in the literature's where that has them."""
    groups: dict[str, Rows] = {}
    measured = sources_of("literature")
    rows = [row for row in table(run, "claims") if row["source"] not in measured]
    for row in [*rows, *(row for row in table("literature", "claims") if row["source"] in measured)]:
        groups.setdefault(row["source"], []).append(row)
    found = {row["outcome"] for rows in groups.values() for row in rows}
    outcomes = sorted(found, key=lambda text: (text.startswith(("not", "cannot")), text))
    body = []
    for source, rows in groups.items():
        counts = Counter(row["outcome"] for row in rows)
        marks = ", ".join(marks_of(rows[0]))
        body.append([f"`{source}`", str(len(rows)), *(str(counts[o] or "") for o in outcomes), marks])
    return markdown(["source", "claims", *outcomes, "status"], body)


def literature(run: str) -> str:
    """Each number of other groups' decoders with its measurement and verdict."""
    sources, body = sources_of(run), []
    for row in table(run, "claims"):
        if row["kind"] != "number" or row["source"] not in sources or not row["remeasured"]:
            continue
        metric = METRICS.get(row["metric"], row["metric"]) + (f", {row['folds']} folds" if row["folds"] else "")
        metric += ", standard deviation over folds" if row["part"] == "spread" else ""
        of_row = [row["dataset"], row["method"], f"`{row['source']}`", metric, row["published"]]
        body.append([*of_row, again(row), verdict_of(row)])
    head = ["dataset", "method", "source", "what", "published", "measured again", "verdict"]
    return markdown(head, body)


def parts(run: str) -> str:
    """Scores of cortexclip with each part left out, on folds of the canonical training parts."""
    known = read_json(KEPT / PARTS)
    head, body = [""], [[row["part"]] for row in known["cells"][0]["rows"]]
    for cell in known["cells"]:
        head += [f"{cell['dataset']}, {cell['folds']} folds by {cell['by']}: MSE", "SSIM", "2-way"]
        for line, scores in zip(body, cell["rows"], strict=True):
            line += [f"{scores['mse']:.4f}", f"{scores['ssim']:.3f}", f"{scores['pairwise_identification']:.3f}"]
    state = known["git"]
    at = f"commit `{state['commit'][:10]}`" if state else "no commit"
    return (
        markdown(head, body, words=1)
        + f"\n`python benchmarks/parts.py`, {known['date']}, {at}, {known['processor']}.\n"
    )


def honest(run: str) -> str:
    """Means of four metrics, methods below each dataset and protocol; bold where it is better than its rivals."""
    leaders = table(run, "leaders")
    group = ("dataset", "protocol", "metric")
    rivals = [row for row in leaders if row["rival"] == "true"]
    tied = {tuple(row[key] for key in group) for row in rivals if row["tied"] == "true"}
    tested = {tuple(row[key] for key in group) for row in rivals} - tied
    leading = {tuple(row[key] for key in (*group, "method", "encoder")) for row in leaders if row["leader"] == "true"}
    means = {
        tuple(row[key] for key in (*group, "method", "encoder")): float(row["mean"])
        for row in table(run, "comparison")
        if row["metric"] in METRICS
    }
    body = []
    for dataset, protocol, method, encoder in dict.fromkeys((*key[:2], *key[3:]) for key in means):
        cells = []
        for metric in METRICS:
            key = (dataset, protocol, metric, method, encoder)
            text = f"{means[key]:.4f}" if metric == "mse" else f"{means[key]:.3f}"
            cells.append(f"**{text}**" if key in leading and key[:3] in tested else text)
        body.append([dataset, f"`{protocol}`", method, *cells])
    return markdown(["dataset", "protocol", "method", *METRICS.values()], body, words=3)


def sessions(run: str) -> str:
    """The mean squared error of each method, a column for each protocol."""
    rows = [row for row in table(run, "comparison") if row["metric"] == "mse"]
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    means = {(row["method"], row["protocol"]): f"{float(row['mean']):.4f}" for row in rows}
    methods = dict.fromkeys(row["method"] for row in rows)
    body = [[method, *(means.get((method, protocol), NOTHING) for protocol in protocols)] for method in methods]
    return markdown(["MSE", *(f"`{protocol}`" for protocol in protocols)], body, words=1)


def verdicts(run: str) -> str:
    """The verdict on the method with the lowest error on each dataset and protocol, in the words of the tables."""
    leaders = read_table(KEPT / run / "tables/leaders.csv", TABLES["leaders"])
    lines = []
    for (dataset, protocol), rows in leaders[leaders.metric == "mse"].groupby(["dataset", "protocol"], sort=False):
        verdict = claim(rows).text
        for first in rows[rows.leader].itertuples(index=False):
            name = run_name(first.method, first.encoder)
            lines.append(f"- {dataset}, `{protocol}`: `{name}` has the lowest mean squared error; {verdict}.")
    return "\n".join(lines) + "\n"


def behind(run: str) -> str:
    """The means of cortexclip that are not the best, and the methods whose means are better."""
    rows = [row for row in table(run, "comparison") if row["metric"] in METRICS]
    groups = dict.fromkeys((row["dataset"], row["protocol"], row["metric"]) for row in rows)
    lines = []
    for group in groups:
        means = {
            run_name(row["method"], row["encoder"]).partition(".")[0]: float(row["mean"])
            for row in rows
            if (row["dataset"], row["protocol"], row["metric"]) == group
        }
        sign = -1 if group[2] == "mse" else 1
        better = [name for name in means if sign * means[name] > sign * means["cortexclip"]]
        if better:
            better.sort(key=lambda name: -sign * means[name])
            text = ", ".join(f"`{name}` {means[name]:.4f}" for name in better)
            lines.append(f"- {group[0]}, `{group[1]}`, {METRICS[group[2]]} {means['cortexclip']:.4f}: {text}.")
    best = f"{len(groups) - len(lines)} of {len(groups)} means"
    return f"{best} of `cortexclip` are the best of all methods; the others:\n\n" + "".join(
        f"{line}\n" for line in lines
    )


MAKERS: dict[str, tuple[Callable[[str], str], str]] = {
    "paper": (paper, "default"),
    "stand-ins": (stand_ins, "paper"),
    "comparison": (comparison, "default"),
    "claims": (claims, "paper"),
    "about-default": (about, "default"),
    "about-paper": (about, "paper"),
    "about-literature": (about, "literature"),
    "literature": (literature, "literature"),
    "literature-holdout": (comparison, "literature"),
    "parts": (parts, "parts"),
    "about-honest": (about, "honest"),
    "honest": (honest, "honest"),
    "verdicts": (verdicts, "honest"),
    "behind": (behind, "honest"),
    "about-sessions": (about, "sessions"),
    "sessions": (sessions, "sessions"),
    "verdicts-sessions": (verdicts, "sessions"),
}


def regenerated(text: str) -> str:
    """A page with its tables made anew; a table whose run is not in docs/results/ stays."""

    def made(found: re.Match) -> str:
        make, run = MAKERS[found[2]]
        return f"{found[1]}{make(run)}{found[3]}" if (KEPT / run).is_dir() else found[0]

    return BLOCK.sub(made, text)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collect", choices=CONFIGURATIONS, help="take over a finished run under this name")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of that run (%(default)s)")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page is out of date")
    arguments = parser.parse_args(argv)
    try:
        if arguments.collect:
            names = collect(arguments.collect, arguments.results)
            size = sum(path.stat().st_size for path in (KEPT / arguments.collect).rglob("*") if path.is_file())
            print(f"docs/results/{arguments.collect}: {len(names)} files, {size / 1e6:.1f} MB")
    except (InputError, json.JSONDecodeError) as error:
        print(error, file=sys.stderr)
        return 2
    stale = []
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        fresh = regenerated(text)
        if fresh != text:
            stale.append(name)
            if not arguments.check:
                (ROOT / name).write_text(fresh, encoding="utf-8")
    for name in stale:
        print(f"{name}: out of date. Run python docs/results.py." if arguments.check else f"{name}: rewritten")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
