"""Where runs are kept: the user's own store, and the published runs that ship with the package."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from fmnist_lab.config import Config, PlainError, folder_named
from fmnist_lab.files import content, put
from fmnist_lab.sources import DIGEST

from .run import PARTS, Run, canonical, identify
from .runs import Runs

PUBLISHED = Path(__file__).parent / "published"
SUMS = "SHA256SUMS"
MOST_BYTES = 2**31  # of a file of runs
MOST_ENTRIES = 100_000  # of a run: a history of 10,000 epochs has half as many
RECORD = re.compile(r'\{"run":(.*),"sha256":"\w+"\}\n')  # as `sealed` writes it
LONGEST_FAULT = 500  # characters of what is said of a damaged file


class RecordError(PlainError):
    """A file or a store that cannot be read, written or trusted."""


class AbsentError(RecordError):
    """A file that is not there."""


class DamagedError(RecordError):
    """A file that does not hold the runs it should."""


def home() -> Path:
    """Return the folder of the user's own runs: FMNIST_LAB_HOME, else the platform's own."""
    return folder_named("FMNIST_LAB_HOME") or platformdirs.user_data_path(
        "fmnist-lab", appauthor=False
    )


def own_folder(name: str) -> Path:
    """Return a folder of the user's own store, made if need be.

    Raises `RecordError` if that cannot be.
    """
    path = home() / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise unusable(fault) from fault
    return path


def unusable(fault: Exception) -> RecordError:
    """Return the message for a store that cannot be read, written or locked."""
    return RecordError(f"the store {home()} cannot be used: {why(fault)}.")


def why(fault: Exception) -> str:
    """Return the system's message for a fault, without its number and the file's name."""
    return getattr(fault, "strerror", None) or str(fault) or type(fault).__name__


def own_path(identity: str) -> Path:
    """Return the file of one run in the user's own store."""
    return home() / "runs" / f"{identity}.json"


def save(run: Run) -> None:
    """Write a run into the user's own store, whole or not at all.

    One process writes at a time, so all can first write to the same name, and the next overwrites
    what a killed one left there. Raises `RecordError` if the run cannot be written; the store is
    then as it was.
    """
    own_folder("runs")
    try:
        with filelock.FileLock(own_folder("locks") / "save.lock"):
            put(own_path(run.id), encode(run).encode(), part="save.part")
    except (OSError, NotImplementedError) as fault:  # the second of a disk that cannot lock
        raise RecordError(f"run {run.id} cannot be saved in {home()}: {why(fault)}.") from fault


def load(config: Config, keep: frozenset[str] = frozenset()) -> Run | None:
    """Return a config's run that holds the parts in `keep`: the user's own, else the published.

    A damaged file is set aside with a warning; its run then counts as missing. Raises `RecordError`
    for one that can be neither read nor set aside.
    """
    identity = identify(config, DIGEST)
    path, own = own_path(identity), None
    try:
        own = read_own(path)
    except AbsentError:
        pass
    except DamagedError as fault:
        aside = path.with_suffix(".damaged")
        try:
            with suppress(FileNotFoundError):  # another process was faster
                path.replace(aside)
        except OSError as other:
            raise RecordError(f"{fault} It cannot be set aside: {why(other)}.") from other
        warnings.warn(
            f"{fault} It is kept as {aside.name}; the run will be repeated.", stacklevel=2
        )
    known = (own, read_published().get(identity))
    return next((run for run in known if run is not None and run.holds(keep)), None)


def find(configs: Iterable[Config], keep: frozenset[str] = frozenset()) -> Runs:
    """Return the runs on record among `configs`, in their order, that hold the parts in `keep`."""
    found = (load(config, keep) for config in configs)
    return Runs(run for run in found if run is not None)


def missing(configs: Iterable[Config], keep: frozenset[str] = frozenset()) -> list[Config]:
    """Return the configs without such a run on record, in their order."""
    return [config for config in configs if load(config, keep) is None]


def encode(run: Run) -> str:
    """Return a run's record: one line of JSON with the run and the checksum of its text."""
    return sealed(canonical(run.to_dict()))


def sealed(text: str) -> str:
    """Return the line of a run's text and its checksum."""
    return f'{{"run":{text},"sha256":"{hashlib.sha256(text.encode()).hexdigest()}"}}\n'


def decode(line: bytes) -> Run:
    """Read what `encode` wrote. Raises `ValueError` if a single byte differs."""
    return Run.from_dict(unsealed(line))


def unsealed(line: bytes) -> Any:
    """Return, parsed, what `sealed` was given. Raises `ValueError` if a single byte differs."""
    if line.count(b",") > MOST_ENTRIES:
        raise ValueError(f"it has more than {MOST_ENTRIES:,} entries")
    text = line.decode()
    record = RECORD.fullmatch(text)
    if record is None or sealed(record[1]) != text:
        raise ValueError("its checksum does not match")
    return parse(record[1])


