"""Fetching files: from the data folder, from a server on this machine, and from a network that does not answer."""

import argparse
import contextlib
import hashlib
import http.server
import json
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from cortexclip.data import fetch as module
from cortexclip.data.fetch import Entry, fetch, fetch_all
from cortexclip.errors import InputError
from cortexclip.runtime import log
from cortexclip.stages import fetch as stage

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each path with one way in which a server can behave."""

    def do_GET(self):
        path = self.path.removeprefix("http://far.invalid")  # the address that a proxy receives
        self.server.requests.append(self.path)
        self.server.ranges.append(self.headers.get("Range"))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, "answer_" + path.strip("/").replace("-", "_"))()

    def send(self, content, status=200, length=None, **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if length is not False:
            self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def answer_right(self):
        self.send(CONTENT)

    def answer_without_length(self):
        self.send(CONTENT, length=False)

    def answer_other(self):
        self.send(b"another version")

    def answer_empty_answer(self):
        self.send(b"")

    def answer_missing(self):
        self.send(b"not here", status=404)

    def answer_truncated(self):
        self.send(CONTENT[:1000], length=len(CONTENT))

    def answer_silent(self):
        self.server.stop.wait(20)

    def answer_stalling(self):
        self.send(CONTENT[:1000], length=len(CONTENT))
        self.server.stop.wait(20)

    def answer_moved(self):
        self.send(b"", status=302, Location="/right")

    def answer_to_a_file(self):
        self.send(b"", status=302, Location="file:///etc/hostname")

    def answer_no_http(self):
        self.wfile.write(b"220 this is another protocol\r\n")

    def send_from(self, start, end=None, content_range=None):
        """A part of the content, as the answer to a Range."""
        end = len(CONTENT) if end is None else end
        content_range = f"bytes {start}-{end - 1}/{len(CONTENT)}" if content_range is None else content_range
        self.send(CONTENT[start:end], 206, len(CONTENT) - start, **{"Content-Range": content_range})

    def start(self):
        return int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def answer_in_pieces(self):
        """60,000 bytes at a time, then the connection ends."""
        start = self.start()
        if start:
            self.send_from(start, min(start + 60_000, len(CONTENT)))
        else:
            self.send(CONTENT[:60_000], length=len(CONTENT))

    def answer_without_ranges(self):
        """Breaks off twice, always from the beginning."""
        self.send(CONTENT if len(self.server.requests) > 2 else CONTENT[:90_000], length=len(CONTENT))

    def answer_other_part(self):
        """Answers a Range with another part than was requested."""
        if self.start():
            self.send_from(5)
        else:
            self.send(CONTENT if len(self.server.requests) > 2 else CONTENT[:1000], length=len(CONTENT))

    def answer_unsaid_part(self):
        if self.start():
            self.send_from(self.start(), content_range="")
        else:
            self.send(CONTENT if len(self.server.requests) > 2 else CONTENT[:1000], length=len(CONTENT))

    def answer_changing(self):
        """Another version at first, so that the pieces do not fit together."""
        if self.start():
            self.send_from(self.start())
        else:
            self.send(b"x" * 1000 if len(self.server.requests) == 1 else CONTENT, length=len(CONTENT))

    def answer_shrunk(self):
        if self.start():
            self.send(b"", 416)
        else:
            self.send(CONTENT)

    def answer_busy(self):
        """Refuses twice, to be tried again."""
        if len(self.server.requests) > 2:
            self.send(CONTENT)
        else:
            self.send(b"", 503, **{"Retry-After": "0"})

    def answer_always_busy(self):
        self.send(b"", 503)

    def answer_much_later(self):
        self.send(b"", 429, **{"Retry-After": "86400"})

    def answer_reset(self):
        """Sends a little, then resets the connection."""
        start = self.start()
        if start:
            self.send_from(start)
        else:
            self.send(CONTENT[:1000], length=len(CONTENT))
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def answer_compressed(self):
        self.send(CONTENT, **{"Content-Encoding": "gzip"})

    def answer_round_and_round(self):
        self.send(b"", status=302, Location="/round-and-round")

    def log_message(self, *_):
        """Keep the test's output quiet."""


