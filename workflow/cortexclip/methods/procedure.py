"""How a source trained its networks, as data: what its code did otherwise than this project's own training.

A method of config/methods.yaml states a procedure for each protocol that repeats a source (``procedures``). The same
training loop follows it; nothing else of the method changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cortexclip.methods.interface import make_settings


@dataclass(frozen=True)
class Procedure:
    """What a source's code did.

    Attributes
    ----------
    scaling : of the voxels: "voxel" by voxel, "scalar" by one mean and deviation of all values, "none". Computed on the
        samples that train and the ones that choose together.
    scored_scaling : how the scored part is scaled: as the training part ("training"), or by its "own" values.
    optimiser : "adamw", or "adam" with the weight decay as an L2 penalty.
    schedule : "constant", or "plateau": the rate times ``plateau_factor`` after more than ``plateau_patience`` epochs
        without a lower selection loss.
    clip_norm : largest norm of the gradient, 0 for no limit.
    selection_loss : mean over "samples", or over "batches" of their means.
    weights : those of the "best" epoch by the selection loss, or of the "last" one.
    chosen_on : what chooses among several configurations: the "select" part, or the "scored" part.
    """

    scaling: Literal["voxel", "scalar", "none"]
    scored_scaling: Literal["training", "own"]
    optimiser: Literal["adamw", "adam"]
    schedule: Literal["constant", "plateau"]
    plateau_factor: float
    plateau_patience: int
    clip_norm: float
    selection_loss: Literal["samples", "batches"]
    weights: Literal["best", "last"]
    chosen_on: Literal["select", "scored"]


@dataclass(frozen=True)
class Configured:
    """A method's settings with the procedure that its training follows, and the settings of its configuration.

    ``number`` is the configuration's place among those of the source, from 1.
    """

    settings: object
    procedure: Procedure
    point: Mapping[str, object]
    number: int = 1


FIELDS = tuple(field.name for field in dataclasses.fields(Procedure))


def make_procedure(values: Mapping[str, object], where: str) -> Procedure:
    """Build a procedure from configuration values; raises InputError as :func:`make_settings`."""
    return make_settings(Procedure, values, f"{where}: procedure")
