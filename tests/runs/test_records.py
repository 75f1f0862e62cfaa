"""fmnist_lab.runs.records: runs are on disk whole or not at all, and are found again."""

import hashlib
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
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, fields, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab.config import Config, PlainError
from fmnist_lab.runs import records
from fmnist_lab.runs.records import DamagedError, RecordError
from fmnist_lab.runs.run import METRICS, Run, canonical, identify, pack
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sources import DIGEST

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
    """Save runs, and note each as soon as it is saved."""
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


@pytest.fixture(params=["folder", "pipe", "endless"])
def no_file(request) -> Callable[[Path], None]:
    """Return a function that makes things that are not files; reading two of them never ends."""

    def make(path: Path) -> None:
        if request.param == "folder":
            path.mkdir()
        elif request.param == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")

    return make


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
    """Yield every truncation, and every byte changed to that many others (of 255), or a sample."""
    for n in range(0, len(content), 5 if ways == 1 else 1):
        yield content[:n]
        for way in range(ways):
            other = content[n] ^ (1 << n % 8 if ways == 1 else way + 1)
            yield content[:n] + bytes([other]) + content[n + 1 :]


@pytest.mark.endurance("Damage of a record is noticed")
def test_every_truncation_and_every_changed_byte_of_ones_own_record_is_noticed(run, trial):
    records.save(run)
    path = records.own_path(run.id)
    content = path.read_bytes()
    count = 0
    for damaged in changed(content, trial.times(1, 255)):
        count += 1
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match=rf"^{re.escape(str(path))}.* is damaged: .* is kept"):
            assert records.load(CONFIG) is None
        assert path.with_suffix(".damaged").read_bytes() == damaged
    trial.found(f"own: {count:,} truncations and changes of {len(content):,} bytes: all noticed")


@pytest.mark.endurance("Damage of a record is noticed")
@pytest.mark.parametrize("name", ["study.jsonl", "SHA256SUMS"])
def test_every_truncation_and_every_changed_byte_of_a_published_file_is_noticed(
    name, run, many, published, trial
):
    publish(published, "study", many[: trial.times(1, 2)])
    path = published / name
    content = path.read_bytes()
    count = 0
    for damaged in changed(content, trial.times(1, 255)):
        count += 1
        path.write_bytes(damaged)
        with pytest.raises(RecordError, match=r"is damaged: .*\.$|does not hold the files that"):
            records.read_published()
    trial.found(f"{name}: {count:,} truncations and changes of {len(content):,} bytes: all noticed")


