"""The claims table and the paper's table: every outcome from a small constructed evidence."""

from __future__ import annotations

import math
import typing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cortexclip.configuration.plan import Plan, Sources
from cortexclip.configuration.schema import Status, read_yaml
from cortexclip.evaluation.reproduction import Repeated
from cortexclip.results.folder import Results
from cortexclip.results.tables import TABLES, write_csv
from cortexclip.runtime.files import write_json
from cortexclip.stages.tables import write_claims
from cortexclip.tables import claims as tables
from cortexclip.tables.claims import OUTCOMES, REASONS, STATUS, Claim, Evidence, claims, claims_csv
from cortexclip.tables.paper import paper_csv, paper_tables
from cortexclip.tables.render import latex, markdown

ROOT = Path(__file__).resolve().parents[2]
NOTHING = {"datasets": {}, "protocols": {"mine": {"over": "in_sample"}}, "runs": {}, "names": [], "seeds": 4}
HONEST = {"holdout": "split", "cv10": "folds"}
SPREAD = np.array([-1.0, -1 / 3, 1 / 3, 1.0])


def around(mean: float, spread: float = 0.001) -> tuple[float, ...]:
    """Four values with this mean."""
    return tuple(mean + spread * SPREAD)


def about(name: str, stands_for: str | None = None, brain_data: bool = True, judges: bool = True) -> dict:
    return {
        **{"title": name.title(), "notes": [f"Note of {name}."], "stands_for": stands_for or name},
        **{"brain_data": brain_data, "judges": judges, "published_trials": not brain_data},
    }


def a_plan(datasets=("dots",), protocols=("holdout", "cv10"), stand_ins=(), unavailable=(), cells=()) -> Plan:
    runs = {
        "net": {"title": "Net", "published": "Net", "control": False},
        "ridge": {"title": "Ridge", "control": True, "role": "reference"},
        "class_mean_oracle": {"title": "Oracle", "control": True, "role": "oracle"},
        "cortexclip": {"title": "Ours", "role": "ours"},
    }
    return Plan.of(
        {
            "datasets": {name: {"title": name.title(), "notes": ["A note."], "simulated": False} for name in datasets},
            "protocols": {name: {"title": name, "note": f"{name}.", "honest": HONEST.get(name)} for name in protocols},
            "encoders": {},
            "runs": {name: {"method": name, "encoder": "none", "note": "", **entry} for name, entry in runs.items()},
            "cells": {name: list(runs) for name in datasets},
            "unavailable": {name: f"{name}.mat is not there." for name in unavailable},
            "sources": {
                **NOTHING,
                "datasets": {
                    **{name: about(name) for name in datasets},
                    **dict(stand_ins),
                },
                "cells": [list(cell) for cell in cells],
            },
            "seeds": 3,
            "judge": None,
        }
    )


def stand_in(name: str, stands_for: str, **facts) -> tuple[str, dict]:
    return name, about(name, stands_for, **facts)


def a_source(protocol="source_split", methods=None, status=()) -> dict:
    text = {"title": "A table", "link": "https://example.org/t", "claimed": "An error.", "procedure": "Trained."}
    kinds = [{"kind": kind, "note": f"Said: {kind}.", "link": "https://example.org/s"} for kind in status]
    methods = {"Net": "net"} if methods is None else methods
    return {**text, "differs": "Nothing.", "status": kinds, "protocol": protocol, "methods": methods}


def a_published(numbers=(), statements=(), **sources) -> dict:
    shared = {"source": "paper", "name": "Net", "dataset": "dots", "metric": "mse"}
    return {
        "paper": {"methods": ["Net", "Rival"], "datasets": ["dots", "lines"], "sources": ["paper", "rivals"]},
        "sources": {"paper": a_source(), **sources},
        "numbers": [{**shared, **entry} for entry in numbers],
        "statements": [{"source": "paper", "name": "Net", "text": "It is so.", **entry} for entry in statements],
    }


def measured(cells: dict, folds: int = 1, n: int = 10, variance: float = 0.0) -> pd.DataFrame:
    """The table of ``remeasure``: {(dataset, protocol, method[, metric]): values by seed}, spread over folds."""
    rows = []
    for (dataset, protocol, method, *metric), values in cells.items():
        for seed, value in enumerate(values):
            for fold in range(folds):
                off = (fold - (folds - 1) / 2) * 0.5  # the mean over folds is the value
                cell = (dataset, protocol, method, *(metric or ["mse"]), seed, fold, n, value + off, variance)
                rows.append(dict(zip(TABLES["remeasured"], cell, strict=True)))
    return pd.DataFrame(rows, columns=TABLES["remeasured"])


