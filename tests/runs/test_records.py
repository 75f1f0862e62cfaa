"""fmnist_lab.runs.records: runs are on disk whole or not at all, and are found again."""

import itertools
import json
import math
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
import pytest

from fmnist_lab.config import Config
from fmnist_lab.data import DIGEST
from fmnist_lab.runs import records
from fmnist_lab.runs.records import RecordError
from fmnist_lab.runs.run import METRICS, Run, pack

pytestmark = pytest.mark.usefixtures("home", "published")

CONFIG = Config(width=8, train_size=500, epochs=2)
PREDICTIONS, STEPS = frozenset({"predictions"}), frozenset({"step_losses"})


@pytest.fixture
def run(made_up_run):
    return made_up_run(CONFIG)


def full(run):
    """Return the run with both bulky parts."""
    return replace(run, predictions=pack(np.zeros(2, np.uint8)), step_losses=pack(np.ones(2)))


def publish(folder, name, runs):
    records.write_lines(folder / f"{name}.jsonl", runs)
    records.read_published.cache_clear()


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


# Forked, so that a process has the fixtures, and torch need not be imported again.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def start_process(target: Callable[..., object], *arguments: object) -> BaseProcess:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("needs a system that can fork")
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    return process


def save_and_tell(runs: list[Run], told: Path) -> None:
    """Save runs, and write down each as soon as it is saved."""
    with told.open("a") as file:
        for run in runs:
            records.save(run)
            file.write(f"{run.id}\n")
            file.flush()


@forks
@pytest.mark.endurance("A finished run is never lost or half-written")
def test_no_run_that_was_told_saved_is_lost_however_many_processes_are_killed(
    run, home, tmp_path, trial
):
    writers, kills = trial.times(4, 16), trial.times(30, 1_000)
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
    """Save a run, each time another and 100 KB long."""
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
        rf"^{re.escape(str(path))} is damaged: .*\. "
        rf"It is kept as {run.id}\.damaged, the run will be repeated\.$"
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
    sentence = f"^{re.escape(str(path))} is damaged: its checksum does not fit.$"
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
    def read_while_another_sets_it_aside(path, identity):
        path.unlink()
        raise RecordError(f"{path} is damaged: test.")

    records.save(run)
    monkeypatch.setattr(records, "read_own", read_while_another_sets_it_aside)
    with pytest.warns(UserWarning, match="is damaged: test"):
        assert records.load(CONFIG) is None


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


# --- Published files and folders of runs


@pytest.fixture
def many(made_up_run):
    """Runs in the order of a published file."""
    settings = [Config(batch_size=16), Config(batch_size=512), Config(depth=0), Config(loss="mse")]
    order = sorted(settings, key=lambda c: json.dumps(asdict(c), sort_keys=True))
    return [made_up_run(replace(c, seed=seed)) for c in order for seed in (0, 2, 10)]


def test_a_published_file_is_sorted_and_the_same_bytes_whatever_the_order(many, tmp_path):
    shuffled = random.Random(1).sample(many, len(many))
    records.write_lines(tmp_path / "one" / "study.jsonl", many)
    records.write_lines(tmp_path / "other" / "study.jsonl", shuffled)
    content = (tmp_path / "one" / "study.jsonl").read_bytes()
    assert (tmp_path / "other" / "study.jsonl").read_bytes() == content
    assert records.read_lines(tmp_path / "one" / "study.jsonl") == many
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["SHA256SUMS", "study.jsonl"]
    assert content.endswith(b"\n")


def test_a_changed_run_changes_one_line_of_a_published_file(many, tmp_path):
    path = tmp_path / "study.jsonl"
    records.write_lines(path, many)
    before = path.read_text().splitlines()
    records.write_lines(path, [*many[:4], replace(many[4], best_epoch=1), *many[5:]])
    after = path.read_text().splitlines()
    assert [n for n, line in enumerate(after) if line != before[n]] == [4]
    assert len(after) == len(before)


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"run":{},"sha256":""}', "\u2028"])
def test_a_line_that_is_no_run_is_named(many, tmp_path, line):
    path = tmp_path / "study.jsonl"
    path.write_text(f"{records.encode(many[0])}{line}\n{records.encode(many[1])}")
    with pytest.raises(RecordError, match=rf"^{re.escape(str(path))}, line 2, is damaged: "):
        records.read_lines(path)


def changed(content: bytes, ways: int) -> Iterator[bytes]:
    """Yield every truncation, and every byte made so many others (of 255)."""
    for n in range(len(content)):
        yield content[:n]
        for way in range(ways):
            other = content[n] ^ (1 << n % 8 if ways == 1 else way + 1)
            yield content[:n] + bytes([other]) + content[n + 1 :]


@pytest.mark.endurance("Damage of a record is noticed")
def test_every_truncation_and_every_changed_byte_of_a_record_is_noticed(run, trial):
    content = records.encode(run).encode()
    assert records.decode(content) == run
    count = 0
    for damaged in changed(content, trial.times(1, 255)):
        count += 1
        with pytest.raises(ValueError):  # noqa: PT011  whatever json, a codec or we say
            records.decode(damaged)
    trial.found(f"{count:,} truncations and changed bytes of {len(content):,}: all noticed")


