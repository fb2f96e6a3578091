"""Errors stimulus by stimulus: a method against a reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cortexclip.figures.style import (
    MUTED,
    NORMAL,
    SMALL,
    TITLES,
    Look,
    PaperFigure,
    Subject,
    panel_grid,
    plain,
    styled,
    text_height,
    wrap,
)

ABREAST = 5
PAIRS = ["method", "detail", "stimulus", "reference", "error"]


@styled
def draw_paired(data: pd.DataFrame, looks: Mapping[str, Look], reference: str, about: Subject) -> PaperFigure:
    """A panel for each method: its error on every stimulus against that of the reference, with the diagonal.

    Parameters
    ----------
    data : columns `PAIRS`, which are written beside the figure (mean squared errors over trials and seeds), and run,
        the name of a method in ``looks``
    """
    import seaborn as sns

    columns = min(ABREAST, len(looks))
    titles = {}
    for run in looks:
        rows = data[data.run == run]
        lower, higher = int((rows.error < rows.reference).sum()), int((rows.error > rows.reference).sum())
        equal = len(rows.dropna()) - lower - higher
        titles[run] = f"{wrap(run, 100 // ABREAST)}\n{lower} lower, {higher} higher" + (f", {equal} =" if equal else "")
    figure = PaperFigure(-(-len(looks) // columns) * (30 + 1.15 * text_height(titles.values())) + 4)
    panels = panel_grid(figure.body, len(looks), columns)
    for axes, (run, look) in zip(panels, looks.items(), strict=True):
        rows = data[data.run == run]
        high = np.nanmax([rows.reference.max(), rows.error.max(), 1e-9]) * 1.08
        axes.axline((0, 0), slope=1, color=MUTED, linewidth=0.7, zorder=1)
        sns.scatterplot(
            rows, x="reference", y="error", color=look.colour, marker=look.marker, s=14, alpha=0.7, linewidth=0, ax=axes
        )
        axes.set(xlim=(-0.04 * high, high), ylim=(-0.04 * high, high), xlabel="", ylabel="", box_aspect=1)
        axes.set_title(titles[run], size=SMALL)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
            axis.set_major_formatter(FuncFormatter(plain))
    figure.body.supxlabel(wrap(f"MSE of {reference}", TITLES), size=NORMAL)
    figure.body.supylabel("MSE of the method", size=NORMAL)
    return figure.finish(
        f"Stimulus by stimulus against {reference}",
        about,
        data[PAIRS],
        f"Each mark is a stimulus: below the diagonal the method has the lower error, above it {reference}. Means "
        "over the trials of a stimulus and over seeds. Above each panel: on how many stimuli the error of the method "
        "is lower and higher (=: the same). Scales differ between panels and are linear.",
    )
