"""The image priors that ship with the project: weights pinned by their sha256, learned once from the prior corpus."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cortexclip.errors import InputError, nearest
from cortexclip.numerics.diffusion import EmbeddingCondition, make_unet
from cortexclip.numerics.vae import HierarchicalVAE
from cortexclip.runtime.files import atomic_path, read_json, sha256, write_json
from cortexclip.runtime.project import root

SHIPPED = root() / "resources" / "priors"
"""The folder with one folder for each prior."""
VAE, DIFFUSION, DESCRIPTION = "vae.safetensors", "diffusion.safetensors", "prior.json"
SHA256 = {
    "glyphs": {
        VAE: "1c72bea73d82042246a733ba65e0b39662a046bbb7339176d31ac59c2b4fd076",
        DIFFUSION: "e25bfb2d6fc66f80edea1042e8c0c6bc968686842a1a6c2e91fda9c9a0591510",
    }
}
"""The priors that ship, and the sha256 of their files. Here, so that another prior is other code to whoever uses it."""


@dataclass(frozen=True)
class DiffusionPrior:
    """A diffusion model that answers to the embeddings of one encoder."""

    unet: nn.Module  # this and the next as in cortexclip.numerics.diffusion
    condition: EmbeddingCondition
    captions: tuple[str, ...]  # of the images that it learned from, each once
    texts: np.ndarray  # float32 (n_captions, n_features), their embeddings of unit length by the encoder's text tower
    subspace: np.ndarray  # float32 (n_directions, n_features), main directions of the embeddings of the corpus's images

    def share(self, embedding: np.ndarray) -> float:
        """How much of what distinguishes image embeddings (n, n_features) from the corpus's mean lies in the subspace.

        Near 1 for embeddings of the prior's encoder, near n_directions / n_features for those of another.
        """
        centred = embedding - self.condition.mean[0].numpy()
        return float(np.square(centred @ self.subspace.T).sum() / np.square(centred).sum())


@functools.cache
def load_vae(name: str) -> HierarchicalVAE:
    """The autoencoder of a prior that ships with the project; raises InputError as `read_vae`."""
    return read_vae(SHIPPED / _known(name), SHA256[name])


@functools.cache
def load_diffusion(name: str) -> DiffusionPrior:
    """The diffusion model of a prior that ships with the project; raises InputError as `read_diffusion`."""
    return read_diffusion(SHIPPED / _known(name), SHA256[name])


def read_vae(folder: Path, expected: Mapping[str, str]) -> HierarchicalVAE:
    """The autoencoder in a folder that `write` made, in evaluation mode.

    ``expected`` has the sha256 of files by name; other contents are refused, a file without one is taken as it is.
    Raises InputError if a file is missing, has another sha256, or does not hold this network.
    """
    description, state = _read(folder, VAE, expected)
    return _filled(folder / VAE, state, lambda: HierarchicalVAE(**description["vae"]))


def read_diffusion(folder: Path, expected: Mapping[str, str]) -> DiffusionPrior:
    """The diffusion model in a folder that `write` made, in evaluation mode; parameters and errors as `read_vae`."""
    description, state = _read(folder, DIFFUSION, expected)
    tables = {name: state.pop(name) for name in ("texts", "subspace") if name in state}

    def make() -> nn.Module:
        parts = {"unet": make_unet(**description["unet"]), "condition": EmbeddingCondition(**description["condition"])}
        return nn.ModuleDict(parts)

    model = _filled(folder / DIFFUSION, state, make)
    captions = tuple(description["captions"])
    if len(tables) < 2 or len(tables["texts"]) != len(captions):
        raise InputError(f"{folder}: {DESCRIPTION} and {DIFFUSION} do not fit together. Restore both files.")
    return DiffusionPrior(
        model["unet"], model["condition"], captions, **{key: value.numpy() for key, value in tables.items()}
    )


def write(
    folder: Path,
    vae: nn.Module,
    unet: nn.Module,
    condition: nn.Module,
    tables: Mapping[str, Tensor],
    description: Mapping,
) -> None:
    """Write a prior's three files; matrices are kept in half precision, vectors and statistics in single.

    ``tables`` are ``texts`` and ``subspace`` of `DiffusionPrior`; ``description`` says how the networks are made (vae,
    unet, condition), and has the captions and plain values about the training.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    model = nn.ModuleDict({"unet": unet, "condition": condition})
    for name, state in {VAE: vae.state_dict(), DIFFUSION: {**model.state_dict(), **tables}}.items():
        with atomic_path(folder / name) as temporary:
            save_file({key: _compact(key, value) for key, value in state.items()}, temporary)
    write_json(folder / DESCRIPTION, description)


def _known(name: str) -> str:
    if name not in SHA256:
        raise InputError(f"prior '{name}': not one that ships with the project. {nearest(name, SHA256)}")
    return name


def _compact(key: str, value: Tensor) -> Tensor:
    statistics = key.endswith(("condition.mean", "condition.scale"))
    return (value.half() if value.ndim >= 2 and not statistics else value).contiguous()


def _read(folder: Path, name: str, expected: Mapping[str, str]) -> tuple[Any, dict[str, Tensor]]:
    """The description of a prior and the weights in one of its files, in single precision."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / name
    description = read_json(folder / DESCRIPTION)
    if not path.is_file():
        raise InputError(f"{path}: not there; expected the weights of a prior. Restore the file.")
    found = sha256(path)
    if expected.get(name, found) != found:
        raise InputError(
            f"{path}: found sha256 {found}, expected {expected[name]}. Restore the file; if the prior was trained "
            "anew, write the new sha256 into workflow/cortexclip/priors/stored.py."
        )
    try:
        return description, {key: value.float() for key, value in load_file(path).items()}
    except SafetensorError as error:
        raise InputError(f"{path}: not a safetensors file ({error}). Restore the file.") from error


def _filled(path: Path, state: dict[str, Tensor], make: Callable[[], nn.Module]) -> nn.Module:
    """A network with these weights, all of them, in evaluation mode."""
    try:
        network = make()
        network.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        first = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: does not hold the network that {DESCRIPTION} describes ({first}).") from error
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
