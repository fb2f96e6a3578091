"""The explorer in a real browser: what it shows and how it is used, and that it loads nothing."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import sys
from base64 import b64decode
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from PIL import Image
from selenium.webdriver.support.ui import WebDriverWait

from cortexclip.tables.statistics import UNDECIDABLE, conclusion

ROOT = Path(__file__).resolve().parents[2]
VIEWS = ["overview", "comparison", "gallery", "tests", "ablation", "claims", "audit", "training", "runs"]
HOSTILE = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1"> <!-- {{ x }} %s & "q" \\'


@pytest.fixture(scope="module")
def explorer():
    """The benchmark of the explorer, which makes results and opens the browser."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        spec = importlib.util.spec_from_file_location("benchmark_explorer", ROOT / "benchmarks/explorer.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return module


@pytest.fixture(scope="module")
def chromium(explorer):
    if explorer.chromium() is None:
        pytest.skip("Chromium and its driver are not installed (apt-get install chromium chromium-driver)")
    with explorer.browser() as driver:
        driver.get("about:blank")
        logs(driver)  # those of the browser's own first page
        yield driver


@pytest.fixture(scope="module")
def page(finished) -> Path:
    return finished.path / "results/report/index.html"


@pytest.fixture
def opened(chromium, page):
    """Opens a view of the page of the small run, at desktop width; afterwards there must be nothing to complain about."""
    logs(chromium)
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    yield lambda link="overview": visit(chromium, page, link)
    assert_clean(chromium)


def visit(driver, page, link):
    driver.get("about:blank")
    driver.get(f"{page.as_uri()}#{link}")
    ready = "return document.documentElement.dataset.ready"
    WebDriverWait(driver, 30).until(lambda page: page.execute_script(ready) == "true")  # a busy machine takes its time
    if link.startswith("gallery"):
        painted(driver)
    return driver


def painted(driver):
    script = (
        "const done = arguments[0]; const look = () => document.querySelector('.board').hasAttribute('data-painted')"
    )
    driver.execute_async_script(f"{script} ? done() : setTimeout(look, 5); look();")


def logs(driver):
    return driver.get_log("browser"), driver.get_log("performance")


def assert_clean(driver):
    console, events = logs(driver)
    assert [entry["message"] for entry in console] == []
    messages = [json.loads(entry["message"])["message"] for entry in events]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert urls, "the log of requests is empty, so it would show none"
    assert [url for url in urls if not url.startswith(("file:", "data:", "blob:", "about:"))] == []


def select(driver, view, key, value):
    script = """const control = document.querySelector(`#view-${arguments[0]} select[data-key=${arguments[1]}]`);
    control.value = arguments[2]; control.dispatchEvent(new Event("change")); return control.value;"""
    assert driver.execute_script(script, view, key, value) == value


def texts(driver, selector):
    script = "return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)"
    return driver.execute_script(script, selector)


def numbers(driver, selector):
    return [float(re.match(r"[−\d.]+", text).group().replace("−", "-")) for text in texts(driver, selector)]


def test_it_is_made_of_the_same_bytes_again_and_small(finished, page, tmp_path):
    again = tmp_path / "index.html"
    options = ["--plan", "results/plan.json", "--results", "results", "--published", "config/published.yaml"]
    done = finished.python("-m", "cortexclip", "report", *options, "--output", str(again))
    assert done.returncode == 0, done.stdout
    assert again.read_bytes() == page.read_bytes()
    assert len(again.read_bytes()) < 10e6


def test_every_view_opens_and_says_something(opened):
    for view in VIEWS:
        driver = opened(view)
        shown = driver.execute_script(
            "return [...document.querySelectorAll('.view')].filter((v) => !v.hidden).map((v) => v.id)"
        )
        assert shown == [f"view-{view}"]
        assert texts(driver, "nav a[aria-current=page]") == texts(driver, f"#heading-{view}")
        assert len(texts(driver, f"#view-{view} .body")[0]) > 40
    assert not re.search(r"\b(undefined|NaN|null|\[object)", " ".join(texts(driver, "main")))


