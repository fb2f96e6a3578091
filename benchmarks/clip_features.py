"""Cost of encoding 100 images beyond the model's own forward pass.

A ViT-B/32 with random weights stands for OpenAI's: the same shapes, so the same time. Prints the median over
repetitions of each and their ratio.

    PYTHONPATH=workflow python benchmarks/clip_features.py [--repetitions 3] [--images 100]
"""

import argparse
import platform
import statistics
import time

import numpy as np
import torch

from cortexclip.features import openclip
from cortexclip.features._torchvision import import_open_clip


def seconds(function) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main() -> None:
    """Time encode() against the bare image tower, alternating, after one warm-up batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=32)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = import_open_clip().create_model("ViT-B-32", force_quick_gelu=True).eval()
    encoder = openclip.Encoder(model, batch_size=arguments.batch_size)
    images = np.random.default_rng(0).random((arguments.images, 28, 28), dtype=np.float32)
    prepared = encoder.preprocess(images).split(arguments.batch_size)

    def bare() -> None:
        with torch.inference_mode():
            for batch in prepared:
                model.encode_image(batch)

    encoder.encode(images[: arguments.batch_size])
    times = [(seconds(bare), seconds(lambda: encoder.encode(images))) for _ in range(arguments.repetitions)]
    forward, whole = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{platform.machine()}, torch {torch.__version__}, 1 thread, {arguments.images} images of 28x28")
    print(f"bare forward {forward:.2f} s, encode {whole:.2f} s, ratio {whole / forward:.2f}")


if __name__ == "__main__":
    main()
