"""Samples with a known answer, and every method of the catalogue with settings that make it quick."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from cortexclip.configuration.config import read_yaml
from cortexclip.methods.catalogue import load_method, settings_for
from cortexclip.methods.interface import FitData, Method, Samples
from cortexclip.numerics.readout import unit_length

ROOT = Path(__file__).resolve().parents[2]
METHODS = read_yaml(ROOT / "config/methods.yaml")
RIDGE = {"standardise": True, "penalty_low": 1e-2, "penalty_high": 1e7, "penalty_count": 19}
# What makes a method of the catalogue quick enough for a test; the rest of its settings stay.
QUICK = {
    **{
        "epochs": 2,
        "patience": 2,
        "pretraining_epochs": 2,
        "batch_size": 16,
        "hidden": [32, 8],
        "filters": 4,
        "views": 3,
        "draws": 2,
    },
    **{"strength": [0.5], "guidance": [2], "mixing": [0.4]},
    **{"folds": 2, "copies": 30, "coordinates": 20, "doubt": [1]},
    **{"field_sizes": [0.1, 0.3], "field_spacing": 4, "contrast_block": 4, "contrast_coordinates": 30},
    **{"permutations": 2, "components": None, "penalty_count": 7, "mixtures": 7},
    **{"resolutions": [3, 4], "starts": 3, "dense": 16, "mixed_epochs": 1, "prior_width": 16},
}
QUICK_MIND_VIS = {"size": 16, "depth": 1, "context_tokens": 2, "latent_tokens": 2, "latent_size": 8, "latent_depth": 1}
QUICK_OF = {"mind_vis": QUICK_MIND_VIS, "mindeye": {"width": 16}}  # by how the method's name begins


def silent(text: str) -> None:
    """A progress function that says nothing."""


def make_samples(n: int, seed: int = 0, n_voxels: int = 30, n_stimuli: int | None = None) -> Samples:
    """Images made of two patterns in random amounts, voxels that see the amounts with a little noise."""
    rng = np.random.default_rng(seed)
    amounts = rng.uniform(size=(n_stimuli or n, 2))[rng.permutation(n) % (n_stimuli or n)]
    patterns = np.random.default_rng(99).uniform(size=(2, 28, 28)) / 2
    mixing = np.random.default_rng(98).normal(size=(2, n_voxels))
    names = np.array([f"s-{a:.6f}-{b:.6f}" for a, b in amounts])
    embedding = np.random.default_rng(97).normal(size=(2, 12))
    embedding = amounts @ embedding
    return Samples(
        brain=amounts @ mixing + 0.05 * rng.normal(size=(n, n_voxels)),
        images=np.einsum("nk,kyx->nyx", amounts, patterns).astype(np.float32),
        stimulus=names,
        label=(amounts[:, 0] > amounts[:, 1]).astype(int),
        session=np.arange(n) % 3,
        embedding=embedding / np.linalg.norm(embedding, axis=1, keepdims=True),
        region=np.arange(n_voxels) % 3,
    )


def take(samples: Samples, rows) -> Samples:
    return samples.take(rows)


def changed(method: Method, **changes) -> Method:
    """The method with other settings."""
    return type(method)(method.settings.model_copy(update=changes))


def suited(name: str, samples: Samples) -> Samples:
    """The samples with embeddings that the method takes: a prior follows those of its own encoder alone."""
    if not ("prior" in METHODS[name].get("settings", {}) and METHODS[name].get("encoders")):
        return samples
    return replace(samples, embedding=unit_length(glyphclip_encoder().encode(samples.images)))


@cache
def glyphclip_encoder():
    from cortexclip.features import glyphclip

    return glyphclip.load({})


def suited_data(name: str) -> FitData:
    """`honest_data` for a method."""
    data = honest_data()
    return FitData(*(suited(name, part) for part in (data.train, data.select, data.final)))


def honest_data(n: int = 40, seed: int = 0) -> FitData:
    """Training samples, eight others that select, and all of them for the last fit."""
    samples = make_samples(n, seed)
    return FitData(take(samples, slice(0, n - 8)), take(samples, slice(n - 8, n)), samples)


def quick_method(name: str) -> Method:
    """A method of the catalogue that trains quickly."""
    entry = METHODS[name]
    values = settings_for(entry, "", 50)
    quick = dict(QUICK)
    for start, changes in QUICK_OF.items():
        if name.startswith(start):
            quick |= changes
    values |= {key: value for key, value in quick.items() if key in values and value is not None}
    if "steps" in values:
        values["steps"] = [4] if isinstance(values["steps"], list) else 4
    return load_method(entry["module"]).configured(values, name)


def predict(method, decoder, samples: Samples):
    """A decoder's predictions for the samples; one that knows the truth is given it."""
    return decoder.predict(samples.brain, *([getattr(samples, method.oracle_of)] if method.oracle_of else []))
