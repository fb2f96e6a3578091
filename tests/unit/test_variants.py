"""The variants of clip_encoder and the extensions of CCCV1: what they compute, and that each of them learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from narrow import narrow
from precision import in_double, methods_in_double
from samples import METHODS, honest_data, make_samples, silent
from stacks import CCCV1_SETTINGS, CLIP_SETTINGS, double, part
from torch.nn import functional

from cortexclip.configuration.config import applies, pool_for
from cortexclip.errors import InputError
from cortexclip.features import crops
from cortexclip.methods import cccv1, cccv1_extended, cccv1_pooled, clip_encoder
from cortexclip.methods.catalogue import grid_points, points_of, settings_for
from cortexclip.methods.cccv1.network import CCCV1
from cortexclip.methods.cccv1_extended.network import (
    Alignment,
    ExtendedCCCV1,
    GatedEnhancer,
    PyramidDecoder,
    VoxelAttention,
    masked_voxel_loss,
    pyramid_error,
    reversed_gradient,
)
from cortexclip.methods.cccv1_pooled.network import PooledCCCV1
from cortexclip.methods.clip_encoder.network import BrainEncoder
from cortexclip.methods.fitting import pooled_samples
from cortexclip.methods.interface import FitData, Samples, Task
from cortexclip.training import layers
from cortexclip.training.noise import Noise, step_keys
from cortexclip.training.stack import Batch, parameter_count

OFF = {
    **{"clip_weight": 0, "consistency_weight": 0, "contrastive_weight": 0, "temperature": 0.07, "views": 1},
    **{"attention_group": 0, "attention_size": 8, "attention_heads": 2, "resolution_weight": 0, "enhancer_blocks": 0},
    **{"mask_fraction": 0, "pretraining_epochs": 20, "domain_weight": 0},
}
EXTENSIONS = {
    "cccv1_clip": {"clip_weight": 0.1, "consistency_weight": 0.05},
    "cccv1_multiscale": {"clip_weight": 0.1, "consistency_weight": 0.05, "views": 3},
    "cccv1_attention": {"attention_group": 8},
    "cccv1_multires": {"resolution_weight": 0.5},
    "cccv1_enhancer": {"enhancer_blocks": 3},
    "cccv1_contrastive": {"contrastive_weight": 0.01},
    "cccv1_ssl": {"mask_fraction": 0.5},
    "cccv1_adapt": {"domain_weight": 0.01},
    "cccv1_full": {"attention_group": 8, "clip_weight": 0.1, "consistency_weight": 0.05, "views": 3},
    "all of them": {
        **{"clip_weight": 0.1, "consistency_weight": 0.05, "views": 3, "attention_group": 8, "resolution_weight": 0.5},
        **{"enhancer_blocks": 3, "contrastive_weight": 0.01, "mask_fraction": 0.5, "domain_weight": 0.01},
    },
}
VARIANTS = {
    "clip_encoder_residual": {"residual": True},
    "clip_encoder_attention": {"attention_tokens": 8, "attention_heads": 2},
    "clip_encoder_multihead": {"projections": 4},
    "clip_encoder_negatives": {"duplicates": "negatives"},
    "clip_encoder_learned": {"learn_temperature": True},
    "clip_encoder_schedule": {"warm_up": 5, "schedule": "cosine"},
}


def extended(**changes) -> cccv1_extended.ExtendedCCCV1:
    return cccv1_extended.ExtendedCCCV1.configured(CCCV1_SETTINGS | OFF | changes, "x")


def encoder(**changes) -> clip_encoder.ClipEncoder:
    return clip_encoder.ClipEncoder.configured(CLIP_SETTINGS | changes, "x")


def silu_block(x, linear, norm):
    return functional.silu(
        functional.layer_norm(x @ linear.weight[0] + linear.bias[0], (512,), norm.weight[0], norm.bias[0])
    )


def affine(x, linear):
    return x @ linear.weight[0] + linear.bias[0]


def test_every_variant_is_in_the_catalogue_and_names_what_it_varies():
    for name, changes in {**EXTENSIONS, **VARIANTS}.items():
        if name == "all of them":
            continue
        entry = METHODS[name]
        base = METHODS[entry["ablates"]]
        assert entry["ablates"] == name[: name.rindex("_")]
        given, plain = settings_for(entry, "vangerven", 100), settings_for(base, "vangerven", 100)
        switched = {key for key, value in (OFF | CLIP_SETTINGS).items() if key in given and key not in plain}
        on = {key for key in given if given[key] != plain.get(key, OFF.get(key))} - {
            "attention_size",
            "attention_heads",
        }
        assert on - {"pretraining_epochs"} == set(changes) - {"attention_heads"}
        assert switched <= set(OFF)


def test_nothing_switched_on_is_cccv1():
    torch.manual_seed(5)
    plain = CCCV1(9, 784, 0.1, 0.1, 0.1)
    torch.manual_seed(5)
    other = ExtendedCCCV1(9, (28, 28), 0, 0, extended().settings)
    assert parameter_count(other) == parameter_count(plain)
    x = torch.randn(1, 3, 9)
    torch.testing.assert_close(other.eval()(x), plain.eval()(x), rtol=0, atol=0)


@in_double()
def test_voxel_attention_computes_what_it_says():
    torch.manual_seed(0)
    reader = VoxelAttention(10, 4, 8, 2)
    assert parameter_count(reader) == 3 * (4 * 8 + 8 + 8 * 4 + 4) + 2 * 8 + 4 * (8 * 8 + 8)
    x = torch.randn(1, 5, 10)
    groups = torch.cat([x, torch.zeros(1, 5, 2)], -1).view(5, 3, 4)
    tokens = torch.stack([groups[:, g] @ reader.read.weight[0, g] + reader.read.bias[0, g] for g in range(3)], 1)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    ours = reader.attention
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([m.weight[0].T for m in (ours.query, ours.key, ours.value)]),
            "in_proj_bias": torch.cat([m.bias[0] for m in (ours.query, ours.key, ours.value)]),
            "out_proj.weight": ours.out.weight[0].T,
            "out_proj.bias": ours.out.bias[0],
        }
    )
    normal = functional.layer_norm(tokens, (8,))
    mixed = theirs(normal, normal, normal)[0]
    written = torch.stack([mixed[:, g] @ reader.write.weight[0, g] + reader.write.bias[0, g] for g in range(3)], 1)
    torch.testing.assert_close(reader(x)[0], x[0] + written.reshape(5, 12)[:, :10])


@in_double()
def test_the_gated_enhancer_computes_what_it_says():
    torch.manual_seed(0)
    enhancer = GatedEnhancer(0.1, 2)
    assert parameter_count(enhancer) == 2 * ((512 * 256 + 256) + (256 * 512 + 512) + (512 * 512 + 512))
    e = expected = functional.normalize(torch.randn(1, 3, 512), dim=-1)
    for layer, gate in zip(enhancer.layers, enhancer.gates, strict=True):
        change = torch.tanh(affine(functional.silu(affine(expected, layer[0])), layer[2]))
        expected = expected + 0.1 * torch.sigmoid(affine(expected, gate[0])) * change
    torch.testing.assert_close(enhancer(e), functional.normalize(expected, dim=-1))


@in_double()
def test_the_pyramid_decoder_doubles_twice():
    torch.manual_seed(0)
    decoder = PyramidDecoder((28, 28), 0.0)
    convolutions = 4 * (32 * 32 * 9 + 32) + 4 * (32 * 16 * 9 + 16) + 2 * (32 * 9 + 1) + (16 * 9 + 1)
    assert parameter_count(decoder) == (512 * 512 + 512) + 2 * 512 + (512 * 1568 + 1568) + convolutions
    e = torch.randn(1, 2, 512)

    def conv(x, layer):
        return functional.conv2d(x, layer.weight[0], layer.bias[0], padding=1)

    x = functional.silu(affine(silu_block(e, decoder.block[0], decoder.block[1]), decoder.block[4]))[0].view(
        2, 32, 7, 7
    )
    expected = [torch.sigmoid(conv(x, decoder.images[0]))[:, 0]]
    for layer, image in zip(decoder.finer, decoder.images[1:], strict=True):
        parts = functional.silu(conv(x, layer)).unflatten(1, (-1, 2, 2))  # channel, row and column of four pixels
        x = parts.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        expected.append(torch.sigmoid(conv(x, image))[:, 0])
    for got, image, side in zip(decoder.pyramid(e), expected, (7, 14, 28), strict=True):
        assert got.shape == (1, 2, side, side)
        torch.testing.assert_close(got[0], image)
    torch.testing.assert_close(decoder(e)[0], expected[2].flatten(1))


@in_double()
def test_the_error_of_a_pyramid_averages_blocks_of_the_stimulus():
    target = torch.rand(1, 2, 8, 8)
    pyramid = [torch.rand(1, 2, side, side) for side in (2, 4, 8)]
    blocks = [target.view(1, 2, n, 8 // n, n, 8 // n).mean((3, 5)) for n in (2, 4)]
    expected = sum(((p - b) ** 2).mean((2, 3)) for p, b in zip(pyramid, blocks, strict=False))
    torch.testing.assert_close(pyramid_error(pyramid, target.flatten(2)), expected)


@in_double()
def test_the_cosine_of_views_is_the_mean_of_their_cosines():
    torch.manual_seed(0)
    alignment = Alignment(12, 3)
    e, target = torch.randn(1, 4, 512), torch.randn(1, 4, 12)
    predicted = affine(e, alignment.map)
    expected = sum(
        functional.cosine_similarity(p, t, dim=-1)
        for p, t in zip(predicted.split(4, -1), target.split(4, -1), strict=True)
    )
    got = (alignment(e) * alignment.unit(target)).sum(-1)
    torch.testing.assert_close(got, expected / 3)
    torch.testing.assert_close(alignment(e).norm(dim=-1), torch.ones(1, 4))
    same = Alignment(512, 1)
    assert not list(same.parameters())
    torch.testing.assert_close(same(e), functional.normalize(e, dim=-1))


@in_double()
def test_a_reversed_gradient_is_the_identity_forward():
    x = torch.randn(3, requires_grad=True)
    y = reversed_gradient(x, 0.2)
    torch.testing.assert_close(y, x)
    (y**2).sum().backward()
    torch.testing.assert_close(x.grad, -0.2 * 2 * x.detach())


@in_double()
def test_only_hidden_voxels_count_and_they_are_not_seen():
    torch.manual_seed(0)
    network = ExtendedCCCV1(30, (28, 28), 0, 0, extended(mask_fraction=0.5).settings).eval()
    brain = torch.randn(1, 6, 30)
    inputs = []
    whole, network.encode = network.encode, lambda x: inputs.append(x) or whole(x)
    loss = masked_voxel_loss(network, Batch({"brain": brain}), 0.5)
    seen = inputs[0] != 0
    assert 0.3 < seen.float().mean() < 0.7
    torch.testing.assert_close(inputs[0][seen], brain[seen])
    errors = (affine(whole(inputs[0]), network.voxels) - brain) ** 2
    expected = torch.stack([errors[0, i][~seen[0, i]].mean() for i in range(6)]).mean()
    torch.testing.assert_close(loss[0], expected)
    again = masked_voxel_loss(network, Batch({"brain": brain}), 0.5)
    assert torch.equal(loss, again)


@in_double()
def test_the_training_loss_is_the_sum_of_its_terms():
    torch.manual_seed(0)
    settings = extended(clip_weight=0.3, consistency_weight=0.2, domain_weight=0.1, contrastive_weight=0.4).settings
    network = ExtendedCCCV1(7, (2, 2), 4, 3, settings)
    layers.attach(network, layers.Context())
    samples = double(part(6, 1, n_pixels=4)) | {"session": torch.arange(6) % 3}
    batch = {name: value[None] for name, value in samples.items()}
    batch["stimulus"] = torch.arange(6)[None]
    got = cccv1_extended.training_loss(network.train(), Batch(batch), settings)
    e = network.embed(batch["brain"])
    h = network.enhancer(e)
    p = functional.normalize(affine(h, network.alignment.map), dim=-1)
    logits = (p @ batch["embedding"].mT)[0] / 0.07
    cross = functional.cross_entropy
    expected = functional.mse_loss(network.decoder(h), batch["pixels"])
    expected += 0.3 * (1 - functional.cosine_similarity(p, batch["embedding"], dim=-1)).mean()
    expected += 0.2 * (1 - functional.cosine_similarity(e, h, dim=-1)).mean()
    expected += 0.4 * 0.5 * (cross(logits, torch.arange(6)) + cross(logits.T, torch.arange(6)))
    expected += cross(network.domain(e)[0], batch["session"][0])
    torch.testing.assert_close(got[0], expected)
    chosen = cccv1_extended.training_loss(network.eval(), Batch(batch), settings)
    torch.testing.assert_close(chosen[0], functional.mse_loss(network(batch["brain"]), batch["pixels"]))


def rectangles(n: int) -> np.ndarray:
    """Images of one rectangle each, which a convolution can draw and noise it cannot."""
    rng = np.random.default_rng(3)
    images = np.zeros((n, 28, 28), np.float32)
    for image in images:
        (top, left), (height, width) = rng.integers(0, 16, 2), rng.integers(6, 13, 2)
        image[top : top + height, left : left + width] = 1.0
    return images


@pytest.mark.parametrize("name", EXTENSIONS)
@narrow()
def test_every_extension_overfits_eight_samples(name):
    samples = replace(make_samples(8), embedding=np.eye(8, 12), images=rectangles(8))
    epochs = 80 if "resolution_weight" in EXTENSIONS[name] else 150  # convolutions learn them sooner, and are slower
    decoder = extended(**EXTENSIONS[name], epochs=epochs).fit(FitData(samples, samples, samples), 0, silent)
    predicted = decoder.predict(samples.brain)
    assert np.mean((predicted.images - samples.images) ** 2) < 0.1 * samples.images.var(axis=0).mean()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_of_the_contrastive_encoder_overfits_eight_samples(name):
    samples = replace(make_samples(8), embedding=np.eye(8, 12))
    decoder = encoder(**VARIANTS[name]).fit(FitData(samples, samples, samples), 0, silent)
    predicted = decoder.predict(samples.brain)
    assert (np.argmax(predicted.embedding @ samples.embedding.T, axis=1) == np.arange(8)).all()


def test_pretraining_comes_first_and_trains_the_encoder_alone():
    data = honest_data()
    method = extended(mask_fraction=0.5, epochs=2, patience=2, pretraining_epochs=3)
    decoder = method.fit(data, 0, silent)
    stages = list(dict.fromkeys(row["stage"] for row in decoder.history()))
    assert stages == ["pretraining select", "select", "pretraining refit", "refit"]
    first, second = method.recipe(data).phases
    network = ExtendedCCCV1(30, (28, 28), 0, 0, method.settings)
    names = [name for name, _ in network.named_parameters()]
    assert {name.split(".")[0] for name in names if first.trained(name)} == {"encoder", "voxels"}
    assert {name.split(".")[0] for name in names if second.trained(name)} == {"encoder", "enhancer", "decoder"}


def test_aligned_sessions_need_two_and_any_dataset_that_has_them():
    samples = replace(make_samples(8), session=np.full(8, -1))
    with pytest.raises(InputError, match="training samples of 1 session, expected at least two"):
        extended(domain_weight=0.1).fit(FitData(samples, samples, samples), 0, silent)
    needs = {"needs": ["sessions"]}
    assert applies(needs, {"labels": "session"})
    assert applies(needs, {"settings": {"sessions": 6}})
    assert applies(needs, {"labels": "class", "arrays": {"session_train": "s"}})
    assert not applies(needs, {"labels": "class"})
    assert not applies({"needs": ["classes", "sessions"]}, {"labels": "session"})


@in_double()
def test_the_variants_of_the_encoder_compute_what_they_say():
    torch.manual_seed(0)
    x = torch.randn(1, 5, 7)
    network = BrainEncoder(7, 6, (16, 8), 0.3, 0.07, False, residual=True, attention=(4, 2), projections=2).eval()

    def hidden(x, linear, norm):
        return functional.relu(functional.batch_norm(affine(x, linear)[0], norm.running_mean[0], norm.running_var[0]))[
            None
        ]

    attention = network.hidden[0][5]
    expected = hidden(x, *network.hidden[0][:2])
    expected = expected + hidden(expected, *network.hidden[0][4].layers[:2])
    tokens = functional.layer_norm(expected.view(1, 5, 4, 4), (4,))
    expected = expected + attention.attention(tokens).reshape(1, 5, 16)
    expected = hidden(expected, *network.hidden[1][:2])
    expected = expected + hidden(expected, *network.hidden[1][4].layers[:2])
    heads = [affine(functional.relu(affine(expected, head[0])), head[2]) for head in network.projection.heads]
    expected = functional.normalize(sum(functional.normalize(head, dim=-1) for head in heads), dim=-1)
    torch.testing.assert_close(network(x), expected)

    def count(**changes):
        return parameter_count(BrainEncoder(7, 6, (16, 8), 0.3, 0.07, False, **changes))

    assert count(residual=True) - count() == (16 * 16 + 16) + 2 * 16 + (8 * 8 + 8) + 2 * 8
    assert count(attention=(4, 2)) - count() == 2 * 4 + 4 * (4 * 4 + 4)
    assert count(projections=2) - count() == 2 * ((8 * 6 + 6) + (6 * 6 + 6)) - (8 * 6 + 6)


def test_checkpointing_changes_no_bit_of_a_step():
    torch.manual_seed(0)
    network = BrainEncoder(7, 4, (16, 8), 0.3, 0.07, True, residual=True, attention=(2, 2))
    batch = Batch({name: value[None] for name, value in part(12, 3).items()})
    loss = clip_encoder.contrastive_loss("positives")
    start = {name: value.clone() for name, value in network.state_dict().items()}
    found = []
    for checkpointing in (False, True):
        network.load_state_dict(start)
        network.checkpointing = checkpointing
        context = layers.Context()
        streams = layers.attach(network, context)
        context.noise = noise_of(streams)
        network.train()(batch["brain"])
        network.zero_grad()
        loss(network, batch).sum().backward()
        gradients = {name: p.grad.clone() for name, p in network.named_parameters()}
        found.append((gradients, {name: value.clone() for name, value in network.state_dict().items()}))
    (gradients, state), (again, state_again) = found
    assert all(gradient.abs().sum() > 0 for name, gradient in gradients.items() if "temperature" not in name)
    assert all(torch.equal(gradients[name], again[name]) for name in gradients)
    assert all(torch.equal(state[name], state_again[name]) for name in state)
    assert not torch.equal(state["hidden.0.1.running_mean"], start["hidden.0.1.running_mean"])


def noise_of(streams):
    return Noise(torch.as_tensor(step_keys(np.array([1]), np.array([0]), streams)[0]))


def test_checkpointing_keeps_less_in_memory():
    """Of a forward pass, only the inputs of hidden layers stay."""
    batch = torch.randn(1, 64, 32)
    kept = []
    for checkpointing in (False, True):
        network = BrainEncoder(32, 8, (64, 64), 0.3, 0.07, False, checkpointing=checkpointing)
        context = layers.Context()
        context.noise = noise_of(layers.attach(network, context))
        sizes = {}
        weights = {p.data_ptr() for p in network.parameters()}

        def pack(x, sizes=sizes, weights=weights):
            if x.data_ptr() not in weights:
                sizes[x.data_ptr()] = x.untyped_storage().nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            network.train()(batch)
        kept.append(sum(sizes.values()))
    assert kept[1] < 0.5 * kept[0]


def test_the_grid_of_the_source_has_27_points_and_identification_chooses():
    entry = METHODS["clip_encoder_grid"]
    assert len(grid_points(entry)) == 27
    assert len({point.method.settings for point in points_of(entry, "vangerven", 100, "x")}) == 27
    data = honest_data()
    points = [encoder(epochs=8, lr=lr, temperature=t) for lr, t in ((1e-9, 0.07), (1e-2, 0.05), (1e-9, 1.0))]
    task = Task(0, 0, 3, lambda: data)
    ((_, decoder),) = clip_encoder.ClipEncoder.fit_tasks(points, [task], silent)
    facts = decoder.facts()
    assert facts["criterion"] == "identification error"
    assert facts["grid_point"] == np.argmin(facts["grid"]) == 1
    embedding = points[1].fit(replace(data, final=data.train), 3, silent)
    assert facts["grid"][1] == pytest.approx(share_closer(embedding.predict(data.select.brain).embedding, data.select))


def share_closer(predicted: np.ndarray, samples: Samples) -> float:
    """By a loop: how many of the other stimuli are closer to the prediction than the shown one."""
    gallery = {name: samples.embedding[i] for i, name in enumerate(samples.stimulus)}
    shares = []
    for row, shown in zip(predicted, samples.stimulus, strict=True):
        others = [row @ embedding for name, embedding in gallery.items() if name != shown]
        shares.append(np.mean([other > row @ gallery[shown] for other in others]))
    return float(np.mean(shares))


def test_copies_of_a_stimulus_are_one_candidate():
    samples = make_samples(12, n_stimuli=4)
    stimuli = np.unique(samples.stimulus, return_inverse=True)[1]
    tensors = {"brain": samples.brain, "embedding": samples.embedding, "stimulus": stimuli}
    tensors = {name: torch.as_tensor(value) for name, value in tensors.items()}
    rng = np.random.default_rng(0)
    predicted = rng.normal(size=(12, 12))
    got = clip_encoder.identification_error(lambda brain: torch.as_tensor(predicted)[None], tensors)
    assert got == pytest.approx(share_closer(predicted, samples))
    one = {name: value[:1] for name, value in tensors.items()}
    assert clip_encoder.identification_error(lambda brain: torch.as_tensor(predicted[:1])[None], one) == 0.0


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (extended(attention_group=8, attention_heads=3), "token of size 8 cannot be shared by 3"),
        (extended(clip_weight=0.1, views=5), "12 features cannot be made of 5 views"),
        (encoder(attention_tokens=5), "64 hidden units cannot be cut into 5 tokens of 1 heads"),
    ],
)
def test_settings_that_do_not_fit_are_named(method, words):
    with pytest.raises(InputError, match=words):
        method.fit(honest_data(), 0, silent)


def test_images_that_cannot_be_halved_twice_are_refused():
    samples = make_samples(8)
    samples = replace(samples, images=samples.images[:, :27, :27])
    with pytest.raises(InputError, match="27 x 27 cannot be halved twice"):
        extended(resolution_weight=0.5).fit(FitData(samples, samples, samples), 0, silent)


def test_crops_are_the_picture_and_its_corners():
    class Mean:
        """An encoder that says how bright the picture is, and a constant."""

        def encode(self, images, progress=None):
            progress and progress(len(images), len(images))
            return np.stack([images.mean((1, 2), np.float64), np.ones(len(images))], 1)

        encode_again = encode

        def provenance(self):
            return {"encoder": "mean"}

    images = np.random.default_rng(0).random((3, 10, 10), dtype=np.float32)
    seen = []
    made = crops.Encoder(Mean(), 0.6)
    got = made.encode(images, lambda done, total: seen.append((done, total)))
    assert got.shape == (3, 10)
    parts = [images, images[:, :6, :6], images[:, :6, 4:], images[:, 4:, :6], images[:, 4:, 4:]]
    for number, view in enumerate(parts):
        raw = np.stack([view.mean((1, 2), np.float64), np.ones(3)], 1)
        expected = raw / np.sqrt((raw**2).sum(1, keepdims=True))
        np.testing.assert_allclose(got[:, 2 * number : 2 * number + 2], expected, rtol=1e-6)
    assert seen[-1] == (3, 3)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert made.provenance() == {"encoder": "crops", "side": 0.6}


@pytest.mark.parametrize("side", [None, 0, 1, "half", 1.5])
def test_a_corner_is_a_part_of_the_picture(side):
    with pytest.raises(InputError, match="side"):
        crops.load({"side": side})


@in_double()
def test_pooled_datasets_share_all_but_the_input_layer():
    torch.manual_seed(0)
    network = PooledCCCV1((7, 4), 784, 0.1, 0.1, 0.1)
    torch.manual_seed(0)
    plain = CCCV1(7, 784, 0.1, 0.1, 0.1)
    assert parameter_count(network) == parameter_count(plain) + 4 * 1024 + 1024
    x, dataset = torch.randn(1, 6, 7), torch.tensor([[0, 1, 0, 1, 1, 0]])
    got = network.eval()(x, dataset)
    torch.testing.assert_close(got[:, dataset[0] == 0], plain.eval()(x[:, dataset[0] == 0]))
    torch.testing.assert_close(network(x), plain(x))
    plain.encoder[0] = network.inputs[1]
    torch.testing.assert_close(got[:, dataset[0] == 1], plain(x[:, dataset[0] == 1, :4]))


@methods_in_double()
@narrow()
def test_pooling_learns_every_dataset_and_chooses_by_its_own():
    data = honest_data()
    other = replace(make_samples(20, seed=4, n_voxels=9), embedding=None)
    values = CCCV1_SETTINGS | {"epochs": 3}
    method = cccv1_pooled.PooledCCCV1.configured(values, "x")
    alone, pooled = (method.fit(replace(data, others=others), 0, silent) for others in ((), (other,)))
    assert pooled.facts()["pooled_samples"] == 20
    assert alone.facts()["pooled_samples"] == 0
    assert pooled.predict(data.select.brain).images.shape == (8, 28, 28)
    plain = cccv1.CCCV1.configured(values, "x").fit(data, 0, silent)
    np.testing.assert_allclose(
        alone.predict(data.select.brain).images, plain.predict(data.select.brain).images, atol=1e-9
    )
    assert [row["value"] for row in alone.history()] == pytest.approx(
        [row["value"] for row in plain.history()], rel=1e-4
    )
    start = PooledCCCV1((30, 9), 784, 0.0, 0.0, 0.1)
    shapes = {name: value[0].numpy().shape for name, value in start.state_dict().items()}
    assert shapes == {n: w.shape for n, w in pooled.weights().items() if not n.startswith("voxel_")}
    moved = replace(other, brain=other.brain[::-1])
    again = method.fit(replace(data, others=(moved,)), 0, silent)
    assert any(not np.array_equal(w, again.weights()[n]) for n, w in pooled.weights().items())


def test_pooled_samples_show_no_stimulus_of_the_scored_dataset():
    samples = make_samples(6)

    def other(name: str, n_voxels: int, side: int = 28):
        own = make_samples(8, seed=3, n_voxels=n_voxels)
        return xr.Dataset(
            {
                "brain": (("sample", "voxel"), own.brain),
                "stimuli": (("sample", "y", "x"), own.images[:, :side, :side]),
            },
            coords={
                "part": ("sample", ["train"] * 6 + ["test"] * 2),
                "stimulus": ("sample", np.r_[samples.stimulus[:2], own.stimulus[2:]]),
                "label": ("sample", own.label),
                "session": ("sample", own.session),
            },
            attrs={"name": name},
        )

    first, second = pooled_samples([other("a", 5), other("small", 6, side=20), other("b", 7)], samples)
    assert first.brain.shape == (4, 5)
    assert second.brain.shape == (4, 7)
    assert not set(first.stimulus) & set(samples.stimulus)


def test_only_measured_datasets_are_pooled():
    known = {"a": {"file": "a.mat"}, "b": {"file": "b.mat"}, "simulated": {}}
    assert pool_for("a", known) == ["b"]
    assert pool_for("simulated", known) == ["a", "b"]
    assert pool_for("a", {"a": {"file": "a.mat"}, "simulated": {}}) == []
