"""The tidy table of scores: one row for each metric, seed and scored sample of one trained method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from pandas.api.types import union_categoricals

from cortexclip.errors import InputError
from cortexclip.evaluation import DRAW, NEAREST, retrieval
from cortexclip.evaluation.metrics import METRICS, embedding_identification

COLUMNS = ["dataset", "protocol", "method", "encoder", "fold", "seed", "sample", "stimulus", "metric", "value"]
NAMES = ["dataset", "protocol", "method", "encoder", "stimulus", "metric"]
"""The columns that hold names, stored as categories."""

SMALLEST_GALLERY = 2
"""Where a fold scores fewer distinct stimuli, those of all folds are the distractors and the gallery ``test``: a single
stimulus has nothing to be distinguished from."""


def names_of(dataset: xr.Dataset, predictions: xr.Dataset) -> dict[str, Any]:
    """The names of a run's scores: the dataset, and the protocol, method and encoder of its predictions."""
    names = {key: predictions.attrs[key] or "none" for key in ("protocol", "method", "encoder")}
    return {"dataset": dataset.attrs["name"], **names}


def readouts(predictions: xr.Dataset) -> dict[str, np.ndarray]:
    """Images (n_seeds, n_samples, y, x) of all readouts by the keys of `cortexclip.evaluation.READOUTS`.

    The draw that is scored is the first one of each seed.
    """
    found = {"": predictions.image.values}
    if "nearest" in predictions:
        found[NEAREST] = predictions.nearest.values
    if "draws" in predictions:
        found[DRAW] = predictions.draws.values[:, 0]
    return found


def scores_of(dataset: xr.Dataset, predictions: xr.Dataset, features: xr.Dataset | None) -> pd.DataFrame:
    """The scores of one run."""
    rows = predictions.sample.values
    images = readouts(predictions)
    return score_predictions(
        **names_of(dataset, predictions),
        folds=predictions.fold.values,
        samples=rows,
        stimuli=dataset.stimuli.values[rows],
        stimulus_ids=dataset.stimulus.values[rows],
        images=images[""],
        nearest_images=images.get(NEAREST),
        drawn_images=images.get(DRAW),
        embeddings=predictions.embedding.values if "embedding" in predictions else None,
        gallery_embeddings=None if features is None else features.embedding.values,
        gallery_ids=None if features is None else features.stimulus.values,
    )


