"""Random numbers of training that depend on nothing but (seed, step, stream, position).

Each member of a stack draws what it would draw alone, on any device, and a resumed training draws what an undisturbed
one does, without any generator state: a draw is a hash of its position under a key. The hash is the 32-bit finaliser
"lowbias32" (Wellons 2018) with a second key word added between its two multiplications.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

LOSS_STREAMS = 8  # streams below this number belong to losses, those from it on to the layers of a network

_MULTIPLIERS = (0x7FEB352D, 0x846CA68B - 2**32)


class Noise:
    """Draws for all members of a stack at one step.

    ``keys`` has shape (n_members, n_streams, 2), int32; :func:`step_keys` makes it.
    """

    def __init__(self, keys: Tensor):
        self.keys = keys

    def bits(self, stream: int, shape: Sequence[int]) -> Tensor:
        """32 random bits for each element of ``shape`` = (n_members, ...), as int32."""
        keys = self.keys[:, stream]
        x = _positions(math.prod(shape[1:]), keys.device) ^ keys[..., :1]
        x = (x ^ ((x >> 16) & 0xFFFF)) * _MULTIPLIERS[0] + keys[..., 1:]
        x = (x ^ ((x >> 15) & 0x1FFFF)) * _MULTIPLIERS[1]
        return (x ^ ((x >> 16) & 0xFFFF)).view(shape)

    def keep(self, stream: int, shape: Sequence[int], rate: float) -> Tensor:
        """True with probability 1 - ``rate``."""
        return self.bits(stream, shape) >= round(rate * 2**32) - 2**31

    def dropout(self, stream: int, shape: Sequence[int], rate: float) -> Tensor:
        """The factors of dropout: 0 with probability ``rate``, else 1 / (1 - ``rate``); float32."""
        return self.keep(stream, shape, rate) * (1.0 / (1.0 - rate))

    def uniform(self, stream: int, shape: Sequence[int]) -> Tensor:
        """Uniform between 0 and 1, both excluded, float32."""
        return (((self.bits(stream, shape) >> 9) & 0x7FFFFF).float() + 0.5) / 2**23

    def normal(self, stream: int, shape: Sequence[int]) -> Tensor:
        """Standard normal (Box and Muller 1958), float32."""
        first, second = self.uniform(stream, (shape[0], 2, *shape[1:])).unbind(1)
        return torch.sqrt(-2.0 * torch.log(first)) * torch.cos(2.0 * math.pi * second)


def step_keys(seeds: np.ndarray, steps: np.ndarray, n_streams: int) -> np.ndarray:
    """Keys of shape (n_steps, n_members, n_streams, 2), int32, from seeds (n_members,) and step numbers (n_steps,)."""
    with np.errstate(over="ignore"):
        state = _mix(np.asarray(seeds, np.uint64) + np.uint64(0x9E3779B97F4A7C15))
        state = _mix(state[None, :] ^ _mix(np.asarray(steps, np.uint64) + np.uint64(0xD1B54A32D192ED03))[:, None])
        streams = np.arange(1, n_streams + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = _mix(state[:, :, None] + streams)
    return np.ascontiguousarray(state)[..., None].view(np.int32)


def sample_order(seed: int, epoch: int, n_samples: int) -> np.ndarray:
    """The order in which an epoch (from 1) visits the samples: a permutation of shape (n_samples,)."""
    return np.random.default_rng([seed, epoch]).permutation(n_samples)


@functools.lru_cache(maxsize=64)
def _positions(count: int, device: torch.device) -> Tensor:
    return torch.arange(count, dtype=torch.int32, device=device)


def _mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
