"""Means and differences with their intervals, methods in rows: by protocol, against a reference, and over datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from cortexclip.figures.style import (
    INK,
    MUTED,
    SMALL,
    Look,
    PaperFigure,
    Subject,
    abreast,
    explain_empty,
    few_ticks,
    panel_grid,
    styled,
    text_height,
    wrap,
)
from cortexclip.figures.tables import height_of_tables, notes_of, write_tables
from cortexclip.tables.render import Table

HIDDEN = 0.03
"""Share of a panel's range below which an interval would hide behind its marker; then the scale is not linear."""
ABREAST = 4
TITLE = 70  # characters of the titles of all panels, which stand beside names
INTERVAL = ["mean", "ci_low", "ci_high"]
TESTED = ["method", "detail", "metric", "difference", "ci_low", "ci_high", "p_family", "verdict", "of"]
PAIRED = ["method", "detail", "metric", "protocol", *INTERVAL, "of"]
OVERVIEW = ["method", "detail", "dataset", "protocol", *INTERVAL, "mean_image"]
VERDICTS = {
    "shown": ("Shown: corrected p below 0.05", "#0173b2", "o"),
    "not over folds": ("Corrected p below 0.05, but not shown by the test over folds", "#de8f05", "D"),
    "not shown": ("No difference shown", "#8c8c8c", "o"),
}
"""What the corrected test shows of a difference: its sentence, colour and marker."""
HOW_TO_READ = (
    "Colours give the result of the permutation test, corrected for the declared comparisons; intervals are not "
    "corrected. That no difference is shown does not mean that there is none."
)
BY_METHOD = (
    "Mean over scored samples and seeds with its 95 % interval; lower is better. The interval is over stimuli and "
    "seeds. Dashed: the mean image, a control. Scales differ between panels and need not start at 0. A scale on which "
    "intervals would be hidden is not linear; the title of its axis says so."
)


def forest(
    axes: Axes, data: pd.DataFrame, n_rows: int, styles: Mapping[str, tuple[str, str]], *, apart: bool = True
) -> None:
    """Markers at means with lines from low to high.

    Parameters
    ----------
    data : columns row (0 for the uppermost), kind, mean, ci_low and ci_high; NaN where there is none
    styles : colour and marker of each kind
    apart : whether the kinds of a row stand below each other, in the order of ``styles``
    """
    import seaborn as sns

    known = data[np.isfinite(data["mean"])]
    values = pd.concat([known.assign(drawn=known[column]) for column in INTERVAL], ignore_index=True)
    sns.pointplot(
        values,
        x="drawn",
        y="row",
        order=range(n_rows),
        hue="kind",
        hue_order=list(styles),
        palette=[colour for colour, _ in styles.values()],
        markers=[marker for _, marker in styles.values()],
        estimator=lambda drawn: drawn.iloc[0],
        errorbar=lambda drawn: (drawn.min(), drawn.max()),
        dodge=0.8 * (1 - 1 / len(styles)) if apart and len(styles) > 1 else False,
        linestyle="none",
        markersize=3.5,
        err_kws={"linewidth": 1.0},
        legend=False,
        orient="h",
        ax=axes,
    )
    axes.set(xlabel="", ylabel="", ylim=(n_rows - 0.5, -0.5))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def reach_if_hidden(data: pd.DataFrame) -> float | None:
    """The largest value of a panel on whose linear scale an interval would hide behind its marker; else None."""
    drawn = data[INTERVAL].to_numpy(float)
    reach = np.abs(drawn[np.isfinite(drawn)]).max()
    widths = (data.ci_high - data.ci_low)[lambda width: width > 0]
    return reach if len(widths) and widths.min() < HIDDEN * reach else None


def name_rows(axes: Axes, looks: Sequence[Look], written: bool) -> None:
    """Make room for a row of each method, with its name beside it if that is ``written``."""
    axes.set_ylim(len(looks) - 0.5, -0.5)
    axes.set_yticks(range(len(looks)), [look.lines() if written else "" for look in looks])
    axes.tick_params(axis="y", length=0)


def height_of(looks: Sequence[Look], kinds: int = 1) -> float:
    """Height in millimetres of a panel with methods in rows and so many intervals in each."""
    return max(len(looks), 1) * max(text_height(look.lines() for look in looks), 2.0 * kinds + 1.5)


