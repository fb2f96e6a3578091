"""How many distinct images it takes to tell two methods apart, as a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator

import numpy as np
import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.evaluation.metrics import METRICS
from cortexclip.evaluation.power import MOST_SIMULATED, POWER, power_of
from cortexclip.results.tables import TABLES
from cortexclip.runtime.seeds import derive_seed
from cortexclip.tables.read import SeededScores
from cortexclip.tables.render import NOT_MEASURED, Interval, Table, formatted

NO_PAIR = "No method was compared with the reference or with our own decoder."


def power_rows(scores: SeededScores, metric: str, references: Collection[str], base_seed: int = 0) -> pd.DataFrame:
    """Power of the comparisons of every method with each of ``references`` (names of runs) on one metric.

    Returns a table of `TABLES` ["power"] without dataset and protocol. ``effect`` is positive where the method is
    better than the reference; the unit is the image, whose trials and seeds are averaged first.
    """
    names = [run_name(*method) for method in scores.methods]
    sign, means = (1 if METRICS[metric].higher_is_better else -1), scores.means()
    _, image = np.unique(scores.stimuli, return_inverse=True)
    rows = []
    for reference in (name for name in references if name in names):
        at = names.index(reference)
        for number, (method, encoder) in enumerate(scores.methods):
            # a pair of two references stands there once, under the first of them
            if number == at or names[number] in list(references)[: list(references).index(reference)]:
                continue
            differences = sign * (means[number] - means[at])
            known = np.isfinite(differences)
            counts = np.bincount(image[known], minlength=image.max() + 1)
            sums = np.bincount(image[known], differences[known], minlength=len(counts))
            seed = derive_seed(base_seed, "power", metric, names[number], reference)
            found = power_of(sums[counts > 0] / counts[counts > 0], seed)
            about = {"method": method, "encoder": encoder, "metric": metric, "reference": reference}
            rows.append(about | dataclasses.asdict(found))
    return pd.DataFrame(rows, columns=[name for name in TABLES["power"] if name not in ("dataset", "protocol")])


def power_tables(table: pd.DataFrame, plan: Plan) -> Iterator[Table]:
    """One table to read for each dataset, protocol and reference: the mean squared error."""
    shown = table[table.metric == "mse"]
    for (dataset, protocol, reference), rows in shown.groupby(["dataset", "protocol", "reference"], sort=False):
        run, digits = plan.runs[reference], METRICS["mse"].decimals
        name = plan.title(run.method, run.encoder)
        yield Table(
            title=f"Images needed to show a difference from {name}: {plan.heading_of(dataset, protocol)}",
            label=f"power-{dataset}-{protocol}-{reference}",
            columns=["Method", "Difference", "SD over images", "Images", "Power", "Images needed", "Simulated power"],
            rows=[
                [
                    plan.title(row.method, row.encoder),
                    formatted(row.effect, f"+.{digits}f"),
                    formatted(row.sd, f".{digits}f"),
                    str(row.n_images),
                    formatted(row.power, ".2f"),
                    needed_text(row),
                    formatted(row.simulated, ".2f"),
                ]
                for row in rows.itertuples(index=False)
            ],
            notes=[
                f"MSE, positive: better than {name}. Images needed: number of distinct images with which a paired "
                f"t-test at 0.05, of this one comparison, has a power of {POWER:g}, given the difference and SD "
                "found here; in brackets for the ends of the 95 % interval of their ratio. Tests corrected for "
                "several comparisons need more.",
                "Power: with the present number of images. It restates the p value. 0 with fewer than 6 images, "
                "where no permutation test can be significant.",
                "Simulated power: with the number of images needed, drawn from the differences found; far from "
                f"{POWER:g} if these are not normal. Not simulated above {MOST_SIMULATED} images.",
                plan.protocols[protocol].note,
            ],
        )


def needed_text(row) -> str:
    """Images needed with the interval; a dash where there is no difference to judge by."""
    if pd.isna(row.needed):
        return NOT_MEASURED
    return Interval(_count(row.needed), f"[{_count(row.needed_low)}, {_count(row.needed_high)}]")


def _count(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else "\N{INFINITY}"
