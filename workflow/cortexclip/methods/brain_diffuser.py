"""Brain-Diffuser at 28x28: a rough image from the latents of a VAE, made sharp by a diffusion model.

Source: Ozcelik and VanRullen 2023, Natural scene reconstruction from fMRI signals using generative latent diffusion,
Scientific Reports 13, 15666. As there: ridge from voxels to VAE latents, to the CLIP embedding of the image and to that
of a text; diffusion from the noisy rough image, guided by both embeddings. Smaller: 424 latents instead of 91,168; one
vector for an embedding instead of 257x768 and 77x768; a diffusion model of 1.6 million parameters. Otherwise: penalties
by leave-one-out; strength, guidance, mixing and steps by the selection part (`brain_diffuser_source` has those of the
source); the mean of several draws; and priors that learned from the corpus alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cortexclip.errors import InputError, nearest
from cortexclip.methods.interface import GALLERY, FitData, LinearDecoder, Method, Prediction, Progress, Samples, Saved
from cortexclip.methods.vae_ridge import (
    PriorSettings,
    RoughImages,
    Target,
    arrays_of,
    chosen_of,
    fit_target,
    kept_of,
    saved_target,
)
from cortexclip.numerics.readout import nearest_images, unit_length
from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.settings import Count, NonNegative, Several, Share

CHOSEN = ("strength", "guidance", "mixing", "steps")
"""What the selection part chooses, in this order."""
TRIED_DRAWS = 2
"""Images drawn for each selection sample with values that are tried."""
KNOWN_SHARE = 0.9
"""Share of embeddings in the subspace of the prior's encoder below which they are of another encoder."""


class SharedSettings(PriorSettings):
    """``strength``, ``guidance``, ``mixing`` and ``steps`` may have several values. They are chosen in this order, with
    the others at their first or chosen value, by the squared error that the mean of ``draws`` images is expected to
    have on the selection part.

    ``strength``: share of the ``steps`` of DDIM that are done, starting from the rough image. ``guidance``: 1 is none,
    more exaggerates. ``mixing``: share of the text in the guidance. ``draws``: images drawn for each sample; their mean
    is the prediction. ``captions``: prompts of the classes in order of their label; if empty, each training image gets
    the caption of the corpus that its embedding is nearest to. Penalties are tried on a logarithmic grid. ``prior``
    names a folder of resources/priors.
    """

    strength: Several[Annotated[float, Field(gt=0, le=1)]]
    guidance: Several[NonNegative]
    mixing: Several[Share]
    steps: Several[Count]
    draws: Count
    captions: tuple[str, ...]


Inputs = tuple[np.ndarray, np.ndarray, np.ndarray]


class BrainDiffuser(Method):
    """Five regressions, to three groups of latents and two embeddings; what is random is the noise of the sampling."""

    class Settings(SharedSettings):
        """As in `brain_diffuser_transductive`; ``restandardise`` as in `vae_ridge`."""

        restandardise: Literal["none", "training"]

    stochastic = True

    @property
    def restandardise(self) -> str:
        """How predictions are re-standardised, see `vae_ridge.Target.predict`."""
        return self.settings.restandardise

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        chosen = self._chosen(data, seed, progress)
        rough, guides = self._regressions(data.final)
        targets = {**rough.targets, **guides}
        arrays = {**arrays_of(targets), "sampling_seed": np.array([seed], np.int64)}
        kept = kept_of(targets) | data.final.gallery()
        return self._decoder(rough, guides, arrays, {**chosen_of(targets), **chosen}, kept, progress)

    def restore(self, saved: Saved) -> LinearDecoder:
        rough = RoughImages.restore(saved, self.settings)
        guides = {name: saved_target(saved, name) for name in ("image_embedding", "text_embedding")}
        kept = kept_of({**rough.targets, **guides}) | saved.named(*GALLERY)
        arrays = saved.named(*(set(saved.arrays) - set(kept)))
        chosen = saved.chosen | {name: saved.fact(name) for name in CHOSEN}
        return self._decoder(rough, guides, arrays, chosen, kept, lambda text: None)

    def _regressions(self, samples: Samples) -> tuple[RoughImages, dict[str, Target]]:
        """From the voxels of these samples to rough images and to the embeddings that guide."""
        from cortexclip.priors.stored import load_diffusion

        prior = load_diffusion(self.settings.prior)
        check_space(samples.embedding, prior, self.settings.prior)
        texts = prior.texts[caption_rows(samples, prior, self.settings.captions)]
        guides = {
            "image_embedding": fit_target(samples, samples.embedding, self.settings),
            "text_embedding": fit_target(samples, texts, self.settings),
        }
        return RoughImages.fit(samples, self.settings), guides

    def _inputs(self, rough: RoughImages, guides: Mapping[str, Target], brain: np.ndarray) -> Inputs:
        """Rough images, image embeddings and text embeddings of brain samples, from which images are drawn."""
        image, text = (unit_length(guide.predict(brain, self.restandardise)) for guide in guides.values())
        return rough(brain, self.restandardise), image, text

    def _chosen(self, data: FitData, seed: int, progress: Progress) -> dict[str, float]:
        """The values of `CHOSEN`, and the error of the mean of the draws with them if there was a choice."""
        best = {name: getattr(self.settings, name)[0] for name in CHOSEN}
        if all(len(getattr(self.settings, name)) == 1 for name in CHOSEN):
            return best
        inputs = self._inputs(*self._regressions(data.train), data.select.brain)
        tried: dict[tuple, float] = {}
        for name in CHOSEN:
            for value in getattr(self.settings, name):
                point = best | {name: value}
                key: tuple = tuple(point.values())
                if key not in tried:
                    draws = _drawn(
                        *inputs, self.settings.prior, point, TRIED_DRAWS, derive_seed(seed, "choice"), progress
                    )
                    tried[key] = error_of_mean(draws, data.select.images, self.settings.draws)
            best = dict(zip(CHOSEN, min(tried.items(), key=lambda item: item[1])[0], strict=True))
        return {**best, "selection_mse": min(tried.values())}

    def _decoder(
        self,
        rough: RoughImages,
        guides: Mapping[str, Target],
        arrays: dict[str, np.ndarray],
        chosen: dict,
        kept: dict[str, np.ndarray],
        progress: Progress,
    ) -> LinearDecoder:
        settings, seed = self.settings, int(arrays["sampling_seed"][0])

        def predict(brain: np.ndarray) -> Prediction:
            inputs = self._inputs(rough, guides, brain)
            draws = _drawn(*inputs, settings.prior, chosen, settings.draws, seed, progress)
            nearest = nearest_images(inputs[1], *(kept[name] for name in GALLERY))
            return Prediction.of_draws(draws, embedding=inputs[1], nearest=nearest)

        return LinearDecoder(predict, arrays, chosen, kept)


