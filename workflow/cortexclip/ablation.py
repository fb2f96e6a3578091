"""Which runs are compared to say what one part of a method is worth: a variant with its plain method, one embedding
space with another. Imports nothing heavy, since Snakemake asks it at every start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

EXTENSION, ENCODER = "extension", "encoder"
PLAIN_SPACES = ("pixels", "gabor")
"""Embedding spaces that no network learned: the other spaces of a method are held against the first that it has."""


def ablations(runs: Mapping[str, object], methods: Mapping[str, Mapping], cells: Iterable[str]) -> list[dict[str, str]]:
    """The pairs of runs that differ in one part, among those that apply to a dataset.

    Parameters
    ----------
    runs : name -> run with the attributes ``method`` and ``encoder`` (None for none).
    methods : name -> entry in methods.yaml; its key ``ablates`` names the plain method of a variant.
    cells : names of the runs that apply to the dataset, in order.

    Returns
    -------
    list of dicts with the keys ``kind`` (`EXTENSION` or `ENCODER`), ``run`` and ``reference`` (names of runs)
        A variant is held against its plain method in the same embedding space, or without one if the plain method uses
        none; a variant whose plain method was not run there has no pair. Variants come first.
    """
    here = {name: runs[name] for name in cells}
    by_place = {(run.method, run.encoder): name for name, run in here.items()}
    pairs = []
    for name, run in here.items():
        base = methods[run.method].get("ablates")
        reference = by_place.get((base, run.encoder)) or by_place.get((base, None))
        if base and reference:
            pairs.append({"kind": EXTENSION, "run": name, "reference": reference})
    for method in dict.fromkeys(run.method for run in here.values()):
        spaces = {run.encoder: name for name, run in here.items() if run.method == method}
        if len(spaces) > 1:
            plain = next((space for space in PLAIN_SPACES if space in spaces), list(spaces)[-1])
            pairs += [
                {"kind": ENCODER, "run": name, "reference": spaces[plain]}
                for space, name in spaces.items()
                if space != plain
            ]
    return pairs
