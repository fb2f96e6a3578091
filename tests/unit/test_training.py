"""Stacked training: it learns, each member is as if alone, stops where its selection loss says, repeats itself."""

from __future__ import annotations

import gc
import itertools
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from narrow import narrow
from precision import SINGLE, in_double, methods_in_double
from samples import honest_data, make_samples, silent
from scipy import stats
from stacks import ARCHITECTURES, CCCV1_SETTINGS, CLIP_SETTINGS, Small, double, jobs, part, settings
from torch import nn

from cortexclip.methods import cccv1, clip_encoder
from cortexclip.methods.cccv1.network import CCCV1, pixel_mse
from cortexclip.methods.interface import FitData, Task
from cortexclip.training import layers, noise, products, stack
from cortexclip.training.checkpoint import Checkpoints
from cortexclip.training.optimiser import StackedAdam


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("selecting", [True, False])
def test_a_member_of_a_stack_is_what_it_is_alone(name, selecting):
    """In double precision: AdamW scales even the rounding of a gradient of zero (a bias before BatchNorm) to a step."""
    make, loss = ARCHITECTURES[name]
    members = [
        replace(m, make=lambda: make().double(), train=double(m.train), select=double(m.select) if selecting else None)
        for m in jobs(make)
    ]
    assert len(stack.chunks(members, 10)) == 1
    together = stack.train(members, loss, silent, stack.Options(limit=10))
    for member, result in zip(members, together, strict=True):
        (alone,) = stack.train([member], loss, silent)
        assert result.epoch == alone.epoch
        assert [row["quantity"] for row in result.history] == [row["quantity"] for row in alone.history]
        np.testing.assert_allclose(
            [row["value"] for row in result.history], [row["value"] for row in alone.history], rtol=2e-3, atol=1e-5
        )
        for key, value in alone.network.state_dict().items():
            torch.testing.assert_close(result.network.state_dict()[key], value, rtol=1e-2, atol=2e-4)


def test_the_stack_equals_a_plain_pytorch_loop():
    """CCCV1 in PyTorch's own modules, trained sample by sample order with torch.optim.AdamW; in double precision."""
    made = settings(epochs=4)
    member = stack.Member(lambda: CCCV1(7, 16, 0.0, 0.0, 0.1).double(), double(part(10, 0)), None, made, 3)
    (result,) = stack.train([member], pixel_mse, silent)
    torch.testing.assert_close(*outputs(result, member, plain_loop(member, 1e-8)), rtol=0, atol=1e-9)


def test_the_stack_equals_a_plain_pytorch_loop_in_single_precision(monkeypatch):
    """With oneDNN's products and the update in the middle of the backward pass, which double precision does not have.

    AdamW's epsilon is so large here that a step follows the size of a gradient and not its sign alone, so rounding
    stays rounding: each of the 12 steps may round the outputs, which are at most 1, to their last digit.
    """
    monkeypatch.setattr("cortexclip.training.optimiser.EPS", 1e-2)
    member = stack.Member(lambda: CCCV1(7, 16, 0.0, 0.0, 0.1), part(10, 0), None, settings(epochs=4), 3)
    (result,) = stack.train([member], pixel_mse, silent)
    ours, exact = outputs(result, member, plain_loop(replace(member, train=double(member.train)), 1e-2))
    assert ours.dtype == torch.float32
    assert (ours - exact).abs().max() < 12 * SINGLE


def plain_loop(member, eps):
    """The network after training, all of it PyTorch's own."""
    torch.manual_seed(member.seed)
    plain, made = PlainCCCV1(7, 16).to(member.train["brain"].dtype), member.settings
    optimiser = torch.optim.AdamW(plain.parameters(), lr=made.lr, weight_decay=made.weight_decay, eps=eps)
    for epoch in range(1, made.epochs + 1):
        for rows in torch.as_tensor(noise.sample_order(member.seed, epoch, 10)).split([4, 4, 2]):
            loss = torch.mean((plain(member.train["brain"][rows]) - member.train["pixels"][rows]) ** 2)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return plain


