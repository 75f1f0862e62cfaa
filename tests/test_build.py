"""What _config.yml promises of a build: never stale, never silent about a failure."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat.v4
import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.endurance("A build is never stale, nor silent about a failure"),
]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Make a book of one page with this project's settings; its only cell executes ``cell.py``."""
    shutil.copy(ROOT / "book" / "_config.yml", tmp_path)
    for name in ("_ext", "_extra", "_static", "_templates", "references.bib"):
        (tmp_path / name).symlink_to(ROOT / "book" / name)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: page\nchapters:\n- file: other\n")
    (tmp_path / "other.md").write_text("# Another page\n")
    heading = nbformat.v4.new_markdown_cell("# A page")
    code = nbformat.v4.new_code_cell("exec(open('cell.py').read())")
    nbformat.write(nbformat.v4.new_notebook(cells=[heading, code]), tmp_path / "page.ipynb")
    return tmp_path


def build(book: Path, cell: str, *options: str) -> subprocess.CompletedProcess[str]:
    (book / "cell.py").write_text(cell)
    program = Path(sys.executable).with_name("jupyter-book")
    command: list[str | Path] = [program, "build", *options, book]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def page(book: Path) -> str:
    return (book / "_build" / "html" / "page.html").read_text()


def test_a_second_build_shows_what_the_code_behind_an_unchanged_notebook_says_now(book, trial):
    first = build(book, "print('the result is', 6 * 7)")
    assert first.returncode == 0, first.stderr
    assert "the result is 42" in page(book)
    # What a chapter writes to stderr is kept off the page, and fails a strict build.
    cell = "import sys; print('a warning', file=sys.stderr); print('the result is', 6 * 8)"
    second = build(book, cell, "-W", "--keep-going")
    assert second.returncode != 0
    assert "stderr was found" in second.stderr
    assert "the result is 48" in page(book)
    assert "a warning" not in page(book)
    trial.found("the code behind a notebook changed, and so did its page; a warning failed a build")


def test_a_failing_notebook_fails_the_build(book, trial):
    failed = build(book, "1 / 0")
    assert failed.returncode != 0
    assert "ZeroDivisionError" in failed.stderr
    trial.found("a notebook failed, and so did its build")
