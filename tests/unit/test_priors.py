"""The prior corpus, the VAE and the diffusion model: what they are made of, their equations, and their files."""

from __future__ import annotations

import argparse
import functools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image
from precision import in_double

from cortexclip.audit.corpus import check_corpus
from cortexclip.audit.findings import audit_corpus
from cortexclip.data import simulated
from cortexclip.errors import InputError
from cortexclip.numerics import diffusion, vae
from cortexclip.priors import corpus, nearest, training
from cortexclip.priors import stored as priors
from cortexclip.runtime.files import sha256
from cortexclip.stages import corpus as corpus_stage
from cortexclip.stages import prior as prior_stage

SMALL = {"digits": 12, "letters": 10, "shapes": 8, "cells": 40, "drawn_shapes": 20}
FACES = ("DejaVuSans", "cmr10")
QUICK = {"vae": {"steps": 2, "batch_size": 4}, "diffusion": {"steps": 2, "batch_size": 4}}


@pytest.fixture(scope="module")
def drawn() -> xr.Dataset:
    return corpus.draw(SMALL, seed=1, faces=FACES)


def blobs(n: int, seed: int = 0) -> torch.Tensor:
    """Images (n, 28, 28) with one bright square each."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, 28, 28), np.float32)
    for image in images:
        top, left = rng.integers(2, 16, 2)
        image[top : top + 9, left : left + 9] = 1
    return torch.from_numpy(images)


# The corpus


def test_the_corpus_holds_every_kind_as_often_as_asked(drawn):
    names = drawn.name.values
    starts = np.array([name.split("/")[0] for name in names])
    assert drawn.image.dtype == np.uint8
    assert drawn.image.shape[1:] == (28, 28)
    assert (starts == "augmented").sum() == 12 + 10 + 8
    assert (starts == "cells").sum() == 40
    assert (starts == "drawn").sum() == drawn.sizes["image"] - 70
    assert len(set(names.tolist())) == len(names)
    assert set(drawn.caption.values[np.char.startswith(names, "cells/bars")].tolist()) == {""}
    blank = drawn.image.values.reshape(len(names), -1).max(axis=1) < 60
    assert all("sparse blocks" in name for name in names[blank]), "an image is nearly black"


def test_the_corpus_is_a_function_of_its_seed(drawn):
    assert corpus.digest(corpus.draw(SMALL, seed=1, faces=FACES)) == corpus.digest(drawn)
    assert corpus.digest(corpus.draw(SMALL, seed=2, faces=FACES)) != corpus.digest(drawn)


def test_the_corpus_file_gives_back_the_corpus_and_has_the_same_bytes(drawn, tmp_path):
    corpus.write(drawn, tmp_path / "a.nc")
    corpus.write(corpus.draw(SMALL, seed=1, faces=FACES), tmp_path / "b.nc")
    assert sha256(tmp_path / "a.nc") == sha256(tmp_path / "b.nc")
    assert corpus.digest(corpus.read(tmp_path / "a.nc")) == corpus.digest(drawn)


def test_bars_are_no_plain_rectangles():
    for seed in range(200):
        figure = corpus._bars(9, np.random.default_rng(seed))
        rows, columns = np.flatnonzero(figure.any(axis=1)), np.flatnonzero(figure.any(axis=0))
        assert not figure[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_own_pictures_join_without_a_caption(tmp_path):
    (tmp_path / "below").mkdir()
    Image.new("RGB", (40, 20), (255, 255, 255)).save(tmp_path / "below/wide.png")
    Image.new("L", (28, 28), 128).save(tmp_path / "grey.png")
    found = corpus.draw(SMALL, seed=1, folder=tmp_path, faces=FACES)
    assert found.name.values[-2:].tolist() == ["own/below/wide.png", "own/grey.png"]
    assert set(found.caption.values[-2:].tolist()) == {""}
    wide = found.image.values[-2]
    assert (wide[:7] == 0).all()
    assert (wide[7:21] == 255).all()
    assert (found.image.values[-1] == 128).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"digit": 3}, "unknown key 'digit'. Did you mean 'digits'"),
        ({"cells": 0}, "'cells': found 0, expected at least 1"),
        ({"cells": 1.5}, "'cells': found 1.5, expected a whole number"),
        ([1], "expected a mapping"),
    ],
)
def test_wrong_settings_of_the_corpus_are_named(settings, words):
    with pytest.raises(InputError, match=words):
        corpus.draw(settings)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not a folder"),
        ({}, "holds no picture"),
        ({"a.png": b"no picture"}, r"a.png: cannot be read as a picture"),
        ({"a.png": (4, 30)}, r"is 4x30 pixels, expected 8x8 or more"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(tmp_path, content, words):
    folder = tmp_path / "own"
    if content is not None:
        folder.mkdir()
        for name, what in content.items():
            if isinstance(what, bytes):
                (folder / name).write_bytes(what)
            else:
                Image.new("L", what).save(folder / name)
    with pytest.raises(InputError, match=words):
        corpus.read_folder(folder)


# Its audit


def test_the_audit_finds_a_stimulus_in_the_corpus_whatever_its_brightness(drawn):
    rng = np.random.default_rng(0)
    stimuli = rng.uniform(size=(30, 28, 28)).astype(np.float32)
    stimuli[3] = drawn.image.values[50] / 255 * 0.5
    stimuli[4] = 0.3  # blank
    names = np.array([f"s{i}" for i in range(30)])
    table = nearest.compared(drawn, names, stimuli)
    finding = check_corpus(table)
    assert finding.severity == "notable"
    assert finding.numbers["near"] == 1
    assert drawn.name.values[50] in finding.message
    clean = check_corpus(table.drop(3))
    assert (clean.severity, clean.numbers["near"]) == ("info", 0)
    few = check_corpus(table[3:4])
    assert few.severity == "serious"


def test_the_nearest_images_are_those_of_a_plain_search(drawn, monkeypatch):
    monkeypatch.setattr(nearest, "BLOCK", 17)
    pixels = drawn.image.values.reshape(drawn.sizes["image"], -1) / 255
    stimuli = np.random.default_rng(1).uniform(size=(3, 28, 28))
    correlation, mse, where = nearest.nearest_images(drawn.image.values, stimuli)
    with np.errstate(invalid="ignore"):  # blank images
        full = np.corrcoef(stimuli.reshape(3, -1), pixels)[:3, 3:]
    np.testing.assert_allclose(correlation, np.nanmax(full, axis=1), atol=1e-5)
    np.testing.assert_array_equal(where, np.nanargmax(full, axis=1))
    expected = ((stimuli.reshape(3, 1, -1) - pixels) ** 2).mean(axis=2).min(axis=1)
    np.testing.assert_allclose(mse, expected, atol=1e-5)


def simulated_data(size=28):
    settings = {"train_stimuli": 6, "test_stimuli": 4, "voxels": 3, "sessions": 1, "image_size": size}
    return simulated.simulate(settings, 0)


def test_stimuli_of_another_size_are_said_not_to_be_compared(drawn):
    finding = audit_corpus(simulated_data(20), drawn)
    assert finding.severity == "notable"
    assert "20x20" in finding.message


def test_known_stimuli_draw_no_corpus_and_others_do(drawn, monkeypatch):
    monkeypatch.setattr(corpus, "draw", lambda: 1 / 0)
    known = audit_corpus(simulated_data())
    assert (known.severity, known.numbers["corpus"], known.numbers["distinct"]) == ("info", 59195, 10)
    monkeypatch.setattr(corpus, "draw", lambda: drawn)
    other = simulated_data()
    other["stimulus"] = other["stimulus"].str.replace("s-", "other-")
    assert audit_corpus(other) == audit_corpus(other, drawn)


@pytest.mark.slow
def test_the_shipped_comparison_is_that_of_the_corpus():
    """Up to how processors round: an augmented pixel may be one of 255 steps off."""
    data = simulated_data()
    stimulus, first = np.unique(data.stimulus.values, return_index=True)
    images = data.stimuli.values[first]
    made, shipped = nearest.compared(corpus.draw(), stimulus, images), nearest.looked_up(stimulus, images)
    assert made.attrs["images"] == shipped.attrs["images"]
    np.testing.assert_allclose(made["correlation"], shipped["correlation"], atol=2e-3)
    np.testing.assert_allclose(made["mse"], shipped["mse"], atol=2e-3)
    assert (made["name"] == shipped["name"]).mean() > 0.7


# The VAE


def test_the_vae_has_the_stated_shapes_and_parameters():
    network = vae.HierarchicalVAE()
    assert vae.SIZES == (32, 196, 196)
    assert sum(vae.SIZES) == 424
    assert sum(p.numel() for p in network.parameters()) == 1_160_373
    images = blobs(3)
    logits, divergences = network(images, torch.Generator().manual_seed(0))
    assert logits.shape == (3, 28, 28)
    assert [value.shape for value in divergences] == [(3,)] * 3
    latents = network.encode(images)
    assert latents.shape == (3, 424)
    assert network.decode(latents).shape == (3, 28, 28)
    assert [part.shape[1:] for part in vae.split(latents)] == [(32, 1, 1), (4, 7, 7), (1, 14, 14)]


@in_double()
def test_the_divergence_is_the_one_of_torch():
    generator = torch.Generator().manual_seed(0)
    first, second = (tuple(torch.randn(2, 5, 4, 3, 3, generator=generator)) for _ in range(2))
    kl = torch.distributions.kl_divergence
    normal = torch.distributions.Normal
    expected = kl(normal(first[0], first[1].exp()), normal(second[0], second[1].exp())).flatten(1).sum(1)
    torch.testing.assert_close(vae.divergence(first, second), expected)
    standard = kl(normal(first[0], first[1].exp()), normal(torch.zeros(()), torch.ones(()))).flatten(1).sum(1)
    torch.testing.assert_close(vae.divergence(first, None), standard)


@in_double()
def test_the_bound_counts_divergences_above_the_free_nats():
    logits, images = torch.zeros(2, 28, 28), torch.rand(2, 28, 28)
    divergences = [torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])]
    expected = 784 * np.log(2) + 0.5 * (3.0 + 15.0)
    assert vae.negative_elbo(logits, divergences, images, 0.5, 3.0).item() == pytest.approx(expected, rel=1e-5)


def test_the_vae_overfits_eight_images_and_samples_by_its_generator(monkeypatch):
    monkeypatch.setattr(training, "HierarchicalVAE", functools.partial(vae.HierarchicalVAE, 16))
    images = (blobs(8) * 255).to(torch.uint8)
    settings = {**training.checked_settings({})["vae"], "steps": 120, "batch_size": 8, "divergence_steps": 1000}
    network, facts = training.train_vae(images, settings, seed=0)
    error = (network.decode(network.encode(blobs(8))) - blobs(8)).square().mean().item()
    assert error < 0.3 * blobs(8).var(dim=0).mean().item()
    again = training.train_vae(images, {**settings, "steps": 2}, seed=0)[0].state_dict()
    same = training.train_vae(images, {**settings, "steps": 2}, seed=0)[0].state_dict()
    assert all(torch.equal(again[key], same[key]) for key in again)
    draws = [network(blobs(2), torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert facts["last_loss"] > 0


# The diffusion model


make_unet = diffusion.make_unet


def tiny_unet() -> torch.nn.Module:
    torch.manual_seed(0)
    return make_unet((16, 32)).eval()


def test_the_unet_takes_any_number_of_tokens_and_a_vector():
    unet = diffusion.make_unet()
    assert sum(p.numel() for p in unet.parameters()) == 1_638_844
    x, level = torch.randn(2, 4, 14, 14), torch.tensor([3, 900])
    for tokens in (1, 4, 61):
        assert diffusion.denoise(unet, x, level, torch.randn(2, tokens, 128)).shape == (2, 4, 14, 14)
    context, unet = torch.randn(2, 4, 128), unet.eval()
    with torch.no_grad():
        plain = unet(x, level, context, class_labels=torch.zeros(2, 128)).sample
        vector = unet(x, level, context, class_labels=torch.ones(2, 128)).sample
        other = unet(x, level, context + 1, class_labels=torch.zeros(2, 128)).sample
    assert not torch.allclose(plain, vector)
    assert not torch.allclose(plain, other)


@in_double()
def test_images_to_the_network_and_back():
    images = torch.rand(3, 28, 28)
    assert diffusion.to_network(images).shape == (3, 4, 14, 14)
    torch.testing.assert_close(diffusion.to_images(diffusion.to_network(images)), images)


def cosine_schedule() -> np.ndarray:
    """Kept share of the signal's variance after each level (Nichol and Dhariwal 2021, eq. 17), written anew."""
    f = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.cumprod(1 - np.minimum(1 - f[1:] / f[:-1], 0.999))


