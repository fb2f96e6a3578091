"""Stage: predictions, histories and scores of all runs of a dataset and protocol -> its figures."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from cortexclip.configuration.plan import Plan
from cortexclip.data import dataset as datasets
from cortexclip.evaluation.score import weigh
from cortexclip.figures.outcome import FIGURES, Outcome
from cortexclip.figures.style import looks, save, subject, write_captions
from cortexclip.results import drawn
from cortexclip.results.folder import Results
from cortexclip.results.weights import read_weights
from cortexclip.runtime.files import read_json
from cortexclip.runtime.log import logger
from cortexclip.tables.audit import notes_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--audit", required=True, type=read_json, help="the dataset's audit (.json)")
    parser.add_argument("--protocol", required=True, help="name of the protocol")
    parser.add_argument("--results", required=True, help="folder with runs/ and scores/")
    parser.add_argument("--output", required=True, help="folder of the figures")


def run(arguments: argparse.Namespace) -> None:
    protocol, output = arguments.protocol, Path(arguments.output)
    results = Results(arguments.results, arguments.plan)
    outcome = read(arguments.dataset, arguments.plan, arguments.audit, protocol, results)
    dataset, figures = outcome.dataset.attrs["name"], {}
    known = drawn.of_predictions(arguments.plan, dataset)
    for name in [name for name, reason in known.items() if not reason]:
        stem = drawn.stem(name, protocol, dataset)
        figures[stem] = FIGURES[name](outcome)
        save(figures[stem], output / stem)
        logger.info("figures: %s", stem)
    write_captions(output / f"captions.{protocol}.{dataset}.md", figures, known)


def read(path: str, plan: Plan, audit: dict, protocol: str, results: Results) -> Outcome:
    """All files of a dataset and protocol; InputError if one is missing or damaged."""
    dataset = datasets.read(path)
    name, every = dataset.attrs["name"], looks(plan)
    cells = plan.cells[name]
    scores = results.scores_by_run(protocol, name)
    weights = {
        run: results.path("weights", protocol=protocol, dataset=name, run=run) for run in cells if plan.runs[run].fields
    }
    similarity = {run: results.similarity(protocol, name, run) for run in cells}
    return Outcome(
        dataset,
        about=subject(plan, name, protocol, notes_for(audit, protocol)),
        looks={run: every[run] for run in cells},
        leaders=leading(scores, plan, cells),
        fields={run: read_weights(path, 0, 0)[0] for run, path in weights.items()},
        methods={run: plan.runs[run].method for run in cells},
        predictions={run: results.predictions(protocol, name, run) for run in cells},
        scores=scores,
        histories={run: results.frame("history", protocol=protocol, dataset=name, run=run) for run in cells},
        similarity={run: file for run, file in similarity.items() if file is not None},
    )


def leading(scores: dict[str, pd.DataFrame], plan: Plan, runs: list[str]) -> list[str]:
    """Runs by their mean squared error, without those that learn from shuffled pairs or know of the scored images."""
    errors = {}
    for run in runs:
        about, table = plan.runs[run], scores[run]
        if about.role != "shuffled" and not plan.is_oracle(about.method):
            own = table[(table.metric == "mse") & (table.method == about.method)]
            errors[run] = weigh(own, plan).value.mean()
    return sorted(errors, key=lambda run: errors[run])
