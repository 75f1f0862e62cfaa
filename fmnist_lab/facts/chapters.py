"""The facts of the chapters on runs, a function per chapter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd

from fmnist_lab.config import scientific
from fmnist_lab.pictures import label
from fmnist_lab.runs.records import read_published
from fmnist_lab.runs.run import Run
from fmnist_lab.runs.runs import Runs
from fmnist_lab.sweeps.studies import DEPTH_TUNING, WIDTH_TUNING, study
from fmnist_lab.training.shapes import INPUT_DIM, parameter_count
from fmnist_lab.verdicts import expected_maximum, paired_difference
from fmnist_lab.verdicts.claims import fragile
from fmnist_lab.verdicts.judgement import Judgement
from fmnist_lab.verdicts.measures import CHANCE
from fmnist_lab.verdicts.statistics import MATERIAL, luckiest

from .common import NAN, Facts, mean, of_runs, ranks
from .equivalences import again, device_facts
from .explorer import settings


def depth(runs: Runs) -> Facts:
    """Return the facts of the chapter on depth: ranges are in points."""
    frame = runs.table()
    sizes = [parameter_count(run.config.depth, run.config.width) for run in runs] or [0]
    return of_runs(frame, "depth") | {
        "smallest": min(sizes),
        "largest": max(sizes),
        "hidden_range": ranks(frame[frame["depth"] > 0], "depth")["range"],
        "tuning_there": len(DEPTH_TUNING.recorded()),
    }


def loss(runs: Runs, readings: Runs) -> Facts:
    """Return the facts of the chapter on losses; `readings` are the published runs of all losses.

    `zeros_*` and `sure_mse` are losses of made-up logits: ten zeros, or 10 for the right class.
    """
    import torch  # here, because it takes a second, and the other chapters need not wait

    from fmnist_lab.training.losses import LOSSES

    target = torch.eye(10)[:, :1]
    frame = runs.table()
    zeros = {name: float(LOSSES[name].value(0 * target, target)) for name in LOSSES}
    facts = of_runs(frame, "loss") | {
        "zeros_cross_entropy": zeros["cross_entropy"],
        "zeros_mse": zeros["mse"],
        "ratio": zeros["cross_entropy"] / zeros["mse"],
        "sure_mse": float(LOSSES["mse"].value(10 * target, target)),
    }
    published = 100 * readings.table().groupby("loss")["validation_accuracy"].mean()
    for rival in ("mse", "mae"):
        lead = published.get("cross_entropy", NAN) - published.get(rival, NAN)
        facts[f"lead_over_{rival}"] = f"{lead:+.2f}".replace("-", "−")
    return facts


def learning_rate(runs: Runs, backdrop: Runs) -> Facts:
    """Return the facts of the chapter on learning rates."""
    frame = runs.table()
    facts, rates = of_runs(frame, "learning_rate"), sorted(set(frame["learning_rate"]))
    base = study("learning_rate").base
    steps = base.epochs * base.steps_an_epoch
    grid, tuning_seeds = study("width_tuning").grid["learning_rate"], study("width_tuning").seeds
    capped = frame[frame["stopped_by"] == "epochs"].groupby("learning_rate").size()
    of = frame.groupby("learning_rate").size().to_dict()
    where = ", ".join(f"{n} of {of[rate]} at {label(rate)}" for rate, n in capped.items())
    edge = facts["best"] in map(label, rates[:1] + rates[-1:])

    def after(rate: float, epoch: int) -> str:
        every = [r for r in [*runs, *backdrop] if r.config.learning_rate == rate]
        there = [r for r in every if r.epochs >= epoch]
        reached = [r.history["validation_accuracy"][epoch - 1] or CHANCE for r in there]
        return f"{100 * mean(reached):.1f} %" if reached else "(no run shown)"

    return facts | {
        "capped_where": where or "none at any rate",
        "diverged": int((frame["stopped_by"] == "divergence").sum()),
        "slow": after(2.05e-6, 100),
        "fast": after(2.05e-5, 10),
        "steps": steps,
        "travel": steps * 2.05e-6,
        "initial": INPUT_DIM**-0.5,  # PyTorch's nn.Linear starts within 1 / sqrt(inputs)
        "where": "at the edge of" if edge else "inside",
        "grid": len(grid),
        "grid_low": label(grid[0]),
        "grid_high": label(grid[-1]),
        "tuning_seeds": len(tuning_seeds),
    }


def batch_size(runs: Runs, timed: Sequence[Run], recorded: Sequence[Run]) -> Facts:
    """Return the facts of the chapter on batch sizes.

    `timed` are the runs made on one device, `recorded` those whose step losses are drawn.
    """
    frame = runs.table()
    steps = [run.config.steps_an_epoch for run in runs] or [0]
    waits = [run.config.patience * run.config.steps_an_epoch for run in runs] or [0]
    facts = of_runs(frame, "batch_size") | {
        "most_steps": max(steps),
        "fewest_steps": min(steps),
        "longest_wait": max(waits),
        "shortest_wait": min(waits),
        "timed": len(timed),
        "timed_on": str(timed[0].device) if timed else "none",
        "an_epoch": sum(run.config.steps_an_epoch for run in recorded),
        "all_steps": sum(len(run.losses_by_step()) for run in recorded),
        "spread": NAN,
        "spread_of_mean": NAN,
    }
    for run in recorded:
        last = run.losses_by_step()[-run.config.steps_an_epoch :].astype(float)
        facts |= {"spread": last.std(), "spread_of_mean": last.std() / len(last) ** 0.5}
    return facts


def method(runs: Runs, rates: pd.DataFrame) -> Facts:
    """Return the facts of the chapter on method: accuracies in per cent, differences in points.

    `runs` differ only in their seed; `rates` is the table of runs at two learning rates.
    """
    frame, config = runs.table(), runs[0].config
    accuracy = 100 * frame["validation_accuracy"]
    gaps = [abs(a - b) for a, b in combinations(accuracy, 2)]
    average, sd = float(accuracy.mean()), float(accuracy.std())
    lead = luckiest(accuracy, 6) - average if len(accuracy) >= 6 else None
    pivot = rates.pivot(index="seed", columns="learning_rate", values="validation_accuracy")
    low, high = (100 * pivot.dropna()[rate] for rate in (2.05e-4, 2.05e-3))
    return of_runs(frame) | {
        **device_facts(again()),
        "network": f"{config.depth} × {config.width}",
        "loss": config.loss.replace("_", "-"),
        "batch": config.batch_size,
        "rate": scientific(config.learning_rate),
        "parameters": f"{parameter_count(config.depth, config.width):,}",
        "steps": config.steps_an_epoch,
        "bumped": sum(bumped(run) for run in runs),
        "mean": average,
        "sd": sd,
        "test_sd": float(100 * frame["test_accuracy"].std()),
        "range": float(accuracy.max() - accuracy.min()),
        "pairs": len(gaps),
        "apart": sum(gap >= 100 * MATERIAL for gap in gaps),
        "sampling": math.sqrt(average * (100 - average) / 12_000),
        "best_of_six": expected_maximum(sd, 6),
        "best_of_six_shared": expected_maximum(100 * float(frame["test_accuracy"].std()), 6),
        "sds": expected_maximum(1.0, 6),
        "own": "too few runs to say" if lead is None else f"{lead:.2f} points",
        "sd_low": float(low.std()),
        "sd_high": float(high.std()),
        "sd_difference": float((low - high).std()),
        "sd_unpaired": float(math.hypot(low.std(), high.std())),
        "saving": float((low.var() + high.var()) / (low - high).var()),
    }


def bumped(run: Run) -> bool:
    """Return whether the validation loss failed to fall at some epoch before the best."""
    losses = run.history["validation_loss"][: run.best_epoch]
    finite = [math.inf if loss is None else loss for loss in losses]
    return any(loss >= min(finite[:n]) for n, loss in enumerate(finite) if n)


def findings(found: Mapping[str, Judgement]) -> Facts:
    """Return what the first page and the page of all claims say about the published runs.

    Accuracies are in %, differences in points.
    """

    def told(name: str) -> str:
        return listed([key for key, item in found.items() if item.first.name == name])

    def reached(name: str, value: object) -> pd.Series[float]:
        frame = study(name).recorded().table()
        there = frame[frame[study(name).swept] == value]
        return 100 * there.set_index("seed")["validation_accuracy"]

    frame = Runs(read_published().values()).table()
    seeds = [len(group) for group in settings(read_published().values()).values()]
    both = [(key, i.as_run, i.as_claimed) for key, i in found.items() if i.as_run and i.as_claimed]
    weak = [f"{key} {how}" for key, i in found.items() for how in i.answers if fragile(i, how)]
    settled = [(key, a.name, b.name) for key, a, b in both if "not run yet" not in (a.name, b.name)]
    narrow, wide = reached("width", 128), reached("width", 4192)
    own, own_wide = (reached("width_retuned", width) for width in (128, 4192))
    same = reached("loss", "cross_entropy")
    gaps = [abs(a - b) for a, b in combinations(same, 2)]
    rival = paired_difference(reached("loss", "mse"), same)
    mse, fresh = (reached("loss_second_look", loss) for loss in ("mse", "cross_entropy"))
    again = paired_difference(mse, fresh)
    names = [item.first.name for item in found.values()]
    return of_runs(frame) | {
        "claims": len(found),
        "supported": told("supported"),
        "size_open": told("supported but size open"),
        "not_supported": told("not supported"),
        "inconclusive": told("inconclusive"),
        "not_run": told("not run yet"),
        "two": len(both),
        "settled": len(settled),
        "changed": listed([key for key, as_run, as_claimed in settled if as_run != as_claimed]),
        "fragile": listed(weak),
        "runs": f"{len(frame):,}",
        "settings": len(seeds),
        "fewest": min(seeds),
        "hold": names.count("supported") + names.count("supported but size open"),
        "fail": names.count("not supported"),
        "distance": float(wide.mean() - narrow.mean()),
        "left": float(own_wide.mean() - own.mean()),
        "times": WIDTH_TUNING.chosen_rates().get(128, NAN) / study("width").base.learning_rate,
        "seeds_apart": max(gaps),
        "pairs": len(gaps),
        "apart": sum(gap >= 100 * MATERIAL for gap in gaps),
        "mse_lead": rival.estimate,
        "mse_low": rival.low,
        "mse_high": rival.high,
        "mse_again": again.estimate,
        "again_low": again.low,
        "again_high": again.high,
    }


def listed(ids: Sequence[str]) -> str:
    """Return how many claims there are, with their ids in brackets, or "none"."""
    return f"{len(ids)} ({', '.join(ids)})" if ids else "none"
