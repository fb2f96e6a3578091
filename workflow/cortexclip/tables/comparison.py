"""The comparison table and the retrieval table, from summarised scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.evaluation import READOUTS, own_name, readout_of
from cortexclip.evaluation.metrics import METRICS, chance_level
from cortexclip.results.tables import TABLES
from cortexclip.tables.audit import ceiling_of, notes_for
from cortexclip.tables.render import NOT_MEASURED, Table, formatted, with_interval

SHOWN = ["mse", "pixcorr", "ssim", "pairwise_identification", "clip_identification"]
RETRIEVED = ["top1", "top5", "top10", "median_rank", "mrr"]


def ordered(summary: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Rows of a summary in the order of the configuration: dataset, protocol, method with encoder, metric."""
    runs = {(run.method, run.encoder): i for i, run in enumerate(plan.runs.values())}
    metrics = {name: i for i, name in enumerate(METRICS)}
    keys = pd.DataFrame(
        {
            "dataset": summary.dataset.map({name: i for i, name in enumerate(plan.datasets)}),
            "protocol": summary.protocol.map({name: i for i, name in enumerate(plan.protocols)}),
            "run": [runs[own_name(m), e] for m, e in zip(summary.method, summary.encoder, strict=True)],
            "readout": [list(READOUTS).index(readout_of(method)) for method in summary.method],
            "metric": summary.metric.map(metrics),
        }
    )
    return summary.iloc[np.lexsort([keys[column] for column in keys][::-1])].reset_index(drop=True)


