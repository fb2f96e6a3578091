"""Stage: predictions, histories and scores of all runs of a dataset and protocol -> its figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from cortexclip.configuration.plan import Plan
from cortexclip.figures.outcome import FIGURES, Outcome
from cortexclip.figures.style import save, write_captions
from cortexclip.results import drawn
from cortexclip.results.folder import Results
from cortexclip.runtime.files import read_json
from cortexclip.runtime.log import logger


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
    outcome = Outcome.read(arguments.dataset, arguments.plan, arguments.audit, protocol, results)
    dataset, figures = outcome.dataset.attrs["name"], {}
    known = drawn.of_predictions(arguments.plan, dataset)
    for name in [name for name, reason in known.items() if not reason]:
        stem = drawn.stem(name, protocol, dataset)
        figures[stem] = FIGURES[name](outcome)
        save(figures[stem], output / stem)
        logger.info("figures: %s", stem)
    write_captions(output / f"{drawn.stem(drawn.CAPTIONS, protocol, dataset)}.md", figures, known)
