"""Figures of embeddings: similarity of predicted embeddings to those of the stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cortexclip.figures.style import (
    FRAME,
    INK,
    SMALL,
    TITLES,
    Look,
    PaperFigure,
    Subject,
    abreast,
    explain_empty,
    minus,
    panel_grid,
    plain,
    styled,
    text_height,
)

COLOURS = "viridis"
OUTLINED = 40  # stimuli up to which the outline of matching pairs is thick
BINS = 60
COLOUR_OF = {"matching": "#56b4e9", "not matching": "#d9d9d9"}


@dataclass(frozen=True)
class Similarity:
    """Cosine similarity of predicted embeddings to the embeddings of the scored stimuli.

    Attributes
    ----------
    look : how the run is called and drawn
    values : array of shape (n_seeds, n_trials, n_stimuli), in -1..1, NaN where an embedding has no direction
    true : int array of shape (n_trials,): the stimulus that each trial showed
    """

    look: Look
    values: np.ndarray
    true: np.ndarray

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Similarities of all pairs that match, and of all that do not, over trials and seeds."""
        match = np.broadcast_to(np.arange(self.values.shape[2]) == self.true[:, None], self.values.shape)
        finite = np.isfinite(self.values)
        return self.values[match & finite], self.values[~match & finite]


@styled
def draw_similarity(similarities: Sequence[Similarity], about: Subject, order: str = "first appearance") -> PaperFigure:
    """One matrix of trials by stimuli for each run (first seed), with one colour scale for all.

    Parameters
    ----------
    similarities : stimuli in the order in which they are to be drawn; trials are sorted by their stimulus here
    order : by what the stimuli are ordered, for the caption
    """
    n_trials, n_stimuli = similarities[0].values.shape[1:]
    columns = max(2, abreast(len(similarities), 4))
    titles = [similarity.look.lines(TITLES // columns) for similarity in similarities]
    height = 155 / columns * min(1.25, max(0.6, n_trials / n_stimuli))
    figure = PaperFigure(-(-len(similarities) // columns) * (height + 9 + 1.15 * text_height(titles)) + 12)
    drawn = np.concatenate([similarity.values[0].ravel() for similarity in similarities])
    drawn = drawn[np.isfinite(drawn)]
    low, high = (drawn.min(), drawn.max()) if len(drawn) else (-1.0, 1.0)
    norm = Normalize(low, high if high > low else low + 1.0)
    panels = panel_grid(figure.body, len(similarities), columns, sharex=True, sharey=True)
    for axes, similarity, title in zip(panels, similarities, titles, strict=True):
        _matrix(axes, similarity, norm)
        axes.set_title(title)
        axes.set(xlabel="scored stimulus", ylabel="scored trial")
    figure.body.colorbar(
        ScalarMappable(norm, COLOURS),
        ax=panels,
        location="bottom",
        aspect=50,
        pad=0.02,
        label="cosine similarity",
        format=FuncFormatter(plain),
    )
    data = [
        {
            **{**similarity.look.columns(), "trial": trial + 1, "true_stimulus": similarity.true[row] + 1},
            **{f"stimulus_{number + 1}": value for number, value in enumerate(similarity.values[0][row])},
        }
        for similarity in similarities
        for trial, row in enumerate(np.argsort(similarity.true, kind="stable"))
    ]
    return figure.finish(
        "Similarity of predicted and true embeddings",
        about,
        pd.DataFrame(data),
        f"Cosine similarity of the embedding predicted for each of {n_trials} scored trials (rows) to the true "
        f"embeddings of the {n_stimuli} distinct scored stimuli (columns). Both are ordered by {order} of the "
        "stimulus, so that matching pairs are on the outlined diagonal. First seed of each method. One linear colour "
        "scale for all panels.",
    )


def _matrix(axes: Axes, similarity: Similarity, norm: Normalize) -> None:
    rows = np.argsort(similarity.true, kind="stable")
    true, values = similarity.true[rows], similarity.values[0][rows]
    n_trials, n_stimuli = values.shape
    edges = (0.5, n_stimuli + 0.5, n_trials + 0.5, 0.5)
    axes.imshow(values, cmap=COLOURS, norm=norm, aspect="auto", interpolation="nearest", extent=edges)
    stimuli, first, count = np.unique(true, return_index=True, return_counts=True)
    width = 0.8 if len(stimuli) <= OUTLINED else 0.3
    for stimulus, top, trials in zip(stimuli, first, count, strict=True):
        axes.add_patch(Rectangle((stimulus + 0.5, top + 0.5), 1, trials, fill=False, edgecolor=FRAME, linewidth=width))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


@styled
def draw_similarity_distribution(similarities: Sequence[Similarity], about: Subject) -> PaperFigure:
    """Distributions of similarity for pairs that match (above) and that do not (below), one row for each run.

    All seeds are pooled.
    """
    import seaborn as sns

    pairs = [similarity.pairs() for similarity in similarities]
    figure = PaperFigure(len(pairs) * text_height((s.look.lines() for s in similarities), 13) + 12)
    axes = figure.body.subplots()
    # Quantiles stand for the pairs, of which there may be millions.
    drawn = pd.DataFrame(
        {"row": row, "pairs": kind, "similarity": value}
        for row, both in enumerate(pairs)
        for kind, values in zip(COLOUR_OF, both, strict=True)
        if len(values)
        for value in np.quantile(values, np.linspace(0, 1, min(len(values), 501)))
    )
    if len(drawn):
        sns.violinplot(
            drawn,
            x="similarity",
            y="row",
            order=range(len(pairs)),
            hue="pairs",
            hue_order=list(COLOUR_OF),
            palette=COLOUR_OF,
            split=True,
            inner="quart",
            cut=0,
            density_norm="width",
            linewidth=0.8,
            orient="h",
            legend=False,
            ax=axes,
        )
    else:
        explain_empty(axes, "No predicted embedding has a direction.")
    axes.set(xlabel="cosine similarity", ylabel="", ylim=(len(pairs) - 0.5, -0.5))
    axes.set_yticks(range(len(pairs)), [similarity.look.lines() for similarity in similarities])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    medians = axes.secondary_yaxis("right")
    medians.set_yticks(range(len(pairs)), ["\n".join(_median(values) for values in both) for both in pairs])
    medians.set_ylabel("median (number of pairs)", size=SMALL)
    medians.spines["right"].set_visible(False)
    medians.tick_params(length=0)
    figure.key(
        [Rectangle((0, 0), 1, 1, facecolor=colour, edgecolor=INK) for colour in COLOUR_OF.values()],
        ["Matching: with its own stimulus", "Not matching: with another scored stimulus"],
    )
    n_seeds = max(len(similarity.values) for similarity in similarities)
    return figure.finish(
        "Similarity of matching and of other pairs",
        about,
        _counts(similarities, pairs),
        "Densities of similarity, each scaled to its own peak: matching pairs upwards, other pairs downwards; lines at "
        "the quartiles, dashed at the median.",
        f"All seeds together (up to {n_seeds}). " if n_seeds > 1 else "",
    )


def _counts(similarities: Sequence[Similarity], pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """How many pairs lie in each of `BINS` equal bins, by run and kind."""
    everything = np.concatenate([values for both in pairs for values in both])
    low, high = (everything.min(), everything.max()) if len(everything) else (-1.0, 1.0)
    margin = 0.03 * max(high - low, 1e-3)
    bins = np.linspace(low - margin, high + margin, BINS + 1)
    return pd.concat(
        pd.DataFrame(
            {
                **{**similarity.look.columns(), "pairs": kind, "bin_low": bins[:-1], "bin_high": bins[1:]},
                "count": np.histogram(values, bins)[0],
            }
        )
        for similarity, both in zip(similarities, pairs, strict=True)
        for kind, values in zip(COLOUR_OF, both, strict=True)
    )


def _median(values: np.ndarray) -> str:
    return f"{minus(f'{np.median(values):.2f}')} ({len(values)})" if len(values) else "none"
