"""fmnist_lab.data: where the files come from, and what is done about bad ones."""

import gzip
import hashlib
import http.server
import multiprocessing
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import filelock
import pytest

from fmnist_lab import sources
from fmnist_lab.config import ConfigError

SYSTEM_PATH = os.environ["PATH"]
FIRST, SECOND, *_ = sources.FILES


# --- Stand-ins: small files, an empty machine, a mirror on the loopback interface


@pytest.fixture
def contents(monkeypatch) -> dict[str, bytes]:
    """Four small files with the four names, accepted as the real ones."""
    contents = {name: (name.encode() + b"\n") * 2000 for name in sources.FILES}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(sources, "FILES", digests)
    return contents


@pytest.fixture(autouse=True)
def raw(monkeypatch, tmp_path) -> Path:
    """A machine with an empty cache, no other source and no network; gives the cache's raw/."""
    monkeypatch.setenv("FMNIST_LAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FMNIST_DATA", raising=False)
    monkeypatch.setattr(sources, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(sources, "MIRRORS", ())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no apt-get there
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "home" / "data" / "FashionMNIST" / "raw"


Answer = Callable[["Mirror", http.server.BaseHTTPRequestHandler, bytes], None]


class Mirror(http.server.ThreadingHTTPServer):
    """Serves files with .gz behind their names, each as its entry in `answers` does it."""

    daemon_threads = True

    def __init__(self, contents: dict[str, bytes]):
        self.asked: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.half_sent, self.over = threading.Event(), threading.Event()
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/").removesuffix(".gz")
                mirror.asked.append(name)
                if name in contents:
                    body = gzip.compress(contents[name])
                    mirror.answers.get(name, good)(mirror, self, body)
                else:
                    self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, *_: object) -> None:
        """Say nothing about a client that hung up: clients do that here on purpose."""


@pytest.fixture
def mirrors(contents, monkeypatch) -> Iterator[list[Mirror]]:
    """Two mirrors in the order they are asked."""
    servers = [Mirror(contents), Mirror(contents)]
    monkeypatch.setattr(sources, "MIRRORS", tuple(server.url for server in servers))
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield servers
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


def start(handler: http.server.BaseHTTPRequestHandler, length: int | None) -> None:
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()


def good(mirror: Mirror, handler, body: bytes) -> None:
    start(handler, len(body))
    handler.wfile.write(body)


def sends(instead: Callable[[bytes], bytes]) -> Answer:
    """Answer properly, but with something else."""
    return lambda mirror, handler, body: good(mirror, handler, instead(body))


def flipped_bit(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def slow(mirror: Mirror, handler, body: bytes) -> None:
    time.sleep(0.2)
    good(mirror, handler, body)


def not_found(mirror: Mirror, handler, body: bytes) -> None:
    handler.send_error(404)


def redirected(to: str) -> Answer:
    """Answer that the file is elsewhere."""

    def answer(mirror: Mirror, handler, body: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()

    return answer


def send_half(handler, body: bytes, length: int | None) -> None:
    start(handler, length)
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()


def closed_early(mirror: Mirror, handler, body: bytes) -> None:
    send_half(handler, body, len(body))


def half_closed_of_unknown_length(mirror: Mirror, handler, body: bytes) -> None:
    send_half(handler, body, None)
    handler.connection.shutdown(socket.SHUT_WR)
    mirror.over.wait(30)


def reset(mirror: Mirror, handler, body: bytes) -> None:
    send_half(handler, body, len(body))
    linger_not_at_all = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not_at_all)
    handler.connection.close()


def stalled(mirror: Mirror, handler, body: bytes) -> None:
    send_half(handler, body, len(body))
    mirror.half_sent.set()
    mirror.over.wait(60)


def trickling(mirror: Mirror, handler, body: bytes) -> None:
    start(handler, len(body))
    for byte in body:
        handler.wfile.write(bytes([byte]))
        if mirror.over.wait(0.05):
            return


def not_http(mirror: Mirror, handler, body: bytes) -> None:
    handler.wfile.write(b"220 mail.example.org ESMTP\r\n")


def endless(mirror: Mirror, handler, body: bytes) -> None:
    start(handler, None)
    handler.wfile.write(bytes(5_000_000))  # it has an end: a client must not fill the memory


def write(folder: Path, contents: dict[str, bytes], suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        packed = gzip.compress(content) if suffix else content
        (folder / f"{name}{suffix}").write_bytes(packed)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    stats = {str(path): path.stat() for path in [folder, *folder.rglob("*")]}
    return {path: (stat.st_mtime_ns, stat.st_size) for path, stat in stats.items()}


# --- Sources


@pytest.mark.parametrize("suffix", ["", ".gz"], ids=["raw", "gz"])
@pytest.mark.parametrize("layout", ["FashionMNIST/raw", "raw", "."])
def test_a_user_folder_of_any_layout_fills_the_cache_and_stays_as_it_was(
    contents, raw, monkeypatch, tmp_path, layout, suffix
):
    write(tmp_path / "user" / layout, contents, suffix)
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path / "user"))
    before = snapshot(tmp_path / "user")
    assert sources.locate() == raw.parents[1]
    assert read(raw) == contents
    assert snapshot(tmp_path / "user") == before


