"""MindBigData: every layout gives the same events, damage is counted and never becomes data, memory stays bounded."""

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortexclip.audit.signal import check_signal
from cortexclip.data import mindbigdata
from cortexclip.data.mindbigdata import HEADSETS, read
from cortexclip.errors import InputError

REAL = Path(os.environ.get("CORTEXCLIP_DATA", "absent")) / "mindbigdata"


def signal(headset="MW", seed=0, seconds=2.0, size=20.0):
    """White noise of a standard deviation in microvolts, in units of the headset, as whole numbers."""
    device = HEADSETS[headset]
    noise = np.random.default_rng(seed).normal(0, size / device.microvolts, round(seconds * device.rate))
    return (np.clip(noise + sum(device.range) / 2, *device.range)).astype(int)


def row(event, code, values, headset="MW", channel="FP1", size=None, number=None):
    size = len(values) if size is None else size
    number = event if number is None else number
    return f"{number}\t{event}\t{headset}\t{channel}\t{code}\t{size}\t{','.join(map(str, values))}\n"


def events(count, headset="MW"):
    """``count`` events with all channels, digits in turn."""
    return "".join(
        row(event, event % 10, signal(headset, 1000 * event + i), headset, channel)
        for event in range(count)
        for i, channel in enumerate(HEADSETS[headset].channels)
    )


def read_text(tmp_path, text, **more):
    path = tmp_path / "file.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, "toy", more)


def reading(made):
    return json.loads(made.attrs["reading"])


@pytest.mark.parametrize("headset", HEADSETS)
def test_each_headset_is_read_channel_by_channel(tmp_path, headset):
    made = read_text(tmp_path, events(20, headset), settings={"headset": headset})
    device = HEADSETS[headset]
    assert made.sizes["sample"] == 20
    assert made.sizes["voxel"] == len(device.channels) * 22
    assert made["label"].values.tolist() == [event % 10 for event in range(20)]
    assert made["part"].values.tolist() == ["train"] * 10 + ["test"] * 10  # the later event of each digit
    names = made.attrs["features"].split("\n")
    assert len(names) == made.sizes["voxel"]
    assert names[0].startswith(device.channels[0]) and names[-1].startswith(device.channels[-1])
    assert made["stimuli"].values.max() <= 1
    assert len(set(made["stimulus"].values)) == 10


def test_the_order_of_rows_does_not_matter(tmp_path):
    lines = events(20, "IN").splitlines(keepends=True)
    shuffled = "".join(np.random.default_rng(0).permutation(lines))
    straight = read_text(tmp_path, "".join(lines), settings={"headset": "IN"})
    assert read_text(tmp_path, shuffled, settings={"headset": "IN"}).identical(straight)


def test_power_is_in_the_band_of_a_sine(tmp_path):
    """A sine of 10 Hz and 30 microvolts: its power (half the squared amplitude) is in the band of 8 to 13 Hz."""
    device = HEADSETS["MW"]
    wave = 30 / device.microvolts * np.sin(2 * np.pi * 10 * np.arange(1024) / device.rate)
    power = read_text(tmp_path, "".join(row(event, event % 10, wave) for event in range(20)))["brain"].values[0, :5]
    assert power.argmax() == 2
    assert 10 ** power[2] == pytest.approx(30**2 / 2, rel=0.03)
    assert (power[2] - np.delete(power, 2)).min() > 2


def test_the_unit_of_the_headset_is_applied(tmp_path):
    """Equal microvolts give equal features, whatever the unit of the file."""
    wave = 40 * np.sin(2 * np.pi * 6 * np.arange(512) / 128)
    made = {}
    for headset, n_times in (("EP", 256), ("MU", 440)):
        device = HEADSETS[headset]
        wave = 40 * np.sin(2 * np.pi * 6 * np.arange(n_times) / device.rate) / device.microvolts + 500
        text = "".join(row(e, e % 10, wave, headset, c) for e in range(20) for c in device.channels)
        made[headset] = read_text(tmp_path, text, settings={"headset": headset})["brain"].values[0, :22]
    assert made["EP"][1] == pytest.approx(made["MU"][1], abs=0.02)  # log10 of the power in 4 to 8 Hz


