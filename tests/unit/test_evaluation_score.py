"""The score table against its parts computed fold by fold, and its form."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from cortexclip.errors import InputError
from cortexclip.evaluation import metrics, retrieval
from cortexclip.evaluation.metrics import METRICS
from cortexclip.evaluation.score import COLUMNS, combine_scores, score_predictions

IMAGE_METRICS = ["mse", "pixcorr", "ssim", "ssim_uniform7", "psnr", "pairwise_identification"]


@pytest.fixture
def inputs():
    """Two seeds, two folds (of 9 and 5 trials), nine distinct stimuli of which some repeat and some are not scored."""
    rng = np.random.default_rng(0)
    gallery, features = rng.random((9, 14, 12)), rng.normal(size=(9, 6))
    shown = np.array([0, 1, 2, 3, 4, 0, 1, 5, 5, 6, 0, 6, 2, 3])
    return {
        "dataset": "vangerven",
        "protocol": "cv10",
        "method": "cccv1",
        "encoder": "vitb32",
        "folds": np.repeat([0, 1], [9, 5]),
        "samples": np.arange(14) * 3,
        "stimuli": gallery[shown],
        "stimulus_ids": np.array([f"s{number}" for number in shown]),
        "images": gallery[shown] + rng.normal(0, 0.3, (2, 14, 14, 12)),
        "nearest_images": gallery[rng.integers(0, 9, (2, 14))],
        "drawn_images": gallery[shown] + np.random.default_rng(1).normal(0, 0.4, (2, 14, 14, 12)),
        "embeddings": features[shown] + rng.normal(0, 1, (2, 14, 6)),
        "image_embeddings": features[shown] + rng.normal(0, 2, (2, 14, 6)),
        "gallery_embeddings": features,
        "gallery_ids": np.array([f"s{number}" for number in range(9)]),
        "seeds": [3, 8],
    }


def values(table, metric, method="cccv1"):
    """(seed, sample) values of one metric, in the order of the table."""
    rows = table[(table["metric"] == metric) & (table["method"] == method)]
    return rows["value"].to_numpy().reshape(rows["seed"].nunique(), -1)


def test_columns_names_and_rows(inputs):
    table = score_predictions(**inputs)
    assert list(table.columns) == COLUMNS
    assert set(table["method"]) == {"cccv1", "cccv1_nearest", "cccv1_draw"}
    trial_metrics = [name for name, metric in METRICS.items() if metric.median_of is None]
    assert list(table.loc[table["method"] == "cccv1", "metric"].unique()) == trial_metrics
    for readout in ("cccv1_nearest", "cccv1_draw"):
        assert list(table.loc[table["method"] == readout, "metric"].unique()) == IMAGE_METRICS
    assert len(table) == (len(trial_metrics) + 2 * len(IMAGE_METRICS)) * 2 * 14
    assert not table.duplicated([column for column in COLUMNS if column != "value"]).any()
    first = table.iloc[:28]
    np.testing.assert_array_equal(first["seed"], np.repeat([3, 8], 14))
    np.testing.assert_array_equal(first["sample"], np.tile(inputs["samples"], 2))
    np.testing.assert_array_equal(first["fold"], np.tile(inputs["folds"], 2))
    np.testing.assert_array_equal(first["stimulus"].astype(str), np.tile(inputs["stimulus_ids"], 2))


def test_values_are_those_of_each_fold(inputs):
    table = score_predictions(**inputs)
    for method, name in [("cccv1", "images"), ("cccv1_nearest", "nearest_images"), ("cccv1_draw", "drawn_images")]:
        for metric in IMAGE_METRICS[:-1]:
            expected = getattr(metrics, metric)(inputs[name], inputs["stimuli"])
            np.testing.assert_allclose(values(table, metric, method), expected)
    rows = np.array([int(identity[1:]) for identity in inputs["stimulus_ids"]])
    for part in (slice(0, 9), slice(9, 14)):
        ids = inputs["stimulus_ids"][part]
        expected = metrics.pairwise_identification(inputs["images"][:, part], inputs["stimuli"][part], ids)
        np.testing.assert_array_equal(values(table, "pairwise_identification")[:, part], expected)
        true = inputs["gallery_embeddings"][rows[part]]
        for metric, name in [("clip_identification", "image_embeddings"), ("embedding_identification", "embeddings")]:
            expected = metrics.embedding_identification(inputs[name][:, part], true, ids)
            np.testing.assert_array_equal(values(table, metric)[:, part], expected)

        distinct = np.unique(rows[part])
        similarity = retrieval.similarity_matrix(inputs["embeddings"][:, part], inputs["gallery_embeddings"])
        test = retrieval.forward_ranking(similarity[..., distinct], np.searchsorted(distinct, rows[part]))
        whole = retrieval.forward_ranking(similarity, rows[part])
        backward = retrieval.backward_ranking(similarity, rows[part])
        for metric, expected in {
            "top1_test": retrieval.top_k(test, 1),
            "top5_all": retrieval.top_k(whole, 5),
            "rank_test": retrieval.expected_rank(test),
            "mrr_all": retrieval.reciprocal_rank(whole),
            "gallery_test": len(distinct),
            "gallery_all": 9,
            "backward_top1_test": retrieval.top_k(backward, 1),
            "backward_gallery_test": len(ids),
            "backward_chance1_test": [(ids == identity).sum() / len(ids) for identity in ids],
        }.items():
            np.testing.assert_allclose(values(table, metric)[:, part], np.broadcast_to(expected, (2, len(ids))))


def test_top_k_of_a_small_gallery_is_kept_at_one(inputs):
    table = score_predictions(**inputs)
    np.testing.assert_array_equal(values(table, "top10_test"), 1)
    assert metrics.chance_level("top10_test", {"gallery_test": values(table, "gallery_test").mean()}) == 1


def test_values_lie_in_the_declared_range(inputs):
    table = score_predictions(**inputs)
    for name, group in table.groupby("metric", observed=True):
        assert group["value"].between(METRICS[name].low, METRICS[name].high).all(), name


def test_identical_bytes_whatever_the_order_of_samples(inputs, tmp_path):
    order = np.random.default_rng(1).permutation(14)
    shuffled = dict(inputs)
    for name in ("folds", "samples", "stimuli", "stimulus_ids"):
        shuffled[name] = inputs[name][order]
    for name in ("images", "nearest_images", "drawn_images", "embeddings", "image_embeddings"):
        shuffled[name] = inputs[name][:, order]
    digests = set()
    for number, arguments in enumerate([inputs, inputs, shuffled]):
        score_predictions(**arguments).to_parquet(tmp_path / f"{number}.parquet", index=False)
        digests.add(hashlib.sha256((tmp_path / f"{number}.parquet").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_parquet_keeps_the_table(inputs, tmp_path):
    table = score_predictions(**inputs)
    table.to_parquet(tmp_path / "scores.parquet", index=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), table)


def test_large_tables_are_lean(inputs):
    for name in ("images", "nearest_images", "drawn_images", "embeddings", "image_embeddings"):
        inputs[name] = np.repeat(inputs[name], 30, axis=0)
    table = score_predictions(**{**inputs, "seeds": None})
    assert table.memory_usage(deep=True, index=False).sum() / len(table) < 32


def test_each_readout_alone(inputs):
    names = ["images", "nearest_images", "drawn_images", "embeddings", "image_embeddings"]
    whole = score_predictions(**inputs)
    for name in names:
        table = score_predictions(**{**inputs, **{other: None for other in names if other != name}})
        merged = table.astype({"method": str, "metric": str}).merge(
            whole.astype({"method": str, "metric": str}), on=["method", "metric", "fold", "seed", "sample"]
        )
        assert len(merged) == len(table)
        np.testing.assert_array_equal(merged["value_x"], merged["value_y"])


def test_constant_prediction_is_a_row_without_a_value(inputs):
    inputs["images"][0, 4] = 0.5
    table = score_predictions(**inputs)
    for metric in ("pixcorr", "pairwise_identification"):
        assert np.isnan(values(table, metric)).sum() == 1 and np.isnan(values(table, metric)[0, 4])
    assert np.isfinite(values(table, "mse")).all()


def test_with_a_fold_of_one_stimulus_the_stimuli_of_all_folds_are_distractors_and_gallery(inputs):
    apart = score_predictions(**{**inputs, "folds": np.array([0] * 13 + [7])})
    together = score_predictions(**{**inputs, "folds": np.zeros(14, int)})
    distinct = len(set(inputs["stimulus_ids"]))
    np.testing.assert_array_equal(values(apart, "gallery_test"), distinct)
    for metric in ("pairwise_identification", "clip_identification", "top1_test", "rank_test", "backward_top1_test"):
        np.testing.assert_array_equal(values(apart, metric), values(together, metric))
    alone = {
        name: inputs[name][:, :1]
        for name in ("images", "nearest_images", "drawn_images", "embeddings", "image_embeddings")
    }
    alone |= {name: inputs[name][:1] for name in ("folds", "samples", "stimuli", "stimulus_ids")}
    assert np.isnan(values(score_predictions(**{**inputs, **alone}), "pairwise_identification")).all()


def test_whole_numbers_as_stimulus_ids(inputs):
    expected = score_predictions(**inputs)
    for name in ("stimulus_ids", "gallery_ids"):
        inputs[name] = np.array([int(identity[1:]) for identity in inputs[name]])
    np.testing.assert_array_equal(score_predictions(**inputs)["value"], expected["value"])


def test_combined_tables_hold_all_rows(inputs):
    first = score_predictions(**inputs)
    second = score_predictions(
        **{**inputs, "dataset": "miyawaki", "method": "ridge", "nearest_images": None, "drawn_images": None}
    )
    plain = second.astype({name: str for name in ("dataset", "method", "stimulus")})
    combined = combine_scores([first, second])
    pd.testing.assert_frame_equal(combined, combine_scores([first, plain]))
    assert (combined.dtypes[["dataset", "protocol", "method", "encoder", "stimulus", "metric"]] == "category").all()
    for column in COLUMNS:
        expected = np.concatenate([first[column].to_numpy(), second[column].to_numpy()])
        np.testing.assert_array_equal(combined[column].to_numpy(), expected)


def changed(inputs, name, value):
    return {**inputs, name: value(inputs[name]) if callable(value) else value}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("images", lambda a: a[0], r"images: found shape \(14, 14, 12\); expected \(seed, sample, y, x\)"),
        ("embeddings", lambda a: a[:, :5], "14 scored samples"),
        ("embeddings", lambda a: a[:1], "numbers of seeds"),
        ("seeds", [1, 1], "2 different numbers"),
        ("folds", lambda a: a[:3], "folds"),
        ("samples", lambda a: a * 1.5, "whole numbers"),
        ("samples", lambda a: a * 0, "scored twice in fold 0"),
        ("stimuli", lambda a: a * np.nan, "NaN or infinity"),
        ("stimulus_ids", ["s0"] * 14, "different images"),
        ("gallery_ids", lambda a: a[[0] * 9], "occurs twice"),
        ("gallery_ids", lambda a: np.char.add(a, "x"), r"stimulus s0 \(7 in all\) is missing"),
        ("gallery_embeddings", None, "gallery_embeddings and gallery_ids are missing"),
        ("gallery_embeddings", lambda a: a * np.nan, "s0 is not finite"),
    ],
)
def test_input_that_does_not_fit_is_named(inputs, name, value, message):
    with pytest.raises(InputError, match=message):
        score_predictions(**changed(inputs, name, value))


def test_no_predictions_is_an_error(inputs):
    for name in ("images", "nearest_images", "drawn_images", "embeddings", "image_embeddings"):
        inputs[name] = None
    with pytest.raises(InputError, match="neither images nor embeddings"):
        score_predictions(**inputs)


def test_combining_nothing_or_a_foreign_table_is_an_error(inputs):
    with pytest.raises(InputError, match="no table"):
        combine_scores([])
    with pytest.raises(InputError, match="table 1 lacks the columns stimulus"):
        combine_scores([score_predictions(**inputs), score_predictions(**inputs).drop(columns="stimulus")])


def test_a_black_image_has_no_cosine_and_stands_in_nobodys_way(inputs):
    """Its own trials are not ranked; others are ranked as if it were not in the gallery."""
    blank = {**inputs, "gallery_embeddings": inputs["gallery_embeddings"].copy()}
    lost = inputs["stimulus_ids"][0]
    blank["gallery_embeddings"][np.asarray(inputs["gallery_ids"]) == lost] = 0
    scores = score_predictions(**blank)
    top = scores[scores.metric.str.startswith(("top", "rank", "two_way_emb"))]
    own = top.stimulus.astype(str) == lost
    assert len(top) and top.value[own].isna().all() and top.value[~own].notna().all()
