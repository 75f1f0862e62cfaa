"""Where runs are kept: the user's own store, and the published runs that ship with the package."""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import filelock
import pandas as pd
import platformdirs

from fmnist_lab.config import Config, folder_named
from fmnist_lab.sources import DIGEST

from .run import PARTS, Run, canonical, identify, parse
from .runs import Runs

PUBLISHED = Path(__file__).parent / "published"
SUMS = "SHA256SUMS"
LARGEST = 2**31  # bytes of a file of runs
LONGEST = 500  # characters of what is said of a damaged file
MOST = 100_000  # entries of a run: a history of 10,000 epochs has half as many


class RecordError(ValueError):
    """A file or a store that cannot be read, written or believed; the message is all."""

    def _render_traceback_(self) -> list[str]:  # IPython asks an exception for this
        return str(self).splitlines()


class DamagedError(RecordError):
    """A file that does not hold the runs it should."""


def home() -> Path:
    """Return the folder of the user's own runs: FMNIST_LAB_HOME, else the platform's own."""
    return folder_named("FMNIST_LAB_HOME") or platformdirs.user_data_path(
        "fmnist-lab", appauthor=False
    )


def folder(name: str) -> Path:
    """Return a folder of the store, made if need be. Raises `RecordError` if that cannot be."""
    path = home() / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise unusable(fault) from fault
    return path


def unusable(fault: Exception) -> RecordError:
    """Return what is said of a store that cannot be read, written or locked."""
    return RecordError(f"the store {home()} cannot be used: {why(fault)}.")


def why(fault: Exception) -> str:
    """Return what the system says of a fault, without its number and the file's name."""
    return getattr(fault, "strerror", None) or str(fault) or type(fault).__name__


def own_path(identity: str) -> Path:
    """Return the file of one run in the user's own store."""
    return home() / "runs" / f"{identity}.json"


def save(run: Run) -> None:
    """Write a run into the user's own store, so that it is there whole or not at all.

    One process writes at a time. So all can write to one name first, and what a killed one left
    there the next overwrites. Raises `RecordError` if it cannot be written; then nothing is there
    that was not before.
    """
    part = folder("runs") / "save.part"
    try:
        with filelock.FileLock(folder("locks") / "save.lock"):
            put(part, encode(run), own_path(run.id))
    except (OSError, NotImplementedError) as fault:  # the second of a disk that cannot lock
        raise RecordError(f"run {run.id} cannot be saved in {home()}: {why(fault)}.") from fault


def put(part: Path, text: str, path: Path) -> None:
    """Write a file by way of its part, so that it is there whole or as it was before."""
    try:
        with part.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load(config: Config, keep: frozenset[str] = frozenset()) -> Run | None:
    """Return a config's run that holds the parts in `keep`: the user's own, else the published.

    A damaged file is set aside with a warning; its run then counts as missing. Raises `RecordError`
    for one that can be neither read nor set aside.
    """
    identity = identify(config, DIGEST)
    candidates = [read_published().get(identity)]
    path = own_path(identity)
    try:
        candidates.insert(0, read_own(path, identity))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except DamagedError as fault:
        aside = path.with_suffix(".damaged")
        try:
            with suppress(FileNotFoundError):  # another process was faster
                path.replace(aside)
        except OSError as other:
            raise RecordError(f"{fault} It cannot be set aside: {why(other)}.") from other
        warnings.warn(
            f"{fault} It is kept as {aside.name}, the run will be repeated.", stacklevel=2
        )
    return next((run for run in candidates if run is not None and run.holds(keep)), None)


def find(configs: Iterable[Config], keep: frozenset[str] = frozenset()) -> Runs:
    """Return the runs on record among `configs`, in their order, that hold the parts in `keep`."""
    found = (load(config, keep) for config in configs)
    return Runs(run for run in found if run is not None)


def missing(configs: Iterable[Config], keep: frozenset[str] = frozenset()) -> list[Config]:
    """Return the configs without such a run on record, in their order."""
    return [config for config in configs if load(config, keep) is None]


def encode(run: Run) -> str:
    """Return a run's record: one line of JSON with the run and the checksum of its text."""
    text = run.to_json()
    return f'{{"run":{text},"sha256":"{_digest(text)}"}}\n'


def decode(content: bytes) -> Run:
    """Read what `encode` wrote. Raises `ValueError` if a single byte is another."""
    if content.count(b",") > MOST:
        raise ValueError(f"it has more than {MOST:,} entries")
    text = content.decode()
    record = parse(text)
    if not isinstance(record, dict) or record.keys() != {"run", "sha256"}:
        raise ValueError("it is no record of a run")
    inner = canonical(record["run"])
    if _digest(inner) != record["sha256"]:
        raise ValueError("its checksum does not fit")
    if canonical(record) + "\n" != text:
        raise ValueError("it is not written as records are")
    return Run.from_json(inner)


