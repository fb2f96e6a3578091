"""Where everything between stages lies: one table of paths below the results folder, and the stages that write there.

The rules name their inputs and outputs by it, the library reads by it. Imports nothing heavy, since Snakemake reads it
at every start.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from types import SimpleNamespace

_RUN = "runs/{protocol}/{dataset}/{run}"
PATHS = {
    "plan": "plan.json",
    "corpus": "corpus.nc",
    "dataset": "data/{dataset}.nc",
    "split": "splits/{protocol}/{dataset}.parquet",
    "audit": "audit/{dataset}.json",
    "nearness": "audit/{dataset}.nearness.csv",
    "features": "features/{dataset}/{encoder}.nc",
    "predictions": f"{_RUN}/predictions.nc",
    "history": f"{_RUN}/history.parquet",
    "weights": f"{_RUN}/weights.safetensors",
    "record": f"{_RUN}/run.json",
    "scores": "scores/{protocol}/{dataset}.parquet",
    "similarity": "scores/{protocol}/{dataset}.similarity.nc",
    "collapse": "scores/{protocol}/{dataset}.collapse.parquet",
    "ceiling": "scores/{protocol}/{dataset}.ceiling.parquet",
    "identification": "identification/{judge}/{dataset}.parquet",
    "table": "tables/{table}.{suffix}",
    "reference": "figures/reference/{protocol}/{dataset}.{suffix}",
    "figure": "figures/{figure}.{protocol}.{dataset}.{suffix}",
    "figure_of_dataset": "figures/{figure}.{dataset}.{suffix}",
    "figure_of_protocol": "figures/{figure}.{protocol}.{suffix}",
    "figure_of_all": "figures/{figure}.{suffix}",
    "report": "report/index.html",
}
MADE_BY = {
    "plan": (),
    "corpus": ("corpus",),
    "dataset": ("ingest", "simulate"),
    "split": ("split",),
    "audit": ("audit",),
    "nearness": ("audit",),
    "features": ("encode",),
    "predictions": ("train",),
    "history": ("train",),
    "weights": ("train",),
    "record": ("train",),
    "scores": ("evaluate",),
    "similarity": ("evaluate",),
    "collapse": ("evaluate",),
    "ceiling": ("evaluate",),
    "identification": ("identify",),
    "table": ("tables", "overview"),
    "reference": ("figures",),
    "figure": ("figures", "evaluation_figures"),
    "figure_of_dataset": ("evaluation_figures",),
    "figure_of_protocol": ("overview",),
    "figure_of_all": ("overview",),
    "report": ("report",),
}
"""The stages that write the files of each path; nothing of them means that the workflow itself does."""
READABLE_TABLES = (
    "comparison",
    "retrieval",
    "audit",
    "statistics",
    "ablation",
    "claims",
    "paper",
    "cost",
    "grid",
    "left_out",
    "collapse",
    "ceiling",
    "power",
    "learning_curve",
)
CSV_TABLES = ("leaders", "ranks", "remeasured", "configurations", "source_datasets")
"""Tables that the stage ``tables`` writes as CSV, Markdown and LaTeX, and those that it writes as CSV alone."""
TRAINED = ("dataset", "split", "predictions", "history", "weights", "record")
"""The paths that also exist for what is trained by the procedures of sources."""


def below(folder: str) -> SimpleNamespace:
    """The paths below a folder as attributes: ``below("results").dataset`` is "results/data/{dataset}.nc"."""
    return SimpleNamespace(**{name: f"{folder}/{path}" for name, path in PATHS.items()})


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
