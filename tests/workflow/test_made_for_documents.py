"""What stands in the documentation is what the code makes, at full size: the strip, the notebook, counted parameters."""

from __future__ import annotations

import importlib.util
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from cortexclip.configuration.schema import read_yaml


def script(name: str):
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_strip_is_what_the_code_makes(tmp_path, monkeypatch, capsys):
    strip = script("strip")
    images = strip.rows()
    monkeypatch.setattr(strip, "rows", lambda: images)
    assert strip.main(["--check"]) == 0
    seen, ridge, ours = (np.asarray(Image.open(strip.STRIP), dtype=float)[row * 88 : row * 88 + 84] for row in range(3))
    assert np.square(ours - seen).mean() < np.square(ridge - seen).mean()  # as in its scores: no row is swapped
    Image.fromarray(np.flipud(np.asarray(Image.open(strip.STRIP)))).save(tmp_path / "other.png")
    monkeypatch.setattr(strip, "STRIP", tmp_path / "other.png")
    monkeypatch.setattr(strip, "ROOT", tmp_path)
    assert strip.main(["--check"]) == 1 and "out of date" in capsys.readouterr().out


def test_the_notebook_runs(monkeypatch, capsys):
    notebook = json.loads((ROOT / "examples/notebook.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    drawn = []
    monkeypatch.setattr(plt, "show", lambda: drawn.append(plt.gcf()))
    plt.switch_backend("Agg")
    names: dict = {}
    for cell in cells:
        exec("".join(line for line in cell["source"] if not line.startswith("%")), names)
    errors = names["errors"]
    assert errors["cortexclip"] < errors["mean_image"] and errors["ridge"] < errors["mean_image"]
    assert len(drawn) == 1 and names["share"] > 2 / len(names["gallery"])
    assert "found first" in capsys.readouterr().out
    plt.close("all")


@pytest.mark.parametrize("name", ["cortexclip", "brain_diffuser", "bcca", "local_decoders"])
def test_quick_fits_have_as_many_parameters_as_those_of_the_catalogue(name, monkeypatch):
    """The cards count parameters by fits that take less time."""
    cards = script("cards")
    entry = read_yaml(ROOT / "config/methods.yaml")[name]
    method = cards.configured(entry)
    assert cards.quick(method).settings != method.settings
    counted = cards.count(entry)
    monkeypatch.setattr(cards, "quick", lambda method: method)
    assert cards.count(entry) == counted
