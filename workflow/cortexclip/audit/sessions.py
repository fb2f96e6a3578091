"""Whether the session predicts the image, whether responses carry it, and what a decoder gains by it.

Where each session shows images of its own and responses carry their session (scaling, drift, position of the head), a
decoder can recognise the session and answer with its images. Folds over images alone do not show that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from cortexclip.audit.finding import Finding, some
from cortexclip.audit.signal import ridge_maps
from cortexclip.audit.stimuli import Fold
from cortexclip.numerics.standardise import fit_scaler

ALPHA = 0.01
"""Level of each test, hence the rate of false alarms of one of them on data without a session effect."""
PERMUTATIONS = 999
MOST_SAMPLES = 400
"""Of more samples so many are drawn at random, which is enough to see a session and done in seconds."""
ENOUGH_REPEATED = 20
"""Samples of images shown in two sessions or more from which only these are used, with their images kept apart."""
EXACT_SESSIONS = 14
"""Up to so many sessions all signs of their differences are tried."""


@dataclass(frozen=True)
class PermutationTest:
    """A statistic, its values under permutations, and the share of these (and itself) that reach it."""

    value: float
    chance: np.ndarray
    p_value: float


@dataclass(frozen=True)
class LeftOut:
    """Ridge regression without a trial's own session, and without another session that shows the same image.

    ``own`` and ``sibling`` are mean squared errors over the same ``samples``, ``sessions`` how many sessions these are
    of, ``p_value`` that of a larger error without the own session, by flipping the signs of whole sessions.
    """

    own: float
    sibling: float
    p_value: float
    samples: int
    sessions: int


def session_groups(stimulus: np.ndarray, session: np.ndarray) -> np.ndarray:
    """Number of the group of each sample's session, shape (n_samples,); sessions that share an image are one group."""
    image, of = (np.unique(values, return_inverse=True)[1] for values in (stimulus, session))
    shown = np.zeros((of.max() + 1, image.max() + 1), int)
    shown[of, image] = 1
    return connected_components(shown @ shown.T)[1][of]


def set_association(stimulus: np.ndarray, session: np.ndarray, seed: int) -> PermutationTest:
    """How much pairs of sessions have their images in common, against sessions that each draw theirs at random.

    The statistic is the number of groups of two sessions or more that share images, and, among equal numbers, how
    unevenly pairs of sessions share them (a fraction below 1). Permutations give each session as many images, as often,
    out of all images. Images that are never shown in a second session say nothing: the p value is 1 then.
    """
    image = np.unique(stimulus, return_inverse=True)[1]
    counts = _members(session).T @ np.eye(image.max() + 1)[image]

    def common(table: np.ndarray) -> np.ndarray:
        shared = table @ table.T
        np.fill_diagonal(shared, 0.0)
        return shared

    rng = np.random.default_rng(seed)
    pairs = np.stack([common(counts), *(common(rng.permuted(counts, axis=1)) for _ in range(PERMUTATIONS))])
    total, squares = pairs.sum(axis=(1, 2)), (pairs**2).sum(axis=(1, 2))
    observed, *permuted = (_groups_of_two(pairs > 0) + squares / (1.0 + total**2)).tolist()
    return _tested(observed, permuted)


def _groups_of_two(linked: np.ndarray) -> np.ndarray:
    """How many connected groups of two members or more there are, for symmetric tables (n_tables, n, n) of links."""
    n = linked.shape[1]
    reached = linked | np.eye(n, dtype=bool)
    for _ in range(max(1, n - 1).bit_length()):  # each time twice as far
        reached = (reached.astype(np.float32) @ reached.astype(np.float32)) > 0
    first = reached.argmax(axis=2) == np.arange(n)
    return (first & (reached.sum(axis=2) > 1)).sum(axis=1)


def image_association(images: np.ndarray, session: np.ndarray, seed: int) -> PermutationTest:
    """Share of the pixels' variance that lies between sessions, against sessions shuffled over the samples.

    Exact where every sample could have shown any of the images in any session. One image repeated in every session
    makes the share smaller than by chance, never larger.
    """
    pixels = np.asarray(images, np.float64).reshape(len(images), -1)
    pixels = pixels - pixels.mean(axis=0)
    gram = pixels @ pixels.T
    member, total = _members(session), max(np.trace(gram), 1e-12)
    size = member.sum(axis=0)

    def share(order: np.ndarray) -> float:
        shuffled = member[order]
        return float(((gram @ shuffled) * shuffled).sum(axis=0) @ (1 / size) / total)

    rng = np.random.default_rng(seed)
    return _tested(share(np.arange(len(member))), [share(rng.permutation(len(member))) for _ in range(PERMUTATIONS)])