def compared(cells: dict) -> pd.DataFrame:
    """A comparison table: {(dataset, protocol, method, metric): mean}."""
    rows = [
        dict(zip(TABLES["comparison"], (d, p, m, "none", metric, mean, mean, mean, 10, 3), strict=True))
        for (d, p, m, metric), mean in cells.items()
    ]
    return pd.DataFrame(rows, columns=TABLES["comparison"])


def datasets_table(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=TABLES["source_datasets"])


def evidence(
    published, plan=None, cells=None, *, configurations=(), about_data=(), comparison=None, **shape
) -> Evidence:
    return Evidence(
        published,
        plan or a_plan(),
        measured(cells or {}, **shape),
        pd.DataFrame(configurations, columns=TABLES["configurations"]),
        datasets_table(*about_data),
        compared(comparison or {}),
    )


def test_a_value_inside_the_interval_of_one_more_run_is_reproduced():
    values = around(0.05)
    low, high = Repeated(values).interval()
    published = a_published([{"value": v} for v in (0.05, low, high, low - 1e-6, high + 1e-6)])
    rows = claims(evidence(published, cells={("dots", "source_split", "net"): values}))
    assert [row.outcome for row in rows] == ["reproduced"] * 3 + ["not reproduced"] * 2
    table = claims_csv(rows)
    assert list(table.columns) == TABLES["claims"]
    first = table.iloc[0]
    assert (first.low, first.high) == pytest.approx((low, high))
    assert (first.smallest, first.largest, first.n_seeds) == (min(values), max(values), 4)
    assert first.remeasured == pytest.approx(0.05)
    assert (first.kind, first.run, first.measured_on, first.protocol) == ("number", "net", "dots", "source_split")
    assert first.verdict == "reproduced" and not first.reason


def test_the_mean_over_folds_is_compared_whatever_their_sizes():
    table = measured({("dots", "source_cv5", "net"): around(0.05)}, folds=2)
    table.loc[table.fold == 1, "n_samples"] = 1000
    source = {"paper": a_source("source_cv5")}
    found = Evidence(
        a_published([{"value": 0.05, "folds": 2}], **source),
        a_plan(),
        table,
        pd.DataFrame(),
        datasets_table(),
        compared({}),
    )
    (row,) = claims(found)
    assert row.outcome == "reproduced" and row.repeated.mean == pytest.approx(0.05)


def test_in_sample_is_said():
    published = a_published([{"value": 0.05}], paper=a_source("mine", status=["in_sample"]))
    (row,) = claims(evidence(published, cells={("dots", "mine", "net"): around(0.05)}))
    assert row.outcome == "reproduced, in-sample"
    assert tables.sentence(row) == "reproduced, in-sample; the source: in-sample"


def test_a_spread_is_divided_as_in_its_source_and_needs_folds():
    """Folds 0.25 below and above the value: 0.25 with divisor n, 0.25 sqrt(2) with n - 1."""
    cells = {("dots", "mine", "net"): around(0.05)}
    for ddof, spread in ((0, 0.25), (1, 0.25 * 2**0.5)):
        paper = {**a_source("mine"), "spread_ddof": ddof}
        found = evidence(a_published([{"value": 0.05, "spread": spread}], paper=paper), cells=cells, folds=2)
        value, of_folds = claims(found)
        assert of_folds.repeated.mean == pytest.approx(spread)
    value, of_folds = claims(evidence(a_published([{"value": 0.05, "spread": 0.01}]), cells=cells))
    assert (value.reason, of_folds.reason) == ("run", "run")
    value, of_folds = claims(evidence(a_published([{"value": 0.05, "spread": 0.01}], paper=paper), cells=cells))
    assert value.outcome == "reproduced, in-sample"
    assert (
        tables.sentence(of_folds)
        == "cannot be tested here: it is a spread over folds, and what was measured has no folds"
    )


def test_a_value_read_off_a_figure_is_compared_with_the_one_value_of_a_method_without_randomness():
    cells = {("dots", "source_split", "net"): [0.052]}
    for reading, outcome in ((0.003, "reproduced"), (0.001, "not reproduced")):
        paper = {**a_source(), "reading": reading}
        (row,) = claims(evidence(a_published([{"value": 0.05}], paper=paper), cells=cells))
        assert row.outcome == outcome


