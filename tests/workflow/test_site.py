"""The documentation is built as static pages without a warning, and its pages lead to each other."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import ROOT

pytest.importorskip(
    "sphinx", reason='the documentation\'s packages are not installed: pip install --editable ".[docs]"'
)
pytest.importorskip("myst_parser")


def test_the_site_is_built_without_warnings(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", "docs", "-d", tmp_path / "trees"]
    done = subprocess.run([*command, ".", tmp_path / "site"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    site = tmp_path / "site"
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {"index.html", "README.html", "docs/tutorial.html", "docs/faq.html", "docs/library.html"} <= pages
    assert "pairwise_identification" in (site / "docs/library.html").read_text()
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'(?:src|href)="[^"]*\.md[#"]', text), path
        for source in re.findall(r'<(?:img|script)[^>]* src="([^"?#]+)', text):
            assert (path.parent / source).resolve().exists(), f"{path}: {source}"
    text = (site / "docs/index.html").read_text()
    for page in ("tutorial", "reading-the-tables", "estimator", "faq", "add-a-metric", "library", "architecture"):
        assert f'href="{page}.html"' in text
