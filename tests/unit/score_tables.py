"""Score tables with planted means, a plan of the runs that they are of, and what the statistics stage makes of them."""

import numpy as np
import pandas as pd

from cortexclip.configuration.plan import Plan
from cortexclip.evaluation.score import COLUMNS, combine_scores
from cortexclip.results.folder import Results
from cortexclip.runtime.files import write_json
from cortexclip.stages.tables import write_statistics
from cortexclip.tables.read import SeededScores

FAMILY = 3
"""The declared number of comparisons of these tests, for which 11 stimuli are needed."""


def seeded(means, n_stimuli=20, trials=1, folds=1, noise=0.05, seeds=2, encoders=None, rng=0):
    """Scores whose method means are ``means``; every method shares the stimuli's difficulty."""
    rng = np.random.default_rng(rng)
    n_trials = n_stimuli * trials
    difficulty = rng.normal(0, 0.1, n_stimuli)[np.arange(n_trials) % n_stimuli]
    values = [mean + difficulty + noise * rng.normal(size=(seeds, n_trials)) for mean in means.values()]
    return SeededScores(
        methods=[(name, (encoders or {}).get(name, "none")) for name in means],
        folds=np.sort(np.arange(n_trials) % folds),
        samples=np.arange(n_trials),
        stimuli=np.arange(n_trials) % n_stimuli,
        values=values,
    )


def as_table(scores, metric="mse", dataset="dots", protocol="holdout", only=None):
    """Scores of `seeded` as the rows of a score table."""
    rows = []
    for (method, encoder), values in zip(scores.methods, scores.values, strict=True):
        if only and method not in only:
            continue
        for seed, line in enumerate(values):
            for trial, value in enumerate(line):
                cell = (dataset, protocol, method, encoder, scores.folds[trial], seed, scores.samples[trial])
                rows.append((*cell, f"s{scores.stimuli[trial]}", metric, value))
    return pd.DataFrame(rows, columns=COLUMNS)


def a_plan(methods, datasets, protocols=("holdout",)):
    """The plan of a run of methods (their titles by their names), all of them without an encoder."""
    return Plan.of(
        {
            "datasets": {d: {"title": d.title(), "notes": [], "simulated": d == "simulated"} for d in datasets},
            "protocols": {p: {"title": p, "optimistic": p == "published", "note": f"About {p}."} for p in protocols},
            "encoders": {},
            "runs": {
                m: {"method": m, "encoder": "none", "title": t, "published": None, "ablates": None}
                for m, t in methods.items()
            },
            "cells": {d: list(methods) for d in datasets},
            "ablations": {d: [] for d in datasets},
            "unavailable": {},
            "comparisons": FAMILY,
            "seeds": 2,
        }
    )


def run_stage(tmp_path, plan, reference="ridge"):
    """The bytes of every file that the tables stage writes, by name."""
    finding = {"scope": "dataset", "check": "c", "severity": "serious", "message": "Found_it.", "meaning": "So what."}
    for name in plan.datasets:
        write_json(tmp_path / f"audit/{name}.json", {"findings": [finding]})
    results, output = Results(tmp_path, plan), tmp_path / "tables"
    scores = combine_scores([results.scores(p, d) for d in plan.datasets for p in plan.protocols])
    options = {"reference": reference, "base_seed": 0, "n_permutations": 10_000}
    write_statistics(results, scores, output, **options)
    return {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir()}


def write_all(tmp_path, plan, means, **options):
    """Score tables of a plan's datasets and protocols, in which the methods have these means."""
    for dataset in plan.datasets:
        for protocol in plan.protocols:
            scores = seeded(means, **options)
            tables = [
                as_table(scores, metric, dataset, protocol)
                for metric in ("mse", "pixcorr", "ssim", "pairwise_identification")
            ]
            path = tmp_path / "scores" / protocol / f"{dataset}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pd.concat(tables).to_parquet(path, index=False)
