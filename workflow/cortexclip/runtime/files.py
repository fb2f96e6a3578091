"""Writing files so that a reader never sees half of one, and naming them by their content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cortexclip.errors import InputError


@contextmanager
def atomic_path(target: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` and move it into place when the block succeeds.

    The temporary name keeps the suffix of ``target``, since some writers choose the format by it.
    If the block raises, the temporary file is removed and ``target`` is left as it was.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem[:40]}.", suffix=target.suffix)
    except OSError as error:
        raise InputError(f"{target}: cannot write here ({error.strerror}). Choose a writable folder.") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_mask())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder beside ``target`` that becomes it, with all its files, when the block succeeds.

    ``target`` is not there yet, or an empty folder. If the block raises, nothing is left.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise InputError(f"{target}: cannot write here ({error.strerror}). Choose a writable folder.") from error
    try:
        yield folder
        folder.chmod(0o777 & ~_mask())
        os.replace(folder, target)
    except BaseException:
        shutil.rmtree(folder)
        raise


def _mask() -> int:
    """The permissions that new files and folders are not given."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(target: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8 to ``target``, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_if_changed(target: str | os.PathLike, text: str) -> None:
    """Write ``text`` to ``target`` unless that is what it holds, so that its age says when its content changed."""
    try:
        if Path(target).read_text(encoding="utf-8") == text:
            return
    except (OSError, UnicodeDecodeError):
        pass
    write_text(target, text)


def write_json(target: str | os.PathLike, content: object) -> None:
    """Write ``content`` as indented JSON with sorted keys; NaN and infinity are refused."""
    write_text(target, json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file; raises InputError when it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(
            f"{path}: not valid JSON ({error}). Delete it; the run that made it will make it again."
        ) from error


def json_object(text: str, option: str) -> dict:
    """The object that an option of the command line states as JSON; raises InputError if it is none."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"{option}: not valid JSON ({error}). Pass an object.") from error
    if not isinstance(value, dict):
        raise InputError(f"{option}: found {type(value).__name__}, expected a JSON object.")
    return value


def differ(one: Path, other: Path, digest: Callable[[Path], str] | None = None) -> bool:
    """Whether two files have other contents, by their size and their SHA-256, which ``digest`` may know already."""
    digest = digest or sha256
    return one.stat().st_size != other.stat().st_size or digest(one) != digest(other)


def known_sha256(path: Path, memory: Path) -> str:
    """SHA-256 of a file's content, computed anew unless ``memory``, a JSON file, has it of a file of this state.

    The state is the file's number, its size and the times of its last changes, of which nobody can set the last one: a
    file that is replaced by an older one of the same size is another one.
    """
    status = path.stat()
    state = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    try:
        known = dict(json.loads(memory.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    name = str(path.absolute())
    match known.get(name):
        case [before, str(digest)] if before == state:
            return digest
    digest = sha256(path)
    with contextlib.suppress(InputError, OSError):  # it is computed again where nothing can be remembered
        write_json(memory, known | {name: [state, digest]})
    return digest


def sha256(path: str | os.PathLike) -> str:
    """Hexadecimal SHA-256 of a file's content, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
