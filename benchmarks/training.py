"""Speed of stacked training against loops that one would write first, same networks and numerics, in one run.

Three peers in PyTorch's own modules, in a process of their own that has none of this project's settings: a DataLoader
over a TensorDataset, one network at a time, with AdamW as it comes; the same over tensors, with the fused AdamW; and
``torch.func.vmap`` over as many networks as a stack has, with the fused AdamW on their stacked weights. Speed is in
model-steps per second: optimiser steps times networks trained. The floor is what the memory allows: a step has to read
a network's weights in the forward pass and in the backward pass, write and read its gradients, and read and write
weights and both moments, ten times four bytes a parameter, at the bandwidth that a large copy reaches in the same run.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/training.py [--device cuda] [--write]

Needs no more than PyTorch, numpy and scipy; benchmarks/gpu.sh runs it on a machine that has only these.
"""

from __future__ import annotations

import functools
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).parent))

from report import Report, Row, TextTable, Timing, arguments, finish, machine, versions

from cortexclip.methods.cccv1.network import CCCV1, pixel_mse
from cortexclip.methods.clip_encoder.network import BrainEncoder, info_nce
from cortexclip.runtime.precision import configure
from cortexclip.training import stack
from cortexclip.training.layers import Linear
from cortexclip.training.products import product

N_SAMPLES, N_VOXELS, N_PIXELS, N_FEATURES = 90, 967, 784, 512  # the canonical training part of vangerven
BYTES_PER_PARAMETER = 4 * 10
SETTINGS = {"cccv1": {"batch_size": 12, "lr": 5e-4, "weight_decay": 5e-8}}
SETTINGS["clip_encoder"] = {"batch_size": 32, "lr": 1e-3, "weight_decay": 1e-2}


class PlainCCCV1(nn.Module):
    def __init__(self):
        super().__init__()

        def block(a, b, p):
            return [nn.Linear(a, b), nn.LayerNorm(b), nn.SiLU(), nn.Dropout(p)]

        self.encoder = nn.Sequential(*block(N_VOXELS, 1024, 0.05), *block(1024, 1024, 0.035), *block(1024, 512, 0.025))
        self.head = nn.Sequential(nn.Linear(512, 512), nn.LayerNorm(512), nn.Tanh())
        self.enhancer = nn.Sequential(nn.Linear(512, 256), nn.SiLU(), nn.Linear(256, 512), nn.Tanh())
        self.decoder = nn.Sequential(*block(512, 512, 0.015), nn.Linear(512, N_PIXELS), nn.Sigmoid())

    def forward(self, brain):
        embedding = functional.normalize(self.head(self.encoder(brain)), dim=-1)
        return self.decoder(functional.normalize(embedding + 0.08 * self.enhancer(embedding), dim=-1))

    def loss(self, brain, pixels, embedding):
        return functional.mse_loss(self(brain), pixels)


class PlainEncoder(nn.Module):
    def __init__(self):
        super().__init__()

        def block(a, b):
            return [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(0.3)]

        self.layers = nn.Sequential(*block(N_VOXELS, 2048), *block(2048, 1024), nn.Linear(1024, N_FEATURES))

    def loss(self, brain, pixels, embedding):
        logits = functional.normalize(self.layers(brain), dim=-1) @ embedding.T / 0.07
        target = torch.arange(len(brain), device=brain.device)
        return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def contrastive(network: nn.Module, batch: stack.Batch) -> torch.Tensor:
    same = torch.eye(batch["brain"].shape[1], dtype=torch.bool, device=batch["brain"].device)
    return info_nce(network(batch["brain"]), batch["embedding"], same[None], network.temperature, batch.weight)


NETWORKS = {
    "cccv1": (PlainCCCV1, lambda: CCCV1(N_VOXELS, N_PIXELS, 0.05, 0.015, 0.08), pixel_mse),
    "clip_encoder": (
        PlainEncoder,
        lambda: BrainEncoder(N_VOXELS, N_FEATURES, (2048, 1024), 0.3, 0.07, False),
        contrastive,
    ),
}


@functools.cache
def samples() -> dict[str, torch.Tensor]:
    """Random samples of the real size; what is trained has no bearing on the speed."""
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(N_SAMPLES, N_FEATURES))
    arrays = {
        "brain": rng.normal(size=(N_SAMPLES, N_VOXELS)),
        "pixels": rng.random((N_SAMPLES, N_PIXELS)),
        "embedding": embedding / np.linalg.norm(embedding, axis=1, keepdims=True),
    }
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in arrays.items()}


