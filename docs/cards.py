"""The method cards of docs/methods.md, from the modules and the entries of the methods; used by generate.py."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from cortexclip.configuration.config import encoder_settings  # noqa: E402
from cortexclip.configuration.loading import load_encoder  # noqa: E402
from cortexclip.configuration.schema import read_yaml  # noqa: E402
from cortexclip.errors import InputError  # noqa: E402
from cortexclip.methods.catalogue import load_method, settings_for  # noqa: E402
from cortexclip.methods.interface import FitData, Method, Samples  # noqa: E402

TRIALS, VOXELS, SIDE, FEATURES = 107, 967, 28, 512
"""The size at which parameters are counted: that of miyawaki's training part, and ViT-B/32's embedding."""
QUICK = {"folds": 2, "copies": 100, "iterations": 1, "penalties": (1.0,)}
"""Settings of fits to noise that decide how long a fit takes and not how many numbers it fits; see also `quick`."""


def cards() -> str:
    """An overview of all methods, then a card for each."""
    methods = read_yaml(ROOT / "config/methods.yaml")
    spaces = read_yaml(ROOT / "config/encoders.yaml")
    counts = {name: count(entry) for name, entry in methods.items()}
    lines = ["| method | kind | variant of | parameters |", "| --- | --- | --- | --: |"]
    for name, entry in methods.items():
        base = f"`{entry['ablates']}`" if "ablates" in entry else ""
        lines.append(f"| `{name}` | {'control' if entry.get('control') else 'decoder'} | {base} | {counts[name]} |")
    for name, entry in methods.items():
        lines += ["", *card(name, entry, counts[name], spaces)]
    return "\n".join(lines)


def card(name: str, entry: Mapping, parameters: str, spaces: Mapping) -> list[str]:
    """The lines of one method's card."""
    method = configured(entry)
    rows = {
        "What": entry.get("note", ""),
        "How": prose(inspect.getdoc(type(method)) or ""),
        "Module": f"`{entry['module']}`: {prose(inspect.getmodule(type(method)).__doc__)}",
        "Source": entry.get("source", ""),
        "As in the source": entry.get("faithful", ""),
        "Not as in the source": entry.get("differs", ""),
        "Variant of": f"`{entry['ablates']}`, with which results/tables/ablation.md compares it"
        if "ablates" in entry
        else "",
        "Given": given(entry, method, spaces),
        "Parameters": parameters,
        "Grid": grid(entry),
    }
    return [
        f"## `{name}`: {entry['title']}",
        "",
        *(f"- {key}: {' '.join(text.split())}" for key, text in rows.items() if text),
    ]


def given(entry: Mapping, method: Method, spaces: Mapping) -> str:
    """The data that the method learns from and predicts from."""
    data = ["brain responses and images of the training samples of the split"]
    needs = {
        "classes": "the classes of the training images",
        "sessions": "the sessions of the training samples",
        "regions": "the region of interest of each voxel",
    }
    data += [needs.get(need, need) for need in entry.get("needs", [])]
    if "encoders" in entry:
        titles = [spaces[name]["title"] for name in entry["encoders"] if name in spaces]
        data.append(f"embeddings of the training images in one of these spaces: {', '.join(titles)}")
    if method.oracle_of:
        what = {"label": "class of each scored image", "session": "session of each scored sample"}[method.oracle_of]
        data.append(f"the {what} (an oracle, not a decoder)")
    if method.transductive:
        data.append("the brain responses of the scored samples, without their images (transductive)")
    none = "No other data, and nothing is pretrained."
    if "encoders" in entry:
        none = "No other data, except for those that the encoder of the space was trained on."
    return "; ".join(data) + ". " + entry.get("given", none)


def grid(entry: Mapping) -> str:
    """The settings that are tried."""
    return "; ".join(f"`{key}` {', '.join(map(str, values))}" for key, values in entry.get("grid", {}).items())


def count(entry: Mapping) -> str:
    """Fitted numbers at `TRIALS`, `VOXELS`, `SIDE` and `FEATURES`, from the network itself or from a fit to noise."""
    method = quick(configured(entry))
    try:
        return f"{_counted(method, noise(getattr(method.settings, 'views', 1) * FEATURES)):,}"
    except InputError:  # a method that accepts no embeddings but those of the space that its prior knows
        return f"{_counted(method, embedded(noise(FEATURES))):,}"


def configured(entry: Mapping) -> Method:
    """The method with its settings for a dataset of the size at which parameters are counted."""
    return load_method(entry["module"]).configured(settings_for(entry, "miyawaki", TRIALS + 12), entry["module"])


def quick(method: Method) -> Method:
    """The method with settings that fit as many numbers in less time.

    Where the fit tries several values for how images are drawn, or several resolutions, it is given the last one alone.
    """
    values = method.settings.model_dump()
    changes = {key: value for key, value in QUICK.items() if key in values}
    for key in ("strength", "guidance", "mixing", "steps", "resolutions"):
        if isinstance(values.get(key), tuple):
            changes[key] = values[key][-1:]
    return type(method)(method.settings.model_copy(update=changes))


def _counted(method: Method, data: FitData) -> int:
    if method.is_network:
        from cortexclip.training.stack import parameter_count

        return parameter_count(method.recipe(data).make())
    return method.fit(data, 0, lambda text: None).facts()["parameters"]


def embedded(data: FitData) -> FitData:
    """The same samples with the embeddings of their images by the encoder that ships with the project."""
    entry = read_yaml(ROOT / "config/encoders.yaml")["glyphclip"]
    samples = data.final
    encoder = load_encoder("glyphclip", encoder_settings(entry, ROOT))
    samples = replace(samples, embedding=encoder.encode(samples.images).astype(np.float64))
    return FitData(samples, samples, samples)


def noise(features: int) -> FitData:
    """Random samples of the size at which parameters are counted, with so many features an embedding."""
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(TRIALS, features))
    samples = Samples(
        brain=rng.normal(size=(TRIALS, VOXELS)).astype(np.float32),
        images=rng.random((TRIALS, SIDE, SIDE)).astype(np.float32),
        stimulus=np.array([f"s-{number}" for number in range(TRIALS)]),
        label=np.arange(TRIALS) % 2,
        session=np.arange(TRIALS) % 4,
        region=np.arange(VOXELS) % 3,
        embedding=embedding / np.linalg.norm(embedding, axis=1, keepdims=True),
    )
    return FitData(samples, samples, samples)


def prose(docstring: str) -> str:
    """The first paragraph of a docstring as Markdown."""
    return " ".join(re.sub(r"``([^`]*)``|:\w+:`([^`]*)`", r"`\1\2`", docstring.split("\n\n")[0]).split())
