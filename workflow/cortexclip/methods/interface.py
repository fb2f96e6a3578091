"""What a decoding method is given and what it gives back.

A method is one module named in config/methods.yaml. It defines

- ``Settings``: a frozen dataclass of its hyper-parameters, without defaults (the configuration states all of them);
- ``STOCHASTIC``: whether its result depends on the seed (if not, it runs once whatever the number of seeds);
- ``fit(data, settings, seed, progress) -> Decoder``;

and, where it needs them,

- ``fits(settings) -> int``: how many fits a fold gets, for a method whose repetitions are not seeds (shuffles);
- ``TOLD_THE_CLASS = True``: ``predict`` is given the class of each scored sample too, for an oracle control;
- ``TRANSDUCTIVE = True``: the fit is given the brain data of the scored samples (never their images), and every table
  says so;
- ``restore(saved, settings) -> Decoder``: the decoder of a finished run from its files, see `Saved`; without it the
  method can be trained and scored, but not loaded;
- ``recipe(data, settings) -> Recipe`` instead of a ``fit`` of its own, for a network: folds, seeds and grid points are
  then trained in stacks (methods/network.py), and ``fit = fit_with(recipe)``.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cortexclip.errors import InputError, check_keys
from cortexclip.models.standardise import VoxelScaler


@dataclass(frozen=True)
class Samples:
    """Trials of one part of a split; all arrays share their first axis.

    Attributes
    ----------
    brain : array of shape (n_samples, n_voxels), as measured; a method standardises it on its own training samples.
    images : array of shape (n_samples, height, width), the stimuli, 0 to 1.
    stimulus : array of shape (n_samples,), identity of each image (equal images have equal values).
    label : array of shape (n_samples,), class of the image, -1 where there is none.
    session : array of shape (n_samples,), session of the trial, -1 where unknown.
    embedding : array of shape (n_samples, n_features) or None: unit-length embedding of each image.
    """

    brain: np.ndarray
    images: np.ndarray
    stimulus: np.ndarray
    label: np.ndarray
    session: np.ndarray
    embedding: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.brain)

    @property
    def pixels(self) -> np.ndarray:
        """Images as rows, shape (n_samples, height * width), float64."""
        return self.images.reshape(len(self.images), -1).astype(np.float64)

    def distinct(self) -> np.ndarray:
        """Indices of the first trial of each distinct stimulus, in order of appearance."""
        return np.sort(np.unique(self.stimulus, return_index=True)[1])


@dataclass(frozen=True)
class FitData:
    """The samples that a fit may use.

    ``train`` is what parameters are fitted on while ``select`` chooses the epoch or a hyper-parameter. ``final`` is
    what the decoder that is scored learns from: train and select together where the protocol refits with what selection
    chose, as the honest ones do, else the training part alone. ``scored`` is there only where a source's procedure is
    repeated, whose scored samples choose among configurations or whose configurations are all shown.
    """

    train: Samples
    select: Samples
    final: Samples
    scored_brain: np.ndarray | None = None  # brain data of the scored samples, for transductive methods alone
    scored: Samples | None = None
    others: tuple[Samples, ...] = ()  # training parts of other datasets, for methods that pool them

    @property
    def refit(self) -> bool:
        """Whether the scored decoder learns from other samples than the ones used during selection."""
        return self.final is not self.train


@dataclass(frozen=True)
class Task:
    """One fit: the fold and the index of the seed that it belongs to, the seed, and how to get the fold's samples."""

    fold: int
    seed_index: int
    seed: int
    data: typing.Callable[[], FitData]


@dataclass(frozen=True)
class Prediction:
    """What a decoder says about brain samples.

    ``images`` has shape (n_samples, height, width), 0 to 1; ``embedding`` (n_samples, n_features) or None;
    ``nearest`` (n_samples, height, width) or None: the training image whose embedding is closest to the predicted one.
    ``draws`` (n_draws, n_samples, height, width) or None: samples of a method that draws images; ``images`` is what is
    scored all the same.
    """

    images: np.ndarray
    embedding: np.ndarray | None = None
    nearest: np.ndarray | None = None
    draws: np.ndarray | None = None


class Decoder(typing.Protocol):
    """A fitted method."""

    def predict(self, brain: np.ndarray) -> Prediction:
        """Decode brain samples of shape (n_samples, n_voxels)."""

    def weights(self) -> dict[str, np.ndarray]:
        """All fitted arrays by name, as saved in weights.safetensors."""

    def facts(self) -> dict[str, float | int | str]:
        """What the fit chose and counted (penalty, epoch, parameters), as saved in run.json."""

    def history(self) -> list[dict]:
        """Rows of stage, epoch, quantity, value; empty where nothing is iterated."""


@dataclass(frozen=True)
class LinearDecoder:
    """A decoder made of named arrays and a function, for methods without iterations.

    ``kept`` are arrays that are saved with the others but are no parameters: what was standardised with, galleries.
    """

    function: typing.Callable[..., Prediction]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    chosen: dict[str, float | int | str] = field(default_factory=dict)
    kept: dict[str, np.ndarray] = field(default_factory=dict)

    def predict(self, brain: np.ndarray, *told: np.ndarray) -> Prediction:
        return self.function(brain, *told)

    def weights(self) -> dict[str, np.ndarray]:
        return {**self.kept, **self.arrays}

    def facts(self) -> dict[str, float | int | str]:
        return {**self.chosen, "parameters": int(sum(a.size for a in self.arrays.values()))}

    def history(self) -> list[dict]:
        return []