def test_a_record_of_every_schema_that_was_published_stays_readable():
    run = records.read_own(Path(__file__).parent / "schema1.json")
    assert (run.config.depth, run.config.width, run.config.seed) == (2, 4192, 1)
    assert run.weights is None  # a part that the first records did not know


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_a_changed_published_file_reaches_no_reader(many, published, place):
    publish(published, "study", many)
    path = published / "study.jsonl"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(bytes(content))
    number = 1 + content[: int(place * len(content))].count(b"\n")
    with pytest.raises(RecordError, match=rf"study.jsonl, line {number}, is damaged: "):
        records.read_published()


def test_a_published_line_or_file_that_is_gone_is_missed(many, published):
    for name in ("one", "two"):
        publish(published, name, many)
    whole = (published / "one.jsonl").read_text().splitlines(keepends=True)
    (published / "one.jsonl").write_text("".join(whole[:-1]))
    with pytest.raises(RecordError, match="does not hold the files that its SHA256SUMS lists"):
        records.read_published()
    (published / "one.jsonl").unlink()
    with pytest.raises(RecordError, match="does not hold the files that its SHA256SUMS lists"):
        records.read_published()
    (published / "one.jsonl").write_text("".join(whole))
    assert len(records.read_published()) == len(many)


def test_the_list_of_a_folder_is_that_of_sha256sum(many, tmp_path):
    records.write_lines(tmp_path / "b.jsonl", many)
    records.write_lines(tmp_path / "a.jsonl", many[:1])
    command = [shutil.which("sha256sum") or pytest.skip("no sha256sum here"), "-c", "SHA256SUMS"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown == "a.jsonl: OK\nb.jsonl: OK\n"


def test_a_file_larger_than_any_of_ours_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LARGEST", 99)
    path = tmp_path / "study.jsonl"
    path.write_bytes(bytes(100))
    sentence = "study.jsonl is damaged: it has 100 bytes; no file of runs has more than 99.$"
    with pytest.raises(RecordError, match=sentence):
        records.read_lines(path)


def test_a_folder_is_read_with_all_it_holds_and_what_is_refused_is_named(made_up_run, tmp_path):
    good, other, line, foreign = (
        made_up_run(replace(CONFIG, seed=seed), data=digest)
        for seed, digest in enumerate([*[DIGEST] * 3, "f" * 16])
    )
    for run in (good, other):
        records.save(run)
    store = records.home() / "runs"
    deep = tmp_path / "deep"
    (deep / "down").mkdir(parents=True)
    (store / f"{good.id}.json").rename(deep / "down" / f"{good.id}.json")
    damaged = deep / f"{other.id}.json"
    damaged.write_text((store / f"{other.id}.json").read_text()[:-20])
    records.write_lines(deep / "study.jsonl", [line, foreign])
    (deep / "notes.txt").write_text("no run")
    runs, refused = records.read_folder(deep)
    assert sorted(run.config.seed for run in runs) == [good.config.seed, line.config.seed]
    assert len(refused) == 2
    assert refused[0].startswith(f"{damaged} is damaged: ")
    wanted = f"run {foreign.id} was trained on other data (ffffffffffffffff, not {DIGEST})."
    assert refused[1] == wanted


@pytest.mark.parametrize("name", ["", "absent"])
def test_a_folder_without_runs_is_an_error(tmp_path, name):
    folder = tmp_path / "folder" / name
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("no run")
    with pytest.raises(RecordError, match=f"^{re.escape(str(folder))} holds no runs: "):
        records.read_folder(folder)


# --- The table


def test_the_table_has_a_row_a_run_with_all_that_a_figure_needs(run):
    frame = records.table([run, replace(run, config=replace(CONFIG, seed=1))])
    metrics = [
        f"{part}_{kind}"
        for part in ("train", "validation", "test")
        for kind in ("loss", "accuracy")
    ]
    assert list(frame.columns) == [
        *(field.name for field in fields(Config)),
        *("id", "stopped_by", "epochs_run", "best_epoch", "seconds"),
        *metrics,
        *(f"last_{name}" for name in metrics),
        *("device", "gap"),
    ]
    row = frame.iloc[0]
    assert (row["width"], row["seed"], row["id"]) == (8, 0, run.id)
    assert (row["stopped_by"], row["epochs_run"], row["best_epoch"]) == ("epochs", 2, 2)
    assert row["seconds"] == pytest.approx(1 / 2 + 1 / 3)
    assert list(frame["seed"]) == [0, 1]


def test_the_gap_is_train_minus_validation_accuracy_at_the_best_epoch(run):
    best = run.best | {"train_accuracy": 0.9, "validation_accuracy": 0.875}
    assert records.table([replace(run, best=best)])["gap"].tolist() == [pytest.approx(0.025)]


def test_a_diverged_run_has_nan_where_there_is_no_number(run):
    nothing = dict.fromkeys(run.best)
    diverged = replace(
        run, stopped_by="divergence", best_epoch=0, best=nothing, last=nothing, environment={}
    )
    for runs in ([diverged], [run, diverged]):
        frame = records.table(runs)
        metrics = [*METRICS, *(f"last_{m}" for m in METRICS), "gap"]
        assert (frame[metrics].dtypes == "float64").all()
        assert frame[metrics].iloc[-1].isna().all()
        assert frame["stopped_by"].iloc[-1] == "divergence"
    assert records.table([run, diverged])["test_accuracy"].mean() == 0.5


def test_the_table_of_no_runs_is_empty():
    assert isinstance(records.table([]), pd.DataFrame)
    assert records.table([]).empty