def test_without_brain_data_the_stand_in_judges_and_the_constant_answer_is_the_control():
    plan = a_plan(
        stand_ins=[
            stand_in("lines_noise", "lines", brain_data=False, judges=False),
            stand_in("lines_constant", "lines", brain_data=False),
        ]
    )
    cells = {
        ("lines_constant", "source_split", "net"): around(0.05),
        ("lines_noise", "source_split", "net"): around(0.09),
    }
    known = [
        ("lines_constant", "lines", False, 90, 10, 10, 0.0499),
        ("lines_noise", "lines", False, 90, 10, 10, 0.0499),
    ]
    published = a_published([{"value": v, "dataset": "lines"} for v in (0.05, 0.09)])
    first, second = claims(evidence(published, plan, cells, about_data=known))
    assert first.outcome == "reproduced without brain data"
    assert second.outcome == "not reproduced"  # white noise judges nothing
    assert first.measured_on == second.measured_on == "lines_constant"
    assert (first.control.name, first.control.value) == ("constant answer", 0.0499)
    assert first.honest is None
    assert tables.sentence(first) == "reproduced without brain data (lines_constant)"


@pytest.mark.parametrize(
    ("kind", "metric", "part", "low", "high", "expected"),
    [
        ("number", "mse", "", 0.01, 0.09, False),
        ("number", "mse", "", -0.01, 0.09, True),
        ("number", "pixcorr", "", -0.5, 0.9, False),
        ("number", "pixcorr", "", 0.5, 1.01, True),
        ("number", "pixcorr", "spread", -0.01, 0.1, True),
        ("improvement", "", "", 1.0, 8.0, False),
        ("mean_improvement", "", "", -1.0, 8.0, True),
        ("number", "mse", "", float("nan"), float("nan"), False),
    ],
)
def test_an_interval_with_impossible_values_is_said_to_exclude_little(kind, metric, part, low, high, expected):
    assert tables.excludes_little(kind, metric, part, low, high) == expected
    assert (tables.VAGUE in tables.outcome_text("reproduced", "", None, expected)) == expected


def test_other_scored_images_widen_the_interval_where_there_are_no_brain_data():
    plan = a_plan(stand_ins=[stand_in("lines_constant", "lines", brain_data=False)])
    cells = {("lines_constant", "source_split", "net"): around(0.05), ("dots", "source_split", "net"): around(0.05)}
    found = evidence(a_published(), plan, cells, n=16, variance=0.04)
    assert found.repeated("lines_constant", "source_split", "net").image_variance == pytest.approx(0.04 / 16)
    assert found.repeated("dots", "source_split", "net").image_variance == 0
    folds = evidence(a_published(), plan, cells, n=16, variance=0.04, folds=5)
    assert folds.repeated("lines_constant", "source_split", "net").image_variance == pytest.approx(0.04 / 80)


def test_another_file_of_the_same_trials_is_named():
    plan = a_plan(stand_ins=[stand_in("dots_sharp", "dots")])
    cells = {("dots", "source_split", "net"): around(0.02), ("dots_sharp", "source_split", "net"): around(0.05)}
    published = a_published([{"value": v} for v in (0.05, 0.02, 0.9)])
    sharp, own, neither = claims(evidence(published, plan, cells))
    assert (sharp.outcome, sharp.measured_on) == ("reproduced on another version of the file", "dots_sharp")
    assert (own.outcome, own.measured_on) == ("reproduced", "dots")
    assert (neither.outcome, neither.measured_on) == ("not reproduced", "dots")
    assert tables.sentence(sharp).endswith("(dots_sharp)")


@pytest.mark.parametrize(
    ("entry", "source", "reason"),
    [
        ({"value": 0.1}, a_source(methods={}), "method"),
        ({"value": 0.1}, a_source(protocol=None), "procedure"),
        ({"value": 0.1}, a_source("source_cv10"), "run"),
        ({"value": 0.1, "metric": "ssim"}, a_source(), "run"),
        ({"value": 0.1, "dataset": "elsewhere"}, a_source(), "run"),
        ({"value": 0.1, "dataset": "lost"}, a_source(), "data"),
        ({"value": 0.15, "upper": 0.25, "metric": "top1_test"}, a_source(), "encoder"),
    ],
)
def test_what_cannot_be_tested_says_why(entry, source, reason):
    published = a_published([entry], paper=source)
    cells = {("dots", "source_split", "net"): around(0.05)}
    (row,) = claims(evidence(published, a_plan(unavailable=["lost"]), cells))
    assert (row.outcome, row.reason) == ("cannot be tested here", reason)
    assert tables.sentence(row) == f"cannot be tested here: {REASONS[reason]}"
    assert row.repeated is None and np.isnan(claims_csv([row]).remeasured.item())