@dataclass(frozen=True)
class Saved:
    """What the files of a run keep of one fit: all that ``restore`` makes the decoder from.

    Attributes
    ----------
    arrays : by name, as ``weights`` gave them; those of float64 were rounded to float32.
    facts : as ``facts`` gave them.
    shape : height and width of the images.
    where : how messages call the run.
    """

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, float | int | str]
    shape: tuple[int, int]
    where: str

    def __getitem__(self, name: str) -> np.ndarray:
        """An array, floating point as float64; raises InputError if it was not saved."""
        if name not in self.arrays:
            raise InputError(
                f"{self.where}: weights.safetensors has no array '{name}', which an earlier version did not save. "
                "Train it again."
            )
        array = self.arrays[name]
        return array.astype(np.float64) if np.issubdtype(array.dtype, np.floating) else array

    def fact(self, name: str) -> float | int | str:
        """A fact of the fit; raises InputError if run.json has none of this name."""
        if name not in self.facts:
            raise InputError(f"{self.where}: run.json does not say '{name}' of the fit. Train it again.")
        return self.facts[name]

    @property
    def chosen(self) -> dict[str, float | int | str]:
        """The facts but for the number of parameters, which decoders count themselves."""
        return {key: value for key, value in self.facts.items() if key != "parameters"}

    @property
    def scaler(self) -> VoxelScaler:
        """What the voxels were standardised with, saved as ``voxel_mean`` and ``voxel_scale``."""
        return VoxelScaler(self["voxel_mean"], self["voxel_scale"])


def scaling(scaler: VoxelScaler) -> dict[str, np.ndarray]:
    """The arrays of a scaler under the names that `Saved.scaler` reads."""
    return {"voxel_mean": scaler.mean, "voxel_scale": scaler.scale}


# Limits of settings that mean the same in every method: lowest, highest, and whether the lowest itself is allowed.
LIMITS = {
    **dict.fromkeys(
        ("epochs", "pretraining_epochs", "patience", "batch_size", "permutations", "components", "neighbours"),
        (1, None, True),
    ),
    **dict.fromkeys(("penalty_count", "readout_penalty_count", "hidden"), (1, None, True)),
    **dict.fromkeys(("penalty_low", "penalty_high", "readout_penalty_low", "readout_penalty_high"), (0, None, False)),
    **dict.fromkeys(("lr", "temperature", "widths"), (0, None, False)),
    **dict.fromkeys(("weight_decay", "clip_residual_weight"), (0, None, True)),
    **dict.fromkeys(("dropout", "dropout_encoder", "dropout_decoder", "mask_fraction"), (0, 0.999, True)),
    **dict.fromkeys(("clip_weight", "consistency_weight", "contrastive_weight"), (0, None, True)),
    **dict.fromkeys(("resolution_weight", "domain_weight", "warm_up"), (0, None, True)),
    **dict.fromkeys(("attention_group", "attention_tokens", "enhancer_blocks"), (0, None, True)),
    **dict.fromkeys(("attention_size", "attention_heads", "projections", "views"), (1, None, True)),
    **dict.fromkeys(("steps", "draws", "patch", "size", "depth", "heads", "context_tokens"), (1, None, True)),
    **dict.fromkeys(("mixing",), (0, 1, True)),
    **dict.fromkeys(("strength",), (0, 1, False)),
    **dict.fromkeys(("guidance", "decoder_depth"), (0, None, True)),
    **dict.fromkeys(("pretraining_lr",), (0, None, False)),
    **dict.fromkeys(("plateau_factor",), (0, 1, False)),
    **dict.fromkeys(("plateau_patience", "clip_norm"), (0, None, True)),
    "folds": (2, None, True),
}


def make_settings(cls: type, values: Mapping[str, object], where: str):
    """Build a method's ``Settings`` from configuration values.

    Raises InputError for unknown keys (naming the nearest known one), missing keys, wrong types and values outside
    ``LIMITS``.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    check_keys(values, fields, f"{where}: settings")
    missing = [name for name in fields if name not in values]
    if missing:
        raise InputError(f"{where}: missing setting '{missing[0]}'. State every setting; see config/README.md.")
    converted = {key: _convert(value, hints[key], f"{where}: setting '{key}'") for key, value in values.items()}
    for key, value in converted.items():
        _check_limits(key, value, f"{where}: setting '{key}'")
    return cls(**converted)


def _check_limits(key: str, value: object, where: str) -> None:
    low, high, included = LIMITS.get(key, (None, None, True))
    if low is None:
        return
    values = value if isinstance(value, tuple) else (value,)
    if not values:
        raise InputError(f"{where}: found an empty list, expected at least one value.")
    for number in values:
        if not (number > low or (included and number == low)) or (high is not None and number > high):
            least = f"{'at least' if included else 'more than'} {low}"
            raise InputError(f"{where}: found {number}, expected {least}{f' and at most {high}' if high else ''}.")


def _convert(value: object, hint: object, where: str) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        if value not in arguments:
            raise InputError(f"{where}: found {value!r}, expected one of {', '.join(map(repr, arguments))}.")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"{where}: found {value!r}, expected a list.")
        return tuple(_convert(v, arguments[0], where) for v in value)
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint is float and not isinstance(value, bool):
        try:
            return float(value)  # YAML 1.1 reads 1e-3 as text
        except (TypeError, ValueError):
            pass
    if hint is str and isinstance(value, str):
        return value
    raise InputError(f"{where}: found {value!r}, expected {getattr(hint, '__name__', hint)}.")
