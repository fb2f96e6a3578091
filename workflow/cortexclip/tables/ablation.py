"""What a part of a method contributes: each variant against its plain method, each space against a plain one.

Which runs are compared is the plan's (`cortexclip.configuration.plan`); the tests are those of
`cortexclip.tables.statistics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cortexclip.configuration.plan import ENCODER, Plan, run_name
from cortexclip.evaluation.metrics import METRICS
from cortexclip.results.tables import PAIR, TABLES
from cortexclip.tables.audit import notes_for
from cortexclip.tables.read import SeededScores
from cortexclip.tables.render import NOT_MEASURED, Table
from cortexclip.tables.statistics import COMPARED, DIFFERENT, UNDECIDABLE, difference_text, p_text, tested_pairs

ABLATION = TABLES["ablation"]
ABLATED = [*COMPARED, "mrr_test"]
NO_PARTS = (
    "No method of this configuration is a variant of another one in it (key ablates of methods.yaml), and none runs in "
    "more than one embedding space, so no part's contribution can be measured."
)


def ablated(scores: SeededScores, metric: str, pairs: Sequence[Mapping[str, str]], **options: Any) -> pd.DataFrame:
    """Variants against what they vary, on one metric of one dataset and protocol; all were declared beforehand.

    ``pairs`` are those of `cortexclip.configuration.plan.ablations`, of which those without a score of the metric on
    both sides are left out; ``options`` are passed on to `cortexclip.tables.statistics.tested_pairs`. Returns a
    DataFrame with the columns `ABLATION` but dataset and protocol.
    """
    position = {run_name(*method): number for number, method in enumerate(scores.methods)}
    known = [pair for pair in pairs if pair["run"] in position and pair["reference"] in position]
    columns = ["kind", *PAIR]
    if not known:
        return pd.DataFrame(columns=columns)
    variant = np.array([position[pair["run"]] for pair in known])
    plain = np.array([position[pair["reference"]] for pair in known])
    table = tested_pairs(scores, metric, variant, plain, np.ones(len(known), bool), **options)
    return table.assign(kind=[pair["kind"] for pair in known])[columns]


def ablation_tables(table: pd.DataFrame, plan: Plan, audits: Mapping[str, Mapping]) -> list[Table]:
    """Tables to read: the mean squared error of every variant over all datasets and protocols, then each of these.

    ``table`` has the columns `ABLATION`; findings of the audit of a dataset stand below its tables.
    """
    if table.empty:
        return []
    return [_overview(table[table.metric == "mse"], plan), *_details(table, plan, audits)]


def absent_references(plan: Plan) -> list[str]:
    """A sentence for each variant whose plain method the configuration does not run."""
    here = {run.method for run in plan.runs.values()}
    missing = {run.title: run.ablates for run in plan.runs.values() if run.ablates and run.ablates not in here}
    return [f"{title} is a variant of {base}, which was not run here." for title, base in missing.items()]


def _overview(rows: pd.DataFrame, plan: Plan) -> Table:
    keys = list(dict.fromkeys(zip(rows.dataset, rows.protocol, strict=True)))
    cells = {(r.method, r.encoder, r.reference, r.dataset, r.protocol): r for r in rows.itertuples(index=False)}
    order = [(found["run"], found["reference"]) for pairs in plan.ablations.values() for found in pairs]
    pairs = sorted({key[:3] for key in cells}, key=lambda pair: order.index((run_name(*pair[:2]), pair[2])))
    body, strong = _body([[cells.get((*pair, *key)) for key in keys] for pair in pairs], pairs, plan)
    caution = "Optimistic protocols choose on the scored samples: what helps there need not help elsewhere."
    optimistic = any(plan.protocols[protocol].optimistic for _, protocol in keys)
    return Table(
        title="What each part contributes in mean squared error",
        label="ablation-overview",
        columns=["Variant", "Against", *(plan.heading_of(dataset, protocol) for dataset, protocol in keys)],
        rows=body,
        notes=[*_how_to_read(), *([caution] if optimistic else []), *absent_references(plan)],
        strong=strong,
    )


def _details(table: pd.DataFrame, plan: Plan, audits: Mapping[str, Mapping]) -> Iterator[Table]:
    for (dataset, protocol), rows in table.groupby(["dataset", "protocol"], sort=False):
        metrics = list(dict.fromkeys(rows.metric))
        cells = {(r.method, r.encoder, r.reference, r.metric): r for r in rows.itertuples(index=False)}
        pairs = list(dict.fromkeys(key[:3] for key in cells))
        body, strong = _body([[cells.get((*pair, metric)) for metric in metrics] for pair in pairs], pairs, plan)
        kind = plan.protocols[protocol]
        few = (rows.verdict == UNDECIDABLE).any()
        notes = [
            *_how_to_read(),
            f"{int(rows.n_samples.max())} samples of {int(rows.n_stimuli.max())} stimuli; corrected for the declared "
            f"{int(rows.n_comparisons.max())} comparisons."
            + (f" A verdict needs {int(rows.least_stimuli.max())} stimuli." if few else ""),
        ]
        if (rows.kind == ENCODER).any():
            notes.append("Embedding spaces are compared with one made without a trained network, if there is one.")
        if kind.optimistic:
            notes.append(kind.note)
        yield Table(
            title=f"What each part contributes: {plan.heading_of(dataset, protocol)}",
            label=f"ablation-{dataset}-{protocol}",
            columns=["Variant", "Against", *(METRICS[metric].label for metric in metrics)],
            rows=body,
            notes=[*notes, *notes_for(audits[dataset], protocol), *plan.datasets[dataset].notes],
            strong=strong,
        )


def _body(
    cells: Sequence[Sequence], pairs: Sequence[tuple[str, str, str]], plan: Plan
) -> tuple[list[list[str]], frozenset[tuple[int, int]]]:
    """A row for each pair (method, encoder, reference) with its cells, and which of them are shown to differ."""
    rows = [[run_name(*pair[:2]), pair[2], *map(_cell, line)] for pair, line in zip(pairs, cells, strict=True)]
    shown = {
        (i, j) for i, line in enumerate(cells) for j, cell in enumerate(line, 2) if cell and cell.verdict in DIFFERENT
    }
    return rows, frozenset(shown)


def _how_to_read() -> list[str]:
    return [
        "Mean difference from the plain method on the same folds and samples with the same number of seeds; positive "
        "is better for every metric [95 % interval over stimuli and seeds]; in parentheses p of the paired permutation "
        "test, corrected for the declared number of comparisons.",
        "Bold: a difference is shown, by the test over folds too where there are enough folds. That none is shown does "
        "not mean that there is none. All columns of the tests are in ablation.csv.",
    ]


def _cell(row) -> str:
    if row is None or not np.isfinite(row.difference):
        return NOT_MEASURED
    return f"{difference_text(row.metric, row)} ({p_text(row.p_family)})"
