"""What reduced precision changes: networks trained in float32, bfloat16 and, on a GPU, TF32, scored alike.

Trains and scores with the stages of the workflow, on the data, splits and features that the last `make results` left.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/precision.py [--write]
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from report import Report, TextTable, arguments, finish, machine

from cortexclip.__main__ import main as cortexclip
from cortexclip.configuration.config import load
from cortexclip.configuration.schema import read_yaml
from cortexclip.evaluation.metrics import METRICS
from cortexclip.runtime.arrays import read_parquet
from cortexclip.runtime.devices import gpus
from cortexclip.runtime.files import read_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
DATASETS, PROTOCOL, SEEDS = ("vangerven", "miyawaki"), "holdout", 3
RUNS = {"cccv1": None, "clip_encoder": "glyphclip"}
SHOWN = ("mse", "pixcorr", "ssim", "pairwise_identification")


def scores(dataset: str, method: str, precision: str, folder: Path) -> tuple[dict[str, np.ndarray], float]:
    """Mean score of each seed by metric, and the seconds of the training."""
    configuration = load(read_yaml(ROOT / "config/config.yaml"), ROOT)
    entry = configuration.methods[method]
    used = {key: entry[key] for key in ("module", "settings", "by_size", "grid", "by_dataset") if key in entry}
    encoder = RUNS[method]
    features = ["--features", RESULTS / f"features/{dataset}/{encoder}.nc"] if encoder else []
    files = {name: folder / name for name in ("predictions.nc", "history.parquet", "weights.safetensors", "run.json")}
    data = RESULTS / f"data/{dataset}.nc"
    split = RESULTS / f"splits/{PROTOCOL}/{dataset}.parquet"
    train = [
        *("train", "--threads", 1, "--dataset", data, "--split", split),
        *("--protocol", PROTOCOL, "--method", method, "--entry", json.dumps(used), "--seeds", SEEDS),
        *("--base-seed", 0, "--precision", precision, *features, *(["--encoder", encoder] if encoder else [])),
        *("--predictions", files["predictions.nc"], "--history", files["history.parquet"]),
        *("--weights", files["weights.safetensors"], "--record", files["run.json"]),
    ]
    evaluate = [
        *("evaluate", "--threads", 1, "--dataset", data, "--predictions", files["predictions.nc"], *features),
        *("--scores", folder / "scores.parquet", "--similarity", folder / "similarity.nc"),
        *("--split", split, "--collapse", folder / "collapse.parquet", "--ceiling", folder / "ceiling.parquet"),
    ]
    for command in (train, evaluate):
        with contextlib.redirect_stderr(io.StringIO()) as printed:
            status = cortexclip([str(word) for word in command])
        if status:
            sys.exit(printed.getvalue())
    table = read_parquet(folder / "scores.parquet")
    table = table[(table.method == method) & table.metric.isin(SHOWN)]
    means = table.groupby(["metric", "seed"], observed=True).value.mean()
    return {metric: means[metric].to_numpy() for metric in SHOWN}, read_json(files["run.json"])["seconds"]


def measure() -> Report:
    """Each precision in turn, for each network and dataset."""
    precisions = ["float32", "bfloat16", *(["tf32"] if gpus() else [])]
    rows = []
    for dataset in DATASETS:
        for method in RUNS:
            for precision in precisions:
                with tempfile.TemporaryDirectory() as folder:
                    found, seconds = scores(dataset, method, precision, Path(folder))
                cells = [f"{values.mean():.4f} [{values.min():.4f}, {values.max():.4f}]" for values in found.values()]
                rows.append([dataset, method, precision, *cells, f"{seconds:.0f}"])
    columns = ["dataset", "method", "precision", *(METRICS[metric].label for metric in SHOWN), "training, s"]
    notes = [
        f"Protocol {PROTOCOL}; mean over the scored trials and {SEEDS} seeds. In brackets the range of the seeds' "
        "means: what the seed changes, to be compared with what the precision changes.",
        "" if gpus() else "TF32 has not been measured: it is a format of GPUs.",
    ]
    return Report(
        "precision",
        "What reduced precision changes",
        tables=[TextTable("Scores of networks trained in each precision", columns, rows, list(filter(None, notes)))],
        machine=machine(),
    )


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=1)
    if not (RESULTS / "features").is_dir():
        sys.exit("benchmarks/precision.py: results/ holds no run. Run `make results` first.")
    finish(measure(), options)


if __name__ == "__main__":
    main()
