"""Tables that one page shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from fmnist_lab import data
from fmnist_lab.config import LOSS_WORDS, Config, scientific
from fmnist_lab.pictures import label
from fmnist_lab.pictures.style import FEWEST
from fmnist_lab.runs.records import read_published
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.studies import DEPTH_TUNING, STUDIES, WIDTH_TUNING
from fmnist_lab.sweeps.tuning import Tuning, bracket
from fmnist_lab.verdicts import equivalence, mean_interval, reproduced
from fmnist_lab.verdicts.statistics import MATERIAL, holm

PARAMETER = re.compile(r"^(\w+): ([\w\[\]]+) = ([^#\n]+?)  # (.+)$", re.MULTILINE)


def tuning(*tunings: Tuning) -> pd.DataFrame:
    """Return a row a setting: the rates its bracket has, the one chosen, and why no other is run.

    Of widths and depths, if no tuning studies are given.
    """
    rows = {}
    for each in tunings or (WIDTH_TUNING, DEPTH_TUNING):
        grid = sorted(each.grid["learning_rate"])
        for value, found in each.brackets().items():
            asked = f"{len(found.rates)} of {len(grid)}"
            if found.rates:
                asked += f", {scientific(found.rates[0])} to {scientific(found.rates[-1])}"
            rows[f"{each.swept} {value}"] = {
                "rates": asked,
                "chosen": scientific(found.chosen) if found.chosen else "not run yet",
                "why no other": found.reason(grid),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="setting")


def bracketing() -> pd.DataFrame:
    """Return a row a setting run at every rate: what brackets of its rates would have found.

    A bracket is begun at each rate of the grid in turn. `rates run` is their mean number; `most
    lost`, in points, how far below the grid's best the worst choice of any start lies.
    """
    rows: dict[Config, tuple[str, float, str, float]] = {}
    for each in (each for each in STUDIES.values() if isinstance(each, Tuning)):
        grid, frame = sorted(each.grid["learning_rate"]), each.means()
        frame = frame[frame["count"] == len(each.seeds)]
        for value in each.values:
            setting = replace(each.base, **{each.swept: value})
            there = frame[frame[each.swept] == value]
            means = dict(there.set_index("learning_rate")["mean"])
            if setting in rows or len(means) < len(grid):
                continue
            starts = [bracket(means, grid, start) for start in grid]
            lost = [max(means.values()) - means[found.chosen] for found in starts if found.chosen]
            name = f"{setting.depth} × {setting.width}, batch {setting.batch_size}"
            rows[setting] = (
                name if setting.loss == "cross_entropy" else f"{name}, {LOSS_WORDS[setting.loss]}",
                round(sum(len(found.rates) for found in starts) / len(starts), 1),
                f"{lost.count(0.0)} of {len(starts)}",
                round(100 * max(lost), 2),
            )
    columns = ["setting", "rates run", "starts that find the best", "most lost"]
    frame = pd.DataFrame(rows.values(), columns=columns).set_index("setting")
    return frame.rename_axis(None).rename_axis(columns="setting")


def fixed() -> pd.DataFrame:
    """Return what is run for each study: its settings, seeds, precision and learning rates."""
    rows = {}
    for name, each in STUDIES.items():
        base, rates = each.base, each.grid.get("learning_rate", ())
        network = {"depth": f"of {base.width}", "width": f"{base.depth} deep"}
        rate = scientific(base.learning_rate)
        if each.tuned_by:
            rate = f"chosen by {each.tuned_by.name}"
        elif isinstance(each, Tuning):
            ends = f"{scientific(min(rates))} to {scientific(max(rates))}"
            rate = f"{'brackets' if each.bracketed else 'all'} of {len(rates)}, {ends}"
        products = "both" if each.swept == "precision" else base.precision
        spans = f"{each.seeds[0]} to {each.seeds[-1]}"
        if isinstance(each, Tuning) and each.beyond:
            spans += f"; also {' and '.join(map(str, each.beyond))}"
        rows[name] = {
            "compared": f"{label(each.swept)}: {', '.join(label(value) for value in each.values)}",
            "networks": network.get(each.swept, f"{base.depth} × {base.width}"),
            "seeds": spans,
            "learning rate, precision": f"{rate}, {products}",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="study")


def precision() -> pd.DataFrame:
    """Return what products in bfloat16 change, in points of accuracy, a row a network.

    Seed by seed: the `differences`, their `mean` with its 90 % interval, `low` to `high`, and
    `p`, that of equivalence within `MATERIAL` after Holm's correction (`verdicts.equivalence`).
    """
    rows = {}
    for each in (each for each in STUDIES.values() if each.swept == "precision"):
        runs = each.recorded().table().pivot(index="seed", columns="precision")
        both = 100 * runs["validation_accuracy"].dropna()
        effect = mean_interval(both["bfloat16"] - both["float32"], 0.9)
        rows[f"{each.base.depth} × {each.base.width:,}"] = {
            "seeds": effect.n,
            "mean": effect.estimate,
            "low": effect.low,
            "high": effect.high,
            "p": equivalence(effect, 100 * MATERIAL),
            "differences": list(both["bfloat16"] - both["float32"]),
        }
    found = pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="network")
    return found.assign(p=holm(found["p"]))


def parameters(folder: Path = Path()) -> pd.DataFrame:
    """Return a row a parameter of the chapters' parameters cells: what it is, and its defaults.

    `folder` holds the notebooks. Read as papermill reads them: `name: type = literal  # help`.
    """
    told: dict[str, set[tuple[str, str, str]]] = {}
    for path in sorted(folder.glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            if "parameters" in cell["metadata"].get("tags", []):
                for name, *rest in PARAMETER.findall("".join(cell["source"])):
                    told.setdefault(name, set()).add(tuple(rest))
    rows = {
        name: {
            "type": " or ".join(sorted({kind for kind, _, _ in found})),
            "meaning": max((words for _, _, words in found), key=len),
            "defaults": " or ".join(sorted({value.strip() for _, value, _ in found})),
        }
        for name, found in told.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="parameter")


def machines() -> pd.DataFrame:
    """Return a row a kind of machine that trained published runs: versions, runs and hours."""
    rows: dict[tuple[str, ...], list[Run]] = {}
    for run in read_published().values():
        there = run.environment
        told = (str(there.get(name, "?")) for name in ("precision", "python", "torch"))
        key = (str(run.device), *told)
        rows.setdefault(key, []).append(run)
    columns = ["device", "precision", "Python", "PyTorch", "runs", "hours"]
    found = [
        [*key, len(runs), f"{sum(run.seconds for run in runs) / 3600:.3g}"]
        for key, runs in sorted(rows.items())
    ]
    frame = pd.DataFrame(found, columns=columns).set_index("device")
    return frame.rename_axis(None).rename_axis(columns="device")


def classes(fashion: data.Data) -> pd.DataFrame:
    """Return a row a class: its images, and mean, spread and background of their pixels."""
    kinds = [fashion.images[fashion.labels == kind] for kind in range(10)]
    columns = {
        "training images": torch.bincount(fashion.labels).numpy(),
        "test images": torch.bincount(fashion.test_labels).numpy(),
        "mean value": [round(images.mean().item(), 3) for images in kinds],
        "standard deviation": [round(images.std().item(), 3) for images in kinds],
        "background (%)": [round(100 * (images == 0).float().mean().item(), 1) for images in kinds],
    }
    return pd.DataFrame(columns, index=data.CLASSES).rename_axis(columns="class")


def near_twins(pairs: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return how many pairs are at most so far apart, a row a fifth of the threshold."""
    rows = {}
    for step in (threshold * n / 5 for n in range(1, 6)):
        close = pairs[pairs["distance"] <= step]
        rows[f"up to {step:.3g}"] = {
            "pairs": len(close),
            "test images": close["first"].nunique(),
            "pairs with different labels": (close["test label"] != close["training label"]).sum(),
        }
    return pd.DataFrame(rows).T.rename_axis(columns="distance")


def beside_report(
    measured: Mapping[str, pd.Series], printed: Mapping[str, Sequence[float]]
) -> pd.DataFrame:
    """Return a row a printed accuracy: whether it is reproduced, and where single runs fall."""
    columns = ["report", "runs", "our mean", "95 % of single runs", "verdict"]
    rows, names = [], []
    for name, values in measured.items():
        for figure in printed[name] if len(values) else ():
            again = reproduced(figure, values, rounding=0.0005)  # half a unit of its last digit
            found = pd.Series([again.estimate, again.low, again.high], dtype=float)
            ours, low, high = (f"{100 * x:.2f}" for x in found)
            limits = f"{low} to {high}" if again.n >= FEWEST else "–"
            rows.append([f"{100 * figure:.1f}", again.n, ours, limits, again.name])
            names.append(name)
    return pd.DataFrame(rows, names, columns).rename_axis(columns="accuracy (%)")


def validation_counts(fashion: data.Data, seeds: Iterable[int]) -> pd.DataFrame:
    """Return how many validation images each class has: a row a seed."""
    rows = {
        seed: torch.bincount(fashion.labels[data.split(seed)[1]], minlength=10).numpy()
        for seed in sorted(seeds)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=data.CLASSES)
