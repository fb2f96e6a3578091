"""The first page is short, the notebook holds no output, and the recipes run."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
from samples import make_samples

ROOT = Path(__file__).resolve().parents[2]


def test_the_first_page_is_short_and_begins_with_the_strip():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 90 and "(docs/images/strip.png)" in lines[2] and "simulated" in lines[2]
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == 2 + 6


def test_the_notebook_is_kept_without_its_output():
    notebook = json.loads((ROOT / "examples/notebook.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert notebook["nbformat"] == 4 and cells and all(cell["outputs"] == [] for cell in cells)


def recipe(heading: str) -> list[str]:
    text = (ROOT / "docs/recipes.md").read_text(encoding="utf-8").partition(f"## {heading}")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_the_recipe_for_nilearn_works(tmp_path, monkeypatch, capsys):
    """With nilearn from a list of images of the brain; without it from the array that its masker gives."""
    monkeypatch.chdir(tmp_path)
    samples = make_samples(40)
    mask, fit, save = recipe("nilearn")
    names = {"images": samples.images, "responses": samples.brain}
    if importlib.util.find_spec("nilearn"):
        import nibabel

        volume = np.zeros((40, 4, 4, 4), dtype=np.float32)
        volume[:, :2, :, :][:, np.indices((2, 4, 4)).sum(axis=0) < 9] = np.pad(samples.brain, ((0, 0), (0, 2)))
        inside = np.zeros((4, 4, 4), dtype=np.uint8)
        inside[:2] = 1
        nibabel.save(nibabel.Nifti1Image(inside, np.eye(4)), "visual_cortex.nii.gz")
        names["beta_maps"] = [nibabel.Nifti1Image(one, np.eye(4)) for one in volume]
        exec(mask, names)
    assert names["responses"].shape[0] == 40 and "masker.fit().transform(beta_maps)" in mask
    exec(fit, names)
    error, control = map(float, re.findall(r": ([\d.e-]+)", capsys.readouterr().out))
    assert error < control
    exec(save, names)
    assert np.load("subject1.npz")["responses"].shape == names["responses"].shape
