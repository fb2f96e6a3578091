"""MinD-Vis: its networks against their specification, its losses against the equations, and that it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from precision import in_double
from samples import make_samples, silent

from cortexclip.data.characters import character_images
from cortexclip.methods.interface import FitData
from cortexclip.methods.mind_vis import MindVis as MindVisMethod
from cortexclip.methods.mind_vis.network import Denoiser, MindVis, conditional_diffusion, masked_modelling
from cortexclip.methods.mind_vis_pooled import PooledMindVis
from cortexclip.methods.mind_vis_transductive import TransductiveMindVis
from cortexclip.numerics.diffusion import noise_schedule, solver
from cortexclip.training import stack
from cortexclip.training.noise import Noise, step_keys

SETTINGS = {
    "prior": "glyphs",
    "standardise": True,
    "patch": 4,
    "size": 16,
    "depth": 1,
    "heads": 2,
    "decoder_depth": 1,
    "mask_fraction": 0.75,
    "context_tokens": 3,
    "latent_tokens": 2,
    "latent_size": 16,
    "latent_depth": 1,
    "levels": 2,
    "dropout": 0.1,
    "pretraining_epochs": 2,
    "pretraining_lr": 1e-3,
    "epochs": 2,
    "patience": 2,
    "batch_size": 4,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "steps": 3,
    "draws": 2,
}


def network(n_voxels: int = 10) -> MindVis:
    """Eight latents as two tokens of twelve features."""
    torch.manual_seed(0)
    return MindVis(n_voxels, 4, 8, 2, 2, 1, 3, 0.0, Denoiser(8, 2, 12, 1, 2))


def batch(n_voxels: int = 10, members: int = 1, training: bool = True) -> stack.Batch:
    generator = torch.Generator().manual_seed(1)
    data = {
        "brain": torch.randn(members, 5, n_voxels, generator=generator),
        "latents": torch.rand(members, 5, 8, generator=generator),
    }
    keys = step_keys(np.arange(members), np.arange(1), 8)[0]
    return stack.Batch(data, None, Noise(torch.as_tensor(keys)) if training else None)


def test_the_networks_have_the_parameters_of_their_specification():
    """967 voxels in patches of 16 are 61 tokens; a block has 12 d^2 + 13 d parameters, attention 4 d^2 + 4 d."""
    made = MindVis(967, 16, 32, 2, 4, 1, 8, 0.5, Denoiser(424, 8, 64, 2, 4))
    assert made.n_tokens == 61
    block, norm = 12 * 32**2 + 13 * 32, 2 * 32
    encoder = (16 * 32 + 32) + 61 * 32 + 2 * block + norm
    decoder = 32 + 61 * 32 + block + norm + (32 * 16 + 16)
    context = 61 * 32 * 8 * 64 + 8 * 64
    denoiser = (424 * 512 + 512) + (512 * 424 + 424) + 3 * (64**2 + 64)
    denoiser += 2 * (2 * 64 + 4 * (64**2 + 64) + 12 * 64**2 + 13 * 64)
    assert stack.parameter_count(made) == encoder + decoder + context + denoiser
    assert MindVis(3092, 16, 32, 1, 4, 1, 8, 0.5, Denoiser(424, 8, 64, 2, 4)).n_tokens == 194


def test_shapes_and_patches():
    made, brain = network(), batch()["brain"]
    assert made.patches(brain).shape == (1, 5, 3, 4)
    torch.testing.assert_close(made.patches(brain).flatten(2)[..., :10], brain)
    assert (made.patches(brain).flatten(2)[..., 10:] == 0).all()
    assert made.encode(brain).shape == (1, 5, 3, 8)
    assert made.context(brain).shape == (1, 5, 3, 12)
    assert made.denoiser(torch.zeros(1, 5, 8), torch.zeros(1, 5), made.context(brain)).shape == (1, 5, 8)
    assert made.draw(brain, torch.zeros(4, 5, 8), 3).shape == (4, 5, 8)


@in_double()
def test_a_masked_patch_is_not_seen():
    """What is reconstructed depends on the patches that are seen and on no other."""
    made, brain = network(12), batch(12)["brain"]
    order = torch.tensor([1, 0, 2]).expand(1, 5, 3)
    with torch.inference_mode():
        before = made.reconstruct(brain, order, 1)
        changed = brain.clone()
        changed[..., :4], changed[..., 8:] = 9.0, -9.0  # the patches 0 and 2
        torch.testing.assert_close(made.reconstruct(changed, order, 1), before)
        changed[..., 4:8] += 1
        assert not torch.allclose(made.reconstruct(changed, order, 1), before)


@in_double()
def test_the_masked_loss_is_the_error_of_the_masked_patches():
    made, samples = network(12), batch(12, training=False)
    with torch.inference_mode():
        expected = []
        for shift in range(3):  # a third of the patches is seen, each third once
            order = torch.tensor([shift, *[i for i in range(3) if i != shift]]).expand(1, 5, 3)
            error = (made.reconstruct(samples["brain"], order, 1) - made.patches(samples["brain"])).square()
            expected.append(error[:, :, [i for i in range(3) if i != shift]].mean())
        loss = masked_modelling(0.67)(made, samples)
    torch.testing.assert_close(loss, torch.stack(expected).mean()[None])


@in_double()
def test_the_diffusion_loss_is_the_error_of_the_velocity():
    """Against the equation of Salimans and Ho 2022, v = alpha e - sigma x, for two noise levels of each sample."""
    made, samples = network(), batch()
    made.latent_mean, made.latent_scale = torch.full((1, 8), 0.3), torch.full((1, 1), 2.0)
    with torch.inference_mode():
        loss = conditional_diffusion(2)(made, samples)
        level = (samples.noise.uniform(1, (1, 10)) * 1000).long()
        noise = samples.noise.normal(2, (1, 10, 8))
        clean = ((samples["latents"] - 0.3) / 2).repeat(1, 2, 1)
        kept = noise_schedule().alphas_cumprod[level[0]].double()[None, :, None]
        alpha, sigma = kept.sqrt(), (1 - kept).sqrt()
        predicted = made.denoiser(
            alpha * clean + sigma * noise, level, made.context(samples["brain"]).repeat(1, 2, 1, 1)
        )
        expected = (predicted - (alpha * noise - sigma * clean)).square().mean()
    torch.testing.assert_close(loss[0], expected)


@in_double()
def test_voxels_reach_the_denoiser_by_attention_and_as_a_vector():
    made, brain = network(), batch()["brain"]
    noisy, level = torch.ones(1, 5, 8), torch.full((1, 5), 500)
    with torch.inference_mode():
        for silenced in ("vector", "attentions.0.out"):
            layer = made.denoiser.get_submodule(silenced)
            layer.weight.zero_()
            first, second = (made.denoiser(noisy, level, made.context(values)) for values in (brain, brain + 1))
            assert torch.allclose(first, second) == (silenced != "vector")  # both ways are closed only at the end


@pytest.mark.parametrize("steps", [16, 20])
def test_the_solver_is_more_accurate_than_ddim(steps):
    """Against the closed form for data that are normal with deviation 0.5: the sample is the noise times that."""
    deviation, start = 0.5, torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    kept = noise_schedule().alphas_cumprod.double()

    def drawn(scheduler):
        x = start
        for level in scheduler.timesteps:
            alpha, sigma = kept[level].sqrt(), (1 - kept[level]).sqrt()
            clean = alpha * deviation**2 / (kept[level] * deviation**2 + sigma**2) * x  # its expectation given x
            x = scheduler.step(alpha * (x - alpha * clean) / sigma - sigma * clean, level, x).prev_sample
        return x

    ddim = noise_schedule()
    ddim.register_to_config(clip_sample=False)
    ddim.set_timesteps(steps)
    errors = [(drawn(scheduler) - deviation * start).abs().max().item() for scheduler in (solver(steps), ddim)]
    assert errors[0] < errors[1] / 5 and errors[0] < 0.02


@pytest.mark.parametrize("phase", ["pretraining", "diffusion"])
def test_a_member_of_a_stack_is_what_it_is_alone(phase):
    loss = masked_modelling(0.75) if phase == "pretraining" else conditional_diffusion(2)
    parts = [{k: v[0].double() for k, v in batch(10).data.items()} for _ in range(2)]
    settings = stack.TrainingSettings(3, 3, 3, 1e-2, 0.0)
    members = [stack.Member(lambda: network().double(), part, part, settings, seed) for seed, part in enumerate(parts)]
    together = stack.train(members, loss, silent, stack.Options(limit=2))
    for member, result in zip(members, together, strict=True):
        (alone,) = stack.train([member], loss, silent)
        for key, value in alone.network.state_dict().items():
            torch.testing.assert_close(result.network.state_dict()[key], value, rtol=1e-5, atol=1e-7)


def test_the_pretraining_alone_sees_the_scored_voxels_of_the_transductive_method():
    samples = make_samples(8)
    data = FitData(samples, samples, samples, scored_brain=samples.brain[:3] + 1)
    phases = TransductiveMindVis.configured(SETTINGS, "x").recipe(data).phases
    np.testing.assert_array_equal(phases[0].further_brain, data.scored_brain)
    assert phases[1].further_brain is None
    without = MindVisMethod.configured(SETTINGS, "x").recipe(FitData(samples, samples, samples)).phases
    assert all(phase.further_brain is None for phase in without)


def test_the_pretraining_alone_sees_the_voxels_of_other_datasets():
    samples = make_samples(8)
    n_voxels = samples.brain.shape[1]
    wide, narrow = (
        replace(make_samples(6, seed=seed), brain=np.random.default_rng(seed).normal(3, 2, (6, n)))
        for seed, n in ((1, n_voxels + 4), (2, n_voxels - 4))
    )
    data = FitData(samples, samples, samples, others=(wide, narrow))
    method = PooledMindVis.configured(SETTINGS, "x")
    first, second = method.recipe(data).phases
    assert second.other_brain is None and first.other_brain.shape == (12, n_voxels)
    own = wide.brain[:, :n_voxels]
    np.testing.assert_allclose(first.other_brain[:6], (own - own.mean(axis=0)) / own.std(axis=0))
    np.testing.assert_allclose(first.other_brain[6:, :-4].std(axis=0), 1)
    assert not first.other_brain[6:, -4:].any()
    assert method.recipe(replace(data, others=())).phases[0].other_brain is None
    alone, pooled = (
        method.fit(each, 0, lambda _: None).predict(samples.brain).images for each in (replace(data, others=()), data)
    )
    assert np.abs(alone - pooled).max() > 1e-4


def test_sampling_repeats_itself_and_depends_on_the_seed():
    samples = make_samples(8)
    data = FitData(samples, samples, samples)
    method = MindVisMethod.configured(SETTINGS, "x")
    first, second, other = (method.fit(data, seed, silent).predict(samples.brain) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.draws, second.draws)
    assert first.draws.shape == (2, 8, 28, 28)
    np.testing.assert_array_equal(first.images, first.draws.mean(axis=0))
    assert not np.array_equal(first.draws[0], first.draws[1])
    assert not np.array_equal(first.draws, other.draws)


def test_eight_samples_are_overfitted():
    """Digits, and voxels that have nothing in common with them: every image drawn is nearest to its own stimulus."""
    images, brain = character_images("01234567"), np.random.default_rng(0).normal(size=(8, 30))
    samples = replace(make_samples(8), images=images, brain=brain)
    values = {"dropout": 0.0, "levels": 8, "epochs": 120, "patience": 120, "batch_size": 8, "lr": 4e-3, "steps": 10}
    decoder = MindVisMethod.configured(SETTINGS | values, "x").fit(FitData(samples, samples, samples), 0, silent)
    predicted = decoder.predict(brain)
    assert np.mean((predicted.images - images) ** 2) < 0.3 * images.var(axis=0).mean()
    for found in (predicted.images, predicted.draws[0]):
        distance = np.square(found[:, None] - images[None]).mean((2, 3))
        np.testing.assert_array_equal(distance.argmin(1), np.arange(8))
