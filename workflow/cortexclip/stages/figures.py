"""Stage: predictions, histories and scores of all runs of a dataset and protocol -> its figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from cortexclip.configuration.plan import Plan
from cortexclip.data import dataset as datasets
from cortexclip.errors import InputError
from cortexclip.figures.outcome import FIGURES, Outcome
from cortexclip.figures.style import looks, save, subject
from cortexclip.results.folder import Results
from cortexclip.runtime.files import read_json
from cortexclip.runtime.log import logger
from cortexclip.tables.audit import notes_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--audit", required=True, type=read_json, help="the dataset's audit (.json)")
    parser.add_argument("--protocol", required=True, help="name of the protocol")
    parser.add_argument("--figures", required=True, help=f"names, separated by commas: {', '.join(FIGURES)}")
    parser.add_argument("--results", required=True, help="folder with runs/ and scores/")
    parser.add_argument("--output", required=True, help="folder of the figures")


def run(arguments: argparse.Namespace) -> None:
    wanted, protocol = arguments.figures.split(","), arguments.protocol
    if unknown := [name for name in wanted if name not in FIGURES]:
        raise InputError(f"--figures: unknown name '{unknown[0]}'. Known: {', '.join(FIGURES)}.")
    results = Results(arguments.results, arguments.plan)
    outcome = read(arguments.dataset, arguments.plan, arguments.audit, protocol, results)
    dataset = outcome.dataset.attrs["name"]
    for name in wanted:
        stem = f"{name}/{protocol}/{dataset}" if name == "reference" else f"{name}.{protocol}.{dataset}"
        save(FIGURES[name](outcome), Path(arguments.output) / stem)
        logger.info("figures: %s of %s, %s", name, dataset, protocol)


def read(path: str, plan: Plan, audit: dict, protocol: str, results: Results) -> Outcome:
    """All files of a dataset and protocol; InputError if one is missing or damaged."""
    dataset = datasets.read(path)
    name, every = dataset.attrs["name"], looks(plan)
    cells = plan.cells[name]
    similarity = {run: results.similarity(protocol, name, run) for run in cells}
    return Outcome(
        dataset,
        about=subject(plan, name, protocol, notes_for(audit, protocol)),
        looks={run: every[run] for run in cells},
        methods={run: plan.runs[run].method for run in cells},
        predictions={run: results.predictions(protocol, name, run) for run in cells},
        scores=results.scores_by_run(protocol, name),
        histories={run: results.history(protocol, name, run) for run in cells},
        similarity={run: file for run, file in similarity.items() if file is not None},
    )
