"""fmnist_lab.chapter in a notebook: its cells are read, and a fault leaves nothing old to show."""

import ast
import io
from contextlib import redirect_stdout

import pytest
import yaml
from IPython.utils.capture import capture_output

from fmnist_lab import chapter
from fmnist_lab.chapter import Chapter, ParameterError
from fmnist_lab.config import Bounds
from tests.width_chapter import (
    BOUNDED,
    RULES,
    parameters,
    parameters_cell,
    publish_settings,
)

pytestmark = pytest.mark.usefixtures("home", "published", "no_gpu")


def run_cells(shell, *cells) -> str:
    """Run cells one after the other; return what the last one shows."""
    with redirect_stdout(io.StringIO()) as shown:
        for cell in cells:
            shell.run_cell(cell, store_history=True)
    return shown.getvalue().strip()


ASK = "from fmnist_lab.chapter import Chapter\nchapter = Chapter('width', globals())\nprint('fine')"


def test_with_its_own_parameters_a_notebook_is_fine(shell):
    assert run_cells(shell, parameters_cell(), ASK) == "fine"


def test_a_notebook_keeps_the_table_of_its_runs_for_pipelines(shell, published, made_up_run):
    """As scrapbook does, whose `read_notebook` finds it among a notebook's outputs by this type."""
    publish_settings(published, made_up_run, {"width": 128, "seed": 0}, {"width": 128, "seed": 7})
    with capture_output() as shown:
        for cell in (parameters_cell(), ASK, "runs = chapter.runs()"):
            shell.run_cell(cell, store_history=True)
    (output,) = shown.outputs
    (scrap,) = output.data.values()
    assert (*output.data, scrap["name"], scrap["encoder"]) == (chapter.SCRAP, "runs", "json")
    assert output.metadata["scrapbook"]["name"] == "runs"
    frame = shell.user_ns["runs"].table()
    assert [row["seed"] for row in scrap["data"]] == [0, 7]
    assert [row["validation_accuracy"] for row in scrap["data"]] == list(
        frame["validation_accuracy"]
    )


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        ("wdth = 1024", "there is no parameter 'wdth': did you mean 'width'?"),
        ("sedes = 3", "there is no parameter 'sedes': did you mean 'seeds'?"),
        ("devise = 'cpu'", "there is no parameter 'devise': did you mean 'device'?"),
        ("device = 'cpu'\nwdth = 8", "there is no parameter 'wdth': did you mean 'width'?"),
        ("width = -5", f"width is -5; {RULES['width']}"),
        ("seeds = 0\nwidth = -5", f"seeds is 0; {RULES['seeds']}\nwidth is -5; {RULES['width']}"),
        (
            "wdth = 1024\nseeds = 0",
            f"there is no parameter 'wdth': did you mean 'width'?\nseeds is 0; {RULES['seeds']}",
        ),
    ],
)
def test_a_fault_in_papermills_cell_is_all_that_is_shown(shell, injected, message):
    shown = run_cells(shell, parameters_cell(), f"# Parameters\n{injected}\n", ASK)
    assert shown == message


def test_a_fault_in_the_parameters_cell_itself_is_found_too(shell):
    misspelt = parameters_cell().replace("width:", "wdth:")
    assert run_cells(shell, misspelt, ASK) == "there is no parameter 'wdth': did you mean 'width'?"


def test_a_corrected_cell_is_read_as_it_was_last_run(shell):
    assert "wdth" in run_cells(shell, parameters_cell(), "# Parameters\nwdth = 8\n", ASK)
    assert run_cells(shell, "# Parameters\nwidth = 8\n", ASK) == "fine"
    assert "dept" in run_cells(shell, parameters_cell() + "\ndept = 1", ASK)
    assert run_cells(shell, parameters_cell(), ASK) == "fine"


@pytest.mark.parametrize("names", [["INPUT"], ["OUTPUT"], ["INPUT", "OUTPUT"]])
def test_the_paths_that_papermill_writes_beside_the_parameters_pass(shell, names):
    """As with --inject-input-path, --inject-output-path and --inject-paths."""
    paths = "".join(f"PAPERMILL_{name}_PATH = 'a.ipynb'\n" for name in names)
    assert run_cells(shell, parameters_cell(), f"# Parameters\n{paths}", ASK) == "fine"


SEEN = """
import fmnist_lab
chapter = fmnist_lab.Chapter("width", globals())
runs, backdrop = chapter.runs(), chapter.backdrop()
frame = runs.table()
"""


LOOKS = [
    *("print(len(runs))", "print(backdrop[0])", "print(*runs)", "print(frame['width'])"),
    *("print(*largest)", "chapter.runs()", "fmnist_lab.pictures.curves(runs, by='width')"),
]


ALL = [parameters_cell(), SEEN, "largest = [run for run in runs if run.config.width == 512]"]