def test_the_three_layouts_agree(tmp_path):
    """The same two-channel events as rows, and one-channel events as table and official file."""
    table = "event,code,device,size,signals,channels\n" + "".join(
        f'{e},{e % 10},MW,1024,"{json.dumps([signal(seed=1000 * e).astype(float).tolist()])}",FP1\n' for e in range(20)
    )
    official = read_text(tmp_path, events(20))
    assert read_text(tmp_path, table, settings={"layout": "table"}).identical(official)

    digits = tmp_path / "digits.csv"
    digits.write_text(",".join(str(e % 10) for e in range(20)) + "\r\n")
    rows = "".join(",".join(map(str, signal(seed=1000 * e))) + "\r\n" for e in range(20))
    entry = {"settings": {"layout": "rows", "channels": 1}, "companions": {"digits": str(digits)}}
    np.testing.assert_array_equal(read_text(tmp_path, rows, **entry)["brain"], official["brain"])


def test_a_test_part_of_the_source_is_kept(tmp_path):
    for name, first, count in (("train", 0, 30), ("test", 100, 10)):
        lines = [",".join(map(str, signal("MU", 2 * e + c))) for e in range(first, first + count) for c in range(2)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
        (tmp_path / f"{name}_digits.csv").write_text(",".join(str(e % 10) for e in range(count) for _ in range(2)))
    companions = {"digits": "train_digits.csv", "test": "test.csv", "test_digits": "test_digits.csv"}
    made = read(
        tmp_path / "train.csv",
        "toy",
        {
            "settings": {"layout": "rows", "headset": "MU", "channels": 2},
            "companions": {role: str(tmp_path / file) for role, file in companions.items()},
        },
    )
    assert made["part"].values.tolist() == ["train"] * 30 + ["test"] * 10
    assert made["label"].values.tolist() == [e % 10 for e in range(30)] + list(range(10))


DAMAGE = {
    "no digit": (row(99, -1, signal()), "rows_dropped", "no digit shown"),
    "code 10": (row(99, 10, signal()), "rows_dropped", "a code that is no digit"),
    "code as text": (row(99, "seven", signal()), "rows_dropped", "a code that is no digit"),
    "other headset": (row(99, 1, signal(), "EP", "AF3"), "rows_dropped", "of another headset"),
    "other channel": (row(99, 1, signal(), channel="O1"), "rows_dropped", "of a channel that the headset"),
    "ends early": ("99\t99\tMW\tFP1\n", "rows_dropped", "not the seven columns"),
    "only commas": ("," * 951 + "\n", "rows_dropped", "not the seven columns"),
    "empty line": ("\n", "rows_dropped", "empty, or longer than 1 MiB"),
    "endless line": ("1," * 2**20 + "\n", "rows_dropped", "empty, or longer than 1 MiB"),
    "a word": (row(99, 1, [*signal(), "x"]), "rows_dropped", "values that are no numbers"),
    "a gap": (row(99, 1, [*signal(), "", 3]), "rows_dropped", "values that are no numbers"),
    "NaN": (row(99, 1, [*signal(), "nan"]), "rows_dropped", "no finite numbers"),
    "too large for a float": (row(99, 1, [*signal(), "1e999"]), "rows_dropped", "no finite numbers"),
    "impossible": (row(99, 1, [5000, *signal()]), "rows_dropped", "values outside -2048..2047"),
    "short": (row(99, 1, signal(seconds=1.6)), "rows_dropped", "shorter than the window (1.7 s)"),
    "event no number": ("1\tx\tMW\tFP1\t1\t1024\t1,2\n", "rows_dropped", "no whole number"),
    "event huge": (row("9" * 30, 1, signal(), number=0), "rows_dropped", "no whole number"),
    "other bytes": (b"\xff\xfe\x00\x80\t\xff\t\xff\t\xff\t\xff\t\xff\t\xff\n", "rows_dropped", "of another headset"),
    "row twice": (row(3, 3, signal(seed=3000)), "rows_dropped", "the same event and channel again"),
    "flat": (row(99, 1, [7] * 1024), "events_dropped", "flat (below 0.5 microvolts)"),
    "large": (row(99, 1, signal(size=100)), "events_dropped", "beyond 200 microvolts peak to peak"),
    "saturated": (row(99, 1, [2047] * 40 + [*signal()]), "events_dropped", "saturated (1% of values at a limit)"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_dropped_and_counted(tmp_path, case):
    """A damaged row among whole events changes nothing but the counts."""
    damaged, where, reason = DAMAGE[case]
    damaged = damaged if isinstance(damaged, bytes) else damaged.encode()
    whole = read_text(tmp_path, events(20))
    lines = events(20).encode().splitlines(keepends=True)
    made = read_text(tmp_path, b"".join([*lines[:7], damaged, *lines[7:]]))
    for name in ("brain", "label", "part"):
        np.testing.assert_array_equal(made[name], whole[name])
    counts = reading(made)
    assert counts["rows"] == 21
    found = {name: count for part in ("rows_dropped", "events_dropped") for name, count in counts[part].items()}
    assert sum(found.values()) == 1
    assert [name for name in counts[where] if reason in name], found


def test_an_event_is_dropped_whole(tmp_path):
    lines = events(20, "IN").splitlines(keepends=True)
    lines[12] = lines[12].replace("\tT7\t2\t", "\tT7\t5\t")  # event 2: channels disagree
    del lines[9]  # event 1: a channel is missing
    made = read_text(tmp_path, "".join(lines), settings={"headset": "IN"})
    assert reading(made)["events_dropped"] == {"channels disagree on the digit": 1, "channels missing": 1}
    assert made.sizes["sample"] == 18


def test_a_spreadsheets_damage_is_repaired_and_counted(tmp_path):
    """Byte-order mark, quotation marks around the columns before the first comma, rows cut to one length."""
    whole = read_text(tmp_path, events(20))
    lines = []
    for line in events(20).splitlines():
        head, _, rest = line.partition(",")
        lines.append(f'"{head}",' + ",".join(rest.split(",")[:950]))
    made = read_text(tmp_path, "\ufeff" + "\r\n".join(lines) + "\r\n")
    np.testing.assert_array_equal(made["brain"], whole["brain"])
    assert reading(made)["rows_repaired"] == {
        "fewer values than stated, used as far as they go": 20,
        "quotation marks removed": 20,
    }


def test_the_events_kept_are_spread_over_the_recording(tmp_path):
    made = read_text(tmp_path, events(100), settings={"events_per_digit": 4})
    assert np.bincount(made["label"].values).tolist() == [4] * 10
    assert reading(made)["events_not_needed"] == 60
    everything = read_text(tmp_path, events(100), settings={"events_per_digit": None})
    kept = [np.flatnonzero((everything["brain"].values == one).all(axis=1))[0] for one in made["brain"].values]
    assert sorted(number for number in kept if number % 10 == 0) == [0, 30, 60, 90]


def test_no_event_is_in_two_parts(tmp_path):
    """Each event is one sample, and the test part is later than the training part of its digit."""
    made = read_text(tmp_path, events(60), settings={"test_fraction": 0.3})
    part, label = made["part"].values, made["label"].values
    assert len(np.unique(made["brain"].values, axis=0)) == 60
    for digit in range(10):
        assert part[label == digit].tolist() == ["train"] * 4 + ["test"] * 2


def test_nothing_is_learned_from_other_samples(tmp_path):
    """An event's features are the same whatever else is in the file."""
    alone = read_text(tmp_path, events(20))["brain"].values
    among = read_text(tmp_path, events(20) + row(50, 0, signal(seed=9, size=30)))
    np.testing.assert_array_equal(among["brain"].values[:20], alone)


def test_images_of_a_folder_take_the_place_of_the_drawn_ones(tmp_path):
    from PIL import Image

    (tmp_path / "images").mkdir()
    for digit in range(10):
        Image.new("L", (28, 28), 20 * digit).save(tmp_path / "images" / f"{digit}.png")
    made = read_text(tmp_path, events(20), companions={"images": str(tmp_path / "images")})
    assert made["stimuli"].values[7].max() == pytest.approx(140 / 255)


BAD = {
    "unknown setting": ({"settings": {"headseat": "MW"}}, ["unknown key 'headseat'", "Did you mean 'headset'"]),
    "unknown headset": ({"settings": {"headset": "XX"}}, ["'headset': found 'XX'", "'MW', 'EP', 'MU', 'IN'"]),
    "unknown layout": ({"settings": {"layout": "rowz"}}, ["'layout': found 'rowz'", "Did you mean 'rows'"]),
    "settings no mapping": ({"settings": [1]}, ["expected a mapping"]),
    "no channels": ({"settings": {"channels": 0}}, ["'channels': found 0"]),
    "fraction": ({"settings": {"test_fraction": 1}}, ["'test_fraction': found 1"]),
    "one event": ({"settings": {"events_per_digit": 1}}, ["'events_per_digit': found 1"]),
    "band above Nyquist": ({"settings": {"band": [1, 300]}}, ["'band' is [1.0, 300.0]", "below 256 Hz"]),
    "band upside down": ({"settings": {"band": [40, 1]}}, ["'band': found [40.0, 1.0]"]),
    "window too short": ({"settings": {"window": [0, 0.1]}}, ["'window' holds 51 samples"]),
    "window after the end": ({"settings": {"window": [0, 3]}}, ["no event can be used", "20 shorter than the window"]),
    "no points": ({"settings": {"time_points": 0}}, ["'time_points': found 0"]),
    "fine bands": ({"settings": {"power_bands": [[8, 8.1]]}}, ["'power_bands' holds [8.0, 8.1]"]),
    "bands no list": ({"settings": {"power_bands": 8}}, ["'power_bands': found 8"]),
    "negative limit": ({"settings": {"peak_to_peak": -1}}, ["'peak_to_peak': found -1", "microvolts"]),
    "strict limit": ({"settings": {"peak_to_peak": 1}}, ["no event can be used", "beyond 1 microvolts"]),
    "other headset": ({"settings": {"headset": "EP"}}, ["no event can be used", "20 of another headset"]),
    "not a table": ({"settings": {"layout": "table"}}, ["has no column 'event'", "layout: table"]),
    "no digits": ({"settings": {"layout": "rows"}}, ["the companion 'digits' is missing"]),
    "unknown companion": ({"companions": {"digits": "x"}}, ["unknown key 'digits'"]),
    "no images": ({"companions": {"images": "/nowhere"}}, ["holds neither", "0.png"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_entries_are_one_clear_error(tmp_path, case):
    entry, words = BAD[case]
    with pytest.raises(InputError) as caught:
        read_text(tmp_path, events(20), **entry)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


BAD_FILES = {
    "empty": (b"", ["no event can be used", "0 rows were read"]),
    "zip": (b"PK\x03\x04rest", [".zip archive", "Unpack it"]),
    "one event a digit": (events(10), ["part 'train' has 0 samples"]),
    "binary": (bytes(range(256)) * 200, ["no event can be used"]),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_one_clear_error(tmp_path, case):
    content, words = BAD_FILES[case]
    with pytest.raises(InputError) as caught:
        read_text(tmp_path, content)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "absent.txt", "toy", {})
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path, "toy", {})


@pytest.mark.parametrize(
    ("digits", "words"),
    [("1,2,3", "holds 3 digits"), ("1,2,x", "something else than digits"), (b"\xff", "something else than digits")],
)
def test_digits_that_do_not_fit_the_lines_are_an_error(tmp_path, digits, words):
    path = tmp_path / "digits.csv"
    path.write_bytes(digits if isinstance(digits, bytes) else digits.encode())
    entry = {"settings": {"layout": "rows", "channels": 1}, "companions": {"digits": str(path)}}
    with pytest.raises(InputError, match=words):
        read_text(tmp_path, ",".join(map(str, signal())) + "\n", **entry)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fraction=st.floats(0, 1), junk=st.binary(min_size=1, max_size=40), layout=st.sampled_from(["official", "table"]))
def test_any_damage_gives_a_dataset_or_a_sentence(tmp_path, fraction, junk, layout):
    text = events(12).encode()
    if layout == "table":
        text = b"event,code,device,size,signals,channels\n" + b"".join(
            b'%d,%d,MW,1024,"[[%s]]",FP1\n' % (e, e % 10, ",".join(map(str, signal())).encode()) for e in range(12)
        )
    cut = int(fraction * len(text))
    try:
        made = read_text(tmp_path, text[:cut] + junk + text[cut + len(junk) :], settings={"layout": layout})
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(made["brain"].values).all()


def test_memory_does_not_grow_with_the_signals(tmp_path, monkeypatch):
    """Four times the file takes only the features more, not the text or the values."""
    monkeypatch.setattr(mindbigdata, "AT_ONCE", 32)

    def peak(count):
        text = "".join(row(event, event % 10, values) for event in range(count))
        (tmp_path / "long.txt").write_text(text)
        tracemalloc.start()
        read(tmp_path / "long.txt", "toy", {"settings": {"events_per_digit": 2}})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, len(text)

    values = signal().tolist()
    (small, small_text), (large, large_text) = peak(100), peak(400)
    assert large - small < 0.15 * (large_text - small_text)


@pytest.mark.parametrize(("depth", "severity"), [(0.0, "serious"), (1.0, "info")])
def test_the_audit_tells_epochs_that_know_the_digit_from_epochs_that_do_not(tmp_path, depth, severity):
    """A control for the verdict on the real extracts: rhythms whose strength depends on the digit are found."""
    seconds = np.arange(1024) / 512

    def epoch(event):
        digit = event % 10
        rhythms = [np.sin(2 * np.pi * f * seconds) * ((digit >> bit) & 1) for bit, f in enumerate((6, 10, 20, 35))]
        return (signal(seed=event) + depth * 20 / HEADSETS["MW"].microvolts * sum(rhythms)).astype(int)

    made = read_text(tmp_path, "".join(row(event, event % 10, epoch(event)) for event in range(150)))
    test = made["part"].values == "test"
    found = check_signal(made["brain"].values, made["stimuli"].values, made["stimulus"].values, test, seed=0)
    assert found.severity == severity, found.message


@pytest.mark.skipif(not REAL.is_dir(), reason="CORTEXCLIP_DATA names no folder with mindbigdata/")
def test_the_real_extracts_have_the_known_counts():
    """Counts as found by hand: 43 of 462 rows without a digit, one line of commas among 175, 50 + 5 events a digit."""
    table = read(REAL / "mw_public_test.csv", "table", {"settings": {"layout": "table"}})
    assert reading(table)["rows"] == 462
    assert reading(table)["rows_dropped"] == {"no digit shown": 43}
    sample = read(REAL / "MW-sample.csv", "sample", {})
    assert (reading(sample)["rows"], reading(sample)["events"]) == (175, 174)
    assert reading(sample)["rows_repaired"]["quotation marks removed"] == 174
    names = {"digits": "train_digits.csv", "test": "test_dataset.csv", "test_digits": "test_digits.csv"}
    companions = {role: str(REAL / file) for role, file in names.items()}
    entry = {"settings": {"layout": "rows", "headset": "MU", "channels": 2}, "companions": companions}
    muse = read(REAL / "train_dataset.csv", "muse", entry)
    part, label = muse["part"].values, muse["label"].values
    assert np.bincount(label[part == "train"]).tolist() == [50] * 10
    assert np.bincount(label[part == "test"]).tolist() == [5] * 10
