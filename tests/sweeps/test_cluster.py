"""fmnist_lab.sweeps.cluster: which scheduler is asked, and what is said if none can be used."""

import gc
import importlib.util
import socket
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from fmnist_lab.__main__ import main
from fmnist_lab.chapter import Chapter
from fmnist_lab.config import Config, ConfigError
from fmnist_lab.runs import records
from fmnist_lab.sweeps import cluster, sweep
from fmnist_lab.sweeps.cluster import ClusterError

CONFIG = Config(width=8, batch_size=100, train_size=200, epochs=2)
PATIENCE = 300  # seconds: a busy machine takes long to start a thread

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the extra [cluster]"
)


@pytest.mark.parametrize(
    ("given", "named", "found"),
    [
        (None, None, None),
        (None, "", None),
        (None, "tcp://a:1", "tcp://a:1"),
        ("tcp://b.example:8786", None, "tcp://b.example:8786"),
        ("tls://10.0.0.1:65535", "tcp://a:1", "tls://10.0.0.1:65535"),
        ("tcp://[fe80::1]:8786", "nonsense", "tcp://[fe80::1]:8786"),
        ("", "tcp://a:1", None),
    ],
)
def test_the_address_is_the_one_given_else_that_of_the_environment(
    given, named, found, monkeypatch
):
    if named is not None:
        monkeypatch.setenv("FMNIST_LAB_SCHEDULER", named)
    assert cluster.address(given) == found


@pytest.mark.parametrize(
    "text", ["host", "host:8786", "tcp://host", "tcp://:8786", "http://host:1", "tcp://host:65536"]
)
def test_what_is_no_address_is_refused_with_its_origin_before_anything_is_trained(
    text, monkeypatch
):
    rule = f"{text!r}; it must be an address like tcp://host:8786."
    with pytest.raises(ConfigError) as caught:
        sweep.sweep([], scheduler=text)
    assert str(caught.value) == f"scheduler is {rule}"
    monkeypatch.setenv("FMNIST_LAB_SCHEDULER", text)
    with pytest.raises(ConfigError) as caught:
        Chapter("width", {})
    assert str(caught.value) == f"FMNIST_LAB_SCHEDULER is {rule}"


def test_without_dask_the_extra_that_brings_it_is_named(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError) as caught:
        sweep.sweep([CONFIG], scheduler="tcp://127.0.0.1:1")
    assert str(caught.value) == (
        "the scheduler tcp://127.0.0.1:1 cannot be used without Dask: "
        "pip install 'fmnist-lab[cluster]'."
    )


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket at a free port of this machine where nothing answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@needs_dask
@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("nobody listens", "Connection refused"),
        ("silent", "timed out"),
        ("hangs up", "the connection was closed"),
    ],
)
def test_where_no_scheduler_answers_one_sentence_says_so(
    behaviour, reason, listener, home, monkeypatch, capsys
):
    monkeypatch.setattr(cluster, "TIMEOUT", 0.2)
    host, port = listener.getsockname()
    hang_up = threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True)
    if behaviour == "nobody listens":
        listener.close()
    if behaviour == "hangs up":
        hang_up.start()
    assert main(["run", "width", "--width=8", f"--scheduler=tcp://{host}:{port}"]) == 2
    said = f"no scheduler answers at tcp://127.0.0.1:{port}: {reason}.\n"
    assert capsys.readouterr() == ("", said)


@needs_dask
def test_a_client_that_cannot_be_made_is_told_in_a_sentence(listener, home, monkeypatch):
    from distributed import Client

    monkeypatch.setattr(cluster, "greet", lambda address: None)
    address = f"tls://127.0.0.1:{listener.getsockname()[1]}"  # this machine has no certificates
    with pytest.raises(ClusterError, match=f"^the scheduler {address} cannot be used: TLS expects"):
        sweep.sweep([CONFIG], scheduler=address)
    # One left half open would lock up the next that starts while it is collected.
    left = [each for each in gc.get_objects() if issubclass(type(each), Client)]
    assert all(client.status == "closed" for client in left)


def test_a_cluster_is_asked_only_for_what_is_missing(home, made_up_run):
    run = made_up_run(CONFIG)
    records.save(run)
    assert sweep.sweep([CONFIG], scheduler="tcp://127.0.0.1:1") == [run]


def test_it_is_said_once_when_no_worker_is_left_and_again_after_there_was_one(monkeypatch, capsys):
    monkeypatch.setattr(cluster, "LOOK", 0.0)
    looks = iter([2, 0, 0, 1, 0])
    seen = threading.Event()

    def nthreads() -> dict[str, int]:
        try:
            return {f"worker {n}": 1 for n in range(next(looks))}
        except StopIteration:
            seen.set()
            raise OSError("the connection is lost") from None

    with cluster.watched(SimpleNamespace(nthreads=nthreads)):
        assert seen.wait(PATIENCE)
    said = "The cluster has no worker left: the runs wait until it has one.\n"
    assert capsys.readouterr() == ("", 2 * said)
