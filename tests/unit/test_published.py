"""config/published.yaml: every number has a source that says what was run, and stands there once."""

import re
from collections import Counter
from pathlib import Path

import pytest

from cortexclip.configuration.schema import check, read_yaml
from cortexclip.errors import InputError
from cortexclip.evaluation.metrics import METRICS

ROOT = Path(__file__).parents[2]
PUBLISHED = read_yaml(ROOT / "config/published.yaml")
SOURCES, NUMBERS, STATEMENTS = PUBLISHED["sources"], PUBLISHED["numbers"], PUBLISHED["statements"]
IDENTITY = ("source", "name", "dataset", "metric", "folds", "seeds", "configuration", "part")
MAIN_TABLE = ("cccv1_document", "cccv1_document_rivals", "cccv1_document_others")
COUNTS = {
    "cccv1_document": 4,
    "cccv1_document_rivals": 4,
    "cccv1_document_others": 4,
    "cccv1_script": 18,
    "cccv1_cv5": 4,
    "cccv1_cv5_second": 4,
    "cccv1_cv10": 4,
    "cccv1_cv10_seeds": 4,
    "cccv1_cv10_seeds_first": 4,
    "cccv1_corrected": 4,
    "cccv1_article": 4,
    "cccv1_article_mind_vis": 4,
    "cccv1_article_brain_diffuser": 4,
    "cccv1_fair": 4,
    "cccv1_fair_mind_vis": 4,
    "cccv1_fair_brain_diffuser": 4,
    "cccv1_saved_model": 6,
    "cccv4_readme": 8,
    "cortexflow_sota": 20,
    "cortexflow_tables": 8,
    "ldm_optimised": 6,
    "ldm_baseline": 6,
    "sota_dgmm_vangerven": 3,
    "sota_dgmm_vangerven_first": 3,
    "sota_dgmm_vangerven_other": 3,
    "sota_dgmm_miyawaki": 3,
    "sota_dgmm_cv_vangerven": 3,
    "sota_dgmm_cv_miyawaki": 3,
    "sota_dgmm_autoencoder_vangerven": 3,
    "sota_dgmm_autoencoder_miyawaki": 3,
    "sota_dgmm_direct_miyawaki": 3,
    "sota_dgmm_similarity_miyawaki": 3,
    "sota_dgmm_true_miyawaki": 3,
    "shape_semantic_gan": 14,
    "contrastive_note": 3,
}


def numbers(source, **keys):
    """The numbers of a source whose keys have these values."""
    return [n for n in NUMBERS if n["source"] == source and all(n.get(key) == value for key, value in keys.items())]


def test_file_is_as_its_schema_asks():
    check(PUBLISHED, "published", "published.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "0.1"}, "value"),
        ({"part": "train"}, "part"),
        ({"observed": "x"}, "unknown key 'observed'"),
    ],
)
def test_schema_refuses_another_form(change, message):
    entry = {"source": "cccv1_cv5", "name": "CCCV1", "dataset": "crell", "metric": "mse", "value": 0.1} | change
    with pytest.raises(InputError, match=message):
        check({**PUBLISHED, "numbers": [entry], "statements": []}, "published", "published.yaml")


@pytest.mark.parametrize(
    "statement",
    [
        {"kind": "size_class", "dataset": "crell", "value": "tiny"},
        {"kind": "size_class", "value": "small"},
        {"kind": "improvement", "value": 1.0},
        {"kind": "leads", "value": "four"},
    ],
)
def test_schema_refuses_a_statement_whose_value_does_not_fit_its_kind(statement):
    statement = {"source": "cccv1_document", "text": "as printed", "name": "CCCV1"} | statement
    with pytest.raises(InputError, match="statements"):
        check({**PUBLISHED, "numbers": [], "statements": [statement]}, "published", "published.yaml")


def test_every_number_and_statement_has_a_known_source():
    assert {entry["source"] for entry in [*NUMBERS, *STATEMENTS]} == set(SOURCES)


def test_every_source_says_what_was_claimed_and_run_and_where():
    for key, source in SOURCES.items():
        assert source["link"].startswith("https://"), key
        assert source["claimed"].strip() and source["procedure"].strip() and source["differs"].strip(), key
        assert (source["repository"] is None) == (source["commit"] is None), key
        if source["repository"] is not None:
            assert source["link"] == (
                f"https://github.com/{source['repository']}/blob/{source['commit']}/{source['path']}"
            ), key


def test_links_to_files_name_a_whole_commit():
    links = [link for s in SOURCES.values() for link in [s["link"], *s["code"], *(i["link"] for i in s["status"])]]
    for link in links:
        assert len(link.split("/blob/")[1].split("/")[0]) == 40, link


def test_methods_stand_for_names_of_their_source():
    for key, source in SOURCES.items():
        assert set(source["methods"]) <= {entry["name"] for entry in numbers(key)}, key
        assert source["protocol"] is not None or not source["methods"], f"{key}: nothing repeats it"


def test_names_of_statements_are_names_of_numbers():
    assert {entry["name"] for entry in STATEMENTS} <= {entry["name"] for entry in NUMBERS}


def test_metrics_are_known():
    assert {entry["metric"] for entry in NUMBERS} <= set(METRICS)


def test_no_value_stands_twice():
    seen = Counter(tuple(entry.get(key) for key in IDENTITY) for entry in NUMBERS)
    assert [identity for identity, times in seen.items() if times > 1] == []


def test_counts_by_source():
    assert Counter(entry["source"] for entry in NUMBERS) == COUNTS
    assert Counter(entry["kind"] for entry in STATEMENTS) == {
        "leads": 1,
        "improvement": 4,
        "mean_improvement": 1,
        "size_class": 4,
    }


