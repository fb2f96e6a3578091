"""Image metrics against scikit-image, torchmetrics, numpy and loops that follow the definitions word by word."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from cortexclip.errors import InputError
from cortexclip.evaluation import metrics
from cortexclip.evaluation.metrics import METRICS
from cortexclip.features.openclip import import_open_clip


@pytest.fixture(scope="module")
def pairs():
    """Predictions (seed, sample, y, x) of all degrees of likeness, and stimuli (sample, y, x)."""
    rng = np.random.default_rng(3)
    stimuli = rng.random((12, 28, 28))
    stimuli[0], stimuli[1] = 0, stimuli[1] > 0.5
    weight = np.linspace(0, 1, 12)[:, None, None]
    predicted = weight * stimuli + (1 - weight) * rng.normal(0.5, 0.4, (3, 12, 28, 28))
    predicted[0, 3] = 0.25
    return predicted, stimuli


def each(function, predicted, stimuli):
    return np.array([[function(image, true) for image, true in zip(seed, stimuli, strict=True)] for seed in predicted])


SCIKIT_IMAGE = {
    "mse": mean_squared_error,
    "ssim": lambda a, b: structural_similarity(
        b, a, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1
    ),
    "ssim_uniform7": lambda a, b: structural_similarity(b, a, data_range=1),
}


@pytest.mark.parametrize("name", SCIKIT_IMAGE)
def test_equals_scikit_image(pairs, name):
    found = getattr(metrics, name)(*pairs)
    np.testing.assert_allclose(found, each(SCIKIT_IMAGE[name], *pairs), rtol=1e-12, atol=1e-12)


def test_ssim_of_other_sizes_and_more_images_than_a_chunk():
    rng = np.random.default_rng(0)
    predicted, stimuli = rng.random((2, 600, 13, 31))
    expected = each(SCIKIT_IMAGE["ssim"], predicted[None], stimuli)[0]
    np.testing.assert_allclose(metrics.ssim(predicted, stimuli), expected, atol=1e-12)


def test_ssim_equals_torchmetrics(pairs):
    import torch

    import_open_clip()  # torchmetrics imports torchvision, whose operators a CPU build of torch lacks until declared
    from torchmetrics.functional.image import structural_similarity_index_measure

    predicted, stimuli = pairs
    tensors = [torch.from_numpy(images)[:, None] for images in (predicted[1], stimuli)]
    _, full = structural_similarity_index_measure(*tensors, sigma=1.5, data_range=1.0, return_full_image=True)
    # torchmetrics averages the padded border too; Wang's mean is of whole windows.
    expected = full[:, 0, 5:-5, 5:-5].mean(dim=(-1, -2))
    np.testing.assert_allclose(metrics.ssim(predicted[1], stimuli), expected.numpy(), atol=1e-6)


def test_psnr_equals_scikit_image_and_has_a_ceiling(pairs):
    predicted, stimuli = pairs
    expected = each(lambda a, b: peak_signal_noise_ratio(b, a, data_range=1), predicted[:, :11], stimuli[:11])
    np.testing.assert_allclose(metrics.psnr(predicted[:, :11], stimuli[:11]), expected, rtol=1e-12)
    np.testing.assert_array_equal(metrics.psnr(stimuli, stimuli), metrics.PSNR_CEILING)


def test_pixcorr_equals_numpy(pairs):
    predicted, stimuli = pairs
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = each(lambda a, b: np.corrcoef(a.ravel(), b.ravel())[0, 1], predicted, stimuli)
    found = metrics.pixcorr(predicted, stimuli)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isnan(found[:, 0]).all() and np.isnan(found[0, 3]) and np.isfinite(found[1:, 1:]).all()


@pytest.mark.parametrize("level", [0.0, 0.1, 1 / 3, 1e-9, 1e9, -0.7])
def test_constant_image_has_no_correlation_whatever_its_rounding(level):
    image = np.full((28, 28), level)
    image[3] *= 1 + 4e-16
    assert np.isnan(metrics.pixcorr(image, np.random.default_rng(0).random((28, 28))))


@pytest.mark.parametrize("name", ["mse", "psnr", "pixcorr", "ssim", "ssim_uniform7"])
def test_image_that_is_not_finite_has_no_score_and_spoils_no_other(pairs, name):
    predicted, stimuli = pairs[0].copy(), pairs[1]
    expected = getattr(metrics, name)(predicted, stimuli)
    predicted[1, 4, 5, 5], predicted[2, 5, 0, 0] = np.nan, np.inf
    predicted[2, 5, 14, 14] = np.inf
    expected[1, 4] = expected[2, 5] = np.nan
    np.testing.assert_allclose(getattr(metrics, name)(predicted, stimuli), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["mse", "psnr", "pixcorr", "ssim", "ssim_uniform7"])
def test_single_precision_input_is_computed_in_double(pairs, name):
    single = [images.astype(np.float32) for images in pairs]
    found = getattr(metrics, name)(*single)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, getattr(metrics, name)(*[images.astype(float) for images in single]))


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(InputError, match=r"\(2, 28, 28\).*\(2, 28, 27\)"):
        metrics.mse(np.zeros((2, 28, 28)), np.zeros((2, 28, 27)))
    with pytest.raises(InputError, match="broadcast"):
        metrics.pixcorr(np.zeros((2, 28, 28)), np.zeros((3, 28, 28)))
    with pytest.raises(InputError, match="11 x 11"):
        metrics.ssim(np.zeros((2, 10, 28)), np.zeros((2, 10, 28)))
    with pytest.raises(InputError, match="one id"):
        metrics.pairwise_identification(np.zeros((2, 9, 9)), np.zeros((2, 9, 9)), np.arange(3))


def repeated_trials(rng, n_stimuli=6, trials=15, seeds=2, size=5):
    gallery = rng.random((n_stimuli, size, size))
    gallery[4] = 1 - gallery[3]
    ids = np.concatenate([np.arange(n_stimuli), rng.integers(0, n_stimuli, trials - n_stimuli)])
    predicted = gallery[ids] + rng.normal(0, 0.6, (seeds, trials, size, size))
    return predicted, gallery, ids


def identify_by_loop(prediction, gallery, own):
    similarity = [np.corrcoef(prediction.ravel(), image.ravel())[0, 1] for image in gallery]
    others = [similarity[other] for other in range(len(gallery)) if other != own]
    return np.mean([1.0 if other < similarity[own] else 0.0 for other in others])


def test_pairwise_identification_by_the_definition():
    predicted, gallery, ids = repeated_trials(np.random.default_rng(1))
    expected = [
        [identify_by_loop(image, gallery, own) for image, own in zip(seed, ids, strict=True)] for seed in predicted
    ]
    np.testing.assert_allclose(metrics.pairwise_identification(predicted, gallery[ids], ids), expected)
    names = np.array([f"stimulus {number}" for number in ids])
    np.testing.assert_allclose(metrics.pairwise_identification(predicted, gallery[ids], names), expected)


def test_repeating_another_stimulus_more_often_changes_nothing():
    predicted, gallery, ids = repeated_trials(np.random.default_rng(2))
    found = metrics.pairwise_identification(predicted, gallery[ids], ids)
    more = np.concatenate([np.arange(len(ids)), [2, 2, 2]])
    again = metrics.pairwise_identification(predicted[:, more], gallery[ids[more]], ids[more])
    np.testing.assert_array_equal(again[:, : len(ids)], found)


def test_identification_of_ties_constants_and_single_stimuli():
    rng = np.random.default_rng(4)
    stimuli = rng.random((4, 6, 6))
    stimuli[1] = stimuli[0]  # the same picture under another name: a tie
    predicted = stimuli.copy()
    predicted[3] = 0.5
    found = metrics.pairwise_identification(predicted, stimuli, np.arange(4))
    np.testing.assert_array_equal(found, [2.5 / 3, 2.5 / 3, 1, np.nan])
    assert np.isnan(metrics.pairwise_identification(predicted[:1], stimuli[:1], ["a"])).all()
    assert np.isnan(metrics.pairwise_identification(predicted[:2], stimuli[:2], ["a", "a"])).all()
    stimuli[2] = 0.1  # a constant stimulus: nothing as true one, left out as a distractor
    found = metrics.pairwise_identification(predicted, stimuli, np.arange(4))
    np.testing.assert_array_equal(found, [0.75, 0.75, np.nan, np.nan])


def test_rounding_does_not_break_a_tie():
    """A tie is a tie wherever the two stimuli stand in the gallery, though sums differ in their last digits."""
    rng = np.random.default_rng(5)
    stimuli = rng.random((37, 28, 28))
    stimuli[36] = stimuli[0]
    predicted = rng.random((50, 37, 28, 28))
    swapped = np.arange(37)
    swapped[[0, 36]] = 36, 0
    found = metrics.pairwise_identification(predicted, stimuli, np.arange(37))
    # With one tie among 36 distractors, the share counts an odd number of halves for the tied two.
    assert (np.rint(found[:, [0, 36]] * 72) % 2 == 1).all()


def test_embedding_identification_is_correlation_of_features():
    rng = np.random.default_rng(6)
    true, predicted = rng.normal(size=(7, 20)), rng.normal(size=(3, 7, 20))
    similarity = 1 - np.array([cdist(seed, true, "correlation") for seed in predicted])
    own = similarity[:, np.arange(7), np.arange(7)]
    expected = (similarity < own[..., None] - 1e-14).sum(axis=-1) / 6
    np.testing.assert_allclose(metrics.embedding_identification(predicted, true, np.arange(7)), expected)


def n_way_by_enumeration(similarity, own, n):
    """Every set of n - 1 distractors; of a tie at the top, the true one takes its share."""
    others = [other for other in range(len(similarity)) if other != own]
    wins = []
    for drawn in itertools.combinations(others, n - 1):
        tied = sum(similarity[other] == similarity[own] for other in drawn)
        beaten = any(similarity[other] > similarity[own] for other in drawn)
        wins.append(0 if beaten else 1 / (1 + tied))
    return np.mean(wins)


def test_n_way_identification_equals_enumeration():
    rng = np.random.default_rng(7)
    stimuli = rng.integers(0, 3, (8, 2, 2)).astype(float)
    stimuli[5], stimuli[6] = stimuli[2], stimuli[2]
    predicted = rng.integers(0, 3, (4, 8, 2, 2)).astype(float)
    stimuli[:, 0, 0], predicted[..., 0, 0] = 5, 7  # none constant
    ways, curve = metrics.n_way_identification(predicted, stimuli, np.arange(8))
    np.testing.assert_array_equal(ways, np.arange(2, 9))
    for seed, sample in np.ndindex(4, 8):
        flat = np.vstack([predicted[seed, sample].ravel(), stimuli.reshape(8, -1)])
        similarity = np.round(np.corrcoef(flat)[0, 1:], 10)
        expected = [n_way_by_enumeration(similarity, sample, n) for n in ways]
        np.testing.assert_allclose(curve[seed, sample], expected, atol=1e-12)


def test_n_way_curve_begins_with_pairwise_and_ends_with_top_1():
    predicted, gallery, ids = repeated_trials(np.random.default_rng(8), n_stimuli=40, trials=60, size=8)
    ways, curve = metrics.n_way_identification(predicted, gallery[ids], ids)
    pairwise = metrics.pairwise_identification(predicted, gallery[ids], ids)
    np.testing.assert_allclose(curve[..., 0], pairwise)
    np.testing.assert_allclose(curve[..., -1], pairwise == 1)
    assert ways[-1] == 40 and (np.diff(curve, axis=-1) <= 1e-12).all()


def test_n_way_curve_of_many_stimuli_is_exact():
    """C(L, n - 1) / C(D, n - 1) without overflow where the coefficients have hundreds of digits."""
    from math import comb

    rng = np.random.default_rng(9)
    stimuli = rng.random((900, 3, 3))
    predicted = stimuli[:5] + rng.normal(0, 0.2, (5, 3, 3))
    predicted = np.concatenate([predicted, stimuli[5:]])
    _, curve = metrics.n_way_identification(predicted, stimuli, np.arange(900))
    beaten = np.rint(metrics.pairwise_identification(predicted, stimuli, np.arange(900)) * 899).astype(int)
    for sample, n in itertools.product(range(5), (2, 10, 450, 900)):
        assert curve[sample, n - 2] == pytest.approx(comb(int(beaten[sample]), n - 1) / comb(899, n - 1), rel=1e-10)


def test_n_way_of_one_stimulus_has_no_way():
    ways, curve = metrics.n_way_identification(np.random.rand(2, 3, 5, 5), np.ones((3, 5, 5)), ["a"] * 3)  # noqa: NPY002
    assert ways.shape == (0,) and curve.shape == (2, 3, 0)


def test_guessing_scores_at_chance():
    rng = np.random.default_rng(10)
    stimuli, predicted = rng.random((50, 10, 10)), rng.random((60, 50, 10, 10))
    found = metrics.pairwise_identification(predicted, stimuli, np.arange(50)).mean()
    assert found == pytest.approx(METRICS["pairwise_identification"].chance, abs=0.02)


def test_registry_is_complete_and_consistent():
    for name, metric in METRICS.items():
        assert metric.name == name and metric.label and metric.low < metric.high and metric.decimals >= 0
        assert metric.chance is None or metric.low <= metric.chance <= metric.high
        assert metric.chance_from is None or metric.chance_from[0] in METRICS
        assert metric.median_of is None or metric.median_of in METRICS
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)


def test_chance_levels_follow_from_the_gallery():
    sizes = {"gallery_test": 20.0, "gallery_all": 100.0, "backward_chance5_test": 0.3}
    expected = {
        "top5_test": 0.25,
        "top10_all": 0.1,
        "rank_all": 50.5,
        "median_rank_test": 10.5,
        "mrr_test": np.mean(1 / np.arange(1, 21)),
        "backward_top5_test": 0.3,
        "pairwise_identification": 0.5,
        "mse": None,
    }
    for name, level in expected.items():
        assert metrics.chance_level(name, sizes) == (level if level is None else pytest.approx(level))
    assert metrics.chance_level("top10_test", {"gallery_test": 4.0}) == 1
    assert metrics.chance_level("top10_test", {}) is None


@pytest.mark.parametrize("name", ["mse", "psnr", "ssim", "ssim_uniform7"])
@pytest.mark.parametrize("images", [np.eye(16).astype(np.uint8) * 255, np.eye(16) * 255.0], ids=["uint8", "float"])
def test_images_of_8_bits_are_refused(name, images):
    with pytest.raises(InputError, match=r"expected numbers in 0..1.*Divide"):
        getattr(metrics, name)(images, images)
    assert np.isfinite(getattr(metrics, name)(np.eye(16, dtype=bool), np.eye(16)))
