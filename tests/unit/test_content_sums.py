"""The sums that Snakemake compares results by: its own, made once for each content."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.io import _IOFile

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import content_sums


@pytest.fixture
def once(monkeypatch):
    monkeypatch.setattr(_IOFile, "checksum", getattr(_IOFile.checksum, "__wrapped__", _IOFile.checksum))
    content_sums.hash_contents_once()


def file_of(path: Path) -> _IOFile:
    rule = SimpleNamespace(
        workflow=SimpleNamespace(iocache=SimpleNamespace(active=False)),
        pathvars=SimpleNamespace(apply=lambda text: text),
    )
    return _IOFile(str(path), rule)


def test_a_content_is_hashed_once_and_anew_when_it_changes(once, tmp_path, monkeypatch):
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: hashed.append(1) or digest(*given))
    path = tmp_path / "a"
    for content in (b"one", b"two", b"three"):
        path.write_bytes(content)
        for _ in range(3):
            assert asyncio.run(file_of(path).checksum(100)) == "sha256:" + hashlib.sha256(content).hexdigest()
    assert len(hashed) == 3
    assert asyncio.run(file_of(path).checksum(2)) is None  # larger than the limit
    path.unlink()
    assert asyncio.run(file_of(path).checksum(100)) is None
