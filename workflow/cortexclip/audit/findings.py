"""All checks of a dataset and of its splits, in the order in which reports list them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.audit import brain, labels, sessions, signal, splits, stimuli
from cortexclip.audit.corpus import check_corpus, not_compared
from cortexclip.audit.finding import Finding
from cortexclip.audit.reading import check_reading
from cortexclip.data import dataset as datasets
from cortexclip.evaluation.splits import grouped_by
from cortexclip.priors import nearest
from cortexclip.priors.corpus import SIZE
from cortexclip.runtime.seeds import derive_seed


def audit_dataset(dataset: xr.Dataset, seed: int) -> list[Finding]:
    """All findings on a labelled dataset by itself; ``seed`` is the base seed of the permutations."""
    responses, images = dataset.brain.values, dataset.stimuli.values
    stimulus, label, test = dataset.stimulus.values, dataset.label.values, dataset.part.values == "test"
    finite = brain.check_finite(responses, images)
    if finite.severity != "info":
        return [finite]  # no other check is defined on such values

    def seed_of(what: str) -> int:
        return derive_seed(seed, dataset.attrs["name"], "audit", what)

    if datasets.has_parts(dataset):
        held, what = test, "test"
        folds = [stimuli.Fold(np.flatnonzero(~test), np.flatnonzero(test))]
        of_parts = [
            stimuli.check_seen(folds, stimulus, "test"),
            stimuli.check_near(folds, stimulus, images, "test"),
            stimuli.check_sample_size(folds, stimulus, "test"),
        ]
        repeats = [
            stimuli.check_repeats(stimulus[~test], "training"),
            stimuli.check_repeats(stimulus[test], "test"),
        ]
        across = [brain.check_rows_across_parts(responses, test)]
    else:
        held, what, folds = splits.held_out(stimulus, seed_of("parts")), "held-out", []
        of_parts = [splits.check_parts(stimulus, held)]
        repeats, across = [stimuli.check_repeats(stimulus)], []
    reading = dataset.attrs.get("reading")
    return [
        signal.check_signal(responses, images, stimulus, held, seed_of("signal"), what=what),
        signal.check_signal_nearest(responses, images, stimulus, held, seed_of("signal")),
        *of_parts,
        *sessions.check_sessions(responses, images, stimulus, _session(dataset), folds, seed_of("sessions")),
        brain.check_duplicated_rows(responses, test, stimulus),
        *across,
        brain.check_constant_rows(responses),
        brain.check_scaling(responses, held),
        labels.check_labels(label, stimulus, images, test, seed_of("labels")),
        *repeats,
        labels.check_classes(label, test),
        brain.check_constant_voxels(responses[~test]),
        brain.check_duplicated_voxels(responses),
        brain.check_brain_range(responses),
        brain.check_noise_ceiling(responses, stimulus),
        stimuli.check_pixel_range(images),
        stimuli.check_blank_images(images, stimulus),
        *([check_reading(json.loads(reading))] if reading else []),
        finite,
    ]


def audit_corpus(dataset: xr.Dataset, corpus: xr.Dataset | pd.DataFrame | None = None) -> Finding:
    """Whether stimuli are nearly in a prior corpus; by default in that from which all that ships was learned.

    A table is what is known of the latter (`nearest.looked_up`).
    """
    images = dataset.stimuli.values
    stimulus, first = np.unique(dataset.stimulus.values, return_index=True)
    if images.shape[1:] != (SIZE, SIZE):
        return not_compared(images.shape[1:], len(first))
    if isinstance(corpus, xr.Dataset):
        return check_corpus(nearest.compared(corpus, stimulus, images[first]))
    return check_corpus(nearest.looked_up(stimulus, images[first], corpus))


def audit_protocol(
    dataset: xr.Dataset,
    protocol: Mapping,
    split: pd.DataFrame,
    confounded: bool = False,
    near: Mapping[str, pd.DataFrame] | None = None,
) -> list[Finding]:
    """All findings on a split (columns fold, role, sample) of a dataset by a protocol, given by its entry.

    ``confounded`` says whether the audit of the dataset found that its sessions predict the images; ``near`` is what
    `nearness` gives for the split, by default that in pixels.
    """
    stimulus, images = dataset.stimulus.values, dataset.stimuli.values
    folds = splits.folds_of(split)
    what = "test" if protocol["over"] == "canonical" else "scored"
    promised = bool({"stimulus", "cluster"} & set(grouped_by(protocol))) and protocol["over"] != "canonical"
    of_sessions = sessions.check_sessions_seen(folds, _session(dataset), confounded)
    return [
        splits.check_selection(split, stimulus),
        stimuli.check_seen(folds, stimulus, what, promised),
        stimuli.check_near(folds, stimulus, images, what),
        stimuli.check_nearness(near or nearness(dataset, split), what),
        splits.check_grouping(protocol, stimulus, split),
        stimuli.check_sample_size(folds, stimulus, what),
        splits.check_folds(split, stimulus),
        *([of_sessions] if of_sessions else []),
    ]


def nearness(dataset: xr.Dataset, split: pd.DataFrame, features: xr.Dataset | None = None) -> dict[str, pd.DataFrame]:
    """The nearest training image of each scored one, by space: pixels, and that of an encoder if given its features."""
    folds, names = splits.folds_of(split), dataset.stimulus.values
    found = {"pixels": stimuli.nearest(folds, names, dataset.stimuli.values)}
    if features is not None:
        row = {name: number for number, name in enumerate(features.stimulus.values)}
        embedding = features.embedding.values[[row[name] for name in names]]
        found[features.attrs["encoder"]] = stimuli.nearest(folds, names, dataset.stimuli.values, embedding)
    return found


def are_confounded(findings: Sequence[Finding]) -> bool:
    """Whether the findings on a dataset say that its sessions predict the images."""
    return any(found.check == "session_images" and found.severity != "info" for found in findings)


def _session(dataset: xr.Dataset) -> np.ndarray:
    return datasets.groupings(dataset).get("session", np.full(dataset.sizes["sample"], -1))


def summary(dataset: str, findings: Sequence[tuple[str, Finding]]) -> list[tuple[str, str]]:
    """Severity and text of each notable or serious finding, with all its scopes, and at last the counts, as "info".

    ``findings`` are pairs of a scope ("dataset" or the name of a protocol) and a finding.
    """
    grave: dict[tuple[str, str], list[str]] = {}
    for scope, finding in findings:
        if finding.severity != "info":
            grave.setdefault((finding.severity, f"{finding.message} {finding.meaning}"), []).append(scope)
    serious, notable = (sum(found.severity == severity for _, found in findings) for severity in ("serious", "notable"))
    return [
        *((word, f"audit {dataset} ({', '.join(scopes)}): {word}: {text}") for (word, text), scopes in grave.items()),
        ("info", f"audit {dataset}: {len(findings)} findings, {serious} serious, {notable} notable"),
    ]
