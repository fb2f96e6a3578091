"""Ridge whose penalty is chosen in every fold, against RidgeCV of scikit-learn in a loop and kernel ridge of himalaya.

Data of the size of the handwritten digits: 10 folds of 100 samples (90 to train on), 3092 voxels, 784 pixels, 25
penalties. Predictions are compared with scikit-learn's. With shuffles of the pairs, scikit-learn's loop is timed on a
few and multiplied, since all would take an hour.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow python benchmarks/ridge.py [--fast] [--write]
"""

from __future__ import annotations

import warnings

import numpy as np
from report import Report, Row, Timing, arguments, finish, in_turns
from sklearn.linear_model import RidgeCV

from cortexclip.numerics.ridge import ShuffledRidge, fit_ridge, penalty_grid

FOLDS, TIMED_SHUFFLES = 10, 2


def simulated(n_samples: int, n_voxels: int, n_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Responses and images that share some of their variance."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(n_samples, 20))
    brain = hidden @ rng.normal(size=(20, n_voxels)) + 3 * rng.normal(size=(n_samples, n_voxels))
    pixels = hidden @ rng.normal(size=(20, n_pixels)) + rng.normal(size=(n_samples, n_pixels))
    return brain.astype(np.float32), pixels


def main() -> None:
    options = arguments(__doc__.splitlines()[0], repeats=5)
    n_samples, n_voxels, n_pixels = (100, 300, 50) if options.fast else (100, 3092, 784)
    shuffles = 20 if options.fast else 200
    brain, pixels = simulated(n_samples, n_voxels, n_pixels)
    penalties = penalty_grid(1e0, 1e6, 25)
    folds = np.arange(n_samples) % FOLDS
    parts = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(FOLDS)]
    orders = np.stack([np.random.default_rng(seed).permutation(len(parts[0][0])) for seed in range(shuffles)])

    def ours() -> np.ndarray:
        return np.concatenate(
            [fit_ridge(brain[train], pixels[train], penalties).predict(brain[test]) for train, test in parts]
        )

    def scikit_learn(order: np.ndarray | slice = slice(None)) -> np.ndarray:
        return np.concatenate(
            [
                RidgeCV(penalties)
                .fit(brain[train].astype(float), pixels[train][order])
                .predict(brain[test].astype(float))
                for train, test in parts
            ]
        )

    def himalaya() -> np.ndarray:
        from himalaya.kernel_ridge import KernelRidgeCV

        found = []
        for train, test in parts:
            mean, target_mean = brain[train].mean(axis=0), pixels[train].mean(axis=0)
            model = KernelRidgeCV(alphas=penalties, cv=5, solver_params={"local_alpha": False})
            model.fit((brain[train] - mean).astype(float), pixels[train] - target_mean)
            found.append(model.predict((brain[test] - mean).astype(float)) + target_mean)
        return np.concatenate(found)

    def shuffled() -> np.ndarray:
        found = np.empty((shuffles, n_samples, n_pixels))
        for train, test in parts:
            ridge = ShuffledRidge(brain[train], pixels[train], penalties)
            for number, order in enumerate(orders):
                penalty, _ = ridge.choose(order)
                found[number, test] = ridge.predict(brain[test], order, penalty)
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times, results = in_turns({"ours": ours, "scikit-learn": scikit_learn, "himalaya": himalaya}, options.repeats)
    order_of_folds = np.concatenate([test for _, test in parts])
    apart = np.abs(results["ours"] - results["scikit-learn"]).max()
    if apart > 1e-6:
        raise SystemExit(f"predictions are up to {apart:.2g} from scikit-learn's, expected at most 1e-6")

    some = {
        f"shuffle {number}": lambda order=order: scikit_learn(order)
        for number, order in enumerate(orders[:TIMED_SHUFFLES])
    }
    times_shuffled, results_shuffled = in_turns({"ours": shuffled, **some}, max(1, options.repeats // 2))
    for number in range(TIMED_SHUFFLES):
        expected = results_shuffled[f"shuffle {number}"]
        difference = np.abs(results_shuffled["ours"][number][order_of_folds] - expected).max()
        apart = max(apart, difference)
    if apart > 1e-6:
        raise SystemExit(
            f"predictions of shuffled pairs are up to {apart:.2g} from scikit-learn's, expected at most 1e-6"
        )
    loop = [times_shuffled[name] for name in some]
    all_of_them = Timing(
        *(shuffles * np.mean([getattr(t, key) for t in loop]) for key in ("median", "low", "high")), loop[0].repeats
    )

    size = f"{FOLDS} folds, 25 penalties, {len(parts[0][0])} x {n_voxels} voxels to {n_pixels} pixels"
    finish(
        Report(
            name="ridge",
            title="Ridge with penalty search",
            rows=[
                Row(
                    f"{size}, leave-one-out",
                    times["ours"],
                    times["scikit-learn"],
                    "scikit-learn's RidgeCV in a loop",
                    12,
                ),
                Row(
                    f"{size}, leave-one-out",
                    times["ours"],
                    times["himalaya"],
                    "himalaya's KernelRidgeCV in a loop, 5 folds",
                    1,
                ),
                Row(
                    f"the same, {shuffles} shuffles of the pairs",
                    times_shuffled["ours"],
                    all_of_them,
                    f"scikit-learn's RidgeCV in a loop, from {TIMED_SHUFFLES} of the shuffles",
                    100,
                ),
            ],
            notes=[f"Largest difference of any prediction from scikit-learn's: {apart:.1e}."],
        ),
        options,
    )


if __name__ == "__main__":
    main()
