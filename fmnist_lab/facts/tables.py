"""Tables of a page, as its reader sees them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fmnist_lab.config import TRAIN_SIZE, VALIDATION_SIZE, Config, scientific
from fmnist_lab.pictures.style import NAMES, grouped, label
from fmnist_lab.runs.records import find, read_published
from fmnist_lab.runs.run import Run
from fmnist_lab.sweeps.studies import DEPTH_TUNING, STUDIES, WIDTH_TUNING
from fmnist_lab.sweeps.tuning import Tuning, bracket
from fmnist_lab.verdicts import judge
from fmnist_lab.verdicts.claims import badge
from fmnist_lab.verdicts.evidence import SECOND_LOOKS
from fmnist_lab.verdicts.judgement import Answer, Judgement
from fmnist_lab.verdicts.measures import curve, epochs_to
from fmnist_lab.verdicts.rules import INTERVAL, show_limits
from fmnist_lab.verdicts.statistics import CONFIDENCE, Interval, for_other_images

from .common import framed

REPLAY = Path(__file__).with_name("replay.json")  # what `python -m benchmarks.replay` measured


def summary(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return a row per setting: validation accuracy, its standard deviation, gap, epochs, ends."""
    rows = {}
    for value, group in frame.groupby(by, sort=False):
        accuracy = 100 * group["validation_accuracy"]
        rows[label(value)] = {
            "seeds": len(group),
            "accuracy (%)": f"{accuracy.mean():.2f}",
            "SD": f"{accuracy.std():.2f}" if len(group) > 1 else "–",
            "gap (points)": f"{100 * group['gap'].mean():.2f}",
            "best epoch": f"{group['best_epoch'].mean():.1f}",
            "hit the cap": int((group["stopped_by"] == "epochs").sum()),
            "diverged": int((group["stopped_by"] == "divergence").sum()),
        }
    return framed(rows.items(), NAMES.get(by, by))


def reached(runs: Iterable[Run], by: str, target: float) -> pd.DataFrame:
    """Return one row per setting: epochs, steps and seconds until validation accuracy is `target`.

    `target` is a fraction. Numbers are means over the runs that get there, linear within an epoch,
    or a dash if none does. There are seconds only if one kind of device trained all runs.
    """
    runs, rows = list(runs), {}
    for value, group in grouped(runs, by).items():
        there = [r for r in group if max(curve(r, "validation_accuracy"), default=0.0) >= target]
        epochs = [epochs_to(run, target) for run in there]
        steps = [n * run.config.steps_an_epoch for n, run in zip(epochs, there, strict=True)]
        row = {
            "runs": len(group),
            "reached it": len(there),
            "epochs": f"{np.mean(epochs):.1f}" if there else "–",
            "steps": f"{np.mean(steps):,.0f}" if there else "–",
        }
        if len({run.device for run in runs}) == 1:
            times = [n * run.seconds / run.epochs for n, run in zip(epochs, there, strict=True)]
            row[f"seconds on {runs[0].device}"] = f"{np.mean(times):,.1f}" if there else "–"
        rows[label(value)] = row
    return framed(rows.items(), NAMES.get(by, by))


