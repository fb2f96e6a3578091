"""Where everything between stages lies: one table of paths below the results folder, and the stages that write there.

The rules name their inputs and outputs by it, the library reads by it. Imports nothing heavy, since Snakemake reads it
at every start.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from types import SimpleNamespace

_RUN = "runs/{protocol}/{dataset}/{run}"
_FILES: dict[str, tuple[str, ...]] = {
    "plan": ("plan.json",),
    "corpus": ("corpus.nc", "corpus"),
    "dataset": ("data/{dataset}.nc", "ingest", "simulate"),
    "split": ("splits/{protocol}/{dataset}.parquet", "split"),
    "audit": ("audit/{dataset}.json", "audit"),
    "nearness": ("audit/{dataset}.nearness.csv", "audit"),
    "features": ("features/{dataset}/{encoder}.nc", "encode"),
    "predictions": (f"{_RUN}/predictions.nc", "train"),
    "history": (f"{_RUN}/history.parquet", "train"),
    "weights": (f"{_RUN}/weights.safetensors", "train"),
    "record": (f"{_RUN}/run.json", "train"),
    "scores": ("scores/{protocol}/{dataset}.parquet", "evaluate"),
    "similarity": ("scores/{protocol}/{dataset}.similarity.nc", "evaluate"),
    "collapse": ("scores/{protocol}/{dataset}.collapse.parquet", "evaluate"),
    "ceiling": ("scores/{protocol}/{dataset}.ceiling.parquet", "evaluate"),
    "identification": ("identification/{judge}/{dataset}.parquet", "identify"),
    "table": ("tables/{table}.{suffix}", "tables", "overview"),
    "reference": ("figures/reference/{protocol}/{dataset}.{suffix}", "figures"),
    "figure": ("figures/{figure}.{protocol}.{dataset}.{suffix}", "figures", "evaluation_figures"),
    "figure_of_dataset": ("figures/{figure}.{dataset}.{suffix}", "evaluation_figures"),
    "figure_of_protocol": ("figures/{figure}.{protocol}.{suffix}", "overview"),
    "figure_of_all": ("figures/{figure}.{suffix}", "overview"),
    "report": ("report/index.html", "report"),
    "manifest": ("manifest.json",),
}
PATHS = {name: path for name, (path, *_) in _FILES.items()}
MADE_BY = {name: tuple(stages) for name, (_, *stages) in _FILES.items()}
"""The stages that write the results of each path; none for the plan and the manifest, which describe them."""
READABLE_TABLES = (
    *("comparison", "retrieval", "audit", "statistics", "ablation", "claims", "paper", "cost", "grid", "left_out"),
    *("collapse", "ceiling", "power", "learning_curve"),
)
CSV_TABLES = ("leaders", "ranks", "remeasured", "configurations", "source_datasets")
"""Tables that the stage ``tables`` writes as CSV, Markdown and LaTeX, and those that it writes as CSV alone."""
TRAINED = ("dataset", "split", "predictions", "history", "weights", "record")
"""The paths that also exist for what is trained by the procedures of sources."""


FILES = SimpleNamespace(**{name: f"results/{path}" for name, path in PATHS.items()})
"""The paths as attributes, from the folder in which the workflow runs."""


def pattern(name: str, **names: str | None) -> str:
    """A path below the results folder with ``*`` for every name in it that is not given."""
    return PATHS[name].format_map(collections.defaultdict(lambda: "*", names))


def expand(name: str, cells: Iterable[tuple[str, str, str]], **names: str) -> list[str]:
    """The files called ``name`` of the cells (protocol, dataset, run) that have these names, each once, below results/.

    Names that are no part of a cell, such as ``encoder`` or ``suffix``, are put in as they are.
    """
    found: dict[str, None] = {}
    for cell in cells:
        known = dict(zip(("protocol", "dataset", "run"), cell, strict=True))
        if all(known.get(key, value) == value for key, value in names.items()):
            found[f"results/{PATHS[name].format(**names | known)}"] = None
    return list(found)
