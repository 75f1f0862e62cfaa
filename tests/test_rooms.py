"""The rooms of the package: imports point downward only, and the face is light."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_lab import facts, pictures, verdicts

PACKAGE = Path(__file__).parents[1] / "fmnist_lab"
# From the ground up. A module imports from its own room and from those before it.
FLOORS = (
    *("config", "files", "notebook", "sources", "data", "runs", "training", "sweeps"),
    *("verdicts", "pictures", "facts", "chapter", "guesses", "playground"),
)
TOP = len(FLOORS)  # the command line and the face
MODULES = sorted(PACKAGE.rglob("*.py"))


def floor(module: str) -> int:
    """Return the floor of a module by its dotted name."""
    room = [*module.split("."), ""][1]
    return FLOORS.index(room) if room in FLOORS else TOP


def imported(path: Path) -> set[str]:
    """Return the package's modules that a file imports, wherever in the file, by dotted name."""
    own = ["fmnist_lab", *path.relative_to(PACKAGE).with_suffix("").parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = own[: len(own) - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from fmnist_lab import data` names a module, `from fmnist_lab.data import load` not.
            found |= {f"{module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("fmnist_lab.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downward(path):
    here = floor(".".join(["fmnist_lab", *path.relative_to(PACKAGE).with_suffix("").parts]))
    upward = {name for name in imported(path) if floor(name) > here}
    assert not upward, f"{path.name} imports from a room above its own: {sorted(upward)}"


def test_every_room_is_known():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert rooms == {*FLOORS, "__init__", "__main__", "commands"}


# What a notebook's first cell imports: a parameter is judged before the libraries of pictures and
# statistics, which take about as long as PyTorch, are loaded.
FIRST_CELL = "from fmnist_lab import Chapter, facts, pictures, verdicts"


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import fmnist_lab", {"torch", "IPython", "ipywidgets", "matplotlib", "pandas"}),
        (FIRST_CELL, {"torch", "torchvision", "ipywidgets", "matplotlib", "scipy", "statsmodels"}),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(code, heavy):
    code = f"{code}; import sys; print(*(name for name in {heavy} if name in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert loaded.split() == []


# The function of the same name hides the module `pictures.curves`.
@pytest.mark.parametrize("room", [facts, pictures, verdicts], ids=lambda room: room.__name__)
def test_every_name_of_a_table_of_contents_is_a_thing_of_its_room(room):
    for name in room.__all__:
        assert not inspect.ismodule(getattr(room, name)), name