@in_double()
def test_the_loss_is_the_weighted_error_of_the_velocity():
    kept, images = cosine_schedule(), torch.rand(6, 28, 28)
    scheduler = diffusion.noise_schedule()
    np.testing.assert_allclose(scheduler.alphas_cumprod.numpy(), kept, rtol=1e-3, atol=1e-7)
    seen = {}

    def unet(x, level, context, class_labels):
        seen.update(x=x, level=level)
        return SimpleNamespace(sample=torch.zeros_like(x))

    loss = diffusion.training_loss(unet, scheduler, images, torch.zeros(6, 1, 128), torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    level = torch.randint(1000, (6,), generator=generator)
    noise = torch.randn(6, 4, 14, 14, generator=generator).numpy()
    clean = diffusion.to_network(images).numpy()
    a = kept[level.numpy()][:, None, None, None]
    np.testing.assert_allclose(seen["x"].numpy(), np.sqrt(a) * clean + np.sqrt(1 - a) * noise, atol=1e-4)
    error = ((np.sqrt(a) * noise - np.sqrt(1 - a) * clean) ** 2).mean(axis=(1, 2, 3))
    ratio = (a / (1 - a))[:, 0, 0, 0]
    expected = (error * np.minimum(ratio, 5) / (ratio + 1)).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-3)


