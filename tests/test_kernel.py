"""A chapter in a kernel that is interrupted; its cells are run twice and out of order."""

import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

BOOK = Path(__file__).parents[1] / "book"
PATIENCE = 300  # seconds: a busy machine takes long to start a kernel
# In the kernel's own process: tests/sweeps/test_interruptions.py interrupts one that has others.
HERE = "from fmnist_lab.training import environment; environment.usable_cpus = lambda: 1"
LONG = "width = [8]; seeds = 40; epochs = 50; patience = 50; train_size = 500"
SHORT = "width = [8]; seeds = 2; epochs = 2; train_size = 500"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.endurance("The next run of all cells is right"),
]


@pytest.fixture
def kernel(home) -> Iterator[tuple[BlockingKernelClient, object]]:
    """A kernel as JupyterLab starts it, and what can interrupt it."""
    manager, client = start_new_kernel(startup_timeout=PATIENCE)
    yield client, manager
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def code_of(name: str) -> list[str]:
    cells = nbformat.read(BOOK / f"{name}.ipynb", as_version=nbformat.NO_CONVERT).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def faults(client: BlockingKernelClient, cells: list[str]) -> list[str]:
    """Run cells as Run All does; return the names of the errors."""
    found = []
    for cell in cells:
        reply = client.execute_interactive(
            cell, timeout=PATIENCE, output_hook=lambda message: None, store_history=True
        )
        if reply["content"]["status"] == "error":
            found.append(reply["content"]["ename"])
            break
    return found


def test_after_an_interrupt_and_cells_out_of_order_the_next_run_of_all_is_right(
    kernel, home, trial
):
    client, manager = kernel
    cells = code_of("width")
    place = next(n for n, cell in enumerate(cells) if "Chapter(" in cell)  # trains
    assert faults(client, [HERE, *cells[:place], LONG]) == []
    client.execute(cells[place])
    deadline = time.monotonic() + PATIENCE
    while not list((home / "runs").glob("*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    manager.interrupt_kernel()
    while (ended := client.get_shell_msg(timeout=PATIENCE)["content"])["status"] != "error":
        pass
    stopped = ["Stopped. Finished runs are kept; running it again continues."]
    assert (ended["ename"], ended["traceback"]) == ("Interrupted", stopped)
    kept = len(list((home / "runs").glob("*.json")))
    assert 0 < kept < 40

    assert faults(client, [cells[-1], cells[-1]]) in ([], ["NameError"])  # out of order
    changed = [*cells[:place], SHORT, *cells[place:]]
    assert faults(client, changed) == []
    assert faults(client, changed[: place + 3]) == []  # twice
    told = client.execute_interactive(
        "assert [(run.config.width, run.epochs) for run in runs] == [(8, 2)] * 2",
        timeout=PATIENCE,
        output_hook=lambda message: None,
    )
    assert told["content"]["status"] == "ok"
    assert len(list((home / "runs").glob("*.json"))) == kept + 2
    trial.found("interrupted, out of order, changed, twice: the two runs asked for")
