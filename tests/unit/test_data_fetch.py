"""Fetching files: from the data folder, from a server on this machine, and from a network that does not answer."""

import argparse
import hashlib
import http.server
import json
import socket
import threading
import time

import pytest

from cortexclip import log
from cortexclip.data.fetch import Entry, fetch, fetch_all
from cortexclip.errors import InputError
from cortexclip.stages import fetch as stage

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each path with one way in which a server can behave."""

    def do_GET(self):
        self.server.asked.append(self.path)
        try:
            getattr(self, "answer_" + self.path.strip("/").replace("-", "_"))()
        except (BrokenPipeError, ConnectionResetError):
            pass

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

    def log_message(self, *_):
        """Keep the test's output quiet."""


@pytest.fixture
def server(monkeypatch):
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    running.asked, running.stop = [], threading.Event()
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
        ("truncated", ["ended after 1000 of 256000 bytes"]),
        ("silent", ["no answer within 0.5 s"]),
        ("stalling", ["stalled after 1000 bytes"]),
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


def test_the_next_address_is_tried(server, tmp_path):
    outcome = fetch(entry(*(f"{server.address}/{path}" for path in ("missing", "other", "right"))), tmp_path)
    assert outcome.status == "downloaded"
    assert "404" in outcome.reason and "sha256" in outcome.reason
    assert server.asked == ["/missing", "/other", "/right"]


def test_a_machine_without_network_answers_within_seconds(tmp_path):
    """Addresses that refuse, that no name server knows, and that never answer; several entries at once."""
    with socket.socket() as closed, socket.socket() as silent:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)  # never accepts: a connection opens and nothing comes
        addresses = [f"http://127.0.0.1:{one.getsockname()[1]}/x" for one in (closed, silent)]
        addresses.append("http://nowhere.invalid/x")
        entries = {f"{i}{j}": entry(a, b) for i, a in enumerate(addresses) for j, b in enumerate(addresses)}
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
    assert server.asked == []


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
    assert server.asked == []


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
    assert server.asked == []
    (tmp_path / "set").mkdir()
    (tmp_path / "set/data.mat").write_bytes(b"anything")
    outcome = fetch(entry(digest=""), tmp_path)
    assert outcome.status == "present"
    assert "not checked" in outcome.reason


def test_a_folder_in_the_place_of_the_file_is_a_reason(tmp_path):
    (tmp_path / "set/data.mat").mkdir(parents=True)
    assert "is a folder" in fetch(entry(), tmp_path).reason


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
        ({"file": 3}, "relative path"),
        ({}, "relative path"),
        ({"file": "a", "addresses": ["file:///etc/passwd"]}, "http"),
        ({"file": "a", "addresses": ["ftp://host/a"]}, "http"),
        ({"file": "a", "addresses": ["http://[broken/a"]}, "http"),
        ({"file": "a", "addresses": "http://host/a"}, "a list of addresses"),
        ({"file": "a", "sha256": "abc"}, "64 hexadecimal digits"),
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
    assert [line.split(" (")[0] for line in lines] == ["there: downloaded", "gone: not available"]
    assert lines[1].endswith("Ask.")
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
