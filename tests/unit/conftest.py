"""What tests of several files are given."""

from __future__ import annotations

import pytest


@pytest.fixture
def outlined_fonts(monkeypatch):
    """PDF files hold the outlines of the letters that they use and no cut TrueType font, which takes half of a save."""
    from cortexclip.figures import style

    monkeypatch.setitem(style.STYLE, "pdf.fonttype", 3)
