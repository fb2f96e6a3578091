"""Whether a value is reproduced: intervals against their closed form and their coverage; constant answers."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from scipy import stats
from sklearn.model_selection import KFold

from cortexclip.configuration.plan import Plan, Protocol, Sources
from cortexclip.evaluation.reproduction import Repeated, constant_error, improvements
from cortexclip.tables.remeasured import remeasured


@pytest.mark.parametrize("n", [2, 3, 4, 10])
def test_interval_is_that_of_one_more_run(n):
    values = np.random.default_rng(n).normal(0.05, 0.01, n)
    low, high = Repeated(tuple(values)).interval()
    one_more = stats.t(n - 1, loc=values.mean(), scale=values.std(ddof=1) * math.sqrt(1 + 1 / n))
    np.testing.assert_allclose((low, high), one_more.interval(0.95), rtol=1e-12)
    assert Repeated(tuple(values)).mean == pytest.approx(values.mean())
    assert low < values.mean() < high


def test_other_images_widen_the_interval_by_the_variance_of_two_draws():
    values, variance = (0.04, 0.05, 0.06), 1e-4
    low, high = Repeated(values).interval()
    wider_low, wider_high = Repeated(values, variance).interval()
    normal = stats.norm(0, math.sqrt(2 * variance)).interval(0.95)[1]
    half = math.hypot((high - low) / 2, normal)
    np.testing.assert_allclose((wider_low, wider_high), (0.05 - half, 0.05 + half), rtol=1e-12)
    same = Repeated((0.05, 0.05), variance)  # without spread over seeds what is left is the images'
    np.testing.assert_allclose(same.interval(), (0.05 - normal, 0.05 + normal), rtol=1e-12)


def test_one_seed_gives_no_interval_and_reproduces_nothing():
    alone = Repeated((0.05,), 1e-4)
    assert np.isnan(alone.interval()).all()
    assert not alone.gives(0.05)


def test_values_read_off_a_figure_have_its_precision():
    assert Repeated((0.05,), reading=0.003).interval() == pytest.approx((0.047, 0.053))
    low, high = Repeated((0.04, 0.05, 0.06)).interval()
    read = Repeated((0.04, 0.05, 0.06), reading=0.003)
    assert read.interval() == pytest.approx((low - 0.003, high + 0.003))
    assert read.gives(high + 0.002) and not read.gives(high + 0.004)


def test_ends_belong_to_the_interval():
    repeated = Repeated((0.04, 0.05, 0.06))
    low, high = repeated.interval()
    assert repeated.gives(low) and repeated.gives(high)
    assert not repeated.gives(np.nextafter(low, 0)) and not repeated.gives(np.nextafter(high, 1))
    assert not repeated.gives(math.nan)


@pytest.mark.parametrize("n", [2, 4])
def test_interval_holds_one_more_run_19_times_out_of_20(n):
    """Normal runs; the bound is four standard errors of the simulated share."""
    runs, rng = 4000, np.random.default_rng(n)
    inside = np.mean([Repeated(tuple(v[:-1])).gives(v[-1]) for v in rng.normal(size=(runs, n + 1))])
    assert abs(inside - 0.95) < 4 * math.sqrt(0.95 * 0.05 / runs)


def test_interval_with_other_images_holds_at_least_as_often():
    """The source's images are one draw and ours another; the sum of the halves' squares errs on the wide side."""
    runs, n, seeds, images = 4000, 4, 0.3, 1.0
    rng = np.random.default_rng(0)
    ours = rng.normal(size=(runs, 1)) * images + rng.normal(size=(runs, n)) * seeds
    published = rng.normal(size=runs) * images + rng.normal(size=runs) * seeds
    inside = np.mean([Repeated(tuple(v), images**2).gives(p) for v, p in zip(ours, published, strict=True)])
    assert 0.95 - 4 * math.sqrt(0.95 * 0.05 / runs) < inside < 0.985


def test_constant_answer_is_the_variance_of_the_images():
    images = np.random.default_rng(0).random((10, 28, 28))
    errors = constant_error(images)
    assert errors.shape == (10,)
    assert errors.mean() == pytest.approx(images.var(axis=0).mean(), rel=1e-12)
    assert errors[3] == pytest.approx(np.mean((images[3] - np.mean(images, axis=0)) ** 2))


@pytest.mark.parametrize(("name", "error"), [("mindbigdata", 0.056625), ("crell", 0.032345)])
def test_constant_answers_on_the_published_stimuli(name, error):
    folder = Path(os.environ.get("CORTEXCLIP_DATA", "nowhere")) / "stimuli" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    images = [np.asarray(Image.open(path).convert("L")) / 255 for path in sorted(folder.iterdir()) if path.is_file()]
    assert len(images) == 10
    assert constant_error(np.stack(images)).mean() == pytest.approx(error, abs=5e-7)


def test_improvements_are_percent_below_the_better_rival_seed_by_seed():
    found = improvements([0.5, 1.0, 3.0], [[1.0, 4.0, 2.0], [2.0, 2.0, 5.0]])
    assert found == pytest.approx([50.0, 50.0, -50.0])
    with pytest.raises(ValueError, match="zip"):
        improvements([0.5, 1.0], [[1.0]])


def test_scores_of_one_network_are_averaged_in_the_cuts_of_its_source():
    """The cuts of scikit-learn's shuffled KFold over the scored samples; without cuts there is the one fold."""
    rng = np.random.default_rng(0)
    seen, made = rng.uniform(size=(23, 12, 12)), rng.uniform(size=(2, 23, 12, 12))
    protocols = {"cut": Protocol(cuts=4, shuffle_seed=42), "whole": Protocol()}
    predictions = xr.Dataset({"image": (("seed", "sample", "y", "x"), made), "fold": ("sample", np.zeros(23, int))})
    results = SimpleNamespace(
        predictions=lambda *cell: predictions.assign_coords(sample=np.arange(23)),
        dataset=lambda name: xr.Dataset({"stimuli": (("sample", "y", "x"), seen)}),
        plan=Plan({}, {}, {}, sources=Sources(protocols=protocols)),
    )
    error = ((made - seen) ** 2).mean(axis=(2, 3))
    table = remeasured(results, [("cut", "toy", "net"), ("whole", "toy", "net")]).query("metric == 'mse'")
    cut = table[table.protocol == "cut"].set_index(["seed", "fold"])["mean"]
    for fold, (_, inside) in enumerate(KFold(4, shuffle=True, random_state=42).split(seen)):
        assert cut[1, fold] == pytest.approx(error[1, inside].mean())
    assert len(cut) == 2 * 4
    assert table[table.protocol == "whole"]["mean"].tolist() == pytest.approx(error.mean(axis=1))