def score_predictions(
    *,
    dataset: str,
    protocol: str,
    method: str,
    encoder: str,
    folds: np.ndarray,
    samples: np.ndarray,
    stimuli: np.ndarray,
    stimulus_ids: np.ndarray,
    images: np.ndarray | None = None,
    nearest_images: np.ndarray | None = None,
    drawn_images: np.ndarray | None = None,
    embeddings: np.ndarray | None = None,
    image_embeddings: np.ndarray | None = None,
    gallery_embeddings: np.ndarray | None = None,
    gallery_ids: np.ndarray | None = None,
    seeds: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Score the predictions of one method on one dataset and protocol, all folds and seeds at once.

    Identification, and retrieval in the gallery ``test``, compare a sample with the distinct stimuli of the scored
    part of its own fold, or, where a fold scores fewer than `SMALLEST_GALLERY` of them, with those scored in all folds
    (most of which the fold trained on, which can only make them harder distractors). The gallery ``all`` are all
    stimuli given in ``gallery_ids``. Images are scored as they were predicted, not clipped.

    Parameters
    ----------
    dataset, protocol, method, encoder : written into every row; ``encoder`` is "none" for a method without one.
    folds, samples : int arrays (n_samples,): the fold that scored a sample, and its number; a pair occurs once.
    stimuli : array (n_samples, y, x) in 0..1: what was shown, with its identity in ``stimulus_ids`` (n_samples,).
    images : array (n_seeds, n_samples, y, x): predicted images. A deterministic method has one seed.
    nearest_images : array like ``images``: the stimulus nearest to each prediction, scored as ``method + "_nearest"``.
    drawn_images : array like ``images``: one image that the method drew, scored as ``method + "_draw"``.
    embeddings : array (n_seeds, n_samples, n_features): predicted, for retrieval and embedding_identification.
    image_embeddings : array like ``embeddings``: what the encoder makes of ``images``, for clip_identification.
    gallery_embeddings, gallery_ids : arrays (n_gallery, n_features) and (n_gallery,): embeddings and identities of the
        dataset's distinct stimuli, needed where there are embeddings.
    seeds : number of each seed, from 0 if not given.

    The table has the columns `COLUMNS`, ordered by readout, metric (as in `METRICS`), seed, fold and sample. A value
    that is not defined (a constant image has no correlation) is NaN. Raises InputError if arrays do not fit together,
    or a stimulus is not finite, differs between its trials or has no embedding.
    """
    samples = _numbers("samples", samples)
    folds = _per_sample("folds", _numbers("folds", folds), len(samples))
    order = np.lexsort((samples, folds))
    samples, folds = samples[order], folds[order]
    ids = _per_sample("stimulus_ids", np.asarray(stimulus_ids).astype(str), len(order))[order]
    stimuli = _per_sample("stimuli", np.asarray(stimuli, dtype=float), len(order))[order]
    _check_samples(folds, samples, stimuli, ids)
    given = {"images": images, "nearest_images": nearest_images, "drawn_images": drawn_images}
    given |= {"embeddings": embeddings, "image_embeddings": image_embeddings}
    predictions = {
        name: _prediction(name, array, len(order))[:, order] for name, array in given.items() if array is not None
    }
    numbers = _seed_numbers(predictions, seeds)
    parts = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    if min(len(np.unique(ids[part])) for part in parts) < SMALLEST_GALLERY:
        parts = [np.arange(len(folds))]
    blocks = _image_blocks(method, predictions, stimuli, ids, parts)
    if "embeddings" in predictions or "image_embeddings" in predictions:
        blocks |= _embedding_blocks(method, predictions, parts, *_gallery(gallery_embeddings, gallery_ids, ids))
    return _tidy((dataset, protocol, method, encoder), blocks, folds, numbers, samples, ids)


def _image_blocks(
    method: str, predictions: dict[str, np.ndarray], stimuli: np.ndarray, ids: np.ndarray, parts: list[np.ndarray]
) -> dict[tuple[str, str], np.ndarray]:
    """Values (seed, sample) of every readout and metric of images, each fold's scored part by itself."""
    return {
        (method + suffix, name): _by_part(
            predictions[given],
            parts,
            lambda values, part, compute=metric.of_images: compute(values, stimuli[part], ids[part]),
        )
        for suffix, given in (("", "images"), (NEAREST, "nearest_images"), (DRAW, "drawn_images"))
        for name, metric in METRICS.items()
        if given in predictions and metric.of_images is not None
    }


def _embedding_blocks(
    method: str, predictions: dict[str, np.ndarray], parts: list[np.ndarray], gallery: np.ndarray, index: np.ndarray
) -> dict[tuple[str, str], np.ndarray]:
    """Values (seed, sample) of every metric of embeddings; ``index`` is the true row of the gallery."""

    def identified(values: np.ndarray, part: np.ndarray) -> np.ndarray:
        return embedding_identification(values, gallery[index[part]], index[part])

    blocks: dict[tuple[str, str], np.ndarray] = {}
    for given, name in (("image_embeddings", "clip_identification"), ("embeddings", "embedding_identification")):
        if given in predictions:
            blocks[method, name] = _by_part(predictions[given], parts, identified)
    for part in parts if "embeddings" in predictions else ():
        similarity = retrieval.similarity_matrix(predictions["embeddings"][:, part], gallery)
        shown, column = np.unique(index[part], return_inverse=True)
        forward = {
            "test": retrieval.forward_ranking(similarity[..., shown], column),
            "all": retrieval.forward_ranking(similarity, index[part]),
        }
        backward = retrieval.backward_ranking(similarity, index[part])
        for name, metric in METRICS.items():
            if metric.of_forward is not None:
                values = metric.of_forward(forward[metric.gallery])
            elif metric.of_backward is not None:
                values = metric.of_backward(backward)
            else:
                continue
            blocks.setdefault((method, name), np.empty(predictions["embeddings"].shape[:2]))[:, part] = values
    return blocks


def _tidy(
    names: tuple[str, str, str, str],
    blocks: dict[tuple[str, str], np.ndarray],
    folds: np.ndarray,
    seeds: np.ndarray,
    samples: np.ndarray,
    ids: np.ndarray,
) -> pd.DataFrame:
    """The table of blocks of values (seed, sample); ``names`` are dataset, protocol, method and encoder."""
    dataset, protocol, method, encoder = names
    metric_order = {name: number for number, name in enumerate(METRICS)}
    keys = sorted(blocks, key=lambda key: (key[0] != method, metric_order[key[1]]))
    rows = len(seeds) * len(samples)
    readouts, metrics = list(dict.fromkeys(key[0] for key in keys)), list(METRICS)
    stimulus = pd.Categorical(ids)
    return pd.DataFrame(
        {
            "dataset": _constant(dataset, rows * len(keys)),
            "protocol": _constant(protocol, rows * len(keys)),
            "method": _codes(np.repeat([readouts.index(key[0]) for key in keys], rows), readouts),
            "encoder": _constant(encoder, rows * len(keys)),
            "fold": np.tile(folds.astype(np.int32), len(seeds) * len(keys)),
            "seed": np.tile(np.repeat(seeds, len(samples)), len(keys)),
            "sample": np.tile(samples.astype(np.int32), len(seeds) * len(keys)),
            "stimulus": _codes(np.tile(stimulus.codes, len(seeds) * len(keys)), list(stimulus.categories)),
            "metric": _codes(np.repeat([metrics.index(key[1]) for key in keys], rows), metrics),
            "value": np.concatenate([blocks[key].ravel() for key in keys]),
        },
        columns=COLUMNS,
    )


def combine_scores(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of the rows of several score tables, in the order given, with names kept as categories.

    Raises InputError if a table lacks one of `COLUMNS`, or none is given.
    """
    if not tables:
        raise InputError("scores: no table given; expected at least one. Run a method first.")
    for number, table in enumerate(tables):
        if missing := [column for column in COLUMNS if column not in table]:
            raise InputError(
                f"scores: table {number} lacks the columns {', '.join(missing)}. Score the predictions again."
            )
    columns = {}
    for column in COLUMNS:
        parts = [table[column] for table in tables]
        if column in NAMES:
            parts = [pd.Categorical(part.astype(str)) if part.dtype != "category" else part.array for part in parts]
            columns[column] = union_categoricals(parts, sort_categories=True)
        else:
            columns[column] = np.concatenate([part.to_numpy() for part in parts])
    return pd.DataFrame(columns, columns=COLUMNS)


def mean_over_trials(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with the trials of a stimulus that were scored in the same fold averaged into one row.

    The row's sample is the first of the trials. The mean is not defined if one of the trials' values is not.
    """
    keys = [column for column in COLUMNS if column not in ("sample", "value")]
    grouped = scores.groupby(keys, observed=True, sort=False)
    table = grouped.agg(
        sample=("sample", "min"), value=("value", "mean"), defined=("value", "count"), trials=("value", "size")
    ).reset_index()
    return table.assign(value=table.value.where(table.defined == table.trials))[COLUMNS]


def means_of(scores: pd.DataFrame) -> dict:
    """Mean of each metric over the samples, by readout; None where it is not defined."""
    means = scores.groupby(["method", "metric"], observed=True)["value"].mean()
    found: dict = {}
    for (method, metric), value in means.items():
        found.setdefault(str(method), {})[str(metric)] = None if np.isnan(value) else float(value)
    return found


def weigh(scores: pd.DataFrame, plan) -> pd.DataFrame:
    """The same scores, with one row for each stimulus in protocols whose means weigh stimuli equally."""
    apart = scores.protocol.isin([name for name, entry in plan.protocols.items() if entry.average == "stimulus"])
    if not apart.any():
        return scores
    return combine_scores([scores[~apart], mean_over_trials(scores[apart])])


def _by_part(predicted: np.ndarray, parts: list[np.ndarray], compute) -> np.ndarray:
    values = np.empty(predicted.shape[:2])
    for part in parts:
        values[:, part] = compute(predicted[:, part], part)
    return values


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or not len(values) or not np.issubdtype(values.dtype, np.integer):
        raise InputError(
            f"{name}: found {values.dtype} of shape {values.shape}; expected whole numbers, one per scored sample."
        )
    return values


def _per_sample(name: str, values: np.ndarray, samples: int) -> np.ndarray:
    if values.shape[:1] != (samples,):
        raise InputError(f"{name}: found shape {values.shape}; expected {samples} scored samples along the first axis.")
    return values


def _check_samples(folds: np.ndarray, samples: np.ndarray, stimuli: np.ndarray, ids: np.ndarray) -> None:
    repeated = (np.diff(folds) == 0) & (np.diff(samples) == 0)
    if repeated.any():
        row = int(np.argmax(repeated))
        raise InputError(
            f"samples: sample {samples[row]} is scored twice in fold {folds[row]}. Give each (fold, sample) once."
        )
    finite = np.isfinite(stimuli).all(axis=tuple(range(1, stimuli.ndim)))
    if not finite.all():
        raise InputError(
            f"stimuli: the image of sample {samples[np.argmin(finite)]} holds NaN or infinity. Repair the dataset."
        )
    _, first, stimulus = np.unique(ids, return_index=True, return_inverse=True)
    same = (stimuli == stimuli[first][stimulus]).all(axis=tuple(range(1, stimuli.ndim)))
    if not same.all():
        row = int(np.argmin(same))
        raise InputError(
            f"stimuli: samples {samples[first[stimulus[row]]]} and {samples[row]} have the stimulus id "
            f"{ids[row]} but different images. Give different images different ids."
        )


def _prediction(name: str, array: np.ndarray, samples: int) -> np.ndarray:
    array = np.asarray(array)
    axes = "(seed, sample, feature)" if name.endswith("embeddings") else "(seed, sample, y, x)"
    if array.ndim != len(axes.split()) or array.shape[1] != samples:
        raise InputError(f"{name}: found shape {array.shape}; expected {axes} with {samples} scored samples.")
    return array


def _seed_numbers(predictions: dict[str, np.ndarray], seeds: Sequence[int] | None) -> np.ndarray:
    counts = {name: len(array) for name, array in predictions.items()}
    if not counts:
        raise InputError("predictions: neither images nor embeddings given; expected at least one of them.")
    if len(set(counts.values())) > 1 or 0 in counts.values():
        raise InputError(f"predictions: found numbers of seeds {counts}; expected the same, at least 1, in all arrays.")
    count = next(iter(counts.values()))
    numbers = np.arange(count) if seeds is None else np.asarray(seeds)
    if numbers.shape != (count,) or len(np.unique(numbers)) != count:
        raise InputError(f"seeds: found {numbers.tolist()}; expected {count} different numbers, one per prediction.")
    return numbers.astype(np.int32)


def _gallery(
    embeddings: np.ndarray | None, gallery_ids: np.ndarray | None, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gallery embeddings (stimulus, feature) and the row of the true stimulus of every sample."""
    if embeddings is None or gallery_ids is None:
        raise InputError(
            "gallery: gallery_embeddings and gallery_ids are missing; embeddings are scored against them. "
            "Give the embeddings of the dataset's distinct stimuli."
        )
    embeddings, gallery_ids = np.asarray(embeddings, dtype=float), np.asarray(gallery_ids).astype(str)
    if embeddings.ndim != 2 or gallery_ids.shape != embeddings.shape[:1]:
        raise InputError(
            f"gallery: found embeddings {embeddings.shape} and ids {gallery_ids.shape}; expected (stimulus, feature) "
            "and one id for each stimulus."
        )
    rows = {identity: row for row, identity in enumerate(gallery_ids)}
    if len(rows) != len(gallery_ids):
        raise InputError("gallery_ids: a stimulus occurs twice. Give each distinct stimulus once.")
    if missing := sorted(set(ids) - set(rows)):
        raise InputError(
            f"gallery_ids: the scored stimulus {missing[0]} ({len(missing)} in all) is missing. Encode all stimuli."
        )
    usable = np.isfinite(embeddings).all(axis=-1)
    if not usable.all():
        raise InputError(
            f"gallery_embeddings: the embedding of stimulus {gallery_ids[np.argmin(usable)]} is not finite. "
            "Encode the stimuli again."
        )
    return embeddings, np.array([rows[identity] for identity in ids])


def _constant(name: str, rows: int) -> pd.Categorical:
    return _codes(np.zeros(rows, dtype=np.int8), [name])


def _codes(codes: np.ndarray, names: list[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))


def similarity_of(dataset: xr.Dataset, predictions: xr.Dataset, features: xr.Dataset) -> xr.Dataset:
    """Cosine similarity of every predicted embedding of a run to every distinct stimulus of the dataset.

    The variable ``similarity`` has dims (seed, sample, gallery); ``scored`` (gallery) says whether a stimulus is among
    the scored ones.
    """
    shown = dataset.stimulus.values[predictions.sample.values]
    similarity = retrieval.similarity_matrix(predictions.embedding.values, features.embedding.values)
    return xr.Dataset(
        {
            "similarity": (("seed", "sample", "gallery"), similarity.astype(np.float32)),
            "scored": (("gallery",), np.isin(features.stimulus.values, shown).astype(np.int8)),
        },
        coords={
            "sample": predictions.sample.values,
            "shown": ("sample", shown),
            "fold": ("sample", predictions.fold.values),
            "gallery": features.stimulus.values,
        },
    )
