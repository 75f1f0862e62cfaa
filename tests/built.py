"""The book as the tests of its pages find it: built once, served on loopback."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml
from filelock import FileLock

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
SITE = BOOK / "_build" / "html"
FOLDER = "/fmnist-lab"  # of html.baseurl: the page for addresses that are not there depends on it


def pages_of(entry: Any) -> list[str]:
    """Return the files that a table of contents names, in order."""
    if isinstance(entry, list):
        return [name for item in entry for name in pages_of(item)]
    here = [entry[key] for key in ("root", "file") if key in entry]
    return here + [
        name for value in entry.values() if isinstance(value, list) for name in pages_of(value)
    ]


CHAPTERS = pages_of(yaml.safe_load((BOOK / "_toc.yml").read_text()))


def is_fresh() -> bool:
    """Say whether every page is newer than everything that it is made from."""
    built = [SITE / f"{name}.html" for name in CHAPTERS]
    folders = [BOOK, ROOT / "fmnist_lab"]
    sources = [BOOK / "_config.yml", BOOK / "_toc.yml"] + [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not {"_build", "__pycache__"} & set(path.parts)
    ]
    return all(page.exists() for page in built) and min(
        page.stat().st_mtime for page in built
    ) > max(source.stat().st_mtime for source in sources)


def build(home: Path) -> None:
    """Build the book unless it is fresh: once for all workers of pytest-xdist."""
    SITE.parent.mkdir(exist_ok=True)
    with FileLock(SITE.parent / "tests.lock"):
        if not is_fresh():
            program = Path(sys.executable).with_name("jupyter-book")
            command: list[str | Path] = [program, "build", "--all", BOOK]
            environment = os.environ | {"FMNIST_LAB_HOME": str(home)}
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            assert is_fresh()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files below the public site's folder, and logs nothing."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(FOLDER))

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # a page that is left waits for nothing
            super().handle()


@contextmanager
def served() -> Iterator[str]:
    """Serve the site on loopback as on the public address, and yield the loopback address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}{FOLDER}"
    server.shutdown()
    server.server_close()


def kept(name: str, page: str) -> Any:
    """Return the data that a built page contains for a script."""
    text = (SITE / f"{page}.html").read_text()
    there = re.search(rf'<script type="application/json" id="{name}-data">(.*?)</script>', text)
    assert there
    return json.loads(there[1])
