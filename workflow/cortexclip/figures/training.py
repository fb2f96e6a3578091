"""Figure of training: how losses fell and which epoch was chosen on what."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from cortexclip.figures.style import (
    INK,
    MUTED,
    TITLES,
    Look,
    PaperFigure,
    Subject,
    abreast,
    panel_grid,
    plain,
    styled,
    text_height,
)

LOSSES = {
    ("select", "train_loss"): ("Training loss", (4, 1.5)),
    ("select", "select_loss"): ("Selection loss", (1, 0)),
    ("refit", "train_loss"): ("Training loss of the refit", (1, 1.2)),
}
SELECT = LOSSES["select", "select_loss"][0]
DRAWN = ["method", "detail", "fold", "seed", "stage", "epoch", "quantity", "value"]


@styled
def draw_training_curves(history: pd.DataFrame, runs: Mapping[str, Look], about: Subject) -> PaperFigure:
    """Losses over epochs, one panel for each run that has any: the mean over folds and seeds, and the range of all.

    Parameters
    ----------
    history : columns run, fold, seed, stage ("select" or "refit"), epoch, quantity ("train_loss" or "select_loss"),
        value
    runs : looks by the names in the column ``run``, in the order of the panels
    """
    kinds = pd.Series(list(zip(history.stage, history.quantity, strict=True)), history.index)
    history = history.assign(
        loss=kinds.map({kind: name for kind, (name, _) in LOSSES.items()}),
        method=history.run.map({run: look.title for run, look in runs.items()}),
        detail=history.run.map({run: look.detail for run, look in runs.items()}),
    )
    history = history[history.loss.notna() & history.method.notna()]
    shown = [name for name in runs if (history.run == name).any()]
    columns = max(2, abreast(len(shown)))
    titles = [runs[name].lines(TITLES // columns) for name in shown]
    figure = PaperFigure(-(-len(shown) // columns) * (44 + 1.15 * text_height(titles)))
    for axes, name, title in zip(panel_grid(figure.body, len(shown), columns), shown, titles, strict=True):
        _curves(axes, history[history.run == name], runs[name].colour)
        axes.set_title(title)
    lines = {
        "Test loss, on which the epoch is chosen" if name == SELECT and about.optimistic else name: Line2D(
            [], [], color=INK if name == SELECT else MUTED, linestyle=(0, dashes)
        )
        for name, dashes in LOSSES.values()
        if (history.loss == name).any()
    }
    lines["Chosen epoch of a training"] = Line2D([], [], color="white", markeredgecolor=INK, marker="o")
    figure.key(lines.values(), lines)
    folds, seeds = history.fold.nunique(), history.seed.nunique()
    several = f"{folds} folds x {seeds} seeds" if folds > 1 else f"{seeds} seeds" if seeds > 1 else "one seed"
    return figure.finish(
        "Training curves",
        about,
        history[DRAWN],
        f"Lines: {several}."
        if folds * seeds == 1
        else f"Lines: mean of {several}, up to the last epoch that all of them reach; "
        "shaded: from the lowest to the highest of them.",
        "Logarithmic scales that differ between panels: each method minimises a loss of its own.",
        "Here the selection loss is the test loss: it is taken on the scored samples themselves."
        if about.optimistic
        else "",
    )


def _curves(axes: Axes, history: pd.DataFrame, colour: str) -> None:
    """Fill one panel from the histories of one run."""
    import seaborn as sns

    table = history.groupby(["loss", "epoch"]).value.agg(["mean", "min", "max", "count"]).reset_index()
    trainings = history.drop_duplicates(["loss", "fold", "seed"]).groupby("loss").size()
    table = table[table["count"] == table.loss.map(trainings)]
    colours = {name: colour if name == SELECT else MUTED for name, _ in LOSSES.values()}
    sns.lineplot(
        table,
        x="epoch",
        y="mean",
        hue="loss",
        palette=colours,
        style="loss",
        dashes=dict(LOSSES.values()),
        estimator=None,
        legend=False,
        ax=axes,
    )
    for name, rows in table.groupby("loss"):
        axes.fill_between(rows.epoch, rows["min"], rows["max"], color=colours[name], alpha=0.2, linewidth=0)
    select = history[(history.loss == SELECT) & np.isfinite(history.value)]
    chosen = select.loc[select.groupby(["fold", "seed"]).value.idxmin()]
    axes.plot(chosen.epoch, chosen.value, "o", color="white", markeredgecolor=colour, markeredgewidth=0.9, zorder=5)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    finite = history.value[np.isfinite(history.value)]
    if len(finite) and finite.min() > 0:
        decades = np.log10(finite.max() / finite.min())
        steps = (1, 1.5, 2, 3, 5, 7) if decades < 0.8 else (1, 2, 5) if decades < 2.2 else (1,)
        axes.set_yscale("log")
        axes.set_ylabel("loss, logarithmic")
        axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=8))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
