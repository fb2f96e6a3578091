"""What a method that trains a network states: how it is built, its losses, and how an image is read from it.

It loads without torch; methods/network.py trains what is stated here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import Decoder, FitData, Method, Prediction, Progress, Samples, Saved, Task
from cortexclip.methods.procedure import Procedure
from cortexclip.numerics.ridge import penalty_grid
from cortexclip.numerics.standardise import VoxelScaler
from cortexclip.runtime.settings import Checked, Count, NonNegative, Positive
from cortexclip.training.settings import ALONE, Options, TrainingSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cortexclip.methods.network import NetworkDecoder
    from cortexclip.training.stack import Batch, Part

    Read = Callable[[nn.Module, Tensor], Prediction]


@dataclass(frozen=True)
class Phase:
    """One training of a network; a recipe may have several, each going on from the one before.

    ``loss`` gives each member's mean loss on a batch, shape (n_members,). ``trained`` says by its name whether a
    parameter is trained in this phase (all of them if None). ``further_brain`` (n_samples, n_voxels), as measured,
    joins the training samples of this phase, which then has voxels alone, and so does ``other_brain`` (n_samples,
    n_voxels), which is standardised already.
    """

    loss: Callable[[nn.Module, Batch], Tensor]
    training: TrainingSettings
    name: str = ""
    trained: Callable[[str], bool] | None = None
    further_brain: np.ndarray | None = None
    other_brain: np.ndarray | None = None


@dataclass(frozen=True)
class Recipe:
    """How a method trains its network on the samples of one fold."""

    make: Callable[[], nn.Module]  # builds the network (a stack of one, see training/layers.py)
    kind: Hashable  # what recipes must agree on to be trained in one stack, see `NetworkMethod.kind`
    phases: Sequence[Phase]  # in their order; the selection loss of the last one compares grid points
    finish: Callable[[Fitted], Decoder]  # from the trained networks to what the decoder is
    standardise: bool  # whether voxels are z-scored on the samples that are trained on
    # trained one by one on a CPU, where activations are larger than the weights and a stack gains nothing
    alone: bool = False
    extra: Callable[[Samples], dict[str, np.ndarray]] | None = None  # further arrays by sample that the losses use
    join: Callable[[Part], Part] | None = None  # adds what else is trained on to the tensors, after standardisation
    # compares grid points in place of the last selection loss (lower is better), on the standardised selection part
    criterion: Callable[[nn.Module, Part], float] | None = None
    criterion_name: str = "selection loss"
    # how a source trained it, which says how voxels are scaled and what chooses; None for this project's own training
    procedure: Procedure | None = None

    @property
    def scaling(self) -> Literal["voxel", "scalar", "none"]:
        """How voxels are scaled."""
        if self.procedure is not None:
            return self.procedure.scaling
        return "voxel" if self.standardise else "none"


@dataclass(frozen=True)
class Fitted:
    """A network trained with a selection part, and the one that is scored (the same one where nothing is refitted).

    ``epochs`` has the chosen epoch of each phase; ``seed`` is that of the task.
    """

    selected: nn.Module
    selected_scaler: VoxelScaler
    network: nn.Module
    scaler: VoxelScaler
    epochs: list[int]
    rows: list[dict]
    seed: int

    def decoder(self, read: Read, arrays: Mapping[str, np.ndarray] | None = None, **chosen: float) -> NetworkDecoder:
        """The decoder that reads the network's output, with further arrays and what else was chosen."""
        from cortexclip.methods.network import NetworkDecoder

        chosen = {"epoch": self.epochs[-1], **chosen}
        return NetworkDecoder(self.network, self.scaler, read, chosen, self.rows, dict(arrays or {}))


class TrainedSettings(Checked):
    """What every network is trained with; ``epochs`` is the most, ``patience`` how many may not improve."""

    standardise: bool
    epochs: Count
    patience: Count
    batch_size: Count
    lr: Positive
    weight_decay: NonNegative


