"""The paper's table: three methods on four datasets, as published, measured again, and honestly, beside controls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from cortexclip.evaluation.reproduction import Repeated
from cortexclip.results.tables import TABLES
from cortexclip.tables.claims import (
    Claim,
    Control,
    Evidence,
    control_text,
    honest_method,
    in_brackets,
    paper_numbers,
    sentence,
)
from cortexclip.tables.render import Interval, Parts, Table, formatted

NO_NUMBERS = "This configuration measures none of the table's numbers."


def paper_csv(rows: Sequence[Claim], evidence: Evidence) -> pd.DataFrame:
    """The table of results/tables/paper.csv: a row for each method and dataset, stand-ins and other files among them.

    ``low`` and ``high`` are the range over seeds, ``honest``, ``control`` and ``ours`` those of the honest protocol of
    one split.
    """
    plan, found = evidence.plan, []
    split = plan.honest("split")
    for claim in of_paper(rows, evidence):
        own = claim.entry["dataset"]
        honest = evidence.honest(own, split, honest_method(claim.entry["name"], claim.run, plan), "mse")
        stand_ins = [name for name, entry in plan.sources.datasets.items() if entry.stands_for == own != name]
        for dataset in [own, *stand_ins]:
            repeated = measured(claim, dataset, evidence)
            if repeated is None and dataset != own:
                continue
            control = evidence.constant(dataset)
            if dataset == own:  # the best of the same protocol, or the constant answer where there are no brain data
                control = evidence.best_control(own, split, "mse") if own in plan.datasets else claim.control
            found.append(
                {
                    "method": claim.entry["name"],
                    "dataset": dataset,
                    "published": claim.entry["value"],
                    "remeasured": repeated.mean if repeated else math.nan,
                    "low": min(repeated.values) if repeated else math.nan,
                    "high": max(repeated.values) if repeated else math.nan,
                    "n_seeds": len(repeated.values) if repeated else 0,
                    "honest": honest if dataset == own else None,
                    "control": control.name if control else "",
                    "control_value": control.value if control else math.nan,
                    "ours": with_role("ours", own, evidence) if dataset == own else None,
                    "status": "; ".join(claim.marks),
                    "verdict": sentence(claim),
                    "source": claim.entry["source"],
                }
            )
    return pd.DataFrame(found, columns=TABLES["paper"]).astype({"honest": float, "ours": float})


def paper_tables(table: pd.DataFrame, evidence: Evidence) -> list[Table]:
    """The table in the layout of the document, and the same procedures on other files and without brain data.

    ``table`` is that of `paper_csv`.
    """
    if table.empty:
        return []
    plan, split = evidence.plan, evidence.plan.honest("split") or "(none was run)"
    stand_ins = [name for name, entry in plan.sources.datasets.items() if entry.stands_for != name]
    cells = {(row.method, row.dataset): row for row in table.itertuples(index=False)}
    own = table[~table.dataset.isin(stand_ins)]
    names, datasets, verdicts, sources = (
        list(dict.fromkeys(own[column])) for column in ("method", "dataset", "verdict", "source")
    )
    body = []
    for name in names:
        found = [cells[name, dataset] for dataset in datasets]
        honest = [f"{formatted(row.honest, '.4f')} ({verdicts.index(row.verdict) + 1})" for row in found]
        texts = [Parts(f"{row.published:.6f}", _range(row), text) for row, text in zip(found, honest, strict=True)]
        body.append([name, *texts])
    first = [cells[names[0], dataset] for dataset in datasets]
    body += [
        [method, *(formatted(with_role("reference", name, evidence), ".4f") for name in datasets)]
        for method in plan.role("reference")[:1]
    ]
    controls = [Control(row.control, row.control_value) if row.control else None for row in first]
    body.append(["Best control", *map(control_text, controls)])
    body += [[f"{method} (ours)", *(formatted(row.ours, ".4f") for row in first)] for method in plan.role("ours")[:1]]
    not_public = filter(None, [" and ".join(plan.named.get("not_public", ()))])
    notes = [
        "Mean squared error, lower is better. The document's three rows: the published value · measured again with the "
        f"procedure that made it, mean [range over seeds] · the same method in the honest protocol {split}. Rows "
        f"below: {split}.",
        *(
            f"{named}: the brain data of the publication are not public, so they are measured again without brain data "
            "(on the dataset named in the remark). Best control there: always predicting the mean of the ten images."
            for named in not_public
        ),
        *(f"({index}) {text}." for index, text in enumerate(verdicts, 1)),
        *(f"{name}: {evidence.published['sources'][name]['link']}" for name in sources),
    ]
    main = Table("The published table, measured again", ["Method", *datasets], body, notes, "paper")
    return [main, _stand_ins(stand_ins, names, cells, evidence)] if stand_ins else [main]


def _stand_ins(stand_ins: Sequence[str], names: Sequence[str], cells: Mapping, evidence: Evidence) -> Table:
    body, splits = [], evidence.plan.named.get("without_brain_data", [])
    for dataset in stand_ins:
        constant = None if evidence.brain_data(dataset) else evidence.constant(dataset)
        row = [
            dataset,
            "yes" if evidence.brain_data(dataset) else "none",
            *(_range(cells.get((name, dataset))) for name in names),
        ]
        body.append([*row, formatted(constant.value if constant else None, ".4f")])
    rows = [entry["name"] for entry, source in paper_numbers(evidence.published) if source["protocol"] in splits]
    of_row = f" of the row {' and '.join(dict.fromkeys(rows))}" if rows else ""
    notes = [
        "Mean squared error, mean [range over seeds]. Constant: all rows are equal. Noise: white noise. eeg2fmri: the "
        f"two small public files of the kind. Without brain data all three methods use the split{of_row}"
        f"{in_brackets(splits)}.",
        "Constant answer: always predicting the mean image, with every image shown equally often.",
    ]
    columns = ["Dataset", "Brain data", *names, "Constant answer"]
    title = "The same procedures on other files, and without brain data"
    return Table(title, columns, body, notes, "paper-stand-ins")


def of_paper(rows: Sequence[Claim], evidence: Evidence) -> list[Claim]:
    """The claims of the paper's table, in the order of the document."""
    layout = evidence.published["paper"]
    kept = [claim for claim in rows if "metric" in claim.entry and "part" not in claim.entry]
    found = [claim for claim in kept if claim.entry["source"] in layout["sources"]]
    methods, columns = layout["methods"], layout["datasets"]
    return sorted(found, key=lambda c: (methods.index(c.entry["name"]), columns.index(c.entry["dataset"])))


def with_role(role: str, dataset: str, evidence: Evidence) -> float | None:
    """The value of the method with a role ("reference", "ours") in the same protocol."""
    methods = evidence.plan.role(role)
    return evidence.honest(dataset, evidence.plan.honest("split"), methods[0], "mse") if methods else None


def measured(claim: Claim, dataset: str, evidence: Evidence) -> Repeated | None:
    """What the claim's method reaches on a dataset: by its own procedure, or by the one that was run there."""
    if dataset not in evidence.plan.sources.datasets:
        return claim.repeated
    return evidence.repeated(dataset, evidence.protocol_on(dataset, claim.source["protocol"], claim.run), claim.run)


def _range(row) -> str:
    if row is None or math.isnan(row.remeasured):
        return "not measured"
    return Interval(f"{row.remeasured:.4f}", f"[{row.low:.4f}, {row.high:.4f}]")
