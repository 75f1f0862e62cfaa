"""The questions the book asks: which settings each compares, and with which seeds.

To add one at one learning rate, add an entry to `studies.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fmnist_lab.config import Config, ConfigError, unknown_name

from .study import CONFIRMING_SEEDS, Study
from .tuning import MORE_TUNING_SEEDS, NESTED_SEEDS, SECOND_LOOK_SEEDS, TUNING_RATES, Tuning

# What is run was fixed before the first run (the chapter on method, "Fixed beforehand").
ENTRIES: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
NETWORKS = {name: Config(**values) for name, values in ENTRIES["networks"].items()}
SMALL, BEST, TRIED = NETWORKS["small"], NETWORKS["best"], NETWORKS["tried"]
SGD_RATES = tuple(float(f"{100 * rate:.3g}") for rate in TUNING_RATES[4:])  # 1e-2 to 1
FIXED_RATE = "The report fixes the learning rate."


def read(
    network: Config, name: str, question: str, report: str, grid: Mapping[str, Sequence[Any]],
    base: Mapping[str, Any] = MappingProxyType({}), seeds: Sequence[int] = CONFIRMING_SEEDS,
    keep: Sequence[str] = (),
) -> Study:  # fmt: skip
    """Return the study that an entry describes."""
    values = {key: tuple(several) for key, several in grid.items()}
    changed = replace(network, **base)
    return Study(name, question, report, changed, values, tuple(seeds), frozenset(keep))


def tuning(
    study: Study, rates: Sequence[float] = TUNING_RATES, precision: str = "bfloat16", **how: Any
) -> Tuning:
    """Ask which learning rate suits each setting of a study.

    Where steps are long they are in bfloat16: the study of precision showed it to end like single
    precision (method).
    """
    return Tuning(
        name=f"{study.name}_tuning",
        question=f"Which learning rate suits each {study.swept.replace('_', ' ')}?",
        report=FIXED_RATE,
        base=replace(study.base, precision=precision),
        grid={**study.grid, "learning_rate": tuple(rates)},
        **how,
    )


def retuned(study: Study, tuning: Tuning, **how: Any) -> Study:
    """Ask what a study asks about its settings, at the rates that their tuning chooses."""
    return Study(
        name=f"{study.name}_retuned",
        question=f"{study.question[:-1]}, each at its own learning rate?",
        report=FIXED_RATE,
        base=tuning.base,
        grid=study.grid,
        tuned_by=tuning,
        **how,
    )


def technique(name: str, network: Config) -> Study:
    """Ask what a technique does to a network."""
    found = TECHNIQUES[name]
    size = f"{network.depth} × {network.width}"
    return read(
        network, f"{name}_{network.width}", f"How good is {size} with {found['words']}?",
        "The report leaves such techniques for later.", found["grid"], found.get("base", {}),
    )  # fmt: skip


def nested(tuning: Tuning, values: Sequence[Any]) -> Study:
    """Ask what a study asks, including the luck of choosing the rates."""
    return Study(
        name=tuning.name.replace("tuning", "nested"),
        question=f"{tuning.question[:-1]}, and what does the luck of choosing it do?",
        report=FIXED_RATE,
        base=tuning.base,
        grid={**tuning.grid, tuning.swept: tuple(values)},
        seeds=NESTED_SEEDS,
    )


def second_look(study: Study, tuning: Tuning, values: Sequence[Any], seeds: int) -> Study:
    """Ask again, on fresh seeds, what the first look at the retuned settings left open."""
    first = retuned(study, tuning)
    return replace(
        first,
        name=f"{study.name}_second_look",
        question=f"{first.question[:-1]}, and what do fresh seeds say?",
        grid={study.swept: tuple(values)},
        seeds=SECOND_LOOK_SEEDS[:seeds],
    )


_FIRST = {
    entry["name"]: read(NETWORKS[entry.pop("network")], **entry) for entry in ENTRIES["study"]
}
LOSS, DEPTH, WIDTH, BATCH_SIZE = (_FIRST[n] for n in ("loss", "depth", "width", "batch_size"))
TECHNIQUES = {entry["name"]: entry for entry in ENTRIES["technique"]}
F1 = tuple(name for name, entry in TECHNIQUES.items() if entry.get("f1"))

WIDTH_TUNING = tuning(WIDTH, bracketed=True)
# Claim D4 is about the rates, so it too needs five seeds or more.
DEPTH_TUNING = tuning(DEPTH, bracketed=True, first_guess=WIDTH_TUNING, beyond=MORE_TUNING_SEEDS)
LOSS_TUNING = tuning(LOSS, precision="float32")
BATCH_SIZE_TUNING = tuning(BATCH_SIZE, precision="float32")
PLAIN_TUNING = tuning(technique("plain", TRIED), bracketed=True, first_guess=WIDTH_TUNING)
TRIED_TUNINGS = {
    name: tuning(technique(name, TRIED), bracketed=True, first_guess=PLAIN_TUNING)
    for name in TECHNIQUES
}
# No other study guesses the rates of these two well.
TRIED_TUNINGS |= {"plain": PLAIN_TUNING, "sgd": tuning(technique("sgd", TRIED), SGD_RATES)}
F1_TUNINGS = {
    name: tuning(
        technique(name, BEST), TRIED_TUNINGS[name].grid["learning_rate"],
        bracketed=True, first_guess=TRIED_TUNINGS[name],
    )
    for name in F1
}  # fmt: skip

_TUNED = [
    WIDTH_TUNING,
    retuned(WIDTH, WIDTH_TUNING),
    DEPTH_TUNING,
    retuned(DEPTH, DEPTH_TUNING),
    LOSS_TUNING,
    retuned(LOSS, LOSS_TUNING),
    BATCH_SIZE_TUNING,
    retuned(BATCH_SIZE, BATCH_SIZE_TUNING),
    *TRIED_TUNINGS.values(),
    *(retuned(technique(n, TRIED), each, best_alone=True) for n, each in TRIED_TUNINGS.items()),
    *F1_TUNINGS.values(),
    *(retuned(technique(n, BEST), each, best_alone=True) for n, each in F1_TUNINGS.items()),
    nested(LOSS_TUNING, LOSS.values),
    nested(BATCH_SIZE_TUNING, [size for size in BATCH_SIZE.values if size >= 64]),
    nested(WIDTH_TUNING, [512]),
    # How many seeds: the most that `verdicts.seeds_needed` gives, at the first look's spread, for a
    # test that it left open: power 0.9, level 0.05 divided by the tests that the chapter looks at
    # again. These are, in order, tests of L1 (2); of D1 and D2 (6; C2, on the same runs, would need
    # 24); of W1, W3 and W4 (10); of B1 and B2 (6). `tests/verdicts/test_second_look.py` computes
    # the numbers anew.
    second_look(LOSS, LOSS_TUNING, LOSS.values, seeds=27),
    second_look(DEPTH, DEPTH_TUNING, (1, 2, 3, 4), seeds=50),
    second_look(WIDTH, WIDTH_TUNING, WIDTH.values, seeds=60),
    second_look(BATCH_SIZE, BATCH_SIZE_TUNING, (1, 8, 64, 256, 512), seeds=226),
]
STUDIES: dict[str, Study] = _FIRST | {study.name: study for study in _TUNED}


def study(name: str) -> Study:
    """Return the study of that name; raise `ConfigError` if there is none."""
    if name not in STUDIES:
        raise ConfigError(unknown_name(name, STUDIES).replace("parameter", "study"))
    return STUDIES[name]
