"""fmnist_lab.sweeps.cluster: a real scheduler and real workers train what one process would."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fmnist_lab.__main__ import main
from fmnist_lab.chapter import Chapter
from fmnist_lab.config import Config
from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps import cluster, sweep
from fmnist_lab.sweeps.cluster import ClusterError
from fmnist_lab.training import trainer

CONFIG = Config(width=8, batch_size=100, train_size=200, epochs=2)
SMALL = {"depth": 1, "batch_size": 100, "train_size": 200, "epochs": 2}
PATIENCE = 300  # seconds: a busy machine takes long to start a process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None, reason="needs the extra [cluster]"
    ),
]

# Loaded by a worker before it starts, or twice: after an epoch of its n-th training it ends a
# process, itself if no other is named.
DEADLY = """
import os, signal
from fmnist_lab.training import trainer

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


@pytest.fixture(scope="module")
def there(data_root, tmp_path_factory) -> Path:
    """The workers' own store, with nothing but a link to the data set."""
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

    def start_scheduler(*options: str, **environment: object) -> tuple[str, int]:
        file = tmp_path_factory.mktemp("scheduler") / "scheduler.json"
        process = start(
            *("scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={file}"),
            *options,
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
    """Return a function that starts workers until their scheduler knows that many."""
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


def serial(configs: list[Config], fashion) -> list[Run]:
    epochs = [list(trainer.train([config], fashion)) for config in configs]
    return [run for *_, last in epochs for run in last.finished]


def stored(home: Path) -> set[str]:
    return {path.stem for path in (home / "runs").glob("*.json")}


def test_a_cluster_trains_the_same_runs_and_both_stores_keep_them(
    computed, scheduler, fashion, there, home, published, capsys
):
    expected = [computed(run) for run in serial(seeds(6), fashion)]
    runs = sweep.sweep(seeds(6), scheduler=scheduler)
    assert [computed(run) for run in runs] == expected
    assert records.find(seeds(6)) == runs
    assert stored(home) == {run.id for run in runs} <= stored(there)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Training 6 run(s) on cpu: under 10 s on 2 worker(s).\n")
    assert "6.0/6 runs [" in err


def test_the_command_line_trains_on_the_scheduler_that_it_names(
    scheduler, not_here, capsys, monkeypatch
):
    monkeypatch.setenv("FMNIST_LAB_SCHEDULER", "tcp://127.0.0.1:1")
    options = [f"--{key.replace('_', '-')}={value}" for key, value in SMALL.items()]
    command = ["run", "width", "--width=9", "--seeds=2", *options, f"--scheduler={scheduler}"]
    assert main([*command, "--list"]) == 0
    _, first, last = capsys.readouterr().out.splitlines()
    assert first == "  width=9: 0 of 2 runs on record, missing seeds 0, 1"
    assert last == "Training 2 run(s) on cpu: under 10 s on 2 worker(s)."
    assert main(command) == 0
    assert main([*command, "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "  width=9: 2 of 2 runs on record",
        "Nothing is missing.",
    ]


def test_a_chapter_trains_on_the_scheduler_that_the_environment_names(
    scheduler, not_here, monkeypatch
):
    monkeypatch.setenv("FMNIST_LAB_SCHEDULER", scheduler)
    runs = Chapter("width", {"width": 10, **SMALL, "seeds": 2}).runs()
    assert [(run.config.width, run.config.seed) for run in runs] == [(10, 0), (10, 1)]


def test_a_device_that_a_worker_lacks_is_refused_with_the_worker(scheduler, not_here, monkeypatch):
    monkeypatch.setenv("FMNIST_LAB_SCHEDULER", scheduler)
    chapter = Chapter("width", {"width": 11, **SMALL, "seeds": 1, "device": "cuda:99"})
    with pytest.raises(
        ClusterError, match=r"^the worker tcp://\S+ cannot train: device is 'cuda:9"
    ):
        chapter.runs()


def test_a_worker_killed_while_it_trains_costs_no_run(
    computed, scheduler, start_worker, deadly, fashion, there, published, monkeypatch
):
    monkeypatch.setenv("FMNIST_LAB_HOME", str(there))  # the store and its locks are shared
    configs = seeds(9, width=12)
    expected = [computed(run) for run in serial(configs, fashion)]
    monkeypatch.setattr(trainer, "train", None)
    before = stored(there)
    doomed = start_worker(scheduler, deadly, until=3, NTH=1)
    runs = sweep.sweep(configs, scheduler=scheduler, progress=False)
    assert doomed.wait(PATIENCE) == -signal.SIGKILL
    assert [computed(run) for run in runs] == expected
    assert stored(there) - before == {run.id for run in runs}


@pytest.mark.endurance("A cluster trains what one process would")
def test_a_run_that_kills_its_workers_fails_alone(
    start_scheduler, start_worker, deadly, there, published, monkeypatch, trial
):
    monkeypatch.setenv("FMNIST_LAB_HOME", str(there))
    address, _ = start_scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0)
    start_worker(address, deadly, until=1, NTH=1)
    start_worker(address, until=2)
    with pytest.raises(sweep.FailedRuns) as caught:
        sweep.sweep(seeds(4, width=13), scheduler=address, progress=False)
    first, *named = str(caught.value).splitlines()
    kept = records.find(seeds(4, width=13))
    assert kept  # without a second chance, what else waited for the dead worker may fail too
    assert len(kept) + len(named) == 4
    assert first == f"{len(named)} run(s) failed; all others are trained and kept."
    for line in named:
        assert line.startswith("cross_entropy 1x13 batch 100 rate 2.05e-4 seed ")
        assert line.endswith(": its workers were killed: see their logs (memory?).")
    trial.found("a run that kills its workers fails alone")


@pytest.mark.endurance("A cluster trains what one process would")
def test_a_scheduler_that_is_lost_ends_the_sweep_with_a_sentence_and_finished_runs_are_kept(
    start_scheduler, start_worker, deadly, there, published, monkeypatch, trial
):
    monkeypatch.setenv("FMNIST_LAB_HOME", str(there))
    address, pid = start_scheduler()
    start_worker(address, deadly, until=1, NTH=2, VICTIM=pid)
    configs = seeds(3, width=14)
    with pytest.raises(ClusterError) as caught:
        sweep.sweep(configs, scheduler=address, progress=False)
    assert str(caught.value) == (
        f"the connection to the scheduler {address} was lost. "
        "Finished runs are kept; run the same command to continue."
    )
    assert records.find(configs)[0].config == configs[0]
    trial.found("a scheduler that is lost ends the sweep with a sentence; finished runs are kept")


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


def test_a_cluster_with_another_version_of_the_package_is_refused(scheduler, not_here, monkeypatch):
    there = cluster.installed()
    monkeypatch.setattr(cluster, "version", lambda name: "9.9")
    with pytest.raises(ClusterError) as caught:
        sweep.sweep(seeds(1), scheduler=scheduler)
    assert str(caught.value) == (
        f"the scheduler {scheduler} needs fmnist-lab 9.9, as here; it has: {there}."
    )


@pytest.mark.endurance("A cluster trains what one process would")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_over_tls_only_who_has_the_certificate_reaches_the_cluster(
    start_scheduler, start_worker, tmp_path, not_here, monkeypatch, trial
):
    """Set up as the docstring of `fmnist_lab.sweeps.cluster` says."""
    commands = re.findall(r"^    (openssl .*)$", str(cluster.__doc__), re.MULTILINE)
    variables = re.findall(r"^    export (\w+)=(\S+)$", str(cluster.__doc__), re.MULTILINE)
    assert commands
    for command in commands:
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    tls = {name: value.replace("$PWD", str(tmp_path)) for name, value in variables}
    address, _ = start_scheduler("--protocol=tls", **tls)
    assert address.startswith("tls://")
    start_worker(address, until=0, **tls)
    with pytest.raises(ClusterError) as caught:  # without the certificate
        sweep.sweep(seeds(1, width=15), scheduler=address)
    assert str(caught.value).startswith(f"the scheduler {address} cannot be used: ")
    assert "\n" not in str(caught.value)
    script = tmp_path / "script.py"
    script.write_text(
        "from fmnist_lab import study\n"
        f"runs = study('width').vary(**{SMALL}, width=15, seeds=2).runs(scheduler={address!r})\n"
        "print(len(runs))\n"
    )
    done = subprocess.run(
        [sys.executable, script], env=os.environ | tls, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
    trial.found("over TLS only who has the certificate reaches the cluster")
