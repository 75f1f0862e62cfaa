"""Every solution in the book runs: a reader may copy any of them."""

import re
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).parents[1] / "book"
SOLUTION = re.compile(r"^(`{3,}|:{3,})\{admonition\} (Solution [^\n]*)\n(.*?)^\1", re.M | re.S)
CODE = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


def solutions():
    for path in sorted(BOOK.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for _, title, body in SOLUTION.findall(cell.source):
                if code := "".join(CODE.findall(body)):
                    yield pytest.param(code, id=f"{path.stem}: {title}")


def test_every_chapter_with_exercises_has_as_many_solutions():
    for path in sorted(BOOK.glob("*.ipynb")):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        _, _, after = text.partition("## Exercises")
        exercises = len(re.findall(r"^\d+\. ", after, re.M))
        assert len(SOLUTION.findall(after)) == exercises, path.name
        assert not after or exercises >= 3, path.name


@pytest.mark.parametrize("code", list(solutions()))
def test_a_solution_runs(code, monkeypatch, tmp_path):
    monkeypatch.setenv("FMNIST_LAB_HOME", str(tmp_path))
    exec(compile(code, "solution", "exec"), {"__name__": "solution"})
