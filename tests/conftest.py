"""Fixtures: the real data set, loaded once; stores that are nobody's."""

import os
import shutil
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from filelock import FileLock
from hypothesis import settings
from IPython.core.interactiveshell import InteractiveShell
from playwright.sync_api import Browser, Page, expect, sync_playwright
from traitlets.config import Config as Traits

from fmnist_lab import data, sources
from fmnist_lab.__main__ import main
from fmnist_lab.config import Config
from fmnist_lab.data import Data
from fmnist_lab.runs import records
from fmnist_lab.runs.run import HISTORY, Run
from fmnist_lab.sweeps import sweep
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.training import environment, trainer
from fmnist_lab.verdicts import judge
from fmnist_lab.verdicts.judgement import Judgement
from tests import built

AXE = "axe-core@4.14.1"  # from npm; axe-playwright-python brings an older one
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
PATIENCE = 300_000  # ms: a busy machine is no fault of a page
# A stalled machine is no failure of an example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many processes as cores: one more was no faster, and starting each takes ten seconds."""
    return environment.usable_cpus()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options: one runs only tests marked `endurance`, in full; one names a shared disk."""
    parser.addoption("--endurance", action="store_true", help="try each promise at full length")
    parser.addoption(
        "--shared", nargs=2, type=Path, metavar="FOLDER",
        help="where two mounts, as of two machines, have one folder of a network file system",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Leave no test marked `endurance` out because it is slow, if they are asked for."""
    if config.getoption("--endurance"):
        config.option.markexpr = ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep tests marked `endurance` if asked to, else all except those in full form only."""
    mark, wanted = ("endurance", True) if config.getoption("--endurance") else ("full", False)
    items[:] = [item for item in items if bool(item.get_closest_marker(mark)) is wanted]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a table of what was tried at full length, and what was found."""
    if terminalreporter.config.getoption("--endurance"):
        terminalreporter.section("promises", sep="-")
        for outcome in ("passed", "failed", "skipped"):
            for report in terminalreporter.stats.get(outcome, []):
                for promise, found in report.user_properties:
                    terminalreporter.line(f"{outcome} | {promise} | {found}")


class Trial:
    """How often a promise is tried, and what was found."""

    def __init__(self, request: pytest.FixtureRequest, record: Callable[[str, object], None]):
        self.at_length = request.config.getoption("--endurance")
        self.promise = request.node.get_closest_marker("endurance").args[0]
        self.record = record

    def times(self, short: int, full: int) -> int:
        """Return how often to try: a few times, or as often as the full form does."""
        return full if self.at_length else short

    def found(self, sentence: str) -> None:
        """Note what was tried and found, for the table of the full form."""
        self.record(self.promise, sentence)


@pytest.fixture
def trial(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Trial:
    """How often the promise that the test is marked with is tried."""
    return Trial(request, record_property)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Compute on one thread: the networks here are so small that two would wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch) -> None:
    """Train here, whatever cluster the developer uses."""
    monkeypatch.delenv("FMNIST_LAB_SCHEDULER", raising=False)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The verified data set, in the user's own cache."""
    return sources.locate()


@pytest.fixture(scope="session")
def fashion(data_root) -> Data:
    """Fashion-MNIST itself, on the CPU."""
    return data.load()


@pytest.fixture(scope="session")
def fashion64(fashion) -> Data:
    """Fashion-MNIST in double precision, in which equality can be tight."""
    return Data(
        fashion.images.double(),
        fashion.labels,
        fashion.test_images.double(),
        fashion.test_labels,
        fashion.digest,
    )


@pytest.fixture
def home(data_root, tmp_path, monkeypatch) -> Path:
    """An empty FMNIST_LAB_HOME, for this process and those it starts; its data set is linked."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "data").symlink_to(data_root)
    monkeypatch.setenv("FMNIST_LAB_HOME", str(home))
    return home


@pytest.fixture
def published(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty folder in place of the published runs, in this process."""
    folder = tmp_path / "published"
    folder.mkdir()
    monkeypatch.setattr(records, "PUBLISHED", folder)
    records.read_published.cache_clear()
    yield folder
    records.read_published.cache_clear()


@pytest.fixture(scope="session")
def computed() -> Callable[[Run], dict[str, Any]]:
    """Return a function: what a training computed, without how long it took and where it ran."""

    def computed(run: Run) -> dict[str, Any]:
        kept = asdict(run)
        del kept["history"]["seconds"], kept["environment"]
        return kept

    return computed