@pytest.mark.endurance("A record from elsewhere is data")
def test_whatever_a_record_from_elsewhere_says_it_is_read_or_refused_in_a_sentence(
    run, tmp_path, trial
):
    """Any place of a record with anything else in it, and a checksum that fits."""
    stored = json.loads(canonical(full(run).to_dict()))
    places: list[tuple[str, ...]] = [(key,) for key in [*stored, "other"]]
    places += [
        (key, inner) for key in stored if isinstance(stored[key], dict) for inner in stored[key]
    ]
    values = st.none() | st.booleans() | st.floats() | st.integers() | st.text()
    anything = st.recursive(values, lambda of: st.lists(of) | st.dictionaries(st.text(), of))
    said = Counter[str]()
    path = tmp_path / "record.json"

    @settings(max_examples=trial.times(50, 20_000), database=None)
    @given(st.sampled_from(places), anything, st.booleans())
    def tries(place, value, renamed):
        changed = json.loads(json.dumps(stored))
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        if renamed and isinstance(changed["config"], dict):  # as its content would be named
            with suppress(ValueError):
                changed["id"] = identify(Config.from_dict(changed["config"]), changed["data"])
        text = json.dumps(changed, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        path.write_text(f'{{"run":{text},"sha256":"{digest}"}}\n')
        found, refused = records.read_folder(tmp_path)
        for sentence in refused:
            assert sentence.startswith((f"{path} is damaged: ", "run "))
            assert sentence.endswith(".")
            assert sentence.isprintable()
            assert len(sentence) < 1_000
        assert len(found) + len(refused) == 1
        Runs(found).table()
        said["taken" if found else "refused"] += 1

    tries()
    trial.found(f"{said['refused']:,} refused in a sentence, {said['taken']:,} taken")


def test_a_record_of_more_entries_than_any_run_has_is_not_parsed(run, tmp_path, monkeypatch):
    path = tmp_path / "study.jsonl"
    path.write_text(f"[{'[],' * 100_001}[]]\n")
    with pytest.raises(RecordError, match=r"is damaged: it has more than 100,000 entries\.$"):
        records.read_lines(path)
    path.write_text(records.encode(run))
    monkeypatch.setattr(records, "MOST_ENTRIES", records.encode(run).count(","))
    assert records.read_lines(path) == [run]
    monkeypatch.setattr(records, "MOST_ENTRIES", records.MOST_ENTRIES - 1)
    with pytest.raises(RecordError, match="is damaged: it has more than "):
        records.read_lines(path)


@pytest.mark.parametrize(("length", "cut"), [(500, ""), (501, "…")])
def test_what_is_said_of_a_damaged_file_is_cut_after_500_characters(length, cut):
    assert str(records.damaged("a.json", length * "x")) == f"a.json is damaged: {500 * 'x'}{cut}."


@pytest.mark.parametrize("name", ["own.json", "study.jsonl"])
def test_a_file_without_a_run_is_damaged(name, tmp_path):
    (tmp_path / name).touch()
    assert records.read_folder(tmp_path) == ([], [f"{tmp_path / name} is damaged: it is empty."])


def test_a_record_of_an_own_store_holds_one_run(run, made_up_run, home):
    records.save(run)
    path = records.own_path(run.id)
    other = made_up_run(replace(CONFIG, seed=1))
    path.write_text(records.encode(run) + records.encode(other))
    with pytest.raises(DamagedError, match=f"it holds run {run.id} and run {other.id}.$"):
        records.read_own(path)


def test_a_record_of_every_schema_that_was_published_stays_readable():
    (run,) = records.read_lines(Path(__file__).parent / "schema1.json")
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


@pytest.mark.parametrize("how", ["gone", "no text", "a folder", "of runs that are gone"])
def test_a_list_that_is_not_of_the_folders_files_is_told(how, many, published):
    publish(published, "study", many)
    sums = published / "SHA256SUMS"
    if how == "of runs that are gone":
        (published / "study.jsonl").unlink()
    else:
        sums.unlink()
    if how == "no text":
        sums.write_bytes(b"\xff\xfe" * 50)
    if how == "a folder":
        sums.mkdir()
    with pytest.raises(RecordError, match="does not hold the files that its SHA256SUMS lists"):
        records.read_published()


def test_a_published_file_that_is_none_is_told_and_not_waited_for(published, no_file):
    no_file(published / "study.jsonl")
    with pytest.raises(RecordError, match=r"study.jsonl is damaged: it is not a file\.$"):
        records.read_published()


def test_where_nothing_can_be_written_the_published_file_stays_and_no_part_is_left(
    many, tmp_path, monkeypatch
):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "to" / "study.jsonl"
    records.write_lines(path, many)
    before = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    monkeypatch.setattr("os.fsync", fail)
    sentence = f"^{re.escape(str(path))} cannot be written: No space left on device.$"
    with pytest.raises(RecordError, match=sentence):
        records.write_lines(path, many[:1])
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == before
    with pytest.raises(RecordError, match=r"study.jsonl/x/a.jsonl cannot be written: Not a direc"):
        records.write_lines(path / "x" / "a.jsonl", many)


def test_the_list_of_a_folder_is_that_of_sha256sum(many, tmp_path):
    records.write_lines(tmp_path / "b.jsonl", many)
    records.write_lines(tmp_path / "a.jsonl", many[:1])
    command = [shutil.which("sha256sum") or pytest.skip("no sha256sum here"), "-c", "SHA256SUMS"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown == "a.jsonl: OK\nb.jsonl: OK\n"


def test_a_file_larger_than_any_of_ours_is_not_read(run, tmp_path, monkeypatch):
    path = tmp_path / "study.jsonl"
    records.write_lines(path, [run])
    size = path.stat().st_size
    monkeypatch.setattr(records, "MOST_BYTES", size)
    assert records.read_lines(path) == [run]
    monkeypatch.setattr(records, "MOST_BYTES", size - 1)
    sentence = f"study.jsonl is damaged: it is longer than {size - 1:,} bytes.$"
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
    frame = Runs([run, replace(run, config=replace(CONFIG, seed=1))]).table()
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
    assert Runs([replace(run, best=best)]).table()["gap"].tolist() == [pytest.approx(0.025)]


def test_a_diverged_run_has_nan_where_there_is_no_number(run):
    nothing = dict.fromkeys(run.best)
    diverged = replace(
        run, stopped_by="divergence", best_epoch=0, best=nothing, last=nothing, environment={}
    )
    for runs in ([diverged], [run, diverged]):
        frame = Runs(runs).table()
        metrics = [*METRICS, *(f"last_{m}" for m in METRICS), "gap"]
        assert (frame[metrics].dtypes == "float64").all()
        assert frame[metrics].iloc[-1].isna().all()
        assert frame["stopped_by"].iloc[-1] == "divergence"
    assert Runs([run, diverged]).table()["test_accuracy"].mean() == 0.5


def test_the_table_of_no_runs_is_empty():
    assert Runs().table().empty
