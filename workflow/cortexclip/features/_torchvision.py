"""Lets open_clip be imported where torchvision's compiled operators are missing."""

from __future__ import annotations

from cortexclip.numerics.torchvision import import_torchvision


def import_open_clip():
    """Import and return ``open_clip``."""
    import_torchvision()
    import open_clip

    return open_clip
