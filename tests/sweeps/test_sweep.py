"""fmnist_lab.sweeps.sweep: what is missing is trained once and kept, and nothing else is."""

import errno
import os
import re
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import filelock
import pytest
import torch
from tqdm import tqdm

from fmnist_lab.config import Config, ConfigError
from fmnist_lab.runs import records
from fmnist_lab.runs.run import identify
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sources import DIGEST, DataError
from fmnist_lab.sweeps import crew, progress, sweep
from fmnist_lab.training import environment, trainer

CONFIG = Config(width=8, batch_size=100, train_size=200, epochs=2)
SEEDS = [replace(CONFIG, seed=seed) for seed in range(3)]
PATIENCE = 300  # seconds: a busy machine takes long
STEPS = frozenset({"step_losses"})


class InThisThread(Executor):
    """The plainest executor there is."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future[Any] = Future()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # as concurrent.futures' own do
                future.set_exception(error)
        return future


# --- What is trained


def test_a_runs_network_classifies_as_its_record_says(fashion, home, trained):
    (run,) = sweep.sweep(SEEDS[:1], progress=False)
    network = sweep.network(run, progress=False)
    right = network(fashion.test_images).argmax(1) == fashion.test_labels
    assert right.float().mean().item() == pytest.approx(run.best["test_accuracy"], abs=1e-6)
    assert trained == [SEEDS[0], SEEDS[0]]  # again, as the first kept no weights
    again = sweep.network(records.load(SEEDS[0]) or run)
    assert trained == [SEEDS[0], SEEDS[0]]
    assert all(map(torch.equal, again.parameters(), network.parameters()))


def test_a_run_without_a_best_epoch_has_no_network(made_up_run):
    with pytest.raises(ValueError, match="diverged in its first epoch"):
        sweep.network(made_up_run(SEEDS[0], best_epoch=0))


def test_only_what_is_missing_is_trained_and_a_second_call_trains_nothing(trained, made_up_run):
    records.save(made_up_run(SEEDS[1], accuracy=0.25))
    runs = sweep.sweep(SEEDS, executor=InThisThread(), progress=False)
    assert trained == [SEEDS[0], SEEDS[2]]
    assert [run.config for run in runs] == SEEDS
    assert runs[1].best["test_accuracy"] == 0.25
    assert sweep.sweep(SEEDS, progress=False) == runs
    assert sweep.sweep(SEEDS[::-1], progress=False) == runs[::-1]
    assert trained == [SEEDS[0], SEEDS[2]]


def test_a_single_run_is_trained_in_this_process_and_kept_with_its_predictions(trained):
    (run,) = sweep.sweep(SEEDS[:1], progress=False)
    assert trained == SEEDS[:1]
    assert run.predictions is not None
    assert run.step_losses is None
    assert records.load(SEEDS[0]) == run


def test_a_config_given_twice_is_trained_once_and_returned_twice(trained):
    one, other = sweep.sweep([SEEDS[0], SEEDS[0]], progress=False)
    assert trained == SEEDS[:1]
    assert one == other


def test_a_run_that_lacks_a_part_is_trained_again_with_it(computed, trained):
    (bare,) = sweep.sweep(SEEDS[:1], progress=False)
    (full,) = sweep.sweep(SEEDS[:1], keep=STEPS, progress=False)
    assert trained == [SEEDS[0], SEEDS[0]]
    assert full.step_losses is not None
    assert computed(full.keeping(sweep.KEPT)) == computed(bare)
    assert sweep.sweep(SEEDS[:1], keep=STEPS, progress=False) == [full]
    assert len(trained) == 2


def test_a_damaged_record_is_trained_again(computed, trained):
    (run,) = sweep.sweep(SEEDS[:1], progress=False)
    records.own_path(run.id).write_text("{")
    with pytest.warns(UserWarning, match="the run will be repeated"):
        (again,) = sweep.sweep(SEEDS[:1], progress=False)
    assert computed(again) == computed(run)
    assert records.load(SEEDS[0]) == again


def test_of_a_stack_only_the_missing_members_are_trained(trained, made_up_run):
    records.save(made_up_run(SEEDS[0]))
    runs = sweep.train_stack(SEEDS, STEPS, "cpu")
    assert trained == SEEDS  # the one on record has no step losses
    assert isinstance(runs, Runs)
    assert all(run.step_losses is not None for run in runs)
    more = [*SEEDS, replace(CONFIG, seed=3)]
    assert sweep.train_stack(more, frozenset(), "cpu")[:3] == runs
    assert trained == [*SEEDS, more[3]]


# --- Who trains it


def test_any_executor_trains_the_same_runs(computed, trained, monkeypatch, tmp_path):
    with ThreadPoolExecutor(2) as threads:
        parallel = sweep.sweep(SEEDS, executor=threads, progress=False)
    assert sorted(trained, key=lambda c: c.seed) == SEEDS
    assert all(records.load(run.config) == run for run in parallel)
    for run in parallel:
        records.own_path(run.id).unlink()
    serial = sweep.sweep(SEEDS, executor=InThisThread(), progress=False)
    assert [computed(run) for run in serial] == [computed(run) for run in parallel]


def test_runs_of_a_worker_with_a_store_of_its_own_are_kept_here_too(trained, tmp_path):
    class Elsewhere(InThisThread):
        def submit(self, fn, /, *args, **kwargs):
            with pytest.MonkeyPatch.context() as there:
                there.setenv("FMNIST_LAB_HOME", str(tmp_path / "there"))
                return super().submit(fn, *args, **kwargs)

    runs = sweep.sweep(SEEDS[:2], executor=Elsewhere(), progress=False)
    assert [records.load(config) for config in SEEDS[:2]] == runs
    assert len(list((tmp_path / "there" / "runs").glob("*.json"))) == 2


def test_threads_are_as_before_after_a_sweep(trained):
    before = torch.get_num_threads()
    with ThreadPoolExecutor(2) as threads:
        sweep.sweep(SEEDS[:2], executor=threads, progress=False)
    assert torch.get_num_threads() == before


def test_a_failing_run_ends_the_sweep_and_keeps_those_before_it(trained, monkeypatch):
    train = trainer.train

    def fail_at_seed_1(configs, *arguments, **options):
        if configs[0].seed == 1:
            raise KeyboardInterrupt
        return train(configs, *arguments, **options)

    monkeypatch.setattr(trainer, "train", fail_at_seed_1)
    with pytest.raises(sweep.Interrupted) as caught, ThreadPoolExecutor(1) as threads:
        sweep.sweep(SEEDS, executor=threads, progress=False)
    assert caught.value._render_traceback_() == [
        "Stopped. Finished runs are kept; running it again continues."
    ]
    assert [run.config for run in records.find(SEEDS)] in ([SEEDS[0]], [SEEDS[0], SEEDS[2]])
    monkeypatch.setattr(trainer, "train", train)
    assert len(sweep.sweep(SEEDS, executor=InThisThread(), progress=False)) == 3
    assert trained.count(SEEDS[0]) == 1


# --- What is said


def test_a_stack_of_which_some_runs_were_on_record_ends_the_bar_at_its_size(trained, made_up_run):
    records.save(made_up_run(SEEDS[0]))
    updates: list[float] = []
    bar = SimpleNamespace(
        update=updates.append, set_postfix_str=lambda text, refresh: None, total=3, n=0
    )
    shown = progress.Progress(bar)
    sweep.train_stack(SEEDS, frozenset(), "cpu", shown.advance)
    shown.finish(SEEDS)
    assert sum(updates) == pytest.approx(3)
    assert all(step >= 0 for step in updates)


def test_the_estimate_and_the_bar_go_to_stderr(trained, capsys):
    sweep.sweep(SEEDS[:2], executor=InThisThread())
    out, err = capsys.readouterr()
    assert out == ""
    first, *_ = err.splitlines()
    assert first == "Training 2 run(s) on cpu: under 10 s on one worker."
    assert "2.0/2 runs [" in err
    sweep.sweep(SEEDS[:2])
    assert capsys.readouterr() == ("", "")


def test_a_run_in_this_process_shows_its_epochs(trained, capsys, monkeypatch):
    monkeypatch.setattr(progress, "text_bar", eager)
    sweep.sweep(SEEDS[:1])
    err = capsys.readouterr().err
    assert "0.5/1 runs [" in err
    assert "cross_entropy 1x8 batch 100 rate 2.05e-4 seed 0: epoch 2" in err


def eager(**options):
    return tqdm(**(options | {"mininterval": 0, "miniters": 0}))


def test_without_progress_nothing_is_said(trained, capsys):
    sweep.sweep(SEEDS[:1], progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def known_speed(monkeypatch):
    """A speed and memory that need not be measured, on devices this machine may not have."""
    monkeypatch.setattr(crew, "speed", lambda device, precision: 1e10)
    monkeypatch.setattr(crew, "free", lambda device: 1e12)


@pytest.mark.usefixtures("home", "published", "known_speed")
@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_a_worker_trains_on_the_devices_of_its_own_machine_whatever_this_one_has(
    device, monkeypatch
):
    class WithGpu(InThisThread):
        def submit(self, fn, /, *args, **kwargs):
            with pytest.MonkeyPatch.context() as there:
                there.setattr(torch.cuda, "device_count", lambda: 1)
                return super().submit(fn, *args, **kwargs)

    trained = []

    def remember(stack, keep, device, report, threads):
        trained.append((stack, device))
        return []

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(sweep, "train_stack", remember)
    sweep.sweep(SEEDS, device=device, executor=WithGpu(), progress=False)
    assert trained == [(SEEDS, "cuda" if device == "auto" else device)]


@pytest.mark.parametrize("trainers", [InThisThread(), None], ids=["an executor", "here"])
def test_a_run_that_fails_fails_alone_and_is_named_at_the_end(trainers, trained, monkeypatch):
    train = trainer.train

    def fail_at_seed_1(configs, *arguments, **options):
        if configs[0].seed == 1:
            raise MemoryError("no room for it")
        return train(configs, *arguments, **options)

    monkeypatch.setattr(trainer, "train", fail_at_seed_1)
    monkeypatch.setattr(environment, "usable_cpus", lambda: 1)
    configs = SEEDS if trainers else SEEDS[1:2]  # two here would be trained in other processes
    with pytest.raises(sweep.FailedRuns) as caught:
        sweep.sweep(configs, executor=trainers, progress=False)
    assert [run.config for run in records.find(SEEDS)] == ([SEEDS[0], SEEDS[2]] * bool(trainers))
    first, second = str(caught.value).splitlines()
    assert first == "1 run(s) failed; all others are trained and kept."
    assert re.fullmatch(
        r"cross_entropy 1x8 batch 100 rate 2.05e-4 seed 1: MemoryError: no room for it "
        r"\(test_sweep.py, line \d+\)",
        second,
    )
    assert caught.value._render_traceback_() == [first, second]


@pytest.mark.parametrize("lacks", ["a place for locks", "locks"])
def test_a_store_that_cannot_be_locked_ends_the_sweep_in_a_sentence(
    lacks, home, trained, made_up_run, monkeypatch
):
    if lacks == "locks":  # as a disk of another machine may, and a killed process left one
        records.save(left := made_up_run(SEEDS[1]))
        (home / "locks" / f"{left.id}.lock").touch()
        fault = NotImplementedError("FileSystem does not appear to support flock")
        monkeypatch.setattr("filelock.FileLock.acquire", lambda self, **options: raise_(fault))
        said = "FileSystem does not appear to support flock"
    else:
        (home / "locks").write_text("in the way")
        said = "File exists"
    with pytest.raises(records.RecordError) as caught:
        sweep.sweep(SEEDS[:1], progress=False)
    assert str(caught.value) == f"the store {home} cannot be used: {said}."
    assert trained == []


@pytest.mark.parametrize("code", [errno.ESTALE, errno.ENOENT], ids=["stale", "not there"])
def test_a_lock_that_another_machine_has_just_removed_is_not_needed(
    code, home, trained, made_up_run, monkeypatch
):
    """A network file system may say so of a file that is open; its run is then on record."""
    there, acquire = made_up_run(SEEDS[0]), filelock.FileLock.acquire

    def stale(lock, **options):
        if Path(lock.lock_file).name == "save.lock":
            return acquire(lock, **options)
        records.save(there)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("filelock.FileLock.acquire", stale)
    assert list(sweep.sweep(SEEDS[:1], progress=False)) == [there]
    assert trained == []


def test_a_sweep_clears_away_the_lock_that_a_killed_process_left_of_a_run_on_record(
    home, trained, made_up_run
):
    """One that another holds stays, because it may train the run again to keep its weights."""
    on_record = [made_up_run(config) for config in SEEDS[:2]]
    for run in on_record:
        records.save(run)
    left, held, waiting = (
        home / "locks" / f"{name}.lock" for name in [*(run.id for run in on_record), "0123"]
    )
    for path in (left, waiting):  # the last is of a run that somebody is about to train
        path.touch()
    with filelock.FileLock(held):
        sweep.sweep(SEEDS, progress=False)
        assert held.exists()
    assert not left.exists()
    assert waiting.exists()
    assert trained == SEEDS[2:]


def test_who_waits_for_a_lock_hears_that_it_is_to_stop(home, trained):
    stop, done = Event(), Event()

    def wait() -> None:
        with sweep.locked(SEEDS, stop):
            done.set()

    name = identify(SEEDS[1], DIGEST)
    (home / "locks").mkdir()
    with filelock.FileLock(home / "locks" / f"{name}.lock"), ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(wait)
        assert not done.wait(3 * sweep.HEARD)
        stop.set()
        waiting.result(PATIENCE)  # while the other still holds the lock
    assert done.is_set()


def raise_(fault: Exception) -> None:
    raise fault


@pytest.mark.parametrize("fault", [ConfigError, DataError, records.RecordError])
def test_a_fault_of_what_all_runs_need_ends_the_sweep(fault, trained, monkeypatch):
    def fail(configs, *arguments, **options):
        raise fault("told in a sentence")

    monkeypatch.setattr(trainer, "train", fail)
    with pytest.raises(fault, match="told in a sentence"):
        sweep.sweep(SEEDS, executor=InThisThread(), progress=False)
