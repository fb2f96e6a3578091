"""The configuration: what it accepts, what it refuses and in which words, and how it resolves."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

import pytest
import yaml

from cortexclip.configuration.config import (
    data_folder,
    encoder_settings,
    groupings,
    load,
    locate,
    merge,
    read_catalogue,
    read_yaml,
    resources_of,
    with_lists,
)
from cortexclip.configuration.launch import settings_of_one
from cortexclip.configuration.plan import ENCODER, EXTENSION, Plan, Sources, make_plan
from cortexclip.configuration.schema import check
from cortexclip.errors import InputError
from cortexclip.evaluation import DRAW, NEAREST
from cortexclip.methods.catalogue import load_method
from cortexclip.methods.interface import Method
from cortexclip.results import drawn
from cortexclip.results.jobs import Jobs

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = read_yaml(ROOT / "config/config.yaml")


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A working folder without data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORTEXCLIP_DATA", raising=False)


def test_without_data_the_simulated_dataset_remains_and_the_rest_is_explained():
    configuration = load(DEFAULT, ROOT)
    assert list(configuration.datasets) == ["simulated"]
    assert set(configuration.unavailable) == {"vangerven", "miyawaki", "clip"}
    assert "resources/data" in configuration.unavailable["vangerven"]
    assert "ridge_clip.glyphclip" in configuration.runs
    assert "ridge_clip.clip" not in configuration.runs


def test_data_are_found_below_resources_and_below_the_data_folder(tmp_path, monkeypatch):
    (tmp_path / "resources/data/vangerven").mkdir(parents=True)
    (tmp_path / "resources/data/vangerven/digit69_28x28.mat").touch()
    (tmp_path / "mine/miyawaki").mkdir(parents=True)
    (tmp_path / "mine/miyawaki/miyawaki_structured_28x28.mat").touch()
    (tmp_path / "mine/weights").mkdir()
    (tmp_path / "mine/weights/ViT-B-32.pt").touch()
    assert set(load(DEFAULT | {"data_dir": "mine"}, ROOT).datasets) == {"vangerven", "miyawaki"}
    monkeypatch.setenv("CORTEXCLIP_DATA", str(tmp_path / "mine"))
    assert "ridge_clip.clip" in load(DEFAULT, ROOT).runs
    assert locate("vangerven/digit69_28x28.mat", "data", None) == Path("resources/data/vangerven/digit69_28x28.mat")


def test_methods_that_need_classes_skip_datasets_without(tmp_path):
    for name in ("vangerven/digit69_28x28.mat", "miyawaki/miyawaki_structured_28x28.mat"):
        (tmp_path / "d" / name).parent.mkdir(parents=True)
        (tmp_path / "d" / name).touch()
    configuration = load(DEFAULT | {"data_dir": "d"}, ROOT)
    assert "class_mean" in configuration.cells["vangerven"]
    assert "class_mean" not in configuration.cells["miyawaki"]
    assert make_plan(configuration).cells == configuration.cells


@pytest.mark.parametrize(("kept", "expected"), [("all", ["gaussian_bayes_fields"]), ("none", [])])
def test_receptive_fields_are_drawn_of_methods_whose_weights_hold_them(kept, expected):
    compared = {"datasets": ["simulated"], "methods": ["gaussian_bayes", "gaussian_bayes_fields", "ridge"]}
    made = make_plan(load(DEFAULT | compared | {"save_weights": kept}, ROOT))
    assert [name for name, run in made.runs.items() if run.fields] == expected
    assert bool(drawn.of_predictions(made, "simulated")["receptive_fields"]) == (kept == "none")


@pytest.mark.parametrize(
    ("method", "kept", "shown"), [("bcca", "first", True), ("bcca", "none", False), ("ridge", "all", False)]
)
def test_image_bases_are_drawn_of_a_run_with_weights_of_bayesian_cca(method, kept, shown):
    compared = {"datasets": ["simulated"], "methods": ["mean_image", method], "save_weights": kept}
    plan = make_plan(load(DEFAULT | compared, ROOT))
    assert (drawn.of_predictions(plan, "simulated")["image_bases"] == "") == shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sedes": 3}, "config.yaml: unknown key 'sedes'. Did you mean 'seeds'"),
        ({"seeds": 0}, "config.yaml: seeds: found 0, expected at least 1. Trainings of"),
        ({"seeds": "three"}, "seeds: found 'three', expected a whole number"),
        ({"methods": ["rigde"]}, "methods: unknown name 'rigde'. Did you mean 'ridge'"),
        ({"datasets": []}, "datasets: found \\[\\], expected at least 1 of these"),
        ({"datasets": ["simulated", "simulated"]}, "datasets: 'simulated' occurs twice"),
        ({"protocols": ["holdot"]}, "protocols: unknown name 'holdot'. Did you mean 'holdout'"),
        ({"sources": ["cccv1_documnt"]}, "sources: unknown name 'cccv1_documnt'. Did you mean 'cccv1_document'"),
        ({"stand_ins": ["miyawaki_shrap"]}, "stand_ins: unknown name 'miyawaki_shrap'. Did you mean 'miyawaki_sharp'"),
        ({"source_seeds": 0}, "source_seeds: found 0, expected at least 2"),
        ({"encoders": ["clpi"]}, "encoders: unknown name 'clpi'. Did you mean 'clip'"),
        ({"save_weights": "some"}, "save_weights: found 'some', expected one of 'first', 'all', 'none'"),
        ({"strict": True}, "strict is true and something is not available. vangerven: "),
        ({"datasets": ["vangerven"], "fallback": None}, "none of the datasets is available"),
        (
            {"overrides": {"methods": {"ridge_nearest": {"title": "x", "module": "y"}}}},
            "'ridge_nearest' ends in _nearest",
        ),
        (
            {"overrides": {"methods": {"ridge_draw": {"title": "x", "module": "y"}}}},
            "'ridge_draw' ends in _draw",
        ),
        ({"overrides": {"methods": {"ridge": {"module": ""}}}}, "no module ''"),
        ({"judge": "clip"}, "judge: ViT-B-32.pt is not there"),
        ({"judge": "glyphclp"}, "judge: unknown name 'glyphclp'. Did you mean 'glyphclip'"),
        ({"data_dir": "/nowhere/at/all"}, "is not a folder"),
        ({"methods": ["clip_encoder"], "encoders": ["clip"]}, "no method can run"),
        ({"overrides": {"methods": {"ridge": {"settings": {"penalty_hihg": 1}}}}}, "penalty_hihg.*penalty_high"),
        (
            {"overrides": {"methods": {"ridge": {"setings": {}}}}},
            "ridge: unknown key 'setings'. Did you mean 'settings'",
        ),
        ({"overrides": {"methods": {"Ridge!": {}}}}, "found 'Ridge!', expected text that matches "),
        ({"overrides": {"methods": {"ridge": {"module": "no.such"}}}}, "no module 'no.such'"),
        ({"overrides": {"methods": {"ridge_clip": {"encoders": ["x"]}}}}, "ridge_clip: unknown encoder 'x'"),
        ({"overrides": {"protocols": {"holdout": {"select": "inner", "inner_fraction": 2}}}}, "inner_fraction"),
        ({"overrides": {"datasets": {"simulated": {"notes": "one"}}}}, "simulated.notes: found 'one', expected a list"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(changes, words):
    with pytest.raises(InputError, match=words) as caught:
        load(DEFAULT | changes, ROOT)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", DEFAULT)
def test_a_missing_key_is_named(key):
    with pytest.raises(InputError, match=f"missing key '{key}'"):
        load({k: v for k, v in DEFAULT.items() if k != key}, ROOT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "found list"),
        ("!!python/object:os.x {}", "YAML"),
        ("a: 1\nb: 2\na: 3", "'a' occurs twice; delete or rename one .*line 3"),
        ("a: {b: 1, b: 2}", "'b' occurs twice"),
    ],
)
def test_yaml_is_read_safely(tmp_path, text, words):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=words):
        read_yaml(tmp_path / "c.yaml")


def test_a_dataset_can_be_added_by_an_override(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/mine.mat").touch()
    entry = {
        **{key: "x" for key in ("title", "modality", "source", "licence", "citation", "how")},
        **{"reader": "cortexclip.data.arrays", "notes": [], "file": "mine.mat"},
        **{"pixel_order": "row-major", "labels": "none"},
    }
    changes = {"datasets": ["mine"], "data_dir": "d", "overrides": {"datasets": {"mine": entry}}}
    assert list(load(DEFAULT | changes, ROOT).datasets) == ["mine"]


def test_merging_goes_key_by_key_and_changes_neither():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge(base, {"a": {"c": [3]}, "e": 2}) == {"a": {"b": 1, "c": [3]}, "d": 1, "e": 2}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_the_shipped_weights_are_named_from_the_working_folder(monkeypatch):
    monkeypatch.chdir(ROOT)
    entry = read_yaml("config/encoders.yaml")["glyphclip"]
    settings = encoder_settings(entry, ROOT)
    assert settings["weights"] == "local-dir:resources/glyphclip"
    assert settings["sha256"] == entry["sha256"]


def test_a_dataset_is_available_with_all_its_files_or_folders_only(tmp_path):
    entry = {
        **{key: "x" for key in ("title", "modality", "source", "licence", "citation", "how")},
        **{"reader": "my_reader", "notes": [], "file": "raw", "companions": {"digits": "digits.csv"}},
        **{"labels": "class", "settings": {"anything": 1}},
    }
    settings = DEFAULT | {"datasets": ["simulated", "raw"], "overrides": {"datasets": {"raw": entry}}}
    assert load(settings, ROOT).unavailable["raw"] == "raw, digits.csv are not there. x"
    (tmp_path / "resources/data/raw").mkdir(parents=True)
    assert load(settings, ROOT).unavailable["raw"] == "digits.csv is not there. x"
    (tmp_path / "resources/data/digits.csv").touch()
    assert list(load(settings, ROOT).datasets) == ["simulated", "raw"]


def test_protocols_over_the_sources_split_do_not_apply_to_a_dataset_without_one():
    datasets = {"simulated": {"parts": "none"}}
    settings = DEFAULT | {"datasets": ["simulated"], "overrides": {"datasets": datasets}}
    configuration = load(settings | {"protocols": ["chosen_on_test", "cv10", "chosen_on_fold", "unseen"]}, ROOT)
    assert configuration.protocols_of == {"simulated": ["cv10", "unseen"]}
    made = make_plan(configuration)
    assert made.not_applicable == {"simulated": ["chosen_on_test", "chosen_on_fold"]}
    assert made.protocols_of("simulated") == ["cv10", "unseen"]
    reason = "chosen_on_test, chosen_on_fold need a train/test split"
    assert reason in made.without_split("simulated")
    with pytest.raises(InputError, match="no protocol applies to dataset 'simulated', which has no train/test split"):
        load(settings, ROOT)
    assert make_plan(load(DEFAULT, ROOT)).not_applicable == {}


def test_protocols_over_sessions_apply_to_datasets_that_have_them():
    protocols, settings = ["holdout", "across_sessions", "unseen_across_sessions"], {"sessions": 1}
    several = DEFAULT | {"datasets": ["simulated"], "protocols": protocols, "methods": ["mean_image", "session_mean"]}
    found = load(several, ROOT)
    assert found.protocols_of == {"simulated": protocols}
    assert found.cells == {"simulated": ["mean_image", "session_mean"]}
    one = load(several | {"overrides": {"datasets": {"simulated": {"settings": settings}}}}, ROOT)
    assert one.protocols_of == {"simulated": ["holdout"]}
    assert one.cells == {"simulated": ["mean_image"]}
    sentence = "across_sessions, unseen_across_sessions need the session of every sample, which the source does"
    assert sentence in make_plan(one).without_split("simulated")
    assert make_plan(found).protocols["unseen_across_sessions"].compared_with == "unseen"
    wrong = {"protocols": {"across_sessions": {"group_by": ["session"]}}}
    with pytest.raises(InputError, match="group_by"):
        load(several | {"overrides": wrong}, ROOT)


def test_a_protocol_that_clusters_stimuli_brings_its_encoder():
    settings = DEFAULT | {"datasets": ["simulated"], "protocols": ["unseen_clusters"], "encoders": [], "judge": "none"}
    found = load(settings | {"methods": ["mean_image"]}, ROOT)
    assert list(found.encoders) == ["glyphclip"]
    assert Jobs(found, str(ROOT), None).encoders(None) == ["glyphclip"]
    for changes, words in (
        ({"encoder": "glyphclp"}, "'glyphclp'. Did you mean 'glyphclip'"),
        ({"clusters": 1}, "clusters"),
    ):
        with pytest.raises(InputError, match=words):
            load(settings | {"overrides": {"protocols": {"unseen_clusters": changes}}}, ROOT)
    by_cluster = {"cv10": {"group_by": "cluster"}}
    with pytest.raises(InputError, match="missing key 'clusters'"):
        load(DEFAULT | {"overrides": {"protocols": by_cluster}}, ROOT)


def test_groupings_follow_from_labels_arrays_and_what_the_reader_finds():
    assert groupings({"labels": "session"}) == {"session"}
    assert groupings({"labels": "class", "arrays": {"run_train": "r", "run_test": "s"}}) == {"label", "run"}
    assert groupings({"labels": "none", "groups": ["session"], "parts": "none"}) == {"session"}


FILES = ["vangerven/digit69_28x28.mat", "miyawaki/miyawaki_structured_28x28.mat"]
OTHERS = ["miyawaki/miyawaki_conditions_2to5_combined_sharp.mat", "eeg2fmri/crell.mat"]


@pytest.fixture
def with_data(tmp_path):
    """Settings that find two datasets, another version of one, and stand-ins of a third."""
    for name in [*FILES, *OTHERS]:
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).touch()
    (tmp_path / "d/stimuli/crell").mkdir(parents=True)
    stand_ins = [f"{name}_{kind}" for name in ("mindbigdata", "crell") for kind in ("constant", "noise", "eeg2fmri")]
    return DEFAULT | {
        **{"data_dir": "d", "datasets": ["vangerven", "miyawaki"], "stand_ins": ["miyawaki_sharp", *stand_ins]}
    }


PUBLISHED = read_yaml(ROOT / "config/published.yaml")
DATASETS = read_yaml(ROOT / "config/datasets.yaml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda content: content["numbers"][0].update(dataset="crel"),
            "numbers.0.dataset: unknown name 'crel'. Did you",
        ),
        (lambda content: content["paper"]["datasets"].append("mine"), "paper.datasets: unknown name 'mine'"),
        (lambda content: content["statements"][1].update(dataset="miyawki"), "statements.1.dataset: unknown name"),
        (
            lambda content: content["sources"]["cccv1_cv5"].update(protocol="source_cv"),
            "sources.cccv1_cv5.protocol: unknown name 'source_cv'. Did you mean 'source_cv5'",
        ),
        (
            lambda content: content["sources"]["cccv1_cv5"].update(methods={"CCCV1": "cccv"}),
            "sources.cccv1_cv5.methods: unknown name 'cccv'. Did you mean 'cccv1'",
        ),
    ],
)
def test_published_numbers_are_of_what_the_catalogues_have(tmp_path, change, words):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    content = read_yaml(tmp_path / "config/published.yaml")
    change(content)
    (tmp_path / "config/published.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match=f"config/published.yaml: {words}") as caught:
        load(DEFAULT, ROOT, tmp_path / "config")
    assert "\n" not in str(caught.value)


HERE = ["vangerven", "miyawaki", "miyawaki_sharp", "crell_constant", "crell_noise", "crell_eeg2fmri"]
SOURCE_PROTOCOLS = {n for n, e in read_yaml(ROOT / "config/protocols.yaml").items() if e.get("source")}


@pytest.mark.parametrize("sources", ["all", ["cccv1_document"], ["cccv1_document_rivals", "cccv1_article"], []])
def test_sources_train_what_their_numbers_need_and_nothing_else(with_data, sources):
    configuration = load(with_data | {"sources": sources, "source_seeds": 7}, ROOT)
    chosen = list(PUBLISHED["sources"]) if sources == "all" else sources
    expected: dict[tuple[str, str, str], set] = {}
    for entry in PUBLISHED["numbers"]:
        source = PUBLISHED["sources"][entry["source"]]
        method = source["methods"].get(entry["name"])
        if entry["source"] not in chosen or method is None or source["protocol"] not in SOURCE_PROTOCOLS:
            continue
        for dataset in HERE:
            about = DATASETS[dataset]
            if about.get("stands_for", dataset) != entry["dataset"]:
                continue
            allowed = about.get("protocols", [source["protocol"]])
            if source["protocol"] in allowed:
                cell = (source["protocol"], dataset, method)
            elif about.get("brain_data", True):
                continue  # another file of the same trials, whose parts are no others
            else:
                cell = (allowed[0], dataset, method)
            expected.setdefault(cell, set()).add(entry.get("configuration", entry.get("reported")))
    found = configuration.sources
    assert len(found.cells) == len(set(found.cells)) and set(found.cells) == set(expected)
    assert found.configurations == {c: None if None in w else sorted(w) for c, w in expected.items()}
    assert set(found.protocols) == {protocol for protocol, _, _ in expected}
    assert set(found.methods) == set(found.runs) == {method for _, _, method in expected}
    assert set(found.datasets) == {dataset for _, dataset, _ in expected} - {"vangerven", "miyawaki"}
    assert {run.fits for run in found.runs.values()} <= {7}
    assert found.names == chosen
    made = make_plan(configuration).sources
    assert made.cells == found.cells and made.seeds == 7
    if sources == "all":
        assert not made.datasets["crell_noise"].judges and made.datasets["crell_constant"].judges
        assert made.datasets["miyawaki_sharp"].stands_for == "miyawaki"


def test_sources_leave_the_comparison_as_it_is(with_data):
    configuration = load(with_data, ROOT)
    assert list(configuration.datasets) == ["vangerven", "miyawaki"]
    assert not SOURCE_PROTOCOLS & set(configuration.protocols)
    assert "cccv1_script" in configuration.every_run and "cccv1_script" not in configuration.runs
    assert {"crell_constant", "vangerven"} <= set(configuration.every_dataset)
    again = load(with_data | {"datasets": ["vangerven", "miyawaki_sharp"]}, ROOT)
    assert "miyawaki_sharp" in again.datasets and "miyawaki_sharp" not in again.sources.datasets
    assert ("source_split", "miyawaki_sharp", "cccv1_script") in again.sources.cells


def test_no_source_is_trained_where_no_compared_dataset_has_published_numbers(with_data):
    configuration = load(with_data | {"datasets": ["simulated"], "sources": "all"}, ROOT)
    found = configuration.sources
    assert (found.cells, found.names, found.datasets, found.runs) == ([], [], {}, {})
    assert configuration.unavailable.keys() == {"clip"}  # no stand-in is missed
    assert make_plan(configuration).sources == Sources(seeds=4)


def test_stand_ins_that_are_not_there_are_named_where_they_are_needed(with_data):
    configuration = load(with_data, ROOT)
    assert set(configuration.unavailable) == {
        *("mindbigdata_constant", "mindbigdata_noise", "mindbigdata_eeg2fmri", "clip")
    }
    with pytest.raises(InputError, match="strict is true and something is not available. mindbigdata_constant: "):
        load(with_data | {"strict": True}, ROOT)
    assert set(load(with_data | {"sources": []}, ROOT).unavailable) == {"clip"}


def test_a_plan_is_read_as_it_was_made(tmp_path):
    made = make_plan(load(DEFAULT | {"protocols": ["chosen_on_test", "holdout", "cv10", "unseen"]}, ROOT))
    (tmp_path / "plan.json").write_text(made.as_json(), encoding="utf-8")
    assert Plan.read(tmp_path / "plan.json") == made
    (tmp_path / "plan.json").write_text('{"runs": {"a": {"b": 1}}}', encoding="utf-8")
    with pytest.raises(InputError, match="not a plan"):
        Plan.read(tmp_path / "plan.json")


def test_what_names_mean_stands_in_the_catalogues():
    overrides = {"methods": {"knn": {"role": "reference"}}}
    protocols = ["chosen_on_test", "chosen_on_fold", "holdout", "cv10", "unseen"]
    made = make_plan(load(DEFAULT | {"protocols": protocols, "overrides": overrides}, ROOT))
    assert (made.honest("split"), made.honest("folds", "split"), made.reference) == ("holdout", "cv10", "knn")
    assert made.protocols["chosen_on_test"].counterpart == "holdout"
    assert made.protocols["chosen_on_fold"].counterpart == "cv10"
    assert [name for name, entry in made.protocols.items() if not entry.repeats] == ["unseen"]
    assert [name for name, entry in made.protocols.items() if entry.optimistic] == ["chosen_on_test", "chosen_on_fold"]
    assert made.role("shuffled") == ["permuted"] and made.is_oracle("class_mean_oracle")
    assert made.protocols["chosen_on_test"].heading.endswith("(optimistic)")
    alone = make_plan(load(DEFAULT | {"protocols": ["chosen_on_fold", "holdout"]}, ROOT))
    assert alone.honest("folds", "split") == "holdout" and alone.protocols["chosen_on_fold"].counterpart is None


def test_the_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.delenv("CORTEXCLIP_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x").mkdir()
    assert data_folder({"data_dir": "~/x"}) == tmp_path / "x"


QUICK = ["mean_image", "class_mean", "permuted", "knn", "ridge", "ridge_snap", "pca_ridge"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"methods": ["ridge"]}, {"methods": ["ridge"], "encoders": [], "judge": "none", "protocols": ["holdout"]}),
        ({"methods": ["ridge_clip"]}, {"encoders": ["glyphclip", "gabor", "pixels"], "judge": "glyphclip"}),
        ({"quick": True}, {"methods": QUICK, "encoders": [], "judge": "none"}),
        ({"quick": True, "protocols": ["cv10"], "seeds": 5}, {"protocols": ["cv10"], "seeds": 5}),
        ({"entry": {"parts": "none"}}, {"protocols": ["cv10"], "sources": [], "stand_ins": []}),
        ({"entry": {"parts": "none"}, "repeats": True}, {"protocols": ["unseen"]}),
    ],
)
def test_a_run_of_one_file_computes_what_its_methods_need(options, expected):
    entry = options.pop("entry", {"parts": "sets"})
    settings = settings_of_one(ROOT, "mine", entry, **options)
    assert {key: settings[key] for key in expected} == expected
    assert settings["datasets"] == ["mine"] and settings["overrides"]["datasets"] == {"mine": entry}
    check(settings, "config", "run.yaml")


def test_no_seeds_are_refused_rather_than_replaced_by_the_usual_number():
    with pytest.raises(InputError, match="seeds: found 0, expected at least 1"):
        check(settings_of_one(ROOT, "mine", {"parts": "sets"}, seeds=0), "config", "run.yaml")


def test_methods_in_closed_form_are_those_that_use_no_encoder_and_take_no_time():
    catalogue = read_catalogue(ROOT / "config", "methods", {})
    for name in QUICK:
        assert "encoders" not in catalogue[name] and resources_of(catalogue[name])["seconds"] <= 0.1


@pytest.mark.parametrize("option", ["methods", "protocols"])
def test_a_mistyped_name_of_a_run_is_said_with_its_option(option):
    with pytest.raises(InputError, match=f"--{option}: unknown name 'holdot'"):
        settings_of_one(ROOT, "mine", {}, **{option: ["holdot"]})


def test_a_name_is_taken_where_a_list_is_meant():
    given = {"datasets": "mine", "methods": "ridge, knn", "sources": "all", "seeds": 3, "encoders": []}
    kept = {"sources": "all", "seeds": 3, "encoders": []}
    assert with_lists(given) == {"datasets": ["mine"], "methods": ["ridge", "knn"], **kept}


@pytest.mark.parametrize("file", ["config.yaml", "full.yaml"])
def test_enough_comparisons_are_declared_with_all_encoders(tmp_path, file):
    for entry in read_yaml(ROOT / "config/encoders.yaml").values():
        if "file" in entry:
            (tmp_path / "weights" / entry["file"]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "weights" / entry["file"]).touch()
    settings = DEFAULT | read_yaml(ROOT / "config" / file) | {"data_dir": str(tmp_path)}
    assert {"clip", "glyphclip"} <= load(settings, ROOT).encoders.keys()


def test_as_many_comparisons_are_declared_as_the_readouts_and_the_variants_make():
    methods = ["ridge", "ridge_snap", "ridge_clip", "clip_encoder", "clip_encoder_residual", "mindeye", "mind_vis"]
    settings = DEFAULT | {"datasets": ["simulated"], "methods": methods, "encoders": ["glyphclip", "gabor"]}
    made = make_plan(load(settings, ROOT))
    drawing = ["mindeye.glyphclip", "mind_vis"]
    embedded = [name for name, run in made.runs.items() if run.encoder != "none"]
    readouts = [*made.runs, *(f"{name}{NEAREST}" for name in embedded), *(f"{name}{DRAW}" for name in drawing)]
    tested = [(name, reference) for name in readouts for reference in ("ridge", "ridge_snap")]
    tested += [(pair["run"], pair["reference"]) for pair in made.ablations["simulated"]]
    assert len(tested) == 15 * 2 + 2 and {pair["kind"] for pair in made.ablations["simulated"]} == {ENCODER, EXTENSION}
    load(settings | {"comparisons": len(tested)}, ROOT)
    with pytest.raises(InputError, match=f"comparisons: found {len(tested) - 1}, expected at least {len(tested)}: 15 "):
        load(settings | {"comparisons": len(tested) - 1}, ROOT)


def test_the_methods_that_draw_are_those_with_a_setting_of_draws():
    for name, entry in read_yaml(ROOT / "config/methods.yaml").items():
        classes = inspect.getmro(load_method(entry["module"]))
        own = [each for each in classes if issubclass(each, Method) and each.__module__ != Method.__module__]
        draws = any("of_draws(" in Path(inspect.getfile(each)).read_text() for each in own)
        assert draws == ("draws" in entry.get("settings", {})), name