@pytest.mark.parametrize("fault", ["a folder", "a pipe", "without end"])
def test_what_is_no_file_is_passed_over_and_not_waited_for(
    fault, contents, raw, mirrors, monkeypatch, tmp_path
):
    user = write(tmp_path / "user", contents)
    (user / FIRST).unlink()
    if fault == "a folder":
        (user / FIRST).mkdir()
    elif fault == "a pipe":
        os.mkfifo(user / FIRST)
    else:
        (user / FIRST).symlink_to("/dev/zero")
    monkeypatch.setenv("FMNIST_DATA", str(user))
    with pytest.warns(
        UserWarning, match=rf"{FIRST}: {FIRST}: it is not a file: trying the next source"
    ):
        sources.locate()
    assert read(raw) == contents


@pytest.mark.parametrize("suffix", ["", ".gz"], ids=["raw", "gz"])
def test_a_file_as_long_as_the_longest_of_the_four_is_read(
    contents, raw, monkeypatch, tmp_path, suffix
):
    write(tmp_path / "user", contents, suffix)
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path / "user"))
    monkeypatch.setattr(sources, "MAX_BYTES", max(map(len, contents.values())))
    sources.locate()
    assert read(raw) == contents


def test_a_file_longer_than_any_of_the_four_is_not_read(contents, raw, mirrors, monkeypatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 100_000)
    write(raw, contents | {FIRST: bytes(100_001)})
    with pytest.warns(UserWarning, match=f"{FIRST}: it is longer than 100,000 bytes; renamed to"):
        sources.locate()
    assert read(raw)[FIRST] == contents[FIRST]


def test_folders_of_a_user_whom_nobody_knows_are_named(contents, raw, mirrors, monkeypatch):
    monkeypatch.setenv("FMNIST_DATA", "~nobody-of-this-name")
    with pytest.warns(UserWarning, match="FMNIST_DATA=~nobody-of-this-name: there is no such fol"):
        sources.locate()
    monkeypatch.setenv("FMNIST_LAB_HOME", "~nobody-of-this-name")
    with pytest.raises(
        ConfigError, match=r"^FMNIST_LAB_HOME is '~nobody-of-this-name'; it must be"
    ):
        sources.locate()


def test_the_error_is_shown_in_a_notebook_as_its_message_alone():
    assert sources.DataError("one.\ntwo.")._render_traceback_() == ["one.", "two."]


def test_a_good_gz_beside_a_bad_raw_file_is_used(contents, raw, monkeypatch, tmp_path):
    user = write(tmp_path / "user", contents, ".gz")
    (user / FIRST).write_bytes(b"cut short")
    monkeypatch.setenv("FMNIST_DATA", str(user))
    sources.locate()
    assert read(raw) == contents


def test_the_debian_folder_needs_no_mirror_and_stays_as_it_was(contents, raw, mirrors):
    write(sources.DEBIAN_FOLDER, contents, ".gz")
    before = snapshot(sources.DEBIAN_FOLDER)
    sources.locate()
    assert read(raw) == contents
    assert mirrors[0].asked == mirrors[1].asked == []
    assert snapshot(sources.DEBIAN_FOLDER) == before


def test_a_mirror_fills_the_cache_silently_where_no_terminal_listens(contents, raw, mirrors, capfd):
    sources.locate()
    assert read(raw) == contents
    assert mirrors[0].asked == list(contents)
    assert mirrors[1].asked == []
    assert capfd.readouterr() == ("", "")


