"""What each extension of CCCV1 gains on folds of the training parts alone; ``cccv1_full`` has those that help.

Each method is trained on three of four folds of a dataset's canonical training part; the fold left out stops it and
gives its error, the least pixel error of any epoch. No test sample is used. All methods have the same folds and, as far
as their layers are the same, the same initial weights and order of samples. Needs the datasets and the embeddings of a
run (its results/data and results/features, with the encoder glyphclip_crops); prints a table, and with ``--write`` puts
it into docs/extensions.md:

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/extensions.py [--seeds 2] [--methods cccv1,cccv1_clip]
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from cortexclip.configuration.config import applies, read_yaml
from cortexclip.methods.catalogue import load_method, settings_for
from cortexclip.methods.fitting import Folds
from cortexclip.methods.interface import Samples
from cortexclip.numerics.readout import unit_length
from cortexclip.runtime.files import atomic_path
from cortexclip.runtime.seeds import derive_seed

FOLDS = 4
CONFIG = Path(__file__).resolve().parents[1] / "config"
PAGE = Path(__file__).resolve().parents[1] / "docs/extensions.md"
HEAD = """# Which extensions of CCCV1 help

The source of CCCV1 names extensions as future work without details. Those that `cccv1_full` has were chosen here, on
folds of the canonical training parts: each method learns from three of four folds, and the held-out fold stops the
training and gives the error (the lowest pixel error of any epoch, which is equally optimistic for all methods). No test
sample was used. What the extensions gain on test samples is in `results/tables/ablation.md`.

Made by `python benchmarks/extensions.py --write` on {date}, {seeds} seed(s) on 4 folds; MSE per pixel, a ratio below 1
is better than plain `cccv1`.

"""


def training_part(results: Path, dataset: str, encoder: str | None) -> tuple[Samples, int]:
    """The canonical training samples of a dataset, and how many samples there are in all."""
    data = xr.load_dataset(results / f"data/{dataset}.nc")
    use = data.part.values == "train"
    embedding = None
    if encoder is not None:
        features = xr.load_dataset(results / f"features/{dataset}/{encoder}.nc")
        rows = pd.Index(features.stimulus.values).get_indexer(data.stimulus.values[use])
        embedding = unit_length(features.embedding.values[rows].astype(np.float64))
    arrays = [data[name].values[use] for name in ("brain", "stimuli", "stimulus", "label", "session")]
    return Samples(*arrays, embedding), data.sizes["sample"]


def errors(results: Path, dataset: str, name: str, entry: dict, seed: int) -> list[float]:
    """The least selection error on each fold."""
    encoder = next((space for space in entry.get("encoders", []) if space.startswith("glyphclip")), None)
    samples, n_samples = training_part(results, dataset, encoder)
    method = load_method(entry["module"]).configured(settings_for(entry, dataset, n_samples), name)
    order = np.random.default_rng(7).permutation(len(samples))
    found = []
    for fold in range(FOLDS):
        left_out = order[np.arange(len(samples)) % FOLDS == fold]
        role = np.where(np.isin(np.arange(len(samples)), left_out), "select", "train")
        split = pd.DataFrame({"fold": fold, "role": role, "sample": np.arange(len(samples))})
        data = Folds(samples, split, optimistic=True).data(fold)
        decoder = method.fit(data, derive_seed(0, dataset, "inner", fold, seed), lambda text: None)
        losses = [r["value"] for r in decoder.history() if (r["stage"], r["quantity"]) == ("select", "select_loss")]
        found.append(min(losses))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--datasets", default="vangerven,miyawaki")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--methods", help="default: cccv1 and all variants of it that need one dataset alone")
    parser.add_argument("--write", action="store_true", help="write docs/extensions.md")
    arguments = parser.parse_args()
    methods, datasets = read_yaml(CONFIG / "methods.yaml"), read_yaml(CONFIG / "datasets.yaml")
    variants = [n for n, e in methods.items() if e.get("ablates") == "cccv1" and not e.get("pools")]
    names = arguments.methods.split(",") if arguments.methods else ["cccv1", *variants]
    lines = [
        "| dataset | method | mean of the folds | folds better than cccv1 | ratio to cccv1 |",
        "|---|---|--:|--:|--:|",
    ]
    print(*lines, sep="\n", flush=True)
    for dataset in arguments.datasets.split(","):
        plain: np.ndarray | None = None
        for name in names:
            if not applies(methods[name], datasets[dataset]):
                continue
            seeds = range(arguments.seeds)
            got = np.array([errors(arguments.results, dataset, name, methods[name], seed) for seed in seeds])
            plain = got if name == "cccv1" else plain
            cells = ["", ""]
            if plain is not None and name != "cccv1":
                cells = [f"{(got < plain).sum()} of {got.size}", f"{got.mean() / plain.mean():.3f}"]
            lines.append(f"| {dataset} | `{name}` | {got.mean():.5f} | {cells[0]} | {cells[1]} |")
            print(lines[-1], flush=True)
    if arguments.write:
        date = datetime.date.today().isoformat()
        with atomic_path(PAGE) as temporary:
            temporary.write_text(
                HEAD.format(date=date, seeds=arguments.seeds) + "\n".join(lines) + "\n", encoding="utf-8"
            )


if __name__ == "__main__":
    main()
