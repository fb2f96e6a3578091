"""What the explorer says, as plain lists and mappings for JSON: tables, tests, costs and training curves.

Tables are written column by column, and names that repeat as numbers into lists of names, since there may be many
rows. Everything is the content of result tables; nothing is computed here but how it is put.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cortexclip.configuration.plan import Plan, run_name
from cortexclip.evaluation import READOUTS, own_name, readout_of
from cortexclip.evaluation.metrics import METRICS
from cortexclip.figures.style import looks
from cortexclip.results import drawn
from cortexclip.results.paths import CSV_TABLES, READABLE_TABLES
from cortexclip.tables import claims
from cortexclip.tables.audit import findings_for, notes_for, sentence
from cortexclip.tables.comparison import column_label, interval, judged_name, number
from cortexclip.tables.statistics import BETTER, DIFFERENT, VERDICTS, WORSE, claim, conclusion, p_text

SYMBOLS = {
    **{"s": "square", "D": "diamond", "d": "diamond", "P": "cross", "X": "star", "*": "star", "h": "hexagon"},
    **{"H": "hexagon", "^": "triangle", "v": "triangle", "<": "triangle", ">": "triangle"},
}
"""Marks of the figures by the names that the page's charts have for them; the others are circles."""

CHIPS = {
    claims.REPRODUCED: "best",
    claims.IN_SAMPLE: "tied",
    claims.NO_BRAIN_DATA: "tied",
    claims.OTHER_FILE: "tied",
    claims.NOT_REPRODUCED: "behind",
    claims.UNTESTED: "none",
}
"""Looks of the outcomes of claims, by the names that the page's style has for them."""

TABLES = {
    "overview": ("main", "paper", "leaders"),
    "comparison": ("comparison", "retrieval", "left_out", "collapse", "ceiling", "learning_curve"),
    "tests": ("statistics", "power", "ranks"),
    "ablation": ("ablation",),
    "claims": ("claims", "paper", "remeasured", "configurations", "source_datasets"),
    "audit": ("audit",),
    "training": ("cost", "grid"),
}
"""The tables in the results folder that hold what a view shows, or more of it."""
FIGURES = {
    "overview": ("mse_by_method",),
    "comparison": (
        *("limits", "spurious", "optimism", "seen_unseen", "permutation_null", "identification_curves"),
        "learning_curve",
    ),
    "gallery": (
        *("reconstructions", "strip", "reference", "receptive_fields", "image_bases", "retrieved", "similarity"),
        "similarity_distribution",
    ),
    "tests": ("differences", "paired", "critical_difference"),
    "ablation": ("ablation",),
    "training": ("training_curves",),
}
"""Likewise the figures."""

MOST_PAIRS, MOST_GRID_POINTS = 30_000, 5_000
MOST_CURVES, MOST_POINTS = 30, 80
MOST_FITS = 10


def methods_of(plan: Plan, tables: Iterable[pd.DataFrame]) -> list[dict]:
    """Every method and readout of the tables in the order of the plan, and how it is called and drawn."""
    present = set().union(*(zip(table.method, table.encoder, strict=True) for table in tables))
    every = looks(plan)
    return [
        {
            "id": run_name(method, run.encoder),
            "run": name,
            "title": plan.title(method, run.encoder),
            "family": run.method,
            "encoder": run.encoder,
            "control": run.control,
            "oracle": plan.is_oracle(method),
            "readout": READOUTS[readout_of(method)],
            "note": run.note,
            "colour": every[name].colour,
            "symbol": SYMBOLS.get(every[name].marker, "circle"),
        }
        for name, run in plan.runs.items()
        for method in (run.method + suffix for suffix in READOUTS)
        if (method, run.encoder) in present
    ]


def metrics_of(plan: Plan) -> dict[str, dict]:
    """Every metric by its name in the tables for scripts: label, unit, direction, digits and fixed chance level."""
    return {
        judged_name(metric.name, plan): {
            "label": column_label(metric.name, plan) if plan.judge or metric.name != "clip_identification" else "",
            "unit": metric.unit,
            "higher": metric.higher_is_better,
            "decimals": metric.decimals,
            "chance": metric.chance,
        }
        for metric in METRICS.values()
    }


