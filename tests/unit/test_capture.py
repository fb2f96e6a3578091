"""The captured training step, without a GPU: a stand-in for CUDA graphs that replays recorded operations on a CPU.

As a CUDA graph does, it runs nothing while it records, and then repeats the same operations on the same memory: what
Python decided while it was recorded stays as it was. So a step that reads anything else than tensors (a learning rate,
a step number, a mask), or that keeps a tensor of its own from one step to the next, gives other results than without.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
import torch
from samples import silent
from stacks import ARCHITECTURES, jobs, part
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cortexclip.methods.mind_vis.network import Denoiser, MindVis, conditional_diffusion, masked_modelling
from cortexclip.training import stack
from cortexclip.training.noise import Noise


def memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def tensors(values) -> list[torch.Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


class Graph(TorchDispatchMode):
    """Records the operations that run in its context, takes back what they did, and replays them."""

    made = 0

    def __init__(self):
        super().__init__()
        self.operations, self.own, self.before = [], set(), {}
        Graph.made += 1

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        assert function is not torch.ops.aten._local_scalar_dense.default, "a step may not wait for a value"
        given = tensors((args, kwargs))
        for tensor in given:  # some operations write to what their schema does not name (running statistics)
            if memory(tensor) not in self.own:
                self.before.setdefault(memory(tensor), (tensor, tensor.detach().clone()))
        made = function(*args, **kwargs)
        new = {memory(tensor) for tensor in tensors(made)} - {memory(tensor) for tensor in given}
        self.own |= new
        self.operations.append((function, args, kwargs, made, new))
        return made

    @contextlib.contextmanager
    def recording(self):
        with self:
            yield
        for tensor, value in self.before.values():
            tensor.detach().copy_(value)
        self.before = {}

    def replay(self):
        with torch.no_grad():
            for function, args, kwargs, made, new in self.operations:
                again = function(*args, **kwargs)
                for held, value in zip(tensors(made), tensors(again), strict=True):
                    if memory(held) in new:
                        held.detach().copy_(value)


@pytest.fixture
def graphs(monkeypatch):
    """As if the CPU were a device whose steps can be captured."""
    monkeypatch.setattr(stack, "captures", lambda device: True)
    monkeypatch.setattr("cortexclip.training.layers.suits", lambda x, weight: False)  # products of the CPU alone
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: graph.recording())
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    Graph.made = 0


class Stream:
    def wait_stream(self, other):
        pass


def mind_vis(phase: str):
    loss = masked_modelling(0.75) if phase == "pretraining" else conditional_diffusion(2)
    members = jobs(lambda: MindVis(7, 4, 8, 1, 2, 1, 3, 0.5, Denoiser(8, 2, 12, 1, 2)))[1:3]
    shorter = [replace(member, settings=replace(member.settings, epochs=3 + i)) for i, member in enumerate(members)]
    trains = [{**part(8, seed), "latents": part(8, seed, n_pixels=8)["pixels"]} for seed in range(2)]
    return [replace(member, train=train, select=None) for member, train in zip(shorter, trains, strict=True)], loss


NETWORKS = {name: lambda made=made: (jobs(made[0]), made[1]) for name, made in ARCHITECTURES.items()}
NETWORKS |= {f"mind_vis, {phase}": lambda phase=phase: mind_vis(phase) for phase in ("pretraining", "diffusion")}


@pytest.mark.parametrize(("name", "schedule"), [*((name, "constant") for name in NETWORKS), ("cccv1", "cosine")])
def test_a_captured_step_does_what_the_step_does(graphs, monkeypatch, name, schedule):
    members, loss = NETWORKS[name]()
    members = [
        replace(member, settings=replace(member.settings, warm_up=1, schedule=schedule, horizon=9))
        for member in members
    ]
    captured = stack.train(members, loss, silent, stack.Options(limit=10))
    made = Graph.made
    assert made >= (1 if name.startswith("mind_vis") else 2)  # for each shape of batch, and once members have stopped
    monkeypatch.setattr(stack.Stepper, "WARM", 10**9)
    plain = stack.train(members, loss, silent, stack.Options(limit=10))
    assert Graph.made == made
    for ours, theirs in zip(captured, plain, strict=True):
        assert ours.history == theirs.history
        for key, value in theirs.network.state_dict().items():
            torch.testing.assert_close(ours.network.state_dict()[key], value, rtol=0, atol=0)


def test_the_stand_in_tells_a_step_that_bakes_a_value_in():
    """So that the test above can fail."""
    weight, given = torch.zeros(3), torch.ones(3)
    for rate, baked in ((torch.tensor(1.0), False), (1.0, True)):
        weight.zero_()
        graph = Graph()
        with graph.recording():
            weight.add_(given * rate)
        assert weight.tolist() == [0.0] * 3  # recording runs nothing
        rate = rate.fill_(2.0) if isinstance(rate, torch.Tensor) else 2.0
        graph.replay()
        graph.replay()
        assert weight.tolist() == ([2.0] * 3 if baked else [4.0] * 3)
    with pytest.raises(AssertionError, match="wait"), Graph().recording():
        given.sum().item()


def adamw_without_values(weights, gradients, first, second, _most, steps, *, lr, **_options):
    """What the fused kernel wants: everything on one device, the rate too, since a captured step reads it."""
    assert {tensor.device.type for tensor in [*weights, *gradients, *first, *second, *steps, lr]} == {"meta"}
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.sub_(gradient * lr)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_stack_keeps_to_its_device_and_waits_for_it_once_in_an_epoch(monkeypatch, name):
    """On tensors that have a device and no values: mixing devices fails, and so does reading a value, for which a
    GPU would wait for all that was launched. Only the end of an epoch may read, and members that stop."""
    transfers, stopping = [], []

    def tolist(tensor):
        transfers.append(tensor)
        row = [0.5] * tensor.shape[-1]
        return [row] * len(tensor) if tensor.dim() == 2 else row

    def item(tensor):
        assert stopping, "a step may not wait for a value"
        return 1.0

    def stop(self, positions, original=stack.Stack._stop):
        stopping.append(True)
        original(self, positions)
        stopping.clear()

    monkeypatch.setattr(stack, "device", lambda: torch.device("meta"))
    monkeypatch.setattr(stack, "captures", lambda device: True)
    monkeypatch.setattr(
        stack.Stepper, "__call__", lambda self, step, rows, weight, keys: step(rows, weight, Noise(keys))
    )
    monkeypatch.setattr(stack.Stack, "autocast", lambda self: contextlib.nullcontext())
    monkeypatch.setattr(stack.Stack, "_stop", stop)
    monkeypatch.setattr(torch, "_fused_adamw_", adamw_without_values)
    monkeypatch.setattr(torch.Tensor, "tolist", tolist)
    monkeypatch.setattr(torch.Tensor, "item", item)
    members, loss = NETWORKS[name]()
    members = [replace(member, settings=replace(member.settings, batch_size=8)) for member in members]
    training = stack.Stack(members, loss, stack.Options(limit=10))
    training.run(silent)
    assert len(transfers) == training.epoch > 2
