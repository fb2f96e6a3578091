"""The command line: ``cortexclip COMMAND ...``, and every stage of the workflow by hand.

Only the stage that is requested is imported, so that drawing a table does not wait for torch.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys

COMMANDS = {
    "run": "from a data file to its page: inspect it, compare methods on it, print the outcome",
    "inspect": "show what is in a file, how it would be read, and whether it can be used",
    "predict": "decode a new data file with a trained run",
    "show": "print the comparison table and where the figures are",
    "fetch": "get the data and weights that are available",
    "verify": "check the results against their manifest",
    "bundle": "put tables, figures, scores and manifest into one archive",
}
"""What people use; the rest of ``STAGES`` is called by the workflow."""
STAGES = {
    **COMMANDS,
    "simulate": "make a simulated dataset",
    "ingest": "read a raw file into labelled arrays",
    "split": "choose which samples train, which choose and which are scored",
    "audit": "check data and splits before any training",
    "encode": "embed the distinct stimuli with an image encoder",
    "train": "fit a method on every fold and seed of a split",
    "evaluate": "score the predictions of a dataset and protocol",
    "identify": "score reconstructions in the space of an image encoder",
    "tables": "make all tables: comparison, tests, published numbers, cost",
    "figures": "draw the figures of a dataset and protocol",
    "overview": "draw the figures that span datasets",
    "evaluation_figures": "draw the figures of a dataset's tests",
    "report": "make the explorer, one page with tables, tests, images and records",
    "glyphclip": "train the embedded image encoder",
    "corpus": "draw the images that the priors and the embedded encoder learn from",
    "prior": "train the image priors",
    "manifest": "record what the results are and what made them",
}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(argv: list[str] | None = None) -> int:
    """Run one stage; returns the exit status: 0, 2 for bad input, 1 for anything else that failed."""
    from cortexclip.errors import InputError, closest, nearest

    argv = sys.argv[1:] if argv is None else argv
    name = argv[0] if argv else "-h"
    if name in ("-h", "--help", "--version"):
        print(_version() if name == "--version" else _help(STAGES if "--help" in argv else COMMANDS))
        return 0
    if name not in STAGES:
        known = nearest(name, STAGES if closest(name, STAGES) else COMMANDS)
        print(f"cortexclip: unknown command '{name}'. {known}", file=sys.stderr)
        return 2

    stage_parser = argparse.ArgumentParser(prog=f"cortexclip {name}", description=STAGES[name])
    stage_parser.add_argument("--log", help="file for the log lines, besides the terminal")
    stage_parser.add_argument("--threads", type=int, default=1, help="threads for numerical work")
    stage_parser.add_argument("--gpu-memory", type=int, metavar="MB", help="take this much of a GPU; 0: use none")
    common = stage_parser.parse_known_args([a for a in argv[1:] if a not in ("-h", "--help")])[0]
    for variable in THREAD_VARIABLES:  # read by numpy and torch when they are first imported
        os.environ[variable] = str(common.threads)

    from cortexclip.runtime import devices, log

    try:
        if common.gpu_memory is not None:
            devices.claim(common.gpu_memory)
        stage = importlib.import_module(f"cortexclip.stages.{name}")
        stage.add_arguments(stage_parser)
        arguments = stage_parser.parse_args(argv[1:])
        log.start(arguments.log)
        return stage.run(arguments) or 0
    except InputError as error:
        return _fail(name, str(error), 2)
    except KeyboardInterrupt:
        return _fail(name, "interrupted", 130)
    except BrokenPipeError:  # the reader of our output, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            why = "the disk is full, or a file larger than is allowed here"
            return _fail(name, f"{why}. Free some space and run again; nothing half-written was left.", 2)
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR):
            path = error.filename2 or error.filename
            return _fail(name, f"{path}: cannot be written or read ({error.strerror}).", 2)
        raise


def _version() -> str:
    import cortexclip

    return f"cortexclip {cortexclip.__version__}"


def _help(commands: dict[str, str]) -> str:
    """What the program does; the workflow's own stages stand apart if they are among ``commands``."""
    lines = [
        "usage: cortexclip COMMAND ...",
        "",
        "Compare decoders that reconstruct seen images from brain activity.",
        "",
    ]
    for number, (name, meaning) in enumerate(commands.items()):
        lines += ["", "Stages, which the workflow calls:"] if number == len(COMMANDS) else []
        lines.append(f"  {name:20}{meaning}")
    more = "" if len(commands) > len(COMMANDS) else " The workflow's stages: cortexclip --help."
    return "\n".join([*lines, "", f"Options of a command: cortexclip COMMAND --help.{more}"])


def _fail(stage: str, message: str, status: int) -> int:
    from cortexclip.runtime import log

    if log.logger.handlers:
        log.logger.error("cortexclip %s: %s", stage, message)
    else:
        print(f"cortexclip {stage}: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
