"""What limits a comparison: the noise of the responses, the number of images, and that of training samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from cortexclip.evaluation import own_name
from cortexclip.evaluation.metrics import METRICS
from cortexclip.figures.chance import draw_lines
from cortexclip.figures.chance import handles as line_handles
from cortexclip.figures.forest import INTERVAL, forest, handles, height_of, name_rows
from cortexclip.figures.study import SHOWN, Study, way_of
from cortexclip.figures.style import (
    INK,
    MUTED,
    TITLES,
    Look,
    PaperFigure,
    Subject,
    explain_empty,
    few_ticks,
    panel_grid,
    plain,
    readouts,
    styled,
    subject,
    text_height,
    wrap,
)
from cortexclip.tables.audit import notes_for

ROWS = ["method", "detail", "panel", "kind", *INTERVAL]
CURVE = ["method", "detail", "protocol", "metric", "n_train", *INTERVAL]
SCORE, CEILING, SHARE, NEEDED = "Score", "Ceiling", "Share with its 95 % interval", "Images needed"
PREDICTED, OVER_ALL, WITHIN = "Predictions", "2-way among all scored images", "2-way within clusters"
KINDS = {
    SCORE: (INK, "o"),
    CEILING: ("#d55e00", "D"),
    SHARE: ("#0173b2", "s"),
    NEEDED: ("#0173b2", "o"),
    PREDICTED: (INK, "o"),
    OVER_ALL: ("#0173b2", "s"),
    WITHIN: ("#d55e00", "D"),
}
"""Colour and marker of what is drawn in rows."""
FARTHEST = 1e5
"""Images up to which intervals are drawn that have no end."""
OVER_CEILING, IMAGES = "Score over ceiling", "Images needed, "
CEILINGS = (
    "MSE and ceiling on the {} images that are scored more than once, {} trials each on average, with equal weights. "
    "Ceiling: the lowest possible error of predictions that agree over the repeats of an image as much as those of the "
    "method; it is specific to the method and its noise. Score over ceiling: gain over always predicting the mean "
    "scored image, divided by the gain at the ceiling; the interval is from the jackknife over images. Below 0: worse "
    "than the mean scored image. The gap to 1 is not due to noise of the responses."
)
NEEDS = (
    "Images needed: number of distinct images with which a paired t-test at 0.05, of one comparison, finds the "
    "difference between a method and {} with a power of 0.8, if its mean and standard deviation are as found here; the "
    "line spans the 95 % interval of their ratio, up to {} where it has no end. No marker: more than that, or no "
    "difference. Dashed: the number of images here. Fewer than 6 are never enough."
)


def limits(
    study: Study, protocol: str, ceilings: pd.DataFrame, needs: pd.DataFrame, reference: str | None
) -> PaperFigure:
    """Scores beside noise ceilings, and images needed to show differences from one run; tables ceiling and power."""
    about = subject(study.plan, study.name, protocol, notes_for(study.audit, protocol))
    found, looks = _looks(_of(ceilings, study, protocol, "mse"), study)
    nan = np.full(len(found), np.nan)
    drawn: list[tuple] = []
    sentences, panels, lines = [], {}, {}
    there = found[found.ceiling.notna()]
    if len(there):
        drawn = [
            ("MSE", SCORE, found.value, nan, nan),
            ("MSE", CEILING, found.ceiling, nan, nan),
            (OVER_CEILING, SHARE, found.share, found.share_low, found.share_high),
        ]
        panels = {"MSE": "MSE, lower is better", OVER_CEILING: "share of the gain"}
        lines[OVER_CEILING] = 1.0
        sentences.append(CEILINGS.format(f"{there.n_stimuli.iloc[0]:.0f}", f"{there.n_repeats.iloc[0]:.1f}"))
    else:  # the reference has neither a ceiling nor a difference
        looks = {method: look for method, look in looks.items() if look.label != reference}
    needs = needs[needs.reference == reference]
    for metric in SHOWN:
        rows = _of(needs, study, protocol, metric).set_index(["method", "encoder"]).reindex(list(looks))
        if rows.needed.notna().any():
            panel = f"{IMAGES}{METRICS[metric].label}"
            needed = rows.needed.where(rows.needed < FARTHEST)
            ends = (end.where(needed.notna()).clip(upper=FARTHEST) for end in (rows.needed_low, rows.needed_high))
            drawn.append((panel, NEEDED, needed, *ends))
            panels[panel], lines[panel] = "distinct images, logarithmic", float(rows.n_images.max())
    if any(panel.startswith(IMAGES) for panel in panels):
        sentences.append(NEEDS.format(reference, f"{FARTHEST:,.0f}"))
    if not drawn:
        looks, means = _looks(found.reset_index(), study)[1], study.by_stimulus_of(protocol, "mse").mean()
        drawn, panels = [("MSE", SCORE, means.reindex(list(looks)), nan, nan)], {"MSE": "mean over images"}
        sentences.append("MSE of each method. No differences are tested here.")
    if not len(there):
        sentences.append(f"There is no noise ceiling: {'; '.join(dict.fromkeys(found.reason.dropna()))}.")
    return draw_rows("What limits the comparison", _long(drawn, looks), looks, panels, about, sentences, lines)


def learning_curve(study: Study, table: pd.DataFrame) -> PaperFigure:
    """Scores against the number of training samples, from the table learning_curve."""
    title, table = "Learning curves", table[(table.dataset == study.name) & table.metric.isin(SHOWN)]
    every, runs = readouts(study.plan), {}
    for method in dict.fromkeys(zip(table.method, table.encoder, strict=True)):
        if method in every and own_name(method[0]) == method[0]:
            runs[method] = every[method]
    looks = {look.label: look for look in runs.values()}
    table = table[[method in runs for method in zip(table.method, table.encoder, strict=True)]]
    shown = [runs[method] for method in zip(table.method, table.encoder, strict=True)]
    data = table.assign(
        **pd.DataFrame([look.columns() for look in shown], index=table.index),
        run=[look.label for look in shown],
        metric=table.metric.map({metric: METRICS[metric].label for metric in SHOWN}),
        protocol=table.curve.map({name: kind.heading for name, kind in study.plan.protocols.items()}),
    )
    about = study.about(list(dict.fromkeys(table.curve)))
    return draw_learning_curve(title, data, looks, {METRICS[m].label: way_of(m) for m in SHOWN}, about)


def _of(table: pd.DataFrame, study: Study, protocol: str, metric: str) -> pd.DataFrame:
    return table[(table.dataset == study.name) & (table.protocol == protocol) & (table.metric == metric)]


def _looks(rows: pd.DataFrame, study: Study) -> tuple[pd.DataFrame, dict[tuple[str, str], Look]]:
    """Rows in the order of the configuration, and the looks of their methods."""
    there = set(zip(rows.method, rows.encoder, strict=True))
    looks = {method: look for method, look in readouts(study.plan).items() if method in there}
    return rows.set_index(["method", "encoder"]).reindex(list(looks)), looks


def _long(drawn: Sequence[tuple], looks: Mapping[tuple[str, str], Look]) -> pd.DataFrame:
    """One row for each marker, from (panel, kind, mean, low, high), the latter of all methods."""
    names = pd.DataFrame([look.columns() for look in looks.values()])
    tables = [
        names.assign(
            panel=panel, kind=kind, row=range(len(names)), **dict(zip(INTERVAL, map(np.asarray, own), strict=True))
        )
        for panel, kind, *own in drawn
    ]
    return pd.concat(tables, ignore_index=True)


@styled
def draw_rows(
    title: str,
    data: pd.DataFrame,
    looks: Mapping[tuple[str, str], Look],
    panels: Mapping[str, str],
    about: Subject,
    sentences: Sequence[str],
    lines: Mapping[str, float],
    last: tuple[str, Callable[[Axes], None]] | None = None,
) -> PaperFigure:
    """Methods in rows, panels in columns.

    Parameters
    ----------
    data : columns `ROWS`, which are written beside the figure, and row; NaN for a bound that there is not
    looks : of the rows
    panels : what the axis of a panel is called, or why nothing is drawn in it; the scale of one whose name begins with
        `IMAGES` is logarithmic, from 1
    lines : where a panel has a dashed line
    last : title of a further panel, which has no rows, and what draws it
    """
    names = list(looks.values())
    columns = len(panels) + (last is not None)
    texts = {text: wrap(text, TITLES // columns) for pair in panels.items() for text in pair}
    figure = PaperFigure(height_of(names, 2) + 7 + 2.4 * text_height(texts.values()))
    styles = {kind: style for kind, style in KINDS.items() if (data.kind == kind).any()}
    if len(styles) > 1:
        figure.key(handles(styles), styles)
    grid = panel_grid(figure.body, columns, columns)
    for number, (axes, (panel, label)) in enumerate(zip(grid, panels.items(), strict=False)):
        rows = data[data.panel == panel]
        if np.isfinite(rows["mean"]).any():
            own = {kind: styles[kind] for kind in dict.fromkeys(rows.kind)}
            forest(axes, rows, len(names), own)
            axes.axvline(lines[panel], color=MUTED, linestyle="--", linewidth=0.8, zorder=1) if panel in lines else None
            if panel.startswith(IMAGES):
                axes.set_xscale("log")
                axes.set_xlim(1, max(FARTHEST, 10 * lines[panel]))
                axes.xaxis.set_major_locator(LogLocator(numticks=8))
                axes.xaxis.set_minor_locator(NullLocator())
                axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",000", "k")))
            else:
                few_ticks(axes)
            axes.set_xlabel(texts[label])
            axes.set_title(texts[panel])
        else:
            explain_empty(axes, label)
        name_rows(axes, names, written=number == 0)
    if last:
        grid[-1].set_title(last[0])
        last[1](grid[-1])
    return figure.finish(title, about, data[ROWS], *sentences)


@styled
def draw_learning_curve(
    title: str, data: pd.DataFrame, looks: Mapping[str, Look], metrics: Mapping[str, str], about: Subject
) -> PaperFigure:
    """Curves in rows, metrics in columns, a line for each method.

    Parameters
    ----------
    data : columns `CURVE`, which are written beside the figure, and run, the name of a method in ``looks``
    metrics : the way that is better of each metric, by label
    """
    curves = list(dict.fromkeys(data.protocol))
    titles = [wrap(curve, TITLES) for curve in curves]
    figure = PaperFigure(len(curves) * (56 + 1.15 * text_height(titles)))
    entries = line_handles(looks)
    figure.key(entries.values(), entries)
    grid = figure.body.subplots(len(curves), len(metrics), squeeze=False)
    for line, curve, heading in zip(grid, curves, titles, strict=True):
        for axes, (metric, better) in zip(line, metrics.items(), strict=True):
            rows = data[(data.protocol == curve) & (data.metric == metric)]
            if np.isfinite(rows["mean"]).any():
                _curve(axes, rows, looks)
                axes.set(xlabel="training samples", ylabel=f"{metric}, {better}")
            else:
                explain_empty(axes, f"{metric} is not defined here.")
        line[0].set_title(heading)
    text = (
        "Mean over scored samples and seeds with its 95 % interval over images and seeds, not over other draws of the "
        "training samples. The same samples are scored at every size, so overlapping intervals do not show that sizes "
        "are equal. Training samples: mean over folds; smaller parts are contained in larger ones."
    )
    return figure.finish(title, about, data[CURVE], text)


def _curve(axes: Axes, data: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    styles = draw_lines(axes, data, looks, "n_train", "mean")
    for run, style in styles.items():
        rows = data[data.run == run]
        axes.vlines(rows.n_train, rows.ci_low, rows.ci_high, color=style["color"], linewidth=0.6)
    axes.set(xlabel="", ylabel="")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
