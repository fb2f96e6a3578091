"""How much of a method's gain remains in a protocol that leaves more out of training, such as the session."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.results.tables import TABLES
from cortexclip.tables.render import Table, formatted

NOTHING_LEFT_OUT = (
    "This configuration has no protocol together with one that leaves more out of training (key compared_with of "
    "protocols.yaml)."
)
_KEYS = ["dataset", "method", "encoder"]


def left_out_rows(comparison: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The table of results/tables/left_out.csv, from that of comparison.csv.

    A row for each method in each protocol that is ``compared_with`` one that leaves less out: its mean squared error in
    both, its gain over the answer that is always the mean training image in both, and what remains of it: the one gain
    over the other, NaN where there is none to lose.
    """
    errors = comparison[comparison.metric == "mse"]
    tables = [pd.DataFrame(columns=TABLES["left_out"])]
    for protocol, about in plan.protocols.items():
        if about.train_share < 1:
            continue  # that is a learning curve
        both = errors[errors.protocol == protocol].merge(
            errors[errors.protocol == about.compared_with], on=_KEYS, suffixes=("", "_compared"), sort=False
        )
        if both.empty:
            continue
        found = both[_KEYS].assign(protocol=protocol, compared_with=about.compared_with)
        for suffix in ("", "_compared"):
            constant = both[both.method.isin(plan.role("mean"))].set_index("dataset")[f"mean{suffix}"]
            found[f"mse{suffix}"] = both[f"mean{suffix}"]
            found[f"gain{suffix}"] = both.dataset.map(constant) - both[f"mean{suffix}"]
        found["remains"] = (found.gain / found.gain_compared).where(found.gain_compared > 0)
        tables.append(found)
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)[TABLES["left_out"]]


def left_out_tables(table: pd.DataFrame, plan: Plan) -> Iterator[Table]:
    """One table to read for each dataset and pair of protocols."""
    for (dataset, protocol, other), rows in table.groupby(["dataset", "protocol", "compared_with"], sort=False):
        more, less = plan.protocols[protocol], plan.protocols[other]
        yield Table(
            title=f"{more.heading} beside {less.heading}: {plan.datasets[dataset].heading}",
            label=f"left-out-{dataset}-{protocol}",
            columns=["Method", f"MSE, {less.heading}", f"MSE, {more.heading}", "Gain that remains"],
            rows=[
                [
                    run_name(row.method, row.encoder),
                    f"{row.mse_compared:.4f}",
                    f"{row.mse:.4f}",
                    formatted(row.remains, ".0%"),
                ]
                for row in rows.itertuples(index=False)
            ],
            notes=[
                "Gain: how far the error is below that of always predicting the mean training image, in each of "
                "the two protocols; the share that remains is not a test, and training parts differ slightly in "
                "size.",
                less.note,
                more.note,
            ],
        )