def outputs(result, member, plain):
    """What the trained stack and the trained plain network say of the training samples."""
    brain = member.train["brain"]
    with torch.inference_mode():
        return result.network(brain[None])[0], plain(brain.to(next(plain.parameters()).dtype))


class PlainCCCV1(nn.Module):
    def __init__(self, n_voxels, n_pixels):
        super().__init__()

        def block(a, b):
            return [nn.Linear(a, b), nn.LayerNorm(b), nn.SiLU()]

        self.encoder = nn.Sequential(
            *block(n_voxels, 1024),
            *block(1024, 1024),
            *block(1024, 512),
            nn.Linear(512, 512),
            nn.LayerNorm(512),
            nn.Tanh(),
        )
        self.enhancer = nn.Sequential(nn.Linear(512, 256), nn.SiLU(), nn.Linear(256, 512), nn.Tanh())
        self.decoder = nn.Sequential(*block(512, 512), nn.Linear(512, n_pixels), nn.Sigmoid())

    def forward(self, x):
        e = nn.functional.normalize(self.encoder(x), dim=-1)
        return self.decoder(nn.functional.normalize(e + 0.1 * self.enhancer(e), dim=-1))


@pytest.mark.parametrize("kind", ["linear", "layer norm", "batch norm", "convolution", "attention"])
@in_double()
def test_stacked_layers_equal_pytorchs(kind):
    torch.manual_seed(0)
    x = torch.randn(3, 6, 4, 8, 8) if kind == "convolution" else torch.randn(3, 6, 8)
    if kind == "attention":
        x = torch.randn(3, 6, 5, 8)
    makers = {
        "linear": (lambda: layers.Linear(8, 4), lambda: nn.Linear(8, 4)),
        "layer norm": (lambda: layers.LayerNorm(8), lambda: nn.LayerNorm(8)),
        "batch norm": (lambda: layers.BatchNorm(8), lambda: nn.BatchNorm1d(8)),
        "convolution": (lambda: layers.Conv2d(4, 2, 3, 2, 1), lambda: nn.Conv2d(4, 2, 3, 2, 1)),
        "attention": (lambda: layers.MultiHeadAttention(8, 2), lambda: nn.MultiheadAttention(8, 2, batch_first=True)),
    }
    ours, theirs = makers[kind]
    members = [ours() for _ in range(3)]
    for member in members:  # values of their own also where PyTorch starts with ones and zeros
        for p in member.parameters():
            p.data = torch.randn_like(p)
    stacked = layers.stack(members)
    layers.attach(stacked, layers.Context())
    got = stacked(x)
    for i, member in enumerate(members):
        reference = theirs()
        state = {k: v[0] for k, v in member.state_dict().items()}
        if kind == "linear":
            state["weight"] = state["weight"].T
        if kind == "attention":
            state = {
                "in_proj_weight": torch.cat([state[f"{n}.weight"].T for n in ("query", "key", "value")]),
                "in_proj_bias": torch.cat([state[f"{n}.bias"] for n in ("query", "key", "value")]),
                "out_proj.weight": state["out.weight"].T,
                "out_proj.bias": state["out.bias"],
            }
        reference.load_state_dict(state, strict=kind != "batch norm")
        expected = reference(x[i], x[i], x[i])[0] if kind == "attention" else reference(x[i])
        torch.testing.assert_close(got[i], expected)
        if kind == "batch norm":
            torch.testing.assert_close(stacked.running_var[i], reference.running_var)
            torch.testing.assert_close(stacked.running_mean[i], reference.running_mean)


@in_double()
def test_padding_counts_for_nothing_in_batch_norm():
    torch.manual_seed(0)
    x = torch.randn(2, 6, 3)
    norm = layers.stack([layers.BatchNorm(3), layers.BatchNorm(3)])
    context = layers.Context()
    context.weight = torch.tensor([[1.0] * 6, [1.0] * 4 + [0.0] * 2])
    layers.attach(norm, context)
    reference = nn.BatchNorm1d(3)
    torch.testing.assert_close(norm(x)[1, :4], reference(x[1, :4]))
    torch.testing.assert_close(norm.running_var[1], reference.running_var)


