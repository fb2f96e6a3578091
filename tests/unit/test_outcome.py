"""What a run says of its result in sentences."""

from __future__ import annotations

import pytest

from cortexclip.report.summary import outcome
from cortexclip.runtime.files import write_json

LEADERS = """dataset,protocol,metric,method,encoder,mean,leader,tied,decidable
x,holdout,mse,mean_image,none,0.05,false,false,{0}
x,holdout,mse,ridge,none,0.03,{1},true,{0}
x,holdout,mse,net,gabor,0.02,{2},{3},{0}
"""
COMPARISON = """dataset,protocol,method,encoder,metric,mean,ci_low,ci_high
x,holdout,mean_image,none,mse,0.05,0.04,0.06
x,holdout,ridge,none,mse,0.03,0.02,0.04
x,holdout,net,gabor,mse,0.02,0.01,0.03
"""
PAIRS = """dataset,protocol,metric,method,encoder,reference,conclusion
x,holdout,mse,mean_image,none,ridge,worse than ridge
x,holdout,mse,net,gabor,mean_image,better than mean_image
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
            ("true", "false", "true", "true"),
            "net.gabor has the smallest mean squared error, 0.0200 [0.0100, 0.0300]. The tests cannot tell it from ridge.",
        ),
        (("false", "false", "true", "true"), "No test can tell it from the others: there are too few distinct images."),
        (
            ("true", "true", "false", "false"),
            "The tests tell it from all others. Always answering the mean image has 0.0500 [0.0400, 0.0600]: worse than ridge.",
        ),
        (
            ("true", "false", "true", "true"),
            "Beside always answering the mean image, 0.0500 [0.0400, 0.0600]: better than mean_image.",
        ),
    ],
)
def test_who_leads_and_what_the_tests_can_tell(filled, words, tmp_path):
    (tmp_path / "tables").mkdir()
    for name, text in (("leaders", LEADERS.format(*filled)), ("comparison", COMPARISON), ("statistics", PAIRS)):
        (tmp_path / f"tables/{name}.csv").write_text(text)
    write_json(tmp_path / "audit/x.json", {"dataset": "x", "findings": FINDINGS})
    said = outcome(tmp_path, "x", 60)
    assert words in " ".join(said.split())
    assert said.startswith("\nSerious: All images were trained on. It is recognition.\n") and "Not said" not in said
    assert all(len(line) <= 60 for line in said.splitlines())
