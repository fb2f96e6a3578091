"""Networks and training of braindecoding/cortexflow-fmri against plain PyTorch, written from what the source ran."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from narrow import narrow, width
from samples import METHODS, make_samples, silent, take
from scipy import stats
from torch import nn

from cortexclip.errors import InputError
from cortexclip.methods import cortexflow, network
from cortexclip.methods.catalogue import source_points
from cortexclip.methods.cortexflow import CortexFlow
from cortexclip.methods.cortexflow.network import (
    BETAS,
    LEVELS,
    BrainDiffuserPerceptron,
    GaussianNoise,
    HideVoxels,
    MindVisPerceptron,
    RandomLevel,
    ScriptCCCV1,
)
from cortexclip.methods.interface import FitData, Saved, Task
from cortexclip.methods.procedure import Procedure
from cortexclip.training import layers, noise

SETTINGS = CortexFlow.Settings(
    network="cccv1", standardise=True, epochs=40, patience=6, batch_size=4, lr=1e-3, weight_decay=1e-2
)
PROCEDURE = Procedure(
    **{"scaling": "scalar", "scored_scaling": "own", "optimiser": "adam", "schedule": "plateau"},
    **{"plateau_factor": 0.3, "plateau_patience": 1, "clip_norm": 0.05, "selection_loss": "batches"},
    **{"weights": "last", "chosen_on": "scored"},
)


def flow(procedure: dict | None = None, **changes) -> CortexFlow:
    """The method with changed settings and, if one is given, with changes of the procedure that it follows."""
    method = CortexFlow(SETTINGS.model_copy(update=changes))
    method.procedure = None if procedure is None else PROCEDURE.model_copy(update=procedure)
    return method


def fitted(points: list[CortexFlow], data: FitData, seed: int):
    """The decoder of one fit."""
    ((_, decoder),) = CortexFlow.fit_tasks(points, [Task(0, 0, seed, lambda: data)], silent)
    return decoder


def block(n_in: int, n_out: int, activation: type[nn.Module], dropout: float = 0.0) -> list[nn.Module]:
    return [nn.Linear(n_in, n_out), nn.LayerNorm(n_out), activation(), nn.Dropout(dropout)]


class PlainCCCV1(nn.Module):
    """The script's network: three blocks, a projection, the enhancer with weight 0.1 and one normalisation after it."""

    def __init__(self, n_voxels: int, n_pixels: int, sizes: tuple[int, int, int] = (1024, 512, 256)):
        super().__init__()
        wide, size, middle = sizes
        self.encoder = nn.Sequential(
            *block(n_voxels, wide, nn.SiLU, 0.06),
            *block(wide, wide, nn.SiLU, 0.04),
            *block(wide, size, nn.SiLU, 0.03),
            *(nn.Linear(size, size), nn.LayerNorm(size), nn.Tanh()),
        )
        self.enhancer = nn.Sequential(nn.Linear(size, middle), nn.SiLU(), nn.Linear(middle, size), nn.Tanh())
        self.decoder = nn.Sequential(*block(size, size, nn.SiLU, 0.02), nn.Linear(size, n_pixels), nn.Sigmoid())

    def forward(self, x, *_):
        e = self.encoder(x)
        return self.decoder(nn.functional.normalize(e + 0.1 * self.enhancer(e), dim=-1))


class PlainBrainDiffuser(nn.Module):
    """The output loses noise of scale 0.1, 0.0667, 0.0333 before the sigmoid; the draws are given."""

    def __init__(self, n_voxels: int, n_pixels: int):
        super().__init__()
        self.layers = nn.Sequential(
            *block(n_voxels, 512, nn.SiLU, 0.1), *block(512, 256, nn.SiLU), nn.Linear(256, n_pixels)
        )

    def forward(self, x, *draws):
        return torch.sigmoid(self.layers(x) - sum(s * d for s, d in zip((0.1, 0.2 / 3, 0.1 / 3), draws, strict=True)))


class PlainMindVis(nn.Module):
    """Hidden voxels are zero; the code is mixed with noise of a level. Which voxels, noise and level are given."""

    def __init__(self, n_voxels: int, n_pixels: int):
        super().__init__()
        self.encoder = nn.Sequential(
            *block(n_voxels, 512, nn.ReLU, 0.1), *block(512, 256, nn.ReLU), nn.Linear(256, 128)
        )
        self.decoder = nn.Sequential(
            *block(128, 256, nn.ReLU, 0.1), *block(256, 512, nn.ReLU), nn.Linear(512, n_pixels), nn.Sigmoid()
        )

    def forward(self, x, seen, drawn, level):
        kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 10), 0)[level]
        return self.decoder(kept.sqrt() * self.encoder(x * seen) + (1 - kept).sqrt() * drawn)


