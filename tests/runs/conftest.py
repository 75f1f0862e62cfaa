"""A run of a small configuration, and what is no file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fmnist_lab.config import Config

CONFIG = Config(width=8, train_size=500, epochs=2)


@pytest.fixture
def run(made_up_run):
    return made_up_run(CONFIG)


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
