"""How far predictions are a choice among training images, and how near these are to the scored ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cortexclip.figures.forest import INTERVAL
from cortexclip.figures.power import OVER_ALL, PREDICTED, ROWS, WITHIN, draw_rows
from cortexclip.figures.study import Study
from cortexclip.figures.style import INK, SMALL, PaperFigure, few_ticks, readouts, subject
from cortexclip.tables.audit import notes_for

NEARNESS = "Nearness"


def spurious(study: Study, protocol: str, table: pd.DataFrame, nearness: pd.DataFrame) -> PaperFigure:
    """Effective dimensionality, span and identification of every method, from the table collapse; and nearness."""
    about = subject(study.plan, study.name, protocol, notes_for(study.audit, protocol))
    title = "More than a choice among training images?"
    table = table[(table.dataset == study.name) & (table.protocol == protocol)]
    rows = table.set_index(["method", "encoder"])
    looks = {method: look for method, look in readouts(study.plan).items() if method in rows.index}
    names = pd.DataFrame([look.columns() for look in looks.values()])
    first, nan = table.iloc[0], np.nan
    panels = {"Dimensions": "effective number", "In the span": "share of variance", "2-way": "share identified"}
    drawn = [
        names.assign(panel=panel, kind=kind, row=range(len(names)), mean=rows[column].reindex(list(looks)).to_numpy())
        for panel, kind, column in (
            ("Dimensions", PREDICTED, "dimensions"),
            ("In the span", PREDICTED, "span"),
            ("2-way", OVER_ALL, "identification"),
            ("2-way", WITHIN, "identification_within"),
        )
    ]
    near = nearness[nearness.protocol == protocol]
    values = pd.DataFrame(
        {"method": "", "detail": "", "panel": NEARNESS, "kind": near.space, "row": 0, "mean": near.similarity}
    )
    data = pd.concat([*drawn, values], ignore_index=True).assign(**dict.fromkeys(INTERVAL[1:], nan))
    lines = {"Dimensions": first.dimensions_stimuli, "In the span": first.span_stimuli, "2-way": 0.5}
    spaces = ", ".join(dict.fromkeys(near.space))
    sentences = [
        "Dimensions: participation ratio of the predictions about the mean training image. In the span: share of their "
        "variance in the span of the training images. Dashed in both: the scored stimuli. 2-way identification "
        f"over pixels among all scored images and within {first.clusters} clusters of them (space: {first.space}); "
        "dashed: chance. A method that distinguishes only these clusters is at chance within them. "
        f"{NEARNESS}: share of scored images whose similarity to the most similar training image is at most the value "
        f"on the axis (correlation of pixels, cosine of embeddings; {spaces}); 1 for images that were trained on.",
    ]
    last = NEARNESS, lambda axes: _cumulative(axes, near)
    return draw_rows(title, data[[*ROWS, "row"]], looks, panels, about, sentences, lines, last=last)


def _cumulative(axes: Axes, near: pd.DataFrame) -> None:
    """Cumulative shares of similarities, a line for each space, named beside it."""
    import seaborn as sns

    styles = {space: (INK, "-") if space == "pixels" else ("#0173b2", "--") for space in dict.fromkeys(near.space)}
    for number, (space, (colour, dash)) in enumerate(styles.items()):
        values = near.similarity[near.space == space]
        sns.ecdfplot(x=values, ax=axes, color=colour, linestyle=dash, linewidth=1.2)
        axes.text(0.04, 0.94 - 0.12 * number, space, color=colour, transform=axes.transAxes, va="top", size=SMALL)
    axes.set(xlabel="similarity", ylabel="share of scored images", xlim=(min(0.0, near.similarity.min()), 1.02))
    axes.set_ylim(0, 1.35)
    axes.set_yticks([0, 0.5, 1])
    few_ticks(axes)
