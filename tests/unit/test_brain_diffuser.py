"""Brain-Diffuser and its first stage: re-standardising, prompts, what is drawn and what is refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from samples import METHODS, changed, honest_data, make_samples, predict, quick_method, silent, suited, suited_data

from cortexclip.data.characters import character_images
from cortexclip.errors import InputError
from cortexclip.features import glyphclip
from cortexclip.methods import brain_diffuser, vae_ridge
from cortexclip.methods.interface import FitData
from cortexclip.numerics.diffusion import draw_noise, generate
from cortexclip.numerics.ridge import unscaled
from cortexclip.priors.stored import DIFFUSION, SHA256, SHIPPED, VAE, load_diffusion, load_vae

KNOWN = SimpleNamespace(captions=("the digit one", "the digit six", "a ring"), texts=np.eye(3))


def test_the_shipped_prior_is_the_pinned_one_and_small():
    for name, pins in SHA256.items():
        assert set(pins) == {VAE, DIFFUSION}
        load_vae(name)  # compares the sums
        load_diffusion(name)
        assert all((SHIPPED / name / file).stat().st_size < 8e6 for file in pins)


def test_the_shipped_vae_keeps_handwriting_that_it_never_saw():
    images = torch.from_numpy(glyphclip.handwritten_digits()[0][:200])
    network = load_vae("glyphs")
    error = (network.decode(network.encode(images)) - images).square().mean().item()
    assert error < 0.15 * images.var(dim=0).mean().item()


def test_the_shipped_diffusion_model_draws_the_digits_that_captions_ask_for():
    prior, n = load_diffusion("glyphs"), 20
    rows = [prior.captions.index(caption) for caption in glyphclip.DIGIT_CAPTIONS] * 2
    with torch.inference_mode():
        text = prior.condition.standardise(torch.from_numpy(prior.texts[rows]), 1)
        context, empty = prior.condition(text, text, 1.0), prior.condition.nothing(n)
    drawn = generate(prior.unet, context, empty, draw_noise(n, 0), steps=10).numpy()
    encoder = glyphclip.load({})
    found = glyphclip.zero_shot(encoder.encode(drawn), encoder.encode_text(glyphclip.DIGIT_CAPTIONS))
    assert np.mean(found == np.tile(np.arange(10), 2)) > 0.6


def test_restandardised_predictions_have_the_statistics_of_the_targets():
    rng = np.random.default_rng(0)
    reference, mean, scale = rng.normal(3, 2, (50, 4)), rng.normal(size=4), rng.uniform(1, 2, 4)
    as_they_are = unscaled(np.eye(4), np.zeros(4))
    target = vae_ridge.Target(as_they_are, mean, scale, reference.mean(axis=0), reference.std(axis=0))
    found = target.predict(reference, "test")
    np.testing.assert_allclose(found.mean(axis=0), mean)
    np.testing.assert_allclose(found.std(axis=0), scale)
    np.testing.assert_allclose(target.predict(reference[:1], "training"), found[:1])
    constant = vae_ridge.Target(as_they_are, mean, scale, np.ones(4), np.zeros(4)).predict(reference, "training")
    np.testing.assert_allclose(constant, np.tile(mean, (50, 1)))


@pytest.mark.parametrize(("how", "reference"), [("none", None), ("training", "loo_prediction"), ("test", "own")])
def test_a_target_is_restandardised_by_the_stated_predictions(how, reference):
    samples, settings = make_samples(30), quick_method("vae_ridge").settings
    target = vae_ridge.fit_target(samples, samples.pixels[:, :5], settings)
    brain = make_samples(7, seed=1).brain
    expected = target.ridge.predict(brain)
    if reference:
        by = expected if reference == "own" else target.ridge.loo_prediction
        standard = (expected - by.mean(axis=0)) / by.std(axis=0)
        expected = standard * samples.pixels[:, :5].std(axis=0) + samples.pixels[:, :5].mean(axis=0)
    np.testing.assert_allclose(target.predict(brain, how), expected)


def test_rough_images_are_the_decoded_latents_of_three_regressions():
    data, method = honest_data(), changed(quick_method("vae_ridge"), restandardise="none")
    brain = make_samples(4, seed=1).brain
    found = method.fit(data, 0, silent).predict(brain).images
    network = load_vae("glyphs")
    latents = network.encode(torch.from_numpy(data.final.images)).numpy()
    parts = [
        vae_ridge.fit_target(data.final, latents[:, columns], method.settings).ridge.predict(brain)
        for columns in (slice(0, 32), slice(32, 228), slice(228, 424))
    ]
    expected = network.decode(torch.from_numpy(np.concatenate(parts, axis=1)).float()).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_prompts_follow_the_class_or_the_nearest_caption():
    samples = replace(make_samples(6), label=np.array([9, 2, 9, 2, 2, 9]), embedding=np.eye(3)[[0, 2, 1, 1, 2, 0]])
    rows = brain_diffuser.caption_rows(samples, KNOWN, ("the digit six", "the digit one"))
    assert rows.tolist() == [0, 1, 0, 1, 1, 0]
    assert brain_diffuser.caption_rows(samples, KNOWN, ()).tolist() == [0, 2, 1, 1, 2, 0]


@pytest.mark.parametrize(
    ("captions", "words"),
    [
        (("the digit sixx", "a ring"), "'the digit sixx' is not in the corpus. Did you mean 'the digit six'"),
        (("a ring",), r"1 for 2 classes among the training samples \(0, 1\)"),
    ],
)
def test_wrong_prompts_are_named(captions, words):
    with pytest.raises(InputError, match=words):
        brain_diffuser.caption_rows(make_samples(20), KNOWN, captions)


def other_encoder(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 512)) / np.sqrt(512)


@pytest.mark.parametrize(
    ("embedding", "words"),
    [
        (lambda n: None, "there are none"),
        (lambda n: np.ones((n, 12)), "these have 12"),
        (other_encoder, "of another encoder"),
    ],
)
def test_embeddings_of_another_encoder_are_refused(embedding, words):
    method = quick_method("brain_diffuser")
    samples = replace(make_samples(12), embedding=embedding(12))
    with pytest.raises(InputError, match=f"learned to follow embeddings of glyphclip.*{words}.*docs/priors.md"):
        method.fit(FitData(samples, samples, samples), 0, silent)


def test_images_of_another_size_are_refused():
    samples = make_samples(12)
    samples = replace(samples, images=samples.images[:, :20, :24])
    with pytest.raises(InputError, match="the stimuli are 20x24, expected 28x28"):
        quick_method("vae_ridge").fit(FitData(samples, samples, samples), 0, silent)


def test_the_mean_of_the_draws_is_the_answer_and_draws_differ():
    method = quick_method("brain_diffuser")
    decoder = method.fit(suited_data("brain_diffuser"), 3, silent)
    brain = make_samples(3, seed=1).brain
    predicted = decoder.predict(brain)
    assert predicted.draws.shape == (method.settings.draws, 3, 28, 28)
    np.testing.assert_array_equal(predicted.images, predicted.draws.mean(axis=0))
    assert not np.allclose(predicted.draws[0], predicted.draws[1])
    np.testing.assert_array_equal(decoder.predict(brain).draws, predicted.draws)
    other = method.fit(suited_data("brain_diffuser"), 4, silent).predict(brain)
    assert not np.allclose(other.images, predicted.images)


@pytest.mark.parametrize("name", ["vae_ridge", "brain_diffuser", "brain_diffuser_transductive"])
def test_only_the_transductive_variant_looks_at_the_other_scored_samples(name):
    method = quick_method(name)
    decoder = method.fit(suited_data(name), 3, silent)
    first, others = make_samples(4, seed=1), make_samples(4, seed=2)
    changed = replace(first, brain=np.concatenate([first.brain[:2], others.brain[2:]]))
    alone, together = (predict(method, decoder, samples).images[:2] for samples in (first, changed))
    assert np.allclose(alone, together, atol=1e-4) != method.transductive
    assert method.transductive == (name == "brain_diffuser_transductive")


def test_the_guidance_reaches_the_images():
    method = quick_method("brain_diffuser")
    method = changed(method, strength=(0.75,), guidance=(4,), mixing=(0.4,), steps=(4,))
    samples = suited("brain_diffuser", make_samples(20))
    data, brain = FitData(samples, samples, samples), make_samples(3, seed=1).brain
    images = {
        (key, value): changed(method, **{key: (value,)}).fit(data, 3, silent).predict(brain).images
        for key, value in [("mixing", 0.0), ("mixing", 1.0), ("guidance", 1.0), ("strength", 0.5), ("steps", 8)]
    }
    reference = method.fit(data, 3, silent).predict(brain).images
    for change, found in images.items():
        assert not np.allclose(found, reference), f"{change} changes nothing"


def test_the_catalogue_keeps_the_settings_of_the_source():
    for name in ("brain_diffuser_source", "brain_diffuser_transductive"):
        settings = METHODS[name]["settings"]
        assert [settings[key] for key in ("mixing", "strength", "steps", "guidance")] == [[0.4], [0.75], [50], [7.5]]


def test_the_error_of_the_mean_of_draws_is_estimated_from_a_few():
    """Against the mean of many independent draws of known variance."""
    rng = np.random.default_rng(0)
    images = rng.random((4, 5, 5))
    expected = np.square(0.3) + 0.2**2 / 8  # bias and an eighth of the variance
    few = images + 0.3 + 0.2 * rng.normal(size=(2000, 4, 5, 5))
    found = np.mean([brain_diffuser.error_of_mean(few[i : i + 2], images, 8) for i in range(0, 2000, 2)])
    assert found == pytest.approx(expected, rel=0.02)


def test_the_selection_part_alone_chooses_and_the_choice_is_kept(monkeypatch):
    """The values of least error are taken, one setting after another, and a restored decoder has them."""
    method = changed(quick_method("brain_diffuser"), strength=(0.3, 0.6), guidance=(1, 2), mixing=(0.4,), steps=(4,))
    errors = {(0.3, 1): 0.4, (0.6, 1): 0.3, (0.6, 2): 0.2, (0.3, 2): 0.1}
    tried, data = [], suited_data("brain_diffuser")

    def error(draws, images, n):
        np.testing.assert_array_equal(images, data.select.images)
        return errors[tried[-1]]

    def drawn(*arguments):
        point = arguments[4]
        tried.append((point["strength"], point["guidance"]))
        return original(*arguments)

    original = brain_diffuser._drawn
    monkeypatch.setattr(brain_diffuser, "_drawn", drawn)
    monkeypatch.setattr(brain_diffuser, "error_of_mean", error)
    facts = method.fit(data, 3, silent).facts()
    assert tried == [(0.3, 1), (0.6, 1), (0.6, 2)]
    assert (facts["strength"], facts["guidance"], facts["selection_mse"]) == (0.6, 2, 0.2)


def test_eight_samples_are_overfitted():
    """Voxels that say all: every image drawn is nearest to its own stimulus."""
    every = np.arange(8)
    samples = make_samples(8, n_voxels=40)
    images = character_images("01234567")
    brain = np.random.default_rng(0).normal(size=(8, 40))
    samples = suited("brain_diffuser", replace(samples, brain=brain, images=images, stimulus=every.astype(str)))
    decoder = quick_method("brain_diffuser").fit(FitData(samples, samples, samples), 0, silent)
    for found in (decoder.predict(brain).images, decoder.predict(brain).draws[0]):
        distance = np.square(found[:, None] - images[None]).mean((2, 3))
        np.testing.assert_array_equal(distance.argmin(1), every)
