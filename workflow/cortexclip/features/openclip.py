"""Image and text embeddings of any open_clip model, with weights that are checked and never made up.

open_clip itself returns a model with random weights when it finds none; here every such path ends in an error.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import warnings
import weakref
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field

from cortexclip.errors import InputError
from cortexclip.features import check_images, checked_settings
from cortexclip.runtime import files
from cortexclip.runtime.log import logger
from cortexclip.runtime.settings import Checked, Count
from cortexclip.runtime.torchvision import import_torchvision

LOCAL_DIR = "local-dir:"
CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
)
"""Names under which a ``local-dir:`` may hold its weights, in open_clip's order of preference."""


Channels = tuple[float, float, float]
_in_use: weakref.WeakValueDictionary[str, Encoder] = weakref.WeakValueDictionary()
"""The encoders that somebody holds, by their settings."""


def import_open_clip():
    """Import and return ``open_clip``, also where torchvision's compiled operators are missing."""
    import_torchvision()
    import open_clip

    return open_clip


class Settings(Checked):
    """What `load` takes."""

    model: str | None = None
    """open_clip's name of the architecture, e.g. ViT-B-32; not needed with local-dir:"""
    weights: str
    """a pretrained tag of that model, e.g. openai (downloaded once, needs a network); the path of a local file
    (safetensors, a state dict, or OpenAI's TorchScript archive); or local-dir:FOLDER, a folder with
    open_clip_config.json and open_clip_model.safetensors"""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """expected SHA-256 of the weights file, verified before anything is read from it"""
    tag: str | None = None
    """for a local file, the tag whose preprocessing and activation it was trained with"""
    quick_gelu: bool | None = None
    """use OpenAI's approximate GELU; by default what the model's name, the tag or the file says (TorchScript: yes)"""
    mean: Channels | None = None
    """of the three channels, in place of the model's own normalisation"""
    std: Channels | None = None
    """likewise"""
    batch_size: Count = 32
    """images a forward pass, 32 by default; halved as often as a GPU's memory asks for"""
    device: Literal["cpu", "cuda"] = "cpu"
    """where it computes"""
    cache_dir: str | None = None
    """where downloaded weights are kept"""


def load(settings: dict) -> Encoder:
    """Load a model by its `Settings`; an encoder of the same settings that is still held is given again.

    Raises InputError for an unknown key, model or tag; weights that are missing, of another sha256 or for another
    model; no network.
    """
    if not str(settings.get("weights") or "").strip():
        raise InputError(
            f"openclip settings, weights: found {settings.get('weights')!r}, expected a pretrained tag such as "
            f"'openai', the path of a weights file, or '{LOCAL_DIR}FOLDER'. A model without trained weights is never "
            "used: name some."
        )
    chosen = checked_settings(Settings, settings)
    key = chosen.model_dump_json()
    encoder = _in_use.get(key)
    if encoder is None:
        encoder = _in_use[key] = _load(chosen)
    return encoder


def _load(settings: Settings) -> Encoder:
    weights, expected = settings.weights, settings.sha256
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("openclip settings, device: found 'cuda', expected 'cpu' where no GPU can be used.")
    open_clip = import_open_clip()
    if weights.startswith(LOCAL_DIR):
        folder = Path(weights.removeprefix(LOCAL_DIR))
        path = _weights_in(folder)
        digest = _verified(path, expected)
        model = _create(open_clip, f"{LOCAL_DIR}{folder}", settings, {}, require_pretrained=True)
        origin: dict[str, object] = {"model": folder.name, "weights": path.name}
    else:
        name = _known_model(open_clip, settings.model)
        path, tag = _weights_file(open_clip, name, weights, settings)
        digest = _verified(path, expected)
        tag_config = (open_clip.get_pretrained_cfg(name, tag) if tag else None) or {}
        archive = _is_torchscript(path)
        quick_gelu = _activation(open_clip, name, settings.quick_gelu, archive, tag_config)
        model = _create(open_clip, name, settings, tag_config, force_quick_gelu=quick_gelu, load_weights=False)
        _fill(open_clip, model, name, path, archive)
        origin = {"model": name, "weights": tag or path.name, "quick_gelu": quick_gelu}
    encoder = Encoder(model.eval().requires_grad_(False).to(settings.device), settings.batch_size, settings.device)
    encoder.origin = {"encoder": "openclip", "open_clip": open_clip.__version__, **origin, "sha256": digest}
    if not weights.startswith(LOCAL_DIR):
        encoder._tokenizer_of = name
    logger.debug("loaded %s", encoder.provenance())
    return encoder