def test_only_what_the_cache_lacks_is_fetched(contents, raw, mirrors):
    write(raw, {name: content for name, content in contents.items() if name != SECOND})
    sources.locate()
    assert mirrors[0].asked == [SECOND]


def test_a_complete_cache_is_only_read(contents, raw, mirrors):
    write(raw, contents)
    before = snapshot(raw.parents[2])
    sources.locate()
    assert mirrors[0].asked == []
    assert snapshot(raw.parents[2]) == before


@pytest.mark.parametrize("cached", [False, True], ids=["empty cache", "complete cache"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (None, "there is no such folder"),
        ("absent", f"{FIRST}: it is missing: trying the next source"),
        ("bad", f"{FIRST}: {FIRST}: it has SHA-256 .* instead of"),
    ],
)
def test_a_faulty_user_folder_is_warned_of_and_passed_over(
    contents, raw, mirrors, monkeypatch, tmp_path, fault, message, cached
):
    user = tmp_path / "user"
    if fault:
        write(user, contents)
        (user / FIRST).unlink()
    if fault == "bad":
        (user / FIRST).write_bytes(b"not it")
    if cached:
        write(raw, contents)
    monkeypatch.setenv("FMNIST_DATA", str(user))
    before = read(user)
    with pytest.warns(UserWarning, match=f"FMNIST_DATA={user}: {message}"):
        sources.locate()
    assert read(raw) == contents
    assert read(user) == before


@pytest.mark.parametrize("bad", [b"", b"cut short"])
def test_a_damaged_file_in_the_cache_is_set_aside_and_fetched_again(contents, raw, mirrors, bad):
    write(raw, contents | {SECOND: bad})
    with pytest.warns(
        UserWarning, match=rf"{SECOND}: it has SHA-256 .*; renamed to {SECOND}\.damaged"
    ):
        sources.locate()
    assert read(raw) == contents | {f"{SECOND}.damaged": bad}
    assert mirrors[0].asked == [SECOND]


LOGIN_PAGE = sends(lambda body: b"<html>Log in to this network</html>")
BAD_ANSWERS: dict[str, tuple[Answer, str]] = {
    "not found": (not_found, "answers HTTP 404"),
    "a login page": (LOGIN_PAGE, "Not a gzipped file"),
    "another file": (sends(lambda body: gzip.compress(b"other content")), "has SHA-256"),
    # zlib, the CRC or the digest notices, whichever comes first
    "a flipped bit": (sends(flipped_bit), ""),
    "closed early": (closed_early, "ends [0-9,]+ bytes early"),
    "half closed": (half_closed_of_unknown_length, "ended before the end-of-stream marker"),
    "reset": (reset, "reset by peer"),
    "stalled": (stalled, "timed out"),
    "trickling": (trickling, "more slowly than 10,000 bytes/s"),
    "far too long": (endless, "is longer than 1,000,000 bytes"),
    "a gzip bomb": (sends(lambda body: gzip.compress(bytes(5_000_000))), "has SHA-256"),
    "not HTTP": (not_http, "220 mail.example.org"),
    "sent elsewhere": (redirected("nowhere.html"), "answers HTTP 404"),
    "sent in a ring": (redirected("t10k-images-idx3-ubyte.gz"), "answers HTTP 302"),
    "sent to a file of this machine": (redirected("file:///etc/hostname"), "answers HTTP 302"),
}


