"""What a result was made with: which of our modules, which versions, which machine."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def code_digest(*modules: str) -> str:
    """Hexadecimal digest of the source of these modules and of every cortexclip module that they import, however deep.

    Imports are found in the source, those inside functions too, without importing anything; the package's own
    __init__, which holds its version, does not count. A module from elsewhere counts by its own source. A rule that
    carries this digest as a parameter reruns when, and only when, code that it uses has changed.
    """
    files = sorted(set().union(*(_closure(module) for module in modules)) - {f"{PACKAGE.name}/__init__.py"})
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file}\0".encode())
        digest.update(_content(file))
    return digest.hexdigest()[:16]


def modules_used(module: str) -> set[str]:
    """Source files, relative to the package, of a module and all cortexclip modules that it imports."""
    return _closure(module)


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of packages."""
    return {package: importlib.metadata.version(package) for package in packages}


def machine() -> dict[str, str]:
    """Python, operating system and processor."""
    return {"python": platform.python_version(), "system": platform.platform(), "processor": platform.machine()}


@functools.cache
def _content(file: str) -> bytes:
    return (PACKAGE.parent / file).read_bytes()


def _file_of(module: str) -> str | None:
    """Path of a module's source relative to the folder that holds the package; None if it does not lie there."""
    base = PACKAGE.parent / Path(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate.relative_to(PACKAGE.parent).as_posix()
    return None


@functools.cache
def _direct_imports(file: str) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(_content(file))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            for length in range(1, len(parts) + 1):  # a package's __init__ runs when its module is imported
                if parts[0] == PACKAGE.name and (path := _file_of(".".join(parts[:length]))):
                    found.add(path)
    return frozenset(found)


@functools.cache
def _closure(module: str) -> frozenset[str]:
    start = _file_of(module)
    if start is None:  # a user's own module, from an installed package or from PYTHONPATH
        found = importlib.util.find_spec(module)
        if found is None or not found.origin:
            raise ModuleNotFoundError(f"no module '{module}'")
        start = found.origin
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting.extend(_direct_imports(file))
    return frozenset(seen)
