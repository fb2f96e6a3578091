"""How long the explorer takes to be made, to open and to flip, with 5 datasets, 20 methods and 100 images of each.

The results are simulated: blurred stimuli, and noisy copies of them as reconstructions, scored as the workflow does.
The page is opened in headless Chromium (apt: chromium, chromium-driver), driven by selenium. Three minutes on one core,
most of them for the results.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/explorer.py [--fast] [--write]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from report import ROOT, Report, Row, Timing, arguments, finish, versions
from scipy.ndimage import gaussian_filter

from cortexclip import __main__ as cortexclip
from cortexclip.configuration.plan import Plan
from cortexclip.data import dataset as datasets
from cortexclip.evaluation.ceiling import ceilings_of
from cortexclip.evaluation.score import combine_scores, scores_of, similarity_of
from cortexclip.evaluation.spurious import collapse_of
from cortexclip.results.runs import history_table, read_predictions, write_predictions
from cortexclip.runtime.arrays import write_groups, write_parquet
from cortexclip.runtime.files import write_json, write_text

PUBLISHED = str(ROOT / "config/published.yaml")
PROTOCOLS = {
    "holdout": {"title": "holdout", "honest": "split", "note": "An inner part of the training samples chooses."},
}
FEATURES = 16
OPENING_WANTED, FLIP_WANTED = 2.0, 0.1
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)


def simulated_plan(n_datasets: int, n_methods: int, title: str = "Simulated") -> Plan:
    """A plan whose every second method predicts embeddings."""
    runs = {}
    for number in range(n_methods):
        method, encoder = f"method{number}", "space" if number % 2 else "none"
        runs[method if encoder == "none" else f"{method}.{encoder}"] = {
            **{"method": method, "encoder": encoder, "fits": 3 if number % 2 else 1, "title": f"{title} {number}"},
            **{"published": None, "ablates": None, "control": number == 0, "note": f"{title}: a note."},
            "role": {0: "reference", 1: "ours"}.get(number),
        }
    names = [f"simulated{number}" for number in range(n_datasets)]
    about = {"notes": ["Random images."], "simulated": True}
    return Plan.of(
        {
            "datasets": {name: {"title": f"{title}, {name}", **about} for name in names},
            "protocols": {name: {**entry, "average": "sample", "folds": None} for name, entry in PROTOCOLS.items()},
            "encoders": {"space": f"{title} space"},
            "runs": runs,
            "cells": {name: list(runs) for name in names},
            "ablations": {name: [] for name in names},
            "not_applicable": {},
            "unavailable": {},
            "sources": {"datasets": {}, "protocols": {}, "runs": {}, "names": [], "cells": [], "seeds": 3},
            "seeds": 3,
            "judge": None,
        }
    )


def write_results(results: Path, plan: Plan, images: int, text: str = "Simulated") -> None:
    """A results folder of a plan, with ``images`` scored samples for each dataset, as far as the report reads it."""
    rng = np.random.default_rng(0)
    write_text(results / "plan.json", plan.as_json())
    for name in plan.datasets:
        stimuli = np.clip(4 * gaussian_filter(rng.normal(size=(images + 10, 28, 28)), (0, 3, 3)), 0, 1)
        part = np.where(np.arange(len(stimuli)) < 10, "train", "test")
        attributes = {"name": name, "title": text, "source": text, "citation": text, "simulated": True}
        dataset = datasets.labelled(rng.normal(size=(len(stimuli), 20)), stimuli, part, attributes)
        datasets.write(dataset, results / f"data/{name}.nc")
        finding = {"scope": "dataset", "check": "sample_size", "severity": "notable", "numbers": {}}
        findings = [{**finding, "message": text, "meaning": text}]
        write_json(results / f"audit/{name}.json", {"dataset": name, "findings": findings})
        for protocol in plan.protocols:
            sample = np.arange(10, len(stimuli))
            split = split_of(sample)
            write_parquet(results / f"splits/{protocol}/{name}.parquet", split)
            scores, similarities, collapsed, ceilings = [], {}, [], []
            for index, (run, about) in enumerate(plan.runs.items()):
                table, similarity = write_run(results, dataset, protocol, run, about, sample, 0.1 + 0.02 * index, rng)
                scores.append(table)
                similarities |= {} if similarity is None else {run: similarity}
                predictions = read_predictions(results / f"runs/{protocol}/{name}/{run}/predictions.nc")
                collapsed.append(collapse_of(dataset, predictions, [np.arange(10)], None))
                ceilings += ceilings_of(dataset, predictions, None)
            write_parquet(results / f"scores/{protocol}/{name}.collapse.parquet", pd.DataFrame(collapsed))
            write_parquet(results / f"scores/{protocol}/{name}.ceiling.parquet", pd.DataFrame(ceilings))
            write_parquet(results / f"scores/{protocol}/{name}.parquet", combine_scores(scores))
            write_groups(results / f"scores/{protocol}/{name}.similarity.nc", similarities)


def split_of(scored: np.ndarray) -> pd.DataFrame:
    """One fold that trains on the first ten samples."""
    samples, roles = np.concatenate([np.arange(10), scored]), np.repeat(["train", "score"], [10, len(scored)])
    return pd.DataFrame({"fold": np.int32(0), "role": roles, "sample": samples.astype(np.int32)})


def write_run(results: Path, dataset, protocol, run, about, sample, noise, rng):
    """Files of one run, whose images are the stimuli with noise; every second run has embeddings, one draws.

    Returns its scores, and its similarities if it has embeddings.
    """
    name, seeds = dataset.attrs["name"], about.fits
    stimuli = dataset.stimuli.values[sample]
    fold = np.zeros(len(sample), np.int32)
    shape = (seeds, *stimuli.shape)
    images = np.clip(stimuli * 0.8 + noise * 2 * gaussian_filter(rng.normal(size=shape), (0, 0, 1, 1)), 0, 1)
    extra, features = {}, None
    if about.encoder != "none":
        features = xr.Dataset(
            {"embedding": (("stimulus", "feature"), rng.normal(size=(dataset.sizes["sample"], FEATURES)))},
            coords={"stimulus": dataset.stimulus.values},
        )
        embedding = features.embedding.values[sample] + rng.normal(size=(seeds, len(sample), FEATURES))
        nearest = dataset.stimuli.values[rng.integers(0, 10, (seeds, len(sample)))]
        extra = {"embedding": embedding, "nearest": nearest}
    draws = np.stack([images, images], axis=1) if run == "method1.space" else None
    attributes = {"protocol": protocol, "method": about.method, "encoder": about.encoder}
    folder = results / "runs" / protocol / name / run
    write_predictions(folder / "predictions.nc", images, sample, fold, draws=draws, **extra, attributes=attributes)
    rows = [
        {"fold": 0, "seed": seed, "stage": "refit", "epoch": epoch, "quantity": "train_loss", "value": 1 / epoch}
        for seed in range(seeds)
        for epoch in range(1, 60)
    ]
    write_parquet(folder / "history.parquet", history_table(rows if extra else []))
    fits = [{"fold": 0, "seed_index": s, "seed": s, "seconds": 1.0, "parameters": 10} for s in range(seeds)]
    record = {
        **{"dataset": name, "dataset_sha256": "", "module": "simulated", "settings": {"noise": noise}, "fits": fits},
        **{"base_seed": 0, "code": "none", "seconds": 3.0, "started": "2026-01-01T00:00:00+00:00", "optimistic": False},
        **{"machine": {"processor": "none"}, "versions": {}},
    }
    write_json(folder / "run.json", record)
    predictions = read_predictions(folder / "predictions.nc")
    similarity = None if features is None else similarity_of(dataset, predictions, features)
    return scores_of(dataset, predictions, features), similarity


def make_tables(results: Path) -> None:
    """The tables of a results folder, in which nothing was trained as a source did it, with few resamples."""
    plan, tables = str(results / "plan.json"), str(results / "tables")
    options = ["--published", PUBLISHED, "--resamples", "100", "--reference", "method0"]
    stage("tables", "--plan", plan, "--results", str(results), *options, "--output", tables)


def make_page(results: Path, page: Path, published: str = PUBLISHED) -> None:
    """The explorer of a results folder."""
    plan = str(results / "plan.json")
    options = ["--published", published, "--reference", "method0", "--output", str(page)]
    stage("report", "--plan", plan, "--results", str(results), *options)


def stage(*words: str) -> None:
    if cortexclip.main(list(words)):
        raise SystemExit(f"{words[0]} failed")


def chromium() -> tuple[str, str] | None:
    """Chromium and its driver; None if they are not installed."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (binary, driver) if binary and driver else None


