"""fmnist_lab.sweeps.processes: what a worker writes reaches the bar, whatever ends the worker.

`tests/test_sweep.py` holds what becomes of the processes themselves.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

from fmnist_lab.config import Config
from fmnist_lab.sweeps import processes
from fmnist_lab.sweeps.progress import Progress


def test_the_listener_stops_with_the_last_writer_even_in_the_middle_of_a_message():
    for last_words in (b"", b"\x00\x00\x01\x00half"):
        updates: list[float] = []
        bar = SimpleNamespace(update=updates.append, set_postfix_str=lambda text, refresh: None)
        receiver, sender = multiprocessing.Pipe(duplex=False)
        sender.send((Config(epochs=2), 1, 1))
        os.write(sender.fileno(), last_words)
        sender.close()
        with receiver:
            processes.listen(receiver, Progress(bar))
        assert updates == [0.5]


def test_a_pool_has_the_private_processes_that_we_end():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        worker = pool.submit(os.getpid).result()
        held = getattr(pool, "_processes", None)
        assert worker in (held or ()), (
            "ProcessPoolExecutor no longer keeps its processes by number in _processes: "
            "processes.terminate needs terminate_workers (Python 3.14) instead."
        )
