"""Counts the package's lines of code: `python -m tests.lines` prints them by room.

A line of code has a token that is neither comment nor docstring.
"""

import ast
import tokenize
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "fmnist_lab"
MOST = 6_900  # of the package, with every chapter that is planned
LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip


def lines_of_code(path: Path) -> int:
    """Return how many lines of a file have code."""
    with path.open("rb") as file:
        tokens = [token for token in tokenize.tokenize(file.readline) if token.type not in LAYOUT]
    code = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    return len(code - docstrings(path.read_text()))


def docstrings(text: str) -> set[int]:
    """Return the numbers of the lines that docstrings take."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    first = [node.body[0] for node in nodes if ast.get_docstring(node, clean=False) is not None]
    return {line for each in first for line in range(each.lineno, (each.end_lineno or 0) + 1)}


def rooms(package: Path = PACKAGE) -> Counter[str]:
    """Return the lines of code of each room; modules outside one are on "the ground"."""
    counted = Counter[str]()
    for path in package.rglob("*.py"):
        room, *inside = path.relative_to(package).parts
        counted[room if inside else "the ground"] += lines_of_code(path)
    return counted


if __name__ == "__main__":
    counted = rooms()
    for room, lines in sorted(counted.items()):
        print(f"{lines:6,} {room}")
    print(f"{counted.total():6,} in all; at most {MOST:,}")