@pytest.fixture
def server(monkeypatch):
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.1)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    running.requests, running.ranges, running.stop = [], [], threading.Event()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    running.address = f"http://127.0.0.1:{running.server_port}"
    yield running
    running.stop.set()
    running.shutdown()
    thread.join()
    running.server_close()


def entry(*addresses, digest=DIGEST, file="set/data.mat"):
    return Entry(file=file, addresses=tuple(addresses), sha256=digest, how="Ask the author.")


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("path", ["right", "without-length", "moved"])
def test_a_file_is_downloaded_and_checked(server, tmp_path, path):
    outcome = fetch(entry(f"{server.address}/{path}"), tmp_path)
    assert outcome.status == "downloaded"
    assert outcome.available
    assert (tmp_path / "set/data.mat").read_bytes() == CONTENT
    assert files_below(tmp_path) == ["set/data.mat"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("other", ["has the sha256", hashlib.sha256(b"another version").hexdigest(), f"expected {DIGEST}"]),
        ("missing", ["the server answered 404"]),
        ("empty-answer", ["has the sha256", hashlib.sha256(b"").hexdigest()]),
        ("always-busy", ["the server answered 503", "given up after 4 attempts"]),
        ("much-later", ["the server answered 429", "given up after 4 attempts"]),
        ("compressed", ["the encoding 'gzip'"]),
        ("round-and-round", ["the server answered 302"]),
        ("silent", ["no answer within 0.5 s"]),
        ("to-a-file", ["the server answered 302"]),
        ("no-http", ["no connection"]),
    ],
)
def test_what_a_server_cannot_give_is_a_reason(server, tmp_path, path, words):
    started = time.monotonic()
    outcome = fetch(entry(f"{server.address}/{path}"), tmp_path, timeout=0.5)
    assert time.monotonic() - started < 3
    assert outcome.status == "not available"
    assert outcome.how == "Ask the author."
    for word in [server.address, *words]:
        assert word in outcome.reason
    assert "\n" not in outcome.reason
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "words", "attempts"),
    [("truncated", "ended after 1000 of 256000 bytes", 4), ("stalling", "stalled after 1000 bytes", 4)],
)
def test_what_came_before_a_break_is_kept_aside(server, tmp_path, path, words, attempts):
    """Never under the file's own name. The server sends the beginning again each time, so nothing is gained."""
    outcome = fetch(entry(f"{server.address}/{path}"), tmp_path, timeout=0.3)
    assert outcome.status == "not available"
    assert words in outcome.reason and f"given up after {attempts + 1} attempts" in outcome.reason
    assert files_below(tmp_path) == [f"set/.data.mat.{DIGEST[:16]}.part"]
    assert (tmp_path / files_below(tmp_path)[0]).read_bytes() == CONTENT[:1000]


def test_a_download_goes_on_where_it_broke_off(server, tmp_path):
    outcome = fetch(entry(f"{server.address}/in-pieces"), tmp_path)
    assert outcome.status == "downloaded"
    assert server.ranges == [None, "bytes=60000-", "bytes=120000-", "bytes=180000-", "bytes=240000-"]
    assert (tmp_path / "set/data.mat").read_bytes() == CONTENT
    assert files_below(tmp_path) == ["set/data.mat"]


def test_a_later_run_and_another_address_go_on_too(server, tmp_path):
    fetch(entry(f"{server.address}/truncated"), tmp_path, timeout=0.3)
    server.ranges.clear()
    outcome = fetch(entry(f"{server.address}/missing", f"{server.address}/in-pieces"), tmp_path)
    assert outcome.status == "downloaded"
    assert server.ranges[:2] == ["bytes=1000-", "bytes=1000-"]
    assert (tmp_path / "set/data.mat").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "path", ["without-ranges", "other-part", "unsaid-part", "changing", "shrunk", "busy", "reset", "in-pieces"]
)
def test_faults_that_pass_are_outlived(server, tmp_path, path):
    outcome = fetch(entry(f"{server.address}/{path}"), tmp_path)
    assert outcome.status == "downloaded", outcome.reason
    assert (tmp_path / "set/data.mat").read_bytes() == CONTENT
    assert files_below(tmp_path) == ["set/data.mat"]