def test_the_comparison_has_the_tables_numbers_and_sorts(opened, finished):
    driver = opened("comparison?dataset=simulated&protocol=holdout&metric=mse")
    table = pd.read_csv(finished.path / "results/tables/comparison.csv")
    ours = table[(table.metric == "mse") & (table.protocol == "holdout")]["mean"].sort_values()
    value = "#view-comparison tbody tr:has(.method) td:nth-child(2)"
    np.testing.assert_allclose(numbers(driver, value), ours, atol=5e-3)
    header = "#view-comparison th:nth-child(2)"
    for order, expected in (("ascending", ours), ("descending", ours[::-1])):
        driver.execute_script(f"document.querySelector('{header} button').click()")
        assert driver.execute_script(f"return document.querySelector('{header}').getAttribute('aria-sort')") == order
        np.testing.assert_allclose(numbers(driver, value), expected, atol=5e-3)
        assert driver.execute_script("return document.activeElement.dataset.sort") == "value"


def test_the_comparison_is_filtered(opened):
    driver = opened("comparison")
    groups = "#view-comparison tr.group th > span:first-child"
    assert len(texts(driver, groups)) == 3
    select(driver, "comparison", "protocol", "unseen")
    assert [text.endswith("unseen images") or "unseen" in text for text in texts(driver, groups)] == [True]
    select(driver, "comparison", "encoder", "glyphclip")
    methods = "#view-comparison tbody th[scope=row] .method"
    names = texts(driver, methods)
    assert len(names) == 4 and all("GlyphCLIP" in name for name in names)
    script = "const input = document.querySelector('#view-comparison input'); input.value = 'contrastive'; input.dispatchEvent(new Event('input'))"
    driver.execute_script(script)
    assert len(texts(driver, methods)) == 2
    assert "find=contrastive" in driver.execute_script("return location.hash")


def test_the_files_that_a_view_links_to_are_there(opened, finished):
    report = finished.path / "results/report"
    read = "return [...document.querySelectorAll(`#view-${arguments[0]} .files a`)].map((a) => a.getAttribute('href'))"
    for view in VIEWS:
        links = opened(view).execute_script(read, view)
        assert all((report / unquote(link)).is_file() for link in links)
        assert bool(links) == (view != "runs")
    driver = opened("gallery?protocol=unseen")
    links = set(driver.execute_script(read, "gallery"))
    expected = {"../figures/reconstructions.unseen.simulated.png", "../figures/reference/unseen/simulated.pdf"}
    assert expected <= links and not any("holdout" in link for link in links)


def test_ties_are_shown_as_the_tests_found_them(opened, finished):
    driver = opened("comparison?protocol=holdout&metric=mse")
    leaders = pd.read_csv(finished.path / "results/tables/leaders.csv")
    here = leaders[(leaders.protocol == "holdout") & (leaders.metric == "mse")]
    chips = texts(driver, "#view-comparison tbody td:nth-child(5) .chip")
    assert sum(text.startswith("leads") for text in chips) == here.leader.sum() == 1
    assert sum(text == "reference, worse than the leader" for text in chips) == (here.rival & ~here.tied).sum()


def test_the_gallery_shows_the_images_and_flips(opened, finished):
    driver = opened("gallery?protocol=holdout")
    dataset = xr.load_dataset(finished.path / "results/data/simulated.nc", engine="h5netcdf")
    predictions = xr.load_dataset(
        finished.path / "results/runs/holdout/simulated/ridge/predictions.nc", engine="h5netcdf"
    )
    name = next(text for text in texts(driver, ".strip .name") if text == "ridge")
    first = predictions.sample.values.min()
    at = list(predictions.sample.values).index(first)
    strip = f"[...document.querySelectorAll('.strip')].find((s) => s.querySelector('.name')?.textContent === '{name}')"
    for canvas, image in (
        ("document.querySelector('.strip.seen canvas')", dataset.stimuli.values[first]),
        (f"{strip}.querySelector('canvas')", predictions.image.values[0, at]),
    ):
        data = driver.execute_script(f"return {canvas}.toDataURL()").partition(",")[2]
        drawn = np.asarray(Image.open(io.BytesIO(b64decode(data))).convert("L"))[:72, :72] / 255
        centres = ((np.arange(28) + 0.5) * 72 / 28).astype(int)
        np.testing.assert_allclose(drawn[np.ix_(centres, centres)], np.clip(image, 0, 1), atol=0.01)
    where, before = (
        texts(driver, ".where"),
        driver.execute_script(f"return {strip}.querySelector('canvas').toDataURL()"),
    )
    driver.execute_script("document.querySelector('[data-flip=next]').click()")
    painted(driver)
    assert texts(driver, ".where") != where
    assert driver.execute_script(f"return {strip}.querySelector('canvas').toDataURL()") != before
    select(driver, "gallery", "seed", "1")
    painted(driver)
    assert "seed 2 of 2" in texts(driver, ".strip .label .note")
    select(driver, "gallery", "protocol", "unseen")
    select(driver, "gallery", "fold", "2")
    scored = xr.load_dataset(finished.path / "results/runs/unseen/simulated/ridge/predictions.nc", engine="h5netcdf")
    assert f"of {int((scored.fold == 2).sum())}" in texts(driver, ".where")[0]


