"""The labelled container that every stage passes on: brain responses and the images that were seen.

A dataset is an ``xarray.Dataset``:

========================= ==================== =====================================================================
``brain``                 (sample, voxel)      float32, finite; the units of the source (often z-scored responses)
``stimuli``               (sample, y, x)       float32 in 0..1, upright: y runs down the rows, x along the columns
``noise_ceiling``         (voxel)              optional, float32 in 0..1; fraction of a single trial's variance that
                                               the stimulus explains (its root is the greatest possible correlation)
``part``                  coordinate, sample   "train" or "test": the split that the source distributes; "none"
                                               throughout if it distributes none
``stimulus``              coordinate, sample   identity of the image, see :func:`stimulus_identity`
``label``                 coordinate, sample   class of the image, -1 where there is none
``session``               coordinate, sample   scanning session, -1 where there is none
``run``                   coordinate, sample   optional; run within the session, -1 where there is none
``subject``, ``block``    coordinate, sample   optional; subject, and block within the run, -1 where there is none
``region``                coordinate, voxel    optional; number of the voxel's region of interest
========================= ==================== =====================================================================

The attributes are name, title, source, licence, citation, sha256 (of the source file, "" if there is none), modality,
images (what was done to the images of the source, "" if nothing), simulated (0 or 1) and notes (one sentence a line).

Brain responses are float32: rounding is 6e-8 of a value, a millionth of the noise of any measured response.

A reader makes a dataset from a raw file. It is a module, named by ``reader`` in the dataset's entry of datasets.yaml,
with one function::

    def read(path, name, entry) -> xarray.Dataset: ...

``path`` is the file or folder, ``name`` the dataset's name and ``entry`` its entry as a mapping: ``settings`` holds
the options of the reader itself, ``companions`` the paths, by role, of further files or folders, and ``sha256`` the
digest of the file that was found. The reader returns ``labelled(brain, stimuli, part, attributes(name, entry), ...)``
(see :func:`cortexclip.data.entries.attributes`), checks its settings, and raises InputError, with one clear sentence,
for anything in the file that it cannot use. :mod:`cortexclip.data.arrays` is the reader of files of named arrays.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from cortexclip.data import GROUPINGS
from cortexclip.errors import InputError, check_keys
from cortexclip.runtime.files import atomic_path

PARTS = ("train", "test")
NO_PARTS = "none"
ATTRIBUTES = ("name", "title", "source", "licence", "citation", "sha256", "modality", "images", "simulated", "notes")
MINIMUM_SAMPLES = 2  # a part with one sample has no variance, and no second image to identify it against


def stimulus_identity(image: np.ndarray) -> str:
    """Identity of an image (y, x) in 0..1 that depends on its shape and its pixels alone.

    It is "s-" and the first 10 hexadecimal digits of the SHA-256 of the shape ("28x28:") and of the pixels rounded to 8
    bits, row by row. Images that differ by less than an 8-bit step in every pixel may share an identity; that is
    intended, since the same picture stored as float32, float64 and uint8 has to be recognised as one.
    """
    pixels = np.rint(np.asarray(image, dtype=np.float64) * 255).astype(np.uint8)
    shape = "x".join(map(str, pixels.shape))
    return "s-" + hashlib.sha256(f"{shape}:".encode() + pixels.tobytes()).hexdigest()[:10]


def labelled(
    brain: np.ndarray,
    stimuli: np.ndarray,
    part: np.ndarray,
    attributes: Mapping[str, object],
    *,
    label: np.ndarray | None = None,
    session: np.ndarray | None = None,
    noise_ceiling: np.ndarray | None = None,
    region: np.ndarray | None = None,
    **groups: np.ndarray | None,
) -> xr.Dataset:
    """Give names to the axes of plain arrays, and identities to the stimuli.

    Arrays have the shapes of this module's table and any type; label and session are -1 throughout where they are None.
    ``groups`` are run, subject and block.
    ``attributes`` are the keys of ``ATTRIBUTES``; one left out becomes "" (``simulated``: 0). The dataset has passed
    :func:`validate`, and what that raises, this does.
    """
    with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite and is reported as such
        brain = np.asarray(brain, dtype=np.float32)
    stimuli = np.asarray(stimuli, dtype=np.float32)
    n_samples = len(stimuli)
    none = np.full(n_samples, -1, dtype=np.int32)
    variables = {
        "brain": (("sample", "voxel"), brain, {"long_name": "brain response"}),
        "stimuli": (("sample", "y", "x"), stimuli, {"long_name": "seen image", "units": "1", "range": "0 to 1"}),
    }
    if noise_ceiling is not None:
        meaning = {"long_name": "signal variance / total variance of a single trial", "units": "1"}
        variables["noise_ceiling"] = (("voxel",), np.asarray(noise_ceiling, dtype=np.float32), meaning)
    coordinates = {
        "part": ("sample", np.asarray(part, dtype=np.str_)),
        "stimulus": ("sample", np.array([stimulus_identity(image) for image in stimuli], dtype=np.str_)),
        "label": ("sample", none if label is None else np.asarray(label, dtype=np.int32)),
        "session": ("sample", none if session is None else np.asarray(session, dtype=np.int32)),
    }
    given = {name: values for name, values in groups.items() if values is not None}
    check_keys(given, GROUPINGS, "labelled")
    coordinates |= {name: ("sample", np.asarray(values, dtype=np.int32)) for name, values in given.items()}
    if region is not None:
        coordinates["region"] = ("voxel", np.asarray(region, dtype=np.int32))
    try:
        dataset = xr.Dataset(variables, coords=coordinates)
    except ValueError as error:
        raise InputError(f"{attributes.get('name', 'dataset')}: the arrays do not fit together ({error}).") from error
    for key in ATTRIBUTES:
        value = attributes.get(key)
        dataset.attrs[key] = int(bool(value)) if key == "simulated" else str(value or "")
    validate(dataset)
    return dataset


VARIABLES = {
    "brain": (("sample", "voxel"), "f4"),
    "stimuli": (("sample", "y", "x"), "f4"),
    "part": (("sample",), "U"),
    "stimulus": (("sample",), "U"),
    "label": (("sample",), "i4"),
    "session": (("sample",), "i4"),
}
OPTIONAL = {
    **{"noise_ceiling": (("voxel",), "f4"), "region": (("voxel",), "i4")},
    **dict.fromkeys(("run", "subject", "block"), (("sample",), "i4")),
}


def validate(dataset: xr.Dataset, where: str | None = None) -> None:
    """Check that ``dataset`` is what this module's description says.

    Raises InputError, beginning with ``where`` (by default the dataset's name), that names the first variable,
    coordinate or attribute that is missing, has other dimensions or another type, holds NaN or infinity, or lies
    outside its range; or the part with fewer than two samples.
    """
    where = where or str(dataset.attrs.get("name") or "dataset")
    _check_variables(dataset, VARIABLES, where)
    for axis, size in dataset.sizes.items():
        if size == 0:
            raise InputError(f"{where}: has no entry along '{axis}'; expected at least one.")
    for name in ("brain", "stimuli", "noise_ceiling"):
        if name in dataset.variables:
            _check_values(dataset.variables[name].values, name != "brain", f"{where}: '{name}'")
    _check_parts(dataset.variables["part"].values, where)
    identities = dataset.variables["stimulus"].values.tolist()
    if dataset.attrs.get("identities") != _digest(identities):  # not as `write` found them to be right
        for image, identity in zip(dataset.variables["stimuli"].values, identities, strict=True):
            if (made := stimulus_identity(image)) != identity:
                raise InputError(f"{where}: 'stimulus' says {identity} where the pixels give {made}.")
    for key in ATTRIBUTES:
        value = dataset.attrs.get(key)
        if value not in (0, 1) if key == "simulated" else not isinstance(value, str):
            wanted = "0 or 1" if key == "simulated" else "text"
            raise InputError(f"{where}: the attribute '{key}' is {value!r}, expected {wanted}.")
    if not dataset.attrs["name"]:
        raise InputError(f"{where}: the attribute 'name' is empty, expected the name of the dataset.")


def _check_variables(dataset: xr.Dataset, needed: Mapping[str, tuple], where: str) -> None:
    expected = {**needed, **{name: kind for name, kind in OPTIONAL.items() if name in dataset.variables}}
    for name, (dimensions, kind) in expected.items():
        if name not in dataset.variables:
            raise InputError(f"{where}: has no '{name}'; expected {_listed(expected)}.")
        variable = dataset.variables[name]
        if variable.dims != dimensions:
            raise InputError(f"{where}: '{name}' has the dimensions {variable.dims}, expected {dimensions}.")
        if variable.dtype.kind != "U" if kind == "U" else variable.dtype != np.dtype(kind):
            wanted = "text" if kind == "U" else np.dtype(kind).name
            raise InputError(f"{where}: '{name}' is {variable.dtype}, expected {wanted}.")


def _check_values(values: np.ndarray, is_share: bool, where: str) -> None:
    if bad := int(np.count_nonzero(~np.isfinite(values))):
        raise InputError(f"{where} holds {bad} NaN or infinite values, expected none.")
    if is_share and (values.min() < 0 or values.max() > 1):
        raise InputError(f"{where} ranges over {values.min():g}..{values.max():g}, expected 0..1.")


def _check_parts(parts: np.ndarray, where: str) -> None:
    names, counts = np.unique(parts, return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    if set(found) != {NO_PARTS} and (unknown := sorted(set(found) - set(PARTS))):
        raise InputError(
            f"{where}: 'part' holds {_listed(unknown)}, expected only {_listed(PARTS)}, or '{NO_PARTS}' throughout."
        )
    for part in [NO_PARTS] if NO_PARTS in found else PARTS:
        count = found.get(part, 0)
        if count < MINIMUM_SAMPLES:
            raise InputError(
                f"{where}: part '{part}' has {count} sample{'' if count == 1 else 's'}, expected at least "
                f"{MINIMUM_SAMPLES}."
            )


def write(dataset: xr.Dataset, path: str | os.PathLike) -> None:
    """Validate ``dataset`` and write it to ``path`` as netCDF-4, whole or not at all.

    The same dataset gives the same bytes, so a later stage reruns only when something changed. Identities are compared
    with the pixels here, once: pixels carry a checksum of HDF5, and the attribute ``identities`` is that of their
    identities, so that a reader need not hash every image again to know that both belong together.
    """
    plain = dataset.copy()
    plain.attrs.pop("identities", None)
    validate(plain)
    plain.attrs["identities"] = _digest(plain["stimulus"].values.tolist())
    for name in plain.variables:
        plain[name].encoding = {}
    compression = {
        name: {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True} for name in plain.data_vars
    }
    with atomic_path(path) as temporary:
        plain.to_netcdf(temporary, engine="h5netcdf", encoding=compression)


def read(path: str | os.PathLike, samples_only: bool = False) -> xr.Dataset:
    """Read a dataset written by :func:`write`; raises InputError if it is missing, not netCDF, or no valid dataset.

    With ``samples_only`` it has attributes and coordinates alone, neither responses nor images.
    """
    path = Path(path)
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path}: {found}; expected a dataset (.nc). Run the ingest or simulate stage to make it.")
    advice = "Delete it; the run that made it will make it again."
    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            dataset = (file.drop_vars(file.data_vars) if samples_only else file).load()
    except Exception as error:  # a damaged HDF5 file surfaces as almost any exception
        first_line = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"{path}: cannot be read as netCDF-4 ({type(error).__name__}: {first_line}). {advice}"
        ) from error
    for name in ("part", "stimulus"):
        if name in dataset.coords:
            dataset[name] = dataset[name].astype(np.str_)
    if "simulated" in dataset.attrs:
        dataset.attrs["simulated"] = int(dataset.attrs["simulated"])
    try:
        if samples_only:
            known = {name: kind for name, kind in VARIABLES.items() if name not in ("brain", "stimuli")}
            _check_variables(dataset, known, str(path))
        else:
            validate(dataset, where=str(path))
    except InputError as error:
        raise InputError(f"{error} {advice}") from error
    dataset.attrs.pop("identities", None)
    return dataset


def groupings(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """Number of the group of each sample by the name of the grouping, shape (n_samples,); -1 where it is not known.

    The names are label and those of ``GROUPINGS``. A run, say, is that of its session and its subject where these are
    known of all samples, since runs of two sessions may have the same number.
    """
    found = {"label": dataset["label"].values} if "label" in dataset.coords else {}
    above: list[np.ndarray] = []
    for name in GROUPINGS:
        if name in dataset.coords:
            values = dataset[name].values
            number = np.unique(np.stack([*above, values]), return_inverse=True, axis=1)[1].ravel()
            found[name] = np.where(values < 0, -1, number)
            if (values >= 0).all():
                above.append(values)
    return found


def has_parts(dataset: xr.Dataset) -> bool:
    """Whether the source of a dataset distributes a train/test split."""
    return dataset["part"].values[0] != NO_PARTS


def summary(dataset: xr.Dataset) -> str:
    """One line about a dataset without its name: training and test samples, voxels, image size, distinct stimuli."""
    part, stimulus = dataset["part"].values, dataset["stimulus"].values
    sizes = f"{dataset.sizes['voxel']} voxels, {dataset.sizes['y']}x{dataset.sizes['x']} images"
    if not has_parts(dataset):
        distinct = len(np.unique(stimulus))
        return f"{len(part)} samples without a train/test split, {sizes}, {distinct} distinct stimuli"
    train, test = stimulus[part == "train"], stimulus[part == "test"]
    return (
        f"{len(train)} training and {len(test)} test samples, {sizes}, {len(np.unique(train))} distinct "
        f"training and {len(np.unique(test))} distinct test stimuli ({np.isin(test, train).sum()} test samples show a "
        "training stimulus)"
    )


def _digest(identities: list[str]) -> str:
    return hashlib.sha256("\n".join(identities).encode()).hexdigest()


def _listed(names) -> str:
    return ", ".join(f"'{name}'" for name in names)
