"""Stage ``prior``: trains the image priors, a VAE and a diffusion model, on the prior corpus."""

from __future__ import annotations

import argparse
from pathlib import Path

from cortexclip.runtime.files import json_object
from cortexclip.runtime.log import Progress, logger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", required=True, metavar="FILE.nc", help="the images to learn from")
    parser.add_argument(
        "--encoder", required=True, metavar="JSON", help="module and settings of the encoder of the condition, as JSON"
    )
    parser.add_argument(
        "--settings", default="{}", metavar="JSON", help="settings other than the default, as JSON text"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the training (default: 0)")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="folder for weights and description")


def run(arguments: argparse.Namespace) -> int:
    """Train on one thread, so that the same seed gives the same weights, and write the folder."""
    import torch

    from cortexclip.configuration.loading import load_encoder
    from cortexclip.priors import corpus, stored, training

    settings = training.checked_settings(json_object(arguments.settings, "prior, --settings"))
    encoder = load_encoder("of the prior", json_object(arguments.encoder, "prior, --encoder"))
    images = corpus.read(arguments.corpus)
    progress = Progress("train prior", total=sum(part["steps"] for part in settings.values()))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        vae, unet, condition, tables, description = training.train(
            images,
            encoder,
            settings,
            arguments.seed,
            lambda name, step, loss: progress.step(f"{name}, loss {loss:.3f}"),
        )
    finally:
        torch.set_num_threads(threads)
    stored.write(Path(arguments.output), vae, unet, condition, tables, description)
    for name, facts in description["training"].items():
        logger.info("prior: %s in %.0f s, last loss %.4f", name, facts["duration_s"], facts["last_loss"])
    return 0