@pytest.fixture(scope="session")
def made_up_run():
    """Return a function that makes a Run of a Config without training."""
    return make_up_run


def make_up_run(config: Config, *, accuracy: float = 0.5, epochs: int = 2, **fields: object) -> Run:
    metrics = {
        f"{part}_{kind}": {"loss": 1.25, "accuracy": accuracy}[kind]
        for part in ("train", "validation", "test")
        for kind in ("loss", "accuracy")
    }
    values = {
        "config": config,
        "data": sources.DIGEST,
        "history": {name: [1 / (n + 2) for n in range(epochs)] for name in HISTORY},
        "stopped_by": "epochs",
        "best_epoch": epochs,
        "best": metrics,
        "last": metrics,
        "environment": {"device": "none"},
    }
    return Run(**(values | fields))  # type: ignore[arg-type]


@pytest.fixture
def with_curve(made_up_run):
    """Return a function that makes a run with these values of one metric, one per epoch."""

    def make(values, metric="validation_accuracy", seed=0, **fields):
        best = {"best_epoch": fields.pop("best_epoch")} if "best_epoch" in fields else {}
        run = made_up_run(Config(seed=seed, **fields), epochs=len(values), **best)
        run.history[metric][:] = values
        return run

    return make


@pytest.fixture
def shell(monkeypatch) -> Iterator[InteractiveShell]:
    """IPython itself, as a kernel runs it, with its own namespace."""
    for name in ("displayhook", "excepthook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # put back after the test
    traits = Traits()
    traits.HistoryManager.enabled = False  # no file; this session's cells are kept all the same
    module = types.ModuleType("notebook_under_test")
    shell = InteractiveShell.instance(config=traits, user_module=module)
    yield shell
    sys.modules.pop(module.__name__, None)
    InteractiveShell.clear_instance()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium without a sandbox (as root it has none) and without requests of its own."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=quiet)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tab(browser: Browser) -> Iterator[Page]:
    """One tab for all pages: it opens the next in a third of a new one's time."""
    tab = browser.new_page()
    tab.set_default_timeout(PATIENCE)
    yield tab
    tab.close()


@pytest.fixture
def page(tab: Page) -> Iterator[Page]:
    """The tab, which remembers nothing of the test before."""
    tab.set_viewport_size({"width": 1280, "height": 1400})
    expect.set_options(timeout=PATIENCE)
    yield tab
    tab.unroute_all()
    tab.evaluate("localStorage.clear()")
    tab.goto("about:blank")


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Axe:
    """The newest rules of accessibility, fetched by npm; the bundled ones where it cannot."""
    npm, folder = shutil.which("npm"), tmp_path_factory.getbasetemp()
    if npm is None:
        return Axe()
    if "PYTEST_XDIST_WORKER" in os.environ:  # once for all workers
        folder = folder.parent
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    with FileLock(folder / "axe.lock"):
        if not script.exists():
            subprocess.run([npm, "install", "--silent", "--no-save", AXE], cwd=folder)
    return Axe.from_file(script) if script.exists() else Axe()


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the book's site, built unless it is fresh."""
    built.build(tmp_path_factory.mktemp("home"))
    with built.served() as address:
        yield address


@pytest.fixture
def trained(home, published, fashion, monkeypatch) -> list[Config]:
    """The configs trained in this process since the test began; the store is empty at first."""
    configs: list[Config] = []
    train = trainer.train

    def remember(missing, *arguments, **options):
        configs.extend(missing)
        return train(missing, *arguments, **options)

    monkeypatch.setattr(trainer, "train", remember)
    monkeypatch.setattr(sweep, "loaded", lambda device: fashion)
    return configs


@pytest.fixture(scope="session")
def found() -> dict[str, Judgement]:
    """Every claim's verdicts by the published runs: judging all takes seconds."""
    return judge()


@pytest.fixture
def no_gpu(monkeypatch) -> None:
    """Be on a machine without a GPU: messages name its devices."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)


@pytest.fixture
def say(capsys):
    """Return a function that runs a command and returns its exit code, stdout and stderr."""

    def run(*arguments) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def of_width(made_up_run):
    """Return a function that makes up a run of the width study."""

    def make(width=128, seed=0, **fields):
        return made_up_run(replace(STUDIES["width"].base, width=width, seed=seed), **fields)

    return make
