"""The four files of Fashion-MNIST: found or fetched, and verified."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http.client import HTTPException
from pathlib import Path

import filelock
import platformdirs
from tqdm import tqdm

from .config import PlainError, folder_named
from .files import content, put

# SHA-256 of the publisher's files, decompressed: the .gz differ from one distributor to another.
FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
# Names the data in a run's identity: 16 hex digits of the SHA-256 over the four files' digests.
DIGEST = hashlib.sha256("\n".join(FILES.values()).encode()).hexdigest()[:16]
MAX_BYTES = 16 + 60_000 * 28 * 28  # of the largest file: its IDX header, then a byte per pixel
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # link in the publisher's README
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # keras.datasets.fashion_mnist
)
DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # where that package installs them
TIMEOUT = 15.0  # seconds without a byte after which a mirror is given up
SLOWEST = 10_000  # bytes/s below which a mirror is given up: at that rate 26 MB take 45 minutes
LOCK_TIMEOUT = 3600.0  # seconds to wait for another process that fetches: longer than those 45 min

# What a missing, unreachable, damaged or truncated source can raise.
_FAULTS = (OSError, EOFError, ValueError, zlib.error, HTTPException, subprocess.SubprocessError)


class DataError(PlainError):
    """Says that Fashion-MNIST could not be found, where it was looked for and what to do."""


def locate() -> Path:
    """Return the root for torchvision.datasets.FashionMNIST, with the four files verified.

    What the user's cache lacks is copied or fetched from the first source that has it: the folder
    named by FMNIST_DATA, Debian's folder, the public mirrors, Debian's package. Raises DataError.
    """
    home = folder_named("FMNIST_LAB_HOME") or platformdirs.user_cache_path("fmnist-lab", False)
    root = home / "data"
    raw = root / "FashionMNIST" / "raw"
    _warn_of_user_folder()
    if all(_fault(raw / name) is None for name in FILES):
        return root  # nothing locked, nothing made: a complete cache may be read-only
    try:
        raw.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(root / "fetch.lock", timeout=LOCK_TIMEOUT):
            _fill(raw)
    except (OSError, NotImplementedError) as error:  # a lock that stays taken, or that cannot be
        raise DataError(
            f"the cache folder {root} cannot be used ({error}): make it writable, free 55 MB, end "
            "any process that holds its lock, or set FMNIST_LAB_HOME to another folder"
        ) from error
    return root


def _fill(raw: Path) -> None:
    """Bring the files that `raw` lacks, from the sources in turn; the caller holds the lock."""
    missing = {name: fault for name in FILES if (fault := _fault(raw / name))}
    for name in [name for name in missing if (raw / name).exists()]:
        (raw / name).replace(raw / f"{name}.damaged")
        warnings.warn(f"{raw / name}: {missing[name]}; renamed to {name}.damaged", stacklevel=3)
    failures = [f"the cache {raw}: {_joined(missing)}"]
    for label, source in _sources().items():
        if not missing:
            break
        for name, verified in _until_fault(label, source(list(missing)), failures):
            put(raw / name, verified)
            del missing[name]
    if missing:
        raise DataError(
            f"Fashion-MNIST is not complete: {len(missing)} of its {len(FILES)} files could not be "
            "found. Tried, in order:\n  - " + "\n  - ".join(failures) + "\nConnect to the network "
            "and try again; or put the four files, raw or .gz, into a folder and set FMNIST_DATA "
            f"to it; or, on Debian and Ubuntu, run: apt-get install {DEBIAN_PACKAGE}"
        )


def _fault(path: Path) -> str | None:
    try:
        _verify(path.name, content(path, MAX_BYTES))
    except _FAULTS as fault:
        return "it is missing" if isinstance(fault, FileNotFoundError) else str(fault)
    return None


def _verify(name: str, unpacked: bytes) -> bytes:
    if (found := hashlib.sha256(unpacked).hexdigest()) != FILES[name]:
        raise ValueError(f"it has SHA-256 {found[:12]}… instead of {FILES[name][:12]}…")
    return unpacked


# A source is asked for some of FILES, yields (name, verified bytes) for those it has, and then
# raises one of _FAULTS that says what was wrong with the others.
Offers = Iterator[tuple[str, bytes]]


def _sources() -> dict[str, Callable[[Iterable[str]], Offers]]:
    user_folder = os.environ.get("FMNIST_DATA", "")
    return {
        f"FMNIST_DATA={user_folder}": partial(_from_folder, user_folder),
        f"Debian's folder {DEBIAN_FOLDER}": partial(_from_folder, DEBIAN_FOLDER),
        **{f"the mirror {url}": partial(_each, partial(_download, url)) for url in MIRRORS},
        f"Debian's package {DEBIAN_PACKAGE}": _from_package,
    }


def _until_fault(label: str, offers: Offers, failures: list[str]) -> Offers:
    try:
        yield from offers
    except _FAULTS as fault:
        failures.append(f"{label}: {fault}")
        logging.getLogger(__name__).info("%s: %s", label, fault)


def _warn_of_user_folder() -> None:
    failures: list[str] = []
    if folder := os.environ.get("FMNIST_DATA"):
        for _ in _until_fault(f"FMNIST_DATA={folder}", _from_folder(folder, FILES), failures):
            pass
    for failure in failures:
        warnings.warn(f"{failure}: trying the next source", stacklevel=3)


def _each(read: Callable[[str], bytes], names: Iterable[str]) -> Offers:
    faults = {}
    for name in names:
        try:
            verified = read(name)
        except _FAULTS as fault:
            faults[name] = str(fault) or type(fault).__name__
            if isinstance(fault, (urllib.error.URLError, TimeoutError)):
                break  # the other names would only wait as long again
        else:
            yield name, verified
    if faults:
        raise ValueError(_joined(faults))


def _joined(faults: dict[str, str]) -> str:
    return "; ".join(f"{name}: {fault}" for name, fault in faults.items())


def _from_folder(folder: str | Path, names: Iterable[str]) -> Offers:
    if not folder:
        raise ValueError("not set")
    path = Path(os.path.expanduser(folder))  # noqa: PTH111  which leaves an unknown user's as it is
    if not path.is_dir():
        raise ValueError("there is no such folder")
    yield from _each(partial(_read, path), names)


def _read(folder: Path, name: str) -> bytes:
    """Read and verify a file, raw or gzipped, in torchvision's layout or a flat one."""
    faults = {}
    for layout in ("FashionMNIST/raw", "raw", "."):
        for relative in (Path(layout, name), Path(layout, f"{name}.gz")):
            try:
                found = content(folder / relative, MAX_BYTES)
                return _verify(name, _gunzip(found) if relative.suffix == ".gz" else found)
            except FileNotFoundError:
                continue
            except _FAULTS as fault:
                faults[f"{relative}"] = str(fault)
    raise ValueError(_joined(faults) or "it is missing")


