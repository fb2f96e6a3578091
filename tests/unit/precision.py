"""Double precision for tests that compare two ways of computing one thing.

Two orders of the same sums differ by what the processor's kernels round, and AdamW scales even the rounding of a
gradient near zero to a step of the learning rate. So what does not depend on the precision is compared in double
precision, where rounding is some 1e-16 of a value and a fault in the computation is not; what is about single
precision itself is compared within a bound that follows from its rounding, `SINGLE`, and is stated with the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

SINGLE = float(np.finfo(np.float32).eps)  # 1.2e-7, the distance from 1 to the next number


@contextmanager
def in_double() -> Iterator[None]:
    """Networks and tensors are made in double precision; also a decorator, for a whole test."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def methods_in_double() -> Iterator[None]:
    """Methods with networks make these and what they are given in double precision; also a decorator."""
    with in_double(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("cortexclip.methods.network.to_tensor", _to_tensor)
        yield


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    tensor = torch.as_tensor(np.asarray(array))
    return tensor.double() if tensor.is_floating_point() else tensor.long()
