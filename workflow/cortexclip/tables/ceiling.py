"""Scores beside the noise ceilings that repeated trials give, as a table."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from cortexclip.configuration.plan import Plan
from cortexclip.evaluation.metrics import METRICS
from cortexclip.tables.render import NOT_MEASURED, Table, with_interval

CEILED = {"mse": "MSE", "pixcorr": "PixCorr", "embedding_correlation": "Correlation of embedding features"}
"""What metrics with a ceiling are called."""


def ceiling_tables(table: pd.DataFrame, plan: Plan) -> Iterator[Table]:
    """One table to read for each dataset and protocol; where there is no ceiling it says why in a row."""
    for (dataset, protocol), rows in table.groupby(["dataset", "protocol"], sort=False):
        there = rows[rows.ceiling.notna()]
        reasons = dict.fromkeys(rows.reason[rows.ceiling.isna()])
        n = there.iloc[0] if len(there) else None
        yield Table(
            title=f"Noise ceilings: {plan.heading_of(dataset, protocol)}",
            label=f"ceiling-{dataset}-{protocol}",
            columns=["Method", "Metric", "Score", "Ceiling", "Share"],
            rows=[_row(row, plan) for row in there.itertuples(index=False)]
            or [[f"No ceiling: {reason}.", *[NOT_MEASURED] * 4] for reason in reasons],
            notes=[
                *(
                    [
                        f"On the {n.n_stimuli:.0f} images that are scored more than once, {n.n_repeats:.1f} trials "
                        "each on average; every image has the same weight.",
                        "Ceiling: the best possible score of predictions from single trials that agree over the "
                        "repeats of an image as much as these do. It is specific to this method and its noise, "
                        "not the score of the best possible decoder.",
                        "Share: for MSE the gain over always predicting the mean scored image, divided by the gain "
                        "at the ceiling; else score over ceiling. The 95 % interval is from the jackknife over "
                        "images. The gap to 100 % is not due to noise of the responses.",
                    ]
                    if n is not None
                    else []
                ),
                plan.protocols[protocol].note,
            ],
        )


def _row(row, plan: Plan) -> list[str]:
    digits = METRICS["mse" if row.metric == "mse" else "pixcorr"].decimals
    share = with_interval(row.share, row.share_low, row.share_high, ".0%")
    values = f"{row.value:.{digits}f}", f"{row.ceiling:.{digits}f}"
    return [plan.title(row.method, row.encoder), CEILED[row.metric], *values, share]