@pytest.mark.parametrize("large", [1, 1000])
@in_double()
def test_the_optimiser_is_adamw_for_each_rate_and_decay(monkeypatch, large):
    """Both ways: updated while the gradients are computed, and after."""
    monkeypatch.setattr("cortexclip.training.optimiser.LARGE", large)
    torch.manual_seed(0)
    network = layers.stack([layers.Linear(3, 2, bias=False) for _ in range(3)])
    rates, decays = [1e-2, 1e-2, 1e-3], [0.1, 0.1, 0.0]
    plain = [network.weight[i].detach().clone().requires_grad_() for i in range(3)]
    theirs = [torch.optim.AdamW([p], lr=r, weight_decay=d) for p, r, d in zip(plain, rates, decays, strict=True)]
    optimiser = StackedAdam(network, rates, decays)
    assert optimiser.runs == [(0, 2), (2, 3)]
    for _ in range(5):
        x = torch.randn(3, 4, 3)
        optimiser.begin()
        optimiser.backward((network(x) ** 2).sum())
        assert network.weight.grad is None
        for i in range(3):
            theirs[i].zero_grad()
            ((x[i] @ plain[i]) ** 2).sum().backward()
            theirs[i].step()
            torch.testing.assert_close(network.weight[i], plain[i])


@narrow()
def test_cccv1_overfits_eight_samples():
    samples = make_samples(8)
    method = cccv1.CCCV1.configured(CCCV1_SETTINGS | {"epochs": 250, "patience": 250}, "x")
    decoder = method.fit(FitData(samples, samples, samples), 0, silent)
    error = np.mean((decoder.predict(samples.brain).images - samples.images) ** 2)
    assert error < 0.02 * samples.images.var(axis=0).mean()


def test_the_contrastive_encoder_overfits_eight_samples():
    samples = replace(make_samples(8), embedding=np.eye(8, 12))
    data = FitData(samples, samples, samples)
    decoder = clip_encoder.ClipEncoder.configured(CLIP_SETTINGS, "x").fit(data, 0, silent)
    predicted = decoder.predict(samples.brain)
    assert (np.argmax(predicted.embedding @ samples.embedding.T, axis=1) == np.arange(8)).all()
    np.testing.assert_allclose(predicted.nearest, samples.images)


