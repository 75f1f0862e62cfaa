"""fmnist_lab.runs.records: published files and folders of runs, whole or refused."""

import hashlib
import json
import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_lab.config import Config
from fmnist_lab.runs import records
from fmnist_lab.runs.records import DamagedError, RecordError
from fmnist_lab.runs.run import canonical, identify, pack
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sources import DIGEST
from tests.published import publish

pytestmark = pytest.mark.usefixtures("home", "published")

CONFIG = Config(width=8, train_size=500, epochs=2)


def full(run):
    """Return the run with both bulky parts."""
    return replace(run, predictions=pack(np.zeros(2, np.uint8)), step_losses=pack(np.ones(2)))


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
