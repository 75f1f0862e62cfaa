"""Whole files: written so that nobody ever sees half of one, and read up to a limit."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def put(path: Path, content: bytes, part: str | None = None) -> None:
    """Write a file so that it is whole, or as it was before, whenever we are killed.

    It is first written to disk in the same folder under the name `part`, by default its own name
    plus `.part`. Two processes must not use the same part at once; the next overwrites what a
    killed one left there. Raises `OSError`; then no part is left.
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
    """Return a file's bytes, at most `most` of them.

    Raises `OSError`, and `ValueError` for something that is longer, or is not a file and might
    never end.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a file")
    if found.st_size > most:
        raise ValueError(f"it is longer than {most:,} bytes")
    return path.read_bytes()
