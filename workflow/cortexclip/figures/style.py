"""One look for all figures: sizes, colours and markers, pages whose text is measured before it is placed, and writing.

A page is laid out from top to bottom in dots of the written PNG, so that images can be drawn at whole multiples of
their pixels and no text can leave the page: lines are broken by their measured width, and the page grows downwards.

A figure is written four times: as PNG with title and caption, to be looked at; as PDF without them, to be placed in a
paper; the caption as text; and the numbers that are drawn as CSV.
"""

from __future__ import annotations

import functools
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from cortexclip.evaluation.score import NEAREST
from cortexclip.files import atomic_path, write_text
from cortexclip.plan import Plan
from cortexclip.tables.write import write_csv

DPI = 200
WIDTH_MM = 183  # two columns of a journal; one is 89
SMALL, NORMAL, LARGE = 6.5, 7.0, 8.5  # points; journals ask for at least 6 to 7
INK, MUTED, FAINT = "#1a1a1a", "#555555", "#b0b0b0"
FRAME = "#d55e00"

_SET_BACK = (
    "axes",
    "figure",
    "font",
    "grid",
    "image",
    "legend",
    "lines",
    "patch",
    "pdf",
    "savefig",
    "text",
    "xtick",
    "ytick",
)
STYLE = {
    # nothing of a user's matplotlibrc
    **{key: value for key, value in matplotlib.rcParamsDefault.items() if key.split(".")[0] in _SET_BACK},
    "axes.axisbelow": True,
    "grid.color": ".8",
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that it is the same everywhere
    "font.size": NORMAL,
    "axes.labelsize": NORMAL,
    "axes.titlesize": NORMAL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.linewidth": 0.6,
    "axes.labelpad": 2,
    "axes.edgecolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.0,
    "text.parse_math": False,  # names of data hold what they like
    "pdf.fonttype": 42,
    "image.composite_image": False,
    "svg.hashsalt": "cortexclip",
}

# The "colorblind" palette of seaborn (Waskom 2021).
_PALETTE = "#0173b2 #de8f05 #029e73 #d55e00 #cc78bc #ca9161 #fbafe4 #949494 #ece133 #56b4e9".split()
_FAMILIES = {
    "mean_image": ("#6b6b6b", "s"),
    "class_mean": (_PALETTE[5], "<"),
    "knn": (_PALETTE[9], "^"),
    "ridge": (_PALETTE[0], "o"),
    "ridge_snap": ("#00517a", "h"),
    "ridge_clip": (_PALETTE[2], "D"),
    "clip_encoder": (_PALETTE[1], "P"),
    "cccv1": (_PALETTE[3], "v"),
    "permuted": (FAINT, "p"),
}
_OTHER_FAMILIES = [
    (colour, marker)
    for marker in ("X", ">", "H", "d", "*", "8")
    for colour in (_PALETTE[4], "#8c7a00", "#5b3a8c", "#00665e", "#a0303a")
]
_PROTOCOLS = {"chosen_on_test": "s", "holdout": "o", "cv10": "^", "chosen_on_fold": "v", "unseen": "D"}
_OTHER_PROTOCOLS = ("P", "X", "<", ">", "p", "h", "d", "8")


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

    def nearest(self) -> Look:
        """The look of the second readout, the nearest training image."""
        return self.noted("nearest training image")

    def noted(self, note: str, title: str | None = None) -> Look:
        """The look with a note after its detail and, if given, another title."""
        detail = ", ".join(filter(None, [self.detail, note]))
        return replace(self, detail=detail, title=self.title if title is None else title)

    def columns(self) -> dict[str, str]:
        """What names the run in the data of a figure."""
        return {"method": self.title, "detail": self.detail}


@dataclass(frozen=True)
class Subject:
    """What a figure is about: titles of dataset and protocol, and what has to stand below it, one sentence each.

    A figure over several protocols names none here; its panels do.
    """

    dataset: str
    protocol: str = ""
    optimistic: bool = False
    notes: tuple[str, ...] = ()


def looks(plan: Plan) -> dict[str, Look]:
    """The look of every run of a plan, by its name; methods that are not known here take the colours left over."""
    methods = list(dict.fromkeys(run["method"] for run in plan.runs.values()))
    unknown = [method for method in methods if method not in _FAMILIES]
    families = _FAMILIES | {
        method: _OTHER_FAMILIES[number % len(_OTHER_FAMILIES)] for number, method in enumerate(unknown)
    }
    return {
        name: Look(run["title"], encoder_title(plan, run["encoder"]), *families[run["method"]])
        for name, run in plan.runs.items()
    }


