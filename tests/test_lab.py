"""Chapters in JupyterLab itself: opened, run, changed and run again, by mouse and keyboard."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fmnist_lab import guesses
from fmnist_lab.runs import records
from fmnist_lab.sweeps.studies import STUDIES

BOOK = Path(__file__).parents[1] / "book"
PATIENCE = 300_000  # ms: a busy machine is no fault of a page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.endurance("Every chapter runs in JupyterLab"),
]


@pytest.fixture(scope="module")
def store(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store for the kernels of all chapters."""
    store = tmp_path_factory.mktemp("store")
    (store / "data").symlink_to(data_root)
    return store


@pytest.fixture(scope="module")
def address(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve copies of all chapters by JupyterLab on loopback and give its address."""
    folder = tmp_path_factory.mktemp("lab")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    for path in BOOK.glob("*.ipynb"):
        shutil.copy(path, notebooks)
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "RUNTIME")}
    own["FMNIST_LAB_HOME"] = str(store)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0",
        "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=here",
        f"--ServerApp.root_dir={notebooks}", "--LabApp.news_url=",
    ]  # fmt: skip
    with subprocess.Popen(command, env=os.environ | own, stderr=subprocess.PIPE, text=True) as lab:
        assert lab.stderr is not None
        server = next(
            filter(None, (re.search(r"http://127[.\d]+:\d+", line) for line in lab.stderr))
        )
        Thread(target=lab.stderr.read, daemon=True).start()  # or it would wait for a reader
        wait_until_served(server[0], lab)
        yield f"{server[0]}/lab/tree/NAME.ipynb?token=here&reset"
        lab.terminate()


def wait_until_served(address: str, lab: subprocess.Popen[str]) -> None:
    """Wait until the server answers: on a busy machine it says its address before it listens."""
    while True:
        assert lab.poll() is None, "JupyterLab ended before it could be opened"
        with suppress(OSError):
            urlopen(f"{address}/lab?token=here").close()
            return
        time.sleep(0.1)


def run_all(page: Page) -> None:
    """Choose Run > Run All Cells and wait until the last cell is done."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(
        """() => {
            const shown = ".jp-CodeCell .jp-InputPrompt:not(.jp-Placeholder-prompt)"  // not folded
            const prompts = [...document.querySelectorAll(shown)]
            return prompts.every(prompt => /^\\[\\d+\\]:$/.test(prompt.textContent))
        }"""
    )


def opened(name: str, browser: Browser, address: str) -> Page:
    """Open a chapter and wait until its kernel is there."""
    # As tall as the notebook: JupyterLab attaches only cells that are in view.
    page = browser.new_page(viewport={"width": 1400, "height": 16_000})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=60_000)
    page.goto(address.replace("NAME", name))
    page.get_by_text("| Idle").wait_for()
    return page


def shown_figures(page: Page) -> Locator:
    return page.locator(".jp-RenderedSVG img, .jp-RenderedSVG svg")


def figures_of(name: str) -> int:
    """Return how many cells of a chapter are figures."""
    cells = nbformat.read(BOOK / f"{name}.ipynb", as_version=nbformat.NO_CONVERT).cells
    return sum("figure" in cell.metadata.get("mystnb", {}) for cell in cells)


def runs_in(store: Path) -> set[Path]:
    return set((store / "runs").glob("*.json"))


