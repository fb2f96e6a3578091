"""Stage ``glyphclip``: trains the embedded encoder on the prior corpus and writes it with a report."""

from __future__ import annotations

import argparse

from cortexclip.runtime.files import json_object, write_json
from cortexclip.runtime.log import Progress, logger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", required=True, metavar="FOLDER", help="folder for configuration and weights")
    parser.add_argument("--report", required=True, metavar="FILE.json", help="the report to write")
    parser.add_argument(
        "--settings", default="{}", metavar="JSON", help="settings other than the default, as JSON text"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the training (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Train on one thread, so that the same seed gives the same weights; write the folder, then the report."""
    import torch

    from cortexclip.features import glyphclip

    settings = glyphclip.checked_settings(json_object(arguments.settings, "glyphclip, --settings"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        progress = Progress("train glyphclip", total=settings["steps"])
        model, facts = glyphclip.train(settings, arguments.seed, lambda step, loss: progress.step(f"loss {loss:.3f}"))
        glyphclip.export(model, arguments.output)
        report = glyphclip.report(arguments.output, facts)
    finally:
        torch.set_num_threads(threads)
    write_json(arguments.report, report)
    logger.info(
        "glyphclip: %d steps in %.0f s; handwritten digits: zero-shot %.1f %%, 5 nearest neighbours %.1f %%",
        settings["steps"],
        report["duration_s"],
        100 * report["zero_shot_accuracy"],
        100 * report["neighbour_accuracy"],
    )
    return 0
