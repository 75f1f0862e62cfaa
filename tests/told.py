"""What pages say: the texts in their cells' calls of `tell`, with the names of facts."""

import ast
import re
from pathlib import Path

import nbformat


def sources(path: Path) -> list[str]:
    """Return the code of each cell of a page."""
    if path.suffix == ".md":
        return re.findall(
            r"(?ms)^```\{code-cell\} ipython3\n(?::.*?\n)?(.*?)^```$", path.read_text()
        )
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def calls(source: str) -> list[ast.Call]:
    """Return the calls of `tell` in a cell's code."""
    nodes = ast.walk(ast.parse(source))
    called = [node for node in nodes if isinstance(node, ast.Call)]
    return [node for node in called if ast.unparse(node.func) == "tell"]


def lines(source: str) -> set[int]:
    """Return the numbers of a cell's lines that contain text for `tell`."""
    ends = ((call.lineno, call.end_lineno or 0) for call in calls(source))
    return {line for first, last in ends for line in range(first, last + 1)}


def texts(path: Path) -> list[str]:
    """Return a page's texts for `tell`."""
    told = [call for source in sources(path) for call in calls(source)]
    return [ast.literal_eval(call.args[0]) for call in told]
