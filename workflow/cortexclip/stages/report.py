"""Stage: tables, scores, predictions, histories and records of all runs -> the explorer, a page that needs nothing."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import xarray as xr

from cortexclip.data import dataset as datasets
from cortexclip.evaluation.metrics import METRICS
from cortexclip.files import read_json, sha256, write_text
from cortexclip.log import logger
from cortexclip.plan import protocols_of, reduced_precision
from cortexclip.report import content, gallery
from cortexclip.report.page import page
from cortexclip.runs import read_netcdf, read_parquet
from cortexclip.schema import check, read_yaml
from cortexclip.stages.remeasure import DATASETS
from cortexclip.tables.ablation import ABLATION, absent_references
from cortexclip.tables.audit import AUDIT
from cortexclip.tables.claims import CLAIMS
from cortexclip.tables.comparison import COMPARISON, RETRIEVAL
from cortexclip.tables.paper import PAPER
from cortexclip.tables.read import read_scores, read_table
from cortexclip.tables.records import COST, GRID
from cortexclip.tables.statistics import LEADERS, RANKS, STATISTICS

TABLES = {
    "comparison": COMPARISON,
    "retrieval": RETRIEVAL,
    "claims": CLAIMS,
    "paper": PAPER,
    "source_datasets": DATASETS,
    "statistics": STATISTICS,
    "leaders": LEADERS,
    "ranks": RANKS,
    "ablation": ABLATION,
    "cost": COST,
    "grid": GRID,
    "audit": AUDIT,
}
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
    parser.add_argument("--plan", required=True, type=read_json, help="what is compared (plan.json)")
    parser.add_argument("--results", required=True, help="folder with data/, audit/, tables/, runs/ and scores/")
    parser.add_argument("--published", required=True, help="published.yaml")
    parser.add_argument(
        "--reference", default="ridge", help="run that the others are first compared with (%(default)s)"
    )
    parser.add_argument("--output", required=True, help="the page (.html)")


def run(arguments: argparse.Namespace) -> None:
    published = read_yaml(arguments.published)
    check(published, "published", arguments.published)
    material = Material(arguments.plan, Path(arguments.results))
    data = {
        "core": core(material, published, arguments.reference),
        "statistics": statistics(material, arguments.reference),
        "records": records(material),
        **galleries(material),
    }
    text = page("cortexclip: decoding seen images from brain activity", subtitle(material.plan), data, VIEWS)
    write_text(arguments.output, text)
    logger.info("report: %.1f MB, %d cells", len(text) / 1e6, len(material.cells))


@dataclass(frozen=True)
class Material:
    """The files of a results folder, each read when it is first asked for."""

    plan: dict
    results: Path

    @functools.cached_property
    def datasets(self) -> dict[str, xr.Dataset]:
        return {name: datasets.read(self.results / f"data/{name}.nc") for name in self.plan["datasets"]}

    @functools.cached_property
    def audits(self) -> dict[str, dict]:
        return {name: read_json(self.results / f"audit/{name}.json") for name in self.plan["datasets"]}

    @functools.cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The result tables by name; methods carry an ``id`` beside their columns."""
        found = {name: read_table(self.results / f"tables/{name}.csv", wanted) for name, wanted in TABLES.items()}
        return {
            name: table if "encoder" not in table else content.with_identity(table) for name, table in found.items()
        }

    @functools.cached_property
    def cells(self) -> list[tuple[str, str, str]]:
        """Every (dataset, protocol, run) of the plan."""
        return [
            (dataset, protocol, name)
            for dataset in self.plan["datasets"]
            for protocol in protocols_of(self.plan, dataset)
            for name in self.plan["cells"][dataset]
        ]

    def run_file(self, dataset: str, protocol: str, name: str, file: str) -> Path:
        return self.results / "runs" / protocol / dataset / name / file

    def score_file(self, dataset: str, protocol: str, name: str, suffix: str) -> Path:
        return self.results / "scores" / protocol / dataset / f"{name}{suffix}"


def subtitle(plan: Mapping) -> str:
    """What was compared, in a line."""
    counts = [
        (len(plan["datasets"]), "dataset"),
        (len(plan["protocols"]), "protocol"),
        (len(plan["runs"]), "method with its embedding space", "methods with their embedding spaces"),
        (plan["seeds"], "seed where training is random", "seeds where training is random"),
    ]
    return ", ".join(f"{n} {word if n == 1 else (more[0] if more else word + 's')}" for n, word, *more in counts)


