"""The documentation says what the code does: generated tables, links, names and examples."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from cortexclip import __version__
from cortexclip.__main__ import STAGES, main
from cortexclip.configuration.config import check_method_settings, load
from cortexclip.configuration.plan import make_plan
from cortexclip.configuration.schema import check, read_yaml
from cortexclip.data import dataset
from cortexclip.errors import InputError
from cortexclip.evaluation import metrics
from cortexclip.evaluation.score import score_predictions
from cortexclip.methods.catalogue import load_method
from cortexclip.methods.interface import FitData, Samples
from cortexclip.results import drawn
from cortexclip.results.tables import TABLES

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {"results", "resources", "build", "node_modules", "site"}
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    and (path.relative_to(ROOT).parts[0] not in LEFT_OUT or path.name == "README.md")
)
CONFIG = (ROOT / "config/README.md").read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """A document without its code blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def blocks(path: str, language: str) -> list[str]:
    """The code blocks of a document in a language."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """What a link to a heading of a document may say after the #."""
    headings = re.findall(r"^#+ (.*)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def generate():
    """The script that makes the generated parts."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_up_to_date(generate, capsys):
    assert generate.main(["--check"]) == 0, capsys.readouterr().out


def test_a_generated_part_that_is_out_of_date_is_noticed(generate, tmp_path, monkeypatch, capsys):
    fresh = generate.regenerated(CONFIG)
    stale = re.sub(r"(\| `seeds` \|.*?\|) `\d+`", r"\1 `77`", fresh)
    assert stale != fresh
    (tmp_path / "stale.md").write_text(stale, encoding="utf-8")
    monkeypatch.setattr(generate, "DOCUMENTS", [tmp_path / "stale.md"])
    assert generate.main(["--check"]) == 1
    assert "python docs/generate.py" in capsys.readouterr().out
    assert generate.main([]) == 0
    assert (tmp_path / "stale.md").read_text(encoding="utf-8") == fresh


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(path):
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, heading = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{target}: not there"
        assert found.is_relative_to(ROOT), f"{target}: leads out of the project"
        if heading:
            assert heading in anchors(found), f"{target}: no such heading"


def test_every_key_of_every_configuration_file_is_documented():
    """And every key that is documented is one that the schema knows."""
    documented = {}
    for title, section in re.findall(r"^## (\w+\.yaml)\n(.*?)(?=^## |\Z)", CONFIG, flags=re.DOTALL | re.MULTILINE):
        tables = re.findall(r"^\| key \|.*?(?=^<!--)", section, flags=re.DOTALL | re.MULTILINE)
        documented[title] = set(re.findall(r"^\| `([\w.]+)`", "".join(tables), flags=re.MULTILINE))
    for path in (ROOT / "config").glob("*.yaml"):
        assert path.name in documented or f"`{path.name}`" in CONFIG, f"say in config/README.md what {path.name} is"
    assert set(read_yaml(ROOT / "config/config.yaml")) <= documented["config.yaml"]
    for name in ("datasets", "protocols", "methods", "encoders"):
        used = {key for entry in read_yaml(ROOT / f"config/{name}.yaml").values() for key in entry}
        assert used <= documented[f"{name}.yaml"]
    published = read_yaml(ROOT / "config/published.yaml")
    used = {key for entry in [*published["sources"].values(), *published["numbers"]] for key in entry}
    assert used <= documented["published.yaml"]


def test_every_setting_of_every_method_is_documented():
    for name, entry in read_yaml(ROOT / "config/methods.yaml").items():
        section = re.search(rf"^#### `{name}`: .*?(?=^#|^<!--)", CONFIG, flags=re.DOTALL | re.MULTILINE)
        assert section, f"{name}: run python docs/generate.py"
        for values in [
            entry.get("settings", {}),
            *entry.get("by_size", {}).values(),
            *entry.get("by_dataset", {}).values(),
        ]:
            for setting in values:
                assert f"| `{setting}` |" in section[0]


def test_every_decoder_has_a_card_that_says_what_is_not_as_in_its_source():
    text = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    for name, entry in read_yaml(ROOT / "config/methods.yaml").items():
        card = re.search(rf"^## `{name}`: .*?(?=^## |^<!--)", text, flags=re.DOTALL | re.MULTILINE)
        assert card, f"{name}: run python docs/generate.py"
        assert re.search(r"^- Parameters: (\d[\d,]*|not counted here.*)$", card[0], flags=re.MULTILINE)
        if not entry.get("control"):
            own = entry.get("source", "").startswith("docs/")  # described by this project alone, like no other paper
            needed = {"source"} if own or "ablates" in entry else {"source", "differs"}
            assert needed <= set(entry), f"{name}: say in config/methods.yaml what its card needs"
            assert " ".join(entry.get("differs", "").split()) in card[0]


def test_the_cards_count_the_parameters_that_the_document_of_cccv1_names():
    assert "| `cccv1` | decoder |  | 3,763,216 |" in (ROOT / "docs/methods.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_stands_in_the_architecture(stage):
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert f"| `{stage}` |" in text, f"say in docs/architecture.md what {stage} reads and writes"


def test_every_table_and_figure_of_a_run_stands_in_the_results():
    text = (ROOT / "results/README.md").read_text(encoding="utf-8")
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    plan = make_plan(load(read_yaml(ROOT / "config/config.yaml"), ROOT))
    names = set(re.findall(r"results/tables/(\w+)", rules))
    for figures in (drawn.of_predictions, drawn.of_tests, drawn.of_protocols):
        names |= set(figures(plan, next(iter(plan.datasets))))
    names |= {name.split(".")[0] for name in drawn.of_datasets(plan)}
    assert {"reconstructions", "mse_by_method"} <= names
    for name in names | TABLES.keys():
        assert re.search(rf"`{name}[.`/]", text), f"say in results/README.md what {name} is"


def test_columns_of_the_result_tables_are_documented():
    text = (ROOT / "results/README.md").read_text(encoding="utf-8")
    for name, columns in TABLES.items():
        assert f"| {', '.join(columns)} |" in text, name


def test_messages_that_are_explained_exist():
    files = [
        "data/arrays.py",
        "data/containers.py",
        "data/variables.py",
        "data/hdf5file.py",
        "stages/ingest.py",
        "configuration/config.py",
    ]
    source = "".join((ROOT / "workflow/cortexclip" / file).read_text(encoding="utf-8") for file in files)
    source = re.sub(r'"\s*\n\s*f?"', "", source)
    text = (ROOT / "docs/add-a-dataset.md").read_text(encoding="utf-8")
    table = text.partition("## What errors mean")[2].partition("## ")[0]
    messages = re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE)[2:]
    assert len(messages) > 5
    for message in messages:
        for part in re.split(r"'?\.\.\.'?", message):
            assert part.strip(" ;,'") in source, message


def test_the_example_of_a_method_works(tmp_path, monkeypatch):
    """It is written to a module, configured by its entry, fitted, and predicts images."""
    (tmp_path / "similar_trials.py").write_text(blocks("docs/add-a-method.md", "python")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "similar_trials", raising=False)
    catalogue = yaml.safe_load(blocks("docs/add-a-method.md", "yaml")[0])
    check(catalogue, "methods", "the example")
    entry = catalogue["similar_trials"] | {"module": "similar_trials"}
    assert check_method_settings({"similar_trials": entry}, seeds=3) == {"similar_trials": (1, False, False, "")}

    random = np.random.default_rng(0)
    side, n = 8, 40
    amounts = random.uniform(size=(n, 2))
    samples = Samples(
        brain=amounts @ random.standard_normal((2, 30)) + 0.05 * random.standard_normal((n, 30)),
        images=np.einsum("nk,kyx->nyx", amounts, random.uniform(size=(2, side, side)) / 2).astype(np.float32),
        stimulus=np.array([f"s-{i}" for i in range(n)]),
        label=np.zeros(n, int),
        session=np.zeros(n, int),
    )

    method = load_method("similar_trials")
    data = FitData(samples.take(slice(0, 24)), samples.take(slice(24, 32)), samples.take(slice(0, 32)))
    decoder = method.configured(entry["settings"], "the example").fit(data, 0, lambda text: None)
    scored = samples.take(slice(32, 40))
    images = decoder.predict(scored.brain).images
    assert images.shape == scored.images.shape
    assert images.min() >= 0 and images.max() <= 1
    mean_image = data.final.images.mean(axis=0)
    assert np.mean((images - scored.images) ** 2) < 0.8 * np.mean((mean_image - scored.images) ** 2)
    assert decoder.facts()["sharpness"] in entry["settings"]["sharpness"]
    assert set(decoder.weights()) == {"brain", "images"} and decoder.history() == []

    constant = method.configured({"standardise": True, "sharpness": [0]}, "the example")
    assert np.allclose(constant.fit(data, 0, print).predict(scored.brain).images, mean_image, atol=1e-6)


def test_the_example_of_a_dataset_works(tmp_path, monkeypatch, capsys):
    """The script writes a file, inspect proposes the entry, the entry reads it, and the pictures can be looked at."""
    monkeypatch.chdir(tmp_path)
    (make,) = blocks("docs/add-a-dataset.md", "python")
    exec(compile(make, "add-a-dataset.md", "exec"), {})
    settings = yaml.safe_load(blocks("docs/add-a-dataset.md", "yaml")[0])
    check(read_yaml(ROOT / "config/config.yaml") | settings, "config", "the example")
    check(settings["overrides"]["datasets"], "datasets", "the example")
    entry = settings["overrides"]["datasets"]["bars"]
    arguments = ["--dataset", "bars", "--entry", json.dumps(entry), "--input", "bars.mat", "--output", "bars.nc"]
    assert main(["ingest", *arguments]) == 0

    data = dataset.read("bars.nc")
    assert data.sizes == {"sample": 32, "voxel": 50, "y": 28, "x": 28}
    assert (data.part.values == "train").sum() == 24
    for image, label in zip(data.stimuli.values, data.label.values, strict=True):
        upright = image.sum(axis=0).max() == 28
        assert label == (1 if upright else 2)

    capsys.readouterr()
    assert main(["inspect", "bars.mat", "--yaml", "--strict"]) == 1
    printed = capsys.readouterr().out
    proposed = yaml.safe_load(printed)["bars"]
    assert "only the usual order in such files" in printed and "serious:" in printed
    kept = {key: proposed[key] for key in entry if key not in ("title", "modality", "source", "licence", "citation")}
    assert kept | {"notes": entry["notes"], "how": entry["how"], "pixel_order": "row-major"} == {
        key: entry[key] for key in kept
    }
    text = (ROOT / "docs/add-a-dataset.md").read_text(encoding="utf-8")
    (look,) = re.findall(r"^python -m cortexclip (inspect bars\.mat --sheet .*)$", text, flags=re.MULTILINE)
    assert main(shlex.split(look)) == 0
    assert (tmp_path / "bars.png").stat().st_size > 1000


def test_the_example_of_a_metric_works(monkeypatch):
    """It agrees with a loop, is an entry as its entry says, and is scored with the others."""
    function, entry = blocks("docs/add-a-metric.md", "python")
    names: dict = {}
    exec(compile(function, "add-a-metric.md", "exec"), names)
    metric = eval(entry, {"Metric": metrics.Metric, "_pixels": metrics._pixels, **names})
    assert metric.name == names["brightness_error"].__name__ and metric.name not in metrics.METRICS
    monkeypatch.setitem(metrics.METRICS, metric.name, metric)

    random = np.random.default_rng(0)
    stimuli, images = random.uniform(size=(4, 12, 12)), random.uniform(size=(2, 4, 12, 12))
    identities = np.array(list("abcd"))
    scores = score_predictions(
        dataset="d",
        protocol="p",
        method="m",
        encoder="none",
        folds=np.zeros(4, int),
        samples=np.arange(4),
        stimuli=stimuli,
        stimulus_ids=identities,
        images=images,
    )
    found = scores[scores.metric == metric.name].sort_values(["seed", "sample"]).value.to_numpy().reshape(2, 4)
    for seed in range(2):
        for sample in range(4):
            expected = (sum(images[seed, sample].ravel()) / 144 - sum(stimuli[sample].ravel()) / 144) ** 2
            assert found[seed, sample] == pytest.approx(expected)
    assert metric.low <= found.min() and found.max() <= metric.high


def test_the_example_of_an_encoder_works(tmp_path, monkeypatch):
    """It refuses unknown settings, and averages over squares."""
    (tmp_path / "blocks_of_the_example.py").write_text(blocks("docs/add-an-encoder.md", "python")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    entry = yaml.safe_load(blocks("docs/add-an-encoder.md", "yaml")[0])
    check(entry, "encoders", "the example")
    module = importlib.import_module("blocks_of_the_example")
    settings = entry["blocks"]["settings"]
    with pytest.raises(InputError, match="gird"):
        module.load({"gird": 7})
    encoder = module.load(settings)
    images = np.random.default_rng(0).uniform(size=(3, 28, 28)).astype(np.float32)
    expected = images.reshape(3, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(3, 49)
    assert encoder.encode(images) == pytest.approx(expected, abs=1e-6)
    assert encoder.encode(images).dtype == np.float32 and encoder.provenance()["grid"] == settings["grid"]


def test_the_citation_file_is_as_its_format_wants():
    """The rules of the Citation File Format 1.2.0 for the keys that are used here."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert set(citation) <= {
        *("cff-version", "message", "title", "authors", "abstract", "type", "version", "license", "keywords")
    }
    assert all(set(author) == {"name"} and author["name"] for author in citation["authors"])  # entities
    assert len(citation["keywords"]) == len(set(citation["keywords"])) > 0


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name)
def test_issue_forms_are_as_their_format_wants(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "config.yml":
        assert form == {"blank_issues_enabled": True}
        return
    assert set(form) == {"name", "description", "labels", "body"}
    identities = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(identities) == len(set(identities)) > 1
    for field in form["body"]:
        assert field["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
        assert field["attributes"]["value" if field["type"] == "markdown" else "label"]


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["title"] == "cortexclip"
    assert citation["version"] == __version__
    assert citation["license"] in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"{__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
