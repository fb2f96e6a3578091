"""Whether predictions are more than a choice among training images, as a table."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.tables.render import Table, formatted


def collapse_tables(table: pd.DataFrame, plan: Plan) -> Iterator[Table]:
    """One table to read for each dataset and protocol."""
    for (dataset, protocol), rows in table.groupby(["dataset", "protocol"], sort=False):
        first, kind = rows.iloc[0], plan.protocols[protocol]
        stimuli = ["Scored stimuli", f"{first.dimensions_stimuli:.1f}", f"{first.span_stimuli:.0%}", "", ""]
        yield Table(
            title=f"Collapse: {plan.datasets[dataset].heading}, {kind.heading}",
            label=f"collapse-{dataset}-{protocol}",
            columns=["Method", "Dimensions", "In the span of training", "2-way, all", "2-way, within clusters"],
            rows=[stimuli]
            + [
                [
                    run_name(row.method, row.encoder),
                    f"{row.dimensions:.1f}",
                    formatted(row.span, ".0%"),
                    formatted(row.identification, ".3f"),
                    formatted(row.identification_within, ".3f"),
                ]
                for row in rows.itertuples(index=False)
            ],
            notes=[
                "Dimensions: participation ratio of the predictions' deviations from the mean training image, the "
                "number of directions in which they vary. In the span: the share of their variance about that "
                "image that is in the span of the training images.",
                f"2-way identification over pixels among all scored stimuli and within {first.clusters} clusters "
                f"of them (Ward, space: {first.space}), for the {rows.compared.max()} samples whose cluster has "
                "another. Chance is 0.5. A method that only distinguishes clusters is at chance within them.",
                kind.note,
            ],
        )
