"""The documentation as static pages: ``make docs``. The source folder is the root of the project."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from cortexclip import __version__  # noqa: E402

project = "cortexclip"
author = copyright = "The cortexclip developers"
release = version = __version__
root_doc = "docs/index"
include_patterns = [
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/*.md"),
    *("config/README.md", "results/README.md", "resources/README.md"),
]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False  # types are words here, not names to link
suppress_warnings = ["ref.python"]  # "shape" in the type of an argument is a word, whatever has that name
default_role = "code"
highlight_language = "none"
html_theme = "furo"
html_title = "cortexclip"
html_extra_path = ["site"]
html_show_sourcelink = False
html_copy_source = False


def describe(app, what, name, obj, options, lines: list[str]) -> None:
    """Descriptions in words, "name : words", as napoleon wants them: below the name, not where a type stands."""
    found = [re.fullmatch(r"( *)([\w*][\w*, ]*) : (.+)", line) for line in lines]
    new = [
        part
        for line, match in zip(lines, found, strict=True)
        for part in ([match[1] + match[2].replace("**", r"\*\*"), f"{match[1]}    {match[3]}"] if match else [line])
    ]
    lines[:] = new


def setup(app) -> None:
    app.connect("autodoc-process-docstring", describe, priority=100)  # before napoleon