@pytest.mark.parametrize("left", [CONTENT[:500], CONTENT + b"more", b"", b"something else"])
def test_what_an_earlier_run_left_is_used_only_if_it_fits(server, tmp_path, left):
    (tmp_path / "set").mkdir()
    (tmp_path / f"set/.data.mat.{DIGEST[:16]}.part").write_bytes(left)
    path = "shrunk" if len(left) > len(CONTENT) else "in-pieces"
    assert fetch(entry(f"{server.address}/{path}"), tmp_path).status == "downloaded"
    assert (tmp_path / "set/data.mat").read_bytes() == CONTENT
    assert files_below(tmp_path) == ["set/data.mat"]


def test_waits_grow_and_stay_below_the_longest(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.03)
    monkeypatch.setattr(module.time, "sleep", waits.append)
    fetch(entry(f"{server.address}/always-busy"), tmp_path)
    assert waits == [0.03, 0.06, 0.1]
    waits.clear()
    fetch(entry(f"{server.address}/much-later"), tmp_path)
    assert waits == [0.1, 0.1, 0.1]


def test_an_answer_that_will_not_change_is_not_asked_for_again(server, tmp_path):
    fetch(entry(f"{server.address}/missing"), tmp_path)
    assert server.requests == ["/missing"]


def test_the_usual_variables_name_a_proxy(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address)
    assert fetch(entry("http://far.invalid/right"), tmp_path).status == "downloaded"
    assert server.requests == ["http://far.invalid/right"]
    monkeypatch.setenv("no_proxy", "far.invalid")
    (tmp_path / "set/data.mat").unlink()
    assert "no connection" in fetch(entry("http://far.invalid/right"), tmp_path).reason


def test_a_part_that_is_a_link_is_not_written_through(server, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    (tmp_path / "in/set").mkdir(parents=True)
    (tmp_path / f"in/set/.data.mat.{DIGEST[:16]}.part").symlink_to(outside)
    with pytest.raises(InputError, match="cannot write here"):
        fetch(entry(f"{server.address}/right"), tmp_path / "in")
    assert outside.read_bytes() == b"mine"


def test_a_file_that_is_a_link_is_replaced_and_what_it_leads_to_stays(server, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    (tmp_path / "in/set").mkdir(parents=True)
    (tmp_path / "in/set/data.mat").symlink_to(outside)
    assert fetch(entry(f"{server.address}/right"), tmp_path / "in").status == "downloaded"
    assert outside.read_bytes() == b"mine"
    assert not (tmp_path / "in/set/data.mat").is_symlink()


def test_two_fetches_of_one_file_do_not_mix(server, tmp_path):
    """Of two at the same time one downloads; the other gives up or finds it done."""
    outcomes = fetch_all({str(i): entry(f"{server.address}/in-pieces") for i in range(4)}, tmp_path)
    assert "downloaded" in {outcome.status for outcome in outcomes.values()}
    for outcome in outcomes.values():
        assert outcome.available or "another fetch" in outcome.reason
    assert (tmp_path / "set/data.mat").read_bytes() == CONTENT
    assert files_below(tmp_path) == ["set/data.mat"]


def test_a_killed_download_is_resumed(server, tmp_path):
    """A process that dies leaves the part, and no lock on it."""
    code = "import sys; from cortexclip.data.fetch import Entry, fetch; fetch(Entry(*sys.argv[1:2], (sys.argv[2],), sys.argv[3]), sys.argv[4], timeout=20)"
    arguments = ["set/data.mat", f"{server.address}/stalling", DIGEST, str(tmp_path)]
    child = subprocess.Popen([sys.executable, "-c", code, *arguments])
    part = tmp_path / f"set/.data.mat.{DIGEST[:16]}.part"
    started = time.monotonic()
    while not part.exists() and time.monotonic() - started < 20:
        time.sleep(0.01)
    time.sleep(0.1)
    child.kill()
    child.wait()
    assert part.exists()
    assert fetch(entry(f"{server.address}/in-pieces"), tmp_path).status == "downloaded"
    assert (tmp_path / "set/data.mat").read_bytes() == CONTENT


def test_the_next_address_is_tried(server, tmp_path):
    outcome = fetch(entry(*(f"{server.address}/{path}" for path in ("missing", "other", "right"))), tmp_path)
    assert outcome.status == "downloaded"
    assert "404" in outcome.reason and "sha256" in outcome.reason
    assert server.requests == ["/missing", "/other", "/right"]


def test_a_machine_without_network_answers_within_seconds(tmp_path):
    """Addresses that refuse, that no name server knows, and that never answer; several entries at once."""
    with socket.socket() as closed, socket.socket() as silent:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)  # never accepts: a connection opens and nothing comes
        addresses = [f"http://127.0.0.1:{one.getsockname()[1]}/x" for one in (closed, silent)]
        addresses.append("http://nowhere.invalid/x")
        pairs = {f"{i}{j}": (a, b) for i, a in enumerate(addresses) for j, b in enumerate(addresses)}
        entries = {name: entry(*pair, file=f"set/{name}.mat") for name, pair in pairs.items()}
        started = time.monotonic()
        outcomes = fetch_all(entries, tmp_path, timeout=1)
        assert time.monotonic() - started < 4
    assert list(outcomes) == list(entries)
    assert {outcome.status for outcome in outcomes.values()} == {"not available"}
    assert "Connection refused" in outcomes["00"].reason
    assert "no answer within 1 s" in outcomes["11"].reason
    assert all("\n" not in outcome.reason for outcome in outcomes.values())
    assert files_below(tmp_path) == []


def test_a_name_server_that_never_answers_does_not_hold_up(tmp_path, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) and [])
    started = time.monotonic()
    outcome = fetch(entry("http://example.org/x"), tmp_path, timeout=0.3)
    over.set()
    assert time.monotonic() - started < 2
    assert "no answer within 0.3 s" in outcome.reason