class ReadoutSettings(TrainedSettings):
    """Of networks from whose embedding images are read linearly; the penalties are tried on a logarithmic grid."""

    readout_penalty_low: Positive
    readout_penalty_high: Positive
    readout_penalty_count: Count

    @property
    def readout_penalties(self) -> np.ndarray:
        """The penalties of the readout to try, shape (readout_penalty_count,)."""
        return penalty_grid(self.readout_penalty_low, self.readout_penalty_high, self.readout_penalty_count)


class NetworkMethod(Method):
    """A method that trains a network: folds, seeds and grid points are trained in stacks.

    Attributes
    ----------
    varying : settings in which the networks of a stack may differ, since neither network nor loss depends on them.
    """

    stochastic = True
    is_network = True
    chooses = True
    varying: ClassVar[frozenset[str]] = frozenset({"standardise", *(each.name for each in fields(TrainingSettings))})

    @abstractmethod
    def recipe(self, data: FitData) -> Recipe:
        """How the network is trained on the samples of one fold."""

    def recipe_followed(self, data: FitData) -> Recipe:
        """The recipe, trained as the source's procedure says if there is one."""
        recipe = self.recipe(data)
        if self.procedure is None:
            return recipe
        changes = self.procedure.training()
        phases = [replace(phase, training=replace(phase.training, **changes)) for phase in recipe.phases]
        return replace(recipe, phases=phases, procedure=self.procedure)

    def training(self, **changes: object) -> TrainingSettings:
        """How it is trained by its settings, but for changes."""
        names = {each.name for each in fields(TrainingSettings)}
        return TrainingSettings(**{**self.settings.model_dump(include=names), **changes})

    def kind(self, *sizes: Hashable) -> Hashable:
        """What networks must agree on to be trained in one stack: all sizes and the settings that may not vary."""
        return (type(self), *sizes, *self.settings.model_dump(exclude=self.varying).values())

    def fit(self, data: FitData, seed: int, progress: Progress) -> Decoder:
        [(_, decoder)] = self.fit_tasks([self], [Task(0, 0, seed, lambda: data)], progress)
        return decoder

    @classmethod
    def fit_groups(
        cls, points: Sequence[NetworkMethod], tasks: Sequence[Task], progress: Progress, options: Options | None = None
    ) -> Iterator[tuple[Sequence[Task], Callable[[], Iterator[tuple[Task, Decoder]]]]]:
        from cortexclip.methods.network import fit_groups

        return fit_groups(points, tasks, progress, options or ALONE)

    def restored(self, saved: Saved, make: Callable[[], nn.Module], read: Read, arrays: Sequence[str] = ()) -> Decoder:
        """The decoder of a finished run: the network that ``make`` builds, with the weights that were saved.

        ``arrays`` names what was saved beside network and scaling. Raises InputError for weights of another network.
        """
        import torch

        from cortexclip.methods.network import NetworkDecoder
        from cortexclip.training.stack import device

        with torch.random.fork_rng(devices=[]):  # initial weights are drawn and thrown away
            network = make()
        others = {"voxel_mean", "voxel_scale", *arrays}
        state = {name: torch.tensor(array)[None] for name, array in saved.arrays.items() if name not in others}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(
                f"{saved.where}: weights.safetensors does not hold the network that the settings describe "
                f"({' '.join(str(error).split())[:200]}). Train it again."
            ) from error
        network = network.to(device()).eval()
        return NetworkDecoder(network, saved.scaler, read, dict(saved.facts), [], saved.named(*arrays))


def predict_array(output: Tensor) -> np.ndarray:
    """The output of a stack of one, (1, n_samples, ...), as a float64 array (n_samples, ...)."""
    return output[0].double().detach().cpu().numpy()


def image_reader(shape: tuple[int, int]) -> Read:
    """From a network whose output is pixels, and standardised voxels, to images of a shape."""
    return lambda network, brain: Prediction(predict_array(network(brain)).reshape(-1, *shape))
