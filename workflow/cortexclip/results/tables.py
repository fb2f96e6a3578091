"""The result tables for scripts (CSV): their columns, and reading and writing them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pandas as pd

from cortexclip.errors import InputError
from cortexclip.runtime.files import atomic_path

PAIR = [
    *("metric", "method", "encoder", "reference", "difference", "ci_low", "ci_high"),
    *("effect_size", "p", "p_family", "p_corrected_t", "n_samples", "n_stimuli", "n_missing", "smallest_p"),
    *("n_comparisons", "least_stimuli", "verdict", "conclusion"),
]
"""A tested pair of methods."""
_CELL = ["dataset", "protocol", "method", "encoder"]
_MEASURED = ["mean", "ci_low", "ci_high"]
TABLES = {
    "comparison": [*_CELL, "metric", *_MEASURED, "n_samples", "n_seeds"],
    "retrieval": [*_CELL, "gallery", "gallery_size", "metric", *_MEASURED, "chance", "n_samples", "n_seeds"],
    "audit": ["dataset", "scope", "check", "severity", "message", "meaning"],
    "statistics": ["dataset", "protocol", *PAIR],
    "leaders": [
        *("dataset", "protocol", "metric", "method", "encoder", "mean", "leader", "rival", "tied", "decidable"),
        *("n_stimuli", "least_stimuli"),
    ],
    "ranks": [
        *("protocol", "metric", "method", "encoder", "average_rank", "n_datasets", "friedman_p"),
        "critical_difference",
    ],
    "ablation": ["dataset", "protocol", "kind", *PAIR],
    "cost": [*_CELL, "folds", "fits", "seconds", "seconds_per_fit", "peak_mb", "parameters", "device"],
    "collapse": [
        *_CELL,
        *("dimensions", "dimensions_stimuli", "span", "span_stimuli", "identification", "identification_within"),
        *("compared", "clusters", "space"),
    ],
    "left_out": [
        *("dataset", "protocol", "compared_with", "method", "encoder"),
        *("mse", "mse_compared", "gain", "gain_compared", "remains"),
    ],
    "ceiling": [
        *(*_CELL, "metric", "value", "ceiling", "share", "share_low", "share_high", "n_stimuli", "n_repeats"),
        "reason",
    ],
    "power": [
        *(*_CELL, "metric", "reference", "effect", "sd", "n_images", "power", "needed", "needed_low", "needed_high"),
        "simulated",
    ],
    "learning_curve": [
        *("dataset", "curve", "protocol", "train_share", "n_train", "method", "encoder", "metric", *_MEASURED),
        *("n_samples", "n_seeds"),
    ],
    "grid": [*_CELL, "fold", "seed", "point", "criterion", "value", "chosen"],
    "remeasured": ["dataset", "protocol", "method", "metric", "seed", "fold", "n_samples", "mean", "variance"],
    "configurations": [
        *("dataset", "protocol", "method", "configuration", "settings", "seed", "fold"),
        *("select_loss", "scored_mse", "chosen"),
    ],
    "source_datasets": ["dataset", "stands_for", "brain_data", "n_train", "n_test", "n_stimuli", "constant_mse"],
    "claims": [
        *("kind", "method", "dataset", "metric", "published", "upper", "spread", "folds", "seeds", "configuration"),
        *("part", "text", "source", "status", "protocol", "run", "measured_on", "remeasured", "low", "high"),
        *("smallest", "largest", "n_seeds", "honest_protocol", "honest", "control", "control_value"),
        *("outcome", "reason", "verdict"),
    ],
    "paper": [
        *("method", "dataset", "published", "remeasured", "low", "high", "n_seeds", "honest", "control"),
        *("control_value", "ours", "status", "verdict", "source"),
    ],
}
"""Columns of every table, in their order."""
NEARNESS = ["protocol", "space", "fold", "stimulus", "trials", "seen", "similarity"]
"""Columns of what the audit writes on the nearest training image of each scored one."""


def read_table(path: str | os.PathLike, columns: Sequence[str]) -> pd.DataFrame:
    """A result table (.csv) as it was written; InputError if it is missing or lacks one of ``columns``."""
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"encoder": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Run the workflow again; it will be made.") from error
    if missing := [column for column in columns if column not in table]:
        raise InputError(f"{path}: the columns {', '.join(missing)} are missing. Delete it and run the workflow again.")
    return table


def write_csv(path: str | os.PathLike, table: pd.DataFrame) -> None:
    """Write a table with six significant digits, so that equal results are equal bytes."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