def _gunzip(packed: bytes) -> bytes:
    return gzip.open(io.BytesIO(packed)).read(MAX_BYTES + 1)  # a bomb is unpacked no further


def _download(mirror: str, name: str) -> bytes:
    try:
        response = urllib.request.urlopen(f"{mirror}{name}.gz", timeout=TIMEOUT)
    except urllib.error.HTTPError as error:  # the other names may be there all the same
        raise ValueError(f"the server answers HTTP {error.code} {error.reason}") from error
    started = time.monotonic()
    body = bytearray()
    with response, tqdm(desc=name, unit="B", unit_scale=True, disable=None) as bar:
        bar.total = response.length
        while chunk := response.read1(1 << 16):  # read() would wait for all of a slow body
            body += chunk
            bar.update(len(chunk))
            if len(body) > MAX_BYTES:
                raise ValueError(f"it is longer than {MAX_BYTES:,} bytes")
            if time.monotonic() - started > TIMEOUT + len(body) / SLOWEST:
                raise TimeoutError(f"it arrives more slowly than {SLOWEST:,} bytes/s")
    if response.length:  # what was announced and did not come
        raise ValueError(f"it ends {response.length:,} bytes early")
    return _verify(name, _gunzip(bytes(body)))


def _from_package(names: Iterable[str]) -> Offers:
    # `apt-get download` and `dpkg-deb -x`, unlike an installation, do not need root.
    with tempfile.TemporaryDirectory(prefix="fmnist-lab-") as folder:
        _command("apt-get", "download", DEBIAN_PACKAGE, folder=folder)
        for package in Path(folder).glob("*.deb"):
            _command("dpkg-deb", "-x", package.name, ".", folder=folder)
        yield from _from_folder(Path(folder) / DEBIAN_FOLDER.relative_to("/"), names)


def _command(*words: str, folder: str) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, timeout=600)  # 30 MB at 50 kB/s
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(f"`{' '.join(words)}` failed: {said[-1] if said else done.returncode}")
