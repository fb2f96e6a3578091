"""Snakemake hashes every input of a job once for each output of the job; here each content is hashed once.

A figures job has a hundred outputs and reads the predictions of all methods, and Snakemake starts no other job while it
hashes. The sums themselves are Snakemake's own.
"""

from __future__ import annotations

import functools
import os


def hash_contents_once() -> None:
    """Let Snakemake remember the sum of a local file for as long as its size and times stay as they are."""
    from snakemake.io import _IOFile

    original = _IOFile.checksum
    if hasattr(original, "__wrapped__"):
        return
    known: dict[tuple, str | None] = {}

    @functools.wraps(original)
    async def checksum(self, threshold=None, force=False, algorithm=None):
        if force or algorithm is not None or self.is_storage:
            return await original(self, threshold, force, algorithm)
        try:
            status = os.stat(self.file)
        except OSError:
            return await original(self, threshold, force, algorithm)
        key = (os.fspath(self.file), threshold, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if key not in known:
            known[key] = await original(self, threshold, force, algorithm)
        return known[key]

    _IOFile.checksum = checksum