def session_decoding(
    brain: np.ndarray, stimulus: np.ndarray, session: np.ndarray, seed: int, within_images: bool
) -> PermutationTest:
    """How often the nearest mean response of a session is that of the trial's own session, against shuffled sessions.

    The means leave out all trials of the trial's own image. With ``within_images`` responses are taken as deviations
    from the mean response to their image, a trial can only be of a session that showed its image, and sessions are
    shuffled among the trials of each image: what an image evokes cannot reveal the session then, and the test is exact
    with any number of sessions, since trials are shuffled and not sessions.
    """
    image = np.unique(stimulus, return_inverse=True)[1]
    shows = np.eye(image.max() + 1)[image]
    same = image[:, None] == image[None]
    responses = fit_scaler(brain)(brain)
    if within_images:
        responses = responses - (same / same.sum(axis=1, keepdims=True)) @ responses
    gram = responses @ responses.T
    own_image = np.where(same, gram, 0.0)
    member = _members(session)
    possible = same.astype(float) @ member > 0 if within_images else np.ones(member.shape, bool)

    def accuracy(order: np.ndarray) -> float:
        of = member[order]
        toward, toward_own = gram @ of, own_image @ of
        size = of.sum(axis=0) - same @ of
        # squared length of each session's sum of responses without those to the trial's image
        cross, inner = (shows.T @ (of * product) for product in (toward, toward_own))
        length = (of * toward).sum(axis=0) - (2 * cross - inner)[image]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = length / size**2 - 2 * (toward - toward_own) / size
        distance[~possible | (size < 0.5)] = np.inf
        return float(of[np.arange(len(of)), distance.argmin(axis=1)].mean())

    rng = np.random.default_rng(seed)
    orders = (_shuffled(image, rng) if within_images else rng.permutation(len(member)) for _ in range(PERMUTATIONS))
    return _tested(accuracy(np.arange(len(member))), [accuracy(order) for order in orders])


def ridge_left_out(
    brain: np.ndarray, images: np.ndarray, stimulus: np.ndarray, session: np.ndarray, seed: int
) -> LeftOut | None:
    """Error of ridge on trials whose own session is left out, and with another session of the same image left out.

    In both cases the image was trained on and the trial itself was not. Every session is left out once; the error
    without a sibling session is that of leave-one-out over the others. Voxels are z-scored on what is trained on, the
    penalty is that of least leave-one-out error. None where no image allows the comparison.
    """
    pixels = np.asarray(images, np.float64).reshape(len(images), -1)
    image, of = (np.unique(values, return_inverse=True)[1] for values in (stimulus, session))
    shows = np.eye(image.max() + 1)[image].T @ _members(session)  # trials of each image in each session
    trials = shows.sum(axis=1)
    own, sibling, siblings = (np.zeros(len(of)) for _ in range(3))
    for left_out in range(of.max() + 1):
        inside = of == left_out
        if (~inside).sum() < 3:
            continue
        predicted = _ridge_with_loo(brain, pixels, inside)
        error = ((np.clip(predicted, 0.0, 1.0) - pixels) ** 2).mean(axis=1)
        own[inside] = error[inside]
        # trials elsewhere whose image this session shows too, and which is trained on besides
        valid = ~inside & (shows[image, left_out] > 0) & (trials[image] - shows[image, left_out] > 1)
        sibling[valid] += error[valid]
        siblings[valid] += 1
    use = (siblings > 0) & (trials[image] > shows[image, of])
    if not use.any():
        return None
    sibling[use] /= siblings[use]
    differences = np.array([(own - sibling)[use & (of == number)].mean() for number in np.unique(of[use])])
    p_value = _sign_test(differences, seed)
    return LeftOut(float(own[use].mean()), float(sibling[use].mean()), p_value, int(use.sum()), len(differences))


