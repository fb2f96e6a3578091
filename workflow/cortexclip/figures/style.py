"""One look for all figures: sizes, colours and markers; a figure with its title, caption and numbers; and writing.

A figure is written three times: as PNG with its title and the gist of its caption, to be looked at; as PDF without
them, to be placed in a paper; and the numbers that are drawn as CSV. The whole caption is in the metadata of both
pictures and in one file for all figures of a job. matplotlib's constrained layout puts all in place.
"""

from __future__ import annotations

import functools
import os
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec
from zlib import crc32

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox

from cortexclip.configuration.plan import Plan
from cortexclip.evaluation import READOUTS
from cortexclip.results.tables import write_csv
from cortexclip.runtime.files import atomic_path, write_text

DPI = 200
WIDTH_MM = 175  # two columns of a journal
SMALL, NORMAL = 7.0, 8.0  # points
LINE_MM = 3.1  # of small text
CHARACTERS = 128  # of small text in the whole width
SHOWN_LINES = 2  # of a caption on its figure
TITLES = 84  # of the titles of all panels beside each other
INK, MUTED, FAINT = "#1a1a1a", "#555555", "#b0b0b0"
FRAME = "#d55e00"

OTHER_SCRIPTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
    "Droid Sans Fallback",
    "Noto Emoji",
    "Segoe UI Emoji",
)
"""Fonts with letters that DejaVu Sans does not have, of which those installed are used for these letters."""
_INSTALLED = {font.name for font in fontManager.ttflist}
_SET_BACK = "axes figure font grid image legend lines patch pdf savefig text xtick ytick".split()
STYLE = {
    # nothing of a user's matplotlibrc
    **{key: value for key, value in matplotlib.rcParamsDefault.items() if key.split(".")[0] in _SET_BACK},
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelpad": 2,
    "axes.labelsize": NORMAL,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": NORMAL,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.05,
    "figure.dpi": DPI,
    "font.family": ["sans-serif", *(name for name in OTHER_SCRIPTS if name in _INSTALLED)],
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that it is the same everywhere
    "font.size": NORMAL,
    "grid.color": ".9",
    "grid.linewidth": 0.5,
    "image.cmap": "gray",
    "image.composite_image": False,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.5,
    "patch.linewidth": 0.6,
    "pdf.fonttype": 42,
    "savefig.dpi": DPI,
    "svg.hashsalt": "cortexclip",
    "text.color": INK,
    "text.parse_math": False,  # names of data hold what they like
    **{
        f"{axis}tick.{key}": value
        for axis in "xy"
        for key, value in {
            "color": INK,
            "labelsize": SMALL,
            "major.pad": 2,
            "major.size": 2.5,
            "major.width": 0.6,
            "minor.size": 0,
        }.items()
    },
}

_HASHED = [
    (c, marker) for marker in ("^", "D", "v", "<", "p") for c in "#00665e #5b3a8c #a0303a #8c7a00 #cc78bc".split()
]
"""Looks that no method of methods.yaml states; the name of a method without one says which of them it gets."""
_SENTENCE_ENDS = re.compile(r"(?<=[.?!])(?<!al\.) (?=[A-Z0-9])")
_PROTOCOLS = [("#d55e00", "s"), (INK, "o"), ("#0173b2", "^"), ("#cc78bc", "v"), ("#029e73", "D"), ("#8c7a00", "P")]

P = ParamSpec("P")


@dataclass(frozen=True)
class Look:
    """How a run is called and drawn: the same colour and marker for a method in every figure.

    ``detail`` says what tells runs of one method apart (its embedding space, its readout); it may be empty.
    """

    title: str
    detail: str
    colour: str
    marker: str

    @property
    def label(self) -> str:
        return f"{self.title} ({self.detail})" if self.detail else self.title

    def lines(self, width: int = 45) -> str:
        """Title and, on lines of its own, detail, broken at so many characters."""
        return "\n".join(filter(None, [wrap(self.title, width), wrap(self.detail, width)]))

    def readout(self, suffix: str) -> Look:
        """The look of a readout, see `cortexclip.evaluation.READOUTS`."""
        method, *encoder = self.title.split(".", 1)
        return replace(self, title=".".join([method + suffix, *encoder]))

    def noted(self, note: str, title: str | None = None) -> Look:
        """The look with a note after its detail and, if given, another title."""
        detail = ", ".join(filter(None, [self.detail, note]))
        return replace(self, detail=detail, title=self.title if title is None else title)

    def columns(self) -> dict[str, str]:
        """What names the run in the data of a figure."""
        return {"method": self.title, "detail": self.detail}


