"""fmnist_lab.cluster: a real scheduler and real workers train what one process would."""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmnist_lab import cluster, records, sweep, trainer
from fmnist_lab.__main__ import main
from fmnist_lab.chapter import Chapter
from fmnist_lab.cluster import ClusterError
from fmnist_lab.config import Config, ConfigError
from fmnist_lab.run import Run

CONFIG = Config(width=8, batch_size=100, train_size=200, epochs=2)
SMALL = {"depth": 1, "batch_size": 100, "train_size": 200, "epochs": 2}
PATIENCE = 300  # seconds: a busy machine takes long to start a process

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the extra [cluster]"
)

# Loaded by a worker before it starts, or twice: after an epoch of its n-th training it ends a
# process, itself if no other is named.
DEADLY = """
import os, signal
from fmnist_lab import trainer

class Deadly:
    def __init__(self, train):
        self.train, self.begun = train, 0
    def __call__(self, *arguments, **options):
        self.begun += 1
        for epoch in self.train(*arguments, **options):
            yield epoch
            if self.begun == int(os.environ["NTH"]):
                os.kill(int(os.environ.get("VICTIM", os.getpid())), signal.SIGKILL)

if not isinstance(trainer.train, Deadly):
    trainer.train = Deadly(trainer.train)
"""


def seeds(number: int, **changes: Any) -> list[Config]:
    return [replace(CONFIG, seed=seed, **changes) for seed in range(number)]


# --- The address


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
        sweep.sweep(seeds(1), scheduler="tcp://127.0.0.1:1")
    assert str(caught.value) == (
        "the scheduler tcp://127.0.0.1:1 cannot be used without Dask: "
        "pip install 'fmnist-lab[cluster]'."
    )


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket at a free port of this machine that nothing answers at."""
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
    monkeypatch.setattr(cluster, "greet", lambda address: None)
    address = f"tls://127.0.0.1:{listener.getsockname()[1]}"  # this machine has no certificates
    with pytest.raises(ClusterError, match=f"^the scheduler {address} cannot be used: TLS expects"):
        sweep.sweep(seeds(1), scheduler=address)


def test_a_cluster_is_asked_only_for_what_is_missing(home, made_up_run):
    run = made_up_run(CONFIG)
    records.save(run)
    assert sweep.sweep([CONFIG], scheduler="tcp://127.0.0.1:1") == [run]


# --- A real scheduler and two workers


@pytest.fixture(scope="module")
def there(data_root, tmp_path_factory) -> Path:
    """The workers' own store; it holds no more than a link to the data set."""
    there = tmp_path_factory.mktemp("there")
    (there / "data").symlink_to(data_root)
    return there


