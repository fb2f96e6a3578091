"""Stage: scores, predictions and tests of all runs of a dataset -> what sets its methods and protocols apart."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import xarray as xr

from cortexclip.configuration.plan import Plan
from cortexclip.data import dataset as datasets
from cortexclip.figures import power, spurious
from cortexclip.figures.study import (
    SHOWN,
    Identified,
    Study,
    ablation,
    differences,
    identification_curves,
    identified,
    optimism,
    permutation_null,
    seen_unseen,
)
from cortexclip.figures.style import save
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
    parser.add_argument("--ablation", required=True, help="the table of what each part is worth (ablation.csv)")
    parser.add_argument("--reference", help="run that the others are compared with; if none is named, as the plan says")
    parser.add_argument("--results", required=True, help="folder with splits/, runs/, scores/ and tables/")
    parser.add_argument("--output", required=True, help="folder of the figures")


def run(arguments: argparse.Namespace) -> None:
    plan, output = arguments.plan, Path(arguments.output)
    results, reference = Results(arguments.results, plan), arguments.reference or plan.reference
    dataset = datasets.read(arguments.dataset)
    study = read(dataset, plan, arguments.audit, results)
    statistics, parts = read_table(arguments.statistics, STATISTICS), read_table(arguments.ablation, ABLATION)
    for protocol in plan.protocols:
        figure = differences(study, protocol, statistics, reference)
        save(figure, output / f"differences.{protocol}.{study.name}")
        figure = power.power(study, protocol, results.table("power"), reference)
        save(figure, output / f"power.{protocol}.{study.name}")
        save(power.ceiling(study, protocol, results.table("ceiling")), output / f"ceiling.{protocol}.{study.name}")
        figure = spurious.spurious(study, protocol, results.table("collapse"), results.nearness(study.name))
        save(figure, output / f"spurious.{protocol}.{study.name}")
        if any(plan.ablations.values()):
            save(ablation(study, protocol, parts), output / f"ablation.{protocol}.{study.name}")
    figures = {
        "optimism": optimism(study),
        "permutation_null": permutation_null(study, reference),
        "identification_curves": identification_curves(study, identification(study, dataset, results)),
        "seen_unseen": seen_unseen(study),
        "learning_curve": power.learning_curve(study, results.table("learning_curve")),
    }
    for name, figure in figures.items():
        save(figure, output / f"{name}.{study.name}")
        logger.info("evaluation_figures: %s of %s", name, study.name)


def read(dataset: xr.Dataset, plan: Plan, audit: dict, results: Results) -> Study:
    """Splits and scores of a dataset; InputError if one is missing or damaged."""
    name = dataset.attrs["name"]
    protocols = plan.protocols_of(name)
    return Study(
        plan,
        audit,
        name,
        dataset.stimulus.values,
        splits={protocol: results.split(protocol, name) for protocol in protocols},
        scores={protocol: results.scores_by_run(protocol, name, SHOWN) for protocol in protocols},
    )


def identification(study: Study, dataset: xr.Dataset, results: Results) -> dict[str, Identified]:
    """By protocol, how often the image of each run is identified; predictions are read one after the other."""
    found = {}
    for protocol in study.protocols:
        shares = {}
        for run in study.looks:
            predicted = results.predictions(protocol, study.name, run)
            samples, folds = predicted.sample.values, predicted.fold.values
            ways, shares[run] = identified(
                predicted.image.values,
                dataset.stimuli.values[samples],
                study.stimulus[samples],
                folds,
                by_stimulus=study.by_stimulus(protocol),
            )
            if not len(ways):
                break
        found[protocol] = Identified(ways, shares, len(np.unique(folds)))
    return found