class Scalar(nn.Module):
    """One number per member."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.ones(1, 1))


def scripted(losses):
    """A loss that trains the number and answers from a script in evaluation."""
    answers = iter(losses)

    def loss(network, batch):
        if network.training:
            return network.value.sum(1) * batch["brain"].mean((1, 2))
        return torch.tensor([next(answers)])

    return loss


def test_bfloat16_trains_close_to_single_precision_with_weights_in_it():
    """Within five of the last digits of bfloat16, 2^-8; all epochs, since rounding may decide which is the best one."""
    made = settings(lr=1e-3, patience=6)
    member = stack.Member(lambda: CCCV1(7, 16, 0.0, 0.0, 0.1), part(12, 0), part(5, 1), made, 3)
    (single,) = stack.train([member], pixel_mse, silent)
    (half,) = stack.train([member], pixel_mse, silent, stack.Options(precision="bfloat16"))
    assert {value.dtype for value in half.network.state_dict().values()} == {torch.float32}
    assert half.history != single.history
    ours, theirs = ([row["value"] for row in result.history] for result in (half, single))
    np.testing.assert_allclose(ours, theirs, rtol=5 * 2**-8)


def test_the_epoch_of_least_selection_loss_is_kept():
    member = stack.Member(Scalar, {"brain": torch.ones(8, 1)}, {"brain": torch.ones(2, 1)}, settings(epochs=10), 0)
    (result,) = stack.train([member], scripted([5.0, 3.0, 4.0, 4.0, 4.0, 1.0]), silent)
    assert (result.epoch, result.select_loss) == (2, 3.0)
    assert len([row for row in result.history if row["quantity"] == "select_loss"]) == 5  # patience of three
    (two,) = stack.train([replace(member, select=None, settings=settings(epochs=2))], scripted([]), silent)
    torch.testing.assert_close(result.network.value, two.network.value)
    assert not result.network.training


def test_without_a_selection_part_the_last_epoch_is_kept():
    member = stack.Member(Scalar, {"brain": torch.ones(8, 1)}, None, settings(epochs=4), 0)
    (result,) = stack.train([member], scripted([]), silent)
    assert (result.epoch, result.select_loss) == (4, None)
    assert {row["quantity"] for row in result.history} == {"train_loss"}


def test_each_epoch_visits_every_sample_once_in_a_new_order():
    visited: list[list[int]] = []

    def loss(network, batch):
        visited.append(batch["brain"].flatten().tolist())
        return network.value.sum(1)

    member = stack.Member(Scalar, {"brain": torch.arange(9.0)[:, None]}, None, settings(epochs=2), 0)
    stack.train([member], loss, silent)
    first, second = sum(visited[:2], []), sum(visited[2:], [])
    assert [len(batch) for batch in visited] == [4, 5, 4, 5]  # no batch of one, which BatchNorm cannot take
    assert sorted(first) == sorted(second) == list(range(9))
    assert first != second


def test_a_loss_that_is_not_finite_stops_with_a_sentence():
    member = stack.Member(Scalar, {"brain": torch.full((8, 1), torch.nan)}, None, settings(), 0)
    with pytest.raises(FloatingPointError, match="training loss is nan at epoch 1"):
        stack.train([member], scripted([]), silent)


def test_initial_weights_follow_from_the_seed():
    first, second, other = (stack.build(lambda: layers.Linear(3, 3), seed).weight for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_the_learning_rate_warms_up_and_falls_along_a_half_cosine():
    schedule = settings(epochs=10, warm_up=2, schedule="cosine")
    rates = [schedule.rate(step, 5) for step in range(50)]
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10)
    np.testing.assert_allclose(rates[10:], 0.5 * (1 + np.cos(np.pi * np.arange(40) / 40)))
    assert schedule.for_refit(4).rate(15, 5) == rates[15]  # a shorter refit follows the same schedule


def test_members_share_a_stack_only_where_they_can():
    base = jobs(Small)[0]
    others = [
        replace(base, kind="other"),
        replace(base, settings=settings(batch_size=5)),
        replace(base, train=part(9, 1)),
        replace(base, select=None),
        replace(base, settings=settings(warm_up=1)),
    ]
    assert all(len(stack.chunks([base, other], 10)) == 2 for other in others)
    assert [len(c) for c in stack.chunks([base] * 5, 2)] == [2, 2, 1]


def test_noise_depends_on_seed_step_and_stream_alone():
    keys = noise.step_keys(np.array([5, 6]), np.arange(3), 10)
    alone = noise.step_keys(np.array([6]), np.array([2]), 10)
    np.testing.assert_array_equal(keys[2, 1], alone[0, 0])
    both, one = noise.Noise(torch.tensor(keys[2])), noise.Noise(torch.tensor(alone[0]))
    assert torch.equal(both.bits(9, (2, 4, 3))[1], one.bits(9, (1, 4, 3))[0])
    seen = {
        tuple(noise.Noise(torch.tensor(keys[step])).bits(stream, (2, 5))[member].tolist())
        for step, stream, member in itertools.product(range(3), range(10), range(2))
    }
    assert len(seen) == 60


def test_dropout_drops_a_value_or_keeps_the_mean():
    keys = torch.tensor(noise.step_keys(np.array([5, 6]), np.arange(5), 10))
    for step in range(5):
        drawn = noise.Noise(keys[step]).dropout(8, (2, 4, 6), 0.5)
        assert set(drawn.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize(("members", "rows", "n_in", "n_out"), [(1, 12, 300, 400), (3, 3, 5, 4), (2, 200, 100, 80)])
@pytest.mark.parametrize("bias", [True, False])
def test_products_on_a_cpu_are_those_of_an_affine_map(members, rows, n_in, n_out, bias):
    """Against autograd in double precision. Rounding in a sum of n numbers is about sqrt(n) of the last digit of their
    size, so 20 for the longest of 400; the bound, of 80, is on the largest value, which is larger than most."""
    torch.manual_seed(0)
    x, weight = torch.randn(members, rows, n_in), torch.randn(members, n_in, n_out)
    wanted = torch.randn(members, rows, n_out)
    given = [x, weight, *([torch.randn(members, n_out)] if bias else [])]
    values = []
    for dtype, function in (
        (torch.float32, lambda x, w, b: products.Affine.apply(x, w, b, None)),
        (torch.float64, lambda x, w, b: x @ w if b is None else x @ w + b[:, None]),
    ):
        inputs = [value.to(dtype).clone().requires_grad_() for value in given]
        y = function(*inputs, *([] if bias else [None]))
        ((y - wanted.to(dtype)) ** 2).sum().backward()
        values.append([y.detach(), *(value.grad for value in inputs)])
    for ours, exact in zip(*values, strict=True):
        assert ours.shape == exact.shape
        assert (ours - exact).abs().max() < 80 * SINGLE * exact.abs().max()


def test_noise_is_uniform_normal_and_uncorrelated():
    keys = noise.step_keys(np.array([1]), np.arange(200), 9)
    draws = [noise.Noise(torch.tensor(k)) for k in keys]
    uniform = torch.stack([d.uniform(8, (1, 500)) for d in draws]).numpy()[:, 0]
    normal = torch.stack([d.normal(0, (1, 500)) for d in draws]).numpy()[:, 0]
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 0.001
    assert stats.kstest(normal.ravel(), "norm").pvalue > 0.001
    assert abs(np.corrcoef(uniform[:-1].ravel(), uniform[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(uniform[:, :-1].ravel(), uniform[:, 1:].ravel())[0, 1]) < 0.02
    keep = torch.stack([d.keep(8, (1, 500), 0.2) for d in draws]).float()
    assert abs(keep.mean().item() - 0.8) < 0.005


def test_the_refit_uses_all_samples_for_the_chosen_number_of_epochs():
    data = honest_data()
    method = cccv1.CCCV1.configured(CCCV1_SETTINGS | {"epochs": 5, "patience": 5}, "x")
    decoder = method.fit(data, 0, silent)
    rows = decoder.history()
    chosen = decoder.facts()["epoch"]
    assert max(row["epoch"] for row in rows if row["stage"] == "refit") == chosen
    np.testing.assert_allclose(decoder.scaler.mean, data.final.brain.mean(axis=0))
    published = FitData(data.train, data.select, data.train)
    decoder = method.fit(published, 0, silent)
    assert {row["stage"] for row in decoder.history()} == {"select"}
    np.testing.assert_allclose(decoder.scaler.mean, data.train.brain.mean(axis=0))


@narrow()
@methods_in_double()
def test_the_selection_part_chooses_the_grid_point():
    data = honest_data()
    points = [cccv1.CCCV1.configured(CCCV1_SETTINGS | {"epochs": 4, "lr": lr}, "x") for lr in (1e-9, 1e-3)]
    tasks = [Task(0, index, index, lambda: data) for index in range(2)]
    alone = [points[1].fit(data, task.seed, silent).predict(data.final.brain).images for task in tasks]
    for limit in (None, 8):
        decoders = [d for _, d in cccv1.CCCV1.fit_tasks(points, tasks, silent, stack.Options(limit=limit))]
        for decoder, images in zip(decoders, alone, strict=True):
            facts = decoder.facts()
            assert facts["grid_point"] == 1
            assert facts["grid"][1] < facts["grid"][0]
            np.testing.assert_allclose(decoder.predict(data.final.brain).images, images, atol=1e-9)


BY_A_SOURCE = {
    **{"optimiser": "adam", "schedule": "plateau", "plateau_factor": 0.5, "plateau_patience": 0, "clip_norm": 0.05},
    **{"selection_loss": "batches", "weights": "last", "join_single": False},
}


@pytest.mark.parametrize("limit", [1, 10])
@pytest.mark.parametrize(("selecting", "changes"), [(True, {}), (False, {}), (True, BY_A_SOURCE)])
def test_an_interrupted_training_goes_on_bit_by_bit(tmp_path, limit, selecting, changes):
    members = [m if selecting else replace(m, select=None) for m in jobs(Small, **changes)]
    options = stack.Options(limit=limit)
    expected = stack.train(members, pixel_mse, silent, options)

    class Killed(Exception):
        pass

    for interruption in (1, 4, 7):
        lines = itertools.count()

        def kill(line, interruption=interruption, lines=lines):
            if "goes on" not in line and next(lines) == interruption:
                raise Killed

        folder = tmp_path / str(interruption)
        keeper = Checkpoints(folder, "same", every=0)
        try:
            stack.train(members, pixel_mse, kill, replace(options, keeper=keeper), "x")
        except Killed:
            assert list(folder.iterdir())
        got = stack.train(members, pixel_mse, silent, replace(options, keeper=keeper), "x")
        for a, b in zip(got, expected, strict=True):
            assert (a.epoch, a.select_loss, a.history) == (b.epoch, b.select_loss, b.history)
            assert all(torch.equal(v, b.network.state_dict()[k]) for k, v in a.network.state_dict().items())


def test_states_of_other_jobs_and_damaged_ones_are_not_used(tmp_path):
    keeper = Checkpoints(tmp_path, "one")
    keeper.save("a", {"x": torch.ones(2)}, {"epoch": 3})
    assert keeper.load("a")[1] == {"epoch": 3}
    assert Checkpoints(tmp_path, "two").load("a") is None
    assert keeper.load("b") is None
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    assert keeper.load("a") is None
    keeper.close()
    assert not tmp_path.exists()


def test_what_a_training_held_is_freed_when_it_ends(monkeypatch):
    """Without waiting for Python's garbage collector, so that the points of a grid do not pile up in memory."""
    stacks = []
    init = stack.Stack.__init__

    def remembered(self, *arguments):
        init(self, *arguments)
        stacks.append(weakref.ref(self))

    monkeypatch.setattr(stack.Stack, "__init__", remembered)
    gc.disable()
    try:
        (result,) = stack.train(
            [stack.Member(Small, part(10, 0), part(5, 1), settings(epochs=2), 0)], pixel_mse, silent
        )
        assert [reference() for reference in stacks] == [None]
    finally:
        gc.enable()
    assert result.epoch in (1, 2)


