"""Figures over all datasets: what stands beside the errors of all methods, and the average ranks of methods."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from cortexclip.configuration.plan import Plan
from cortexclip.evaluation import MIN_DATASETS
from cortexclip.evaluation.metrics import METRICS
from cortexclip.figures.forest import OVERVIEW
from cortexclip.figures.ranks import Ranking, draw_critical_difference
from cortexclip.figures.style import Look, PaperFigure, Subject, readouts, seeds_of, weightiest
from cortexclip.tables.audit import findings_for, notes_for, sentence
from cortexclip.tables.statistics import ALPHA, COMPARED, p_text


def of_datasets(plan: Plan, audits: Mapping[str, Mapping], protocol: str) -> dict[str, str]:
    """What has to be known of each dataset under a protocol, by its name."""
    known = {
        name: " ".join(weightiest(notes_for(audits[name], protocol), entry.notes))
        for name, entry in plan.datasets.items()
    }
    return {name: note for name, note in known.items() if note}


def caveat_of(plan: Plan, audits: Mapping[str, Mapping]) -> str:
    """The first serious finding on any dataset under the first protocol, or the first finding, as in `notes_of`."""
    protocol = next(iter(plan.protocols))
    found = [
        (finding["severity"] != "serious", f"{entry.title}: {sentence(finding)}")
        for name, entry in plan.datasets.items()
        for finding in findings_for(audits[name], protocol)[:1]
    ]
    return min(found, key=lambda grave: grave[0], default=(True, ""))[1]


def rows_of(table: pd.DataFrame, plan: Plan) -> tuple[pd.DataFrame, list[Look]]:
    """Means by method and readout in the order of the plan, NaN where there is none, and the looks of the rows."""
    values = {
        (row.method, row.encoder, row.dataset, row.protocol): (row.mean, row.ci_low, row.ci_high)
        for row in table.itertuples(index=False)
    }
    scored = set(zip(table.method, table.encoder, strict=True))
    looks = {method: look for method, look in readouts(plan).items() if method in scored}
    nothing, control = (math.nan,) * 3, next(iter(plan.role("mean")), None)
    rows = [
        (
            *look.columns().values(),
            *(dataset, protocol),
            *values.get((*method, dataset, protocol), nothing),
            values.get((control, "none", dataset, protocol), nothing)[0],
            row,
        )
        for row, (method, look) in enumerate(looks.items())
        for dataset in plan.datasets
        for protocol in plan.protocols
    ]
    return pd.DataFrame(rows, columns=[*OVERVIEW, "row"]), list(looks.values())


def scored_of(table: pd.DataFrame, plan: Plan) -> str:
    """How many samples are scored, by dataset, and by protocol where it matters."""
    amounts = []
    for name, entry in plan.datasets.items():
        rows = table[table.dataset == name].drop_duplicates("protocol")
        numbers = {plan.protocols[row.protocol].title: row.n_samples for row in rows.itertuples(index=False)}
        if len(set(numbers.values())) == 1:
            amounts.append(f"{entry.title} {next(iter(numbers.values()))}")
        elif numbers:
            amounts.append(f"{entry.title} " + ", ".join(f"{n} ({title})" for title, n in numbers.items()))
    return f"Scored: {'; '.join(amounts)}." if amounts else ""


def notes_of(plan: Plan, audits: Mapping[str, Mapping]) -> list[str]:
    """What must stand below the figure: caveats of protocols and datasets, and what is not there."""
    notes = [
        f"{kind.title[:1].upper()}{kind.title[1:]}: {kind.note}" for kind in plan.protocols.values() if kind.optimistic
    ]
    for name, entry in plan.datasets.items():
        known = of_datasets(plan, audits, next(iter(plan.protocols))).get(name, "")
        known = " ".join(filter(None, [known, plan.without_split(name)]))
        notes += [f"{entry.title}: {known}"] if known else []
    if precision := plan.reduced_precision():
        notes.append(precision)
    if plan.unavailable:
        notes.append(f"Not available here and left out: {', '.join(plan.unavailable)}.")
    return notes


def critical_difference(table: pd.DataFrame, protocol: str, plan: Plan, audits: Mapping[str, Mapping]) -> PaperFigure:
    """The diagram of the ranks under one protocol."""
    kind, datasets = plan.protocols[protocol], plan.datasets
    titles = [about.title for about in datasets.values()]
    notes = [f"Optimistic protocol: {kind.note}"] if kind.optimistic else []
    known = of_datasets(plan, audits, protocol)
    notes += [seeds_of(plan), *(f"{datasets[name].title}: {note}" for name, note in known.items())]
    about = Subject("; ".join(titles), kind.title, kind.optimistic, tuple(notes))
    rankings, every = [], readouts(plan)
    for metric, rows in table.groupby("metric", sort=False):
        first = rows.iloc[0]
        shown = first.friedman_p < ALPHA
        verdict = "some methods differ" if shown else "no difference shown between any methods, whatever the bars say"
        looks = [every[row.method, row.encoder] for row in rows.itertuples(index=False)]
        rankings.append(
            Ranking(
                METRICS[metric].label,
                looks,
                rows.average_rank.to_numpy(dtype=float),
                float(first.critical_difference),
                f"Friedman's test: {verdict} (p {p_text(first.friedman_p, '= ')}); "
                f"{len(rows)} methods, {first.n_datasets} datasets.",
            )
        )
    remarks = [
        "Only methods with a mean on every dataset are ranked. With few datasets the critical difference is large."
    ]
    unranked = [METRICS[metric].label for metric in COMPARED if metric not in set(table.metric)]
    if unranked:
        remarks.append(f"Not defined for enough methods on {MIN_DATASETS} datasets: {', '.join(unranked)}.")
    return draw_critical_difference(rankings, about, remarks)
