"""The chapters as they are committed: no outputs, short cells, described parameters and figures."""

import ast
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import papermill
import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from nbconvert.exporters import ScriptExporter

from fmnist_lab.chapter import PARAMETERS
from fmnist_lab.training import environment
from tests import told

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
LONGEST_CELL = 12  # lines, see "A chapter" in the README's rules: one idea a cell
MOST_HIDDEN = 15  # lines per chapter: a reader in JupyterLab sees every cell
MOST_IMPORTS = 3  # lines, besides those that a cell's own subject needs
WIDEST = 76  # characters of a line of code: what the column shows in a window of 1280 px
# papermill reads the cell by regular expression: a second "=" in a line, even in the comment, or a
# type with a dot or a bar makes it drop the parameter from --help-notebook.
PARAMETER = re.compile(r"(\w+): (?:int|float|str|bool|list(?:\[\w+\])?) = ([^#=]+)  # ([^=]+)")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# A page that reads no parameters, like the page of all claims, has nothing to set.
SETTABLE = [
    path
    for path in NOTEBOOKS
    if any(reader in path.read_text() for reader in ("Chapter(", "numbers(globals()"))
]
each_chapter = pytest.mark.parametrize("path", SETTABLE, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def parameters_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in cells(path, "code") if "parameters" in cell.metadata.get("tags", [])]


def figures(path: Path) -> list[dict[str, Any]]:
    """Return the mystnb metadata of all cells that say something about a figure."""
    settings = [cell.metadata.get("mystnb", {}) for cell in cells(path, "code")]
    return [setting for setting in settings if "figure" in setting or "image" in setting]


def headings(path: Path) -> list[str]:
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    return re.findall(r"^#+ .*", re.sub(r"(?ms)^(```+|~~~+|:::+).*?^\1", "", text), re.MULTILINE)


def toc_files() -> list[str]:
    text = (ROOT / "book" / "_toc.yml").read_text()
    return re.findall(r"^[\s-]*(?:file|root): (\S+)", text, re.MULTILINE)


def solutions(path: Path) -> list[str]:
    """Return the Python code in the collapsed solutions of a chapter's exercises."""
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    boxes = re.findall(r"(?ms)^(````+)\{admonition\} Solution.*?^(.*?)^\1", text)
    return [code for _, box in boxes for code in re.findall(r"(?ms)^```python\n(.*?)^```", box)]


@each_notebook
def test_it_ends_with_three_exercises_or_more_and_a_solution_to_each(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    _, _, after = text.partition("## Exercises")
    exercises = re.findall(r"(?m)^\d+\. ", after)
    assert len(exercises) >= 3
    assert len(re.findall(r"(?m)^(?:`{3,}|:{3,})\{admonition\} Solution", after)) == len(exercises)


def test_there_are_chapters():
    assert NOTEBOOKS


# As JupyterLab writes it, without Python's version, which differs from one machine to another.
# Without it nbconvert makes a .txt of a notebook.
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}


@each_notebook
def test_the_file_is_a_valid_notebook_of_python_as_jupyterlab_writes_it(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)  # cell ids keep diffs small
    assert notebook.metadata == METADATA


@each_notebook
def test_it_converts_to_a_script_that_ipython_reads(path):
    script, resources = ScriptExporter().from_filename(str(path))
    assert resources["output_extension"] == ".py"
    compile(TransformerManager().transform_cell(script), str(path), "exec")
    code = [line for cell in cells(path, "code") for line in cell.source.splitlines()]
    assert set(code) <= set(script.splitlines())


def test_the_commit_hook_takes_out_what_a_run_in_jupyterlab_leaves(tmp_path):
    source = ROOT / "book" / "width.ipynb"
    notebook = nbformat.read(source, as_version=nbformat.NO_CONVERT)
    notebook.metadata.language_info.version = "3.99.0"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 3
            cell.outputs = [nbformat.v4.new_output("stream", text="trained")]
    saved = tmp_path / "width.ipynb"
    nbformat.write(notebook, saved)
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = {hook["id"]: hook for repo in settings["repos"] for hook in repo["hooks"]}
    words = [*shlex.split(hooks["nbstripout"]["entry"]), str(saved)]
    subprocess.run([sys.executable, "-m", *words], check=True)
    assert saved.read_text() == source.read_text()


