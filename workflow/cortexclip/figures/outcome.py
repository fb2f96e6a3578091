"""What all methods made of one dataset under one protocol, and the figures of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.configuration.plan import Plan
from cortexclip.data import dataset as datasets
from cortexclip.evaluation import DRAW
from cortexclip.evaluation.score import readouts, weigh
from cortexclip.figures.image_bases import draw_bases
from cortexclip.figures.images import (
    Reconstruction,
    Retrieval,
    draw_reconstructions,
    draw_reference,
    draw_retrieved,
    draw_strip,
    first_trials,
)
from cortexclip.figures.receptive_fields import draw_fields
from cortexclip.figures.similarity import Similarity, draw_similarity, draw_similarity_distribution
from cortexclip.figures.style import Look, PaperFigure, Subject, looks, subject
from cortexclip.figures.training import draw_training_curves
from cortexclip.results.folder import Results
from cortexclip.results.weights import read_weights
from cortexclip.tables.audit import notes_for

RECONSTRUCTED, QUERIES, RETRIEVED, DRAWS, LEADING = 12, 8, 5, 4, 4


@dataclass(frozen=True)
class Outcome:
    """What the figures of a dataset and protocol are made of.

    Attributes
    ----------
    dataset : the labelled dataset
    about : titles and notes
    looks, methods : look and name of the method of each run that applies, in order
    predictions, scores, histories : by run
    similarity : by run, of those that predict embeddings
    leaders : runs by their error, the leading one first
    weights : by run, the fitted arrays of those that hold receptive fields or image bases
    """

    dataset: xr.Dataset
    about: Subject
    looks: Mapping[str, Look]
    methods: Mapping[str, str]
    predictions: Mapping[str, xr.Dataset] = field(default_factory=dict)
    scores: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    histories: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    similarity: Mapping[str, xr.Dataset] = field(default_factory=dict)
    leaders: Sequence[str] = ()
    weights: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str, plan: Plan, audit: dict, protocol: str, results: Results) -> Outcome:
        """All files of a dataset and protocol; InputError if one is missing or damaged."""
        dataset = datasets.read(path)
        name, every = dataset.attrs["name"], looks(plan)
        cells = plan.cells[name]
        scores = results.scores_by_run(protocol, name)
        drawn_from = [run for run in cells if plan.runs[run].fields or plan.runs[run].bases]
        weights = {run: results.path("weights", protocol=protocol, dataset=name, run=run) for run in drawn_from}
        similarity = {run: results.similarity(protocol, name, run) for run in cells}
        return cls(
            dataset,
            about=subject(plan, name, protocol, notes_for(audit, protocol)),
            looks={run: every[run] for run in cells},
            leaders=leading(scores, plan, cells),
            weights={run: read_weights(path, 0, 0)[0] for run, path in weights.items()},
            methods={run: plan.runs[run].method for run in cells},
            predictions={run: results.predictions(protocol, name, run) for run in cells},
            scores=scores,
            histories={run: results.frame("history", protocol=protocol, dataset=name, run=run) for run in cells},
            similarity={run: file for run, file in similarity.items() if file is not None},
        )

    @property
    def samples(self) -> np.ndarray:
        """Scored samples (n_samples,), the same of all runs."""
        return next(iter(self.predictions.values())).sample.values

    def first_seed(self, run: str, method: str, metric: str, samples: np.ndarray) -> np.ndarray:
        """Scores (n_samples,) of the first seed of a run; NaN where there is none."""
        scores = self.scores[run]
        rows = scores[(scores.method == method) & (scores.metric == metric)]
        rows = rows[rows.seed == rows.seed.min()]
        return rows.set_index("sample").value.reindex(samples).to_numpy()

    def leading_with(self, array: str) -> tuple[str, Mapping[str, np.ndarray]]:
        """The run with the lowest error of those that hold this array, and its fitted arrays."""
        run = min((run for run in self.weights if array in self.weights[run]), key=list(self.leaders).index)
        return run, self.weights[run]


def leading(scores: dict[str, pd.DataFrame], plan: Plan, runs: list[str]) -> list[str]:
    """Runs by their mean squared error, without those that learn from shuffled pairs or know of the scored images."""
    errors = {}
    for run in runs:
        about, table = plan.runs[run], scores[run]
        if about.role != "shuffled" and not plan.is_oracle(about.method):
            own = table[(table.metric == "mse") & (table.method == about.method)]
            errors[run] = weigh(own, plan).value.mean()
    return sorted(errors, key=lambda run: errors[run])


def training_curves(outcome: Outcome) -> PaperFigure:
    tables = [table.assign(run=run) for run, table in outcome.histories.items() if len(table)]
    return draw_training_curves(pd.concat(tables, ignore_index=True), outcome.looks, outcome.about)


def reconstructions(outcome: Outcome) -> PaperFigure:
    stimulus = outcome.dataset.stimulus.values[outcome.samples]
    samples = outcome.samples[first_trials(stimulus, RECONSTRUCTED)]
    rows = []
    for run, look in outcome.looks.items():
        predicted = outcome.predictions[run].sel(sample=samples)
        for suffix, images in readouts(predicted).items():
            error = outcome.first_seed(run, outcome.methods[run] + suffix, "mse", samples)
            rows.append(Reconstruction(look.readout(suffix), images[0], error))
        rows += further_draws(look, predicted)
    images = outcome.dataset.stimuli.values[samples]
    return draw_reconstructions(images, rows, len(np.unique(stimulus)), outcome.about, samples)


def further_draws(look: Look, predicted: xr.Dataset) -> list[Reconstruction]:
    """What the first seed drew beside the draw that is scored, in its order: `DRAWS` in all, chosen by nothing."""
    if "draws" not in predicted:
        return []
    drawn = predicted.draws.values[0, :DRAWS]
    unscored = np.full(drawn.shape[1], np.nan)
    return [
        Reconstruction(look.readout(DRAW).noted(f"draw {number}, not scored", title=""), images, unscored)
        for number, images in enumerate(drawn[1:], start=2)
    ]


def strip(outcome: Outcome) -> PaperFigure:
    """Seen images and what the leading runs made of them."""
    samples = outcome.samples[first_trials(outcome.dataset.stimulus.values[outcome.samples], RECONSTRUCTED)]
    rows = []
    for run in outcome.leaders[:LEADING]:
        images = outcome.predictions[run].image.sel(sample=samples).values[0]
        mse = outcome.first_seed(run, outcome.methods[run], "mse", samples)
        rows.append(Reconstruction(outcome.looks[run], images, mse))
    return draw_strip(outcome.dataset.stimuli.values[samples], rows, outcome.about, samples)


def receptive_fields(outcome: Outcome) -> PaperFigure:
    """What the voxels of the leading run with an encoding model see, from its weights."""
    run, weights = outcome.leading_with("fields")
    shape = outcome.dataset.stimuli.shape[1:]
    fields = weights["fields"] @ (weights["axes"] / (weights["axes"] ** 2).sum(axis=1, keepdims=True))
    return draw_fields(fields.reshape(-1, *shape), 1.0 - weights["noise"], outcome.looks[run], outcome.about)


def image_bases(outcome: Outcome) -> PaperFigure:
    """What the latent variables of the leading run with image bases add to the image, from its weights."""
    run, weights = outcome.leading_with("image_bases")
    bases = weights["image_bases"].reshape(-1, *outcome.dataset.stimuli.shape[1:])
    return draw_bases(bases, outcome.looks[run], outcome.about)


def reference(outcome: Outcome) -> PaperFigure:
    """Every scored stimulus of the dataset with what each run made of it."""
    shown = first_trials(outcome.dataset.stimulus.values[outcome.samples], len(outcome.samples))
    columns = [
        (look.readout(suffix), images[0][shown])
        for run, look in outcome.looks.items()
        for suffix, images in readouts(outcome.predictions[run]).items()
    ]
    samples = outcome.samples[shown]
    return draw_reference(outcome.dataset.stimuli.values[samples], columns, outcome.about, samples=samples)


def retrieved(outcome: Outcome) -> PaperFigure:
    found = []
    for run, file in outcome.similarity.items():
        rows = first_trials(file.shown.values, QUERIES)
        samples, gallery = file.sample.values[rows], file.gallery.values
        similarity = file.similarity.values[0][rows]
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :RETRIEVED]
        order[np.isnan(similarity).any(axis=1)] = -1
        rank = outcome.first_seed(run, outcome.methods[run], "rank_all", samples)
        found.append(Retrieval(outcome.looks[run], order, rank))
    position = {stimulus: number for number, stimulus in enumerate(gallery)}
    true = np.array([position[stimulus] for stimulus in file.shown.values[rows]])
    first = {stimulus: number for number, stimulus in reversed(list(enumerate(outcome.dataset.stimulus.values)))}
    images = outcome.dataset.stimuli.values[[first[stimulus] for stimulus in gallery]]
    return draw_retrieved(images[true], images, true, found, outcome.about, samples)


def similarity(outcome: Outcome) -> PaperFigure:
    classes = (outcome.dataset.label.values >= 0).all()
    order = "class and then first appearance" if classes else "first appearance"
    return draw_similarity(_similarities(outcome), outcome.about, order)


def similarity_distribution(outcome: Outcome) -> PaperFigure:
    return draw_similarity_distribution(_similarities(outcome), outcome.about)


def _similarities(outcome: Outcome) -> list[Similarity]:
    """Similarities to the scored stimuli, ordered by class where all images have one, and then by first appearance."""
    found = []
    label = dict(zip(outcome.dataset.stimulus.values, outcome.dataset.label.values.tolist(), strict=True))
    for run, file in outcome.similarity.items():
        shown = file.shown.values
        stimuli = shown[first_trials(shown, len(shown))]
        if min(label.values()) >= 0:
            stimuli = np.array(sorted(stimuli, key=lambda stimulus: label[stimulus]))
        column = {stimulus: number for number, stimulus in enumerate(file.gallery.values)}
        row = {stimulus: number for number, stimulus in enumerate(stimuli)}
        values = file.similarity.values[..., [column[stimulus] for stimulus in stimuli]]
        found.append(Similarity(outcome.looks[run], values, np.array([row[stimulus] for stimulus in shown])))
    return found


FIGURES: dict[str, Callable[[Outcome], PaperFigure]] = {
    "training_curves": training_curves,
    "reconstructions": reconstructions,
    "strip": strip,
    "receptive_fields": receptive_fields,
    "image_bases": image_bases,
    "reference": reference,
    "retrieved": retrieved,
    "similarity": similarity,
    "similarity_distribution": similarity_distribution,
}