def test_a_weight_that_is_applied_twice_gets_one_update_from_both_gradients(monkeypatch):
    """The update in the middle of the backward pass is for weights that are applied once in a step.

    Against double precision; with an epsilon of AdamW at which rounding stays rounding (as in the loop above), a weight
    is off by its last digit for each of the few operations, at most 4, of each of the 3 updates.
    """
    monkeypatch.setattr("cortexclip.training.optimiser.EPS", 1.0)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.once, self.twice = layers.Linear(300, 300), layers.Linear(300, 300)

        def forward(self, x):
            return self.twice(torch.tanh(self.twice(torch.tanh(self.once(x)))))

    torch.manual_seed(0)
    network = layers.stack([Twice(), Twice()])
    plain = layers.members(network, [0, 1]).double()
    x, wanted = torch.randn(2, 16, 300), torch.randn(2, 16, 300)
    optimiser = StackedAdam(network, [1e-3, 1e-3], [0.1, 0.1])
    reference = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=0.1, eps=1.0)
    for _ in range(3):
        optimiser.begin()
        optimiser.backward(((network(x) - wanted) ** 2).sum())
        reference.zero_grad()
        ((plain(x.double()) - wanted.double()) ** 2).sum().backward()
        reference.step()
    assert [d.uses for d in sorted(optimiser.directs, key=lambda d: d.name)] == [1, 2]
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        assert (ours - theirs).abs().max() < 3 * 4 * SINGLE * theirs.abs().max()