def test_a_right_file_in_place_is_present_and_nobody_is_asked(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/data.mat").write_bytes(CONTENT)
    assert fetch(entry(f"{server.address}/right"), tmp_path).status == "present"
    assert server.requests == []


def test_a_right_file_in_the_data_folder_is_copied(server, tmp_path):
    source, destination = tmp_path / "source", tmp_path / "destination"
    (source / "set").mkdir(parents=True)
    (source / "set/data.mat").write_bytes(CONTENT)
    (source / "set/data.mat").chmod(0o444)
    outcome = fetch(entry(f"{server.address}/right"), destination, source)
    assert outcome.status == "copied"
    assert (destination / "set/data.mat").read_bytes() == CONTENT
    assert not (destination / "set/data.mat").is_symlink()
    assert files_below(destination) == ["set/data.mat"]
    assert server.requests == []


def test_a_wrong_file_in_the_data_folder_is_not_used(tmp_path):
    source, destination = tmp_path / "source", tmp_path / "destination"
    (source / "set").mkdir(parents=True)
    (source / "set/data.mat").write_bytes(b"wrong")
    outcome = fetch(entry(), destination, source)
    assert outcome.status == "not available"
    assert hashlib.sha256(b"wrong").hexdigest() in outcome.reason
    assert f"expected {DIGEST}" in outcome.reason
    assert not destination.exists()


def test_a_wrong_file_in_place_is_reported_and_replaced_by_the_right_one(server, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/data.mat").write_bytes(b"wrong")
    outcome = fetch(entry(f"{server.address}/missing"), tmp_path)
    assert outcome.status == "not available"
    assert hashlib.sha256(b"wrong").hexdigest() in outcome.reason
    assert (tmp_path / "set/data.mat").read_bytes() == b"wrong"
    outcome = fetch(entry(f"{server.address}/right"), tmp_path)
    assert outcome.status == "downloaded"
    assert hashlib.sha256(b"wrong").hexdigest() in outcome.reason
    assert (tmp_path / "set/data.mat").read_bytes() == CONTENT


def test_without_a_sha256_a_file_is_taken_but_never_downloaded(server, tmp_path):
    outcome = fetch(entry(f"{server.address}/right", digest=""), tmp_path)
    assert outcome.status == "not available"
    assert "no sha256" in outcome.reason
    assert server.requests == []
    (tmp_path / "set").mkdir()
    (tmp_path / "set/data.mat").write_bytes(b"anything")
    outcome = fetch(entry(digest=""), tmp_path)
    assert outcome.status == "present"
    assert "not checked" in outcome.reason


def test_a_folder_in_the_place_of_the_file_is_a_reason(tmp_path):
    (tmp_path / "set/data.mat").mkdir(parents=True)
    assert "is a folder" in fetch(entry(), tmp_path).reason


def test_a_folder_that_an_entry_names_is_present_wherever_it_lies(tmp_path):
    (tmp_path / "mine/set/data.mat").mkdir(parents=True)
    outcome = fetch(entry(digest=""), tmp_path / "here", tmp_path / "mine")
    assert (outcome.status, outcome.path) == ("present", str(tmp_path / "mine/set/data.mat"))
    assert not (tmp_path / "here").exists()
    (tmp_path / "here/set/data.mat").mkdir(parents=True)
    assert fetch(entry(digest=""), tmp_path / "here", tmp_path / "mine").path == str(tmp_path / "here/set/data.mat")


def test_a_link_out_of_the_destination_is_refused(server, tmp_path):
    outside, destination = tmp_path / "outside", tmp_path / "destination"
    outside.mkdir()
    destination.mkdir()
    (destination / "set").symlink_to(outside)
    with pytest.raises(InputError, match="is a link out of"):
        fetch(entry(f"{server.address}/right"), destination)
    assert files_below(outside) == []


def test_a_destination_that_is_a_file_is_an_error(server, tmp_path):
    (tmp_path / "set").write_text("a file")
    with pytest.raises(InputError, match="cannot write here"):
        fetch(entry(f"{server.address}/right"), tmp_path)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"file": "/etc/passwd"}, "without '..'"),
        ({"file": "../data.mat"}, "without '..'"),
        ({"file": "set/../../data.mat"}, "without '..'"),
        ({"file": "set\\..\\data.mat"}, "relative path"),
        ({"file": "C:/data.mat"}, "relative path"),
        ({"file": "."}, "without '..'"),
        ({"file": ""}, "relative path"),
        ({"file": 3}, "expected text"),
        ({}, "relative path"),
        ({"file": "a", "addresses": ["file:///etc/passwd"]}, "http"),
        ({"file": "a", "addresses": ["ftp://host/a"]}, "http"),
        ({"file": "a", "addresses": ["http://[broken/a"]}, "http"),
        ({"file": "a", "addresses": "http://host/a"}, "expected a list"),
        ({"file": "a", "sha256": "abc"}, "text that matches"),
    ],
)
def test_an_entry_that_could_do_harm_is_an_error(bad, words):
    with pytest.raises(InputError, match=words) as caught:
        Entry.parse("toy", bad)
    assert "entry 'toy'" in str(caught.value)


