"""An entry of datasets.yaml: what it may hold, how it reaches a stage as JSON, and the attributes that it states."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field, create_model, model_validator

from cortexclip.data import NO_BRAIN_DATA, title_of
from cortexclip.errors import check_keys
from cortexclip.runtime.files import json_object
from cortexclip.runtime.settings import Checked, Need, check


def _no_suffix_of_scores(name: str) -> str:
    if name.endswith(("_nearest", "_draw")):
        raise ValueError(f"'{name}' ends in {name[name.rindex('_') :]}, which scores use; choose another name.")
    return name


def _below_its_folder(file: str) -> str:
    path, elsewhere = PurePosixPath(file), "\\" in file or "\0" in file or ":" in file.split("/")[0]
    if elsewhere or not path.name or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"found {file!r}, expected a relative path without '..', such as folder/file.mat.")
    return file


def _of_the_web(address: str) -> str:
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:
        parts = urllib.parse.urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"the address {address!r} is not one, expected http://... or https://...")
    return address


Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$"), AfterValidator(_no_suffix_of_scores)]
"""Name of an entry of a catalogue, which becomes part of file names and commands."""
Parts = Literal["sets", "index", "none"]
PixelOrder = Literal["row-major", "column-major"]
Channels = Literal["grey", "rgb-last", "rgb-first"]
SampleAxis = Literal["first", "second", "third", "last"]
Labels = Literal["class", "session", "none"]
ImageSize = Annotated[int, Field(ge=4, le=512)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Dataset(Checked):
    """An entry of datasets.yaml."""

    NEEDS = (
        Need(("how", "labels"), "file"),
        Need(("file",), "companions"),
        Need(("pixel_order",), "reader", ("cortexclip.data.arrays",)),
    )

    title: str
    """Name of the dataset in tables and figures."""
    reader: str
    """Python module that makes the dataset."""
    modality: str
    """What was measured."""
    source: str
    """Where the data come from, down to the version."""
    licence: str
    """Terms of use."""
    citation: str
    """Whom to cite."""
    notes: tuple[str, ...]
    """What a reader must know before trusting a score."""
    settings: dict[str, Any] = {}
    """Settings of the reader or of the simulation."""
    file: Annotated[str, AfterValidator(_below_its_folder)] = ""
    """Path below resources/data and below CORTEXCLIP_DATA; a folder for readers that take one."""
    companions: dict[str, str] = {}
    """Further files or folders that the reader needs, by role, with paths like that of file."""
    addresses: tuple[Annotated[str, AfterValidator(_of_the_web)], ...] = ()
    """Where fetch may download the file."""
    sha256: Sha256 = ""
    """Checksum of the file; another version is refused."""
    how: str = ""
    """How to get the file by hand."""
    arrays: dict[str, str] = {}
    """Names of the arrays in the file, by role."""
    parts: Parts = "sets"
    """How the file gives the split into training and test samples: as two sets of arrays (default), as an array with
    the part of each sample, or not at all."""
    first_index: Literal[0, 1] = 0
    """Index of the first sample, needed with the roles test_index and train_index where these hold positions."""
    pixel_order: PixelOrder = "row-major"
    """How a row of the stimuli is laid out."""
    channels: Channels = "grey"
    """Grey images (default), or colour with the three values of a pixel together or as three images."""
    image_size: ImageSize = 0
    """Side in pixels to which images are resized; default: as they are."""
    sample_axis: SampleAxis | dict[Literal["brain", "stimuli"], SampleAxis] = "first"
    """The axis of the samples; default: first. One for both arrays, or one for each if they differ: {stimuli: last}.
    Axes of length one do not count."""
    labels: Labels = "class"
    """What the label arrays contain."""
    groups: tuple[Literal["subject", "session", "run", "block"], ...] = ()
    """Groupings of samples that the reader finds by itself; those in arrays and labels need not be named."""
    stands_for: str = ""
    """Name in published numbers of the dataset that this one stands for; default: its own name."""
    protocols: tuple[str, ...] = Field(default=(), min_length=1)
    """Protocols in which sources are measured again on a stand-in; default: those of the numbers. Without brain data a
    number from another protocol is measured in the first of these."""
    brain_data: bool = True
    """Whether the rows were measured or simulated (default), or contain no brain data at all (false); then the title
    gets these words, and modality has to be 'no brain data'."""

    @model_validator(mode="after")
    def _says_that_there_are_no_brain_data(self) -> Dataset:
        if not self.brain_data and self.modality != NO_BRAIN_DATA:
            raise ValueError(f"brain_data is false, so modality has to be '{NO_BRAIN_DATA}'.")
        return self


DATASET_KEYS = tuple(Dataset.model_fields)


def parse_dataset_entry(text: str, name: str) -> dict:
    """Parse an entry of datasets.yaml, or a part of one, from JSON; raises as :func:`check_part_of_entry`."""
    entry = json_object(text, f"--entry of dataset '{name}'")
    check_part_of_entry(entry, f"dataset '{name}'")
    return entry


def check_part_of_entry(entry: Mapping[str, object], where: str) -> None:
    """Check the keys that are there, whichever are; raises InputError for an unknown key or a value of another kind."""
    check_keys(entry, DATASET_KEYS, where)
    fields = {key: (Dataset.model_fields[key].annotation, Dataset.model_fields[key]) for key in entry}
    check(create_model("Dataset", __base__=Checked, **cast(Any, fields)), entry, where)


def attributes(name: str, entry: Mapping[str, Any]) -> dict[str, object]:
    """Attributes of the labelled dataset that an entry states; images and simulated are the reader's to set."""
    texts = {key: str(entry.get(key) or "") for key in ("source", "licence", "citation")}
    return {
        "name": name,
        **{key: " ".join(text.split()) for key, text in {"title": title_of(entry), **texts}.items()},
        "modality": str(entry.get("modality") or ""),
        "sha256": str(entry.get("sha256") or ""),
        "notes": "\n".join(" ".join(note.split()) for note in entry.get("notes") or []),
    }
