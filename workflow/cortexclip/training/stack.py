"""The one training loop of all networks: many members of one architecture, each as if it were trained alone.

A member has its own samples, order of samples, noise, learning rate, weight decay and early stopping; members of a
stack share the architecture, the batch size and the number of batches in an epoch, and nothing else. Folds, seeds and
grid points of a configuration become members. On a GPU as many are trained at once as fit; on a CPU a few, which share
the cost of every call while their products follow one another (docs/benchmarks.md has it measured).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cortexclip.training import layers
from cortexclip.training.noise import Noise, sample_order, step_keys
from cortexclip.training.optimiser import StackedAdam
from cortexclip.training.settings import ALONE, Options, TrainingSettings

CPU_MEMBERS = 8
CPU_BYTES = 500 << 20  # a job asks for 2 GB
SELECTION_STEP = 1 << 40  # steps from here on are those of the selection loss, for networks that draw when they predict

Part = Mapping[str, Tensor]  # named arrays of a part of a split, all with the sample as first axis


@dataclass(frozen=True)
class Member:
    """One network to train."""

    make: Callable[[], nn.Module]  # builds the network, a stack of one, from PyTorch's global seed
    train: Part  # the samples to fit
    select: Part | None  # the samples whose loss chooses the epoch; None trains exactly ``settings.epochs`` epochs
    settings: TrainingSettings
    seed: int  # of the initial weights, the order of samples and the noise
    kind: Hashable = None  # members of equal kind have the same architecture and the same loss


@dataclass(frozen=True)
class Trained:
    """A trained member: the network (a stack of one, in evaluation mode, with the chosen epoch's weights), that epoch
    (from 1), the least selection loss (None without a selection part), and the history.

    History rows have ``epoch``, ``quantity`` ("train_loss" or "select_loss") and ``value``.
    """

    network: nn.Module
    epoch: int
    select_loss: float | None
    history: list[dict]


@dataclass(frozen=True)
class Batch:
    """Samples of all members at one step.

    Each array in ``data`` has shape (n_members, batch, ...). ``weight``, (n_members, batch), is 1 for samples and 0
    for padding, or None where nothing is padded. ``noise`` is None outside training.
    """

    data: dict[str, Tensor]
    weight: Tensor | None = None
    noise: Noise | None = None

    def __getitem__(self, name: str) -> Tensor:
        return self.data[name]

    def mean(self, values: Tensor) -> Tensor:
        """Mean over samples of (n_members, batch) values, for each member: (n_members,)."""
        if self.weight is None:
            return values.mean(1)
        return (values * self.weight).sum(1) / self.weight.sum(1)


Loss = Callable[[nn.Module, Batch], Tensor]


def device() -> torch.device:
    """The device that networks run on: the first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def captures(device: torch.device) -> bool:
    """Whether a training step can be captured as a graph on a device."""
    return device.type == "cuda"


def build(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Initialise a network from a seed and move it to the device; the initial weights do not depend on the device."""
    torch.manual_seed(seed)
    return make().to(device())


def parameter_count(network: nn.Module) -> int:
    """Number of trained values of one member."""
    return sum(p[0].numel() for p in network.parameters() if p.requires_grad)


def train(
    jobs: Sequence[Member],
    loss: Loss,
    progress: Callable[[str], None],
    options: Options = ALONE,
    key: str = "",
) -> list[Trained]:
    """Train all members and return them in their order.

    ``loss`` is the mean loss of each member on a batch, shape (n_members,), and may not mix members; ``key`` names this
    training for the keeper. Raises FloatingPointError if a training loss is not finite.
    """
    trained: dict[int, Trained] = {}
    for index, chunk in enumerate(chunks(jobs, options.limit)):
        stack = Stack([jobs[i] for i in chunk], loss, options)
        trained.update(zip(chunk, stack.run(progress, f"{key}.{index}"), strict=True))
    return [trained[i] for i in range(len(jobs))]


def chunks(jobs: Sequence[Member], limit: int | None) -> list[list[int]]:
    """Which members are trained together, in the order in which they are trained."""
    groups: dict[tuple, list[int]] = {}
    for index, job in enumerate(jobs):
        settings = job.settings
        sizes = batch_sizes(len(_first(job.train)), settings.batch_size, settings.join_single)
        groups.setdefault((job.kind, job.select is None, len(sizes), *settings.shared), []).append(index)
    parts = []
    for group in groups.values():
        group.sort(key=lambda i: (jobs[i].settings.lr, jobs[i].settings.weight_decay))  # few runs for the optimiser
        first = jobs[group[0]]
        if limit is None and len(group) > 1:  # what a member takes is found by making one
            size = members_at_once(first.make, sum(map(_bytes, first.train.values())))
        else:
            size = limit or 1
        parts += [group[start : start + size] for start in range(0, len(group), size)]
    return parts


def members_at_once(make: Callable[[], nn.Module], samples: int) -> int:
    """How many members a stack of this kind has, whose training samples take ``samples`` bytes.

    On a GPU as many as half of its memory holds. On a CPU a few, which share the cost of the calls; more gain nothing.
    """
    target = device()
    with torch.device("meta"):
        state = sum(map(_bytes, make().state_dict().values()))
    # weights, two moments, the best weights so far, the gradient of one layer and activations
    each = 6 * state + samples
    if target.type == "cpu":
        return min(CPU_MEMBERS, max(1, CPU_BYTES // each))
    return max(1, int(0.5 * torch.cuda.get_device_properties(target).total_memory / each))


class Stack:
    """Members in training. :meth:`run` trains them to the end."""

    def __init__(self, jobs: Sequence[Member], loss: Loss, options: Options):
        self.jobs, self.loss, self.options = list(jobs), loss, options
        self.device = device()
        self.results: list[Any] = [None] * len(jobs)  # Trained, when a job is done
        self.alive = list(range(len(jobs)))  # which jobs the members of the network are
        self.best = [math.inf] * len(jobs)
        self.best_epoch = [0] * len(jobs)
        self.history: list[list[dict]] = [[] for _ in jobs]
        self.epoch = 0
        self.network = (
            layers.stack([build(job.make, job.seed) for job in jobs])
            if len(jobs) > 1
            else build(jobs[0].make, jobs[0].seed)
        )
        self.best_state: dict[str, Tensor] | None = None
        self.settings = jobs[0].settings
        self._prepare()

    def run(self, progress: Callable[[str], None], key: str = "") -> list[Trained]:
        """Train until every member has stopped."""
        keeper = self.options.keeper
        if keeper is not None and (kept := keeper.load(key)) is not None:
            self.restore(*kept)
            progress(f"goes on after epoch {self.epoch}")
        while self.alive:
            self._epoch(progress)
            if keeper is not None and self.alive and keeper.due():
                keeper.save(key, *self.state())
        return self.results

    def state(self) -> tuple[dict[str, Tensor], dict]:
        """All that the rest of the training depends on, as named tensors and plain values."""
        tensors = {f"network/{name}": value.detach() for name, value in self.network.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in (self.best_state or {}).items()}
        for name, (first, second) in self.optimiser.moments.items():
            tensors |= {f"first/{name}": first, f"second/{name}": second}
        for job, result in enumerate(self.results):
            if result is not None:
                tensors |= {f"done{job}/{name}": value for name, value in result.network.state_dict().items()}
        facts = {
            "epoch": self.epoch,
            "step": int(self.optimiser.step.item()),
            "alive": self.alive,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "history": self.history,
            "done": {str(job): [result.epoch, result.select_loss] for job, result in enumerate(self.results) if result},
        }
        return tensors, facts

    def restore(self, tensors: dict[str, Tensor], facts: dict) -> None:
        """Continue from what :meth:`state` gave."""

        def group(name: str) -> dict[str, Tensor]:
            return {k.split("/", 1)[1]: v.to(self.device) for k, v in tensors.items() if k.startswith(name + "/")}

        self.optimiser.close()
        single = layers.members(self.network, [0])
        self.epoch, self.alive = facts["epoch"], list(facts["alive"])
        self.best, self.best_epoch, self.history = facts["best"], facts["best_epoch"], facts["history"]
        for job, (epoch, value) in facts["done"].items():
            network = layers.members(single, [0])
            network.load_state_dict(group(f"done{job}"))
            self.results[int(job)] = Trained(network.eval(), epoch, value, self.history[int(job)])
        self.network = layers.members(single, [0] * len(self.alive))
        self.network.load_state_dict(group("network"))
        self.best_state = group("best") or None
        first, second = group("first"), group("second")
        self._prepare(facts["step"], {name: (first[name], second[name]) for name in first})

    def _prepare(self, step: int = 0, moments: dict | None = None) -> None:
        """Set up whatever belongs to the members that are alive."""
        jobs = [self.jobs[i] for i in self.alive]
        self.context = layers.Context()
        self.n_streams = layers.attach(self.network, self.context)
        captured = self.options.graphs and captures(self.device)
        self.optimiser = StackedAdam(
            self.network,
            [j.settings.lr for j in jobs],
            [j.settings.weight_decay for j in jobs],
            step,
            moments,
            captured,
            decoupled=self.settings.optimiser == "adamw",
            clip_norm=self.settings.clip_norm,
            apart=self.settings.schedule == "plateau",
        )
        self.bank = Bank([job.train for job in jobs], self.device)
        chosen_on = [job.select for job in jobs if job.select is not None]
        self.select: Any = Bank(chosen_on, self.device) if chosen_on else None
        self.sizes = [
            batch_sizes(size, self.settings.batch_size, self.settings.join_single) for size in self.bank.sizes
        ]
        self.stepper = Stepper(captured)

    def _epoch(self, progress: Callable[[str], None]) -> None:
        self.epoch += 1
        jobs = [self.jobs[i] for i in self.alive]
        n_batches = len(self.sizes[0])
        first_step = (self.epoch - 1) * n_batches
        rows, weights = padded_batches(
            [sample_order(job.seed, self.epoch, size) for job, size in zip(jobs, self.bank.sizes, strict=True)],
            self.sizes,
        )
        keys = step_keys(
            np.array([job.seed for job in jobs]), np.arange(first_step, first_step + n_batches), self.n_streams
        )
        # all that the epoch needs goes to the device before its first step, and nothing comes back before its end
        uploaded = [
            (torch.as_tensor(r, device=self.device), None if w is None else torch.as_tensor(w, device=self.device))
            for r, w in zip(rows, weights, strict=True)
        ]
        keys = torch.as_tensor(keys, device=self.device)
        counts = torch.tensor(self.sizes, dtype=torch.float32, device=self.device)
        plateaus = [job.settings.plateau(self._losses(i)) for i, job in zip(self.alive, jobs, strict=True)]
        self.network.train()
        total = torch.zeros(len(jobs), device=self.device)
        for batch, (row, weight) in enumerate(uploaded):
            rate = self.settings.rate(first_step + batch, n_batches)
            self.optimiser.begin([rate * plateau for plateau in plateaus])
            losses = self.stepper(self.step, row, weight, keys[batch])
            total += losses * counts[:, batch]
        self.network.eval()
        values = total.double() / torch.tensor(self.bank.sizes, device=self.device)
        if self.select is None:
            chosen = None
            train_losses = values.tolist()
        else:
            keys = step_keys(
                np.array([job.seed for job in jobs]), np.array([SELECTION_STEP + self.epoch]), self.n_streams
            )
            self.context.noise = Noise(torch.as_tensor(keys[0], device=self.device))
            with torch.inference_mode(), self.autocast():
                chosen_losses = self._selection_loss()
            train_losses, chosen = torch.stack([values, chosen_losses.double()]).tolist()
        self._record(train_losses, chosen, progress)

    def _selection_loss(self) -> Tensor:
        """The selection loss of each member, shape (n_members,)."""
        whole = self.select.everything()
        if self.settings.selection_loss == "samples":
            return self.loss(self.network, whole)
        total = torch.zeros(len(self.alive), device=self.device)
        batches = torch.zeros_like(total)
        for start in range(0, max(self.select.sizes), self.settings.batch_size):
            part = slice(start, start + self.settings.batch_size)
            weight = None if whole.weight is None else whole.weight[:, part]
            there = torch.ones_like(total) if weight is None else (weight.sum(1) > 0).float()
            losses = self.loss(
                self.network, Batch({name: value[:, part] for name, value in whole.data.items()}, weight)
            )
            total += torch.where(there > 0, losses, 0.0)
            batches += there
        return total / batches

    def _losses(self, job: int) -> list[float]:
        """The selection losses of a job so far."""
        return [row["value"] for row in self.history[job] if row["quantity"] == "select_loss"]

    def _record(
        self, train_losses: list[float], select_losses: list[float] | None, progress: Callable[[str], None]
    ) -> None:
        better, stopped = [], []
        for position, job in enumerate(self.alive):
            value = train_losses[position]
            self.history[job].append({"epoch": self.epoch, "quantity": "train_loss", "value": value})
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"training loss is {value} at epoch {self.epoch}; lower the learning rate or check the input's "
                    "scale"
                )
            settings = self.jobs[job].settings
            if select_losses is not None:
                chosen = select_losses[position]
                self.history[job].append({"epoch": self.epoch, "quantity": "select_loss", "value": chosen})
                if chosen < self.best[job]:
                    self.best[job], self.best_epoch[job] = chosen, self.epoch
                    better.append(position)
                elif self.epoch - self.best_epoch[job] >= settings.patience:
                    stopped.append(position)
                    continue
            if self.epoch >= settings.epochs:
                stopped.append(position)
        progress(self._line(train_losses, select_losses))
        if better and self.settings.weights == "best":
            self._keep(better)
        if stopped:
            self._stop(stopped)

    def _line(self, train_losses: list[float], select_losses: list[float] | None) -> str:
        line = f"epoch {self.epoch}/{max(self.jobs[i].settings.epochs for i in self.alive)}"
        line += f", {len(self.alive)} members" if len(self.jobs) > 1 else ""
        line += f", train loss {np.mean(train_losses):.5f}"
        return line if select_losses is None else f"{line}, selection loss {np.mean(select_losses):.5f}"

    def _keep(self, better: list[int]) -> None:
        state = self.network.state_dict()
        if self.best_state is None or len(better) == len(self.alive):
            self.best_state = {name: value.clone() for name, value in state.items()}
            return
        index = torch.tensor(better, device=self.device)
        for name, value in state.items():
            self.best_state[name].index_copy_(0, index, value.index_select(0, index))

    def _stop(self, stopped: list[int]) -> None:
        """Take members that are done out of the stack, so that they cost nothing any more."""
        for position in stopped:
            job = self.alive[position]
            network = layers.members(self.network, [position])
            if self.settings.weights == "last" and self.best_epoch[job]:
                epoch, value = self.epoch, self.best[job]
            elif self.best_state is None or self.best_epoch[job] == 0:  # no selection part, or no finite loss on it
                epoch, value = self.epoch, None
            else:
                network.load_state_dict({k: v[position : position + 1] for k, v in self.best_state.items()})
                epoch, value = self.best_epoch[job], self.best[job]
            self.results[job] = Trained(network.eval(), epoch, value, self.history[job])
        left = [position for position in range(len(self.alive)) if position not in set(stopped)]
        self.optimiser.close()
        self.alive = [self.alive[position] for position in left]
        if not left:
            return
        index = torch.tensor(left, device=self.device)
        step = int(self.optimiser.step.item())
        moments = {
            name: (first.index_select(0, index), second.index_select(0, index))
            for name, (first, second) in self.optimiser.moments.items()
        }
        self.network = layers.members(self.network, left)
        if self.best_state is not None:
            self.best_state = {name: value.index_select(0, index) for name, value in self.best_state.items()}
        self._prepare(step, moments)

    def autocast(self):
        """The context in which losses are computed."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bfloat16")

    def step(self, rows: Tensor, weight: Tensor | None, noise: Noise) -> Tensor:
        """One optimiser step of all members; returns their losses."""
        self.context.noise, self.context.weight = noise, weight
        with self.autocast():
            losses = self.loss(self.network, Batch(self.bank.take(rows), weight, noise))
        self.optimiser.backward(losses.sum())
        return losses.detach()


class Stepper:
    """A training step, captured as a CUDA graph for each shape of batch where there is a GPU.

    The first steps of a shape run as they are (which fills the caches that a capture may not fill), the next one is
    captured and replayed from then on. It holds no stack, so that a stack that is done is freed at once.
    """

    WARM = 3

    def __init__(self, captured: bool):
        self.captured = captured
        self.shapes: dict[tuple, list] = {}

    def __call__(self, step: Callable[..., Tensor], rows: Tensor, weight: Tensor | None, keys: Tensor) -> Tensor:
        if not self.captured:
            return step(rows, weight, Noise(keys))
        shape = (*rows.shape, weight is None)
        seen = self.shapes.setdefault(shape, [0, None, None, None])
        seen[0] += 1
        if seen[0] <= self.WARM:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                losses = step(rows, weight, Noise(keys))
            torch.cuda.current_stream().wait_stream(stream)
            return losses
        if seen[1] is None:
            inputs = [rows.clone(), None if weight is None else weight.clone(), keys.clone()]
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                losses = step(inputs[0], inputs[1], Noise(inputs[2]))
            seen[1:] = [graph, inputs, losses]
        graph, inputs, losses = seen[1:]
        for held, new in zip(inputs, (rows, weight, keys), strict=True):
            if new is not None:
                held.copy_(new)
        graph.replay()
        return losses.clone()


class Bank:
    """The samples of all members on the device, each distinct part once."""

    def __init__(self, parts: Sequence[Part], device: torch.device):
        distinct = list({id(part): part for part in parts}.values())
        position = {id(part): i for i, part in enumerate(distinct)}
        which = [position[id(part)] for part in parts]
        self.sizes = [len(_first(part)) for part in parts]
        self.single = len(distinct) == 1
        self.which = torch.tensor(which, device=device)[:, None]
        longest = max(self.sizes)
        self.data = {}
        for name, value in distinct[0].items():
            if self.single:
                self.data[name] = value.to(device)[None]
                continue
            joined = torch.zeros((len(distinct), longest, *value.shape[1:]), dtype=value.dtype, device=device)
            for i, part in enumerate(distinct):
                joined[i, : len(part[name])] = part[name]
            self.data[name] = joined
        self.padding = None
        if len(set(self.sizes)) > 1:
            self.padding = (torch.arange(longest)[None] < torch.tensor(self.sizes)[:, None]).float().to(device)

    def take(self, rows: Tensor) -> dict[str, Tensor]:
        """Rows (n_members, batch) of each member's own samples."""
        if self.single:
            return {name: value[0][rows] for name, value in self.data.items()}
        return {name: value[self.which, rows] for name, value in self.data.items()}

    def everything(self) -> Batch:
        """All samples of every member, as one batch for evaluation."""
        whole = {
            name: value.expand(len(self.which), *value.shape[1:]) if self.single else value[self.which[:, 0]]
            for name, value in self.data.items()
        }
        return Batch(whole, self.padding)


def batch_sizes(n_samples: int, batch_size: int, join_single: bool = True) -> list[int]:
    """Sizes of an epoch's batches; a last batch of a single sample may join the one before (BatchNorm needs two)."""
    sizes = [batch_size] * (n_samples // batch_size)
    rest = n_samples % batch_size
    if rest == 1 and sizes and join_single:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def padded_batches(
    orders: Sequence[np.ndarray], sizes: Sequence[Sequence[int]]
) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """Rows and weights, (n_members, batch), of each batch of an epoch; no weights where all members' sizes agree."""
    rows, weights = [], []
    starts = [0] * len(orders)
    for batch in range(len(sizes[0])):
        each = [member[batch] for member in sizes]
        padded = np.zeros((len(orders), max(each)), dtype=np.int64)
        for member, size in enumerate(each):
            padded[member, :size] = orders[member][starts[member] : starts[member] + size]
            starts[member] += size
        rows.append(padded)
        equal = len(set(each)) == 1
        weights.append(None if equal else (np.arange(max(each)) < np.array(each)[:, None]).astype(np.float32))
    return rows, weights


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _first(part: Part) -> Tensor:
    return next(iter(part.values()))