def datasets_of(plan: Plan, attributes: Mapping[str, Mapping]) -> list[dict]:
    """Title, notes and provenance of every dataset; ``attributes`` are those of the dataset files, with their sizes."""
    kept = ("source", "licence", "citation", "sha256", "modality", "images", "samples", "stimuli", "voxels")
    return [
        {
            "name": name,
            "title": about.title,
            "notes": [*about.notes, *filter(None, [plan.without_split(name)])],
            "simulated": bool(about.simulated),
            **{key: _plain(attributes[name].get(key)) for key in kept},
        }
        for name, about in plan.datasets.items()
    ]


def sources_of(published: Mapping, table: pd.DataFrame) -> dict[str, dict]:
    """What the page says of the sources whose numbers or words are in the claims table."""
    kept = ("title", "link", "claimed", "procedure", "differs", "status")
    return {
        name: {key: _plain(source[key]) for key in kept}
        for name, source in published["sources"].items()
        if name in set(table.source)
    }


def paper_of(published: Mapping, plan: Plan) -> dict:
    """Rows and columns of the paper's table, and the names of its rows of controls."""
    layout, first = published["paper"], {role: next(iter(plan.role(role)), None) for role in ("reference", "ours")}
    return {"methods": layout["methods"], "datasets": layout["datasets"], **first, "split": plan.honest("split")}


def conclusions() -> dict[str, list[str]]:
    """What the tests of a pair allow to say, in words and with a look, by verdict."""
    looks_of = {BETTER: "best", WORSE: "behind"}
    return {verdict: [conclusion(verdict, ""), looks_of.get(verdict, "open")] for verdict in VERDICTS}


def answers(plan: Plan, leaders: pd.DataFrame, pairs: pd.DataFrame, comparison: pd.DataFrame) -> list[dict]:
    """Who leads by each metric of each dataset and protocol, whether the tests can tell, and by how much: in words.

    Everything is read from the tables of the statistics: `claim` of the leaders, and
    ``difference`` and ``verdict`` of the pairs of the leader with the method that comes next, with the reference and
    with the answer that ignores the brain. The terminal says the same at the end of a run.
    """
    leaders, pairs, comparison = map(with_identity, (leaders, pairs, comparison))
    known = {plan.reference: "the reference"} if plan.reference else {}
    known |= {name: "which ignores the brain" for name in plan.role("mean")}
    found = []
    for (dataset, protocol, metric), rows in leaders.groupby(["dataset", "protocol", "metric"], sort=False):
        if not rows.leader.any():
            continue
        rows = rows.sort_values("mean", ascending=not METRICS[metric].higher_is_better, kind="stable")
        first = rows[rows.leader].iloc[0]
        here = pairs[(pairs.dataset == dataset) & (pairs.protocol == protocol) & (pairs.metric == metric)]
        score = comparison[comparison.dataset.eq(dataset) & comparison.protocol.eq(protocol)]
        score = next(score[score.metric.eq(metric) & score.id.eq(first.id)].itertuples(), None)
        control = plan.runs[run_name(own_name(first.method), first.encoder)].control
        who = f"{first.id}, a control," if control else first.id
        who += f" leads with {METRICS[metric].label} {interval(metric, score)}."
        others = {name: "which comes next" for name in rows.id[~rows.leader][:1]} | known
        lead = [_lead(first.id, other, here, metric, note) for other, note in others.items() if other != first.id]
        about = {"dataset": dataset, "protocol": protocol, "metric": metric}
        found.append({**about, "text": f"{who} {_claim_sentence(rows)}", "lead": " ".join(filter(None, lead))})
    return found


def _claim_sentence(rows: pd.DataFrame) -> str:
    """What the tests show of the leader, as a sentence."""
    outcome, words = claim(rows)
    return f"It is {words}." if outcome in ("better", "tied") else f"{words[:1].upper()}{words[1:]}."


