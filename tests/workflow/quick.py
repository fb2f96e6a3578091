"""Settings with which the methods of the catalogue train quickly, also through `Decoder` and the stages."""

from conftest import ROOT

from cortexclip.configuration.config import read_yaml

METHODS = read_yaml(ROOT / "config/methods.yaml")
# What makes a method quick enough for a test; the rest of its settings stay.
QUICK = {
    **{
        "epochs": 2,
        "patience": 2,
        "pretraining_epochs": 2,
        "batch_size": 64,
        "hidden": [32, 8],
        "filters": 4,
        "steps": 4,
        "draws": 2,
    },
    **{"folds": 2, "copies": 30, "coordinates": 20, "doubt": [1], "shared": 0.1, "penalty_count": 7},
}


def quick_settings(known: dict) -> dict:
    """What makes a method with these settings quick; a list where the method chooses from one."""
    return {
        key: [value] if isinstance(known[key], list) and not isinstance(value, list) else value
        for key, value in QUICK.items()
        if key in known
    }
