"""Figure of training: how losses fell and which epoch was chosen on what."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from cortexclip.figures.images import label_lines
from cortexclip.figures.style import (
    INK,
    MUTED,
    NORMAL,
    Look,
    Page,
    Subject,
    dots,
    line_height,
    panels_abreast,
    plain,
    styled,
)

QUANTITIES = {
    ("select", "train_loss"): {"color": MUTED, "linestyle": (0, (4, 1.5))},
    ("select", "select_loss"): {"linestyle": "-"},
    ("refit", "train_loss"): {"color": MUTED, "linestyle": (0, (1, 1.2))},
}

DRAWN = ("fold", "seed", "stage", "epoch", "quantity", "value")


@styled
def draw_training_curves(history: pd.DataFrame, runs: Mapping[str, Look], about: Subject) -> Figure:
    """Losses over epochs, one panel for each run that has any: every fold and seed thin, their mean thick.

    Parameters
    ----------
    history : columns run, fold, seed, stage ("select" or "refit"), epoch, quantity ("train_loss" or "select_loss"),
        value
    runs : looks by the names in the column ``run``, in the order of the panels
    """
    page = Page()
    page.header("Training curves", about)
    shown = [name for name in runs if (history.run == name).any()]
    page.drawn(
        {**runs[row["run"]].columns(), **{key: row[key] for key in DRAWN}}
        for row in history[history.run.isin(shown)].to_dict("records")
        if (row["stage"], row["quantity"]) in QUANTITIES
    )
    select = "Test loss, on which the epoch is chosen" if about.optimistic else "Selection loss"
    neutral = {"color": INK, "markerfacecolor": "white", "markeredgecolor": INK}
    entries = [
        ("Training loss", QUANTITIES["select", "train_loss"]),
        (select, {"color": INK, **QUANTITIES["select", "select_loss"]}),
        ("Chosen epoch of a training", {**neutral, "linestyle": "none", "marker": "o", "markersize": 4.5}),
    ]
    if (history.stage == "refit").any():
        entries.insert(2, ("Training loss of the refit", QUANTITIES["refit", "train_loss"]))
    page.legend(entries)
    page.skip(1.5)

    abreast = max(2, panels_abreast(len(shown)))
    left, right, between = dots(12), dots(2), dots(2)
    width = (page.inner - (abreast - 1) * between) // abreast
    height = dots(38)
    for start in range(0, len(shown), abreast):
        band = shown[start : start + abreast]
        labels = [label_lines(runs[name], width - left) for name in band]
        title = max(map(len, labels)) * line_height(NORMAL)
        for number, (name, lines) in enumerate(zip(band, labels, strict=True)):
            x = page.margin + number * (width + between)
            page.block(x + left, page.y + title - len(lines) * line_height(NORMAL), lines)
            axes = page.axes(x + left, page.y + title + dots(1), width - left - right, height)
            _curves(axes, history[history.run == name], runs[name])
            page.text(
                x + dots(0.5),
                page.y + title + dots(1) + height / 2,
                "loss",
                NORMAL,
                rotation=90,
                va="center",
                ha="left",
            )
            page.text(
                x + left + (width - left - right) / 2,
                page.y + title + dots(1) + height + dots(4),
                "epoch",
                NORMAL,
                ha="center",
            )
        page.y += title + dots(1) + height + dots(4) + line_height(NORMAL) + dots(3)
    folds, seeds = history.fold.nunique(), history.seed.nunique()
    several = f"{folds} folds x {seeds} seeds" if folds > 1 else f"{seeds} seeds" if seeds > 1 else "one seed"
    page.skip(-3)
    page.caption(
        f"Thin: {several}." + (" Thick: their mean, up to the epoch that all reach." if folds * seeds > 1 else ""),
        "Logarithmic scales that differ between panels: each method minimises a loss of its own.",
        "Here the selection loss is the test loss: it is taken on the scored samples themselves."
        if about.optimistic
        else "",
        *about.notes,
    )
    return page.finish()


def _curves(axes: Axes, history: pd.DataFrame, look: Look) -> None:
    for (stage, quantity), style in QUANTITIES.items():
        style = {"color": look.colour, **style}
        rows = history[(history.stage == stage) & (history.quantity == quantity)]
        if rows.empty:
            continue
        table = rows.pivot_table(index="epoch", columns=["fold", "seed"], values="value", dropna=False).sort_index()
        values, epochs = table.to_numpy(), table.index.to_numpy()
        single = values.shape[1] == 1
        axes.plot(epochs, values, **style, linewidth=1.4 if single else 0.5, alpha=1 if single else 0.55)
        if not single:
            reached = np.isfinite(values).all(axis=1)
            axes.plot(epochs[reached], values[reached].mean(axis=1), **style, linewidth=1.4)
        if quantity == "select_loss":
            chosen = [np.nanargmin(column) for column in values.T if np.isfinite(column).any()]
            lowest = [np.nanmin(column) for column in values.T if np.isfinite(column).any()]
            axes.plot(
                *(epochs[chosen], lowest),
                linestyle="none",
                marker="o",
                markersize=4.5,
                markerfacecolor="white",
                markeredgecolor=look.colour,
                markeredgewidth=0.9,
                zorder=5,
                clip_on=False,
            )
    axes.margins(x=0.03, y=0.06)
    axes.set_xlim(left=history.epoch.min() - 0.5)
    positive = history.value[np.isfinite(history.value)]
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    if len(positive) and positive.min() > 0:
        axes.set_yscale("log")
        decades = np.log10(positive.max() / positive.min())
        subs = (
            (1, 1.5, 2, 3, 5, 7) if decades < 0.8 else (1, 2, 5) if decades < 2.2 else (1, 3) if decades < 3.5 else (1,)
        )
        axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter("")
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    axes.spines[["top", "right"]].set_visible(False)