def test_every_reason_and_mark_can_occur():
    """What the table can say is what its schema and the cases above know."""
    assert set(typing.get_args(Status.model_fields["kind"].annotation)) == set(STATUS)
    assert set(REASONS) == {"method", "procedure", "run", "spread", "data", "encoder"}
    assert len(set(OUTCOMES)) == 6


def test_a_configuration_is_compared_with_the_same_one():
    def row(configuration, seed, fold, select, scored, chosen):
        return ("dots", "source_split", "net", configuration, "lr 1", seed, fold, select, scored, chosen)

    rows = [
        row(c, s, 0, 0.01 * c + 0.001 * off, 0.1 * c + 0.01 * off, c == 1)
        for c in (1, 2)
        for s, off in enumerate(SPREAD)
    ]
    numbers = [
        {"value": 0.1, "configuration": 1},
        {"value": 0.2, "configuration": 2},
        {"value": 0.02, "configuration": 2, "part": "select"},
        {"value": 0.2, "configuration": 1},
        {"value": 0.2, "configuration": 3},
    ]
    cells = {("dots", "source_split", "net"): around(0.1)}
    found = claims(evidence(a_published(numbers), cells=cells, configurations=rows))
    assert [r.outcome for r in found[:4]] == ["reproduced"] * 3 + ["not reproduced"]
    assert found[4].reason == "run"
    assert found[2].repeated.mean == pytest.approx(0.02)


def test_the_honest_value_and_the_best_control_are_those_of_an_honest_protocol():
    comparison = {
        ("dots", "holdout", "net", "mse"): 0.06,
        ("dots", "holdout", "ridge", "mse"): 0.07,
        ("dots", "holdout", "ridge_nearest", "mse"): 0.05,
        ("dots", "holdout", "class_mean_oracle", "mse"): 0.001,
        ("dots", "cv10", "net", "mse"): 0.08,
        ("dots", "cv10", "ridge", "mse"): 0.09,
        ("dots", "holdout", "ridge", "ssim"): 0.2,
        ("dots", "holdout", "ridge_nearest", "ssim"): 0.1,
    }
    numbers = [{"value": 0.05}, {"value": 0.05, "folds": 10}, {"value": 0.5, "metric": "ssim"}]
    split, folds, ssim = claims(evidence(a_published(numbers), comparison=comparison))
    assert (split.honest_protocol, split.honest) == ("holdout", 0.06)
    assert (split.control.name, split.control.value) == ("ridge_nearest", 0.05)
    assert (folds.honest_protocol, folds.honest, folds.control.name) == ("cv10", 0.08, "ridge")
    assert (ssim.honest, ssim.control.name, ssim.control.value) == (None, "ridge", 0.2)
    without = claims(evidence(a_published(numbers), a_plan(protocols=("holdout",)), comparison=comparison))
    assert without[1].honest_protocol == "holdout"
    none = claims(evidence(a_published(numbers), a_plan(protocols=("chosen_on_test",)), comparison=comparison))
    assert all(row.honest is None and row.honest_protocol is None and row.control is None for row in none)


def test_the_method_of_the_comparison_stands_for_one_that_follows_the_source_alone():
    plan = a_plan()
    assert tables.honest_method("Net", "net", plan) == "net"
    assert tables.honest_method("Net", "net_script", plan) == "net"
    assert tables.honest_method("Other", "other", plan) is None


def words(values_of_net, values_of_rival, statements, datasets=("dots", "lines")) -> list[Claim]:
    """Claims in words about a paper of two methods on two datasets."""
    plan = a_plan(datasets=datasets)
    numbers = [
        {"source": source, "name": name, "dataset": dataset, "value": 0.05}
        for source, name in (("rivals", "Rival"), ("paper", "Net"))
        for dataset in ("dots", "lines")
    ]
    published = a_published(numbers, statements, rivals=a_source("source_cv5", {"Rival": "rival"}))
    cells = {(d, "source_split", "net"): v for d, v in values_of_net.items()}
    cells |= {(d, "source_cv5", "rival"): v for d, v in values_of_rival.items()}
    return claims(evidence(published, plan, cells))[len(numbers) :]