@pytest.mark.parametrize(("answer", "reason"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_file_that_one_mirror_cannot_give_comes_from_the_next(
    contents, raw, mirrors, monkeypatch, caplog, answer, reason
):
    monkeypatch.setattr(sources, "TIMEOUT", 1.0 if answer in (stalled, trickling) else 30.0)
    monkeypatch.setattr(sources, "MAX_BYTES", 1_000_000)
    mirrors[0].answers["t10k-images-idx3-ubyte"] = answer
    with caplog.at_level("INFO", logger=sources.__name__):
        sources.locate()
    assert read(raw) == contents
    assert "t10k-images-idx3-ubyte" in mirrors[1].asked
    assert re.search(f"{mirrors[0].url}: t10k-images-idx3-ubyte: .*{reason}", caplog.messages[-1])


class Response:
    """An answer of that many bytes, with a wait per byte by its own clock."""

    length = 0

    def __init__(self, body: bytes):
        self.body, self.now = body, 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read1(self, size: int) -> bytes:
        chunk, self.body = self.body[:1000], self.body[1000:]
        self.now += len(chunk) / 1000
        return chunk


@pytest.mark.parametrize(
    ("timeout", "most", "fault"),
    [
        (0.9, 10**6, None),  # a second for 1,000 bytes: 0.9 of patience and 0.1 at 10,000 bytes/s
        (0.89, 10**6, "it arrives more slowly than 10,000 bytes/s"),
        (60.0, 999, "it is longer than 999 bytes"),
        (60.0, 1000, None),
    ],
)
def test_a_mirror_is_given_up_where_it_is_slower_or_longer_than_allowed(
    timeout, most, fault, monkeypatch
):
    body = gzip.compress(os.urandom(1000 - 23))
    assert len(body) == 1000
    unpacked = gzip.decompress(body)
    response = Response(body)
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: response)
    monkeypatch.setattr(time, "monotonic", lambda: response.now)
    monkeypatch.setattr(sources, "TIMEOUT", timeout)
    monkeypatch.setattr(sources, "MAX_BYTES", most)
    monkeypatch.setattr(sources, "FILES", {FIRST: hashlib.sha256(unpacked).hexdigest()})
    if fault is None:
        assert sources._download("http://mirror/", FIRST) == unpacked
    else:
        with pytest.raises((ValueError, TimeoutError), match=f"^{fault}$"):
            sources._download("http://mirror/", FIRST)


def test_a_mirror_that_cannot_be_reached_is_asked_once(contents, raw, mirrors, monkeypatch, caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}/"
    monkeypatch.setattr(sources, "MIRRORS", (nobody, mirrors[1].url))
    with caplog.at_level("INFO", logger=sources.__name__):
        sources.locate()
    assert read(raw) == contents
    assert caplog.text.count("Connection refused") == 1


def test_two_mirrors_that_lack_different_files_complete_each_other(contents, raw, mirrors):
    mirrors[0].answers[FIRST] = mirrors[1].answers[SECOND] = not_found
    sources.locate()
    assert read(raw) == contents


# --- Debian's package, unpacked without root


@pytest.fixture
def apt_get(contents, tmp_path, monkeypatch) -> Path:
    """An apt-get whose download is a package built here; dpkg-deb is the system's own."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{SYSTEM_PATH}")
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb to build a package")
    tree = tmp_path / "tree"
    write(tree / sources.DEBIAN_FOLDER.relative_to("/"), contents, ".gz")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN" / "control").write_text(
        "Package: dataset-fashion-mnist\nVersion: 0\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: stand-in\n"
    )
    built = tmp_path / "built_all.deb"
    subprocess.run(["dpkg-deb", "-b", tree, built], check=True, capture_output=True)
    apt_get = tmp_path / "bin" / "apt-get"
    apt_get.parent.mkdir()
    apt_get.write_text(
        f'#!/bin/sh\ntest "$*" = "download dataset-fashion-mnist" && cp {built} . && exit\n'
        'echo "E: not so: $*" >&2; exit 100\n'
    )
    apt_get.chmod(0o755)
    return apt_get


def test_the_package_is_downloaded_and_unpacked_when_all_else_fails(
    contents, raw, mirrors, apt_get, monkeypatch, tmp_path
):
    for mirror in mirrors:
        mirror.answers = dict.fromkeys(contents, not_found)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    sources.locate()
    assert read(raw) == contents
    assert not any((tmp_path / "scratch").iterdir())
    assert not sources.DEBIAN_FOLDER.exists()


def test_the_last_line_of_a_failing_apt_get_is_the_reason(apt_get, monkeypatch):
    monkeypatch.setattr(sources, "DEBIAN_PACKAGE", "no-such-package")
    with pytest.raises(sources.DataError, match="failed: E: not so: download no-such-package"):
        sources.locate()


# --- When nothing works


def test_one_error_names_every_source_its_fault_and_the_remedy(
    contents, raw, mirrors, monkeypatch, tmp_path
):
    write(tmp_path / "user", {FIRST: contents[FIRST], SECOND: b"not it"})
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path / "user"))
    write(sources.DEBIAN_FOLDER, {FIRST: contents[FIRST]}, ".gz")
    mirrors[0].answers = dict.fromkeys(contents, not_found)
    mirrors[1].answers = dict.fromkeys(contents, LOGIN_PAGE)
    with (
        pytest.warns(UserWarning, match="FMNIST_DATA"),
        pytest.raises(sources.DataError) as caught,
    ):
        sources.locate()
    found, wanted = hashlib.sha256(b"not it").hexdigest()[:12], sources.FILES[SECOND][:12]
    three = list(contents)[1:]
    no_apt_get = "[Errno 2] No such file or directory: 'apt-get'"
    remedy = (
        "Connect to the network and try again; or put the four files, raw or .gz, into a folder "
        "and set FMNIST_DATA to it; or, on Debian and Ubuntu, run: apt-get install "
        "dataset-fashion-mnist"
    )
    assert str(caught.value).splitlines() == [
        "Fashion-MNIST is not complete: 3 of its 4 files could not be found. Tried, in order:",
        f"  - the cache {raw}: " + "; ".join(f"{name}: it is missing" for name in contents),
        f"  - FMNIST_DATA={tmp_path / 'user'}: {SECOND}: {SECOND}: it has SHA-256 {found}… instead "
        f"of {wanted}…; " + "; ".join(f"{name}: it is missing" for name in three[1:]),
        f"  - Debian's folder {tmp_path / 'debian'}: "
        + "; ".join(f"{name}: it is missing" for name in three),
        f"  - the mirror {mirrors[0].url}: "
        + "; ".join(f"{name}: the server answers HTTP 404 Not Found" for name in three),
        f"  - the mirror {mirrors[1].url}: "
        + "; ".join(f"{name}: Not a gzipped file (b'<h')" for name in three),
        f"  - Debian's package {sources.DEBIAN_PACKAGE}: {no_apt_get}",
        remedy,
    ]
    assert read(raw) == {FIRST: contents[FIRST]}  # what could be had is kept


def test_a_machine_without_any_source_says_that_fmnist_data_is_not_set(contents):
    with pytest.raises(sources.DataError, match=r"(?s)4 of its 4 .*\n  - FMNIST_DATA=: not set\n"):
        sources.locate()


def test_a_cache_that_cannot_be_written_is_named(contents, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FMNIST_LAB_HOME", str(tmp_path / "file"))
    rule = rf"the cache folder {tmp_path}/file/data cannot be used .*set FMNIST_LAB_HOME"
    with pytest.raises(sources.DataError, match=rule):
        sources.locate()


# --- Several processes


# Forked, so that a process has the stand-ins, and torch need not be imported again. Python 3.12
# warns of forking beside threads: a mirror's thread has nothing that locate() needs.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def start_process(target: Callable[[], object] = sources.locate) -> BaseProcess:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("needs a system that can fork")
    process = multiprocessing.get_context("fork").Process(target=target)
    process.start()
    return process


@forks
def test_processes_that_start_together_fetch_each_file_once(contents, raw, mirrors):
    mirrors[0].answers = dict.fromkeys(contents, slow)
    processes = [start_process() for _ in range(4)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert read(raw) == contents
    assert sorted(mirrors[0].asked) == sorted(contents)


@forks
def test_a_process_killed_in_a_download_leaves_only_whole_files(contents, raw, mirrors):
    mirrors[0].answers[SECOND] = stalled
    process = start_process()
    assert mirrors[0].half_sent.wait(60)
    process.kill()
    process.join(60)
    assert read(raw) == {FIRST: contents[FIRST]}
    mirrors[0].answers.clear()
    sources.locate()
    assert read(raw) == contents
    assert mirrors[0].asked.count(FIRST) == 1


@forks
def test_a_process_killed_while_it_writes_leaves_no_file_that_looks_whole(
    contents, raw, mirrors, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        process = start_process()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert set(read(raw)) == {f"{FIRST}.part"}
    sources.locate()
    assert read(raw) == contents


def test_a_lock_that_stays_taken_ends_in_an_error(contents, raw, monkeypatch):
    monkeypatch.setattr(sources, "LOCK_TIMEOUT", 0.1)
    raw.mkdir(parents=True)
    with (
        filelock.FileLock(raw.parents[1] / "fetch.lock"),
        pytest.raises(sources.DataError, match=r"fetch.lock.*end any process that holds its lock"),
    ):
        sources.locate()
