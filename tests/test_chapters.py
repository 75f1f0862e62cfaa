"""Every chapter with parameters of its own, as `.ci/run` names them: its cells run, and train.

As papermill runs them, but in this process: starting papermill and a kernel takes ten times as long
as training here does. `.ci/run` executes one chapter by papermill itself.
"""

import re
import shlex
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from fmnist_lab.training import environment

ROOT = Path(__file__).parents[1]
ROWS = re.findall(r'^ +(\w+)\) echo "(-p .+?)" ;;', (ROOT / ".ci" / "run").read_text(), re.M)


def values(row: str) -> dict[str, Any]:
    """Return the parameters that a row gives to papermill: -p NAME VALUE, several times."""
    words = shlex.split(row)
    return {name: yaml.safe_load(text) for name, text in zip(words[1::3], words[2::3], strict=True)}


def execute(source: str, shell: InteractiveShell) -> None:
    """Run a cell, and draw its figures as the notebook would show them."""
    try:
        with capture_output() as shown:
            shell.run_cell(source, store_history=True).raise_error()
            for number in plt.get_fignums():
                plt.figure(number).savefig(BytesIO(), format="svg")
    finally:
        plt.close("all")
    assert not shown.stderr or "runs [" in shown.stderr, shown.stderr  # a sweep's progress


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), ROWS, ids=[name for name, _ in ROWS])
def test_a_chapter_runs_and_trains_with_parameters_of_its_own(name, row, home, shell, monkeypatch):
    monkeypatch.setattr(environment, "usable_cpus", lambda: 1)  # starting more would take longer
    given = values(row)
    path = ROOT / "book" / f"{name}.ipynb"
    notebook = parameterize_notebook(load_notebook_node(str(path)), given)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            execute(cell.source, shell)
    assert ("epochs" in given) == bool(list((home / "runs").glob("*.json")))
