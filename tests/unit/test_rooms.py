"""The package's rooms: what lies directly below it, and that imports run one way. No test imports another test."""

from __future__ import annotations

import ast
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "workflow" / "cortexclip"
TESTS = Path(__file__).resolve().parents[1]
ROOMS = [
    *("errors", "runtime", "numerics", "data", "features", "evaluation", "training", "priors", "methods"),
    *("configuration", "results", "audit", "tables", "figures", "report", "estimator", "stages", "__main__"),
]
"""From the lowest to the highest: a module imports from its own room and from lower ones."""
LONGEST = 65  # lines of a function
VAGUE = {"said", "told", "asked", "growing", "place", "places"}
"""Words that no identifier has: notes, rank, position, path or folder state what is meant."""


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room(name: str) -> str:
    """The room of a module by its dotted name, or a file's path relative to the package."""
    return name.split(".")[1]


def imported(tree: ast.AST) -> set[str]:
    """Names of the package's modules that a module imports, imports inside functions included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            single = node.module == "cortexclip"
            found |= {f"cortexclip.{alias.name}" for alias in node.names} if single else {node.module}
    return {name for name in found if name.startswith("cortexclip.")}


def test_every_room_is_listed():
    below = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert below - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path):
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    higher = [name for name in imported(ast.parse(path.read_text())) if ROOMS.index(room(name)) > ROOMS.index(here)]
    assert not higher, f"{here} imports from higher rooms: {', '.join(sorted(higher))}"


def test_no_test_imports_another_test():
    """A file of tests can be run, changed and left out alone; what several need is in a module beside them."""
    tests = {path.stem for path in TESTS.rglob("test_*.py")}
    found = []
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                words = {word for name in names for word in name.split(".")}
                found += [f"{path.relative_to(TESTS)} imports {name}" for name in sorted(words & tests)]
    assert not found, "; ".join(found)


def test_no_import_is_relative():
    """`test_imports_run_one_way` would not see these."""
    relative = [
        f"{path.relative_to(PACKAGE)}: line {node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative, "; ".join(relative)


def test_functions_are_short():
    long = [
        f"{path.relative_to(PACKAGE)}: {node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > LONGEST
    ]
    assert not long, "; ".join(long)


def test_identifiers_name_what_they_hold():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        with tokenize.open(path) as stream:
            names = {token.string for token in tokenize.generate_tokens(stream.readline) if token.type == tokenize.NAME}
        found |= {f"{path.relative_to(PACKAGE)}: {name}" for name in names if VAGUE & set(name.lower().split("_"))}
    assert not found, "; ".join(sorted(found))
