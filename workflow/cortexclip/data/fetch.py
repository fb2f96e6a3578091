"""Getting files (datasets, encoder weights) into place, each checked by its SHA-256 before anything may use it.

This is the one part of the workflow that uses a network. What cannot be had is an outcome with a reason and a sentence
on how to get it by hand, not an error: a machine without a network learns that within seconds.

A download that breaks off goes on where it stopped, from the same address after a while, from the next one, or in a
later run: what came so far lies beside the file's path, under a name that begins with a dot and holds the head of the
SHA-256 that it has to reach.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import queue
import re
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from cortexclip.data.entries import check_part_of_entry
from cortexclip.errors import InputError
from cortexclip.runtime.files import atomic_path, differ, sha256
from cortexclip.runtime.log import logger

CONNECT_SECONDS = 5.0  # for all addresses of an entry together, and the longest silence during a download
SLOWEST_BYTES_PER_SECOND = 1000  # averaged from PATIENCE_SECONDS on; below it a download is given up
PATIENCE_SECONDS = 30.0
PROGRESS_SECONDS = 5.0
ATTEMPTS = 4  # at one address, in a row, that bring nothing
MOST_ATTEMPTS = 50  # at one address in all
BACKOFF_SECONDS = 1.0  # before the second attempt; doubled before each further one
LONGEST_WAIT_SECONDS = 60.0  # between two attempts, whatever a server asks for
PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers that may be another one in a while
BLOCK = 1 << 16
AT_ONCE = 8
FOLDERS = {"data": ("resources/data", "."), "weights": ("resources/weights", "weights")}
"""Where files of each kind go, and below which part of the data folder they may already be."""


@dataclass(frozen=True)
class Entry:
    """A file that may be fetched, and the terms it comes under."""

    file: str  # path below the destination, with forward slashes
    addresses: tuple[str, ...] = ()  # http or https, tried in this order
    sha256: str = ""  # hexadecimal; without one the file is taken as it is, but never downloaded
    licence: str = ""
    citation: str = ""
    how: str = ""  # how to get the file by hand

    @classmethod
    def parse(cls, name: str, entry: Mapping[str, Any]) -> Entry:
        """Take the keys of this class from an entry of a catalogue; its other keys are not looked at.

        Raises InputError where :class:`cortexclip.data.entries.Dataset` refuses one of them, or there is no ``file``.
        """
        given = {field.name: entry[field.name] for field in fields(cls) if entry.get(field.name)}
        if "sha256" in given:
            given["sha256"] = str(given["sha256"]).lower()
        check_part_of_entry({"file": "", **given}, f"entry '{name}'")
        texts = {key: " ".join(given.get(key, "").split()) for key in ("licence", "citation", "how")}
        path, addresses = str(PurePosixPath(given["file"])), tuple(given.get("addresses", ()))
        return cls(**{**given, **texts, "file": path, "addresses": addresses})


@dataclass(frozen=True)
class Outcome:
    """What became of an entry."""

    status: str  # "present", "copied", "downloaded" or "not available"
    path: str  # where the file is, or would be
    reason: str = ""  # why it is not available, or what else is worth knowing
    how: str = ""  # how to get it by hand, if it is not available

    @property
    def available(self) -> bool:
        """Whether the right file is in place."""
        return self.status != "not available"


def with_companions(name: str, entry: Mapping) -> dict[str, Mapping]:
    """An entry and its companions as ``name.role``, which have neither addresses nor checksums of their own."""
    companions = entry.get("companions") or {}
    return {name: entry} | {
        f"{name}.{role}": {"file": file, "how": entry.get("how")} for role, file in companions.items()
    }


def fetch_kinds(
    entries: Mapping[str, Mapping[str, Entry]], data_dir: Path | None, timeout: float
) -> dict[str, Outcome]:
    """Fetch the entries of several kinds at the same time, each into its folder of `FOLDERS`."""

    def fetch_kind(kind: str) -> dict[str, Outcome]:
        destination, below = FOLDERS[kind]
        return fetch_all(entries[kind], destination, data_dir / below if data_dir else None, timeout)

    with ThreadPoolExecutor(len(FOLDERS)) as pool:
        return {name: outcome for found in pool.map(fetch_kind, entries) for name, outcome in found.items()}


def copy_stimuli(data_dir: Path) -> list[str]:
    """Copy the images below ``stimuli/`` of the data folder to resources/data, where they are not there yet.

    They are the stimuli of datasets with published numbers whose brain data are not public. Returns the names copied.
    """
    copied = []
    for folder in sorted(path for path in (data_dir / "stimuli").glob("*") if path.is_dir()):
        target = Path(FOLDERS["data"][0]) / "stimuli" / folder.name
        if target.exists():
            continue
        for image in sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg")):
            with atomic_path(target / image.name) as temporary:
                temporary.write_bytes(image.read_bytes())
        copied.append(folder.name)
    return copied


def fetch_all(
    entries: Mapping[str, Entry],
    destination: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
    timeout: float = CONNECT_SECONDS,
) -> dict[str, Outcome]:
    """Fetch several entries at the same time; see :func:`fetch`. The outcomes are in the order of ``entries``."""
    if not entries:
        return {}
    with ThreadPoolExecutor(max_workers=min(len(entries), AT_ONCE)) as pool:
        running = {name: pool.submit(fetch, entry, destination, data_dir, timeout) for name, entry in entries.items()}
        return {name: future.result() for name, future in running.items()}


def fetch(
    entry: Entry,
    destination: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
    timeout: float = CONNECT_SECONDS,
) -> Outcome:
    """Bring the file of ``entry`` to its path below ``destination``.

    The right file is looked for at its path, then below ``data_dir`` (and copied), then at the addresses. A file with
    another SHA-256 is never used; at its path below ``destination`` it is replaced once the right one has been found.
    Nothing is written outside ``destination``, and a file appears there only whole and checked.

    ``data_dir`` may hold the file already, in the same layout, and is only read. ``timeout`` is in seconds: to connect,
    over all addresses, and the longest silence during a download. A network that does not answer is a reason in the
    outcome, not an exception.

    Raises InputError when ``destination`` cannot be written, or a link below it leads elsewhere.
    """
    target = Path(destination) / entry.file
    reasons = []
    if target.is_file():
        wrong = _wrong_digest(target, entry)
        if not wrong:
            source = Path(data_dir or "", entry.file)
            other = f"{source} is another file; the copy is used" if source.is_file() and differ(target, source) else ""
            unchecked = "" if entry.sha256 else "not checked: the entry has no sha256"
            return Outcome("present", str(target), "; ".join(filter(None, [unchecked, other])))
        reasons.append(wrong)
    elif target.exists() and entry.sha256:
        return Outcome("not available", str(target), f"{target} is a folder, expected a file", entry.how)
    elif target.exists():
        return Outcome("present", str(target), "a folder, not checked")

    if data_dir:
        source = Path(data_dir) / entry.file
        if source.is_dir() and not entry.sha256:
            return Outcome("present", str(source), f"the folder {source}, read where it lies and not checked")
        if not Path(data_dir).is_dir():
            reasons.append(f"the data folder {data_dir} does not exist")
        elif not source.is_file():
            reasons.append(f"{source} does not exist")
        else:
            reason = _copy(source, target, destination, entry)
            if reason is None:
                return Outcome("copied", str(target), "; ".join([f"from {source}", *reasons]))
            reasons.append(reason)

    if entry.addresses and not entry.sha256:
        reasons.append("not downloaded: the entry has no sha256 to check it by")
    elif entry.addresses:
        deadline = time.monotonic() + timeout
        for address in entry.addresses:
            reason = _download(address, target, destination, entry, timeout, deadline)
            if reason is None:
                return Outcome("downloaded", str(target), "; ".join([f"from {address}", *reasons]))
            reasons.append(f"{address}: {reason}")
    return Outcome("not available", str(target), "; ".join(reasons) or "no address is known", entry.how)


def _wrong_digest(path: Path, entry: Entry) -> str | None:
    """Why the file may not be used, or None if it may."""
    if not entry.sha256:
        return None
    try:
        found = sha256(path)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return None if found == entry.sha256 else f"{path} has the sha256 {found}, expected {entry.sha256}"


def _refuse_leaving(target: Path, destination: str | os.PathLike) -> None:
    """Raise InputError if a symbolic link would take the file out of its folder."""
    if not target.parent.resolve().is_relative_to(Path(destination).resolve()):
        raise InputError(f"{target.parent}: is a link out of {destination}. Remove the link, or put the file there.")


def _copy(source: Path, target: Path, destination: str | os.PathLike, entry: Entry) -> str | None:
    """Copy and check; the reason if it cannot be had."""
    wrong = _wrong_digest(source, entry)
    if wrong:
        return wrong
    _refuse_leaving(target, destination)
    with atomic_path(target) as temporary:
        try:
            shutil.copyfile(source, temporary)
        except OSError as error:
            raise InputError(f"{target}: cannot be copied from {source} ({error.strerror}).") from error
        wrong = _wrong_digest(temporary, entry)  # the source may have changed since it was read
        if wrong:
            raise InputError(f"{source}: changed while it was copied. Run the fetch stage again.")
    return None


class _NotAvailable(Exception):
    """A reason, in a line, why an address did not give the file.

    ``again`` says whether it may do so later; ``wait`` is how many seconds the server requests to wait.
    """

    def __init__(self, reason: str, again: bool = False, wait: float = 0.0):
        super().__init__(reason)
        self.again, self.wait = again, wait


def _download(
    address: str, target: Path, destination: str | os.PathLike, entry: Entry, timeout: float, deadline: float
) -> str | None:
    """Download and check, in several attempts if need be; the reason if it cannot be had.

    The part is held through all attempts, so that two fetches of one file do not mix what they receive.
    """
    _refuse_leaving(target, destination)
    try:
        with _part(target, entry) as stream:
            return _attempts(address, stream, target, entry, timeout, deadline)
    except _NotAvailable as error:
        return str(error)


def _attempts(
    address: str, stream: BinaryIO, target: Path, entry: Entry, timeout: float, deadline: float
) -> str | None:
    barren, reason = 0, ""
    for attempt in range(MOST_ATTEMPTS):
        # Whoever answered once may take the full time again; the deadline is for networks that are not there.
        deadline = time.monotonic() + timeout if attempt else deadline
        before = stream.seek(0, os.SEEK_END)
        try:
            with _connect(address, timeout, deadline, before) as response:
                _receive(response, stream, entry)
                _accept(stream, target, entry, resumed=before > 0)
            return None
        except _NotAvailable as error:
            reason = str(error)
            if not error.again:
                return reason
            barren = 0 if stream.seek(0, os.SEEK_END) > before else barren + 1
            if barren == ATTEMPTS:
                break
            wait = min(max(BACKOFF_SECONDS * 2 ** max(barren - 1, 0), error.wait), LONGEST_WAIT_SECONDS)
            logger.info("%s: %s; next attempt in %.3g s", entry.file, reason, wait)
            time.sleep(wait)
    return f"{reason} (given up after {attempt + 1} attempts)"


def _part_of(target: Path, entry: Entry) -> Path:
    """Where what came so far lies."""
    return target.with_name(f".{target.name[:80]}.{entry.sha256[:16]}.part")


@contextlib.contextmanager
def _part(target: Path, entry: Entry) -> Iterator[BinaryIO]:
    """Open the part for adding to it, for nobody else at the same time; an empty one is removed at the end."""
    path = _part_of(target, entry)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not through a link: this may be a folder that others write to.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise InputError(f"{target}: cannot write here ({error.strerror}). Choose a writable folder.") from error
    with os.fdopen(handle, "r+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(stream.fileno()), os.stat(path)):
                raise OSError("moved into place by another fetch")
        except OSError as error:
            raise _NotAvailable("another fetch is downloading it at this moment") from error
        try:
            yield stream
        finally:
            stream.flush()
            if os.fstat(stream.fileno()).st_size == 0:
                path.unlink(missing_ok=True)


def _accept(stream: BinaryIO, target: Path, entry: Entry, resumed: bool) -> None:
    """Check the whole part and give it its name; a wrong one is emptied, and tried again if it came in pieces."""
    stream.flush()
    found = sha256(_part_of(target, entry))
    if found != entry.sha256:
        stream.truncate(0)
        raise _NotAvailable(f"has the sha256 {found}, expected {entry.sha256}", again=resumed)
    os.replace(_part_of(target, entry), target)


def _connect(address: str, timeout: float, deadline: float, start: int) -> http.client.HTTPResponse:
    """Open an address from byte ``start`` on, or give up at ``deadline``.

    It is opened in a thread of its own, which is left behind if it does not answer: looking up a name knows no timeout.
    """
    answers: queue.Queue = queue.Queue()

    def open_address() -> None:
        try:
            answers.put(_opener().open(_request(address, start), timeout=timeout))
        except Exception as error:  # handed over to the waiting thread, which makes a reason of it
            answers.put(error)

    threading.Thread(target=open_address, daemon=True, name=f"open {address}").start()
    try:
        result = answers.get(timeout=max(deadline - time.monotonic(), 0.1))
    except queue.Empty as error:
        raise _NotAvailable(f"no answer within {timeout:g} s") from error
    if isinstance(result, urllib.error.HTTPError) and result.code == 416 and start:
        result.close()  # nothing from there on: what came so far is too long, so it belongs to something else
        return _connect(address, timeout, deadline, 0)
    if isinstance(result, Exception):
        wait = None
        if isinstance(result, urllib.error.HTTPError) and result.code in PASSING:
            wait = _seconds(result.headers.get("Retry-After"))
        again = wait is not None
        raise _NotAvailable(_network_reason(result, timeout), again=again, wait=wait or 0.0) from result
    return result


def _seconds(text: str | None) -> float:
    """Seconds of a Retry-After header; 0 for none and for dates."""
    return float(text) if text and text.isdecimal() and len(text) < 6 else 0.0


def _opener() -> urllib.request.OpenerDirector:
    """Open http and https alone, also after a redirection, through the proxies of the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _request(address: str, start: int) -> urllib.request.Request:
    headers = {"User-Agent": "cortexclip", "Accept-Encoding": "identity"}
    return urllib.request.Request(address, headers=headers | ({"Range": f"bytes={start}-"} if start else {}))


