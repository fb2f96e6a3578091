"""A user's mistakes, through the whole workflow: one clear message, a status that is not zero, nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
import yaml

ENTRY = {
    **{key: "mine" for key in ("title", "modality", "source", "licence", "citation")},
    **{"reader": "cortexclip.data.arrays", "notes": [], "file": "mine.mat", "how": "Ask me."},
    **{"pixel_order": "row-major", "labels": "none"},
}
CONFIG = {
    **{"datasets": ["mine"], "methods": ["mean_image", "ridge"], "encoders": [], "protocols": ["holdout"]},
    **{"bootstrap_resamples": 100, "overrides": {"datasets": {"mine": ENTRY}}},
}


def arrays(**changes) -> dict:
    rng = np.random.default_rng(0)
    content = {
        "fmriTrn": rng.normal(size=(20, 30)),
        "stimTrn": rng.integers(0, 256, size=(20, 784), dtype=np.uint8),
        "fmriTest": rng.normal(size=(6, 30)),
        "stimTest": rng.integers(0, 256, size=(6, 784), dtype=np.uint8),
    }
    return {key: value for key, value in {**content, **changes}.items() if value is not None}


def put(project, content: dict | bytes) -> None:
    path = project.path / "resources/data/mine.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        scipy.io.savemat(path, content)
    (project.path / "mine.yaml").write_text(yaml.safe_dump(CONFIG))


def truncated() -> bytes:
    import io

    stream = io.BytesIO()
    scipy.io.savemat(stream, arrays())
    return stream.getvalue()[:3000]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (truncated, "mine.mat"),
        (lambda: b"subject,voxel\n1,2\n" * 50, "mine.mat"),
        (lambda: arrays(stimTest=None), "no array 'stimTest'"),
        (lambda: arrays(fmriTrn=arrays()["stimTrn"].astype(float), stimTrn=arrays()["fmriTrn"]), "swapped"),
        (lambda: arrays(fmriTrn=np.full((20, 30), np.nan)), "NaN"),
        (lambda: arrays(fmriTest=np.zeros((6, 29))), "voxels"),
        (lambda: arrays(stimTrn=np.zeros((20, 783), np.uint8)), "783"),
    ],
    ids=["truncated", "text file", "missing array", "swapped arrays", "NaN", "other voxels", "no square image"],
)
def test_a_bad_file_is_one_clear_message(project, content, words):
    put(project, content())
    done = project.snakemake("results/data/mine.nc", "--configfile", "mine.yaml")
    assert done.returncode != 0
    printed = " ".join(done.stdout.split())  # without the breaks at the terminal's width
    assert words in printed.partition("! cortexclip ingest: ")[2]
    assert "Traceback" not in done.stdout
    assert not list((project.path / "results/data").glob("*"))


def test_an_own_file_goes_all_the_way_to_the_table(project):
    put(project, arrays())
    done = project.snakemake("--configfile", "mine.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "mine" in (project.path / "results/tables/comparison.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "sedes=3"], "unknown key 'sedes'. Did you mean 'seeds'"),
        (["--config", "methods=[rigde]"], "Did you mean 'ridge'"),
        (["--config", "strict=True"], "vangerven"),
    ],
)
def test_a_mistake_in_the_configuration_is_said_before_anything_runs(project, arguments, words):
    done = project.snakemake(*arguments)
    assert done.returncode != 0
    assert words in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout
    assert not (project.path / "results/data").exists()


@pytest.mark.slow
def test_what_is_not_there_is_said_in_the_tables_and_on_the_terminal(project):
    done = project.snakemake(
        *("--configfile", "config/small.yaml", "--config", "datasets=[simulated,miyawaki]"),
        *("methods=[mean_image,ridge]", "encoders=[clip]", "protocols=[holdout]"),
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Not available: miyawaki" in done.stdout
    text = (project.path / "results/tables/comparison.md").read_text()
    assert "miyawaki: miyawaki/miyawaki_structured_28x28.mat is not there" in text.replace("\\", "")
    assert "clip: ViT-B-32.pt is not there" in text


def test_a_job_that_fails_is_shown_as_failed_and_never_as_an_empty_cell(project):
    (project.path / "workflow/cortexclip/methods/mean_image.py").write_text(
        "from cortexclip.methods.interface import Method\n"
        "class Failing(Method):\n"
        "    def fit(self, data, seed, progress): raise RuntimeError('planted')\n"
    )
    done = project.snakemake(
        *("--configfile", "config/small.yaml", "--config"),
        *("methods=[mean_image,ridge]", "encoders=[]", "protocols=[holdout]"),
    )
    assert done.returncode != 0
    assert "planted" in done.stdout
    assert not (project.path / "results/tables/comparison.csv").exists()
    assert (project.path / "results/runs/holdout/simulated/ridge/run.json").exists()  # the others went on