def plain_steps_per_second(name: str, networks: int, epochs: int, device: torch.device) -> float:
    """The plain loop, all networks one after the other; each batch goes to the device as it comes."""
    settings = SETTINGS[name]
    data = TensorDataset(*samples().values())
    steps, seconds = 0, 0.0
    for seed in range(networks):
        torch.manual_seed(seed)
        network = NETWORKS[name][0]().to(device)
        optimiser = torch.optim.AdamW(network.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"])
        loader = DataLoader(data, batch_size=settings["batch_size"], shuffle=True)
        synchronise(device)
        start = time.perf_counter()
        for _ in range(epochs):
            total = 0.0
            for batch in loader:
                loss = network.loss(*(part.to(device) for part in batch))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total += loss.item()
                steps += 1
        synchronise(device)
        seconds += time.perf_counter() - start
    return steps / seconds


def tensors_steps_per_second(name: str, networks: int, epochs: int, device: torch.device) -> float:
    """A loop over tensors on the device, without a DataLoader and with the fused AdamW, one network after the other."""
    settings = SETTINGS[name]
    data = [part.to(device) for part in samples().values()]
    steps, seconds = 0, 0.0
    for seed in range(networks):
        torch.manual_seed(seed)
        network = NETWORKS[name][0]().to(device)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"], fused=True
        )
        synchronise(device)
        start = time.perf_counter()
        for _ in range(epochs):
            for rows in torch.randperm(N_SAMPLES, device=device).split(settings["batch_size"]):
                network.loss(*(part[rows] for part in data)).backward()
                optimiser.step()
                optimiser.zero_grad()
                steps += 1
        synchronise(device)
        seconds += time.perf_counter() - start
    return steps / seconds


def vmap_steps_per_second(name: str, members: int, epochs: int, device: torch.device) -> float:
    """``members`` networks at once by ``torch.func.vmap``, each with its own order of samples and its own dropout."""
    settings = SETTINGS[name]
    data = [part.to(device) for part in samples().values()]
    networks = [torch.func.replace_all_batch_norm_modules_(NETWORKS[name][0]().to(device)) for _ in range(members)]
    weights, buffers = torch.func.stack_module_state(networks)
    optimiser = torch.optim.AdamW(
        weights.values(), lr=settings["lr"], weight_decay=settings["weight_decay"], fused=True
    )
    plain = Loss(networks[0])

    def loss(weights, buffers, *batch):
        named = {f"network.{key}": value for key, value in {**weights, **buffers}.items()}
        return torch.func.functional_call(plain, named, batch)

    losses = torch.func.vmap(loss, randomness="different")
    steps = 0
    synchronise(device)
    start = time.perf_counter()
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(N_SAMPLES, device=device) for _ in range(members)])
        for rows in orders.split(settings["batch_size"], 1):
            losses(weights, buffers, *(part[rows] for part in data)).sum().backward()
            optimiser.step()
            optimiser.zero_grad()
            steps += members
    synchronise(device)
    return steps / (time.perf_counter() - start)


class Loss(nn.Module):
    """A network whose call is its loss, as ``torch.func.functional_call`` needs it."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, *batch):
        return self.network.loss(*batch)


def stacked_steps_per_second(name: str, members: int, epochs: int, device: torch.device, **options) -> float:
    """This project's loop: ``members`` in one stack; warm-up epochs (and the capture of a CUDA graph) not counted."""
    _, make, loss = NETWORKS[name]
    warm = 2 if device.type == "cpu" else 5
    settings = stack.TrainingSettings(warm + epochs, warm + epochs, **SETTINGS[name])
    part = samples()
    jobs = [stack.Member(make, part, None, settings, seed) for seed in range(members)]
    clock: list[float] = []

    def progress(_line: str) -> None:
        synchronise(device)
        clock.append(time.perf_counter())

    trained = stack.Stack(jobs, loss, stack.Options(limit=members, **options))
    trained.run(progress)
    steps = epochs * members * len(stack.batch_sizes(N_SAMPLES, settings.batch_size))
    return steps / (clock[-1] - clock[warm - 1])


def kernels_alone(name: str, repeats: int = 50) -> float:
    """Seconds of a step on a CPU that go into its matrix products and AdamW: the same calls back to back, no more.

    The median of ``repeats`` steps. No training loop on these libraries is faster than that.
    """
    batch = SETTINGS[name]["batch_size"]
    layers = [layer for layer in NETWORKS[name][1]().modules() if isinstance(layer, Linear)]
    weights = [layer.weight[0].detach() for layer in layers]
    moments = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in weights]
    inputs = [torch.randn(batch, len(weight)) for weight in weights]
    gradients = [torch.randn(batch, weight.shape[1]) for weight in weights]
    step = torch.ones(())
    settings = {"lr": 1e-4, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0, "eps": 1e-8}
    seconds = []
    for _ in range(repeats + 5):
        start = time.perf_counter()
        for x, weight in zip(inputs, weights, strict=True):
            product(x, weight.T)
        for number in reversed(range(len(weights))):
            if number:
                product(gradients[number], weights[number])
            change = product(inputs[number].T, gradients[number].T)
            held = ([weights[number]], [change], *([moment] for moment in moments[number]))
            torch._fused_adamw_(*held, [], [step], **settings, amsgrad=False, maximize=False)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[5:]))


