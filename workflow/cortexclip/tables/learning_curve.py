"""Scores against the number of training samples, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from cortexclip.configuration.plan import Plan
from cortexclip.results.tables import TABLES
from cortexclip.tables.comparison import interval
from cortexclip.tables.render import Table

CURVED = ["mse", "pixcorr", "ssim", "pairwise_identification"]
NO_CURVE = (
    "No protocol of this configuration uses only a share of the training samples (key train_share of "
    "protocols.yaml); protocols of config/power.yaml do."
)


def learning_curve_rows(
    comparison: pd.DataFrame, splits: Mapping[tuple[str, str], pd.DataFrame], plan: Plan
) -> pd.DataFrame:
    """The table of results/tables/learning_curve.csv, from that of comparison.csv.

    A curve is a protocol with those that are ``compared_with`` it and learn from a ``train_share`` of its training
    samples; it has a row for each method, metric and size, where the protocol itself has a share of 1. ``splits`` are
    the split tables by dataset and protocol; ``n_train`` is the mean over folds of the samples that are learned from,
    those that choose included.
    """
    shares = {name: kind.compared_with for name, kind in plan.protocols.items() if kind.train_share < 1}
    curves = {name: name for name in shares.values()} | shares
    table = comparison[comparison.protocol.isin(list(curves)) & comparison.metric.isin(CURVED)]
    cells = list(zip(table.dataset, table.protocol, strict=True))
    sizes = {cell: samples_learned_from(splits[cell]) for cell in set(cells)}
    table = table.assign(
        curve=table.protocol.map(curves),
        train_share=[plan.protocols[protocol].train_share for _, protocol in cells],
        n_train=[sizes[cell] for cell in cells],
    )
    order = ["dataset", "curve", "method", "encoder", "metric", "train_share"]

    def sort_key(column: pd.Series) -> pd.Series:
        return column if column.name == "train_share" else pd.Series(pd.factorize(column)[0], column.index)

    return table.sort_values(order, key=sort_key, ignore_index=True)[TABLES["learning_curve"]]


def samples_learned_from(split: pd.DataFrame) -> float:
    """Mean over folds of the number of samples that are learned from, those that choose included."""
    learned = split[split.role != "score"].drop_duplicates(["fold", "sample"])
    return float(learned.groupby("fold").size().mean())


def learning_curve_tables(table: pd.DataFrame, plan: Plan) -> Iterator[Table]:
    """One table to read for each dataset and curve: the mean squared error by size."""
    for (dataset, curve), rows in table[table.metric == "mse"].groupby(["dataset", "curve"], sort=False):
        sizes = sorted(set(rows.n_train))
        cells = {(row.method, row.encoder, row.n_train): row for row in rows.itertuples(index=False)}
        methods = dict.fromkeys(zip(rows.method, rows.encoder, strict=True))
        yield Table(
            title=f"MSE by training samples: {plan.datasets[dataset].title}, {plan.protocols[curve].heading}",
            label=f"learning-curve-{dataset}-{curve}",
            columns=["Method", *(f"{size:.0f} samples" for size in sizes)],
            rows=[
                [plan.title(*method), *(interval("mse", cells.get((*method, size))) for size in sizes)]
                for method in methods
            ],
            notes=[
                "Training samples of a fold, including those that choose; the same samples are scored at every "
                "size, and a smaller training set is part of a larger one. Intervals are over images and seeds, "
                "not over other draws of training samples.",
                plan.protocols[curve].note,
            ],
        )