def _lead(leader: str, other: str, pairs: pd.DataFrame, metric: str, note: str) -> str:
    """By how much the leader is ahead of another method, and whether the test of this pair shows it."""
    for sign, (method, against) in ((1, (leader, other)), (-1, (other, leader))):
        for row in pairs[(pairs.id == method) & (pairs.reference == against)].itertuples():
            if not math.isfinite(row.difference):
                continue
            if row.difference == 0:
                return f"Level with {other}, {note}."
            low, high = sorted((sign * row.ci_low, sign * row.ci_high))
            by = f"{number(metric, sign * row.difference)} [{number(metric, low)}, {number(metric, high)}]"
            shown = "the test shows a difference" if row.verdict in DIFFERENT else conclusion(row.verdict, "")
            p_value = f" (p {p_text(row.p_family, '= ')})" if math.isfinite(row.p_family) else ""
            return f"Ahead of {other}, {note}: by {by}; {shown}{p_value}."
    return ""


def verdicts(plan: Plan) -> dict:
    """The words for what became of claims: outcomes, looks, reasons, marks of sources, and the honest protocols."""
    outcomes = [[outcome, CHIPS[outcome]] for outcome in claims.OUTCOMES]
    honest = claims.in_brackets([plan.honest_protocols])
    return {"outcomes": outcomes, "reasons": claims.REASONS, "marks": claims.STATUS, "honest": honest}


def stand_ins_of(plan: Plan, table: pd.DataFrame) -> dict[str, dict]:
    """What is trained by the procedures of sources, by dataset, and the error of a constant answer there."""
    constant = dict(zip(table.dataset, table.constant_mse, strict=True))
    return {
        name: {
            **{key: getattr(about, key) for key in ("title", "notes", "stands_for", "brain_data")},
            "constant": _plain(constant.get(name)),
        }
        for name, about in plan.sources.datasets.items()
    }


def files_of(plan: Plan) -> dict[str, list[dict]]:
    """The tables and figures that a run leaves beside the page, by the views that show the like.

    Each has a name, the protocol and the dataset that it is of ("" for all of them), and its files by their suffix, as
    paths below the results folder.
    """
    suffixes = {name: ("csv", "md", "tex") for name in READABLE_TABLES} | dict.fromkeys(CSV_TABLES, ("csv",))
    suffixes |= {"paper": (*suffixes["paper"], "pdf"), "main": ("md", "tex", "pdf")}
    figures, found = drawn.every(plan), {}
    for view, names in TABLES.items():
        found[view] = [_files(name, f"tables/{name}", suffixes[name]) for name in names]
    for view, names in FIGURES.items():
        found.setdefault(view, []).extend(
            _files(name, f"figures/{drawn.stem(name, protocol, dataset)}", drawn.SUFFIXES, protocol, dataset)
            for name, protocol, dataset in figures
            if name in names
        )
    return found


def _files(name: str, stem: str, suffixes: Sequence[str], protocol: str = "", dataset: str = "") -> dict:
    files = {suffix: f"{stem}.{suffix}" for suffix in suffixes}
    return {"name": name, "protocol": protocol, "dataset": dataset, "files": files}


def caveats_of(plan: Plan, audits: Mapping[str, Mapping]) -> dict[str, dict[str, list[str]]]:
    """The audit's sentences that must stand beside results, by dataset and protocol."""
    return {name: {protocol: notes_for(audits[name], protocol) for protocol in plan.protocols} for name in audits}


def badges_of(plan: Plan, audits: Mapping[str, Mapping]) -> dict[str, dict[str, list[list[str]]]]:
    """What must be seen at once beside every score: [in short, in full], by dataset and protocol.

    These are the serious findings, that scored samples choose, and that responses are simulated.
    """
    found: dict[str, dict[str, list[list[str]]]] = {}
    for name, audit in audits.items():
        for protocol, kind in plan.protocols.items():
            grave = [finding for finding in findings_for(audit, protocol) if finding["severity"] == "serious"]
            badges = [[each["short"], sentence(each)] for each in grave]
            badges += [["optimistic: scored samples choose", kind.note]] if kind.optimistic else []
            if plan.datasets[name].simulated:
                badges.append(
                    ["simulated responses", "They say nothing about brains; they only show that the pipeline works."]
                )
            found.setdefault(name, {})[protocol] = badges
    return found


