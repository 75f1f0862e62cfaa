"""Whole files: written so that no half of one is ever seen, and read up to a limit."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def put(path: Path, content: bytes, part: str | None = None) -> None:
    """Write a file so that it is there whole, or as it was before, whenever we are killed.

    It is written to the disk under the name `part` in its folder first, by default its own with
    `.part` behind. Two processes must not use one part at a time; what a killed one left there,
    the next overwrites. Raises `OSError`; then no part is left.
    """
    unfinished = path.with_name(part or f"{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def content(path: Path, most: int) -> bytes:
    """Return a file's bytes, `most` of them at most.

    Raises `OSError`, and `ValueError` for what is no file, and might never end, or is longer.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no file")
    if found.st_size > most:
        raise ValueError(f"it is longer than {most:,} bytes")
    return path.read_bytes()
