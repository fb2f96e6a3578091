"""Where an interrupted training finds its state again: one folder per job, outside of the job's outputs.

Every file is a safetensors file, so nothing is unpickled, and begins with the identity of the job (its code, data,
split, settings and seeds); a file of another identity, or a damaged one, is not used.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from torch import Tensor

from cortexclip.runtime.files import atomic_path
from cortexclip.runtime.log import logger


class Checkpoints:
    """The states of one job.

    They stand in ``folder``, which is made when the first one is saved. ``identity`` is whatever the result of the job
    depends on; ``every`` the seconds between two saves of a training that runs.
    """

    def __init__(self, folder: Path, identity: str, every: float = 30.0):
        self.folder, self.identity, self.every = folder, identity, every
        self.saved = time.monotonic()

    def due(self) -> bool:
        """Whether the last save is ``every`` seconds ago."""
        return time.monotonic() - self.saved >= self.every

    def save(self, key: str, tensors: dict[str, Tensor], facts: dict) -> None:
        """Keep tensors and plain values under a name; whatever stood there before is replaced."""
        from safetensors.torch import save_file

        header = {"identity": self.identity, "facts": json.dumps(facts)}
        with atomic_path(self.folder / f"{key}.safetensors") as temporary:
            save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, temporary, header)
        self.saved = time.monotonic()

    def load(self, key: str) -> tuple[dict[str, Tensor], dict] | None:
        """What was saved under a name for this identity, or None."""
        from safetensors import SafetensorError, safe_open

        path = self.folder / f"{key}.safetensors"
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                if header.get("identity") != self.identity:
                    logger.info("%s: belongs to other code, data or settings and is not used", path)
                    return None
                return {name: file.get_tensor(name) for name in file.keys()}, json.loads(header["facts"])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            logger.warning("%s: damaged (%s), not used", path, error)
            return None

    def drop(self, prefix: str) -> None:
        """Remove the states whose names begin with ``prefix``."""
        for path in self.folder.glob(f"{prefix}*.safetensors"):
            path.unlink()

    def close(self) -> None:
        """Remove everything; the job is done."""
        shutil.rmtree(self.folder, ignore_errors=True)
