"""Lets torchvision be imported where torch is a CPU build and torchvision comes from a package index.

torchvision's compiled operators are then missing and its import fails on the first of them, ``torchvision::nms``.
Nothing here calls them, so declaring their schemas is enough. open_clip and diffusers import torchvision.
"""

from __future__ import annotations

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared = None


def import_torchvision() -> None:
    """Make sure that torchvision can be imported; the missing operators are declared only if it cannot."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_missing_operators()


def _declare_missing_operators() -> None:
    global _declared
    import torch

    if _declared is None:
        _declared = torch.library.Library("torchvision", "FRAGMENT")  # kept: its schemas vanish with it
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                _declared.define(name + _SCHEMA)