@dataclass(frozen=True)
class Subject:
    """What a figure is about: titles of dataset and protocol, and what has to stand in its caption, one sentence each.

    A figure over several protocols names none here; its panels do. ``caveat`` is the gravest of the notes, which stands
    on the figure too.
    """

    dataset: str
    protocol: str = ""
    optimistic: bool = False
    notes: tuple[str, ...] = ()
    caveat: str = ""

    @property
    def line(self) -> str:
        protocol = f"protocol: {self.protocol}{' (optimistic)' if self.optimistic else ''}" if self.protocol else ""
        return clean("; ".join(filter(None, [self.dataset, protocol])))


def looks(plan: Plan) -> dict[str, Look]:
    """The look of every run of a plan, by its name: that of its method."""
    methods = families({run.method: run.look for run in plan.runs.values()})
    return {name: Look(name, "", *methods[run.method]) for name, run in plan.runs.items()}


def families(methods: Mapping[str, Mapping[str, str] | None]) -> dict[str, tuple[str, str]]:
    """Colour and marker of methods that are drawn together: those stated, or drawn by a hash of the name.

    They are the same whatever else is drawn, but for own methods of one hash: the first of them by name has its look,
    and each other one the next look that is free. Looks repeat with more than 25 own methods.
    """
    found = {name: (look["colour"], look["marker"]) for name, look in methods.items() if look}
    own = {name: crc32(name.encode()) % len(_HASHED) for name in sorted(methods) if name not in found}
    holders = {index: name for name, index in reversed(own.items())}
    for name, index in own.items():
        if holders[index] != name:
            following = [(index + step) % len(_HASHED) for step in range(len(_HASHED))]
            index = next((each for each in following if each not in holders), index)
            holders.setdefault(index, name)
        found[name] = _HASHED[index]
    return found


def readouts(plan: Plan) -> dict[tuple[str, str], Look]:
    """The look of every method of score tables by its name and embedding space, other readouts after first ones."""
    found: dict[tuple[str, str], Look] = {}
    for name, look in looks(plan).items():
        run = plan.runs[name]
        found |= {(run.method + suffix, run.encoder): look.readout(suffix) for suffix in READOUTS}
    return found


def protocol_looks(plan: Plan) -> dict[str, tuple[str, str]]:
    """Colour and marker of each protocol of a plan."""
    return {name: _PROTOCOLS[number % len(_PROTOCOLS)] for number, name in enumerate(plan.protocols)}


def subject(plan: Plan, dataset: str, protocol: str, caveats: Sequence[str]) -> Subject:
    """Titles, and what a reader must know: of the protocol, and the most serious notes of the audit and the dataset."""
    about, kind = plan.datasets[dataset], plan.protocols[protocol]
    notes = [f"Optimistic protocol: {kind.note}"] if kind.optimistic else []
    notes += [seeds_of(plan), *weightiest(caveats, about.notes)]
    return Subject(about.heading, kind.name or kind.title, kind.optimistic, tuple(notes), next(iter(caveats), ""))


def weightiest(caveats: Sequence[str], notes: Sequence[str]) -> list[str]:
    """The first finding of an audit (they come gravest first) and the first note of a dataset."""
    return [*caveats[:1], *notes[:1]]


def seeds_of(plan: Plan) -> str:
    """The sentence of a caption on how often methods are trained."""
    seeds = f"{plan.seeds} seeds of each random method." if plan.seeds > 1 else "One seed of each method."
    return f"{seeds} {plan.reduced_precision()}".strip()


