"""Figures of small synthetic input: what they show, that no text leaves them, and that they are the same each time."""

import functools
import hashlib
import json
import warnings
from dataclasses import replace
from pathlib import Path
from unittest import mock

import matplotlib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from figure_checks import ABOUT, LONG, call, check_page, look, words

from cortexclip.configuration.plan import Dataset, Plan
from cortexclip.data import dataset as datasets
from cortexclip.errors import InputError
from cortexclip.evaluation.score import readouts
from cortexclip.figures import (
    forest,
    image_bases,
    images,
    outcome,
    receptive_fields,
    sheet,
    similarity,
    style,
    tables,
    training,
)
from cortexclip.figures import overview as overview_figures
from cortexclip.numerics.image_prior import prior_axes
from cortexclip.results import drawn
from cortexclip.results.folder import Results
from cortexclip.results.runs import history_table, read_predictions, write_predictions
from cortexclip.runtime.arrays import write_parquet
from cortexclip.stages import evaluate
from cortexclip.stages import figures as stage
from cortexclip.stages import overview as overview_stage
from cortexclip.tables.main import LEADERS_READ
from cortexclip.tables.render import Interval, Parts, Table
from cortexclip.tables.statistics import RANKS

ROOT = Path(__file__).resolve().parents[2]


def history(runs, folds=1, seeds=2):
    rng = np.random.default_rng(0)
    rows = [
        {"run": run, "fold": fold, "seed": seed, "stage": s, "epoch": epoch, "quantity": quantity, "value": value}
        for run in runs
        for fold in range(folds)
        for seed in range(seeds)
        for s, quantity in (("select", "train_loss"), ("select", "select_loss"), ("refit", "train_loss"))
        for epoch, value in enumerate(np.exp(-np.arange(6 + seed)) + 0.01 * rng.random(6 + seed), start=1)
    ]
    return pd.DataFrame(rows)


def draw_training_curves(title="Method", runs=2, folds=1):
    names = {f"run{number}": look(number, title) for number in range(runs)}
    return training.draw_training_curves(history(names, folds), names, ABOUT)


def draw_reconstructions(title="Method", rows=3, columns=5):
    rng = np.random.default_rng(0)
    found = [
        images.Reconstruction(look(number, title), rng.random((columns, 28, 28)), rng.random(columns))
        for number in range(rows)
    ]
    return images.draw_reconstructions(rng.random((columns, 28, 28)), found, 20, ABOUT)


def draw_strip(title="Method"):
    rng = np.random.default_rng(0)
    rows = [images.Reconstruction(look(n, title), rng.random((6, 28, 28)), rng.random(6)) for n in range(3)]
    return images.draw_strip(rng.random((6, 28, 28)), rows, ABOUT)


def draw_fields(title="Method", voxels=40, seed=0):
    rng = np.random.default_rng(seed)
    return receptive_fields.draw_fields(rng.random((voxels, 9, 12)), rng.random(voxels), look(0, title), ABOUT)


def draw_bases(title="Method", latents=5, shape=(9, 12)):
    bases = np.random.default_rng(0).standard_normal((latents, *shape))
    return image_bases.draw_bases(bases, look(0, title), ABOUT)


def draw_reference(title="Method", runs=4, stimuli=15, most=20_000):
    rng = np.random.default_rng(0)
    found = [(look(number, title), rng.random((stimuli, 28, 28))) for number in range(runs)]
    return images.draw_reference(rng.random((stimuli, 28, 28)), found, ABOUT, most)


def draw_retrieved(title="Method", runs=2, columns=4):
    rng = np.random.default_rng(0)
    gallery, true = rng.random((9, 28, 28)), np.arange(columns)
    found = [
        images.Retrieval(look(number, title), np.tile([0, 1, 2, 5, 7], (columns, 1)), np.arange(1.0, columns + 1))
        for number in range(runs)
    ]
    return images.draw_retrieved(gallery[true], gallery, true, found, ABOUT)


def similarities(title="Method", runs=2, trials=12, stimuli=6):
    rng = np.random.default_rng(0)
    true = np.arange(trials) % stimuli
    return [
        similarity.Similarity(look(number, title), rng.uniform(-0.4, 1, (2, trials, stimuli)), true)
        for number in range(runs)
    ]


def draw_similarity(title="Method", **sizes):
    return similarity.draw_similarity(similarities(title, **sizes), ABOUT)