def read_own(path: Path, identity: str | None = None) -> Run:
    """Read one file of an own store, which should hold the run of that identity.

    Raises `DamagedError` if it is damaged or another run, `RecordError` if it cannot be read,
    `FileNotFoundError` or `NotADirectoryError` if there is none.
    """
    try:
        check_file(path)
        run = decode(path.read_bytes())
        if identity not in (None, run.id):
            raise ValueError(f"it holds run {run.id}")
    except (FileNotFoundError, NotADirectoryError):
        raise
    except ValueError as error:
        raise damaged(f"{path}", error) from error
    except (OSError, MemoryError) as fault:
        raise RecordError(f"{path} cannot be read: {why(fault)}.") from fault
    return run


def read_lines(path: Path) -> list[Run]:
    """Read a file of published runs, one a line.

    Raises `DamagedError` naming the line that is damaged, `RecordError` if it cannot be read.
    """
    runs, number = [], 0
    try:
        check_file(path)
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):  # noqa: B007  an error names it
                runs.append(decode(line))
    except ValueError as error:
        raise damaged(f"{path}, line {number}," if number else f"{path}", error) from error
    except (OSError, MemoryError) as fault:
        raise RecordError(f"{path} cannot be read: {why(fault)}.") from fault
    return runs


def damaged(where: str, error: ValueError) -> DamagedError:
    """Return what is said of a damaged file or line, in one sentence."""
    said = "; ".join(str(error).splitlines()).rstrip(".")
    return DamagedError(f"{where} is damaged: {said[:LONGEST]}{'…' * (len(said) > LONGEST)}.")


def check_file(path: Path) -> None:
    """Raise `ValueError` for what is no file, and might never end, or larger than any of ours."""
    if not stat.S_ISREG((found := path.stat()).st_mode):
        raise ValueError("it is no file")
    if found.st_size > LARGEST:
        size = f"{found.st_size:,}"
        raise ValueError(f"it has {size} bytes; no file of runs has more than {LARGEST:,}")


def read_folder(folder: Path) -> tuple[list[Run], list[str]]:
    """Read every run below a folder: own-store files (.json) and published files (.jsonl).

    Returns the runs and one sentence for each that is refused: damaged, or of other data.
    Raises `RecordError` if there is no such file at all.
    """
    readers = {".json": lambda path: [read_own(path)], ".jsonl": read_lines}
    runs: list[Run] = []
    refused: list[str] = []
    paths = [path for path in sorted(folder.rglob("*.json*")) if path.suffix in readers]
    if not paths:
        raise RecordError(f"{folder} holds no runs: there is no .json or .jsonl file below it.")
    for path in paths:
        try:
            runs += readers[path.suffix](path)
        except RecordError as fault:
            refused.append(str(fault))
        except FileNotFoundError:  # a link to nothing, or gone since
            refused.append(f"{path} is not there.")
    refused += [
        f"run {run.id} was trained on other data ({run.data}, not {DIGEST})."
        for run in runs
        if run.data != DIGEST
    ]
    return [run for run in runs if run.data == DIGEST], refused


@cache
def read_published() -> dict[str, Run]:
    """Return the published runs by identity.

    Raises `RecordError` if a file is damaged, or is not the one that the folder's list names.
    """
    runs: dict[str, Run] = {}
    for path in sorted(PUBLISHED.glob("*.jsonl")):
        for run in read_lines(path):
            runs[run.id] = fuller(run, runs.get(run.id))
    try:
        listed = (PUBLISHED / SUMS).read_bytes()
    except OSError:
        listed = b""  # as if it named no file
    if listed != sums(PUBLISHED).encode():
        raise RecordError(
            f"{PUBLISHED} does not hold the files that its {SUMS} lists: install the package anew;"
            f" who merged published runs writes it anew: sha256sum *.jsonl > {SUMS}."
        )
    return runs


def write_lines(path: Path, runs: Iterable[Run]) -> None:
    """Write runs in the published form: a record a line, sorted by their settings, then their seed.

    The folder's list of checksums, in the form of `sha256sum`, is written anew. Raises
    `RecordError` if the disk does not let us; the file then is as it was.
    """

    def key(run: Run) -> str:
        settings = asdict(run.config)
        seed = settings.pop("seed")
        return canonical(settings) + f"{seed:010d}"

    part = path.with_suffix(f".{os.getpid()}.part")  # another may write the same file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put(part, "".join(encode(run) for run in sorted(runs, key=key)), path)
        put(part, sums(path.parent), path.parent / SUMS)
    except OSError as fault:
        raise RecordError(f"{path} cannot be written: {why(fault)}.") from fault


def sums(folder: Path) -> str:
    """Return the checksums of a folder's published files, as `sha256sum *.jsonl` prints them."""
    files = sorted(folder.glob("*.jsonl"))
    return "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)


def table(runs: Iterable[Run]) -> pd.DataFrame:
    """Return `Runs.table` of any runs."""
    return Runs(runs).table()


def fuller(run: Run, other: Run | None) -> Run:
    """Return `run`, with the parts that it lacks and the same training recorded elsewhere has."""
    nothing: frozenset[str] = frozenset()
    if other is None or run.keeping(nothing) != other.keeping(nothing):
        return run
    return replace(run, **{part: getattr(run, part) or getattr(other, part) for part in PARTS})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
