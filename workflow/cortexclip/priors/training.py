"""Training of the image priors on the prior corpus, once for all datasets, folds and seeds.

No stimulus of any dataset is read, not even of a training part, so that the same weights serve every split.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from cortexclip.errors import InputError
from cortexclip.numerics import diffusion
from cortexclip.numerics.readout import unit_length
from cortexclip.numerics.vae import HierarchicalVAE, negative_elbo
from cortexclip.priors.corpus import digest
from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.settings import Checked, Count, NonNegative, check


class VaeSettings(Checked):
    """Training of the VAE."""

    steps: Count = 1000
    batch_size: Count = 128
    learning_rate: NonNegative = 2e-3
    warmup_steps: Count = 100
    divergence_steps: Count = 300
    """the weight of the divergences rises to 1 over these"""
    free_nats: NonNegative = 2.0


class DiffusionSettings(Checked):
    """Training of the diffusion model."""

    steps: Count = 1800
    batch_size: Count = 64
    learning_rate: NonNegative = 1.5e-3
    warmup_steps: Count = 100
    empty_share: NonNegative = 0.15
    """images whose context is left empty, for guidance"""
    embedding_noise: NonNegative = 0.7
    """largest deviation of the noise on embeddings, in deviations of the corpus"""


class Settings(Checked):
    """Settings of both trainings."""

    vae: VaeSettings = VaeSettings()
    diffusion: DiffusionSettings = DiffusionSettings()


def checked_settings(settings: Mapping) -> dict[str, dict]:
    """All fields of `Settings`, those given replaced; raises InputError for an unknown one and a value out of range."""
    return check(Settings, settings, "prior", "setting").model_dump()


def train_vae(
    images: Tensor, settings: dict, seed: int, progress: Callable[[int, float], None] | None = None
) -> tuple[HierarchicalVAE, dict]:
    """Train the hierarchical VAE on images, uint8 (n, 28, 28), by the part ``vae`` of `checked_settings`.

    ``progress`` is called after each step with its number (from 1) and loss. Returns the network in evaluation mode,
    and plain values: time and last loss (nats an image).
    """
    network = _seeded(HierarchicalVAE, derive_seed(seed, "prior", "vae", "weights"))
    generator = torch.Generator().manual_seed(derive_seed(seed, "prior", "vae", "batches"))

    def loss(step: int) -> Tensor:
        batch = _grey(images[torch.randint(len(images), (settings["batch_size"],), generator=generator)])
        weight = min(1.0, step / settings["divergence_steps"])
        logits, divergences = network(batch, generator)
        return negative_elbo(logits, divergences, batch, weight, settings["free_nats"])

    return network, _optimise(network, loss, settings, progress)


def train_diffusion(
    images: Tensor,
    embeddings: tuple[Tensor, Tensor],
    captioned: Tensor,
    settings: dict,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> tuple[nn.Module, diffusion.EmbeddingCondition, dict]:
    """Train the diffusion model, as `train_vae` does, by the part ``diffusion`` of `checked_settings`.

    Embeddings are those of the images and of their captions, (n, d) of unit length. Where there is no caption
    (``captioned``, bool (n,)), the image embedding alone is the condition. Returns the network, its condition, and
    plain values: time and last loss.
    """
    model_seed = derive_seed(seed, "prior", "diffusion", "weights")
    model = _seeded(
        lambda: nn.ModuleDict(
            {"unet": diffusion.make_unet(), "condition": diffusion.EmbeddingCondition(embeddings[0].shape[1])}
        ),
        model_seed,
    )
    unet, condition = model["unet"], model["condition"]
    with torch.no_grad():
        for kind, (embedding, rows) in enumerate(zip(embeddings, (slice(None), captioned), strict=True)):
            condition.mean[kind] = embedding[rows].mean(dim=0)
            condition.scale[kind] = embedding[rows].std(dim=0).clamp(min=1e-6)
    generator = torch.Generator().manual_seed(derive_seed(seed, "prior", "diffusion", "batches"))
    scheduler = diffusion.noise_schedule()

    def loss(step: int) -> Tensor:
        rows = torch.randint(len(images), (settings["batch_size"],), generator=generator)
        image, text = (condition.standardise(embedding[rows], kind) for kind, embedding in enumerate(embeddings))
        context = random_context(condition, image, text, captioned[rows], settings, generator)
        return diffusion.training_loss(unet, scheduler, _grey(images[rows]), context, generator)

    facts = _optimise(model, loss, settings, progress)
    return unet, condition, facts


def random_context(
    condition: diffusion.EmbeddingCondition,
    image: Tensor,
    text: Tensor,
    captioned: Tensor,
    settings: dict,
    generator: torch.Generator,
) -> Tensor:
    """Context (n, tokens, width) of standardised embeddings, mixed, disturbed and left out at random.

    A fifth of the images are conditioned on the image alone, a fifth on the text alone, the others on mixtures. Noise
    on the embeddings, of another strength for each image, prepares for embeddings that were predicted from a brain.
    """
    n = len(image)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    mixing = ((uniform(n) - 0.2) / 0.6).clamp(0, 1) * captioned
    noisy = []
    for embedding in (image, text):
        strength = settings["embedding_noise"] * uniform(n, 1)
        noisy.append(embedding + strength * torch.randn(embedding.shape, generator=generator))
    context = condition(*noisy, mixing)
    left_out = uniform(n) < settings["empty_share"]
    return torch.where(left_out[:, None, None], condition.nothing(n), context)


def embed(
    corpus: xr.Dataset, encoder, progress: Callable[[int, int], None] | None = None
) -> tuple[Tensor, list[str], Tensor, np.ndarray]:
    """Unit-length embeddings of the corpus's images and captions by an encoder that has both towers.

    Gives those of the images (n, d), the distinct captions, those of the captions (n_captions, d), and for each image
    the row of its caption (n,), -1 where it has none. Raises InputError if the encoder has no text tower, or the corpus
    no caption.
    """
    if not hasattr(encoder, "encode_text"):
        raise InputError("prior: this encoder has no text tower, so no prompt can guide. Use glyphclip or clip.")
    captions = corpus.caption.values
    distinct = sorted({text for text in captions.tolist() if text})
    if not distinct:
        raise InputError("prior: no image of the corpus has a caption, so no prompt can guide. Add captioned images.")
    encoded = encoder.encode(corpus.image.values.astype(np.float32) / 255, progress), encoder.encode_text(distinct)
    pictures, texts = (torch.from_numpy(unit_length(each).astype(np.float32)) for each in encoded)
    row = np.where(captions == "", -1, np.searchsorted(distinct, captions))
    return pictures, distinct, texts, row


def main_directions(embedding: Tensor, n: int = 32) -> Tensor:
    """The first ``n`` principal directions (n, d) of embeddings (n_images, d), or as many as there are."""
    centred = embedding - embedding.mean(dim=0)
    values, vectors = torch.linalg.eigh((centred.T @ centred).double())
    return vectors[:, values > 1e-9 * values.max()].T.flip(0)[:n].float().contiguous()


def train(
    corpus: xr.Dataset,
    encoder,
    settings: dict,
    seed: int,
    progress: Callable[[str, int, float], None] | None = None,
) -> tuple[HierarchicalVAE, nn.Module, diffusion.EmbeddingCondition, dict[str, Tensor], dict]:
    """Train the VAE and the diffusion model on a corpus; a function of its arguments on one machine with one thread.

    The encoder needs a text tower; ``progress`` is called with the model's name, the step (from 1) and the loss.
    Returns what `cortexclip.priors.stored.write` takes: VAE, U-Net, condition, tables, and a description.
    """

    def report(name: str):
        return (lambda step, loss: progress(name, step, loss)) if progress else None

    images = torch.from_numpy(corpus.image.values)
    vae, vae_facts = train_vae(images, settings["vae"], seed, report("vae"))
    pictures, captions, texts, row = embed(corpus, encoder)
    captioned = torch.from_numpy(row >= 0)
    of_captions = torch.where(captioned[:, None], texts[row], 0.0)
    unet, condition, diffusion_facts = train_diffusion(
        images, (pictures, of_captions), captioned, settings["diffusion"], seed, report("diffusion")
    )
    models = {"vae": vae, "unet": unet, "condition": condition}
    description = {
        "vae": vae.config,
        "unet": {"channels": list(unet.config.block_out_channels)},
        "condition": condition.config,
        "captions": captions,
        "encoder": encoder.provenance(),
        "corpus_images": int(corpus.sizes["image"]),
        "corpus_sha256": digest(corpus),
        "settings": settings,
        "seed": seed,
        "n_parameters": {name: sum(p.numel() for p in network.parameters()) for name, network in models.items()},
        "training": {"vae": vae_facts, "diffusion": diffusion_facts},
    }
    return vae, unet, condition, {"texts": texts, "subspace": main_directions(pictures)}, description


def _optimise(
    network: nn.Module, loss: Callable[[int], Tensor], settings: dict, progress: Callable[[int, float], None] | None
) -> dict:
    """Minimise by AdamW with warm-up and a cosine to 0; the network ends in evaluation mode."""
    started, cpu_started = time.monotonic(), time.process_time()
    network.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings["learning_rate"], betas=(0.9, 0.99), weight_decay=0.01, fused=True
    )
    steps, warmup = settings["steps"], min(settings["warmup_steps"], settings["steps"])
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
    )
    recent: list[float] = []
    for step in range(1, steps + 1):
        value = loss(step)
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        recent = [*recent[-99:], value.item()]
        if not math.isfinite(recent[-1]):
            raise InputError(f"prior: the loss became {recent[-1]} at step {step}. Lower learning_rate.")
        if progress:
            progress(step, recent[-1])
    network.eval()
    return {
        "last_loss": round(float(np.mean(recent)), 5),
        "duration_s": round(time.monotonic() - started, 1),
        "cpu_s": round(time.process_time() - cpu_started, 1),
    }


def _seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with initial weights from this seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _grey(images: Tensor) -> Tensor:
    return images.float() / 255