def plain_ddim(unet, context, empty, noise, rough, steps, strength, guidance) -> np.ndarray:
    """DDIM of Song et al. 2021 (eq. 12, no added noise) with velocities and x0 cut to -1..1, written anew."""
    kept = cosine_schedule()
    levels = [i * (1000 // steps) for i in reversed(range(steps))][steps - int(steps * strength) :]
    x = noise.numpy().astype(np.float64)
    if rough is not None:
        clean = diffusion.to_network(rough).numpy()
        x = np.sqrt(kept[levels[0]]) * clean + np.sqrt(1 - kept[levels[0]]) * x
    for level in levels:
        a, b = kept[level], kept[level - 1000 // steps] if level >= 1000 // steps else 1.0
        now = torch.from_numpy(x).to(noise.dtype)
        ask = [
            unet(now, torch.full((len(x),), level), c, class_labels=c.mean(dim=1)).sample.detach().numpy()
            for c in (empty, context)
        ]
        v = ask[0] + guidance * (ask[1] - ask[0])
        x0 = np.clip(np.sqrt(a) * x - np.sqrt(1 - a) * v, -1, 1)
        e = (x - np.sqrt(a) * x0) / np.sqrt(1 - a)
        x = np.sqrt(b) * x0 + np.sqrt(1 - b) * e
    return diffusion.to_images(torch.from_numpy(x)).numpy()


@pytest.mark.parametrize(("strength", "guidance"), [(1.0, 1.0), (1.0, 7.5), (0.75, 3.0)])
@in_double()
def test_sampling_follows_the_equations(strength, guidance):
    """In double precision, but for the schedule, whose single precision is 1e-5 of the least kept signal."""
    unet, n = tiny_unet(), 3
    context, empty = torch.randn(n, 4, 128), torch.randn(n, 4, 128)
    noise, rough = diffusion.draw_noise(n, 5), blobs(n).double() if strength < 1 else None
    drawn = diffusion.generate(
        unet, context, empty, noise, rough=rough, steps=8, strength=strength, guidance=guidance, batch_size=2
    )
    expected = plain_ddim(unet, context, empty, noise, rough, 8, strength, guidance)
    np.testing.assert_allclose(drawn.numpy(), expected, atol=1e-5)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_strength_is_the_share_of_steps_that_are_done():
    assert diffusion.first_step(50, 1.0) == 0
    assert diffusion.first_step(50, 0.75) == 13
    assert diffusion.first_step(50, 0.0) == 49
    with pytest.raises(ValueError, match="without rough images"):
        diffusion.generate(
            None, torch.zeros(1, 1, 128), torch.zeros(1, 1, 128), torch.zeros(1, 4, 14, 14), strength=0.5
        )


def test_the_noise_of_an_image_depends_on_the_seed_and_its_position_alone():
    assert torch.equal(diffusion.draw_noise(5, 1)[:3], diffusion.draw_noise(3, 1))
    assert not torch.equal(diffusion.draw_noise(2, 1), diffusion.draw_noise(2, 2))
    noise = diffusion.draw_noise(40, 1)
    assert abs(noise.mean().item()) < 0.03
    assert noise.std().item() == pytest.approx(1, abs=0.03)


@in_double()
def test_the_condition_mixes_image_and_text():
    condition = diffusion.EmbeddingCondition(6)
    condition.mean[1], condition.scale[0] = 2.0, 4.0
    image, text = torch.randn(5, 6), torch.randn(5, 6)
    torch.testing.assert_close(condition.standardise(image, 0), image / 4)
    torch.testing.assert_close(condition.standardise(text, 1), text - 2)
    torch.testing.assert_close(condition(image, text, 0.0), condition(image, -text, 0.0))
    torch.testing.assert_close(condition(image, text, 1.0), condition(-image, text, 1.0))
    mixed = 0.6 * condition(image, text, 0.0) + 0.4 * condition(image, text, 1.0)
    torch.testing.assert_close(condition(image, text, 0.4), mixed)
    torch.testing.assert_close(condition(image, text, torch.full((5,), 0.4)), mixed)
    assert condition.nothing(3).shape == (3, 4, 128)


def test_random_contexts_leave_some_empty_and_never_use_a_missing_caption():
    condition = diffusion.EmbeddingCondition(6)
    n, settings = 400, {"empty_share": 0.25, "embedding_noise": 0.0}
    image, text = torch.randn(n, 6), torch.full((n, 6), torch.nan)
    captioned = torch.zeros(n, dtype=torch.bool)
    with torch.no_grad():
        text = torch.where(captioned[:, None], text, 1e6)  # so large that any use of it would show
        context = training.random_context(condition, image, text, captioned, settings, torch.Generator().manual_seed(0))
        plain = condition(image, torch.zeros(n, 6), 0.0)
    empty = (context == 0).all(dim=(1, 2))
    assert 0.2 < empty.float().mean().item() < 0.3
    torch.testing.assert_close(context[~empty], plain[~empty])


def test_the_diffusion_model_learns_eight_images_by_heart(monkeypatch):
    monkeypatch.setattr(diffusion, "make_unet", tiny_unet)
    images = (blobs(8) * 255).to(torch.uint8)
    embedding = torch.nn.functional.normalize(torch.randn(8, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    settings = {
        "steps": 80,
        "batch_size": 16,
        "learning_rate": 5e-3,
        "warmup_steps": 20,
        "empty_share": 0.15,
        "embedding_noise": 0.0,
    }
    losses = []
    unet, condition, facts = training.train_diffusion(
        images,
        (embedding, embedding),
        torch.ones(8, dtype=torch.bool),
        settings,
        seed=0,
        progress=lambda step, loss: losses.append(loss),
    )
    assert np.mean(losses[-20:]) < 0.4 * np.mean(losses[:5])
    torch.testing.assert_close(condition.mean[0], embedding.mean(dim=0))
    torch.testing.assert_close(condition.scale[1], embedding.std(dim=0))
    assert facts["last_loss"] == pytest.approx(np.mean(losses), abs=1e-5)


# Their files


class Encoder:
    """An encoder of both kinds in ten features, by random projections."""

    def encode(self, images, progress=None):
        return images.reshape(len(images), -1) @ np.random.default_rng(0).normal(size=(784, 10))

    def encode_text(self, captions):
        return np.stack([np.random.default_rng(len(text)).normal(size=10) for text in captions])

    def provenance(self):
        return {"encoder": "random"}


@pytest.fixture(scope="module")
def trained(drawn):
    return training.train(drawn, Encoder(), training.checked_settings(QUICK), seed=3)


def test_a_prior_comes_back_from_its_files(drawn, trained, tmp_path):
    network, unet, condition, tables, description = trained
    assert description["corpus_sha256"] == corpus.digest(drawn)
    assert description["captions"] == sorted({text for text in drawn.caption.values.tolist() if text})
    priors.write(tmp_path, *trained)
    pins = {name: sha256(tmp_path / name) for name in (priors.VAE, priors.DIFFUSION)}
    read_network, read = priors.read_vae(tmp_path, pins), priors.read_diffusion(tmp_path, pins)
    np.testing.assert_allclose(read.texts, tables["texts"].numpy(), atol=1e-3)
    np.testing.assert_allclose(read.subspace @ read.subspace.T, np.eye(10), atol=2e-3)
    torch.testing.assert_close(read_network.encode(blobs(2)), network.encode(blobs(2)), atol=0.02, rtol=0.02)
    torch.testing.assert_close(read.condition.mean, condition.mean)
    x, level, context = torch.randn(2, 4, 14, 14), torch.tensor([10, 500]), torch.randn(2, 4, 128)
    with torch.no_grad():
        first, second = (diffusion.denoise(one, x, level, context) for one in (unet, read.unet))
    torch.testing.assert_close(first, second, atol=0.02, rtol=0.02)
    assert not any(parameter.requires_grad for parameter in read.unet.parameters())


def test_the_same_seed_trains_the_same_prior(drawn, trained):
    again = training.train(drawn, Encoder(), training.checked_settings(QUICK), seed=3)
    for first, second in zip(trained[:3], again[:3], strict=True):
        state = second.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in first.state_dict().items())


def spoil(folder, name, change):
    if change == "missing":
        (folder / name).unlink()
    elif change == "text":
        (folder / name).write_text("no weights")
    else:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | change))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (priors.DIFFUSION, "missing", "diffusion.safetensors: not there"),
        (priors.DIFFUSION, "text", "diffusion.safetensors: not a safetensors file"),
        (priors.DESCRIPTION, "missing", "prior.json: cannot be read"),
        (priors.DESCRIPTION, "text", "prior.json: not valid JSON"),
        (priors.DESCRIPTION, {"captions": ["one"]}, "do not fit together"),
        (priors.DESCRIPTION, {"unet": {"channels": [16, 32]}}, "does not hold the network"),
        (priors.DESCRIPTION, {"condition": {}}, "does not hold the network"),
    ],
)
def test_files_that_are_no_prior_are_named(trained, tmp_path, name, change, words):
    priors.write(tmp_path, *trained)
    spoil(tmp_path, name, change)
    with pytest.raises(InputError, match=words):
        priors.read_diffusion(tmp_path, {})


