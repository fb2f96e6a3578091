"""What a run says of its result in sentences, on the terminal and at the head of the explorer."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from cortexclip.configuration.plan import Dataset, Plan, Protocol, Run
from cortexclip.report import content
from cortexclip.report.summary import outcome
from cortexclip.runtime.files import write_json

LEADERS = """dataset,protocol,metric,method,encoder,mean,leader,rival,tied,decidable,n_stimuli,least_stimuli
x,holdout,mse,mean_image,none,0.05,False,False,False,{0},12,20
x,holdout,mse,ridge,none,0.03,False,{1},{1},{0},12,20
x,holdout,mse,snap,none,0.04,False,{2},False,{0},12,20
x,holdout,mse,net,gabor,0.02,True,False,True,{0},12,20
"""
COMPARISON = """dataset,protocol,method,encoder,metric,mean,ci_low,ci_high
x,holdout,mean_image,none,mse,0.05,0.04,0.06
x,holdout,ridge,none,mse,0.03,0.02,0.04
x,holdout,snap,none,mse,0.04,0.03,0.05
x,holdout,net,gabor,mse,0.02,0.01,0.03
"""
PAIRS = """dataset,protocol,metric,method,encoder,reference,difference,ci_low,ci_high,p_family,verdict
x,holdout,mse,net,gabor,ridge,0.01,-0.002,0.022,0.2,not shown
x,holdout,mse,mean_image,none,net.gabor,-0.03,-0.04,-0.01,0.0004,worse
"""
FINDINGS = [
    {"check": "seen", "severity": "serious", "message": "All images were trained on.", "meaning": "It is recognition."}
    | {"short": "All were trained on"},
    {"check": "signal", "severity": "info", "message": "The test part can be decoded.", "meaning": ""},
    {"check": "copies", "severity": "notable", "message": "Not said.", "meaning": ""},
]
RUNS = {
    "mean_image": Run("mean_image", control=True, role="mean"),
    "ridge": Run("ridge", role="reference"),
    "snap": Run("snap", control=True),
    "net.gabor": Run("net", "gabor"),
}
PLAN = Plan(datasets={"x": Dataset("X")}, protocols={"holdout": Protocol("holdout")}, runs=RUNS)
RIDGE = "Ahead of ridge, the reference: by 0.0100 [-0.0020, 0.0220]; no difference shown (p = 0.200)."
MEAN = (
    "Ahead of mean_image, which ignores the brain: by 0.0300 [0.0100, 0.0400]; the test shows a difference (p <0.001)."
)


def answers(*filled: str, plan: Plan = PLAN, leaders: str = LEADERS, pairs: str = PAIRS) -> list[dict]:
    tables = (leaders.format(*filled), pairs, COMPARISON)
    return content.answers(plan, *(pd.read_csv(io.StringIO(text)) for text in tables))


@pytest.mark.parametrize(
    ("filled", "words"),
    [
        (("True", "True", "True"), "It is not shown to be better than ridge."),
        (("False", "True", "True"), "No verdict: 12 distinct scored images, but 20 are needed."),
        (("True", "False", "True"), "It is better than snap."),
        (("True", "False", "False"), "No claim: no other declared reference was run."),
    ],
)
def test_who_leads_what_the_tests_can_tell_and_by_how_much(filled, words, tmp_path):
    found = answers(*filled)
    assert found == [
        {
            **{"dataset": "x", "protocol": "holdout", "metric": "mse"},
            "text": f"net.gabor leads with MSE 0.0200 [0.0100, 0.0300]. {words}",
            "lead": f"{RIDGE} {MEAN}",
        }
    ]
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/comparison.csv").write_text(COMPARISON)
    write_json(tmp_path / "audit/x.json", {"dataset": "x", "findings": FINDINGS})
    printed = outcome(tmp_path, "x", [*found, {**found[0], "dataset": "y"}, {**found[0], "metric": "ssim"}], 60)
    assert " ".join(printed.split()).count(f"holdout: {found[0]['text']} {RIDGE} {MEAN}") == 1
    assert printed.count("leads") == 1
    assert printed.startswith("\nSerious: All images were trained on. It is recognition.\n")
    assert "Not said" not in printed and all(len(line) <= 60 for line in printed.splitlines())


def test_a_leading_control_is_called_one_and_no_leader_says_nothing():
    plan = Plan(PLAN.datasets, PLAN.protocols, RUNS | {"net.gabor": Run("net", "gabor", control=True)})
    assert answers("True", "True", "True", plan=plan)[0]["text"].startswith("net.gabor, a control, leads")
    assert answers("True", "True", "True", leaders=LEADERS.replace("0.02,True", "0.02,False")) == []


def test_no_difference_at_all_has_no_sign():
    pairs = PAIRS.replace("net,gabor,ridge,0.01,-0.002,0.022,0.2", "ridge,none,net.gabor,0,0,0,1")
    assert answers("True", "True", "True", pairs=pairs)[0]["lead"] == f"Level with ridge, the reference. {MEAN}"


def test_badges_are_the_serious_findings_optimism_and_simulation():
    audit = {"findings": [{**finding, "scope": "dataset"} for finding in FINDINGS]}
    kinds = {
        "holdout": Protocol("holdout"),
        "chosen": Protocol("chosen", optimistic=True, note="Scored samples choose."),
    }
    plan = Plan({"x": Dataset("X"), "toy": Dataset("Toy", simulated=True)}, kinds, RUNS)
    found = content.badges_of(plan, {"x": audit, "toy": {"findings": []}})
    grave = ["All were trained on", "All images were trained on. It is recognition."]
    chosen = ["optimistic: scored samples choose", "Scored samples choose."]
    assert found["x"] == {"holdout": [grave], "chosen": [grave, chosen]}
    assert [short for short, _ in found["toy"]["holdout"]] == ["simulated responses"]
