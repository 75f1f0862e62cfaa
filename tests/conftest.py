"""Fixtures: the real data set, loaded once; stores that are nobody's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fmnist_lab import data, records
from fmnist_lab.config import Config
from fmnist_lab.data import Data
from fmnist_lab.run import HISTORY, Run


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The verified data set, in the user's own cache."""
    return data.locate()


@pytest.fixture(scope="session")
def fashion(data_root) -> Data:
    """Fashion-MNIST itself, on the CPU."""
    return data.load()


@pytest.fixture(scope="session")
def fashion64(fashion) -> Data:
    """Fashion-MNIST in double precision, in which equality can be tight."""
    return Data(
        fashion.images.double(),
        fashion.labels,
        fashion.test_images.double(),
        fashion.test_labels,
        fashion.digest,
    )


@pytest.fixture
def home(data_root, tmp_path, monkeypatch) -> Path:
    """An empty FMNIST_LAB_HOME, for this process and those it starts; its data set is linked."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "data").symlink_to(data_root)
    monkeypatch.setenv("FMNIST_LAB_HOME", str(home))
    return home


@pytest.fixture
def published(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty folder in place of the published runs, in this process."""
    folder = tmp_path / "published"
    folder.mkdir()
    monkeypatch.setattr(records, "PUBLISHED", folder)
    records.read_published.cache_clear()
    yield folder
    records.read_published.cache_clear()
