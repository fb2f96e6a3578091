"""Brain-Diffuser at 28x28: a rough image from the latents of a VAE, made sharp by a diffusion model.

Source: Ozcelik and VanRullen 2023, Natural scene reconstruction from fMRI signals using generative latent diffusion,
Scientific Reports 13, 15666. As there: ridge from voxels to VAE latents, to the CLIP embedding of the image and to that
of a text; diffusion from the noisy rough image, guided by both embeddings (40 % text), 37 of 50 DDIM steps, guidance
7.5. Smaller: 424 latents instead of 91,168; one vector for an embedding instead of 257x768 and 77x768; a diffusion
model of 1.8 million parameters. Otherwise: penalties by leave-one-out, and priors that learned from the corpus alone.
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
from cortexclip.runtime.settings import Count, NonNegative, Share

KNOWN_SHARE = 0.9
"""Share of embeddings in the subspace of the prior's encoder below which they are of another encoder."""


class SharedSettings(PriorSettings):
    """``mixing``: share of the text in the guidance. ``strength``: share of the ``steps`` that are done, from the rough
    image on. ``guidance``: 1 is plain, more exaggerates. ``draws``: images drawn for each sample, of which the first is
    scored and the others are for figures. ``captions``: prompts of the classes in order of their label; left empty,
    each training image gets the caption of the corpus that its embedding is nearest to. Penalties are tried on a
    logarithmic grid. ``prior`` names a folder of resources/priors.
    """

    mixing: Share
    strength: Annotated[float, Field(gt=0, le=1)]
    steps: Count
    guidance: NonNegative
    draws: Count
    captions: tuple[str, ...]


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
        from cortexclip.priors.stored import load_diffusion

        samples, prior = data.final, load_diffusion(self.settings.prior)
        check_space(samples.embedding, prior, self.settings.prior)
        rough = RoughImages.fit(samples, self.settings)
        texts = prior.texts[caption_rows(samples, prior, self.settings.captions)]
        guides = {
            "image_embedding": fit_target(samples, samples.embedding, self.settings),
            "text_embedding": fit_target(samples, texts, self.settings),
        }
        targets = {**rough.targets, **guides}
        arrays = {**arrays_of(targets), "sampling_seed": np.array([seed], np.int64)}
        kept = kept_of(targets) | samples.gallery()
        return self._decoder(rough, guides, arrays, chosen_of(targets), kept, progress)

    def restore(self, saved: Saved) -> LinearDecoder:
        rough = RoughImages.restore(saved, self.settings)
        guides = {name: saved_target(saved, name) for name in ("image_embedding", "text_embedding")}
        kept = kept_of({**rough.targets, **guides}) | saved.named(*GALLERY)
        arrays = saved.named(*(set(saved.arrays) - set(kept)))
        return self._decoder(rough, guides, arrays, saved.chosen, kept, lambda text: None)

    def _decoder(
        self,
        rough: RoughImages,
        guides: Mapping[str, Target],
        arrays: dict[str, np.ndarray],
        chosen: dict,
        kept: dict[str, np.ndarray],
        progress: Progress,
    ) -> LinearDecoder:
        from cortexclip.priors.stored import load_diffusion

        prior, seed = load_diffusion(self.settings.prior), int(arrays["sampling_seed"][0])

        def predict(brain: np.ndarray) -> Prediction:
            image, text = (unit_length(guide.predict(brain, self.restandardise)) for guide in guides.values())
            draws = _drawn(rough(brain, self.restandardise), image, text, prior, self.settings, seed, progress)
            nearest = nearest_images(image, *(kept[name] for name in GALLERY))
            return Prediction(draws[0], image, nearest, draws)

        return LinearDecoder(predict, arrays, chosen, kept)


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
    prior,
    settings: SharedSettings,
    seed: int,
    progress: Progress,
) -> np.ndarray:
    """Images (n_draws, n_samples, 28, 28) of rough images and predicted embeddings."""
    import torch

    from cortexclip.numerics.diffusion import draw_noise, generate

    n, draws = len(rough), settings.draws
    standard = (
        prior.condition.standardise(torch.from_numpy(guide).float(), kind) for kind, guide in enumerate((image, text))
    )
    with torch.inference_mode():
        context = prior.condition(*standard, settings.mixing)
    noise = torch.cat([draw_noise(n, derive_seed(seed, "draw", draw)) for draw in range(draws)])
    generated = generate(
        prior.unet,
        context.repeat(draws, 1, 1),
        prior.condition.nothing(draws * n),
        noise,
        rough=torch.from_numpy(rough).repeat(draws, 1, 1),
        steps=settings.steps,
        strength=settings.strength,
        guidance=settings.guidance,
        progress=progress,
    )
    return generated.numpy().reshape(draws, n, *rough.shape[1:])
