"""The tables of a run compile in a paper, and every figure has beside it what a journal requires."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess

import pytest

PDFLATEX = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_tables_compile_in_a_paper(finished, tmp_path):
    shutil.copytree(finished.path / "results/tables", tmp_path / "tables")
    shutil.copytree(finished.path / "results/figures", tmp_path / "figures")
    done = subprocess.run(
        [*PDFLATEX, "document.tex"],
        cwd=tmp_path / "tables",
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Overfull" not in done.stdout and "Float too large" not in done.stdout
    for table in (finished.path / "results/tables").glob("*.tex"):
        if r"\begin{tab" in table.read_text():
            assert f"({table.name}" in done.stdout.replace("./", "") or f"/{table.name}" in done.stdout, table.name


def test_every_figure_has_its_caption_and_its_numbers(finished):
    figures = finished.path / "results/figures"
    stems = {path.with_suffix("") for path in figures.rglob("*.png")}
    assert len(stems) > 5
    text = "\n".join(path.read_text() for path in figures.glob("captions*.md"))
    captions = dict(part.split("\n\n", 1) for part in text.split("\n## ") if "\n\n" in part)
    for stem in stems:
        caption = captions[stem.relative_to(figures).as_posix()]
        assert re.search(r"\bseed", caption), stem
        with open(f"{stem}.csv", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert rows and all(None not in row for row in rows), stem
        pdf = stem.with_name(f"{stem.name}.pdf").read_bytes()
        assert b"/FontFile2" in pdf and b"/Type3" not in pdf, stem


def test_the_main_table_and_figure_are_one_page(finished):
    assert b"/Count 1" in (finished.path / "results/tables/main.pdf").read_bytes()