@each_notebook
def test_it_is_committed_without_outputs(path):
    with_outputs = [c.source for c in cells(path, "code") if c.outputs or c.execution_count]
    assert not with_outputs, "run nbstripout on it"


@each_notebook
def test_no_code_cell_is_longer_than_twelve_lines(path):
    assert not [c.source for c in cells(path, "code") if len(c.source.splitlines()) > LONGEST_CELL]


def hidden_lines(path: Path) -> list[str]:
    """Return the lines of code that a reader of the site does not see; `tell`'s text is no code."""
    hidden = [c for c in cells(path, "code") if "remove-input" in c.metadata.get("tags", [])]
    lines = []
    for cell in hidden:
        numbered = enumerate(cell.source.splitlines(), start=1)
        prose = told.lines(cell.source)
        lines += [line for n, line in numbered if line.strip() and n not in prose]
    return lines


@each_notebook
def test_few_of_its_lines_are_hidden(path):
    assert len(hidden_lines(path)) <= MOST_HIDDEN, hidden_lines(path)


@each_notebook
def test_a_text_with_numbers_is_told_by_a_cell_whose_source_is_folded_away(path):
    """A Markdown cell cannot show a number outside the site; whoever runs a page reads it once."""
    for cell in cells(path, "code"):
        if told.calls(cell.source):
            assert "remove-input" in cell.metadata.tags, cell.source
            assert cell.metadata.jupyter.source_hidden, cell.source
    assert not [cell for cell in cells(path, "markdown") if "{glue:" in cell.source]


@each_notebook
def test_its_imports_fit_three_lines(path):
    first = next(c.source for c in cells(path, "code") if "import " in c.source)
    assert len(re.findall(r"^(?:from|import) .*", first, re.MULTILINE)) <= MOST_IMPORTS


@each_notebook
def test_no_line_of_its_prose_starts_as_a_comment(path):
    # MyST leaves out a line that starts with "%", the unit of half the numbers here.
    prose = [*(cell.source for cell in cells(path, "markdown")), *told.texts(path)]
    lines = [line for text in prose for line in text.splitlines()]
    assert not [line for line in lines if line.lstrip().startswith("%")]


@each_notebook
def test_it_starts_with_its_only_h1(path):
    h1 = [line for line in headings(path) if line.startswith("# ")]
    assert len(h1) == 1
    assert cells(path, "markdown")[0].source.startswith(h1[0])


@each_chapter
def test_every_line_of_its_parameters_cell_has_type_literal_and_help(path):
    (cell,) = parameters_cells(path)
    for line in cell.source.splitlines():
        match = PARAMETER.fullmatch(line)
        assert match, f"not `name: type = literal  # help`: {line}"
        ast.literal_eval(match[2])


@each_notebook
def test_its_code_fits_the_column_of_a_page(path):
    shown = [c for c in cells(path, "code") if "remove-input" not in c.metadata.get("tags", [])]
    lines = [line for cell in shown for line in cell.source.splitlines()]
    assert not [line for line in lines if len(line) > WIDEST]


@each_chapter
def test_its_parameters_cell_names_what_a_reader_changes_of_its_network(path):
    """Any other hyperparameter can be given too, but not all of them fit into a cell."""
    (cell,) = parameters_cells(path)
    if "Chapter(" in path.read_text():
        named = {line.split(":")[0] for line in cell.source.splitlines()}
        assert {"width", "learning_rate", "epochs", "seeds", "device"} <= named <= {*PARAMETERS}


@each_chapter
def test_papermill_lists_every_parameter_with_type_and_help(path):
    (cell,) = parameters_cells(path)
    listed = papermill.inspect_notebook(str(path))
    assert list(listed) == [line.split(":")[0] for line in cell.source.splitlines()]
    assert all(entry["inferred_type_name"] and entry["help"] for entry in listed.values())


