"""fmnist_lab.training.environment: the CPU threads of a training, the processor's name."""

import os
import platform
from contextlib import suppress

import pytest
import torch

from fmnist_lab.config import Config
from fmnist_lab.runs.run import LONGEST_LINE
from fmnist_lab.training import environment


@pytest.mark.parametrize(
    ("config", "at_most", "expected"),
    [
        (Config(width=128), None, 1),  # too little work per step for two
        (Config(depth=2, width=4192, batch_size=512), None, 4),
        (Config(depth=2, width=4192, batch_size=512), 1, 1),
        (Config(depth=2, width=512), None, 4),  # 1.03e9 operations per step
        (Config(depth=2, width=496), None, 1),  # 0.98e9
    ],
)
def test_threads_fit_the_work_of_a_step_and_are_restored(config, at_most, expected, monkeypatch):
    monkeypatch.setattr(environment, "usable_cpus", lambda: 4)
    before = torch.get_num_threads()
    with environment.threads(config, at_most):
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a system with affinities")
def test_cpus_that_this_process_may_not_use_do_not_count():
    allowed = os.sched_getaffinity(0)
    assert environment.usable_cpus() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert environment.usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(("there", "usable"), [(3, 3), (None, 1)])
def test_all_cpus_count_where_a_system_has_no_affinities(there, usable, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: there)
    assert environment.usable_cpus() == usable


def test_threads_are_restored_after_a_failure():
    before = torch.get_num_threads()
    with suppress(KeyboardInterrupt), environment.threads(Config(depth=2, width=4192)):
        torch.set_num_threads(before + 1)
        raise KeyboardInterrupt
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([0], "0"),
        (range(10), "0-9"),
        ([3, 1, 2, 7, 20, 21], "1-3, 7, 20-21"),
        (range(0, 4_000_000_000, 40_000_000), "0, 40000000, 80000000, 120000000, 160000000, …"),
    ],
)
def test_the_seeds_of_a_stack_are_a_line_that_a_record_may_hold(seeds, said):
    line = environment.ranges(seeds)
    assert line == said or (said.endswith("…") and line.startswith(said[:-1]))
    assert line.endswith("…") is said.endswith("…")
    assert len(f"seeds{line}") <= LONGEST_LINE


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("model name\t: AMD EPYC\nflags\t\t: avx2 avx512f avx512_bf16\n\n", "AMD EPYC"),
        ("model name\t: AMD EPYC\nflags\t\t: avx2\n\n", "AMD EPYC without avx512_bf16"),
        (
            "Features\t: fp asimd bf16\n",
            "aarch64 without avx512_bf16",
        ),  # Arm has others, and no name
        (None, "aarch64 without avx512_bf16"),
    ],
)
def test_two_generations_of_one_name_are_told_apart(cpuinfo, name, tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "processor", str)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert environment.processor(tmp_path / "cpuinfo") == name
