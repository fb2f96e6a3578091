"""How a source trained its networks, as data: what its code did otherwise than this project's own training.

A method of config/methods.yaml states a procedure for each protocol that repeats a source (``procedures``). The same
training loop follows it; nothing else of the method changes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from cortexclip.runtime.settings import Checked, NonNegative, Whole


class Procedure(Checked):
    """What a source's code did.

    Attributes
    ----------
    scaling : of the voxels: "voxel" by voxel, "scalar" by one mean and deviation of all values, "none". Computed on the
        samples that train and the ones that choose together.
    scored_scaling : how the scored part is scaled: as the training part ("training"), by its "own" mean and deviation,
        or voxel by voxel to its own "range".
    optimiser : "adamw", or "adam" with the weight decay as an L2 penalty.
    schedule : "constant", or "plateau": the rate times ``plateau_factor`` after more than ``plateau_patience`` epochs
        without a lower selection loss.
    clip_norm : largest norm of the gradient, 0 for no limit.
    selection_loss : mean over "samples", or over "batches" of their means.
    weights : those of the "best" epoch by the selection loss, or of the "last" one.
    chosen_on : what chooses among several configurations: the "select" part, or the "scored" part.
    """

    scaling: Literal["voxel", "scalar", "none"]
    scored_scaling: Literal["training", "own", "range"]
    optimiser: Literal["adamw", "adam"]
    schedule: Literal["constant", "plateau"]
    plateau_factor: Annotated[float, Field(gt=0, le=1)]
    plateau_patience: Whole
    clip_norm: NonNegative
    selection_loss: Literal["samples", "batches"]
    weights: Literal["best", "last"]
    chosen_on: Literal["select", "scored"]

    def training(self) -> dict[str, Any]:
        """The fields of `TrainingSettings` that it sets."""
        names = {"optimiser", "schedule", "plateau_factor", "plateau_patience", "selection_loss", "weights"}
        return {**self.model_dump(include=names), "clip_norm": self.clip_norm or None, "join_single": False}
