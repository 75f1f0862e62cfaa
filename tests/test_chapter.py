"""fmnist_lab.chapter: a notebook's parameters are read, checked and answered with runs."""

import ast
import io
import sys
import types
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config as Traits

from fmnist_lab import chapter
from fmnist_lab.__main__ import main
from fmnist_lab.chapter import Chapter, ParameterError
from fmnist_lab.config import Bounds, ConfigError, names
from fmnist_lab.runs import records
from fmnist_lab.sweeps.cluster import ClusterError
from fmnist_lab.sweeps.studies import STUDIES

BOOK = Path(__file__).parents[1] / "book"
WIDTH = STUDIES["width"]
HINGE = (
    "loss is 'hinge'; allowed are cross_entropy, mse, mae, mse_probabilities, mae_probabilities."
)
RULES = {
    "width": "it must be a whole number from 1 to 16,384.",
    "seeds": 'it must be a whole number from 1 to 1,000, "published", or a list of seeds.',
    "device": "this machine allows auto, cpu.",
}


def parameters_cell() -> str:
    cells = nbformat.read(BOOK / "width.ipynb", as_version=4).cells
    return next(c.source for c in cells if "parameters" in c.metadata.get("tags", []))


def parameters(**given) -> dict[str, Any]:
    """Return the globals of the width chapter with some parameters given otherwise."""
    namespace: dict[str, Any] = {}
    exec(parameters_cell(), namespace)
    return namespace | given


