"""Stage: scores, predictions and tests of all runs of a dataset -> what sets its methods and protocols apart."""

from __future__ import annotations

import argparse
from pathlib import Path

from cortexclip.configuration.plan import Plan
from cortexclip.data import dataset as datasets
from cortexclip.figures.power import learning_curve, limits
from cortexclip.figures.spurious import spurious
from cortexclip.figures.study import (
    Study,
    ablation,
    differences,
    identification,
    identification_curves,
    optimism,
    paired_stimuli,
    permutation_null,
    seen_unseen,
)
from cortexclip.figures.style import save, write_captions
from cortexclip.results import drawn
from cortexclip.results.folder import Results
from cortexclip.results.tables import read_table
from cortexclip.runtime.files import read_json
from cortexclip.runtime.log import logger
from cortexclip.tables.ablation import ABLATION
from cortexclip.tables.statistics import STATISTICS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--audit", required=True, type=read_json, help="the dataset's audit (.json)")
    parser.add_argument("--statistics", required=True, help="the table of tested differences (statistics.csv)")
    parser.add_argument("--ablation", required=True, help="the table of what each part contributes (ablation.csv)")
    parser.add_argument("--reference", help="run that the others are compared with; if none is named, as the plan says")
    parser.add_argument("--results", required=True, help="folder with splits/, runs/, scores/ and tables/")
    parser.add_argument("--output", required=True, help="folder of the figures")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan, Path(arguments.output)
    results, reference = Results(arguments.results, plan), arguments.reference or plan.reference
    dataset = datasets.read(arguments.dataset)
    study = Study.read(dataset, plan, arguments.audit, results)
    statistics, parts = read_table(arguments.statistics, STATISTICS), read_table(arguments.ablation, ABLATION)
    tests = {
        "differences": lambda protocol: differences(study, protocol, statistics, reference),
        "paired": lambda protocol: paired_stimuli(study, protocol, reference),
        "limits": lambda protocol: limits(study, protocol, results.table("ceiling"), results.table("power"), reference),
        "spurious": lambda protocol: spurious(study, protocol, results.table("collapse"), results.nearness(study.name)),
        "ablation": lambda protocol: ablation(study, protocol, parts),
    }
    across = {
        "optimism": lambda _: optimism(study),
        "seen_unseen": lambda _: seen_unseen(study),
        "permutation_null": lambda _: permutation_null(study, reference),
        "identification_curves": lambda _: identification_curves(study, identification(study, dataset, results)),
        "learning_curve": lambda _: learning_curve(study, results.table("learning_curve")),
    }
    known = drawn.of_tests(plan, study.name), drawn.of_protocols(plan, study.name)
    cells = [(name, protocol) for protocol in study.protocols for name, reason in known[0].items() if not reason]
    figures = {}
    for name, protocol in [*cells, *((name, "") for name, reason in known[1].items() if not reason)]:
        stem = drawn.stem(name, protocol, study.name)
        figures[stem] = (tests | across)[name](protocol)
        save(figures[stem], output / stem)
        logger.info("evaluation_figures: %s", stem)
    write_captions(output / f"{drawn.stem(drawn.CAPTIONS, '', study.name)}.md", figures, known[0] | known[1])