def draw_similarity_distribution(title="Method", **sizes):
    return similarity.draw_similarity_distribution(similarities(title, **sizes), ABOUT)


def overview(title="Method", rows=3, sets=3, protocols=("published", "holdout")):
    looks = [look(number, title) for number in range(rows)]
    sets = [f"set{number}" for number in range(sets)]
    cells = [
        (*looks[row].columns().values(), dataset, protocol, 0.04, 0.03, 0.05, 0.06, row)
        for row in range(rows)
        for dataset in sets
        for protocol in protocols
    ]
    styles = {protocol: (f"{title} {protocol}", (style.INK, "o")) for protocol in protocols}
    data = pd.DataFrame(cells, columns=[*forest.OVERVIEW, "row"])
    return data, looks, {name: f"{title} {name}" for name in sets}, styles


def draw_mse_by_method(title="Method", **sizes):
    return forest.draw_mse_by_method(*overview(title, **sizes), notes=[title])


def draw_main_page(title="Method", columns=6):
    rows = [[f"{title} {number}", *["0.0600 [0.0534, 0.0674]", "–"] * (columns // 2)] for number in range(3)]
    heads = [f"{title} {number}" for number in range(columns)]
    table = Table(title, [title, *heads], rows, notes=[title], strong=frozenset({(1, 1)}))
    return forest.draw_main_page([table], *overview(title), notes=[title])


def draw_sheet(title="Method"):
    return sheet.draw_sheet(np.random.default_rng(0).random((15, 28, 28)), ["train 3"] * 15, title, [title])


DRAWN = {
    "main page": draw_main_page,
    "training_curves": draw_training_curves,
    "reconstructions": draw_reconstructions,
    "reference": draw_reference,
    "retrieved": draw_retrieved,
    "similarity": draw_similarity,
    "similarity_distribution": draw_similarity_distribution,
    "mse_by_method": draw_mse_by_method,
    "sheet": draw_sheet,
    "strip": draw_strip,
    "receptive_fields": draw_fields,
    "image_bases": draw_bases,
}
FROM_WEIGHTS = ("receptive_fields", "image_bases")
LARGE = {
    "training_curves": functools.partial(draw_training_curves, runs=5, folds=3),
    "reconstructions": functools.partial(draw_reconstructions, rows=20, columns=12),
    "reference": functools.partial(draw_reference, runs=33, stimuli=100),
    "reference of few runs": functools.partial(draw_reference, runs=2, stimuli=300),
    "retrieved": functools.partial(draw_retrieved, runs=5, columns=5),
    "similarity": functools.partial(draw_similarity, runs=4, trials=119, stimuli=101),
    "similarity_distribution": functools.partial(draw_similarity_distribution, runs=12, trials=200, stimuli=20),
    "image_bases": functools.partial(draw_bases, latents=40, shape=(28, 28)),
    "image_bases of tall images": functools.partial(draw_bases, latents=9, shape=(40, 10)),
    "image_bases of wide images": functools.partial(draw_bases, latents=1, shape=(4, 40)),
    "mse_by_method": functools.partial(
        draw_mse_by_method, rows=20, sets=6, protocols=("published", "holdout", "cv10", "cv10_published", "unseen")
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_many_runs_fit(name):
    check_page(LARGE[name]())


@pytest.mark.parametrize("name", DRAWN)
def test_names_from_data_are_drawn_as_they_are(name):
    figure = DRAWN[name](LONG)
    check_page(figure)
    seen = words(figure).replace(" ", "")
    for part in ("$x_1^2$", "\\frac{a}{b}", "an_underscore"):
        assert part in seen


@pytest.mark.usefixtures("outlined_fonts")
@pytest.mark.parametrize("name", DRAWN)
def test_equal_input_gives_equal_bytes_whatever_the_callers_settings(name, tmp_path):
    digests = []
    for settings in ({}, {"font.size": 20, "axes.grid": True, "xtick.labelsize": 3}):
        with matplotlib.rc_context(settings):
            style.save(DRAWN[name](), tmp_path / "figure")
        files = sorted(tmp_path.iterdir())
        assert [file.name for file in files] == [f"figure.{suffix}" for suffix in ("csv", "pdf", "png")]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]


def test_pdf_embeds_truetype_fonts_and_png_has_200_dots_an_inch(tmp_path):
    from PIL import Image

    style.save(draw_training_curves(), tmp_path / "figure")
    assert b"/FontFile2" in (tmp_path / "figure.pdf").read_bytes()
    with Image.open(tmp_path / "figure.png") as image:
        assert image.width == int(style.WIDTH_MM / 25.4 * 200)
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert "shaded: from the lowest to the highest" in image.info["Description"]


def test_training_curves_mark_the_epoch_of_least_selection_loss():
    table = history(["run0"], seeds=1)
    chosen = table[table.quantity == "select_loss"].set_index("epoch").value.idxmin()
    figure = training.draw_training_curves(table, {"run0": look(0), "without": look(1)}, ABOUT)
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in marks] == [[chosen]]
    assert "Test loss" in words(figure) and "without" not in words(figure)
    honest = training.draw_training_curves(table, {"run0": look(0)}, style.Subject("Data", "holdout"))
    assert "test loss" not in words(honest).lower()


def test_mean_curve_ends_where_the_first_training_ends():
    figure = training.draw_training_curves(history(["run0"], seeds=2), {"run0": look(0)}, ABOUT)
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "o"]
    assert len(lines) == 3 and all(line.get_xdata().max() == 6 for line in lines)


def shown_images(figure):
    return [image for axes in figure.axes for image in axes.images]


def test_reconstructions_show_grey_values_on_one_scale():
    figure = draw_reconstructions(rows=2, columns=5)
    (shown,) = shown_images(figure)
    assert shown.get_clim() == (0, 1) and shown.get_extent() == [-0.5, 4.5, 2.5, -0.5]
    assert "The first 5 of 20 scored stimuli" in words(figure)


def test_the_reference_page_holds_every_image_of_every_method():
    figure = draw_reference(runs=3, stimuli=11)
    assert "All 11 scored stimuli" in words(figure)
    (drawn,) = shown_images(figure)
    rng = np.random.default_rng(0)
    images_of = [rng.random((11, 28, 28)) for _ in range(3)]
    images_of = [rng.random((11, 28, 28)), *images_of]  # seen images stand first
    pixels = drawn.get_array().data
    height, width = pixels.shape[0] // 11, pixels.shape[1] // 4
    scale = min(height, width) // 28
    for row in range(11):
        for column in range(4):
            top, left = row * height + 1, column * width + 1
            found = pixels[top : top + 28 * scale : scale, left : left + 28 * scale : scale]
            np.testing.assert_allclose(found, images_of[column][row], atol=1e-6)
    few = draw_reference(runs=3, stimuli=14, most=23)
    assert "The first 5 of 14 scored stimuli" in words(few)


def test_a_mosaic_has_every_image_at_its_place():
    given = np.random.default_rng(0).random((3, 2, 7, 5)).astype(np.float32)
    given[2, 1] = np.nan
    ground = images.mosaic(given, 2, (6, 5))
    assert ground.shape == (60, 30)
    for row in range(3):
        for column in range(2 - (row == 2)):
            top, left = row * 20 + 1, column * 15 + 1
            found = ground[top : top + 14, left : left + 10]
            np.testing.assert_array_equal(found, given[row, column].repeat(2, axis=0).repeat(2, axis=1))
            assert np.unique(ground[top - 1, left - 1 : left + 11]) < 1
            assert (ground[top + 15 : top + 19, left - 1 : left + 14] == 1).all()
    assert (ground[40:, 15:] == 1).all()


def test_a_draw_is_scored_beside_the_mean_and_further_ones_stand_below_in_their_order(tmp_path):
    draws = np.random.default_rng(0).random((2, 6, 3, 8, 8)).astype(np.float32)
    samples = np.array([4, 2, 9])
    options = {"draws": draws, "attributes": {"method": "m"}}
    write_predictions(tmp_path / "p.nc", draws.mean(axis=1), samples, np.zeros(3), **options)
    predicted = read_predictions(tmp_path / "p.nc").sel(sample=samples[[0, 2]])
    found = readouts(predicted)
    assert list(found) == ["", "_draw"]
    np.testing.assert_array_equal(found["_draw"], draws[:, 0][:, [0, 2]])
    further = outcome.further_draws(look(0), predicted)
    assert len(further) == outcome.DRAWS - 1
    for number, row in enumerate(further, start=2):
        assert f"draw {number}, not scored" in row.look.label
        np.testing.assert_array_equal(row.images, draws[0, number - 1][[0, 2]])
        assert np.isnan(row.mse).all()
    rows = [
        images.Reconstruction(look(0).readout(suffix), shown[0], np.array([0.1, 0.2]))
        for suffix, shown in found.items()
    ]
    figure = images.draw_reconstructions(draws[0, 0][[0, 2]], rows + further, 3, ABOUT)
    check_page(figure)
    assert words(figure).count("not scored") == len(further)
    assert outcome.further_draws(look(0), predicted.drop_vars("draws")) == []


def test_first_trials_are_taken_in_order():
    stimulus = np.array(["b", "a", "b", "c", "a", "d"])
    assert images.first_trials(stimulus, 12).tolist() == [0, 1, 3, 5]
    assert images.first_trials(stimulus, 2).tolist() == [0, 1]


def test_retrieved_frames_the_right_one_and_names_chance():
    figure = draw_retrieved(runs=1, columns=4)
    frames = [p for axes in figure.axes for p in axes.patches if p.get_linewidth() == 1.6]
    assert len(frames) == 3  # stimuli 0, 1 and 2 are among the five, 3 is not
    assert "9 distinct stimuli" in words(figure) and "0.56" in words(figure)


def test_embeddings_without_direction_are_said_to_retrieve_nothing():
    found = [images.Retrieval(look(0), np.full((2, 5), -1), np.full(2, np.nan))]
    stimuli = np.zeros((6, 28, 28))
    figure = images.draw_retrieved(stimuli[:2], stimuli, np.arange(2), found, ABOUT)
    check_page(figure)
    assert words(figure).count("none") == 2


@pytest.mark.parametrize("draw", [similarity.draw_similarity, similarity.draw_similarity_distribution])
@pytest.mark.parametrize("value", [np.nan, 0.5])
def test_similarities_without_spread_are_drawn(draw, value):
    found = [similarity.Similarity(look(0), np.full((1, 4, 4), value), np.arange(4))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_page(draw(found, ABOUT))


def test_similarity_rows_are_ordered_by_stimulus():
    values = np.arange(12.0).reshape(1, 4, 3) / 12
    figure = similarity.draw_similarity([similarity.Similarity(look(0), values, np.array([2, 0, 1, 0]))], ABOUT)
    np.testing.assert_array_equal(shown_images(figure)[0].get_array(), values[0][[1, 3, 2, 0]])


def test_equal_steps_of_similarity_are_equal_steps_of_colour():
    figure = draw_similarity()
    bar = next(axes for axes in figure.body.axes if axes.get_xlabel() == "cosine similarity")
    norm = shown_images(figure)[0].norm
    low, high = norm.vmin, norm.vmax
    assert norm((low + high) / 2) == pytest.approx(0.5) and bar.get_xscale() == "linear"


def test_looks_are_the_same_whatever_else_is_compared():
    known = {name: entry["look"] for name, entry in yaml.safe_load((ROOT / "config/methods.yaml").read_text()).items()}

    def looks(*methods):
        return style.looks(Plan.of({"runs": {m: {"method": m, "title": m, "look": known.get(m)} for m in methods}}))

    few, many = looks("new_one", "ridge"), looks("knn", "newer", "cccv1", "ridge", "another", "new_one")
    assert few["ridge"] == many["ridge"] and few["new_one"] == many["new_one"]
    taken = set(style.families(known).values())
    assert len(taken) == len(known)
    own = {style.families({name: None})[name] for name in (f"my_method_{number}" for number in range(200))}
    assert len(own) > 20 and not own & taken


def test_own_methods_that_are_drawn_together_do_not_look_alike():
    names = [f"my_method_{number}" for number in range(25)]
    alone = {name: style.families({name: None})[name] for name in names}
    together = style.families(dict.fromkeys(reversed(names)))
    assert len(set(alone.values())) < 25 and len(set(together.values())) == 25
    kept = {name for name in names if together[name] == alone[name]}
    assert {alone[name] for name in kept} == set(alone.values())  # only where two would be alike does one change
    more = style.families({**dict.fromkeys([*names, "my_method_25"]), "ridge": {"colour": "#0173b2", "marker": "o"}})
    assert more["ridge"] == ("#0173b2", "o") and len(more) == 27


def test_receptive_fields_are_those_of_the_best_voxels_and_their_centres():
    fields = np.zeros((3, 9, 12))
    fields[0, 2, 5], fields[1, 7, 1], fields[2, 4, 4] = 2.0, 0.5, -1.0
    figure = receptive_fields.draw_fields(fields, np.array([0.2, 0.8, -0.1]), look(0), ABOUT)
    check_page(figure)
    assert figure.data.voxel.tolist() == [1, 0, 2]
    assert figure.data.x[:2].tolist() == [1, 5] and figure.data.y[:2].tolist() == [7, 2]
    assert figure.data.x.isna()[2]  # no pixel drives it
    tiles, mean = shown_images(figure)[:2]
    first = tiles.get_array()[1 : 1 + 9 * 4 : 4, 1 : 1 + 12 * 4 : 4]
    assert first[7, 1] == 1 and first.sum() == 1  # each to its own maximum
    np.testing.assert_allclose(mean.get_array(), 0.2 * fields[0] + 0.8 * fields[1])


def test_image_bases_come_in_the_order_of_their_shares_with_zero_in_the_middle_of_the_colours(results):
    bases = np.zeros((30, 9, 12))
    bases[3, 2, 5], bases[7, 7, 1], bases[9, 4, 4] = 1.0, -3.0, 0.01  # the last would be written as 0.0%
    toy = replace(outcome_of(*results), weights={"ridge": {"image_bases": bases.reshape(30, -1)}}, leaders=["ridge"])
    toy.dataset["stimuli"] = (("sample", "y", "x"), np.zeros((toy.dataset.sizes["sample"], 9, 12)))
    figure = outcome.image_bases(toy)
    check_page(figure)
    assert figure.data.latent.tolist() == [7, 3] and figure.data.share.to_list() == pytest.approx([0.9, 0.1], abs=1e-4)
    assert [axes.get_xlabel() for axes in figure.axes] == ["90.0%", "10.0%"]
    for image, latent, largest in zip(shown_images(figure), [7, 3], [3, 1], strict=True):
        np.testing.assert_array_equal(image.get_array(), bases[latent])
        assert image.get_clim() == (-largest, largest)
    assert len(draw_bases(latents=40).axes) == image_bases.SHOWN
    check_page(image_bases.draw_bases(np.zeros((2, 9, 12)), look(0), ABOUT))


def test_stored_fields_are_taken_back_to_pixels(results):
    rng = np.random.default_rng(0)
    axes, inverse = prior_axes(rng.random((20, 5, 6)), 0.2, 1.5, 12)
    pixels, fields = rng.random((7, 30)), rng.random((4, len(axes)))
    weights = {"fields": fields, "axes": axes, "noise": rng.random(4)}
    toy = replace(outcome_of(*results), weights={"ridge": weights}, leaders=["ridge"])
    toy.dataset["stimuli"] = (("sample", "y", "x"), np.zeros((toy.dataset.sizes["sample"], 5, 6)))
    with mock.patch.object(outcome, "draw_fields") as drawn:
        outcome.receptive_fields(toy)
    found = drawn.call_args.args[0].reshape(4, 30)
    np.testing.assert_allclose(pixels @ found.T, (pixels @ inverse) @ fields.T)
    np.testing.assert_allclose(drawn.call_args.args[1], 1 - weights["noise"])


def test_a_caption_is_cut_to_two_lines_that_keep_the_caveat():
    long = "A sentence. " * 40
    shown = style.gist(long + "Beware of it. Not of that.", "Beware of it. Not of that.", 120)
    assert shown.startswith("A sentence. A sentence.") and shown.endswith("Beware of it.") and len(shown) <= 120
    shown = style.gist("word " * 80, "Beware of it.", 120)
    assert shown.endswith("... Beware of it.") and len(shown) <= 120
    assert style.gist("Short.", "", 120) == "Short."


def test_overview_marks_the_control():
    figure = draw_mse_by_method(rows=1, sets=1)
    (axes,) = figure.axes
    assert sum(list(line.get_xdata()) == [0.06, 0.06] for line in axes.lines) == 2  # one for each protocol


def test_tables_on_a_page_keep_the_parts_of_a_cell_apart():
    cells = [Parts("0.0098", "0.0070 [0.0067, 0.0072]", "0.0047 (1)"), Interval("0.0099", "[0.0096, 0.0103]")]
    assert cells == ["0.0098 · 0.0070 [0.0067, 0.0072] · 0.0047 (1)", "0.0099 [0.0096, 0.0103]"]
    table = Table("Paper", ["Method", "one", "two"], [["Net", *cells], ["Ridge", "0.0086", "–"]], notes=["A note."])
    figure = tables.draw_tables("Paper", [table, table])
    for part in ("0.0098", "0.0070 [0.0067, 0.0072]", "0.0047 (1)", "[0.0096, 0.0103]"):
        assert part in words(figure)
    (lines, *_) = tables._texts(replace(table, rows=[["Net", *cells]]))[1:]
    assert lines == ["Net", "0.0098\n0.0070 [0.0067, 0.0072]\n0.0047 (1)", "0.0099\n[0.0096, 0.0103]"]


def test_overview_without_scores_says_so():
    data, *rest = overview(rows=1, sets=1)
    figure = forest.draw_mse_by_method(data.assign(mean=np.nan), *rest)
    check_page(figure)
    assert "no scores" in words(figure)


def test_intervals_hidden_by_markers_get_another_scale():
    data, *rest = overview(rows=2, sets=1, protocols=("published",))
    assert forest.draw_mse_by_method(data, *rest).axes[0].get_xscale() == "linear"
    data.loc[1, forest.INTERVAL] = 0.001, 0.0005, 0.0015
    figure = forest.draw_mse_by_method(data, *rest)
    check_page(figure)
    assert figure.axes[0].get_xscale() == "asinh"
    assert "logarithmic" in figure.axes[0].get_xlabel() and not any(tick < 0 for tick in figure.axes[0].get_xticks())


def test_nothing_is_left_empty_before_the_smallest_interval():
    data, *rest = overview(rows=2, sets=1, protocols=("published",))
    data.loc[0, forest.INTERVAL], data.loc[1, forest.INTERVAL] = (0.1, 0.05, 0.25), (0.0005, 0.0, 0.001)
    (axes,) = forest.draw_mse_by_method(data, *rest).axes
    assert axes.get_xscale() == "asinh"
    left, first, last, right = axes.transData.transform(
        [(x, 0) for x in (axes.get_xlim()[0], 0, 0.25, axes.get_xlim()[1])]
    )[:, 0]
    assert first - left == pytest.approx(right - last) and first - left == pytest.approx(0.05 * (last - first))


def test_wrap_breaks_between_words_and_within_words_that_are_too_long():
    for width in (10, 30):
        lines = style.wrap("several words and Onewordthatismuchtoolongforanyline", width).splitlines()
        assert max(map(len, lines)) <= width
        assert "".join(lines).replace(" ", "") == "severalwordsandOnewordthatismuchtoolongforanyline"
    assert style.wrap("brain_diffuser.glyphclip", 16) == "brain_diffuser.\nglyphclip"


# The stages, on files


AUDIT = {
    "findings": [
        {
            "check": "seen_images",
            "scope": "dataset",
            "severity": "serious",
            "message": "All are seen.",
            "meaning": "Beware.",
        }
    ]
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Files of a dataset, of a run without and of one with an embedding, and the plan that names them."""
    folder, rng = tmp_path_factory.mktemp("results"), np.random.default_rng(0)
    distinct = rng.random((5, 28, 28)).astype(np.float32)
    shown = np.array([0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2])
    part = np.array(["train"] * 5 + ["test"] * 6)
    data = datasets.labelled(rng.normal(size=(11, 4)), distinct[shown], part, {"name": "toy", "title": "Toy"})
    datasets.write(data, folder / "toy.nc")
    names = data.stimulus.values[:5]
    features = xr.Dataset({"embedding": (("stimulus", "feature"), rng.normal(size=(5, 3)))}, coords={"stimulus": names})
    features.assign_attrs(encoder="space").to_netcdf(folder / "features.nc", engine="h5netcdf")
    plan = {
        "datasets": {"toy": {"name": "toy", "title": "Toy_$1$", "notes": ["Made up."], "simulated": True}},
        "protocols": {"published": {"title": "as published", "optimistic": True, "note": "Chosen on the scored."}},
        "encoders": {"space": "Space"},
        "runs": {
            "ridge": {"method": "ridge", "encoder": "none", "title": "Ridge", "published": None},
            "net.space": {"method": "net", "encoder": "space", "title": "Net", "published": "NET", "trained": True},
        },
        "cells": {"toy": ["ridge", "net.space"]},
        "unavailable": {"gone": "It is not there."},
        "seeds": 2,
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "audits").mkdir()
    (folder / "audits/toy.json").write_text(json.dumps(AUDIT))
    samples = np.arange(5, 11)
    for run, seeds in (("ridge", 1), ("net.space", 2)):
        about, out = plan["runs"][run], folder / "runs/published/toy" / run
        embedded = about["encoder"] != "none"
        predicted = rng.random((seeds, 6, 28, 28))
        write_predictions(
            out / "predictions.nc",
            predicted,
            samples,
            np.zeros(6),
            nearest=predicted if embedded else None,
            embedding=rng.normal(size=(seeds, 6, 3)) if embedded else None,
            attributes={"protocol": "published", "method": about["method"], "encoder": "space" if embedded else ""},
        )
        rows = history([run]).drop(columns="run").to_dict("records") if embedded else []
        write_parquet(out / "history.parquet", history_table(rows))
    predictions = [f"{folder}/runs/published/toy/{run}/predictions.nc" for run in plan["runs"]]
    scores = f"{folder}/scores/published/toy"
    options = ["--scores", f"{scores}.parquet", "--similarity", f"{scores}.similarity.nc"]
    options += ["--predictions", *predictions, "--features", f"{folder / 'features.nc'}"]
    roles = pd.DataFrame({"fold": 0, "role": ["train"] * 5 + ["score"] * 6, "sample": range(11)})
    write_parquet(folder / "split.parquet", roles)
    options += ["--split", f"{folder / 'split.parquet'}", "--collapse", f"{scores}.collapse.parquet"]
    options += ["--ceiling", f"{scores}.ceiling.parquet"]
    call(evaluate, ["--dataset", f"{folder}/toy.nc", *options])
    return folder, Plan.of(plan)


def draw(results, output):
    options = ["--plan", f"{results}/plan.json", "--audit", f"{results}/audits/toy.json"]
    options += ["--dataset", f"{results}/toy.nc", "--protocol", "published"]
    call(stage, [*options, "--results", str(results), "--output", str(output)])


@pytest.mark.usefixtures("outlined_fonts")
def test_stage_writes_the_figures_that_the_plan_allows(results, tmp_path):
    folder, plan = results
    draw(folder, tmp_path)
    files = [path.format(protocol="published") for path in drawn.of_predictions_files(plan, "toy", "toy")]
    assert {f"figures/{path.relative_to(tmp_path).as_posix()}" for path in tmp_path.rglob("*.*")} == set(files)
    names = [name for name in outcome.FIGURES if name not in FROM_WEIGHTS]
    assert len(files) == 3 * len(names) + 1 and "figures/reference/published/toy.csv" in files
    captions = (tmp_path / "captions.published.toy.md").read_text()
    assert captions.count("All are seen. Beware.") == len(names)
    assert "## Left out\n\n- `receptive_fields`: No method keeps" in captions
    assert "- `image_bases`: No method keeps" in captions


def outcome_of(folder, plan):
    return outcome.Outcome.read(f"{folder}/toy.nc", plan, AUDIT, "published", Results(folder, plan))


def test_stage_reads_what_belongs_together(results):
    toy = outcome_of(*results)
    figures = {name: make(toy) for name, make in outcome.FIGURES.items() if name not in FROM_WEIGHTS}
    for figure in figures.values():
        check_page(figure)
        assert "All are seen. Beware." in words(figure)
        assert "Toy_$1$" in words(figure) and "Made up." in words(figure) and "optimistic" in words(figure)
    scores = toy.scores["net.space"]
    first = scores[(scores.metric == "mse") & (scores.method == "net") & (scores.seed == 0) & (scores["sample"] == 5)]
    assert f"{first.value.item():.4f}" in words(figures["reconstructions"])
    assert "net_nearest.space" in words(figures["reconstructions"])
    assert "ridge" not in words(figures["similarity"])


def test_what_needs_other_methods_is_left_out_with_its_reason(results):
    _, plan = results
    reasons = drawn.of_predictions(replace(plan, cells={"toy": ["ridge"]}), "toy")
    assert [name for name, reason in reasons.items() if not reason] == ["reconstructions", "strip", "reference"]
    assert drawn.of_predictions(plan, "toy")["similarity"] == ""


def test_the_strip_shows_the_methods_of_least_error(results):
    folder, plan = results
    toy = outcome_of(folder, plan)
    mse = {
        run: table[(table.metric == "mse") & (table.method == toy.methods[run])].value.mean()
        for run, table in toy.scores.items()
    }
    assert toy.leaders == sorted(mse, key=mse.get)
    figure = outcome.strip(toy)
    assert list(dict.fromkeys(figure.data.method)) == toy.leaders and len(figure.data) == 6
    shuffled = replace(plan, runs=plan.runs | {"ridge": replace(plan.runs["ridge"], role="shuffled")})
    assert outcome_of(folder, shuffled).leaders == ["net.space"]


def comparison(tmp_path):
    rows = [("toy", "published", method, encoder, "mse", 0.1, 0.05, 0.2, 6, 2) for method, encoder in ROWS]
    columns = [
        "dataset",
        "protocol",
        "method",
        "encoder",
        "metric",
        "mean",
        "ci_low",
        "ci_high",
        "n_samples",
        "n_seeds",
    ]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "comparison.csv", index=False)
    return tmp_path / "comparison.csv"


ROWS = [("ridge", "none"), ("net", "space"), ("net_nearest", "space")]


def test_overview_stage_has_a_row_for_each_readout_and_says_what_is_missing(results, tmp_path):
    _, plan = results
    _, looks = overview_figures.rows_of(overview_stage.read_table(comparison(tmp_path)), plan)
    assert [look.label for look in looks] == ["ridge", "net.space", "net_nearest.space"]
    assert "gone" in overview_figures.notes_of(plan, {"toy": AUDIT})[-1]


def test_datasets_of_one_title_keep_their_own_notes(results):
    twins = {name: Dataset("Twin", [f"A note on {name}."], name=name) for name in ("first", "second")}
    plan = replace(results[1], datasets=twins)
    notes = overview_figures.notes_of(plan, dict.fromkeys(twins, {"findings": []}))
    assert [note for note in notes if "A note" in note] == ["Twin: A note on first.", "Twin: A note on second."]


@pytest.mark.usefixtures("outlined_fonts")
def test_overview_stage_writes_its_figure(results, tmp_path):
    folder = results[0]
    options = ["--plan", f"{folder}/plan.json", "--audits", f"{folder}/audits", "--table", str(comparison(tmp_path))]
    leaders = [
        ("toy", "published", "mse", method, encoder, number == 0, number > 0, True)
        for number, (method, encoder) in enumerate(ROWS)
    ]
    pd.DataFrame(leaders, columns=LEADERS_READ).to_csv(tmp_path / "leaders.csv", index=False)
    pd.DataFrame(columns=RANKS).to_csv(tmp_path / "ranks.csv", index=False)
    options += ["--leaders", f"{tmp_path}/leaders.csv", "--ranks", f"{tmp_path}/ranks.csv"]
    options += ["--output", str(tmp_path / "figures"), "--tables", str(tmp_path / "tables")]
    with mock.patch.object(overview_stage, "draw_mse_by_method", wraps=forest.draw_mse_by_method) as drawing:
        call(overview_stage, options)
    assert drawing.call_args.kwargs["datasets"] == {"toy": "toy: Toy_$1$"}, "the name with the title beside it"
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        "main.md",
        "main.tex",
        "main.pdf",
        "document.tex",
    }
    assert "No value is bold" in (tmp_path / "tables/main.md").read_text()
    assert "{../figures/mse_by_method.pdf}" in (tmp_path / "tables/document.tex").read_text()
    assert b"/Count 1" in (tmp_path / "tables/main.pdf").read_bytes()
    written = {path.suffix: path for path in (tmp_path / "figures").glob("mse_by_method.*")}
    assert set(written) == {".png", ".pdf", ".csv"}
    captions = (tmp_path / "figures/captions.md").read_text()
    assert "seed" in captions and "- `critical_difference.published`: Average ranks need 3 datasets" in captions
    assert not list((tmp_path / "figures").glob("critical_difference.*"))


def test_overview_stage_refuses_another_table(tmp_path):
    (tmp_path / "comparison.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns dataset, protocol"):
        overview_stage.read_table(tmp_path / "comparison.csv")
