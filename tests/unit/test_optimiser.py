"""The optimiser and the learning rate on a plateau against PyTorch's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cortexclip.training import layers
from cortexclip.training.optimiser import StackedAdam
from cortexclip.training.settings import PLATEAU_LOWEST, TrainingSettings

RATES, DECAYS = [1e-2, 1e-3, 3e-3], [0.1, 0.0, 0.01]


def plateau(lr: float, factor: float, patience: int) -> TrainingSettings:
    return TrainingSettings(
        **{"epochs": 1, "patience": 1, "batch_size": 1, "lr": lr, "weight_decay": 0.0, "schedule": "plateau"},
        **{"plateau_factor": factor, "plateau_patience": patience},
    )


def rates_of_pytorch(lr: float, factor: float, patience: int, losses) -> list[float]:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=factor, patience=patience, min_lr=PLATEAU_LOWEST
    )
    found = []
    for loss in losses:
        scheduler.step(loss)
        found.append(optimiser.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize("patience", [0, 1, 4, 8])
@pytest.mark.parametrize("factor", [0.1, 0.3, 0.5, 0.9])
def test_rate_on_a_plateau_is_that_of_pytorch(factor, patience):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        falling = np.exp(-np.arange(80) / 15) + 0.1
        losses = (falling * (1 + 0.1 * rng.normal(size=80))).tolist()
        losses += [losses[-1] * (1 - step * 2e-5) for step in range(20)]  # falls by less than the threshold
        expected = rates_of_pytorch(1e-3, factor, patience, losses)
        settings = plateau(1e-3, factor, patience)
        found = [1e-3 * settings.plateau(losses[: epoch + 1]) for epoch in range(len(losses))]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert len(set(expected)) > 1


def test_rate_on_a_plateau_ends_at_the_floor():
    losses = [1.0] * 200
    for lr, factor in ((1e-6, 0.5), (1e-3, 0.1), (3e-8, 0.9)):
        expected = rates_of_pytorch(lr, factor, 2, losses)
        found = [lr * plateau(lr, factor, 2).plateau(losses[: epoch + 1]) for epoch in range(len(losses))]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert PLATEAU_LOWEST * (1 - 1e-9) <= found[-1] < 2 * PLATEAU_LOWEST + 1e-9 * lr or factor == 0.9


def test_losses_that_are_not_numbers_count_as_no_improvement():
    losses = [1.0, math.nan, 0.5, math.nan, math.nan, math.nan, math.inf, 0.4]
    found = [1e-3 * plateau(1e-3, 0.5, 1).plateau(losses[: epoch + 1]) for epoch in range(len(losses))]
    np.testing.assert_allclose(found, rates_of_pytorch(1e-3, 0.5, 1, losses))


def test_other_schedules_have_no_plateau():
    settings = TrainingSettings(epochs=1, patience=1, batch_size=1, lr=1e-3, weight_decay=0.0)
    assert settings.plateau([1.0] * 50) == 1.0


class Net(nn.Module):
    """Weights below and above the size from which they are updated in the backward pass, and biases."""

    def __init__(self, sizes: tuple[int, ...]):
        super().__init__()
        self.layers = nn.ModuleList(layers.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


def plain(network: Net, member: int) -> nn.Sequential:
    """The same member in PyTorch's own modules, in double precision."""
    modules = []
    for layer in network.layers:
        n_in, n_out = layer.weight.shape[1:]
        linear = nn.Linear(n_in, n_out).double()
        linear.weight.data = layer.weight.detach()[member].T.double().clone()
        linear.bias.data = layer.bias.detach()[member].double().clone()
        modules += [linear, nn.Tanh()]
    return nn.Sequential(*modules[:-1])


def both_train(network, optimiser, clip, decoupled, steps=6, rows=20, factors=None):
    """Steps of the stack and of each member by PyTorch; returns these members, their optimisers and their norms."""
    members = [plain(network, i) for i in range(3)]
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    theirs = [kind(m.parameters(), lr=r, weight_decay=d) for m, r, d in zip(members, RATES, DECAYS, strict=True)]
    dtype = network.layers[0].weight.dtype
    n_in, n_out = network.layers[0].weight.shape[1], network.layers[-1].weight.shape[2]
    norms = []
    for step in range(steps):
        x, wanted = torch.randn(3, rows, n_in, dtype=dtype), torch.randn(3, rows, n_out, dtype=dtype)
        scale = torch.tensor([0.1, 1.0, 10.0])[:, None, None].to(dtype)  # norms below and above the limit
        optimiser.begin(None if factors is None else factors[step])
        optimiser.backward((scale * (network(x) - wanted) ** 2).sum())
        for i, (member, optimiser_of_it) in enumerate(zip(members, theirs, strict=True)):
            if factors is not None:
                optimiser_of_it.param_groups[0]["lr"] = RATES[i] * factors[step][i]
            optimiser_of_it.zero_grad()
            (scale[i].double() * (member(x[i].double()) - wanted[i].double()) ** 2).sum().backward()
            if clip is not None:
                norms.append(nn.utils.clip_grad_norm_(member.parameters(), clip).item())
            optimiser_of_it.step()
    return members, theirs, norms


def ours_and_theirs(network, optimiser, members, theirs):
    """Weight, first and second moment of every parameter of every member: ours, and those of PyTorch."""
    for i, (member, their) in enumerate(zip(members, theirs, strict=True)):
        linears = [module for module in member if isinstance(module, nn.Linear)]
        for index, linear in enumerate(linears):
            for kind in ("weight", "bias"):
                name, parameter = f"layers.{index}.{kind}", getattr(linear, kind)
                state = their.state[parameter]
                expected = [parameter.detach(), state["exp_avg"], state["exp_avg_sq"]]
                if kind == "weight":
                    expected = [value.T for value in expected]
                own = [optimiser.parameters[name].detach(), *optimiser.moments[name]]
                yield i, [value[i] for value in own], expected