def test_leads_counts_the_datasets_on_which_each_seed_is_below_all_rivals():
    net = {"dots": (1.0, 1.0, 1.0, 3.0), "lines": (1.0, 3.0, 1.0, 3.0)}
    rival = {"dots": (2.0, 2.0, 2.0, 2.0), "lines": (2.0, 2.0, 2.0, 2.0)}
    rows = words(net, rival, [{"kind": "leads", "value": value} for value in (2, 1, 0, 3)])
    assert rows[0].repeated.values == (2.0, 1.0, 2.0, 0.0)
    assert [row.outcome for row in rows] == ["reproduced"] * 3 + ["not reproduced"]
    (equal,) = words(rival, rival, [{"kind": "leads", "value": 0}])
    assert equal.repeated.values == (0.0,) * 4  # a tie is no lead


def test_improvements_are_those_of_each_seed():
    net, rival = {"dots": around(0.8), "lines": around(0.5)}, {"dots": (1.0,) * 4, "lines": (1.0,) * 4}
    statements = [
        {"kind": "improvement", "dataset": "dots", "value": 20.0},
        {"kind": "improvement", "dataset": "lines", "value": 20.0},
        {"kind": "mean_improvement", "value": 35.0},
        {"kind": "mean_improvement", "value": 50.0},
    ]
    one, other, mean, off = words(net, rival, statements)
    assert [row.outcome for row in (one, other, mean, off)] == ["reproduced", "not reproduced"] * 2
    assert one.repeated.values == pytest.approx(tuple(20 - 100 * 0.001 * SPREAD))
    assert mean.repeated.mean == pytest.approx(35.0)


def test_claims_in_words_that_lack_a_run_are_not_judged():
    statements = [{"kind": "leads", "value": 1}, {"kind": "improvement", "dataset": "dots", "value": 1.0}]
    leads, improvement = words({"dots": around(0.5)}, {"dots": around(0.6)}, statements)
    assert (leads.outcome, leads.reason) == ("cannot be tested here", "run")
    assert improvement.outcome == "not reproduced"


def test_size_classes_follow_from_the_number_of_samples():
    known = [("dots", "dots", True, 180, 20, 10, 0.05)]
    kinds = [{"kind": "size_class", "dataset": "dots", "value": value} for value in ("small", "medium", "large")]
    rows = claims(evidence(a_published((), kinds), about_data=known))
    assert [row.outcome for row in rows] == ["not reproduced", "reproduced", "not reproduced"]
    assert tables.sentence(rows[1]) == "reproduced: medium by its number of samples"
    (gone,) = claims(evidence(a_published((), kinds[:1])))
    assert gone.reason == "run"
    table = claims_csv(rows)
    assert table.kind.tolist() == ["size_class"] * 3 and table.published.isna().all()


def paper_evidence() -> Evidence:
    """The small paper, half of it measured, with texts that Markdown and LaTeX would interpret."""
    plan = a_plan(
        stand_ins=[stand_in("dots_sharp", "dots"), stand_in("lines_constant", "lines", brain_data=False)],
        cells=[("source_split", "dots_sharp", "net")],
    )
    plan.datasets["dots"] = replace(plan.datasets["dots"], title="Dots_$1$ | <b>")
    numbers = [
        {"source": source, "name": name, "dataset": dataset, "value": 0.05, "folds": 5, "spread": 0.01}
        for source, name in (("rivals", "Rival"), ("paper", "Net"))
        for dataset in ("dots", "lines")
    ]
    statements = [{"kind": "leads", "value": 2, "text": "100 % | <script> of $x_1$"}]
    paper, rivals = a_source(status=["withdrawn", "corrected", "withdrawn"]), a_source(None, {"Rival": "rival"})
    paper["title"] = "Table_1 & 'x' | <i>"
    cells = {("dots", "source_split", "net"): around(0.05), ("dots_sharp", "source_split", "net"): around(0.07)}
    cells[("lines_constant", "source_split", "net")] = around(0.05)
    known = [
        ("dots", "dots", True, 90, 10, 10, 0.06),
        ("dots_sharp", "dots", True, 90, 10, 10, 0.06),
        ("lines_constant", "lines", False, 90, 10, 10, 0.0499),
    ]
    comparison = {("dots", "holdout", m, "mse"): v for m, v in (("net", 0.06), ("ridge", 0.055), ("cortexclip", 0.05))}
    return evidence(
        a_published(numbers, statements, paper=paper, rivals=rivals),
        plan,
        cells,
        about_data=known,
        comparison=comparison,
    )


