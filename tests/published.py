"""Runs published for a test."""

from pathlib import Path

from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run


def publish(folder: Path, name: str, runs: list[Run]) -> None:
    """Publish runs as a study's file; readers see them at once."""
    records.write_lines(folder / f"{name}.jsonl", runs)
    records.read_published.cache_clear()