@pytest.mark.parametrize("why", ["refused", "unknown", "interrupted"])
def test_after_a_fault_no_later_cell_shows_old_runs_under_new_parameters(
    why, shell, published, made_up_run, monkeypatch
):
    publish_settings(published, made_up_run, *({"width": width} for width in (128, 512)))
    assert run_cells(shell, *ALL, "print(len(runs), len(largest))") == "2 1"
    with monkeypatch.context() as patch:
        if why == "interrupted":
            patch.setattr(chapter, "sweep", interrupt)
        injected = {"refused": "width = 'abc'", "unknown": "wdth = 3"}.get(why, "width = 512")
        assert run_cells(shell, parameters_cell(), f"# Parameters\n{injected}\n", SEEN)
        for look in LOOKS:
            (sentence,) = run_cells(shell, look).splitlines()
            name, said = sentence.split(maxsplit=1)
            assert name in look
            assert said == "belongs to earlier parameters: run the cells that lead to it again."
        assert run_cells(shell, "runs").startswith("Out[")
    assert run_cells(shell, *ALL, "print(len(runs), len(largest))") == "2 1"


def interrupt(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


def test_names_that_other_cells_assign_are_no_parameters(shell):
    after = ["# Parameters of a plot\nsize: int = 3", "%config Completer.x = 2", "a, b = 1, 2"]
    assert run_cells(shell, "x = 1", parameters_cell(), *after, ASK, ASK).endswith("fine\nfine")


@pytest.mark.parametrize(
    ("cell", "targets"),
    [
        ("width: int = 3  # help\nloss = 'mse'", ["width", "loss"]),
        ("a = b = 1", ["a", "b"]),
        ("(a, b), *c = d", ["((a, b), *c)"]),
        ("a.b = 1\nc[0] = 2\nprint(3)", ["a.b", "c[0]"]),
        ("def f():\n    inside = 1", []),
        ("%matplotlib inline", []),
        ("", []),
    ],
)
def test_what_a_cell_assigns_to_is_at_its_top_level(cell, targets):
    assert [ast.unparse(target) for target in chapter.assigned(cell)] == targets


def test_outside_ipython_there_are_no_cells_to_read():
    assert chapter.unknown_parameters() == []


NUMBERS = """
from fmnist_lab import Bounds, numbers
limits = {"images": Bounds(int, 1, 100), "rate": Bounds(float, 0, 1)}
images, rate = numbers(globals(), **limits)
shown = [images, rate]
"""


def test_a_notebook_without_runs_may_run_its_cells_twice_and_shows_nothing_old(shell):
    """The cell that asks assigns the parameters too, as a tuple: it is none of theirs."""
    cells = ["images: int = 4\nrate: float = 0.5", NUMBERS]
    assert run_cells(shell, *cells, *cells, "print(shown, limits['rate'])").startswith("[4, 0.5] ")
    rule = "images is 0; it must be a whole number from 1 to 100."
    assert run_cells(shell, "images: int = 0\nrate: float = 0.5", NUMBERS) == rule
    assert run_cells(shell, "print(*shown)").startswith("shown belongs to earlier parameters: ")


def test_a_notebook_without_runs_has_its_numbers_checked_alike(shell):
    bounds = {"images": Bounds(int, 1, 100), "rate": Bounds(float, 0, 1)}
    assert chapter.numbers({"images": 4.0, "rate": 1, "other": "x"}, **bounds) == [4, 1.0]
    assert chapter.numbers({"images": "4", "rate": "5e-1"}, **bounds) == [4, 0.5]
    shell.run_cell("images: int = 4\nrate: float = 0.5", store_history=True)
    shell.run_cell("# Parameters\nimagse = 3\n", store_history=True)
    with pytest.raises(ParameterError) as caught:
        chapter.numbers({"images": 0, "rate": "half"}, **bounds)
    assert str(caught.value).splitlines() == [
        "there is no parameter 'imagse': did you mean 'images'?",
        "images is 0; it must be a whole number from 1 to 100.",
        "rate is 'half'; it must be a number from 0 to 1.",
    ]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"images": 1}, True),
        ({"images": 100}, True),
        ({"images": 0}, False),
        ({"images": 101}, False),
        ({"rate": 0}, True),
        ({"rate": 1}, True),
        ({"rate": -5e-324}, False),
        ({"rate": 1.0000000000000002}, False),
    ],
)
def test_a_notebooks_own_number_may_be_at_both_ends_and_no_further(given, taken):
    namespace = {"images": 4, "rate": 0.5} | given
    if taken:
        assert chapter.numbers(namespace, **BOUNDED) == list(namespace.values())
    else:
        with pytest.raises(ParameterError, match="it must be"):
            chapter.numbers(namespace, **BOUNDED)


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "'0.001'", "[1e-3]"])
def test_a_rate_may_be_written_as_papermills_yaml_reads_it(text):
    given = yaml.safe_load(f"learning_rate: {text}")  # 1e-3 is a text in YAML 1.1
    assert Chapter("learning_rate", given).study.values == (1e-3,)


def test_a_tuple_may_be_given_to_papermill_which_writes_it_as_a_text():
    given = parameters(width=str((512, 1024)))
    assert Chapter("width", given).study.values == (512, 1024)


@pytest.mark.parametrize("seeds", [[0, 7], (0, 7), "[0, 7]", "(0, 7)"])
def test_seeds_may_be_named(seeds):
    assert Chapter("width", parameters(seeds=seeds)).study.seeds == (0, 7)