NETWORKS = {
    "cccv1": (lambda d, n: ScriptCCCV1(d, n, 0.1), PlainCCCV1, 3_763_216, [0.06, 0.04, 0.03, 0.02]),
    "brain_diffuser": (BrainDiffuserPerceptron, PlainBrainDiffuser, 829_968, [0.1]),
    "mind_vis": (MindVisPerceptron, PlainMindVis, 1_229_712, [0.1, 0.1]),
}


def attached(model: nn.Module, seed: int = 0, members: int = 1) -> noise.Noise:
    """Give a network its context and the noise of one step."""
    context = layers.Context()
    streams = layers.attach(model, context)
    context.noise = noise.Noise(
        torch.tensor(noise.step_keys(np.arange(seed, seed + members), np.array([7]), streams)[0])
    )
    return context.noise


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_those_of_the_source(name):
    """Number of parameters at 967 voxels, dropout, and the same initial values and output from the same draws."""
    ours, theirs, count, rates = NETWORKS[name]
    torch.manual_seed(3)
    model = ours(967, 784).eval()
    torch.manual_seed(3)
    plain = theirs(967, 784).eval()
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in plain.parameters()) == count
    assert [m.rate for m in model.modules() if isinstance(m, layers.Dropout)] == rates
    assert [m.p for m in plain.modules() if isinstance(m, nn.Dropout) and m.p] == rates

    drawn = attached(model)
    x = torch.randn(1, 9, 967)
    draws = []
    if name == "brain_diffuser":
        draws = [drawn.normal(layer.stream, (1, 9, 784))[0] for layer in model.noises]
    if name == "mind_vis":
        level = (10 * drawn.uniform(model.mix.stream + 1, (1, 9, 1))[0]).long()
        draws = [drawn.keep(model.hide.stream, (1, 9, 967), 0.15)[0], drawn.normal(model.mix.stream, (1, 9, 128))[0]]
        draws.append(level)
    with torch.inference_mode():
        output = model(x)[0]
        assert output.shape == (9, 784)
        torch.testing.assert_close(output, plain(x[0], *draws), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_count_of_parameters_follows_from_the_layers(name):
    """Counted by hand from the sizes: a layer has n_in n_out + n_out values, LayerNorm 2 n."""
    sizes = {
        "cccv1": [(967, 1024), (1024, 1024), (1024, 512), (512, 512), (512, 256), (256, 512), (512, 512), (512, 784)],
        "brain_diffuser": [(967, 512), (512, 256), (256, 784)],
        "mind_vis": [(967, 512), (512, 256), (256, 128), (128, 256), (256, 512), (512, 784)],
    }[name]
    norms = {"cccv1": 1024 + 1024 + 512 + 512 + 512, "brain_diffuser": 512 + 256, "mind_vis": 512 + 256 + 256 + 512}
    assert sum(a * b + b for a, b in sizes) + 2 * norms[name] == NETWORKS[name][2]


def test_hidden_voxels_are_15_percent_of_each_sample_and_the_rest_stay():
    hide = HideVoxels(0.15).eval()
    attached(hide, members=2)
    x = torch.rand(2, 100, 1000) + 1
    seen = hide(x)
    hidden = (seen == 0).float()
    assert torch.equal(seen[hidden == 0], x[hidden == 0])
    assert abs(hidden.mean().item() - 0.15) < 4 * math.sqrt(0.15 * 0.85 / hidden.numel())
    assert stats.kstest(hidden.sum(-1).flatten().numpy() + 0.0, stats.binom(1000, 0.15).cdf).statistic < 0.15
    assert not torch.equal(hidden[0], hidden[1]) and not torch.equal(hidden[0, 0], hidden[0, 1])


def test_output_noise_has_the_three_scales_and_they_are_independent():
    model = BrainDiffuserPerceptron(5, 784).eval()
    attached(model)
    assert [layer.scale for layer in model.noises] == pytest.approx([0.1, 0.2 / 3, 0.1 / 3])
    drawn = [(-layer(torch.zeros(1, 200, 784)) / layer.scale).numpy().ravel() for layer in model.noises]
    for values in drawn:
        assert stats.kstest(values, "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(drawn) - np.eye(3)).max() < 4 / math.sqrt(len(drawn[0]))
    assert all(isinstance(layer, GaussianNoise) for layer in model.noises)


def test_noise_levels_are_ten_equally_frequent_ones():
    levels = np.cumprod(1 - np.linspace(*BETAS, LEVELS))
    mix = RandomLevel().eval()
    attached(mix)
    code = torch.full((1, 20000, 3), 1e6)
    kept = (mix(code) / 1e6).numpy()[0]
    found = np.abs(kept[:, :1] ** 2 - levels).argmin(1)
    np.testing.assert_allclose(kept**2, np.repeat(levels[found][:, None], 3, axis=1), atol=1e-4)  # one a sample
    assert stats.chisquare(np.bincount(found, minlength=10)).pvalue > 1e-3
    drawn = mix(torch.zeros(1, 20000, 3)).numpy()[0] / np.sqrt(1 - levels[found])[:, None]
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 4 / math.sqrt(len(drawn))


@pytest.mark.parametrize("name", NETWORKS)
def test_noise_in_prediction_follows_from_the_seed(name):
    data = FitData(make_samples(12), make_samples(4, 1), make_samples(12))
    data = replace(data, final=data.train)
    decoder, again = (flow(network=name, epochs=2).fit(data, 5, silent) for _ in range(2))
    scored = make_samples(6, 2).brain
    first = decoder.predict(scored).images
    assert not decoder.network.training
    np.testing.assert_array_equal(first, decoder.predict(scored).images)
    np.testing.assert_array_equal(first, again.predict(scored).images)
    other = replace(decoder, read=cortexflow._reader((28, 28), 6)).predict(scored).images
    repeated = decoder.predict(np.repeat(scored[:1], 6, axis=0)).images
    assert np.array_equal(first, other) == (name == "cccv1")
    assert np.allclose(repeated, repeated[:1], atol=1e-5) == (name == "cccv1")  # each sample draws its own


@pytest.mark.parametrize(("name", "share"), [("cccv1", 0.02), ("brain_diffuser", 0.1), ("mind_vis", 0.3)])
@narrow()
def test_networks_overfit_eight_samples(name, share):
    """As far as their noise lets them."""
    samples = make_samples(8)
    method = flow(network=name, epochs=200, patience=200, batch_size=8, weight_decay=0.0)
    decoder = method.fit(FitData(samples, samples, samples), 0, silent)
    error = np.mean((decoder.predict(samples.brain).images - samples.images) ** 2)
    assert error < share * samples.images.var(axis=0).mean()


def in_double_precision(monkeypatch):
    """Training of the network in double precision and without dropout."""

    def to_double(array):
        array = np.asarray(array)
        return torch.as_tensor(array if np.issubdtype(array.dtype, np.integer) else array.astype(np.float64))

    monkeypatch.setattr(network, "to_tensor", to_double)
    monkeypatch.setattr(layers.Dropout, "forward", lambda self, x: x)

    made = CortexFlow.network
    monkeypatch.setattr(CortexFlow, "network", lambda self, *sizes: made(self, *sizes).double())


def published_training(data: FitData, point: CortexFlow, seed: int) -> dict:
    """The source's script for one configuration and a narrow network, in plain PyTorch and double precision."""
    settings, procedure = point.settings, point.procedure
    brain = np.concatenate([data.train.brain, data.select.brain])
    parts = [(part.brain - brain.mean()) / brain.std() for part in (data.train, data.select)]
    parts.append((data.scored.brain - data.scored.brain.mean()) / data.scored.brain.std())
    x, x_select, x_scored = map(torch.as_tensor, parts)
    y, y_select, y_scored = (torch.as_tensor(part.pixels) for part in (data.train, data.select, data.scored))
    torch.manual_seed(seed)
    sizes = (width(1024), width(512), width(256))
    model = PlainCCCV1(x.shape[1], y.shape[1], sizes).double().eval()  # evaluation mode: no dropout
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=procedure.plateau_factor, patience=procedure.plateau_patience, min_lr=1e-8
    )
    mse = nn.functional.mse_loss
    best, waited, losses, norms = math.inf, 0, [], []
    for epoch in range(1, settings.epochs + 1):
        for rows in torch.as_tensor(noise.sample_order(seed, epoch, len(x))).split(settings.batch_size):
            optimiser.zero_grad()
            mse(model(x[rows]), y[rows]).backward()
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), procedure.clip_norm).item())
            optimiser.step()
        with torch.no_grad():
            batches = zip(x_select.split(settings.batch_size), y_select.split(settings.batch_size), strict=True)
            losses.append(np.mean([mse(model(a), b).item() for a, b in batches]))
        scheduler.step(losses[-1])
        if losses[-1] < best:
            best, waited, kept = losses[-1], 0, copy.deepcopy(model.state_dict())
        else:
            waited += 1
            if waited >= settings.patience:
                break
    last = optimiser.param_groups[0]["lr"]
    if procedure.weights == "best":
        model.load_state_dict(kept)
    with torch.no_grad():
        images = model(x_scored)
        error = mse(images, y_scored).item()
    return {"images": images.numpy(), "error": error, "losses": losses, "rate": last, "norms": norms, "epoch": epoch}