def run_stage(tmp_path, monkeypatch, catalogue, *options):
    monkeypatch.chdir(tmp_path)
    log.start()
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    entries = json.dumps({"data": catalogue})
    stage.run(parser.parse_args(["--entries", entries, "--timeout", "0.5", *options]))


@pytest.fixture
def catalogue(server):
    there = {"title": "T", "file": "a/there.mat", "addresses": [f"{server.address}/right"], "sha256": DIGEST}
    return {
        "simulated": {"title": "Simulated", "settings": {}},
        "there": there | {"licence": "CC0", "citation": "A (2000)", "how": "By hand."},
        "gone": there | {"file": "a/gone.mat", "addresses": [f"{server.address}/missing"], "how": "Ask."},
    }


def test_the_stage_says_and_reports_the_outcome_of_each_entry(tmp_path, monkeypatch, capsys, catalogue):
    run_stage(tmp_path, monkeypatch, catalogue, "--report", "report.json")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" (")[0] for line in lines[:2]] == ["there: downloaded", "gone: not available"]
    assert lines[1].endswith("Ask.")
    assert lines[2:] == ["there: licence: CC0", "there: citation: A (2000)"]
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report) == {"there", "gone"}
    assert report["there"]["status"] == "downloaded"
    assert report["there"]["available"] is True
    assert (report["there"]["licence"], report["there"]["sha256"]) == ("CC0", DIGEST)
    assert report["gone"]["available"] is False
    assert "404" in report["gone"]["reason"]
    assert report["gone"]["how"] == "Ask."
    assert (tmp_path / "resources/data/a/there.mat").read_bytes() == CONTENT