def check_sessions(
    brain: np.ndarray, images: np.ndarray, stimulus: np.ndarray, session: np.ndarray, folds: list[Fold], seed: int
) -> list[Finding]:
    """All findings on sessions; none where the data have not two sessions or more.

    A session below 0 is unknown, and such samples are left out. ``folds`` are the canonical split, or none where there
    is none.
    """
    known = np.flatnonzero(session >= 0)
    if len(np.unique(session[known])) < 2:
        return []
    seen = not folds or any(np.isin(session[fold.scored], session[fold.trained]).any() for fold in folds)
    drawn = known
    if len(known) > MOST_SAMPLES:
        drawn = np.sort(np.random.default_rng(seed).permutation(known)[:MOST_SAMPLES])
    brain, images, stimulus, session = brain[drawn], images[drawn], stimulus[drawn], session[drawn]
    tests = set_association(stimulus, session, seed), image_association(images, session, seed)
    confounded = min(test.p_value for test in tests) <= ALPHA / len(tests)
    decoding, within = _decoding(brain, stimulus, session, seed, confounded)
    carried = decoding is None or decoding.p_value <= ALPHA
    left_out = ridge_left_out(brain, images, stimulus, session, seed)
    return [
        _on_images(images, stimulus, session, tests, confounded, carried and seen),
        _on_decoding(decoding, within, session),
        *([_on_left_out(left_out, confounded)] if left_out else []),
    ]


def check_sessions_seen(folds: list[Fold], session: np.ndarray, confounded: bool) -> Finding | None:
    """Scored samples whose session was trained on; serious where sessions predict the images (``confounded``).

    None where the data have not two sessions or more.
    """
    if len(np.unique(session[session >= 0])) < 2:
        return None
    hits = np.concatenate([np.isin(session[fold.scored], session[fold.trained]) for fold in folds])
    seen, total = int(hits.sum()), len(hits)
    message = f"{some(seen, total, 'scored samples', 'is', 'are')} of a session that was trained on."
    numbers: dict[str, int | float] = {"samples": seen, "of_samples": total}
    if not seen:
        return Finding("seen_sessions", "info", message, "Recognising the session does not help a method.", numbers)
    if confounded:
        meaning = "A method that recognises the session knows which images it showed; compare across_sessions."
        return Finding("seen_sessions", "serious", message, meaning, numbers)
    return Finding("seen_sessions", "info", message, "The session does not predict the image here.", numbers)


def _decoding(brain, stimulus, session, seed: int, confounded: bool) -> tuple[PermutationTest | None, bool]:
    """The test for sessions in the responses and whether it is within images; none where images could explain it."""
    image, of = (np.unique(values, return_inverse=True)[1] for values in (stimulus, session))
    shown = np.zeros((image.max() + 1, of.max() + 1), bool)
    shown[image, of] = True
    repeated = shown.sum(axis=1)[image] > 1
    if repeated.sum() >= ENOUGH_REPEATED:
        return session_decoding(brain[repeated], stimulus[repeated], session[repeated], seed, True), True
    return (None if confounded else session_decoding(brain, stimulus, session, seed, False)), False


def _on_images(images, stimulus, session, tests, confounded: bool, harmful: bool) -> Finding:
    sets, pixels = tests
    group, rows = session_groups(stimulus, session), images.reshape(len(images), -1).astype(np.float64)
    distinct, n_groups, n_sessions = len(np.unique(stimulus)), int(group.max()) + 1, len(np.unique(session))
    errors = _error_of_means(rows, session), _error_of_means(rows, np.zeros(len(rows)))
    numbers: dict[str, int | float] = {
        "sessions": n_sessions,
        "groups": n_groups,
        "images": distinct,
        "p_value_sets": sets.p_value,
        "share_between_sessions": pixels.value,
        "chance_mean": float(pixels.chance.mean()),
        "p_value": pixels.p_value,
        "mse_session_mean": errors[0],
        "mse_mean_image": errors[1],
    }
    explained = (
        f"the session explains {pixels.value:.0%} of the variance of the images, {numbers['chance_mean']:.0%} by "
        f"chance (p = {pixels.p_value:.2g})"
    )
    if not confounded:
        message = f"Images do not depend on the session beyond chance; {explained}."
        return Finding(
            "session_images", "info", message, "Recognising the session does not help to find the image.", numbers
        )
    confined = (
        f"the {n_sessions} sessions are {n_groups} groups that share no image, so each of the {distinct} images occurs "
        "in one group alone"
        if n_groups > 1
        else f"the {n_sessions} sessions show the {distinct} images unequally often"
    )
    short = "The session predicts the images"
    return Finding(
        "session_images",
        "serious" if harmful else "notable",
        f"{short}: {confined} (p = {sets.p_value:.2g}); {explained}. Predicting the mean of "
        f"the session's other samples, without brain data, has an error of {errors[0]:.4f}, predicting the mean of all "
        f"{errors[1]:.4f}.",
        "A decoder gains by recognising the session where scored and training samples share sessions. Judge methods by "
        "unseen_across_sessions."
        if harmful
        else "This is harmless only if the session cannot be decoded from the responses, or if scored sessions are not "
        "trained on.",
        numbers,
        short,
    )