@pytest.mark.parametrize("weights", ["last", "best"])
@narrow()
def test_training_by_the_sources_procedure_is_the_published_one(monkeypatch, weights):
    """13 samples in batches of 4, so that the last batch has one; 5 that select, in batches of 4 and 1."""
    samples = make_samples(26)
    data = FitData(take(samples, slice(0, 13)), take(samples, slice(13, 18)), take(samples, slice(0, 13)))
    data = replace(data, final=data.train, scored=take(samples, slice(18, 26)))
    procedure = {"weights": weights}
    points = [
        flow(procedure),
        flow(procedure | {"plateau_factor": 0.5}, lr=3e-4, epochs=8),
    ]
    in_double_precision(monkeypatch)
    decoder = fitted(points, data, 11)
    published = [published_training(data, point, 11) for point in points]
    first = published[0]
    assert max(first["norms"]) > PROCEDURE.clip_norm, "the gradient is limited"
    assert first["rate"] < SETTINGS.lr, "the rate fell"
    assert first["epoch"] < SETTINGS.epochs, "it stopped early"

    facts = decoder.facts()
    chosen = int(np.argmin([run["error"] for run in published]))
    assert facts["grid_point"] == chosen
    np.testing.assert_allclose(facts["grid"], [min(run["losses"]) for run in published], rtol=1e-4)
    np.testing.assert_allclose(facts["grid_scored"], [run["error"] for run in published], rtol=1e-4)
    losses = [row["value"] for row in decoder.history() if row["quantity"] == "select_loss"]
    np.testing.assert_allclose(losses, published[chosen]["losses"], rtol=1e-4)
    expected = published[chosen]["epoch"] if weights == "last" else int(np.argmin(losses)) + 1
    assert facts["epoch"] == expected
    predicted = decoder.predict(data.scored.brain).images.reshape(8, -1)
    np.testing.assert_allclose(predicted, published[chosen]["images"], atol=1e-4)