def error_of_mean(draws: np.ndarray, images: np.ndarray, n: int) -> float:
    """Expected squared error of the mean of ``n`` independent draws, from two or more (n_draws, n_samples, y, x).

    That of one draw is the squared error of the expected image and the variance of the draws, of which the mean of n
    has the n-th part.
    """
    variance = draws.var(axis=0, ddof=1).mean()
    return float(np.square(draws - images).mean() - variance + variance / n)


def check_space(embedding: np.ndarray | None, prior, name: str) -> None:
    """Raise InputError if embeddings (n_samples, n_features) are not of the encoder that the prior learned from."""
    expected = prior.texts.shape[1]
    if embedding is None:
        found = "there are none"
    elif embedding.shape[1] != expected:
        found = f"these have {embedding.shape[1]}"
    elif (share := prior.share(embedding)) < KNOWN_SHARE:
        found = f"these are of another encoder ({share:.0%} in its subspace, expected {KNOWN_SHARE:.0%} or more)"
    else:
        return
    raise InputError(
        f"prior '{name}': it learned to follow embeddings of glyphclip, which have {expected} features; {found}. Name "
        "glyphclip alone in the method's encoders, or train a prior for the other encoder: docs/priors.md."
    )


def caption_rows(samples: Samples, prior, captions: tuple[str, ...]) -> np.ndarray:
    """For each sample the position in ``prior.captions`` of its class prompt, or of the caption nearest to its image.

    Raises InputError for a caption that the prior does not know, or not one for each class.
    """
    if not captions:
        return (unit_length(samples.embedding) @ prior.texts.T).argmax(axis=1)
    for caption in captions:
        if caption not in prior.captions:
            raise InputError(
                f"setting 'captions': '{caption}' is not in the corpus. {nearest(caption, prior.captions)}"
            )
    classes, index = np.unique(samples.label, return_inverse=True)
    if len(classes) != len(captions):
        raise InputError(
            f"setting 'captions': {len(captions)} for {len(classes)} classes among the training samples "
            f"({', '.join(map(str, classes[:20]))}), expected one for each, in this order; or an empty list."
        )
    return np.array([prior.captions.index(caption) for caption in captions])[index]


def _drawn(
    rough: np.ndarray,
    image: np.ndarray,
    text: np.ndarray,
    name: str,
    point: Mapping[str, float],
    n_draws: int,
    seed: int,
    progress: Progress,
) -> np.ndarray:
    """Images (n_draws, n_samples, 28, 28) of rough images and embeddings, with the values of `CHOSEN` in ``point``."""
    import torch

    from cortexclip.numerics.diffusion import draw_noise, generate
    from cortexclip.priors.stored import load_diffusion

    n, prior = len(rough), load_diffusion(name)
    standard = (
        prior.condition.standardise(torch.from_numpy(guide).float(), kind) for kind, guide in enumerate((image, text))
    )
    with torch.inference_mode():
        context = prior.condition(*standard, point["mixing"])
    noise = torch.cat([draw_noise(n, derive_seed(seed, "draw", draw)) for draw in range(n_draws)])
    generated = generate(
        prior.unet,
        context.repeat(n_draws, 1, 1),
        prior.condition.nothing(n_draws * n),
        noise,
        rough=torch.from_numpy(rough).repeat(n_draws, 1, 1),
        steps=int(point["steps"]),
        strength=point["strength"],
        guidance=point["guidance"],
        progress=progress,
    )
    return generated.numpy().reshape(n_draws, n, *rough.shape[1:])
