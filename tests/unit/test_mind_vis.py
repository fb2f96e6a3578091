"""MinD-Vis: its networks against their specification, its losses against the equations, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from precision import in_double
from test_methods import make_samples, silent

from cortexclip.methods.interface import FitData
from cortexclip.methods.mind_vis import MindVis as MindVisMethod
from cortexclip.methods.mind_vis.network import MindVis, conditional_diffusion, masked_modelling
from cortexclip.methods.mind_vis_transductive import TransductiveMindVis
from cortexclip.numerics.diffusion import make_unet, noise_schedule, to_network
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
    "tuned": "conditioning",
    "pretraining_epochs": 2,
    "pretraining_lr": 1e-3,
    "epochs": 2,
    "patience": 2,
    "batch_size": 4,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "steps": 3,
    "guidance": 1.0,
    "draws": 2,
}


def network(n_voxels: int = 10) -> MindVis:
    torch.manual_seed(0)
    return MindVis(n_voxels, 4, 8, 2, 2, 1, 3, 128, {})


def batch(n_voxels: int = 10, members: int = 1, training: bool = True) -> stack.Batch:
    generator = torch.Generator().manual_seed(1)
    data = {
        "brain": torch.randn(members, 5, n_voxels, generator=generator),
        "pixels": torch.rand(members, 5, 784, generator=generator),
    }
    keys = step_keys(np.arange(members), np.arange(1), 8)[0]
    return stack.Batch(data, None, Noise(torch.as_tensor(keys)) if training else None)


def test_the_encoder_has_the_parameters_of_its_specification():
    """967 voxels in patches of 16 are 61 tokens; a block has 12 d^2 + 13 d parameters."""
    made = MindVis(967, 16, 128, 4, 4, 1, 16, 128, {})
    assert made.n_tokens == 61
    block, norm = 12 * 128**2 + 13 * 128, 2 * 128
    encoder = (16 * 128 + 128) + 61 * 128 + 4 * block + norm
    decoder = 128 + 61 * 128 + block + norm + (128 * 16 + 16)
    context = (128 * 128 + 128) + (61 * 16 + 16)
    assert stack.parameter_count(made) == encoder + decoder + context
    assert MindVis(3092, 16, 128, 1, 4, 1, 16, 128, {}).n_tokens == 194


def test_shapes_and_patches():
    made, brain = network(), batch()["brain"]
    assert made.patches(brain).shape == (1, 5, 3, 4)
    torch.testing.assert_close(made.patches(brain).flatten(2)[..., :10], brain)
    assert (made.patches(brain).flatten(2)[..., 10:] == 0).all()
    assert made.encode(brain).shape == (1, 5, 3, 8)
    assert made.context(brain).shape == (1, 5, 3, 128)


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
    """Against the equation of Salimans and Ho 2022, v = alpha e - sigma x."""
    torch.manual_seed(0)
    unet, scheduler = make_unet((8, 16)).eval().requires_grad_(False), noise_schedule()
    made, samples = network(), batch()
    with torch.inference_mode():
        loss = conditional_diffusion(unet, scheduler)(made, samples)
        level = (samples.noise.uniform(1, (1, 5)) * 1000).long()[0]
        noise = samples.noise.normal(2, (1, 5, 4, 14, 14))[0]
        clean = to_network(samples["pixels"][0].view(5, 28, 28))
        kept = scheduler.alphas_cumprod[level].view(-1, 1, 1, 1).double()
        alpha, sigma = kept.sqrt(), (1 - kept).sqrt()
        context = made.context(samples["brain"])[0]
        predicted = unet(alpha * clean + sigma * noise, level, context, class_labels=context.mean(1)).sample
        expected = (predicted - (alpha * noise - sigma * clean)).square().mean()
    torch.testing.assert_close(loss[0], expected)


@pytest.mark.parametrize("phase", ["pretraining", "diffusion"])
def test_a_member_of_a_stack_is_what_it_is_alone(phase):
    torch.manual_seed(0)
    unet = make_unet((8, 16)).eval().requires_grad_(False).double()
    tuned = {name: value for name, value in unet.named_parameters() if "attn2" in name}
    loss = masked_modelling(0.75) if phase == "pretraining" else conditional_diffusion(unet, noise_schedule())
    parts = [{k: v[0].double() for k, v in batch(10).data.items()} for _ in range(2)]
    settings = stack.TrainingSettings(3, 3, 3, 1e-2, 0.0)
    members = [
        stack.Member(lambda: MindVis(10, 4, 8, 1, 2, 1, 3, 128, tuned).double(), part, part, settings, seed)
        for seed, part in enumerate(parts)
    ]
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


def test_sampling_repeats_itself_and_depends_on_the_seed():
    samples = make_samples(8)
    data = FitData(samples, samples, samples)
    method = MindVisMethod.configured(SETTINGS, "x")
    first, second, other = (method.fit(data, seed, silent).predict(samples.brain) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.draws, second.draws)
    assert first.draws.shape == (2, 8, 28, 28)
    np.testing.assert_array_equal(first.images, first.draws[0])
    assert not np.array_equal(first.draws[0], first.draws[1])
    assert not np.array_equal(first.draws, other.draws)