def test_a_trial_has_its_scores_and_what_was_retrieved(opened, finished):
    driver = opened("gallery?protocol=holdout")
    driver.execute_script("document.querySelector('.pick').click()")
    assert driver.execute_script("return document.querySelector('dialog').open")
    trial = int(texts(driver, "#trial-title")[0].split()[1])
    scores = pd.read_parquet(finished.path / "results/scores/holdout/simulated.parquet").query("method == 'ridge'")
    [expected] = scores[(scores.metric == "mse") & (scores["sample"] == trial)].value
    names = [text.split()[0] for text in texts(driver, "dialog tbody th")]
    rows = dict(zip(names, texts(driver, "dialog tbody td:nth-child(3)"), strict=True))
    assert float(rows["ridge"]) == pytest.approx(expected, abs=5e-5)
    assert "sample" not in rows
    file = finished.path / "results/scores/holdout/simulated.similarity.nc"
    similarity = xr.load_dataset(file, engine="h5netcdf", group="ridge_clip.glyphclip")
    row = list(similarity.sample.values).index(trial)
    best = similarity.gallery.values[np.argsort(-similarity.similarity.values[0, row], kind="stable")[:5]]
    right = "return [...document.querySelectorAll('dialog tbody tr')].find((row) => row.textContent.startsWith('ridge_clip.glyphclip')).querySelectorAll('.right').length"
    assert driver.execute_script(right) == int(similarity.shown.values[row] in best)


def test_a_link_restores_a_view(opened, chromium, page):
    driver = opened("tests")
    select(driver, "tests", "protocol", "unseen")
    select(driver, "tests", "metric", "pixcorr")
    select(driver, "tests", "reference", "mean_image")
    link, body = driver.execute_script("return location.hash"), texts(driver, "#view-tests .body")
    assert link == "#tests?protocol=unseen&metric=pixcorr&reference=mean_image"
    assert texts(visit(driver, page, link[1:]), "#view-tests .body") == body
    driver = opened("gallery")
    driver.execute_script("document.querySelectorAll('.picker input')[1].click()")
    link, names = driver.execute_script("return location.hash"), texts(driver, ".strip .name")
    assert texts(visit(driver, page, link[1:]), ".strip .name") == names
    assert len(names) == len(texts(driver, ".picker fieldset label")) - 1
    visit(driver, page, "tests?metric=nonsense&protocol=none&x=<b>")
    assert texts(driver, "#view-tests tbody tr"), "an unknown word in a link falls back to what there is"


def test_it_is_used_by_keyboard(opened, chromium):
    from selenium.webdriver import ActionChains, Keys

    def press(*keys):
        ActionChains(chromium).send_keys(*keys).perform()

    driver = opened("overview")
    press(Keys.TAB)
    assert driver.execute_script("return document.activeElement.className") == "skip"
    assert driver.execute_script("return document.activeElement.getBoundingClientRect().left") >= 0
    for _ in range(2 + VIEWS.index("gallery") + 1):  # two buttons, then the views
        press(Keys.TAB)
    assert driver.execute_script("return document.activeElement.dataset.view") == "gallery"
    assert driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press(Keys.ENTER)
    painted(driver)
    assert driver.execute_script("return location.hash") == "#gallery"
    driver.execute_script("document.querySelector('[data-flip=next]').focus()")
    where = texts(driver, ".where")
    press(Keys.ARROW_RIGHT)
    painted(driver)
    assert texts(driver, ".where") != where
    press(Keys.ARROW_LEFT)
    painted(driver)
    assert texts(driver, ".where") == where
    driver.execute_script("document.querySelector('.pick').focus()")
    press(Keys.ENTER)
    first = texts(driver, "#trial-title")
    driver.execute_script("document.querySelector('[data-step=\"1\"]').focus()")
    press(Keys.ENTER)
    assert texts(driver, "#trial-title") != first
    assert driver.execute_script("return document.activeElement.dataset.step") == "1"
    press(Keys.ESCAPE)
    assert not driver.execute_script("return document.querySelector('dialog').open")
    assert "trial=" not in driver.execute_script("return location.hash")