@pytest.fixture(scope="module")
def start(there) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts a part of a cluster as a shell would."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: object, **environment: object) -> subprocess.Popen[bytes]:
        log = (there / f"{len(started)}.log").open("wb")
        own = {"FMNIST_LAB_HOME": there, "OMP_NUM_THREADS": 1, **environment}
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
        with log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdout=log, stderr=log, cwd=there,
                env=os.environ | {key: str(value) for key, value in own.items()},
            )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def start_scheduler(start, tmp_path_factory) -> Callable[..., tuple[str, int]]:
    """Return a function that starts a scheduler at a free port: its address and process id."""

    def start_scheduler(**environment: object) -> tuple[str, int]:
        file = tmp_path_factory.mktemp("scheduler") / "scheduler.json"
        process = start(
            *("scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={file}"),
            **environment,
        )
        deadline = time.monotonic() + PATIENCE
        while not (file.exists() and file.read_text().endswith("}")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return json.loads(file.read_text())["address"], process.pid

    return start_scheduler


@pytest.fixture(scope="module")
def start_worker(start, tmp_path_factory) -> Callable[..., subprocess.Popen[bytes]]:
    """Return a function that starts a worker, the last until its scheduler knows so many."""
    from distributed import Client

    def start_worker(address, *arguments, until=0, **environment) -> subprocess.Popen[bytes]:
        folder = tmp_path_factory.mktemp("worker")
        process = start(
            *("worker", address, "--nthreads=1", "--no-nanny", f"--local-directory={folder}"),
            *arguments,
            **environment,
        )
        if until:
            with Client(address, set_as_default=False) as client:
                client.wait_for_workers(until, timeout=PATIENCE)
        return process

    return start_worker


@pytest.fixture(scope="module")
def scheduler(start_scheduler, start_worker) -> str:
    """The address of a cluster of two workers."""
    address, _ = start_scheduler()
    start_worker(address)
    start_worker(address, until=2)
    return address


@pytest.fixture(scope="module")
def deadly(tmp_path_factory) -> str:
    """The option that makes a worker end a process while it trains."""
    file = tmp_path_factory.mktemp("preload") / "deadly.py"
    file.write_text(DEADLY)
    return f"--preload={file}"


@pytest.fixture
def not_here(home, published, monkeypatch) -> None:
    """Training in this process would fail."""
    monkeypatch.setattr(trainer, "train", None)


def serial(configs: list[Config], fashion) -> list[dict[str, Any]]:
    epochs = [list(trainer.train([config], fashion)) for config in configs]
    return [computed(run) for *_, last in epochs for run in last.finished]


def computed(run: Run) -> dict[str, Any]:
    kept = asdict(run)
    del kept["history"]["seconds"], kept["environment"]
    return kept


def stored(home: Path) -> set[str]:
    return {path.stem for path in (home / "runs").glob("*.json")}


@needs_dask
@pytest.mark.slow
def test_a_cluster_trains_the_same_runs_and_both_stores_keep_them(
    scheduler, fashion, there, home, published, capsys
):
    expected = serial(seeds(6), fashion)
    runs = sweep.sweep(seeds(6), scheduler=scheduler)
    assert [computed(run) for run in runs] == expected
    assert records.find(seeds(6)) == runs
    assert stored(home) == {run.id for run in runs} <= stored(there)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Training 6 run(s) on cpu: about ")
    assert " at most on 2 worker(s).\n" in err
    assert "6.0/6 runs [" in err


@needs_dask
@pytest.mark.slow
def test_the_command_line_trains_on_the_scheduler_that_it_names(
    scheduler, not_here, capsys, monkeypatch
):
    monkeypatch.setenv("FMNIST_LAB_SCHEDULER", "tcp://127.0.0.1:1")
    options = [f"--{key.replace('_', '-')}={value}" for key, value in SMALL.items()]
    command = ["run", "width", "--width=9", "--seeds=2", *options, f"--scheduler={scheduler}"]
    assert main([*command, "--list"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == "width=9: 0 of 2 runs on record, missing seeds 0, 1"
    assert last.startswith("Training 2 run(s) on cpu: about ")
    assert last.endswith(" at most on 2 worker(s).")
    assert main(command) == 0
    assert main([*command, "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "width=9: 2 of 2 runs on record",
        "Nothing is missing.",
    ]


@needs_dask
@pytest.mark.slow
def test_a_chapter_trains_on_the_scheduler_that_the_environment_names(
    scheduler, not_here, monkeypatch
):
    monkeypatch.setenv("FMNIST_LAB_SCHEDULER", scheduler)
    runs = Chapter("width", {"width": 10, **SMALL, "seeds": 2}).runs()
    assert [(run.config.width, run.config.seed) for run in runs] == [(10, 0), (10, 1)]


@needs_dask
@pytest.mark.slow
def test_a_device_that_a_worker_lacks_is_refused_with_the_worker(scheduler, not_here, monkeypatch):
    monkeypatch.setenv("FMNIST_LAB_SCHEDULER", scheduler)
    chapter = Chapter("width", {"width": 11, **SMALL, "seeds": 1, "device": "cuda:99"})
    with pytest.raises(
        ClusterError, match=r"^the worker tcp://\S+ cannot train: device is 'cuda:9"
    ):
        chapter.runs()


@needs_dask
@pytest.mark.slow
def test_a_worker_killed_while_it_trains_costs_no_run(
    scheduler, start_worker, deadly, fashion, there, published, monkeypatch
):
    monkeypatch.setenv("FMNIST_LAB_HOME", str(there))  # the store and its locks are shared
    configs = seeds(9, width=12)
    expected = serial(configs, fashion)
    monkeypatch.setattr(trainer, "train", None)
    before = stored(there)
    doomed = start_worker(scheduler, deadly, until=3, NTH=1)
    runs = sweep.sweep(configs, scheduler=scheduler, progress=False)
    assert doomed.wait(PATIENCE) == -signal.SIGKILL
    assert [computed(run) for run in runs] == expected
    assert stored(there) - before == {run.id for run in runs}


@needs_dask
@pytest.mark.slow
def test_a_run_that_kills_its_workers_ends_the_sweep_with_a_sentence(
    start_scheduler, start_worker, deadly, not_here
):
    address, _ = start_scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0)
    start_worker(address, deadly, until=1, NTH=1)
    with pytest.raises(ClusterError) as caught:
        sweep.sweep(seeds(1, width=13), scheduler=address, progress=False)
    assert str(caught.value) == (
        "1 worker(s) died in the run cross_entropy 1x13 batch 100 rate 0.000205 seed 0: see their "
        "logs; they may need more memory (--memory-limit). Finished runs are kept."
    )


@needs_dask
@pytest.mark.slow
def test_a_scheduler_that_is_lost_ends_the_sweep_with_a_sentence_and_finished_runs_are_kept(
    start_scheduler, start_worker, deadly, there, published, monkeypatch
):
    monkeypatch.setenv("FMNIST_LAB_HOME", str(there))
    address, pid = start_scheduler()
    start_worker(address, deadly, until=1, NTH=2, VICTIM=pid)
    configs = seeds(3, width=14)
    with pytest.raises(ClusterError) as caught:
        sweep.sweep(configs, scheduler=address, progress=False)
    assert str(caught.value) == (
        f"the connection to the scheduler {address} was lost. "
        "Finished runs are kept; the same command continues."
    )
    assert records.find(configs)[0].config == configs[0]


@needs_dask
@pytest.mark.slow
def test_a_cluster_without_workers_or_whose_workers_lack_the_package_is_refused(
    start_scheduler, start_worker, tmp_path, not_here, monkeypatch
):
    address, _ = start_scheduler()
    monkeypatch.setattr(cluster, "TIMEOUT", 0.5)
    with pytest.raises(ClusterError) as caught:
        sweep.sweep(seeds(1), scheduler=address)
    assert str(caught.value) == (
        f"the scheduler {address} has no workers: "
        f"start some with `dask worker {address} --nthreads 1`."
    )
    (tmp_path / "lacking.py").write_text("import sys; sys.modules['fmnist_lab'] = None")
    start_worker(address, f"--preload={tmp_path / 'lacking.py'}", until=1)
    monkeypatch.setattr(cluster, "TIMEOUT", 10.0)
    with pytest.raises(ClusterError) as caught:
        sweep.sweep(seeds(1), scheduler=address)
    said = (
        r"the worker tcp://\S+ needs fmnist-lab \S+, as here; it has: .*No module named.*fmnist_lab"
    )
    assert re.match(said, str(caught.value))


@needs_dask
@pytest.mark.slow
def test_a_cluster_with_another_version_of_the_package_is_refused(scheduler, not_here, monkeypatch):
    there = cluster.installed()
    monkeypatch.setattr(cluster, "version", lambda name: "9.9")
    with pytest.raises(ClusterError) as caught:
        sweep.sweep(seeds(1), scheduler=scheduler)
    assert str(caught.value) == (
        f"the scheduler {scheduler} needs fmnist-lab 9.9, as here; it has: {there}."
    )


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
