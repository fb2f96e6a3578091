"""The findings of the audit as a table, and as the sentences that stand under every other table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from cortexclip.audit.finding import SEVERITIES
from cortexclip.configuration.plan import Plan
from cortexclip.results.tables import TABLES
from cortexclip.tables.render import NOT_MEASURED, Table

DATASET = "dataset"
"""The scope of findings that hold whatever the protocol."""
MOST_NOTES = 6


def audit_rows(audits: Mapping[str, Mapping]) -> pd.DataFrame:
    """The table of results/tables/audit.csv, from what the stage ``audit`` wrote, by name of the dataset."""
    rows = [{"dataset": name, **finding} for name, audit in audits.items() for finding in audit["findings"]]
    return pd.DataFrame(rows, columns=TABLES["audit"])


def audit_tables(audits: Mapping[str, Mapping], plan: Plan) -> Iterator[Table]:
    """One table to read for each dataset: checks by scope, each cell a severity, and below it what they say."""
    for name, about in plan.datasets.items():
        if name not in audits:
            continue
        findings = audits[name]["findings"]
        scopes = [DATASET, *(p for p in plan.protocols if any(f["scope"] == p for f in findings))]
        titles = ["Data", *(plan.protocols[scope].heading for scope in scopes[1:])]
        severity = {(f["check"], f["scope"]): f["severity"] for f in findings}
        checks = list(dict.fromkeys(f["check"] for f in findings))
        rows = [
            [check.replace("_", " "), *(severity.get((check, scope), NOT_MEASURED) for scope in scopes)]
            for check in checks
        ]
        strong = {(i, j) for i, row in enumerate(rows) for j, cell in enumerate(row) if cell == next(iter(SEVERITIES))}
        notes = [f"{word}: {meaning}." for word, meaning in SEVERITIES.items()]
        for text, where in _merged(findings, dict(zip(scopes, titles, strict=True))):
            notes.append(f"{'; '.join(where)}: {text}")
        yield Table(
            title=f"Audit: {about.heading}",
            label=f"audit-{name}",
            columns=["Check", *titles],
            rows=rows,
            notes=notes,
            strong=frozenset(strong),
        )


def ceiling_of(audit: Mapping) -> list[str]:
    """The sentence on the noise ceiling, where stimuli repeat and there is one."""
    return [f["message"] for f in audit["findings"] if f["check"] == "noise_ceiling" and f["numbers"]]


def findings_for(audit: Mapping, protocol: str) -> list[Mapping]:
    """What must be known of a dataset under a protocol: serious and notable findings, gravest first.

    A finding on the protocol takes the place of the dataset's finding of the same check, which speaks of the canonical
    split. That scored samples choose is left to the protocol's own note.
    """
    own = {f["check"] for f in audit["findings"] if f["scope"] == protocol}
    chosen = [
        f
        for f in audit["findings"]
        if f["severity"] != "info"
        and f["check"] != "selection"
        and (f["scope"] == protocol or (f["scope"] == DATASET and f["check"] not in own))
    ]
    ranks = list(SEVERITIES)
    return sorted(chosen, key=lambda f: (ranks.index(f["severity"]), f["scope"] != protocol))


def sentence(finding: Mapping) -> str:
    """A finding in words: a serious one with what it means."""
    grave = finding["severity"] == next(iter(SEVERITIES))
    return f"{finding['message']} {finding['meaning']}" if grave else finding["message"]


def notes_for(audit: Mapping, protocol: str) -> list[str]:
    """Sentences that must stand under every table and figure of a dataset and protocol; at most ``MOST_NOTES``."""
    return list(dict.fromkeys(map(sentence, findings_for(audit, protocol))))[:MOST_NOTES]


def _merged(findings: list[Mapping], titles: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Text of each serious or notable finding, gravest first, with the titles of the scopes that share it."""
    where: dict[str, list[str]] = {}
    for word in list(SEVERITIES)[:-1]:
        for finding in findings:
            if finding["severity"] == word and finding["scope"] in titles:
                where.setdefault(f"{finding['message']} {finding['meaning']}", []).append(titles[finding["scope"]])
    yield from where.items()