def test_tables_render_with_everything_escaped():
    found = paper_evidence()
    rows = claims(found)
    made = tables.claims_tables(rows, found, {"dots": {"findings": []}})
    assert [table.label for table in made] == ["claims-overview", "claims-dots", "claims-lines", "claims-words"]
    made += paper_tables(paper_csv(rows, found), found)
    for table in made:
        assert {len(row) for row in table.rows} == {len(table.columns)}
        text, source = markdown(table), latex(table)
        assert "<script>" not in text and "<b>" not in text and "<i>" not in text
        cells = [line.replace(r"\|", "") for line in text.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in cells}) == 1
        assert "$x_1$" not in source and "Dots_" not in source and "Table_1" not in source
    overview = made[0]
    assert overview.rows[-1][:2] == ["all", "9"]  # four numbers have a spread
    assert sum(map(int, overview.rows[-1][2:])) == 9
    dots = made[1]
    assert dots.rows[0][-1] == "cannot be tested (1)"
    judged = next(row for row in dots.rows if row[-1] == "reproduced; withdrawn; corrected later")
    assert any(note.startswith("Cannot be tested (1): no protocol") for note in dots.notes)
    assert "Note of dots_sharp." in dots.notes and "Note of lines_constant." in made[2].notes
    assert any("withdrawn: Said: withdrawn." in note for note in dots.notes)
    assert judged[3:5] == ["0.05", "0.0500 [0.0490, 0.0510]; 0.0469 to 0.0531"]


def test_the_papers_table_has_each_cell_and_the_other_files():
    found = paper_evidence()
    rows = claims(found)
    table = paper_csv(rows, found)
    assert list(table.columns) == TABLES["paper"]
    assert list(zip(table.method, table.dataset, strict=True)) == [
        *(("Net", "dots"), ("Net", "dots_sharp"), ("Net", "lines")),
        *(("Rival", "dots"), ("Rival", "lines")),
    ] or ("Net", "lines_constant") in set(zip(table.method, table.dataset, strict=True))
    net = table.set_index(["method", "dataset"]).loc["Net"]
    assert net.loc["dots"].remeasured == pytest.approx(0.05) and net.loc["dots"].honest == 0.06
    assert net.loc["dots"].ours == 0.05 and net.loc["dots"].control == "ridge"
    assert net.loc["dots_sharp"].remeasured == pytest.approx(0.07) and math.isnan(net.loc["dots_sharp"].honest)
    assert net.loc["dots_sharp"].control == ""
    assert net.loc["lines"].control == "constant answer"
    main, other = paper_tables(table, found)
    assert main.columns == ["Method", "dots", "lines"]
    assert main.rows[0][1].startswith("0.050000 · 0.0500 [0.0490, 0.0510] · 0.0600 (")
    assert main.rows[1][1].startswith("0.050000 · not measured · ")
    assert [row[0] for row in main.rows[2:]] == ["ridge", "Best control", "cortexclip (ours)"]
    assert [row[:2] for row in other.rows] == [["dots_sharp", "yes"], ["lines_constant", "none"]]
    assert other.rows[0][2] == "0.0700 [0.0690, 0.0710]" and other.rows[0][-1] == "–"
    assert other.rows[1][-1] == "0.0499"


def test_every_table_is_written_without_any_training(tmp_path):
    """The real numbers and a plan that measures none of them: every table is there and says so."""
    plan = replace(a_plan(), sources=Sources())
    write_json(tmp_path / "audit/dots.json", {"findings": []})
    write_csv(tmp_path / "tables/comparison.csv", compared({("dots", "holdout", "ridge", "mse"): 0.05}))
    write_claims(Results(tmp_path, plan), read_yaml(ROOT / "config/published.yaml"), tmp_path / "tables")
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        *(f"{name}.{suffix}" for name in ("claims", "paper") for suffix in ("csv", "md", "tex")),
        *(f"{name}.csv" for name in ("comparison", "remeasured", "configurations", "source_datasets")),
        "paper.pdf",
    }
    table = pd.read_csv(tmp_path / "tables/claims.csv")
    assert set(table.outcome) == {"cannot be tested here"} and len(table) > 150
    assert "not measured" in (tmp_path / "tables/paper.md").read_text()
