"""Stage: predictions, histories and scores of all runs of a dataset and protocol -> its figures."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from cortexclip.data import dataset as datasets
from cortexclip.errors import InputError
from cortexclip.evaluation.score import NEAREST
from cortexclip.figures.images import Reconstruction, Retrieval, draw_reconstructions, draw_retrieved, first_trials
from cortexclip.figures.reference import draw_reference
from cortexclip.figures.similarity import Similarity, draw_similarity, draw_similarity_distribution
from cortexclip.figures.style import Look, Subject, draw_words, looks, save, subject
from cortexclip.figures.training import draw_training_curves
from cortexclip.files import read_json
from cortexclip.log import logger
from cortexclip.plan import Plan
from cortexclip.results.folder import Results
from cortexclip.runs import read_netcdf, read_parquet, scored_draw
from cortexclip.tables.audit import notes_for

RECONSTRUCTED, QUERIES, RETRIEVED, DRAWS = 12, 8, 5, 4
REFERENCE = "reference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--dataset", required=True, help="labelled dataset (.nc)")
    parser.add_argument("--audit", required=True, type=read_json, help="the dataset's audit (.json)")
    parser.add_argument("--protocol", required=True, help="name of the protocol")
    parser.add_argument("--figures", required=True, help=f"names, separated by commas: {', '.join(FIGURES)}")
    parser.add_argument("--results", required=True, help="folder with runs/ and scores/")
    parser.add_argument("--output", required=True, help="folder of the figures")


def run(arguments: argparse.Namespace) -> None:
    material = Material(
        dataset=datasets.read(arguments.dataset),
        plan=arguments.plan,
        audit=arguments.audit,
        protocol=arguments.protocol,
        results=Path(arguments.results),
    )
    for name in arguments.figures.split(","):
        if name not in FIGURES:
            raise InputError(f"--figures: unknown name '{name}'. Known: {', '.join(FIGURES)}.")
        stem = f"{name}.{arguments.protocol}.{material.name}"
        if name == REFERENCE:
            stem = f"{REFERENCE}/{arguments.protocol}/{material.name}"
        save(FIGURES[name](material), Path(arguments.output) / stem)
        logger.info("figures: %s of %s, %s", name, material.name, arguments.protocol)


@dataclass(frozen=True)
class Material:
    """The files of one dataset and protocol, each read when it is first asked for."""

    dataset: xr.Dataset
    plan: Plan
    audit: dict
    protocol: str
    results: Path

    @property
    def name(self) -> str:
        return self.dataset.attrs["name"]

    @functools.cached_property
    def about(self) -> Subject:
        return subject(self.plan, self.name, self.protocol, notes_for(self.audit, self.protocol))

    @functools.cached_property
    def looks(self) -> dict[str, Look]:
        """Looks of the runs that apply to this dataset."""
        every = looks(self.plan)
        return {run: every[run] for run in self.plan.cells[self.name]}

    @functools.cached_property
    def predictions(self) -> dict[str, xr.Dataset]:
        folder = self.results / "runs" / self.protocol / self.name
        return {run: read_netcdf(folder / run / "predictions.nc") for run in self.looks}

    @functools.cached_property
    def scores(self) -> dict[str, pd.DataFrame]:
        return Results(self.results, self.plan).scores_by_run(self.protocol, self.name)

    @functools.cached_property
    def similarity(self) -> dict[str, xr.Dataset]:
        """Similarities of the runs that predict embeddings."""
        results = Results(self.results, self.plan)
        files = {run: results.similarity(self.protocol, self.name, run) for run in self.looks}
        return {run: file for run, file in files.items() if file is not None}

    def first_seed(self, run: str, method: str, metric: str, samples: np.ndarray) -> np.ndarray:
        """Scores (n_samples,) of the first seed of a run; NaN where there is none."""
        scores = self.scores[run]
        rows = scores[(scores.method == method) & (scores.metric == metric)]
        rows = rows[rows.seed == rows.seed.min()]
        return rows.set_index("sample").value.reindex(samples).to_numpy()


def training_curves(material: Material) -> Figure:
    folder = material.results / "runs" / material.protocol / material.name
    tables = [read_parquet(folder / run / "history.parquet").assign(run=run) for run in material.looks]
    tables = [table for table in tables if len(table)]
    if not tables:
        reason = "None of the methods compared here is trained over epochs, so there is no training curve to show."
        return draw_words("Training curves", material.about, reason)
    return draw_training_curves(pd.concat(tables, ignore_index=True), material.looks, material.about)


def reconstructions(material: Material) -> Figure:
    rows = []
    shown = n_stimuli = samples = None
    for run, look in material.looks.items():
        predicted = material.predictions[run]
        if samples is None:
            stimulus = material.dataset.stimulus.values[predicted.sample.values]
            shown = first_trials(stimulus, RECONSTRUCTED)
            n_stimuli, samples = len(np.unique(stimulus)), predicted.sample.values[shown]
        method = material.plan.runs[run].method
        readouts = [("image", method, look), ("nearest", method + NEAREST, look.nearest())]
        for variable, name, readout in readouts:
            if variable in predicted:
                images = predicted[variable].sel(sample=samples).values[0]
                row = Reconstruction(readout, images, material.first_seed(run, name, "mse", samples))
                rows += with_draws(row, predicted, samples) if variable == "image" else [row]
    return draw_reconstructions(material.dataset.stimuli.values[samples], rows, n_stimuli, material.about, samples)


def with_draws(scored: Reconstruction, predicted: xr.Dataset, samples: np.ndarray) -> list[Reconstruction]:
    """A row and, where the first seed drew several images, `DRAWS` of them in their order; which is scored is said.

    None is chosen by how good it is.
    """
    if "draws" not in predicted:
        return [scored]
    draws = predicted.draws.sel(sample=samples).values
    which = scored_draw(predicted)
    said = {"first": f"draw 1 of {len(draws)}", "mean": f"mean of {len(draws)} draws", "neither": "no single draw"}
    others = range(1, DRAWS) if which == "first" else range(DRAWS)
    unscored = np.full(len(samples), np.nan)
    return [
        replace(scored, look=scored.look.noted(f"{said[which]}, scored")),
        *(
            Reconstruction(scored.look.noted(f"draw {number + 1}, not scored", title=""), draws[number], unscored)
            for number in others
            if number < len(draws)
        ),
    ]


def reference(material: Material) -> Figure:
    """Every scored stimulus of the dataset with what each run made of it."""
    columns = []
    samples = stimulus = None
    for run, look in material.looks.items():
        predicted = material.predictions[run]
        if samples is None:
            samples = predicted.sample.values
            stimulus = material.dataset.stimulus.values[samples]
            shown = first_trials(stimulus, len(stimulus))
        for variable, readout in (("image", look), ("nearest", look.nearest())):
            if variable in predicted:
                columns.append((readout, predicted[variable].values[0][shown]))
    drawn = samples[shown]
    return draw_reference(material.dataset.stimuli.values[drawn], columns, material.about, samples=drawn)


def retrieved(material: Material) -> Figure:
    if not material.similarity:
        return draw_words("Retrieved stimuli", material.about, _no_embedding())
    found = []
    for run, file in material.similarity.items():
        rows = first_trials(file.shown.values, QUERIES)
        samples, gallery = file.sample.values[rows], file.gallery.values
        similarity = file.similarity.values[0][rows]
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :RETRIEVED]
        order[np.isnan(similarity).any(axis=1)] = -1
        rank = material.first_seed(run, material.plan.runs[run].method, "rank_all", samples)
        found.append(Retrieval(material.looks[run], order, rank))
    position = {stimulus: number for number, stimulus in enumerate(gallery)}
    true = np.array([position[stimulus] for stimulus in file.shown.values[rows]])
    first = {stimulus: number for number, stimulus in reversed(list(enumerate(material.dataset.stimulus.values)))}
    images = material.dataset.stimuli.values[[first[stimulus] for stimulus in gallery]]
    return draw_retrieved(images[true], images, true, found, material.about, samples)


def similarity(material: Material) -> Figure:
    title = "Similarity of predicted and true embeddings"
    if not material.similarity:
        return draw_words(title, material.about, _no_embedding())
    classes = (material.dataset.label.values >= 0).all()
    order = "class and then first appearance" if classes else "first appearance"
    return draw_similarity(_similarities(material), material.about, order)


def similarity_distribution(material: Material) -> Figure:
    title = "Similarity of pairs that match and that do not"
    if not material.similarity:
        return draw_words(title, material.about, _no_embedding())
    return draw_similarity_distribution(_similarities(material), material.about)


def _similarities(material: Material) -> list[Similarity]:
    """Similarities to the scored stimuli, ordered by class where all images have one, and then by first appearance."""
    found = []
    label = dict(zip(material.dataset.stimulus.values, material.dataset.label.values.tolist(), strict=True))
    for run, file in material.similarity.items():
        shown = file.shown.values
        stimuli = shown[first_trials(shown, len(shown))]
        if min(label.values()) >= 0:
            stimuli = np.array(sorted(stimuli, key=label.get))
        column = {stimulus: number for number, stimulus in enumerate(file.gallery.values)}
        place = {stimulus: number for number, stimulus in enumerate(stimuli)}
        values = file.similarity.values[..., [column[stimulus] for stimulus in stimuli]]
        found.append(Similarity(material.looks[run], values, np.array([place[stimulus] for stimulus in shown])))
    return found


def _no_embedding() -> str:
    return "None of the methods compared here predicts an embedding, so nothing is retrieved."


FIGURES: dict[str, Callable[[Material], Figure]] = {
    "training_curves": training_curves,
    "reconstructions": reconstructions,
    REFERENCE: reference,
    "retrieved": retrieved,
    "similarity": similarity,
    "similarity_distribution": similarity_distribution,
}