@narrow()
def test_the_selection_part_chooses_where_the_source_says_so():
    """Of two configurations the scored part and the selection part prefer different ones."""
    samples = make_samples(24)
    train, other = take(samples, slice(0, 16)), take(samples, slice(16, 24))
    far = replace(other, images=1 - other.images)
    chosen = {}
    for on in ("select", "scored"):
        procedure = {"clip_norm": 0.5, "chosen_on": on}
        points = [flow(procedure, epochs=epochs, patience=50, lr=1e-3) for epochs in (1, 40)]
        facts = fitted(points, FitData(train, other, train, scored=far), 1).facts()
        values = facts["grid"] if on == "select" else facts["grid_scored"]
        chosen[on] = facts["grid_point"]
        assert chosen[on] == int(np.argmin(values))
    assert chosen["select"] != chosen["scored"]


def test_one_configuration_shows_its_scored_error_too():
    samples = make_samples(24)
    data = FitData(take(samples, slice(0, 16)), take(samples, slice(16, 20)), take(samples, slice(0, 16)))
    data = replace(data, final=data.train, scored=take(samples, slice(20, 24)))
    decoder = fitted([flow({}, epochs=2)], data, 1)
    images = decoder.predict(data.scored.brain).images
    assert decoder.facts()["grid_scored"] == pytest.approx([np.mean((images - data.scored.images) ** 2)])