def tuning(*tunings: Tuning) -> pd.DataFrame:
    """Return a row per setting: its bracket's rates, the one chosen, and why no other is run.

    Without tuning studies, these are those of widths and depths.
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
    return framed(rows.items(), "setting")


def bracketing() -> pd.DataFrame:
    """Return a row per setting run at every rate: what brackets of its rates would have found.

    A bracket starts at each rate of the grid in turn. `rates run` is their mean number; `most
    lost`, in points, is how far the worst choice of any start falls below the grid's best.
    """
    rows: dict[Config, tuple[str, dict[str, Any]]] = {}
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
            name += "" if setting.loss == "cross_entropy" else f", {label(setting.loss)}"
            rows[setting] = (
                name,
                {
                    "rates run": round(sum(len(found.rates) for found in starts) / len(starts), 1),
                    "starts that find the best": f"{lost.count(0.0)} of {len(starts)}",
                    "most lost": round(100 * max(lost), 2),
                },
            )
    return framed(rows.values(), "setting")


def other_images(found: Mapping[str, Judgement] | None = None) -> pd.DataFrame:
    """Return a row per claim: the interval of its first verdict, for our images and for others.

    Without `found`, the published runs are judged. Claims whose interval is not that of a mean over
    seeds are left out.
    """
    found = judge() if found is None else found
    ratio = VALIDATION_SIZE / TRAIN_SIZE
    rows = {}
    for name, item in found.items():
        ours = item.first.decisive.verdict
        if ours.estimate is None or ours.interval != INTERVAL or math.isinf(ours.high - ours.low):
            continue
        here = Interval(ours.estimate, ours.low, ours.high, ours.n, math.nan, CONFIDENCE)
        both = here, for_other_images(here, ratio)
        limits = [show_limits(each.low, each.high, ours.unit) for each in both]
        beyond = ["yes" if i.low > ours.null or i.high < ours.null else "no" for i in both]
        rows[name] = {
            "for these images": limits[0],
            "beyond its limit": beyond[0],
            "for others": limits[1],
            "beyond it too": beyond[1],
        }
    return framed(rows.items(), "claim")


def undecided(found: Mapping[str, Judgement]) -> pd.DataFrame:
    """Return a row per inconclusive verdict: what would settle it, and at what price."""
    rows = []
    for name, item in found.items():
        for how, answer in item.answers.items():
            if answer.name != "inconclusive":
                continue
            needed, look = answer.seeds_needed, "none fixed" if how == "as claimed" else "–"
            if how == "as claimed" and item.second_look:
                look = badge(item.second_look.name)
            elif how == "as claimed" and item.claim.second_look:
                seeds = len(STUDIES[SECOND_LOOKS[item.claim.parts[0].arms[0].study]].seeds)
                look = f"not run: {seeds} fresh seeds, about {hours(answer, seeds):,.1f} hours"
            row = {
                "verdict": how,
                "seeds now": answer.decisive.verdict.n,
                "seeds for a power of 80 %": f"about {needed:,}" if needed else "not known",
                "hours of two cores": f"{hours(answer, needed):,.1f}" if needed else "–",
                "second look": look,
            }
            rows.append((name, row))
    return framed(rows, "claim")


def hours(answer: Answer, seeds: int) -> float:
    """Return how many hours two cores take to train an answer's settings again, at `seeds` each.

    A run takes as long as those on record did on average, one thread each; GPUs do not count.
    """
    settings: dict[Config, list[float]] = {}
    for run in find(answer.runs):
        if str(run.device).endswith(" thread"):
            settings.setdefault(replace(run.config, seed=0), []).append(run.seconds)
    return seeds * sum(map(np.mean, settings.values())) / 2 / 3600


def replayed() -> pd.DataFrame:
    """Return a row per verdict: how often replays with and without an effect came to which."""
    columns = {
        "supported, effect none": "no effect, called supported",
        "supported, effect smallest": "smallest effect, called supported",
        "not supported, effect smallest": "smallest effect, called not supported",
    }
    shares = pd.DataFrame(json.loads(REPLAY.read_text())["verdicts"]).T[[*columns]]
    return shares.rename(columns=columns).map("{:.1%}".format).rename_axis(columns="verdict")


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
            "compared": f"{label(each.swept)}: {', '.join(label(value) for value in each.values)}"
            + "; the best alone" * each.best_alone,
            "networks": network.get(each.swept, f"{base.depth} × {base.width}"),
            "seeds": spans,
            "learning rate, precision": f"{rate}, {products}",
        }
    return framed(rows.items(), "study")


def parameters(folder: Path = Path()) -> pd.DataFrame:
    """Return a row per parameter of the chapters' parameters cells: what it is, and its defaults.

    `folder` contains the notebooks. Needs papermill (extra `book`).
    """
    from papermill import inspect_notebook  # here, because only the appendix needs it

    every = [inspect_notebook(str(path)) for path in sorted(folder.glob("*.ipynb"))]
    rows = {}
    for name in dict.fromkeys(itertools.chain(*every)):
        there = [known[name] for known in every if name in known]
        rows[name] = {
            "type": " or ".join(sorted({one["inferred_type_name"] for one in there})),
            "meaning": max((one["help"] for one in there), key=len),
            "defaults": " or ".join(sorted({one["default"] for one in there})),
        }
    return framed(rows.items(), "parameter")


def machines() -> pd.DataFrame:
    """Return a row per kind of machine that trained published runs: versions, runs and hours."""
    kinds: dict[tuple[str, ...], list[Run]] = {}
    for run in read_published().values():
        there = run.environment
        made = (str(there.get(name, "?")) for name in ("precision", "python", "torch"))
        kinds.setdefault((str(run.device), *made), []).append(run)
    rows = []
    for (device, *told), runs in sorted(kinds.items()):
        versions = dict(zip(("precision", "Python", "PyTorch"), told, strict=True))
        hours = f"{sum(run.seconds for run in runs) / 3600:.3g}"
        rows.append((device, versions | {"runs": len(runs), "hours": hours}))
    return framed(rows, "device")
