"""The audit finds what is planted, names it as grave as it is, and stays silent about clean data."""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cortexclip.audit.brain import (
    check_brain_range,
    check_constant_rows,
    check_constant_voxels,
    check_duplicated_rows,
    check_duplicated_voxels,
    check_finite,
    check_rows_across_parts,
    check_scaling,
)
from cortexclip.audit.finding import SEVERITIES, Finding, some
from cortexclip.audit.findings import are_confounded, audit_dataset, audit_protocol
from cortexclip.audit.labels import _nearest_mean_accuracy, check_classes, check_labels
from cortexclip.audit.signal import PENALTIES, check_signal, check_signal_nearest, ridge_maps, signal_test
from cortexclip.audit.splits import check_folds, check_grouping, check_selection, held_out
from cortexclip.audit.stimuli import (
    Fold,
    check_blank_images,
    check_near,
    check_pixel_range,
    check_repeats,
    check_sample_size,
    check_seen,
)
from cortexclip.configuration.config import splits
from cortexclip.configuration.plan import Plan
from cortexclip.configuration.schema import read_yaml
from cortexclip.data import dataset as datasets
from cortexclip.data import simulated
from cortexclip.data.arrays import read as read_mat
from cortexclip.errors import InputError
from cortexclip.evaluation.splits import make_split
from cortexclip.numerics.ridge import fit_ridge
from cortexclip.runtime.arrays import write_parquet
from cortexclip.stages import audit as stage
from cortexclip.tables.audit import MOST_NOTES, audit_rows, audit_tables, notes_for
from cortexclip.tables.render import latex, markdown

CONFIG = Path(__file__).parents[2] / "config"
PROTOCOLS = {n: e for n, e in read_yaml(CONFIG / "protocols.yaml").items() if not e.get("source")}
PLAN = Plan.of(
    {
        "datasets": {name: {"title": name.title()} for name in ("simulated", "vangerven", "miyawaki")},
        "protocols": {name: {"title": entry["title"]} for name, entry in PROTOCOLS.items()},
    }
)


@pytest.fixture(scope="module")
def clean():
    return simulated.simulate({}, 0)


