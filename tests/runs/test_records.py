"""fmnist_lab.runs.records: runs are on disk whole or not at all, and are found again."""

import itertools
import json
import math
import multiprocessing
import os
import random
import re
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from fmnist_lab.config import Config, PlainError
from fmnist_lab.runs import records
from fmnist_lab.runs.records import DamagedError, RecordError
from fmnist_lab.runs.run import Run, pack
from tests.published import publish

pytestmark = pytest.mark.usefixtures("home", "published")

CONFIG = Config(width=8, train_size=500, epochs=2)
PREDICTIONS, STEPS = frozenset({"predictions"}), frozenset({"step_losses"})


def full(run):
    """Return the run with both bulky parts."""
    return replace(run, predictions=pack(np.zeros(2, np.uint8)), step_losses=pack(np.ones(2)))


# --- The user's own store


def test_a_saved_run_is_found_by_its_config_in_one_file_of_its_own(run, home):
    assert records.load(CONFIG) is None
    records.save(run)
    assert records.load(CONFIG) == run
    assert records.load(replace(CONFIG, seed=1)) is None
    assert [path.name for path in (home / "runs").iterdir()] == [f"{run.id}.json"]


def test_saving_again_replaces_the_run(run):
    records.save(run)
    records.save(replace(run, best_epoch=1))
    found = records.load(CONFIG)
    assert found is not None
    assert found.best_epoch == 1


def test_the_store_is_where_the_environment_says_else_where_the_platform_keeps_data(monkeypatch):
    monkeypatch.setenv("FMNIST_LAB_HOME", "~/somewhere")
    assert records.home() == Path.home() / "somewhere"
    monkeypatch.setenv("FMNIST_LAB_HOME", "")
    assert records.home() == platformdirs.user_data_path("fmnist-lab", appauthor=False)


def test_a_failed_save_leaves_the_earlier_record_and_nothing_else(run, home, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    records.save(run)
    monkeypatch.setattr("os.fsync", fail)
    sentence = f"run {run.id} cannot be saved in {home}: No space left on device."
    with pytest.raises(RecordError, match=f"^{re.escape(sentence)}$"):
        records.save(replace(run, best_epoch=1))
    assert records.load(CONFIG) == run
    assert [path.name for path in (home / "runs").iterdir()] == [f"{run.id}.json"]


def test_a_store_that_is_a_file_is_named_and_holds_no_runs(run, tmp_path, monkeypatch):
    store = tmp_path / "store"
    store.write_text("notes")
    monkeypatch.setenv("FMNIST_LAB_HOME", str(store))
    assert records.load(CONFIG) is None
    with pytest.raises(RecordError, match=rf"^the store {re.escape(str(store))} cannot be used: "):
        records.save(run)
    assert store.read_text() == "notes"


# Forked, so that a process has the fixtures, and torch need not be imported again. JAX warns of it
# too, where another test of this process has imported it; what is forked here uses neither.
forks = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning", "ignore:os.fork:RuntimeWarning"
)


def start_process(target: Callable[..., object], *arguments: object) -> BaseProcess:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("needs a system that can fork")
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    return process


def save_and_tell(runs: list[Run], told: Path) -> None:
    """Save runs, and note each as soon as it is saved."""
    with told.open("a") as file:
        for run in runs:
            records.save(run)
            file.write(f"{run.id}\n")
            file.flush()


@pytest.mark.slow
@forks
@pytest.mark.endurance("A finished run is never lost or half-written")
def test_no_run_that_was_told_saved_is_lost_however_many_processes_are_killed(
    run, home, tmp_path, trial
):
    writers, kills = trial.times(4, 16), trial.times(15, 1_000)
    ballast = "0" * 100_000  # long enough that a save is cut in the middle
    next_seed = itertools.count()
    diaries: list[Path] = []

    def write() -> BaseProcess:
        seeds = itertools.islice(next_seed, 500)
        runs = [replace(run, config=replace(CONFIG, seed=n), step_losses=ballast) for n in seeds]
        diaries.append(tmp_path / str(len(diaries)))
        return start_process(save_and_tell, runs, diaries[-1])

    processes = [write() for _ in range(writers)]
    for _ in range(kills):
        time.sleep(random.uniform(0.0, 0.05))
        place = random.randrange(writers)
        processes[place].kill()
        processes[place].join(60)
        processes[place] = write()
    for process in processes:
        process.kill()
        process.join(60)
    told = [name for diary in diaries if diary.exists() for name in diary.read_text().split()]
    for path in (home / "runs").glob("*.json"):
        assert records.read_own(path).id == path.stem
    lost = [name for name in told if not (home / "runs" / f"{name}.json").exists()]
    assert not lost
    assert len(told) > kills // 10
    trial.found(f"{writers} processes, {kills:,} kills: {len(told):,} saves told, none lost")


