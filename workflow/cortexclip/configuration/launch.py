"""The environment of the jobs that the workflow starts."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from cortexclip.runtime.provenance import WORKFLOW_COMMAND


def prepare_environment(root: str | os.PathLike, data_dir: Path | None) -> None:
    """Let jobs find this interpreter's ``python``, the library beside the rules, and the folder that holds data.

    A conda environment's own ``python`` still comes first where Snakemake activates one.
    """
    library = str(Path(root) / "workflow")
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    os.environ["PYTHONPATH"] = os.pathsep.join([library, *filter(None, [os.environ.get("PYTHONPATH")])])
    if data_dir is not None:
        os.environ["CORTEXCLIP_DATA"] = str(data_dir)
    # The first Snakemake's; those that it starts in jobs on a cluster find it set.
    os.environ.setdefault(WORKFLOW_COMMAND, shlex.join(["snakemake", *sys.argv[1:]]))
