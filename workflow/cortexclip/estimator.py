"""Every method of the catalogue as an estimator of scikit-learn: brain responses in, images out."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, validate_data

from cortexclip.configuration import config
from cortexclip.configuration.loading import load_encoder
from cortexclip.data.dataset import stimulus_identity
from cortexclip.errors import InputError, nearest
from cortexclip.evaluation.splits import inner_parts
from cortexclip.methods.catalogue import Point, load_method, points_of
from cortexclip.methods.fitting import fit_one
from cortexclip.methods.interface import FitData, Method, Prediction, Samples, Saved
from cortexclip.numerics.readout import unit_length
from cortexclip.numerics.standardise import fit_scaler
from cortexclip.results import restore
from cortexclip.runtime import project
from cortexclip.runtime.seeds import derive_seed


class Decoder(RegressorMixin, BaseEstimator):
    """A decoder of seen images from brain responses, fitted by any method of config/methods.yaml.

    Parameters
    ----------
    method : name of an entry of config/methods.yaml.
    settings : settings that differ from the entry's, by name, in one mapping.
    dataset : name of a dataset for which the entry has settings of its own (``by_dataset``); others by size alone.
    encoder : name of the embedding space (config/encoders.yaml), for methods that have encoders; by default the first
        of them whose weights ship with the project.
    seed : what all random numbers are derived from.
    select : share of the stimuli whose samples choose the epoch, or whatever else a method does not choose by itself,
        before it learns from all samples. All samples of a stimulus are on the same side.
    image_shape : height and width of images that are given as rows; by default they are square.
    image_range : black and white of the images as they are given; None for the range of the training images.
    **parameters : single settings of the method, such as ``penalty_low=1.0`` for ``ridge``, which come before those in
        ``settings``. `get_params`, `set_params`, `clone` and searches treat them as all parameters. None stands for
        the value of the entry. Every method's settings are listed in config/README.md.

    Attributes
    ----------
    decoder_ : what the method's ``fit`` returned.
    settings_ : the method's Settings, all of them.
    encoder_ : name of the embedding space, or None.
    image_shape_ : height and width of the images.
    image_range_ : black and white.
    n_features_in_ : number of voxels.
    feature_names_in_ : names of the voxels, if they were given as the columns of a DataFrame.
    history_ : losses by epoch, a list of mappings with stage, epoch, quantity and value; empty where nothing is
        iterated, and for a decoder that was loaded.
    """

    def __init__(
        self,
        method: str = "ridge",
        settings: Mapping[str, object] | None = None,
        dataset: str | None = None,
        encoder: str | None = None,
        seed: int = 0,
        select: float = 0.15,
        image_shape: tuple[int, int] | None = None,
        image_range: tuple[float, float] | None = (0.0, 1.0),
        **parameters: object,
    ):
        self.method = method
        self.settings = settings
        self.dataset = dataset
        self.encoder = encoder
        self.seed = seed
        self.select = select
        self.image_shape = image_shape
        self.image_range = image_range
        self.set_params(**parameters)

    def get_params(self, deep: bool = True) -> dict:
        """The parameters by name: those of the estimator, and the settings of the method that were given.

        With ``deep``, the other settings of the method too, as None: the entry's values, which can depend on the
        dataset and on its size. `settings_` has what was used.
        """
        others = dict.fromkeys(_settings_of(self.method)) if deep else {}
        return {**others, **super().get_params(deep=False), **self._given()}

    def set_params(self, **params: object):
        """Change parameters of the estimator, and settings of the method, where None goes back to the entry's value.

        Raises InputError, and changes nothing, for what is no setting of the method that the estimator will have.
        """
        own, given = super().get_params(deep=False), self._given()
        wanted = {**given, **{key: value for key, value in params.items() if key not in own}}
        method = params.get("method", self.method)
        known = _settings_of(method) if wanted else []
        for key, value in wanted.items():
            if known and key not in known and not (value is None and key in given):
                close = nearest(key, [*known, *own])
                raise InputError(f"Invalid parameter '{key}' for Decoder with method '{method}'. {close}")
        for key, value in params.items():
            setattr(self, key, value)
        for key in wanted.keys() - known if known else ():
            delattr(self, key)  # a None that was for another method
        return self

    def fit(
        self,
        X,
        y,
        *,
        stimulus=None,
        label=None,
        session=None,
        region=None,
        unlabelled=None,
        others: Sequence[tuple] = (),
    ):
        """Learn from brain responses and the images that were seen; returns self.

        Raises InputError, a ValueError, for what cannot be used.

        Parameters
        ----------
        X : array of shape (n_samples, n_voxels), brain responses.
        y : array of shape (n_samples, height, width) or (n_samples, height * width), the images; an axis of one
            channel is allowed.
        stimulus : array of shape (n_samples,), identity of each image; by default images of equal pixels are the same.
        label : array of shape (n_samples,), class of each image, whole numbers, for methods that need it.
        session : array of shape (n_samples,), session of each sample, whole numbers, for methods that need it.
        region : array of shape (n_voxels,), region of interest of each voxel, whole numbers, for methods that need it.
        unlabelled : array of shape (n, n_voxels), the responses to be decoded, for transductive methods, and for these
            alone: their images are never seen.
        others : pairs of responses and images of other recordings, for methods that pool them.
        """
        entry = self._entry()
        X, images = self._checked(X, y)
        encoder = self._encoder_name(entry)
        points = self._points(entry, len(X))
        samples = _samples(X, images, stimulus, label, session)
        _check_needs(entry, self.method, label, session, region)
        if region is not None:
            samples = replace(samples, region=_whole_numbers(region, X.shape[1], "region", "voxel"))
        if encoder is not None:
            samples = replace(samples, embedding=_embeddings(encoder, samples))
        data = FitData(
            *self._parts(samples),
            scored_brain=self._scored(points[0].method, unlabelled),
            others=self._others(entry, others),
        )
        decoder, point = fit_one(points, data, derive_seed(self.seed, "estimator", self.method))
        self.encoder_, self.image_shape_ = encoder, images.shape[1:]
        self.settings_, self.decoder_, self.history_ = point.method.settings, decoder, decoder.history()
        self._fitted = restore.Fitted(decoder, point.method, images.shape[1:], fit_scaler(X))
        return self

    def predict(self, X, label=None) -> np.ndarray:
        """Images of brain responses (n_samples, n_voxels), shaped as those that `fit` was given.

        They have the precision that they were computed in: float32 from a network, else float64.
        ``label`` (n_samples,) is the class of each image, or the session for ``session_mean``, for oracles alone.
        """
        images = self.decode(X, label).images
        low, high = self.image_range_
        images = low + (high - low) * images
        return images.reshape(len(images), *self._layout)

    def embed(self, X) -> np.ndarray:
        """Predicted image embeddings (n_samples, n_features) in the space of ``encoder_``; float32 from a network.

        Raises InputError for a method that predicts none.
        """
        embedding = self.decode(X).embedding
        if embedding is None:
            raise InputError(
                f"method '{self.method}' predicts images alone, so it has no embedding. Use one with encoders, such as "
                "ridge_clip."
            )
        return embedding

    def retrieve(self, X, gallery, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """The images of a gallery whose embeddings are most similar to the predicted ones.

        Parameters
        ----------
        X : array of shape (n_samples, n_voxels).
        gallery : array of images, shaped as those that `fit` was given.
        k : how many for each sample, at most those in the gallery.

        Returns
        -------
        similarity : array of shape (n_samples, k), cosines, the greatest first; in the precision of `embed`.
        index : array of shape (n_samples, k), positions in the gallery; of equals the first.
        """
        embedding = self.embed(X)
        images = _images(gallery, self.image_shape_, self.image_range_, "gallery")[0]
        if not 1 <= k <= len(images):
            raise InputError(f"k: found {k}, expected 1 to {len(images)}, the images in the gallery.")
        encoder = encoder_named(self.encoder_)
        ours, theirs = (unit_length(np.asarray(a, np.float64)) for a in (embedding, encoder.encode(images)))
        similarity = ours @ theirs.T
        index = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(similarity, index, axis=1).astype(embedding.dtype, copy=False), index

    def score(self, X, y, label=None) -> float:
        """Minus the mean squared error per pixel of images, as given: the project's main measure; 0 is perfect."""
        predicted = self.predict(X, label)
        images = check_images(y, "y", predicted.shape[1:])
        _valid(check_consistent_length, images, predicted)
        return -float(np.mean((predicted - images.reshape(predicted.shape)) ** 2))

    def decode(self, X, label=None) -> Prediction:
        """All that the method makes of brain responses (n_samples, n_voxels), with images in 0..1."""
        check_is_fitted(self, "decoder_")
        X = _valid(validate_data, self, X, reset=False, dtype=np.float32)
        return self.decoder_.predict(X, *self._label(label, len(X)))

    def save(self, folder: str | os.PathLike) -> None:
        """Write the fitted decoder into a folder that `load` reads: run.json and weights.safetensors."""
        check_is_fitted(self, "decoder_")
        seed = derive_seed(self.seed, "estimator", self.method)
        record = {
            **{"method": self.method, "encoder": self.encoder_, "base_seed": int(self.seed)},
            **{"image_range": list(self.image_range_), "protocol": None, "dataset": self.dataset},
        }
        if hasattr(self, "feature_names_in_"):
            record["feature_names"] = list(self.feature_names_in_)
        restore.save_run(folder, self._fitted, record, seed)

    @classmethod
    def load(cls, folder: str | os.PathLike, fold: int = 0, seed: int = 0) -> Decoder:
        """The trained decoder of a run, such as ``results/runs/holdout/vangerven/ridge``, or of `save`.

        Parameters
        ----------
        folder : with run.json and weights.safetensors.
        fold, seed : which of the run's trainings; their weights must have been kept (save_weights).
        """
        fitted, record = restore.load_run(folder, fold, seed)
        self = cls(
            method=record["method"],
            settings=fitted.method.settings.model_dump(),
            encoder=record["encoder"],
            seed=record["base_seed"],
            image_range=tuple(record.get("image_range", (0.0, 1.0))),
        )
        self.encoder_, self.image_shape_ = self.encoder, fitted.shape
        self.image_range_ = tuple(record.get("image_range", (0.0, 1.0)))
        self.n_features_in_, self._layout = record["voxels"], fitted.shape
        self.settings_, self.decoder_, self._fitted = fitted.method.settings, fitted.decoder, fitted
        self.history_ = []
        if "feature_names" in record:
            self.feature_names_in_ = np.array(record["feature_names"], dtype=object)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output, tags.target_tags.single_output = True, False
        tags.regressor_tags.poor_score = True  # the score is minus an error, so it is never near 1
        return tags

    def __getstate__(self) -> dict:
        """What is pickled of a decoder: its arrays and facts, from which it is restored."""
        state = dict(super().__getstate__())
        fitted = state.pop("_fitted", None)
        if fitted is not None:
            state.pop("decoder_")
            fitted.method.check_restorable(f"method '{self.method}'")
            arrays, facts = fitted.decoder.weights(), restore.facts_of(fitted.decoder)
            state["_saved"] = fitted.method, fitted.shape, fitted.statistics, arrays, facts
        return state

    def __setstate__(self, state: dict) -> None:
        state = dict(state)
        saved = state.pop("_saved", None)
        super().__setstate__(state)
        if saved is not None:
            method, shape, statistics, arrays, facts = saved
            self.decoder_ = method.restore(Saved(arrays, facts, shape, f"method '{self.method}'"))
            self._fitted = restore.Fitted(self.decoder_, method, shape, statistics)

    def _given(self) -> dict:
        """The settings of the method that were given one by one."""
        own = super().get_params(deep=False)
        return {key: value for key, value in vars(self).items() if key not in own and key.strip("_") == key}

    def _entry(self) -> dict:
        known = catalogue("methods")
        if not isinstance(self.method, str) or self.method not in known:
            raise InputError(f"method: unknown name '{self.method}'. {nearest(str(self.method), known)}")
        return known[self.method]

    def _points(self, entry: dict, n_samples: int) -> list[Point]:
        """The method at each point of its grid."""
        single = {key: value for key, value in self._given().items() if value is not None}
        if not isinstance(self.settings, Mapping | None):
            raise InputError(f"settings: found {self.settings!r}, expected a mapping of names to values.")
        own = {**(self.settings or {}), **single}
        grid = {key: values for key, values in entry.get("grid", {}).items() if key not in own}
        dataset = self.dataset or ""
        entry = {
            **entry,
            "grid": grid,
            "by_dataset": {dataset: {**entry.get("by_dataset", {}).get(dataset, {}), **own}},
        }
        return points_of(entry, dataset, n_samples, f"method '{self.method}'")

    def _encoder_name(self, entry: dict) -> str | None:
        takes = entry.get("encoders", [])
        if self.encoder is None and takes:
            ships = [name for name in takes if "file" not in catalogue("encoders").get(name, {"file": ""})]
            if not ships:
                raise InputError(f"encoder: method '{self.method}' needs one of {', '.join(takes)}.")
            return ships[0]
        if self.encoder is not None and self.encoder not in takes:
            takes_what = nearest(str(self.encoder), takes) if takes else "It has no encoders; leave encoder out."
            raise InputError(f"encoder: found '{self.encoder}' for method '{self.method}'. {takes_what}")
        return self.encoder

    def _checked(self, X, y) -> tuple[np.ndarray, np.ndarray]:
        """Responses as float32, and images (n_samples, height, width) of 0..1; remembers shapes and range."""
        if y is None:
            _valid(validate_data, self, X, y)  # says so as scikit-learn does
        X = _valid(validate_data, self, X, dtype=np.float32, ensure_min_samples=3)
        given = check_images(y, "y")
        _valid(check_consistent_length, X, given)
        images, self.image_range_ = _images(given, self.image_shape, self.image_range, "y")
        self._layout = np.asarray(y).shape[1:]
        return X, images

    def _parts(self, samples: Samples) -> tuple[Samples, Samples, Samples]:
        """The samples that train while others choose, those that choose, and all of them."""
        if not 0 < self.select < 1:
            raise InputError(f"select: found {self.select}, expected a share between 0 and 1.")
        generator = np.random.default_rng(derive_seed(self.seed, "estimator", "split"))
        train, select = inner_parts(np.arange(len(samples)), samples.stimulus, self.select, generator)
        if len(train) < 2:
            raise InputError(
                f"y: found {len(np.unique(samples.stimulus))} distinct stimuli, of which {self.select:g} choose, so "
                f"{len(train)} samples are left to train on; expected at least 2. Give more stimuli."
            )
        return samples.take(train), samples.take(select), samples

    def _scored(self, method: Method, unlabelled) -> np.ndarray | None:
        if method.transductive == (unlabelled is None):
            what = "learns from the responses that will be decoded; give them as" if method.transductive else "takes no"
            raise InputError(f"method '{self.method}' {what} unlabelled.")
        return None if unlabelled is None else _valid(validate_data, self, unlabelled, reset=False, dtype=np.float32)

    def _others(self, entry: dict, others: Sequence[tuple]) -> tuple[Samples, ...]:
        if bool(entry.get("pools")) != bool(len(others)):
            what = "pools recordings; give pairs of responses and images as" if entry.get("pools") else "takes no"
            raise InputError(f"method '{self.method}' {what} others.")
        found = []
        for brain, images in others:
            brain = _valid(check_array, brain, dtype=np.float32, input_name="others")
            images = _images(check_images(images, "others"), self.image_shape, self.image_range_, "others")[0]
            _valid(check_consistent_length, brain, images)
            found.append(_samples(brain, images, None, None, None))
        return tuple(found)

    def _label(self, label, n_samples: int) -> list[np.ndarray]:
        """What the decoder takes beside brain responses: classes or sessions, if it is an oracle's."""
        oracle = self._fitted.method.oracle_of
        if (oracle is not None) == (label is None):
            of = "session of each trial" if oracle == "session" else "class of each image"
            what = f"is an oracle; give the {of} as" if label is None else "is no oracle; leave out"
            raise InputError(f"method '{self.method}' {what} label.")
        return [] if label is None else [_whole_numbers(label, n_samples, "label")]