def save_again_and_again(run: Run, writer: int, times: float) -> None:
    """Save a run of 100 KB, a different one each time."""
    attempt = 0
    while attempt < times:
        ballast = str(attempt) * (100_000 // len(str(attempt)))
        records.save(replace(run, environment={"writer": writer}, step_losses=ballast))
        attempt += 1


@forks
def test_a_process_killed_at_any_time_of_a_save_leaves_only_whole_records(run, home):
    read, cut_short = set(), 0
    for kill in range(20):
        process = start_process(save_again_and_again, run, kill, math.inf)
        time.sleep(random.uniform(0.02, 0.1))
        process.kill()
        process.join(60)
        cut_short += (home / "runs" / "save.part").exists()
        if records.own_path(run.id).exists():
            found = records.read_own(records.own_path(run.id))
            assert found.agrees(run)
            read.add(found.environment["writer"])
    assert len(read) > 1
    assert cut_short > 1


@forks
def test_the_next_save_clears_away_what_a_killed_one_left(run, made_up_run, home, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        processes = [start_process(records.save, run) for _ in range(2)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [-signal.SIGKILL] * 2
    assert [path.suffix for path in (home / "runs").iterdir()] == [".part"]
    another = made_up_run(replace(CONFIG, seed=1))
    records.save(another)
    assert [path.name for path in (home / "runs").iterdir()] == [f"{another.id}.json"]


def save_in_little_room(run: Run, told: Path) -> None:
    """Save a run where no file may grow beyond 400 bytes, as on a disk that is nearly full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
    try:
        records.save(run)
    except RecordError as fault:
        told.write_text(str(fault))


@forks
def test_without_room_for_it_a_run_is_not_there_at_all(run, home, tmp_path):
    process = start_process(save_in_little_room, run, tmp_path / "told")
    process.join(60)
    assert process.exitcode == 0
    told = (tmp_path / "told").read_text()
    assert told == f"run {run.id} cannot be saved in {home}: File too large."
    assert list((home / "runs").iterdir()) == []


@forks
def test_processes_that_save_at_once_leave_only_whole_records(run, home):
    processes = [start_process(save_again_and_again, run, writer, 50) for writer in range(3)]
    path, read = records.own_path(run.id), 0
    while any(process.is_alive() for process in processes):
        if path.exists():
            records.read_own(path)
            read += 1
    assert [process.exitcode for process in processes] == [0] * 3
    assert read > 0
    assert list((home / "runs").iterdir()) == [path]


# --- Damaged records


def damage(text: str, how: str) -> bytes:
    middle = len(text) // 2
    if how == "truncated":
        return text[:middle].encode()
    if how == "one digit changed":
        return text.replace('"best_epoch":2', '"best_epoch":3').encode()
    if how == "not text":
        return b"\xff\xfe" + os.urandom(64)
    if how == "zeros":
        return bytes(len(text))
    return {"empty": b"", "a list": b"[]", "a number": b"3", "null": b"null", "an object": b"{}"}[
        how
    ]


@pytest.mark.parametrize(
    "how",
    [
        *("truncated", "one digit changed", "not text", "zeros"),
        *("empty", "a list", "a number", "null", "an object"),
    ],
)
def test_a_damaged_record_is_set_aside_with_a_warning_and_its_run_counts_as_missing(run, how):
    records.save(run)
    path = records.own_path(run.id)
    content = damage(path.read_text(), how)
    path.write_bytes(content)
    warned = (
        rf"^{re.escape(str(path))}(, line \d+,)? is damaged: .*\. "  # a byte may end a line
        rf"It is kept as {run.id}\.damaged; the run will be repeated\.$"
    )
    with pytest.warns(UserWarning, match=warned):
        assert records.load(CONFIG) is None
    assert not path.exists()
    assert path.with_suffix(".damaged").read_bytes() == content
    assert records.missing([CONFIG]) == [CONFIG]  # and no second warning
    records.save(run)
    assert records.load(CONFIG) == run


def test_a_record_that_was_changed_fits_its_checksum_no_longer(run):
    records.save(run)
    path = records.own_path(run.id)
    record = json.loads(path.read_text())
    record["run"]["history"]["seconds"][0] += 1e-9
    path.write_text(json.dumps(record))
    sentence = f"^{re.escape(str(path))} is damaged: its checksum does not match.$"
    with pytest.raises(RecordError, match=sentence):
        records.read_own(path)


def test_a_record_of_another_schema_is_refused_though_it_is_whole(run, monkeypatch):
    path = records.own_path(run.id)
    with monkeypatch.context() as later:
        later.setattr("fmnist_lab.runs.run.SCHEMA", 2)
        records.save(run)
        records.own_path(run.id).rename(path)
    with pytest.warns(UserWarning, match="has schema 2; this version reads 1"):
        assert records.load(CONFIG) is None


def test_a_record_of_another_run_under_this_name_is_set_aside(run, made_up_run):
    other = made_up_run(replace(CONFIG, width=16), accuracy=0.9)
    records.save(other)
    path = records.own_path(run.id)
    records.own_path(other.id).rename(path)
    with pytest.warns(UserWarning, match=f"is damaged: it holds run {other.id}. It is kept as"):
        assert records.load(CONFIG) is None


def test_a_damaged_record_that_another_process_sets_aside_first_does_no_harm(run, monkeypatch):
    def read_while_another_sets_it_aside(path):
        path.unlink()
        raise DamagedError(f"{path} is damaged: test.")

    records.save(run)
    monkeypatch.setattr(records, "read_own", read_while_another_sets_it_aside)
    with pytest.warns(UserWarning, match="is damaged: test"):
        assert records.load(CONFIG) is None


def test_what_is_no_file_is_set_aside_as_a_damaged_record_is(run, no_file):
    records.save(run)
    path = records.own_path(run.id)
    path.unlink()
    no_file(path)
    with pytest.warns(
        UserWarning, match=r"is damaged: it is not a file\. It is kept as .*\.damaged"
    ):
        assert records.load(CONFIG) is None
    records.save(run)
    assert records.load(CONFIG) == run


def test_a_record_that_cannot_be_read_or_set_aside_is_told_and_left(run):
    records.save(run)
    path = records.own_path(run.id)
    text = path.read_text()
    path.write_text("{")
    path.with_suffix(".damaged").mkdir()  # in the way
    sentence = (
        rf"^{re.escape(str(path))} is damaged: .*\. It cannot be set aside: Is a directory\.$"
    )
    with pytest.raises(RecordError, match=sentence):
        records.load(CONFIG)
    assert path.read_text() == "{"
    path.unlink()
    path.symlink_to(path)
    sentence = f"^{re.escape(str(path))} cannot be read: Too many levels of symbolic links\\.$"
    with pytest.raises(RecordError, match=sentence):
        records.load(CONFIG)
    path.unlink()
    path.write_text(text)
    assert records.load(CONFIG) == run


@pytest.mark.parametrize(
    ("home", "sentence"),
    [
        ("~nobody-of-this-name/x", "FMNIST_LAB_HOME is '~nobody-of-this-name/x'; it must be a fo"),
        ("/" + 300 * "x", f"/{300 * 'x'}/runs/"),
    ],
    ids=["of nobody", "too long"],
)
def test_a_store_that_cannot_be_is_named_when_it_is_read(home, sentence, monkeypatch):
    monkeypatch.setenv("FMNIST_LAB_HOME", home)
    with pytest.raises(PlainError, match=f"^{re.escape(sentence)}"):
        records.load(CONFIG)


# --- Own before published


def test_a_published_run_is_found_and_ones_own_comes_first(run, published):
    publish(published, "width", [run])
    assert records.load(CONFIG) == run
    records.save(replace(run, best_epoch=1))
    assert records.load(CONFIG) == replace(run, best_epoch=1)


def test_a_run_without_the_parts_asked_for_gives_way_to_one_that_holds_them(run, published):
    own = replace(run, best_epoch=1)
    records.save(own)
    assert records.load(CONFIG, PREDICTIONS) is None
    assert records.missing([CONFIG], PREDICTIONS) == [CONFIG]
    publish(published, "best_model", [full(run).keeping(PREDICTIONS)])
    assert records.load(CONFIG) == own
    assert records.load(CONFIG, PREDICTIONS) == full(run).keeping(PREDICTIONS)
    assert records.load(CONFIG, PREDICTIONS | STEPS) is None
    records.save(full(own))
    assert records.load(CONFIG, PREDICTIONS | STEPS) == full(own)


def test_finding_and_missing_divide_the_configs_in_their_order(made_up_run):
    configs = [replace(CONFIG, seed=seed) for seed in (5, 3, 8, 1)]
    for config in configs[:2]:
        records.save(made_up_run(config))
    assert [run.config for run in records.find(configs)] == configs[:2]
    assert records.missing(configs) == configs[2:]


def test_parts_published_with_another_study_complete_the_same_training(run, published):
    publish(published, "a", [full(run).keeping(STEPS)])
    publish(published, "b", [full(run).keeping(PREDICTIONS)])
    assert records.load(CONFIG, PREDICTIONS | STEPS) == full(run)


def test_parts_of_another_training_are_not_mixed_in(run):
    other = replace(full(run), best_epoch=1)
    assert records.fuller(run, other) == run
    assert records.fuller(run, None) == run
    assert records.fuller(run, full(run)) == full(run)
    assert records.fuller(full(run), run) == full(run)