class Mean(nn.Module):
    """Answers one number whatever the voxels, which a stack trains."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1, 1))

    def forward(self, x):
        return self.value[:, None].expand(*x.shape[:2], 1)


def test_selection_loss_over_batches_is_the_mean_of_each_members_own_batch_means():
    """Members whose selection parts have other numbers of samples and of batches, in one stack."""
    sizes = (5, 9, 4, 13)
    selects = [
        {"brain": torch.zeros(n, 2), "pixels": torch.tensor(np.random.default_rng(n).random((n, 1)))} for n in sizes
    ]
    selects = [{name: value.float() for name, value in select.items()} for select in selects]
    train = {"brain": torch.zeros(8, 2), "pixels": torch.zeros(8, 1)}
    for kind in ("batches", "samples"):
        made = settings(epochs=1, selection_loss=kind)
        members = [stack.Member(Mean, train, select, made, seed) for seed, select in enumerate(selects)]
        assert len(stack.chunks(members, 10)) == 1
        for results in (
            stack.train(members, pixel_mse, silent, stack.Options(limit=10)),
            [stack.train([member], pixel_mse, silent)[0] for member in members],
        ):
            for select, result in zip(selects, results, strict=True):
                errors = select["pixels"].double().square()[:, 0]  # the answer stays zero
                parts = errors.split(4) if kind == "batches" else [errors]
                expected = np.mean([part.mean().item() for part in parts])
                assert result.select_loss == pytest.approx(expected, rel=1e-5)


def test_a_last_batch_of_one_joins_the_one_before_where_it_is_asked_to():
    assert stack.batch_sizes(9, 4) == stack.batch_sizes(9, 4, join_single=True) == [4, 5]
    assert stack.batch_sizes(9, 4, join_single=False) == [4, 4, 1]
    assert stack.batch_sizes(1, 4) == stack.batch_sizes(1, 4, False) == [1]
    for join in (True, False):
        assert stack.batch_sizes(10, 4, join) == [4, 4, 2]
        assert stack.batch_sizes(8, 4, join) == [4, 4]
    visited = []

    def loss(network, batch):
        visited.append(batch["brain"].shape[1])
        return network.value.sum(1)

    made = settings(epochs=1, join_single=False)
    stack.train([stack.Member(Scalar, {"brain": torch.arange(9.0)[:, None]}, None, made, 0)], loss, silent)
    assert visited == [4, 4, 1]


def test_last_weights_are_those_of_the_last_epoch_with_the_least_selection_loss():
    member = stack.Member(
        Scalar, {"brain": torch.ones(8, 1)}, {"brain": torch.ones(2, 1)}, settings(epochs=10, weights="last"), 0
    )
    (result,) = stack.train([member], scripted([5.0, 3.0, 4.0, 4.0, 4.0, 1.0]), silent)
    assert (result.epoch, result.select_loss) == (5, 3.0)  # patience of three
    (five,) = stack.train([replace(member, select=None, settings=settings(epochs=5))], scripted([]), silent)
    torch.testing.assert_close(result.network.value, five.network.value)


def test_each_member_follows_the_plateau_of_its_own_losses():
    """Together as alone, in double precision, where members come to differ in their rates."""
    members = [
        replace(m, make=lambda: Small().double(), train=double(m.train), select=double(m.select))
        for m in jobs(Small, **BY_A_SOURCE)
    ]
    assert len(stack.chunks(members, 10)) == 1
    together = stack.train(members, pixel_mse, silent, stack.Options(limit=10))
    fell = []
    for member, result in zip(members, together, strict=True):
        (alone,) = stack.train([member], pixel_mse, silent)
        losses = [[r["value"] for r in x.history if r["quantity"] == "select_loss"] for x in (result, alone)]
        np.testing.assert_allclose(*losses, rtol=1e-4)
        assert (result.epoch, len(losses[0])) == (alone.epoch, len(losses[1]))
        fell.append(member.settings.plateau(losses[0]))
    assert len(set(fell)) > 1
