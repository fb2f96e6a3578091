"""What training cost and which grid points were tried, from the records (run.json) of all runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.results.tables import TABLES
from cortexclip.tables.render import NOT_MEASURED, Table, formatted

COST, GRID = TABLES["cost"], TABLES["grid"]
NO_GRID = "No method of this configuration has a grid of settings to choose from (key grid of methods.yaml)."


def cost_rows(records: Mapping[tuple[str, str, str], Mapping], plan: Plan) -> pd.DataFrame:
    """The table of results/tables/cost.csv, a row for each training; ``records`` are by dataset, protocol and run."""
    rows = []
    for key, record in records.items():
        fits, about = record["fits"], plan.runs[key[2]]
        rows.append(
            {
                **dict(zip(COST, (*key[:2], about.method, about.encoder), strict=False)),
                "folds": len({fit["fold"] for fit in fits}),
                "fits": len(fits),
                "seconds": record["seconds"],
                "seconds_per_fit": record["seconds"] / len(fits),
                "peak_mb": record.get("peak_mb", math.nan),
                "parameters": max(fit["parameters"] for fit in fits),
                "device": record["machine"].get("device", record["machine"]["processor"]),
            }
        )
    return pd.DataFrame(rows, columns=COST)


def cost_tables(table: pd.DataFrame, plan: Plan) -> Iterator[Table]:
    """One table to read: for each run and dataset the parameters, and the cost of its protocols together."""
    for dataset, about in plan.datasets.items():
        here = table[table.dataset == dataset]
        protocols = [name for name in plan.protocols_of(dataset) if (here.protocol == name).any()]
        body = []
        for (method, encoder), rows in here.groupby(["method", "encoder"], sort=False):
            cells = {row.protocol: row for row in rows.itertuples(index=False)}
            body.append(
                [
                    run_name(method, encoder),
                    f"{rows.parameters.max():,}",
                    *(_seconds(cells.get(protocol)) for protocol in protocols),
                    formatted(rows.peak_mb.max(), ".0f"),
                ]
            )
        yield Table(
            title=f"Cost of training: {about.heading}",
            label=f"cost-{dataset}",
            columns=["Method", "Parameters", *(f"{plan.protocols[p].heading} (s)" for p in protocols), "Peak (MB)"],
            rows=body,
            notes=[
                "Seconds of a training job, including all folds and seeds and the prediction of scored samples; "
                "in brackets the number of fits. Seconds and memory differ between runs and between machines, "
                "unlike every other table of this folder.",
                "Parameters: fitted numbers of the decoder, of the fold that has the most. Peak: the largest "
                "resident memory of the job.",
                f"Measured on: {', '.join(dict.fromkeys(here.device))}.",
            ],
        )


def grid_rows(records: Mapping[tuple[str, str, str], Mapping], plan: Plan) -> pd.DataFrame:
    """The table of results/tables/grid.csv: a row for each grid point of each fold and seed."""
    rows = [
        (
            *key[:2],
            plan.runs[key[2]].method,
            plan.runs[key[2]].encoder,
            row["fold"],
            row["seed_index"],
            point_text(row["point"]),
            row["criterion"],
            row["value"],
            "true" if row["chosen"] else "false",
        )
        for key, record in records.items()
        for row in record.get("grid", [])
    ]
    return pd.DataFrame(rows, columns=GRID)


def grid_tables(table: pd.DataFrame, plan: Plan) -> Iterator[Table]:
    """One table to read for each run on each dataset and protocol: every point with its criterion."""
    for (dataset, protocol, method, encoder), rows in table.groupby(GRID[:4], sort=False):
        kind, about = plan.protocols[protocol], plan.datasets[dataset]
        points = rows.groupby("point", sort=False)
        body = [
            [
                point,
                f"{found.value.mean():.4g}",
                f"{found.value.min():.4g} to {found.value.max():.4g}",
                str(int((found.chosen == "true").sum())),
            ]
            for point, found in points
        ]
        fits = len(rows) // max(1, points.ngroups)
        most = max(int(line[3]) for line in body)
        yield Table(
            title=f"Grid of {run_name(method, encoder)}: {about.heading}, {kind.heading}",
            label=f"grid-{dataset}-{protocol}-{method}-{encoder}",
            columns=["Point", "Mean", "Range", "Chosen"],
            rows=body,
            notes=[
                f"{str(rows.criterion.iloc[0]).capitalize()} (lower is better), mean and range over {fits} fits "
                "(folds and seeds), and the number of fits that chose the point. Each fit chooses on its own "
                "selection part; the scored decoder has the settings of the chosen point.",
                *([kind.note] if kind.optimistic else []),
            ],
            strong=frozenset((i, 3) for i, line in enumerate(body) if int(line[3]) == most),
        )


def point_text(point: Mapping[str, object]) -> str:
    """A grid point in one line: ``lr=0.001; hidden=[512, 256]``."""
    return "; ".join(f"{key}={_value(value)}" for key, value in point.items())


def _value(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_value, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _seconds(row) -> str:
    if row is None:
        return NOT_MEASURED
    return f"{row.seconds:.1f} ({row.fits})"
