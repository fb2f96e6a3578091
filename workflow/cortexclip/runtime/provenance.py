"""What a result was made with: which of our modules and which commit, which command, versions and machine."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import resource
import shlex
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
WORKFLOW_COMMAND = "CORTEXCLIP_COMMAND"  # environment variable in which a workflow tells its jobs how it was started


def code_digest(*modules: str) -> str:
    """Hexadecimal digest of the source of these modules and of every cortexclip module that they import, however deep.

    Imports are found in the source, those inside functions too, without importing anything; the package's own
    __init__, which holds its version, does not count. A module from elsewhere counts by its own source. A rule that
    carries this digest as a parameter reruns when, and only when, code that it uses has changed.
    """
    files = sorted(set().union(*(modules_used(module) for module in modules)) - {f"{PACKAGE.name}/__init__.py"})
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file}\0".encode())
        digest.update(_content(file))
    return digest.hexdigest()[:16]


def uses(package: str, module: str) -> bool:
    """Whether a module, or a cortexclip module that it imports, imports ``package`` anywhere in its source."""
    return any(package in {name.partition(".")[0] for name in _imported(file)} for file in modules_used(module))


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of packages; of all that are installed if none is named."""
    if not packages:
        found = {package.metadata["Name"]: package.version for package in importlib.metadata.distributions()}
        return dict(sorted(found.items(), key=lambda item: item[0].lower()))
    return {package: importlib.metadata.version(package) for package in packages}


def machine() -> dict[str, object]:
    """Python, operating system, processor, its cores and memory in MB, and the GPUs that torch sees if it is loaded."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "gpus": _gpus(),
    }


def peak_memory() -> float:
    """The largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def git_state() -> dict[str, object] | None:
    """Commit of the checkout that this code is, and whether tracked files differ from it; None without a checkout."""
    root = PACKAGE.parents[1]
    if Path(_git(root, "rev-parse", "--show-toplevel") or os.devnull).resolve() != root:
        return None  # not a checkout, or one that this project merely lies in
    return {"commit": _git(root, "rev-parse", "HEAD"), "changed": bool(_git(root, "status", "--porcelain", "-uno"))}


def command() -> dict[str, str]:
    """What was typed: the workflow's command, if a workflow started this process, and this process's own."""
    own = shlex.join(["python", "-m", PACKAGE.name, *sys.argv[1:]])
    return {"workflow": os.environ.get(WORKFLOW_COMMAND, ""), "stage": own}


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _gpus() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]


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
def _imported(file: str) -> frozenset[str]:
    """Names of all that a file imports: of modules, and of what may be a module in them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(_content(file))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return frozenset(found)


def _direct_imports(file: str) -> set[str]:
    """Source files of our package that a file imports."""
    found = set()
    for name in _imported(file):
        parts = name.split(".")
        for length in range(1, len(parts) + 1):  # a package's __init__ runs when its module is imported
            if parts[0] == PACKAGE.name and (path := _file_of(".".join(parts[:length]))):
                found.add(path)
    return found


@functools.cache
def modules_used(module: str) -> frozenset[str]:
    """Source files, relative to the package, of a module and all cortexclip modules that it imports, however deep."""
    start = _file_of(module)
    if start is None:  # a user's own module, from an installed package or from PYTHONPATH
        found = importlib.util.find_spec(module)
        if found is None or not found.origin:
            raise ModuleNotFoundError(f"no module '{module}'")
        start = found.origin
    seen, waiting = set(), [start]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting.extend(_direct_imports(file))
    return frozenset(seen)