def parse(text: str) -> Any:
    """Parse JSON strictly. Raises `ValueError` for any other text."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON number")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_own(path: Path) -> Run:
    """Read a file of the user's own store, which is named after the run it holds.

    Raises as `read_lines` does, and `DamagedError` if it holds another run.
    """
    runs = read_lines(path)
    held = [run.id for run in runs]
    if held != [path.stem]:
        raise damaged(f"{path}", f"it holds run {' and run '.join(held)}")
    return runs[0]


def read_lines(path: Path) -> list[Run]:
    """Read a file of runs, one per line: a published file, or one of the user's own store.

    Raises `DamagedError` naming the line, if there are several, `AbsentError` if there is no such
    file, `RecordError` if it cannot be read.
    """
    runs, where = [], f"{path}"
    try:
        lines = content(path, MOST_BYTES).splitlines(keepends=True)
        if not lines:
            raise ValueError("it is empty")
        for number, line in enumerate(lines, start=1):
            where = f"{path}, line {number}," if len(lines) > 1 else f"{path}"
            runs.append(decode(line))
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise AbsentError(f"{path} is not there.") from fault
    except (OSError, MemoryError) as fault:
        raise RecordError(f"{path} cannot be read: {why(fault)}.") from fault
    except ValueError as fault:
        raise damaged(where, str(fault)) from fault
    return runs


def damaged(where: str, fault: str) -> DamagedError:
    """Return the message for a damaged file or line, in one sentence."""
    said = "; ".join(fault.splitlines()).rstrip(".")
    cut = "…" * (len(said) > LONGEST_FAULT)
    return DamagedError(f"{where} is damaged: {said[:LONGEST_FAULT]}{cut}.")


def read_folder(folder: Path) -> tuple[list[Run], list[str]]:
    """Read every run below a folder: own-store files (.json) and published files (.jsonl).

    Returns the runs and one sentence for each refused run: damaged, or trained on other data.
    Raises `RecordError` if there is no such file at all.
    """
    runs: list[Run] = []
    refused: list[str] = []
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in (".json", ".jsonl")]
    if not paths:
        raise RecordError(f"{folder} holds no runs: there is no .json or .jsonl file below it.")
    for path in paths:
        try:
            runs += read_lines(path)
        except RecordError as fault:
            refused.append(str(fault))
    refused += [
        f"run {run.id} was trained on other data ({run.data}, not {DIGEST})."
        for run in runs
        if run.data != DIGEST
    ]
    return [run for run in runs if run.data == DIGEST], refused


@cache
def read_published() -> dict[str, Run]:
    """Return the published runs by identity.

    Raises `RecordError` if a file is damaged or differs from the one the folder's list names.
    """
    runs: dict[str, Run] = {}
    for path in sorted(PUBLISHED.glob("*.jsonl")):
        for run in read_lines(path):
            runs[run.id] = fuller(run, runs.get(run.id))
    try:
        listed = content(PUBLISHED / SUMS, MOST_BYTES)
    except (OSError, ValueError):
        listed = b""  # as if it named no file
    if listed != sums(PUBLISHED).encode():
        raise RecordError(
            f"{PUBLISHED} does not hold the files that its {SUMS} lists: reinstall the package;"
            f" after merging published runs, rewrite the list: sha256sum *.jsonl > {SUMS}."
        )
    return runs


def write_lines(path: Path, runs: Iterable[Run]) -> None:
    """Write runs in the published form: a record per line, sorted by setting, then seed.

    Rewrites the folder's list of checksums, in the form of `sha256sum`. Raises `RecordError` if
    that fails; the file is then as it was.
    """

    def key(run: Run) -> tuple[str, int]:
        return canonical(asdict(replace(run.config, seed=0))), run.config.seed

    part = f"{os.getpid()}.part"  # another may write the same file
    lines = "".join(encode(run) for run in sorted(runs, key=key))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, lines.encode(), part)
        put(path.parent / SUMS, sums(path.parent).encode(), part)
    except OSError as fault:
        raise RecordError(f"{path} cannot be written: {why(fault)}.") from fault


def sums(folder: Path) -> str:
    """Return the checksums of a folder's published files, as `sha256sum *.jsonl` prints them."""
    files = sorted(folder.glob("*.jsonl"))
    return "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)


def fuller(run: Run, other: Run | None) -> Run:
    """Return `run` with the parts it lacks, taken from another record of the same training."""
    if other is None or run.keeping() != other.keeping():
        return run
    return replace(run, **{part: getattr(run, part) or getattr(other, part) for part in PARTS})