def handles(styles: Mapping[str, tuple[str, str]]) -> list[Line2D]:
    """Legend handles of kinds, of which ``styles`` holds colour and marker."""
    return [Line2D([], [], color=colour, marker=marker, markersize=3.5) for colour, marker in styles.values()]


@styled
def draw_differences(
    title: str,
    data: pd.DataFrame,
    groups: Mapping[str, Sequence[Look]],
    metrics: Mapping[str, tuple[str, str]],
    about: Subject,
    sentences: Sequence[str] = (),
) -> PaperFigure:
    """Differences from a reference: methods in rows, metrics in columns, a block for each reference, which is at zero.

    Parameters
    ----------
    data : columns `TESTED`, which are written beside the figure (metrics by their labels), and group and row, where a
        difference belongs
    groups : looks of the rows by the title of what they are compared with, "" where the title of the figure says it
    metrics : what is subtracted from what, and what is written where no difference is defined, by label
    sentences : of the caption
    """
    heights = [height_of(looks) for looks in groups.values()]
    against = {group: wrap(f"against {group}", 32) if group else "" for group in groups}
    figure = PaperFigure(sum(heights) + 1.2 * sum(text_height([text], 4) for text in against.values()) + 18)
    shown = [verdict for verdict in VERDICTS if verdict != "not over folds" or (data.verdict == verdict).any()]
    styles = {verdict: VERDICTS[verdict][1:] for verdict in shown}
    figure.key(handles(styles), [VERDICTS[verdict][0] for verdict in shown])
    grid = figure.body.subplots(len(groups), len(metrics), squeeze=False, height_ratios=heights, sharex="col")
    data = data.rename(columns={"difference": "mean"}).assign(kind=data.verdict)
    for column, (metric, (direction, undefined)) in enumerate(metrics.items()):
        of_metric = data[data.metric == metric]
        defined = np.isfinite(of_metric["mean"]).any()
        for axes, (group, looks) in zip(grid[:, column], groups.items(), strict=True):
            rows = of_metric[of_metric.group == group]
            if defined:
                forest(axes, rows, len(looks), styles, apart=False)
                axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
                right = axes.secondary_yaxis("right")
                right.set_yticks(rows.row, rows.p_family)
                right.set_ylabel("p (corrected)", size=SMALL)
                right.tick_params(length=0)
                right.spines["right"].set_visible(False)
            elif group == next(iter(groups)):
                explain_empty(axes, undefined)
            else:
                explain_empty(axes, "")
            name_rows(axes, looks, written=column == 0)
            titles = [metric if axes is grid[0, column] else "", against[group] if column == 0 else ""]
            axes.set_title("\n".join(filter(None, titles)))
        if defined:
            scale = few_ticks(axes, reach_if_hidden(of_metric))
            grid[-1, column].set_xlabel(wrap(f"{direction} (right is better{scale})", 60), size=SMALL)
    return figure.finish(title, about, data.rename(columns={"mean": "difference"})[TESTED], *sentences)


@styled
def draw_pairs(
    title: str,
    data: pd.DataFrame,
    pairs: Sequence[tuple[str, Sequence[Look]]],
    styles: Mapping[str, tuple[str, str]],
    metrics: Mapping[str, str],
    undefined: Mapping[tuple[int, str], str],
    about: Subject,
    sentences: Sequence[str] = (),
) -> PaperFigure:
    """A block for each pair of protocols: methods in rows, metrics in columns, both means of a row below each other.

    Parameters
    ----------
    data : columns `PAIRED`, which are written beside the figure (protocols and metrics by their titles), and pair (its
        number) and row, where a mean belongs
    pairs : of each, which trials the means are of, and the looks of its rows
    styles : colour and marker of the protocols by their titles
    metrics : the way that is better of each metric that is drawn, by label
    undefined : why there is nothing to draw, by pair and metric
    sentences : of the caption
    """
    heights = [height_of(looks, 2) for _, looks in pairs]
    figure = PaperFigure(sum(heights) + 16 * len(pairs))
    figure.key(handles(styles), styles)
    grid = figure.body.subplots(len(pairs), len(metrics), squeeze=False, height_ratios=heights)
    for number, ((trials, looks), line) in enumerate(zip(pairs, grid, strict=True)):
        for column, (axes, (metric, better)) in enumerate(zip(line, metrics.items(), strict=True)):
            rows = data[(data.pair == number) & (data.metric == metric)]
            own = {protocol: styles[protocol] for protocol in dict.fromkeys(data[data.pair == number].protocol)}
            if np.isfinite(rows["mean"]).any():
                forest(axes, rows.assign(kind=rows.protocol), len(looks), own)
                few_ticks(axes)
                axes.set_xlabel(f"{metric}, {better}")
            else:
                explain_empty(axes, undefined.get((number, metric), ""))
            name_rows(axes, looks, written=column == 0)
        line[0].set_title(wrap(trials, 100), size=SMALL, color=MUTED)
    return figure.finish(title, about, data[PAIRED], *sentences)


