"""Stage: tables, scores, predictions, histories and records of all runs -> the explorer, a page that needs nothing."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping

import pandas as pd

from cortexclip.configuration.plan import Plan
from cortexclip.configuration.schema import check, read_yaml
from cortexclip.evaluation.metrics import METRICS
from cortexclip.report import content, gallery
from cortexclip.report.page import page
from cortexclip.results.folder import Results
from cortexclip.runtime.files import sha256, write_text
from cortexclip.runtime.log import logger
from cortexclip.tables.ablation import absent_references
from cortexclip.tables.statistics import UNDECIDABLE, conclusion

READ = (
    *("comparison", "retrieval", "claims", "paper", "source_datasets", "statistics", "leaders", "ranks", "ablation"),
    *("cost", "grid", "audit"),
)
VIEWS = {
    "overview": "Overview",
    "comparison": "Comparison",
    "gallery": "Gallery",
    "tests": "Tests",
    "ablation": "Ablation",
    "claims": "Published claims",
    "audit": "Audit",
    "training": "Training and cost",
    "runs": "Runs",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, type=Plan.read, help="what is compared (plan.json)")
    parser.add_argument("--results", required=True, help="folder with data/, audit/, tables/, runs/ and scores/")
    parser.add_argument("--published", required=True, help="published.yaml")
    parser.add_argument("--reference", help="run that the others are first compared with (that with the role)")
    parser.add_argument("--output", required=True, help="the page (.html)")


def run(arguments: argparse.Namespace) -> None:
    published = read_yaml(arguments.published)
    check(published, "published", arguments.published)
    results = Results(arguments.results, arguments.plan)
    runs, reference = records(results), arguments.reference or results.plan.reference or next(iter(results.plan.runs))
    data = {
        "core": core(results, published, reference),
        "statistics": statistics(results, reference),
        "records": runs,
        **galleries(results),
    }
    text = page("cortexclip: decoding seen images from brain activity", subtitle(results.plan), data, VIEWS)
    write_text(arguments.output, text)
    logger.info("report: %.1f MB, %d cells", len(text) / 1e6, len(runs))


def subtitle(plan: Plan) -> str:
    """What was compared, in a line."""
    counts = [
        (len(plan.datasets), "dataset", "datasets"),
        (len(plan.protocols), "protocol", "protocols"),
        (len(plan.runs), "method with its embedding space", "methods with their embedding spaces"),
        (plan.seeds, "seed where training is random", "seeds where training is random"),
    ]
    return ", ".join(f"{n} {one if n == 1 else more}" for n, one, more in counts)


def core(results: Results, published: Mapping, reference: str) -> dict:
    """Everything but the pairwise tests, the records and the pictures."""
    plan, tables = results.plan, {name: identified(results.table(name)) for name in READ}
    attributes = {
        name: {
            **dataset.attrs,
            "samples": dataset.sizes["sample"],
            "voxels": dataset.sizes["voxel"],
            "stimuli": len(set(dataset.stimulus.values.tolist())),
        }
        for name, dataset in ((name, results.dataset(name)) for name in plan.datasets)
    }
    comparison = content.with_chance(tables["comparison"], tables["retrieval"]).drop(columns=["method", "encoder"])
    named = {
        name: tables[name].drop(columns=["method", "encoder"]) for name in ("leaders", "ranks", "ablation", "cost")
    }
    grid = tables["grid"].drop(columns=["method", "encoder"])
    drawn = {"comparison": comparison, **named, **{name: tables[name] for name in ("claims", "paper", "audit")}}
    return {
        "datasets": content.datasets_of(plan, attributes),
        "protocols": [{**dataclasses.asdict(entry), "name": name} for name, entry in plan.protocols.items()],
        "encoders": plan.encoders,
        "methods": content.methods_of(plan, [tables["comparison"], tables["retrieval"]]),
        "metrics": content.metrics_of(plan),
        "caveats": content.caveats_of(plan, results.audits),
        "badges": content.badges_of(plan, results.audits),
        "answers": content.answers(plan, tables["leaders"], tables["statistics"], tables["comparison"]),
        "precision": plan.reduced_precision(),
        "unavailable": plan.unavailable,
        "seeds": plan.seeds,
        "reference": reference,
        "sources": content.sources_of(published, tables["claims"]),
        "paper": content.paper_of(published, plan),
        "verdicts": content.verdicts(plan),
        "conclusions": content.conclusions(),
        "files": content.files_of(plan),
        "undecided": conclusion(UNDECIDABLE, ""),
        "stand_ins": content.stand_ins_of(plan, tables["source_datasets"]),
        "absent": absent_references(plan),
        "tables": {name: content.columns(table, list(table)) for name, table in drawn.items()},
        "grid": content.columns(grid.head(content.MOST_GRID_POINTS), list(grid)),
        "n_grid": len(grid),
    }


def identified(table: pd.DataFrame) -> pd.DataFrame:
    """A result table, with an ``id`` of the method beside its columns where it has methods."""
    return content.with_identity(table) if "encoder" in table else table


def statistics(results: Results, reference: str) -> dict:
    pairs, fewer = content.fewer_pairs(identified(results.table("statistics")), reference)
    names = ["dataset", "protocol", "metric", "id", "reference", "difference", "ci_low", "ci_high", "effect_size", "p"]
    names += ["p_family", "p_corrected_t", "n_samples", "n_stimuli", "n_comparisons", "verdict"]
    return {"pairs": content.columns(pairs, names), "only_reference": fewer}


def records(results: Results) -> list[dict]:
    """Record, checksums and training curves of every run."""
    found = []
    for protocol, dataset, run in results.plan.trainings():
        cell = {"protocol": protocol, "dataset": dataset, "run": run}
        paths = [results.path("predictions", **cell), results.path("scores", **cell)]
        files = {path.relative_to(results.folder).as_posix(): sha256(path) for path in paths}
        record = results.record(**cell)
        curves = content.curves_of(results.frame("history", **cell), record)
        found.append({**cell, "record": content.record_of(record, files), "curves": curves})
    return found


def galleries(results: Results) -> dict[str, object]:
    """The gallery of every dataset and protocol, the stimuli of every dataset, and what of it is left out."""
    packed, stimuli, left_out = gallery.pack(results)
    return {
        "gallery": {
            "left_out": left_out,
            "shown": [{"metric": metric, **_about(metric)} for metric in gallery.SHOWN],
            "stimuli": stimuli,
        },
        **{f"gallery/{name}": entry for name, entry in packed.items()},
    }


def _about(metric: str) -> dict:
    return {"label": METRICS[metric].label, "decimals": METRICS[metric].decimals}
