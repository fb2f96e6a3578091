"""Everything that can be wrong with a file that somebody brings: one clear message or a finding, and nothing worse.

All cases are inspected and ingested in one child process whose memory is limited, so that a crash, a hang or a spike
shows. ``python test_broken_inputs.py FOLDER`` is that process.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import time
import traceback
import zipfile
import zlib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
import xarray as xr
from sklearn.datasets import load_digits

from cortexclip.numerics.resize import resized

SPIKE = 1 << 30  # bytes that no case may take beyond what the process has
SECONDS = 20
REFUSED_AS_IT_IS = "refused as it is"
ENTRY = {
    **{key: "x" for key in ("title", "modality", "source", "licence", "citation", "how")},
    **{"reader": "cortexclip.data.arrays", "notes": [], "pixel_order": "row-major", "labels": "class"},
}
N_TRAIN, N_TEST, N_VOXELS, SIDE = 40, 16, 24, 12


def healthy() -> dict[str, np.ndarray]:
    """Upright digits, responses that follow them, and their classes, in the schema of the field."""
    digits, random = load_digits(), np.random.default_rng(0)
    chosen = random.permutation(len(digits.data))[: N_TRAIN + N_TEST]
    images = resized(digits.images[chosen], SIDE).reshape(len(chosen), -1)
    images = np.rint(images * 15.9).astype(np.uint8)
    brain = images @ random.standard_normal((SIDE**2, N_VOXELS)) / 300 + random.standard_normal((len(images), N_VOXELS))
    label = digits.target[chosen].astype(np.uint8)[:, None]
    both = {"fmri": brain, "stim": images, "label": label}
    return {
        f"{kind}{part}": array[chosen]
        for kind, array in both.items()
        for part, chosen in (("Trn", slice(0, N_TRAIN)), ("Test", slice(N_TRAIN, None)))
    }


# How the cases are made: each is a function of a path that writes a file there.
def content(data: bytes):
    return lambda path: path.write_bytes(data)


def mat(*removed, compressed=False, **changes):
    return lambda path: scipy.io.savemat(path, changed(changes, removed), do_compression=compressed)


def npz(*removed, **changes):
    return lambda path: write_npz(path, changed(changes, removed))


def write_npz(path, arrays):
    with open(path, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def changed(changes, removed=()):
    arrays = healthy()
    for name, change in changes.items():
        arrays[name] = change(arrays) if callable(change) else change
    return {name: array for name, array in arrays.items() if name not in removed}


def damaged(make, change):
    """What ``make`` writes with its bytes changed."""

    def write(path):
        make(path)
        path.write_bytes(change(path.read_bytes()))

    return write


def half(data):
    return data[: len(data) // 2]


def flipped(position, bit=64):
    return lambda data: data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :]


def with_array(make, name, *pieces):
    """What ``make`` writes, followed by a matrix of version 5 that is given in pieces."""

    def write(path):
        make(path)
        with open(path, "ab") as stream:
            stream.write(element5(name, *pieces))

    return write


def element5(name, shape, data=bytes(8), flags=6):
    def element(kind, body):
        return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)

    body = element(6, struct.pack("<II", flags, 0)) + element(5, struct.pack("<ii", *shape))
    body += element(1, name.encode("latin-1")) + element(9, data)
    return struct.pack("<II", 14, len(body)) + body


def bomb5(path):
    mat("fmriTrn")(path)
    packed = zlib.compress(element5("fmriTrn", (N_TRAIN, N_VOXELS), bytes(8 * N_TRAIN * N_VOXELS)) + bytes(1 << 28))
    with open(path, "ab") as stream:
        stream.write(struct.pack("<II", 15, len(packed)) + packed)


def mat4(*removed, **changes):
    return lambda path: scipy.io.savemat(path, changed(changes, removed), format="4")


def matrix4(name, rows, columns, data=b"", mopt=0):
    return struct.pack("<5i", mopt, rows, columns, 0, len(name) + 1) + name.encode() + b"\0" + data


def npy(descr: str, shape: str, data: bytes = b"") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def zipped(members: dict[str, bytes], method=zipfile.ZIP_DEFLATED):
    def write(path):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, data in members.items():
                archive.writestr(name, data)

    return write


def npz_with(member: str, data: bytes):
    def write(path):
        write_npz(path, changed({}, ["fmriTrn"]))
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, data)

    return write


def encrypted(path):
    npz()(path)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    path.write_bytes(data)


def hdf5(*removed, then=lambda file: None, **changes):
    def write(path):
        with h5py.File(path, "w") as file:
            for name, array in changed(changes, removed).items():
                file[name] = array
            then(file)

    return write


def huge(file):
    file.create_dataset("fmriTrn", shape=(N_TRAIN, 1 << 25), dtype="f8", chunks=(1, 1 << 10))


def cycle(file):
    file["a/b/c"] = file["/"]
    file["a/b/d"] = file["a"]


def raw_bytes_key(file):
    h5py.h5g.create(file.id, b"fmri\xff\xfe\x00")
    file.create_dataset(b"voxels\xff", data=np.ones((N_TRAIN, 3)))


def ragged(file):
    made = file.create_dataset("fmriTrn", (N_TRAIN,), dtype=h5py.vlen_dtype(np.float64))
    made[:] = [np.ones(n) for n in range(N_TRAIN)]


def elsewhere(file):
    file.create_dataset("fmriTrn", (N_TRAIN, 4), "f8", external=[("/etc/passwd", 0, N_TRAIN * 32)])


def virtual(file):
    layout = h5py.VirtualLayout(shape=(N_TRAIN, 4), dtype="f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(N_TRAIN, 4))
    file.create_virtual_dataset("fmriTrn", layout)


def no_class(path):
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in healthy().items():
            file[name] = array.T
    with open(path, "r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def netcdf4(**attributes):
    def write(path):
        arrays = {name: (array.astype("i2") if array.dtype == np.uint8 else array) for name, array in healthy().items()}
        made = xr.Dataset(
            {n: ([f"{n}0", f"{n}1"], array, attributes if n == "fmriTrn" else {}) for n, array in arrays.items()}
        )
        made.to_netcdf(path, engine="h5netcdf")

    return write


def refused(make, *words, entry=None):
    return make, 2, words, entry


def found(make, *words, entry=None, status=1):
    return make, status, words, entry


def refused_as_it_is(make, *words):
    """Ingest refuses the schema of the field; inspect proposes what the file is."""
    return make, REFUSED_AS_IT_IS, words, None


def parts(name):
    return lambda change: {f"{name}{part}": lambda a, part=part: change(a[f"{name}{part}"]) for part in ("Trn", "Test")}


def with_nan(array):
    array = array.astype(float)
    array[2, 1] = np.nan
    return array


def leaked(name):
    """Test rows of an array copied over its first training rows."""

    def change(a):
        array = a[f"{name}Trn"].copy()
        array[:N_TEST] = a[f"{name}Test"]
        return array

    return change


def standardised(path):
    arrays = healthy()
    both = np.concatenate([arrays["fmriTrn"], arrays["fmriTest"]])
    both = (both - both.mean(axis=0)) / both.std(axis=0)
    mat(fmriTrn=both[:N_TRAIN], fmriTest=both[N_TRAIN:])(path)


def noise(shape):
    return np.random.default_rng(shape).standard_normal(shape)


CASES = {
    # files that are no data
    "missing": refused(lambda path: None, "cannot be read (No such file"),
    "folder": refused(lambda path: path.mkdir(), "is a folder"),
    "pipe": refused(lambda path: os.mkfifo(path), "is a device or pipe"),
    "empty": refused(content(b""), "is empty (0 bytes)"),
    "one byte": refused(content(b"M"), "of no format"),
    "text": refused(content(b"fmriTrn,stimTrn\n1,2\n" * 50), "of no format", "b'fmriTrn"),
    "web page": refused(content(b"<!DOCTYPE html><html>404 Not Found</html>" * 9), "of no format", "<!DOCTYPE"),
    "zeros": refused(content(bytes(4096)), "of no format"),
    "noise": refused(content(np.random.default_rng(0).bytes(4096)), "of no format"),
    "gzip": refused(content(zlib.compress(bytes(4096), wbits=31)), "of no format"),
    "binary with line breaks": refused(content(b"\n\r\x1b[31m\n" * 99), "of no format"),
    # MATLAB of version 5 to 7.2
    "mat: truncated": refused(damaged(mat(), half), "cannot be read as MATLAB", "truncated or damaged"),
    "mat: compressed and truncated": refused(damaged(mat(compressed=True), half), "truncated or damaged"),
    "mat: header alone": refused(damaged(mat(), lambda data: data[:128]), "no array"),
    "mat: bit flipped in a type": refused(damaged(mat(), flipped(129)), "cannot be read as MATLAB"),
    "mat: bit flipped in compressed data": refused(damaged(mat(compressed=True), flipped(300)), "truncated or damaged"),
    "mat: bit flipped in the byte order": refused(damaged(mat(), flipped(126, 1)), "of no format"),
    "mat: header of 10 GB": refused(with_array(mat("fmriTrn"), "fmriTrn", (N_TRAIN, 1 << 25)), "'fmriTrn'", "can hold"),
    "mat: negative length": refused(with_array(mat("fmriTrn"), "fmriTrn", (-4, 2)), "'fmriTrn'", "cannot be"),
    "mat: compressed bomb": refused(bomb5, "'fmriTrn'", "do not end where they should"),
    "mat: array twice": refused(with_array(mat(), "fmriTrn", (1, 1)), "'fmriTrn' 2 times"),
    "mat: missing array": refused(mat("fmriTest"), "no array 'fmriTest'"),
    "mat: cell": refused(mat(fmriTrn=np.array([[1, "a"], ["b", 2]], dtype=object)), "'fmriTrn'", "cell"),
    "mat: struct": refused(mat(fmriTrn={"data": np.ones((3, 2))}), "'fmriTrn'", "struct"),
    "mat: text": refused(mat(fmriTrn=np.array(["ab", "cd"])), "'fmriTrn'", "char"),
    "mat: sparse": refused(mat(fmriTrn=scipy.sparse.eye_array(N_TRAIN, 9)), "'fmriTrn'", "sparse"),
    "mat: complex": refused(mat(fmriTrn=np.ones((N_TRAIN, 3)) * 1j), "'fmriTrn'", "complex"),
    "mat: logical responses": refused(mat(fmriTrn=lambda a: a["fmriTrn"] > 0), "'fmriTrn'", "logical"),
    "mat: empty array": refused(mat(fmriTrn=np.zeros((0, N_VOXELS))), "'fmriTrn'", "empty (0 x 24)"),
    "mat: name with a path": refused(
        with_array(mat("fmriTrn"), "../../fmriTrn", (1, 1)), "no array 'fmriTrn'", "../../"
    ),
    "mat: name with line breaks": refused(with_array(mat("fmriTrn"), "a\n\x1b[2J", (1, 1)), r"a\n\x1b[2J"),
    "mat: name that is not UTF-8": refused(with_array(mat("fmriTrn"), "fmri\xff\xfe", (1, 1)), "fmriÿþ"),
    # MATLAB of version 4
    "mat4: truncated": refused(damaged(mat4(), half), "more than", "bytes can hold"),
    "mat4: header of 10 GB": refused(content(matrix4("fmriTrn", N_TRAIN, 1 << 25, bytes(900))), "bytes can hold"),
    "mat4: negative rows": refused(damaged(mat4(), lambda data: data + matrix4("x", -1, 3)), "-1 x 3"),
    "mat4: rubbish at the end": refused(damaged(mat4(), lambda data: data + b"rubbish" * 9), "no header of a matrix"),
    # numpy
    "npz: truncated": refused(damaged(npz(), half), "cannot be read as numpy .npz"),
    "npz: no member": refused(zipped({}), "no array"),
    "npz: header of 10 GB": refused(npz_with("fmriTrn.npy", npy("'<f8'", "(40, 33554432)", bytes(64))), "can hold"),
    "npz: bomb": refused(
        npz_with("fmriTrn.npy", npy("'<f8'", "(40, 1048576)", bytes(8 * 40 << 20))), "'fmriTrn'", "can hold"
    ),
    "npz: fewer bytes than declared": refused(
        npz_with("fmriTrn.npy", npy("'<f8'", "(40, 24)", bytes(64))), "does not hold"
    ),
    "npz: negative length": refused(npz_with("fmriTrn.npy", npy("'<f8'", "(-40, 24)")), "cannot be"),
    "npz: pickled objects": refused(npz(fmriTrn=np.array([{}, []], dtype=object)), "'fmriTrn' is a pickled object"),
    "npz: ragged": refused(
        npz(fmriTrn=np.array([[1.0], [1.0, 2.0]] * 20, dtype=object)), "'fmriTrn' is a pickled object array"
    ),
    "npz: structured": refused(npz(fmriTrn=np.zeros(N_TRAIN, dtype=[("a", "f8")])), "'fmriTrn'", "structured"),
    "npz: dates": refused(npz(fmriTrn=np.zeros((N_TRAIN, 2), "M8[s]")), "'fmriTrn'", "date"),
    "npz: text": refused(npz(fmriTrn=np.full((N_TRAIN, 2), "1.5")), "'fmriTrn' is a text array"),
    "npz: code as header": refused(
        npz_with("fmriTrn.npy", npy("__import__('os')", "()")), "cannot be read as numpy .npz"
    ),
    "npz: unknown version": refused(npz_with("fmriTrn.npy", b"\x93NUMPY\x09\x00"), "version"),
    "npz: bit flipped in the data": refused(damaged(npz(), flipped(400)), "truncated or damaged"),
    "npz: encrypted": refused(encrypted, "cannot be read as numpy .npz", "encrypted"),
    "npz: other compression": refused(zipped({"fmriTrn.npy": npy("'<f8'", "(1,)")}, zipfile.ZIP_LZMA), "method 14"),
    "npz: names with paths": refused(
        zipped({"../../fmriTrn.npy": npy("'<f8'", "(1,)", bytes(8)), "/etc/x.npy": npy("'<f8'", "(1,)", bytes(8))}),
        "../../fmriTrn",
    ),
    "npz: a member that is no array": refused(zipped({"readme.txt": b"hello"}), "no array 'fmriTrn'; found readme.txt"),
    # HDF5
    "hdf5: truncated": refused(damaged(hdf5(), half), "cannot be read as HDF5", "truncated or damaged"),
    "hdf5: bit flipped in the superblock": refused(damaged(hdf5(), flipped(13)), "cannot be read as HDF5"),
    "hdf5: declares 10 GB": refused(hdf5("fmriTrn", then=huge), "'fmriTrn'", "can hold"),
    "hdf5: cyclic links": refused(hdf5("fmriTrn", then=cycle), "no array 'fmriTrn'"),
    "hdf5: soft link to itself": refused(
        hdf5("fmriTrn", then=lambda f: f.__setitem__("fmriTrn", h5py.SoftLink("/fmriTrn"))), "link to another place"
    ),
    "hdf5: link to another file": refused(
        hdf5("fmriTrn", then=lambda f: f.__setitem__("fmriTrn", h5py.ExternalLink("/etc/passwd", "/"))),
        "link to another",
    ),
    "hdf5: storage in another file": refused(hdf5("fmriTrn", then=elsewhere), "'fmriTrn' lies in other files"),
    "hdf5: virtual": refused(hdf5("fmriTrn", then=virtual), "'fmriTrn' lies in other files"),
    "hdf5: keys that are not UTF-8": refused(
        hdf5("fmriTrn", then=raw_bytes_key), "no array 'fmriTrn'", r"voxels\udcff"
    ),
    "hdf5: ragged": refused(hdf5("fmriTrn", then=ragged), "'fmriTrn' is a reference or ragged array"),
    "hdf5: nothing in it": refused(
        hdf5("fmriTrn", then=lambda f: f.create_dataset("fmriTrn", data=h5py.Empty("f8"))), "empty"
    ),
    "hdf5: never written": refused(
        hdf5("fmriTrn", then=lambda f: f.create_dataset("fmriTrn", (N_TRAIN, N_VOXELS), "f8")), "'fmriTrn'", "can hold"
    ),
    "hdf5: a group": refused(hdf5("fmriTrn", then=lambda f: f.create_group("fmriTrn")), "no array 'fmriTrn'"),
    "hdf5: of MATLAB without classes": refused(no_class, "MATLAB_class", "order of its axes"),
    # NetCDF
    "netcdf-4: truncated": refused(damaged(netcdf4(), half), "cannot be read as HDF5"),
    "netcdf-4: packed": refused(netcdf4(scale_factor=0.1), "'fmriTrn' is packed"),
    "netcdf-3": refused(content(b"CDF\x01" + bytes(200)), "NetCDF of the classic format", "Save it anew"),
    # arrays that do not fit
    "one sample": refused(
        npz(**{f"{k}Test": lambda a, k=k: a[f"{k}Test"][:1] for k in ("fmri", "stim", "label")}),
        "1 sample",
        "2 or more",
    ),
    "all NaN": refused(mat(fmriTrn=np.full((N_TRAIN, N_VOXELS), np.nan)), "'fmriTrn' holds 960 NaN"),
    "one NaN": refused(
        mat(fmriTest=lambda a: with_nan(a["fmriTest"])), "1 NaN or infinite values (the first in row 2)"
    ),
    "too large for single precision": refused(mat(fmriTrn=lambda a: a["fmriTrn"] * 1e300), "infinite"),
    "swapped": refused(
        npz(
            fmriTrn=lambda a: a["stimTrn"].astype(float),
            stimTrn=lambda a: healthy()["fmriTrn"],
        ),
        "look swapped",
    ),
    "transposed": refused_as_it_is(
        mat(**parts("fmri")(np.transpose), **parts("stim")(np.transpose)), "has 24 rows", "sample_axis: last"
    ),
    "fewer responses than images": refused(mat(fmriTrn=lambda a: a["fmriTrn"][1:]), "39 rows", "has 40"),
    "other voxels in the parts": refused(mat(fmriTest=lambda a: a["fmriTest"][:, 1:]), "the same voxels in both"),
    "other pixels in the parts": refused(
        mat(stimTest=lambda a: np.pad(a["stimTest"], ((0, 0), (0, 25)))), "the same pixels"
    ),
    "oblong images": refused(mat(**parts("stim")(lambda x: x[:, :143])), "143 columns", "square number"),
    "images too small": refused_as_it_is(
        mat(**parts("stim")(lambda x: x[:, :64])), "images of 8 x 8 pixels", "image_size: 28"
    ),
    "two scales": refused(mat(stimTest=lambda a: a["stimTest"] / 255), "two scales", "0..255", "0..1"),
    "negative pixels": refused(mat(**parts("stim")(lambda x: x - 3.0)), "-3..", "Rescale"),
    "pixels with fractions": refused(mat(**parts("stim")(lambda x: x * 0.7)), "with fractions"),
    "bytes of 0 and 1": refused(npz(**parts("stim")(lambda x: (x > 99).astype("u1"))), "black, or in 0..1 stored as"),
    "labels of another number": refused(mat(labelTrn=lambda a: a["labelTrn"][1:]), "'labelTrn'", "40 labels"),
    "labels with fractions": refused(mat(labelTrn=lambda a: a["labelTrn"] + 0.5), "'labelTrn'", "whole numbers"),
    # what the audit finds
    "all rows equal": found(
        mat(**parts("fmri")(lambda x: np.tile(healthy()["fmriTrn"][:1], (len(x), 1)))), "constant voxels"
    ),
    "all values equal": found(mat(**parts("fmri")(np.zeros_like)), "constant voxels", "duplicated rows"),
    "test rows copied into training": found(mat(fmriTrn=leaked("fmri"), stimTrn=leaked("stim")), "rows across parts"),
    "test images in training": found(mat(stimTrn=leaked("stim")), "seen images"),
    "labels off by one": found(
        mat(labelTrn=lambda a: np.roll(a["labelTrn"], 1), labelTest=lambda a: np.roll(a["labelTest"], 1)),
        "labels would fit",
    ),
    "responses off by many": found(
        mat(**parts("fmri")(lambda x: np.roll(x, 7, axis=0))), "Nothing decodable beyond chance"
    ),
    "responses that are noise": found(
        mat(**parts("fmri")(lambda x: noise(x.shape))), "Nothing decodable beyond chance"
    ),
    "one image": found(
        mat(**parts("stim")(lambda x: np.tile(healthy()["stimTrn"][:1], (len(x), 1)))), "Nothing decodable"
    ),
    "black images": found(
        npz(**parts("stim")(lambda x: x * 0.0)), "1 of 1 distinct images is blank", "Nothing decodable"
    ),
    "voxels copied": found(mat(**parts("fmri")(lambda x: np.tile(x, (1, 2)))), "24 of 48 voxels are exact copies"),
    "images on their side": found(
        mat(**parts("stim")(lambda x: x.reshape(-1, SIDE, SIDE).transpose(0, 2, 1).reshape(-1, SIDE**2))),
        "lie on their side",
        entry={"pixel_order": "row-major"},
    ),
    "some voxels constant": found(
        mat(**parts("fmri")(lambda x: x * (np.arange(24) > 2))), "3 of 24 voxels are constant", status=0
    ),
    "scaled over both parts": found(
        standardised, "standardised over all samples, training and test together", status=0
    ),
    "one response of 1e6": found(
        mat(fmriTrn=lambda a: a["fmriTrn"] + 1e6 * np.eye(N_TRAIN, N_VOXELS)[:, ::-1] * (np.arange(N_VOXELS) == 3)),
        "more than 20 robust standard deviations",
        status=None,
    ),
    "one voxel": found(mat(**parts("fmri")(lambda x: x[:, :1])), "1 voxels", status=None),
    "two samples a part": found(
        mat(
            **{
                f"{k}{p}": lambda a, k=k, p=p: a[f"{k}{p}"][:2]
                for k in ("fmri", "stim", "label")
                for p in ("Trn", "Test")
            }
        ),
        "2 training and 2 test samples",
        status=None,
    ),
}


def run_all(folder: Path) -> None:
    """Inspect and ingest every case; results as JSON on stdout."""
    from cortexclip.__main__ import main
    from cortexclip.stages import ingest, inspect  # noqa: F401  imported before memory is measured

    def run(*arguments: str) -> dict:
        stream, begin = io.StringIO(), time.process_time()
        signal.alarm(SECONDS)
        try:
            with redirect_stdout(stream), redirect_stderr(stream):
                status = main(list(arguments))
        except BaseException:
            status = None
            stream.write(traceback.format_exc())
        signal.alarm(0)
        return {"status": status, "text": stream.getvalue(), "seconds": time.process_time() - begin}

    healthy_file = folder / "healthy"
    mat()(healthy_file)
    run("inspect", str(healthy_file))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + SPIKE, taken + SPIKE))
    results = {}
    for number, (name, (_, _, _, entry)) in enumerate(CASES.items()):
        path, output = folder / f"case {number}", folder / "out" / str(number)
        output.mkdir(parents=True)
        options = ["--entry", json.dumps(entry)] if entry else []
        inspected = run("inspect", str(path), "--no-pictures", "--strict", *options)
        files = ["--input", str(path), "--output", str(output / "toy.nc")]
        ingested = run("ingest", "--dataset", "toy", "--entry", json.dumps(ENTRY), *files)
        results[name] = {"inspect": inspected, "ingest": ingested, "left": [p.name for p in output.iterdir()]}
    status = Path("/proc/self/status").read_text()  # ru_maxrss would be that of the process that started this one, too
    peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024
    print(json.dumps({"cases": results, "peak": peak}))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    for number, (make, *_) in enumerate(CASES.values()):
        make(folder / f"case {number}")
    environment = os.environ | {"COLUMNS": "100000", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, str(folder)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, f"the process died ({done.returncode}): {done.stderr[-3000:]}"
    return json.loads(done.stdout)


def test_there_are_sixty_cases_or_more():
    assert len(CASES) >= 60


@pytest.mark.parametrize("case", CASES)
def test_a_broken_input_is_one_message_or_a_finding_and_nothing_worse(results, case):
    _, status, words, _ = CASES[case]
    result = results["cases"][case]
    inspected, ingested = result["inspect"], result["ingest"]
    text = inspected["text"]
    assert "Traceback" not in text + ingested["text"] and "MemoryError" not in text + ingested["text"], text
    assert inspected["status"] in (0, 1, 2) and ingested["status"] in (0, 2)
    if status is not None:
        assert inspected["status"] == (0 if status == REFUSED_AS_IT_IS else status), text
    refusal = status in (2, REFUSED_AS_IT_IS)
    printed = text + ingested["text"] if refusal else text
    for word in words:
        assert word in printed, printed
    if refusal:
        assert ingested["status"] == 2, ingested["text"]
        assert len(ingested["text"].splitlines()) == 1, ingested["text"]  # one message, one line
        assert result["left"] == []
    else:
        assert ingested["status"] == 0, ingested["text"]
        assert result["left"] == ["toy.nc"]


def test_none_takes_long_or_much_memory(results):
    slow = {
        name: r for name, r in results["cases"].items() if r["inspect"]["seconds"] + r["ingest"]["seconds"] > SECONDS
    }
    assert not slow
    assert results["peak"] < SPIKE


if __name__ == "__main__":
    run_all(Path(sys.argv[1]))