def columns(table: pd.DataFrame, names: Sequence[str]) -> dict:
    """Columns of a table by name: numbers as they are (None for none), words as ``{"words": [...], "at": [...]}``."""
    return {name: _column(table[name]) for name in names}


def with_chance(comparison: pd.DataFrame, retrieval: pd.DataFrame) -> pd.DataFrame:
    """The comparison table with ``chance`` and ``gallery_size`` of the retrieval table, where it has them."""
    keys = ["dataset", "protocol", "method", "encoder", "metric"]
    return comparison.merge(retrieval[[*keys, "chance", "gallery_size"]], on=keys, how="left")


def with_identity(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the column ``id``: the method and its embedding space as one name."""
    names = [run_name(m, e) for m, e in zip(table.method, table.encoder.fillna("none"), strict=True)]
    return table.assign(id=pd.Series(names, index=table.index, dtype=object))


def fewer_pairs(statistics: pd.DataFrame, reference: str) -> tuple[pd.DataFrame, bool]:
    """The tested pairs, or those with the reference if there are more than `MOST_PAIRS`; and whether any are gone."""
    if len(statistics) <= MOST_PAIRS:
        return statistics, False
    return statistics[statistics.reference == reference], True


def curves_of(history: pd.DataFrame, record: Mapping) -> list[dict]:
    """Training curves of a run: one for each fold, seed, stage and quantity, and the epoch that its fit chose, if any.

    At most `MOST_CURVES` pairs of fold and seed, and of each curve at most `MOST_POINTS` points, evenly spaced, the
    first and the last among them, and the chosen one.
    """
    found = []
    fits: set[tuple[int, int]] = set()
    chosen = {(fit["fold"], fit.get("seed_index", 0)): fit.get("epoch") for fit in record["fits"]}
    for (fold, seed, stage, quantity), rows in history.groupby(["fold", "seed", "stage", "quantity"], sort=True):
        if len(fits | {(fold, seed)}) > MOST_CURVES:
            continue
        fits.add((fold, seed))
        rows = rows.sort_values("epoch", kind="stable")
        at = np.linspace(0, len(rows) - 1, min(len(rows), MOST_POINTS)).round().astype(int)
        epoch = chosen.get((fold, seed))
        at = np.union1d(at, np.flatnonzero(rows.epoch == epoch))
        found.append(
            {
                "chosen": epoch,
                "fold": int(fold),
                "seed": int(seed),
                "stage": str(stage),
                "quantity": str(quantity),
                "epoch": [int(value) for value in rows.epoch.to_numpy()[at]],
                "value": [short(value) for value in rows.value.to_numpy()[at]],
            }
        )
    return found


def record_of(record: Mapping, files: Mapping[str, str]) -> dict:
    """What the page says of a run: its run.json with the first `MOST_FITS` fits, and the checksums of its files."""
    kept = (
        *("module", "settings", "base_seed", "optimistic", "started", "seconds", "code", "dataset_sha256"),
        *("versions", "machine"),
    )
    fits, pool = list(record["fits"]), [Path(path).stem for path in record.get("pool", [])]
    return {
        **{key: _plain(record[key]) for key in kept if key in record},
        **({"pool": pool} if pool else {}),
        "fits": [{key: _plain(value) for key, value in fit.items()} for fit in fits[:MOST_FITS]],
        "n_fits": len(fits),
        "files": dict(files),
    }


def short(value: float, digits: int = 4) -> float | None:
    """A number of ``digits`` significant digits; None for one that is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _column(values: pd.Series) -> object:
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        return [_plain(value) for value in values.tolist()]
    words: dict[str, int] = {}
    at = [-1 if pd.isna(value) else words.setdefault(str(value), len(words)) for value in values]
    return {"words": list(words), "at": at}


def _plain(value: object) -> object:
    """A value as JSON knows it: numbers of at most six digits, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return short(float(value), 6)
    return None if value is None else str(value)
