"""Crell: recordings that moabb makes up, and a synthetic file in the format that its reader expects, become datasets."""

import builtins
import json
import os
import socket

import numpy as np
import pytest

from cortexclip.data import crell
from cortexclip.errors import InputError

LETTERS = [f"letter_{letter}" for letter in crell.LETTERS]
SETTINGS = {"window": [0, 1.5], "peak_to_peak": 1000, "time_points": 10}


@pytest.fixture
def moabb():
    return pytest.importorskip("moabb", reason="moabb, an optional dependency, is not installed")


@pytest.fixture
def folder(tmp_path):
    """A folder that seems to hold the first subject's file."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/S01.mat").touch()
    return tmp_path


def fake(moabb, **more):
    """moabb's own fake dataset, with letters as events, two sessions of two runs of 60 trials."""
    from moabb.datasets.fake import FakeDataset

    return FakeDataset(event_list=LETTERS, n_subjects=1, sfreq=128, duration=200, **{"seed": 7, **more})


def read_fake(monkeypatch, folder, source, settings=SETTINGS, **more):
    monkeypatch.setattr(crell, "_moabb_dataset", lambda where: source)
    return crell.read(folder, "toy", {"settings": settings, **more})


@pytest.mark.parametrize("marked", [{"stim": True}, {"stim": False, "annotations": True}])
def test_a_fake_dataset_of_moabb_becomes_a_dataset(moabb, monkeypatch, folder, marked):
    made = read_fake(monkeypatch, folder, fake(moabb, **marked))
    assert made.sizes["sample"] == 240
    assert made.sizes["voxel"] == 3 * (5 + 10)
    assert np.bincount(made["label"].values).tolist() == [24] * 10
    assert made["label"].values[:12].tolist() == [*range(10), 0, 1]  # the order in which FakeDataset shows events
    assert np.bincount(made["session"].values).tolist() == [0, 60, 60, 60, 60]
    part = made["part"].values
    for letter in range(10):
        assert part[made["label"].values == letter].tolist() == ["train"] * 19 + ["test"] * 5
    assert len(set(made["stimulus"].values)) == 10
    assert made.attrs["features"].startswith("C3 log power")
    assert json.loads(made.attrs["reading"]) == {"events": 240, "events_dropped": {}}


def test_epochs_are_cut_where_the_marker_is(moabb, monkeypatch, folder):
    """A pulse 0.55 s after the markers of one letter is in the sixth of ten parts of 0.1 s of its time course alone."""
    source = fake(moabb, n_sessions=1, n_runs=1)
    recordings = source.get_data([1])
    raw = recordings[1]["0"]["0"]
    values = raw.get_data()
    events = np.flatnonzero(values[-1])
    marked = [sample for sample in events if values[-1, sample] == 4]
    values[:3] = 1e-7 * np.random.default_rng(0).standard_normal(values[:3].shape)
    for sample in marked:
        values[0, sample + round(0.52 * 128) : sample + round(0.58 * 128)] += 50e-6
    raw._data[:] = values
    settings = crell.Settings(window=(0, 1), time_points=10, flat=0)
    found = crell.trials(recordings[1], source.event_id, settings, "toy")
    course = found.features[:, 5:15]
    assert (course[found.letter == 3].argmax(axis=1) == 5).all()
    assert np.abs(course[found.letter != 3]).max() < 0.1 * course[found.letter == 3][:, 5].min()


def test_trials_that_cannot_be_used_are_counted(moabb, monkeypatch, folder):
    made = read_fake(monkeypatch, folder, fake(moabb), SETTINGS | {"window": [0, 3.2], "peak_to_peak": 150})
    counts = json.loads(made.attrs["reading"])
    assert set(counts["events_dropped"]) == {"beyond the end of the recording", "beyond 150 microvolts peak to peak"}
    assert made.sizes["sample"] == 240 - sum(counts["events_dropped"].values())


def test_moabb_reads_a_file_in_its_own_format(moabb, tmp_path, monkeypatch):
    """The real loader, without a network, on a synthetic recording where moabb would have downloaded the real one."""
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    times = 100 + np.arange(500 * 90) / 500
    letters = [100, 103, 104, 105, 109, 113, 114, 118, 119, 121] * 3
    rounds = {
        f"round0{number}_paradigm": {
            "BrainVisionRDA_data": 20 * rng.standard_normal((len(times), 64)),
            "BrainVisionRDA_time": times,
            "ParadigmMarker_data": np.array([1, *letters]),
            "ParadigmMarker_time": 101 + 2.5 * np.arange(31),
        }
        for number in (1, 2)
    }
    folder = tmp_path / "MNE-bnci-data/database/data-sets/001-2024"
    folder.mkdir(parents=True)
    savemat(folder / "S01.mat", rounds)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("moabb asked for a network"))
    before = dict(os.environ)
    made = crell.read(tmp_path, "toy", {"settings": {"window": [0, 2], "peak_to_peak": 1000}})
    assert dict(os.environ) == before
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["S01.mat"]
    assert made.sizes["voxel"] == 60 * 22  # without the four EOG channels
    assert made["label"].values.tolist() == list(range(10)) * 6
    assert np.bincount(made["session"].values).tolist() == [0, 30, 30]
    assert made.attrs["features"].startswith("Fp1 ")


def test_a_damaged_file_is_one_clear_error(moabb, monkeypatch, folder):
    class Broken:
        def get_data(self, subjects):
            raise OSError("could not read bytes\nand more")

    with pytest.raises(InputError, match=r"moabb cannot read subject 1 \(OSError: could not read bytes\)\. Delete"):
        read_fake(monkeypatch, folder, Broken())


def test_other_events_than_letters_are_an_error(moabb, monkeypatch, folder):
    from moabb.datasets.fake import FakeDataset

    with pytest.raises(InputError, match="found the event 'fake1', expected letters"):
        read_fake(monkeypatch, folder, FakeDataset(n_subjects=1))


def test_no_usable_trial_is_an_error(moabb, monkeypatch, folder):
    with pytest.raises(InputError, match="no trial can be used. 240 events were read; dropped: 240 beyond 1 micro"):
        read_fake(monkeypatch, folder, fake(moabb), {"peak_to_peak": 1})


def test_without_moabb_the_message_says_how_to_get_it(monkeypatch, folder):
    real = builtins.__import__

    def no_moabb(name, *more, **named):
        if name.startswith("moabb"):
            raise ImportError("No module named 'moabb'")
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", no_moabb)
    with pytest.raises(InputError, match=r"dataset 'toy'.* needs moabb .*pip install moabb=="):
        crell.read(folder, "toy", {})


def test_a_folder_without_the_subject_says_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match=r"holds no S03\.mat.*BNCI2024_001\(\)\.data_path\(3"):
        crell.read(tmp_path, "toy", {"settings": {"subject": 3}})


BAD = {
    "misspelt": ({"subjct": 1}, "unknown key 'subjct'"),
    "no subject": ({"subject": 21}, "'subject': found 21"),
    "subject as text": ({"subject": "1"}, "'subject': found '1'"),
    "fraction": ({"test_fraction": 0}, "'test_fraction': found 0"),
    "no mapping": ([1], "expected a mapping"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_are_one_clear_error(folder, case):
    settings, words = BAD[case]
    with pytest.raises(InputError, match=words):
        crell.read(folder, "toy", {"settings": settings})