def look_of(plan: Plan, method: str, encoder: str) -> Look | None:
    """The look of a method of a score table, whose name may end as that of a second readout; None if not planned."""
    for name, run in plan.runs.items():
        if (run["method"], run["encoder"]) == (method.removesuffix(NEAREST), encoder):
            look = looks(plan)[name]
            return look.nearest() if method.endswith(NEAREST) else look
    return None


def encoder_title(plan: Plan, encoder: str) -> str:
    """What figures call an embedding space; "" for none."""
    return "" if encoder == "none" else plan.encoders.get(encoder, encoder)


def protocol_markers(protocols: Sequence[str]) -> dict[str, str]:
    """A marker for each protocol by its name, fixed for those that are known here."""
    unknown = [name for name in protocols if name not in _PROTOCOLS]
    others = {name: _OTHER_PROTOCOLS[number % len(_OTHER_PROTOCOLS)] for number, name in enumerate(unknown)}
    return {name: (_PROTOCOLS | others)[name] for name in protocols}


def subject(plan: Plan, dataset: str, protocol: str, caveats: Sequence[str]) -> Subject:
    """Titles, and what has to be known: of the protocol, and of the audit's and the dataset's notes the weightiest."""
    about, kind = plan.datasets[dataset], plan.protocols[protocol]
    notes = [f"Optimistic protocol: {kind['note']}"] if kind["optimistic"] else []
    notes += [seeds_of(plan), *weightiest(caveats, about["notes"])]
    return Subject(about["title"], kind["title"], kind["optimistic"], tuple(notes))


def weightiest(caveats: Sequence[str], notes: Sequence[str]) -> list[str]:
    """The first finding of an audit (they come gravest first) and the first note of a dataset."""
    return [*caveats[:1], *notes[:1]]


def seeds_of(plan: Plan) -> str:
    """The sentence of a caption on how often methods are trained."""
    seeds = f"{plan.seeds} seeds of each method that has any." if plan.seeds > 1 else "One seed of each method."
    return f"{seeds} {plan.reduced_precision()}".strip()


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw with this module's style, whatever the caller's settings are."""

    @functools.wraps(draw)
    def wrapped(*args, **kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapped


class PageFigure(Figure):
    """A finished `Page` with what is written beside it.

    Attributes
    ----------
    title, about, caption : str
        What stands above and below what is drawn; "" for none.
    data : DataFrame of what is drawn
    words : the artists of title and caption
    arrange : puts everything in its place, with these words or without
    """

    title: str = ""
    about: str = ""
    caption: str = ""
    data: pd.DataFrame
    words: list[Artist]
    arrange: Callable[[bool], None]


def save(figure: PageFigure, stem: str | os.PathLike) -> None:
    """Write a figure as ``stem`` with .png, .pdf, .txt and .csv; equal figures give equal bytes."""
    with matplotlib.rc_context(STYLE), atomic_path(f"{stem}.png") as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
    figure.arrange(False)
    save_pdf(figure, f"{stem}.pdf")
    figure.arrange(True)
    lines = [f"{figure.title}.", f"{figure.about}." if figure.about else "", figure.caption]
    write_text(f"{stem}.txt", "\n".join(filter(None, lines)) + "\n")
    write_csv(f"{stem}.csv", figure.data)


def clean(text: str) -> str:
    """A name or sentence from a file as one line that a font can draw: no control characters, single blanks."""
    kept = "".join(" " if unicodedata.category(character).startswith("C") else character for character in str(text))
    return " ".join(kept.split())


def dots(millimetres: float) -> int:
    """A length in dots of the written PNG."""
    return round(millimetres / 25.4 * DPI)


@functools.cache
def text_width(text: str, size: float) -> float:
    """Width of a line of text in dots, at a size in points."""
    return _renderer().get_text_width_height_descent(text, _font(size), ismath=False)[0]


def line_height(size: float) -> int:
    """Distance of two lines of text in dots."""
    return round(size * 1.3 / 72 * DPI)


def wrap(text: str, size: float, width: float) -> list[str]:
    """Break text into lines of at most ``width`` dots, between words where possible."""
    lines = [""]
    for word in clean(text).split():
        joined = f"{lines[-1]} {word}".strip()
        if text_width(joined, size) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in word:  # a word wider than the line
            if lines[-1] and text_width(lines[-1] + character, size) > width:
                lines.append("")
            lines[-1] += character
    return lines


@functools.cache
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, DPI)


@functools.cache
def _font(size: float) -> FontProperties:
    return FontProperties(family="DejaVu Sans", size=size)


def save_pdf(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as PDF as it is; equal figures give equal bytes."""
    metadata = {"Creator": "cortexclip", "Producer": None, "CreationDate": None}
    with matplotlib.rc_context(STYLE), atomic_path(path) as temporary:
        figure.savefig(temporary, format="pdf", dpi=DPI, metadata=metadata)


