"""Snakemake's own report holds every table and figure, with caption, category and labels, and is made offline."""

from __future__ import annotations

import json
import re


def test_it_holds_every_table_and_figure(finished):
    done = finished.snakemake("--report", "report.html", "--configfile", "config/small.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    text = (finished.path / "report.html").read_text()
    results, _ = json.JSONDecoder().raw_decode(text, re.search(r"var results = (?={)", text).end())
    categories, _ = json.JSONDecoder().raw_decode(text, re.search(r"var categories = (?={)", text).end())
    made = finished.path / "results"
    tables = [path for kind in ("csv", "pdf") for path in made.glob(f"tables/*.{kind}")]
    assert {path.stem for path in tables} == {path.stem for path in made.glob("tables/*.*") if path.stem != "document"}
    wanted = [*tables, *made.glob("figures/**/*.png"), made / "report/index.html"]
    assert results.keys() == {path.relative_to(finished.path).as_posix() for path in wanted}
    for name, result in results.items():
        assert len(re.sub("<[^>]*>", "", result["caption"])) > 30, name
        if "figures" in name:
            assert result["labels"]["figure"] and (
                name.count("simulated") == (result["labels"].get("dataset") == "simulated")
            )
    assert set(categories) == {"Tables", "Figures", "Explorer"}
    assert len(categories["Figures"]) >= 10
