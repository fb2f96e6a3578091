"""What a run says of its result in sentences."""

from __future__ import annotations

import pytest

from cortexclip.report.summary import outcome
from cortexclip.runtime.files import write_json

LEADERS = """dataset,protocol,metric,method,encoder,mean,leader,rival,tied,decidable,n_stimuli,least_stimuli
x,holdout,mse,mean_image,none,0.05,false,false,false,{0},12,20
x,holdout,mse,ridge,none,0.03,false,{1},{1},{0},12,20
x,holdout,mse,snap,none,0.03,false,{2},false,{0},12,20
x,holdout,mse,net,gabor,0.02,true,false,true,{0},12,20
"""
COMPARISON = """dataset,protocol,method,encoder,metric,mean,ci_low,ci_high
x,holdout,mean_image,none,mse,0.05,0.04,0.06
x,holdout,ridge,none,mse,0.03,0.02,0.04
x,holdout,net,gabor,mse,0.02,0.01,0.03
"""
FINDINGS = [
    {"check": "seen", "severity": "serious", "message": "All images were trained on.", "meaning": "It is recognition."},
    {"check": "signal", "severity": "info", "message": "The test part can be decoded.", "meaning": ""},
    {"check": "copies", "severity": "notable", "message": "Not said.", "meaning": ""},
]


@pytest.mark.parametrize(
    ("filled", "words"),
    [
        (
            ("true", "true", "true"),
            "net.gabor has the smallest mean squared error, 0.0200 [0.0100, 0.0300]. The tests cannot tell it from ridge. "
            "Always answering the mean image has 0.0500 [0.0400, 0.0600].",
        ),
        (("false", "true", "true"), "No verdict: 12 distinct images, 20 are needed."),
        (("true", "false", "true"), "It is better than snap, the references declared beforehand."),
        (("true", "false", "false"), "0.0200 [0.0100, 0.0300]. Always answering"),
    ],
)
def test_who_leads_and_what_the_tests_can_tell(filled, words, tmp_path):
    (tmp_path / "tables").mkdir()
    for name, text in (("leaders", LEADERS.format(*filled)), ("comparison", COMPARISON)):
        (tmp_path / f"tables/{name}.csv").write_text(text)
    write_json(tmp_path / "audit/x.json", {"dataset": "x", "findings": FINDINGS})
    said = outcome(tmp_path, "x", 60)
    assert words in " ".join(said.split())
    assert said.startswith("\nSerious: All images were trained on. It is recognition.\n") and "Not said" not in said
    assert all(len(line) <= 60 for line in said.splitlines())
