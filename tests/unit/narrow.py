"""CCCV1 and its relatives with a quarter of their width, for tests of how networks are trained and not of what they are.

The layers are the same and in the same order, and the larger ones stay above the size from which the optimiser updates
a weight while gradients are computed (`cortexclip.training.optimiser.LARGE`). A step takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cortexclip.methods.cccv1 import network as cccv1
from cortexclip.methods.cccv1_extended import network as extended
from cortexclip.methods.cortexflow import network as cortexflow
from cortexclip.training import layers


def width(n: int) -> int:
    """The width of a layer in place of ``n``, also for what stands beside the network."""
    return n // 4 if n in (256, 512, 1024) else n


@contextmanager
def narrow() -> Iterator[None]:
    """Networks that are made in here are narrow; also a decorator, for a whole test."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (cccv1, extended, cortexflow):
            patch.setattr(module, "Linear", lambda a, b, **options: layers.Linear(width(a), width(b), **options))
            patch.setattr(module, "LayerNorm", lambda n: layers.LayerNorm(width(n)))
        yield
