"""What each part of a method is worth: which runs are compared, with which figures, and what the table says of them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from score_tables import FAMILY, a_plan, run_stage, seeded, write_all

from cortexclip.configuration.config import Run, load
from cortexclip.configuration.plan import ablations
from cortexclip.configuration.schema import read_yaml
from cortexclip.errors import InputError
from cortexclip.evaluation.statistics import paired_permutation_test
from cortexclip.tables.ablation import ABLATION, ablated
from cortexclip.tables.statistics import STATISTICS, enough_permutations


def runs_of(*names):
    found = {}
    for name in names:
        method, _, encoder = name.partition(".")
        found[name] = Run(method, encoder or None, 1, True)
    return found


PLAIN = {"net": {}, "net_deep": {"ablates": "net"}, "lin": {}, "enc": {}, "enc_wide": {"ablates": "enc"}}

SPACES = {"clip": {}, "glyph": {}, "gabor": {"plain": True}, "pixels": {"plain": True}}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["net", "net_deep"], [("extension", "net_deep", "net")]),
        (["net_deep"], []),
        (["net", "net_deep.clip"], [("extension", "net_deep.clip", "net")]),
        (["enc.clip", "enc_wide.clip"], [("extension", "enc_wide.clip", "enc.clip")]),
        (["enc.clip", "enc_wide.glyph"], []),
        (["lin.clip", "lin.pixels"], [("encoder", "lin.clip", "lin.pixels")]),
        (["lin.gabor", "lin.clip"], [("encoder", "lin.clip", "lin.gabor")]),
        (["lin.clip", "lin.glyph"], [("encoder", "lin.clip", "lin.glyph")]),
        (["lin.clip"], []),
        (
            ["enc.clip", "enc.gabor", "enc_wide.clip", "enc_wide.gabor"],
            [
                ("extension", "enc_wide.clip", "enc.clip"),
                ("extension", "enc_wide.gabor", "enc.gabor"),
                ("encoder", "enc.clip", "enc.gabor"),
                ("encoder", "enc_wide.clip", "enc_wide.gabor"),
            ],
        ),
    ],
)
def test_what_is_compared(names, expected):
    configuration = SimpleNamespace(runs=runs_of(*names), methods=PLAIN, encoders=SPACES)
    found = ablations(configuration, names)
    assert [(pair["kind"], pair["run"], pair["reference"]) for pair in found] == expected


def test_a_variant_of_a_method_that_is_not_in_the_catalogue_is_refused(tmp_path):
    settings = read_yaml("config/config.yaml") | {"datasets": ["simulated"], "methods": ["ridge"], "encoders": []}
    settings |= {"judge": "none", "overrides": {"methods": {"ridge": {"ablates": "rigde"}}}}
    with pytest.raises(InputError, match="ablates: unknown method 'rigde'. Did you mean 'ridge'"):
        load(settings, ".")


def test_figures_are_those_of_the_tests_corrected_within_the_table():
    scores = seeded({"net": 0.5, "net_deep": 0.47, "net_wide": 0.512, "other": 0.3}, n_stimuli=30)
    pairs = [{"kind": "extension", "run": f"net_{part}", "reference": "net"} for part in ("deep", "wide")]
    pairs.append({"kind": "extension", "run": "net_absent", "reference": "net"})
    found = ablated(scores, "mse", pairs, comparisons=2, n_permutations=2000)
    assert list(found.method) == ["net_deep", "net_wide"] and set(found.reference) == {"net"}
    assert set(found.n_comparisons) == {2}
    means = np.stack([values.mean(axis=0) for values in scores.values])
    differences = means[0] - means[1:3]  # lower is better
    np.testing.assert_allclose(found.difference, differences.mean(axis=1))
    # Two sets of random flips agree within their error.
    flips = enough_permutations(2000, 2)
    test = paired_permutation_test(differences, scores.stimuli, n_resamples=flips, rng=5)
    np.testing.assert_allclose(found.p, test.p_value, atol=6 * np.sqrt(0.25 / flips))
    np.testing.assert_allclose(found.p_family, np.minimum(2 * found.p, 1))
    assert list(found.conclusion) == ["better than net", "no difference from net shown"]
    assert (found.ci_low < found.difference).all() and (found.difference < found.ci_high).all()


def with_pairs(plan, *pairs):
    listed = [{"kind": kind, "run": run, "reference": reference} for kind, run, reference in pairs]
    return replace(plan, ablations={name: listed for name in plan.datasets})


def test_the_stage_says_what_each_part_is_worth(tmp_path):
    plan = a_plan({"ridge": "Ridge", "net": "Net", "net_deep": "Net, deeper_&<b>"}, ["a", "b"])
    plan.runs["net_deep"] = replace(plan.runs["net_deep"], ablates="net")
    write_all(tmp_path, plan, {"ridge": 0.5, "net": 0.45, "net_deep": 0.3})
    files = run_stage(tmp_path, with_pairs(plan, ("extension", "net_deep", "net")))
    table = pd.read_csv(tmp_path / "tables/ablation.csv")
    assert list(table.columns) == ABLATION
    assert len(table) == 2 * 4 and set(table.n_comparisons) == {FAMILY}
    same = pd.read_csv(tmp_path / "tables/statistics.csv").query("method == 'net_deep' and reference == 'net'")
    assert len(same) == 2 * 4
    for column in ("difference", "effect_size", "n_samples", "n_stimuli"):
        np.testing.assert_allclose(table[column], same[column])
    assert set(ABLATION) == {*STATISTICS, "kind"}
    text, tex = files["ablation.md"].decode(), files["ablation.tex"].decode()
    assert r"net\_deep | net | **+0.1" in text and r"net\_deep & net" in tex
    assert text.count("## ") == 3 and "A verdict needs" not in text
    assert b"**" not in files["ablation.tex"] and "textbf" in tex


def test_too_few_stimuli_and_a_plain_method_that_was_not_run_are_said(tmp_path):
    plan = a_plan({"ridge": "Ridge", "net": "Net"}, ["a"])
    plan.runs["net"] = replace(plan.runs["net"], ablates="ridge")
    plan.runs["other"] = replace(plan.runs["net"], title="Other", ablates="absent")
    write_all(tmp_path, plan, {"ridge": 0.9, "net": 0.1}, n_stimuli=4)
    text = run_stage(tmp_path, with_pairs(plan, ("extension", "net", "ridge")))["ablation.md"].decode()
    assert "A verdict needs 11 stimuli." in text
    assert "Other is a variant of absent, which was not run here." in text
    assert "**" not in text


def test_nothing_to_compare_is_said_in_a_sentence(tmp_path):
    plan = a_plan({"ridge": "Ridge", "net": "Net"}, ["a"])
    write_all(tmp_path, plan, {"ridge": 0.9, "net": 0.1})
    files = run_stage(tmp_path, plan)
    for suffix in ("md", "tex"):
        assert b"No method of this configuration is a variant" in files[f"ablation.{suffix}"]
    assert pd.read_csv(tmp_path / "tables/ablation.csv").empty
    assert files["ablation.csv"].decode().strip() == ",".join(ABLATION)
