"""Checks that hold for every figure: its text lies on the page, apart from other text, and is as it was given."""

import argparse
from unittest import mock

import matplotlib
import numpy as np
from matplotlib.legend import Legend
from matplotlib.table import Cell
from matplotlib.text import Text

from cortexclip.figures import style

LONG = (
    "A title that goes on and on, with $x_1^2$, \\frac{a}{b}, 100 % & an_underscore, AWordThatIsMuchTooLongForItsColumn"
)
ABOUT = style.Subject(
    "Data $set_1$", "as published", optimistic=True, notes=("Optimistic protocol: chosen_on $test$.",)
)


def look(number, title="Method"):
    return style.Look(f"{title} {number}", "a_space", "#0173b2", "o")


def words(figure):
    """All that is written in a figure and in its caption, in one line."""
    written = [text for text in figure.findobj(Text) if text.get_visible()]
    written += [cell.get_text() for cell in figure.findobj(Cell)]
    return " ".join([*" ".join(text.get_text() for text in written).split(), figure.caption])


def check_page(figure):
    """Everything written lies on the page, at a size that can be read, not as a formula, and not over other text.

    The page is one or two columns of a journal wide, as it is printed.
    """
    assert np.isclose(figure.get_figwidth() * 25.4, style.WIDTH_MM)
    check_beside(figure)
    drawn, draw_text = [], Text.draw
    with (
        matplotlib.rc_context(style.STYLE),  # ticks are made when they are first drawn
        mock.patch.object(Text, "draw", lambda text, *options: (drawn.append(text), draw_text(text, *options))),
    ):
        style.lay_out(figure)
        figure.canvas.draw()
    page = figure.bbox
    boxes = []
    for text in drawn:
        if not text.get_text().strip() or not text.get_visible():
            continue
        box = text.get_window_extent()
        assert box.width > 0 and page.x0 <= box.x0 and box.x1 <= page.x1, (text.get_text(), box)
        assert page.y0 <= box.y0 and box.y1 <= page.y1, (text.get_text(), box)
        assert text.get_fontsize() >= 7, text.get_text()
        assert not text.get_parse_math()
        assert "nan" not in text.get_text().lower().split()
        boxes.append((text.get_text(), box.x0, box.y0, box.x1, box.y1))
    written = np.array([box[1:] for box in boxes])
    over = overlapping(written, written) & ~np.eye(len(written), dtype=bool)
    assert not over.any(), [(boxes[i][0], boxes[j][0]) for i, j in np.argwhere(over)]
    check_panels(figure)


def check_panels(figure):
    """No panel reaches over another, over a legend or over title and caption."""
    panels = np.array([axes.get_window_extent().extents for axes in figure.axes])
    around = [text.get_window_extent().extents for text in figure.words if text.get_text()]
    around += [legend.get_window_extent().extents for legend in figure.findobj(Legend)]
    if len(panels):
        assert not (overlapping(panels, panels) & ~np.eye(len(panels), dtype=bool)).any()
        assert not overlapping(panels, np.reshape(around, (-1, 4))).any()


def check_beside(figure):
    """What is written beside a figure: its caption, and its numbers, none of them empty."""
    heading, short = (text.get_text() for text in figure.words)
    assert figure.title and " ".join(heading.split()) == " ".join(filter(None, [figure.title, figure.about]))
    assert short.count("\n") < style.SHOWN_LINES and (short or not figure.caption)
    for sentence in " ".join(short.split()).removesuffix(" ...").split(". "):
        assert sentence.rstrip(".") in figure.caption
    assert len(figure.data) and not figure.data.isna().all(axis=None)


def overlapping(first, second):
    """Which boxes (left, bottom, right, top) overlap, but for the dots above and below letters that are empty."""
    left, bottom, right, top = (first[:, [side]] for side in range(4))
    x0, y0, x1, y1 = second.T
    return (left + 2 < x1) & (x0 + 2 < right) & (bottom + 5 < y1) & (y0 + 5 < top)


def call(module, options):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return module.run(parser.parse_args(options))
