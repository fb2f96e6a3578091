"""Figure of two protocols side by side: what every method's figure becomes on the same trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cortexclip.figures.rows import Rows, room_below, room_to_say, say, scale
from cortexclip.figures.style import INK, MUTED, NORMAL, SMALL, Look, Page, Subject, dots, styled

Value = tuple[float, float, float]
"""Mean and the bounds of its interval; NaN for none."""


@dataclass(frozen=True)
class Side:
    """A protocol of a pair: its title and the marker that it has in every figure."""

    title: str
    marker: str


@dataclass(frozen=True)
class Pair:
    """Two protocols and the methods scored in both.

    Attributes
    ----------
    sides : the two protocols, upper and lower within a row
    trials : which trials the means are of, in words
    looks : of the rows, from top to bottom
    cells : metric -> for each row the values in both protocols
    undefined : metric -> why it is not drawn, for those that have no value in one of the protocols
    """

    sides: tuple[Side, Side]
    trials: str
    looks: Sequence[Look]
    cells: Mapping[str, Sequence[tuple[Value, Value]]]
    undefined: Mapping[str, str] = field(default_factory=dict)


@styled
def draw_pairs(
    title: str,
    pairs: Sequence[Pair],
    metrics: Mapping[str, tuple[str, str]],
    about: Subject,
    remarks: Sequence[str] = (),
) -> Figure:
    """A block for each pair of protocols: methods in rows, metrics in columns, both means joined by a line.

    Parameters
    ----------
    metrics : label and the way that is better ("lower is better") by name, in the order of the columns
    remarks : the first sentences of the caption
    """
    page = Page()
    page.header(title, about)
    nowhere = {name: pairs[0].undefined[name] for name in metrics if all(name in pair.undefined for pair in pairs)}
    metrics = {name: label for name, label in metrics.items() if name not in nowhere}
    page.drawn(_data(pairs, metrics))
    for number, pair in enumerate(pairs):
        page.skip(3 if number else 0)
        _block(page, pair, metrics)
    page.caption(
        "Mean, over seeds too, with its 95 % bootstrap interval over stimuli and seeds. Both means of a row are "
        "of the same trials, so intervals that overlap do not say that they are equal. Scales differ between panels.",
        *remarks,
        *nowhere.values(),
        *about.notes,
    )
    return page.finish()


def _data(pairs: Sequence[Pair], metrics: Mapping[str, tuple[str, str]]) -> Iterator[dict]:
    """A row for each protocol, method and metric that is drawn."""
    for pair in pairs:
        for metric, (label, _) in metrics.items():
            for look, cell in zip(pair.looks, pair.cells.get(metric, ()), strict=False):
                for side, (mean, low, high) in zip(pair.sides, cell, strict=True):
                    values = {"mean": mean, "ci_low": low, "ci_high": high}
                    yield {**look.columns(), "metric": label, "protocol": side.title, **values, "of": pair.trials}


def _block(page: Page, pair: Pair, metrics: Mapping[str, tuple[str, str]]) -> None:
    title = " against ".join(side.title for side in pair.sides)
    page.paragraph(title[:1].upper() + title[1:], NORMAL)
    page.paragraph(pair.trials, SMALL, MUTED)
    page.skip(0.8)
    page.legend([(side.title, _style(INK, side.marker, which)) for which, side in enumerate(pair.sides)])
    page.skip(0.5)
    rows = Rows.of(pair.looks, dots(4.8))
    left, between = page.margin + rows.width, dots(6)
    width = (page.width - page.margin - dots(2) - left - (len(metrics) - 1) * between) // len(metrics)
    rows = rows.at_least(room_to_say([pair.undefined[name] for name in metrics if name in pair.undefined], width))
    rows.write(page, page.y)
    for number, (metric, (label, better)) in enumerate(metrics.items()):
        x = left + number * (width + between)
        if metric in pair.undefined:
            say(page, x, page.y, width, rows.height, pair.undefined[metric])
            continue
        _dumbbells(rows.axes(page, x, page.y, width), rows, pair, metric)
        page.text(x + width / 2, page.y + rows.height + dots(4.2), f"{label}, {better}", NORMAL, ha="center")
    page.y += rows.height + room_below()


def _style(colour: str, marker: str, which: int) -> dict:
    return {
        "color": colour,
        "marker": marker,
        "markersize": 4.5,
        "linestyle": "-",
        "linewidth": 0.9,
        "markerfacecolor": colour if which else "white",
        "markeredgecolor": colour,
        "markeredgewidth": 0.9,
    }


def _dumbbells(axes: Axes, rows: Rows, pair: Pair, metric: str) -> None:
    drawn = []
    for look, cell, middle in zip(pair.looks, pair.cells[metric], rows.middles, strict=True):
        places = middle - dots(1.05), middle + dots(1.05)
        axes.plot([cell[0][0], cell[1][0]], places, color=look.colour, linewidth=0.7, linestyle=(0, (1.2, 1)), zorder=2)
        for which, ((mean, low, high), y) in enumerate(zip(cell, places, strict=True)):
            style = _style(look.colour, pair.sides[which].marker, which)
            axes.plot([low, high], [y, y], color=look.colour, linewidth=0.9, solid_capstyle="butt", zorder=3)
            axes.plot([mean], [y], **{**style, "linestyle": "none"}, zorder=4)
            drawn += [mean, low, high]
    scale(axes, drawn)