class Encoder:
    """An open_clip model in evaluation mode with its own preprocessing, working on batches of tensors.

    ``preprocessing`` holds size (pixels a side), mean, std (of the three channels, for values in 0..1) and
    interpolation; ``origin`` plain values that tell where the weights came from.
    """

    def __init__(self, model, batch_size: int = 32, device: str = "cpu"):
        self.model, self.batch_size, self.device = model, batch_size, device
        self.origin: dict = {}
        self._tokenizer_of: str | None = None
        self._last: tuple[bytes, np.ndarray] | None = None
        config = import_open_clip().get_model_preprocess_cfg(model)
        size = config["size"]
        height, width = (size, size) if isinstance(size, int) else size
        if height != width:
            raise InputError(f"openclip: the model wants images of {height}x{width}; only square ones are supported.")
        self.preprocessing: dict[str, Any] = {
            "size": int(height),
            "mean": [float(value) for value in config["mean"]],
            "std": [float(value) for value in config["std"]],
            "interpolation": "bilinear" if config.get("interpolation") == "bilinear" else "bicubic",
        }

    def preprocess(self, images: np.ndarray | torch.Tensor) -> torch.Tensor:
        """What the tower wants, float32 (n, 3, size, size), from greyscale images (n, side, side) in 0..1.

        The same as open_clip's evaluation transform of the same picture as an 8-bit PIL image, but for the rounding to
        8 bits: a `resize`, three equal channels, then the model's mean and standard deviation.
        """
        x = torch.as_tensor(images, dtype=torch.float32)[:, None]
        x = resize(x, self.preprocessing["size"], self.preprocessing["interpolation"])
        mean = torch.tensor(self.preprocessing["mean"])[:, None, None]
        std = torch.tensor(self.preprocessing["std"])[:, None, None]
        return (x - mean) / std

    @torch.inference_mode()
    def encode(self, images: np.ndarray, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """Image embeddings float32 (n, d), not normalised, of images (n, side, side), 0 black to 1 white.

        ``progress`` is called after each batch with the number of images done and in all. Raises InputError for images
        of another shape or range.
        """
        images = check_images(images)
        parts, done, size = [], 0, self.batch_size
        while done < len(images):
            try:
                batch = self.preprocess(images[done : done + size]).to(self.device)
                parts.append(self.model.encode_image(batch).float().cpu())
            except torch.cuda.OutOfMemoryError:
                if size == 1:
                    raise
                size //= 2  # for this and all batches to come
                torch.cuda.empty_cache()
                logger.info("not enough GPU memory: batches of %d images", size)
                continue
            done += len(parts[-1])
            if progress:
                progress(done, len(images))
        embedding = torch.cat(parts).numpy() if parts else np.zeros((0, self._embed_dim()), np.float32)
        self._last = _digest(images), embedding.copy()
        return embedding

    def encode_again(self, images: np.ndarray, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """What `encode` gives, without computing it if these were the images of its last call."""
        images = check_images(images)
        if self._last is None or self._last[0] != _digest(images):
            return self.encode(images, progress)
        if progress:
            progress(len(images), len(images))
        return self._last[1].copy()

    @torch.inference_mode()
    def encode_text(self, captions: Sequence[str]) -> np.ndarray:
        """Text embeddings float32 (n, d), not normalised, of captions in the model's own tokens.

        Raises InputError for a model from a folder with a vocabulary of its own (glyphclip: use its module).
        """
        tokens = self._tokenize(list(captions)).to(self.device)
        parts = [self.model.encode_text(part).float().cpu() for part in tokens.split(self.batch_size)]
        return torch.cat(parts).numpy()

    def _tokenize(self, captions: list[str]) -> torch.Tensor:
        open_clip = import_open_clip()
        if self._tokenizer_of:
            with _quiet():
                tokenizer = open_clip.get_tokenizer(self._tokenizer_of)
        else:
            tokenizer = open_clip.SimpleTokenizer(context_length=getattr(self.model, "context_length", 77))
            vocabulary = getattr(self.model, "vocab_size", 0)
            if vocabulary < tokenizer.vocab_size:
                raise InputError(
                    f"openclip: this model has a vocabulary of {vocabulary} tokens, not open_clip's "
                    f"{tokenizer.vocab_size}; if it is glyphclip, load it with cortexclip.features.glyphclip."
                )
        return tokenizer(captions)

    def _embed_dim(self) -> int:
        size = self.preprocessing["size"]
        return self.model.encode_image(torch.zeros(1, 3, size, size, device=self.device)).shape[1]

    def provenance(self) -> dict:
        """Plain values: encoder, model, weights, sha256 of the weights file, preprocessing, versions."""
        return {**self.origin, **self.preprocessing, "torch": str(torch.__version__), "device": self.device}


def _digest(images: np.ndarray) -> bytes:
    return hashlib.sha256(repr(images.shape).encode() + images.tobytes()).digest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps open_clip's log lines from setting up the root logger, which would print everyone's lines twice.

    Warnings are dropped too: about weights that are filled in afterwards, and about TorchScript, which is deprecated
    but what OpenAI's files are in.
    """
    root, silence = logging.getLogger(), logging.NullHandler()
    root.addHandler(silence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(silence)


def resize(x: torch.Tensor, size: int, mode: str = "bicubic") -> torch.Tensor:
    """Images (n, 1, height, width) in 0..1 resized to (n, 1, size, size) as Pillow does it.

    Antialiased, along the width first and then along the height, values cut to 0..1 after each.
    """
    for shape in ((x.shape[-2], size), (size, size)):
        if x.shape[-2:] != shape:
            x = F.interpolate(x, size=shape, mode=mode, align_corners=False, antialias=True).clamp(0, 1)
    return x


def _create(open_clip, name: str, settings: Settings, tag_config: dict, **options):
    """The architecture with the right preprocessing; with a ``local-dir:`` name also its weights."""
    preprocessing = {key: tag_config.get(key) for key in ("mean", "std", "interpolation", "resize_mode")}
    preprocessing |= settings.model_dump(include={"mean", "std"}, exclude_none=True)
    try:
        with _quiet():
            return open_clip.create_model(
                name, precision="fp32", pretrained_text=False, force_preprocess_cfg=preprocessing, **options
            )
    except Exception as error:
        raise InputError(
            f"{name}: open_clip cannot make this model ({_first_line(error)}). Check model and weights."
        ) from error


def _activation(open_clip, name: str, wanted: bool | None, archive: bool, tag_config: dict) -> bool:
    """Whether the model computes OpenAI's approximate GELU: as wanted, else as its weights or its name say."""
    by_name = bool(open_clip.get_model_config(name).get("quick_gelu"))
    if wanted is None:
        if not (by_name or archive or tag_config) and open_clip.get_pretrained_cfg(name, "openai"):
            logger.warning(
                "%s: the weights do not say which GELU they were trained with; the exact one is computed. If they are "
                "OpenAI's, set quick_gelu: true in the settings of the encoder, else quick_gelu: false.",
                name,
            )
        return by_name or archive or bool(tag_config.get("quick_gelu"))
    if by_name and not wanted:
        raise InputError(
            f"openclip settings, quick_gelu: found {wanted!r} for {name}, expected true. Correct it, leave it out, or "
            "choose another model."
        )
    return wanted


def _known_model(open_clip, name: str | None) -> str:
    known = open_clip.list_models()
    if name is not None and name in known:
        return name
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.3) or known[:3]
    raise InputError(
        f"openclip settings, model: found {name!r}, expected a model that open_clip knows. Nearest: {', '.join(near)}."
    )


def _weights_in(folder: Path) -> Path:
    """The weights file of a ``local-dir:`` folder; raises InputError if it or the configuration is missing."""
    present = [folder / name for name in WEIGHTS_NAMES if (folder / name).is_file()]
    missing = [] if (folder / CONFIG_NAME).is_file() else [CONFIG_NAME]
    if not present:
        missing.append(WEIGHTS_NAMES[0])
    if missing:
        raise InputError(
            f"{folder}: {' and '.join(missing)} not found; expected a folder with {CONFIG_NAME} and "
            f"{WEIGHTS_NAMES[0]}. Put the model there or correct the path in weights."
        )
    return present[0]


def _weights_file(open_clip, name: str, weights: str, settings: Settings) -> tuple[Path, str | None]:
    """The weights as a local file, downloaded if ``weights`` is a tag, and the tag that describes them, if any."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    tag = settings.tag
    if tag is not None and tag not in tags:
        raise InputError(
            f"openclip settings, tag: found {tag!r}, expected a tag of {name}: {', '.join(tags) or 'none'}."
        )
    path = Path(weights).expanduser()
    if path.is_file():
        return path, tag
    if weights not in tags:
        raise InputError(
            f"openclip settings, weights: found {weights!r}, which is neither a file nor a pretrained tag of {name}; "
            f"expected a path that exists or one of: {', '.join(tags) or 'none'}. Correct the path or the tag."
        )
    config = open_clip.get_pretrained_cfg(name, weights)
    url = config.get("url") or ""
    digest = settings.sha256
    try:
        # A tag may be served from two addresses with different files; a digest that stands in the address decides.
        direct = bool(digest) and str(digest) in url
        with _quiet():
            return Path(open_clip.download_pretrained(config, not direct, settings.cache_dir)), weights
    except Exception as error:
        raise InputError(
            f"weights {weights!r} of {name}: cannot be downloaded ({_first_line(error)}). Without a network, get the "
            f"file elsewhere (public address: {url or 'Hugging Face, ' + str(config.get('hf_hub'))}) and give its path "
            "as weights."
        ) from error


def _verified(path: Path, expected: str | None) -> str:
    """SHA-256 of the file; raises InputError if another one is expected."""
    try:
        found = files.sha256(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    if expected is not None and found != expected:
        raise InputError(
            f"{path}: found sha256 {found}, expected {expected}. Delete the file and fetch it again, or correct sha256."
        )
    return found


def _is_torchscript(path: Path) -> bool:
    """Whether the file is a TorchScript archive, recognised among state dicts by the code in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") or "/code/" in name for name in archive.namelist())


def _fill(open_clip, model, name: str, path: Path, archive: bool) -> None:
    """Put the file's weights into the model: all of them, or InputError. Nothing is unpickled by Python."""
    try:
        with _quiet():
            if path.suffix in (".npz", ".npy"):
                raise ValueError("NumPy files are not read")
            if not archive:
                open_clip.load_checkpoint(model, str(path), strict=True, weights_only=True)
                return
            state = torch.jit.load(str(path), map_location="cpu").state_dict()
            for key in ("input_resolution", "context_length", "vocab_size", "attn_mask"):
                state.pop(key, None)  # not weights
            model.load_state_dict(state, strict=True)
    except Exception as error:
        raise InputError(
            f"{path}: cannot be used as weights of {name} ({_first_line(error)}); expected a safetensors file, a state "
            "dict or OpenAI's archive of that model. Check that the file is whole and belongs to the model."
        ) from error


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