def test_without_a_procedure_the_method_is_trained_as_any_other():
    """No scaling, clipping or schedule of a source comes in."""
    data = FitData(*[make_samples(12)] * 3)
    made = flow().recipe_followed(data)
    (phase,) = made.phases
    training = phase.training
    assert made.procedure is None and made.scaling == "voxel"
    assert (training.optimiser, training.schedule, training.clip_norm) == ("adamw", "constant", None)
    assert (training.selection_loss, training.weights, training.join_single) == ("samples", "best", True)
    followed = flow({}).recipe_followed(data)
    training = followed.phases[0].training
    assert followed.scaling == "scalar"
    assert (training.optimiser, training.schedule, training.clip_norm) == ("adam", "plateau", 0.05)
    assert (training.plateau_factor, training.plateau_patience, training.join_single) == (0.3, 1, False)
    followed = flow({"clip_norm": 0.0}).recipe_followed(data)
    assert followed.phases[0].training.clip_norm is None


@pytest.mark.parametrize("scored_scaling", ["training", "own"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_restored_run_predicts_as_before(name, scored_scaling):
    """From arrays in single precision, as they are saved, and from the record's facts."""
    samples = make_samples(20)
    data = FitData(take(samples, slice(0, 14)), take(samples, slice(14, 20)), take(samples, slice(0, 14)))
    data = replace(data, final=data.train)
    method = flow({"scored_scaling": scored_scaling}, network=name, epochs=3)
    decoder = fitted([method], data, 2)
    arrays = {key: value.astype(np.float32) for key, value in decoder.weights().items()}
    restored = method.restore(Saved(arrays, decoder.facts(), (28, 28), "here"))
    scored = 3 * make_samples(9, 4).brain + 2  # of another scale than the training part
    images = decoder.predict(scored).images
    np.testing.assert_allclose(restored.predict(scored).images, images, atol=1e-4)
    assert restored.facts() == decoder.facts()
    moved = decoder.predict(5 * scored - 1).images
    assert np.allclose(moved, images, atol=1e-4) == (scored_scaling == "own")
    with pytest.raises(InputError, match="does not hold the network"):
        other = flow(network="mind_vis" if name == "cccv1" else "cccv1")
        other.restore(Saved(arrays, decoder.facts(), (28, 28), "here"))


@narrow()
def test_last_weights_report_the_last_epoch_and_the_least_selection_loss():
    samples = make_samples(20)
    data = FitData(take(samples, slice(0, 14)), take(samples, slice(14, 20)), take(samples, slice(0, 14)))
    data = replace(data, final=data.train)
    for patience in (2, 50):
        decoder = fitted([flow({}, epochs=9, patience=patience, lr=lr) for lr in (5e-3, 1e-9)], data, 2)
        losses = [row["value"] for row in decoder.history() if row["quantity"] == "select_loss"]
        facts = decoder.facts()
        assert facts["epoch"] == len(losses)
        if data.scored is None:
            assert "grid_scored" not in facts


CASES = [
    (name, protocol, dataset)
    for name, entry in METHODS.items()
    for protocol, procedure in entry.get("procedures", {}).items()
    if procedure is not None
    for dataset in ("miyawaki", "vangerven", "mindbigdata", "crell")
]


@pytest.mark.parametrize(("name", "protocol", "dataset"), CASES)
def test_configurations_of_the_catalogue_are_whole(name, protocol, dataset):
    """A configuration sets settings and procedure; all else is as stated for the procedure or the method."""
    entry = METHODS[name]
    made = source_points(entry, protocol, dataset, 500, "here")
    stated = entry.get("configurations", {}).get(dataset, [{}])
    assert len(made) == len(stated)
    for point, wanted in zip(made, stated, strict=True):
        procedure = point.method.procedure.model_dump()
        known = {**point.method.settings.model_dump(), **procedure}
        assert {key: float(known[key]) for key in wanted} == {key: float(value) for key, value in wanted.items()}
        assert set(point.values) == set(wanted) - set(procedure)
        for key, value in entry["procedures"][protocol].get("by_dataset", {}).get(dataset, {}).items():
            assert known[key] == pytest.approx(float(value)) or key in wanted


def test_a_method_without_a_recipe_follows_no_procedure():
    entry = {"module": "cortexclip.methods.ridge", "procedures": {"source_split": PROCEDURE.model_dump()}}
    with pytest.raises(InputError, match="is no network, so it follows no procedure"):
        source_points(entry, "source_split", "x", 100, "here")
    wrong = {"module": "cortexclip.methods.cortexflow", "settings": SETTINGS.model_dump()}
    wrong["procedures"] = {"source_split": {**PROCEDURE.model_dump(), "weights": "first"}}
    with pytest.raises(InputError, match="setting 'weights': found 'first', expected one of 'best', 'last'"):
        source_points(wrong, "source_split", "x", 100, "here")
