"""The facts of the page on speed: what one run of the benchmark has measured."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

import pandas as pd

from fmnist_lab.pictures.speed import gains as gains_of
from fmnist_lab.pictures.speed import number, ratio, table
from fmnist_lab.training.model import parameter_count

from .common import NAN, Facts

STEPS = {  # from the slowest loop to the fastest: what is taken away, and by whose loops it shows
    "pictures one by one → tensors one by one": ("tutorial", "tensors"),
    "tensors one by one → a slice a batch, Adam in one call": ("tensors", "expert"),
    "autograd → gradients written out": ("expert", "ours"),
    "what is left: ours → matrix products alone": ("ours", "products"),
}


def gains(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how many times as fast each step makes the loop: a row a step."""
    return gains_of(frame, STEPS)


def gpu(results: Mapping[str, Any]) -> Facts:
    """Return the facts in a benchmark's results of ten seeds on a GPU: factors are texts."""
    frame = table(dict(results))
    others = ("ours_in_turn", "jax", "expert", "graphs", "products")
    factors = {f"gpu_{name}": number(ratio(frame, "10-seeds", name)) for name in others}
    (ours,) = frame[frame["trainer"] == "ours"]["seconds"]
    return factors | {
        "gpu": results["machine"]["gpu"],
        "gpu_date": results["date"],
        "gpu_limit": results["limit_seconds"],
        "gpu_step": 1e6 * ours / results["workloads"]["10-seeds"]["steps"],
    }


def speed(results: Mapping[str, Any]) -> Facts:
    """Return the facts in a benchmark's results: factors are texts, memory is in 10^6 bytes."""
    frame = table(dict(results))
    machine, versions, costs = results["machine"], results["versions"], results["costs"]
    sweep, imports = costs["sweep"], costs["import_seconds"]
    million = parameter_count(2, 4192) / 1e6
    wide = frame[frame["workload"] == "2x4192-b512"].set_index("trainer")["peak_mb"]

    def times(workload: str, trainer: str, to: str = "ours") -> str:
        return number(ratio(frame, workload, trainer, to))

    small = {
        f"{trainer}_{batch}": times(f"1x128-b{batch}", trainer)
        for batch in (1, 16, 64)
        for trainer in ("tutorial", "expert", "jax")
    }
    rounded = {
        f"{what}_{network}": times(f"{network}-b512-bf16", *pair)
        for network in ("2x4192", "4x2096")
        for what, pair in {
            "rounded": ("ours", "ours_float32"),
            "rounded_expert": ("expert",),
            "rounded_jax": ("jax",),
            "rounded_over": ("ours", "products"),
        }.items()
    }
    return (
        small
        | rounded
        | {
            **{name: machine[name] for name in ("processor", "cores", "memory_gib")},
            **{name: versions[name] for name in ("python", "torch")},
            "date": results["date"],
            "repeats": results["repeats"],
            "limit": results["limit_seconds"],
            "expert_wide": times("2x4192-b512", "expert"),
            "over_products": times("2x4192-b512", "ours", to="products"),
            "adam_of_1": times("1x128-b1", "adam"),
            "products_of_64": times("1x128-b64", "products"),
            "in_turn": times("10-seeds", "ours_in_turn"),
            "stack": times("10-seeds", "ours_stack"),
            **{f"sweep_{name}": sweep[name] for name in ("seeds", "epochs", "workers")},
            **{name: sweep[name] for name in ("in_turn_seconds", "together_seconds")},
            "sweep_gain": sweep["in_turn_seconds"] / sweep["together_seconds"],
            "import_torch": median(imports["torch"]),
            "import_all": median(imports["fmnist_lab.sweeps.sweep"]) / median(imports["torch"]),
            "published": costs["published_runs"],
            "reading": 1000 * median(costs["read_published_seconds"]),
            "bytes": costs["stack_bytes_a_parameter"],
            "million": million,
            "stack_mb": million * costs["stack_bytes_a_parameter"],
            "peak_ours": f"{wide.get('ours', NAN):,.0f}",
            "peak_expert": f"{wide.get('expert', NAN):,.0f}",
        }
    )
