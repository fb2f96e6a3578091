"""Embeddings of a dataset's stimuli against the loop that open_clip's documentation shows, one image at a time.

A ViT-B/32 with random weights stands for OpenAI's: the same shapes, so the same time. A dataset of 107 trials shows 20
images, as miyawaki's training part: what is encoded once here is encoded for every trial in the plain loop. Beside it,
what the batch size, channels-last memory and bfloat16 autocast change for a vision transformer and a ResNet.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/clip_features.py [--fast] [--write] [--device cuda]
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from report import Report, Row, TextTable, amount, arguments, finish, in_turns

from cortexclip.features import openclip
from cortexclip.features.openclip import import_open_clip

TRIALS, DISTINCT, BATCHES = 107, 20, (1, 8, 32, 64)


def plain_loop(model, preprocess, images: np.ndarray, device: str) -> np.ndarray:
    """Embeddings of every trial's image by open_clip's own transform, one image a forward pass."""
    found = []
    with torch.no_grad():
        for image in images:
            picture = Image.fromarray((image * 255).round().astype(np.uint8)).convert("RGB")
            features = model.encode_image(preprocess(picture)[None].to(device)).float().cpu()
            found.append(features / features.norm(dim=-1, keepdim=True))
    return torch.cat(found).numpy()


def forward(model, batch: torch.Tensor, size: int, layout: torch.memory_format, low: bool) -> torch.Tensor:
    """The image tower on prepared images, ``size`` at a time."""
    device = batch.device.type
    with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16, enabled=low):
        return torch.cat(
            [model.encode_image(part.contiguous(memory_format=layout)) for part in batch.split(size)]
        ).float()


def variants(name: str, repeats: int, device: str, n_images: int) -> list[list[str]]:
    """Rows for one architecture: its name, the way, seconds, and how near the embeddings are to those in float32."""
    model = import_open_clip().create_model(name).eval().to(device)
    encoder = openclip.Encoder(model, device=device)
    images = np.random.default_rng(0).random((n_images, 28, 28), dtype=np.float32)
    batch = encoder.preprocess(images).to(device)
    contiguous, last = torch.contiguous_format, torch.channels_last
    ways = {
        f"batches of {size}": (size, contiguous, False) for size in sorted({min(size, n_images) for size in BATCHES})
    }
    size = min(32, n_images)
    ways[f"channels-last, batches of {size}"] = (size, last, False)
    ways[f"bfloat16, batches of {size}"] = (size, contiguous, True)

    def run(way: tuple) -> torch.Tensor:
        model.to(memory_format=way[1])
        return forward(model, batch, *way)

    times, results = in_turns({key: lambda way=way: run(way) for key, way in ways.items()}, repeats)
    reference = results[f"batches of {size}"]
    apart = {
        key: float(torch.nn.functional.cosine_similarity(value, reference).min()) for key, value in results.items()
    }
    return [[name, key, amount(times[key], "s"), f"{apart[key]:.6f}"] for key in ways]


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=3, devices=("cpu", "cuda"))
    torch.set_num_threads(1)
    device, trials = options.device, 12 if options.fast else TRIALS
    open_clip = import_open_clip()
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32", force_quick_gelu=True)
    model = model.eval().to(device)
    encoder = openclip.Encoder(model, device=device)
    rng = np.random.default_rng(0)
    distinct = rng.integers(0, 256, (min(DISTINCT, trials), 28, 28)).astype(np.float32) / 255
    shown = np.arange(trials) % len(distinct)
    times, results = in_turns(
        {
            "ours": lambda: encoder.encode(distinct)[shown],
            "every trial": lambda: encoder.encode(distinct[shown]),
            "loop": lambda: plain_loop(model, preprocess, distinct[shown], device),
        },
        options.repeats,
    )
    ours = results["ours"] / np.linalg.norm(results["ours"], axis=1, keepdims=True)
    alike = float(np.sum(ours * results["loop"], axis=1).min())
    if alike < 0.999:  # the loop rounds the enlarged images to 8 bits
        raise SystemExit(f"the embeddings' least cosine with the plain loop's is {alike:.4f}, expected 0.999 or more")
    rows = [
        Row(
            f"{trials} trials of {len(distinct)} images, each image once",
            times["ours"],
            times["loop"],
            "open_clip, image by image",
        ),
        Row(f"{trials} trials, every trial encoded", times["every trial"], times["loop"], "open_clip, image by image"),
    ]
    n_images = 8 if options.fast else 32
    body = [row for name in ("ViT-B-32", "RN50") for row in variants(name, options.repeats, device, n_images)]
    table = TextTable(
        f"What batches, memory layout and precision change: {n_images} prepared images, image tower alone",
        ["model", "how", "time", "least cosine with float32"],
        body,
    )
    name = "clip_features" if device == "cpu" else "clip_features_gpu"
    finish(
        Report(
            name=name,
            title=f"CLIP features ({device})",
            rows=rows,
            tables=[table],
            notes=[
                f"Least cosine with the plain loop's embeddings: {alike:.5f} (it rounds enlarged images to 8 bits)."
            ],
        ),
        options,
    )


if __name__ == "__main__":
    main()