def _on_decoding(decoding: PermutationTest | None, within: bool, session: np.ndarray) -> Finding:
    if decoding is None:
        return Finding(
            "session_decoded",
            "notable",
            "Whether the session can be decoded from the responses cannot be determined, since too few images "
            "repeat in another session.",
            "Effects of the session and of its images cannot be separated.",
            {"sessions": len(np.unique(session))},
        )
    numbers = {
        "accuracy": decoding.value,
        "chance_mean": float(decoding.chance.mean()),
        "p_value": decoding.p_value,
        "permutations": len(decoding.chance),
        "within_images": int(within),
    }
    how = "among the trials of one image" if within else "over all samples"
    measured = (
        f"the nearest mean response finds the session of {decoding.value:.0%} of the samples, "
        f"{numbers['chance_mean']:.0%} with sessions shuffled {how} (p = {decoding.p_value:.2g})"
    )
    if decoding.p_value <= ALPHA:
        meaning = (
            "Scaling, drift or position differ by session. Where sessions predict the images, a decoder can use this "
            "to guess the image."
        )
        message = f"The session can be decoded from the responses: {measured}."
        return Finding("session_decoded", "notable", message, meaning, numbers)
    message = f"The session is not decoded from the responses beyond chance: {measured}."
    return Finding(
        "session_decoded", "info", message, "A decoder cannot guess the image by recognising the session.", numbers
    )


def _on_left_out(found: LeftOut, confounded: bool) -> Finding:
    numbers = {key: getattr(found, key) for key in ("own", "sibling", "p_value", "samples", "sessions")}
    measured = (
        f"ridge has an error of {found.own:.4f} without the sample's own session and of {found.sibling:.4f} without "
        f"another session of the same image ({found.samples} samples of {found.sessions} sessions, "
        f"p = {found.p_value:.2g})"
    )
    if found.p_value > ALPHA:
        message = f"Training on the sample's own session is not shown to help: {measured}."
        return Finding("session_left_out", "info", message, "The image was trained on in both cases.", numbers)
    short = "Training on the sample's own session helps decoding"
    meaning = "The image was trained on in both cases, so part of any score with shared sessions is due to the session."
    severity = "serious" if confounded else "notable"
    return Finding("session_left_out", severity, f"{short}: {measured}.", meaning, numbers, short)


def _ridge_with_loo(brain: np.ndarray, pixels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Predictions of ridge fitted without the samples ``inside``; for those it is fitted on, leave-one-out ones."""
    scaler = fit_scaler(brain[~inside])
    target = pixels[~inside]
    best, predicted = np.inf, np.empty_like(pixels)
    for residual, prediction in ridge_maps(scaler(brain[~inside]), scaler(brain[inside])):
        left = residual @ target
        if (error := float((left**2).sum())) <= best:  # ties go to the larger penalty
            best = error
            predicted[~inside], predicted[inside] = target - left, target.mean(axis=0) + prediction @ target
    return predicted


def _error_of_means(pixels: np.ndarray, group: np.ndarray) -> float:
    """Mean squared error of the mean of the other samples of a group; a sample alone in its group is left out."""
    member = _members(group)
    size = member.sum(axis=0)
    own = member @ size
    means = (member / size) @ (member.T @ pixels)
    use = own > 1
    factor = own[use] / (own[use] - 1)  # from the mean of all to that of the others
    return float(((pixels - means)[use] ** 2).mean(axis=1) @ factor**2 / max(use.sum(), 1))


def _sign_test(differences: np.ndarray, seed: int) -> float:
    """One-sided p value of a mean above 0, by flipping signs: all of them up to ``EXACT_SESSIONS``, else at random."""
    n = len(differences)
    if n <= EXACT_SESSIONS:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(np.mean(signs @ differences >= differences.sum() - 1e-15))
    signs = np.random.default_rng(seed).choice([-1, 1], size=(9999, n))
    return float((1 + np.count_nonzero(signs @ differences >= differences.sum() - 1e-15)) / 10_000)


def _members(session: np.ndarray) -> np.ndarray:
    """Which session each sample is of, one column a session, shape (n_samples, n_sessions)."""
    of = np.unique(session, return_inverse=True)[1]
    return np.eye(of.max() + 1)[of]


def _shuffled(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order of the samples that exchanges only samples of one image."""
    order = np.empty(len(image), int)
    order[np.argsort(image, kind="stable")] = np.lexsort((rng.random(len(image)), image))
    return order


def _tested(value: float, chance: list[float]) -> PermutationTest:
    values = np.array(chance)
    return PermutationTest(value, values, float((1 + np.count_nonzero(values >= value - 1e-12)) / (1 + len(values))))
