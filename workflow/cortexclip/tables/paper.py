"""The paper's table: three methods on four datasets, as published, measured again, and honestly, beside controls."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from cortexclip.evaluation.reproduction import Repeated
from cortexclip.results.tables import TABLES
from cortexclip.tables.claims import Claim, Control, Evidence, control_text, honest_method, sentence
from cortexclip.tables.render import NOT_MEASURED, Table, formatted

NO_NUMBERS = "This configuration measures none of the table's numbers."


def paper_csv(rows: Sequence[Claim], evidence: Evidence) -> pd.DataFrame:
    """The table of results/tables/paper.csv: a row for each method and dataset, stand-ins and other files among them.

    ``low`` and ``high`` are the range over seeds, ``honest``, ``control`` and ``ours`` those of the honest protocol of
    one split.
    """
    found = []
    for claim in of_paper(rows, evidence):
        for dataset in datasets_of(claim.entry["dataset"], evidence):
            repeated = measured(claim, dataset, evidence)
            if repeated is None and dataset != claim.entry["dataset"]:
                continue
            own = dataset == claim.entry["dataset"]
            control = control_of(claim, evidence) if own else evidence.constant(dataset)
            found.append(
                {
                    "method": claim.entry["name"],
                    "dataset": dataset,
                    "published": claim.entry["value"],
                    "remeasured": repeated.mean if repeated else math.nan,
                    "low": min(repeated.values) if repeated else math.nan,
                    "high": max(repeated.values) if repeated else math.nan,
                    "n_seeds": len(repeated.values) if repeated else 0,
                    "honest": _value(honest_of(claim, evidence)) if own else math.nan,
                    "control": control.name if control else "",
                    "control_value": control.value if control else math.nan,
                    "ours": _value(with_role("ours", dataset, evidence)) if own else math.nan,
                    "status": "; ".join(claim.marks),
                    "verdict": sentence(claim),
                    "source": claim.entry["source"],
                }
            )
    return pd.DataFrame(found, columns=TABLES["paper"])


def paper_tables(rows: Sequence[Claim], evidence: Evidence) -> list[Table]:
    """The table in the layout of the document, and the same procedures on other files and without brain data."""
    shown = of_paper(rows, evidence)
    if not shown:
        return []
    names = list(dict.fromkeys(claim.entry["name"] for claim in shown))
    datasets = list(dict.fromkeys(claim.entry["dataset"] for claim in shown))
    by_cell = {(claim.entry["name"], claim.entry["dataset"]): claim for claim in shown}
    verdicts = list(dict.fromkeys(sentence(claim) for claim in shown))
    body = []
    for name in names:
        cells = []
        for dataset in datasets:
            claim = by_cell[name, dataset]
            place = verdicts.index(sentence(claim)) + 1
            parts = [
                f"{claim.entry['value']:.6f}",
                _range(measured(claim, dataset, evidence)),
                formatted(honest_of(claim, evidence), ".4f"),
            ]
            cells.append(f"{' · '.join(parts)} ({place})")
        body.append([name, *cells])
    plan, split = evidence.plan, evidence.plan.honest("split") or "(none was run)"
    body += [
        [method, *(formatted(with_role("reference", name, evidence), ".4f") for name in datasets)]
        for method in plan.role("reference")[:1]
    ]
    body.append(["Best control", *(control_text(control_of(by_cell[names[0], name], evidence)) for name in datasets)])
    body += [
        [f"{method} (ours)", *(formatted(with_role("ours", name, evidence), ".4f") for name in datasets)]
        for method in plan.role("ours")[:1]
    ]
    sources = list(dict.fromkeys(claim.entry["source"] for claim in shown))
    notes = [
        "Mean squared error, lower is better. The document's three rows: the published value · measured again with the "
        f"procedure that made it, mean [range over seeds] · the same method in the honest protocol {split}. Rows "
        f"below: {split}.",
        "mindbigdata and crell: the brain data of the publication are not public, so they are measured again without "
        "brain data (on the dataset named in the remark). Best control there: always predicting the mean of the ten "
        "images.",
        *(f"({place}) {text}." for place, text in enumerate(verdicts, 1)),
        *(f"{name}: {evidence.published['sources'][name]['link']}" for name in sources),
    ]
    table = Table("The published table, measured again", ["Method", *datasets], body, notes, "paper")
    return [table, *_stand_ins(shown, names, evidence)]


def _stand_ins(shown: Sequence[Claim], names: Sequence[str], evidence: Evidence) -> list[Table]:
    """The same methods on other files and stand-ins; an empty list if none was trained on."""
    found = [n for n, entry in evidence.plan.sources.datasets.items() if entry.stands_for != n]
    if not found:
        return []
    cells = {name: {claim.entry["dataset"]: claim for claim in shown if claim.entry["name"] == name} for name in names}
    stands_for = {name: evidence.plan.sources.datasets[name].stands_for for name in found}
    body = []
    for dataset in found:
        row = [dataset, "yes" if evidence.brain_data(dataset) else "none"]
        row += [_range(measured(cells[name][stands_for[dataset]], dataset, evidence)) for name in names]
        about = evidence.about.set_index("dataset").loc[dataset]
        body.append([*row, NOT_MEASURED if evidence.brain_data(dataset) else f"{about.constant_mse:.4f}"])
    notes = [
        "Mean squared error, mean [range over seeds]. Constant: all rows are equal. Noise: white noise. eeg2fmri: the "
        "two small public files of the kind. Without brain data all three methods use the split of the row CCCV1 "
        "(source_split).",
        "Constant answer: always predicting the mean image, with every image shown equally often.",
    ]
    columns = ["Dataset", "Brain data", *names, "Constant answer"]
    return [
        Table("The same procedures on other files, and without brain data", columns, body, notes, "paper-stand-ins")
    ]


def of_paper(rows: Sequence[Claim], evidence: Evidence) -> list[Claim]:
    """The claims of the paper's table, in the order of the document."""
    layout = evidence.published["paper"]
    kept = [claim for claim in rows if "metric" in claim.entry and "part" not in claim.entry]
    found = [claim for claim in kept if claim.entry["source"] in layout["sources"]]
    order = [layout["methods"], layout["datasets"]]
    return sorted(
        found, key=lambda c: tuple(o.index(c.entry[k]) for o, k in zip(order, ("name", "dataset"), strict=True))
    )


