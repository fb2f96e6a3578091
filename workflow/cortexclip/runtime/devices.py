"""GPUs of this machine, shared out among its jobs: each gets one, and several small ones may get the same.

A job asks for memory. It holds a lock on as many blocks of a GPU as that is, until its process ends, however it ends;
so jobs of several runs on one machine never ask for more than a GPU has.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from cortexclip.errors import InputError
from cortexclip.runtime.log import logger

BLOCK_MB = 256
NAMED = "CORTEXCLIP_GPUS"  # "name=MB,name=MB": GPUs to use, in place of those that nvidia-smi reports
_held: list[int] = []  # open lock files; closing one would give its blocks back


def gpus() -> dict[str, int]:
    """Memory in MB of each GPU that this process may use, by its name for CUDA_VISIBLE_DEVICES; empty without any.

    What the variable CUDA_VISIBLE_DEVICES leaves out is left out here.
    """
    named = os.environ.get(NAMED)
    found = _parse_named(named) if named is not None else _report()
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return found
    chosen = {}
    for entry in filter(None, (part.strip() for part in allowed.split(","))):
        for number, (name, memory) in enumerate(found.items()):
            if entry == str(number) or (not entry.isdigit() and name.startswith(entry)):
                chosen[name] = memory
    return chosen


def claim(memory_mb: int, folder: str | os.PathLike | None = None, poll: float = 1.0) -> str | None:
    """Give this process one GPU with ``memory_mb`` MB free of other claims, or none, before torch is imported.

    Sets CUDA_VISIBLE_DEVICES to the GPU's name, or to nothing if ``memory_mb`` is 0 or there is no GPU, and returns the
    name or None. The GPU with most memory left is taken; while none has enough, it waits. Inside a SLURM job, which has
    GPUs of its own, what SLURM made visible stays. The locks are in ``folder``, the same for all jobs of a machine;
    ``poll`` is in seconds, between two looks while waiting.

    Raises InputError if every GPU is smaller than what is requested.
    """
    devices = gpus() if memory_mb > 0 else {}
    if memory_mb > 0 and "SLURM_JOB_ID" in os.environ:
        return os.environ.get("CUDA_VISIBLE_DEVICES")
    if not devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return None
    if memory_mb > max(devices.values()):
        raise InputError(
            f"a job asks for {memory_mb} MB of GPU memory (gpu_mem_mb in config/methods.yaml), but the largest GPU here"
            f" has {max(devices.values())} MB. Ask for less, or set CUDA_VISIBLE_DEVICES= to train on the CPU."
        )
    locks = Path(folder) if folder else _lock_folder()
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    waiting = False
    while (name := _take(devices, memory_mb, locks)) is None:
        if not waiting:
            logger.info("waiting for %d MB of a GPU", memory_mb)
            waiting = True
        time.sleep(poll)
    os.environ["CUDA_VISIBLE_DEVICES"] = name
    return name


def _take(devices: dict[str, int], memory_mb: int, locks: Path) -> str | None:
    """Lock blocks of the GPU that has most of them left; None if no GPU has enough."""
    wanted = -(-memory_mb // BLOCK_MB)
    with _alone(locks):
        most: tuple[int, str, int, list[int]] | None = None
        for name, memory in devices.items():
            if memory < memory_mb:
                continue
            handle = os.open(locks / name.replace(os.sep, "_"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            free = [block for block in range(max(memory // BLOCK_MB, wanted)) if _lock(handle, block)]
            if len(free) >= wanted and (most is None or len(free) > most[0]):
                if most:
                    os.close(most[2])
                most = (len(free), name, handle, free)
            else:
                os.close(handle)
        if most is None:
            return None
        _, name, handle, free = most
        for block in free[wanted:]:
            fcntl.lockf(handle, fcntl.LOCK_UN, 1, block)
        _held.append(handle)
        return name


def _lock(handle: int, block: int) -> bool:
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, block)
    except OSError:
        return False
    return True


@contextmanager
def _alone(locks: Path):
    """One process at a time looks for blocks, or two would each find half of what they need."""
    handle = os.open(locks / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _lock_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"cortexclip-gpus-{os.getuid()}"


def _parse_named(text: str) -> dict[str, int]:
    try:
        pairs = (entry.split("=") for entry in text.split(",") if entry.strip())
        return {name.strip(): int(memory) for name, memory in pairs}
    except ValueError as error:
        expected = "expected names with memory in MB, such as 0=8000,1=8000"
        raise InputError(f"{NAMED}: found '{text}', {expected}.") from error


def _report() -> dict[str, int]:
    """The GPUs that nvidia-smi lists, by their unique names, which mean the same whatever CUDA's order is."""
    query = ["nvidia-smi", "--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = (line.split(",") for line in done.stdout.splitlines() if line.count(",") == 1)
    return {name.strip(): int(memory) for name, memory in rows if memory.strip().isdigit()}