def test_other_weights_than_the_pinned_are_refused(trained, tmp_path):
    priors.write(tmp_path, *trained)
    with pytest.raises(InputError, match="expected 0000"):
        priors.read_vae(tmp_path, {priors.VAE: "0000"})
    with pytest.raises(InputError, match="prior 'glyph': not one that ships.*'glyphs'"):
        priors.load_vae("glyph")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"vea": {}}, "unknown key 'vea'"),
        ({"vae": 3}, "'vae': found 3, expected a mapping"),
        ({"vae": {"step": 3}}, "unknown key 'step'"),
        ({"vae": {"steps": 0}}, "'vae.steps': found 0, expected at least 1"),
        ({"diffusion": {"empty_share": "x"}}, "'diffusion.empty_share': found 'x', expected a number"),
    ],
)
def test_wrong_settings_of_the_training_are_named(settings, words):
    with pytest.raises(InputError, match=words):
        training.checked_settings(settings)


@in_double()
def test_the_main_directions_are_the_principal_components():
    embedding = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 3, 1, 1, 1, 0])
    found = training.main_directions(embedding, 2).numpy()
    expected = np.linalg.svd((embedding - embedding.mean(dim=0)).numpy())[2][:2]
    np.testing.assert_allclose(np.abs(found @ expected.T), np.eye(2), atol=1e-9)
    assert training.main_directions(embedding, 9).shape == (5, 6)