@pytest.fixture(scope="module")
def of_clean(clean):
    """The findings on the clean dataset by itself, which take a second or two."""
    return audit_dataset(clean, 0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def parts(n_train, n_test):
    return np.arange(n_train + n_test) >= n_train


def arrays(dataset):
    """Responses, images, identities, labels, and which samples are of the test part."""
    return (
        dataset.brain.values.astype(np.float64),
        dataset.stimuli.values.astype(np.float64),
        dataset.stimulus.values,
        dataset.label.values,
        dataset.part.values == "test",
    )


def found(findings, check):
    (one,) = [finding for finding in findings if finding.check == check]
    json.dumps(asdict(one), allow_nan=False)
    return one


def audited(dataset, protocols=(), seed=0, of_dataset=None):
    """What the stage would write, without the files."""
    of_dataset = of_dataset or audit_dataset(dataset, seed)
    findings, groups = [("dataset", finding) for finding in of_dataset], datasets.groupings(dataset)
    groups["cluster"] = np.unique(dataset.stimulus.values, return_inverse=True)[1] % 10
    for name in protocols:
        split = make_split(PROTOCOLS[name], dataset.part.values, dataset.stimulus.values, seed, groups)
        found_there = audit_protocol(dataset, PROTOCOLS[name], split, are_confounded(of_dataset))
        findings += [(name, finding) for finding in found_there]
    content = {
        "dataset": dataset.attrs["name"],
        "findings": [{"scope": scope, **asdict(finding)} for scope, finding in findings],
    }
    return json.loads(json.dumps(content, allow_nan=False))


def of(audit, scope, check):
    (one,) = [f for f in audit["findings"] if f["scope"] == scope and f["check"] == check]
    return one


def test_clean_simulated_data_raise_no_alarm(clean, of_clean):
    audit = audited(clean, ["holdout", "unseen"], of_dataset=of_clean)
    assert [f for f in audit["findings"] if f["severity"] == "serious"] == []
    assert [(f["scope"], f["check"]) for f in audit["findings"] if f["severity"] == "notable"] == [
        ("dataset", "test_repeats")
    ]
    assert of(audit, "dataset", "signal")["numbers"]["p_value"] == pytest.approx(1 / 101)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_alarm_on_other_simulated_data(seed):
    audit = audited(simulated.simulate({"voxels": 200}, seed), ["holdout", "unseen"])
    assert [f for f in audit["findings"] if f["severity"] == "serious"] == []


def test_severities_are_defined():
    assert list(SEVERITIES) == ["serious", "notable", "info"]
    with pytest.raises(ValueError, match="severity is 'bad'"):
        Finding("x", "bad", "", "")
    assert some(1, 12, "samples", "is", "are") == "1 of 12 samples is"
    assert some(0, 12, "samples", "is", "are") == "None of 12 samples is"


def test_nan_and_infinity_are_found_and_end_the_audit(clean):
    broken = clean.copy(deep=True)
    broken.brain.values[3, 4] = np.nan
    broken.stimuli.values[0, 0, 0] = np.inf
    (only,) = audit_dataset(broken, 0)
    assert (only.check, only.severity, only.numbers) == ("finite", "serious", {"brain": 1, "pixels": 1})
    assert check_finite(clean.brain.values, clean.stimuli.values).severity == "info"


def test_constant_voxels_and_extreme_responses(rng):
    brain = rng.normal(size=(30, 8))
    assert check_constant_voxels(brain).severity == check_brain_range(brain).severity == "info"
    brain[:, 2] = 3.5
    assert check_constant_voxels(brain).severity == "notable"
    assert check_constant_voxels(brain).numbers == {"constant": 1, "voxels": 8}
    assert check_constant_voxels(np.ones((4, 3))).severity == "serious"
    brain[5, 0] = 1e3
    extreme = check_brain_range(brain)
    assert (extreme.severity, extreme.numbers["extreme"]) == ("notable", 1)


def test_duplicated_voxels(rng):
    brain = rng.normal(size=(30, 8)).astype(np.float32)
    assert check_duplicated_voxels(brain).severity == "info"
    brain[:, 7] = brain[:, 1]
    brain[0, [1, 7]] = [0.0, -0.0]
    assert check_duplicated_voxels(brain).numbers["copies"] == 1
    assert check_duplicated_voxels(np.tile(brain, 2)).severity == "serious"
    assert check_duplicated_voxels(np.ones((4, 3))).numbers["copies"] == 0  # constant voxels are counted elsewhere
    assert "not checked" in check_duplicated_voxels(np.ones((4, 3))).message


def rows_of(brain, test, stimulus):
    within = check_duplicated_rows(brain, test, stimulus)
    return within, check_rows_across_parts(brain, test), check_constant_rows(brain)


def test_duplicated_and_constant_rows(rng):
    brain, test = rng.normal(size=(40, 5)), parts(30, 10)
    stimulus = np.arange(40).astype(str)
    within, across, flat = rows_of(brain, test, stimulus)
    assert within.severity == across.severity == flat.severity == "info"
    brain[3] = brain[20]
    brain[35] = brain[34] = brain[7]
    brain[9] = 1.0
    within, across, flat = rows_of(brain, test, stimulus)
    assert (within.severity, within.numbers["copies"], within.numbers["copies_with_another_image"]) == ("notable", 2, 3)
    assert (across.severity, across.numbers["test_copies"]) == ("serious", 2)
    assert (flat.severity, flat.numbers["constant"]) == ("notable", 1)
    within, across, _ = rows_of(np.tile(brain[:1], (40, 1)), test, stimulus)
    assert (within.severity, within.message) == ("serious", "All 40 samples have exactly the same brain responses.")
    assert (across.severity, "not checked" in across.message) == ("info", True)  # it was not memory that was scored


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("left_out", [0, 1])
def test_scaling_over_all_samples_is_seen_even_if_one_was_left_out(rng, ddof, left_out):
    raw = rng.normal(5, 3, size=(61, 20)) * rng.uniform(0.1, 9, size=20)
    brain = (raw - raw.mean(axis=0)) / raw.std(axis=0, ddof=ddof)
    brain = brain[left_out:].astype(np.float32)
    finding = check_scaling(brain, parts(50, len(brain) - 50))
    assert finding.severity == "notable"
    assert "over all samples" in finding.message
    assert ("leaves out" in finding.message) == bool(left_out)


def test_scaling_over_more_samples_than_were_kept_is_suspected(rng):
    raw = rng.normal(5, 3, size=(120, 50))
    brain = ((raw - raw.mean(axis=0)) / raw.std(axis=0))[:-3]
    assert "look standardised" in check_scaling(brain, parts(90, 27)).message


@pytest.mark.parametrize("kind", ["raw", "train", "train and test", "unit noise"])
def test_other_scaling_is_not_mistaken_for_it(rng, kind):
    brain, test = rng.normal(5, 3, size=(60, 40)) * rng.uniform(0.1, 9, size=40), parts(45, 15)
    if kind == "unit noise":
        brain = rng.normal(size=brain.shape)
    if kind.startswith("train"):
        brain = (brain - brain[~test].mean(axis=0)) / brain[~test].std(axis=0)
    if kind == "train and test":
        brain[test] = (brain[test] - brain[test].mean(axis=0)) / brain[test].std(axis=0)
    finding = check_scaling(brain, test)
    assert finding.severity == ("notable" if kind == "train and test" else "info")
    if kind == "train and test":
        assert "own mean" in finding.message
    if kind == "train":
        assert "training part alone" in finding.message


def test_scaling_of_constant_voxels_is_not_judged():
    assert "not checked" in check_scaling(np.ones((6, 3)), parts(4, 2)).message


def test_pixels_outside_their_range_and_pale_images(rng):
    images = rng.random((5, 4, 4))
    assert check_pixel_range(images).severity == "info"
    assert check_pixel_range(images * 255).severity == "serious"
    assert check_pixel_range(images * 0.3).severity == "notable"


def test_blank_images_are_counted_once_each(rng):
    images = rng.random((6, 4, 4))
    images[[1, 4]] = 0.5
    finding = check_blank_images(images, np.array(list("abcdbe")))
    assert (finding.severity, finding.numbers) == ("notable", {"blank": 1, "distinct": 5})


def test_repeats_and_sample_size():
    stimulus = np.array(list("aabbbc" + "de"))
    training, test = check_repeats(stimulus[:6], "training"), check_repeats(stimulus[6:], "test")
    assert (training.severity, training.numbers["distinct"], training.numbers["most_repeats"]) == ("notable", 3, 3)
    assert (test.severity, test.numbers["distinct"]) == ("info", 2)
    size = check_sample_size([Fold(np.arange(6), np.array([6, 7]))], stimulus, "test")
    assert (size.severity, size.numbers) == ("notable", {"samples": 2, "distinct": 2})


def test_an_image_of_the_test_part_planted_in_training_is_found(clean):
    _, images, stimulus, _, test = arrays(clean)
    folds = [Fold(np.flatnonzero(~test), np.flatnonzero(test))]
    assert check_seen(folds, stimulus, "test").severity == "info"
    planted = stimulus.copy()
    planted[0] = planted[test][0]
    finding = check_seen(folds, planted, "test")
    assert finding.severity == "serious"
    assert finding.numbers == {"samples": 4, "of_samples": 80, "images": 1, "of_images": 20}
    assert "mix" in finding.meaning
    assert "split is wrong" in check_seen(folds, planted, "test", promised=True).meaning


def test_a_nearly_equal_image_is_found_and_an_equal_one_is_left_to_the_other_check(clean, rng):
    _, images, stimulus, _, test = arrays(clean)
    folds = [Fold(np.flatnonzero(~test), np.flatnonzero(test))]
    assert check_near(folds, stimulus, images).severity == "info"
    images = images.copy()
    images[0] = np.clip(0.9 * images[test][0] + 0.005 * rng.random(images[0].shape), 0, 1)
    finding = check_near(folds, stimulus, images, "test")
    assert (finding.severity, finding.numbers["samples"]) == ("notable", 4)
    assert finding.numbers["greatest_correlation"] > 0.99
    equal = stimulus.copy()
    equal[0] = equal[test][0]
    assert check_near(folds, equal, images).numbers["samples"] == 0


def test_nearest_class_mean_is_that_of_a_plain_loop(rng):
    pixels, code = rng.normal(size=(24, 6)), rng.permutation(np.arange(24) % 3)
    hits = 0
    for i in range(24):
        others = np.arange(24) != i
        means = np.array([pixels[others & (code == c)].mean(axis=0) for c in range(3)])
        hits += np.argmin(((means - pixels[i]) ** 2).sum(axis=1)) == code[i]
    assert _nearest_mean_accuracy(pixels @ pixels.T, code) == pytest.approx(hits / 24)


def test_labels_that_fit(clean):
    _, images, stimulus, label, test = arrays(clean)
    finding = check_labels(label, stimulus, images, test, seed=0)
    assert finding.severity == "info"
    assert finding.numbers["agreement"] > 0.7
    assert check_classes(label, test).severity == "info"


@pytest.mark.parametrize("shift", [-2, 1])
def test_displaced_labels_are_found_and_the_displacement_named(clean, shift):
    _, images, stimulus, label, test = arrays(clean)
    moved = label.copy()
    for part in (test, ~test):
        moved[part] = np.roll(label[part], shift)
    finding = check_labels(moved, stimulus, images, test, seed=0)
    assert (finding.severity, finding.numbers["shift"]) == ("serious", -shift)


def test_displaced_labels_are_found_where_no_image_repeats(clean):
    _, images, stimulus, label, test = arrays(clean)
    finding = check_labels(np.roll(label[~test], 1), stimulus[~test], images[~test], test[~test], seed=0)
    assert (finding.severity, finding.numbers["contradicting"], finding.numbers["shift"]) == ("serious", 0, -1)


def test_shuffled_labels_fit_nothing(clean, rng):
    _, images, stimulus, label, test = arrays(clean)
    finding = check_labels(rng.permutation(label), stimulus, images, test, seed=0)
    assert finding.severity == "serious"
    assert "shift" not in finding.numbers
    distinct = check_labels(rng.permutation(label[~test]), stimulus[~test], images[~test], test[~test], seed=0)
    assert distinct.severity == "notable"  # classes that pixels cannot tell apart would look the same


def test_one_image_with_two_labels(clean):
    _, images, stimulus, label, test = arrays(clean)
    label = label.copy()
    label[np.flatnonzero(test)[0]] = (label[test][0] + 1) % 10
    finding = check_labels(label, stimulus, images, test, seed=0)
    assert (finding.severity, finding.numbers["contradicting"]) == ("notable", 1)


def test_labels_without_classes_or_with_one_image_a_class(rng):
    images, test = rng.random((20, 4, 4)), parts(14, 6)
    stimulus = np.array(list("abcde" * 4))
    assert check_labels(np.full(20, -1), stimulus, images, test, seed=0).severity == "info"
    assert "too few" in check_labels(np.arange(20) % 5, stimulus, images[:5][np.arange(20) % 5], test, seed=0).message
    assert check_classes(np.full(20, -1), test).severity == "info"
    assert check_classes(np.where(test, 3, 1), test).numbers["test_classes_not_trained"] == 1


def testridge_maps_are_the_ridge_of_the_methods(rng):
    train, test, targets = rng.normal(size=(15, 30)), rng.normal(size=(4, 30)), rng.normal(size=(15, 7))
    unit = np.trace((train - train.mean(axis=0)) @ (train - train.mean(axis=0)).T) / 15
    for penalty, (residual, prediction) in zip(PENALTIES, ridge_maps(train, test), strict=True):
        ridge = fit_ridge(train, targets, np.array([penalty * unit]))
        np.testing.assert_allclose(residual @ targets, targets - ridge.loo_prediction, atol=1e-8)
        np.testing.assert_allclose(prediction @ targets + targets.mean(axis=0), ridge.predict(test), atol=1e-8)


def test_the_penalty_is_the_one_of_least_leave_one_out_error_where_images_repeat(clean):
    brain, images, stimulus, _, test = arrays(clean)
    test = ~test  # train on the part in which every image repeats four times
    result = signal_test(brain, images, stimulus, test, seed=0, n_permutations=1)
    train = brain[~test]
    train = (train - train.mean(axis=0)) / train.std(axis=0)
    ridge = fit_ridge(train, images[~test].reshape(len(train), -1), PENALTIES * train.shape[1])
    assert result.penalty * train.shape[1] == pytest.approx(ridge.penalty)


def noise(rng, n_train=24, n_test=8, n_voxels=15, repeats=None):
    """Responses that have nothing to do with the images, some of which may repeat, and recur in the test part."""
    unit = np.arange(n_train + n_test)
    if repeats:
        unit = np.concatenate([np.repeat(np.arange(len(repeats)), repeats), rng.integers(0, len(repeats), n_test)])
    images = rng.random((unit.max() + 1, 6, 6)).cumsum(axis=1) / 6
    brain = rng.normal(size=(len(unit), n_voxels))
    return brain, images[unit], unit.astype(str), parts(len(unit) - n_test, n_test)


@pytest.mark.parametrize("repeats", [None, [1, 2, 5, 3, 4, 2, 6, 1]])
def test_noise_is_called_decodable_as_often_as_alpha_says(repeats):
    """At p up to 0.05 with 39 permutations: 5 % of datasets; 12 or more of 100 happen with probability 0.004."""
    p_values = np.array(
        [
            signal_test(*noise(np.random.default_rng([1, i]), repeats=repeats), seed=i, n_permutations=39).p_value
            for i in range(100)
        ]
    )
    assert np.count_nonzero(p_values <= 0.05) < 12
    assert 0.4 < p_values.mean() < 0.6


def test_pure_noise_is_said_to_hold_nothing(rng):
    finding = check_signal(*noise(rng), seed=0)
    assert finding.severity == "serious"
    assert finding.numbers["p_value"] > 0.05
    assert finding.message.startswith("Nothing decodable beyond chance")


@pytest.mark.parametrize("repeats", [None, [4] * 8, [6] * 4])
def test_a_planted_signal_is_found(rng, repeats):
    brain, images, stimulus, test = noise(rng, n_voxels=40, repeats=repeats)
    brain += 3 * images.reshape(len(images), -1) @ rng.normal(size=(36, 40))
    result = signal_test(brain, images, stimulus, test, seed=0)
    assert result.p_value == pytest.approx(1 / 101)
    assert result.mse < result.mse_mean_image
    assert result.shuffled == ("samples" if repeats == [6] * 4 else "images")


def test_signal_in_training_that_does_not_fit_the_test_part_is_no_signal(clean, rng):
    brain, images, stimulus, _, test = arrays(clean)
    brain[test] = brain[test][rng.permutation(np.count_nonzero(test))]
    assert check_signal(brain, images, stimulus, test, seed=0).severity == "serious"


def test_responses_that_never_vary_hold_nothing(rng):
    brain, images, stimulus, test = noise(rng)
    assert signal_test(np.ones_like(brain), images, stimulus, test, seed=0).p_value == 1


def split_of(*rows):
    return pd.DataFrame(rows, columns=["fold", "role", "sample"])


def test_a_sample_trained_on_and_scored_is_found():
    stimulus = np.array(list("abcd"))
    fine = split_of((0, "train", 0), (0, "train", 1), (0, "select", 2), (0, "score", 3))
    assert check_folds(fine, stimulus).severity == check_selection(fine, stimulus).severity == "info"
    both = split_of((0, "train", 0), (0, "train", 3), (0, "select", 2), (0, "score", 3))
    assert check_folds(both, stimulus).numbers["trained_and_scored"] == 1
    again = pd.concat([fine, fine.assign(fold=1)])
    assert check_folds(both, stimulus).severity == check_folds(again, stimulus).severity == "serious"


def test_scored_samples_that_choose_are_found_and_not_counted_as_trained_on(clean, of_clean):
    audit = audited(clean, ["chosen_on_test", "cv10", "chosen_on_fold"], of_dataset=of_clean)
    assert of(audit, "chosen_on_test", "selection")["severity"] == "serious"
    assert of(audit, "chosen_on_test", "selection")["numbers"]["scored_that_choose"] == 80
    assert of(audit, "chosen_on_test", "seen_images")["severity"] == "info"
    assert of(audit, "cv10", "selection")["severity"] == "info"
    seen = of(audit, "cv10", "seen_images")
    assert (seen["severity"], seen["numbers"]["samples"], seen["numbers"]["images"]) == ("serious", 80, 20)
    assert of(audit, "chosen_on_fold", "grouping")["severity"] == "info"


def test_samples_that_choose_are_trained_on_in_the_end():
    """The decoder is refitted with them, so an image that only chose counts as trained on."""
    stimulus = np.array(list("abcc"))
    dataset = xr.Dataset(
        {"stimuli": (("sample", "y", "x"), np.random.default_rng(0).random((4, 3, 3)))},
        coords={"stimulus": ("sample", stimulus)},
    )
    split = split_of((0, "train", 0), (0, "train", 1), (0, "select", 2), (0, "score", 3))
    findings = audit_protocol(dataset, PROTOCOLS["holdout"], split)
    assert found(findings, "seen_images").numbers["samples"] == 1


def test_folds_over_images_promise_unseen_ones_and_say_where_that_is_nothing_new(clean, of_clean):
    repeated = audited(clean, ["unseen"], of_dataset=of_clean)
    assert of(repeated, "unseen", "seen_images")["numbers"]["samples"] == 0
    assert of(repeated, "unseen", "grouping")["severity"] == "info"
    single = audited(clean.isel(sample=slice(0, 110)), ["cv10", "unseen"])
    for protocol in ("cv10", "unseen"):
        assert "are folds over images" in of(single, protocol, "grouping")["message"]
        assert of(single, protocol, "seen_images")["numbers"]["samples"] == 0
    broken = split_of((0, "train", 0), (0, "train", 100), (0, "select", 1), (0, "score", 120))
    findings = audit_protocol(clean.assign_coords(stimulus=("sample", ["s"] * 180)), PROTOCOLS["unseen"], broken)
    assert "which is not true" in found(findings, "seen_images").meaning
    assert check_grouping(PROTOCOLS["unseen"], np.array(["s"] * 180), broken).severity == "info"


def run_stage(folder, dataset, protocols, output, seed=0, **changes):
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    datasets.write(dataset, folder / "data.nc")
    splits = []
    for name in protocols:
        split = make_split(PROTOCOLS[name], dataset.part.values, dataset.stimulus.values, seed)
        write_parquet(folder / f"{name}.parquet", split)
        splits += ["--split", f"{name}={folder / name}.parquet"]
    entries = changes.get("entries", {name: PROTOCOLS[name] for name in protocols})
    arguments = ["--dataset", str(folder / "data.nc"), *splits, "--protocols", json.dumps(entries)]
    stage.run(parser.parse_args([*arguments, "--seed", str(seed), "--output", str(folder / output)]))
    return folder / output


def test_the_stage_writes_the_same_findings_each_time_and_logs_the_grave_ones(tmp_path, clean, of_clean, caplog):
    with caplog.at_level("INFO", logger="cortexclip"):
        first = run_stage(tmp_path, clean, ["chosen_on_test", "unseen"], "a.json")
    records = [record for record in caplog.records if record.getMessage().startswith("audit ")]
    lines = [record.getMessage() for record in records]
    second = run_stage(tmp_path, clean, ["chosen_on_test", "unseen"], "b.json")
    assert first.read_bytes() == second.read_bytes()
    content = json.loads(first.read_text())
    others = [finding for finding in content["findings"] if finding["check"] != "prior_corpus"]
    assert others == audited(clean, ["chosen_on_test", "unseen"], of_dataset=of_clean)["findings"]
    assert len(others) == len(content["findings"]) - 1
    assert set(content["findings"][0]) == {"check", "scope", "severity", "message", "meaning", "numbers", "short"}
    grave = [f for f in content["findings"] if f["severity"] != "info"]
    assert len(lines) == len({f["message"] for f in grave}) + 1
    for finding in grave:
        assert any(finding["message"] in line for line in lines)
    serious = {finding["message"] for finding in grave if finding["severity"] == "serious"}
    warned = [record.getMessage() for record in records if record.levelname == "WARNING"]
    assert len(warned) == len(serious) > 0
    assert all(any(f"): serious: {message}" in line for line in warned) for message in serious)


def test_the_stage_names_a_split_without_entry_and_one_of_other_data(tmp_path, clean):
    with pytest.raises(InputError, match="no entry for this protocol"):
        run_stage(tmp_path, clean, ["holdout"], "a.json", entries={"holdou": PROTOCOLS["holdout"]})
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    datasets.write(clean.isel(sample=slice(0, 110)), tmp_path / "small.nc")
    arguments = ["--dataset", str(tmp_path / "small.nc"), "--protocols", json.dumps(PROTOCOLS), "--seed", "0"]
    arguments += ["--output", str(tmp_path / "c.json"), "--split"]
    with pytest.raises(InputError, match="has only 110 samples"):
        stage.run(parser.parse_args([*arguments, f"holdout={tmp_path / 'holdout.parquet'}"]))
    with pytest.raises(InputError, match="expected NAME=FILE"):
        stage.run(parser.parse_args([*arguments, "holdout"]))


def test_tables_hold_every_finding_and_mark_the_serious_ones(clean, of_clean):
    audits = {"simulated": audited(clean, ["chosen_on_test", "unseen"], of_dataset=of_clean)}
    rows = audit_rows(audits)
    assert list(rows.columns) == ["dataset", "scope", "check", "severity", "message", "meaning"]
    assert len(rows) == len(audits["simulated"]["findings"])
    (table,) = audit_tables(audits, PLAN)
    assert list(table.columns) == ["Check", "Data", "epoch chosen on the test part", "unseen stimuli"]
    assert {len(row) for row in table.rows} == {4}
    assert {table.rows[i][j] for i, j in table.strong} == {"serious"}
    assert any(
        note.startswith("epoch chosen on the test part: All 80 scored samples also choose") for note in table.notes
    )
    assert "**serious**" in markdown(table)
    assert r"\textbf{serious}" in latex(table)
    assert audit_rows({}).empty and list(audit_tables({}, PLAN)) == []


def test_a_finding_in_short_begins_its_message(clean, of_clean):
    found = {f["check"]: f for f in audited(clean, ["holdout"], of_dataset=of_clean)["findings"]}
    assert all(f["message"].startswith(f["short"]) and f["short"][-1] not in ".:;(" for f in found.values())
    assert found["seen_images"]["short"].endswith("an image that also occurs in training")
    assert found["near_images"]["short"].endswith("an image not trained on but nearly the same")


def test_notes_are_few_gravest_first_and_about_the_protocol(clean, of_clean):
    audit = audited(clean, ["chosen_on_test", "holdout", "unseen"], of_dataset=of_clean)
    notes = notes_for(audit, "chosen_on_test")
    assert len(notes) == len(set(notes)) <= MOST_NOTES
    # That the scored samples choose is left to the protocol's own note, which stands in every table.
    assert not any("choose the epoch" in note for note in notes)
    seen = {"scope": "dataset", "check": "seen_images", "severity": "serious", "message": "All seen.", "meaning": "So."}
    leaky = {"dataset": "x", "findings": [seen, *[f for f in audit["findings"] if f["scope"] != "dataset"]]}
    assert not any("All seen." in note for note in notes_for(leaky, "unseen"))  # its own finding says there are none
    assert notes_for(leaky, "another") == ["All seen. So."]
    many = {"findings": [{**seen, "check": str(i), "message": f"{i}."} for i in range(9)] * 2}
    assert len(notes_for(many, "holdout")) == MOST_NOTES


@pytest.fixture(scope="module", params=["miyawaki", "vangerven"])
def measured(request):
    folder = os.environ.get("CORTEXCLIP_DATA")
    if not folder:
        pytest.skip("CORTEXCLIP_DATA is not set: it names the folder with the real data")
    entry = read_yaml(CONFIG / "datasets.yaml")[request.param]
    path = Path(folder) / entry["file"]
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    protocols = [name for name, protocol in PROTOCOLS.items() if splits(protocol, entry)]
    return request.param, audited(read_mat(path, request.param, entry), protocols)


def test_what_is_known_of_the_measured_data_is_found(measured):
    name, audit = measured
    seen = of(audit, "dataset", "seen_images")
    scaling = of(audit, "dataset", "scaling")
    distinct = [of(audit, "dataset", check)["numbers"]["distinct"] for check in ("training_repeats", "test_repeats")]
    assert of(audit, "dataset", "signal")["numbers"]["p_value"] == pytest.approx(1 / 101)
    assert of(audit, "unseen", "seen_images")["numbers"]["samples"] == 0
    if name == "miyawaki":
        assert (seen["severity"], seen["numbers"]["samples"], seen["numbers"]["of_samples"]) == ("serious", 12, 12)
        assert distinct == [20, 10]
        assert "over all samples" in scaling["message"] and "120 in all" in scaling["message"]
        assert of(audit, "cv10", "seen_images")["severity"] == "serious"
        assert "All 12 test samples" in notes_for(audit, "holdout")[0]
        assert not any("recognition" in note for note in notes_for(audit, "unseen"))
        assert of(audit, "dataset", "signal")["numbers"]["mse"] == pytest.approx(0.0086, abs=2e-4)
        sessions = of(audit, "dataset", "session_images")
        assert (sessions["severity"], sessions["numbers"]["groups"]) == ("serious", 4)
        assert sessions["numbers"]["mse_session_mean"] == pytest.approx(0.0575, abs=1e-4)
        assert sessions["numbers"]["mse_mean_image"] == pytest.approx(0.0785, abs=1e-4)
        left_out = of(audit, "dataset", "session_left_out")["numbers"]
        assert (left_out["own"], left_out["sibling"]) == pytest.approx((0.0226, 0.0110), abs=2e-4)
        assert of(audit, "unseen", "seen_sessions")["severity"] == "serious"
        assert of(audit, "unseen_across_sessions", "seen_sessions")["numbers"]["samples"] == 0
    else:
        assert (seen["severity"], seen["numbers"]["samples"], seen["numbers"]["of_samples"]) == ("info", 0, 10)
        assert distinct == [90, 10]
        assert scaling["severity"] == "info"
        for protocol in ("cv10", "unseen"):
            assert "are folds over images" in of(audit, protocol, "grouping")["message"]
            assert any("are folds over images" in note for note in notes_for(audit, protocol))
        assert of(audit, "dataset", "signal")["numbers"]["mse"] == pytest.approx(0.0379, abs=2e-4)


def test_data_without_a_split_are_audited_on_images_held_out(clean):
    without = clean.assign_coords(part=("sample", np.full(clean.sizes["sample"], "none")))
    audit = audited(without, ["cv10", "unseen"])
    assert [f for f in audit["findings"] if f["severity"] == "serious" and f["scope"] == "dataset"] == []
    numbers = of(audit, "dataset", "parts")["numbers"]
    assert numbers["distinct"] == 24  # a fifth of 120
    assert of(audit, "dataset", "signal")["numbers"]["distinct_test_images"] == 24
    checks = {f["check"] for f in audit["findings"] if f["scope"] == "dataset"}
    assert not checks & {"seen_images", "near_images", "rows_across_parts", "training_repeats", "test_repeats"}
    assert "repeats" in checks


def test_held_out_images_are_held_out_with_all_their_trials(clean):
    stimulus = clean.stimulus.values
    chosen = held_out(stimulus, 0)
    assert not set(stimulus[chosen]) & set(stimulus[~chosen])
    assert np.count_nonzero(held_out(np.repeat(["a", "b"], 50), 0)) == 20  # too few images: samples


def test_nearest_neighbour_finds_planted_responses_and_nothing_in_noise(rng):
    images = rng.random((60, 4, 4))
    stimulus = np.array([f"s-{i // 2}" for i in range(60)])
    images = images[::2].repeat(2, axis=0)
    test = np.arange(60) % 2 == 1
    brain = images.reshape(60, -1) + 0.01 * rng.standard_normal((60, 16))
    found = check_signal_nearest(brain, images, stimulus, test, 0)
    assert found.numbers["similarity"] == pytest.approx(1)  # the neighbour is the other trial of the same image
    assert "is beyond chance" in found.message
    noise = check_signal_nearest(rng.standard_normal((60, 16)), images, stimulus, test, 0)
    assert "not beyond chance" in noise.message
    assert "cannot be used" in check_signal_nearest(np.ones((60, 16)), images, stimulus, test, 0).message


def test_large_data_are_drawn_from_and_both_tests_still_see_the_signal(rng):
    n = 4000
    images = (rng.random((n, 3, 3)) > 0.5).astype(float)
    brain = images.reshape(n, 9) @ rng.standard_normal((9, 20)) + rng.standard_normal((n, 20))
    finding = check_signal(brain, images, np.arange(n).astype(str), np.arange(n) >= n // 2, 0, 20)
    assert finding.numbers["training_samples"] == 600
    assert finding.severity == "info"