def faults(**given) -> list[str]:
    with pytest.raises(ParameterError) as caught:
        Chapter("width", parameters(**given))
    return str(caught.value).splitlines()


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """Messages name the devices of the machine."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)


pytestmark = pytest.mark.usefixtures("home", "published")


# --- What cannot be used


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"width": -5}, f"width is -5; {RULES['width']}"),
        ({"width": "abc"}, f"width is 'abc'; {RULES['width']}"),
        ({"width": [64, 0]}, f"width is 0; {RULES['width']}"),
        ({"width": []}, "width is []; give one value, a list of at least one."),
        ({"loss": "hinge"}, HINGE),
        ({"seeds": 0}, f"seeds is 0; {RULES['seeds']}"),
        ({"seeds": "all"}, f"seeds is 'all'; {RULES['seeds']}"),
        ({"seeds": 2.5}, f"seeds is 2.5; {RULES['seeds']}"),
        (
            {"learning_rate": "1e-3x"},
            "learning_rate is '1e-3x'; it must be a number from 1e-09 to 1.0.",
        ),
        ({"depth": [1, 2]}, "depth is [1, 2]; give one value, no list."),
        ({"device": "gpu"}, f"device is 'gpu'; {RULES['device']}"),
        ({"device": "cuda"}, f"device is 'cuda'; {RULES['device']}"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_in_one_sentence(given, sentence):
    assert faults(**given) == [sentence]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=8),
    st.floats(),
    st.integers(),
    st.binary(max_size=3),
    st.lists(st.floats(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
    st.sampled_from(
        ["1e-3x", "0x10", "\N{DIGIT FIVE}\N{COMBINING ENCLOSING KEYCAP}", "١٢", "-", "="]
    ),
    st.sampled_from([10**5000, -(10**5000), 1e308, 5e-324, 1j, object(), int, {1}, ...]),
    st.sampled_from([np.array([64, 128]), np.array(["mse"]), np.float64("nan"), pd.NA, pd.NaT]),
    st.sampled_from(["x" * 10**5, ["x"] * 10**4, "\x1b[31m", "9" * 5000]),
)


UNTUNED = sorted(name for name, study in STUDIES.items() if study.tuned_by is None)


@pytest.mark.endurance("A bad parameter is answered in a sentence that names it")
def test_whatever_a_parameter_is_it_is_taken_or_named_in_a_sentence(trial, monkeypatch):
    monkeypatch.setattr("fmnist_lab.chapter.sweep", None)  # nothing is trained
    tried = Counter[str]()

    @settings(max_examples=trial.times(100, 20_000), database=None)
    @given(st.sampled_from(sorted(STUDIES)), st.sampled_from(chapter.PARAMETERS), JUNK)
    def tries(name, parameter, value):
        try:
            Chapter(name, {parameter: value})
        except ConfigError as fault:
            for sentence in str(fault).splitlines():  # one per value of a list
                tuned = f"{name} trains each setting at the learning rate that "  # not varied
                assert sentence.startswith((f"{parameter} is ", f"{parameter} has ", tuned))
                assert sentence.isprintable()
                assert sentence.endswith(".")
                assert len(sentence) < 1_000
            tried["refused"] += 1
        else:
            tried["taken"] += 1

    tries()
    trial.found(f"chapters: {tried['refused']:,} refused in a sentence, {tried['taken']:,} taken")


@pytest.mark.endurance("A bad parameter is answered in a sentence that names it")
def test_whatever_the_command_line_is_given_it_is_taken_or_named_in_a_sentence(trial):
    tried = Counter[int]()

    @settings(max_examples=trial.times(100, 5_000), database=None)
    @given(st.sampled_from(UNTUNED), st.sampled_from(names()), st.text(max_size=8))
    def tries(name, parameter, value):
        if parameter == "seed":
            parameter = "seeds"
        flag = f"--{parameter.replace('_', '-')}={value}"
        said = io.StringIO()
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            code = main(["run", name, flag, "--list"])
        assert code in (0, 2)
        if code:
            (sentence,) = said.getvalue().splitlines()
            waits = f"{name} needs the runs of "  # to tune it: the value is taken
            assert sentence.startswith((f"{parameter} is ", waits))
            assert len(sentence) < 1_000
        tried[code] += 1

    tries()
    trial.found(f"command line: {tried[2]:,} refused in a sentence, {tried[0]:,} taken")


BOUNDED = {"images": Bounds(int, 1, 100), "rate": Bounds(float, 0, 1)}


@pytest.mark.endurance("A bad parameter is answered in a sentence that names it")
def test_whatever_a_notebooks_own_number_is_it_is_taken_or_named_in_a_sentence(trial):
    tried = Counter[str]()

    @settings(max_examples=trial.times(50, 20_000), database=None)
    @given(st.sampled_from(sorted(BOUNDED)), JUNK)
    def tries(name, value):
        try:
            chapter.numbers({"images": 1, "rate": 1} | {name: value}, **BOUNDED)
            tried["taken"] += 1
        except ParameterError as fault:
            said = str(fault)
            assert said.startswith(f"{name} is ")
            assert said.endswith(f"; it must be {BOUNDED[name]}.")
            assert len(said) < 1_000
            tried["refused"] += 1

    tries()
    trial.found(f"numbers: {tried['refused']:,} refused in a sentence, {tried['taken']:,} taken")


def test_all_faults_are_named_at_once():
    assert faults(device="tpu", seeds=0, width=[-5, "abc"], epochs=0) == [
        f"device is 'tpu'; {RULES['device']}",
        f"seeds is 0; {RULES['seeds']}",
        f"width is -5; {RULES['width']}",
        f"width is 'abc'; {RULES['width']}",
        "epochs is 0; it must be a whole number from 1 to 10,000.",
    ]


@pytest.mark.parametrize("kind", [ParameterError, ClusterError])
def test_a_fault_is_shown_as_its_message_alone(kind):
    error = kind("one.\ntwo.")
    assert error._render_traceback_() == ["one.", "two."]
    assert isinstance(error, ConfigError)


def test_an_unknown_chapter_is_refused():
    with pytest.raises(ConfigError, match="there is no study 'widht': did you mean 'width'"):
        Chapter("widht", {})


# --- In a notebook


@pytest.fixture
def shell(monkeypatch) -> Iterator[InteractiveShell]:
    """IPython itself, as a kernel runs it, with its own namespace."""
    for name in ("displayhook", "excepthook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # put back after the test
    settings = Traits()
    settings.HistoryManager.enabled = False  # no file; this session's cells are kept all the same
    module = types.ModuleType("notebook_under_test")
    shell = InteractiveShell.instance(config=settings, user_module=module)
    yield shell
    sys.modules.pop(module.__name__, None)
    InteractiveShell.clear_instance()


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
    publish(published, made_up_run, {"width": 128, "seed": 0}, {"width": 128, "seed": 7})
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
    publish(published, made_up_run, *({"width": width} for width in (128, 512)))
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


# --- Which runs


def publish(folder, made_up_run, *settings):
    runs = [made_up_run(replace(WIDTH.base, **setting)) for setting in settings]
    records.write_lines(folder / "width.jsonl", runs)
    records.read_published.cache_clear()


def test_with_its_defaults_a_chapter_shows_what_is_published_and_never_trains(
    published, made_up_run, trained
):
    assert Chapter("width", parameters()).runs() == []
    there = [{"width": 128, "seed": 0}, {"width": 128, "seed": 7}, {"width": 512, "seed": 1}]
    publish(published, made_up_run, *there)
    shown = Chapter("width", parameters())
    assert [(run.config.width, run.config.seed) for run in shown.runs()] == [
        *((128, 0), (128, 7), (512, 1))
    ]
    assert shown.backdrop() == []
    assert trained == []


def test_the_parameters_cell_asks_for_what_the_study_is():
    assert Chapter("width", parameters()).study == WIDTH


def test_one_value_is_shown_before_the_rest_of_the_published_sweep(published, made_up_run, trained):
    publish(published, made_up_run, *({"width": width} for width in (128, 512, 1024)))
    one = Chapter("width", parameters(width=512))
    assert [run.config.width for run in one.runs()] == [512]
    assert [run.config.width for run in one.backdrop()] == [128, 1024]
    assert trained == []


def test_there_is_no_backdrop_to_other_settings(published, made_up_run):
    publish(published, made_up_run, {"width": 128}, {"width": 512})
    assert Chapter("width", parameters(width=512, epochs=3, seeds=1)).backdrop() == []


@pytest.mark.parametrize(
    ("given", "widths", "seeds"),
    [
        ({"width": 100}, [100], range(3)),
        ({"width": [64, 100]}, [64, 100], range(3)),
        ({"width": 100, "seeds": 2, "epochs": 3}, [100], range(2)),
        ({"width": 100, "seeds": 2.0}, [100], range(2)),
        ({"width": 1e2, "seeds": 12}, [100], range(12)),
    ],
)
def test_what_was_never_run_is_asked_for_with_three_seeds_or_as_many_as_wanted(
    given, widths, seeds
):
    asked = Chapter("width", parameters(**given)).configs
    assert [(c.width, c.seed) for c in asked] == [(w, s) for w in widths for s in seeds]
    assert {c.epochs for c in asked} == {given.get("epochs", 100)}
    assert {c.depth for c in asked} == {2}


def test_published_seeds_beside_new_ones_are_only_asked_for_where_they_lack(
    published, made_up_run, trained
):
    publish(published, made_up_run, *({"width": 8, "seed": seed} for seed in (0, 1)))
    asked = Chapter("width", parameters(width=8, seeds=3))
    assert records.missing(asked.configs) == [replace(WIDTH.base, width=8, seed=2)]
    assert [run.config.seed for run in Chapter("width", parameters(width=8)).runs()] == [0, 1]
    assert trained == []


def test_a_chapter_trains_what_is_missing_once(trained, capsys):
    small = parameters(width=8, depth=1, train_size=200, epochs=1, seeds=1, device="cpu")
    runs = Chapter("width", small).runs()
    assert [run.config for run in runs] == trained
    assert capsys.readouterr().err.startswith("Training 1 run(s) on cpu: under 10 s.")
    assert Chapter("width", small).runs() == runs
    assert len(trained) == 1
    assert capsys.readouterr().err == ""
