"""The explorer as one file: template, style, scripts and data put together; it loads nothing and runs nothing else.

Data are JSON in script elements that no browser runs, with every "<" escaped; the page's own scripts put them into the
document as text. A content security policy admits these scripts alone, by their checksums, and no address at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import jinja2

from cortexclip.figures.style import clean

ASSETS = Path(__file__).resolve().parent / "assets"
LIBRARIES = ("d3.min.js", "plot.umd.min.js")
SCRIPTS = ("base.js", "tables.js", "charts.js", "gallery.js", "views.js")


def page(title: str, subtitle: str, data: Mapping[str, object], views: Mapping[str, str]) -> str:
    """The page as text.

    ``title`` and ``subtitle`` stand on top; ``data`` is one script element each, by its id; ``views`` has the title of
    each view by its name, in the order of the navigation.
    """
    libraries = [asset(name) for name in LIBRARIES]
    own = "\n".join(['"use strict";', *(asset(name) for name in SCRIPTS)])
    scripts = [*libraries, own]
    for script in scripts:
        if "</script" in script.lower():
            raise ValueError("a script of the page would end its own element")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.jinja").render(
        title=clean(title),
        subtitle=clean(subtitle),
        views={name: clean(words) for name, words in views.items()},
        style=asset("style.css"),
        scripts=scripts,
        policy=policy(scripts),
        data={name: as_json(content) for name, content in data.items()},
    )


def asset(name: str) -> str:
    """A file of the folder ``assets`` as text."""
    return (ASSETS / name).read_text(encoding="utf-8").rstrip("\n")


def policy(scripts: list[str]) -> str:
    """A content security policy that runs these scripts, draws embedded pictures and loads nothing."""
    sums = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {sums}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )


def as_json(content: object) -> str:
    """JSON that can stand in a script element: no "<" that could end it; NaN and infinity are refused."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c")