def core(material: Material, published: Mapping, reference: str) -> dict:
    """Everything but the pairwise tests, the records and the pictures."""
    plan, tables = material.plan, material.tables
    attributes = {
        name: {
            **dataset.attrs,
            "samples": dataset.sizes["sample"],
            "voxels": dataset.sizes["voxel"],
            "stimuli": len(set(dataset.stimulus.values.tolist())),
        }
        for name, dataset in material.datasets.items()
    }
    comparison = content.with_chance(tables["comparison"], tables["retrieval"]).drop(columns=["method", "encoder"])
    named = {
        name: tables[name].drop(columns=["method", "encoder"]) for name in ("leaders", "ranks", "ablation", "cost")
    }
    grid = tables["grid"].drop(columns=["method", "encoder"])
    drawn = {"comparison": comparison, **named, **{name: tables[name] for name in ("claims", "paper", "audit")}}
    return {
        "datasets": content.datasets_of(plan, attributes),
        "protocols": [{"name": name, **entry} for name, entry in plan["protocols"].items()],
        "encoders": plan["encoders"],
        "methods": content.methods_of(plan, [tables["comparison"], tables["retrieval"]]),
        "metrics": content.metrics_of(plan),
        "caveats": content.caveats_of(plan, material.audits),
        "precision": reduced_precision(plan),
        "unavailable": plan["unavailable"],
        "seeds": plan["seeds"],
        "reference": reference,
        "sources": content.sources_of(published, tables["claims"]),
        "paper": content.paper_of(published),
        "verdicts": content.verdicts(),
        "stand_ins": content.stand_ins_of(plan, tables["source_datasets"]),
        "powerless": content.powerless_cells(tables["statistics"], tables["leaders"]),
        "absent": absent_references(plan),
        "tables": {name: content.columns(table, list(table)) for name, table in drawn.items()},
        "grid": content.columns(grid.head(content.MOST_GRID_POINTS), list(grid)),
        "n_grid": len(grid),
    }


def statistics(material: Material, reference: str) -> dict:
    """The tested pairs of methods."""
    pairs, fewer = content.fewer_pairs(material.tables["statistics"], reference)
    names = ["dataset", "protocol", "metric", "id", "reference", "difference", "ci_low", "ci_high", "effect_size", "p"]
    names += ["p_holm", "p_corrected_t", "n_samples", "n_stimuli", "n_comparisons", "conclusion"]
    return {"pairs": content.columns(pairs, names), "only_reference": fewer}


def records(material: Material) -> list[dict]:
    """Record, checksums and training curves of every run."""
    found = []
    for cell in material.cells:
        files = {
            f"runs/{cell[1]}/{cell[0]}/{cell[2]}/predictions.nc": sha256(material.run_file(*cell, "predictions.nc")),
            f"scores/{cell[1]}/{cell[0]}/{cell[2]}.parquet": sha256(material.score_file(*cell, ".parquet")),
        }
        found.append(
            {
                "dataset": cell[0],
                "protocol": cell[1],
                "run": cell[2],
                "record": content.record_of(read_json(material.run_file(*cell, "run.json")), files),
                "curves": content.curves_of(read_parquet(material.run_file(*cell, "history.parquet"))),
            }
        )
    return found


def galleries(material: Material) -> dict[str, object]:
    """The gallery of every dataset and protocol, the stimuli of every dataset, and what of it is left out."""
    sources = [
        gallery.Source(dataset, protocol, runs_of(material, name, protocol))
        for name, dataset in material.datasets.items()
        for protocol in protocols_of(material.plan, name)
    ]
    packed, stimuli, left_out = gallery.pack(sources)
    return {
        "gallery": {
            "left_out": left_out,
            "shown": [{"metric": metric, **_about(metric)} for metric in gallery.SHOWN],
            "stimuli": stimuli,
        },
        **{f"gallery/{name}": entry for name, entry in packed.items()},
    }


def runs_of(material: Material, dataset: str, protocol: str) -> list[gallery.Run]:
    """The runs of a dataset and protocol, whose files are read when they are asked for."""
    found = []
    for name in material.plan["cells"][dataset]:
        cell, about = (dataset, protocol, name), material.plan["runs"][name]
        found.append(
            gallery.Run(
                name,
                about["method"],
                about["encoder"],
                functools.partial(read_netcdf, material.run_file(*cell, "predictions.nc")),
                functools.partial(read_scores, material.score_file(*cell, ".parquet"), gallery.SHOWN),
                functools.partial(read_netcdf, material.score_file(*cell, ".similarity.nc")),
            )
        )
    return found


def _about(metric: str) -> dict:
    return {"label": METRICS[metric].label, "decimals": METRICS[metric].decimals}