def honest_of(claim: Claim, evidence: Evidence) -> float | None:
    """The value of a claim's method in the honest protocol of one split."""
    method = honest_method(claim.entry["name"], claim.run, evidence.plan)
    return evidence.honest(claim.entry["dataset"], evidence.plan.honest("split"), method, "mse")


def with_role(role: str, dataset: str, evidence: Evidence) -> float | None:
    """The value of the method with a role ("reference", "ours") in the same protocol."""
    methods = evidence.plan.role(role)
    return evidence.honest(dataset, evidence.plan.honest("split"), methods[0], "mse") if methods else None


def control_of(claim: Claim, evidence: Evidence) -> Control | None:
    """The best control in that protocol, or the constant answer where there are no brain data."""
    dataset, plan = claim.entry["dataset"], evidence.plan
    return evidence.best_control(dataset, plan.honest("split"), "mse") if dataset in plan.datasets else claim.control


def datasets_of(dataset: str, evidence: Evidence) -> list[str]:
    """A dataset of the document and all that stand for it here."""
    found = evidence.plan.sources.datasets
    return [dataset, *(name for name, entry in found.items() if entry.stands_for == dataset and name != dataset)]


def measured(claim: Claim, dataset: str, evidence: Evidence) -> Repeated | None:
    """What the claim's method reaches on a dataset: by its own procedure, or by the one that was run there."""
    if dataset not in evidence.plan.sources.datasets:
        return claim.repeated
    return evidence.repeated(dataset, evidence.protocol_on(dataset, claim.source["protocol"], claim.run), claim.run)


def _range(repeated: Repeated | None) -> str:
    if repeated is None:
        return "not measured"
    return f"{repeated.mean:.4f} [{min(repeated.values):.4f}, {max(repeated.values):.4f}]"


def _value(value: float | None) -> float:
    return math.nan if value is None else value
