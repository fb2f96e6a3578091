"""A table as Markdown and as LaTeX, with everything that comes from data or configuration escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

NOT_MEASURED = "–"
_NUMBER = re.compile(r"[-+\d.,eE%–\[\] ]*")
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
    "–": "--",
    "±": r"$\pm$",
    "×": r"$\times$",
    "²": r"$^2$",
    "†": r"$^\dagger$",
    "*": r"$^*$",
}


@dataclass(frozen=True)
class Table:
    """A table to be read: plain text throughout; ``strong`` holds (row, column) positions to be set in bold."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    label: str = ""
    strong: frozenset[tuple[int, int]] = field(default_factory=frozenset)


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
    """The table as a floating LaTeX table (packages booktabs and graphicx), its notes below it."""
    head = " & ".join(map(latex_text, table.columns)) + r" \\"
    body = []
    for i, row in enumerate(table.rows):
        cells = [latex_text(cell) for cell in row]
        cells = [rf"\textbf{{{cell}}}" if (i, j) in table.strong else cell for j, cell in enumerate(cells)]
        body.append(" & ".join(cells) + r" \\")
    notes = " ".join(latex_text(note) for note in table.notes)
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering",
            rf"\caption{{{latex_text(table.title)}. {notes}}}".replace(". }", ".}"),
            rf"\label{{tab:{re.sub(r'[^a-z0-9]+', '-', (table.label or table.title).lower()).strip('-')}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{''.join(_sides(table))}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def latex_text(text: str) -> str:
    """Text with every character that LaTeX would interpret made harmless."""
    return "".join(_LATEX.get(character, character) for character in str(text))


def _sides(table: Table) -> list[str]:
    """How each column is aligned: "r" for numbers, "l" for words."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
    return ["r" if cells and all(_NUMBER.fullmatch(cell) for cell in cells) else "l" for cells in columns]


def _markdown_text(text: str) -> str:
    escaped = html.escape(str(text), quote=False)
    return re.sub(r"([\\`*_|~])", r"\\\1", escaped).replace("](", "]\\(").replace("\n", " ")
