"""fmnist_lab.files: a file is there whole or as it was; what might never end is not read."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from fmnist_lab.files import content, put


def test_a_file_is_written_and_written_again(tmp_path):
    path = tmp_path / "file.json"
    for text in (b"one\r\n", b""):
        put(path, text)
        assert content(path, 5) == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("part", "name"), [(None, "file.json.part"), ("mine", "mine")])
def test_it_is_on_the_disk_under_another_name_before_it_has_its_own(
    part, name, tmp_path, monkeypatch
):
    path, seen = tmp_path / "file.json", []
    path.write_bytes(b"old")
    monkeypatch.setattr(
        os, "fsync", lambda _: seen.append({p.name: p.read_bytes() for p in tmp_path.iterdir()})
    )
    put(path, b"new", part)
    assert seen == [{"file.json": b"old", name: b"new"}]


def test_a_failed_write_leaves_the_file_as_it_was_and_no_part(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        put(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_who_writes_one_file_at_once_by_way_of_their_own_parts_leaves_one_of_them_whole(tmp_path):
    path = tmp_path / "file"
    texts = [bytes([n]) * 1_000_000 for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: put(path, texts[n], f"{n}.part"), range(8)))
    assert path.read_bytes() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_read_up_to_its_limit_and_no_further(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(1234))
    assert content(path, 1234) == bytes(1234)
    with pytest.raises(ValueError, match=r"^it is longer than 1,233 bytes$"):
        content(path, 1233)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "endless"):
        with pytest.raises(ValueError, match=r"^it is not a file$"):
            content(path, 10)
    with pytest.raises(FileNotFoundError):
        content(tmp_path / "absent", 10)