def comparison(summary: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The table of results/tables/comparison.csv; gallery sizes are left to the retrieval table."""
    table = ordered(summary, plan)
    table = table.loc[table.metric.map(_is_better), TABLES["comparison"]].reset_index(drop=True)
    return table.assign(metric=table.metric.map(lambda name: judged_name(name, plan)))


def _is_better(metric: str) -> bool:
    """Whether one of two values of a metric is better; gallery sizes are not."""
    return METRICS[metric].higher_is_better is not None


def judged_name(metric: str, plan: Plan) -> str:
    """A metric's name for scripts; identification in an encoder's space carries the name of that encoder."""
    return f"{metric}_{plan.judge}" if metric == "clip_identification" else metric


def column_label(metric: str, plan: Plan) -> str:
    """A metric's heading; identification in an encoder's space carries the title of that encoder."""
    if metric == "clip_identification" and plan.judge is not None:
        return f"2-way ({plan.encoders[plan.judge]} of the image)"
    return METRICS[metric].label


def retrieval(summary: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The table of results/tables/retrieval.csv: every retrieval metric with its gallery's size and chance level."""
    keys, table = ["dataset", "protocol", "method", "encoder"], ordered(summary, plan)
    means = {
        key: dict(zip(cell.metric, cell["mean"], strict=True))
        for key, cell in table.groupby(keys, sort=False, observed=True)
    }
    galleries = table.metric.map(lambda name: METRICS[name].gallery)
    table = table.assign(gallery=galleries)[(galleries != "") & table.metric.map(_is_better)]
    cells = list(zip(table.metric, table[keys].itertuples(index=False, name=None), strict=True))
    table["gallery_size"] = [means[key][gallery_row(metric)] for metric, key in cells]
    table["chance"] = [chance_level(metric, means[key]) for metric, key in cells]
    return table[TABLES["retrieval"]].reset_index(drop=True)


def comparison_tables(summary: pd.DataFrame, plan: Plan, audits: Mapping[str, Mapping]) -> Iterator[Table]:
    """One table to read for each dataset and protocol.

    ``audits`` maps a dataset to its audit, whose findings stand below its tables.
    """
    summary = ordered(summary, plan)
    for dataset, about in plan.datasets.items():
        for protocol, kind in plan.protocols.items():
            cells = summary[(summary.dataset == dataset) & (summary.protocol == protocol)]
            if len(cells):
                caveats = [*notes_for(audits[dataset], protocol), *ceiling_of(audits[dataset]), *about.notes]
                if not_run := plan.without_split(dataset):
                    caveats.append(not_run)
                yield _comparison_table(cells, dataset, about, protocol, kind, plan, caveats)


def retrieval_tables(table: pd.DataFrame, plan: Plan, audits: Mapping[str, Mapping]) -> Iterator[Table]:
    """One table to read for each dataset and protocol: retrieval among the scored stimuli and among all stimuli."""
    for (dataset, protocol), rows in table.groupby(["dataset", "protocol"], sort=False, observed=True):
        cells = {(r.method, r.encoder, r.metric): r for r in rows.itertuples(index=False)}
        sizes = rows.drop_duplicates("gallery").set_index("gallery").gallery_size
        metrics = [f"{name}_{gallery}" for gallery in ("test", "all") for name in RETRIEVED]
        chance = [next(r.chance for (_, _, name), r in cells.items() if name == m) for m in metrics]
        kind = plan.protocols[protocol]
        yield Table(
            title=f"Retrieval: {plan.heading_of(dataset, protocol)}",
            label=f"retrieval-{dataset}-{protocol}",
            columns=["Method", "Title", *(METRICS[metric].label for metric in metrics)],
            rows=[*_rows(cells, metrics, plan), ["Chance", "", *map(number, metrics, chance)]],
            notes=[
                f"Cosine similarity of the predicted embedding to distinct stimuli: {_count(sizes['test'])} of the "
                f"scored part (test), {_count(sizes['all'])} of the whole dataset (all). "
                "Mean [95 % interval]; ties get their expected rank.",
                kind.note,
                *notes_for(audits[dataset], protocol),
                *plan.datasets[dataset].notes,
            ],
        )


def gallery_row(metric: str) -> str:
    """The metric that holds the size of the gallery which a retrieval metric ranks."""
    gallery = METRICS[metric].gallery
    return f"backward_gallery_{gallery}" if metric.startswith("backward") else f"gallery_{gallery}"


def interval(metric: str, row) -> str:
    """Mean and interval with the metric's digits; a dash where the score is not defined."""
    if row is None:
        return NOT_MEASURED
    return with_interval(row.mean, row.ci_low, row.ci_high, f".{METRICS[metric].decimals}f")


def number(metric: str, value: float | None) -> str:
    """A value with the metric's digits."""
    return formatted(value, f".{METRICS[metric].decimals}f")


def _comparison_table(cells, dataset, about, protocol, kind, plan, caveats) -> Table:
    rows = {(r.method, r.encoder, r.metric): r for r in cells.itertuples(index=False)}
    shown = [metric for metric in SHOWN if metric != "clip_identification" or plan.judge is not None]
    columns = ["Method", "Title", *(column_label(m, plan) for m in shown), "Top-1"]
    missing = [
        f"{METRICS[m].label} of {run_name(*method)} is not defined for {row.n_missing} of "
        f"{row.n_samples * row.n_seeds} predictions; these are left out of its mean."
        for method in dict.fromkeys(key[:2] for key in rows)
        for m in (*shown, "top1_test")
        if (row := rows.get((*method, m))) is not None and row.n_missing
    ]
    first = cells.iloc[0]
    seeds = plan.seeds
    shuffled = [run.fits for run in plan.runs.values() if run.role == "shuffled"]
    shuffles = f" ({shuffled[0]} shuffles for shuffled pairs)" if shuffled else ""
    units = "stimuli" if kind.average == "stimulus" else "samples"
    gallery = cells.loc[cells.metric == "gallery_test", "mean"]
    notes = [
        f"Mean over {int(first.n_samples)} scored {units} and, for methods with seeds, {_plural(seeds, 'seed')}"
        f"{shuffles} [95 % interval over stimuli and seeds]. MSE: lower is better; others: higher is better.",
        kind.note,
    ]
    if len(gallery):
        size = float(gallery.iloc[0])
        notes.append(
            f"Top-1: retrieval among the {_count(size)} distinct scored stimuli by the predicted embedding; chance "
            f"{1 / size:.3f}. Methods without a predicted embedding retrieve nothing."
        )
    if plan.judge is not None:
        judge = plan.encoders[plan.judge]
        notes.append(
            "2-way: share of the other scored stimuli that are less similar to the reconstruction; chance 0.5. "
            f"In the space of {judge} it favours methods that are trained in that space."
        )
    notes += [*caveats, *missing]
    return Table(
        title=f"{about.heading}, {kind.heading}",
        label=f"comparison-{dataset}-{protocol}",
        columns=columns,
        rows=_rows(rows, [*shown, "top1_test"], plan),
        notes=notes,
    )


def _rows(cells: Mapping[tuple[str, str, str], Any], metrics: Sequence[str], plan: Plan) -> list[list[str]]:
    """A row for each method, from rows of a summary by method, encoder and metric."""
    methods = dict.fromkeys(key[:2] for key in cells)
    return [
        [run_name(*method), plan.title(*method), *(interval(m, cells.get((*method, m))) for m in metrics)]
        for method in methods
    ]


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _count(value: float) -> str:
    return f"{value:g}" if float(value).is_integer() else f"{value:.1f} on average"