def copy_bandwidth(device: torch.device) -> float:
    """Bytes read and written per second by a copy that is larger than any cache."""
    source = torch.empty(64 << 20 if device.type == "cpu" else 1 << 29, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(8):
        synchronise(device)
        start = time.perf_counter()
        target.copy_(source)
        synchronise(device)
        seconds.append(time.perf_counter() - start)
    return 2 * source.numel() * 4 / sorted(seconds)[len(seconds) // 2]


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(device: torch.device, repeats: int, fast: bool) -> Report:
    """Ours and the plain loop in turns, for each network and number of members."""
    gpu = device.type == "cuda"
    epochs = 2 if fast else 6
    bandwidth = copy_bandwidth(device)
    sizes = [1, 10, 50, 100, 200] if gpu else [1, 2, 4, 8, 32]
    rows, table = [], []
    elsewhere = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,))
    for name, (_, make, _) in NETWORKS.items():
        floor = bandwidth / (BYTES_PER_PARAMETER * stack.parameter_count(make()))
        used = 100 if gpu else stack.CPU_MEMBERS
        ours: dict[tuple, list[float]] = {}
        peers = {
            "DataLoader, one network at a time, torch.optim.AdamW": (plain_steps_per_second, 2),
            "loop over tensors, one network at a time, fused AdamW": (tensors_steps_per_second, 2),
            f"torch.func.vmap over {used} networks, fused AdamW": (vmap_steps_per_second, used),
        }
        theirs: dict[str, list[float]] = {peer: [] for peer in peers}
        variants = [(members, {}) for members in sizes]
        if gpu:
            variants += [(100, {"graphs": False}), (100, {"precision": "bfloat16"})]
        for _ in range(repeats):
            for peer, (function, networks) in peers.items():
                theirs[peer].append(elsewhere.submit(function, name, networks, epochs, device).result())
            for members, options in variants:
                key = (members, *options.items())
                ours.setdefault(key, []).append(stacked_steps_per_second(name, members, epochs, device, **options))
        best = Timing.of(ours[(used,)])
        share = best.median / floor
        note = f"{share:.0%} of the floor of {floor:.0f} model-steps/s"
        if not gpu:
            alone = kernels_alone(name)
            note += (
                f"; of a step's {1e3 / best.median:.1f} ms its matrix products and AdamW alone, back to back, take"
                f" {1e3 * alone:.1f} ms ({1 / (alone * floor):.0%} of the floor)"
            )
        wanted = [25.0 if gpu else 2.0, None, None]
        for (peer, values), least in zip(theirs.items(), wanted, strict=True):
            what = f"training {name}, {used} networks at once"
            rows.append(
                Row(what, best, Timing.of(values), peer, wanted=least, unit="steps/s", note=note if least else "")
            )
        plain = next(iter(theirs.values()))
        for key, values in ours.items():
            timing = Timing.of(values)
            what = ", ".join([f"{key[0]} in a stack", *(f"{k} {v}" for k, v in key[1:])])
            table.append(
                [
                    name,
                    what,
                    f"{timing.median:.1f}",
                    f"{timing.low:.1f} to {timing.high:.1f}",
                    f"{timing.median / Timing.of(plain).median:.2f}",
                    f"{timing.median / floor:.0%}",
                ]
            )
    columns = ["network", "networks trained at once", "model-steps/s", "range", "times the plain loop", "of the floor"]
    notes = [
        f"Copy bandwidth in the same run: {bandwidth / 1e9:.1f} GB/s (read and written). "
        "Floor: 40 bytes of weights, gradients and moments moved per parameter and step at that bandwidth."
    ]
    details = {**machine()}
    if gpu:
        details["gpu"] = torch.cuda.get_device_name()
    return Report(
        "training_gpu" if gpu else "training",
        "Training on a GPU" if gpu else "Training on a CPU, one thread",
        rows,
        [TextTable("How many networks at once", columns, table)],
        notes,
        machine=details,
        versions=versions(),
    )


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=5, devices=["cpu", "cuda"])
    if options.device == "cpu":
        stack.device = lambda: torch.device("cpu")
    elif not torch.cuda.is_available():
        sys.exit("benchmarks/training.py: no CUDA device is there. Leave out --device cuda.")
    configure(1)
    finish(measure(torch.device(options.device), options.repeats, options.fast), options)


if __name__ == "__main__":
    main()
