"""What tests of several files are given."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture
def outlined_fonts(monkeypatch):
    """PDF files hold the outlines of the letters that they use and no cut TrueType font, which takes half of a save."""
    from cortexclip.figures import style

    monkeypatch.setitem(style.STYLE, "pdf.fonttype", 3)


def pytest_configure():
    """What is imported and collected stays to the end, so that the garbage collector need not look for more of it."""
    gc.disable()


def pytest_collection_finish():
    """From here it looks at what tests make, and less often than by default: that took a seventh of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()