def _network_reason(error: Exception, timeout: float) -> str:
    """One line about what a connection failed with."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"the server answered {error.code} {_one_line(error.reason)}".rstrip()
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {timeout:g} s"
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return f"no connection ({_one_line(text)})"


def _one_line(text: object) -> str:
    """Text of a server or of the system as it may stand in a line: no control characters, and not long."""
    return " ".join("".join(one if one.isprintable() else " " for one in str(text)).split())[:200]


def _receive(response: http.client.HTTPResponse, stream: BinaryIO, entry: Entry) -> None:
    """Add the body of ``response`` to ``stream``; raises _NotAvailable when it stalls, crawls or ends too soon.

    A server that starts from the beginning, whatever was requested, replaces what came so far.
    """
    first = _first_byte(response)
    if first != stream.seek(0, os.SEEK_END):
        stream.seek(0)
        stream.truncate()
        if first != 0:
            raise _NotAvailable("the server answered with another part than it was asked for", again=True)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _NotAvailable(f"the server answered with the encoding {response.headers['Content-Encoding'][:20]!r}")
    length = response.headers.get("Content-Length", "")
    expected = first + int(length) if length.isdecimal() else None
    total = f" of {expected / 2**20:.1f}" if expected is not None else ""
    received, started = first, time.monotonic()
    shown = started
    while True:
        try:
            block = response.read1(BLOCK)
        except TimeoutError as error:
            raise _NotAvailable(f"the download stalled after {received} bytes", again=True) from error
        except (OSError, http.client.HTTPException) as error:
            reason = _network_reason(error, 0)
            raise _NotAvailable(f"the download broke off after {received} bytes: {reason}", again=True) from error
        if not block:
            break
        try:
            stream.write(block)
        except OSError as error:
            raise InputError(f"{stream.name}: cannot be written ({error.strerror}).") from error
        received += len(block)
        now = time.monotonic()
        if now - started > PATIENCE_SECONDS and (received - first) / (now - started) < SLOWEST_BYTES_PER_SECOND:
            raise _NotAvailable(f"the download is too slow ({received - first} bytes in {now - started:.0f} s)")
        if now - shown >= PROGRESS_SECONDS:
            shown = now
            logger.info("%s: %.1f%s MiB", entry.file, received / 2**20, total)
    if expected is not None and received != expected:
        raise _NotAvailable(f"the download ended after {received} of {expected} bytes", again=True)


def _first_byte(response: http.client.HTTPResponse) -> int:
    """From which byte of the file on a response is; -1 if it is a part and does not say which."""
    if response.status != 206:
        return 0
    match = re.fullmatch(r"bytes (\d{1,15})-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    return int(match[1]) if match else -1