@pytest.mark.parametrize("large", [1, 1 << 20])
@pytest.mark.parametrize("clip", [None, 0.5, 40.0])
@pytest.mark.parametrize("decoupled", [True, False])
def test_optimiser_is_that_of_pytorch_in_double_precision(monkeypatch, decoupled, clip, large):
    """Adam with an L2 penalty and AdamW, each member with its own rate, decay and norm; the divisor is single."""
    monkeypatch.setattr("cortexclip.training.optimiser.LARGE", large)
    torch.manual_seed(0)
    network = layers.stack([Net((9, 7, 5)).double() for _ in range(3)])
    factors = [[0.5**step, 1.0, 0.1**step] for step in range(6)]
    optimiser = StackedAdam(network, RATES, DECAYS, decoupled=decoupled, clip_norm=clip, apart=True)
    members, theirs, norms = both_train(network, optimiser, clip, decoupled, factors=factors)
    if clip is not None:
        assert max(norms) > clip
    if clip == 40.0:
        assert min(norms) < clip  # some members are limited, others are not
    for _, own, expected in ours_and_theirs(network, optimiser, members, theirs):
        for ours, plain_one in zip(own, expected, strict=True):
            torch.testing.assert_close(ours, plain_one, rtol=1e-5 if clip else 1e-9, atol=1e-7 if clip else 1e-12)
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("clip", [None, 0.5, 1e4])
@pytest.mark.parametrize("decoupled", [True, False])
def test_optimiser_of_large_weights_is_that_of_pytorch(decoupled, clip):
    """Single precision, updates from the factors of the gradient, against PyTorch in double precision.

    Moments are polynomials of the gradients, so their errors stay at the level of the precision; a weight moves by at
    most about its rate in a step whatever its gradient, so one whose gradient is rounding alone may go the other way.
    """
    torch.manual_seed(1)
    network = layers.stack([Net((300, 256, 240, 3)) for _ in range(3)])
    optimiser = StackedAdam(network, RATES, DECAYS, decoupled=decoupled, clip_norm=clip, apart=True)
    assert {direct.name for direct in optimiser.directs} == {"layers.0.weight", "layers.1.weight"}
    members, theirs, norms = both_train(network, optimiser, clip, decoupled, steps=3)
    assert clip is None or max(norms) > clip or min(norms) < clip
    for i, own, expected in ours_and_theirs(network, optimiser, members, theirs):
        for ours, exact in zip(own[1:], expected[1:], strict=True):
            assert (ours - exact).abs().max() < 1e-3 * exact.abs().max()
        off = (own[0] - expected[0]).abs()
        assert off.max() < 3 * 2 * 1.2 * RATES[i] + 1e-6
        assert off.median() < 1e-3 * RATES[i]
    assert all(not held for held in optimiser.held)


def test_norm_from_factors_is_the_norm_of_the_gradient():
    """In one step, where nothing has been rounded before: the first moment is the gradient, scaled down."""
    torch.manual_seed(2)
    network = layers.stack([Net((300, 256, 3)) for _ in range(3)])
    optimiser = StackedAdam(network, RATES, [0.0] * 3, decoupled=False, clip_norm=0.5)
    _, _, norms = both_train(network, optimiser, 0.5, False, steps=1)
    for member in range(3):
        squares = [(first[member].double() / 0.1).square().sum() for first, _ in optimiser.moments.values()]
        assert torch.stack(squares).sum().sqrt().item() == pytest.approx(min(0.5, norms[member]), rel=1e-4)


def test_a_gradient_that_cancels_has_a_norm():
    """Equal rows whose gradients add up to nothing but rounding: its square from the factors may come out negative."""
    torch.manual_seed(3)
    network = layers.Linear(512, 512, bias=False)
    before = network.weight.detach().clone()
    optimiser = StackedAdam(network, [1e-3], [0.0], clip_norm=0.5)
    assert optimiser.directs
    for seed in range(20):
        torch.manual_seed(seed)
        x = torch.randn(1, 1, 512).expand(1, 7, 512)
        pull = torch.randn(1, 7, 512)
        pull = 100 * (pull - pull.mean(1, keepdim=True))
        optimiser.begin()
        optimiser.backward((network(x) * pull).sum())
        assert torch.isfinite(network.weight).all(), seed
    assert not torch.equal(network.weight, before)


def test_a_limited_optimiser_goes_on_from_its_state():
    torch.manual_seed(4)
    first = layers.stack([Net((300, 256, 3)) for _ in range(2)])
    options = {"decoupled": False, "clip_norm": 0.5, "apart": True}
    batches = [torch.randn(2, 12, 300) for _ in range(4)]

    def steps(network, optimiser, some):
        for x in some:
            optimiser.begin()
            optimiser.backward((network(x) ** 2).sum())

    optimiser = StackedAdam(first, RATES[:2], DECAYS[:2], **options)
    steps(first, optimiser, batches[:2])
    optimiser.close()
    second = layers.members(first, [0, 1])
    moments = {name: (a.clone(), b.clone()) for name, (a, b) in optimiser.moments.items()}
    again = StackedAdam(second, RATES[:2], DECAYS[:2], int(optimiser.step.item()), moments, **options)
    steps(second, again, batches[2:])
    optimiser = StackedAdam(first, RATES[:2], DECAYS[:2], 2, optimiser.moments, **options)
    steps(first, optimiser, batches[2:])
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)