def test_weights_have_their_own_place(tmp_path, monkeypatch, server):
    entry = {"file": "w.bin", "addresses": [f"{server.address}/right"], "sha256": DIGEST}
    run_stage(tmp_path, monkeypatch, {}, "--entries", json.dumps({"weights": {"w": entry}}), "--strict")
    assert (tmp_path / "resources/weights/w.bin").read_bytes() == CONTENT


def test_names_choose_entries(tmp_path, monkeypatch, capsys, catalogue):
    run_stage(tmp_path, monkeypatch, catalogue, "--names", "there", "--strict")
    assert capsys.readouterr().err.startswith("there: downloaded")
    with pytest.raises(InputError, match="is called 'ther'. Did you mean 'there'"):
        run_stage(tmp_path, monkeypatch, catalogue, "--names", "ther")


def test_companions_come_along(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine/a").mkdir(parents=True)
    for name in ("signals.csv", "digits.csv"):
        (tmp_path / "mine/a" / name).write_text(name)
    entries = {
        "eeg": {"file": "a/signals.csv", "companions": {"digits": "a/digits.csv", "test": "a/no.csv"}, "how": "Ask."}
    }
    run_stage(tmp_path, monkeypatch, entries, "--names", "eeg", "--data-dir", str(tmp_path / "mine"))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" (")[0] for line in lines] == ["eeg: copied", "eeg.digits: copied", "eeg.test: not available"]
    assert lines[2].endswith("Ask.")
    assert (tmp_path / "resources/data/a/digits.csv").read_text() == "digits.csv"


def test_strict_fails_after_the_report_is_written(tmp_path, monkeypatch, catalogue):
    with pytest.raises(InputError, match="not available: gone"):
        run_stage(tmp_path, monkeypatch, catalogue, "--strict", "--report", "report.json")
    assert (tmp_path / "report.json").exists()


def test_the_data_folder_is_taken_from_the_environment(tmp_path, capsys, catalogue, monkeypatch):
    (tmp_path / "mine/a").mkdir(parents=True)
    (tmp_path / "mine/a/gone.mat").write_bytes(CONTENT)
    monkeypatch.setenv("CORTEXCLIP_DATA", str(tmp_path / "mine"))
    run_stage(tmp_path, monkeypatch, catalogue, "--names", "gone", "--strict")
    assert capsys.readouterr().err.startswith("gone: copied")


def test_a_timeout_of_zero_is_an_error(tmp_path, monkeypatch, catalogue):
    with pytest.raises(InputError, match="--timeout"):
        run_stage(tmp_path, monkeypatch, catalogue, "--timeout", "0")


def test_a_copy_that_differs_from_its_source_is_said(tmp_path):
    for folder, content in (("here", CONTENT), ("source", CONTENT + b"changed")):
        (tmp_path / folder / "set").mkdir(parents=True)
        (tmp_path / folder / "set/data.mat").write_bytes(content)
    for digest in ({}, {"digest": ""}):
        outcome = fetch(entry(**digest), tmp_path / "here", tmp_path / "source")
        assert outcome.status == "present" and "source/set/data.mat is another file; the copy is used" in outcome.reason
    (tmp_path / "source/set/data.mat").write_bytes(CONTENT)
    assert "another" not in fetch(entry(), tmp_path / "here", tmp_path / "source").reason