@pytest.mark.parametrize("path", sorted({*NOTEBOOKS} - {*SETTABLE}), ids=lambda path: path.stem)
def test_a_page_that_reads_no_parameters_has_no_parameters_cell(path):
    assert not parameters_cells(path)


@each_notebook
def test_every_figure_has_a_caption_a_name_and_an_alt_text(path):
    """The caption has its own cell below the figure's, so that JupyterLab shows it too."""
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    for cell, below in itertools.pairwise(notebook.cells):
        setting = cell.metadata.get("mystnb", {})
        if "figure" in setting or "image" in setting:
            assert below.source.startswith("**Figure.** "), setting
            assert list(setting["figure"]) == ["name"], setting
            assert setting["figure"]["name"].startswith("fig-"), setting
            assert len(setting.get("image", {}).get("alt", "").split()) > 2, setting
        else:
            assert not below.source.startswith("**Figure.**"), below.source


@each_notebook
def test_links_and_citations_lead_somewhere_in_jupyterlab_too(path):
    """JupyterLab knows no roles, no figures by name and no page beside the notebook."""
    texts = [cell.source for cell in cells(path, "markdown")]
    texts += [cell.source for cell in cells(path, "code") if cell.source.startswith("tell(")]
    for text in texts:
        assert not re.findall(r"\{[a-z:]+\}`[^`]", re.sub(r"(?m)^[`:]{3,}\{.*", "", text))
        for address in re.findall(r"\]\(([^)]*)", text):  # of a page, or of a picture in the folder
            assert address.startswith("https://") or path.with_name(address).is_file()
        assert "<a href=" not in text


# These show images, draw a seed's split or ask a loss for its values.
WITH_PYTORCH = {"best_model", "data", "loss", "method", "playground"}


@pytest.mark.slow
def test_chapters_read_published_runs_without_pytorch(tmp_path):
    """It takes a second or more to import, for every reader who presses *Run All*.

    One process after the other would show no more: none of these chapters may load it.
    """
    script = ["import sys", "import matplotlib.pyplot as plt"]
    for path in NOTEBOOKS:
        if path.stem not in WITH_PYTORCH:
            code = "\n".join(cell.source for cell in cells(path, "code"))
            script += [f"exec({code!r}, {{}})", "plt.close('all')"]
            script += [f"assert 'torch' not in sys.modules, '{path.stem} loads PyTorch'"]
    where = {"FMNIST_LAB_HOME": str(tmp_path), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable], input="\n".join(script), env=os.environ | where,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_figure_names_are_unique_in_the_book():
    names = Counter(
        setting.get("figure", {}).get("name") for path in NOTEBOOKS for setting in figures(path)
    )
    assert not [name for name, count in names.items() if count > 1]


def test_the_table_of_contents_lists_every_page_once_and_no_other():
    pages = [path.stem for path in (ROOT / "book").iterdir() if path.suffix in {".md", ".ipynb"}]
    assert Counter(toc_files()) == Counter(pages)
    yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())


@each_notebook
def test_ci_trains_it_with_small_parameters(path):
    ci = (ROOT / ".ci" / "run").read_text()
    assert re.search(rf"^ +{path.stem}\) echo", ci, re.MULTILINE), "no row in small_parameters"


@pytest.mark.slow
@pytest.mark.endurance("The code of every solution runs")
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if solutions(path)], ids=lambda path: path.stem
)
def test_the_code_of_its_solutions_runs(path, data_root, tmp_path, monkeypatch, trial):
    monkeypatch.setenv("FMNIST_DATA", str(data_root))
    monkeypatch.setattr(environment, "usable_cpus", lambda: 1)  # starting more would take longer
    monkeypatch.chdir(tmp_path)
    for number, code in enumerate(solutions(path), 1):  # each with its own names and store
        monkeypatch.setenv("FMNIST_LAB_HOME", str(tmp_path / str(number)))
        exec(compile(code, f"solution {number} of {path.name}", "exec"), {"__name__": "__main__"})
    plt.close("all")
    trial.found(f"{path.stem}: {len(solutions(path))}")