def _settings_of(method: object) -> list[str]:
    """Names of the settings of a method; none for a name that the catalogue does not have."""
    entry = catalogue("methods").get(method) if isinstance(method, str) else None
    return [] if entry is None else list(load_method(entry["module"]).Settings.model_fields)


def catalogue(kind: str) -> dict:
    """The content of config/methods.yaml or config/encoders.yaml, checked."""
    return config.read_catalogue(project.root() / "config", kind, {})


@functools.lru_cache(maxsize=1)
def encoder_named(name: str):
    """An encoder of config/encoders.yaml, ready to encode; raises InputError if its weights are not there."""
    known, root = catalogue("encoders"), project.root()
    if name not in known:
        raise InputError(f"encoder: unknown name '{name}'. {nearest(name, known)}")
    entry = known[name]
    settings = config.encoder_settings(entry, root)
    if "file" in entry:
        found = config.locate(entry["file"], "weights", config.data_folder({}), root)
        if found is None:
            raise InputError(f"encoder '{name}': {entry['file']} is not there. {entry['how']}")
        settings["weights"] = str(found)
    return load_encoder(name, settings)


def check_images(images, name: str, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Images as float64, (n, height, width) or (n, n_pixels), finite; of as many pixels as ``shape`` if it is given.

    Axes of length one, such as that of a single channel, are dropped.
    """
    images = _valid(check_array, images, allow_nd=True, dtype=np.float64, ensure_2d=False, input_name=name)
    if images.ndim == 4 and 1 in (images.shape[1], images.shape[3]):
        images = images.reshape(len(images), *images.shape[2:] if images.shape[1] == 1 else images.shape[1:3])
    if images.ndim not in (2, 3):
        raise InputError(
            f"{name}: found shape {images.shape}, expected images as (n, height, width) or (n, height * width)."
        )
    if shape and np.prod(images.shape[1:]) != np.prod(shape):
        raise InputError(f"{name}: found images of shape {images.shape[1:]}, expected {tuple(shape)}.")
    return images


def _valid(validate: Callable, *arguments, **options):
    """What a function of scikit-learn validates; its errors are InputErrors."""
    try:
        return validate(*arguments, **options)
    except ValueError as error:
        raise InputError(str(error)) from error


def _images(given, shape, limits, name: str) -> tuple[np.ndarray, tuple[float, float]]:
    """Images as float32 (n, height, width) in 0..1, and the black and white that they were scaled with."""
    given = check_images(given, name)
    if given.ndim == 2:
        n_pixels = given.shape[1]
        side = round(n_pixels**0.5)
        shape = (side, side) if shape is None else tuple(shape)
        if shape[0] * shape[1] != n_pixels:
            raise InputError(
                f"{name}: found rows of {n_pixels} pixels, expected {shape[0]} x {shape[1]}. Give images as "
                "(n, height, width), or state image_shape."
            )
        given = given.reshape(-1, *shape)
    elif shape is not None and given.shape[1:] != tuple(shape):
        raise InputError(f"{name}: found images of {given.shape[1:]}, expected {tuple(shape)}.")
    least, most = float(given.min()), float(given.max())
    low, high = (least, most if most > least else least + 1.0) if limits is None else map(float, limits)
    if not low < high:
        raise InputError(f"image_range: found {limits}, expected black and white, the smaller one first.")
    if least < low or most > high:
        raise InputError(
            f"{name}: found values from {least:g} to {most:g}, expected {low:g} to {high:g}. Scale the images, or "
            "state image_range, such as (0, 255)."
        )
    return ((given - low) / (high - low)).astype(np.float32), (low, high)


def _samples(brain, images, stimulus, label, session) -> Samples:
    n = len(brain)
    if stimulus is None:
        stimulus = np.array([stimulus_identity(image) for image in images])
    elif np.shape(stimulus) != (n,):
        raise InputError(f"stimulus: found shape {np.shape(stimulus)}, expected ({n},), one for each sample.")
    none = np.full(n, -1)
    label = none if label is None else _whole_numbers(label, n, "label")
    session = none if session is None else _whole_numbers(session, n, "session")
    return Samples(brain, images, np.asarray(stimulus), label, session)


def _whole_numbers(values, n: int, name: str, each: str = "sample") -> np.ndarray:
    values = np.asarray(values)
    if values.shape != (n,) or values.dtype.kind not in "iuf" or not np.array_equal(values, np.round(values)):
        raise InputError(
            f"{name}: found {values.dtype} of shape {values.shape}, expected ({n},) whole numbers, one for each {each}."
        )
    return values.astype(np.int64)


def _embeddings(name: str, samples: Samples) -> np.ndarray:
    """Unit-length embeddings (n_samples, n_features) of the samples' images, each stimulus encoded once."""
    _, first, position = np.unique(samples.stimulus, return_index=True, return_inverse=True)
    encoded = np.asarray(encoder_named(name).encode(samples.images[first]), np.float32)
    return unit_length(encoded.astype(np.float64))[position]


def _check_needs(entry: dict, method: str, label, session, region) -> None:
    needs = (("classes", label, "label"), ("sessions", session, "session"), ("regions", region, "region"))
    for need, given, name in needs:
        if need in entry.get("needs", []) and given is None:
            raise InputError(f"method '{method}' needs {need}: give them to fit as {name}, whole numbers.")