def test_a_chapter_runs_changes_and_trains_in_jupyterlab(
    address: str, store: Path, browser: Browser, trial: Any
) -> None:
    before, recorded = runs_in(store), STUDIES["width"].recorded()
    page = opened("width", browser, address)
    run_all(page)
    figures, wanted = shown_figures(page), figures_of("width")
    expect(figures).to_have_count(wanted)
    expect(page.get_by_text("claim W4")).to_be_visible()
    expect(page.get_by_text(f"{len(recorded)} complete training runs")).to_be_visible()
    expect(page.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    assert runs_in(store) == before  # it trained nothing

    guess = page.get_by_label("4192 neurons above 128 (points)")
    guess.fill("2")
    page.get_by_role("button", name="Compare").click()
    answer = guesses.told(guesses.questions()["width"][0], "2")
    expect(page.get_by_role("status").filter(has_text="You said")).to_have_text(answer)

    parameters = page.locator(".jp-CodeCell .cm-content", has_text="width: list")
    parameters.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nwidth = [8, 12]\nseeds = 1\nepochs = 2\ntrain_size = 500")
    run_all(page)
    expect(page.locator(".jp-OutputArea-output .widget-hprogress").first).to_be_visible()
    expect(page.get_by_text("Training 2 run(s) on")).to_be_visible()
    assert len(runs_in(store) - before) == 2
    expect(figures).to_have_count(wanted)
    expect(page.get_by_text("2 complete training runs")).to_be_visible()
    expect(guess).to_have_value("2")  # the cells ran again, and the guess is still there
    expect(page.get_by_role("status").filter(has_text="You said")).to_have_text(answer)
    expect(page.get_by_text("{runs}")).to_have_count(0)  # the text's source is folded away
    page.close()
    trial.found(f"width: {wanted} figures, again after its parameters changed and 2 runs trained")


OTHERS = sorted({path.stem for path in BOOK.glob("*.ipynb")} - {"width", "playground"})


@pytest.mark.full
@pytest.mark.parametrize("name", OTHERS)
def test_another_chapter_shows_all_its_figures_in_jupyterlab_and_trains_nothing(
    name: str, address: str, store: Path, browser: Browser, trial: Any
) -> None:
    before = runs_in(store)
    page = opened(name, browser, address)
    run_all(page)
    expect(shown_figures(page)).to_have_count(wanted := figures_of(name))
    expect(page.locator("[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
    expect(page.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    assert runs_in(store) == before
    page.close()
    trial.found(f"{name}: {wanted} figures, no error, nothing trained")


def test_the_playground_trains_and_stops_by_clicking(
    address: str, store: Path, browser: Browser, trial: Any, tmp_path: Path
) -> None:
    before = runs_in(store)
    page = opened("playground", browser, address)
    run_all(page)
    expect(page.get_by_text(" on one core.")).to_be_visible()

    for name, value in (("width", "32"), ("epochs", "9999"), ("patience", "9999")):
        field = page.get_by_label(name, exact=True)
        field.fill(value)
        field.press("Enter")
    page.get_by_role("button", name="Train").click()
    training = page.get_by_text(re.compile(r"Epoch ([6-9]|\d\d+) of 9999 at most\."))
    expect(training).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Stop").click()
    told = page.get_by_text("of the validation images right at epoch")
    expect(told).to_be_visible(timeout=PATIENCE)
    (path,) = runs_in(store) - before
    run = records.read_own(path)
    assert (run.config.width, run.stopped_by) == (32, "epochs")
    assert run.epochs == run.config.epochs < 9999

    panel = page.locator(".jp-OutputArea-output", has=page.locator(".widget-tab"))
    picture = panel.screenshot(path=tmp_path / "panel.png")  # the page shows one: book/panel.png
    assert len(picture) > 20_000  # bytes: it shows something
    pictures = page.locator(".widget-tab img")
    for tab in ("Predictions", "Mistakes", "First-layer weights", "Curves"):
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(pictures.and_(page.locator(":visible"))).to_have_count(1)
    page.get_by_role("tab", name="Predictions", exact=True).click()
    answers = pictures.and_(page.locator(":visible"))
    src = answers.get_attribute("src")
    page.get_by_role("button", name="Other images").click()
    expect(answers).not_to_have_attribute("src", str(src))
    page.get_by_role("tab", name="Runs", exact=True).click()
    expect(page.locator(".widget-tab td", has_text=str(run.epochs)).first).to_be_visible()

    field = page.get_by_label("learning rate", exact=True)
    field.fill("fast")
    field.press("Enter")
    expect(page.get_by_text("learning_rate is 'fast'; it must be a number from")).to_be_visible()
    run_all(page)  # the cells again: a new panel, no error
    expect(page.locator("[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
    page.close()
    trial.found(f"playground: stopped at epoch {run.epochs}, whose run is kept and drawn")
