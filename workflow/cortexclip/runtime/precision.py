"""How torch computes, set here alone: the same numbers from run to run, in full single precision."""

from __future__ import annotations

import ctypes
import gc
import os

_TRIM, _MAP = -1, -3  # parameters of the C library's mallopt


def configure(threads: int, tf32: bool = False) -> None:
    """Make torch deterministic, on ``threads`` threads; before anything is computed.

    Products on a GPU are in full single precision, or in TF32 (8 bits of exponent, 10 of mantissa) if ``tf32`` says so.

    On the CPU the same machine then gives the same bytes. On a GPU it does too, from run to run; GPU and CPU sum in
    another order, so they agree within the tolerance of docs/evaluation.md. Operations that torch cannot do in a
    determined order raise RuntimeError rather than differ.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when cuBLAS starts; without it sums may change order

    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid that costs a pass over every tensor
    torch.backends.cudnn.benchmark = False  # timing kernels would choose differently from run to run
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.set_float32_matmul_precision("highest")
    if tf32 and torch.cuda.is_available():  # on a CPU too it would change how products are computed
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cuda.matmul.allow_tf32 = True
    _keep_memory()
    gc.freeze()  # what is imported by now stays; looking through it time and again costs a small network 3 %


def _keep_memory() -> None:
    """Let the C library keep what is freed for the next step of a training.

    By default blocks of some MB go back to the kernel and come again as pages to be cleared, which can cost more than
    the matrix product that fills them. Nothing changes where the C library has no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_MAP, 1 << 30)
    mallopt(_TRIM, (1 << 31) - 1)
