"""A table as Markdown and as LaTeX, with everything that comes from data or configuration escaped."""

from __future__ import annotations

import functools
import html
import math
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from cortexclip.runtime.log import logger

NOT_MEASURED = "–"
_NUMBER = re.compile(r"[-+\d.,eE%–\[\] ]*")
_GREEK = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma varsigma tau upsilon "
    "varphi chi psi omega"
)
_GREEK_CAPITALS = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_SIGNS = "approx neq infty rightarrow leftarrow in sum surd partial nabla propto cdot sim"
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': "''",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "°": r"$^\circ$",
    "²": r"$^2$",
    "†": r"$^\dagger$",
    "*": r"$^*$",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    **dict(zip("ŁłØøßÆæŒœıĐđ", map(r"\{}{{}}".format, "L l O o ss AE ae OE oe i DJ dj".split()), strict=True)),
    **dict(zip("≈≠∞→←∈∑√∂∇∝·∼", map(r"$\{}$".format, _SIGNS.split()), strict=True)),
    **dict(zip("αβγδεζηθικλμνξπρσςτυφχψω", map(r"$\{}$".format, _GREEK.split()), strict=True)),
    **dict(zip("ΓΔΘΛΞΠΣΥΦΨΩ", map(r"$\{}$".format, _GREEK_CAPITALS.split()), strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo", strict=True)),
}
_ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030b\u030c\u0323\u0327\u0328", "`'^~=u.\"Hvdck", strict=True)
)
# Of a paper's table, in characters: words longer than this are broken into lines, and headings of numbers too.
_WORDS, _HEADING = 26, 15
_WORDS_CM = (7.0, 5.5, 4.5, 3.6)
_CHARACTER_CM, _SMALL_CM, _BETWEEN_CM = 0.135, 0.11, 0.21  # footnotesize, scriptsize, two column gaps of 3 pt
_TEXT_CM = 16.5
PAGE_CM = 19.5
"""Width up to which a table stands upright; it is scaled down to the text where that is narrower."""
LATEX_PACKAGES = ("array", "booktabs", "graphicx", "rotating")


class Parts(str):
    """The text of a cell, and the parts that it is made of, which can stand below each other."""

    BETWEEN = " · "
    parts: tuple[str, ...]

    def __new__(cls, *parts: str) -> Parts:
        made = super().__new__(cls, cls.BETWEEN.join(parts))
        made.parts = parts
        return made


class Interval(Parts):
    """A number and its interval."""

    BETWEEN = " "


@dataclass(frozen=True)
class Table:
    """A table to be read: plain text throughout; ``strong`` holds (row, column) positions to be set in bold."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    label: str = ""
    strong: frozenset[tuple[int, int]] = field(default_factory=frozenset)


def formatted(value: float | None, form: str) -> str:
    """A number in a format of Python's; a dash where there is none."""
    return NOT_MEASURED if value is None or not math.isfinite(value) else f"{value:{form}}"


def with_interval(value: float, low: float, high: float, form: str) -> str:
    """A number with its interval, if it has one."""
    text = formatted(value, form)
    has_interval = text != NOT_MEASURED and math.isfinite(low)
    return Interval(text, f"[{low:{form}}, {high:{form}}]") if has_interval else text


def markdown(table: Table, level: int = 2) -> str:
    """The table as a Markdown section: heading, table, notes as a list."""
    lines = [f"{'#' * level} {_markdown_text(table.title)}", ""]
    lines.append("| " + " | ".join(map(_markdown_text, table.columns)) + " |")
    lines.append("|" + "|".join({"l": ":--", "r": "--:"}[side] for side in _sides(table)) + "|")
    for i, row in enumerate(table.rows):
        cells = [_markdown_text(cell) for cell in row]
        cells = [f"**{cell}**" if (i, j) in table.strong else cell for j, cell in enumerate(cells)]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"- {_markdown_text(note)}" for note in table.notes)]
    return "\n".join(lines).rstrip() + "\n"


def latex(table: Table) -> str:
    """The table as a floating LaTeX table (`LATEX_PACKAGES`), its notes in the caption.

    An interval stands below its mean. A table wider than a page lies on its side; it is scaled down to the text block
    where it is larger. Columns in which nothing was measured are left out.
    """
    kept = [
        j
        for j in range(len(table.columns))
        if not table.rows or any(row[j] != NOT_MEASURED for row in table.rows) or j == 0
    ]
    sides = [_sides(table)[j] for j in kept]
    longest = [max([len(row[j]) for row in table.rows], default=0) for j in kept]
    words_cm = next((cm for cm in _WORDS_CM if _width_cm(table, kept, sides, cm) <= _TEXT_CM), _WORDS_CM[-1])
    columns = [
        rf">{{\raggedright\arraybackslash}}p{{{words_cm}cm}}" if side == "l" and length > _WORDS else side
        for side, length in zip(sides, longest, strict=True)
    ]
    heads = [
        _stacked([latex_text(line) for line in textwrap.wrap(table.columns[j], _HEADING) or [""]], side, "b")
        for j, side in zip(kept, sides, strict=True)
    ]
    body = []
    for i, row in enumerate(table.rows):
        cells = [_latex_cell(row[j], side, (i, j) in table.strong) for j, side in zip(kept, sides, strict=True)]
        body.append(" & ".join(cells) + r" \\[1.5pt]")
    notes = " ".join(latex_text(note) for note in table.notes)
    float_name = "table" if _width_cm(table, kept, sides, words_cm) <= PAGE_CM else "sidewaystable"
    return "\n".join(
        [
            rf"\begin{{{float_name}}}[{'htbp' if float_name == 'table' else 'p'}]",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption[{{{latex_text(table.title)}}}]{{\footnotesize {latex_text(table.title)}. {notes}}}".replace(
                ". }", ".}"
            ),
            rf"\label{{tab:{re.sub(r'[^a-z0-9]+', '-', (table.label or table.title).lower()).strip('-')}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            r"\resizebox*{!}{\ifdim\totalheight>0.72\textheight 0.72\textheight\else\totalheight\fi}{%",
            rf"\begin{{tabular}}{{{''.join(columns)}}}",
            r"\toprule",
            " & ".join(heads) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}}",
            rf"\end{{{float_name}}}",
            "",
        ]
    )


def latex_text(text: str) -> str:
    """Text with every character that LaTeX would interpret, or does not know, made harmless."""
    return "".join(_latex_character(character) for character in str(text))


def _latex_character(character: str) -> str:
    if character in _LATEX or character.isascii():
        return _LATEX.get(character, character if character.isprintable() else " ")
    plain = unicodedata.normalize("NFKD", character)
    if plain.isascii() and plain.isprintable():
        written = "".join(_LATEX.get(part, part) for part in plain)
        mark = {"<super>": "^", "<sub>": "_"}.get(unicodedata.decomposition(character).split(" ")[0])
        return f"${mark}{{{written}}}$" if mark else written
    if plain != character and plain in _LATEX:
        return _LATEX[plain]
    if plain[0].isalpha() and plain[0].isascii() and ord(character) < 0x180:
        return character
    if len(plain) == 2 and plain[0].isascii() and plain[1] in _ACCENTS:
        return rf"\{_ACCENTS[plain[1]]}{{{plain[0]}}}"
    return "" if unicodedata.category(character) in ("Mn", "Cf") else _cannot_be_set(character)


@functools.cache
def _cannot_be_set(character: str) -> str:
    """What stands for a character that LaTeX's usual fonts do not have; logged once."""
    logger.warning("LaTeX tables show '?' for %s (U+%04X), which pdflatex cannot set.", character, ord(character))
    return "?"


def _latex_cell(text: str, side: str, strong: bool) -> str:
    """A cell: numbers with a minus sign, and an interval below its mean."""

    def shown(part: str) -> str:
        escaped = latex_text(part)
        escaped = re.sub(r"(?<![\w.])-(?=[\d.])", "$-$", escaped) if side == "r" else escaped
        return rf"\textbf{{{escaped}}}" if strong else escaped

    if side == "r" and isinstance(text, Interval):
        mean, interval = map(shown, text.parts)
        return _stacked([mean, rf"\scriptsize {interval}"], "r", "t")
    return shown(text)


def _stacked(lines: Sequence[str], side: str, position: str) -> str:
    if len(lines) == 1:
        return lines[0]
    return (
        rf"\begin{{tabular}}[{position}]{{@{{}}{side}@{{}}}}"
        + r"\\".join(f"{{{line}}}" for line in lines)
        + r"\end{tabular}"
    )


def _width_cm(table: Table, kept: Sequence[int], sides: Sequence[str], words_cm: float) -> float:
    """About how wide the table would be, if nothing scaled it."""
    width = 0.0
    for j, side in zip(kept, sides, strict=True):
        cells = [row[j] for row in table.rows]
        heading = max((len(line) for line in textwrap.wrap(table.columns[j], _HEADING)), default=0) * _CHARACTER_CM
        if side == "l":
            own = min(words_cm, max(map(len, cells), default=0) * _CHARACTER_CM)
        else:
            parts = [cell.parts if isinstance(cell, Interval) else (cell, "") for cell in cells]
            own = max((max(len(m) * _CHARACTER_CM, len(i) * _SMALL_CM) for m, i in parts), default=0)
        width += max(own, heading) + _BETWEEN_CM
    return width


def _sides(table: Table) -> list[str]:
    """How each column is aligned: "r" for numbers, "l" for words."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
    return ["r" if cells and all(_NUMBER.fullmatch(cell) for cell in cells) else "l" for cells in columns]


def _markdown_text(text: str) -> str:
    escaped = html.escape(str(text), quote=False)
    return re.sub(r"([\\`*_|~])", r"\\\1", escaped).replace("](", "]\\(").replace("\n", " ")
