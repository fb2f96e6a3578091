"""Which figures a run draws, and why it leaves out the others: known from its plan, before any job runs.

Imports nothing heavy, since Snakemake reads it at every start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cortexclip.configuration.plan import Plan
from cortexclip.evaluation import MIN_DATASETS

SUFFIXES = ("png", "pdf", "csv")
"""To look at, for a paper, and the numbers; the captions of a job's figures are in one file."""
CAPTIONS = "captions"


def of_predictions(plan: Plan, dataset: str) -> dict[str, str]:
    """The figures of a dataset under a protocol that its predictions make, and why one is left out, "" if it is not."""
    runs = [plan.runs[run] for run in plan.cells.get(dataset, ())]
    embedded = "" if any(run.encoder != "none" for run in runs) else "No method predicts an embedding."
    return {
        "reconstructions": "",
        "strip": "",
        "reference": "",
        "training_curves": "" if any(run.trained for run in runs) else "No method is trained over epochs.",
        "receptive_fields": ""
        if any(run.fields for run in runs)
        else "No method keeps the receptive fields of an encoding model among its weights, or none were kept.",
        "image_bases": ""
        if any(run.bases for run in runs)
        else "No method keeps image bases among its weights, or none were kept.",
        **dict.fromkeys(("retrieved", "similarity", "similarity_distribution"), embedded),
    }


def of_tests(plan: Plan, dataset: str) -> dict[str, str]:
    """Likewise the figures of a dataset under a protocol that the tables make."""
    compared = ""
    if plan.reference not in plan.cells.get(dataset, ()):
        compared = "No method was run that the others are compared with (role: reference)."
    elif len(plan.cells[dataset]) < 2:
        compared = f"Nothing but {plan.reference} was run, so nothing is compared."
    parts = "" if plan.ablations.get(dataset) else "No two methods that run on this dataset differ in a part."
    return {"differences": compared, "paired": compared, "limits": "", "spurious": "", "ablation": parts}


def of_protocols(plan: Plan, dataset: str) -> dict[str, str]:
    """Likewise the figures that span the protocols of a dataset."""
    names = plan.protocols_of(dataset)
    kinds = {name: plan.protocols[name] for name in names}
    both = any(kind.counterpart in kinds for kind in kinds.values())
    repeating = any(kind.repeats and kind.counterpart not in kinds for kind in kinds.values())
    shuffled = any(plan.runs[run].role == "shuffled" for run in plan.cells.get(dataset, ()))
    needs = {
        "optimism": "" if both else "a protocol in which the scored samples choose, and its honest counterpart",
        "seen_unseen": ""
        if repeating and not all(kind.repeats for kind in kinds.values())
        else "a protocol under which images may repeat, and one under which no scored image was trained on",
        "permutation_null": "" if shuffled else "a method that learns from shuffled pairs of response and image",
        "identification_curves": "",
        "learning_curve": ""
        if any(kind.train_share < 1 for kind in kinds.values())
        else "protocols that learn from a share of the training samples (train_share), as config/power.yaml has",
    }
    return {name: f"This needs {need}." if need else "" for name, need in needs.items()}


def of_datasets(plan: Plan) -> dict[str, str]:
    """Likewise the figures that span datasets."""
    everywhere = set(plan.runs).intersection(*map(set, plan.cells.values())) if plan.cells else set()
    few = len(plan.datasets) < MIN_DATASETS or len(everywhere) < 3
    reason = f"Average ranks need {MIN_DATASETS} datasets and three methods that run on each of them." if few else ""
    return {"mse_by_method": "", **{f"critical_difference.{protocol}": reason for protocol in plan.protocols}}


def every(plan: Plan) -> list[tuple[str, str, str]]:
    """Name, protocol and dataset of all figures of a run, "" for what a figure spans."""
    found = [(*name.partition(".")[::2], "") for name in _drawn(of_datasets(plan))]
    for dataset in plan.datasets:
        for protocol in plan.protocols_of(dataset):
            known = of_predictions(plan, dataset) if plan.cells.get(dataset) else {}
            found += [(name, protocol, dataset) for name in _drawn({**known, **of_tests(plan, dataset)})]
        found += [(name, "", dataset) for name in _drawn(of_protocols(plan, dataset))]
    return found


def of_run(plan: Plan) -> list[str]:
    """All files of figures of a run, below the results folder."""
    found = of_datasets_files(plan)
    for dataset in plan.datasets:
        patterns = of_predictions_files(plan, dataset, dataset) if plan.cells.get(dataset) else []
        found += [path.format(protocol=protocol) for protocol in plan.protocols_of(dataset) for path in patterns]
        found += of_tests_files(plan, dataset, dataset)
    return found


def of_datasets_files(plan: Plan) -> list[str]:
    """The files of `of_datasets`, below the results folder as those of the two functions below."""
    return _files(_drawn(of_datasets(plan)), CAPTIONS)


def of_predictions_files(plan: Plan, dataset: str, named: str) -> list[str]:
    """The files of `of_predictions` as patterns of {protocol}; ``named`` is the dataset, or a pattern for it."""
    stems = [stem(name, "{protocol}", named) for name in _drawn(of_predictions(plan, dataset))]
    return _files(stems, stem(CAPTIONS, "{protocol}", named))


def of_tests_files(plan: Plan, dataset: str, named: str) -> list[str]:
    """The files of `of_tests` under all protocols of the dataset, and of `of_protocols`; ``named`` as above."""
    tests = [stem(name, p, named) for p in plan.protocols_of(dataset) for name in _drawn(of_tests(plan, dataset))]
    across = [stem(name, "", named) for name in _drawn(of_protocols(plan, dataset))]
    return _files(tests + across, stem(CAPTIONS, "", named))


def alike(listing: Callable[[Plan, str, str], list[str]], plan: Plan) -> list[tuple[list[str], list[str]]]:
    """The files of one of the two functions above, as patterns of {dataset}, and the datasets that have these."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for dataset in plan.datasets:
        groups.setdefault(tuple(listing(plan, dataset, "{dataset}")), []).append(dataset)
    return [([f"results/{path}" for path in paths], datasets) for paths, datasets in groups.items()]


def stem(name: str, protocol: str, dataset: str) -> str:
    """The file of a figure below the folder of figures, without its suffix; "" for what it spans."""
    if name == "reference":
        return f"reference/{protocol}/{dataset}"
    return ".".join(filter(None, [name, protocol, dataset]))


def _drawn(figures: Mapping[str, str]) -> list[str]:
    return [name for name, reason in figures.items() if not reason]


def _files(stems: Iterable[str], captions: str) -> list[str]:
    return [*(f"figures/{each}.{suffix}" for each in stems for suffix in SUFFIXES), f"figures/{captions}.md"]
