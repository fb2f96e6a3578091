"""The embedded encoder ``glyphclip``: a small CLIP trained on the prior corpus of glyphs and shapes.

It needs no download and never saw a stimulus of any dataset. The classes are open_clip's, so are the files it is kept
in; only the vocabulary is its own: one token a word instead of open_clip's 49,408 byte pairs.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import model_validator

from cortexclip import features
from cortexclip.errors import InputError
from cortexclip.features import glyphs, openclip
from cortexclip.runtime.files import atomic_path, read_json, sha256, write_json
from cortexclip.runtime.project import root
from cortexclip.runtime.seeds import derive_seed
from cortexclip.runtime.settings import Checked, Count, NonNegative, Positive, Share, check

SHIPPED = root() / "resources" / "glyphclip"
"""The folder with the weights that come with the project."""
EMBED_DIM = 512
CONTEXT_LENGTH = 12
MEAN, STD = 0.2, 0.35
"""Near the mean and the standard deviation of a pixel of the augmented corpus (0.21 and 0.30)."""


class TrainingSettings(Checked):
    """Settings of a training."""

    steps: Count = 3600
    batch_size: Count = 256
    digit_share: Share = 0.5
    letter_share: Share = 0.3
    """images of a batch; the rest are shapes"""
    learning_rate: Positive = 2e-3
    warmup_steps: Count = 200
    weight_decay: NonNegative = 0.05
    n_shapes: Count = 6000
    holdout_faces: tuple[str, ...] = ()
    vision: dict[str, Any] = {"layers": [1, 1, 1, 1], "width": 16, "image_size": 56}
    text: dict[str, int] = {"width": 64, "heads": 4, "layers": 2}

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.digit_share + self.letter_share > 1:
            raise ValueError("digit_share and letter_share add up to more than 1; the rest is for shapes.")
        return self


class Settings(Checked):
    """What `load` takes."""

    folder: str = str(SHIPPED)
    """as `export` writes it; the one that ships with the project by default"""
    sha256: str | None = None
    batch_size: Count = 32
    device: str = "cpu"


def vocabulary() -> list[str]:
    """Every word of the corpus's captions in a fixed order; token 0 pads, the last token ends a caption.

    open_clip pools a caption at its largest token, which therefore has to be the end token.
    """
    words = {word for character in glyphs.CHARACTERS for word in glyphs.caption(character).split()}
    for kind in glyphs.SHAPES + glyphs.PATTERNS:
        words.update(kind.split())
    words.update("a small large at the top bottom left right".split())
    return ["<pad>", *sorted(words), "<end>"]


def tokenize(captions: Sequence[str], words: Sequence[str]) -> torch.Tensor:
    """Tokens int64 (n_captions, 12) of captions made of known words.

    Raises InputError for a word that is not in the vocabulary ``words`` or a caption of more than 11 words.
    """
    index = {word: i for i, word in enumerate(words)}
    tokens = torch.zeros(len(captions), CONTEXT_LENGTH, dtype=torch.long)
    for row, text in enumerate(captions):
        known = [index.get(word) for word in text.lower().split()]
        if None in known or len(known) >= CONTEXT_LENGTH:
            raise InputError(
                f"caption {text!r}: expected at most {CONTEXT_LENGTH - 1} words out of glyphclip's vocabulary "
                f"({', '.join(words[1:-1])}). Use captions like 'the digit six' or 'a small square ring'."
            )
        tokens[row, : len(known) + 1] = torch.tensor([*known, len(words) - 1])
    return tokens


def model_config(settings: dict) -> dict:
    """open_clip's ``model_cfg`` for these settings."""
    text = {"context_length": CONTEXT_LENGTH, "vocab_size": len(vocabulary()), **settings["text"]}
    return {"embed_dim": EMBED_DIM, "vision_cfg": dict(settings["vision"]), "text_cfg": text}


def checked_settings(settings: Mapping | None) -> dict:
    """All fields of `TrainingSettings`, those given replaced; raises InputError for a wrong one."""
    return check(TrainingSettings, settings or {}, "glyphclip", "setting").model_dump()