def test_an_encoder_without_text_and_a_corpus_without_captions_are_refused(drawn):
    with pytest.raises(InputError, match="no text tower"):
        training.embed(drawn, object())
    with pytest.raises(InputError, match="no image of the corpus has a caption"):
        training.embed(drawn.assign_coords(caption=("image", np.full(drawn.sizes["image"], ""))), Encoder())


def test_the_stages_draw_and_train(tmp_path, monkeypatch):
    def arguments(stage, *given):
        parser = argparse.ArgumentParser()
        stage.add_arguments(parser)
        return parser.parse_args(list(map(str, given)))

    file, folder = tmp_path / "corpus.nc", tmp_path / "prior"
    monkeypatch.setattr(corpus, "draw", functools.partial(corpus.draw, faces=FACES))
    corpus_stage.run(arguments(corpus_stage, "--settings", json.dumps(SMALL), "--output", file))
    monkeypatch.setattr("cortexclip.configuration.loading.load_encoder", lambda name, settings: Encoder())
    options = ["--corpus", file, "--settings", json.dumps(QUICK), "--output", folder]
    prior_stage.run(arguments(prior_stage, "--encoder", "{}", *options))
    assert priors.read_diffusion(folder, {}).texts.shape[1] == 10
    for stage, option, words in ((corpus_stage, "[", "valid JSON"), (prior_stage, "[", "valid JSON")):
        given = (
            ["--output", file] if stage is corpus_stage else ["--encoder", "{}", "--corpus", file, "--output", folder]
        )
        with pytest.raises(InputError, match=words):
            stage.run(arguments(stage, "--settings", option, *given))
    with pytest.raises(InputError, match="found list, expected a JSON object"):
        prior_stage.run(arguments(prior_stage, "--encoder", "[]", *options))