@pytest.mark.parametrize(
    ("source", "keys", "value", "spread"),
    [
        ("cccv1_document", {"dataset": "vangerven"}, 0.037037, None),
        ("cccv1_document_rivals", {"dataset": "miyawaki"}, 0.009845, None),
        ("cccv1_document_others", {"dataset": "crell"}, 0.032859, 0.000398),
        ("cccv1_script", {"dataset": "miyawaki", "configuration": 3, "part": None}, 0.04443694, None),
        ("cccv1_script", {"dataset": "crell", "configuration": 2, "part": "select"}, 0.03232261, None),
        ("cccv1_cv5", {"dataset": "miyawaki"}, 0.009801, 0.009475),
        ("cccv1_cv10", {"dataset": "crell"}, 0.032527, 0.001404),
        ("cccv1_cv10_seeds", {"dataset": "mindbigdata", "seeds": 3}, 0.056993, 0.001362),
        ("cccv1_corrected", {"dataset": "vangerven"}, 0.062013, 0.003742),
        ("cccv1_article", {"dataset": "miyawaki"}, 4.75e-05, 2.07e-05),
        ("cccv1_fair_brain_diffuser", {"dataset": "mindbigdata"}, 0.143951, None),
        ("cccv1_saved_model", {"dataset": "vangerven", "metric": "ssim"}, 0.76694, None),
        ("cccv4_readme", {"dataset": "miyawaki", "metric": "mse"}, 0.000073, None),
        ("cortexflow_sota", {"dataset": "crell", "name": "CortexFlow-Ensemble"}, 0.028666, None),
        ("ldm_optimised", {"dataset": "miyawaki", "metric": "pixcorr"}, 0.981, None),
        ("sota_dgmm_miyawaki", {"metric": "mse"}, 0.1697, None),
        ("sota_dgmm_vangerven_other", {"metric": "mse"}, 0.04515, None),
        ("sota_dgmm_autoencoder_vangerven", {"metric": "mse", "folds": 5}, 0.03688, None),
        ("shape_semantic_gan", {"name": "DGMM", "metric": "pixcorr"}, 0.813, None),
        ("contrastive_note", {"metric": "top5_test", "upper": 0.5}, 0.35, None),
    ],
)
def test_values_as_published(source, keys, value, spread):
    (entry,) = numbers(source, **keys)
    assert entry["value"] == value
    assert entry.get("spread") == spread


def test_main_table_is_whole_and_says_that_it_was_withdrawn():
    """Its twelve values lie in three sources, which were made in three ways."""
    table = [entry for key in MAIN_TABLE for entry in numbers(key)]
    names, datasets = {entry["name"] for entry in table}, {entry["dataset"] for entry in table}
    assert len(names) == 3 and len(datasets) == 4
    assert {(entry["name"], entry["dataset"]) for entry in table} == {(n, d) for n in names for d in datasets}
    for key in (*MAIN_TABLE, "cccv1_summary", "cccv1_script"):
        kinds = {item["kind"]: item for item in SOURCES[key]["status"]}
        assert kinds["withdrawn"]["link"].endswith("backup_files/breakthrough_summary.md"), key
        assert "CORRECTED_RESULTS" in kinds["corrected"]["link"], key
    for entry in numbers("cccv1_corrected"):
        assert f"{entry['dataset']} {entry['value']:.6f}" in kinds["corrected"]["note"]


def test_document_reports_the_configuration_of_the_script_with_the_least_test_error():
    for entry in numbers("cccv1_document"):
        stored = [n["value"] for n in numbers("cccv1_script", dataset=entry["dataset"], part=None)]
        assert min(stored) == pytest.approx(entry["value"], abs=5e-7)


def test_printed_improvements_follow_from_the_stored_errors():
    """Percent below the better rival, and their mean, to the digits that the summary prints."""
    stored = numbers("cccv1_script", part=None)
    errors = {d: min(n["value"] for n in stored if n["dataset"] == d) for d in {n["dataset"] for n in stored}}
    rivals = {entry["dataset"]: entry["value"] for entry in numbers("cccv1_document_rivals")}
    printed = {s["dataset"]: s["value"] for s in STATEMENTS if s["kind"] == "improvement"}
    assert printed == {d: pytest.approx(100 * (1 - errors[d] / rivals[d]), abs=0.005) for d in errors}
    (mean,) = (s["value"] for s in STATEMENTS if s["kind"] == "mean_improvement")
    assert mean == pytest.approx(sum(printed.values()) / 4, abs=0.005)


TEXTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "config").glob("*")]
TEXTS += [*(ROOT / "workflow/captions").glob("*.rst"), *(ROOT / "workflow/cortexclip").rglob("*.py")]


def test_every_link_to_a_sources_repository_is_one_that_an_entry_gives():
    """What a text says of a source can be looked up where the entry points."""
    known = (ROOT / "config/published.yaml").read_text() + (ROOT / "config/datasets.yaml").read_text()
    repositories = {source["repository"] for source in PUBLISHED["sources"].values() if source["repository"]}
    links = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+)[\w./%-]*")
    for path in TEXTS:
        for found in links.finditer(path.read_text(encoding="utf-8")):
            if found[1].removesuffix(".git") in repositories:
                assert found[0].rstrip(".") in known, f"{path.name}: {found[0]} is in no entry"


def test_the_protocols_that_measure_optimism_are_nobodys_procedure():
    """No entry names them, and the old names, which called them published, are gone."""
    assert not {"chosen_on_test", "chosen_on_fold"} & {s["protocol"] for s in PUBLISHED["sources"].values()}
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        assert "cv10_published" not in text.replace("`cv10_published`", "") or path.name == "CHANGELOG.md", path.name