def caption_loss(
    image_embeddings: torch.Tensor, text_embeddings: torch.Tensor, label: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Symmetric contrastive loss (Radford et al. 2021) in which equal captions are one.

    Every distinct caption of the batch stands once: an image's only positive is its caption, a caption's positives are
    all its images, so that no image is pushed away from a caption that is true of it.

    Embeddings (n_images, d) and (n_distinct_captions, d) have length 1; ``label``, int64 (n_images,), is the row of
    each image's caption, ``scale`` the inverse temperature. The result is the mean of both directions in nats.
    """
    logits = scale * image_embeddings @ text_embeddings.T
    to_text = F.cross_entropy(logits, label)
    positive = F.one_hot(label, len(text_embeddings)).to(logits.dtype)
    log_share = F.log_softmax(logits, dim=0)
    to_image = -((positive * log_share).sum(dim=0) / positive.sum(dim=0).clamp(min=1)).mean()
    return (to_text + to_image) / 2


def train(settings: dict | None = None, seed: int = 0, progress: Callable[[int, float], None] | None = None):
    """Train glyphclip from nothing: gives an open_clip.CLIP in evaluation mode, and facts as plain values.

    The result is a function of settings (fields of `TrainingSettings` other than the default) and seed on one machine
    with one thread. ``progress`` is called after each step with its number (from 1) and loss. The facts are sizes of
    the corpus, wall-clock and processor time in seconds, last loss, settings.
    """
    settings = checked_settings(settings)
    open_clip = openclip.import_open_clip()
    started, cpu_started = time.monotonic(), time.process_time()
    corpus = _Corpus(settings, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "glyphclip", "weights"))
        model = open_clip.CLIP(**model_config(settings)).train()
    model.glyphclip_config = model_config(settings)
    model.visual.to(memory_format=torch.channels_last)  # a third faster on a CPU
    generator = torch.Generator().manual_seed(derive_seed(seed, "glyphclip", "batches"))
    optimizer, schedule = _optimiser(model, settings)
    for step in range(1, settings["steps"] + 1):
        images, tokens, label = corpus.batch(settings["batch_size"], generator)
        image_embeddings = model.encode_image(_normalise(images, model), normalize=True)
        text_embeddings = model.encode_text(tokens, normalize=True)
        loss = caption_loss(image_embeddings, text_embeddings, label, model.logit_scale.exp())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        value = loss.item()
        if progress:
            progress(step, value)
    facts = {
        "settings": settings,
        "seed": seed,
        "n_glyphs": len(corpus.digits) + len(corpus.letters),
        "n_shapes": len(corpus.shapes),
        "n_captions": len(corpus.tokens),
        "n_parameters": sum(p.numel() for p in model.parameters()),
        "n_parameters_image": sum(p.numel() for p in model.visual.parameters()),
        "last_loss": value,
        "duration_s": round(time.monotonic() - started, 1),
        "cpu_s": round(time.process_time() - cpu_started, 1),
    }
    return model.eval(), facts


def _optimiser(model, settings: dict) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW that decays matrices alone, with warm-up and a cosine to 0."""
    decays = {True: settings["weight_decay"], False: 0.0}
    groups = [
        {"params": [p for p in model.parameters() if (p.ndim >= 2) == matrix], "weight_decay": decay}
        for matrix, decay in decays.items()
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings["learning_rate"], betas=(0.9, 0.98), fused=True)
    steps, warmup = settings["steps"], min(settings["warmup_steps"], max(1, settings["steps"] // 5))

    def factor(step: int) -> float:
        cosine = 0.5 * (1 + math.cos(math.pi * max(0, step - warmup) / max(1, steps - warmup)))
        return min((step + 1) / warmup, cosine)

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


class _Corpus:
    """The prior corpus in memory and the drawing of batches from it."""

    def __init__(self, settings: dict, seed: int):
        faces = [face for face in glyphs.FACES if face not in settings["holdout_faces"]]
        letters = glyphs.render_glyphs(faces=faces, size=56)
        shapes = glyphs.render_shapes(settings["n_shapes"], derive_seed(seed, "glyphclip", "shapes"))
        captions = sorted({*letters.captions, *shapes.captions})
        index = {text: i for i, text in enumerate(captions)}
        self.tokens = tokenize(captions, vocabulary())
        self.glyphs, self.shapes = torch.from_numpy(letters.images), torch.from_numpy(shapes.images)
        self.glyph_label = torch.tensor([index[text] for text in letters.captions])
        self.shape_label = torch.tensor([index[text] for text in shapes.captions])
        is_digit = torch.tensor([text.startswith("the digit") for text in letters.captions])
        self.digits, self.letters = is_digit.nonzero()[:, 0], (~is_digit).nonzero()[:, 0]
        self.share = settings["digit_share"], settings["letter_share"]

    def batch(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images (n, 28, 28), tokens of their distinct captions, and the row of each image's caption."""
        n_digits, n_letters = (round(n * share) for share in self.share)
        rows = torch.cat([_choose(self.digits, n_digits, generator), _choose(self.letters, n_letters, generator)])
        images = glyphs.augment(self.glyphs[rows], generator)
        label = self.glyph_label[rows]
        n_shapes = n - n_digits - n_letters
        if n_shapes:
            rows = torch.randint(len(self.shapes), (n_shapes,), generator=generator)
            # A caption states where a shape is and how large: shapes are bent and moved only a little.
            images = torch.cat([images, glyphs.augment(self.shapes[rows], generator, geometry=0.15)])
            label = torch.cat([label, self.shape_label[rows]])
        distinct, label = label.unique(return_inverse=True)
        return images, self.tokens[distinct], label


def _choose(rows: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
    return rows[torch.randint(len(rows), (n,), generator=generator)]


def _normalise(images: torch.Tensor, model) -> torch.Tensor:
    """What the tower wants, the same as `openclip.Encoder.preprocess` with this module's mean and deviation."""
    size = model.visual.image_size
    x = openclip.resize(images[:, None], size if isinstance(size, int) else size[0])
    return ((x - MEAN) / STD).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def export(model, folder: str | Path) -> None:
    """Write a model in open_clip's ``local-dir:`` layout: configuration, and weights with matrices in half precision.

    Vectors (biases, normalisation statistics) stay in single precision: they are small and the statistics wide.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    state = {
        key: (value.half() if value.is_floating_point() and value.ndim >= 2 else value).contiguous()
        for key, value in model.state_dict().items()
    }
    config = {
        "model_cfg": model.glyphclip_config,
        "preprocess_cfg": {"mean": [MEAN] * 3, "std": [STD] * 3, "interpolation": "bicubic", "resize_mode": "squash"},
        "glyphclip": {"vocabulary": vocabulary()},
    }
    with atomic_path(folder / openclip.WEIGHTS_NAMES[0]) as temporary:
        save_file(state, temporary)
    write_json(folder / openclip.CONFIG_NAME, config)


def load(settings: dict) -> Encoder:
    """Load glyphclip from a folder by `Settings`.

    Raises InputError for an unknown key, missing or other weights, or a folder that is not glyphclip's.
    """
    chosen = features.checked_settings(Settings, settings)
    folder = Path(chosen.folder)
    options = chosen.model_dump(include={"sha256", "batch_size", "device"}, exclude_unset=True)
    inner = openclip.load({"weights": f"{openclip.LOCAL_DIR}{folder}", **options})
    config = read_json(folder / openclip.CONFIG_NAME)
    words = config.get("glyphclip", {}).get("vocabulary")
    if not isinstance(words, list) or len(words) != config["model_cfg"]["text_cfg"].get("vocab_size"):
        raise InputError(
            f"{folder / openclip.CONFIG_NAME}: glyphclip.vocabulary is missing or not as long as the model's "
            "vocab_size; expected a folder written by the glyphclip stage. "
            "Use cortexclip.features.openclip for other models."
        )
    encoder = Encoder(inner.model, inner.batch_size, inner.device)
    encoder.origin = {**inner.origin, "encoder": "glyphclip"}
    encoder.words = words
    return encoder


class Encoder(openclip.Encoder):
    """An `openclip.Encoder` that knows glyphclip's words."""

    words: list[str]

    def _tokenize(self, captions: list[str]) -> torch.Tensor:
        return tokenize(captions, self.words)


def report(folder: str | Path, facts: dict) -> dict:
    """Measure the exported model on handwritten digits and describe it in plain values.

    The digits measure the finished model and nothing else: no training or choice of a setting sees them. ``facts`` is
    what `train` returned beside the model.
    """
    import matplotlib
    import sklearn

    folder = Path(folder)
    encoder = load({"folder": str(folder), "batch_size": 256})
    images, label = handwritten_digits()
    embeddings = encoder.encode(images)
    weights = folder / openclip.WEIGHTS_NAMES[0]
    return {
        **facts,
        "zero_shot_accuracy": round(
            float(np.mean(zero_shot(embeddings, encoder.encode_text(DIGIT_CAPTIONS)) == label)), 4
        ),
        "zero_shot_chance": 0.1,
        "neighbour_accuracy": round(neighbour_accuracy(embeddings, label), 4),
        "evaluated_on": f"scikit-learn load_digits, {len(label)} images, 8x8 to 28x28 bilinear; 5-NN: cosine, 10 folds",
        "weights_sha256": sha256(weights),
        "weights_bytes": weights.stat().st_size,
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "open_clip": openclip.import_open_clip().__version__,
            "matplotlib": matplotlib.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }


def zero_shot(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """For each row of image embeddings (n, d) the index of the caption embedding (k, d) with the largest cosine."""
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    texts = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    return (images @ texts.T).argmax(axis=1)


DIGIT_CAPTIONS = [glyphs.caption(digit) for digit in "0123456789"]


def handwritten_digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 handwritten digits as float32 (n, 28, 28) in 0..1 (bilinear from 8x8), and their labels.

    They are for evaluation only.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.from_numpy(digits.images.astype(np.float32) / 16)[:, None]
    return F.interpolate(images, size=(28, 28), mode="bilinear", align_corners=False)[:, 0].numpy(), digits.target


def neighbour_accuracy(embeddings: np.ndarray, label: np.ndarray) -> float:
    """Mean accuracy of 5 nearest neighbours (cosine) on the embeddings, 10 stratified folds."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    return float(cross_val_score(KNeighborsClassifier(5, metric="cosine"), embeddings, label, cv=folds).mean())
