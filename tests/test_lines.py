"""The package fits into one head: its lines of code are counted and limited."""

import textwrap

from tests.lines import MOST, lines_of_code, rooms

TEXT = '''
"""A docstring
of two lines."""

import os  # one


def two(a):
    """Say what it does."""

    # A comment.
    return f(
        a,  # of three lines
    )


class Three:
    "A docstring of another kind."

    text = """one line
    and another"""


"""No docstring: an expression."""
'''


def test_code_is_counted_without_docstrings_comments_and_blank_lines(tmp_path):
    (tmp_path / "module.py").write_text(TEXT)
    assert lines_of_code(tmp_path / "module.py") == 1 + 1 + 3 + 1 + 2 + 1


def test_lines_are_summed_by_room(tmp_path):
    for name in ("config.py", "runs/run.py", "runs/records.py", "runs/deep/more.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(TEXT))
    (tmp_path / "runs" / "published.jsonl").write_text("{}\n" * 99)
    assert rooms(tmp_path) == {"the ground": 9, "runs": 27}


def test_the_package_stays_small():
    assert rooms().total() <= MOST, "python -m tests.lines shows where they are"