def test_a_phone_scrolls_down_only(opened, chromium):
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    for view in VIEWS:
        opened("overview")
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver = opened(view)
        assert driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [390, 390], view


NAMELESS = """
const name = (node) => node.getAttribute("aria-label") || node.textContent.trim() ||
  (node.labels && node.labels[0] && node.labels[0].textContent.trim());
const all = (selector) => [...document.querySelectorAll(selector)];
return [
  ...all("button, a, select, input, canvas, svg[role=img], dialog[open], nav, [role=region]").filter((node) => !name(node)),
  ...all("table").filter((node) => !node.caption && !node.getAttribute("aria-label")),
  ...all("th").filter((node) => !node.scope),
  ...all("svg:not([role=img])").filter((node) => node.getAttribute("aria-hidden") !== "true"),
  ...all(".scroll").filter((node) => node.tabIndex !== 0),
  ...all("[id]").filter((node, at, nodes) => nodes.findIndex((other) => other.id === node.id) !== at),
].map((node) => node.outerHTML.slice(0, 200));
"""


def test_everything_has_a_name_for_those_who_listen(opened):
    for link in [*VIEWS, "gallery?protocol=holdout"]:
        driver = opened(link)
        assert driver.execute_script(NAMELESS) == [], link
    assert driver.execute_script("return [document.documentElement.lang, document.querySelectorAll('h1').length]") == [
        "en",
        1,
    ]


def test_print_shows_every_view(opened):
    driver = opened("audit")
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    shown = driver.execute_script(
        "return [...document.querySelectorAll('.view')].map((view) => view.offsetHeight > 100)"
    )
    assert shown == [True] * len(VIEWS)
    driver.execute_script("dispatchEvent(new Event('afterprint'))")
    assert sum(driver.execute_script("return [...document.querySelectorAll('.view')].map((view) => !view.hidden)")) == 1


@pytest.fixture(scope="module")
def made(explorer, tmp_path_factory):
    """A page of simulated results of so many methods, whose names and texts are ``text``; and the results folder."""

    def make(methods: int, text: str, spoil=lambda results: None, published=None) -> Path:
        results = tmp_path_factory.mktemp("results")
        explorer.write_results(results, explorer.simulated_plan(1, methods, text), 6, text)
        explorer.make_tables(results)
        spoil(results)
        explorer.make_page(results, results / "report/index.html", published or explorer.PUBLISHED)
        return results / "report/index.html"

    return make


def planted(results: Path, text: str = "Net") -> None:
    """Claims and a paper's table as if some of the numbers had been measured again, their words ``text``."""
    plan = json.loads((results / "plan.json").read_text())
    about = {"title": text, "notes": [], "judges": True}
    plan["sources"]["datasets"] = {
        "miyawaki": {**about, "stands_for": "miyawaki", "brain_data": True},
        "crell_constant": {**about, "stands_for": "crell", "brain_data": False},
    }
    (results / "plan.json").write_text(json.dumps(plan))
    folder = results / "tables"
    claims, paper = (pd.read_csv(folder / f"{name}.csv") for name in ("claims", "paper"))
    measured = {"remeasured": 0.0325, "smallest": 0.031, "largest": 0.034, "n_seeds": 4, "reason": np.nan}
    document = claims.source.str.startswith("cccv1_document") & (claims.kind == "number") & claims.part.isna()
    for dataset, measured_on, outcome in (
        ("miyawaki", "miyawaki", "not reproduced"),
        ("crell", "crell_constant", "reproduced without brain data"),
    ):
        rows = document & (claims.dataset == dataset)
        for key, value in {**measured, "measured_on": measured_on, "outcome": outcome}.items():
            claims[key] = claims[key].astype(object)
            claims.loc[rows, key] = value
        own = paper.dataset == dataset
        paper.loc[own, ["remeasured", "low", "high"]] = [0.0325, 0.031, 0.034]
    claims["control"] = claims.control.astype(object)
    claims.loc[document, ["control", "control_value"]] = [text, 0.5]
    stood = paper[paper.dataset == "crell"].assign(dataset="crell_constant")
    pd.concat([paper, stood]).to_csv(folder / "paper.csv", index=False)
    claims.to_csv(folder / "claims.csv", index=False)
    numbers = {"brain_data": False, "n_train": 1, "n_test": 1, "n_stimuli": 10, "constant_mse": 0.0323}
    pd.DataFrame([{"dataset": "crell_constant", "stands_for": "crell", **numbers}]).to_csv(
        folder / "source_datasets.csv", index=False
    )