@dataclass
class Page:
    """A figure of fixed width that is filled from the top; ``y`` is the height used so far, all lengths in dots.

    Use it within a function that is `styled`, and call `finish` once, which sets the height.
    """

    width: int = dots(WIDTH_MM)
    margin: int = dots(3)
    y: int = dots(3)
    figure: PageFigure = field(default_factory=PageFigure)
    _placed: list[Callable[[int, int], None]] = field(default_factory=list)  # given height, and what is cut above
    _rows: list[Mapping[str, object]] = field(default_factory=list)
    _top: int = 0
    _bottom: int | None = None

    def __post_init__(self) -> None:
        FigureCanvasAgg(self.figure)
        self.figure.set_facecolor("white")
        self.figure.words = []

    @property
    def inner(self) -> int:
        """Width between the margins."""
        return self.width - 2 * self.margin

    def skip(self, millimetres: float) -> None:
        """Leave some height free."""
        self.y += dots(millimetres)

    def text(
        self, x: float, y: float, text: str, size: float = SMALL, *, ha: str = "left", va: str = "top", **style
    ) -> None:
        """Put one line of text at (x, y) from the upper left corner of the page."""
        artist = self.figure.text(
            0, 0, clean(text), size=size, ha=ha, va=va, transform=self.figure.dpi_scale_trans, **style
        )
        self._placed.append(lambda height, cut: artist.set_position((x / DPI, (height + cut - y) / DPI)))

    def block(self, x: float, y: float, lines: Sequence[tuple[str, float, str]], **style) -> None:
        """Put lines (text, size, colour) below each other from y on, which is the top of the first."""
        for text, size, colour in lines:
            self.text(x, y, text, size, color=colour, **style)
            y += line_height(size)

    def paragraph(self, text: str, size: float = SMALL, colour: str = INK) -> None:
        """Add text over the whole width, in as many lines as it takes."""
        for line in wrap(text, size, self.inner):
            self.text(self.margin, self.y, line, size, color=colour)
            self.y += line_height(size)

    def axes(self, left: float, top: float, width: float, height: float, **options) -> Axes:
        """Axes at a place from the upper left corner of the page."""
        axes = self.figure.add_axes((0, 0, 1, 1), **options)

        def place(total: int, cut: int) -> None:
            bottom = 1 - (top - cut + height) / total
            axes.set_position((left / self.width, bottom, width / self.width, height / total))

        self._placed.append(place)
        return axes

    def canvas(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes without a frame whose data units are dots from their upper left corner, for images and marks."""
        axes = self.axes(left, top, width, height)
        axes.set_axis_off()
        axes.set(xlim=(0, width), ylim=(height, 0))
        return axes

    def line(self, x: Sequence[float], y: Sequence[float], **style) -> None:
        """Draw a line or markers at points given in dots from the upper left corner."""
        artist = Line2D([], [], transform=self.figure.dpi_scale_trans, **style)
        self.figure.add_artist(artist)
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        self._placed.append(lambda height, cut: artist.set_data(x / DPI, (height + cut - y) / DPI))

    def legend(self, entries: Sequence[tuple[str, dict]]) -> None:
        """Add a strip of keys over the whole width: label and line style of each, as many rows as it takes."""
        key, blank, height = dots(6), dots(5), line_height(SMALL) + dots(0.6)
        x = self.margin
        for label, style in entries:
            lines = wrap(label, SMALL, self.inner - key - dots(1.5))
            needed = key + dots(1.5) + max(text_width(line, SMALL) for line in lines)
            if x > self.margin and x + needed > self.margin + self.inner:
                x, self.y = self.margin, self.y + height
            middle = self.y + line_height(SMALL) / 2
            if style.get("linestyle") in (None, "none"):
                self.line([x + key / 2], [middle], **style)
            else:
                self.line([x, x + key / 2, x + key], [middle] * 3, **{**style, "markevery": [1]})
            for line in lines:
                self.text(x + key + dots(1.5), self.y + line_height(SMALL) / 2, line, va="center_baseline")
                self.y += line_height(SMALL)
            self.y -= line_height(SMALL)
            x += needed + blank
        self.y += height

    def drawn(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows, column to value, to the numbers that are written beside the figure."""
        self._rows += rows

    def header(self, title: str, about: Subject | None = None) -> None:
        """Add the title line and, below it, dataset and protocol, as far as they are named."""
        before = len(self.figure.texts)
        self.paragraph(title, LARGE)
        self.figure.title = clean(title)
        self.figure.words += self.figure.texts[before:]
        self._top = self.y - self.margin
        if about is not None:
            optimistic = " (optimistic)" if about.optimistic else ""
            protocol = f"protocol: {about.protocol}{optimistic}" if about.protocol else ""
            self.figure.about = clean("; ".join(filter(None, [about.dataset, protocol])))
            self.paragraph(self.figure.about, NORMAL, MUTED)
        self.skip(1.5)

    def caption(self, *sentences: str) -> None:
        """Add the sentences that stand below a figure."""
        before, self._bottom = len(self.figure.texts), self.y
        self.figure.caption = clean(" ".join(filter(None, sentences)))
        self.skip(1.5)
        self.paragraph(self.figure.caption, SMALL, MUTED)
        self.figure.words += self.figure.texts[before:]

    def finish(self) -> PageFigure:
        """Set the height of the page and put everything in its place."""
        self.figure.data = pd.DataFrame(self._rows)
        self.figure.arrange = self._arrange
        self._arrange(True)
        return self.figure

    def _arrange(self, with_words: bool) -> None:
        cut = 0 if with_words else self._top
        bottom = self.y if with_words or self._bottom is None else self._bottom
        height = bottom + self.margin - cut
        for artist in self.figure.words:
            artist.set_visible(with_words)
        self.figure.set_size_inches(self.width / DPI, height / DPI)
        for place in self._placed:
            place(height, cut)


@styled
def draw_words(title: str, about: Subject, reason: str) -> PageFigure:
    """A page that says in words why there is nothing to draw."""
    page = Page()
    page.header(title, about)
    page.drawn([{"nothing_drawn": reason}])
    page.skip(4)
    page.paragraph(reason, NORMAL)
    page.skip(4)
    page.caption(*about.notes)
    return page.finish()


def tile_size(image: tuple[int, int], room: float, columns: int, gap: int, largest: float) -> tuple[int, int]:
    """Height and width in dots of one of several images side by side: a whole multiple of its pixels where that fits.

    Parameters
    ----------
    image : (height, width) of an image in pixels
    room : width for all columns together
    gap : width between two columns
    largest : greatest width of one
    """
    rows, cols = image
    width = min(largest, (room - gap * (columns - 1)) / columns)
    scale = width / cols
    if scale >= 1:
        scale = int(scale)
    return max(1, int(rows * scale)), max(1, int(cols * scale))


def draw_tile(axes: Axes, image: np.ndarray | None, x: float, y: float, size: tuple[int, int], framed=False) -> None:
    """Draw an image (rows, columns) with values 0 to 1 in grey, black to white, at (x, y) of a `Page.canvas`.

    Without an image the place is crossed out. A frame marks it among its neighbours.
    """
    height, width = size
    if image is not None:
        repeat = max(1, height // image.shape[0])
        # Repeated pixels stay sharp in viewers that smooth the images of a PDF.
        pixels = np.clip(image, 0, 1).repeat(repeat, axis=0).repeat(repeat, axis=1)
        artist = AxesImage(
            axes,
            cmap="gray",
            interpolation="nearest" if pixels.shape == size else "antialiased",
            extent=(x, x + width, y + height, y),
            origin="upper",
        )
        artist.set_data(pixels)
        artist.set_clim(0, 1)
        artist.set_clip_path(axes.patch)
        axes.add_image(artist)
    else:
        axes.plot([x, x + width], [y, y + height], color=FAINT, linewidth=0.6)
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=FAINT, linewidth=0.4, clip_on=False))
    if framed:
        edge = dots(0.45)
        axes.add_patch(
            Rectangle(
                (x - edge, y - edge),
                width + 2 * edge,
                height + 2 * edge,
                fill=False,
                edgecolor=FRAME,
                linewidth=1.6,
                clip_on=False,
            )
        )


def panels_abreast(panels: int, most: int = 3) -> int:
    """How many of so many panels stand side by side, so that no row is nearly empty."""
    rows = -(-panels // most)
    return -(-panels // rows)


def plain(value: float, _=None) -> str:
    """A tick label: as few digits as say the value, never in mathematical type."""
    return minus(f"{value:.4g}")


def minus(number: str) -> str:
    """A formatted number with a minus sign in place of a hyphen, and none before a zero."""
    if not number.strip("-0."):
        number = number.lstrip("-")
    return number.replace("-", "\N{MINUS SIGN}")