@contextmanager
def browser(width: int = 1280, height: int = 900) -> Iterator:
    """Headless Chromium with a new, empty profile; SystemExit if it is not installed."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    if not (installed := chromium()):
        raise SystemExit("Chromium or its driver is not installed (apt-get install chromium chromium-driver).")
    binary, driver = installed
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        found = webdriver.Chrome(options=options, service=Service(driver))
        try:
            found.set_script_timeout(60)
            yield found
        finally:
            found.quit()


PAINTED = """
const done = arguments[arguments.length - 1];
const start = performance.now();
const board = document.querySelector(".board");
const look = () => board.hasAttribute("data-painted")
  ? requestAnimationFrame(() => setTimeout(() => done(performance.now() - start), 0)) : setTimeout(look, 1);
{action}
look();
"""
NEXT = 'document.querySelector("[data-flip=next]").click();'
CHOOSE = (
    'const select = document.querySelector("#view-gallery select[data-key={key}]"); select.selectedIndex = {index};'
    'select.dispatchEvent(new Event("change"));'
)


def opening(page: Path, repeats: int) -> dict[str, Timing]:
    """Seconds from the start of the navigation until the page is ready, and until the gallery is drawn."""
    found: dict[str, list[float]] = {"overview": [], "gallery": []}
    for _ in range(repeats):
        for view, seconds in found.items():
            with browser() as driver:
                driver.get(f"{page.as_uri()}#{view}")
                if view == "gallery":
                    driver.execute_async_script(PAINTED.replace("{action}", ""))
                    seconds.append(driver.execute_script("return performance.now()") / 1e3)
                else:
                    paint = "performance.getEntriesByType('paint').map((entry) => entry.startTime)"
                    ready = "performance.getEntriesByName('ready')[0].startTime"
                    seconds.append(driver.execute_script(f"return Math.max({ready}, ...{paint})") / 1e3)
    return {view: Timing.of(seconds) for view, seconds in found.items()}


def flipping(page: Path, repeats: int) -> dict[str, Timing]:
    """Seconds from a click until all images of the gallery are drawn."""
    found: dict[str, list[float]] = {"next images": [], "another seed": [], "another dataset": []}
    with browser() as driver:
        driver.get(f"{page.as_uri()}#gallery")
        driver.execute_async_script(PAINTED.replace("{action}", ""))
        for repeat in range(repeats):
            for what, action in {
                "next images": NEXT,
                "another seed": CHOOSE.format(key="seed", index=1 - repeat % 2),
                "another dataset": CHOOSE.format(key="dataset", index=(repeat + 1) % 2),
            }.items():
                milliseconds = driver.execute_async_script(PAINTED.replace("{action}", action))
                found[what].append(milliseconds / 1e3)
    return {what: Timing.of(seconds) for what, seconds in found.items()}


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=5)
    n_datasets, n_methods, images = (2, 4, 12) if options.fast else (5, 20, 100)
    with tempfile.TemporaryDirectory() as folder:
        results, page = Path(folder) / "results", Path(folder) / "index.html"
        write_results(results, simulated_plan(n_datasets, n_methods), images)
        make_tables(results)
        start = time.perf_counter()
        make_page(results, page)
        made = time.perf_counter() - start
        size = page.stat().st_size / 1e6
        opened, flipped = opening(page, options.repeats), flipping(page, options.repeats)
    what = f"{n_datasets} datasets, {n_methods} methods, {images} images"
    rows = [
        Row(f"making the page of {what}", Timing.of([made])),
        Row("size of the page", Timing.of([size]), unit="MB"),
        Row("opening the page until it is painted", opened["overview"], note=f"wanted below {OPENING_WANTED:g} s"),
        Row("opening it at the gallery until all images are drawn", opened["gallery"]),
        *(
            Row(f"gallery, {name}: from click to drawn", timing, note=f"wanted below {FLIP_WANTED:g} s")
            for name, timing in flipped.items()
        ),
    ]
    packages = versions(("numpy", "pillow", "selenium"))
    with browser() as driver:
        packages["chromium"] = driver.capabilities["browserVersion"]
    finish(Report("explorer", "The explorer in headless Chromium", rows, versions=packages), options)


if __name__ == "__main__":
    sys.exit(main())