def test_the_overview_opens_with_the_answers_and_the_papers_table(made, chromium):
    driver = visit(chromium, made(2, "Simulated", planted), "overview")
    tables = "#view-overview .paper table"
    answers = texts(driver, "#view-overview .answers .answer")
    assert len(answers) == 1 and "method0" in answers[0] and "leads" in answers[0]
    assert texts(driver, "#view-overview .paper > div:first-child tbody th") == [
        *("Brain-Diffuser", "MinD-Vis", "CCCV1"),
        *("method0", "Best control", "method1 (ours)"),
    ]
    assert texts(driver, "#view-overview .paper > div:first-child thead th")[1:] == [
        *("miyawaki", "vangerven", "mindbigdata", "crell")
    ]
    cell = "#view-overview .paper > div:first-child tbody tr:nth-child(3) td:nth-child({})"
    assert texts(driver, cell.format(2) + " .values span:nth-child(even)")[:2] == [
        "0.009569",
        "0.0325 [0.0310, 0.0340]",
    ]
    assert texts(driver, cell.format(2) + " .chip") == ["not reproduced"]
    assert texts(driver, cell.format(5) + " .chip") == ["reproduced without brain data"]
    assert "no brain data: crell_constant" in texts(driver, cell.format(5))[0]
    assert "withdrawn, corrected later, chosen on test data" in texts(driver, cell.format(5))[0]
    links = driver.execute_script(f"return [...document.querySelectorAll('{tables} a')].map((a) => a.href)")
    assert len(links) == 12 and all(link.startswith("https://github.com/") for link in links)
    second = texts(driver, "#view-overview .paper > div:nth-child(2) tbody tr")
    assert len(second) == 1 and "no brain data" in second[0] and "0.0323" in second[0]
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for view in ("overview", "claims?source=cccv1_document"):
            driver = visit(chromium, made_page(driver), view)
            assert driver.execute_script("return document.documentElement.scrollWidth") == 390
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert_clean(chromium)


def made_page(driver) -> Path:
    """The file that the browser has open."""
    return Path(driver.execute_script("return decodeURIComponent(location.pathname)"))


def test_claims_are_grouped_filtered_and_folded(made, chromium):
    driver = visit(chromium, made(2, "Simulated", planted), "claims")
    shown = (
        "return [...document.querySelectorAll('#view-claims tbody tr:not(.group)')].filter((row) => !row.hidden).length"
    )
    assert driver.execute_script(shown) == 0, "with so many rows all groups are folded"
    assert texts(driver, "#view-claims caption") == ["Published numbers, by source", "Verbal claims, by source"]
    first = "#view-claims .fold"
    driver.execute_script(f"document.querySelector('{first}').click()")
    assert driver.execute_script(f"return document.querySelector('{first}').getAttribute('aria-expanded')") == "true"
    assert driver.execute_script(shown) == 5, "the source's text and its four rows"
    driver.execute_script("document.getElementById('theme').click()")
    assert driver.execute_script(shown) == 5
    select(driver, "claims", "outcome", "reproduced without brain data")
    assert texts(driver, "#view-claims caption") == ["Published numbers, by source"]
    rows = "#view-claims tbody tr:not(.group):not(.about)"
    assert len(texts(driver, rows)) == 3 == driver.execute_script(shown) - len(texts(driver, "#view-claims .about"))
    assert all("on crell_constant, no brain data" in text for text in texts(driver, rows))
    select(driver, "claims", "source", "cccv1_document")
    assert len(texts(driver, rows)) == 1
    about = texts(driver, "#view-claims .about")[0]
    assert "Adam (betas 0.9, 0.999)" in about and "TABLE CONTAINS INVALID RESULTS" in about
    [group] = texts(driver, "#view-claims .group a")
    assert "row CCCV1" in group
    visit(chromium, made_page(driver), "claims?source=cccv1_summary")
    assert texts(driver, "#view-claims caption") == ["Verbal claims, by source"]
    assert_clean(chromium)