def styled(draw: Callable[P, PaperFigure]) -> Callable[P, PaperFigure]:
    """Draw with this module's style, whatever the caller's settings are."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> PaperFigure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapped


class PaperFigure(Figure):
    """A figure in the width of a page whose panels lie in ``body``, between a title and a caption.

    Use it within a function that is `styled`, and call `finish` once.

    Attributes
    ----------
    title, about : str
        What stands above what is drawn; "" for none.
    caption : the whole caption, of which the figure shows `gist`
    data : DataFrame of what is drawn
    """

    title: str = ""
    about: str = ""
    caption: str = ""
    data: pd.DataFrame

    def __init__(self, height: float, width: float = WIDTH_MM) -> None:
        """A figure whose body is ``height`` millimetres high."""
        super().__init__(figsize=(width / 25.4, height / 25.4), dpi=DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(self)
        self.body: SubFigure = self.add_subfigure(self.add_gridspec()[0])

    def heighten(self, millimetres: float) -> None:
        """Make room for more."""
        self.set_figheight(self.get_figheight() + millimetres / 25.4)

    def key(self, handles: Iterable[Artist], labels: Iterable[str], above: SubFigure | None = None) -> None:
        """Put a legend above all panels, or above a part of them, in as many columns as its labels leave room for."""
        entries = {wrap(label, CHARACTERS - 10): handle for handle, label in zip(handles, labels, strict=True)}
        widths = [max(map(len, label.splitlines())) + 9 for label in entries]
        room = int(CHARACTERS * self.get_figwidth() * 25.4 / WIDTH_MM)
        columns = len(entries) if sum(widths) <= room else max(1, room // max(widths))
        (above or self.body).legend(
            entries.values(), entries, loc="outside upper left", ncols=columns, borderaxespad=0, columnspacing=1.5
        )
        lines = sum(label.count("\n") + 1 for label in entries)
        self.heighten(LINE_MM * 1.15 * max(-(-len(entries) // columns), lines / columns) + 1.5)

    def finish(self, title: str, about: Subject | None, data: pd.DataFrame, *sentences: str) -> PaperFigure:
        """Add title and caption, whose last sentences are the notes of ``about``, and the numbers that are drawn."""
        self.title, self.data = clean(title), data
        self.about = about.line if about else ""
        self.caption = clean(" ".join(filter(None, [*sentences, *(about.notes if about else ())])))
        width = int(CHARACTERS * self.get_figwidth() * 25.4 / WIDTH_MM)
        heading = "\n".join(filter(None, [wrap(self.title, width - 16), wrap(self.about, width - 16)]))
        caption = wrap(gist(self.caption, clean(about.caveat) if about else "", SHOWN_LINES * (width - 8)), width)
        left = 0.05 / self.get_figwidth()
        self.words = [self.suptitle(heading, x=left, ha="left", size=NORMAL, linespacing=1.3)]
        self.words.append(self.supxlabel(caption, x=left, ha="left", size=SMALL, color=MUTED, linespacing=1.25))
        lines = 1.25 * (heading.count("\n") + 1) + (caption.count("\n") + 1 if caption else 0)
        self.heighten(LINE_MM * lines + 3)
        return self


def gist(caption: str, caveat: str, characters: int) -> str:
    """As many of a caption's first sentences as fit beside the first sentence of the caveat, in so many characters."""
    text, *others = _SENTENCE_ENDS.split(caption)
    caveat = "" if not caveat or caveat in text else _SENTENCE_ENDS.split(caveat)[0]
    for other in others:
        if other == caveat or len(text) + len(other) + len(caveat) + 2 > characters:
            break
        text += f" {other}"
    text = textwrap.shorten(text, max(characters - len(caveat) - 1, characters // 2), placeholder=" ...")
    return textwrap.shorten(f"{text} {caveat}", characters, placeholder=" ...")


def save(figure: PaperFigure, stem: str | os.PathLike) -> None:
    """Write a figure as ``stem`` with .png, .pdf and .csv; equal figures give equal bytes."""
    save_png(figure, f"{stem}.png")
    save_pdf(figure, f"{stem}.pdf", with_words=False)
    write_csv(Path(f"{stem}.csv"), figure.data)


def whole_caption(figure: PaperFigure) -> str:
    """Title, what it is of, and caption, as one paragraph."""
    return " ".join(
        f"{part}." if part[-1] not in ".?!" else part for part in (figure.title, figure.about, figure.caption) if part
    )


def write_captions(path: str | os.PathLike, figures: Mapping[str, PaperFigure], reasons: Mapping[str, str]) -> None:
    """Write the captions of figures by the stems of their files, as Markdown, and why others were left out.

    ``reasons`` are those of `cortexclip.results.drawn`, "" for a figure that was drawn.
    """
    lines = ["# Captions", ""]
    for stem, figure in figures.items():
        lines += [f"## {stem}", "", whole_caption(figure), ""]
    absent = [f"- `{name}`: {reason}" for name, reason in reasons.items() if reason]
    lines += ["## Left out", "", *absent, ""] if absent else []
    write_text(path, "\n".join(lines))


def save_png(figure: PaperFigure, path: str | os.PathLike) -> None:
    """Write a figure with its words as PNG; equal figures give equal bytes."""
    with matplotlib.rc_context(STYLE), atomic_path(path) as temporary:
        lay_out(figure)
        # Level 3 takes half the time of the default, 6, and makes no larger files.
        metadata = {"Software": None, "Title": figure.title, "Description": whole_caption(figure)}
        options: dict[str, Any] = {"metadata": metadata, "pil_kwargs": {"compress_level": 3}}
        figure.savefig(temporary, format="png", dpi=DPI, **options)


def save_pdf(figure: PaperFigure, path: str | os.PathLike, with_words: bool = True) -> None:
    """Write a figure as PDF, with its words or cut to its body; equal figures give equal bytes."""
    metadata = {"Creator": "cortexclip", "Producer": None, "CreationDate": None}
    metadata |= {"Title": figure.title, "Subject": whole_caption(figure)}
    with matplotlib.rc_context(STYLE), atomic_path(path) as temporary:
        lay_out(figure)
        for text in figure.words:
            text.set_visible(with_words)
        body = None if with_words else Bbox(figure.body.bbox.get_points() / DPI)
        figure.savefig(temporary, format="pdf", dpi=DPI, metadata=metadata, bbox_inches=body)


def lay_out(figure: PaperFigure) -> None:
    """Lay everything out, once for all files."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def clean(text: str) -> str:
    """A name or sentence from a file as one line that a font can draw: no control characters, single blanks."""
    kept = "".join(" " if unicodedata.category(character).startswith("C") else character for character in str(text))
    return " ".join(kept.split())


def wrap(text: str, characters: int) -> str:
    """Text in lines of at most so many characters, broken between words, or in them after "_" or "." if it can be."""
    lines: list[str] = []
    for line in textwrap.wrap(clean(text), characters, break_on_hyphens=False, break_long_words=False):
        lines.append("")
        for piece in [line] if len(line) <= characters else re.findall(r"[^_.]*[_.]?", line):
            if len(lines[-1]) + len(piece) > characters:
                lines.append("")
            while len(piece) > characters:
                lines[-1], piece = piece[:characters], piece[characters:]
                lines.append("")
            lines[-1] += piece
    return "\n".join(filter(None, lines))


def text_height(texts: Iterable[str], least: float = 0.0) -> float:
    """Height in millimetres of the tallest of several small texts."""
    return max([least, *(LINE_MM * (text.count("\n") + 1) + 1 for text in texts)])


def explain_empty(axes: Axes, reason: str, characters: int = 32) -> None:
    """Write in the middle of a panel why nothing is drawn there."""
    axes.xaxis.set_visible(False)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.text(
        *(0.5, 0.5, wrap(reason, characters)),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=MUTED,
        size=SMALL,
    )


def abreast(panels: int, most: int = 3) -> int:
    """How many of so many panels stand side by side, so that no row is nearly empty."""
    rows = -(-panels // most)
    return -(-panels // rows)


def panel_grid(body: SubFigure, panels: int, columns: int, **options) -> list[Axes]:
    """Panels in so many columns, as many as there are to draw."""
    axes = body.subplots(-(-panels // columns), columns, squeeze=False, **options).ravel()
    for unused in axes[panels:]:
        unused.remove()
    return list(axes[:panels])


def few_ticks(axes: Axes, reach: float | None = None) -> str:
    """A few plain ticks on the horizontal axis; given the largest value, a scale that is linear only near 0.

    Returns what the title of the axis has to say of its scale.
    """
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    if reach:
        unit = 10.0 ** np.floor(np.log10(reach / 5))
        axes.set_xscale("asinh", linear_width=unit)
        axes.autoscale_view(scaley=False)  # margins of this scale, not of the linear one
        ticks = unit * np.array([-30, -10, -3, -1, 0, 1, 3, 10, 30])
        axes.xaxis.set_major_locator(FixedLocator(ticks[ticks >= 0] if axes.dataLim.x0 >= 0 else ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    return ", scale linear near 0 and logarithmic beyond" if reach else ""


def plain(value: float, _=None) -> str:
    """A tick label: as few digits as say the value, never in mathematical type."""
    return minus(f"{value:.4g}")


def minus(number: str) -> str:
    """A formatted number with a minus sign in place of a hyphen, and none before a zero."""
    if not number.strip("-0."):
        number = number.lstrip("-")
    return number.replace("-", "\N{MINUS SIGN}")