@styled
def draw_mse_by_method(
    data: pd.DataFrame,
    looks: Sequence[Look],
    datasets: Mapping[str, str],
    protocols: Mapping[str, tuple[str, tuple[str, str]]],
    notes: Sequence[str] = (),
    caveat: str = "",
) -> PaperFigure:
    """Mean squared error by method (rows) and dataset (panels), a marker and an interval for each protocol.

    Parameters
    ----------
    data : columns `OVERVIEW`, which are written beside the figure, and row, the number of a method; mean_image is the
        error of the control, drawn as a dashed line
    looks : of the rows, from top to bottom
    datasets : titles by name, in the order of the panels
    protocols : title, and colour and marker, by name, in the order of the intervals within a row
    notes : last sentences of the caption
    caveat : the gravest of them
    """
    figure = PaperFigure(overview_height(looks, datasets, protocols))
    figure.key(
        handles({name: style for name, (_, style) in protocols.items()}), [title for title, _ in protocols.values()]
    )
    draw_overview(figure.body, data, looks, datasets, protocols)
    about = Subject("", notes=tuple(notes), caveat=caveat)
    return figure.finish("Mean squared error by method", about, data[OVERVIEW], BY_METHOD)


@styled
def draw_main_page(
    tables: Sequence[Table],
    data: pd.DataFrame,
    looks: Sequence[Look],
    datasets: Mapping[str, str],
    protocols: Mapping[str, tuple[str, tuple[str, str]]],
    notes: Sequence[str] = (),
) -> PaperFigure:
    """The main tables and, below them, the figure of `draw_mse_by_method` on one page; parameters as there."""
    heights = [height_of_tables(tables), overview_height(looks, datasets, protocols) + 15]  # with its legend
    figure = PaperFigure(sum(heights))
    upper, lower = figure.body.subfigures(2, 1, squeeze=False, height_ratios=heights).ravel()
    write_tables(upper, tables)
    figure.key(handles(dict(protocols.values())), dict(protocols.values()), lower)
    draw_overview(lower, data, looks, datasets, protocols)
    return figure.finish("Mean squared error by method", None, data, *notes_of(tables), BY_METHOD, *notes)


def overview_height(looks: Sequence[Look], datasets: Mapping[str, str], protocols: Mapping[str, object]) -> float:
    """Height in millimetres of `draw_overview`."""
    columns = abreast(len(datasets), ABREAST)
    titles = text_height(wrap(title, TITLE // columns) for title in datasets.values())
    return -(-len(datasets) // columns) * (height_of(looks, len(protocols)) + 9 + 1.2 * titles)


def draw_overview(
    panels: SubFigure,
    data: pd.DataFrame,
    looks: Sequence[Look],
    datasets: Mapping[str, str],
    protocols: Mapping[str, tuple[str, tuple[str, str]]],
) -> None:
    """Fill part of a figure with the panels of `draw_mse_by_method`; parameters as there."""
    styles = {name: style for name, (_, style) in protocols.items()}
    columns = abreast(len(datasets), ABREAST)
    for number, (axes, (name, title)) in enumerate(
        zip(panel_grid(panels, len(datasets), columns), datasets.items(), strict=True)
    ):
        rows = data[data.dataset == name].assign(kind=lambda rows: rows.protocol)
        if np.isfinite(rows["mean"]).any():
            forest(axes, rows, len(looks), styles)
            for turn, (protocol, control) in enumerate(rows.groupby("protocol").mean_image.first().items()):
                dashes = 4 * turn, (4, 4 * max(len(styles) - 1, 1))  # lines at the same position take turns
                axes.axvline(control, color=styles[protocol][0], linestyle=dashes, linewidth=0.7, zorder=1)
            axes.set_xlabel(wrap(f"MSE{few_ticks(axes, reach_if_hidden(rows))}", TITLE // columns))
        else:
            explain_empty(axes, "no scores")
        name_rows(axes, looks, written=number % columns == 0)
        axes.set_title(wrap(title, TITLE // columns))