def hostile_sources(folder: Path) -> str:
    """A published.yaml whose sources' words are hostile."""
    published = yaml.safe_load((ROOT / "config/published.yaml").read_text())
    for source in published["sources"].values():
        source.update({key: HOSTILE for key in ("title", "claimed", "procedure", "differs")})
        source["status"] = [{**status, "note": HOSTILE} for status in source["status"]]
    path = folder / "published.yaml"
    path.write_text(yaml.safe_dump(published))
    return str(path)


def test_serious_findings_stand_beside_scores_in_every_view_that_has_any(made, chromium):
    def with_honest_values(results):
        planted(results)
        claims = pd.read_csv(results / "tables/claims.csv")
        rows = (claims.dataset == "miyawaki") & (claims.kind == "number")
        claims["honest_protocol"] = claims.honest_protocol.astype(object)
        claims.loc[rows, ["honest_protocol", "honest"]] = ["holdout", 0.5]
        claims.loc[rows, "dataset"] = "simulated0"
        claims.to_csv(results / "tables/claims.csv", index=False)

    page = made(2, "Simulated", with_honest_values)
    driver = visit(chromium, page, "gallery")
    mark = " (simulated responses)"
    assert set(texts(driver, ".strip:not(.seen) .label .mark .visually-hidden")) == {mark}
    driver.execute_script("document.querySelector('.pick').click()")
    assert texts(driver, "dialog .badges li") == ["simulated responses"]
    driver = visit(chromium, page, "training")
    cost = "#view-training table:first-of-type tbody tr"
    assert texts(driver, "#view-training .badges:has(+ figure) li") == ["simulated responses"]
    assert len(texts(driver, cost)) == 2 == len(texts(driver, f"{cost} .mark"))
    driver = visit(chromium, page, "claims?dataset=simulated0")
    assert set(texts(driver, "#view-claims td:nth-child(6) .mark .visually-hidden")) == {mark}
    chips = texts(visit(chromium, page, "comparison"), "#view-comparison .chip")
    assert f"leads; {conclusion(UNDECIDABLE, '')}" in chips, "with six images"
    assert_clean(chromium)


def test_text_from_data_stays_text(made, chromium, tmp_path):
    page = made(2, HOSTILE, lambda results: planted(results, HOSTILE), hostile_sources(tmp_path))
    for view in VIEWS:
        driver = visit(chromium, page, view)
        assert driver.execute_script("return window.hacked") is None
        assert driver.execute_script("return document.querySelectorAll('img, main script').length") == 0
    assert any(HOSTILE in text for text in texts(driver, "dd, .card p"))
    assert any(HOSTILE in text for text in texts(visit(chromium, page, "audit"), "td"))
    assert any(HOSTILE in text for text in texts(visit(chromium, page, "overview"), ".paper td, .paper th"))
    claims = texts(visit(chromium, page, "claims"), ".claims .group a, .claims dd")
    assert HOSTILE in claims and any(text.startswith(f"{HOSTILE} Where") for text in claims)
    assert any(HOSTILE in text for text in texts(visit(chromium, page, "comparison"), ".method"))
    assert_clean(chromium)


def test_what_is_not_there_is_said(made, chromium):
    def empty(results):
        for name in ("claims", "audit"):
            path = results / f"tables/{name}.csv"
            path.write_text(path.read_text().partition("\n")[0] + "\n")

    page = made(1, "Lonely", empty)
    for view, words in {
        "overview": "This configuration measures none of the published table's numbers.",
        "claims": "No number has been published",
        "audit": "has no findings",
        "ablation": "so no part's contribution can be measured",
        "tests": "No pair of methods was tested here.",
        "training": "no curves",
    }.items():
        driver = visit(chromium, page, view)
        assert words in texts(driver, f"#view-{view} .body")[0]
    assert_clean(chromium)
